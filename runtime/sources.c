#include "runtime/sources.h"

#include "runtime/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool open_source(const CoupletSource *source, const char *folder, CoupletDataset *out, char *error, size_t error_bytes) {
    if (!couplet_dataset_open(source->reader, source->path, folder, out, error, error_bytes)) return false;
    if (!couplet_selection_apply(&source->selection, out, error, error_bytes)) return false;
    if (source->rows == 0 || out->count == source->rows) return true;
    snprintf(error, error_bytes, "%s has %lld images for `%s`, and the program was compiled for %lld", out->name, (long long)out->count, source->name,
             (long long)source->rows);
    return false;
}

bool couplet_sources_open(const CoupletProgram *program, const char *folder, CoupletSources *out, char *error, size_t error_bytes) {
    *out = (CoupletSources){.program = program};
    out->data = calloc((size_t)program->source_count + 1, sizeof *out->data);
    out->loaders = calloc((size_t)program->source_count + 1, sizeof *out->loaders);
    out->tables = calloc((size_t)program->source_count + 1, sizeof *out->tables);
    if (!out->data || !out->loaders || !out->tables) {
        snprintf(error, error_bytes, "out of memory");
        return false;
    }
    int64_t most = 0;
    for (int i = 0; i < program->source_count; i++) {
        if (!open_source(&program->sources[i], folder, &out->data[i], error, error_bytes)) return false;
        if (out->data[i].count > most) most = out->data[i].count;
    }
    out->numbers = malloc(((size_t)most + 1) * sizeof *out->numbers);
    for (int64_t i = 0; out->numbers && i < most; i++) out->numbers[i] = (int32_t)i;
    if (!out->numbers) snprintf(error, error_bytes, "out of memory");
    return out->numbers != NULL;
}

int64_t couplet_sources_batches(const CoupletSources *s) {
    int at = s->program->train_source;
    return couplet_loader_batches(&s->data[at], s->program->sources[at].batch);
}

bool couplet_sources_begin(CoupletSources *s, uint64_t seed, int64_t first, char *error, size_t error_bytes) {
    uint32_t stream = 1;
    for (int i = 0; i < s->program->source_count; i++) {
        const CoupletSource *source = &s->program->sources[i];
        if (!source->drawn) continue;
        const CoupletFeed feed = {source->batch, i == s->program->train_source ? 0 : stream++, source->balanced, s->tables[i].images != NULL};
        s->loaders[i] = couplet_loader_new(&s->data[i], &feed, seed, first, error, error_bytes);
        if (!s->loaders[i]) return false;
    }
    return true;
}

