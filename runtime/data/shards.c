/* data.shards: pictures in tar archives, after WebDataset: files that follow each other and agree
 * up to the first full stop of their names are one sample (docs/data/shards.md). */
#include "runtime/data/archive.h"
#include "runtime/data/images.h"
#include "runtime/data/listing.h"
#include "runtime/data/picture_format.h"
#include "runtime/data/vocabulary.h"
#include "runtime/hash.h"
#include "runtime/numbers.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOST_SHARDS = 100000,
    MOST_LABEL_BYTES = 1 << 20,
    MOST_CLASSES = 1 << 20,
    ENDING_BYTES = 32
};

static const char *const endings[] = {".tar",    ".tar.gz", ".tgz",     ".tar.bz2", ".tbz2",
                                      ".tar.xz", ".txz",    ".tar.zst", NULL};
static const char *const unread[] = {".zip", ".7z", ".rar", ".tar.lz4", ".tar.lz", NULL};
static const CoupletListingKind archives = {
    "archive", "tar archives, packed by gzip, bzip2, xz, zstd or not,", endings, unread, false};

typedef struct Sample {
    char *key; /* the name that its files share, such as "train/0001" */
    /* The ending of the sample's picture, such as "jpg"; "" until a picture is found. */
    char ending[8];
    int32_t shard;
    int32_t label;
    char *word;            /* the label as it is written; NULL: none */
    int64_t offset, bytes; /* the position of the sample's picture in the tar stream */
} Sample;

typedef struct Shard {
    bool packed;
    int64_t length; /* the length of the unpacked tar stream */
    /* The position of the stream in the temporary file. -1: it is not unpacked yet. */
    int64_t unpacked;
} Shard;

typedef struct Shards {
    CoupletListing listing;
    Shard *shards;   /* [listing.count] */
    Sample *samples; /* [count] */
    int64_t count;
    int64_t room;
    int size;
    bool grey;
    bool labelled;
    pthread_mutex_t lock; /* guards all members below */
    /* The file of the unpacked archives, one after the other; -1: none was needed yet. */
    int temporary;
    int64_t temporary_end;
} Shards;

/* The state of the walk through the archives. */
typedef struct Walk {
    Shards *shards;
    int32_t shard;
    char path[COUPLET_PATH_BYTES];   /* the path of the present archive */
    const char *label;               /* the setting: "cls", "txt" or "json.NAME" */
    const char *member;              /* the NAME of "json.NAME"; NULL: another kind */
    char label_ending[ENDING_BYTES]; /* "cls", "txt" or "json" */
    char *error;
    size_t error_bytes;
} Walk;

static bool out_of_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for the list of samples");
    return false;
}

/* ---- the files of a pattern ------------------------------------------------------------------ */

typedef struct Names {
    char **name;
    int64_t count;
    int64_t room;
    const char *pattern;
    char *error;
    size_t error_bytes;
} Names;

static bool add_name(Names *names, const char *name) {
    if (names->count == MOST_SHARDS) {
        snprintf(names->error, names->error_bytes, "%s: the pattern names more than %d archives",
                 names->pattern, MOST_SHARDS);
        return false;
    }
    if (names->count == names->room) {
        int64_t room = names->room ? 2 * names->room : 64;
        char **grown = realloc(names->name, (size_t)room * sizeof *grown);
        if (!grown) return out_of_memory(names->error, names->error_bytes);
        names->name = grown;
        names->room = room;
    }
    names->name[names->count] = strdup(name);
    return names->name[names->count] ? (names->count++, true)
                                     : out_of_memory(names->error, names->error_bytes);
}

static bool expand(Names *names, const char *pattern);

