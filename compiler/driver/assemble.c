/* Makes the program that the runtime trains out of graphs. The program has states, hypers, sources,
 * evaluations, actions and phases as runtime/abi.h declares them, with a plan for each graph.
 *
 * All graphs of a method are compiled together, so that equal kernels of a step and an evaluation
 * share code. The hash of the method is taken before any pass of a back end. So a checkpoint may go
 * on with another plan or device. */
#include "compiler/driver/assemble.h"

#include "compiler/driver/load.h"
#include "compiler/driver/overrides.h"
#include "compiler/driver/print_after.h"
#include "compiler/driver/report.h"
#include "compiler/driver/source_translation.h"
#include "compiler/driver/uses.h"
#include "lang/compared.h"
#include "runtime/data/reader.h"
#include "runtime/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CoupletType runtime_type(GType type) {
    switch (type) {
    case GT_REAL:
        return COUPLET_F32;
    case GT_INT:
        return COUPLET_I32;
    case GT_BOOL:
    case GT_U8:
        break;
    }
    return COUPLET_U8;
}

/* Returns the hash that a checkpoint must agree with. It covers the states and the step as the
 * language means it, without the passes for a device and without places in the source. */
static uint64_t method_hash(const CoupletProgram *program, const LoweredProgram *lowered) {
    uint64_t hash = 1469598103934665603u;
    for (int i = 0; i < program->state_count; i++) {
        const CoupletStateInfo *s = &program->states[i];
        hash = couplet_hash_bytewise(hash, s->name, strlen(s->name) + 1);
        hash = couplet_hash_bytewise(hash, (const char *)s->shape, sizeof s->shape);
    }
    for (int i = 0; i < lowered->phases.count; i++) {
        const LoweredPhase *phase = &lowered->phases.items[i];
        hash = couplet_hash_bytewise(hash, (const char *)&phase->train->meaning,
                                     sizeof phase->train->meaning);
        for (int k = 0; k < phase->actions.count; k++)
            hash = couplet_hash_bytewise(hash, (const char *)&phase->actions.items[k].g->meaning,
                                         sizeof hash);
    }
    return hash;
}

static void fill_states(Arena *arena, const LoweredProgram *lowered, CoupletProgram *program) {
    CoupletStateInfo *states = arena_array(arena, CoupletStateInfo, lowered->states.count + 1);
    for (int i = 0; i < lowered->states.count; i++) {
        const ProgramState *from = &lowered->states.items[i];
        states[i].name = from->name;
        states[i].origin = from->origin;
        /* the two enums list the same roles in the same order */
        states[i].role = (CoupletRole)from->role;
        states[i].type = runtime_type(from->type);
        states[i].rank = from->rank;
        memcpy(states[i].shape, from->shape, sizeof states[i].shape);
    }
    program->states = states;
    program->state_count = lowered->states.count;
}

/* Lists the fields that some graph reads, in the form in which the graph reads them. Names of
 * classes stay with the data. */
static void fill_fields(Arena *arena, const LoweredSource *from, CoupletSource *source) {
    const DataSource *d = from->data;
    CoupletField *fields = arena_array(arena, CoupletField, d->field_count + 1);
    for (int i = 0; i < d->field_count; i++) {
        if (!from->reads[i]) continue;
        fields[source->field_count] = field_of_data(&d->fields[i]);
        fields[source->field_count++].class_names = NULL;
    }
    source->fields = fields;
}

static int find_state(const CoupletProgram *program, const char *name) {
    for (int i = 0; name && i < program->state_count; i++)
        if (strcmp(program->states[i].name, name) == 0) return i;
    return -1;
}

static CoupletHyper *made_hypers(Arena *arena, const Method *method,
                                 const LoweredProgram *lowered) {
    CoupletHyper *hypers = arena_array(arena, CoupletHyper, lowered->hypers.count + 1);
    for (int i = 0; i < lowered->hypers.count; i++) {
        const LoweredHyper *from = &lowered->hypers.items[i];
        const char *written = settings_text(arena, method->spec, STMT_HYPER, from->name);
        hypers[i] = (CoupletHyper){.name = from->name,
                                   .is_integer = from->is_integer,
                                   .is_static = from->is_static,
                                   .is_truth = from->is_truth,
                                   .value = from->value,
                                   .range = from->range,
                                   .range_text = from->range_text,
                                   .written = written};
    }
    return hypers;
}

