/* Operations of oneDNN (onednn.h): products, convolutions and their gradients as lists of
 * primitives, with a reorder ahead of each operand whose layout oneDNN wants otherwise. */
#include "tests/bench/onednn.h"

#include "runtime/device.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 8, MOST_ARGUMENTS = 10, MOST_ARRAYS = 24 };

typedef struct Step {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[MOST_ARGUMENTS];
    int count;
} Step;

/* An array in oneDNN's layout, and the plain layout of Couplet's array. */
typedef struct Array {
    dnnl_memory_t memory;
    dnnl_memory_desc_t layout, plain;
    void *data;
} Array;

struct DnnOperation {
    Step steps[MOST_STEPS];
    Array arrays[MOST_ARRAYS];
    int step_count, array_count;
    const Array *result;
    bool failed;
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static bool ready(void) {
    if (engine) return true;
    return dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success &&
           dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success;
}

static void check(DnnOperation *o, dnnl_status_t status, const char *what) {
    if (status == dnnl_success || o->failed) return;
    fprintf(stderr, "oneDNN: %s failed with status %d\n", what, (int)status);
    o->failed = true;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static dnnl_memory_desc_t plain_matrix(int64_t rows, int64_t columns, bool transposed) {
    dnnl_memory_desc_t d;
    const dnnl_dims_t shape = {rows, columns};
    const dnnl_dims_t strides = {transposed ? 1 : columns, transposed ? rows : 1};
    dnnl_memory_desc_init_by_strides(&d, 2, shape, dnnl_f32, strides);
    return d;
}

static dnnl_memory_desc_t vector_of(int64_t count) {
    dnnl_memory_desc_t d;
    dnnl_memory_desc_init_by_tag(&d, 1, (const dnnl_dims_t){count}, dnnl_f32, dnnl_a);
    return d;
}

static dnnl_memory_desc_t image(int64_t n, int64_t c, int64_t size, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t d;
    dnnl_memory_desc_init_by_tag(&d, 4, (const dnnl_dims_t){n, c, size, size}, dnnl_f32, tag);
    return d;
}

static dnnl_memory_desc_t weights(const ConvolutionShape *s, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t d;
    dnnl_memory_desc_init_by_tag(&d, 4, (const dnnl_dims_t){s->out, s->channels, 3, 3}, dnnl_f32,
                                 tag);
    return d;
}

static void run_reorder(DnnOperation *o, const dnnl_memory_desc_t *from, dnnl_memory_t source,
                        const dnnl_memory_desc_t *to, dnnl_memory_t target) {
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    check(o, dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL),
          "a change of layout");
    if (o->failed) return;
    check(o, dnnl_primitive_create(&primitive, pd), "a change of layout");
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
    if (!o->failed) dnnl_primitive_execute(primitive, stream, 2, arguments);
    dnnl_stream_wait(stream);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
}

/* Adds an array. With `data`, in the plain layout, the array is filled from it. */
static Array *add_array(DnnOperation *o, const dnnl_memory_desc_t *layout,
                        const dnnl_memory_desc_t *plain, const float *data) {
    Array *a = &o->arrays[o->array_count++];
    a->layout = *layout;
    a->plain = *plain;
    /* This is memory as Couplet's arrays have it, so that both sides are alike. */
    a->data = couplet_host_memory((int64_t)dnnl_memory_desc_get_size(layout));
    if (!a->data) o->failed = true;
    check(o, dnnl_memory_create(&a->memory, layout, engine, a->data), "an array");
    if (o->failed) return a;
    memset(a->data, 0, dnnl_memory_desc_get_size(layout));
    if (!data) return a;
    dnnl_memory_t from = NULL;
    check(o, dnnl_memory_create(&from, plain, engine, (void *)(uintptr_t)data), "an array");
    if (!o->failed) run_reorder(o, plain, from, layout, a->memory);
    dnnl_memory_destroy(from);
    return a;
}

float *dnn_result(DnnOperation *o, int64_t *count) {
    const Array *a = o->result;
    size_t bytes = dnnl_memory_desc_get_size(&a->plain);
    float *data = malloc(bytes);
    dnnl_memory_t to = NULL;
    *count = (int64_t)(bytes / sizeof *data);
    check(o, dnnl_memory_create(&to, &a->plain, engine, data), "an array");
    if (!o->failed) run_reorder(o, &a->layout, a->memory, &a->plain, to);
    dnnl_memory_destroy(to);
    return data;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static Step *add_step(DnnOperation *o, dnnl_primitive_desc_t pd) {
    Step *s = &o->steps[o->step_count++];
    check(o, dnnl_primitive_create(&s->primitive, pd), "a primitive");
    return s;
}

static void add_argument(Step *s, int which, const Array *array) {
    s->arguments[s->count++] = (dnnl_exec_arg_t){which, array->memory};
}

static dnnl_primitive_desc_t describe_operation(DnnOperation *o, const void *descriptor,
                                                const_dnnl_primitive_desc_t hint,
                                                const char *what) {
    dnnl_primitive_desc_t pd = NULL;
    check(o, dnnl_primitive_desc_create(&pd, descriptor, NULL, engine, hint), what);
    return pd;
}

static const dnnl_memory_desc_t *layout_in(dnnl_primitive_desc_t pd, int which) {
    return dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, which);
}

void dnn_run(void *operation) {
    DnnOperation *o = operation;
    for (int i = 0; i < o->step_count; i++)
        check(o,
              dnnl_primitive_execute(o->steps[i].primitive, stream, o->steps[i].count,
                                     o->steps[i].arguments),
              "running a primitive");
    dnnl_stream_wait(stream);
}

void dnn_free(DnnOperation *o) {
    if (!o) return;
    for (int i = 0; i < o->step_count; i++)
        dnnl_primitive_destroy(o->steps[i].primitive);
    for (int i = 0; i < o->array_count; i++) {
        dnnl_memory_destroy(o->arrays[i].memory);
        free(o->arrays[i].data);
    }
    free(o);
}

static DnnOperation *finish_operation(DnnOperation *o) {
    if (!o->failed) return o;
    dnn_free(o);
    return NULL;
}

/* ---- products -------------------------------------------------------------------------------- */

DnnOperation *dnn_product(const ProductShape *s, const float *a, const float *b) {
    DnnOperation *o = ready() ? calloc(1, sizeof *o) : NULL;
    if (!o) return NULL;
    dnnl_memory_desc_t left = plain_matrix(s->m, s->k, s->transposed_a);
    dnnl_memory_desc_t right = plain_matrix(s->k, s->n, s->transposed_b);
    dnnl_memory_desc_t y = plain_matrix(s->m, s->n, false);
    dnnl_matmul_desc_t descriptor;
    check(o, dnnl_matmul_desc_init(&descriptor, &left, &right, NULL, &y), "a product");
    dnnl_primitive_desc_t pd = describe_operation(o, &descriptor, NULL, "a product");
    if (o->failed) return finish_operation(o);
    Step *step = add_step(o, pd);
    add_argument(step, DNNL_ARG_SRC, add_array(o, &left, &left, a));
    add_argument(step, DNNL_ARG_WEIGHTS, add_array(o, &right, &right, b));
    add_argument(step, DNNL_ARG_DST, o->result = add_array(o, &y, &y, NULL));
    dnnl_primitive_desc_destroy(pd);
    return finish_operation(o);
}

void dnn_sgemm(const ProductShape *s, const float *a, const float *b, float *y) {
    dnnl_sgemm(s->transposed_a ? 'T' : 'N', s->transposed_b ? 'T' : 'N', s->m, s->n, s->k, 1, a,
               s->transposed_a ? s->m : s->k, b, s->transposed_b ? s->k : s->n, 0, y, s->n);
}

/* ---- convolutions ---------------------------------------------------------------------------- */

static const dnnl_dims_t padding = {1, 1};

/* What the three passes share: the layouts of their arrays (or dnnl_format_tag_any), and the
 * forward pass, which the backward passes take as a hint. */
typedef struct Convolution {
    const ConvolutionShape *shape;
    dnnl_memory_desc_t x, k, y;
    dnnl_primitive_desc_t forward;
} Convolution;

static int64_t out_size(const ConvolutionShape *s) {
    return (s->size + s->stride - 1) / s->stride;
}

static Convolution describe_convolution(DnnOperation *o, const ConvolutionShape *s,
                                        dnnl_format_tag_t images) {
    Convolution c = {s, image(s->batch, s->channels, s->size, images),
                     weights(s, dnnl_format_tag_any), image(s->batch, s->out, out_size(s), images),
                     NULL};
    dnnl_convolution_desc_t d;
    check(o,
          dnnl_convolution_forward_desc_init(
              &d, dnnl_forward_training, dnnl_convolution_direct, &c.x, &c.k, NULL, &c.y,
              (const dnnl_dims_t){s->stride, s->stride}, padding, padding),
          "a convolution");
    c.forward = describe_operation(o, &d, NULL, "a convolution");
    return c;
}

static dnnl_primitive_desc_t backward_pass(DnnOperation *o, const Convolution *c, Pass pass) {
    const dnnl_dims_t strides = {c->shape->stride, c->shape->stride};
    dnnl_convolution_desc_t d;
    if (pass == PASS_INPUT)
        check(o,
              dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &c->x, &c->k,
                                                       &c->y, strides, padding, padding),
              "a gradient to the input");
    else
        check(o,
              dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &c->x, &c->k,
                                                          NULL, &c->y, strides, padding, padding),
              "a gradient to the weights");
    return o->failed ? NULL : describe_operation(o, &d, c->forward, "a gradient");
}

