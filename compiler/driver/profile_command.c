/* couplet profile: where the time of a training step goes, by source line. The step runs on made-up
 * images, so it needs no data and measures nothing but itself; every kernel's figure is the median
 * over the steps. On a device each kernel is waited for, which is part of its time. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/driver/step_bench.h"
#include "compiler/driver/yardstick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct Row {
    const char *source, *label;
    int abreast;                         /* kernels of its launch */
    double seconds, flops, bytes, limit; /* limit: the least seconds that the roofline allows */
    int kernels;
} Row;

static int slowest_first(const void *a, const void *b) {
    double x = ((const Row *)a)->seconds, y = ((const Row *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void add_step(Row *row, const CoupletStep *step, double seconds, const Yardstick *best) {
    double compute = best->flops > 0 ? step->flops / best->flops : 0,
           memory = best->bytes > 0 ? step->bytes / best->bytes : 0;
    row->source = step->source;
    row->seconds += seconds;
    row->flops += step->flops;
    row->bytes += step->bytes;
    row->limit += fmax(compute, memory);
    row->kernels++;
}

/* Collects a row for each source line, or for each kernel. */
static int collect_rows(const CoupletPlan *plan, const double *seconds, const Yardstick *best,
                        bool by_kernel, Row *rows) {
    /* the first step behind the launch, and how many are in it */
    int count = 0, launched = 0, abreast = 0;
    for (int i = 0; i < plan->step_count; i++) {
        if (i >= launched)
            launched = i + (abreast = plan->steps[i].abreast > 1 ? plan->steps[i].abreast : 1);
        int at = by_kernel ? count : 0;
        while (at < count && strcmp(rows[at].source, plan->steps[i].source) != 0)
            at++;
        if (at == count) memset(&rows[count++], 0, sizeof *rows);
        add_step(&rows[at], &plan->steps[i], seconds[i], best);
        if (!by_kernel) continue;
        rows[at].label = plan->steps[i].label;
        rows[at].abreast = abreast;
    }
    qsort(rows, (size_t)count, sizeof *rows, slowest_first);
    return count;
}

static void print_row(const Row *row, double total) {
    char of_best[16] = "-";
    if (row->limit > 0) snprintf(of_best, sizeof of_best, "%.2f", row->limit / row->seconds);
    printf("%8.3f %5.1f %8d %9.3f %8.1f %8.1f %7.1f %8s  %s  %s", row->seconds * 1e3,
           100 * row->seconds / total, row->kernels, row->flops * 1e-9, row->bytes * 1e-6,
           row->flops / row->seconds * 1e-9, row->bytes / row->seconds * 1e-9, of_best, row->source,
           row->label ? row->label : "");
    if (row->abreast > 1) printf(", abreast of %d", row->abreast - 1);
    printf("\n");
}

/* Prints the best that the machine can do. For devices other than the host it is not measured. */
static void print_machine(const CoupletDevice *device, const Yardstick *best, int threads) {
    if (device->is_host)
        printf("%d %s; this machine at its best: %.0f GFLOP/s, %.1f GB/s\n", threads,
               threads == 1 ? "thread" : "threads", best->flops * 1e-9, best->bytes * 1e-9);
    else
        printf("%s; a wait after each kernel is in its time\n", device->name);
}

static void print_table(const CoupletPlan *plan, const StepTimes *times, const Yardstick *best,
                        bool by_kernel) {
    Row *rows = calloc((size_t)plan->step_count + 1, sizeof *rows);
    if (!rows) return;
    int count = collect_rows(plan, times->kernels, best, by_kernel, rows);
    Row total = {.source = "the whole step"};
    for (int i = 0; i < count; i++) {
        total.seconds += rows[i].seconds;
        total.flops += rows[i].flops;
        total.bytes += rows[i].bytes;
        total.limit += rows[i].limit;
        total.kernels += rows[i].kernels;
    }
    printf("      ms     %%  kernels     GFLOP       MB  GFLOP/s    GB/s  of best  source\n");
    for (int i = 0; i < count; i++)
        if (rows[i].seconds >= 5e-4 * total.seconds) print_row(&rows[i], total.seconds);
    print_row(&total, total.seconds);
    printf("%d kernels in %d launches; %.1f ms a step with everything (median of %d), %.1f of them "
           "the finite check, %.1f the commits; %.0f MB\n",
           plan->step_count, step_launches(plan), times->whole * 1e3, times->steps,
           times->finite * 1e3, times->commit * 1e3, (double)plan->arena_bytes * 1e-6);
    free(rows);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int profile(Arena *arena, const Options *o) {
    Assembled assembled;
    DeviceChoice choice;
    if (!device_choose(o->device, false, &choice)) return 2;
    if (!assemble_spec(arena, o, o->file, &choice, &assembled)) return 1;
    char error[512] = "out of memory";
    StepTimes times = {0};
    CoupletThreads *threads = couplet_threads_new((int)o->threads);
    CoupletDevice *device = device_open(arena, &choice, threads);
    Yardstick best = {0};
    if (device && device->is_host) best = yardstick_measure(threads);
    bool good = device && step_measure(assembled.program, device, (int)(o->steps ? o->steps : 11),
                                       true, &times, error, sizeof error);
    if (good) {
        print_machine(device, &best, couplet_threads_count(threads));
        print_table(assembled.program->train, &times, &best, o->by_kernel);
    } else if (device) {
        report_error(CODE_RUN_STOPPED, error);
    }
    free(times.kernels);
    couplet_device_free(device);
    couplet_threads_free(threads);
    backend_free(&assembled.code);
    return good ? 0 : 1;
}

int profile_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "profile",
                     "set data seed threads steps memory shards by-kernel device", argc, argv))
        status = profile(arena, &o);
    arena_free(arena);
    return status;
}
