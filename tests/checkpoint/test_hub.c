/* Hub ids, the choice of files, what is found in a cache, and a download in which every allocation fails once. What a hub may do wrong is
 * in tests/e2e/pull.sh. */
#include "torture.h"

#include "checkpoint/hub_internal.h"

#include "scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_ids(void **state)
{
	static const struct {
		const char *text, *repo, *revision, *file, *printed;
	} good[] = {
		{"Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", "main", "", "Qwen/Qwen3-0.6B"},
		{"a/b@main", "a/b", "main", "", "a/b"},
		{"a_1/b.c@refs/pr/1", "a_1/b.c", "refs/pr/1", "", "a_1/b.c@refs/pr/1"},
		{"a/b:x y.gguf", "a/b", "main", "x y.gguf", "a/b:x y.gguf"},
		{"a/b@v1:sub/x.gguf", "a/b", "v1", "sub/x.gguf", "a/b@v1:sub/x.gguf"},
	};
	static const char *const bad[] = {
		"",        "a",         "a/",         "/a",           "a/b/c",    "../b",       "a/..",     "a--b/c",   "a/b--c",
		".a/b",    "a/b.",      "-a/b",       "a/b-",         "a b/c",    "a/b@",       "a/b@../x", "a/b@a//b", "a/b@/x",
		"a/b@x y", "a/b:",      "a/b:../x",   "a/b:/x",       "a/b:x//y", "a/b@x^",     "./a/b",    "a/b:x\ny", "a\\b/c",
		"a/b@.",   "C:/models", "http://a/b", "a/b:x\\..\\y", "~/b",      "a/\xc3\xa9",
	};
	struct ts_hub_id id;
	struct ts_str text = {0};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(ts_hub_id_parse(&id, good[i].text, NULL), 0);
		assert_string_equal(id.repo, good[i].repo);
		assert_string_equal(id.revision, good[i].revision);
		assert_string_equal(id.file, good[i].file);
		ts_str_clear(&text);
		assert_int_equal(ts_hub_id_print(&id, &text), 0);
		assert_string_equal(text.data, good[i].printed);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (ts_hub_id_parse(&id, bad[i], NULL) != TS_EINVAL)
			fail_msg("\"%s\" is taken for a hub id", bad[i]);
	char many[200];
	memset(many, 'a', sizeof(many));
	memcpy(many + 90, "/bbbbb", 6);
	many[97] = '\0';
	assert_int_equal(ts_hub_id_parse(&id, many, NULL), TS_EINVAL);
	many[96] = '\0';
	assert_int_equal(ts_hub_id_parse(&id, many, NULL), 0);
	ts_str_release(&text);
}

/* Words with spaces between, into a set. */
static struct ts_map set_of(const char *words)
{
	struct ts_map set = {0};
	for (const char *p = words; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		assert_int_equal(ts_map_put(&set, p, n, 0), 0);
		p += n;
	}
	return set;
}

static void expect_choice(const char *files, const char *wanted, bool wanted_index)
{
	struct ts_map there = set_of(files), chosen = {0};
	struct ts_str text = {0};
	struct ts_error err = {0};
	bool index;
	int status = hub_choose(&there, NULL, 0, "a/b", &chosen, &index, &err);
	for (size_t i = 0; i < chosen.entries.len; i++)
		assert_int_equal(ts_str_printf(&text, "%s%s", i ? " " : "", chosen.entries.data[i].key), 0);
	if (!wanted) {
		assert_int_equal(status, TS_ENOTFOUND);
	} else {
		assert_int_equal(status, 0);
		assert_string_equal(ts_str_c(&text), wanted);
		assert_int_equal(index, wanted_index);
	}
	ts_str_release(&text);
	ts_map_release(&there);
	ts_map_release(&chosen);
}

static void test_choice(void **state)
{
	expect_choice("README.md model.safetensors config.json pytorch_model.bin onnx/model.safetensors x.gguf tokenizer.json",
		      "config.json tokenizer.json model.safetensors", false);
	expect_choice("config.json " HUB_INDEX " model-00001-of-00002.safetensors consolidated.safetensors", "config.json " HUB_INDEX,
		      true);
	expect_choice("config.json " HUB_INDEX " model.safetensors", "config.json model.safetensors", false);
	expect_choice("adapter_config.json adapter_model.safetensors adapter_model.bin", "adapter_config.json adapter_model.safetensors",
		      false);
	expect_choice("adapter_config.json adapter_model.safetensors config.json model.safetensors",
		      "config.json adapter_config.json adapter_model.safetensors model.safetensors", false);
	expect_choice("config.json pytorch_model.bin", NULL, false);
	expect_choice("x.gguf y.gguf", NULL, false);
	expect_choice("", NULL, false);
}

