/* What the fuzz targets begin with: files of the testbed, of ../shared and of other tests, the big ones cut to what the reader still takes.
 *
 *     make_seeds SOURCE_DIR SHARED_DIR OUT_DIR       writes OUT_DIR/<target>/NNNN
 */
#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json.h"
#include "gguf_file.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { TOKENS_KEPT = 300, ADDED_KEPT = 6, TENSORS_KEPT = 4, TENSOR_MOST = 1024, FOLDERS_OPEN = 16 };

static struct {
	const char *out;
	int count;
} state;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "make_seeds: %s: %s\n", what, why);
	exit(1);
}

static void put(const char *target, const void *data, size_t n)
{
	char path[1024];
	struct ts_error err;
	snprintf(path, sizeof(path), "%s/%s", state.out, target);
	if (ts_dir_make(path, &err))
		die(path, err.message);
	snprintf(path, sizeof(path), "%s/%s/%04d", state.out, target, state.count++);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(data, 1, n, file) != n || fclose(file))
		die(path, "cannot be written");
}

static void put_str(const char *target, struct ts_str *s)
{
	put(target, ts_str_c(s), s->len);
	ts_str_release(s);
}

/* Reads what is compressed and what is not. */
static struct ts_str read_any(const char *path)
{
	struct ts_str out = {0};
	char block[65536];
	gzFile file = gzopen(path, "rb");
	if (!file)
		die(path, "cannot be read");
	for (int n; (n = gzread(file, block, sizeof(block))) > 0;)
		ts_str_append(&out, block, (size_t)n);
	gzclose(file);
	return out;
}

static json_t *parse(const char *path, const char *text, size_t n)
{
	json_t *value = NULL;
	struct ts_error err;
	if (ts_json_parse(text, n, path, &value, &err))
		die(path, err.message);
	return value;
}

static json_t *read_json(const char *path)
{
	struct ts_str text = read_any(path);
	json_t *value = parse(path, ts_str_c(&text), text.len);
	ts_str_release(&text);
	return value;
}

/* --- safetensors: a few small tensors --- */

static void safetensors(const char *path)
{
	struct ts_tensors all;
	struct ts_error err;
	struct ts_tensor_out kept[TENSORS_KEPT];
	char scratch[1024];
	size_t count = 0;
	if (ts_tensors_open(&all, path, &err))
		die(path, err.message);
	for (size_t i = 0; i < all.list.len && count < TENSORS_KEPT; i++) {
		const struct ts_tensor *t = &all.list.data[i];
		if (t->bytes > TENSOR_MOST)
			continue;
		kept[count] = (struct ts_tensor_out){.name = t->name, .dtype = t->dtype, .dims = t->dims, .data = t->data};
		memcpy(kept[count++].shape, t->shape, sizeof(t->shape));
	}
	snprintf(scratch, sizeof(scratch), "%s/scratch", state.out);
	if (ts_tensors_write(scratch, kept, count, &err))
		die(path, err.message);
	ts_tensors_close(&all);
	struct ts_str bytes = read_any(scratch);
	remove(scratch);
	put_str("safetensors", &bytes);
}

/* --- tokenizer.json: few tokens, the merges among them, few added tokens --- */

static json_t *cut_vocab(const json_t *vocab)
{
	json_t *kept = json_object(), *id;
	const char *token;
	json_object_foreach ((json_t *)vocab, token, id)
		if (json_integer_value(id) < TOKENS_KEPT || !token[1] || !strcmp(token, "\xE2\x96\x81"))
			json_object_set_new(kept, token, json_integer((json_int_t)json_object_size(kept)));
	return kept;
}

