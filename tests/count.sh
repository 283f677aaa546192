#!/bin/sh
# Runs each argument as a command, shows its output, and adds up the counted lines.
#
#   sh tests/count.sh 'build/test-run' 'sh tests/cli.sh build' ...
#   sh tests/count.sh --two COMMAND...     two at a time: outputs come in order, each when it is whole
#
# A counted line is "N passed, N failed" or "N passed, N failed, N skipped"; the last one of a command
# counts. A command without such a line is one case, judged by its exit status. A command that exits
# with an error although it counted no failure adds one failure. The last line printed is the sum;
# the exit status is 1 when anything failed or nothing passed.

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

passed=0
failed=0
skipped=0

count() { # COMMAND LOG STATUS
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$2" | tail -n 1)
    if [ -n "$line" ]; then
        p=${line%% passed*}
        f=${line#* passed, }
        s=0
        case $f in *skipped) s=${f##*, } s=${s%% *} ;; esac
        f=${f%% *}
        if [ "$3" -ne 0 ] && [ "$f" -eq 0 ]; then
            printf 'FAIL %s: exit status %s although no case failed\n' "$1" "$3"
            f=1
        fi
    elif [ "$3" -eq 0 ]; then
        p=1 f=0 s=0
    else
        printf 'FAIL %s: exit status %s\n' "$1" "$3"
        p=0 f=1 s=0
    fi
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
}

# Two lanes take the commands one after the other; what a lane left out has no status.
two() {
    i=0
    for command in "$@"; do
        i=$((i + 1))
        printf '%s\n' "$command" >"$work/$i.command"
    done
    # shellcheck disable=SC2016 # the inner shell expands them
    seq $i | xargs -P 2 -I @ sh -c \
        'sh "$0/@.command" >"$0/@.log" 2>&1; echo $? >"$0/@.status"
         printf "%s: %s\n" "$(cat "$0/@.command")" "$(tail -n 1 "$0/@.log")"' "$work"
    i=0
    for command in "$@"; do
        i=$((i + 1))
        printf '\n== %s\n' "$command"
        cat "$work/$i.log"
        count "$command" "$work/$i.log" "$(cat "$work/$i.status" 2>/dev/null || echo 1)"
    done
}

if [ "${1:-}" = --two ]; then
    shift
    two "$@"
    set --
fi
for command in "$@"; do
    printf '\n== %s\n' "$command"
    # The pipe to tee would swallow the exit status, so it goes through a file.
    { sh -c "$command" 2>&1; echo $? >"$work/status"; } | tee "$work/log"
    count "$command" "$work/log" "$(cat "$work/status")"
done

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
