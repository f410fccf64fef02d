/* Prints what data_statistics.c and data_twins.c found, as text for people and as JSON for
 * tools. The text shortens long lists (MOST_LINES, MOST_CLASSES). */
#include "compiler/driver/data_report.h"

#include "runtime/data/pack_layout.h"
#include "runtime/data/reader.h"
#include "runtime/json_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LINES =
        10 /* the most lines about rows that cannot be read, and about rows that are equal */,
    MOST_CLASSES = 12 /* the most classes whose sizes have a line each */,
    SHOWN_NAME = 80 /* the most bytes of a name */
};

/* ---- numbers and names ----------------------------------------------------------------------- */

static const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

static const char *class_name(Arena *arena, const FieldStatistics *f, int64_t c) {
    if (f->field->class_names) return f->field->class_names[c];
    return arena_printf(arena, "%lld", (long long)(f->values ? f->values[c] : c));
}

/* Returns a class's name for a line of text. A long name is cut between two characters. */
static const char *shown_name(Arena *arena, const FieldStatistics *f, int64_t c) {
    const char *name = class_name(arena, f, c);
    size_t length = strlen(name);
    if (length <= SHOWN_NAME) return name;
    for (length = SHOWN_NAME; length && ((unsigned char)name[length] & 0xc0) == 0x80;)
        length--;
    return arena_printf(arena, "%.*s..", (int)length, name);
}