/* The arguments of each pass's primitive, and which of them is the result. */
typedef struct Roles {
    int x, k, y, result;
} Roles;
static const Roles roles[PASS_COUNT] = {
    [PASS_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_DST},
    [PASS_INPUT] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC},
    [PASS_WEIGHTS] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST,
                      DNNL_ARG_DIFF_WEIGHTS},
};

DnnOperation *dnn_convolution(const ConvolutionShape *s, Pass pass, bool channels_last,
                              const float *x, const float *k, const float *g) {
    DnnOperation *o = ready() ? calloc(1, sizeof *o) : NULL;
    if (!o) return NULL;
    Convolution c = describe_convolution(o, s, channels_last ? dnnl_nhwc : dnnl_format_tag_any);
    dnnl_primitive_desc_t pd =
        o->failed || pass == PASS_FORWARD ? c.forward : backward_pass(o, &c, pass);
    if (o->failed) return finish_operation(o);
    const int names[3] = {roles[pass].x, roles[pass].k, roles[pass].y};
    const float *data[3] = {x, k, g};
    const dnnl_memory_desc_t plain[3] = {image(s->batch, s->channels, s->size, dnnl_nhwc),
                                         weights(s, dnnl_oihw),
                                         image(s->batch, s->out, out_size(s), dnnl_nhwc)};
    Step *step = add_step(o, pd);
    for (int i = 0; i < 3; i++) {
        bool result = names[i] == roles[pass].result;
        Array *a = add_array(o, layout_in(pd, names[i]), &plain[i], result ? NULL : data[i]);
        add_argument(step, names[i], a);
        if (result) o->result = a;
    }
    if (pd != c.forward) dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(c.forward);
    return finish_operation(o);
}

