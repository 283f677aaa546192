/* test.h - the whole test harness: cases, checks, counted skips.

   A floor's tests live in test_FLOOR.c, which offers one function test_FLOOR() that opens cases with
   test_case("what is promised") and states facts with CHECK. A case passes when none of its checks
   failed. A skip is printed, counted, and must be on the expected list in run.c. */
#ifndef TEST_H
#define TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under sanitizers all takes three to five times as long, and what they watch shows in few rounds:
   long loops over numbers belong to the plain build. */
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define TEST_ROUNDS(plain, sanitized) (sanitized)
#else
#define TEST_ROUNDS(plain, sanitized) (plain)
#endif

typedef struct test_state {
    const char *name;
    int open, bad, passed, failed, skipped, unexpected;
} test_state;

static test_state test_now;

/* Closes the open case and counts it. */
static void test_close(void) {
    if (!test_now.open) return;
    if (test_now.bad) test_now.failed++;
    else test_now.passed++;
    if (test_now.bad) printf("FAIL %s\n", test_now.name);
    test_now.open = 0;
}

/* Opens a case; the one before is closed and counted. */
static void test_case(const char *name) {
    test_close();
    test_now.name = name;
    test_now.open = 1;
    test_now.bad = 0;
}

/* Drops the open case as skipped, with the reason. */
static void test_skip(const char *reason) {
    printf("SKIP %s: %s\n", test_now.name, reason);
    test_now.skipped++;
    test_now.open = 0;
}

static int test_check(int ok, const char *text, const char *file, int line) {
    if (ok) return 1;
    test_now.bad = 1;
    printf("%s:%d: in \"%s\": %s\n", file, line, test_now.name, text);
    return 0;
}

/* States a fact; gives 1 when it holds, so that a test can stop early. */
#define CHECK(fact) test_check((fact) != 0, #fact, __FILE__, __LINE__)

/* The call must succeed; otherwise its error text is shown. */
#define CHECK_OK(call)                                                                             \
    test_check((call) == ONEBIT_OK, onebit_error_text(), __FILE__, __LINE__)

/* The call must fail with this status and leave an error text that holds the words. */
#define CHECK_FAILS(call, wanted, words)                                                           \
    test_check((call) == (wanted) && strstr(onebit_error_text(), (words)) != NULL,                 \
               #call " should be " #wanted " and mention " #words, __FILE__, __LINE__)

/* Directory of the shared data, or NULL when this checkout stands alone. */
static const char *test_data(const char *name) {
    static char path[1024];
    static const char *const roots[] = {"../shared/data/", "../../shared/data/", NULL};
    int i;
    for (i = 0; roots[i]; i++) {
        FILE *f;
        snprintf(path, sizeof path, "%s%s", roots[i], name);
        f = fopen(path, "rb");
        if (f) {
            fclose(f);
            return path;
        }
    }
    return NULL;
}

/* A random number of [0, n); n = 0 gives 0. The bias of n / 2^64 is nothing that a test sees. */
static uint64_t test_below(onebit_rng *r, uint64_t n) { return n ? ob_rng_next(r) % n : 0; }

#endif /* TEST_H */
