/* The language server: LSP 3.17 over standard input and output. */
#ifndef COUPLET_LSP_LSP_H
#define COUPLET_LSP_LSP_H

#include <stdio.h>

/* Answers the messages from the descriptor `in` until the editor says `exit` or closes `in`.
 * Returns the exit code that the protocol asks for: 0 if the editor said `shutdown` before. */
int lsp_serve(int in, FILE *out);

int lsp_command(int argc, char **argv);

#endif
