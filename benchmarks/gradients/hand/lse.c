/* Log-sum-exp and its gradient.
 *
 * One pass less over memory than the textbook: blocks that fit the first cache subtract the largest
 * number seen so far, and the last pass corrects for what was larger still. */
#include <stdlib.h>

#include "vector.h"

enum { BLOCK = 1024 };

double lse(long n, const double *restrict x, double *restrict d_x)
{
    const long blocks = (n + BLOCK - 1) / BLOCK;
    double *subtracted = malloc(blocks * sizeof *subtracted);
    double largest = -INFINITY, total = 0.0;

    for (long b = 0; b < blocks; b++) {
        const long start = b * BLOCK, stop = start + BLOCK < n ? start + BLOCK : n;
        double top = largest;
        long i = start;
        if (stop - start >= 16) {
            v4 t0 = load(x + i), t1 = load(x + i + 4), t2 = load(x + i + 8), t3 = load(x + i + 12);
            for (i += 16; i + 16 <= stop; i += 16) {
                t0 = larger(t0, load(x + i));
                t1 = larger(t1, load(x + i + 4));
                t2 = larger(t2, load(x + i + 8));
                t3 = larger(t3, load(x + i + 12));
            }
            const v4 t = larger(larger(t0, t1), larger(t2, t3));
            for (int lane = 0; lane < 4; lane++)
                top = t[lane] > top ? t[lane] : top;
        }
        for (; i < stop; i++)
            top = x[i] > top ? x[i] : top;

        v4 sum0 = all(0.0), sum1 = all(0.0);
        for (i = start; i + 8 <= stop; i += 8) {
            const v4 e0 = exp4(load(x + i) - top), e1 = exp4(load(x + i + 4) - top);
            store(d_x + i, e0);
            store(d_x + i + 4, e1);
            sum0 += e0;
            sum1 += e1;
        }
        double rest = 0.0;
        for (; i < stop; i++)
            rest += d_x[i] = exp(x[i] - top);
        total = total * exp(largest - top) + sum(sum0 + sum1) + rest;
        largest = subtracted[b] = top;
    }

    for (long b = 0; b < blocks; b++) {
        const long start = b * BLOCK, stop = start + BLOCK < n ? start + BLOCK : n;
        const double scale = exp(subtracted[b] - largest) / total;
        for (long i = start; i < stop; i++)
            d_x[i] *= scale;
    }
    free(subtracted);
    return largest + log(total);
}
