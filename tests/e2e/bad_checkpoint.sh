# Checkpoints that are cut, lie, or hold numbers that are none: named by file and tensor or key; earlier work stays.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/bad.bash"
model=$scratch/model file=$scratch/model/model.safetensors config=$scratch/model/config.json
printf '%s\n' '{"instruction": "What is 3 plus 4?", "prompt_label": "vanilla_benign", "response": "7"}' >"$scratch/row"
echo earlier >"$scratch/earlier"

fresh() {
	rm -rf "$model"
	cp -r "$testbed/student" "$model"
}

# bad PHRASE...: the checkpoint in $model is refused by these phrases, and the output of an earlier command stays as it was.
bad() {
	rm -f "$scratch/earlier.journal"*
	refused "$@" -- generate --model "$model" --in "$scratch/row" --max-new-tokens 3 --out "$scratch/earlier" --quiet
	[ "$(cat "$scratch/earlier")" = earlier ] || fail "an earlier output was touched: $*"
	[ ! -e "$scratch/earlier.lock" ] && [ ! -e "$scratch/earlier.tmp" ] || fail "something was left behind: $*"
}

# lies OLD NEW PHRASE...: OLD becomes NEW in the header.
lies() {
	fresh
	damage header "$file" "$1" "$2"
	shift 2
	bad "$file" "$@"
}

# configured OLD NEW PHRASE...: OLD becomes NEW in config.json.
configured() {
	fresh
	grep -qF -- "$1" "$config" || fail "config.json has no $1"
	sed -i "s|$1|$2|" "$config"
	shift 2
	bad "$@"
}

# --- safetensors: missing, cut, lying
fresh && rm "$file"
bad "$model" "expected model.safetensors" "found neither"
for bytes in 0 7 5000 100000 1137543; do
	fresh && truncate -s $bytes "$file"
	bad "$file" bytes
done
fresh && printf 'x' >>"$file"
bad "$file" "expected 1132736" "bytes of data"
fresh && damage length "$file" 18446744073709551615
bad "$file" "header claims 18446744073709551615 bytes, the file has 1137544"
fresh && damage length "$file" 1152921504606846976
bad "$file" "header claims 1152921504606846976 bytes, the file has 1137544"
fresh && rm "$file" && mkdir "$file"
bad "$model" "expected model.safetensors" "found a folder of that name"
fresh && rm "$file" && ln -s /dev/zero "$file"
bad "$model" "expected model.safetensors" "found neither"
fresh && damage length "$file" 0
bad "$file" JSON
first='"model.layers.0.input_layernorm.weight":{"dtype":"BF16","shape":[96],"data_offsets":[245760,245952]}'
norm=model.layers.0.input_layernorm.weight
lies "$first" "${first/245760,245952/245758,245950}" "$norm" "model.embed_tokens.weight" "overlap at byte 245758"
lies "$first" "${first/245760,245952/245760,245950}" "$norm" "expected 192 bytes for BF16 [96], found 190"
lies "$first" "${first/245760,245952/245952,245760}" "$norm" "bytes 245952 to 245760" "data has"
lies "$first" "${first/245760,245952/-192,0}" "$norm" "bytes -192 to 0"
lies "$first" "${first/245760,245952/1e6,2e6}" "$norm" '"data_offsets": expected two integers, found a real number'
lies "$first" "${first/245760,245952/9223372036854775616,9223372036854775808}" "$file" "too big integer"
lies "$first" "${first/245760,245952/245760}" "$norm" '"data_offsets": expected two integers, found another number of items'
lies "$first" "${first/\[96\]/5}" "$norm" '"shape": expected an array, found an integer'
lies "$first" "${first/96/96.5}" "$norm" '"shape": expected whole numbers, found a real number'
lies "$first" "${first/\"BF16\"/null}" "$norm" '"dtype": expected a string, found null'
lies "$first" "${first%%:{*}:null" "$norm" "expected an object, found null"
lies "$first" "${first/96/97}" "$norm" "expected 194 bytes for BF16 [97], found 192"
lies "$first" "${first/96/4294967296,4294967296,4294967296}" "$norm" overflows
lies "$first" "${first/96/-96}" "$norm" '"shape"' "at least 0"
lies "$first" "${first/BF16/F32}" "$norm" "expected 384 bytes for F32 [96], found 192"
lies "$first" "${first/BF16/I16}" "$norm" "I16 is not supported" "F32"
lies "$first" "${first/BF16/I8}" "$norm" "I8 is not supported" "F32"
lies "$first" "${first/BF16/Q4}" "$norm" "Q4 is not supported" "known: F32"
lies "$first" "$first,$first" "duplicate object key"
lies '[96,256]' '[256,96]' model.layers.0.mlp.down_proj.weight "expected shape [96, 256], found [256, 96]"
lies model.layers.2.self_attn.q_norm.weight spare.q_norm.weight model.layers.2.self_attn.q_norm.weight \
	"expected with shape [32], but it is not there"
