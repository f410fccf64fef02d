/* Writes a CoupletProgram as constant data of an LLVM module. A structure becomes its bytes,
 * with each pointer replaced by a relocation to what it points to.
 *
 * Which members are pointers, and to what, is said in runtime/abi_pointers.def; a structure of
 * runtime/abi.h that gets a new pointer needs a row there. An object that several pointers reach
 * is written once. */
#include "compiler/cpu/image.h"

#include "runtime/executor.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* A pointer among the bytes of an object: its offset in them, and what it points to. */
typedef struct Relocation {
    size_t at;
    LLVMValueRef target;
} Relocation;

typedef struct Relocations {
    ARRAY(Relocation) items;
} Relocations;

/* A piece of data that was written already, by its address in this process. Plans share tables and
 * phases share plans; each is written once. */
typedef struct Known {
    const void *address;
    size_t size;
    LLVMValueRef global;
} Known;

typedef struct Image {
    Emitter *e;
    ARRAY(Known) known;
} Image;

/* Adds a relocation for each pointer of `object`, a structure that begins `at` bytes into a
 * list. */
typedef void (*Walk)(Image *image, const void *object, size_t at, Relocations *relocations);

enum { ALIGNMENT = 64 /* the alignment of plain data, which kernels load as vectors */ };

static LLVMValueRef find_constant(const Image *image, const void *address, size_t size) {
    for (int i = 0; i < image->known.count; i++)
        if (image->known.items[i].address == address && image->known.items[i].size == size)
            return image->known.items[i].global;
    return NULL;
}

static LLVMValueRef add_global(Emitter *e, LLVMValueRef value, unsigned alignment) {
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(value), "");
    LLVMSetInitializer(global, value);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetAlignment(global, alignment);
    return global;
}

LLVMValueRef image_bytes(Emitter *e, const void *data, size_t size) {
    return add_global(e, LLVMConstStringInContext(e->context, data, (unsigned)size, 1), ALIGNMENT);
}

LLVMValueRef image_text(Emitter *e, const char *text) {
    return add_global(e, LLVMConstStringInContext(e->context, text, (unsigned)strlen(text), 0), 1);
}

static LLVMValueRef constant_bytes(Image *image, const void *data, size_t size) {
    if (!data) return LLVMConstNull(image->e->ptr);
    LLVMValueRef global = find_constant(image, data, size);
    if (global) return global;
    global = image_bytes(image->e, data, size);
    array_push(image->e->arena, &image->known, ((Known){data, size, global}));
    return global;
}

static LLVMValueRef text(Image *image, const char *string) {
    return string ? constant_bytes(image, string, strlen(string) + 1)
                  : LLVMConstNull(image->e->ptr);
}

/* Returns a kernel of this module, or the runtime's code for library calls if the module has no
 * such kernel. */
static LLVMValueRef code(Image *image, const char *symbol) {
    Emitter *e = image->e;
    LLVMValueRef function = LLVMGetNamedFunction(e->module, symbol);
    if (!function) function = LLVMGetNamedFunction(e->module, "couplet_call");
    if (function) return function;
    LLVMTypeRef params[4] = {e->ptr, e->i64, e->i64, e->ptr};
    return LLVMAddFunction(e->module, "couplet_call", LLVMFunctionType(e->nothing, params, 4, 0));
}

static void add_relocation(Image *image, Relocations *relocations, size_t at, LLVMValueRef target) {
    array_push(image->e->arena, &relocations->items, ((Relocation){at, target}));
}

/* Makes a constant of bytes with pointers among them: a packed structure of runs of bytes and
 * pointers. The structures of a list come in order, but the relocations of one structure may not,
 * so they are sorted first. */
