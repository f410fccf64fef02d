/* Implements CoupletDevice on an OpenCL device: memory, copies, launches, and the check for finite
 * results. */
#include "runtime/opencl/internal.h"

#include "runtime/executor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char opencl_support[]; /* support.cl, embedded at build */

enum { CHECK_ITEMS = 16384 /* the work-items that check an array */, ROWS_GROUP = 64 };

/* The compiled code with which a plan's steps are launched. */
typedef struct Code {
    const char *source;
    /* By step: its kernel. Steps of one kernel share it, and `owned` is true for the step that
     * releases it. */
    cl_kernel *kernels;
    bool *owned;
    int count;
} Code;

/* ---- memory ---------------------------------------------------------------------------------- */

static int64_t at_least_one(int64_t bytes) {
    return bytes > 0 ? bytes : 1;
}

/* True if the device can hold `bytes` more. Drivers that promise more memory than they have fail
 * late, inside a step, so the check is made here as far as possible. */
static bool has_room(Opencl *cl, int64_t bytes) {
    if (bytes > cl->piece)
        return couplet_device_fail(&cl->device, COUPLET_FAULT_MEMORY, -1,
                                   "the device is out of memory: %.1f MB are needed in one piece, "
                                   "and it gives at most %.1f MB",
                                   (double)bytes / 1e6, (double)cl->piece / 1e6);
    if (cl->in_use + bytes <= cl->memory) return true;
    return couplet_device_fail(
        &cl->device, COUPLET_FAULT_MEMORY, -1,
        "the device is out of memory: %.1f MB are needed beside %.1f MB in use, and it has %.1f MB",
        (double)bytes / 1e6, (double)cl->in_use / 1e6, (double)cl->memory / 1e6);
}

static Memory *memory_new(Opencl *cl, cl_mem object, int64_t first) {
    Memory *m = malloc(sizeof *m);
    if (m)
        *m = (Memory){object, first};
    else
        couplet_device_fail(&cl->device, COUPLET_FAULT_MEMORY, -1, "out of memory");
    return m;
}

static void *allocate(CoupletDevice *device, int64_t bytes) {
    Opencl *cl = opencl_of(device);
    Memory *memory = memory_new(cl, NULL, 0);
    bytes = at_least_one(bytes);
    if (!memory || !has_room(cl, bytes) ||
        !CL_MAKE(cl, memory->object, clCreateBuffer, cl->context, CL_MEM_READ_WRITE, (size_t)bytes,
                 NULL)) {
        free(memory);
        return NULL;
    }
    cl->in_use += bytes;
    return memory;
}

static void release(CoupletDevice *device, void *handle) {
    Memory *memory = handle;
    size_t bytes = 0;
    if (clGetMemObjectInfo(memory->object, CL_MEM_SIZE, sizeof bytes, &bytes, NULL) == CL_SUCCESS)
        opencl_of(device)->in_use -= (int64_t)bytes;
    clReleaseMemObject(memory->object);
    free(memory);
}

static void *part(CoupletDevice *device, void *handle, int64_t offset, int64_t bytes) {
    const Memory *memory = handle;
    (void)bytes;
    return memory_new(opencl_of(device), memory->object, memory->first + offset);
}

static void drop(CoupletDevice *device, void *handle) {
    (void)device;
    free(handle);
}

static bool write_to(CoupletDevice *device, void *to, int64_t offset, const void *from,
                     int64_t bytes) {
    Opencl *cl = opencl_of(device);
    const Memory *m = to;
    return bytes == 0 ||
           CL(cl, clEnqueueWriteBuffer(cl->queue, m->object, CL_FALSE, (size_t)(m->first + offset),
                                       (size_t)bytes, from, 0, NULL, NULL));
}

static bool read_from(CoupletDevice *device, void *to, const void *from, int64_t offset,
                      int64_t bytes) {
    Opencl *cl = opencl_of(device);
    const Memory *m = from;
    return bytes == 0 ||
           CL(cl, clEnqueueReadBuffer(cl->queue, m->object, CL_TRUE, (size_t)(m->first + offset),
                                      (size_t)bytes, to, 0, NULL, NULL));
}

/* Starts a copy to the host. The queue is flushed, because nothing else may flush it before the
 * copy is awaited. */
