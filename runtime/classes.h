/* The classes that an int field divides the rows of a table into. */
#ifndef COUPLET_RUNTIME_CLASSES_H
#define COUPLET_RUNTIME_CLASSES_H

#include "runtime/data/table.h"

typedef struct CoupletClasses {
    int64_t count;
    int32_t *of;     /* [rows]: the class of each row, 0 .. count - 1 */
    int32_t *values; /* [count], ascending: the value of the field in each class */
} CoupletClasses;

/* Reads the classes of all rows of the source, chosen or not. If the field says how many classes it
 * has, its values are their numbers. For any other field, the classes are its different values, in
 * ascending order. If the table is not loaded, the reader is asked for the column alone; if it
 * cannot give the column, *known is false and the sentence empty. Returns false with a sentence if
 * there is no such field, if it is no whole number, or if a value is outside its classes. */
bool couplet_classes_read(const CoupletTable *table, const char *field, CoupletClasses *out,
                          bool *known, char *error, size_t error_bytes);
/* Reads the classes of the chosen rows, in their order, into of[table->count]. The table must be
 * loaded. */
bool couplet_classes_chosen(const CoupletTable *table, const char *field, CoupletClasses *out,
                            char *error, size_t error_bytes);
void couplet_classes_free(CoupletClasses *classes);
/* True if there are chosen rows and the field has one value in all of them. False also if only the
 * samples can tell. */
bool couplet_classes_is_one(const CoupletTable *table, const char *field);

/* Rows sorted by class. The rows of class c are rows[begins[c]] to rows[begins[c + 1] - 1], in
 * ascending order. Sorting fails if memory runs out. */
typedef struct CoupletByClass {
    int64_t *begins; /* [count + 1] */
    int32_t *rows;
} CoupletByClass;
bool couplet_classes_sort(const CoupletClasses *classes, int64_t rows, CoupletByClass *out);
void couplet_by_class_free(CoupletByClass *sorted);

#endif
