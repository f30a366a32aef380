#include "method/method.h"

#include "core/status.h"

#include <string.h>

static const struct ts_method methods[] = {
	{"thinksafe", "own responses, harmful prompts steered to a refusal, filtered by the guard", true},
	{"rejection", "own responses without steering, filtered by the guard (self-distillation)", false},
};

const struct ts_method *ts_method_find(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

const char *ts_method_names(void)
{
	return "thinksafe, rejection";
}

int ts_method_user_turn(const struct ts_method *method, const char *steering, bool harmful, const char *prompt, struct ts_str *out)
{
	if (!method->steers || !harmful)
		return ts_str_puts(out, prompt);
	const char *at = strstr(steering, "{x}");
	size_t head = at ? (size_t)(at - steering) : strlen(steering);
	TS_TRY(ts_str_append(out, steering, head));
	TS_TRY(ts_str_puts(out, prompt));
	return at ? ts_str_puts(out, at + 3) : 0;
}
