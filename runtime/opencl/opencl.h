/* OpenCL devices, through the ICD loader: a list of them, and one of them as a CoupletDevice. */
#ifndef COUPLET_RUNTIME_OPENCL_H
#define COUPLET_RUNTIME_OPENCL_H

#include "runtime/device.h"

#include <stddef.h>

enum { COUPLET_OPENCL_MAX_DEVICES = 64 };

typedef struct CoupletOpenclInfo {
    char name[128];
    char platform[128];
    char version[128];
    char c_version[64];
    char driver[128];
    const char *kind;      /* "GPU", "CPU" or "accelerator" */
    int64_t memory, piece; /* the bytes of all memory, and of one allocation */
} CoupletOpenclInfo;

/* Describes at most `most` devices, and returns how many there are. GPUs come first. The position
 * in this list is the n of `opencl:n`. */
int couplet_opencl_list(CoupletOpenclInfo *infos, int most);
bool couplet_opencl_is_built(void);
bool couplet_opencl_is_gpu(int number); /* True if the device of this number exists and is a GPU. */
/* True if this build can compute plain matrix products on a device (CLBlast). */
bool couplet_opencl_has_products(void);
/* Opens device number `number`. Built programs are kept in `cache_folder` (NULL: nowhere), which
 * must outlive the device. Returns NULL with a sentence. */
CoupletDevice *couplet_opencl_open(int number, const char *cache_folder, char *error,
                                   size_t error_bytes);
/* True if all programs that were needed so far came from the cache. */
bool couplet_opencl_was_cached(const CoupletDevice *device);

#endif
