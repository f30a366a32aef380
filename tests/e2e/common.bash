# For the scripts beside this file: a scratch folder, a short recipe on the testbed, and the digest of what a run must reproduce.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# small_recipe FILE: every stage, in seconds. Prompts are the testbed's first rows.
small_recipe() {
	local testbed=$TS_SOURCE_DIR/testbed
	cat >"$1" <<YAML
model: $testbed/student
guard: $testbed/guard
train_prompts: $scratch/prompts.json
refusal_phrases: $testbed/refusal_phrases.txt
evals:
  - {name: harmful, file: $testbed/prompts/harmful.json, kind: safety, split: test, limit: 60}
  - {name: lookalikes, file: $testbed/prompts/lookalikes.json, kind: over_refusal, split: test, limit: 40}
  - {name: sums, file: $testbed/prompts/sums.json, kind: reasoning, grader: math, split: test, limit: 40}
sampling: {temperature: 0.6, top_p: 0.95, top_k: 20, max_new_tokens: 200}
steering: {tries: 2}
train: {epochs: 2, batch: 8, lr: 1e-3}
alpha_prompts: 40
YAML
	# One object a line in the file: the first 120 and the closing bracket.
	"$THINKSAFE" generate --help >/dev/null
	awk 'BEGIN { n = 0 } /"instruction"/ { n++ } { text = text $0 "\n" } n >= 120 && /\}/ { sub(/,[ \n]*$/, "\n", text); print text "]"; done = 1; exit }
		END { if (!done) printf "%s", text }' "$testbed/prompts/train.json" >"$scratch/prompts.json"
}

# What a resumed run must reproduce byte for byte.
digest() {
	(cd "$1" && sha256sum adapter/adapter_config.json adapter/adapter_model.safetensors train.jsonl metrics.json)
}
