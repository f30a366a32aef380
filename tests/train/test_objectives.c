/* Forward KL and GRPO against the goldens: losses, their gradients, and twelve steps that mix cross entropy and KL. */
#include "train/golden_train.h"
#include "train/grpo.h"
#include "train/pack.h"

enum { MAX_ROWS = 1024, MAX_SEQUENCES = 16 };

static const struct {
	const char *family;
	int rank;
} adapters[] = {{"qwen3", 4}, {"qwen3", 32}, {"llama", 4}, {"llama", 32}, {"qwen2", 4}, {"qwen2", 32}, {"mistral", 4}, {"mistral", 32}};
enum { ADAPTERS = sizeof(adapters) / sizeof(adapters[0]) };

static double number(const json_t *row, const char *key)
{
	const json_t *v = json_object_get(row, key);
	assert_true(json_is_number(v));
	return json_number_value(v);
}

static bool near(double found, double want, double relative)
{
	return found - want <= relative * __builtin_fabs(want) && want - found <= relative * __builtin_fabs(want);
}

/* Sequences one behind another, the responses as targets. */
struct pack {
	int32_t ids[MAX_ROWS], targets[MAX_ROWS];
	size_t lengths[MAX_SEQUENCES], first_target[MAX_SEQUENCES], responses[MAX_SEQUENCES], count;
	uint32_t row_in_batch[MAX_SEQUENCES];
	struct ts_packed packed;
};

static void add_sequence(struct pack *p, const json_t *row)
{
	struct ts_packed *k = &p->packed;
	size_t s = k->sequences++, n = read_ids(json_object_get(row, "ids"), p->ids + k->rows, MAX_ROWS - k->rows);
	size_t prompt = (size_t)json_integer_value(json_object_get(row, "prompt_len"));
	assert_true(s < MAX_SEQUENCES && prompt > 0 && prompt < n);
	for (size_t t = 0; t < n; t++)
		p->targets[k->rows + t] = t + 1 >= prompt && t + 1 < n ? p->ids[k->rows + t + 1] : -1;
	p->lengths[s] = n;
	p->first_target[s] = k->rows + prompt - 1;
	p->responses[s] = n - prompt;
	p->row_in_batch[s] = (uint32_t)s;
	p->count += n - prompt;
	k->rows += n;
	k->ids = p->ids;
	k->targets = p->targets;
	k->lengths = p->lengths;
	k->row_in_batch = p->row_in_batch;
}

static void check_gradients(const struct golden *g, const struct ts_adapter *a, const char *loss, const float *found, const char *name)
{
	float *want = calloc(a->count, sizeof(float)), *zero = calloc(a->count, sizeof(float));
	for (int i = 0; i < a->layers * TS_TARGETS; i++) {
		const struct ts_slot *s = &a->slots[i];
		char key[160], full[200];
		for (const char *w = "AB"; s->present && *w; w++) {
			assert_int_equal(ts_adapter_key(a, i / TS_TARGETS, i % TS_TARGETS, *w, key, sizeof(key)), 0);
			snprintf(full, sizeof(full), "grad.%s.%s", loss, key);
			copy_floats(&g->tensors, full, want + (*w == 'A' ? s->a : s->b), s->rank * (*w == 'A' ? s->in : s->out));
		}
	}
	double worst = worst_difference(want, found, a->count), largest = worst_difference(want, zero, a->count);
	if (!(largest > 0 && worst < 2e-4 * largest))
		fail_msg("%s, %s: a gradient differs by %g, the largest is %g", name, loss, worst, largest);
	free(want);
	free(zero);
}

static struct ts_pass *new_pass(const struct student *s, const struct pack *p, struct ts_keep keep)
{
	struct ts_error err = {0};
	struct ts_pass *pass;
	ok(ts_pass_new(&pass, s->model, s->adapter, p->packed.rows, p->packed.sequences, keep, &err));
	ok(ts_pass_need_reference(pass, &err));
	return pass;
}

static void forward_both(struct ts_pass *pass, const struct pack *p, float *now, float *reference)
{
	ts_pass_reference(pass, &p->packed, reference);
	ts_pass_forward(pass, &p->packed, 0, 0, 0, now);
}

