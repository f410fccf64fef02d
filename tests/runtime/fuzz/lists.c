/* The fuzz target of lists of files in CSV, and of CIFAR's binary files. */
#include "runtime/data/list.h"
#include "tests/runtime/fuzz/table.h"

extern const CoupletReader couplet_reader_cifar10, couplet_reader_cifar100;

static void fuzz_list(const uint8_t *data, size_t size) {
    static const char *const taken[] = {"image", NULL};
    char error[512];
    CoupletList list;
    CoupletTable table = {.held = 0};
    if (!couplet_list_read(&list, fuzz_file(data, size), error, sizeof error)) return;
    couplet_list_fields(&list, "list", taken, &table, error, sizeof error);
    fuzz_free_fields(&table);
    couplet_list_free(&list);
}

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    if (strstr(name, ".csv"))
        fuzz_list(data, size);
    else
        fuzz_table(strstr(name, "100") ? &couplet_reader_cifar100 : &couplet_reader_cifar10, data,
                   size, NULL, 0);
}

#include "tests/runtime/fuzz/mutate.h"
