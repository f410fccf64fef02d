/* The fuzz target of lines of text. What stands in a seed's name says how they are read. */
#include "tests/runtime/fuzz/table.h"

extern const CoupletReader couplet_reader_lines;

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    CoupletSetting settings[8] = {{.name = "tokens", .number = 5}};
    int count = 1;
    if (strstr(name, "characters"))
        settings[count++] = (CoupletSetting){.name = "unit", .text = "characters"};
    if (strstr(name, "bytes"))
        settings[count++] = (CoupletSetting){.name = "unit", .text = "bytes"};
    if (strstr(name, "lower")) settings[count++] = (CoupletSetting){.name = "lower", .number = 1};
    if (strstr(name, "few"))
        settings[count++] = (CoupletSetting){.name = "vocabulary", .number = 2};
    if (strstr(name, "label")) settings[count++] = (CoupletSetting){.name = "label", .number = 1};
    if (strstr(name, "like"))
        settings[count++] = (CoupletSetting){.name = "like", .text = fuzz_file(data, size)};
    fuzz_table(&couplet_reader_lines, data, size, settings, count);
}

#include "tests/runtime/fuzz/mutate.h"
