#!/bin/sh
# The quality yardstick: tiny Shakespeare by characters, 90/10, 4 layers x 128, context 64, 2000 steps;
# loss over the whole validation part in windows of 64 characters. Prints one row per run and the means.
#
#   make && sh tools/shakespeare.sh path/to/tinyshakespeare.txt [SEEDS] [VARIANTS]
#   sh tools/shakespeare.sh input.txt "1 2 3" "fp32 ternary muon"

text=${1:?name the text file}
seeds=${2:-1 2 3}
variants=${3:-fp32 ternary muon}
build=${BUILD:-build}
out=$build/shakespeare
shape="--tokenizer-kind char --val-fraction 0.1 --hidden-size 128 --num-layers 4 --num-heads 4
  --intermediate-size 352 --max-seq-len 64 --batch-size 12 --max-steps 2000 --eval-every 0
  --save-every 0 --debug-every 0 --tie-word-embeddings false --embedding f32 --lm-head f32"

recipe() {
    case $1 in
    fp32) echo "--optimizer adamw --lr 2e-3 --layer-bit-map f32" ;;
    fp32-muon) echo "--optimizer muon --lr 4e-3 --layer-bit-map f32" ;;
    ternary) echo "--optimizer adamw --lr 4e-3" ;;
    muon) echo "--optimizer muon --lr 4e-3" ;;
    binary) echo "--optimizer muon --lr 4e-3 --layer-bit-map binary" ;;
    *) echo "$0: no variant $1" >&2; exit 2 ;;
    esac
}
# figure KEY: the last number of that name on standard input
figure() { sed -n "s/.*\"$1\": *\\([-+0-9.eE]*\\).*/\\1/p" | tail -n 1; }

printf '%-10s %5s %10s %9s\n' variant seed val_loss seconds
for variant in $variants; do
    flags=$(recipe "$variant") || exit 2
    sum=0 n=0
    for seed in $seeds; do
        # shellcheck disable=SC2086 # lists of flags
        json=$("$build/onebit-train" --data-dir "$text" --output-dir "$out" --overwrite $shape $flags --seed "$seed" \
            $EXTRA --quiet --json 2>/dev/null) || { echo "run failed: $variant" >&2; exit 1; }
        loss=$(printf '%s\n' "$json" | figure val_loss)
        printf '%-10s %5s %10s %9s\n' "$variant" "$seed" "$loss" "$(printf '%s\n' "$json" | figure seconds)"
        sum=$(awk -v a="$sum" -v b="$loss" 'BEGIN { print a + b }')
        n=$((n + 1))
    done
    awk -v v="$variant" -v s="$sum" -v n="$n" 'BEGIN { printf "%-10s %5s %10.4f\n", v, "mean", s / n }'
done
