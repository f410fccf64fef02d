/* Facts that only the compiled method can tell: the arrays that are streamed, the formulas that
 * were made stable, the needs of a step, and mistakes that show with concrete sizes. The compiler
 * works in a child process. So typing goes on, and the time, the memory and the faults of the
 * compiler do not touch the server. */
#ifndef COUPLET_LSP_FACTS_H
#define COUPLET_LSP_FACTS_H

#include "compiler/lsp/document.h"

#include <sys/types.h>

/* A child at work for a document. A zeroed struct has no child. */
typedef struct Study {
    pid_t child; /* the process that finds facts; 0: none */
    int answer;  /* the descriptor on which its answer comes */
    Document *document;
    Text text;
} Study;

/* Begins to study a document whose analysis has no errors. */
void facts_study(Study *study, Document *document);
/* Reads the output of the child. Returns true if the child is done and the document has its
 * facts. */
bool facts_read(Study *study);
/* Ends the child, if there is one. */
void facts_cancel(Study *study);

#endif
