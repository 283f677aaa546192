#!/bin/sh
# Builds the fuzz targets with clang's libFuzzer and runs each for some seconds.
#
#   sh tests/fuzz/run.sh BUILD [SECONDS [TARGET...]]       new inputs stay in BUILD/fuzz/TARGET
#
# Prints executions per target. An input that breaks a promise is kept in BUILD/fuzz/found; once it is
# mended it goes to tests/fuzz/corpus, which make test replays.

out=${1:-build}/fuzz
seconds=${2:-60}
[ $# -gt 2 ] && shift 2 || set -- json config tokenizer encode model checkpoint tokens text sample state \
    vocabulary files template gguf spm gguf-model hf llama2c
mkdir -p "$out/found" || exit 1

cc=
for try in ${CC:+"$CC"} clang clang-14; do
    printf '#include <stddef.h>\n#include <stdint.h>\nint LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return !p || !n ? 0 : 0; }\n' \
        >"$out/probe.c"
    if $try -fsanitize=fuzzer,address,undefined "$out/probe.c" -o "$out/probe" 2>/dev/null; then
        cc=$try
        break
    fi
done
if [ -z "$cc" ]; then
    printf 'SKIP fuzzing: no clang with libFuzzer here\n0 passed, 0 failed, 1 skipped\n'
    exit 0
fi
$cc -O1 -g -Wall -Wextra -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DFUZZ_MAIN \
    tests/fuzz/fuzz.c -o "$out/fuzz" -lm || exit 1

passed=0 failed=0
printf '%-12s %12s %10s %8s %8s\n' target executions 'per second' inputs result
for target in "$@"; do
    mkdir -p "$out/$target"
    "$out/fuzz" --target="$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2000 \
        -max_len=20000 -print_final_stats=1 -artifact_prefix="$out/found/$target-" \
        "$out/$target" "tests/fuzz/corpus/$target" >"$out/$target.log" 2>&1
    if [ $? -eq 0 ]; then result=ok passed=$((passed + 1))
    else result=FAILED failed=$((failed + 1)); fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
    speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$out/$target.log")
    printf '%-12s %12s %10s %8s %8s\n' "$target" "${runs:-0}" "${speed:-0}" \
        "$(ls "$out/$target" | wc -l)" "$result"
    [ "$result" = ok ] || grep -a -E 'ERROR|broken promise|runtime error|SUMMARY' "$out/$target.log"
done
printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
