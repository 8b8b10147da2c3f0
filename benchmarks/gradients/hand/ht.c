/* The Jacobian of hand tracking.
 *
 * A bone is moved by the four angles of its own finger alone, so it has four derivatives, a vector
 * of four numbers for each entry of its matrix, and a vertex gets these columns from the few bones
 * that carry it. Rotation by the wrist is multiplied into the bones' matrices once, instead of into
 * every column of every vertex. Each vertex that is seen is done once; the rows of the Jacobian
 * are then copies of its rows, or sums of three. */
#include "vector.h"

enum { POSE = 26, FINGERS = 6, EACH = 4, WIDE = 28 /* POSE, rounded up to whole vectors */ };

typedef double affine[3][4]; /* a turn, and in the last column a shift */
typedef double square[3][3];

/* A bone and its derivatives in the angles of its finger, ready to be applied to vertices. */
typedef struct {
    double place[4][4];        /* [coordinate][row]: the row is a vector, its last number 0 */
    double slopes[3][4][EACH]; /* [row][coordinate][angle] */
} bone;

/* What vertices need of the whole. */
typedef struct {
    long bones;
    const bone *bone;
    double turning[3][3][4]; /* [coordinate][row][axis]: derivative of the wrist's rotation */
    const double *shift;
} hand;

/* A vertex: where it is, and minus its derivatives by row. */
typedef struct {
    double at[4], rows[3][WIDE];
} vertex;

/* out += a @ b, where b has a fourth row: 0 0 0 1. */
INLINE void add_product(affine a, const double b[3][4], affine out)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 3; k++)
                out[i][j] += a[i][k] * b[k][j];
    for (int i = 0; i < 3; i++)
        out[i][3] += a[i][3];
}

/* Rotation by the vector r, and its three derivatives, each times the inverse rotation. */
static void rotation(const double r[3], square turn, double turning[3][3][4])
{
    const double angle = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    const double c = cos(angle), s = sin(angle), rest = 1.0 - c;
    const double n[3] = {r[0] / angle, r[1] / angle, r[2] / angle};
    const square across = {{0.0, -n[2], n[1]}, {n[2], 0.0, -n[0]}, {-n[1], n[0], 0.0}};

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            turn[i][j] = (i == j) * c + s * across[i][j] + rest * n[i] * n[j];

    for (int axis = 0; axis < 3; axis++) {
        /* A change of r turns the turned by the vector w = n n_k + (s d + (1 - c) n x d), where
         * d is how the axis changes. */
        double d[3], w[3];
        for (int i = 0; i < 3; i++)
            d[i] = ((i == axis) - n[i] * n[axis]) / angle;
        for (int i = 0; i < 3; i++) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            w[i] = n[i] * n[axis] + s * d[i] + rest * (n[j] * d[k] - n[k] * d[j]);
        }
        for (int i = 0; i < 3; i++) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            turning[i][i][axis] = 0.0;
            turning[j][i][axis] = -w[k];
            turning[k][i][axis] = w[j];
        }
    }
}

/* A rotation about y after one about x; which of the derivatives by `order_x` and `order_y`. */
static void bend(double x, double y, int order_x, int order_y, affine out)
{
    const double cx = order_x ? -sin(x) : cos(x), sx = order_x ? cos(x) : sin(x);
    const double cy = order_y ? -sin(y) : cos(y), sy = order_y ? cos(y) : sin(y);
    const double one_x = !order_x, one_y = !order_y;
    const affine turn = {{cy * one_x, sy * sx, sy * cx, 0.0},
                         {0.0, cx * one_y, -sx * one_y, 0.0},
                         {-sy * one_x, cy * sx, cy * cx, 0.0}};
    memcpy(out, turn, sizeof turn);
}

/* The first three rows of a matrix of four, times a turn. The shift stays if `shifts`. */
static void turned(const double relative[4][4], affine turn, int shifts, affine out)
{
    affine a, b;
    memcpy(a, relative, sizeof a);
    memcpy(b, turn, sizeof b);
    memset(out, 0, sizeof a);
    if (!shifts)
        for (int i = 0; i < 3; i++)
            a[i][3] = 0.0;
    add_product(a, b, out);
}

