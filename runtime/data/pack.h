/* Packed copies. Data that is slow to read is decoded once, on all cores, into one file of the
 * safetensors format, and that file is mapped from then on. A copy is found by the table's key,
 * which covers names, sizes and times of the files, and settings. It is written beside its name and
 * renamed, so a copy with its final name is complete. */
#ifndef COUPLET_RUNTIME_DATA_PACK_H
#define COUPLET_RUNTIME_DATA_PACK_H

#include "runtime/data/table.h"

/* Loads the columns of a table, whose reader reads row by row, from the copy in the cache. If there
 * is none, or none that fits, makes the copy first. */
bool couplet_pack_load(CoupletTable *table, const CoupletLoading *loading, char *error,
                       size_t error_bytes);
/* Reads the whole copy of a loaded table, and compares its hash with the one noted in it. True for
 * a table without a copy. */
bool couplet_pack_check(const CoupletTable *table, char *error, size_t error_bytes);
/* Writes the chosen rows as one file for data.arrays, with class names. The metadata
 * `classes.FIELD` is a JSON list of names, or the number of classes without names. Arrays whose
 * names begin with two underscores are no fields: they fill the space up to a multiple of 64
 * bytes. */
bool couplet_pack_write(const CoupletTable *table, const char *path, char *error,
                        size_t error_bytes);
/* Sets row_hashes of a table that is opened from such a file, so that `part` chooses the same rows
 * as from the source. */
bool couplet_pack_take_rows(CoupletTable *table, char *error, size_t error_bytes);

/* The kind of file or folder that the path of a request names. */
typedef enum {
    /* Files for the request's reader, and anything that data.arrays is asked for. */
    COUPLET_NOT_PACKED,
    COUPLET_PACKED_FITS, /* a file of couplet_pack_write, of a source with the same choices */
    /* Such a file, of a source with other choices, which a sentence names. */
    COUPLET_PACKED_OTHERWISE
} CoupletPackedFile;
CoupletPackedFile couplet_pack_file_kind(const CoupletRequest *request, const char *choices,
                                         char *error, size_t error_bytes);

#endif
