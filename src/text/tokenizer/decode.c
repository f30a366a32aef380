/* Before a BYTES or FUSE stage what is pushed is one token each time; behind it, a part of the one fused token. */
#include "text/tokenizer/decode.h"

#include "core/json.h"
#include "text/tokenizer/bpe.h"

#include <ctype.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

static int push(struct ts_decode_run *run, size_t k, const char *s, size_t n);

int ts_decode_run_init(struct ts_decode_run *run, const struct ts_decoder *plan)
{
	*run = (struct ts_decode_run){.plan = plan};
	run->stages = ts_calloc(plan->ops.len, sizeof(*run->stages));
	if (!run->stages)
		return TS_ENOMEM;
	for (size_t i = 0; i < plan->ops.len; i++)
		if (plan->ops.data[i].pattern)
			TS_TRY(ts_pattern_run_new(&run->stages[i].pattern, plan->ops.data[i].pattern, NULL));
	return 0;
}

void ts_decode_run_release(struct ts_decode_run *run)
{
	for (size_t i = 0; run->stages && i < run->plan->ops.len; i++) {
		ts_pattern_run_free(run->stages[i].pattern);
		ts_str_release(&run->stages[i].held);
		ts_str_release(&run->stages[i].spare);
	}
	ts_free(run->stages);
	run->stages = NULL;
}

/* The token as bytes: through the byte-level alphabet, or as it is when a character is not in it. */
static int hold_bytes(struct ts_str *held, const char *s, size_t n)
{
	size_t before = held->len;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		i += ts_unicode_next(s + i, &c);
		int byte = ts_bpe_char_byte(c);
		if (byte < 0) {
			held->len = before;
			return ts_str_append(held, s, n);
		}
		TS_TRY(ts_str_putc(held, (char)byte));
	}
	return 0;
}

/* Hands on the complete characters of what is held, each maximal bad part as U+FFFD. A bad part that more bytes could still
 * complete waits, unless `all`. */
static int give_bytes(struct ts_decode_run *run, size_t k, bool all)
{
	struct ts_decode_stage *stage = &run->stages[k];
	struct ts_str *held = &stage->held;
	size_t i = 0;
	ts_str_clear(&stage->spare);
	while (i < held->len) {
		uint32_t c;
		size_t bad, used = ts_utf8_decode(held->data + i, held->len - i, &c, &bad);
		if (used) {
			TS_TRY(ts_str_append(&stage->spare, held->data + i, used));
			i += used;
			continue;
		}
		/* Cut off at the end, not wrong: fewer than four bytes, a lead byte first. */
		if (!all && bad == held->len - i && (unsigned char)held->data[i] >= 0xC2 && (unsigned char)held->data[i] <= 0xF4)
			break;
		TS_TRY(ts_str_puts(&stage->spare, REPLACEMENT));
		i += bad;
	}
	if (i) {
		memmove(held->data, held->data + i, held->len - i);
		held->len -= i;
	}
	return stage->spare.len ? push(run, k + 1, stage->spare.data, stage->spare.len) : 0;
}

/* "<0xHH>" -> 0..255, as the reference reads it (either case of the digits; a sign is not a digit); -1 for other tokens. */
static int fallback_byte(const char *s, size_t n)
{
	if (n != 6 || memcmp(s, "<0x", 3) || s[5] != '>')
		return -1;
	if (s[3] == '+' && isxdigit((unsigned char)s[4])) /* Rust's number parser takes a plus sign */
		return isdigit((unsigned char)s[4]) ? s[4] - '0' : tolower((unsigned char)s[4]) - 'a' + 10;
	if (!isxdigit((unsigned char)s[3]) || !isxdigit((unsigned char)s[4]))
		return -1;
	int value = 0;
	for (int i = 3; i < 5; i++)
		value = value * 16 + (isdigit((unsigned char)s[i]) ? s[i] - '0' : tolower((unsigned char)s[i]) - 'a' + 10);
	return value;
}

/* A run of byte tokens is text if all of it is UTF-8, else one U+FFFD per byte: known only when the run has ended. */
static int give_fallback(struct ts_decode_run *run, size_t k)
{
	struct ts_str *held = &run->stages[k].held;
	size_t n = held->len;
	if (!n)
		return 0;
	held->len = 0;
	if (ts_utf8_check(held->data, n) == n)
		return push(run, k + 1, held->data, n);
	for (size_t i = 0; i < n; i++)
		TS_TRY(push(run, k + 1, REPLACEMENT, strlen(REPLACEMENT)));
	return 0;
}

static int push_fallback(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	int byte = fallback_byte(s, n);
	if (byte >= 0)
		return ts_str_putc(&run->stages[k].held, (char)byte);
	TS_TRY(give_fallback(run, k));
	return push(run, k + 1, s, n);
}

