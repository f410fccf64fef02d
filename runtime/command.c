/* The command line of a program that `couplet build` makes: the options of `couplet train` and `couplet eval`, and embed. */
#include "runtime/couplet.h"

#include "runtime/embed.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"
#include "runtime/method.h"
#include "runtime/train.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

typedef struct CommandLine {
    const CoupletMethod *method;
    const char *program; /* argv[0], for messages */
    CoupletTrainOptions train;
    const char *out, *weights, *images, *split;
    double epochs; /* 0: as the method says */
    const char *sets[64];
    int set_count;
} CommandLine;

static int fail(const CommandLine *c, const char *error) {
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", c->program, error);
    return 1;
}

/* ---- options --------------------------------------------------------------------------------------------------------- */

static bool whole(const CommandLine *c, const char *name, const char *text, long low, long *out) {
    char *end;
    *out = strtol(text, &end, 10);
    if (*text && !*end && *out >= low) return true;
    fprintf(stderr, "%s: --%s needs a whole number of at least %ld, and `%s` was given\n", c->program, name, low, text);
    return false;
}

enum { DATA = 1, OUT, SEED, THREADS, EPOCHS, MAX_STEPS, CHECKPOINT_EVERY, RESUME, QUIET, SET, WEIGHTS, IMAGES, SPLIT };
static const struct option options[] = {
    {"data", 1, NULL, DATA},           {"out", 1, NULL, OUT},         {"seed", 1, NULL, SEED},
    {"threads", 1, NULL, THREADS},     {"epochs", 1, NULL, EPOCHS},   {"max-steps", 1, NULL, MAX_STEPS},
    {"checkpoint-every", 1, NULL, CHECKPOINT_EVERY}, {"resume", 0, NULL, RESUME}, {"quiet", 0, NULL, QUIET},
    {"set", 1, NULL, SET},             {"weights", 1, NULL, WEIGHTS}, {"images", 1, NULL, IMAGES},
    {"split", 1, NULL, SPLIT},         {NULL, 0, NULL, 0}};

static bool take(CommandLine *c, int option, const char *name) {
    long value = 0;
    switch (option) {
    case DATA: c->train.data = optarg; return true;
    case OUT: c->out = optarg; return true;
    case SEED: return whole(c, name, optarg, 0, &value) && (c->train.seed = (uint64_t)value, true);
    case THREADS: return whole(c, name, optarg, 1, &value) && (c->train.threads = (int)value, true);
    case MAX_STEPS: return whole(c, name, optarg, 1, &value) && (c->train.max_steps = value, true);
    case CHECKPOINT_EVERY: return whole(c, name, optarg, 1, &value) && (c->train.checkpoint_every = value, true);
    case RESUME: return c->train.resume = true;
    case QUIET: return c->train.quiet = true;
    case WEIGHTS: c->weights = optarg; return true;
    case IMAGES: c->images = optarg; return true;
    case SPLIT: c->split = optarg; return true;
    case SET:
        if (c->set_count < (int)(sizeof c->sets / sizeof *c->sets)) c->sets[c->set_count++] = optarg;
        return true;
    case EPOCHS: {
        char *end;
        c->epochs = strtod(optarg, &end);
        if (!*end && c->epochs > 0) return true;
        fprintf(stderr, "%s: --epochs needs a positive number, and `%s` was given\n", c->program, optarg);
        return false;
    }
    default: return false; /* getopt_long has said why */
    }
}

/* The program with the hypers and epochs of the command line; the copies belong to the caller. */
static bool adjust(CommandLine *c, CoupletProgram *program, CoupletHyper **hypers) {
    *hypers = malloc(sizeof **hypers * (size_t)(program->hyper_count + 1));
    if (!*hypers) return fail(c, "out of memory"), false;
    for (int i = 0; i < program->hyper_count; i++) (*hypers)[i] = program->hypers[i];
    program->hypers = *hypers;
    if (c->epochs > 0) program->epochs = c->epochs;
    for (int i = 0; i < c->set_count; i++) {
        const char *equals = strchr(c->sets[i], '=');
        CoupletHyper *found = NULL;
        for (int h = 0; equals && h < program->hyper_count; h++) {
            size_t length = (size_t)(equals - c->sets[i]);
            if (strncmp(program->hypers[h].name, c->sets[i], length) == 0 && !program->hypers[h].name[length]) found = &(*hypers)[h];
        }
        char *end = NULL;
        double value = equals ? strtod(equals + 1, &end) : 0;
        if (!found || found->is_static || !end || *end || end == equals + 1) {
            fprintf(stderr, "%s: --set %s: %s\n", c->program, c->sets[i],
                    !equals ? "NAME=VALUE was expected" : !found ? "the method has no such hyper" : found->is_static ? "this hyper was fixed when the program was built" : "a number was expected");
            return false;
        }
        found->value = value;
    }
    return true;
}

