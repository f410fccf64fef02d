/* Lowers library calls: a row of runtime/calls.def becomes a node that calls it. */
#include "compiler/lower/internal.h"

#include <string.h>

/* Returns the value as a real array over `free`, which holds the value's own free indices, and then
 * over its axes. */
static GNode *operand_over(Lower *l, const Value *value, const GExpr *const *free, int free_count,
                           Span span) {
    const GExpr *axes[GRAPH_MAX_RANK];
    int rank = value_rank(value);
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(value, i));
    const GExpr *element = lower_as_real(l, value_element(l, value, axes, span));
    Value own = lower_array_from(l, element, axes, rank, NULL, span);
    if (own.prefix_count == free_count) return own.tensor;
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = free_count + rank;
    memcpy(spec.out, free, sizeof *free * (size_t)free_count);
    memcpy(spec.out + free_count, axes, sizeof *axes * (size_t)rank);
    spec.value = element;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

Value library_call(Lower *l, CoupletCallKind call, const Value *args, int64_t count, Span span) {
    const CoupletCall *row = &couplet_calls[call];
    const GExpr *elements[COUPLET_CALL_OPERANDS];
    const GExpr *free[GRAPH_MAX_FREE];
    const GExpr *axes[COUPLET_CALL_OPERANDS * GRAPH_MAX_RANK];
    int axis_count = 0;
    int operands = 0;
    for (; operands < COUPLET_CALL_OPERANDS && row->operand_axes[operands] >= 0; operands++) {
        const GExpr *const *own = axes + axis_count;
        for (int i = 0; i < value_rank(&args[operands]); i++)
            axes[axis_count++] = graph_fresh_index(l->g, value_extent(&args[operands], i));
        elements[operands] = value_element(l, &args[operands], own, span);
    }
    int free_count = lower_sorted_free(l, elements, operands, axes, axis_count, free);
    Value value = value_none();
    value.kind = VALUE_ARRAY;
    if (free_count + value_rank(&args[0]) > GRAPH_MAX_RANK) {
        diag_report(l->diag, CODE_TOO_MANY_AXES, span,
                    "this call depends on %d indices, more than the %d axes an array may have",
                    free_count + value_rank(&args[0]), GRAPH_MAX_RANK);
        free_count = GRAPH_MAX_RANK - value_rank(&args[0]);
    }
    GNode *nodes[COUPLET_CALL_OPERANDS];
    for (int i = 0; i < operands; i++)
        nodes[i] = operand_over(l, &args[i], free, free_count, span);
    value.tensor = graph_call(l->g, call, nodes, count, span);
    value.prefix_count = free_count;
    memcpy(value.prefix, free, sizeof *free * (size_t)free_count);
    graph_name_indices(l->g, value.tensor, free, free_count);
    return value;
}

static Value assignment(Lower *l, const Value *args, Span span) {
    int rank = value_rank(&args[0]);
    int64_t rows = value_extent(&args[0], rank - 2);
    int64_t columns = value_extent(&args[0], rank - 1);
    if (rows > columns) {
        diag_report(l->diag, CODE_ARGUMENT_DIMENSION, span,
                    "an assignment gives each row a column of its own, and here are %lld rows and "
                    "%lld columns",
                    (long long)rows, (long long)columns);
        diag_suggest(l->diag, "transpose the costs, and ask for a row of each column");
        return args[0];
    }
    return library_call(l, COUPLET_CALL_ASSIGNMENT, args, 0, span);
}

bool lower_library(Lower *l, const char *name, const Value *args, Span span, Value *out) {
    if (strcmp(name, "argsort") == 0)
        *out = library_call(l, COUPLET_CALL_ARGSORT, args, 0, span);
    else if (strcmp(name, "solve") == 0)
        *out = library_call(l, COUPLET_CALL_SOLVE, args, 0, span);
    else if (strcmp(name, "assignment") == 0)
        *out = assignment(l, args, span);
    else
        return false;
    return true;
}
