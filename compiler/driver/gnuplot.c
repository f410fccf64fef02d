/* Runs gnuplot as a process of its own. */
#include "compiler/driver/gnuplot.h"

#include "compiler/driver/report.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const gnuplot_colours[GNUPLOT_COLOURS] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                      "#E69F00", "#56B4E9", "#000000", "#999999"};

bool gnuplot_run(const char *script, const char *rest) {
    pid_t child = fork();
    if (child == 0) {
        execlp("gnuplot", "gnuplot", script, (char *)NULL);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)) {
        if (WEXITSTATUS(status) == 0) return true;
        if (WEXITSTATUS(status) == 127)
            report(CODE_OTHER_PROGRAM,
                   "the program `gnuplot` is needed for the plot: install Debian's package "
                   "gnuplot-nox%s",
                   rest);
        else
            report(CODE_OTHER_PROGRAM, "gnuplot failed on `%s`", script);
        return false;
    }
    report(CODE_OTHER_PROGRAM, "gnuplot cannot be run: %s", strerror(errno));
    return false;
}

const char *gnuplot_quoted(Arena *arena, const char *text) {
    Text out = {0};
    text_printf(&out, "'");
    for (; *text; text++)
        text_printf(&out, "%s%c", *text == '\'' ? "'" : "", *text == '\n' ? ' ' : *text);
    const char *copy = arena_printf(arena, "%.*s'", (int)out.length, out.data);
    text_free(&out);
    return copy;
}

const char *gnuplot_file(Arena *arena, const char *path) {
    if (!strchr(path, '\n')) return gnuplot_quoted(arena, path);
    report(CODE_OUTPUT, "`%s`: gnuplot writes no file whose path has an end of a line", path);
    return NULL;
}
