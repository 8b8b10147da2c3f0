/* How well a simulated Lotka-Volterra system fits measurements, and the gradient of that.
 *
 * Every step hangs on the one before, so there is nothing to do side by side. Kept on the way are
 * the states; the way back computes the slopes of a step again. */
#include <stdlib.h>

typedef struct {
    double x, y;
} pair;

static inline pair along(pair at, double by, pair slope)
{
    return (pair){at.x + by * slope.x, at.y + by * slope.y};
}

/* How fast prey and predators grow. */
static inline pair growth(const double theta[4], pair at)
{
    const double met = at.x * at.y;
    return (pair){theta[0] * at.x - theta[1] * met, theta[3] * met - theta[2] * at.y};
}

/* The adjoint of `growth` in the state, from w, that of its result; adds that in theta to d_theta. */
static inline pair growth_back(const double theta[4], pair at, pair w, double d_theta[4])
{
    const double met = at.x * at.y, d_met = theta[3] * w.y - theta[1] * w.x;
    d_theta[0] += at.x * w.x;
    d_theta[1] -= met * w.x;
    d_theta[2] -= at.y * w.y;
    d_theta[3] += met * w.y;
    return (pair){theta[0] * w.x + at.y * d_met, at.x * d_met - theta[2] * w.y};
}

double rk4(long n, const double *theta, const double *start, const pair *measured, double h,
           double *d_theta, double *d_start)
{
    pair *path = malloc((n + 1) * sizeof *path);
    double total = 0.0;

    path[0] = (pair){start[0], start[1]};
    for (long t = 0; t < n; t++) {
        const pair at = path[t];
        const double miss_x = at.x - measured[t].x, miss_y = at.y - measured[t].y;
        total += miss_x * miss_x + miss_y * miss_y;
        const pair k1 = growth(theta, at);
        const pair k2 = growth(theta, along(at, 0.5 * h, k1));
        const pair k3 = growth(theta, along(at, 0.5 * h, k2));
        const pair k4 = growth(theta, along(at, h, k3));
        path[t + 1].x = at.x + h / 6.0 * (k1.x + 2.0 * (k2.x + k3.x) + k4.x);
        path[t + 1].y = at.y + h / 6.0 * (k1.y + 2.0 * (k2.y + k3.y) + k4.y);
    }

    double sums[4] = {0};
    pair w = {0};
    for (long t = n - 1; t >= 0; t--) {
        const pair at = path[t], none = {0};
        const pair at2 = along(at, 0.5 * h, growth(theta, at));
        const pair at3 = along(at, 0.5 * h, growth(theta, at2));
        const pair at4 = along(at, h, growth(theta, at3));
        const pair sixth = along(none, h / 6.0, w), third = along(none, h / 3.0, w);
        const pair s4 = growth_back(theta, at4, sixth, sums);
        const pair s3 = growth_back(theta, at3, along(third, h, s4), sums);
        const pair s2 = growth_back(theta, at2, along(third, 0.5 * h, s3), sums);
        const pair s1 = growth_back(theta, at, along(sixth, 0.5 * h, s2), sums);
        w.x += s1.x + s2.x + s3.x + s4.x + 2.0 / n * (at.x - measured[t].x);
        w.y += s1.y + s2.y + s3.y + s4.y + 2.0 / n * (at.y - measured[t].y);
    }
    for (int i = 0; i < 4; i++)
        d_theta[i] = sums[i];
    d_start[0] = w.x;
    d_start[1] = w.y;
    free(path);
    return total / n;
}
