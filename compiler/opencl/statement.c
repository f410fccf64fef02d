/* Writes statements of OpenCL C, and the short texts that stand for values in them. */
#include "compiler/opencl/write.h"

#include <math.h>
#include <string.h>

static void indent(Frame *f) {
    for (int i = 0; i < f->depth; i++)
        text_append(&f->text, "    ", 4);
}

static Value format_text(Arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

void write_line(Frame *f, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Value text = format_text(f->arena, format, args);
    va_end(args);
    indent(f);
    text_printf(&f->text, "%s\n", text);
}

Value write_const(Frame *f, const char *type, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Value text = format_text(f->arena, format, args);
    va_end(args);
    Value name = arena_printf(f->arena, "v%d", f->variables++);
    write_line(f, "const %s %s = %s;", type, name, text);
    return name;
}

static void forget_values(Frame *f) {
    if (f->known.count) {
        memset(f->known.keys, 0, sizeof *f->known.keys * (size_t)f->known.capacity);
    }
    f->known.count = 0;
}

void write_open(Frame *f, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Value text = format_text(f->arena, format, args);
    va_end(args);
    write_line(f, "%s {", text);
    f->depth++;
    forget_values(f);
}

void write_close(Frame *f) {
    f->depth--;
    write_line(f, "}");
    forget_values(f);
}

void write_fault(Frame *f, Value condition, CoupletFaultKind kind) {
    f->raises = true;
    write_line(f, "if (%s) atomic_min(fault, number * 8 + %d);", condition, (int)kind);
}

Value mask_and(Frame *f, Value a, Value b) {
    if (!a || !b) return a ? a : b;
    return arena_printf(f->arena, "(%s && %s)", a, b);
}

Value mask_not(Frame *f, Value a) {
    return arena_printf(f->arena, "!%s", a);
}

Value frame_real_text(Frame *f, double value) {
    float real = (float)value;
    if (isnan(real)) return "NAN";
    if (isinf(real)) return real > 0 ? "INFINITY" : "(-INFINITY)";
    char *text = arena_printf(f->arena, real < 0 || signbit(real) ? "(%.9g" : "%.9g", (double)real);
    bool whole = strpbrk(text, ".e") == NULL;
    return arena_printf(f->arena, "%s%sf%s", text, whole ? ".0" : "", text[0] == '(' ? ")" : "");
}

const char *opencl_value_type(GType type) {
    return type == GT_REAL || type == GT_U8 ? "float" : type == GT_INT ? "long" : "int";
}
const char *opencl_element_type(GType type) {
    return type == GT_REAL ? "float" : type == GT_INT ? "int" : "uchar";
}

int frame_operand_of(const Frame *f, const GNode *tensor) {
    for (int i = 0; i < f->kernel->operand_count; i++)
        if (f->kernel->operands[i] == tensor) return i;
    return -1;
}

Value frame_output_name(Frame *f, int operand) {
    const Kernel *k = f->kernel;
    return k->output_count == 1
               ? "y"
               : arena_printf(f->arena, "y%d", operand - (k->operand_count - k->output_count));
}

Value write_first_piece(Frame *f, int64_t each) {
    const char *groups = "(int)get_global_offset(0) + (int)get_group_id(0)";
    return each == 1 ? groups : arena_printf(f->arena, "%s * %lld", groups, (long long)each);
}

void write_unravel(Frame *f, Value at, int first, int count, const int64_t *extents) {
    for (int i = first + count - 1; i >= first; i--) {
        bool outermost = true;
        for (int k = first; k < i; k++)
            outermost &= extents[k] == 1;
        if (extents[i] == 1)
            f->indices[i] = "0";
        else if (outermost)
            f->indices[i] = at;
        else {
            f->indices[i] = write_const(f, "int", "%s %% %lld", at, (long long)extents[i]);
            at = write_const(f, "int", "%s / %lld", at, (long long)extents[i]);
        }
    }
}

void write_store(Frame *f, Value at, Value value) {
    const GNode *n = f->node;
    const bool is_best = n->reducer == GR_MAX || n->reducer == GR_MIN;
    if (n->type == GT_INT && (is_best || n->reducer == GR_NONE || n->reducer == GR_SUM) &&
        !gx_entries_fit(f->kernel->graph, n)) {
        /* An entry has 32 bits in memory, and arithmetic has 64. */
        value = write_const(f, "long", "%s", value);
        Value cut = arena_printf(f->arena, "%s != (int)%s", value, value);
        /* The entry of an extremum without terms is not read. */
        if (is_best)
            cut = arena_printf(f->arena, "%s && %s != %s", cut, value,
                               n->reducer == GR_MIN ? "LONG_MAX" : "LONG_MIN");
        write_fault(f, cut, COUPLET_FAULT_WHOLE);
    }
    write_line(f, "y[%s] = %s;", at, value);
}
