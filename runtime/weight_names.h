/* The names of arrays in the files of torchvision and timm, for the networks of the library. */
#ifndef COUPLET_RUNTIME_WEIGHT_NAMES_H
#define COUPLET_RUNTIME_WEIGHT_NAMES_H

#include <stdbool.h>

typedef enum CoupletFamily {
    COUPLET_FAMILY_RESNET,
    COUPLET_FAMILY_TIMM_VIT,
    COUPLET_FAMILY_TORCH_VIT
} CoupletFamily;
enum { COUPLET_FAMILIES = COUPLET_FAMILY_TORCH_VIT + 1, COUPLET_THEIR_NAME_BYTES = 256 };

/* Walks over the names of a part in the order of the method's states: blocks are numbered as they
 * come. Zero it, and set the family, to begin. */
typedef struct CoupletNaming {
    CoupletFamily family;
    int stage, block;
    char label[64]; /* of the block at hand, "block_down_1" */
} CoupletNaming;

typedef struct CoupletTheirName {
    char name[COUPLET_THEIR_NAME_BYTES];
    int piece, pieces; /* our array is this piece of theirs along its first axis; 0 of 1: all */
} CoupletTheirName;

/* Their name of the array that has the name `ours` below its part. False: they have none. */
bool couplet_their_name(CoupletNaming *naming, const char *ours, CoupletTheirName *out);
/* "torchvision's ResNets". */
const char *couplet_family_text(CoupletFamily family);

#endif
