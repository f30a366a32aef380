# Rows and recipes that are empty, of the wrong kind, badly encoded or far too large: named by file, line, row or key.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/bad.bash"
student=$testbed/student guard=$testbed/guard rows=$scratch/rows.jsonl
small_recipe "$scratch/recipe.yaml"

# row PHRASES... -- BYTES: generate refuses this file of rows (printf's escapes).
row() {
	local phrases=()
	while [ "$1" != -- ]; do
		phrases+=("$1")
		shift
	done
	# shellcheck disable=SC2059
	printf "$2" >"$rows"
	refused "$rows" "${phrases[@]}" -- generate --model "$student" --in "$rows" --max-new-tokens 3 --quiet
}

# --- encoding
row ":1:" "invalid UTF-8 at byte 19 of the line" -- '{"instruction": "a\xffb"}\n'
row ":2:" "invalid UTF-8 at byte 19 of the line" -- '{"instruction": "a"}\n{"instruction": "a\xed\xa0\x80"}\n'
row ":3:" "invalid UTF-8 at byte 18 of the line" -- '[{"instruction": "a"},\n\n{"instruction": "\xc3"}]\n'
row ":1:" 'invalid Unicode' '\uD800' -- '{"instruction": "a\\ud800"}\n'
row ":1:" 'invalid Unicode' -- '{"instruction": "a\\udc00b"}\n'
row "row 1" '"instruction" holds a NUL character' -- '{"instruction": "a\\u0000b"}\n'
row "row 2" '"prompt" holds a NUL character' -- '{"prompt": "a"}\n{"prompt": "a\\u0000b"}\n'
row ":1:" "not JSON" -- '\x00\x00\x00'
row ":1:" "invalid UTF-8 at byte 1 of" -- '\xff\xfe{\x00'
# A byte-order mark and CRLF are taken, and change nothing.
printf '{"instruction": "a", "prompt_label": "vanilla_benign"}\n{"instruction": "b", "prompt_label": "vanilla_benign"}\n' >"$scratch/unix"
sed 's/$/\r/' "$scratch/unix" | { printf '\xef\xbb\xbf' && cat; } >"$scratch/windows"
{ printf '\xef\xbb\xbf[' && paste -sd, "$scratch/unix" | tr -d '\n' && printf ']\r\n'; } >"$scratch/array"
for form in unix windows array; do
	"$THINKSAFE" generate --model "$student" --in "$scratch/$form" --max-new-tokens 9 --quiet >"$scratch/$form.out" || fail "$form"
	cmp -s "$scratch/unix.out" "$scratch/$form.out" || fail "rows in the form $form give other responses"
done
[ "$(wc -l <"$scratch/unix.out")" -eq 2 ] || fail "two rows were expected"

# --- form
row ":1:" "expected a row (a JSON object), found an integer" -- '5\n'
row ":2:" "expected a row (a JSON object), found a string" -- '{"instruction": "a"}\n"b"\n'
row ":1:" "found an array" -- '[[1]]\n'
row ":1:" "found null" -- 'null\n'
row ":1:" "not JSON" "near '{'" -- '{"instruction": "a"}{"instruction": "b"}\n'
row ":1:" "not JSON" -- '{"instruction": "a"},\n'
row ":2:" "not JSON" -- '{"instruction": "a"}\n{"instruction": "b\n'
row "row 1" '"instruction": expected a string, found an integer' -- '{"instruction": 5}\n'
row "row x" '"instruction": expected a string, found an array' -- '{"instruction": ["a"], "id": "x"}\n'
row "row 7" '"prompt_label": expected a string, found an integer' -- '{"instruction": "a", "prompt_label": 5, "id": 7}\n'
row "row 1" 'expected "instruction", "prompt", "messages" or "ids"' -- '{"instruction": null}\n'
row "row 1" 'expected "instruction"' -- '{}\n'
row "row 1" "the prompt is empty" -- '{"prompt": ""}\n'
row "row 1" '"messages": expected an array' -- '{"messages": {"role": "user"}}\n'
row "row 1" '"messages": item 1: "role": expected a string, found an integer' -- '{"messages": [{"role": 5, "content": "a"}]}\n'
row "row 1" '"messages": item 2: expected an object, found an integer' -- '{"messages": [{"role": "user", "content": "a"}, 5]}\n'
row "row 1" "$student: chat template" "'content' is undefined" -- '{"messages": [{"role": "user"}]}\n'
row "row 1" "token id 99999, expected at most 1279" -- '{"ids": [1, 99999]}\n'
row "row 1" '"ids": item 2: expected a token id, found -1' -- '{"ids": [1, -1]}\n'
row "row 1" '"ids": item 1: expected a token id, found a real number' -- '{"ids": [1.5]}\n'
row ":1:" "real number overflow" -- '{"instruction": "a", "x": 1e400}\n'
row ":1:" 'invalid Unicode' -- '{"instruction": "a\\ud83d\\ud83d"}\n'
row "row 1" "the prompt is empty" -- '{"ids": []}\n'

