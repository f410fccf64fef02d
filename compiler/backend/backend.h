/* A back end, as everything ahead of it sees it: a name, its demands on its kernels, and functions
 * that compile graphs for one kind of device and open such devices. A new one is a folder with such
 * a struct and a line in backend.c; the driver finds it by its name. The device itself is the
 * runtime's (runtime/device.h). */
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

/* Plans that a device can run. They live in the arena; backend_free frees the rest. */
typedef struct BackEndCode {
    const BackEnd *backend;
    CoupletPlan **plans; /* the plans, one for each graph */
    int kernel_count;
    void *own; /* what the back end itself must free */
} BackEndCode;

enum { ANY_DEVICE = -1 /* any device, which need not be present */ };

struct BackEnd {
    const char *name;     /* the word of --device and --emit */
    const char *sentence; /* the machine that the code runs on, for messages */
    /* True if the device is the cores of this machine. It then runs on threads of the caller. */
    bool is_host;
    /* The most devices that a name may number. The second device is `NAME:1`. 1: there is a single
     * device, without a number. */
    int most_devices;
    /* Returns the number of the device for one of several processes on this machine. Devices of the
     * first one's kind are dealt out in turn. NULL: all processes share a single device. */
    int (*deal)(int process);
    void (*print_devices)(FILE *out); /* Prints a line or more for each device of this machine. */
    PlanTarget (*target)(Arena *arena, int number);
    /* Compiles the graphs. Returns false on failure, with a sentence in *error, which lies in the
     * arena. */
    bool (*compile)(Arena *arena, const GraphList *list, int number, BackEndCode *out,
                    const char **error);
    void (*free)(BackEndCode *code); /* Frees what lies outside the arena. NULL: nothing does. */
    /* Opens a device. `threads` are those of a host. Returns NULL with a sentence in `error`. */
    CoupletDevice *(*open)(Arena *arena, int number, CoupletThreads *threads, char *error,
                           size_t error_bytes);
    /* True if the code was there from an earlier run, so that nothing was built. */
    bool (*was_cached)(const BackEndCode *code, const CoupletDevice *device);
    /* Writes the kernels as text for readers, for any device of its kind. NULL: the back end has no
     * text. */
    bool (*write)(Arena *arena, const GraphList *list, const char *name, const char *path,
                  const char **text, int *kernel_count, const char **error);
    const char *suffix; /* the suffix of a file with that text; NULL: there is no text */
};

extern const BackEnd cpu_backend, opencl_backend;

/* Returns all back ends. The first one is used if the user names none. */
const BackEnd *const *backends(int *count);
/* Returns NULL if there is no back end of that name. */
const BackEnd *backend_find(const char *name);
/* Frees the code. Code that is all zeros may be freed, too. */
void backend_free(BackEndCode *code);

#endif
