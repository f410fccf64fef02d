/* peers [--markdown] [--fastest] [--threads n] [--rounds n] [products] [convolutions] [layers]
 *
 * Measures Couplet's products and convolutions beside those of oneDNN and OpenBLAS, in turns within
 * this process, on as many threads each, and on the same arrays. Every result is compared with the
 * peer's. A row is a line of JSON, or of a Markdown table. Times are medians. A ratio is the peer's
 * time divided by Couplet's, so Couplet is the faster one if it is above 1. With --fastest, times
 * are those of the fastest runs, and on one thread they are the processor's instead of the clock's.
 * That gives a first look on a machine that others use, too. oneDNN's time is that of its fastest
 * way: matmul or sgemm; blocked layouts or channels last. */
#include "compiler/driver/formula_bench.h"
#include "compiler/driver/yardstick.h"
#include "tests/bench/contest.h"
#include "tests/bench/onednn.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OURS, MOST_CONTENDERS = 4 };

typedef struct Bench {
    CoupletThreads *threads;
    Yardstick best;
    int rounds;
    bool markdown, failed;
    double (*figure)(Contender *);
} Bench;

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct Row {
    const char *name, *pass;
    double flops;
    Contender contenders[MOST_CONTENDERS];
    int count;
} Row;

static void add_contender(Row *r, const char *name, void (*run)(void *), void *context) {
    if (!context) return;
    r->contenders[r->count].name = name;
    r->contenders[r->count].run = run;
    r->contenders[r->count++].context = context;
}

static void run_ours(void *formula) {
    formula_run(formula);
}

/* Returns the fastest time of a peer's ways, whose names begin with the peer's, or 0 if the peer
 * has none. */
static double best_way(const Bench *b, Row *r, const char *peer, const char **name) {
    double best = 0;
    for (int i = 1; i < r->count; i++) {
        double figure = b->figure(&r->contenders[i]);
        if (strncmp(r->contenders[i].name, peer, strlen(peer)) != 0 || (best > 0 && figure >= best))
            continue;
        best = figure;
        *name = r->contenders[i].name;
    }
    return best;
}

static void print_head(const Bench *b) {
    if (b->markdown) {
        printf("This machine: %d threads, %.1f GFLOP/s of multiply-adds in registers.\n\n",
               couplet_threads_count(b->threads), b->best.flops * 1e-9);
        printf("| work | ms | GFLOP/s | of the peak | of oneDNN | of OpenBLAS |\n| --- | --- | --- "
               "| --- | --- | --- |\n");
    } else {
        printf("{\"name\": \"this machine\", \"threads\": %d, \"gflops\": %.1f}\n",
               couplet_threads_count(b->threads), b->best.flops * 1e-9);
    }
    fflush(stdout);
}

static void print_row(const Bench *b, Row *r) {
    const char *way = "";
    const char *blas = "";
    double ours = b->figure(&r->contenders[OURS]);
    double dnn = best_way(b, r, "oneDNN", &way);
    double open = best_way(b, r, "OpenBLAS", &blas);
    double rate = r->flops / ours * 1e-9;
    double of_peak = r->flops / ours / b->best.flops;
    if (b->markdown) {
        printf("| %s%s%s | %.3f | %.1f | %.2f | %.2f | ", r->name, *r->pass ? ", " : "", r->pass,
               ours * 1e3, rate, of_peak, dnn / ours);
        printf(open > 0 ? "%.2f |\n" : "|\n", open / ours);
    } else {
        printf("{\"name\": \"%s\", \"pass\": \"%s\", \"ms\": %.4f, \"gflops\": %.1f, \"of_peak\": "
               "%.3f, \"onednn_ms\": %.4f, \"of_onednn\": %.3f, \"onednn_way\": \"%s\"",
               r->name, r->pass, ours * 1e3, rate, of_peak, dnn * 1e3, dnn / ours,
               way + strcspn(way, " ") + 1);
        if (open > 0)
            printf(", \"openblas_ms\": %.4f, \"of_openblas\": %.3f", open * 1e3, open / ours);
        printf("}\n");
    }
    fflush(stdout);
}

static void measure_row(const Bench *b, Row *r) {
    bool alone = b->figure == contender_median || couplet_threads_count(b->threads) > 1;
    contest(r->contenders, r->count, b->rounds, alone ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID);
    print_row(b, r);
}

/* Compares two float32 sums that were added in different orders, relative to the largest entry. */
static void compare_results(Bench *b, const Row *r, const float *ours, const float *theirs,
                            int64_t count) {
    double largest = 0;
    double apart = 0;
    for (int64_t i = 0; ours && theirs && i < count; i++) {
        largest = fmax(largest, fabs(theirs[i]));
        apart = fmax(apart, fabs((double)ours[i] - theirs[i]));
    }
    if (ours && theirs && apart <= 2e-5 * largest) return;
    fprintf(stderr, "peers: %s, %s: the results differ by %g where the largest is %g\n", r->name,
            r->pass, apart, largest);
    b->failed = true;
}

