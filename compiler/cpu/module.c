/* From emitted functions to machine code. Kernels are dealt to modules, at most as many as there
 * are cores, and each module is compiled in a thread of its own. The objects are linked by LLJIT,
 * and kept on disk under a name that hashes the kernels, the processor and this back end's
 * sources. */
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/generate.h"
#include "compiler/cpu/processor.h"
#include "runtime/data/cache.h"
#include "runtime/hash.h"

#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_PARTS = 8,
    KERNELS_PER_PART = 12,
};

struct CpuModule {
    LLVMOrcLLJITRef jit;
    bool was_cached;
};

/* ---- one part: emit, optimise, generate ------------------------------------------------------ */

/* Kernels that are compiled together, to one object. A part has an arena of its own, because parts
 * are compiled at the same time. */
typedef struct Part {
    Arena *arena;
    const Processor *processor;
    Kernel **kernels;
    int count;
    int weight;
    LLVMMemoryBufferRef object;
    const char *error;
    char path[1024]; /* the path of the object in the cache; empty: it is not kept */
    bool was_cached;
} Part;

static void part_compile(Part *part) {
    LLVMTargetMachineRef machine = processor_machine(part->arena, part->processor, &part->error);
    if (!machine) return;
    Emitter e;
    emitter_open(&e, part->arena);
    for (int i = 0; i < part->count; i++)
        emit_kernel(&e, part->kernels[i]);
    processor_prepare(part->processor, machine, e.module);
    if (cpu_optimise_code(part->arena, e.module, machine, &part->error))
        part->object = generate_code(part->arena, e.module, machine, LLVMObjectFile, &part->error);
    emitter_close(&e);
    LLVMDisposeTargetMachine(machine);
}

/* ---- the cache ------------------------------------------------------------------------------- */

static const char cache_magic[8] = "couplet1";

/* Estimates the time that a kernel takes to compile, in units of the shortest. */
static int weight(const Kernel *k) {
    return k->kind == KERNEL_SWEEP     ? 12
           : k->kind == KERNEL_PRODUCT ? 3
           : k->kind == KERNEL_PACK    ? 2
                                       : 1;
}

/* Orders kernels by falling time, so that no part gets a long one when the others are nearly full.
 * Equal times are ordered by symbol, so that the same kernels always make the same parts. */
static int by_weight(const void *a, const void *b) {
    const Kernel *p = *(Kernel *const *)a;
    const Kernel *q = *(Kernel *const *)b;
    return weight(p) != weight(q) ? weight(q) - weight(p) : strcmp(p->symbol, q->symbol);
}

/* Names the part's object by two hashes of everything that its code depends on. */
static void part_name(Part *part, const char *folder) {
    part->path[0] = 0;
    if (!folder) return;
    uint64_t a = 1469598103934665603u;
    uint64_t b = 7809847782465536322u;
    const char *about[] = {part->processor->name, part->processor->features, part->processor->tune,
                           COUPLET_CPU_SOURCES};
    for (int i = 0; i < 4; i++) {
        a = couplet_hash_bytewise(a, about[i], strlen(about[i]) + 1);
        b = couplet_hash_bytewise(b, about[i], strlen(about[i]) + 1);
    }
    for (int i = 0; i < part->count; i++) {
        a = couplet_hash_bytewise(a, part->kernels[i]->symbol, SYMBOL_BYTES);
        b = couplet_hash_bytewise(b, part->kernels[i]->symbol, SYMBOL_BYTES) * 31;
    }
    int length = snprintf(part->path, sizeof part->path, "%s/%016llx%016llx.o", folder,
                          (unsigned long long)a, (unsigned long long)b);
    if (length < 0 || (size_t)length >= sizeof part->path) {
        part->path[0] = 0;
    }
}

/* Reads a part. A file that is short, or whose hash is wrong, counts as missing: the part is
 * compiled again, and the file replaced. */
