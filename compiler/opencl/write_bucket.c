/* Reductions by key (compiler/plan/bucket.h). A group of work-items sorts the members of one
 * segment. Then each element of the result goes over its own members, as any reduction goes over
 * its terms (reduction.c). */
#include "compiler/opencl/write_bucket.h"

/* Returns the row-major position of the values that the axes of a role have. */
static Value place_of(Frame *f, const Bucket *b, int role, const Value *values) {
    Value place = NULL;
    for (int a = 0; a < b->node->rank; a++) {
        if ((int)b->role[a] != role || b->node->shape[a] == 1) continue;
        place = place ? arena_printf(f->arena, "(%s * %lld + %s)", place,
                                     (long long)b->node->shape[a], values[a])
                      : values[a];
    }
    return place ? place : "0";
}

/* ---- the sort -------------------------------------------------------------------------------- */

/* Sets the indices of the segment's axes from the number of the segment, and all others to 0. */
static void set_segment(Frame *f, const Bucket *b) {
    int64_t extents[GRAPH_MAX_RANK] = {0};
    for (int a = 0; a < b->node->rank; a++)
        extents[a] = b->role[a] == BUCKET_SEGMENT ? b->node->shape[a] : 1;
    write_unravel(f, "segment", 0, b->node->rank, extents);
}

/* Writes the variable `key`: the key of the member, or -1 if the member is in no list. The
 * conjuncts are evaluated in the guard's order, each only where those before it hold. */
static void write_key(Frame *f, const Bucket *b) {
    Value values[GRAPH_MAX_RANK] = {NULL};
    Value mask = "member < members";
    write_line(f, "const int term = min(member, members - 1);");
    write_unravel(f, "term", b->node->rank, b->node->red_rank, f->extents);
    for (int i = 0; i < b->conjuncts.count; i++) {
        Value holds;
        if (b->targets[i] >= 0) {
            Value key = write_expr(f, b->keys[i], mask);
            holds = write_const(f, "int", "%s >= 0 && %s < %lld", key, key,
                                (long long)b->node->shape[b->targets[i]]);
            values[b->targets[i]] = write_const(f, "int", "%s ? (int)%s : 0", holds, key);
        } else if (b->filters[i]) {
            holds = write_expr(f, b->conjuncts.items[i], mask);
        } else {
            continue;
        }
        mask = mask_and(f, mask, holds);
    }
    write_line(f, "const int key = %s ? %s : -1;", mask, place_of(f, b, BUCKET_TARGET, values));
}

/* Counts the members of each key. Each work-item counts members of its own, and whole numbers add
 * up to the same count in any order. */
static void count_members(Frame *f, const Bucket *b) {
    write_line(f, "for (int i = me; i < targets; i += %d) ends[i] = 0;", GROUP);
    write_line(f, "barrier(CLK_GLOBAL_MEM_FENCE);");
    write_open(f, "for (int member = me; member < members; member += %d)", GROUP);
    write_key(f, b);
    write_line(f, "if (key >= 0) atomic_inc(ends + key);");
    write_close(f);
    write_line(f, "barrier(CLK_GLOBAL_MEM_FENCE);");
}

/* Turns the counts of the keys into begins. Each work-item has a run of keys, which begins behind
 * the members of all runs before it. */
static void find_begins(Frame *f) {
    write_line(f,
               "const int run = (targets + %d) / %d, from = min(me * run, targets), to = min(from "
               "+ run, targets);",
               GROUP - 1, GROUP);
    write_line(f, "int sum = 0;");
    write_line(f, "for (int i = from; i < to; i++) sum += ends[i];");
    write_line(f, "shared[me] = sum;");
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "sum = 0;");
    write_line(f, "for (int i = 0; i < me; i++) sum += shared[i];");
    write_open(f, "for (int i = from; i < to; i++)");
    write_line(f, "const int here = ends[i];");
    write_line(f, "ends[i] = sum;");
    write_line(f, "sum += here;");
    write_close(f);
}

/* Lists the members of each key in order, as many at a time as the group has work-items. A member
 * comes behind those of its key that stand before it. The last of these members of a key moves the
 * key's begin on, so that in the end each begin has become the end of its list. */
static void list_members(Frame *f, const Bucket *b) {
    write_open(f, "for (int first = 0; first < members; first += %d)", GROUP);
    write_line(f, "const int member = first + me;");
    write_key(f, b);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);");
    write_line(f, "shared[me] = key;");
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "int before = 0, after = 0;");
    write_line(f, "for (int i = 0; i < me; i++) before += shared[i] == key;");
    write_line(f, "for (int i = me + 1; i < %d; i++) after += shared[i] == key;", GROUP);
    write_line(f, "const int place = key >= 0 ? ends[key] + before : 0;");
    write_line(f, "if (key >= 0) ends[targets + place] = member;");
    write_line(f, "barrier(CLK_GLOBAL_MEM_FENCE);");
    write_line(f, "if (key >= 0 && after == 0) ends[key] = place + 1;");
    write_close(f);
}

Geometry write_bucket_sort(Frame *f) {
    const Bucket *b = f->kernel->as.bucket.bucket;
    write_line(f, "const int targets = %lld, members = %lld;", (long long)b->targets_size,
               (long long)b->members);
    write_line(f, "const int me = get_local_id(0), segment = get_group_id(0);");
    write_line(f, "global int *ends = y + segment * %lld;", (long long)bucket_list_size(b));
    write_line(f, "local int shared[%d];", GROUP);
    set_segment(f, b);
    count_members(f, b);
    find_begins(f);
    list_members(f, b);
    return (Geometry){b->segments, 1};
}

/* ---- the members of an element --------------------------------------------------------------- */

void write_members(Frame *f, const Bucket *b) {
    write_line(f, "const int target = %s;", place_of(f, b, BUCKET_TARGET, f->indices));
    write_line(f, "const global int *ends = a%d + %s * %lld, *listed = ends + %lld;",
               f->kernel->as.bucket.sorted, place_of(f, b, BUCKET_SEGMENT, f->indices),
               (long long)bucket_list_size(b), (long long)b->targets_size);
    write_line(f, "const int begin = target ? ends[target - 1] : 0, end = ends[target];");
}
