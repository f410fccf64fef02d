#include "runtime/sources.h"

#include "runtime/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool open_source(const CoupletSource *source, const char *folder, CoupletDataset *out, char *error, size_t error_bytes) {
    if (!couplet_dataset_open(source->reader, source->split, folder, out, error, error_bytes)) return false;
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
    if (!out->data || !out->loaders) {
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
        const CoupletFeed feed = {source->batch, i == s->program->train_source ? 0 : stream++, source->balanced};
        s->loaders[i] = couplet_loader_new(&s->data[i], &feed, seed, first, error, error_bytes);
        if (!s->loaders[i]) return false;
    }
    return true;
}

/* Inputs named PREFIX.FIELD, where the prefix is "train" or "train.all". */
static void bind(const CoupletBatch *batch, const char *prefix, const CoupletPlan *plan, void **inputs) {
    size_t length = strlen(prefix);
    for (int i = 0; i < plan->input_count; i++) {
        const char *name = plan->inputs[i].name;
        if (strncmp(name, prefix, length) != 0 || name[length] != '.') continue;
        const char *field = name + length + 1;
        if (strcmp(field, "image") == 0) inputs[i] = (void *)(uintptr_t)batch->images;
        if (strcmp(field, "label") == 0) inputs[i] = (void *)(uintptr_t)batch->labels;
        if (strcmp(field, "index") == 0) inputs[i] = (void *)(uintptr_t)batch->indices;
    }
}

void couplet_sources_rows(const CoupletSources *s, int source, int64_t first, const CoupletPlan *plan, void **inputs) {
    const CoupletDataset *data = &s->data[source];
    const CoupletBatch batch = {data->images + first * data->image_bytes, data->labels + first, s->numbers + first, 0};
    bind(&batch, s->program->sources[source].name, plan, inputs);
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
        bind(&batch, s->program->sources[i].name, plan, inputs);
    }
}

void couplet_sources_close(CoupletSources *s) {
    for (int i = 0; i < (s->program ? s->program->source_count : 0); i++) {
        if (s->loaders) couplet_loader_free(s->loaders[i]);
        if (s->data) couplet_dataset_free(&s->data[i]);
    }
    free(s->numbers);
    free(s->loaders);
    free(s->data);
    *s = (CoupletSources){0};
}
