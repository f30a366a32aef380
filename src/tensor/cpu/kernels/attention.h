/* What attention's two directions share: which keys a query sees. */
#ifndef TS_TENSOR_CPU_KERNELS_ATTENTION_H
#define TS_TENSOR_CPU_KERNELS_ATTENTION_H

#include "tensor/cpu/kernels/kernels.h"

/* First key that the query at `position` sees; the last is its own position. */
static inline size_t ts_first_key(size_t position, size_t window)
{
	return window && position + 1 > window ? position + 1 - window : 0;
}

/* The keys [*low, *high) of block `block`, counted from its start, that the query sees; false when there are none. */
static inline bool ts_visible(size_t position, size_t window, size_t block, size_t *low, size_t *high)
{
	size_t start = block * TS_KV_PAGE, first = ts_first_key(position, window);
	if (position < start || first >= start + TS_KV_PAGE)
		return false;
	*low = first > start ? first - start : 0;
	*high = position - start + 1 < TS_KV_PAGE ? position - start + 1 : TS_KV_PAGE;
	return true;
}

#endif