/* Replaces [open, close] of the pattern by a text, and expands the result. */
static bool expand_with(Names *names, const char *pattern, const char *open, const char *close,
                        const char *text, int length) {
    char whole[COUPLET_PATH_BYTES];
    int count = snprintf(whole, sizeof whole, "%.*s%.*s%s", (int)(open - pattern), pattern, length,
                         text, close + 1);
    if (count < (int)sizeof whole) return expand(names, whole);
    snprintf(names->error, names->error_bytes, "%s: the pattern names paths longer than %d bytes",
             names->pattern, COUPLET_PATH_BYTES);
    return false;
}

static bool is_digits(const char *text, size_t length) {
    return length > 0 && length < 10 && strspn(text, "0123456789") >= length;
}

/* Expands "{000..127}", with leading zeros as in the first number. */
static bool expand_numbers(Names *names, const char *pattern, const char *open, const char *dots,
                           const char *close) {
    size_t width = (size_t)(dots - open - 1);
    long first = strtol(open + 1, NULL, 10);
    long last = strtol(dots + 2, NULL, 10);
    if (first > last) {
        snprintf(
            names->error, names->error_bytes,
            "%s: the numbers of the pattern go from %ld down to %ld; the smaller one stands first",
            names->pattern, first, last);
        return false;
    }
    for (long number = first; number <= last; number++) {
        char text[24];
        int length = snprintf(text, sizeof text, "%0*ld", (int)width, number);
        if (!expand_with(names, pattern, open, close, text, length)) return false;
    }
    return true;
}

/* Expands "{train,valid}". */
static bool expand_words(Names *names, const char *pattern, const char *open, const char *close) {
    for (const char *at = open + 1;; at++) {
        const char *end = at + strcspn(at, ",}");
        if (!expand_with(names, pattern, open, close, at, (int)(end - at))) return false;
        if (end == close) return true;
        at = end;
    }
}

/* Adds the names that a pattern stands for. The first brace is expanded, and the rest of the
 * pattern once for each of its choices. */
static bool expand(Names *names, const char *pattern) {
    const char *open = strchr(pattern, '{');
    const char *close = open ? strchr(open, '}') : NULL;
    if (!open) return add_name(names, pattern);
    if (!close) {
        snprintf(names->error, names->error_bytes, "%s: a brace of the pattern is not closed",
                 names->pattern);
        return false;
    }
    const char *dots = strstr(open, "..");
    bool numbers = dots && dots < close && is_digits(open + 1, (size_t)(dots - open - 1)) &&
                   is_digits(dots + 2, (size_t)(close - dots - 2));
    return numbers ? expand_numbers(names, pattern, open, dots, close)
                   : expand_words(names, pattern, open, close);
}

/* Lists the archives of a pattern such as "shards/train-{000..127}.tar". */
static bool list_pattern(const char *pattern, CoupletListing *out, char *error,
                         size_t error_bytes) {
    char folder[COUPLET_PATH_BYTES];
    const char *slash = strchr(pattern, '{');
    while (slash > pattern && *slash != '/')
        slash--;
    bool in_folder = *slash == '/';
    Names names = {.pattern = pattern, .error = error, .error_bytes = error_bytes};
    snprintf(folder, sizeof folder, "%.*s",
             in_folder ? (int)(slash - pattern) + (slash == pattern) : 1,
             in_folder ? pattern : ".");
    bool good = expand(&names, in_folder ? slash + 1 : pattern);
    int64_t *lines = good ? calloc((size_t)names.count, sizeof *lines) : NULL;
    for (int64_t i = 0; lines && i < names.count; i++)
        lines[i] = i + 1;
    if (good && !lines) good = out_of_memory(error, error_bytes);
    good = good && couplet_listing_of(out, folder, (const char *const *)names.name, lines,
                                      names.count, pattern, error, error_bytes);
    for (int64_t i = 0; i < names.count; i++)
        free(names.name[i]);
    free(names.name);
    free(lines);
    return good;
}

/* ---- samples --------------------------------------------------------------------------------- */

/* Returns sample number `count` - 1, to which the next members belong if they have its key. */
static Sample *last_sample(Walk *w) {
    Shards *s = w->shards;
    Sample *last = s->count ? &s->samples[s->count - 1] : NULL;
    return last && last->shard == w->shard ? last : NULL;
}

