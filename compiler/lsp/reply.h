/* What answers are made of: ranges, texts and places as the protocol writes them. */
#ifndef COUPLET_LSP_REPLY_H
#define COUPLET_LSP_REPLY_H

#include "compiler/lsp/document.h"

/* A text as JSON. Bytes that are no UTF-8 come out as \xNN. */
json_t *reply_text(const char *text);
json_t *reply_range(const Lines *lines, int begin, int end);
/* The place of a span in a file of its own: of the document, of the disk, or of the library, which
 * is written into the cache to be shown. NULL where there is no such file. */
json_t *reply_location(const Document *document, const Analysis *analysis, Span span);
/* {range, newText} */
json_t *reply_edit(const Lines *lines, int begin, int end, const char *text);
/* A workspace edit of one document; takes the reference of `edits`. */
json_t *reply_change(const Document *document, json_t *edits);
/* The URI of a file in the cache that holds `text`, which is written if it is not there. NULL where
 * no cache can be written. In the arena. */
const char *reply_cached(Arena *arena, const char *name, const char *text, size_t length);

/* The messages of an analysis as the protocol's diagnostics. */
json_t *reply_diagnostics(const Document *document, Analysis *analysis);

#endif