static int push_replace(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	const struct ts_decode_op *op = &run->plan->ops.data[k];
	struct ts_decode_stage *stage = &run->stages[k];
	struct ts_pattern_walk walk = {.run = stage->pattern, .s = s, .n = n};
	size_t start, end;
	bool match;
	int more = 0;
	ts_str_clear(&stage->spare);
	while (n && (more = ts_pattern_walk_next(&walk, &start, &end, &match, NULL)) > 0)
		TS_TRY(match ? ts_str_append(&stage->spare, op->text, op->len) : ts_str_append(&stage->spare, s + start, end - start));
	return more < 0 ? more : push(run, k + 1, ts_str_c(&stage->spare), stage->spare.len);
}

static bool starts_with(const struct ts_decode_op *op, const char *s, size_t n)
{
	return n >= op->len && !memcmp(s, op->text, op->len);
}

/* A token on its own: up to `start` marks at its front and `stop` at its end. */
static int push_strip(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	const struct ts_decode_op *op = &run->plan->ops.data[k];
	size_t from = 0;
	for (size_t i = 0; i < op->start && starts_with(op, s + from, n - from); i++)
		from += op->len;
	for (size_t i = 0; i < op->stop && n - from >= op->len && starts_with(op, s + n - op->len, op->len); i++)
		n -= op->len;
	return push(run, k + 1, s + from, n - from);
}

/* A part of the fused token: only its front is ever stripped. */
static int push_strip_front(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	const struct ts_decode_op *op = &run->plan->ops.data[k];
	struct ts_decode_stage *stage = &run->stages[k];
	while (n && !stage->past) {
		if (stage->count == op->start || !starts_with(op, s, n)) {
			stage->past = true;
			break;
		}
		stage->count++;
		s += op->len;
		n -= op->len;
	}
	return n ? push(run, k + 1, s, n) : 0;
}

static int push_metaspace(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	const struct ts_decode_op *op = &run->plan->ops.data[k];
	struct ts_decode_stage *stage = &run->stages[k];
	bool drop = op->drop_first && !stage->count;
	stage->count++;
	ts_str_clear(&stage->spare);
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t used = ts_unicode_next(s + i, &c);
		if (!starts_with(op, s + i, n - i))
			TS_TRY(ts_str_append(&stage->spare, s + i, used));
		else if (!drop)
			TS_TRY(ts_str_putc(&stage->spare, ' '));
		i += used;
	}
	return push(run, k + 1, ts_str_c(&stage->spare), stage->spare.len);
}

/* A stage's own work on one token. */
static int work(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	struct ts_decode_stage *stage = &run->stages[k];
	switch (run->plan->ops.data[k].kind) {
	case TS_DECODE_JOIN:
		if (stage->count++)
			TS_TRY(push(run, k + 1, " ", 1));
		return push(run, k + 1, s, n);
	case TS_DECODE_BYTES:
		TS_TRY(hold_bytes(&stage->held, s, n));
		return give_bytes(run, k, false);
	case TS_DECODE_BYTE_FALLBACK:
		return push_fallback(run, k, s, n);
	case TS_DECODE_REPLACE:
		return push_replace(run, k, s, n);
	case TS_DECODE_STRIP:
		return push_strip(run, k, s, n);
	case TS_DECODE_METASPACE:
		return push_metaspace(run, k, s, n);
	default:
		return push(run, k + 1, s, n);
	}
}

static bool is_fusing(enum ts_decode_kind kind)
{
	return kind == TS_DECODE_FUSE || kind == TS_DECODE_BYTES;
}

static bool is_behind_fuse(const struct ts_decoder *plan, size_t k)
{
	for (size_t i = 0; i < k; i++)
		if (is_fusing(plan->ops.data[i].kind))
			return true;
	return false;
}

static int push(struct ts_decode_run *run, size_t k, const char *s, size_t n)
{
	if (k == run->plan->ops.len)
		return ts_str_append(run->out, s, n);
	const struct ts_decode_op *op = &run->plan->ops.data[k];
	if (op->whole)
		return ts_str_append(&run->stages[k].held, s, n);
	if (op->kind == TS_DECODE_STRIP && is_behind_fuse(run->plan, k))
		return push_strip_front(run, k, s, n);
	return work(run, k, s, n);
}

int ts_decode_push(struct ts_decode_run *run, const char *token, size_t n)
{
	return push(run, 0, token, n);
}

static int finish(struct ts_decode_run *run, size_t k)
{
	struct ts_decode_stage *stage = &run->stages[k];
	enum ts_decode_kind kind = run->plan->ops.data[k].kind;
	if (run->plan->ops.data[k].whole) {
		struct ts_str text = stage->held; /* the stage's own work may use `held` */
		stage->held = (struct ts_str){0};
		int status = work(run, k, ts_str_c(&text), text.len);
		ts_str_release(&text);
		TS_TRY(status);
	}
	if (kind == TS_DECODE_BYTES)
		return give_bytes(run, k, true);
	return kind == TS_DECODE_BYTE_FALLBACK ? give_fallback(run, k) : 0;
}

int ts_decode_finish(struct ts_decode_run *run)
{
	int status = 0;
	for (size_t k = 0; k < run->plan->ops.len && !status; k++)
		status = finish(run, k);
	for (size_t k = 0; k < run->plan->ops.len; k++) {
		ts_str_clear(&run->stages[k].held);
		run->stages[k].count = 0;
		run->stages[k].past = false;
	}
	return status;
}
