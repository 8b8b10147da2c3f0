/* Some steps of n bodies under gravity, and the gradient of where they end.
 *
 * Coordinates lie apart (x of all, y of all, z of all), and eight bodies at a time are pulled by
 * one after another: lanes need no sums across. Every pair is visited from both sides, twice the
 * arithmetic, but no scattered additions. Bodies without mass fill the last eight. Only positions
 * are kept for the way back: it does not read velocities. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8 };

static const double SOFTENING = 0.01;

typedef double lanes[LANES];

/* v -= step * the pull of all bodies on each, at the positions x. `room` is n, rounded up. */
static void kick(long n, long room, const double *restrict x, const double *restrict m,
                 double step, double *restrict v)
{
    const double *y = x + room, *z = y + room;

    for (long i = 0; i < n; i += LANES) {
        lanes ax = {0}, ay = {0}, az = {0};
        for (long j = 0; j < n; j++) {
#pragma omp simd
            for (long l = 0; l < LANES; l++) {
                const double dx = x[i + l] - x[j], dy = y[i + l] - y[j], dz = z[i + l] - z[j];
                const double near = 1.0 / (dx * dx + dy * dy + dz * dz + SOFTENING);
                const double pull = m[j] * near * sqrt(near);
                ax[l] += pull * dx;
                ay[l] += pull * dy;
                az[l] += pull * dz;
            }
        }
        for (long l = 0; l < LANES; l++) {
            v[i + l] -= step * ax[l];
            v[room + i + l] -= step * ay[l];
            v[2 * room + i + l] -= step * az[l];
        }
    }
}

/* The adjoint of `kick` in positions and masses, from w, that of v. */
static void kick_back(long n, long room, const double *restrict x, const double *restrict m,
                      double step, const double *restrict w, double *restrict d_x,
                      double *restrict d_m)
{
    const double *y = x + room, *z = y + room, *wy = w + room, *wz = wy + room;

    for (long i = 0; i < n; i += LANES) {
        lanes gx = {0}, gy = {0}, gz = {0}, gm = {0};
        for (long j = 0; j < n; j++) {
#pragma omp simd
            for (long l = 0; l < LANES; l++) {
                const double dx = x[i + l] - x[j], dy = y[i + l] - y[j], dz = z[i + l] - z[j];
                const double near = 1.0 / (dx * dx + dy * dy + dz * dz + SOFTENING);
                const double cube = near * sqrt(near);
                const double qx = m[j] * w[i + l] - m[i + l] * w[j];
                const double qy = m[j] * wy[i + l] - m[i + l] * wy[j];
                const double qz = m[j] * wz[i + l] - m[i + l] * wz[j];
                const double along = 3.0 * (qx * dx + qy * dy + qz * dz) * near;
                gx[l] += cube * (qx - along * dx);
                gy[l] += cube * (qy - along * dy);
                gz[l] += cube * (qz - along * dz);
                gm[l] += cube * (w[j] * dx + wy[j] * dy + wz[j] * dz);
            }
        }
        for (long l = 0; l < LANES; l++) {
            d_x[i + l] -= step * gx[l];
            d_x[room + i + l] -= step * gy[l];
            d_x[2 * room + i + l] -= step * gz[l];
            d_m[i + l] += step * gm[l];
        }
    }
}

/* Rows of three to three columns, and back. */
static void apart(long n, long room, const double *restrict rows, double *restrict columns)
{
    for (long i = 0; i < n; i++)
        for (long k = 0; k < 3; k++)
            columns[k * room + i] = rows[3 * i + k];
}

static void together(long n, long room, const double *restrict columns, double *restrict rows)
{
    for (long i = 0; i < n; i++)
        for (long k = 0; k < 3; k++)
            rows[3 * i + k] = columns[k * room + i];
}

double nbody(long n, long steps, double step, const double *x0, const double *m, const double *v0,
             const double *target, double *d_x0, double *d_m)
{
    const long room = (n + LANES - 1) / LANES * LANES, all = 3 * room;
    double *path = calloc((steps + 5) * all, sizeof *path);
    double *v = path + (steps + 1) * all, *d_x = v + all, *d_v = d_x + all;
    double *mass = d_v + all, *d_mass = mass + room;
    double total = 0.0;

    memcpy(mass, m, n * sizeof *m);
    apart(n, room, x0, path);
    apart(n, room, v0, v);
    for (long t = 0; t < steps; t++) {
        const double *x = path + t * all;
        double *next = path + (t + 1) * all;
        kick(n, room, x, mass, step, v);
        for (long i = 0; i < all; i++)
            next[i] = x[i] + step * v[i];
    }

    const double *end = path + steps * all;
    for (long i = 0; i < n; i++)
        for (long k = 0; k < 3; k++) {
            const double miss = end[k * room + i] - target[3 * i + k];
            total += miss * miss;
            d_x[k * room + i] = 2.0 * miss;
        }

    for (long t = steps - 1; t >= 0; t--) {
        for (long i = 0; i < all; i++)
            d_v[i] += step * d_x[i];
        kick_back(n, room, path + t * all, mass, step, d_v, d_x, d_mass);
    }
    together(n, room, d_x, d_x0);
    memcpy(d_m, d_mass, n * sizeof *d_m);
    free(path);
    return total;
}
