#include "export/internal.h"

#include <stdio.h>

static int add(struct export_list *list, struct export_weight w, const char *name, size_t rows, size_t columns, struct ts_error *err)
{
	if (w.layer >= 0)
		snprintf(w.name, sizeof(w.name), "model.layers.%d.%s", w.layer, name);
	else
		snprintf(w.name, sizeof(w.name), "%s", name);
	w.dims = columns ? 2 : 1;
	w.shape[0] = rows;
	w.shape[1] = columns;
	return ts_vec_push(&list->weights, w) ? ts_fail_memory(err) : 0;
}

static bool has_bias(const struct ts_model_config *c, enum ts_target t)
{
	return t <= TS_V ? c->qkv_bias : t == TS_O ? c->o_bias : c->mlp_bias;
}

static int add_target(struct export_list *list, const struct ts_model_config *c, int layer, enum ts_target t, struct ts_error *err)
{
	char name[64];
	size_t out, in;
	ts_target_shape(c, t, &out, &in);
	snprintf(name, sizeof(name), "%s.weight", ts_target_path(t));
	TS_TRY(add(list, (struct export_weight){.layer = layer, .target = (int)t}, name, out, in, err));
	snprintf(name, sizeof(name), "%s.bias", ts_target_path(t));
	return has_bias(c, t) ? add(list, (struct export_weight){.layer = layer, .target = -1}, name, out, 0, err) : 0;
}

static int add_layer(struct export_list *list, const struct ts_model_config *c, int layer, struct ts_error *err)
{
	struct export_weight plain = {.layer = layer, .target = -1};
	size_t hidden = (size_t)c->hidden_size, head = (size_t)c->head_dim;
	for (int t = TS_Q; t <= TS_O; t++)
		TS_TRY(add_target(list, c, layer, (enum ts_target)t, err));
	if (c->qk_norm) {
		TS_TRY(add(list, plain, "self_attn.q_norm.weight", head, 0, err));
		TS_TRY(add(list, plain, "self_attn.k_norm.weight", head, 0, err));
	}
	for (int t = TS_GATE; t < TS_TARGETS; t++)
		TS_TRY(add_target(list, c, layer, (enum ts_target)t, err));
	TS_TRY(add(list, plain, "input_layernorm.weight", hidden, 0, err));
	return add(list, plain, "post_attention_layernorm.weight", hidden, 0, err);
}

int export_list_make(struct export_list *list, const struct ts_model_config *c, bool head, struct ts_error *err)
{
	struct export_weight plain = {.layer = -1, .target = -1};
	size_t vocab = (size_t)c->vocab_size, hidden = (size_t)c->hidden_size;
	TS_TRY(add(list, plain, "model.embed_tokens.weight", vocab, hidden, err));
	for (int l = 0; l < c->layers; l++)
		TS_TRY(add_layer(list, c, l, err));
	TS_TRY(add(list, plain, "model.norm.weight", hidden, 0, err));
	return head ? add(list, plain, "lm_head.weight", vocab, hidden, err) : 0;
}

void export_list_release(struct export_list *list)
{
	ts_vec_release(&list->weights);
}

size_t export_weight_rows(const struct export_weight *w)
{
	return w->dims == 2 ? w->shape[0] : 1;
}

size_t export_weight_columns(const struct export_weight *w)
{
	return w->shape[w->dims - 1];
}
