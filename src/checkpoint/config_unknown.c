/* Two tables of keys that we do not do: those of config.json are refused, those of generation_config.json are named and ignored. A
 * value that asks for nothing passes in both. */
#include "checkpoint/internal.h"

#include <stdio.h>
#include <string.h>

struct setting {
	const char *key;
	double neutral;
};

/* Options of related architectures (Gemma, Granite, Cohere, MiniCPM, DBRX, Phi, Llama 4, mixtures of experts). The families here do
 * not read them; a checkpoint that sets one comes from a model that computes something else. */
static const struct setting unknown_model[] = {
	{"logit_softcapping", 0},
	{"final_logit_softcapping", 0},
	{"attn_logit_softcapping", 0},
	{"attn_logit_cap", 0},
	{"query_pre_attn_scalar", 0},
	{"logit_scale", 1},
	{"logits_scaling", 1},
	{"attention_multiplier", 0},
	{"residual_multiplier", 1},
	{"embedding_multiplier", 1},
	{"scale_emb", 1},
	{"scale_depth", 0},
	{"dim_model_base", 0},
	{"mup_scale", 1},
	{"mup_width_scale", 1},
	{"attn_scale", 0},
	{"attention_scale", 0},
	{"softmax_scale", 0},
	{"clip_qkv", 0},
	{"attn_temperature_tuning", 0},
	{"attention_chunk_size", 0},
	{"attention_sink", 0},
	{"use_attention_sinks", 0},
	{"no_rope_layers", 0},
	{"no_rope_layer_interval", 0},
	{"sliding_window_pattern", 0},
	{"use_qk_norm", 0},
	{"qk_norm", 0},
	{"qk_layernorm", 0},
	{"qkv_bias", 0},
	{"use_bias", 0},
	{"use_parallel_residual", 0},
	{"parallel_attn", 0},
	{"alibi", 0},
	{"use_mrope", 0},
	{"rope_interleave", 0},
	{"interleaved_rope", 0},
	{"kv_lora_rank", 0},
	{"q_lora_rank", 0},
	{"num_experts", 0},
	{"num_local_experts", 0},
	{"n_routed_experts", 0},
	{"moe_intermediate_size", 0},
	{"shared_expert_intermediate_size", 0},
	{"num_nextn_predict_layers", 0},
};

/* What would change the sampling. Temperature and the like are not here: the recipe sets them. */
static const struct setting unknown_sampling[] = {
	{"repetition_penalty", 1},
	{"encoder_repetition_penalty", 1},
	{"no_repeat_ngram_size", 0},
	{"typical_p", 1},
	{"min_p", 0},
	{"penalty_alpha", 0},
	{"epsilon_cutoff", 0},
	{"eta_cutoff", 0},
	{"guidance_scale", 1},
	{"num_beams", 1},
	{"length_penalty", 1},
	{"diversity_penalty", 0},
	{"min_length", 0},
	{"min_new_tokens", 0},
	{"top_h", 0},
	{"bad_words_ids", 0},
	{"suppress_tokens", 0},
	{"begin_suppress_tokens", 0},
	{"forced_bos_token_id", -1},
	{"forced_eos_token_id", -1},
	{"sequence_bias", 0},
	{"stop_strings", 0},
	{"exponential_decay_length_penalty", 0},
	{"watermarking_config", 0},
};

bool ts_config_asks(const json_t *v, double neutral)
{
	if (!v || json_is_null(v) || json_is_false(v))
		return false;
	if (json_is_number(v))
		return json_number_value(v) != neutral;
	return json_is_array(v) ? json_array_size(v) > 0 : json_is_object(v) ? json_object_size(v) > 0 : true;
}

int ts_config_check_unknown(const struct ts_config_reader *r)
{
	for (size_t i = 0; i < sizeof(unknown_model) / sizeof(*unknown_model); i++) {
		const json_t *v = json_object_get(r->root, unknown_model[i].key);
		char found[64] = "this setting";
		if (!ts_config_asks(v, unknown_model[i].neutral))
			continue;
		if (json_is_number(v))
			snprintf(found, sizeof(found), "%.9g", json_number_value(v));
		else if (json_is_true(v))
			snprintf(found, sizeof(found), "true");
		return ts_config_refuse(r, unknown_model[i].key, found, "it changes what the model computes");
	}
	return 0;
}

void ts_config_note_ignored(const json_t *root, struct ts_model_config *c)
{
	size_t used = 0, room = sizeof(c->ignored);
	for (size_t i = 0; i < sizeof(unknown_sampling) / sizeof(*unknown_sampling); i++) {
		const char *key = unknown_sampling[i].key;
		if (!ts_config_asks(json_object_get(root, key), unknown_sampling[i].neutral))
			continue;
		size_t need = strlen(key) + 2;
		if (used + need + 5 > room) { /* 5: ", ..." says that there were more */
			snprintf(c->ignored + used, room - used, ", ...");
			return;
		}
		used += (size_t)snprintf(c->ignored + used, room - used, "%s%s", used ? ", " : "", key);
	}
}
