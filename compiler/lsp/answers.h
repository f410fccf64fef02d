/* The answers to an editor's questions about a place of a document. Each function takes the
 * analysis of the present text, which is not NULL, and a byte of the text. A result of NULL is the
 * protocol's null: there is nothing to say. */
#ifndef COUPLET_LSP_ANSWERS_H
#define COUPLET_LSP_ANSWERS_H

#include "compiler/lsp/document.h"

json_t *answer_hover(const Document *document, Analysis *analysis, int at);
json_t *answer_definition(const Document *document, Analysis *analysis, int at);
/* List the places in the file where the name stands, as locations or as highlights. */
json_t *answer_references(const Document *document, Analysis *analysis, int at, bool declaration);
json_t *answer_highlights(Analysis *analysis, int at);
json_t *answer_completion(const Document *document, Analysis *analysis, int at);
json_t *answer_signature(const Document *document, Analysis *analysis, int at);
json_t *answer_outline(const Document *document, Analysis *analysis);
json_t *answer_layout(const Document *document, Analysis *analysis);
json_t *answer_actions(const Document *document, Analysis *analysis, int begin, int end);
/* Lists the tokens of the whole file, each as the five numbers that the protocol has for it. */
json_t *answer_tokens(Analysis *analysis);
/* Returns the names of the classes of tokens and of their marks, for `initialize`. */
json_t *answer_token_legend(void);
/* Lists the types of the lets between two bytes, which editors show behind their names. */
json_t *answer_hints(Analysis *analysis, int begin, int end);

/* Returns the range of the name that would be changed, or NULL with a sentence if none can be. */
json_t *answer_rename_range(Analysis *analysis, int at, const char **sentence);
/* Returns the edits that change the name everywhere, or NULL with a sentence. */
json_t *answer_rename(const Document *document, Analysis *analysis, int at, const char *name,
                      const char **sentence);

/* Returns the head of a statement as editors show it, "fn nt_xent(z[N, D], tau = 0.1)", in the
 * arena. */
const char *answer_head(Arena *arena, const Stmt *s);
/* Returns the comment above a statement in Markdown, or "" if the statement has none. */
const char *answer_comment(Arena *arena, const Stmt *s);
/* Return the meaning of a word of the language or of a built-in function, or NULL for other words.
 * *call is set to a call of the built-in function, such as "exp(x)". */
const char *answer_word_meaning(const char *word);
const char *answer_builtin_meaning(const char *name, const char **call);

#endif
