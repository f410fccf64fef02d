/* The answers to an editor's questions about a place of a document. Each function takes the
 * analysis of the text as it is, which is not NULL, and a byte of the text. A result of NULL is the
 * protocol's null: there is nothing to say. */
#ifndef COUPLET_LSP_ANSWERS_H
#define COUPLET_LSP_ANSWERS_H

#include "compiler/lsp/document.h"

json_t *answer_hover(const Document *document, Analysis *analysis, int at);
json_t *answer_definition(const Document *document, Analysis *analysis, int at);
/* Lists the places in the file where the name stands, as locations or as highlights. */
json_t *answer_references(const Document *document, Analysis *analysis, int at, bool declaration);
json_t *answer_highlights(Analysis *analysis, int at);
json_t *answer_completion(const Document *document, Analysis *analysis, int at);
json_t *answer_signature(const Document *document, Analysis *analysis, int at);
json_t *answer_outline(const Document *document, Analysis *analysis);
json_t *answer_layout(const Document *document, Analysis *analysis);
json_t *answer_actions(const Document *document, Analysis *analysis, int begin, int end);
/* Tokens of the whole file, in the five numbers a token that the protocol has. */
json_t *answer_tokens(Analysis *analysis);
/* The names of the classes of tokens and of their marks, for `initialize`. */
json_t *answer_token_legend(void);
/* The types of lets, shown behind their names, of those between two bytes. */
json_t *answer_hints(Analysis *analysis, int begin, int end);

/* The range of the name that would be changed; NULL, and a sentence, where none can be. */
json_t *answer_rename_range(Analysis *analysis, int at, const char **sentence);
json_t *answer_rename(const Document *document, Analysis *analysis, int at, const char *name,
                      const char **sentence);

/* Gives the head of a statement as editors show it, "fn nt_xent(z[N, D], tau = 0.1)", in the
 * arena. */
const char *answer_head(Arena *arena, const Stmt *s);
/* Gives the comment above a statement in Markdown; "" if the statement has none. */
const char *answer_comment(Arena *arena, const Stmt *s);
/* Gives the meaning of a word of the language or of a built-in function; NULL for other words. */
const char *answer_word_meaning(const char *word);
const char *answer_builtin_meaning(const char *name, const char **call);

#endif
