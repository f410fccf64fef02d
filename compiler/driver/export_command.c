/* couplet export: writes the weights of a trained run, or a network with its weights, for other
 * programs. */
#include "compiler/driver/options.h"
#include "compiler/driver/report.h"
#include "compiler/driver/trained.h"
#include "compiler/onnx/onnx.h"
#include "runtime/files.h"
#include "runtime/folder.h"
#include "runtime/safetensors.h"
#include "runtime/weight_names.h"

#include <string.h>

/* ---- a state dict for torchvision ------------------------------------------------------------ */

/* The shapes of torchvision's models: the blocks of each stage, and whether the blocks are
 * bottlenecks. */
static const struct {
    const char *name;
    int blocks[4];
    bool bottleneck;
} models[] = {{"resnet18", {2, 2, 2, 2}, false},
              {"resnet34", {3, 4, 6, 3}, false},
              {"resnet50", {3, 4, 6, 3}, true}};
enum {
    MODELS = sizeof models / sizeof *models,
    MOST_ARRAYS = 1024,
};

typedef struct StateDict {
    Arena *arena;
    CoupletTensorEntry *entries;
    int count;
    int blocks[5]; /* the number of blocks of each stage, which count from 1 */
    bool bottleneck;
    bool has_head;
} StateDict;

/* Reports the layer that has no place in torchvision's shapes. */
static bool refuse_layer(const char *part, const char *layer, const char *sentence) {
    return report_with_help(CODE_EXPORT,
                            "`nn.resnet18_large`, `nn.resnet34` with `nn.large_stem`, and "
                            "`nn.resnet50_large` are networks of torchvision",
                            "`%s` is no network of torchvision: `%s` %s", part, layer, sentence);
}

static void note_block(StateDict *d, const char *theirs) {
    int stage;
    int block;
    char rest[32];
    if (sscanf(theirs, "layer%d.%d.%31s", &stage, &block, rest) != 3) return;
    if (stage >= 1 && stage <= 4 && block + 1 > d->blocks[stage]) d->blocks[stage] = block + 1;
    d->bottleneck |= strcmp(rest, "conv3.weight") == 0;
}

/* Adds the count of batches that torch keeps beside the statistics of each normalisation. The count
 * is 0, because nothing reads it with torch's default momentum. */
static void add_counter(StateDict *d, const char *theirs) {
    static const char ending[] = "running_var";
    static const int32_t none = 0;
    const size_t length = strlen(theirs);
    const size_t end = sizeof ending - 1;
    if (length < end || strcmp(theirs + length - end, ending) != 0) return;
    d->entries[d->count++] = (CoupletTensorEntry){
        .name = arena_printf(d->arena, "%.*snum_batches_tracked", (int)(length - end), theirs),
        .type = COUPLET_I32,
        .data = &none};
}

/* Adds the two axes that torch expects to a 1 x 1 convolution, which is a matrix here. */
static void give_axes(CoupletTensorEntry *e) {
    const bool is_matrix = strstr(e->name, "conv") || strstr(e->name, "downsample.0");
    while (is_matrix && e->rank == 2 && e->rank < 4) {
        e->shape[2] = e->shape[3] = 1;
        e->rank = 4;
    }
}

/* True if conv1 has the shape of torchvision's stem. The width of the stem decides the width of all
 * other layers. Returns false after a message. */
static bool fits_stem(const StateDict *d, const char *part, const char *layer,
                      const CoupletTensorEntry *e) {
    static const int64_t wanted[] = {64, 3, 7, 7};
    bool same = e->rank == 4;
    const char *shape = "[";
    for (int a = 0; a < e->rank; a++) {
        same &= e->shape[a] == wanted[a % 4];
        shape = arena_printf(d->arena, "%s%s%lld", shape, a ? ", " : "", (long long)e->shape[a]);
    }
    return same ||
           refuse_layer(part, layer,
                        arena_printf(d->arena, "is %s], and their conv1 [64, 3, 7, 7]", shape));
}

