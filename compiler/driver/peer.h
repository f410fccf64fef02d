/* A python3 that answers lines with lines: the other side of `couplet verify`. */
#ifndef COUPLET_DRIVER_PEER_H
#define COUPLET_DRIVER_PEER_H

#include "lang/support.h"

typedef struct Peer Peer;

/* Starts the python3 on PATH with verify.py and its argument. NULL after a message. */
Peer *peer_start(Arena *arena, const char *argument);
/* Sends a line, and waits for the one that comes back. It holds until the next question. NULL when
 * the process has ended. */
const char *peer_ask(Peer *peer, const char *line);
void peer_end(Peer *peer);
/* A folder of files, and the files. */
void peer_remove_folder(const char *path);

#endif
