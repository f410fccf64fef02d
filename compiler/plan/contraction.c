/* Shape and tables of a sum of products. */
#include "compiler/plan/contraction.h"

#include <string.h>

enum { ENOUGH_TASKS = 16, MAX_SPLITS = 32 };

static int64_t extent_of(const GNode *n, int index) { return index < n->rank ? n->shape[index] : n->red_shape[index - n->rank]; }

static void fill_table(const GNode *node, const int *list, int count, const Affine *at, int64_t size, int32_t *out, int64_t padded) {
    int64_t value[GRAPH_MAX_RANK] = {0};
    int64_t offset = 0;
    for (int64_t i = 0; i < size; i++) {
        out[i] = (int32_t)offset;
        for (int d = count - 1; d >= 0; d--) { /* count up, last index fastest */
            offset += at->factor[list[d]];
            if (++value[d] < extent_of(node, list[d])) break;
            offset -= value[d] * at->factor[list[d]];
            value[d] = 0;
        }
    }
    for (int64_t i = size; i < padded; i++) out[i] = size ? out[size - 1] : 0;
}

static void make_tables(Arena *arena, Contraction *c) {
    const ProductForm *f = &c->form;
    int64_t m = c->blocks * c->row_block, n = c->panels * c->panel, at = 0;
    c->a_of_m = at, at += m;
    c->y_of_m = at, at += m;
    c->a_of_k = at, at += f->k_size;
    c->b_of_k = at, at += f->k_size;
    c->b_of_n = at, at += n;
    c->y_of_n = at, at += n;
    c->a_of_z = at, at += f->z_size;
    c->b_of_z = at, at += f->z_size;
    c->y_of_z = at, at += f->z_size;
    c->table_count = at;
    int32_t *t = arena_array(arena, int32_t, at);
    fill_table(c->node, f->m, f->m_count, &f->at_a, f->m_size, t + c->a_of_m, m);
    fill_table(c->node, f->m, f->m_count, &f->at_y, f->m_size, t + c->y_of_m, m);
    fill_table(c->node, f->k, f->k_count, &f->at_a, f->k_size, t + c->a_of_k, f->k_size);
    fill_table(c->node, f->k, f->k_count, &f->at_b, f->k_size, t + c->b_of_k, f->k_size);
    fill_table(c->node, f->n, f->n_count, &f->at_b, f->n_size, t + c->b_of_n, n);
    fill_table(c->node, f->n, f->n_count, &f->at_y, f->n_size, t + c->y_of_n, n);
    fill_table(c->node, f->z, f->z_count, &f->at_a, f->z_size, t + c->a_of_z, f->z_size);
    fill_table(c->node, f->z, f->z_count, &f->at_b, f->z_size, t + c->b_of_z, f->z_size);
    fill_table(c->node, f->z, f->z_count, &f->at_y, f->z_size, t + c->y_of_z, f->z_size);
    c->tables = t;
}

static int64_t round_up(int64_t a, int64_t by) { return (a + by - 1) / by * by; }

static bool addressable(const GNode *n) {
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++) count *= n->shape[i];
    return count < INT32_MAX;
}

Contraction *contraction_of(Arena *arena, Graph *g, const GNode *node, const PlanTarget *target) {
    ProductForm form;
    if (!product_form(g, node, &form)) return NULL;
    if (!addressable(node) || !addressable(form.a->tensor) || !addressable(form.b->tensor) || form.k_size >= INT32_MAX) return NULL;
    Contraction *c = arena_new_of(arena, Contraction);
    c->form = form;
    c->node = node;
    c->lanes = target->lanes;
    c->panel = (form.n_size <= c->lanes ? 1 : 2) * c->lanes;
    c->panels = (form.n_size + c->panel - 1) / c->panel;
    int64_t rows = round_up((form.m_size + ENOUGH_TASKS - 1) / ENOUGH_TASKS, PRODUCT_ROWS);
    c->row_block = rows > 128 ? 128 : rows < 4 * PRODUCT_ROWS ? 4 * PRODUCT_ROWS : rows;
    if (c->row_block > round_up(form.m_size, PRODUCT_ROWS)) c->row_block = round_up(form.m_size, PRODUCT_ROWS);
    c->blocks = (form.m_size + c->row_block - 1) / c->row_block;
    int64_t tasks = c->blocks * form.z_size;
    c->splits = tasks >= ENOUGH_TASKS ? 1 : (ENOUGH_TASKS + tasks - 1) / tasks;
    int64_t most = form.k_size / (2 * PRODUCT_KC);
    if (c->splits > most) c->splits = most < 1 ? 1 : most;
    if (c->splits > MAX_SPLITS) c->splits = MAX_SPLITS;
    c->split_k = round_up((form.k_size + c->splits - 1) / c->splits, PRODUCT_KC);
    c->splits = (form.k_size + c->split_k - 1) / c->split_k;
    make_tables(arena, c);
    return c;
}

uint64_t contraction_scratch(const Contraction *c) { return (uint64_t)(c->row_block * c->panels * c->panel) * 4; }
int64_t contraction_pack_count(const Contraction *c) { return c->form.z_size * c->panels * c->form.k_size * c->panel; }
int64_t contraction_tasks(const Contraction *c) { return c->blocks * c->splits * c->form.z_size; }

int64_t contraction_partial_count(const Contraction *c) {
    int64_t count = c->splits;
    for (int i = 0; i < c->node->rank; i++) count *= c->node->shape[i];
    return c->splits > 1 ? count : 0;
}
int64_t contraction_pack_tiles(const Contraction *c) { return c->form.z_size * c->panels * ((c->form.k_size + PACK_ROWS - 1) / PACK_ROWS); }

int64_t contraction_gather_tiles(const Contraction *c) {
    int64_t count = contraction_partial_count(c) / c->splits;
    return (count + GATHER_CHUNK - 1) / GATHER_CHUNK;
}
