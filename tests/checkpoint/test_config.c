/* Golden models in both layouts; values as in the table of the goldens' README; every refused option by name. */
#include "checkpoint/config.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct scratch g_scratch;

static const struct {
	const char *dir;
	struct ts_model_config want;
} goldens[] = {
	{"qwen3-tiny",
	 {"qwen3", 528, 64, 3, 4, 2, 32, 112, 4096, 1e-6f, .tied_embeddings = true, .qk_norm = true, .rope_theta = 1e6, .eos_ids = {509},
	  .eos_count = 1, .bos_id = -1}},
	{"qwen2-tiny",
	 {"qwen2", 520, 80, 2, 5, 1, 16, 136, 4096, 1e-6f, .qkv_bias = true, .rope_theta = 1e4, .eos_ids = {506}, .eos_count = 1,
	  .bos_id = 509}},
	{"llama-tiny",
	 {"llama", 512, 96, 2, 6, 2, 16, 144, 1024, 1e-5f, .rope_type = TS_ROPE_LLAMA3, .rope_theta = 1e4, .rope_factor = 8,
	  .rope_low_freq = 1, .rope_high_freq = 4, .rope_original_positions = 128, .eos_ids = {511}, .eos_count = 1, .bos_id = 507}},
	{"mistral-tiny",
	 {"mistral", 512, 48, 4, 4, 2, 12, 96, 4096, 1e-5f, .rope_theta = 1e6, .eos_ids = {2}, .eos_count = 1, .bos_id = 1}},
};

static void same(const struct ts_model_config *a, const struct ts_model_config *b)
{
	assert_string_equal(a->model_type, b->model_type);
	assert_int_equal(a->vocab_size, b->vocab_size);
	assert_int_equal(a->hidden_size, b->hidden_size);
	assert_int_equal(a->layers, b->layers);
	assert_int_equal(a->heads, b->heads);
	assert_int_equal(a->kv_heads, b->kv_heads);
	assert_int_equal(a->head_dim, b->head_dim);
	assert_int_equal(a->intermediate_size, b->intermediate_size);
	assert_int_equal(a->max_positions, b->max_positions);
	assert_true(a->rms_norm_eps == b->rms_norm_eps);
	assert_int_equal(a->tied_embeddings, b->tied_embeddings);
	assert_int_equal(a->qk_norm, b->qk_norm);
	assert_int_equal(a->qkv_bias, b->qkv_bias);
	assert_int_equal(a->o_bias, b->o_bias);
	assert_int_equal(a->sliding_window, b->sliding_window);
	assert_int_equal(a->rope_type, b->rope_type);
	assert_true(a->rope_theta == b->rope_theta && a->rope_factor == b->rope_factor);
	assert_true(a->rope_low_freq == b->rope_low_freq && a->rope_high_freq == b->rope_high_freq);
	assert_true(a->rope_original_positions == b->rope_original_positions);
	assert_int_equal(a->eos_count, b->eos_count);
	assert_memory_equal(a->eos_ids, b->eos_ids, (size_t)a->eos_count * sizeof(*a->eos_ids));
	assert_int_equal(a->bos_id, b->bos_id);
	assert_string_equal(a->ignored, b->ignored);
}

static void golden_models(void **state)
{
	if (!ts_dir_exists(TS_SHARED_DIR "/golden/models")) {
		print_message("skipped: no %s\n", TS_SHARED_DIR "/golden/models");
		skip();
	}
	for (size_t i = 0; i < sizeof(goldens) / sizeof(*goldens); i++) {
		struct ts_model_config c;
		struct ts_error err = {0};
		char dir[400], path[512];
		snprintf(dir, sizeof(dir), "%s/golden/models/%s", TS_SHARED_DIR, goldens[i].dir);
		if (ts_model_config_load(&c, dir, &err))
			fail_msg("%s", err.message);
		same(&c, &goldens[i].want);
		snprintf(path, sizeof(path), "%s/config.v5.json", dir);
		if (ts_model_config_load_files(&c, path, NULL, &err))
			fail_msg("%s", err.message);
		same(&c, &goldens[i].want);
	}
}

