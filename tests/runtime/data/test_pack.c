/* Packed copies of a made-up source have the same bytes on any number of threads, and are whole or
 * absent, whatever goes wrong while they are made. */
#include "runtime/data/copies.h"
#include "runtime/data/pack.h"
#include "runtime/data/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIDE = 3, WIDTH = 5, CLASSES = 3, MOST_BAD = 8, CANNOT = 77 };

/* ---- a source whose rows are formulas -------------------------------------------------------- */

typedef struct Source {
    int64_t bad[MOST_BAD];
    int bad_count;
    long wait_us; /* the microseconds that each row takes */
} Source;

/* The number of rows that were read, in memory that is shared with child processes. */
static _Atomic long *reads;
static char cache[64], error[4096], heard[4096];
static int heard_lines;

static bool is_bad(const Source *s, int64_t row) {
    for (int i = 0; i < s->bad_count; i++)
        if (s->bad[i] == row) return true;
    return false;
}

static void fill_row(int64_t row, uint8_t *picture, int32_t *label, float *wave) {
    for (int i = 0; i < SIDE * SIDE; i++)
        picture[i] = (uint8_t)(row * 7 + i);
    *label = (int32_t)(row % CLASSES);
    for (int i = 0; i < WIDTH; i++)
        wave[i] = (float)row + 0.25f * (float)i;
}

static bool read_row(const CoupletTable *table, int64_t row, void *const *fields, char *said,
                     size_t bytes) {
    const Source *s = table->state;
    const struct timespec pause = {s->wait_us / 1000000, s->wait_us % 1000000 * 1000};
    atomic_fetch_add(reads, 1);
    if (s->wait_us) nanosleep(&pause, NULL);
    /* The bytes that a failing reader has written must not be in the copy. */
    memset(fields[0], 0xee, SIDE * SIDE);
    if (!is_bad(s, row)) {
        fill_row(row, fields[0], fields[1], fields[2]);
        return true;
    }
    snprintf(said, bytes, "made-up/%lld.jpg: ends\nhalf-way", (long long)row);
    return false;
}

static const CoupletReader made_up = {.name = "made_up", .read = read_row};

static CoupletTable open_made_up(Source *source, int64_t rows, uint64_t key) {
    CoupletTable t = {.name = "made-up",
                      .path = "/made-up",
                      .reader = &made_up,
                      .held = rows,
                      .count = rows,
                      .key = key,
                      .asked = 0xabc,
                      .state = source};
    assert_non_null(couplet_table_add(&t, "image", COUPLET_U8, 2, (const int64_t[]){SIDE, SIDE}));
    CoupletField *label = couplet_table_add(&t, "label", COUPLET_I32, 0, NULL);
    assert_true(label &&
                couplet_field_classes(label, (const char *const[]){"cat", "dog", "it's \"other\""},
                                      CLASSES));
    assert_non_null(couplet_table_add(&t, "wave", COUPLET_F32, 1, (const int64_t[]){WIDTH}));
    return t;
}

static void hear(void *context, const char *sentence) {
    (void)context;
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%s\n", sentence);
    heard_lines++;
}

static CoupletLoading loading(int threads, int64_t skip_bad) {
    heard[0] = 0;
    heard_lines = 0;
    error[0] = 0;
    return (CoupletLoading){.threads = threads, .skip_bad = skip_bad, .cache = cache};
}

static void check_rows(const CoupletTable *t) {
    for (int f = 0; f < t->field_count; f++)
        assert_int_equal((uintptr_t)t->columns[f] % 64, 0);
    for (int64_t i = 0; i < t->count; i++) {
        const int64_t row = couplet_table_origin(t, i);
        uint8_t picture[SIDE * SIDE];
        int32_t label;
        float wave[WIDTH];
        fill_row(row, picture, &label, wave);
        assert_memory_equal((const uint8_t *)t->columns[0] + row * SIDE * SIDE, picture,
                            sizeof picture);
        assert_int_equal(((const int32_t *)t->columns[1])[row], label);
        assert_memory_equal((const float *)t->columns[2] + row * WIDTH, wave, sizeof wave);
    }
}

static int files_in_cache(const char *end) {
    int count = 0;
    DIR *folder = opendir(cache);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        const size_t length = strlen(e->d_name);
        const size_t tail = strlen(end);
        if (e->d_name[0] != '.' && length >= tail && strcmp(e->d_name + length - tail, end) == 0)
            count++;
    }
    if (folder) closedir(folder);
    return count;
}