static void compare_with(Bench *b, const Row *r, const float *ours, DnnOperation *theirs) {
    if (!theirs) return;
    int64_t count;
    dnn_run(theirs);
    float *result = dnn_result(theirs, &count);
    compare_results(b, r, ours, result, count);
    free(result);
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct BlasProduct {
    ProductShape shape;
    const float *a, *b;
    float *y;
} BlasProduct;

static void run_openblas(void *context) {
    const BlasProduct *p = context;
    const ProductShape *s = &p->shape;
    cblas_sgemm(CblasRowMajor, s->transposed_a ? CblasTrans : CblasNoTrans,
                s->transposed_b ? CblasTrans : CblasNoTrans, (int)s->m, (int)s->n, (int)s->k, 1,
                p->a, (int)(s->transposed_a ? s->m : s->k), p->b,
                (int)(s->transposed_b ? s->k : s->n), 0, p->y, (int)s->n);
}

static void run_dnn_sgemm(void *context) {
    const BlasProduct *p = context;
    dnn_sgemm(&p->shape, p->a, p->b, p->y);
}

static void bench_product(Bench *b, int64_t m, int64_t n, int64_t k, bool transposed_a,
                          bool transposed_b) {
    static const char *const functions[] = {"product", "product_tb", "product_ta"};
    const ProductShape s = {m, n, k, transposed_a, transposed_b};
    const BenchInput inputs[] = {{"a", 2, {transposed_a ? k : m, transposed_a ? m : k}},
                                 {"b", 2, {transposed_b ? n : k, transposed_b ? k : n}},
                                 {"g", 2, {m, n}}};
    char name[96];
    FormulaBench f;
    snprintf(name, sizeof name, "product %lld x %lld x %lld%s", (long long)m, (long long)n,
             (long long)k,
             transposed_a   ? ", a transposed"
             : transposed_b ? ", b transposed"
                            : "");
    if (!formula_open(&f, functions[transposed_a ? 2 : transposed_b], inputs, 3, "grad_g",
                      b->threads)) {
        b->failed = true;
        return;
    }
    float *y = couplet_host_memory(m * n * (int64_t)sizeof *y);
    BlasProduct blas = {s, formula_input(&f, "a"), formula_input(&f, "b"), y};
    Row r = {.name = name, .pass = "", .flops = 2.0 * (double)m * (double)n * (double)k};
    DnnOperation *matmul = dnn_product(&s, blas.a, blas.b);
    formula_run(&f);
    compare_with(b, &r, formula_output(&f, "grad_g"), matmul);
    run_dnn_sgemm(&blas);
    compare_results(b, &r, formula_output(&f, "grad_g"), y, m * n);
    add_contender(&r, "ours", run_ours, &f);
    add_contender(&r, "oneDNN matmul", dnn_run, matmul);
    add_contender(&r, "oneDNN sgemm", run_dnn_sgemm, &blas);
    add_contender(&r, "OpenBLAS", run_openblas, &blas);
    measure_row(b, &r);
    dnn_free(matmul);
    free(y);
    formula_close(&f);
}

static void bench_products(Bench *b) {
#define PRODUCT(m, n, k, ta, tb) bench_product(b, m, n, k, ta, tb);
#define CONVOLUTION(batch, channels, size, out, stride)
#include "compiler/driver/bench_shapes.def"
#undef PRODUCT
#undef CONVOLUTION
}

/* ---- convolutions ---------------------------------------------------------------------------- */

static void bench_pass(Bench *b, const ConvolutionShape *s, Pass pass) {
    static const char *const names[] = {"forward", "to the input", "to the weights"};
    static const char *const outputs[] = {"grad_g", "grad_x", "grad_k"};
    int64_t small = (s->size + s->stride - 1) / s->stride;
    const BenchInput inputs[] = {{"x", 4, {s->batch, s->size, s->size, s->channels}},
                                 {"k", 4, {s->out, s->channels, 3, 3}},
                                 {"g", 4, {s->batch, small, small, s->out}}};
    char name[96];
    FormulaBench f;
    snprintf(name, sizeof name, "convolution %lld x %lldch %lldx%lld to %lldch%s",
             (long long)s->batch, (long long)s->channels, (long long)s->size, (long long)s->size,
             (long long)s->out, s->stride == 2 ? ", stride 2" : "");
    if (!formula_open(&f, s->stride == 2 ? "convolution_2" : "convolution", inputs, 3,
                      outputs[pass], b->threads)) {
        b->failed = true;
        return;
    }
    Row r = {.name = name,
             .pass = names[pass],
             .flops = 18.0 * (double)(s->batch * small * small) * (double)(s->channels * s->out)};
    const float *x = formula_input(&f, "x");
    const float *k = formula_input(&f, "k");
    const float *g = formula_input(&f, "g");
    DnnOperation *blocked = dnn_convolution(s, pass, false, x, k, g);
    DnnOperation *last = dnn_convolution(s, pass, true, x, k, g);
    formula_run(&f);
    compare_with(b, &r, formula_output(&f, outputs[pass]), blocked);
    compare_with(b, &r, formula_output(&f, outputs[pass]), last);
    add_contender(&r, "ours", run_ours, &f);
    add_contender(&r, "oneDNN blocked", dnn_run, blocked);
    add_contender(&r, "oneDNN channels last", dnn_run, last);
    measure_row(b, &r);
    dnn_free(blocked);
    dnn_free(last);
    formula_close(&f);
}

static void bench_convolutions(Bench *b) {
#define PRODUCT(m, n, k, ta, tb)
#define CONVOLUTION(batch, channels, size, out, stride)                                            \
    for (int pass = 0; pass < PASS_COUNT; pass++)                                                  \
        bench_pass(b, &(ConvolutionShape){batch, channels, size, out, stride}, (Pass)pass);
#include "compiler/driver/bench_shapes.def"
#undef PRODUCT
#undef CONVOLUTION
}

/* ---- layers ---------------------------------------------------------------------------------- */

static void bench_layer(Bench *b, const ConvolutionShape *s) {
    const BenchInput inputs[] = {{"x", 4, {s->batch, s->size, s->size, s->channels}},
                                 {"scale", 1, {s->channels}},
                                 {"shift", 1, {s->channels}},
                                 {"k", 4, {s->out, s->channels, 3, 3}},
                                 {"g", 4, {s->batch, s->size, s->size, s->out}}};
    char name[96];
    FormulaBench f;
    snprintf(name, sizeof name, "batch norm, relu, convolution %lld x %lldch %lldx%lld",
             (long long)s->batch, (long long)s->channels, (long long)s->size, (long long)s->size);
    if (!formula_open(&f, "layer", inputs, 5, NULL, b->threads)) {
        b->failed = true;
        return;
    }
    Row r = {.name = name,
             .pass = "forward and backward",
             .flops =
                 54.0 * (double)(s->batch * s->size * s->size) * (double)(s->channels * s->out)};
    DnnOperation *peer =
        dnn_layer(s, formula_input(&f, "x"), formula_input(&f, "scale"), formula_input(&f, "shift"),
                  formula_input(&f, "k"), formula_input(&f, "g"));
    formula_run(&f);
    compare_with(b, &r, formula_output(&f, "grad_x"), peer);
    add_contender(&r, "ours", run_ours, &f);
    add_contender(&r, "oneDNN blocked", dnn_run, peer);
    measure_row(b, &r);
    dnn_free(peer);
    formula_close(&f);
}

static void bench_layers(Bench *b) {
    static const ConvolutionShape shapes[] = {{64, 64, 32, 64, 1}, {64, 256, 8, 256, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        bench_layer(b, &shapes[i]);
}

/* ---- the whole ------------------------------------------------------------------------------- */

typedef struct Section {
    const char *name;
    void (*run)(Bench *b);
} Section;

static const Section sections[] = {
    {"products", bench_products}, {"convolutions", bench_convolutions}, {"layers", bench_layers}};
enum { SECTIONS = sizeof sections / sizeof *sections };

static bool read_arguments(int argc, char **argv, Bench *b, int *threads, bool *wanted) {
    bool any = false;
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (int s = 0; s < SECTIONS; s++)
            if (strcmp(argv[i], sections[s].name) == 0) any = known = wanted[s] = true;
        if (strcmp(argv[i], "--markdown") == 0) known = b->markdown = true;
        if (strcmp(argv[i], "--fastest") == 0) {
            known = true;
            b->figure = contender_fastest;
        }
        int *number = strcmp(argv[i], "--threads") == 0  ? threads
                      : strcmp(argv[i], "--rounds") == 0 ? &b->rounds
                                                         : NULL;
        if (number && i + 1 < argc) known = (*number = atoi(argv[++i])) > 0;
        if (known) continue;
        fprintf(stderr,
                "peers: `%s` is not understood; usage: peers [--markdown] [--fastest] [--threads "
                "n] [--rounds n] [products] [convolutions] [layers]\n",
                argv[i]);
        return false;
    }
    for (int s = 0; s < SECTIONS; s++)
        wanted[s] |= !any;
    return true;
}

int main(int argc, char **argv) {
    Bench b = {.rounds = 5, .figure = contender_median};
    int threads = 0;
    bool wanted[SECTIONS] = {false};
    if (!read_arguments(argc, argv, &b, &threads, wanted)) return 2;
    b.threads = couplet_threads_new(threads);
    if (!b.threads) return 1;
    omp_set_num_threads(couplet_threads_count(b.threads));
    openblas_set_num_threads(couplet_threads_count(b.threads));
    b.best = yardstick_measure(b.threads);
    print_head(&b);
    for (int s = 0; s < SECTIONS; s++)
        if (wanted[s]) sections[s].run(&b);
    couplet_threads_free(b.threads);
    return b.failed ? 1 : 0;
}