static CoupletSource *made_sources(Arena *arena, const LoweredProgram *lowered,
                                   const CoupletProgram *program) {
    CoupletSource *sources = arena_array(arena, CoupletSource, lowered->sources.count + 1);
    for (int i = 0; i < lowered->sources.count; i++) {
        const LoweredSource *from = &lowered->sources.items[i];
        sources[i] = source_of_data(arena, from->data);
        sources[i].drawn = from->drawn;
        if (from->data->weights)
            sources[i].weights = find_state(program, from->data->weights->name);
        fill_fields(arena, from, &sources[i]);
    }
    return sources;
}

static CoupletEval *made_evals(Arena *arena, const LoweredProgram *lowered,
                               const CoupletProgram *program) {
    CoupletEval *evals = arena_array(arena, CoupletEval, lowered->evals.count + 1);
    for (int i = 0; i < lowered->evals.count; i++) {
        const LoweredEval *from = &lowered->evals.items[i];
        evals[i] = (CoupletEval){.method = from->method,
                                 .k = from->k,
                                 .temperature = from->temperature,
                                 .decay = from->decay,
                                 .fraction = from->fraction,
                                 .clusters = from->clusters,
                                 .ways = from->ways,
                                 .shots = from->shots,
                                 .episodes = from->episodes,
                                 .t = from->t,
                                 .epochs = from->epochs,
                                 .rate = from->rate,
                                 .by_class = from->by_class,
                                 .weights = find_state(program, from->weights),
                                 .bias = find_state(program, from->bias),
                                 .features = lowered->feature_names.items[from->features],
                                 .labels = from->labels,
                                 .bank = from->bank,
                                 .query = from->query,
                                 .every = from->every,
                                 .of_steps = from->of_steps,
                                 .place = arena_printf(arena, "%s:%d:%d", from->span.source->path,
                                                       from->span.line, from->span.column)};
    }
    return evals;
}

static CoupletEval *fill_tables(Arena *arena, const Method *method, const LoweredProgram *lowered,
                                CoupletProgram *program) {
    CoupletEval *evals = made_evals(arena, lowered, program);
    CoupletLoss *losses = arena_array(arena, CoupletLoss, lowered->losses.count + 1);
    for (int i = 0; i < lowered->losses.count; i++)
        losses[i].name = lowered->losses.items[i];
    program->losses = losses;
    program->loss_count = lowered->losses.count;
    program->hypers = made_hypers(arena, method, lowered);
    program->hyper_count = lowered->hypers.count;
    program->sources = made_sources(arena, lowered, program);
    program->source_count = lowered->sources.count;
    program->evals = evals;
    program->eval_count = lowered->evals.count;
    return evals;
}

static int find_source(const LoweredProgram *lowered, const DataSource *data) {
    for (int i = 0; i < lowered->sources.count; i++)
        if (lowered->sources.items[i].data == data) return i;
    return -1;
}

/* Fills in the comparisons of the losses, for the warning about data that is there only when the
 * program runs. */
static void fill_compared(Arena *arena, const Method *method, const LoweredProgram *lowered,
                          CoupletProgram *program) {
    const ComparedField *fields;
    const int count = compared_fields(arena, method, &fields);
    CoupletCompared *compared = arena_array(arena, CoupletCompared, count + 1);
    for (int i = 0; i < count; i++) {
        const Span at = fields[i].place;
        const int source = find_source(lowered, fields[i].source->data);
        if (source < 0) continue;
        compared[program->compared_count++] = (CoupletCompared){
            .source = source,
            .is_said = fields[i].is_said,
            .field = fields[i].field->name,
            .place = arena_printf(arena, "%s:%d:%d", at.source->path, at.line, at.column)};
    }
    program->compared = compared;
}

