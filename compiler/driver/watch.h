/* Ctrl-C while kernels are compiled. LLVM and the compilers of devices do not stop half way, so the
 * process ends without waiting for them. */
#ifndef COUPLET_DRIVER_WATCH_H
#define COUPLET_DRIVER_WATCH_H

#include <stdbool.h>

/* From here to watch_end, the first SIGINT or SIGTERM calls `leave` in a thread of its own and then
 * ends the process with 128 plus the signal's number. `leave` is to put away what the process holds
 * on disk and nothing else: what the compiler uses in the meantime has to stay. A process has one
 * watch at a time. False when no thread can be started; signals then do what they did before. */
bool watch_begin(void (*leave)(void *context), void *context);
/* Signals do again what they did before. Only after a watch_begin that was true. */
void watch_end(void);

#endif
