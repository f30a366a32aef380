/* Tokens handed out while they are sampled, and the turns of a conversation, whose keys and values are kept for the next one: neither changes an
 * answer. The model is the testbed's student. */
#include "core/mem.h"
#include "generate/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "generate/variant.h"

enum { VOCAB = 1271, LONGEST = 400, CHUNK = 16, MAX_NEW = 24 };

struct turn {
	int32_t prompt[LONGEST];
	size_t len;
};

struct heard {
	TS_VEC(int32_t) ids;
	enum ts_finish finish;
	float probes[TS_MAX_PROBES];
	size_t steps; /* forward passes */
};

struct feed {
	const struct turn *turns;
	size_t count, next, done;
	int probe_count;
	size_t stop_after;                 /* tokens; 0 = never */
	int stop_status;                   /* what the token slot then returns */
	TS_VEC(int32_t) tokens[8];         /* from the token slot, by request */
	struct heard *out;                 /* [count] */
	volatile sig_atomic_t interrupted; /* set instead when stop_status is 0 */
	size_t seen, ticks;
};

static int open_student(void **state)
{
	static struct rig rig;
	*state = &rig;
	open_rig(&rig, TS_ISA_AUTO, 2, NULL);
	return 0;
}

static int close_student(void **state)
{
	close_rig(*state);
	return 0;
}

static struct ts_responder *open_engine(const struct rig *rig, size_t batch, bool share, size_t pages, enum ts_dtype kv)
{
	struct ts_engine_options o;
	struct ts_responder *engine;
	struct ts_error err = {0};
	int32_t stop[32];
	ts_engine_options_default(&o);
	o.batch = batch;
	o.prefill_chunk = CHUNK;
	o.share_prefixes = share;
	o.kv_pages = pages;
	o.max_length = LONGEST + MAX_NEW;
	o.kv_dtype = kv;
	o.stop_ids = stop;
	o.stop_count = ts_engine_stop_ids(ts_model_config(rig->model), -1, stop, 32);
	assert_int_equal(ts_engine_new(&engine, rig->model, NULL, &o, &err), 0);
	return engine;
}

static int next(void *user, struct ts_request *r)
{
	struct feed *f = user;
	if (f->next == f->count)
		return 0;
	const struct turn *t = &f->turns[f->next];
	*r = (struct ts_request){.index = f->next++,
				 .prompt = t->prompt,
				 .prompt_len = t->len,
				 .sampling = {0.9, 0.95, 20, MAX_NEW},
				 .key = ts_random_key_make(42, "chat", t->prompt, t->len * sizeof(int32_t), 0),
				 .probe_count = f->probe_count,
				 .probes = {5, 100, 700, 1270}};
	return 1;
}

static int done(void *user, const struct ts_request *r, const struct ts_answer *a)
{
	struct feed *f = user;
	struct heard *h = &f->out[r->index];
	assert_int_equal(a->status, 0);
	for (size_t i = 0; i < a->len; i++)
		assert_int_equal(ts_vec_push(&h->ids, a->ids[i]), 0);
	h->finish = a->finish;
	memcpy(h->probes, a->probe_logprobs, sizeof(h->probes));
	f->done++;
	return 0;
}

static int tick(void *user)
{
	struct feed *f = user;
	f->ticks++;
	return 0;
}

static int token(void *user, const struct ts_request *r, int32_t id)
{
	struct feed *f = user;
	assert_int_equal(ts_vec_push(&f->tokens[r->index], id), 0);
	if (++f->seen != f->stop_after)
		return 0;
	f->interrupted = !f->stop_status;
	return f->stop_status;
}

static int serve(struct ts_responder *engine, struct feed *f)
{
	struct ts_error err = {0};
	struct ts_context context = {.stop = &f->interrupted};
	struct ts_source source = {f, next, done, tick, token};
	return engine->run(engine, &source, &context, &err);
}

static void release_tokens(struct feed *f)
{
	for (size_t i = 0; i < f->count; i++)
		ts_vec_release(&f->tokens[i]);
}

static void release(struct feed *f)
{
	release_tokens(f);
	for (size_t i = 0; i < f->count; i++)
		ts_vec_release(&f->out[i].ids);
}

static void random_ids(int32_t *ids, size_t n, const char *name)
{
	struct ts_random_key key = ts_random_key_make(7, "test", name, strlen(name), 0);
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)(ts_random_uniform(&key, i) * VOCAB);
}