static bool fetch(CoupletDevice *device, void *to, const void *from, int64_t offset, int64_t bytes,
                  void **mark) {
    Opencl *cl = opencl_of(device);
    const Memory *m = from;
    cl_event event = NULL;
    if (mark) *mark = NULL;
    if (bytes == 0) return true;
    if (!CL(cl, clEnqueueReadBuffer(cl->queue, m->object, CL_FALSE, (size_t)(m->first + offset),
                                    (size_t)bytes, to, 0, NULL, mark ? &event : NULL)))
        return false;
    if (mark) *mark = event;
    return CL(cl, clFlush(cl->queue));
}

static bool await(CoupletDevice *device, void *mark) {
    cl_event event = mark;
    if (!event) return true;
    const bool good = CL(opencl_of(device), clWaitForEvents(1, &event));
    clReleaseEvent(event);
    return good;
}

static bool copy(CoupletDevice *device, int count, const CoupletCopy *copies) {
    Opencl *cl = opencl_of(device);
    for (const CoupletCopy *c = copies; c < copies + count; c++) {
        const Memory *target = c->to;
        const Memory *source = c->from;
        if (c->bytes && !CL(cl, clEnqueueCopyBuffer(cl->queue, source->object, target->object,
                                                    (size_t)(source->first + c->from_offset),
                                                    (size_t)(target->first + c->to_offset),
                                                    (size_t)c->bytes, 0, NULL, NULL)))
            return false;
    }
    return true;
}

/* ---- launches -------------------------------------------------------------------------------- */

static bool set_offset(Opencl *cl, cl_kernel kernel, cl_uint at, int64_t value) {
    cl_ulong argument = (cl_ulong)value;
    return CL(cl, clSetKernelArg(kernel, at, sizeof argument, &argument));
}

/* An array is two arguments: the allocation, and the array's position in it, in elements. */
enum { ARRAY_ARGUMENTS = 2 };

static bool set_array(Opencl *cl, cl_kernel kernel, cl_uint at, const void *memory,
                      int64_t element_bytes) {
    const Memory *m = memory;
    return CL(cl, clSetKernelArg(kernel, at, sizeof m->object, &m->object)) &&
           set_offset(cl, kernel, at + 1, m->first / element_bytes);
}

static bool set_int(Opencl *cl, cl_kernel kernel, cl_uint at, int64_t value) {
    cl_int argument = (cl_int)value;
    return CL(cl, clSetKernelArg(kernel, at, sizeof argument, &argument));
}

/* Starts a number of groups; `first` is the launch's offset. */
static bool start_groups(Opencl *cl, cl_kernel kernel, int64_t first, int64_t groups,
                         int64_t group) {
    const size_t offset = (size_t)first;
    const size_t global = (size_t)(groups * group);
    const size_t local = (size_t)group;
    return CL(
        cl, clEnqueueNDRangeKernel(cl->queue, kernel, 1, &offset, &global, &local, 0, NULL, NULL));
}

static bool start_kernel(Opencl *cl, cl_kernel kernel, int64_t items, int64_t group) {
    return start_groups(cl, kernel, 0, (items + group - 1) / group, group);
}

static bool set_word(Opencl *cl, const Memory *word, cl_int value) {
    return CL(cl, clEnqueueFillBuffer(cl->queue, word->object, &value, sizeof value, 0,
                                      sizeof value, 0, NULL, NULL));
}

static bool launch_step(CoupletDevice *device, const CoupletPlan *plan, void *code, int number,
                        void *const *buffers) {
    Opencl *cl = opencl_of(device);
    const CoupletStep *step = &plan->steps[number];
    const CoupletLaunch *how = step->launch;
    if (!how) return opencl_host_step(device, plan, number, buffers);
    if (how->product)
        return opencl_product(cl, how->product, buffers[0], buffers[1],
                              buffers[step->buffer_count - 1]);
    cl_kernel kernel = ((const Code *)code)->kernels[number];
    int64_t first;
    const int64_t pieces = couplet_device_own(device, step, how->count, &first);
    cl_uint at = 0;
    for (int i = 0; i < step->buffer_count; i++, at += ARRAY_ARGUMENTS)
        if (!set_array(cl, kernel, at, buffers[i],
                       couplet_type_bytes(plan->buffers[step->buffers[i]].type)))
            return false;
    if (!set_int(cl, kernel, at, first + pieces)) return false;
    if (how->can_fault) {
        if (!CL(cl, clSetKernelArg(kernel, at + 1, sizeof cl->fault_word->object,
                                   &cl->fault_word->object)) ||
            !set_int(cl, kernel, at + 2, number))
            return false;
        cl->may_have_faults = true;
    }
    return start_groups(cl, kernel, first, (pieces + how->each - 1) / how->each, how->local);
}

