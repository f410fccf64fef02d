/* Packed copies: what is slow to read is decoded once, on all cores, into one file in the safetensors layout that is mapped into memory from then on. A copy is found by the table's
 * key (names, sizes and times of the files, and settings); it is written beside its name and renamed, so that a copy that has a name is whole. */
#ifndef COUPLET_RUNTIME_DATA_PACK_H
#define COUPLET_RUNTIME_DATA_PACK_H

#include "runtime/data/table.h"

/* Makes the columns of a table whose reader reads row by row, from the copy in the cache; the copy is made first where there is none, or one that does not fit. */
bool couplet_pack_load(CoupletTable *table, const CoupletLoading *loading, char *error, size_t error_bytes);
/* Reads the whole copy of a loaded table, and compares its hash with that which it was made with. True of tables that have no copy. */
bool couplet_pack_check(const CoupletTable *table, char *error, size_t error_bytes);
/* Writes the rows that are chosen as one file that data.arrays reads, with class names: the metadata `classes.FIELD` is a JSON list of names, or a number of
 * classes that have none. Arrays whose names begin with two underscores are no fields: they fill up to the next multiple of 64 bytes. */
bool couplet_pack_write(const CoupletTable *table, const char *path, char *error, size_t error_bytes);
/* Of a table that is opened from such a file: row_hashes, so that `part` divides the rows as it divides those of the source. */
bool couplet_pack_take_rows(CoupletTable *table, char *error, size_t error_bytes);

/* What the path of a request is. */
typedef enum {
    COUPLET_NOT_PACKED,       /* what its reader reads; and whatever data.arrays is asked to read */
    COUPLET_PACKED_FITS,      /* a file of couplet_pack_write, of a source with the same choices */
    COUPLET_PACKED_OTHERWISE  /* one of a source with other choices; a sentence says which */
} CoupletPackedFile;
CoupletPackedFile couplet_pack_file_kind(const CoupletRequest *request, const char *choices, char *error, size_t error_bytes);

#endif
