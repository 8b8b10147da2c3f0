/* Four numbers at a time, and functions of them.
 *
 * The declarations are of the vector functions of the C library: `#pragma omp simd` around a loop
 * of these has it call libmvec, and leaves NaN and infinity their meaning (-ffast-math would not).
 * Where exp is most of the work, `exp4` is inlined: it saves the call and the spilled registers. */
#ifndef VECTOR_H
#define VECTOR_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#pragma omp declare simd notinbranch
extern double exp(double);
#pragma omp declare simd notinbranch
extern double log(double);
#pragma omp declare simd notinbranch
extern double sin(double);
#pragma omp declare simd notinbranch
extern double cos(double);

#define INLINE static inline __attribute__((always_inline))

/* Keeps gcc from reading a value from memory again in each place that uses it. */
#define IN_REGISTER(x) __asm__("" : "+x"(x))

typedef double v4 __attribute__((vector_size(32)));
typedef int64_t i4 __attribute__((vector_size(32)));

/* Room for n numbers that starts where a cache line does: no vector lies across two. */
static inline double *aligned(long n)
{
    const size_t line = 64;
    return aligned_alloc(line, (n * sizeof(double) + line - 1) / line * line);
}

static inline double *zeros(long n)
{
    return memset(aligned(n), 0, n * sizeof(double));
}

INLINE v4 load(const double *p)
{
    v4 x;
    memcpy(&x, p, sizeof x);
    return x;
}

INLINE void store(double *p, v4 x)
{
    memcpy(p, &x, sizeof x);
}

INLINE v4 all(double x)
{
    return (v4){x, x, x, x};
}

/* a where the mask is set, else b. */
INLINE v4 choose(i4 mask, v4 a, v4 b)
{
    return (v4)(((i4)a & mask) | ((i4)b & ~mask));
}

INLINE v4 larger(v4 a, v4 b)
{
    return choose(a > b, a, b);
}

INLINE double sum(v4 x)
{
    return (x[0] + x[2]) + (x[1] + x[3]);
}

/* The sums of four vectors, as one. */
INLINE v4 sums(v4 a, v4 b, v4 c, v4 d)
{
    const v4 ab = __builtin_shuffle(a, b, (i4){0, 4, 2, 6}) + __builtin_shuffle(a, b, (i4){1, 5, 3, 7});
    const v4 cd = __builtin_shuffle(c, d, (i4){0, 4, 2, 6}) + __builtin_shuffle(c, d, (i4){1, 5, 3, 7});
    return __builtin_shuffle(ab, cd, (i4){0, 1, 4, 5}) + __builtin_shuffle(ab, cd, (i4){2, 3, 6, 7});
}

/* exp of numbers up to 709 within 2 ulp; below -708 it stays at exp(-708), which is 3e-308.
 *
 * exp(x) = 2^k exp(r) with r in [-ln2/2, ln2/2]: adding 1.5 * 2^52 leaves k in the lowest bits,
 * ln2 is subtracted in two parts, and the polynomial is Taylor's of degree 13. */
INLINE v4 exp4(v4 x)
{
    const double shift = 0x1.8p52;
    x = larger(x, all(-708.0));
    const v4 shifted = x * 0x1.71547652b82fep0 + shift;
    const v4 k = shifted - shift;
    const v4 r = (x - k * 0x1.62e42fefa39efp-1) - k * 0x1.abc9e3b39803fp-56;
    const v4 r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    const v4 low = (1.0 + r) + r2 * (1. / 2 + r * (1. / 6));
    const v4 middle = (1. / 24 + r * (1. / 120)) + r2 * (1. / 720 + r * (1. / 5040));
    const v4 high = (1. / 40320 + r * (1. / 362880)) + r2 * (1. / 3628800 + r * (1. / 39916800)) +
                    r4 * (1. / 479001600 + r * (1. / 6227020800));
    return (v4)((i4)(low + r4 * middle + r8 * high) + ((i4)shifted << 52));
}

#endif
