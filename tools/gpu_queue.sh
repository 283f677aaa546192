#!/bin/sh
# All that only a GPU can tell, in one go: the programs as nvcc builds them, every op on the device,
# compute-sanitizer, training and the other programs against the CPU, benchmarks against goals.
#
#   sh tools/gpu_queue.sh [BUILD [STEP...]]     steps: build test sanitize check bench (all of them)
#
# Needs an NVIDIA GPU and the CUDA Toolkit; where python3 has torch, PyTorch is measured beside. It
# is meant to take less than 10 minutes on 16 processor cores. Logs and programs are in BUILD/gpu.
# The last lines are a table: what, result, goal, and ok, FAIL or - (nothing was asked, or nothing
# could be found out). The exit status is 0 when nothing failed of all steps but "bench". Benchmarks
# go to tools/bench/gpu.jsonl as well, a line each.
#
# From the environment: LIMIT, the seconds that all of it may take; PYTHON; SHAPE and STEPS of the
# model that is trained on both devices; MODEL_SHAPE, the one of onebit-bench that is decoded.

LIMIT=${LIMIT:-585}
PYTHON=${PYTHON:-python3}
SHAPE=${SHAPE:-"--hidden-size 128 --num-layers 4 --num-heads 4 --intermediate-size 352
  --max-seq-len 128 --seq-len 128 --batch-size 8"}
STEPS=${STEPS:-200}
MODEL_SHAPE=${MODEL_SHAPE:-2b4t}
# Losses on two devices part as those of two ways to round do. Measured on the CPU with SHAPE and
# STEPS: 0.002 and 0.003 for --backward-bits 16 and --fast; 0.038 for another seed, which must not
# pass.
NOISE=0.015

build=${1:-build}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- build test sanitize check bench
gpu=$build/gpu
work=$gpu/work
began=$(date +%s)
programs='train chat eval generate search bench'
step='' watcher=''

if ! cards=$(nvidia-smi -L 2>/dev/null) || [ -z "$cards" ]; then
    echo 'gpu_queue.sh: no NVIDIA GPU is here (nvidia-smi -L lists none).' >&2
    exit 1
fi
export PATH="$PATH:/usr/local/cuda/bin" # where the toolkit is when nobody has said so
export OMP_WAIT_POLICY=passive
# nvidia-smi counts by bus, CUDA by speed unless it is told.
export CUDA_DEVICE_ORDER=PCI_BUS_ID
card=${CUDA_VISIBLE_DEVICES:-0}
card=${card%%,*}

# ---- What all steps use -------------------------------------------------------------------------

say() { printf '[%3d s] %s\n' $(($(date +%s) - began)) "$1" >&2; }

limit() { # SECONDS COMMAND...: 124 when they, or the seconds of all, are over
    seconds=$1
    shift
    left=$((LIMIT - $(date +%s) + began))
    [ "$seconds" -le "$left" ] || seconds=$left
    [ "$seconds" -gt 0 ] || return 124
    timeout -k 5 "$seconds" "$@"
}

# Steps that run side by side have tables of their own, so that rows come in one order.
row() { # WHAT RESULT GOAL VERDICT
    printf '%s|%s|%s|%s\n' "$1" "$2" "$3" "$4" >>"$gpu/table-$step"
}

check() { # WHAT RESULT GOAL CODE: 0 is ok
    case $4 in
    0) row "$1" "$2" "$3" ok ;;
    124) row "$1" 'out of time' "$3" FAIL ;;
    *) row "$1" "$2" "$3" FAIL ;;
    esac
}

judge() { # WHAT VALUE UNIT [GOAL]: at least GOAL, where one is given
    if [ -z "$2" ]; then
        row "$1" 'no figure' "${4:+>= $4 $3}" -
        return
    fi
    verdict=-
    [ -z "${4:-}" ] ||
        verdict=$(awk -v x="$2" -v goal="$4" 'BEGIN { print (x >= goal ? "ok" : "FAIL") }')
    row "$1" "$2 $3" "${4:+>= $4 $3}" "$verdict"
    keep "$1" "$2" "$3" "${4:-null}"
}

keep() { # WHAT VALUE UNIT GOAL
    {
        printf '{"time": "%s", ' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
        printf '"gpu": "%s", "commit": "%s", ' "$card_name" "$commit"
        printf '"what": "%s", "value": %s, "unit": "%s", "goal": %s}\n' "$1" "$2" "$3" "$4"
    } >>tools/bench/gpu.jsonl
}

