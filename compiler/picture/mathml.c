/* Sets LaTeX as MathML. A list of atoms is read up to what ends it. An atom may have a subscript
 * and a superscript, which stand below and above it if it is a sum, a maximum or alike. */
#include "compiler/picture/mathml.h"

#include <ctype.h>
#include <string.h>

typedef struct Math {
    const char *at;
    Text *out;
    bool wrong; /* true if the text has something that tex.c does not print */
} Math;

/* The signs at which a list of atoms ends. */
typedef enum {
    ENDS_AT_BRACE,
    ENDS_AT_RIGHT,
    ENDS_AT_CELL,
    ENDS_AT_TEXT_END,
} End;

static void put_list(Math *m, End end);

/* ---- signs ----------------------------------------------------------------------------------- */

typedef enum {
    SIGN_LETTER,   /* a letter of mathematics */
    SIGN_OPERATOR, /* an operator or a relation */
    SIGN_WORD,     /* a function's name, with a thin space behind it unless a parenthesis follows */
    SIGN_LIMITS,   /* an operator or a word whose scripts stand above and below it */
    SIGN_SPACE     /* a space, in em */
} SignKind;

typedef struct Sign {
    const char *name; /* the word behind the backslash */
    SignKind kind;
    const char *text;
} Sign;

static const Sign signs[] = {
    {"alpha", SIGN_LETTER, "α"},   {"beta", SIGN_LETTER, "β"},     {"gamma", SIGN_LETTER, "γ"},
    {"delta", SIGN_LETTER, "δ"},   {"epsilon", SIGN_LETTER, "ϵ"},  {"zeta", SIGN_LETTER, "ζ"},
    {"eta", SIGN_LETTER, "η"},     {"theta", SIGN_LETTER, "θ"},    {"kappa", SIGN_LETTER, "κ"},
    {"lambda", SIGN_LETTER, "λ"},  {"mu", SIGN_LETTER, "μ"},       {"nu", SIGN_LETTER, "ν"},
    {"xi", SIGN_LETTER, "ξ"},      {"pi", SIGN_LETTER, "π"},       {"rho", SIGN_LETTER, "ρ"},
    {"sigma", SIGN_LETTER, "σ"},   {"tau", SIGN_LETTER, "τ"},      {"phi", SIGN_LETTER, "ϕ"},
    {"chi", SIGN_LETTER, "χ"},     {"psi", SIGN_LETTER, "ψ"},      {"omega", SIGN_LETTER, "ω"},
    {"top", SIGN_LETTER, "⊤"},     {"ldots", SIGN_LETTER, "…"},    {"cdot", SIGN_OPERATOR, "⋅"},
    {"le", SIGN_OPERATOR, "≤"},    {"ge", SIGN_OPERATOR, "≥"},     {"ne", SIGN_OPERATOR, "≠"},
    {"land", SIGN_OPERATOR, "∧"},  {"lor", SIGN_OPERATOR, "∨"},    {"lnot", SIGN_OPERATOR, "¬"},
    {"times", SIGN_OPERATOR, "×"}, {"in", SIGN_OPERATOR, "∈"},     {"gets", SIGN_OPERATOR, "←"},
    {"sim", SIGN_OPERATOR, "∼"},   {"{", SIGN_OPERATOR, "{"},      {"}", SIGN_OPERATOR, "}"},
    {"_", SIGN_LETTER, "_"},       {"exp", SIGN_WORD, "exp"},      {"log", SIGN_WORD, "log"},
    {"tanh", SIGN_WORD, "tanh"},   {"sin", SIGN_WORD, "sin"},      {"cos", SIGN_WORD, "cos"},
    {"min", SIGN_LIMITS, "min"},   {"max", SIGN_LIMITS, "max"},    {"sum", SIGN_LIMITS, "∑"},
    {"bigvee", SIGN_LIMITS, "⋁"},  {"bigwedge", SIGN_LIMITS, "⋀"}, {",", SIGN_SPACE, "0.17"},
    {"quad", SIGN_SPACE, "1"},     {"qquad", SIGN_SPACE, "2"},
};

