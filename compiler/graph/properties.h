/* Properties of graphs that passes need, and that they give, as sets of bits. */
#ifndef COUPLET_COMPILER_GRAPH_PROPERTIES_H
#define COUPLET_COMPILER_GRAPH_PROPERTIES_H

#include "compiler/graph/graph.h"

enum {
#define PROPERTY(name, sentence) PROPERTY_NUMBER_##name,
#include "compiler/graph/properties.def"
#undef PROPERTY
    GRAPH_PROPERTIES
};
enum {
#define PROPERTY(name, sentence) HAS_##name = 1 << PROPERTY_NUMBER_##name,
#include "compiler/graph/properties.def"
#undef PROPERTY
    HAS_nothing = 0
};

typedef struct PropertyRow {
    const char *name;
    const char *sentence;
} PropertyRow;
extern const PropertyRow graph_properties[GRAPH_PROPERTIES];

/* Returns NULL if the graph has all properties of the set. Else returns a sentence about the first
 * that it lacks, with a node that breaks it. */
const char *graph_lacks(Graph *g, unsigned properties);

#endif
