/* Lets Ctrl-C end a process while kernels are compiled, which LLVM would otherwise hold up for
 * seconds. A thread waits for the signal, puts away what lies on the disk, and ends the process
 * at once.
 *
 * Nothing of the compiler is freed on the way, since other threads still use it. The handler
 * itself only posts a semaphore, which is all that a handler may do. */
#include "compiler/driver/watch.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A signal comes to the process, so there is one watch of it. */
static struct {
    pthread_t thread;
    sem_t came; /* a signal, or the end of the watch */
    volatile sig_atomic_t number;
    struct sigaction before[2];
    void (*leave)(void *context);
    void *context;
} watch;

static const int watched[2] = {SIGINT, SIGTERM};

/* May come to any thread: the libraries of devices have threads of their own. */
static void note_signal(int number) {
    if (!watch.number) watch.number = number;
    sem_post(&watch.came);
}

static void *wait_for_signal(void *context) {
    (void)context;
    while (sem_wait(&watch.came) != 0) {
    }
    if (!watch.number) return NULL;
    watch.leave(watch.context);
    fflush(stdout);
    _exit(128 + (int)watch.number); /* exit would free what the compiler's threads still use */
}

bool watch_begin(void (*leave)(void *context), void *context) {
    watch.number = 0;
    watch.leave = leave;
    watch.context = context;
    if (sem_init(&watch.came, 0, 0) != 0) return false;
    if (pthread_create(&watch.thread, NULL, wait_for_signal, NULL) != 0) return false;
    struct sigaction action = {.sa_handler = note_signal};
    for (int i = 0; i < 2; i++)
        sigaction(watched[i], &action, &watch.before[i]);
    return true;
}

void watch_end(void) {
    for (int i = 0; i < 2; i++)
        sigaction(watched[i], &watch.before[i], NULL);
    sem_post(&watch.came);
    pthread_join(watch.thread, NULL);
    sem_destroy(&watch.came);
}