static void test_kl(void **state)
{
	for (int i = 0; i < ADAPTERS; i++) {
		struct golden g = golden_open_lora(adapters[i].family, adapters[i].rank);
		struct student s = student_open(adapters[i].family, adapters[i].rank, 2);
		struct pack p = {.count = 0};
		float now[MAX_ROWS], reference[MAX_ROWS], kl[MAX_ROWS], none[MAX_ROWS] = {0}, weights[MAX_ROWS];
		const json_t *row, *want = json_object_get(g.values, "kl");
		size_t e;
		json_array_foreach (json_object_get(g.values, "examples"), e, row)
			add_sequence(&p, row);
		assert_int_equal(p.count, json_integer_value(json_object_get(want, "target_tokens")));
		float *grads = calloc(s.adapter->count, sizeof(float)), *again = calloc(s.adapter->count, sizeof(float));
		for (int kept = -1; kept < 1; kept++) { /* layers that are computed again give the same bits */
			struct ts_pass *pass = new_pass(&s, &p, (struct ts_keep){kept, kept});
			double loss = 0;
			forward_both(pass, &p, now, reference);
			ts_pass_kl(pass, kl);
			for (size_t r = 0; r < p.packed.rows; r++) {
				loss += (double)kl[r] / (double)p.count;
				weights[r] = (float)(1.0 / (double)p.count);
			}
			if (!near(loss, number(want, "loss"), 1e-4))
				fail_msg("%s r %d: KL %.7f, expected %.7f", adapters[i].family, adapters[i].rank, loss,
					 number(want, "loss"));
			ts_pass_backward_rows(pass, none, weights, kept < 0 ? grads : again);
			ts_pass_free(pass);
		}
		assert_memory_equal(grads, again, s.adapter->count * sizeof(float));
		check_gradients(&g, s.adapter, "kl", grads, adapters[i].family);
		free(grads);
		free(again);
		student_close(&s);
		golden_close(&g);
	}
}

static void grpo_case(const struct golden *g, const struct student *s, const char *name, const char *which)
{
	struct pack p = {.count = 0};
	const json_t *golden = json_object_get(g->values, which), *group, *completion;
	/* both cases share the answers, which stand in the first */
	const json_t *groups = json_object_get(json_object_get(g->values, "grpo"), "groups");
	const json_t *each = json_object_get(golden, "per_sequence");
	const struct ts_grpo options = {.clip = 0.2, .beta = 0.04};
	float now[MAX_ROWS], reference[MAX_ROWS], slopes[MAX_ROWS] = {0}, old[256];
	double advantages[MAX_SEQUENCES], loss = 0;
	size_t i, c, sequence = 0;
	json_array_foreach (groups, i, group)
		json_array_foreach (json_object_get(group, "completions"), c, completion)
			add_sequence(&p, completion);
	struct ts_pass *pass = new_pass(s, &p, TS_KEEP_ALL);
	ts_pass_temperature(pass, (float)number(golden, "temperature"));
	forward_both(pass, &p, now, reference);
	json_array_foreach (groups, i, group) {
		double rewards[MAX_SEQUENCES];
		size_t n = json_array_size(json_object_get(group, "rewards"));
		for (c = 0; c < n; c++)
			rewards[c] = json_number_value(json_array_get(json_object_get(group, "rewards"), c));
		ts_grpo_advantages(rewards, n, advantages);
		json_array_foreach (json_object_get(group, "completions"), c, completion) {
			const json_t *want = json_array_get(each, sequence), *list = json_object_get(completion, "old_logprobs");
			size_t first = p.first_target[sequence], tokens = p.responses[sequence];
			assert_int_equal(json_array_size(list), tokens);
			for (size_t t = 0; t < tokens; t++)
				old[t] = (float)json_number_value(json_array_get(list, t));
			struct ts_grpo_sequence found =
				ts_grpo_sequence(&options, advantages[c], now + first, old, reference + first, tokens, slopes + first);
			if (!near(advantages[c], number(want, "advantage"), 1e-6) || !near(found.kl, number(want, "kl"), 2e-4) ||
			    !(__builtin_fabs(found.loss - number(want, "loss")) < 2e-4 * (1 + __builtin_fabs(number(want, "loss")))) ||
			    found.clipped != (size_t)number(want, "clipped_tokens"))
				fail_msg("%s, %s, sequence %zu: advantage %g, loss %g, kl %g, clipped %zu; expected %g, %g, %g, %g", name,
					 which, sequence, advantages[c], found.loss, found.kl, found.clipped, number(want, "advantage"),
					 number(want, "loss"), number(want, "kl"), number(want, "clipped_tokens"));
			loss += found.loss;
			sequence++;
		}
	}
	assert_true(sequence == p.packed.sequences && sequence == json_array_size(each) && sequence >= 8);
	if (!near(loss / (double)sequence, number(golden, "loss"), 2e-4))
		fail_msg("%s, %s: loss %.7f, expected %.7f", name, which, loss / (double)sequence, number(golden, "loss"));
	for (size_t r = 0; r < p.packed.rows; r++)
		slopes[r] /= (float)sequence;
	float *grads = calloc(s->adapter->count, sizeof(float));
	ts_pass_backward_rows(pass, slopes, NULL, grads);
	check_gradients(g, s->adapter, which, grads, name);
	free(grads);
	ts_pass_free(pass);
}

