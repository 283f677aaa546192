#!/bin/sh
# cli.sh - the programs as a person uses them: help, exit codes, pipes, JSON, what goes to which stream.
#
#   sh tests/cli.sh build [model.1bit]
#
# $1 holds the programs; builds nothing. Without a model a very small one is trained first.

bin=${1:-build}
model=$2
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
passed=0 failed=0 skipped=0
export OMP_NUM_THREADS=1

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "FAIL $1"
    [ -s "$tmp/err" ] && sed 's/^/     | /' "$tmp/err" | head -5
}
skip() {
    skipped=$((skipped + 1))
    echo "SKIP $1"
}
ok() { # ok WHAT COMMAND...: the command succeeds
    what=$1
    shift
    if "$@"; then pass; else fail "$what"; fi
}

# Runs a program; stdout, stderr and exit code are left in $tmp/out, $tmp/err and $code.
run() {
    program=$1
    shift
    "$bin/onebit-$program" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    code=$?
}
# gives WHAT CODE PROGRAM ARGUMENTS...: runs and compares the exit code.
gives() {
    what=$1 wanted=$2
    shift 2
    run "$@"
    ok "$what: exit code $wanted, not $code" [ "$code" -eq "$wanted" ]
}
out_has() { grep -q -e "$1" "$tmp/out"; }
out_lacks() { ! out_has "$1"; }
err_has() { grep -q -e "$1" "$tmp/err"; }
out_empty() { [ ! -s "$tmp/out" ]; }
err_empty() { [ ! -s "$tmp/err" ]; }
narrow() { awk 'length($0) > 80 { exit 1 }' "$1"; }
lines() { [ "$(wc -l <"$tmp/out")" -eq "$1" ]; }
json() {
    if command -v python3 >/dev/null 2>&1; then python3 -m json.tool "$1" >/dev/null 2>>"$tmp/err"
    else grep -q '^[{["].*[]}"]$' "$1"; fi
}

for program in train chat generate eval tokenize export inspect search; do
    if [ ! -x "$bin/onebit-$program" ]; then
        fail "$bin/onebit-$program is missing: build first"
        echo "$passed passed, $failed failed, $skipped skipped"
        exit 1
    fi
done

# ---- the same manners everywhere ----

for program in train chat generate eval tokenize export inspect search; do
    gives "$program --help" 0 $program --help
    ok "$program --help is on stdout" err_empty
    ok "$program --help shows its use" out_has "^usage: onebit-$program"
    ok "$program --help has examples" out_has '^examples:'
    ok "$program --help fits 80 columns" narrow "$tmp/out"
    ok "$program --help is one screen" [ "$(wc -l <"$tmp/out")" -le 48 ]
    gives "$program --help-all" 0 $program --help-all
    ok "$program --help-all has the general flags" out_has '  --no-color'
    ok "$program --help-all fits 80 columns" narrow "$tmp/out"
    gives "$program --version" 0 $program --version
    ok "$program --version names the library" out_has '^onebit [0-9]'
    ok "$program --version is one line" lines 1
    gives "$program with an unknown flag" 2 $program --hepl
    ok "$program proposes the nearest flag" err_has 'did you mean --help?'
    ok "$program leaves stdout alone on wrong use" out_empty
    gives "$program without anything" 2 $program
    ok "$program says what is missing" err_has ' Give '
    gives "$program with a value on a switch" 2 $program --quiet=yes
    gives "$program with a flag without its value" 2 $program --model
    gives "$program with a short flag that is none" 2 $program -z
done
gives "unknown setting" 2 generate --temprature 1
ok "a setting is proposed with dashes" err_has 'did you mean --temperature?'
gives "unknown setting" 2 train --hiden-sise 64
ok "a setting is proposed with dashes" err_has 'did you mean --hidden-size?'
run train --help-all
ok "settings show their default" out_has '(default 0.95)'
ok "switches show their default" out_has '(default true)'
ok "--help-all has headings" out_has '^Training settings'

# ---- train ----

i=0
while [ $i -lt 40 ]; do
    printf 'You: hello\nKeeper: welcome to the light\nYou: who are you\nKeeper: I keep the "lamp", caf\303\251\n'
    i=$((i + 1))
done >"$tmp/text.txt"
small="--tokenizer-kind byte --hidden-size 32 --num-layers 1 --num-heads 2 --intermediate-size 64
       --max-seq-len 128 --batch-size 4 --seq-len 32 --lr-warmup-steps 2 --threads 1"
template='You: {prompt}\nKeeper: {reply}\n'

gives "train --dry-run" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/dry" --dry-run
ok "--dry-run shows the memory" out_has '^memory '
ok "--dry-run tells embedding and body apart" out_has '^parameters .*embedding .*, body '
ok "--dry-run counts epochs" out_has '^steps .* epochs of about '
ok "--dry-run measures the time" out_has '^time  *about '
ok "--dry-run writes nothing" [ ! -e "$tmp/dry" ]
gives "train --dry-run --json" 0 train --data-dir "$tmp/text.txt" $small --dry-run --json
ok "train --dry-run --json is JSON" json "$tmp/out"
promised=$(sed 's/.*"model_bytes": \([0-9]*\).*/\1/' "$tmp/out")
gives "train for --dry-run's promise" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/dry" --max-steps 1
ok "--dry-run knows the size of model.1bit: $promised" [ "$(wc -c <"$tmp/dry/model.1bit")" -eq "$promised" ]
gives "train --dry-run of a model that is too large" 0 train --data-dir "$tmp/text.txt" --dry-run --preset gcp-8b --tokenizer-kind byte
ok "it is not tried" out_has '^time  *not measured'
gives "train --preset list" 0 train --preset list
ok "the true sizes are listed" out_has '^stack-1.3b .* 1046.7M'
ok "the list fits 80 columns" narrow "$tmp/out"
gives "train --preset list --json" 0 train --preset list --json
ok "a preset is a line" lines 14
gives "train --write-config" 0 train --write-config "$tmp/shape.json" --preset nano $small
ok "--write-config writes JSON" json "$tmp/shape.json"
gives "train --config" 0 train --data-dir "$tmp/text.txt" --config "$tmp/shape.json" $small --output-dir "$tmp/config" --max-steps 1
gives "train --model-config" 0 train --data-dir "$tmp/text.txt" --model-config "$tmp/shape.json" $small --output-dir "$tmp/config2" --max-steps 1
ok "--config and --model-config are one" cmp -s "$tmp/config/model.1bit" "$tmp/config2/model.1bit"
gives "a flag of former programs" 2 train --data-dir "$tmp/text.txt" --steps-per-shard=9
ok "it says what to use instead" err_has '--max-epochs'
gives "train" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/a b" --max-steps 30 --chat-template "$template" --json
ok "train --json is JSON" json "$tmp/out"
ok "train --json is one line" lines 1
ok "train shows progress on stderr" err_has 'step 30/30'
ok "train redraws nothing in a pipe" [ "$(tr -cd '\033\r' <"$tmp/err" | wc -c)" -eq 0 ]
ok "train tells how to chat" err_has "chat: .*onebit-chat --model '.*a b/model.1bit'"
ok "train writes the model" [ -s "$tmp/a b/model.1bit" ]
gives "train --quiet --resume" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/a b" --max-steps 32 --quiet --resume
ok "--quiet is quiet" err_empty
ok "nothing on stdout without --json" out_empty
ok "the report tells the command, with its marks escaped" grep -q 'a b&#39; --max-steps 32' "$tmp/a b/report.html"
gives "train --twin" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/twin" --max-steps 12 --twin --json
ok "train --twin --json is JSON" json "$tmp/out"
ok "train --twin tells the gap" out_has '"gap_percent": '
ok "train --twin compares" err_has 'twin: .*float32 '
ok "train names the report" err_has 'report: .*twin/report.html'
ok "the twin has a model" [ -s "$tmp/twin/twin/model.1bit" ]
gives "train --report 0" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/plain" --max-steps 4 --report 0
ok "--report 0 writes none" [ ! -e "$tmp/plain/report.html" ]
ok "--report 0 names none" [ "$(grep -c 'report:' "$tmp/err")" -eq 0 ]
gives "a value out of range" 2 train --data-dir "$tmp/text.txt" --hidden-size 0
ok "it names the field" err_has hidden_size
gives "a value that is no number" 2 train --data-dir "$tmp/text.txt" --lr fast
gives "unknown preset" 2 train --data-dir "$tmp/text.txt" --preset enormous
gives "unknown mode" 2 train --data-dir "$tmp/text.txt" --layer-bit-map quaternary
gives "unknown kernels" 2 train --data-dir "$tmp/text.txt" --isa fast
for program in train chat generate eval search; do
    run $program --help
    ok "$program --help lists --device" out_has '^  --device NAME'
    gives "$program on a device that is none" 2 $program --device gpu
    ok "it says what was expected" err_has "'gpu' is none of cpu, cuda, cuda:N"
done
gives "a GPU whose number is none" 2 train --data-dir "$tmp/text.txt" --device cuda:x
gives "a GPU, in a program for the CPU" 1 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/gpu" --device cuda
ok "it says so in one line" [ "$(wc -l <"$tmp/err")" -eq 1 ]
ok "it names the flag" err_has '(see --device)'
ok "it says how to build one" err_has 'nvcc .* -DONEBIT_CUDA examples/train.c -o onebit-train-cuda -lcublas'
ok "it begins nothing" [ ! -e "$tmp/gpu" ]
for device in cpu auto; do
    gives "train --device $device" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/$device" --max-steps 1 --device $device
done
ok "auto says why it is the CPU" err_has '^device: CPU (no NVIDIA GPU can be used: '
ok "auto is the CPU then" cmp -s "$tmp/cpu/model.1bit" "$tmp/auto/model.1bit"
gives "missing text" 1 train --data-dir "$tmp/absent.txt"
ok "it names the flag" err_has 'data-dir'
gives "missing config" 1 train --data-dir "$tmp/text.txt" --config "$tmp/absent.json"
ok "it says how to write one" err_has '--write-config'
gives "an output directory that cannot be" 1 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/text.txt/out"
ok "that is one line" [ "$(wc -l <"$tmp/err")" -eq 1 ]

