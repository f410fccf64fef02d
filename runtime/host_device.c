/* The host as a device. Memory is plain pointers, and kernels are functions that a pool of threads
 * runs tile by tile. */
#include "runtime/device.h"
#include "runtime/pieces.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    /* A launch of fewer scalar operations has ended before another thread would have begun, so the
     * caller does it alone. */
    SMALL_WORK = 20000,
    FAULT_STRIDE = 8, /* the distance from one worker's fault to the next, which is a cache line */
    FAULT_KINDS = 16,
    LOOKS = 16, /* how often one thread checks the flag during its piece of a launch */
    LARGE_PAGE = 2 << 20,
    BLOCK = 1024,         /* the values whose exponents are checked together */
    LOOKED_AT = 32 << 10, /* the values to check that are worth a thread's turn */
    COPIED = 256 << 10,   /* the bytes to copy that are worth a thread's turn */
    MOST_ARRAYS = 256     /* the most arrays that are copied in one run of the threads */
};
static const uint32_t EXPONENT = 0x7f800000;

typedef struct Host {
    CoupletDevice device;
    CoupletThreads *threads;
    int worker_count;
    char **scratch; /* by worker */
    int64_t scratch_bytes;
    int64_t *faults; /* by worker */
    /* The caller's arena, used as a stack: releasing the topmost piece makes room again. NULL:
     * memory is from malloc. */
    char *region;
    int64_t region_bytes;
    int64_t region_top;
    /* The launch that is being run. */
    const CoupletStep *steps;
    int64_t first_tile[COUPLET_MAX_ABREAST]; /* by step: the first tile of the present round */
    void *const *buffers;
    const _Atomic bool *stop; /* true ends the launch early; NULL: nothing does */
} Host;

