/* Gives labels of more than 32 bits stand-ins that kernels can hold (whole_numbers.h). First each
 * formula is walked, to find the nodes that may meet a stand-in. Every use but comparison, choice
 * and extremum is refused.
 *
 * A stand-in must keep the order, and must not equal a number that a formula mentions. So entries
 * up to 2^30 in size stay what they are, and wider ones get numbers beyond that, on their side of
 * 0. */
#include "compiler/driver/whole_numbers.h"

#include "compiler/driver/report.h"

#include <stdlib.h>
#include <string.h>

/* Entries from -NARROW to NARROW - 1 stay what they are, and so do the numbers that a formula
 * compares them with. The stand-ins of wider entries are beyond this range, with as many numbers on
 * each side. */
enum { NARROW = 1 << 30 };

/* An entry of an array of int64 or of uint64. Both fit into it. */
__extension__ typedef __int128 Wide;

typedef struct Fitting {
    FunctionArrays *arrays;
    Graph *g;
    Wide *wide; /* the wide entries, sorted, each once */
    int64_t wide_count;
    bool *is_wide;  /* [id of a node]: true if its entries may be stand-ins */
    uint32_t *seen; /* [id of an expression]: its turn and what is known of it (wide_value) */
    /* The number of the node at hand. What is known of an expression holds for one node alone,
     * because each node has extents of its own for its indices. */
    uint32_t turn;
    const GNode *node;
    int64_t extents[2 * GRAPH_MAX_RANK];
    /* the use of a wide array that a stand-in does not allow; NULL: none was met */
    const char *misuse;
    Span place;
} Fitting;

static Wide entry(const FunctionArrays *a, int array, int64_t at) {
    int64_t whole = a->wholes[array][at];
    return a->is_unsigned[array] ? (Wide)(uint64_t)whole : (Wide)whole;
}

static bool is_narrow(Wide value) {
    return value >= -NARROW && value < NARROW;
}
static bool fits_32_bits(Wide value) {
    return value >= INT32_MIN && value <= INT32_MAX;
}

/* ---- which entries --------------------------------------------------------------------------- */

/* Returns the position of the first entry that 32 bits do not hold, or -1. */
static int64_t first_too_wide(const FunctionArrays *a, int array) {
    for (int64_t i = 0; a->wholes[array] && i < arrays_elements(a, array); i++)
        if (!fits_32_bits(entry(a, array, i))) return i;
    return -1;
}

static bool has_wide(const FunctionArrays *a, int array) {
    for (int64_t i = 0; a->wholes[array] && i < arrays_elements(a, array); i++)
        if (!is_narrow(entry(a, array, i))) return true;
    return false;
}

static int by_value(const void *a, const void *b) {
    const Wide x = *(const Wide *)a;
    const Wide y = *(const Wide *)b;
    return x < y ? -1 : x > y;
}

static void collect_wide(Fitting *f) {
    const FunctionArrays *a = f->arrays;
    int64_t most = 0;
    int64_t count = 0;
    for (int k = 0; k < a->count; k++)
        most += a->wholes[k] ? arrays_elements(a, k) : 0;
    f->wide = arena_array(a->arena, Wide, most + 1);
    for (int k = 0; k < a->count; k++)
        for (int64_t i = 0; a->wholes[k] && i < arrays_elements(a, k); i++)
            if (!is_narrow(entry(a, k, i))) f->wide[count++] = entry(a, k, i);
    qsort(f->wide, (size_t)count, sizeof *f->wide, by_value);
    for (int64_t i = 0; i < count; i++)
        if (i == 0 || f->wide[i] != f->wide[f->wide_count - 1])
            f->wide[f->wide_count++] = f->wide[i];
}

/* ---- what the formulas do with them ---------------------------------------------------------- */

enum {
    UNKNOWN,
    PLAIN,
    WIDE,
    STATES,
};

static void misused(Fitting *f, const char *how) {
    if (f->misuse) return;
    f->misuse = how;
    f->place = f->node->span;
}

