/* Asks whether a stream is a terminal, how wide it is, and whether it has colours. */
#include "runtime/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool couplet_terminal_is(FILE *stream) {
    return isatty(fileno(stream)) == 1;
}

int couplet_terminal_width(FILE *stream) {
    struct winsize size;
    const bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
}

bool couplet_terminal_has_colours(FILE *stream) {
    const char *no = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return couplet_terminal_is(stream) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}
