/* The fuzz target of what is read from users' files: arrays (.npy), archives (.npz) and IDX files. The first byte chooses. */
#include "runtime/idx.h"
#include "runtime/npz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_file(int choice, const char *path) {
    char error[512];
    CoupletNpy array;
    CoupletIdx idx;
    if (choice == 0 && couplet_npy_read(path, &array, error, sizeof error)) couplet_npy_free(&array);
    if (choice == 1 && couplet_npz_read(path, "x", &array, error, sizeof error)) couplet_npy_free(&array);
    if (choice == 2 && couplet_idx_read(path, &idx, error, sizeof error)) couplet_idx_free(&idx);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    if (size < 1) return 0;
    char path[64];
    int file = memfd_create("fuzz", 0);
    if (file < 0 || write(file, data + 1, size - 1) != (ssize_t)(size - 1)) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    read_file(data[0] % 3, path);
    close(file);
    return 0;
}
