/* The Jacobian of bundle adjustment: 2 x 15 numbers for each observation, then the weights' own.
 *
 * What depends on the camera alone, sines and roots among it, is computed once for each camera.
 * The rest is arithmetic, done for four observations at a time: their cameras and points are read
 * row by row and transposed, and so are the results on their way out.
 *
 * With n the axis, p the point seen from the camera's centre, q = R p, and g the gradient in q of
 * one of the two coordinates, the gradient in the rotation vector is
 *
 *     n (g . n x q) + (I - n n^T) (sine/angle p x g + (1 - cosine)/angle ((n.g) p + (n.p) g))
 *
 * and the one in the point R^T g. At angle 0 the two quotients are 1 and 0. */
#include "vector.h"

enum { CAMERA = 11, FIELDS = 16, ROW = 15, GROUP = 4 };
enum { NX, NY, NZ, COS, SIN, PER_SIN, PER_COS, FOCAL, CX, CY, CZ, X0, Y0, K1, K2 };

static void prepare(const double *camera, double *field)
{
    const double x = camera[0], y = camera[1], z = camera[2], squared = x * x + y * y + z * z;
    const double angle = sqrt(squared), inverse = squared > 0.0 ? 1.0 / angle : 0.0;
    field[NX] = x * inverse, field[NY] = y * inverse, field[NZ] = z * inverse;
    field[COS] = cos(angle), field[SIN] = sin(angle);
    field[PER_SIN] = squared > 0.0 ? field[SIN] * inverse : 1.0;
    field[PER_COS] = (1.0 - field[COS]) * inverse;
    field[CX] = camera[3], field[CY] = camera[4], field[CZ] = camera[5];
    field[FOCAL] = camera[6], field[X0] = camera[7], field[Y0] = camera[8];
    field[K1] = camera[9], field[K2] = camera[10];
}

/* Rows to columns. */
INLINE void transpose(v4 *a)
{
    const v4 t0 = __builtin_shuffle(a[0], a[1], (i4){0, 4, 2, 6});
    const v4 t1 = __builtin_shuffle(a[0], a[1], (i4){1, 5, 3, 7});
    const v4 t2 = __builtin_shuffle(a[2], a[3], (i4){0, 4, 2, 6});
    const v4 t3 = __builtin_shuffle(a[2], a[3], (i4){1, 5, 3, 7});
    a[0] = __builtin_shuffle(t0, t2, (i4){0, 1, 4, 5});
    a[1] = __builtin_shuffle(t1, t3, (i4){0, 1, 4, 5});
    a[2] = __builtin_shuffle(t0, t2, (i4){2, 3, 6, 7});
    a[3] = __builtin_shuffle(t1, t3, (i4){2, 3, 6, 7});
}

typedef struct {
    v4 x, y, z;
} Vector;

