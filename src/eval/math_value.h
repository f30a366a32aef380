/* Numbers for proofs: an exact fraction, or a ball that certainly holds an algebraic or other number, with the bound that makes a
 * proof of "equal" possible.
 *
 * Every ball that is algebraic carries log2 of u and l, where the number is U/L, U and L are algebraic integers, and no conjugate of U
 * is over u, none of L over l. If all roots together span a field of degree at most D, then a number that is not 0 is at least
 * 1 / (u^(D-1) l) (C. Burnikel, S. Funke, K. Mehlhorn, S. Schirra, S. Schmitt, "A separation bound for real algebraic expressions",
 * Algorithmica 55, 2009: the bound BFMSS without its division rule). So a ball that is smaller than that and holds 0 is 0.
 *
 * A reckoner is one pass over an expression at one precision. It holds D and a budget of work, estimated before each step and on the safe
 * side (a unit is at most some tenths of a microsecond): no step is begun that the budget does not hold, none is larger than the sizes
 * below allow. */
#ifndef TS_EVAL_MATH_VALUE_H
#define TS_EVAL_MATH_VALUE_H

#include "eval/math_flint.h"
#include "eval/math_tree.h"

/* What an operation says: 0, or one of these. */
enum {
	TS_MATH_UNKNOWN = 1, /* too large, over the budget, or beyond what is known here */
	TS_MATH_UNDEFINED,   /* no value: 1/0, the square root of a negative number among real ones */
};

enum { TS_MATH_MOST_VARIABLES = 8, TS_MATH_MOST_ROOTS = 24, TS_MATH_MOST_BITS = 1 << 15, TS_MATH_MOST_PRECISION = 100000 };

struct ts_math_reckoner {
	slong precision;
	double budget;
	bool real;     /* negative numbers have no even roots */
	bool stand_in; /* pi, e and the like are replaced by whole numbers of our choice: what then is equal is so for any values */
	bool stood_in; /* that happened */
	bool last;     /* the pass that must settle what is open */
	double degree; /* log2 of the product of the roots' degrees */
	double wanted; /* the precision at which all open questions of this pass are settled */
	ulong unity;   /* all roots of unity that occurred are of this order */
	size_t roots;
	struct {
		uint64_t key; /* what the root is taken of: a prime, or an expression */
		ulong degree;
	} root[TS_MATH_MOST_ROOTS]; /* which occurred */
	bool split;                 /* stand-ins are 12th powers, so that their roots are whole too */
	bool has_split;             /* that was wanted */
	size_t variables;
	const char *name[TS_MATH_MOST_VARIABLES];
	long variable[TS_MATH_MOST_VARIABLES];
	uint64_t seed; /* of the stand-ins */
};

struct ts_math_value {
	bool exact; /* q, else z */
	fmpq_t q;
	acb_t z;
	double top, bottom; /* log2 of u and l */
};

void ts_math_value_init(struct ts_math_value *); /* exact, 0 */
void ts_math_value_clear(struct ts_math_value *);
void ts_math_value_set(struct ts_math_value *, const struct ts_math_value *);

/* Takes from the budget; TS_MATH_UNKNOWN when it does not hold that much. `steps` ball operations at the precision. */
int ts_math_spend(struct ts_math_reckoner *, double steps);

/* All in place; 0, TS_MATH_UNKNOWN or TS_MATH_UNDEFINED. */
int ts_math_value_add(struct ts_math_reckoner *, struct ts_math_value *, const struct ts_math_value *);
int ts_math_value_multiply(struct ts_math_reckoner *, struct ts_math_value *, const struct ts_math_value *);
int ts_math_value_invert(struct ts_math_reckoner *, struct ts_math_value *);
int ts_math_value_power(struct ts_math_reckoner *, struct ts_math_value *, slong n);
void ts_math_value_negate(struct ts_math_value *);
/* The degree-th root: of a negative real number the negative one when the degree is odd. `key` names radicand and degree. */
int ts_math_value_root(struct ts_math_reckoner *, struct ts_math_value *, int degree, uint64_t key);
/* e^(2 pi i turn) */
int ts_math_value_unity(struct ts_math_reckoner *, struct ts_math_value *, const fmpq_t turn);
/* The ball of an exact one; no change to a ball. */
void ts_math_value_ball(const struct ts_math_reckoner *, struct ts_math_value *);
/* After an operation on z: 0 when it is finite. */
int ts_math_value_check(struct ts_math_value *);

/* Is it 0? OPEN: a ball that is too wide to say; r->wanted is then at least the precision that settles it. */
enum { TS_MATH_REFUTED, TS_MATH_PROVED, TS_MATH_OPEN };
int ts_math_value_zero(struct ts_math_reckoner *, const struct ts_math_value *);

/* -1, 0, 1: certainly negative, exactly 0, positive; 2: not known, or not real. */
int ts_math_value_sign(const struct ts_math_value *);

#endif
