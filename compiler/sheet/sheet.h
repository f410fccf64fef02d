/* A sheet: samples and their views, side by side, as a picture. The module libcouplet_sheet.so
 * draws it and needs cairo. The compiler loads the module when a sheet is asked for, and works
 * without it.
 *
 * The type and the shape of a column decide how it is drawn:
 *
 *   two axes, or [C, H, W] with C = 1, 3 or 4   a picture
 *   pictures along further axes                 a film strip
 *   reals [N, 3]                                points in perspective
 *   long rows of reals                          a curve; very long ones also a spectrogram
 *   short rows of reals                         bars with their numbers
 *   ints                                        words or numbers */
#ifndef COUPLET_SHEET_H
#define COUPLET_SHEET_H

#include "runtime/abi.h"

typedef struct SheetColumn {
    const char *title;    /* as in "image" or "view a" */
    const char *subtitle; /* as in "u8[3, 32, 32]" */
    CoupletType type;     /* U8 shows 0 .. 255 as 0 .. 1 */
    int rank;             /* the rank of one cell */
    int64_t shape[COUPLET_MAX_RANK];
    /* for ints: the number of values with names, which are 0 .. classes - 1 */
    int64_t classes;
    const char *const *class_names; /* NULL: the values have no names */
    const void **cells;             /* [rows of the block] */
    bool is_view;
} SheetColumn;

typedef struct SheetBlock {
    const char *title; /* as in "train = data.images(..)" */
    SheetColumn *columns;
    int column_count;
    /* [row_count]: the names; of a name that does not fit, the end is shown */
    const char **row_names;
    const char **row_notes; /* [row_count], as in "label cat"; NULL: there are no notes */
    int row_count;
} SheetBlock;

typedef struct Sheet {
    SheetBlock *blocks;
    int block_count;
} Sheet;

/* The function that the module exports as couplet_sheet_draw. It writes the sheet as .png, .svg or
 * .pdf, by the ending of the path. The file is written as `couplet_file_begin` does. Returns false
 * with a sentence in `error`. */
typedef bool SheetDraw(const Sheet *sheet, const char *path, char *error, size_t error_bytes);

/* The version of the interface that the program and the module must agree on, like
 * COUPLET_READER_VERSION in runtime/data/reader.h. The module exports the number as `const int
 * couplet_sheet_version`. */
enum {
    SHEET_MEANING = 1,
    SHEET_VERSION =
        SHEET_MEANING * 1000000 +
        (sizeof(Sheet) * 8191 + sizeof(SheetBlock) * 127 + sizeof(SheetColumn)) % 1000000
};

#endif
