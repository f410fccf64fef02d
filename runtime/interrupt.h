/* Signals and standard streams of a process that is a command line. Ctrl-C ends a run at its next
 * step, with a checkpoint. The library touches neither. */
#ifndef COUPLET_RUNTIME_INTERRUPT_H
#define COUPLET_RUNTIME_INTERRUPT_H

#include <signal.h>

/* Makes SIGINT and SIGTERM store their number in the returned flag. A second signal ends the
 * program at once. */
const volatile sig_atomic_t *couplet_catch_interrupts(void);
/* Returns the exit status of a program that a signal ends: 130 after SIGINT, 143 after SIGTERM. 0:
 * no signal came. */
int couplet_interrupt_status(void);

/* Opens standard streams that are closed, so that writing to them fails. Otherwise the next opened
 * file would get the number of such a stream, and printed text would go into that file. */
void couplet_hold_streams(void);

#endif