# ---- train: signals ----

# start DIRECTORY FLAGS...: a training in the background; $pid.
start() {
    directory=$1
    shift
    : >"$tmp/err" # what a test before has left must not be taken for this one's
    "$bin/onebit-train" --data-dir "$tmp/text.txt" $small --output-dir "$directory" "$@" \
        >"$tmp/out" 2>"$tmp/err" &
    pid=$!
}
# until_ok COMMAND...: waits until it succeeds, 30 seconds at most.
until_ok() {
    tries=0
    until "$@" || [ $tries -ge 300 ]; do
        nap 0.1
        tries=$((tries + 1))
    done
}
nap() { sleep "$1" 2>/dev/null || sleep 1; }

for signal in INT TERM; do
    start "$tmp/stopped-$signal" --max-steps 1000000
    until_ok err_has 'parameters'
    nap 0.5
    kill -$signal $pid
    wait $pid
    code=$?
    wanted=130
    [ $signal = TERM ] && wanted=143
    ok "SIG$signal gives $wanted, not $code" [ $code -eq $wanted ]
    ok "SIG$signal keeps a checkpoint" [ -s "$tmp/stopped-$signal/checkpoint.safetensors" ]
    ok "SIG$signal tells how to resume" err_has 'go on: .* --resume$'
done
start "$tmp/at-once" --max-steps 1000000 --hidden-size 512 --batch-size 512 --seq-len 128
until_ok err_has 'parameters'
kill -INT $pid
until_ok err_has 'once more'
kill -INT $pid
wait $pid
code=$?
ok "the second Ctrl-C ends at once with 130, not $code" [ $code -eq 130 ]
ok "it saves nothing" [ ! -e "$tmp/at-once/checkpoint.safetensors" ]

# ---- train: killed, damaged, full ----

long="--max-steps 240 --save-every 7 --eval-every 9 --log-every 4 --debug-every 10 --keep-best"
rows() { cut -d, -f1-7 "$1/metrics.csv"; } # without tokens per second and seconds
gives "the whole run" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/whole" $long
kills=0
for moment in 0 0.05 0.15 0.3; do
    start "$tmp/killed" $long --resume
    # Killed some time after it has saved for the first time, if it still runs then.
    until_ok [ -s "$tmp/killed/checkpoint.safetensors" ]
    nap $moment
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ $? -eq 137 ] && kills=$((kills + 1))
done
ok "a training was killed while it ran" [ $kills -ge 1 ]
gives "resuming what was killed" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/killed" $long --resume
for file in checkpoint.safetensors model.1bit model-best.1bit; do
    ok "killed $kills times and resumed: the same $file" cmp -s "$tmp/whole/$file" "$tmp/killed/$file"
done
rows "$tmp/whole" >"$tmp/one"
rows "$tmp/killed" >"$tmp/two"
ok "killed and resumed: the same metrics" cmp -s "$tmp/one" "$tmp/two"
seconds() { cut -d, -f9 "$1/metrics.csv" | tail -n +2; }
seconds "$tmp/killed" >"$tmp/two"
ok "the seconds go on" sort -c -n "$tmp/two"
ok "nothing half-written is left" [ -z "$(ls "$tmp/killed" | grep tmp)" ]

head -c 3000 "$tmp/text.txt" >"$tmp/other.txt"
gives "a new run where another one is" 1 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/killed" --max-steps 2
ok "it names the ways out" err_has '.--resume goes on with it, --overwrite replaces it'
ok "the other run is untouched" cmp -s "$tmp/whole/model.1bit" "$tmp/killed/model.1bit"
gives "going on with other data" 0 train --data-dir "$tmp/other.txt" $small --output-dir "$tmp/killed" $long --resume
ok "it says that the data is another" err_has 'warning: the data, or how it is read'
ok "and that nothing was left to do" err_has 'nothing left to do'
gives "--overwrite" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/killed" --max-steps 2 --overwrite

gives "train --resume where nothing is yet" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/anew" --max-steps 2 --resume
ok "it says that it begins" err_has 'starting anew'
gives "train --resume PATH where nothing is" 1 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/x" --resume "$tmp/nowhere"

gives "train --keep-checkpoints" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/kept" --max-steps 12 --lr-decay none --save-every 2 --keep-checkpoints 2 --major-every 4
kept=$(cd "$tmp/kept" && echo checkpoint*)
ok "the last two and the major ones stay: $kept" [ "$kept" = "checkpoint-10.safetensors checkpoint-12.safetensors checkpoint-4.safetensors checkpoint-8.safetensors checkpoint.safetensors" ]
head -c 3000 "$tmp/kept/checkpoint.safetensors" >"$tmp/part"
cp "$tmp/part" "$tmp/kept/checkpoint.safetensors"
gives "train --resume beside a damaged checkpoint" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/kept" --max-steps 14 --resume
ok "it says which one is damaged and which is taken" err_has 'warning: .*/checkpoint.safetensors.*from checkpoint-12'
gives "train --resume FILE" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/from" --max-steps 14 --resume "$tmp/kept/checkpoint-4.safetensors"
ok "a numbered checkpoint leads to the same model" cmp -s "$tmp/kept/model.1bit" "$tmp/from/model.1bit"

gives "train before the disk is full" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/full" --max-steps 4
cp "$tmp/full/checkpoint.safetensors" "$tmp/good"
(
    trap '' XFSZ
    ulimit -f 20
    "$bin/onebit-train" --data-dir "$tmp/text.txt" $small --output-dir "$tmp/full" --max-steps 8 --resume -q
) >"$tmp/out" 2>"$tmp/err"
code=$?
ok "a file that cannot grow: exit code 1, not $code" [ $code -eq 1 ]
ok "that is one line too" [ "$(wc -l <"$tmp/err")" -eq 1 ]
ok "the good checkpoint stays" cmp -s "$tmp/good" "$tmp/full/checkpoint.safetensors"
ok "and nothing else" [ -z "$(ls "$tmp/full" | grep tmp)" ]

gives "train --overfit-one-batch" 0 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/overfit" --hidden-size 64 --intermediate-size 128 --batch-size 1 --max-steps 400 --overfit-one-batch
ok "it says after how many steps" err_has 'health check passed: .* after [0-9]* steps'
gives "train --overfit-one-batch in too few steps" 1 train --data-dir "$tmp/text.txt" $small --output-dir "$tmp/overfit" --overwrite --max-steps 3 --overfit-one-batch --json
ok "it says what the loss is" err_has 'health check failed: after 3 steps .* loss is [0-9]'
ok "and in JSON" out_has '"status": "failed"'

# ---- train: every flag does something ----

# observe DIRECTORY WHAT: what a run with that output directory shows.
observe() {
    case $2 in
    model) cksum <"$1/model.1bit" ;;
    metrics) rows "$1" ;;
    files) ls "$1" ;;
    samples) cat "$1/samples.csv" ;;
    notes) grep -v 'tok/s' "$1.err" ;;
    esac
}
# short DIRECTORY FLAGS...: a run of a few updates.
short() {
    directory=$1
    shift
    "$bin/onebit-train" --data-dir "$tmp/text.txt" $small --max-steps 6 --output-dir "$directory" "$@" \
        >/dev/null 2>"$directory.err" </dev/null
}
head -c 3000 "$tmp/text.txt" >"$tmp/val.txt"
i=0
while [ $i -lt 60 ]; do
    printf '{"input": "hello %d", "output": "welcome to the light"}\n' $i
    i=$((i + 1))