static void test_tokens(void **state)
{
	static struct turn turns[8];
	struct heard out[8] = {0};
	struct feed f = {.turns = turns, .count = 8, .out = out};
	for (size_t i = 0; i < 8; i++) {
		char name[8];
		snprintf(name, sizeof(name), "t%zu", i);
		turns[i].len = 3 + 11 * i;
		random_ids(turns[i].prompt, turns[i].len, name);
	}
	struct ts_responder *engine = open_engine(*state, 3, false, 0, TS_F32);
	assert_int_equal(serve(engine, &f), 0);
	assert_int_equal(f.done, 8);
	for (size_t i = 0; i < 8; i++) {
		assert_true(out[i].ids.len > 0);
		assert_int_equal(f.tokens[i].len, out[i].ids.len);
		assert_memory_equal(f.tokens[i].data, out[i].ids.data, out[i].ids.len * sizeof(int32_t));
	}
	engine->close(engine);
	release(&f);
}

static void test_stop_inside(void **state)
{
	static struct turn turn = {.len = 20};
	struct heard out = {0}, whole = {0};
	random_ids(turn.prompt, turn.len, "stop");
	struct ts_responder *engine = open_engine(*state, 1, true, 0, TS_F32);
	struct feed f = {.turns = &turn, .count = 1, .out = &whole};
	assert_int_equal(serve(engine, &f), 0);
	assert_true(whole.ids.len > 5);
	/* By the slot's own status, and by the context's flag: the tokens so far are the answer's first, and `done` is not called. */
	for (int by_flag = 0; by_flag < 2; by_flag++) {
		struct feed g = {.turns = &turn, .count = 1, .out = &out, .stop_after = 5, .stop_status = by_flag ? 0 : TS_EIO};
		assert_int_equal(serve(engine, &g), by_flag ? TS_ESTOPPED : TS_EIO);
		assert_int_equal(g.done, 0);
		assert_int_equal(g.tokens[0].len, 5);
		assert_memory_equal(g.tokens[0].data, whole.ids.data, 5 * sizeof(int32_t));
		release(&g);
	}
	/* What was given up is no harm to the next answer. */
	struct feed again = {.turns = &turn, .count = 1, .out = &out};
	assert_int_equal(serve(engine, &again), 0);
	assert_int_equal(out.ids.len, whole.ids.len);
	assert_memory_equal(out.ids.data, whole.ids.data, out.ids.len * sizeof(int32_t));
	engine->close(engine);
	release(&f);
	release(&again);
}

/* One turn, its steps counted: `tick` is called once more than there are steps. */
static void serve_turn(struct ts_responder *engine, const struct turn *t, int probes, struct heard *out)
{
	*out = (struct heard){0};
	struct feed f = {.turns = t, .count = 1, .out = out, .probe_count = probes};
	assert_int_equal(serve(engine, &f), 0);
	out->steps = f.ticks - 1;
	ts_vec_release(&f.tokens[0]);
}

static void assert_same(const struct heard *a, const struct heard *b)
{
	assert_int_equal(a->ids.len, b->ids.len);
	assert_memory_equal(a->ids.data, b->ids.data, a->ids.len * sizeof(int32_t));
	assert_int_equal(a->finish, b->finish);
	assert_memory_equal(a->probes, b->probes, sizeof(a->probes));
}

static size_t chunks(size_t tokens)
{
	return (tokens + CHUNK - 1) / CHUNK;
}

/* The engine that keeps against one opened for this turn alone; returns the answer's ids appended to the prompt. `known` positions are
 * expected not to be computed again. */
static void check_turn(const struct rig *rig, struct ts_responder *keeping, struct turn *t, size_t known, enum ts_dtype kv)
{
	struct heard kept, fresh;
	struct ts_responder *engine = open_engine(rig, 1, false, 0, kv);
	serve_turn(keeping, t, 0, &kept);
	serve_turn(engine, t, 0, &fresh);
	assert_same(&kept, &fresh);
	assert_int_equal(fresh.steps - kept.steps, chunks(t->len) - chunks(t->len - known));
	for (size_t i = 0; i < kept.ids.len; i++)
		t->prompt[t->len++] = kept.ids.data[i];
	ts_vec_release(&kept.ids);
	ts_vec_release(&fresh.ids);
	/* The logits after prompt and answer, with all but the last position known. */
	serve_turn(keeping, t, 4, &kept);
	serve_turn(engine, t, 4, &fresh);
	assert_memory_equal(kept.probes, fresh.probes, sizeof(kept.probes));
	assert_int_equal(kept.steps, 1);
	engine->close(engine);
}

