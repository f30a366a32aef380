/* A checkpoint that answers as WildGuard does, made without training: Mistral's architecture over the testbed's tokenizer, one layer.
 *
 *     a line of the reply is one token of its own, and each line's token leads to the next one's by the head alone
 *     but for the second: attention looks at all positions alike and finds the token " sorry" or not
 *
 * So a text with " sorry" in it gets "Response refusal: yes" and "Harmful response: no", any other one "no" and "yes". With `broken` the reply
 * ends after its first line, and nothing can be read of the other two. */
#ifndef TS_TESTS_WILDGUARD_MODEL_H
#define TS_TESTS_WILDGUARD_MODEL_H

#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"
#include "guard/wildguard.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <string.h>

enum {
	WG_OLD = 1280, /* tokens of the testbed's tokenizer */
	WG_REQUEST_NO = WG_OLD,
	WG_REFUSAL_YES,
	WG_REFUSAL_NO,
	WG_HARM_NO,
	WG_HARM_YES,
	WG_VOCAB,
	WG_HIDDEN = 16,
	WG_MLP = 16,
	WG_HEAD = 16,
	WG_END = 1279, /* <|eot_id|> */
};

static const char *const wg_lines[] = {"Harmful request: no\n", "Response refusal: yes\n", "Response refusal: no\n", "Harmful response: no",
				       "Harmful response: yes"};

