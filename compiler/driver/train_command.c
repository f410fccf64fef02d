/* couplet train, couplet eval and couplet embed: from a spec to a trained encoder, and from a run
 * folder to evaluations and features. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/load.h"
#include "compiler/driver/rehearsal.h"
#include "compiler/driver/report.h"
#include "compiler/driver/source_translation.h"
#include "compiler/driver/trained.h"
#include "compiler/driver/watch.h"
#include "runtime/clock.h"
#include "runtime/data/copies.h"
#include "runtime/data/progress.h"
#include "runtime/embed.h"
#include "runtime/files.h"
#include "runtime/group_join.h"
#include "runtime/group_speak.h"
#include "runtime/interrupt.h"
#include "runtime/train.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the folder and its record --------------------------------------------------------------- */

typedef CoupletRunEnd (*Work)(const CoupletProgram *program, const CoupletTrainOptions *options,
                              char *error, size_t error_bytes);

/* A run, from the command line on. */
typedef struct Job {
    Arena *arena;
    Options *o;
    const char *spec; /* the file that is compiled */
    Work work;
    CoupletRunFolder folder;
    /* the checkpoint of the folder to evaluate or embed with; NULL: the last one */
    const char *checkpoint;
    CoupletRecord record; /* the record of the run that is resumed or evaluated */
    CoupletMapped kept;   /* the run's checkpoint, while its data is opened */
    bool data_was_named;
    DeviceChoice choice;
    CoupletDevice *device;
    void *code;                 /* the device's compiled code for the method; NULL on the host */
    CoupletOpenedTables opened; /* the tables that were opened while the spec was checked */
    CoupletSources sources;
    bool watched; /* a signal ends the process at once (watch.h) */
    TrainUse use; /* the use of a run without a folder; NULL: the run has a folder */
    void *use_context;
    /* the embedding to make; NULL: the run is trained or evaluated on its own data */
    const CoupletEmbedding *embedding;
    /* the look for which the run is opened; NULL: the run is trained or evaluated */
    TrainedLook look;
    void *look_context;
} Job;

/* Returns the device of the record. Its number is that of rank 0 and does not serve other ranks. */
static const char *recorded_device(const Job *j) {
    const char *text = couplet_record_text(&j->record, "options.device");
    if (!text || !j->o->group || j->o->group->ranks == 1) return text;
    return arena_strndup(j->arena, text, strcspn(text, ":"));
}

/* Takes the run's own settings wherever the command line does not say otherwise. Hypers and epochs
 * are taken when the spec is read (load.c). */
static void take_record(Job *j) {
    Options *o = j->o;
    const CoupletRecord *r = &j->record;
    double number;
    uint64_t seed;
    o->record = r;
    if (!o->has_seed && couplet_record_seed(r, &seed)) o->seed = (int64_t)seed;
    if (!o->device) o->device = recorded_device(j);
    if (!o->threads && couplet_record_number(r, "options.threads", &number))
        o->threads = (int64_t)number;
    if (!o->checkpoint_every && couplet_record_number(r, "options.checkpoint_every", &number))
        o->checkpoint_every = (int64_t)number;
    int keep = (int)o->keep;
    couplet_record_keeping(r, &keep, &o->best, &o->stop_early, &o->tensorboard);
    o->keep = keep;
    if (!o->memory_bytes && couplet_record_number(r, "options.memory", &number))
        o->memory_bytes = (int64_t)number;
    if (!o->shards && couplet_record_number(r, "options.shards", &number))
        o->shards = (int64_t)number;
    if (!o->skip_bad && couplet_record_number(r, "options.skip_bad", &number))
        o->skip_bad = (int64_t)number;
    o->no_stream |= couplet_record_true(r, "options.no_stream");
    o->no_fuse |= couplet_record_true(r, "options.no_fuse");
    o->unordered |= couplet_record_true(r, "options.unordered");
    o->gradient_norm |= couplet_record_true(r, "options.gradient_norm");
}

/* True if the shards are those of the run. Other shards add in another order, which makes another
 * run. */
static bool keeps_shards(const Job *j) {
    double was = 0;
    couplet_record_number(&j->record, "options.shards", &was);
    if (!j->o->shards || (double)j->o->shards == was) return true;
    return report(CODE_SETTING,
                  "--shards is %lld, and the run in `%s` was begun %s%.0f; a run keeps what it "
                  "began with",
                  (long long)j->o->shards, j->folder.path, was > 0 ? "with " : "without, as ", was);
}

static const char *checkpoint_name(const Job *j) {
    return j->checkpoint ? j->checkpoint : couplet_checkpoint_name;
}

