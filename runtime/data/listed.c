#include "runtime/data/listed.h"

#include "runtime/hash.h"

#include <stdio.h>
#include <string.h>

bool couplet_listed_open(CoupletListed *listed, const CoupletRequest *request,
                         const CoupletListingKind *kind, int32_t version, CoupletTable *table,
                         char *error, size_t error_bytes) {
    if (!request->path || !*request->path) {
        snprintf(error, error_bytes, "data.%s needs the path of a folder or a file", request->reader);
        return false;
    }
    /* The last part of a path that is too long for a message. */
    const size_t length = strlen(request->path), most = sizeof table->name - 1;
    const size_t from = length > most ? length - most : 0;
    memcpy(table->name, request->path + from, length - from + 1);
    if (!couplet_listing_read(&listed->listing, request->path, kind, error, error_bytes))
        return false;
    table->held = listed->listing.count;
    table->key = couplet_listing_key(&listed->listing, COUPLET_HASH_START);
    table->key = couplet_hash(table->key, &version, sizeof version);
    return couplet_path_absolute(request->path, table->path, error, error_bytes);
}

/* Names of classes may come from a file that is no row, so they belong to the key. */
static void add_names_to_key(const CoupletListedClasses *classes, CoupletTable *table) {
    for (int level = 0; level < classes->levels; level++)
        for (int64_t c = 0; c < classes->classes[level]; c++)
            table->key = couplet_hash(table->key, classes->name[level][c],
                                      strlen(classes->name[level][c]) + 1);
}

bool couplet_listed_labels(CoupletListed *listed, const CoupletRequest *request,
                           const CoupletListingKind *kind, CoupletTable *table, char *error,
                           size_t error_bytes) {
    const char *names = couplet_request_text(request, "names");
    listed->first_label = table->field_count;
    if (!couplet_listing_classes(&listed->listing, kind, *names ? names : NULL, &listed->classes,
                                 error, error_bytes))
        return false;
    add_names_to_key(&listed->classes, table);
    return couplet_listing_fields(&listed->classes, table, error, error_bytes);
}

void couplet_listed_fill(const CoupletListed *listed, int64_t row, void *const *fields) {
    for (int level = 0; level < listed->classes.levels; level++)
        *(int32_t *)fields[listed->first_label + level] = listed->classes.label[level][row];
}

const char *couplet_listed_name(const CoupletListed *listed, int64_t row) {
    const char *path = listed->listing.files[row].path, *slash = strrchr(path, '/');
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
