/* The formatter works on words, not on the tree. Where a word goes does not depend on the meaning
 * of its statement, so a new statement needs its first word in a list below and no more, and a
 * comment is a word like others.
 *
 *     indentation  two spaces for each open brace. Where a line continues a statement, four more,
 *                  or below what the author lined it up with: the first word after the open
 *                  bracket, or the second word of the statement
 *     spaces       one around operators and after commas; none inside brackets, around `.` and
 *                  `^`; `*` and `/` may stand close (2*N)
 *     columns      a word that stands further right than it needs to, exactly under or over one of
 *                  its kind on the next line, stays lined up
 *     blank lines  at most one, and none at the edges of a block
 *     brackets     a reduction after `/` that swallows further factors gets parentheses:
 *                  a / (sum[j] b[j] * c) */
#include "lang/format.h"

#include "lang/ast_walk.h"
#include "lang/limits.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    WORD_NAME,
    WORD_NUMBER,
    WORD_STRING,
    WORD_OPERATOR,
    WORD_OPEN,
    WORD_CLOSE,
    WORD_COMMENT
} WordKind;

typedef struct Word {
    WordKind kind;
    const char *text;
    int length;
    int offset;       /* its first byte in the source, or -1 for a parenthesis that is put in */
    int line, column; /* its place in the source, both counted from 0 */
    int spaces;       /* the fewest spaces in front of it */
    /* For the first word of a line: the word under which it is lined up, or -1. */
    int anchor;
    int indent;  /* the indent of the line that it begins */
    int partner; /* the next word that is lined up with it; such words form a ring */
    int at;      /* the word's column in the result */
    bool first;  /* true for the first word of a line */
    bool blank;  /* true if a blank line stands before it */
    bool unary;  /* true for a minus with nothing to its left to subtract from */
} Word;

typedef struct Format {
    Arena *arena;
    const Source *source;
    ARRAY(Word) words;
    ARRAY(int) opens, closes; /* the bytes at which parentheses are put in */
} Format;

static bool is_written_as(const Word *w, const char *text) {
    return w && w->kind != WORD_COMMENT && strlen(text) == (size_t)w->length &&
           memcmp(w->text, text, (size_t)w->length) == 0;
}

