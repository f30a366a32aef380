#include "model/adapter.h"

#include "checkpoint/safetensors.h"
#include "core/philox.h"
#include "model/internal.h"

#include <stdio.h>
#include <string.h>

bool ts_adapter_pair(const struct ts_adapter *a, int layer, enum ts_target t, struct ts_lora_pair *pair)
{
	const struct ts_slot *s = ts_adapter_slot(a, layer, t);
	if (s)
		*pair = (struct ts_lora_pair){
			.a = a->params + s->a, .b = a->params + s->b, .rank = s->rank, .in = s->in, .out = s->out, .scale = s->scale};
	return s != NULL;
}

int ts_adapter_key(const struct ts_adapter *a, int layer, enum ts_target t, char which, char *key, size_t n)
{
	(void)a;
	int used = snprintf(key, n, "base_model.model.model.layers.%d.%s.lora_%c.weight", layer, ts_target_path(t), which);
	return used < 0 || (size_t)used >= n ? TS_ELIMIT : 0;
}

static int no_modules(struct ts_adapter_module **modules, const struct ts_model *m, struct ts_error *err)
{
	*modules = ts_calloc((size_t)m->config.layers * TS_TARGETS, sizeof(**modules));
	return *modules ? 0 : ts_fail_memory(err);
}

static void place_slots(struct ts_adapter *a, const struct ts_model *m, const struct ts_adapter_module *modules)
{
	for (int i = 0; i < a->layers * TS_TARGETS; i++) {
		struct ts_slot *s = &a->slots[i];
		if (!modules[i].rank)
			continue;
		s->present = true;
		ts_target_shape(&m->config, i % TS_TARGETS, &s->out, &s->in);
		s->rank = (size_t)modules[i].rank;
		s->alpha = modules[i].alpha;
		s->scale = (float)ts_adapter_scale(&a->config, &modules[i]);
		s->a = a->count;
		s->b = s->a + s->rank * s->in;
		a->count = s->b + s->rank * s->out;
		a->max_rank = s->rank > a->max_rank ? s->rank : a->max_rank;
	}
}

/* Slots and zeroed parameters for the modules [layers][TS_TARGETS]. */
static int make(struct ts_adapter **out, const struct ts_model *m, const struct ts_adapter_config *config,
		const struct ts_adapter_module *modules, struct ts_error *err)
{
	*out = NULL;
	struct ts_adapter *a = ts_calloc(1, sizeof(*a));
	if (!a)
		return ts_fail_memory(err);
	a->backend = m->backend;
	a->config = *config;
	a->layers = m->config.layers;
	a->slots = ts_calloc((size_t)a->layers * TS_TARGETS, sizeof(*a->slots));
	if (a->slots)
		place_slots(a, m, modules);
	a->params = a->slots ? a->backend->ops->alloc(a->backend, a->count) : NULL;
	if (!a->params) {
		ts_adapter_free(a);
		return ts_fail_memory(err);
	}
	*out = a;
	return 0;
}

int ts_adapter_new_modules(struct ts_adapter **out, const struct ts_model *m, const struct ts_adapter_config *config,
			   const struct ts_adapter_module *modules, uint64_t seed, struct ts_error *err)
{
	TS_TRY(make(out, m, config, modules, err));
	struct ts_adapter *a = *out;
	struct ts_random_key key = ts_random_key_make(seed, "lora-init", "", 0, 0);
	for (int i = 0; i < a->layers * TS_TARGETS; i++) {
		const struct ts_slot *s = &a->slots[i];
		float bound = s->present ? 1.0f / __builtin_sqrtf((float)s->in) : 0.0f;
		for (size_t j = s->a; s->present && j < s->b; j++)
			a->params[j] = bound * (float)(2.0 * ts_random_uniform(&key, j) - 1.0);
	}
	return 0;
}

int ts_adapter_new(struct ts_adapter **out, const struct ts_model *m, const struct ts_adapter_config *config, uint64_t seed,
		   struct ts_error *err)
{
	struct ts_adapter_module *modules;
	*out = NULL;
	TS_TRY(no_modules(&modules, m, err));
	ts_adapter_modules_fill(config, m->config.layers, modules);
	int status = ts_adapter_new_modules(out, m, config, modules, seed, err);
	ts_free(modules);
	return status;
}

void ts_adapter_free(struct ts_adapter *a)
{
	if (!a)
		return;
	a->backend->ops->free(a->backend, a->params);
	ts_free(a->slots);
	ts_free(a);
}

