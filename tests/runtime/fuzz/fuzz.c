/* The fuzz target of arrays that commands take: .npy files and .npz archives. The first byte
 * chooses. */
#include "runtime/npz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void try_reading(int choice, const char *path) {
    char error[512];
    CoupletNpy array;
    if (choice == 0 && couplet_npy_read(path, &array, error, sizeof error))
        couplet_npy_free(&array);
    if (choice == 1 && couplet_npz_read(path, "x", &array, error, sizeof error))
        couplet_npy_free(&array);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    if (size < 1) return 0;
    char path[64];
    int file = memfd_create("fuzz", 0);
    if (file < 0 || write(file, data + 1, size - 1) != (ssize_t)(size - 1)) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    try_reading(data[0] % 2, path);
    close(file);
    return 0;
}