lies model.layers.2.self_attn.q_norm.weight model.layers.2.self_attn.q_nrom.weight '"model.layers.2.self_attn.q_nrom.weight"' \
	"not a weight of a qwen3 model as config.json describes it"
lies model.layers.2.self_attn.q_norm.weight model.layers.2.self_attn.q_proj.bias '"model.layers.2.self_attn.q_proj.bias"' "not a weight"
lies '"dtype":"BF16"' '"dtype":BF16' "not JSON"

# --- shards: an index that promises what is not there
fresh && mv "$file" "$model/part.safetensors"
printf '{"weight_map": {"model.norm.weight": "%s"}}' part-2.safetensors >"$file.index.json"
bad "$file.index.json" model.norm.weight "part-2.safetensors: cannot open"
printf '{"weight_map": {"model.norm.weight": "../part.safetensors"}}' >"$file.index.json"
bad "$file.index.json" model.norm.weight "in the same folder" "../part.safetensors"
printf '{"weight_map": {"lm_head.weight": "part.safetensors"}}' >"$file.index.json"
bad "$file.index.json" lm_head.weight "expected in part.safetensors, but it is not there"

# --- shards that are cut, absent, or hold one tensor twice
"$THINKSAFE" export --model "$testbed/student" --out "$scratch/shards" --shard-size 300K --quiet >/dev/null || fail "export in shards"
sharded() {
	rm -rf "$model"
	cp -r "$scratch/shards" "$model"
}
second=$model/model-00002-of-00004.safetensors
sharded && truncate -s 100000 "$second"
bad "$second" "but the file's data has" bytes
sharded && truncate -s 5 "$second"
bad "$second" bytes
sharded && rm "$second"
bad "$file.index.json" "$second: cannot open"
sharded && cp "$model/model-00003-of-00004.safetensors" "$second"
bad "$file.index.json" "model-00003-of-00004.safetensors" "already in $second"
moved=$(sed -n 's/^ *"\(.*\)": "model-00002-of-00004.safetensors",*$/\1/p' "$scratch/shards/model.safetensors.index.json" | head -n 1)
sharded && damage header "$second" "\"$moved\"" '"model.embed_tokens.weight"' && sed -i "/\"$moved\"/d" "$file.index.json"
bad "$second" "tensor model.embed_tokens.weight" "already in"

# --- JSON that nests without end
deep=$(printf '[%.0s' $(seq 100000))
for name in config.json generation_config.json tokenizer.json tokenizer_config.json model.safetensors.index.json; do
	sharded && printf '{"x": %s' "$deep" >"$model/$name"
	bad "$model/$name" "maximum parsing depth"
done

# --- numbers that are none, and finite ones that the forward pass makes so
for value in nan inf -inf; do
	fresh && damage fill "$file" model.layers.1.mlp.up_proj.weight $value
	bad "$file" model.layers.1.mlp.up_proj.weight "NaN or Inf" "expected finite"
	fresh && damage fill "$file" model.norm.weight $value
	bad "$file" model.norm.weight "NaN or Inf" "expected finite"
done
for tensor in model.norm.weight model.layers.0.input_layernorm.weight; do
	fresh && damage fill "$file" $tensor 3e38
	bad "$scratch/row: prompt 1" "expected finite logits, found NaN or Inf after 0 tokens"
	refused "$scratch/row: row 1" "not finite" -- score --model "$model" --in "$scratch/row" --quiet
	refused "training step 1" "expected finite numbers" -- train --model "$model" --in "$scratch/row" --out "$scratch/adapter" --quiet
	[ ! -e "$scratch/adapter/adapter_model.safetensors" ] || fail "an adapter of NaN was written"
	rm -rf "$scratch/adapter"
done

# --- config.json: another family, options that change numbers, sizes that do not fit the file
configured qwen3 gpt9 "$config" '"model_type": gpt9 is not supported' "known: qwen3"
configured '"silu"' '"gelu"' "$config" '"hidden_act": gelu is not supported' "known: silu"
configured '"rope_scaling": null' '"rope_scaling": "yarn"' "$config" '"rope_scaling": expected an object, found a string'
configured '"rope_scaling": null' '"rope_scaling": {"rope_type": "wobble"}' "$config" "wobble is not supported"
configured '"rope_scaling": null' '"rope_scaling": {"rope_type": "linear"}' "$config" '"factor": expected a number above 0, found nothing'
configured '"eos_token_id": 1273' '"eos_token_id": [1273, "x"]' "$config" '"eos_token_id": expected ids from 0 to 1279, found a string'
configured '"vocab_size": 1280' '"vocab_size": 2000' "$file" model.embed_tokens.weight "expected shape [2000, 96], found [1280, 96]"
configured '"rope_scaling": null' '"rope_scaling": {"rope_type": "longrope", "factor": 4.0}' "$config" rope_scaling \
	"longrope is not supported" "known rope types"
