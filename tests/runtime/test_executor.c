/* Tests the executor on plans made by hand: faults, the finite check, commits. */
#include "runtime/executor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Divides 1 by each x. The buffers are x and the result. */
static void divide(void *const *buffers, int64_t begin, int64_t end, const CoupletWorker *worker) {
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        ((float *)buffers[1])[i] = 1 / ((const float *)buffers[0])[i];
}

static void subtract_itself(void *const *buffers, int64_t begin, int64_t end,
                            const CoupletWorker *worker) {
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        ((float *)buffers[1])[i] = ((const float *)buffers[0])[i] - ((const float *)buffers[0])[i];
}

static void complain(void *const *buffers, int64_t begin, int64_t end,
                     const CoupletWorker *worker) {
    (void)buffers;
    if (begin <= 3 && 3 < end) *worker->fault = COUPLET_FAULT_EMPTY;
}

enum { N = 4, LAST = 1999 /* tiles of a large step */ };

static CoupletPlan chain(CoupletKernel second, CoupletStep *steps, CoupletBuffer *buffers,
                         CoupletNamed *names, CoupletCommit *commit) {
    static const int first_buffers[] = {0, 1}, second_buffers[] = {1, 2};
    buffers[0] =
        (CoupletBuffer){.place = COUPLET_IN_INPUT, .type = COUPLET_F32, .rank = 1, .shape = {N}};
    buffers[1] =
        (CoupletBuffer){.place = COUPLET_IN_ARENA, .type = COUPLET_F32, .rank = 1, .shape = {N}};
    buffers[2] = (CoupletBuffer){
        .place = COUPLET_IN_ARENA, .type = COUPLET_F32, .rank = 1, .shape = {N}, .offset = 128};
    steps[0] = (CoupletStep){.kernel = divide,
                             .tiles = N,
                             .buffer_count = 2,
                             .buffers = first_buffers,
                             .output_count = 1,
                             .source = "a.cpl:1",
                             .flops = 1e6};
    steps[1] = (CoupletStep){.kernel = second,
                             .tiles = N,
                             .buffer_count = 2,
                             .buffers = second_buffers,
                             .output_count = 1,
                             .source = "a.cpl:2",
                             .flops = 1e6};
    names[0] = (CoupletNamed){"x", 0};
    names[1] = (CoupletNamed){"loss", 2};
    *commit = (CoupletCommit){
        .kind = COUPLET_ASSIGN, .state = 0, .value = 2, .rows = -1, .head = -1, .fill = -1};
    return (CoupletPlan){.name = "test",
                         .buffers = buffers,
                         .buffer_count = 3,
                         .steps = steps,
                         .step_count = 2,
                         .commits = commit,
                         .commit_count = 1,
                         .inputs = names,
                         .input_count = 1,
                         .outputs = names + 1,
                         .output_count = 1,
                         .arena_bytes = 256};
}

static void runs_and_commits(void **state) {
    (void)state;
    CoupletStep steps[2];
    CoupletBuffer buffers[3];
    CoupletNamed names[2];
    CoupletCommit commit;
    CoupletPlan plan = chain(divide, steps, buffers, names, &commit);
    CoupletThreads *threads = couplet_threads_new(2);
    CoupletRun *run = couplet_run_new(&plan, threads);
    float x[N] = {1, 2, 4, 8};
    float kept[N] = {0};
    void *inputs[] = {x};
    void *states[] = {kept};
    CoupletFault fault;
    const CoupletStateInfo info = {.name = "s", .type = COUPLET_F32, .rank = 1, .shape = {N}};
    assert_true(couplet_run_steps(run, inputs, states, &fault));
    assert_true(couplet_run_finite(run, &fault));
    assert_true(kept[3] == 0); /* nothing is written before the commit */
    assert_true(couplet_run_commit(run, states, &info, &fault));
    assert_memory_equal(kept, x, sizeof x);
    assert_memory_equal(couplet_run_output(run, "loss"), x, sizeof x);
    assert_null(couplet_run_output(run, "none"));
    couplet_run_free(run);
    couplet_threads_free(threads);
}

