/* The loss of the LSTM whose weights are diagonal, and its gradient.
 *
 * Units go in lanes. Forwards, at tick T layer j takes step T - j, so that all layers of a tick are
 * independent and the long chains of exponentials of one hide those of the others. What the sweep
 * back needs of a step is kept, six vectors a layer; it computes no exponential. */
#include "vector.h"

enum { FORGET, IN, OUT, CHANGE, GATES };

typedef struct {
    v4 gate[GATES], cell, squashed; /* squashed: tanh of the cell; times OUT, what it puts out */
} Step;

/* Weights of the gates, then their biases; or their adjoints. */
typedef struct {
    v4 weight[GATES], bias[GATES];
} Layer;

/* Four units of a row of b, with zeros for those that there are not. */
INLINE v4 some(const double *row, long b, long v)
{
    v4 x = all(0.0);
    memcpy(&x, row + 4 * v, (b - 4 * v < 4 ? b - 4 * v : 4) * sizeof *row);
    return x;
}

static void put(double *row, long b, long v, v4 x)
{
    memcpy(row + 4 * v, &x, (b - 4 * v < 4 ? b - 4 * v : 4) * sizeof *row);
}

INLINE v4 sigmoid(v4 x)
{
    return 1.0 / (1.0 + exp4(-x));
}

INLINE v4 tanh4(v4 x)
{
    return 1.0 - 2.0 / (1.0 + exp4(2.0 * x));
}

/* Vectors that start where a cache line does. */
static void *vectors(long count, size_t size)
{
    return zeros(count * (size / sizeof(double)));
}

