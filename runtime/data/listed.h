/* Shared by readers whose samples are the files of a folder: the files, and their classes by
 * folders. */
#ifndef COUPLET_RUNTIME_DATA_LISTED_H
#define COUPLET_RUNTIME_DATA_LISTED_H

#include "runtime/data/listing.h"

/* The first member of the state of such a reader. */
typedef struct CoupletListed {
    CoupletListing listing; /* a file for each row */
    CoupletListedClasses classes;
    int first_label; /* the number of the field `label`; fields of deeper levels follow */
} CoupletListed;

/* Fills in name, path, held and key of the table, and lists the files. */
bool couplet_listed_open(CoupletListed *listed, const CoupletRequest *request,
                         const CoupletListingKind *kind, CoupletTable *table, char *error,
                         size_t error_bytes);
/* Adds the fields of the classes behind those of the table. Mixes the labels into the table's key,
 * because a later version of this program may number folders differently. */
bool couplet_listed_labels(CoupletListed *listed, const CoupletListingKind *kind,
                           CoupletTable *table, char *error, size_t error_bytes);
/* Writes the labels of a row into its fields. */
void couplet_listed_fill(const CoupletListed *listed, int64_t row, void *const *fields);
/* Returns the path of a row's file below the folder, or the name of the only file. A row is known
 * by it, wherever the folder lies. */
const char *couplet_listed_name(const CoupletListed *listed, int64_t row);
void couplet_listed_free(CoupletListed *listed);

/* Functions of a reader whose state begins with a CoupletListed. */
bool couplet_listed_column(const CoupletTable *table, int field, int32_t *out, char *error,
                           size_t error_bytes);
void couplet_listed_name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes);

#endif
