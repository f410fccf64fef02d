/* couplet devices: lists what --device can name on this machine. */
#include "compiler/backend/backend.h"
#include "compiler/driver/options.h"
#include "compiler/driver/report.h"

int devices_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    bool good = options_read(arena, &o, "devices", "[file]", argc, argv);
    if (good && o.file)
        good = report(CODE_COMMAND_LINE, "devices takes no argument, and `%s` was given", o.file);
    arena_free(arena);
    if (!good) return 2;
    int count;
    const BackEnd *const *all = backends(&count);
    for (int i = 0; i < count; i++)
        all[i]->print_devices(stdout);
    return 0;
}
