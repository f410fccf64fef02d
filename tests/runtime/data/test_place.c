/* Tests the places of sources: the spec's folder, --data FOLDER, --data NAME=PATH. */
#include "runtime/data/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char said[1024];

static const CoupletSource sources[] = {
    {.name = "train", .reader = "arrays", .path = "cells/a.npz"},
    {.name = "test", .reader = "fashion_mnist", .path = "test"}};

static void lies(const CoupletSource *source, const char *spec, const char *first,
                 const char *second, const char *expected) {
    const char *const given[] = {first, second};
    const CoupletPlaces places = {
        .spec = spec, .given = given, .given_count = (first != NULL) + (second != NULL)};
    char path[COUPLET_PATH_BYTES];
    CoupletRequest request;
    assert_true(couplet_places_fit(&places, sources, 2, said, sizeof said));
    assert_true(couplet_place_request(&places, source, path, &request, said, sizeof said));
    if (expected)
        assert_string_equal(request.path, expected);
    else
        assert_null(request.path);
    assert_string_equal(request.split ? request.split : "", source == &sources[1] ? "test" : "");
}

static void paths(void **state) {
    (void)state;
    lies(&sources[0], "own/simclr.cpl", NULL, NULL, "own/cells/a.npz");
    lies(&sources[0], "simclr.cpl", NULL, NULL, "cells/a.npz");
    lies(&sources[0], NULL, NULL, NULL, "cells/a.npz");
    lies(&sources[0], "own/simclr.cpl", "/big", NULL, "/big/cells/a.npz");
    lies(&sources[0], "own/simclr.cpl", "big/", "test=there", "big/cells/a.npz");
    lies(&sources[0], "own/simclr.cpl", "big", "train=b.npz", "b.npz");
    lies(&sources[0], "own/simclr.cpl", "./train=b", NULL, "./train=b/cells/a.npz");
    const CoupletSource rooted = {.name = "train", .reader = "arrays", .path = "/cells/a.npz"};
    lies(&rooted, "own/simclr.cpl", "big", NULL, "/cells/a.npz");
}

static void splits(void **state) {
    (void)state;
    lies(&sources[1], "own/simclr.cpl", NULL, NULL, NULL);
    lies(&sources[1], "own/simclr.cpl", "big", NULL, "big");
    lies(&sources[1], "own/simclr.cpl", "big", "test=there", "there");
    lies(&sources[1], "own/simclr.cpl", "train=there", NULL, NULL);
}

/* The record's places hold for sources that the command line does not place. */
static void recorded(void **state) {
    (void)state;
    const char *const given[] = {"test=there"};
    const char *const folder[] = {"big"};
    const char *const was[] = {"train=/was/a.npz", "test=/was/b"};
    char path[COUPLET_PATH_BYTES];
    CoupletRequest request;
    CoupletPlaces places = {
        .spec = "run/spec.cpl", .given = given, .given_count = 1, .was = was, .was_count = 2};
    assert_true(couplet_place_request(&places, &sources[0], path, &request, said, sizeof said));
    assert_string_equal(request.path, "/was/a.npz");
    assert_true(couplet_place_request(&places, &sources[1], path, &request, said, sizeof said));
    assert_string_equal(request.path, "there");
    places.given = folder;
    assert_true(couplet_place_request(&places, &sources[0], path, &request, said, sizeof said));
    assert_string_equal(request.path, "big/cells/a.npz");
    assert_true(couplet_place_request(&places, &sources[1], path, &request, said, sizeof said));
    assert_string_equal(request.path, "big");
}

static void expect_refusal(const char *first, const char *second, const char *sentence) {
    const char *const given[] = {first, second};
    const CoupletPlaces places = {.given = given, .given_count = second ? 2 : 1};
    assert_false(couplet_places_fit(&places, sources, 2, said, sizeof said));
    assert_string_equal(said, sentence);
}

static void what_means_nothing(void **state) {
    (void)state;
    expect_refusal("trian=x", NULL,
                   "--data trian=x: there is no data of this name; there is train and test");
    expect_refusal("train=x", "train=y", "--data gives two places for `train`: x and y");
    expect_refusal(
        "a", "b",
        "--data gives two folders, a and b, and one is expected; --data NAME=PATH places one "
        "source");
    expect_refusal("train=", NULL, "--data train=: a path is expected after the `=`");
    char path[COUPLET_PATH_BYTES], deep[2 * COUPLET_PATH_BYTES];
    CoupletRequest request;
    memset(deep, 'a', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    const CoupletSource far = {.name = "train", .reader = "arrays", .path = deep};
    assert_false(couplet_place_request(NULL, &far, path, &request, said, sizeof said));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(splits),
                                       cmocka_unit_test(recorded),
                                       cmocka_unit_test(what_means_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
