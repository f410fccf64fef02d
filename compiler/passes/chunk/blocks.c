/* Nodes one block at a time: their formulas, what these read, and whether that can be. */
#include "compiler/passes/chunk/chunk.h"

void open_block(Chunk *c, const Part *p, int64_t block, ComputeSpec *spec) {
    Graph *g = c->g;
    int64_t size = block_size(p);
    graph_open(g, p->node, spec);
    const GExpr **index = p->index < p->node->rank ? &spec->out[p->index] : &spec->red[p->index - p->node->rank];
    const GExpr *from = *index, *within = graph_fresh_index(g, size), *to = gx2(g, G_ADD, within, gx_int(g, block * size));
    spec->value = gx_substitute(g, spec->value, 1, &from, &to);
    spec->guard = gx_substitute(g, spec->guard, 1, &from, &to);
    spec->active = gx_substitute(g, spec->active, 1, &from, &to);
    *index = within;
}

int64_t block_read(Chunk *c, const GExpr *load) {
    const Part *p = part_of(c, load->tensor);
    int64_t low, high, size = block_size(p);
    if (!gx_range(c->g, load->args[p->index], NULL, &low, &high) || low < 0 || high >= graph_extent(p->node, p->index)) return -1;
    return low / size == high / size ? low / size : -1;
}

static bool block_fits(Chunk *c, const Part *p, int64_t block) {
    ComputeSpec spec;
    Loads l = {0};
    bool anchored = false;
    open_block(c, p, block, &spec);
    loads_add(c->scratch, &l, spec.value);
    loads_add(c->scratch, &l, spec.guard);
    loads_add(c->scratch, &l, spec.active);
    for (int i = 0; i < l.items.count; i++) {
        const Part *of = part_of(c, l.items.items[i]->tensor);
        if (!has_samples(of)) continue;
        int64_t read = block_read(c, l.items.items[i]);
        bool same = read >= 0 && read % c->chunks == block % c->chunks;
        if (!same && of->form == FORM_BLOCKS) return false;
        anchored |= same;
    }
    return anchored;
}

bool fits(Chunk *c, const Part *p) {
    for (int64_t block = 0; block < p->blocks; block++)
        if (!block_fits(c, p, block)) return false;
    return true;
}
