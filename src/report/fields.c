/* metrics.json, for all that this room shows of it. */
#include "report/internal.h"

#include "core/file.h"
#include "report/table.h"

#include <string.h>

int report_block(const json_t *object, const char *key, json_type type, const char *place, const json_t **out, struct ts_error *err)
{
	const json_t *v = json_object_get(object, key);
	*out = json_is_null(v) ? NULL : v;
	if (*out && json_typeof(*out) != type)
		return ts_fail(err, TS_EFORMAT, "%s: \"%s\": expected %s, found %s", place, key,
			       type == JSON_ARRAY ? "an array" : "an object", ts_json_kind(*out));
	return 0;
}

int report_by_phrases(const json_t *object, const char *place, bool *yes, struct ts_error *err)
{
	const char *measure;
	TS_TRY(ts_json_text(object, "measure", &measure, place, err));
	*yes = measure && strstr(measure, REPORT_STAND_IN);
	return 0;
}

bool report_steers(const json_t *metrics)
{
	const char *method = json_string_value(json_object_get(metrics, "method"));
	return !method || strcmp(method, "rejection") != 0;
}

static int load(const char *dir, const char *path, json_t **metrics, struct ts_error *err)
{
	if (!ts_dir_exists(dir))
		return ts_fail(err, TS_ENOTFOUND, "%s: expected the folder of a run, found %s", dir,
			       ts_file_exists(dir) ? "a file" : "nothing");
	if (!ts_file_exists(path))
		return ts_fail(err, TS_ENOTFOUND, "%s: no metrics.json; the run is not finished (thinksafe run goes on with it)", dir);
	TS_TRY(ts_json_load(path, metrics, err));
	if (json_is_object(*metrics) && json_object_get(*metrics, "method"))
		return 0;
	int status = ts_fail(err, TS_EFORMAT, "%s: expected an object with the run's metrics, found %s", path,
			     json_is_object(*metrics) ? "one without \"method\"" : ts_json_kind(*metrics));
	json_decref(*metrics);
	*metrics = NULL;
	return status;
}

int ts_report_metrics(const char *dir, json_t **metrics, struct ts_error *err)
{
	struct ts_str path = {0};
	int status = ts_path_join(&path, dir, "metrics.json") ? ts_fail_memory(err) : load(dir, path.data, metrics, err);
	ts_str_release(&path);
	return status;
}
