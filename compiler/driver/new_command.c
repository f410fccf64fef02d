/* couplet new: makes a project that trains at once, with a commented spec, a README and a
 * .gitignore.
 *
 * With --data, the folder is judged by the names of its files and then opened by the reader for
 * such files. So the spec has the right fields, a batch and an encoder that fit. */
#include "compiler/driver/options.h"
#include "compiler/driver/paths.h"
#include "compiler/driver/report.h"
#include "lang/utf8.h"
#include "runtime/data/table.h"
#include "runtime/files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what lies in a folder ------------------------------------------------------------------- */

typedef enum {
    KIND_NONE,
    PICTURES,
    ARRAYS,
    TABLES,
    SOUNDS,
    CLIPS,
    MESHES,
    LINES,
    KINDS,
} FilesKind;

typedef struct KindRow {
    const char *what;    /* the word for messages: "pictures" */
    const char *endings; /* separated by spaces, with a space at both ends */
    const char *reader;
    const char *settings; /* settings of the source, which stand behind its path */
} KindRow;

static const KindRow kinds[KINDS] = {
    [PICTURES] = {"pictures", " png jpg jpeg webp ", "images", "size = 64"},
    [ARRAYS] = {"arrays", " npz npy safetensors ", "arrays", ""},
    [TABLES] = {"CSV tables", " csv ", "table", "missing = \"mean\""},
    [SOUNDS] = {"sounds", " wav flac ogg mp3 ", "sounds", "seconds = 1.0, rate = 8000"},
    [CLIPS] = {"videos", " mp4 avi mkv mov webm ", "clips", "frames = 8, size = 32"},
    [MESHES] = {"meshes", " obj off ply stl ", "points", "count = 256"},
    [LINES] = {"lines of text", " txt ", "lines", "tokens = 32, vocabulary = 5000"},
};

typedef struct Found {
    int64_t counts[KINDS];
    const char *first[KINDS]; /* the first file of each kind that was met */
    int64_t looked_at;
} Found;

