/* Lets the device's compiler build the program of a plan, and keeps the binary on disk under a hash
 * of source, options and device. */
#include "runtime/opencl/internal.h"

#include "runtime/files.h"
#include "runtime/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = "coupcl01";

typedef struct Binary {
    unsigned char *data;
    size_t length;
} Binary;

/* True if the driver keeps programs by itself. PoCL keeps what it built under a hash of its own; if
 * it is asked for a binary, it builds each kernel again, for groups of any size. So it is not
 * asked, unless COUPLET_OPENCL_CACHE demands it (a test does). */
static bool driver_keeps(const Opencl *cl) {
    const char *wish = getenv("COUPLET_OPENCL_CACHE");
    return cl->is_pocl && !(wish && strcmp(wish, "always") == 0);
}

/* ---- the cache ------------------------------------------------------------------------------- */

/* Writes the path of a program in the cache. Returns false if there is no cache. The name has two
 * hashes, so 128 bits would have to agree by chance. */
static bool cache_path(Opencl *cl, const char *source, char *path, size_t bytes) {
    static const cl_device_info about[] = {CL_DEVICE_NAME, CL_DEVICE_VENDOR, CL_DEVICE_VERSION,
                                           CL_DRIVER_VERSION};
    if (!cl->cache_folder) return false;
    uint64_t a = couplet_hash_bytewise(1469598103934665603u, source, strlen(source) + 1);
    uint64_t b = couplet_hash_bytewise(7809847782465536322u, source, strlen(source) + 1);
    const char *options = cl->options;
    a = couplet_hash_bytewise(a, options, strlen(options) + 1);
    b = couplet_hash_bytewise(b, options, strlen(options) + 1) * 31;
    for (size_t i = 0; i < sizeof about / sizeof *about; i++) {
        char text[256] = "";
        clGetDeviceInfo(cl->id, about[i], sizeof text, text, NULL);
        a = couplet_hash_bytewise(a, text, strnlen(text, sizeof text) + 1);
        b = couplet_hash_bytewise(b, text, strnlen(text, sizeof text) + 1) * 31;
    }
    int length = snprintf(path, bytes, "%s/%016llx%016llx.opencl", cl->cache_folder,
                          (unsigned long long)a, (unsigned long long)b);
    return length > 0 && (size_t)length < bytes;
}

/* Reads a binary. A file that is short, or whose hash is wrong, counts as missing: the program is
 * built again, and the file replaced. */
static Binary read_binary(const char *path) {
    struct {
        char magic[8];
        uint64_t hash;
        uint64_t length;
    } head;
    Binary none = {NULL, 0};
    Binary found = none;
    FILE *file = fopen(path, "rb");
    if (!file) return none;
    if (fread(&head, sizeof head, 1, file) == 1 && memcmp(head.magic, magic, sizeof magic) == 0 &&
        head.length < ((uint64_t)1 << 32) && (found.data = malloc(head.length + 1))) {
        found.length = fread(found.data, 1, head.length, file);
        if (found.length != head.length ||
            couplet_hash_bytewise(1469598103934665603u, found.data, found.length) != head.hash) {
            free(found.data);
            found = none;
        }
    }
    fclose(file);
    return found;
}

/* Writes a binary. The cache is a convenience, so a failure is silent. */
static void write_binary(const char *path, Binary binary) {
    char partial[COUPLET_PATH_BYTES + 32];
    const uint64_t hash = couplet_hash_bytewise(1469598103934665603u, binary.data, binary.length);
    const uint64_t length = binary.length;
    snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    FILE *file = fopen(partial, "wb");
    if (!file) return;
    bool good = fwrite(magic, sizeof magic, 1, file) == 1 &&
                fwrite(&hash, sizeof hash, 1, file) == 1 &&
                fwrite(&length, sizeof length, 1, file) == 1 &&
                fwrite(binary.data, 1, binary.length, file) == binary.length;
    good = fclose(file) == 0 && good;
    if (!good || rename(partial, path) != 0) remove(partial);
}

