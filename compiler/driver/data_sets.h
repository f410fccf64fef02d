/* The sources of a spec, or one that the command line names, as tables that are open or loaded:
 * what `couplet data` and `couplet show` look at. */
#ifndef COUPLET_DRIVER_DATA_SETS_H
#define COUPLET_DRIVER_DATA_SETS_H

#include "compiler/driver/options.h"
#include "lang/ast.h"
#include "runtime/data/table.h"

typedef struct DataSet {
    const char *name; /* in the spec: "train"; NULL: the command line names it by its reader */
    /* the source as a spec would write it: data.images("photos/train", size = 64) */
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

/* The sources that the options name, none of them opened: --reader NAME PATH, or those of the spec.
 * False after a message. */
bool data_sets_find(Arena *arena, const Options *options, DataSets *out);
/* Opens the tables, loads them with a line that shows how it goes, and chooses the rows that the
 * spec chooses (`chosen`), or leaves all. Up to `skip_bad` rows that cannot be read are left out
 * and listed in `bad`. False after a message. */
bool data_set_load(DataSets *sets, DataSet *set, const Options *options, int64_t skip_bad,
                   bool chosen);
void data_sets_close(DataSets *sets);

/* Returns the name of a row in messages: its file, or "row 16". */
const char *data_row_name(Arena *arena, const CoupletTable *table, int64_t row);

#endif