/* ---- a layer --------------------------------------------------------------------------------- */

/* Returns the array in the layout that a step wants. If the array was written in another layout,
 * the change is a step of its own, and timed. */
static const Array *relaid(DnnOperation *o, const Array *a, const dnnl_memory_desc_t *wanted) {
    if (dnnl_memory_desc_equal(&a->layout, wanted)) return a;
    dnnl_primitive_desc_t pd = NULL;
    check(o, dnnl_reorder_primitive_desc_create(&pd, &a->layout, engine, wanted, engine, NULL),
          "a change of layout");
    if (o->failed) return a;
    Array *to = add_array(o, wanted, &a->plain, NULL);
    Step *step = add_step(o, pd);
    add_argument(step, DNNL_ARG_FROM, a);
    add_argument(step, DNNL_ARG_TO, to);
    dnnl_primitive_desc_destroy(pd);
    return to;
}

typedef struct Normalisation {
    dnnl_primitive_desc_t forward, backward;
} Normalisation;

static Normalisation describe_normalisation(DnnOperation *o, const dnnl_memory_desc_t *data) {
    const unsigned flags = dnnl_use_scale | dnnl_use_shift | dnnl_fuse_norm_relu;
    Normalisation n = {NULL, NULL};
    dnnl_batch_normalization_desc_t forward, backward;
    check(o,
          dnnl_batch_normalization_forward_desc_init(&forward, dnnl_forward_training, data, 1e-5f,
                                                     flags),
          "batch normalisation");
    n.forward = describe_operation(o, &forward, NULL, "batch normalisation");
    check(o,
          dnnl_batch_normalization_backward_desc_init(&backward, dnnl_backward, data, data, 1e-5f,
                                                      flags),
          "the gradient of batch normalisation");
    if (!o->failed)
        n.backward =
            describe_operation(o, &backward, n.forward, "the gradient of batch normalisation");
    return n;
}

