/* Tests formulas and their gradients on several ranks, which are threads of this process. The
 * results have the same bits as on one rank, for any number of ranks and of their threads. Memory
 * is filled with NaN ahead of each run, so a rank that read rows which it does not have would be
 * noticed. A formula `faults_..` ends with the same fault on all ranks. With `opencl` each rank
 * opens an OpenCL device.
 *
 *     test_ranks [opencl] FILE.cpl [FUNCTION ..] */
#include "compiler/compile/compile.h"
#include "compiler/cpu/cpu.h"
#include "compiler/driver/load.h"
#include "compiler/opencl/opencl_compile.h"
#include "runtime/opencl/opencl.h"
#include "runtime/run.h"
#include "tests/runtime/group_threads.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

enum { MOST_INPUTS = 8, SHARDS = 8, MOST_RANKS = 8 };

static bool on_opencl;

typedef struct Case {
    Arena *arena;
    const Stmt *fn;
    FunctionInput inputs[MOST_INPUTS];
    void *data[MOST_INPUTS];
    int count;
    const CoupletPlan *plan;
    void **bound;             /* by the plan's input */
    void *whole[MOST_INPUTS]; /* by the plan's output: the result of one rank */
    char fault[900];          /* the fault on one rank; "": none */
    int threads;
    atomic_int failures;
} Case;

/* Returns the extent of a dimension. The number of rows is a multiple of the shards, and no two
 * axes are equal. Twice the number of rows fills whole blocks of a device's sweep in each shard. */
