# For the bad_*.sh scripts: commands that must fail well.
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
: "${TS_DAMAGE:?the built damage.c}"
damage() { "$TS_DAMAGE" "$@"; }

# refused PHRASE... -- COMMAND...: exit status 1, nothing on standard output, one message with every phrase in it. A sanitizer's report or
# a signal is neither.
refused() {
	local phrases=() phrase status=0
	while [ "$1" != -- ]; do
		phrases+=("$1")
		shift
	done
	shift
	timeout 300 "$THINKSAFE" "$@" </dev/null >"$scratch/out" 2>"$scratch/errors" || status=$?
	[ $status -eq 1 ] || fail "$*: exit status $status, expected 1: $(head -c 2000 "$scratch/errors")"
	[ ! -s "$scratch/out" ] || fail "$*: it wrote $(head -c 500 "$scratch/out")"
	[ "$(grep -c '^thinksafe: ' "$scratch/errors")" -eq 1 ] || fail "$*: expected one message, found: $(head -c 2000 "$scratch/errors")"
	for phrase in "${phrases[@]}"; do
		grep '^thinksafe: ' "$scratch/errors" | grep -qF -- "$phrase" || fail "$*: \"$phrase\" is not in: $(head -c 2000 "$scratch/errors")"
	done
	count=$((count + 1))
}
count=0

# half_run DIR: the small recipe in scratch/recipe.yaml, killed when its responses are judged. `expected` is what it must end with.
half_run() {
	local program
	run "$scratch/undisturbed" || fail "the undisturbed run failed: $(cat "$scratch/errors")"
	expected=$(digest "$scratch/undisturbed")
	setsid "$THINKSAFE" run "$scratch/recipe.yaml" --run "$1" --quiet >/dev/null 2>&1 &
	program=$!
	until [ -f "$1/train.jsonl" ]; do
		kill -0 $program 2>/dev/null || fail "it ended without train.jsonl"
		sleep 0.01
	done
	{ kill -9 $program && wait $program; } 2>/dev/null || true
}

# ends_well DIR: the run goes on and ends with the bytes of the undisturbed one.
ends_well() {
	run "$1" || fail "$1 did not go on: $(cat "$scratch/errors")"
	[ "$(digest "$1")" = "$expected" ] || fail "$1 ended with other bytes"
}
