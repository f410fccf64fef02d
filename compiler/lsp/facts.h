/* What only the compiled method can tell: which arrays are streamed, which formulas were made
 * stable, what a step needs, and mistakes that show with concrete sizes. The compiler works in a
 * child process, so that typing goes on, and neither its time, its memory nor a fault in it touches
 * the server. */
#ifndef COUPLET_LSP_FACTS_H
#define COUPLET_LSP_FACTS_H

#include "compiler/lsp/document.h"

#include <sys/types.h>

/* A child at work for a document. Zero it to begin. */
typedef struct Study {
    pid_t child; /* the process that finds facts; 0: none */
    int answer;  /* the descriptor on which its answer comes */
    Document *document;
    Text text;
} Study;

/* Begins to study a document whose analysis has no errors. */
void facts_study(Study *study, Document *document);
/* Reads what the child says; true when it is done, and the document has what was found. */
bool facts_read(Study *study);
/* Ends the child, if there is one. */
void facts_cancel(Study *study);

#endif
