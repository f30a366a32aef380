#include "export/export_place.h"
#include "torture.h"

static int export_once(void *user, struct ts_error *err)
{
	struct place *p = user;
	if (ts_path_remove(p->out, err))
		return ts_fail_memory(err);
	int status = place_export(p, err);
	char partial[700];
	snprintf(partial, sizeof(partial), "%s.partial", p->out);
	if (status && (ts_path_is_there(p->out) || ts_path_is_there(partial)))
		fail_msg("a failed export left something");
	return status;
}

static void test_every_allocation(void **state)
{
	static const struct {
		const char *family, *out;
		enum ts_export_type type;
		bool lora;
	} cases[] = {
		{"qwen3", "out", TS_EXPORT_BF16, false},
		{"llama", "out.gguf", TS_EXPORT_Q8_0, false},
		{"mistral", "out.gguf", TS_EXPORT_F16, false},
		{"llama", "lora.gguf", TS_EXPORT_F32, true},
	};
	for (size_t i = 0; i < 4; i++) {
		struct place p;
		place_open(&p, cases[i].family, 4, cases[i].out, cases[i].type);
		p.options.lora = cases[i].lora;
		p.options.shard_bytes = 100000;
		torture_some(export_once, &p, 300, true); /* a regular expression does without its machine code */
		place_close(&p);
	}
}

/* The same, of a GGUF file to a folder. */
static void test_gguf_source(void **state)
{
	struct ts_error err = {0};
	struct place p;
	char file[600];
	place_open(&p, "llama", 4, "source.gguf", TS_EXPORT_F32);
	p.options.adapter = NULL;
	ok(place_export(&p, &err));
	snprintf(file, sizeof(file), "%s", p.out);
	p.options.model = file;
	snprintf(p.out, sizeof(p.out), "%s", scratch_path(&p.scratch, "out"));
	torture_some(export_once, &p, 300, true);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation), cmocka_unit_test(test_gguf_source)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
