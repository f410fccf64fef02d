/* Training on several ranks. All run the same trainer on the same states, and take the same
 * decisions. Rank 0 alone writes and prints.
 *
 * Everything that could differ is compared before the first step, name by name, so that the message
 * says what differs. States are compared again with every checkpoint. A signal reaches the ranks at
 * different times, so a rank does not act on its own flag: the ranks agree on one between two
 * steps. */
#include "runtime/hash.h"
#include "runtime/part.h"
#include "runtime/trainer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void couplet_trainer_take_ranks(Trainer *t) {
    t->group = t->options->group ? t->options->group : couplet_group_alone();
    t->writes = t->group->rank == 0;
    if (t->group->ranks == 1) return;
    t->own = *t->options;
    t->signalled = t->own.stop;
    t->own.stop = &t->agreed;
    t->own.quiet |= !t->writes;
    t->options = &t->own;
    couplet_group_heed(t->group, t->signalled);
}

FILE *couplet_trainer_no_log(Trainer *t) {
    FILE *log = fopen("/dev/null", "w");
    if (!log) {
        snprintf(t->error, t->error_bytes, "/dev/null cannot be opened");
    }
    return log;
}

/* Returns false with the sentence of the failed group. */
static bool lost(Trainer *t) {
    const bool has_code = strncmp(t->group->fault, "error[", 6) == 0;
    snprintf(t->error, t->error_bytes, "%s%s", has_code ? "" : "error[E804]: ", t->group->fault);
    return false;
}

bool couplet_trainer_take_from_first(Trainer *t, void *array, size_t bytes) {
    return couplet_group_broadcast(t->group, 0, array, (int64_t)bytes) || lost(t);
}

bool couplet_trainer_hear_signals(Trainer *t) {
    CoupletAgreed worst;
    if (t->group->ranks == 1 || t->agreed) return true;
    const int number = t->signalled ? (int)*t->signalled : 0;
    if (!couplet_group_agree(t->group, number, NULL, &worst)) return lost(t);
    t->agreed = worst.status;
    return true;
}

void couplet_trainer_end_ranks(Trainer *t, bool good) {
    if (good || t->group->ranks == 1) return;
    if (*t->group->fault)
        lost(t); /* the failure of another rank may have caused this one */
    else if (*t->error)
        couplet_group_fail(t->group, t->error);
}

/* Tells all ranks a difference that one of them has found; "" is none. Returns false with a
 * sentence on every rank if there is one. */
static bool agree_on(Trainer *t, const char *difference, const char *advice) {
    CoupletAgreed worst;
    if (!couplet_group_agree(t->group, *difference != 0, difference, &worst)) return lost(t);
    if (worst.status == 0) return true;
    /* all ranks get this sentence before any rank ends the group */
    couplet_group_barrier(t->group);
    snprintf(t->error, t->error_bytes, "error[E804]: rank %d of %d %s\n      = help: %s",
             worst.rank, t->group->ranks, worst.sentence, advice);
    t->refused = true;
    return false;
}

/* ---- what ranks are started with ------------------------------------------------------------- */

/* The description of a run that ranks compare: lines, each with a name, a tab and a value. */
typedef struct Lines {
    FILE *file;
    char *text;
    size_t length;
} Lines;

