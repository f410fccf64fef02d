/* Gives a plan's buffers their memory and runs its steps in order on a device. results.c checks and
 * commits the results, and explain.c finds out what stopped a run. The three files share run.h.
 *
 * All memory is allocated when the run is made. On the host, inputs and states are read in place.
 * Another device gets the inputs sent, or gathers rows of inputs in its memory by their numbers. */
#include "runtime/run.h"

#include "runtime/clock.h"
#include "runtime/packed.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

int64_t couplet_buffer_bytes(const CoupletBuffer *b) {
    return couplet_buffer_count(b) * couplet_type_bytes(b->type);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Returns the bytes for those values to be committed that are states themselves, such as a state
 * that is copied into another. They are copied before any state is written. */
static int64_t staging_bytes(const CoupletPlan *plan) {
    int64_t bytes = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *value = &plan->buffers[plan->commits[i].value];
        if (value->place == COUPLET_IN_STATE) {
            bytes += couplet_buffer_bytes(value);
        }
    }
    return bytes;
}

static int64_t tables_bytes(const CoupletPlan *plan) {
    int64_t bytes = 0;
    for (int i = 0; i < plan->buffer_count; i++)
        if (plan->buffers[i].packed_bytes)
            bytes += couplet_device_round(couplet_buffer_bytes(&plan->buffers[i]));
    return bytes;
}

int64_t couplet_run_bytes(const CoupletPlan *plan) {
    return couplet_device_round(plan->arena_bytes) + couplet_device_round(staging_bytes(plan)) +
           couplet_device_round(tables_bytes(plan));
}

/* Unpacks a table to `at`. On the host, `at` becomes the memory of its buffer. Another device gets
 * a copy. */
static bool unpack_table(CoupletRun *run, int number, char *at) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    CoupletDevice *d = run->device;
    if (!couplet_words_unpack(b->constant, b->packed_bytes, (int32_t *)(void *)at,
                              couplet_buffer_count(b)))
        return couplet_device_fail(d, COUPLET_FAULT_DEVICE, -1,
                                   "a table of the program is damaged");
    if (d->is_host) run->places[number] = at;
    return d->is_host || d->calls->write(d, run->places[number], 0, at, couplet_buffer_bytes(b));
}

/* Unpacks all tables, into memory that the run keeps if the device is the host. */
static bool unpack_all(CoupletRun *run) {
    CoupletDevice *d = run->device;
    int64_t bytes = tables_bytes(run->plan);
    int64_t at = 0;
    if (bytes == 0) return true;
    char *tables = d->is_host ? d->calls->allocate(d, bytes) : malloc((size_t)bytes);
    bool good = tables != NULL;
    for (int i = 0; good && i < run->plan->buffer_count; i++) {
        if (!run->plan->buffers[i].packed_bytes) continue;
        good = unpack_table(run, i, tables + at);
        at += couplet_device_round(couplet_buffer_bytes(&run->plan->buffers[i]));
    }
    if (d->is_host)
        run->tables = tables;
    else
        good = good && d->calls->wait(d);
    if (!d->is_host) free(tables);
    return good;
}

/* True for a buffer that is an allocation of its own on a device other than the host. Others are
 * parts of the arena. */
static bool is_separate(const CoupletBuffer *b) {
    return b->place == COUPLET_IN_CONST || (b->place == COUPLET_IN_INPUT && b->offset < 0);
}
static bool is_part(const CoupletDevice *d, const CoupletBuffer *b) {
    return b->place == COUPLET_IN_ARENA ||
           (!d->is_host && b->place == COUPLET_IN_INPUT && b->offset >= 0);
}

/* Returns the memory of a buffer. A rank holds only its own shards of buffers in rows, at offsets
 * of its own (runtime/part.c). */
static void *part_of_arena(CoupletRun *run, const CoupletBuffer *b) {
    const int64_t offset = run->part ? couplet_part_offset(run->part, b) : b->offset;
    return run->device->calls->part(run->device, run->arena, offset, couplet_buffer_bytes(b));
}

