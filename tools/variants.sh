#!/bin/sh
# Every option of the linear layer, the block and the schedule on the same small task: tiny Shakespeare by
# characters, 90/10, 4 layers x 128, context 64, 1000 steps, Muon; loss over the whole validation part.
# Each row changes one thing of the first. Prints a table: mean over the seeds, distance to the base, each seed.
#
#   make && sh tools/variants.sh path/to/tinyshakespeare.txt [SEEDS] [NAMES]
#   JOBS=2 sh tools/variants.sh input.txt "1 2 3" "base xnor layernorm"
#
# A run whose result is there already (build/variants/NAME-SEED.json) is not made again.

text=${1:?name the text file}
seeds=${2:-1 2 3}
names=$3
build=${BUILD:-build}
out=$build/variants
jobs=${JOBS:-1}
shape="--tokenizer-kind char --val-fraction 0.1 --hidden-size 128 --num-layers 4 --num-heads 4
  --intermediate-size 352 --max-seq-len 64 --batch-size 12 --max-steps 1000 --eval-every 0
  --save-every 0 --debug-every 0 --tie-word-embeddings false --embedding f32 --lm-head f32 --lr 4e-3"

# name | what is changed | flags
table='
base|ternary AbsMean weights, 8-bit activations|
f32|float32 blocks (the twin)|--layer-bit-map f32
f16|float16 blocks|--layer-bit-map f16
8bit|8-bit blocks|--layer-bit-map 8bit
binary|binary blocks|--layer-bit-map binary
float-activations|full-precision activations|--activation-bits 0
xnor|sign activations, ternary weights|--activation-bits 1
xnor-binary|sign activations, binary weights|--activation-bits 1 --layer-bit-map binary
dynamic|threshold 0.7 x mean of W|--use-dynamic-threshold true
absmedian|median of W as the scale|--weight-scale absmedian
group-128|a scale per 128 weights|--scale-group 128
group-256|a scale per 256 weights|--scale-group 256
group-32|a scale per 32 weights|--scale-group 32
f16-scale|scale rounded to f16|--use-f16-scale true
anneal-0.3|blend float to ternary over 30 % of the run|--anneal-fraction 0.3
warmup-anneal|200 steps float, 300 steps blend|--quant-warmup-steps 200 --quant-anneal-steps 300
float-0.2|float for 20 % of the run, then at once|--float-fraction 0.2
xnor-anneal|sign activations, blended over 50 %|--activation-bits 1 --anneal-fraction 0.5
ste-2|straight-through factor 2|--ste-scale-factor 2
clamp|latents clamped at 0.05 in the forward|--latent-clamp-max 0.05
clip|latents clipped at 0.05 after each step|--latent-clip-max-training 0.05
arenas|Arenas 0.1, warm-up 100, to zero at 800|--arenas-initial 0.1 --arenas-warmup-steps 100 --arenas-anneal-steps 800
residual-scaling|block outputs times 0.707|--use-residual-scaling true
layernorm|LayerNorm in place of RMSNorm|--use-subln false
sub-norm|SubLN before o_proj and down_proj|--use-sub-norm true
qk-norm|RMSNorm of queries and keys|--use-qk-norm true
silu-ungated|SiLU without a gate, same size|--use-swiglu false --intermediate-size 528
relu2|squared ReLU, gated|--use-relu2 true
relu2-ungated|squared ReLU without a gate, same size|--use-relu2 true --use-swiglu false --intermediate-size 528
softcap|logit softcap 15|--logit-softcap 15
smoothing|label smoothing 0.1|--label-smoothing 0.1
two-stage|two-stage rate and decay (BitNet)|--lr-decay two-stage
wsd|constant, then linear over the last 30 %|--lr-decay wsd
linear|linear decay|--lr-decay linear
adamw|AdamW for all|--optimizer adamw
'
row() { printf '%s' "$table" | sed -n "s/^$1|//p"; } # NAME: text|flags
flags() { row "$1" | sed 's/.*|//'; }
title() { row "$1" | sed 's/|[^|]*$//'; }
[ -n "$names" ] || names=$(printf '%s' "$table" | sed -n 's/|.*//p')
mkdir -p "$out" || exit 1

one() { # NAME SEED
    to=$out/$1-$2
    [ -s "$to.json" ] && return
    # shellcheck disable=SC2046,SC2086 # lists of flags
    if OMP_NUM_THREADS=1 "$build/onebit-train" --data-dir "$text" --output-dir "$to" --overwrite $shape $(flags "$1") \
        --seed "$2" --quiet --json >"$to.part" 2>"$to.log"; then mv "$to.part" "$to.json"
    else echo "failed: $1 seed $2: $(tail -n 1 "$to.log")" >&2; fi
    cp "$to/metrics.csv" "$to.csv" 2>/dev/null
    rm -rf "$to"
}
running=0
for seed in $seeds; do
    for name in $names; do
        if [ -z "$(row "$name")" ]; then echo "$0: no variant $name" >&2; exit 2; fi
        one "$name" "$seed" &
        running=$((running + 1))
        if [ "$running" -ge "$jobs" ]; then wait; running=0; fi
    done
done
wait

# figure FILE: its validation loss
figure() { sed -n 's/.*"val_loss": *\([-+0-9.eE]*\).*/\1/p' "$1" 2>/dev/null | tail -n 1; }
# One line for each variant; the distance to the base is the mean over the seeds that both have.
printf '| variant | what changes | nats/char | to base | seeds |\n|---|---|---:|---:|---|\n'
for name in $names; do
    for seed in $seeds; do
        echo "$(figure "$out/$name-$seed.json") $(figure "$out/base-$seed.json")"
    done | awk -v name="$name" -v title="$(title "$name")" '
        NF == 2 { n++; sum += $1; away += $1 - $2; all = all sprintf(" %.3f", $1) }
        END { if (n) printf "| %s | %s | %.3f | %+.3f |%s |\n", name, title, sum / n, away / n, all }'
done
