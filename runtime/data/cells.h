/* The cells of a CSV table in memory, column by column: numbers, and words by their numbers. This
 * is part of the module `tables`, which has the CSV library. */
#ifndef COUPLET_RUNTIME_DATA_CELLS_H
#define COUPLET_RUNTIME_DATA_CELLS_H

#include "runtime/data/vocabulary.h"
#include "runtime/data/word_codes.h"

typedef enum CoupletMissing {
    COUPLET_MISSING_REFUSE,
    COUPLET_MISSING_MEAN,
    COUPLET_MISSING_DROP
} CoupletMissing;

/* The rules by which a table is read. Its texts are those of the settings. */
typedef struct CoupletCellsRules {
    /* The column of labels: it is words whatever its cells are, and no cell may be missing. "":
     * none. */
    const char *label;
    const char *columns; /* names, with commas between, of the columns that are read; "": all */
    const char *skip;    /* names of columns that are not read */
    const char *words;   /* names of columns whose cells are words, whatever they are */
    const char *fields;  /* names of columns that are fields of their own */
    /* Texts, with commas between, that stand for missing cells beside the usual ones. */
    const char *absent;
    char separator;      /* 0: found in the first line */
    char decimal;        /* '.' or ',' */
    bool header;         /* the first line has the names */
    bool header_is_said; /* a setting says so; the names may then all be numbers */
    CoupletMissing missing;
} CoupletCellsRules;

typedef enum CoupletCellsKind {
    COUPLET_CELLS_OPEN,
    COUPLET_CELLS_NUMBERS,
    COUPLET_CELLS_WORDS
} CoupletCellsKind;

typedef struct CoupletColumn {
    char *name;
    int alike; /* the column's number in the table that this one is like */
    bool is_label;
    bool is_apart; /* a field of its own */
    bool as_words; /* whatever its cells are */
    CoupletCellsKind kind;
    int64_t decided; /* the line whose cell decided the kind */
    float *numbers;  /* [rows] of numbers; NULL of words */
    int32_t *ids;    /* [rows] of words: their numbers in `words`; NULL of numbers */
    CoupletWords words;
    /* By the number of a word: its place by name; -1: only rows that were left out have the
     * word. */
    int32_t *codes;
    int32_t *order; /* [classes]: the number of the word with this code */
    int32_t classes;
    double mean;     /* the mean of the numbers that are not missing */
    int64_t missing; /* the number of missing cells */
} CoupletColumn;

typedef struct CoupletCells {
    char *name; /* for messages */
    CoupletColumn *columns;
    int count;
    int64_t rows;
    int64_t *lines;  /* [rows]: where each begins, from 1 */
    int64_t dropped; /* rows that were left out for a missing cell */
    uint64_t hash;   /* a hash of the file's bytes */
    size_t bytes;    /* the size of the file */
    uint64_t stamp;  /* of the file's size and times (stamp.h) */
    char note[400];  /* where the first whole number is that a real rounds; "" */
} CoupletCells;

/* Reads the whole file. `like` is a table whose columns, kinds, words and means hold for this one
 * too. Columns then go by their names, in the order of `like`, and this file may lack the label. If
 * `like` is NULL, the file decides. False with a sentence that names file, line and column; nothing
 * is then owned. */
bool couplet_cells_read(const char *path, const char *name, const CoupletCellsRules *rules,
                        const CoupletCells *like, CoupletCells *out, char *error,
                        size_t error_bytes);
void couplet_cells_free(CoupletCells *cells);

/* Writes what holds of the columns for another table too: names, kinds, words and means. `known`
 * may be the table that this one is like; its words are then written. */
void couplet_cells_write_codes(const CoupletCells *cells, const CoupletCells *known, FILE *out);
/* Reads this text back as cells without rows, for `like` of couplet_cells_read. False with a
 * sentence; nothing is then owned. */
bool couplet_cells_read_codes(const char *text, CoupletCells *out, char *error, size_t error_bytes);

/* Takes the next name from a list with commas between, without the spaces around it. *at begins as
 * the list. False at the end of the list. */
bool couplet_cells_item(const char **at, const char **item, size_t *length);

#endif