# figure FILE KEY [WHAT]: a number by its name, in the lines of JSON whose "what" begins so
figure() {
    grep -e "${3:+\"what\": \"$3}" "$1" 2>/dev/null |
        sed -n "s/.*\"$2\": *\([-+0-9.eE]*\).*/\1/p" | head -n 1
}

# reckon EXPRESSION FORMAT: nothing, when a figure that it needs is missing
reckon() {
    case " $1 " in *'?'*) return ;; esac
    awk "BEGIN { printf \"$2\", $1 }"
}

# ---- build: everything at once ------------------------------------------------------------------

compile() { # FILE COMMAND...
    rm -f "$gpu/$1"
    file=$1
    shift
    limit 200 "$@" -o "$gpu/$file" -lcublas >"$gpu/build-$file.log" 2>&1
}

make_all() {
    limit 200 make -j "$(nproc 2>/dev/null || echo 4)" BUILD="$build" all
    echo $? >"$gpu/build-cpu.code"
}

# Random weights take longer to make than to measure, so they are made while others compile.
make_weights() {
    [ -s "$gpu/model.1bit" ] ||
        limit 120 "$build/onebit-bench" -q --shape "$MODEL_SHAPE" --write "$gpu/model.1bit"
}

step_build() {
    rm -f "$gpu/model.1bit"
    for name in $programs; do
        compile "onebit-$name-cuda" nvcc -O3 -arch=native -x cu -DONEBIT_CUDA "examples/$name.c" &
    done
    compile test-ops-cuda nvcc -O2 -arch=native -x cu tests/test_ops.c &
    compile gpu-rates nvcc -O2 -arch=native -x cu tools/gpu_rates.cu &
    { make_all; make_weights; } >"$gpu/build-cpu.log" 2>&1 &
    wait
    missing=''
    for name in $programs; do
        [ -x "$gpu/onebit-$name-cuda" ] || missing="$missing onebit-$name-cuda"
    done
    for name in test-ops-cuda gpu-rates; do [ -x "$gpu/$name" ] || missing="$missing $name"; done
    [ -z "$missing" ]
    check 'built by nvcc' "${missing:-all}" '8 programs' $?
    check 'built for the CPU' 'by make' 'all programs' "$(cat "$gpu/build-cpu.code")"
}

# ---- test, sanitize -----------------------------------------------------------------------------

step_test() {
    limit 120 "$gpu/test-ops-cuda" >"$gpu/test.log" 2>&1
    code=$?
    check 'every op, whole models' "$(tail -n 1 "$gpu/test.log" | cut -c 1-34)" '0 failed' $code
}

sanitize() { # TOOL
    limit 200 compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 20 \
        "$gpu/test-ops-cuda" --quick >"$gpu/sanitize-$1.log" 2>&1
    echo $? >"$gpu/sanitize-$1.code"
}

# The tools run side by side. initcheck decides nothing: it may not know what the CPU wrote into
# managed memory.
step_sanitize() {
    for tool in memcheck racecheck synccheck initcheck; do sanitize $tool & done
    wait
    for tool in memcheck racecheck synccheck initcheck; do
        code=$(cat "$gpu/sanitize-$tool.code")
        sum=$(sed -n 's/.*SUMMARY: //p' "$gpu/sanitize-$tool.log" | tail -n 1 |
            sed 's/.*(\(.*\))/\1/')
        [ -n "$sum" ] || sum="exit status $code"
        if [ $tool = initcheck ] && [ "$code" -ne 0 ]; then row $tool "$sum" '' -
        else check $tool "$sum" '0 errors' "$code"; fi
    done
}

# ---- check: the programs on both devices --------------------------------------------------------

train() { # DIRECTORY PROGRAM FLAG...
    to=$1 program=$2
    shift 2
    # shellcheck disable=SC2086 # SHAPE is flags
    limit 60 "$program" --data-dir "$work/train.txt" --tokenizer "$work/tokenizer.json" $SHAPE \
        --output-dir "$work/$to" --eval-every 0 --save-every 0 --log-every 1 -q "$@" \
        >>"$gpu/check.log" 2>&1
}
on_cpu() { to=$1; shift; train "$to" "$build/onebit-train" "$@"; }
on_gpu() { to=$1; shift; train "$to" "$gpu/onebit-train-cuda" --device cuda "$@"; }

