/* data.clips: videos, as files or as folders of frames. The module links FFmpeg's libraries, and
 * the decoders of pictures for frames in folders. */
#include "runtime/data/clip.h"
#include "runtime/data/listed.h"
#include "runtime/data/picture_format.h"
#include "runtime/hash.h"

#include <libavutil/log.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VIDEOS                                                                                     \
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",      \
        ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv"
#define FRAMES ".jpg", ".jpe", ".jpeg", ".jfif", ".png", ".webp"

static const char *const endings[] = {VIDEOS, FRAMES, NULL};
static const char *const frame_endings[] = {FRAMES, NULL};
static const char *const unread[] = {".bmp",  ".rm",  ".rmvb", ".swf", ".tif",
                                     ".tiff", ".y4m", ".yuv",  NULL};
static const CoupletListingKind kind = {
    "video or frame", "video files, and frames in JPEG, PNG or WebP,", endings, unread, false};

/* A video: a file of the listing, or the frames in one folder. */
typedef struct Source {
    /* Where the video's frames are in `frames`, in their order. If `count` is 0, the video is the
     * one file frames[first]. */
    int64_t first;
    int64_t count;
} Source;

typedef struct Clips {
    CoupletListed videos; /* the rows: a video for each */
    CoupletListing files; /* all files that were found */
    Source *sources;      /* [videos.listing.count] */
    int64_t *frames;      /* numbers of files */
    CoupletClipWish wish; /* how clips are made; its member `clip` is set for each clip */
} Clips;

/* ---- from files to videos ------------------------------------------------------------------- */

static bool is_picture(const char *path) {
    const char *dot = strrchr(path, '.');
    for (const char *const *ending = frame_endings; dot && *ending; ending++)
        if (strcasecmp(dot, *ending) == 0) return true;
    return false;
}

static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Compares names as people do: 2 comes before 10, as the writers of frames mean it. */
static int by_number(const char *a, const char *b) {
    while (*a && *b) {
        if (!is_digit(*a) || !is_digit(*b)) {
            if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
            continue;
        }
        while (*a == '0' && is_digit(a[1]))
            a++;
        while (*b == '0' && is_digit(b[1]))
            b++;
        size_t digits_a = 0;
        size_t digits_b = 0;
        while (is_digit(a[digits_a]))
            digits_a++;
        while (is_digit(b[digits_b]))
            digits_b++;
        if (digits_a != digits_b) return digits_a < digits_b ? -1 : 1;
        const int order = memcmp(a, b, digits_a);
        if (order) return order;
        a += digits_a;
        b += digits_b;
    }
    return (*a != 0) - (*b != 0);
}

/* A file that will be a video or a frame of one. */
typedef struct Entry {
    const char *path;
    size_t folder; /* length of its folder's part */
    int64_t file;
    bool is_frame;
} Entry;

static int by_folder(const Entry *a, const Entry *b) {
    const size_t shorter = a->folder < b->folder ? a->folder : b->folder;
    const int order = memcmp(a->path, b->path, shorter);
    return order ? order : (a->folder > b->folder) - (a->folder < b->folder);
}

/* Sorts files so that the frames of a folder follow each other; the order is arbitrary
 * otherwise. */
static int by_place(const void *x, const void *y) {
    const Entry *a = x;
    const Entry *b = y;
    if (a->is_frame != b->is_frame) return a->is_frame ? -1 : 1;
    int order = a->is_frame ? by_folder(a, b) : 0;
    if (!order && a->is_frame) {
        order = by_number(a->path + a->folder, b->path + b->folder);
    }
    return order ? order : strcmp(a->path, b->path);
}

static bool out_of_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for the list of videos");
    return false;
}

static Entry *sorted_entries(const CoupletListing *files) {
    Entry *entries = malloc((size_t)files->count * sizeof *entries);
    for (int64_t i = 0; entries && i < files->count; i++) {
        const char *path = files->files[i].path;
        const bool is_frame = *files->root && is_picture(path);
        entries[i] = (Entry){path, folder_length(path), i, is_frame};
    }
    if (entries) {
        qsort(entries, (size_t)files->count, sizeof *entries, by_place);
    }
    return entries;
}

/* A video that will be a row of the table. */
typedef struct Row {
    char *path;
    Source source;
} Row;

static int by_path(const void *a, const void *b) {
    return strcmp(((const Row *)a)->path, ((const Row *)b)->path);
}

static char *video_path(const Entry *entry) {
    if (!entry->is_frame) return strdup(entry->path);
    return entry->folder ? strndup(entry->path, entry->folder) : strdup(".");
}

/* Returns the number of files that make the video which begins with entries[i]. */
static int64_t length_of(const Entry *entries, int64_t i, int64_t count) {
    int64_t length = 1;
    if (!entries[i].is_frame) return 1;
    while (i + length < count && entries[i + length].is_frame &&
           by_folder(&entries[i], &entries[i + length]) == 0)
        length++;
    return length;
}

