/* PEFT's own files load; what we save holds for every key the value that PEFT wrote; what would change the meaning is refused. */
#include "checkpoint/adapter_config.h"
#include "core/json.h"
#include "core/mem.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct scratch g_scratch;

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
		if (ts_adapter_config_load(&c, path, &err))
			fail_msg("%s", err.message);
		assert_int_equal(c.rank, cases[i].rank);
		assert_true(c.alpha == cases[i].alpha && c.dropout == 0 && !c.use_rslora);
		assert_true(ts_adapter_config_scale(&c) == 0.5);
		assert_int_equal(c.target_count, 2);
		assert_string_equal(c.targets[0], "q_proj");
		assert_string_equal(c.targets[1], "v_proj");
		assert_string_equal(c.base_model, cases[i].base);

		json_t *theirs, *ours, *value;
		const char *key;
		assert_int_equal(ts_adapter_config_save(&c, scratch_path(&g_scratch, "adapter_config.json"), &err), 0);
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
		assert_int_equal(ts_adapter_config_load(&again, g_scratch.path, &err), 0);
		assert_int_equal(again.rank, c.rank);
		assert_memory_equal(again.targets, c.targets, sizeof(c.targets));
		assert_string_equal(again.base_model, c.base_model);
	}
}

static int load_text(struct ts_adapter_config *c, const char *text, struct ts_error *err)
{
	assert_non_null(scratch_write(&g_scratch, "adapter_config.json", text, strlen(text)));
	return ts_adapter_config_load(c, g_scratch.path, err);
}

#define PATHS(list)   "{\"peft_type\":\"LORA\",\"target_modules\":[" list "]}"
#define ADAPTER(rest) "{\"peft_type\":\"LORA\",\"r\":16,\"lora_alpha\":8,\"target_modules\":[\"q_proj\"]" rest "}"

