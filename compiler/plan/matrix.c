/* Recognises contractions that are plain matrix products in the sense of BLAS, with transposed
 * operands and batches, so that a library can do them. */
#include "compiler/plan/contraction.h"

#include <string.h>

/* Finds the step in memory from one value to the next, if the indices of the list are counted up
 * together. False if the step varies or is negative. The step is 0 if there is a single value. */
static bool step_of(const GNode *node, const int *list, int count, const Affine *at,
                    int64_t *step) {
    int64_t turns = 1;
    *step = 0;
    for (int d = count - 1; d >= 0; d--) {
        int64_t extent = graph_extent(node, list[d]);
        int64_t factor = at->factor[list[d]];
        if (extent == 1) continue;
        if (turns == 1)
            *step = factor;
        else if (factor != *step * turns)
            return false;
        turns *= extent;
    }
    return *step >= 0;
}

/* True if a matrix lies in memory row by row, or column by column (transposed). *stride is then the
 * distance of its rows, or of its columns. A matrix of one row or one column is both. */
static bool lies(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step,
                 bool *transposed, int64_t *stride) {
    if (column_step == 1 || columns == 1) {
        *transposed = false;
        *stride = rows == 1 ? columns : row_step;
        if (*stride >= columns) return true;
    }
    if (row_step != 1 && rows != 1) return false;
    *transposed = true;
    *stride = columns == 1 ? rows : column_step;
    return *stride >= rows;
}

typedef struct Steps {
    int64_t a_m;
    int64_t a_k;
    int64_t a_z;
    int64_t b_n;
    int64_t b_k;
    int64_t b_z;
    int64_t y_m;
    int64_t y_n;
    int64_t y_z;
} Steps;

/* True if there is one region, which is all of the index space. */
static bool is_one_region(const GNode *node, const Product *p) {
    for (int i = 0; i < node->rank + node->red_rank; i++) {
        const Progression *at = &p->regions[0].index[i];
        if (at->begin != 0 || at->count != graph_extent(node, i) ||
            (at->step != 1 && at->count > 1))
            return false;
    }
    return p->region_count == 1;
}

static bool step_of_m(const GNode *node, const Product *f, const Affine *at, int64_t *step) {
    return step_of(node, f->m, f->m_count, at, step);
}

static bool step_of_n(const GNode *node, const Product *f, const Affine *at, int64_t *step) {
    return step_of(node, f->n, f->n_count, at, step);
}

static bool step_of_k(const GNode *node, const Product *f, const Affine *at, int64_t *step) {
    return step_of(node, f->k, f->k_count, at, step);
}

static bool step_of_z(const GNode *node, const Product *f, const Affine *at, int64_t *step) {
    return step_of(node, f->z, f->z_count, at, step);
}

static bool steps_of(const GNode *node, const Product *f, Steps *s) {
    const Affine *a = &f->regions[0].at_a;
    const Affine *b = &f->regions[0].at_b;
    const Affine *y = &f->regions[0].at_y;
    const bool has_m = step_of_m(node, f, a, &s->a_m) && step_of_m(node, f, y, &s->y_m);
    const bool has_n = step_of_n(node, f, b, &s->b_n) && step_of_n(node, f, y, &s->y_n);
    const bool has_k = step_of_k(node, f, a, &s->a_k) && step_of_k(node, f, b, &s->b_k);
    if (!has_m || !has_n || !has_k) return false;
    const bool has_z_of_terms = step_of_z(node, f, a, &s->a_z) && step_of_z(node, f, b, &s->b_z);
    return has_z_of_terms && step_of_z(node, f, y, &s->y_z);
}

bool matrix_product(const GNode *node, const Product *f, MatrixProduct *out) {
    const ProductRegion *r = &f->regions[0];
    Steps s = {0};
    if (f->region_count == 0 || !is_one_region(node, f) || !steps_of(node, f, &s)) return false;
    memset(out, 0, sizeof *out);
    out->inner = f->k_size;
    out->batch = f->z_size;
    out->y_offset = r->at_y.constant;
    out->y_batch = s.y_z;
    bool by_column;
    if (!lies(f->m_size, f->n_size, s.y_m, s.y_n, &by_column, &out->y_row)) return false;
    /* The transpose of y lies row by row. It is the product of the transposes in the other
     * order. */
    out->swapped = by_column;
    out->rows = by_column ? f->n_size : f->m_size;
    out->columns = by_column ? f->m_size : f->n_size;
    const Affine *left = by_column ? &r->at_b : &r->at_a;
    const Affine *right = by_column ? &r->at_a : &r->at_b;
    out->left_offset = left->constant;
    out->right_offset = right->constant;
    out->left_batch = by_column ? s.b_z : s.a_z;
    out->right_batch = by_column ? s.a_z : s.b_z;
    return lies(out->rows, out->inner, by_column ? s.b_n : s.a_m, by_column ? s.b_k : s.a_k,
                &out->left_transposed, &out->left_row) &&
           lies(out->inner, out->columns, by_column ? s.a_k : s.b_k, by_column ? s.a_m : s.b_n,
                &out->right_transposed, &out->right_row);
}
