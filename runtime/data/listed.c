/* Shared by the readers of folders. Pictures, sounds, clips and meshes differ in how a file is
 * decoded, and in nothing else. A row is known by its path below the folder, so `part` and messages
 * do not change when the folder is moved. */
#include "runtime/data/listed.h"

#include "runtime/hash.h"

#include <stdio.h>
#include <string.h>

bool couplet_listed_open(CoupletListed *listed, const CoupletRequest *request,
                         const CoupletListingKind *kind, CoupletTable *table, char *error,
                         size_t error_bytes) {
    snprintf(table->name, sizeof table->name, "%s", request->path);
    if (!couplet_listing_read(&listed->listing, request->path, kind, error, error_bytes))
        return false;
    listed->listing.unlabelled = request->unlabelled;
    table->held = listed->listing.count;
    table->changed = listed->listing.changed;
    table->key = couplet_listing_key(&listed->listing, COUPLET_HASH_START);
    return couplet_path_absolute(request->path, table->path, error, error_bytes);
}

bool couplet_listed_labels(CoupletListed *listed, const CoupletListingKind *kind,
                           CoupletTable *table, char *error, size_t error_bytes) {
    const CoupletListedClasses *classes = &listed->classes;
    listed->first_label = table->field_count;
    if (!couplet_listing_classes(&listed->listing, kind, NULL, &listed->classes, error,
                                 error_bytes) ||
        !couplet_listing_fields(classes, table, error, error_bytes))
        return false;
    for (int level = 0; level < classes->levels; level++)
        table->key = couplet_hash(table->key, classes->label[level],
                                  (size_t)listed->listing.count * sizeof **classes->label);
    return true;
}

void couplet_listed_fill(const CoupletListed *listed, int64_t row, void *const *fields) {
    for (int level = 0; level < listed->classes.levels; level++)
        *(int32_t *)fields[listed->first_label + level] = listed->classes.label[level][row];
}

const char *couplet_listed_name(const CoupletListed *listed, int64_t row) {
    const char *path = listed->listing.files[row].path;
    const char *slash = strrchr(path, '/');
    return *listed->listing.root || !slash ? path : slash + 1;
}

void couplet_listed_free(CoupletListed *listed) {
    couplet_listing_classes_free(&listed->classes);
    couplet_listing_free(&listed->listing);
}

bool couplet_listed_column(const CoupletTable *table, int field, int32_t *out, char *error,
                           size_t error_bytes) {
    const CoupletListed *listed = table->state;
    const int level = field - listed->first_label;
    if (error_bytes) error[0] = 0;
    if (level < 0 || level >= listed->classes.levels) return false;
    memcpy(out, listed->classes.label[level], (size_t)table->held * sizeof *out);
    return true;
}

void couplet_listed_name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes) {
    const CoupletListed *listed = table->state;
    char path[COUPLET_PATH_BYTES];
    couplet_listing_path(&listed->listing, row, path);
    snprintf(out, bytes, "%s", path);
}
