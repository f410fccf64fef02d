/* recompute: where memory is short, an array of the forward pass that only the gradient reads again
 * is computed again there, instead of being kept in between.
 *
 * The order of the nodes tells when an array is alive. At the fullest moment the pass looks for the
 * array that frees most: an array that is read before that moment and after it, less the operands
 * that must be kept longer for it to be computed again. Elementwise work goes first (activations,
 * normalised values, whose operands are kept anyway); sums and products follow. The same formula of
 * the same operands gives the same bits. */
#include "compiler/graph/visit.h"
#include "compiler/passes/passes.h"

#include <string.h>

enum { SMALLEST = 1 << 14 /* the bytes of an array that are worth a kernel */, MOST_TRIES = 2048 };

typedef struct Array {
    GNode *node;
    int64_t bytes;             /* 0: the array is not in the arena, or it stays */
    bool stays;                /* true if the array cannot be computed again */
    ARRAY(int) operands, uses; /* the positions of the arrays that it reads, and of its readers */
    /* Readers behind this position read a second copy of the array. -1: there is no second copy. */
    int cut;
} Array;

typedef struct Recompute {
    Graph *g;
    int count;
    Array *arrays; /* by position */
    int *position; /* by the id of a node */
    uint32_t ids;
    int64_t *full; /* by position: the bytes that are alive */
} Recompute;

/* ---- who reads what -------------------------------------------------------------------------- */

/* Notes that the node at position `reader` reads an array. */
static void add_read(Recompute *r, int reader, const GNode *tensor) {
    int at = r->position[tensor->id];
    Array *a = &r->arrays[reader];
    Array *b = &r->arrays[at];
    /* A streamed array is made where it is used, so its operands are read there. */
    if (tensor->streamed) {
        for (int i = 0; i < b->operands.count; i++) {
            r->arrays[b->operands.items[i]].stays = true;
            add_read(r, reader, r->arrays[b->operands.items[i]].node);
        }
        return;
    }
    for (int i = 0; i < a->operands.count; i++)
        if (a->operands.items[i] == at) return;
    array_push(r->g->arena, &a->operands, at);
    array_push(r->g->arena, &b->uses, reader);
}

typedef struct Reader {
    Recompute *recompute;
    int position;
    bool of_streamed;
} Reader;

static VisitStep note_read(void *context, const GExpr *e) {
    Reader *r = context;
    if (e->op != G_LOAD) return VISIT_INSIDE;
    add_read(r->recompute, r->position, e->tensor);
    r->of_streamed |= e->tensor->streamed;
    return VISIT_INSIDE;
}

static void keep_array(Recompute *r, const GNode *n) {
    Array *a = &r->arrays[r->position[n->id]];
    a->stays = true;
    array_push(r->g->arena, &a->uses, r->count); /* the array lives to the end */
}

/* Finds the operands and readers of each array, and whether the array may be computed again. */
static void survey_arrays(Recompute *r) {
    Graph *g = r->g;
    for (int i = 0; i < r->count; i++) {
        GNode *n = g->nodes.items[i];
        Array *a = &r->arrays[i];
        *a = (Array){.node = n,
                     .bytes = node_is_made(n) && !n->streamed ? graph_bytes(n) : 0,
                     .stays = n->kind != GN_COMPUTE || n->streamed,
                     .cut = -1};
        if (n->operand) add_read(r, i, n->operand);
        for (int k = 0; k < n->operand_count; k++)
            add_read(r, i, n->operands[k]);
        Reader reader = {.recompute = r, .position = i};
        expr_visit_node(n, note_read, &reader);
        for (int k = 0; k < a->operands.count; k++)
            a->stays |= r->arrays[a->operands.items[k]].node->streamed;
        a->stays |= reader.of_streamed;
    }
    for (int i = 0; i < g->outputs.count; i++)
        keep_array(r, g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++) {
        keep_array(r, g->commits.items[i].value);
        if (g->commits.items[i].rows) {
            keep_array(r, g->commits.items[i].rows);
        }
    }
}

/* ---- how full it is -------------------------------------------------------------------------- */

