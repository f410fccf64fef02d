/* Packed copies. What is slow to read is decoded once, on all cores, into one file of the
 * safetensors layout, which is mapped into memory from then on. A copy is found by the table's key:
 * names, sizes and times of the files, and settings. It is written beside its name and renamed, so
 * that a copy that has its name is whole. */
#ifndef COUPLET_RUNTIME_DATA_PACK_H
#define COUPLET_RUNTIME_DATA_PACK_H

#include "runtime/data/table.h"

/* Makes the columns of a table whose reader reads row by row, from the copy in the cache. If there
 * is none, or one that does not fit, the copy is made first. */
bool couplet_pack_load(CoupletTable *table, const CoupletLoading *loading, char *error,
                       size_t error_bytes);
/* Reads the whole copy of a loaded table, and compares its hash with the one that it was made with.
 * True for a table that has no copy. */
bool couplet_pack_check(const CoupletTable *table, char *error, size_t error_bytes);
/* Writes the chosen rows as one file that data.arrays reads, with class names. The metadata
 * `classes.FIELD` is a JSON list of names, or the number of classes that have none. Arrays whose
 * names begin with two underscores are no fields; they fill up to the next multiple of 64 bytes. */
bool couplet_pack_write(const CoupletTable *table, const char *path, char *error,
                        size_t error_bytes);
/* Sets row_hashes of a table that is opened from such a file, so that `part` divides its rows as it
 * divides those of the source. */
bool couplet_pack_take_rows(CoupletTable *table, char *error, size_t error_bytes);

/* The kinds of path that a request has. */
typedef enum {
    /* Files that its reader reads, and all that data.arrays is asked for. */
    COUPLET_NOT_PACKED,
    COUPLET_PACKED_FITS, /* a file of couplet_pack_write, of a source with the same choices */
    /* Such a file, of a source with other choices, which a sentence names. */
    COUPLET_PACKED_OTHERWISE
} CoupletPackedFile;
CoupletPackedFile couplet_pack_file_kind(const CoupletRequest *request, const char *choices,
                                         char *error, size_t error_bytes);

#endif