static int make_cache(void **state) {
    (void)state;
    strcpy(cache, "/tmp/couplet_pack_XXXXXX");
    if (!reads)
        reads =
            mmap(NULL, sizeof *reads, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *reads = 0;
    return mkdtemp(cache) ? 0 : 1;
}

static int drop_cache(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", cache);
    return system(command);
}

/* ---- copies that are made and found ---------------------------------------------------------- */

static void any_number_of_threads(void **state) {
    (void)state;
    static const int64_t row_counts[] = {1, 2, 63, 1000, 70001};
    for (size_t c = 0; c < sizeof row_counts / sizeof *row_counts; c++) {
        const int64_t rows = row_counts[c];
        uint64_t hash = 0;
        for (int threads = 1; threads <= 5; threads += 2) {
            Source source = {.bad_count = 0};
            CoupletTable t = open_made_up(&source, rows, (uint64_t)(100 * rows + threads));
            const CoupletLoading l = loading(threads, 0);
            *reads = 0;
            if (!couplet_pack_load(&t, &l, error, sizeof error)) fail_msg("%s", error);
            assert_int_equal(*reads, rows);
            assert_int_equal(t.count, rows);
            assert_true(!t.origin && t.mapped && t.hash != 0);
            check_rows(&t);
            if (threads == 1)
                hash = t.hash;
            else
                assert_true(t.hash == hash);
            couplet_table_close(&t);
        }
    }
}

static void hash_tells_contents_apart(void **state) {
    (void)state;
    Source source = {.bad_count = 0};
    Source other = {.bad = {5}, .bad_count = 1};
    CoupletTable a = open_made_up(&source, 10, 1);
    CoupletTable b = open_made_up(&source, 11, 2);
    CoupletTable c = open_made_up(&other, 10, 3);
    const CoupletLoading l = loading(2, 1);
    assert_true(couplet_pack_load(&a, &l, error, sizeof error) &&
                couplet_pack_load(&b, &l, error, sizeof error) &&
                couplet_pack_load(&c, &l, error, sizeof error));
    assert_true(a.hash != b.hash && a.hash != c.hash && b.hash != c.hash);
    couplet_table_close(&a);
    couplet_table_close(&b);
    couplet_table_close(&c);
}

static void second_start_reads_nothing(void **state) {
    (void)state;
    uint64_t hash = 0;
    for (int start = 0; start < 2; start++) {
        Source source = {.bad_count = 0};
        CoupletTable t = open_made_up(&source, 500, 7);
        CoupletLoading l = loading(2, 0);
        l.said = hear;
        assert_true(couplet_pack_load(&t, &l, error, sizeof error));
        /* The size of the copy is said when the copy is made. */
        assert_int_equal(heard_lines, start == 0);
        assert_int_equal(*reads, 500);
        assert_true(start == 0 || t.hash == hash);
        hash = t.hash;
        check_rows(&t);
        const int32_t some[] = {0, 499, 3};
        couplet_table_prefetch(&t, some, 3);
        couplet_table_close(&t);
    }
    assert_int_equal(files_in_cache(""), 1);
}

static void changed_source_replaces_its_copy(void **state) {
    (void)state;
    for (uint64_t key = 1; key <= 3; key++) {
        Source source = {.bad_count = 0};
        CoupletTable t = open_made_up(&source, 20, key);
        CoupletTable other = open_made_up(&source, 20, key);
        const CoupletLoading l = loading(2, 0);
        /* This is another source. The copies of both sources stay, one for each. */
        other.asked = 0xdef0;
        assert_true(couplet_pack_load(&t, &l, error, sizeof error));
        if (key == 1) assert_true(couplet_pack_load(&other, &l, error, sizeof error));
        assert_int_equal(files_in_cache(""), 2);
        couplet_table_close(&t);
        couplet_table_close(&other);
    }
}

static void damaged_copies_are_made_anew(void **state) {
    (void)state;
    for (int damage = 0; damage <= 4; damage++) {
        Source source = {.bad_count = 0};
        CoupletTable t = open_made_up(&source, 40, 9);
        const CoupletLoading l = loading(2, 0);
        char path[COUPLET_PATH_BYTES];
        CoupletPackedCopy *copies;
        int count;
        *reads = 0;
        assert_true(couplet_pack_load(&t, &l, error, sizeof error));
        assert_int_equal(*reads, 40);
        check_rows(&t);
        couplet_table_close(&t);
        assert_true(couplet_copies_list(cache, &copies, &count));
        assert_int_equal(count, 1);
        strcpy(path, copies[0].path);
        free(copies);
        struct stat status;
        const int file = open(path, O_RDWR);
        assert_true(file >= 0 && fstat(file, &status) == 0);
        if (damage == 0) assert_int_equal(ftruncate(file, status.st_size - 1), 0);
        if (damage == 1) assert_int_equal(ftruncate(file, 0), 0);
        if (damage == 2)
            assert_int_equal(pwrite(file, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0), 8);
        if (damage == 3) assert_int_equal(pwrite(file, "{\"x\"", 4, 8), 4);
        close(file);
    }
}

/* A flipped bit among the values is found by a look through the copy. */
static void damaged_values_are_found(void **state) {
    (void)state;
    static const int64_t row_counts[] = {1, 40, 70001};
    for (size_t c = 0; c < sizeof row_counts / sizeof *row_counts; c++) {
        Source source = {.bad = {0}, .bad_count = row_counts[c] > 1};
        CoupletTable t = open_made_up(&source, row_counts[c], 77 + c);
        const CoupletLoading l = loading(3, 1);
        CoupletPackedCopy *copies;
        int count;
        assert_true(couplet_pack_load(&t, &l, error, sizeof error));
        assert_true(couplet_pack_check(&t, error, sizeof error));
        assert_true(couplet_copies_list(cache, &copies, &count));
        assert_int_equal(count, 1);
        const int file = open(copies[0].path, O_RDWR);
        uint64_t head;
        assert_int_equal(pread(file, &head, sizeof head, 0), sizeof head);
        const off_t place =
            (off_t)(8 + head) + ((const char *)t.columns[2] - (const char *)t.columns[0]) + 1;
        char byte;
        assert_int_equal(pread(file, &byte, 1, place), 1);
        byte ^= 4;
        assert_int_equal(pwrite(file, &byte, 1, place), 1);
        close(file);
        free(copies);
        assert_false(couplet_pack_check(&t, error, sizeof error));
        assert_non_null(strstr(error, "damaged"));
        couplet_table_close(&t);
    }
}

/* ---- rows that cannot be read ---------------------------------------------------------------- */

static void lowest_bad_row_is_named(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++)
        for (int again = 0; again < 5; again++) {
            Source source = {.bad = {900, 417, 905, 418, 650}, .bad_count = 5, .wait_us = again};
            CoupletTable t = open_made_up(&source, 1000, 3);
            const CoupletLoading l = loading(threads, 0);
            assert_false(couplet_pack_load(&t, &l, error, sizeof error));
            if (!strstr(error, "made-up/417.jpg: ends") || !strstr(error, "--skip-bad"))
                fail_msg("%d threads: %s", threads, error);
            assert_true(!t.columns && !t.origin && t.count == 1000);
            couplet_table_close(&t);
            assert_int_equal(files_in_cache(""), 0);
        }
}