/* Collects every graph of the program in one list. All are compiled together, so that equal kernels
 * are shared. */
GraphList program_graphs(Arena *arena, const LoweredProgram *lowered) {
    int most = 1 + lowered->features.count + lowered->measures.count + lowered->evals.count;
    for (int i = 0; i < lowered->phases.count; i++)
        most += 1 + lowered->phases.items[i].actions.count;
    Graph **graphs = arena_array(arena, Graph *, most);
    int count = 0;
    graphs[count++] = lowered->init;
    for (int i = 0; i < lowered->phases.count; i++) {
        const LoweredPhase *phase = &lowered->phases.items[i];
        graphs[count++] = phase->train;
        for (int k = 0; k < phase->actions.count; k++)
            graphs[count++] = phase->actions.items[k].g;
    }
    for (int i = 0; i < lowered->measures.count; i++)
        graphs[count++] = lowered->measures.items[i].g;
    for (int i = 0; i < lowered->evals.count; i++)
        if (lowered->evals.items[i].tune) graphs[count++] = lowered->evals.items[i].tune;
    for (int i = 0; i < lowered->features.count; i++) {
        lowered->features.items[i]->name = lowered->feature_names.items[i];
        graphs[count++] = lowered->features.items[i];
    }
    return (GraphList){graphs, count, lowered->states.items, lowered->states.count};
}

static CoupletAction *take_actions(Arena *arena, const LoweredActions *lowered, CoupletPlan **plans,
                                   const CoupletProgram *program) {
    CoupletAction *actions = arena_array(arena, CoupletAction, lowered->count + 1);
    for (int i = 0; i < lowered->count; i++) {
        const LoweredAction *from = &lowered->items[i];
        /* the two enums list the same kinds in the same order */
        actions[i] = (CoupletAction){
            .kind = (CoupletActionKind)from->kind,
            .every = from->every,
            .of_steps = from->of_steps,
            .block = from->block,
            .plan = plans[i],
            .source = from->source,
            .centres = find_state(program, from->centres),
            .members = find_state(program, from->members),
            .iterations = from->iterations,
            .spherical = from->spherical,
            .sampled = from->sampled,
            .site = (uint32_t)from->site,
            .place = arena_printf(arena, "%s:%d", from->span.source->path, from->span.line)};
    }
    return actions;
}

static const CoupletRate *take_rates(Arena *arena, const LoweredPhase *phase) {
    CoupletRate *rates = arena_array(arena, CoupletRate, phase->rates.count + 1);
    for (int i = 0; i < phase->rates.count; i++)
        rates[i] = (CoupletRate){phase->rates.items[i].name, phase->rates.items[i].formula};
    return rates;
}

/* Puts the plans, which are in the order of program_graphs, where the program has them. The hash of
 * the plans is made on the way. */
static void take_plans(Arena *arena, const LoweredProgram *lowered, CoupletPlan **plans,
                       CoupletEval *evals, CoupletProgram *program) {
    CoupletPhase *phases = arena_array(arena, CoupletPhase, lowered->phases.count);
    program->init = *plans++;
    program->plan_hash = 1469598103934665603u;
    for (int i = 0; i < lowered->phases.count; i++) {
        const LoweredPhase *from = &lowered->phases.items[i];
        phases[i] = (CoupletPhase){.stage = from->stage,
                                   .from_epoch = from->from_epoch,
                                   .from_step = from->from_step,
                                   .train = *plans++};
        program->plan_hash = (program->plan_hash ^ phases[i].train->hash) * 1099511628211u;
        phases[i].actions = take_actions(arena, &from->actions, plans, program);
        phases[i].action_count = from->actions.count;
        phases[i].rates = take_rates(arena, from);
        phases[i].rate_count = from->rates.count;
        for (int k = 0; k < from->actions.count; k++)
            program->plan_hash = (program->plan_hash ^ plans[k]->hash) * 1099511628211u;
        plans += from->actions.count;
    }
    program->phases = phases;
    program->phase_count = lowered->phases.count;
    program->train = phases[0].train;
    program->measures = take_actions(arena, &lowered->measures, plans, program);
    program->measure_count = lowered->measures.count;
    plans += lowered->measures.count;
    for (int i = 0; i < lowered->evals.count; i++)
        if (lowered->evals.items[i].tune) evals[i].tune = *plans++;
    program->features = plans;
    program->feature_count = lowered->features.count;
}

