/* Writes the whole state of a run to one safetensors file, and reads it back. The file holds no
 * time and no path, so equal runs end with equal files. */
#include "runtime/hash.h"
#include "runtime/safetensors.h"
#include "runtime/session.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_now[] = "couplet checkpoint 2", format_first[] = "couplet checkpoint 1";

/* The prefixes of keys. The name of a source follows, as in "codes:train". */
static const char codes_prefix[] = "codes:", classes_prefix[] = "classes:";

enum {
    FIXED_PAIRS = 9,
    VALUE_BYTES = 40,
};

static bool out_of_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for a checkpoint");
    return false;
}

static bool fail_device(const CoupletSession *s, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", s->device->name, s->device->fault.sentence);
    return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The metadata of a checkpoint file. */
typedef struct Metadata {
    CoupletTensorPair *pairs;
    char (*values)[VALUE_BYTES]; /* by number of the pair */
    /* Names such as "hyper.tau" and "loss_sum.near", one after the other. */
    char *names;
    int count;
} Metadata;

static void free_metadata(Metadata *m) {
    free(m->pairs);
    free(m->values);
    free(m->names);
}

static void fill_fixed(Metadata *m, const CoupletSession *s) {
    static const char *const names[FIXED_PAIRS] = {
        "format", "step", "steps", "epoch", "loss_sum", "loss_count", "seed", "method", "plan"};
    for (int i = 0; i < FIXED_PAIRS; i++)
        m->pairs[i] = (CoupletTensorPair){names[i], m->values[i]};
    snprintf(m->values[0], VALUE_BYTES, "%s", format_now);
    snprintf(m->values[1], VALUE_BYTES, "%" PRId64, s->step);
    snprintf(m->values[2], VALUE_BYTES, "%" PRId64, s->total_steps);
    snprintf(m->values[3], VALUE_BYTES, "%" PRId64, s->epoch);
    snprintf(m->values[4], VALUE_BYTES, "%.17g", s->loss_sum);
    snprintf(m->values[5], VALUE_BYTES, "%" PRId64, s->loss_count);
    snprintf(m->values[6], VALUE_BYTES, "%" PRIu64, s->seed);
    snprintf(m->values[7], VALUE_BYTES, "%016" PRIx64, s->program->method_hash);
    snprintf(m->values[8], VALUE_BYTES, "%016" PRIx64, s->program->plan_hash);
}

/* Adds the pair of a key, which is written to `at`, and a text. Returns where the next key goes. A
 * text of NULL is left out. */
static char *add_text(Metadata *m, char *at, const char *prefix, const char *source,
                      const char *text) {
    if (!text) return at;
    m->pairs[m->count++] = (CoupletTensorPair){at, text};
    return at + sprintf(at, "%s%s", prefix, source) + 1;
}

static bool make_metadata(Metadata *m, const CoupletSession *s) {
    static const char prefix[] = "hyper.";
    const CoupletProgram *p = s->program;
    size_t name_bytes = 1;
    for (int i = 0; i < p->hyper_count; i++)
        name_bytes += sizeof prefix + strlen(p->hypers[i].name);
    for (int i = 0; i < p->source_count; i++)
        name_bytes += sizeof codes_prefix + sizeof classes_prefix + 2 * strlen(p->sources[i].name);
    for (int i = 0; i < p->loss_count; i++)
        name_bytes += 2 * (sizeof "loss_count." + strlen(p->losses[i].name));
    m->count = FIXED_PAIRS + p->hyper_count + 2 * p->loss_count;
    m->pairs = calloc((size_t)(m->count + 2 * p->source_count), sizeof *m->pairs);
    m->values = calloc((size_t)m->count, sizeof *m->values);
    m->names = calloc(name_bytes, 1);
    if (!m->pairs || !m->values || !m->names) return false;
    fill_fixed(m, s);
    char *at = m->names;
    for (int i = 0; i < p->hyper_count; i++) {
        char *value = m->values[FIXED_PAIRS + i];
        m->pairs[FIXED_PAIRS + i] = (CoupletTensorPair){at, value};
        at += sprintf(at, "%s%s", prefix, p->hypers[i].name) + 1;
        snprintf(value, VALUE_BYTES, "%.17g", p->hypers[i].value);
    }
    for (int i = 0, k = FIXED_PAIRS + p->hyper_count; i < p->loss_count; i++, k += 2) {
        m->pairs[k] = (CoupletTensorPair){at, m->values[k]};
        at += sprintf(at, "loss_sum.%s", p->losses[i].name) + 1;
        m->pairs[k + 1] = (CoupletTensorPair){at, m->values[k + 1]};
        at += sprintf(at, "loss_count.%s", p->losses[i].name) + 1;
        snprintf(m->values[k], VALUE_BYTES, "%.17g", s->named[i].sum);
        snprintf(m->values[k + 1], VALUE_BYTES, "%" PRId64, s->named[i].count);
    }
    for (int i = 0; i < p->source_count; i++) {
        at = add_text(m, at, codes_prefix, p->sources[i].name, s->codes[i]);
        at = add_text(m, at, classes_prefix, p->sources[i].name, s->classes[i]);
    }
    return true;
}

/* Returns the bytes of a state on the host: in place, or as a copy that the caller frees. Returns
 * NULL if the device fails or memory is out. */
static void *state_on_host(const CoupletSession *s, int slot) {
    CoupletDevice *d = s->device;
    if (d->is_host) return s->states[slot];
    size_t bytes = couplet_state_bytes(&s->program->states[slot]);
    void *copy = malloc(bytes + 1);
    if (copy && d->calls->read(d, copy, s->states[slot], 0, (int64_t)bytes)) return copy;
    free(copy);
    return NULL;
}

bool couplet_session_hash(const CoupletSession *s, uint64_t *hash, char *error,
                          size_t error_bytes) {
    *hash = COUPLET_HASH_START;
    for (int i = 0; i < s->program->state_count; i++) {
        void *bytes = state_on_host(s, i);
        if (!bytes) return fail_device(s, error, error_bytes);
        *hash =
            couplet_hash_array(*hash, bytes, (int64_t)couplet_state_bytes(&s->program->states[i]));
        if (!s->device->is_host) free(bytes);
    }
    return true;
}

/* ---- weights of sources ---------------------------------------------------------------------- */

enum { NAME_BYTES = 300 };

/* Writes a name such as "weights:train", which no state has. The checkpoint keeps the weights as
 * they were when the epoch began, so that a run that is resumed in the middle of the epoch draws
 * the same rows. */
static void name_weights(const CoupletProgram *p, int source, char out[NAME_BYTES]) {
    snprintf(out, NAME_BYTES, "weights:%.256s", p->sources[source].name);
}

static int count_weights(const CoupletProgram *p) {
    int count = 0;
    for (int i = 0; i < p->source_count; i++)
        count += p->sources[i].weights >= 0;
    return count;
}

static void add_weights(const CoupletSession *s, CoupletTensorEntry *entries,
                        char (*names)[NAME_BYTES]) {
    const CoupletProgram *p = s->program;
    for (int i = 0, at = 0; i < p->source_count; i++) {
        if (!s->weights[i]) continue;
        const CoupletStateInfo *info = &p->states[p->sources[i].weights];
        name_weights(p, i, names[at]);
        entries[at] = (CoupletTensorEntry){
            .name = names[at], .type = info->type, .rank = info->rank, .data = s->weights[i]};
        memcpy(entries[at++].shape, info->shape, sizeof info->shape);
    }
}

/* ---- writing: the file ----------------------------------------------------------------------- */

static bool fetch_states(const CoupletSession *s, CoupletTensorEntry *entries) {
    for (int i = 0; i < s->program->state_count; i++) {
        const CoupletStateInfo *info = &s->program->states[i];
        entries[i] = (CoupletTensorEntry){.name = info->name,
                                          .type = info->type,
                                          .rank = info->rank,
                                          .data = state_on_host(s, i)};
        memcpy(entries[i].shape, info->shape, sizeof entries[i].shape);
        if (!entries[i].data) return false;
    }
    return true;
}

bool couplet_session_save(const CoupletSession *s, const char *path, char *error,
                          size_t error_bytes) {
    Metadata metadata = {NULL, NULL, NULL, 0};
    const int count = s->program->state_count;
    const int weights = count_weights(s->program);
    CoupletTensorEntry *entries = calloc((size_t)(count + weights) + 1, sizeof *entries);
    char(*names)[NAME_BYTES] = calloc((size_t)weights + 1, sizeof *names);
    bool good =
        entries && names && make_metadata(&metadata, s) ? true : out_of_memory(error, error_bytes);
    if (good) add_weights(s, entries + count, names);
    if (good && !fetch_states(s, entries))
        good = s->device->fault.kind ? fail_device(s, error, error_bytes)
                                     : out_of_memory(error, error_bytes);
    good = good && couplet_tensors_write(path, entries, count + weights, metadata.pairs,
                                         metadata.count, error, error_bytes);
    for (int i = 0; entries && !s->device->is_host && i < count; i++)
        free((void *)(uintptr_t)entries[i].data);
    free(entries);
    free(names);
    free_metadata(&metadata);
    return good;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The facts about its run that a file holds. */
typedef struct Found {
    int64_t step;
    int64_t steps;
    int64_t epoch;
    int64_t loss_count;
    double loss_sum;
    uint64_t seed;
    CoupletLoaded loaded;
} Found;

typedef struct Reader {
    const CoupletTensorFile *file;
    const char *path;
    char *error;
    size_t error_bytes;
} Reader;

static bool wrong_value(const Reader *r, const char *key, const char *text, const char *expected) {
    if (text)
        snprintf(r->error, r->error_bytes, "%s: the checkpoint's `%s` is `%s`, and %s was expected",
                 r->path, key, text, expected);
    else
        snprintf(r->error, r->error_bytes, "%s: the checkpoint has no `%s`, and %s was expected",
                 r->path, key, expected);
    return false;
}

static bool read_whole(const Reader *r, const char *key, int64_t *out) {
    const char *text = couplet_tensors_metadata(r->file, key);
    char *end = NULL;
    errno = 0;
    if (text) *out = strtoll(text, &end, 10);
    if (text && *text && !*end && *out >= 0 && errno == 0) return true;
    return wrong_value(r, key, text, "a whole number");
}

static bool read_real(const Reader *r, const char *key, double *out) {
    const char *text = couplet_tensors_metadata(r->file, key);
    char *end = NULL;
    if (text) *out = strtod(text, &end);
    if (text && *text && !*end && isfinite(*out)) return true;
    return wrong_value(r, key, text, "a number");
}

static bool read_seed(const Reader *r, uint64_t *out) {
    const char *text = couplet_tensors_metadata(r->file, "seed");
    char *end = NULL;
    errno = 0;
    if (text && *text >= '0' && *text <= '9') *out = strtoull(text, &end, 10);
    if (end && !*end && errno == 0) return true;
    return wrong_value(r, "seed", text, "a whole number");
}

/* True if the file has a known format. *whole_state is false for the first format, which lacks the
 * sum of the epoch's losses. */
static bool read_format(const Reader *r, bool *whole_state) {
    const char *format = couplet_tensors_metadata(r->file, "format");
    *whole_state = format && strcmp(format, format_now) == 0;
    if (*whole_state || (format && strcmp(format, format_first) == 0)) return true;
    if (!format)
        snprintf(r->error, r->error_bytes,
                 "%s: this is no checkpoint of Couplet: it has no `format`", r->path);
    else
        snprintf(r->error, r->error_bytes,
                 "%s: the format of this checkpoint is `%.60s`, and this Couplet knows `%s` and "
                 "`%s`: a newer one wrote it",
                 r->path, format, format_first, format_now);
    return false;
}

/* True if the checkpoint is of this method. *same_plan is true if it is of the same plan, too. */
static bool same_method(const Reader *r, const CoupletProgram *program, bool *same_plan) {
    char method[24];
    char plan[24];
    const char *found = couplet_tensors_metadata(r->file, "method");
    const char *found_plan = couplet_tensors_metadata(r->file, "plan");
    snprintf(method, sizeof method, "%016" PRIx64, program->method_hash);
    snprintf(plan, sizeof plan, "%016" PRIx64, program->plan_hash);
    *same_plan = found_plan && strcmp(found_plan, plan) == 0;
    if (found && strcmp(found, method) == 0) return true;
    if (!found) return wrong_value(r, "method", NULL, "the hash of a method");
    snprintf(r->error, r->error_bytes,
             "%s: this is the checkpoint of another method (%s, and this one is %s)", r->path,
             found, method);
    return false;
}

static bool array_fits(const Reader *r, const CoupletStateInfo *info) {
    const CoupletTensorEntry *entry = couplet_tensors_find(r->file, info->name);
    if (!entry) {
        snprintf(r->error, r->error_bytes,
                 "%s: the checkpoint has no array `%s`, which this method keeps", r->path,
                 info->name);
        return false;
    }
    bool same = entry->type == info->type && entry->rank == info->rank;
    for (int a = 0; same && a < info->rank; a++)
        same = entry->shape[a] == info->shape[a];
    if (!same)
        snprintf(
            r->error, r->error_bytes,
            "%s: the array `%s` has another shape or type in the checkpoint than in this method",
            r->path, info->name);
    return same;
}

static bool arrays_fit(const Reader *r, const CoupletProgram *program) {
    const int expected = program->state_count + count_weights(program);
    for (int i = 0; i < program->state_count; i++)
        if (!array_fits(r, &program->states[i])) return false;
    for (int i = 0; i < program->source_count; i++) {
        char name[NAME_BYTES];
        if (program->sources[i].weights < 0) continue;
        CoupletStateInfo info = program->states[program->sources[i].weights];
        name_weights(program, i, name);
        info.name = name;
        if (!array_fits(r, &info)) return false;
    }
    if (r->file->count == expected) return true;
    snprintf(r->error, r->error_bytes, "%s: the checkpoint has %d arrays, and this method keeps %d",
             r->path, r->file->count, expected);
    return false;
}

static bool read_found(const Reader *r, const CoupletProgram *program, Found *out) {
    if (!read_format(r, &out->loaded.whole_state) ||
        !same_method(r, program, &out->loaded.same_plan))
        return false;
    if (!read_whole(r, "step", &out->step) || !read_whole(r, "steps", &out->steps) ||
        !read_whole(r, "epoch", &out->epoch))
        return false;
    if (!read_seed(r, &out->seed) || !arrays_fit(r, program)) return false;
    if (!out->loaded.whole_state) return true;
    return read_real(r, "loss_sum", &out->loss_sum) &&
           read_whole(r, "loss_count", &out->loss_count);
}

static bool send_states(CoupletSession *s, const CoupletTensorFile *file) {
    CoupletDevice *d = s->device;
    for (int i = 0; i < s->program->state_count; i++) {
        const CoupletStateInfo *info = &s->program->states[i];
        const CoupletTensorEntry *entry = couplet_tensors_find(file, info->name);
        if (!d->calls->write(d, s->states[i], 0, entry->data, (int64_t)couplet_state_bytes(info)))
            return false;
    }
    for (int i = 0; i < s->program->source_count; i++) {
        char name[NAME_BYTES];
        if (!s->weights[i]) continue;
        name_weights(s->program, i, name);
        memcpy(s->weights[i], couplet_tensors_find(file, name)->data,
               couplet_state_bytes(&s->program->states[s->program->sources[i].weights]));
    }
    return d->calls->wait(d);
}

/* Replaces *out by a copy of the text under a key, or by NULL if the file has no such key. Returns
 * false if memory is out. */
static bool take_text(const CoupletTensorFile *file, const char *prefix, const char *source,
                      char **out) {
    char key[NAME_BYTES];
    snprintf(key, sizeof key, "%s%.256s", prefix, source);
    const char *found = couplet_tensors_metadata(file, key);
    free(*out);
    *out = found ? strdup(found) : NULL;
    return !found || *out;
}

/* Takes the codes of words in the sources of the run, and the names of their classes. */
static bool take_codes(CoupletSession *s, const CoupletTensorFile *file) {
    const CoupletProgram *p = s->program;
    for (int i = 0; i < p->source_count; i++)
        if (!take_text(file, codes_prefix, p->sources[i].name, &s->codes[i]) ||
            !take_text(file, classes_prefix, p->sources[i].name, &s->classes[i]))
            return false;
    return true;
}

static bool read_named(const Reader *r, const CoupletProgram *program, CoupletMean *named) {
    char key[300];
    for (int i = 0; i < program->loss_count; i++) {
        snprintf(key, sizeof key, "loss_sum.%s", program->losses[i].name);
        if (!read_real(r, key, &named[i].sum)) return false;
        snprintf(key, sizeof key, "loss_count.%s", program->losses[i].name);
        if (!read_whole(r, key, &named[i].count)) return false;
        named[i].latest = NAN;
    }
    return true;
}

/* Checks a file, takes its states, and frees it. */
static bool take_file(CoupletSession *s, const char *path, CoupletTensorFile *file,
                      CoupletLoaded *loaded, char *error, size_t error_bytes) {
    const Reader reader = {file, path, error, error_bytes};
    Found found = {0};
    CoupletMean *named = calloc((size_t)s->program->loss_count + 1, sizeof *named);
    bool good =
        named ? read_found(&reader, s->program, &found) && read_named(&reader, s->program, named)
              : out_of_memory(error, error_bytes);
    if (good && !send_states(s, file)) good = fail_device(s, error, error_bytes);
    if (good && !take_codes(s, file)) good = out_of_memory(error, error_bytes);
    couplet_tensors_free(file);
    if (good) {
        memcpy(s->named, named, (size_t)s->program->loss_count * sizeof *named);
    }
    free(named);
    if (!good) return false;
    s->step = found.step;
    s->total_steps = found.steps;
    s->epoch = found.epoch;
    s->seed = found.seed;
    s->loss_sum = found.loss_sum;
    s->loss_count = found.loss_count;
    *loaded = found.loaded;
    return true;
}

bool couplet_session_load(CoupletSession *s, const char *path, CoupletLoaded *loaded, char *error,
                          size_t error_bytes) {
    CoupletTensorFile file;
    return couplet_tensors_read(path, &file, error, error_bytes) &&
           take_file(s, path, &file, loaded, error, error_bytes);
}

bool couplet_session_load_bytes(CoupletSession *s, const char *name, const void *bytes,
                                size_t length, CoupletLoaded *loaded, char *error,
                                size_t error_bytes) {
    CoupletTensorFile file;
    return couplet_tensors_parse(name, bytes, length, &file, error, error_bytes) &&
           take_file(s, name, &file, loaded, error, error_bytes);
}
