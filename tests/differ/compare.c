/* Compares what a back end made with what the reference evaluator says (compare.h). The allowance
 * of each entry is what rounding does to the reference evaluator itself (subject.c); only a
 * difference beyond that is a disagreement. */
#include "tests/differ/compare.h"

#include <math.h>
#include <string.h>

static double value_at(const void *values, GType type, int64_t i) {
    if (type == GT_REAL) return (double)((const float *)values)[i];
    return type == GT_INT ? (double)((const int32_t *)values)[i]
                          : (double)((const uint8_t *)values)[i];
}

/* True if a back end may refuse the subject. Rows whose squares are beyond float32 may end in a
 * fault, or in a value that is not finite, which the tool refuses to hand over. They must not give
 * another number. */
static bool may_refuse(const Subject *s) {
    return s->extreme == WITH_HUGE_ROW || s->extreme == WITH_TINY_ROW;
}

/* Returns the largest distance between the values and the answer. It is infinite if one value is
 * NaN and the other is not. A value that float32 cannot hold may be infinite. */
static double distance(const Subject *s, const Answer *a, const void *values, int64_t *where) {
    double most = 0;
    for (int64_t i = 0; i < a->count; i++) {
        double found = value_at(values, a->type, i);
        double exact = a->exact[i];
        double off = fabs(found - exact);
        bool same = found == exact || (isnan(found) && isnan(exact)) ||
                    (isinf(found) && fabs(exact) > 3e38 && (found > 0) == (exact > 0));
        same |= s->extreme != ORDINARY && !isfinite(found) && (!isfinite(exact) || may_refuse(s));
        if (same || off <= most) continue;
        most = isnan(off) ? HUGE_VAL : off;
        *where = i;
    }
    return most;
}

static size_t bytes_of(const Answer *a) {
    return (size_t)a->count * (a->type == GT_REAL || a->type == GT_INT ? 4 : 1);
}

static bool compare_bits(Subject *s, Verdict *v, const Result *const result[BACKENDS], Backend one,
                         Backend other) {
    for (int i = 0; i < s->answer_count; i++) {
        if (result[one]->fault || result[other]->fault ||
            memcmp(result[one]->values[i], result[other]->values[i], bytes_of(&s->answers[i])) == 0)
            continue;
        *v = (Verdict){OTHER_BITS,
                       arena_printf(s->arena, "`%s` has other bits by %s than by %s",
                                    s->answers[i].name, backend_names[other], backend_names[one])};
        return false;
    }
    return true;
}

/* True if a back end reports the fault that the CPU on one thread reports, or if neither reports
 * one. */
static bool same_fault_on_host(Subject *s, Verdict *v, const Result *const result[BACKENDS],
                               Backend other) {
    const char *alone = result[ON_ONE_THREAD]->fault;
    const char *found = result[other]->fault;
    if (!alone && !found) return true;
    if (alone && found && strcmp(alone, found) == 0) return true;
    *v =
        (Verdict){OTHER_BITS, arena_printf(s->arena, "%s: %s; and by %s: %s", backend_names[other],
                                           found ? found : "no fault", backend_names[ON_ONE_THREAD],
                                           alone ? alone : "no fault")};
    return false;
}

static bool same_values(Subject *s, Verdict *v, const Result *r, Backend backend) {
    double *off = arena_array(s->arena, double, s->answer_count + 1);
    int worst = -1;
    int64_t where = 0;
    int64_t at = 0;
    for (int i = 0; i < s->answer_count; i++) {
        off[i] = distance(s, &s->answers[i], r->values[i], &at);
        if (off[i] <= s->answers[i].allowed || worst >= 0) continue;
        worst = i;
        where = at;
    }
    if (worst < 0 || subject_is_fragile(s, off)) return true;
    const Answer *a = &s->answers[worst];
    *v = (Verdict){
        OTHER_VALUE + (int)backend,
        arena_printf(s->arena,
                     "%s: entry %lld of `%s` is %.9g, and %.9g by the reference evaluator; "
                     "rounding explains %.2g, and the largest difference is %.2g",
                     backend_names[backend], (long long)where, a->name,
                     value_at(r->values[worst], a->type, where), a->exact[where], a->allowed,
                     off[worst])};
    return false;
}

static bool same_fault(Subject *s, Verdict *v, const Result *r, Backend backend) {
    if (!s->fault == !r->fault || (r->fault && may_refuse(s))) return true;
    const char *sentence =
        s->fault ? arena_printf(s->arena, "%s: no fault, and the reference evaluator says: %s",
                                backend_names[backend], s->fault)
                 : arena_printf(s->arena, "%s: %s; the reference evaluator meets no fault",
                                backend_names[backend], r->fault);
    *v = (Verdict){OTHER_VALUE + (int)backend, sentence};
    return false;
}

Verdict compare(Subject *s, const Result *const result[BACKENDS], unsigned wanted) {
    Verdict v = {AGREES, NULL};
    for (int i = 0; i < BACKENDS; i++)
        if (((wanted >> i) & 1) && (!same_fault(s, &v, result[i], (Backend)i) ||
                                    (!s->fault && !same_values(s, &v, result[i], (Backend)i))))
            return v;
    for (int i = ON_TWO_THREADS; i < BACKENDS; i++)
        if ((wanted & 1) && ((wanted >> i) & 1) && i != ON_A_DEVICE &&
            !same_fault_on_host(s, &v, result, (Backend)i))
            return v;
    for (int i = ON_TWO_THREADS; i < BACKENDS && !s->fault; i++)
        if ((wanted & 1) && ((wanted >> i) & 1) && i != ON_A_DEVICE &&
            !compare_bits(s, &v, result, ON_ONE_THREAD, (Backend)i))
            return v;
    return v;
}

/* ---- many ------------------------------------------------------------------------------------ */

static Verdict before(const Subject *s) {
    if (!s->error) return (Verdict){AGREES, NULL};
    return (Verdict){
        strncmp(s->error, "it does not compile", 19) == 0 ? NOT_COMPILED : WRONG_BEFORE, s->error};
}

static bool judge_together(Backends *b, Subject **subjects, Verdict **verdicts, int count,
                           unsigned wanted, const char **error) {
    Arena *arena = arena_new();
    Result *results[BACKENDS];
    bool good = backends_run(b, arena, subjects, count, results, error);
    for (int i = 0; good && i < count; i++) {
        const Result *of_one[BACKENDS];
        for (int k = 0; k < BACKENDS; k++)
            of_one[k] = &results[k][i];
        *verdicts[i] = compare(subjects[i], of_one, wanted);
    }
    if (!good) *error = arena_printf(subjects[0]->arena, "%s", *error);
    arena_free(arena);
    return good;
}

void judge(Backends *b, Subject *subjects, int count, unsigned wanted, Verdict *verdicts) {
    enum { MOST = 64 };
    Subject *good[MOST];
    Verdict *of[MOST];
    int good_count = 0;
    const char *error;
    for (int i = 0; i < count && i < MOST; i++) {
        verdicts[i] = before(&subjects[i]);
        if (verdicts[i].kind != AGREES) continue;
        good[good_count] = &subjects[i];
        of[good_count++] = &verdicts[i];
    }
    if (good_count == 0 || judge_together(b, good, of, good_count, wanted, &error)) return;
    for (int i = 0; i < good_count; i++)
        if (!judge_together(b, &good[i], &of[i], 1, wanted, &error))
            *of[i] =
                (Verdict){WRONG_BEFORE,
                          arena_printf(good[i]->arena, "a back end does not take it: %s", error)};
}