static FilesKind file_kind(const char *name) {
    const char *dot = strrchr(name, '.');
    char word[24];
    if (!dot || strlen(dot) > 16) return KIND_NONE;
    snprintf(word, sizeof word, " %s ", dot + 1);
    for (char *at = word; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    for (int k = PICTURES; k < KINDS; k++)
        if (strstr(kinds[k].endings, word)) return (FilesKind)k;
    return KIND_NONE;
}

static void take_file(Arena *arena, const char *path, Found *found) {
    const FilesKind kind = file_kind(path);
    found->looked_at++;
    if (kind == KIND_NONE) return;
    if (!found->counts[kind]++) found->first[kind] = arena_strndup(arena, path, strlen(path));
}

/* Looks at the files below a folder, and stops after some thousand files, which tell the kind. */
static void walk_folder(Arena *arena, const char *path, int depth, Found *found) {
    enum {
        ENOUGH = 5000,
        DEEPEST = 6,
    };
    struct stat info;
    if (stat(path, &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) {
        take_file(arena, path, found);
        return;
    }
    DIR *open = depth < DEEPEST ? opendir(path) : NULL;
    for (struct dirent *entry; open && (entry = readdir(open));)
        if (entry->d_name[0] != '.' && found->looked_at < ENOUGH)
            walk_folder(arena, arena_printf(arena, "%s/%s", path, entry->d_name), depth + 1, found);
    if (open) closedir(open);
}

/* Returns the kind of the files. Tables and texts beside files of another kind are taken for notes
 * on these. Returns KIND_NONE after a message. */
static FilesKind kind_found(Arena *arena, const char *path, const Found *found) {
    FilesKind kind = KIND_NONE;
    const char *list = "";
    int several = 0;
    for (int k = KINDS - 1; k >= PICTURES; k--) {
        if (!found->counts[k]) continue;
        const bool is_note = k == TABLES || k == LINES;
        list = arena_printf(arena, "%s%s%lld of %s", list, *list ? ", " : "",
                            (long long)found->counts[k], kinds[k].what);
        several += !is_note;
        kind = (FilesKind)k;
    }
    if (found->counts[TABLES] && !several) kind = TABLES;
    if (several == 1 || (several == 0 && kind)) return kind;
    if (several)
        report_with_help(CODE_DATA, "name the folder or the file of one kind",
                         "`%s` holds files of several kinds: %s", path, list);
    else
        report_with_help(CODE_DATA,
                         "there are pictures, arrays (.npz, .npy), CSV tables, sounds, videos, "
                         "meshes and lines of text (.txt); docs/data.md lists all readers",
                         "`%s` holds no file that a reader is known for", path);
    return KIND_NONE;
}

/* ---- the source ------------------------------------------------------------------------------ */

typedef struct Data {
    FilesKind kind;
    /* The paths from the current folder. They are equal if both parts are taken of one source. */
    const char *train;
    const char *test;
    const char *train_in_spec; /* the same paths from the folder of the project */
    const char *test_in_spec;
    const char *settings;
    const CoupletField *fields;
    int field_count;
    int64_t rows;
} Data;

static bool is_there(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* Finds train and test, or train and val, beside each other: folders, or files with this ending. If
 * one is missing, both paths are the whole. */
static void find_parts(Arena *arena, const char *path, const char *ending, Data *d) {
    static const char *const tests[] = {"test", "val", "valid", "validation"};
    d->train = d->test = path;
    const char *train = arena_printf(arena, "%s/train%s", path, ending);
    if (!is_there(train)) return;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        const char *test = arena_printf(arena, "%s/%s%s", path, tests[i], ending);
        if (!is_there(test)) continue;
        d->train = train;
        d->test = test;
        return;
    }
}

static const char *ending_of(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot : "";
}

/* Finds the paths of the data. A reader of single files needs a file, so a folder must then have
 * one file, or train and test. Returns false after a message. */
static bool find_paths(Arena *arena, const char *path, const Found *found, Data *d) {
    struct stat info;
    const bool of_files = d->kind == TABLES || d->kind == LINES ||
                          (d->kind == ARRAYS && strcmp(ending_of(found->first[ARRAYS]), ".npy"));
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
        d->train = d->test = path;
        return true;
    }
    find_parts(arena, path, of_files ? ending_of(found->first[d->kind]) : "", d);
    if (!of_files || d->train != d->test) return true;
    d->train = d->test = found->first[d->kind];
    return found->counts[d->kind] == 1 ||
           report_with_help(CODE_DATA, "name one of them, or call two of them train and test",
                            "`%s` holds %lld %s, and a source is one of them", path,
                            (long long)found->counts[d->kind], kinds[d->kind].what);
}

/* Returns the column that is named like a label ("label", "class", "target", "y"), or NULL. */
static const char *label_column(Arena *arena, const char *path) {
    static const char *const usual[] = {"label", "labels", "class", "target", "y"};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    const char *found = NULL;
    const bool is_read = file && getline(&line, &room, file) > 0;
    if (file) fclose(file);
    char *rest = NULL;
    char *word = is_read ? strtok_r(line, ",\r\n", &rest) : NULL;
    for (; word; word = strtok_r(NULL, ",\r\n", &rest))
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            if (!found && strcasecmp(word, usual[i]) == 0)
                found = arena_strndup(arena, word, strlen(word));
    free(line);
    return found;
}

/* Splits a text such as `size = 64, label = "class"` into settings, and returns their number. */
static int split_settings(Arena *arena, const char *text, CoupletSetting *out) {
    char *copy = arena_strndup(arena, text, strlen(text));
    char *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        char *name = word + strspn(word, " ");
        char *equals = strchr(name, '=');
        char *value = equals + 1 + strspn(equals + 1, " ");
        name[strcspn(name, " =")] = 0;
        const bool is_text = *value == '"';
        if (is_text) value[strlen(value) - 1] = 0;
        out[count++] = (CoupletSetting){.name = name,
                                        .text = is_text ? value + 1 : NULL,
                                        .number = is_text ? 0 : strtod(value, NULL)};
    }
    return count;
}

