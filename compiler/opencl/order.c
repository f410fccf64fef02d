/* Sorts the positions of a row (argsort, and the select of a large top-k) by a group of work-items
 * for each row, with a bitonic network over positions in local memory. No two positions are equal
 * in the order, so the result does not depend on the network. */
#include "compiler/opencl/write.h"

Geometry write_order(Frame *f) {
    const GNode *n = f->node;
    CoupletCallSize size;
    int64_t rows = graph_call_size(n, &size);
    int64_t slots = 2;
    bool selects = n->call == COUPLET_CALL_SELECT;
    while (slots < size.rows)
        slots *= 2;
    write_line(f, "const int me = get_local_id(0), row = get_group_id(0);");
    write_line(f, "const global float *x = a0 + row * %lld;", (long long)size.rows);
    write_line(f, "local int order[%lld];", (long long)slots);
    write_line(f, "for (int i = me; i < %lld; i += %d) order[i] = i;", (long long)slots, GROUP);
    write_open(f, "for (int width = 2; width <= %lld; width *= 2)", (long long)slots);
    write_open(f, "for (int reach = width / 2; reach > 0; reach /= 2)");
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_open(f, "for (int i = me; i < %lld; i += %d)", (long long)(slots / 2), GROUP);
    write_line(f, "const int low = i / reach * 2 * reach + i %% reach, high = low + reach, p = "
                  "order[low], q = order[high];");
    write_open(f, "if (stands_before(x, %lld, %d, q, p) == ((low & width) == 0))",
               (long long)size.rows, selects);
    write_line(f, "order[low] = q;");
    write_line(f, "order[high] = p;");
    write_close(f);
    write_close(f);
    write_close(f);
    write_close(f);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "for (int i = me; i < %lld; i += %d) y[row * %lld + i] = order[i];",
               (long long)size.result, GROUP, (long long)size.result);
    /* A term that the guard excludes is -inf. If such a term is among those that were selected,
     * there were too few candidates. */
    if (selects)
        write_fault(f,
                    arena_printf(f->arena, "me == 0 && x[order[%lld]] == -INFINITY",
                                 (long long)(size.result - 1)),
                    COUPLET_FAULT_FEW);
    return (Geometry){rows, 1};
}
