/* Tests safetensors files, metrics, and files that are written whole or not at all. */
#include "runtime/data/copies.h"
#include "runtime/files.h"
#include "runtime/metrics.h"
#include "runtime/safetensors.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], error[512];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/couplet_files_XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int drop_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const float weights[6] = {1, -2.5f, 3e-40f, 4, 5, 6};
static const int32_t head = 7;
static const uint8_t flags[3] = {0, 1, 255};

static bool write_small(const char *path) {
    const CoupletTensorEntry entries[] = {{"encoder.W", COUPLET_F32, 2, {2, 3}, weights, NULL, 0},
                                          {"Q.head", COUPLET_I32, 0, {0}, &head, NULL, 0},
                                          {"flags", COUPLET_U8, 1, {3}, flags, NULL, 0}};
    const CoupletTensorPair pairs[] = {{"step", "12"}, {"quoted", "a \"b\" \\ c"}};
    return couplet_tensors_write(path, entries, 3, pairs, 2, error, sizeof error);
}

static void round_trip(void **state) {
    (void)state;
    CoupletTensorFile file;
    assert_true(write_small(path_of("a.safetensors")));
    assert_true(couplet_tensors_read(path_of("a.safetensors"), &file, error, sizeof error));
    assert_int_equal(file.count, 3);
    const CoupletTensorEntry *w = couplet_tensors_find(&file, "encoder.W");
    const CoupletTensorEntry *h = couplet_tensors_find(&file, "Q.head");
    const CoupletTensorEntry *f = couplet_tensors_find(&file, "flags");
    assert_true(w && h && f);
    assert_int_equal(w->rank, 2);
    assert_int_equal(w->shape[1], 3);
    assert_memory_equal(w->data, weights, sizeof weights);
    assert_memory_equal(h->data, &head, sizeof head);
    assert_memory_equal(f->data, flags, sizeof flags);
    assert_string_equal(couplet_tensors_metadata(&file, "step"), "12");
    assert_string_equal(couplet_tensors_metadata(&file, "quoted"), "a \"b\" \\ c");
    assert_null(couplet_tensors_metadata(&file, "none"));
    assert_null(couplet_tensors_find(&file, "none"));
    couplet_tensors_free(&file);
}

static char *file_bytes(const char *path, size_t *length) {
    char *bytes = couplet_text_read(path, length, error, sizeof error);
    assert_non_null(bytes);
    return bytes;
}

static void write_bytes(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, length, file);
    fclose(file);
}

/* Every truncation is refused; every changed byte of the header is refused or read, and nothing
 * crashes. */
static void damaged(void **state) {
    (void)state;
    size_t length;
    CoupletTensorFile file;
    assert_true(write_small(path_of("b.safetensors")));
    char *bytes = file_bytes(path_of("b.safetensors"), &length);
    for (size_t cut = 0; cut < length; cut++) {
        write_bytes(path_of("cut.safetensors"), bytes, cut);
        assert_false(couplet_tensors_read(path_of("cut.safetensors"), &file, error, sizeof error));
        assert_non_null(strstr(error, "cut.safetensors"));
        CoupletMapped mapped;
        assert_false(couplet_mapped_open(path_of("cut.safetensors"), &mapped, error, sizeof error));
        assert_null(mapped.bytes); /* closing it must not unmap what lies there since */
    }
    for (size_t at = 0; at < length; at++) {
        char kept = bytes[at];
        for (int change = 1; change < 256; change *= 3) {
            bytes[at] = (char)(kept ^ change);
            write_bytes(path_of("changed.safetensors"), bytes, length);
            if (couplet_tensors_read(path_of("changed.safetensors"), &file, error, sizeof error))
                couplet_tensors_free(&file);
        }
        bytes[at] = kept;
    }
    free(bytes);
}

/* The limit of a file's size makes write fail as on a full disk. */
static void full_disk(void **state) {
    (void)state;
    assert_true(write_small(path_of("c.safetensors")));
    size_t before_length, after_length;
    char *before = file_bytes(path_of("c.safetensors"), &before_length);
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 64;
    setrlimit(RLIMIT_FSIZE, &small);
    bool written = write_small(path_of("c.safetensors"));
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_false(written);
    assert_non_null(strstr(error, "c.safetensors"));
    char *after = file_bytes(path_of("c.safetensors"), &after_length);
    assert_int_equal(before_length, after_length);
    assert_memory_equal(before, after, before_length);
    assert_int_not_equal(access(path_of("c.safetensors.partial"), F_OK), 0);
    free(before);
    free(after);
}

