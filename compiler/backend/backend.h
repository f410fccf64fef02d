/* A back end, as everything ahead of it sees it: a name, what it asks of its kernels, and what
 * becomes of graphs on one kind of device. A new one is a folder with such a struct and a line in
 * backend.c; the driver finds it by its name. The device itself is the runtime's
 * (runtime/device.h). */
#ifndef COUPLET_COMPILER_BACKEND_H
#define COUPLET_COMPILER_BACKEND_H

#include "compiler/plan/kernel.h"
#include "runtime/device.h"

#include <stdio.h>

typedef struct BackEnd BackEnd;

/* The graphs that are compiled together: equal kernels are shared, and states are numbered as in
 * `states`. */
typedef struct GraphList {
    Graph *const *graphs;
    int count;
    const ProgramState *states;
    int state_count;
} GraphList;

/* Plans that a device can run. They live in the arena; backend_free gives back the rest. */
typedef struct BackEndCode {
    const BackEnd *backend;
    CoupletPlan **plans; /* the plan of each graph */
    int kernel_count;
    void *own; /* memory of the back end's own */
} BackEndCode;

enum { ANY_DEVICE = -1 /* the number of a device that need not be here */ };

struct BackEnd {
    const char *name;     /* the word of --device and --emit */
    const char *sentence; /* the machine that it runs on, for messages */
    bool is_host;         /* the device is the cores of this machine, on threads of the caller */
    int most_devices;     /* `NAME:1` is the second; 1: there is one, without a number */
    /* The number of the device that one of several processes of this machine takes; NULL: all take
     * the one that there is. Devices like the first are dealt out in turn. */
    int (*deal)(int process);
    void (*print_devices)(FILE *out); /* a line or more for each device of this machine */
    PlanTarget (*target)(Arena *arena, int number);
    /* False, with a sentence in *error (in the arena), on failure. */
    bool (*compile)(Arena *arena, const GraphList *list, int number, BackEndCode *out,
                    const char **error);
    void (*free)(BackEndCode *code); /* NULL: all of it is in the arena */
    /* NULL with a sentence in `error`. `threads` are those of a host. */
    CoupletDevice *(*open)(Arena *arena, int number, CoupletThreads *threads, char *error,
                           size_t error_bytes);
    /* True if nothing had to be built: the code was there from an earlier run. */
    bool (*was_cached)(const BackEndCode *code, const CoupletDevice *device);
    /* The kernels as text for readers, made for any device of its kind; NULL: it has none. */
    bool (*write)(Arena *arena, const GraphList *list, const char *name, const char *path,
                  const char **text, int *kernel_count, const char **error);
    const char *suffix; /* the suffix of a file with that text */
};

extern const BackEnd cpu_backend, opencl_backend;

/* Returns all back ends. The first one is meant where none is named. */
const BackEnd *const *backends(int *count);
const BackEnd *backend_find(const char *name); /* NULL: there is none of that name */
/* Frees the code; code that is all zeros is freed, too. */
void backend_free(BackEndCode *code);

#endif
