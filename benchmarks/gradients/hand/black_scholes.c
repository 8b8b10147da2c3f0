/* The value of many European call options and its derivatives: delta, vega, rho and theta.
 *
 * One pass over the options: all that the derivatives need is there once the price is. */
#include "vector.h"

#pragma omp declare simd notinbranch
extern double erf(double);

static const double SQRT_HALF = 0.70710678118654752440;
static const double DENSITY_AT_0 = 0.39894228040143267794; /* 1 / sqrt(2 pi) */

double black_scholes(long n, const double *restrict S, const double *restrict K,
                     const double *restrict sigma, const double *restrict r,
                     const double *restrict T, double *restrict d_S, double *restrict d_sigma,
                     double *restrict d_r, double *restrict d_T)
{
    double total = 0.0;
#pragma omp simd reduction(+ : total)
    for (long i = 0; i < n; i++) {
        const double root = sqrt(T[i]), spread = sigma[i] * root;
        const double d1 = (log(S[i] / K[i]) + (r[i] + 0.5 * sigma[i] * sigma[i]) * T[i]) / spread;
        const double d2 = d1 - spread;
        const double owned = 0.5 + 0.5 * erf(SQRT_HALF * d1);
        const double strike = K[i] * exp(-r[i] * T[i]);
        const double owed = strike * (0.5 + 0.5 * erf(SQRT_HALF * d2));
        const double density = S[i] * DENSITY_AT_0 * exp(-0.5 * d1 * d1);

        total += S[i] * owned - owed;
        d_S[i] = owned;
        d_sigma[i] = density * root;
        d_r[i] = T[i] * owed;
        d_T[i] = 0.5 * density * sigma[i] / root + r[i] * owed;
    }
    return total;
}
