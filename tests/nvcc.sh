#!/bin/sh
# The programs as nvcc builds them for NVIDIA GPUs, and --device on a machine without one.
#
#   sh tests/nvcc.sh BUILD      the programs go to BUILD/nvcc
#
# onebit-train is one file for four architectures, the others are built for one. Nothing is optimised:
# nvcc then takes 15 s of a processor for a program, else 50, and has the same to say about it. No kernel
# runs here: they are tested by tests/cuda_on_cpu.h on the CPU, and by tools/gpu_queue.sh on a GPU.

out=${1:-build}/nvcc
if ! command -v nvcc >/dev/null 2>&1; then
    printf 'SKIP nvcc: not installed\n0 passed, 0 failed, 1 skipped\n'
    exit 0
fi
mkdir -p "$out" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=1
passed=0 failed=0 skipped=0

fail() { # WHAT FILE
    printf 'FAIL %s\n' "$1"
    head -n 15 "$2"
    failed=$((failed + 1))
}
ok() { # WHAT COMMAND...; $work/err tells more
    what=$1
    shift
    if "$@" >/dev/null; then passed=$((passed + 1)); else fail "$what" "$work/err"; fi
}

# ---- Builds, two at a time ----------------------------------------------------------------------
fast='-O0 -Xcicc -O0 -Xptxas -O0'
wanted='' one=''
for number in 75 80 90 100; do
    if nvcc --list-gpu-code | grep -q "^sm_$number\$"; then
        wanted="$wanted -gencode arch=compute_$number,code=sm_$number"
        one=-arch=sm_$number
    else
        printf 'SKIP sm_%s: not known to this nvcc\n' "$number"
        skipped=$((skipped + 1))
    fi
done
build() { # ARCHITECTURES PROGRAM
    rm -f "$out/onebit-$2-cuda"
    # shellcheck disable=SC2086 # flags are split on purpose
    nvcc $fast $1 -diag-suppress 1675,550 -x cu -DONEBIT_CUDA "examples/$2.c" -o "$out/onebit-$2-cuda" \
        -lcublas >"$work/$2.log" 2>&1
}
{ build "$wanted" train; build "$one" eval; } &
{ for program in bench chat generate search; do build "$one" $program; done; } &
wait
for program in train bench chat eval generate search; do
    if [ -x "$out/onebit-$program-cuda" ] && [ ! -s "$work/$program.log" ]; then passed=$((passed + 1))
    else fail "onebit-$program: built without a word of nvcc" "$work/$program.log"; fi
done

# ---- Without a GPU ------------------------------------------------------------------------------
run() { # PROGRAM ARGUMENTS...; leaves $work/out, $work/err and $code
    program=$1
    shift
    "$out/onebit-$program-cuda" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
}
refused() { [ "$code" -eq 1 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ]; }
err_has() { grep -q -e "$1" "$work/err"; }

i=0
while [ $i -lt 40 ]; do
    printf 'You: hello\nKeeper: welcome to the light\nYou: who are you\nKeeper: I keep the lamp\n'
    i=$((i + 1))
done >"$work/text.txt"
for program in train bench chat eval generate search; do
    case $program in
    train) set -- --data-dir "$work/text.txt" --output-dir "$work/none" ;;
    search) set -- --checkpoint "$work/none" --val-data "$work/text.txt" --min-perplexity-max 9 ;;
    bench) set -- --machine ;;
    *) set -- --model "$work/none" ;;
    esac
    run $program "$@" --device cuda
    ok "onebit-$program --device cuda is refused in one line" refused
    ok "onebit-$program says why, and names the flag" err_has 'no NVIDIA GPU can be used: .*(see --device)'
done
run train --data-dir "$work/text.txt" --device cuda:1
ok "--device cuda:1 is refused in one line" refused

learn() { # DEVICE DIRECTORY
    run train --data-dir "$work/text.txt" --tokenizer-kind byte --hidden-size 32 --num-layers 1 \
        --num-heads 2 --intermediate-size 64 --max-seq-len 128 --batch-size 4 --seq-len 32 \
        --max-steps 5 --threads 1 --device "$1" --output-dir "$work/$2"
}
learn auto auto
ok "--device auto trains" [ "$code" -eq 0 ]
ok "--device auto says where" [ "$(grep -c '^device: CPU (no NVIDIA GPU can be used: ' "$work/err")" -eq 1 ]
learn cpu cpu
ok "--device cpu trains" [ "$code" -eq 0 ]
ok "--device auto trains on the CPU" cmp "$work/auto/model.1bit" "$work/cpu/model.1bit"
run generate --model "$work/cpu/model.1bit" --prompt Hello --max-tokens 8 --temperature 0 --device auto -q
ok "--device auto generates" [ "$code" -eq 0 ]
ok "and is quiet when asked" [ ! -s "$work/err" ]

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
