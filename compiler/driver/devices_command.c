/* couplet devices: what --device can name on this machine. */
#include "compiler/driver/options.h"
#include "compiler/driver/report.h"
#include "runtime/opencl/opencl.h"
#include "runtime/threads.h"

static void show(int number, const CoupletOpenclInfo *d) {
    printf("opencl:%-3d %s (%s), %.1f GB of memory, at most %.1f GB in one piece\n", number,
           d->name, d->kind, (double)d->memory / 1e9, (double)d->piece / 1e9);
    printf("           platform %s; %s, driver %s, %s\n", d->platform, d->version, d->driver,
           d->c_version);
}

int devices_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    bool good = options_read(arena, &o, "devices", "[file]", argc, argv);
    if (good && o.file)
        good = report(CODE_COMMAND_LINE, "nothing can be asked of it, and `%s` was given", o.file);
    arena_free(arena);
    if (!good) return 2;
    CoupletOpenclInfo infos[COUPLET_OPENCL_MAX_DEVICES];
    int count = couplet_opencl_list(infos, COUPLET_OPENCL_MAX_DEVICES);
    CoupletThreads *threads = couplet_threads_new(0);
    const int count_of_threads = couplet_threads_count(threads);
    printf("cpu        %d %s\n", count_of_threads, count_of_threads == 1 ? "thread" : "threads");
    couplet_threads_free(threads);
    for (int i = 0; i < count; i++)
        show(i, &infos[i]);
    if (count == 0)
        printf("There is no OpenCL device here%s.\n",
               couplet_opencl_is_built() ? "" : ", and this build of Couplet has no OpenCL");
    else
        printf("Plain matrix products on OpenCL: %s.\n",
               couplet_opencl_has_products()
                   ? "CLBlast"
                   : "Couplet's own kernels, since this build has no CLBlast");
    return 0;
}
