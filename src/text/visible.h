/* Text made safe to show on a terminal. A terminal obeys control characters: a response could move the cursor, change the window's title
 * or paint over what stands there. They become marks that can be seen; all other text stays as it is. */
#ifndef TS_TEXT_VISIBLE_H
#define TS_TEXT_VISIBLE_H

#include "core/str.h"

/* s[0..n), appended to `out`. A newline and a tab stay. Other C0 controls and DEL become their pictures (U+2400 and on: ESC is U+241B); C1
 * controls, the controls of writing direction (which can reorder what is read), line and paragraph separators and tag characters
 * (U+E0000 to U+E007F, which nobody sees) become <U+009B>. A byte that is not UTF-8 becomes U+FFFD. */
int ts_visible(const char *s, size_t n, struct ts_str *out);

#endif
