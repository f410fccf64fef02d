#include "runtime/data/table.h"

#include "runtime/data/pack.h"
#include "runtime/data/reader.h"
#include "runtime/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 128 };

/* ---- what the spec claims ------------------------------------------------------------------------------------------- */

/* "image : u8[1, 28, 28], label : int" */
static void list_fields(const CoupletTable *table, char *out, size_t bytes) {
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < table->field_count && at < bytes; i++) {
        char text[TEXT_BYTES];
        const char *type = couplet_field_text(&table->fields[i], text, sizeof text);
        at += (size_t)snprintf(out + at, bytes - at, "%s%s : %s", i ? ", " : "", table->fields[i].name, type);
    }
}

static bool same_shape(const CoupletField *a, const CoupletField *b) {
    if (a->type != b->type || a->rank != b->rank) return false;
    return memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

bool couplet_table_claims(const CoupletTable *table, const CoupletField *claim, int count, char *error, size_t error_bytes) {
    char wanted[TEXT_BYTES], there[TEXT_BYTES], all[512];
    for (int i = 0; i < count; i++) {
        const CoupletField *c = &claim[i], *found = couplet_table_field(table, c->name, NULL);
        couplet_field_text(c, wanted, sizeof wanted);
        if (!found) {
            list_fields(table, all, sizeof all);
            snprintf(error, error_bytes, "%s has no field `%s`, and `%s : %s` is expected; it has %s", table->name, c->name, c->name, wanted, all);
            return false;
        }
        if (!same_shape(c, found)) {
            snprintf(error, error_bytes, "%s: its field `%s` is %s, and %s is expected", table->name, c->name, couplet_field_text(found, there, sizeof there), wanted);
            return false;
        }
        if (c->classes && found->classes != c->classes) {
            snprintf(error, error_bytes, "%s: its field `%s` has %lld classes, and %lld are expected", table->name, c->name, (long long)found->classes,
                     (long long)c->classes);
            return false;
        }
    }
    return true;
}

/* ---- opening -------------------------------------------------------------------------------------------------------- */

static uint64_t add_text(uint64_t hash, const char *text) { return couplet_hash(hash, text ? text : "", text ? strlen(text) : 0); }

static uint64_t asked_of(const CoupletRequest *request, const char *path) {
    uint64_t hash = add_text(COUPLET_HASH_START, request->reader);
    hash = add_text(hash, path);
    hash = add_text(hash, request->split);
    for (int i = 0; i < request->setting_count; i++) {
        hash = add_text(hash, request->settings[i].name);
        hash = add_text(hash, request->settings[i].text);
        hash = couplet_hash(hash, &request->settings[i].number, sizeof request->settings[i].number);
    }
    return hash;
}

static void free_fields(CoupletTable *table) {
    for (int i = 0; i < table->field_count; i++) {
        free((void *)(uintptr_t)table->fields[i].name);
        free((void *)(uintptr_t)table->fields[i].class_names);
    }
    free(table->fields);
}

static bool holds_rows(const CoupletTable *table, char *error, size_t error_bytes) {
    if (table->held >= 1 && table->held <= INT32_MAX) return true;
    if (table->held < 1) snprintf(error, error_bytes, "%s holds no sample", table->name);
    else snprintf(error, error_bytes, "%s holds %lld samples, and at most %d are read", table->name, (long long)table->held, INT32_MAX);
    return false;
}

bool couplet_table_open(const CoupletRequest *request, CoupletTable *out, char *error, size_t error_bytes) {
    const CoupletReader *reader = couplet_reader_find(request->reader, error, error_bytes);
    memset(out, 0, sizeof *out);
    if (!reader) return false;
    if (!reader->open(request, out, error, error_bytes)) {
        free_fields(out); /* those that were added before it failed */
        memset(out, 0, sizeof *out);
        return false;
    }
    if (!out->reader) out->reader = reader; /* it may have named another, for the same kind of source */
    out->count = out->held;
    out->asked = asked_of(request, out->path);
    if (holds_rows(out, error, error_bytes) && couplet_table_claims(out, request->claim, request->claim_count, error, error_bytes)) return true;
    couplet_table_close(out);
    return false;
}

void couplet_table_close(CoupletTable *table) {
    if (table->release) table->release(table->storage);
    if (table->reader && table->reader->close) table->reader->close(table);
    free((void *)(uintptr_t)table->columns);
    free(table->origin);
    free_fields(table);
    memset(table, 0, sizeof *table);
}

/* ---- loading -------------------------------------------------------------------------------------------------------- */

bool couplet_table_load(CoupletTable *table, const CoupletLoading *loading, char *error, size_t error_bytes) {
    if (!table->reader->load) return couplet_pack_load(table, loading, error, error_bytes);
    table->columns = calloc((size_t)table->field_count + 1, sizeof *table->columns);
    if (!table->columns) {
        snprintf(error, error_bytes, "%s: out of memory", table->name);
        return false;
    }
    if (table->reader->load(table, error, error_bytes)) return true;
    free((void *)(uintptr_t)table->columns);
    table->columns = NULL;
    return false;
}
