/* Interrupted training ends with the same adapter bytes: stopped, killed, with a damaged checkpoint. */
#include "core/file.h"
#include "train/golden_train.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

static struct ts_example rows[GOLDEN_ROWS];
static json_t *values;

static int open_data(void **state)
{
	struct ts_error err = {0};
	char path[600];
	snprintf(path, sizeof(path), "%s/golden/lora/qwen3-r4/goldens.json", TS_SHARED_DIR);
	if (access(path, F_OK))
		return 0; /* each test says what is missing */
	ok(ts_json_load(path, &values, &err));
	golden_examples(values, golden_options().seed, rows);
	return 0;
}

static int close_data(void **state)
{
	release_examples(rows, GOLDEN_ROWS);
	json_decref(values);
	return 0;
}

static struct ts_train_options options(const char *dir)
{
	struct ts_train_options o = golden_options();
	o.checkpoint_dir = dir;
	o.max_rows = 100;
	return o;
}

struct warnings {
	int count;
	char last[1024];
};

static void note_warning(void *user, enum ts_log_level level, const char *message)
{
	struct warnings *w = user;
	if (level != TS_LOG_WARN)
		return;
	w->count++;
	snprintf(w->last, sizeof(w->last), "%s", message);
}

/* One call of ts_train on a fresh student; its parameters in *params (freed by the caller, may be NULL). */
static int train(const struct ts_train_options *o, size_t stop_after, struct steps_seen *seen, struct warnings *w, float **params,
		 struct ts_error *err)
{
	struct steps_seen unused;
	struct warnings silent = {0};
	seen = seen ? seen : &unused;
	*seen = (struct steps_seen){.stop_after = stop_after};
	struct ts_context context = {.user = w ? w : &silent, .log = note_warning, .stop = &seen->stop};
	struct student s = student_open("qwen3", 4, 1);
	s.adapter->config.dropout = 0.1;
	int status = ts_train(s.model, s.adapter, rows, GOLDEN_ROWS, o, &context,
			      &(struct ts_train_hooks){.user = seen, .step = record_step}, err);
	if (params) {
		*params = malloc(s.adapter->count * sizeof(float));
		memcpy(*params, s.adapter->params, s.adapter->count * sizeof(float));
	}
	student_close(&s);
	return status;
}

static size_t parameter_count(void)
{
	struct student s = student_open("qwen3", 4, 1);
	size_t n = s.adapter->count;
	student_close(&s);
	return n;
}

static float *uninterrupted(struct steps_seen *seen)
{
	struct ts_train_options o = options(NULL);
	struct ts_error err = {0};
	float *params;
	ok(train(&o, 0, seen, NULL, &params, &err));
	return params;
}

static void expect_same(const float *a, const float *b, const char *what, size_t step)
{
	if (memcmp(a, b, parameter_count() * sizeof(float)))
		fail_msg("%s at step %zu: another adapter", what, step);
}

static void test_stop_and_resume(void **state)
{
	golden_path("lora/qwen3-r4/goldens.json");
	struct steps_seen all, part;
	float *expected = uninterrupted(&all), *found;
	for (size_t at = 1; at < GOLDEN_STEPS; at++) {
		char *dir = temp_dir();
		struct ts_train_options o = options(dir);
		struct ts_error err = {0};
		assert_int_equal(train(&o, at, &part, NULL, NULL, &err), TS_ESTOPPED);
		assert_int_equal(part.count, at);
		o.max_rows = at * 30; /* may change */
		o.keep = (struct ts_keep){(int)at % 4, 2};
		ok(train(&o, 0, &part, NULL, &found, &err));
		expect_same(expected, found, "stopped", at);
		assert_int_equal(part.count, GOLDEN_STEPS - at);
		for (size_t i = 0; i < part.count; i++)
			assert_memory_equal(&part.steps[i], &all.steps[at + i], sizeof(part.steps[0]));
		free(found);
		/* Finished: nothing is left to do, and the adapter is there again. */
		ok(train(&o, 0, &part, NULL, &found, &err));
		assert_int_equal(part.count, 0);
		expect_same(expected, found, "finished", at);
		free(found);
		ok(ts_path_remove(dir, &err));
	}
	free(expected);
}

static void list_files(const char *dir, char names[8][64], size_t *count)
{
	DIR *d = opendir(dir);
	assert_non_null(d);
	*count = 0;
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			assert_true(*count < 8);
			snprintf(names[(*count)++], sizeof(names[0]), "%.63s", e->d_name);
		}
	closedir(d);
}