done >"$tmp/talk.jsonl"
sed 's/"silu"/"relu"/' "$tmp/shape.json" >"$tmp/relu.json"
printf '{"map": "8", "layer_bit_map": {"layer_modes": ["8bit"]}}\n' >"$tmp/map.json"
# flag, its value, what must change, flags that both runs have
cat >"$tmp/table" <<END
vocab-size|280|model|--tokenizer-kind bpe
hidden-size|48|model|
num-layers|2|model|
num-heads|4|model|
num-key-value-heads|1|model|
head-dim|8|model|
intermediate-size|96|model|
max-seq-len|64|model|
layer-norm-eps|0.1|model|
final-norm-eps|0.1|model|
rope-scaling|linear|model|--rope-factor 2
rope-factor|3|model|--rope-scaling linear --rope-factor 2
rope-original|16|model|--rope-scaling llama3 --rope-factor 4 --rope-theta 30
rope-slow|0.5|model|--rope-scaling llama3 --rope-factor 4 --rope-theta 30 --rope-original 24
rope-fast|2|model|--rope-scaling llama3 --rope-factor 4 --rope-theta 30 --rope-original 64
rope-attention|2|model|--rope-scaling yarn --rope-factor 4
use-qkv-bias|true|model|
embedding-group|32|model|--embedding ternary
text-start|none|model|
rope-theta|100|model|
activation|relu|model|
use-swiglu|false|model|
use-relu2|true|model|
use-ternary|false|model|
use-subln|false|model|
use-sub-norm|true|model|
use-rope|false|model|
use-qk-norm|true|model|
use-residual-scaling|true|model|
use-dynamic-threshold|true|model|
tie-word-embeddings|false|model|
activation-bits|0|model|
logit-softcap|2|model|
ste-scale-factor|3|metrics|--log-every 1
latent-clamp-max|0.01|metrics|--log-every 1
latent-clip-max-training|0.01|metrics|--log-every 1
anneal-fraction|0.9|metrics|--log-every 1
arenas-initial|0.5|metrics|--log-every 1
arenas-anneal-steps|2|metrics|--log-every 1 --arenas-initial 0.5
chat-template|Q:{prompt}A:{reply}|model|
batch-size|2|model|
accumulation-steps|2|model|
seq-len|16|model|
max-steps|4|metrics|
max-epochs|1|metrics|--max-steps 60
optimizer|adamw|model|
lr|0.02|model|
muon-lr|0.1|model|
muon-momentum|0.5|model|
muon-iterations|2|model|
adam-beta1|0.5|model|
adam-beta2|0.9|model|
adam-eps|0.1|model|
weight-decay|2|model|
grad-clip-max-norm|0.001|model|
lr-warmup-steps|5|metrics|--log-every 1
lr-decay|linear|model|
lr-min-ratio|0.9|model|
wsd-decay-fraction|0.9|model|--lr-decay wsd
float-fraction|0.5|model|
seed|2|model|
val-fraction|0.3|metrics|
label-smoothing|0.2|model|
lr-min|0.003|model|
lr-stage-start|0.2|model|--lr-decay two-stage
lr-stage1-end-ratio|0.1|model|--lr-decay two-stage --lr-warmup-steps 0
lr-stage2-ratio|0.9|model|--lr-decay two-stage
weight-decay-stage2|3|model|--lr-decay two-stage
quant-anneal-steps|4|metrics|--log-every 1
quant-warmup-steps|3|metrics|--log-every 1 --quant-anneal-steps 2
arenas-warmup-steps|3|metrics|--log-every 1 --arenas-initial 0.5
gradient-checkpointing-segments|8|notes|--num-layers 8 --batch-size 16
eval-every|2|metrics|
eval-batches|1|metrics|--eval-every 2
save-every|2|files|--keep-checkpoints 9
keep-checkpoints|3|files|--save-every 2
major-every|3|files|
keep-best|true|files|
overfit-one-batch|true|model|
log-every|1|metrics|
debug-every|2|notes|--debug-every 0
tokenizer-kind|char|model|
val-data-dir|$tmp/val.txt|metrics|
tokenizer|$tmp/whole/tokenizer.json|model|--tokenizer-kind char
preset|bitnet-256|model|
config|$tmp/relu.json|model|
layer-bit-map|binary|model|
layer-bit-map|[{"attention":"f16","ffn":"binary"}]|model|
layer-bit-map|$tmp/map.json|model|
init-from|$tmp/whole|model|
embedding|f32|model|
lm-head|f16|model|--tie-word-embeddings false
data-dir|$tmp/val.txt|model|
weight-scale|absmedian|model|
use-f16-scale|true|model|
scale-group|32|model|
report|false|files|
sample-every|2|samples|
data-weights|1,9|model|--data-dir $tmp/text.txt,$tmp/val.txt
stream-buffer|1024|model|--streaming --seq-len 32
loss-on-input|true|model|--data-dir $tmp/talk.jsonl
END
last=none
while IFS='|' read -r flag value what both; do
    [ "$both" = "$last" ] || short "$tmp/flag-a" $both
    last=$both
    rm -rf "$tmp/flag-b"
    short "$tmp/flag-b" $both --$flag "$value"
    observe "$tmp/flag-a" $what >"$tmp/one"
    observe "$tmp/flag-b" $what >"$tmp/two"
    if [ -s "$tmp/one" ] && [ -s "$tmp/two" ] && ! cmp -s "$tmp/one" "$tmp/two"; then pass
    else fail "--$flag $value changes nothing in: $what"; fi
done <"$tmp/table"
# What is tested above or below, or shows in no file.
elsewhere=" weight-planes output-dir resume overwrite backward-bits fast streaming include-held-out twin model-config write-config dry-run threads isa device json quiet no-color help help-all version "
for flag in $("$bin/onebit-train" --help-all | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p'); do
    case $elsewhere in *" $flag "*) continue ;; esac
    ok "--$flag has a row in the table" grep -q "^$flag|" "$tmp/table"
done

[ -n "$model" ] || model="$tmp/a b/model.1bit"

# ---- bench ----

gives "bench --model" 0 bench --model "$model" --repeats 1 --tokens 4 --prompt 8 --sequences 2 --threads 1 --json
ok "a line for each figure" lines 5
ok "shares are told" out_has '"of": "the memory"'
head -n 1 "$tmp/out" >"$tmp/one"
ok "each is JSON" json "$tmp/one"
gives "bench of a shape that is none" 2 bench --shape huge
gives "bench of a GPU, in a program for the CPU" 1 bench --train S1 --device cuda
ok "it measures nothing" out_empty
for what in "--shape demo --prompt 9" "--train S1"; do
    # shellcheck disable=SC2086 # flags are split on purpose
    gives "bench $what --trace" 0 bench $what --tokens 2 --threads 1 --trace "$tmp/trace.json"
    ok "the table has layers and ops" out_has 'layer 1  '
    ok "the table has the work of matrices" out_has 'linear_forward .*%'
    ok "the trace is JSON" json "$tmp/trace.json"
    ok "the trace has ops" grep -q '"name":"attention_forward","cat":"op","ph":"X"' "$tmp/trace.json"
done
gives "bench --trace of nothing" 2 bench --trace "$tmp/trace.json"
for flags in "--cache-bits 8" "--cache-bits 8 --fast" "--fast"; do
    for program in generate chat; do
        # shellcheck disable=SC2086
        gives "$program $flags" 0 $program --model "$model" --prompt Hello --max-tokens 8 $flags -q
    done
done
gives "a head of halves" 0 export --model "$model" --embedding f16 --output "$tmp/head16.1bit" -q
gives "generate --two-stage of it" 1 generate --model "$tmp/head16.1bit" --prompt Hello --two-stage 1
ok "it names the flag" err_has 'two-stage.*f16x16'
gives "generate --two-stage 257" 2 generate --model "$model" --prompt Hello --two-stage 257
gives "a head of 8 bits" 0 export --model "$model" --embedding 8bit --output "$tmp/head8.1bit" -q
gives "its text" 0 generate --model "$tmp/head8.1bit" --prompt Hello --max-tokens 40 --temperature 0 -q
cp "$tmp/out" "$tmp/head8"
gives "in two stages" 0 generate --model "$tmp/head8.1bit" --prompt Hello --max-tokens 40 --temperature 0 -q --two-stage 1
ok "it is the same text" cmp -s "$tmp/out" "$tmp/head8"
gives "bench --two-stage" 0 bench --model "$tmp/head8.1bit" --repeats 1 --tokens 4 --two-stage 2
ok "bench tells the second stage" out_has "head's second stage .*% of rows"
gives "generate --cache-bits 9" 2 generate --model "$model" --prompt Hello --cache-bits 9

# ---- generate ----

gives "generate" 0 generate --model "$model" --prompt Hello --max-tokens 8
ok "the text is on stdout" out_has '^Hello'
ok "the speed is on stderr" err_has 'tok/s'
gives "the bare model" 0 generate "$model" --prompt=Hello --max-tokens=4 --quiet
ok "--quiet is quiet" err_empty
gives "generate --json" 0 generate --model "$model" --prompt 'a "quote" \ and
a line' --max-tokens 8 --json --ids
ok "generate --json is JSON" json "$tmp/out"
ok "generate --json is one line" lines 1
ok "generate --json has the seed" out_has '"seed": 0'
gives "bytes that are no UTF-8" 0 generate --model "$model" --prompt "$(printf 'a\377b')" --max-tokens 8 --json
ok "they are JSON all the same" json "$tmp/out"
gives "three samples" 0 generate --model "$model" --prompt Hello --max-tokens 4 --json --num-samples 3
ok "three samples are three lines" lines 3
echo Hello | "$bin/onebit-generate" --model "$model" --prompt - --max-tokens 4 --quiet >"$tmp/out" 2>"$tmp/err"
ok "a prompt from stdin" out_has '^Hello'
"$bin/onebit-generate" --model "$model" --prompt Hello --max-tokens 16 --seed 7 -q >"$tmp/one" 2>&1
"$bin/onebit-generate" --model "$model" --prompt Hello --max-tokens 16 --seed 7 -q >"$tmp/two" 2>&1
ok "the same seed gives the same text" cmp -s "$tmp/one" "$tmp/two"
gives "missing model" 1 generate --model "$tmp/absent.1bit" --prompt Hello
ok "it names the flag" err_has '--model'
gives "a text is no model" 1 generate --model "$tmp/text.txt" --prompt Hello
gives "a context of 0" 2 generate --model "$model" --prompt Hello --context 0
if [ -w /dev/full ]; then
    "$bin/onebit-generate" --model "$model" --prompt Hello -q >/dev/full 2>"$tmp/err"
    ok "a full disk is a failure" [ $? -eq 1 ]
else skip "no /dev/full here"; fi

# ---- chat ----

printf 'hello\nwho are you\n' | "$bin/onebit-chat" --model "$model" --max-tokens 12 >"$tmp/out" 2>"$tmp/err"
ok "chat in a pipe leaves with 0" [ $? -eq 0 ]
ok "chat in a pipe is quiet" err_empty
ok "chat in a pipe has no colours" [ "$(tr -cd '\033' <"$tmp/out" | wc -c)" -eq 0 ]
printf 'hello\nwho are you\n' | "$bin/onebit-chat" --model "$model" --max-tokens 12 --json >"$tmp/out" 2>"$tmp/err"
ok "chat --json: a line for each turn" lines 2
head -1 "$tmp/out" >"$tmp/line"
ok "chat --json is JSON" json "$tmp/line"
gives "chat --prompt" 0 chat --model "$model" --prompt hello --max-tokens 8
printf 'hello\n/save %s\nwho are you\n' "$tmp/talk" | "$bin/onebit-chat" --model "$model" --max-tokens 8 --json --temperature 0 >"$tmp/one" 2>"$tmp/err"
ok "/save writes" [ -s "$tmp/talk" ]
printf 'who are you\n' | "$bin/onebit-chat" --model "$model" --max-tokens 8 --json --temperature 0 --load "$tmp/talk" >"$tmp/two" 2>"$tmp/err"
sed -n '2s/.*"reply": \(.*\), "tokens": .*/\1/p' "$tmp/one" >"$tmp/said1"
sed -n '1s/.*"reply": \(.*\), "tokens": .*/\1/p' "$tmp/two" >"$tmp/said2"
ok "a talk goes on after /load as it would have" cmp -s "$tmp/said1" "$tmp/said2"
gives "no saved talk" 1 chat --model "$model" --load "$tmp/text.txt"
printf '/nonsense\n/quit\n' | "$bin/onebit-chat" --model "$model" >"$tmp/out" 2>"$tmp/err"
ok "/quit leaves with 0" [ $? -eq 0 ]
ok "unknown commands are told" err_has '/help'

