/* The loss of a network with one hidden layer over a batch, and its gradient in all weights.
 *
 * Five matrix products would be one too many: nobody asks for the gradient in the inputs. */
#include "matmul.h"

/* out = x @ w + bias */
static void affine(long batch, long inputs, long outputs, const double *x, const double *w,
                   const double *bias, double *out)
{
    for (long n = 0; n < batch; n++)
        memcpy(out + n * outputs, bias, outputs * sizeof *out);
    add_matmul(batch, outputs, inputs, rowwise(x, inputs), rowwise(w, outputs), out);
}

/* The gradient in weights and bias, from that in the outputs. */
static void affine_back(long batch, long inputs, long outputs, const double *x,
                        const double *d_out, double *d_w, double *d_bias)
{
    memset(d_w, 0, inputs * outputs * sizeof *d_w);
    add_matmul(inputs, outputs, batch, transposed(rowwise(x, inputs)), rowwise(d_out, outputs),
               d_w);
    memset(d_bias, 0, outputs * sizeof *d_bias);
    for (long n = 0; n < batch; n++)
        for (long j = 0; j < outputs; j++)
            d_bias[j] += d_out[n * outputs + j];
}

/* The cross entropy of one row of scores; they become its gradient, times `scale`. */
static double cross_entropy(long classes, double *z, long label, double scale)
{
    double top = z[0], total = 0.0;
    for (long j = 1; j < classes; j++)
        top = z[j] > top ? z[j] : top;
    const double own = z[label] - top;
#pragma omp simd reduction(+ : total)
    for (long j = 0; j < classes; j++) {
        z[j] = exp(z[j] - top);
        total += z[j];
    }
    for (long j = 0; j < classes; j++)
        z[j] *= scale / total;
    z[label] -= scale;
    return log(total) - own;
}

double mlp(long batch, long inputs, long hidden, long classes, const double *w1, const double *b1,
           const double *w2, const double *b2, const double *x, const long *labels, double *d_w1,
           double *d_b1, double *d_w2, double *d_b2)
{
    double *a = malloc(batch * (2 * hidden + classes) * sizeof *a);
    double *d_a = a + batch * hidden, *z = d_a + batch * hidden;
    double loss = 0.0;

    affine(batch, inputs, hidden, x, w1, b1, a);
    for (long i = 0; i < batch * hidden; i++)
        a[i] = a[i] > 0.0 ? a[i] : 0.0;
    affine(batch, hidden, classes, a, w2, b2, z);
    for (long n = 0; n < batch; n++)
        loss += cross_entropy(classes, z + n * classes, labels[n], 1.0 / batch);

    affine_back(batch, hidden, classes, a, z, d_w2, d_b2);
    memset(d_a, 0, batch * hidden * sizeof *d_a);
    add_matmul(batch, hidden, classes, rowwise(z, classes), transposed(rowwise(w2, classes)), d_a);
    for (long i = 0; i < batch * hidden; i++)
        d_a[i] = a[i] > 0.0 ? d_a[i] : 0.0;
    affine_back(batch, inputs, hidden, x, d_a, d_w1, d_b1);
    free(a);
    return loss / batch;
}
