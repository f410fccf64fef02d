/* couplet grad: computes value and gradients of one function on given arrays. Kernels compiled for
 * the CPU or an OpenCL device compute them in float32, and the reference evaluator in float64
 * (--device reference). */
#include "compiler/cpu/cpu.h"
#include "compiler/driver/assemble.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/function_bench.h"
#include "compiler/driver/load.h"
#include "compiler/driver/print_after.h"
#include "compiler/driver/report.h"
#include "compiler/driver/whole_numbers.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"
#include "runtime/npy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef const double *(*OutputReader)(void *run, const Graph *g, int output);

static const double *read_reference(void *run, const Graph *g, int output) {
    return reference_value(run, g->outputs.items[output].node);
}

static bool write_gradients(Arena *arena, const Graph *g, OutputReader read, void *run,
                            const char *out) {
    char error[REPORT_BYTES];
    if (mkdir(out, 0777) != 0 && errno != EEXIST) {
        report(CODE_OUTPUT, "the folder `%s` cannot be made: %s", out, strerror(errno));
        return false;
    }
    for (int i = 0; i < g->outputs.count; i++) {
        const GOutput *output = &g->outputs.items[i];
        if (strncmp(output->name, "grad_", 5) != 0) continue;
        const char *path = arena_printf(arena, "%s/%s.npy", out, output->name);
        if (!couplet_npy_write_f32(path, read(run, g, i), output->node->rank, output->node->shape,
                                   error, sizeof error)) {
            report_error(CODE_RUN_STOPPED, error);
            return false;
        }
    }
    return true;
}

static double output_value(const Graph *g, OutputReader read, void *run) {
    double value = 0;
    for (int i = 0; i < g->outputs.count; i++)
        if (strcmp(g->outputs.items[i].name, "value") == 0) value = *read(run, g, i);
    return value;
}

/* Prints a number. The sign of a NaN is left out, because it is accidental. */
static void show_value(double value) {
    if (isnan(value))
        printf("value: nan\n");
    else
        printf("value: %.17g\n", value);
}

/* Prints the value and writes the gradients. Returns the exit status. */
static int show_result(const Options *options, const Graph *g, OutputReader read, void *run) {
    show_value(output_value(g, read, run));
    return options->out && !write_gradients(g->arena, g, read, run, options->out) ? 1 : 0;
}

/* Reports the fault that stopped the run. If `value` is not NULL, reports a result that is not
 * finite: the value is printed, gradients are not written, and the message says where the first
 * such number arose and which file has one. */
static int report_fault(const Options *options, const FunctionArrays *arrays,
                        const CoupletFault *fault, const double *value) {
    char text[2048];
    if (value) show_value(*value);
    couplet_fault_text(fault, NULL, text, sizeof text);
    report_error(CODE_RUN_FAULT, text);
    const char *bad = value ? arrays_not_finite(arrays, options) : NULL;
    if (bad) report_note("%s", bad);
    if (value && options->out) report_note("no gradient is written");
    return 1;
}

static CoupletFault fault_of(const CoupletFinding *found) {
    return (CoupletFault){.sentence = found->sentence,
                          .source = found->place,
                          .inner = found->inner[0] ? found->inner : NULL,
                          .advice = found->advice,
                          .kind = found->kind,
                          .input = -1};
}

static bool outputs_are_finite(const Reference *run, const Graph *g) {
    for (int i = 0; i < g->outputs.count; i++) {
        const GNode *n = g->outputs.items[i].node;
        const double *values = reference_value(run, n);
        for (int64_t k = 0; k < graph_element_count(n); k++)
            if (!isfinite(values[k])) return false;
    }
    return true;
}

static int evaluate_reference(const Options *options, const Graph *g, Diag *diag,
                              FunctionArrays *arrays) {
    Reference *run = reference_run(g, arrays_find, arrays);
    if (!run) {
        report(CODE_MEMORY, "out of memory");
        return 1;
    }
    Span span;
    CoupletFinding found;
    char name[300];
    char whole[1024];
    int status = 1;
    const char *sentence = reference_fault(run, &span);
    if (!sentence && outputs_are_finite(run, g)) {
        status = show_result(options, g, read_reference, run);
    } else if (reference_explain(run, &found, name, sizeof name)) {
        CoupletFault fault = fault_of(&found);
        snprintf(whole, sizeof whole, "%s%s%s", found.sentence, name[0] ? ", and ends in " : "",
                 name);
        fault.sentence = whole;
        const double value = sentence ? 0 : output_value(g, read_reference, run);
        report_fault(options, arrays, &fault, sentence ? NULL : &value);
    } else {
        diag_report(diag, CODE_RUN_FAULT, span, "%s",
                    sentence ? sentence : "a result is not finite");
        report_messages(diag);
    }
    reference_free(run);
    return status;
}

/* ---- compiled kernels ------------------------------------------------------------------------ */

