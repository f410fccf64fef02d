/* dump READER PATH [NAME=NUMBER | NAME:TEXT | {FIELD:TYPE:AXIS,AXIS} ..]: opens and loads a table,
 * and prints it as JSON: rows, fields, values, and what messages call the rows. What is refused is
 * printed as {"error": ..}. With --open, nothing is loaded. */
#include "runtime/data/reader.h"
#include "runtime/data/table.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 32 };

static CoupletSetting settings[MOST];
static CoupletField claims[MOST];
static char error[4096];

/* Reads a claim such as "{x:real:3,4}". */
static void read_claim(char *text, CoupletField *out) {
    char *end;
    out->name = strtok_r(text, "{}:", &end);
    const char *type = strtok_r(NULL, "{}:", &end);
    out->type = strcmp(type, "real") == 0  ? COUPLET_F32
                : strcmp(type, "int") == 0 ? COUPLET_I32
                                           : COUPLET_U8;
    for (const char *axis; (axis = strtok_r(NULL, "{}:,", &end));)
        out->shape[out->rank++] = atoll(axis);
}

static void read_argument(char *text, CoupletRequest *request) {
    char *mark = strpbrk(text, "=:");
    if (*text == '{') {
        read_claim(text, &claims[request->claim_count++]);
        return;
    }
    CoupletSetting *setting = &settings[request->setting_count++];
    const bool is_text = *mark == ':';
    *mark = 0;
    setting->name = text;
    if (is_text)
        setting->text = mark + 1;
    else
        setting->number = strtod(mark + 1, NULL);
}

static json_t *json_value(const CoupletField *field, const void *values, int64_t i) {
    if (field->type == COUPLET_U8) return json_integer(((const uint8_t *)values)[i]);
    if (field->type == COUPLET_I32) return json_integer(((const int32_t *)values)[i]);
    const double value = (double)((const float *)values)[i];
    char text[40];
    snprintf(text, sizeof text, "%g", value);
    json_t *number = json_real(value);
    return number ? number : json_string(text); /* JSON has no infinities */
}

static json_t *describe_field(const CoupletTable *table, int f) {
    const CoupletField *field = &table->fields[f];
    char text[128];
    json_t *out = json_pack("{s:s, s:s, s:I}", "name", field->name, "type",
                            couplet_field_text(field, text, sizeof text), "classes",
                            (json_int_t)field->classes);
    if (field->class_names) {
        json_t *names = json_array();
        for (int64_t i = 0; i < field->classes; i++)
            json_array_append_new(names, json_string(field->class_names[i]));
        json_object_set_new(out, "names", names);
    }
    if (table->columns) {
        json_t *values = json_array();
        for (int64_t i = 0; i < table->held * couplet_field_elements(field) && i < 100000; i++)
            json_array_append_new(values, json_value(field, table->columns[f], i));
        json_object_set_new(out, "values", values);
    }
    return out;
}

static json_t *describe_table(const CoupletTable *table) {
    json_t *fields = json_array();
    json_t *rows = json_array();
    for (int f = 0; f < table->field_count; f++)
        json_array_append_new(fields, describe_field(table, f));
    for (int64_t row = 0; table->reader->name_row && row < table->held && row < 1000; row++) {
        char text[256];
        table->reader->name_row(table, row, text, sizeof text);
        json_array_append_new(rows, json_string(text));
    }
    char hash[40], key[40];
    snprintf(hash, sizeof hash, "%llx", (unsigned long long)table->hash);
    snprintf(key, sizeof key, "%llx", (unsigned long long)table->key);
    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:b}", "rows", (json_int_t)table->held, "fields",
                     fields, "names", rows, "hash", hash, "key", key, "mapped", table->mapped);
}

int main(int argc, char **argv) {
    CoupletRequest request = {.settings = settings, .claim = claims};
    bool load = true;
    request.reader = argv[1];
    request.path = argv[2];
    for (int i = 3; i < argc && i < MOST; i++) {
        if (strcmp(argv[i], "--open") == 0)
            load = false;
        else
            read_argument(argv[i], &request);
    }
    CoupletTable table;
    const CoupletLoading loading = {.threads = 1};
    json_t *out = NULL;
    if (!couplet_table_open(&request, &table, error, sizeof error))
        out = json_pack("{s:s}", "error", error);
    else {
        if (load && !couplet_table_load(&table, &loading, error, sizeof error))
            out = json_pack("{s:s}", "error", error);
        else
            out = describe_table(&table);
        couplet_table_close(&table);
    }
    if (!out) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    json_dumpf(out, stdout, JSON_COMPACT);
    json_decref(out);
    return 0;
}
