/* Our exp, log, pow, sin and cos against the C library's long double (or double where that is exact enough), and the conversions of 16-bit
 * formats exhaustively. */
#include "tensor/fixture.h"
#include "tensor/math.h"

#include <math.h>

static double ulp_error(double found, long double expected)
{
	int exponent;
	frexpl(expected, &exponent);
	return (double)(fabsl((long double)found - expected) / ldexpl(1.0L, exponent - 53 < -1074 ? -1074 : exponent - 53));
}

static double ulp_error_f32(float found, long double expected)
{
	int exponent;
	frexpl(expected, &exponent);
	return (double)(fabsl((long double)found - expected) / ldexpl(1.0L, exponent - 24 < -149 ? -149 : exponent - 24));
}

static void exp_double(void **state)
{
	double worst = 0;
	for (double x = -745.0; x < 709.7; x += 0.00731)
		worst = fmax(worst, ulp_error(ts_exp(x), expl((long double)x)));
	for (double x = -1; x < 1; x += 0.0000037)
		worst = fmax(worst, ulp_error(ts_exp(x), expl((long double)x)));
	print_message("ts_exp: at most %.3f ulp\n", worst);
	assert_true(worst < 2);
	assert_true(ts_exp(0) == 1 && ts_exp(-INFINITY) == 0 && ts_exp(INFINITY) == INFINITY && ts_exp(710) == INFINITY &&
		    ts_exp(-746) == 0);
	assert_true(isnan(ts_exp(NAN)));
}

static void ln_double(void **state)
{
	double worst = 0;
	for (double x = 0.2; x < 5; x += 0.0000117)
		worst = fmax(worst, ulp_error(ts_ln(x), logl((long double)x)));
	for (double x = 1e-320; x < 1e308; x *= 1.0173)
		worst = fmax(worst, ulp_error(ts_ln(x), logl((long double)x)));
	for (double x = 1 - 1e-9; x < 1 + 1e-9; x += 1.3e-13)
		if (x != 1)
			worst = fmax(worst, ulp_error(ts_ln(x), logl((long double)x)));
	print_message("ts_ln: at most %.3f ulp\n", worst);
	assert_true(worst < 2);
	assert_true(ts_ln(1) == 0 && ts_ln(0) == -INFINITY && ts_ln(INFINITY) == INFINITY && isnan(ts_ln(-1)) && isnan(ts_ln(NAN)));
}

static void pow_double(void **state)
{
	double worst = 0;
	for (double base = 1e-3; base < 2e7; base *= 1.37)
		for (double y = -3; y < 3; y += 0.0137)
			worst = fmax(worst, ulp_error(ts_pow(base, y), powl((long double)base, (long double)y)));
	print_message("ts_pow: at most %.3f ulp\n", worst);
	assert_true(worst < 2);
	assert_true(ts_pow(7, 0) == 1 && ts_pow(1, 5) == 1 && ts_pow(2, 10) == 1024);
}

static void sincos_double(void **state)
{
	long double worst = 0;
	for (double x = -1100000000.0 * 0.97; x < 1073741824.0; x += 104729.317) {
		double s, c, inside = fmax(fmin(x, 1073741823.0), -1073741823.0);
		ts_sincos(inside, &s, &c);
		worst = fmaxl(worst,
			      fmaxl(fabsl((long double)s - sinl((long double)inside)), fabsl((long double)c - cosl((long double)inside))));
	}
	for (double x = -20; x < 20; x += 0.000317) {
		double s, c;
		ts_sincos(x, &s, &c);
		worst = fmaxl(worst, fmaxl(fabsl((long double)s - sinl((long double)x)), fabsl((long double)c - cosl((long double)x))));
	}
	print_message("ts_sincos: at most %.2Le off\n", worst);
	assert_true(worst < 5e-16L);
}

static void single(void **state)
{
	double worst_exp = 0, worst_ln = 0;
	for (float x = -87.3f; x < 88.72f; x += 0.00021f) {
		worst_exp = fmax(worst_exp, ulp_error_f32(ts_expf(x), expl((long double)x)));
		worst_exp = fmax(worst_exp, ulp_error_f32(ts_expf(x / 128), expl((long double)(x / 128))));
	}
	for (float x = 1e-38f; x < 3e38f; x *= 1.00031f)
		worst_ln = fmax(worst_ln, ulp_error_f32(ts_lnf(x), logl((long double)x)));
	print_message("ts_expf: at most %.3f ulp; ts_lnf: %.3f\n", worst_exp, worst_ln);
	assert_true(worst_exp < 2 && worst_ln < 2);
	assert_true(ts_expf(0) == 1 && ts_expf(-INFINITY) == 0 && ts_expf(-88) == 0 && ts_expf(89) == INFINITY &&
		    ts_expf(INFINITY) == INFINITY);
	assert_true(isnan(ts_expf(NAN)) && isfinite(ts_expf(88.7228f)) && ts_expf(-87.336f) > 0);
}

