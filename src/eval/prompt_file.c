#include "eval/prompt_file.h"

#include "core/philox.h"

#include <stdio.h>
#include <string.h>

#define ORDER_EPOCH (UINT64_MAX - 1) /* training counts epochs from 0, and UINT64_MAX chooses the prompts for alpha_ref */
#define CHOICES     4

/* The user turn: context, text, template. The text itself where none of them adds anything. */
static int make_turn(struct ts_prompt_file *f, const char *text, const char *context, const char **out, struct ts_error *err)
{
	struct ts_str turn = {0};
	const char *mark = f->format->turn ? strstr(f->format->turn, "{x}") : NULL;
	int status = 0;
	*out = text;
	if (!mark && !(context && *context))
		return 0;
	if (mark)
		status = ts_str_append(&turn, f->format->turn, (size_t)(mark - f->format->turn));
	if (!status && context && *context)
		status = ts_str_printf(&turn, "%s\n\n---\n\n", context);
	if (!status)
		status = ts_str_puts(&turn, text);
	if (!status && mark)
		status = ts_str_puts(&turn, mark + 3);
	if (!status && !(*out = ts_arena_strndup(&f->texts, turn.data, turn.len)))
		status = TS_ENOMEM;
	ts_str_release(&turn);
	return status ? ts_fail_memory(err) : 0;
}

static int optional(const json_t *row, const char *column, const char **out, const char *place, struct ts_error *err)
{
	*out = NULL;
	return column ? ts_json_text(row, column, out, place, err) : 0;
}

static int need_choice(const json_t *row, const char *column, const char **text, size_t *n, const char *place, struct ts_error *err)
{
	static const char blanks[] = " \t\r\n";
	TS_TRY(ts_json_need_text(row, column, text, place, err));
	*text += strspn(*text, blanks);
	for (*n = strlen(*text); *n && strchr(blanks, (*text)[*n - 1]);)
		--*n;
	return *n ? 0 : ts_fail(err, TS_EFORMAT, "%s: \"%s\" is empty; expected a choice", place, column);
}

/* "A) ..., B) ..., C) ..., D) ..." below the question, in an order drawn for it; the answer becomes a letter. */
static int add_choices(struct ts_prompt_file *f, const json_t *row, uint64_t seed, const char **question, const char **answer,
		       const char *place, struct ts_error *err)
{
	static const char *const letters[CHOICES] = {"A", "B", "C", "D"};
	const struct ts_format *format = f->format;
	const struct ts_random_key k = ts_random_key_make(seed, "choices", *question, strlen(*question), 0);
	const char *columns[CHOICES] = {format->answer, format->wrong[0], format->wrong[1], format->wrong[2]}, *text;
	size_t order[CHOICES], n;
	struct ts_str out = {0};
	ts_random_order((uint64_t)k.key[1] << 32 | k.key[0], (uint64_t)k.stream[1] << 32 | k.stream[0], order, CHOICES);
	int status = ts_str_printf(&out, "%s\n", *question) ? ts_fail_memory(err) : 0;
	for (size_t i = 0; i < CHOICES && !status; i++) {
		if (order[i] == 0)
			*answer = letters[i];
		status = need_choice(row, columns[order[i]], &text, &n, place, err);
		if (!status && ts_str_printf(&out, "%s%s) %.*s", i ? ", " : "", letters[i], (int)n, text))
			status = ts_fail_memory(err);
	}
	if (!status && !(*question = ts_arena_strndup(&f->texts, out.data, out.len)))
		status = ts_fail_memory(err);
	ts_str_release(&out);
	return status;
}

/* The user's text: of the format's column, or where that is empty of the other one. */
static int find_text(const struct ts_format *format, const json_t *row, const char **text, const char *place, struct ts_error *err)
{
	const char *other;
	if (!format->otherwise)
		TS_TRY(ts_json_need_text(row, format->prompt, text, place, err));
	else
		TS_TRY(ts_json_text(row, format->prompt, text, place, err));
	if (*text && **text)
		return 0;
	TS_TRY(optional(row, format->otherwise, &other, place, err));
	if (!other || !*other)
		return ts_fail(err, TS_EFORMAT, "%s: \"%s\" is empty%s%s%s; expected a prompt", place, format->prompt,
			       other ? ", and so is \"" : "", other ? format->otherwise : "", other ? "\"" : "");
	*text = other;
	return 0;
}