static void more_bad_rows_than_allowed(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        Source source = {.bad = {900, 417, 905, 418, 650}, .bad_count = 5};
        CoupletTable t = open_made_up(&source, 1000, 3);
        const CoupletLoading l = loading(threads, 4);
        assert_false(couplet_pack_load(&t, &l, error, sizeof error));
        if (!strstr(error, "made-up/417.jpg: ends") || !strstr(error, "more than the 4"))
            fail_msg("%d threads: %s", threads, error);
        couplet_table_close(&t);
        assert_int_equal(files_in_cache(""), 0);
    }
}

static void bad_rows_are_left_out_and_listed(void **state) {
    (void)state;
    static const int64_t bad[] = {0, 417, 418, 999};
    for (int start = 0; start < 2; start++) { /* the second start reads the copy */
        Source source = {.bad = {417, 0, 999, 418}, .bad_count = 4};
        CoupletTable t = open_made_up(&source, 1000, 3);
        CoupletLoading l = loading(3, 4 + start);
        l.skipped = hear;
        if (!couplet_pack_load(&t, &l, error, sizeof error)) fail_msg("%s", error);
        assert_int_equal(*reads, 1000);
        assert_int_equal(t.count, 996);
        assert_int_equal(t.held, 1000);
        assert_string_equal(
            heard, "made-up/0.jpg: ends half-way\nmade-up/417.jpg: ends half-way\nmade-up/418.jpg: "
                   "ends half-way\nmade-up/999.jpg: ends half-way\n");
        check_rows(&t);
        for (int64_t i = 0, b = 0; i < t.count; i++) {
            while (b < 4 && bad[b] == i + b)
                b++;
            assert_int_equal(t.origin[i], i + b);
        }
        for (int b = 0; b < 4; b++)
            for (int i = 0; i < SIDE * SIDE; i++)
                assert_int_equal(((const uint8_t *)t.columns[0])[bad[b] * SIDE * SIDE + i], 0);
        couplet_table_close(&t);
    }
    Source source = {.bad = {417, 0, 999, 418}, .bad_count = 4};
    CoupletTable t = open_made_up(&source, 1000, 3);
    const CoupletLoading strict = loading(1, 3);
    assert_false(couplet_pack_load(&t, &strict, error, sizeof error));
    if (!strstr(error, "made-up/0.jpg: ends half-way") || !strstr(error, "--skip-bad 4"))
        fail_msg("%s", error);
    assert_true(!t.columns && !t.storage && !t.release && t.hash == 0);
    couplet_table_close(&t);
}

