/* Tests the border between rounding and disagreement. One entry of a softmax is 1 and its slope is
 * 0 however the logits are rounded, unless the same logit is rounded in one place and fused into a
 * multiply-add in another. */
#include "tests/differ/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const text = "# N=6 D=1 seed=1250\n"
                                "fn one_entry(x[N, D]) {\n"
                                "  let p[i < N, d < D] = softmax[d] 3 * x[i, d]\n"
                                "  return sum[i, d] x[i, d] * p[i, d]\n"
                                "}\n";

static void make_subject(Subject *s, Arena *arena) {
    subject_of_text(s, arena, "one entry", text);
    assert_null(s->error);
    assert_int_equal(s->answer_count, 2); /* the value and the gradient to x */
}

static void rounding_in_one_place_is_no_disagreement(void **state) {
    (void)state;
    Arena *arena = arena_new();
    Subject s;
    make_subject(&s, arena);
    double off[2] = {0, 5e-6}; /* more than any rounding that is the same everywhere explains */
    assert_true(s.answers[1].allowed < off[1]);
    assert_true(subject_is_fragile(&s, off));
    arena_free(arena);
}

static void a_mistake_is_one(void **state) {
    (void)state;
    Arena *arena = arena_new();
    Subject s;
    make_subject(&s, arena);
    double off[2] = {0, 1e-3};
    double value[2] = {1e-3, 0};
    assert_false(subject_is_fragile(&s, off));
    assert_false(subject_is_fragile(&s, value));
    arena_free(arena);
}

static void a_turn_is_the_same_again(void **state) {
    (void)state;
    Arena *arena = arena_new();
    Subject s;
    make_subject(&s, arena);
    double sums[3];
    for (uint32_t i = 0; i < 3; i++) {
        Reference *run = reference_run_by_chance(s.g, i < 2 ? 1 : 2, s.source, s.context);
        assert_non_null(run);
        const double *gradient = reference_value(run, s.g->outputs.items[1].node);
        sums[i] = 0;
        for (int64_t k = 0; k < s.answers[1].count; k++)
            sums[i] += gradient[k] * (double)(k + 1);
        reference_free(run);
    }
    assert_true(sums[0] == sums[1]);
    assert_true(sums[0] != sums[2]);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_in_one_place_is_no_disagreement),
        cmocka_unit_test(a_mistake_is_one),
        cmocka_unit_test(a_turn_is_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
