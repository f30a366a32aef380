/* Another run's responses, used again: `before: RUN`, and `eval --from RUN`.
 *
 * A response is found by its key (seed, purpose, rendered text, try), so it is the one that this run would sample if model, sampling and
 * numerics are the same: those are compared by name before anything is taken, and so is the length of each response. Guards' verdicts come along
 * where the guard is the same; graders' never, they are cheap and this program's own. All of it is copied into this run's journal, which then
 * does not need the other run any more. */
#include "run/internal.h"

#include "core/file.h"
#include "core/map.h"

#include <string.h>
#include <sys/stat.h>

/* What a judge's verdicts depend on, by the names of identity.c. Those of a part begin with the judge's name (run/parts.h). */
static const struct {
	const char *judge;
	const char *identity[2];
} judges[] = {
	{TS_JUDGE_REFUSAL, {"refusal judge", "the refusal judge's tokenizer and template"}}, /* before the name that it begins with */
	{TS_JUDGE_GUARD, {"guard", "the guard's tokenizer and template"}},
	{TS_JUDGE_WILDGUARD, {"guard", "the guard's tokenizer and template"}},
	{TS_JUDGE_KEYWORDS, {"refusal phrases", NULL}},
};

static int differs(const struct ts_run *r, const char *what, const char *expected, const char *found, struct ts_error *err)
{
	const struct ts_run_source *s = &r->source;
	int most = strlen(expected) == 64 || strlen(found) == 64 ? 12 : 60; /* of hashes the beginning */
	return ts_fail(err, TS_EMISMATCH, "%s: %s: %s: expected %.*s as in this run, found %.*s", s->door, s->name, what, most, expected,
		       most, found);
}

/* --- the other run --- */

static int path_in(const struct ts_run_source *s, const char *name, char path[4096], struct ts_error *err)
{
	int n = snprintf(path, 4096, "%s/%s", s->dir, name);
	return n < 0 || n >= 4096 ? ts_fail(err, TS_ELIMIT, "%s: the path is too long", s->dir) : 0;
}

static bool same_folder(const char *a, const char *b)
{
	struct stat x, y;
	return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What is told of its samples is true only for the recipe that they were made with. */
static int check_recipe(struct ts_run_source *s, const char *path, struct ts_error *err)
{
	char hash[65];
	struct ts_str known = {0};
	bool found;
	TS_TRY(ts_recipe_hash(&s->recipe, hash, err));
	int status = ts_store_get_meta(s->store, "recipe", &known, &found, err);
	if (!status && !found)
		status = ts_fail(err, TS_ENOTFOUND, "%s: %s: its journal names no recipe: the run never began", s->door, s->name);
	else if (!status && strcmp(ts_str_c(&known), hash))
		status = ts_fail(err, TS_EMISMATCH, "%s: %s: expected the recipe that the run began with (%.12s), found another (%.12s)",
				 s->door, path, ts_str_c(&known), hash);
	ts_str_release(&known);
	return status;
}

static int open_source(struct ts_run *r, struct ts_error *err)
{
	struct ts_run_source *s = &r->source;
	char path[4096];
	if (same_folder(s->dir, r->dir))
		return ts_fail(err, TS_EINVAL, "%s: %s: expected another run, found this one", s->door, s->name);
	if (!ts_dir_exists(s->dir))
		return ts_fail(err, TS_ENOTFOUND, "%s: %s: expected the folder of a run, found %s", s->door, s->name,
			       ts_file_exists(s->dir) ? "a file" : "nothing");
	TS_TRY(path_in(s, "journal.db", path, err));
	int status = ts_store_open_read(&s->store, path, err);
	if (status)
		return ts_fail_within(err, status, "%s", s->door);
	TS_TRY(path_in(s, "recipe.yaml", path, err));
	status = ts_recipe_load(&s->recipe, path, err);
	if (status)
		return ts_fail_within(err, status, "%s", s->door);
	s->has_recipe = true;
	return check_recipe(s, path, err);
}

int ts_run_open_source(struct ts_run *r, const char *door, const char *name, const char *dir, struct ts_error *err)
{
	struct ts_str earlier = {0};
	bool done;
	TS_TRY(ts_store_get_meta(r->store, door, &earlier, &done, err));
	ts_str_release(&earlier);
	if (done) /* all that there was is in this run's own journal */
		return 0;
	r->source = (struct ts_run_source){.door = door, .name = name, .dir = dir};
	return open_source(r, err);
}

void ts_run_close_source(struct ts_run *r)
{
	if (r->source.store)
		ts_store_close(r->source.store, NULL);
	if (r->source.has_recipe)
		ts_recipe_release(&r->source.recipe);
	r->source = (struct ts_run_source){0};
}

/* --- is it the same? --- */

/* Both runs' texts under a name; "" where there is none. */
static int identities(struct ts_run *r, const char *name, struct ts_str *own, struct ts_str *other, struct ts_error *err)
{
	bool found;
	ts_str_clear(own);
	ts_str_clear(other);
	const char *noted = json_string_value(json_object_get(r->notes, name));
	TS_TRY(ts_store_get_meta(r->source.store, name, other, &found, err));
	if (noted)
		return ts_str_puts(own, noted) ? ts_fail_memory(err) : 0;
	return ts_store_get_meta(r->store, name, own, &found, err);
}

static int check_identity(struct ts_run *r, const char *name, const char *missing, struct ts_str *own, struct ts_str *other,
			  struct ts_error *err)
{
	TS_TRY(identities(r, name, own, other, err));
	const char *expected = own->len ? own->data : missing, *found = other->len ? other->data : missing;
	return strcmp(expected, found) ? differs(r, name, expected, found, err) : 0;
}

/* A set that both runs know by this name must be the same file; sets of the other run alone do not matter. */
static int check_sets(struct ts_run *r, struct ts_str *own, struct ts_str *other, struct ts_error *err)
{
	for (size_t i = 0; i < r->evals.len; i++) {
		char name[160];
		ts_run_set_identity(&r->evals.data[i], name);
		TS_TRY(identities(r, name, own, other, err));
		if (other->len && strcmp(ts_str_c(own), other->data))
			return differs(r, name, ts_str_c(own), other->data, err);
	}
	return 0;
}

static int check_settings(struct ts_run *r, struct ts_error *err)
{
	static const char *const names[] = {"seed",   "sampling.temperature", "sampling.top_p", "sampling.top_k", "numerics", "kv_dtype",
					    "weights"};
	json_t *own = NULL, *other = NULL;
	int status = ts_recipe_settings(r->recipe, &own, err);
	if (!status)
		status = ts_recipe_settings(&r->source.recipe, &other, err);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !status; i++) {
		const char *a = json_string_value(json_object_get(own, names[i])), *b = json_string_value(json_object_get(other, names[i]));
		if (strcmp(a, b))
			status = differs(r, names[i], a, b, err);
	}
	json_decref(own);
	json_decref(other);
	return status;
}

