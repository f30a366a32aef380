# kill -9 at random moments of any stage; the program goes on and ends with the same bytes as an undisturbed run.
# 20 kills, 200 with TS_LONG=1; every third comes while the program answers a Ctrl-C. TS_KILL_SEED repeats a sequence of moments
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"

kills=20
[ -z "${TS_LONG:-}" ] || kills=200
RANDOM=${TS_KILL_SEED:=$$}
echo "moments from seed $TS_KILL_SEED"
small_recipe "$scratch/recipe.yaml" 3

start=$(milliseconds)
run "$scratch/undisturbed" || fail "the undisturbed run failed: $(cat "$scratch/errors")"
took=$(($(milliseconds) - start))
expected=$(digest "$scratch/undisturbed")
echo "an undisturbed run takes $took ms"

# How far a killed run had come: the last stage that left something behind.
stage_of() {
	local stage=nothing
	[ ! -f "$1/journal.db" ] || stage=sampling
	[ ! -f "$1/train.jsonl" ] || stage=judged
	[ -z "$(ls "$1/checkpoints" 2>/dev/null)" ] || stage=trained
	[ ! -f "$1/adapter/adapter_model.safetensors" ] || stage=adapter
	[ ! -f "$1/metrics.json" ] || stage=results
	echo $stage
}

check_end() {
	[ "$(digest "$run")" = "$expected" ] || fail "after $since kills (seed $TS_KILL_SEED) the bytes differ:
$(digest "$run")
expected:
$expected"
	finished=$((finished + 1))
	[ "$since" -eq 0 ] || disturbed=$((disturbed + 1))
	since=0
	rm -rf "$run"
}

# One start, killed after up to half of a whole run's time: a run gets about three kills before it ends, in every stage.
done=0 stopped=0 finished=0 disturbed=0 since=0 stages='' run=$scratch/killed
start_and_kill() {
	setsid "$THINKSAFE" run "$scratch/recipe.yaml" --run "$run" --quiet >/dev/null 2>"$scratch/errors" &
	local program=$! status=0
	wait_ms $(((RANDOM * 32768 + RANDOM) % (took / 2 + 1)))
	if [ $((RANDOM % 3)) -eq 0 ]; then
		kill -INT $program || true
		wait_ms $((RANDOM % 40))
	fi
	kill -9 $program || true
	wait $program || status=$?
	case $status in
	0) check_end ;;
	3) stopped=$((stopped + 1)) since=$((since + 1)) ;;
	137)
		done=$((done + 1)) since=$((since + 1))
		stages="$stages $(stage_of "$run")"
		;;
	*) fail "a resumed run failed with $status (seed $TS_KILL_SEED): $(cat "$scratch/errors")" ;;
	esac
}

while [ $done -lt $kills ]; do
	start_and_kill
done 2>/dev/null # bash tells of every killed job
if [ -d "$run" ]; then
	run "$run" || fail "a resumed run failed: $(cat "$scratch/errors")"
	check_end
fi
[ $disturbed -gt 0 ] || fail "no killed run was finished"
echo "killed in:"
printf '%s\n' $stages | sort | uniq -c
echo "$done kills and $stopped stops, $finished runs finished, $disturbed of them killed before:"
echo "adapter, train.jsonl and metrics.json have the bytes of the undisturbed run"
