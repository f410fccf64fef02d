/* Ends a process on Ctrl-C while kernels are compiled. LLVM and the compilers of devices cannot be
 * stopped half way, so the process does not wait for them. */
#ifndef COUPLET_DRIVER_WATCH_H
#define COUPLET_DRIVER_WATCH_H

#include <stdbool.h>

/* Watches for signals until watch_end. The first SIGINT or SIGTERM calls `leave` in a thread of its
 * own, and then ends the process with 128 plus the signal's number. `leave` must put away what the
 * process holds on disk and nothing else, because the compiler still uses its memory. A process has
 * one watch at a time. Returns false if no thread can be started; signals then keep their
 * effect. */
bool watch_begin(void (*leave)(void *context), void *context);
/* Ends the watch. Signals again have the effect that they had before. Call only after a watch_begin
 * that returned true. */
void watch_end(void);

#endif
