/* Marks for large mapped arrays that were checked once, so that they need not be checked at each
 * start. A mark is an empty file CACHE/checked/KEY. */
#ifndef COUPLET_RUNTIME_DATA_CHECKED_H
#define COUPLET_RUNTIME_DATA_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* True if the array was found good before. `key` is a hash of all that the answer depends on,
 * including the time of the file's last change. */
bool couplet_checked_before(uint64_t key);
/* Notes that the array is good. If the mark cannot be written, the array will be checked again. */
void couplet_checked_keep(uint64_t key);

#endif