static void accepted(void **state)
{
	struct ts_adapter_config c;
	assert_int_equal(load_text(&c, ADAPTER(",\"use_rslora\":true,\"lora_dropout\":0.05"), NULL), 0);
	assert_true(ts_adapter_config_scale(&c) == 2 && c.dropout == 0.05);
	assert_string_equal(c.base_model, "");
	assert_int_equal(load_text(&c, "{\"peft_type\":\"LORA\",\"target_modules\":\"all-linear\"}", NULL), 0);
	assert_true(c.rank == 8 && c.alpha == 8 && c.target_count == 7);
	assert_true(ts_adapter_config_has(&c, "down_proj") && !ts_adapter_config_has(&c, "lm_head"));
	assert_int_equal(load_text(&c, "{\"peft_type\":\"LORA\",\"target_modules\":\"k_proj\"}", NULL), 0);
	assert_string_equal(c.targets[0], "k_proj");
	assert_int_equal(load_text(&c, "{\"peft_type\":\"LORA\",\"target_modules\":[\"v_proj\",\"self_attn.k_proj\",\"v_proj\"]}", NULL),
			 0);
	assert_true(c.target_count == 2 && !strcmp(c.targets[0], "k_proj") && !strcmp(c.targets[1], "v_proj"));
	assert_int_equal(c.layers, 0);
	/* As PEFT writes "all-linear" for a model of few layers: every path, in any order. */
	assert_int_equal(load_text(&c,
				   PATHS("\"model.layers.1.mlp.up_proj\",\"layers.0.self_attn.q_proj\",\"v_proj\",\"layers.0.mlp.up_proj\","
					 "\"model.layers.1.self_attn.q_proj\",\"layers.1.self_attn.q_proj\""),
				   NULL),
			 0);
	assert_true(c.layers == 2 && c.target_count == 3 && !strcmp(c.targets[1], "up_proj"));
	assert_int_equal(load_text(&c, ADAPTER(",\"some_new_key\":[1],\"init_lora_weights\":\"gaussian\",\"loftq_config\":{}"), NULL), 0);
	c.alpha = 0.1; /* a value that is no short binary fraction survives saving */
	c.dropout = 0.3;
	c.use_rslora = true;
	snprintf(c.base_model, sizeof(c.base_model), "caf\xc3\xa9/\"x\"");
	struct ts_adapter_config again;
	assert_int_equal(ts_adapter_config_save(&c, g_scratch.path, NULL), 0);
	assert_int_equal(ts_adapter_config_load(&again, g_scratch.path, NULL), 0);
	assert_true(again.alpha == 0.1 && again.dropout == 0.3 && again.use_rslora);
	assert_string_equal(again.base_model, c.base_model);
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
		{PATHS("\"layers.1.self_attn.q_proj\""), TS_EUNSUPPORTED, "some layers alone"},
		{PATHS("\"model.layers.0.self_attn.q_proj\",\"model.layers.2.self_attn.q_proj\""), TS_EUNSUPPORTED, "some layers alone"},
		{PATHS("\"model.layers.0.mlp.up_proj\",\"model.layers.1.mlp.up_proj\",\"model.layers.0.self_attn.q_proj\""),
		 TS_EUNSUPPORTED, "some layers alone"},
		{PATHS("\"layers.0.q_proj\""), TS_EUNSUPPORTED, "layers.0.q_proj"},
		{PATHS("\"layers.99999999999.self_attn.q_proj\""), TS_EUNSUPPORTED, "layers.99999999999"},
		{PATHS("\"layers.x.self_attn.q_proj\""), TS_EUNSUPPORTED, "layers.x.self_attn.q_proj"},
		{"{\"peft_type\":\"LORA\",\"target_modules\":\".*q_proj\"}", TS_EUNSUPPORTED, ".*q_proj"},
		{"{\"peft_type\":\"LORA\",\"r\":0,\"target_modules\":[\"q_proj\"]}", TS_EINVAL, "\"r\": expected 1 to 65536, found 0"},
		{"{\"peft_type\":\"LORA\",\"r\":\"4\",\"target_modules\":[\"q_proj\"]}", TS_EFORMAT, "\"r\""},
		{ADAPTER(",\"task_type\":\"SEQ_CLS\""), TS_EUNSUPPORTED, "SEQ_CLS"},
		{ADAPTER(",\"bias\":\"all\""), TS_EUNSUPPORTED, "\"bias\": expected none, found all"},
		{ADAPTER(",\"lora_dropout\":1"), TS_EINVAL, "lora_dropout"},
		{ADAPTER(",\"use_dora\":true"), TS_EUNSUPPORTED, "use_dora"},
		{ADAPTER(",\"fan_in_fan_out\":true"), TS_EUNSUPPORTED, "fan_in_fan_out"},
		{ADAPTER(",\"lora_bias\":true"), TS_EUNSUPPORTED, "lora_bias"},
		{ADAPTER(",\"modules_to_save\":[\"lm_head\"]"), TS_EUNSUPPORTED, "modules_to_save"},
		{ADAPTER(",\"rank_pattern\":{\"q_proj\":4}"), TS_EUNSUPPORTED, "rank_pattern"},
		{ADAPTER(",\"alpha_pattern\":{\"q_proj\":4}"), TS_EUNSUPPORTED, "alpha_pattern"},
		{ADAPTER(",\"layers_to_transform\":[0]"), TS_EUNSUPPORTED, "layers_to_transform"},
		{ADAPTER(",\"layers_to_transform\":0"), TS_EUNSUPPORTED, "layers_to_transform"},
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
}

static void every_allocation_fails_once(void **state)
{
	struct ts_adapter_config c;
	assert_int_equal(load_text(&c, ADAPTER(""), NULL), 0);
	size_t n = 1;
	for (;; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_adapter_config_save(&c, g_scratch.path, &err);
		if (!status)
			status = ts_adapter_config_load(&c, g_scratch.path, &err);
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
		assert_int_equal(load_text(&c, ADAPTER(""), NULL), 0);
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
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
