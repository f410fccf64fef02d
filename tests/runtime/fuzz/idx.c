/* The fuzz target of IDX files; a seed whose name begins with `labels` is its own file of labels
 * too. */
#include "tests/runtime/fuzz/table.h"

extern const CoupletReader couplet_reader_idx;

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    const CoupletSetting own = {.name = "labels", .text = fuzz_file(data, size)};
    fuzz_table(&couplet_reader_idx, data, size, &own, strstr(name, "labels") ? 1 : 0);
}

#include "tests/runtime/fuzz/mutate.h"
