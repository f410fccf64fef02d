/* Products and convolutions as formulas of the language, compiled and run in isolation. `couplet
 * bench` and the comparison with other libraries (tests/bench) time them.
 *
 * Each formula is a sum of g times the result. The gradient with respect to g is therefore the
 * forward pass, and the other two gradients are the backward passes. So one text gives all three
 * kernels. */
#include "compiler/driver/formula_bench.h"

#include "compiler/compile/compile.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sum of g times a convolution of 3 x 3, with its stride as the text `times`. */
#define CONVOLUTION(name, times)                                                                   \
    "fn " name "(x[N, H, W, C], k[O, C, A, B], g[N, P, Q, O]) {\n"                                 \
    "  let y[n, i < P, j < Q, o] = sum[c, a, b] (x[n, " times "i + a - 1, " times                  \
    "j + b - 1, c] else 0) * k[o, c, a, b]\n"                                                      \
    "  return sum[n, i, j, o] g[n, i, j, o] * y[n, i, j, o]\n"                                     \
    "}\n"
static const char formulas[] =
    "fn product(a[M, K], b[K, N], g[M, N]) = sum[m, n] g[m, n] * (sum[k] a[m, k] * b[k, n])\n"
    "fn product_ta(a[K, M], b[K, N], g[M, N]) = sum[m, n] g[m, n] * (sum[k] a[k, m] * b[k, n])\n"
    "fn product_tb(a[M, K], b[N, K], g[M, N]) = sum[m, n] g[m, n] * (sum[k] a[m, k] * b[n, "
    "k])\n" CONVOLUTION("convolution", "") CONVOLUTION(
        "convolution_2",
        "2 * ") "fn layer(x[N, H, W, C], scale[C], shift[C], k[O, C, A, B], g[N, H, W, O]) {\n"
                "  let m[c] = mean[n, i, j] x[n, i, j, c]\n"
                "  let v[c] = mean[n, i, j] (x[n, i, j, c] - m[c])^2\n"
                "  let h[n, i, j, c] = relu(scale[c] * (x[n, i, j, c] - m[c]) / sqrt(v[c] + "
                "0.00001) + shift[c])\n"
                "  let y[n, i < H, j < W, o] = sum[c, a, b] (h[n, i + a - 1, j + b - 1, c] else 0) "
                "* k[o, c, a, b]\n"
                "  return sum[n, i, j, o] g[n, i, j, o] * y[n, i, j, o]\n"
                "}\n";

/* Keeps one output, or all gradients if `output` is NULL. */
static void keep_outputs(Graph *g, const char *output) {
    int kept = 0;
    for (int i = 0; i < g->outputs.count; i++)
        if ((strcmp(g->outputs.items[i].name, output ? output : "value") == 0) == (output != NULL))
            g->outputs.items[kept++] = g->outputs.items[i];
    g->outputs.count = kept;
    graph_prune(g);
}

/* Returns the text of the formulas above, or of a library's module if `module` is not NULL. */
static const Source *bench_source(Arena *arena, const char *module) {
    if (module) return library_read(NULL, arena, module, 0);
    Source *source = arena_new_of(arena, Source);
    *source = (Source){.path = "bench", .text = formulas, .length = sizeof formulas - 1};
    return source;
}

static Graph *lower_formula(Arena *arena, const char *module, const char *function,
                            const BenchInput *inputs, int input_count) {
    Diag *diag = diag_new(arena);
    const Source *source = bench_source(arena, module);
    Module *spec = source ? parse_module(arena, diag, source, source->path) : NULL;
    Method *method = spec ? check_method(arena, diag, spec, &(CheckHooks){0}) : NULL;
    FunctionInput given[BENCH_MAX_INPUTS];
    memset(given, 0, sizeof given);
    for (int i = 0; i < input_count; i++) {
        given[i].name = inputs[i].name;
        given[i].type = GT_REAL;
        given[i].rank = inputs[i].rank;
        memcpy(given[i].shape, inputs[i].shape, sizeof inputs[i].shape);
    }
    Graph *g = method && !diag_error_count(diag)
                   ? compile_function(arena, diag, method, function, given, input_count, NULL)
                   : NULL;
    report_messages(diag);
    return g; /* NULL means that the formulas above have a mistake */
}

static bool open_graph(FormulaBench *b, const char *function, Graph *g, CoupletThreads *threads) {
    const char *error = "out of memory";
    CpuOptions options = {cpu_cache_folder(b->arena)};
    b->code = g ? cpu_compile(b->arena, &g, 1, NULL, 0, &options, &b->plan, &error) : NULL;
    b->run = b->code ? couplet_run_new(b->plan, threads) : NULL;
    if (!b->run) {
        report(CODE_RUN_STOPPED, "%s: %s", function, error);
        formula_close(b);
        return false;
    }
    for (int i = 0; i < b->plan->input_count && i < BENCH_MAX_INPUTS; i++) {
        const CoupletBuffer *buffer = &b->plan->buffers[b->plan->inputs[i].buffer];
        int64_t count = couplet_buffer_count(buffer);
        b->names[i] = b->plan->inputs[i].name;
        /* couplet_host_memory aligns arrays as those of a training step are aligned */
        b->inputs[i] = b->arrays[i] = couplet_host_memory(count * (int64_t)sizeof(float));
        for (int64_t k = 0; b->arrays[i] && k < count; k++)
            b->arrays[i][k] = (float)((k * 7 + 3 * i) % 11 - 5) / 8;
    }
    return true;
}

bool formula_open(FormulaBench *b, const char *function, const BenchInput *inputs, int input_count,
                  const char *output, CoupletThreads *threads) {
    memset(b, 0, sizeof *b);
    b->arena = arena_new();
    Graph *g = lower_formula(b->arena, NULL, function, inputs, input_count);
    if (g) keep_outputs(g, output);
    return open_graph(b, function, g, threads);
}

bool formula_open_library(FormulaBench *b, const char *module, const char *function,
                          const BenchInput *inputs, int input_count, CoupletThreads *threads) {
    memset(b, 0, sizeof *b);
    b->arena = arena_new();
    return open_graph(b, function, lower_formula(b->arena, module, function, inputs, input_count),
                      threads);
}

void formula_run(FormulaBench *b) {
    CoupletFault fault;
    couplet_run_steps(b->run, b->inputs, NULL, &fault);
}

float *formula_input(FormulaBench *b, const char *name) {
    for (int i = 0; i < BENCH_MAX_INPUTS; i++)
        if (b->names[i] && strcmp(b->names[i], name) == 0) return b->arrays[i];
    return NULL;
}

const float *formula_output(const FormulaBench *b, const char *output) {
    return couplet_run_output(b->run, output);
}

void formula_close(FormulaBench *b) {
    couplet_run_free(b->run);
    cpu_free(b->code);
    for (int i = 0; i < BENCH_MAX_INPUTS; i++)
        free(b->arrays[i]);
    if (b->arena) arena_free(b->arena);
    memset(b, 0, sizeof *b);
}