# ---- eval ----

gives "eval --data" 0 eval --model "$model" --data "$tmp/text.txt"
ok "the loss is on stdout" out_has 'nats/token'
gives "eval --data --json" 0 eval --model "$model" --data "$tmp/text.txt" --json
ok "eval --data --json is JSON" json "$tmp/out"
printf '{"uid": "u", "good": "hello", "bad": "\\u0000\\ud83d\\ude00xq"}\n' >"$tmp/pairs.jsonl"
gives "eval --pairs" 0 eval --model "$model" --pairs "$tmp/pairs.jsonl" --verbose --json
ok "eval --pairs --json is JSON" json "$tmp/out"
printf '{"prompt": "hello", "answer": "yes", "choices": ["yes", "no", "perhaps", "never"]}\n' >"$tmp/quiz.jsonl"
gives "eval --questions" 0 eval --model "$model" --questions "$tmp/quiz.jsonl" --json
ok "eval --questions --json is JSON" json "$tmp/out"
ok "chance is one of four" out_has '"chance": 0.25'
printf 'no json\n' >"$tmp/bad.jsonl"
gives "rows that are no JSON" 1 eval --model "$model" --pairs "$tmp/bad.jsonl"
ok "the row is named" err_has 'row 1'
echo '[1, 2, 3]' >"$tmp/ids.json"
gives "eval --ids" 0 eval --model "$model" --ids "$tmp/ids.json" --dump-logits "$tmp/logits" --json
columns=$(sed 's/.*"columns": \([0-9]*\).*/\1/' "$tmp/out")
ok "three rows of logits" [ "$(wc -c <"$tmp/logits")" -eq $((3 * 4 * columns)) ]
echo '[1, 99999999]' >"$tmp/ids.json"
gives "ids out of range" 1 eval --model "$model" --ids "$tmp/ids.json" --dump-logits "$tmp/logits"
gives "two things at once" 2 eval --model "$model" --data "$tmp/text.txt" --pairs "$tmp/pairs.jsonl"

# ---- tokenize ----

gives "tokenize --train" 0 tokenize --train --vocab-size 300 --data-dir "$tmp/text.txt" --output "$tmp/tok.json"
ok "the tokenizer is JSON" json "$tmp/tok.json"
gives "tokenize --text" 0 tokenize --tokenizer "$tmp/tok.json" --text 'who are you'
ok "ids are one line" lines 1
ids=$(cat "$tmp/out")
gives "tokenize --decode" 0 tokenize --tokenizer "$tmp/tok.json" --decode "$ids"
ok "decode gives the text back" out_has '^who are you$'
gives "tokenize --text --json" 0 tokenize --tokenizer "$tmp/tok.json" --text 'who are you' --json
ok "tokenize --json is JSON" json "$tmp/out"
gives "tokenize --model" 0 tokenize --model "$model" --text hello
gives "tokenize --data-dir" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/text.txt" --output "$tmp/my.tokens"
ok ".tokens begins with TKN2" [ "$(head -c 4 "$tmp/my.tokens")" = TKN2 ]
printf '{"text": "a\\u00e9\\n"}\n{"id": [1, {"text": 2}], "text": "b"}\n' >"$tmp/rows.jsonl"
gives "tokenize --jsonl" 0 tokenize --tokenizer "$tmp/tok.json" --jsonl "$tmp/rows.jsonl"
ok "a row gives a line" lines 2
gives "ids that are none" 2 tokenize --tokenizer "$tmp/tok.json" --decode 'one two'
gives "--output missing" 2 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/text.txt"
gives "unknown kind" 2 tokenize --train --tokenizer-kind word --data-dir "$tmp/text.txt" --output "$tmp/x"

# ---- export ----

made="$tmp/a b" # the directory of the model trained above
gives "export --model-dir" 0 export --model-dir "$made" --output "$tmp/e.1bit"
ok "the sizes are on stdout" out_has '^total  *[0-9]'
ok "the ratio to FP16 is told" out_has '^FP16 would take'
ok "it is the trainer's own file" cmp -s "$tmp/e.1bit" "$made/model.1bit"
gives "export --checkpoint" 0 export --checkpoint "$made/checkpoint.safetensors" --output "$tmp/c.1bit" -q
ok "--quiet is quiet" err_empty
ok "nothing on stdout then" out_empty
ok "a checkpoint gives the same" cmp -s "$tmp/c.1bit" "$made/model.1bit"
gives "export --packing 1.6bit --json" 0 export --model "$tmp/e.1bit" --packing 1.6bit --output "$tmp/five.1bit" --json
ok "export --json is JSON" json "$tmp/out"
ok "export --json is one line" lines 1
ok "the loss was not measured" out_has '"bits_per_byte_after": null'
for file in e five; do
    "$bin/onebit-generate" --model "$tmp/$file.1bit" --prompt You --max-tokens 16 --seed 3 -q >"$tmp/$file.txt" 2>&1
done
ok "both packings write the same text" cmp -s "$tmp/e.txt" "$tmp/five.txt"
gives "export --list" 0 export "$tmp/five.1bit" --list
ok "--list shows formats" out_has 'q_proj.weight  *t5x16'
gives "export --list --json" 0 export --model "$tmp/five.1bit" --list --json
ok "export --list --json is JSON" json "$tmp/out"
gives "a directory can be listed" 0 export --model-dir "$made" --list
ok "it shows the latents" out_has 'q_proj.weight  *F32'
gives "export --pack-mode binary" 0 export --model-dir "$made" --pack-mode binary --output "$tmp/binary.1bit" --val-data "$tmp/text.txt"
ok "another mode is told loudly" err_has 'WARNING: 1 of 1 blocks were not trained as binary'
ok "the loss is told before and after" out_has '^bits per byte  [0-9.]* before, [0-9.]* after'
ok "no file is left behind" [ ! -e "$tmp/binary.trained.tmp" ]
gives "export --embedding f32" 0 export --model "$tmp/e.1bit" --embedding f32 --output "$tmp/small.1bit"
ok "an unmeasured loss is told" err_has 'was not measured'
"$bin/onebit-export" "$tmp/small.1bit" --list >"$tmp/out" 2>"$tmp/err"
ok "the embedding is stored so" out_has 'embed_tokens.weight  *f32x16'
for weights in deployed latent; do
    gives "export --weights $weights" 0 export --model-dir "$made" --format safetensors --weights $weights --output "$tmp/st-$weights"
    gives "and back" 0 export --model-dir "$tmp/st-$weights" --output "$tmp/back.1bit" -q
    ok "$weights weights pack to the same file" cmp -s "$tmp/back.1bit" "$made/model.1bit"
done
ok "latent weights are those of training" cmp -s "$tmp/st-latent/model.safetensors" "$made/model.safetensors"
gives "a .1bit has no latents" 1 export --model "$tmp/e.1bit" --format safetensors --weights latent --output "$tmp/st"
gives "export without a directory" 2 export --model "$tmp/e.1bit" --format safetensors
gives "two sources at once" 2 export --model "$tmp/e.1bit" --model-dir "$made"
gives "unknown packing" 2 export --model "$tmp/e.1bit" --packing 3bit
gives "unknown mode" 2 export --model "$tmp/e.1bit" --pack-mode quaternary
gives "missing model" 1 export --model "$tmp/absent.1bit" --output "$tmp/x.1bit"
ok "it names the flag" err_has '--model'
gives "not writable" 1 export --model "$tmp/e.1bit" --output "$tmp/absent/x.1bit"
{
    printf '1BIT\001\000\000\000\001\000\000\000\002\000\000\000{}'
    printf '\010\000\000\000wte.long\002\001\000\000\000\004\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\315'
} >"$tmp/old.1bit"
gives "a version 1 file can be listed" 0 export --model "$tmp/old.1bit" --list
ok "it is told what it is" err_has 'WARNING: .* it cannot speak'
ok "its tensors are shown" out_has 'wte.long  *ternary v1'
gives "it cannot be packed" 1 export --model "$tmp/old.1bit" --output "$tmp/x.1bit"
ok "which is told" err_has 'cannot speak'
gives "its codes can be taken out" 0 export --model "$tmp/old.1bit" --format safetensors --output "$tmp/old"
ok "as bytes" [ "$(tail -c 4 "$tmp/old/model.safetensors" | od -An -td1 | tr -s ' ')" = " 1 -1 0 -1" ]
gives "generate says why it cannot speak" 1 generate --model "$tmp/old.1bit" --prompt x
ok "in a sentence" err_has 'version 1 .* cannot speak'

