#!/bin/sh
# The same tokens and logits everywhere: builds tests/same.c with every compiler, optimisation and
# machine that is here, and compares the number that each prints.
#
#   sh tests/same.sh BUILD
#
# Other machines run under qemu's user mode: gcc-aarch64-linux-gnu, gcc-s390x-linux-gnu (big-endian),
# gcc-riscv64-linux-gnu and qemu-user. Only -ffp-contract=fast of clang, which overrules the header, is
# known to break the promise.

want=ddb3300224f144d9
out=${1:-build}/same
mkdir -p "$out" || exit 1
passed=0 failed=0 skipped=0 seen=

check() { # NAME RUNNER HOW COMPILER FLAG...; HOW is "best" or empty
    name=$1 runner=$2 how=$3
    shift 3
    if ! "$@" tests/same.c -o "$out/same" -lm 2>"$out/log"; then
        printf 'FAIL %s does not compile: %s\n' "$name" "$(head -n 1 "$out/log")"
        failed=$((failed + 1))
        return
    fi
    # shellcheck disable=SC2086 # a runner may be empty
    $runner "$out/same" $how >"$out/lines" 2>&1
    lines=$(wc -l <"$out/lines")
    if [ "$lines" -gt 0 ] && ! grep -v "^$want " "$out/lines" >"$out/other"; then
        passed=$((passed + 1))
    else
        printf 'FAIL %s: %s\n' "$name" "$(head -n 1 "$out/other")"
        failed=$((failed + 1))
    fi
}

for cc in ${CC:-} gcc clang; do
    command -v "$cc" >/dev/null 2>&1 || continue
    case " $seen " in *" $cc "*) continue ;; esac
    seen="$seen $cc"
    for flags in -O0 -O3 "-O2 -DONEBIT_NO_AVX512" "-O2 -march=native -fopenmp"; do
        # shellcheck disable=SC2086 # flags are split on purpose
        case $flags in *openmp)
            printf 'int main(void) { return 0; }\n' >"$out/probe.c"
            "$cc" -fopenmp "$out/probe.c" -o "$out/probe" 2>/dev/null || continue ;;
        esac
        case $flags in -O0) how=best ;; *) how= ;; esac
        check "$cc $flags" "" "$how" "$cc" $flags
    done
done
for machine in aarch64 s390x riscv64; do
    if command -v "$machine-linux-gnu-gcc" >/dev/null 2>&1 && command -v "qemu-$machine" >/dev/null 2>&1
    then
        check "$machine" "qemu-$machine" best "$machine-linux-gnu-gcc" -O2 -static
        [ $machine != aarch64 ] ||
            check "aarch64 with dot products" "qemu-$machine -cpu max" best aarch64-linux-gnu-gcc -O2 \
                -march=armv8.2-a+dotprod -static
    else
        printf 'SKIP %s: no %s-linux-gnu-gcc or no qemu-%s here\n' "$machine" "$machine" "$machine"
        skipped=$((skipped + 1))
    fi
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