static void part_read(Part *part) {
    FILE *file = part->path[0] ? fopen(part->path, "rb") : NULL;
    if (!file) return;
    struct stat status;
    struct {
        char magic[8];
        uint64_t hash;
    } head;
    if (fstat(fileno(file), &status) == 0 && status.st_size > (off_t)sizeof head &&
        fread(&head, sizeof head, 1, file) == 1 &&
        memcmp(head.magic, cache_magic, sizeof head.magic) == 0) {
        size_t length = (size_t)status.st_size - sizeof head;
        char *data = malloc(length);
        if (data && fread(data, 1, length, file) == length &&
            couplet_hash_bytewise(1469598103934665603u, data, length) == head.hash) {
            part->object = LLVMCreateMemoryBufferWithMemoryRangeCopy(data, length, "kernels");
            part->was_cached = part->object != NULL;
        }
        free(data);
    }
    fclose(file);
}

/* Writes a part. The cache is a convenience, so a failure is silent. */
static void part_write(const Part *part) {
    if (!part->path[0] || !part->object) return;
    char partial[1100];
    snprintf(partial, sizeof partial, "%s.%ld", part->path, (long)getpid());
    FILE *file = fopen(partial, "wb");
    if (!file) return;
    const char *data = LLVMGetBufferStart(part->object);
    size_t length = LLVMGetBufferSize(part->object);
    uint64_t hash = couplet_hash_bytewise(1469598103934665603u, data, length);
    bool good = fwrite(cache_magic, sizeof cache_magic, 1, file) == 1 &&
                fwrite(&hash, sizeof hash, 1, file) == 1 && fwrite(data, 1, length, file) == length;
    good = fclose(file) == 0 && good;
    if (!good || rename(partial, part->path) != 0) remove(partial);
}

const char *cpu_llvm_version(Arena *arena) {
    unsigned major;
    unsigned minor;
    unsigned patch;
    LLVMGetVersion(&major, &minor, &patch);
    return arena_printf(arena, "%u.%u.%u", major, minor, patch);
}

const char *cpu_cache_folder(Arena *arena) {
    char path[COUPLET_PATH_BYTES];
    char error[COUPLET_PATH_BYTES + 256];
    const bool made = couplet_cache_folder(path, error, sizeof error) &&
                      couplet_folder_make(path, NULL, error, sizeof error);
    return made ? arena_printf(arena, "%s", path) : NULL;
}

/* ---- all parts ------------------------------------------------------------------------------- */

static void *compile_in_thread(void *part) {
    part_compile(part);
    return NULL;
}

/* Compiles the parts that the cache lacks, side by side. Where no thread can be started, the caller
 * compiles the part. */
static void compile_missing(Part *parts, int count) {
    pthread_t threads[MAX_PARTS];
    bool started[MAX_PARTS] = {false};
    for (int i = 1; i < count; i++)
        if (!parts[i].object)
            started[i] = pthread_create(&threads[i], NULL, compile_in_thread, &parts[i]) == 0;
    if (!parts[0].object) part_compile(&parts[0]);
    for (int i = 1; i < count; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
        else if (!parts[i].object)
            part_compile(&parts[i]);
    }
}

static bool fail_llvm(Arena *arena, LLVMErrorRef error, const char *doing, const char **out) {
    char *text = LLVMGetErrorMessage(error);
    *out = arena_printf(arena, "%s failed: %s", doing, text);
    LLVMDisposeErrorMessage(text);
    return false;
}

/* Links the objects of all parts, and finds the functions that they call in this process. Returns
 * NULL on failure, with a sentence in *error. */