cp "$tmp/e.1bit" "$tmp/e2.1bit"
gives "a header in place of the model" 2 export --model "$tmp/e2.1bit" --output "$tmp/m.1bit" --emit-c-header "$tmp/e2.1bit"
ok "the model is untouched" cmp -s "$tmp/e.1bit" "$tmp/e2.1bit"
gives "a header in place of the output" 2 export --model "$tmp/e.1bit" --output "$tmp/m2.h" --emit-c-header "$tmp/m2.h"
gives "a header alone" 0 export --model "$tmp/e.1bit" --emit-c-header "$tmp/only.h" -q
ok "it is written, and no model beside it" [ -s "$tmp/only.h" -a ! -e "$tmp/only.1bit.tmp" ]
gives "the same header twice" 2 export --model "$tmp/e.1bit" --output "$tmp/m.1bit" --emit-c-header --emit-incbin
gives "export --emit-c-header --emit-incbin" 0 export --model "$tmp/e.1bit" --output "$tmp/m.1bit" --emit-c-header --emit-incbin "$tmp/bin.S" -q
printf '#include MODEL_HEADER\n#include <stdio.h>\nint main(void) {\nreturn fwrite(onebit_model_words, 1, ONEBIT_MODEL_BYTES, stdout) != ONEBIT_MODEL_BYTES;\n}\n' >"$tmp/dump.c"
for compiler in 'cc -std=c99' 'c++ -x c++ -std=c++11'; do
    if command -v "${compiler%% *}" >/dev/null 2>&1; then
        # shellcheck disable=SC2086 # a command and its flags
        $compiler -Wall -Wextra -Wpedantic -Werror "-DMODEL_HEADER=\"$tmp/m.h\"" "$tmp/dump.c" -o "$tmp/dump" 2>"$tmp/err" &&
            "$tmp/dump" >"$tmp/dump.out"
        ok "$compiler: the words are the file" cmp -s "$tmp/dump.out" "$tmp/m.1bit"
        rm -f "$tmp/dump.out"
        # shellcheck disable=SC2086
        cc -c "$tmp/bin.S" -o "$tmp/bin.o" 2>"$tmp/err" &&
            $compiler -Wall -Wextra -Wpedantic -Werror "-DMODEL_HEADER=\"$tmp/bin.h\"" -c "$tmp/dump.c" -o "$tmp/dump.o" 2>"$tmp/err" &&
            cc "$tmp/dump.o" "$tmp/bin.o" -o "$tmp/dump" && "$tmp/dump" >"$tmp/dump.out"
        ok "$compiler: .incbin is the file" cmp -s "$tmp/dump.out" "$tmp/m.1bit"
        rm -f "$tmp/dump.out"
    else skip "${compiler%% *} is missing"; fi
done
if [ -x "$bin/onebit-embed" ]; then
    gives "embed" 0 embed 'The owl'
    ok "embed knows its rhyme" out_has '^The owl is in the tree\.$'
    if command -v strace >/dev/null 2>&1; then
        strace -f -e trace=open,openat "$bin/onebit-embed" >"$tmp/out" 2>"$tmp/err"
        ok "embed opens no model" sh -c "! grep -E '1bit|safetensors|json' '$tmp/err'"
    else skip "strace is missing: which files embed opens is not watched"; fi
else skip "embed is not built"; fi
# ---- inspect ----

# at NAME FILE: where a tensor's bytes begin, as --verbose shows it.
at() { "$bin/onebit-inspect" "$2" --verbose 2>/dev/null | sed -n "s/^$1 .*@\([0-9]*\).*/\1/p"; }
# patch FILE OFFSET BYTES: other bytes in place, as printf writes them.
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
says() { # says FILE: what the model answers
    "$bin/onebit-generate" --model "$1" --prompt Hello --temperature 0 --max-tokens 12 -q 2>>"$tmp/err"
}

mkdir -p "$tmp/zoo"
cp "$model" "$tmp/zoo/ours.1bit"
gives "export for inspect: GGUF" 0 export --model "$model" --format gguf --output "$tmp/zoo/theirs.gguf" -q
gives "export for inspect: a directory" 0 export --model "$model" --format hf --output "$tmp/zoo/hf" -q
for file in ours.1bit theirs.gguf hf; do
    gives "inspect $file" 0 inspect "$tmp/zoo/$file"
    ok "inspect $file: it runs" out_has '^runs  *yes'
    ok "inspect $file: its shape" out_has '^shape .* layers, width '
    ok "inspect $file: its tokenizer" out_has '^tokenizer .* ids$'
    ok "inspect $file: bytes per token" out_has '^a token  *reads .* tokens/s at 1 GB/s$'
    ok "inspect $file: one screen" [ "$(wc -l <"$tmp/out")" -le 24 ]
    gives "inspect $file --json" 0 inspect "$tmp/zoo/$file" --verbose --validate --json
    ok "inspect $file --json is JSON" json "$tmp/out"
    ok "inspect $file --json is one line" lines 1
    ok "inspect $file --json has everything" out_has '"runs": true.*"metadata": \[.*"tensors": \[.*"failed": 0'
    gives "inspect $file --validate" 0 inspect "$tmp/zoo/$file" --validate
    ok "inspect $file: prefill and decode" out_has '^ok: prefill and decode: the same bits'
    ok "inspect $file: kernels" out_has '^ok: scalar kernels: the same bits'
    ok "inspect $file: it counts" out_has '^[0-9]* ok, 0 failed, '
done
run inspect "$tmp/zoo/ours.1bit"
ok "it names its format" out_has '^format  *.1bit version 2'
ok "and its template" out_has '^template  *You: '
run inspect "$tmp/zoo/ours.1bit" --verbose
ok "shares of codes are shown" out_has 'q_proj.weight .* scale .* -1 [0-9.]*% 0 [0-9.]*% +1 [0-9.]*%$'
run inspect "$tmp/zoo/theirs.gguf" --verbose
ok "keys have types" out_has '^llama.block_count  *u32  *[0-9]'
ok "arrays are cut" out_has '^tokenizer.ggml.tokens  *string x [0-9]* \[.*, \.\.\.\]'
gives "inspect of a version 1 file" 0 inspect "$tmp/old.1bit"
ok "it says that it does not run" out_has '^runs  *no: .*cannot speak'
gives "inspect of a tokenizer" 0 inspect "$tmp/tok.json"
ok "it says so" out_has '^format  *tokenizer'
gives "inspect of a text" 1 inspect "$tmp/text.txt"
gives "inspect of nothing" 1 inspect "$tmp/absent.1bit"
ok "it names the flag" err_has '--model'

# Damage, and what is said of it.
damaged() { # damaged WHAT PATH PATTERN: --validate finds it
    gives "inspect --validate of $1" 1 inspect "$2" --validate
    ok "$1 is named" out_has "^FAIL: $3"
}
n=$(wc -c <"$model")
head -c $((n - 100)) "$model" >"$tmp/cut.1bit"
damaged "a file that is cut" "$tmp/cut.1bit" 'container: cut off'
cp "$model" "$tmp/flip.1bit"
patch "$tmp/flip.1bit" $((n - 10)) 'zz'
damaged "changed bytes" "$tmp/flip.1bit" 'checksum: '
gives "inspect --repair of damaged weights" 1 inspect "$tmp/flip.1bit" --repair "$tmp/no.1bit"
ok "it says why" err_has 'cannot be repaired: the checksum'
ok "nothing is written" [ ! -e "$tmp/no.1bit" ]
head -c 3000 "$tmp/zoo/theirs.gguf" >"$tmp/cut.gguf"
damaged "a GGUF that is cut" "$tmp/cut.gguf" 'container: '
cp "$tmp/zoo/theirs.gguf" "$tmp/nan.gguf"
patch "$tmp/nan.gguf" "$(at output_norm.weight "$tmp/nan.gguf")" '\000\000\300\177'
damaged "a weight that is NaN" "$tmp/nan.gguf" 'numbers: output_norm.weight: 1 weights or scales are NaN'
cp -r "$tmp/zoo/hf" "$tmp/hf-nan"
patch "$tmp/hf-nan/model.safetensors" "$(at model.layers.0.mlp.up_proj.weight_scale "$tmp/hf-nan/model.safetensors")" '\000\000\300\177'
damaged "a scale that is NaN" "$tmp/hf-nan" 'numbers: .*up_proj.weight_scale: 1 weights or scales'
cp -r "$tmp/zoo/hf" "$tmp/hf-code"
patch "$tmp/hf-code/model.safetensors" "$(at model.layers.0.mlp.up_proj.weight "$tmp/hf-code/model.safetensors")" '\377'
damaged "a code that is none" "$tmp/hf-code" 'numbers: .*up_proj.weight: 4 undefined codes'
gives "inspect --validate --json of damage" 1 inspect "$tmp/hf-code" --validate --json
ok "it is JSON" json "$tmp/out"
ok "with the fault" out_has '"result": "fail", "why": ".*undefined codes'

