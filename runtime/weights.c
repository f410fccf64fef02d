/* Begins a part of a network with the arrays of a file. A statement takes three rounds over the
 * arrays of its part: find the file's names for them, check that all fit, send them. Nothing is
 * sent before the last statement has been checked. */
#include "runtime/weights.h"

#include "runtime/data/mapping.h"
#include "runtime/hash.h"
#include "runtime/npy.h"
#include "runtime/safetensors.h"
#include "runtime/weight_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OWN_NAMES = COUPLET_FAMILIES,
    SCHEMES,
    SHAPE_BYTES = 120,
    LINE_BYTES = 600,
};

typedef struct Taking {
    CoupletSession *session;
    const CoupletStart *start;
    char path[COUPLET_PATH_BYTES];
    CoupletMapping mapping;
    CoupletTensorFile file;
    int scheme;
    void (*say)(void *context, const char *line);
    void *context;
    char *error;
    size_t error_bytes;
} Taking;

/* ---- the arrays of a part -------------------------------------------------------------------- */

/* Returns the name below the part, or NULL if the array is not in the part. */
static const char *below_part(const Taking *t, const CoupletStateInfo *info) {
    const size_t length = strlen(t->start->part);
    const bool is_learned = info->role == COUPLET_ROLE_PARAM || info->role == COUPLET_ROLE_STATE;
    if (!is_learned || strncmp(info->name, t->start->part, length) != 0) return NULL;
    if (info->name[length] == 0) return info->name + length;
    return info->name[length] == '.' ? info->name + length + 1 : NULL;
}

static const char *named_by_hand(const Taking *t, const char *below) {
    for (int i = 0; i < t->start->name_count; i++)
        if (strcmp(t->start->names[i].ours, below) == 0) return t->start->names[i].theirs;
    return NULL;
}

/* Finds the array in the file by one scheme of names. *tried is the name that was looked for.
 * Returns NULL if the file has no such array. */
static const CoupletTensorEntry *find_array(const Taking *t, const CoupletStateInfo *info,
                                            const char *below, int scheme, CoupletNaming *naming,
                                            CoupletTheirName *tried) {
    const char *by_hand = named_by_hand(t, below);
    const bool has_name = scheme < OWN_NAMES && couplet_their_name(naming, below, tried);
    if (by_hand || !has_name) {
        snprintf(tried->name, sizeof tried->name, "%s", by_hand ? by_hand : info->name);
        tried->piece = 0;
        tried->pieces = 1;
    }
    const CoupletTensorEntry *entry = couplet_tensors_find(&t->file, tried->name);
    if (entry || by_hand || scheme < OWN_NAMES) return entry;
    entry = couplet_tensors_find(&t->file, below);
    if (entry) snprintf(tried->name, sizeof tried->name, "%s", below);
    return entry;
}

static CoupletNaming naming_of(int scheme) {
    return (CoupletNaming){.family = scheme < OWN_NAMES ? (CoupletFamily)scheme : 0};
}

/* Returns the scheme that finds most arrays; between equals, the part's own names. */
static int best_scheme(const Taking *t) {
    const CoupletProgram *p = t->session->program;
    int best = OWN_NAMES;
    int most = -1;
    for (int scheme = SCHEMES - 1; scheme >= 0; scheme--) {
        CoupletNaming naming = naming_of(scheme);
        int found = 0;
        for (int i = 0; i < p->state_count; i++) {
            CoupletTheirName tried;
            const char *below = below_part(t, &p->states[i]);
            found += below && find_array(t, &p->states[i], below, scheme, &naming, &tried);
        }
        if (found > most) {
            most = found;
            best = scheme;
        }
    }
    return best;
}

/* ---- whether they fit ------------------------------------------------------------------------ */

static const char *shape_text(int rank, const int64_t *shape, char *out) {
    size_t used = (size_t)snprintf(out, SHAPE_BYTES, "[");
    for (int a = 0; a < rank && used < SHAPE_BYTES; a++)
        used += (size_t)snprintf(out + used, SHAPE_BYTES - used, "%s%lld", a ? ", " : "",
                                 (long long)shape[a]);
    if (used < SHAPE_BYTES) {
        snprintf(out + used, SHAPE_BYTES - used, "]");
    }
    return out;
}

static int next_axis(int rank, const int64_t *shape, int at) {
    while (at < rank && shape[at] == 1)
        at++;
    return at;
}

/* True if the shapes agree. Axes of one entry do not count, since a 1 x 1 convolution is a matrix
 * here. The first axis of the file's array may hold `pieces` arrays of ours. */
static bool fits_shape(const CoupletTensorEntry *entry, const CoupletStateInfo *info, int pieces) {
    int a = next_axis(entry->rank, entry->shape, 0);
    int b = next_axis(info->rank, info->shape, 0);
    for (bool first = true; a < entry->rank && b < info->rank; first = false) {
        if (entry->shape[a] != info->shape[b] * (first ? pieces : 1)) return false;
        a = next_axis(entry->rank, entry->shape, a + 1);
        b = next_axis(info->rank, info->shape, b + 1);
    }
    return a == entry->rank && b == info->rank;
}

