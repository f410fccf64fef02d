/* Evaluates whole numbers and truth values at points of an index space (point.h). The parts of an
 * expression are listed once, arguments first. */
#include "compiler/graph/point.h"

#include "compiler/graph/visit.h"

enum { MOST_ARGS = 3 /* the most arguments of an operation on whole numbers */ };

typedef struct PointPart {
    const GExpr *e;
    int slot;            /* of an index: the position of its value; -1: none is given */
    int args[MOST_ARGS]; /* the positions of its arguments in the list of parts */
    bool is_computed;    /* true of an operation on whole numbers and truth values */
    bool is_known;
    int64_t value;
} PointPart;

struct PointFormula {
    Arena *arena;
    const GExpr *const *indices;
    int index_count;
    ARRAY(PointPart) parts;
};

static int index_slot(const PointFormula *f, const GExpr *index) {
    if (!f->indices) return index->index;
    for (int i = 0; i < f->index_count; i++)
        if (f->indices[i] == index) return i;
    return -1;
}

/* True if the part is computed from whole numbers. The arguments of a read or of a real are not
 * looked at. */
static bool is_computed(void *context, const GExpr *e) {
    (void)context;
    bool is_whole = e->arg_count > 0 && e->arg_count <= MOST_ARGS && e->type != GT_REAL;
    for (int i = 0; is_whole && i < e->arg_count; i++)
        is_whole = e->args[i]->type != GT_REAL;
    return is_whole && e->op != G_LOAD && e->op != G_RANDOM;
}

static ExprValue add_part(void *context, const GExpr *e, const ExprValue *args) {
    PointFormula *f = context;
    PointPart part = {.e = e, .is_computed = args && e->arg_count > 0};
    if (e->op == G_CONST && e->type != GT_REAL) part.value = e->integer;
    part.is_known = e->op == G_CONST && e->type != GT_REAL;
    part.slot = e->op == G_INDEX ? index_slot(f, e) : -1;
    for (int i = 0; part.is_computed && i < e->arg_count; i++)
        part.args[i] = (int)args[i].integer;
    array_push(f->arena, &f->parts, part);
    return (ExprValue){.integer = f->parts.count - 1};
}

PointFormula *point_formula(Arena *arena, const GExpr *e, const GExpr *const *indices, int count) {
    PointFormula *f = arena_new_of(arena, PointFormula);
    *f = (PointFormula){.arena = arena, .indices = indices, .index_count = count};
    expr_fold_inside(e, is_computed, add_part, f);
    return f;
}

/* True if one side of an `and` or an `or` decides its value. */
static bool is_decided(const PointFormula *f, const PointPart *p) {
    if (p->e->op != G_AND && p->e->op != G_OR) return false;
    for (int i = 0; i < 2; i++) {
        const PointPart *side = &f->parts.items[p->args[i]];
        if (side->is_known && (side->value != 0) == (p->e->op == G_OR)) return true;
    }
    return false;
}

static void compute(const PointFormula *f, PointPart *p) {
    int64_t args[MOST_ARGS] = {0};
    p->is_known = is_decided(f, p);
    p->value = p->e->op == G_OR;
    if (p->is_known) return;
    for (int i = 0; i < p->e->arg_count; i++) {
        const PointPart *arg = &f->parts.items[p->args[i]];
        if (!arg->is_known) return;
        args[i] = arg->value;
    }
    p->is_known = gx_of_ints(p->e->op, args, &p->value);
}

bool point_value(PointFormula *f, const int64_t *values, int64_t *out) {
    for (int i = 0; i < f->parts.count; i++) {
        PointPart *p = &f->parts.items[i];
        if (p->slot >= 0) {
            p->value = values[p->slot];
            p->is_known = true;
        } else if (p->is_computed) {
            compute(f, p);
        }
    }
    const PointPart *last = &f->parts.items[f->parts.count - 1];
    *out = last->value;
    return last->is_known;
}