static Host *host_of(CoupletDevice *device) {
    return (Host *)device;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* The size is rounded up, since aligned_alloc needs a multiple of the alignment. Large arrays use
 * large pages. A convolution reads many rows side by side, which would otherwise be more pages than
 * the processor keeps addresses of. */
void *couplet_host_memory(int64_t bytes) {
    size_t size = (size_t)couplet_device_round(bytes);
    if (size < 2 * LARGE_PAGE) return aligned_alloc(COUPLET_DEVICE_ALIGNMENT, size);
    size = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    void *memory = aligned_alloc(LARGE_PAGE, size);
#ifdef MADV_HUGEPAGE
    /* this is advice, and whether the system takes it does not matter */
    if (memory) madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

static void *from_region(Host *host, int64_t bytes) {
    int64_t at = host->region_top;
    if (couplet_device_round(bytes) > host->region_bytes - at) return NULL;
    host->region_top += couplet_device_round(bytes);
    return host->region + at;
}

static void *allocate(CoupletDevice *device, int64_t bytes) {
    Host *host = host_of(device);
    void *memory = host->region ? from_region(host, bytes) : couplet_host_memory(bytes);
    if (!memory && host->region)
        couplet_device_fail(
            device, COUPLET_FAULT_MEMORY, -1,
            "the arena of %lld bytes is too small: %lld bytes more are needed in one piece",
            (long long)host->region_bytes, (long long)bytes);
    else if (!memory)
        couplet_device_fail(device, COUPLET_FAULT_MEMORY, -1,
                            "out of memory: %lld bytes are needed in one piece", (long long)bytes);
    return memory;
}

/* Releases memory. In a region, all pieces from this one on become free, because runs release their
 * pieces in the opposite order of allocation, and sessions end last. */
static void release(CoupletDevice *device, void *memory) {
    Host *host = host_of(device);
    if (!host->region)
        free(memory);
    else if (memory && (char *)memory - host->region < host->region_top)
        host->region_top = (char *)memory - host->region;
}

static void *part(CoupletDevice *device, void *memory, int64_t offset, int64_t bytes) {
    (void)device;
    (void)bytes;
    return (char *)memory + offset;
}

static void drop(CoupletDevice *device, void *memory) {
    (void)device;
    (void)memory;
}

static bool write_to(CoupletDevice *device, void *to, int64_t offset, const void *from,
                     int64_t bytes) {
    (void)device;
    memcpy((char *)to + offset, from, (size_t)bytes);
    return true;
}

static bool read_from(CoupletDevice *device, void *to, const void *from, int64_t offset,
                      int64_t bytes) {
    (void)device;
    memcpy(to, (const char *)from + offset, (size_t)bytes);
    return true;
}

static bool fetch(CoupletDevice *device, void *to, const void *from, int64_t offset, int64_t bytes,
                  void **mark) {
    if (mark) *mark = NULL;
    return read_from(device, to, from, offset, bytes);
}

static bool await(CoupletDevice *device, void *mark) {
    (void)device;
    (void)mark;
    return true;
}

static bool write_rows(CoupletDevice *device, void *to, const void *from, int64_t from_offset,
                       const void *rows, int64_t count, int64_t row_bytes) {
    (void)device;
    const int32_t *numbers = rows;
    for (int64_t i = 0; i < count; i++)
        memcpy((char *)to + numbers[i] * row_bytes,
               (const char *)from + from_offset + i * row_bytes, (size_t)row_bytes);
    return true;
}

static bool gather_rows(CoupletDevice *device, void *to, const void *from, const void *rows,
                        int64_t count, int64_t row_bytes) {
    (void)device;
    const int32_t *numbers = rows;
    for (int64_t i = 0; i < count; i++)
        memcpy((char *)to + i * row_bytes, (const char *)from + numbers[i] * row_bytes,
               (size_t)row_bytes);
    return true;
}

static bool push_rows(CoupletDevice *device, void *ring, int64_t length, const void *head,
                      const void *from, int64_t from_offset, int64_t count, int64_t row_bytes) {
    (void)device;
    int64_t first = *(const int32_t *)head;
    for (int64_t i = 0; i < count; i++)
        memcpy((char *)ring + (first + i) % length * row_bytes,
               (const char *)from + from_offset + i * row_bytes, (size_t)row_bytes);
    return true;
}

static bool move_head(CoupletDevice *device, void *head, void *fill, int64_t count,
                      int64_t length) {
    (void)device;
    int32_t *at = head;
    int32_t *filled = fill;
    *at = (int32_t)((*at + count) % length);
    *filled = (int32_t)(*filled + count < length ? *filled + count : length);
    return true;
}

/* ---- kernels --------------------------------------------------------------------------------- */

static bool grow_scratch(Host *host, int64_t bytes) {
    for (int i = 0; i < host->worker_count; i++) {
        if (host->scratch[i] && bytes <= host->scratch_bytes) continue;
        free(host->scratch[i]);
        host->scratch[i] = couplet_host_memory(bytes);
        if (!host->scratch[i])
            return couplet_device_fail(&host->device, COUPLET_FAULT_MEMORY, -1,
                                       "out of memory: a thread needs %lld bytes of its own",
                                       (long long)bytes);
    }
    if (bytes > host->scratch_bytes) host->scratch_bytes = bytes;
    return true;
}

static bool prepare(CoupletDevice *device, const CoupletPlan *plan, void **code) {
    *code = NULL;
    return grow_scratch(host_of(device), plan->scratch_bytes);
}

static void forget(CoupletDevice *device, void *code) {
    (void)device;
    (void)code;
}

/* Keeps the fault of a launch: the lowest step's, and of its faults the lowest kind, whichever
 * thread met it. */
static void keep_fault(int64_t *kept, int64_t fault) {
    if (fault && (!*kept || fault < *kept)) *kept = fault;
}

static bool is_stopped(const Host *host) {
    return host->stop && atomic_load_explicit(host->stop, memory_order_relaxed);
}

/* Does tiles of one step of the launch. If there is a flag, it is checked about LOOKS times. */
static void run_step(void *context, int number, int64_t begin, int64_t end, int worker) {
    const Host *host = context;
    void *const *buffers = host->buffers;
    int64_t kind = COUPLET_NO_FAULT;
    const CoupletWorker w = {host->scratch[worker], &kind};
    for (int i = 0; i < number; i++)
        buffers += host->steps[i].buffer_count;
    const int64_t some = host->stop ? 1 + (end - begin) / LOOKS : end - begin;
    for (int64_t at = begin; at < end && !is_stopped(host); at += some)
        host->steps[number].kernel(buffers, host->first_tile[number] + at,
                                   host->first_tile[number] + (at + some < end ? at + some : end),
                                   &w);
    if (kind) {
        keep_fault(&host->faults[worker * FAULT_STRIDE], number * FAULT_KINDS + kind);
    }
}

static int64_t take_fault(Host *host) {
    int64_t fault = 0;
    for (int i = 0; i < host->worker_count; i++) {
        keep_fault(&fault, host->faults[i * FAULT_STRIDE]);
        host->faults[i * FAULT_STRIDE] = 0;
    }
    return fault;
}

static bool launch(CoupletDevice *device, const CoupletPlan *plan, void *code, int first, int count,
                   void *const *buffers) {
    (void)code;
    Host *host = host_of(device);
    const CoupletStep *steps = plan->steps + first;
    int64_t tiles[COUPLET_MAX_ABREAST];
    int64_t all = 0;
    double flops = 0;
    for (int i = 0; i < count; i++) {
        all += tiles[i] =
            couplet_device_own(device, &steps[i], steps[i].tiles, &host->first_tile[i]);
        flops += steps[i].flops;
    }
    host->steps = steps;
    host->buffers = buffers;
    do {
        couplet_pieces_run(all == 1 || flops < SMALL_WORK ? NULL : host->threads, count, tiles, 1,
                           run_step, host);
        host->first_tile[0] += all;
        /* A launch of several rounds is a single step. */
    } while (host->first_tile[0] < steps->rounds * all);
    const int64_t fault = take_fault(host);
    if (is_stopped(host))
        return couplet_device_fail(device, COUPLET_FAULT_DEVICE, -1, "the run was stopped");
    const CoupletFaultKind kind = (CoupletFaultKind)(fault % FAULT_KINDS);
    return !fault || couplet_device_fail(device, kind, first + (int)(fault / FAULT_KINDS), "%s",
                                         couplet_fault_sentence(kind));
}

/* ---- what a step leaves behind --------------------------------------------------------------- */

static void copy_piece(void *context, int number, int64_t begin, int64_t end, int worker) {
    const CoupletCopy *c = (const CoupletCopy *)context + number;
    (void)worker;
    memcpy((char *)c->to + c->to_offset + begin, (const char *)c->from + c->from_offset + begin,
           (size_t)(end - begin));
}

static bool copy(CoupletDevice *device, int count, const CoupletCopy *copies) {
    int64_t bytes[MOST_ARRAYS];
    for (int done = 0, some; done < count; done += some) {
        some = count - done < MOST_ARRAYS ? count - done : MOST_ARRAYS;
        for (int i = 0; i < some; i++)
            bytes[i] = copies[done + i].bytes;
        couplet_pieces_run(host_of(device)->threads, some, bytes, COPIED, copy_piece,
                           (void *)(uintptr_t)(copies + done));
    }
    return true;
}

typedef struct Look {
    const void *const *arrays;
    _Atomic int worst;
} Look;

/* True if all values of a block are finite. Only exponents are checked, so that the loop becomes
 * vectors. */
static bool block_is_finite(const float *values) {
    uint32_t found = 0;
    for (int i = 0; i < BLOCK; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        found |= (bits & EXPONENT) == EXPONENT;
    }
    return !found;
}

/* Returns the worst value. Whole blocks of finite values are passed over. */
static CoupletHealth health_of(const float *values, int64_t count) {
    CoupletHealth worst = COUPLET_FINITE;
    for (int64_t i = 0; i < count; i++) {
        if (i % BLOCK == 0)
            while (count - i >= BLOCK && block_is_finite(values + i))
                i += BLOCK;
        if (i == count) break;
        if (isnan(values[i])) return COUPLET_NOT_A_NUMBER;
        if (isinf(values[i])) worst = COUPLET_INFINITE;
    }
    return worst;
}

static void look_at_piece(void *context, int number, int64_t begin, int64_t end, int worker) {
    Look *look = context;
    (void)worker;
    const int found = (int)health_of((const float *)look->arrays[number] + begin, end - begin);
    int worst = atomic_load_explicit(&look->worst, memory_order_relaxed);
    while (found > worst &&
           !atomic_compare_exchange_weak_explicit(&look->worst, &worst, found, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

static bool health(CoupletDevice *device, int count, const void *const *arrays,
                   const int64_t *lengths, CoupletHealth *worst) {
    Look look = {arrays, COUPLET_FINITE};
    couplet_pieces_run(host_of(device)->threads, count, lengths, LOOKED_AT, look_at_piece, &look);
    *worst = (CoupletHealth)atomic_load(&look.worst);
    return true;
}

static bool wait_for_all(CoupletDevice *device) {
    (void)device;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void close_host(CoupletDevice *device) {
    Host *host = host_of(device);
    for (int i = 0; host->scratch && i < host->worker_count; i++)
        free(host->scratch[i]);
    free(host->scratch);
    free(host->faults);
    free(host);
}

void couplet_host_device_heed(CoupletDevice *device, const _Atomic bool *stop) {
    host_of(device)->stop = stop;
}

CoupletDevice *couplet_host_device_new(CoupletThreads *threads) {
    return couplet_host_device_in(threads, NULL, 0);
}

CoupletDevice *couplet_host_device_in(CoupletThreads *threads, void *region, int64_t region_bytes) {
    static const CoupletDeviceCalls calls = {
        prepare,   forget, allocate, release,      part,       drop,        write_to,
        read_from, fetch,  await,    copy,         write_rows, gather_rows, push_rows,
        move_head, launch, health,   wait_for_all, close_host};
    Host *host = calloc(1, sizeof *host);
    if (!host) return NULL;
    host->device.calls = &calls;
    host->device.is_host = true;
    host->device.group = couplet_group_alone();
    strcpy(host->device.name, "cpu");
    couplet_device_clear(&host->device);
    host->threads = threads;
    host->region = region;
    host->region_bytes = region_bytes;
    host->worker_count = couplet_threads_count(threads);
    host->scratch = calloc((size_t)host->worker_count, sizeof *host->scratch);
    host->faults = calloc((size_t)host->worker_count * FAULT_STRIDE, sizeof *host->faults);
    if (host->scratch && host->faults) return &host->device;
    close_host(&host->device);
    return NULL;
}
