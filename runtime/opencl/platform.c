/* Lists the OpenCL devices of all platforms, and opens one of them. */
#include "runtime/opencl/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PLATFORMS = 16,
    NEEDED_GROUP = 256,
    NEEDED_LOCAL = 32768,
};

/* kinds of devices, in the order of the list */
static const struct {
    cl_device_type type;
    const char *name;
} kinds[] = {{CL_DEVICE_TYPE_GPU, "GPU"},
             {CL_DEVICE_TYPE_ACCELERATOR, "accelerator"},
             {CL_DEVICE_TYPE_CPU, "CPU"}};

static int find_devices(cl_device_id *ids, const char **names, int most) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint platform_count = 0;
    /* the loader reports an error if there is no platform at all */
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &platform_count) != CL_SUCCESS) return 0;
    if (platform_count > MAX_PLATFORMS) platform_count = MAX_PLATFORMS;
    int count = 0;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (cl_uint p = 0; p < platform_count && count < most; p++) {
            cl_uint here = 0;
            if (clGetDeviceIDs(platforms[p], kinds[kind].type, (cl_uint)(most - count), ids + count,
                               &here) != CL_SUCCESS)
                continue;
            if ((int)here > most - count) {
                here = (cl_uint)(most - count);
            }
            for (cl_uint i = 0; i < here; i++)
                names[count++] = kinds[kind].name;
        }
    }
    return count;
}

static void ask_text(cl_device_id id, cl_device_info what, char *out, size_t bytes) {
    out[0] = 0;
    if (clGetDeviceInfo(id, what, bytes, out, NULL) != CL_SUCCESS) {
        snprintf(out, bytes, "?");
    }
    out[bytes - 1] = 0;
}

static int64_t ask_size(cl_device_id id, cl_device_info what) {
    cl_ulong value = 0;
    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS ? (int64_t)value : 0;
}

