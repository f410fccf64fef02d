/* --start: takes arrays of the same name, type and shape from another run or a file. The whole file
 * is checked before anything is taken, so after a refusal the session is unchanged.
 *
 * The states of optimisers and queues are not taken, because they belong to the steps that made
 * them. A copied network takes what its origin takes, if the file has nothing for the copy itself.
 * For each owner of arrays, a line says how many were taken, and why others were not. */
#include "runtime/start.h"

#include "runtime/files.h"
#include "runtime/folder.h"
#include "runtime/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINE_BYTES = 400 };

typedef struct Start {
    CoupletSession *session;
    CoupletTensorFile file;
    const char *path;
    void (*say)(void *context, const char *line);
    void *context;
    char *error;
    size_t error_bytes;
} Start;

/* True for a state that may be taken: a parameter or a state of a network or of the method. */
static bool is_learned(const CoupletStateInfo *info) {
    return info->role == COUPLET_ROLE_PARAM || info->role == COUPLET_ROLE_STATE;
}

static bool same_array(const CoupletTensorEntry *entry, const CoupletStateInfo *info) {
    bool same = entry->type == info->type && entry->rank == info->rank;
    for (int a = 0; same && a < info->rank; a++)
        same = entry->shape[a] == info->shape[a];
    return same;
}

/* Returns the array that a state takes, or NULL. It is the state's own or, since a copy starts as
 * its origin does, that of the origin. */
