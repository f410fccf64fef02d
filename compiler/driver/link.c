/* Runs the system's cc and ar on objects that the compiler wrote. The arguments are a list and
 * never pass through a shell, so a file name may contain anything.
 *
 * The runtime lies beside the executable, in a build folder as in an installation. $COUPLET_RUNTIME
 * names another one. A runtime that was built with sanitizers is linked with them. */
#include "compiler/driver/link.h"
#include "compiler/driver/report.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool tool_run(const char *const *words) {
    pid_t child;
    int status = 0;
    int failed =
        posix_spawnp(&child, words[0], NULL, NULL, (char *const *)(uintptr_t)words, environ);
    if (failed) {
        report(CODE_OTHER_PROGRAM, "`%s` cannot be run: %s", words[0], strerror(failed));
        return false;
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    report(CODE_OTHER_PROGRAM, "`%s` failed; the lines above, if any, are its own", words[0]);
    return false;
}

/* Returns the folder of libcouplet.a, libcouplet.so and couplet.h: $COUPLET_RUNTIME, or their place
 * beside this executable. Returns NULL after a sentence. */
static const char *link_runtime_folder(Arena *arena) {
    const char *set = getenv("COUPLET_RUNTIME");
    if (set && *set) return set;
    char *self = realpath("/proc/self/exe", NULL);
    const char *slash = self ? strrchr(self, '/') : NULL;
    const char *here = slash ? arena_strndup(arena, self, (size_t)(slash - self)) : NULL;
    free(self);
    if (here) {
        /* The folders of libraries: in a build, in an installation, and in Debian's, where they lie
         * deeper. */
        static const char *const places[] = {"runtime", "../lib", ("../" COUPLET_LIBRARIES)};
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            const char *folder = arena_printf(arena, "%s/%s", here, places[i]);
            if (access(arena_printf(arena, "%s/libcouplet.a", folder), R_OK) == 0) return folder;
        }
    }
    report(CODE_OTHER_PROGRAM, "the runtime's library, libcouplet.a, is not beside this program; "
                               "the environment variable COUPLET_RUNTIME can name its folder");
    return NULL;
}

typedef struct Words {
    ARRAY(const char *) items;
} Words;

static void add_word(Arena *arena, Words *w, const char *word) {
    array_push(arena, &w->items, word);
}

static void add_word_list(Arena *arena, Words *w, const char *const *words, int count) {
    for (int i = 0; i < count; i++)
        add_word(arena, w, words[i]);
}

/* Adds the -fsanitize=.. with which the runtime was built, if any. */
static void add_sanitizers(Arena *arena, Words *w) {
    char *copy = arena_printf(arena, "%s", COUPLET_SANITIZERS);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        add_word(arena, w, word);
}

static bool run_linker(Arena *arena, Words *w) {
    add_word(arena, w, NULL);
    return tool_run(w->items.items);
}

bool link_executable(Arena *arena, const char *const *objects, int count, const char *out) {
    const char *runtime = link_runtime_folder(arena);
    if (!runtime) return false;
    Words w = {{0}};
    add_word_list(arena, &w, (const char *const[]){"cc", "-o", out}, 3);
    add_sanitizers(arena, &w);
    add_word_list(arena, &w, objects, count);
    add_word(arena, &w, arena_printf(arena, "%s/libcouplet.a", runtime));
    add_word_list(arena, &w,
                  (const char *const[]){"-Wl,--gc-sections", "-Wl,--as-needed", "-s", "-lz", "-lm",
                                        "-pthread"},
                  6);
    return run_linker(arena, &w);
}

bool link_shared(Arena *arena, const char *const *objects, int count, const char *out) {
    const char *runtime = link_runtime_folder(arena);
    const char *slash = strrchr(out, '/');
    if (!runtime) return false;
    Words w = {{0}};
    add_word_list(
        arena, &w,
        (const char *const[]){"cc", "-shared", "-o", out,
                              arena_printf(arena, "-Wl,-soname,%s", slash ? slash + 1 : out)},
        5);
    add_word_list(arena, &w, objects, count);
    add_word_list(arena, &w,
                  (const char *const[]){"-Wl,--no-as-needed", arena_printf(arena, "-L%s", runtime),
                                        "-lcouplet", "-lm"},
                  4);
    return run_linker(arena, &w);
}

bool link_archive(Arena *arena, const char *const *objects, int count, const char *out) {
    remove(out); /* ar would add to an existing file */
    Words w = {{0}};
    add_word_list(arena, &w, (const char *const[]){"ar", "rcs", out}, 3);
    add_word_list(arena, &w, objects, count);
    return run_linker(arena, &w);
}

bool link_object(Arena *arena, const char *const *objects, int count, const char *out) {
    Words w = {{0}};
    add_word_list(arena, &w, (const char *const[]){"cc", "-r", "-nostdlib", "-o", out}, 5);
    add_word_list(arena, &w, objects, count);
    if (!run_linker(arena, &w)) return false;
    return tool_run((const char *const[]){"objcopy", "--localize-hidden", out, NULL});
}