static bool add_state(StateDict *d, const char *part, const CoupletTensorEntry *from,
                      CoupletNaming *naming) {
    const char *below = from->name + strlen(part) + 1;
    CoupletTheirName theirs;
    if (d->count + 2 >= MOST_ARRAYS || !couplet_their_name(naming, below, &theirs))
        return refuse_layer(part, below, "has no name there");
    CoupletTensorEntry *e = &d->entries[d->count++];
    *e = *from;
    e->name = arena_strndup(d->arena, theirs.name, strlen(theirs.name));
    give_axes(e);
    note_block(d, theirs.name);
    d->has_head |= strcmp(theirs.name, "fc.weight") == 0;
    if (strcmp(theirs.name, "conv1.weight") == 0 && !fits_stem(d, part, below, e)) return false;
    add_counter(d, e->name);
    return true;
}

/* Returns the model of torchvision with as many blocks in each stage, or NULL after a message. */
static const char *model_of(const StateDict *d, const char *part) {
    for (int m = 0; m < MODELS; m++) {
        bool same = models[m].bottleneck == d->bottleneck;
        for (int stage = 1; stage <= 4; stage++)
            same &= models[m].blocks[stage - 1] == d->blocks[stage];
        if (same) return models[m].name;
    }
    report_with_help(CODE_EXPORT, "resnet18 has 2, 2, 2 and 2, resnet34 and resnet50 3, 4, 6 and 3",
                     "`%s` has %d, %d, %d and %d blocks in layer1 to layer4, and torchvision's "
                     "ResNets have others",
                     part, d->blocks[1], d->blocks[2], d->blocks[3], d->blocks[4]);
    return NULL;
}

static bool is_of_part(const char *name, const char *part) {
    const size_t length = strlen(part);
    return strncmp(name, part, length) == 0 && name[length] == '.';
}

static bool collect_states(StateDict *d, const char *part, const CoupletTensorFile *file) {
    CoupletNaming naming = {.family = COUPLET_FAMILY_RESNET};
    for (int i = 0; i < file->count; i++)
        if (is_of_part(file->entries[i].name, part) &&
            !add_state(d, part, &file->entries[i], &naming))
            return false;
    return d->count > 0 || report(CODE_EXPORT, "the run has no arrays of a part `%s`", part);
}

static bool export_torch(Arena *arena, const Options *o, const CoupletTensorFile *file) {
    char error[REPORT_BYTES];
    StateDict d = {.arena = arena, .entries = arena_array(arena, CoupletTensorEntry, MOST_ARRAYS)};
    if (!collect_states(&d, o->part, file)) return false;
    const char *model = model_of(&d, o->part);
    if (!model) return false;
    if (!couplet_tensors_write(o->torch, d.entries, d.count, NULL, 0, error, sizeof error))
        return report_error(CODE_OUTPUT, error);
    printf("%s: %d arrays with the names of torchvision's %s%s\n", o->torch, d.count, model,
           d.has_head ? ""
                      : "; its fc is not among them (model.fc = torch.nn.Identity() is loaded "
                        "strictly)");
    return true;
}

/* ---- a model of ONNX ------------------------------------------------------------------------- */

typedef struct Exported {
    Arena *arena;
    const Options *o;
    const LoweredProgram *program;
    CoupletTensorFile weights;
} Exported;

static const void *state_array(void *context, const GNode *node) {
    const Exported *x = context;
    const CoupletTensorEntry *e = couplet_tensors_find(&x->weights, node->name);
    bool same = e && e->rank == node->rank &&
                e->type == (node->type == GT_REAL ? COUPLET_F32 : COUPLET_I32);
    for (int i = 0; same && i < node->rank; i++)
        same = e->shape[i] == node->shape[i];
    return same ? e->data : NULL;
}

static bool give_hyper(void *context, const char *name, double *out) {
    const Exported *x = context;
    for (int i = 0; i < x->program->hypers.count; i++) {
        const LoweredHyper *hyper = &x->program->hypers.items[i];
        if (strcmp(hyper->name, name) != 0) continue;
        *out = hyper->value;
        return true;
    }
    return false;
}

/* Returns the number of the features that --part names, or 0 without --part. Returns -1 after a
 * message. */