static json_t *cut_merges(const json_t *merges, const json_t *vocab)
{
	json_t *kept = json_array(), *merge;
	size_t i;
	json_array_foreach (merges, i, merge) {
		struct ts_str joined = {0};
		const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
		if (space)
			ts_str_printf(&joined, "%.*s%s", (int)(space - text), text, space + 1);
		else if (!text)
			ts_str_printf(&joined, "%s%s", json_string_value(json_array_get(merge, 0)),
				      json_string_value(json_array_get(merge, 1)));
		if (json_object_get(vocab, ts_str_c(&joined)))
			json_array_append(kept, merge);
		ts_str_release(&joined);
	}
	return kept;
}

static void cut_added(json_t *added, const json_t *vocab)
{
	size_t next = json_object_size(vocab), i;
	json_t *token;
	while (json_array_size(added) > ADDED_KEPT)
		json_array_remove(added, ADDED_KEPT);
	json_array_foreach (added, i, token) {
		const json_t *known = json_object_get(vocab, json_string_value(json_object_get(token, "content")));
		json_object_set_new(token, "id", json_integer(known ? json_integer_value(known) : (json_int_t)next++));
	}
}

static void tokenizer(const char *path)
{
	json_t *root = read_json(path), *model = json_object_get(root, "model");
	struct ts_str text = {0};
	json_t *vocab = cut_vocab(json_object_get(model, "vocab"));
	json_object_set_new(model, "merges", cut_merges(json_object_get(model, "merges"), vocab));
	json_object_set_new(model, "vocab", vocab);
	cut_added(json_object_get(root, "added_tokens"), vocab);
	ts_json_dump(root, &text);
	put_str("tokenizer", &text);
	json_decref(root);
}

/* The parts of the tests' cases, laid over their model. */
static void tokenizer_cases(const char *path)
{
	json_t *root = read_json(path), *one;
	size_t i;
	json_array_foreach (json_object_get(root, "cases"), i, one) {
		json_t *whole = json_pack("{s:O}", "model", json_object_get(root, "model"));
		const char *sample = json_string_value(json_object_get(one, "text"));
		struct ts_str text = {0};
		json_object_update(whole, json_object_get(one, "parts"));
		ts_json_dump(whole, &text);
		ts_str_putc(&text, '\0');
		ts_str_puts(&text, sample ? sample : "");
		put_str("tokenizer", &text);
		json_decref(whole);
	}
	json_decref(root);
}

/* --- the others --- */

static void config(const char *path, size_t folder)
{
	char beside[1024];
	struct ts_str text = read_any(path);
	snprintf(beside, sizeof(beside), "%.*s/generation_config.json", (int)folder, path);
	if (ts_file_exists(beside)) {
		struct ts_str more = read_any(beside);
		ts_str_putc(&text, '\0');
		ts_str_append(&text, more.data, more.len);
		ts_str_release(&more);
	}
	put_str("config", &text);
}

static void whole(const char *target, const char *path)
{
	struct ts_str text = read_any(path);
	put_str(target, &text);
}

/* Each row's template, with the variables of the first row. */
static void template_cases(const char *path)
{
	json_t *rows = NULL, *row;
	struct ts_error err;
	struct ts_str variables = {0};
	size_t i;
	if (ts_rows_load(path, &rows, &err))
		die(path, err.message);
	json_array_foreach (rows, i, row) {
		json_t *first = json_object_get(row, "variables"), *template = json_object_get(row, "template");
		struct ts_str text = {0};
		if (first) {
			json_object_set(first, "messages", json_object_get(row, "messages"));
			ts_json_dump(first, &variables);
		}
		if (!template)
			continue;
		ts_str_append(&text, json_string_value(template), json_string_length(template));
		if (i % 4 == 0) {
			ts_str_putc(&text, '\0');
			ts_str_append(&text, ts_str_c(&variables), variables.len);
		}
		put_str("template", &text);
	}
	ts_str_release(&variables);
	json_decref(rows);
}