# Mean |difference| of two runs' losses over the last quarter of STEPS, each loss being the mean of
# the tenth of STEPS before it; and both losses at the end.
curves() { # DIRECTORY DIRECTORY
    awk -F, -v steps="$STEPS" '
        FNR == 1 { run++; next }
        { loss[run, $1] = $3; last[run] = $1 }
        function smooth(run, at, i, sum) {
            for (i = 0; i < width; i++) sum += loss[run, at - i]
            return sum / width
        }
        END {
            if (run != 2 || !last[1] || last[1] != last[2]) exit 1
            width = int(steps / 10)
            span = int(steps / 4)
            for (i = 0; i < span; i++) {
                d = smooth(1, last[1] - i) - smooth(2, last[1] - i)
                sum += d < 0 ? -d : d
            }
            printf "%.4f %.3f %.3f\n", sum / span, smooth(1, last[1]), smooth(2, last[1])
        }' "$work/$1/metrics.csv" "$work/$2/metrics.csv" 2>>"$gpu/check.log"
}

check_curves() { # WHAT DIRECTORY DIRECTORY
    found=$(curves "$2" "$3")
    echo "${found:-x}" | awk -v noise="$NOISE" '{ exit !(NF == 3 && $1 < noise) }'
    code=$?
    check "$1" "$(echo "${found:-no curves}" | sed 's/ \(.*\) / (\1 and /; s/[0-9]$/&)/')" \
        "< $NOISE" $code
}

# What a run has saved goes on under another name.
goes_on() { # DEVICE FROM TO
    rm -rf "${work:?}/$3"
    cp -r "$work/$2" "$work/$3" && "on_$1" "$3" --resume --max-steps $((STEPS * 6 / 5))
}

check_training() {
    on_cpu cpu --max-steps "$STEPS"
    on_gpu gpu32 --max-steps "$STEPS" --backward-bits 32
    on_gpu gpu --max-steps "$STEPS"
    on_gpu again --max-steps "$STEPS"
    check_curves 'loss, GPU and CPU, float32 gradients' gpu32 cpu
    check_curves 'loss, GPU and CPU, bfloat16 on the GPU' gpu cpu
    cmp "$work/gpu/model.1bit" "$work/again/model.1bit" >>"$gpu/check.log" 2>&1 &&
        cmp "$work/gpu/model.safetensors" "$work/again/model.safetensors" >>"$gpu/check.log" 2>&1
    check 'one seed, two runs on the GPU' '' 'the same bytes' $?
    goes_on cpu gpu gpu-cpu && goes_on gpu gpu gpu-gpu
    check_curves 'a run of the GPU goes on on the CPU' gpu-cpu gpu-gpu
    goes_on gpu cpu cpu-gpu && goes_on cpu cpu cpu-cpu
    check_curves 'a run of the CPU goes on on the GPU' cpu-gpu cpu-cpu
}

# Perplexities of the model that the GPU trained, by each device: within 1 %.
check_perplexity() { # WHAT FILE-OF-CPU FILE-OF-GPU
    a=$(figure "$2" perplexity) b=$(figure "$3" perplexity)
    off=$(awk -v a="$a" -v b="$b" 'BEGIN { print (a > 0 && b > 0 ? 100 * (b / a - 1) : 100) }')
    awk -v x="$off" 'BEGIN { exit !(x < 1 && x > -1) }'
    code=$?
    check "$1" "$(printf '%.3f and %.3f' "${a:-0}" "${b:-0}")" 'within 1 %' $code
}

evaluate() { # PROGRAM FILE FLAG...
    program=$1 to=$2
    shift 2
    limit 60 "$program" --model "$work/gpu/model.1bit" --data "$work/test.txt" --json -q "$@" \
        >"$work/$to" 2>>"$gpu/check.log"
}

# The ceiling is out of reach of no map, so the smallest is the model as it was trained.
search() { # PROGRAM FILE FLAG...
    program=$1 to=$2
    shift 2
    rm -f "$work/$to.result"*
    limit 60 "$program" --checkpoint "$work/gpu" --val-data "$work/test.txt" \
        --min-perplexity-max 1e6 --options ternary,8bit --output "$work/$to.result.json" \
        --json -q "$@" >"$work/$to" 2>>"$gpu/check.log"
}

generate() { # PROGRAM FILE FLAG...
    program=$1 to=$2
    shift 2
    limit 60 "$program" --model "$work/gpu/model.1bit" --prompt 'It was a' --max-tokens 40 \
        --temperature 0 -q "$@" >"$work/$to" 2>>"$gpu/check.log"
}

