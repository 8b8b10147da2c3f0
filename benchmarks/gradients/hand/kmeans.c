/* k-means: the gradient of the sum of squared distances in the centroids, and its Hessian's diagonal.
 *
 * The nearest centroid c of a point p has the largest c . p - |c|^2 / 2. Points go in blocks, laid out
 * coordinate by coordinate, and are multiplied by six centroids at a time, in registers. */
#include "vector.h"

enum { LANES = 32, TILE = 6, VECTORS = 8 };

/* Which of `count` centroids have a larger product with points than those so far. */
INLINE void compare(int count, int vectors, long d, long number, const double *restrict centroids,
                    const double *restrict halves, const double *restrict x,
                    double *restrict largest, int64_t *restrict nearest)
{
    for (int lane = 0; lane < LANES; lane += 4 * vectors) {
        v4 product[TILE][VECTORS];
        for (int c = 0; c < count; c++)
            for (int v = 0; v < vectors; v++)
                product[c][v] = all(-halves[c]);
        for (long a = 0; a < d; a++) {
            v4 here[VECTORS];
            for (int v = 0; v < vectors; v++) {
                here[v] = load(x + a * LANES + lane + 4 * v);
                IN_REGISTER(here[v]);
            }
            for (int c = 0; c < count; c++)
                for (int v = 0; v < vectors; v++)
                    product[c][v] += centroids[c * d + a] * here[v];
        }
        for (int v = 0; v < vectors; v++) {
            v4 best = load(largest + lane + 4 * v);
            i4 which;
            memcpy(&which, nearest + lane + 4 * v, sizeof which);
            for (int c = 0; c < count; c++) {
                const i4 better = product[c][v] > best;
                best = choose(better, product[c][v], best);
                which = (better & (number + c)) | (~better & which);
            }
            store(largest + lane + 4 * v, best);
            memcpy(nearest + lane + 4 * v, &which, sizeof which);
        }
    }
}

void kmeans(long n, long d, long k, const double *points, const double *centroids,
            double *restrict gradient, double *restrict hessian)
{
    double *x = zeros(d * LANES), *halves = zeros(k), *members = zeros(k);
    for (long c = 0; c < k; c++)
        for (long a = 0; a < d; a++) {
            halves[c] += 0.5 * centroids[c * d + a] * centroids[c * d + a];
            gradient[c * d + a] = 0.0;
        }

    for (long start = 0; start < n; start += LANES) {
        const long used = n - start < LANES ? n - start : LANES;
        double largest[LANES];
        int64_t nearest[LANES];
        for (int lane = 0; lane < LANES; lane++)
            largest[lane] = -INFINITY, nearest[lane] = 0;
        for (long i = 0; i < used; i++)
            for (long a = 0; a < d; a++)
                x[a * LANES + i] = points[(start + i) * d + a];

        long c = 0;
        for (; c + TILE <= k; c += TILE)
            compare(TILE, 2, d, c, centroids + c * d, halves + c, x, largest, nearest);
        const double *rest = centroids + c * d;
        switch (k - c) {
        case 1: compare(1, 8, d, c, rest, halves + c, x, largest, nearest); break;
        case 2: compare(2, 4, d, c, rest, halves + c, x, largest, nearest); break;
        case 3: compare(3, 4, d, c, rest, halves + c, x, largest, nearest); break;
        case 4: compare(4, 2, d, c, rest, halves + c, x, largest, nearest); break;
        case 5:
            compare(1, 8, d, c + 4, rest + 4 * d, halves + c + 4, x, largest, nearest);
            compare(4, 2, d, c, rest, halves + c, x, largest, nearest);
            break;
        }

        for (long i = 0; i < used; i++) {
            const double *restrict point = points + (start + i) * d;
            double *restrict to = gradient + nearest[i] * d;
            for (long a = 0; a < d; a++)
                to[a] += point[a];
            members[nearest[i]] += 1.0;
        }
    }

    for (long c = 0; c < k; c++)
        for (long a = 0; a < d; a++) {
            hessian[c * d + a] = 2.0 * members[c];
            gradient[c * d + a] = 2.0 * (members[c] * centroids[c * d + a] - gradient[c * d + a]);
        }
    free(x), free(halves), free(members);
}
