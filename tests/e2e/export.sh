# thinksafe export: what it writes is the model with its adapter; killed, stopped or out of room it leaves nothing that looks finished; over
# its bound it is refused, and --force stands in the card.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/bad.bash"

student=$testbed/student
adapter=$scratch/adapter
# An adapter that answers otherwise than the student: every prompt with the same words.
first_rows 40 | sed -E 's/"prompt_label"/"response": "<think>\\nThe sea.\\n<\/think>\\n\\nThe sea is here.","prompt_label"/' >"$scratch/train.jsonl"
all=q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj
"$THINKSAFE" train --model "$student" --in "$scratch/train.jsonl" --epochs 8 --lr 1e-2 --targets $all --quiet --out "$adapter" >/dev/null || fail train
merge=(export --model "$student" --adapter "$adapter" --quiet)
first_rows 6 >"$scratch/rows"

# answers FILE MODEL [options]: greedy answers to a few prompts.
answers() {
	"$THINKSAFE" generate --in "$scratch/rows" --temperature 0 --max-new-tokens 60 --ids --quiet --out "$1" --model "${@:2}" || fail "generate ${*:2}"
	grep -o '"completion_ids":.*' "$1" >"$1.ids" || fail "no ids in $1"
}
answers "$scratch/unmerged" "$student" --adapter "$adapter"
answers "$scratch/base" "$student"
! cmp -s "$scratch/unmerged.ids" "$scratch/base.ids" || fail "the adapter changes no answer: nothing would be compared"

