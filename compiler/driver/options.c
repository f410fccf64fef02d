#include "compiler/driver/options.h"

#include "lang/diag.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST_SIZE = 1 << 16 /* bytes */ };

static bool is_allowed(const char *allowed, const char *name) {
    size_t length = strlen(name);
    for (const char *at = allowed; (at = strstr(at, name)) != NULL; at += length)
        if ((at == allowed || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0)) return true;
    return false;
}

static void unknown_option(Arena *arena, const char *command, const char *allowed, const char *name) {
    const char *names[64];
    int count = 0;
    char *copy = arena_strndup(arena, allowed, strlen(allowed)), *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word && count < 64; word = strtok_r(NULL, " ", &rest)) names[count++] = word;
    const char *near = diag_nearest(name, names, count);
    fprintf(stderr, "couplet %s: there is no option --%s", command, name);
    if (near) fprintf(stderr, "; did you mean --%s?", near);
    fprintf(stderr, "\n");
}

static bool read_long(const char *command, const char *name, const char *value, long low, long *out) {
    char *end;
    *out = strtol(value, &end, 10);
    if (*value && !*end && *out >= low) return true;
    fprintf(stderr, "couplet %s: --%s needs a whole number of at least %ld, and `%s` was given\n", command, name, low, value);
    return false;
}

/* 512MiB, 1.5GiB, or bytes. */
static bool read_size(const char *command, const char *name, const char *value, int64_t *out) {
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
    char *unit;
    double number = strtod(value, &unit);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, unit) != 0 || unit == value || !(number * units[i].bytes >= SMALLEST_SIZE && number * units[i].bytes < 0x1p62)) continue;
        *out = (int64_t)(number * units[i].bytes);
        return true;
    }
    fprintf(stderr, "couplet %s: --%s needs a size of at least 64KiB, like 512MiB or 1.5GiB, and `%s` was given\n", command, name, value);
    return false;
}

static bool read_pair(Arena *arena, const char *command, const char *name, const char *value, Setting *out) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value) {
        fprintf(stderr, "couplet %s: --%s needs NAME=VALUE, and `%s` was given\n", command, name, value);
        return false;
    }
    out->name = arena_intern(arena, value, (size_t)(equals - value));
    out->value = equals + 1;
    return true;
}

/* N=8,D=5 */
static bool read_sizes(Arena *arena, Options *o, const char *command, const char *value) {
    char *copy = arena_strndup(arena, value, strlen(value)), *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        Setting pair;
        long size;
        if (!read_pair(arena, command, "size", word, &pair) || !read_long(command, "size", pair.value, 1, &size)) return false;
        array_push(arena, &o->sizes, pair);
    }
    return true;
}

static bool read_value(Arena *arena, Options *o, const char *command, const char *name, const char *value) {
    Setting pair;
    if (strcmp(name, "data") == 0) o->data = value;
    else if (strcmp(name, "out") == 0) o->out = value;
    else if (strcmp(name, "fn") == 0) o->fn = value;
    else if (strcmp(name, "emit") == 0) o->emit = value;
    else if (strcmp(name, "target") == 0) o->target = value;
    else if (strcmp(name, "embed-weights") == 0) o->embed_weights = value;
    else if (strcmp(name, "print-after") == 0) o->print_after = value;
    else if (strcmp(name, "device") == 0) o->device = value;
    else if (strcmp(name, "emit") == 0) o->emit = value;
    else if (strcmp(name, "diagnostics") == 0) {
        o->diagnostics = value;
        if (strcmp(value, "text") == 0 || strcmp(value, "json") == 0) return true;
        fprintf(stderr, "couplet %s: --diagnostics is text or json, and `%s` was given\n", command, value);
        return false;
    } else if (strcmp(name, "seed") == 0) {
        o->has_seed = true;
        return read_long(command, name, value, 0, &o->seed);
    } else if (strcmp(name, "threads") == 0) return read_long(command, name, value, 1, &o->threads);
    else if (strcmp(name, "max-steps") == 0) return read_long(command, name, value, 1, &o->max_steps);
    else if (strcmp(name, "checkpoint-every") == 0) return read_long(command, name, value, 1, &o->checkpoint_every);
    else if (strcmp(name, "memory") == 0) return read_size(command, name, value, &o->memory_bytes);
    else if (strcmp(name, "steps") == 0) return read_long(command, name, value, 1, &o->steps);
    else if (strcmp(name, "batch") == 0) return read_long(command, name, value, 1, &o->batch);
    else if (strcmp(name, "size") == 0) return read_sizes(arena, o, command, value);
    else if (strcmp(name, "epochs") == 0) {
        char *end;
        o->epochs = strtod(value, &end);
        if (*end || !(o->epochs > 0)) {
            fprintf(stderr, "couplet %s: --epochs needs a positive number, and `%s` was given\n", command, value);
            return false;
        }
    } else if (strcmp(name, "set") == 0) {
        if (!read_pair(arena, command, name, value, &pair)) return false;
        array_push(arena, &o->sets, pair);
    } else if (strcmp(name, "in") == 0) {
        if (!read_pair(arena, command, name, value, &pair)) return false;
        array_push(arena, &o->inputs, pair);
    }
    return true;
}

/* Options without a value. */
static bool *find_flag(Options *o, const char *name) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"resume", &o->resume},       {"quiet", &o->quiet}, {"by-kernel", &o->by_kernel},
                 {"numerics", &o->numerics},   {"bench", &o->bench}, {"no-stream", &o->no_stream},
                 {"no-fuse", &o->no_fuse}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flags[i].name, name) == 0) return flags[i].flag;
    return NULL;
}

/* `check --memory` reports, and `check --memory 512MiB` reports what becomes of the step under that budget. */
static bool stands_alone(Options *o, const char *allowed, const char *name, const char *value, const char *next) {
    if (strcmp(name, "memory") != 0 || !is_allowed(allowed, "[memory]")) return false;
    o->memory = true;
    return !value && !(next && next[0] >= '0' && next[0] <= '9');
}

bool options_read(Arena *arena, Options *o, const char *command, const char *allowed, int argc, char **argv) {
    memset(o, 0, sizeof *o);
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "-o") == 0) arg = "--out";
        if (arg[0] != '-' || arg[1] != '-') {
            if (o->file) {
                fprintf(stderr, "couplet %s: one file at a time, and both `%s` and `%s` were given\n", command, o->file, arg);
                return false;
            }
            o->file = arg;
            continue;
        }
        char *name = arena_strndup(arena, arg + 2, strlen(arg + 2));
        char *equals = strchr(name, '=');
        const char *value = NULL;
        if (equals) {
            *equals = 0;
            value = equals + 1;
        }
        if (!is_allowed(allowed, name)) {
            unknown_option(arena, command, allowed, name);
            return false;
        }
        bool *flag = find_flag(o, name);
        if (flag) {
            *flag = true;
            continue;
        }
        if (stands_alone(o, allowed, name, value, i + 1 < argc ? argv[i + 1] : NULL)) continue;
        if (!value && i + 1 < argc) value = argv[++i];
        if (!value) {
            fprintf(stderr, "couplet %s: --%s needs a value\n", command, name);
            return false;
        }
        if (!read_value(arena, o, command, name, value)) return false;
    }
    if (!o->file && !is_allowed(allowed, "[file]")) {
        fprintf(stderr, "couplet %s: a file is needed, like examples/simclr.cpl\n", command);
        return false;
    }
    return true;
}
