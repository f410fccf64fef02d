/* Packs tables of whole numbers: differences of neighbours, deflated. A binary holds the offset
 * tables of its contractions this way. They are made of runs of equal steps, and take a hundredth
 * of their size. */
#ifndef COUPLET_RUNTIME_PACKED_H
#define COUPLET_RUNTIME_PACKED_H

#include <stdbool.h>
#include <stdint.h>

/* Returns the packed bytes, malloc'ed; NULL when memory is out. */
void *couplet_words_pack(const int32_t *words, int64_t count, int64_t *packed_bytes);
/* False when the data is damaged, or holds another number of words. */
bool couplet_words_unpack(const void *packed, int64_t packed_bytes, int32_t *words, int64_t count);

#endif
