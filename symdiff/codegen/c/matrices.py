"""Factorisations of matrices in C, row by row in memory: what generated C calls for numpy.linalg.

    x = np.linalg.solve(a, b)   ->   lu_factor(1, n, a, pivots, &singular);
                                     lu_solve(1, 1, false, n, 1, a, pivots, x);

They are the textbook's algorithms, with the exchanges of rows that LAPACK makes (Golub and Van
Loan, "Matrix Computations", 3.4 and 4.2). Large matrices go to BLAS and LAPACK where these are
there; they hold matrices column by column, so that one in rows is to them its transpose.
"""

from __future__ import annotations

import re

_TEXTS: dict[str, tuple[tuple[str, ...], str]] = {
    "matrix_product": ((), """\
/* c = a b, of m rows and n columns, k products each. a[i, j] is a[i * a_row + j * a_column], and
   b likewise; c is in rows. Large ones that are in rows or columns go to BLAS, in whose eyes
   c^T = b^T a^T is computed. A copy of it for each call would take long to compile. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
static void matrix_product(int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row,
                           int64_t a_column, const double *b, int64_t b_row, int64_t b_column,
                           double *restrict c)
{
    const int64_t a_lead = a_column == 1 ? a_row : a_column;
    const int64_t b_lead = b_column == 1 ? b_row : b_column;
    const bool plain = (a_column == 1 || a_row == 1) && (b_column == 1 || b_row == 1);
    const int64_t largest = INT32_MAX;
    if (external_dgemm != NULL && plain && (double)m * (double)n * (double)k >= 32768.0
        && m <= largest && n <= largest && k <= largest && a_lead <= largest && b_lead <= largest) {
        char turn_a = a_column == 1 ? 'N' : 'T', turn_b = b_column == 1 ? 'N' : 'T';
        int rows = (int)m, columns = (int)n, inner = (int)k;
        int a_step = (int)a_lead, b_step = (int)b_lead;
        double one = 1.0, zero = 0.0;
        external_dgemm(&turn_b, &turn_a, &columns, &rows, &inner, &one, (double *)b, &b_step,
                       (double *)a, &a_step, &zero, c, &columns);
        return;
    }
    if (a_column == 1 && b_row == 1 && b_column != 1) { /* both run along what is summed */
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double total = 0.0;
                #pragma omp simd reduction(+ : total)
                for (int64_t p = 0; p < k; p++)
                    total += a[i * a_row + p] * b[p + j * b_column];
                c[i * n + j] = total;
            }
        }
        return;
    }
    for (int64_t i = 0; i < m * n; i++)
        c[i] = 0.0;
    for (int64_t i = 0; i < m; i++) {
        int64_t p = 0;
        for (; b_column == 1 && p + 4 <= k; p += 4) { /* a row of c is read once for four of b */
            const double *factor = a + i * a_row + p * a_column, *row = b + p * b_row;
            const double f0 = factor[0], f1 = factor[a_column];
            const double f2 = factor[2 * a_column], f3 = factor[3 * a_column];
            #pragma omp simd
            for (int64_t j = 0; j < n; j++)
                c[i * n + j] += f0 * row[j] + f1 * row[b_row + j] + f2 * row[2 * b_row + j]
                    + f3 * row[3 * b_row + j];
        }
        for (; p < k; p++) {
            #pragma omp simd
            for (int64_t j = 0; j < n; j++)
                c[i * n + j] += a[i * a_row + p * a_column] * b[p * b_row + j * b_column];
        }
    }
}"""),
    "transpose": ((), """\
/* Transpose a matrix of n rows and columns in place. */
static void transpose(int64_t n, double *a)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++) {
            const double kept = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = kept;
        }
    }
}"""),
    "exchange": ((), """\
/* Exchange two rows of k numbers. */
static void exchange(int64_t k, double *x, double *y)
{
    for (int64_t c = 0; c < k; c++) {
        const double kept = x[c];
        x[c] = y[c];
        y[c] = kept;
    }
}"""),
    "lu_factor": (("transpose", "exchange"), """\
/* Factor matrices P a = L U in place; the diagonal of L is 1. pivots: the row that each row has
   been exchanged with. singular: whether a diagonal of U has a 0. */
static void lu_factor(int64_t count, int64_t n, double *a, int64_t *pivots, bool *singular)
{
    *singular = false;
    for (; count > 0; count--, a += n * n, pivots += n) {
        if (external_dgetrf != NULL && n >= 64) {
            int order = (int)n, info = 0, *rows = (int *)pivots;
            transpose(n, a);
            external_dgetrf(&order, &order, a, &order, rows, &info);
            transpose(n, a);
            for (int64_t i = n - 1; i >= 0; i--) /* from the end: they are half as wide */
                pivots[i] = rows[i] - 1;
            *singular |= info > 0;
            continue;
        }
        for (int64_t k = 0; k < n; k++) {
            int64_t top = k;
            for (int64_t i = k + 1; i < n; i++)
                if (fabs(a[i * n + k]) > fabs(a[top * n + k]))
                    top = i;
            pivots[k] = top;
            if (a[top * n + k] == 0.0) {
                *singular = true;
                continue;
            }
            if (top != k)
                exchange(n, a + k * n, a + top * n);
            for (int64_t i = k + 1; i < n; i++) {
                const double factor = a[i * n + k] / a[k * n + k];
                a[i * n + k] = factor;
                for (int64_t j = k + 1; j < n; j++)
                    a[i * n + j] -= factor * a[k * n + j];
            }
        }
    }
}"""),
    "triangular": ((), """\
/* Solve t x = b in place for k columns; t is the lower or the upper triangle of a, perhaps with 1
   on its diagonal, perhaps transposed. */
static void triangular(bool lower, bool transposed, bool unit, int64_t n, int64_t k,
                       double *a, double *x)
{
    if (external_dtrsm != NULL && n >= 64 && k >= 8 && k <= INT32_MAX) { /* x^T t^T = b^T */
        char side = 'R', half = lower ? 'U' : 'L', trans = transposed ? 'T' : 'N';
        char diagonal = unit ? 'U' : 'N';
        int order = (int)n, columns = (int)k;
        double one = 1.0;
        external_dtrsm(&side, &half, &trans, &diagonal, &columns, &order, &one, a, &order, x,
                       &columns);
        return;
    }
    for (int64_t step = 0; step < n; step++) {
        const int64_t i = lower != transposed ? step : n - 1 - step;
        const int64_t start = lower ? 0 : i + 1, stop = lower ? i : n;
        const double *row = a + i * n;
        for (int64_t c = 0; c < k && transposed && !unit; c++)
            x[i * k + c] /= row[i];
        for (int64_t j = start; j < stop; j++) {
            double *to = x + (transposed ? j : i) * k;
            const double *from = x + (transposed ? i : j) * k;
            for (int64_t c = 0; c < k; c++)
                to[c] -= row[j] * from[c];
        }
        for (int64_t c = 0; c < k && !transposed && !unit; c++)
            x[i * k + c] /= row[i];
    }
}"""),
    "lu_solve": (("triangular", "exchange"), """\
/* Solve a x = b, or with the transpose of a, in place for k columns. a: `factors` matrices that
   `lu_factor` has factored, one for each of the `count` systems or one for all. */
static void lu_solve(int64_t count, int64_t factors, bool transposed, int64_t n, int64_t k,
                     double *a, int64_t *pivots, double *x)
{
    for (int64_t m = 0; m < count; m++, x += n * k) {
        for (int64_t i = 0; i < n && !transposed; i++)
            exchange(pivots[i] != i ? k : 0, x + i * k, x + pivots[i] * k);
        triangular(!transposed, transposed, !transposed, n, k, a, x);
        triangular(transposed, transposed, transposed, n, k, a, x);
        for (int64_t i = n - 1; i >= 0 && transposed; i--)
            exchange(pivots[i] != i ? k : 0, x + i * k, x + pivots[i] * k);
        a += factors > 1 ? n * n : 0;
        pivots += factors > 1 ? n : 0;
    }
}"""),
    "lower_solve": (("triangular",), """\
/* Solve a x = b, or with the transpose of a, in place for k columns; a is lower triangular, one for
   each of the `count` systems or one for all. */
static void lower_solve(int64_t count, int64_t factors, bool transposed, int64_t n, int64_t k,
                        double *a, double *x)
{
    for (int64_t m = 0; m < count; m++, x += n * k) {
        triangular(true, transposed, false, n, k, a, x);
        a += factors > 1 ? n * n : 0;
    }
}"""),
    "lu_determinant": ((), """\
/* The determinants of factored matrices. Powers of 2 are kept apart, so that no product of a few
   overflows. */
static void lu_determinant(int64_t count, int64_t n, double *a, int64_t *pivots,
                           double *out)
{
    for (int64_t m = 0; m < count; m++, a += n * n, pivots += n) {
        @double product = 1.0;
        int64_t power = 0;
        for (int64_t i = 0; i < n; i++) {
            int exponent = 0;
            product *= pivots[i] != i ? -a[i * n + i] : a[i * n + i];
            if (isfinite(product))
                product = frexp(product, &exponent);
            power += exponent;
        }
        out[m] = ldexp(product, power < -5000 ? -5000 : power > 5000 ? 5000 : (int)power);
    }
}"""),
    "lu_sign": ((), """\
/* The signs of the determinants of factored matrices. */
static void lu_sign(int64_t count, int64_t n, double *a, int64_t *pivots, double *out)
{
    for (int64_t m = 0; m < count; m++, a += n * n, pivots += n) {
        double sign = 1.0;
        for (int64_t i = 0; i < n; i++) {
            const double x = pivots[i] != i ? -a[i * n + i] : a[i * n + i];
            sign = x == 0.0 ? 0.0 : x < 0.0 ? -sign : sign;
        }
        out[m] = sign;
    }
}"""),
    "lu_log_size": ((), """\
/* The logarithms of the determinants' magnitudes of factored matrices. */
static void lu_log_size(int64_t count, int64_t n, double *a, double *out)
{
    for (int64_t m = 0; m < count; m++, a += n * n) {
        @double total = 0.0;
        for (int64_t i = 0; i < n; i++)
            total += log(fabs(a[i * n + i]));
        out[m] = total;
    }
}"""),
    "cholesky": ((), """\
/* Factor matrices a = L L^T in place, of which the lower triangle is read. indefinite: whether one
   is not positive definite. */
static void cholesky(int64_t count, int64_t n, double *a, bool *indefinite)
{
    *indefinite = false;
    for (; count > 0; count--, a += n * n) {
        if (external_dpotrf != NULL && n >= 64) { /* the lower triangle is their upper one */
            char half = 'U';
            int order = (int)n, info = 0;
            external_dpotrf(&half, &order, a, &order, &info);
            *indefinite |= info > 0;
        }
        else {
            for (int64_t i = 0; i < n; i++) {
                for (int64_t j = 0; j <= i; j++) {
                    double total = 0.0;
                    #pragma omp simd reduction(+ : total)
                    for (int64_t k = 0; k < j; k++)
                        total += a[i * n + k] * a[j * n + k];
                    a[i * n + j] -= total;
                    if (j < i)
                        a[i * n + j] /= a[j * n + j];
                }
                *indefinite |= !(a[i * n + i] > 0.0);
                a[i * n + i] = sqrt(a[i * n + i]);
            }
        }
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i + 1; j < n; j++)
                a[i * n + j] = 0.0;
    }
}"""),
    "cofactors": (("exchange",), """\
/* The cofactors of matrices: with P a Q = L U by complete pivoting det(U) U^-1, of singular ones

       adj(U) = det(V) (0  -V^-1 v)   where   U = (V v)
                       (0     1   )               (0 0)

   a is written over. order: room for 2 n numbers, work: for n. */
static void cofactors(int64_t count, int64_t n, double *a, int64_t *order, double *work,
                      double *out)
{
    int64_t *rows = order, *columns = order + n;
    for (; count > 0; count--, a += n * n, out += n * n) {
        @double scale = 1.0; /* times a power of 2 */
        int64_t power = 0;
        for (int64_t i = 0; i < n; i++)
            rows[i] = columns[i] = i;
        for (int64_t k = 0; k < n; k++) {
            int64_t p = k, q = k;
            int exponent = 0;
            for (int64_t i = k; i < n; i++)
                for (int64_t j = k; j < n; j++)
                    if (fabs(a[i * n + j]) > fabs(a[p * n + q])) {
                        p = i;
                        q = j;
                    }
            const int64_t row = rows[k], column = columns[k];
            rows[k] = rows[p];
            rows[p] = row;
            columns[k] = columns[q];
            columns[q] = column;
            exchange(p != k ? n : 0, a + k * n, a + p * n);
            for (int64_t i = 0; i < n && q != k; i++)
                exchange(1, a + i * n + k, a + i * n + q);
            if (k < n - 1 || a[k * n + k] != 0.0)
                scale *= (p != k) != (q != k) ? -a[k * n + k] : a[k * n + k];
            if (isfinite(scale))
                scale = frexp(scale, &exponent);
            power += exponent;
            for (int64_t i = k + 1; i < n; i++) {
                const double factor = a[k * n + k] == 0.0 ? 0.0 : a[i * n + k] / a[k * n + k];
                a[i * n + k] = factor;
                for (int64_t j = k + 1; j < n; j++)
                    a[i * n + j] -= factor * a[k * n + j];
            }
        }
        power = power < -5000 ? -5000 : power > 5000 ? 5000 : power;
        for (int64_t c = 0; c < n; c++) { /* a column at a time */
            const double last = a[n * n - 1];
            double *const x = work;
            for (int64_t i = 0; i < n; i++) {
                x[i] = i == c ? 1.0 : 0.0;
                for (int64_t j = c; j < i; j++)
                    x[i] -= a[i * n + j] * x[j];
            }
            if (last != 0.0)
                x[n - 1] /= last;
            for (int64_t i = n - 2; i >= 0 && scale != 0.0; i--) {
                x[i] = last != 0.0 ? x[i] : 0.0;
                for (int64_t j = i + 1; j < n; j++)
                    x[i] -= a[i * n + j] * x[j];
                x[i] /= a[i * n + i];
            }
            for (int64_t i = 0; i < n; i++) {
                const double scaled = scale == 0.0 ? 0.0 : scale * x[i];
                out[rows[c] * n + columns[i]] = ldexp(scaled, (int)power);
            }
        }
    }
}"""),
}  # fmt: skip


def _in_float(text: str) -> str:
    """The same of float: functions of its own, and LAPACK's for it. @double stays one."""
    names = "|".join(_TEXTS)
    text = re.sub(rf"\b({names})\(", r"\1_float(", text)
    text = re.sub(r"\bexternal_d(?=\w)", "external_s", text)
    return re.sub(r"(?<!@)\bdouble\b", "float", text).replace("@", "")


# Name: (what it calls of the others, its text), as in `support`; of float, with a suffix.
MATRICES: dict[str, tuple[tuple[str, ...], str]] = {
    **{name: (needs, text.replace("@", "")) for name, (needs, text) in _TEXTS.items()},
    **{
        f"{name}_float": (tuple(f"{n}_float" for n in needs), _in_float(text))
        for name, (needs, text) in _TEXTS.items()
    },
}
