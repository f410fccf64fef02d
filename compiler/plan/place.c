/* Where each buffer lies in the arena: what is never alive together shares memory. */
#include "compiler/plan/plan.h"

#include <stdlib.h>
#include <string.h>

void measure_lives(Plan *p) {
    int steps = p->kernels.items.count;
    for (int s = 0; s < steps; s++) {
        const Kernel *k = &p->kernels.items.items[s];
        for (int i = 0; i < k->operand_count; i++) {
            Life *life = &p->lives[k->operands[i]->mark];
            if (life->first < 0) life->first = s;
            life->last = s;
        }
    }
    for (int i = 0; i < p->out->buffer_count; i++) {
        if (p->lives[i].first < 0) p->lives[i].bytes = 0; /* streamed: no kernel stores it; or an input that none reads */
        if (p->buffers[i].place == COUPLET_IN_INPUT) p->lives[i].first = 0; /* all are sent before the first step */
    }
    for (int i = 0; i < p->g->outputs.count; i++) p->lives[p->g->outputs.items[i].node->mark].last = steps;
    for (int i = 0; i < p->g->commits.count; i++) {
        const GCommit *c = &p->g->commits.items[i];
        p->lives[c->value->mark].last = steps;
        if (c->rows) p->lives[c->rows->mark].last = steps;
    }
    for (int i = 0; i < p->out->buffer_count; i++)
        if (p->buffers[i].place == COUPLET_IN_ARENA && p->lives[i].last < 0) p->buffers[i].place = COUPLET_NOWHERE;
}

static int by_size(const void *a, const void *b) {
    const Life *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->buffer - y->buffer;
}

/* The largest first, each at the lowest place that is free for as long as it lives. */
void place_in_arena(Plan *p) {
    int count = p->out->buffer_count;
    Life *order = arena_array(p->arena, Life, count + 1), **placed = arena_array(p->arena, Life *, count + 1);
    memcpy(order, p->lives, sizeof *order * (size_t)count);
    qsort(order, (size_t)count, sizeof *order, by_size);
    int placed_count = 0;
    for (int i = 0; i < count && order[i].bytes; i++) {
        Life *life = &order[i];
        int64_t offset = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int k = 0; k < placed_count; k++) {
                const Life *other = placed[k];
                bool together = life->first <= other->last && other->first <= life->last;
                if (!together || offset >= other->offset + other->bytes || other->offset >= offset + life->bytes) continue;
                offset = other->offset + other->bytes;
                moved = true;
            }
        }
        life->offset = offset;
        placed[placed_count++] = life;
        p->buffers[life->buffer].offset = offset;
        if (offset + life->bytes > p->out->arena_bytes) p->out->arena_bytes = offset + life->bytes;
    }
}
