/* Finds readers by name: those of the runtime itself, and those in modules, which are loaded when a
 * source first names them, and stay. */
#include "runtime/data/reader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READER_INSIDE(name) extern const CoupletReader couplet_reader_##name;
#include "runtime/data/readers.def"

/* ends with NULL, since there may be no row */
static const CoupletReader *const inside[] = {
#define READER_INSIDE(name) &couplet_reader_##name,
#include "runtime/data/readers.def"
    NULL};

typedef struct Row {
    const char *name;
    const char *module;
} Row;

static const Row rows[] = {
#define READER(name, module, first, summary) {#name, module},
#include "runtime/data/readers.def"
};

typedef struct Module {
    const char *name;
    const char *packages;
} Module;

static const Module modules[] = {
#define READER_MODULE(module, packages) {#module, packages},
#include "runtime/data/readers.def"
};

static const char *built_beside; /* set by couplet_reader_modules_at */

void couplet_reader_modules_at(const char *folder) {
    built_beside = folder;
}

static const char *packages_of(const char *module) {
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i].name, module) == 0) return modules[i].packages;
    return "";
}

/* ---- where modules lie ----------------------------------------------------------------------- */

/* A function that is given folder after folder until it returns true. */
typedef bool Visit(void *context, const char *folder);

/* Visits the places beside a program or libcouplet.so, in a build folder and in an installation. */
static bool visit_beside(const char *file, Visit *visit, void *context) {
    static const char *const places[] = {"", "/runtime", "/couplet", "/../lib/couplet",
                                         "/../" COUPLET_LIBRARIES "/couplet"};
    const char *slash = strrchr(file, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char folder[COUPLET_PATH_BYTES];
        const int length =
            snprintf(folder, sizeof folder, "%.*s%s", (int)(slash - file), file, places[i]);
        if (length < (int)sizeof folder && visit(context, folder)) return true;
    }
    return false;
}

/* Visits the folders where modules may lie until a visit returns true: that of COUPLET_MODULES,
 * those beside the program and the library, and that of the build. */
static bool visit_folders(Visit *visit, void *context) {
    const char *set = getenv("COUPLET_MODULES");
    if (set && *set && visit(context, set)) return true;
    char program[COUPLET_PATH_BYTES];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    if (visit_beside(program, visit, context)) return true;
    Dl_info here; /* the program again, or libcouplet.so */
    if (dladdr((void *)(uintptr_t)&built_beside, &here) && here.dli_fname &&
        visit_beside(here.dli_fname, visit, context))
        return true;
    return built_beside && visit(context, built_beside);
}

typedef struct Search {
    const char *module;
    const char *symbol;
    bool found;   /* true if there is a file of this name */
    void *result; /* the symbol in the file */
    char *error;
    size_t error_bytes;
} Search;

/* Loads the module from a folder, if it is there. Returns true if it was, even if it cannot be
 * loaded. */
static bool try_folder(void *context, const char *folder) {
    Search *s = context;
    char path[COUPLET_PATH_BYTES];
    const int length = snprintf(path, sizeof path, "%s/libcouplet_%s.so", folder, s->module);
    if (length >= (int)sizeof path || access(path, R_OK) != 0) return false;
    s->found = true;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        snprintf(s->error, s->error_bytes, "the module %s cannot be loaded (%s)", path, dlerror());
        return true;
    }
    s->result = dlsym(object, s->symbol);
    if (!s->result)
        snprintf(s->error, s->error_bytes,
                 "%s: this module is of another version of Couplet: install both from one version",
                 path);
    return true;
}

void *couplet_module_find(const char *module, const char *symbol, const char *what, char *error,
                          size_t error_bytes) {
    Search search = {
        .module = module, .symbol = symbol, .error = error, .error_bytes = error_bytes};
    visit_folders(try_folder, &search);
    if (search.found) return search.result;
    snprintf(error, error_bytes,
             "%s in the module libcouplet_%s.so, which is not beside this program. It is built "
             "where Debian's packages %s are installed; COUPLET_MODULES can "
             "name its folder",
             what, module, packages_of(module));
    return NULL;
}

static const CoupletReader *find_in_module(const char *module, const char *reader, char *error,
                                           size_t error_bytes) {
    char what[64];
    snprintf(what, sizeof what, "data.%.48s is", reader);
    union {
        void *symbol;
        CoupletReaderModule *call;
        /* ISO C has no cast between these two types */
    } give = {couplet_module_find(module, "couplet_reader_module", what, error, error_bytes)};
    if (!give.symbol) return NULL;
    const CoupletReader *found = give.call(reader, COUPLET_READER_VERSION);
    if (!found)
        snprintf(
            error, error_bytes,
            "libcouplet_%s.so is a module of another version of Couplet, or has no reader `%s`",
            module, reader);
    return found;
}

static const char *module_of(const char *reader) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, reader) == 0) return rows[i].module;
    return "";
}

typedef struct Place {
    const char *module;
    char *out;
} Place;

static bool note_folder(void *context, const char *folder) {
    const Place *p = context;
    char path[COUPLET_PATH_BYTES];
    char error[256];
    const int length = snprintf(path, sizeof path, "%s/libcouplet_%s.so", folder, p->module);
    return length < (int)sizeof path && access(path, R_OK) == 0 &&
           couplet_path_absolute(folder, p->out, error, sizeof error);
}

bool couplet_reader_folder(const char *name, char *out) {
    Place place = {module_of(name), out};
    return *place.module && visit_folders(note_folder, &place);
}

/* ---- by name --------------------------------------------------------------------------------- */

static void say_unknown(const char *name, char *error, size_t error_bytes) {
    int at = snprintf(error, error_bytes, "there is no data reader `%s`; there are", name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && at >= 0 && (size_t)at < error_bytes; i++)
        at += snprintf(error + at, error_bytes - (size_t)at, "%s %s", i ? "," : "", rows[i].name);
}

const CoupletReader *couplet_reader_find(const char *name, char *error, size_t error_bytes) {
    for (int i = 0; inside[i]; i++)
        if (strcmp(inside[i]->name, name) == 0) return inside[i];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        if (*rows[i].module) return find_in_module(rows[i].module, name, error, error_bytes);
        snprintf(error, error_bytes, "the data reader `%s` is not part of this version of Couplet",
                 name);
        return NULL;
    }
    say_unknown(name, error, error_bytes);
    return NULL;
}
