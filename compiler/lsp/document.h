/* An open file: the text as the editor has it, and what the checker found in this text. */
#ifndef COUPLET_LSP_DOCUMENT_H
#define COUPLET_LSP_DOCUMENT_H

#include "compiler/lsp/message.h"
#include "compiler/lsp/names.h"
#include "compiler/lsp/position.h"

/* The findings of the checker about a text. All of them lie in `arena`. */
typedef struct Analysis {
    Arena *arena;
    const Source *file; /* the text, with the path that the document has */
    const Source *const *sources;
    int source_count; /* the number of files of the document's module, among them `file` */
    Lines lines;
    Diag *diag;
    Method *method; /* never NULL, even after errors */
    NameList names;
    bool is_partial; /* true if the last statement could not be read and is not in the method */
    Map reached;     /* the symbols that a gradient reaches, once they were asked for */
    bool has_reached;
} Analysis;

/* A sentence about a place of some file, which only the compiled method can tell. */
typedef struct Fact {
    char *path;
    char *text;
    int begin;
    int end;
} Fact;
typedef struct FactList {
    Fact *items;
    int count;
} FactList;

typedef struct Document {
    char *uri;
    char *path;
    int64_t version;
    Text text;
    Analysis *now; /* the analysis of the text as it is; NULL: the text has changed since */
    /* The analysis of the last text whose statements all fitted the grammar. It may be `now`. */
    Analysis *whole;
    int64_t changed;   /* the time of the last change, in milliseconds of a monotonic clock */
    bool is_published; /* true if the editor has the messages of `now` */
    bool is_studied;   /* true if the compiler has looked at `now` */
    FactList facts;    /* the facts of the last text without errors */
    json_t *found;     /* messages that only the compiler finds, in the editor's form; NULL: none */
} Document;

Document *document_new(const char *uri, const char *text, size_t length, int64_t version);
void document_free(Document *document);
/* Returns the time, in milliseconds of a monotonic clock. */
int64_t document_clock(void);
/* Puts another text in place of the document's. */
void document_replace(Document *document, const char *text, size_t length);
/* Puts `text` in place of what lies between two bytes. */
void document_edit(Document *document, int begin, int end, const char *text, size_t length);
/* Forgets the analysis, because a file beside the document may have changed. */
void document_forget(Document *document);
/* Returns the analysis of the present text, and makes it if there is none. Returns NULL if memory
 * is out. */
Analysis *document_analysis(Document *document);
/* Makes the analysis of another text in place of the document's. Returns NULL if memory is out. The
 * caller frees the result. */
Analysis *document_analyse(const Document *document, const char *text, size_t length);
void analysis_free(Analysis *analysis);
void document_free_facts(FactList *facts);

/* Returns the URI of a path, in the arena. A path that exists is made absolute. */
const char *document_uri_of_path(Arena *arena, const char *path);

#endif
