/* Chooses, among the programs of a binary, the one for the highest level of x86-64 that this
 * processor has. The levels are those of the psABI. Only the features that distinguish the levels
 * are checked. */
#include "runtime/dispatch.h"

#include <string.h>

bool couplet_has_level(const char *level) {
    if (!level) return true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(level, "x86-64-v4") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && couplet_has_level("x86-64-v3");
    if (strcmp(level, "x86-64-v3") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi2") && couplet_has_level("x86-64-v2");
    if (strcmp(level, "x86-64-v2") == 0)
        return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
#endif
    return false;
}

const CoupletProgram *couplet_method_program(const CoupletMethod *method) {
    for (int64_t i = 0; method && i < method->variant_count; i++)
        if (couplet_has_level(method->variants[i].level)) return method->variants[i].program;
    return NULL;
}
