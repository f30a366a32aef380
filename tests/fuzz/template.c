#include "fuzz/fuzz.h"
#include "text/template.h"

static const char conversation[] =
	"{\"messages\": [{\"role\": \"user\", \"content\": \"What is 1 + 1?\"}, {\"role\": \"assistant\", "
	"\"content\": \"<think>\\nA sum.\\n</think>\\n\\nTwo.\"}, {\"role\": \"user\", \"content\": \" h\\u00e9 \"}],"
	"\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"enable_thinking\": true}";

static void render(const struct ts_template *t, const json_t *object)
{
	static const struct tm now = {.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 15};
	struct ts_template_input input = {.messages = json_object_get(object, "messages"),
					  .tools = json_object_get(object, "tools"),
					  .documents = json_object_get(object, "documents"),
					  .add_generation_prompt = true,
					  .variables = object,
					  .now = &now};
	struct ts_str out = {0};
	struct ts_error err = {0};
	int status = ts_template_render(t, &input, &out, &err);
	fuzz_check_error(status, &err);
	ts_str_release(&out);
}

void fuzz_template(const unsigned char *data, size_t size)
{
	struct ts_template *t;
	struct ts_error err = {0};
	json_t *object = NULL;
	size_t first = fuzz_first_part(data, size);
	int status = ts_template_parse(&t, (const char *)data, first, "chat_template.jinja", &err);
	fuzz_check_error(status, &err);
	if (status)
		return;
	if (first < size)
		status = ts_json_parse((const char *)data + first + 1, size - first - 1, "input", &object, &err);
	else
		status = ts_json_parse(conversation, sizeof(conversation) - 1, "input", &object, &err);
	fuzz_check_error(status, &err);
	if (!status && json_is_object(object))
		render(t, object);
	json_decref(object);
	ts_template_free(t);
}
