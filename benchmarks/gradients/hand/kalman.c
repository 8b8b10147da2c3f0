/* The likelihood of measurements under a linear model, through a Kalman filter, and its gradient
 * in the four matrices of the model: four numbers of state, two measured.
 *
 * What a step has computed is kept, since the way back reads nearly all of it. Products are
 * inlined with their sizes known, which makes each a few dozen instructions. */
#include "vector.h"

enum { N = 4, M = 2 };

typedef struct {
    double x[N], P[N * N];     /* before the step */
    double x1[N], P1[N * N];   /* predicted */
    double e[M], C_P[M * N];   /* the surprise, and C @ P1 */
    double G[M * M], W[M * N]; /* the inverse of its covariance S, and the gain's transpose */
} step;

/* out += sign * a @ b; of a, b or both in turn the transpose is meant. */
INLINE void nn(int rows, int depth, int columns, double sign, const double *a, const double *b,
               double *out)
{
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < columns; j++)
                out[i * columns + j] += sign * a[i * depth + k] * b[k * columns + j];
}

INLINE void tn(int rows, int depth, int columns, double sign, const double *a, const double *b,
               double *out)
{
    for (int k = 0; k < depth; k++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                out[i * columns + j] += sign * a[k * rows + i] * b[k * columns + j];
}

INLINE void nt(int rows, int depth, int columns, double sign, const double *a, const double *b,
               double *out)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            for (int k = 0; k < depth; k++)
                out[i * columns + j] += sign * a[i * depth + k] * b[j * depth + k];
}

/* Filters one measurement; returns what it adds to minus twice the likelihood. */
static double filter(const double *A, const double *C, const double *Q, const double *R,
                     const double *y, step *s, double *x2, double *P2)
{
    double A_P[N * N] = {0}, P_C[M * N] = {0}, S[M * M], g[M] = {0};

    memset(s->x1, 0, sizeof s->x1);
    memcpy(s->P1, Q, sizeof s->P1);
    memset(s->C_P, 0, sizeof s->C_P);
    memset(s->W, 0, sizeof s->W);
    nn(N, N, 1, 1.0, A, s->x, s->x1);
    nn(N, N, N, 1.0, A, s->P, A_P);
    nt(N, N, N, 1.0, A_P, A, s->P1);

    memcpy(s->e, y, sizeof s->e);
    memcpy(S, R, sizeof S);
    nn(M, N, 1, -1.0, C, s->x1, s->e);
    nn(M, N, N, 1.0, C, s->P1, s->C_P);
    nt(M, N, M, 1.0, s->C_P, C, S);

    const double determinant = S[0] * S[3] - S[1] * S[2];
    s->G[0] = S[3] / determinant;
    s->G[1] = -S[1] / determinant;
    s->G[2] = -S[2] / determinant;
    s->G[3] = S[0] / determinant;
    nt(M, N, N, 1.0, C, s->P1, P_C);
    tn(M, M, N, 1.0, s->G, P_C, s->W);
    nn(M, M, 1, 1.0, s->G, s->e, g);

    memcpy(x2, s->x1, sizeof s->x1);
    memcpy(P2, s->P1, sizeof s->P1);
    tn(N, M, 1, 1.0, s->W, s->e, x2);
    tn(N, M, N, -1.0, s->W, s->C_P, P2);
    return log(fabs(determinant)) + s->e[0] * g[0] + s->e[1] * g[1];
}

/* Takes w_x and w_P, the adjoints of what `filter` has left in x2 and P2, to those of x and P, and
 * adds to the adjoints of the model. Covariances are symmetric, their adjoints need not be. */
static void filter_back(const double *A, const double *C, const step *s, double *w_x, double *w_P,
                        double *d_A, double *d_C, double *d_Q, double *d_R)
{
    const double share = -0.5; /* of the sum in the likelihood */
    double g[M] = {0}, d_e[M] = {0}, d_S[M * M], d_W[M * N] = {0}, G_W[M * N] = {0};
    double d_CP[M * N] = {0}, A_P[N * N] = {0}, d_AP[N * N] = {0};

    nn(M, M, 1, 1.0, s->G, s->e, g);
    nn(M, N, 1, 1.0, s->W, w_x, d_e);
    for (int i = 0; i < M; i++)
        d_e[i] += 2.0 * share * g[i];

    /* W: in the new state and in its covariance */
    nn(M, 1, N, 1.0, s->e, w_x, d_W);
    nt(M, N, N, -1.0, s->C_P, w_P, d_W);
    nn(M, M, N, 1.0, s->G, d_W, G_W);

    /* S: in the determinant, in the inverse of both terms */
    memcpy(d_S, s->G, sizeof d_S);
    for (int i = 0; i < M * M; i++)
        d_S[i] *= share;
    nn(M, 1, M, -share, g, g, d_S);
    nt(M, N, M, -1.0, s->W, G_W, d_S);
    for (int i = 0; i < M * M; i++)
        d_R[i] += d_S[i];

    nn(M, N, N, -1.0, s->W, w_P, d_CP);
    nn(M, M, N, 1.0, d_S, C, d_CP);
    tn(M, M, N, 1.0, d_S, s->C_P, d_C);
    nn(M, N, N, 1.0, d_CP, s->P1, d_C);
    nn(M, N, N, 1.0, G_W, s->P1, d_C);
    nn(M, 1, N, -1.0, d_e, s->x1, d_C);

    /* what was predicted */
    tn(N, M, N, 1.0, C, d_CP, w_P);
    tn(N, M, N, 1.0, G_W, C, w_P);
    tn(N, M, 1, -1.0, C, d_e, w_x);
    for (int i = 0; i < N * N; i++)
        d_Q[i] += w_P[i];
    nn(N, N, N, 1.0, A, s->P, A_P);
    tn(N, N, N, 1.0, w_P, A_P, d_A);
    nn(N, N, N, 1.0, w_P, A, d_AP);
    nn(N, N, N, 1.0, d_AP, s->P, d_A);
    nn(N, 1, N, 1.0, w_x, s->x, d_A);

    double before[N] = {0};
    tn(N, N, 1, 1.0, A, w_x, before);
    memcpy(w_x, before, sizeof before);
    memset(w_P, 0, N * N * sizeof *w_P);
    tn(N, N, N, 1.0, A, d_AP, w_P);
}

double kalman(long rounds, const double *A, const double *C, const double *Q, const double *R,
              const double *x, const double *P, const double *y, double *d_A, double *d_C,
              double *d_Q, double *d_R)
{
    step *kept = malloc((rounds + 1) * sizeof *kept);
    double total = rounds * M * log(2.0 * 3.14159265358979323846), w_x[N] = {0}, w_P[N * N] = {0};

    memcpy(kept[0].x, x, sizeof kept[0].x);
    memcpy(kept[0].P, P, sizeof kept[0].P);
    for (long t = 0; t < rounds; t++)
        total += filter(A, C, Q, R, y + M * t, kept + t, kept[t + 1].x, kept[t + 1].P);

    memset(d_A, 0, N * N * sizeof *d_A);
    memset(d_C, 0, M * N * sizeof *d_C);
    memset(d_Q, 0, N * N * sizeof *d_Q);
    memset(d_R, 0, M * M * sizeof *d_R);
    for (long t = rounds - 1; t >= 0; t--)
        filter_back(A, C, kept + t, w_x, w_P, d_A, d_C, d_Q, d_R);
    free(kept);
    return -0.5 * total;
}
