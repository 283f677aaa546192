#!/bin/sh
# Runs onebit-bench and keeps what it found: one line of JSON in tools/bench/history.jsonl, with the
# compiler and the commit.
#
#   sh tools/bench.sh BUILD [FLAG...]     flags of onebit-bench instead of the usual set

build=${1:-build}
[ $# -gt 0 ] && shift
history=tools/bench/history.jsonl
[ $# -gt 0 ] || set -- --machine --kernels --shape 125m --train S1
lines=$(mktemp) || exit 1
trap 'rm -f "$lines"' EXIT
"$build/onebit-bench" "$@" --json -q >"$lines" || exit 1
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet 2>/dev/null || commit=$commit+
cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1 | tr -d '"\\')
{
    printf '{"time": "%s", "commit": "%s", "version": "%s", "cpu": "%s", "results": [' \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$commit" "$("$build/onebit-bench" --version)" "$cpu"
    paste -s -d, "$lines"
} | tr -d '\n' | sed 's/$/]}/' >>"$history"
printf '\n' >>"$history"
awk -F'"' '/"what"/ {
    split($0, m, "\"median\": "); split(m[2], v, ",")
    printf "%-36s %12.4g %s\n", $4, v[1], $8
}' "$lines"
printf '1 line added to %s\n' "$history"