static int visit(const char *path, const struct stat *info, int kind, struct FTW *place)
{
	const char *name = path + place->base;
	(void)info;
	if (kind != FTW_F)
		return 0;
	if (!strncmp(name, "config.", 7) && strstr(name, ".json"))
		config(path, (size_t)place->base - 1);
	else if (!strcmp(name, "adapter_config.json"))
		whole("adapter_config", path);
	else if (!strncmp(name, "tokenizer.json", 14))
		tokenizer(path);
	else if (strstr(name, ".safetensors") && !strstr(name, ".json"))
		safetensors(path);
	else if (strstr(name, ".jinja"))
		whole("template", path);
	return 0;
}

/* --- GGUF: no file of this kind is at hand, so small ones are made, one per architecture and type of its numbers --- */

static void put_weights(struct gguf_file *f, uint32_t type)
{
	static const char *const matrices[] = {"token_embd.weight",        "blk.0.attn_q.weight",   "blk.0.attn_k.weight",
					       "blk.0.attn_v.weight",      "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight",
					       "blk.0.attn_output.weight", "blk.0.ffn_down.weight"};
	static const char *const vectors[] = {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"};
	const struct ts_ggml_type *t = ts_ggml_type(type);
	unsigned char data[1024] = {0};
	size_t width = t->block;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i % 61);
	for (size_t i = 0; i < sizeof(matrices) / sizeof(*matrices); i++)
		gguf_tensor(f, matrices[i], 2, (size_t[]){width < 8 ? width : 2, width}, type, data, t->bytes * (width < 8 ? width : 2));
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		gguf_tensor(f, vectors[i], 1, &width, GGML_F32, data, 4 * width < sizeof(data) ? 4 * width : sizeof(data));
}

static void put_sizes(struct gguf_file *f, const char *architecture, uint32_t width)
{
	static const char *const names[] = {"block_count",      "context_length",      "attention.head_count", "attention.head_count_kv",
					    "embedding_length", "feed_forward_length", "attention.key_length"};
	const uint32_t values[] = {1, 64, 1, 1, width, width, width};
	char key[96];
	gguf_text(f, "general.architecture", architecture);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(key, sizeof(key), "%s.%s", architecture, names[i]);
		gguf_u32(f, key, values[i]);
	}
	snprintf(key, sizeof(key), "%s.attention.layer_norm_rms_epsilon", architecture);
	gguf_f32(f, key, 1e-5f);
	snprintf(key, sizeof(key), "%s.rope.scaling.type", architecture);
	gguf_text(f, key, "linear");
	snprintf(key, sizeof(key), "%s.rope.scaling.factor", architecture);
	gguf_f32(f, key, 2);
}

static void put_tokenizer(struct gguf_file *f, const char *pre)
{
	static const char *const tokens[] = {"x", "y", "xy", "\xC4\xA0", "\xC4\xA0xy", "1", "<end>", "<bos>"};
	static const uint32_t types[] = {1, 1, 1, 1, 1, 1, 3, 3};
	static const char *const merges[] = {"x y", "\xC4\xA0 xy"};
	gguf_text(f, "tokenizer.ggml.model", "gpt2");
	gguf_text(f, "tokenizer.ggml.pre", pre);
	gguf_array(f, "tokenizer.ggml.tokens", TS_GGUF_TEXT, 8);
	for (size_t i = 0; i < 8; i++)
		gguf_put_text(&f->keys, tokens[i], strlen(tokens[i]));
	gguf_array(f, "tokenizer.ggml.token_type", TS_GGUF_I32, 8);
	for (size_t i = 0; i < 8; i++)
		gguf_put(&f->keys, types[i], 4);
	gguf_array(f, "tokenizer.ggml.merges", TS_GGUF_TEXT, 2);
	for (size_t i = 0; i < 2; i++)
		gguf_put_text(&f->keys, merges[i], strlen(merges[i]));
	gguf_u32(f, "tokenizer.ggml.eos_token_id", 6);
	gguf_u32(f, "tokenizer.ggml.bos_token_id", 7);
	gguf_bool(f, "tokenizer.ggml.add_bos_token", true);
	gguf_text(f, "tokenizer.chat_template", "{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}");
}

