/* What every user of PCRE2 here shares: our memory, one line end, errors with place and pattern. Inside src/text/ alone. */
#ifndef TS_TEXT_PCRE_H
#define TS_TEXT_PCRE_H

#include "core/status.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* An expression over UTF-8 (n bytes) with Unicode's classes, no \C, and `options` besides. *general is made and belongs to the caller, as
 * does *code, also when this fails. Messages begin with `place` and show `written`. TS_EUNSUPPORTED: PCRE2 does not take it. */
int ts_pcre_compile(pcre2_general_context **general, pcre2_code **code, const char *pattern, size_t n, uint32_t options, const char *place,
		    const char *written, struct ts_error *err);

#endif
