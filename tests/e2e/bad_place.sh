# Where results go: a full disk, a read-only one, another recipe's directory, two programs at once, a journal that lost a part. The message
# names the path; what was finished stays, and the work ends with the same bytes once the fault is gone.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/bad.bash"

# Full and read-only disks are small file systems of our own: with root's rights, or in a name space of our own, or not at all.
mounts=no
if [ "${TS_IN_NAMESPACE:-}" = yes ]; then
	mounts=yes
elif mkdir -p "$scratch/try" && mount -t tmpfs -o size=16k tmpfs "$scratch/try" 2>/dev/null; then
	umount "$scratch/try"
	mounts=yes
elif unshare -rm sh -c "mount -t tmpfs -o size=16k tmpfs '$scratch/try'" 2>/dev/null; then
	rm -rf "$scratch"
	TS_IN_NAMESPACE=yes exec unshare -rm bash "$0"
else
	echo "skipped: full and read-only disks (no right to mount a small file system here)"
fi
disk=$scratch/disk
mkdir -p "$disk"
trap 'umount "$disk" 2>/dev/null || true; rm -rf "$scratch"' EXIT

student=$testbed/student
small_recipe "$scratch/recipe.yaml"
half_run "$scratch/half"
head -n 40 "$scratch/prompts-1.jsonl" >"$scratch/rows"
asked=(generate --model "$student" --in "$scratch/rows" --max-new-tokens 160 --quiet)
"$THINKSAFE" "${asked[@]}" --out "$scratch/responses" || fail "generate"
training=(train --model "$student" --in "$scratch/undisturbed/train.jsonl" --epochs 2 --lr 1e-3 --quiet)
"$THINKSAFE" "${training[@]}" --out "$scratch/adapter" >/dev/null || fail "train"

same() {
	cmp -s "$1" "$2" || fail "$2 has other bytes than $1"
}

# --- a full disk, at every stage of a run: sizes from a few blocks to almost all that a run needs
full=0
# space KILOBYTES: a disk with so much left; the rest is taken by a file whose removal makes room.
space() {
	mount -t tmpfs -o size=16m tmpfs "$disk"
	head -c $(((16384 - $1) * 1024)) /dev/zero >"$disk/taken"
}
make_room() {
	rm "$disk/taken"
}
fill_up() {
	local said
	space "$1"
	refused "$disk/" -- run "$scratch/recipe.yaml" --run "$disk/run" --quiet
	said=$(cat "$scratch/errors")
	case $said in
	*"No space left on device"* | *"database or disk is full"*) ;;
	*) fail "a full disk of $1 KB is not said: $said" ;;
	esac
	reached="$reached $(sed 's|.*'"$disk"'/run/\([a-z]*\).*|\1|' "$scratch/errors")"
	make_room
	ends_well "$disk/run"
	[ -z "$(find "$disk" -name '*.tmp*')" ] || fail "a full disk leaves $(find "$disk" -name '*.tmp*')"
	umount "$disk"
	full=$((full + 1))
}
reached=''
if [ $mounts = yes ]; then
	needed=$(du -sk "$scratch/undisturbed" | cut -f 1)
	for share in 1 8 20 50 90 97; do
		fill_up $((needed * share / 100 / 4 * 4 + 4))
	done
	for stage in journal checkpoints; do
		case $reached in *$stage*) ;; *) fail "no disk was full at $stage:$reached" ;; esac
	done
	# How full a disk is when the adapter comes depends on how many checkpoints a slow machine made. So each late file of a finished run is
	# taken away, and made again on a disk without room for it.
	for late in adapter/adapter_model.safetensors train.jsonl metrics.json report.html; do
		mount -t tmpfs -o size=16m tmpfs "$disk"
		cp -r "$scratch/undisturbed" "$disk/run"
		rm "$disk/run/$late"
		head -c 16M /dev/zero >"$disk/taken" 2>/dev/null || true
		status=0
		"$THINKSAFE" run "$scratch/recipe.yaml" --run "$disk/run" --quiet >/dev/null 2>"$scratch/errors" || status=$?
		[ $status -eq 1 ] || fail "no room for $late: exit status $status: $(cat "$scratch/errors")"
		grep -q "^thinksafe: $disk/run/.*\(No space left\|disk is full\)" "$scratch/errors" || fail "no room for $late: $(cat "$scratch/errors")"
		make_room
		ends_well "$disk/run"
		[ -s "$disk/run/$late" ] || fail "$late did not come again"
		umount "$disk"
		full=$((full + 1))
	done
	echo "full at:$reached"

	space 48
	refused "$disk/out" -- "${asked[@]}" --out "$disk/out"
	grep -q "No space left\|disk is full" "$scratch/errors" || fail "generate on a full disk: $(cat "$scratch/errors")"
	[ ! -e "$disk/out" ] || fail "half of a file was put in place"
	make_room
	"$THINKSAFE" "${asked[@]}" --out "$disk/out" || fail "generate did not go on"
	same "$scratch/responses" "$disk/out"
	umount "$disk"

	space 48
	refused "$disk/adapter/" "No space left" -- "${training[@]}" --log /dev/null --out "$disk/adapter"
	make_room
	"$THINKSAFE" "${training[@]}" --out "$disk/adapter" >/dev/null || fail "train did not go on"
	same "$scratch/adapter/adapter_model.safetensors" "$disk/adapter/adapter_model.safetensors"
	umount "$disk"

	# --- a read-only disk: what is there can be shown, nothing can begin
	mount -t tmpfs tmpfs "$disk"
	cp -r "$scratch/undisturbed" "$disk/run"
	mkdir "$disk/empty"
	mount -o remount,bind,ro "$disk"
	refused "$disk/run/lock" "Read-only" -- run "$scratch/recipe.yaml" --run "$disk/run" --quiet
	refused "$disk/new" "Read-only" -- run "$scratch/recipe.yaml" --run "$disk/new" --quiet
	refused "$disk/new" "Read-only" -- eval "$scratch/recipe.yaml" --run "$disk/new" --quiet
	refused "$disk/out" "Read-only" -- "${asked[@]}" --out "$disk/out"
	refused "$disk/empty/" "Read-only" -- "${training[@]}" --out "$disk/empty"
	"$THINKSAFE" report "$disk/run" >/dev/null || fail "a run on a read-only disk cannot be shown"
	umount "$disk"
