/* The tables of a program while it runs: opened, selected, and bound to the inputs of its plans.
 *
 * On the host an input points into the table. On another device, large fields are copied there
 * once, and a step sends the numbers of its rows. A field without room on the device is sent batch
 * by batch. Both ways give the same values, so callers need not distinguish them. */
#include "runtime/sources.h"

#include "runtime/data/kept.h"
#include "runtime/data/mapping.h"
#include "runtime/data/reader.h"
#include "runtime/data/vocabulary.h"
#include "runtime/part.h"
#include "runtime/ranks.h"
#include "runtime/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

/* ---- opening --------------------------------------------------------------------------------- */

static bool has_rows(const CoupletSource *source, const CoupletTable *table, char *error,
                     size_t error_bytes) {
    if (source->rows == 0 || table->count == source->rows) return true;
    snprintf(error, error_bytes,
             "%s has %lld samples for `%s`, and the program was compiled for %lld", table->name,
             (long long)table->count, source->name, (long long)source->rows);
    return false;
}

/* Moves the table of a source from `opened` to *out. Returns false if it is not there. */
static bool take_opened(CoupletOpenedTables *opened, const char *source, CoupletTable *out) {
    for (int i = 0; opened && i < opened->count; i++) {
        CoupletOpenedTable *o = &opened->items[i];
        if (!o->table.reader || strcmp(o->source, source) != 0) continue;
        *out = o->table;
        memset(&o->table, 0, sizeof o->table);
        return true;
    }
    return false;
}

static bool open_source(const CoupletSource *source, const CoupletPlaces *places,
                        CoupletOpenedTables *opened, CoupletTable *out, char *error,
                        size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    CoupletRequest request;
    return take_opened(opened, source->name, out) ||
           (couplet_place_request(places, source, path, &request, error, error_bytes) &&
            couplet_table_open(&request, out, error, error_bytes));
}

static bool load_rows(const CoupletSource *source, const CoupletLoading *loading, CoupletTable *out,
                      char *error, size_t error_bytes) {
    static const CoupletLoading standard;
    return (out->columns ||
            couplet_table_load(out, loading ? loading : &standard, error, error_bytes)) &&
           couplet_selection_apply(&source->selection, out, loading, error, error_bytes) &&
           has_rows(source, out, error, error_bytes);
}

void couplet_opened_close(CoupletOpenedTables *opened) {
    for (int i = 0; i < opened->count; i++)
        couplet_table_close(&opened->items[i].table);
    opened->count = 0;
}

static bool write_codes(const CoupletTable *table, FILE *out) {
    if (!table->reader || !table->reader->codes) return false;
    table->reader->codes(table, out);
    return true;
}

/* Replaces *out by the text that `write` makes of the table, or by NULL if it writes nothing. */
static bool take_written_text(const CoupletTable *table,
                              bool (*write)(const CoupletTable *, FILE *), char **out) {
    size_t length;
    free(*out);
    *out = NULL;
    FILE *text = open_memstream(out, &length);
    if (!text) return false;
    const bool some = write(table, text);
    const bool good = fclose(text) == 0;
    if (some && good) return true;
    free(*out);
    *out = NULL;
    return good;
}

bool couplet_sources_codes(const CoupletSources *s, char **codes, char **classes) {
    for (int i = 0; i < s->program->source_count; i++)
        if (!take_written_text(&s->data[i], write_codes, &codes[i]) ||
            !take_written_text(&s->data[i], couplet_kept_write, &classes[i]))
            return false;
    return true;
}

static bool out_of_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for the data");
    return false;
}

/* ---- what an input reads --------------------------------------------------------------------- */

typedef struct Reading {
    int source; /* the number of the source; -1: none */
    /* The number of the table's field; field_count stands for `index`; -1: the table has no such
     * field. */
    int field;
    bool whole; /* true for "train.all.image" and the like */
} Reading;

/* Returns what an input such as "train.image" or "train.all.index" reads. The source is -1 if the
 * name belongs to none. */
