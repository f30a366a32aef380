/* PEFT's own files load; what we save holds for every key the value that PEFT wrote; what would change the meaning is refused. */
#include "checkpoint/adapter_config.h"
#include "core/json.h"
#include "core/mem.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LAYERS = 12 };

static struct scratch g_scratch;
static struct ts_adapter_module g_modules[LAYERS * TS_TARGETS];

/* The scale of the first module that has an adapter. */
static double first_scale(const struct ts_adapter_config *c)
{
	int m = 0;
	while (m < LAYERS * TS_TARGETS - 1 && !g_modules[m].rank)
		m++;
	return ts_adapter_scale(c, &g_modules[m]);
}

static void golden_adapters(void **state)
{
	static const struct {
		const char *name, *base;
		int rank;
		double alpha;
	} cases[] = {
		{"qwen3-r4", "models/qwen3-tiny", 4, 2},     {"qwen3-r32", "models/qwen3-tiny", 32, 16},
		{"qwen2-r4", "models/qwen2-tiny", 4, 2},     {"qwen2-r32", "models/qwen2-tiny", 32, 16},
		{"llama-r4", "models/llama-tiny", 4, 2},     {"llama-r32", "models/llama-tiny", 32, 16},
		{"mistral-r4", "models/mistral-tiny", 4, 2}, {"mistral-r32", "models/mistral-tiny", 32, 16},
	};
	if (!ts_dir_exists(TS_SHARED_DIR "/golden/lora")) {
		print_message("skipped: no %s\n", TS_SHARED_DIR "/golden/lora");
		skip();
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[512];
		struct ts_adapter_config c;
		struct ts_error err = {0};
		snprintf(path, sizeof(path), "%s/golden/lora/%s/adapter_config.json", TS_SHARED_DIR, cases[i].name);
		if (ts_adapter_config_load(&c, LAYERS, g_modules, path, &err))
			fail_msg("%s", err.message);
		assert_int_equal(c.rank, cases[i].rank);
		assert_true(c.alpha == cases[i].alpha && c.dropout == 0 && !c.use_rslora);
		assert_true(first_scale(&c) == 0.5);
		assert_int_equal(c.target_count, 2);
		assert_true(c.targets[TS_Q] && c.targets[TS_V]);
		assert_string_equal(c.base_model, cases[i].base);

		json_t *theirs, *ours, *value;
		const char *key;
		assert_int_equal(ts_adapter_config_save(&c, LAYERS, g_modules, scratch_path(&g_scratch, "adapter_config.json"), &err), 0);
		assert_int_equal(ts_json_load(path, &theirs, &err), 0);
		assert_int_equal(ts_json_load(g_scratch.path, &ours, &err), 0);
		assert_true(json_object_size(ours) >= 16);
		json_object_foreach (ours, key, value) {
			const json_t *other = json_object_get(theirs, key);
			bool same =
				strcmp(key, "target_modules") ? json_equal(value, other) : json_array_size(value) == json_array_size(other);
			if (!same)
				fail_msg("%s differs from what PEFT writes", key);
		}
		json_decref(theirs);
		json_decref(ours);
		struct ts_adapter_config again;
		assert_int_equal(ts_adapter_config_load(&again, LAYERS, g_modules, g_scratch.path, &err), 0);
		assert_int_equal(again.rank, c.rank);
		assert_memory_equal(again.targets, c.targets, sizeof(c.targets));
		assert_string_equal(again.base_model, c.base_model);
	}
}

static int load_text(struct ts_adapter_config *c, const char *text, struct ts_error *err)
{
	assert_non_null(scratch_write(&g_scratch, "adapter_config.json", text, strlen(text)));
	return ts_adapter_config_load(c, LAYERS, g_modules, g_scratch.path, err);
}

#define PATHS(list)   "{\"peft_type\":\"LORA\",\"target_modules\":[" list "]}"
#define ADAPTER(rest) "{\"peft_type\":\"LORA\",\"r\":16,\"lora_alpha\":8,\"target_modules\":[\"q_proj\"]" rest "}"

