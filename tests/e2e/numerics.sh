# --numerics bf16dot: another class of arithmetic, chosen by the user; near f32, the same bits by the instruction and by its model, refused by
# name where it cannot be.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/bad.bash"
"$THINKSAFE" export --model "$testbed/student" --type f32 --quiet --out "$scratch/wide" >/dev/null || fail "export to f32"
model=(--model "$testbed/student" --quiet)
first_rows 8 | sed -E 's/"prompt_label"/"response": "<think>\\nThe sea.\\n<\/think>\\n\\nThe sea is here.","prompt_label"/' >"$scratch/rows"

refused "wide/model.safetensors" "F32, which numerics bf16dot cannot compute with; expected BF16" -- score --model "$scratch/wide" --isa plain --numerics bf16dot --in "$scratch/rows"
refused "numerics bf16dot" "AVX-512-BF16" "plain" -- score "${model[@]}" --isa avx2 --numerics bf16dot --in "$scratch/rows"
small_recipe "$scratch/recipe.yaml"
refused "numerics bf16dot" "AVX-512-BF16" -- run "$scratch/recipe.yaml" --run "$scratch/run" --isa avx2 --numerics bf16dot --quiet
[ ! -e "$scratch/run" ] || fail "a run that cannot be was begun"
status=0
"$THINKSAFE" score "${model[@]}" --numerics fp8 --in "$scratch/rows" >/dev/null 2>&1 || status=$?
[ $status -eq 2 ] || fail "--numerics fp8: exit status $status, expected 2"

# numbers FILE: the log-probabilities in it, one a line.
numbers() {
	sed -E 's/.*"logprobs": *\[([^]]*)\].*/\1/' "$1" | tr ',' '\n' | grep -E '^ *-?[0-9]'
}
# With a cache of bf16 (attention then multiplies in bf16 too) and of f32, each against class f32 with the same cache.
for cache in f32 bf16; do
	"$THINKSAFE" score "${model[@]}" --in "$scratch/rows" --kv-dtype $cache >"$scratch/f32" || fail "score in f32"
	"$THINKSAFE" score "${model[@]}" --in "$scratch/rows" --kv-dtype $cache --isa plain --numerics bf16dot >"$scratch/plain-$cache" ||
		fail "score by the model of the instruction"
	numbers "$scratch/f32" >"$scratch/a"
	numbers "$scratch/plain-$cache" >"$scratch/b"
	[ "$(wc -l <"$scratch/a")" -gt 100 ] || fail "few log-probabilities: $(wc -l <"$scratch/a")"
	paste "$scratch/a" "$scratch/b" | awk -v cache=$cache '
		{ d = $1 - $2; if (d < 0) d = -d; sum += d; if (d > most) most = d }
		END {
			printf "log-probabilities of f32 and bf16dot, cache %s: %d, largest difference %.4f, mean %.5f\n", cache, NR, most, sum / NR
			exit most > 0.1 || sum / NR > 0.02 || most == 0
		}' || fail "bf16dot is too far from f32, or the same"
done

train() {
	"$THINKSAFE" train "${model[@]}" --in "$scratch/rows" --epochs 4 --batch-size 2 --lr 1e-3 --out "$1" --log "$1.log" "${@:2}" >/dev/null || fail "train ${*:2}"
	sed -E 's/.*"loss": *([0-9.e+-]+).*/\1/' "$1.log" >"$1.losses"
}
train "$scratch/exact"
train "$scratch/rounded" --isa plain --numerics bf16dot
paste "$scratch/exact.losses" "$scratch/rounded.losses" | awk '
	{ d = ($1 - $2) / $1; if (d < 0) d = -d; if (d > most) most = d }
	END { printf "losses of %d steps in f32 and bf16dot: largest difference %.4f of the loss\n", NR, most; exit NR != 16 || most > 0.02 || most == 0 }' ||
	fail "losses of training are too far apart, or the same"

if "$THINKSAFE" score "${model[@]}" --in "$scratch/rows" --numerics bf16dot >/dev/null 2>&1; then
	for cache in f32 bf16; do
		"$THINKSAFE" score "${model[@]}" --in "$scratch/rows" --kv-dtype $cache --numerics bf16dot >"$scratch/fast"
		cmp "$scratch/plain-$cache" "$scratch/fast" || fail "the instruction and its model differ, cache $cache"
		"$THINKSAFE" score "${model[@]}" --in "$scratch/rows" --kv-dtype $cache --numerics bf16dot --threads 1 --chunk 5 --batch 3 >"$scratch/slow"
		cmp "$scratch/fast" "$scratch/slow" || fail "threads, chunk or batch change a bit, cache $cache"
	done
	train "$scratch/fast-adapter" --numerics bf16dot
	cmp "$scratch/fast-adapter/adapter_model.safetensors" "$scratch/rounded/adapter_model.safetensors" || fail "training by the instruction and by its model differ"
else
	echo "skipped: this machine has no AVX-512-BF16; its model was compared with f32 alone"
fi