static Reading reading_of(const CoupletSources *s, const char *input) {
    for (int i = 0; i < s->program->source_count; i++) {
        const char *source = s->program->sources[i].name;
        const size_t length = strlen(source);
        if (strncmp(input, source, length) != 0 || input[length] != '.') continue;
        const char *name = input + length + 1;
        Reading found = {i, -1, strncmp(name, "all.", 4) == 0};
        if (found.whole) name += 4;
        if (strcmp(name, "index") == 0)
            found.field = s->data[i].field_count;
        else
            couplet_table_field(&s->data[i], name, &found.field);
        return found;
    }
    return (Reading){-1, -1, false};
}

static int64_t row_bytes(const CoupletSources *s, const Reading *r) {
    const CoupletTable *t = &s->data[r->source];
    return r->field == t->field_count ? (int64_t)sizeof(int32_t)
                                      : couplet_field_bytes(&t->fields[r->field]);
}

/* Returns the first name that both fields have with different numbers, or NULL. */
static const char *numbered_twice(const CoupletField *a, const CoupletField *b, int64_t *in_a,
                                  int64_t *in_b) {
    CoupletWords names = {.count = 0};
    const char *found = NULL;
    for (int64_t c = 0; c < a->classes; c++)
        if (couplet_words_add(&names, a->class_names[c], strlen(a->class_names[c])) != c) break;
    for (int64_t c = 0; !found && c < b->classes; c++) {
        *in_b = c;
        *in_a = couplet_words_find(&names, b->class_names[c], strlen(b->class_names[c]));
        if (*in_a >= 0 && *in_a != c) found = b->class_names[c];
    }
    couplet_words_free(&names);
    return found;
}

/* Returns the first number that stands for different classes in two fields, or -1. Only fields that
 * agree in another number are compared, because they number the same kind of thing. Fields of more
 * than one number are not compared, since tokens share marks such as <padding> in any two
 * vocabularies. */
static int64_t named_twice(const CoupletField *a, const CoupletField *b) {
    const int64_t both = a->classes < b->classes ? a->classes : b->classes;
    int64_t alike = 0;
    int64_t found = -1;
    for (int64_t c = both - 1; c >= 0; c--) {
        if (strcmp(a->class_names[c], b->class_names[c]) == 0)
            alike++;
        else
            found = c;
    }
    return alike && a->rank == 0 && b->rank == 0 ? found : -1;
}

static const char *const same_list =
    "With the same names in both places, or in a file that names = \"FILE\" reads, they are "
    "numbered alike";

/* Returns false with a sentence if two sources number the same classes differently. */
static bool number_alike(const CoupletTable *here, const CoupletTable *there, const CoupletField *a,
                         const CoupletField *b, char *error, size_t error_bytes) {
    int64_t number;
    int64_t other;
    const char *name = numbered_twice(a, b, &number, &other);
    if (name)
        snprintf(error, error_bytes,
                 "%s: `%s` is number %lld of `%s`, and number %lld in %s; the method reads both, "
                 "and would take them for two classes. %s",
                 here->name, name, (long long)number, a->name, (long long)other, there->name,
                 same_list);
    const int64_t twice = name ? -1 : named_twice(a, b);
    if (twice >= 0)
        snprintf(error, error_bytes,
                 "%s: number %lld of `%s` is `%s`, and `%s` in %s; the method reads both, and "
                 "would take them for one class. %s",
                 here->name, (long long)twice, a->name, a->class_names[twice],
                 b->class_names[twice], there->name, same_list);
    return !name && twice < 0;
}

/* True if the numbers of classes agree between sources. Formulas, and conditions on rows, that read
 * such numbers of two sources take equal numbers for the same class. */
static bool numbers_agree(const CoupletSources *s, const Reading *r, char *error,
                          size_t error_bytes) {
    const CoupletTable *table = &s->data[r->source];
    const CoupletField *here = &table->fields[r->field];
    for (int i = 0; here->class_names && i < s->program->source_count; i++) {
        int field;
        const CoupletField *there = couplet_table_field(&s->data[i], here->name, &field);
        if (i == r->source || !there || !there->class_names || !s->shelves[i][field].read) continue;
        if (!number_alike(table, &s->data[i], here, there, error, error_bytes)) return false;
    }
    s->shelves[r->source][r->field].read = true;
    return true;
}

static int64_t entry_called(const CoupletTable *t, int field, const char *name) {
    for (int64_t i = 0; i < t->fields[field].shape[0]; i++) {
        const char *entry = couplet_table_entry(t, field, i);
        if (entry && strcmp(entry, name) == 0) return i;
    }
    return -1;
}

