/* The command line of a program that `couplet build` makes. It has the options of `couplet train`
 * and `couplet eval`, and the command embed. */
#include "runtime/couplet.h"

#include "runtime/data/progress.h"
#include "runtime/dispatch.h"
#include "runtime/embed.h"
#include "runtime/files.h"
#include "runtime/group_join.h"
#include "runtime/group_speak.h"
#include "runtime/interrupt.h"
#include "runtime/numbers.h"
#include "runtime/range.h"
#include "runtime/train.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct CommandLine {
    const CoupletMethod *method;
    const char *program; /* argv[0], for messages */
    CoupletTrainOptions train;
    const char *out;
    const char *weights;
    const char *array;
    const char *split;
    const char **places; /* the texts of --data, with room for every argument */
    int place_count;
    bool resume;
    bool has_seed;
    double epochs;     /* --epochs; 0: the method decides */
    const char **sets; /* the texts of --set, with room for every argument */
    int set_count;
} CommandLine;

/* The codes of messages, from lang/codes.def. An error of the runtime may begin with a code of its
 * own, or with a place and a code. */
#define OF_COMMAND_LINE "E603"
#define OF_SETTING      "E604"
#define OF_FOLDER       "E608"
#define OF_DEVICE       "E609"
#define OF_OUTPUT       "E606"
#define OF_RANGE        "E510"
#define OF_RUN          "E802"
#define OF_RANKS        "E804"

/* Prints a message. Always returns false, so that `return refuse_usage(..)` says why something
 * failed. */