static void test_two_are_kept(void **state)
{
	golden_path("lora/qwen3-r4/goldens.json");
	static const struct {
		size_t every;
		const char *older, *newer;
	} cases[] = {{1, "step-000000011.safetensors", "step-000000012.safetensors"},
		     {5, "step-000000010.safetensors", "step-000000012.safetensors"}};
	for (size_t i = 0; i < 2; i++) {
		char *dir = temp_dir(), names[8][64], inner[128];
		struct ts_error err = {0};
		size_t n;
		snprintf(inner, sizeof(inner), "%s/made/checkpoints", dir);
		struct ts_train_options o = options(inner);
		o.checkpoint_steps = cases[i].every;
		ok(ts_dir_make(inner, &err)); /* a save that was killed left a file */
		snprintf(inner + strlen(inner), 64, "/step-000000003.safetensors.tmp");
		ok(ts_file_write(inner, "half", 4, &err));
		*strrchr(inner, '/') = '\0';
		ok(train(&o, 0, NULL, NULL, NULL, &err));
		list_files(inner, names, &n);
		assert_int_equal(n, 2);
		bool turned = !strcmp(names[0], cases[i].newer);
		assert_string_equal(names[turned], cases[i].older);
		assert_string_equal(names[!turned], cases[i].newer);
		ok(ts_path_remove(dir, &err));
	}
}

/* By time: with a tiny interval every step is saved, so stopping the hard way after step 6 leaves 5 or 6. */
static void test_by_time(void **state)
{
	golden_path("lora/qwen3-r4/goldens.json");
	char *dir = temp_dir(), names[8][64];
	struct ts_error err = {0};
	struct ts_train_options o = options(dir);
	size_t n;
	o.checkpoint_seconds = 1e-9;
	assert_int_equal(train(&o, 6, NULL, NULL, NULL, &err), TS_ESTOPPED);
	list_files(dir, names, &n);
	assert_int_equal(n, 2);
	bool turned = !strcmp(names[0], "step-000000006.safetensors");
	assert_string_equal(names[turned], "step-000000005.safetensors");
	ok(ts_path_remove(dir, &err));
}

enum damage { FLIP_EARLY, FLIP_LATE, CUT, EMPTY, GARBAGE, DAMAGES };

static void damage_file(const char *path, enum damage damage)
{
	struct ts_error err = {0};
	struct ts_str text = {0};
	ok(ts_file_read(path, &text, &err));
	size_t n = text.len;
	assert_true(n > 1000);
	switch (damage) {
	case FLIP_EARLY: /* in the parameters, right behind the header */
		text.data[n / 4] ^= 1;
		break;
	case FLIP_LATE: /* in what names the run or its checksum */
		text.data[n - 40] ^= 1;
		break;
	case CUT:
		n = n / 2;
		break;
	case EMPTY:
		n = 0;
		break;
	default:
		memset(text.data, 'x', n);
	}
	ok(ts_file_write(path, text.data, n, &err));
	ts_str_release(&text);
}

static void test_damaged(void **state)
{
	golden_path("lora/qwen3-r4/goldens.json");
	float *expected = uninterrupted(NULL), *found;
	for (enum damage damage = FLIP_EARLY; damage < DAMAGES; damage++)
		for (size_t bad = 1; bad <= 2; bad++) {
			char *dir = temp_dir(), path[128];
			struct ts_train_options o = options(dir);
			struct ts_error err = {0};
			struct steps_seen seen;
			struct warnings w = {0};
			o.checkpoint_steps = 3;
			assert_int_equal(train(&o, 7, NULL, NULL, NULL, &err), TS_ESTOPPED); /* leaves 6 and 7 */
			for (size_t i = 0; i < bad; i++) {
				snprintf(path, sizeof(path), "%s/step-%09zu.safetensors", dir, 7 - i);
				damage_file(path, damage);
			}
			ok(train(&o, 0, &seen, &w, &found, &err));
			assert_int_equal(w.count, bad);
			assert_non_null(strstr(w.last, path));
			/* From the one before; from the start when both are bad. */
			assert_int_equal(seen.steps[0].step, bad == 1 ? 7 : 1);
			expect_same(expected, found, "damaged", damage);
			free(found);
			ok(ts_path_remove(dir, &err));
		}
	free(expected);
}

