/* Data between the language, which knows fields and settings as words of a spec, and the runtime,
 * which reads them. */
#ifndef COUPLET_COMPILER_DRIVER_SOURCE_TRANSLATION_H
#define COUPLET_COMPILER_DRIVER_SOURCE_TRANSLATION_H

#include "lang/data.h"
#include "lang/support.h"
#include "runtime/abi.h"

/* The rows of runtime/data/readers.def. */
extern const DataCatalogue data_catalogue;

/* A source as the runtime has it; which fields are read, and whether by the step, is not known yet.
 */
CoupletSource source_of_data(Arena *arena, const DataSource *data);
/* A field as the runtime has it, with its names of classes. */
CoupletField field_of_data(const DataField *field);
/* The fields of a table that was opened, copied into the source. */
void source_take_fields(Arena *arena, const CoupletField *fields, int count, DataSource *out);

#endif