check_programs() {
    evaluate "$build/onebit-eval" eval.cpu
    evaluate "$gpu/onebit-eval-cuda" eval.gpu --device cuda
    check_perplexity 'onebit-eval, CPU and GPU' "$work/eval.cpu" "$work/eval.gpu"
    search "$build/onebit-search" search.cpu
    search "$gpu/onebit-search-cuda" search.gpu --device cuda
    check_perplexity 'onebit-search, CPU and GPU' "$work/search.cpu" "$work/search.gpu"
    generate "$build/onebit-generate" text.cpu
    generate "$gpu/onebit-generate-cuda" text.gpu --device cuda
    same='another text than'
    cmp -s "$work/text.cpu" "$work/text.gpu" && same='the text of'
    [ -s "$work/text.gpu" ]
    check 'onebit-generate on the GPU' "$same the CPU" 'some text' $?
    echo 'It was a quiet day.' | limit 60 "$gpu/onebit-chat-cuda" --model "$work/gpu/model.1bit" \
        --max-tokens 40 --device cuda -q >"$work/chat" 2>>"$gpu/check.log" && [ -s "$work/chat" ]
    code=$?
    check 'onebit-chat on the GPU' "$(($(wc -c <"$work/chat"))) bytes" 'some text' $code
}

step_check() {
    rm -rf "$work" && mkdir -p "$work"
    {
        "$build/onebit-corpus" --seed 1 --bytes 1500000 --output "$work/train.txt"
        "$build/onebit-corpus" --seed 2 --held-out --bytes 100000 --output "$work/test.txt"
        "$build/onebit-tokenize" --train --data-dir "$work/train.txt" --vocab-size 512 \
            --output "$work/tokenizer.json" -q
    } >"$gpu/check.log" 2>&1
    check_training
    check_programs
}

# ---- bench --------------------------------------------------------------------------------------

# watch FILE COMMAND...: leaves in FILE what memory of the GPU was used meanwhile, in MiB. Once a
# second is enough for what is taken once, and too seldom to slow down what is measured.
watch() {
    to=$1
    shift
    while :; do
        nvidia-smi -i "$card" --query-gpu=memory.used --format=csv,noheader,nounits
        sleep 1
    done >"$to" 2>&1 &
    watcher=$!
    "$@"
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    watcher=''
}
peak() { grep -E '^[0-9]+$' "$1" | sort -n | tail -n 1; }

bench() { # NAME FLAG...
    name=$1
    shift
    limit 90 "$gpu/onebit-bench-cuda" "$@" --device cuda --json -q >"$gpu/bench-$name.json" \
        2>"$gpu/bench-$name.log"
}

bench_rates() {
    limit 30 "$gpu/gpu-rates" >"$gpu/bench-rates.json" 2>"$gpu/bench-rates.log"
    matmul=$(figure "$gpu/bench-rates.json" median products)
    copies=$(figure "$gpu/bench-rates.json" median copy)
    judge 'products of bfloat16, 8192^3' "$matmul" TFLOP/s
    judge 'copies in memory, read and written' "$copies" GB/s
}

bench_train() { # SHAPE [SHARE]: percent of the products of bfloat16 that it must reach
    watch "$gpu/bench-$1.memory" bench "$1" --train "$1" --backward-bits 16
    speed=$(figure "$gpu/bench-$1.json" median train)
    work_of=$(figure "$gpu/bench-$1.json" median 'products of a trained')
    judge "train $1" "$(reckon "${speed:-?}" %.0f)" tokens/s
    judge "train $1, of those products" \
        "$(reckon "200e-6 * ${speed:-?} * ${work_of:-?} / ${matmul:-?}" %.1f)" % "$2"
}

# What CUDA takes for itself is in the figures of nvidia-smi, and so is whoever else is there. A
# small model shows how much that is.
bench_memory() { # SHAPE
    watch "$gpu/bench-S1.memory" bench S1 --train S1 --backward-bits 16
    small=$(figure "$gpu/bench-S1.json" median memory)
    large=$(figure "$gpu/bench-$1.json" median memory)
    base=$(peak "$gpu/bench-S1.memory") peak=$(peak "$gpu/bench-$1.memory")
    taken=$(reckon "1.048576 * (${peak:-?} - ${base:-?}) + ${small:-?}" %.0f)
    off=$(reckon "100 * (${taken:-?} / ${large:-?} - 1)" %.1f)
    what="memory of $1: taken to estimate"
    if [ -z "$off" ]; then
        row "$what" 'no figure' 'within 5 %' -
        return
    fi
    verdict=$(awk -v x="$off" 'BEGIN { print (x <= 5 && x >= -5 ? "ok" : "FAIL") }')
    row "$what" "$taken to $(reckon "$large" %.0f) MB, $off %" 'within 5 %' "$verdict"
    keep "$what" "$off" % 5
}

