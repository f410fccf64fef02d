/* What --device means: a word becomes a kind of device and a number, and the runtime's device is
 * opened with the folder of caches. Whether a device is a GPU decides how large tiles are, so
 * code for another machine (ANY_GPU) is made for one. */
#include "compiler/driver/device.h"
#include "compiler/driver/report.h"

#include "compiler/cpu/cpu.h"
#include "runtime/opencl/opencl.h"

#include <stdlib.h>
#include <string.h>

bool device_choose(const char *text, bool with_reference, DeviceChoice *out) {
    static const char opencl[] = "opencl";
    *out = (DeviceChoice){ON_CPU, 0};
    if (!text || strcmp(text, "cpu") == 0) return true;
    if (with_reference && strcmp(text, "reference") == 0) {
        out->kind = ON_REFERENCE;
        return true;
    }
    if (strncmp(text, opencl, sizeof opencl - 1) == 0) {
        const char *rest = text + sizeof opencl - 1;
        char *end;
        out->kind = ON_OPENCL;
        if (!*rest) return true;
        long number = strtol(rest + 1, &end, 10);
        out->number = (int)number;
        if (*rest == ':' && rest[1] >= '0' && rest[1] <= '9' && !*end && number < COUPLET_OPENCL_MAX_DEVICES) return true;
    }
    report(CODE_COMMAND_LINE, "--device is cpu%s or opencl (opencl:1 for the second device), and `%s` was given", with_reference ? ", reference" : "", text);
    return false;
}

OpenclOptions device_opencl_options(const DeviceChoice *choice) {
    return (OpenclOptions){.has_products = couplet_opencl_has_products(), .is_gpu = choice->number == ANY_GPU || couplet_opencl_is_gpu(choice->number)};
}

CoupletDevice *device_open(Arena *arena, const DeviceChoice *choice) {
    char error[640];
    CoupletDevice *device = couplet_opencl_open(choice->number, cpu_cache_folder(arena), error, sizeof error);
    if (!device) report_error(CODE_DEVICE, error);
    return device;
}