static int64_t row_bytes(const CoupletTable *t) {
    int64_t bytes = 0;
    for (int f = 0; f < t->field_count; f++)
        bytes += couplet_field_bytes(&t->fields[f]);
    return bytes * t->held;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_parts(const FieldStatistics *f, FILE *out) {
    if (f->channels) {
        fprintf(out, ", mean");
        for (int p = 0; p < f->part_count; p++)
            fprintf(out, " %.3g", f->parts[p].mean);
        fprintf(out, " and deviation");
        for (int p = 0; p < f->part_count; p++)
            fprintf(out, " %.3g", f->parts[p].deviation);
        fprintf(out, " by channel");
    } else
        fprintf(out, ", mean %.3g, deviation %.3g", f->all.mean, f->all.deviation);
}

static void print_missing(const FieldStatistics *f, FILE *out) {
    if (f->all.nan) fprintf(out, "; %lld NaN", (long long)f->all.nan);
    if (f->all.infinite)
        fprintf(out, "%s %lld infinite", f->all.nan ? " and" : ";", (long long)f->all.infinite);
    if (f->rows_missing)
        fprintf(out, " in %lld row%s", (long long)f->rows_missing, plural(f->rows_missing));
}

/* Returns the name of a vector's entry, or NULL. */
static const char *entry_name(const CoupletTable *t, const FieldStatistics *f, int entry) {
    return couplet_table_entry(t, (int)(f->field - t->fields), entry);
}

/* Prints a line for each entry of a short vector whose entries differ, such as the columns of a
 * table. */
static void print_entries(const CoupletTable *t, const FieldStatistics *f, FILE *out) {
    if (f->channels || f->part_count == 0) return;
    for (int p = 0; p < f->part_count; p++) {
        const Spread *s = &f->parts[p];
        const char *name = entry_name(t, f, p);
        fprintf(out, "        [%d]%s%s  %.4g .. %.4g, mean %.3g, deviation %.3g", p,
                name ? " " : "", name ? name : "", s->low, s->high, s->mean, s->deviation);
        if (s->nan + s->infinite) fprintf(out, "; %lld missing", (long long)(s->nan + s->infinite));
        if (s->count > 1 && s->low == s->high) fprintf(out, "; always the same");
        fprintf(out, "\n");
    }
}

static void print_classes(Arena *arena, const FieldStatistics *f, FILE *out) {
    int64_t smallest = 0;
    int64_t largest = 0;
    int64_t empty = 0;
    for (int64_t c = 0; c < f->class_count; c++) {
        if (f->counts[c] < f->counts[smallest]) smallest = c;
        if (f->counts[c] > f->counts[largest]) largest = c;
        empty += f->counts[c] == 0;
    }
    if (f->counts[smallest] == f->counts[largest])
        fprintf(out, ", %lld of each", (long long)f->counts[smallest]);
    else
        fprintf(out, ", from %lld (%s) to %lld (%s)", (long long)f->counts[smallest],
                shown_name(arena, f, smallest), (long long)f->counts[largest],
                shown_name(arena, f, largest));
    if (empty) fprintf(out, "; %lld of them empty", (long long)empty);
}

static bool is_balanced(const FieldStatistics *f) {
    for (int64_t c = 1; c < f->class_count; c++)
        if (f->counts[c] != f->counts[0]) return false;
    return true;
}

/* Prints the classes with their sizes, one line each, or one line for all if their sizes are
 * equal. */
static void print_class_lines(Arena *arena, const FieldStatistics *f, FILE *out) {
    if (is_balanced(f) && f->field->class_names) {
        for (int64_t c = 0; c < f->class_count && c < MOST_CLASSES; c++)
            fprintf(out, "%s%s", c ? ", " : "        ", shown_name(arena, f, c));
        fprintf(out, "%s\n", f->class_count > MOST_CLASSES ? ", .." : "");
        return;
    }
    if (is_balanced(f)) return;
    for (int64_t c = 0; c < f->class_count && c < MOST_CLASSES; c++)
        fprintf(out, "        %-20s %lld\n", shown_name(arena, f, c), (long long)f->counts[c]);
    if (f->class_count > MOST_CLASSES)
        fprintf(out, "        and %lld more; --json lists all\n",
                (long long)(f->class_count - MOST_CLASSES));
}

static void print_field(Arena *arena, const CoupletTable *t, const FieldStatistics *f, int width,
                        FILE *out) {
    char type[128];
    couplet_field_text(f->field, type, sizeof type);
    fprintf(out, "    %-*s  %s", width, f->field->name, type);
    if (f->field->classes) {
        fprintf(out, ", %lld class%s", (long long)f->field->classes,
                f->field->classes == 1 ? "" : "es");
        print_classes(arena, f, out);
    } else {
        if (f->field->type == COUPLET_I32)
            fprintf(out, ", %.0f .. %.0f", f->all.low, f->all.high);
        else
            fprintf(out, ", %.4g .. %.4g", f->all.low, f->all.high);
        if (f->class_count)
            fprintf(out, ", %lld value%s", (long long)f->class_count, plural(f->class_count));
        print_parts(f, out);
        print_missing(f, out);
        if (f->all.count > 1 && f->all.low == f->all.high) fprintf(out, "; always the same");
    }
    if (couplet_field_ends_in_channels(f->field))
        fprintf(out, "; pictures have their channels first: numpy.moveaxis(a, -1, -3)");
    fprintf(out, "\n");
    if (f->field->type == COUPLET_F32) print_entries(t, f, out);
    if (f->field->classes) print_class_lines(arena, f, out);
}

static void print_bad(const DataSet *set, FILE *out) {
    const int count = set->bad.count;
    if (count == 0) return;
    fprintf(out, "    %d row%s cannot be read; --skip-bad %d leaves %s out:\n", count,
            plural(count), count, count == 1 ? "it" : "them");
    for (int i = 0; i < count && i < MOST_LINES; i++)
        fprintf(out, "        %s\n", set->bad.items[i]);
    if (count > MOST_LINES)
        fprintf(out, "        and %d more; --json lists all\n", count - MOST_LINES);
}

static void print_pairs(Arena *arena, const Twins *twins, const DataSet *first,
                        const DataSet *second, FILE *out) {
    for (int i = 0; i < twins->pairs.count && i < MOST_LINES; i++)
        fprintf(out, "        %s and %s\n",
                data_row_name(arena, &first->table, twins->pairs.items[i].first),
                data_row_name(arena, &second->table, twins->pairs.items[i].second));
    if (twins->pairs.count > MOST_LINES)
        fprintf(out, "        and %d more; --json lists all\n", twins->pairs.count - MOST_LINES);
}

static void print_unlike(const Twins *twins, FILE *out) {
    if (twins->unlike && twins->pairs.count == 1)
        fprintf(out, ", and has another label or number");
    else if (twins->unlike)
        fprintf(out, ", and %lld of them have another label or number", (long long)twins->unlike);
    fprintf(out, ":\n");
}

static void print_findings(Arena *arena, const DataFindings *d, FILE *out) {
    const CoupletTable *t = &d->set->table;
    char size[32];
    int width = 0;
    if (d->set->name) fprintf(out, "%s = ", d->set->name);
    fprintf(out, "%s\n    %s\n    %lld row%s, %s%s", d->set->written, t->path, (long long)t->held,
            plural(t->held), couplet_bytes_text(row_bytes(t), size, sizeof size),
            t->mapped ? ", mapped" : "");
    if (t->count != t->held) fprintf(out, "; %lld of them are looked at", (long long)t->count);
    fprintf(out, "\n");
    if (*t->note) fprintf(out, "    warning: %s\n", t->note);
    for (int f = 0; f < t->field_count; f++)
        if ((int)strlen(t->fields[f].name) > width) width = (int)strlen(t->fields[f].name);
    for (int f = 0; f < t->field_count; f++)
        print_field(arena, t, &d->fields[f], width, out);
    print_bad(d->set, out);
    const int same = d->twins.pairs.count;
    if (same == 0) return;
    fprintf(out, "    %d row%s the same as an earlier one", same, same == 1 ? " is" : "s are");
    print_unlike(&d->twins, out);
    print_pairs(arena, &d->twins, d->set, d->set, out);
}

static void print_shared(Arena *arena, const SharedRows *s, FILE *out) {
    const int count = s->twins.pairs.count;
    if (count == 0) return;
    fprintf(out, "%d row%s of %s %s also in %s", count, plural(count), s->second->name,
            count == 1 ? "is" : "are", s->first->name);
    print_unlike(&s->twins, out);
    print_pairs(arena, &s->twins, s->first, s->second, out);
}

void data_report_text(Arena *arena, const DataFindings *findings, int count,
                      const SharedRows *shared, int shared_count, FILE *out) {
    for (int i = 0; i < count; i++)
        print_findings(arena, &findings[i], out);
    for (int i = 0; i < shared_count; i++)
        print_shared(arena, &shared[i], out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_spread(json_t *out, const Spread *s) {
    json_object_set_new(out, "low", json_real(s->low));
    json_object_set_new(out, "high", json_real(s->high));
    json_object_set_new(out, "mean", json_real(s->mean));
    json_object_set_new(out, "deviation", json_real(s->deviation));
    json_object_set_new(out, "nan", json_integer(s->nan));
    json_object_set_new(out, "infinite", json_integer(s->infinite));
}

static json_t *list_parts(const CoupletTable *t, const FieldStatistics *f) {
    json_t *list = json_array();
    for (int p = 0; p < f->part_count; p++) {
        json_t *part = json_object();
        if (entry_name(t, f, p))
            json_object_set_new(part, "name", couplet_json_text(entry_name(t, f, p)));
        put_spread(part, &f->parts[p]);
        json_array_append_new(list, part);
    }
    return list;
}

static json_t *list_classes(Arena *arena, const FieldStatistics *f) {
    json_t *list = json_array();
    for (int64_t c = 0; c < f->class_count; c++)
        json_array_append_new(list, json_pack("{s:s, s:I}", "name", class_name(arena, f, c), "rows",
                                              (json_int_t)f->counts[c]));
    return list;
}

static json_t *field_json(Arena *arena, const CoupletTable *t, const FieldStatistics *f) {
    static const char *const types[] = {"real", "int", "u8"}; /* by the value of CoupletType */
    json_t *shape = json_array();
    json_t *out = json_object();
    for (int i = 0; i < f->field->rank; i++)
        json_array_append_new(shape, json_integer(f->field->shape[i]));
    json_object_set_new(out, "name", couplet_json_text(f->field->name));
    json_object_set_new(out, "type", json_string(types[f->field->type]));
    json_object_set_new(out, "shape", shape);
    put_spread(out, &f->all);
    json_object_set_new(out, "rows_missing", json_integer(f->rows_missing));
    if (f->part_count)
        json_object_set_new(out, f->channels ? "channels" : "entries", list_parts(t, f));
    if (f->field->classes)
        json_object_set_new(out, "classes", list_classes(arena, f));
    else if (f->class_count)
        json_object_set_new(out, "values", list_classes(arena, f));
    return out;
}

static json_t *list_pairs(Arena *arena, const Twins *twins, const DataSet *first,
                          const DataSet *second) {
    json_t *list = json_array();
    for (int i = 0; i < twins->pairs.count; i++) {
        const Twin twin = twins->pairs.items[i];
        json_array_append_new(
            list,
            json_pack("[o, o]", couplet_json_text(data_row_name(arena, &first->table, twin.first)),
                      couplet_json_text(data_row_name(arena, &second->table, twin.second))));
    }
    return list;
}

static json_t *findings_json(Arena *arena, const DataFindings *d) {
    const CoupletTable *t = &d->set->table;
    json_t *fields = json_array();
    json_t *bad = json_array();
    json_t *out = json_object();
    for (int f = 0; f < t->field_count; f++)
        json_array_append_new(fields, field_json(arena, t, &d->fields[f]));
    for (int i = 0; i < d->set->bad.count; i++)
        json_array_append_new(bad, couplet_json_text(d->set->bad.items[i]));
    if (d->set->name) {
        json_object_set_new(out, "name", couplet_json_text(d->set->name));
    }
    json_object_set_new(out, "source", couplet_json_text(d->set->written));
    json_object_set_new(out, "path", couplet_json_text(t->path));
    if (*t->note) {
        json_object_set_new(out, "warning", couplet_json_text(t->note));
    }
    json_object_set_new(out, "held", json_integer(t->held));
    json_object_set_new(out, "rows", json_integer(t->count));
    json_object_set_new(out, "bytes", json_integer(row_bytes(t)));
    json_object_set_new(out, "hash", json_string(arena_printf(arena, "%016" PRIx64, t->hash)));
    json_object_set_new(out, "fields", fields);
    json_object_set_new(out, "unreadable", bad);
    json_object_set_new(out, "same", list_pairs(arena, &d->twins, d->set, d->set));
    json_object_set_new(out, "same_but_unlike", json_integer(d->twins.unlike));
    return out;
}

bool data_report_json(Arena *arena, const DataFindings *findings, int count,
                      const SharedRows *shared, int shared_count, FILE *out) {
    json_t *root = json_object();
    json_t *sources = json_array();
    json_t *pairs = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(sources, findings_json(arena, &findings[i]));
    for (int i = 0; i < shared_count; i++) {
        const SharedRows *s = &shared[i];
        if (s->twins.pairs.count == 0) continue;
        json_array_append_new(pairs, json_pack("{s:s, s:s, s:o, s:I}", "first", s->first->name,
                                               "second", s->second->name, "rows",
                                               list_pairs(arena, &s->twins, s->first, s->second),
                                               "unlike", (json_int_t)s->twins.unlike));
    }
    json_object_set_new(root, "sources", sources);
    json_object_set_new(root, "shared", pairs);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    json_decref(root);
    if (text) fprintf(out, "%s\n", text);
    free(text);
    return text != NULL;
}
