#!/bin/sh
# Line and branch coverage of onebit.h by the unit tests (tests/run.c), floor by floor.
#
#   sh tools/coverage.sh [BUILD [FLOOR...]]      json config ...: also what is not covered there
#
# Needs gcc and gcov. A branch counts as covered when it was taken at least once; the two ways of an
# OB_TRY are two branches. Works in BUILD/coverage.

out=${1:-build}/coverage
[ $# -gt 0 ] && shift
shown=$*
mkdir -p "$out" build || exit 1 # some tests write below build
if ! command -v gcov >/dev/null || ! gcc --coverage -x c -c /dev/null -o "$out/probe.o" 2>/dev/null; then
    echo "SKIP coverage: needs gcc and gcov"
    exit 0
fi
rm -f "$out"/*.gcda "$out"/*.gcno "$out"/*.gcov
gcc -O1 -g --coverage -w -fopenmp tests/run.c -o "$out/test-run" -lm || exit 1
OMP_WAIT_POLICY=passive "$out/test-run" >"$out/log" 2>&1 || {
    tail -n 20 "$out/log"
    exit 1
}
ln -sfn "$(pwd)/tests" "$out/tests" && ln -sfn "$(pwd)/onebit.h" "$out/onebit.h" # for gcov
(cd "$out" && gcov --branch-counts --branch-probabilities --preserve-paths -o . ./*.gcda) >"$out/gcov.log" 2>&1
awk -v shown=" $shown " '
    function close_line() { # how many ways out of the line before were never taken
        if (open && missed && index(shown, " " floor " ")) print "  " at ": " missed " of " ways " branches not taken: " text
        open = missed = ways = 0
    }
    function note() {
        if (floor == "" ) return
        order[++floors] = floor
    }
    /^branch / {
        if (floor == "") next
        branches[floor]++; ways++
        if ($0 ~ /taken [1-9]/) taken[floor]++
        else missed++
        next
    }
    /^(call|unconditional|function) / || !/^ *[^:]*: *[0-9]+:/ { next }
    {
        close_line()
        count = $0; sub(/:.*/, "", count); gsub(/ /, "", count)
        text = $0; sub(/^ *[^:]*: *[0-9]+:/, "", text)
        at = $0; sub(/^ *[^:]*: */, "", at); sub(/:.*/, "", at)
        open = 1
        if (text ~ /^   [0-9]+ >>[a-z]+ /) {
            floor = text; sub(/^[^>]*>>/, "", floor); sub(/ .*/, "", floor)
            note()
        }
        if (floor == "" || count == "-") next
        lines[floor]++
        if (count ~ /^[#=]/) {
            if (index(shown, " " floor " ")) print "  " at ": never run: " text
        } else run[floor]++
    }
    END {
        close_line()
        printf "%-12s %7s %8s %7s %9s %8s %7s\n", "floor", "lines", "run", "%", "branches", "taken", "%"
        for (i = 1; i <= floors; i++) {
            f = order[i]
            a += lines[f]; b += run[f]; c += branches[f]; d += taken[f]
            printf "%-12s %7d %8d %7.2f %9d %8d %7.2f\n", f, lines[f], run[f],
                100 * run[f] / (lines[f] ? lines[f] : 1), branches[f], taken[f],
                100 * taken[f] / (branches[f] ? branches[f] : 1)
        }
        printf "%-12s %7d %8d %7.2f %9d %8d %7.2f\n", "all", a, b, 100 * b / a, c, d, 100 * d / c
    }' "$out/onebit.h.gcov"
