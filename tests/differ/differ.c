/* The differential test: compares the reference evaluator in float64, the CPU on one thread and on
 * two, a binary, an OpenCL device and ranks on the same formulas.
 *
 *     differ [--on LIST] [--save FOLDER] [--in FOLDER] formulas FROM TO
 *                                   random formulas FROM .. TO
 *     differ [..] library [NAME..]  functions of the library ("losses.nt_xent", "stats")
 *     differ [..] FILE.cpl..        the last function of each; of a method one training step
 *     differ show NUMBER            the text of a random formula
 *
 * LIST names back ends out of cpu, binary, opencl and ranks, separated by commas. Without --on, the
 * environment variable DIFFER_ON has the list; without that, it is cpu,binary. With ranks, random
 * formulas have shards. --save names the folder for formulas that disagree, which are made small.
 * --in names the folder with the data of methods. */
#include "tests/differ/generate.h"
#include "tests/differ/library.h"
#include "tests/differ/shrink.h"

#include "compiler/driver/load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOGETHER = 25 };

typedef struct Differ {
    unsigned wanted;
    const char *folder; /* the folder for formulas that disagree */
    Backends *backends;
    int tried, faults, wrong, loose;
} Differ;

static bool is_on_ranks(const Differ *d) {
    return (d->wanted >> ON_TWO_RANKS & 1) != 0;
}

/* True if rounding may take some array further than a thousandth, so that little is left to
 * compare. */
static bool is_loose(const Subject *s) {
    for (int i = 0; i < s->answer_count; i++) {
        double most = 1;
        for (int64_t k = 0; k < s->answers[i].count; k++)
            most = s->answers[i].exact[k] > most    ? s->answers[i].exact[k]
                   : -s->answers[i].exact[k] > most ? -s->answers[i].exact[k]
                                                    : most;
        if (!(s->answers[i].allowed <= 1e-3 * most)) return true;
    }
    return false;
}

/* Returns the back ends on which a smaller formula must be tried. */
static unsigned needed(const Differ *d, int kind) {
    if (kind == WRONG_BEFORE) return 0;
    if (kind == OTHER_BITS) return d->wanted & ~(1u << ON_A_DEVICE);
    return 1u << (kind - OTHER_VALUE);
}

static void report_verdict(Differ *d, const Subject *s, const Verdict *v) {
    if (v->kind == AGREES) return;
    d->wrong++;
    if (!s->text || v->kind == NOT_COMPILED) {
        printf("\n%s: %s\n%s", s->name, v->sentence, s->text ? s->text : "");
        return;
    }
    Arena *arena = arena_new();
    const char *small = shrink(d->backends, arena, s->text, v->kind, needed(d, v->kind));
    Subject again;
    Verdict now;
    subject_of_text(&again, arena, s->name, small);
    judge(d->backends, &again, 1, d->wanted, &now);
    printf("\n%s: %s\n%s", s->name, v->sentence, s->text);
    char *name = arena_printf(arena, "%s", s->name);
    for (char *at = name; *at; at++)
        if (*at == ' ' || *at == '/') *at = '_';
    show_case(arena, d->folder, name, small, now.sentence ? now.sentence : v->sentence);
    arena_free(arena);
}

static void try_all(Differ *d, Subject *subjects, int count) {
    Verdict verdicts[TOGETHER];
    judge(d->backends, subjects, count, d->wanted, verdicts);
    for (int i = 0; i < count; i++) {
        d->tried++;
        d->faults += subjects[i].fault != NULL;
        d->loose += is_loose(&subjects[i]);
        report_verdict(d, &subjects[i], &verdicts[i]);
        arena_free(subjects[i].arena);
    }
    fflush(stdout);
}

/* A batch of subjects that are compiled together. */
typedef struct Batch {
    Differ *d;
    Subject subjects[TOGETHER];
    int count;
} Batch;

static void finish_batch(Batch *b) {
    if (b->count) try_all(b->d, b->subjects, b->count);
    b->count = 0;
}

static Subject *next(Batch *b) {
    if (b->count == TOGETHER) finish_batch(b);
    return &b->subjects[b->count++];
}

