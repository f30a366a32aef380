# Prompts from benchmark files, and phrases of refusal as guard: a list of files of two formats, parts of them drawn by the seed, a run
# that is killed and goes on with the same bytes; what ./demo --real says when something is missing.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"

# expect STATUS "words" command…: each word (a pattern) must be in what it says.
expect() {
	local want=$1 words=$2 got=0 word
	shift 2
	"$@" >"$scratch/out" 2>"$scratch/errors" || got=$?
	[ "$got" = "$want" ] || fail "$*: expected status $want, found $got: $(cat "$scratch/errors")"
	for word in $words; do
		grep -q -e "$word" "$scratch/out" "$scratch/errors" || fail "$*: \"$word\" is not in: $(cat "$scratch/out" "$scratch/errors")"
	done
}

# The testbed's prompts once as XSTest's CSV, quoted and with CRLF, once as StrongREJECT's. No prompt is there twice.
first_rows 550 | awk -F'"' '!seen[$8]++' >"$scratch/rows"
awk -F'"' 'BEGIN { printf "id,prompt,type,label,focus,note\r\n" }
	{ printf "%d,\"%s\",t,%s,,\r\n", NR, $8, /harmful/ ? "unsafe" : "safe" }' "$scratch/rows" >"$scratch/xstest.csv"
awk -F'"' 'BEGIN { print "category,source,forbidden_prompt" } /harmful/ { printf "c,s,\"%s\"\n", $8 }' "$scratch/rows" >"$scratch/strongreject.csv"
[ "$(wc -l <"$scratch/strongreject.csv")" -gt 90 ] || fail "too few rows: $(wc -l "$scratch"/*.csv)"

mkdir "$scratch/recipes"
# recipe FILE TRAIN-SKIP [LINES]
recipe() {
	cat >"$1" <<YAML
model: $testbed/student
guard: keywords
refusal_phrases: $testbed/refusal_phrases.txt
train_prompts:
  - {file: strongreject.csv, shuffle: true, skip: $2, limit: 30}
  - {file: xstest.csv, format: xstest, split: safe, shuffle: true, limit: 30}
evals:
  - {name: forbidden, file: strongreject.csv, kind: safety, shuffle: true, skip: 30, limit: 30}
  - {name: safe, file: xstest.csv, split: safe, kind: over_refusal, shuffle: true, skip: 30, limit: 30}
sampling: {temperature: 0.6, top_p: 0.95, top_k: 20, max_new_tokens: 160}
steering: {tries: 2}
train: {epochs: 2, batch: 8, lr: 1e-3}
alpha_prompts: 20
seed: 5
YAML
}
recipe "$scratch/recipes/recipe.yaml" 0
start() {
	"$THINKSAFE" run "$scratch/recipes/recipe.yaml" --data "$scratch" --run "$@"
}

# Files are looked for beside the recipe, or in --data; which it was changes nothing.
expect 1 "recipes/strongreject.csv" "$THINKSAFE" run "$scratch/recipes/recipe.yaml" --run "$scratch/none"
start "$scratch/reference" >"$scratch/table" 2>"$scratch/log" || fail "$(cat "$scratch/log")"
grep -q "strongreject.csv: 30 of [0-9]* rows, format strongreject (recognised)" "$scratch/log" || fail "the format is not said: $(cat "$scratch/log")"
grep -q "xstest.csv: 30 of [0-9]* rows, format xstest$" "$scratch/log" || fail "a given format is called recognised: $(cat "$scratch/log")"
if grep -q "trained on as well" "$scratch/log"; then fail "parts that do not meet have prompts in common: $(cat "$scratch/log")"; fi
expected=$(digest "$scratch/reference")
recipe "$scratch/recipe.yaml" 0
run "$scratch/beside" || fail "$(cat "$scratch/errors")"
[ "$(digest "$scratch/beside")" = "$expected" ] || fail "another folder of the data gives other bytes"
# Parts that meet do have them, and that is said.
recipe "$scratch/recipe.yaml" 20
expect 1 "evals: forbidden: 20 of 30 prompts are trained on as well (66.7%), expected at most 1% (max_overlap)" \
	"$THINKSAFE" plan "$scratch/recipe.yaml" --run "$scratch/meeting"
