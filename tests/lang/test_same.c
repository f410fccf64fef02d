/* The comparison of two trees, by which the formatter is safe: two texts that differ in one thing
 * are never the same. There is a pair for each field of the tree that the parser fills. */
#include "lang/ast_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const pairs[][2] = {
    {"every 2 epochs { update s <- 1 }", "every 2 steps { update s <- 1 }"},
    {"eval every 2 epochs { knn(k = 1) }", "eval every 2 steps { knn(k = 1) }"},
    {"every epoch { update s <- 1 }", "every 2 epochs { update s <- 1 }"},
    {"ema a <- b rate 0.9", "ema a <- b rate 0.9 with state"},
    {"ema a <- b rate 0.9", "ema a <- b rate 0.9 before forward"},
    {"ema a <- b rate 0.9", "ema a <- c rate 0.9"},
    {"queue Q[8, 4] <- k", "queue Q[8, 4] <- k init zero"},
    {"queue Q[8, 4] <- k", "queue Q[8, 4] <- k read after push"},
    {"queue Q[8, 4] <- k", "queue Q[8, 5] <- k"},
    {"queue Q[8] { a <- k }", "queue Q[8] { b <- k }"},
    {"let x = y", "let x : [N] = y"},
    {"let x : [N] = y", "let x : [M] = y"},
    {"let x[i] = y[i]", "let x[i < 3] = y[i]"},
    {"let x[i] = y[i]", "let x[j] = y[i]"},
    {"let x(i) = y", "let x[i] = y"},
    {"let x = y", "give x = y"},
    {"param p = 1", "param p[4] = 1"},
    {"state p = 1", "state p : int = 1"},
    {"hyper h = 1", "hyper h = 1 | h > 0"},
    {"use \"a.cpl\"", "use \"b.cpl\""},
    {"use \"a.cpl\"", "use \"a.cpl\" as b"},
    {"data d = data.f(\"a\")", "data d = data.f(\"a\") where label == 1"},
    {"data d = data.f(\"a\")", "data d = data.f(\"b\")"},
    {"data d = data.f(\"a\") { x : real[2] }", "data d = data.f(\"a\") { x : int[2] }"},
    {"net n() = relu", "net n(c) = relu"},
    {"net n() = relu", "net n = relu"},
    {"net n(c)(x[N]) = x", "net n(c)(x[M]) = x"},
    {"net n = a >> b", "net n = t: a >> b"},
    {"fn f(x) = x", "fn f(x = 1) = x"},
    {"fn f(x) = f(a = x)", "fn f(x) = f(x)"},
    {"fn f(x) = 1", "fn f(x) = 1.0"},
    {"fn f(x) = true", "fn f(x) = false"},
    {"fn f(x) = x + 1", "fn f(x) = x - 1"},
    {"fn f(x[N]) = sum[i] x[i]", "fn f(x[N]) = mean[i] x[i]"},
    {"fn f(x[N]) = sum[i] x[i]", "fn f(x[N]) = sum[i | i > 0] x[i]"},
    {"loss x", "loss x trains a"},
    {"loss x", "loss near: x"},
    {"update s <- 1", "update t <- 1"},
    {"train { freeze a }", "train { freeze a while epoch < 1 }"},
    {"train { optimiser a(1) }", "train { optimiser a(1) on b }"},
    {"when epoch > 1 { loss x }", "when epoch > 1 { loss x } else { loss y }"},
    {"when epoch > 1 { loss x }", "when epoch > 1 { loss x; loss y }"},
    {"scan t < 3 (h = 0) { next h = h }", "scan t < 3 (h = 1) { next h = h }"},
    {"scan t < 3 (h = 0) { next h = h }", "scan t < 4 (h = 0) { next h = h }"},
    {"start e from \"a\"", "start e from \"b\""},
    {"start e from \"a\" { b <- \"x\" }", "start e from \"a\" { b <- \"y\" }"},
};

static Module *parse(Arena *arena, Source *source, const char *text) {
    *source = (Source){.path = "text.cpl", .text = text, .length = strlen(text)};
    Diag *diag = diag_new(arena);
    Module *module = parse_module(arena, diag, source, "text");
    assert_int_equal(diag_error_count(diag), 0);
    return module;
}

static void test_what_differs(void **state) {
    (void)state;
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        Source sources[3];
        const Module *a = parse(arena, &sources[0], pairs[i][0]);
        const Module *b = parse(arena, &sources[1], pairs[i][1]);
        if (ast_same_module(a, b)) print_error("%s\n%s\n", pairs[i][0], pairs[i][1]);
        assert_false(ast_same_module(a, b));
        assert_true(ast_same_module(a, parse(arena, &sources[2], pairs[i][0])));
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_differs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
