#!/bin/sh
# The tests again under AddressSanitizer and UndefinedBehaviorSanitizer, where a fault ends the program.
#
#   sh tests/sanitize.sh BUILD          the sanitized programs go to BUILD/sanitized

out=${1:-build}/sanitized
flags='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all'
mkdir -p "$out" || exit 1

printf 'int main(void) { return 0; }\n' >"$out/probe.c"
printf '#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n' >"$out/probe_omp.c"
links() { # COMPILER FLAG... ; the program must run too
    "$@" -o "$out/probe" 2>/dev/null && "$out/probe"
}
found=
for cc in ${CC:+"$CC"} gcc clang cc; do
    # shellcheck disable=SC2086 # flags are split on purpose, here and below
    if links $cc $flags "$out/probe.c"; then
        found=1
        links $cc $flags -fopenmp "$out/probe_omp.c" && flags="$flags -fopenmp"
        break
    fi
done
if [ -z "$found" ]; then
    printf 'SKIP sanitizers: no compiler here links -fsanitize=address,undefined\n'
    printf '0 passed, 0 failed, 1 skipped\n'
    exit 0
fi

echo "$cc $flags"
# shellcheck disable=SC2086
{
    $cc $flags tests/run.c -o "$out/test-run" -lm &
    $cc $flags -DONEBIT_IMPLEMENTATION -x c -c onebit.h -o "$out/onebit.o" || exit 1
    for example in examples/*.c; do
        name=$(basename "$example" .c)
        $cc $flags -DONEBIT_IMPLEMENTED "$example" "$out/onebit.o" -o "$out/onebit-$name" -lm || exit 1
    done
    $cc $flags tools/corpus.c -o "$out/onebit-corpus" -lm || exit 1
    wait $! || exit 1
}
export UBSAN_OPTIONS=print_stacktrace=1
# The library must free all it takes; a program may leave its command line to the end of the process.
# One thread: waiting for another costs more than it brings, and tests of threads ask for theirs.
sh tests/count.sh --two "OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 $out/test-run" \
    "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 sh tests/cli.sh $out" \
    "$out/onebit-corpus --check"