static void describe_device(cl_device_id id, const char *kind, CoupletOpenclInfo *info) {
    cl_platform_id platform = NULL;
    memset(info, 0, sizeof *info);
    ask_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    ask_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    ask_text(id, CL_DEVICE_OPENCL_C_VERSION, info->c_version, sizeof info->c_version);
    ask_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    clGetDeviceInfo(id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    if (!platform || clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof info->platform,
                                       info->platform, NULL) != CL_SUCCESS)
        strcpy(info->platform, "?");
    info->kind = kind;
    info->memory = ask_size(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->piece = ask_size(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
}

int couplet_opencl_list(CoupletOpenclInfo *infos, int most) {
    cl_device_id ids[COUPLET_OPENCL_MAX_DEVICES];
    const char *names[COUPLET_OPENCL_MAX_DEVICES];
    int count = find_devices(ids, names, COUPLET_OPENCL_MAX_DEVICES);
    for (int i = 0; i < count && i < most; i++)
        describe_device(ids[i], names[i], &infos[i]);
    return count;
}

bool couplet_opencl_is_gpu(int number) {
    cl_device_id ids[COUPLET_OPENCL_MAX_DEVICES];
    const char *names[COUPLET_OPENCL_MAX_DEVICES];
    return number >= 0 && number < find_devices(ids, names, COUPLET_OPENCL_MAX_DEVICES) &&
           strcmp(names[number], "GPU") == 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Checks once what all kernels need, because some drivers abort where they should return an
 * error. */
static bool can_run(Opencl *cl, const CoupletOpenclInfo *info) {
    size_t group = 0;
    cl_bool compiler = CL_FALSE;
    clGetDeviceInfo(cl->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
    clGetDeviceInfo(cl->id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL);
    int64_t local = ask_size(cl->id, CL_DEVICE_LOCAL_MEM_SIZE);
    if (!compiler)
        return couplet_device_fail(&cl->device, COUPLET_FAULT_DEVICE, -1,
                                   "%s has no OpenCL compiler of its own", info->name);
    if (group >= NEEDED_GROUP && local >= NEEDED_LOCAL) return true;
    return couplet_device_fail(
        &cl->device, COUPLET_FAULT_DEVICE, -1,
        "%s has groups of %zu work-items and %lld bytes of local memory; %d and %d are needed",
        info->name, group, (long long)local, NEEDED_GROUP, NEEDED_LOCAL);
}

/* Chooses options: division and square root as on the CPU, if the device can; no warnings, which
 * some compilers write to the user's terminal. */
static void choose_options(Opencl *cl) {
    cl_device_fp_config config = 0;
    clGetDeviceInfo(cl->id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL);
    cl->options = config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT
                      ? "-cl-std=CL1.2 -w -cl-fp32-correctly-rounded-divide-sqrt"
                      : "-cl-std=CL1.2 -w";
}

/* Limits the memory by COUPLET_OPENCL_MEMORY, in MiB, since others may use the device as well. */
static bool limit_memory(Opencl *cl, const CoupletOpenclInfo *info) {
    const char *limit = getenv("COUPLET_OPENCL_MEMORY");
    char *end = NULL;
    cl->memory = info->memory;
    cl->piece = info->piece;
    if (!limit) return true;
    long mib = strtol(limit, &end, 10);
    if (mib < 1 || mib > INT32_MAX || *end)
        return couplet_device_fail(
            &cl->device, COUPLET_FAULT_DEVICE, -1,
            "COUPLET_OPENCL_MEMORY is a number of MiB from 1 on, and `%.40s` was given", limit);
    const int64_t most = (int64_t)mib * 1024 * 1024;
    if (most < cl->memory) cl->memory = most;
    if (most < cl->piece) cl->piece = most;
    return true;
}

static bool open_platform_device(Opencl *cl, const CoupletOpenclInfo *info) {
    choose_options(cl);
    cl->is_pocl = strcmp(info->platform, "Portable Computing Language") == 0;
    return can_run(cl, info) && limit_memory(cl, info) &&
           CL_MAKE(cl, cl->context, clCreateContext, NULL, 1, &cl->id, NULL, NULL) &&
           CL_MAKE(cl, cl->queue, clCreateCommandQueue, cl->context, cl->id, 0) &&
           opencl_open_support(cl);
}

CoupletDevice *couplet_opencl_open(int number, const char *cache_folder, char *error,
                                   size_t error_bytes) {
    cl_device_id ids[COUPLET_OPENCL_MAX_DEVICES];
    const char *names[COUPLET_OPENCL_MAX_DEVICES];
    const char *fail_at = getenv("COUPLET_OPENCL_FAIL");
    int count = find_devices(ids, names, COUPLET_OPENCL_MAX_DEVICES);
    if (number < 0 || number >= count) {
        if (count == 0)
            snprintf(error, error_bytes,
                     "there is no OpenCL device: no driver is installed, or the loader finds none "
                     "(`couplet devices` lists what there is)");
        else
            snprintf(error, error_bytes,
                     "there is no device opencl:%d; the last is opencl:%d (`couplet devices` lists "
                     "them)",
                     number, count - 1);
        return NULL;
    }
    Opencl *cl = calloc(1, sizeof *cl);
    if (!cl) {
        snprintf(error, error_bytes, "out of memory");
        return NULL;
    }
    CoupletOpenclInfo info;
    describe_device(ids[number], names[number], &info);
    cl->device.calls = &opencl_calls;
    cl->device.group = couplet_group_alone();
    snprintf(cl->device.name, sizeof cl->device.name, "opencl:%d", number);
    snprintf(cl->device.driver, sizeof cl->device.driver, "%s, %s", info.name, info.driver);
    couplet_device_clear(&cl->device);
    cl->id = ids[number];
    cl->cache_folder = cache_folder;
    cl->was_cached = true;
    cl->fail_at = fail_at ? strtol(fail_at, NULL, 10) : 0;
    if (open_platform_device(cl, &info)) return &cl->device;
    snprintf(error, error_bytes, "%s: %s", cl->device.name, cl->device.fault.sentence);
    couplet_device_free(&cl->device);
    return NULL;
}

bool couplet_opencl_is_built(void) {
    return true;
}

bool couplet_opencl_was_cached(const CoupletDevice *device) {
    return ((const Opencl *)device)->was_cached;
}
