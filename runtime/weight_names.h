/* The names of arrays in the files of torchvision and timm, for the networks of the library. */
#ifndef COUPLET_RUNTIME_WEIGHT_NAMES_H
#define COUPLET_RUNTIME_WEIGHT_NAMES_H

#include <stdbool.h>

typedef enum CoupletFamily {
    COUPLET_FAMILY_RESNET,
    COUPLET_FAMILY_TIMM_VIT,
    COUPLET_FAMILY_TORCH_VIT
} CoupletFamily;
enum {
    COUPLET_FAMILIES = COUPLET_FAMILY_TORCH_VIT + 1,
    COUPLET_THEIR_NAME_BYTES = 256,
};

/* A walk over the names of a part, in the order of the method's states, which numbers blocks as
 * they come. At the start it is zero except for its family. */
typedef struct CoupletNaming {
    CoupletFamily family;
    int stage;
    int block;
    char label[64]; /* the label of the block at hand, such as "block_down_1" */
} CoupletNaming;

typedef struct CoupletTheirName {
    char name[COUPLET_THEIR_NAME_BYTES];
    /* Our array is this piece of theirs along the first axis; 0 of 1: all of it. */
    int piece;
    int pieces;
} CoupletTheirName;

/* Finds their name of the array that is called `ours` below its part. Returns false if they have
 * none. */
bool couplet_their_name(CoupletNaming *naming, const char *ours, CoupletTheirName *out);
/* Returns a name for messages, such as "torchvision's ResNets". */
const char *couplet_family_text(CoupletFamily family);

#endif
