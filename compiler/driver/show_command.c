/* couplet show: shows samples and their views beside each other, on a sheet. */
#include "compiler/driver/report.h"
#include "compiler/driver/view_run.h"
#include "compiler/sheet/sheet.h"
#include "runtime/data/reader.h"
#include "runtime/executor.h"
#include "runtime/random.h"

#include <stdlib.h>
#include <string.h>

enum { STANDARD_ROWS = 6, SITE = 0x53484f57 /* SITE is "SHOW" in ASCII */ };

typedef struct Show {
    Arena *arena;
    const Options *options;
    DataSets sets;
    int32_t **rows;  /* the drawn rows of each source, as positions among its chosen rows */
    int *row_counts; /* the length of each of these lists */
    ViewRun views;
} Show;

/* ---- which rows ------------------------------------------------------------------------------ */

/* Draws `count` different positions from 0 .. all - 1, in ascending order, by a shuffle that stops
 * early. Returns NULL if memory is out. */
static int32_t *draw_places(uint64_t seed, int64_t all, int count) {
    int32_t *places = malloc((size_t)all * sizeof *places);
    for (int64_t i = 0; places && i < all; i++)
        places[i] = (int32_t)i;
    for (int64_t i = 0; places && i < count; i++) {
        const uint32_t bits =
            couplet_random_bits((uint32_t)seed, (uint32_t)(seed >> 32), 0, SITE, (uint64_t)i, 0);
        const int64_t other = i + (int64_t)(((uint64_t)bits * (uint64_t)(all - i)) >> 32);
        const int32_t kept = places[i];
        places[i] = places[other];
        places[other] = kept;
    }
    return places;
}

/* Returns the number of rows to draw: those of a batch if views are made of batches, and at least
 * those that are shown. */
static int rows_shown(const Show *s, const DataSet *set) {
    const int64_t shown = s->options->rows ? s->options->rows : STANDARD_ROWS;
    const int64_t wanted = set->source.batch > shown ? set->source.batch : shown;
    return (int)(wanted < set->table.count ? wanted : set->table.count);
}

/* Returns the number of rows that stand on the sheet. */
static int shown_rows(const Show *s, int source) {
    const int64_t asked = s->options->rows ? s->options->rows : STANDARD_ROWS;
    return asked < s->row_counts[source] ? (int)asked : s->row_counts[source];
}

static bool load_all(Show *s) {
    s->rows = arena_array(s->arena, int32_t *, s->sets.count + 1);
    s->row_counts = arena_array(s->arena, int, s->sets.count + 1);
    for (int i = 0; i < s->sets.count; i++) {
        DataSet *set = &s->sets.items[i];
        if (!data_set_load(&s->sets, set, s->options, s->options->skip_bad, true)) return false;
        s->row_counts[i] = rows_shown(s, set);
        s->rows[i] = draw_places((uint64_t)s->options->seed, set->table.count, s->row_counts[i]);
        if (!s->rows[i])
            return report(CODE_DATA, "out of memory for the rows of %s", set->table.name);
    }
    return true;
}

/* ---- blocks of the sheet --------------------------------------------------------------------- */

static const char *field_type(Show *s, const CoupletField *field) {
    char text[128];
    couplet_field_text(field, text, sizeof text);
    return arena_strndup(s->arena, text, strlen(text));
}

static const char *cell_of(const CoupletTable *t, int field, int64_t row) {
    return (const char *)t->columns[field] + row * couplet_field_bytes(&t->fields[field]);
}

/* Returns a note on a row: "label cat, weight 0.3". */
static const char *note_of(Show *s, const CoupletTable *t, int64_t row) {
    const char *text = "";
    for (int f = 0; f < t->field_count; f++) {
        const CoupletField *field = &t->fields[f];
        if (field->rank) continue;
        const void *cell = cell_of(t, f, row);
        const char *comma = *text ? ", " : "";
        const int32_t value = field->type == COUPLET_I32 ? *(const int32_t *)cell : 0;
        if (field->type == COUPLET_F32)
            text = arena_printf(s->arena, "%s%s%s %.4g", text, comma, field->name,
                                (double)*(const float *)cell);
        else if (field->class_names && value >= 0 && value < field->classes)
            text = arena_printf(s->arena, "%s%s%s %s", text, comma, field->name,
                                field->class_names[value]);
        else
            text = arena_printf(s->arena, "%s%s%s %d", text, comma, field->name, value);
    }
    return text;
}

