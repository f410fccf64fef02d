/* Starts the python3 on PATH with the script of `couplet verify`, and talks to it over two pipes, a
 * line at a time. Python is not linked. The arrays lie in files, in a folder of their own. */
#include "compiler/driver/peer.h"

#include "compiler/driver/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern const char verify_script[]; /* the text of verify.py */

struct Peer {
    pid_t process;
    FILE *to;
    FILE *from;
    char *line;
    size_t room;
};

/* Makes two pipes. Their ends close when a program is started, so a child has only the duplicates
 * that it is given. Returns false, with errno set, if there are no pipes. */
static bool make_pipes(int to[2], int from[2]) {
    if (pipe2(to, O_CLOEXEC) != 0) return false;
    if (pipe2(from, O_CLOEXEC) == 0) return true;
    close(to[0]);
    close(to[1]);
    return false;
}

static int spawn(Peer *p, const char *argument, int to[2], int from[2]) {
    const char *const words[] = {"python3", "-c", verify_script, argument, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    const int failed = posix_spawnp(&p->process, words[0], &actions, NULL,
                                    (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

Peer *peer_start(Arena *arena, const char *argument) {
    int to[2];
    int from[2];
    if (!make_pipes(to, from)) {
        report(CODE_OTHER_PROGRAM, "no pipe to python3: %s", strerror(errno));
        return NULL;
    }
    Peer *p = arena_new_of(arena, Peer);
    const int failed = spawn(p, argument, to, from);
    close(to[0]);
    close(from[1]);
    if (failed) {
        close(to[1]);
        close(from[0]);
        report(CODE_OTHER_PROGRAM, "python3 cannot be started: %s", strerror(failed));
        return NULL;
    }
    p->to = fdopen(to[1], "w");
    p->from = fdopen(from[0], "r");
    return p;
}

const char *peer_ask(Peer *p, const char *line) {
    if (!p->to || !p->from) return NULL;
    fprintf(p->to, "%s\n", line);
    if (fflush(p->to) != 0 && errno != EPIPE) return NULL;
    return getline(&p->line, &p->room, p->from) > 0 ? p->line : NULL;
}

void peer_end(Peer *p) {
    if (!p) return;
    if (p->to) fclose(p->to);
    if (p->from) fclose(p->from);
    free(p->line);
    int status;
    while (waitpid(p->process, &status, 0) < 0 && errno == EINTR) {
    }
}

void peer_remove_folder(const char *path) {
    DIR *open = opendir(path);
    for (struct dirent *entry; open && (entry = readdir(open));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(open), entry->d_name, 0);
    if (open) closedir(open);
    rmdir(path);
}
