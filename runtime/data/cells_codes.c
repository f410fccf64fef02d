/* Writes and reads, as a text (word_codes.h), what a table must know of the table that was trained
 * on: the names, kinds, words and means of its columns. */
#include "runtime/data/cells.h"

#include <stdlib.h>
#include <string.h>

static const char format[] = "table 1";
enum { MOST_COLUMNS = 1 << 16 };

/* ---- writing --------------------------------------------------------------------------------- */

static void write_column(const CoupletColumn *c, FILE *out) {
    couplet_codes_text(out, c->name, strlen(c->name));
    couplet_codes_whole(out, c->is_label);
    couplet_codes_whole(out, c->is_apart);
    couplet_codes_whole(out, c->as_words);
    couplet_codes_whole(out, c->kind == COUPLET_CELLS_WORDS);
    couplet_codes_number(out, c->mean);
    couplet_codes_whole(out, c->classes);
    for (int32_t k = 0; k < c->classes; k++) {
        const CoupletWord *word = &c->words.words[c->order[k]];
        couplet_codes_text(out, word->text, word->length);
    }
}

void couplet_cells_write_codes(const CoupletCells *cells, const CoupletCells *known, FILE *out) {
    const CoupletCells *from = known && known->count ? known : cells;
    couplet_codes_text(out, format, strlen(format));
    couplet_codes_whole(out, from->count);
    for (int i = 0; i < from->count; i++)
        write_column(&from->columns[i], out);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The words of a column stand in the order of their codes. */
static bool read_words(CoupletCodes *codes, CoupletColumn *c) {
    const size_t room = (size_t)c->classes + 1;
    if (room > strlen(codes->at) + 1) return false; /* each word takes a line */
    c->codes = malloc(room * sizeof *c->codes);
    c->order = malloc(room * sizeof *c->order);
    for (int32_t k = 0; c->codes && c->order && k < c->classes && !codes->failed; k++) {
        const char *word = couplet_codes_next(codes);
        if (couplet_words_add(&c->words, word, codes->length) != k)
            return false; /* memory is out, or the word stands twice */
        c->codes[k] = c->order[k] = k;
    }
    return c->codes && c->order && !codes->failed;
}

static bool read_column(CoupletCodes *codes, CoupletColumn *c) {
    c->name = strdup(couplet_codes_next(codes));
    c->is_label = couplet_codes_next_whole(codes, 0, 1);
    c->is_apart = couplet_codes_next_whole(codes, 0, 1);
    c->as_words = couplet_codes_next_whole(codes, 0, 1);
    c->kind = couplet_codes_next_whole(codes, 0, 1) ? COUPLET_CELLS_WORDS : COUPLET_CELLS_NUMBERS;
    c->mean = couplet_codes_next_number(codes);
    c->classes = (int32_t)couplet_codes_next_whole(codes, 0, INT32_MAX - 1);
    return c->name && !codes->failed && (c->kind == COUPLET_CELLS_NUMBERS || read_words(codes, c));
}

bool couplet_cells_read_codes(const char *text, CoupletCells *out, char *error,
                              size_t error_bytes) {
    CoupletCodes codes;
    couplet_codes_open(&codes, text);
    couplet_codes_expect(&codes, format);
    const int count = (int)couplet_codes_next_whole(&codes, 1, MOST_COLUMNS);
    memset(out, 0, sizeof *out);
    out->name = strdup("the table that was trained on");
    out->columns = codes.failed ? NULL : calloc((size_t)count, sizeof *out->columns);
    bool good = out->name && out->columns;
    while (good && out->count < count)
        good = read_column(&codes, &out->columns[out->count++]);
    couplet_codes_close(&codes);
    if (good) return true;
    snprintf(error, error_bytes,
             "the codes of the table that was trained on cannot be read: the checkpoint is "
             "damaged, or memory is out");
    couplet_cells_free(out);
    return false;
}
