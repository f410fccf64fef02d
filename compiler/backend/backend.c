/* The table of back ends. */
#include "compiler/backend/backend.h"

#include <string.h>

static const BackEnd *const table[] = {&cpu_backend, &opencl_backend};

enum { BACKENDS = sizeof table / sizeof *table };

const BackEnd *const *backends(int *count) {
    *count = BACKENDS;
    return table;
}

const BackEnd *backend_find(const char *name) {
    for (int i = 0; i < BACKENDS; i++)
        if (strcmp(table[i]->name, name) == 0) return table[i];
    return NULL;
}

void backend_free(BackEndCode *code) {
    if (code->backend && code->backend->free) code->backend->free(code);
    code->own = NULL;
}
