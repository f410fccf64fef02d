/* Reads the option --device: a word becomes a back end and the number of one of its devices. The
 * table of back ends lists the words (compiler/backend/backend.c). */
#include "compiler/driver/device_option.h"
#include "compiler/driver/report.h"

#include <stdlib.h>
#include <string.h>

/* Returns the possible words: "cpu, reference or opencl (opencl:1 for the second device)". */
static const char *list_devices(Arena *arena, bool with_reference) {
    int count;
    const BackEnd *const *all = backends(&count);
    const char *list = "";
    for (int i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : i + 1 < count ? ", " : " or ";
        list = arena_printf(arena, "%s%s%s", list, between, all[i]->name);
        if (i == 0 && with_reference) {
            list = arena_printf(arena, "%s, reference", list);
        }
        if (all[i]->most_devices > 1)
            list = arena_printf(arena, "%s (%s:1 for the second device)", list, all[i]->name);
    }
    return list;
}

/* Reads the number in a word such as "opencl:1", if the back end has several devices. */
static bool read_device_number(const char *text, const BackEnd *backend, int *number) {
    char *end;
    if (backend->most_devices < 2 || text[0] != ':' || text[1] < '0' || text[1] > '9') return false;
    const long n = strtol(text + 1, &end, 10);
    *number = (int)n;
    return !*end && n < backend->most_devices;
}

bool device_choose(const char *text, bool with_reference, DeviceChoice *out) {
    *out = (DeviceChoice){.backend = &cpu_backend};
    if (!text) return true;
    out->is_reference = with_reference && strcmp(text, "reference") == 0;
    if (out->is_reference) return true;
    int count;
    const BackEnd *const *all = backends(&count);
    for (int i = 0; i < count; i++) {
        const size_t length = strlen(all[i]->name);
        if (strncmp(text, all[i]->name, length) != 0) continue;
        out->backend = all[i];
        if (!text[length] || read_device_number(text + length, all[i], &out->number)) return true;
    }
    Arena *arena = arena_new();
    report(CODE_COMMAND_LINE, "--device is %s, and `%s` was given",
           list_devices(arena, with_reference), text);
    arena_free(arena);
    return false;
}

void device_deal(const char *text, const CoupletGroup *group, DeviceChoice *choice) {
    const bool is_named = text && strchr(text, ':');
    if (group && group->local_ranks > 1 && !is_named && choice->backend->deal)
        choice->number = choice->backend->deal(group->local_rank);
}

CoupletDevice *device_open(Arena *arena, const DeviceChoice *choice, CoupletThreads *threads) {
    char error[REPORT_BYTES];
    CoupletDevice *device =
        choice->backend->open(arena, choice->number, threads, error, sizeof error);
    if (!device) report_error(CODE_DEVICE, error);
    return device;
}
