"""Functions that generated C calls and the C library has not: what Python and NumPy mean by them.

Each is `static inline` and free of calls to Python; a kernel brings those that it uses.
"""

from __future__ import annotations

import re

from symdiff.codegen.c.matrices import MATRICES
from symdiff.codegen.c.sorting import SORTING

# Name: (what it calls of the others, its text).
SUPPORT: dict[str, tuple[tuple[str, ...], str]] = {
    "nan_max": ((), """\
/* The larger of two numbers; nan if either is. */
static inline double nan_max(double a, double b)
{
    return a > b || a != a ? a : b;
}"""),
    "nan_min": ((), """\
/* The smaller of two numbers; nan if either is. */
static inline double nan_min(double a, double b)
{
    return a < b || a != a ? a : b;
}"""),
    "sign": ((), """\
/* -1, 0 or 1; nan stays nan. */
static inline double sign(double x)
{
    return x != x ? x : (double)((x > 0.0) - (x < 0.0));
}"""),
    "abs_int": ((), """\
static inline int64_t abs_int(int64_t a)
{
    return a < 0 ? -a : a;
}"""),
    "heaviside": ((), """\
/* 0 below 0, 1 above, h at 0. */
static inline double heaviside(double x, double h)
{
    return x != x ? x : x == 0.0 ? h : (double)(x > 0.0);
}"""),
    "floor_mod": ((), """\
/* The remainder with the sign of the divisor, as Python has it. */
static inline double floor_mod(double a, double b)
{
    const double r = fmod(a, b);
    return r == 0.0 ? copysign(0.0, b) : (r < 0.0) != (b < 0.0) ? r + b : r;
}"""),
    "floor_div": ((), """\
/* The quotient rounded down, as Python has it: exact where a / b rounds up to a whole number. */
static inline double floor_div(double a, double b)
{
    const double r = fmod(a, b);
    double q = (a - r) / b;
    if (b == 0.0)
        return a / b;
    if (r != 0.0 && (r < 0.0) != (b < 0.0))
        q -= 1.0;
    if (q == 0.0)
        return copysign(0.0, a / b);
    return q - floor(q) > 0.5 ? floor(q) + 1.0 : floor(q);
}"""),
    "floor_mod_int": ((), """\
/* The remainder with the sign of the divisor, as Python has it; 0 for division by 0. */
static inline int64_t floor_mod_int(int64_t a, int64_t b)
{
    if (b == 0 || b == -1)
        return 0;
    return a % b != 0 && (a % b < 0) != (b < 0) ? a % b + b : a % b;
}"""),
    "floor_div_int": ((), """\
/* The quotient rounded down, as Python has it; 0 for division by 0. */
static inline int64_t floor_div_int(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    if (b == -1)
        return (int64_t)(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}"""),
    "clip_int": ((), """\
static inline int64_t clip_int(int64_t a, int64_t low, int64_t high)
{
    const int64_t raised = a < low ? low : a;
    return raised > high ? high : raised;
}"""),
    "left_shift_int": ((), """\
/* a * 2^n; 0 where that leaves nothing. */
static inline int64_t left_shift_int(int64_t a, int64_t n)
{
    return n < 0 || n > 63 ? 0 : (int64_t)((uint64_t)a << n);
}"""),
    "left_shift_overflows": (("left_shift_int", "right_shift_int"), """\
static inline bool left_shift_overflows(int64_t a, int64_t n)
{
    return a != 0 && (n > 63 || right_shift_int(left_shift_int(a, n), n) != a);
}"""),
    "right_shift_int": ((), """\
/* a / 2^n rounded down. */
static inline int64_t right_shift_int(int64_t a, int64_t n)
{
    const int64_t bits = n < 0 || n > 63 ? 63 : n;
    return a < 0 ? ~(~a >> bits) : a >> bits;
}"""),
    "pow_int": ((), """\
static inline int64_t pow_int(int64_t base, int64_t exponent)
{
    uint64_t power = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent >>= 1, square *= square)
        if (exponent & 1)
            power *= square;
    return (int64_t)power;
}"""),
    "pow_overflows": ((), """\
/* Whether a power has more than 64 bits. */
static inline bool pow_overflows(int64_t base, int64_t exponent)
{
    int64_t power = 1;
    if (base >= -1 && base <= 1)
        return false;
    while (exponent-- > 0)
        if (__builtin_mul_overflow(power, base, &power))
            return true;
    return false;
}"""),
    "add_overflows": ((), """\
static inline bool add_overflows(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum);
}"""),
    "subtract_overflows": ((), """\
static inline bool subtract_overflows(int64_t a, int64_t b)
{
    int64_t difference;
    return __builtin_sub_overflow(a, b, &difference);
}"""),
    "multiply_overflows": ((), """\
static inline bool multiply_overflows(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product);
}"""),
    "logaddexp": ((), """\
/* log(exp(x) + exp(y)) without overflow. */
static inline double logaddexp(double x, double y)
{
    const double top = x > y ? x : y;
    return x == y ? x + 0.6931471805599453 : x != x || y != y ? x + y
                                           : top + log1p(exp(-fabs(x - y)));
}"""),
    "logaddexp2": ((), """\
/* log2(2^x + 2^y) without overflow. */
static inline double logaddexp2(double x, double y)
{
    const double top = x > y ? x : y;
    return x == y ? x + 1.0 : x != x || y != y ? x + y
                            : top + log1p(exp2(-fabs(x - y))) / 0.6931471805599453;
}"""),
    "softplus": ((), """\
/* log(1 + exp(x)) without overflow. */
static inline double softplus(double x)
{
    return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x))) + (x != x ? x : 0.0);
}"""),
    "log1mexp": ((), """\
/* log(1 - exp(x)) for x < 0 (Maechler 2012). */
static inline double log1mexp(double x)
{
    return x > -0.6931471805599453 ? log(-expm1(x)) : log1p(-exp(x));
}"""),
    "xlogy": ((), """\
/* x * log(y), 0 where x is 0. */
static inline double xlogy(double x, double y)
{
    return x == 0.0 && y == y ? 0.0 : x * log(y);
}"""),
    "xlog1py": ((), """\
/* x * log(1 + y), 0 where x is 0. */
static inline double xlog1py(double x, double y)
{
    return x == 0.0 && y == y ? 0.0 : x * log1p(y);
}"""),
    "logit": ((), """\
static inline double logit(double p)
{
    return log(p / (1.0 - p));
}"""),
    "cosm1": ((), """\
/* cos(x) - 1 without cancellation. */
static inline double cosm1(double x)
{
    const double s = sin(0.5 * x);
    return -2.0 * s * s;
}"""),
    "sinc": ((), """\
/* sin(pi x) / (pi x). */
static inline double sinc(double x)
{
    const double y = x == 0.0 ? 1e-20 : 3.141592653589793 * x;
    return sin(y) / y;
}"""),
    "fraction": ((), """\
/* The part of a number behind the point. */
static inline double fraction(double x)
{
    return isinf(x) ? copysign(0.0, x) : copysign(x - trunc(x), x);
}"""),
    "mantissa": ((), """\
static inline double mantissa(double x)
{
    int exponent;
    return frexp(x, &exponent);
}"""),
    "exponent": ((), """\
static inline int64_t exponent(double x)
{
    int power = 0;
    frexp(x, &power);
    return power;
}"""),
    "scaled": ((), """\
/* x * 2^n. */
static inline double scaled(double x, int64_t n)
{
    return ldexp(x, n < -5000 ? -5000 : n > 5000 ? 5000 : (int)n);
}"""),
    "ulp": ((), """\
/* The distance to the next larger magnitude, as `math.ulp` has it. */
static inline double ulp(double x)
{
    const double a = fabs(x);
    if (a != a || isinf(a))
        return a;
    return isinf(nextafter(a, INFINITY)) ? a - nextafter(a, 0.0) : nextafter(a, INFINITY) - a;
}"""),
    "entr": ((), """\
/* -x log(x), 0 at 0. */
static inline double entr(double x)
{
    return x > 0.0 ? -x * log(x) : x == 0.0 ? 0.0 : x != x ? x : -INFINITY;
}"""),
    "rel_entr": ((), """\
/* x log(x / y), 0 where x is 0. */
static inline double rel_entr(double x, double y)
{
    const double ratio = x / y;
    if (x != x || y != y)
        return x + y;
    if (x <= 0.0 || y <= 0.0)
        return x == 0.0 && y >= 0.0 ? 0.0 : INFINITY;
    if (ratio > 0.5 && ratio < 2.0)
        return x * log1p((x - y) / y);
    return x * (ratio > 0.0 && !isinf(ratio) ? log(ratio) : log(x) - log(y));
}"""),
    "kl_div": (("rel_entr",), """\
/* x log(x / y) - x + y = x (t - log(1 + t)) for t = y / x - 1: where they are close, by the series
   of the logarithm in r = t / (2 + t), as the difference cancels. */
static inline double kl_div(double x, double y)
{
    const double t = (y - x) / x, r = t / (2.0 + t), s = r * r;
    const double series = 1.0 / 3 + s * (1.0 / 5 + s * (1.0 / 7 + s * (1.0 / 9 + s * (1.0 / 11
        + s * (1.0 / 13 + s * (1.0 / 15 + s / 17))))));
    if (x != x || y != y)
        return x + y;
    if (x > 0.0 && y > 0.0)
        return fabs(t) < 0.1 ? x * r * (t - 2.0 * s * series) : rel_entr(x, y) - x + y;
    return x == 0.0 && y >= 0.0 ? y : INFINITY;
}"""),
    "digamma": ((), """\
/* The derivative of lgamma; close to a pole by reflection, as the distance to it has all digits. */
static inline double digamma(double x)
{
    const double distance = remainder(x, 1.0);
    if (x > 0.0 || distance == 0.0 || !(fabs(distance) < 0.1))
        return external_digamma(x);
    return external_digamma(1.0 - x) - 3.141592653589793 / tan(3.141592653589793 * distance);
}"""),
    "exprel": ((), """\
/* (exp(x) - 1) / x, 1 at 0. */
static inline double exprel(double x)
{
    return fabs(x) < 1e-16 ? 1.0 : isinf(x) && x > 0.0 ? x : expm1(x) / x;
}"""),
    "bessel_i": ((), """\
/* The modified Bessel function I_n, by its power series (DLMF 10.25.2): no terms cancel. */
static inline double bessel_i(int n, double x)
{
    double term = 1.0, total;
    for (int k = 1; k <= n; k++)
        term *= 0.5 * x / k;
    total = term;
    for (int k = 1; fabs(term) > 1e-17 * fabs(total) && !isinf(total); k++) {
        term *= 0.25 * x * x / ((double)k * (k + n));
        total += term;
    }
    return total;
}"""),
    "polygamma": ((), """\
/* The n-th derivative of digamma (DLMF 5.15): reflection, recurrence, asymptotic series. */
static double polygamma(int n, double x)
{
    static const double bernoulli[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66,
                                       -691.0 / 2730, 7.0 / 6};
    double total = 0.0, reflected = 0.0, sign = 1.0, factorial = 1.0;
    if (x <= 0.0) {
        double poly[64] = {0.0, 1.0};
        const double cot = 1.0 / tan(3.141592653589793 * remainder(x, 1.0));
        if (x == floor(x) || n > 60)
            return NAN;
        for (int m = 0; m < n; m++) { /* d cot = -(1 + cot^2) */
            double next[64] = {0.0};
            for (int k = 1; k <= m + 1; k++) {
                next[k - 1] -= k * poly[k];
                next[k + 1] -= k * poly[k];
            }
            for (int k = 0; k <= m + 2; k++)
                poly[k] = next[k];
        }
        for (int k = n + 1; k >= 0; k--)
            reflected = reflected * cot + poly[k];
        reflected *= pow(3.141592653589793, n + 1);
        sign = n % 2 ? -1.0 : 1.0;
        x = 1.0 - x;
    }
    for (int k = 2; k <= n; k++)
        factorial *= k;
    for (; x < n + 15; x += 1.0)
        total += factorial * pow(1.0 / x, n + 1);
    total += factorial / 2.0 * pow(1.0 / x, n + 1);
    total += n ? factorial / n * pow(x, -n) : -log(x);
    for (int k = 1; k <= 7; k++) {
        double factor = 1.0; /* (2k + n - 1)! / (2k)! */
        for (int j = 2 * k + 1; j <= 2 * k + n - 1; j++)
            factor *= j;
        if (n == 0)
            factor = 1.0 / (2 * k);
        total += bernoulli[k - 1] * factor * pow(1.0 / x, 2 * k + n);
    }
    return sign * (n % 2 ? total : -total) - reflected;
}"""),
    "exact_sum": ((), """\
/* The exactly rounded sum (Shewchuk 1997): `parts` do not overlap, and add up to what has been
   added. Infinite where a sum of finite numbers overflows on the way. */
static double exact_sum(const double *x, int64_t n)
{
    double parts[64], special = 0.0;
    int count = 0;
    for (int64_t i = 0; i < n; i++) {
        double high = x[i];
        int kept = 0;
        for (int k = 0; k < count; k++) {
            const double sum = high + parts[k];
            const double low = fabs(high) < fabs(parts[k]) ? high - (sum - parts[k])
                                                           : parts[k] - (sum - high);
            if (low != 0.0)
                parts[kept++] = low;
            high = sum;
        }
        if (isfinite(high)) {
            parts[kept] = high;
            count = high != 0.0 ? kept + 1 : kept;
        } else {
            special += high;
            count = 0;
        }
    }
    if (special != 0.0 || count == 0)
        return special;
    double sum = parts[--count], low = 0.0;
    while (count > 0 && low == 0.0) {
        const double high = sum, part = parts[--count];
        sum = high + part;
        low = part - (sum - high);
    }
    /* Half way between two numbers, what is below decides. */
    if (count > 0 && (low < 0.0) == (parts[count - 1] < 0.0) && low != 0.0) {
        const double twice = 2.0 * low, next = sum + twice;
        if (next - sum == twice)
            sum = next;
    }
    return sum;
}"""),
    **SORTING,
    **MATRICES,
}  # fmt: skip

_CALL = re.compile(r"\b([a-z_][a-z_0-9]*)\(")


def support_for(text: str) -> list[str]:
    """The texts of the functions that `text` calls, each before those that call it."""
    found: dict[str, None] = {}
    stack = [name for name in dict.fromkeys(_CALL.findall(text)) if name in SUPPORT]
    while stack:
        name = stack[-1]
        needs = [n for n in SUPPORT[name][0] if n not in found]
        if needs:
            stack.extend(needs)
            continue
        found[name] = None
        stack.pop()
    return [SUPPORT[name][1] for name in found]