/* Copies the layout of the method's files. Messages are dropped, because load_method has already
 * reported two files with one place. */
static void fill_files(Arena *arena, const Method *method, CoupletProgram *program) {
    KeptFiles kept;
    uses_keep(arena, diag_new(arena), method, &kept);
    CoupletSpecFile *files = arena_array(arena, CoupletSpecFile, kept.items.count + 1);
    for (int i = 0; i < kept.items.count; i++) {
        const Source *source = kept.items.items[i].source;
        files[i].name = kept.items.items[i].name;
        files[i].text = arena_strndup(arena, source->text, source->length);
    }
    program->main = kept.main;
    program->files = files;
    program->file_count = kept.items.count;
}

/* Reads a statement such as `start encoder from "x.safetensors" { conv.K <- "conv1.weight" }`. */
static CoupletStart start_of(Arena *arena, const Stmt *s) {
    CoupletStartName *names = arena_array(arena, CoupletStartName, s->param_count + 1);
    for (int i = 0; i < s->param_count; i++)
        names[i] = (CoupletStartName){s->params[i].name, s->params[i].path};
    return (CoupletStart){.part = s->name,
                          .path = s->value->text,
                          .place = arena_printf(arena, "%s:%d:%d", s->span.source->path,
                                                s->span.line, s->span.column),
                          .names = names,
                          .name_count = s->param_count};
}

static void fill_starts(Arena *arena, const Module *spec, CoupletProgram *program) {
    CoupletStart *starts = arena_array(arena, CoupletStart, spec->stmt_count + 1);
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_START)
            starts[program->start_count++] = start_of(arena, spec->stmts[i]);
    program->starts = starts;
}

static uint64_t library_hash(void) {
    uint64_t hash = COUPLET_HASH_START;
    for (const LibraryFile *file = library_files; file->module; file++)
        hash = couplet_hash(hash, file->text, file->length);
    return hash;
}

/* Returns the folder of the reader modules that the program needs on this machine. A program that
 * reads plain arrays alone needs none, and should name no folder. */
static const char *modules_of(Arena *arena, const CoupletProgram *program) {
    char folder[COUPLET_PATH_BYTES];
    for (int i = 0; i < program->source_count; i++)
        if (couplet_reader_folder(program->sources[i].reader, folder))
            return arena_strndup(arena, folder, strlen(folder));
    return NULL;
}

void assemble_origin(Arena *arena, const Options *options, Assembled *assembled) {
    CoupletOrigin *origin = arena_new_of(arena, CoupletOrigin);
    *origin = (CoupletOrigin){.couplet = COUPLET_VERSION,
                              .llvm = cpu_llvm_version(arena),
                              .library = arena_printf(arena, "%016" PRIx64, library_hash()),
                              .modules = modules_of(arena, assembled->program),
                              .memory_bytes = options->memory_bytes,
                              .shards = options->shards,
                              .no_stream = options->no_stream,
                              .no_fuse = options->no_fuse,
                              .gradient_norm = options->gradient_norm};
    assembled->program->origin = origin;
}

