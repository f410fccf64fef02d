/* The form in which messages are kept, for whoever shows them: as text (diag.c), as JSON
 * (diag_json.c), in an editor (compiler/lsp). */
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
    ARRAY(DiagPart) trail; /* notes on the calls that led there */
    const char *suggestion;
    DiagPart fix; /* the text to write, and where; a NULL text: not known */
} DiagMessage;

/* Returns the message itself, then its notes, then its trail, and NULL behind the last. */
const DiagPart *diag_part(const DiagMessage *message, int i);
/* The messages that are shown, in order of file and place, each once, and the number of errors that
 * are left out behind them. `messages` is malloc'ed, for the caller to free; NULL without memory.
 */
typedef struct DiagList {
    const DiagMessage **messages;
    int count;
    int hidden;
} DiagList;
DiagList diag_sorted(const Diag *diag);
const char *diag_severity_name(DiagSeverity severity);

#endif
