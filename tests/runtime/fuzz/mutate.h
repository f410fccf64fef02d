/* The main of a fuzz target that makes its own inputs: files of a folder of seeds, with bytes
 * changed, cut out, repeated and mixed with those of another seed. Input n is a function of n and
 * of the seeds, so an input that fails is found again by its number. This file is included at the
 * end, after
 *
 *     static void fuzz_one(const char *name, const uint8_t *data, size_t size);
 *
 * usage: TARGET FOLDER [--from N] [--count N | --seconds N] */
#ifndef COUPLET_TESTS_RUNTIME_FUZZ_MUTATE_H
#define COUPLET_TESTS_RUNTIME_FUZZ_MUTATE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SEEDS = 256, MOST_SEED_BYTES = 1 << 18 };

typedef struct Seed {
    char name[256];
    uint8_t *bytes;
    size_t length;
} Seed;

static Seed seeds[MOST_SEEDS];
static int seed_count;
static uint64_t random_state;
static long long input_number;

/* Returns the next number of SplitMix64. */
static uint64_t draw(void) {
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t below(size_t count) {
    return count ? (size_t)(draw() % count) : 0;
}

static int by_seed_name(const void *a, const void *b) {
    return strcmp(((const Seed *)a)->name, ((const Seed *)b)->name);
}

static void read_seeds(const char *folder) {
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && seed_count < MOST_SEEDS && (entry = readdir(list));) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = fopen(path, "rb");
        if (!file) continue;
        Seed *seed = &seeds[seed_count++];
        snprintf(seed->name, sizeof seed->name, "%s", entry->d_name);
        seed->bytes = malloc(MOST_SEED_BYTES);
        seed->length = fread(seed->bytes, 1, MOST_SEED_BYTES, file);
        fclose(file);
    }
    if (list) closedir(list);
    qsort(seeds, (size_t)seed_count, sizeof *seeds, by_seed_name);
}

static void change(uint8_t *bytes, size_t *length) {
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, ' ', '-', '.', '0', '9', '\n', 'e'};
    const size_t at = below(*length), other = below(*length), count = 1 + below(below(4) ? 8 : 512);
    const Seed *from = &seeds[below((size_t)seed_count)];
    switch (draw() % 8) {
    case 0:
        bytes[at] ^= (uint8_t)(1 << draw() % 8);
        break;
    case 1:
        bytes[at] = (uint8_t)draw();
        break;
    case 2:
        bytes[at] = edges[draw() % sizeof edges];
        break;
    case 3:
        for (size_t i = at; i < at + 4 && i < *length; i++)
            bytes[i] = edges[draw() % 5];
        break;
    case 4: /* cut out */
        if (at + count >= *length) break;
        memmove(bytes + at, bytes + at + count, *length - at - count);
        *length -= count;
        break;
    case 5: /* repeat */
        if (other + count > *length || *length + count > MOST_SEED_BYTES) break;
        memmove(bytes + at + count, bytes + at, *length - at);
        memmove(bytes + at,
                bytes + (other < at                ? other
                         : other + count < *length ? other + count
                                                   : at),
                count);
        *length += count;
        break;
    case 6:
        *length = at + 1;
        break;
    case 7: /* a piece of another seed */
        for (size_t i = 0; i < count && at + i < *length && at + i < from->length; i++)
            bytes[at + i] = from->bytes[at + i];
        break;
    }
}

static void run_input(long long number) {
    static uint8_t bytes[MOST_SEED_BYTES];
    random_state = (uint64_t)number * UINT64_C(0xd1342543de82ef95);
    input_number = number;
    const Seed *seed = &seeds[number % seed_count];
    size_t length = seed->length;
    memcpy(bytes, seed->bytes, length);
    const size_t changes = number < seed_count ? 0 : 1 + below(below(3) ? 4 : 32);
    for (size_t i = 0; i < changes && length; i++)
        change(bytes, &length);
    /* The memory ends with the input, so that a read behind its end is seen. */
    uint8_t *exact = malloc(length + !length);
    memcpy(exact, bytes, length);
    fuzz_one(seed->name, exact, length);
    free(exact);
}

__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));
static void say_where(void) {
    fprintf(stderr, "\nThis was input %lld: --from %lld --count 1\n", input_number, input_number);
}

int main(int argc, char **argv) {
    long long from = 0;
    long long count = 10000;
    double seconds = 0;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--from") == 0)
            from = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--count") == 0)
            count = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
    }
    if (argc > 1) read_seeds(argv[1]);
    if (!seed_count) {
        fprintf(stderr, "usage: %s FOLDER [--from N] [--count N | --seconds N]; there is no seed\n",
                argv[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_where);
    const time_t start = time(NULL);
    long long done = 0;
    for (; seconds > 0 ? difftime(time(NULL), start) < seconds : done < count; done++)
        run_input(from + done);
    for (int i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    printf("%lld inputs from %d seeds\n", done, seed_count);
    return 0;
}

#endif