static const char *const delimiters[][2] = {
    {"(", "("},       {")", ")"},        {"|", "|"},        {"\\{", "{"},      {"\\}", "}"},
    {"\\lVert", "‖"}, {"\\rVert", "‖"},  {"\\lfloor", "⌊"}, {"\\rfloor", "⌋"}, {"\\lceil", "⌈"},
    {"\\rceil", "⌉"}, {"\\langle", "⟨"}, {"\\rangle", "⟩"},
};

/* ---- reading --------------------------------------------------------------------------------- */

static void skip_blanks(Math *m) {
    while (isspace((unsigned char)*m->at))
        m->at++;
}

/* Returns the length of the command at `at`, without its backslash: letters, or one other
 * character. */
static size_t command_length(const char *at) {
    size_t length = 0;
    while (isalpha((unsigned char)at[1 + length]))
        length++;
    return length ? length : at[1] != 0;
}

static bool command_is(const char *at, const char *name) {
    return *at == '\\' && command_length(at) == strlen(name) &&
           strncmp(at + 1, name, strlen(name)) == 0;
}

static bool accept(Math *m, const char *text) {
    if (strncmp(m->at, text, strlen(text)) != 0) return false;
    m->at += strlen(text);
    return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_character(Math *m, char c) {
    if (c == '<')
        text_printf(m->out, "&lt;");
    else if (c == '>')
        text_printf(m->out, "&gt;");
    else if (c == '&')
        text_printf(m->out, "&amp;");
    else
        text_append(m->out, &c, 1);
}

/* Sets the inside of the braces of `\mathit{is\_known}` and alike as plain text. */
static void put_braced(Math *m, const char *blank) {
    skip_blanks(m);
    m->wrong |= !accept(m, "{");
    while (*m->at && *m->at != '}') {
        if (*m->at == '\\' && m->at[1] == ',')
            m->at += 2, text_printf(m->out, "&#8201;");
        else if (*m->at == '\\' && m->at[1] == '_')
            m->at += 2, text_printf(m->out, "_");
        else if (*m->at == '\\')
            m->wrong = true, m->at++;
        else if (isspace((unsigned char)*m->at))
            m->at++, text_printf(m->out, "%s", blank);
        else
            put_character(m, *m->at++);
    }
    m->wrong |= !accept(m, "}");
}

/* Sets an argument of a fraction or a script: a list in braces. */
static void put_argument(Math *m) {
    skip_blanks(m);
    m->wrong |= !accept(m, "{");
    text_printf(m->out, "<mrow>");
    put_list(m, ENDS_AT_BRACE);
    text_printf(m->out, "</mrow>");
    m->wrong |= !accept(m, "}");
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Sets rows of cells up to `\end{NAME}`. */
static void put_table(Math *m, const char *name) {
    /* The formulas in rows of `aligned` are as high as displays. Cases and vectors lie within a
     * line. */
    const bool high = strcmp(name, "aligned") == 0;
    text_printf(m->out, "<mtable class=\"%s\"%s><mtr><mtd>", name,
                high ? " displaystyle=\"true\"" : "");
    for (;;) {
        put_list(m, ENDS_AT_CELL);
        if (m->wrong || !*m->at) break;
        if (accept(m, "&"))
            text_printf(m->out, "</mtd><mtd>");
        else if (accept(m, "\\\\"))
            text_printf(m->out, "</mtd></mtr><mtr><mtd>");
        else
            break;
    }
    text_printf(m->out, "</mtd></mtr></mtable>");
    m->wrong |= !accept(m, "\\end{") || !accept(m, name) || !accept(m, "}");
}

static void put_environment(Math *m) {
    if (accept(m, "{cases}")) {
        text_printf(m->out, "<mrow><mo stretchy=\"true\">{</mo>");
        put_table(m, "cases");
    } else if (accept(m, "{bmatrix}")) {
        text_printf(m->out, "<mrow><mo stretchy=\"true\">[</mo>");
        put_table(m, "bmatrix");
        text_printf(m->out, "<mo stretchy=\"true\">]</mo>");
    } else if (accept(m, "{aligned}")) {
        text_printf(m->out, "<mrow>");
        put_table(m, "aligned");
    } else {
        m->wrong = true;
        return;
    }
    text_printf(m->out, "</mrow>");
}

/* ---- atoms ----------------------------------------------------------------------------------- */

static void put_delimiter(Math *m) {
    skip_blanks(m);
    for (size_t i = 0; i < sizeof delimiters / sizeof *delimiters; i++) {
        const char *name = delimiters[i][0];
        const bool is = name[0] == '\\' ? command_is(m->at, name + 1) : *m->at == *name;
        if (!is) continue;
        m->at += strlen(name);
        text_printf(m->out, "<mo stretchy=\"true\">%s</mo>", delimiters[i][1]);
        return;
    }
    m->wrong = true;
}

/* Sets `\left( .. \right)` with the list between. */
static void put_fenced(Math *m) {
    text_printf(m->out, "<mrow>");
    put_delimiter(m);
    put_list(m, ENDS_AT_RIGHT);
    m->wrong |= !accept(m, "\\right");
    put_delimiter(m);
    text_printf(m->out, "</mrow>");
}

/* Sets the thin space behind a word, which `\log \frac{a}{b}` has and `\log(a)` has not. */
static void put_space_of_word(Math *m) {
    const char *next = m->at;
    while (isspace((unsigned char)*next))
        next++;
    const bool bare = *next && !strchr("(_^)},&", *next) && !command_is(next, "left") &&
                      !command_is(next, "right") && !command_is(next, "\\");
    if (bare) text_printf(m->out, "<mspace width=\"0.17em\"/>");
}

/* Sets a sign. Returns true if its scripts stand above and below it. */
static bool put_sign(Math *m, const Sign *sign) {
    const bool word = isalpha((unsigned char)sign->text[0]);
    switch (sign->kind) {
    case SIGN_LETTER:
        text_printf(m->out, "<mi>%s</mi>", sign->text);
        break;
    case SIGN_OPERATOR:
        text_printf(m->out, "<mo stretchy=\"false\">%s</mo>", sign->text);
        break;
    case SIGN_WORD:
        text_printf(m->out, "<mi>%s</mi>", sign->text);
        break;
    case SIGN_LIMITS:
        text_printf(m->out, word ? "<mi>%s</mi>" : "<mo>%s</mo>", sign->text);
        return true;
    case SIGN_SPACE:
        text_printf(m->out, "<mspace width=\"%sem\"/>", sign->text);
        break;
    }
    return false;
}

static void put_styled(Math *m, const char *open, const char *blank, const char *close) {
    text_printf(m->out, "%s", open);
    put_braced(m, blank);
    text_printf(m->out, "%s", close);
}

static void put_blackboard(Math *m) {
    if (accept(m, "{R}"))
        text_printf(m->out, "<mi>ℝ</mi>");
    else if (accept(m, "{Z}"))
        text_printf(m->out, "<mi>ℤ</mi>");
    else
        m->wrong = true;
}

/* Sets a command with arguments. *limits is set for commands whose scripts stand above and below.
 * Returns false if the command is none of these. */
static bool put_command(Math *m, const char *name, bool *limits) {
    if (strcmp(name, "frac") == 0) {
        text_printf(m->out, "<mfrac>");
        put_argument(m);
        put_argument(m);
        text_printf(m->out, "</mfrac>");
    } else if (strcmp(name, "sqrt") == 0) {
        text_printf(m->out, "<msqrt>");
        put_argument(m);
        text_printf(m->out, "</msqrt>");
    } else if (strcmp(name, "mathit") == 0)
        put_styled(m, "<mi class=\"it\">", " ", "</mi>");
    else if (strcmp(name, "mathrm") == 0)
        put_styled(m, "<mi mathvariant=\"normal\">", " ", "</mi>");
    else if (strcmp(name, "text") == 0)
        put_styled(m, "<mtext>", "&#160;", "</mtext>");
    else if (strcmp(name, "operatorname") == 0) {
        *limits = accept(m, "*");
        put_styled(m, "<mi mathvariant=\"normal\">", " ", "</mi>");
    } else if (strcmp(name, "mathcal") == 0)
        put_styled(m, "<mi class=\"it\">", " ", "</mi>");
    else if (strcmp(name, "mathbb") == 0)
        put_blackboard(m);
    else if (strcmp(name, "bmod") == 0)
        text_printf(m->out, "<mspace width=\"0.22em\"/><mi>mod</mi><mspace width=\"0.22em\"/>");
    else if (strcmp(name, "left") == 0)
        put_fenced(m);
    else if (strcmp(name, "begin") == 0)
        put_environment(m);
    else
        return false;
    return true;
}

/* Sets the command at m->at. *word is true if a space may have to follow it. */
static void put_backslash(Math *m, bool *limits, bool *word) {
    char name[32];
    const size_t length = command_length(m->at);
    if (length == 0 || length >= sizeof name) {
        m->wrong = true;
        m->at++;
        return;
    }
    memcpy(name, m->at + 1, length);
    name[length] = 0;
    m->at += 1 + length;
    if (put_command(m, name, limits)) {
        *word = *limits || strcmp(name, "operatorname") == 0;
        return;
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strcmp(signs[i].name, name) != 0) continue;
        *limits = put_sign(m, &signs[i]);
        *word = *limits || signs[i].kind == SIGN_WORD;
        return;
    }
    m->wrong = true;
}

static void put_number(Math *m) {
    text_printf(m->out, "<mn>");
    while (isdigit((unsigned char)*m->at) || (*m->at == '.' && isdigit((unsigned char)m->at[1])))
        text_append(m->out, m->at++, 1);
    text_printf(m->out, "</mn>");
}

static void put_plain(Math *m) {
    const char c = *m->at;
    if (isdigit((unsigned char)c)) {
        put_number(m);
        return;
    }
    m->at++;
    if (isalpha((unsigned char)c))
        text_printf(m->out, "<mi>%c</mi>", c);
    else if (c == '-')
        text_printf(m->out, "<mo>−</mo>");
    else {
        text_printf(m->out, "<mo stretchy=\"false\">");
        put_character(m, c);
        text_printf(m->out, "</mo>");
    }
}

/* Sets an atom with its scripts. The atom is written apart first, because the element around it
 * depends on its scripts. */
static void put_scripted(Math *m) {
    Text *out = m->out;
    Text atom = {0};
    Text below = {0};
    Text above = {0};
    bool limits = false;
    bool word = false;
    m->out = &atom;
    if (*m->at == '\\')
        put_backslash(m, &limits, &word);
    else if (*m->at == '{')
        put_argument(m);
    else
        put_plain(m);
    for (skip_blanks(m); *m->at == '_' || *m->at == '^'; skip_blanks(m)) {
        m->out = *m->at == '_' ? &below : &above;
        m->wrong |= m->out->length > 0; /* more than one subscript, or one superscript, is wrong */
        m->at++;
        put_argument(m);
    }
    m->out = out;
    const char *name = limits                         ? (below.length && above.length ? "munderover"
                                                         : below.length               ? "munder"
                                                                                      : "mover")
                       : below.length && above.length ? "msubsup"
                       : below.length                 ? "msub"
                                                      : "msup";
    const bool scripted = below.length || above.length;
    if (scripted) text_printf(out, "<%s>", name);
    text_printf(out, "%s%s%s", atom.data ? atom.data : "", below.data ? below.data : "",
                above.data ? above.data : "");
    if (scripted) text_printf(out, "</%s>", name);
    if (word) put_space_of_word(m);
    text_free(&atom);
    text_free(&below);
    text_free(&above);
}

static bool is_end(const Math *m, End end) {
    switch (end) {
    case ENDS_AT_BRACE:
        return *m->at == '}';
    case ENDS_AT_RIGHT:
        return command_is(m->at, "right");
    case ENDS_AT_CELL:
        return *m->at == '&' || command_is(m->at, "\\") || command_is(m->at, "end");
    case ENDS_AT_TEXT_END:
        break;
    }
    return false;
}

static void put_list(Math *m, End end) {
    for (skip_blanks(m); *m->at && !m->wrong && !is_end(m, end); skip_blanks(m))
        put_scripted(m);
}

bool mathml_append(const char *latex, Text *out) {
    Text made = {0};
    Math m = {.at = latex, .out = &made};
    text_printf(&made, "<math display=\"block\">");
    put_list(&m, ENDS_AT_TEXT_END);
    text_printf(&made, "</math>\n");
    const bool good = !m.wrong && !*m.at;
    if (good) text_append(out, made.data, made.length);
    text_free(&made);
    return good;
}