static LLVMValueRef with_pointers(Image *image, const char *data, size_t size, Relocations *r) {
    Emitter *e = image->e;
    for (int i = 1; i < r->items.count; i++)
        for (int k = i; k > 0 && r->items.items[k].at < r->items.items[k - 1].at; k--) {
            Relocation kept = r->items.items[k];
            r->items.items[k] = r->items.items[k - 1];
            r->items.items[k - 1] = kept;
        }
    LLVMValueRef *fields = arena_array(e->arena, LLVMValueRef, 2 * r->items.count + 1);
    unsigned count = 0;
    size_t at = 0;
    for (int i = 0; i < r->items.count; i++) {
        size_t next = r->items.items[i].at;
        if (next > at)
            fields[count++] =
                LLVMConstStringInContext(e->context, data + at, (unsigned)(next - at), 1);
        fields[count++] = r->items.items[i].target;
        at = next + sizeof(void *);
    }
    if (size > at)
        fields[count++] = LLVMConstStringInContext(e->context, data + at, (unsigned)(size - at), 1);
    return add_global(e, LLVMConstStructInContext(e->context, fields, count, 1), ALIGNMENT);
}

/* Writes a list of structures, and what they point to. Returns its address, a null pointer for an
 * empty list. */
static LLVMValueRef emit_list(Image *image, const void *items, int64_t count, size_t item_bytes,
                              Walk walk) {
    if (!items || count == 0) return LLVMConstNull(image->e->ptr);
    size_t size = (size_t)count * item_bytes;
    LLVMValueRef global = find_constant(image, items, size);
    if (global) return global;
    Relocations relocations = {{0}};
    for (int64_t i = 0; i < count; i++)
        walk(image, (const char *)items + (size_t)i * item_bytes, (size_t)i * item_bytes,
             &relocations);
    global = with_pointers(image, items, size, &relocations);
    array_push(image->e->arena, &image->known, ((Known){items, size, global}));
    return global;
}

static LLVMValueRef pointers(Image *image, const void *const *items, int64_t count,
                             size_t item_bytes, Walk walk) {
    if (!items || count == 0) return LLVMConstNull(image->e->ptr);
    LLVMValueRef *values = arena_array(image->e->arena, LLVMValueRef, count);
    for (int64_t i = 0; i < count; i++)
        values[i] = emit_list(image, items[i], 1, item_bytes, walk);
    return add_global(image->e, LLVMConstArray2(image->e->ptr, values, (uint64_t)count),
                      sizeof(void *));
}

/* Returns the bytes of a table that the plan carries with it, as packed if it is; 0 for other
 * buffers. */
static size_t buffer_bytes(const CoupletBuffer *b) {
    if (b->packed_bytes) return (size_t)b->packed_bytes;
    return b->place == COUPLET_IN_CONST
               ? (size_t)(couplet_buffer_count(b) * couplet_type_bytes(b->type))
               : 0;
}

/* From here on, each structure in abi_pointers.def becomes a function of type Walk. */
#define OBJECT(T, bytes)                                                                           \
    _Static_assert(sizeof(T) == (bytes),                                                           \
                   #T " has changed: runtime/abi_pointers.def must list every pointer in it");     \
    static void walk_##T(Image *image, const void *object, size_t at, Relocations *relocations) {  \
        const T *x = object;                                                                       \
        (void)x, (void)image, (void)at, (void)relocations;
#define MEMBER(T, member, target)                                                                  \
    add_relocation(image, relocations, at + offsetof(T, member), target);
#define TEXT(T, member)        MEMBER(T, member, text(image, x->member))
#define BYTES(T, member, size) MEMBER(T, member, constant_bytes(image, x->member, size))
#define LIST(T, member, E, count)                                                                  \
    MEMBER(T, member, emit_list(image, x->member, count, sizeof(E), walk_##E))
#define ONE(T, member, E) MEMBER(T, member, emit_list(image, x->member, 1, sizeof(E), walk_##E))
#define POINTERS(T, member, E, count)                                                              \
    MEMBER(T, member, pointers(image, (const void *const *)x->member, count, sizeof(E), walk_##E))
#define CODE(T, member, symbol) MEMBER(T, member, code(image, symbol))
#define END                     }
#include "runtime/abi_pointers.def"

LLVMValueRef image_of_program(Emitter *e, const CoupletProgram *program, const char *symbol) {
    Image image = {.e = e};
    LLVMValueRef global = emit_list(&image, program, 1, sizeof *program, walk_CoupletProgram);
    LLVMSetLinkage(global, LLVMExternalLinkage);
    LLVMSetVisibility(global, LLVMHiddenVisibility);
    LLVMSetValueName2(global, symbol, strlen(symbol));
    return global;
}
