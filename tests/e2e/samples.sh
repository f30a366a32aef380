# Several samples of each evaluation prompt, and another run's samples used again: same bytes whatever stops, threads or source; what is
# taken over is not generated.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
small_recipe "$scratch/recipe.yaml" 2
sed -i -e 's/grader: math, split/grader: math, samples: 3, max_new_tokens: 170, split/' \
	-e 's/kind: safety, split/kind: safety, samples: 2, split/' "$scratch/recipe.yaml"
run "$scratch/whole" --threads 1 || fail "$(cat "$scratch/errors")"
expected=$(digest "$scratch/whole")
same() {
	[ "$(digest "$1")" = "$expected" ] || fail "the bytes differ: $2"
	echo "same bytes: $2"
}
run "$scratch/threads" --threads 2 --batch 3 || fail "$(cat "$scratch/errors")"
same "$scratch/threads" "two threads, batches of 3"

# --- the recipe as it is run, and the plan
"$THINKSAFE" run "$scratch/recipe.yaml" --print-recipe >"$scratch/printed"
[ "$(grep -c '^    samples: [123]$' "$scratch/printed")" = 3 ] || fail "print-recipe: $(cat "$scratch/printed")"
grep -q '^    max_new_tokens: 170$' "$scratch/printed" || fail "print-recipe lacks a set's length"
"$THINKSAFE" plan "$scratch/recipe.yaml" --run "$scratch/none" --probe 0 >"$scratch/out" 2>"$scratch/errors"
# 40 harmful prompts of 160 tokens, twice; 30 look-alikes; 30 sums of 170, three times
grep -q "^evaluate before *200 samples .* $(((2 * 40 + 30) * 160 + 90 * 170)) " "$scratch/out" || fail "plan: $(cat "$scratch/out")"
grep -q '^ *sums: 30 prompts, 3 responses each, at most 170 new tokens$' "$scratch/out" || fail "plan: $(cat "$scratch/out")"

# --- stopped and resumed
setsid "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" --batch 2 >/dev/null 2>"$scratch/errors" &
program=$!
for ((i = 0; i < 3000; i++)); do
	grep -q '^evaluate before .* [1-9][0-9]*/200 ' "$scratch/errors" && break
	kill -0 $program 2>/dev/null || break
	sleep 0.01
done
kill -INT $program 2>/dev/null || true
status=0
wait $program || status=$?
[ $status -eq 3 ] || [ $status -eq 0 ] || fail "a stop: exit status $status: $(cat "$scratch/errors")"
[ $status -eq 3 ] || echo "it was over before it could be stopped"
cp -r "$scratch/stopped" "$scratch/unfinished"
run "$scratch/stopped" || fail "$(cat "$scratch/errors")"
same "$scratch/stopped" "stopped (status $status) and resumed"

# --- figures: pass@1 is the share of all answers, pass@3 that of the sums with a right one
"$THINKSAFE" report "$scratch/whole" --json >"$scratch/json"
# side NAME: what metrics.json says of the sums on that side
side() {
	grep -o '"name": *"sums".*' "$scratch/json" | grep -o "\"$1\": *{\"count\".*" | cut -c 1-2000
}
for when in before after; do
	count=$(side $when | grep -o '"count": *[0-9]*' | sed -n 1p | grep -o '[0-9]*$')
	shares=$(side $when | grep -o '"k": *[0-9]*, *"share": *[0-9.]*' | sed -n 1,3p)
	field='"outcome"'
	[ $when = before ] || field='"after"'
	wrong=$(grep '^{"set":2,\|{"rows":\[{"set":2,' "$scratch/whole/report.html" | grep -c "$field:\"wrong\"" || true)
	echo "$shares" | tr '",:' ' ' | awk -v count="$count" -v wrong="$wrong" '
		function off(a, b) { return a - b > 1e-9 || b - a > 1e-9 }
		$2 == 1 && off($4, count / 90) { exit 1 }
		$2 == 3 && off($4, (30 - wrong) / 30) { exit 1 }
		{ seen = seen " " $2 }
		END { exit seen != " 1 2 3" }' || fail "pass@k $when: $count right, $wrong sums without: $shares"
	echo "pass@k $when: $count of 90 right, $wrong of 30 sums never"
done
"$THINKSAFE" report "$scratch/whole" >"$scratch/out"
grep -q 'pass@k before: @1 [0-9.]*% .* @3 ' "$scratch/out" || fail "no pass@k in the table: $(cat "$scratch/out")"
grep -q '@3 <b>' "$scratch/whole/report.html" || fail "no pass@k on the page"
grep -q '3 samples' "$scratch/out" || fail "the table does not say how many samples: $(cat "$scratch/out")"

