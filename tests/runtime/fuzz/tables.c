/* The fuzz target of CSV tables. What stands in a seed's name says how it is read. */
#include "tests/runtime/fuzz/table.h"

const CoupletReader *couplet_reader_module(const char *name, int version);

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    CoupletSetting settings[8];
    int count = 0;
    if (strstr(name, "mean"))
        settings[count++] = (CoupletSetting){.name = "missing", .text = "mean"};
    if (strstr(name, "drop"))
        settings[count++] = (CoupletSetting){.name = "missing", .text = "drop"};
    if (strstr(name, "label"))
        settings[count++] = (CoupletSetting){.name = "label", .text = "label"};
    if (strstr(name, "fields"))
        settings[count++] = (CoupletSetting){.name = "fields", .text = "#1, #2"};
    if (strstr(name, "comma")) settings[count++] = (CoupletSetting){.name = "decimal", .text = ","};
    if (strstr(name, "bare")) settings[count++] = (CoupletSetting){.name = "header", .number = 0};
    if (strstr(name, "like"))
        settings[count++] = (CoupletSetting){.name = "like", .text = fuzz_file(data, size)};
    fuzz_table(couplet_reader_module("table", COUPLET_READER_VERSION), data, size, settings, count);
}

#include "tests/runtime/fuzz/mutate.h"
