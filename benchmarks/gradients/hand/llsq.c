/* Least squares: the polynomial by Horner's rule, its gradient by powers, for many points at once.
 *
 * A step of Horner's rule waits for the one before, so eight vectors of points take turns. */
#include "vector.h"

enum { VECTORS = 8, LANES = 4 * VECTORS };

double llsq(long m, long n, const double *restrict x, double *restrict d_x)
{
    double *restrict sums = zeros(4 * m), loss = 0.0;
    for (long start = 0; start < n; start += LANES) {
        double at[LANES], sign[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            const long i = start + lane < n ? start + lane : n - 1;
            at[lane] = -1.0 + 2.0 * i / (n - 1);
            sign[lane] = (at[lane] > 0.0) - (at[lane] < 0.0);
        }
        v4 t[VECTORS], p[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            t[v] = load(at + 4 * v), p[v] = all(x[m - 1]);
        for (long j = m - 2; j >= 0; j--)
            for (int v = 0; v < VECTORS; v++)
                p[v] = p[v] * t[v] + x[j];
        for (int v = 0; v < VECTORS; v++) {
            p[v] -= load(sign + 4 * v);
            for (int lane = 0; lane < 4; lane++)
                if (start + 4 * v + lane >= n) /* no point there */
                    p[v][lane] = 0.0;
            loss += sum(p[v] * p[v]);
        }
        for (long j = 0; j < m; j++) { /* p is the residual times t^j */
            const v4 total = ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]));
            store(sums + 4 * j, load(sums + 4 * j) + total);
            for (int v = 0; v < VECTORS; v++)
                p[v] *= t[v];
        }
    }
    for (long j = 0; j < m; j++)
        d_x[j] = sum(load(sums + 4 * j));
    free(sums);
    return 0.5 * loss;
}