/* Makes a video of each video file and of the frames of each folder, in the order of paths. Returns
 * memory from malloc, or NULL if memory is out. */
static Row *make_rows(const Entry *entries, int64_t count, int64_t *rows) {
    Row *made = malloc((size_t)count * sizeof *made);
    *rows = 0;
    for (int64_t i = 0; made && i < count;) {
        const int64_t length = length_of(entries, i, count);
        Row *row = &made[(*rows)++];
        *row = (Row){video_path(&entries[i]), {i, entries[i].is_frame ? length : 0}};
        if (!row->path) {
            while (*rows)
                free(made[--*rows].path);
            free(made);
            return NULL;
        }
        i += length;
    }
    if (made) qsort(made, (size_t)*rows, sizeof *made, by_path);
    return made;
}

/* Takes over the paths of the rows, which `c` then owns. Returns false if memory is out. */
static bool take_rows(Clips *c, Row *rows, int64_t count) {
    CoupletListing *videos = &c->videos.listing;
    memcpy(videos->root, c->files.root, sizeof videos->root);
    videos->files = calloc((size_t)count, sizeof *videos->files);
    c->sources = malloc((size_t)count * sizeof *c->sources);
    for (int64_t i = 0; i < count; i++) {
        if (!videos->files || !c->sources) {
            free(rows[i].path);
            continue;
        }
        videos->files[i].path = rows[i].path;
        c->sources[i] = rows[i].source;
        videos->count = count;
    }
    /* The class folders are taken over, too, so that one without a video is found. */
    videos->folders = c->files.folders;
    videos->folder_count = c->files.folder_count;
    c->files.folders = NULL;
    c->files.folder_count = 0;
    return videos->files && c->sources;
}

/* True if videos do not overlap. A folder of frames with videos in it, or beside the frames, is a
 * mistake. */
static bool are_apart(const Clips *c, char *error, size_t error_bytes) {
    const CoupletListing *videos = &c->videos.listing;
    for (int64_t i = 0; i < videos->count; i++) {
        const char *path = videos->files[i].path;
        const size_t length = strlen(path);
        if (!c->sources[i].count) continue;
        const bool is_root = strcmp(path, ".") == 0;
        for (int64_t k = is_root ? 0 : i + 1; k < videos->count; k++) {
            const char *other = videos->files[k].path;
            if (k == i) continue;
            if (!is_root && strncmp(other, path, length) != 0) break;
            if (!is_root && other[length] != '/') continue;
            snprintf(error, error_bytes,
                     "%s/%s: the folder has pictures in it, so it is one video, and "
                     "it also holds `%s`; move one of the two away",
                     videos->root, path, other);
            return false;
        }
    }
    return true;
}

