/* couplet build: compiles a spec to a program or a library that needs nothing but the runtime. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/build_header.h"
#include "compiler/driver/link.h"
#include "compiler/driver/report.h"
#include "compiler/driver/temporary.h"
#include "lang/diag.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"
#include "runtime/safetensors.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TARGETS = 4 };

typedef struct Build {
    Arena *arena;
    const Options *options;
    Method *method;
    LoweredProgram *lowered;
    const char *name; /* the method's name as an identifier of C */
    const char *out;  /* the path of the result without its ending */
    const char *targets[MAX_TARGETS];
    int target_count;
    Assembled programs[MAX_TARGETS];
    const char *folder; /* the folder for objects, which is removed at the end */
    const char *objects[MAX_TARGETS + 1];
    int object_count;
    char *weights; /* the weights to build in; NULL: none */
    size_t weight_bytes;
    /* the back end that writes kernels as text; NULL: code for processors is wanted */
    const BackEnd *writer;
} Build;

static bool fail(const char *sentence) {
    return report_error(CODE_RUN_STOPPED, sentence);
}

/* ---- objects --------------------------------------------------------------------------------- */

static const char *program_symbol(const Build *b, int target) {
    char *level = arena_printf(b->arena, "%s", b->targets[target]);
    for (char *at = level; *at; at++)
        if (!isalnum((unsigned char)*at)) *at = '_';
    return arena_printf(b->arena, "couplet_%s_%s", b->name, level);
}

static bool read_targets(Build *b) {
    const char *list = b->options->target ? b->options->target : "x86-64-v4,x86-64-v3";
#if !defined(__x86_64__)
    if (!b->options->target) list = "native";
#endif
    char *copy = arena_printf(b->arena, "%s", list), *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        const char *refused = cpu_refuses(b->arena, word);
        if (refused) return report_error(CODE_COMMAND_LINE, refused);
        if (b->target_count == MAX_TARGETS)
            return report(CODE_COMMAND_LINE,
                          "--target takes at most %d processors, and `%s` is one more", MAX_TARGETS,
                          word);
        b->targets[b->target_count++] = word;
    }
    return b->target_count > 0 ||
           report(CODE_COMMAND_LINE,
                  "--target names no processor; `--target native` is that of this machine");
}

static bool assemble_all(Build *b) {
    for (int i = 0; i < b->target_count; i++) {
        const char *error = "out of memory";
        /* the table that was tuned on this machine says nothing about other machines */
        const CpuTarget target = {.processor = b->targets[i]};
        if (!assemble_for(b->arena, b->method, b->lowered, &target, &b->programs[i], &error))
            return fail(error);
        assemble_origin(b->arena, b->options, &b->programs[i]);
    }
    return true;
}

typedef struct Writing {
    const Assembled *program;
    const char *symbol;
    const char *path;
    const char *error;
    Arena *arena;
    bool llvm;
    bool good;
} Writing;

static void *write_program(void *context) {
    Writing *w = context;
    w->good = cpu_write_program(w->arena, w->program->plans, w->program->program, w->symbol,
                                w->llvm, w->path, &w->error);
    return NULL;
}

/* Compiles for all targets at the same time, with one thread for each. */
static bool write_programs(Build *b) {
    Writing work[MAX_TARGETS];
    pthread_t threads[MAX_TARGETS];
    bool good = true;
    for (int i = 0; i < b->target_count; i++) {
        const char *path = arena_printf(b->arena, "%s/%d.o", b->folder, i);
        work[i] = (Writing){.program = &b->programs[i],
                            .symbol = program_symbol(b, i),
                            .path = path,
                            .error = "out of memory",
                            .arena = arena_new()};
        b->objects[b->object_count++] = path;
    }
    for (int i = 1; i < b->target_count; i++)
        if (pthread_create(&threads[i], NULL, write_program, &work[i]) != 0)
            threads[i] = pthread_self();
    write_program(&work[0]);
    for (int i = 1; i < b->target_count; i++) {
        if (pthread_equal(threads[i], pthread_self()))
            write_program(&work[i]);
        else
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < b->target_count; i++) {
        if (!work[i].good && good) good = fail(work[i].error);
        arena_free(work[i].arena);
    }
    return good;
}

