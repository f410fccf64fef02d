/* Opens the formula of one block (chunk.c). Tells whether a formula can be taken in blocks, and
 * which blocks it reads. */
#include "compiler/passes/chunk/chunk.h"

/* A node that is opened once for all its blocks. `index` is where its formula has the index of the
 * samples, `from` is that index over the whole array, and `within` the index over one block. */
typedef struct Opened {
    ComputeSpec spec;
    const GExpr **index;
    const GExpr *from;
    const GExpr *within;
} Opened;

static void open_part(Chunk *c, const Part *p, Opened *o) {
    graph_open(c->g, p->node, &o->spec);
    o->index =
        p->index < p->node->rank ? &o->spec.out[p->index] : &o->spec.red[p->index - p->node->rank];
    o->from = *o->index;
    o->within = graph_fresh_index(c->g, block_size(p));
    *o->index = o->within;
}

/* Returns the formula of one block: the sample is block * size + within. */
static ComputeSpec held(Chunk *c, const Part *p, const Opened *o, int64_t block) {
    Graph *g = c->g;
    ComputeSpec spec = o->spec;
    const GExpr *to = gx2(g, G_ADD, o->within, gx_int(g, block * block_size(p)));
    spec.value = gx_substitute(g, spec.value, 1, &o->from, &to);
    spec.guard = gx_substitute(g, spec.guard, 1, &o->from, &to);
    spec.active = gx_substitute(g, spec.active, 1, &o->from, &to);
    return spec;
}

ComputeSpec chunk_open_block(Chunk *c, const Part *p, int64_t block) {
    Opened o;
    if (p->opened) return p->opened[block];
    open_part(c, p, &o);
    return held(c, p, &o, block);
}

int64_t chunk_block_read(Chunk *c, const GExpr *load) {
    const Part *p = part_of(c, load->tensor);
    int64_t low;
    int64_t high;
    int64_t size = block_size(p);
    if (!gx_range(c->g, load->args[p->index], NULL, &low, &high) || low < 0 ||
        high >= graph_extent(p->node, p->index))
        return -1;
    return low / size == high / size ? low / size : -1;
}

/* True if all reads of arrays in blocks stay with the chunk of the block, and at least one read
 * does. */
static bool block_fits(Chunk *c, const ComputeSpec *spec, int64_t block) {
    const GExpr *parts[3] = {spec->value, spec->guard, spec->active};
    const Loads l = loads_of_all(c->scratch, 3, parts);
    bool anchored = false;
    for (int i = 0; i < l.items.count; i++) {
        const Part *of = part_of(c, l.items.items[i]->tensor);
        if (!has_samples(of)) continue;
        int64_t read = chunk_block_read(c, l.items.items[i]);
        bool same = read >= 0 && read % c->chunks == block % c->chunks;
        if (!same && of->form == FORM_BLOCKS) return false;
        anchored |= same;
    }
    return anchored;
}

bool chunk_fits(Chunk *c, Part *p) {
    Opened o;
    open_part(c, p, &o);
    ComputeSpec *opened = arena_array(c->scratch, ComputeSpec, p->blocks);
    for (int64_t block = 0; block < p->blocks; block++) {
        opened[block] = held(c, p, &o, block);
        if (!block_fits(c, &opened[block], block)) return false;
    }
    p->opened = opened;
    return true;
}
