/* Finds the arrays that steps give by a name, and writes those of the last step into the folder of
 * a run. Phases may give different arrays, so a program has the names of all its phases, each
 * once. */
#include "runtime/given.h"

#include "runtime/files.h"
#include "runtime/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Returns the name by which an output is given, or NULL if it is not given. */
static const char *given_name(const CoupletNamed *output) {
    const size_t length = strlen(COUPLET_GIVEN);
    return strncmp(output->name, COUPLET_GIVEN, length) == 0 ? output->name + length : NULL;
}

static bool gives(const CoupletPlan *plan, const char *output) {
    for (int i = 0; i < plan->output_count; i++)
        if (strcmp(plan->outputs[i].name, output) == 0) return true;
    return false;
}

static bool is_earlier(const CoupletProgram *p, int phase, const char *output) {
    for (int i = 0; i < phase; i++)
        if (gives(p->phases[i].train, output)) return true;
    return false;
}

const char *couplet_given(const CoupletProgram *program, int number, const CoupletBuffer **buffer) {
    for (int i = 0; i < program->phase_count; i++) {
        const CoupletPlan *plan = program->phases[i].train;
        for (int k = 0; k < plan->output_count; k++) {
            const char *name = given_name(&plan->outputs[k]);
            if (!name || is_earlier(program, i, plan->outputs[k].name) || number-- > 0) continue;
            if (buffer) *buffer = &plan->buffers[plan->outputs[k].buffer];
            return name;
        }
    }
    return NULL;
}

const CoupletNamed *couplet_given_output(const CoupletPlan *plan, const char *name) {
    for (int i = 0; i < plan->output_count; i++) {
        const char *given = given_name(&plan->outputs[i]);
        if (given && strcmp(given, name) == 0) return &plan->outputs[i];
    }
    return NULL;
}

static bool write_one(const CoupletRun *run, const CoupletPlan *plan, const CoupletNamed *output,
                      int64_t step, const char *folder, char *error, size_t error_bytes) {
    const CoupletBuffer *b = &plan->buffers[output->buffer];
    const void *entries = couplet_run_output(run, output->name);
    char name[COUPLET_PATH_BYTES];
    char path[COUPLET_PATH_BYTES];
    if (!entries) {
        snprintf(error, error_bytes, "what the step gives as `%s` cannot be read from the device",
                 given_name(output));
        return false;
    }
    if (snprintf(name, sizeof name, "%s-%" PRId64 ".npy", given_name(output), step) >=
        (int)sizeof name) {
        snprintf(error, error_bytes, "the name `%.60s..` is too long for a file",
                 given_name(output));
        return false;
    }
    return couplet_path_join(folder, name, path, error, error_bytes) &&
           couplet_npy_write(path, b->type == COUPLET_I32, entries, b->rank, b->shape, error,
                             error_bytes);
}

bool couplet_given_write(const CoupletRun *run, const CoupletPlan *plan, int64_t step,
                         const char *folder, char *error, size_t error_bytes) {
    char place[COUPLET_PATH_BYTES];
    bool good = couplet_path_join(folder, "given", place, error, error_bytes) &&
                couplet_folder_make(place, NULL, error, error_bytes);
    for (int i = 0; good && i < plan->output_count; i++)
        if (given_name(&plan->outputs[i]))
            good = write_one(run, plan, &plan->outputs[i], step, place, error, error_bytes);
    return good;
}
