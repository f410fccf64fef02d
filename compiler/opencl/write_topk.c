/* Writes top-k by selection, with a work-item for each row. Each of R passes takes the best entry
 * below the one that was taken last, in the order of falling values, then of rising positions. A
 * NaN counts as +inf. R is small, so passes cost less than a sort. */
#include "compiler/opencl/write.h"

Geometry write_topk(Frame *f) {
    const GNode *n = f->node;
    const GNode *from = n->operand;
    long long terms = (long long)from->shape[from->rank - 1];
    long long count = (long long)n->shape[n->rank - 1];
    long long rows = (long long)graph_element_count(n) / count;
    write_line(f, "const int row = get_global_id(0);");
    write_line(f, "if (row >= count) return;");
    write_line(f, "float last = INFINITY;");
    write_line(f, "int last_at = -1;");
    write_open(f, "for (int rank = 0; rank < %lld; rank++)", count);
    write_line(f, "float best = -INFINITY;");
    write_line(f, "int best_at = -1;");
    write_open(f, "for (int term = 0; term < %lld; term++)", terms);
    write_line(f, "const float read = a0[row * %lld + term], v = isnan(read) ? INFINITY : read;",
               terms);
    write_open(f, "if ((v < last || (v == last && term > last_at)) && v > best)");
    write_line(f, "best = v;");
    write_line(f, "best_at = term;");
    write_close(f);
    write_close(f);
    write_fault(f, "best_at < 0", COUPLET_FAULT_FEW);
    write_line(f, "y[row * %lld + rank] = max(best_at, 0);", count);
    write_line(f, "last = best;");
    write_line(f, "last_at = best_at;");
    write_close(f);
    return (Geometry){rows, GROUP};
}
