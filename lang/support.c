/* The arena, interned names, growable arrays and text. */
#include "lang/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
/* An arena hides overruns from sanitizers, so under them every object is a malloc of its own. */
enum { BLOCK_BYTES = 0 };
#else
enum { BLOCK_BYTES = 1 << 18 };
#endif

typedef struct Block {
    struct Block *next;
    size_t used;
    size_t capacity;
    _Alignas(16) char data[];
} Block;

typedef struct Name {
    struct Name *next;
    uint64_t hash;
    size_t length;
    const char *text;
} Name;

struct Arena {
    Block *blocks;
    Name **names;
    size_t name_count;
    size_t name_capacity;
};

/* The guard of this thread, at which it continues if memory runs out, or NULL. */
static _Thread_local jmp_buf *rescue;

bool arena_guard(void (*work)(void *context), void *context) {
    jmp_buf here;
    jmp_buf *const outer = rescue;
    const bool good = setjmp(here) == 0;
    rescue = &here;
    if (good) work(context);
    rescue = outer;
    return good;
}

static _Noreturn void out_of_memory(size_t bytes) {
    if (rescue) longjmp(*rescue, 1);
    fprintf(stderr, "couplet: out of memory: %zu bytes more were needed\n", bytes);
    abort();
}

Arena *arena_new(void) {
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena) out_of_memory(sizeof *arena);
    return arena;
}

void arena_free(Arena *arena) {
    if (!arena) return;
    for (Block *block = arena->blocks; block;) {
        Block *next = block->next;
        free(block);
        block = next;
    }
    free(arena->names);
    free(arena);
}

void *arena_alloc(Arena *arena, size_t bytes) {
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes == 0) bytes = 16;
    Block *block = arena->blocks;
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = bytes > BLOCK_BYTES ? bytes : (size_t)BLOCK_BYTES;
        block = calloc(1, sizeof *block + capacity);
        if (!block) out_of_memory(bytes);
        block->capacity = capacity;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += bytes;
    return memory;
}

char *arena_strndup(Arena *arena, const char *text, size_t length) {
    char *copy = arena_alloc(arena, length + 1);
    if (length) memcpy(copy, text, length);
    return copy;
}

char *arena_printf(Arena *arena, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

static uint64_t hash_text(const char *text, size_t length) {
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash;
}

typedef struct MapEntry {
    const void *key; /* NULL: the slot is free */
    void *value;
} MapEntry;

static uint64_t hash_pointer(const void *key) {
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 32);
}

/* Returns the entry of the key, or the free entry in which it would stand. There always is one,
 * because a map is at most half full. */
static MapEntry *map_entry(const Map *map, const void *key) {
    uint64_t at = map->of_texts ? hash_text(key, strlen(key)) : hash_pointer(key);
    for (;; at++) {
        MapEntry *entry = &map->entries[at & (uint64_t)(map->capacity - 1)];
        if (!entry->key || entry->key == key || (map->of_texts && strcmp(entry->key, key) == 0))
            return entry;
    }
}

void map_put(Arena *arena, Map *map, const void *key, void *value) {
    if (2 * map->count >= map->capacity) {
        const Map old = *map;
        map->capacity = old.capacity ? 2 * old.capacity : 16;
        map->entries = arena_array(arena, MapEntry, map->capacity);
        for (int i = 0; i < old.capacity; i++)
            if (old.entries[i].key) *map_entry(map, old.entries[i].key) = old.entries[i];
    }
    MapEntry *entry = map_entry(map, key);
    map->count += entry->key == NULL;
    *entry = (MapEntry){key, value};
}

void *map_get(const Map *map, const void *key) {
    return map->count ? map_entry(map, key)->value : NULL;
}

static void grow_names(Arena *arena) {
    size_t capacity = arena->name_capacity ? 2 * arena->name_capacity : 256;
    Name **names = calloc(capacity, sizeof *names);
    if (!names) return; /* the chains of names grow longer, and answers stay the same */
    for (size_t i = 0; i < arena->name_capacity; i++) {
        for (Name *name = arena->names[i]; name;) {
            Name *next = name->next;
            name->next = names[name->hash % capacity];
            names[name->hash % capacity] = name;
            name = next;
        }
    }
    free(arena->names);
    arena->names = names;
    arena->name_capacity = capacity;
}

const char *arena_intern(Arena *arena, const char *text, size_t length) {
    if (arena->name_count >= arena->name_capacity) grow_names(arena);
    if (!arena->name_capacity) return arena_strndup(arena, text, length);
    uint64_t hash = hash_text(text, length);
    Name **slot = &arena->names[hash % arena->name_capacity];
    for (Name *name = *slot; name; name = name->next)
        if (name->hash == hash && name->length == length && memcmp(name->text, text, length) == 0)
            return name->text;
    Name *name = arena_new_of(arena, Name);
    name->hash = hash;
    name->length = length;
    name->text = arena_strndup(arena, text, length);
    name->next = *slot;
    *slot = name;
    arena->name_count++;
    return name->text;
}

void *arena_grow(Arena *arena, void *items, size_t item_bytes, int *capacity) {
    int grown = *capacity ? 2 * *capacity : 8;
    void *copy = arena_alloc(arena, item_bytes * (size_t)grown);
    if (items) memcpy(copy, items, item_bytes * (size_t)*capacity);
    *capacity = grown;
    return copy;
}

void text_append(Text *text, const char *data, size_t length) {
    if (text->length + length + 1 > text->capacity) {
        size_t capacity = 2 * (text->length + length + 1);
        char *grown = realloc(text->data, capacity);
        if (!grown) return;
        text->data = grown;
        text->capacity = capacity;
    }
    if (length) memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = 0;
}

void text_printf(Text *text, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *line = malloc((size_t)length + 1);
    if (line) {
        vsnprintf(line, (size_t)length + 1, format, again);
        text_append(text, line, (size_t)length);
        free(line);
    }
    va_end(again);
    va_end(args);
}

void text_free(Text *text) {
    free(text->data);
    *text = (Text){0};
}

bool text_ends_with(const char *text, const char *ending) {
    const size_t length = strlen(text);
    const size_t last = strlen(ending);
    return length >= last && strcmp(text + length - last, ending) == 0;
}

bool whole_of(double value, int64_t *out) {
    if (!(fabs(value) <= 0x1p53) || value != floor(value)) return false;
    *out = (int64_t)value;
    return true;
}