static int add(struct ts_prompt_file *f, const json_t *row, size_t number, uint64_t seed, const char *place, struct ts_error *err)
{
	const struct ts_format *format = f->format;
	struct ts_prompt_row r = {.number = number};
	const char *text, *context;
	TS_TRY(find_text(format, row, &text, place, err));
	r.text = text;
	TS_TRY(optional(row, format->context, &context, place, err));
	TS_TRY(optional(row, format->answer, &r.answer, place, err));
	TS_TRY(optional(row, format->label, &r.label, place, err));
	TS_TRY(optional(row, format->pair, &r.pair, place, err));
	if (!r.label)
		r.label = format->implied;
	if (format->wrong[0])
		TS_TRY(add_choices(f, row, seed, &text, &r.answer, place, err));
	TS_TRY(make_turn(f, text, context, &r.instruction, err));
	return ts_vec_push(&f->list, r) ? ts_fail_memory(err) : 0;
}

/* One row: is it of the split, and in the range? f->of counts those of the split. */
static int choose(struct ts_prompt_file *f, const char *path, size_t index, const struct ts_prompt_choice *c, struct ts_error *err)
{
	char place[4200];
	const char *split;
	const json_t *row = json_array_get(f->rows, index);
	snprintf(place, sizeof(place), "%s: row %zu", path, index + 1);
	TS_TRY(optional(row, f->format->split, &split, place, err));
	if (c->split && (!split || strcmp(split, c->split)))
		return 0;
	bool past = f->of++ < c->skip || (c->limit && f->list.len >= c->limit);
	return past ? 0 : add(f, row, index + 1, c->seed, place, err);
}

static int choose_all(struct ts_prompt_file *f, const char *path, const struct ts_prompt_choice *c, struct ts_error *err)
{
	size_t n = json_array_size(f->rows);
	size_t *order = ts_calloc(n, sizeof(*order));
	int status = n && !order ? ts_fail_memory(err) : 0;
	for (size_t i = 0; i < n && !status; i++)
		order[i] = i;
	if (!status && c->shuffle)
		ts_random_order(c->seed, ORDER_EPOCH, order, n);
	for (size_t i = 0; i < n && !status; i++)
		status = choose(f, path, order[i], c, err);
	ts_free(order);
	if (status || f->list.len)
		return status;
	if (c->skip && f->of)
		return ts_fail(err, TS_EFORMAT, "%s: no prompts: skip is %zu, and it has %zu rows%s%s", path, c->skip, f->of,
			       c->split ? " of split " : "", c->split ? c->split : "");
	return ts_fail(err, TS_EFORMAT, "%s: no prompts%s%s%s; expected at least one row", path, c->split ? " of split \"" : "",
		       c->split ? c->split : "", c->split ? "\"" : "");
}

/* The format of a file whose columns were named. It lies with the texts: the file may be moved. */
static int read_columns(struct ts_prompt_file *f, const char *path, const struct ts_prompt_choice *c, struct ts_error *err)
{
	const struct ts_format *public = ts_format_at(0);
	struct ts_format *own = ts_arena_alloc(&f->texts, sizeof(*own));
	if (!own)
		return ts_fail_memory(err);
	*own = (struct ts_format){.name = "(columns named)",
				  .prompt = c->prompt,
				  .answer = c->answer,
				  .split = public->split,
				  .pair = public->pair,
				  .label = public->label};
	f->format = own;
	return ts_format_read_columns(path, c->prompt, c->answer, &f->rows, err);
}

int ts_prompt_file_load(struct ts_prompt_file *f, const char *path, const struct ts_prompt_choice *c, const struct ts_context *context,
			struct ts_error *err)
{
	*f = (struct ts_prompt_file){0};
	if ((c->format && c->prompt) || (c->answer && !c->prompt))
		return ts_fail(err, TS_EINVAL, "%s: expected a format, or a prompt column with or without an answer column; found %s", path,
			       c->prompt ? "both" : "an answer column alone");
	int status = c->prompt ? read_columns(f, path, c, err) : ts_format_read(path, c->format, &f->format, &f->rows, err);
	if (!status && c->split && !f->format->split)
		status = ts_fail(err, TS_EINVAL, "%s: split \"%s\": format %s has no splits", path, c->split, f->format->name);
	if (!status)
		status = choose_all(f, path, c, err);
	if (status) {
		ts_prompt_file_release(f);
		return status;
	}
	ts_log(context, TS_LOG_INFO, "%s: %zu of %zu rows, format %s%s", path, f->list.len, json_array_size(f->rows), f->format->name,
	       c->format || c->prompt ? "" : " (recognised)");
	return 0;
}

void ts_prompt_file_release(struct ts_prompt_file *f)
{
	json_decref(f->rows);
	ts_arena_release(&f->texts);
	ts_vec_release(&f->list);
	*f = (struct ts_prompt_file){0};
}