/* Returns the position of the last read up to a position, or the array's own. */
static int last_until(const Array *a, int own, int at) {
    int last = own;
    for (int i = 0; i < a->uses.count; i++)
        if (a->uses.items[i] <= at && a->uses.items[i] > last) last = a->uses.items[i];
    return last;
}

static int first_behind(const Array *a, int at) {
    int first = -1;
    for (int i = 0; i < a->uses.count; i++)
        if (a->uses.items[i] > at && (first < 0 || a->uses.items[i] < first))
            first = a->uses.items[i];
    return first;
}

static void occupy(Recompute *r, int from, int to, int64_t bytes) {
    r->full[from] += bytes;
    r->full[to + 1] -= bytes;
}

/* Returns the fullest position. */
static int fullest_position(Recompute *r) {
    int fullest = 0;
    /* `full` first holds the change at each position. Added up, the changes are the bytes that are
     * alive. */
    memset(r->full, 0, sizeof *r->full * (size_t)(r->count + 2));
    for (int i = 0; i < r->count; i++) {
        const Array *a = &r->arrays[i];
        if (!a->bytes) continue;
        occupy(r, i, last_until(a, i, a->cut < 0 ? r->count : a->cut), a->bytes);
        int again = a->cut < 0 ? -1 : first_behind(a, a->cut);
        if (again >= 0) {
            occupy(r, again, last_until(a, again, r->count), a->bytes);
        }
    }
    for (int i = 0; i <= r->count; i++) {
        if (i) r->full[i] += r->full[i - 1];
        if (r->full[i] > r->full[fullest]) fullest = i;
    }
    return fullest;
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* Returns the bytes that are freed at a position if the array is computed again behind it. 0 or
 * less: nothing is freed. */
static int64_t freed(const Recompute *r, int number, int at) {
    const Array *a = &r->arrays[number];
    if (a->stays || a->cut >= 0 || a->bytes < SMALLEST || number >= at) return 0;
    int again = first_behind(a, at - 1);
    if (again <= at) return 0;
    int64_t bytes = a->bytes;
    for (int i = 0; i < a->operands.count; i++) {
        int number_of = a->operands.items[i];
        const Array *o = &r->arrays[number_of];
        int last = o->cut < 0 || o->cut >= at ? last_until(o, number_of, r->count) : 0;
        /* True if the operand is alive here anyway, or is itself computed again. */
        bool there = o->cut >= 0 && o->cut < at ? true : last >= at;
        if (!there) bytes -= o->bytes;
    }
    return bytes;
}

/* Returns the array that frees most at a position, or -1. */
static int best_at(const Recompute *r, int at, bool elementwise) {
    int best = -1;
    int64_t most = 0;
    for (int i = 0; i < at; i++) {
        if (elementwise && r->arrays[i].node->reducer != GR_NONE) continue;
        int64_t bytes = freed(r, i, at);
        if (bytes > most) {
            most = bytes;
            best = i;
        }
    }
    return best;
}

static void drop_array(Recompute *r, int number, int at) {
    Array *a = &r->arrays[number];
    a->cut = at - 1;
    int again = first_behind(a, a->cut);
    for (int i = 0; i < a->operands.count; i++)
        array_push(r->g->arena, &r->arrays[a->operands.items[i]].uses, again);
}

static void undo_cut(Recompute *r, int number) {
    Array *a = &r->arrays[number];
    a->cut = -1;
    a->stays = true;
    for (int i = 0; i < a->operands.count; i++)
        r->arrays[a->operands.items[i]].uses.count--;
}

/* Chooses arrays to compute again until the peak is at most `allowed`, or nothing lowers it any
 * more. */
static void choose_cuts(Recompute *r, int64_t allowed) {
    int at = fullest_position(r);
    for (int tries = 0; tries < MOST_TRIES && r->full[at] > allowed; tries++) {
        int64_t before = r->full[at];
        int best = best_at(r, at, true);
        if (best < 0) best = best_at(r, at, false);
        if (best < 0) return;
        drop_array(r, best, at);
        at = fullest_position(r);
        if (r->full[at] <= before) continue;
        undo_cut(r, best); /* the peak would be higher at another position */
        at = fullest_position(r);
    }
}

/* ---- the graph with the second copies -------------------------------------------------------- */

typedef struct Renew {
    Recompute *r;
    GNode **now, **copies; /* by position */
    int at;                /* the position of the reader */
} Renew;

/* Returns the node that a reader at position `at` reads: the array as renewed, or its second copy.
 */
static GNode *read_at(Renew *w, int number, int at);

static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    Renew *w = context;
    if (e->op != G_LOAD || e->tensor->id >= w->r->ids) return e;
    GNode *node = read_at(w, w->r->position[e->tensor->id], w->at);
    return node == e->tensor ? e
                             : gx_load(g, node, node->rank, e->args,
                                       e->has_else ? e->args[e->arg_count - 1] : NULL);
}

