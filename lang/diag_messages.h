/* The form in which messages are kept, for the code that shows them: as text (diag.c), as JSON
 * (diag_json.c), or in an editor (compiler/lsp). */
#ifndef COUPLET_LANG_DIAG_MESSAGES_H
#define COUPLET_LANG_DIAG_MESSAGES_H

#include "lang/diag.h"

typedef struct DiagPart {
    Span span;
    const char *text;
} DiagPart;

typedef struct DiagMessage {
    DiagCode code;
    ARRAY(DiagPart) parts; /* the message, then its notes */
    ARRAY(DiagPart) trail; /* notes on the calls that led to the place */
    const char *suggestion;
    DiagPart fix; /* the text that mends the mistake, and its place; a NULL text: no fix is known */
} DiagMessage;

/* Returns part i of a message. Part 0 is the message itself; its notes and its trail follow. NULL
 * behind the last. */
const DiagPart *diag_part(const DiagMessage *message, int i);
/* The messages that are shown, in order of file and place and each once, and the number of errors
 * that are left out behind them. The caller frees `messages`, which is NULL if there was no memory
 * for it. */
typedef struct DiagList {
    const DiagMessage **messages;
    int count;
    int hidden;
} DiagList;
DiagList diag_sorted(const Diag *diag);
const char *diag_severity_name(DiagSeverity severity);

#endif