bench_model() {
    make_weights >>"$gpu/build-cpu.log" 2>&1
    bench model --model "$gpu/model.1bit" --prompt 512 --tokens 128
    file=$gpu/bench-model.json
    one=$(figure "$file" median 'decode behind') eight=$(figure "$file" median 'decode 8')
    fill=$(figure "$file" median prefill) weights=$(figure "$file" median weights)
    work_of=$(figure "$file" median 'products of a prompt')
    judge "decode $MODEL_SHAPE" "$(reckon "${one:-?}" %.1f)" tokens/s
    judge "decode $MODEL_SHAPE, of copies" \
        "$(reckon "0.1 * ${one:-?} * ${weights:-?} / ${copies:-?}" %.1f)" % 70
    judge "decode $MODEL_SHAPE, 8 sequences" "$(reckon "${eight:-?}" %.1f)" tokens/s
    judge "prefill $MODEL_SHAPE, 512 tokens" "$(reckon "${fill:-?}" %.0f)" tokens/s
    judge "prefill $MODEL_SHAPE, of those products" \
        "$(reckon "200e-6 * ${fill:-?} * ${work_of:-?} / ${matmul:-?}" %.1f)" % 50
}

has_torch() {
    "$PYTHON" -c 'from importlib.util import find_spec; raise SystemExit(not find_spec("torch"))' \
        2>/dev/null
}

# Both programs one after the other, in the same minute.
bench_peers() {
    rm -f "$gpu/bench-peers.json"
    if has_torch; then
        limit 170 "$PYTHON" tools/peers.py train gpt2 17m --device cuda --json \
            --bench "$gpu/onebit-bench-cuda" >"$gpu/bench-peers.json" 2>"$gpu/bench-peers.log"
    fi
    bench_peer gpt2 1.3
    bench_peer 17m 2
}

bench_peer() { # SHAPE GOAL
    file=$gpu/bench-peers.json
    speed=$(figure "$file" median "$1: PyTorch") ratio=$(figure "$file" ratio "$1: onebit")
    if [ -z "$speed" ]; then
        why=$(sed -n "s/.*\"$1: PyTorch\", \"failed\": \"\(.*\)\"}/\1/p" "$file" 2>/dev/null)
        [ -n "$why" ] || why='see bench-peers.log'
        has_torch || why='no torch'
        row "train $1, PyTorch" "$(echo "$why" | cut -c 1-34)" '' -
    else
        judge "train $1, PyTorch" "$(reckon "$speed" %.0f)" tokens/s
    fi
    judge "train $1, to PyTorch" "$(reckon "${ratio:-?}" %.2f)" x "$2"
}

step_bench() {
    bench_rates
    bench_train gpt2 45
    bench_train 17m
    bench_memory gpt2
    bench_model
    bench_peers
}

# ---- all of it ----------------------------------------------------------------------------------

run() { # STEP
    step=$1
    say "$step"
    "step_$step"
}

table() {
    echo
    printf '%s\n' "$cards" | sed -n "1p"
    for step in build test sanitize check bench; do
        [ ! -s "$gpu/table-$step" ] || cat "$gpu/table-$step"
    done | awk -F'|' '
        BEGIN { form = "%-40s %-35s %-15s %s\n"; printf form, "what", "result", "goal", "" }
        { printf form, $1, $2, $3, $4 }'
}

end() {
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    rm -f "$gpu/model.1bit" # large
}

mkdir -p "$gpu" tools/bench || exit 1
trap end EXIT
trap 'exit 130' INT TERM
rm -f "$gpu"/table-*
card_name=$(nvidia-smi -i "$card" --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
# compute-sanitizer leaves the processor and most of the GPU idle, and the checks measure no time.
for name in "$@"; do
    case $name in
    build | test) run "$name" ;;
    sanitize) run sanitize & ;;
    check) run check ;;
    bench) wait; run bench ;;
    *) echo "gpu_queue.sh: there is no step '$name'" >&2; exit 1 ;;
    esac
done
wait
say 'done'
table
! cat "$gpu/table-build" "$gpu/table-test" "$gpu/table-sanitize" "$gpu/table-check" 2>/dev/null |
    grep -q '|FAIL$'
