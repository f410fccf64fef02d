/* Shared by the files of the OpenCL device: its state, and the macros for every OpenCL call. */
#ifndef COUPLET_RUNTIME_OPENCL_INTERNAL_H
#define COUPLET_RUNTIME_OPENCL_INTERNAL_H

#include "runtime/opencl/opencl.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

/* A built program, which plans of one method share. */
typedef struct Loaded {
    const char *source;
    cl_program program;
    int users;
} Loaded;

enum { MAX_LOADED = 8 };

/* The runtime's handle for memory: a piece of an allocation. It is no sub-buffer, because a driver
 * crashed when it released overlapping ones. Passing on the offset of a piece costs no more. */
typedef struct Memory {
    cl_mem object;
    int64_t first; /* the first byte */
} Memory;

typedef struct Opencl {
    CoupletDevice device;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    const char *cache_folder;
    const char *options; /* the options for the device's compiler */
    bool was_cached;
    bool is_pocl;
    /* In bytes: the device's memory, its largest allocation, and the memory in use. */
    int64_t memory;
    int64_t piece;
    int64_t in_use;
    Loaded loaded[MAX_LOADED];
    cl_program support;
    cl_kernel health;
    cl_kernel rows;
    cl_kernel gather;
    cl_kernel push;
    cl_kernel advance;
    Memory *fault_word;
    Memory *health_word;
    bool may_have_faults; /* true if a kernel that may fault was launched since the last wait */
    long calls, fail_at;  /* for tests: the number of the call that is made to fail; 0: none */
} Opencl;

static inline Opencl *opencl_of(CoupletDevice *device) {
    return (Opencl *)device;
}

/* ---- calls: opencl_check.c ------------------------------------------------------------------- */

/* True if `code` is success. Otherwise the device notes the call, its place and the code's name. */
bool opencl_check(Opencl *cl, long code, const char *call, const char *file, int line);
/* Checks a call that returns a code. */
#define CL(cl, call) opencl_check((cl), (long)(call), #call, __FILE__, __LINE__)
/* Checks a call that returns an object and takes a pointer to the code as its last argument:
 * CL_MAKE(cl, cl->context, clCreateContext, NULL, 1, ...). */
#define CL_MAKE(cl, object, function, ...)                                                         \
    __extension__({                                                                                \
        cl_int code_ = CL_SUCCESS;                                                                 \
        (object) = function(__VA_ARGS__, &code_);                                                  \
        opencl_check((cl), code_, #function, __FILE__, __LINE__);                                  \
    })

/* ---- opencl_device.c, program.c, opencl_product.c -------------------------------------------- */

extern const CoupletDeviceCalls opencl_calls;
/* Builds the runtime's own kernels, and allocates its words. */
bool opencl_open_support(Opencl *cl);
void opencl_close_support(Opencl *cl);

/* Returns the program of this source, from the cache or built, or NULL. Each use must be ended with
 * opencl_unload. */
cl_program opencl_load(Opencl *cl, const char *source);
void opencl_unload(Opencl *cl, const char *source);

bool opencl_product(Opencl *cl, const CoupletProduct *product, const Memory *left,
                    const Memory *right, const Memory *out);
/* host_step.c: does a step that has no launch. */
bool opencl_host_step(CoupletDevice *device, const CoupletPlan *plan, int number,
                      void *const *memory);
void opencl_forget_products(void); /* frees what the library for products keeps */

#endif