double lstm(long layers, long steps, long b, const double *main_parameters, const double *extra,
            const double *state, const double *sequence, double *d_main, double *d_extra)
{
    const long width = (b + 3) / 4, units = layers * width; /* in vectors */
    const double scale = 1.0 / (b * steps);
    Layer *layer = vectors(units, sizeof *layer), *d_layer = vectors(units, sizeof *layer);
    Step *tape = (Step *)aligned(steps * units * (sizeof *tape / sizeof(double)));
    v4 *in = vectors((steps + 1) * width, sizeof *in); /* the sequence, in whole vectors */
    v4 *d_out = vectors(steps * width, sizeof *d_out);  /* of each step's prediction */
    v4 *hidden = vectors(units, sizeof *in), *cell = vectors(units, sizeof *in);
    v4 *first_hidden = vectors(units, sizeof *in), *first_cell = vectors(units, sizeof *in);
    v4 *input = vectors(units, sizeof *in), *there = vectors(width, sizeof *in);
    v4 *way[3], *d_way[3]; /* into the first layer, out of the last, and what is added */
    double *sums = zeros(steps), *golds = zeros(steps), likelihood = 0.0;

    for (long v = 0; v < width; v++)
        for (int lane = 0; lane < 4; lane++)
            there[v][lane] = 4 * v + lane < b;
    for (int w = 0; w < 3; w++) {
        way[w] = vectors(width, sizeof *in), d_way[w] = vectors(width, sizeof *in);
        for (long v = 0; v < width; v++)
            way[w][v] = some(extra + w * b, b, v);
    }
    for (long j = 0; j < layers; j++)
        for (long v = 0; v < width; v++) {
            const long unit = j * width + v;
            for (int g = 0; g < GATES; g++) {
                layer[unit].weight[g] = some(main_parameters + (8 * j + g) * b, b, v);
                layer[unit].bias[g] = some(main_parameters + (8 * j + GATES + g) * b, b, v);
            }
            hidden[unit] = first_hidden[unit] = some(state + 2 * j * b, b, v);
            cell[unit] = first_cell[unit] = some(state + (2 * j + 1) * b, b, v);
        }
    for (long t = 0; t <= steps; t++)
        for (long v = 0; v < width; v++)
            in[t * width + v] = some(sequence + t * b, b, v);

    for (long tick = 0; tick < steps + layers - 1; tick++) {
        const long low = tick < steps ? 0 : tick - steps + 1;
        const long high = tick < layers ? tick + 1 : layers;
        for (long unit = low * width; unit < high * width; unit++)
            input[unit] = unit < width ? in[tick * width + unit] * way[0][unit]
                                       : hidden[unit - width];
        for (long j = low; j < high; j++)
            for (long v = 0; v < width; v++) {
                const long unit = j * width + v;
                const Layer *of = layer + unit;
                Step *at = tape + (tick - j) * units + unit;
                const v4 x = input[unit], h = hidden[unit];
                const v4 forget = sigmoid(x * of->weight[FORGET] + of->bias[FORGET]);
                const v4 ingate = sigmoid(h * of->weight[IN] + of->bias[IN]);
                const v4 outgate = sigmoid(x * of->weight[OUT] + of->bias[OUT]);
                const v4 change = tanh4(h * of->weight[CHANGE] + of->bias[CHANGE]);
                at->gate[FORGET] = forget, at->gate[IN] = ingate;
                at->gate[OUT] = outgate, at->gate[CHANGE] = change;
                at->cell = cell[unit] = cell[unit] * forget + ingate * change;
            }
        for (long j = low; j < high; j++)
            for (long v = 0; v < width; v++) {
                const long unit = j * width + v;
                Step *at = tape + (tick - j) * units + unit;
                at->squashed = tanh4(cell[unit]);
                hidden[unit] = at->gate[OUT] * at->squashed;
            }
        if (high < layers)
            continue;
        const long t = tick - layers + 1;
        v4 total = all(0.0), right = all(0.0), gold = all(0.0);
        for (long v = 0; v < width; v++) {
            const v4 y = hidden[units - width + v] * way[1][v] + way[2][v];
            const v4 here = in[(t + 1) * width + v], e = exp4(y) * there[v];
            d_out[t * width + v] = e;
            total += e, right += here * y, gold += here;
        }
        sums[t] = 2.0 + sum(total), golds[t] = sum(gold);
        likelihood += sum(right);
        for (long v = 0; v < width; v++)
            d_out[t * width + v] = scale * (d_out[t * width + v] * (golds[t] / sums[t]) -
                                            in[(t + 1) * width + v]);
    }
#pragma omp simd reduction(- : likelihood)
    for (long t = 0; t < steps; t++)
        likelihood -= golds[t] * log(sums[t]);

    v4 *d_hidden = vectors(units, sizeof *in), *d_cell = vectors(units, sizeof *in);
    for (long t = steps - 1; t >= 0; t--) {
        const Step *now = tape + t * units;
        v4 *from_above = input; /* room for one layer */
        for (long v = 0; v < width; v++) {
            const Step *top = now + units - width + v;
            const v4 d_y = d_out[t * width + v];
            d_way[1][v] += d_y * top->gate[OUT] * top->squashed;
            d_way[2][v] += d_y;
            from_above[v] = d_y * way[1][v];
        }
        for (long j = layers - 1; j >= 0; j--)
            for (long v = 0; v < width; v++) {
                const long unit = j * width + v;
                const Layer *of = layer + unit;
                const Step *at = now + unit, *below = at - width, *before = at - units;
                Layer *d_of = d_layer + unit;
                const v4 forget = at->gate[FORGET], ingate = at->gate[IN];
                const v4 outgate = at->gate[OUT], change = at->gate[CHANGE];
                const v4 x = j ? below->gate[OUT] * below->squashed : in[t * width + v] * way[0][v];
                const v4 h = t ? before->gate[OUT] * before->squashed : first_hidden[unit];
                const v4 c = t ? before->cell : first_cell[unit];

                const v4 d_h = d_hidden[unit] + from_above[v];
                const v4 d_c =
                    d_cell[unit] + d_h * outgate * (1.0 - at->squashed * at->squashed);
                const v4 d_forget = d_c * c * forget * (1.0 - forget);
                const v4 d_ingate = d_c * change * ingate * (1.0 - ingate);
                const v4 d_outgate = d_h * at->squashed * outgate * (1.0 - outgate);
                const v4 d_change = d_c * ingate * (1.0 - change * change);
                d_cell[unit] = d_c * forget;
                d_hidden[unit] = d_ingate * of->weight[IN] + d_change * of->weight[CHANGE];
                from_above[v] = d_forget * of->weight[FORGET] + d_outgate * of->weight[OUT];

                d_of->weight[FORGET] += d_forget * x, d_of->bias[FORGET] += d_forget;
                d_of->weight[IN] += d_ingate * h, d_of->bias[IN] += d_ingate;
                d_of->weight[OUT] += d_outgate * x, d_of->bias[OUT] += d_outgate;
                d_of->weight[CHANGE] += d_change * h, d_of->bias[CHANGE] += d_change;
            }
        for (long v = 0; v < width; v++)
            d_way[0][v] += from_above[v] * in[t * width + v];
    }

    for (long j = 0; j < layers; j++)
        for (long v = 0; v < width; v++)
            for (int g = 0; g < GATES; g++) {
                put(d_main + (8 * j + g) * b, b, v, d_layer[j * width + v].weight[g]);
                put(d_main + (8 * j + GATES + g) * b, b, v, d_layer[j * width + v].bias[g]);
            }
    for (int w = 0; w < 3; w++) {
        for (long v = 0; v < width; v++)
            put(d_extra + w * b, b, v, d_way[w][v]);
        free(way[w]), free(d_way[w]);
    }
    free(layer), free(d_layer), free(tape), free(in), free(d_out), free(hidden), free(cell);
    free(first_hidden), free(first_cell), free(input), free(there), free(sums), free(golds);
    free(d_hidden), free(d_cell);
    return -scale * likelihood;
}