static void no_row_is_left(void **state) {
    (void)state;
    for (int start = 0; start < 2; start++) {
        Source source = {.bad = {0, 1}, .bad_count = 2};
        CoupletTable t = open_made_up(&source, 2, 3);
        const CoupletLoading l = loading(2, 100);
        assert_false(couplet_pack_load(&t, &l, error, sizeof error));
        assert_non_null(strstr(error, "none of its rows can be read"));
        couplet_table_close(&t);
    }
}

/* ---- processes ------------------------------------------------------------------------------- */

static void wait_for_rows(long count) {
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 60000 && *reads < count; i++)
        nanosleep(&pause, NULL);
    assert_true(*reads >= count);
}

/* Starts a child that packs `rows` rows of this key. Its exit status is 1 if that failed, 10 if it
 * said that it waits for another process, and otherwise 0. */
static pid_t pack_elsewhere(int64_t rows, uint64_t key, long wait_us) {
    const pid_t child = fork();
    if (child != 0) return child;
    Source source = {.wait_us = wait_us};
    CoupletTable t = open_made_up(&source, rows, key);
    CoupletLoading l = loading(2, 0);
    l.said = hear;
    const bool good = couplet_pack_load(&t, &l, error, sizeof error);
    _exit(!good ? 1 : strstr(heard, "is being packed by process") ? 10 : 0);
}

static int exit_status(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void killed_while_packing(void **state) {
    (void)state;
    const pid_t child = pack_elsewhere(1000, 5, 2000);
    const pid_t other = pack_elsewhere(1000, 6, 2000);
    wait_for_rows(100);
    kill(child, SIGKILL);
    kill(other, SIGKILL);
    assert_int_equal(exit_status(child), -1);
    assert_int_equal(exit_status(other), -1);
    assert_int_equal(files_in_cache(".partial"), 2);
    assert_int_equal(files_in_cache(".safetensors"), 0);
    Source source = {.bad_count = 0};
    CoupletTable t = open_made_up(&source, 1000, 5);
    const CoupletLoading l = loading(2, 0);
    assert_true(couplet_pack_load(&t, &l, error, sizeof error));
    check_rows(&t);
    couplet_table_close(&t);
    assert_int_equal(files_in_cache(""), 1); /* nothing is left of either partial copy */
}

static void two_processes_at_once(void **state) {
    (void)state;
    const pid_t first = pack_elsewhere(300, 5, 2000);
    wait_for_rows(1);
    const pid_t second = pack_elsewhere(300, 5, 2000);
    assert_int_equal(exit_status(first), 0);
    assert_int_equal(exit_status(second), 10); /* it said that it waits */
    assert_int_equal(*reads, 300);
    assert_int_equal(files_in_cache(""), 1);
}

static void maker_dies_while_another_waits(void **state) {
    (void)state;
    const pid_t first = pack_elsewhere(300, 5, 2000);
    wait_for_rows(1);
    const pid_t second = pack_elsewhere(300, 5, 0);
    const struct timespec pause = {0, 150000000};
    nanosleep(&pause, NULL);
    kill(first, SIGKILL);
    assert_int_equal(exit_status(first), -1);
    assert_int_equal(exit_status(second), 10);
    assert_int_equal(files_in_cache(""), 1);
}

static void stopped_by_a_signal(void **state) {
    (void)state;
    static volatile sig_atomic_t stop;
    Source source = {.bad_count = 0};
    CoupletTable t = open_made_up(&source, 100, 5);
    CoupletLoading l = loading(2, 0);
    stop = SIGINT;
    l.stop = &stop;
    assert_false(couplet_pack_load(&t, &l, error, sizeof error));
    assert_non_null(strstr(error, "stopped"));
    assert_int_equal(files_in_cache(""), 0);
    couplet_table_close(&t);
}

/* ---- disks ----------------------------------------------------------------------------------- */

static bool put_text(const char *path, const char *text) {
    const int file = open(path, O_WRONLY);
    const bool good = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) close(file);
    return good;
}

