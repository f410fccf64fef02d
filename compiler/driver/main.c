/* couplet: reads the command and calls it. */
#include "compiler/driver/options.h"
#include "compiler/driver/report.h"
#include "compiler/lsp/lsp.h"
#include "runtime/group_join.h"
#include "runtime/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} Command;

static const Command commands[] = {
    {"check", check_command,
     "couplet check FILE [--print-after PASS] [--numerics] [--passes] [--memory [512MiB]] [--fn "
     "NAME] [--size N=8,D=5] [--ranks n [--device opencl]] [--shards n]\n"
     "              [--no-stream] [--no-fuse] [--diagnostics json]\n"
     "    Types and shapes of every name; all errors at once. PASS is lower, or one of the passes "
     "in docs/hacking.md;\n"
     "    --numerics says which formulas are computed in another form, so that they neither "
     "overflow nor lose digits.\n"
     "    --ranks says how a step lies over so many ranks of mpirun, what they hand to each other, "
     "in bytes, and what memory each takes.\n"
     "    --memory says what a step and its loss allocate and which arrays of pairs are stored, "
     "and why; with a size, what becomes of them within it. Of a\n"
     "    file without a loss both say so of each function (or of --fn NAME), on arrays as large "
     "as --size N=4096,D=128 says."},
    {"grad", grad_command,
     "couplet grad FILE --fn NAME --in z=z.npy [--in w=both.npz ...] [--set tau=0.1] [--out DIR] "
     "[--device cpu|opencl[:n]|reference]\n"
     "              [--memory 512MiB] [--no-stream] [--no-fuse] [--threads n] [--bench] "
     "[--by-kernel]\n"
     "    Value and gradients of one function on given arrays: float32 by compiled kernels (cpu, "
     "the default, or an OpenCL device), or float64 by\n"
     "    the reference evaluator."},
    {"gradcheck", gradcheck_command,
     "couplet gradcheck FILE [--fn NAME] [--in z=z.npy] [--set tau=0.1] [--data FOLDER] [--size "
     "N=8,D=5] [--batch n] [--seed n]\n"
     "    Gradients against central differences of the formula as written, in float64, input by "
     "input; exit code 1 when one is off by more than 1e-6.\n"
     "    Without --fn: the whole loss of a method, a few entries of each parameter (at a batch of "
     "4), or every function of a file without a loss.\n"
     "    Arrays that are not given are made up."},
    {"new", new_command,
     "couplet new NAME [--data PATH]\n"
     "    A project that trains at once, in the new folder NAME: a spec with comments, a README, a "
     ".gitignore. With --data for the pictures, arrays,\n"
     "    CSV tables, sounds, videos, meshes or lines of text in PATH, with a batch and an encoder "
     "that fit; else for Fashion-MNIST."},
    {"verify", verify_command,
     "couplet verify FILE --fn NAME --against MODULE:FUNCTION [--size N=8,D=5] [--seed n] "
     "[--seeds n] [--in z=z.npy] [--set tau=0.1]\n"
     "    A formula against a loss in Python (numpy, torch or jax; MODULE or FILE.py), which runs "
     "in "
     "the python3 on PATH: values and gradients in\n"
     "    float64 on random arrays, five seeds of them. Exit code 0 when they agree; 1 where they "
     "part, with the entry, both numbers and the smallest\n"
     "    sizes that still show it; 2 when they cannot be compared."},
    {"train", train_command,
     "couplet train FILE [--set tau=0.1] [--epochs n] [--data FOLDER] [--skip-bad n] [--seed n] "
     "[--threads n] [--out FOLDER]\n"
     "              [--start RUN] [--resume [--change tau,epochs,data]] [--device cpu|opencl[:n]] "
     "[--max-steps n] [--checkpoint-every n] [--give-every n] [--memory 512MiB] [--shards n] "
     "[--unordered] "
     "[--no-stream] "
     "[--no-fuse] [--quiet]\n"
     "              [--keep n] [--best NAME[=min|=max]] [--stop-early n] [--tensorboard] "
     "[--gradient-norm]\n"
     "    Trains the method and evaluates it. The run folder (runs/NAME, or --out) gets "
     "metrics.jsonl, metrics.csv, checkpoint.safetensors, spec.cpl and\n"
     "    settings.json; --resume goes on with it, by the settings and the data that it was made "
     "with, and refuses others that --change does not name. Ctrl-C\n"
     "    ends at the next step, with a checkpoint.\n"
     "couplet train FILE --dry-run [..]\n"
     "    Tries some steps on the data and prints how long the run will take, and how much memory; "
     "nothing is written."},
    {"find", find_command,
     "couplet find HYPER FILE [--range 1e-6..10] [--steps n] [--set tau=0.1] [--data FOLDER] "
     "[--seed n] [--threads n] [--device cpu|opencl[:n]] [-o PICTURE.svg]\n"
     "    A range test of a hyper, such as the learning rate: some steps while it grows, the loss "
     "of each, and the value at which the loss falls fastest.\n"
     "    Nothing is written but the picture."},
    {"eval", eval_command,
     "couplet eval RUN [--data FOLDER] [--skip-bad n] [--threads n] [--device cpu|opencl[:n]]\n"
     "    Evaluates a checkpoint, RUN/best.safetensors or the last one of a run folder, beside raw "
     "pixels and the encoder before "
     "training, on the run's own data or that of --data, and keeps the\n"
     "    results in evaluations.jsonl."},
    {"report", report_command,
     "couplet report RUN... [-o REPORT.html] [--data FOLDER] [--skip-bad n] [--threads n]\n"
     "    One HTML file that needs no network: how the runs went and what came of them, their "
     "methods as pictures and formulas, what the features tell, neighbours\n"
     "    and maps. RUN is a run folder, or a folder of runs; runs that differ in their seeds "
     "alone "
     "are one line with a band. Without -o: RUN/report.html."},
    {"embed", embed_command,
     "couplet embed FOLDER (--data PATH | --samples FILE.npy | [--split test]) -o FEATURES.npy "
     "[--skip-bad n] [--threads n]\n"
     "    Features of new samples under the checkpoint in a run folder: of PATH, which is read as "
     "the data of the run's evaluation is, of an array, or of that\n"
     "    data itself. Float32, [count, width]."},
    {"export", export_command,
     "couplet export FOLDER --onnx FILE.onnx [--part encoder.trunk]\n"
     "couplet export FOLDER --part encoder.trunk --torch FILE.safetensors\n"
     "    A trained run for other programs. --onnx writes the network of an evaluation, from "
     "samples to features, for onnxruntime and others: the first one,\n"
     "    or that of the name. --torch writes the weights of a part as a state dict that "
     "torchvision's model loads: resnet18, resnet34 or resnet50, by the names\n"
     "    and shapes that it has."},
    {"data", data_command,
     "couplet data FILE [--data FOLDER] [--json] [--threads n]\n"
     "couplet data --reader NAME PATH [--set size=64] [--json] [--threads n]\n"
     "couplet data pack FILE [-o FOLDER] [--skip-bad n]\n"
     "couplet data --cache [PATH] [--clear]\n"
     "    What the sources of a spec hold, or one that is read by data.NAME: fields, types, "
     "shapes, ranges, classes and their sizes, what is missing, what\n"
     "    cannot be read, rows that are the same, and rows that two sources share; exit code 1 "
     "when a row cannot be read. pack writes a file for each source\n"
     "    that data.arrays reads, so that a program elsewhere needs nothing else. --cache lists "
     "the packed copies that are kept, --clear removes them."},
    {"show", show_command,
     "couplet show FILE -o SHEET.png [--rows n] [--seed n] [--step n] [--set tau=0.1] [--data "
     "FOLDER] [--skip-bad n]\n"
     "couplet show --reader NAME PATH -o SHEET.png [--set size=64] [--rows n] [--seed n]\n"
     "    Draws samples and the views that a step makes of them, side by side: pictures, film "
     "strips, clouds of points, curves with spectrograms, rows of\n"
     "    tables, words. SHEET is .png, .svg or .pdf. The draws are those of training with the "
     "same seed at step n, with the states that a run starts from."},
    {"bench", bench_command,
     "couplet bench [FILE] [--set tau=0.1] [--data FOLDER] [--threads n] [--steps n] [--device "
     "cpu|opencl[:n]]\n"
     "    Timings as JSON, a row a line: of products and convolutions, or of the training step of "
     "FILE on made-up data. Each has its fraction of the\n"
     "    peak of this machine's multiply-add units, measured in the same run."},
    {"build", build_command,
     "couplet build FILE -o NAME [--emit exe|lib|object|header|llvm|opencl] [--target "
     "x86-64-v4,x86-64-v3] [--embed-weights RUN]\n"
     "              [--set tau=0.1] [--data FOLDER] [--memory 512MiB]\n"
     "    Compiles the method ahead of time, for several processors in one file. exe: a program "
     "that trains, evaluates and embeds; lib: libNAME.a and\n"
     "    libNAME.so with NAME.h and NAME.json. Neither needs the compiler; --embed-weights puts a "
     "trained run's weights into it. opencl:\n"
     "    the kernels as readable OpenCL C, each with its source line."},
    {"profile", profile_command,
     "couplet profile FILE [--set tau=0.1] [--data FOLDER] [--threads n] [--steps n] [--memory "
     "512MiB] [--device cpu|opencl[:n]] [--by-kernel]\n"
     "    Runs a few training steps on made-up data and shows where their time goes: time, "
     "operations and bytes of each source line (or of each\n"
     "    kernel), and which fraction that is of the best this machine can do, measured beside "
     "it."},
    {"tune", tune_command,
     "couplet tune FILE [--set tau=0.1] [--data FOLDER] [--threads n] [--steps n]\n"
     "    Measures on this machine how the sums of products of FILE's training step are best cut "
     "into blocks and tasks, and keeps that beside the compiled\n"
     "    kernels: what is compiled here afterwards uses it. Nothing needs it."},
    {"doc", doc_command,
     "couplet doc FILE|FOLDER|MODULE\n"
     "    A page in Markdown from the comments of a module: its README, what each file says on "
     "top, and each function with its formulas."},
    {"tex", tex_command,
     "couplet tex FILE|FOLDER|MODULE [--fn NAME] [--emit mathml]\n"
     "    The formula of a function as LaTeX, for an equation of a paper: indices as subscripts, "
     "guards below their sums. Without --fn, each function. --emit mathml: for web pages."},
    {"compare", compare_command,
     "couplet compare FILE... [--set tau=0.05,0.1,0.5] [--random n --set tau=0.05..0.5 --set "
     "lr=log:1e-3..1] [--seeds n] [--seed first] [--epochs n] "
     "[--data FOLDER] [--threads n] [--out FOLDER]\n"
     "    Trains every file with every combination of settings and every seed, and prints one "
     "table: mean and deviation of the loss and of each\n"
     "    evaluation. The folder (runs/compare, or --out) gets the runs, results.csv and "
     "comparison.svg; finished runs are not repeated."},
    {"graph", graph_command,
     "couplet graph FILE [-o PICTURE.svg] [--set tau=0.1] [--data FOLDER]\n"
     "    The method as its paper draws it: branches, shared weights, stops, moving averages, "
     "memory and the loss. PICTURE is .svg, .pdf, .png (through\n"
     "    Graphviz) or .dot; without it the .dot text comes on standard output."},
    {"describe", describe_command,
     "couplet describe FILE [--set tau=0.1] [--data FOLDER]\n"
     "    The method in the survey's words: update, structure, clusters, loss, negatives, views, "
     "parameters and memory."},
    {"fmt", fmt_command,
     "couplet fmt FILE... [--check] [--write]\n"
     "    The file in its one canonical layout, on standard output. --write puts it into the file; "
     "--check only says, by exit status 1 and a line\n"
     "    on standard error, that a file is laid out otherwise."},
    {"lsp", lsp_command,
     "couplet lsp [--stdio]\n"
     "    The language server for editors, over standard input and output: messages while typing, "
     "types and shapes under the mouse, definitions, completion,\n"
     "    renaming, layout and quick fixes."},
    {"devices", devices_command,
     "couplet devices\n"
     "    The devices that --device can name: the CPU, and OpenCL devices with platform, memory "
     "and versions."},
    {"explain", explain_command,
     "couplet explain [CODE]\n"
     "    What a message with this code (E101) means, with an example that gives it and one that "
     "is right; without a code, the list of all."},
};