/* ---- commands -------------------------------------------------------------------------------------------------------- */

typedef bool (*Work)(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);

static int run(CommandLine *c, Work work) {
    const CoupletProgram *found = couplet_method_program(c->method);
    char error[1024], folder[COUPLET_PATH_BYTES];
    if (!found) return fail(c, "this processor is none of those that the program was built for");
    CoupletProgram program = *found;
    CoupletHyper *hypers;
    if (!adjust(c, &program, &hypers)) {
        free(hypers);
        return 2;
    }
    bool good = true;
    if (c->out) c->train.folder = c->out;
    else if ((good = couplet_run_folder(program.name, c->train.resume, folder, error, sizeof error))) c->train.folder = folder;
    c->train.stop = couplet_catch_interrupts();
    good = good && work(&program, &c->train, error, sizeof error);
    free(hypers);
    return good ? 0 : fail(c, error);
}

static int embed(CommandLine *c) {
    char error[1024];
    int64_t count;
    if (!c->out) return fail(c, "embed needs --out FILE.npy");
    if (!c->weights && !c->method->weights) return fail(c, "embed needs --weights FILE, a checkpoint: no weights were built in");
    if (c->images && (c->train.data || c->split)) return fail(c, "embed takes its images from --images, or from --data and --split, and both were given");
    const CoupletEmbedding what = {.weights = c->weights, .images = c->images, .data = c->train.data, .split = c->split ? c->split : "test", .out = c->out,
                                   .threads = c->train.threads, .seed = c->train.seed};
    if (!couplet_embed(c->method, &what, &count, error, sizeof error)) return fail(c, error);
    if (!c->train.quiet) printf("%lld images, %lld features each: %s\n", (long long)count, (long long)couplet_method_feature_width(c->method), c->out);
    return 0;
}

static int usage(const CommandLine *c, FILE *out) {
    fprintf(out,
            "%s: the method %s, compiled by Couplet.\n\n"
            "%s [train] [--data FOLDER] [--out FOLDER] [--resume] [--seed n] [--threads n] [--epochs n] [--set tau=0.1]\n"
            "    [--max-steps n] [--checkpoint-every n] [--quiet]     trains and evaluates\n"
            "%s eval --out FOLDER [--data FOLDER] [--threads n]       evaluates the checkpoint in a run folder\n"
            "%s embed [--weights CHECKPOINT] (--images FILE.npy | [--data FOLDER] [--split test]) --out FEATURES.npy\n"
            "                                                         features of images, [count, width] in float32\n",
            c->program, c->method->name, c->program, c->program, c->program);
    return out == stdout ? 0 : 2;
}

int couplet_command(const CoupletMethod *method, int argc, char **argv) {
    if (!method || argc < 1 || !argv) {
        fprintf(stderr, "couplet_command needs a method and the arguments of main\n");
        return 2;
    }
    CommandLine c = {.method = method, .program = argv[0], .train = {.out = stdout}};
    /* A full disk and a reader that went away must come back as errors of write, not as signals. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    const char *command = "train";
    if (argc > 1 && argv[1][0] != '-') {
        command = argv[1];
        argv[1] = argv[0];
        argv++, argc--;
    }
    if (strcmp(command, "help") == 0 || (argc > 1 && strcmp(argv[1], "--help") == 0)) return usage(&c, stdout);
    for (int option, at = -1; (option = getopt_long(argc, argv, "", options, &at)) != -1; at = -1)
        if (option == '?' || !take(&c, option, at >= 0 ? options[at].name : "")) return 2;
    if (optind < argc) {
        fprintf(stderr, "%s: `%s` is no option; %s --help shows them\n", c.program, argv[optind], c.program);
        return 2;
    }
    if (strcmp(command, "train") == 0) return run(&c, couplet_train);
    if (strcmp(command, "eval") == 0) return c.out ? run(&c, couplet_evaluate) : fail(&c, "eval needs --out FOLDER, the folder of a run");
    if (strcmp(command, "embed") == 0) return embed(&c);
    fprintf(stderr, "%s: there is no command `%s`; there are train, eval and embed\n", c.program, command);
    return 2;
}