/* Notes a number that stand-ins are compared with. It must not be among them. */
static void compare_with(Fitting *f, const GExpr *e) {
    int64_t low;
    int64_t high;
    /* every entry of an input stays what it is, or has a stand-in that keeps the order */
    if (e->op == G_LOAD && e->tensor->kind == GN_INPUT) return;
    bool known = gx_range(f->g, e, f->extents, &low, &high);
    if (!known || !is_narrow(low) || !is_narrow(high))
        misused(f, "compared with a number that is computed, or large itself");
}

static bool wide_value(Fitting *f, const GExpr *e);

/* True if one of the arguments of a comparison, a maximum or a choice may be a stand-in. */
static bool wide_pair(Fitting *f, const GExpr *a, const GExpr *b) {
    bool left = wide_value(f, a);
    bool right = wide_value(f, b);
    if (left && !right) compare_with(f, b);
    if (right && !left) compare_with(f, a);
    return left || right;
}

static bool wide_load(Fitting *f, const GExpr *e) {
    bool wide = f->is_wide[e->tensor->id];
    for (int i = 0; i < e->tensor->rank; i++)
        if (wide_value(f, e->args[i])) misused(f, "used as an index");
    if (!e->has_else) return wide;
    bool otherwise = wide_value(f, e->args[e->arg_count - 1]);
    if (wide && !otherwise) compare_with(f, e->args[e->arg_count - 1]);
    return wide || otherwise;
}

static bool wide_new(Fitting *f, const GExpr *e) {
    switch (e->op) {
    case G_LOAD:
        return wide_load(f, e);
    case G_EQ:
    case G_NE:
    case G_LT:
    case G_LE:
        wide_pair(f, e->args[0], e->args[1]);
        return false;
    case G_MAX:
    case G_MIN:
        return wide_pair(f, e->args[0], e->args[1]);
    case G_SELECT:
        wide_value(f, e->args[0]);
        return wide_pair(f, e->args[1], e->args[2]);
    default:
        break;
    }
    bool read = false;
    for (int i = 0; i < e->arg_count; i++)
        read |= wide_value(f, e->args[i]);
    if (read) misused(f, "used in arithmetic");
    return false;
}

/* True if the value may be a stand-in. Each expression is looked at once for each node. */
static bool wide_value(Fitting *f, const GExpr *e) {
    if (!e) return false;
    uint32_t *seen = &f->seen[e->id];
    if (*seen / STATES == f->turn) return *seen % STATES == WIDE;
    bool wide = wide_new(f, e);
    *seen = f->turn * STATES + (wide ? WIDE : PLAIN);
    return wide;
}

static bool wide_operands(const Fitting *f, const GNode *n) {
    bool wide = n->operand && f->is_wide[n->operand->id];
    for (int i = 0; i < n->operand_count; i++)
        wide |= f->is_wide[n->operands[i]->id];
    return wide;
}

static bool wide_compute(Fitting *f, const GNode *n) {
    for (int i = 0; i < n->rank; i++)
        f->extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        f->extents[n->rank + i] = n->red_shape[i];
    wide_value(f, n->guard);
    wide_value(f, n->active);
    if (!wide_value(f, n->value)) return false;
    if (n->reducer == GR_SUM) misused(f, "added up");
    return n->reducer == GR_NONE || n->reducer == GR_MAX || n->reducer == GR_MIN;
}

static bool wide_node(Fitting *f, GNode *n, const bool *input_is_wide) {
    f->node = n;
    f->turn++;
    switch (n->kind) {
    case GN_INPUT:
        for (int i = 0; i < f->arrays->count; i++)
            if (input_is_wide[i] && strcmp(f->arrays->inputs[i].name, n->name) == 0) return true;
        return false;
    case GN_STATE:
    case GN_CONST:
        return false;
    case GN_COMPUTE:
        return wide_compute(f, n);
    case GN_STOP:
        return wide_operands(f, n);
    case GN_TOPK:
    case GN_CALL:
        if (wide_operands(f, n)) misused(f, "used in arithmetic");
        return false;
    }
    return false;
}