/* Returns the first column of a field that is at another position in a field of the same columns.
 * -1: the columns are others, or in the same order. */
static int64_t moved_entry(const CoupletTable *here, int field, const CoupletTable *there,
                           int other, int64_t *place) {
    const int64_t count = here->fields[field].shape[0];
    int64_t moved = -1;
    for (int64_t i = count - 1; i >= 0; i--) {
        const char *name = couplet_table_entry(here, field, i);
        const int64_t found = name ? entry_called(there, other, name) : -1;
        if (found < 0) return -1;
        if (found == i) continue;
        moved = i;
        *place = found;
    }
    return there->fields[other].shape[0] == count ? moved : -1;
}

/* True if two tables have the columns of a field in the same order. A method that reads the field
 * of both takes columns at one position for the same. */
static bool entries_alike(const CoupletTable *here, int field, const CoupletTable *there, int other,
                          char *error, size_t error_bytes) {
    int64_t place = 0;
    const int64_t moved =
        here->fields[field].rank == 1 ? moved_entry(here, field, there, other, &place) : -1;
    if (moved < 0) return true;
    snprintf(error, error_bytes,
             "%s: the column `%s` is entry %lld of `%s`, and entry %lld in %s; the method reads "
             "both. The setting like = \"PATH\" brings the columns of one into the order of the "
             "other",
             here->name, couplet_table_entry(here, field, moved), (long long)moved,
             here->fields[field].name, (long long)place, there->name);
    return false;
}

/* True if the columns of a field have the same order in all sources of which the method reads
 * it. */
static bool entries_agree(const CoupletSources *s, const Reading *r, char *error,
                          size_t error_bytes) {
    const CoupletTable *table = &s->data[r->source];
    const CoupletField *here = &table->fields[r->field];
    for (int i = 0; i < s->program->source_count; i++) {
        int field;
        const CoupletField *there = couplet_table_field(&s->data[i], here->name, &field);
        if (i == r->source || !there || there->rank != here->rank || !s->shelves[i][field].read)
            continue;
        if (!entries_alike(table, r->field, &s->data[i], field, error, error_bytes)) return false;
    }
    return true;
}

/* True if rows of a source may be chosen by the numbers of a field, which must mean the same as in
 * other sources. Such a field counts as if a formula read it. */
static bool chosen_by(const CoupletSources *s, int source, const char *field, char *error,
                      size_t error_bytes) {
    Reading r = {source, -1, true};
    char input[128];
    couplet_table_field(&s->data[source], field, &r.field);
    snprintf(input, sizeof input, "%s.%s", s->program->sources[source].name, field);
    return r.field < 0 || r.field == s->data[source].field_count ||
           (couplet_kept_may_read(&s->data[source], r.field, input, error, error_bytes) &&
            numbers_agree(s, &r, error, error_bytes));
}

