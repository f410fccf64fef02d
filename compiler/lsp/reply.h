/* The parts of answers: ranges, texts and places as the protocol writes them. */
#ifndef COUPLET_LSP_REPLY_H
#define COUPLET_LSP_REPLY_H

#include "compiler/lsp/document.h"

/* Returns a text as JSON. Bytes that are no UTF-8 come out as \xNN. */
json_t *reply_text(const char *text);
json_t *reply_range(const Lines *lines, int begin, int end);
/* Returns the place of a span in its file: the document, a file of the disk, or a file of the
 * library, which is written into the cache to be shown. Returns NULL if there is no such file. */
json_t *reply_location(const Document *document, const Analysis *analysis, Span span);
/* Returns an edit of the text between two bytes: {range, newText}. */
json_t *reply_edit(const Lines *lines, int begin, int end, const char *text);
/* Makes a workspace edit of one document. It takes the reference of `edits`. */
json_t *reply_change(const Document *document, json_t *edits);

/* Returns the messages of an analysis as the protocol's diagnostics. */
json_t *reply_diagnostics(const Document *document, Analysis *analysis);

#endif
