/* Tests whether a hyper is in its range, when a run starts. The condition is compiled to postfix
 * text (lower/hyper_range.c), because a built program has no parser. It is evaluated on a stack. */
#include "runtime/range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const couplet_range_words[COUPLET_RANGE_WORDS] = {
#define RANGE_WORD(name, text, operands) text,
#include "runtime/range.def"
#undef RANGE_WORD
};

static const int operands[COUPLET_RANGE_WORDS] = {
#define RANGE_WORD(name, text, operands) operands,
#include "runtime/range.def"
#undef RANGE_WORD
};

/* Computes a word in the same way as the compiler folds constants. */
static double apply_word(CoupletRangeWord word, const double *operand) {
    const double a = operand[0], b = operand[1];
    switch (word) {
    case COUPLET_RANGE_ADD:
        return a + b;
    case COUPLET_RANGE_SUB:
        return a - b;
    case COUPLET_RANGE_MUL:
        return a * b;
    case COUPLET_RANGE_DIV:
        return a / b;
    case COUPLET_RANGE_FLOORDIV:
        return floor(a / b);
    case COUPLET_RANGE_MOD:
        return a - b * floor(a / b);
    case COUPLET_RANGE_POW:
        return pow(a, b);
    case COUPLET_RANGE_LT:
        return a < b;
    case COUPLET_RANGE_LE:
        return a <= b;
    case COUPLET_RANGE_GT:
        return a > b;
    case COUPLET_RANGE_GE:
        return a >= b;
    case COUPLET_RANGE_EQ:
        return a == b;
    case COUPLET_RANGE_NE:
        return a != b;
    case COUPLET_RANGE_AND:
        return a != 0 && b != 0;
    case COUPLET_RANGE_OR:
        return a != 0 || b != 0;
    case COUPLET_RANGE_MIN:
        return isnan(a) || a < b ? a : b;
    case COUPLET_RANGE_MAX:
        return isnan(a) || a > b ? a : b;
    case COUPLET_RANGE_NEG:
        return -a;
    case COUPLET_RANGE_NOT:
        return a == 0;
    case COUPLET_RANGE_CEIL:
        return ceil(a);
    case COUPLET_RANGE_FLOOR:
        return floor(a);
    case COUPLET_RANGE_SQRT:
        return sqrt(a);
    case COUPLET_RANGE_EXP:
        return exp(a);
    case COUPLET_RANGE_LOG:
        return log(a);
    case COUPLET_RANGE_TANH:
        return tanh(a);
    case COUPLET_RANGE_SIN:
        return sin(a);
    case COUPLET_RANGE_COS:
        return cos(a);
    case COUPLET_RANGE_ABS:
        return fabs(a);
    case COUPLET_RANGE_IF:
        return a != 0 ? b : operand[2];
    case COUPLET_RANGE_WORDS:
        break;
    }
    return NAN;
}

typedef struct Stack {
    double *values; /* has room for each word of the range */
    int count;
} Stack;

static bool equals(const char *word, size_t length, const char *text) {
    return strlen(text) == length && strncmp(word, text, length) == 0;
}

static bool push_hyper(Stack *s, const char *name, size_t length, const CoupletHyper *hypers,
                       int hyper_count) {
    for (int i = 0; i < hyper_count; i++)
        if (equals(name, length, hypers[i].name))
            return s->values[s->count++] = hypers[i].value, true;
    return false;
}

static bool take_word(Stack *s, const char *word, size_t length, const CoupletHyper *hypers,
                      int hyper_count) {
    if (*word == '$') return push_hyper(s, word + 1, length - 1, hypers, hyper_count);
    for (int i = 0; i < COUPLET_RANGE_WORDS; i++) {
        if (!equals(word, length, couplet_range_words[i])) continue;
        if (s->count < operands[i]) return false;
        double operand[3] = {0, 0, 0};
        s->count -= operands[i];
        memcpy(operand, s->values + s->count, sizeof *operand * (size_t)operands[i]);
        s->values[s->count++] = apply_word((CoupletRangeWord)i, operand);
        return true;
    }
    char *end;
    s->values[s->count++] = strtod(word, &end);
    return end == word + length;
}

static bool compute(const char *formula, const CoupletHyper *numbers, int count, double *out) {
    Stack stack = {malloc((strlen(formula) + 1) * sizeof *stack.values), 0};
    bool good = stack.values != NULL;
    for (const char *at = formula; good && *at;) {
        const size_t length = strcspn(at, " ");
        good = length > 0 && take_word(&stack, at, length, numbers, count);
        at += length + (at[length] == ' ');
    }
    good = good && stack.count == 1;
    if (good) *out = stack.values[0];
    free(stack.values);
    return good;
}

bool couplet_range_holds(const char *range, const CoupletHyper *hypers, int hyper_count) {
    double value;
    return compute(range, hypers, hyper_count, &value) && value != 0;
}

double couplet_range_value(const char *formula, const CoupletHyper *numbers, int count) {
    double value;
    return compute(formula, numbers, count, &value) ? value : NAN;
}
