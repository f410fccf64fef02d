/* The part of backends.c that runs in the binary. It is linked with the runtime and a program
 * written ahead of time, and runs every plan of the program's features on two threads. It includes
 * nothing of the compiler.
 *
 *     program IN OUT */
#include "runtime/executor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const CoupletProgram couplet_differ;

static void *receive_array(FILE *in) {
    int64_t bytes = 0;
    if (fread(&bytes, sizeof bytes, 1, in) != 1) return NULL;
    void *data = calloc(1, (size_t)bytes + 64);
    if (data && fread(data, 1, (size_t)bytes, in) == (size_t)bytes) return data;
    free(data);
    return NULL;
}

static void write_value(FILE *out, const CoupletBuffer *b, const void *value) {
    fwrite(value, 1, (size_t)(couplet_buffer_count(b) * couplet_type_bytes(b->type)), out);
}

static bool write_result(FILE *out, const CoupletPlan *plan, CoupletRun *run, void *const *inputs,
                         void *const *states) {
    CoupletFault fault = {.sentence = "out of memory", .source = ""};
    char sentence[256] = "";
    bool good = run && couplet_run_steps(run, inputs, states, &fault);
    if (!good) snprintf(sentence, sizeof sentence, "%s", fault.sentence);
    fwrite(sentence, sizeof sentence, 1, out);
    for (int i = 0; good && i < plan->output_count; i++)
        write_value(out, &plan->buffers[plan->outputs[i].buffer],
                    couplet_run_output(run, plan->outputs[i].name));
    for (int i = 0; good && i < plan->commit_count; i++)
        write_value(out, &plan->buffers[plan->commits[i].value], couplet_run_commit_value(run, i));
    return !ferror(out);
}

static void free_all(void **arrays, int count) {
    for (int i = 0; arrays && i < count; i++)
        free(arrays[i]);
    free(arrays);
}

static bool run_plan(FILE *in, FILE *out, const CoupletPlan *plan, CoupletThreads *threads) {
    void **inputs = calloc((size_t)plan->input_count + 1, sizeof *inputs);
    void **states = calloc((size_t)couplet_differ.state_count + 1, sizeof *states);
    int64_t count = 0;
    int64_t slot;
    bool good = inputs && states;
    for (int i = 0; good && i < plan->input_count; i++)
        good = (inputs[i] = receive_array(in)) != NULL;
    good = good && fread(&count, sizeof count, 1, in) == 1;
    for (int64_t i = 0; good && i < count; i++)
        good = fread(&slot, sizeof slot, 1, in) == 1 && slot < couplet_differ.state_count &&
               (states[slot] = receive_array(in)) != NULL;
    CoupletRun *run = good ? couplet_run_new(plan, threads) : NULL;
    good = good && write_result(out, plan, run, inputs, states);
    couplet_run_free(run);
    free_all(inputs, plan->input_count);
    free_all(states, couplet_differ.state_count);
    return good;
}

int main(int argc, char **argv) {
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
    FILE *out = argc == 3 ? fopen(argv[2], "wb") : NULL;
    CoupletThreads *threads = couplet_threads_new(2);
    bool good = in && out && threads;
    for (int i = 0; good && i < couplet_differ.feature_count; i++)
        good = run_plan(in, out, couplet_differ.features[i], threads);
    couplet_threads_free(threads);
    if (in) fclose(in);
    if (out && fclose(out) != 0) good = false;
    return !good;
}
