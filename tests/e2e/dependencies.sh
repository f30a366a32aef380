# tools/install-dependencies: what it takes as installed where dpkg knows one architecture, two, or only a foreign one.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
mkdir "$scratch/bin"
PATH=$scratch/bin:$PATH
fake() {
	printf '#!/bin/sh\n%s\n' "$2" >"$scratch/bin/$1"
	chmod +x "$scratch/bin/$1"
}
# Every package is there but libcmocka-dev, of which dpkg says what $states says; apt-get changes it to what $after says.
fake dpkg 'echo amd64'
fake apt-cache 'exit 0'
fake id 'echo 0'
fake dpkg-query 'for last; do :; done
[ "$last" = libcmocka-dev ] && exec cat "'"$scratch"'/states"
echo "amd64 installed"'
fake apt-get 'case " $* " in *" install "*) echo "$*" >"'"$scratch"'/asked"; cp "'"$scratch"'/after" "'"$scratch"'/states";; esac'

# expect STATES AFTER STATUS TEXT: what the tool says and whether it asked apt.
expect() {
	printf "$1" >"$scratch/states"
	printf "$2" >"$scratch/after"
	rm -f "$scratch/asked"
	local status=0
	"$TS_SOURCE_DIR/tools/install-dependencies" check >"$scratch/said" 2>&1 || status=$?
	[ $status -eq "$3" ] || fail "states '$1': status $status, expected $3: $(cat "$scratch/said")"
	grep -q "$4" "$scratch/said" || fail "states '$1': it did not say '$4' but: $(cat "$scratch/said")"
}
expect 'amd64 installed\n' '' 0 'all there'
[ ! -e "$scratch/asked" ] || fail "asked apt although all is there"
expect 'amd64 installed\narm64 installed\n' '' 0 'all there'
expect 'all installed\n' '' 0 'all there'
expect 'arm64 installed\n' 'amd64 installed\narm64 installed\n' 0 'dependencies: done'
grep -q ' libcmocka-dev$' "$scratch/asked" || fail "asked apt for something else: $(cat "$scratch/asked")"
expect '' 'amd64 installed\n' 0 'dependencies: done'
expect '' 'arm64 installed\n' 1 'dpkg does not know libcmocka-dev as installed'
expect 'amd64 config-files\n' 'amd64 config-files\n' 1 'dpkg does not know libcmocka-dev as installed'