static bool is_whole_sample(const Walk *w, const Sample *sample) {
    if (!sample || *sample->ending) return true;
    snprintf(w->error, w->error_bytes,
             "%s: the sample `%s` has no picture (.jpg, .jpeg, .png or .webp); the files of a "
             "sample follow each other in the archive",
             w->path, sample->key);
    return false;
}

/* Begins a sample, once the one before it is whole. */
static bool begin_sample(Walk *w, const char *key, size_t length) {
    Shards *s = w->shards;
    if (!is_whole_sample(w, last_sample(w))) return false;
    if (s->count == s->room) {
        int64_t room = s->room ? 2 * s->room : 1024;
        Sample *grown = realloc(s->samples, (size_t)room * sizeof *grown);
        if (!grown) return out_of_memory(w->error, w->error_bytes);
        s->samples = grown;
        s->room = room;
    }
    if (s->count == INT32_MAX) {
        snprintf(w->error, w->error_bytes, "%s: there are more than %d samples", w->path,
                 INT32_MAX);
        return false;
    }
    char *copy = strndup(key, length);
    if (!copy) return out_of_memory(w->error, w->error_bytes);
    s->samples[s->count++] = (Sample){.key = copy, .shard = w->shard};
    return true;
}

static bool is_picture(const char *ending) {
    static const char *const kinds[] = {"jpg", "jpeg", "jpe", "png", "webp"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(ending, kinds[i]) == 0) return true;
    return false;
}

static bool set_picture(const Walk *w, Sample *sample, const CoupletMember *member,
                        const char *ending) {
    if (*sample->ending) {
        snprintf(w->error, w->error_bytes, "%s: the sample `%s` has two pictures, .%s and .%s",
                 w->path, sample->key, sample->ending, ending);
        return false;
    }
    snprintf(sample->ending, sizeof sample->ending, "%.7s", ending);
    sample->offset = member->offset;
    sample->bytes = member->bytes;
    return true;
}

/* Returns a member of a JSON object as a text: a string, a whole number, true or false. Returns
 * NULL with a sentence. */
static char *json_label(const Walk *w, const Sample *sample, const char *text) {
    json_error_t reason;
    json_t *object = json_loads(text, 0, &reason);
    json_t *value = json_object_get(object, w->member);
    char number[32];
    char *copy = NULL;
    snprintf(number, sizeof number, "%lld",
             json_is_integer(value) ? (long long)json_integer_value(value)
                                    : (long long)json_is_true(value));
    if (!object)
        snprintf(w->error, w->error_bytes, "%s: %s.json, line %d: %s", w->path, sample->key,
                 reason.line, reason.text);
    else if (!value)
        snprintf(w->error, w->error_bytes,
                 "%s: %s.json has no `%s`, and label = \"%s\" asks for it", w->path, sample->key,
                 w->member, w->label);
    else if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value))
        snprintf(w->error, w->error_bytes,
                 "%s: `%s` of %s.json is no text, whole number, true or false", w->path, w->member,
                 sample->key);
    else {
        copy = strdup(json_is_string(value) ? json_string_value(value) : number);
        if (!copy) out_of_memory(w->error, w->error_bytes);
    }
    json_decref(object);
    return copy;
}

/* Takes the label of a sample from a member: its text, or an entry of its JSON object. */
static bool set_label(const Walk *w, Sample *sample, const CoupletMember *member) {
    if (sample->word) {
        snprintf(w->error, w->error_bytes, "%s: the sample `%s` has .%s twice", w->path,
                 sample->key, w->label_ending);
        return false;
    }
    char *text = couplet_member_text(member, w->path, MOST_LABEL_BYTES, w->error, w->error_bytes);
    if (text && w->member) {
        char *found = json_label(w, sample, text);
        free(text);
        text = found;
    }
    sample->word = text;
    if (text && !*text) {
        snprintf(w->error, w->error_bytes, "%s: the label of the sample `%s` is empty", w->path,
                 sample->key);
        return false;
    }
    return text != NULL;
}