static void test_grpo(void **state)
{
	for (int i = 0; i < ADAPTERS; i++) {
		struct golden g = golden_open_lora(adapters[i].family, adapters[i].rank);
		struct student s = student_open(adapters[i].family, adapters[i].rank, 2);
		grpo_case(&g, &s, adapters[i].family, "grpo");
		grpo_case(&g, &s, adapters[i].family, "grpo_t07");
		student_close(&s);
		golden_close(&g);
	}
}

/* The derivative that ts_grpo_sequence gives is that of its loss, on both sides of both cuts. */
static void test_grpo_slopes(void **state)
{
	static const double advantages[] = {1.5, -0.7, 0}, ratios[] = {0.5, 0.79, 0.81, 1, 1.19, 1.21, 3};
	const struct ts_grpo o = {.clip = 0.2, .beta = 0.04};
	for (size_t a = 0; a < 3; a++)
		for (size_t r = 0; r < 7; r++) {
			float old = -2, reference = -2.5f, slope, unused, now = (float)(-2 + __builtin_log(ratios[r])), step = 1e-3f;
			float high = now + step, low = now - step;
			struct ts_grpo_sequence s = ts_grpo_sequence(&o, advantages[a], &now, &old, &reference, 1, &slope);
			double up = ts_grpo_sequence(&o, advantages[a], &high, &old, &reference, 1, &unused).loss;
			double down = ts_grpo_sequence(&o, advantages[a], &low, &old, &reference, 1, &unused).loss;
			double want = -(up - down) / ((double)high - (double)low);
			if (!(__builtin_fabs((double)slope - want) < 1e-5 + 1e-5 * __builtin_fabs(want)))
				fail_msg("advantage %g, ratio %g: slope %g, expected %g", advantages[a], ratios[r], (double)slope, want);
			bool cut = (advantages[a] > 0 && ratios[r] > 1.2) || (advantages[a] < 0 && ratios[r] < 0.8);
			assert_int_equal(s.clipped, cut);
		}
}

