#define TS_STATUS_C /* of status.h: the functions themselves */
#include "core/status.h"

#include <stdio.h>
#include <string.h>

const char *ts_status_text(int code)
{
	switch (code) {
#define TS_STATUS_CASE(number, name, text)                                                                                                 \
	case number:                                                                                                                       \
		return text;
		TS_STATUS_MAP(TS_STATUS_CASE)
#undef TS_STATUS_CASE
	case 0:
		return "ok";
	default:
		return "unknown status";
	}
}

int ts_fail(struct ts_error *err, int code, const char *format, ...)
{
	if (err) {
		va_list args;
		va_start(args, format);
		err->code = code;
		vsnprintf(err->message, sizeof(err->message), format, args);
		va_end(args);
	}
	return code;
}

int ts_fail_within(struct ts_error *err, int code, const char *format, ...)
{
	if (!err)
		return code;
	char inner[sizeof(err->message)];
	memcpy(inner, err->message, sizeof(inner));
	va_list args;
	va_start(args, format);
	int used = vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	size_t room = used >= 0 && (size_t)used < sizeof(err->message) ? sizeof(err->message) - (size_t)used : 0;
	if (room) /* what does not fit is cut, knowingly */
		snprintf(err->message + used, room, ": %.*s", (int)room, inner);
	err->code = code;
	return code;
}

int ts_fail_memory(struct ts_error *err)
{
	return ts_fail(err, TS_ENOMEM, "out of memory");
}
