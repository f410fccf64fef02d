/* chunk: where memory is short, the batch goes through the network in parts (Gao, Zhang, Han,
 * Callan, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021:
 * GradCache).
 *
 * Most of a step is done for each sample by itself: what is drawn for the sample, its way through
 * the network, and the way of its gradient back. Such a node is taken in *blocks*, each of which
 * has the samples of one chunk. What a loss makes of all embeddings mixes samples and is left
 * whole. So a step becomes
 *
 *     for each chunk   forward, up to the arrays that whole work reads (the cut); nothing else is
 *                      kept
 *     whole            the cut, put together; the loss, and its gradient with respect to the cut
 *     for each chunk   forward once more, then backward; the sums over samples that this ends in
 *                      (a parameter's gradient) are added up, chunk after chunk
 *     whole            what is made of these sums: the optimiser
 *
 * A graph in which nothing mixes samples is done in the first loop alone. All of this is ordinary
 * nodes. Blocks that are alike share their kernels, and a node that is computed a second time is
 * marked `again`.
 *
 * A node can be taken in blocks if its formula says so: with the index of its samples held within
 * one block, every read of an array in blocks must stay within a block of the same chunk. An array
 * of several views one after another, [V * B, ..], has V blocks for each chunk. A draw is keyed by
 * its sample, so it is the same in any block. */
#include "compiler/passes/chunk/chunk.h"

#include "compiler/passes/passes.h"

static bool takes_blocks(const Chunk *c) {
    for (int i = 0; i < c->count; i++)
        if (c->parts[i].form == FORM_BLOCKS) return true;
    return false;
}

void pass_chunk(Graph *g) {
    if (g->settings.chunks < 2 || !g->loss.count) return; /* graphs of evaluations are small */
    graph_prune(g);
    Chunk c = {.g = g, .chunks = g->settings.chunks, .count = g->nodes.count};
    for (int i = 0; i < c.count; i++)
        if (g->nodes.items[i]->id >= c.ids) c.ids = g->nodes.items[i]->id + 1;
    c.parts = arena_array(g->arena, Part, c.count + 1);
    c.position = arena_array(g->arena, int, c.ids);
    for (int i = 0; i < c.count; i++)
        c.position[g->nodes.items[i]->id] = i;
    c.scratch = arena_new();
    chunk_find_forms(&c);
    if (takes_blocks(&c)) {
        g->chunks = c.chunks;
        build_chunks(&c);
    }
    arena_free(c.scratch);
}
