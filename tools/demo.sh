#!/bin/sh
# The demo: writes a corpus, trains a ternary model and its float32 twin on it, compares them on text and
# questions that neither has seen, and lets the ternary one talk.
#
#   sh tools/demo.sh BUILD        run by "make demo"; BUILD holds the programs
#
# The settings below may be overridden from the environment: STEPS=200 TWIN_STEPS=200 make demo

STEPS=${STEPS:-4800}               # updates of the ternary model
TWIN_STEPS=${TWIN_STEPS:-$STEPS}   # updates of the float32 twin
SHAPE=${SHAPE:-"--hidden-size 96 --num-layers 3 --num-heads 3 --intermediate-size 192
  --max-seq-len 256 --use-qk-norm true"}                            # shape of both
RECIPE=${RECIPE:-"--batch-size 4 --seq-len 224 --lr 0.02 --muon-lr 0.01 --muon-iterations 3
  --lr-min-ratio 0.02 --val-fraction 0.01 --eval-every 800 --save-every 0"} # how both are trained
VOCAB=${VOCAB:-512}
TRAIN_BYTES=${TRAIN_BYTES:-18000000}
TEST_BYTES=${TEST_BYTES:-200000}
TEST_DOCUMENTS=${TEST_DOCUMENTS:-60}

build=${1:-build}
work=$build/demo
begun=$(date +%s)
twin=
trap '[ -z "$twin" ] || kill "$twin" 2>/dev/null; echo; echo "stopped"; exit 130' INT TERM

bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi

heading() { printf '\n%s%s%s  [%d s]\n\n' "$bold" "$1" "$plain" $(($(date +%s) - begun)); }
stop() {
    printf '\ndemo: %s\n' "$1" >&2
    [ -z "$2" ] || tail -n 20 "$2" >&2
    exit 1
}
# figure FILE KEY: the last number of that name in a file of JSON
figure() { sed -n "s/.*\"$2\": *\\([-+0-9.eE]*\\).*/\\1/p" "$1" | tail -n 1; }
percent() { awk -v x="$1" 'BEGIN { printf "%.1f %%", 100 * x }'; }
size_of() { awk -v b="$(wc -c <"$1")" 'BEGIN { printf b < 1e6 ? "%.0f kB" : "%.2f MB", b / (b < 1e6 ? 1e3 : 1e6) }'; }

indented() { fold -s -w 92 | awk '{ print "    " $0 }'; }

mkdir -p "$work" || stop "cannot make $work"

heading '1  A small world: stories and conversations, each with questions about what happened'
"$build/onebit-corpus" --seed 1 --bytes "$TRAIN_BYTES" --output "$work/train.txt" || stop 'no corpus'
"$build/onebit-corpus" --seed 2 --held-out --bytes "$TEST_BYTES" --stats --output "$work/test.txt" \
    2>"$work/test.stats" || stop 'no held-out text' "$work/test.stats"
"$build/onebit-corpus" --seed 3 --held-out --documents "$TEST_DOCUMENTS" --format qa \
    --output "$work/questions.jsonl" || stop 'no questions'
entropy_bits=$(sed -n 's/^entropy *\([0-9.]*\) bits.*/\1/p' "$work/test.stats")
sed '/^<|endoftext|>/,$d' "$work/test.txt" | indented
printf '\n%s of training text, %s of held-out text, %d held-out questions.\n' \
    "$(size_of "$work/train.txt")" "$(size_of "$work/test.txt")" "$(($(wc -l <"$work/questions.jsonl")))"

"$build/onebit-tokenize" --train --data-dir "$work/train.txt" --vocab-size "$VOCAB" \
    --output "$work/tokenizer.json" --quiet || stop 'no tokenizer'
printf 'A byte-level BPE tokenizer of %s tokens was trained on it.\n' "$VOCAB"

heading "2  Two models learn: one ternary (every weight of its blocks is -1, 0 or +1), one float32"
# Each takes one thread, so that they share the machine; the ternary one is shown.
started=$(date +%s)
# shellcheck disable=SC2086 # SHAPE and RECIPE are flags
"$build/onebit-train" --data-dir "$work/train.txt" --output-dir "$work/float" --max-steps "$TWIN_STEPS" \
    --tokenizer "$work/tokenizer.json" --layer-bit-map f32 --embedding f32 --threads 1 --quiet \
    $SHAPE $RECIPE >"$work/float.log" 2>&1 &
twin=$!
# shellcheck disable=SC2086
"$build/onebit-train" --data-dir "$work/train.txt" --output-dir "$work/ternary" --max-steps "$STEPS" \
    --tokenizer "$work/tokenizer.json" --embedding 8bit --threads 1 \
    --chat-template 'You: {prompt}\nKeeper: {reply}\n' $SHAPE $RECIPE || stop 'training failed'
ternary_seconds=$(($(date +%s) - started))
printf '\nwaiting for the float32 twin ...\n'
wait "$twin" || stop 'training of the twin failed' "$work/float.log"
twin=
float_seconds=$(($(date +%s) - started))

heading '3  Both are measured on what they have not seen'
for which in ternary float; do
    "$build/onebit-eval" --model "$work/$which/model.1bit" --data "$work/test.txt" --json \
        >"$work/$which.text.json" 2>"$work/$which.log" || stop 'onebit-eval failed' "$work/$which.log"
    "$build/onebit-eval" --model "$work/$which/model.1bit" --questions "$work/questions.jsonl" --json \
        >"$work/$which.questions.json" 2>"$work/$which.log" || stop 'onebit-eval failed' "$work/$which.log"
done
row() { printf '  %-28s %12s %12s   %s\n' "$1" "$2" "$3" "$4"; }
row '' 'ternary' 'float32' ''
# The corpus knows how many bits of choice its text holds; no model can need fewer.
best=$(awk -v bits="$entropy_bits" -v bytes="$(figure "$work/ternary.text.json" bytes)" \
    'BEGIN { printf "%.4f", bits / bytes }')
bits() { awk -v x="$(figure "$work/$1.text.json" bits_per_byte)" 'BEGIN { printf "%.4f", x }'; }
share() { percent "$(figure "$work/$1.questions.json" "$2")"; }
row 'held-out text, bits per byte' "$(bits ternary)" "$(bits float)" "best possible $best"
row 'held-out questions answered' "$(share ternary greedy_accuracy)" "$(share float greedy_accuracy)" ''
row 'right among the candidates' "$(share ternary choice_accuracy)" "$(share float choice_accuracy)" \
    "by chance $(share ternary chance)"
row 'file' "$(size_of "$work/ternary/model.1bit")" "$(size_of "$work/float/model.1bit")" ''
row 'training' "$ternary_seconds s" "$float_seconds s" ''

heading '4  The ternary model speaks'
sample() { # PROMPT TEMPERATURE STOP: the prompt and what the model adds, indented
    "$build/onebit-generate" --model "$work/ternary/model.1bit" --prompt "$1" --max-tokens 120 --seed 7 \
        --temperature "$2" --stop "$3" --quiet >"$work/sample" 2>"$work/sample.log" ||
        stop 'onebit-generate failed' "$work/sample.log"
    indented <"$work/sample"
    printf '\n'
}
newline='
'
sample 'It was a' 0.8 '<|endoftext|>'
sample 'It was a quiet day. Vera is at the mill. Vera has the drum. Tom is in the barn.
Then Vera walks to the barn and gives Tom the drum.
Q: Who has the drum?
A:' 0 "$newline"
sample 'The tavern is full tonight. Nora is at the bridge. Nora has the lantern. Ned is at the well.
You: Good evening!
Keeper: Welcome, traveller!
You: Where is Ned?
Keeper:' 0 "$newline"

for pair in model.1bit:demo.1bit loss.svg:loss.svg; do
    cp "$work/ternary/${pair%:*}" "${pair#*:}" || stop "cannot write ${pair#*:}"
done
heading 'Done'
cat <<END
  demo.1bit    the model ($(size_of demo.1bit))
  loss.svg     its loss, to look at in a browser

  Talk to it:  $build/onebit-chat --model demo.1bit
END
