/* Lets Ctrl-C end a process while kernels are compiled, for which LLVM would otherwise need
 * seconds. A thread waits for the signal, puts away what lies on the disk, and ends the process at
 * once.
 *
 * Nothing of the compiler is freed on the way, since other threads still use it. The handler only
 * posts a semaphore, because a handler may do no more. */
#include "compiler/driver/watch.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* The watch. A signal is sent to the process, so a process has one watch. */
static struct {
    pthread_t thread;
    sem_t came; /* posted by a signal, or at the end of the watch */
    volatile sig_atomic_t number;
    struct sigaction before[2];
    void (*leave)(void *context);
    void *context;
} watch;

static const int watched[2] = {SIGINT, SIGTERM};

/* Notes a signal. Any thread may receive it, because libraries of devices have threads of their
 * own. */
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
    /* Exit would free memory that the compiler's threads still use. */
    _exit(128 + (int)watch.number);
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