static bool has_numbers(const CoupletTable *t) {
    for (int f = 0; f < t->field_count; f++)
        if (t->fields[f].rank == 0) return true;
    return false;
}

static void name_rows(Show *s, const CoupletTable *t, const int32_t *places, SheetBlock *block) {
    block->row_names = arena_array(s->arena, const char *, block->row_count + 1);
    block->row_notes =
        has_numbers(t) ? arena_array(s->arena, const char *, block->row_count + 1) : NULL;
    for (int i = 0; i < block->row_count; i++) {
        const int64_t row = couplet_table_origin(t, places[i]);
        block->row_names[i] = data_row_name(s->arena, t, row);
        if (block->row_notes) block->row_notes[i] = note_of(s, t, row);
    }
}

static void add_block_field(Show *s, int source, int f, SheetBlock *block) {
    const CoupletTable *t = &s->sets.items[source].table;
    const CoupletField *field = &t->fields[f];
    SheetColumn *c = &block->columns[block->column_count++];
    *c = (SheetColumn){.title = field->name,
                       .subtitle = field_type(s, field),
                       .type = field->type,
                       .rank = field->rank,
                       .classes = field->classes,
                       .class_names = field->class_names};
    memcpy(c->shape, field->shape, sizeof c->shape);
    c->cells = arena_array(s->arena, const void *, block->row_count + 1);
    for (int i = 0; i < block->row_count; i++)
        c->cells[i] = cell_of(t, f, couplet_table_origin(t, s->rows[source][i]));
}

/* Gives a view of ints the class names of the first int field that has as many axes. */
static void borrow_names(const CoupletTable *t, SheetColumn *c) {
    for (int f = 0; c->type == COUPLET_I32 && !c->class_names && f < t->field_count; f++) {
        const CoupletField *field = &t->fields[f];
        if (field->type != COUPLET_I32 || field->rank != c->rank || !field->class_names) continue;
        c->class_names = field->class_names;
        c->classes = field->classes;
    }
}

static void add_view(Show *s, int source, const MadeView *v, int64_t copy, SheetBlock *block) {
    SheetColumn *c = &block->columns[block->column_count++];
    CoupletField as_field = {.type = v->type, .rank = v->rank};
    memcpy(as_field.shape, v->shape, sizeof as_field.shape);
    const char *name = v->view->copies
                           ? arena_printf(s->arena, "view %s[%lld]", v->view->name, (long long)copy)
                           : arena_printf(s->arena, "view %s", v->view->name);
    *c = (SheetColumn){.title = name,
                       .subtitle = field_type(s, &as_field),
                       .type = v->type,
                       .rank = v->rank,
                       .is_view = true};
    memcpy(c->shape, v->shape, sizeof c->shape);
    borrow_names(&s->sets.items[source].table, c);
    const int64_t bytes = couplet_field_bytes(&as_field);
    c->cells = arena_array(s->arena, const void *, block->row_count + 1);
    for (int i = 0; i < block->row_count; i++)
        c->cells[i] = v->data + (copy * v->batch + i) * bytes;
}

/* Returns the source beside which a view stands. */
static int home_of(const Show *s, const MadeView *v) {
    return v->view->source >= 0         ? v->view->source
           : s->views.train_source >= 0 ? s->views.train_source
                                        : 0;
}

static int count_columns(const Show *s, int source) {
    int count = s->sets.items[source].table.field_count;
    for (int i = 0; i < s->views.views.count; i++) {
        const MadeView *v = &s->views.views.items[i];
        if (home_of(s, v) == source) {
            count += v->view->copies ? (int)v->view->copies : 1;
        }
    }
    return count;
}

