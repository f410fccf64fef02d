/* data.lines: each line of a text file is a sample, with the codes of its first tokens and their
 * number. Code 0 is padding and code 1 an unknown token. The tokens of the vocabulary follow, the
 * most frequent first. */
#include "runtime/data/columns.h"
#include "runtime/data/reader.h"
#include "runtime/data/textfile.h"
#include "runtime/data/tokenizer.h"
#include "runtime/data/vocabulary.h"
#include "runtime/data/word_codes.h"
#include "runtime/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PADDING,
    UNKNOWN,
    FIRST_WORD,
};
enum {
    TOKEN,
    LENGTH,
    LABEL,
}; /* the fields */
/* the most bytes of codes that are made at each start */
static const int64_t most_at_once = INT64_C(1) << 30;

typedef struct Rules {
    CoupletTokenKind kind;
    bool lower;
    bool label;
    int64_t tokens;
    int64_t vocabulary;
} Rules;

/* A line that is a sample. */
typedef struct Row {
    int64_t text;  /* where its text begins, behind the label */
    int64_t line;  /* the number of the line, from 1 */
    int32_t label; /* the number of its label */
} Row;

typedef struct Corpus {
    CoupletTextFile file;
    Row *rows;
    int64_t count;
    int64_t room;
    /* The tokens and the labels that were met. There are no tokens here if bytes are the tokens. */
    CoupletWords tokens;
    CoupletWords labels;
} Corpus;

typedef struct State {
    Rules rules;
    Corpus corpus;
    Corpus like;
    bool is_like; /* vocabulary and labels are those of `like` */
    /* The tokens are those of another source, in the order of their codes, and no others are
     * allowed. */
    bool is_known;
    int32_t *codes;       /* by number of a token in the corpus of the vocabulary: its code */
    int32_t *label_codes; /* by number of a label in the corpus with the labels: its code */
} State;

static bool fail(const CoupletTable *t, const char *text, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", t->name, text);
    return false;
}

static bool out_of_memory(const CoupletTable *t, char *error, size_t error_bytes) {
    return fail(t, "out of memory", error, error_bytes);
}

/* Returns the corpus that has the vocabulary and the labels. */
static Corpus *corpus_of(State *s) {
    return s->is_like ? &s->like : &s->corpus;
}

/* ---- settings -------------------------------------------------------------------------------- */