/* The passes of a layer: its primitives with their layouts. */
typedef struct LayerPasses {
    Convolution convolution;
    Normalisation normalisation;
    dnnl_primitive_desc_t to_input;
    dnnl_primitive_desc_t to_weights;
} LayerPasses;

static LayerPasses describe_layer(DnnOperation *o, const ConvolutionShape *s) {
    LayerPasses p = {.convolution = describe_convolution(o, s, dnnl_format_tag_any)};
    if (o->failed) return p;
    p.normalisation = describe_normalisation(o, layout_in(p.convolution.forward, DNNL_ARG_SRC));
    p.to_input = backward_pass(o, &p.convolution, PASS_INPUT);
    p.to_weights = backward_pass(o, &p.convolution, PASS_WEIGHTS);
    return p;
}

static void release_layer(const LayerPasses *p) {
    const dnnl_primitive_desc_t used[] = {p->normalisation.forward, p->normalisation.backward,
                                          p->to_input, p->to_weights, p->convolution.forward};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        dnnl_primitive_desc_destroy(used[i]);
}

/* The arrays of a layer; d_.. are gradients. */
typedef struct LayerArrays {
    Array *x, *normal, *y;
    Array *d_x, *d_normal, *d_y;
    Array *scale, *shift, *mean, *variance;
    Array *d_scale, *d_shift;
    Array *signs; /* where relu lets through */
    Array *kernel, *d_kernel;
    Array *kernel_back; /* the kernel as the pass to the input has it */
} LayerArrays;

static LayerArrays add_layer_arrays(DnnOperation *o, const LayerPasses *p, const float *x,
                                    const float *gamma, const float *beta, const float *k,
                                    const float *g) {
    const ConvolutionShape *s = p->convolution.shape;
    const dnnl_primitive_desc_t forward = p->convolution.forward;
    const dnnl_memory_desc_t x_plain = image(s->batch, s->channels, s->size, dnnl_nhwc);
    const dnnl_memory_desc_t y_plain = image(s->batch, s->out, out_size(s), dnnl_nhwc);
    const dnnl_memory_desc_t k_plain = weights(s, dnnl_oihw);
    const dnnl_memory_desc_t channel = vector_of(s->channels);
    const dnnl_memory_desc_t *inside = layout_in(forward, DNNL_ARG_SRC);
    const dnnl_memory_desc_t *sign = layout_in(p->normalisation.forward, DNNL_ARG_WORKSPACE);
    return (LayerArrays){
        .x = add_array(o, inside, &x_plain, x),
        .normal = add_array(o, inside, &x_plain, NULL),
        .d_x = add_array(o, inside, &x_plain, NULL),
        .scale = add_array(o, &channel, &channel, gamma),
        .shift = add_array(o, &channel, &channel, beta),
        .mean = add_array(o, &channel, &channel, NULL),
        .variance = add_array(o, &channel, &channel, NULL),
        .d_scale = add_array(o, &channel, &channel, NULL),
        .d_shift = add_array(o, &channel, &channel, NULL),
        .signs = add_array(o, sign, sign, NULL),
        .kernel = add_array(o, layout_in(forward, DNNL_ARG_WEIGHTS), &k_plain, k),
        .kernel_back = add_array(o, layout_in(p->to_input, DNNL_ARG_WEIGHTS), &k_plain, k),
        .y = add_array(o, layout_in(forward, DNNL_ARG_DST), &y_plain, NULL),
        .d_y = add_array(o, layout_in(p->to_input, DNNL_ARG_DIFF_DST), &y_plain, g),
        .d_kernel = add_array(o, layout_in(p->to_weights, DNNL_ARG_DIFF_WEIGHTS), &k_plain, NULL),
        .d_normal = add_array(o, layout_in(p->to_input, DNNL_ARG_DIFF_SRC), &x_plain, NULL)};
}

