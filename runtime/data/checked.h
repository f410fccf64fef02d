/* What was looked through once need not be looked through at each start: large arrays that stay mapped. A mark is an empty file CACHE/checked/KEY. */
#ifndef COUPLET_RUNTIME_DATA_CHECKED_H
#define COUPLET_RUNTIME_DATA_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it was found good before. `key` is of all that the answer depends on, with the time of the file's last change. */
bool couplet_checked_before(uint64_t key);
/* Remembers that it is good; where that cannot be written, it is looked through again. */
void couplet_checked_keep(uint64_t key);

#endif
