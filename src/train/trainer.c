/* One struct holds all that a run needs, allocated before the first step; a step allocates nothing. */
#include "train/trainer.h"

#include "core/mem.h"
#include "core/philox.h"
#include "core/sha256.h"
#include "train/checkpoint.h"
#include "train/pack.h"

#include <stdio.h>
#include <string.h>

/* The dropout counter packs the step into 20 bits (tensor/backend.h). */
static const size_t MAX_STEPS = (size_t)1 << 20;

struct trainer {
	const struct ts_model *model;
	struct ts_adapter *adapter;
	const struct ts_example *examples;
	size_t count;
	const struct ts_train_options *options;
	const struct ts_context *context;
	struct ts_error *err;

	struct ts_backend *backend;
	struct ts_schedule schedule;
	struct ts_pass *pass;
	struct ts_packer packer;
	float *grads, *logprobs;
	size_t *order; /* of `epoch` */
	size_t epoch;
	double power1, power2; /* beta^step, as a product of step factors */
	struct ts_train_state state;
	double saved_at;
};

struct ts_train_options ts_train_options_default(void)
{
	return (struct ts_train_options){
		.epochs = 3,
		.batch = 8,
		.lr = 1e-5,
		.warmup = 0.1,
		.schedule = TS_SCHEDULE_COSINE,
		.clip = 1.0,
		.beta1 = 0.9,
		.beta2 = 0.999,
		.eps = 1e-8,
		.seed = 42,
		.max_rows = 2048,
		.keep = TS_KEEP_ALL,
	};
}

static size_t steps_per_epoch(const struct ts_train_options *o, size_t examples)
{
	return examples / o->batch + (examples % o->batch != 0);
}

size_t ts_train_steps(const struct ts_train_options *o, size_t examples)
{
	return o->epochs * steps_per_epoch(o, examples);
}

/* --- checks at the border --- */

static bool in_range(double x, double low, double high)
{
	return x >= low && x <= high; /* false for NaN */
}

