/* Finds which nodes of a step are made for each sample by itself, and in which of the two loops of
 * a chunked step each of them is needed (chunk.c). A node is tried by its formula: with the index
 * of its samples held within a block, each of its reads of an array in blocks must stay within a
 * block, too. */
#include "compiler/passes/chunk/chunk.h"

enum {
    SMALL = 16, /* with at most so many elements a sample, an array is not worth blocks */
    MOST_COUNTS = 16
};

/* ---- who reads what -------------------------------------------------------------------------- */

static void add_read(Chunk *c, int reader, const GNode *tensor) {
    int at = c->position[tensor->id];
    Part *p = &c->parts[reader];
    for (int i = 0; i < p->operands.count; i++)
        if (p->operands.items[i] == at) return;
    array_push(c->g->arena, &p->operands, at);
    array_push(c->g->arena, &c->parts[at].users, reader);
    p->rigid |= tensor->streamed;
}

static void survey_nodes(Chunk *c) {
    Graph *g = c->g;
    for (int i = 0; i < c->count; i++) {
        GNode *n = g->nodes.items[i];
        const Loads l = loads_of(c->scratch, n);
        c->parts[i] = (Part){.node = n, .rigid = n->kind != GN_COMPUTE || n->streamed, .index = -1};
        if (n->operand) add_read(c, i, n->operand);
        for (int k = 0; k < n->operand_count; k++)
            add_read(c, i, n->operands[k]);
        for (int k = 0; k < l.items.count; k++)
            add_read(c, i, l.items.items[k]->tensor);
    }
    for (int i = 0; i < g->outputs.count; i++)
        part_of(c, g->outputs.items[i].node)->is_kept = true;
    for (int i = 0; i < g->commits.count; i++) {
        part_of(c, g->commits.items[i].value)->is_kept = true;
        if (g->commits.items[i].rows) {
            part_of(c, g->commits.items[i].rows)->is_kept = true;
        }
    }
}

/* ---- how many blocks ------------------------------------------------------------------------- */

/* Adds to `counts` the numbers of blocks into which an index may be cut to go along with an array
 * in blocks: as many blocks as that array has, or blocks of the same length. The second is for
 * views one after another, and for one of these taken out again. Returns the new number of counts.
 */
static int add_counts(const Part *beside, int64_t extent, int64_t *counts, int count) {
    const int64_t length = block_size(beside);
    const int64_t candidates[2] = {beside->blocks,
                                   extent % length == 0 ? extent / length : beside->blocks};
    for (int i = 0; i < 2; i++) {
        bool known = extent % candidates[i] != 0 || count == MOST_COUNTS;
        for (int k = 0; k < count; k++)
            known |= counts[k] == candidates[i];
        if (!known) counts[count++] = candidates[i];
    }
    return count;
}

/* True if the samples run along one of the indices [from, to). */
static bool find_index(Chunk *c, Part *p, int from, int to) {
    for (p->index = from; p->index < to; p->index++) {
        int64_t counts[MOST_COUNTS];
        int count = 0;
        for (int i = 0; i < p->operands.count; i++) {
            const Part *o = &c->parts[p->operands.items[i]];
            if (has_samples(o))
                count = add_counts(o, graph_extent(p->node, p->index), counts, count);
        }
        for (int i = 0; i < count; i++) {
            p->blocks = counts[i];
            if (p->blocks % c->chunks == 0 && chunk_fits(c, p)) return true;
        }
    }
    return false;
}

/* ---- which nodes are taken in blocks --------------------------------------------------------- */

static bool reads_form(const Chunk *c, const Part *p, Form form) {
    for (int i = 0; i < p->operands.count; i++)
        if (c->parts[p->operands.items[i]].form == form) return true;
    return false;
}

static bool is_small(const Chunk *c, const Part *p) {
    return graph_element_count(p->node) <= SMALL * c->chunks * block_size(p);
}

/* Proposes the form of a node, after those of its operands, as far as the formulas allow. */
static void propose(Chunk *c, Part *p) {
    GNode *n = p->node;
    if (graph_is_batch(n)) {
        p->index = 0;
        p->blocks = c->chunks;
        if (n->shape[0] % c->chunks == 0) p->form = FORM_GIVEN;
        return;
    }
    for (int i = 0; i < p->operands.count; i++) {
        const Part *o = &c->parts[p->operands.items[i]];
        p->depends |= o->depends || o->form == FORM_BLOCKS;
        p->is_after |= o->is_after || o->form == FORM_SUM || (o->form == FORM_WHOLE && o->depends);
    }
    if (p->rigid) return;
    bool adds = n->reducer == GR_SUM && !n->empty_is_error && n->type == GT_REAL;
    if (find_index(c, p, 0, n->rank))
        p->form = p->depends || !is_small(c, p) ? FORM_BLOCKS : FORM_GIVEN;
    else if (p->depends && adds && find_index(c, p, n->rank, n->rank + n->red_rank))
        p->form = FORM_SUM;
}

/* Settles the form of a node, after those of its users. An array of the second loop may have no
 * reader outside that loop, and a sum of the second loop may be needed by the end of the step
 * alone. Otherwise the array is made whole. */