static bool choices_agree(const CoupletSources *s, char *error, size_t error_bytes) {
    bool good = true;
    for (int i = 0; good && i < s->program->source_count; i++) {
        const CoupletSelection *choice = &s->program->sources[i].selection;
        for (int c = 0; good && c < choice->where_count; c++)
            good = chosen_by(s, i, choice->where[c].field, error, error_bytes);
        if (good && choice->classes > 0)
            good = chosen_by(s, i, couplet_selection_by(choice), error, error_bytes);
    }
    return good;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool number_rows(CoupletSources *s) {
    int64_t most = 0;
    for (int i = 0; i < s->program->source_count; i++)
        if (s->data[i].count > most) most = s->data[i].count;
    s->numbers = malloc(((size_t)most + 1) * sizeof *s->numbers);
    for (int64_t i = 0; s->numbers && i < most; i++)
        s->numbers[i] = (int32_t)i;
    return s->numbers != NULL;
}

bool couplet_sources_open(const CoupletProgram *program, const CoupletPlaces *places,
                          const CoupletLoading *loading, CoupletOpenedTables *opened,
                          CoupletSources *out, char *error, size_t error_bytes) {
    *out = (CoupletSources){.program = program};
    out->data = calloc((size_t)program->source_count + 1, sizeof *out->data);
    out->loaders = calloc((size_t)program->source_count + 1, sizeof *out->loaders);
    out->shelves = calloc((size_t)program->source_count + 1, sizeof *out->shelves);
    if (!out->data || !out->loaders || !out->shelves) return out_of_memory(error, error_bytes);
    if (program->origin) couplet_reader_modules_at(program->origin->modules);
    if (!couplet_places_fit(places, program->sources, program->source_count, error, error_bytes))
        return false;
    for (int i = 0; i < program->source_count; i++) {
        const CoupletSource *source = &program->sources[i];
        CoupletTable *table = &out->data[i];
        if (!open_source(source, places, opened, table, error, error_bytes) ||
            !couplet_table_claims(table, source->fields, source->field_count, error, error_bytes) ||
            !load_rows(source, loading, table, error, error_bytes))
            return false;
        out->shelves[i] = calloc((size_t)out->data[i].field_count + 1, sizeof **out->shelves);
        if (!out->shelves[i]) return out_of_memory(error, error_bytes);
    }
    return choices_agree(out, error, error_bytes) &&
           (number_rows(out) || out_of_memory(error, error_bytes));
}

/* ---- what a plan may read -------------------------------------------------------------------- */

/* True if the field is what the plan was compiled for. */
static bool field_fits(const CoupletSources *s, const Reading *r, const char *input,
                       const CoupletBuffer *b, char *error, size_t error_bytes) {
    static const CoupletField index = {.name = "index", .type = COUPLET_I32};
    const CoupletTable *t = &s->data[r->source];
    const CoupletField *f = r->field == t->field_count ? &index
                            : r->field >= 0            ? &t->fields[r->field]
                                                       : NULL;
    if (!f) {
        snprintf(error, error_bytes, "%s has no such field, and the method reads `%s`", t->name,
                 input);
        return false;
    }
    bool same =
        b->type == f->type && b->rank == f->rank + 1 && (!r->whole || b->shape[0] == t->count);
    for (int i = 0; same && i < f->rank; i++)
        same = b->shape[i + 1] == f->shape[i];
    if (same)
        return f == &index ||
               (couplet_kept_may_read(t, r->field, input, error, error_bytes) &&
                entries_agree(s, r, error, error_bytes) && numbers_agree(s, r, error, error_bytes));
    CoupletField compiled = {.type = b->type, .rank = b->rank - 1};
    char found[128];
    char wanted[128];
    memcpy(compiled.shape, b->shape + 1, sizeof compiled.shape - sizeof *compiled.shape);
    snprintf(error, error_bytes,
             "%s: its field `%s` is %s of %lld samples, and the method was compiled for %s%s",
             t->name, f->name, couplet_field_text(f, found, sizeof found), (long long)t->count,
             couplet_field_text(&compiled, wanted, sizeof wanted),
             r->whole ? " and another number of samples" : "");
    return false;
}

/* ---- whole columns --------------------------------------------------------------------------- */

static void copy_rows(const CoupletTable *t, int field, int64_t first, int64_t rows, void *to) {
    const int64_t bytes = couplet_field_bytes(&t->fields[field]);
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)to + i * bytes,
               (const char *)t->columns[field] + couplet_table_origin(t, first + i) * bytes,
               (size_t)bytes);
}

/* Puts all chosen rows of a field one after the other. If all rows are chosen, the table's own
 * column serves. */
static bool bring_together(CoupletSources *s, const Reading *r, char *error, size_t error_bytes) {
    const CoupletTable *t = &s->data[r->source];
    CoupletShelf *shelf = &s->shelves[r->source][r->field];
    if (shelf->whole) return true;
    if (r->field == t->field_count)
        shelf->whole = s->numbers;
    else if (!t->origin)
        shelf->whole = t->columns[r->field];
    if (shelf->whole) return true;
    const int64_t bytes = t->count * couplet_field_bytes(&t->fields[r->field]);
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    shelf->copy = (double)bytes < memory ? couplet_lines_take(bytes) : NULL;
    if (!shelf->copy) {
        snprintf(error, error_bytes,
                 "%s: all chosen samples of `%s` are read at once, which are %.1f GB, more than "
                 "there is memory",
                 t->name, t->fields[r->field].name, (double)bytes / 1e9);
        return false;
    }
    copy_rows(t, r->field, 0, t->count, shelf->copy);
    shelf->whole = shelf->copy;
    return true;
}

/* ---- shelves on a device --------------------------------------------------------------------- */

