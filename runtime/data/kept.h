/* The names that the classes of a source had when a method was trained on it. A checkpoint keeps
 * them under `classes:SOURCE`, as a text in the form of word_codes.h. A table that is opened with
 * this text numbers its classes as that source did, by their names. */
#ifndef COUPLET_RUNTIME_DATA_KEPT_H
#define COUPLET_RUNTIME_DATA_KEPT_H

#include "runtime/data/table.h"

#include <stdio.h>

/* Writes the names of the classes of every int field that has names. Returns false if no field
 * has. */
bool couplet_kept_write(const CoupletTable *table, FILE *out);

/* The original form of one field of a table whose classes were renamed or renumbered. There is one
 * for each field. */
struct CoupletKept {
    /* the field as the reader has it, with its own names, and with the numbers in the file */
    CoupletField given;
    int32_t *to;     /* [given.classes]: the kept number of each class; NULL: the numbers agree */
    int32_t *column; /* the field's column with kept numbers, after loading */
    /* A sentence about a class without a kept number; NULL: all classes have one. */
    char *stranger;
};

/* Takes the kept names for a table that was just opened. If all classes of a field have a kept
 * number, the field has the kept names and numbers from here on. If one has none, the field stays
 * as it is, with a sentence. Returns false with a sentence if memory is out, or if the text is none
 * of couplet_kept_write. */
bool couplet_kept_apply(CoupletTable *table, const char *text, char *error, size_t error_bytes);

/* Exchange the kept form of the fields for that of the reader, while a reader or a packed copy
 * works on the table, and back. */
void couplet_kept_hide(CoupletTable *table);
void couplet_kept_show(CoupletTable *table);

/* Renumbers values of a field that the reader gave. */
void couplet_kept_renumber(const CoupletTable *table, int field, int32_t *values, int64_t count);
/* Renumbers the columns of a table that was just loaded. The files are unchanged. Returns false
 * with a sentence if memory is out, or if a value is no class. */
bool couplet_kept_load(CoupletTable *table, char *error, size_t error_bytes);
void couplet_kept_free(CoupletTable *table);

/* Returns a sentence about the field if its numbers mean other classes than in the training, so
 * that what was learned about these numbers does not apply. NULL: they mean the same. */
const char *couplet_kept_stranger(const CoupletTable *table, int field);
/* True if a formula of the method may read the field, which it calls `input`. Returns false with a
 * sentence if a class has no kept number. */
bool couplet_kept_may_read(const CoupletTable *table, int field, const char *input, char *error,
                           size_t error_bytes);
/* True if the field's classes have other numbers in the file than the kept ones. */
bool couplet_kept_is_renumbered(const CoupletTable *table, int field);

#endif