static void line(Lines *lines, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void line(Lines *lines, const char *name, const char *format, ...) {
    va_list args;
    fprintf(lines->file, "%s\t", name);
    va_start(args, format);
    vfprintf(lines->file, format, args);
    va_end(args);
    fputc('\n', lines->file);
}

/* Adds a line whose name consists of a kind and a name. */
static void named(Lines *lines, const char *kind, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void named(Lines *lines, const char *kind, const char *name, const char *format, ...) {
    va_list args;
    fprintf(lines->file, "%s `%s`\t", kind, name);
    va_start(args, format);
    vfprintf(lines->file, format, args);
    va_end(args);
    fputc('\n', lines->file);
}

/* Writes a number with the fewest digits that distinguish it from all others. */
static const char *short_number(double value, char out[40]) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    return out;
}

static void describe_spec(Lines *l, const CoupletProgram *p) {
    char number[40];
    line(l, "version", "%s", p->origin->couplet);
    line(l, "library of losses and layers", "%s", p->origin->library);
    line(l, "method", "%s", p->name);
    for (int i = 0; i < p->file_count; i++)
        named(l, "spec", p->files[i].name, "hash %016" PRIx64,
              couplet_hash(COUPLET_HASH_START, p->files[i].text, strlen(p->files[i].text)));
    for (int i = 0; i < p->hyper_count; i++)
        named(l, "hyper", p->hypers[i].name, "%s", short_number(p->hypers[i].value, number));
    line(l, "number of epochs", "%s", short_number(p->epochs, number));
    line(l, "batch", "%" PRId64, p->batch);
    for (int i = 0; i < p->stage_count; i++)
        named(l, "stage", p->stages[i].name, "%s epochs",
              short_number(p->stages[i].epochs, number));
}

static void describe_data(Lines *l, const CoupletProgram *p, const CoupletSources *sources) {
    for (int i = 0; i < p->source_count; i++) {
        const CoupletTable *table = &sources->data[i];
        named(l, "data", p->sources[i].name, "%" PRId64 " rows, hash %016" PRIx64, table->count,
              table->hash);
    }
}

static void describe_options(Lines *l, const CoupletTrainOptions *o) {
    line(l, "seed", "%" PRIu64, o->seed);
    line(l, "place in the run", "%s", o->record ? "going on (--resume)" : "its start");
    line(l, "--start", "%s", o->start ? o->start : "not given");
    line(l, "--change", "%s", o->change ? o->change : "not given");
    line(l, "--max-steps", "%" PRId64, o->max_steps);
    line(l, "--checkpoint-every", "%" PRId64, o->checkpoint_every);
    line(l, "--give-every", "%" PRId64, o->give_every);
    line(l, "--keep", "%d", o->keep);
    line(l, "--best", "%s", o->best ? o->best : "not given");
    line(l, "--unordered", "%s", o->unordered ? "given" : "not given");
    line(l, "--stop-early", "%" PRId64, o->stop_early);
}

static bool describe_run(Trainer *t, const char *command, Lines *l) {
    const CoupletProgram *p = t->program;
    *l = (Lines){.text = NULL};
    l->file = open_memstream(&l->text, &l->length);
    if (!l->file) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    line(l, "command", "%s", command);
    describe_spec(l, p);
    describe_options(l, t->options);
    describe_data(l, p, &t->sources);
    line(l, "device", "%s", t->options->device ? t->options->device->driver : "its cores");
    line(l, "compiler of kernels", "LLVM %s", p->origin->llvm);
    line(l, "machine code", "%016" PRIx64, p->plan_hash);
    return fclose(l->file) == 0;
}

/* Writes the first line in which two texts differ, as "has X as its seed, and rank 0 has Y". "":
 * none. */
static void find_difference(const char *own, const char *first, char *out, size_t bytes) {
    *out = 0;
    while (*own && *first) {
        const int a = (int)strcspn(own, "\n");
        const int b = (int)strcspn(first, "\n");
        if (a != b || memcmp(own, first, (size_t)a) != 0) break;
        own += a + (own[a] != 0);
        first += b + (first[b] != 0);
    }
    if (!*own && !*first) return;
    const int name = (int)strcspn(own, "\t\n");
    const int other = (int)strcspn(first, "\t\n");
    const int a = (int)strcspn(own, "\n");
    const int b = (int)strcspn(first, "\n");
    const bool same_name = name == other && memcmp(own, first, (size_t)name) == 0;
    if (same_name)
        snprintf(out, bytes, "differs in its %.*s: %.*s, and %.*s on rank 0", name, own,
                 a - name - 1, own + name + 1, b - other - 1, first + other + 1);
    else
        snprintf(out, bytes, "differs: it has the %.*s, and rank 0 the %.*s", name, own, other,
                 first);
}

/* True if there are enough shards, since a step is cut among ranks at shards. */
static bool can_be_cut(Trainer *t) {
    const int64_t shards = t->program->train->shards;
    const int ranks = t->group->ranks;
    if (shards >= ranks) return true;
    if (shards == 0)
        snprintf(
            t->error, t->error_bytes,
            "error[E804]: the steps of this run are not made for several ranks, and %d were "
            "started: it began, or was built, without --shards\n      = help: go on with it by "
            "one process, or begin anew with --shards 8",
            ranks);
    else
        snprintf(t->error, t->error_bytes,
                 "error[E804]: %d ranks were started, and the steps of this run have %" PRId64
                 " shards: at most so many ranks can share them\n      = help: start fewer ranks%s",
                 ranks, shards,
                 shards < COUPLET_MOST_SHARDS ? ", or begin anew with a larger --shards" : "");
    t->refused = true;
    return false;
}

/* Returns the bytes that this rank takes for states and the arrays of its largest step. */
static double memory_of_rank(const Trainer *t) {
    const CoupletProgram *p = t->program;
    double states = 0, arrays = 0;
    for (int i = 0; i < p->state_count; i++)
        states += (double)couplet_state_bytes(&p->states[i]);
    for (int i = 0; i < p->phase_count; i++) {
        CoupletPart *part = couplet_part_new(p->phases[i].train, t->group->ranks, t->group->rank);
        const double bytes = part ? (double)couplet_part_bytes(part) : 0;
        couplet_part_free(part);
        if (bytes > arrays) arrays = bytes;
    }
    return states + arrays;
}

/* True if the ranks of this machine fit into its memory. The system promises more than there is,
 * and ends a process that uses it, so this is checked ahead of the first step. Ranks of one machine
 * need about the same. */
static bool has_memory(Trainer *t) {
    const double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE),
                 each = memory_of_rank(t);
    const int ranks = t->group->local_ranks;
    if (t->options->device || each * ranks < there) return true;
    snprintf(
        t->error, t->error_bytes,
        "error[E805]: a rank needs %.1f GB for the arrays of a step and for states, and the "
        "%d of this machine have %.1f GB in all\n      = help: start fewer ranks on a machine, "
        "or take a smaller batch; `couplet check SPEC --ranks %d` says what each needs, and "
        "docs/machines.md what does not shrink with their number",
        each / 1e9, ranks, there / 1e9, t->group->ranks);
    t->refused = true;
    return false;
}