/* Where all bones are and how their angles move them. Bones follow their parents. */
static void pose(long bones, const double *theta, const long *parents,
                 const double (*relatives)[4][4], const double (*inverses)[4][4], square turn,
                 bone *out)
{
    affine *all = calloc(bones * (1 + EACH), sizeof *all), *slopes = all + bones;

    for (long b = 0; b < bones; b++) {
        /* Of a finger's four bones the first bends both ways, the last not at all. */
        const long finger = (b - 2) / 4, part = b < 2 ? 3 : (b - 2) % 4, parent = parents[b];
        const double *angles = theta + 6 + EACH * finger;
        const double x = part == 3 ? 0.0 : angles[part ? part + 1 : 0], y = part ? 0.0 : angles[1];
        affine own, moves[EACH] = {0}, turn_x, turn_y, plain;

        bend(x, y, 0, 0, plain);
        turned(relatives[b], plain, 1, own);
        if (part < 3) {
            bend(x, y, 1, 0, turn_x);
            turned(relatives[b], turn_x, 0, moves[part ? part + 1 : 0]);
        }
        if (part == 0) {
            bend(x, y, 0, 1, turn_y);
            turned(relatives[b], turn_y, 0, moves[1]);
        }
        if (parent < 0) {
            memcpy(all[b], own, sizeof own);
            memcpy(slopes[b * EACH], moves, sizeof moves);
        } else {
            affine before;
            memcpy(before, all[parent], sizeof before);
            add_product(before, own, all[b]);
            for (int i = 0; i < 3; i++)
                before[i][3] = 0.0;
            for (int k = 0; k < EACH; k++) {
                add_product(before, moves[k], slopes[b * EACH + k]);
                add_product(slopes[parent * EACH + k], own, slopes[b * EACH + k]);
            }
        }

        for (int k = -1; k < EACH; k++) {
            affine local = {0};
            add_product(k < 0 ? all[b] : slopes[b * EACH + k], inverses[b], local);
            for (int i = 0; i < 3; i++)
                for (int j = 0; j < 4; j++) {
                    const double entry = turn[i][0] * local[0][j] + turn[i][1] * local[1][j]
                                       + turn[i][2] * local[2][j];
                    if (k < 0)
                        out[b].place[j][i] = entry;
                    else
                        out[b].slopes[i][j][k] = entry;
                }
        }
        for (int j = 0; j < 4; j++)
            out[b].place[j][3] = 0.0;
    }
    free(all);
}

/* Where a vertex is, and its derivatives, from those of the bones that carry it. */
static void skin(const hand *h, const double *base, const double *weights, vertex *out)
{
    v4 at = all(0.0), columns[3][FINGERS] = {0};

    for (long b = 0; b < h->bones; b++) {
        if (weights[b] == 0.0)
            continue;
        const bone *own = h->bone + b;
        const long finger = b < 2 ? FINGERS - 1 : (b - 2) / 4;
        const v4 point = weights[b] * load(base);
        for (int j = 0; j < 4; j++)
            at += point[j] * load(own->place[j]);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++)
                columns[i][finger] += point[j] * load(own->slopes[i][j]);
    }

    for (int i = 0; i < 3; i++) {
        v4 by_turn = all(0.0);
        for (int j = 0; j < 3; j++)
            by_turn += at[j] * load(h->turning[j][i]);
        store(out->rows[i], -by_turn);
        for (int k = 0; k < 3; k++)
            out->rows[i][3 + k] = -(i == k);
        for (int f = 0; f < FINGERS - 1; f++)
            store(out->rows[i] + 6 + EACH * f, -columns[i][f]);
        out->at[i] = at[i] + h->shift[i];
    }
}

void ht(long bones, long vertices, long n, long others, const double *parameters,
        const long *parents, const double (*relatives)[4][4], const double (*inverses)[4][4],
        const double (*base)[4], const double *weights, const double *us, const long *corners,
        double *out)
{
    const double *theta = parameters + others;
    const long each = others + 1, wide = others + POSE;
    bone *placed = malloc(bones * sizeof *placed);
    vertex *seen = malloc(vertices * sizeof *seen);
    char *done = calloc(vertices, 1);
    hand h = {.bones = bones, .bone = placed, .shift = theta + 3};
    square turn;

    rotation(theta, turn, h.turning);
    pose(bones, theta, parents, relatives, inverses, turn, placed);
    for (long c = 0; c < n * each; c++) {
        const long v = corners[c];
        if (!done[v])
            skin(&h, base[v], weights + v * bones, seen + v);
        done[v] = 1;
    }

    for (long c = 0; c < n; c++) {
        const long *corner = corners + c * each;
        const vertex *last = seen + corner[others];
        double rest = 1.0;
        for (long k = 0; k < others; k++)
            rest -= us[c * others + k] + parameters[k];
        for (int i = 0; i < 3; i++) {
            double *row = out + (3 * c + i) * wide, *by_pose = row + others;
            for (int j = 0; j < POSE; j++)
                by_pose[j] = rest * last->rows[i][j];
            for (long k = 0; k < others; k++) {
                const vertex *other = seen + corner[k];
                const double share = us[c * others + k] + parameters[k];
                row[k] = last->at[i] - other->at[i];
                for (int j = 0; j < POSE; j++)
                    by_pose[j] += share * other->rows[i][j];
            }
        }
    }
    free(done);
    free(seen);
    free(placed);
}
