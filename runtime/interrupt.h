/* Signals and standard streams of a process that is a command line. Ctrl-C ends a run at the next
 * step, with a checkpoint. The library leaves both alone. */
#ifndef COUPLET_RUNTIME_INTERRUPT_H
#define COUPLET_RUNTIME_INTERRUPT_H

#include <signal.h>

/* Makes SIGINT and SIGTERM put their number into the flag that is returned. A second signal ends
 * the program at once. */
const volatile sig_atomic_t *couplet_catch_interrupts(void);
/* The exit status of a program that a signal ended: 130 after SIGINT, 143 after SIGTERM. 0: none
 * came. */
int couplet_interrupt_status(void);

/* Opens standard streams that are closed, so that writing to them fails. Else the next file that is
 * opened would get the number of such a stream, and what is printed would go into that file. */
void couplet_hold_streams(void);

#endif
