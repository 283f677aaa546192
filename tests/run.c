/* run.c - the test program: every floor's tests in one translation unit, with the implementation.

   cc -O1 -fopenmp tests/run.c -o test-run -lm
   ./test-run             all floors           ./test-run tokenizer     only that one
   Run it from the top directory of the repository, where the data files are looked for. */
#define ONEBIT_IMPLEMENTATION
#define OB_WORTH_SHARING 2000.0 /* operations: small test models are split among threads too */
#include "../onebit.h"

#include "test.h"

#include <time.h>

/* Cases that may skip because they need files that are not in this repository. When those files are
   there, a skip of such a case is a failure like any other. */
static const char *const test_needs_data[] = {
    "tokenizer: GPT-2's ids on the vectors",
    "tokenizer: a small trained tokenizer's ids on the vectors",
    "tokenizer: Llama 3's ids on the vectors",
    "tokenizer: Llama 2's ids on the vectors",
    "tokenizer: other files of one model make the same tokenizer",
    "template: Llama 3's own",
    "dataset: real rows of questions and replies",
    "gguf: vocabularies of five families give llama.cpp's ids",
    "gguf: one vocabulary in four forms gives the same ids",
    "gguf: llama2.c's and SentencePiece's small tokenizers begin a story alike",
    "foreign: llama2.c's and bitllama2.c's models give their own greedy text",
    "foreign: nats of sixty stories under three real models",
    NULL,
};

/* Cases that may skip because this machine's processor or compiler lacks something. */
static const char *const test_needs_machine[] = {
    "model: avx2 equals scalar",
    "model: avx512 equals scalar",
    "model: avx512vnni equals scalar",
    "model: avx512bf16 equals scalar",
    "model: neon equals scalar",
    NULL,
};

static int test_listed(const char *const *list, const char *name) {
    for (; *list; list++)
        if (strcmp(*list, name) == 0) return 1;
    return 0;
}

/* A skip is fine when it is expected; otherwise the case fails: a skip that nobody sees hides bugs. */
static void test_skip_expected(const char *reason) {
    int fine = test_listed(test_needs_machine, test_now.name) ||
               (test_listed(test_needs_data, test_now.name) && !test_data("README.md"));
    if (fine && !test_now.bad) {
        test_skip(reason);
        return;
    }
    printf("unexpected skip: %s\n", reason);
    test_now.unexpected++;
    test_now.bad = 1;
    test_close();
}
#define test_skip test_skip_expected

#include "test_base.c"
#include "test_config.c"
#include "test_tokenizer.c"
#include "test_template.c"
#include "test_dataset.c"
#include "test_types.c"
#include "test_gguf.c"
#include "test_safetensors.c"
#include "test_sample.c"
#include "test_model.c"
#include "test_export.c"
#include "test_golden.c"
#include "test_flow.c"
#include "fuzz/fuzz.c"
#include "test_hostile.c"
#include "test_foreign.c"
#include "test_report.c"
#include "test_search.c"

typedef struct test_floor {
    const char *name;
    void (*run)(void);
} test_floor;

static const test_floor test_floors[] = {
    {"base", test_base},
    {"config", test_config},
    {"tokenizer", test_tokenizer},
    {"template", test_template},
    {"dataset", test_dataset},
    {"types", test_types},
    {"gguf", test_gguf},
    {"safetensors", test_safetensors},
    {"sample", test_sample},
    {"model", test_model},
    {"export", test_export},
    {"golden", test_golden},
    {"flow", test_flow},
    {"foreign", test_foreign},
    {"hostile", test_hostile},
    {"report", test_report},
    {"search", test_search},
};
enum { TEST_FLOORS = (int)(sizeof test_floors / sizeof test_floors[0]) };

/* What one floor counted, for the table. */
typedef struct test_row {
    int passed, failed, skipped;
    double seconds;
} test_row;

static test_row test_run_floor(const test_floor *floor) {
    test_state before = test_now;
    clock_t start = clock();
    test_row row;
    floor->run();
    test_close();
    row.passed = test_now.passed - before.passed;
    row.failed = test_now.failed - before.failed;
    row.skipped = test_now.skipped - before.skipped;
    row.seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (row.passed + row.failed + row.skipped == 0) {
        printf("FAIL %s: no case was run\n", floor->name);
        test_now.failed++;
        row.failed++;
    }
    fflush(stdout);
    return row;
}

int main(int argc, char **argv) {
    test_row rows[TEST_FLOORS];
    const char *only = argc > 1 ? argv[1] : NULL;
    char version[256];
    int i, ran = 0;
    onebit_version_text(version, sizeof version);
    printf("%s\n", version);
    for (i = 0; i < TEST_FLOORS; i++) {
        if (only && strcmp(only, test_floors[i].name) != 0) continue;
        rows[i] = test_run_floor(&test_floors[i]);
        ran++;
    }
    if (!ran) {
        printf("no floor is named \"%s\"; there are:", only);
        for (i = 0; i < TEST_FLOORS; i++) printf(" %s", test_floors[i].name);
        printf("\n");
        return 2;
    }
    printf("\n%-12s %7s %7s %8s %9s\n", "floor", "passed", "failed", "skipped", "cpu s");
    for (i = 0; i < TEST_FLOORS; i++) {
        if (only && strcmp(only, test_floors[i].name) != 0) continue;
        printf("%-12s %7d %7d %8d %9.1f\n", test_floors[i].name, rows[i].passed, rows[i].failed,
               rows[i].skipped, rows[i].seconds);
    }
    if (test_now.unexpected) printf("%d unexpected skips\n", test_now.unexpected);
    printf("%d passed, %d failed, %d skipped\n", test_now.passed, test_now.failed, test_now.skipped);
    return test_now.failed != 0;
}