static int check_options(const struct ts_train_options *o, struct ts_error *err)
{
	const struct {
		const char *name;
		double value, low, high;
	} ranges[] = {
		{"lr", o->lr, 0, 1e3},
		{"warmup", o->warmup, 0, 1},
		{"clip", o->clip, 0, 1e30},
		{"beta1", o->beta1, 0, 0.999999},
		{"beta2", o->beta2, 0, 0.999999},
		{"eps", o->eps, 1e-30, 1},
		{"weight_decay", o->weight_decay, 0, 1e3},
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (!in_range(ranges[i].value, ranges[i].low, ranges[i].high))
			return ts_fail(err, TS_EINVAL, "training: %s is %g; expected %g to %g", ranges[i].name, ranges[i].value,
				       ranges[i].low, ranges[i].high);
	if (!o->epochs || !o->batch || !o->max_rows)
		return ts_fail(err, TS_EINVAL, "training: epochs %zu, batch %zu, tokens of a pass %zu; expected at least 1 of each",
			       o->epochs, o->batch, o->max_rows);
	return 0;
}

static int check_example(const struct trainer *t, size_t index)
{
	const struct ts_example *e = &t->examples[index];
	int vocab = ts_model_config(t->model)->vocab_size;
	size_t targets = 0;
	for (size_t i = 0; i < e->len; i++) {
		if (e->ids[i] < 0 || e->ids[i] >= vocab)
			return ts_fail(t->err, TS_EINVAL, "training example %zu: token %zu is %d; expected 0 to %d", index, i, e->ids[i],
				       vocab - 1);
		targets += i && e->mask[i];
	}
	if (!targets || targets != e->targets)
		return ts_fail(t->err, TS_EINVAL, "training example %zu: %zu target tokens, said to be %zu; expected at least 1", index,
			       targets, e->targets);
	return 0;
}

static int check(const struct trainer *t)
{
	const struct ts_train_options *o = t->options;
	TS_TRY(check_options(o, t->err));
	if (!t->count)
		return ts_fail(t->err, TS_EINVAL, "training: no examples");
	size_t product;
	if (!ts_mul_size(o->epochs, steps_per_epoch(o, t->count), &product) || product > MAX_STEPS)
		return ts_fail(t->err, TS_ELIMIT, "training: %zu epochs of %zu steps; at most %zu steps are supported", o->epochs,
			       steps_per_epoch(o, t->count), MAX_STEPS);
	for (size_t i = 0; i < t->count; i++)
		TS_TRY(check_example(t, i));
	return 0;
}

/* --- what run this is --- */

static void hash_u64(struct ts_sha256 *h, uint64_t v)
{
	unsigned char b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	ts_sha256_update(h, b, sizeof(b));
}

static void hash_real(struct ts_sha256 *h, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	hash_u64(h, bits);
}

/* Everything that the final adapter depends on, and nothing else: resuming may change threads, passes and memory. */
static void fingerprint(const struct trainer *t, unsigned char digest[32])
{
	const struct ts_train_options *o = t->options;
	const struct ts_adapter *a = t->adapter;
	const char *identity = o->identity ? o->identity : "";
	const struct ts_adapter_module most = {a->config.rank, a->config.alpha};
	const float scale = (float)ts_adapter_scale(&a->config, &most);
	const double reals[] = {o->lr, o->warmup, o->clip, o->beta1, o->beta2, o->eps, o->weight_decay, a->config.dropout, (double)scale};
	const uint64_t whole[] = {o->epochs, o->batch, (uint64_t)o->schedule, o->seed, a->max_rank, (uint64_t)a->layers,
				  a->count,  t->count};
	struct ts_sha256 h;
	ts_sha256_init(&h);
	hash_u64(&h, strlen(identity));
	ts_sha256_update(&h, identity, strlen(identity));
	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
		hash_real(&h, reals[i]);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		hash_u64(&h, whole[i]);
	for (int i = 0; i < a->layers * TS_TARGETS; i++) {
		const struct ts_slot *s = &a->slots[i];
		hash_u64(&h, s->present);
		if (s->present && (s->rank != a->max_rank || s->scale != scale)) {
			hash_u64(&h, s->rank);
			hash_real(&h, (double)s->scale);
		}
	}
	ts_sha256_update(&h, a->params, a->count * sizeof(float));
	for (size_t i = 0; i < t->count; i++) {
		const struct ts_example *e = &t->examples[i];
		hash_u64(&h, e->len);
		ts_sha256_update(&h, e->ids, e->len * sizeof(*e->ids));
		ts_sha256_update(&h, e->mask, e->len);
	}
	ts_sha256_final(&h, digest);
}

/* --- one step --- */

static size_t batch_of(struct trainer *t, size_t step, const size_t **batch)
{
	size_t per_epoch = steps_per_epoch(t->options, t->count), epoch = step / per_epoch, first = step % per_epoch * t->options->batch;
	if (epoch != t->epoch) {
		ts_random_order(t->options->seed, epoch, t->order, t->count);
		t->epoch = epoch;
	}
	*batch = t->order + first;
	return t->count - first < t->options->batch ? t->count - first : t->options->batch;
}

/* Gradients and loss of the step into t->grads and r; sums run in row order whatever the passes. */
static void accumulate(struct trainer *t, const size_t *batch, size_t n, size_t step, struct ts_train_step *r)
{
	float scale, dropout = (float)t->adapter->config.dropout;
	double sum = 0;
	for (size_t i = 0; i < n; i++) {
		r->targets += t->examples[batch[i]].targets;
		r->tokens += t->examples[batch[i]].len;
	}
	scale = (float)(1.0 / (double)r->targets);
	memset(t->grads, 0, t->adapter->count * sizeof(float));
	for (size_t next = 0; next < n;) {
		next = ts_packer_fill(&t->packer, t->examples, batch, n, next, t->options->max_rows);
		ts_pass_forward(t->pass, &t->packer.packed, dropout, t->options->seed, (uint32_t)step, t->logprobs);
		for (size_t row = 0; row < t->packer.packed.rows; row++)
			sum -= (double)t->logprobs[row];
		ts_pass_backward(t->pass, scale, t->grads);
	}
	r->loss = sum / (double)r->targets;
}

static void update(struct trainer *t, const struct ts_train_step *r)
{
	const struct ts_train_options *o = t->options;
	double shrink = o->clip > 0 ? o->clip / (r->grad_norm + 1e-6) : 1;
	t->power1 *= o->beta1;
	t->power2 *= o->beta2;
	struct ts_adamw step = {
		.lr = (float)r->lr,
		.beta1 = o->beta1,
		.beta2 = o->beta2,
		.eps = (float)o->eps,
		.weight_decay = (float)o->weight_decay,
		.correction1 = (float)(1 - t->power1),
		.correction2 = (float)(1 - t->power2),
		.grad_scale = shrink < 1 ? (float)shrink : 1,
	};
	t->backend->ops->adamw(t->backend, t->adapter->params, t->grads, t->state.m, t->state.v, t->adapter->count, &step);
}

static int train_step(struct trainer *t, size_t step, struct ts_train_step *r)
{
	const size_t *batch;
	size_t n = batch_of(t, step, &batch);
	*r = (struct ts_train_step){
		.step = step + 1, .steps = t->schedule.steps, .epoch = t->epoch, .lr = ts_schedule_lr(&t->schedule, step)};
	accumulate(t, batch, n, step, r);
	r->grad_norm = __builtin_sqrt(t->backend->ops->sum_squares(t->backend, t->grads, t->adapter->count));
	if (!__builtin_isfinite(r->loss) || !__builtin_isfinite(r->grad_norm))
		return ts_fail(t->err, TS_ENUMERIC, "training step %zu of %zu: loss %g, gradient norm %g; expected finite numbers",
			       step + 1, r->steps, r->loss, r->grad_norm);
	update(t, r);
	t->state.step = step + 1;
	return 0;
}

/* --- the run --- */

static int prepare(struct trainer *t)
{
	const struct ts_train_options *o = t->options;
	struct ts_adapter *a = t->adapter;
	const struct ts_backend_ops *ops = t->backend->ops;
	size_t rows = ts_train_rows(o, t->examples, t->count), sequences = o->batch < t->count ? o->batch : t->count;
	TS_TRY(ts_pass_new(&t->pass, t->model, a, rows, sequences, o->keep, t->err));
	TS_TRY(ts_packer_init(&t->packer, rows, sequences, t->err));
	t->grads = ops->alloc(t->backend, a->count);
	t->logprobs = ts_calloc(rows, sizeof(float));
	t->order = ts_calloc(t->count, sizeof(*t->order));
	t->state = (struct ts_train_state){.count = a->count, .params = a->params};
	t->state.m = ops->alloc(t->backend, a->count);
	t->state.v = ops->alloc(t->backend, a->count);
	if (!t->grads || !t->logprobs || !t->order || !t->state.m || !t->state.v)
		return ts_fail_memory(t->err);
	t->epoch = SIZE_MAX; /* no order yet */
	t->power1 = t->power2 = 1;
	fingerprint(t, t->state.run);
	return 0;
}

static int resume(struct trainer *t)
{
	const struct ts_train_options *o = t->options;
	if (!o->checkpoint_dir)
		return 0;
	TS_TRY(ts_train_state_resume(&t->state, o->checkpoint_dir, t->context, t->err));
	if (t->state.step > t->schedule.steps)
		return ts_fail(t->err, TS_EMISMATCH, "%s: checkpoint at step %llu of a run of %zu steps", o->checkpoint_dir,
			       (unsigned long long)t->state.step, t->schedule.steps);
	for (uint64_t i = 0; i < t->state.step; i++) {
		t->power1 *= o->beta1;
		t->power2 *= o->beta2;
	}
	if (t->state.step)
		ts_log(t->context, TS_LOG_INFO, "training goes on after step %llu of %zu", (unsigned long long)t->state.step,
		       t->schedule.steps);
	return 0;
}

static int save_if_due(struct trainer *t, const struct ts_train_hooks *hooks, bool stopping)
{
	const struct ts_train_options *o = t->options;
	if (!o->checkpoint_dir)
		return 0;
	bool due = stopping || t->state.step == t->schedule.steps || (o->checkpoint_steps && t->state.step % o->checkpoint_steps == 0) ||
		   (o->checkpoint_seconds > 0 && ts_clock() - t->saved_at >= o->checkpoint_seconds);
	if (!due)
		return 0;
	if (hooks && hooks->saving)
		TS_TRY(hooks->saving(hooks->user, t->err));
	TS_TRY(ts_train_state_save(&t->state, o->checkpoint_dir, t->err));
	t->saved_at = ts_clock();
	return 0;
}

static int run(struct trainer *t, const struct ts_train_hooks *hooks)
{
	size_t steps = t->schedule.steps;
	t->saved_at = ts_clock();
	ts_progress(t->context, "train", t->state.step, steps, "steps", NULL);
	while (t->state.step < steps) {
		struct ts_train_step r;
		char note[32];
		TS_TRY(train_step(t, t->state.step, &r));
		if (hooks && hooks->step)
			TS_TRY(hooks->step(hooks->user, &r, t->err));
		bool stopping = ts_should_stop(t->context) && r.step < steps;
		TS_TRY(save_if_due(t, hooks, stopping));
		snprintf(note, sizeof(note), "loss %.4f", r.loss);
		ts_progress(t->context, "train", r.step, steps, "steps", note);
		if (stopping)
			return ts_fail(t->err, TS_ESTOPPED, "training stopped after step %zu of %zu", r.step, steps);
	}
	return 0;
}

static void release(struct trainer *t)
{
	const struct ts_backend_ops *ops = t->backend->ops;
	ts_pass_free(t->pass);
	ts_packer_release(&t->packer);
	ops->free(t->backend, t->grads);
	ops->free(t->backend, t->state.m);
	ops->free(t->backend, t->state.v);
	ts_free(t->logprobs);
	ts_free(t->order);
}

int ts_train(const struct ts_model *model, struct ts_adapter *adapter, const struct ts_example *examples, size_t count,
	     const struct ts_train_options *options, const struct ts_context *context, const struct ts_train_hooks *hooks,
	     struct ts_error *err)
{
	struct trainer t = {
		.model = model,
		.adapter = adapter,
		.examples = examples,
		.count = count,
		.options = options,
		.context = context,
		.err = err,
		.backend = ts_model_backend(model),
	};
	TS_TRY(check(&t));
	size_t steps = ts_train_steps(options, count);
	t.schedule = (struct ts_schedule){options->schedule, options->lr, steps, ts_schedule_warmup(options->warmup, steps)};
	if (!ts_schedule_learns(&t.schedule))
		return ts_fail(
			err, TS_EINVAL,
			"training: every one of the %zu steps has learning rate 0 (lr %g, %zu steps of warm-up): nothing would be learned; "
			"use less warm-up, more epochs or a smaller batch",
			steps, options->lr, t.schedule.warmup);
	int status = prepare(&t);
	if (!status)
		status = resume(&t);
	if (!status)
		status = run(&t, hooks);
	release(&t);
	return status;
}
