/* Puts a failed OpenCL or CLBlast call into words. */
#include "runtime/opencl/internal.h"

#ifdef COUPLET_HAS_CLBLAST
#include <clblast_c.h>
#endif
#include <string.h>

typedef struct CodeName {
    long code;
    const char *name;
} CodeName;

#define CODE(name) {name, #name},
static const CodeName names[] = {
#include "runtime/opencl/opencl_codes.def"
#ifdef COUPLET_HAS_CLBLAST
#include "runtime/opencl/products.def"
#endif
};
#undef CODE

static const char *opencl_code_name(long code) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code) return names[i].name;
    return "an unknown code";
}

static bool is_memory(long code) {
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
}

/* True for the codes with which drivers report a device that hangs, faults or is gone. */
static bool is_loss(long code) {
    return code == CL_DEVICE_NOT_AVAILABLE || code == CL_OUT_OF_RESOURCES ||
           code == CL_INVALID_COMMAND_QUEUE || code == CL_INVALID_CONTEXT;
}

bool opencl_check(Opencl *cl, long code, const char *call, const char *file, int line) {
    if (++cl->calls == cl->fail_at) code = CL_OUT_OF_RESOURCES;
    if (code == CL_SUCCESS) return true;
    /* Copies that were asked for before may still read memory that the caller frees now. */
    if (cl->queue) clFinish(cl->queue);
    const char *open = strchr(call, '(');
    const char *slash = strrchr(file, '/');
    int length = open ? (int)(open - call) : (int)strlen(call);
    const char *meaning = is_memory(code) ? "the device is out of memory"
                          : is_loss(code) ? "the device failed or was lost"
                                          : "a call to OpenCL failed";
    return couplet_device_fail(&cl->device,
                               is_memory(code) ? COUPLET_FAULT_MEMORY : COUPLET_FAULT_DEVICE, -1,
                               "%s: %.*s gave %s (%s:%d)", meaning, length, call,
                               opencl_code_name(code), slash ? slash + 1 : file, line);
}
