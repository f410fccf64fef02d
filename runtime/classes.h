/* The classes that an int field divides the rows of a table into. */
#ifndef COUPLET_RUNTIME_CLASSES_H
#define COUPLET_RUNTIME_CLASSES_H

#include "runtime/data/table.h"

typedef struct CoupletClasses {
    int64_t count;
    int32_t *of;     /* [rows]: the class of each row, 0 .. count - 1 */
    int32_t *values; /* [count] ascending: what the field holds in each class */
} CoupletClasses;

/* Reads the classes of all rows of the source, chosen or not. A field that says how many classes it
 * has holds their numbers. The classes of any other field are the values that it holds, in
 * ascending order. If the table is not loaded, the reader is asked for the column alone; *known is
 * false, and the sentence empty, when it has none. False with a sentence when there is no such
 * field, the field is no whole number, or a value is outside its classes. */
bool couplet_classes_read(const CoupletTable *table, const char *field, CoupletClasses *out,
                          bool *known, char *error, size_t error_bytes);
/* Reads the classes of the chosen rows in their order, of[table->count]. The table is loaded. */
bool couplet_classes_chosen(const CoupletTable *table, const char *field, CoupletClasses *out,
                            char *error, size_t error_bytes);
void couplet_classes_free(CoupletClasses *classes);
/* True if the field has one value in all chosen rows, of which there is at least one. False where
 * it has more, and where it is not known without reading samples. */
bool couplet_classes_is_one(const CoupletTable *table, const char *field);

/* Rows sorted by class: rows[begins[c]] to rows[begins[c + 1] - 1] are of class c, in ascending
 * order. Sorting fails when memory runs out. */
typedef struct CoupletByClass {
    int64_t *begins; /* [count + 1] */
    int32_t *rows;
} CoupletByClass;
bool couplet_classes_sort(const CoupletClasses *classes, int64_t rows, CoupletByClass *out);
void couplet_by_class_free(CoupletByClass *sorted);

#endif
