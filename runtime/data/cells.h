/* The cells of a CSV table in memory, column by column: numbers, and words by number. In the module `tables`, which has the CSV library. */
#ifndef COUPLET_RUNTIME_DATA_CELLS_H
#define COUPLET_RUNTIME_DATA_CELLS_H

#include "runtime/data/codes.h"
#include "runtime/data/words.h"

typedef enum CoupletMissing { COUPLET_MISSING_REFUSE, COUPLET_MISSING_MEAN, COUPLET_MISSING_DROP } CoupletMissing;

/* How a table is read; texts are those of the settings. */
typedef struct CoupletCellsRules {
    const char *label;   /* the column that is words whatever its cells are, and may have none missing; "": none */
    const char *columns; /* names, with commas between, of the columns that are read; "": all */
    const char *skip;    /* names of columns that are not read */
    const char *words;   /* names of columns whose cells are words, whatever they are */
    const char *fields;  /* names of columns that are fields of their own */
    const char *absent;  /* texts, with commas between, of cells that are missing, beside the usual ones */
    char separator;      /* 0: found in the first line */
    char decimal;        /* '.' or ',' */
    bool header;         /* the first line has the names */
    bool header_is_said; /* which may all be numbers, then */
    CoupletMissing missing;
} CoupletCellsRules;

typedef enum CoupletCellsKind { COUPLET_CELLS_OPEN, COUPLET_CELLS_NUMBERS, COUPLET_CELLS_WORDS } CoupletCellsKind;

typedef struct CoupletColumn {
    char *name;
    int alike;          /* its number in the table that this one is like */
    bool is_label;
    bool is_apart;      /* a field of its own */
    bool as_words;      /* whatever its cells are */
    CoupletCellsKind kind;
    int64_t decided;    /* the line whose cell said what kind it is */
    float *numbers;     /* [rows] of numbers; NULL of words */
    int32_t *ids;       /* [rows] of words: their number in `words`; NULL of numbers */
    CoupletWords words;
    int32_t *codes;     /* by number of a word: its place by name; -1: only rows that were left out have it */
    int32_t *order;     /* [classes]: the number of the word with this code */
    int32_t classes;
    double mean;        /* of the numbers that are not missing */
    int64_t missing;    /* cells */
} CoupletColumn;

typedef struct CoupletCells {
    char *name; /* for messages */
    CoupletColumn *columns;
    int count;
    int64_t rows;
    int64_t *lines;     /* [rows]: where each begins, from 1 */
    int64_t dropped;    /* rows that were left out for a missing cell */
    uint64_t hash;      /* of the file's bytes */
    size_t bytes;       /* of the file */
    int64_t time_ns;    /* of its last change */
} CoupletCells;

/* Reads the whole file. `like` is the table whose columns, kinds, words and means hold for this one too: columns go by their names, in the order of `like`. NULL:
 * the file says itself. A label that this file lacks is no error: there is none, then. False with a sentence that names file, line and column; nothing is then owned. */
bool couplet_cells_read(const char *path, const char *name, const CoupletCellsRules *rules, const CoupletCells *like, CoupletCells *out, char *error, size_t error_bytes);
void couplet_cells_free(CoupletCells *cells);

/* What holds of the columns for another table too: names, kinds, words and means. `known` may be the table that this one is like, whose words are then meant. */
void couplet_cells_write_codes(const CoupletCells *cells, const CoupletCells *known, FILE *out);
/* Reads that back: cells without rows, for `like` of couplet_cells_read. False with a sentence; nothing is then owned. */
bool couplet_cells_read_codes(const char *text, CoupletCells *out, char *error, size_t error_bytes);

/* Walks the names of a list with commas between, without the spaces around each: false at its end. *at begins as the list. */
bool couplet_cells_item(const char **at, const char **item, size_t *length);

#endif
