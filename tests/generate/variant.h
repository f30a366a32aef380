/* The testbed's student with another configuration, in a folder of its own. */
#ifndef TS_TESTS_GENERATE_VARIANT_H
#define TS_TESTS_GENERATE_VARIANT_H

#include "core/file.h"
#include "core/json.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STUDENT TS_SOURCE_DIR "/testbed/student"

struct rig {
	char dir[64];
	struct ts_backend *backend;
	struct ts_model *model;
};

/* `changes` is freed; NULL: the student as it is. */
static inline void open_rig(struct rig *rig, enum ts_isa isa, int threads, json_t *changes)
{
	struct ts_error err = {0};
	char path[256];
	json_t *config;
	struct ts_str text = {0};
	const char *dir = STUDENT;
	*rig = (struct rig){.dir = ""};
	if (changes) {
		snprintf(rig->dir, sizeof(rig->dir), "/tmp/thinksafe-test-XXXXXX");
		assert_non_null(mkdtemp(rig->dir));
		dir = rig->dir;
		assert_int_equal(ts_json_load(STUDENT "/config.json", &config, &err), 0);
		assert_int_equal(json_object_update(config, changes), 0);
		assert_int_equal(ts_json_dump_pretty(config, &text), 0);
		snprintf(path, sizeof(path), "%s/config.json", dir);
		assert_int_equal(ts_file_write(path, text.data, text.len, &err), 0);
		snprintf(path, sizeof(path), "%s/model.safetensors", dir);
		assert_int_equal(symlink(STUDENT "/model.safetensors", path), 0);
		ts_str_release(&text);
		json_decref(config);
		json_decref(changes);
	}
	if (ts_backend_cpu_new(&rig->backend, isa, threads, &err) || ts_model_open(&rig->model, rig->backend, dir, NULL, &err))
		fail_msg("%s", err.message);
}

static inline void close_rig(struct rig *rig)
{
	ts_model_close(rig->model);
	ts_backend_free(rig->backend);
	if (rig->dir[0])
		assert_int_equal(ts_path_remove(rig->dir, NULL), 0);
}

#endif
