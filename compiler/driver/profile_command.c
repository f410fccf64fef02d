/* couplet profile: shows where the time of a training step goes, by source line. The step runs on
 * made-up data, so it needs no files and measures nothing but itself. Every figure is the median
 * over the steps. On a device each kernel is waited for, and the wait is part of its time. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/driver/step_bench.h"
#include "compiler/driver/trained.h"
#include "compiler/driver/yardstick.h"
#include "runtime/cores.h"
#include "runtime/group_speak.h"
#include "runtime/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct Row {
    const char *source;
    const char *label;
    int abreast; /* the number of kernels in its launch */
    double seconds;
    double flops;
    double bytes;
    double limit; /* the least time, in seconds, that the roofline allows */
    int kernels;
} Row;

static int slowest_first(const void *a, const void *b) {
    double x = ((const Row *)a)->seconds;
    double y = ((const Row *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void add_step(Row *row, const CoupletStep *step, double seconds, const Yardstick *best) {
    double compute = best->flops > 0 ? step->flops / best->flops : 0;
    double memory = best->bytes > 0 ? step->bytes / best->bytes : 0;
    row->source = step->source;
    row->seconds += seconds;
    row->flops += step->flops;
    row->bytes += step->bytes;
    row->limit += fmax(compute, memory);
    row->kernels++;
}

/* Collects the rows, one for each source line or for each kernel, the slowest first. Returns their
 * number. */
static int collect_rows(const CoupletPlan *plan, const double *seconds, const Yardstick *best,
                        bool by_kernel, Row *rows) {
    int count = 0;
    int launched = 0; /* the first step behind the launch at hand */
    int abreast = 0;  /* the number of kernels in that launch */
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
    if (row->limit > 0) {
        snprintf(of_best, sizeof of_best, "%.2f", row->limit / row->seconds);
    }
    printf("%8.3f %5.1f %8d %9.3f %8.1f %8.1f %7.1f %8s  %s  %s", row->seconds * 1e3,
           100 * row->seconds / total, row->kernels, row->flops * 1e-9, row->bytes * 1e-6,
           row->flops / row->seconds * 1e-9, row->bytes / row->seconds * 1e-9, of_best, row->source,
           row->label ? row->label : "");
    if (row->abreast > 1) printf(", abreast of %d", row->abreast - 1);
    printf("\n");
}

/* Prints the peak of the machine, which is not measured for devices other than the host. */
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

/* ---- what ranks wait for --------------------------------------------------------------------- */

/* The exchanges of the arrays that one source line makes. */
typedef struct Waiting {
    const char *source;
    double seconds;
    int64_t bytes;
    int exchanges;
} Waiting;

static int longest_first(const void *a, const void *b) {
    const double x = ((const Waiting *)a)->seconds;
    const double y = ((const Waiting *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Collects the waits by source line, the longest first. Returns the number of lines. */
static int collect_waits(const CoupletPlan *plan, const StepTimes *times, const CoupletGroup *g,
                         Waiting *rows) {
    int count = 0;
    for (int i = 0; i < plan->exchange_count; i++) {
        const CoupletExchange *e = &plan->exchanges[i];
        const char *source = plan->steps[e->made].source;
        int at = 0;
        while (at < count && strcmp(rows[at].source, source) != 0)
            at++;
        if (at == count) rows[count++] = (Waiting){.source = source};
        rows[at].seconds += times->waits[i];
        rows[at].bytes += couplet_exchange_bytes(plan, e, g->ranks, g->rank);
        rows[at].exchanges++;
    }
    qsort(rows, (size_t)count, sizeof *rows, longest_first);
    return count;
}

/* Prints how long rank 0 waited for the network, and for ranks that are behind it. */
static void print_waits(const CoupletPlan *plan, const StepTimes *times, const CoupletGroup *g) {
    Waiting *rows = times->waits ? calloc((size_t)plan->exchange_count + 1, sizeof *rows) : NULL;
    double whole = 0;
    if (!rows) return;
    const int count = collect_waits(plan, times, g, rows);
    for (int i = 0; i < count; i++)
        whole += rows[i].seconds;
    printf("rank 0 of %d waited %.3f ms in a step for others, and sent %.3f MB, by the line that "
           "made what travels:\n  waited     %%  MB sent  exchanges  source\n",
           g->ranks, whole * 1e3, times->sent_bytes * 1e-6);
    for (int i = 0; i < count; i++)
        printf("%8.3f %5.1f %8.3f %10d  %s\n", rows[i].seconds * 1e3,
               whole > 0 ? 100 * rows[i].seconds / whole : 0, (double)rows[i].bytes * 1e-6,
               rows[i].exchanges, rows[i].source);
    free(rows);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* True if all ranks have the same program, without which they would wait for exchanges that never
 * come. Returns false after a message. */
static bool compare_ranks(const CoupletProgram *program, CoupletGroup *g) {
    uint64_t first = program->plan_hash;
    CoupletAgreed worst;
    if (!couplet_group_broadcast(g, 0, &first, sizeof first) ||
        !couplet_group_agree(g, first != program->plan_hash, NULL, &worst))
        return report_error(CODE_RANKS, g->fault);
    if (g->ranks > program->train->shards && g->ranks > 1)
        return report(CODE_RANKS,
                      "%d ranks were started, and the step has %lld shards: start as many at most",
                      g->ranks, (long long)program->train->shards);
    return !worst.status ||
           report(
               CODE_RANKS,
               "rank %d of %d has other machine code than rank 0: all need processors of one kind",
               worst.rank, g->ranks);
}

/* Times the steps. All ranks run the same steps at the same time, and rank 0 prints. */
static bool measure_steps(const Assembled *assembled, const Options *o, CoupletDevice *device,
                          CoupletThreads *threads) {
    char error[REPORT_BYTES] = "out of memory";
    StepTimes times = {0};
    Yardstick best = {0};
    device->group = o->group;
    if (device->is_host) best = yardstick_measure(threads);
    const bool good = step_measure(assembled->program, device, (int)(o->steps ? o->steps : 11),
                                   true, &times, error, sizeof error);
    if (good) {
        print_machine(device, &best, couplet_threads_count(threads));
        print_table(assembled->program->train, &times, &best, o->by_kernel);
        print_waits(assembled->program->train, &times, o->group);
    } else {
        report_error(CODE_RUN_STOPPED, error);
    }
    free(times.kernels);
    free(times.waits);
    return good;
}

static int profile(Arena *arena, const Options *o) {
    Assembled assembled;
    DeviceChoice choice;
    if (!device_choose(o->device, false, &choice)) return 2;
    if (!assemble_spec(arena, o, o->file, &choice, &assembled)) return 1;
    CoupletThreads *threads = couplet_threads_new(couplet_threads_for(o->group, (int)o->threads));
    CoupletDevice *device = device_open(arena, &choice, threads);
    const bool good = device && compare_ranks(assembled.program, o->group) &&
                      measure_steps(&assembled, o, device, threads);
    couplet_device_free(device);
    couplet_threads_free(threads);
    backend_free(&assembled.code);
    return good ? 0 : 1;
}

static int profile_on(CoupletGroup *group, int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "profile",
                     "set data seed threads steps memory shards by-kernel device", argc, argv)) {
        o.group = group;
        if (!o.shards) o.shards = options_shards_for(group->ranks);
        status = profile(arena, &o);
    }
    arena_free(arena);
    return status;
}

int profile_command(int argc, char **argv) {
    CoupletGroup *group = trained_join();
    return group ? couplet_group_leave(group, profile_on(group, argc, argv)) : 1;
}