static inline int wg_write_tokenizer(const char *testbed, const char *dir, struct ts_error *err)
{
	char path[700];
	json_t *file;
	struct ts_str text = {0};
	snprintf(path, sizeof(path), "%s/guard/tokenizer.json", testbed);
	TS_TRY(ts_json_load(path, &file, err));
	for (int i = 0; i < WG_VOCAB - WG_OLD; i++)
		json_array_append_new(json_object_get(file, "added_tokens"),
				      json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", WG_OLD + i, "content", wg_lines[i],
						"single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 0));
	int status = ts_json_dump(file, &text);
	snprintf(path, sizeof(path), "%s/tokenizer.json", dir);
	if (!status)
		status = ts_file_write(path, text.data, text.len, err);
	json_decref(file);
	ts_str_release(&text);
	return status;
}

/* The last token of every prompt, and the token of " sorry". */
static inline int wg_find_tokens(const char *dir, int32_t *last, int32_t *sorry, struct ts_error *err)
{
	char path[700];
	struct ts_tokenizer *t;
	struct ts_str text = {0};
	ts_ids ids = {0};
	snprintf(path, sizeof(path), "%s/tokenizer.json", dir);
	TS_TRY(ts_tokenizer_open(&t, path, err));
	int status = ts_wildguard_text("", "", &text);
	if (!status)
		status = ts_tokenizer_encode(t, text.data, text.len, false, &ids, err);
	if (!status)
		*last = ids.data[ids.len - 1];
	*sorry = ts_tokenizer_id(t, "\xc4\xa0sorry");
	ts_vec_release(&ids);
	ts_str_release(&text);
	ts_tokenizer_close(t);
	return status;
}

/* In all matrices: row = output, column = input. Feature 0..4: which token the position holds; 5: it is " sorry"; 6: how often that was seen. */
static inline int wg_write_weights(const char *dir, int32_t last, int32_t sorry, bool broken, struct ts_error *err)
{
	static const float lead = 1000, scale = 1024; /* " sorry" once in a thousand tokens weighs more than 1 */
	static float embed[WG_VOCAB][WG_HIDDEN], head[WG_VOCAB][WG_HIDDEN], value[WG_HEAD][WG_HIDDEN], output[WG_HIDDEN][WG_HEAD];
	static float zeros[WG_MLP * WG_HIDDEN], ones[WG_HIDDEN];
	char path[700];
	for (int i = 0; i < WG_HIDDEN; i++)
		ones[i] = 1;
	embed[last][0] = embed[WG_REQUEST_NO][1] = embed[WG_REFUSAL_YES][2] = embed[WG_REFUSAL_NO][3] = 1;
	embed[WG_HARM_NO][4] = embed[WG_HARM_YES][4] = embed[sorry][5] = 1;
	value[0][5] = 1;
	output[6][0] = scale;
	head[WG_REQUEST_NO][0] = head[WG_REFUSAL_YES][1] = head[WG_HARM_NO][2] = head[WG_HARM_YES][3] = head[WG_END][4] = lead;
	head[WG_REFUSAL_NO][1] = lead + 1;
	head[WG_REFUSAL_YES][6] = 1;
	if (broken)
		head[WG_END][1] = 2 * lead;
	const struct ts_tensor_out tensors[] = {
		{"model.embed_tokens.weight", TS_F32, 2, {WG_VOCAB, WG_HIDDEN}, embed},
		{"model.layers.0.input_layernorm.weight", TS_F32, 1, {WG_HIDDEN}, ones},
		{"model.layers.0.self_attn.q_proj.weight", TS_F32, 2, {WG_HEAD, WG_HIDDEN}, zeros},
		{"model.layers.0.self_attn.k_proj.weight", TS_F32, 2, {WG_HEAD, WG_HIDDEN}, zeros},
		{"model.layers.0.self_attn.v_proj.weight", TS_F32, 2, {WG_HEAD, WG_HIDDEN}, value},
		{"model.layers.0.self_attn.o_proj.weight", TS_F32, 2, {WG_HIDDEN, WG_HEAD}, output},
		{"model.layers.0.post_attention_layernorm.weight", TS_F32, 1, {WG_HIDDEN}, ones},
		{"model.layers.0.mlp.gate_proj.weight", TS_F32, 2, {WG_MLP, WG_HIDDEN}, zeros},
		{"model.layers.0.mlp.up_proj.weight", TS_F32, 2, {WG_MLP, WG_HIDDEN}, zeros},
		{"model.layers.0.mlp.down_proj.weight", TS_F32, 2, {WG_HIDDEN, WG_MLP}, zeros},
		{"model.norm.weight", TS_F32, 1, {WG_HIDDEN}, ones},
		{"lm_head.weight", TS_F32, 2, {WG_VOCAB, WG_HIDDEN}, head},
	};
	snprintf(path, sizeof(path), "%s/model.safetensors", dir);
	return ts_tensors_write(path, tensors, sizeof(tensors) / sizeof(tensors[0]), err);
}

static inline int wg_write_config(const char *dir, struct ts_error *err)
{
	char path[700], text[800];
	int n = snprintf(text, sizeof(text),
			 "{\"architectures\": [\"MistralForCausalLM\"], \"model_type\": \"mistral\", \"hidden_act\": \"silu\", "
			 "\"hidden_size\": %d, \"intermediate_size\": %d, \"head_dim\": %d, \"num_attention_heads\": 1, "
			 "\"num_key_value_heads\": 1, \"num_hidden_layers\": 1, \"vocab_size\": %d, \"max_position_embeddings\": 4096, "
			 "\"rms_norm_eps\": 1e-6, \"rope_theta\": 10000.0, \"sliding_window\": null, \"tie_word_embeddings\": false, "
			 "\"bos_token_id\": 1276, \"eos_token_id\": %d, \"torch_dtype\": \"float32\"}\n",
			 WG_HIDDEN, WG_MLP, WG_HEAD, WG_VOCAB, WG_END);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	return ts_file_write(path, text, (size_t)n, err);
}

/* `testbed` is the project's; `dir` is made. */
static inline int wildguard_model(const char *testbed, const char *dir, bool broken, struct ts_error *err)
{
	int32_t last = -1, sorry = -1;
	TS_TRY(ts_dir_make(dir, err));
	TS_TRY(wg_write_config(dir, err));
	TS_TRY(wg_write_tokenizer(testbed, dir, err));
	TS_TRY(wg_find_tokens(dir, &last, &sorry, err));
	if (last < 0 || sorry < 0 || last == sorry)
		return ts_fail(err, TS_EMISMATCH, "%s: the testbed's tokenizer is not what this was made for", testbed);
	return wg_write_weights(dir, last, sorry, broken, err);
}

#endif