static bool open_source(Arena *arena, Data *d) {
    enum { MOST_SETTINGS = 8 };
    CoupletSetting settings[MOST_SETTINGS];
    CoupletTable table;
    char error[REPORT_BYTES];
    const char *label = d->kind == TABLES ? label_column(arena, d->train) : NULL;
    d->settings = kinds[d->kind].settings;
    if (label) {
        d->settings = arena_printf(arena, "%s, label = \"%s\"", d->settings, label);
    }
    const CoupletRequest request = {.reader = kinds[d->kind].reader,
                                    .path = d->train,
                                    .settings = settings,
                                    .setting_count = split_settings(arena, d->settings, settings)};
    if (!couplet_table_open(&request, &table, error, sizeof error))
        return report_error(CODE_DATA, error);
    CoupletField *fields = arena_array(arena, CoupletField, table.field_count + 1);
    for (int i = 0; i < table.field_count; i++) {
        fields[i] = table.fields[i];
        fields[i].name = arena_strndup(arena, table.fields[i].name, strlen(table.fields[i].name));
        fields[i].class_names = NULL;
    }
    d->fields = fields;
    d->field_count = table.field_count;
    d->rows = table.held;
    couplet_table_close(&table);
    enum { FEWEST = 20 };
    return d->rows >= FEWEST || report(CODE_DATA,
                                       "`%s` has %lld samples, and a method that compares samples "
                                       "needs %d and more",
                                       d->train, (long long)d->rows, FEWEST);
}

static bool examine(Arena *arena, const char *path, Data *d) {
    Found found = {.looked_at = 0};
    if (!is_there(path)) return report(CODE_DATA, "`%s`: %s", path, strerror(errno));
    walk_folder(arena, path, 0, &found);
    d->kind = kind_found(arena, path, &found);
    return d->kind != KIND_NONE && find_paths(arena, path, &found, d) && open_source(arena, d);
}

/* ---- the spec -------------------------------------------------------------------------------- */

/* The parts of the spec that the data decides. */
typedef struct Parts {
    const char *uses;  /* the modules to use: "nn, augment, .." */
    const char *what;  /* the word for the data: "pictures" */
    const char *field; /* the field that is encoded */
    const char *view;
    const char *encoder;
    const char *label; /* the int field for the evaluation; NULL: none */
    int64_t batch;
} Parts;

static const CoupletField *field_named(const Data *d, const char *name) {
    for (int i = 0; i < d->field_count; i++)
        if (strcmp(d->fields[i].name, name) == 0) return &d->fields[i];
    return NULL;
}

static const char *label_field(const Data *d) {
    const CoupletField *label = field_named(d, "label");
    return label && label->rank == 0 && label->type == COUPLET_I32 ? "label" : NULL;
}

/* Returns the largest power of two, at most 256, with which an epoch has four batches or more; 4 if
 * there is none. */
static int64_t batch_for(int64_t rows) {
    int64_t batch = 4;
    while (batch < 256 && batch * 8 <= rows)
        batch *= 2;
    return batch;
}

static int width_for(int64_t rows) {
    return rows < 5000 ? 16 : 32;
}

/* Chooses the parts for arrays: rows of numbers, or pictures if there are any. Returns false after
 * a message. */
static bool parts_of_arrays(Arena *arena, const Data *d, Parts *p) {
    const CoupletField *rows = NULL;
    const CoupletField *pictures = NULL;
    for (int i = 0; i < d->field_count; i++) {
        const CoupletField *f = &d->fields[i];
        if (f->type != COUPLET_I32 && f->rank == 1 && !rows) rows = f;
        if (f->type != COUPLET_I32 && f->rank == 3 && !pictures) pictures = f;
    }
    if (!rows && !pictures)
        return report_with_help(CODE_DATA,
                                "docs/data/arrays.md shows which shapes samples have, and "
                                "docs/networks.md what encodes them",
                                "`%s` has no array whose samples are rows of numbers or pictures "
                                "[C, H, W]",
                                d->train);
    if (pictures && couplet_field_ends_in_channels(pictures)) {
        char text[128];
        return report_with_help(CODE_DATA, "numpy.moveaxis(a, -1, 1) puts the channels there",
                                "`%s`: its array `%s` is %s, and pictures have their channels "
                                "first, [C, H, W]",
                                d->train, pictures->name,
                                couplet_field_text(pictures, text, sizeof text));
    }
    const CoupletField *f = pictures ? pictures : rows;
    p->field = f->name;
    p->uses =
        pictures ? "nn, augment, optim, anneal, losses" : "nn, columns, optim, anneal, losses";
    p->what = pictures ? "pictures from arrays" : "rows of numbers";
    p->view = pictures ? arena_printf(arena,
                                      "augment.flip(augment.resized_crop(train.%s, %lld, "
                                      "low = 0.2))",
                                      f->name, (long long)f->shape[1])
                       : arena_printf(arena, "columns.dropout(train.%s, chance = 0.3)", f->name);
    p->encoder = pictures ? arena_printf(arena, "nn.convnet(width = %d)", width_for(d->rows))
                          : "(nn.batch_norm1d() >> nn.linear(256) >> relu)";
    return true;
}

