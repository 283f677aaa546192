#!/bin/sh
# crash.sh - pulls the plug at every system call of a save, and lets each of them fail.
#
#   sh tests/crash.sh BUILD [--quick]        BUILD holds the programs; needs strace
#
# A run that resumes at update 2 and goes on to 4 (two checkpoints, metrics, the exported model), a
# fresh run, and a tokenizer that replaces its output are repeated once for every system call and
# fault: killed there, or told that the disk is full, the device broken, a signal came, nothing was
# written. After each: what was good before is still good, a resumed run ends with the same bytes as
# one that was never disturbed, an error is one clear line and leaves no temporary file. File size
# limits make writes short. --quick takes a part of the cases, evenly: half a minute, not two.

bin=${1:-build}
quick=; [ "$2" = --quick ] && quick=1
here=$(pwd)
case $bin in /*) ;; *) bin=$here/$bin ;; esac
tmp=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM PIPE
export OMP_NUM_THREADS=1
cases=0 losses=0 killed=0 refused=0 passed_over=0

if [ ! -x "$bin/onebit-train" ]; then
    printf 'FAIL %s/onebit-train is missing: build first\n0 passed, 1 failed, 0 skipped\n' "$bin"
    exit 1
fi
if ! strace -q -o /dev/null true 2>/dev/null ||
    ! strace -q -o /dev/null -e inject=getcwd:error=EIO true 2>/dev/null; then
    printf 'SKIP crash matrix: no strace that may trace and inject here\n'
    printf '0 passed, 0 failed, 1 skipped\n'
    exit 0
fi

awk 'BEGIN { for (i = 0; i < 12; i++) print "The cat sat on mat " i ".\nA dog ran to the mill." }' \
    >"$tmp/text.txt"

# One small run in directory $1 up to update $2; more flags follow. No learning rate schedule, so that
# the length of a run does not change its first half.
train() {
    dir=$1 steps=$2
    shift 2
    $trace "$bin/onebit-train" --data-dir "$tmp/text.txt" --tokenizer-kind byte --hidden-size 8 \
        --num-layers 1 --num-heads 2 --intermediate-size 8 --max-seq-len 8 --batch-size 1 \
        --save-every 1 --eval-every 0 --lr-decay none --lr-warmup-steps 0 --quiet \
        --output-dir "$dir" --max-steps "$steps" "$@"
}
tokens() { # the file $1, anew
    $trace "$bin/onebit-tokenize" --tokenizer "$tmp/good/tokenizer.json" \
        --data-dir "$tmp/text.txt" --output "$1" --quiet
}
trace=
train "$tmp/whole" 4 && train "$tmp/good" 2 && tokens "$tmp/good.tokens" || exit 1

# The three jobs: prepare sets the scene, job runs, check gives 0 when nothing was lost.
prepare_resume() { cp -r "$tmp/good" "$tmp/run"; }
prepare_fresh() { :; }
prepare_tokens() { mkdir "$tmp/run" && cp "$tmp/good.tokens" "$tmp/run/out.tokens"; }
job_resume() { train "$tmp/run" 4 --resume; }
job_fresh() { train "$tmp/run" 4; }
job_tokens() { tokens "$tmp/run/out.tokens"; }

ends_whole() { # the directory holds what an undisturbed run leaves
    cmp -s "$tmp/run/model.1bit" "$tmp/whole/model.1bit" &&
        cmp -s "$tmp/run/checkpoint.safetensors" "$tmp/whole/checkpoint.safetensors"
}
check_resume() { # going on from what is there
    [ "$code" -ne 0 ] || ends_whole || return 1
    trace=
    job_resume >"$tmp/out" 2>&1 && ends_whole
}
check_fresh() { # from the checkpoint when there is one, else again
    [ "$code" -ne 0 ] || ends_whole || return 1
    trace=
    if [ -f "$tmp/run/checkpoint.safetensors" ]; then job_resume >"$tmp/out" 2>&1
    else job_fresh >"$tmp/out" 2>&1; fi
    ends_whole
}
check_tokens() {
    cmp -s "$tmp/run/out.tokens" "$tmp/good.tokens"
}

lost() {
    losses=$((losses + 1))
    printf 'FAIL %s: %s\n' "$what" "$1"
    sed 's/^/     | /' "$tmp/err" | head -3
}

# Runs job $1 with $trace (or limits) set up, and judges.
judge() {
    job_"$1" >"$tmp/out" 2>"$tmp/err"
    code=$?
    cases=$((cases + 1))
    if [ "$code" -eq 0 ]; then passed_over=$((passed_over + 1))
    elif [ "$code" -eq 137 ]; then killed=$((killed + 1))
    else
        refused=$((refused + 1))
        [ "$code" -lt 128 ] || lost "died with status $code"
        [ "$(wc -l <"$tmp/err")" -eq 1 ] || lost "an error is one line, not $(wc -l <"$tmp/err")"
        grep -q '^onebit-[a-z]*: .*[a-z]' "$tmp/err" || lost "no clear line"
    fi
    if [ "$code" -ne 137 ] && ls "$tmp/run" 2>/dev/null | grep -q '\.tmp$'; then
        case $what in *unlink*) ;; *) lost "a temporary file is left" ;; esac
    fi
    cp "$tmp/err" "$tmp/first" # the check below runs programs of its own
    check_"$1" || { cp "$tmp/first" "$tmp/err"; lost "something was lost (status $code)"; }
    rm -rf "$tmp/run"
}

# Faults of each system call, every $1th of them; what a call cannot give is left out. 0 = it says that
# nothing was done.
faults() {
    awk -F'(' -v dir="$tmp/run" -v stride="$1" '
        BEGIN {
            f["openat"] = "ENOSPC EIO EINTR EMFILE"; f["write"] = "ENOSPC EIO EINTR 0"
            f["fsync"] = "ENOSPC EIO EINTR"; f["rename"] = "ENOSPC EIO EACCES"
            f["close"] = "EIO ENOSPC"; f["mkdir"] = "ENOSPC EACCES"; f["mmap"] = "ENOMEM"
            f["newfstatat"] = "EIO"; f["fstat"] = "EIO"; f["stat"] = "EIO"; f["read"] = "EIO EINTR"
            f["getdents64"] = "EIO"; f["unlink"] = "EIO"
            # no ENOMEM for brk: Linux fails it by giving the old break, which cannot be injected
        }
        $1 ~ /^[a-z0-9_]+$/ {
            n[$1]++
            if (index($0, dir) && $1 != "execve") seen = 1
            if (!seen || $0 ~ /^(write|ioctl|close)\((0|1|2),?[ )]/ || $1 == "exit_group") next
            count = split("KILL " f[$1], fault, " ")
            for (i = 1; i <= count; i++)
                if (k++ % stride == 0) print $1, n[$1], fault[i]
        }' "$tmp/log"
}

start=$(date +%s)
printf '%-10s %7s %9s %8s %8s %8s\n' job cases 'unharmed' killed refused losses
for job in resume fresh tokens; do
    stride=1
    case $quick$job in 1resume | 1fresh) stride=11 ;; esac # does not divide the faults of a call
    cases=0 killed=0 refused=0 passed_over=0 before=$losses
    rm -rf "$tmp/run"
    prepare_$job
    trace="strace -q -o $tmp/log"
    job_$job >"$tmp/out" 2>"$tmp/err" || lost "the traced run fails"
    rm -rf "$tmp/run"
    faults "$stride" >"$tmp/cases"
    [ -s "$tmp/cases" ] || lost "$job: no system call of it was seen"
    while read -r call nth fault; do
        prepare_$job
        case $fault in
        KILL) how=signal=KILL ;;
        0) how=retval=0 ;;
        *) how=error=$fault ;;
        esac
        what="$job: $call number $nth, $fault"
        trace="strace -q -o /dev/null -e trace=$call -e inject=$call:$how:when=$nth"
        judge $job
    done <"$tmp/cases"
    trace=
    for blocks in 1 2 3 4 5 7 9 12 16 20 30 50; do # short writes: a limit on the size of files
        prepare_$job
        what="$job: files of at most $blocks blocks"
        trace="sh $tmp/limited $blocks"
        printf '%s\n' "trap '' XFSZ; ulimit -f \"\$1\"; shift; exec \"\$@\"" >"$tmp/limited"
        judge $job
    done
    printf '%-10s %7d %9d %8d %8d %8d\n' "$job" "$cases" "$passed_over" "$killed" "$refused" \
        $((losses - before))
    total=$((total + cases))
done
[ $((killed + refused)) -gt 0 ] || { what=matrix && lost "no fault had an effect"; }
printf '%d cases in %d s, %d losses\n' "$total" $(($(date +%s) - start)) "$losses"
printf '%d passed, %d failed, 0 skipped\n' $((total > losses ? total - losses : 0)) "$losses"
[ "$losses" -eq 0 ]