# Repair: what trails is gone, and the same model remains.
for file in ours.1bit theirs.gguf hf/model.safetensors; do
    broken=$tmp/trail.${file##*.}
    mended=$tmp/mended.${file##*.}
    { cat "$tmp/zoo/$file" && head -c 200 /dev/zero; } >"$broken"
    damaged "trailing bytes of $file" "$broken" 'sections: .* trailing bytes'
    gives "inspect --repair $file" 0 inspect "$broken" --repair "$mended"
    ok "it tells what changed" out_has '^wrote .* bytes, before '
    gives "the mended $file" 0 inspect "$mended" --validate
done
for file in ours.1bit theirs.gguf; do
    says "$tmp/zoo/$file" >"$tmp/one"
    says "$tmp/mended.${file##*.}" >"$tmp/two"
    ok "the mended $file speaks" [ -s "$tmp/one" ]
    ok "the mended $file says the same" cmp -s "$tmp/one" "$tmp/two"
done
ok "a sound .1bit stays as it is" cmp -s "$tmp/zoo/ours.1bit" "$tmp/mended.1bit"
cp -r "$tmp/zoo/hf" "$tmp/hf-mended"
cp "$tmp/mended.safetensors" "$tmp/hf-mended/model.safetensors"
says "$tmp/zoo/hf" >"$tmp/one"
says "$tmp/hf-mended" >"$tmp/two"
ok "the mended directory says the same" cmp -s "$tmp/one" "$tmp/two"
gives "inspect --repair of a directory" 1 inspect "$tmp/zoo/hf" --repair "$tmp/no"
gives "inspect --repair to nowhere" 1 inspect "$model" --repair "$tmp/absent/no.1bit"
ok "no half-written file is left" [ -z "$(ls "$tmp" | grep '\.tmp$')" ]

# ---- models of others ----

# prompt PATH FLAGS...: what --show-prompt prints of one question, without the ids.
prompt() {
    "$bin/onebit-chat" --max-tokens 4 --temperature 0 --show-prompt --model "$@" 2>&1 >/dev/null </dev/null |
        sed -n '/^--- prompt/,/^--- [0-9]* ids/p' | sed '1d;$d'
}
for kind in hf theirs.gguf; do
    prompt "$tmp/zoo/$kind" --prompt Hello >"$tmp/two"
    prompt "$model" --prompt Hello >"$tmp/one"
    ok "$kind: the chat template went along" cmp -s "$tmp/one" "$tmp/two"
done
cp -r "$tmp/zoo/hf" "$tmp/zoo/talks"
template() { printf '%s' "$1" >"$tmp/zoo/talks/chat_template.jinja"; }
template "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
ok "a template of Jinja is rendered" [ "$(prompt "$tmp/zoo/talks" --prompt Hello --system Kind)" = \
    "<|endoftext|><system>Kind<user>Hello<assistant>" ]
starts() { # starts TEXT: how many start tokens stand among the ids of a question
    "$bin/onebit-chat" --model "$tmp/zoo/talks" --prompt "$1" --max-tokens 1 --show-prompt 2>&1 >/dev/null |
        sed -n 's/^--- [0-9]* ids: //p' | tr ' ' '\n' | grep -c "^$start\$"
}
start=$("$bin/onebit-inspect" "$tmp/zoo/talks" | sed -n 's/.*start \([0-9]*\) .*/\1/p')
ok "one start token, written by the template" [ "$(starts Hello)" -eq 1 ]
ok "what a person types is never special" [ "$(starts 'a <|endoftext|> b')" -eq 1 ]
template "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
ok "one start token, in front of the template" [ "$(starts Hello)" -eq 1 ]
template "{% for m in messages %}{{ m.content | frobnicate }}{% endfor %}"
gives "an unknown construct" 1 chat --model "$tmp/zoo/talks" --prompt Hello
ok "it is named" err_has "filter 'frobnicate' is not supported.*--chat-template"
template "{{ raise_exception('no system, please') }}"
gives "a template that refuses" 1 chat --model "$tmp/zoo/talks" --prompt Hello
ok "its words are told" err_has 'no system, please'
gives "chat --chat-template none" 0 chat --model "$tmp/zoo/talks" --prompt Hello --chat-template none --max-tokens 4
printf '{{ messages[0].content }}!' >"$tmp/own.jinja"
ok "chat --chat-template @FILE" [ "$(prompt "$tmp/zoo/talks" --prompt Hello --chat-template "@$tmp/own.jinja")" = 'Hello!' ]
printf 'Hello\n/save %s\nAgain\n' "$tmp/jinja-talk" | "$bin/onebit-chat" --model "$tmp/zoo/hf" --max-tokens 6 --json --temperature 0 >"$tmp/one" 2>"$tmp/err"
printf 'Again\n' | "$bin/onebit-chat" --model "$tmp/zoo/hf" --max-tokens 6 --json --temperature 0 --load "$tmp/jinja-talk" >"$tmp/two" 2>"$tmp/err"
sed -n '2s/.*"reply": \(.*\), "tokens": .*/\1/p' "$tmp/one" >"$tmp/said1"
sed -n '1s/.*"reply": \(.*\), "tokens": .*/\1/p' "$tmp/two" >"$tmp/said2"
ok "a talk by messages goes on after /load" cmp -s "$tmp/said1" "$tmp/said2"
for kind in f32 f16 bf16 q8_0; do
    gives "export --type $kind" 0 export --model "$model" --format gguf --type $kind --output "$tmp/$kind.gguf"
    ok "it tells of each tensor" out_has "^blk.0.attn_q.weight .* ternary  *-> $kind  *[em]"
    gives "export --head-type $kind" 0 export --model "$model" --format gguf --head-type $kind --output "$tmp/head.gguf"
    ok "it is told too" out_has "^token_embd.weight .* -> $kind  *[em]"
done
gives "a type that no row fits" 1 export --model "$model" --format gguf --type tq2_0 --output "$tmp/none.gguf"
ok "nothing is written" [ ! -e "$tmp/none.gguf" ]
gives "an unknown type" 1 export --model "$model" --format gguf --type q9 --output "$tmp/none.gguf"
gives "--type without a format" 2 export --model "$model" --type f16
gives "--head-type with hf" 2 export --model "$model" --format hf --head-type f16 --output "$tmp/none"
gives "--list of a GGUF" 0 export --model "$tmp/f16.gguf" --list
ok "its tensors" out_has '^blk.0.attn_q.weight .* F16 '
ok "no sizes: they are of a .1bit's head" out_lacks '^total '
gives "--list of a Hugging Face directory" 0 export --model-dir "$tmp/zoo/hf" --list
ok "its tensors" out_has '^model.layers.0.self_attn.q_proj.weight '
ok "no sizes either" out_lacks '^total '
gives "unpack with another tokenizer" 1 export --model "$model" --format safetensors --tokenizer "$tmp/f16.gguf.none" --output "$tmp/none"
ok "nothing is left" [ ! -e "$tmp/none" ]
gives "--packing with gguf" 2 export --model "$model" --format gguf --packing 1.6bit --output "$tmp/none.gguf"
gives "--quantize without a text" 2 export --model "$tmp/f32.gguf" --quantize ternary --output "$tmp/none.1bit"
gives "--quantize" 0 export --model "$tmp/f32.gguf" --quantize ternary --scale-group 32 --val-data "$tmp/val.txt" --output "$tmp/q.1bit"
ok "the perplexity is told" out_has '^perplexity .* before, .* after'
ok "f32 became ternary" out_has 'q_proj.weight .* f32  *-> t2x16'
gives "--quantize binary" 0 export --model "$tmp/f32.gguf" --quantize binary --scale-group 32 --val-data "$tmp/val.txt" --output "$tmp/b.1bit"
ok "other codes" [ "$(cksum <"$tmp/q.1bit")" != "$(cksum <"$tmp/b.1bit")" ]
quantize="export --model $tmp/f32.gguf --quantize ternary --scale-group 32 --val-data $tmp/val.txt"
gives "--calibration" 0 export --model "$tmp/f32.gguf" --quantize binary --scale-group 32 --val-data "$tmp/val.txt" --calibration "$tmp/text.txt" --calibration-tokens 64 --output "$tmp/c.1bit"
ok "it tells how much it read" out_has '^calibrated on 64 tokens'
ok "other scales" [ "$(cksum <"$tmp/b.1bit")" != "$(cksum <"$tmp/c.1bit")" ]
gives "--calibration with the text of --val-data" 0 $quantize --calibration "$tmp/val.txt" --output "$tmp/c.1bit"
ok "a note says what that is worth" err_has 'also the text of --val-data'
gives "--calibration without --quantize" 2 export --model "$tmp/f32.gguf" --calibration "$tmp/val.txt" --output "$tmp/none.1bit"
ok "the flag is named" err_has '--calibration needs --quantize'
gives "--calibration-tokens alone" 2 $quantize --calibration-tokens 64 --output "$tmp/none.1bit"
ok "the flag is named" err_has '--calibration-tokens needs --calibration'
gives "a calibration text that is not there" 1 $quantize --calibration "$tmp/none.txt" --output "$tmp/none.1bit"
ok "the flag is named" err_has 'see --calibration'
gives "--quantize of what is quantized" 2 export --model "$tmp/q.1bit" --quantize ternary --scale-group 32 --val-data "$tmp/val.txt" --output "$tmp/none.1bit"
ok "the flag is named" err_has '--quantize: nothing to fit'
gives "--planes 2" 0 $quantize --planes 2 --output "$tmp/two.1bit"
ok "it is a model" out_has '^perplexity .* before, .* after'
gives "a model of two planes runs" 0 generate --model "$tmp/two.1bit" --prompt Hello --max-tokens 4 --temperature 0
cp "$tmp/out" "$tmp/two.text"
gives "the scalar kernels write the same" 0 generate --model "$tmp/two.1bit" --prompt Hello --max-tokens 4 --temperature 0 --isa scalar
ok "the same text" cmp "$tmp/out" "$tmp/two.text"
gives "two planes in 1.6 bits" 0 export --model "$tmp/two.1bit" --packing 1.6bit --output "$tmp/c.1bit"
gives "two planes as GGUF" 1 export --model "$tmp/two.1bit" --format gguf --output "$tmp/none.gguf"
ok "they are named" err_has 'weight_planes=2'
gives "two planes trained" 1 train --data-dir "$tmp/text.txt" $small --scale-group 32 --weight-planes 2 --output-dir "$tmp/none" --max-steps 1
ok "they are named" err_has 'weight_planes is 2'
gives "--planes without --quantize" 2 export --model "$tmp/f32.gguf" --planes 2 --output "$tmp/none.1bit"
ok "the flag is named" err_has '--planes needs --quantize ternary'
gives "--planes of binary" 2 export --model "$tmp/f32.gguf" --quantize binary --planes 2 --val-data "$tmp/val.txt" --output "$tmp/none.1bit"
ok "the flag is named" err_has '--planes needs --quantize ternary'
gives "--calibration with --list" 2 export --model "$tmp/q.1bit" --list --calibration "$tmp/val.txt"
ok "nothing was written" [ ! -e "$tmp/none.1bit" ]
rm "$tmp/zoo/talks/tokenizer.json"
gives "a model without a tokenizer" 1 chat --model "$tmp/zoo/talks" --prompt Hello
ok "the flag is named" err_has '--tokenizer'
gives "--tokenizer" 0 generate --model "$tmp/zoo/talks" --tokenizer "$tmp/zoo/hf/tokenizer.json" --prompt Hello --max-tokens 4
gives "--i2s with an unknown order" 2 generate --model "$tmp/zoo/hf" --i2s z80 --prompt Hello
printf 'GGUF\003\000\000\000' >"$tmp/short.gguf"
gives "a GGUF that is cut" 1 chat --model "$tmp/short.gguf" --prompt Hello
ok "it is named" err_has 'short.gguf.*--model'
rm -rf "$tmp/zoo/talks"

# ---- the registry ----

mkdir -p "$tmp/config/onebit"
printf '{"models": [{"name": "keeper", "path": "../../zoo/ours.1bit", "description": "of the lamp"},\n {"name": "gone", "path": "%s/gone.1bit"}]}\n' "$tmp" >"$tmp/config/onebit/models.json"
printf '{"keeper": "%s/zoo/theirs.gguf", "home": "~/zoo/ours.1bit"}' "$tmp" >"$tmp/short.json"
printf '[{"name": "keeper", "path": "zoo/hf"}]' >"$tmp/bare.json"
printf '{"models": [{"name": "keeper"}]}' >"$tmp/wrong.json"
export ONEBIT_MODELS= XDG_CONFIG_HOME="$tmp/config"
gives "inspect --list" 0 inspect --list
ok "name, size, path and description" out_has '^keeper  *[0-9.]* kB .*/zoo/ours.1bit  of the lamp'
ok "what is not there" out_has '^gone  *missing'
gives "inspect --list --json" 0 inspect --list --json
ok "the list is JSON" json "$tmp/out"
says "$model" >"$tmp/one"
says keeper >"$tmp/two"
ok "generate takes a name" cmp -s "$tmp/one" "$tmp/two"
gives "inspect takes a name" 0 inspect keeper
ok "it shows the path" out_has '^path .*/zoo/ours.1bit'
gives "export takes a name" 0 export --model keeper --output "$tmp/named.1bit" -q
gives "tokenize takes a name" 0 tokenize --model keeper --text hello
gives "chat takes a name" 0 chat --model keeper --prompt hello --max-tokens 2
gives "bench takes a name" 0 bench --model keeper --repeats 1 --tokens 2 --prompt 4 --sequences 2 --threads 1
gives "a name that is not known" 1 generate --model keepr --prompt x
ok "the nearest is proposed" err_has 'no such file: keepr; .*/models.json .* did you mean keeper?'
ok "that is one line" [ "$(wc -l <"$tmp/err")" -eq 1 ]
gives "a name that is like none" 1 generate --model watermelon --prompt x
ok "the names are told" err_has 'it knows keeper, gone'
gives "a name whose file is gone" 1 generate --model gone --prompt x
ok "the path is told" err_has '/gone.1bit'
for file in short.json bare.json zoo; do
    export ONEBIT_MODELS="$tmp/$file"
    name=keeper
    [ $file = zoo ] && name=theirs
    gives "a registry: $file" 0 inspect $name
    ok "$file leads to the model" out_has '^runs  *yes'
done
gives "inspect --list of a directory" 0 inspect --list
ok "it has three models" lines 3
ok "by name without ending" out_has '^ours  '
export ONEBIT_MODELS="$tmp/short.json"
HOME=$tmp "$bin/onebit-inspect" home >"$tmp/out" 2>"$tmp/err"
ok "~ is the user's directory" out_has '^path .*/zoo/ours.1bit'
export ONEBIT_MODELS="$tmp/wrong.json"
gives "a registry that is damaged" 1 inspect keeper
ok "it says what is expected" err_has 'wrong.json: expected'
export ONEBIT_MODELS="$tmp/no-registry.json"
gives "no registry" 1 inspect keeper
ok "it says where it looked" err_has 'there is no .*/no-registry.json'
unset ONEBIT_MODELS XDG_CONFIG_HOME

# ---- data ----

few="$small --max-steps 4"
mkdir -p "$tmp/texts"
cp "$tmp/text.txt" "$tmp/texts/a.txt"
cp "$tmp/text.txt" "$tmp/texts/b.valid.txt"
cp "$tmp/text.txt" "$tmp/texts/b.test.txt"
gives "a directory with held-out files" 0 train --data-dir "$tmp/texts" $few --output-dir "$tmp/d1"
ok "validation files are used and told" err_has 'files named for validation'
ok "test files are left out and told" err_has 'b.test.txt is left out'
gives "--include-held-out" 0 train --data-dir "$tmp/texts" --include-held-out $few --overwrite --output-dir "$tmp/d1"
ok "--include-held-out leaves nothing out" [ "$(grep -c 'left out' "$tmp/err")" -eq 0 ]
gives "tokenize leaves them out too" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/texts" --output "$tmp/few.tokens"
ok "it says so" err_has 'b.test.txt is left out'
gives "tokenize --include-held-out" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/texts" --include-held-out --output "$tmp/all.tokens"
ok "all is three times as much" [ "$(wc -c <"$tmp/all.tokens")" -gt $((2 * $(wc -c <"$tmp/few.tokens"))) ]
gives "weights" 0 train --data-dir "$tmp/text.txt,$tmp/texts/a.txt" --data-weights 3,1 $few --overwrite --output-dir "$tmp/d1"
gives "weights that do not fit" 1 train --data-dir "$tmp/text.txt,$tmp/texts/a.txt" --data-weights 3 $few --overwrite --output-dir "$tmp/d1"
ok "the flag is named" err_has '--data-weights'
gives "rows with replies" 0 train --data-dir "$tmp/talk.jsonl" $few --output-dir "$tmp/d2"
ok "the template is told" err_has '{prompt}'
gives "eval of rows" 0 eval --model "$tmp/d2/model.1bit" --data "$tmp/talk.jsonl" --json
ok "eval scores the replies" out_has '"bytes": 1200,'
gives "eval --loss-on-input" 0 eval --model "$tmp/d2/model.1bit" --data "$tmp/talk.jsonl" --json --loss-on-input
ok "eval scores all then" out_has '"bytes": 1730,'
gives "tokenize rows" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/talk.jsonl" --output "$tmp/talk.tokens"
ok "it tells that the marks are lost" err_has 'learns both'
gives "tokenize --chat-template" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/talk.jsonl" --chat-template "$template" --output "$tmp/talk2.tokens"
ok "the template makes it longer" [ "$(wc -c <"$tmp/talk2.tokens")" -gt "$(wc -c <"$tmp/talk.tokens")" ]
gives "a template without a reply" 1 train --data-dir "$tmp/talk.jsonl" --chat-template hello $few --overwrite --output-dir "$tmp/d2"
ok "the flag is named" err_has '--chat-template'
printf '{"text": "a"}\n{"txt": "b"}\n' >"$tmp/bad.jsonl"
gives "a row that fits no form" 1 train --data-dir "$tmp/bad.jsonl" $few --overwrite --output-dir "$tmp/d2"
ok "file, line and flag are named" err_has 'bad.jsonl:2:1: a row needs .*--data-dir'
ln -s /dev/null "$tmp/null.txt"
gives "a file that is none" 1 train --data-dir "$tmp/null.txt" $few --overwrite --output-dir "$tmp/d2"
ok "file and flag are named" err_has 'null.txt.*--data-dir'
gives "an empty directory" 1 train --data-dir "$tmp/d2" $few --output-dir "$tmp/d3"
ok "it holds no text" err_has 'holds no text'
train_input() { "$bin/onebit-train" --data-dir - $few --overwrite --output-dir "$tmp/d4" "$@" >"$tmp/out" 2>"$tmp/err"; }
ok "text from the standard input" train_input <"$tmp/text.txt"
"$bin/onebit-train" --data-dir "$tmp/text.txt" $few --output-dir "$tmp/d5" --preset tiny -q
"$bin/onebit-train" --data-dir - $few --overwrite --output-dir "$tmp/d4" --preset tiny -q <"$tmp/text.txt"
ok "it gives the same model as the file" cmp -s "$tmp/d4/model.1bit" "$tmp/d5/model.1bit"
ok "a stream of the standard input needs a tokenizer" [ "$(train_input --streaming <"$tmp/text.txt"; echo $?)" -eq 1 ]
"$bin/onebit-tokenize" --train --tokenizer-kind byte --data-dir "$tmp/text.txt" --output "$tmp/byte.json" -q
ok "a stream of the standard input" train_input --streaming --tokenizer "$tmp/byte.json" --max-steps 9999 <"$tmp/text.txt"
ok "it ends with the input" err_has 'trained [0-9][0-9] steps'
ok "the model is there" [ -s "$tmp/d4/model.1bit" ]
ok "it cannot be resumed" [ "$(train_input --streaming --resume <"$tmp/text.txt"; echo $?)" -eq 1 ]
ok "it says why" err_has 'cannot be read again'
ok "streamed files" train_input --data-dir "$tmp/texts" --streaming --stream-buffer 1024 --max-epochs 2 --max-steps 0

# ---- search ----

cat "$tmp/text.txt" "$tmp/text.txt" >"$tmp/search.txt"
deep="--num-layers 3 --max-steps 30 -q"
"$bin/onebit-train" --data-dir "$tmp/text.txt" $small $deep --output-dir "$tmp/deep" --overwrite
bytes_of() { sed -n 's/.*"size_bytes": \([0-9]*\).*/\1/p' "$1"; }
ppl_of() { sed -n 's/^.*"perplexity": \([0-9.]*\).*/\1/p' "$1" | head -n 1; }
"$bin/onebit-eval" --model "$tmp/deep" --layer-bit-map binary --data "$tmp/search.txt" --json >"$tmp/low.json" 2>/dev/null
"$bin/onebit-eval" --model "$tmp/deep" --data "$tmp/search.txt" --json >"$tmp/asis.json" 2>/dev/null
ceiling=$(awk "BEGIN {print ($(ppl_of "$tmp/low.json") + $(ppl_of "$tmp/asis.json")) / 2}")
search="search --checkpoint $tmp/deep --val-data $tmp/search.txt --val-tokens 0"
case $ceiling in *[0-9]*) ;; *) ceiling=100;; esac
gives "search" 0 $search --min-perplexity-max "$ceiling" --output "$tmp/s.json"
ok "it is proven" out_has '^certificate  *proven: none of the 8 maps is smaller'
ok "the front is shown" out_has '<- chosen'
ok "the result is JSON" json "$tmp/s.json"
ok "every evaluation is in the CSV" [ "$(wc -l <"$tmp/s.csv")" -ge 4 ]
ok "the picture is SVG" grep -q '</svg>' "$tmp/s.svg"
gives "search --json" 0 $search --min-perplexity-max "$ceiling" --output "$tmp/s2.json" --json -q
ok "search --json is JSON" json "$tmp/out"
cp "$tmp/s.json" "$tmp/s3.json"
head -n 4 "$tmp/s.csv" >"$tmp/s3.csv"
printf 'half a li' >>"$tmp/s3.csv"
gives "search goes on from a CSV that was cut off" 0 $search --min-perplexity-max "$ceiling" --output "$tmp/s3.json"
ok "it says so" err_has '3 evaluations are there already'
same_result() { grep -v 'secs\|from_csv' "$1" >"$tmp/a.res"; grep -v 'secs\|from_csv' "$2" >"$tmp/b.res"; cmp -s "$tmp/a.res" "$tmp/b.res"; }
ok "the result is that of a search in one go" same_result "$tmp/s.json" "$tmp/s3.json"
ok "so is the CSV" cmp -s "$tmp/s.csv" "$tmp/s3.csv"
gives "export --layer-bit-map" 0 export --model "$tmp/deep" --layer-bit-map "$tmp/s.json" --output "$tmp/found.1bit" -q
ok "the file is as large as the search says" [ "$(wc -c <"$tmp/found.1bit")" -eq "$(bytes_of "$tmp/s.json")" ]
"$bin/onebit-eval" --model "$tmp/found.1bit" --data "$tmp/search.txt" --json >"$tmp/one.json" 2>/dev/null
gives "eval --layer-bit-map" 0 eval --model "$tmp/deep" --layer-bit-map "$tmp/s.json" --data "$tmp/search.txt" --json
ok "it is as good as the exported file" cmp -s "$tmp/out" "$tmp/one.json"
near() { awk "BEGIN {d = $1 / $2 - 1; exit !(d < 1e-4 && d > -1e-4)}"; }
ok "and as the search says" near "$(ppl_of "$tmp/one.json")" "$(ppl_of "$tmp/s.json")"
gives "a ceiling that cannot be reached" 1 $search --min-perplexity-max 1.01 --output "$tmp/none.json"
ok "the best is told" err_has 'the lowest of 8 measured is'
ok "and written" grep -q '"found": false' "$tmp/none.json"
gives "a size that cannot be reached" 1 $search --min-perplexity-max "$ceiling" --max-size-mb 0.001 --output "$tmp/none2.json"
ok "the size is named" err_has 'at most 0.001 MB'
for method in exact knapsack expander random; do
    gives "search --method $method" 0 $search --min-perplexity-max "$ceiling" --output "$tmp/$method.json" \
        --method $method --options binary,ternary,8bit --granularity half --max-evaluations 60