static void accepted(void **state)
{
	struct ts_adapter_config c;
	assert_int_equal(load_text(&c, ADAPTER(",\"use_rslora\":true,\"lora_dropout\":0.05"), NULL), 0);
	assert_true(first_scale(&c) == 2 && c.dropout == 0.05);
	assert_string_equal(c.base_model, "");
	assert_int_equal(load_text(&c, "{\"peft_type\":\"LORA\",\"target_modules\":\"all-linear\"}", NULL), 0);
	assert_true(c.rank == 8 && c.alpha == 8 && c.target_count == 7);
	assert_int_equal(load_text(&c, "{\"peft_type\":\"LORA\",\"target_modules\":[\"v_proj\",\"self_attn.k_proj\",\"v_proj\"]}", NULL),
			 0);
	assert_true(c.target_count == 2 && c.targets[TS_K] && c.targets[TS_V]);
	assert_int_equal(load_text(&c, ADAPTER(",\"some_new_key\":[1],\"init_lora_weights\":\"gaussian\",\"loftq_config\":{}"), NULL), 0);
	c.alpha = 0.1; /* a value that is no short binary fraction survives saving */
	c.dropout = 0.3;
	c.use_rslora = true;
	snprintf(c.base_model, sizeof(c.base_model), "caf\xc3\xa9/\"x\"");
	struct ts_adapter_config again;
	assert_int_equal(ts_adapter_config_save(&c, LAYERS, g_modules, g_scratch.path, NULL), 0);
	assert_int_equal(ts_adapter_config_load(&again, LAYERS, g_modules, g_scratch.path, NULL), 0);
	assert_true(again.alpha == 0.1 && again.dropout == 0.3 && again.use_rslora);
	assert_string_equal(again.base_model, c.base_model);
}

/* Made with PEFT 0.21.2 on a Llama of 12 layers, r 4, alpha 8: rank and alpha of q, k, v, o, gate, up, down ("-": none), "*" how many
 * layers in a row. */