static LLVMOrcLLJITRef link_parts(Arena *arena, const Processor *processor, Part *parts, int count,
                                  const char **error) {
    LLVMTargetMachineRef target = processor_machine(arena, processor, error);
    if (!target) return NULL;
    LLVMOrcLLJITRef jit = NULL;
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(
        builder, LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(target));
    LLVMErrorRef failed = LLVMOrcCreateLLJIT(&jit, builder);
    if (failed) {
        fail_llvm(arena, failed, "starting the JIT", error);
        return NULL;
    }
    LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(jit);
    LLVMOrcDefinitionGeneratorRef process = NULL;
    failed = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
        &process, LLVMOrcLLJITGetGlobalPrefix(jit), NULL, NULL);
    if (!failed) LLVMOrcJITDylibAddGenerator(library, process);
    for (int i = 0; i < count && !failed; i++) {
        failed = LLVMOrcLLJITAddObjectFile(jit, library, parts[i].object);
        parts[i].object = NULL; /* the JIT has taken over the object */
    }
    if (!failed) return jit;
    fail_llvm(arena, failed, "linking the kernels", error);
    LLVMErrorRef dropped = LLVMOrcDisposeLLJIT(jit);
    if (dropped) LLVMConsumeError(dropped);
    return NULL;
}

/* Deals the kernels to parts, and returns the number of parts. Each kernel goes to the part that
 * has least to do so far. */
static int deal(Part *parts, Arena *arena, const Processor *processor, Kernel **kernels,
                int count) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int part_count = (count + KERNELS_PER_PART - 1) / KERNELS_PER_PART;
    if (part_count > cores) part_count = (int)cores;
    if (part_count > MAX_PARTS) part_count = MAX_PARTS;
    if (part_count < 1) part_count = 1;
    for (int i = 0; i < part_count; i++) {
        parts[i].arena = arena_new();
        parts[i].processor = processor;
        parts[i].kernels = arena_array(arena, Kernel *, count + 1);
    }
    for (int i = 0; i < count; i++) {
        Part *part = &parts[0];
        for (int k = 1; k < part_count; k++)
            if (parts[k].weight < part->weight) part = &parts[k];
        part->kernels[part->count++] = kernels[i];
        part->weight += weight(kernels[i]);
    }
    return part_count;
}

CpuModule *module_build(Arena *arena, const Processor *processor, Kernel **kernels, int count,
                        const char *cache_folder, const char **error) {
    CpuModule *module = calloc(1, sizeof *module);
    if (!module) {
        *error = "out of memory";
        return NULL;
    }
    qsort(kernels, (size_t)count, sizeof *kernels, by_weight);
    Part parts[MAX_PARTS];
    memset(parts, 0, sizeof parts);
    int part_count = deal(parts, arena, processor, kernels, count);
    for (int i = 0; i < part_count; i++) {
        part_name(&parts[i], cache_folder);
        part_read(&parts[i]);
    }
    compile_missing(parts, part_count);
    bool good = true;
    module->was_cached = true;
    for (int i = 0; i < part_count; i++) {
        if (!parts[i].error && !parts[i].was_cached) {
            part_write(&parts[i]);
        }
        module->was_cached &= parts[i].was_cached;
        if (parts[i].error) {
            *error = arena_printf(arena, "%s", parts[i].error);
            good = false;
        }
    }
    if (good) {
        module->jit = link_parts(arena, processor, parts, part_count, error);
    }
    for (int i = 0; i < part_count; i++) {
        if (parts[i].object) LLVMDisposeMemoryBuffer(parts[i].object);
        arena_free(parts[i].arena);
    }
    if (module->jit) return module;
    free(module);
    return NULL;
}

CoupletKernel module_find(CpuModule *module, const char *symbol, Arena *arena, const char **error) {
    LLVMOrcExecutorAddress address = 0;
    LLVMErrorRef failed = LLVMOrcLLJITLookup(module->jit, &address, symbol);
    if (!failed) return (CoupletKernel)(uintptr_t)address;
    fail_llvm(arena, failed, "finding a kernel", error);
    return NULL;
}

bool module_was_cached(const CpuModule *module) {
    return module->was_cached;
}

void module_free(CpuModule *module) {
    if (!module) return;
    LLVMErrorRef error = LLVMOrcDisposeLLJIT(module->jit);
    if (error) LLVMConsumeError(error);
    free(module);
}