/* Sends all chosen rows of a field, or their numbers, to memory of the device. */
static bool send_rows(CoupletSources *s, const Reading *r, void *to) {
    const CoupletTable *t = &s->data[r->source];
    CoupletDevice *d = s->device;
    const int64_t bytes = row_bytes(s, r);
    if (r->field == t->field_count)
        return d->calls->write(d, to, 0, s->numbers, t->count * bytes) && d->calls->wait(d);
    if (!t->origin)
        return d->calls->write(d, to, 0, t->columns[r->field], t->count * bytes) &&
               d->calls->wait(d);
    /* Chosen rows are copied piece by piece, so that the copy stays small. */
    const int64_t most = (1 << 24) / bytes + 1;
    void *piece = malloc((size_t)(most * bytes));
    bool good = piece != NULL;
    for (int64_t done = 0; good && done < t->count; done += most) {
        const int64_t rows = t->count - done < most ? t->count - done : most;
        copy_rows(t, r->field, done, rows, piece);
        good = d->calls->write(d, to, done * bytes, piece, rows * bytes) && d->calls->wait(d);
    }
    free(piece);
    return good;
}

/* Copies a field to the device. Returns false if the device fails. If it has no room, the shelf
 * stays empty. */
static bool fill_shelf(CoupletSources *s, const Reading *r) {
    CoupletDevice *d = s->device;
    void **shelf = &s->shelves[r->source][r->field].device;
    if (*shelf) return true;
    *shelf = d->calls->allocate(d, s->data[r->source].count * row_bytes(s, r));
    if (*shelf) return send_rows(s, r, *shelf);
    if (d->fault.kind != COUPLET_FAULT_MEMORY) return false;
    couplet_device_clear(d);
    return true;
}

/* True if the field is gathered on the device. A field of one number is sent with each batch. */
static bool is_large(const CoupletSources *s, const Reading *r) {
    const CoupletTable *t = &s->data[r->source];
    return r->field < t->field_count && t->fields[r->field].rank > 0;
}

/* True if a batch of the field is given by its rows' numbers. A field of one number is not, even if
 * all of it is on the device. */
static bool goes_by_number(const CoupletSources *s, const Reading *r) {
    return r->field == s->data[r->source].field_count ||
           (is_large(s, r) && s->shelves[r->source][r->field].device);
}

/* Brings a field that an input reads to the device, and makes the run read it there. Returns false
 * if the device fails. */
static bool shelve(CoupletSources *s, const Reading *r, int input, CoupletRun *run) {
    if (!r->whole && !is_large(s, r)) return true;
    if (!fill_shelf(s, r)) return false;
    void *shelf = s->shelves[r->source][r->field].device;
    if (shelf && r->whole) couplet_run_feed_resident(run, input, shelf);
    return !shelf || r->whole || couplet_run_feed_rows(run, input, shelf);
}

bool couplet_sources_attach(CoupletSources *s, CoupletDevice *device, const CoupletPlan *plan,
                            CoupletRun *run, char *error, size_t error_bytes) {
    s->device = device;
    for (int i = 0; i < plan->input_count; i++) {
        const Reading r = reading_of(s, plan->inputs[i].name);
        if (r.source < 0) continue;
        if (!field_fits(s, &r, plan->inputs[i].name, &plan->buffers[plan->inputs[i].buffer], error,
                        error_bytes))
            return false;
        if (!device->is_host && !shelve(s, &r, i, run)) {
            snprintf(error, error_bytes, "%s: %s", device->name, device->fault.sentence);
            return false;
        }
        const bool on_device = s->shelves[r.source][r.field].device != NULL;
        if (r.whole && !on_device && !bring_together(s, &r, error, error_bytes)) return false;
        /* The input must have an array, although the run reads the device's memory. The row numbers
         * serve, which nobody then looks at. */
        if (r.whole && on_device && !s->shelves[r.source][r.field].whole)
            s->shelves[r.source][r.field].whole = s->numbers;
    }
    return true;
}

/* ---- loaders --------------------------------------------------------------------------------- */

int64_t couplet_source_batch(const CoupletSource *source, const CoupletStage *stage) {
    return stage && stage->batch && source->follows ? stage->batch : source->batch;
}