static int load_half(struct ts_adapter *a, const struct ts_tensors *tensors, int layer, int t, char which, struct ts_error *err)
{
	const struct ts_slot *s = &a->slots[layer * TS_TARGETS + t];
	char key[160];
	const struct ts_tensor *tensor;
	size_t shape[2] = {which == 'A' ? s->rank : s->out, which == 'A' ? s->in : s->rank};
	float *p = a->params + (which == 'A' ? s->a : s->b);
	TS_TRY(ts_adapter_key(a, layer, t, which, key, sizeof(key)));
	TS_TRY(ts_tensors_need(tensors, key, 2, shape, &tensor, err));
	ts_widen(p, tensor->data, tensor->dtype, tensor->elements);
	for (size_t i = 0; i < tensor->elements; i++)
		if (!__builtin_isfinite(p[i]))
			return ts_fail(err, TS_ENUMERIC, "%s: tensor \"%s\" holds NaN or Inf", tensors->paths.data[0], key);
	return 0;
}

/* Every key of the file must be one that we read: a silent leftover would be an adapter that does less than it says. */
static int check_keys(const struct ts_adapter *a, const struct ts_tensors *tensors, struct ts_error *err)
{
	size_t read = 0;
	for (int i = 0; i < a->layers * TS_TARGETS; i++)
		read += a->slots[i].present ? 2 : 0;
	if (read == tensors->list.len)
		return 0;
	char key[160];
	for (size_t i = 0; i < tensors->list.len; i++) {
		const char *name = tensors->list.data[i].name;
		bool known = false;
		for (int s = 0; s < a->layers * TS_TARGETS && !known; s++)
			for (const char *w = "AB"; a->slots[s].present && *w && !known; w++)
				known = !ts_adapter_key(a, s / TS_TARGETS, s % TS_TARGETS, *w, key, sizeof(key)) && !strcmp(key, name);
		if (!known)
			return ts_fail(err, TS_EMISMATCH, "%s: key \"%s\" fits no target of this model", tensors->paths.data[0], name);
	}
	return ts_fail(err, TS_EMISMATCH, "%s: %zu tensors, expected %zu", tensors->paths.data[0], tensors->list.len, read);
}

int ts_adapter_load(struct ts_adapter **out, const struct ts_model *m, const char *dir, struct ts_error *err)
{
	struct ts_adapter_config config;
	struct ts_tensors tensors = {0};
	struct ts_str path = {0};
	struct ts_adapter *a = NULL;
	struct ts_adapter_module *modules;
	*out = NULL;
	int status = no_modules(&modules, m, err);
	if (status)
		return status;
	if (ts_path_join(&path, dir, "adapter_config.json"))
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_adapter_config_load(&config, m->config.layers, modules, path.data, err));
	TS_GOTO(make(&a, m, &config, modules, err));
	if (ts_path_join(&path, dir, "adapter_model.safetensors"))
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_tensors_open(&tensors, path.data, err));
	for (int l = 0; l < a->layers; l++)
		for (int t = 0; t < TS_TARGETS; t++)
			for (const char *w = "AB"; a->slots[l * TS_TARGETS + t].present && *w; w++)
				TS_GOTO(load_half(a, &tensors, l, t, *w, err));
	TS_GOTO(check_keys(a, &tensors, err));
done:
	ts_tensors_close(&tensors);
	ts_str_release(&path);
	ts_free(modules);
	if (status)
		ts_adapter_free(a);
	else
		*out = a;
	return status;
}

int ts_adapter_save(const struct ts_adapter *a, const char *dir, struct ts_error *err)
{
	size_t max = (size_t)a->layers * TS_TARGETS * 2, n = 0;
	struct ts_tensor_out *list = ts_calloc(max, sizeof(*list));
	char(*keys)[160] = ts_calloc(max, sizeof(*keys));
	struct ts_adapter_module *modules = ts_calloc(max / 2, sizeof(*modules));
	struct ts_str path = {0};
	int status = list && keys && modules ? ts_dir_make(dir, err) : ts_fail_memory(err);
	for (int i = 0; !status && i < a->layers * TS_TARGETS; i++) {
		const struct ts_slot *s = &a->slots[i];
		modules[i] = (struct ts_adapter_module){(int)s->rank, s->alpha};
		for (const char *w = "AB"; s->present && *w; w++, n++) {
			ts_adapter_key(a, i / TS_TARGETS, i % TS_TARGETS, *w, keys[n], sizeof(keys[n]));
			list[n] = (struct ts_tensor_out){.name = keys[n], .dtype = TS_F32, .dims = 2};
			list[n].shape[0] = *w == 'A' ? s->rank : s->out;
			list[n].shape[1] = *w == 'A' ? s->in : s->rank;
			list[n].data = a->params + (*w == 'A' ? s->a : s->b);
		}
	}
	if (status)
		goto done;
	if (ts_path_join(&path, dir, "adapter_model.safetensors"))
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_tensors_write(path.data, list, n, err));
	if (ts_path_join(&path, dir, "adapter_config.json"))
		TS_GOTO(ts_fail_memory(err));
	TS_GOTO(ts_adapter_config_save(&a->config, a->layers, modules, path.data, err));
done:
	ts_str_release(&path);
	ts_free(list);
	ts_free(keys);
	ts_free(modules);
	return status;
}