bool couplet_trainer_compare_ranks(Trainer *t, const char *command) {
    Lines own;
    int64_t length = 0;
    char difference[COUPLET_GROUP_SENTENCE_BYTES] = "";
    if (t->group->ranks == 1) return true;
    if (!describe_run(t, command, &own)) return false;
    if (t->writes) length = (int64_t)own.length;
    bool good = couplet_trainer_take_from_first(t, &length, sizeof length);
    char *first = good ? calloc((size_t)length + 1, 1) : NULL;
    if (good && !first) {
        snprintf(t->error, t->error_bytes, "out of memory");
        good = false;
    }
    if (good && t->writes) memcpy(first, own.text, (size_t)length);
    good = good && couplet_trainer_take_from_first(t, first, (size_t)length);
    if (good) {
        find_difference(own.text, first, difference, sizeof difference);
    }
    free(first);
    free(own.text);
    return good &&
           agree_on(t, difference,
                    "all ranks of a run have the same spec, settings, data, version, and "
                    "kind of processor") &&
           can_be_cut(t) && has_memory(t);
}

bool couplet_trainer_compare_states(Trainer *t) {
    uint64_t own;
    uint64_t first;
    char difference[200] = "";
    if (t->group->ranks == 1) return true;
    if (!couplet_session_hash(t->session, &own, t->error, t->error_bytes)) return false;
    first = own;
    if (!couplet_trainer_take_from_first(t, &first, sizeof first)) return false;
    if (own != first)
        snprintf(difference, sizeof difference,
                 "has other states behind step %" PRId64 " than rank 0: hash %016" PRIx64
                 ", and %016" PRIx64 " on rank 0",
                 t->session->step, own, first);
    return agree_on(t, difference,
                    "the files that the run begins with differ, or its machines compute "
                    "differently; the last checkpoint is whole");
}
