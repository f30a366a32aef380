/* thinksafe pull: a model of the hub into the cache. The plan is shown first; the path at the end is all that goes to standard output. */
#include "checkpoint/hub.h"
#include "cli/hub.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "core/json.h"

#include <stdio.h>
#include <string.h>

struct pull {
	struct ts_session session;
	struct ts_hub_environment environment;
	struct ts_hub hub;
	struct ts_hub_id id;
	struct ts_hub_plan plan;
	const char *revision, *cache;
	TS_VEC(const char *) names; /* --file */
	size_t retries, timeout;
	bool check, dry_run;
};

static int add_name(void *user, const char *name, const char *text, struct ts_error *err)
{
	struct pull *p = user;
	(void)name;
	return ts_vec_push(&p->names, text) ? ts_fail_memory(err) : 0;
}

/* The one word, with --revision and --file. */
static int read_id(struct pull *p, const char *word)
{
	struct ts_session *s = &p->session;
	struct ts_hub_id parts;
	struct ts_str whole = {0};
	if (ts_hub_id_parse(&p->id, word, &s->err))
		return ts_session_wrong(s, "%s", s->err.message);
	if (p->revision && strchr(word, '@'))
		return ts_session_wrong(s, "the revision is given twice: %s and --revision %s", word, p->revision);
	if (p->names.len && *p->id.file)
		return ts_session_wrong(s, "a file is given twice: %s and --file %s", word, p->names.data[0]);
	int status = ts_str_printf(&whole, "%s@%s", p->id.repo, p->revision ? p->revision : p->id.revision) ? ts_fail_memory(&s->err) : 0;
	if (!status && p->names.len == 1 && ts_str_printf(&whole, ":%s", p->names.data[0]))
		status = ts_fail_memory(&s->err);
	if (!status && *p->id.file && ts_str_printf(&whole, ":%s", p->id.file))
		status = ts_fail_memory(&s->err);
	if (!status && ts_hub_id_parse(&parts, whole.data, &s->err))
		status = ts_session_wrong(s, "%s", s->err.message);
	if (!status)
		p->id = parts;
	ts_str_release(&whole);
	return status;
}

static int open_hub(struct pull *p)
{
	struct ts_session *s = &p->session;
	if (!p->timeout || p->timeout > 3600)
		return ts_session_wrong(s, "--timeout: expected 1 to 3600 seconds, found %zu", p->timeout);
	if (p->retries > 1000)
		return ts_session_wrong(s, "--retries: expected at most 1000, found %zu", p->retries);
	if (p->cache && !*p->cache)
		return ts_session_wrong(s, "--cache: expected a folder");
	TS_TRY(ts_hub_environment_read(&p->environment, &s->err));
	p->hub = (struct ts_hub){.endpoint = p->environment.endpoint.data,
				 .cache = p->cache ? p->cache : p->environment.cache.data,
				 .token = p->environment.token.len ? p->environment.token.data : NULL,
				 .user_agent = "thinksafe/" TS_VERSION,
				 .retries = p->retries,
				 .timeout = (unsigned)p->timeout};
	if (p->hub.token && !strncmp(p->hub.endpoint, "http://", 7))
		ts_log(&s->context, TS_LOG_WARN, "HF_ENDPOINT is %s: the token goes there without encryption", p->hub.endpoint);
	return 0;
}

/* --- what is shown --- */

static void show_file(const struct ts_hub_file *f, FILE *to)
{
	char size[24], there[24];
	ts_format_bytes((double)f->size, size);
	ts_format_bytes((double)f->there, there);
	fprintf(to, "  %-36s %9s", f->name, size);
	if (f->state == TS_HUB_PART)
		fprintf(to, "  %s of it there\n", there);
	else
		fputs(f->state == TS_HUB_THERE ? "  there\n" : "\n", to);
}

static void show_plan(const struct pull *p, FILE *to)
{
	const struct ts_hub_plan *plan = &p->plan;
	char bytes[24], missing[24], room[24];
	ts_format_bytes((double)plan->bytes, bytes);
	ts_format_bytes((double)plan->missing, missing);
	ts_format_bytes((double)plan->room, room);
	fprintf(to, "%s, revision %s, commit %.12s\n", plan->id.repo, plan->id.revision, plan->commit);
	for (size_t i = 0; i < plan->files.len; i++)
		show_file(&plan->files.data[i], to);
	fprintf(to, "%zu file%s, %s: %s to fetch into %s, where %s are free\n", plan->files.len, plan->files.len == 1 ? "" : "s", bytes,
		plan->missing ? missing : "nothing", p->hub.cache, room);
}

