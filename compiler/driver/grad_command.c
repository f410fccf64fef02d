/* couplet grad: value and gradients of one function on given arrays, by the float64 reference evaluator. */
#include "compiler/driver/load.h"
#include "compiler/lower/lower.h"
#include "compiler/reference/reference.h"
#include "runtime/npy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_INPUTS = 32 };

typedef struct Arrays {
    FunctionInput inputs[MAX_INPUTS];
    CoupletNpy files[MAX_INPUTS];
    int count;
} Arrays;

static bool read_inputs(const Options *options, Arrays *arrays) {
    char error[512];
    for (int i = 0; i < options->inputs.count + options->sets.count; i++) {
        if (arrays->count == MAX_INPUTS) {
            fprintf(stderr, "couplet grad: at most %d inputs are read\n", MAX_INPUTS);
            return false;
        }
        FunctionInput *input = &arrays->inputs[arrays->count];
        bool is_set = i >= options->inputs.count;
        const Setting *setting = is_set ? &options->sets.items[i - options->inputs.count] : &options->inputs.items[i];
        input->name = setting->name;
        if (is_set) {
            char *end;
            input->is_constant = true;
            input->value = strtod(setting->value, &end);
            if (*end || !*setting->value) {
                fprintf(stderr, "couplet grad: --set %s needs a number, and `%s` was given\n", setting->name, setting->value);
                return false;
            }
        } else {
            CoupletNpy *file = &arrays->files[arrays->count];
            if (!couplet_npy_read(setting->value, file, error, sizeof error)) {
                fprintf(stderr, "couplet grad: %s\n", error);
                return false;
            }
            input->type = file->is_integer ? GT_INT : GT_REAL;
            input->rank = file->rank;
            memcpy(input->shape, file->shape, sizeof *file->shape * (size_t)file->rank);
        }
        arrays->count++;
    }
    return true;
}

static const double *find_array(void *context, const GNode *node) {
    const Arrays *arrays = context;
    static const double zero[2] = {0, 0};
    for (int i = 0; i < arrays->count; i++)
        if (arrays->files[i].values && strcmp(arrays->inputs[i].name, node->name) == 0) return arrays->files[i].values;
    /* Run scalars of a function tried on its own: the first step of a run with seed 0. */
    return node->kind == GN_INPUT && node->rank == 0 ? zero : NULL;
}

static bool write_gradients(const Graph *g, const Reference *run, const char *out) {
    char path[4096], error[512];
    if (mkdir(out, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "couplet grad: the folder `%s` cannot be made: %s\n", out, strerror(errno));
        return false;
    }
    for (int i = 0; i < g->outputs.count; i++) {
        const GOutput *output = &g->outputs.items[i];
        if (strncmp(output->name, "grad_", 5) != 0) continue;
        snprintf(path, sizeof path, "%s/%s.npy", out, output->name);
        if (!couplet_npy_write_f32(path, reference_value(run, output->node), output->node->rank, output->node->shape, error, sizeof error)) {
            fprintf(stderr, "couplet grad: %s\n", error);
            return false;
        }
    }
    return true;
}

static int evaluate(Arena *arena, const Options *options, const Graph *g, Diag *diag, Arrays *arrays) {
    (void)arena;
    Reference *run = reference_run(g, find_array, arrays);
    if (!run) {
        fprintf(stderr, "couplet grad: out of memory\n");
        return 1;
    }
    Span span;
    int status = 1;
    const char *fault = reference_fault(run, &span);
    double value = fault ? 0 : *reference_output(run, "value");
    if (fault) {
        diag_error(diag, span, "%s", fault);
        diag_print(diag, stderr);
    } else {
        printf("value: %.17g\n", value);
        status = !options->out || write_gradients(g, run, options->out) ? 0 : 1;
        if (status == 0 && !isfinite(value)) {
            fprintf(stderr, "couplet grad: the value is not finite\n");
            status = 1;
        }
    }
    reference_free(run);
    return status;
}

int grad_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    Arrays arrays;
    memset(&arrays, 0, sizeof arrays);
    int status = 2;
    if (options_read(arena, &options, "grad", "fn in set out", argc, argv)) {
        status = 1;
        if (!options.fn) {
            fprintf(stderr, "couplet grad: --fn NAME says which function\n");
            status = 2;
        } else if (read_inputs(&options, &arrays)) {
            Diag *diag = diag_new(arena);
            Method *method = load_method(arena, diag, options.file, NULL, false);
            Graph *g = method ? lower_function(arena, diag, method, options.fn, arrays.inputs, arrays.count, NULL) : NULL;
            diag_print(diag, stderr);
            if (g) status = evaluate(arena, &options, g, diag_new(arena), &arrays);
        }
    }
    for (int i = 0; i < arrays.count; i++) couplet_npy_free(&arrays.files[i]);
    arena_free(arena);
    return status;
}
