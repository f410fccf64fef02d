/* The thread of a group. It moves transfers on while the caller computes, and checks whether the
 * other ranks live.
 *
 * Rank r sends a beat to the ranks r + 1, r + 2, r + 4 and so on, and receives beats from r - 1, r
 * - 2, r - 4 and so on. With n ranks each so has log2(n) neighbours. A failure that one rank knows
 * of has reached all after log2(n) hops, also around ranks that are gone.
 *
 * A rank is lost if its process has ended (on the same machine), or if its beats stay away for the
 * group's patience. After a signal to end, the patience with ranks of other machines is short: when
 * a rank dies, the launcher sends a signal to all others and kills them soon after. On the same
 * machine the system says which process has ended, so a busy machine is not mistaken for a loss. */
#include "runtime/group_inside.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    /* The nanoseconds between two looks, while transfers are under way and while there are none. */
    BUSY_NAP = 100 * 1000,
    IDLE_NAP = 10 * 1000 * 1000,
    HEAD_BYTES = offsetof(CoupletBeat, sentence),
    /* A process that has ended may have sent a last beat, of a failure, say. So it counts as lost
     * when so many looks have found that it ended, each behind an attempt to receive. */
    ENDED_LOOKS = 5,
};

/* beat_seconds is the time between two beats. The patience with other machines is alarm_patience
 * after a signal; that of all is farewell_patience while the group is being left. A thread that has
 * not run for asleep_seconds counts no neighbour as lost for trust_seconds. */
static const double beat_seconds = 0.1, alarm_patience = 0.5, farewell_patience = 2,
                    asleep_seconds = 1, trust_seconds = 1.5;

/* The state of the watching thread, beside the group. */
typedef struct Watch {
    CoupletGroup *group;
    double now, looked;  /* `looked` is when processes were last checked */
    double trusts_until; /* until then no neighbour counts as lost */
    double alarmed;      /* when the patience after a signal to end began; 0: there was none */
    double ending_since; /* when the group began to be left; 0: it is not being left */
    char why[COUPLET_TRANSPORT_ERROR_BYTES];
} Watch;

/* Notes that a rank is lost. The sentence is its name and then `format`, with `seconds` in it. */
static void lose(Watch *w, int rank, const char *format, double seconds) {
    char who[160];
    char what[300];
    char whole[COUPLET_GROUP_SENTENCE_BYTES];
    couplet_group_rank_text(w->group, rank, who, sizeof who);
    snprintf(what, sizeof what, format, seconds);
    snprintf(whole, sizeof whole, "%s %s", who, what);
    couplet_group_note(w->group, COUPLET_BEAT_LOST, rank, whole);
}

/* ---- beats ----------------------------------------------------------------------------------- */

/* True if a transport has begun the transfer and has not been told to end it. */
static bool is_begun(const CoupletTransfer *t) {
    return t->words[0] | t->words[1] | t->words[2] | t->words[3];
}

static bool is_idle(CoupletGroupInside *in, CoupletTransfer *t, Watch *w) {
    bool is_done = true;
    if (!is_begun(t)) return true;
    return !in->transport->done(in->link, t, &is_done, w->why) || is_done;
}

static bool ends_all(int kind) {
    return kind == COUPLET_BEAT_FAILED || kind == COUPLET_BEAT_LOST;
}

/* Chooses the next beat for a neighbour. Returns false if none is due. */
static bool next_beat(Watch *w, CoupletNeighbour *n) {
    CoupletGroupInside *in = w->group->inside;
    if (n->knows_failure || n->told_leave) return false;
    if (atomic_load(&in->failed)) {
        n->out = in->first;
        n->knows_failure = true;
        return true;
    }
    n->out.kind = in->ending ? COUPLET_BEAT_LEAVES : COUPLET_BEAT_LIVES;
    n->told_leave = in->ending;
    return in->ending || w->now - n->sent >= beat_seconds;
}

static void send_beat(Watch *w, CoupletNeighbour *n) {
    CoupletGroupInside *in = w->group->inside;
    if (!is_idle(in, &n->sending, w) || !next_beat(w, n)) return;
    n->sent = w->now;
    n->out.culprit = ends_all(n->out.kind) ? in->first.culprit : -1;
    const int64_t bytes = ends_all(n->out.kind) ? sizeof n->out : HEAD_BYTES;
    /* A neighbour that cannot be reached is no failure here: other ranks miss its beats, or it
     * misses those of this rank. */
    if (!in->transport->send(in->link, n->to, COUPLET_TAG_BEAT, &n->out, bytes, &n->sending,
                             w->why))
        n->sending = (CoupletTransfer){{0}};
}

