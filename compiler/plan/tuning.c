/* Reads and writes the file of measured choices, one line for each contraction. The file is a
 * cache. A file that is missing, of another version or not understood is no error: the model of
 * costs decides then (plan/choice.c). */
#include "compiler/plan/tuning.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char head[] =
    "couplet tuning 1: contraction, rows, vectors, parts, rows and panels of a task, chunk\n";
enum {
    FIELDS = 7,
    MOST_LINE = 256,
};

const ContractionChoice *tuning_find(const Tuning *tuning, uint64_t key) {
    for (int i = 0; tuning && i < tuning->items.count; i++)
        if (tuning->items.items[i].key == key) return &tuning->items.items[i].choice;
    return NULL;
}

void tuning_set(Arena *arena, Tuning *tuning, uint64_t key, const ContractionChoice *choice) {
    for (int i = 0; i < tuning->items.count; i++) {
        if (tuning->items.items[i].key != key) continue;
        tuning->items.items[i].choice = *choice;
        return;
    }
    array_push(arena, &tuning->items, ((Tuned){key, *choice}));
}

static bool read_line(const char *line, Tuned *t) {
    ContractionChoice *c = &t->choice;
    int fields = sscanf(line, "%" SCNx64 " %d %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
                        &t->key, &c->block.rows, &c->block.vectors, &c->parts, &c->task_rows,
                        &c->task_panels, &c->chunk);
    return fields == FIELDS && c->parts > 0 && c->task_rows > 0 && c->task_panels > 0 &&
           c->chunk > 0;
}

Tuning *tuning_read(Arena *arena, const char *path) {
    Tuning *tuning = arena_new_of(arena, Tuning);
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return tuning;
    char line[MOST_LINE];
    bool good = fgets(line, sizeof line, file) && strcmp(line, head) == 0;
    while (good && fgets(line, sizeof line, file)) {
        Tuned t;
        good = read_line(line, &t);
        if (good) tuning_set(arena, tuning, t.key, &t.choice);
    }
    fclose(file);
    if (!good) tuning->items.count = 0;
    return tuning;
}

/* Writes to another file beside `path` first, which is then renamed, so that no process reads half
 * of the choices. */
bool tuning_write(const Tuning *tuning, const char *path) {
    char partial[1100];
    int length = snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    FILE *file = length > 0 && (size_t)length < sizeof partial ? fopen(partial, "w") : NULL;
    if (!file) return false;
    bool good = fputs(head, file) >= 0;
    for (int i = 0; i < tuning->items.count; i++) {
        const Tuned *t = &tuning->items.items[i];
        const ContractionChoice *c = &t->choice;
        good &=
            fprintf(file, "%016" PRIx64 " %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
                    t->key, c->block.rows, c->block.vectors, c->parts, c->task_rows, c->task_panels,
                    c->chunk) > 0;
    }
    good = fclose(file) == 0 && good && rename(partial, path) == 0;
    if (!good) remove(partial);
    return good;
}
