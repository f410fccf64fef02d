/* Writes the C header and the manifest of a method that is built as a library. All sizes come from
 * the runtime's own functions (couplet_method_...), asked of a method with this one program. So the
 * header cannot say anything other than what the library does. */
#include "compiler/driver/build_header.h"
#include "compiler/driver/report.h"

#include "runtime/executor.h"
#include "runtime/files.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The names of the element types, by the value of CoupletType. */
static const char *const element_names[] = {"float32", "int32", "uint8"};
static const char *const c_types[] = {"float", "int32_t", "uint8_t"};

/* The method whose sizes are asked for. At run time couplet_method_program finds one program among
 * several for different processors; here the only one stands for it. */
typedef struct Sizes {
    CoupletVariant variant;
    struct CoupletMethod method;
} Sizes;

static const CoupletMethod *method_of(Sizes *s, const CoupletProgram *program) {
    s->variant = (CoupletVariant){NULL, program};
    s->method =
        (struct CoupletMethod){.name = program->name, .variants = &s->variant, .variant_count = 1};
    return &s->method;
}

static const char *shape_text(Arena *arena, const CoupletShape *shape) {
    const char *text = "";
    for (int i = 0; i < shape->rank; i++)
        text = arena_printf(arena, "%s%s%" PRId64, text, i ? ", " : "", shape->extent[i]);
    return text;
}

static const char *upper(Arena *arena, const char *name) {
    char *made = arena_printf(arena, "%s", name);
    for (char *at = made; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return made;
}

/* Writes the comment at the top of the header. It lists the arrays that a step reads and gives. */
static void write_manual(Arena *arena, const CoupletMethod *method, const char *name, FILE *file) {
    fprintf(file,
            "/* The method %s, compiled by Couplet. couplet.h says how it is used.\n *\n * A step "
            "of training reads\n",
            name);
    CoupletShape shape;
    for (int i = 0; couplet_method_input(method, i, &shape); i++)
        fprintf(file, " *     \"%s\"  %s[%s]\n", shape.name, c_types[shape.element],
                shape_text(arena, &shape));
    fprintf(
        file,
        " * where bytes are 0 .. 255, classes and indices count from 0. Features are float[%" PRId64
        "] for each sample.",
        couplet_method_feature_width(method));
    for (int i = 0; couplet_method_given(method, i, &shape); i++)
        fprintf(file, "%s *     \"%s\"  %s[%s]\n",
                i ? "" : "\n *\n * The step gives, for couplet_model_given,\n", shape.name,
                c_types[shape.element], shape_text(arena, &shape));
    fprintf(file, " */\n");
}

bool write_header(Arena *arena, const CoupletProgram *program, const char *name, const char *path) {
    char error[REPORT_BYTES];
    FILE *file = couplet_file_begin(path, error, sizeof error);
    if (!file) {
        report_error(CODE_OUTPUT, error);
        return false;
    }
    Sizes sizes;
    const CoupletMethod *method = method_of(&sizes, program);
    const char *big = upper(arena, name);
    write_manual(arena, method, program->name, file);
    fprintf(
        file,
        "#ifndef COUPLET_METHOD_%s_H\n#define COUPLET_METHOD_%s_H\n\n#include \"couplet.h\"\n\n",
        big, big);
    fprintf(file, "#define %s_BATCH %" PRId64 "          /* samples of a step */\n", big,
            couplet_method_batch(method));
    fprintf(file, "#define %s_SAMPLE_BYTES %" PRId64 "   /* of one sample that is embedded */\n",
            big, couplet_method_sample_bytes(method));
    fprintf(file,
            "#define %s_IMAGE_BYTES %" PRId64 "    /* the same, under its name of version 0.1 */\n",
            big, couplet_method_sample_bytes(method));
    fprintf(file, "#define %s_FEATURES %" PRId64 "       /* floats of one sample's features */\n",
            big, couplet_method_feature_width(method));
    fprintf(file, "#define %s_PARAMETERS %" PRId64 "     /* trained numbers */\n", big,
            couplet_method_parameter_count(method));
    fprintf(file, "#define %s_ARENA_BYTES %zu  /* of a model, at most */\n\n", big,
            couplet_method_arena_bytes(method));
    fprintf(file,
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\nextern const CoupletMethod "
            "couplet_%s;\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
            name);
    if (couplet_file_commit(path, file, error, sizeof error)) return true;
    report_error(CODE_OUTPUT, error);
    return false;
}

static json_t *shape_json(const CoupletShape *shape) {
    json_t *extents = json_array();
    for (int i = 0; i < shape->rank; i++)
        json_array_append_new(extents, json_integer(shape->extent[i]));
    return json_pack("{s:s, s:s, s:o}", "name", shape->name, "element",
                     element_names[shape->element], "shape", extents);
}

bool write_manifest(const CoupletProgram *program, const char *name, const char *const *targets,
                    int target_count, const char *path) {
    Sizes sizes;
    const CoupletMethod *method = method_of(&sizes, program);
    json_t *inputs = json_array(), *given = json_array(), *levels = json_array(),
           *hypers = json_object(), *ranges = json_object();
    CoupletShape shape;
    for (int i = 0; couplet_method_input(method, i, &shape); i++)
        json_array_append_new(inputs, shape_json(&shape));
    for (int i = 0; couplet_method_given(method, i, &shape); i++)
        json_array_append_new(given, shape_json(&shape));
    for (int i = 0; i < target_count; i++)
        json_array_append_new(levels, json_string(targets[i]));
    for (int i = 0; i < program->hyper_count; i++)
        json_object_set_new(hypers, program->hypers[i].name, json_real(program->hypers[i].value));
    for (int i = 0; i < program->hyper_count; i++)
        if (program->hypers[i].range)
            json_object_set_new(ranges, program->hypers[i].name,
                                json_string(program->hypers[i].range_text));
    char hash[24];
    snprintf(hash, sizeof hash, "%016" PRIx64, program->method_hash);
    json_t *root =
        json_pack("{s:s, s:s+, s:s, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "name",
                  program->name, "symbol", "couplet_", name, "method_hash", hash, "targets", levels,
                  "batch", (json_int_t)couplet_method_batch(method), "inputs", inputs,
                  "sample_bytes", (json_int_t)couplet_method_sample_bytes(method), "features",
                  (json_int_t)couplet_method_feature_width(method), "parameters",
                  (json_int_t)couplet_method_parameter_count(method), "arena_bytes",
                  (json_int_t)couplet_method_arena_bytes(method), "hypers", hypers, "ranges",
                  ranges, "given", given);
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    char error[REPORT_BYTES] = "out of memory";
    bool good = text && couplet_text_write(path, text, error, sizeof error);
    if (!good) report_error(CODE_OUTPUT, error);
    free(text);
    json_decref(root);
    return good;
}
