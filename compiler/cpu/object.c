/* Compilation ahead of time: the kernels and the program that runs them go to one module, and so to
 * one object. Nothing but the program's symbol is visible. So two methods link into one program,
 * though they share many kernels. */
#include "compiler/cpu/generate.h"
#include "compiler/cpu/image.h"
#include "compiler/cpu/plans.h"
#include "runtime/executor.h"
#include "runtime/packed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool write_file(Arena *arena, const char *path, const char *data, size_t size,
                       const char **error) {
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(data, 1, size, file) == size;
    int met = errno;
    if (file && fclose(file) != 0 && good) {
        met = errno;
        good = false;
    }
    if (good) return true;
    *error = arena_printf(arena, "%s: cannot be written: %s", path, strerror(met));
    if (file) remove(path);
    return false;
}

static bool write_module_text(Arena *arena, LLVMModuleRef module, const char *path,
                              const char **error) {
    char *text = LLVMPrintModuleToString(module);
    bool good = write_file(arena, path, text, strlen(text), error);
    LLVMDisposeMessage(text);
    return good;
}

static bool write_object(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine,
                         const char *path, const char **error) {
    LLVMMemoryBufferRef object = generate_code(arena, module, machine, LLVMObjectFile, error);
    if (!object) return false;
    bool good =
        write_file(arena, path, LLVMGetBufferStart(object), LLVMGetBufferSize(object), error);
    LLVMDisposeMemoryBuffer(object);
    return good;
}

/* Packs the tables, which otherwise take most of an object's space. Plans share tables, so each is
 * packed once. */
static void pack_tables(Arena *arena, const CpuPlans *plans) {
    enum { WORTH_IT = 1024 };
    struct {
        ARRAY(CoupletBuffer) items;
    } known = {{0}}, packed = {{0}};
    for (int i = 0; i < plans->count; i++) {
        for (int k = 0; k < plans->plans[i].out->buffer_count; k++) {
            CoupletBuffer *b = &plans->plans[i].buffers[k];
            int64_t count = couplet_buffer_count(b);
            int64_t bytes;
            if (b->place != COUPLET_IN_CONST || b->type != COUPLET_I32 || count < WORTH_IT ||
                b->packed_bytes)
                continue;
            int at = 0;
            while (at < known.items.count && known.items.items[at].constant != b->constant)
                at++;
            if (at == known.items.count) {
                array_push(arena, &known.items, *b);
                void *words = couplet_words_pack(b->constant, count, &bytes);
                if (words) b->constant = arena_strndup(arena, words, (size_t)bytes);
                if (words) b->packed_bytes = bytes;
                free(words);
                array_push(arena, &packed.items, *b);
            }
            b->constant = packed.items.items[at].constant;
            b->packed_bytes = packed.items.items[at].packed_bytes;
        }
    }
}

bool cpu_write_program(Arena *arena, const CpuPlans *plans, const CoupletProgram *program,
                       const char *symbol, bool llvm, const char *path, const char **error) {
    LLVMTargetMachineRef machine = processor_machine(arena, plans->processor, error);
    if (!machine) return false;
    Emitter e;
    pack_tables(arena, plans);
    emitter_open(&e, arena);
    for (int i = 0; i < plans->kernel_count; i++) {
        emit_kernel(&e, plans->kernels[i]);
        LLVMSetLinkage(LLVMGetNamedFunction(e.module, plans->kernels[i]->symbol),
                       LLVMInternalLinkage);
    }
    image_of_program(&e, program, symbol);
    processor_prepare(plans->processor, machine, e.module);
    bool good = cpu_optimise_code(arena, e.module, machine, error);
    if (good)
        good = llvm ? write_module_text(arena, e.module, path, error)
                    : write_object(arena, e.module, machine, path, error);
    emitter_close(&e);
    LLVMDisposeTargetMachine(machine);
    return good;
}

/* ---- the method ------------------------------------------------------------------------------ */