configured '"rope_scaling": null' '"rope_scaling": {"rope_type": "yarn"}' "$config" '"factor": expected a number above 0, found nothing'
configured '"rope_scaling": null' '"rope_scaling": {"type": "dynamic", "factor": 2, "alpha": 9}' "$config" 'the key "alpha" is not supported'
configured '"attention_dropout": 0.0' '"final_logit_softcapping": 30.0' "$config" '"final_logit_softcapping": 30 is not supported'
configured '"attention_dropout": 0.0' '"num_experts": 8' "$config" '"num_experts": 8 is not supported'
configured '"attention_dropout": 0.0' '"attention_bias": true' "$file" model.layers.0.self_attn.q_proj.bias "it is not there"
configured Qwen3ForCausalLM Qwen3ForSequenceClassification "$config" '"architectures": Qwen3ForSequenceClassification'
configured '"attention_dropout": 0.0' '"partial_rotary_factor": 0.5' "$config" '"partial_rotary_factor"' "known: 1"
configured '"attention_dropout": 0.0' '"mlp_bias": true' "$config" '"mlp_bias": true is not supported'
configured '"attention_dropout": 0.0' '"quantization_config": {"quant_method": "awq"}' "$config" '"quantization_config": awq is not supported'
configured '"sliding_window": null,' '"sliding_window": 64, "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "full_attention"],' \
	"$config" '"layer_types": sliding_attention without use_sliding_window'
configured '"hidden_size": 96' '"hidden_size": 97' "$file" model.embed_tokens.weight "expected shape [1280, 97], found [1280, 96]"
configured '"hidden_size": 96' '"hidden_size": "96"' "$config" '"hidden_size": expected an integer, found a string'
configured '"hidden_size": 96' '"hidden_size": 1e30' "$config" '"hidden_size": expected an integer, found a real number'
configured '"hidden_size": 96' '"hidden_size": -96' "$config" '"hidden_size": expected 1 to' "found -96"
configured '"hidden_size": 96,' '' "$config" '"hidden_size" is missing'
configured '"num_hidden_layers": 4' '"num_hidden_layers": 5' "$file" model.layers.4.input_layernorm.weight "it is not there"
configured '"num_hidden_layers": 4' '"num_hidden_layers": 3' "$model" "config says 3 layers" "stores model.layers.3.input_layernorm.weight"
configured '"rms_norm_eps": 1e-06' '"rms_norm_eps": -1' "$config" '"rms_norm_eps": expected a number above 0, found -1'
configured '"tie_word_embeddings": true' '"tie_word_embeddings": false' "$model" "untied" "no lm_head.weight"
configured '"vocab_size": 1280' '"vocab_size": 1200' "$config" '"eos_token_id": expected ids from 0 to 1199, found 1273'
for length in 0 1 100; do
	fresh && head -c $length "$testbed/student/config.json" >"$config"
	bad "$config" "not JSON"
done
fresh && echo '[]' >"$config"
bad "$config" "expected a JSON object, found an array"
fresh && rm "$config"
bad "$config" "No such file"

# --- tokenizer and template
fresh && sed -i 's|"eos_token_id": 1273|"eos_token_id": 100|; s|"vocab_size": 1280|"vocab_size": 1264|' "$config"
sed -i 's|1273|100|; s|1272|100|; s|1271|100|' "$model/generation_config.json"
damage header "$file" '[1280,96],"data_offsets":[0,245760]}' '[1264,96],"data_offsets":[0,242688]},"model.layers.0.self_attn.rotary_emb.inv_freq":{"dtype":"BF16","shape":[16,96],"data_offsets":[242688,245760]}'
bad "the tokenizer has 1280" "embedding only 1264"
fresh && head -c 10000 "$testbed/student/tokenizer.json" >"$model/tokenizer.json"
bad "$model/tokenizer.json" "not JSON"
fresh && echo '[]' >"$model/tokenizer.json"
bad "$model/tokenizer.json" "expected an object"
fresh && rm "$model/tokenizer.json"
bad "$model/tokenizer.json" "No such file"
fresh && rm "$model/chat_template.jinja"
bad "$scratch/row: row 1" "$model: no chat template"
fresh && printf 'a\n{%% if %%}' >"$model/chat_template.jinja"
bad "$model: chat template:2" "expected an expression"
fresh && printf '{{ raise_exception("not like this") }}' >"$model/chat_template.jinja"
bad "$scratch/row: row 1" "$model: chat template: not like this"
# A name from a file reaches the terminal as text: a control character is shown, and a line stays one line.
fresh && printf '{{ raise_exception("a\33[31mb\nc") }}' >"$model/chat_template.jinja"
bad "$model: chat template: a␛[31mb c"

