/* Looks up names of arrays in the tables of weight_names.def. The names in a block depend on its
 * number within its stage, so a walk over a network counts the blocks as they come. */
#include "runtime/weight_names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Chains that only group other layers. Arrays in them have the same names as without the chain. */
static const char *const groups[] = {"large_stem_1.", "resnet50_stages_1."};

typedef struct BlockRow {
    const char *label;
    CoupletFamily family;
    int opens;
} BlockRow;

typedef struct NameRow {
    CoupletFamily family;
    const char *ours;
    const char *theirs;
    int piece;
    int pieces;
} NameRow;

static const BlockRow blocks[] = {
#define BLOCK(label, family, opens) {label, COUPLET_FAMILY_##family, opens},
#include "runtime/weight_names.def"
#undef BLOCK
};

static const NameRow names[] = {
#define NAME(family, ours, theirs) {COUPLET_FAMILY_##family, ours, theirs, 0, 1},
#define PIECE(family, ours, theirs, piece, pieces)                                                 \
    {COUPLET_FAMILY_##family, ours, theirs, piece, pieces},
#include "runtime/weight_names.def"
#undef NAME
#undef PIECE
};

static const struct {
    const char *ours;
    const char *theirs;
} lasts[] = {
#define LAST(ours, theirs) {#ours, theirs},
#include "runtime/weight_names.def"
#undef LAST
};

const char *couplet_family_text(CoupletFamily family) {
    switch (family) {
    case COUPLET_FAMILY_RESNET:
        return "torchvision's ResNets";
    case COUPLET_FAMILY_TIMM_VIT:
        return "timm's vision transformers";
    case COUPLET_FAMILY_TORCH_VIT:
        return "torchvision's vision transformers";
    }
    return "";
}

/* True if a part of a name has the label: "block_down" is the label of "block_down_1". */
static bool has_label(const char *part, size_t length, const char *label) {
    while (length > 0 && isdigit((unsigned char)part[length - 1]))
        length--;
    return length == strlen(label) + 1 && part[length - 1] == '_' &&
           strncmp(part, label, length - 1) == 0;
}

static const BlockRow *block_of(CoupletFamily family, const char *part, size_t length) {
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i].family == family && has_label(part, length, blocks[i].label))
            return &blocks[i];
    return NULL;
}

/* Counts a block when its label is a new one: its number within the stage, and the stage if the
 * block opens one. */
static void count_block(CoupletNaming *n, const BlockRow *row, const char *part, size_t length) {
    if (strlen(n->label) == length && strncmp(n->label, part, length) == 0) return;
    const bool is_first = n->stage == 0;
    if (is_first) n->stage = 1;
    const bool opens = row->opens == 1 || (row->opens == 2 && !is_first);
    n->stage += opens;
    n->block = opens || is_first ? 0 : n->block + 1;
    snprintf(n->label, sizeof n->label, "%.*s", (int)length, part);
}

/* Returns the row's name below the block, or NULL if the row is not of this block. */
static const char *below_block(const NameRow *row, const BlockRow *block) {
    const char *bar = strchr(row->ours, '|');
    if (!block) return bar ? NULL : row->ours;
    if (!bar) return NULL;
    const size_t length = (size_t)(bar - row->ours);
    const bool is_any = length == 1 && *row->ours == '*';
    const bool is_it = strlen(block->label) == length && !strncmp(row->ours, block->label, length);
    return is_any || is_it ? bar + 1 : NULL;
}

/* Returns the end of their name that stands for the rest of `ours` behind the row's name: "" if the
 * row has the whole name. NULL: the row has another name. */
static const char *rest_of(const char *row, const char *ours) {
    const size_t length = strlen(row);
    if (row[length - 1] != '.') return strcmp(row, ours) == 0 ? "" : NULL;
    if (strncmp(row, ours, length) != 0) return NULL;
    for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++)
        if (strcmp(lasts[i].ours, ours + length) == 0) return lasts[i].theirs;
    return NULL;
}

static void write_block(const CoupletNaming *n, char *out, size_t bytes) {
    switch (n->family) {
    case COUPLET_FAMILY_RESNET:
        snprintf(out, bytes, "layer%d.%d.", n->stage, n->block);
        break;
    case COUPLET_FAMILY_TIMM_VIT:
        snprintf(out, bytes, "blocks.%d.", n->block);
        break;
    case COUPLET_FAMILY_TORCH_VIT:
        snprintf(out, bytes, "encoder.layers.encoder_layer_%d.", n->block);
        break;
    }
}

bool couplet_their_name(CoupletNaming *naming, const char *ours, CoupletTheirName *out) {
    char block[64] = "";
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strncmp(ours, groups[i], strlen(groups[i])) == 0) ours += strlen(groups[i]);
    const size_t length = strcspn(ours, ".");
    const BlockRow *row = block_of(naming->family, ours, length);
    if (row) {
        count_block(naming, row, ours, length);
        write_block(naming, block, sizeof block);
        ours += length + (ours[length] == '.');
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].family != naming->family) continue;
        const char *known = below_block(&names[i], row);
        const char *rest = known ? rest_of(known, ours) : NULL;
        if (!rest) continue;
        snprintf(out->name, sizeof out->name, "%s%s%s", block, names[i].theirs, rest);
        out->piece = names[i].piece;
        out->pieces = names[i].pieces;
        return true;
    }
    return false;
}