/* Takes the checkpoint. If it cannot be read, the run is refused later, where its arrays are
 * taken. */
static void take_kept(Job *j) {
    char path[COUPLET_PATH_BYTES];
    char why[REPORT_BYTES];
    if (couplet_path_join(j->folder.path, checkpoint_name(j), path, why, sizeof why) &&
        couplet_mapped_open(path, &j->kept, why, sizeof why))
        j->o->kept = &j->kept.file;
}

static void drop_kept(Job *j) {
    j->o->kept = NULL;
    couplet_mapped_close(&j->kept);
}

static bool is_first_rank(const Job *j) {
    return !j->o->group || j->o->group->rank == 0;
}

/* Tells the other ranks the path of the folder, which rank 0 alone holds. */
static bool follow(Job *j) {
    CoupletGroup *g = j->o->group;
    return !g || couplet_group_broadcast(g, 0, j->folder.path, sizeof j->folder.path) ||
           report_error(CODE_RANKS, g->fault);
}

static bool open_run(Job *j, const char *folder, bool resume) {
    char error[REPORT_BYTES];
    if (is_first_rank(j) &&
        !couplet_folder_open(&j->folder, folder, load_spec_name(j->arena, j->o->file), resume,
                             error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    if (!follow(j)) return false;
    if (!couplet_record_read(j->folder.path, &j->record, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    if (!keeps_shards(j)) return false;
    take_record(j);
    take_kept(j);
    return true;
}

static bool claim_run(Job *j) {
    char error[REPORT_BYTES];
    if (is_first_rank(j) &&
        !couplet_folder_claim(&j->folder, j->o->out, load_spec_name(j->arena, j->o->file), error,
                              sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    return follow(j);
}

/* ---- from the spec to the run ---------------------------------------------------------------- */

/* Returns a program that has the method's sources as the runtime has them, and nothing else. It
 * serves before the program is compiled. */
static const CoupletProgram *program_of_sources(Arena *arena, const Method *method) {
    CoupletProgram *program = arena_new_of(arena, CoupletProgram);
    CoupletSource *sources = arena_array(arena, CoupletSource, method->spec->stmt_count + 1);
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (s->kind == STMT_DATA) {
            sources[program->source_count++] = source_of_data(arena, s->data);
        }
    }
    program->sources = sources;
    return program;
}

static const char interrupted[] = "interrupted before its first step; nothing is written";

/* Reports an interrupt, or the failure of another rank, after which mpirun ends the ranks that
 * still compile. Always returns false. */
static bool say_interrupted(const Job *j) {
    const char *why = j->o->group ? couplet_group_failure(j->o->group) : NULL;
    return why ? report_error(CODE_RANKS, why) : report(CODE_RUN_STOPPED, "%s", interrupted);
}

/* Leaves the run ahead of its first step. Nothing has been written, and the folder is as it was. */
static void leave_run(void *context) {
    Job *j = context;
    couplet_folder_release(&j->folder);
    say_interrupted(j);
}

static void watch_job(Job *j, bool on) {
    if (on == j->watched) return;
    if (!on) watch_end();
    j->watched = on && watch_begin(leave_run, j);
}

/* Opens the data before the program is compiled, so that a fault of the data shows before minutes
 * of work. */
static bool open_data(Job *j, const Method *method) {
    char error[REPORT_BYTES];
    const CoupletPlaces places = options_places(j->o, method->spec->source->path);
    CoupletProgress progress;
    if (j->embedding) return true;
    const double start = couplet_seconds();
    CoupletLoading loading = {.threads = (int)j->o->threads,
                              .skip_bad = j->o->skip_bad,
                              .stop = couplet_catch_interrupts()};
    if (!j->o->quiet) {
        couplet_progress_begin(&progress, stderr, NULL, &loading);
    }
    const bool good = couplet_sources_open(program_of_sources(j->arena, method), &places, &loading,
                                           &j->opened, &j->sources, error, sizeof error);
    if (!j->o->quiet) couplet_progress_end(&progress);
    j->opened.seconds += couplet_seconds() - start;
    return good || report_error(CODE_DATA, error);
}

static bool compile_spec(Job *j, Assembled *out) {
    Diag *diag = diag_new(j->arena);
    Method *method = load_method(j->arena, diag, j->spec, j->o);
    /* while data is read, its reader looks at the flag of a signal by itself */
    watch_job(j, false);
    const bool is_open = method && open_data(j, method);
    if (couplet_interrupt_status()) return say_interrupted(j);
    watch_job(j, true);
    LoweredProgram *lowered =
        is_open ? lower_checked(j->arena, j->o, diag, method, &j->choice) : NULL;
    report_messages(diag);
    drop_kept(j);
    return lowered && assemble_lowered(j->arena, j->o, method, lowered, &j->choice, out);
}

/* Opens the device, except the host, which the runtime opens with its threads. */
static bool open_run_device(Job *j) {
    return j->choice.backend->is_host || (j->device = device_open(j->arena, &j->choice, NULL));
}

/* Builds the method's program on the device, before anything is printed or written. For the host
 * nothing is left to build. */
static bool make_ready(Job *j, const CoupletProgram *program) {
    if (!j->device || j->device->calls->prepare(j->device, program->train, &j->code)) return true;
    return report(CODE_RUN_STOPPED, "%s: %s", j->device->name, j->device->fault.sentence);
}

static void say_compiled(const Job *j, const Assembled *assembled, double seconds) {
    const bool cached = assembled->code.backend->was_cached(&assembled->code, j->device);
    if (j->o->quiet) return;
    printf("%s in %.2f s (%d kernels%s%s%s; data in %.2f s)\n", cached ? "loaded" : "compiled",
           seconds, assembled->code.kernel_count, cached ? " from the cache" : "",
           j->device ? " for " : "", j->device ? j->device->name : "", j->opened.seconds);
}

static CoupletTrainOptions train_options(Job *j) {
    const Options *o = j->o;
    return (CoupletTrainOptions){.folder = &j->folder,
                                 .record = j->record.json ? &j->record : NULL,
                                 .start = o->start,
                                 .change = o->change,
                                 .places = options_places(o, j->spec),
                                 .loading = {.skip_bad = o->skip_bad},
                                 .data_was_named = j->data_was_named,
                                 .sources = &j->sources,
                                 .group = o->group,
                                 .unordered = o->unordered,
                                 .seed = (uint64_t)o->seed,
                                 .threads = (int)o->threads,
                                 .max_steps = o->max_steps,
                                 .checkpoint_every = o->checkpoint_every,
                                 .give_every = o->give_every,
                                 .keep = (int)o->keep,
                                 .best = o->best,
                                 .stop_early = o->stop_early,
                                 .tensorboard = o->tensorboard,
                                 .checkpoint = j->checkpoint,
                                 .quiet = o->quiet,
                                 .out = stdout,
                                 .stop = couplet_catch_interrupts(),
                                 .device = j->device};
}

static int run_compiled(Job *j, const Assembled *assembled) {
    const Options *o = j->o;
    char error[REPORT_BYTES];
    const CoupletTrainOptions options = train_options(j);
    if (j->use) return j->use(j->use_context, assembled->program, &options);
    CoupletRunEnd end = j->work(assembled->program, &options, error, sizeof error);
    switch (end) {
    case COUPLET_RUN_FAILED:
        if (!o->group || couplet_group_speaks(o->group)) {
            report_error(CODE_RUN_STOPPED, error);
        }
        return 1;
    case COUPLET_RUN_REFUSED:
        report_error(CODE_RUN_FOLDER, error);
        return 1;
    case COUPLET_RUN_STOPPED:
        /* another rank may have received the signal */
        return couplet_interrupt_status() ? couplet_interrupt_status() : 128 + SIGINT;
    case COUPLET_RUN_DONE:
        return 0;
    }
    return 0;
}

/* Returns a session with the weights of the checkpoint, or NULL with a sentence in `error`. */
static CoupletSession *open_trained(Job *j, const CoupletProgram *program, CoupletDevice *device,
                                    CoupletThreads *threads, char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    CoupletLoaded loaded;
    CoupletSession *s =
        couplet_session_new(program, device, threads, (uint64_t)j->o->seed, error, error_bytes);
    if (s && couplet_path_join(j->folder.path, checkpoint_name(j), path, error, error_bytes) &&
        couplet_session_load(s, path, &loaded, error, error_bytes))
        return s;
    couplet_session_free(s);
    return NULL;
}

static bool embed(void *context, CoupletSession *s, const CoupletSources *sources, char *error,
                  size_t error_bytes) {
    const Job *j = context;
    (void)sources; /* an embedded run opens no data of its own */
    int64_t count = 0;
    CoupletEmbedding what = *j->embedding;
    what.places = options_places(j->o, j->spec);
    CoupletProgress progress;
    what.loading = (CoupletLoading){.threads = (int)j->o->threads,
                                    .skip_bad = j->o->skip_bad,
                                    .stop = couplet_catch_interrupts()};
    if (!j->o->quiet) {
        couplet_progress_begin(&progress, stderr, NULL, &what.loading);
    }
    const bool good = couplet_embed(s, &what, &count, error, error_bytes);
    if (good && !j->o->quiet)
        printf("%lld samples, %lld features each: %s\n", (long long)count,
               (long long)couplet_session_width(s, s->program->features[0]->name), what.out);
    if (!j->o->quiet) couplet_progress_end(&progress);
    return good;
}

static int inspect_program(Job *j, const CoupletProgram *program) {
    char error[REPORT_BYTES] = "out of memory, or of threads";
    CoupletThreads *threads = couplet_threads_new((int)j->o->threads);
    CoupletDevice *device = threads ? couplet_host_device_new(threads) : NULL;
    CoupletSession *s =
        device ? open_trained(j, program, device, threads, error, sizeof error) : NULL;
    if (threads) {
        couplet_threads_heed(threads, couplet_catch_interrupts());
    }
    const bool good = s && j->look(j->look_context, s, &j->sources, error, sizeof error);
    couplet_session_free(s);
    couplet_device_free(device);
    couplet_threads_free(threads);
    if (good) return 0;
    if (couplet_interrupt_status()) return couplet_interrupt_status();
    return report_error(CODE_DATA, error), 1;
}

/* Does the work of the job. The folder must be held. */
static int run_job(Job *j) {
    double start = couplet_seconds();
    Assembled assembled = {0};
    if (!j->embedding) j->o->opened = &j->opened;
    if (!device_choose(j->o->device, false, &j->choice)) return 2;
    device_deal(j->o->device, j->o->group, &j->choice);
    watch_job(j, true);
    const bool made =
        open_run_device(j) && compile_spec(j, &assembled) && make_ready(j, assembled.program);
    watch_job(j, false);
    int status = couplet_interrupt_status() ? couplet_interrupt_status() : 1;
    if (made) {
        if (!j->look) {
            say_compiled(j, &assembled, couplet_seconds() - start);
        }
        status = j->look ? inspect_program(j, assembled.program) : run_compiled(j, &assembled);
    }
    backend_free(&assembled.code);
    return status;
}

static void close_job(Job *j) {
    couplet_sources_close(&j->sources);
    couplet_opened_close(&j->opened);
    if (j->code) j->device->calls->forget(j->device, j->code);
    couplet_device_free(j->device);
    couplet_record_free(&j->record);
    drop_kept(j);
    couplet_folder_release(&j->folder);
}

int train_with(Arena *arena, Options *options, TrainUse use, void *context) {
    Job job = {.arena = arena,
               .o = options,
               .spec = options->file,
               .use = use,
               .use_context = context,
               .folder = {.lock = -1}};
    const int status = run_job(&job);
    close_job(&job);
    return status;
}

/* ---- the commands ---------------------------------------------------------------------------- */

CoupletGroup *trained_join(void) {
    char error[COUPLET_GROUP_SENTENCE_BYTES];
    CoupletGroup *group = couplet_group_join(error, sizeof error);
    if (group)
        couplet_group_hush(group);
    else
        report_error(CODE_RANKS, error);
    return group;
}

static int train(CoupletGroup *group, int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(
            arena, &o, "train",
            "set epochs data skip-bad seed threads device out start resume change "
            "dry-run max-steps checkpoint-every give-every keep best stop-early tensorboard "
            "gradient-norm memory shards unordered no-stream no-fuse quiet",
            argc, argv)) {
        o.group = group;
        if (!o.resume && !o.shards) {
            o.shards = options_shards_for(group->ranks);
        }
        Job job = {.arena = arena,
                   .o = &o,
                   .spec = o.file,
                   .work = couplet_train,
                   .data_was_named = o.data.count > 0,
                   .folder = {.lock = -1}};
        if (o.change && !o.resume)
            report(CODE_COMMAND_LINE, "--change goes with --resume: it names what may differ from "
                                      "the run that is gone on with");
        else if (o.start && o.resume)
            report(CODE_COMMAND_LINE,
                   "--start begins a new run, and --resume goes on with one that has begun");
        else if (o.dry_run && (o.resume || o.out))
            report(CODE_COMMAND_LINE, "--dry-run makes no run: it goes with neither --resume nor "
                                      "--out");
        else if (o.dry_run)
            status = train_dry(arena, &o);
        else
            status = (o.resume ? open_run(&job, o.out, true) : claim_run(&job)) ? run_job(&job) : 1;
        close_job(&job);
    }
    arena_free(arena);
    return status;
}

int train_command(int argc, char **argv) {
    CoupletGroup *group = trained_join();
    return group ? couplet_group_leave(group, train(group, argc, argv)) : 1;
}

const char *trained_spec(Arena *arena, const char *folder, const CoupletRecord *record) {
    const char *main = record ? couplet_record_text(record, "main") : NULL;
    const char *file = arena_printf(arena, "%s/spec.cpl", folder);
    const char *parts = arena_printf(arena, "%s/spec", folder);
    if (main) return arena_printf(arena, "%s/%s", folder, main);
    return access(file, F_OK) != 0 && access(parts, F_OK) == 0 ? parts : file;
}

/* Compiles the spec that a run folder keeps, and does the work of the job with it. `run` is the
 * folder or one of its checkpoints. */
static int run_kept(Job *j, const char *run) {
    char folder[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    if (!couplet_folder_split(run, folder, &j->checkpoint, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error) ? 0 : 1;
    if (!open_run(j, folder, false)) return 1;
    j->spec = trained_spec(j->arena, j->folder.path, &j->record);
    return run_job(j);
}

int embed_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "embed", "data samples split out threads skip-bad quiet", argc,
                     argv)) {
        const char *file = o.file;
        CoupletEmbedding what = {.array = o.samples,
                                 .data = o.data.count ? o.data.items[0] : NULL,
                                 .split = o.split,
                                 .out = o.out};
        Job job = {
            .arena = arena, .o = &o, .folder = {.lock = -1}, .embedding = &what, .look = embed};
        job.look_context = &job;
        if (!what.out)
            report(CODE_COMMAND_LINE, "embed needs -o FILE.npy, where the features go");
        else if (o.data.count > 1)
            report(CODE_COMMAND_LINE, "embed reads one source, and --data is given %d times",
                   o.data.count);
        else if (what.array && (what.data || what.split))
            report(CODE_COMMAND_LINE, "embed takes its samples from --samples, or from --data and "
                                      "--split, and both were given");
        else {
            /* --data names the samples to embed. The places and the fields of the run's own sources
             * come from its record. */
            o.data.count = 0;
            o.trusts_record = true;
            status = run_kept(&job, file);
        }
        close_job(&job);
    }
    arena_free(arena);
    return status;
}

static int evaluate(CoupletGroup *group, int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "eval", "data skip-bad threads device quiet", argc, argv)) {
        o.group = group;
        Job job = {.arena = arena,
                   .o = &o,
                   .work = couplet_evaluate,
                   .data_was_named = o.data.count > 0,
                   .folder = {.lock = -1}};
        status = run_kept(&job, o.file);
        close_job(&job);
    }
    arena_free(arena);
    return status;
}

int eval_command(int argc, char **argv) {
    CoupletGroup *group = trained_join();
    return group ? couplet_group_leave(group, evaluate(group, argc, argv)) : 1;
}

int trained_look(Arena *arena, const Options *options, const char *folder, TrainedLook look,
                 void *context) {
    Options o = *options;
    o.file = folder;
    Job job = {.arena = arena,
               .o = &o,
               .data_was_named = o.data.count > 0,
               .folder = {.lock = -1},
               .look = look,
               .look_context = context};
    const int status = run_kept(&job, folder);
    close_job(&job);
    return status;
}

/* Opens a run, checks and lowers its spec, and hands both to `use`. */
static bool lower_kept(Job *j, const char *run, TrainedGraphs use, void *context) {
    char folder[COUPLET_PATH_BYTES];
    char path[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    if (!couplet_folder_split(run, folder, &j->checkpoint, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    if (!open_run(j, folder, false)) return false;
    if (!couplet_path_join(j->folder.path, checkpoint_name(j), path, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    Diag *diag = diag_new(j->arena);
    const CompileOptions options = {.only_meaning = true};
    const Method *method =
        load_method(j->arena, diag, trained_spec(j->arena, j->folder.path, &j->record), j->o);
    const LoweredProgram *program =
        method ? compile_method(j->arena, diag, method, METHOD_STEPS, &options) : NULL;
    const bool good = program && use(context, diag, method, program, path);
    report_messages(diag);
    return good;
}

int trained_graphs(Arena *arena, const Options *options, const char *run, TrainedGraphs use,
                   void *context) {
    Options o = *options;
    o.data.count = 0;
    /* The places and the fields of the run's own sources come from its record. */
    o.trusts_record = true;
    Job job = {.arena = arena, .o = &o, .folder = {.lock = -1}};
    const bool good = lower_kept(&job, run, use, context);
    close_job(&job);
    return good ? 0 : 1;
}