static void test_another_run(void **state)
{
	golden_path("lora/qwen3-r4/goldens.json");
	char *dir = temp_dir();
	struct ts_train_options o = options(dir), other;
	struct ts_error err = {0};
	o.identity = "model one";
	assert_int_equal(train(&o, 4, NULL, NULL, NULL, &err), TS_ESTOPPED);
#define REFUSED(change)                                                                                                                    \
	do {                                                                                                                               \
		other = o;                                                                                                                 \
		change;                                                                                                                    \
		err = (struct ts_error){0};                                                                                                \
		assert_int_equal(train(&other, 0, NULL, NULL, NULL, &err), TS_EMISMATCH);                                                  \
		assert_non_null(strstr(err.message, "step-000000004.safetensors"));                                                        \
	} while (0)
	REFUSED(other.lr = 2e-3);
	REFUSED(other.seed = 43);
	REFUSED(other.epochs = 2);
	REFUSED(other.batch = 4);
	REFUSED(other.warmup = 0.2);
	REFUSED(other.schedule = TS_SCHEDULE_LINEAR);
	REFUSED(other.clip = 2);
	REFUSED(other.identity = "model two");
	REFUSED(rows[5].ids[0] ^= 1);
	rows[5].ids[0] ^= 1;
	/* The refused ones left it as it was. */
	err = (struct ts_error){0};
	struct steps_seen seen;
	ok(train(&o, 0, &seen, NULL, NULL, &err));
	assert_int_equal(seen.count, GOLDEN_STEPS - 4);
	ok(ts_path_remove(dir, &err));
}

/* --- kill -9 --- */

/* What the killed process does: train, save the adapter. */
static int victim(const char *dir)
{
	struct ts_error err = {0};
	struct steps_seen seen = {0};
	char path[128];
	values = NULL;
	open_data(NULL);
	snprintf(path, sizeof(path), "%s/checkpoints", dir);
	struct ts_train_options o = options(path);
	o.checkpoint_steps = 1;
	struct student s = student_open("qwen3", 4, 1);
	s.adapter->config.dropout = 0.1;
	int status = ts_train(s.model, s.adapter, rows, GOLDEN_ROWS, &o, NULL, &(struct ts_train_hooks){.user = &seen, .step = record_step},
			      &err);
	snprintf(path, sizeof(path), "%s/adapter", dir);
	if (!status)
		status = ts_adapter_save(s.adapter, path, &err);
	if (status)
		fprintf(stderr, "%s\n", err.message);
	student_close(&s);
	close_data(NULL);
	return status ? 1 : 0;
}

/* Runs the victim, killing it after so many microseconds (0 = never); whether it was killed. */
static bool run_victim(const char *dir, unsigned long delay)
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		execl("/proc/self/exe", "test", "--victim", dir, (char *)NULL);
		_exit(127);
	}
	if (delay) {
		usleep((useconds_t)delay);
		kill(child, SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void test_kill(void **state)
{
	golden_path("lora/qwen3-r4/goldens.json");
	enum { ROUNDS = 40 };
	float *expected = uninterrupted(NULL);
	char *dir = temp_dir(), path[128];
	struct ts_error err = {0};
	double began = ts_clock();
	run_victim(dir, 0);
	double whole = (ts_clock() - began) * 1e6;
	int killed = 0, finished = 0, resumed = 0;
	snprintf(path, sizeof(path), "%s/checkpoints", dir);
	ok(ts_path_remove(path, &err));
	uint64_t random = 12345;
	for (int i = 0; i < ROUNDS; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		double delay = whole * (0.05 + 0.9 * (double)(random >> 40) / (double)(1 << 24));
		resumed += ts_dir_exists(path);
		if (run_victim(dir, (unsigned long)delay)) {
			killed++;
			if (i < ROUNDS - 1)
				continue;
			assert_false(run_victim(dir, 0));
		}
		finished++;
		struct golden g = golden_open("qwen3");
		struct ts_adapter *a;
		char saved[128];
		snprintf(saved, sizeof(saved), "%s/adapter", dir);
		ok(ts_adapter_load(&a, g.model, saved, &err));
		expect_same(expected, a->params, "killed", (size_t)i);
		ts_adapter_free(a);
		golden_close(&g);
		ok(ts_path_remove(saved, &err));
		ok(ts_path_remove(path, &err));
	}
	print_message("%d kills, %d starts from a checkpoint, %d runs that ended with the expected adapter\n", killed, resumed, finished);
	assert_true(killed >= 5 && resumed >= 1 && finished >= 1);
	ok(ts_path_remove(dir, &err));
	free(expected);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--victim"))
		return victim(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop_and_resume), cmocka_unit_test(test_two_are_kept), cmocka_unit_test(test_by_time),
		cmocka_unit_test(test_damaged),         cmocka_unit_test(test_another_run),  cmocka_unit_test(test_kill),
	};
	return cmocka_run_group_tests(tests, open_data, close_data);
}
