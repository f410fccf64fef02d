/* Inside the OpenCL device: its state, and the macros through which every OpenCL call goes. */
#ifndef COUPLET_RUNTIME_OPENCL_INTERNAL_H
#define COUPLET_RUNTIME_OPENCL_INTERNAL_H

#include "runtime/opencl/opencl.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

/* A built program; plans of one method share it. */
typedef struct Loaded {
    const char *source;
    cl_program program;
    int users;
} Loaded;

enum { MAX_LOADED = 8 };

/* A handle of the runtime for memory: a piece of an allocation. It is not a sub-buffer, because a
 * driver was seen to crash when it released some that lay over each other; the offset of a piece in
 * its allocation is passed on at no greater cost. */
typedef struct Memory {
    cl_mem object;
    int64_t first; /* byte */
} Memory;

typedef struct Opencl {
    CoupletDevice device;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    const char *cache_folder;
    const char *options; /* the options of the device's compiler */
    bool was_cached, is_pocl;
    /* bytes: the device's, the largest allocation, what is allocated */
    int64_t memory, piece, in_use;
    Loaded loaded[MAX_LOADED];
    cl_program support;
    cl_kernel health, rows, gather, push, advance;
    Memory *fault_word, *health_word;
    bool may_have_faults; /* a kernel that can was launched since the last wait */
    long calls, fail_at;  /* for tests: the call that is made to fail; 0: none */
} Opencl;

static inline Opencl *opencl_of(CoupletDevice *device) {
    return (Opencl *)device;
}

/* ---- calls: opencl_check.c
 * -------------------------------------------------------------------------- */

/* True when `code` is success. Else the device keeps the call, its place and the code's name. */
bool opencl_check(Opencl *cl, long code, const char *call, const char *file, int line);
const char *opencl_code_name(long code);
/* A call that returns a code ... */
#define CL(cl, call) opencl_check((cl), (long)(call), #call, __FILE__, __LINE__)
/* ... and one that returns an object and takes a pointer to the code last: CL_MAKE(cl, cl->context,
 * clCreateContext, NULL, 1, ...). */
#define CL_MAKE(cl, object, function, ...)                                                         \
    __extension__({                                                                                \
        cl_int code_ = CL_SUCCESS;                                                                 \
        (object) = function(__VA_ARGS__, &code_);                                                  \
        opencl_check((cl), code_, #function, __FILE__, __LINE__);                                  \
    })

/* ---- opencl_device.c, program.c, opencl_product.c
 * ---------------------------------------------------------- */

extern const CoupletDeviceCalls opencl_calls;
/* The runtime's own kernels and words. */
bool opencl_open_support(Opencl *cl);
void opencl_close_support(Opencl *cl);

/* The program of this source, from the cache or built; NULL when it cannot be. Each use is given
 * back with opencl_unload. */
cl_program opencl_load(Opencl *cl, const char *source);
void opencl_unload(Opencl *cl, const char *source);

bool opencl_product(Opencl *cl, const CoupletProduct *product, const Memory *left,
                    const Memory *right, const Memory *out);
/* host_step.c: a step without a launch. */
bool opencl_host_step(CoupletDevice *device, const CoupletPlan *plan, int number,
                      void *const *memory);
void opencl_forget_products(void); /* frees what the library of products keeps */

#endif
