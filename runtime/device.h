/* Where a plan runs: the cores of the host, or an OpenCL device. One small table of functions; the executor (runtime/plan.c), sessions and
 * checkpoints know nothing else of a device.
 *
 * Memory is a handle: on the host a plain pointer, elsewhere what the device made of it. Work is done in the order it was asked for, and may
 * still be under way when a function returns; `read` and `wait` wait for all that came before, and so does whatever fails. A function that returns
 * false has put the reason into device->fault; the first reason stays until couplet_device_clear. Not re-entrant: one caller at a time. */
#ifndef COUPLET_RUNTIME_DEVICE_H
#define COUPLET_RUNTIME_DEVICE_H

#include "runtime/abi.h"
#include "runtime/threads.h"

typedef struct CoupletDevice CoupletDevice;

enum { COUPLET_DEVICE_ALIGNMENT = 128 };
/* What an allocation of so many bytes takes on the host. */
int64_t couplet_device_round(int64_t bytes);

typedef enum { COUPLET_FINITE, COUPLET_INFINITE, COUPLET_NOT_A_NUMBER } CoupletHealth;

typedef struct CoupletDeviceFault {
    CoupletFaultKind kind;
    int step;           /* of the plan, when a kernel met it; else -1 */
    char sentence[512]; /* what is shown to the user */
} CoupletDeviceFault;

typedef struct CoupletCopy {
    void *to;
    const void *from;
    int64_t to_offset, from_offset, bytes;
} CoupletCopy;

typedef struct CoupletDeviceCalls {
    /* Makes ready what a plan's kernels need: scratch, a built program. *code is handed to launch and, at the end, to forget. */
    bool (*prepare)(CoupletDevice *device, const CoupletPlan *plan, void **code);
    void (*forget)(CoupletDevice *device, void *code);
    /* Aligned to 128, of any content, never of no bytes at all; NULL when there is none left. */
    void *(*allocate)(CoupletDevice *device, int64_t bytes);
    void (*release)(CoupletDevice *device, void *memory);
    /* A piece of an allocation as memory of its own: `offset` is a multiple of the plan's alignment. Dropped before the allocation is released. */
    void *(*part)(CoupletDevice *device, void *memory, int64_t offset, int64_t bytes);
    void (*drop)(CoupletDevice *device, void *part);
    /* From the host; `from` must stay as it is until the next read, wait or failure. */
    bool (*write)(CoupletDevice *device, void *to, int64_t offset, const void *from, int64_t bytes);
    bool (*read)(CoupletDevice *device, void *to, const void *from, int64_t offset, int64_t bytes);
    /* Of `count` arrays into others; no two share memory. */
    bool (*copy)(CoupletDevice *device, int count, const CoupletCopy *copies);
    /* Row rows[i] of `to` = row i of `from`, for i < count; of several with one number the last stays. */
    bool (*write_rows)(CoupletDevice *device, void *to, const void *from, int64_t from_offset, const void *rows, int64_t count, int64_t row_bytes);
    /* Row i of `to` = row rows[i] of `from`. */
    bool (*gather_rows)(CoupletDevice *device, void *to, const void *from, const void *rows, int64_t count, int64_t row_bytes);
    /* Rows of `from` into a ring of `length` rows, from row *head on; and then: *head and *fill, ints of the device, move on by `count`. */
    bool (*push_rows)(CoupletDevice *device, void *ring, int64_t length, const void *head, const void *from, int64_t from_offset, int64_t count, int64_t row_bytes);
    bool (*move_head)(CoupletDevice *device, void *head, void *fill, int64_t count, int64_t length);
    /* Steps `first` to `first + count - 1` of the plan, which go abreast (CoupletStep); `buffers` is the memory of the first one's buffers, then of the next
     * one's. A fault that a kernel meets comes back here or from wait, with the lowest step that met one. */
    bool (*launch)(CoupletDevice *device, const CoupletPlan *plan, void *code, int first, int count, void *const *buffers);
    /* The worst value in `count` arrays of floats. */
    bool (*health)(CoupletDevice *device, int count, const void *const *arrays, const int64_t *lengths, CoupletHealth *worst);
    bool (*wait)(CoupletDevice *device);
    void (*close)(CoupletDevice *device);
} CoupletDeviceCalls;

struct CoupletDevice {
    const CoupletDeviceCalls *calls;
    bool is_host; /* memory is the host's: arrays of the caller are read where they lie, results need no copy */
    char name[128];
    char driver[260]; /* its version; "": the host has none */
    CoupletDeviceFault fault;
};

/* The host's cores: `threads` may be NULL and must outlive the device. NULL when memory runs out. */
CoupletDevice *couplet_host_device_new(CoupletThreads *threads);
/* The same with all allocations inside `region`, aligned to COUPLET_DEVICE_ALIGNMENT, which must outlive the device. */
CoupletDevice *couplet_host_device_in(CoupletThreads *threads, void *region, int64_t region_bytes);
/* From here on what a run does on this host device ends early, without a result, once *stop is true: some tiles are left out,
 * and the launch fails. NULL: nothing ends it. */
void couplet_host_device_heed(CoupletDevice *device, const _Atomic bool *stop);
void couplet_device_free(CoupletDevice *device);
/* Memory such as runs on the host have: aligned, in large pages where it is large. NULL when there is none left; given back with free. */
void *couplet_host_memory(int64_t bytes);

/* For those who implement a device: keeps the first fault, and returns false. */
bool couplet_device_fail(CoupletDevice *device, CoupletFaultKind kind, int step, const char *format, ...) __attribute__((format(printf, 4, 5)));
void couplet_device_clear(CoupletDevice *device);
/* What a fault that a kernel met means, as a sentence. */
const char *couplet_fault_sentence(int64_t kind);

#endif
