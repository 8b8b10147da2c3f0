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
        double top = largest, sum = 0.0;
#pragma omp simd reduction(max : top)
        for (long i = start; i < stop; i++)
            top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
        for (long i = start; i < stop; i++) {
            d_x[i] = exp(x[i] - top);
            sum += d_x[i];
        }
        total = total * exp(largest - top) + sum;
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