static void folders(void **state) {
    (void)state;
    assert_true(couplet_folder_make(path_of("x/y/z"), NULL, error, sizeof error));
    assert_true(couplet_folder_make(path_of("x/y/z"), NULL, error, sizeof error));
    assert_true(couplet_text_write(path_of("x/file"), "text", error, sizeof error));
    assert_false(couplet_folder_make(path_of("x/file/run"), NULL, error, sizeof error));
    assert_non_null(strstr(error, "x/file/run"));
    char joined[COUPLET_PATH_BYTES];
    char *far = malloc(2000);
    memset(far, 'a', 1999);
    far[1999] = 0;
    assert_false(couplet_path_join(far, "b", joined, error, sizeof error));
    free(far);
}

static void row(FILE *file, double step, double loss) {
    const CoupletMetric metrics[] = {{"step", step, NULL}, {"loss", loss, NULL}};
    assert_true(couplet_metrics_row(file, "metrics", metrics, 2, error, sizeof error));
}

static void evaluation(FILE *file, double step, const char *of, const char *name) {
    const CoupletMetric metrics[] = {{"step", step, NULL}, {"of", 0, of}, {"evaluation", 0, name}};
    assert_true(couplet_metrics_row(file, "metrics", metrics, 3, error, sizeof error));
}

static void assert_text(const char *path, const char *expected) {
    size_t length;
    char *text = file_bytes(path, &length);
    assert_string_equal(text, expected);
    free(text);
}

static void metrics_go_on(void **state) {
    (void)state;
    char path[160];
    CoupletMetricsSeen seen;
    snprintf(path, sizeof path, "%s", path_of("metrics.jsonl"));
    FILE *file = couplet_metrics_begin(path, error, sizeof error);
    assert_non_null(file);
    row(file, 1, 0.5);
    row(file, 2, 1.0 / 0.0);
    row(file, 3, 0.25);
    fputs("{\"step\": 4, \"lo", file); /* cut short by a kill */
    fclose(file);
    static const CoupletMetricsNames nothing = {NULL, NULL, 0, 0};
    assert_true(couplet_metrics_survey(path, 2, &nothing, &seen, error, sizeof error));
    file = couplet_metrics_go_on(path, "", 2, &seen, error, sizeof error);
    assert_non_null(file);
    row(file, 3, 0.125);
    fclose(file);
    assert_text(
        path,
        "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":null}\n{\"step\":3,\"loss\":0.125}\n");
}

/* If only one of two evaluations that are made together was written, both are made again. */
static void evaluations_go_on(void **state) {
    (void)state;
    char path[160];
    CoupletMetricsSeen seen;
    static const char *const names[] = {"a", "b", "accuracy"};
    const CoupletMetricsNames evaluations = {names, NULL, 2, 2};
    const CoupletMetricsNames reports = {names, NULL, 2, 3};
    snprintf(path, sizeof path, "%s", path_of("evaluated.jsonl"));
    /* A file that does not exist has no row. */
    assert_true(couplet_metrics_survey(path, 4, &evaluations, &seen, error, sizeof error));
    assert_false(seen.complete[COUPLET_RAW]);
    FILE *file = couplet_metrics_begin(path, error, sizeof error);
    assert_non_null(file);
    evaluation(file, 0, "raw pixels", "a");
    evaluation(file, 0, "raw pixels", "b");
    evaluation(file, 0, "before training", "a");
    evaluation(file, 0, "before training", "c"); /* the spec now has another name in its place */
    evaluation(file, 2, "after training", "a");  /* this is of a run that was shorter */
    evaluation(file, 4, "after training", "a");
    fclose(file);
    assert_true(couplet_metrics_survey(path, 4, &evaluations, &seen, error, sizeof error));
    assert_true(seen.complete[COUPLET_RAW]);
    assert_false(seen.complete[COUPLET_BEFORE_TRAINING]);
    assert_false(seen.complete[COUPLET_AFTER_TRAINING]);
    /* Raw values have no reports, so they count as complete. */
    assert_true(couplet_metrics_survey(path, 4, &reports, &seen, error, sizeof error));
    assert_true(seen.complete[COUPLET_RAW]);
    assert_false(seen.complete[COUPLET_BEFORE_TRAINING]);
    file = couplet_metrics_go_on(path, "", 4, &seen, error, sizeof error);
    assert_non_null(file);
    fclose(file);
    assert_text(path,
                "{\"step\":0,\"of\":\"raw pixels\",\"evaluation\":\"a\"}\n{\"step\":0,\"of\":\"raw "
                "pixels\",\"evaluation\":\"b\"}\n"
                "{\"step\":2,\"of\":\"after training\",\"evaluation\":\"a\"}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),    cmocka_unit_test(damaged),
        cmocka_unit_test(full_disk),     cmocka_unit_test(folders),
        cmocka_unit_test(metrics_go_on), cmocka_unit_test(evaluations_go_on),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
