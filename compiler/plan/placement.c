/* Gives each buffer its place in the arena. Two buffers that are never alive at once may share
 * memory. Elementwise work is done in place, over an operand that nobody reads later. */
#include "compiler/graph/visit.h"
#include "compiler/plan/plan.h"
#include "compiler/plan/together.h"
#include "runtime/arena.h"

#include <string.h>

void life_measure(Plan *p) {
    int steps = p->kernels.items.count;
    for (int s = 0; s < steps; s++) {
        const Kernel *k = &p->kernels.items.items[s];
        for (int i = 0; i < k->operand_count; i++) {
            Life *life = &p->lives[plan_buffer(p, k->operands[i])];
            /* A buffer lives for whole launches, since the kernels of a launch run at the same
             * time. */
            if (life->first < 0) life->first = k->first;
            life->last = k->last;
        }
    }
    for (int i = 0; i < p->out->buffer_count; i++) {
        /* A streamed array is stored by no kernel, and an input may have no reader. */
        if (p->lives[i].first < 0) p->lives[i].bytes = 0;
        /* All inputs are sent before the first step. */
        if (p->buffers[i].place == COUPLET_IN_INPUT) {
            p->lives[i].first = 0;
        }
    }
    for (int i = 0; i < p->g->outputs.count; i++)
        p->lives[plan_buffer(p, p->g->outputs.items[i].node)].last = steps;
    for (int i = 0; i < p->g->commits.count; i++) {
        const GCommit *c = &p->g->commits.items[i];
        p->lives[plan_buffer(p, c->value)].last = steps;
        if (c->rows) p->lives[plan_buffer(p, c->rows)].last = steps;
    }
    for (int i = 0; i < p->out->buffer_count; i++)
        if (p->buffers[i].place == COUPLET_IN_ARENA && p->lives[i].last < 0)
            p->buffers[i].place = COUPLET_NOWHERE;
}

/* ---- one array over another ------------------------------------------------------------------ */

static bool is_own_index(const GExpr *load, int axis) {
    const GExpr *at = load->args[axis];
    return (at->op == G_INDEX && at->index == axis) || load->tensor->shape[axis] == 1;
}

/* True of a read of the array `context` at another element than the one that is being computed. */
static bool is_elsewhere(const void *context, const GExpr *e) {
    const GNode *from = context;
    for (int i = 0; e->op == G_LOAD && e->tensor == from && i < e->tensor->rank; i++)
        if (!is_own_index(e, i)) return true;
    return false;
}

static bool stays_in_place(const GNode *n, const GNode *from) {
    return !expr_any(n->value, is_elsewhere, from) && !expr_any(n->guard, is_elsewhere, from) &&
           !expr_any(n->active, is_elsewhere, from);
}

/* True if shapes and types are equal. OpenCL C assumes that pointers to different types do not
 * alias. */
static bool is_alike(const GNode *a, const GNode *b) {
    return a->type == b->type && a->rank == b->rank &&
           memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->rank) == 0;
}

/* True if another kernel of the launch reads or writes the array. */
static bool is_read_abreast(const Plan *p, const Kernel *k, const GNode *array) {
    for (int s = k->first; s <= k->last; s++) {
        const Kernel *other = &p->kernels.items.items[s];
        for (int i = 0; other != k && i < other->operand_count; i++)
            if (other->operands[i] == array) return true;
    }
    return false;
}

/* Writes the result over an operand, if there is one that allows it. Each tile may read the operand
 * at the elements that it writes and nowhere else, so the threads do not disturb each other. */
static void write_over(Plan *p, int step) {
    Kernel *k = &p->kernels.items.items[step];
    const GNode *n = k->node;
    if (k->kind != KERNEL_COMPUTE || n->reducer != GR_NONE) return;
    Life *made = &p->lives[plan_buffer(p, n)];
    if (!made->bytes) return;
    for (int i = 0; i < k->operand_count - k->output_count && !k->as.compute.over; i++) {
        const GNode *from = k->operands[i];
        Life *life = &p->lives[plan_buffer(p, from)];
        if (!life->bytes || life->last != k->last || !is_alike(from, n) ||
            is_read_abreast(p, k, from))
            continue;
        if (!stays_in_place(n, from)) continue;
        bool is_read_later = false;
        for (int b = 1; b < kernel_node_count(k); b++)
            is_read_later |= kernel_reads_node(p->arena, kernel_node(k, b), from);
        if (is_read_later) continue;
        k->as.compute.over = from;
        life->last = k->first - 1; /* from here on, the operand's memory is the result's */
        life->next = made;
    }
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool *those_that_follow(const Plan *p) {
    bool *follows = arena_array(p->arena, bool, p->out->buffer_count + 1);
    for (int i = 0; i < p->out->buffer_count; i++)
        if (p->lives[i].next) follows[p->lives[i].next->buffer] = true;
    return follows;
}

int life_heads(const Plan *p, const Life **heads) {
    const bool *follows = those_that_follow(p);
    int count = 0;
    for (int i = 0; i < p->out->buffer_count; i++)
        if (p->lives[i].bytes && !follows[i]) heads[count++] = &p->lives[i];
    return count;
}

static int last_of(const Life *life) {
    while (life->next)
        life = life->next;
    return life->last;
}

/* Gives offsets. Arrays that are written over each other have one place, which is theirs from the
 * first write of the first array to the last read of the last. */
void plan_place(Plan *p) {
    for (int s = 0; s < p->kernels.items.count; s++)
        write_over(p, s);
    const Life **heads = arena_array(p->arena, const Life *, p->out->buffer_count + 1);
    const int count = life_heads(p, heads);
    CoupletSpan *spans = arena_array(p->arena, CoupletSpan, count + 1);
    CoupletSpan **placed = arena_array(p->arena, CoupletSpan *, count + 1);
    for (int i = 0; i < count; i++)
        spans[i] =
            (CoupletSpan){heads[i]->bytes, 0, heads[i]->first, last_of(heads[i]), heads[i]->buffer};
    p->out->arena_bytes = couplet_arena_place(spans, count, placed);
    for (int i = 0; i < count; i++)
        for (const Life *life = &p->lives[spans[i].number]; life; life = life->next)
            p->buffers[life->buffer].offset = spans[i].offset;
}