static uint32_t bits_of(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* The value of a 16-bit number, from its definition. */
static double value(uint32_t h, int exponent_bits, int mantissa_bits)
{
	uint32_t exponent = h >> mantissa_bits & ((1u << exponent_bits) - 1), mantissa = h & ((1u << mantissa_bits) - 1);
	int bias = (1 << (exponent_bits - 1)) - 1;
	double sign = h & 0x8000 ? -1 : 1;
	if (exponent == (1u << exponent_bits) - 1)
		return mantissa ? (double)NAN : sign * (double)INFINITY;
	if (!exponent)
		return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
	return sign * ldexp(mantissa + (1u << mantissa_bits), (int)exponent - bias - mantissa_bits);
}

static void widening(void **state)
{
	for (uint32_t h = 0; h < 65536; h++) {
		double b = value(h, 8, 7), f = value(h, 5, 10);
		float found_b = ts_bf16_to_f32((uint16_t)h), found_f = ts_f16_to_f32((uint16_t)h);
		assert_true(isnan(b) ? isnan(found_b) : (double)found_b == b && !signbit(found_b) == !signbit(b));
		assert_true(isnan(f) ? isnan(found_f) : (double)found_f == f && !signbit(found_f) == !signbit(f));
		if (isnan(b))
			assert_true(isnan(ts_bf16_to_f32(ts_f32_to_bf16(found_b))));
		else
			assert_int_equal(ts_f32_to_bf16(found_b), h);
		if (isnan(f))
			assert_true(isnan(ts_f16_to_f32(ts_f32_to_f16(found_f))));
		else
			assert_int_equal(ts_f32_to_f16(found_f), h);
	}
}

/* Between two neighbours the nearer one is taken, at the middle the even one. */
static void narrowing(void **state)
{
	for (uint32_t h = 0; h < 0x7f7f; h++) {
		float low = ts_bf16_to_f32((uint16_t)h), high = ts_bf16_to_f32((uint16_t)(h + 1));
		float middle = (float)(((double)low + (double)high) / 2);
		assert_int_equal(ts_f32_to_bf16(middle), h + (h & 1));
		assert_int_equal(ts_f32_to_bf16(nextafterf(middle, -INFINITY)), h);
		assert_int_equal(ts_f32_to_bf16(nextafterf(middle, INFINITY)), h + 1);
		assert_int_equal(ts_f32_to_bf16(-middle), 0x8000 | (h + (h & 1)));
	}
	for (uint32_t h = 0; h < 0x7bff; h++) {
		float low = ts_f16_to_f32((uint16_t)h), high = ts_f16_to_f32((uint16_t)(h + 1)), middle = (low + high) / 2;
		assert_int_equal(ts_f32_to_f16(middle), h + (h & 1));
		assert_int_equal(ts_f32_to_f16(nextafterf(middle, -INFINITY)), h);
		assert_int_equal(ts_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
		assert_int_equal(ts_f32_to_f16(-middle), 0x8000 | (h + (h & 1)));
	}
	assert_int_equal(ts_f32_to_f16(65519.996f), 0x7bff);
	assert_int_equal(ts_f32_to_f16(65520), 0x7c00);
	assert_int_equal(ts_f32_to_f16(1e30f), 0x7c00);
	assert_int_equal(ts_f32_to_bf16(3.4e38f), 0x7f80);
	assert_int_equal(ts_f32_to_bf16(-INFINITY), 0xff80);
	assert_true(bits_of(ts_f16_to_f32(0x8000)) == 0x80000000u);
}

static void widen_unaligned(void **state)
{
	unsigned char bytes[] = {0, 0x00, 0x00, 0x80, 0x3f, 0x80, 0x3f, 0x00, 0x40};
	float out[2];
	ts_widen(out, bytes + 1, TS_F32, 1);
	assert_true(out[0] == 1);
	ts_widen(out, bytes + 5, TS_BF16, 2);
	assert_true(out[0] == 1 && out[1] == 2);
	ts_widen(out, bytes + 7, TS_F16, 1);
	assert_true(out[0] == 2);
	assert_string_equal(ts_dtype_name(TS_BF16), "BF16");
	assert_int_equal(ts_dtype_size(TS_F64), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exp_double), cmocka_unit_test(ln_double), cmocka_unit_test(pow_double), cmocka_unit_test(sincos_double),
		cmocka_unit_test(single),     cmocka_unit_test(widening),  cmocka_unit_test(narrowing),  cmocka_unit_test(widen_unaligned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
