/* Steps of the heat equation on a grid whose border is held, and the gradient of where they end.
 *
 * All states are kept. On the way back the stencil is applied to the adjoint, and what it gives
 * serves twice: it changes the adjoint, and times the state it is the derivative in the
 * diffusivity. So the stencil is never applied to the states again. */
#include <stdlib.h>
#include <string.h>

/* The adjoint of one step: w is the adjoint inside of the grid, and 0 on the border, whose own
 * adjoint is added up in `edge`. Returns what the step adds to the derivative in k. */
static double back(long rows, long columns, double k, const double *restrict u,
                   const double *restrict w, double *restrict before, double *restrict edge)
{
    const long last = rows - 1, end = columns - 1;
    double total = 0.0;

    for (long i = 1; i < last; i++) {
        const double *here = w + i * columns, *above = here - columns, *below = here + columns;
        const double *at = u + i * columns;
        double *out = before + i * columns;
#pragma omp simd reduction(+ : total)
        for (long j = 1; j < end; j++) {
            const double flow = above[j] + below[j] + here[j - 1] + here[j + 1] - 4.0 * here[j];
            total += flow * at[j];
            out[j] = here[j] + k * flow;
        }
        edge[i * columns] += k * here[1];
        edge[i * columns + end] += k * here[end - 1];
        total += here[1] * at[0] + here[end - 1] * at[end];
    }
    for (long j = 1; j < end; j++) {
        const double top = w[columns + j], bottom = w[(last - 1) * columns + j];
        edge[j] += k * top;
        edge[last * columns + j] += k * bottom;
        total += top * u[j] + bottom * u[last * columns + j];
    }
    return total;
}

double heat(long rows, long columns, long steps, double k, const double *start,
            const double *seen, double *d_start, double *d_k)
{
    const long all = rows * columns;
    double *path = malloc((steps + 1) * all * sizeof *path);
    double *w = calloc(2 * all, sizeof *w), *before = w + all, *both = w;
    double total = 0.0, sum = 0.0;

    memcpy(path, start, all * sizeof *path);
    for (long t = 0; t < steps; t++) {
        const double *u = path + t * all;
        double *next = path + (t + 1) * all;
        memcpy(next, u, columns * sizeof *next);
        for (long i = 1; i < rows - 1; i++) {
            const double *here = u + i * columns, *above = here - columns, *below = here + columns;
            double *out = next + i * columns;
            out[0] = here[0];
#pragma omp simd
            for (long j = 1; j < columns - 1; j++)
                out[j] = here[j] + k * (above[j] + below[j] + here[j - 1] + here[j + 1]
                                        - 4.0 * here[j]);
            out[columns - 1] = here[columns - 1];
        }
        memcpy(next + all - columns, u + all - columns, columns * sizeof *next);
    }

    const double *u = path + steps * all;
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) {
            const long at = i * columns + j;
            const int inside = 0 < i && i < rows - 1 && 0 < j && j < columns - 1;
            const double miss = u[at] - seen[at];
            total += miss * miss;
            w[at] = inside ? 2.0 * miss : 0.0;
            d_start[at] = inside ? 0.0 : 2.0 * miss;
        }

    for (long t = steps - 1; t >= 0; t--) {
        sum += back(rows, columns, k, path + t * all, w, before, d_start);
        double *other = w;
        w = before;
        before = other;
    }
    for (long i = 0; i < all; i++)
        d_start[i] += w[i];
    *d_k = sum;
    free(path);
    free(both);
    return total;
}