/* Reads the weights of a run folder, or of a checkpoint. */
static bool read_weights(Build *b) {
    char path[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    const char *given = b->options->embed_weights;
    if (!given) return true;
    if (couplet_path_join(given, "checkpoint.safetensors", path, error, sizeof error))
        b->weights = couplet_text_read(access(path, F_OK) == 0 ? path : given, &b->weight_bytes,
                                       error, sizeof error);
    return b->weights || report_error(CODE_FILE_READ, error);
}

/* True if the weights are those of the method, or if none are given. Other weights are refused
 * here, because every call of the built program would refuse them. */
static bool weights_fit(const Build *b) {
    char error[REPORT_BYTES];
    char wanted[24];
    CoupletTensorFile file;
    if (!b->weights) return true;
    if (!couplet_tensors_parse(b->options->embed_weights, b->weights, b->weight_bytes, &file, error,
                               sizeof error))
        return fail(error);
    const char *found = couplet_tensors_metadata(&file, "method");
    snprintf(wanted, sizeof wanted, "%016" PRIx64, b->programs[0].program->method_hash);
    const bool same = found && strcmp(found, wanted) == 0;
    if (!found)
        fail(arena_printf(b->arena,
                          "%s: this is no checkpoint of Couplet: it does not name its method",
                          b->options->embed_weights));
    else if (!same)
        fail(arena_printf(b->arena,
                          "%s: these are the weights of another method (%s, and `%s` is %s)",
                          b->options->embed_weights, found, b->options->file, wanted));
    couplet_tensors_free(&file);
    return same;
}

static bool write_binding(Build *b, bool with_main) {
    CpuVariant variants[MAX_TARGETS];
    for (int i = 0; i < b->target_count; i++)
        variants[i] = (CpuVariant){b->targets[i], program_symbol(b, i)};
    CpuBinding binding = {.name = b->method->spec->name,
                          .symbol = arena_printf(b->arena, "couplet_%s", b->name),
                          .variants = variants,
                          .variant_count = b->target_count,
                          .weights = b->weights,
                          .weight_bytes = b->weight_bytes,
                          .with_main = with_main};
    const char *path = arena_printf(b->arena, "%s/method.o", b->folder);
    const char *error = "out of memory";
    b->objects[b->object_count++] = path;
    bool good = cpu_write_binding(b->arena, &binding, path, &error);
    return good || fail(error);
}

/* True while no signal has come. A signal ends the command between two of its stages, so that its
 * folder is removed. */
static bool goes_on(void) {
    return !couplet_interrupt_status() || fail("interrupted; nothing is written");
}

static bool write_objects(Build *b, bool with_main) {
    return goes_on() && write_programs(b) && write_binding(b, with_main) && goes_on();
}

/* ---- what is made ---------------------------------------------------------------------------- */

static bool make_header(Build *b) {
    return write_header(b->arena, b->programs[0].program, b->name,
                        arena_printf(b->arena, "%s.h", b->out));
}

/* Puts a file that a tool made in the folder of the objects at its place. The tool does not write
 * there itself. So if it fails, on a full disk say, an older file at that place stays whole. */
static bool put(const char *made, const char *path) {
    char error[REPORT_BYTES];
    const bool good = couplet_file_put(made, path, error, sizeof error);
    remove(made);
    return good || report_error(CODE_OUTPUT, error);
}

static bool make_executable(Build *b) {
    const char *made = arena_printf(b->arena, "%s/program", b->folder);
    return write_objects(b, true) && link_executable(b->arena, b->objects, b->object_count, made) &&
           put(made, b->out);
}

static bool make_object(Build *b) {
    const char *made = arena_printf(b->arena, "%s/object.o", b->folder);
    return write_objects(b, false) && link_object(b->arena, b->objects, b->object_count, made) &&
           put(made, arena_printf(b->arena, "%s.o", b->out)) && make_header(b);
}

/* Writes a library into the folder of `out`: libNAME.a, libNAME.so, NAME.h, NAME.json. */
static bool make_library(Build *b) {
    const char *slash = strrchr(b->out, '/');
    const char *base = slash ? slash + 1 : b->out;
    int folder = slash ? (int)(slash + 1 - b->out) : 0;
    const char *whole = arena_printf(b->arena, "%s/whole.o", b->folder);
    const char *library = arena_printf(b->arena, "%.*slib%s", folder, b->out, base);
    const char *archive = arena_printf(b->arena, "%s/lib%s.a", b->folder, base);
    const char *shared = arena_printf(b->arena, "%s/lib%s.so", b->folder, base);
    const char *manifest = arena_printf(b->arena, "%s.json", b->out);
    const bool linked =
        write_objects(b, false) && link_object(b->arena, b->objects, b->object_count, whole) &&
        link_archive(b->arena, &whole, 1, archive) && link_shared(b->arena, &whole, 1, shared);
    const bool placed = linked && put(archive, arena_printf(b->arena, "%s.a", library)) &&
                        put(shared, arena_printf(b->arena, "%s.so", library));
    return placed && make_header(b) &&
           write_manifest(b->programs[0].program, b->name, b->targets, b->target_count, manifest);
}

static bool make_llvm(Build *b) {
    const char *error = "out of memory";
    return cpu_write_program(b->arena, b->programs[0].plans, b->programs[0].program,
                             program_symbol(b, 0), true, arena_printf(b->arena, "%s.ll", b->out),
                             &error) ||
           fail(error);
}

/* Writes the kernels as text, in the order of their first step. The places in the spec that a
 * kernel comes from stand above it. */
static bool make_text(Build *b) {
    const char *text = NULL;
    const char *failed = "out of memory";
    const char *path = b->options->out ? b->options->out
                                       : arena_printf(b->arena, "%s%s", b->out, b->writer->suffix);
    char error[REPORT_BYTES];
    int kernel_count = 0;
    const GraphList list = program_graphs(b->arena, b->lowered);
    const Module *spec = b->method->spec;
    if (!b->writer->write(b->arena, &list, spec->name, spec->source->path, &text, &kernel_count,
                          &failed))
        return report_error(CODE_OUTPUT, failed);
    if (!couplet_text_write(path, text, error, sizeof error))
        return report_error(CODE_OUTPUT, error);
    printf("%s: %d kernels\n", path, kernel_count);
    return true;
}

typedef struct Emit {
    const char *name;
    bool (*make)(Build *b);
} Emit;

static const Emit emits[] = {
    {"exe", make_executable}, {"lib", make_library}, {"object", make_object},
    {"header", make_header},  {"llvm", make_llvm},
};

enum {
    EMITS = sizeof emits / sizeof *emits,
    MOST_EMITS = EMITS + 8,
};

/* Lists the words of --emit and returns their number: the kinds of programs for processors, and
 * then the back ends that write text. */
static int emit_names(const char *names[MOST_EMITS]) {
    int count = EMITS;
    int backend_count;
    const BackEnd *const *all = backends(&backend_count);
    for (int i = 0; i < EMITS; i++)
        names[i] = emits[i].name;
    for (int i = 0; i < backend_count && count < MOST_EMITS; i++)
        if (all[i]->write) names[count++] = all[i]->name;
    return count;
}

static void refuse_emit(Arena *arena, const char *name) {
    const char *names[MOST_EMITS];
    const char *list = "";
    const int count = emit_names(names);
    for (int i = 0; i < count; i++)
        list = arena_printf(arena, "%s%s%s", list,
                            i == 0          ? ""
                            : i + 1 < count ? ", "
                                            : " or ",
                            names[i]);
    const char *near = diag_nearest(name, names, count);
    report_with_help(CODE_COMMAND_LINE,
                     near ? arena_printf(arena, "did you mean `%s`?", near) : NULL,
                     "--emit is %s, and `%s` was given", list, name);
}

static bool find_emit(Build *b, const char *name, Emit *out) {
    for (int i = 0; i < EMITS; i++) {
        *out = emits[i];
        if (strcmp(emits[i].name, name) == 0) return true;
    }
    b->writer = backend_find(name);
    *out = (Emit){name, make_text};
    if (b->writer && b->writer->write) return true;
    refuse_emit(b->arena, name);
    return false;
}

/* Returns an identifier of C, such as my_method for the file "my-method.cpl". */
static const char *c_name(Arena *arena, const char *name) {
    char *made = arena_printf(arena, "%s%s", isdigit((unsigned char)*name) ? "_" : "", name);
    for (char *at = made; *at; at++)
        if (!isalnum((unsigned char)*at)) *at = '_';
    return made;
}

static void remove_folder(const Build *b) {
    DIR *folder = opendir(b->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        remove(arena_printf(b->arena, "%s/%s", b->folder, entry->d_name));
    if (folder) closedir(folder);
    rmdir(b->folder);
}

/* True if the result can be written. build_program asks before any machine code is made, so that
 * the message is ours and not the linker's. */
static bool can_write(const Build *b, const Emit *emit) {
    char error[REPORT_BYTES];
    struct stat info;
    bool as_named = emit->make == make_executable || b->writer;
    if (as_named && stat(b->out, &info) == 0 && S_ISDIR(info.st_mode))
        return report(CODE_OUTPUT, "%s is a folder: -o names the file that is made", b->out);
    FILE *probe = couplet_file_begin(b->out, error, sizeof error);
    if (!probe) return report_error(CODE_OUTPUT, error);
    couplet_file_drop(b->out, probe);
    return true;
}

static bool build_program(Build *b, const Emit *emit) {
    if (!read_targets(b) || !read_weights(b)) return false;
    b->lowered = lower_spec(
        b->arena, b->options, b->options->file,
        &(DeviceChoice){.backend = b->writer ? b->writer : &cpu_backend, .number = ANY_DEVICE},
        &b->method);
    if (!b->lowered) return false;
    b->name = c_name(b->arena, b->method->spec->name);
    b->out = b->options->out ? b->options->out : b->method->spec->name;
    if (!can_write(b, emit)) return false;
    if (b->writer) return emit->make(b); /* a text needs no code for a processor */
    couplet_catch_interrupts();
    if (!(b->folder = temporary_folder(b->arena))) return false;
    bool good = assemble_all(b) && weights_fit(b) && emit->make(b);
    remove_folder(b);
    return good;
}

int build_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "build",
                     "out data skip-bad emit target embed-weights set epochs memory shards", argc,
                     argv)) {
        Emit emit;
        Build b = {.arena = arena, .options = &o};
        if (find_emit(&b, o.emit ? o.emit : "exe", &emit))
            status = build_program(&b, &emit)     ? 0
                     : couplet_interrupt_status() ? couplet_interrupt_status()
                                                  : 1;
        free(b.weights);
    }
    arena_free(arena);
    return status;
}