/* Launches kernels one after the other, in the order of the queue. */
static bool launch(CoupletDevice *device, const CoupletPlan *plan, void *code, int first, int count,
                   void *const *buffers) {
    for (int i = first; i < first + count; buffers += plan->steps[i++].buffer_count)
        if (!launch_step(device, plan, code, i, buffers)) return false;
    return true;
}

/* Waits, and reads the word for faults only if a kernel ran that may have written it. */
static bool wait_for_all(CoupletDevice *device) {
    Opencl *cl = opencl_of(device);
    if (!CL(cl, clFinish(cl->queue))) return false;
    if (!cl->may_have_faults) return true;
    cl_int word = INT_MAX;
    cl->may_have_faults = false;
    if (!read_from(device, &word, cl->fault_word, 0, sizeof word)) return false;
    if (word == INT_MAX) return true;
    couplet_device_fail(device, (CoupletFaultKind)(word % 8), word / 8, "%s",
                        couplet_fault_sentence(word % 8));
    set_word(cl, cl->fault_word, INT_MAX);
    return false;
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void forget(CoupletDevice *device, void *handle) {
    Code *code = handle;
    for (int i = 0; code->kernels && code->owned && i < code->count; i++)
        if (code->owned[i] && code->kernels[i]) clReleaseKernel(code->kernels[i]);
    opencl_unload(opencl_of(device), code->source);
    free(code->kernels);
    free(code->owned);
    free(code);
}

static bool has_kernel(const CoupletStep *step) {
    return step->launch && !step->launch->product;
}

static int earlier(const CoupletPlan *plan, int number) {
    for (int i = 0; i < number; i++)
        if (has_kernel(&plan->steps[i]) &&
            strcmp(plan->steps[i].launch->symbol, plan->steps[number].launch->symbol) == 0)
            return i;
    return -1;
}

static bool find_kernels(Opencl *cl, const CoupletPlan *plan, cl_program program, Code *code) {
    for (int i = 0; i < plan->step_count; i++) {
        if (!has_kernel(&plan->steps[i])) continue;
        int same = earlier(plan, i);
        if (same >= 0)
            code->kernels[i] = code->kernels[same];
        else if (!CL_MAKE(cl, code->kernels[i], clCreateKernel, program,
                          plan->steps[i].launch->symbol))
            return false;
        code->owned[i] = same < 0;
    }
    return true;
}

static bool prepare(CoupletDevice *device, const CoupletPlan *plan, void **handle) {
    Opencl *cl = opencl_of(device);
    cl_program program = opencl_load(cl, plan->kernels);
    if (!program) return false;
    Code *code = calloc(1, sizeof *code);
    if (!code) {
        opencl_unload(cl, plan->kernels);
        return couplet_device_fail(device, COUPLET_FAULT_MEMORY, -1, "out of memory");
    }
    *handle = code;
    code->source = plan->kernels;
    code->count = plan->step_count;
    code->kernels = calloc((size_t)plan->step_count + 1, sizeof *code->kernels);
    code->owned = calloc((size_t)plan->step_count + 1, sizeof *code->owned);
    if (code->kernels && code->owned) return find_kernels(cl, plan, program, code);
    return couplet_device_fail(device, COUPLET_FAULT_MEMORY, -1, "out of memory");
}

/* ---- the runtime's own kernels --------------------------------------------------------------- */

static bool health(CoupletDevice *device, int count, const void *const *arrays,
                   const int64_t *lengths, CoupletHealth *worst) {
    Opencl *cl = opencl_of(device);
    cl_int word = 0;
    *worst = COUPLET_FINITE;
    if (count == 0) return true;
    if (!set_word(cl, cl->health_word, 0)) return false;
    for (int i = 0; i < count; i++) {
        int64_t items = lengths[i] < CHECK_ITEMS ? at_least_one(lengths[i]) : CHECK_ITEMS;
        if (!set_array(cl, cl->health, 0, arrays[i], sizeof(float)) ||
            !set_int(cl, cl->health, 2, lengths[i]) ||
            !CL(cl, clSetKernelArg(cl->health, 3, sizeof cl->health_word->object,
                                   &cl->health_word->object)) ||
            !start_kernel(cl, cl->health, items, 256))
            return false;
    }
    if (!read_from(device, &word, cl->health_word, 0, sizeof word)) return false;
    *worst = (CoupletHealth)word;
    return true;
}

/* Sets the arguments for an array that begins at a byte of `from`. */
static bool set_array_from(Opencl *cl, cl_kernel kernel, cl_uint at, const void *memory,
                           int64_t offset) {
    const Memory *m = memory;
    const Memory later = {m->object, m->first + offset};
    return set_array(cl, kernel, at, &later, 1);
}

static bool write_rows(CoupletDevice *device, void *to, const void *from, int64_t from_offset,
                       const void *rows, int64_t count, int64_t row_bytes) {
    Opencl *cl = opencl_of(device);
    cl_kernel k = cl->rows;
    return set_array(cl, k, 0, to, 1) && set_array_from(cl, k, 2, from, from_offset) &&
           set_array(cl, k, 4, rows, sizeof(cl_int)) && set_int(cl, k, 6, count) &&
           set_int(cl, k, 7, row_bytes) && start_kernel(cl, k, row_bytes, ROWS_GROUP);
}

static bool gather_rows(CoupletDevice *device, void *to, const void *from, const void *rows,
                        int64_t count, int64_t row_bytes) {
    Opencl *cl = opencl_of(device);
    cl_kernel k = cl->gather;
    return set_array(cl, k, 0, to, 1) && set_array(cl, k, 2, from, 1) &&
           set_array(cl, k, 4, rows, sizeof(cl_int)) && set_int(cl, k, 6, count) &&
           set_int(cl, k, 7, row_bytes) && start_kernel(cl, k, count * row_bytes, ROWS_GROUP);
}

static bool push_rows(CoupletDevice *device, void *ring, int64_t length, const void *head,
                      const void *from, int64_t from_offset, int64_t count, int64_t row_bytes) {
    Opencl *cl = opencl_of(device);
    cl_kernel k = cl->push;
    return set_array(cl, k, 0, ring, 1) && set_array_from(cl, k, 2, from, from_offset) &&
           set_array(cl, k, 4, head, sizeof(cl_int)) && set_int(cl, k, 6, length) &&
           set_int(cl, k, 7, count) && set_int(cl, k, 8, row_bytes) &&
           start_kernel(cl, k, count * row_bytes, ROWS_GROUP);
}

static bool move_head(CoupletDevice *device, void *head, void *fill, int64_t count,
                      int64_t length) {
    Opencl *cl = opencl_of(device);
    cl_kernel k = cl->advance;
    return set_array(cl, k, 0, head, sizeof(cl_int)) && set_array(cl, k, 2, fill, sizeof(cl_int)) &&
           set_int(cl, k, 4, count) && set_int(cl, k, 5, length) &&
           start_kernel(cl, k, 1, ROWS_GROUP);
}

bool opencl_open_support(Opencl *cl) {
    cl->support = opencl_load(cl, opencl_support);
    return cl->support && CL_MAKE(cl, cl->health, clCreateKernel, cl->support, "health") &&
           CL_MAKE(cl, cl->rows, clCreateKernel, cl->support, "rows") &&
           CL_MAKE(cl, cl->gather, clCreateKernel, cl->support, "gather") &&
           CL_MAKE(cl, cl->push, clCreateKernel, cl->support, "push") &&
           CL_MAKE(cl, cl->advance, clCreateKernel, cl->support, "advance") &&
           (cl->fault_word = allocate(&cl->device, sizeof(cl_int))) &&
           (cl->health_word = allocate(&cl->device, sizeof(cl_int))) &&
           set_word(cl, cl->fault_word, INT_MAX);
}

void opencl_close_support(Opencl *cl) {
    cl_kernel kernels[] = {cl->health, cl->rows, cl->gather, cl->push, cl->advance};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i]) clReleaseKernel(kernels[i]);
    if (cl->fault_word) release(&cl->device, cl->fault_word);
    if (cl->health_word) release(&cl->device, cl->health_word);
    if (cl->support) opencl_unload(cl, opencl_support);
}

static void close_device(CoupletDevice *device) {
    Opencl *cl = opencl_of(device);
    if (cl->queue) clFinish(cl->queue);
    opencl_close_support(cl);
    opencl_forget_products();
    if (cl->queue) clReleaseCommandQueue(cl->queue);
    if (cl->context) clReleaseContext(cl->context);
    free(cl);
}

const CoupletDeviceCalls opencl_calls = {prepare, forget,     allocate,     release,     part,
                                         drop,    write_to,   read_from,    fetch,       await,
                                         copy,    write_rows, gather_rows,  push_rows,   move_head,
                                         launch,  health,     wait_for_all, close_device};
