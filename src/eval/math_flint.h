/* FLINT 2 with Arb (Debian 12) and FLINT 3, which holds Arb (Debian 13), under one name. Exact integers and fractions, and balls: a ball
 * holds the true value for certain. FLINT ends the program when it gets no memory or divides by zero: whoever calls it bounds the sizes
 * and looks at divisors first. */
#ifndef TS_EVAL_MATH_FLINT_H
#define TS_EVAL_MATH_FLINT_H

#include <flint/fmpq.h>
#include <flint/ulong_extras.h>
#if __has_include(<flint/acb.h>)
#include <flint/acb.h>
#else
#include <acb.h>
#endif

/* A fraction is an array of one struct, and gcc takes the address of its first member for the whole of it. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#endif

#endif
