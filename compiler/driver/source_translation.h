/* Translates data between the language, which knows fields and settings as words of a spec, and the
 * runtime, which reads them. */
#ifndef COUPLET_COMPILER_DRIVER_SOURCE_TRANSLATION_H
#define COUPLET_COMPILER_DRIVER_SOURCE_TRANSLATION_H

#include "lang/data.h"
#include "lang/support.h"
#include "runtime/abi.h"

/* The catalogue of the readers in runtime/data/readers.def. */
extern const DataCatalogue data_catalogue;

/* Returns a source as the runtime has it. Which fields are read, and whether the step reads them,
 * is filled in later. */
CoupletSource source_of_data(Arena *arena, const DataSource *data);
/* Returns a field as the runtime has it, with the names of its classes. */
CoupletField field_of_data(const DataField *field);
/* Copies the fields of an opened table into the source. */
void source_take_fields(Arena *arena, const CoupletField *fields, int count, DataSource *out);

#endif
