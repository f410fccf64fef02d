/* Makes the views of chosen rows, as a training step makes them at the same seed and step. The
 * method is lowered up to its views (lower_views), and that graph is run once in a session of its
 * own. */
#include "compiler/driver/view_run.h"

#include "compiler/driver/assemble.h"
#include "compiler/driver/report.h"
#include "runtime/executor.h"
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ViewRunInside {
    Assembled assembled;
    CoupletThreads *threads;
    CoupletDevice *device;
    CoupletSession *session;
    CoupletRun *run;
    void **inputs, **made; /* `made` has those of the inputs that must be freed */
    int input_count;
} ViewRunInside;

static bool memory_is_out(void) {
    return report(CODE_RUN_STOPPED, "out of memory for the views");
}

/* ---- what the plan reads --------------------------------------------------------------------- */

static void copy_row(const CoupletTable *t, int field, int64_t place, char *to) {
    const int64_t bytes = couplet_field_bytes(&t->fields[field]);
    memcpy(to, (const char *)t->columns[field] + couplet_table_origin(t, place) * bytes,
           (size_t)bytes);
}

/* Fills an array whose row i is row i of the batch. For the field "index" it holds the positions of
 * the rows themselves. Without `rows` the array has every chosen row, in order. */
static bool fill_rows(const CoupletTable *t, const char *field, const int32_t *rows, int row_count,
                      int64_t count, char *out) {
    const bool is_index = strcmp(field, "index") == 0;
    int number = 0;
    if (!is_index && !couplet_table_field(t, field, &number))
        return report(CODE_DATA, "%s has no field `%s`", t->name, field);
    const int64_t bytes = is_index ? 4 : couplet_field_bytes(&t->fields[number]);
    for (int64_t i = 0; i < count; i++) {
        const int32_t place = rows ? rows[i % row_count] : (int32_t)i;
        if (is_index)
            memcpy(out + i * bytes, &place, sizeof place);
        else
            copy_row(t, number, place, out + i * bytes);
    }
    return true;
}

/* Takes apart the name of an input, such as "train.image" or "train.all.image". Returns the number
 * of the source, or -1 if the input is no field of one. */
static int find_source(const DataSets *sets, const char *input, const char **field, bool *all) {
    for (int i = 0; i < sets->count; i++) {
        const size_t length = strlen(sets->items[i].name);
        if (strncmp(input, sets->items[i].name, length) != 0 || input[length] != '.') continue;
        *field = input + length + 1;
        *all = strncmp(*field, "all.", 4) == 0;
        if (*all) *field += 4;
        return i;
    }
    return -1;
}

static bool fill_input(const DataSets *sets, const CoupletPlan *plan, int number,
                       int32_t *const *rows, const int *row_counts, ViewRunInside *in) {
    const CoupletBuffer *buffer = &plan->buffers[plan->inputs[number].buffer];
    const char *field = NULL;
    bool all = false;
    const int source = find_source(sets, plan->inputs[number].name, &field, &all);
    if (source < 0)
        return report(CODE_RUN_STOPPED, "the views read `%s`, which is no field of the data",
                      plan->inputs[number].name);
    const int64_t bytes = couplet_buffer_count(buffer) * couplet_type_bytes(buffer->type);
    in->inputs[number] = in->made[number] = couplet_host_memory(bytes + 64);
    if (!in->made[number]) return memory_is_out();
    return fill_rows(&sets->items[source].table, field, all ? NULL : rows[source],
                     row_counts[source], buffer->shape[0], in->made[number]);
}

static bool fill_inputs(const DataSets *sets, const CoupletPlan *plan, int32_t *const *rows,
                        const int *row_counts, ViewRunInside *in) {
    in->input_count = plan->input_count;
    in->inputs = calloc((size_t)plan->input_count + 1, sizeof *in->inputs);
    in->made = calloc((size_t)plan->input_count + 1, sizeof *in->made);
    if (!in->inputs || !in->made) return memory_is_out();
    couplet_session_scalars(in->session, plan, in->inputs);
    for (int i = 0; i < plan->input_count; i++)
        if (!in->inputs[i] && !fill_input(sets, plan, i, rows, row_counts, in)) return false;
    return true;
}

/* ---- the step -------------------------------------------------------------------------------- */

