/* How messages are kept: shared by the printers of diag.c and diag_json.c, and by nobody else. */
#ifndef COUPLET_LANG_DIAG_PRIVATE_H
#define COUPLET_LANG_DIAG_PRIVATE_H

#include "lang/diag.h"

typedef struct DiagPart {
    Span span;
    const char *text;
} DiagPart;

typedef struct DiagMessage {
    DiagCode code;
    ARRAY(DiagPart) parts; /* the message itself, then its notes */
    ARRAY(DiagPart) trail; /* notes on the calls that led there */
    const char *suggestion;
} DiagMessage;

/* The message itself, its notes, then its trail; NULL behind the last. */
const DiagPart *diag_part(const DiagMessage *message, int i);
/* The messages in order of file and place, each once; malloc'ed, for the caller to free. NULL when there are none. */
const DiagMessage **diag_sorted(const Diag *diag, int *count);
const char *diag_severity_name(DiagSeverity severity);

#endif