static void try_formulas(Batch *b, uint32_t from, uint32_t to) {
    for (uint32_t number = from; number <= to; number++) {
        Arena *arena = arena_new();
        subject_of_text(next(b), arena, arena_printf(arena, "formula %u", number),
                        generate_formula(arena, number, is_on_ranks(b->d)));
    }
}

static bool is_chosen(const char *name, char **names, int count) {
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(name, names[i], length) == 0 && (name[length] == 0 || name[length] == '.'))
            return true;
    }
    return count == 0;
}

static void try_library(Batch *b, char **names, int count) {
    Arena *arena = arena_new();
    for (const LibraryCase *c = library_cases(arena, is_on_ranks(b->d)); c->name; c++)
        if (is_chosen(c->name, names, count))
            subject_of_text(next(b), arena_new(), c->name, c->text);
    finish_batch(b);
    arena_free(arena);
}

static void try_spec(Batch *b, const char *path) {
    Arena *arena = arena_new();
    const Source *source = load_source(arena, path);
    if (!source) {
        b->d->wrong++;
        arena_free(arena);
    } else if (strstr(source->text, "\nloss ")) {
        /* A method is compiled alone, because it takes much memory. */
        finish_batch(b);
        subject_of_method(next(b), arena, path);
        finish_batch(b);
        printf("%s\n", path);
    } else {
        subject_of_text(next(b), arena, path, source->text);
    }
}

static unsigned read_backends(const char *list) {
    unsigned wanted = 0;
    if (strstr(list, "cpu")) wanted |= 1u << ON_ONE_THREAD | 1u << ON_TWO_THREADS;
    if (strstr(list, "binary")) wanted |= 1u << IN_A_BINARY;
    if (strstr(list, "opencl")) wanted |= 1u << ON_A_DEVICE;
    if (strstr(list, "ranks")) wanted |= 1u << ON_TWO_RANKS | 1u << ON_THREE_RANKS;
    return wanted;
}

int main(int argc, char **argv) {
    const char *on = getenv("DIFFER_ON");
    Differ d = {.wanted = read_backends(on ? on : "cpu,binary"), .folder = "differ_cases"};
    Batch b = {.d = &d};
    int at = 1;
    setenv("COUPLET_RUNTIME", DIFFER_RUNTIME, 0);
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--on") == 0) d.wanted = read_backends(argv[at + 1]);
        if (strcmp(argv[at], "--save") == 0) d.folder = argv[at + 1];
        /* A text that is not in a file has its data in the current folder. */
        if (strcmp(argv[at], "--in") == 0 && chdir(argv[at + 1]) != 0) return 2;
    }
    if (at >= argc) return 2;
    if (strcmp(argv[at], "show") == 0 && at + 1 < argc) {
        Arena *arena = arena_new();
        fputs(generate_formula(arena, (uint32_t)strtoul(argv[at + 1], NULL, 10), is_on_ranks(&d)),
              stdout);
        arena_free(arena);
        return 0;
    }
    if (!(d.backends = backends_open(d.wanted))) return 1;
    if (strcmp(argv[at], "formulas") == 0 && at + 2 < argc)
        try_formulas(&b, (uint32_t)strtoul(argv[at + 1], NULL, 10),
                     (uint32_t)strtoul(argv[at + 2], NULL, 10));
    else if (strcmp(argv[at], "library") == 0)
        try_library(&b, argv + at + 1, argc - at - 1);
    else
        for (; at < argc; at++)
            try_spec(&b, argv[at]);
    finish_batch(&b);
    if (is_on_ranks(&d))
        printf("ranks cut %.0f %% of their steps; ", 100 * backends_cut(d.backends));
    const bool in_vain = is_on_ranks(&d) && backends_cut(d.backends) == 0;
    backends_close(d.backends);
    printf("%d tried, %d disagree; %d meet a fault everywhere, in %d rounding leaves little to "
           "compare\n",
           d.tried, d.wrong, d.faults, d.loose);
    return d.wrong != 0 || d.tried == 0 || in_vain;
}