static CoupletProgram *make_program(Arena *arena, const Method *method,
                                    const LoweredProgram *lowered, CoupletPlan **plans) {
    CoupletProgram *program = arena_new_of(arena, CoupletProgram);
    program->name = method->spec->name;
    program->spec_path = method->spec->source->path;
    fill_files(arena, method, program);
    fill_starts(arena, method->spec, program);
    fill_states(arena, lowered, program);
    CoupletEval *evals = fill_tables(arena, method, lowered, program);
    fill_compared(arena, method, lowered, program);
    take_plans(arena, lowered, plans, evals, program);
    program->method_hash = method_hash(program, lowered);
    program->train_source = lowered->train_source;
    CoupletStage *stages = arena_array(arena, CoupletStage, lowered->stages.count + 1);
    for (int i = 0; i < lowered->stages.count; i++) {
        const LoweredStage *from = &lowered->stages.items[i];
        stages[i] = (CoupletStage){from->name,         from->epochs,      from->batch,
                                   from->train_source, from->epoch_steps, from->views};
    }
    program->stages = stages;
    program->stage_count = lowered->stages.count;
    program->epoch_steps = lowered->epoch_steps;
    program->batch = lowered->batch;
    program->views = lowered->views;
    program->epochs = lowered->epochs;
    program->written_epochs = settings_text(arena, method->spec, STMT_TRAIN, "epochs");
    return program;
}

bool assemble_for(Arena *arena, const Method *method, const LoweredProgram *lowered,
                  const CpuTarget *wanted, Assembled *out, const char **error) {
    const GraphList list = program_graphs(arena, lowered);
    CoupletPlan **plans = arena_array(arena, CoupletPlan *, list.count);
    *out = (Assembled){.plans = cpu_plans(arena, list.graphs, list.count, list.states,
                                          list.state_count, wanted, plans, error)};
    if (!out->plans) return false;
    out->program = make_program(arena, method, lowered, plans);
    return true;
}

/* Makes the program with compiled kernels for a device. Returns false, with a sentence in *error,
 * if the device's back end fails. */
static bool assemble_on(Arena *arena, const Method *method, const LoweredProgram *lowered,
                        const DeviceChoice *device, Assembled *out, const char **error) {
    const GraphList list = program_graphs(arena, lowered);
    *out = (Assembled){.plans = NULL};
    if (!device->backend->compile(arena, &list, device->number, &out->code, error)) return false;
    out->program = make_program(arena, method, lowered, out->code.plans);
    return true;
}

bool assemble(Arena *arena, const Method *method, const LoweredProgram *lowered, Assembled *out,
              const char **error) {
    return assemble_on(arena, method, lowered, &(DeviceChoice){.backend = &cpu_backend}, out,
                       error);
}

PlanTarget device_target(Arena *arena, const DeviceChoice *device) {
    return device->backend->target(arena, device->number);
}

CompileOptions options_to_compile(Arena *arena, const Options *options, const PlanTarget *target) {
    return (CompileOptions){.after = print_after_pass,
                            .context = print_after_new(arena, options->print_after),
                            .target = target,
                            .memory = options->memory_bytes,
                            .gradient_norm = options->gradient_norm,
                            .settings = {.no_stream = options->no_stream,
                                         .no_fuse = options->no_fuse,
                                         .shards = options->shards}};
}

LoweredProgram *lower_checked(Arena *arena, const Options *options, Diag *diag,
                              const Method *method, const DeviceChoice *device) {
    const PlanTarget target = device_target(arena, device);
    const CompileOptions lower = options_to_compile(arena, options, &target);
    return compile_method(arena, diag, method, METHOD_STEPS, &lower);
}

LoweredProgram *lower_spec(Arena *arena, const Options *options, const char *path,
                           const DeviceChoice *device, Method **method) {
    Diag *diag = diag_new(arena);
    *method = load_method(arena, diag, path, options);
    LoweredProgram *lowered = *method ? lower_checked(arena, options, diag, *method, device) : NULL;
    report_messages(diag);
    return lowered;
}

bool assemble_lowered(Arena *arena, const Options *options, const Method *method,
                      const LoweredProgram *lowered, const DeviceChoice *device, Assembled *out) {
    const char *failed = "out of memory";
    bool good = assemble_on(arena, method, lowered, device, out, &failed);
    if (good)
        assemble_origin(arena, options, out);
    else
        report_error(CODE_RUN_STOPPED, failed);
    return good;
}

bool assemble_spec(Arena *arena, const Options *options, const char *path,
                   const DeviceChoice *device, Assembled *out) {
    Method *method;
    LoweredProgram *lowered = lower_spec(arena, options, path, device, &method);
    return lowered && assemble_lowered(arena, options, method, lowered, device, out);
}
