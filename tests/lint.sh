#!/bin/sh
# Measures onebit.h with the lint program, after showing that each of its rules can fail.
#
#   sh tests/lint.sh BUILD      BUILD holds the program "lint"

build=${1:-build}
bad=$build/lint-bad
mkdir -p "$bad" || exit 1
if [ ! -x "$build/lint" ]; then
    printf 'FAIL %s/lint is missing: make lint builds it\n0 passed, 1 failed, 0 skipped\n' "$build"
    exit 1
fi

# One header with every fault: the small ones from lint_bad.h, the bulky ones made here.
{
    awk '/^#ifdef ONEBIT_IMPLEMENTATION/ {
             for (i = 0; i < 111; i++) printf "/* Same. */\nONEBIT_API int onebit_f%d(void);\n", i
         }
         { print }' tests/lint_bad.h
    awk 'BEGIN {
             print "#ifdef ONEBIT_IMPLEMENTATION"
             for (i = 0; i < 19; i++) printf "#ifdef ONEBIT_CHOICE_%d\n#endif\n", i
             for (i = 0; i < 400; i++) print "#if 1\n#endif"
             for (f = 0; f < 260; f++) {
                 printf "static int ob_f%d(int a) {\n", f
                 for (i = 0; i < 121; i++) print "    a++;"
                 print "    return a;\n}"
             }
             printf "static int ob_wide; /*%101s*/\n", "wide"
             printf "\t/* a tab, blanks at the end, and \303\251 */  \n#endif\n"
         }'
} >"$bad/bad.h"
awk 'BEGIN { for (i = 0; i < 101; i++) print "" }' >"$bad/long.c"

failed=0
"$build/lint" "$bad/bad.h" "$bad/long.c" >"$bad/log"
status=$?
rules=$(grep -c -E ' (ok|over)$' "$bad/log")
blind=$(grep -E ' ok$' "$bad/log")
if [ "$status" -ne 1 ] || [ "$rules" -lt 17 ] || [ -n "$blind" ]; then
    printf 'FAIL these rules do not see the faults of %s:\n%s\n' "$bad/bad.h" "$blind"
    failed=1
fi
# Faults with exact counts: what the strings, comments and constants must not add to.
for want in 'declared ahead +1 ' 'variables outside .* 4 ' 'names without prefix +4 ' \
    'without a comment +2 ' 'one guard each +421 '; do
    grep -q -E "$want" "$bad/log" && continue
    printf 'FAIL on lint_bad.h, expected: %s\n' "$want"
    failed=$((failed + 1))
done
[ "$failed" -eq 0 ] || cat "$bad/log"

"$build/lint" onebit.h examples/hello.c examples/loop.c >"$bad/header.log"
status=$?
grep -v ' skipped$' "$bad/header.log"
rules=$(grep -c ' ok$' "$bad/header.log")
over=$(grep -c ' over$' "$bad/header.log")
[ "$status" -le 1 ] && [ "$rules" -gt 0 ] || failed=$((failed + 1))
printf '%d passed, %d failed, 0 skipped\n' $((rules + 6 - failed)) $((over + failed))
[ $((over + failed)) -eq 0 ]