static void find_misuse(Fitting *f, const bool *input_is_wide) {
    uint32_t most = 0;
    for (int i = 0; i < f->g->nodes.count; i++)
        most = f->g->nodes.items[i]->id > most ? f->g->nodes.items[i]->id : most;
    f->is_wide = arena_array(f->arrays->arena, bool, most + 1);
    f->seen = arena_array(f->arrays->arena, uint32_t, graph_expr_count(f->g) + 1);
    memset(f->seen, 0, sizeof *f->seen * (graph_expr_count(f->g) + 1));
    for (int i = 0; i < f->g->nodes.count; i++) {
        GNode *n = f->g->nodes.items[i];
        f->is_wide[n->id] = wide_node(f, n, input_is_wide);
    }
    for (int i = 0; i < f->g->outputs.count; i++) {
        f->node = f->g->outputs.items[i].node;
        if (f->is_wide[f->node->id]) misused(f, "given back");
    }
}

/* ---- stand-ins ------------------------------------------------------------------------------- */

static int64_t stand_in(const Fitting *f, Wide value) {
    if (is_narrow(value)) return (int64_t)value;
    int64_t low = 0;
    int64_t high = f->wide_count;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        *(f->wide[middle] <= value ? &low : &high) = middle;
    }
    return value < 0 ? INT32_MIN + low : INT32_MAX - (f->wide_count - 1 - low);
}

static void replace(Fitting *f) {
    FunctionArrays *a = f->arrays;
    for (int k = 0; k < a->count; k++)
        for (int64_t i = 0; a->wholes[k] && i < arrays_elements(a, k); i++)
            a->values[k][i] = (double)stand_in(f, entry(a, k, i));
}

/* Returns where an entry stands, as in "[2, 0]". */
static const char *index_text(const FunctionArrays *a, int array, int64_t at) {
    const FunctionInput *input = &a->inputs[array];
    const char *text = "";
    for (int i = input->rank - 1; i >= 0; i--) {
        text = arena_printf(a->arena, "%lld%s%s", (long long)(at % input->shape[i]),
                            *text ? ", " : "", text);
        at /= input->shape[i];
    }
    return arena_printf(a->arena, input->rank ? "[%s]" : "%s", text);
}

static bool refuse_whole(const Fitting *f, int array, int64_t at) {
    const FunctionArrays *a = f->arrays;
    const long long whole = (long long)a->wholes[array][at];
    const char *number = a->is_unsigned[array]
                             ? arena_printf(a->arena, "%llu", (unsigned long long)whole)
                             : arena_printf(a->arena, "%lld", whole);
    report(CODE_FUNCTION_INPUT,
           "`%s`: %s%s is %s; it is %s at %s:%d:%d, and that takes whole numbers from %d to %d. "
           "Wider ones can be compared with each other",
           a->files[array], a->inputs[array].name, index_text(a, array, at), number, f->misuse,
           f->place.source->path, f->place.line, f->place.column, INT32_MIN, INT32_MAX);
    return false;
}

bool arrays_fit_whole_numbers(FunctionArrays *a, Graph *g) {
    bool *is_wide = arena_array(a->arena, bool, a->count);
    int refused = -1;
    for (int i = 0; i < a->count; i++) {
        is_wide[i] = has_wide(a, i);
        if (refused < 0 && first_too_wide(a, i) >= 0) refused = i;
    }
    if (refused < 0) return true;
    Fitting f = {.arrays = a, .g = g};
    collect_wide(&f);
    if (f.wide_count > NARROW / 2) {
        report(CODE_FUNCTION_INPUT,
               "the arrays hold %lld different whole numbers of more than 31 bits; at most %d are "
               "told apart",
               (long long)f.wide_count, NARROW / 2);
        return false;
    }
    find_misuse(&f, is_wide);
    if (f.misuse) return refuse_whole(&f, refused, first_too_wide(a, refused));
    replace(&f);
    return true;
}
