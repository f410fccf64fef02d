/* couplet bench: timings as JSON, one object a line. Each has its ratio to the best that this
 * machine can do, measured in the same process. Without a file, the timings are of products and
 * convolutions (bench_shapes.def). With a file, they are of the training step of that spec, on the
 * CPU or an OpenCL device. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/formula_bench.h"
#include "compiler/driver/options.h"
#include "compiler/driver/report.h"
#include "compiler/driver/step_bench.h"
#include "compiler/driver/yardstick.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_REPEATS = 64,
    STEPS = 15,
};
static const double enough_seconds = 0.25; /* the seconds for which one row is repeated */

typedef struct Bench {
    CoupletThreads *threads;
    CoupletDevice *device;
    Yardstick best;
    bool good;
} Bench;

/* Returns the median of runs that together take about enough_seconds, or 0 if the formula does not
 * compile. */
static double time_formula(const Bench *b, const char *function, const BenchInput *inputs,
                           int count, const char *output) {
    FormulaBench f;
    if (!b->good) return 0;
    double seconds[MOST_REPEATS];
    double start = 0;
    double total = 0;
    int repeats = 0;
    if (!formula_open(&f, function, inputs, count, output, b->threads)) return 0;
    formula_run(&f);
    while (repeats < MOST_REPEATS && (repeats < 5 || total < enough_seconds)) {
        start = yardstick_now();
        formula_run(&f);
        seconds[repeats] = yardstick_now() - start;
        total += seconds[repeats++];
    }
    formula_close(&f);
    return yardstick_median(seconds, repeats);
}

static void print_bench_row(Bench *b, const char *name, const char *pass, double flops,
                            double seconds) {
    b->good &= seconds > 0;
    if (!b->good) return;
    printf(
        "{\"name\": \"%s\", \"pass\": \"%s\", \"ms\": %.4f, \"gflops\": %.1f, \"of_peak\": %.3f}\n",
        name, pass, seconds * 1e3, flops / seconds * 1e-9, flops / seconds / b->best.flops);
    fflush(stdout);
}

static void bench_product(Bench *b, int64_t m, int64_t n, int64_t k, bool transposed_a,
                          bool transposed_b) {
    char name[96];
    snprintf(name, sizeof name, "product %lld x %lld x %lld%s", (long long)m, (long long)n,
             (long long)k,
             transposed_a   ? " (a transposed)"
             : transposed_b ? " (b transposed)"
                            : "");
    const BenchInput inputs[] = {{"a", 2, {transposed_a ? k : m, transposed_a ? m : k}},
                                 {"b", 2, {transposed_b ? n : k, transposed_b ? k : n}},
                                 {"g", 2, {m, n}}};
    double seconds = time_formula(b,
                                  transposed_a   ? "product_ta"
                                  : transposed_b ? "product_tb"
                                                 : "product",
                                  inputs, 3, "grad_g");
    print_bench_row(b, name, "forward", 2.0 * (double)m * (double)n * (double)k, seconds);
}

static void bench_convolution(Bench *b, int64_t batch, int64_t channels, int64_t size, int64_t out,
                              int64_t stride) {
    static const char *const passes[][2] = {{"grad_g", "forward"},
                                            {"grad_x", "backward to the input"},
                                            {"grad_k", "backward to the weights"}};
    int64_t small = (size + stride - 1) / stride;
    char name[96];
    snprintf(name, sizeof name, "convolution %lld x %lldch %lldx%lld to %lldch, stride %lld",
             (long long)batch, (long long)channels, (long long)size, (long long)size,
             (long long)out, (long long)stride);
    const BenchInput inputs[] = {{"x", 4, {batch, size, size, channels}},
                                 {"k", 4, {out, channels, 3, 3}},
                                 {"g", 4, {batch, small, small, out}}};
    for (int i = 0; i < 3; i++)
        print_bench_row(b, name, passes[i][1],
                        18.0 * (double)(batch * small * small) * (double)(channels * out),
                        time_formula(b, stride == 2 ? "convolution_2" : "convolution", inputs, 3,
                                     passes[i][0]));
}

