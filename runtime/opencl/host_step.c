/* Does a step on the host: a library call, which is small and in double precision, and must make
 * the same choices on every device. Its arrays are copied over, and its results back. The queue
 * waits for it. */
#include "runtime/opencl/internal.h"

#include "runtime/executor.h"

#include <stdlib.h>

typedef struct HostArrays {
    void *buffers[COUPLET_MAX_KERNEL_BUFFERS];
    int64_t bytes[COUPLET_MAX_KERNEL_BUFFERS];
    void *scratch;
} HostArrays;

static bool fetch_arrays(CoupletDevice *device, const CoupletPlan *plan, const CoupletStep *step,
                         void *const *memory, HostArrays *arrays) {
    arrays->scratch = malloc((size_t)plan->scratch_bytes + 1);
    bool good = arrays->scratch != NULL;
    for (int i = 0; i < step->buffer_count && good; i++) {
        const CoupletBuffer *b = &plan->buffers[step->buffers[i]];
        arrays->bytes[i] = couplet_buffer_count(b) * couplet_type_bytes(b->type);
        arrays->buffers[i] = malloc((size_t)arrays->bytes[i] + 1);
        good = arrays->buffers[i] != NULL;
        bool is_read = i < step->buffer_count - step->output_count;
        if (good && is_read &&
            !device->calls->read(device, arrays->buffers[i], memory[i], 0, arrays->bytes[i]))
            return false;
    }
    return good ||
           couplet_device_fail(device, COUPLET_FAULT_MEMORY, -1, "out of memory on the host");
}

bool opencl_host_step(CoupletDevice *device, const CoupletPlan *plan, int number,
                      void *const *memory) {
    const CoupletStep *step = &plan->steps[number];
    HostArrays arrays = {{NULL}, {0}, NULL};
    int64_t fault = 0;
    bool good = fetch_arrays(device, plan, step, memory, &arrays);
    if (good) {
        const CoupletWorker worker = {arrays.scratch, &fault};
        step->kernel(arrays.buffers, 0, step->tiles, &worker);
        if (fault)
            good = couplet_device_fail(device, (CoupletFaultKind)fault, number, "%s",
                                       couplet_fault_sentence(fault));
    }
    for (int i = step->buffer_count - step->output_count; i < step->buffer_count && good; i++)
        good = device->calls->write(device, memory[i], 0, arrays.buffers[i], arrays.bytes[i]);
    good = device->calls->wait(device) && good; /* the copies must not be freed before */
    for (int i = 0; i < step->buffer_count; i++)
        free(arrays.buffers[i]);
    free(arrays.scratch);
    return good;
}