# --- far too much: memory and stack stay bounded
deep=$(printf '[%.0s' $(seq 100000))
printf '{"instruction": "a", "x": %s' "$deep" >"$rows"
refused "$rows:1" "maximum parsing depth" -- generate --model "$student" --in "$rows" --quiet
{ printf '{"instruction": "' && head -c 30000000 /dev/zero | tr '\0' a && printf '", "id": "k"}\n'; } >"$rows"
refused "$rows: row k" "a prompt of 300" "expected at most 1024 (the model's context)" -- generate --model "$student" --in "$rows" --quiet
rm "$rows"
refused "$rows" "No such file" -- generate --model "$student" --in "$rows" --quiet
refused "$scratch" "Is a directory" -- generate --model "$student" --in "$scratch" --quiet

# --- longer than the context, for every command that computes
long=$(printf 'word %.0s' $(seq 2000))
printf '{"instruction": "x", "response": "y", "prompt_label": "vanilla_harmful"}\n{"instruction": "%s", "response": "y", "prompt_label": "vanilla_harmful"}\n' \
	"$long" >"$rows"
refused "$rows: row 2" "expected at most 1024 (the model's context)" -- generate --model "$student" --in "$rows" --quiet
refused "$rows: row 2" 1024 -- score --model "$student" --in "$rows" --quiet
refused "$rows: row 2" "expected at most 1024" -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/long" --quiet
refused "$rows: prompt 2" "expected at most 1024" -- run "$scratch/recipe.yaml" --evals "[{name: a, file: $rows, kind: safety}]" --run "$scratch/long" --quiet
refused "$rows: row 2" "expected at most 1024 (the model's context)" "--max-length cuts" -- train --model "$student" --in "$rows" \
	--out "$scratch/long-adapter" --quiet
# A guard cannot see all of it: unjudged, never safe.
"$THINKSAFE" judge --guard "$guard" --in "$rows" --quiet | tail -n 1 | grep -q '"verdict":"unjudged".*"why":"longer than the guard' ||
	fail "judge: a text longer than the context"

# --- prompt sets of a run
printf '' >"$rows"
refused "$rows" "no prompts; expected at least one row" -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/sets" --quiet
refused "$rows" "expected at least one" -- run "$scratch/recipe.yaml" --evals "[{name: a, file: $rows, kind: safety}]" --run "$scratch/sets" --quiet
refused "tezt" "expected at least one" -- run "$scratch/recipe.yaml" \
	--evals "[{name: a, file: $testbed/prompts/sums.json, kind: safety, split: tezt}]" --run "$scratch/sets" --quiet
printf '{"instruction": "a", "prompt_label": "vanilla_benign"}\n{"instruction": "a"}\n' >"$rows"
refused "$rows: row 2" '"prompt_label" is missing' -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/sets" --quiet
printf '{"instruction": "a", "prompt_label": "vanilla_benign"}\n{"prompt_label": "vanilla_benign"}\n' >"$rows"
refused "$rows: row 2" '"instruction" is missing' -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/sets" --quiet
printf '{"prompt_label": "vanilla_benign"}\n' >"$rows"
refused "$rows: row 1" '"instruction" is missing' -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/sets" --quiet
refused "$rows: row 1" '"instruction" is missing' -- run "$scratch/recipe.yaml" --evals "[{name: a, file: $rows, kind: safety}]" --run "$scratch/sets" --quiet
printf '{"instruction": "", "prompt_label": "vanilla_benign"}\n' >"$rows"
refused "$rows: row 1" '"instruction" is empty; expected a prompt' -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/sets" --quiet
printf '{"instruction": "a", "prompt_label": "odd"}\n' >"$rows"
refused "$rows" "row 1" 'prompt_label "odd"' "found neither" -- run "$scratch/recipe.yaml" --train-prompts "$rows" --run "$scratch/sets" --quiet
# set_of KIND PHRASES... -- BYTES: an evaluation set that is refused.
set_of() {
	local kind=$1 phrases=()
	shift
	while [ "$1" != -- ]; do
		phrases+=("$1")
		shift
	done
	# shellcheck disable=SC2059
	printf -- "$2" >"$rows"
	refused "$rows" "${phrases[@]}" -- run "$scratch/recipe.yaml" --evals "[{name: a, file: $rows, kind: $kind}]" --run "$scratch/sets" --quiet
}
set_of safety ":2:" "never closed" -- '\xef\xbb\xbfcategory,source,forbidden_prompt\r\nx,y,"open\r\n'
set_of safety ":2:" "a quote inside a field" -- 'category,source,forbidden_prompt\nx,y,"a"b\n'
set_of safety ":2: row 1" "expected 3 columns" "found 2" -- 'category,source,forbidden_prompt\nx,y\n'
set_of safety ":1:" 'column "category" is there twice' -- 'category,category,forbidden_prompt\n'
set_of safety ":2:" "field 3 is not UTF-8" -- 'category,source,forbidden_prompt\nx,y,a\xff\n'
set_of safety "row 1" '"forbidden_prompt" holds a NUL' -- 'category,source,forbidden_prompt\nx,y,a\x00b\n'
set_of safety "no prompts" "at least one row" -- 'category,source,forbidden_prompt\n'
set_of safety "expected one of public" "found CSV with <a/>" -- '<a/>\n'
set_of safety "expected one of public" "found CSV with a;b" -- 'a;b\nx;y\n'
set_of "reasoning, grader: gsm8k" "row 1" '"answer": expected a number' 'found "no number"' -- '{"question": "2+2?", "answer": "no number"}\n'
set_of "reasoning, grader: gpqa" "row 2" "expected a letter A to D" -- '{"instruction": "a", "answer": "B"}\n{"instruction": "b", "answer": "E"}\n'
set_of reasoning "row 1" '"answer": expected a string, found an integer' -- '{"question": "2+2?", "answer": 4}\n'
refused "grader: a reasoning set of format public needs one; expected math" -- run "$scratch/recipe.yaml" \
	--evals "[{name: a, file: $testbed/prompts/sums.json, kind: reasoning}]" --run "$scratch/sets" --quiet
