/* Stamps of files: another content has another stamp, even with the size and the time of change of
 * the old content. Many files are looked at as one file is. */
#include "runtime/data/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 5000 };

static char folder[] = "/tmp/couplet_stamp_XXXXXX";

static struct stat state_of(const char *path) {
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about;
}

/* Writes one byte, with the time of change that is given. */
static struct stat write_at(const char *path, int byte, const struct timespec *time) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
    const struct timespec times[2] = {*time, *time};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return state_of(path);
}

/* Without the wait, two writes of one tick have one stamp. */
static void content_whose_time_is_put_back(void **state) {
    const struct timespec past = {1000, 7};
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "%s/one", folder);
    struct stat last = write_at(path, 0, &past);
    for (int i = 1; i <= 20; i++) {
        couplet_stamp_settle(couplet_stamp_changed(&last));
        const struct stat next = write_at(path, i, &past);
        assert_int_equal(next.st_size, last.st_size);
        assert_int_equal(next.st_mtim.tv_sec, last.st_mtim.tv_sec);
        assert_int_not_equal(couplet_stamp(&next), couplet_stamp(&last));
        last = next;
    }
}

static void an_untouched_file(void **state) {
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "%s/one", folder);
    const struct stat before = state_of(path);
    FILE *file = fopen(path, "rb");
    assert_true(fgetc(file) != EOF);
    fclose(file);
    const struct stat after = state_of(path);
    assert_int_equal(couplet_stamp(&after), couplet_stamp(&before));
}

/* Pretends that the files numbered from `context` on are missing. */
static const char *some_are_missing(const void *context, int64_t number) {
    return number < *(const int64_t *)context ? "one" : "none";
}

static const char *a_folder(const void *context, int64_t number) {
    return number < *(const int64_t *)context ? "one" : ".";
}

static void many_files(void **state) {
    static uint64_t stamps[MANY];
    char path[64];
    int64_t newest;
    int64_t bad = MANY;
    int reason;
    (void)state;
    snprintf(path, sizeof path, "%s/one", folder);
    const struct stat about = state_of(path);
    assert_int_equal(couplet_stamps(folder, MANY, some_are_missing, &bad, stamps, &newest, &reason),
                     -1);
    assert_int_equal(newest, couplet_stamp_changed(&about));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(stamps[i], couplet_stamp(&about));
    for (bad = 0; bad < MANY; bad += 1667) {
        assert_int_equal(
            couplet_stamps(folder, MANY, some_are_missing, &bad, stamps, &newest, &reason), bad);
        assert_int_equal(reason, ENOENT);
        assert_int_equal(couplet_stamps(folder, MANY, a_folder, &bad, stamps, &newest, &reason),
                         bad);
        assert_int_equal(reason, 0);
    }
    assert_int_equal(couplet_stamps("/none/there", 1, a_folder, &bad, stamps, &newest, &reason), 0);
    assert_int_equal(reason, ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_whose_time_is_put_back),
        cmocka_unit_test(an_untouched_file),
        cmocka_unit_test(many_files),
    };
    if (!mkdtemp(folder)) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char path[64];
    snprintf(path, sizeof path, "%s/one", folder);
    unlink(path);
    rmdir(folder);
    return failed;
}
