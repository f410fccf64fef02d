/* Maps the bytes of a file into memory, for reading alone. */
#ifndef COUPLET_RUNTIME_DATA_MAPPING_H
#define COUPLET_RUNTIME_DATA_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletMapping {
    const unsigned char *bytes; /* NULL: the file is empty */
    size_t length;
    uint64_t stamp;  /* the stamp of its size and times (stamp.h) */
    int64_t changed; /* the time of the last change in the stamp */
} CoupletMapping;

/* Maps a file. Returns false with a sentence that names the file if there is none, if it cannot be
 * read, or if it is a folder. */
bool couplet_mapping_open(const char *path, CoupletMapping *out, char *error, size_t error_bytes);
void couplet_mapping_close(CoupletMapping *mapping);

/* Allocates zeroed memory of whole pages, at least one, for converted columns. Returns NULL if
 * memory is out. */
void *couplet_pages_take(size_t bytes);
void couplet_pages_give(void *pages, size_t bytes);

/* Allocates memory that begins and ends at a cache line, which suits loops of vectors. The caller
 * releases it with free. Returns NULL if memory is out. */
void *couplet_lines_take(int64_t bytes);

#endif
