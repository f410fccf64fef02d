/* Runs Graphviz as a process of its own. */
#include "compiler/driver/graphviz.h"

#include "compiler/driver/report.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool graphviz_run(FILE *from, const char *format, FILE *to) {
    pid_t child = fork();
    if (child == 0) {
        if (dup2(fileno(from), STDIN_FILENO) >= 0 && dup2(fileno(to), STDOUT_FILENO) >= 0)
            execlp("dot", "dot", format, (char *)NULL);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        report(CODE_OTHER_PROGRAM, "Graphviz cannot be started: %s", strerror(errno));
        return false;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        report(CODE_OTHER_PROGRAM, "the program `dot` is needed for pictures: install Debian's "
                                   "package graphviz, or ask for a .dot file");
    else
        report(CODE_OTHER_PROGRAM, "Graphviz's `dot` failed; the lines above, if any, are its own");
    return false;
}
