/* The table of reducers, made from the rows of reducers.def. */
#include "compiler/graph/reducer.h"

#include <assert.h>
#include <math.h>

enum {
    R_same = false,
    R_counted = false,
    R_place = true,
    R_truth = false,
};
enum {
    R_no = false,
    R_yes = true,
};
enum { G_none = G_OP_COUNT };

const ReducerRow graph_reducers[GRAPH_REDUCERS] = {
#define REDUCER(name, word, label, takes, gives, start, empty, join, parts)                        \
    {word, label, REDUCER_##start, REDUCER_##empty, (GOp)G_##join, R_##parts, R_##gives},
#include "compiler/graph/reducers.def"
#undef REDUCER
};

bool reducer_takes_least(GReducer reducer) {
    return graph_reducers[reducer].start == REDUCER_MOST;
}

double reducer_value(ReducerValue value) {
    static const double values[] = {
        [REDUCER_ZERO] = 0,        [REDUCER_ONE] = 1,   [REDUCER_LEAST] = -INFINITY,
        [REDUCER_MOST] = INFINITY, [REDUCER_FALSE] = 0, [REDUCER_TRUE] = 1};
    return values[value];
}

const GExpr *reducer_start(Graph *g, GReducer reducer, GType type) {
    const double start = reducer_value(graph_reducers[reducer].start);
    if (graph_reducers[reducer].start >= REDUCER_FALSE) return gx_bool(g, start != 0);
    if (type == GT_REAL) return gx_real(g, start);
    assert(isfinite(start));
    return gx_int(g, (int64_t)start);
}