static int usage(FILE *out) {
    fprintf(out, "Couplet: contrastive learning methods as their formulas. FILE may be a folder, "
                 "whose files are then one module, a module of the library (losses), or - for "
                 "standard input.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "%s\n\n", commands[i].usage);
    fprintf(out, "--data FOLDER says where the paths of a spec's data begin, --data NAME=PATH "
                 "where one source lies; there may be several. --skip-bad N leaves out up to N "
                 "samples that cannot be read, and lists them.\n\n");
    fprintf(out, "couplet version\n    The version. couplet help COMMAND: what a command takes. "
                 "Every command takes --diagnostics json, --all-errors, and --color auto, always "
                 "or never.\n\n");
    return out == stdout ? 0 : 2;
}

/* True for `couplet help train`, for `couplet train --help`, and for --help anywhere later in the
 * line. */
static bool asks_for_help(int argc, char **argv) {
    if (strcmp(argv[1], "help") == 0) return true;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

static bool asks_for_version(int argc, char **argv) {
    return argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0 ||
                         strcmp(argv[1], "-V") == 0);
}

static int unknown_command(const char *name) {
    enum { COUNT = sizeof commands / sizeof *commands };
    const char *names[COUNT];
    Arena *arena = arena_new();
    const char *list = "";
    for (int i = 0; i < COUNT; i++) {
        names[i] = commands[i].name;
        list = arena_printf(arena, "%s%s %s", list,
                            i == 0           ? ""
                            : i + 1 == COUNT ? " and"
                                             : ",",
                            names[i]);
    }
    const char *near = diag_nearest(name, names, COUNT);
    report_with_help(CODE_COMMAND_LINE,
                     near ? arena_printf(arena, "did you mean `%s`?", near) : NULL,
                     "there is no command `%s`; there are%s", name, list);
    arena_free(arena);
    return 2;
}

/* The commands in which all ranks of a run take part. For any other command, rank 0 alone does the
 * work. */
static const char *const on_ranks[] = {"train", "eval", "profile"};

static bool is_spare_rank(int argc, char **argv) {
    if (couplet_started().rank == 0) return false;
    for (size_t i = 0; argc > 1 && i < sizeof on_ranks / sizeof *on_ranks; i++)
        if (strcmp(argv[1], on_ranks[i]) == 0) return asks_for_help(argc, argv);
    return true;
}

static int run_command(int argc, char **argv) {
    if (is_spare_rank(argc, argv)) return 0;
    if (argc < 2) return usage(stderr);
    if (asks_for_version(argc, argv)) {
        printf("couplet %s\n", COUPLET_VERSION);
        return 0;
    }
    const bool help = asks_for_help(argc, argv);
    if (strcmp(argv[1], "help") == 0 && argc > 2) argv++, argc--;
    if (asks_for_help(2, argv)) return usage(stdout);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        report_begin(commands[i].name, argc - 2, argv + 2);
        if (!help) return commands[i].run(argc - 2, argv + 2);
        printf("%s\n", commands[i].usage);
        return 0;
    }
    return unknown_command(argv[1]);
}

