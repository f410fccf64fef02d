/* The names that the classes of a source had when a method was trained on it. A checkpoint keeps
 * them, as a text of word_codes.h, under `classes:SOURCE`. A table that is opened with this text
 * numbers its classes as that source did, by their names. */
#ifndef COUPLET_RUNTIME_DATA_KEPT_H
#define COUPLET_RUNTIME_DATA_KEPT_H

#include "runtime/data/table.h"

#include <stdio.h>

/* Writes the names of the classes of every int field that has some; false: no field has. */
bool couplet_kept_write(const CoupletTable *table, FILE *out);

/* The original form of one field of a table that was renamed or renumbered, by its place among the
 * fields. */
struct CoupletKept {
    /* the field as the reader has it: with its own names, and with the numbers that are in the
     * file */
    CoupletField given;
    int32_t *to;     /* [given.classes] the kept number of each class; NULL: the numbers agree */
    int32_t *column; /* the field's column by kept numbers, once it is loaded */
    char *stranger;  /* a sentence about a class that has no kept number; NULL: all have one */
};

/* Takes the kept names of a table that was just opened. Where all classes of a field have a kept
 * number, the field's names and numbers are the kept ones from here on. Where one has none, the
 * field stays as it is, with a sentence. False with a sentence: memory is out, or the text is
 * none of couplet_kept_write. */
bool couplet_kept_apply(CoupletTable *table, const char *text, char *error, size_t error_bytes);

/* While a reader or a packed copy has its say, the fields are what it made them. */
void couplet_kept_hide(CoupletTable *table);
void couplet_kept_show(CoupletTable *table);

/* Renumbers values that the reader gave for a field. */
void couplet_kept_renumber(const CoupletTable *table, int field, int32_t *values, int64_t count);
/* Does the same for the columns of a table that was just loaded; they stay as they are in their
 * files. False with a sentence: memory is out, or a value is no class. */
bool couplet_kept_load(CoupletTable *table, char *error, size_t error_bytes);
void couplet_kept_free(CoupletTable *table);

/* The sentence about the field, where its numbers mean other classes than they did when the method
 * was trained: whatever was learned of these numbers is of no use to it. NULL: they do not. */
const char *couplet_kept_stranger(const CoupletTable *table, int field);
/* True if a formula of the method may read the field; `input` is what the formula calls it. False
 * with a sentence where there is a stranger. */
bool couplet_kept_may_read(const CoupletTable *table, int field, const char *input, char *error,
                           size_t error_bytes);
/* True if the field's classes have other numbers in the file than the kept ones. */
bool couplet_kept_is_renumbered(const CoupletTable *table, int field);

#endif