/* The field of an input named PREFIX.FIELD, where the prefix is "train" or "train.all"; NULL when it is named otherwise. */
static const char *field_of(const char *name, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

/* ---- tables on a device ------------------------------------------------------------------------------------------- */

static bool upload(CoupletSources *s, void **table, const void *from, int64_t bytes) {
    CoupletDevice *d = s->device;
    if (*table) return true;
    *table = d->calls->allocate(d, bytes);
    if (*table) return d->calls->write(d, *table, 0, from, bytes) && d->calls->wait(d);
    if (d->fault.kind != COUPLET_FAULT_MEMORY) return false;
    couplet_device_clear(d);
    return true;
}

static bool attach_rows(CoupletSources *s, int source, const char *field, int input, CoupletRun *run) {
    const CoupletDataset *data = &s->data[source];
    void **images = &s->tables[source].images;
    if (strcmp(field, "image") != 0) return true;
    return upload(s, images, data->images, data->count * data->image_bytes) && (!*images || couplet_run_feed_rows(run, input, *images));
}

static bool attach_whole(CoupletSources *s, int source, const char *field, int input, CoupletRun *run) {
    const CoupletDataset *data = &s->data[source];
    CoupletTables *t = &s->tables[source];
    bool image = strcmp(field, "image") == 0, label = strcmp(field, "label") == 0;
    void **table = image ? &t->images : label ? &t->labels : &t->numbers;
    const void *from = image ? (const void *)data->images : label ? data->labels : s->numbers;
    if (!upload(s, table, from, data->count * (image ? data->image_bytes : (int64_t)sizeof(int32_t)))) return false;
    if (*table) couplet_run_feed_resident(run, input, *table);
    return true;
}

bool couplet_sources_attach(CoupletSources *s, CoupletDevice *device, const CoupletPlan *plan, CoupletRun *run) {
    if (device->is_host) return true;
    s->device = device;
    for (int i = 0; i < plan->input_count; i++) {
        for (int k = 0; k < s->program->source_count; k++) {
            const char *field = field_of(plan->inputs[i].name, s->program->sources[k].name), *whole = field ? field_of(field, "all") : NULL;
            if (whole ? !attach_whole(s, k, whole, i, run) : field && !attach_rows(s, k, field, i, run)) return false;
        }
    }
    return true;
}

static void release_tables(CoupletSources *s) {
    for (int i = 0; s->device && s->tables && i < s->program->source_count; i++) {
        void *tables[] = {s->tables[i].images, s->tables[i].labels, s->tables[i].numbers};
        for (size_t k = 0; k < sizeof tables / sizeof *tables; k++)
            if (tables[k]) s->device->calls->release(s->device, tables[k]);
    }
}

/* ---- inputs --------------------------------------------------------------------------------------------------------- */

static void bind(const CoupletBatch *batch, const char *prefix, const CoupletPlan *plan, void **inputs) {
    for (int i = 0; i < plan->input_count; i++) {
        const char *field = field_of(plan->inputs[i].name, prefix);
        if (!field) continue;
        if (strcmp(field, "image") == 0) inputs[i] = (void *)(uintptr_t)batch->images;
        if (strcmp(field, "label") == 0) inputs[i] = (void *)(uintptr_t)batch->labels;
        if (strcmp(field, "index") == 0) inputs[i] = (void *)(uintptr_t)batch->indices;
    }
}

/* Where the images lie on the device, a step is given their numbers. */
static void bind_rows(const CoupletSources *s, int source, CoupletBatch batch, const CoupletPlan *plan, void **inputs) {
    if (s->tables[source].images) batch.images = (const void *)batch.indices;
    bind(&batch, s->program->sources[source].name, plan, inputs);
}

void couplet_sources_rows(const CoupletSources *s, int source, int64_t first, const CoupletPlan *plan, void **inputs) {
    const CoupletDataset *data = &s->data[source];
    const CoupletBatch batch = {data->images + first * data->image_bytes, data->labels + first, s->numbers + first, 0};
    bind_rows(s, source, batch, plan, inputs);
}

void couplet_sources_whole(const CoupletSources *s, const CoupletPlan *plan, void **inputs) {
    for (int i = 0; i < s->program->source_count; i++) {
        char prefix[300];
        const CoupletBatch whole = {s->data[i].images, s->data[i].labels, s->numbers, 0};
        snprintf(prefix, sizeof prefix, "%s.all", s->program->sources[i].name);
        bind(&whole, prefix, plan, inputs);
    }
}

void couplet_sources_next(CoupletSources *s, const CoupletPlan *plan, void **inputs) {
    for (int i = 0; i < s->program->source_count; i++) {
        CoupletBatch batch;
        if (!s->loaders[i]) continue;
        couplet_loader_next(s->loaders[i], &batch);
        bind_rows(s, i, batch, plan, inputs);
    }
}

void couplet_sources_close(CoupletSources *s) {
    for (int i = 0; i < (s->program ? s->program->source_count : 0); i++) {
        if (s->loaders) couplet_loader_free(s->loaders[i]);
        if (s->data) couplet_dataset_free(&s->data[i]);
    }
    if (s->program) release_tables(s);
    free(s->numbers);
    free(s->tables);
    free(s->loaders);
    free(s->data);
    *s = (CoupletSources){0};
}