static bool fill_parts(Arena *arena, const Data *d, Parts *p) {
    const int width = width_for(d->rows);
    *p = (Parts){.uses = "nn, augment, optim, anneal, losses",
                 .what = kinds[d->kind].what,
                 .label = label_field(d),
                 .batch = batch_for(d->train == d->test ? d->rows * 3 / 4 : d->rows)};
    switch (d->kind) {
    case PICTURES:
        p->field = "image";
        p->view = "augment.simclr(train.image)";
        p->encoder = arena_printf(arena, "nn.convnet(width = %d)", width);
        return true;
    case ARRAYS:
        return parts_of_arrays(arena, d, p);
    case TABLES:
        p->uses = "nn, columns, optim, anneal, losses";
        p->field = field_named(d, "number") ? "number" : "word";
        p->view = field_named(d, "number")
                      ? "columns.corrupt(train.number, train.all.number, chance = 0.3)"
                      : "columns.corrupt_codes(train.word, train.all.word, chance = 0.3)";
        p->encoder = field_named(d, "number") ? "(nn.batch_norm1d() >> nn.linear(128) >> relu)"
                                              : "nn.bag_of_tokens(4096, 128)";
        return true;
    case SOUNDS:
        p->uses = "nn, waves, optim, anneal, losses";
        p->field = "wave";
        p->view =
            "waves.noise(waves.gain(waves.shift(train.wave, most = 0.1)), low = 10, high = 30)";
        p->encoder = arena_printf(arena, "nn.convnet1d(width = %d)", width / 2);
        return true;
    case CLIPS:
        p->uses = "nn, clips, optim, anneal, losses";
        p->field = "clip";
        p->view = "clips.brightness_contrast(clips.flip(clips.crop(clips.cut(train.clip, frames = "
                  "6), size = 24)))";
        p->encoder = arena_printf(arena, "nn.convnet3d(width = %d)", width / 2);
        return true;
    case MESHES:
        p->uses = "nn, points, optim, anneal, losses";
        p->field = "points";
        p->view = "points.drop(points.jitter(points.scale(points.turn(train.points))), most = 0.5)";
        p->encoder = "nn.pointnet(width = 32)";
        return true;
    case LINES:
        p->uses = "nn, tokens, optim, anneal, losses";
        p->field = "token";
        p->view = "tokens.delete(train.token, train.length, chance = 0.3)";
        p->encoder = "nn.bag_of_tokens(5002, 128)";
        return true;
    case KIND_NONE:
    case KINDS:
        break;
    }
    return false;
}

/* Returns the path as the spec says it: seen from the folder of the project. Returns NULL after a
 * message, which also tells of a path that no text of a spec can be. */
static const char *path_in_spec(Arena *arena, const char *project, const char *path) {
    const char *seen = path_seen_from(arena, project, path);
    if (!seen) {
        report(CODE_DATA, "the way from `%s` to `%s` cannot be found: %s", project, path,
               strerror(errno));
        return NULL;
    }
    const size_t length = strlen(seen);
    uint32_t code = 0;
    int step = 1;
    for (size_t at = 0; at < length && step; at += (size_t)step) {
        step = utf8_read(seen + at, length - at, &code);
        if (code == '"' || code == '\n') step = 0;
    }
    if (step) return seen;
    report_with_help(CODE_DATA, "a link without such characters may lead there",
                     "`%s`: a path in a spec is UTF-8 without quotes and ends of lines", seen);
    return NULL;
}

/* Writes the paths as the spec says them. Returns false after a message. */
static bool place_data(Arena *arena, const char *project, Data *d) {
    d->train_in_spec = path_in_spec(arena, project, d->train);
    d->test_in_spec = d->train_in_spec ? path_in_spec(arena, project, d->test) : NULL;
    return d->test_in_spec != NULL;
}