static bool is_one_of(const Word *w, const char *const *texts) {
    for (; *texts; texts++)
        if (is_written_as(w, *texts)) return true;
    return false;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Returns the length of the word at a place that is no space, and sets its kind. */
static int word_length(const char *at, WordKind *kind) {
    static const char *const pairs[] = {"<-", ">>", "<=", ">=", "==", "!=", ".."};
    int n = 1;
    if (*at == '#') {
        *kind = WORD_COMMENT;
        n = (int)strcspn(at, "\n");
        while (n > 1 && isspace((unsigned char)at[n - 1]))
            n--;
    } else if (*at == '"') {
        *kind = WORD_STRING;
        n = 1 + (int)strcspn(at + 1, "\"");
        n += at[n] == '"';
    } else if (strncmp(at, "./", 2) == 0 || strncmp(at, "../", 3) == 0) { /* the path of a `use` */
        *kind = WORD_STRING;
        while (isalnum((unsigned char)at[n]) || (at[n] && strchr("_./-", at[n])))
            n++;
    } else if (isalpha((unsigned char)*at) || *at == '_') {
        *kind = WORD_NAME;
        while (isalnum((unsigned char)at[n]) || at[n] == '_')
            n++;
    } else if (isdigit((unsigned char)*at)) {
        *kind = WORD_NUMBER;
        while (isdigit((unsigned char)at[n]))
            n++;
        if (at[n] == '.' && isdigit((unsigned char)at[n + 1]))
            n += 1 + (int)strspn(at + n + 1, "0123456789");
        int sign = (at[n] == 'e' || at[n] == 'E') && (at[n + 1] == '-' || at[n + 1] == '+');
        if ((at[n] == 'e' || at[n] == 'E') && isdigit((unsigned char)at[n + 1 + sign]))
            n += 1 + sign + (int)strspn(at + n + 1 + sign, "0123456789");
        if (at[n] && strchr("KMG", at[n]) && strncmp(at + n + 1, "iB", 2) == 0) {
            n += 3;
        }
    } else {
        *kind = strchr("([{", *at) ? WORD_OPEN : strchr(")]}", *at) ? WORD_CLOSE : WORD_OPERATOR;
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            if (strncmp(at, pairs[i], 2) == 0) n = 2;
    }
    return n;
}

/* Appends a word. The first word on a line number is the first word of a line. */
static void add_word(Format *f, WordKind kind, const char *text, int length, int offset, int line,
                     int column, bool blank) {
    const Word *last = f->words.count ? &f->words.items[f->words.count - 1] : NULL;
    Word w = {.kind = kind,
              .text = text,
              .length = length,
              .offset = offset,
              .line = line,
              .column = column,
              .anchor = -1,
              .partner = f->words.count};
    w.first = !last || last->line != line;
    w.blank = blank && last;
    array_push(f->arena, &f->words, w);
}

static int by_offset(const void *a, const void *b) {
    return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

/* Splits the text into words, with the parentheses that are put in at their places. */
static void split_words(Format *f) {
    const char *text = f->source->text;
    int line = 0;
    int line_start = 0;
    int breaks = 0;
    int lists = 0;
    int open = 0;
    int close = 0;
    if (f->opens.count) {
        qsort(f->opens.items, (size_t)f->opens.count, sizeof *f->opens.items, by_offset);
        qsort(f->closes.items, (size_t)f->closes.count, sizeof *f->closes.items, by_offset);
    }
    for (int i = 0; text[i];) {
        for (; close < f->closes.count && f->closes.items[close] == i; close++)
            add_word(f, WORD_CLOSE, ")", 1, -1, line, i - line_start, false);
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
            breaks++;
        }
        if (isspace((unsigned char)text[i])) {
            i++;
            continue;
        }
        for (; open < f->opens.count && f->opens.items[open] == i; open++)
            add_word(f, WORD_OPEN, "(", 1, -1, line, i - line_start, breaks > 1);
        WordKind kind;
        int length = word_length(text + i, &kind);
        /* Inside ( or [ there is no arrow `<-`, but a comparison with a negative number. */
        if (lists && strncmp(text + i, "<-", 2) == 0) length = 1;
        lists += kind == WORD_OPEN && text[i] != '{';
        lists -= kind == WORD_CLOSE && text[i] != '}' && lists > 0;
        add_word(f, kind, text + i, length, i, line, i - line_start, breaks > 1);
        breaks = 0;
        i += length;
    }
    /* A parenthesis may close at the end of the text. */
    for (; close < f->closes.count; close++)
        add_word(f, WORD_CLOSE, ")", 1, -1, line, 0, false);
}

/* ---- parentheses that help the reader -------------------------------------------------------- */

/* Puts parentheses around a reduction behind `/` whose body is a product. A reader might take the
 * factors for factors of the quotient. */
static bool find_swallowing(void *context, Expr *e) {
    Format *f = context;
    if (e->kind != EXPR_BINARY || e->op != OP_DIV || e->args[1]->kind != EXPR_REDUCE ||
        e->args[1]->arg_count != 1)
        return true;
    const Expr *reduction = e->args[1];
    const Expr *body = reduction->args[0];
    bool product = body->kind == EXPR_BINARY && body->op >= OP_MUL && body->op <= OP_MOD;
    int before = reduction->span.begin - 1;
    while (before > 0 && isspace((unsigned char)f->source->text[before]))
        before--;
    if (!product || f->source->text[before] != '/') return true;
    array_push(f->arena, &f->opens, reduction->span.begin);
    array_push(f->arena, &f->closes, reduction->span.end);
    return true;
}

/* ---- spaces ---------------------------------------------------------------------------------- */

/* The words that the formatter knows: reductions; words inside formulas; first words of statements;
 * and words that mean something behind an expression, in a statement of their own. */
static const char *const reducers[] = {
#define REDUCTION(text, name, takes, gives, slope, least, sign, meaning) #text,
#include "lang/reductions.def"
#undef REDUCTION
    NULL};
/* A reserved word. One that ends a statement is a value itself, such as `true`. */
typedef struct Reserved {
    const char *text;
    bool is_value;
} Reserved;
static const Reserved reserved[] = {
#define RESERVED(text, token, ends, meaning) {text, ends},
#include "lang/words.def"
#undef RESERVED
};
/* The first word of a statement, and the scanner's name for it. */
typedef struct First {
    const char *text;
    const char *token;
} First;
static const First firsts[] = {
#define FIRST(text, token, meaning) {text, #token},
#include "lang/words.def"
#undef FIRST
};
/* A word behind an expression. `after` is the scanner's name of the statement's first word, or "0"
 * for any statement. `is_inside` says that the word stands in the block of that statement. */
typedef struct Soft {
    const char *text;
    const char *after;
    bool is_inside;
} Soft;
static const Soft softs[] = {
#define SOFT(text, token, after, inside, meaning) {text, #after, inside},
#include "lang/words.def"
#undef SOFT
};

typedef struct Bracket {
    int word;
    int statement; /* the first word of the statement in which it is opened */
    bool brace;
    /* True for the [ of sum[..], whose ] a body follows. False for the [ of count[..]. */
    bool reducer;
    bool settings; /* true for the { of train, eval or queue, in which commas separate lines */
    /* True if its lines are lined up under the word behind the bracket, as the first of them
     * decides. */
    bool hangs;
    bool has_lines; /* true once a line has begun inside the bracket */
} Bracket;

/* The position of the formatter. */
typedef struct Place {
    /* The open brackets: those of the text, and those that are put in around reductions, which nest
     * as deep as expressions do. */
    Bracket open[MOST_NESTED_BRACKETS + MOST_NESTED_TERMS];
    int depth;
    int braces;
    int last;            /* the last word that is no comment, or -1 */
    int statement;       /* the first word of the statement */
    bool has_value;      /* true behind the statement's `=` or `<-`, and in its block */
    bool closed_reducer; /* true if the last word is the ] of sum[..], and a body follows */
} Place;

static const Bracket *innermost(const Place *p) {
    return p->depth ? &p->open[p->depth - 1] : NULL;
}
static bool in_list(const Place *p) {
    return p->depth && !innermost(p)->brace;
}
static bool begins_statement(const Place *p) {
    if (p->last < 0) return true;
    return p->depth && innermost(p)->brace && innermost(p)->word == p->last;
}

/* True if the author wrote the operator close to both its sides, as in 2*N and 3/4. Only plain
 * names and numbers may stand so. */
static bool is_close(const Format *f, int i) {
    if (i == 0 || i + 1 >= f->words.count) return false;
    const Word *w = &f->words.items[i];
    const Word *before = w - 1;
    const Word *after = w + 1;
    bool plain = before->kind <= WORD_NUMBER && after->kind <= WORD_NUMBER &&
                 (i + 2 == f->words.count || after[1].kind != WORD_OPEN);
    return plain && before->offset + before->length == w->offset &&
           w->offset + w->length == after->offset;
}

/* True for a word that stands ahead of a value, such as `if` and `not`. */
static bool is_prefix(const Word *w) {
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!reserved[i].is_value && is_written_as(w, reserved[i].text)) return true;
    return false;
}

