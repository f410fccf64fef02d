/* A list of files in CSV, with values for each. The first line names the columns. One of them is
 * `file`, and each other column is a field.
 *
 * If the first cell of a column is a number, the column holds numbers: ints if all are whole, else
 * reals. Any other column holds words, which are the names of its classes in byte order. An empty
 * cell, a cell of another kind and a row of another length are refused, with their line. */
#ifndef COUPLET_RUNTIME_DATA_LIST_H
#define COUPLET_RUNTIME_DATA_LIST_H

#include "runtime/data/reader.h"

typedef struct CoupletListColumn {
    char *name;
    CoupletType type; /* COUPLET_I32 or COUPLET_F32 */
    int32_t *wholes;  /* [count] */
    float *reals;     /* [count]; either `wholes` or `reals` is NULL */
    char **classes;   /* [class_count], for a column of words; else NULL */
    /* the number of classes; for whole numbers, the largest + 1, or 0 if they are no classes */
    int64_t class_count;
} CoupletListColumn;

typedef struct CoupletList {
    char **files;   /* [count]: paths as they are written in the list */
    int64_t *lines; /* [count] */
    int64_t count;
    CoupletListColumn *columns; /* all columns but `file` */
    int column_count;
} CoupletList;

/* Reads a list. Returns false with a sentence that names the line, as in "labels.csv:17: ..". */
bool couplet_list_read(CoupletList *out, const char *path, char *error, size_t error_bytes);
void couplet_list_free(CoupletList *list);
/* Adds a field for each column. A column whose name is in `taken`, a list that ends with NULL, is
 * refused. */
bool couplet_list_fields(const CoupletList *list, const char *path, const char *const *taken,
                         CoupletTable *table, char *error, size_t error_bytes);

#endif