static bool group_files(Clips *c, char *error, size_t error_bytes) {
    int64_t count = 0;
    Entry *entries = sorted_entries(&c->files);
    Row *rows = entries ? make_rows(entries, c->files.count, &count) : NULL;
    c->frames = malloc((size_t)c->files.count * sizeof *c->frames);
    const bool is_taken = rows && take_rows(c, rows, count);
    for (int64_t i = 0; c->frames && entries && i < c->files.count; i++)
        c->frames[i] = entries[i].file;
    free(entries);
    free(rows);
    if (!is_taken || !c->frames) return out_of_memory(error, error_bytes);
    return are_apart(c, error, error_bytes);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static bool read_frame(const Clips *c, int64_t file, uint8_t *out, char *error,
                       size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    size_t length;
    couplet_listing_path(&c->files, file, path);
    uint8_t *bytes =
        couplet_listing_bytes(path, COUPLET_PICTURE_BYTES, &length, error, error_bytes);
    if (!bytes) return false;
    const CoupletPicture picture = {bytes, length, path,  c->wish.size,
                                    false, out,    error, error_bytes};
    const bool is_read = couplet_picture_read(&picture);
    free(bytes);
    return couplet_listing_same(&c->files, file, error, error_bytes) && is_read;
}

/* Reads a clip of a folder, whose frames are shown one after the other for equal times. */
static bool read_folder(const Clips *c, const Source *source, const CoupletClipWish *wish,
                        uint8_t *out, char *error, size_t error_bytes) {
    const size_t bytes = 3 * (size_t)wish->size * (size_t)wish->size;
    int64_t *times = calloc((size_t)source->count, sizeof *times);
    int64_t *chosen = malloc((size_t)wish->frames * sizeof *chosen);
    bool good = (times && chosen) || out_of_memory(error, error_bytes);
    for (int64_t i = 0; times && i < source->count; i++)
        times[i] = 2 * i; /* times are doubled, so that halves are whole numbers */
    if (good) {
        couplet_clip_choose(times, source->count, 2 * source->count, wish, chosen);
    }
    for (int i = 0; good && i < wish->frames; i++) {
        uint8_t *to = out + (size_t)i * bytes;
        if (i && chosen[i] == chosen[i - 1])
            memcpy(to, to - bytes, bytes);
        else
            good = read_frame(c, c->frames[source->first + chosen[i]], to, error, error_bytes);
    }
    free(times);
    free(chosen);
    return good;
}

static bool read_video(const Clips *c, const Source *source, const CoupletClipWish *wish,
                       uint8_t *out, char *error, size_t error_bytes) {
    const int64_t file = c->frames[source->first];
    char path[COUPLET_PATH_BYTES];
    couplet_listing_path(&c->files, file, path);
    const bool is_read = couplet_video_read(path, wish, out, error, error_bytes);
    return couplet_listing_same(&c->files, file, error, error_bytes) && is_read;
}

static bool read_row(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    const Clips *c = table->state;
    const int64_t video = row / c->wish.clips;
    const Source *source = &c->sources[video];
    CoupletClipWish wish = c->wish;
    wish.clip = (int)(row % c->wish.clips);
    const bool is_read = source->count
                             ? read_folder(c, source, &wish, fields[0], error, error_bytes)
                             : read_video(c, source, &wish, fields[0], error, error_bytes);
    if (!is_read) return false;
    *(int32_t *)fields[1] = (int32_t)video;
    couplet_listed_fill(&c->videos, video, fields);
    return true;
}

static bool column(const CoupletTable *table, int field, int32_t *out, char *error,
                   size_t error_bytes) {
    const Clips *c = table->state;
    const int level = field - c->videos.first_label;
    if (error_bytes) error[0] = 0;
    if (field == 0) return false;
    for (int64_t row = 0; row < table->held; row++) {
        const int64_t video = row / c->wish.clips;
        out[row] = field == 1 ? (int32_t)video : c->videos.classes.label[level][video];
    }
    return true;
}

/* Names a row by its video, so that all clips of a video stay in one part of the data. */
static void name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes) {
    const Clips *c = table->state;
    couplet_listed_name_row(table, row / c->wish.clips, out, bytes);
}

static void close_table(CoupletTable *table) {
    Clips *c = table->state;
    couplet_listed_free(&c->videos);
    couplet_listing_free(&c->files);
    free(c->sources);
    free(c->frames);
    free(c);
    table->state = NULL;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void read_settings(Clips *c, const CoupletRequest *request) {
    c->wish.frames = (int)couplet_request_number(request, "frames");
    c->wish.size = (int)couplet_request_number(request, "size");
    c->wish.every = (int)couplet_request_number(request, "every");
    c->wish.clips = (int)couplet_request_number(request, "clips");
}

static bool add_fields(Clips *c, CoupletTable *table, char *error, size_t error_bytes) {
    const int64_t shape[] = {c->wish.frames, 3, c->wish.size, c->wish.size};
    CoupletField *video = NULL;
    if (couplet_table_add(table, "clip", COUPLET_U8, 4, shape))
        video = couplet_table_add(table, "video", COUPLET_I32, 0, NULL);
    if (!video) return out_of_memory(error, error_bytes);
    video->classes = c->videos.listing.count;
    return couplet_listed_labels(&c->videos, &kind, table, error, error_bytes);
}

static bool open_videos(Clips *c, const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes) {
    read_settings(c, request);
    if (!couplet_listed_open(&c->videos, request, &kind, out, error, error_bytes)) return false;
    c->files = c->videos.listing;
    c->videos.listing = (CoupletListing){.unlabelled = request->unlabelled};
    const int32_t version = COUPLET_CLIP_VERSION;
    out->key = couplet_hash(out->key, &version, sizeof version);
    if (!group_files(c, error, error_bytes) || !add_fields(c, out, error, error_bytes))
        return false;
    out->held = c->videos.listing.count * c->wish.clips;
    return true;
}

static bool open_table(const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes) {
    Clips *c = calloc(1, sizeof *c);
    if (!c) return out_of_memory(error, error_bytes);
    out->state = c;
    if (open_videos(c, request, out, error, error_bytes)) return true;
    close_table(out);
    return false;
}

static const CoupletReader clips = {.name = "clips",
                                    .open = open_table,
                                    .read = read_row,
                                    .column = column,
                                    .name_row = name_row,
                                    .close = close_table};

__attribute__((visibility("default"))) CoupletReaderModule couplet_reader_module;

/* FFmpeg's own messages are switched off, since our sentences report damage once. */
const CoupletReader *couplet_reader_module(const char *name, int version) {
    if (version != COUPLET_READER_VERSION || strcmp(name, clips.name) != 0) return NULL;
    av_log_set_level(AV_LOG_QUIET);
    return &clips;
}