static bool refuse_usage(const CommandLine *c, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse_usage(const CommandLine *c, const char *code, const char *format, ...) {
    va_list args;
    fflush(stdout);
    fprintf(stderr, "%s: error[%s]: ", c->program, code);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

/* Prints an error, with the code unless the error has a code of its own. Returns the exit
 * status. */
static int end_with_error(const CommandLine *c, const char *code, const char *error) {
    fflush(stdout);
    if (strncmp(error, "error", 5) == 0 || strstr(error, ": error"))
        fprintf(stderr, "%s: %s\n", c->program, error);
    else
        refuse_usage(c, code, "%s", error);
    return 1;
}

/* ---- options --------------------------------------------------------------------------------- */

/* Reads the whole number behind an option. Returns false after a message. */
static bool whole(const CommandLine *c, const char *name, const char *text, int64_t low,
                  int64_t high, int64_t *out) {
    if (couplet_read_whole(text, low, high, out)) return true;
    return refuse_usage(c, OF_COMMAND_LINE,
                        "--%s is a whole number from %lld to %lld, and `%s` was given", name,
                        (long long)low, (long long)high, text);
}

/* Takes the text behind an option. An empty text is refused. */
static bool text(const CommandLine *c, const char *name, const char **out) {
    *out = optarg;
    return *optarg ||
           refuse_usage(c, OF_COMMAND_LINE, "--%s needs a name, and an empty text was given", name);
}

enum {
    DATA = 1,
    OUT,
    SEED,
    THREADS,
    EPOCHS,
    MAX_STEPS,
    CHECKPOINT_EVERY,
    GIVE_EVERY,
    KEEP,
    BEST,
    STOP_EARLY,
    TENSORBOARD,
    UNORDERED,
    START,
    RESUME,
    CHANGE,
    QUIET,
    SKIP_BAD,
    SET,
    WEIGHTS,
    SAMPLES,
    IMAGES,
    SPLIT
};
static const struct option options[] = {{"data", 1, NULL, DATA},
                                        {"out", 1, NULL, OUT},
                                        {"seed", 1, NULL, SEED},
                                        {"threads", 1, NULL, THREADS},
                                        {"epochs", 1, NULL, EPOCHS},
                                        {"max-steps", 1, NULL, MAX_STEPS},
                                        {"checkpoint-every", 1, NULL, CHECKPOINT_EVERY},
                                        {"give-every", 1, NULL, GIVE_EVERY},
                                        {"keep", 1, NULL, KEEP},
                                        {"best", 1, NULL, BEST},
                                        {"stop-early", 1, NULL, STOP_EARLY},
                                        {"tensorboard", 0, NULL, TENSORBOARD},
                                        {"unordered", 0, NULL, UNORDERED},
                                        {"start", 1, NULL, START},
                                        {"resume", 0, NULL, RESUME},
                                        {"change", 1, NULL, CHANGE},
                                        {"quiet", 0, NULL, QUIET},
                                        {"skip-bad", 1, NULL, SKIP_BAD},
                                        {"set", 1, NULL, SET},
                                        {"weights", 1, NULL, WEIGHTS},
                                        {"samples", 1, NULL, SAMPLES},
                                        {"images", 1, NULL, IMAGES},
                                        {"split", 1, NULL, SPLIT},
                                        {NULL, 0, NULL, 0}};

static bool take_option(CommandLine *c, int option, const char *name) {
    int64_t value = 0;
    switch (option) {
    case DATA:
        return text(c, name, &c->places[c->place_count]) && (c->place_count++, true);
    case OUT:
        return text(c, name, &c->out);
    case SEED:
        return whole(c, name, optarg, 0, COUPLET_MOST_SEED, &value) &&
               (c->train.seed = (uint64_t)value, c->has_seed = true);
    case THREADS:
        return whole(c, name, optarg, 1, COUPLET_MOST_THREADS, &value) &&
               (c->train.threads = (int)value, true);
    case MAX_STEPS:
        return whole(c, name, optarg, 1, COUPLET_MOST_STEPS, &value) &&
               (c->train.max_steps = value, true);
    case CHECKPOINT_EVERY:
        return whole(c, name, optarg, 1, COUPLET_MOST_STEPS, &value) &&
               (c->train.checkpoint_every = value, true);
    case GIVE_EVERY:
        return whole(c, name, optarg, 1, COUPLET_MOST_STEPS, &value) &&
               (c->train.give_every = value, true);
    case KEEP:
        return whole(c, name, optarg, 1, COUPLET_MOST_KEPT, &value) &&
               (c->train.keep = (int)value, true);
    case BEST:
        return text(c, name, &c->train.best);
    case STOP_EARLY:
        return whole(c, name, optarg, 1, COUPLET_MOST_STEPS, &value) &&
               (c->train.stop_early = value, true);
    case TENSORBOARD:
        return c->train.tensorboard = true;
    case UNORDERED:
        return c->train.unordered = true;
    case SKIP_BAD:
        return whole(c, name, optarg, 0, INT32_MAX, &c->train.loading.skip_bad);
    case RESUME:
        return c->resume = true;
    case START:
        return text(c, name, &c->train.start);
    case CHANGE:
        return text(c, name, &c->train.change);
    case QUIET:
        return c->train.quiet = true;
    case WEIGHTS:
        return text(c, name, &c->weights);
    case SAMPLES:
        return text(c, name, &c->array);
    /* The option's name in versions whose samples were pictures. */
    case IMAGES:
        return text(c, name, &c->array);
    case SPLIT:
        return text(c, name, &c->split);
    case SET:
        c->sets[c->set_count++] = optarg;
        return true;
    case EPOCHS:
        if (couplet_read_number(optarg, &c->epochs, NULL) && c->epochs > 0 &&
            c->epochs <= COUPLET_MOST_EPOCHS)
            return true;
        return refuse_usage(c, OF_COMMAND_LINE,
                            "--epochs is a number above 0 and at most %d, and `%s` was given",
                            COUPLET_MOST_EPOCHS, optarg);
    default:
        return false;
    }
}

static bool refuse_setting(const CommandLine *c, const char *setting, const char *why) {
    return refuse_usage(c, OF_SETTING, "--set %s: %s", setting, why);
}

/* Returns the length of the name in NAME=VALUE, or 0 for any other text. */
static size_t name_length(const char *setting) {
    const char *equals = strchr(setting, '=');
    return equals && equals[1] ? (size_t)(equals - setting) : 0;
}

/* Sets the hyper of NAME=VALUE, which is --set number `number`. Returns false after a message. */
static bool set_hyper(const CommandLine *c, const char *setting, int number, CoupletHyper *hypers,
                      int count) {
    const size_t length = name_length(setting);
    CoupletHyper *found = NULL;
    double value;
    bool is_whole;
    if (length == 0) return refuse_setting(c, setting, "NAME=VALUE is expected");
    for (int h = 0; h < count; h++)
        if (strncmp(hypers[h].name, setting, length) == 0 && !hypers[h].name[length])
            found = &hypers[h];
    for (int i = 0; i < number; i++)
        if (strncmp(c->sets[i], setting, length + 1) == 0)
            return refuse_setting(c, setting, "this hyper is set twice");
    if (!found) return refuse_setting(c, setting, "the method has no such hyper");
    if (found->is_static)
        return refuse_setting(c, setting, "this hyper was fixed when the program was built");
    if (found->is_truth) {
        const char *word = setting + length + 1;
        if (strcmp(word, "true") != 0 && strcmp(word, "false") != 0)
            return refuse_setting(c, setting, "this hyper is true or false");
        found->value = *word == 't';
        return true;
    }
    if (!couplet_read_number(setting + length + 1, &value, &is_whole))
        return refuse_setting(c, setting, "a number is expected");
    if (found->is_integer && !is_whole)
        return refuse_setting(c, setting, "this hyper is a whole number");
    if (found->is_integer && fabs(value) > INT32_MAX)
        return refuse_setting(c, setting, "whole numbers have 32 bits: up to 2147483647");
    found->value = value;
    return true;
}

static bool ranges_hold(const CommandLine *c, const CoupletHyper *hypers, int count) {
    for (int i = 0; i < count; i++) {
        if (!hypers[i].range || couplet_range_holds(hypers[i].range, hypers, count)) continue;
        return refuse_usage(c, OF_RANGE, "the hyper %s is %.9g, which is out of its range: %s",
                            hypers[i].name, hypers[i].value, hypers[i].range_text);
    }
    return true;
}

/* Writes the hypers and epochs of the command line into a copy of the program. The caller frees the
 * copies. */
static bool adjust(CommandLine *c, CoupletProgram *program, CoupletHyper **hypers) {
    *hypers = malloc(sizeof **hypers * (size_t)(program->hyper_count + 1));
    if (!*hypers) return end_with_error(c, OF_RUN, "out of memory"), false;
    for (int i = 0; i < program->hyper_count; i++)
        (*hypers)[i] = program->hypers[i];
    program->hypers = *hypers;
    if (c->epochs > 0 && program->stage_count)
        return end_with_error(c, OF_SETTING,
                              "--epochs: the method has stages, each with epochs of its own"),
               false;
    if (c->epochs > 0) program->epochs = c->epochs;
    for (int i = 0; i < c->set_count; i++)
        if (!set_hyper(c, c->sets[i], i, *hypers, program->hyper_count)) return false;
    return ranges_hold(c, *hypers, program->hyper_count);
}

static const char no_level[] = "this processor is none of those that the program was built for";

/* ---- commands -------------------------------------------------------------------------------- */

typedef CoupletRunEnd (*Work)(const CoupletProgram *program, const CoupletTrainOptions *options,
                              char *error, size_t error_bytes);

static bool is_set(const CommandLine *c, const char *name) {
    size_t length = strlen(name);
    for (int i = 0; i < c->set_count; i++)
        if (strncmp(c->sets[i], name, length) == 0 && c->sets[i][length] == '=') return true;
    return false;
}

/* Takes the run's value of a hyper, unless the command line sets the hyper, or the value in the
 * text of the spec has changed since. */
static void take_recorded_hyper(const CommandLine *c, const CoupletRecordedHyper *recorded,
                                CoupletHyper *hypers, int count) {
    for (int i = 0; i < count; i++) {
        CoupletHyper *h = &hypers[i];
        bool same_text =
            strcmp(h->name, recorded->name) == 0 && strcmp(h->written, recorded->written) == 0;
        if (same_text && !h->is_static && !is_set(c, h->name)) {
            h->value = recorded->value;
        }
    }
}

/* Takes the settings in the run's record, except those that the command line gives. */
static void take_record(CommandLine *c, const CoupletRecord *r, CoupletProgram *program,
                        CoupletHyper *hypers) {
    CoupletRecordedHyper hyper;
    double number;
    for (int i = 0; couplet_record_hyper(r, i, &hyper); i++)
        take_recorded_hyper(c, &hyper, hypers, program->hyper_count);
    const char *written = couplet_record_text(r, "written.epochs");
    if (!(c->epochs > 0) && written && strcmp(written, program->written_epochs) == 0)
        couplet_record_number(r, "epochs", &program->epochs);
    if (!c->has_seed) couplet_record_seed(r, &c->train.seed);
    c->train.places.was = (const char *const *)r->places;
    c->train.places.was_count = r->place_count;
    if (!c->train.threads && couplet_record_number(r, "options.threads", &number))
        c->train.threads = (int)number;
    if (!c->train.loading.skip_bad && couplet_record_number(r, "options.skip_bad", &number))
        c->train.loading.skip_bad = (int64_t)number;
    if (!c->train.checkpoint_every && couplet_record_number(r, "options.checkpoint_every", &number))
        c->train.checkpoint_every = (int64_t)number;
    couplet_record_keeping(r, &c->train.keep, &c->train.best, &c->train.stop_early,
                           &c->train.tensorboard);
}

/* Prepares loading, with a line that shows the progress of packing. */
static void begin_loading(CommandLine *c, CoupletProgress *progress) {
    c->train.loading.threads = c->train.threads;
    c->train.loading.stop = c->train.stop;
    if (!c->train.quiet) {
        couplet_progress_begin(progress, stderr, NULL, &c->train.loading);
    }
}

/* Does the work in the folder, which this rank or rank 0 holds. `is_there` says that the folder has
 * a run, whose settings are taken. Returns the exit status. */
static int run_in(CommandLine *c, CoupletProgram *program, CoupletHyper *hypers, bool is_there,
                  Work work) {
    char error[2048];
    CoupletRecord record = {.json = NULL};
    c->train.data_was_named = c->place_count > 0;
    c->train.places = (CoupletPlaces){.given = c->places, .given_count = c->place_count};
    if (is_there) {
        if (!couplet_record_read(c->train.folder->path, &record, error, sizeof error))
            return end_with_error(c, OF_FOLDER, error);
        take_record(c, &record, program, hypers);
        c->train.record = &record;
    }
    c->train.stop = couplet_catch_interrupts();
    CoupletProgress progress;
    begin_loading(c, &progress);
    CoupletRunEnd end = work(program, &c->train, error, sizeof error);
    couplet_record_free(&record);
    if (end == COUPLET_RUN_REFUSED) return end_with_error(c, OF_FOLDER, error);
    if (end == COUPLET_RUN_FAILED)
        return couplet_group_speaks(c->train.group) ? end_with_error(c, OF_RUN, error) : 1;
    if (end != COUPLET_RUN_STOPPED) return 0;
    /* Another rank may have received the signal, which this rank then does not know. */
    return couplet_interrupt_status() ? couplet_interrupt_status() : 128 + SIGINT;
}

/* Takes the folder: the one of the run that is resumed or evaluated, or a new one. Rank 0 alone
 * holds its lock, and tells the other ranks the path. Returns false with a sentence. */
static bool hold(CommandLine *c, const CoupletProgram *program, CoupletRunFolder *folder, Work work,
                 char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    CoupletGroup *g = c->train.group;
    const char *out = c->out;
    if (work == couplet_evaluate) {
        if (!couplet_folder_split(out, path, &c->train.checkpoint, error, error_bytes))
            return false;
        out = path;
    }
    const bool is_there = c->resume || work == couplet_evaluate;
    const bool held =
        g->rank != 0 ||
        (is_there ? couplet_folder_open(folder, out, program->name, c->resume, error, error_bytes)
                  : couplet_folder_claim(folder, out, program->name, error, error_bytes));
    if (!held || couplet_group_broadcast(g, 0, folder->path, sizeof folder->path)) return held;
    snprintf(error, error_bytes, "error[" OF_RANKS "]: %s", g->fault);
    return false;
}

/* Trains or evaluates in a run folder, as `work` says. Returns the exit status. */
static int run(CommandLine *c, Work work) {
    const CoupletProgram *found = couplet_method_program(c->method);
    char error[COUPLET_PATH_BYTES + 512];
    if (!found) return end_with_error(c, OF_DEVICE, no_level);
    if (c->train.change && !c->resume)
        return end_with_error(
            c, OF_COMMAND_LINE,
            "--change goes with --resume: it names what may differ from the run that is "
            "gone on with");
    if (c->train.start && c->resume)
        return end_with_error(
            c, OF_COMMAND_LINE,
            "--start begins a new run, and --resume goes on with one that has begun");
    CoupletProgram program = *found;
    CoupletHyper *hypers;
    if (!adjust(c, &program, &hypers)) {
        free(hypers);
        return 2;
    }
    CoupletRunFolder folder = {.lock = -1};
    bool is_there = c->resume || work == couplet_evaluate;
    bool held = hold(c, &program, &folder, work, error, sizeof error);
    c->train.folder = &folder;
    int status =
        held ? run_in(c, &program, hypers, is_there, work) : end_with_error(c, OF_FOLDER, error);
    couplet_folder_release(&folder);
    free(hypers);
    return status;
}

/* Returns a session with the weights of --weights or, without that, with those in the binary.
 * Returns NULL with a sentence. */
static CoupletSession *open_weights(const CommandLine *c, const CoupletProgram *program,
                                    CoupletDevice *device, CoupletThreads *threads, char *error,
                                    size_t error_bytes) {
    CoupletSession *s =
        couplet_session_new(program, device, threads, c->train.seed, error, error_bytes);
    CoupletLoaded loaded;
    const CoupletMethod *m = c->method;
    const bool good =
        s && (c->weights ? couplet_session_load(s, c->weights, &loaded, error, error_bytes)
                         : couplet_session_load_bytes(s, "the embedded weights", m->weights,
                                                      (size_t)m->weight_bytes, &loaded, error,
                                                      error_bytes));
    if (good) return s;
    couplet_session_free(s);
    return NULL;
}

/* Returns a sentence that says why this command line cannot embed, or NULL if it can. */
static const char *why_not_embed(const CommandLine *c) {
    if (!c->out) return "embed needs --out FILE.npy";
    if (!c->weights && !c->method->weights)
        return "embed needs --weights FILE, a checkpoint: no weights were built in";
    if (c->array && (c->place_count || c->split))
        return "embed takes its samples from --samples, or from --data and --split, and both were "
               "given";
    if (c->place_count > 1) return "embed reads one source, and --data is given twice";
    return NULL;
}

static int embed(CommandLine *c) {
    char error[1024];
    int64_t count = 0;
    const CoupletProgram *program = couplet_method_program(c->method);
    if (!program) return end_with_error(c, OF_DEVICE, no_level);
    const char *why = why_not_embed(c);
    if (why) return end_with_error(c, OF_COMMAND_LINE, why);
    CoupletProgress progress;
    begin_loading(c, &progress);
    const CoupletEmbedding what = {.array = c->array,
                                   .data = c->place_count ? c->places[0] : NULL,
                                   .split = c->split,
                                   .out = c->out,
                                   .loading = c->train.loading};
    CoupletThreads *threads = couplet_threads_new(c->train.threads);
    CoupletDevice *device = threads ? couplet_host_device_new(threads) : NULL;
    CoupletSession *s = NULL;
    if (!device)
        snprintf(error, sizeof error, "out of memory, or of threads");
    else
        s = open_weights(c, program, device, threads, error, sizeof error);
    const bool good = s && couplet_embed(s, &what, &count, error, sizeof error);
    couplet_session_free(s);
    couplet_device_free(device);
    couplet_threads_free(threads);
    if (!good) return end_with_error(c, OF_RUN, error);
    if (!c->train.quiet)
        printf("%lld samples, %lld features each: %s\n", (long long)count,
               (long long)couplet_method_feature_width(c->method), c->out);
    return 0;
}

/* Prints a line such as "simclr, compiled by Couplet 0.1.0; method 0123456789abcdef; x86-64-v4,
 * x86-64-v3". */
static int version(const CommandLine *c) {
    const CoupletProgram *program = couplet_method_program(c->method);
    printf("%s, compiled by Couplet %s", c->method->name, COUPLET_VERSION);
    if (program) printf("; method %016llx", (unsigned long long)program->method_hash);
    for (int64_t i = 0; i < c->method->variant_count; i++)
        printf("%s%s", i ? ", " : "; for ",
               c->method->variants[i].level ? c->method->variants[i].level
                                            : "any processor of this kind");
    printf("\n");
    return 0;
}

static int usage(const CommandLine *c, FILE *out) {
    fprintf(
        out,
        "%s: the method %s, compiled by Couplet.\n\n"
        "%s [train] [--data PLACE] [--out FOLDER] [--start RUN] [--resume [--change tau,..]] "
        "[--seed n] [--threads n] [--epochs n] [--set tau=0.1]\n"
        "    [--max-steps n] [--checkpoint-every n] [--give-every n] [--keep n] [--best NAME] "
        "[--stop-early n] [--tensorboard] [--unordered] [--quiet]     trains and "
        "evaluates\n"
        "%s eval --out FOLDER [--data PLACE] [--threads n]        evaluates the checkpoint in a "
        "run folder\n"
        "%s embed [--weights CHECKPOINT] (--samples FILE.npy | [--data PATH] [--split test]) --out "
        "FEATURES.npy\n"
        "                                                         features of samples, [count, "
        "width] in float32\n"
        "%s --version                                             of Couplet, and of the method\n"
        "A PLACE is the folder that the method's data lies in, or NAME=PATH for one of its "
        "sources; --data may stand several times.\n"
        "--skip-bad n leaves out up to n samples that cannot be read, and lists them.\n",
        c->program, c->method->name, c->program, c->program, c->program, c->program);
    return out == stdout ? 0 : 2;
}

typedef struct Command {
    const char *name, *options; /* the options that the command takes */
    int (*run)(CommandLine *c);
    bool on_ranks; /* true if all ranks of a run take part */
} Command;

static int train(CommandLine *c) {
    return run(c, couplet_train);
}
static int evaluate(CommandLine *c) {
    return c->out
               ? run(c, couplet_evaluate)
               : end_with_error(c, OF_COMMAND_LINE, "eval needs --out FOLDER, the folder of a run");
}

static const Command commands[] = {
    {"train",
     " data skip-bad out seed threads epochs max-steps checkpoint-every give-every keep best "
     "stop-early tensorboard unordered start resume "
     "change quiet set ",
     train, true},
    {"eval", " data skip-bad out threads quiet ", evaluate, true},
    {"embed", " data skip-bad out seed threads quiet weights samples images split ", embed, false},
};

static const Command *find_command(const CommandLine *c, const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    refuse_usage(c, OF_COMMAND_LINE, "there is no command `%s`; there are train, eval and embed",
                 name);
    return NULL;
}

static bool takes(const CommandLine *c, const Command *command, const char *option) {
    char word[64];
    snprintf(word, sizeof word, " %s ", option);
    if (strstr(command->options, word)) return true;
    return refuse_usage(c, OF_COMMAND_LINE, "`%s` has no option --%s; %s --help shows them",
                        command->name, option, c->program);
}

/* Reports an option that getopt_long did not accept. */
static int refuse_option(const CommandLine *c, int answer, char **argv) {
    refuse_usage(c, OF_COMMAND_LINE,
                 answer == ':' ? "%s needs a value; %s --help shows the options"
                               : "`%s` is no option, or takes no value; %s --help shows them",
                 argv[optind - 1], c->program);
    return 2;
}

/* Reads the options and runs the command. Returns the exit status, which is 2 for a wrong command
 * line. */
static int read_and_run(CommandLine *c, const Command *command, int argc, char **argv) {
    opterr = 0;
    for (int option, at = -1; (option = getopt_long(argc, argv, ":", options, &at)) != -1;
         at = -1) {
        if (option == '?' || option == ':') return refuse_option(c, option, argv);
        if (!takes(c, command, options[option - 1].name) ||
            !take_option(c, option, options[option - 1].name))
            return 2;
    }
    if (optind == argc) return command->run(c);
    refuse_usage(c, OF_COMMAND_LINE, "`%s` is no option; %s --help shows them", argv[optind],
                 c->program);
    return 2;
}

/* Runs the command on all ranks, or on rank 0 alone if it needs no others. */
static int run_on_ranks(CommandLine *c, const Command *command, int argc, char **argv) {
    char error[COUPLET_GROUP_SENTENCE_BYTES];
    if (!command->on_ranks)
        return couplet_started().rank > 0 ? 0 : read_and_run(c, command, argc, argv);
    c->train.group = couplet_group_join(error, sizeof error);
    if (!c->train.group) return end_with_error(c, OF_RANKS, error);
    couplet_group_hush(c->train.group);
    return couplet_group_leave(c->train.group, read_and_run(c, command, argc, argv));
}

/* Returns the exit status. Output that could not be written is an error, unless the command has
 * ended with an error already. */
static int finish_output(const CommandLine *c, int status) {
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || (status && !errno)) return status;
    refuse_usage(c, OF_OUTPUT, "standard output cannot be written: %s",
                 errno ? strerror(errno) : "it is not complete");
    return status ? status : 1;
}

int couplet_command(const CoupletMethod *method, int argc, char **argv) {
    if (!method || argc < 1 || !argv) {
        fprintf(stderr, "couplet_command needs a method and the arguments of main\n");
        return 2;
    }
    CommandLine c = {.method = method, .program = argv[0], .train = {.out = stdout}};
    /* A full disk, and a reader that went away, must be errors of write and not signals. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    couplet_hold_streams();
    const char *name = "train";
    if (argc > 1 && argv[1][0] != '-') {
        name = argv[1];
        argv[1] = argv[0];
        argv++, argc--;
    }
    const bool asks = argc > 1 && strcmp(argv[1], "--help") == 0;
    const bool asks_version = argc > 1 && strcmp(argv[1], "--version") == 0;
    if ((asks || asks_version || strcmp(name, "help") == 0) && couplet_started().rank > 0) return 0;
    if (asks || strcmp(name, "help") == 0) return finish_output(&c, usage(&c, stdout));
    if (asks_version) return finish_output(&c, version(&c));
    const Command *command = find_command(&c, name);
    if (!command) return 2;
    c.sets = malloc((size_t)argc * sizeof *c.sets);
    c.places = malloc((size_t)argc * sizeof *c.places);
    optind = 1;
    const int status = c.sets && c.places ? run_on_ranks(&c, command, argc, argv)
                                          : end_with_error(&c, OF_RUN, "out of memory");
    free(c.sets);
    free(c.places);
    return finish_output(&c, status);
}