static void put_sentencepiece(struct gguf_file *f)
{
	static const char *const tokens[] = {"<unk>", "<s>", "</s>", "\xE2\x96\x81", "l", "o", "lo", "<0x0A>"};
	static const uint32_t scores[] = {0, 0, 0, 0xC1100000, 0xC1100000, 0xC1100000, 0xBF800000, 0}; /* -9, -1 */
	static const uint32_t types[] = {2, 3, 3, 1, 1, 1, 1, 6};
	gguf_text(f, "tokenizer.ggml.model", "llama");
	gguf_array(f, "tokenizer.ggml.tokens", TS_GGUF_TEXT, 8);
	for (size_t i = 0; i < 8; i++)
		gguf_put_text(&f->keys, tokens[i], strlen(tokens[i]));
	gguf_array(f, "tokenizer.ggml.scores", TS_GGUF_F32, 8);
	for (size_t i = 0; i < 8; i++)
		gguf_put(&f->keys, scores[i], 4);
	gguf_array(f, "tokenizer.ggml.token_type", TS_GGUF_I32, 8);
	for (size_t i = 0; i < 8; i++)
		gguf_put(&f->keys, types[i], 4);
	gguf_u32(f, "tokenizer.ggml.unknown_token_id", 0);
	gguf_u32(f, "tokenizer.ggml.bos_token_id", 1);
	gguf_u32(f, "tokenizer.ggml.eos_token_id", 2);
	gguf_bool(f, "tokenizer.ggml.add_space_prefix", true);
}

static void gguf_files(void)
{
	static const char *const architectures[] = {"llama", "qwen2", "qwen3"};
	static const char *const pres[] = {"smollm", "qwen2", "llama-bpe"};
	for (uint32_t type = 0; type < 40; type++) {
		const struct ts_ggml_type *t = ts_ggml_type(type);
		if (!t || !t->bytes)
			continue;
		struct gguf_file f = gguf_new();
		f.version = 2 + type % 2;
		put_sizes(&f, architectures[type % 3], t->block < 8 ? 1 : (uint32_t)t->block);
		if (type % 2)
			put_tokenizer(&f, pres[type % 3]);
		else
			put_sentencepiece(&f);
		put_weights(&f, type);
		struct ts_str bytes = gguf_bytes(&f, NULL);
		gguf_release(&f);
		put_str("gguf", &bytes);
	}
}

/* --- grade: responses and gold answers --- */

static void grade_cases(const char *path)
{
	json_t *rows, *row;
	struct ts_error err;
	size_t i;
	if (ts_rows_load(path, &rows, &err))
		die(path, err.message);
	json_array_foreach (rows, i, row) {
		struct ts_str seed = {0};
		ts_str_puts(&seed, json_string_value(json_object_get(row, "prediction")));
		ts_str_putc(&seed, '\0');
		ts_str_puts(&seed, json_string_value(json_object_get(row, "gold")));
		put_str("grade", &seed);
	}
	json_decref(rows);
}

int main(int argc, char **argv)
{
	char path[1024];
	static const char *const folders[] = {"testbed", "assets", "golden/models", "golden/lora"}; /* the first of ours */
	if (argc != 4)
		die("wrong usage", "make_seeds SOURCE_DIR SHARED_DIR OUT_DIR");
	state.out = argv[3];
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[i ? 2 : 1], folders[i]);
		if (ts_dir_exists(path) && nftw(path, visit, FOLDERS_OPEN, 0))
			die(path, "cannot be walked");
	}
	snprintf(path, sizeof(path), "%s/tests/text/test_tokenizer_cases.json", argv[1]);
	tokenizer_cases(path);
	snprintf(path, sizeof(path), "%s/tests/text/template_cases.jsonl", argv[1]);
	template_cases(path);
	gguf_files();
	snprintf(path, sizeof(path), "%s/golden/grading.jsonl", argv[2]);
	if (ts_file_exists(path))
		grade_cases(path);
	printf("%d seeds in %s\n", state.count, state.out);
	return 0;
}