int64_t couplet_sources_batches(const CoupletSources *s, const CoupletStage *stage) {
    const int at = stage ? stage->train_source : s->program->train_source;
    if (at < 0) return stage ? stage->epoch_steps : s->program->epoch_steps;
    return couplet_loader_batches(&s->data[at],
                                  couplet_source_batch(&s->program->sources[at], stage));
}

/* Marks the fields of a source that some phase's step reads as they are, and not by row numbers. */
static void mark_gathered(const CoupletSources *s, int source, bool *gathered) {
    for (int p = 0; p < s->program->phase_count; p++) {
        const CoupletPlan *plan = s->program->phases[p].train;
        for (int i = 0; i < plan->input_count; i++) {
            const Reading r = reading_of(s, plan->inputs[i].name);
            if (r.source == source && !r.whole && r.field >= 0 && !goes_by_number(s, &r))
                gathered[r.field] = true;
        }
    }
}

/* True if every step that reads the field reads only the rows of its own rank. */
static bool is_in_rows(const CoupletSources *s, int source, int field) {
    bool found = false;
    for (int p = 0; p < s->program->phase_count; p++) {
        const CoupletPlan *plan = s->program->phases[p].train;
        for (int i = 0; i < plan->input_count; i++) {
            const Reading r = reading_of(s, plan->inputs[i].name);
            if (r.source != source || r.whole || r.field != field) continue;
            if (!plan->buffers[plan->inputs[i].buffer].in_rows) return false;
            found = true;
        }
    }
    return found;
}

/* Marks the fields of which this rank reads only its own rows, and notes which rows of a batch
 * these are. */
static void mark_own(const CoupletSources *s, int source, CoupletFeed *feed, bool *own) {
    const CoupletPlan *plan = s->program->train;
    if (!s->device || !couplet_ranks_cut(s->device, plan)) return;
    const CoupletGroup *g = s->device->group;
    const int64_t shard = feed->batch / plan->shards;
    for (int f = 0; f < s->data[source].field_count; f++)
        own[f] = feed->gathered[f] && is_in_rows(s, source, f);
    feed->own = own;
    feed->own_first = shard * couplet_part_first(plan, g->ranks, g->rank);
    feed->own_end = shard * couplet_part_first(plan, g->ranks, g->rank + 1);
}

static bool begin_source(CoupletSources *s, const CoupletStage *stage, int source, uint32_t stream,
                         uint64_t seed, int64_t first, char *error, size_t error_bytes) {
    const CoupletSource *from = &s->program->sources[source];
    const size_t fields = (size_t)s->data[source].field_count + 1;
    bool *gathered = calloc(2 * fields, sizeof *gathered);
    if (!gathered) return out_of_memory(error, error_bytes);
    mark_gathered(s, source, gathered);
    CoupletFeed feed = {.batch = couplet_source_batch(from, stage),
                        .stream = stream,
                        .gathered = gathered,
                        .balanced = from->balanced,
                        .weighed = from->weights >= 0,
                        .ways = from->ways,
                        .each = from->each,
                        .by = couplet_selection_by(&from->selection)};
    mark_own(s, source, &feed, gathered + fields);
    couplet_loader_free(s->loaders[source]);
    s->loaders[source] =
        couplet_loader_new(&s->data[source], &feed, seed, first, error, error_bytes);
    free(gathered);
    return s->loaders[source] != NULL;
}

bool couplet_sources_begin(CoupletSources *s, const CoupletStage *stage, uint64_t seed,
                           int64_t first, char *error, size_t error_bytes) {
    uint32_t stream = 1;
    for (int i = 0; i < s->program->source_count; i++) {
        if (!s->program->sources[i].drawn) continue;
        if (!begin_source(s, stage, i, i == s->program->train_source ? 0 : stream++, seed, first,
                          error, error_bytes))
            return false;
    }
    return true;
}