static void settle_part(Chunk *c, Part *p) {
    bool all_second = p->users.count > 0 && !p->is_kept;
    bool all_late = true;
    for (int i = 0; i < p->users.count; i++) {
        const Part *u = &c->parts[p->users.items[i]];
        all_second &= in_second_loop(u);
        all_late &= u->is_late;
    }
    if (in_second_loop(p) && !(p->form == FORM_SUM ? all_late : all_second))
        p->form = p->form == FORM_SUM ? FORM_WHOLE : FORM_GIVEN;
    p->is_late = all_late && (p->form == FORM_WHOLE || p->form == FORM_GIVEN);
}

static int64_t largest_operand(const Chunk *c, const Part *p) {
    int64_t most = 0;
    for (int i = 0; i < p->operands.count; i++) {
        const Part *o = &c->parts[p->operands.items[i]];
        if (o->depends && graph_bytes(o->node) > most) {
            most = graph_bytes(o->node);
        }
    }
    return most;
}

static bool users_fit(Chunk *c, const Part *p) {
    for (int i = 0; i < p->users.count; i++) {
        Part *u = &c->parts[p->users.items[i]];
        if (in_second_loop(u) && !chunk_fits(c, u)) return false;
    }
    return true;
}

/* True if the second loop's reads of a whole array stay with the samples of a chunk. The axis of
 * these samples is then known. */
static bool find_samples(Chunk *c, Part *p) {
    const Part before = *p;
    p->form = FORM_BLOCKS;
    p->opened = NULL; /* the formula is opened again with another index */
    for (p->index = 0; p->index < p->node->rank; p->index++) {
        int64_t counts[MOST_COUNTS];
        int count = 0;
        for (int i = 0; i < p->users.count; i++) {
            const Part *u = &c->parts[p->users.items[i]];
            if (in_second_loop(u)) {
                count = add_counts(u, p->node->shape[p->index], counts, count);
            }
        }
        for (int i = 0; i < count; i++) {
            p->blocks = counts[i];
            if (p->blocks % c->chunks == 0 && users_fit(c, p)) return true;
        }
    }
    *p = before;
    return false;
}

/* Moves large whole results that only the second loop reads into that loop, users first: for
 * instance, a gradient spread over the places of a mean. */
static void take_in(Chunk *c, Part *p) {
    bool any = false;
    bool all = !p->is_kept;
    for (int i = 0; i < p->users.count; i++) {
        bool second = in_second_loop(&c->parts[p->users.items[i]]);
        any |= second;
        all &= second;
    }
    if (p->form != FORM_WHOLE || !any || !p->depends || !find_samples(c, p)) return;
    bool taken = all && !p->rigid && !reads_form(c, p, FORM_BLOCKS) &&
                 graph_bytes(p->node) > largest_operand(c, p);
    p->form = taken ? FORM_BLOCKS : FORM_GIVEN;
    p->is_after |= taken;
}

/* Takes results out of the second loop, operands first, if they depend on whole arrays alone and
 * are no larger than these. */
static void leave_out_part(Chunk *c, Part *p) {
    if (!in_second_loop(p) || reads_form(c, p, FORM_BLOCKS)) return;
    if (p->form == FORM_SUM)
        p->form = FORM_WHOLE;
    else if (graph_bytes(p->node) <= largest_operand(c, p))
        p->form = FORM_GIVEN;
}

/* Marks the arrays of the first loop that some reader wants whole. */
static void choose_cut(const Chunk *c, Part *p) {
    p->is_cut = p->is_kept;
    for (int i = 0; i < p->users.count; i++) {
        const Part *u = &c->parts[p->users.items[i]];
        p->is_cut |= u->form == FORM_WHOLE || u->form == FORM_GIVEN;
    }
    p->is_cut &= p->form == FORM_BLOCKS && !p->is_after;
}

/* ---- what mixes the samples ------------------------------------------------------------------ */

/* Returns, for whole work that reads an array which could have been in blocks, the first formula on
 * the way to it that looks at more than one sample. */
static const Part *mixer(const Chunk *c, const Part *reader) {
    for (;;) {
        const Part *next = NULL;
        for (int i = 0; i < reader->operands.count && !next; i++) {
            const Part *o = &c->parts[reader->operands.items[i]];
            if (o->form == FORM_SUM || (o->depends && o->form != FORM_BLOCKS)) {
                next = o;
            }
        }
        if (!next) return reader;
        reader = next;
        if (reader->form == FORM_SUM) return reader;
    }
}

static void note_mix(Chunk *c) {
    GMix *mix = &c->g->mix;
    for (int i = 0; i < c->count; i++) {
        const Part *p = &c->parts[i];
        if (!p->is_cut || graph_bytes(p->node) <= mix->bytes) continue;
        for (int u = 0; u < p->users.count; u++) {
            const Part *user = &c->parts[p->users.items[u]];
            if (user->form != FORM_WHOLE && user->form != FORM_GIVEN) continue;
            *mix = (GMix){mixer(c, user)->node->span, graph_bytes(p->node)};
            break;
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

void chunk_find_forms(Chunk *c) {
    survey_nodes(c);
    for (int i = 0; i < c->count; i++)
        propose(c, &c->parts[i]);
    for (int i = c->count - 1; i >= 0; i--)
        settle_part(c, &c->parts[i]);
    for (int i = c->count - 1; i >= 0; i--)
        take_in(c, &c->parts[i]);
    for (int i = 0; i < c->count; i++)
        leave_out_part(c, &c->parts[i]);
    for (int i = 0; i < c->count; i++)
        choose_cut(c, &c->parts[i]);
    note_mix(c);
}
