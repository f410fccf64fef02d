/* What the language knows of data: fields, the settings of a reader, the choice of rows, and the
 * list of readers. The caller that checks a spec hands over the catalogue of readers (CheckHooks in
 * ast.h), since the readers themselves are not known here. */
#ifndef COUPLET_LANG_DATA_H
#define COUPLET_LANG_DATA_H

#include "lang/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct Expr;

/* The type of a field. A method reads the bytes 0 .. 255 of a U8 as reals 0 .. 1. */
typedef enum {
    DATA_REAL,
    DATA_INT,
    DATA_U8,
} DataType;
enum { DATA_TYPES = DATA_U8 + 1 };
/* The names of these types: "real", "int", "u8". */
extern const char *const data_type_names[DATA_TYPES];

/* A column of a table: its name, and the type and the shape of one sample. */
typedef struct DataField {
    const char *name;
    DataType type;
    int rank; /* the axes of one sample; 0: a sample is a number */
    int64_t shape[MOST_AXES];
    /* For an int: the number of its values, which are 0 .. classes - 1; 0: any int. */
    int64_t classes;
    const char *const *class_names; /* [classes]; NULL: the classes have no names */
    /* True if the data says that every kept row has the same value of this int. False also if
     * nobody looked, or if only the samples can tell. */
    bool is_one_class;
} DataField;

/* A setting of a reader as the spec gives it: `size = 64`. */
typedef struct DataSetting {
    const char *name;
    double number;    /* the value; 1 and 0 for true and false */
    const char *text; /* NULL: the setting is a number */
} DataSetting;

typedef enum {
    DATA_EQUAL,
    DATA_UNEQUAL,
    DATA_BELOW,
    DATA_AT_MOST,
    DATA_ABOVE,
    DATA_AT_LEAST
} DataComparison;

/* A condition on rows. A row is kept if the comparison `is` holds between its value of `field`,
 * which is a number, and `value`. */
typedef struct DataCondition {
    const char *field;
    DataComparison is;
    double value;
} DataCondition;

/* A choice of the rows of a source. Conditions, part and classes choose first, and the rows that
 * they leave are then counted by class. At most one of per_class, fraction and imbalance is above
 * 0. */
typedef struct DataSelection {
    double per_class; /* the number of rows that each class keeps */
    double fraction;  /* the share of its rows that each class keeps */
    /* Class c of C keeps imbalance^(-c / (C - 1)) of its rows, which makes a long tail. */
    double imbalance;
    /* The seed by which the rows that are kept are drawn. Negative: the first rows are kept. */
    double seed;
    const char *by; /* the int field whose values are the classes; NULL: "label" */
    /* A row is kept if its hash, as a number in 0 .. 1, is in [part_from, part_to). All rows are
     * kept if both are 0. */
    double part_from;
    double part_to;
    /* The classes first_class .. first_class + classes - 1 are kept. All are kept if `classes` is
     * 0. */
    double first_class;
    double classes;
    const DataCondition *where; /* conditions that all hold for a kept row */
    int where_count;
} DataSelection;

/* The source of a `data` statement: a table, whose rows are samples and whose columns are
 * fields. */
typedef struct DataSource {
    const char *name;      /* the name in the statement */
    const char *reader;    /* the name of a DataReader; "": the spec names no reader that exists */
    const char *path;      /* the argument without a name: a path, or a split such as "train" */
    DataSetting *settings; /* the settings that the spec gives */
    int setting_count;
    DataField *claim; /* the fields that the spec claims */
    int claim_count;
    /* The fields of the data, or the claimed fields if the data is missing. Every table also has
     * `index`. */
    DataField *fields;
    int field_count;
    /* Why the data could not be looked at. NULL: it was looked at. */
    const char *absent;
    /* The number of rows after the selection that the spec claims by `rows = 1000`. 0: none is
     * claimed. */
    int64_t claimed_rows;
    /* The number of rows after the selection, which is the extent of a bank's first axis. 0: not
     * known. */
    int64_t rows;
    bool sized;    /* true if some array of the method has that extent */
    int64_t batch; /* the batch of the source itself, or that of `train` */
    /* True if the source has no batch of its own, so that the batch of a stage replaces that of
     * `train`. */
    bool follows;
    DataSelection selection;
    /* True if each row of a batch is drawn by class: first a class, all with equal chance, and then
     * a row of that class. */
    bool balanced;
    /* The state to which the chance of a row is proportional; NULL: none. */
    const struct Expr *weights;
    /* Episodes: the number of classes in a batch, and of rows in each. 0: no episodes. */
    int64_t ways;
    int64_t each;
    bool said_small; /* true after a message that the rows are too few or not known */
    bool poisoned;   /* true after an error in its fields, so that any name may be one of them */
} DataSource;

/* The batch if neither `train` nor the stages nor the source name one. */
enum { STANDARD_BATCH = 256 };
/* How many samples are taken at a time when a whole data set is swept. A smaller data set is one
 * batch. */
enum { SWEEP_ROWS = 500 };
static inline int64_t sweep_rows(const DataSource *data) {
    return data->rows && data->rows < SWEEP_ROWS ? data->rows : SWEEP_ROWS;
}

/* The kinds of value that an option or a setting takes. */
typedef enum {
    WANTS_WHOLE,   /* a whole number */
    WANTS_NUMBER,  /* a number */
    WANTS_ABOVE,   /* a number greater than `low` */
    WANTS_SIZE,    /* a number of bytes */
    WANTS_TRUTH,   /* true or false */
    WANTS_TEXT,    /* a text */
    WANTS_RULE,    /* a call of an optimiser */
    WANTS_PARTS,   /* networks and parameters */
    WANTS_NETWORK, /* a network, or a formula of networks and fields */
    WANTS_DATA,    /* the name of a source */
    WANTS_STATE,   /* the name of a state of the method */
    WANTS_OF,      /* a field with its source, such as train.image */
    WANTS_FIELD,   /* a field, such as label */
    WANTS_PART     /* a part, such as 0.0 .. 0.8 */
} Wants;
/* A row of evals.def, settings.def or data_options.def, or a setting of a reader. */
typedef struct OptionRow {
    const char *owner, *name; /* as in "knn" and "k" */
    Wants wants;
    double low;
    double high;
    double standard;   /* the value of an option that is not given */
    const char *range; /* the end of the sentence "`k` of knn is .." */
} OptionRow;
/* lang/check_options.c: true if a value lies in the range of the row. The row takes a number, or a
 * truth value as 1 or 0. */
bool option_in_range(const OptionRow *row, double value);

/* A kind of source. */
typedef struct DataReader {
    const char *name; /* as in "images" */
    bool of_split;    /* the argument without a name is a split ("train", "test"); false: a path */
} DataReader;

/* The rows of the two splits of a reader whose data is the same wherever it lies. A spec with such
 * a reader is checked without its files. */
typedef struct DataPreset {
    const char *reader;
    int64_t train;
    int64_t test;
    /* The ending of paths that name a single file of data, whose rows are not known. NULL: there is
     * no such ending. */
    const char *ending;
} DataPreset;

/* A field of such a reader. */
typedef struct PresetField {
    const char *reader;
    DataField field;
} PresetField;

/* Every reader, the settings of all readers (the owner of each is a reader), and the rows and
 * fields that are known without looking at files. */
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