static const CoupletTensorEntry *found_for(const Start *s, const CoupletStateInfo *info) {
    const CoupletTensorEntry *entry =
        is_learned(info) ? couplet_tensors_find(&s->file, info->name) : NULL;
    if (!entry && info->origin && is_learned(info))
        entry = couplet_tensors_find(&s->file, info->origin);
    return entry && same_array(entry, info) ? entry : NULL;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Writes a shape such as "[64, 1, 3, 3]", or "a number" if there are no axes. */
static const char *shape_text(CoupletType type, int rank, const int64_t *shape, char *out,
                              size_t bytes) {
    size_t used = (size_t)snprintf(out, bytes, "%s", type == COUPLET_I32 ? "int" : "real");
    for (int a = 0; a < rank && used < bytes; a++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%lld%s", a ? ", " : "[",
                                 (long long)shape[a], a + 1 == rank ? "]" : "");
    return out;
}

/* Returns the length of the name of a state's owner: the network, or the array of the method, up to
 * a dot. */
static size_t owner_length(const char *name) {
    return strcspn(name, ".");
}

static bool same_owner(const char *a, const char *b) {
    const size_t length = owner_length(a);
    return length == owner_length(b) && strncmp(a, b, length) == 0;
}

/* True if a state is the first of its owner among those that may be taken. */
static bool is_first(const CoupletProgram *p, int slot) {
    for (int i = 0; i < slot; i++)
        if (is_learned(&p->states[i]) && same_owner(p->states[i].name, p->states[slot].name))
            return false;
    return is_learned(&p->states[slot]);
}

/* Prints a line such as "encoder: 18 of 20 arrays from runs/simclr". */
static void say_owner(const Start *s, int slot) {
    const CoupletProgram *p = s->session->program;
    const char *name = p->states[slot].name;
    int taken = 0;
    int all = 0;
    char line[LINE_BYTES];
    for (int i = 0; i < p->state_count; i++) {
        if (!is_learned(&p->states[i]) || !same_owner(p->states[i].name, name)) continue;
        all++;
        taken += found_for(s, &p->states[i]) != NULL;
    }
    const int length = (int)owner_length(name);
    if (taken == all)
        snprintf(line, sizeof line, "%.*s: from %s (%d array%s)", length, name, s->path, all,
                 all == 1 ? "" : "s");
    else if (taken)
        snprintf(line, sizeof line, "%.*s: %d of %d arrays from %s", length, name, taken, all,
                 s->path);
    else
        snprintf(line, sizeof line, "%.*s: starts as the spec says", length, name);
    s->say(s->context, line);
}

/* Reports an array of the same name and another shape. This is rarely meant; it may be a head for
 * other classes. */
static void say_other_shape(const Start *s, const CoupletStateInfo *info) {
    const CoupletTensorEntry *entry =
        is_learned(info) ? couplet_tensors_find(&s->file, info->name) : NULL;
    char line[LINE_BYTES];
    char here[100];
    char there[100];
    if (!entry || same_array(entry, info)) return;
    snprintf(line, sizeof line, "%s: not taken, it is %s there and %s here", info->name,
             shape_text(entry->type, entry->rank, entry->shape, there, sizeof there),
             shape_text(info->type, info->rank, info->shape, here, sizeof here));
    s->say(s->context, line);
}

/* Reports the arrays of the file that have no place here. */
static void say_left(const Start *s) {
    const CoupletProgram *p = s->session->program;
    int left = 0;
    const char *example = NULL;
    for (int i = 0; i < s->file.count; i++) {
        const char *name = s->file.entries[i].name;
        bool known = strncmp(name, "optimiser.", 10) == 0;
        for (int k = 0; k < p->state_count; k++)
            known |= strcmp(p->states[k].name, name) == 0;
        if (known) continue;
        left++;
        if (!example) example = name;
    }
    char line[LINE_BYTES];
    if (left)
        snprintf(line, sizeof line,
                 "%d array%s of %s left out, `%s` first: the method has none of the name", left,
                 left == 1 ? " is" : "s are", s->path, example);
    if (left) s->say(s->context, line);
}

static void say_all(const Start *s) {
    const CoupletProgram *p = s->session->program;
    for (int i = 0; i < p->state_count; i++)
        if (is_first(p, i)) say_owner(s, i);
    for (int i = 0; i < p->state_count; i++)
        say_other_shape(s, &p->states[i]);
    say_left(s);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static bool entry_is_finite(const Start *s, const CoupletTensorEntry *entry) {
    const float *values = entry->data;
    for (int64_t i = 0; entry->type == COUPLET_F32 && i < entry->bytes / 4; i++) {
        if (isfinite(values[i])) continue;
        snprintf(s->error, s->error_bytes,
                 "%s: entry %lld of `%s` is %g, and a finite number was expected", s->path,
                 (long long)i, entry->name, (double)values[i]);
        return false;
    }
    return true;
}

/* True if the codes of words are the same, because what was learned about codes holds for those
 * words only. */
static bool same_codes(const Start *s) {
    const CoupletProgram *p = s->session->program;
    for (int i = 0; i < p->source_count; i++) {
        char key[300];
        snprintf(key, sizeof key, "codes:%.256s", p->sources[i].name);
        const char *there = couplet_tensors_metadata(&s->file, key);
        const char *here = s->session->codes[i];
        if (!there || !here || strcmp(there, here) == 0) continue;
        snprintf(s->error, s->error_bytes,
                 "%s: the words of `%s` have other codes there than here, so that what was learned "
                 "of them would be taken for other words; the setting like = \"PATH\" of "
                 "its reader reads one as the other",
                 s->path, p->sources[i].name);
        return false;
    }
    return true;
}

/* Reports other classes. They do not matter if only an encoder is taken, but do for a head. */
static void say_other_classes(const Start *s) {
    const CoupletProgram *p = s->session->program;
    char line[LINE_BYTES];
    char key[300];
    for (int i = 0; i < p->source_count; i++) {
        snprintf(key, sizeof key, "classes:%.256s", p->sources[i].name);
        const char *there = couplet_tensors_metadata(&s->file, key);
        const char *here = s->session->classes[i];
        if (!there || !here || strcmp(there, here) == 0) continue;
        snprintf(
            line, sizeof line,
            "note: the classes of `%.80s` are not those of %.120s, or have other numbers: what "
            "was learned of their numbers there is of other classes here",
            p->sources[i].name, s->path);
        s->say(s->context, line);
    }
}

/* Checks the whole file before anything is taken. */
static bool is_fit(const Start *s) {
    const CoupletProgram *p = s->session->program;
    int taken = 0;
    if (!same_codes(s)) return false;
    say_other_classes(s);
    for (int i = 0; i < p->state_count; i++) {
        const CoupletTensorEntry *entry = found_for(s, &p->states[i]);
        if (entry && !entry_is_finite(s, entry)) return false;
        taken += entry != NULL;
    }
    const char *example = NULL;
    for (int i = 0; i < p->state_count && !example; i++)
        if (is_learned(&p->states[i])) example = p->states[i].name;
    if (taken) return true;
    snprintf(s->error, s->error_bytes,
             "%s: none of its %d arrays has the name and the shape of one that this method learns: "
             "it has `%s`, and this method `%s`",
             s->path, s->file.count, s->file.count ? s->file.entries[0].name : "none",
             example ? example : "none");
    return false;
}

static bool send_states(const Start *s) {
    CoupletDevice *d = s->session->device;
    const CoupletProgram *p = s->session->program;
    bool good = true;
    for (int i = 0; good && i < p->state_count; i++) {
        const CoupletTensorEntry *entry = found_for(s, &p->states[i]);
        if (entry)
            good = d->calls->write(d, s->session->states[i], 0, entry->data,
                                   (int64_t)couplet_state_bytes(&p->states[i]));
    }
    if (good && d->calls->wait(d)) return true;
    snprintf(s->error, s->error_bytes, "%s: %s", d->name, d->fault.sentence);
    return false;
}

/* Finds the checkpoint of a run folder, or the file itself. */
static bool find_file(const char *from, char *path, char *error, size_t error_bytes) {
    struct stat info;
    if (stat(from, &info) == 0 && S_ISDIR(info.st_mode))
        return couplet_path_join(from, couplet_checkpoint_name, path, error, error_bytes);
    if (snprintf(path, COUPLET_PATH_BYTES, "%s", from) < COUPLET_PATH_BYTES) return true;
    snprintf(error, error_bytes, "%.100s..: a path has at most %d bytes", from,
             COUPLET_PATH_BYTES - 1);
    return false;
}

bool couplet_session_start(CoupletSession *session, const char *from,
                           void (*say)(void *context, const char *line), void *context, char *error,
                           size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    Start s = {.session = session,
               .path = from,
               .say = say,
               .context = context,
               .error = error,
               .error_bytes = error_bytes};
    if (!find_file(from, path, error, error_bytes) ||
        !couplet_tensors_read(path, &s.file, error, error_bytes))
        return false;
    const bool good = is_fit(&s) && send_states(&s);
    if (good) say_all(&s);
    couplet_tensors_free(&s.file);
    return good;
}
