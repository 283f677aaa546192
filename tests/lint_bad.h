/* lint_bad.h - one fault of each kind that tools/lint.c must see; tests/lint.sh adds the bulky ones. */
#ifndef ONEBIT_H
#define ONEBIT_H
#define STRAY_MACRO 1

typedef struct onebit_undocumented { int x; } onebit_undocumented;
int stray_function(int a);

#ifdef __cplusplus
extern "C" {
#endif
/* Documented, so no fault: "{" and '{' in strings and /* in comments do not confuse the count. */
extern int onebit_fine(const char *text);
#ifdef __cplusplus
}
#endif
#endif

#ifdef ONEBIT_IMPLEMENTATION
/* 1 >>base   a floor where conditionals are allowed */
static int ob_ahead(int a);
static int ob_first_state;
struct onebit_only_a_tag;
static const char *ob_second_state = "the pointer can be written";
static const char *const ob_constant[] = {"a", "b"};
typedef int (*stray_type)(int);
enum { OB_FINE, STRAY_CONSTANT = 2 };

static int ob_counter(void) {
    static int calls = 0;
    const char *brace = "}{{{";
    return ++calls + (brace[0] == '{') + (ob_constant[0] == ob_second_state);
}
static int ob_ahead(int a) { return a + ob_first_state + ob_counter(); }

/* 5 >>tokenizer   a floor where only one guard is allowed */
#ifndef ONEBIT_NO_FILES
#endif
#ifdef __linux__
#endif
#endif
