/* The log-posterior of a Gaussian mixture with a Wishart prior, and its gradient.
 *
 * Points go in blocks of lanes: in a block, everything is an array over its points, so all loops
 * inside are vector loops, and sums over points are kept lane by lane. With Q the lower triangle of
 * a component (its diagonal through exp), y = Q x - Q mean, and w the weight of a point:
 *
 *     d_Q = -sum w y (x - mean)^T = -(sum w y x^T) + (sum w y) mean^T
 *
 * so the mean never meets a point; the two sums are all that is kept of a block. Both products with
 * a triangle are done in tiles that stay in registers. */
#include <stdlib.h>

#include "vector.h"

enum { LANES = 64, ROWS = 4 };

/* Triangles are kept as panels of four rows, column by column up to the diagonal: entry (b, a) is
 * at panel(b / 4) + 4 a + b % 4. A panel that has fewer rows, or what is beyond the diagonal, is 0. */
static long panel(long number)
{
    return ROWS * ROWS * (number * (number + 1) / 2);
}

static long at(long b, long a)
{
    return panel(b / ROWS) + ROWS * a + b % ROWS;
}

/* y = Q x - v for `rows` rows of a panel, 4 * `vectors` lanes at a time; adds the squares of y. */
INLINE void forward_rows(int rows, int vectors, long first, const double *restrict x,
                         const double *restrict q, const double *restrict v, double *restrict y,
                         double *restrict squares)
{
    for (int lane = 0; lane < LANES; lane += 4 * vectors) {
        v4 tile[ROWS][2 * ROWS], here[2 * ROWS];
        const double *column = x + lane, *factor = q;
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < vectors; i++)
                tile[r][i] = all(-v[r]);
        for (long a = 0; a < first + rows; a++, column += LANES, factor += ROWS) {
            for (int i = 0; i < vectors; i++) {
                here[i] = load(column + 4 * i);
                IN_REGISTER(here[i]);
            }
            for (int r = 0; r < rows; r++)
                for (int i = 0; i < vectors; i++)
                    tile[r][i] += factor[r] * here[i];
        }
        for (int i = 0; i < vectors; i++) {
            v4 total = load(squares + lane + 4 * i);
            for (int r = 0; r < rows; r++) {
                store(y + r * LANES + lane + 4 * i, tile[r][i]);
                total += tile[r][i] * tile[r][i];
            }
            store(squares + lane + 4 * i, total);
        }
    }
}

static void forward(long d, const double *x, const double *q, const double *v, double *y,
                    double *squares)
{
    long b = 0;
    for (; b + ROWS <= d; b += ROWS)
        forward_rows(4, 2, b, x, q + panel(b / ROWS), v + b, y + b * LANES, squares);
    q += panel(b / ROWS), v += b, y += b * LANES;
    switch (d - b) {
    case 1: forward_rows(1, 8, b, x, q, v, y, squares); break;
    case 2: forward_rows(2, 4, b, x, q, v, y, squares); break;
    case 3: forward_rows(3, 4, b, x, q, v, y, squares); break;
    }
}

/* g += sum over lanes of wy x^T, for `rows` rows and `columns` columns of a panel. */
INLINE void backward_tile(int rows, int columns, const double *restrict x,
                          const double *restrict wy, double *restrict g)
{
    v4 tile[2 * ROWS][ROWS];
    for (int c = 0; c < columns; c++)
        for (int r = 0; r < ROWS; r++)
            tile[c][r] = all(0.0);
    for (int lane = 0; lane < LANES; lane += 4) {
        v4 here[2 * ROWS];
        for (int c = 0; c < columns; c++) {
            here[c] = load(x + c * LANES + lane);
            IN_REGISTER(here[c]);
        }
        for (int r = 0; r < rows; r++) {
            v4 factor = load(wy + r * LANES + lane);
            IN_REGISTER(factor);
            for (int c = 0; c < columns; c++)
                tile[c][r] += factor * here[c];
        }
    }
    for (int c = 0; c < columns; c++) {
        const v4 total = sums(tile[c][0], tile[c][1], tile[c][2], tile[c][3]);
        store(g + c * ROWS, load(g + c * ROWS) + total);
    }
}

INLINE void backward_rows(int rows, int columns, long first, const double *x, const double *wy,
                          double *g)
{
    long a = 0;
    for (; a + columns <= first + rows; a += columns)
        backward_tile(rows, columns, x + a * LANES, wy, g + a * ROWS);
    for (; a < first + rows; a++)
        backward_tile(rows, 1, x + a * LANES, wy, g + a * ROWS);
}

static void backward(long d, const double *x, const double *wy, double *g)
{
    long b = 0;
    for (; b + ROWS <= d; b += ROWS)
        backward_rows(4, 2, b, x, wy + b * LANES, g + panel(b / ROWS));
    wy += b * LANES, g += panel(b / ROWS);
    switch (d - b) {
    case 1: backward_rows(1, 8, b, x, wy, g); break;
    case 2: backward_rows(2, 4, b, x, wy, g); break;
    case 3: backward_rows(3, 2, b, x, wy, g); break;
    }
}

