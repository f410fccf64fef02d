/* Each row of properties.def is found to be missing in a graph that lacks it, and is not missed in
 * a graph that has it. */
#include "compiler/graph/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct Case {
    const char *text;
    unsigned lacks; /* the properties that are missing; all others hold */
} Case;

#define PRODUCT                                                                                    \
    "%1 : real[8, 4] = input \"z\"\n"                                                              \
    "%2 : real[8, 8] = compute sum[4] streamed\n"                                                  \
    "    = mul(%1[i0, i2], %1[i1, i2])\n"
#define SINK                                                                                       \
    "%3 : real[8] = compute lse[8]\n"                                                              \
    "    = %2[i0, i1]\n"

static const Case cases[] = {
    {"graph g {\n%1 : real[8] = input \"x\"\noutput \"y\" %1\n}\n", HAS_nothing},
    {"graph g {\n%1 : real[8] = input \"x\"\n%2 : real[8] = stop %1\noutput \"y\" %2\n}\n",
     HAS_no_stops},
    {"graph g {\n" PRODUCT SINK "output \"y\" %3\n}\n", HAS_no_pairs},
    {"graph g {\n" PRODUCT "%3 : real[8, 8] = compute none\n    = %2[i0, i1]\noutput \"y\" %3\n}\n",
     HAS_no_pairs | HAS_sinks},
    {"graph g {\n" PRODUCT "output \"y\" %2\n}\n", HAS_no_pairs | HAS_sinks},
    {"graph g {\n" PRODUCT "%3 : int[8, 2] = topk %2\noutput \"y\" %3\n}\n",
     HAS_no_pairs | HAS_sinks},
    {"graph g {\n%1 : real[8] = input \"x\"\n%2 : real[8] = compute none streamed\n    = %1[i0]\n"
     "output \"y\" %2\n}\n",
     HAS_no_pairs | HAS_sinks},
    {"graph g {\n%1 : real[8] = input \"x\"\n%2 : real[8] = compute none again\n    = exp(%1[i0])\n"
     "output \"y\" %2\n}\n",
     HAS_no_copies},
    {"graph g {\n%1 : real[8] = input \"x\"\n%2 : real[8] = compute none\n    = exp(%1[i0])\n"
     "output \"y\" %1\n}\n",
     HAS_live},
};

static void try_case(const Case *c) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Source source = {"case", c->text, strlen(c->text)};
    Graph *g = graph_read(arena, diag, &source);
    if (!g) diag_print(diag, stdout);
    assert_non_null(g);
    for (int i = 0; i < GRAPH_PROPERTIES; i++) {
        const char *sentence = graph_lacks(g, 1u << i);
        if (!sentence != !(c->lacks & 1u << i))
            fail_msg("%s%s: %s", c->text, graph_properties[i].name,
                     sentence ? sentence : "is not missed");
        if (sentence) assert_non_null(strstr(sentence, graph_properties[i].name));
    }
    arena_free(arena);
}

static void test_properties(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        try_case(&cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_properties)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
