#include "runtime/interrupt.h"

static volatile sig_atomic_t asked;

static void ask(int number) {
    asked = 1;
    signal(number, SIG_DFL);
}

const volatile sig_atomic_t *couplet_catch_interrupts(void) {
    signal(SIGINT, ask);
    signal(SIGTERM, ask);
    return &asked;
}
