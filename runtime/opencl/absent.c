/* Replaces the OpenCL device if OpenCL is not installed. There are no devices, and opening one
 * gives a sentence that says so. */
#include "runtime/opencl/opencl.h"

#include <stdio.h>

int couplet_opencl_list(CoupletOpenclInfo *infos, int most) {
    (void)infos;
    (void)most;
    return 0;
}

bool couplet_opencl_is_built(void) {
    return false;
}

bool couplet_opencl_is_gpu(int number) {
    (void)number;
    return false;
}

bool couplet_opencl_has_products(void) {
    return false;
}

CoupletDevice *couplet_opencl_open(int number, const char *cache_folder, char *error,
                                   size_t error_bytes) {
    (void)cache_folder;
    snprintf(error, error_bytes,
             "opencl:%d: this build of Couplet has no OpenCL; its loader and headers "
             "(ocl-icd-opencl-dev, opencl-headers) were not there when it was configured",
             number);
    return NULL;
}

bool couplet_opencl_was_cached(const CoupletDevice *device) {
    (void)device;
    return false;
}