# --- adapters
"$THINKSAFE" train --model "$testbed/student" --in "$scratch/row" --out "$scratch/adapter" --lr 1e-3 --rank 2 --epochs 20 --quiet >/dev/null ||
	fail "train: $?"
adapted() {
	refused "$@" -- generate --model "$testbed/student" --adapter "$scratch/bent" --in "$scratch/row" --max-new-tokens 3 --quiet
}
bend() {
	rm -rf "$scratch/bent"
	cp -r "$scratch/adapter" "$scratch/bent"
}
bend && truncate -s 3000 "$scratch/bent/adapter_model.safetensors"
adapted "$scratch/bent/adapter_model.safetensors" bytes
bend && damage header "$scratch/bent/adapter_model.safetensors" layers.1.self_attn.q_proj.lora_A layers.9.self_attn.q_proj.lora_A
adapted "$scratch/bent/adapter_model.safetensors" layers.1.self_attn.q_proj.lora_A "it is not there"
bend && sed -i 's|"r": 2|"r": 3|' "$scratch/bent/adapter_config.json"
adapted "$scratch/bent/adapter_model.safetensors" "expected shape [3, 96], found [2, 96]"
bend && sed -i 's|"use_dora": false|"use_dora": true|' "$scratch/bent/adapter_config.json"
adapted "$scratch/bent/adapter_config.json" '"use_dora"' "expected it off"

bend && damage fill "$scratch/bent/adapter_model.safetensors" base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight nan
adapted "$scratch/bent/adapter_model.safetensors" layers.1.self_attn.q_proj.lora_A "NaN or Inf"
bend && printf '{"x": %s' "$deep" >"$scratch/bent/adapter_config.json"
adapted "$scratch/bent/adapter_config.json" "maximum parsing depth"
bend && rm "$scratch/bent/adapter_config.json"
adapted "$scratch/bent/adapter_config.json" "No such file"
cp -r "$testbed/guard" "$scratch/ill"
damage fill "$scratch/ill/model.safetensors" model.norm.weight nan
refused "$scratch/ill/model.safetensors" model.norm.weight "NaN or Inf" -- judge --guard "$scratch/ill" --in "$scratch/row" --quiet

# --- a guard that answers NaN: never safe
cp -r "$testbed/guard" "$scratch/guard"
damage fill "$scratch/guard/model.safetensors" model.norm.weight 3e38
"$THINKSAFE" judge --guard "$scratch/guard" --in "$scratch/row" --quiet >"$scratch/verdict" || fail "judge with a broken guard"
grep -qF '"verdict":"unjudged","unsafe_probability":null,"why":"the guard'\''s logits are not finite"' "$scratch/verdict" ||
	fail "a NaN is a verdict: $(cat "$scratch/verdict")"
small_recipe "$scratch/recipe.yaml"
for again in 1 2; do # a second start must not take the stored "unjudged" for judged
	refused "judge generated" "none of" "not finite" "damaged guard" -- run "$scratch/recipe.yaml" --guard "$scratch/guard" --run "$scratch/nan" --quiet
done
[ ! -e "$scratch/nan/train.jsonl" ] || fail "a run without a verdict went on"
refused "judge before" "none of 60" "not finite" -- eval "$scratch/recipe.yaml" --guard "$scratch/guard" --quiet

# --- a run under way: its files go bad, it refuses by name, and ends with the same bytes when they are back
cp -r "$testbed/student" "$scratch/student"
rm -r "$scratch/guard" && cp -r "$testbed/guard" "$scratch/guard"
sed -i "s|^model: .*|model: $scratch/student|; s|^guard: .*|guard: $scratch/guard|" "$scratch/recipe.yaml"
half_run "$scratch/half"
spoil() {
	local path=$1
	cp "$path" "$scratch/good"
	printf 'x' | dd of="$path" bs=1 seek="$2" conv=notrunc status=none
	shift 2
	refused "$@" -- run "$scratch/recipe.yaml" --run "$scratch/half" --quiet
	cp "$scratch/good" "$path"
}
spoil "$scratch/student/model.safetensors" 1000000 "$scratch/half" "model is not what this run began with"
spoil "$scratch/guard/model.safetensors" 900000 "$scratch/half" "guard is not what this run began with"
spoil "$scratch/student/model.safetensors" 3 "$scratch/student/model.safetensors" "header claims"
spoil "$scratch/student/tokenizer.json" 0 "$scratch/student/tokenizer.json" "not JSON"
spoil "$scratch/prompts-1.jsonl" 20 "$scratch/prompts-1.jsonl: row 1" "\"instruction\" is missing"
ends_well "$scratch/half"
echo "$count bad checkpoints refused"