/* A cut response is another one where the cut is another; one that ended on its own is the same wherever a cut would have been. */
static int check_length(struct ts_run *r, const struct ts_run_eval *e, const struct ts_prompt *p, const struct ts_sample *s,
			struct ts_error *err)
{
	size_t limit = ts_run_new_tokens(r, p), tokens = (size_t)s->tokens;
	bool cut = !strcmp(s->finish, "length");
	if (cut ? tokens == limit : tokens <= limit)
		return 0;
	return ts_fail(err, TS_EMISMATCH, "%s: %s: max_new_tokens: expected %zu as in this run, found a response%s of %zu (%s, prompt %zu)",
		       r->source.door, r->source.name, limit, cut ? " cut at the end" : "", tokens, e->recipe->name, p->number);
}

/* Of one set and stage: how many of its samples are there. */
static int count_set(struct ts_run *r, const struct ts_run_eval *e, const char *stage, size_t *there, struct ts_error *err)
{
	*there = 0;
	for (size_t i = 0; i < e->set.items.len; i++) {
		struct ts_sample s;
		bool found;
		TS_TRY(ts_store_get_sample(r->source.store, stage, e->prompts[i].name, &s, &found, err));
		int status = found ? check_length(r, e, &e->prompts[i], &s, err) : 0;
		ts_sample_release(&s);
		TS_TRY(status);
		*there += found;
	}
	return 0;
}

int ts_run_count_source(struct ts_run *r, const char *stage, size_t *there, size_t *of, struct ts_error *err)
{
	*there = *of = 0;
	for (size_t i = 0; i < r->evals.len; i++) {
		size_t n;
		TS_TRY(count_set(r, &r->evals.data[i], stage, &n, err));
		*there += n;
		*of += r->evals.data[i].set.items.len;
	}
	return 0;
}

/* Responses that were taken from elsewhere do not say which adapter they are of. */
static int check_use(struct ts_run *r, struct ts_str *use, struct ts_error *err)
{
	bool found;
	TS_TRY(ts_store_get_meta(r->source.store, "use", use, &found, err));
	if (found && !strcmp(ts_str_c(use), TS_RUN_USE_FROM))
		return ts_fail(err, TS_EMISMATCH, "%s: %s: expected a whole run or an evaluation, found " TS_RUN_USE_FROM, r->source.door,
			       r->source.name);
	return 0;
}

int ts_run_check_source(struct ts_run *r, bool adapter, struct ts_error *err)
{
	struct ts_str own = {0}, other = {0};
	size_t there, of;
	if (!r->source.store)
		return 0;
	int status = adapter ? check_use(r, &other, err) : 0;
	if (!status)
		status = check_settings(r, err);
	if (!status)
		status = check_identity(r, "model", "none", &own, &other, err);
	if (!status)
		status = check_identity(r, "tokenizer and template", "none", &own, &other, err);
	if (!status && adapter) /* a whole run names none: its evaluation before training has none */
		status = check_identity(r, "adapter", "none", &own, &other, err);
	if (!status && adapter)
		status = check_identity(r, "the adapter's configuration", "none", &own, &other, err);
	if (!status)
		status = check_sets(r, &own, &other, err);
	if (!status)
		status = ts_run_count_source(r, "before", &there, &of, err);
	if (!status && !there && of)
		status = ts_fail(err, TS_EMISMATCH, "%s: %s: prompts: expected responses to this run's %zu, found none", r->source.door,
				 r->source.name, of);
	ts_str_release(&own);
	ts_str_release(&other);
	return status;
}

