# Ctrl-C: the program finishes its step, says how to go on and exits with 3; the next start ends with the same bytes.
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
small_recipe "$scratch/recipe.yaml"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/undisturbed" --quiet >/dev/null || fail "the undisturbed run failed"
stops=0
for ms in 250 500 750 1000 1500; do
	setsid "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" >/dev/null 2>"$scratch/errors" &
	program=$!
	sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
	kill -INT $program 2>/dev/null || true
	status=0
	wait $program || status=$?
	case $status in
	0) break ;;
	3)
		stops=$((stops + 1))
		grep -q "run the same command again" "$scratch/errors" || fail "it did not say how to go on: $(cat "$scratch/errors")"
		;;
	*) fail "exit status $status: $(cat "$scratch/errors")" ;;
	esac
done
[ $stops -gt 0 ] || fail "it was never stopped"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" --quiet >/dev/null || fail "it could not go on"
[ "$(digest "$scratch/undisturbed")" = "$(digest "$scratch/stopped")" ] || fail "the bytes differ after $stops stops"
echo "$stops stops, same bytes"

# A run directory belongs to its recipe: the key that differs is named. Machine options may change.
sed 's/lr: 1e-3/lr: 1e-4/' "$scratch/recipe.yaml" >"$scratch/other.yaml"
if "$THINKSAFE" run "$scratch/other.yaml" --run "$scratch/stopped" --quiet 2>"$scratch/errors" >/dev/null; then fail "another recipe was accepted"; fi
grep -q "train.lr" "$scratch/errors" || fail "the differing key is not named: $(cat "$scratch/errors")"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" --quiet --batch 3 --threads 1 --chunk 7 >/dev/null || fail "machine options were refused"
[ "$(digest "$scratch/undisturbed")" = "$(digest "$scratch/stopped")" ] || fail "the bytes differ after a second look"

# And to one program at a time.
exec 9>"$scratch/stopped/lock"
flock -n 9
if "$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/stopped" --quiet 2>"$scratch/errors" >/dev/null; then fail "two programs in one directory"; fi
grep -q "another thinksafe" "$scratch/errors" || fail "the lock is not explained: $(cat "$scratch/errors")"