static int shards(const char *index, struct ts_map *chosen, struct ts_error *err)
{
	struct ts_map there = set_of("a.safetensors b.safetensors");
	json_t *value = NULL;
	int status = ts_json_parse(index, strlen(index), "index", &value, err);
	assert_int_equal(status, 0);
	status = hub_choose_shards(value, &there, "a/b", chosen, err);
	json_decref(value);
	ts_map_release(&there);
	return status;
}

static void test_shards(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"weight_map\": []}",
		"{\"weight_map\": {}}",
		"{\"weight_map\": {\"x\": 1}}",
		"{\"weight_map\": {\"x\": \"../a\"}}",
		"{\"weight_map\": {\"x\": \"/a\"}}",
		"{\"weight_map\": {\"x\": \"a.safetensors\\u0000\"}}",
		"{\"weight_map\": {\"x\": \"\"}}",
	};
	struct ts_map chosen = {0};
	struct ts_error err = {0};
	assert_int_equal(
		shards("{\"weight_map\": {\"x\": \"b.safetensors\", \"y\": \"a.safetensors\", \"z\": \"b.safetensors\"}}", &chosen, &err),
		0);
	assert_int_equal(chosen.entries.len, 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (shards(bad[i], &chosen, &err) != TS_EFORMAT)
			fail_msg("%s is taken: %s", bad[i], err.message);
	assert_int_equal(shards("{\"weight_map\": {\"x\": \"c.safetensors\"}}", &chosen, &err), TS_ENOTFOUND);
	ts_map_release(&chosen);
}

/* --- a cache as huggingface_hub leaves it --- */

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void put(const struct scratch *s, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	*strrchr(path, '/') = '\0';
	assert_int_equal(ts_dir_make(path, NULL), 0);
	path[strlen(path)] = '/';
	assert_int_equal(ts_file_write(path, text, strlen(text), NULL), 0);
}

static int find(const struct scratch *s, const char *text, struct ts_str *path, struct ts_error *err)
{
	struct ts_hub_id id;
	char commit[41];
	ts_str_clear(path);
	assert_int_equal(ts_hub_id_parse(&id, text, NULL), 0);
	return ts_hub_find(s->dir, &id, path, commit, err);
}

static void expect_found(const struct scratch *s, const char *id, const char *ending)
{
	struct ts_str path = {0};
	struct ts_error err = {0};
	if (find(s, id, &path, &err))
		fail_msg("%s: %s", id, err.message);
	if (strcmp(path.data + strlen(s->dir), ending) != 0)
		fail_msg("%s is found in %s", id, path.data);
	ts_str_release(&path);
}

static void expect_lost(const struct scratch *s, const char *id, int code, const char *why)
{
	struct ts_str path = {0};
	struct ts_error err = {0};
	assert_int_equal(find(s, id, &path, &err), code);
	if (!strstr(err.message, why))
		fail_msg("%s: \"%s\" is not in: %s", id, why, err.message);
	assert_int_equal(path.len, 0);
	ts_str_release(&path);
}

static int find_it(void *user, struct ts_error *err)
{
	struct ts_str path = {0};
	int status = find(user, "o/gguf", &path, err);
	ts_str_release(&path);
	return status;
}

static void test_finding(void **state)
{
	struct scratch s;
	assert_int_equal(scratch_open(&s), 0);
	expect_lost(&s, "o/m", TS_ENOTFOUND, "thinksafe pull o/m");
	put(&s, "models--o--m/refs/main", COMMIT);
	put(&s, "models--o--m/refs/refs/pr/1", COMMIT "\n");
	expect_lost(&s, "o/m", TS_ENOTFOUND, "does not hold o/m"); /* a ref, and no snapshot */
	put(&s, "models--o--m/snapshots/" COMMIT "/config.json", "{}");
	expect_found(&s, "o/m", "/models--o--m/snapshots/" COMMIT);
	expect_found(&s, "o/m@refs/pr/1", "/models--o--m/snapshots/" COMMIT);
	expect_found(&s, "o/m@" COMMIT, "/models--o--m/snapshots/" COMMIT);
	expect_found(&s, "o/m:config.json", "/models--o--m/snapshots/" COMMIT "/config.json");
	expect_lost(&s, "o/m:x.gguf", TS_ENOTFOUND, "other files are there");
	expect_lost(&s, "o/m@v1", TS_ENOTFOUND, "other revisions are there");
	put(&s, "models--o--m/refs/bad", "../../..");
	expect_lost(&s, "o/m@bad", TS_EFORMAT, "expected a commit");

	put(&s, "models--o--gguf/refs/main", COMMIT);
	put(&s, "models--o--gguf/snapshots/" COMMIT "/b.gguf", "");
	put(&s, "models--o--gguf/snapshots/" COMMIT "/config.json", "{}");
	expect_found(&s, "o/gguf", "/models--o--gguf/snapshots/" COMMIT "/b.gguf");
	torture(find_it, &s);
	put(&s, "models--o--gguf/snapshots/" COMMIT "/a.gguf", "");
	expect_lost(&s, "o/gguf", TS_EINVAL, "o/gguf:a.gguf");
	expect_found(&s, "o/gguf:b.gguf", "/models--o--gguf/snapshots/" COMMIT "/b.gguf");
	put(&s, "models--o--gguf/snapshots/" COMMIT "/model.safetensors", "");
	expect_found(&s, "o/gguf", "/models--o--gguf/snapshots/" COMMIT);
	scratch_close(&s);
}