done
gives "search --compare" 0 $search --min-perplexity-max "$ceiling" --compare --output "$tmp/cmp.json"
ok "all methods are in the table" [ "$(grep -c '^\(exact\|knapsack\|expander\|random\) ' "$tmp/out")" -eq 4 ]
gives "search by projection with ends" 0 $search --min-perplexity-max "$ceiling" --granularity projection --search-ends \
    --options binary,ternary,8bit,f16 --max-evaluations 200 --output "$tmp/proj.json"
ok "22 groups" out_has 'maps of 22 groups'
ok "a lower bound is told" out_has '^lower bound'
printf '{"prompt": "who are", "answer": "you", "choices": ["you", "caf"]}\n' >"$tmp/quiz.jsonl"
gives "search --min-accuracy" 0 $search --min-perplexity-max "$ceiling" --questions "$tmp/quiz.jsonl" --min-accuracy 0 --output "$tmp/acc.json"
ok "accuracy is told" out_has '^accuracy  *[01]\.'
gives "search --finetune" 0 $search --min-perplexity-max "$ceiling" --output "$tmp/s.json" --finetune 5 --train-data "$tmp/text.txt"
ok "before and after" out_has '^fine-tuned  *5 steps: perplexity [0-9.]* before, [0-9.]* after'
ok "the tuned model is there" [ -s "$tmp/s.finetuned/model.1bit" ]
cp "$tmp/deep/config.json" "$tmp/other.json"
gives "search --model-config" 0 search --checkpoint "$tmp/deep/model.safetensors" --val-data "$tmp/search.txt" \
    --model-config "$tmp/other.json" --min-perplexity-max "$ceiling" --output "$tmp/mc.json"
