# kill -9 at random moments of any stage; the program goes on and ends with the same bytes as an undisturbed run.
# 20 kills, 200 with TS_LONG=1. TS_KILL_SEED repeats a sequence of moments.
. "$TS_SOURCE_DIR/tests/e2e/common.bash"

kills=20
[ -z "${TS_LONG:-}" ] || kills=200
RANDOM=${TS_KILL_SEED:=$$}
echo "moments from seed $TS_KILL_SEED"
small_recipe "$scratch/recipe.yaml"

start=$(date +%s%N)
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/undisturbed" --quiet >"$scratch/table" || fail "the undisturbed run failed"
took=$((($(date +%s%N) - start) / 1000000))
expected=$(digest "$scratch/undisturbed")
echo "an undisturbed run takes $took ms"

# Moments spread over two thirds of a whole run: a fresh run gets about three kills before it ends, in every stage.
done=0 finished=0 run=$scratch/killed
while [ $done -lt $kills ] || [ -d "$run" ]; do
	if [ $done -ge $kills ]; then
		"$THINKSAFE" run "$scratch/recipe.yaml" --run "$run" --quiet >/dev/null 2>"$scratch/errors" || fail "a resumed run failed: $(cat "$scratch/errors")"
		ended=yes
	else
		"$THINKSAFE" run "$scratch/recipe.yaml" --run "$run" --quiet >/dev/null 2>"$scratch/errors" &
		program=$!
		ms=$(((RANDOM * 32768 + RANDOM) % (took * 2 / 3 + 1)))
		sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
		ended=no
		if kill -9 $program 2>/dev/null; then
			status=0
			wait $program 2>/dev/null || status=$?
			if [ $status -eq 137 ]; then
				done=$((done + 1))
			elif [ $status -eq 0 ]; then
				ended=yes # it ended between the last look and the signal
			else
				fail "a resumed run failed with $status: $(cat "$scratch/errors")"
			fi
		else
			wait $program || fail "a resumed run failed: $(cat "$scratch/errors")"
			ended=yes
		fi
	fi
	if [ $ended = yes ]; then
		[ "$(digest "$run")" = "$expected" ] || fail "after kills (seed $TS_KILL_SEED) the bytes differ:
$(digest "$run")
expected:
$expected"
		finished=$((finished + 1))
		rm -rf "$run"
	fi
done
[ $finished -gt 0 ] || fail "no killed run was finished"
echo "$done kills over $finished runs: adapter, train.jsonl and metrics.json have the bytes of the undisturbed run"
