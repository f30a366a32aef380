/* Prompts that begin alike: every answer is the one of an engine that shares nothing, and the counts show that the common part is computed
 * once. The models are the testbed's student, plain, with a sliding window, and with dynamic positions. */
#include "core/mem.h"
#include "generate/engine.h"
#include "generate/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "generate/variant.h"

enum { VOCAB = 1271, LONGEST = 300, REQUESTS = 42, MAX_NEW = 20, MOST = 64 };

struct prompt {
	int32_t ids[LONGEST];
	size_t len, most; /* tokens of the answer */
	uint64_t attempt;
	int probes;
};

struct heard {
	int32_t ids[MOST];
	size_t len;
	enum ts_finish finish;
	float probes[TS_MAX_PROBES];
	uint64_t first_step, last_step; /* in which its first and its last token came */
};

struct feed {
	struct ts_responder *engine;
	const struct prompt *prompts;
	size_t count, next;
	bool ignore_eos;
	struct heard *out;
};

static int next(void *user, struct ts_request *r)
{
	struct feed *f = user;
	if (f->next == f->count)
		return 0;
	const struct prompt *p = &f->prompts[f->next];
	*r = (struct ts_request){.index = f->next++,
				 .prompt = p->ids,
				 .prompt_len = p->len,
				 .sampling = {0.9, 0.95, 20, p->most},
				 .key = ts_random_key_make(42, "generate", p->ids, p->len * sizeof(int32_t), p->attempt),
				 .ignore_eos = f->ignore_eos,
				 .probe_count = p->probes,
				 .probes = {5, 1270, 700, 64}};
	return 1;
}

static int token(void *user, const struct ts_request *r, int32_t id)
{
	struct feed *f = user;
	struct heard *h = &f->out[r->index];
	h->last_step = ts_engine_stats(f->engine).steps;
	if (!h->len)
		h->first_step = h->last_step;
	h->ids[h->len++] = id;
	return 0;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	struct heard *h = &((struct feed *)user)->out[r->index];
	assert_int_equal(a->status, 0);
	assert_int_equal(a->len, h->len);
	h->finish = a->finish;
	memcpy(h->probes, a->probe_logprobs, sizeof(h->probes));
	return 0;
}

struct setting {
	size_t batch, chunk, pages;
	bool share;
	enum ts_dtype kv;
};

static struct ts_responder *open_engine(const struct rig *rig, const struct setting *s)
{
	struct ts_error err = {0};
	struct ts_responder *engine;
	struct ts_engine_options o;
	int32_t stop[32];
	ts_engine_options_default(&o);
	assert_true(o.share_prefixes);
	o.batch = s->batch;
	o.prefill_chunk = s->chunk;
	o.kv_pages = s->pages;
	o.share_prefixes = s->share;
	o.kv_dtype = s->kv;
	o.max_length = LONGEST + MOST;
	o.stop_ids = stop;
	o.stop_count = ts_engine_stop_ids(ts_model_config(rig->model), -1, stop, 32);
	assert_int_equal(ts_engine_new(&engine, rig->model, NULL, &o, &err), 0);
	return engine;
}

static void serve(struct ts_responder *engine, const struct prompt *prompts, size_t count, bool ignore_eos, struct heard *out)
{
	struct ts_error err = {0};
	struct feed f = {.engine = engine, .prompts = prompts, .count = count, .ignore_eos = ignore_eos, .out = out};
	struct ts_source source = {.user = &f, .next = next, .done = done, .token = token};
	memset(out, 0, count * sizeof(*out));
	if (engine->run(engine, &source, NULL, &err))
		fail_msg("%s", err.message);
}

static void random_ids(int32_t *ids, size_t n, const char *name, size_t number)
{
	struct ts_random_key key = ts_random_key_make(7, "test", name, strlen(name), number);
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)(ts_random_uniform(&key, i) * VOCAB);
}

static void make(struct prompt *p, const char *begins, size_t common, size_t number, size_t own)
{
	random_ids(p->ids, common, begins, 0);
	random_ids(p->ids + common, own, "own", number);
	p->len = common + own;
	p->most = MAX_NEW;
}

/* Three beginnings (inside a page, at its border, beyond several), each with several ends, each end asked for several times; every fifth
 * request is a probe. */
static void make_prompts(struct prompt *prompts)
{
	static const size_t common[] = {40, 128, 203};
	static const char *const names[] = {"short", "pages", "long"};
	memset(prompts, 0, REQUESTS * sizeof(*prompts));
	for (size_t i = 0; i < REQUESTS; i++) {
		size_t end = i / 3 % 5;
		make(&prompts[i], names[i % 3], common[i % 3], end, 1 + 13 * end);
		prompts[i].attempt = i / 15;
		prompts[i].probes = i % 5 ? 0 : 4;
	}
}

