/* Prints what `couplet check` says of a file: a line for each name that the file declares. */
#include "lang/ast.h"

static void print_param(Arena *arena, FILE *out, const Param *p) {
    if (p->type)
        fprintf(out, "%s : %s", p->name, type_text(arena, p->type));
    else
        fprintf(out, "%s", p->name);
}

static void print_list(Arena *arena, FILE *out, const Param *params, int count) {
    fprintf(out, "(");
    for (int i = 0; i < count; i++) {
        if (i) fprintf(out, ", ");
        print_param(arena, out, &params[i]);
    }
    fprintf(out, ")");
}

/* Prints a line like this one: data train : image u8[3, 64, 64], label int, 5000 rows */
static void print_data(FILE *out, const Stmt *s) {
    const DataSource *data = s->data;
    fprintf(out, "data   %s :", s->name);
    for (int i = 0; i < data->field_count; i++) {
        const DataField *field = &data->fields[i];
        fprintf(out, " %s %s", field->name, data_type_names[field->type]);
        for (int a = 0; a < field->rank; a++)
            fprintf(out, "%s%lld%s", a ? ", " : "[", (long long)field->shape[a],
                    a + 1 == field->rank ? "]" : "");
        fprintf(out, ",");
    }
    if (data->rows)
        fprintf(out, " %lld rows\n", (long long)data->rows);
    else
        fprintf(out, " rows unknown\n");
}

static void print_stmt(Arena *arena, FILE *out, const Stmt *s) {
    switch (s->kind) {
    case STMT_HYPER:
    case STMT_VIEW:
    case STMT_PARAM:
    case STMT_STATE:
    case STMT_BANK:
    case STMT_DRAW: {
        static const char *const words[] = {
            [STMT_HYPER] = "hyper", [STMT_VIEW] = "view", [STMT_PARAM] = "param",
            [STMT_STATE] = "state", [STMT_BANK] = "bank", [STMT_DRAW] = "draw"};
        for (int i = 0; i < s->param_count; i++) {
            fprintf(out, "%-6s ", words[s->kind]);
            print_param(arena, out, &s->params[i]);
            fprintf(out, "\n");
        }
        break;
    }
    case STMT_DATA:
        print_data(out, s);
        break;
    case STMT_LET:
        if (s->symbol && s->symbol->type && !s->is_function)
            fprintf(out, "let    %s : %s\n", s->name, type_text(arena, s->symbol->type));
        break;
    case STMT_SCAN:
        for (int i = 0; i < s->carry_count; i++)
            if (s->carry[i]->symbol)
                fprintf(out, "scan   %s : %s\n", s->carry[i]->name,
                        type_text(arena, s->carry[i]->symbol->type));
        break;
    case STMT_QUEUE:
        fprintf(out, "queue  %s : %s\n", s->name, type_text(arena, s->symbol->type));
        for (int i = 0; i < s->param_count; i++)
            fprintf(out, "       %s.%s : %s\n", s->name, s->params[i].name,
                    type_text(arena, s->params[i].type));
        break;
    case STMT_FN:
        fprintf(out, "fn     %s", s->name);
        print_list(arena, out, s->params, s->param_count);
        fprintf(out, "\n");
        break;
    case STMT_NET:
    case STMT_OPTIMISER:
        fprintf(out, "%s %s", s->kind == STMT_NET ? "net   " : "rule  ", s->name);
        if (s->has_config) print_list(arena, out, s->config, s->config_count);
        if (s->has_params) print_list(arena, out, s->params, s->param_count);
        fprintf(out, "\n");
        break;
    case STMT_LOSS:
        if (s->value->type)
            fprintf(out, "loss   %s%s%s\n", s->name ? s->name : "", s->name ? " : " : "",
                    type_text(arena, s->value->type));
        break;
    case STMT_GIVE:
        if (s->value->type)
            fprintf(out, "give   %s : %s\n", s->name, type_text(arena, s->value->type));
        break;
    case STMT_START:
        fprintf(out, "start  %s from \"%s\"\n", s->name, s->value->text);
        break;
    case STMT_STAGE:
        fprintf(out, "stage  %s\n", s->name);
        break;
    case STMT_EVAL:
    case STMT_EVERY:
        for (int i = 0; i < s->body_count; i++)
            if (s->body[i]->kind == STMT_REPORT && s->body[i]->value->type)
                fprintf(out, "report %s : %s\n", s->body[i]->name,
                        type_text(arena, s->body[i]->value->type));
        break;
    case STMT_WHEN:
        for (int i = 0; i < s->body_count; i++)
            print_stmt(arena, out, s->body[i]);
        for (int i = 0; i < s->otherwise_count; i++)
            print_stmt(arena, out, s->otherwise[i]);
        break;
    case STMT_USE:
    case STMT_UPDATE:
    case STMT_EMA:
    case STMT_RETURN:
    case STMT_NEXT:
    case STMT_TRAIN:
    case STMT_OVER:
    case STMT_REPORT:
        break;
    }
}

void check_print(const Method *method, FILE *out) {
    Arena *arena = arena_new();
    for (int i = 0; i < method->spec->stmt_count; i++)
        print_stmt(arena, out, method->spec->stmts[i]);
    arena_free(arena);
}
