# A run's bytes depend on the recipe alone: batch, threads, prefill chunk, memory for the KV cache, instruction set change nothing.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
small_recipe "$scratch/recipe.yaml"
run "$scratch/reference" || fail "the reference run failed: $(cat "$scratch/errors")"
expected=$(digest "$scratch/reference")
try() {
	rm -rf "$scratch/other"
	if ! run "$scratch/other" "$@"; then
		grep -q "this CPU needs" "$scratch/errors" && { echo "skipped on this machine: $*"; return; }
		fail "$*: $(cat "$scratch/errors")"
	fi
	[ "$(digest "$scratch/other")" = "$expected" ] || fail "the bytes differ with $*"
	echo "same bytes: $*"
}
# enough COMMAND...: hardly more bytes than the least that the command says it needs; the program and its libraries differ in size by system.
enough() {
	"$@" --memory 1M >"$scratch/refusal" 2>&1 && fail "1 MiB was enough: $*"
	sed -n 's/.*expected at least \([0-9]*\)\.[0-9]* MiB.*/\1/p' "$scratch/refusal" | awk '{ print ($1 + 2) * 1048576; found = 1 } END { exit !found }' ||
		fail "no least bound: $(cat "$scratch/refusal")"
}
try --batch 1 --threads 1
try --batch 7 --threads 2 --chunk 1
try --chunk 64 --threads 1
try --batch 64 --memory "$(enough "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/none")"
try --batch 64 --memory 60M
try --isa avx2
try --isa avx512
try --isa plain

# An adapter alone: whatever is kept of the activations, and however long the passes are.
train() {
	rm -rf "$scratch/adapter"
	"$THINKSAFE" train --model "$testbed/student" --in "$scratch/reference/train.jsonl" --out "$scratch/adapter" --epochs 1 --lr 1e-3 \
		--log "$scratch/log" "$@" 2>"$scratch/errors"
}
train || fail "train: $(cat "$scratch/errors")"
! grep -q -- --memory "$scratch/errors" || fail "a bound is spoken of where there is none: $(cat "$scratch/errors")"
cp "$scratch/adapter/adapter_model.safetensors" "$scratch/all_kept"
tight=$(enough "$THINKSAFE" train --model "$testbed/student" --in "$scratch/reference/train.jsonl" --out "$scratch/refused")
[ ! -e "$scratch/refused" ] || fail "train: a refusal left something behind"
for options in "--memory $tight" "--memory $((tight * 3 / 2)) --threads 1" "--memory $((tight * 2)) --max-rows 4096" "--max-rows 1"; do
	# shellcheck disable=SC2086
	train $options || fail "train $options: $(cat "$scratch/errors")"
	cmp -s "$scratch/all_kept" "$scratch/adapter/adapter_model.safetensors" || fail "another adapter with $options"
	echo "same adapter: $options; $(sed -n 's/.*--memory: //p' "$scratch/errors")"
done
train --memory "$tight"
grep -q "activations of [0-9]* of [0-9]* layers are kept" "$scratch/errors" || fail "nothing is said of what gave way: $(cat "$scratch/errors")"

# Responses alone: whatever stands beside a row, its response is the same.
generate() {
	"$THINKSAFE" generate --model "$testbed/student" --max-new-tokens 160 --top-k 20 --ids --quiet "$@" || fail "generate $*"
}
first_rows 110 >"$scratch/rows"
generate --in "$scratch/rows" >"$scratch/expected"
[ "$(wc -l <"$scratch/expected")" -eq 110 ] || fail "rows are missing"
cut -d'"' -f4 "$scratch/rows" | cmp -s - <(cut -d'"' -f4 "$scratch/expected") || fail "the order of the output is not that of the input"
same() {
	cmp -s "$scratch/expected" "$scratch/got" || fail "responses differ: $*"
	echo "same responses: $*"
}
little=$(enough "$THINKSAFE" generate --model "$testbed/student" --in "$scratch/rows" --max-new-tokens 160)
for options in "--batch 1 --chunk 512" "--batch 7 --chunk 1" "--batch 64 --chunk 64 --threads 1" "--batch 64 --memory $little"; do
	# shellcheck disable=SC2086
	generate --in "$scratch/rows" $options >"$scratch/got"
	same "$options"
done
# Any order of rows, and any company: half of them, backwards.
tac "$scratch/rows" | generate | sort >"$scratch/got"
sort "$scratch/expected" >"$scratch/sorted"
cmp -s "$scratch/sorted" "$scratch/got" || fail "responses depend on the order of rows"
echo "same responses: rows backwards"
awk 'NR % 2' "$scratch/rows" | generate >"$scratch/got"
awk 'NR % 2' "$scratch/expected" | cmp -s - "$scratch/got" || fail "responses depend on the other rows"
echo "same responses: half of the rows"
# Another seed must give other responses, or all this proves nothing.
generate --in "$scratch/rows" --seed 43 >"$scratch/got"
if cmp -s "$scratch/expected" "$scratch/got"; then fail "the seed changes nothing"; fi
