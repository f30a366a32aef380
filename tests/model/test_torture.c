#include "model/golden_model.h"
#include "torture.h"

#include "core/file.h"
#include "model/train_pass.h"

struct place {
	struct ts_backend *backend;
	struct ts_model *model;
	char model_dir[512], adapter_dir[512], scratch[64];
};

static int open_close(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct ts_model *m;
	TS_TRY(ts_model_open(&m, p->backend, p->model_dir, NULL, err));
	ts_model_close(m);
	return 0;
}

static int hash(void *user, struct ts_error *err)
{
	char hex[65];
	return ts_model_hash(((struct place *)user)->model_dir, hex, err);
}

static int run_model(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct ts_workspace *w;
	struct ts_kv_pool kv;
	TS_TRY(ts_workspace_new(&w, p->model, 10, 2, 4, err));
	int status = ts_model_kv_new(p->model, &kv, 2, TS_F32, err);
	if (!status)
		ts_model_kv_free(p->model, &kv);
	ts_workspace_free(w);
	return status;
}

static int use_adapter(void *user, struct ts_error *err)
{
	struct place *p = user;
	struct ts_adapter *a = NULL, *fresh = NULL;
	struct ts_pass *pass = NULL;
	int status = ts_adapter_load(&a, p->model, p->adapter_dir, err);
	if (status)
		return status;
	TS_GOTO(ts_adapter_new(&fresh, p->model, &a->config, 1, err));
	TS_GOTO(ts_adapter_save(a, p->scratch, err));
	TS_GOTO(ts_pass_new(&pass, p->model, a, 20, 2, (struct ts_keep){1, 2}, err));
done:
	ts_pass_free(pass);
	ts_adapter_free(a);
	ts_adapter_free(fresh);
	return status;
}

static void test_every_allocation(void **state)
{
	struct place p = {0};
	struct ts_error err = {0};
	snprintf(p.model_dir, sizeof(p.model_dir), "%s", golden_path("models/qwen3-tiny"));
	snprintf(p.adapter_dir, sizeof(p.adapter_dir), "%s", golden_path("lora/qwen3-r4"));
	strcpy(p.scratch, temp_dir());
	open_model(&p.backend, &p.model, p.model_dir, TS_ISA_AUTO, 1);
	torture(open_close, &p);
	torture(hash, &p);
	torture(run_model, &p);
	torture(use_adapter, &p);
	ts_model_close(p.model);
	ts_backend_free(p.backend);
	ok(ts_path_remove(p.scratch, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