static void names_the_first_nan(void **state) {
    (void)state;
    CoupletStep steps[2];
    CoupletBuffer buffers[3];
    CoupletNamed names[2];
    CoupletCommit commit;
    CoupletPlan plan = chain(subtract_itself, steps, buffers, names, &commit);
    CoupletRun *run = couplet_run_new(&plan, NULL);
    float x[N] = {1, 0, 4, 8};
    float kept[N];
    void *inputs[] = {x};
    void *states[] = {kept};
    CoupletFault fault;
    assert_true(couplet_run_steps(run, inputs, states, &fault));
    assert_false(couplet_run_finite(run, &fault));
    assert_string_equal(fault.source, "a.cpl:2"); /* inf arose in line 1, the NaN in line 2 */
    assert_non_null(strstr(fault.sentence, "NaN"));
    couplet_run_free(run);
}

static void reports_faults(void **state) {
    (void)state;
    CoupletStep steps[2];
    CoupletBuffer buffers[3];
    CoupletNamed names[2];
    CoupletCommit commit;
    CoupletPlan plan = chain(complain, steps, buffers, names, &commit);
    for (int count = 1; count <= 3; count++) {
        CoupletThreads *threads = couplet_threads_new(count);
        CoupletRun *run = couplet_run_new(&plan, threads);
        float x[N] = {1, 2, 4, 8};
        float kept[N];
        void *inputs[] = {x};
        void *states[] = {kept};
        CoupletFault fault;
        assert_false(couplet_run_steps(run, inputs, states, &fault));
        assert_string_equal(fault.source, "a.cpl:2");
        assert_non_null(strstr(fault.sentence, "no term"));
        couplet_run_free(run);
        couplet_threads_free(threads);
    }
}

/* Writes the number of every tile, and that of its array's first value. */
static void number_tiles(void *const *buffers, int64_t begin, int64_t end,
                         const CoupletWorker *worker) {
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        ((float *)buffers[1])[i] = ((const float *)buffers[0])[0] + (float)i;
}

static void complain_of_an_index(void *const *buffers, int64_t begin, int64_t end,
                                 const CoupletWorker *worker) {
    number_tiles(buffers, begin, end, worker);
    *worker->fault = COUPLET_FAULT_INDEX;
}

static void complain_of_a_beta(void *const *buffers, int64_t begin, int64_t end,
                               const CoupletWorker *worker) {
    number_tiles(buffers, begin, end, worker);
    if (end == LAST) *worker->fault = COUPLET_FAULT_BETA;
}

enum { STEPS = 5 };
static const int64_t tiles[STEPS] = {1, 700, 3, LAST, 64};
static const CoupletNamed abreast_names[] = {{"x", 0}, {"1", 1}, {"2", 2},
                                             {"3", 3}, {"4", 4}, {"5", 5}};

/* A plan whose steps are one launch; each makes an array of as many values as it has tiles. */
static CoupletPlan abreast(CoupletStep *steps, CoupletBuffer *buffers) {
    static const int used[STEPS][2] = {{0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}};
    buffers[0] =
        (CoupletBuffer){.place = COUPLET_IN_INPUT, .type = COUPLET_F32, .rank = 1, .shape = {1}};
    for (int i = 0; i < STEPS; i++) {
        steps[i] = (CoupletStep){.kernel = number_tiles,
                                 .tiles = tiles[i],
                                 .buffer_count = 2,
                                 .buffers = used[i],
                                 .output_count = 1,
                                 .source = abreast_names[1 + i].name,
                                 .flops = 1e6};
        buffers[1 + i] = (CoupletBuffer){.place = COUPLET_IN_ARENA,
                                         .type = COUPLET_F32,
                                         .rank = 1,
                                         .shape = {tiles[i]},
                                         .offset = 8192 * i};
    }
    steps[0].abreast = STEPS;
    return (CoupletPlan){.name = "abreast",
                         .buffers = buffers,
                         .buffer_count = STEPS + 1,
                         .steps = steps,
                         .step_count = STEPS,
                         .inputs = abreast_names,
                         .input_count = 1,
                         .outputs = abreast_names + 1,
                         .output_count = STEPS,
                         .arena_bytes = 8192 * STEPS};
}