refused 'grader: expected math, gsm8k, aime or gpqa, and strict or paper ("math", "paper", "math paper"), found "wobble"' -- run "$scratch/recipe.yaml" \
	--evals "[{name: a, file: $testbed/prompts/sums.json, kind: reasoning, grader: wobble}]" --run "$scratch/sets" --quiet
printf 'a\nb\xff\n' >"$scratch/phrases"
refused "$scratch/phrases:2" "invalid UTF-8 at byte 2" -- run "$scratch/recipe.yaml" --refusal-phrases "$scratch/phrases" --run "$scratch/sets" --quiet
[ ! -e "$scratch/sets/recipe.yaml" ] || fail "a refused start bound the directory"

# Nothing kept: why, in counts.
refused "nothing to train on: of 40 prompts" "thinking not closed: 40" "not judged: 0" -- run "$scratch/recipe.yaml" --sampling.max-new-tokens 1 \
	--run "$scratch/cut" --quiet

# --- recipes
recipe=$scratch/odd.yaml
# yaml PHRASES... -- BYTES
yaml() {
	local phrases=()
	while [ "$1" != -- ]; do
		phrases+=("$1")
		shift
	done
	# shellcheck disable=SC2059
	printf -- "$2" >"$recipe"
	refused "${phrases[@]}" -- run "$recipe" --run "$scratch/odd" --quiet
	[ ! -e "$scratch/odd" ] || fail "a refused recipe made a directory: $2"
}
yaml "model: missing" -- ''
yaml "model: missing" -- '# nothing\n'
yaml "$recipe:2" 'unknown key "modle"' -- 'seed: 1\nmodle: x\n'
yaml "$recipe:2" 'unknown key "lrr" in train' -- 'train:\n  lrr: 1\n'
yaml "$recipe:2" 'given twice: key "model"' -- 'model: a\nmodel: b\n'
yaml "$recipe:1" 'unknown key ""' -- '"": x\n'
yaml "$recipe:1" "expected a plain word as key" -- '[a]: x\n'
yaml "$recipe:2" 'given twice: key "name"' -- 'evals:\n  - {name: a, name: b, file: x, kind: safety}\n'
yaml "$recipe:1" "targets" "expected at least 1, found 0" -- 'lora: {targets: []}\n'
yaml "$recipe:1" 'lora.rank: expected 1 to 65536, found "-4"' -- 'lora: {rank: -4}\n'
yaml "$recipe:1" 'sampling.temperature: expected 0 to 100, found "1e400"' -- 'sampling: {temperature: 1e400}\n'
yaml "$recipe:2" "found an alias" -- 'model: &a x\nguard: *a\n'
yaml "$recipe:1" 'unknown key "a"' -- 'a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n'
yaml "$recipe:1" "found a tab" -- '\tmodel: x\n'
yaml "$recipe" "expected keys with values, found a single value" -- 'text\n'
yaml "$recipe" "expected keys with values, found a list" -- '- model\n'
yaml "$recipe:1" "model: expected a single value, found a list" -- 'model: [a]\n'
yaml "$recipe:1" "train: expected keys with values, found a single value" -- 'train: 5\n'
yaml "$recipe:1" "evals: entry 1" "expected keys with values" -- 'evals: [a]\n'
yaml "$recipe:1" '"file" is missing' -- 'evals: [{name: a}]\n'
yaml "$recipe:1" "kind: expected safety, over_refusal or reasoning" 'found "c"' -- 'evals: [{name: a, file: b, kind: c}]\n'
yaml "$recipe:1" "lora.targets: expected q_proj" 'found "zz"' -- 'lora: {targets: [zz]}\n'
yaml "$recipe:1" "lora.targets: q_proj is there twice" -- 'lora: {targets: [q_proj, q_proj]}\n'
yaml "$recipe:1" 'train.lr: expected a number, found "nan"' -- 'train: {lr: nan}\n'
yaml "$recipe:1" 'train.lr: expected a number, found ".inf"' -- 'train: {lr: .inf}\n'
yaml "$recipe:1" 'train.lr: expected above 0 to 10, found "1e400"' -- 'train: {lr: 1e400}\n'
yaml "$recipe:1" 'train.lr: expected above 0 to 10, found "-1"' -- 'train: {lr: -1}\n'
yaml "$recipe:1" 'train.epochs: expected a whole number, found "1e30"' -- 'train: {epochs: 1e30}\n'
yaml "$recipe:1" 'train.epochs: expected a whole number, found "1.5"' -- 'train: {epochs: 1.5}\n'
yaml "$recipe:1" 'train.epochs: expected 1 to 10000, found "99999999999999999999999"' -- 'train: {epochs: 99999999999999999999999}\n'
yaml "$recipe:1" 'seed: expected 0 to 18446744073709551615, found "18446744073709551616"' -- 'seed: 18446744073709551616\n'
yaml "$recipe:1" 'seed: expected 0 to' 'found "-1"' -- 'seed: -1\n'
yaml "$recipe:1" 'kv_dtype: expected f32 or bf16, found "f8"' -- 'kv_dtype: f8\n'
yaml "$recipe:2" "invalid UTF-8 at byte 9 of the line" -- 'seed: 1\nmodel: a\xff\n'
yaml "$recipe:1" "found a NUL character" -- 'model: a\x00b\n'
yaml "$recipe" "more than one YAML document" -- 'model: x\n---\nmodel: y\n'
yaml "$recipe" libyaml -- 'model: "a\n'
{ printf 'model: ' && printf '[%.0s' $(seq 100000); } >"$recipe"
refused "$recipe:1" "expected a single value, found a list" -- run "$recipe" --run "$scratch/odd" --quiet
{ printf 'train: ' && printf '{a: %.0s' $(seq 50000); } >"$recipe"
refused "$recipe:1" 'unknown key "a"' -- run "$recipe" --run "$scratch/odd" --quiet
head -c 100000 /dev/zero | tr '\0' '\245' >"$recipe"
refused "$recipe:1" "invalid UTF-8" -- run "$recipe" --run "$scratch/odd" --quiet
printf 'name: %s\n' "$(head -c 100000 /dev/zero | tr '\0' a)" >"$recipe"
refused "model: missing" -- run "$recipe" --quiet
refused "$scratch" "Is a directory" -- run "$scratch" --quiet
refused "$scratch/none.yaml" "No such file" -- run "$scratch/none.yaml" --quiet
if [ "$(id -u)" -ne 0 ]; then
	chmod a-r "$recipe"
	refused "$recipe" "Permission denied" -- run "$recipe" --quiet