/* Returns the scanner's name of a word that begins statements, or NULL. */
static const char *token_of_first(const Word *w) {
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        if (is_written_as(w, firsts[i].text)) return firsts[i].token;
    return NULL;
}

/* True if a word stands behind a value, as words such as `rate` and `on` do where they mean
 * something. */
static bool follows_value(const Format *f, const Place *p, int i) {
    int before = i - 1;
    while (before >= 0 && f->words.items[before].kind == WORD_COMMENT)
        before--;
    if (before < 0 || before == p->statement) return false;
    const Word *w = &f->words.items[before];
    return w->kind == WORD_CLOSE || (w->kind <= WORD_STRING && !is_prefix(w));
}

/* True for a word such as `rate` in a statement that has it. Elsewhere it is a name. */
static bool is_soft(const Format *f, const Place *p, int i) {
    if (in_list(p) || !follows_value(f, p, i)) return false;
    for (size_t k = 0; k < sizeof softs / sizeof *softs; k++) {
        if (!is_written_as(&f->words.items[i], softs[k].text)) continue;
        const Bracket *block = innermost(p);
        const int owner = !softs[k].is_inside ? p->statement : block ? block->statement : -1;
        const char *token = owner < 0 ? NULL : token_of_first(&f->words.items[owner]);
        if (strcmp(softs[k].after, "0") == 0 || (token && strcmp(token, softs[k].after) == 0))
            return true;
    }
    return false;
}