/* Sets the position of the step in its run, so that schedules have their values. */
static void set_clock(const DataSets *sets, const CoupletProgram *program, const Options *o,
                      CoupletSession *session) {
    const int64_t rows =
        program->train_source >= 0 ? sets->items[program->train_source].table.count : 0;
    const int64_t per_epoch =
        program->batch > 0 && rows >= program->batch ? rows / program->batch : 1;
    session->step = o->step;
    session->epoch = o->step / per_epoch;
    session->total_steps = (int64_t)ceil(program->epochs * (double)per_epoch);
    if (session->total_steps <= session->step) {
        session->total_steps = session->step + 1;
    }
}

static bool open_session(const DataSets *sets, const Options *o, ViewRunInside *in) {
    char error[REPORT_BYTES] = "out of memory, or of threads, for the views";
    in->threads = couplet_threads_new((int)o->threads);
    in->device = in->threads ? couplet_host_device_new(in->threads) : NULL;
    in->session = in->device ? couplet_session_new(in->assembled.program, in->device, in->threads,
                                                   (uint64_t)o->seed, error, sizeof error)
                             : NULL;
    if (!in->session) return report_error(CODE_RUN_STOPPED, error);
    set_clock(sets, in->assembled.program, o, in->session);
    return true;
}

static bool run_step(const CoupletPlan *plan, ViewRunInside *in) {
    CoupletFault fault;
    char text[2048];
    in->run = couplet_run_on(in->device, plan);
    if (!in->run) return memory_is_out();
    if (couplet_run_steps(in->run, in->inputs, in->session->states, &fault)) return true;
    couplet_fault_text(&fault, NULL, text, sizeof text);
    return report_error(CODE_RUN_STOPPED, text);
}

static void take_view(DataSets *sets, const CoupletPlan *plan, const LoweredView *view,
                      ViewRun *out) {
    const char *name = arena_printf(sets->arena, "view %s", view->name);
    const CoupletBuffer *buffer = couplet_plan_output(plan, name);
    const void *data = buffer ? couplet_run_output(out->inside->run, name) : NULL;
    const int front = view->copies ? 2 : 1;
    /* the view belongs to another phase, whose plan was not run */
    if (!data || buffer->rank < front) return;
    MadeView made = {.view = view,
                     .type = buffer->type,
                     .rank = buffer->rank - front,
                     .data = data,
                     .batch = buffer->shape[front - 1]};
    memcpy(made.shape, buffer->shape + front, (size_t)made.rank * sizeof *made.shape);
    array_push(sets->arena, &out->views, made);
}

static LoweredProgram *lower(DataSets *sets, const Options *o) {
    Diag *diag = diag_new(sets->arena);
    const CompileOptions options = {.settings = {.no_stream = o->no_stream, .no_fuse = o->no_fuse}};
    LoweredProgram *lowered =
        compile_method(sets->arena, diag, sets->method, METHOD_VIEWS, &options);
    report_messages(diag);
    return lowered;
}

bool view_run(DataSets *sets, const Options *o, int32_t *const *rows, const int *row_counts,
              ViewRun *out) {
    static const DeviceChoice host = {.backend = &cpu_backend};
    *out = (ViewRun){.train_source = -1};
    LoweredProgram *lowered = lower(sets, o);
    if (!lowered) return false;
    out->train_source = lowered->train_source;
    if (lowered->shown.count == 0) return true;
    ViewRunInside *in = out->inside = calloc(1, sizeof *in);
    if (!in) return memory_is_out();
    if (!assemble_lowered(sets->arena, o, sets->method, lowered, &host, &in->assembled) ||
        !open_session(sets, o, in))
        return false;
    const CoupletPlan *plan =
        couplet_program_phase(in->assembled.program, 0, in->session->epoch, in->session->step)
            ->train;
    if (!fill_inputs(sets, plan, rows, row_counts, in) || !run_step(plan, in)) return false;
    for (int i = 0; i < lowered->shown.count; i++)
        take_view(sets, plan, &lowered->shown.items[i], out);
    return true;
}

void view_run_free(ViewRun *out) {
    ViewRunInside *in = out->inside;
    if (!in) return;
    couplet_run_free(in->run);
    couplet_session_free(in->session);
    couplet_device_free(in->device);
    couplet_threads_free(in->threads);
    backend_free(&in->assembled.code);
    for (int i = 0; in->made && i < in->input_count; i++)
        free(in->made[i]);
    free(in->made);
    free(in->inputs);
    free(in);
    out->inside = NULL;
}