/* Every tile of each step of a launch is done once, and the fault of the first step is reported. */
static void steps_go_abreast(void **state) {
    (void)state;
    CoupletStep steps[STEPS];
    CoupletBuffer buffers[STEPS + 1];
    CoupletPlan plan = abreast(steps, buffers);
    for (int count = 1; count <= 3; count++) {
        CoupletThreads *threads = couplet_threads_new(count);
        CoupletRun *run = couplet_run_new(&plan, threads);
        float x = (float)count;
        void *inputs[] = {&x};
        CoupletFault fault;
        for (int i = 0; i < STEPS; i++)
            steps[i].kernel = number_tiles;
        assert_true(couplet_run_steps(run, inputs, NULL, &fault));
        for (int i = 0; i < STEPS; i++) {
            const float *made = couplet_run_output(run, plan.outputs[i].name);
            for (int64_t k = 0; k < tiles[i]; k++)
                assert_true(made[k] == x + (float)k);
        }
        steps[3].kernel = complain_of_a_beta;
        steps[4].kernel = complain_of_an_index;
        assert_false(couplet_run_steps(run, inputs, NULL, &fault));
        assert_string_equal(fault.source, "4");
        assert_non_null(strstr(fault.sentence, "beta"));
        couplet_run_free(run);
        couplet_threads_free(threads);
    }
}

enum { LENGTH = 300001 };
static const CoupletStateInfo large_states[] = {
    {.name = "X", .type = COUPLET_F32, .rank = 1, .shape = {LENGTH}},
    {.name = "Y", .type = COUPLET_F32, .rank = 1, .shape = {7}}};

/* A plan without steps: its inputs, a long one and a short one, are assigned to states. */
static CoupletPlan copying(void) {
    static const CoupletBuffer buffers[] = {
        {.place = COUPLET_IN_INPUT, .type = COUPLET_F32, .rank = 1, .shape = {LENGTH}},
        {.place = COUPLET_IN_INPUT, .type = COUPLET_F32, .rank = 1, .shape = {7}, .slot = 1}};
    static const CoupletNamed names[] = {{"x", 0}, {"y", 1}};
    static const CoupletCommit commits[] = {
        {.kind = COUPLET_ASSIGN, .state = 0, .value = 0, .rows = -1, .head = -1, .fill = -1},
        {.kind = COUPLET_ASSIGN, .state = 1, .value = 1, .rows = -1, .head = -1, .fill = -1}};
    return (CoupletPlan){.name = "large",
                         .buffers = buffers,
                         .buffer_count = 2,
                         .commits = commits,
                         .commit_count = 2,
                         .inputs = names,
                         .input_count = 2};
}

/* Asserts that a value which is no number is found at the ends of pieces and inside them. */
static void expect_found_anywhere(CoupletRun *run, float *x) {
    static const int places[] = {0, 1023, 1024, 65535, 131072, 299999, LENGTH - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        CoupletFault fault;
        const float good = x[places[i]];
        x[places[i]] = i % 2 ? -INFINITY : NAN;
        assert_false(couplet_run_finite(run, &fault));
        x[places[i]] = good;
    }
}

/* Large arrays are checked and copied in pieces, and no value is left out. */
static void large_results(void **state) {
    (void)state;
    const CoupletPlan plan = copying();
    float *x = malloc(sizeof *x * LENGTH);
    float *kept = calloc(LENGTH, sizeof *kept);
    float y[7];
    float kept_y[7] = {0};
    void *inputs[] = {x, y};
    void *states[] = {kept, kept_y};
    for (int i = 0; i < LENGTH; i++)
        x[i] = (float)i - 1e5f;
    for (int i = 0; i < 7; i++)
        y[i] = -(float)i;
    for (int count = 1; count <= 3; count++) {
        CoupletThreads *threads = couplet_threads_new(count);
        CoupletRun *run = couplet_run_new(&plan, threads);
        CoupletFault fault;
        memset(kept, 0, sizeof *kept * LENGTH);
        assert_true(couplet_run_steps(run, inputs, states, &fault) &&
                    couplet_run_finite(run, &fault) &&
                    couplet_run_commit(run, states, large_states, &fault));
        assert_memory_equal(kept, x, sizeof *x * LENGTH);
        assert_memory_equal(kept_y, y, sizeof y);
        expect_found_anywhere(run, x);
        couplet_run_free(run);
        couplet_threads_free(threads);
    }
    free(x);
    free(kept);
}