fi
# The shell's limit on a file's size, a kind of full disk that needs no rights. In kilobytes.
limited() {
	local limit=$1
	shift
	(ulimit -f "$limit" && exec "$THINKSAFE" "$@" >/dev/null 2>"$scratch/errors")
}
for limit in 100 300; do
	status=0
	limited $limit run "$scratch/recipe.yaml" --run "$scratch/limited" --quiet || status=$?
	[ $status -eq 1 ] || fail "a file over the limit: exit status $status: $(cat "$scratch/errors")"
	grep -q "$scratch/limited/.*\(too large\|disk is full\|I/O error\)" "$scratch/errors" || fail "a file over the limit: $(cat "$scratch/errors")"
done
ends_well "$scratch/limited"

# --- a directory that cannot be written or is none (root may write everywhere)
if [ "$(id -u)" -ne 0 ]; then
	mkdir "$scratch/closed"
	chmod a-w "$scratch/closed"
	refused "$scratch/closed" "Permission denied" -- run "$scratch/recipe.yaml" --run "$scratch/closed" --quiet
fi
refused "$scratch/rows" "expected a folder, found a file" -- run "$scratch/recipe.yaml" --run "$scratch/rows" --quiet
refused "$scratch/rows/run" "Not a directory" -- run "$scratch/recipe.yaml" --run "$scratch/rows/run" --quiet

# --- two programs at once: the second says whose place it is, the first ends as if alone
# busy FILE COMMAND...: starts the command and waits until the file is there.
busy() {
	local file=$1 i
	shift
	setsid "$THINKSAFE" "$@" >/dev/null 2>"$scratch/first" &
	program=$!
	for ((i = 0; i < 3000; i++)); do
		[ ! -s "$file" ] || return 0
		sleep 0.01
	done
	fail "$*: $file never came"
}
first_ends() {
	wait "$program" || fail "the first program failed: $(cat "$scratch/first")"
}
busy "$scratch/two/lock" run "$scratch/recipe.yaml" --run "$scratch/two" --quiet
kill -STOP "$program"
refused "$scratch/two/lock" "another thinksafe, process $program is working here" -- run "$scratch/recipe.yaml" --run "$scratch/two" --quiet
refused "$scratch/two/lock" "process $program" -- eval "$scratch/recipe.yaml" --run "$scratch/two" --quiet
kill -CONT "$program"
first_ends
[ "$(digest "$scratch/two")" = "$expected" ] || fail "the first run ended with other bytes"
busy "$scratch/out.lock" "${asked[@]}" --out "$scratch/out"
kill -STOP "$program"
refused "$scratch/out.lock" "process $program" -- "${asked[@]}" --out "$scratch/out"
kill -CONT "$program"
first_ends
same "$scratch/responses" "$scratch/out"
busy "$scratch/adapter2/lock" "${training[@]}" --out "$scratch/adapter2"
kill -STOP "$program"
refused "$scratch/adapter2/lock" "process $program" -- "${training[@]}" --out "$scratch/adapter2"
kill -CONT "$program"
first_ends
same "$scratch/adapter/adapter_model.safetensors" "$scratch/adapter2/adapter_model.safetensors"
[ ! -e "$scratch/out.lock" ] && [ ! -e "$scratch/adapter2/lock" ] || fail "a lock file stayed"

