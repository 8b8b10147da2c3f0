/* Matrix products of any orientation, as fast as this machine multiplies.
 *
 * Both factors are copied into panels first, in the order in which they are read: rows of A by
 * six, columns of B by eight. Forty-eight sums stay in registers while a panel of each goes by.
 * Panels are as deep as the first cache allows, blocks of A as large as the second. */
#ifndef MATMUL_H
#define MATMUL_H

#include "vector.h"

enum { ROWS = 6, COLUMNS = 8, DEEP = 256, HIGH = 96 };

/* A matrix in memory: entry (i, j) is at[i * down + j * right]. */
typedef struct {
    const double *at;
    long down, right;
} matrix;

static inline matrix rowwise(const double *at, long columns)
{
    return (matrix){at, columns, 1};
}

static inline matrix transposed(matrix a)
{
    return (matrix){a.at, a.right, a.down};
}

/* `lines` rows of `a`, `deep` entries of each, as panels of `width` rows; what is missing is 0. */
static inline void pack(matrix a, long lines, long deep, long width, double *restrict panels)
{
    for (long i = 0; i < lines; i += width)
        for (long k = 0; k < deep; k++)
            for (long l = 0; l < width; l++)
                *panels++ = i + l < lines ? a.at[(i + l) * a.down + k * a.right] : 0.0;
}

/* Adds the product of two panels to `rows` by `columns` entries of c. */
static inline void panel_times_panel(long deep, const double *restrict a, const double *restrict b,
                                     double *restrict c, long stride, long rows, long columns)
{
    v4 totals[ROWS][2] = {0};
    for (long k = 0; k < deep; k++, a += ROWS, b += COLUMNS) {
        v4 left = load(b), right = load(b + 4);
        IN_REGISTER(left);
        IN_REGISTER(right);
#pragma GCC unroll 6
        for (long i = 0; i < ROWS; i++) {
            totals[i][0] += a[i] * left;
            totals[i][1] += a[i] * right;
        }
    }
    double tile[ROWS][COLUMNS];
    memcpy(tile, totals, sizeof tile);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            c[i * stride + j] += tile[i][j];
}

static inline long least(long a, long b)
{
    return a < b ? a : b;
}

/* c += a @ b; c has `rows` rows of `columns` entries, a has `depth` columns. */
static inline void add_matmul(long rows, long columns, long depth, matrix a, matrix b,
                              double *restrict c)
{
    double *a_panels = aligned(HIGH * DEEP + (columns + COLUMNS) * DEEP);
    double *b_panels = a_panels + HIGH * DEEP;

    for (long k = 0; k < depth; k += DEEP) {
        const long deep = least(DEEP, depth - k);
        const matrix below = {b.at + k * b.down, b.down, b.right};
        pack(transposed(below), columns, deep, COLUMNS, b_panels);
        for (long i = 0; i < rows; i += HIGH) {
            const long high = least(HIGH, rows - i);
            const matrix block = {a.at + i * a.down + k * a.right, a.down, a.right};
            pack(block, high, deep, ROWS, a_panels);
            for (long j = 0; j < columns; j += COLUMNS)
                for (long r = 0; r < high; r += ROWS)
                    panel_times_panel(deep, a_panels + r * deep, b_panels + j * deep,
                                      c + (i + r) * columns + j, columns,
                                      least(ROWS, high - r), least(COLUMNS, columns - j));
        }
    }
    free(a_panels);
}

#endif
