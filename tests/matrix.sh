#!/bin/sh
# The compile matrix: compilers, standards and flags; header hygiene; symbols; the one-line builds.
#
#   sh tests/matrix.sh          from the top directory; prints what fails and a counted line
#
# Every case is one command that must succeed without any output of the compiler.

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
strict='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
header=$(pwd)/onebit.h

passed=0
failed=0
skipped=0

pass() { passed=$((passed + 1)); }
skip() { printf 'SKIP %s\n' "$1"; skipped=$((skipped + 1)); }
fail() {
    printf 'FAIL %s\n' "$1"
    [ -z "$2" ] || head -n 15 "$2"
    failed=$((failed + 1))
}

# Runs "$2..." as the case named $1.
try() {
    name=$1
    shift
    if "$@" >"$work/try.log" 2>&1; then pass; else fail "$name" "$work/try.log"; fi
}

# ---- Compilations, two at a time: queue NAME COMMAND..., and drain counts them. -------------------
queued=0
queue() {
    queued=$((queued + 1))
    printf '%s\n' "$1" >"$work/$queued.name"
    shift
    # shellcheck disable=SC2294 # the words of one case, as given
    { eval "$@" >"$work/$queued.log" 2>&1 && : >"$work/$queued.ok"; } &
    [ $((queued % 2)) -ne 0 ] || wait
}
drain() {
    wait
    i=0
    while [ "$i" -lt "$queued" ]; do
        i=$((i + 1))
        if [ -f "$work/$i.ok" ]; then pass; else fail "$(cat "$work/$i.name")" "$work/$i.log"; fi
    done
    queued=0
    rm -f "$work"/*.name "$work"/*.ok "$work"/*.log
}

has_omp() { # COMMAND...
    printf '#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n' >"$work/omp.c"
    "$@" -fopenmp "$work/omp.c" -o "$work/omp" 2>/dev/null
}

# ---- The programs that are compiled -----------------------------------------------------------------
cat >"$work/whole.c" <<END
#define ONEBIT_IMPLEMENTATION
#include "$header"
#include "$header"
END
cat >"$work/user.c" <<END
#include "$header"
const char *user_text(void);
const char *user_text(void) { return onebit_status_text(ONEBIT_OK); }
END
cat >"$work/main.c" <<END
#include "$header"
const char *user_text(void);
int main(void) {
    char line[256];
    onebit_version_text(line, sizeof line);
    return !(user_text()[0] && line[0] && onebit_status_text(ONEBIT_IO) && onebit_error_text());
}
END
# A model comes from memory here: with ONEBIT_NO_FILES nothing else must be needed.
cat >"$work/memory.c" <<END
#define ONEBIT_IMPLEMENTATION
#include "$header"
int main(void) {
    static const unsigned char image[64] = {0};
    onebit_model *model = NULL;
    onebit_status status = onebit_model_open_memory(&model, image, sizeof image, NULL);
    onebit_model_free(model);
    return !(status == ONEBIT_FORMAT && onebit_error_text()[0]);
}
END
# Two private copies and a public one in one program. Each file says which name it offers.
for copy in one two; do
    cat >"$work/copy_$copy.c" <<END
#define ONEBIT_STATIC
#define ONEBIT_IMPLEMENTATION
#include "$header"
const char *copy_$copy(void);
const char *copy_$copy(void) { return onebit_status_text(ONEBIT_MEMORY); }
END
done
cat >"$work/copies.c" <<END
#define ONEBIT_IMPLEMENTATION
#include "$header"
const char *copy_one(void);
const char *copy_two(void);
int main(void) { return !(copy_one()[0] && copy_two()[0] && onebit_error_text()); }
END

# ---- Compilers, standards and flags -----------------------------------------------------------------
two_files() { # COMPILER... ; the program of three files, linked and run
    "$@" -c "$work/whole.c" -o "$work/two_whole.o" && "$@" -c "$work/user.c" -o "$work/two_user.o" &&
        "$@" -c "$work/main.c" -o "$work/two_main.o" &&
        "$1" "$work/two_whole.o" "$work/two_user.o" "$work/two_main.o" -lm -o "$work/two" &&
        "$work/two"
}
one_file() { # FILE COMPILER... ; one program, linked and run
    file=$1
    shift
    "$@" -c "$work/$file.c" -o "$work/$file.o" && "$1" "$work/$file.o" -lm -o "$work/$file" &&
        "$work/$file"
}

for compiler in 'gcc -std=c99' 'gcc -std=gnu11' 'clang -std=c99' 'g++ -x c++ -std=c++11' \
    'clang++ -x c++ -std=c++11'; do
    if ! command -v "${compiler%% *}" >/dev/null 2>&1; then
        skip "$compiler: not installed"
        continue
    fi
    cc="$compiler $strict"
    openmp=
    # shellcheck disable=SC2086 # commands and flags are split on purpose, here and below
    if has_omp $compiler; then openmp=-fopenmp; else skip "$compiler: cannot link -fopenmp"; fi
    for flags in "" ${openmp:+"$openmp"} -DONEBIT_STATIC -DONEBIT_NO_SIMD \
        -DONEBIT_NO_AVX512 -DONEBIT_NO_FILES \
        '-DONEBIT_STATIC -DONEBIT_NO_SIMD -DONEBIT_NO_FILES' -DONEBIT_NO_STDIO \
        '-DONEBIT_NO_STDIO -DONEBIT_NO_FILES'; do
        queue "$compiler $flags onebit.h" "$cc $flags -c $work/whole.c -o $work/$queued.o"
    done
    # In a header of declarations only, an example says whether it is clean itself.
    for example in examples/*.c; do
        queue "$compiler $example" "$cc -DONEBIT_IMPLEMENTED -fsyntax-only $example"
    done
    queue "$compiler tools/corpus.c" "$cc -fsyntax-only tools/corpus.c"
    queue "$compiler tools/lint.c" "$cc -fsyntax-only tools/lint.c"
    drain
    # shellcheck disable=SC2086
    try "$compiler: program of three files" two_files $compiler
    # shellcheck disable=SC2086
    try "$compiler: a model from memory without files" one_file memory $compiler -DONEBIT_NO_FILES
    # shellcheck disable=SC2086
    try "$compiler: a model from memory without stdio" one_file memory $compiler -DONEBIT_NO_FILES \
        -DONEBIT_NO_STDIO
done

# gcc sees some faults (unused, uninitialised) only when it optimises.
if command -v gcc >/dev/null 2>&1; then
    queue 'gcc -O2 onebit.h' "gcc -std=c99 -O2 $strict -c $work/whole.c -o $work/optimised.o"
fi
cat >"$work/mixed.c" <<END
#include "$header"
int main() { char line[64]; onebit_version_text(line, sizeof line); return !line[0]; }
END
mixed() { # the implementation in C, its user in C++
    cc -c "$work/whole.c" -o "$work/mixed_c.o" && c++ -x c++ -c "$work/mixed.c" -o "$work/mixed_cc.o" &&
        c++ "$work/mixed_c.o" "$work/mixed_cc.o" -lm -o "$work/mixed" && "$work/mixed"
}
if command -v c++ >/dev/null 2>&1; then try 'implementation in C, user in C++' mixed
else skip 'implementation in C, user in C++: no C++ compiler'; fi
copies() {
    for part in copy_one copy_two copies; do
        cc -c "$work/$part.c" -o "$work/$part.o" || return 1
    done
    cc "$work/copy_one.o" "$work/copy_two.o" "$work/copies.o" -lm -o "$work/copies" && "$work/copies"
}
try 'two private copies and a public one in one program' copies
printf 'int main(void) { return 0; }\n' >"$work/empty.c"
if cc -m32 "$work/empty.c" -lm -o "$work/empty" 2>/dev/null; then
    try '-m32: program of three files' two_files cc -std=c99 -m32
else
    skip '-m32: this compiler cannot link 32-bit programs'
fi
drain

# ---- Hygiene of the header --------------------------------------------------------------------------
includes() { # the declaration part includes only stddef.h and stdint.h
    sed '/^#ifdef ONEBIT_IMPLEMENTATION/,$d' onebit.h | grep -E '^#include' >"$work/includes"
    ! grep -v -E '<(stddef|stdint)\.h>' "$work/includes" && [ -s "$work/includes" ]
}
try 'declarations include only stddef.h and stdint.h' includes
macros() { # the declaration part defines only ONEBIT_...
    printf '#include <stddef.h>\n#include <stdint.h>\n' >"$work/system.c"
    cc -dM -E "$work/system.c" | sort >"$work/system.macros"
    cc -dM -E "$work/user.c" | sort >"$work/our.macros"
    grep -q ONEBIT_VERSION "$work/our.macros" &&
        ! comm -13 "$work/system.macros" "$work/our.macros" | grep -v '^#define ONEBIT_'
}
try 'declarations define only ONEBIT_ macros' macros

# ---- Symbols ----------------------------------------------------------------------------------------
exported() {
    nm -g --defined-only "$work/symbols.o" | awk 'NF == 3 { print $3 }' >"$work/exported"
    grep -q '^onebit_version_text$' "$work/exported" && ! grep -v '^onebit_' "$work/exported"
}
# Writable data; the thread-local error text is in .tbss, constants with addresses in .data.rel.ro.
globals() {
    nm -f sysv "$work/symbols.o" | grep -q 'onebit_version_text' &&
        ! nm -f sysv "$work/symbols.o" | grep -E '\|(\.data|\.bss|\*COM\*)' | grep -v '\.data\.rel\.ro'
}
# What a library inside another program must not do: end it, print, read its environment.
forbidden() { # stdin is read, but only where the caller gives "-" as a path
    ! nm -u "$work/symbols.o" | awk '{ print $NF }' | sed 's/@.*//' | grep -E -x \
        'exit|_exit|abort|__assert_fail|getenv|secure_getenv|setlocale|printf|__printf_chk|puts|putchar|perror|stdout|stderr|signal|s?rand|strtok'
}
without_files() {
    ! nm -u "$work/no_files.o" | awk '{ print $NF }' | sed 's/@.*//' |
        grep -E -x 'f?open(64)?|fread|fwrite|mmap(64)?|rename|opendir|stat|fstat'
}
without_stdio() { # no function of stdio, and the header not included
    ! nm -u "$work/no_stdio.o" | awk '{ print $NF }' | sed 's/@.*//' |
        grep -E -x '(__)?v?(f|s|sn)?(printf|scanf)(_chk)?|f(open|read|write|close|puts|flush)(64)?|puts|putchar|rename|remove|std(in|out|err)'
}
stdio_absent() {
    cc -DONEBIT_NO_STDIO "$@" -E "$work/whole.c" >"$work/no_stdio.i" && grep -q ob_print "$work/no_stdio.i" &&
        ! grep -E '^# [0-9]+ ".*/stdio\.h"' "$work/no_stdio.i"
}
nothing_exported() { ! nm -g --defined-only "$work/static.o" | grep .; }
try 'ONEBIT_NO_STDIO includes no <stdio.h>' stdio_absent
try 'nor does it without files' stdio_absent -DONEBIT_NO_FILES
if command -v nm >/dev/null 2>&1; then
    for compiler in gcc clang; do
        command -v $compiler >/dev/null 2>&1 || { skip "$compiler: symbols: not installed"; continue; }
        try "$compiler: compile for symbols" $compiler -O1 -fPIC -c "$work/whole.c" -o "$work/symbols.o"
        try "$compiler: every exported symbol begins with onebit_" exported
        try "$compiler: no writable data outside objects" globals
        try "$compiler: no exit, abort, output or environment" forbidden
        try "$compiler: compile without files" \
            $compiler -O1 -DONEBIT_NO_FILES -c "$work/whole.c" -o "$work/no_files.o"
        try "$compiler: ONEBIT_NO_FILES needs no file function" without_files
        try "$compiler: compile without stdio" \
            $compiler -O1 -DONEBIT_NO_STDIO -c "$work/whole.c" -o "$work/no_stdio.o"
        try "$compiler: ONEBIT_NO_STDIO needs no stdio function" without_stdio
        try "$compiler: compile as a private copy" \
            $compiler -O0 -DONEBIT_STATIC -c "$work/whole.c" -o "$work/static.o"
        try "$compiler: ONEBIT_STATIC exports nothing" nothing_exported
    done
else
    skip 'symbols: no nm'
fi

# ---- The one-line builds that the files promise -----------------------------------------------------
for source in examples/*.c tools/*.c; do
    line=$(sed -n "s|^.*[^a-z]\(cc .*$source.*\)|\1|p" "$source" | head -n 1)
    line=${line%%   *}
    case $line in
    *' -o '*) ;;
    *)
        fail "$source: its comment has no line \"cc ... $source -o ...\""
        continue
        ;;
    esac
    # Quick and elsewhere, but else as written: a later -O0 and -o win.
    line=$(printf '%s\n' "$line" | sed "s| -o [^ ]*| -o $work/one_line_$queued|; s|\$| -O0|; s|[&;].*||")
    queue "$source: $line" "$line"
done
drain

# ---- The program printed in README.md ---------------------------------------------------------------
readme() {
    awk '/^```c$/ { take = 1; next } /^```/ { if (take) exit } take' README.md >"$work/readme.c"
    [ -s "$work/readme.c" ] && cc -O0 -I. "$work/readme.c" -o "$work/readme" -lm
}
try 'the C program in README.md builds' readme

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