static double log_sum_exp(long n, const double *x)
{
    double largest = x[0], total = 0.0;
    for (long i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (long i = 0; i < n; i++)
        total += exp(x[i] - largest);
    return largest + log(total);
}

/* The log-likelihood of a block for the terms of its components, which become their weights. */
static double weigh(long k, double *terms, long used)
{
    double tops[LANES], totals[LANES], value = 0.0;
    for (int lane = 0; lane < LANES; lane += 4) {
        v4 top = load(terms + lane), total = all(0.0);
        for (long c = 1; c < k; c++)
            top = larger(top, load(terms + c * LANES + lane));
        for (long c = 0; c < k; c++) {
            const v4 e = exp4(load(terms + c * LANES + lane) - top);
            store(terms + c * LANES + lane, e);
            total += e;
        }
        v4 inverse = 1.0 / total;
        for (int t = 0; t < 4; t++)
            if (lane + t >= used) /* no point there */
                inverse[t] = 0.0;
        for (long c = 0; c < k; c++)
            store(terms + c * LANES + lane, load(terms + c * LANES + lane) * inverse);
        store(tops + lane, top);
        store(totals + lane, total);
    }
#pragma omp simd reduction(+ : value)
    for (int lane = 0; lane < used; lane++)
        value += tops[lane] + log(totals[lane]);
    return value;
}

/* wy = w y, and its sums over the block; returns the sum of the weights. */
static double apply_weights(long d, const double *restrict w, double *restrict y,
                            double *restrict total)
{
    v4 weight = all(0.0);
    for (int lane = 0; lane < LANES; lane += 4)
        weight += load(w + lane);
    for (long b = 0; b < d; b++, y += LANES) {
        v4 t0 = all(0.0), t1 = all(0.0);
        for (int lane = 0; lane < LANES; lane += 8) {
            const v4 y0 = load(y + lane) * load(w + lane);
            const v4 y1 = load(y + lane + 4) * load(w + lane + 4);
            store(y + lane, y0);
            store(y + lane + 4, y1);
            t0 += y0;
            t1 += y1;
        }
        total[b] += sum(t0 + t1);
    }
    return sum(weight);
}

static double log_gamma_of_dimension(double a, long d)
{
    double value = 0.25 * d * (d - 1) * log(M_PI);
    for (long j = 1; j <= d; j++)
        value += lgamma(a + 0.5 * (1 - j));
    return value;
}

double gmm(long n, long d, long k, const double *alphas, const double *means, const double *icf,
           const double *points, double gamma, long m, double *d_alphas, double *d_means,
           double *d_icf)
{
    const long size = panel((d + ROWS - 1) / ROWS), entries = d + d * (d - 1) / 2;
    double *q = zeros(k * size), *v = zeros(k * d), *g = zeros(k * size), *s = zeros(k * d);
    double *x = zeros(d * LANES), *y = aligned(k * d * LANES), *terms = aligned(k * LANES);
    double *offset = zeros(k);
    double prior = 0.0, value = 0.0;

    for (long c = 0; c < k; c++) {
        const double *from = icf + c * entries;
        double *to = q + c * size, log_determinant = 0.0, squares = 0.0;
        long p = d;
        for (long a = 0; a < d; a++) {
            to[at(a, a)] = exp(from[a]);
            log_determinant += from[a];
            for (long b = a + 1; b < d; b++)
                to[at(b, a)] = from[p++];
        }
        for (long b = 0; b < d; b++)
            for (long a = 0; a <= b; a++) {
                v[c * d + b] += to[at(b, a)] * means[c * d + a];
                squares += to[at(b, a)] * to[at(b, a)];
            }
        offset[c] = alphas[c] + log_determinant;
        prior += 0.5 * gamma * gamma * squares - m * log_determinant;
        d_alphas[c] = 0.0;
    }

    for (long start = 0; start < n; start += LANES) {
        const long used = n - start < LANES ? n - start : LANES;
        for (long i = 0; i < used; i++)
            for (long a = 0; a < d; a++)
                x[a * LANES + i] = points[(start + i) * d + a];
        for (long c = 0; c < k; c++) {
            double squares[LANES] = {0};
            forward(d, x, q + c * size, v + c * d, y + c * d * LANES, squares);
            for (int lane = 0; lane < LANES; lane++)
                terms[c * LANES + lane] = offset[c] - 0.5 * squares[lane];
        }
        value += weigh(k, terms, used);
        for (long c = 0; c < k; c++) {
            double *wy = y + c * d * LANES;
            d_alphas[c] += apply_weights(d, terms + c * LANES, wy, s + c * d);
            backward(d, x, wy, g + c * size);
        }
    }

    const double mixture = log_sum_exp(k, alphas);
    for (long c = 0; c < k; c++) {
        const double *of_q = q + c * size, *of_g = g + c * size, *of_s = s + c * d;
        const double *mean = means + c * d, weight = d_alphas[c];
        double *to = d_icf + c * entries;
        long p = d;
        for (long a = 0; a < d; a++) {
            double d_mean = 0.0;
            for (long b = a; b < d; b++) {
                const double here = of_q[at(b, a)];
                const double d_q = of_s[b] * mean[a] - of_g[at(b, a)] + gamma * gamma * here;
                d_mean += here * of_s[b];
                if (b == a)
                    to[a] = d_q * here + weight - m;
                else
                    to[p++] = d_q;
            }
            d_means[c * d + a] = d_mean;
        }
        d_alphas[c] = weight - n * exp(alphas[c] - mixture);
    }
    free(q), free(v), free(g), free(s), free(x), free(y), free(terms), free(offset);

    const double degrees = d + m + 1;
    const double constant = degrees * d * (log(gamma) - 0.5 * log(2.0)) -
                            log_gamma_of_dimension(0.5 * degrees, d);
    return value - n * (0.5 * d * log(2.0 * M_PI) + mixture) + prior - k * constant;
}