/* A queue is a ring of five rows; two rows are pushed at a time. */
static void queue_is_a_ring(void **state) {
    (void)state;
    CoupletBuffer buffers[1] = {
        {.place = COUPLET_IN_INPUT, .type = COUPLET_F32, .rank = 2, .shape = {2, 1}}};
    const CoupletNamed input = {"k", 0};
    const CoupletCommit commit = {
        .kind = COUPLET_PUSH, .state = 0, .value = 0, .rows = -1, .head = 1, .fill = 2};
    const CoupletPlan plan = {.name = "q",
                              .buffers = buffers,
                              .buffer_count = 1,
                              .commits = &commit,
                              .commit_count = 1,
                              .inputs = &input,
                              .input_count = 1};
    const CoupletStateInfo infos[] = {
        {.name = "Q", .type = COUPLET_F32, .rank = 2, .shape = {5, 1}},
        {.name = "Q.head", .type = COUPLET_I32},
        {.name = "Q.fill", .type = COUPLET_I32}};
    float rows[2];
    float queue[5] = {0};
    int32_t head = 0;
    int32_t fill = 0;
    void *inputs[] = {rows};
    void *states[] = {queue, &head, &fill};
    CoupletRun *run = couplet_run_new(&plan, NULL);
    CoupletFault fault;
    const float want[4][5] = {{1, 2, 0, 0, 0}, {1, 2, 3, 4, 0}, {6, 2, 3, 4, 5}, {6, 7, 8, 4, 5}};
    const int32_t want_fill[4] = {2, 4, 5, 5};
    for (int step = 0; step < 4; step++) {
        rows[0] = (float)(2 * step + 1);
        rows[1] = (float)(2 * step + 2);
        assert_true(couplet_run_steps(run, inputs, states, &fault));
        assert_true(couplet_run_commit(run, states, infos, &fault));
        assert_memory_equal(queue, want[step], sizeof queue);
        assert_int_equal(fill, want_fill[step]);
    }
    assert_int_equal(head, 3);
    couplet_run_free(run);
}

/* Rows of a state are written in order, so the last of equal rows stays. A row outside is a fault,
 * and nothing is written then. */
static void rows_are_looked_at(void **state) {
    (void)state;
    CoupletBuffer buffers[2] = {
        {.place = COUPLET_IN_INPUT, .type = COUPLET_F32, .rank = 2, .shape = {3, 1}},
        {.place = COUPLET_IN_INPUT, .type = COUPLET_I32, .rank = 1, .shape = {3}, .slot = 1}};
    const CoupletNamed inputs_of[2] = {{"k", 0}, {"rows", 1}};
    const CoupletCommit commit = {.kind = COUPLET_ROWS,
                                  .state = 0,
                                  .value = 0,
                                  .rows = 1,
                                  .head = -1,
                                  .fill = -1,
                                  .source = "a.cpl:7"};
    const CoupletPlan plan = {.name = "m",
                              .buffers = buffers,
                              .buffer_count = 2,
                              .commits = &commit,
                              .commit_count = 1,
                              .inputs = inputs_of,
                              .input_count = 2};
    const CoupletStateInfo infos[] = {
        {.name = "M", .type = COUPLET_F32, .rank = 2, .shape = {4, 1}}};
    float values[3] = {1, 2, 3}, bank[4] = {0};
    int32_t rows[3] = {2, 0, 2};
    void *inputs[] = {values, rows}, *states[] = {bank};
    CoupletRun *run = couplet_run_new(&plan, NULL);
    CoupletFault fault;
    const float want[4] = {2, 0, 3, 0};
    assert_true(couplet_run_steps(run, inputs, states, &fault));
    assert_true(couplet_run_commit(run, states, infos, &fault));
    assert_memory_equal(bank, want, sizeof bank);
    for (int32_t outside = -1; outside <= 4; outside += 5) {
        rows[1] = outside;
        assert_true(couplet_run_steps(run, inputs, states, &fault));
        assert_false(couplet_run_commit(run, states, infos, &fault));
        assert_string_equal(fault.source, "a.cpl:7");
        assert_memory_equal(bank, want, sizeof bank);
    }
    couplet_run_free(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_and_commits),  cmocka_unit_test(names_the_first_nan),
        cmocka_unit_test(reports_faults),    cmocka_unit_test(steps_go_abreast),
        cmocka_unit_test(large_results),     cmocka_unit_test(queue_is_a_ring),
        cmocka_unit_test(rows_are_looked_at)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