static void bench_shapes(Bench *b) {
#define PRODUCT(m, n, k, ta, tb) bench_product(b, m, n, k, ta, tb);
#define CONVOLUTION(batch, channels, size, out, stride)                                            \
    bench_convolution(b, batch, channels, size, out, stride);
#include "compiler/driver/bench_shapes.def"
#undef PRODUCT
#undef CONVOLUTION
}

static void measure_machine(Bench *b) {
    b->best = yardstick_measure(b->threads);
    printf("{\"name\": \"this machine\", \"threads\": %d, \"gflops\": %.1f, \"gb_per_second\": "
           "%.1f, \"fork_us\": %.3f}\n",
           couplet_threads_count(b->threads), b->best.flops * 1e-9, b->best.bytes * 1e-9,
           b->best.fork * 1e6);
}

static void print_step(const Bench *b, const CoupletProgram *p, const StepTimes *times,
                       double ready, bool cached) {
    double flops = 0;
    for (int i = 0; i < p->train->step_count; i++)
        flops += p->train->steps[i].flops;
    printf("{\"name\": \"%s\", \"pass\": \"step\", \"device\": \"%s\", \"ms\": %.3f, "
           "\"views_per_second\": %.0f, \"gflops\": %.1f",
           p->name, b->device->name, times->whole * 1e3, (double)p->views / times->whole,
           flops / times->whole * 1e-9);
    if (b->device->is_host) {
        printf(", \"of_peak\": %.3f", flops / times->whole / b->best.flops);
    }
    printf(", \"kernels\": %d, \"launches\": %d, \"finite_ms\": %.3f, \"commit_ms\": %.3f",
           p->train->step_count, step_launches(p->train), times->finite * 1e3, times->commit * 1e3);
    printf(", \"mb\": %.0f, \"compile_ms\": %.0f, \"cached\": %s}\n",
           (double)p->train->arena_bytes * 1e-6, ready * 1e3, cached ? "true" : "false");
}

/* Times a spec's step. The spec is compiled first, so that its mistakes are reported before
 * anything is measured. The peak of an OpenCL device is not measured. */
static bool bench_step(Bench *b, Arena *arena, const Options *o, const DeviceChoice *device) {
    Assembled assembled;
    StepTimes times;
    char error[REPORT_BYTES];
    double start = yardstick_now();
    if (!assemble_spec(arena, o, o->file, device, &assembled)) return false;
    double ready = yardstick_now() - start;
    if (b->device->is_host) measure_machine(b);
    const CoupletProgram *p = assembled.program;
    bool good = step_measure(p, b->device, (int)(o->steps ? o->steps : STEPS), false, &times, error,
                             sizeof error);
    if (good)
        print_step(b, p, &times, ready,
                   assembled.code.backend->was_cached(&assembled.code, b->device));
    else
        report_error(CODE_RUN_STOPPED, error);
    backend_free(&assembled.code);
    return good;
}

static bool run_bench(Arena *arena, const Options *o) {
    Bench b = {.threads = couplet_threads_new((int)o->threads), .good = true};
    DeviceChoice choice;
    b.good = device_choose(o->device, false, &choice);
    if (b.good && !choice.backend->is_host && !o->file) {
        report(CODE_COMMAND_LINE, "products and convolutions by themselves are measured on the CPU "
                                  "only; tools/bench_opencl.py measures a device");
        b.good = false;
    }
    if (b.good) b.device = device_open(arena, &choice, b.threads);
    b.good = b.device != NULL;
    if (b.good && o->file) b.good = bench_step(&b, arena, o, &choice);
    if (b.good && !o->file) {
        measure_machine(&b);
        bench_shapes(&b);
    }
    couplet_device_free(b.device);
    couplet_threads_free(b.threads);
    return b.good;
}

int bench_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "bench", "set data threads steps device [file]", argc, argv))
        status = run_bench(arena, &o) ? 0 : 1;
    arena_free(arena);
    return status;
}
