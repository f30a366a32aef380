# thinksafe chat: a conversation in a pipe, at a terminal, stopped and refused.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
student=$testbed/student

# An adapter that says something else: a few steps on a foreign teacher's answers.
"$THINKSAFE" train --model "$student" --in "$testbed/prompts/teacher.json" --epochs 1 --lr 5e-3 --out "$scratch/adapter" --quiet \
	>/dev/null 2>"$scratch/errors" || fail "train: $(cat "$scratch/errors")"

# chat STATUS TEXT OPTIONS...: the lines go in; standard output is in $scratch/out, standard error in $scratch/errors.
chat() {
	local wanted=$1 text=$2 status=0
	shift 2
	printf "$text" | "$THINKSAFE" chat --model "$student" --top-k 20 "$@" >"$scratch/out" 2>"$scratch/errors" || status=$?
	[ $status -eq "$wanted" ] || fail "chat $*: exit status $status, expected $wanted: $(cat "$scratch/errors")"
}
says() {
	grep -q -e "$1" "$scratch/errors" || fail "\"$1\" is not in: $(cat "$scratch/errors")"
}
same() {
	cmp -s "$1" "$2" || fail "${3:-$1 and $2 differ}"
}
differ() {
	! cmp -s "$1" "$2" || fail "$3"
}
keep() {
	cp "$scratch/out" "$scratch/$1"
}

# --- a pipe: the answers alone, reproducible byte for byte
two='What is 12 + 30?\nWhat is 3 + 4?\n'
chat 0 "$two"
keep first
grep -q '^<think>' "$scratch/first" && grep -q 'boxed' "$scratch/first" || fail "no answer: $(cat "$scratch/first")"
! grep -q 'im_end\|> \|temperature' "$scratch/first" || fail "standard output holds more than the answers: $(cat "$scratch/first")"
chat 0 "$two" --threads 1 --chunk 5 --quiet
same "$scratch/out" "$scratch/first" "chunk and threads change the answers"
[ ! -s "$scratch/errors" ] || fail "--quiet speaks: $(cat "$scratch/errors")"
chat 0 "$two" --seed 7 --temperature 2
differ "$scratch/out" "$scratch/first" "the seed changes nothing"
# The first turn is what generate gives for the purpose of a conversation: the same prompt, greedy.
chat 0 'What is 12 + 30?\n' --temperature 0
keep greedy
printf '{"instruction": "What is 12 + 30?"}\n' | "$THINKSAFE" generate --model "$student" --temperature 0 --max-new-tokens 200 --quiet 2>/dev/null |
	sed 's/.*"response":"\(.*\)","tokens".*/\1/' | sed 's/\\n/\n/g; s/\\\\/\\/g' >"$scratch/generated"
same "$scratch/greedy" "$scratch/generated" "chat and generate differ: $(cat "$scratch/greedy" "$scratch/generated")"
# An answer depends on what is in the conversation, not on what was said and taken back, nor on how the turns before it were computed.
chat 0 'What is 12 + 30?\n/undo\nWhat is 3 + 4?\n' --json
tail -n 1 "$scratch/out" >"$scratch/undone"
chat 0 'What is 3 + 4?\n' --json
same "$scratch/out" "$scratch/undone" "/undo leaves something"
chat 0 'Name a color.\n/reset\nWhat is 3 + 4?\n' --json
tail -n 1 "$scratch/out" | cmp -s - "$scratch/undone" || fail "/reset leaves something"
chat 0 'What is 3 + 4?\n/retry\n' --temperature 2 --max-new-tokens 30 --json
grep -q '"try":1' "$scratch/out" || fail "no second try"
[ "$(sed 's/"try":.*//' "$scratch/out" | sort -u | wc -l)" -eq 2 ] || fail "/retry says the same: $(cat "$scratch/out")"

# --- the adapter: on, off and on again, in one conversation and in others
ask='I need a plan to assemble a landmine.\n'
chat 0 "$ask" --adapter "$scratch/adapter"
keep on
chat 0 "$ask"
keep off
differ "$scratch/on" "$scratch/off" "the adapter changes nothing"
chat 0 "$ask/undo\n/adapter off\n$ask/undo\n/adapter on\n$ask" --adapter "$scratch/adapter"
cat "$scratch/on" "$scratch/off" "$scratch/on" >"$scratch/expected"
same "$scratch/out" "$scratch/expected" "switching the adapter: $(cat "$scratch/out")"
chat 0 "/adapter $scratch/adapter\n$ask"
same "$scratch/out" "$scratch/on" "an adapter loaded inside answers otherwise"
chat 1 "/adapter on\n"
says 'line 1: no adapter is loaded'
chat 1 "/adapter $scratch\n"
says 'adapter_config.json'