/* Gives a buffer its memory: a part of the arena, the constant of the program or, on another
 * device, an allocation of its own. A state has none here. Returns false if there is no room. */
static bool place_buffer(CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    CoupletDevice *d = run->device;
    void **place = &run->places[number];
    if (b->place == COUPLET_NOWHERE) return true;
    if (is_part(d, b)) return (*place = part_of_arena(run, b)) != NULL;
    if (d->is_host) {
        if (b->place == COUPLET_IN_CONST && !b->packed_bytes)
            *place = (void *)(uintptr_t)b->constant;
        return true;
    }
    if (!is_separate(b)) return true;
    *place = d->calls->allocate(d, couplet_buffer_bytes(b));
    if (*place && b->place == COUPLET_IN_CONST && !b->packed_bytes)
        return d->calls->write(d, *place, 0, b->constant, couplet_buffer_bytes(b));
    return *place != NULL;
}

static bool begin_ranks(CoupletRun *run) {
    CoupletDevice *d = run->device;
    if (!couplet_ranks_cut(d, run->plan)) return true;
    if (d->is_host) run->part = couplet_part_new(run->plan, d->group->ranks, d->group->rank);
    return ((run->part || !d->is_host) && (run->exchanges = couplet_exchanges_new(d, run->plan))) ||
           couplet_device_fail(d, COUPLET_FAULT_MEMORY, -1,
                               "out of memory for what ranks hand to each other");
}

static int64_t arena_bytes(const CoupletRun *run) {
    return run->part ? couplet_part_bytes(run->part) : run->plan->arena_bytes;
}

CoupletRun *couplet_run_on(CoupletDevice *device, const CoupletPlan *plan) {
    CoupletRun *run = calloc(1, sizeof *run);
    if (!run) return NULL;
    run->plan = plan;
    run->device = device;
    run->places = calloc((size_t)plan->buffer_count + 1, sizeof *run->places);
    run->copies = calloc((size_t)plan->buffer_count + 1, sizeof *run->copies);
    run->feeds = calloc((size_t)plan->input_count + 1, sizeof *run->feeds);
    bool good = run->places && run->copies && run->feeds && begin_ranks(run);
    good = good && (run->arena = device->calls->allocate(device, arena_bytes(run))) &&
           (run->staging = device->calls->allocate(device, staging_bytes(plan)));
    for (int i = 0; good && i < plan->buffer_count; i++)
        good = place_buffer(run, i);
    good = good && unpack_all(run);
    if (good && device->calls->prepare(device, plan, &run->code) && device->calls->wait(device))
        return run;
    couplet_run_free(run);
    return NULL;
}

CoupletRun *couplet_run_new(const CoupletPlan *plan, CoupletThreads *threads) {
    CoupletDevice *host = couplet_host_device_new(threads);
    CoupletRun *run = host ? couplet_run_on(host, plan) : NULL;
    if (run)
        run->own_device = host;
    else
        couplet_device_free(host);
    return run;
}

static void release_places(CoupletRun *run) {
    CoupletDevice *d = run->device;
    for (int i = 0; run->feeds && i < run->plan->input_count; i++) {
        if (run->feeds[i].numbers) {
            d->calls->release(d, run->feeds[i].numbers);
        }
        /* The memory is the caller's, and is not released here. */
        if (run->feeds[i].kind == FEED_RESIDENT) {
            run->places[run->plan->inputs[i].buffer] = NULL;
        }
    }
    for (int i = 0; i < run->plan->buffer_count; i++) {
        const CoupletBuffer *b = &run->plan->buffers[i];
        if (!run->places[i]) continue;
        if (is_part(d, b))
            d->calls->drop(d, run->places[i]);
        else if (!d->is_host)
            d->calls->release(d, run->places[i]);
    }
}