static int chosen_features(const Exported *x) {
    const LoweredProgram *p = x->program;
    const char *names = "";
    for (int i = 0; i < p->features.count; i++) {
        const char *name = p->feature_names.items[i];
        if (!x->o->part || strcmp(name, x->o->part) == 0) return i;
        names = arena_printf(x->arena, "%s%s`%s`", names, i ? ", " : "", name);
    }
    if (!p->features.count)
        report_with_help(CODE_EXPORT, "`eval { knn(features = encoder, ..) }` names some",
                         "the method has no evaluation, so nothing says what its features are");
    else
        report_with_help(CODE_EXPORT, arena_printf(x->arena, "the method evaluates %s", names),
                         "no evaluation is of the features `%s`", x->o->part);
    return -1;
}

static bool write_message(const char *path, const CoupletMessage *message) {
    char error[REPORT_BYTES];
    if (message->is_short) return report(CODE_OUTPUT, "%s: out of memory for the model", path);
    if (message->length > INT32_MAX)
        return report(CODE_EXPORT, "the model takes %.1f GiB, and a file of ONNX holds less than 2",
                      (double)message->length / (1 << 30));
    FILE *file = couplet_file_begin(path, error, sizeof error);
    if (!file) return report_error(CODE_OUTPUT, error);
    if (fwrite(message->bytes, 1, message->length, file) != message->length) {
        couplet_file_drop(path, file);
        return report(CODE_OUTPUT, "%s: cannot be written", path);
    }
    return couplet_file_commit(path, file, error, sizeof error) || report_error(CODE_OUTPUT, error);
}

static bool export_features(Exported *x, Diag *diag, const char *checkpoint) {
    const OnnxRequest request = {.state = state_array, .hyper = give_hyper, .context = x};
    const int which = chosen_features(x);
    if (which < 0) return false;
    const char *name = x->program->feature_names.items[which];
    OnnxModel *model = onnx_model_new(x->arena, "couplet", COUPLET_VERSION);
    Graph *g = x->program->features.items[which];
    bool good = onnx_add_graph(model, x->arena, diag, g, "features", &request);
    if (good) {
        CoupletMessage message = onnx_model_finish(
            model, name, arena_printf(x->arena, "features `%s` of %s", name, checkpoint));
        good = write_message(x->o->onnx, &message);
        if (good && !x->o->quiet)
            printf("%s: features `%s` of [N, %lld], with opset 17 of ONNX, %.1f MiB\n", x->o->onnx,
                   name, (long long)g->outputs.items[0].node->shape[1],
                   (double)message.length / (1 << 20));
        couplet_message_free(&message);
    }
    onnx_model_free(model);
    return good;
}

static bool use_graphs(void *context, Diag *diag, const Method *method,
                       const LoweredProgram *program, const char *checkpoint) {
    Exported *x = context;
    char error[REPORT_BYTES];
    (void)method;
    x->program = program;
    if (!couplet_tensors_read(checkpoint, &x->weights, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    const bool good = export_features(x, diag, checkpoint);
    couplet_tensors_free(&x->weights);
    return good;
}

static int export_onnx(Arena *arena, const Options *o) {
    Exported x = {.arena = arena, .o = o};
    return trained_graphs(arena, o, o->file, use_graphs, &x);
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool is_asked_well(const Options *o) {
    if (!o->torch == !o->onnx)
        return report(CODE_COMMAND_LINE, "export takes --onnx FILE or --torch FILE, the file to "
                                         "write");
    if (o->torch && !o->part)
        return report(CODE_COMMAND_LINE,
                      "--part encoder.trunk says which network of the run is meant");
    return true;
}

static bool export_weights(Arena *arena, const Options *o) {
    char path[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    CoupletTensorFile file;
    if (!couplet_path_join(o->file, couplet_checkpoint_name, path, error, sizeof error) ||
        !couplet_tensors_read(path, &file, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    const bool good = export_torch(arena, o, &file);
    couplet_tensors_free(&file);
    return good;
}

int export_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "export", "part onnx torch quiet", argc, argv) &&
        is_asked_well(&options))
        status = options.onnx ? export_onnx(arena, &options) : !export_weights(arena, &options);
    arena_free(arena);
    return status;
}
