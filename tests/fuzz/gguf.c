/* The container, the configuration, the weights, the tokenizer and the template of a GGUF file. */
#include "checkpoint/gguf_config.h"
#include "checkpoint/weights.h"
#include "fuzz/fuzz.h"
#include "generate/local.h"

#include <stdio.h>
#include <string.h>

static void walk_values(const struct ts_gguf *g)
{
	for (size_t i = 0; i < g->values.len; i++) {
		const char *key = g->values.data[i].key, *s;
		struct ts_gguf_walk walk;
		size_t n, bytes = 0;
		fuzz_must(ts_gguf_find(g, key) == &g->values.data[i], "a key is not found by its name");
		if (!ts_gguf_texts(g, key, &walk, NULL))
			while (walk.left) {
				ts_gguf_next_text(&walk, &s, &n);
				bytes += n;
			}
		if (!ts_gguf_ints(g, key, &walk, NULL))
			while (walk.left)
				ts_gguf_next_int(&walk);
		fuzz_must(bytes <= g->file.size, "texts larger than the file");
	}
}

static void need(struct ts_weights *w, const char *name, size_t rows, size_t columns)
{
	struct ts_weight_view v;
	struct ts_error err = {0};
	size_t shape[2] = {rows, columns};
	float last;
	int status = ts_weights_need(w, name, columns ? 2 : 1, shape, &v, &err);
	fuzz_check_error(status, &err);
	if (status)
		return;
	const unsigned char *data = v.data;
	size_t size = ts_dtype_size(v.dtype), count = rows * (columns ? columns : 1);
	ts_widen(&last, data + (count - 1) * size, v.dtype, 1);
	ts_weights_drop(&v);
}

static void walk_weights(const char *path, const struct ts_model_config *c)
{
	struct ts_weights w;
	struct ts_error err = {0};
	bool both;
	size_t hidden = (size_t)c->hidden_size, q = (size_t)c->heads * (size_t)c->head_dim, kv = (size_t)c->kv_heads * (size_t)c->head_dim;
	int status = ts_weights_open(&w, path, c, &both, &err);
	fuzz_check_error(status, &err);
	if (status)
		return;
	need(&w, "model.embed_tokens.weight", (size_t)c->vocab_size, hidden);
	need(&w, "model.norm.weight", hidden, 0);
	for (int layer = 0; layer < 2; layer++) {
		char name[96];
		snprintf(name, sizeof(name), "model.layers.%d.self_attn.q_proj.weight", layer);
		need(&w, name, q, hidden);
		snprintf(name, sizeof(name), "model.layers.%d.self_attn.k_proj.weight", layer);
		need(&w, name, kv, hidden);
		snprintf(name, sizeof(name), "model.layers.%d.self_attn.k_proj.bias", layer);
		need(&w, name, kv, 0);
		snprintf(name, sizeof(name), "model.layers.%d.mlp.down_proj.weight", layer);
		need(&w, name, hidden, (size_t)c->intermediate_size);
	}
	ts_weights_close(&w);
}

static void talk(const char *path)
{
	static const char text[] = "Hello, 12 w\xC3\xB6rlds\n\n <end>";
	struct ts_chat *chat;
	struct ts_error err = {0};
	struct ts_str out = {0};
	ts_ids ids = {0};
	int status = ts_local_open_chat(&chat, path, &err);
	fuzz_check_error(status, &err);
	if (status)
		return;
	if (!ts_tokenizer_encode(ts_chat_tokenizer(chat), text, sizeof(text) - 1, true, &ids, &err))
		fuzz_must(!ts_tokenizer_decode(ts_chat_tokenizer(chat), ids.data, ids.len, false, &out), "ids that cannot be decoded");
	ts_str_clear(&out);
	fuzz_check_error(ts_chat_render_user(chat, "Hello", &out, &err), &err);
	ts_vec_release(&ids);
	ts_str_release(&out);
	ts_chat_close(chat);
}

void fuzz_gguf(const unsigned char *data, size_t size)
{
	struct fuzz_file file;
	struct ts_gguf g;
	struct ts_model_config config;
	struct ts_error err = {0};
	fuzz_file_open(&file, data, size);
	int status = ts_gguf_open(&g, file.path, &err);
	fuzz_check_error(status, &err);
	if (!status) {
		walk_values(&g);
		status = ts_gguf_config(&g, &config, &err);
		fuzz_check_error(status, &err);
		if (!status)
			walk_weights(file.path, &config);
		ts_gguf_close(&g);
		talk(file.path);
	}
	fuzz_file_close(&file);
}
