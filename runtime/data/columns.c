/* Memory for the columns of a table that is read as a whole, in one piece of pages that the table
 * owns. A column has no gap inside and is padded to 64 bytes, like those of packed copies, so
 * readers of columns see no difference. */
#include "runtime/data/columns.h"

#include "runtime/data/mapping.h"
#include "runtime/data/reader.h"
#include "runtime/hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct Pages {
    void *at;
    size_t bytes;
} Pages;

static void release_pages(void *storage) {
    Pages *pages = storage;
    couplet_pages_give(pages->at, pages->bytes);
    free(pages);
}

static size_t padded_bytes(const CoupletTable *t, int f) {
    enum { ALIGNMENT = 64 };
    const size_t bytes = (size_t)(t->held * couplet_field_bytes(&t->fields[f]));
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

bool couplet_columns_take(CoupletTable *t) {
    Pages *pages = calloc(1, sizeof *pages);
    for (int f = 0; pages && f < t->field_count; f++)
        pages->bytes += padded_bytes(t, f);
    if (pages) pages->at = couplet_pages_take(pages->bytes);
    if (!pages || !pages->at) {
        free(pages);
        return false;
    }
    char *at = pages->at;
    for (int f = 0; f < t->field_count; f++) {
        t->columns[f] = at;
        at += padded_bytes(t, f);
    }
    t->storage = pages;
    t->release = release_pages;
    return true;
}

void *couplet_columns_at(const CoupletTable *t, int f) {
    return (void *)(uintptr_t)t->columns[f];
}

uint64_t couplet_columns_hash(const CoupletTable *t) {
    uint64_t hash = COUPLET_HASH_START;
    for (int f = 0; f < t->field_count; f++) {
        const CoupletField *field = &t->fields[f];
        hash = couplet_hash(hash, field->name, strlen(field->name));
        hash = couplet_hash_array(hash, t->columns[f], t->held * couplet_field_bytes(field));
        hash = couplet_field_hash(hash, field);
    }
    return hash ? hash : 1;
}
