/* The table of codes. */
#include "lang/diag.h"

#define ERROR   DIAG_ERROR
#define WARNING DIAG_WARNING
const DiagCodeInfo diag_codes[CODE_COUNT] = {
#define CODE(code, name, severity, meaning, why, failing, repaired)                                \
    {#code, severity, meaning, why, failing, repaired},
#include "lang/codes.def"
#undef CODE
};