static void check_conversation(const struct rig *rig, enum ts_dtype kv)
{
	static struct turn t;
	struct ts_responder *keeping = open_engine(rig, 1, true, 0, kv);
	t.len = 150;
	random_ids(t.prompt, t.len, "first");
	check_turn(rig, keeping, &t, 0, kv);
	size_t known = t.len;
	random_ids(t.prompt + t.len, 50, "second"); /* a further turn */
	t.len += 50;
	check_turn(rig, keeping, &t, known, kv);
	random_ids(t.prompt + 70, 100, "third"); /* an earlier turn rewritten, inside a page */
	t.len = 170;
	check_turn(rig, keeping, &t, 70, kv);
	t.len = 130; /* cut short: all but the last token is known */
	check_turn(rig, keeping, &t, 129, kv);
	random_ids(t.prompt, 90, "other"); /* nothing in common */
	t.len = 90;
	check_turn(rig, keeping, &t, 0, kv);
	keeping->close(keeping);
}

static void test_reuse(void **state)
{
	check_conversation(*state, TS_F32);
	check_conversation(*state, TS_BF16);
}

/* Several places over few pages: what is kept for later is given up for those that need it. Gives the answers to the last round. */
static void check_starved(const struct rig *rig, struct heard fresh[8])
{
	static struct turn turns[8];
	struct heard kept[8], alone[8];
	for (size_t i = 0; i < 8; i++) {
		char name[8];
		turns[i].len = 100 + 20 * i;
		random_ids(turns[i].prompt, 60, "common");
		snprintf(name, sizeof(name), "s%zu", i);
		random_ids(turns[i].prompt + 60, turns[i].len - 60, name);
	}
	struct ts_responder *keeping = open_engine(rig, 4, true, 7, TS_F32), *plain = open_engine(rig, 4, false, 0, TS_F32),
			    *single = open_engine(rig, 1, true, 0, TS_F32);
	for (int round = 0; round < 2; round++) {
		memset(kept, 0, sizeof(kept));
		memset(alone, 0, sizeof(alone));
		memset(fresh, 0, 8 * sizeof(*fresh));
		struct feed f = {.turns = turns, .count = 8, .out = kept}, g = {.turns = turns, .count = 8, .out = fresh},
			    h = {.turns = turns, .count = 8, .out = alone};
		assert_int_equal(serve(keeping, &f), 0);
		assert_int_equal(serve(plain, &g), 0);
		assert_int_equal(serve(single, &h), 0);
		for (size_t i = 0; i < 8; i++) {
			assert_same(&kept[i], &fresh[i]);
			assert_same(&alone[i], &fresh[i]);
		}
		release(&f);
		release(&h);
		if (round)
			release_tokens(&g);
		else
			release(&g);
	}
	keeping->close(keeping);
	plain->close(plain);
	single->close(single);
}

static void test_reuse_starved(void **state)
{
	struct heard answers[8];
	check_starved(*state, answers);
	for (size_t i = 0; i < 8; i++)
		ts_vec_release(&answers[i].ids);
}

/* Dynamic positions turn by the length of the text: not one answer may depend on neighbours, kept keys or pages given up. The shortest
 * prompts stay inside the first context, and some begin inside and end beyond it. */
static void test_dynamic(void **state)
{
	struct rig rig;
	struct heard stretched[8], plain[8];
	size_t differ = 0;
	open_rig(&rig, TS_ISA_AUTO, 2,
		 json_pack("{s:i, s:{s:s, s:f}}", "max_position_embeddings", 128, "rope_scaling", "type", "dynamic", "factor", 4.0));
	assert_int_equal(ts_model_config(rig.model)->max_positions, 512);
	check_starved(&rig, stretched);
	check_starved(*state, plain);
	for (size_t i = 0; i < 8; i++) {
		bool same = stretched[i].ids.len == plain[i].ids.len &&
			    !memcmp(stretched[i].ids.data, plain[i].ids.data, plain[i].ids.len * sizeof(int32_t));
		assert_true(i || same); /* 100 tokens and an answer of at most 24 */
		differ += !same;
		ts_vec_release(&stretched[i].ids);
		ts_vec_release(&plain[i].ids);
	}
	assert_true(differ > 0);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),        cmocka_unit_test(test_stop_inside), cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_reuse_starved), cmocka_unit_test(test_dynamic),
	};
	return cmocka_run_group_tests(tests, open_student, close_student);
}
