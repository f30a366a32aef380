# A run's bytes depend on the recipe alone: batch, threads, prefill chunk, memory for the KV cache, instruction set change nothing.
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
small_recipe "$scratch/recipe.yaml"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/reference" --quiet >/dev/null || fail "the reference run failed"
expected=$(digest "$scratch/reference")
try() {
	rm -rf "$scratch/other"
	if ! "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/other" --quiet "$@" >/dev/null 2>"$scratch/errors"; then
		grep -q "does not have" "$scratch/errors" && { echo "skipped on this machine: $*"; return; }
		fail "$*: $(cat "$scratch/errors")"
	fi
	[ "$(digest "$scratch/other")" = "$expected" ] || fail "the bytes differ with $*"
	echo "same bytes: $*"
}
try --batch 1 --threads 1
try --batch 7 --threads 2 --chunk 1
try --chunk 64 --threads 1
try --memory 2M --batch 64
try --isa avx2
try --isa avx512
# The readable reference kernels are slow: a shorter run.
sed -i 's/limit: [0-9]*/limit: 6/; s/alpha_prompts: 40/alpha_prompts: 4/; s/epochs: 2/epochs: 1/' "$scratch/recipe.yaml"
awk '/"instruction"/ { n++ } { text = text $0 "\n" } n >= 24 && /\}/ { sub(/,[ \n]*$/, "\n", text); print text "]"; exit }' \
	"$scratch/prompts.json" >"$scratch/fewer.json"
sed -i "s|prompts.json|&|; s|$scratch/prompts.json|$scratch/fewer.json|" "$scratch/recipe.yaml"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/short" --quiet >/dev/null || fail "the short run failed"
expected=$(digest "$scratch/short")
try --isa plain
