/* The cells of a CSV table in memory, column by column: numbers, and words as numbers of a list.
 * Part of the module `tables`, which has the CSV library. */
#ifndef COUPLET_RUNTIME_DATA_CELLS_H
#define COUPLET_RUNTIME_DATA_CELLS_H

#include "runtime/data/vocabulary.h"
#include "runtime/data/word_codes.h"

typedef enum CoupletMissing {
    COUPLET_MISSING_REFUSE,
    COUPLET_MISSING_MEAN,
    COUPLET_MISSING_DROP
} CoupletMissing;

/* How a table is read. The texts are those of the settings. */
typedef struct CoupletCellsRules {
    /* The column of labels. Its cells are words in any case, and none may be missing. "": none. */
    const char *label;
    const char *columns; /* the names of the columns that are read, with commas between; "": all */
    const char *skip;    /* the names of columns that are not read */
    const char *words;   /* the names of columns whose cells are words in any case */
    const char *fields;  /* the names of columns that are fields of their own */
    /* Texts, with commas between, that stand for missing cells, beside the usual texts. */
    const char *absent;
    char separator;      /* 0: it is found in the first line */
    char decimal;        /* '.' or ',' */
    bool header;         /* true if the first line has the names */
    bool header_is_said; /* true if a setting says so; the names may then all be numbers */
    CoupletMissing missing;
} CoupletCellsRules;

typedef enum CoupletCellsKind {
    COUPLET_CELLS_OPEN,
    COUPLET_CELLS_NUMBERS,
    COUPLET_CELLS_WORDS
} CoupletCellsKind;

typedef struct CoupletColumn {
    char *name;
    int alike; /* the number of the column in the table that this table is like */
    bool is_label;
    bool is_apart; /* true if the column is a field of its own */
    bool as_words; /* true if its cells are words in any case */
    CoupletCellsKind kind;
    int64_t decided; /* the line with the cell that decided the kind */
    float *numbers;  /* [rows], for numbers; NULL for words */
    int32_t *ids;    /* [rows], for words: their numbers in `words`; NULL for numbers */
    CoupletWords words;
    /* By the number of a word: its position by name. -1: only rows that were left out have the
     * word. */
    int32_t *codes;
    int32_t *order; /* [classes]: the number of the word with each code */
    int32_t classes;
    double mean;     /* the mean of the numbers that are not missing */
    int64_t missing; /* the number of missing cells */
} CoupletColumn;

typedef struct CoupletCells {
    char *name; /* the name for messages */
    CoupletColumn *columns;
    int count;
    int64_t rows;
    int64_t *lines;  /* [rows]: the line where each row begins, from 1 */
    int64_t dropped; /* the number of rows that were left out for a missing cell */
    uint64_t hash;   /* a hash of the file's bytes */
    size_t bytes;    /* the size of the file */
    uint64_t stamp;  /* the stamp of the file's size and times (stamp.h) */
    /* The place of the first whole number that a real rounds; "" if there is none. */
    char note[400];
} CoupletCells;

/* Reads the whole file. `like` is a table whose columns, kinds, words and means hold for this one
 * too. Columns are then found by their names, in the order of `like`, and this file may lack the
 * label. If `like` is NULL, the file decides. Returns false with a sentence that names file, line
 * and column; there is then nothing to free. */
bool couplet_cells_read(const char *path, const char *name, const CoupletCellsRules *rules,
                        const CoupletCells *like, CoupletCells *out, char *error,
                        size_t error_bytes);
void couplet_cells_free(CoupletCells *cells);

/* Writes what another table needs to be read alike: names, kinds, words and means of columns.
 * `known` is the table that this one is like, whose words are then written, or NULL. */
void couplet_cells_write_codes(const CoupletCells *cells, const CoupletCells *known, FILE *out);
/* Reads this text back, as cells without rows for `like` of couplet_cells_read. Returns false with
 * a sentence; there is then nothing to free. */
bool couplet_cells_read_codes(const char *text, CoupletCells *out, char *error, size_t error_bytes);

/* Takes the next name from a list with commas, without spaces around it. *at is the list at the
 * start. Returns false at the end of the list. */
bool couplet_cells_item(const char **at, const char **item, size_t *length);

#endif