/* One step of the mixed objective: benign sequences by KL, the others by cross entropy; over all target tokens. */
static double mixed_step(const struct golden *g, const struct student *s, const json_t *step, float *grads)
{
	struct pack p = {.count = 0};
	float now[MAX_ROWS], reference[MAX_ROWS], kl[MAX_ROWS], of_ce[MAX_ROWS] = {0}, of_kl[MAX_ROWS] = {0};
	const json_t *batch = json_object_get(step, "batch"), *data = json_object_get(g->values, "train_data");
	double loss = 0;
	for (size_t b = 0; b < json_array_size(batch); b++)
		add_sequence(&p, json_array_get(data, (size_t)json_integer_value(json_array_get(batch, b))));
	assert_int_equal(p.count, json_integer_value(json_object_get(step, "target_tokens")));
	struct ts_pass *pass = new_pass(s, &p, TS_KEEP_ALL);
	forward_both(pass, &p, now, reference);
	ts_pass_kl(pass, kl);
	for (size_t b = 0; b < p.packed.sequences; b++) {
		bool benign =
			json_is_true(json_object_get(json_array_get(data, (size_t)json_integer_value(json_array_get(batch, b))), "benign"));
		for (size_t r = p.first_target[b]; r < p.first_target[b] + p.responses[b]; r++) {
			loss += (double)(benign ? kl[r] : -now[r]) / (double)p.count;
			*(benign ? &of_kl[r] : &of_ce[r]) = (float)(1.0 / (double)p.count);
		}
	}
	memset(grads, 0, s->adapter->count * sizeof(float));
	ts_pass_backward_rows(pass, of_ce, of_kl, grads);
	ts_pass_free(pass);
	return loss;
}

static void check_final(const struct ts_adapter *a, const char *family, int rank)
{
	struct ts_error err = {0};
	struct ts_tensors file = {0};
	float *want = calloc(a->count, sizeof(float));
	ok(ts_tensors_open(&file, golden_path("lora/%s-r%d/final_kl.safetensors", family, rank), &err));
	for (int i = 0; i < a->layers * TS_TARGETS; i++) {
		const struct ts_slot *s = &a->slots[i];
		char key[160];
		for (const char *w = "AB"; s->present && *w; w++) {
			assert_int_equal(ts_adapter_key(a, i / TS_TARGETS, i % TS_TARGETS, *w, key, sizeof(key)), 0);
			copy_floats(&file, key, want + (*w == 'A' ? s->a : s->b), s->rank * (*w == 'A' ? s->in : s->out));
		}
	}
	double worst = worst_difference(want, a->params, a->count);
	if (!(worst < 1e-5))
		fail_msg("%s r %d: the final adapter differs by %g", family, rank, worst);
	free(want);
	ts_tensors_close(&file);
}

static void test_mixed_steps(void **state)
{
	for (int i = 0; i < ADAPTERS; i++) {
		if (adapters[i].rank != 4) /* the goldens have this run for rank 4 */
			continue;
		struct golden g = golden_open_lora(adapters[i].family, adapters[i].rank);
		struct student s = student_open(adapters[i].family, adapters[i].rank, 2);
		size_t n = s.adapter->count, t;
		float *grads = calloc(n, sizeof(float)), *m = calloc(n, sizeof(float)), *v = calloc(n, sizeof(float));
		double power1 = 1, power2 = 1;
		const json_t *step;
		json_array_foreach (json_object_get(g.values, "train_kl"), t, step) {
			double loss = mixed_step(&g, &s, step, grads);
			double norm = __builtin_sqrt(s.backend->ops->sum_squares(s.backend, grads, n));
			if (!near(loss, number(step, "loss"), 1e-4) || !near(norm, number(step, "grad_norm"), 1e-4))
				fail_msg("%s, step %zu: loss %.7f, norm %.7f; expected %.7f, %.7f", adapters[i].family, t, loss, norm,
					 number(step, "loss"), number(step, "grad_norm"));
			power1 *= 0.9;
			power2 *= 0.999;
			struct ts_adamw o = {.lr = (float)number(step, "lr"),
					     .beta1 = 0.9,
					     .beta2 = 0.999,
					     .eps = 1e-8f,
					     .correction1 = (float)(1 - power1),
					     .correction2 = (float)(1 - power2),
					     .grad_scale = norm + 1e-6 > 1 ? (float)(1 / (norm + 1e-6)) : 1};
			s.backend->ops->adamw(s.backend, s.adapter->params, grads, m, v, n, &o);
		}
		assert_int_equal(t, GOLDEN_STEPS);
		check_final(s.adapter, adapters[i].family, adapters[i].rank);
		free(grads);
		free(m);
		free(v);
		student_close(&s);
		golden_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kl),
		cmocka_unit_test(test_grpo),
		cmocka_unit_test(test_grpo_slopes),
		cmocka_unit_test(test_mixed_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
