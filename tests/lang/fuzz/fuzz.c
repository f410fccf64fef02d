/* A libFuzzer target that gives any bytes to the parser and the checker. They may complain, but
 * must not crash, hang or lose memory. If the target is built without libFuzzer, it runs the files
 * that it is given, so that findings become tests. See docs/hacking.md for how to run it. */
#include "compiler/driver/load.h"
#include "compiler/driver/source_translation.h"
#include "lang/ast.h"
#include "lang/diag.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Source *source = arena_new_of(arena, Source);
    source->path = "fuzz.cpl";
    source->text = arena_strndup(arena, (const char *)data, length);
    source->length = length;
    Module *module = parse_module(arena, diag, source, "fuzz");
    static const CheckHooks hooks = {.module = read_library, .data = &data_catalogue};
    if (module) check_method(arena, diag, module, &hooks);
    static FILE *nowhere;
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    if (nowhere) diag_print(diag, nowhere);
    arena_free(arena);
    return 0;
}

#include "tests/fuzz_main.h"
