/* Rosenbrock's function of n numbers and its gradient.
 *
 * Each entry of the gradient is computed whole from its two neighbours, so that entries are
 * independent: adding two halves in turn would be a chain through memory. */

double rosenbrock(long n, const double *restrict x, double *restrict d_x)
{
    if (n < 2) {
        for (long i = 0; i < n; i++)
            d_x[i] = 0.0;
        return 0.0;
    }

    const double first = x[1] - x[0] * x[0], last = x[n - 1] - x[n - 2] * x[n - 2];
    double total = 100.0 * first * first + (1.0 - x[0]) * (1.0 - x[0]);
    d_x[0] = -400.0 * first * x[0] - 2.0 * (1.0 - x[0]);
#pragma omp simd reduction(+ : total)
    for (long i = 1; i < n - 1; i++) {
        const double before = x[i] - x[i - 1] * x[i - 1];
        const double after = x[i + 1] - x[i] * x[i], rest = 1.0 - x[i];
        total += 100.0 * after * after + rest * rest;
        d_x[i] = 200.0 * before - 400.0 * after * x[i] - 2.0 * rest;
    }
    d_x[n - 1] = 200.0 * last;
    return total;
}