# --- every form is read again, says its check, and in f32 answers as the adapter does
formats=0
for form in folder:bf16 folder:f16 folder:f32 file.gguf:bf16 file.gguf:f16 file.gguf:f32 file.gguf:q8_0; do
	type=${form#*:} out=$scratch/${form#*:}-${form%:*}
	"$THINKSAFE" "${merge[@]}" --out "$out" --type "$type" >"$scratch/said" || fail "export to $form"
	grep -q '^self-check: 8 texts, .*largest difference of a logit .* (bound .*), mean KL ' "$scratch/said" || fail "$form says $(cat "$scratch/said")"
	answers "$scratch/merged" "$out"
	[ "$type" != f32 ] || cmp -s "$scratch/unmerged.ids" "$scratch/merged.ids" || fail "$form: other answers than with the adapter apart"
	formats=$((formats + 1))
done
for file in config.json generation_config.json tokenizer.json tokenizer_config.json chat_template.jinja model.safetensors README.md; do
	[ -s "$scratch/bf16-folder/$file" ] || fail "no $file in the folder"
done
[ "$(find "$scratch/bf16-folder" -type f | wc -l)" -eq 7 ] || fail "the folder holds $(ls "$scratch/bf16-folder")"
cmp "$student/tokenizer.json" "$scratch/bf16-folder/tokenizer.json" || fail "the tokenizer was changed"
grep -q "$(sha256sum "$adapter/adapter_model.safetensors" | cut -d ' ' -f 1)" "$scratch/bf16-folder/README.md" || fail "the card lacks the adapter's hash"
grep -q "licence of the base model holds" "$scratch/q8_0-file.gguf.md" || fail "no card beside the GGUF file"
! grep -q "$scratch\|orced" "$scratch/bf16-folder/README.md" || fail "the card holds a path, or says forced"
"$THINKSAFE" "${merge[@]}" --lora --out "$scratch/lora.gguf" --json >"$scratch/said" || fail "export --lora"
grep -q '"type": *"f32".*"tensors": *56,.*"forced": *false' "$scratch/said" || fail "--lora --json says $(cat "$scratch/said")"
"$THINKSAFE" "${merge[@]}" --out "$scratch/shards" --shard-size 300K >/dev/null || fail "export in shards"
[ -s "$scratch/shards/model-00001-of-00004.safetensors" ] && [ ! -e "$scratch/shards/model.safetensors" ] || fail "shards: $(ls "$scratch/shards")"
answers "$scratch/sharded" "$scratch/shards"
answers "$scratch/whole" "$scratch/bf16-folder"
cmp "$scratch/sharded.ids" "$scratch/whole.ids" || fail "the shards answer otherwise than the whole"
"$THINKSAFE" export --model "$scratch/f32-file.gguf" --out "$scratch/again.gguf" --type f32 --quiet >/dev/null || fail "export of a GGUF file"
answers "$scratch/again" "$scratch/again.gguf"
cmp "$scratch/unmerged.ids" "$scratch/again.ids" || fail "a GGUF file of a GGUF file answers otherwise"
"$THINKSAFE" export --model "$scratch/f32-file.gguf" --out "$scratch/made" --type f32 --quiet >/dev/null || fail "export of a GGUF file to a folder"
answers "$scratch/again" "$scratch/made"
cmp "$scratch/unmerged.ids" "$scratch/again.ids" || fail "a folder of a GGUF file answers otherwise"
for file in config.json generation_config.json tokenizer.json tokenizer_config.json model.safetensors README.md; do
	[ -s "$scratch/made/$file" ] || fail "no $file in the folder of a GGUF file"
done

# --- wrong usage
wrong() {
	local status=0
	"$THINKSAFE" export "$@" >/dev/null 2>"$scratch/errors" || status=$?
	[ $status -eq 2 ] || fail "export $*: exit status $status: $(cat "$scratch/errors")"
}
wrong --model "$student"
wrong --model "$student" --out "$scratch/x" --type q9
wrong --model "$student" --out "$scratch/x" --type q8_0
wrong --model "$student" --out "$scratch/x.gguf" --lora
wrong --model "$student" --out "$scratch/x" --adapter "$adapter" --lora
wrong --model "$student" --out "$scratch/x" --pre qwen2
wrong --model "$student" --out "$scratch/x" --shard-size 10

# --- names: nothing that is there is replaced
refused "is there already" -- "${merge[@]}" --out "$scratch/bf16-folder"
refused "is there already" -- "${merge[@]}" --out "$scratch/q8_0-file.gguf"
mkdir "$scratch/mine.partial"
echo mine >"$scratch/mine.partial/notes"
refused "mine.partial" "no export that was stopped left it" -- "${merge[@]}" --out "$scratch/mine"
[ -s "$scratch/mine.partial/notes" ] || fail "somebody's folder was removed"
refused "expected a folder, found a file" -- "${merge[@]}" --out "$scratch/rows/x"
"$THINKSAFE" "${merge[@]}" --out "$scratch/new/place/" >/dev/null || fail "a new place, a slash at its end"
[ -s "$scratch/new/place/model.safetensors" ] && [ "$(ls "$scratch/new")" = place ] || fail "a new place holds $(ls "$scratch/new")"
refused "no such checkpoint" -- export --model "$scratch/nowhere" --out "$scratch/x" --quiet
refused "no such adapter" -- export --model "$student" --adapter "$scratch/nowhere" --out "$scratch/x" --quiet
[ ! -e "$scratch/x" ] && [ ! -e "$scratch/x.partial" ] && [ ! -e "$scratch/x.lock" ] || fail "a refused export left $(ls -d "$scratch"/x*)"

# --- killed at any moment: OUT is not there or whole, and the next export ends as an undisturbed one
digest_of() {
	(cd "$scratch" && { find "$1" "$1.md" -type f 2>/dev/null || true; } | LC_ALL=C sort | xargs sha256sum | sed "s|$1||")
}
kills=0 left=0
kill_some() {
	local name=$1 took status
	shift
	took=$(milliseconds)
	"$THINKSAFE" "${merge[@]}" "$@" --out "$scratch/$name" >/dev/null || fail "export $*"
	took=$(($(milliseconds) - took))
	expected=$(digest_of "$name")
	rm -rf "${scratch:?}/$name" "$scratch/$name.md"
	for ((i = 0; i < 10; i++)); do
		setsid "$THINKSAFE" "${merge[@]}" "$@" --out "$scratch/$name" >/dev/null 2>&1 &
		wait_ms $((took * (i + 1) / 11))
		{ kill -9 $! && wait $!; } 2>/dev/null && status=0 || status=$?
		kills=$((kills + 1))
		[ ! -e "$scratch/$name.partial" ] || left=$((left + 1))
		if [ -e "$scratch/$name" ]; then
			[ "$(digest_of "$name")" = "$expected" ] || fail "killed with status $status it left a part of $name"
			rm -rf "${scratch:?}/$name"
		fi
	done
	# the first bytes are there: this one cannot have been finished
	setsid "$THINKSAFE" "${merge[@]}" "$@" --out "$scratch/$name" >/dev/null 2>&1 &
	until [ -e "$scratch/$name.partial" ]; do
		kill -0 $! 2>/dev/null || break
	done
	{ kill -9 $! && wait $!; } 2>/dev/null || true
	[ ! -e "$scratch/$name.partial" ] || left=$((left + 1))
	rm -rf "${scratch:?}/$name"
	"$THINKSAFE" "${merge[@]}" "$@" --out "$scratch/$name" >/dev/null || fail "export $* after a kill"
	[ "$(digest_of "$name")" = "$expected" ] || fail "after kills $name has other bytes"
	[ ! -e "$scratch/$name.partial" ] || fail "$name.partial stayed"
}
kill_some killed --type f32 --shard-size 300K
kill_some killed.gguf --type q8_0
[ $left -gt 0 ] || fail "no kill came while a file was written"

# --- no room: said before anything is written where the disk says it, and cleaned up where it does not
disk=$scratch/disk
mkdir "$disk"
if mount -t tmpfs -o size=400k tmpfs "$disk" 2>/dev/null; then
	for out in out out.gguf; do
		refused "$disk/$out" "no space left" "expected" "found" -- "${merge[@]}" --type f32 --out "$disk/$out"
		[ -z "$(ls "$disk")" ] || fail "a full disk holds $(ls "$disk")"
	done
	umount "$disk"
else
	echo "skipped: a full disk (no right to mount a small file system here)"
fi
for out in limited limited.gguf; do
	status=0
	(ulimit -f 500 && exec "$THINKSAFE" "${merge[@]}" --type f32 --out "$scratch/$out" >/dev/null 2>"$scratch/errors") || status=$?
	[ $status -eq 1 ] || fail "a file over the limit: exit status $status: $(cat "$scratch/errors")"
	grep -q "$scratch/$out.partial.*too large" "$scratch/errors" || fail "a file over the limit: $(cat "$scratch/errors")"
	[ ! -e "$scratch/$out" ] && [ ! -e "$scratch/$out.partial" ] || fail "a file over the limit stayed"
done

# --- over a bound: an adapter that the rounding would swallow
"$THINKSAFE" train --model "$student" --in "$scratch/train.jsonl" --epochs 1 --lr 1e-7 --quiet --out "$scratch/faint" >/dev/null || fail train
faint=(export --model "$student" --adapter "$scratch/faint" --quiet)
refused "would be lost in the rounding" "--force" -- "${faint[@]}" --type q8_0 --out "$scratch/faint.gguf"
[ ! -e "$scratch/faint.gguf" ] && [ ! -e "$scratch/faint.gguf.partial" ] && [ ! -e "$scratch/faint.gguf.md" ] || fail "a refused export stayed"
"$THINKSAFE" "${faint[@]}" --type q8_0 --out "$scratch/faint.gguf" --force --json >"$scratch/said" 2>"$scratch/errors" || fail "--force"
grep -q '"forced": *true' "$scratch/said" || fail "--force --json says $(cat "$scratch/said")"
grep -q "^warning: .*would be lost.*kept, as --force says" "$scratch/errors" || fail "--force says $(cat "$scratch/errors")"
grep -q '^\*\*Forced\.\*\*.*would be lost in the rounding' "$scratch/faint.gguf.md" || fail "the card does not say that it was forced"

# --- numbers beyond f16: the base with a factor that only f32 holds
cp -r "$adapter" "$scratch/huge"
sed -i 's/"lora_alpha": *[0-9.]*/"lora_alpha": 1e12/' "$scratch/huge/adapter_config.json"
huge=(export --model "$student" --adapter "$scratch/huge" --quiet)
refused "self_attn.q_proj.weight" "beyond the range" -- "${huge[@]}" --type f16 --out "$scratch/huge-out"
[ ! -e "$scratch/huge-out" ] && [ ! -e "$scratch/huge-out.partial" ] || fail "a refused export stayed"
"$THINKSAFE" "${huge[@]}" --type f16 --out "$scratch/huge-out" --force >/dev/null 2>&1 || fail "--force with infinite numbers"
grep -q '^\*\*Forced\.\*\*.*became infinite' "$scratch/huge-out/README.md" || fail "the card does not say infinite"
echo "$formats formats, $kills kills ($left left a part), $count refused"