void couplet_run_free(CoupletRun *run) {
    if (!run) return;
    CoupletDevice *d = run->device;
    if (run->code) d->calls->forget(d, run->code);
    if (run->places) release_places(run);
    for (int i = 0; run->copies && i < run->plan->buffer_count; i++)
        free(run->copies[i]);
    if (run->tables) d->calls->release(d, run->tables);
    if (run->staging) d->calls->release(d, run->staging);
    if (run->arena) d->calls->release(d, run->arena);
    free(run->places);
    free(run->copies);
    free(run->feeds);
    couplet_exchanges_free(run->exchanges);
    couplet_part_free(run->part);
    couplet_device_free(run->own_device);
    free(run);
}

void *couplet_run_memory(const CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (b->place == COUPLET_IN_STATE) return run->states[b->slot];
    if (b->place == COUPLET_IN_INPUT && run->device->is_host) return run->inputs[b->slot];
    return run->places[number];
}

const void *couplet_run_on_host(const CoupletRun *run, int number) {
    CoupletDevice *d = run->device;
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (d->is_host) return couplet_run_memory(run, number);
    if (b->place == COUPLET_IN_INPUT && run->feeds[b->slot].kind == FEED_ARRAY)
        return run->inputs[b->slot];
    int64_t bytes = couplet_buffer_bytes(&run->plan->buffers[number]);
    if (!run->copies[number]) {
        run->copies[number] = malloc((size_t)bytes + 1);
    }
    if (!run->copies[number])
        couplet_device_fail(d, COUPLET_FAULT_MEMORY, -1,
                            "out of memory for a result of %.1f MB on the host",
                            (double)bytes / 1e6);
    else if (d->calls->read(d, run->copies[number], couplet_run_memory(run, number), 0, bytes))
        return run->copies[number];
    return NULL;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool can_be_explained(CoupletFaultKind kind) {
    return kind >= COUPLET_FAULT_INDEX && kind <= COUPLET_FAULT_WHOLE;
}

bool couplet_run_fail(CoupletRun *run, CoupletFault *fault) {
    const CoupletDeviceFault *met = &run->device->fault;
    *fault = (CoupletFault){.sentence = met->sentence,
                            .source = met->step >= 0 ? run->plan->steps[met->step].source
                                                     : run->device->name,
                            .kind = met->kind,
                            .input = -1};
    if (met->step < 0 || !can_be_explained(met->kind) || !couplet_run_explain_fault(run, met->step))
        return false;
    const CoupletFinding *found = &run->finding;
    fault->sentence = found->sentence;
    if (found->place[0]) fault->source = found->place;
    if (found->inner[0]) fault->inner = found->inner;
    fault->advice = found->advice;
    return false;
}

/* Hands the arrays of a step to the watch. Returns false if one cannot be brought to the host. */
static bool show_step(CoupletRun *run, int number) {
    void *arrays[COUPLET_MAX_KERNEL_BUFFERS];
    const CoupletStep *step = &run->plan->steps[number];
    for (int b = 0; b < step->buffer_count; b++) {
        arrays[b] = (void *)(uintptr_t)couplet_run_on_host(run, step->buffers[b]);
        if (!arrays[b]) return false;
    }
    run->watch(run->watch_context, number, arrays);
    return true;
}

bool couplet_run_launch_steps(CoupletRun *run, int first, int count) {
    CoupletDevice *d = run->device;
    void *buffers[COUPLET_MAX_ABREAST * COUPLET_MAX_KERNEL_BUFFERS];
    int at = 0;
    for (int i = first; i < first + count; i++) {
        const CoupletStep *step = &run->plan->steps[i];
        for (int b = 0; b < step->buffer_count; b++)
            buffers[at++] = couplet_run_memory(run, step->buffers[b]);
    }
    return d->calls->launch(d, run->plan, run->code, first, count, buffers);
}

/* Divides the time of a launch among its steps, in proportion to their bytes, because the steps of
 * one launch are small or limited by memory. */
static void share_time(CoupletRun *run, int first, int count, double milliseconds) {
    const CoupletStep *steps = run->plan->steps + first;
    double bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += steps[i].bytes;
    for (int i = 0; i < count; i++)
        run->milliseconds[first + i] +=
            count == 1 || bytes <= 0 ? milliseconds / count : milliseconds * steps[i].bytes / bytes;
}

/* Runs one launch. Notes its time for a profile, and shows the step to the watch. */
static bool run_launch(CoupletRun *run, int first, int count) {
    double start = run->milliseconds ? 1e3 * couplet_seconds() : 0;
    if (!couplet_run_launch_steps(run, first, count)) return false;
    if (run->milliseconds) {
        if (!run->device->calls->wait(run->device)) return false;
        share_time(run, first, count, 1e3 * couplet_seconds() - start);
    }
    return !run->watch || show_step(run, first);
}

/* Returns the number of steps, from this one on, that are launched together. Under a watch each
 * step is launched alone, since its arrays are looked at afterwards. */
static int launch_size(const CoupletRun *run, int first) {
    const int count = run->plan->steps[first].abreast;
    return count > 1 && !run->watch ? count : 1;
}

int64_t couplet_run_row_bytes(const CoupletBuffer *value) {
    return couplet_buffer_bytes(value) / (value->shape[0] ? value->shape[0] : 1);
}

static bool send_input(CoupletRun *run, int input) {
    CoupletDevice *d = run->device;
    int number = run->plan->inputs[input].buffer;
    const CoupletBuffer *b = &run->plan->buffers[number];
    const Feed *feed = &run->feeds[input];
    switch (feed->kind) {
    case FEED_RESIDENT:
        return true;
    case FEED_ROWS:
        return d->calls->write(d, feed->numbers, 0, run->inputs[input],
                               b->shape[0] * (int64_t)sizeof(int32_t)) &&
               d->calls->gather_rows(d, run->places[number], feed->table, feed->numbers,
                                     b->shape[0], couplet_run_row_bytes(b));
    default:
        return d->calls->write(d, run->places[number], 0, run->inputs[input],
                               couplet_buffer_bytes(b));
    }
}

bool couplet_run_send_inputs(CoupletRun *run) {
    for (int i = 0; !run->device->is_host && i < run->plan->input_count; i++)
        if (!send_input(run, i)) return false;
    return true;
}

bool couplet_run_feed_rows(CoupletRun *run, int input, const void *table) {
    Feed *feed = &run->feeds[input];
    if (run->device->is_host) return true;
    feed->numbers = run->device->calls->allocate(
        run->device,
        run->plan->buffers[run->plan->inputs[input].buffer].shape[0] * (int64_t)sizeof(int32_t));
    if (!feed->numbers) return false;
    feed->kind = FEED_ROWS;
    feed->table = table;
    return true;
}

void couplet_run_feed_resident(CoupletRun *run, int input, void *memory) {
    CoupletDevice *d = run->device;
    int number = run->plan->inputs[input].buffer;
    if (d->is_host) return;
    if (is_part(d, &run->plan->buffers[number]))
        d->calls->drop(d, run->places[number]);
    else
        d->calls->release(d, run->places[number]);
    run->places[number] = memory;
    run->feeds[input].kind = FEED_RESIDENT;
}

/* Waits for the queued work, and then checks the flag. So a signal is seen between two kernels, and
 * not only after a device's compiler has done all that is queued for it. */
static bool is_stopped(CoupletRun *run) {
    CoupletDevice *d = run->device;
    run->stopped = false;
    if (!run->stop) return false;
    if (!d->is_host && !d->calls->wait(d)) return false; /* the next launch will report the fault */
    return run->stopped = *run->stop != 0;
}

/* ---- with other ranks ------------------------------------------------------------------------ */

/* Makes the device do its rank's shards from here on, or all shards again. */
static void set_part(CoupletDevice *d, const CoupletPlan *plan, bool is_cut) {
    const CoupletGroup *g = d->group;
    d->shards = is_cut ? plan->shards : 0;
    d->first_shard = is_cut ? couplet_part_first(plan, g->ranks, g->rank) : 0;
    d->end_shard = is_cut ? couplet_part_first(plan, g->ranks, g->rank + 1) : 0;
}

static bool is_lasting(CoupletFaultKind kind) {
    return kind == COUPLET_FAULT_MEMORY || kind == COUPLET_FAULT_DEVICE;
}

/* Ends the group with the device's fault, unless the group has failed before. The sentence of the
 * group then is the device's fault. Returns false. */
static bool fail_group(CoupletRun *run) {
    CoupletDevice *d = run->device;
    if (!*d->group->fault) {
        couplet_group_fail(d->group, d->fault.sentence);
    }
    couplet_device_clear(d);
    return couplet_device_fail(d, COUPLET_FAULT_DEVICE, -1, "%s", d->group->fault);
}

/* Runs the launches on this rank. A rank that meets a fault continues, because the others wait for
 * its results; at the end all ranks compare what they met. Returns false if the group or the device
 * failed. */
static bool run_launches_of_rank(CoupletRun *run) {
    CoupletExchanges *x = run->exchanges;
    for (int i = 0, count; i < run->plan->step_count; i += count) {
        count = launch_size(run, i);
        if (!couplet_exchanges_need(x, i)) return false;
        if (!couplet_exchanges_replace(x, i) && !run_launch(run, i, count) &&
            is_lasting(run->device->fault.kind))
            return false;
        if (!couplet_exchanges_made(x, i + count - 1)) return false;
    }
    if (!couplet_exchanges_need(x, run->plan->step_count) || !couplet_exchanges_end(x))
        return false;
    return run->device->calls->wait(run->device) || !is_lasting(run->device->fault.kind);
}

/* Places the arrays again, for all shards or for those of this rank. */
static bool place_again(CoupletRun *run, bool whole) {
    CoupletDevice *d = run->device;
    d->calls->release(d, run->arena);
    run->arena = NULL;
    couplet_part_free(run->part);
    run->part = whole ? NULL : couplet_part_new(run->plan, d->group->ranks, d->group->rank);
    if (whole || run->part) {
        run->arena = d->calls->allocate(d, arena_bytes(run));
    }
    for (int i = 0; run->arena && i < run->plan->buffer_count; i++)
        if (is_part(d, &run->plan->buffers[i])) place_buffer(run, i);
    return run->arena ||
           couplet_device_fail(d, COUPLET_FAULT_MEMORY, -1, "out of memory for a step");
}

/* Runs the whole plan on this rank up to the first fault, so that every rank meets the same
 * fault. */
bool couplet_run_whole(CoupletRun *run) {
    CoupletDevice *d = run->device;
    couplet_device_clear(d);
    if (run->part && !place_again(run, true)) return false;
    if (run->whole_inputs && !run->whole_inputs(run->whole_context))
        return couplet_device_fail(d, COUPLET_FAULT_MEMORY, -1, "out of memory for a batch");
    /* On another device, results may have been written over the inputs. */
    if (!couplet_run_send_inputs(run)) return false;
    for (int i = 0; i < run->plan->step_count; i++)
        if (!couplet_run_launch_steps(run, i, 1)) return false;
    return d->calls->wait(d);
}

/* Returns the fault that a rank has met as a number, which is larger for earlier steps. 0: the rank
 * has met no fault. */
static int status_of(const CoupletDeviceFault *fault) {
    return fault->kind == COUPLET_NO_FAULT ? 0 : INT_MAX - 1 - fault->step;
}

/* Finds the fault that some rank has met. Every rank runs the plan again, as a single rank would,
 * and meets the fault, too. */
static bool find_fault(CoupletRun *run, const CoupletAgreed *met, CoupletFault *fault) {
    CoupletDevice *d = run->device;
    const bool good = couplet_run_whole(run);
    const bool is_short = d->fault.kind == COUPLET_FAULT_MEMORY;
    if (good || is_short) {
        couplet_device_clear(d);
        couplet_device_fail(d, COUPLET_FAULT_DEVICE, INT_MAX - 1 - met->status, "rank %d: %s%s",
                            met->rank, met->sentence,
                            is_short ? ". There is no memory to find out which element it is" : "");
    }
    return couplet_run_fail(run, fault);
}

static bool run_as_rank(CoupletRun *run, CoupletFault *fault) {
    CoupletDevice *d = run->device;
    CoupletAgreed met;
    /* After a fault, find_fault has left memory for all shards. */
    if (d->is_host && !run->part && !place_again(run, false)) return couplet_run_fail(run, fault);
    couplet_exchanges_begin(run->exchanges, run->places);
    set_part(d, run->plan, true);
    const bool good = run_launches_of_rank(run);
    set_part(d, run->plan, false);
    if (good && couplet_group_agree(d->group, status_of(&d->fault), d->fault.sentence, &met))
        return !met.status || find_fault(run, &met, fault);
    fail_group(run);
    couplet_exchanges_end(run->exchanges); /* afterwards no exchange writes to its memory, */
    d->calls->wait(d);                     /* and no copy reads it */
    return couplet_run_fail(run, fault);
}

bool couplet_run_steps(CoupletRun *run, void *const *inputs, void *const *states,
                       CoupletFault *fault) {
    CoupletDevice *d = run->device;
    run->inputs = inputs;
    run->states = states;
    run->stopped = false;
    couplet_device_clear(d);
    if (!couplet_run_send_inputs(run)) return couplet_run_fail(run, fault);
    if (run->exchanges) return run_as_rank(run, fault);
    for (int i = 0, count; i < run->plan->step_count; i += count) {
        count = launch_size(run, i);
        if (is_stopped(run)) return false;
        if (!run_launch(run, i, count)) return couplet_run_fail(run, fault);
    }
    return d->calls->wait(d) || couplet_run_fail(run, fault);
}

/* ---- outside --------------------------------------------------------------------------------- */

const CoupletBuffer *couplet_plan_output(const CoupletPlan *plan, const char *name) {
    for (int i = 0; i < plan->output_count; i++)
        if (strcmp(plan->outputs[i].name, name) == 0)
            return &plan->buffers[plan->outputs[i].buffer];
    return NULL;
}

const void *couplet_run_output(const CoupletRun *run, const char *name) {
    const CoupletBuffer *b = couplet_plan_output(run->plan, name);
    return b ? couplet_run_on_host(run, (int)(b - run->plan->buffers)) : NULL;
}

const void *couplet_run_commit_value(const CoupletRun *run, int commit) {
    return couplet_run_on_host(run, run->plan->commits[commit].value);
}

int couplet_plan_input(const CoupletPlan *plan, const char *name) {
    for (int i = 0; i < plan->input_count; i++)
        if (strcmp(plan->inputs[i].name, name) == 0) return i;
    return -1;
}

void couplet_run_profile(CoupletRun *run, double *milliseconds) {
    run->milliseconds = milliseconds;
}

double couplet_run_waited(const CoupletRun *run, int exchange) {
    return run->exchanges ? couplet_exchanges_waited(run->exchanges, exchange) : 0;
}

void couplet_run_heed(CoupletRun *run, const volatile sig_atomic_t *stop) {
    run->stop = stop;
}
void couplet_run_feed_whole(CoupletRun *run, bool (*bring)(void *context), void *context) {
    run->whole_inputs = bring;
    run->whole_context = context;
}
bool couplet_run_stopped(const CoupletRun *run) {
    return run->stopped;
}

void couplet_run_watch(CoupletRun *run, CoupletWatch watch, void *context) {
    run->watch = watch;
    run->watch_context = context;
}