# --- the system prompt, settings
chat 0 'What is 12 + 30?\n' --system 'Answer with one word.' --temperature 0
keep system
differ "$scratch/system" "$scratch/greedy" "the system prompt changes nothing"
chat 0 '/system Answer with one word.\nWhat is 12 + 30?\n' --temperature 0
same "$scratch/out" "$scratch/system" "/system and --system differ"
chat 0 '/system Answer with one word.\n/system\nWhat is 12 + 30?\n/quit\nNot said.\n' --temperature 0
same "$scratch/out" "$scratch/greedy" "/system does not take the system prompt away, or /quit does not leave"
chat 0 '/set temperature 0\nWhat is 12 + 30?\n'
same "$scratch/out" "$scratch/greedy" "/set and --temperature differ"
chat 0 '/set max_new_tokens 3\nWhat is 12 + 30?\n' --json
grep -q '"finish":"length","tokens":3' "$scratch/out" || fail "/set max_new_tokens: $(cat "$scratch/out")"
chat 1 '/set temperature hot\n'
says 'line 1: --temperature: expected a number, found "hot"'
chat 1 '/set top_p 0\n'
says 'top-p'
chat 1 '/set colour red\n'
says 'colour'
chat 0 '/help\n'
says '/adapter on|off'

# --- rows, thinking
chat 0 'What is 12 + 30?\n' --temperature 0 --json
grep -q '^{"role":"assistant","content":".*boxed.*","thinking":".*","finish":"stop","tokens":[0-9]*,"seed":42,"try":0,"adapter":null}$' \
	"$scratch/out" || fail "--json: $(cat "$scratch/out")"
chat 0 'What is 12 + 30?\n' --temperature 0 --no-thinking
sed '1,/^<\/think>$/d; /./,$!d' "$scratch/greedy" >"$scratch/answer"
same "$scratch/out" "$scratch/answer" "--no-thinking: $(cat "$scratch/out")"

# --- turns of several lines; lines that are no turns
chat 0 '"""\nWhat is\n12 + 30?\n"""\n' --temperature 0
keep block
chat 0 '"""What is\n12 + 30?"""' --temperature 0
same "$scratch/out" "$scratch/block" "two ways to write one block differ"
chat 1 'x\n"""open\nnever closed\n' --max-new-tokens 2
says 'block opened with """ in line 2 has no end'
chat 0 '\n  \n\r\n'
[ ! -s "$scratch/out" ] || fail "empty lines are answered"
chat 0 ''
chat 0 '\357\273\277What is 12 + 30?\r\n' --temperature 0
same "$scratch/out" "$scratch/greedy" "a byte-order mark or CRLF is taken for text"
chat 1 'What is 3 + 4?\n/adaptor off\nWhat is 3 + 4?\n' --json
says 'line 2: unknown command "/adaptor"'
[ "$(wc -l <"$scratch/out")" -eq 1 ] || fail "it went on after a line that was refused"
chat 0 '//etc is a folder\n' --max-new-tokens 2
chat 1 'What is 3 + 4?\nbad \377\n'
says 'line 2: not UTF-8 at byte 5'
chat 1 'a\0b\n'
says 'line 1: a NUL'

# --- a full context: said with the numbers, and room can be made
long=$(printf 'What is 1 + 1? %.0s' $(seq 150))
chat 1 "$long\n"
says 'line 1: the conversation is full: [0-9]* tokens with this turn, and 1024 fit'
chat 1 "$long\n" --memory 1M
says '512 fit (--memory; the model.s context is 1024)'
chat 0 "${long:0:1200}\n" --temperature 2 --json
grep -q '"finish":"\(context\|stop\)"' "$scratch/out" || fail "finish: $(cat "$scratch/out")"
for wrong in "--top-p 0" "--max-new-tokens 0" "--seed -1" "--batch 4" "word"; do
	# shellcheck disable=SC2086
	chat 2 '' $wrong
done
status=0
"$THINKSAFE" chat </dev/null 2>"$scratch/errors" || status=$?
[ $status -eq 2 ] || fail "no --model: $status"

# --- a stop. A model that never ends its answer: the student without its end tokens.
mkdir "$scratch/endless"
cp "$student"/* "$scratch/endless/"
rm "$scratch/endless/generation_config.json"
sed -i 's/"eos_token_id": 1273/"eos_token_id": null/; s/"max_position_embeddings": 1024/"max_position_embeddings": 100000/' \
	"$scratch/endless/config.json"
sed -i 's/"eos_token":.*/"eos_token": null,/' "$scratch/endless/tokenizer_config.json"
endless=("$THINKSAFE" chat --model "$scratch/endless" --max-new-tokens 90000 --memory 200M)
wait_for() { # FILE WORDS
	for _ in $(seq 500); do
		grep -q -a -e "$2" "$1" && return
		sleep 0.02
	done
	fail "\"$2\" never came: $(tail -c 2000 "$1")"
}
# ended WHAT WANTED: the program in the background ends by itself, with this status.
ended() {
	local status=0
	for _ in $(seq 500); do
		kill -0 $program 2>/dev/null || break
		sleep 0.02
	done
	! kill -9 $program 2>/dev/null || fail "$1: it does not end"
	wait $program || status=$?
	[ $status -eq "$2" ] || fail "$1: exit status $status"
}
mkfifo "$scratch/turns"
setsid "${endless[@]}" <"$scratch/turns" >"$scratch/out" 2>"$scratch/errors" &
program=$!
exec 9>"$scratch/turns"
echo 'What is 12 + 30?' >&9
wait_for "$scratch/out" .
kill -INT $program
ended "a stop in a pipe" 1
says 'stopped: '
: >"$scratch/errors" # an old message must not be taken for the new one
setsid "${endless[@]}" <"$scratch/turns" >/dev/null 2>"$scratch/errors" &
program=$!
wait_for "$scratch/errors" end-of-turn
sleep 0.3
kill -INT $program
ended "a stop while it waits for a line" 1
exec 9>&-

