/* The few things that every folder of the compiler leans on: an arena, a growable array and
 * interned names. One arena holds a whole compilation (AST, types, graph) and is released in one
 * call; nothing inside a pass is freed one by one. */
#ifndef COUPLET_LANG_SUPPORT_H
#define COUPLET_LANG_SUPPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena);
/* Returns zeroed memory, aligned to 16 bytes. Never returns NULL (out of memory: arena_guard). */
void *arena_alloc(Arena *arena, size_t bytes);
/* Calls `work`. Returns false if memory ran out in it; its objects then stay as they are, and its
 * memory stays allocated. Without a guard, a compilation that does not fit in memory ends the
 * process. */
bool arena_guard(void (*work)(void *context), void *context);
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns an interned text: within one arena, equal texts have equal pointers. */
const char *arena_intern(Arena *arena, const char *text, size_t length);

#define arena_new_of(arena, Type) ((Type *)arena_alloc((arena), sizeof(Type)))
#define arena_array(arena, Type, count)                                                            \
    ((Type *)arena_alloc((arena), sizeof(Type) * (size_t)(count)))

/* A growable array living in an arena: ARRAY(Node *) parts; array_push(arena, &parts, node). */
#define ARRAY(Type)                                                                                \
    struct {                                                                                       \
        Type *items;                                                                               \
        int count, capacity;                                                                       \
    }
#define array_push(arena, array, item)                                                             \
    do {                                                                                           \
        if ((array)->count == (array)->capacity)                                                   \
            (array)->items =                                                                       \
                arena_grow((arena), (array)->items, sizeof *(array)->items, &(array)->capacity);   \
        (array)->items[(array)->count++] = (item);                                                 \
    } while (0)
void *arena_grow(Arena *arena, void *items, size_t item_bytes, int *capacity);

/* A map from pointers, or from texts, to anything: open addressing in an arena. Zero it to begin. A
 * key put again gets the new value. */
typedef struct Map {
    struct MapEntry *entries;
    int capacity;
    int count;
    bool of_texts; /* keys are texts, and equal texts are one key */
} Map;
void map_put(Arena *arena, Map *map, const void *key, void *value);
void *map_get(const Map *map, const void *key); /* NULL: no such key */

/* Converts a double to a whole number, and is the only function to do so. Returns false, with *out
 * unchanged, unless the number is whole and within 2^53. */
bool whole_of(double value, int64_t *out);

/* A growable text buffer (malloc'ed; text_free releases it). */
typedef struct Text {
    char *data;
    size_t length;
    size_t capacity;
} Text;
void text_printf(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append(Text *text, const char *data, size_t length);
void text_free(Text *text);
bool text_ends_with(const char *text, const char *ending);

#endif
