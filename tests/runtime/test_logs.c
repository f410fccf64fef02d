/* The logs that are made of metrics.jsonl, and the names of files that a run keeps. */
#include "runtime/events.h"
#include "runtime/folder.h"
#include "runtime/metrics_csv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], error[512];

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/couplet_logs_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void assert_file(const char *path, const char *wanted) {
    size_t length;
    char *text = couplet_text_read(path, &length, error, sizeof error);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

/* The expected values are those of RFC 3720, appendix B.4. */
static void checksums(void **state) {
    unsigned char bytes[32];
    (void)state;
    assert_int_equal(couplet_crc32c("", 0), 0);
    assert_int_equal(couplet_crc32c("123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(couplet_crc32c(bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(couplet_crc32c(bytes, sizeof bytes), 0x62a8ab43u);
}

static const char *const columns[] = {"step",       "stage",    "loss",
                                      "epoch_loss", "before.a", "eval.kNN (k = 5), \"trunk\""};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const CoupletMetric raw[] = {{"step", 0, NULL},
                                    {"of", 0, "raw pixels"},
                                    {"evaluation", 0, "kNN (k = 5), \"trunk\""},
                                    {"percent", 90, NULL}},
                           before[] = {{"step", 0, NULL},
                                       {"before_epoch", 1, NULL},
                                       {"a", 7, NULL}},
                           first[] = {{"step", 1, NULL},
                                      {"loss", 0.5, NULL},
                                      {"other", 3, NULL},
                                      {"stage", 0, "one, two"}},
                           of_epoch[] = {{"step", 1, NULL}, {"epoch_loss", NAN, NULL}},
                           measured[] = {{"step", 1, NULL},
                                         {"of", 0, "in training"},
                                         {"evaluation", 0, "kNN (k = 5), \"trunk\""},
                                         {"percent", 12.5, NULL}};

#define ROW(row) row, sizeof row / sizeof *row

/* A line holds all rows of its step. A value without a column, or that is no number, is left
 * out. */
static void table(void **state) {
    static const char head[] = "step,stage,loss,epoch_loss,before.a,\"eval.kNN (k = 5), "
                               "\"\"trunk\"\"\"\n";
    char path[256], wanted[400];
    (void)state;
    strcpy(path, in_folder("metrics.csv"));
    CoupletCsv *csv =
        couplet_csv_open(path, columns, COLUMNS, in_folder("none.jsonl"), error, sizeof error);
    assert_non_null(csv);
    assert_file(path, head);
    assert_true(couplet_csv_row(csv, ROW(raw), error, sizeof error));
    assert_true(couplet_csv_row(csv, ROW(before), error, sizeof error));
    assert_true(couplet_csv_row(csv, ROW(first), error, sizeof error));
    assert_true(couplet_csv_row(csv, ROW(of_epoch), error, sizeof error));
    assert_true(couplet_csv_row(csv, ROW(measured), error, sizeof error));
    assert_true(couplet_csv_close(csv, error, sizeof error));
    snprintf(wanted, sizeof wanted, "%s0,,,,7,\n1,\"one, two\",0.5,,,12.5\n", head);
    assert_file(path, wanted);
}

/* A table that is opened again has the rows of the log, and a file of another kind is not
 * replaced. */
static void table_again(void **state) {
    char log[256], path[256];
    (void)state;
    strcpy(log, in_folder("log.jsonl"));
    strcpy(path, in_folder("again.csv"));
    assert_true(couplet_text_write(log, "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":null}\n",
                                   error, sizeof error));
    for (int i = 0; i < 2; i++) {
        CoupletCsv *csv = couplet_csv_open(path, columns, 3, log, error, sizeof error);
        assert_non_null(csv);
        assert_true(couplet_csv_close(csv, error, sizeof error));
        assert_file(path, "step,stage,loss\n1,,2.5\n2,,\n");
    }
    assert_true(couplet_text_write(path, "mine\n", error, sizeof error));
    assert_null(couplet_csv_open(path, columns, 3, log, error, sizeof error));
    assert_non_null(strstr(error, "no run wrote this file"));
    assert_file(path, "mine\n");
}

static void names(void **state) {
    char cut[COUPLET_PATH_BYTES];
    const char *checkpoint;
    int64_t step;
    (void)state;
    assert_true(couplet_folder_is_kept("checkpoint-470.safetensors", &step));
    assert_int_equal(step, 470);
    assert_false(couplet_folder_is_kept("checkpoint-.safetensors", &step));
    assert_false(couplet_folder_is_kept("checkpoint-04.safetensors", &step));
    assert_false(couplet_folder_is_kept("checkpoint-4.safetensors.partial", &step));
    assert_false(couplet_folder_is_kept("checkpoint-99999999999999999999.safetensors", &step));
    assert_false(couplet_folder_is_kept("checkpoint.safetensors", &step));
    assert_true(couplet_folder_split(folder, cut, &checkpoint, error, sizeof error));
    assert_string_equal(cut, folder);
    assert_null(checkpoint);
    char path[256];
    strcpy(path, in_folder("best.safetensors"));
    assert_true(couplet_folder_split(path, cut, &checkpoint, error, sizeof error));
    assert_null(checkpoint); /* there is no such file */
    assert_true(couplet_text_write(path, "x", error, sizeof error));
    assert_true(couplet_folder_split(path, cut, &checkpoint, error, sizeof error));
    assert_string_equal(cut, folder);
    assert_string_equal(checkpoint, "best.safetensors");
    char longer[COUPLET_PATH_BYTES + 1];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_false(couplet_folder_split(longer, cut, &checkpoint, error, sizeof error));
}

/* A second name keeps the content of the first, and takes the place of an older file, even if that
 * is the same file. */
static void second_names(void **state) {
    char path[256], also[256];
    (void)state;
    strcpy(path, in_folder("now"));
    strcpy(also, in_folder("kept"));
    assert_true(couplet_text_write(also, "old", error, sizeof error));
    assert_true(couplet_text_write(path, "one", error, sizeof error));
    for (int i = 0; i < 2; i++) {
        assert_true(couplet_file_name_also(path, also, error, sizeof error));
        assert_file(also, "one");
        assert_int_not_equal(access(in_folder("kept.partial"), F_OK), 0);
    }
    assert_true(couplet_text_write(path, "two", error, sizeof error));
    assert_file(also, "one");
    strcpy(path, in_folder("nothing"));
    assert_false(couplet_file_name_also(path, also, error, sizeof error));
    assert_file(also, "one");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(checksums), cmocka_unit_test(table),
                                       cmocka_unit_test(table_again), cmocka_unit_test(names),
                                       cmocka_unit_test(second_names)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