/* Makes the node anew, reading what a reader at position `at` reads. `again` is 1 for a second
 * copy. */
static GNode *renew(Renew *w, const GNode *n, int at, int again) {
    Graph *g = w->r->g;
    ComputeSpec spec;
    int outer = w->at;
    w->at = at;
    graph_open(g, n, &spec);
    spec.value = gx_rewrite(g, spec.value, redirect, w);
    spec.guard = gx_rewrite(g, spec.guard, redirect, w);
    spec.active = gx_rewrite(g, spec.active, redirect, w);
    spec.again += again;
    w->at = outer;
    return graph_compute(g, &spec);
}

static GNode *read_at(Renew *w, int number, int at) {
    const Array *a = &w->r->arrays[number];
    if (a->cut < 0 || at <= a->cut) return w->now[number];
    if (!w->copies[number]) w->copies[number] = renew(w, a->node, first_behind(a, a->cut), 1);
    return w->copies[number];
}

/* Makes the graph anew, in which readers behind a cut read second copies. */
static void rebuild_graph(Recompute *r) {
    Graph *g = r->g;
    Renew w = {r, arena_array(g->arena, GNode *, r->count + 1),
               arena_array(g->arena, GNode *, r->count + 1), 0};
    for (int i = 0; i < r->count; i++) {
        GNode *n = r->arrays[i].node;
        w.now[i] = n;
        if (n->kind == GN_COMPUTE)
            w.now[i] = renew(&w, n, i, 0);
        else if (n->kind == GN_TOPK)
            w.now[i] = graph_topk(g, read_at(&w, r->position[n->operand->id], i),
                                  n->shape[n->rank - 1], n->span);
        else if (n->kind == GN_CALL) {
            GNode *operands[COUPLET_CALL_OPERANDS];
            for (int k = 0; k < n->operand_count; k++)
                operands[k] = read_at(&w, r->position[n->operands[k]->id], i);
            w.now[i] = graph_call_again(g, n, operands);
        }
    }
    for (int i = 0; i < g->outputs.count; i++)
        g->outputs.items[i].node = w.now[r->position[g->outputs.items[i].node->id]];
    for (int i = 0; i < g->commits.count; i++) {
        GCommit *c = &g->commits.items[i];
        c->value = w.now[r->position[c->value->id]];
        if (c->rows) c->rows = w.now[r->position[c->rows->id]];
    }
    graph_prune(g);
}

void pass_recompute(Graph *g) {
    if (!g->settings.kept_bytes) return;
    graph_prune(g);
    Recompute r = {.g = g, .count = g->nodes.count};
    for (int i = 0; i < r.count; i++)
        if (g->nodes.items[i]->id >= r.ids) r.ids = g->nodes.items[i]->id + 1;
    r.arrays = arena_array(g->arena, Array, r.count + 1);
    r.position = arena_array(g->arena, int, r.ids);
    r.full = arena_array(g->arena, int64_t, r.count + 2);
    for (int i = 0; i < r.count; i++)
        r.position[g->nodes.items[i]->id] = i;
    survey_arrays(&r);
    choose_cuts(&r, g->settings.kept_bytes);
    for (int i = 0; i < r.count; i++)
        if (r.arrays[i].cut >= 0)
            array_push(g->arena, &g->again, ((GAgain){r.arrays[i].node->span, r.arrays[i].bytes}));
    if (g->again.count) rebuild_graph(&r);
}
