/* What a command line sets up in its process: signals and standard streams. Ctrl-C ends a run at the next step, with a checkpoint. The library leaves both
 * alone. */
#ifndef COUPLET_RUNTIME_INTERRUPT_H
#define COUPLET_RUNTIME_INTERRUPT_H

#include <signal.h>

/* From here on SIGINT and SIGTERM put their number into the flag that is returned; a second one ends the program at once. */
const volatile sig_atomic_t *couplet_catch_interrupts(void);
/* What a program that was ended so exits with: 130 after SIGINT, 143 after SIGTERM; 0: no signal came. */
int couplet_interrupt_status(void);

/* A standard stream that is closed would give its number to the next file that is opened, and what is printed would go into that file. From here on writing to
 * such a stream fails instead. */
void couplet_hold_streams(void);

#endif