static bool read_rules(const CoupletRequest *request, const CoupletTable *t, Rules *rules,
                       char *error, size_t error_bytes) {
    static const char *const kinds[] = {"words", "characters", "bytes"};
    const char *by = couplet_request_text(request, "unit");
    *rules = (Rules){.lower = couplet_request_number(request, "lower") != 0,
                     .label = couplet_request_number(request, "label") != 0,
                     .tokens = (int64_t)couplet_request_number(request, "tokens"),
                     .vocabulary = (int64_t)couplet_request_number(request, "vocabulary")};
    int kind = 0;
    while (kind < 3 && strcmp(kinds[kind], by) != 0)
        kind++;
    rules->kind = (CoupletTokenKind)kind;
    if (kind == 3) {
        snprintf(
            error, error_bytes,
            "%s: `unit` of lines is \"words\", \"characters\" or \"bytes\", and this is \"%.40s\"",
            t->name, by);
        return false;
    }
    if (rules->kind != COUPLET_TOKEN_BYTES) return true;
    if (rules->vocabulary || rules->lower)
        return fail(t,
                    "all bytes are in the vocabulary as they are: `vocabulary` and `lower` are for "
                    "words and characters",
                    error, error_bytes);
    return true;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Returns the end of the line that begins at `at`. */
static const char *end_of_line(const char *at, const char *end) {
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    if (feed) end = feed;
    const char *carriage = memchr(at, '\r', (size_t)(end - at));
    return carriage ? carriage : end;
}

static const char *skip_end(const char *at, const char *end) {
    if (at < end && *at == '\r')
        at++;
    else
        return at < end ? at + 1 : at;
    return at < end && *at == '\n' ? at + 1 : at;
}

static Row *next_row(Corpus *c) {
    if (c->count == c->room) {
        const int64_t room = c->room ? 2 * c->room : 1024;
        Row *rows = realloc(c->rows, (size_t)room * sizeof *rows);
        if (!rows) return NULL;
        c->rows = rows;
        c->room = room;
    }
    return &c->rows[c->count];
}

typedef struct Reading {
    const CoupletTable *table;
    Rules *rules;
    bool unlabelled;  /* true if a file without tabs has no labels, whatever the rules say */
    const char *name; /* the file's name */
    Corpus *corpus;
    const Corpus *like; /* the corpus with the vocabulary; NULL: this one */
    const char *like_name;
    CoupletTokens tokens;
    char *error;
    size_t error_bytes;
} Reading;

static bool refuse_line(const Reading *r, int64_t line, const char *why) {
    snprintf(r->error, r->error_bytes, "%s, line %lld %s", r->name, (long long)line, why);
    return false;
}

/* Takes the label of "label TAB text". *text moves behind the tab. */
static bool take_label(const Reading *r, Row *row, const char **text, const char *end) {
    const char *tab = memchr(*text, '\t', (size_t)(end - *text));
    const char *begin = *text;
    const char *stop = tab;
    if (!tab)
        return refuse_line(
            r, row->line,
            "has no tab; with label = true, a line is the label, a tab, and the text");
    while (begin < stop && *begin == ' ')
        begin++;
    while (stop > begin && stop[-1] == ' ')
        stop--;
    if (begin == stop) return refuse_line(r, row->line, "has no label before its tab");
    const size_t length = (size_t)(stop - begin);
    if (r->like && couplet_words_find(&r->like->labels, begin, length) < 0) {
        snprintf(r->error, r->error_bytes, "%s, line %lld: `%.*s` is no label of %s", r->name,
                 (long long)row->line, length < 60 ? (int)length : 60, begin, r->like_name);
        return false;
    }
    row->label = couplet_words_add(&r->corpus->labels, begin, length);
    *text = tab + 1;
    return row->label >= 0 || out_of_memory(r->table, r->error, r->error_bytes);
}

/* True if the text has more than spaces. */
static bool has_text(const Reading *r, const char *text, const char *end) {
    if (r->rules->kind == COUPLET_TOKEN_BYTES) return text < end;
    CoupletTokens tokens;
    tokens.kind = COUPLET_TOKEN_WORDS;
    tokens.lower = false;
    tokens.at = text;
    tokens.end = end;
    return couplet_tokens_next(&tokens);
}

static bool take_tokens(Reading *r, const char *text, const char *end) {
    CoupletTokens *tokens = &r->tokens;
    if (r->like || r->rules->kind == COUPLET_TOKEN_BYTES) return true;
    tokens->at = text;
    tokens->end = end;
    for (int64_t i = 0; i < r->rules->tokens && couplet_tokens_next(tokens); i++)
        if (couplet_words_add(&r->corpus->tokens, tokens->text, tokens->length) < 0)
            return out_of_memory(r->table, r->error, r->error_bytes);
    return true;
}

static bool take_line(Reading *r, const char *text, const char *end, int64_t line) {
    Corpus *c = r->corpus;
    if (!has_text(r, text, end)) return true;
    Row *row = next_row(c);
    if (!row) return out_of_memory(r->table, r->error, r->error_bytes);
    *row = (Row){.line = line};
    if (r->rules->label && !take_label(r, row, &text, end)) return false;
    if (r->rules->label && !has_text(r, text, end))
        return refuse_line(r, line, "has a label and no text");
    row->text = text - c->file.text;
    if (c->count++ == INT32_MAX)
        return refuse_line(r, line, "is one too many: at most 2147483647 lines are read");
    return take_tokens(r, text, end);
}

static bool read_corpus(Reading *r, const char *path) {
    Corpus *c = r->corpus;
    const bool bytes = r->rules->kind == COUPLET_TOKEN_BYTES;
    if (!couplet_textfile_open(path, r->name, "a text file", bytes, &c->file, r->error,
                               r->error_bytes))
        return false;
    r->tokens.kind = r->rules->kind;
    r->tokens.lower = r->rules->lower;
    if (r->unlabelled && !memchr(c->file.text, '\t', c->file.length)) {
        r->rules->label = false;
    }
    const char *end = c->file.text + c->file.length;
    int64_t line = 1;
    for (const char *at = c->file.text; at < end; line++) {
        const char *stop = end_of_line(at, end);
        if (!take_line(r, at, stop, line)) return false;
        at = skip_end(stop, end);
    }
    if (c->count) return true;
    snprintf(r->error, r->error_bytes, "%s has no line of text", r->name);
    return false;
}

static void free_corpus(Corpus *c) {
    couplet_textfile_close(&c->file);
    couplet_words_free(&c->tokens);
    couplet_words_free(&c->labels);
    free(c->rows);
    memset(c, 0, sizeof *c);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Names the codes of bytes: bytes that print by their character, others by their number. */
static bool name_bytes(CoupletField *field) {
    enum {
        BYTES = 256,
        NAME = 5,
    };
    const char *names[FIRST_WORD + BYTES] = {"<padding>", "<unknown>"};
    char texts[BYTES][NAME];
    for (int i = 0; i < BYTES; i++) {
        snprintf(texts[i], NAME, i > ' ' && i < 127 ? "%c" : "0x%02x", i);
        names[FIRST_WORD + i] = texts[i];
    }
    return couplet_field_classes(field, names, FIRST_WORD + BYTES);
}

/* Numbers words that are in the order of their codes already. */
static int32_t as_they_stand(const CoupletWords *words, int32_t *codes, int32_t *order) {
    for (int32_t i = 0; i < words->count; i++)
        codes[i] = order[i] = i;
    return words->count;
}

/* Computes the codes of the vocabulary, and their names. */
static bool code_tokens(State *s, CoupletField *field) {
    if (s->rules.kind == COUPLET_TOKEN_BYTES) return name_bytes(field);
    const CoupletWords *w = &corpus_of(s)->tokens;
    int32_t *order = malloc(((size_t)w->count + 1) * sizeof *order);
    s->codes = malloc(((size_t)w->count + 1) * sizeof *s->codes);
    int32_t count = order && s->codes ? (s->is_known ? as_they_stand(w, s->codes, order)
                                                     : couplet_words_by_count(w, s->codes, order))
                                      : -1;
    if (s->rules.vocabulary && count > s->rules.vocabulary) {
        count = (int32_t)s->rules.vocabulary;
    }
    const char **names = count < 0 ? NULL : malloc(((size_t)count + FIRST_WORD) * sizeof *names);
    if (names) {
        names[PADDING] = "<padding>";
        names[UNKNOWN] = "<unknown>";
    }
    for (int32_t i = 0; names && i < count; i++)
        names[FIRST_WORD + i] = w->words[order[i]].text;
    for (int32_t i = 0; names && i < w->count; i++)
        s->codes[i] = s->codes[i] < count ? s->codes[i] + FIRST_WORD : UNKNOWN;
    const bool good = names && couplet_field_classes(field, names, (int64_t)count + FIRST_WORD);
    free(names);
    free(order);
    return good;
}

/* Numbers the labels, and gives the field their names: in the order of the vocabulary that was
 * trained on, or by name if there is none. Returns false if memory is out. */
static bool code_labels(State *s, CoupletField *field) {
    const CoupletWords *w = &corpus_of(s)->labels;
    int32_t *order = malloc(((size_t)w->count + 1) * sizeof *order);
    s->label_codes = malloc(((size_t)w->count + 1) * sizeof *s->label_codes);
    const int32_t count = order && s->label_codes
                              ? (s->is_known ? as_they_stand(w, s->label_codes, order)
                                             : couplet_words_by_name(w, s->label_codes, order))
                              : -1;
    const char **names = count < 0 ? NULL : malloc(((size_t)count + 1) * sizeof *names);
    for (int32_t i = 0; names && i < count; i++)
        names[i] = w->words[order[i]].text;
    const bool good = names && couplet_field_classes(field, names, count);
    free(names);
    free(order);
    return good;
}

static bool add_fields(CoupletTable *t, char *error, size_t error_bytes) {
    State *s = t->state;
    const int64_t shape[] = {s->rules.tokens};
    CoupletField *field = couplet_table_add(t, "token", COUPLET_I32, 1, shape);
    bool good = field && code_tokens(s, field);
    field = good ? couplet_table_add(t, "length", COUPLET_I32, 0, NULL) : NULL;
    good = field != NULL;
    if (good) field->classes = s->rules.tokens + 1;
    if (good && s->rules.label) {
        field = couplet_table_add(t, "label", COUPLET_I32, 0, NULL);
        good = field && code_labels(s, field);
    }
    return good || out_of_memory(t, error, error_bytes);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_lines(CoupletTable *t) {
    State *s = t->state;
    if (!s) return;
    free_corpus(&s->corpus);
    free_corpus(&s->like);
    free(s->codes);
    free(s->label_codes);
    free(s);
    t->state = NULL;
}

static uint64_t add_key(uint64_t key, const Corpus *c) {
    return couplet_hash(key, &c->file.mapping.stamp, sizeof c->file.mapping.stamp);
}

/* ---- codes of another source ----------------------------------------------------------------- */

static const char format[] = "lines 1";

static bool read_known(CoupletCodes *codes, CoupletWords *words) {
    const int64_t count = couplet_codes_next_whole(codes, 0, INT32_MAX);
    for (int64_t i = 0; i < count && !codes->failed; i++) {
        const char *word = couplet_codes_next(codes);
        if (couplet_words_add(words, word, codes->length) != i) return false;
    }
    return !codes->failed;
}

/* Reads the vocabulary and labels of the training from the text that a checkpoint keeps. */
static bool read_codes(State *s, const char *text, char *error, size_t error_bytes) {
    CoupletCodes codes;
    couplet_codes_open(&codes, text);
    couplet_codes_expect(&codes, format);
    const bool good = read_known(&codes, &s->like.tokens) && read_known(&codes, &s->like.labels);
    couplet_codes_close(&codes);
    s->is_like = s->is_known = true;
    if (!good)
        snprintf(error, error_bytes,
                 "the vocabulary that was trained on cannot be read: the checkpoint is damaged, or "
                 "memory is out");
    return good;
}

/* Writes the names of the codes from `first` on. */
static void write_names(const CoupletField *field, int64_t first, FILE *out) {
    couplet_codes_whole(out, field && field->class_names ? field->classes - first : 0);
    for (int64_t c = first; field && field->class_names && c < field->classes; c++)
        couplet_codes_text(out, field->class_names[c], strlen(field->class_names[c]));
}

static void write_codes(const CoupletTable *t, FILE *out) {
    const State *s = t->state;
    couplet_codes_text(out, format, strlen(format));
    write_names(s->rules.kind == COUPLET_TOKEN_BYTES ? NULL : couplet_table_field(t, "token", NULL),
                FIRST_WORD, out);
    write_names(couplet_table_field(t, "label", NULL), 0, out);
}

static bool read_files(const CoupletRequest *request, CoupletTable *t, char *error,
                       size_t error_bytes) {
    State *s = t->state;
    const char *like = couplet_request_text(request, "like");
    char path[COUPLET_PATH_BYTES];
    if (!read_rules(request, t, &s->rules, error, error_bytes)) return false;
    Reading *reading = calloc(1, sizeof *reading);
    if (!reading) return out_of_memory(t, error, error_bytes);
    *reading =
        (Reading){.table = t, .rules = &s->rules, .error = error, .error_bytes = error_bytes};
    bool good = !request->codes || read_codes(s, request->codes, error, error_bytes);
    if (request->codes) {
        reading->like_name = "the lines that were trained on";
        reading->like = &s->like;
    } else if (*like) {
        s->is_like = true;
        reading->name = reading->like_name = path;
        reading->corpus = &s->like;
        good = couplet_path_beside(request->beside ? request->beside : request->path, like, path,
                                   error, error_bytes) &&
               read_corpus(reading, path);
        reading->like = &s->like;
    }
    reading->name = t->name;
    reading->corpus = &s->corpus;
    reading->unlabelled = request->unlabelled;
    good = good && read_corpus(reading, t->path);
    free(reading);
    return good;
}

static bool open_lines(const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes);
static bool load(CoupletTable *t, char *error, size_t error_bytes);
static bool read_row(const CoupletTable *t, int64_t row, void *const *fields, char *error,
                     size_t error_bytes);
static bool column(const CoupletTable *t, int field, int32_t *out, char *error, size_t error_bytes);
static void name_row(const CoupletTable *t, int64_t row, char *out, size_t bytes);

static const CoupletReader by_rows = {.name = "lines",
                                      .open = open_lines,
                                      .read = read_row,
                                      .column = column,
                                      .name_row = name_row,
                                      .codes = write_codes,
                                      .close = close_lines};
const CoupletReader couplet_reader_lines = {.name = "lines",
                                            .open = open_lines,
                                            .load = load,
                                            .column = column,
                                            .name_row = name_row,
                                            .codes = write_codes,
                                            .close = close_lines};

static bool open_lines(const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes) {
    snprintf(out->name, sizeof out->name, "%s", request->path);
    if (!couplet_path_absolute(request->path, out->path, error, error_bytes)) return false;
    State *s = out->state = calloc(1, sizeof *s);
    if (!s) return out_of_memory(out, error, error_bytes);
    if (!read_files(request, out, error, error_bytes) || !add_fields(out, error, error_bytes)) {
        close_lines(out);
        return false;
    }
    out->held = s->corpus.count;
    out->key = add_key(add_key(COUPLET_HASH_START, &s->corpus), &s->like);
    if (request->codes) {
        out->key = couplet_hash(out->key, request->codes, strlen(request->codes));
    }
    out->reader = out->held * s->rules.tokens * 4 > most_at_once ? &by_rows : &couplet_reader_lines;
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int32_t code_of(const State *s, const CoupletWords *vocabulary,
                       const CoupletTokens *tokens) {
    if (s->rules.kind == COUPLET_TOKEN_BYTES) return FIRST_WORD + (unsigned char)tokens->text[0];
    const int32_t word = couplet_words_find(vocabulary, tokens->text, tokens->length);
    return word < 0 ? UNKNOWN : s->codes[word];
}

/* Writes the codes of a line, with padding behind them. Returns the number of tokens. */
static int32_t encode(const State *s, const Row *row, CoupletTokens *tokens, int32_t *out) {
    const CoupletTextFile *file = &s->corpus.file;
    const CoupletWords *vocabulary = s->is_like ? &s->like.tokens : &s->corpus.tokens;
    tokens->kind = s->rules.kind;
    tokens->lower = s->rules.lower;
    tokens->at = file->text + row->text;
    tokens->end = end_of_line(tokens->at, file->text + file->length);
    int32_t count = 0;
    while (count < s->rules.tokens && couplet_tokens_next(tokens))
        out[count++] = code_of(s, vocabulary, tokens);
    memset(out + count, 0, (size_t)(s->rules.tokens - count) * sizeof *out);
    return count;
}

static int32_t label_of(const State *s, const Row *row) {
    if (!s->is_like) return s->label_codes[row->label];
    const CoupletWord *word = &s->corpus.labels.words[row->label];
    return s->label_codes[couplet_words_find(&s->like.labels, word->text, word->length)];
}

static bool read_row(const CoupletTable *t, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    const State *s = t->state;
    CoupletTokens tokens;
    (void)error;
    (void)error_bytes;
    *(int32_t *)fields[LENGTH] = encode(s, &s->corpus.rows[row], &tokens, fields[TOKEN]);
    if (s->rules.label) {
        *(int32_t *)fields[LABEL] = label_of(s, &s->corpus.rows[row]);
    }
    return true;
}

/* Returns the labels, which are known without splitting the lines into tokens. */
static bool column(const CoupletTable *t, int field, int32_t *out, char *error,
                   size_t error_bytes) {
    const State *s = t->state;
    if (error_bytes) *error = 0;
    if (field != LABEL) return false;
    for (int64_t i = 0; i < t->held; i++)
        out[i] = label_of(s, &s->corpus.rows[i]);
    return true;
}

static void name_row(const CoupletTable *t, int64_t row, char *out, size_t bytes) {
    const State *s = t->state;
    snprintf(out, bytes, "%s, line %lld", t->name, (long long)s->corpus.rows[row].line);
}

/* ---- all at once ----------------------------------------------------------------------------- */

static bool load(CoupletTable *t, char *error, size_t error_bytes) {
    if (!couplet_columns_take(t)) return out_of_memory(t, error, error_bytes);
    for (int64_t row = 0; row < t->held; row++) {
        void *fields[LABEL + 1];
        for (int f = 0; f < t->field_count; f++)
            fields[f] = (char *)couplet_columns_at(t, f) + row * couplet_field_bytes(&t->fields[f]);
        read_row(t, row, fields, error, error_bytes);
    }
    t->hash = couplet_columns_hash(t);
    return true;
}