# --- before: another run's responses, the finished one's and the unfinished one's
# done_in RUN STAGE: how many responses or verdicts that run itself made there.
done_in() {
	tr -d '\n' <"$scratch/$1/timing.json" | grep -o "\"$2\": {[^}]*}" | grep -o '"items": *[0-9]*' | grep -o '[0-9]*$' || echo 0
}
for source in whole unfinished; do
	run "$scratch/again" --before "$scratch/$source" || fail "$(cat "$scratch/errors")"
	same "$scratch/again" "before: $source"
	for stage in "evaluate before" "judge before"; do
		[ $source = unfinished ] || [ "$(done_in again "$stage")" = 0 ] ||
			fail "responses of another run were generated or judged again: $(cat "$scratch/again/timing.json")"
	done
	! "$THINKSAFE" report "$scratch/again" | grep -q "a start was killed" || fail "what was taken over counts as lost work"
	[ $source = whole ] || rm -r "$scratch/again"
	[ $source = unfinished ] || mv "$scratch/again" "$scratch/kept"
done

# Another guard: none generated, all of them judged; the source may go then.
cp -r "$scratch/whole" "$scratch/gone"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/other" --guard keywords --before "$scratch/gone" >/dev/null 2>"$scratch/errors" ||
	fail "$(cat "$scratch/errors")"
grep -q 'before: .*: 200 responses before training and 0 verdicts of them are used again' "$scratch/errors" || fail "$(cat "$scratch/errors")"
[ "$(done_in other "evaluate before")" = 0 ] || fail "another guard, and responses were generated again"
[ "$(done_in other "judge before")" -gt 0 ] || fail "another guard, and nothing was judged"
other=$(digest "$scratch/other")
rm -r "$scratch/gone" "$scratch/other/metrics.json"
run "$scratch/other" --guard keywords --before "$scratch/gone" || fail "without the other run: $(cat "$scratch/errors")"
[ "$(digest "$scratch/other")" = "$other" ] || fail "the bytes differ without the other run"

# --- both sides by another guard, nothing generated: the figures are those of a run of that guard as far as they rest on the same responses
"$THINKSAFE" eval "$scratch/recipe.yaml" --guard keywords --from "$scratch/whole" --json >"$scratch/from.json" 2>"$scratch/errors" ||
	fail "$(cat "$scratch/errors")"
! grep -q 'responses  ' "$scratch/errors" || fail "--from generated: $(cat "$scratch/errors")"
nine_digits() { sed 's/\(\.[0-9]\{9\}\)[0-9]*/\1/g'; } # a file of figures holds fewer than standard output
for part in '"name": *"sums".*' '"name": *"lookalikes".*"name": *"sums"'; do # no guard in these
	grep -o "$part" "$scratch/from.json" | grep -o '"before": *{[^{]*' | sed -n 1p | nine_digits >"$scratch/a"
	grep -o "$part" "$scratch/json" | grep -o '"before": *{[^{]*' | sed -n 1p | nine_digits >"$scratch/b"
	cmp -s "$scratch/a" "$scratch/b" || fail "--from: other figures: $(cat "$scratch/a" "$scratch/b")"
	[ -s "$scratch/a" ] || fail "nothing compared"
done
grep -q '"difference"' "$scratch/from.json" || fail "--from has no difference"

# --- refused by name
refused() {
	local words=$1 status=0
	shift
	"$@" >/dev/null 2>"$scratch/errors" || status=$?
	[ $status -eq 1 ] || fail "$*: exit status $status, expected 1"
	grep -q "$words" "$scratch/errors" || fail "expected \"$words\" in: $(cat "$scratch/errors")"
}
refused "before: .*seed: expected 43 as in this run, found 42" \
	"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/refused" --seed 43 --before "$scratch/whole"
[ ! -e "$scratch/refused/recipe.yaml" ] || fail "a refused run is bound to its folder"
refused "before: .*model: expected [0-9a-f]* as in this run, found [0-9a-f]*" \
	"$THINKSAFE" plan "$scratch/recipe.yaml" --run "$scratch/refused" --model "$testbed/guard" --before "$scratch/whole"
refused "from: .*: before training: expected 230 responses to the recipe's sets, found 200" \
	"$THINKSAFE" eval <(sed 's/samples: 3/samples: 4/' "$scratch/recipe.yaml") --from "$scratch/whole"
