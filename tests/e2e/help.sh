# Help, man page and completion are made from one table: what `--help` shows is in each of them, and nothing has to be written twice.
# Where a shell or a checker of man pages is missing, that part is skipped and said.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"

"$THINKSAFE" help >"$scratch/list"
"$THINKSAFE" --help | cmp -s - "$scratch/list" || fail "--help and help differ"
"$THINKSAFE" help --man >"$scratch/thinksafe.1"
for shell in bash zsh fish; do
	"$THINKSAFE" help --completion $shell >"$scratch/$shell"
done
commands=$(awk '/^usage:/ { inside = 1; next } /^`/ { inside = 0 } inside && NF { print $1 }' "$scratch/list")
[ "$(echo "$commands" | wc -l)" -ge 10 ] || fail "the list of commands was not understood: $commands"

# The part of the man page about one command, without roff's escapes.
page_of() {
	awk -v command="$1" '/^\.S[SH] / { inside = $0 == ".SS " command } inside || /^\.SH RECIPE KEYS/ { inside = 1; print }' "$scratch/thinksafe.1" |
		sed 's/\\f[BIR]//g; s/\\-/-/g'
}

# complete WORD...: what the bash completion offers for the last word, one a line.
# shellcheck source=/dev/null
. "$scratch/bash"
complete -p thinksafe | grep -e '-F _thinksafe' >/dev/null || fail "sourced, the script completes nothing"
offers() (
	trap - ERR
	set +e # as in the shell of somebody who types
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_thinksafe
	printf '%s\n' "${COMPREPLY[@]}"
)
offered() { # WANTED WORD...
	local wanted=$1
	shift
	offers "$@" | grep -x -e "$wanted" >/dev/null || fail "bash: $* does not offer $wanted but: $(offers "$@" | tr '\n' ' ')"
}

for command in $commands; do
	"$THINKSAFE" "$command" --help >"$scratch/help"
	"$THINKSAFE" help "$command" | cmp -s - "$scratch/help" || fail "help $command and $command --help differ"
	grep -qx "\.SS $command" "$scratch/thinksafe.1" || fail "the man page lacks $command"
	offered "$command" thinksafe "${command:0:2}"
	grep -q "^[[:space:]]*'$command:" "$scratch/zsh" || fail "zsh: lacks $command"
	grep -q -e "-a $command -d" "$scratch/fish" || fail "fish: lacks $command"
	page_of "$command" >"$scratch/page"
	offers thinksafe "$command" - >"$scratch/offers"
	awk -v label="$command)" '$1 == label { inside = 1 } inside; /;;$/ { inside = 0 }' "$scratch/zsh" >"$scratch/zsh-part"
	options=$(sed -n 's/^  --\([a-z0-9.-]*\).*/\1/p' "$scratch/help")
	[ -n "$options" ] || fail "$command --help shows no option"
	for option in $options; do
		grep -q -e "^--$option\( \|$\)" "$scratch/page" || fail "the man page of $command lacks --$option"
		grep -qx -e "--$option" "$scratch/offers" || fail "bash: $command lacks --$option"
		grep -q -e "'--$option[=[]" "$scratch/zsh-part" || fail "zsh: $command lacks --$option"
		grep -q -e "__thinksafe_is $command' -l $option " "$scratch/fish" || fail "fish: $command lacks --$option"
	done
	# And no more than those.
	[ "$(wc -l <"$scratch/offers")" -eq $(($(echo "$options" | wc -l) + 1)) ] || fail "bash: $command offers options that its help lacks"
done

# --- what a person types
offered generate thinksafe ge
[ "$(offers thinksafe ge)" = generate ] || fail "ge<TAB> offers more than generate"
offered --temperature thinksafe generate --te
offered avx2 thinksafe generate --isa ''
offered bf16 thinksafe generate --kv-dtype = b
offered keywords thinksafe judge --guard ''
offered render thinksafe help re
offered --version thinksafe --v
[ -z "$(offers thinksafe generate --seed '')" ] || fail "a number is completed: $(offers thinksafe generate --seed '')"
mkdir "$scratch/folder"
: >"$scratch/folder.jsonl"
[ "$(offers thinksafe report "$scratch/fol")" = "$scratch/folder" ] || fail "report RUN: $(offers thinksafe report "$scratch/fol")"
[ "$(offers thinksafe generate --adapter "$scratch/fol")" = "$scratch/folder" ] || fail "--adapter DIR offers files"
offered "$scratch/folder" thinksafe generate --model "$scratch/fol"
offered "$scratch/folder.jsonl" thinksafe generate --model "$scratch/fol"
offered "$scratch/folder.jsonl" thinksafe generate --in "$scratch/fol"
offered "$scratch/folder.jsonl" thinksafe run "$scratch/fol"

# Every value that is offered for a key of the recipe is one.
: >"$scratch/recipe.yaml"
for option in $("$THINKSAFE" run --help | sed -n 's/^  --\([a-z.-]*\) [a-z][a-z0-9|]* .*$/\1/p'); do
	for value in $(offers thinksafe run "--$option" ''); do
		"$THINKSAFE" run "$scratch/recipe.yaml" --print-recipe "--$option" "$value" >/dev/null || fail "run --$option $value is offered and refused"
		values=$((${values:-0} + 1))
	done
done
[ "${values:-0}" -ge 8 ] || fail "only ${values:-0} values were tried"

# --- the words of help itself
status=0
"$THINKSAFE" help sing 2>"$scratch/errors" || status=$?
[ $status -eq 2 ] && grep -q 'unknown command "sing"' "$scratch/errors" || fail "help sing: $status, $(cat "$scratch/errors")"
status=0
"$THINKSAFE" help --completion tcsh >"$scratch/out" 2>"$scratch/errors" || status=$?
[ $status -eq 2 ] && [ ! -s "$scratch/out" ] && grep -q "bash, zsh or fish" "$scratch/errors" || fail "help --completion tcsh: $status"

# --- the shells and the page's readers themselves
bash -n "$scratch/bash" || fail "bash cannot read its script"
for shell in zsh fish; do
	if command -v $shell >/dev/null; then
		$shell -n "$scratch/$shell" || fail "$shell cannot read its script"
	else
		echo "skipped: $shell is not installed, so its script was not read by it"
	fi
done
if command -v mandoc >/dev/null; then
	mandoc -Tlint -W warning "$scratch/thinksafe.1" || fail "mandoc finds fault with the man page"
elif command -v groff >/dev/null; then
	groff -man -ww -Tascii "$scratch/thinksafe.1" 2>"$scratch/errors" >/dev/null
	[ ! -s "$scratch/errors" ] || fail "groff finds fault with the man page: $(head -n 3 "$scratch/errors")"
else
	echo "skipped: neither mandoc nor groff is installed, so nobody read the man page"
fi