/* True if the keys of samples differ. Unpacking the archive would replace a file by a second one of
 * the same name. */
static bool keys_differ(const Walk *w, int64_t first) {
    const Shards *s = w->shards;
    CoupletWords keys = {.count = 0};
    bool good = true;
    for (int64_t i = first; good && i < s->count; i++) {
        const char *key = s->samples[i].key;
        const int32_t added = couplet_words_add(&keys, key, strlen(key));
        good = added == i - first;
        if (added < 0)
            out_of_memory(w->error, w->error_bytes);
        else if (!good)
            snprintf(w->error, w->error_bytes,
                     "%s: the sample `%s` is in it twice, apart from each other", w->path, key);
    }
    couplet_words_free(&keys);
    return good;
}

/* True if the name has a key and an ending. Hidden files have none, nor do files that macOS
 * adds. */
static bool split_name(const char *name, size_t *key, char *ending) {
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *dot = strchr(base, '.');
    if (!dot || dot == base || strlen(dot + 1) >= ENDING_BYTES) return false;
    *key = (size_t)(dot - name);
    for (dot++; *dot; dot++)
        *ending++ = (char)tolower((unsigned char)*dot);
    *ending = 0;
    return true;
}

/* Takes a member of an archive. Members that follow each other with the same key are one sample. */
static bool visit_member(void *context, const CoupletMember *member) {
    Walk *w = context;
    size_t length;
    char ending[ENDING_BYTES];
    if (!split_name(member->name, &length, ending)) return true;
    Sample *sample = last_sample(w);
    bool goes_on =
        sample && strlen(sample->key) == length && strncmp(sample->key, member->name, length) == 0;
    if (!goes_on) {
        if (!begin_sample(w, member->name, length)) return false;
        sample = last_sample(w);
    }
    if (is_picture(ending)) return set_picture(w, sample, member, ending);
    return strcmp(ending, w->label_ending) != 0 || set_label(w, sample, member);
}