static void test_whole(void **state)
{
	struct scratch s;
	assert_int_equal(scratch_open(&s), 0);
	put(&s, "config.json", "{}");
	assert_int_equal(ts_hub_check_whole(s.dir, NULL), TS_ENOTFOUND);
	put(&s, HUB_INDEX, "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}");
	put(&s, "a.safetensors", "");
	assert_int_equal(ts_hub_check_whole(s.dir, NULL), TS_ENOTFOUND);
	put(&s, "b.safetensors", "");
	assert_int_equal(ts_hub_check_whole(s.dir, NULL), 0);
	scratch_close(&s);
}

/* --- a download --- */

struct download {
	struct scratch scratch;
	char endpoint[64], cache[128], root[128];
	pid_t server;
};

static void start_server(struct download *d)
{
	int out[2];
	unsigned port;
	assert_int_equal(pipe(out), 0);
	d->server = fork();
	if (!d->server) {
		dup2(out[1], STDOUT_FILENO);
		close(STDERR_FILENO); /* whoever waits for this test's output does not wait for the server */
		execl(TS_HUB_SERVER, TS_HUB_SERVER, d->root, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	FILE *f = fdopen(out[0], "r");
	assert_int_equal(fscanf(f, "%u", &port), 1);
	(void)fclose(f);
	snprintf(d->endpoint, sizeof(d->endpoint), "http://127.0.0.1:%u", port);
}

static int plan_and_pull(void *user, struct ts_error *err)
{
	struct download *d = user;
	struct ts_hub hub = {.endpoint = d->endpoint, .cache = d->cache, .token = "secret", .user_agent = "test", .timeout = 10};
	struct ts_hub_id id;
	struct ts_hub_plan plan;
	struct ts_str path = {0};
	TS_TRY(ts_path_remove(d->cache, err));
	assert_int_equal(ts_hub_id_parse(&id, "o/m", NULL), 0);
	int status = ts_hub_plan(&plan, &hub, &id, NULL, 0, NULL, err);
	if (!status) {
		status = ts_hub_pull(&plan, &hub, true, NULL, &path, err);
		ts_hub_plan_release(&plan);
	}
	if (!status) {
		char file[300], text[8] = "";
		snprintf(file, sizeof(file), "%s/model-2.safetensors", path.data);
		FILE *f = fopen(file, "r");
		assert_true(f && fread(text, 1, sizeof(text), f) == 3);
		assert_string_equal(text, "two");
		(void)fclose(f);
	}
	ts_str_release(&path);
	return status;
}

static void test_download(void **state)
{
	struct download d = {0};
	assert_int_equal(scratch_open(&d.scratch), 0);
	snprintf(d.root, sizeof(d.root), "%s/hub", d.scratch.dir);
	snprintf(d.cache, sizeof(d.cache), "%s/cache", d.scratch.dir);
	put(&d.scratch, "hub/o/m/config.json", "{}");
	put(&d.scratch, "hub/o/m/tokenizer.json", ""); /* nothing to fetch, and a file all the same */
	put(&d.scratch, "hub/o/m/" HUB_INDEX, "{\"weight_map\": {\"x\": \"model-1.safetensors\", \"y\": \"model-2.safetensors\"}}");
	put(&d.scratch, "hub/o/m/model-1.safetensors", "one");
	put(&d.scratch, "hub/o/m/model-2.safetensors", "two");
	start_server(&d);
	torture(plan_and_pull, &d);
	kill(d.server, SIGTERM);
	waitpid(d.server, NULL, 0);
	scratch_close(&d.scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),     cmocka_unit_test(test_choice), cmocka_unit_test(test_shards),
		cmocka_unit_test(test_finding), cmocka_unit_test(test_whole),  cmocka_unit_test(test_download),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
