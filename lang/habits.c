/* Guesses what someone meant who wrote Python, C or a formula from a paper. The tables are rows of
 * habits.def, which a newcomer can extend; the functions here find the row that fits.
 *
 * For syntax they look at three tokens around the place that does not fit: the first word of the
 * statement, the token before, and the token found. A guess is only a line of help below the
 * message, so a wrong guess costs little. */
#include "lang/habits.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- names and characters -------------------------------------------------------------------- */

const char *habit_of_truth(const char *text) {
    static const struct {
        const char *word, *meant;
    } rows[] = {
#define TRUTH(word, meant) {word, meant},
#include "lang/habits.def"
#undef TRUTH
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcasecmp(rows[i].word, text) == 0) return rows[i].meant;
    return NULL;
}

const char *habit_of_name(const char *name) {
    static const struct {
        const char *name;
        const char *meant;
    } rows[] = {
#define UNKNOWN(name, meant) {name, meant},
#include "lang/habits.def"
#undef UNKNOWN
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].meant;
    const char *truth = habit_of_truth(name);
    if (!truth) return NULL;
    return *truth == 't' ? "the word is `true`" : "the word is `false`";
}

const char *habit_of_member(const char *name) {
    static const struct {
        const char *name;
        const char *meant;
    } rows[] = {
#define MEMBER(name, meant) {name, meant},
#include "lang/habits.def"
#undef MEMBER
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].meant;
    return habit_of_name(name);
}

const char *habit_of_character(unsigned code) {
    static const struct {
        unsigned code;
        const char *meant;
    } rows[] = {
#define CHARACTER(code, token, meant) {code, meant},
#include "lang/habits.def"
#undef CHARACTER
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code) return rows[i].meant;
    return NULL;
}

/* ---- syntax ---------------------------------------------------------------------------------- */

/* True if the span is this word. An empty word stands for any. */
static bool is_word(Span span, const char *word) {
    const size_t length = strlen(word);
    if (!length) return true;
    return span.source && (size_t)(span.end - span.begin) == length &&
           memcmp(span.source->text + span.begin, word, length) == 0;
}

static char first_character(Span span) {
    return span.source && span.end > span.begin ? span.source->text[span.begin] : 0;
}
static char last_of(Span span) {
    return span.source && span.end > span.begin ? span.source->text[span.end - 1] : 0;
}

/* These are true if a token can end a factor, or begin one. */
static bool ends_factor(Span span) {
    return isalnum((unsigned char)last_of(span)) || last_of(span) == ')' || last_of(span) == ']';
}
static bool begins_factor(Span span) {
    return isalnum((unsigned char)first_character(span)) || first_character(span) == '_';
}

/* Returns the text behind a place, from the first character that is no blank. */
static const char *text_behind(Span span) {
    const char *at = span.source->text + span.end;
    return at + strspn(at, " \t");
}

static bool is_comparison(Span span) {
    static const char *const words[] = {"<", "<=", ">", ">=", "==", "!="};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(span, words[i])) return true;
    return false;
}

static bool is_function(Span span) {
    static const char *const words[] = {"exp",     "log",      "log1p", "expm1",    "sqrt", "tanh",
                                        "sigmoid", "softplus", "erf",   "sin",      "cos",  "abs",
                                        "norm",    "relu",     "stop",  "normalise"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(span, words[i])) return true;
    return false;
}

static bool is_reserved(Span span) {
    static const char *const words[] = {"if",  "then", "else", "and",  "or",   "not",
                                        "mod", "div",  "stop", "copy", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(span, words[i])) return true;
    return false;
}

/* ---- reductions ------------------------------------------------------------------------------ */