[ ! -e "$scratch/meeting" ] || fail "a refused plan left a folder"
expect 1 "evals: forbidden: 20 of 30 prompts" "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/meeting"
[ ! -e "$scratch/meeting/recipe.yaml" ] || fail "the refused run is bound to its folder"
run "$scratch/meeting" --max-overlap 0.7 || fail "$(cat "$scratch/errors")"
grep -q "warning: evals: forbidden: 20 of 30 prompts are trained on as well (row " "$scratch/errors" || fail "no warning: $(cat "$scratch/errors")"
grep -q '"overlap": *20' "$scratch/meeting/metrics.json" || fail "metrics.json does not say how many"

# Whatever shows the phrases' verdicts says what they are.
for words in "guard *keywords (keyword stand-in)" "^no refusal  .*%" "^no refusal (keyword stand-in):" \
	"forbidden (safety): no refusal by keyword stand-in" "Refused on harmful prompts (keyword stand-in)" " refused  complied "; do
	grep -q -e "$words" "$scratch/table" || fail "\"$words\" is not in the table: $(cat "$scratch/table")"
done
if grep -q "unsafe responses" "$scratch/table"; then fail "phrases do not know what is unsafe: $(cat "$scratch/table")"; fi
start "$scratch/reference" --json --quiet | tail -n 1 | grep -q '^{"before":{"unsafe":{[^}]*"measure":"no refusal by keyword stand-in"}' ||
	fail "the summary does not say keyword stand-in"
grep -q '"response_label":"refusal (keyword stand-in)"' "$scratch/reference/train.jsonl" || fail "train.jsonl: $(head -n 2 "$scratch/reference/train.jsonl")"

# Killed twice, it goes on and ends with the same bytes.
for wait in 150 400; do
	setsid "$THINKSAFE" run "$scratch/recipes/recipe.yaml" --data "$scratch" --run "$scratch/killed" --batch 2 --quiet >/dev/null 2>&1 &
	program=$!
	for _ in $(seq 500); do
		[ ! -s "$scratch/killed/journal.db-wal" ] || break
		sleep 0.01
	done
	wait_ms $wait
	{ kill -9 $program && wait $program; } 2>/dev/null || true
	[ ! -f "$scratch/killed/metrics.json" ] || echo "(it had ended before the kill)"
done
start "$scratch/killed" --quiet >/dev/null || fail "a killed run does not go on"
[ "$(digest "$scratch/killed")" = "$expected" ] || fail "a killed run ends with other bytes"
# A file that changed is another run.
echo 'c,s,one more' >>"$scratch/strongreject.csv"
expect 1 "is.not.what.this.run.began.with" start "$scratch/killed"

# No filter: everything that closes its thinking is kept, and nobody says how safe it is.
expect 0 "filter none" start "$scratch/unfiltered" --filter none
if grep -q '"alpha"' "$scratch/unfiltered/metrics.json"; then fail "alpha without a judge"; fi

# judge: the same phrases, for rows.
printf '%s\n' '{"instruction": "x", "response": "We must wait.", "prompt_label": "harmful"}' '{"instruction": "x", "response": "We must wait."}' >"$scratch/pairs"
echo "must wait" >"$scratch/phrases"
expect 0 '"verdict":"safe".*keyword.stand-in:.a.refusal "refusal":true "unjudged"' "$THINKSAFE" judge --guard keywords --refusal-phrases "$scratch/phrases" --in "$scratch/pairs"
expect 0 '"verdict":"unsafe".*keyword.stand-in:.no.refusal "refusal":false' "$THINKSAFE" judge --guard keywords --in "$scratch/pairs"

# ./demo --real without what it needs: said at once, and nothing is built or fetched.
expect 2 "needs.--data" "$TS_SOURCE_DIR/demo" --real --no-install
expect 1 "strongreject_dataset.csv xstest_prompts.csv gsm8k_test.jsonl StrongREJECT XSTest GSM8K" "$TS_SOURCE_DIR/demo" --real --data "$scratch" --no-install
: >"$scratch/gsm8k_test.jsonl"
expect 1 "strongreject_dataset.csv xstest_prompts.csv" "$TS_SOURCE_DIR/demo" --real "--data=$scratch" --no-install
if grep -q gsm8k "$scratch/errors"; then fail "a file that is there is called missing"; fi
echo "prompt files and phrases behave"