static void assert_same(const struct heard *a, const struct heard *b, const char *model, const struct setting *s)
{
	for (size_t i = 0; i < REQUESTS; i++)
		if (a[i].len != b[i].len || memcmp(a[i].ids, b[i].ids, a[i].len * sizeof(*a[i].ids)) || a[i].finish != b[i].finish ||
		    memcmp(a[i].probes, b[i].probes, sizeof(a[i].probes)))
			fail_msg("%s, batch %zu, chunk %zu, pages %zu, shared %d: answer %zu differs", model, s->batch, s->chunk, s->pages,
				 s->share, i);
}

static void check_model(const char *name, size_t count, int threads, enum ts_dtype kv, json_t *changes)
{
	static struct prompt prompts[REQUESTS];
	static struct heard expected[REQUESTS], got[REQUESTS];
	struct rig rig;
	struct ts_engine_stats stats;
	const struct setting alone = {1, 64, 0, false, kv};
	const struct setting settings[] = {
		/* every model */
		{7, 7, 0, true, kv},
		{64, 512, 7, true, kv},
		{16, 64, 5, true, kv},
		{64, 64, 9, false, kv},
		/* the first one */
		{1, 64, 0, true, kv},
		{7, 1, 0, true, kv},
		{64, 512, 0, true, kv},
		{7, 7, 5, true, kv},
		{1, 512, 5, true, kv},
		{64, 512, 0, false, kv},
	};
	make_prompts(prompts);
	open_rig(&rig, TS_ISA_AUTO, threads, changes);
	struct ts_responder *engine = open_engine(&rig, &alone);
	serve(engine, prompts, REQUESTS, false, expected);
	engine->close(engine);
	for (size_t i = 0; i < count; i++) {
		engine = open_engine(&rig, &settings[i]);
		for (int round = 0; round < (i % 2 ? 1 : 2); round++) { /* the second finds what the first left */
			serve(engine, prompts, REQUESTS, false, got);
			assert_same(expected, got, name, &settings[i]);
		}
		stats = ts_engine_stats(engine);
		engine->close(engine);
		assert_true(settings[i].share ? settings[i].pages || settings[i].batch == 1 || stats.shared : !stats.shared);
		assert_true(settings[i].pages != 5 || settings[i].batch == 1 || stats.put_back > 0);
	}
	close_rig(&rig);
}

static void test_same_answers(void **state)
{
	check_model("student", 10, 1, TS_F32, NULL);
	check_model("student, two threads", 4, 2, TS_BF16, NULL);
}

static void test_same_answers_window(void **state)
{
	check_model("sliding window", 4, 2, TS_F32,
		    json_pack("{s:b, s:i, s:i}", "use_sliding_window", 1, "sliding_window", 50, "max_window_layers", 1));
}

static void test_same_answers_dynamic(void **state)
{
	check_model("dynamic positions", 4, 2, TS_F32,
		    json_pack("{s:i, s:{s:s, s:f}}", "max_position_embeddings", 128, "rope_scaling", "type", "dynamic", "factor", 4.0));
}

/* Without the whole row of logits the same bits as with it: what the scorer says of the token after the prompt. */
static void test_probes(void **state)
{
	static struct prompt prompts[REQUESTS];
	static struct heard out[REQUESTS];
	static const int32_t probes[] = {5, 1270, 700, 64};
	struct rig rig;
	struct ts_scorer *scorer;
	struct ts_error err = {0};
	float logprobs[LONGEST + 1];
	size_t checked = 0;
	make_prompts(prompts);
	open_rig(&rig, TS_ISA_AUTO, 2, NULL);
	struct ts_responder *engine = open_engine(&rig, &(struct setting){16, 64, 0, true, TS_F32});
	serve(engine, prompts, REQUESTS, false, out);
	engine->close(engine);
	assert_int_equal(ts_scorer_new(&scorer, rig.model, NULL, LONGEST + 1, 64, TS_F32, &err), 0);
	for (size_t i = 0; i < REQUESTS; i++)
		for (int k = 0; k < prompts[i].probes; k++, checked++) {
			prompts[i].ids[prompts[i].len] = probes[k];
			assert_int_equal(ts_score(scorer, prompts[i].ids, prompts[i].len + 1, logprobs, NULL, &err), 0);
			assert_memory_equal(&out[i].probes[k], &logprobs[prompts[i].len - 1], sizeof(float));
		}
	assert_true(checked >= 30);
	ts_scorer_free(scorer);
	close_rig(&rig);
}

/* --- what is computed --- */

static struct ts_engine_stats since(struct ts_responder *engine, const struct ts_engine_stats *before)
{
	struct ts_engine_stats s = ts_engine_stats(engine);
	s.computed -= before->computed;
	s.shared -= before->shared;
	s.prompt_tokens -= before->prompt_tokens;
	return s;
}

