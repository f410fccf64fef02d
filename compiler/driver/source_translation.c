/* Translates between data as the language knows it (lang/data.h) and as the runtime does
 * (runtime/abi.h). The two sides have types of their own because neither folder includes the
 * other; this file is the one place that sees both.
 *
 * The catalogue of readers that the checker is given comes from the rows of
 * runtime/data/readers.def. */
#include "compiler/driver/source_translation.h"

#include <string.h>

/* ---- the catalogue --------------------------------------------------------------------------- */

enum {
    OF_PATH,
    OF_SPLIT,
};
#define PATH  OF_PATH
#define SPLIT OF_SPLIT

static const DataReader readers[] = {
#define READER(reader, module, first, summary) {#reader, (first) == OF_SPLIT},
#include "runtime/data/readers.def"
};
#undef PATH
#undef SPLIT

static const OptionRow settings[] = {
#define READER_SETTING(reader, name, kind, low, high, number, text, range)                         \
    {#reader, #name, WANTS_##kind, low, high, number, range},
#include "runtime/data/readers.def"
};

static const DataPreset presets[] = {
#define READER_PRESET(reader, train, test, ending) {#reader, train, test, ending},
#include "runtime/data/readers.def"
};

static const PresetField preset_fields[] = {
#define READER_FIELD(reader, name, type, rank, a, b, c, classes)                                   \
    {#reader, {#name, DATA_##type, rank, {a, b, c}, classes, NULL, false}},
#include "runtime/data/readers.def"
};

#define ROWS(list) (int)(sizeof(list) / sizeof *(list))
const DataCatalogue data_catalogue = {readers, ROWS(readers), settings,      ROWS(settings),
                                      presets, ROWS(presets), preset_fields, ROWS(preset_fields)};

/* ---- from the language to the runtime -------------------------------------------------------- */

static CoupletType runtime_type(DataType type) {
    switch (type) {
    case DATA_REAL:
        return COUPLET_F32;
    case DATA_INT:
        return COUPLET_I32;
    case DATA_U8:
        return COUPLET_U8;
    }
    return COUPLET_F32;
}

CoupletField field_of_data(const DataField *field) {
    CoupletField out = {.name = field->name,
                        .type = runtime_type(field->type),
                        .rank = field->rank,
                        .classes = field->classes,
                        .class_names = field->class_names};
    for (int i = 0; i < field->rank; i++)
        out.shape[i] = field->shape[i];
    return out;
}

static const CoupletField *fields_of(Arena *arena, const DataField *fields, int count) {
    CoupletField *out = arena_array(arena, CoupletField, count + 1);
    for (int i = 0; i < count; i++)
        out[i] = field_of_data(&fields[i]);
    return out;
}

static const CoupletSetting *translate_settings(Arena *arena, const DataSource *data) {
    CoupletSetting *out = arena_array(arena, CoupletSetting, data->setting_count + 1);
    for (int i = 0; i < data->setting_count; i++)
        out[i] = (CoupletSetting){.name = data->settings[i].name,
                                  .number = data->settings[i].number,
                                  .text = data->settings[i].text};
    return out;
}

static CoupletComparison comparison_of(DataComparison is) {
    switch (is) {
    case DATA_EQUAL:
        return COUPLET_EQUAL;
    case DATA_UNEQUAL:
        return COUPLET_UNEQUAL;
    case DATA_BELOW:
        return COUPLET_BELOW;
    case DATA_AT_MOST:
        return COUPLET_AT_MOST;
    case DATA_ABOVE:
        return COUPLET_ABOVE;
    case DATA_AT_LEAST:
        return COUPLET_AT_LEAST;
    }
    return COUPLET_EQUAL;
}

static CoupletSelection selection_of(Arena *arena, const DataSelection *from) {
    CoupletCondition *where = arena_array(arena, CoupletCondition, from->where_count + 1);
    for (int i = 0; i < from->where_count; i++)
        where[i] = (CoupletCondition){.field = from->where[i].field,
                                      .is = comparison_of(from->where[i].is),
                                      .value = from->where[i].value};
    return (CoupletSelection){.per_class = from->per_class,
                              .fraction = from->fraction,
                              .imbalance = from->imbalance,
                              .seed = from->seed,
                              .by = from->by,
                              .part_from = from->part_from,
                              .part_to = from->part_to,
                              .first_class = from->first_class,
                              .classes = from->classes,
                              .where = where,
                              .where_count = from->where_count};
}

CoupletSource source_of_data(Arena *arena, const DataSource *d) {
    return (CoupletSource){.name = d->name,
                           .reader = d->reader,
                           .path = d->path,
                           .settings = translate_settings(arena, d),
                           .setting_count = d->setting_count,
                           .claim = fields_of(arena, d->claim, d->claim_count),
                           .claim_count = d->claim_count,
                           .selection = selection_of(arena, &d->selection),
                           .rows = d->sized ? d->rows : 0,
                           .batch = d->batch,
                           .follows = d->follows,
                           .balanced = d->balanced,
                           .weights = -1,
                           .ways = d->ways,
                           .each = d->each};
}

/* ---- and back -------------------------------------------------------------------------------- */

static DataType type_from(CoupletType type) {
    switch (type) {
    case COUPLET_F32:
        return DATA_REAL;
    case COUPLET_I32:
        return DATA_INT;
    case COUPLET_U8:
        return DATA_U8;
    }
    return DATA_REAL;
}

static const char *const *copy_names(Arena *arena, const CoupletField *from) {
    if (!from->class_names) return NULL;
    const char **names = arena_array(arena, const char *, (int)from->classes);
    for (int64_t k = 0; k < from->classes; k++)
        names[k] = arena_strndup(arena, from->class_names[k], strlen(from->class_names[k]));
    return names;
}

void source_take_fields(Arena *arena, const CoupletField *fields, int count, DataSource *out) {
    out->fields = arena_array(arena, DataField, count + 1);
    out->field_count = count;
    for (int i = 0; i < count; i++) {
        const CoupletField *from = &fields[i];
        DataField *field = &out->fields[i];
        *field = (DataField){.name = arena_intern(arena, from->name, strlen(from->name)),
                             .type = type_from(from->type),
                             .rank = from->rank,
                             .classes = from->classes};
        for (int a = 0; a < from->rank; a++)
            field->shape[a] = from->shape[a];
        field->class_names = copy_names(arena, from);
    }
}