INLINE Vector cross(Vector a, Vector b)
{
    return (Vector){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

INLINE v4 dot(Vector a, Vector b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

INLINE Vector combined(v4 a, Vector x, v4 b, Vector y, v4 c, Vector z)
{
    return (Vector){a * x.x + b * y.x + c * z.x, a * x.y + b * y.y + c * z.y,
                    a * x.z + b * y.z + c * z.z};
}

/* The parts of a row in the rotation, the centre and the point, for the gradient g in q. */
INLINE void pose_row(const v4 *field, Vector n, v4 n_p, Vector p, Vector q, Vector g, v4 *row)
{
    const v4 n_g = dot(n, g), rest = 1.0 - field[COS];
    const v4 factor = field[PER_COS];
    const Vector h = combined(field[PER_SIN], cross(p, g), factor * n_g, p, factor * n_p, g);
    const v4 along = dot(g, cross(n, q)) - dot(n, h);
    const Vector point = combined(field[COS], g, field[SIN], cross(g, n), rest * n_g, n);
    row[0] = h.x + along * n.x, row[1] = h.y + along * n.y, row[2] = h.z + along * n.z;
    row[3] = -point.x, row[4] = -point.y, row[5] = -point.z;
    row[11] = point.x, row[12] = point.y, row[13] = point.z;
}

/* Four observations on their way: where their points appear, and what that depends on. */
typedef struct {
    v4 field[FIELDS], w, seen_x, seen_y, n_p, depth, u, v;
    Vector p, q;
} Group;

static void look(Group *of, const double *cameras, const double *points, const double *weights,
                  const long *seen, const double *features)
{
    v4 point[4];
    for (int part = 0; part < FIELDS; part += 4) {
        for (int i = 0; i < GROUP; i++)
            of->field[part + i] = load(cameras + seen[2 * i] * FIELDS + part);
        transpose(of->field + part);
    }
    for (int i = 0; i < GROUP; i++)
        point[i] = load(points + seen[2 * i + 1] * 4);
    transpose(point);
    const v4 pixel0 = load(features), pixel1 = load(features + 4);
    of->seen_x = __builtin_shuffle(pixel0, pixel1, (i4){0, 2, 4, 6});
    of->seen_y = __builtin_shuffle(pixel0, pixel1, (i4){1, 3, 5, 7});
    of->w = load(weights);

    const v4 *field = of->field;
    const Vector n = {field[NX], field[NY], field[NZ]};
    of->p = (Vector){point[0] - field[CX], point[1] - field[CY], point[2] - field[CZ]};
    of->n_p = dot(n, of->p);
    of->q = combined(field[COS], of->p, field[SIN], cross(n, of->p), (1.0 - field[COS]) * of->n_p, n);
    of->depth = 1.0 / of->q.z, of->u = of->q.x * of->depth, of->v = of->q.y * of->depth;
}

/* Both rows of four observations, to `out`. */
static void write_rows(const Group *of, double *out)
{
    const v4 *field = of->field, w = of->w, u = of->u, v = of->v, r2 = u * u + v * v;
    const Vector n = {field[NX], field[NY], field[NZ]};
    const v4 slope = 2.0 * (field[K1] + 2.0 * field[K2] * r2); /* of the lens, over u or v */
    const v4 lens = 1.0 + (field[K1] + field[K2] * r2) * r2;
    const v4 scale = w * field[FOCAL], near = scale * of->depth;
    const v4 uu = near * (lens + slope * u * u), uv = near * slope * u * v;
    const v4 vv = near * (lens + slope * v * v), zero = all(0.0);
    const Vector g_x = {uu, uv, -(uu * u + uv * v)}, g_y = {uv, vv, -(uv * u + vv * v)};

    v4 row[2 * ROW + 2];
    pose_row(field, n, of->n_p, of->p, of->q, g_x, row);
    pose_row(field, n, of->n_p, of->p, of->q, g_y, row + ROW);
    row[6] = w * lens * u, row[ROW + 6] = w * lens * v;
    row[7] = row[ROW + 8] = w;
    row[8] = row[ROW + 7] = zero;
    row[9] = scale * u * r2, row[ROW + 9] = scale * v * r2;
    row[10] = row[9] * r2, row[ROW + 10] = row[ROW + 9] * r2;
    row[14] = field[FOCAL] * lens * u + field[X0] - of->seen_x;
    row[ROW + 14] = field[FOCAL] * lens * v + field[Y0] - of->seen_y;

    row[2 * ROW] = row[2 * ROW + 1] = zero;
    for (int part = 0; part + 4 <= 2 * ROW; part += 4) {
        transpose(row + part);
        for (int i = 0; i < GROUP; i++)
            store(out + i * 2 * ROW + part, row[part + i]);
    }
    transpose(row + 2 * ROW - 2);
    for (int i = 0; i < GROUP; i++)
        memcpy(out + (i + 1) * 2 * ROW - 2, &row[2 * ROW - 2 + i], 2 * sizeof *out);
}

void ba(long n_cameras, long n_points, long n, const double *cameras, const double *points,
        const double *weights, const long *seen, const double *features, double *out)
{
    double *prepared = aligned(n_cameras * FIELDS), *padded = aligned(n_points * 4);
    for (long i = 0; i < n_cameras; i++)
        prepare(cameras + i * CAMERA, prepared + i * FIELDS);
    for (long i = 0; i < n_points; i++)
        for (int axis = 0; axis < 3; axis++)
            padded[i * 4 + axis] = points[i * 3 + axis];

    /* A group is looked at before the rows of the one before are written: while the one waits for
     * its long chain of operations, the other has work to do. */
    long i = 0;
    Group group[2];
    for (; i + GROUP <= n; i += GROUP) {
        look(&group[i / GROUP % 2], prepared, padded, weights + i, seen + 2 * i, features + 2 * i);
        if (i > 0)
            write_rows(&group[(i / GROUP + 1) % 2], out + (i - GROUP) * 2 * ROW);
    }
    if (i > 0)
        write_rows(&group[(i / GROUP + 1) % 2], out + (i - GROUP) * 2 * ROW);
    if (i < n) { /* the last group, with its last observation repeated */
        double w[GROUP], pixels[2 * GROUP], rows[GROUP * 2 * ROW];
        long which[2 * GROUP];
        for (int t = 0; t < GROUP; t++) {
            const long from = i + t < n ? i + t : n - 1;
            w[t] = weights[from];
            memcpy(pixels + 2 * t, features + 2 * from, 2 * sizeof *pixels);
            memcpy(which + 2 * t, seen + 2 * from, 2 * sizeof *which);
        }
        look(&group[0], prepared, padded, w, which, pixels);
        write_rows(&group[0], rows);
        memcpy(out + i * 2 * ROW, rows, (n - i) * 2 * ROW * sizeof *out);
    }
    for (i = 0; i < n; i++)
        out[n * 2 * ROW + i] = -2.0 * weights[i];
    free(prepared), free(padded);
}
