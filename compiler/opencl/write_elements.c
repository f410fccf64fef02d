/* Writes a compute node without a reducer: each work-item makes one element. */
#include "compiler/opencl/write.h"

Geometry write_elements(Frame *f) {
    const GNode *n = f->node;
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t count = graph_element_count(n);
    compute_collapse_axes(n, extents);
    write_line(f, "const int at = get_global_id(0);");
    write_line(f, "if (at >= count) return;");
    write_unravel(f, "at", 0, n->rank, extents);
    Value active = n->active ? write_expr(f, n->active, NULL) : NULL;
    Value value = write_expr(f, n->value, active);
    if (active)
        value = write_const(f, n->type == GT_REAL ? "float" : "long", "%s ? %s : 0", active, value);
    write_store(f, "at", value);
    return (Geometry){count, GROUP};
}
