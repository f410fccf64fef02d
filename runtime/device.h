/* A device on which a plan runs: the cores of the host, or an OpenCL device. A device is one small
 * table of functions, and the executor (runtime/executor.c), sessions and checkpoints know nothing
 * else of it.
 *
 * Memory is a handle: a plain pointer on the host, and whatever the device made of it elsewhere.
 * Work is done in the order in which it was asked for, and may still be under way when a function
 * returns. `read`, `wait` and a function that fails first wait for all work before them. A function
 * that returns false has put the reason into device->fault; the first reason stays until
 * couplet_device_clear. A device has one caller at a time. */
#ifndef COUPLET_RUNTIME_DEVICE_H
#define COUPLET_RUNTIME_DEVICE_H

#include "runtime/abi.h"
#include "runtime/group.h"
#include "runtime/threads.h"

typedef struct CoupletDevice CoupletDevice;

enum { COUPLET_DEVICE_ALIGNMENT = 128 };
/* Returns the bytes that an allocation of `bytes` takes on the host. */
int64_t couplet_device_round(int64_t bytes);

typedef enum {
    COUPLET_FINITE,
    COUPLET_INFINITE,
    COUPLET_NOT_A_NUMBER,
} CoupletHealth;

typedef struct CoupletDeviceFault {
    CoupletFaultKind kind;
    int step;           /* the number of the plan's step whose kernel met the fault, or -1 */
    char sentence[512]; /* a sentence for the user */
} CoupletDeviceFault;

typedef struct CoupletCopy {
    void *to;
    const void *from;
    int64_t to_offset;
    int64_t from_offset;
    int64_t bytes;
} CoupletCopy;

typedef struct CoupletDeviceCalls {
    /* Prepares what a plan's kernels need: scratch, and a built program. *code is handed to
     * `launch` and, at the end, to `forget`. */
    bool (*prepare)(CoupletDevice *device, const CoupletPlan *plan, void **code);
    void (*forget)(CoupletDevice *device, void *code);
    /* Allocates memory, aligned to 128 bytes and with undefined content. `bytes` is never 0.
     * Returns NULL if there is none left. */
    void *(*allocate)(CoupletDevice *device, int64_t bytes);
    void (*release)(CoupletDevice *device, void *memory);
    /* Returns a piece of an allocation as a memory of its own. `offset` is a multiple of the plan's
     * alignment. The piece is dropped before the allocation is released. */
    void *(*part)(CoupletDevice *device, void *memory, int64_t offset, int64_t bytes);
    void (*drop)(CoupletDevice *device, void *part);
    /* Copies from the host. `from` must not change until the next read, wait or failure. */
    bool (*write)(CoupletDevice *device, void *to, int64_t offset, const void *from, int64_t bytes);
    bool (*read)(CoupletDevice *device, void *to, const void *from, int64_t offset, int64_t bytes);
    /* Starts a copy to the host, and does not wait for it. `await` of *mark waits for it and for
     * all copies that were started before; it is called once for each mark that is not NULL. `mark`
     * may be NULL if a later mark is awaited. */
    bool (*fetch)(CoupletDevice *device, void *to, const void *from, int64_t offset, int64_t bytes,
                  void **mark);
    bool (*await)(CoupletDevice *device, void *mark);
    /* Copies `count` arrays into other arrays, no two of which overlap. */
    bool (*copy)(CoupletDevice *device, int count, const CoupletCopy *copies);
    /* Sets row rows[i] of `to` to row i of `from`, for i < count. If a row number occurs several
     * times, the last one counts. */
    bool (*write_rows)(CoupletDevice *device, void *to, const void *from, int64_t from_offset,
                       const void *rows, int64_t count, int64_t row_bytes);
    /* Sets row i of `to` to row rows[i] of `from`. */
    bool (*gather_rows)(CoupletDevice *device, void *to, const void *from, const void *rows,
                        int64_t count, int64_t row_bytes);
    /* push_rows writes rows of `from` into a ring of `length` rows, beginning at row *head.
     * move_head then advances *head and *fill by `count`. Both are ints in the device's memory. */
    bool (*push_rows)(CoupletDevice *device, void *ring, int64_t length, const void *head,
                      const void *from, int64_t from_offset, int64_t count, int64_t row_bytes);
    bool (*move_head)(CoupletDevice *device, void *head, void *fill, int64_t count, int64_t length);
    /* Launches the steps `first` to `first + count - 1` of the plan, which are one launch
     * (CoupletStep). `buffers` has the memory of the first step's buffers, then of the next step's.
     * If a kernel meets a fault, this function or a later `wait` fails, with the lowest step that
     * met one. */
    bool (*launch)(CoupletDevice *device, const CoupletPlan *plan, void *code, int first, int count,
                   void *const *buffers);
    /* Finds the worst value in `count` arrays of floats. */
    bool (*health)(CoupletDevice *device, int count, const void *const *arrays,
                   const int64_t *lengths, CoupletHealth *worst);
    bool (*wait)(CoupletDevice *device);
    void (*close)(CoupletDevice *device);
} CoupletDeviceCalls;

struct CoupletDevice {
    const CoupletDeviceCalls *calls;
    /* Memory is the host's: the caller's arrays are read in place, and results need no copy. */
    bool is_host;
    CoupletGroup *group; /* the ranks with which plans on this device run; never NULL */
    bool any_order;      /* MPI chooses the order in which sums of ranks are added */
    /* The shards, out of `shards`, whose tiles a launch does in cut steps. 0: it does all tiles. */
    int64_t first_shard;
    int64_t end_shard;
    int64_t shards;
    char name[128];
    char driver[260]; /* the version of its driver; "" for the host */
    CoupletDeviceFault fault;
};

/* Makes a device of the host's cores. `threads` may be NULL, and must outlive the device. Returns
 * NULL if memory runs out. */
CoupletDevice *couplet_host_device_new(CoupletThreads *threads);
/* Makes such a device, with all allocations inside `region`. The region is aligned to
 * COUPLET_DEVICE_ALIGNMENT and must outlive the device. */
CoupletDevice *couplet_host_device_in(CoupletThreads *threads, void *region, int64_t region_bytes);
/* Sets the flag that ends work on this host device early. Once *stop is true, tiles are left out,
 * and the launch fails without a result. NULL: nothing ends the work. */
void couplet_host_device_heed(CoupletDevice *device, const _Atomic bool *stop);
void couplet_device_free(CoupletDevice *device);
/* Allocates memory as runs on the host have it: aligned, and in large pages if it is large. It is
 * freed with free. Returns NULL if there is none left. */
void *couplet_host_memory(int64_t bytes);

/* Returns how many of `pieces` of a step are done here, and sets the first of them. These are all,
 * unless the device runs the shards of a rank and the step is cut. */
int64_t couplet_device_own(const CoupletDevice *device, const CoupletStep *step, int64_t pieces,
                           int64_t *first);
/* Notes a fault, unless there is one already. Returns false. For those who implement a device. */
bool couplet_device_fail(CoupletDevice *device, CoupletFaultKind kind, int step, const char *format,
                         ...) __attribute__((format(printf, 4, 5)));
void couplet_device_clear(CoupletDevice *device);
/* Returns the sentence that explains a fault of a kernel. */
const char *couplet_fault_sentence(int64_t kind);

#endif
