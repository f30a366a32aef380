# thinksafe plan, and the bound that --memory is: what is shown, what is refused and with which numbers, and that a run stays below it.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
small_recipe "$scratch/recipe.yaml"
plan() {
	"$THINKSAFE" plan "$scratch/recipe.yaml" --run "$scratch/run" --quiet "$@"
}
# number KEY FILE: a whole number of the plan's object itself.
number() {
	grep -o "\"$1\": *[0-9]*" "$2" | head -n 1 | grep -o '[0-9]*$'
}
says() {
	grep -q "$1" "$scratch/out" || fail "expected \"$1\" in: $(cat "$scratch/out")"
}

# --- the table, and its JSON
plan >"$scratch/out"
for stage in "evaluate before *50 prompts" "sample unsteered *15 prompts" "generate *[0-9]* prompts" "judge generated *[0-9]* verdicts" \
	"judge before *60 verdicts" "train *[0-9]* steps" "evaluate after *50 prompts" "judge after *60 verdicts"; do
	says "^$stage"
done
says '^all .* free$'
says '^memory *program *weights *KV cache *activations *optimiser *peak$'
says '^rates    measured on this machine in .* training steps$'
says '^lengths  of a seeded sample: evaluation '
says '^assumed  .* rows to train on$'
[ ! -e "$scratch/run" ] || fail "planning made the run's folder"
plan --json >"$scratch/json"
grep -q '"backend": *"cpu/' "$scratch/json" || fail "no backend: $(cat "$scratch/json")"
[ "$(wc -l <"$scratch/json")" = 1 ] || fail "more than one line of JSON"
grep -q '"measured": *true' "$scratch/json" || fail "nothing was measured: $(cat "$scratch/json")"
least=$(number memory_least "$scratch/json")
[ "$least" -gt 10000000 ] || fail "a least bound of $least bytes"

# Without measuring: tokens and memory alone, lengths from the recipe or from --expect-tokens.
plan --probe 0 >"$scratch/out"
says '^rates    not measured$'
says '^lengths  not measured: 160 new tokens for each answer (max_new_tokens; --expect-tokens N says otherwise)$'
says '^evaluate before *50 prompts .* 8000 '
plan --probe 0 --expect-tokens 40 >"$scratch/out"
says '^evaluate before *50 prompts .* 2000 '

# --- a bound that is too small is refused by both, with the numbers, before anything is written down
refuse() {
	status=0
	"$@" >"$scratch/out" 2>&1 || status=$?
	[ "$status" = 1 ] || fail "expected status 1, found $status: $*"
	says 'memory: 8.0 MiB are not enough; expected at least [0-9.]* MiB, which "[a-z ]*" takes at its smallest: [0-9.]* MiB for the program'
}
refuse plan --memory 8M
refuse "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/run" --memory 8M
[ ! -e "$scratch/run/recipe.yaml" ] || fail "the refused run is bound to its folder"

# --- what the plan calls enough is enough, and the process stays below it
below() {
	rm -rf "$scratch/run"
	run "$scratch/run" --memory "$1" || fail "--memory $1: $(cat "$scratch/errors")"
	peak=$(grep -o '"peak_memory_mb": *[0-9]*' "$scratch/run/timing.json" | grep -o '[0-9]*$')
	[ $((peak * 1048576)) -le "$1" ] || fail "--memory $1: the process had $peak MiB in memory"
	[ "$(digest "$scratch/run")" = "$expected" ] || fail "the bytes differ with --memory $1"
	echo "--memory $1: $peak MiB, same bytes"
}
run "$scratch/run" || fail "$(cat "$scratch/errors")"
expected=$(digest "$scratch/run")
# The sanitizers' build takes memory of its own.
if ! grep -q __asan_init "$THINKSAFE"; then
	below $((least + 1048576)) # another start may differ by some pages
	below 40000000
	below 90000000
fi

# --- before a run, and when nothing or only a part is left
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/run" >/dev/null 2>"$scratch/out"
says '^plan: everything is there; only the figures are computed again$'
rm -rf "$scratch/run"
status=0
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/run" >/dev/null 2>"$scratch/out" || status=$?
[ "$status" = 0 ] || fail "status $status: $(cat "$scratch/out")"
says '^plan  *tokens in '
says '^rates    measured on this machine in '
[ "$(digest "$scratch/run")" = "$expected" ] || fail "the plan changed the bytes"
plan --train.epochs 3 >"$scratch/out" 2>&1 && fail "a plan for another recipe in this folder"
says 'train.epochs'
exit 0