/* Declares a symbol of another object of the same program. */
static LLVMValueRef outside(Emitter *e, const char *symbol) {
    LLVMValueRef global = LLVMAddGlobal(e->module, e->i8, symbol);
    LLVMSetVisibility(global, LLVMHiddenVisibility);
    return global;
}

/* Makes the CoupletMethod, member by member. All of its members are eight bytes long. */
static LLVMValueRef method(Emitter *e, const CpuBinding *b) {
    LLVMValueRef *variants = arena_array(e->arena, LLVMValueRef, b->variant_count);
    for (int i = 0; i < b->variant_count; i++) {
        bool any = strncmp(b->variants[i].processor, "x86-64", 6) != 0;
        LLVMValueRef pair[2] = {any ? LLVMConstNull(e->ptr)
                                    : image_text(e, b->variants[i].processor),
                                outside(e, b->variants[i].symbol)};
        variants[i] = LLVMConstStructInContext(e->context, pair, 2, 0);
    }
    LLVMTypeRef pointer_pair[2] = {e->ptr, e->ptr};
    LLVMTypeRef variant = LLVMStructTypeInContext(e->context, pointer_pair, 2, 0);
    LLVMValueRef list = LLVMConstArray2(variant, variants, (uint64_t)b->variant_count);
    LLVMValueRef table = LLVMAddGlobal(e->module, LLVMTypeOf(list), "variants");
    LLVMSetInitializer(table, list);
    LLVMSetGlobalConstant(table, 1);
    LLVMSetLinkage(table, LLVMPrivateLinkage);
    LLVMValueRef members[5] = {image_text(e, b->name), table,
                               LLVMConstInt(e->i64, (unsigned long long)b->variant_count, 0),
                               b->weights ? image_bytes(e, b->weights, b->weight_bytes)
                                          : LLVMConstNull(e->ptr),
                               LLVMConstInt(e->i64, b->weight_bytes, 0)};
    _Static_assert(sizeof(struct CoupletMethod) == 40,
                   "CoupletMethod has changed: method() writes it member by member");
    LLVMValueRef value = LLVMConstStructInContext(e->context, members, 5, 0);
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(value), b->symbol);
    LLVMSetInitializer(global, value);
    return global;
}

/* Adds int main(int count, char **words) { return couplet_command(&METHOD, count, words); } */
static void add_main(Emitter *e, LLVMValueRef method_of) {
    LLVMTypeRef words[2] = {e->i32, e->ptr};
    LLVMTypeRef handed[3] = {e->ptr, e->i32, e->ptr};
    LLVMTypeRef command_type = LLVMFunctionType(e->i32, handed, 3, 0);
    LLVMValueRef command = LLVMAddFunction(e->module, "couplet_command", command_type);
    LLVMValueRef made = LLVMAddFunction(e->module, "main", LLVMFunctionType(e->i32, words, 2, 0));
    LLVMPositionBuilderAtEnd(e->builder, LLVMAppendBasicBlockInContext(e->context, made, "entry"));
    LLVMValueRef args[3] = {method_of, LLVMGetParam(made, 0), LLVMGetParam(made, 1)};
    LLVMBuildRet(e->builder, LLVMBuildCall2(e->builder, command_type, command, args, 3, ""));
}

bool cpu_write_binding(Arena *arena, const CpuBinding *binding, const char *path,
                       const char **error) {
    const Processor *processor =
        processor_find(binding->variants[binding->variant_count - 1].processor);
    LLVMTargetMachineRef machine = processor_machine(arena, processor, error);
    if (!machine) return false;
    Emitter e;
    emitter_open(&e, arena);
    LLVMValueRef made = method(&e, binding);
    if (binding->with_main) add_main(&e, made);
    processor_prepare(processor, machine, e.module);
    bool good = write_object(arena, e.module, machine, path, error);
    emitter_close(&e);
    LLVMDisposeTargetMachine(machine);
    return good;
}
