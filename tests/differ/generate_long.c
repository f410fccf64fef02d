/* Makes long sums: formulas whose reductions have half a million terms and more, with every reducer
 * and every shape of the result. Most have positive terms, so that their sum does not cancel and
 * rounding is small beside it. */
#include "tests/differ/generate.h"

#include "runtime/random.h"

#include <string.h>

typedef struct Form {
    const char *params, *sizes, *body; /* TERM(t) stands for one of the terms below */
} Form;

static const Form forms[] = {
    {"v[N], c[K]", "N=%d K=977", "mean[i, j] TERM(v[i] - c[j])"},
    {"x[N, D]", "N=%d00 D=5", "sum[i, d] TERM(x[i, d])"},
    {"v[N]", "N=%d000", "var[i] TERM(v[i])"},
    {"v[N]", "N=%d000", "norm(v) + dot(v, v) / 1000"},
    {"v[N], c[K]", "N=%d K=977", "logsumexp[i, j] (v[i] - 2 * c[j])"},
    {"x[N, D]", "N=%d00 D=3", "let m[d] = mean[n] TERM(x[n, d])\nsum[d] m[d]^2"},
    {"x[N, D]", "N=%d00 D=2", "let s[d] = var[n] x[n, d]\nsum[d] sqrt(0.1 + s[d])"},
    {"v[N], c[K], b[D]", "N=80 K=80 D=%d", "mean[i, j, k] softplus(v[i] - c[j] + b[k])"},
    {"x[N, D], lab : int[N]", "N=%d00 D=2",
     "let c[k < 3, d] = sum[n | lab[n] == k] TERM(x[n, d])\nsum[k, d] c[k, d] / 1000"},
    {"x[N, D]", "N=%d00 D=2", "let c[d, e < D] = mean[n] x[n, d] * x[n, e]\nsum[d, e] c[d, e]^2"},
    {"x[N, D]", "N=%d D=2",
     "let g[i, j < N] = sum[d] (x[i, d] - x[j, d])^2\nlog(mean[i, j | i != j] exp(-2 * g[i, j]))"},
    {"x[N, D]", "N=3 D=%d000", "let r[i] = mean[d] TERM(x[i, d])\nsum[i] r[i]^2"},
    {"x[N, D]", "N=3 D=%d000", "let r[i] = logsumexp[d] x[i, d]\nsum[i] r[i]^2"},
    {"v[N], c[K]", "N=%d K=977", "sum[i, j | v[i] < c[j]] 0.1"},
};
static const char *const terms[] = {"(%.*s)^2",        "abs(%.*s)",        "softplus(%.*s)",
                                    "exp(-abs(%.*s))", "(0.1 + 0 * %.*s)", "sigmoid(%.*s)"};
static const int sizes[] = {701, 512, 513, 640, 997};

enum {
    FORMS = sizeof forms / sizeof *forms,
    TERMS = sizeof terms / sizeof *terms,
    SIZES = sizeof sizes / sizeof *sizes
};

static int pick(uint32_t number, uint32_t what, int count) {
    return (int)(couplet_random_bits(number, 0, 0, 4, what, 0) % (uint32_t)count);
}

/* Writes the body with its TERM(t) written out. The last line of the body is the result. */
static void write_body(Text *out, const char *body, const char *term) {
    text_printf(out, "  ");
    const char *last = strrchr(body, '\n');
    if (!last) text_printf(out, "return ");
    for (const char *at = body; *at; at++) {
        if (strncmp(at, "TERM(", 5) == 0) {
            const char *end = strchr(at, ')');
            text_printf(out, term, (int)(end - at - 5), at + 5);
            at = end;
        } else if (*at == '\n') {
            text_printf(out, "\n  %s", at == last ? "return " : "");
        } else {
            text_printf(out, "%c", *at);
        }
    }
}

const char *generate_long(Arena *arena, uint32_t number, int shards) {
    const Form *form = &forms[pick(number, 0, FORMS)];
    Text text = {0};
    text_printf(&text, "# ");
    text_printf(&text, form->sizes, sizes[pick(number, 1, SIZES)]);
    text_printf(&text, " seed=%u stream=%u shards=%d long=1\nfn formula%u(%s) {\n", number,
                number % 2, shards, number, form->params);
    write_body(&text, form->body, terms[pick(number, 2, TERMS)]);
    text_printf(&text, "\n}\n");
    const char *copy = arena_printf(arena, "%.*s", (int)text.length, text.data);
    text_free(&text);
    return copy;
}