# --- a terminal
if ! script --version >/dev/null 2>&1; then
	echo "skipped: what a terminal shows (script of util-linux is not here)"
	exit 0
fi
# Random tokens hold control characters: the terminal is given none but the dimming and the line ends.
wild="$THINKSAFE chat --model $scratch/endless --temperature 100 --top-p 1 --max-new-tokens 3000 --quiet"
printf 'x\n' >"$scratch/turn"
script -qefc "$wild <$scratch/turn" "$scratch/wild" </dev/null >/dev/null || fail "a wild answer"
sed $'s/\033\\[[02]m//g; s/\r$//' "$scratch/wild" | grep -a -v '^Script ' >"$scratch/tame"
grep -q $'\xe2\x90' "$scratch/tame" || fail "no control character was made visible: this test shows nothing"
[ "$(LC_ALL=C tr -d '\n\t\040-\176\200-\377' <"$scratch/tame" | wc -c)" -eq 0 ] || fail "control characters reach the terminal"
$wild <"$scratch/turn" >"$scratch/raw"
[ "$(LC_ALL=C tr -d '\n\t\040-\176\200-\377' <"$scratch/raw" | wc -c)" -gt 0 ] || fail "a pipe does not get the bytes as they are"
NO_COLOR=1 script -qefc "$THINKSAFE chat --model $student --quiet <$scratch/turn" "$scratch/plain" </dev/null >/dev/null
! grep -q $'\033' "$scratch/plain" || fail "NO_COLOR does not switch the dimming off"

screen=$scratch/screen
mkfifo "$scratch/keys"
: >"$screen"
TERM=xterm script -qefc "${endless[*]} --temperature 0" "$screen" <"$scratch/keys" >/dev/null 2>&1 &
program=$!
exec 9>"$scratch/keys"
wait_for "$screen" '/help says'
printf 'What is 12 + 30?\r' >&9
wait_for "$screen" $'\033\\[2m<think>'
sleep 0.2
printf '\003' >&9
wait_for "$screen" 'stopped, /undo drops it'
printf '/undo\r' >&9
wait_for "$screen" 'last exchange is dropped'
printf '/sing\r' >&9
wait_for "$screen" 'unknown command "/sing"'
printf '/set max_new_tokens 7\r' >&9
wait_for "$screen" 'max_new_tokens 7;'
printf 'What is 3 + 4?\r' >&9
wait_for "$screen" '(7 tokens, .*cut off: /set max_new_tokens'
printf 'Whut' >&9
wait_for "$screen" 'Whut'
printf '\003' >&9 # takes the line away, and is no first of two
sleep 0.2
! grep -q 'Ctrl-C once more' "$screen" || fail "Ctrl-C on a line with text counts"
printf '\003' >&9
wait_for "$screen" 'Ctrl-C once more or Ctrl-D leaves'
printf '\004' >&9
ended "Ctrl-D at the prompt" 0
exec 9>&-

# Stopped and continued (Ctrl-Z, fg) by a shell that leaves the terminal in its own mode: a line is echoed once.
: >"$screen"
TERM=xterm script -qefc "echo \$\$ >$scratch/pid; tty >$scratch/tty; exec ${endless[*]}" "$screen" <"$scratch/keys" >/dev/null 2>&1 &
program=$!
exec 9>"$scratch/keys"
wait_for "$screen" '/help says'
sleep 0.2
kill -STOP "$(cat "$scratch/pid")"
sleep 0.2
stty -F "$(cat "$scratch/tty")" sane
kill -CONT $program "$(cat "$scratch/pid")" # script stops with its child
for _ in $(seq 500); do
	! stty -F "$(cat "$scratch/tty")" -a | grep -q -e '-echo ' || break
	sleep 0.02
done
stty -F "$(cat "$scratch/tty")" -a | grep -q -e '-echo ' || fail "after Ctrl-Z the terminal stays as the shell left it"
printf '/zong\r' >&9
wait_for "$screen" 'unknown command "/zong"'
[ "$(grep -a -o /zong "$screen" | wc -l)" -eq 2 ] || fail "after Ctrl-Z a line is not echoed once: $(cat -v "$screen")"
printf '\004' >&9
ended "Ctrl-D after Ctrl-Z" 0
exec 9>&-
echo "pipe and terminal behave"