/* The stack of the thread that runs a command. Walks over a spec are recursive: over lets that are
 * each made of the one before, down the calls of a network. Long generated specs need more than the
 * usual 8 MiB, and stack that is not touched costs nothing. */
enum { STACK_BYTES = 512 << 20 };

typedef struct Run {
    int argc;
    char **argv;
    int status;
} Run;

static void *run_on_thread(void *context) {
    Run *r = context;
    r->status = run_command(r->argc, r->argv);
    return NULL;
}

static int run_with_room(int argc, char **argv) {
    Run r = {argc, argv, 1};
    pthread_attr_t attributes;
    pthread_t thread;
    bool started = pthread_attr_init(&attributes) == 0;
    if (started) {
        started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                  pthread_create(&thread, &attributes, run_on_thread, &r) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (started)
        pthread_join(thread, NULL);
    else
        /* without room for a stack of that size, the command runs on the usual one */
        run_on_thread(&r);
    return r.status;
}

int main(int argc, char **argv) {
    /* A full disk must be an error of write and not a signal. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    couplet_hold_streams();
    report_begin(NULL, argc, argv);
    const int status = run_with_room(argc, argv);
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    /* if writing failed earlier, the command has reported it and ended with an error */
    if (status && !errno) return status;
    report(CODE_OUTPUT, "standard output cannot be written: %s",
           errno ? strerror(errno) : "it is not complete");
    return status ? status : 1;
}
