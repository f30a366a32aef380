# Ctrl-C in every stage: the program finishes its step, saves, says how to go on and exits with 3; the next start ends with the same bytes.
# And what a run directory refuses.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
small_recipe "$scratch/recipe.yaml" 4
run "$scratch/undisturbed" || fail "the undisturbed run failed: $(cat "$scratch/errors")"
expected=$(digest "$scratch/undisturbed")

# stop_at TITLE: starts, and sends SIGINT as soon as the stage's progress line shows. 0 = it was stopped there.
stop_at() {
	: >"$scratch/errors" # an old line must not be taken for the new one
	setsid "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" >/dev/null 2>"$scratch/errors" &
	local program=$! status=0 i
	for ((i = 0; i < 3000; i++)); do
		grep -q "^$1 .*%" "$scratch/errors" && break
		kill -0 $program 2>/dev/null || break
		sleep 0.01
	done
	kill -INT $program 2>/dev/null || true
	wait $program || status=$?
	awk 'match($0, /[0-9]+\/[0-9]+/) { split(substr($0, RSTART, RLENGTH), n, "/"); if (n[1] + 0 > n[2] + 0) exit 1 }' "$scratch/errors" ||
		fail "more was done than there is: $(cat "$scratch/errors")"
	case $status in
	0) return 1 ;; # the stage was over before the signal came
	3)
		grep -q "stopped: .*$scratch/stopped.*run the same command again" "$scratch/errors" ||
			fail "it did not say how to go on: $(cat "$scratch/errors")"
		;;
	*) fail "$1: exit status $status: $(cat "$scratch/errors")" ;;
	esac
}

stops=''
for stage in "evaluate before" "generate" "judge generated" "train" "evaluate after" "judge after"; do
	if stop_at "$stage"; then
		stops="$stops, $stage"
		[ "$stage" != train ] || grep -q "^train " "$scratch/errors" || fail "not stopped in training"
	fi
done
[ -n "$stops" ] || fail "it was never stopped"
case $stops in
*train*) [ -n "$(ls "$scratch/stopped/checkpoints")" ] || fail "no checkpoint after a stop in training" ;;
esac
run "$scratch/stopped" || fail "it could not go on: $(cat "$scratch/errors")"
[ "$(digest "$scratch/stopped")" = "$expected" ] || fail "the bytes differ after stops in${stops#,}"
echo "stopped in${stops#,}: same bytes"

# An adapter that went away comes again with the same bytes.
rm -r "$scratch/stopped/adapter"
run "$scratch/stopped" || fail "the adapter was not made again: $(cat "$scratch/errors")"
[ "$(digest "$scratch/stopped")" = "$expected" ] || fail "the bytes differ after a removed adapter"

# A finished run shows its table again and works no more.
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" >"$scratch/table" 2>"$scratch/errors" ||
	fail "a finished run: $(cat "$scratch/errors")"
"$THINKSAFE" report "$scratch/stopped" >"$scratch/report"
cmp -s "$scratch/table" "$scratch/report" || fail "run and report show different tables"
if grep -q "%  \|end-of-turn" "$scratch/errors"; then fail "a finished run worked again: $(cat "$scratch/errors")"; fi

# refused WORDS COMMAND...: exit status 1, and every word in the message.
refused() {
	local word status=0 words=$1
	shift
	"$@" >/dev/null 2>"$scratch/errors" || status=$?
	[ $status -eq 1 ] || fail "$*: exit status $status, expected 1"
	for word in $words; do
		grep -q -- "$word" "$scratch/errors" || fail "$*: \"$word\" is not in: $(cat "$scratch/errors")"
	done
}

# A run directory belongs to its recipe: the key that differs is named. Machine options may change.
sed 's/lr: 1e-3/lr: 1e-4/' "$scratch/recipe.yaml" >"$scratch/other.yaml"
refused "train.lr $scratch/stopped" "$THINKSAFE" run "$scratch/other.yaml" --run "$scratch/stopped"
refused "seed" "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" --seed 43
run "$scratch/stopped" --batch 3 --threads 1 --chunk 7 --memory 8M || fail "machine options were refused: $(cat "$scratch/errors")"
[ "$(digest "$scratch/stopped")" = "$expected" ] || fail "the bytes differ after a second look"

# It belongs to its files too.
cp "$scratch/prompts-4.jsonl" "$scratch/kept"
echo '{"instruction": "One more.", "prompt_label": "vanilla_benign"}' >>"$scratch/prompts-4.jsonl"
refused "training prompts" "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped"
cp "$scratch/kept" "$scratch/prompts-4.jsonl"
refused "evaluation whole" "$THINKSAFE" eval "$scratch/recipe.yaml" --run "$scratch/stopped"

# An evaluation's directory belongs to its adapter.
"$THINKSAFE" eval "$scratch/recipe.yaml" --run "$scratch/eval" --quiet --json >"$scratch/plain.json" || fail "eval failed"
refused "adapter" "$THINKSAFE" eval "$scratch/recipe.yaml" --run "$scratch/eval" --adapter "$scratch/stopped/adapter"
"$THINKSAFE" eval "$scratch/recipe.yaml" --adapter "$scratch/stopped/adapter" --quiet --json >"$scratch/adapted.json" || fail "eval failed"
if cmp -s "$scratch/plain.json" "$scratch/adapted.json"; then fail "the adapter changes nothing"; fi

# And to one program at a time.
exec 9>"$scratch/stopped/lock"
flock -n 9
refused "another thinksafe" "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped"
