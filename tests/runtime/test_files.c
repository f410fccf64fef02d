/* Files that are written under another name first: a file is whole or absent, and one process at a
 * time writes it. */
#include "runtime/files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/couplet_files_XXXXXX", path[64], partial[80], error[2048];

static void expect_text(const char *text) {
    size_t length;
    char *found = couplet_text_read(path, &length, error, sizeof error);
    assert_non_null(found);
    assert_string_equal(found, text);
    free(found);
}

static void write_whole_text(const char *text) {
    if (!couplet_text_write(path, text, error, sizeof error)) fail_msg("%s", error);
}

/* The reason is that of this call, whatever an earlier one left in errno. */
static void a_folder_is_no_text(void **state) {
    (void)state;
    size_t length;
    errno = ENOENT;
    assert_null(couplet_text_read(folder, &length, error, sizeof error));
    assert_non_null(strstr(error, strerror(EISDIR)));
}

static void what_a_dead_process_left(void **state) {
    (void)state;
    FILE *left = fopen(partial, "wb");
    assert_non_null(left);
    fputs("longer than what comes", left);
    fclose(left);
    write_whole_text("short");
    expect_text("short");
    assert_int_not_equal(access(partial, F_OK), 0);
}

static void a_file_that_is_dropped(void **state) {
    (void)state;
    write_whole_text("before");
    FILE *file = couplet_file_begin(path, error, sizeof error);
    assert_non_null(file);
    fputs("never", file);
    couplet_file_drop(path, file);
    expect_text("before");
    assert_int_not_equal(access(partial, F_OK), 0);
}

/* Starts a child that writes half of its text, waits for a byte, writes the rest and renames the
 * file. */
static pid_t begin_in_child(int *told, int *go) {
    int out[2], in[2];
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(in), 0);
    const pid_t child = fork();
    if (child == 0) {
        char byte = 0;
        close(in[1]); /* the parent's end tells when it is gone */
        FILE *file = couplet_file_begin(path, error, sizeof error);
        if (!file) _exit(2);
        fputs("of the ", file);
        fflush(file);
        if (write(out[1], &byte, 1) != 1 || read(in[0], &byte, 1) != 1) _exit(3);
        fputs("child", file);
        _exit(!couplet_file_commit(path, file, error, sizeof error));
    }
    *told = out[0];
    *go = in[1];
    return child;
}

static void two_processes(void **state) {
    int told, go, status;
    char byte = 0;
    (void)state;
    const pid_t child = begin_in_child(&told, &go);
    assert_int_equal(read(told, &byte, 1), 1);
    assert_null(couplet_file_begin(path, error, sizeof error));
    assert_non_null(strstr(error, "another process writes this file"));
    assert_int_equal(write(go, &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_text("of the child");
    write_whole_text("of the parent");
    expect_text("of the parent");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_no_text),
        cmocka_unit_test(what_a_dead_process_left),
        cmocka_unit_test(a_file_that_is_dropped),
        cmocka_unit_test(two_processes),
    };
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(partial, sizeof partial, "%s.partial", path);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