static int64_t extent_of(const Expr *dim) {
    enum { FEWER = 256 /* PoCL is slow */ };
    if (on_opencl && dim->kind == EXPR_NAME && strcmp(dim->name, "N") == 0) return FEWER;
    static const struct {
        const char *name;
        int64_t extent;
    } rows[] = {{"N", 768}, {"D", 40}, {"K", 24}, {"C", 6}, {"H", 10}, {"M", 18}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (dim->kind == EXPR_NAME && strcmp(dim->name, rows[i].name) == 0) return rows[i].extent;
    return (int64_t)dim->number;
}

static void make_input(Case *c, const Param *p) {
    FunctionInput *in = &c->inputs[c->count];
    int64_t size = 1;
    *in = (FunctionInput){.name = p->name,
                          .type = p->type->kind == KIND_REAL ? GT_REAL : GT_INT,
                          .rank = p->dim_count};
    for (int i = 0; i < in->rank; i++)
        size *= in->shape[i] = extent_of(p->dims[i]);
    float *reals = arena_alloc(c->arena, sizeof *reals * (size_t)size);
    int32_t *whole = arena_alloc(c->arena, sizeof *whole * (size_t)size);
    for (int64_t i = 0; i < size; i++) {
        reals[i] = (float)(0.9 * sin(1 + 1.7 * (double)i + 0.6 * c->count) + 1e-5 * (double)i);
        whole[i] = (int32_t)(i * 7 % 11 % 5);
    }
    c->data[c->count++] = in->type == GT_REAL ? (void *)reals : (void *)whole;
}

static void bind(Case *c) {
    static int32_t zero[2];
    c->bound = arena_array(c->arena, void *, c->plan->input_count + 1);
    for (int i = 0; i < c->plan->input_count; i++) {
        c->bound[i] = zero; /* for the inputs `seed` and `step` */
        for (int k = 0; k < c->count; k++)
            if (strcmp(c->inputs[k].name, c->plan->inputs[i].name) == 0) c->bound[i] = c->data[k];
    }
}

/* True if a formula `faults_..` ends with its fault, and all ranks report the fault that one rank
 * reports. */
static bool meets_its_fault(Case *c, const char *sentence) {
    const bool may = strncmp(c->fn->name, "faults_", 7) == 0;
    if (may && !*c->fault) snprintf(c->fault, sizeof c->fault, "%s", sentence);
    if (may && strcmp(c->fault, sentence) == 0) return true;
    printf("%s: %s, and one rank said: %s\n", c->fn->name, sentence, c->fault);
    return false;
}

static CoupletDevice *open_rank_device(CoupletThreads *threads) {
    char error[640];
    CoupletDevice *device =
        on_opencl ? couplet_opencl_open(0, getenv("COUPLET_CACHE"), error, sizeof error)
                  : couplet_host_device_new(threads);
    if (!device) printf("no device: %s\n", on_opencl ? error : "out of memory");
    return device;
}

static bool fill_with_nan(const Case *c, CoupletRun *run) {
    const int64_t bytes = run->part ? couplet_part_bytes(run->part) : c->plan->arena_bytes;
    void *nan = malloc((size_t)bytes + 1);
    memset(nan, 0xff, (size_t)bytes);
    const bool good = run->device->calls->write(run->device, run->arena, 0, nan, bytes) &&
                      run->device->calls->wait(run->device);
    free(nan);
    return good;
}

static bool run_on(Case *c, CoupletGroup *group, void (*take)(Case *, const CoupletRun *)) {
    CoupletFault fault;
    CoupletThreads *threads = couplet_threads_new(c->threads);
    CoupletDevice *device = open_rank_device(threads);
    if (!device) return false;
    device->group = group;
    CoupletRun *run = couplet_run_on(device, c->plan);
    bool good = run != NULL;
    /* The second run checks that nothing which the first one left in memory changes the result. */
    for (int again = 0; good && again < 2; again++)
        good = fill_with_nan(c, run) && couplet_run_steps(run, c->bound, NULL, &fault);
    if (good)
        take(c, run);
    else
        good = meets_its_fault(c, run ? fault.sentence : device->fault.sentence);
    couplet_run_free(run);
    couplet_device_free(device);
    couplet_threads_free(threads);
    return good;
}

static size_t output_bytes(const Case *c, int i) {
    return (size_t)couplet_buffer_bytes(&c->plan->buffers[c->plan->outputs[i].buffer]);
}

static void keep_outputs(Case *c, const CoupletRun *run) {
    for (int i = 0; i < c->plan->output_count; i++) {
        c->whole[i] = arena_alloc(c->arena, output_bytes(c, i));
        memcpy(c->whole[i], couplet_run_output(run, c->plan->outputs[i].name), output_bytes(c, i));
        const float first = *(const float *)c->whole[i];
        if (isfinite(first)) continue;
        c->failures++;
        printf("%s is not finite\n", c->plan->outputs[i].name);
    }
}

static void compare_ranks(Case *c, const CoupletRun *run) {
    for (int i = 0; i < c->plan->output_count; i++) {
        const char *name = c->plan->outputs[i].name;
        if (memcmp(couplet_run_output(run, name), c->whole[i], output_bytes(c, i)) == 0) continue;
        c->failures++;
        printf("%s: `%s` has other bits on %d ranks\n", c->fn->name, name,
               run->device->group->ranks);
    }
}

/* Compares the bytes that travelled in two runs with the bytes that the plan names. */
static void count_bytes(Case *c, const CoupletGroup *group) {
    int64_t bytes = 0;
    for (int i = 0; i < c->plan->exchange_count; i++)
        bytes +=
            2 * couplet_exchange_bytes(c->plan, &c->plan->exchanges[i], group->ranks, group->rank);
    if (group->sent_bytes == bytes || *c->fault) return;
    c->failures++;
    printf("%s: rank %d of %d sent %lld bytes, and the plan says %lld\n", c->fn->name, group->rank,
           group->ranks, (long long)group->sent_bytes, (long long)bytes);
}

static void work_of_rank(CoupletGroup *group, void *context) {
    Case *c = context;
    if (!run_on(c, group, compare_ranks)) c->failures++;
    count_bytes(c, group);
}

static int count_cut(const CoupletPlan *plan) {
    int cut = 0;
    for (int i = 0; i < plan->step_count; i++)
        cut += plan->steps[i].is_cut;
    return cut;
}

static void try_ranks(Case *c) {
    static const int counts[] = {2, 3, 5, 8};
    ThreadRank ranks[MOST_RANKS];
    c->threads = 1;
    if (!run_on(c, couplet_group_alone(), keep_outputs)) c->failures++;
    const size_t tried = on_opencl ? 2 : sizeof counts / sizeof *counts;
    for (size_t i = 0; i < tried && !c->failures; i++) {
        c->threads = 1 + (int)(i % 2);
        run_ranks(ranks, counts[i], 60, work_of_rank, c);
        for (int r = 0; r < counts[i]; r++) {
            if (!*ranks[r].fault) continue;
            c->failures++;
            printf("%s\n", ranks[r].fault);
        }
    }
}

/* Returns the arena of that of four ranks which needs most, in percent of the arena of one rank. */
static int64_t part_of_memory(const CoupletPlan *plan) {
    int64_t most = 0;
    for (int r = 0; r < 4; r++) {
        CoupletPart *part = couplet_part_new(plan, 4, r);
        if (couplet_part_bytes(part) > most) most = couplet_part_bytes(part);
        couplet_part_free(part);
    }
    return plan->arena_bytes ? 100 * most / plan->arena_bytes : 100;
}

/* Makes the plan of a graph. Returns false with a sentence. The caller frees the host's code. */
static bool make_plan(Case *c, Graph *g, CpuCode **code, const char **error) {
    const CpuOptions cpu = {NULL};
    const OpenclOptions opencl = {.has_products = couplet_opencl_has_products()};
    CoupletPlan *plan = NULL;
    int kernels;
    const bool good =
        on_opencl ? opencl_compile(c->arena, &g, 1, NULL, 0, &opencl, &plan, &kernels, error)
                  : (*code = cpu_compile(c->arena, &g, 1, NULL, 0, &cpu, &plan, error)) != NULL;
    c->plan = plan;
    return good;
}

static int try_function(Diag *diag, const Method *method, const Stmt *fn, int *all_cut,
                        int64_t *least) {
    Case c = {.arena = arena_new(), .fn = fn};
    const CompileOptions options = {.settings = {.shards = SHARDS, .stream_bytes = 1}};
    CpuCode *code = NULL;
    const char *error = "";
    for (int i = 0; i < fn->param_count && i < MOST_INPUTS; i++)
        make_input(&c, &fn->params[i]);
    Graph *g = compile_function(c.arena, diag, method, fn->name, c.inputs, c.count, &options);
    if (!g || !make_plan(&c, g, &code, &error)) {
        diag_print(diag, stdout);
        printf("%s: %s\n", fn->name, error);
        return 1;
    }
    bind(&c);
    try_ranks(&c);
    const int cut = count_cut(c.plan);
    *all_cut += cut;
    if (strncmp(fn->name, "faults_", 7) == 0 && !strstr(c.fault, "table")) {
        c.failures++;
        printf("%s: the fault is: %s\n", fn->name, c.fault);
    }
    const int64_t memory = part_of_memory(c.plan);
    if (memory < *least) *least = memory;
    printf("%s: %d of %d steps are cut, %d exchanges, %d %% of the memory on 4 ranks: %s\n",
           fn->name, cut, c.plan->step_count, c.plan->exchange_count, (int)memory,
           c.failures ? "FAILED" : "ok");
    const int failures = c.failures;
    if (code) cpu_free(code);
    arena_free(c.arena);
    return failures != 0;
}

/* True if a function was named by the command line, or if none was named. */
static bool is_meant(const char *name, int count, char **names) {
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return count == 0;
}

int main(int argc, char **argv) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    on_opencl = argc > 1 && strcmp(argv[1], "opencl") == 0;
    const int file = on_opencl ? 2 : 1;
    Method *method = argc > file ? load_method(arena, diag, argv[file], NULL) : NULL;
    int failed = 0;
    int cut = 0;
    int64_t least = 100;
    if (!method || diag_error_count(diag)) {
        diag_print(diag, stdout);
        return 1;
    }
    for (int i = 0; i < method->spec->stmt_count; i++)
        if (method->spec->stmts[i]->kind == STMT_FN &&
            is_meant(method->spec->stmts[i]->name, argc - file - 1, argv + file + 1))
            failed += try_function(diag, method, method->spec->stmts[i], &cut, &least);
    arena_free(arena);
    if (!cut) printf("no step is cut\n");
    /* A device's memory holds all rows on each rank. */
    const bool is_large = least > 40 && !on_opencl;
    if (is_large) printf("no formula takes less memory on four ranks\n");
    return failed || !cut || is_large;
}