static bool own_disks(void) {
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %ld 1", (long)getuid());
    snprintf(groups, sizeof groups, "0 %ld 1", (long)getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    if (!put_text("/proc/self/setgroups", "deny") || !put_text("/proc/self/uid_map", users) ||
        !put_text("/proc/self/gid_map", groups))
        return false;
    return mount("none", cache, "tmpfs", 0, "size=256k") == 0;
}

/* Runs `work` in a process of its own, on a small disk of its own. Returns CANNOT if the system
 * allows none. */
static int on_a_small_disk(int (*work)(void)) {
    const pid_t child = fork();
    if (child == 0) {
        if (!own_disks()) _exit(CANNOT);
        _exit(work());
    }
    return exit_status(child);
}

static bool loads(int64_t rows, uint64_t key) {
    Source source = {.bad_count = 0};
    CoupletTable t = open_made_up(&source, rows, key);
    const CoupletLoading l = loading(2, 0);
    const bool good = couplet_pack_load(&t, &l, error, sizeof error);
    couplet_table_close(&t);
    return good;
}

/* Fills a disk of 256 kB. 100000 rows of 33 bytes need 3.3 MB, and 1000 rows fit. */
static int fill_disk(void) {
    if (loads(100000, 1)) return 1;
    if (!strstr(error, "3.3") || !strstr(error, "kB free") || *reads != 0) return 2;
    if (files_in_cache("") != 0) return 3;
    if (!loads(1000, 1)) return 4;
    return files_in_cache("") == 1 ? 0 : 5;
}

static int use_read_only_disk(void) {
    if (!loads(1000, 1)) return 1;
    if (mount(NULL, cache, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0) return CANNOT;
    if (!loads(1000, 1)) return 2;
    if (loads(1000, 2)) return 3;
    return strstr(error, "Read-only") && strstr(error, "COUPLET_CACHE") ? 0 : 4;
}

static void full_disk(void **state) {
    (void)state;
    const int status = on_a_small_disk(fill_disk);
    if (status == CANNOT) skip();
    assert_int_equal(status, 0);
}

static void read_only_disk(void **state) {
    (void)state;
    const int status = on_a_small_disk(use_read_only_disk);
    if (status == CANNOT) skip();
    assert_int_equal(status, 0);
}

static void limit_of_the_process(void **state) {
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {100000, 100000};
        setrlimit(RLIMIT_FSIZE, &limit);
        const bool large = loads(100000, 1);
        _exit(large || !strstr(error, "File too large") ? 1 : loads(1000, 1) ? 0 : 2);
    }
    assert_int_equal(exit_status(child), 0);
    assert_int_equal(files_in_cache(""), 1);
}

static void no_place(void **state) {
    (void)state;
    Source source = {.bad_count = 0};
    CoupletTable t = open_made_up(&source, 10, 1);
    CoupletLoading l = loading(2, 0);
    char path[128];
    snprintf(path, sizeof path, "%s/file", cache);
    assert_true(couplet_text_write(path, "x", error, sizeof error));
    strcat(path, "/data");
    l.cache = path;
    assert_false(couplet_pack_load(&t, &l, error, sizeof error));
    assert_non_null(strstr(error, "COUPLET_CACHE"));
    couplet_table_close(&t);
}

/* ---- the folder, and files for data.arrays --------------------------------------------------- */

static void copies_are_listed_and_removed(void **state) {
    (void)state;
    CoupletPackedCopy *copies;
    int count;
    assert_true(loads(50, 1));
    assert_true(couplet_copies_list(cache, &copies, &count));
    assert_int_equal(count, 1);
    assert_true(copies[0].whole && copies[0].rows == 50 && !copies[0].has_source);
    assert_string_equal(copies[0].source, "/made-up");
    assert_string_equal(copies[0].reader, "made_up");
    assert_true(couplet_copy_remove(&copies[0], error, sizeof error));
    free(copies);
    assert_int_equal(files_in_cache(""), 0);
    assert_true(couplet_copies_list("/nowhere", &copies, &count));
    assert_int_equal(count, 0);
}

/* A copy that nobody has read for sixty days is removed when another copy is made. Files of other
 * programs stay. */
static void old_copies_go(void **state) {
    (void)state;
    CoupletPackedCopy *copies;
    int count;
    char other[128];
    snprintf(other, sizeof other, "%s/notes.safetensors", cache);
    assert_true(couplet_text_write(other, "x", error, sizeof error));
    for (int days = 59; days <= 61; days += 2) {
        assert_true(loads(50, 1));
        assert_true(couplet_copies_list(cache, &copies, &count));
        const struct timespec then[2] = {{time(NULL) - days * 86400L, 0},
                                         {time(NULL) - days * 86400L, 0}};
        assert_int_equal(utimensat(AT_FDCWD, copies[0].path, then, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, other, then, 0), 0);
        free(copies);
        Source source = {.bad_count = 0};
        CoupletTable t = open_made_up(&source, 10, (uint64_t)days);
        t.asked = (uint64_t)days;
        const CoupletLoading l = loading(1, 0);
        assert_true(couplet_pack_load(&t, &l, error, sizeof error));
        couplet_table_close(&t);
        assert_int_equal(files_in_cache(""), 3);
    }
}

static void written_for_arrays(void **state) {
    (void)state;
    Source source = {.bad = {2, 7}, .bad_count = 2};
    CoupletTable t = open_made_up(&source, 10, 3);
    const CoupletLoading l = loading(2, 2);
    CoupletTensorFile file;
    char path[128];
    snprintf(path, sizeof path, "%s/out.safetensors", cache);
    assert_true(couplet_pack_load(&t, &l, error, sizeof error));
    if (!couplet_pack_write(&t, path, error, sizeof error)) fail_msg("%s", error);
    assert_true(couplet_tensors_read(path, &file, error, sizeof error));
    const CoupletTensorEntry *image = couplet_tensors_find(&file, "image");
    const CoupletTensorEntry *label = couplet_tensors_find(&file, "label");
    const CoupletTensorEntry *wave = couplet_tensors_find(&file, "wave");
    assert_true(image && label && wave);
    assert_int_equal(image->shape[0], 8);
    assert_int_equal(image->shape[2], SIDE);
    for (int i = 0, row = 0; i < 8; i++, row++) {
        while (row == 2 || row == 7)
            row++;
        assert_int_equal(((const int32_t *)label->data)[i], row % CLASSES);
        assert_true(((const float *)wave->data)[i * WIDTH] == (float)row);
        assert_int_equal(((const uint8_t *)image->data)[i * SIDE * SIDE], row * 7);
    }
    assert_string_equal(couplet_tensors_metadata(&file, "classes.label"),
                        "[\"cat\",\"dog\",\"it's \\\"other\\\"\"]");
    for (int i = 0; i < file.count; i++)
        if (strncmp(file.entries[i].name, "__", 2) != 0)
            assert_int_equal(
                ((const char *)file.entries[i].data - (const char *)file.entries[0].data) % 64, 0);
    couplet_tensors_free(&file);
    couplet_table_close(&t);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_cache, drop_cache)
    const struct CMUnitTest tests[] = {
        TEST(any_number_of_threads),
        TEST(hash_tells_contents_apart),
        TEST(second_start_reads_nothing),
        TEST(changed_source_replaces_its_copy),
        TEST(damaged_copies_are_made_anew),
        TEST(damaged_values_are_found),
        TEST(lowest_bad_row_is_named),
        TEST(more_bad_rows_than_allowed),
        TEST(bad_rows_are_left_out_and_listed),
        TEST(no_row_is_left),
        TEST(killed_while_packing),
        TEST(two_processes_at_once),
        TEST(maker_dies_while_another_waits),
        TEST(stopped_by_a_signal),
        TEST(full_disk),
        TEST(read_only_disk),
        TEST(limit_of_the_process),
        TEST(no_place),
        TEST(copies_are_listed_and_removed),
        TEST(old_copies_go),
        TEST(written_for_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
