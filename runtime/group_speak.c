/* Holds back the standard error of a rank that does not speak, in a stream in memory. So whatever
 * any part of the program reports there is available when the rank fails. */
#include "runtime/group_speak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The stream that holds back this process's standard error, and the standard error from before. */
static struct {
    FILE *stream;
    FILE *before;
    char *text;
    size_t length;
} held;

void couplet_group_hush(CoupletGroup *g) {
    if (g->rank == 0 || held.stream) return;
    held.stream = open_memstream(&held.text, &held.length);
    if (!held.stream) return;
    held.before = stderr;
    stderr = held.stream;
    if (!freopen("/dev/null", "w", stdout)) fclose(stdout);
}

/* Returns the held text, without line feeds at its end. NULL: there is none. */
static char *take_held(void) {
    if (!held.stream) return NULL;
    stderr = held.before;
    fclose(held.stream);
    held.stream = NULL;
    while (held.length > 0 && held.text[held.length - 1] == '\n')
        held.text[--held.length] = 0;
    return held.text;
}

/* Returns the held text without the command's name at its start, as in "couplet train: error[E607]:
 * ..". If the text begins with a place in a file, only the line of the message is kept: the lines
 * below show the file of this rank. */
static const char *sentence_of(char *text) {
    const char *code = strstr(text, ": error[");
    const char *colon = strchr(text, ':');
    if (code && code == colon) return code + 2;
    if (code) text[strcspn(text, "\n")] = 0;
    return text;
}

bool couplet_group_speaks(const CoupletGroup *g) {
    return g->ranks == 1 || couplet_group_lost(g) != g->rank;
}

int couplet_group_leave(CoupletGroup *g, int status) {
    const bool failed = status != 0 && status < 128;
    char *text = take_held();
    if (g->ranks == 1) return status;
    if (failed) couplet_group_fail(g, text && *text ? sentence_of(text) : "it ended with an error");
    if (failed && g->rank == 1 && couplet_group_lost(g) == 0)
        fprintf(stderr, "%s\n", text && *text ? text : g->fault);
    /* The launcher ends the other ranks as soon as one ends with an error, so rank 0 gets some
     * time. */
    if (failed && g->rank != 0) nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    couplet_group_close(g);
    free(text);
    return status;
}