static bool is_letter(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Returns the offset of the innermost bracket that is open at a place of its line, if it is a `[`,
 * or -1. */
static int find_open_bracket(const char *text, int place) {
    int closed = 0;
    for (int at = place - 1; at >= 0 && text[at] != '\n'; at--) {
        if (text[at] == ')' || text[at] == ']') closed++;
        if (text[at] != '(' && text[at] != '[') continue;
        if (closed-- == 0) return text[at] == '[' ? at : -1;
    }
    return -1;
}

/* True if the word that ends at `end` is `word`. */
static bool ends_with_word(const char *text, int end, const char *word) {
    const int begin = end - (int)strlen(word);
    return begin >= 0 && strncmp(text + begin, word, strlen(word)) == 0 &&
           (begin == 0 || !is_letter(text[begin - 1]));
}

/* True if the word that ends at `end` is a reduction. */
static bool is_reducer(const char *text, int end) {
    static const char *const words[] = {
#define REDUCTION(text, ...) #text,
#include "lang/reductions.def"
#undef REDUCTION
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ends_with_word(text, end, words[i])) return true;
    return false;
}

/* True if the token that does not fit stands among the indices of a reduction, ahead of its guard,
 * as in `sum[i = 1..N]` and `sum[i <= N]`. */
static bool in_binders(const Misfit *m) {
    if (m->at_end || !m->found.source) return false;
    if (is_letter(first_character(m->found)) &&
        !isdigit((unsigned char)first_character(m->found)) && !is_word(m->found, "in"))
        return false;
    const char *text = m->found.source->text;
    const int bracket = find_open_bracket(text, m->found.begin);
    return bracket > 0 && is_reducer(text, bracket) &&
           !memchr(text + bracket, '|', (size_t)(m->found.begin - bracket));
}

static bool is_operator(Span span) {
    return first_character(span) && strchr("+-*/^", first_character(span));
}

/* True for the `]` of `sum[i]`, behind which its body stands. */
static bool closes_binders(Span span) {
    if (!is_word(span, "]")) return false;
    const int bracket = find_open_bracket(span.source->text, span.begin);
    return bracket > 0 && is_reducer(span.source->text, bracket);
}

/* Returns help for a word that reduces in other languages, as in `std[d] x[i, d]`, or NULL. */
static const char *foreign_reducer(const Misfit *m) {
    static const struct {
        const char *word;
        const char *meant;
    } rows[] = {
#define REDUCER(word, meant) {word, meant},
#include "lang/habits.def"
#undef REDUCER
    };
    if (m->at_end || !is_word(m->before, "]")) return NULL;
    const char *text = m->before.source->text;
    const int bracket = find_open_bracket(text, m->before.begin);
    for (size_t i = 0; bracket > 0 && i < sizeof rows / sizeof *rows; i++)
        if (ends_with_word(text, bracket, rows[i].word)) return rows[i].meant;
    return NULL;
}

/* True if text[from .. to) has the name as a word. */
static bool holds_word(const char *text, int from, int to, const char *name) {
    const int length = (int)strlen(name);
    for (int at = from; at + length <= to; at++)
        if (strncmp(text + at, name, (size_t)length) == 0 && !is_letter(text[at + length]) &&
            (at == 0 || !is_letter(text[at - 1])))
            return true;
    return false;
}

bool habit_is_behind_reduction(Span place, const char *name) {
    const char *text = place.source->text;
    for (int at = place.begin - 1; at > 0 && text[at] != '\n'; at--) {
        if (text[at] != '[' || !is_reducer(text, at)) continue;
        const int end = at + (int)strcspn(text + at, "]|\n");
        if (end < place.begin && holds_word(text, at, end, name)) return true;
    }
    return false;
}

bool habit_goes_on(Span binder, const char *name) {
    const char *text = binder.source->text;
    const int line = binder.end + (int)strcspn(text + binder.end, "\n");
    int at = binder.end + (int)strcspn(text + binder.end, "]\n") + 1;
    for (int depth = 0; at < line && depth >= 0; at++) {
        if (strchr("([", text[at])) depth++;
        if (strchr(")]", text[at])) depth--;
        if (depth == 0 && strchr("+-", text[at])) return holds_word(text, at, line, name);
    }
    return false;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* True for a loss whose name lacks its colon, as in `loss near losses.nt_xent(..)`. */
static bool lacks_colon(const Misfit *m) {
    return is_word(m->first, "loss") && !m->at_end && begins_factor(m->found) &&
           m->before.begin == m->first.end + 1 && is_letter(last_of(m->before));
}

/* Returns help for a line that begins with a name, `y = x`, `y += 1` or `y * 2`, or NULL. */
static const char *assignment(const Misfit *m) {
    if (!span_same(m->first, m->found) || !isalpha((unsigned char)first_character(m->found)))
        return NULL;
    const char *rest = text_behind(m->found);
    if (rest[0] == '=' && rest[1] != '=') return "a value is named by `let y = ..`, once";
    if (rest[0] && rest[1] == '=' && strchr("+-*/^", rest[0]))
        return "a value is named once, by `let`; what changes from step to step is a `state` with "
               "`update s <- ..`";
    if (rest[0] == '\n' || rest[0] == 0 || strchr("+-*/^([.", rest[0]))
        return "a line that is a value names it, `let y = ..`, or gives it, `return ..`";
    return NULL;
}

/* True behind a point that ends a number, as in `1.`, also if the point ended the line before. */
static bool follows_point(Span span) {
    const char *text = span.source ? span.source->text : NULL;
    int at = span.begin;
    while (text && at > 0 && strchr(" \t\r\n", text[at - 1]))
        at--;
    return text && at > 1 && text[at - 1] == '.' && isdigit((unsigned char)text[at - 2]);
}

/* Returns help for a number that is written in another way, or NULL. */
static const char *number_advice(const Misfit *m) {
    const char *point = "a number has digits on both sides of its point: `0.5`, `1.0`";
    if (first_character(m->found) == '.' && isdigit((unsigned char)text_behind(m->found)[0]))
        return point;
    if (first_character(m->before) == '.' && m->before.begin > 0 &&
        isdigit((unsigned char)m->before.source->text[m->before.begin - 1]))
        return point;
    if (follows_point(m->before)) return point;
    if (first_character(m->found) == '_' && m->found.begin > 0 &&
        isdigit((unsigned char)m->found.source->text[m->found.begin - 1]))
        return "the digits of a number stand together: `1000`";
    return NULL;
}

/* Returns the help of the first row SYNTAX that fits, or NULL. */
static const char *of_table(const Misfit *m) {
    static const struct {
        const char *first;
        const char *before;
        const char *found;
        const char *meant;
    } rows[] = {
#define SYNTAX(first, before, found, meant) {first, before, found, meant},
#include "lang/habits.def"
#undef SYNTAX
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (m->at_end && *rows[i].found) continue;
        if (is_word(m->first, rows[i].first) && is_word(m->before, rows[i].before) &&
            is_word(m->found, rows[i].found))
            return rows[i].meant;
    }
    return NULL;
}

/* True for a comment of C, `//` or `/`*, at the start of a line. */
static bool is_comment(const Misfit *m) {
    if (first_character(m->found) != '/') return false;
    const char next = m->found.source->text[m->found.end];
    return span_same(m->first, m->found) && (next == '/' || next == '*');
}

static bool is_statement(Span span) {
    static const char *const words[] = {"let",  "return", "fn",   "net",   "use",   "hyper",
                                        "draw", "update", "view", "loss",  "train", "eval",
                                        "next", "param",  "over", "report"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(span, words[i])) return true;
    return false;
}

/* True if a word is a reduction, also with the index attached as papers set it: `sum_i x` and `sum
 * i x`. */
static bool is_reduction(Span span) {
    static const char *const words[] = {
#define REDUCTION(text, name, takes, gives, slope, least, sign, meaning) #text,
#include "lang/reductions.def"
#undef REDUCTION
    };
    for (size_t i = 0; span.source && i < sizeof words / sizeof *words; i++) {
        const size_t length = strlen(words[i]);
        const char *at = span.source->text + span.begin;
        if (strncmp(at, words[i], length) != 0) continue;
        if (at[length] == '_' || is_word(span, words[i])) return true;
    }
    return false;
}

/* True if the token found stands right behind the digits of a number, as in `0x10` and `1e`. */
static bool goes_on_with_number(const Misfit *m) {
    return m->before.end == m->found.begin && isdigit((unsigned char)first_character(m->before));
}

/* True if the token before is the name of a function, as in `fn f = 1`. */
static bool follows_name_of_fn(const Misfit *m) {
    return is_word(m->first, "fn") &&
           text_behind(m->first) == m->before.source->text + m->before.begin;
}

static bool begins_line(Span span) {
    int at = span.begin;
    while (at > 0 && strchr(" \t", span.source->text[at - 1]))
        at--;
    return at == 0 || span.source->text[at - 1] == '\n';
}

const char *habit_of_syntax(const Misfit *m) {
    const char *
        range =
           "a range `a .. b` stands in `part = ..` of a data source; indices below N are `i < N`",
       *slice = "a slice is a definition with a shorter index: `let h[i, d < 3] = x[i, d]`", *meant;
    if (is_comment(m)) return "a comment begins with `#`";
    if (in_binders(m))
        return "an index runs from 0 over its axis, `sum[i] ..`, or below an end, `sum[i < 3] ..`; "
               "a condition stands behind a bar, `sum[i | i > 0] ..`";
    if (m->in_index && (is_word(m->found, ":") || is_word(m->found, ".."))) return slice;
    if (is_word(m->found, "..")) return range;
    if ((meant = number_advice(m))) return meant;
    if (m->in_train && (is_word(m->found, ":") || is_word(m->found, "=")))
        return "a setting is a name and its value: `epochs 1, batch 256`";
    if (m->in_train && ends_factor(m->before) && begins_factor(m->found))
        return "settings are separated by commas or lines: `epochs 1, batch 256`";
    if ((meant = of_table(m))) return meant;
    if (m->wants_brace && !m->at_end && begins_factor(m->found))
        return "what belongs to a statement stands in braces: `{ .. }`";
    if (m->compared && is_comparison(m->found))
        return "comparisons do not chain: `0 < x and x < 1`";
    if (!m->at_end && follows_name_of_fn(m))
        return "a function has its arguments in parentheses: `fn f(x[N, D]) = ..`; a number is "
               "`let c = 1`, or a `hyper`";
    if (!m->at_end && is_word(m->found, "=")) return "`=` names, `==` compares";
    if (!m->at_end && is_word(m->found, "|") && !ends_factor(m->before))
        return "`abs(x)` is |x|, and `norm(x)` the length of a vector; a bar begins a guard";
    if (m->wants_else && (m->at_end || is_word(m->found, ")") || is_word(m->found, "]")))
        return "`if` is an expression and needs both arms: `if c then a else b`";
    if (!m->at_end && is_word(m->found, "if"))
        return closes_binders(m->before) || is_operator(m->before)
                   ? "a choice inside a formula stands in parentheses: `sum[i] (if c then a else "
                     "b)`"
                   : "a choice is `if c then a else b`, with the condition ahead";
    if (lacks_colon(m)) return "the name of a loss has a colon: `loss near: ..`";
    if ((meant = foreign_reducer(m))) return meant;
    if (is_word(m->found, "{") && m->wants_else)
        return "`if` is an expression: `if c then a else b`";
    if (m->at_end && m->found.source && m->found.source->text[m->found.begin] == '\n') {
        const char *next = m->found.source->text + m->found.begin;
        if (next[strspn(next, " \t\r\n")] == '{') return "a `{` opens its block on the same line";
    }
    if (!m->at_end && is_statement(m->found) && !span_same(m->first, m->found))
        return "a statement begins on a line of its own, or behind a `;`";
    if (!m->at_end && is_statement(m->before) && !span_same(m->first, m->before) &&
        !begins_line(m->before))
        return "a statement begins on a line of its own, or behind a `;`";
    if (!m->at_end && is_statement(m->before) && !span_same(m->first, m->before))
        return "the line before ends with an operator or a comma, so it goes on here";
    if (!m->at_end && is_reduction(m->before))
        return "a reduction has its index in brackets: `sum[i] x[i]`";
    if (!m->at_end && m->wants_name && is_reserved(m->found))
        return "this is a word of the language, and no name";
    if (!m->at_end && span_same(m->first, m->found) && first_character(m->found) &&
        strchr("+-*/^<>=,.|~", first_character(m->found)))
        return "a statement ends with its line: one that goes on has the operator at the end of "
               "the line, or stands in parentheses";
    if ((meant = assignment(m))) return meant;
    if (!m->at_end && is_function(m->before) && begins_factor(m->found))
        return "what a function is applied to stands in parentheses: `log(sum[j] x[j])`";
    if (m->at_end || !ends_factor(m->before) || !begins_factor(m->found)) return NULL;
    if (goes_on_with_number(m)) return "numbers are decimal: `16`, `0.5`, `1e-3`";
    if (is_word(m->first, "use")) return "modules are separated by commas: `use nn, losses`";
    if (is_word(m->first, "hyper"))
        return "a hyper has its value behind `=`: `hyper tau = 0.5 | tau > 0`";
    const char *behind = m->found.source->text + m->found.end;
    if (m->in_binders && (*behind == '[' || *behind == '('))
        return "a reduction has its index in brackets, and its body behind them: `sum[i] x[i]`";
    if (m->in_index)
        return "what stands in brackets is separated by commas, `x[i, d]`, and a `|` begins the "
               "guard of a reduction";
    if (!is_reserved(m->before)) return "a product is written with `*`: `2 * tau * x`";
    return NULL;
}