static SheetBlock make_sheet_block(Show *s, int source) {
    const DataSet *set = &s->sets.items[source];
    const CoupletTable *t = &set->table;
    SheetBlock block = {.row_count = shown_rows(s, source)};
    block.title =
        set->name ? arena_printf(s->arena, "%s = %s", set->name, set->written) : set->written;
    block.columns = arena_array(s->arena, SheetColumn, count_columns(s, source) + 1);
    for (int i = 0; i < s->views.views.count; i++) {
        const MadeView *v = &s->views.views.items[i];
        if (home_of(s, v) == source && v->batch < block.row_count) {
            block.row_count = (int)v->batch;
        }
    }
    for (int f = 0; f < t->field_count; f++)
        if (t->fields[f].rank) add_block_field(s, source, f, &block);
    for (int f = 0; block.column_count == 0 && f < t->field_count; f++)
        add_block_field(s, source, f, &block);
    for (int i = 0; i < s->views.views.count; i++) {
        const MadeView *v = &s->views.views.items[i];
        const int64_t copies = v->view->copies ? v->view->copies : 1;
        for (int64_t k = 0; home_of(s, v) == source && k < copies; k++)
            add_view(s, source, v, k, &block);
    }
    name_rows(s, t, s->rows[source], &block);
    return block;
}

/* True if the source is shown. If the spec has views, sources of which no view is made are left
 * out. */
static bool is_shown(const Show *s, int source) {
    for (int i = 0; i < s->views.views.count; i++)
        if (home_of(s, &s->views.views.items[i]) == source) return true;
    return s->views.views.count == 0;
}

static bool draw_sheet(Show *s, const char *path) {
    char error[REPORT_BYTES];
    static const char what[] = "what draws sheets is";
    const int *version =
        couplet_module_find("sheet", "couplet_sheet_version", what, error, sizeof error);
    if (!version) return report_error(CODE_OTHER_PROGRAM, error);
    if (*version != SHEET_VERSION)
        return report(CODE_OTHER_PROGRAM, "libcouplet_sheet.so is a module of another version of "
                                          "Couplet: install both from one version");
    union {
        void *symbol;
        SheetDraw *call;
    } sheet = {couplet_module_find("sheet", "couplet_sheet_draw", what, error, sizeof error)};
    if (!sheet.symbol) return report_error(CODE_OTHER_PROGRAM, error);
    SheetBlock *blocks = arena_array(s->arena, SheetBlock, s->sets.count + 1);
    Sheet made = {.blocks = blocks};
    for (int i = 0; i < s->sets.count; i++)
        if (is_shown(s, i)) blocks[made.block_count++] = make_sheet_block(s, i);
    return sheet.call(&made, path, error, sizeof error) || report_error(CODE_OUTPUT, error);
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool show_rows(Arena *arena, const Options *o) {
    Show s = {.arena = arena, .options = o};
    bool good = data_sets_find(arena, o, &s.sets) && load_all(&s);
    if (good && s.sets.method) {
        good = view_run(&s.sets, o, s.rows, s.row_counts, &s.views);
    }
    good = good && draw_sheet(&s, o->out);
    view_run_free(&s.views);
    for (int i = 0; s.rows && i < s.sets.count; i++)
        free(s.rows[i]);
    data_sets_close(&s.sets);
    return good;
}

static bool check_usage(const Options *o) {
    if (!o->file)
        return report(
            CODE_COMMAND_LINE,
            o->reader ? "the path of the data is needed"
                      : "a file is needed, like examples/simclr.cpl, or --reader NAME and a path");
    if (!o->out) return report(CODE_COMMAND_LINE, "-o needs the name of the sheet: -o sheet.png");
    if (text_ends_with(o->out, ".png") || text_ends_with(o->out, ".svg") ||
        text_ends_with(o->out, ".pdf"))
        return true;
    return report(CODE_COMMAND_LINE, "a sheet is .png, .svg or .pdf, and `%s` was asked for",
                  o->out);
}

int show_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "show",
                     "reader set data out rows seed step skip-bad threads no-fuse [file] [texts]",
                     argc, argv) &&
        check_usage(&o))
        status = show_rows(arena, &o) ? 0 : 1;
    arena_free(arena);
    return status;
}