static const struct {
	const char *rules, *ranks, *alphas;
} peft[] = {
	{"\"target_modules\": [\"q_proj\", \"v_proj\"]", "4-4----*12", "8-8----*12"},
	{"\"target_modules\": \"all-linear\"", "4444444*12", "8888888*12"},
	{"\"target_modules\": \"ALL-Linear\", \"exclude_modules\": [\"down_proj\"]", "444444-*12", "888888-*12"},
	{"\"target_modules\": [\"1.self_attn.q_proj\", \"model.layers.0.mlp.up_proj\"]", "-----4-*1 4------*1 -------*10",
	 "-----8-*1 8------*1 -------*10"},
	{"\"target_modules\": [\"q_proj\", \"model.layers.3.self_attn.k_proj\"], \"layers_to_transform\": [0, 2, 11, 40]",
	 "4------*1 -------*1 4------*1 -4-----*1 -------*7 4------*1", "8------*1 -------*1 8------*1 -8-----*1 -------*7 8------*1"},
	{"\"target_modules\": [\"q_proj\"], \"layers_to_transform\": 5, \"layers_pattern\": \"layers\"", "-------*5 4------*1 -------*6",
	 "-------*5 8------*1 -------*6"},
	{"\"target_modules\": [\"q_proj\"], \"layers_to_transform\": [1], \"layers_pattern\": [\"layers\"]",
	 "-------*1 4------*1 -------*10", "-------*1 8------*1 -------*10"},
	{"\"target_modules\": \".*\\\\.(q|o)_proj\"", "4--4---*12", "8--8---*12"},
	{"\"target_modules\": \"model\\\\.layers\\\\.[0-4]\\\\.self_attn\\\\.(q|k|v)_proj\"", "444----*5 -------*7", "888----*5 -------*7"},
	{"\"target_modules\": "
	 "\"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?(?:q_proj|k_proj|v_proj|o_proj|gate_proj|"
	 "up_proj|down_proj).*?)|(?:\\\\bmodel\\\\.layers\\\\.[\\\\d]{1,}\\\\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\\\\.("
	 "?:(?:q_proj|k_proj|v_proj|o_proj)))\"",
	 "4444---*12", "8888---*12"},
	{"\"target_modules\": \"(?i).*SELF_ATTN\\\\.V_PROJ\", \"exclude_modules\": \".*\\\\.1\\\\d?\\\\..*\"",
	 "--4----*1 -------*1 --4----*8 -------*2", "--8----*1 -------*1 --8----*8 -------*2"},
	{"\"target_modules\": [\"q_proj\", \"v_proj\"], \"exclude_modules\": [\"layers.2.self_attn.q_proj\", \"0.self_attn.v_proj\", "
	 "\"model.layers.5.self_attn.v_proj\"]",
	 "4------*1 4-4----*1 --4----*1 4-4----*2 4------*1 4-4----*6", "8------*1 8-8----*1 --8----*1 8-8----*2 8------*1 8-8----*6"},
	{"\"target_modules\": [\"q_proj\", \"v_proj\"], \"rank_pattern\": {\"q_proj\": 3, \"model.layers.1.self_attn.v_proj\": 7}, "
	 "\"alpha_pattern\": {\"v_proj\": 5}",
	 "3-4----*1 3-7----*1 3-4----*10", "8-5----*12"},
	{"\"target_modules\": [\"q_proj\", \"v_proj\", \"up_proj\"], \"rank_pattern\": {\"layers\\\\.[0-3]\\\\.self_attn.*\": 2, "
	 "\"q_proj\": 6, \"^model\\\\.layers\\\\.11\\\\.mlp\\\\.up_proj\": 9}, \"alpha_pattern\": {\"layers.1.self_attn.q_proj\": 1, "
	 "\"\\\\d\\\\.mlp\\\\..*\": 2}",
	 "2-2--4-*4 6-4--4-*7 6-4--9-*1", "8-8--2-*1 1-8--2-*1 8-8--2-*8 8-8--8-*2"},
	{"\"target_modules\": [\"q_proj\", \"v_proj\"], \"rank_pattern\": {\"proj\": 9, \"_proj\": 9, \"self_attn\": 9, \"attn.q_proj\": "
	 "9, \"v_proj|q_proj\": 2}",
	 "2-2----*12", "8-8----*12"},
	{"\"target_modules\": [\"gate_proj\"], \"rank_pattern\": {\"ate_proj\": 9, \".ate_proj\": 5}", "----5--*12", "----8--*12"},
};

static void write_digits(char *out, bool alphas)
{
	for (int l = 0, same; l < LAYERS; l += same) {
		char digits[LAYERS][TS_TARGETS + 1] = {{0}};
		for (int i = l; i < LAYERS; i++)
			for (int t = 0; t < TS_TARGETS; t++) {
				const struct ts_adapter_module *m = &g_modules[i * TS_TARGETS + t];
				digits[i][t] = m->rank ? (char)('0' + (alphas ? (int)m->alpha : m->rank)) : '-';
			}
		for (same = 1; l + same < LAYERS && !strcmp(digits[l], digits[l + same]);)
			same++;
		out += sprintf(out, "%s%s*%d", l ? " " : "", digits[l], same);
	}
}

static void check_modules(const char *what, size_t i)
{
	char ranks[256], alphas[256];
	write_digits(ranks, false);
	write_digits(alphas, true);
	if (strcmp(ranks, peft[i].ranks) != 0 || strcmp(alphas, peft[i].alphas) != 0)
		fail_msg("%s, case %zu (%s): ranks %s, alphas %s; expected %s and %s", what, i, peft[i].rules, ranks, alphas, peft[i].ranks,
			 peft[i].alphas);
}

