/* What every folder of the compiler uses: an arena, a growable array, a map, texts and interned
 * names. One arena holds a whole compilation (tree, types, graph) and is released in one call;
 * nothing inside a pass is freed one by one. */
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
/* Returns zeroed memory, aligned to 16 bytes. Never returns NULL: arena_guard says what happens
 * without memory. */
void *arena_alloc(Arena *arena, size_t bytes);
/* Calls `work`. Returns false if memory ran out in it: its objects then stay as they are, and its
 * memory stays allocated until the arena is freed. Without a guard, a compilation that does not fit
 * in memory ends the process. */
bool arena_guard(void (*work)(void *context), void *context);
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns an interned text: within one arena, equal texts have equal pointers. */
const char *arena_intern(Arena *arena, const char *text, size_t length);

#define arena_new_of(arena, Type) ((Type *)arena_alloc((arena), sizeof(Type)))
#define arena_array(arena, Type, count)                                                            \
    ((Type *)arena_alloc((arena), sizeof(Type) * (size_t)(count)))

/* A growable array in an arena: ARRAY(Node *) parts; array_push(arena, &parts, node). */
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

/* A map from pointers or texts to anything, with open addressing in an arena. It begins with all
 * zeros. A key that is put again gets the new value. */
typedef struct Map {
    struct MapEntry *entries;
    int capacity;
    int count;
    bool of_texts; /* true if keys are texts, of which equal ones are one key */
} Map;
void map_put(Arena *arena, Map *map, const void *key, void *value);
/* Returns the value of a key, or NULL if there is no such key. */
void *map_get(const Map *map, const void *key);

/* Converts a double to a whole number. Returns false, with *out unchanged, unless the number is
 * whole and within 2^53, because a cast of any other number would give another one. */
bool whole_of(double value, int64_t *out);

/* A growable text in malloc'ed memory, which text_free releases. `data` is NULL while it is empty.
 * If memory runs out, what does not fit is left out. */
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
