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
struct wg_weights {
	float embed[WG_VOCAB][WG_HIDDEN], head[WG_VOCAB][WG_HIDDEN], value[WG_HEAD][WG_HIDDEN], output[WG_HIDDEN][WG_HEAD];
	float zeros[WG_MLP * WG_HIDDEN], ones[WG_HIDDEN];
};

static inline void wg_fill(struct wg_weights *w, int32_t last, int32_t sorry, bool broken)
{
	const float lead = 1000, scale = 1024; /* " sorry" once in a thousand tokens weighs more than 1 */
	*w = (struct wg_weights){.ones = {0}};
	for (int i = 0; i < WG_HIDDEN; i++)
		w->ones[i] = 1;
	w->embed[last][0] = w->embed[WG_REQUEST_NO][1] = w->embed[WG_REFUSAL_YES][2] = w->embed[WG_REFUSAL_NO][3] = 1;
	w->embed[WG_HARM_NO][4] = w->embed[WG_HARM_YES][4] = w->embed[sorry][5] = 1;
	w->value[0][5] = 1;
	w->output[6][0] = scale;
	w->head[WG_REQUEST_NO][0] = w->head[WG_REFUSAL_YES][1] = lead;
	w->head[WG_HARM_NO][2] = w->head[WG_HARM_YES][3] = w->head[WG_END][4] = lead;
	w->head[WG_REFUSAL_NO][1] = lead + 1;
	w->head[WG_REFUSAL_YES][6] = 1;
	if (broken)
		w->head[WG_END][1] = 2 * lead;
}

enum { WG_LAYERS = 64, WG_LAYER_TENSORS = 9, WG_TENSORS = WG_LAYERS * WG_LAYER_TENSORS + 3 };
struct wg_list {
	struct ts_tensor_out tensors[WG_TENSORS];
	char names[WG_TENSORS][64];
	size_t count;
};

static inline void wg_add(struct wg_list *l, int layer, const char *name, size_t rows, size_t columns, const float *data)
{
	if (layer < 0)
		snprintf(l->names[l->count], 64, "%s.weight", name);
	else
		snprintf(l->names[l->count], 64, "model.layers.%d.%s.weight", layer, name);
	l->tensors[l->count] = (struct ts_tensor_out){l->names[l->count], TS_F32, rows ? 2 : 1, {rows ? rows : columns, columns}, data};
	l->count++;
}

/* The first layer does the work, the others add nothing but time. */
static inline void wg_add_layer(struct wg_list *l, int i, const struct wg_weights *w)
{
	wg_add(l, i, "input_layernorm", 0, WG_HIDDEN, w->ones);
	wg_add(l, i, "self_attn.q_proj", WG_HEAD, WG_HIDDEN, w->zeros);
	wg_add(l, i, "self_attn.k_proj", WG_HEAD, WG_HIDDEN, w->zeros);
	wg_add(l, i, "self_attn.v_proj", WG_HEAD, WG_HIDDEN, i ? w->zeros : w->value[0]);
	wg_add(l, i, "self_attn.o_proj", WG_HIDDEN, WG_HEAD, i ? w->zeros : w->output[0]);
	wg_add(l, i, "post_attention_layernorm", 0, WG_HIDDEN, w->ones);
	wg_add(l, i, "mlp.gate_proj", WG_MLP, WG_HIDDEN, w->zeros);
	wg_add(l, i, "mlp.up_proj", WG_MLP, WG_HIDDEN, w->zeros);
	wg_add(l, i, "mlp.down_proj", WG_HIDDEN, WG_MLP, w->zeros);
}

static inline int wg_write_weights(const char *dir, const struct wg_weights *w, int layers, struct ts_error *err)
{
	char path[700];
	struct wg_list *l = ts_calloc(1, sizeof(*l));
	if (!l)
		return ts_fail_memory(err);
	wg_add(l, -1, "model.embed_tokens", WG_VOCAB, WG_HIDDEN, w->embed[0]);
	for (int i = 0; i < layers; i++)
		wg_add_layer(l, i, w);
	wg_add(l, -1, "model.norm", 0, WG_HIDDEN, w->ones);
	wg_add(l, -1, "lm_head", WG_VOCAB, WG_HIDDEN, w->head[0]);
	snprintf(path, sizeof(path), "%s/model.safetensors", dir);
	int status = ts_tensors_write(path, l->tensors, l->count, err);
	ts_free(l);
	return status;
}

static inline int wg_write_config(const char *dir, int layers, struct ts_error *err)
{
	char path[700], text[800];
	int n = snprintf(text, sizeof(text),
			 "{\"architectures\": [\"MistralForCausalLM\"], \"model_type\": \"mistral\", \"hidden_act\": \"silu\", "
			 "\"hidden_size\": %d, \"intermediate_size\": %d, \"head_dim\": %d, \"num_attention_heads\": 1, "
			 "\"num_key_value_heads\": 1, \"num_hidden_layers\": %d, \"vocab_size\": %d, \"max_position_embeddings\": 4096, "
			 "\"rms_norm_eps\": 1e-6, \"rope_theta\": 10000.0, \"sliding_window\": null, \"tie_word_embeddings\": false, "
			 "\"bos_token_id\": 1276, \"eos_token_id\": %d, \"torch_dtype\": \"float32\"}\n",
			 WG_HIDDEN, WG_MLP, WG_HEAD, layers, WG_VOCAB, WG_END);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	return ts_file_write(path, text, (size_t)n, err);
}

/* `testbed` is the project's; `dir` is made. More layers (at most WG_LAYERS) only make it slower. */
static inline int wildguard_model(const char *testbed, const char *dir, bool broken, int layers, struct ts_error *err)
{
	int32_t last = -1, sorry = -1;
	TS_TRY(ts_dir_make(dir, err));
	TS_TRY(wg_write_config(dir, layers, err));
	TS_TRY(wg_write_tokenizer(testbed, dir, err));
	TS_TRY(wg_find_tokens(dir, &last, &sorry, err));
	if (last < 0 || sorry < 0 || last == sorry)
		return ts_fail(err, TS_EMISMATCH, "%s: the testbed's tokenizer is not what this was made for", testbed);
	struct wg_weights *w = ts_alloc(sizeof(*w));
	if (!w)
		return ts_fail_memory(err);
	wg_fill(w, last, sorry, broken);
	int status = wg_write_weights(dir, w, layers, err);
	ts_free(w);
	return status;
}

#endif
