/* What the language knows of data: fields, the settings of a reader, which rows are chosen, and the readers that there are. The readers themselves are not known
 * here: whoever checks a spec hands their catalogue over (CheckHooks of ast.h). */
#ifndef COUPLET_LANG_DATA_H
#define COUPLET_LANG_DATA_H

#include "lang/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct Expr;

/* u8: bytes that a method reads as reals, 0 .. 255 as 0 .. 1. */
typedef enum { DATA_REAL, DATA_INT, DATA_U8 } DataType;
enum { DATA_TYPES = DATA_U8 + 1 };
/* "real", "int", "u8", by type. */
extern const char *const data_type_names[DATA_TYPES];

/* A column of a table: its name, and the type and the shape of one sample. */
typedef struct DataField {
    const char *name;
    DataType type;
    int rank;                       /* axes of one sample; 0: a number */
    int64_t shape[MOST_AXES];
    int64_t classes;                /* of an int: its values are 0 .. classes - 1; 0: any number */
    const char *const *class_names; /* [classes]; NULL: they have none */
} DataField;

/* A setting of a reader, as the spec gives it: `size = 64`. */
typedef struct DataSetting {
    const char *name;
    double number;    /* 1 and 0 for true and false */
    const char *text; /* NULL: the setting is a number */
} DataSetting;

typedef enum { DATA_EQUAL, DATA_UNEQUAL, DATA_BELOW, DATA_AT_MOST, DATA_ABOVE, DATA_AT_LEAST } DataComparison;

/* A row is kept when its value of `field`, a number, compares so. */
typedef struct DataCondition {
    const char *field;
    DataComparison is;
    double value;
} DataCondition;

/* Which rows of a source are kept; at most one of the first three is above 0. Conditions, part and classes come first, what they leave is then counted by class. */
typedef struct DataSelection {
    double per_class;              /* so many of each class */
    double fraction;               /* this share of each class */
    double imbalance;              /* class c of C keeps imbalance^(-c / (C - 1)) of its rows: a long tail */
    double seed;                   /* draws which ones; negative: the first ones of the source */
    const char *by;                /* the int field whose values are the classes; NULL: "label" */
    double part_from, part_to;     /* keeps the rows whose hash, as a number of 0 .. 1, is in [from, to); both 0: all */
    double first_class, classes;   /* keeps the classes first .. first + classes - 1; 0 classes: all */
    const DataCondition *where;    /* all of them hold */
    int where_count;
} DataSelection;

/* What a `data` statement draws from: a table, whose rows are samples and whose columns are fields. */
typedef struct DataSource {
    const char *name;           /* of the statement */
    const char *reader;         /* the name of a DataReader; "": none that exists */
    const char *path;           /* the argument without a name: a path, or a split, "train" */
    DataSetting *settings;      /* of the reader, those that are given */
    int setting_count;
    DataField *claim;           /* what the spec says of the fields */
    int claim_count;
    DataField *fields;          /* those of the data, or of the claim where the data is not there; `index` is in every table besides */
    int field_count;
    const char *absent;         /* why the data could not be looked at; NULL: it was */
    int64_t claimed_rows;       /* `rows = 1000`: what the selection leaves; 0: nothing is said */
    int64_t rows;               /* after the selection: the extent of a bank's first axis; 0: nobody knows */
    bool sized;                 /* some array of the method has that extent */
    int64_t batch;              /* of its own, or that of `train` */
    bool follows;               /* it has none of its own: that of a stage goes before */
    DataSelection selection;    /* which rows; a seed below 0: the first ones */
    bool balanced;              /* each sample of a batch: a class first, all alike, then one of it */
    const struct Expr *weights; /* the state that rows are drawn in proportion to, or NULL */
    int64_t ways, each;         /* episodes: classes of a batch, and rows of each; 0: none */
    bool recalled;              /* `fields` and `rows` are those of a run: the data itself was not looked at */
    bool said_small;            /* that a batch is larger than the data */
    bool poisoned;              /* an error was reported about its fields: any name may be one */
} DataSource;

enum { STANDARD_BATCH = 256 /* where neither `train` nor the stages nor the source name one */ };
enum { SWEEP_ROWS = 500 /* samples at a time where a whole data set is swept, or as many as there are */ };
static inline int64_t sweep_rows(const DataSource *data) { return data->rows && data->rows < SWEEP_ROWS ? data->rows : SWEEP_ROWS; }

/* What an option or a setting takes. */
typedef enum {
    WANTS_WHOLE, WANTS_NUMBER, WANTS_ABOVE /* greater than `low` */, WANTS_SIZE, WANTS_TRUTH, WANTS_TEXT, /* values */
    WANTS_RULE, WANTS_PARTS, WANTS_NETWORK, WANTS_DATA, WANTS_STATE,                                     /* names of the method */
    WANTS_OF, WANTS_FIELD, WANTS_PART                                                                    /* train.image, label, 0.0 .. 0.8 */
} Wants;
/* A row of evals.def, settings.def or data_options.def, or a setting of a reader. */
typedef struct OptionRow {
    const char *owner, *name; /* "knn", "k" */
    Wants wants;
    double low, high, standard;
    const char *range;        /* completes "`k` of knn is .." */
} OptionRow;
/* Whether a value of a row that takes a number, or true or false as 1 or 0, lies in its range. lang/check_options.c */
bool option_in_range(const OptionRow *row, double value);

/* A kind of source. */
typedef struct DataReader {
    const char *name; /* "images" */
    bool of_split;    /* the argument without a name is a split, "train" or "test"; else a path */
} DataReader;

/* A reader whose data is the same wherever it lies, so that a spec is checked without its files: the rows of its two splits, */
typedef struct DataPreset {
    const char *reader;
    int64_t train, test;
    const char *ending; /* a path that ends so is one file of it, whose rows are not known; NULL: there are none */
} DataPreset;

/* and a field of it. */
typedef struct PresetField {
    const char *reader;
    DataField field;
} PresetField;

/* Every reader, the settings of all of them (their owners are the readers), and what is known ahead. */
typedef struct DataCatalogue {
    const DataReader *readers;
    int reader_count;
    const OptionRow *settings;
    int setting_count;
    const DataPreset *presets;
    int preset_count;
    const PresetField *fields;
    int field_count;
} DataCatalogue;

#endif