/* Read as PEFT reads them; written and read again they are the same. */
static void rules(void **state)
{
	for (size_t i = 0; i < sizeof(peft) / sizeof(*peft); i++) {
		struct ts_adapter_config c;
		struct ts_error err = {0};
		char text[1024];
		snprintf(text, sizeof(text), "{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":8,%s}", peft[i].rules);
		if (load_text(&c, text, &err))
			fail_msg("%s: %s", text, err.message);
		check_modules("read", i);
		assert_int_equal(ts_adapter_config_save(&c, LAYERS, g_modules, g_scratch.path, &err), 0);
		memset(g_modules, 0, sizeof(g_modules));
		if (ts_adapter_config_load(&c, LAYERS, g_modules, g_scratch.path, &err))
			fail_msg("%s", err.message);
		check_modules("written and read", i);
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{"[]", TS_EFORMAT, "object"},
		{"{\"r\":4,\"target_modules\":[\"q_proj\"]}", TS_EFORMAT, "peft_type"},
		{"{\"peft_type\":\"IA3\",\"target_modules\":[\"q_proj\"]}", TS_EUNSUPPORTED, "IA3"},
		{"{\"peft_type\":\"LORA\"}", TS_EFORMAT, "target_modules"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":[]}", TS_EFORMAT, "target_modules"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":[3]}", TS_EFORMAT, "target_modules"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":[\"embed_tokens\"]}", TS_EUNSUPPORTED, "embed_tokens"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":[\"q_proj\",\"lm_head\"]}", TS_EUNSUPPORTED, "lm_head"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\".*(q_proj|embed_tokens)\"}", TS_EUNSUPPORTED, "found model.embed_tokens"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\".*(proj|head)\"}", TS_EUNSUPPORTED, "lm_head"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\"q_proj\"}", TS_EMISMATCH,
		 "found none that it fits"}, /* a regular expression */
		{"{\"peft_type\":\"LORA\",\"target_modules\":\"(q_proj\"}", TS_EUNSUPPORTED,
		 "\"target_modules\": regular expression \"(q_proj\": missing"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\".*q_proj{,2}\"}", TS_EUNSUPPORTED, "found {,"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\"(.*)*(.*)*(.*)*\\\\d\"}", TS_ELIMIT, "target_modules"},
		{PATHS("\"model.layers.12.self_attn.q_proj\""), TS_EUNSUPPORTED, "model.layers.12.self_attn.q_proj"},
		{ADAPTER(",\"exclude_modules\":[\"q_proj\"]"), TS_EMISMATCH, "found none that it fits"},
		{ADAPTER(",\"exclude_modules\":7"), TS_EFORMAT, "\"exclude_modules\": expected a list of names or a regular expression"},
		{ADAPTER(",\"layers_to_transform\":[12]"), TS_EMISMATCH, "found none that it fits"},
		{ADAPTER(",\"layers_to_transform\":[\"1\"]"), TS_EFORMAT, "\"layers_to_transform\": entry 0"},
		{ADAPTER(",\"layers_to_transform\":true"), TS_EFORMAT, "layers_to_transform"},
		{ADAPTER(",\"layers_to_transform\":[1],\"layers_pattern\":\"blocks\""), TS_EUNSUPPORTED,
		 "\"layers_pattern\": expected layers, found blocks"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\".*q_proj\",\"layers_to_transform\":[1]}", TS_EUNSUPPORTED,
		 "layers_to_transform"},
		{ADAPTER(",\"rank_pattern\":[4]"), TS_EFORMAT, "rank_pattern"},
		{ADAPTER(",\"rank_pattern\":{\"q_proj\":0}"), TS_EINVAL, "\"rank_pattern\": \"q_proj\": expected a whole number above 0"},
		{ADAPTER(",\"rank_pattern\":{\"q_proj\":2.5}"), TS_EINVAL, "rank_pattern"},
		{ADAPTER(",\"rank_pattern\":{\"q_proj\":65537}"), TS_EINVAL, "at most 65536"},
		{ADAPTER(",\"rank_pattern\":{\"q_(proj\":4}"), TS_EUNSUPPORTED, "\"rank_pattern\": regular expression"},
		{ADAPTER(",\"alpha_pattern\":{\"q_proj\":-1}"), TS_EINVAL, "alpha_pattern"},
		{PATHS("\"layers.0.q_proj\""), TS_EUNSUPPORTED, "layers.0.q_proj"},
		{PATHS("\"layers.99999999999.self_attn.q_proj\""), TS_EUNSUPPORTED, "layers.99999999999"},
		{PATHS("\"layers.x.self_attn.q_proj\""), TS_EUNSUPPORTED, "layers.x.self_attn.q_proj"},
		{"{\"peft_type\":\"LORA\",\"r\":0,\"target_modules\":[\"q_proj\"]}", TS_EINVAL, "\"r\": expected 1 to 65536, found 0"},
		{"{\"peft_type\":\"LORA\",\"r\":\"4\",\"target_modules\":[\"q_proj\"]}", TS_EFORMAT, "\"r\""},
		{ADAPTER(",\"task_type\":\"SEQ_CLS\""), TS_EUNSUPPORTED, "SEQ_CLS"},
		{ADAPTER(",\"bias\":\"all\""), TS_EUNSUPPORTED, "\"bias\": expected none, found all"},
		{ADAPTER(",\"lora_dropout\":1"), TS_EINVAL, "lora_dropout"},
		{ADAPTER(",\"use_dora\":true"), TS_EUNSUPPORTED, "use_dora"},
		{ADAPTER(",\"fan_in_fan_out\":true"), TS_EUNSUPPORTED, "fan_in_fan_out"},
		{ADAPTER(",\"lora_bias\":true"), TS_EUNSUPPORTED, "lora_bias"},
		{ADAPTER(",\"modules_to_save\":[\"lm_head\"]"), TS_EUNSUPPORTED, "modules_to_save"},
		{ADAPTER(",\"layer_replication\":[[0,2]]"), TS_EUNSUPPORTED, "layer_replication"},
		{ADAPTER(",\"trainable_token_indices\":[1]"), TS_EUNSUPPORTED, "trainable_token_indices"},
		{ADAPTER(",\"init_lora_weights\":\"pissa_niter_4\""), TS_EUNSUPPORTED, "pissa_niter_4"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_adapter_config c;
		struct ts_error err = {0};
		int status = load_text(&c, cases[i].text, &err);
		if (status != cases[i].code || err.code != status || !strstr(err.message, "adapter_config.json") ||
		    !strstr(err.message, cases[i].says))
			fail_msg("%s: status %d, message: %s", cases[i].text, status, err.message);
	}
	struct ts_adapter_config c = {0};
	assert_int_equal(ts_adapter_config_add(&c, "lm_head", NULL), TS_EINVAL);
	assert_int_equal(ts_adapter_config_add(&c, "all-linear", NULL), 0);
	assert_int_equal(c.target_count, 7);
}

#define PATTERNS                                                                                                                           \
	"{\"peft_type\":\"LORA\",\"target_modules\":\".*\\\\.[0-3]\\\\..*q_proj\",\"exclude_modules\":\".*2.*\",\"rank_pattern\":{\"q_"    \
	"proj\":4}}"

static void every_allocation_fails_once(void **state)
{
	struct ts_adapter_config c;
	assert_int_equal(load_text(&c, PATTERNS, NULL), 0);
	size_t n = 1;
	for (;; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_adapter_config_save(&c, LAYERS, g_modules, g_scratch.path, &err);
		if (!status)
			status = ts_adapter_config_load(&c, LAYERS, g_modules, g_scratch.path, &err);
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
		assert_int_equal(load_text(&c, PATTERNS, NULL), 0);
	}
	assert_true(n > 3);
}

static int set_up(void **state)
{
	return scratch_open(&g_scratch);
}

static int tear_down(void **state)
{
	scratch_close(&g_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden_adapters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