static void write_data(Arena *arena, FILE *out, const Data *d) {
    const bool parts = d->train == d->test;
    const char *reader = kinds[d->kind].reader;
    const char *comma = *d->settings ? ", " : "";
    const char *like = d->kind == LINES && !parts
                           ? arena_printf(arena, ", like = \"%s\"", strrchr(d->train, '/') + 1)
                           : "";
    fprintf(out, "data train = data.%s(\"%s\"%s%s%s)\n", reader, d->train_in_spec, comma,
            d->settings, parts ? ", part = 0.0 .. 0.8" : "");
    fprintf(out, "data test  = data.%s(\"%s\"%s%s%s%s)\n\n", reader, d->test_in_spec, comma,
            d->settings, parts ? ", part = 0.8 .. 1.0" : "", like);
}

static void write_eval(FILE *out, const Parts *p, int64_t rows) {
    const int k = rows >= 2000 ? 20 : 5;
    if (!p->label) {
        fprintf(out, "# The data has no labels. With some, `eval { knn(features = encoder.trunk, "
                     "bank = train,\n# query = test) }` tells how well the features tell classes "
                     "apart.\n");
        return;
    }
    fprintf(out,
            "# How well the features tell the classes apart: by their neighbours, before and after "
            "training.\neval {\n  knn(k = %d, features = encoder.trunk, of = train.%s, bank = "
            "train, query = test)\n}\n",
            k, p->field);
}

static const char *spec_text(Arena *arena, const char *name, const Data *d, const Parts *p) {
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out) return NULL;
    fprintf(out,
            "# %s: SimCLR (Chen, Kornblith, Norouzi, Hinton, ICML 2020) on %s.\n#\n"
            "#     couplet show %s.cpl -o views.png     the samples and their views\n"
            "#     couplet train %s.cpl                 into runs/%s\n"
            "use %s\n\n",
            name, p->what, name, name, name, p->uses);
    write_data(arena, out, d);
    fprintf(out,
            "# Numbers that --set changes: couplet train %s.cpl --set tau=0.1\n"
            "hyper tau = 0.2 | tau > 0\nhyper lr = 0.001 | lr > 0\n\n"
            "# Two views of each sample; what differs between them is what the features forget.\n"
            "view a, b = %s\n\n"
            "# The features are those of the trunk; the head serves the loss alone.\n"
            "net encoder = trunk: %s >> head: nn.mlp_bn(128, 64)\n\n"
            "# Each view is to find the other one of its sample among all views of the batch.\n"
            "loss losses.nt_xent(encoder(a), encoder(b), tau)\n\n"
            "train {\n  epochs 20, batch %lld\n"
            "  optimiser optim.adam(lr = anneal.warmup_cosine(lr, 20))\n}\n",
            name, p->view, p->encoder, (long long)p->batch);
    write_eval(out, p, d->rows);
    fclose(out);
    const char *copy = arena_strndup(arena, text, length);
    free(text);
    return copy;
}

static const char *standard_spec(Arena *arena, const char *name) {
    return arena_printf(
        arena,
        "# %s: SimCLR (Chen, Kornblith, Norouzi, Hinton, ICML 2020) on Fashion-MNIST.\n#\n"
        "#     couplet show %s.cpl -o views.png     the samples and their views\n"
        "#     couplet train %s.cpl                 into runs/%s\n"
        "use nn, augment, optim, anneal, losses\n\n"
        "data train = data.fashion_mnist(\"train\")\ndata test  = data.fashion_mnist(\"test\")\n\n"
        "# Numbers that --set changes: couplet train %s.cpl --set tau=0.1\n"
        "hyper tau = 0.2 | tau > 0\nhyper lr = 0.001 | lr > 0\n\n"
        "# Two views of each sample; what differs between them is what the features forget.\n"
        "view a, b = augment.simclr(train.image, low = 0.2)\n\n"
        "# The features are those of the trunk; the head serves the loss alone.\n"
        "net encoder = trunk: nn.convnet(width = 16) >> head: nn.mlp_bn(128, 64)\n\n"
        "# Each view is to find the other one of its sample among all views of the batch.\n"
        "loss losses.nt_xent(encoder(a), encoder(b), tau)\n\n"
        "train {\n  epochs 5, batch 256\n"
        "  optimiser optim.adam(lr = anneal.warmup_cosine(lr, 20))\n}\n"
        "# How well the features tell the classes apart: by their neighbours, before and after "
        "training.\neval {\n  knn(k = 20, features = encoder.trunk, bank = train, query = "
        "test)\n}\n",
        name, name, name, name, name);
}