static float from_half(uint16_t bits) {
    const int exponent = (bits >> 10) & 31;
    const int rest = bits & 1023;
    const double sign = bits >> 15 ? -1 : 1;
    if (exponent == 31) return rest ? NAN : (float)(sign * (double)INFINITY);
    return (float)(sign * (exponent ? ldexp(1024 + rest, exponent - 25) : ldexp(rest, -24)));
}

static float from_bfloat(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Returns element `at` as float32. */
static float element_as_float(const CoupletTensorEntry *entry, int64_t at) {
    uint16_t half;
    double wide;
    float value;
    const char *data = entry->data;
    switch (entry->dtype[0] == 'B' ? 'B' : entry->dtype[1]) {
    case 'B':
        memcpy(&half, data + 2 * at, 2);
        return from_bfloat(half);
    case '1':
        memcpy(&half, data + 2 * at, 2);
        return from_half(half);
    case '6':
        memcpy(&wide, data + 8 * at, 8);
        return (float)wide;
    default:
        memcpy(&value, data + 4 * at, 4);
        return value;
    }
}

static bool holds_reals(const CoupletTensorEntry *entry) {
    static const char *const types[] = {"F16", "BF16", "F32", "F64"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(entry->dtype, types[i]) == 0) return true;
    return false;
}

static bool refuse_weights(const Taking *t, const char *sentence) {
    snprintf(t->error, t->error_bytes, "%s: %s: %s", t->start->place, t->path, sentence);
    return false;
}

/* True if the array of the file can be taken for the state. Returns false with a sentence. */
static bool is_fit(const Taking *t, const CoupletStateInfo *info, const CoupletTensorEntry *entry,
                   const CoupletTheirName *tried) {
    char line[LINE_BYTES];
    char here[SHAPE_BYTES];
    char there[SHAPE_BYTES];
    shape_text(info->rank, info->shape, here);
    if (!entry)
        snprintf(line, sizeof line,
                 "there is no `%s`, which `%s` %s would begin with; the file has "
                 "%d arrays, `%s` first",
                 tried->name, info->name, here, t->file.count,
                 t->file.count ? t->file.entries[0].name : "none");
    else if (!fits_shape(entry, info, tried->pieces))
        snprintf(line, sizeof line, "`%s` is %s%s, and `%s` is %s", tried->name,
                 shape_text(entry->rank, entry->shape, there),
                 tried->pieces > 1 ? ", of which this is a part" : "", info->name, here);
    else if (!holds_reals(entry) || info->type != COUPLET_F32)
        snprintf(line, sizeof line,
                 "`%s` is of the type %s, and float16, bfloat16, float32 or float64 is expected "
                 "for `%s`",
                 tried->name, entry->dtype, info->name);
    else
        return true;
    return refuse_weights(t, line);
}

static int64_t entry_count(const CoupletStateInfo *info) {
    int64_t count = 1;
    for (int a = 0; a < info->rank; a++)
        count *= info->shape[a];
    return count;
}

/* Returns the values for the state as float32, from malloc, or NULL with a sentence. */
static float *convert_entry(const Taking *t, const CoupletStateInfo *info,
                            const CoupletTensorEntry *entry, const CoupletTheirName *tried) {
    const int64_t count = entry_count(info);
    float *values = malloc((size_t)count * sizeof *values);
    if (!values) {
        refuse_weights(t, "out of memory");
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        values[i] = element_as_float(entry, tried->piece * count + i);
        if (isfinite(values[i])) continue;
        char line[LINE_BYTES];
        snprintf(line, sizeof line, "entry %lld of `%s` is %g, and a finite number is expected",
                 (long long)(tried->piece * count + i), tried->name, (double)values[i]);
        refuse_weights(t, line);
        free(values);
        return NULL;
    }
    return values;
}

/* ---- a statement ----------------------------------------------------------------------------- */

/* True if a `start` statement names a part that has the array itself. */
static bool begins_with_its_own(const CoupletProgram *p, const CoupletStateInfo *info) {
    bool own = false;
    for (int i = 0; i < p->start_count; i++) {
        const Taking other = {.start = &p->starts[i]};
        own |= below_part(&other, info) != NULL;
    }
    return own;
}

/* Sends values to the array, and to the arrays that start as its copies. */
static bool send_values(const Taking *t, int slot, const float *values) {
    const CoupletProgram *p = t->session->program;
    CoupletDevice *d = t->session->device;
    const int64_t bytes = entry_count(&p->states[slot]) * (int64_t)sizeof *values;
    bool good = true;
    for (int i = 0; good && i < p->state_count; i++) {
        const char *origin = p->states[i].origin;
        const bool copies = origin && strcmp(origin, p->states[slot].name) == 0 &&
                            !begins_with_its_own(p, &p->states[i]);
        if (i == slot || copies) {
            good = d->calls->write(d, t->session->states[i], 0, values, bytes);
        }
    }
    return (good && d->calls->wait(d)) || refuse_weights(t, d->fault.sentence);
}

/* Checks every array of the part and, with `send`, sends its values to the device. `used`, if it is
 * not NULL, notes which arrays of the file were found. */
static bool take_arrays(const Taking *t, bool send, int *count, bool *used) {
    const CoupletProgram *p = t->session->program;
    CoupletNaming naming = naming_of(t->scheme);
    bool good = true;
    *count = 0;
    for (int i = 0; good && i < p->state_count; i++) {
        CoupletTheirName tried;
        const CoupletStateInfo *info = &p->states[i];
        const char *below = below_part(t, info);
        if (!below) continue;
        const CoupletTensorEntry *entry = find_array(t, info, below, t->scheme, &naming, &tried);
        if (!is_fit(t, info, entry, &tried)) return false;
        if (used) used[entry - t->file.entries] = true;
        float *values = convert_entry(t, info, entry, &tried);
        good = values != NULL;
        if (send && good) good = send_values(t, i, values);
        free(values);
        (*count)++;
    }
    return good;
}

/* True for a count of batches, which torch keeps and no formula reads. */
static bool is_a_count(const char *name) {
    static const char ending[] = "num_batches_tracked";
    const size_t length = strlen(name);
    const size_t end = sizeof ending - 1;
    return length >= end && strcmp(name + length - end, ending) == 0;
}

/* Reports the arrays of the file that have no place in the part. */
static void say_left(const Taking *t, const bool *used) {
    char line[LINE_BYTES];
    char shape[SHAPE_BYTES];
    for (int i = 0; i < t->file.count; i++) {
        const CoupletTensorEntry *e = &t->file.entries[i];
        if (used[i] || is_a_count(e->name)) continue;
        snprintf(line, sizeof line, "%s: `%.200s` %s of %.200s is left out", t->start->part,
                 e->name, shape_text(e->rank, e->shape, shape), t->start->path);
        t->say(t->context, line);
    }
}

/* True if every name of the statement is that of an array. */
static bool names_fit(const Taking *t) {
    const CoupletProgram *p = t->session->program;
    char line[LINE_BYTES];
    bool any = false;
    for (int i = 0; i < p->state_count; i++)
        any |= below_part(t, &p->states[i]) != NULL;
    if (!any) {
        snprintf(line, sizeof line, "the method has no array whose name begins with `%s`",
                 t->start->part);
        return refuse_weights(t, line);
    }
    for (int k = 0; k < t->start->name_count; k++) {
        bool known = false;
        for (int i = 0; !known && i < p->state_count; i++) {
            const char *below = below_part(t, &p->states[i]);
            known = below && strcmp(below, t->start->names[k].ours) == 0;
        }
        if (known) continue;
        snprintf(line, sizeof line, "`%s` has no array `%s`", t->start->part,
                 t->start->names[k].ours);
        return refuse_weights(t, line);
    }
    return true;
}

static bool open_weights(Taking *t, const CoupletPlaces *places, uint64_t *hash) {
    char why[COUPLET_PATH_BYTES + 256];
    if (!couplet_place_path(places, t->start->path, t->path, why, sizeof why)) {
        snprintf(t->path, sizeof t->path, "%s", t->start->path);
        return refuse_weights(t, why);
    }
    if (!couplet_mapping_open(t->path, &t->mapping, why, sizeof why) ||
        !couplet_tensors_parse_any(t->path, t->mapping.bytes, t->mapping.length, &t->file, why,
                                   sizeof why)) {
        snprintf(t->error, t->error_bytes, "%s: %s", t->start->place, why);
        return false;
    }
    *hash = couplet_hash(COUPLET_HASH_START, t->mapping.bytes, t->mapping.length);
    return true;
}

static bool take_one(Taking *t, const CoupletPlaces *places, uint64_t *hash, bool send) {
    int count = 0;
    char line[LINE_BYTES];
    if (!open_weights(t, places, hash) || !names_fit(t)) return false;
    t->scheme = best_scheme(t);
    bool *used = calloc((size_t)t->file.count + 1, sizeof *used);
    const bool good =
        used ? take_arrays(t, send, &count, used) : refuse_weights(t, "out of memory");
    if (good && send) {
        snprintf(line, sizeof line, "%s: from %.200s (%d arrays%s%s)", t->start->part,
                 t->start->path, count, t->scheme < OWN_NAMES ? ", named as " : "",
                 t->scheme < OWN_NAMES ? couplet_family_text((CoupletFamily)t->scheme) : "");
        t->say(t->context, line);
        say_left(t, used);
    }
    free(used);
    return good;
}

bool couplet_weights_take(CoupletSession *session, const CoupletPlaces *places, uint64_t *hashes,
                          void (*say)(void *context, const char *line), void *context, char *error,
                          size_t error_bytes) {
    const CoupletProgram *p = session->program;
    bool good = true;
    for (int round = 0; round < 2; round++)
        for (int i = 0; good && i < p->start_count; i++) {
            Taking t = {.session = session,
                        .start = &p->starts[i],
                        .say = say,
                        .context = context,
                        .error = error,
                        .error_bytes = error_bytes};
            good = take_one(&t, places, &hashes[i], round == 1);
            couplet_tensors_free(&t.file);
            couplet_mapping_close(&t.mapping);
        }
    return good;
}
