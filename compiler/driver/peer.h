/* A python3 that answers each line with a line. It is the other side of `couplet verify`. */
#ifndef COUPLET_DRIVER_PEER_H
#define COUPLET_DRIVER_PEER_H

#include "lang/support.h"

typedef struct Peer Peer;

/* Starts the python3 on PATH with verify.py and its argument. Returns NULL after a message. */
Peer *peer_start(Arena *arena, const char *argument);
/* Sends a line and returns the answer, which is valid until the next call. Returns NULL if the
 * process has ended. */
const char *peer_ask(Peer *peer, const char *line);
void peer_end(Peer *peer);
/* Removes a folder and the files in it. */
void peer_remove_folder(const char *path);

#endif
