/* What a run directory is bound to beside its recipe: the moment that templates may show, and the scale of an adapter. */
#include "run/journal_fixture.h"

static void copy(struct fixture *f, const char *name)
{
	struct ts_str text = {0};
	struct ts_error err = {0};
	char from[600], to[64];
	snprintf(from, sizeof(from), "%s/testbed/student/%s", TS_SOURCE_DIR, name);
	snprintf(to, sizeof(to), "student/%s", name);
	assert_int_equal(ts_file_read(from, &text, &err), 0);
	assert_non_null(scratch_write(&f->scratch, to, text.data, text.len));
	ts_str_release(&text);
}

/* A student whose template shows the day. It has no weights: whatever wants to generate fails. */
static void make_dated_student(struct fixture *f)
{
	static const char weights[] = "\2\0\0\0\0\0\0\0{}", template[] =
								    "{{ strftime_now('%Y-%m-%d') }}: "
								    "{% for m in messages %}{{ m.role }} {{ m.content }}\n{% endfor %}";
	struct ts_error err = {0};
	assert_int_equal(ts_dir_make(scratch_path(&f->scratch, "student"), &err), 0);
	copy(f, "config.json");
	copy(f, "tokenizer.json");
	copy(f, "tokenizer_config.json");
	put_file(f, "student/chat_template.jinja", template);
	assert_non_null(scratch_write(&f->scratch, "student/model.safetensors", weights, sizeof(weights) - 1));
	assert_int_equal(ts_recipe_set(&f->recipe, "model", scratch_path(&f->scratch, "student"), &err), 0);
}

/* A run that began on another day finds its samples: their names come from text that shows that day. */
static void another_day(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	struct ts_str text = {0};
	struct ts_chat *chat;
	make_dated_student(f);
	assert_int_equal(ts_chat_open(&chat, f->recipe.model.path, &err), 0);
	ts_chat_set_now(chat, FIXTURE_MOMENT);
	assert_int_equal(ts_chat_render_user(chat, "x", &text, &err), 0);
	assert_string_equal(text.data, "2001-09-09: user x\n");
	ts_str_release(&text);
	ts_chat_close(chat);
	fill_journal(f, 4);
	if (start(f, &err))
		fail_msg("%s", err.message);
}

/* The second start must not mix samples of two scales. The first ends at the weights, which are none. */
static void adapter_scale(void **state)
{
	struct fixture *f = *state;
	struct ts_error err = {0};
	char dir[600];
	json_t *m = NULL;
	snprintf(dir, sizeof(dir), "%s", scratch_path(&f->scratch, "adapter"));
	assert_int_equal(ts_dir_make(dir, &err), 0);
	put_file(f, "adapter/adapter_model.safetensors", "x");
	put_file(f, "adapter/adapter_config.json",
		 "{\"peft_type\": \"LORA\", \"r\": 4, \"target_modules\": [\"q_proj\"], \"lora_alpha\": 4}");
	assert_int_equal(ts_run_eval(&f->recipe, f->run_dir, dir, &f->machine, &f->context, &m, &err), TS_EFORMAT);
	put_file(f, "adapter/adapter_config.json",
		 "{\"peft_type\": \"LORA\", \"r\": 4, \"target_modules\": [\"q_proj\"], \"lora_alpha\": 8}");
	assert_int_equal(ts_run_eval(&f->recipe, f->run_dir, dir, &f->machine, &f->context, &m, &err), TS_EMISMATCH);
	assert_non_null(strstr(err.message, "the adapter's configuration is not what this run began with"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_day, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(adapter_scale, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests_name("run.identity", tests, NULL, NULL);
}
