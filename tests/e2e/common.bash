# For the scripts beside this file: a scratch folder, a short recipe on the testbed, and the digest of what a run must reproduce.
set -Eeuo pipefail
: "${THINKSAFE:?the built program}" "${TS_SOURCE_DIR:?the source folder}" "${TS_SHARED_DIR:?the folder with golden/}"
export OMP_WAIT_POLICY=passive # several tests may share the cores
testbed=$TS_SOURCE_DIR/testbed
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

exec 3>&2 # where a part of a script sends standard error away, failures still show
trap 'echo "FAILED: $0:$LINENO: $BASH_COMMAND" >&3' ERR
fail() {
	echo "FAILED: $*" >&3
	exit 1
}

# first_rows N: the first N rows of the testbed's training prompts, taken in turn from all over the file, as JSON Lines.
# The file has one field a line and one object between "  {" and "  }".
first_rows() {
	awk -v wanted="$1" '
		/^  \{/ { row = "" ; inside = 1 }
		inside { line = $0; sub(/^ +/, "", line); row = row line }
		/^  \},?$/ { sub(/,$/, "", row); rows[n++] = row; inside = 0 }
		END {
			stride = int(n / wanted)
			for (i = 0; i < wanted; i++)
				print rows[i * stride]
		}' "$testbed/prompts/train.json"
}

# small_recipe FILE [SIZE]: every stage, in about a second for SIZE 1 (default); more for larger ones.
small_recipe() {
	local size=${2:-1}
	first_rows $((40 * size)) >"$scratch/prompts-$size.jsonl"
	[ "$(wc -l <"$scratch/prompts-$size.jsonl")" -eq $((40 * size)) ] || fail "the testbed's prompts cannot be read"
	cat >"$1" <<YAML
model: $testbed/student
guard: $testbed/guard
train_prompts: $scratch/prompts-$size.jsonl
refusal_phrases: $testbed/refusal_phrases.txt
evals:
  - {name: harmful, file: $testbed/prompts/harmful.json, kind: safety, split: test, shuffle: false, limit: $((20 * size))}
  - {name: lookalikes, file: $testbed/prompts/lookalikes.json, kind: over_refusal, split: test, shuffle: false, limit: $((15 * size))}
  - {name: sums, file: $testbed/prompts/sums.json, kind: reasoning, grader: math, split: test, shuffle: false, limit: $((15 * size))}
sampling: {temperature: 0.6, top_p: 0.95, top_k: 20, max_new_tokens: 160, samples: 1}
steering: {tries: 2}
train: {epochs: 2, batch: 8, lr: 1e-3}
alpha_prompts: $((15 * size))
YAML
}

# run DIR [options]: the small recipe there, quietly.
run() {
	"$THINKSAFE" run "$scratch/recipe.yaml" --run "$@" --quiet >/dev/null 2>"$scratch/errors"
}

# What a resumed run must reproduce byte for byte.
digest() {
	(cd "$1" && sha256sum adapter/adapter_config.json adapter/adapter_model.safetensors train.jsonl metrics.json)
}

milliseconds() {
	echo $(($(date +%s%N) / 1000000))
}

# wait_ms N
wait_ms() {
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}