static void keep_binary(cl_program program, const char *path) {
    Binary binary = {NULL, 0};
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof binary.length, &binary.length,
                         NULL) != CL_SUCCESS ||
        binary.length == 0)
        return;
    binary.data = malloc(binary.length);
    if (binary.data && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary.data,
                                        &binary.data, NULL) == CL_SUCCESS)
        write_binary(path, binary);
    free(binary.data);
}

/* Returns a program from the cache, or NULL. A driver may refuse a binary that it made itself,
 * after an update that kept its version. */
static cl_program from_cache(Opencl *cl, const char *path) {
    Binary binary = read_binary(path);
    if (!binary.data) return NULL;
    cl_int status;
    cl_int code;
    const unsigned char *data = binary.data;
    cl_program program =
        clCreateProgramWithBinary(cl->context, 1, &cl->id, &binary.length, &data, &status, &code);
    free(binary.data);
    if (!program || code != CL_SUCCESS) return NULL;
    if (clBuildProgram(program, 1, &cl->id, cl->options, NULL, NULL) == CL_SUCCESS) return program;
    clReleaseProgram(program);
    return NULL;
}

/* ---- building -------------------------------------------------------------------------------- */

static void fail_build(Opencl *cl, cl_program program) {
    size_t length = 0;
    clGetProgramBuildInfo(program, cl->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length);
    char *log = calloc(1, length + 1);
    if (log) {
        clGetProgramBuildInfo(program, cl->id, CL_PROGRAM_BUILD_LOG, length, log, NULL);
    }
    couplet_device_fail(
        &cl->device, COUPLET_FAULT_DEVICE, -1,
        "a fault of the compiler: the device's compiler rejects the kernels: %.300s",
        log ? log : "?");
    free(log);
}

static cl_program from_source(Opencl *cl, const char *source) {
    cl_program program = NULL;
    if (!CL_MAKE(cl, program, clCreateProgramWithSource, cl->context, 1, &source, NULL))
        return NULL;
    cl_int code = clBuildProgram(program, 1, &cl->id, cl->options, NULL, NULL);
    if (code == CL_BUILD_PROGRAM_FAILURE)
        fail_build(cl, program);
    else if (opencl_check(cl, code, "clBuildProgram", __FILE__, __LINE__))
        return program;
    clReleaseProgram(program);
    return NULL;
}

static cl_program build(Opencl *cl, const char *source) {
    char path[COUPLET_PATH_BYTES];
    bool cached = !driver_keeps(cl) && cache_path(cl, source, path, sizeof path);
    cl_program program = cached ? from_cache(cl, path) : NULL;
    if (program) return program;
    cl->was_cached = false;
    program = from_source(cl, source);
    if (program && cached) keep_binary(program, path);
    return program;
}

cl_program opencl_load(Opencl *cl, const char *source) {
    Loaded *free_place = NULL;
    for (int i = 0; i < MAX_LOADED; i++) {
        Loaded *l = &cl->loaded[i];
        if (l->program && strcmp(l->source, source) == 0) {
            l->users++;
            return l->program;
        }
        if (!l->program && !free_place) free_place = l;
    }
    if (!free_place) {
        couplet_device_fail(&cl->device, COUPLET_FAULT_DEVICE, -1,
                            "more than %d programs at a time are not held on one device",
                            MAX_LOADED);
        return NULL;
    }
    cl_program program = build(cl, source);
    if (program) *free_place = (Loaded){source, program, 1};
    return program;
}

void opencl_unload(Opencl *cl, const char *source) {
    for (int i = 0; i < MAX_LOADED; i++) {
        Loaded *l = &cl->loaded[i];
        if (!l->program || strcmp(l->source, source) != 0 || --l->users > 0) continue;
        clReleaseProgram(l->program);
        *l = (Loaded){NULL, NULL, 0};
    }
}