fi
# A pipe is read like a file; a mark and CRLF are taken.
"$THINKSAFE" run "$scratch/recipe.yaml" --name x --print-recipe >"$scratch/printed"
"$THINKSAFE" run <(cat "$scratch/recipe.yaml") --name x --print-recipe | cmp -s - "$scratch/printed" || fail "a recipe from a pipe"
sed 's/$/\r/' "$scratch/recipe.yaml" | { printf '\xef\xbb\xbf' && cat; } >"$recipe"
"$THINKSAFE" run "$recipe" --name x --print-recipe | cmp -s - "$scratch/printed" || fail "a recipe with a mark and CRLF"

# --- values of flags are the command line's: status 2
for wrong in "--train.lr nan" "--seed 18446744073709551616" "--train.epochs -1" "--evals [{name:" "--kv-dtype f8"; do
	status=0
	# shellcheck disable=SC2086
	"$THINKSAFE" run "$scratch/recipe.yaml" $wrong >"$scratch/out" 2>"$scratch/errors" || status=$?
	[ $status -eq 2 ] || fail "$wrong: exit status $status: $(cat "$scratch/errors")"
	grep -q "usage: thinksafe run" "$scratch/errors" || fail "$wrong: $(cat "$scratch/errors")"
done
echo "$count bad inputs refused"
