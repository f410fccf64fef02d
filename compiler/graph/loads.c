#include "compiler/graph/loads.h"

void loads_add(Arena *arena, Loads *l, const GExpr *e) {
    if (!e || e->op == G_CONST || e->op == G_INDEX) return;
    for (int i = 0; i < l->seen.count; i++)
        if (l->seen.items[i] == e) return;
    array_push(arena, &l->seen, e);
    l->draws |= e->op == G_RANDOM;
    if (e->op == G_LOAD) array_push(arena, &l->items, e);
    for (int i = 0; i < e->arg_count; i++) loads_add(arena, l, e->args[i]);
}

Loads loads_of(Arena *arena, const GNode *n) {
    Loads l = {0};
    loads_add(arena, &l, n->value);
    loads_add(arena, &l, n->guard);
    loads_add(arena, &l, n->active);
    return l;
}

bool load_is_at_own_place(const GExpr *load) {
    for (int i = 0; i < load->tensor->rank; i++)
        if (load->args[i]->op != G_INDEX || load->args[i]->index != i) return false;
    return !load->has_else;
}