rm -f "$tmp/no.csv"
gives "search of a text that is not there" 1 search --checkpoint "$tmp/deep" --val-data "$tmp/absent.txt" --min-perplexity-max 9 --output "$tmp/no.json"
ok "no file is begun" [ ! -e "$tmp/no.csv" ]
cp "$tmp/s.csv" "$tmp/keep.csv"
gives "search beside the CSV of another one" 0 $search --min-perplexity-max "$ceiling" --options ternary,8bit --output "$tmp/keep.json"
grep -v '^search,' "$tmp/s.csv" >"$tmp/own.rows"
head -n "$(wc -l <"$tmp/s.csv")" "$tmp/keep.csv" | grep -v '^search,' >"$tmp/kept.rows"
ok "its rows stay" cmp -s "$tmp/own.rows" "$tmp/kept.rows"
printf 'precious,table\n1,2\n' >"$tmp/keep2.csv"
gives "search beside a CSV that is something else" 0 $search --min-perplexity-max "$ceiling" --output "$tmp/keep2.json"
ok "that one is kept" grep -q precious "$tmp/keep2.csv.old"
gives "export with the map of a search that found none" 1 export --model "$tmp/deep" --layer-bit-map "$tmp/none.json" --output "$tmp/nf.1bit"
mkdir -p "$tmp/vd"; head -c 2000 "$tmp/search.txt" >"$tmp/vd/a.txt"
gives "search on a directory of text" 0 search --checkpoint "$tmp/deep" --val-data "$tmp/vd" --min-perplexity-max 1e6 --output "$tmp/vd.json" -q
printf 'other words, and more of them\n' >>"$tmp/vd/a.txt"
gives "search on a text that has changed" 0 search --checkpoint "$tmp/deep" --val-data "$tmp/vd" --min-perplexity-max 1e6 --output "$tmp/vd.json"
ok "old figures are not taken" grep -q '"evaluations_from_csv": 0' "$tmp/vd.json"
gives "search with its result beside the weights" 0 search --checkpoint "$tmp/deep" --val-data "$tmp/search.txt" --min-perplexity-max 1e6 --output "$tmp/deep/s.json" -q
gives "and again" 0 search --checkpoint "$tmp/deep" --val-data "$tmp/search.txt" --min-perplexity-max 1e6 --output "$tmp/deep/s.json" -q
ok "figures are found again" grep -q '"evaluations_from_csv": [1-9]' "$tmp/deep/s.json"
gives "search --output of a directory" 2 $search --min-perplexity-max 9 --output "$tmp/vd"
gives "search --train-data that is not there" 2 $search --min-perplexity-max 9 --finetune 3 --train-data "$tmp/absent.txt"
gives "search --overlap-ratio 1" 0 $search --min-perplexity-max "$ceiling" --method expander --overlap-ratio 1 --output "$tmp/one1.json"
gives "search --compare --json" 2 $search --min-perplexity-max 9 --compare --json
gives "search without a ceiling" 2 search --checkpoint "$tmp/deep" --val-data "$tmp/text.txt"
gives "search --options" 2 $search --min-perplexity-max 9 --options ternary,four
ok "the mode is named" err_has "'four' is none of"
gives "search --seed with exact" 2 $search --min-perplexity-max 9 --seed 3
gives "search --partition-size with exact" 2 $search --min-perplexity-max 9 --partition-size 30
gives "search --finetune without text" 2 $search --min-perplexity-max 9 --finetune 3
gives "search --min-accuracy without questions" 2 $search --min-perplexity-max 9 --min-accuracy 0.5
gives "search into a directory that is not there" 1 $search --min-perplexity-max 9 --output "$tmp/absent/x.json"
gives "a map of another model" 1 eval --model "$made" --layer-bit-map "$tmp/s.json" --data "$tmp/text.txt"
gives "a map that is none" 1 eval --model "$made" --layer-bit-map "$tmp/absent.json" --data "$tmp/text.txt"
gives "train --init-from with --resume" 2 train --data-dir "$tmp/text.txt" --init-from "$tmp/deep" --resume
gives "train --init-from" 0 train --data-dir "$tmp/text.txt" --init-from "$tmp/deep" --layer-bit-map "$tmp/s.json" \
    --batch-size 4 --seq-len 32 --max-steps 2 --output-dir "$tmp/init" --threads 1 -q
gives "it has the map" 0 inspect "$tmp/init/model.1bit"
gives "train --init-from of another shape" 1 train --data-dir "$tmp/text.txt" --init-from "$tmp/deep" --hidden-size 64 \
    --max-steps 2 --output-dir "$tmp/init2" --threads 1 -q
ok "the tensor is named" err_has 'but there it is'

# ---- the learning examples ----

if [ -x "$bin/onebit-hello" ]; then
    gives "hello" 0 hello "$model" Hello
    ok "hello writes" out_has '^Hello'
    gives "hello without a model" 1 hello "$tmp/absent.1bit"
    ok "hello leaves stdout alone then" out_empty
else skip "hello is not built"; fi
if [ -x "$bin/onebit-loop" ]; then
    gives "loop" 0 loop
    ok "loop learns" out_has 'loss 0\.'
else skip "loop is not built"; fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
