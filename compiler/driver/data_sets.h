/* The data that `couplet data` and `couplet show` look at: the sources of a spec, or a source that
 * the command line names. Each is opened or loaded as a table. */
#ifndef COUPLET_DRIVER_DATA_SETS_H
#define COUPLET_DRIVER_DATA_SETS_H

#include "compiler/driver/options.h"
#include "lang/ast.h"
#include "runtime/data/table.h"

typedef struct DataSet {
    /* The name in the spec, such as "train"; NULL: the command line names the source by its
     * reader. */
    const char *name;
    /* The source as a spec would write it: data.images("photos/train", size = 64). */
    const char *written;
    CoupletSource source;
    CoupletTable table;
    bool is_open;
    ARRAY(const char *) bad; /* a sentence for each row that cannot be read */
} DataSet;

typedef struct DataSets {
    Arena *arena;
    Method *method; /* the method of the spec; NULL: the command line names the source */
    DataSet *items;
    int count;
} DataSets;

/* Finds the sources that the options name: --reader NAME PATH, or those of the spec. Opens none of
 * them. Returns false after a message. */
bool data_sets_find(Arena *arena, const Options *options, DataSets *out);
/* Opens and loads a table, with a line that shows progress. Takes the rows that the spec chooses if
 * `chosen`, else all rows. Up to `skip_bad` rows that cannot be read are left out and listed in
 * `bad`. Returns false after a message. */
bool data_set_load(DataSets *sets, DataSet *set, const Options *options, int64_t skip_bad,
                   bool chosen);
void data_sets_close(DataSets *sets);

/* Returns the name of a row in messages: its file, or "row 16". */
const char *data_row_name(Arena *arena, const CoupletTable *table, int64_t row);

#endif
