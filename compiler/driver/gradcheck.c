/* Compares a gradient with central differences in float64, entry by entry.
 *
 * The differences are taken of the graph as it was lowered, and the gradient comes from the
 * finished graph. So a wrong pass shows as a wrong gradient. Next to a kink of a formula (a
 * maximum, a hinge) a difference says nothing, and a much smaller step is tried there. A value
 * behind a stop is held fixed, as it is for the gradient. */
#include "compiler/driver/gradcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void gradient_snapshot_pass(void *context, const Graph *g, const char *pass) {
    Snapshot *s = context;
    if (s->taken || strcmp(pass, s->pass) != 0 || strcmp(g->name, s->name) != 0) return;
    s->taken = true;
    s->graph = *g;
    /* Nodes never change once they are made, so a copy of the list is enough. */
    s->graph.nodes.items = arena_array(g->arena, GNode *, g->nodes.count);
    memcpy(s->graph.nodes.items, g->nodes.items, sizeof(GNode *) * (size_t)g->nodes.count);
    s->graph.outputs.items = arena_array(g->arena, GOutput, g->outputs.count);
    memcpy(s->graph.outputs.items, g->outputs.items, sizeof(GOutput) * (size_t)g->outputs.count);
    s->graph.commits.count = 0;
}

/* ---- differences ----------------------------------------------------------------------------- */

typedef struct Slope {
    const Reference *base;
    const GNode *output;
    const GNode *input;
    double *values;
} Slope;

/* Returns the output with entry `at` of the input set to x, or NAN if that run has a fault. */
static double value_with(const Slope *s, int64_t at, double x) {
    double was = s->values[at];
    s->values[at] = x;
    Reference *run = reference_rerun(s->base, s->input, s->values);
    double value = run && !reference_fault(run, NULL) ? *reference_value(run, s->output) : NAN;
    reference_free(run);
    s->values[at] = was;
    return value;
}

/* Return central differences of second order (error h^2, two values) and of fourth order (error
 * h^4, four values). */
static double second_order(const Slope *s, int64_t at, double h) {
    double x = s->values[at];
    return (value_with(s, at, x + h) - value_with(s, at, x - h)) / (2 * h);
}

static double fourth_order(const Slope *s, int64_t at, double h) {
    return (4 * second_order(s, at, h) - second_order(s, at, 2 * h)) / 3;
}

static double largest_entry(const double *values, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

/* Tries the cheap difference first, where it is close enough to the gradient. If a kink (a maximum
 * that changes hands, a hinge) lies between the points of a step, a much smaller step misses it. */
static double nearest_difference(const Slope *s, int64_t at, double h, double gradient,
                                 double good) {
    double best = second_order(s, at, h / 8);
    for (int narrow = 0; narrow < 2 && !(fabs(best - gradient) <= good); narrow++) {
        double next = fourth_order(s, at, narrow ? h / 64 : h);
        if (fabs(next - gradient) < fabs(best - gradient) || isnan(best)) {
            best = next;
        }
    }
    return best;
}

GradientCheck gradient_check(const Reference *base, const GNode *output, const GNode *input,
                             const double *values, const double *gradient, int64_t most) {
    GradientCheck check = {.entries = 1, .off = HUGE_VAL};
    for (int i = 0; i < input->rank; i++)
        check.entries *= input->shape[i];
    /* The values are copied, because a stop of the input shares the array of the base run, which
     * must not change. */
    Slope slope = {base, output, input, malloc(sizeof *values * (size_t)check.entries)};
    if (!slope.values) return check;
    memcpy(slope.values, values, sizeof *values * (size_t)check.entries);
    double scale = largest_entry(values, check.entries);
    double h = 1e-4 * (scale > 0 ? scale : 1);
    double size = 0;
    double worst = -1;
    int64_t stride = check.entries > most ? check.entries / most : 1;
    check.largest = largest_entry(gradient, check.entries);
    double value = fabs(*reference_value(base, output));
    /* Smaller differences are rounding. The tolerance, 1e-6 of this bound, is at least 9 times the
     * rounding of the value in float64 (2.2e-16), divided by h. */
    double floor = fmax(1e-4 * fmax(1, value), 2e-9 * value / h);
    double good = 1e-7 * fmax(floor, check.largest);
    for (int64_t at = stride / 2; at < check.entries; at += stride, check.tried++) {
        double expected = nearest_difference(&slope, at, h, gradient[at], good);
        double off = fabs(expected - gradient[at]);
        size = fmax(size, fabs(expected));
        if (off <= worst) continue; /* a NaN does not compare as smaller, so it is noted */
        worst = isnan(off) ? HUGE_VAL : off;
        check.worst = at;
        check.found = gradient[at];
        check.expected = expected;
    }
    check.off = worst / fmax(floor, fmax(size, check.largest));
    free(slope.values);
    return check;
}
