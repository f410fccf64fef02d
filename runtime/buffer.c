/* The properties of a buffer that follow from its type and shape alone. Readers of files of arrays
 * need them without a plan. */
#include "runtime/executor.h"

#include <stdio.h>

int64_t couplet_type_bytes(CoupletType type) {
    return type == COUPLET_U8 ? 1 : 4;
}

int64_t couplet_buffer_count(const CoupletBuffer *b) {
    int64_t count = 1;
    for (int i = 0; i < b->rank; i++)
        count *= b->shape[i];
    return count;
}

const char *couplet_shape_text(int rank, const int64_t *shape, const char *separator,
                               char out[COUPLET_SHAPE_BYTES]) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < rank && used < COUPLET_SHAPE_BYTES; i++)
        used += (size_t)snprintf(out + used, COUPLET_SHAPE_BYTES - used, "%s%lld",
                                 i ? separator : "", (long long)shape[i]);
    return out;
}