/* True if a word is a word of the language at its place. */
static bool is_keyword(const Format *f, const Place *p, int i) {
    const Word *w = &f->words.items[i];
    return is_prefix(w) || (i == p->statement && token_of_first(w)) ||
           (i != p->statement && is_soft(f, p, i));
}

/* True for a minus with nothing to its left to subtract from. */
static bool is_unary(const Format *f, const Place *p, int i) {
    if (!is_written_as(&f->words.items[i], "-")) return false;
    if (p->last < 0 || p->closed_reducer) return true;
    const Word *last = &f->words.items[p->last];
    return last->kind == WORD_OPEN || last->kind == WORD_OPERATOR || is_keyword(f, p, p->last);
}

/* Returns the number of spaces in front of an open bracket. */
static int space_before_open(const Format *f, const Place *p, const Word *last, const Word *w) {
    if (is_written_as(w, "{") || p->closed_reducer || last->kind == WORD_OPERATOR) return 1;
    /* In `scan t < rounds (h = h0)`, `rounds (` is no call. */
    bool carries = is_written_as(&f->words.items[p->statement], "scan") && !in_list(p);
    if (carries && w->offset > last->offset + last->length) return 1;
    return last->kind == WORD_NAME && is_keyword(f, p, p->last);
}

/* True if a `:` begins a claim, as in `labels : int[N]` and `let u : [N, D]`. False behind a name,
 * as in `trunk: nn.convnet()` and `loss near: E`. */
static bool is_claim(const Format *f, const Place *p) {
    if (is_written_as(&f->words.items[p->statement], "loss")) return false;
    return !p->has_value ||
           (!in_list(p) && p->last > 0 && is_written_as(&f->words.items[p->last - 1], ","));
}

