/* Shared by readers whose samples are files of a folder: the files, and their classes by
 * folders. */
#ifndef COUPLET_RUNTIME_DATA_LISTED_H
#define COUPLET_RUNTIME_DATA_LISTED_H

#include "runtime/data/listing.h"

/* The first member of the state of such a reader. */
typedef struct CoupletListed {
    CoupletListing listing; /* a file a row */
    CoupletListedClasses classes;
    int first_label; /* the number of the field `label`; those of deeper levels follow */
} CoupletListed;

/* Fills name, path, held and key of the table, and lists the files. */
bool couplet_listed_open(CoupletListed *listed, const CoupletRequest *request,
                         const CoupletListingKind *kind, CoupletTable *table, char *error,
                         size_t error_bytes);
/* Adds the fields of the classes, behind those that the table has, and mixes the labels into its
 * key: which number a folder has may change with this program. */
bool couplet_listed_labels(CoupletListed *listed, const CoupletListingKind *kind,
                           CoupletTable *table, char *error, size_t error_bytes);
/* Writes the labels of a row to where its fields go. */
void couplet_listed_fill(const CoupletListed *listed, int64_t row, void *const *fields);
/* The path of a row's file below the folder, or the name of the one file: what a row is known by,
 * wherever the folder lies. */
const char *couplet_listed_name(const CoupletListed *listed, int64_t row);
void couplet_listed_free(CoupletListed *listed);

/* The functions of a reader whose state begins with a CoupletListed. */
bool couplet_listed_column(const CoupletTable *table, int field, int32_t *out, char *error,
                           size_t error_bytes);
void couplet_listed_name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes);

#endif