# --- a journal that lost a part: said when the run starts, with what to do; put back, the run goes on
hurt=$scratch/hurt
copy() {
	rm -rf "$hurt"
	cp -r "$1" "$hurt"
}
broken() {
	refused "$hurt/journal.db" "$@" -- run "$scratch/recipe.yaml" --run "$hurt" --quiet
	cmp -s "$hurt/metrics.json" "$scratch/undisturbed/metrics.json" || fail "the results were touched"
}
size=$(stat -c %s "$scratch/undisturbed/journal.db")
for bytes in 100 4095 4096 40000 $((size / 2)) $((size - 4096)) $((size - 1)); do
	copy "$scratch/undisturbed"
	truncate -s "$bytes" "$hurt/journal.db"
	broken "journal" "put back a copy"
done
# At the heads of pages: what the structure of the file shows is found.
for at in 0 16 100 4096 8192 $((size / 2 / 4096 * 4096)) $((size - 4096)); do
	copy "$scratch/undisturbed"
	head -c 300 /dev/zero | tr '\0' '\245' | dd of="$hurt/journal.db" bs=1 seek="$at" conv=notrunc status=none
	broken "journal"
done
for lost in "truncate -s 0" rm; do
	copy "$scratch/undisturbed"
	$lost "$hurt/journal.db"
	broken "the samples behind train.jsonl" "is lost" "put it back or use another --run"
done
cp "$scratch/undisturbed/journal.db" "$hurt/journal.db"
ends_well "$hurt"

# --- the adapter of a finished run: a removed file comes again, a changed one is said
for lost in adapter_model.safetensors adapter_config.json; do
	copy "$scratch/undisturbed"
	rm "$hurt/adapter/$lost"
	ends_well "$hurt"
done
copy "$scratch/undisturbed"
truncate -s 5000 "$hurt/adapter/adapter_model.safetensors"
refused "$hurt/adapter" "expected the adapter that this run trained, found other bytes" -- run "$scratch/recipe.yaml" --run "$hurt" --quiet
rm -r "$hurt/adapter"
ends_well "$hurt"
for name in adapter checkpoints; do
	copy "$scratch/undisturbed"
	rm -r "$hurt/adapter" "$hurt/checkpoints"
	echo x >"$hurt/$name"
	refused "$hurt/$name" -- run "$scratch/recipe.yaml" --run "$hurt" --quiet
done
copy "$scratch/undisturbed"
rm "$hurt/journal.db"
mkdir "$hurt/journal.db"
broken "expected a file, found a folder"
copy "$scratch/undisturbed"
cp "$student/config.json" "$hurt/journal.db"
broken "not a database" "put back a copy"
# Killed: the last rows stand in journal.db-wal alone.
[ -s "$scratch/half/journal.db-wal" ] || fail "the killed run left no journal.db-wal"
copy "$scratch/half"
rm "$hurt/journal.db-wal"
refused "$hurt/journal.db" "journal.db-wal, is lost" -- run "$scratch/recipe.yaml" --run "$hurt" --quiet
cp "$scratch/half/journal.db-wal" "$hurt/"
ends_well "$hurt"
# A part of it: the rows before it count, the others are made again, with the same bytes.
copy "$scratch/half"
truncate -s $(($(stat -c %s "$hurt/journal.db-wal") * 3 / 4)) "$hurt/journal.db-wal"
ends_well "$hurt"
copy "$scratch/half"
rm "$hurt/journal.db-shm"
ends_well "$hurt"
ends_well "$scratch/half"
echo "$count refused, $full full disks"