static bool walk_archives(Walk *w) {
    Shards *s = w->shards;
    for (int64_t i = 0; i < s->listing.count; i++) {
        Shard *shard = &s->shards[i];
        const int64_t first = s->count;
        w->shard = (int32_t)i;
        if (!couplet_listing_path(&s->listing, i, w->path))
            return out_of_memory(w->error, w->error_bytes);
        shard->unpacked = -1;
        if (!couplet_archive_walk(w->path, visit_member, w, &shard->packed, &shard->length,
                                  w->error, w->error_bytes))
            return false;
        if (!is_whole_sample(w, last_sample(w)) || !keys_differ(w, first)) return false;
    }
    return true;
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* True if all samples have a label, or none has. */
static bool all_are_labelled(const Shards *s, const Walk *w) {
    for (int64_t i = 0; i < s->count; i++) {
        if ((s->samples[i].word != NULL) == s->labelled) continue;
        const Sample *first = &s->samples[0];
        const Sample *other = &s->samples[i];
        const Sample *without = s->labelled ? other : first;
        const Sample *with = s->labelled ? first : other;
        snprintf(w->error, w->error_bytes,
                 "%s: the sample `%s` has no .%s, and `%s` has one; each sample has a label, or "
                 "none has",
                 s->listing.files[without->shard].path, without->key, w->label_ending, with->key);
        return false;
    }
    return true;
}

/* Numbers the labels as numbers, because the first one is a number. */
static bool number_labels(Shards *s, CoupletField *field, const Walk *w) {
    int64_t most = 0;
    int64_t least = 0;
    int64_t value;
    for (int64_t i = 0; i < s->count; i++) {
        Sample *sample = &s->samples[i];
        if (!couplet_read_whole(sample->word, INT32_MIN, INT32_MAX, &value)) {
            snprintf(w->error, w->error_bytes,
                     "%s: the label of the sample `%s` is `%.40s`, and that of the first is a "
                     "number; a whole number of 32 bits was expected",
                     s->listing.files[sample->shard].path, sample->key, sample->word);
            return false;
        }
        sample->label = (int32_t)value;
        most = value > most ? value : most;
        least = value < least ? value : least;
    }
    field->classes = least >= 0 && most < MOST_CLASSES ? most + 1 : 0;
    return true;
}

static const Sample *first_with(const Shards *s, const char *word) {
    int64_t i = 0;
    while (strcmp(s->samples[i].word, word) != 0)
        i++;
    return &s->samples[i];
}

static bool refuse_alike(const Shards *s, const CoupletWords *words, const int32_t pair[2],
                         const Walk *w) {
    const Sample *a = first_with(s, words->words[pair[0]].text);
    const Sample *b = first_with(s, words->words[pair[1]].text);
    snprintf(w->error, w->error_bytes,
             "%s: the labels `%.40s` of the sample `%s` and `%.40s` of `%s` are one number; "
             "classes are told by their texts, so write them alike",
             s->listing.files[a->shard].path, a->word, a->key, b->word, b->key);
    return false;
}

/* Numbers the words in the order of names. */
static bool number_words(Shards *s, const CoupletWords *words, CoupletField *field, const Walk *w) {
    int32_t *codes = malloc(((size_t)words->count + 1) * sizeof *codes);
    int32_t pair[2];
    int32_t *order = malloc(((size_t)words->count + 1) * sizeof *order);
    const char **names = malloc(((size_t)words->count + 1) * sizeof *names);
    const int32_t classes =
        codes && order && names ? couplet_words_by_name(words, codes, order) : -1;
    for (int32_t c = 0; c < classes; c++)
        names[c] = words->words[order[c]].text;
    for (int64_t i = 0; classes >= 0 && i < s->count; i++)
        s->samples[i].label = codes[s->samples[i].label];
    bool good = (classes >= 0 && couplet_field_classes(field, names, classes)) ||
                out_of_memory(w->error, w->error_bytes);
    if (good && couplet_words_alike(words, order, classes, pair))
        good = refuse_alike(s, words, pair, w);
    free(codes);
    free(order);
    free(names);
    return good;
}

/* Numbers the labels as words. */
static bool name_labels(Shards *s, CoupletField *field, const Walk *w) {
    CoupletWords words = {.count = 0};
    bool good = true;
    for (int64_t i = 0; good && i < s->count; i++) {
        Sample *sample = &s->samples[i];
        sample->label = couplet_words_add(&words, sample->word, strlen(sample->word));
        good = sample->label >= 0;
    }
    good = good ? number_words(s, &words, field, w) : out_of_memory(w->error, w->error_bytes);
    couplet_words_free(&words);
    return good;
}

static bool make_labels(Shards *s, const Walk *w, bool asked, CoupletTable *out) {
    int64_t value;
    s->labelled = s->samples[0].word != NULL;
    if (!all_are_labelled(s, w)) return false;
    if (!s->labelled && asked) {
        snprintf(w->error, w->error_bytes, "%s: no sample has .%s, and label = \"%s\" asks for it",
                 out->name, w->label_ending, w->label);
        return false;
    }
    if (!s->labelled) return true;
    CoupletField *field = couplet_table_add(out, "label", COUPLET_I32, 0, NULL);
    if (!field) return out_of_memory(w->error, w->error_bytes);
    return couplet_read_whole(s->samples[0].word, INT64_MIN, INT64_MAX, &value)
               ? number_labels(s, field, w)
               : name_labels(s, field, w);
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool is_pattern(const char *path) {
    struct stat info;
    return path && strchr(path, '{') && stat(path, &info) != 0;
}

static bool list_archives(const CoupletRequest *request, Shards *s, CoupletTable *out, char *error,
                          size_t error_bytes) {
    if (!is_pattern(request->path))
        return couplet_images_place(request, out, error, error_bytes) &&
               couplet_listing_read(&s->listing, request->path, &archives, error, error_bytes);
    if (!list_pattern(request->path, &s->listing, error, error_bytes)) return false;
    const char *slash = strrchr(request->path, '/');
    char folder[COUPLET_PATH_BYTES];
    snprintf(out->name, sizeof out->name, "%s", slash ? slash + 1 : request->path);
    if (!couplet_path_absolute(s->listing.root, folder, error, error_bytes)) return false;
    return couplet_path_join(folder, out->name, out->path, error, error_bytes);
}

/* Sets the kind of the label. "json.NAME" has the ending json, and NAME. */
static bool set_label_kind(Walk *w, const char *label) {
    w->label = label;
    bool is_json = strncmp(label, "json.", 5) == 0 && label[5];
    w->member = is_json ? label + 5 : NULL;
    if (is_json || strcmp(label, "cls") == 0 || strcmp(label, "txt") == 0) {
        snprintf(w->label_ending, sizeof w->label_ending, "%s", is_json ? "json" : label);
        return true;
    }
    snprintf(w->error, w->error_bytes,
             "`label` of shards is \"%s\"; \"cls\", \"txt\" or \"json.NAME\" was expected", label);
    return false;
}

static uint64_t key_of(const Shards *s, const Walk *w) {
    const int64_t settings[3] = {COUPLET_PICTURE_VERSION, s->size, s->grey};
    uint64_t key = couplet_hash(couplet_listing_key(&s->listing, COUPLET_HASH_START), settings,
                                sizeof settings);
    for (int64_t i = 0; i < s->count; i++)
        key = couplet_hash(key, &s->samples[i].label, sizeof s->samples[i].label);
    return couplet_hash(key, w->label, strlen(w->label));
}

static void free_shards(Shards *s) {
    for (int64_t i = 0; i < s->count; i++) {
        free(s->samples[i].key);
        free(s->samples[i].word);
    }
    couplet_listing_free(&s->listing);
    if (s->temporary >= 0) close(s->temporary);
    pthread_mutex_destroy(&s->lock);
    free(s->samples);
    free(s->shards);
    free(s);
}

static void close_shards(CoupletTable *table) {
    free_shards(table->state);
}

static bool fill_table(Shards *s, const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes) {
    Walk w = {.shards = s, .error = error, .error_bytes = error_bytes};
    if (!set_label_kind(&w, couplet_request_text(request, "label")) ||
        !list_archives(request, s, out, error, error_bytes))
        return false;
    s->shards = calloc((size_t)s->listing.count, sizeof *s->shards);
    if (!s->shards) return out_of_memory(error, error_bytes);
    if (!walk_archives(&w)) return false;
    if (!s->count) {
        snprintf(error, error_bytes,
                 "%s: there is no sample in it: files like 0001.jpg and 0001.cls were expected",
                 out->name);
        return false;
    }
    if (!couplet_images_field(out, s->size, s->grey, error, error_bytes) ||
        !make_labels(s, &w, couplet_request_gives(request, "label") && !request->unlabelled, out))
        return false;
    out->held = s->count;
    out->changed = s->listing.changed;
    out->key = key_of(s, &w);
    return true;
}

static bool open_shards(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes) {
    Shards *s = calloc(1, sizeof *s);
    if (!s) return out_of_memory(error, error_bytes);
    s->temporary = -1;
    pthread_mutex_init(&s->lock, NULL);
    s->size = (int)couplet_request_number(request, "size");
    s->grey = couplet_request_number(request, "grey") != 0;
    out->state = s;
    if (fill_table(s, request, out, error, error_bytes)) return true;
    free_shards(s);
    return false;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Opens a file without a name in the folder for temporary files, or returns -1 with a sentence. */
static int open_temporary(char *error, size_t error_bytes) {
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/var/tmp";
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
        snprintf(error, error_bytes,
                 "%s: no temporary file can be made here, which TMPDIR names: %s", folder,
                 strerror(errno));
    return file;
}

/* Finds the position of a packed archive's stream in the temporary file. The archive is unpacked
 * when its first row is read. */
static bool unpacked(Shards *s, int64_t number, const char *path, int64_t *at, char *error,
                     size_t error_bytes) {
    Shard *shard = &s->shards[number];
    pthread_mutex_lock(&s->lock);
    if (s->temporary < 0) {
        s->temporary = open_temporary(error, error_bytes);
    }
    bool good = s->temporary >= 0;
    if (good && shard->unpacked < 0) {
        int64_t start = s->temporary_end;
        good = couplet_archive_unpack(path, shard->length, s->temporary, &s->temporary_end, error,
                                      error_bytes);
        if (good) shard->unpacked = start;
    }
    *at = shard->unpacked;
    pthread_mutex_unlock(&s->lock);
    return good;
}

static bool read_bytes(int file, uint8_t *bytes, size_t count, int64_t at) {
    while (count) {
        ssize_t got = pread(file, bytes, count, at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        count -= (size_t)got;
        at += got;
    }
    return true;
}

static bool read_member(Shards *s, const Sample *sample, const char *path, uint8_t *bytes,
                        char *error, size_t error_bytes) {
    int64_t start = 0;
    const Shard *shard = &s->shards[sample->shard];
    if (shard->packed && !unpacked(s, sample->shard, path, &start, error, error_bytes))
        return false;
    int file = shard->packed ? s->temporary : open(path, O_RDONLY | O_CLOEXEC);
    errno = 0;
    bool good = file >= 0 && read_bytes(file, bytes, (size_t)sample->bytes, start + sample->offset);
    if (!good)
        snprintf(error, error_bytes, "%s: `%s.%s` in it cannot be read: %s", path, sample->key,
                 sample->ending, errno ? strerror(errno) : "the archive ends too early");
    if (file >= 0 && !shard->packed) close(file);
    return good;
}

static bool read_row(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    Shards *s = table->state;
    const Sample *sample = &s->samples[row];
    char path[COUPLET_PATH_BYTES];
    char name[2 * COUPLET_PATH_BYTES];
    couplet_listing_path(&s->listing, sample->shard, path);
    snprintf(name, sizeof name, "%s: %s.%s", path, sample->key, sample->ending);
    if (sample->bytes < 1 || sample->bytes > COUPLET_PICTURE_BYTES) {
        snprintf(error, error_bytes, "%s: the picture has %lld bytes; from 1 to %d are read", name,
                 (long long)sample->bytes, COUPLET_PICTURE_BYTES);
        return false;
    }
    uint8_t *bytes = malloc((size_t)sample->bytes);
    if (!bytes) {
        snprintf(error, error_bytes, "%s: out of memory for %lld bytes", name,
                 (long long)sample->bytes);
        return false;
    }
    const CoupletPicture picture = {
        bytes, (size_t)sample->bytes, name, s->size, s->grey, fields[0], error, error_bytes};
    bool good =
        read_member(s, sample, path, bytes, error, error_bytes) && couplet_picture_read(&picture);
    free(bytes);
    if (good && s->labelled) {
        memcpy(fields[1], &sample->label, sizeof sample->label);
    }
    return good;
}

static void name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes) {
    const Shards *s = table->state;
    const Sample *sample = &s->samples[row];
    char path[COUPLET_PATH_BYTES];
    couplet_listing_path(&s->listing, sample->shard, path);
    snprintf(out, bytes, "%s: %s.%s", path, sample->key, sample->ending);
}

const CoupletReader couplet_reader_shards = {.name = "shards",
                                             .open = open_shards,
                                             .read = read_row,
                                             .name_row = name_row,
                                             .close = close_shards};