/* --- what is taken --- */

static int same_judge(struct ts_run *r, size_t j, bool *same, struct ts_error *err)
{
	struct ts_str own = {0}, other = {0};
	int status = 0;
	*same = true;
	for (size_t i = 0; i < 2 && judges[j].identity[i] && !status; i++) {
		status = identities(r, judges[j].identity[i], &own, &other, err);
		*same = *same && !strcmp(ts_str_c(&own), ts_str_c(&other));
	}
	ts_str_release(&own);
	ts_str_release(&other);
	return status;
}

/* Whether the judge's verdicts of the other run are those that it would give here. */
static int is_taken(struct ts_run *r, const char *judge, bool *taken, struct ts_error *err)
{
	*taken = false;
	for (size_t j = 0; j < sizeof(judges) / sizeof(*judges); j++)
		if (!strncmp(judges[j].judge, judge, strlen(judges[j].judge)))
			return same_judge(r, j, taken, err);
	return 0;
}

int ts_run_source_has(struct ts_run *r, const char *stage, const char *key, const char *judge, bool *found, struct ts_error *err)
{
	struct ts_sample s;
	struct ts_verdict v;
	*found = false;
	if (!r->source.store || strcmp(stage, "before"))
		return 0;
	if (!judge) {
		TS_TRY(ts_store_get_sample(r->source.store, stage, key, &s, found, err));
		ts_sample_release(&s);
		return 0;
	}
	TS_TRY(is_taken(r, judge, found, err));
	if (*found)
		TS_TRY(ts_store_get_verdict(r->source.store, stage, key, judge, &v, found, err));
	if (*found) {
		*found = strcmp(v.verdict, "unjudged") != 0;
		ts_verdict_release(&v);
	}
	return 0;
}

struct copying {
	struct ts_run *r;
	const char *stage, *key;
	uint64_t samples, verdicts, refusals; /* refusals: verdicts of the refusal judge */
};

/* What could not be judged may be judged here. */
static int copy_verdict(void *user, const char *judge, const struct ts_verdict *v, struct ts_error *err)
{
	struct copying *c = user;
	bool taken, added;
	TS_TRY(is_taken(c->r, judge, &taken, err));
	if (!taken || !strcmp(v->verdict, "unjudged"))
		return 0;
	TS_TRY(ts_store_put_verdict(c->r->store, c->stage, c->key, judge, v, &added, err));
	*(strcmp(judge, TS_JUDGE_REFUSAL) ? &c->verdicts : &c->refusals) += added;
	return 0;
}

static int copy_sample(struct copying *c, struct ts_error *err)
{
	struct ts_sample s;
	bool found, added;
	TS_TRY(ts_store_get_sample(c->r->source.store, c->stage, c->key, &s, &found, err));
	if (!found)
		return 0;
	int status = ts_store_put_sample(c->r->store, c->stage, c->key, &s, &added, err);
	ts_sample_release(&s);
	TS_TRY(status);
	c->samples += added;
	return ts_store_each_verdict(c->r->source.store, c->stage, c->key, copy_verdict, c, err);
}

int ts_run_copy_source(struct ts_run *r, const char *stage, struct ts_error *err)
{
	struct copying c = {.r = r, .stage = stage};
	if (!r->source.store)
		return 0;
	for (size_t i = 0; i < r->evals.len; i++)
		for (size_t k = 0; k < r->evals.data[i].set.items.len; k++) {
			c.key = r->evals.data[i].prompts[k].name;
			TS_TRY(copy_sample(&c, err));
		}
	ts_log(r->context, TS_LOG_INFO, "%s: %s: %llu responses %s training and %llu verdicts of them are used again", r->source.door,
	       r->source.name, (unsigned long long)c.samples, stage, (unsigned long long)(c.verdicts + c.refusals));
	TS_TRY(ts_run_note_taken(r, "evaluate", stage, c.samples, err));
	TS_TRY(ts_run_note_taken(r, "judge", stage, c.verdicts, err));
	return ts_run_note_taken(r, "refusals", stage, c.refusals, err);
}

/* From here on the other run may go. */
int ts_run_end_source(struct ts_run *r, struct ts_error *err)
{
	if (!r->source.store)
		return 0;
	TS_TRY(ts_store_put_meta(r->store, r->source.door, r->source.name, err));
	TS_TRY(ts_store_flush(r->store, err));
	ts_run_close_source(r);
	return 0;
}