static int load_text(struct ts_model_config *c, const char *config, const char *generation, struct ts_error *err)
{
	char path[512];
	assert_non_null(scratch_write(&g_scratch, "config.json", config, strlen(config)));
	snprintf(path, sizeof(path), "%s", g_scratch.path);
	if (generation)
		assert_non_null(scratch_write(&g_scratch, "generation_config.json", generation, strlen(generation)));
	return ts_model_config_load_files(c, path, generation ? g_scratch.path : NULL, err);
}

#define SIZES             "\"vocab_size\":100,\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":128"
#define MODEL(type, rest) "{\"model_type\":\"" type "\"," SIZES rest "}"

static void defaults(void **state)
{
	struct ts_model_config c;
	assert_int_equal(load_text(&c, MODEL("llama", ""), NULL, NULL), 0);
	assert_int_equal(c.kv_heads, 4);
	assert_int_equal(c.head_dim, 16);
	assert_true(c.rms_norm_eps == 1e-6f && c.rope_theta == 1e4 && c.rope_type == TS_ROPE_DEFAULT);
	assert_false(c.tied_embeddings || c.qkv_bias || c.o_bias || c.qk_norm);
	assert_int_equal(c.max_positions, 2048);
	assert_int_equal(c.sliding_window, 0);
	assert_int_equal(c.eos_count, 0);
	assert_int_equal(c.bos_id, -1);
	assert_int_equal(load_text(&c, MODEL("llama", ",\"attention_bias\":true"), NULL, NULL), 0);
	assert_true(c.qkv_bias && c.o_bias);
	assert_int_equal(load_text(&c, MODEL("llama", ",\"mlp_bias\":true"), NULL, NULL), 0);
	assert_true(c.mlp_bias && !c.qkv_bias);
	assert_int_equal(load_text(&c, MODEL("qwen3", ""), NULL, NULL), 0);
	assert_int_equal(c.head_dim, 128); /* Qwen3Config's default, not the quotient */
	assert_int_equal(load_text(&c, MODEL("qwen3", ",\"head_dim\":null"), NULL, NULL), 0);
	assert_int_equal(c.head_dim, 16);
	assert_int_equal(load_text(&c, MODEL("mistral", ""), NULL, NULL), 0);
	assert_int_equal(c.sliding_window, 4096);
	assert_int_equal(load_text(&c, MODEL("mistral", ",\"sliding_window\":null"), NULL, NULL), 0);
	assert_int_equal(c.sliding_window, 0);
	assert_int_equal(load_text(&c, MODEL("qwen2", ",\"sliding_window\":16,\"use_sliding_window\":false"), NULL, NULL), 0);
	assert_int_equal(c.sliding_window, 0);
	assert_true(c.qkv_bias && !c.o_bias);
	/* Windows that reach no layer change nothing. */
	assert_int_equal(load_text(&c, MODEL("qwen2", ",\"use_sliding_window\":true,\"max_window_layers\":2"), NULL, NULL), 0);
	assert_int_equal(load_text(&c, MODEL("qwen2", ",\"attention_dropout\":0.1,\"unknown\":{\"x\":1}"), NULL, NULL), 0);
	assert_int_equal(load_text(&c, MODEL("llama", ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"), NULL, NULL), 0);
	assert_true(c.rope_type == TS_ROPE_LINEAR && c.rope_factor == 2);
}

#define YARN(more) ",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4," more "}"

static bool about(double found, double want)
{
	return fabs(found - want) < 1e-12 * want;
}

/* Defaults and precedence of transformers' _compute_yarn_parameters and standardize_rope_params. */
static void yarn(void **state)
{
	struct ts_model_config c;
	assert_int_equal(load_text(&c, MODEL("llama", YARN("\"original_max_position_embeddings\":512")), NULL, NULL), 0);
	assert_true(c.rope_type == TS_ROPE_YARN && c.rope_factor == 4 && c.rope_original_positions == 512);
	assert_true(c.rope_beta_fast == 32 && c.rope_beta_slow == 1 && c.rope_truncate);
	assert_true(about(c.rope_attention_factor, 0.1 * log(4) + 1));
	/* without an original length: the context */
	assert_int_equal(load_text(&c, MODEL("llama", YARN("\"beta_fast\":null,\"beta_slow\":0")), NULL, NULL), 0);
	assert_true(c.rope_original_positions == 2048 && c.rope_beta_fast == 32 && c.rope_beta_slow == 1);
	/* at the top it wins */
	assert_int_equal(
		load_text(&c, MODEL("llama", ",\"original_max_position_embeddings\":256" YARN("\"original_max_position_embeddings\":512")),
			  NULL, NULL),
		0);
	assert_true(c.rope_original_positions == 256);
	assert_int_equal(load_text(&c, MODEL("llama", YARN("\"attention_factor\":0.7,\"mscale\":2,\"mscale_all_dim\":3")), NULL, NULL), 0);
	assert_true(c.rope_attention_factor == 0.7);
	assert_int_equal(load_text(&c, MODEL("llama", YARN("\"mscale\":2,\"mscale_all_dim\":3,\"truncate\":false")), NULL, NULL), 0);
	assert_true(about(c.rope_attention_factor, (0.2 * log(4) + 1) / (0.3 * log(4) + 1)) && !c.rope_truncate);
	assert_int_equal(load_text(&c, MODEL("llama", YARN("\"mscale\":2,\"truncate\":null,\"finetuned\":true")), NULL, NULL), 0);
	assert_true(about(c.rope_attention_factor, 0.1 * log(4) + 1) && !c.rope_truncate);
	/* a factor of null is the quotient of the lengths, here 2048 / 512 */
	assert_int_equal(load_text(&c,
				   MODEL("llama", ",\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":null,"
						  "\"original_max_position_embeddings\":512}"),
				   NULL, NULL),
			 0);
	assert_true(c.rope_factor == 4);
	assert_int_equal(load_text(&c, MODEL("llama", ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":0.5}"), NULL, NULL), 0);
	assert_true(c.rope_attention_factor == 1);
	/* an empty object is none */
	assert_int_equal(load_text(&c, MODEL("llama", ",\"rope_scaling\":{},\"rope_parameters\":{\"rope_type\":\"dynamic\",\"factor\":2}"),
				   NULL, NULL),
			 0);
	assert_true(c.rope_type == TS_ROPE_DYNAMIC && c.rope_factor == 2);
	/* dynamic and yarn reach further than max_position_embeddings */
	assert_true(c.rope_original_positions == 2048 && c.max_positions == 4096);
	assert_int_equal(load_text(&c,
				   MODEL("qwen2", ",\"max_position_embeddings\":32768" YARN("\"original_max_position_embeddings\":32768")),
				   NULL, NULL),
			 0);
	assert_int_equal(c.max_positions, 131072);
	assert_int_equal(load_text(&c,
				   MODEL("qwen2", ",\"max_position_embeddings\":40960" YARN("\"original_max_position_embeddings\":4096")),
				   NULL, NULL),
			 0);
	assert_int_equal(c.max_positions, 40960);
}

static void windows(void **state)
{
	struct ts_model_config c;
	assert_int_equal(
		load_text(&c, MODEL("qwen3", ",\"use_sliding_window\":true,\"sliding_window\":16,\"max_window_layers\":1"), NULL, NULL), 0);
	assert_true(ts_model_config_window(&c, 0) == 0 && ts_model_config_window(&c, 1) == 16);
	/* the list decides, whatever max_window_layers says */
	assert_int_equal(load_text(&c,
				   MODEL("qwen2", ",\"use_sliding_window\":true,\"sliding_window\":16,\"max_window_layers\":9,"
						  "\"layer_types\":[\"sliding_attention\",\"full_attention\"]"),
				   NULL, NULL),
			 0);
	assert_true(ts_model_config_window(&c, 0) == 16 && ts_model_config_window(&c, 1) == 0);
	assert_int_equal(load_text(&c, MODEL("mistral", ",\"sliding_window\":8"), NULL, NULL), 0);
	assert_true(ts_model_config_window(&c, 0) == 8 && ts_model_config_window(&c, 1) == 8);
	assert_int_equal(load_text(&c, MODEL("llama", ",\"sliding_window\":8"), NULL, NULL), 0); /* Llama's class does not read it */
	assert_true(ts_model_config_window(&c, 0) == 0);
}

/* What published configurations hold besides: the text of each is cut to the keys that the others do not have. */
static void published(void **state)
{
	static const char *const texts[] = {
		/* DeepSeek-R1-Distill-Qwen-1.5B */
		MODEL("qwen2",
		      ",\"architectures\":[\"Qwen2ForCausalLM\"],\"attention_dropout\":0.0,\"hidden_act\":\"silu\",\"initializer_range\":0."
		      "02,"
		      "\"max_position_embeddings\":131072,\"max_window_layers\":21,\"num_key_value_heads\":2,\"rms_norm_eps\":1e-06,"
		      "\"rope_theta\":10000,\"sliding_window\":4096,\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\","
		      "\"transformers_version\":\"4.44.0\",\"use_cache\":true,\"use_mrope\":false,\"use_sliding_window\":false"),
		/* Qwen2.5-7B-Instruct */
		MODEL("qwen2", ",\"architectures\":[\"Qwen2ForCausalLM\"],\"bos_token_id\":43,\"eos_token_id\":45,\"max_window_layers\":28,"
			       "\"sliding_window\":131072,\"use_sliding_window\":false,\"rope_theta\":1000000.0"),
		/* Qwen3-0.6B */
		MODEL("qwen3",
		      ",\"architectures\":[\"Qwen3ForCausalLM\"],\"attention_bias\":false,\"head_dim\":128,\"max_window_layers\":28,"
		      "\"rope_scaling\":null,\"rope_theta\":1000000,\"sliding_window\":null,\"use_sliding_window\":false,"
		      "\"tie_word_embeddings\":true"),
		/* Llama-2-7b-chat-hf */
		MODEL("llama",
		      ",\"architectures\":[\"LlamaForCausalLM\"],\"pretraining_tp\":1,\"rope_scaling\":null,\"rms_norm_eps\":1e-05,"
		      "\"_name_or_path\":\"x\",\"pad_token_id\":0"),
		/* Llama-3.1-8B-Instruct, Llama-Guard-3-8B, DeepSeek-R1-Distill-Llama-8B */
		MODEL("llama", ",\"architectures\":[\"LlamaForCausalLM\"],\"attention_bias\":false,\"mlp_bias\":false,\"pretraining_tp\":1,"
			       "\"eos_token_id\":[1,8,9],\"max_position_embeddings\":131072,\"rope_theta\":500000.0,\"rope_scaling\":{"
			       "\"factor\":8.0,"
			       "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192,\"rope_type\":"
			       "\"llama3\"}"),
		/* Mistral-7B-v0.1; v0.3 and WildGuard with a window of null */
		MODEL("mistral", ",\"architectures\":[\"MistralForCausalLM\"],\"sliding_window\":4096,\"rope_theta\":10000.0"),
		MODEL("mistral", ",\"architectures\":[\"MistralForCausalLM\"],\"attention_dropout\":0.0,\"sliding_window\":null,\"rope_"
				 "theta\":1000000.0"),
		/* options of others that ask for nothing */
		MODEL("llama", ",\"logit_scale\":1,\"residual_multiplier\":1.0,\"num_experts\":0,\"clip_qkv\":null,\"alibi\":false,"
			       "\"no_rope_layers\":[],\"quantization_config\":null,\"my_own\":{\"scale\":3}"),
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ts_model_config c;
		struct ts_error err = {0};
		if (load_text(&c, texts[i], NULL, &err))
			fail_msg("text %zu: %s", i, err.message);
	}
}

static void end_tokens(void **state)
{
	struct ts_model_config c;
	assert_int_equal(load_text(&c, MODEL("qwen2", ",\"eos_token_id\":[9,3]"),
				   "{\"eos_token_id\":[5,9],\"temperature\":0.6,\"repetition_penalty\":1.05,\"min_p\":0.1,"
				   "\"num_beams\":1,\"bad_words_ids\":null,\"suppress_tokens\":[]}",
				   NULL),
			 0);
	assert_int_equal(c.eos_count, 3);
	assert_true(c.eos_ids[0] == 3 && c.eos_ids[1] == 5 && c.eos_ids[2] == 9);
	assert_string_equal(c.ignored, "repetition_penalty, min_p");
	struct ts_error err = {0};
	assert_int_equal(load_text(&c, MODEL("qwen2", ""), "{\"eos_token_id\":[100]}", &err), TS_EINVAL);
	assert_non_null(strstr(err.message, "generation_config.json"));
	assert_int_equal(load_text(&c, MODEL("qwen2", ",\"eos_token_id\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"), NULL, &err),
			 TS_ELIMIT);
	assert_int_equal(load_text(&c, MODEL("qwen2", ""), "[]", &err), TS_EFORMAT);
}

static void refusals(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{"{}", TS_EFORMAT, "model_type"},
		{"[]", TS_EFORMAT, "object"},
		{"{", TS_EFORMAT, "not JSON"},
		{MODEL("gemma2", ""), TS_EUNSUPPORTED, "gemma2 is not supported (known: qwen3, qwen2, llama, mistral)"},
		{"{\"model_type\":\"llama\",\"vocab_size\":10}", TS_EFORMAT, "\"hidden_size\" is missing"},
		{"{\"model_type\":\"llama\",\"vocab_size\":\"10\"}", TS_EFORMAT, "\"vocab_size\": expected an integer, found a string"},
		{"{\"model_type\":\"llama\",\"vocab_size\":0}", TS_EINVAL, "\"vocab_size\": expected 1 to"},
		{"{\"model_type\":\"llama\",\"vocab_size\":-7}", TS_EINVAL, "found -7"},
		{"{\"model_type\":\"llama\",\"vocab_size\":9000000000}", TS_EINVAL, "found 9000000000"},
		{MODEL("llama", ",\"num_key_value_heads\":3"), TS_EINVAL, "num_key_value_heads"},
		{MODEL("llama", ",\"head_dim\":15"), TS_EINVAL, "\"head_dim\": expected an even number, found 15"},
		{MODEL("llama", ",\"head_dim\":0"), TS_EINVAL, "head_dim"},
		{"{\"model_type\":\"llama\",\"vocab_size\":100,\"hidden_size\":66,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
		 "\"intermediate_size\":128}",
		 TS_EINVAL, "hidden_size"},
		{MODEL("qwen2", ",\"mlp_bias\":true"), TS_EUNSUPPORTED, "mlp_bias"},
		{MODEL("llama", ",\"architectures\":[\"LlamaForSequenceClassification\"]"), TS_EUNSUPPORTED,
		 "LlamaForSequenceClassification"},
		{MODEL("qwen3", ",\"architectures\":[\"Qwen3Model\"]"), TS_EUNSUPPORTED, "\"architectures\": Qwen3Model"},
		{MODEL("llama", ",\"logit_softcapping\":30"), TS_EUNSUPPORTED, "\"logit_softcapping\": 30 is not supported"},
		{MODEL("llama", ",\"final_logit_softcapping\":30.5"), TS_EUNSUPPORTED, "\"final_logit_softcapping\": 30.5"},
		{MODEL("llama", ",\"attention_multiplier\":0.0078125"), TS_EUNSUPPORTED, "\"attention_multiplier\": 0.0078125"},
		{MODEL("llama", ",\"residual_multiplier\":0.22"), TS_EUNSUPPORTED, "residual_multiplier"},
		{MODEL("llama", ",\"num_local_experts\":8"), TS_EUNSUPPORTED, "\"num_local_experts\": 8"},
		{MODEL("qwen3", ",\"num_experts\":128"), TS_EUNSUPPORTED, "num_experts"},
		{MODEL("llama", ",\"use_qk_norm\":true"), TS_EUNSUPPORTED, "\"use_qk_norm\": true"},
		{MODEL("llama", ",\"no_rope_layers\":[1,0]"), TS_EUNSUPPORTED, "no_rope_layers"},
		{MODEL("mistral", ",\"attention_bias\":true"), TS_EUNSUPPORTED, "attention_bias"},
		{MODEL("llama", ",\"hidden_act\":\"gelu\""), TS_EUNSUPPORTED, "\"hidden_act\": gelu"},
		{MODEL("llama", ",\"rms_norm_eps\":0"), TS_EINVAL, "rms_norm_eps"},
		{MODEL("llama", ",\"rms_norm_eps\":-1e-6"), TS_EINVAL, "rms_norm_eps"},
		{MODEL("llama", ",\"tie_word_embeddings\":1"), TS_EFORMAT, "tie_word_embeddings"},
		{MODEL("llama", ",\"partial_rotary_factor\":0.5"), TS_EUNSUPPORTED, "partial_rotary_factor"},
		{MODEL("llama", ",\"rope_parameters\":{\"partial_rotary_factor\":0.5}"), TS_EUNSUPPORTED, "partial_rotary_factor"},
		{MODEL("llama", ",\"quantization_config\":{\"quant_method\":\"fp8\"}"), TS_EUNSUPPORTED, "\"quantization_config\": fp8"},
		{MODEL("llama", ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]"), TS_EUNSUPPORTED, "sliding_attention"},
		{MODEL("qwen3",
		       ",\"use_sliding_window\":true,\"sliding_window\":null,\"layer_types\":[\"full_attention\",\"sliding_attention\"]"),
		 TS_EUNSUPPORTED, "sliding_attention without"},
		{MODEL("qwen3", ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]"), TS_EUNSUPPORTED, "sliding_attention"},
		{MODEL("qwen3", ",\"layer_types\":[\"full_attention\",\"linear_attention\"]"), TS_EUNSUPPORTED, "linear_attention"},
		{MODEL("qwen3", ",\"layer_types\":[\"full_attention\"]"), TS_EMISMATCH, "layer_types"},
		{MODEL("mistral", ",\"sliding_window\":8,\"layer_types\":[\"full_attention\",\"sliding_attention\"]"), TS_EUNSUPPORTED,
		 "layer_types"},
		{MODEL("mistral", ",\"sliding_window\":0"), TS_EINVAL, "sliding_window"},
		{MODEL("llama", ",\"rope_theta\":0"), TS_EINVAL, "rope_theta"},
		{MODEL("llama", ",\"rope_theta\":10,\"rope_parameters\":{\"rope_theta\":20}"), TS_EMISMATCH, "rope_theta"},
		{MODEL("llama", ",\"rope_scaling\":3"), TS_EFORMAT, "rope_scaling"},
		{MODEL("llama", ",\"rope_scaling\":{\"type\":\"dynamic\"}"), TS_EINVAL,
		 "\"factor\": expected a number above 0, found 0 (it is missing)"},
		{MODEL("llama", ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2,\"alpha\":1000}"), TS_EUNSUPPORTED,
		 "the key \"alpha\""},
		{MODEL("llama", ",\"rope_scaling\":{\"rope_type\":\"yarn\"}"), TS_EINVAL, "\"factor\""},
		{MODEL("llama", YARN("\"beta_fast\":1,\"beta_slow\":2")), TS_EINVAL,
		 "\"beta_fast\": expected at least beta_slow 2, found 1"},
		{MODEL("llama", YARN("\"beta_slow\":-1")), TS_EINVAL, "\"beta_slow\""},
		{MODEL("llama", YARN("\"attention_factor\":0")), TS_EINVAL, "\"attention_factor\""},
		{MODEL("llama", YARN("\"truncate\":1")), TS_EFORMAT, "\"truncate\""},
		{MODEL("llama", YARN("\"rope_theta\":1")), TS_EINVAL, "\"rope_theta\": expected above 1 with yarn"},
		{MODEL("llama", YARN("\"original_max_position_embeddings\":-4")), TS_EINVAL, "original_max_position_embeddings"},
		{MODEL("llama", YARN("\"attn_factor\":0.5")), TS_EUNSUPPORTED, "the key \"attn_factor\""},
		{MODEL("llama", ",\"rope_scaling\":{\"type\":\"mrope\",\"mrope_section\":[16,24,24]}"), TS_EUNSUPPORTED,
		 "\"rope_scaling\": mrope"},
		{MODEL("llama", ",\"rope_parameters\":{\"rope_type\":\"longrope\"}"), TS_EUNSUPPORTED, "\"rope_parameters\": longrope"},
		{MODEL("llama", ",\"rope_parameters\":{\"full_attention\":{}}"), TS_EUNSUPPORTED, "full_attention"},
		{MODEL("llama", ",\"rope_scaling\":{\"factor\":2}"), TS_EFORMAT, "rope_type"},
		{MODEL("llama", ",\"rope_scaling\":{\"rope_type\":\"linear\"}"), TS_EINVAL, "\"factor\""},
		{MODEL("llama", ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1,"
				"\"original_max_position_embeddings\":128}"),
		 TS_EINVAL, "high_freq_factor"},
		{MODEL("llama", ",\"eos_token_id\":\"x\""), TS_EINVAL, "eos_token_id"},
		{MODEL("llama", ",\"bos_token_id\":100"), TS_EINVAL, "bos_token_id"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ts_model_config c;
		struct ts_error err = {0};
		int status = load_text(&c, cases[i].text, NULL, &err);
		if (status != cases[i].code || err.code != status || !strstr(err.message, "config.json") ||
		    !strstr(err.message, cases[i].says))
			fail_msg("%s: status %d, message: %s", cases[i].text, status, err.message);
	}
	struct ts_model_config c;
	assert_int_equal(ts_model_config_load(&c, "/nowhere", NULL), TS_ENOTFOUND);
}

static void every_allocation_fails_once(void **state)
{
	struct ts_model_config c;
	assert_int_equal(load_text(&c, MODEL("qwen2", ",\"eos_token_id\":9"), "{\"eos_token_id\":5}", NULL), 0);
	size_t n = 1;
	for (;; n++) {
		struct ts_error err = {0};
		ts_mem_fail_at(n);
		int status = ts_model_config_load(&c, g_scratch.dir, &err);
		ts_mem_fail_at(0);
		if (!status)
			break;
		assert_int_equal(status, TS_ENOMEM);
		assert_int_equal(err.code, TS_ENOMEM);
	}
	assert_true(n > 3);
	assert_int_equal(c.eos_count, 2);
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
		cmocka_unit_test(golden_models),
		cmocka_unit_test_setup_teardown(defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(yarn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(windows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(published, set_up, tear_down),
		cmocka_unit_test_setup_teardown(end_tokens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