/* Returns the number of spaces between the last word and word i, when they stand on one line. */
static int spaces_before(const Format *f, const Place *p, int i) {
    const Word *w = &f->words.items[i];
    const Word *last = p->last < 0 ? NULL : &f->words.items[p->last];
    if (!last) return 0;
    if (w->kind == WORD_COMMENT) return 2;
    if (is_written_as(last, "{") || is_written_as(w, "}")) return 1;
    if (last->kind == WORD_OPEN || w->kind == WORD_CLOSE || is_written_as(w, ",") ||
        is_written_as(w, ";") || last->unary)
        return 0;
    if (is_written_as(w, ".") || is_written_as(last, ".") || is_written_as(w, "^") ||
        is_written_as(last, "^"))
        return 0;
    if (is_written_as(w, "*") || is_written_as(w, "/")) return !is_close(f, i);
    if ((is_written_as(last, "*") || is_written_as(last, "/")) && is_close(f, p->last)) return 0;
    if (is_written_as(w, ":")) return is_claim(f, p);
    if (w->kind == WORD_OPEN) return space_before_open(f, p, last, w);
    return 1;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* True if word i, as the first of its line, continues the statement of the line before. */
static bool continues(const Format *f, const Place *p, int i) {
    const Word *w = &f->words.items[i];
    if (p->last < 0) return false;
    if (in_list(p)) return w->kind != WORD_CLOSE;
    const Word *last = &f->words.items[p->last];
    if (is_written_as(w, ">>") ||
        ((is_written_as(w, "then") || is_written_as(w, "else")) && !is_written_as(last, "}")))
        return true;
    static const char *const lists[] = {"let", "report", "update", NULL};
    if (is_written_as(last, ",") && p->depth && innermost(p)->settings &&
        !is_one_of(&f->words.items[p->statement], lists))
        return false;
    if (is_written_as(last, ";")) return false;
    return p->closed_reducer || last->kind == WORD_OPERATOR ||
           (is_keyword(f, p, p->last) && !begins_statement(p));
}

/* Returns the word under which the author lined up the first word of a line, or -1. */
static int find_anchor(const Format *f, Place *p, int i, bool continued) {
    const Word *w = &f->words.items[i];
    const Word *above = i ? &f->words.items[i - 1] : NULL;
    if (w->kind == WORD_COMMENT && above && above->kind == WORD_COMMENT &&
        above->column == w->column && (!above->first || above->anchor >= 0))
        return i - 1;
    if (!continued) return -1;
    int under = in_list(p) ? innermost(p)->word + 1 : p->statement + 1;
    bool fits =
        under < i && !f->words.items[under].first && f->words.items[under].column == w->column;
    if (in_list(p)) {
        Bracket *b = &p->open[p->depth - 1];
        if (!b->has_lines) b->hangs = fits;
        b->has_lines = true;
        fits = b->hangs && under < i;
    }
    return fits ? under : -1;
}

static void open_word_bracket(const Format *f, Place *p, int i) {
    assert(p->depth < MOST_NESTED_BRACKETS + MOST_NESTED_TERMS);
    static const char *const with_settings[] = {"train", "stage", "eval", "queue", "data", NULL};
    const Word *w = &f->words.items[i];
    const Word *last = p->last < 0 ? NULL : &f->words.items[p->last];
    Bracket b = {.word = i, .statement = p->statement, .brace = is_written_as(w, "{")};
    b.reducer =
        is_written_as(w, "[") && last && is_one_of(last, reducers) && !is_written_as(last, "count");
    b.settings = b.brace && is_one_of(&f->words.items[p->statement], with_settings);
    p->open[p->depth++] = b;
    p->braces += b.brace;
    p->has_value |= b.brace;
}

/* Notes what a word means for the words behind it. */
static void note_word(const Format *f, Place *p, int i) {
    const Word *w = &f->words.items[i];
    bool was_reducer = false;
    if (w->kind == WORD_OPEN) open_word_bracket(f, p, i);
    if (w->kind == WORD_CLOSE && p->depth) {
        was_reducer = innermost(p)->reducer;
        p->braces -= innermost(p)->brace;
        p->depth--;
    }
    if (!in_list(p) && (is_written_as(w, "=") || is_written_as(w, "<-"))) {
        p->has_value = true;
    }
    p->closed_reducer = was_reducer;
    p->last = i;
}

static void begin_statement(Place *p, int i) {
    p->statement = i;
    p->has_value = false;
}

/* Finds the indent or the anchor of each line, and the spaces in front of each word. */
static void place_words(Format *f) {
    Place p = {.last = -1};
    for (int i = 0; i < f->words.count; i++) {
        Word *w = &f->words.items[i];
        bool continued = continues(f, &p, i);
        if (w->first) {
            w->indent = 2 * (p.braces - is_written_as(w, "}")) + (continued ? 4 : 0);
            w->anchor = find_anchor(f, &p, i, continued);
            w->blank &= !continued;
        }
        bool separated = p.last >= 0 && is_written_as(&f->words.items[p.last], ";");
        bool begins = w->kind != WORD_COMMENT && !is_written_as(w, "}") && !continued &&
                      (begins_statement(&p) || separated || (w->first && !in_list(&p)));
        if (begins) begin_statement(&p, i);
        w->spaces = spaces_before(f, &p, i);
        w->unary = is_unary(f, &p, i);
        if (w->kind != WORD_COMMENT) note_word(f, &p, i);
    }
}

/* ---- columns --------------------------------------------------------------------------------- */

/* True if a word stands further right than it needs to. */
static bool is_padded(const Word *w) {
    const Word *before = w - 1;
    return !w->first && w->spaces > 0 && w->offset >= 0 && before->offset >= 0 &&
           w->offset - (before->offset + before->length) > w->spaces;
}

/* True if two words may be lined up: two values, two comments, or the same sign. */
static bool same_class(const Word *a, const Word *b) {
    bool value[2] = {a->kind <= WORD_STRING, b->kind <= WORD_STRING};
    if (value[0] || value[1]) return value[0] && value[1];
    return a->kind == b->kind &&
           (a->kind == WORD_COMMENT || is_written_as(a, "=") || is_written_as(a, "<-") ||
            is_written_as(a, "|") || is_written_as(a, ">>") || is_written_as(a, ":")) &&
           (a->kind == WORD_COMMENT ||
            (a->length == b->length && memcmp(a->text, b->text, (size_t)a->length) == 0));
}

/* Joins words of one kind that stand exactly under each other on neighbouring lines, if at least
 * one stands further right than it needs to. */
static void find_columns(Format *f) {
    Word *words = f->words.items;
    for (int i = 0; i < f->words.count; i++) {
        if (words[i].first) continue;
        for (int k = i + 1; k < f->words.count && words[k].line <= words[i].line + 1; k++) {
            bool under = words[k].line == words[i].line + 1 && words[k].column == words[i].column &&
                         !words[k].first;
            if (!under || !same_class(&words[i], &words[k]) ||
                !(is_padded(&words[i]) || is_padded(&words[k])))
                continue;
            int partner = words[i].partner;
            words[i].partner = words[k].partner;
            words[k].partner = partner;
        }
    }
}

/* Returns the leftmost column that a word may have on its line. */
static int least_column(const Word *w) {
    if (!w->first) return w[-1].at + w[-1].length + w->spaces;
    return w->indent;
}

/* Gives every word the leftmost column that its line and the words lined up with it allow. Words
 * begin at column 0 and only move right, so this ends. */
static void settle_words(Format *f) {
    Word *words = f->words.items;
    bool moved = true;
    for (int round = 0; moved && round < 64; round++) {
        moved = false;
        for (int i = 0; i < f->words.count; i++) {
            int at = words[i].anchor >= 0 ? words[words[i].anchor].at : least_column(&words[i]);
            for (int k = words[i].partner; k != i; k = words[k].partner)
                if (least_column(&words[k]) > at) at = least_column(&words[k]);
            moved |= at != words[i].at;
            words[i].at = at;
        }
    }
}

/* Returns the text of the words at their columns. */
static const char *written(Format *f) {
    Text text = {0};
    int column = 0;
    for (int i = 0; i < f->words.count; i++) {
        const Word *w = &f->words.items[i];
        if (w->first) {
            if (i) text_append(&text, "\n", 1);
            if (w->blank && !is_written_as(&w[-1], "{") && !is_written_as(w, "}"))
                text_append(&text, "\n", 1);
            column = 0;
        }
        for (; column < w->at; column++)
            text_append(&text, " ", 1);
        text_append(&text, w->text, (size_t)w->length);
        column += w->length;
    }
    if (f->words.count) text_append(&text, "\n", 1);
    const char *result = arena_strndup(f->arena, text.data ? text.data : "", text.length);
    text_free(&text);
    return result;
}

/* Returns the text after one round. Without a module no parentheses are put in. */
static const char *format_once(Arena *arena, const Source *source, const Module *module) {
    Format *f = arena_new_of(arena, Format);
    f->arena = arena;
    f->source = source;
    for (int i = 0; module && i < module->stmt_count; i++)
        ast_walk_stmt(module->stmts[i], find_swallowing, f);
    split_words(f);
    place_words(f);
    find_columns(f);
    settle_words(f);
    return written(f);
}

/* Returns the text of a module in its new layout, with its comments, in the arena. The module was
 * parsed without errors. */
static const char *format_module(Arena *arena, const Module *module) {
    const char *text = format_once(arena, module->source, module);
    /* A round may by chance move words into one column, and the next round lines them up. Rounds go
     * on until nothing moves. */
    for (int round = 0; round < 16; round++) {
        const Source source = {module->source->path, text, strlen(text)};
        const char *again = format_once(arena, &source, NULL);
        if (strcmp(again, text) == 0) break;
        text = again;
    }
    return text;
}

const char *format_source(Arena *arena, Diag *diag, const Source *source) {
    const Module *module = parse_module(arena, diag, source, "spec");
    if (diag_error_count(diag)) return NULL;
    const char *text = format_module(arena, module);
    const Source again = {source->path, text, strlen(text)};
    const Module *formatted = parse_module(arena, diag, &again, "spec");
    if (diag_error_count(diag) == 0 && ast_same_module(module, formatted)) return text;
    const Span nowhere = {.source = NULL};
    diag_report(diag, CODE_INTERNAL, nowhere,
                "a fault of the formatter: `%s` would come out with another meaning; it stays as "
                "it is",
                source->path);
    return NULL;
}
