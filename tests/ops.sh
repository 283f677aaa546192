#!/bin/sh
# The ops of onebit_cuda.h against the CPU's, their kernels run on the CPU under AddressSanitizer.
#
#   sh tests/ops.sh BUILD        builds BUILD/test-ops

out=${1:-build}
mkdir -p "$out" || exit 1
cxx=''
printf 'int main() { return 0; }\n' >"$out/probe.cpp"
for each in ${CXX:-} c++ g++ clang++; do
    if "$each" -fsanitize=address "$out/probe.cpp" -o "$out/probe" 2>/dev/null && "$out/probe"; then
        cxx=$each
        break
    fi
done
if [ -z "$cxx" ] || [ "$(uname)" != Linux ]; then
    printf 'SKIP ops of onebit_cuda.h: they need Linux and a C++ compiler with -fsanitize=address\n'
    printf '0 passed, 0 failed, 1 skipped\n'
    exit 0
fi
# The CPU's scalar kernels are what is compared with; leaving out the others halves the compilation.
flags='-x c++ -std=c++11 -O1 -g1 -DONEBIT_NO_SIMD -fsanitize=address -Wall -Wextra'
if ! [ "$out/test-ops" -nt onebit.h ] || ! [ "$out/test-ops" -nt onebit_cuda.h ] ||
    ! [ "$out/test-ops" -nt tests/test_ops.c ] || ! [ "$out/test-ops" -nt tests/cuda_on_cpu.h ]; then
    # shellcheck disable=SC2086 # flags are split on purpose
    "$cxx" $flags tests/test_ops.c -o "$out/test-ops" || exit 1
fi
ASAN_OPTIONS=detect_leaks=1 exec "$out/test-ops"