/* Starts to receive the next beat of a neighbour. */
static bool listen(Watch *w, CoupletNeighbour *n) {
    CoupletGroupInside *in = w->group->inside;
    return in->transport->receive(in->link, n->from, COUPLET_TAG_BEAT, &n->in, sizeof n->in,
                                  &n->receiving, w->why);
}

/* Takes the beats of a neighbour that have arrived. */
static void hear_neighbour(Watch *w, CoupletNeighbour *n) {
    CoupletGroupInside *in = w->group->inside;
    while (!n->has_left && is_idle(in, &n->receiving, w)) {
        n->heard = w->now;
        n->has_left = n->in.kind != COUPLET_BEAT_LIVES;
        if (ends_all(n->in.kind))
            couplet_group_note(w->group, (CoupletBeatKind)n->in.kind, n->in.culprit,
                               n->in.sentence);
        if (n->has_left || listen(w, n)) continue;
        n->has_left = true;
        lose(w, n->from, "cannot be reached", 0);
    }
}

/* ---- the lost -------------------------------------------------------------------------------- */

/* True if a process has ended and its parent, the launcher, has not waited for it yet. False where
 * the system does not say. */
static bool is_zombie(int64_t process) {
    char path[64];
    char line[512];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)process);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    const size_t bytes = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[bytes] = 0;
    /* `4711 (NAME) S ..`; a name may hold parentheses */
    const char *end = strrchr(line, ')');
    return end && end[1] == ' ' && (end[2] == 'Z' || end[2] == 'X');
}

/* True if this rank and another can see each other's processes. */
static bool is_near(const CoupletGroup *g, int rank) {
    const CoupletRankName *names = g->inside->names;
    return names[rank].process > 0 && names[rank].machine == names[g->rank].machine;
}

/* True if the process of a rank on this machine has ended. */
static bool has_ended(const CoupletGroup *g, int rank, double silence) {
    const int64_t process = g->inside->names[rank].process;
    if (kill((pid_t)process, 0) != 0 && errno == ESRCH) return true;
    return silence > 3 * beat_seconds && is_zombie(process);
}

/* Notes a neighbour as lost if its process has ended, or if its beats have stayed away for too
 * long. */
static void miss(Watch *w, CoupletNeighbour *n) {
    const CoupletGroupInside *in = w->group->inside;
    const double silence = w->now - n->heard;
    const bool near = is_near(w->group, n->from);
    if (n->has_left) return;
    if (near && has_ended(w->group, n->from, silence)) n->ended_looks++;
    if (n->ended_looks >= ENDED_LOOKS)
        lose(w, n->from,
             "ended in the middle of the run: it crashed, or was killed, perhaps for want of "
             "memory",
             0);
    else if (!near && w->alarmed > 0 && n->heard < w->alarmed &&
             w->now - w->alarmed > alarm_patience)
        lose(w, n->from,
             "was not heard of for %.3g seconds after a signal to end: its process or its machine "
             "has ended, or is too busy to answer",
             alarm_patience);
    else if (silence > in->patience)
        lose(
            w, n->from,
            "was not heard of for %.3g seconds: it is stopped, its machine is down, or the network "
            "to it is cut",
            in->patience);
}

/* Is called if this thread itself has not run for long, as after its process was stopped. For a
 * while no neighbour then counts as lost. The others may have been stopped as well, or they have
 * ended and their message is still to be received. */
static void allow_for_sleep(Watch *w, double before) {
    CoupletGroupInside *in = w->group->inside;
    const double slept = w->now - before;
    if (w->alarmed > 0 && slept > alarm_patience / 4) w->alarmed = w->now;
    if (slept < asleep_seconds && slept < in->patience / 4) return;
    w->trusts_until = w->now + trust_seconds;
    for (int i = 0; i < in->neighbour_count; i++)
        in->neighbours[i].heard = w->now;
}