typedef struct Argument {
    int which;
    const Array *array;
} Argument;

/* Adds a step with these arguments; the list ends with an array that is NULL. */
static void add_step_with(DnnOperation *o, dnnl_primitive_desc_t pd, const Argument *arguments) {
    Step *step = add_step(o, pd);
    for (; arguments->array; arguments++)
        add_argument(step, arguments->which, arguments->array);
}

static void add_forward_steps(DnnOperation *o, const LayerPasses *p, const LayerArrays *a) {
    const Argument normalise[] = {{DNNL_ARG_SRC, a->x},           {DNNL_ARG_DST, a->normal},
                                  {DNNL_ARG_SCALE, a->scale},     {DNNL_ARG_SHIFT, a->shift},
                                  {DNNL_ARG_MEAN, a->mean},       {DNNL_ARG_VARIANCE, a->variance},
                                  {DNNL_ARG_WORKSPACE, a->signs}, {0, NULL}};
    const Argument convolve[] = {
        {DNNL_ARG_SRC, a->normal}, {DNNL_ARG_WEIGHTS, a->kernel}, {DNNL_ARG_DST, a->y}, {0, NULL}};
    add_step_with(o, p->normalisation.forward, normalise);
    add_step_with(o, p->convolution.forward, convolve);
}

static void add_backward_steps(DnnOperation *o, const LayerPasses *p, const LayerArrays *a) {
    const Array *normal = relaid(o, a->normal, layout_in(p->to_weights, DNNL_ARG_SRC));
    const Array *d_y = relaid(o, a->d_y, layout_in(p->to_weights, DNNL_ARG_DIFF_DST));
    const Argument to_weights[] = {{DNNL_ARG_SRC, normal},
                                   {DNNL_ARG_DIFF_DST, d_y},
                                   {DNNL_ARG_DIFF_WEIGHTS, a->d_kernel},
                                   {0, NULL}};
    const Argument to_input[] = {{DNNL_ARG_DIFF_DST, a->d_y},
                                 {DNNL_ARG_WEIGHTS, a->kernel_back},
                                 {DNNL_ARG_DIFF_SRC, a->d_normal},
                                 {0, NULL}};
    add_step_with(o, p->to_weights, to_weights);
    add_step_with(o, p->to_input, to_input);
    const Array *d_normal = relaid(o, a->d_normal, layout_in(p->convolution.forward, DNNL_ARG_SRC));
    const Argument normalise[] = {{DNNL_ARG_SRC, a->x},
                                  {DNNL_ARG_MEAN, a->mean},
                                  {DNNL_ARG_VARIANCE, a->variance},
                                  {DNNL_ARG_DIFF_DST, d_normal},
                                  {DNNL_ARG_SCALE, a->scale},
                                  {DNNL_ARG_SHIFT, a->shift},
                                  {DNNL_ARG_WORKSPACE, a->signs},
                                  {DNNL_ARG_DIFF_SRC, a->d_x},
                                  {DNNL_ARG_DIFF_SCALE, a->d_scale},
                                  {DNNL_ARG_DIFF_SHIFT, a->d_shift},
                                  {0, NULL}};
    add_step_with(o, p->normalisation.backward, normalise);
}

DnnOperation *dnn_layer(const ConvolutionShape *s, const float *x, const float *gamma,
                        const float *beta, const float *k, const float *g) {
    DnnOperation *o = ready() ? calloc(1, sizeof *o) : NULL;
    if (!o) return NULL;
    const LayerPasses passes = describe_layer(o, s);
    if (o->failed) return finish_operation(o);
    const LayerArrays arrays = add_layer_arrays(o, &passes, x, gamma, beta, k, g);
    add_forward_steps(o, &passes, &arrays);
    add_backward_steps(o, &passes, &arrays);
    o->result = arrays.d_x;
    release_layer(&passes);
    return finish_operation(o);
}