static json_t *files_json(const struct pull *p)
{
	static const char *const states[] = {[TS_HUB_ABSENT] = "missing", [TS_HUB_PART] = "partial", [TS_HUB_THERE] = "cached"};
	json_t *list = json_array();
	for (size_t i = 0; i < p->plan.files.len; i++) {
		const struct ts_hub_file *f = &p->plan.files.data[i];
		const char *kind = strlen(f->hash) == 64 ? "sha256" : "git_sha1";
		const char *state = p->dry_run || f->state == TS_HUB_THERE ? states[f->state] : "downloaded";
		if (json_array_append_new(list, json_pack("{s:s,s:I,s:s,s:s,s:I}", "file", f->name, "bytes", (json_int_t)f->size, kind,
							  f->hash, "state", state, "bytes_there", (json_int_t)f->there))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* `path` is NULL for a plan. */
static int print_json(struct pull *p, const char *path)
{
	struct ts_str text = {0};
	const struct ts_hub_plan *plan = &p->plan;
	json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:I,s:o}", "repository", plan->id.repo, "revision", plan->id.revision, "commit",
			      plan->commit, "bytes", (json_int_t)plan->bytes, p->dry_run ? "bytes_missing" : "bytes_fetched",
			      (json_int_t)plan->missing, "files", files_json(p));
	bool failed = !o || (path && json_object_set_new(o, "path", json_string(path))) || ts_json_dump(o, &text);
	if (!failed)
		printf("%s\n", ts_str_c(&text));
	json_decref(o);
	ts_str_release(&text);
	return failed ? ts_fail_memory(&p->session.err) : 0;
}

/* --- the command --- */

/* HF_HUB_OFFLINE: what is there, or an error; nobody is asked. */
static int find_offline(struct pull *p)
{
	struct ts_session *s = &p->session;
	struct ts_str path = {0};
	char commit[41];
	int status = 0;
	if (p->dry_run || p->check || p->session.json)
		return ts_session_wrong(s, "HF_HUB_OFFLINE is set: --dry-run, --check and --json need the hub");
	for (size_t i = 0; i < p->names.len && !status; i++) {
		struct ts_hub_id id = p->id;
		ts_str_clear(&path);
		snprintf(id.file, sizeof(id.file), "%s", p->names.data[i]);
		status = ts_hub_find(p->hub.cache, &id, &path, commit, &s->err);
	}
	ts_str_clear(&path);
	if (!status)
		status = ts_hub_find(p->hub.cache, &p->id, &path, commit, &s->err);
	if (!status && !p->names.len)
		status = ts_hub_check_whole(path.data, &s->err);
	if (!status) {
		ts_log(&s->context, TS_LOG_INFO, "HF_HUB_OFFLINE is set: commit %.12s as it is in the cache", commit);
		printf("%s\n", path.data);
	}
	ts_str_release(&path);
	return status ? ts_fail_within(&s->err, status, "HF_HUB_OFFLINE is set") : 0;
}

static int pull(struct pull *p)
{
	struct ts_session *s = &p->session;
	struct ts_str path = {0};
	TS_TRY(ts_hub_plan(&p->plan, &p->hub, &p->id, p->names.data, p->names.len, &s->context, &s->err));
	if (p->dry_run && s->json)
		return print_json(p, NULL);
	if (p->dry_run || !s->quiet)
		show_plan(p, p->dry_run ? stdout : stderr);
	TS_TRY(ts_hub_check_room(&p->plan, &p->hub, &s->err));
	if (p->dry_run)
		return 0;
	int status = ts_hub_pull(&p->plan, &p->hub, p->check, &s->context, &path, &s->err);
	ts_terminal_close_line();
	if (!status && s->json)
		status = print_json(p, path.data);
	else if (!status)
		printf("%s\n", path.data);
	ts_str_release(&path);
	return status;
}

static int run(struct pull *p, const char *word)
{
	TS_TRY(read_id(p, word));
	TS_TRY(open_hub(p));
	if (p->environment.offline)
		return find_offline(p);
	p->session.resumable = true;
	int status = pull(p);
	if (status == TS_ESTOPPED)
		return ts_fail(&p->session.err, status, "what has arrived is kept; the same command goes on");
	return status;
}

int ts_command_pull(const struct ts_command *command, int argc, char **argv)
{
	struct pull p = {.retries = 5, .timeout = 30};
	struct ts_session *s = &p.session;
	ts_session_init(s);
	int words;
	const struct ts_option options[] = {
		{"revision", "NAME", "branch, tag or commit (main); also ORG/NAME@REVISION", TS_OPT_TEXT, &p.revision, NULL},
		{"file", "NAME", "this file alone, such as a GGUF file (may be repeated)", TS_OPT_EACH, &p, add_name},
		{"cache", "DIR", "of the hub (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub)", TS_OPT_TEXT, &p.cache, NULL},
		{"dry-run", NULL, "show files, sizes and free space, and stop", TS_OPT_FLAG, &p.dry_run, NULL},
		{"check", NULL, "hash the files that are there too, and fetch damaged ones again", TS_OPT_FLAG, &p.check, NULL},
		{"retries", "N", "after a cut, silence, 429 or 5xx: so many in a row without progress (5)", TS_OPT_COUNT, &p.retries, NULL},
		{"timeout", "SECONDS", "of silence, or of under 1 KiB/s, until the connection is given up (30)", TS_OPT_COUNT, &p.timeout,
		 NULL},
		{"json", NULL, "one JSON object with files, sizes and hashes instead of the path", TS_OPT_FLAG, &s->json, NULL},
		{"quiet", NULL, "no plan, no progress", TS_OPT_FLAG, &s->quiet, NULL},
	};
	int code = ts_session_parse(s, command, options, sizeof(options) / sizeof(options[0]), argc, argv, &words);
	if (code < 0 && words != 1)
		code = ts_session_fail(s, ts_session_wrong(s, "expected one argument, ORG/NAME; found %d", words));
	if (code < 0)
		code = ts_session_fail(s, run(&p, argv[0]));
	ts_hub_plan_release(&p.plan);
	ts_hub_environment_release(&p.environment);
	ts_vec_release(&p.names);
	ts_session_close(s);
	return code;
}
