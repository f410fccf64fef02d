/* Ctrl-C of a program that trains: the run ends at the next step, with a checkpoint. Only command lines call this; the library leaves signals alone. */
#ifndef COUPLET_RUNTIME_INTERRUPT_H
#define COUPLET_RUNTIME_INTERRUPT_H

#include <signal.h>

/* From here on SIGINT and SIGTERM set the flag that is returned; a second one ends the program at once. */
const volatile sig_atomic_t *couplet_catch_interrupts(void);

#endif
