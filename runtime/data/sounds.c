/* data.sounds: each sound file is a sample. The module links libsndfile and libsamplerate. */
#include "runtime/data/listed.h"
#include "runtime/data/sound.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const CoupletListingKind kind = {"sound", "WAV, FLAC, OGG, Opus, MP3, AIFF, AU, CAF, W64",
                                        couplet_sound_endings, couplet_sound_unread, false};

enum { MOST_SAMPLES = 1 << 26 };

typedef struct Sounds {
    CoupletListed listed;
    CoupletSoundWish wish;
} Sounds;

static bool read_row(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    const Sounds *s = table->state;
    char path[COUPLET_PATH_BYTES];
    couplet_listing_path(&s->listed.listing, row, path);
    const bool is_read =
        couplet_sound_read(path, &s->wish, fields[0], fields[1], error, error_bytes);
    if (!couplet_listing_same(&s->listed.listing, row, error, error_bytes) || !is_read)
        return false;
    couplet_listed_fill(&s->listed, row, fields);
    return true;
}

static void close_table(CoupletTable *table) {
    Sounds *s = table->state;
    couplet_listed_free(&s->listed);
    free(s);
    table->state = NULL;
}

static bool read_settings(Sounds *s, const CoupletRequest *request, char *error,
                          size_t error_bytes) {
    const char *cut = couplet_request_text(request, "cut");
    const double seconds = couplet_request_number(request, "seconds");
    s->wish.rate = (int32_t)couplet_request_number(request, "rate");
    s->wish.is_middle = strcmp(cut, "middle") == 0;
    if (!s->wish.is_middle && strcmp(cut, "start") != 0) {
        snprintf(error, error_bytes,
                 "`cut` of sounds is \"middle\" or \"start\", and \"%s\" is given", cut);
        return false;
    }
    s->wish.count = llround(seconds * s->wish.rate);
    if (s->wish.count >= 1 && s->wish.count <= MOST_SAMPLES) return true;
    snprintf(error, error_bytes,
             "%g seconds at a rate of %d are %lld samples; from 1 to %d were "
             "expected",
             seconds, s->wish.rate, (long long)s->wish.count, MOST_SAMPLES);
    return false;
}

static bool add_fields(Sounds *s, CoupletTable *table, char *error, size_t error_bytes) {
    if (couplet_table_add(table, "wave", COUPLET_F32, 1, &s->wish.count) &&
        couplet_table_add(table, "length", COUPLET_I32, 0, NULL))
        return couplet_listed_labels(&s->listed, &kind, table, error, error_bytes);
    snprintf(error, error_bytes, "out of memory for the fields of %s", table->name);
    return false;
}

static bool open_table(const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes) {
    Sounds *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(error, error_bytes, "out of memory for the list of files");
        return false;
    }
    out->state = s;
    if (read_settings(s, request, error, error_bytes) &&
        couplet_listed_open(&s->listed, request, &kind, out, error, error_bytes) &&
        add_fields(s, out, error, error_bytes))
        return true;
    close_table(out);
    return false;
}

static const CoupletReader sounds = {.name = "sounds",
                                     .open = open_table,
                                     .read = read_row,
                                     .column = couplet_listed_column,
                                     .name_row = couplet_listed_name_row,
                                     .close = close_table};

__attribute__((visibility("default"))) CoupletReaderModule couplet_reader_module;

const CoupletReader *couplet_reader_module(const char *name, int version) {
    if (version != COUPLET_READER_VERSION) return NULL;
    return strcmp(name, sounds.name) == 0 ? &sounds : NULL;
}