static struct ts_engine_stats count(struct ts_responder *engine, const struct prompt *prompts, size_t n)
{
	static struct heard out[REQUESTS];
	struct ts_engine_stats before = ts_engine_stats(engine);
	serve(engine, prompts, n, true, out);
	return since(engine, &before);
}

/* Ten samples of one prompt, admitted together: its keys are computed once, and of each further sample the last token. */
static void test_samples_of_one_prompt(void **state)
{
	static struct prompt prompts[10];
	struct rig rig;
	open_rig(&rig, TS_ISA_AUTO, 1, NULL);
	for (size_t i = 0; i < 10; i++) {
		make(&prompts[i], "one", 150, 0, 0);
		prompts[i].attempt = i;
		prompts[i].most = 1;
	}
	struct ts_responder *engine = open_engine(&rig, &(struct setting){10, 512, 0, true, TS_F32});
	struct ts_engine_stats s = count(engine, prompts, 10);
	assert_int_equal(s.prompt_tokens, 1500);
	assert_int_equal(s.computed, 150 + 9);
	assert_int_equal(s.shared, 9 * 149);
	s = count(engine, prompts, 10); /* and now all but the last tokens are there */
	assert_int_equal(s.computed, 10);
	engine->close(engine);
	engine = open_engine(&rig, &(struct setting){10, 512, 0, false, TS_F32});
	s = count(engine, prompts, 10);
	assert_int_equal(s.computed, 1500);
	assert_int_equal(s.shared, 0);
	engine->close(engine);
	close_rig(&rig);
}

/* Eight ends behind a common beginning, in steps that are shorter than it: the others wait. */
static void test_common_beginning(void **state)
{
	static struct prompt prompts[8];
	struct rig rig;
	open_rig(&rig, TS_ISA_AUTO, 1, NULL);
	for (size_t i = 0; i < 8; i++) {
		make(&prompts[i], "policy", 200, i, 30);
		prompts[i].probes = 2;
	}
	for (size_t batch = 1; batch <= 8; batch *= 8) {
		struct ts_responder *engine = open_engine(&rig, &(struct setting){batch, 50, 0, true, TS_F32});
		struct ts_engine_stats s = count(engine, prompts, 8);
		assert_int_equal(s.prompt_tokens, 8 * 230);
		assert_int_equal(s.computed, 200 + 8 * 30);
		assert_int_equal(s.shared, 7 * 200);
		assert_int_equal(s.put_back, 0);
		engine->close(engine);
	}
	close_rig(&rig);
}

/* Prompts of any lengths fill the steps: there is nothing that an order by length could save. */
static void test_full_steps(void **state)
{
	static struct prompt prompts[REQUESTS];
	struct rig rig;
	size_t tokens = 0;
	open_rig(&rig, TS_ISA_AUTO, 1, NULL);
	for (size_t i = 0; i < REQUESTS; i++) {
		make(&prompts[i], "alone", 0, i, 2 + i * i * 59 % 280);
		prompts[i].probes = 2;
		tokens += prompts[i].len;
	}
	for (int share = 0; share < 2; share++) {
		struct ts_responder *engine = open_engine(&rig, &(struct setting){REQUESTS, 64, 0, share, TS_F32});
		assert_int_equal(count(engine, prompts, REQUESTS).computed, tokens);
		assert_true(ts_engine_stats(engine).steps <= (tokens + 63) / 64);
		engine->close(engine);
	}
	close_rig(&rig);
}

/* --- who goes first --- */

/* A long prompt neither stops what is being decoded nor keeps a short prompt behind it from beginning. */
static void test_long_prompt(void **state)
{
	static struct prompt prompts[3];
	static struct heard out[3];
	struct rig rig;
	open_rig(&rig, TS_ISA_AUTO, 1, NULL);
	make(&prompts[0], "decodes", 5, 0, 0);
	make(&prompts[1], "long", 290, 0, 0);
	make(&prompts[2], "brief", 12, 0, 0);
	prompts[0].most = 60;
	for (int share = 0; share < 2; share++) {
		struct ts_responder *engine = open_engine(&rig, &(struct setting){3, 16, 0, share, TS_F32});
		serve(engine, prompts, 3, true, out);
		engine->close(engine);
		assert_int_equal(out[0].len, 60);
		assert_int_equal(out[0].last_step - out[0].first_step, 59); /* a token every step */
		assert_true(out[1].first_step >= 290 / 16);
		assert_true(out[2].first_step <= 4);
	}
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_same_answers),
		cmocka_unit_test(test_same_answers_window),
		cmocka_unit_test(test_same_answers_dynamic),
		cmocka_unit_test(test_samples_of_one_prompt),
		cmocka_unit_test(test_common_beginning),
		cmocka_unit_test(test_full_steps),
		cmocka_unit_test(test_long_prompt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
