/* Packs tables of whole numbers: takes differences of neighbours and deflates them. A binary holds
 * the offset tables of its contractions in this form. The tables are runs of equal steps, so packed
 * they take a hundredth of their size. */
#ifndef COUPLET_RUNTIME_PACKED_H
#define COUPLET_RUNTIME_PACKED_H

#include <stdbool.h>
#include <stdint.h>

/* Returns the packed bytes, from malloc, or NULL if memory is out. */
void *couplet_words_pack(const int32_t *words, int64_t count, int64_t *packed_bytes);
/* Unpacks the words. Returns false if the data is damaged, or holds another number of words. */
bool couplet_words_unpack(const void *packed, int64_t packed_bytes, int32_t *words, int64_t count);

#endif
