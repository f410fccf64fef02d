/* A model of what it costs to stream a product of pairs, and to store it.
 *
 * Streamed, every pass makes the product again, half of it if it is symmetric, and waits for all
 * threads after each round. Stored, it is made once, but it is written, and each of its users reads
 * it; a sum of rows has its weights written and read as well. Elementwise work is the same both
 * ways. So a deep product that several levels of statistics read is faster stored. A large shallow
 * one is faster streamed, since memory is slower than the caches. The constants are those of two
 * cores with 1 MiB of second cache each; only their ratio matters. */
#include "compiler/graph/visit.h"
#include "compiler/passes/stream/internal.h"

#include <stdlib.h>

static const struct {
    double product;       /* operations a nanosecond of a stored product */
    double tiles;         /* operations a nanosecond of a product in tiles */
    double cache, memory; /* bytes a nanosecond */
    double round;         /* the nanoseconds in which a round starts and ends */
} machine = {180, 150, 60, 14, 2500};

enum {
    IN_CACHE = 2 << 20,           /* bytes that stay in the cache from one kernel to the next */
    STORED_BY_DEFAULT = 64 << 20, /* the bytes that may be stored if no budget is stated */
    PAIRS_IN_ROUND = 1 << 14
};

/* ---- who reads what -------------------------------------------------------------------------- */

typedef struct Operands {
    ARRAY(const GNode *) items;
} Operands;

typedef struct Collect {
    Arena *arena;
    Operands *operands;
} Collect;

static VisitStep collect_reads(void *context, const GExpr *e) {
    const Collect *c = context;
    if (e->op == G_LOAD) {
        array_push(c->arena, &c->operands->items, e->tensor);
    }
    return VISIT_INSIDE;
}

/* Lists the operands of every node, by the node's position in the graph. */
static Operands *all_operands(const Graph *g) {
    Operands *all = arena_array(g->arena, Operands, g->nodes.count + 1);
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        if (n->operand) array_push(g->arena, &all[i].items, n->operand);
        for (int k = 0; k < n->operand_count; k++)
            array_push(g->arena, &all[i].items, n->operands[k]);
        Collect c = {g->arena, &all[i]};
        expr_visit_node(n, collect_reads, &c);
    }
    return all;
}

typedef struct Users {
    int passes;
    int sums;
    int statistics;
    /* The users that want whole rows. For each, the product is made once more, and a strip of rows
     * is stored and used up in the cache. */
    int rows;
} Users;

/* Counts the passes over one root. A user that reads the result of another one waits for the next
 * pass. */
static Users users_of(const Stream *s, const Operands *operands, int root) {
    Users users = {0};
    /* By the id of a node: the number of passes that it has waited for. */
    int *levels = arena_array(s->g->arena, int, s->ids);
    for (int i = 0; i < s->g->nodes.count; i++) {
        const GNode *n = s->g->nodes.items[i];
        uint64_t roots = 0;
        for (int k = 0; k < operands[i].items.count; k++) {
            const GNode *read = operands[i].items.items[k];
            roots |= s->made_of[read->id];
            if (levels[read->id] > levels[n->id]) {
                levels[n->id] = levels[read->id];
            }
        }
        if (s->use[n->id] <= USE_ELEMENT || !(roots & (uint64_t)1 << root)) continue;
        if (s->use[n->id] == USE_ROWS) {
            users.rows++;
            continue;
        }
        if (++levels[n->id] > users.passes) {
            users.passes = levels[n->id];
        }
        if (s->use[n->id] == USE_WEIGHTS)
            users.sums++;
        else
            users.statistics++;
    }
    return users;
}

/* ---- the model ------------------------------------------------------------------------------- */

/* Estimates the time of a step in which the product is streamed, and of one in which it is stored.
 */
static struct Cost cost_of(const Stream *s, const Operands *operands, int root) {
    const PairProduct *p = &s->roots[root].product;
    const Users users = users_of(s, operands, root);
    double pairs = (double)p->rows * (double)p->columns;
    double work = 2 * pairs * (double)p->depth;
    double bytes = 4 * pairs * (users.sums ? 2 : 1);
    double moved = 4 * pairs * (1 + users.rows + users.statistics + 3 * users.sums);
    double rounds = users.passes * (pairs / PAIRS_IN_ROUND > 16 ? 16 : pairs / PAIRS_IN_ROUND);
    double streamed =
        users.passes * work * (p->symmetric ? 0.5 : 1) / machine.tiles + rounds * machine.round;
    streamed += users.rows * (work / machine.product + 8 * pairs / machine.cache);
    double stored =
        work / machine.product + moved / (bytes > IN_CACHE ? machine.memory : machine.cache);
    return (struct Cost){users.passes + users.rows, streamed * 1e-6, stored * 1e-6, (int64_t)bytes};
}

/* ---- the choice ------------------------------------------------------------------------------ */

typedef struct Candidate {
    int root;
    double gain; /* the milliseconds that a stored byte saves */
} Candidate;

static int by_gain(const void *a, const void *b) {
    const Candidate *x = a;
    const Candidate *y = b;
    return x->gain < y->gain ? 1 : x->gain > y->gain ? -1 : x->root - y->root;
}

/* Returns the root that decides for this one: a transpose is treated like its original. */
static int leader(const Stream *s, int root) {
    return s->roots[root].mirror >= 0 ? s->roots[root].mirror : root;
}

void stream_choose(Stream *s) {
    Candidate candidates[MOST_ROOTS];
    int count = 0;
    const GraphSettings *settings = &s->g->settings;
    const Operands *operands = all_operands(s->g);
    /* Ranks would have to exchange a stored array of pairs, so with shards none is stored. */
    int64_t room = settings->shards > 1   ? 0
                   : settings->is_bounded ? settings->stored_bytes
                                          : STORED_BY_DEFAULT;
    for (int i = 0; i < s->root_count; i++) {
        Root *r = &s->roots[i];
        if (r->refusal || s->root_of[r->node->id] < 0) continue;
        r->cost = cost_of(s, operands, i);
        if (leader(s, i) == i && r->cost.stored < r->cost.streamed)
            candidates[count++] =
                (Candidate){i, (r->cost.streamed - r->cost.stored) / (double)r->cost.bytes};
    }
    if (settings->stream_bytes) return;
    qsort(candidates, (size_t)count, sizeof *candidates, by_gain);
    for (int i = 0; i < count; i++) {
        Root *r = &s->roots[candidates[i].root];
        if (r->cost.bytes > room) continue;
        room -= r->cost.bytes;
        r->kept = true;
    }
    for (int i = 0; i < s->root_count; i++)
        s->roots[i].kept = s->roots[leader(s, i)].kept;
}