static void miss_all(Watch *w) {
    CoupletGroupInside *in = w->group->inside;
    const volatile sig_atomic_t *signalled = in->signalled;
    if (signalled && *signalled && w->alarmed == 0) w->alarmed = w->now;
    if (w->now - w->looked < 0.02 || w->now < w->trusts_until) return;
    w->looked = w->now;
    for (int i = 0; i < in->neighbour_count && !atomic_load(&in->failed); i++)
        miss(w, &in->neighbours[i]);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* True if this rank may go: the neighbours know that it leaves and leave too or, after a failure,
 * know of the failure. The rank that caused the failure does not count. */
static bool has_parted(Watch *w) {
    CoupletGroupInside *in = w->group->inside;
    const bool failed = atomic_load(&in->failed);
    for (int i = 0; i < in->neighbour_count; i++) {
        CoupletNeighbour *n = &in->neighbours[i];
        if (failed && n->to == in->first.culprit) continue;
        if (!(n->told_leave || n->knows_failure) || !is_idle(in, &n->sending, w)) return false;
        if (!failed && !n->has_left) return false;
    }
    return true;
}

/* True if nothing is left to do: the group is being left, and the neighbours know of it and have
 * answered, or do not answer. */
static bool is_finished(Watch *w) {
    CoupletGroupInside *in = w->group->inside;
    if (!in->ending) return false;
    if (w->ending_since == 0) w->ending_since = w->now;
    in->parted = has_parted(w);
    return in->parted || w->now - w->ending_since > farewell_patience;
}

static void nap(CoupletGroupInside *in) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += in->pending > 0 ? BUSY_NAP : IDLE_NAP;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&in->wake, &in->lock, &until);
}

static void *watch(void *argument) {
    Watch w = {.group = argument};
    CoupletGroupInside *in = w.group->inside;
    pthread_mutex_lock(&in->lock);
    w.now = couplet_group_now();
    do {
        const double before = w.now;
        w.now = couplet_group_now();
        allow_for_sleep(&w, before);
        for (int i = 0; i < in->neighbour_count; i++) {
            hear_neighbour(&w, &in->neighbours[i]);
            send_beat(&w, &in->neighbours[i]);
        }
        miss_all(&w);
        if (is_finished(&w)) break;
        nap(in);
    } while (true);
    pthread_mutex_unlock(&in->lock);
    return NULL;
}

static void find_neighbours(CoupletGroup *g) {
    CoupletGroupInside *in = g->inside;
    for (int step = 1; step < g->ranks; step *= 2)
        in->neighbours[in->neighbour_count++] =
            (CoupletNeighbour){.to = (g->rank + step) % g->ranks,
                               .from = (g->rank - step + g->ranks) % g->ranks,
                               .heard = couplet_group_now()};
}

bool couplet_group_watch_start(CoupletGroup *g) {
    CoupletGroupInside *in = g->inside;
    Watch w = {.group = g};
    sigset_t all;
    sigset_t before;
    find_neighbours(g);
    for (int i = 0; i < in->neighbour_count; i++)
        if (!listen(&w, &in->neighbours[i])) return false;
    /* The thread blocks all signals, so that they come to the caller's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    in->watches = pthread_create(&in->watcher, NULL, watch, g) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return in->watches;
}

/* Drops the beats that are still under way to neighbours. */
static void drop_beats(CoupletGroupInside *in) {
    for (int i = 0; i < in->neighbour_count; i++) {
        CoupletTransfer *both[] = {&in->neighbours[i].sending, &in->neighbours[i].receiving};
        for (int k = 0; k < 2; k++)
            if (is_begun(both[k])) in->transport->abandon(in->link, both[k]);
    }
}

bool couplet_group_watch_stop(CoupletGroup *g) {
    CoupletGroupInside *in = g->inside;
    if (!in->watches) return false;
    pthread_mutex_lock(&in->lock);
    in->ending = true;
    pthread_cond_signal(&in->wake);
    pthread_mutex_unlock(&in->lock);
    pthread_join(in->watcher, NULL);
    in->watches = false;
    drop_beats(in);
    return in->parted && !atomic_load(&in->failed);
}

void couplet_group_heed(CoupletGroup *g, const volatile sig_atomic_t *signalled) {
    if (!g->inside) return;
    pthread_mutex_lock(&g->inside->lock);
    g->inside->signalled = signalled;
    pthread_mutex_unlock(&g->inside->lock);
}