bool couplet_sources_weigh(CoupletSources *s, float *const *weights, int64_t until, char *error,
                           size_t error_bytes) {
    for (int i = 0; i < s->program->source_count; i++)
        if (s->loaders[i] && weights[i] &&
            !couplet_loader_weigh(s->loaders[i], weights[i], until, error, error_bytes))
            return false;
    return true;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/* Returns the batch. If the rows are on the device, the batch is their numbers. */
static const void *batch_of(const CoupletSources *s, const Reading *r, const CoupletBatch *batch) {
    return goes_by_number(s, r) ? batch->indices : batch->fields[r->field];
}

void couplet_sources_next(CoupletSources *s, const CoupletPlan *plan, void **inputs) {
    for (int k = 0; k < s->program->source_count; k++) {
        CoupletBatch batch;
        if (!s->loaders[k]) continue;
        couplet_loader_next(s->loaders[k], &batch);
        for (int i = 0; i < plan->input_count; i++) {
            const Reading r = reading_of(s, plan->inputs[i].name);
            if (r.source == k && !r.whole && r.field >= 0)
                inputs[i] = (void *)(uintptr_t)batch_of(s, &r, &batch);
        }
    }
}

/* Returns memory for `rows` rows of a field. */
static void *part_memory(CoupletSources *s, const Reading *r, int64_t rows) {
    CoupletShelf *shelf = &s->shelves[r->source][r->field];
    if (shelf->part_rows >= rows) return shelf->part;
    free(shelf->part);
    shelf->part =
        couplet_lines_take(rows * couplet_field_bytes(&s->data[r->source].fields[r->field]));
    shelf->part_rows = shelf->part ? rows : 0;
    return shelf->part;
}

bool couplet_sources_whole_batch(CoupletSources *s, const CoupletPlan *plan, void **inputs) {
    for (int i = 0; i < plan->input_count; i++) {
        const CoupletBuffer *b = &plan->buffers[plan->inputs[i].buffer];
        const Reading r = reading_of(s, plan->inputs[i].name);
        if (!b->in_rows || r.source < 0 || r.whole || r.field < 0 || goes_by_number(s, &r))
            continue;
        inputs[i] = part_memory(s, &r, b->shape[0]);
        if (!inputs[i]) return false;
        couplet_loader_whole(s->loaders[r.source], r.field, inputs[i]);
    }
    return true;
}

/* Returns chosen rows of one field, side by side: in place, or copied. Returns NULL if memory runs
 * out. */
static const void *some_rows(CoupletSources *s, const Reading *r, int64_t first, int64_t rows) {
    const CoupletTable *t = &s->data[r->source];
    if (goes_by_number(s, r)) return s->numbers + first;
    const int64_t bytes = couplet_field_bytes(&t->fields[r->field]);
    if (!t->origin) return (const char *)t->columns[r->field] + first * bytes;
    void *part = part_memory(s, r, rows);
    if (part) copy_rows(t, r->field, first, rows, part);
    return part;
}

bool couplet_sources_rows(CoupletSources *s, int source, int64_t first, int64_t rows,
                          const CoupletPlan *plan, void **inputs, char *error, size_t error_bytes) {
    for (int i = 0; i < plan->input_count; i++) {
        const Reading r = reading_of(s, plan->inputs[i].name);
        if (r.source != source || r.whole || r.field < 0) continue;
        inputs[i] = (void *)(uintptr_t)some_rows(s, &r, first, rows);
        if (!inputs[i]) return out_of_memory(error, error_bytes);
    }
    return true;
}

void couplet_sources_whole(const CoupletSources *s, const CoupletPlan *plan, void **inputs) {
    for (int i = 0; i < plan->input_count; i++) {
        const Reading r = reading_of(s, plan->inputs[i].name);
        if (r.source >= 0 && r.whole && r.field >= 0)
            inputs[i] = (void *)(uintptr_t)s->shelves[r.source][r.field].whole;
    }
}

/* ---- closing --------------------------------------------------------------------------------- */

static void clear_shelves(CoupletSources *s, int source) {
    for (int f = 0; s->shelves[source] && f <= s->data[source].field_count; f++) {
        CoupletShelf *shelf = &s->shelves[source][f];
        if (shelf->device) {
            s->device->calls->release(s->device, shelf->device);
        }
        free(shelf->copy);
        free(shelf->part);
    }
    free(s->shelves[source]);
}

void couplet_sources_close(CoupletSources *s) {
    for (int i = 0; i < (s->program ? s->program->source_count : 0); i++) {
        if (s->loaders) couplet_loader_free(s->loaders[i]);
        if (s->shelves && s->data) clear_shelves(s, i);
        if (s->data) couplet_table_close(&s->data[i]);
    }
    free(s->numbers);
    free(s->shelves);
    free(s->loaders);
    free(s->data);
    *s = (CoupletSources){0};
}
