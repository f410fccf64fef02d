/* Functions by which a reader looks at its request and describes what it found. Each module carries
 * a copy of this file. */
#include "runtime/data/reader.h"
#include "runtime/hash.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Standard {
    const char *reader;
    const char *name;
    double number;
    const char *text;
} Standard;

static const Standard standards[] = {
#define READER_SETTING(reader, name, kind, low, high, number, text, range)                         \
    {#reader, #name, number, text},
#include "runtime/data/readers.def"
};

static const Standard *find_standard(const char *reader, const char *name) {
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++)
        if (strcmp(standards[i].name, name) == 0 && strcmp(standards[i].reader, reader) == 0)
            return &standards[i];
    return NULL;
}

static const Standard *standard_of(const CoupletRequest *request, const char *name) {
    return find_standard(request->reader, name);
}

bool couplet_reader_has_setting(const char *reader, const char *name) {
    return find_standard(reader, name) != NULL;
}

static const CoupletSetting *given(const CoupletRequest *request, const char *name) {
    for (int i = 0; i < request->setting_count; i++)
        if (strcmp(request->settings[i].name, name) == 0) return &request->settings[i];
    return NULL;
}

bool couplet_request_gives(const CoupletRequest *request, const char *name) {
    return given(request, name) != NULL;
}

double couplet_request_number(const CoupletRequest *request, const char *name) {
    const CoupletSetting *setting = given(request, name);
    if (setting) return setting->number;
    const Standard *standard = standard_of(request, name);
    return standard ? standard->number : 0;
}

const char *couplet_request_text(const CoupletRequest *request, const char *name) {
    const CoupletSetting *setting = given(request, name);
    if (setting && setting->text) return setting->text;
    const Standard *standard = standard_of(request, name);
    return standard ? standard->text : "";
}

const CoupletField *couplet_request_claim(const CoupletRequest *request, const char *name) {
    for (int i = 0; i < request->claim_count; i++)
        if (strcmp(request->claim[i].name, name) == 0) return &request->claim[i];
    return NULL;
}

CoupletField *couplet_table_add(CoupletTable *table, const char *name, CoupletType type, int rank,
                                const int64_t *shape) {
    CoupletField *fields =
        realloc(table->fields, ((size_t)table->field_count + 1) * sizeof *fields);
    if (!fields) return NULL;
    table->fields = fields;
    char *copy = strdup(name);
    if (!copy) return NULL;
    CoupletField *field = &fields[table->field_count++];
    *field = (CoupletField){.name = copy, .type = type, .rank = rank};
    for (int i = 0; i < rank; i++)
        field->shape[i] = shape[i];
    return field;
}

void couplet_field_name(const char *name, char *out, size_t bytes) {
    const bool taken = strcmp(name, "index") == 0 || strcmp(name, "all") == 0;
    const bool begins_well = isalpha((unsigned char)*name) || *name == '_';
    snprintf(out, bytes, "%s%s%s", begins_well ? "" : "_", name, taken ? "_" : "");
    for (char *at = out; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_') *at = '_';
}

bool couplet_field_classes(CoupletField *field, const char *const *names, int64_t count) {
    size_t bytes = (size_t)count * sizeof(char *);
    for (int64_t i = 0; i < count; i++)
        bytes += strlen(names[i]) + 1;
    char **list = malloc(bytes + 1); /* the names follow the list, in the same piece of memory */
    if (!list) return false;
    char *at = (char *)(list + count);
    for (int64_t i = 0; i < count; i++) {
        list[i] = at;
        at = stpcpy(at, names[i]) + 1;
    }
    free((void *)(uintptr_t)field->class_names);
    field->class_names = (const char *const *)list;
    field->classes = count;
    return true;
}

const CoupletField *couplet_table_field(const CoupletTable *table, const char *name, int *number) {
    for (int i = 0; i < table->field_count; i++) {
        if (strcmp(table->fields[i].name, name) != 0) continue;
        if (number) *number = i;
        return &table->fields[i];
    }
    return NULL;
}

bool couplet_field_ends_in_channels(const CoupletField *field) {
    enum { LEAST_SIDE = 8 };
    if (field->type == COUPLET_I32 || field->rank < 3) return false;
    const int64_t *end = field->shape + field->rank;
    const int64_t channels = end[-1];
    return (channels == 1 || channels == 3 || channels == 4) && end[-2] >= LEAST_SIDE &&
           end[-3] >= LEAST_SIDE;
}

uint64_t couplet_field_hash(uint64_t hash, const CoupletField *field) {
    for (int64_t c = 0; field->class_names && c < field->classes; c++)
        hash = couplet_hash(hash, field->class_names[c], strlen(field->class_names[c]));
    return hash;
}

bool couplet_field_same_classes(const CoupletField *a, const CoupletField *b, int64_t *code) {
    const int64_t shared = a->classes < b->classes ? a->classes : b->classes;
    *code = 0;
    if (!a->class_names || !b->class_names) return true;
    while (*code < shared && strcmp(a->class_names[*code], b->class_names[*code]) == 0)
        ++*code;
    return *code == a->classes && *code == b->classes;
}

int64_t couplet_field_elements(const CoupletField *field) {
    int64_t count = 1;
    for (int i = 0; i < field->rank; i++)
        count *= field->shape[i];
    return count;
}

int64_t couplet_field_bytes(const CoupletField *field) {
    return couplet_field_elements(field) * (field->type == COUPLET_U8 ? 1 : 4);
}

const char *couplet_field_text(const CoupletField *field, char *out, size_t bytes) {
    const char *type = field->type == COUPLET_U8    ? "u8"
                       : field->type == COUPLET_I32 ? "int"
                                                    : "real";
    size_t at = (size_t)snprintf(out, bytes, "%s", type);
    for (int i = 0; i < field->rank && at < bytes; i++)
        at += (size_t)snprintf(out + at, bytes - at, "%s%lld", i ? ", " : "[",
                               (long long)field->shape[i]);
    if (field->rank && at < bytes) snprintf(out + at, bytes - at, "]");
    return out;
}
