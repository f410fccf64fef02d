/* Signals and standard streams of a process that is a command line. The handler stores the
 * number and restores the default, so a second Ctrl-C ends the program at once. Only `couplet`
 * and built programs call this; a program that links the library keeps its own handlers. */
#include "runtime/interrupt.h"

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_signal(int number) {
    asked = number;
    signal(number, SIG_DFL);
}

const volatile sig_atomic_t *couplet_catch_interrupts(void) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    return &asked;
}

int couplet_interrupt_status(void) {
    return asked ? 128 + (int)asked : 0;
}

void couplet_hold_streams(void) {
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        bool is_closed = fcntl(stream, F_GETFD) < 0;
        /* open returns the lowest free number, which is that of the closed stream */
        if (is_closed && open("/dev/null", O_RDONLY) != stream) return;
    }
}