typedef struct KernelOutputs {
    Arena *arena;
    const CoupletRun *run;
} KernelOutputs;

static const double *read_kernels(void *context, const Graph *g, int output) {
    KernelOutputs *outputs = context;
    const float *values = couplet_run_output(outputs->run, g->outputs.items[output].name);
    int64_t count = graph_element_count(g->outputs.items[output].node);
    double *wide = arena_array(outputs->arena, double, count);
    for (int64_t i = 0; i < count; i++)
        wide[i] = (double)values[i];
    return wide;
}

static int run_kernels(Arena *arena, const Options *options, const Graph *g,
                       const CoupletPlan *plan, CoupletRun *run, CoupletThreads *threads,
                       CoupletDevice *device, FunctionArrays *arrays) {
    CoupletFault fault;
    KernelOutputs outputs = {arena, run};
    void **inputs = arrays_narrow(arrays, g, plan);
    if (!couplet_run_steps(run, inputs, NULL, &fault))
        return report_fault(options, arrays, &fault, NULL);
    const double value = output_value(g, read_kernels, &outputs);
    if (!couplet_run_finite(run, &fault)) return report_fault(options, arrays, &fault, &value);
    int status = show_result(options, g, read_kernels, &outputs);
    const FunctionBench what = {options->fn, options->by_kernel, options->bench};
    if (status == 0 && device && (what.by_kernel || what.whole))
        status = bench_on_device(device, &what, plan, run, inputs) ? 0 : 1;
    if (status == 0 && !device) {
        bench(&what, plan, run, threads, inputs);
    }
    return status;
}

static int evaluate_on_host(Arena *arena, const Options *options, Graph *g, const BackEndCode *code,
                            FunctionArrays *arrays) {
    CoupletThreads *threads = couplet_threads_new(options->threads ? (int)options->threads
                                                  : options->bench ? 0
                                                                   : 1);
    CoupletRun *run = couplet_run_new(code->plans[0], threads);
    const int status =
        run ? run_kernels(arena, options, g, code->plans[0], run, threads, NULL, arrays) : 1;
    if (!run) report_error(CODE_RUN_STOPPED, "out of memory");
    couplet_run_free(run);
    couplet_threads_free(threads);
    return status;
}

static int evaluate_on_device(Arena *arena, const Options *options, CoupletDevice *device, Graph *g,
                              const BackEndCode *code, FunctionArrays *arrays) {
    CoupletRun *run = couplet_run_on(device, code->plans[0]);
    const int status =
        run ? run_kernels(arena, options, g, code->plans[0], run, NULL, device, arrays) : 1;
    if (!run) report_error(CODE_RUN_STOPPED, device->fault.sentence);
    couplet_run_free(run);
    return status;
}

static int evaluate_graph(Arena *arena, const Options *options, const DeviceChoice *choice,
                          Graph *g, FunctionArrays *arrays) {
    if (choice->is_reference) return evaluate_reference(options, g, diag_new(arena), arrays);
    const GraphList list = {.graphs = &g, .count = 1};
    const bool is_host = choice->backend->is_host;
    const char *error = "out of memory";
    BackEndCode code = {0};
    CoupletDevice *device = is_host ? NULL : device_open(arena, choice, NULL);
    int status = 1;
    if (!is_host && !device) return status;
    if (!choice->backend->compile(arena, &list, choice->number, &code, &error))
        report_error(CODE_RUN_STOPPED, error);
    else if (is_host)
        status = evaluate_on_host(arena, options, g, &code, arrays);
    else
        status = evaluate_on_device(arena, options, device, g, &code, arrays);
    couplet_device_free(device);
    backend_free(&code);
    return status;
}

static int grad(Arena *arena, const Options *options) {
    FunctionArrays arrays = {.arena = arena};
    DeviceChoice choice;
    if (!print_after_exists(options->print_after) || !device_choose(options->device, true, &choice))
        return 2;
    if (!options->fn) {
        report(CODE_COMMAND_LINE, "--fn NAME says which function");
        return 2;
    }
    Diag *diag = diag_new(arena);
    Method *method = load_method(arena, diag, options->file, options);
    const PlanTarget target = device_target(arena, &choice);
    const CompileOptions watch = options_to_compile(arena, options, &target);
    const bool ready = method && arrays_read(&arrays, options);
    Graph *g = ready ? compile_function(arena, diag, method, options->fn, arrays.inputs,
                                        arrays.count, &watch)
                     : NULL;
    if (g) {
        print_after_place(arena, options->print_after, g, NULL, 0, &choice);
    }
    report_messages(diag);
    return g && arrays_fit_whole_numbers(&arrays, g)
               ? evaluate_graph(arena, options, &choice, g, &arrays)
               : 1;
}

int grad_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "grad",
                     "fn in set data out device print-after threads bench by-kernel memory shards "
                     "no-stream no-fuse",
                     argc, argv))
        status = grad(arena, &options);
    arena_free(arena);
    return status;
}
