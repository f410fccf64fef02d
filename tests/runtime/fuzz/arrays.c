/* The fuzz target of arrays: .npy files, .npz archives and safetensors files. */
#include "tests/runtime/fuzz/table.h"

extern const CoupletReader couplet_reader_arrays;

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    static const CoupletSetting keep = {.name = "missing", .text = "keep"};
    fuzz_table(&couplet_reader_arrays, data, size, &keep, strstr(name, "nan") ? 1 : 0);
}

#include "tests/runtime/fuzz/mutate.h"