/* ---- the project ----------------------------------------------------------------------------- */

static const char *readme_text(Arena *arena, const char *name) {
    return arena_printf(
        arena,
        "# %s\n\n`%s.cpl` is the method: its data, views, networks, loss and training.\n\n"
        "    couplet check %s.cpl                    types and shapes of every name\n"
        "    couplet data %s.cpl                     what the data holds\n"
        "    couplet show %s.cpl -o views.png        samples and their views\n"
        "    couplet train %s.cpl                    trains, into runs/%s\n"
        "    couplet embed runs/%s -o features.npy   features of the data\n"
        "    couplet doc losses                      the losses of the library\n",
        name, name, name, name, name, name, name, name);
}

static bool write_new_file(Arena *arena, const char *folder, const char *name, const char *text) {
    char error[REPORT_BYTES];
    return couplet_text_write(arena_printf(arena, "%s/%s", folder, name), text, error,
                              sizeof error) ||
           report_error(CODE_OUTPUT, error);
}

static bool write_project(Arena *arena, const char *folder, const char *name, const char *spec) {
    char error[REPORT_BYTES];
    if (!couplet_folder_make(folder, NULL, error, sizeof error))
        return report_error(CODE_OUTPUT, error);
    const char *const files[][2] = {{arena_printf(arena, "%s.cpl", name), spec},
                                    {"README.md", readme_text(arena, name)},
                                    {".gitignore", "runs/\n*.npy\n*.png\n"}};
    enum { FILES = sizeof files / sizeof *files };
    int written = 0;
    while (written < FILES && write_new_file(arena, folder, files[written][0], files[written][1]))
        written++;
    if (written == FILES) return true;
    /* a folder without all its files would be in the way of the next try */
    while (written-- > 0)
        unlink(arena_printf(arena, "%s/%s", folder, files[written][0]));
    rmdir(folder);
    return false;
}

/* Returns the name of a project: letters, digits, `_` and `-`, behind any folders. Returns NULL
 * after a message. */
static const char *project_name(const char *folder) {
    const char *slash = strrchr(folder, '/');
    const char *name = slash ? slash + 1 : folder;
    bool good = *name != 0 && *name != '-';
    for (const char *at = name; *at; at++)
        good &= isalnum((unsigned char)*at) || *at == '_' || *at == '-';
    if (good) return name;
    report(CODE_COMMAND_LINE,
           "`%s` names no project: a name is letters, digits, `_` and `-`, and its folder is made",
           folder);
    return NULL;
}

/* Returns the folder without slashes at its end, which a shell's completion writes. */
static const char *without_last_slashes(Arena *arena, const char *folder) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    return arena_strndup(arena, folder, length);
}

static int make_project(Arena *arena, const Options *o) {
    const char *folder = without_last_slashes(arena, o->file);
    const char *name = project_name(folder);
    const char *spec = NULL;
    if (!name) return 2;
    if (is_there(folder)) {
        report(CODE_OUTPUT, "`%s` is there already, and nothing is written into it", folder);
        return 1;
    }
    if (o->data.count > 1) {
        report(CODE_COMMAND_LINE, "a project has one --data, and %d were given", o->data.count);
        return 2;
    }
    if (o->data.count) {
        Data data = {.kind = KIND_NONE};
        Parts parts;
        if (!examine(arena, o->data.items[0], &data) || !fill_parts(arena, &data, &parts) ||
            !place_data(arena, folder, &data))
            return 1;
        printf("%s: %s, %lld samples%s\n", o->data.items[0], parts.what, (long long)data.rows,
               parts.label ? ", with labels" : ", without labels");
        spec = spec_text(arena, name, &data, &parts);
    } else
        spec = standard_spec(arena, name);
    if (!spec || !write_project(arena, folder, name, spec)) return 1;
    printf("made %s/%s.cpl, README.md and .gitignore: couplet train %s/%s.cpl\n", folder, name,
           folder, name);
    return 0;
}

int new_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "new", "data", argc, argv))
        status = make_project(arena, &options);
    arena_free(arena);
    return status;
}
