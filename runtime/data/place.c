/* Turns the place of a source, by the spec and by --data, into the path that is opened. If --data
 * gives a folder, it holds every source without a place of its own. Otherwise relative paths start
 * from the spec's folder.
 *
 * A --data that places nothing is an error, since a typing mistake would otherwise read other data
 * than was meant. */
#include "runtime/data/place.h"

#include <stdio.h>
#include <string.h>

enum {
    PATH,
    SPLIT,
};
static const struct {
    const char *reader;
    int first;
} firsts[] = {
#define READER(name, module, first, summary) {#name, first},
#include "runtime/data/readers.def"
};

static bool takes_split(const char *reader) {
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        if (strcmp(firsts[i].reader, reader) == 0) return firsts[i].first == SPLIT;
    return false;
}

/* Returns the path in "NAME=PATH", or NULL if the text places another source or is a folder. */
static const char *given_path(const char *given, const char *name) {
    const size_t length = strlen(name);
    return strncmp(given, name, length) == 0 && given[length] == '=' ? given + length + 1 : NULL;
}

/* True for a text "name=..", with a name that a spec may have. A folder of that name can be given
 * as "./name=..". */
static bool names_source(const char *given) {
    const size_t length =
        strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return length > 0 && given[length] == '=';
}

static const char *given_folder(const CoupletPlaces *places) {
    for (int i = 0; places && i < places->given_count; i++)
        if (!names_source(places->given[i])) return places->given[i];
    return NULL;
}

static const char *named_place(const char *const *list, int count, const char *source) {
    for (int i = 0; i < count; i++)
        if (given_path(list[i], source)) return given_path(list[i], source);
    return NULL;
}

static const char *named_given(const CoupletPlaces *places, const char *source) {
    return named_place(places->given, places->given_count, source);
}

/* Returns the text that places a source: its own, or a folder, which holds all sources without a
 * place of their own. */
static const char *given_for(const CoupletPlaces *places, const char *source) {
    if (!places) return NULL;
    const char *given = named_given(places, source);
    return given || given_folder(places) ? given
                                         : named_place(places->was, places->was_count, source);
}

/* ---- whether all that is given means something ----------------------------------------------- */

static bool refuse_name(const char *given, const CoupletSource *sources, int count, char *error,
                        size_t error_bytes) {
    int at = snprintf(error, error_bytes, "--data %s: there is no data of this name", given);
    for (int i = 0; i < count && at > 0 && (size_t)at < error_bytes; i++)
        at += snprintf(error + at, error_bytes - (size_t)at, "%s%s",
                       i == 0          ? "; there is "
                       : i + 1 < count ? ", "
                                       : " and ",
                       sources[i].name);
    return false;
}

bool couplet_places_fit(const CoupletPlaces *places, const CoupletSource *sources, int count,
                        char *error, size_t error_bytes) {
    const char *folder = NULL;
    for (int i = 0; places && i < places->given_count; i++) {
        const char *given = places->given[i];
        if (!names_source(given)) {
            if (folder) {
                snprintf(error, error_bytes,
                         "--data gives two folders, %s and %s, and one is expected; --data "
                         "NAME=PATH places one source",
                         folder, given);
                return false;
            }
            folder = given;
            continue;
        }
        const CoupletSource *found = NULL;
        for (int k = 0; k < count; k++)
            if (given_path(given, sources[k].name)) found = &sources[k];
        if (!found) return refuse_name(given, sources, count, error, error_bytes);
        const char *path = given_path(given, found->name);
        if (!*path) {
            snprintf(error, error_bytes, "--data %s: a path is expected after the `=`", given);
            return false;
        }
        for (int k = 0; k < i; k++) {
            if (!given_path(places->given[k], found->name)) continue;
            snprintf(error, error_bytes, "--data gives two places for `%s`: %s and %s", found->name,
                     given_path(places->given[k], found->name), path);
            return false;
        }
    }
    return true;
}

/* ---- the request of a source ----------------------------------------------------------------- */

static bool copy_path(const char *from, size_t length, const char *rest, char *out, char *error,
                      size_t error_bytes) {
    const int written = snprintf(out, COUPLET_PATH_BYTES, "%.*s%s%s", (int)length, from,
                                 length && from[length - 1] != '/' ? "/" : "", rest);
    if (written < COUPLET_PATH_BYTES) return true;
    snprintf(error, error_bytes, "%.200s..: a path has at most %d bytes", rest,
             COUPLET_PATH_BYTES - 1);
    return false;
}

/* Resolves the path in the spec, from the folder of --data or from that of the spec. */
static bool resolve(const CoupletPlaces *places, const char *written, char *out, char *error,
                    size_t error_bytes) {
    const char *folder = given_folder(places);
    const char *spec = places ? places->spec : NULL;
    const char *slash = spec ? strrchr(spec, '/') : NULL;
    if (*written == '/') return copy_path("", 0, written, out, error, error_bytes);
    if (folder) return copy_path(folder, strlen(folder), written, out, error, error_bytes);
    return copy_path(spec ? spec : "", slash ? (size_t)(slash - spec) + 1 : 0, written, out, error,
                     error_bytes);
}

bool couplet_place_path(const CoupletPlaces *places, const char *written,
                        char out[COUPLET_PATH_BYTES], char *error, size_t error_bytes) {
    return resolve(places, written, out, error, error_bytes);
}

static const char *kept_text(const CoupletPlaces *places, const char *prefix, const char *source) {
    char key[300];
    snprintf(key, sizeof key, "%s:%.256s", prefix, source);
    return places && places->kept ? couplet_tensors_metadata(places->kept, key) : NULL;
}

bool couplet_place_request(const CoupletPlaces *places, const CoupletSource *source,
                           char path[COUPLET_PATH_BYTES], CoupletRequest *out, char *error,
                           size_t error_bytes) {
    const bool split = takes_split(source->reader);
    const char *named = given_for(places, source->name);
    const char *folder = named ? named : split ? given_folder(places) : NULL;
    *out = (CoupletRequest){.reader = source->reader,
                            .settings = source->settings,
                            .setting_count = source->setting_count,
                            .claim = source->claim,
                            .claim_count = source->claim_count};
    out->classes = kept_text(places, "classes", source->name);
    /* Data that was not given by an option is the training's, whose codes come from its own
     * words. */
    if (places && places->given_count &&
        (named_given(places, source->name) || given_folder(places)))
        out->codes = kept_text(places, "codes", source->name);
    if (split) out->split = source->path;
    if (split && !folder) return true;
    out->path = path;
    if (folder) return copy_path("", 0, folder, path, error, error_bytes);
    return resolve(places, source->path, path, error, error_bytes);
}
