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
err_has() { grep -q -e "$1" "$tmp/err"; }
out_empty() { [ ! -s "$tmp/out" ]; }
err_empty() { [ ! -s "$tmp/err" ]; }
narrow() { awk 'length($0) > 80 { exit 1 }' "$1"; }
lines() { [ "$(wc -l <"$tmp/out")" -eq "$1" ]; }
json() {
    if command -v python3 >/dev/null 2>&1; then python3 -m json.tool "$1" >/dev/null 2>>"$tmp/err"
    else grep -q '^[{["].*[]}"]$' "$1"; fi
}

for program in train chat generate eval tokenize; do
    if [ ! -x "$bin/onebit-$program" ]; then
        fail "$bin/onebit-$program is missing: build first"
        echo "$passed passed, $failed failed, $skipped skipped"
        exit 1
    fi
done

# ---- the same manners everywhere ----

for program in train chat generate eval tokenize; do
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
ok "--dry-run writes nothing" [ ! -e "$tmp/dry" ]
gives "train --dry-run --json" 0 train --data-dir "$tmp/text.txt" $small --dry-run --json
ok "train --dry-run --json is JSON" json "$tmp/out"
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
gives "a value out of range" 2 train --data-dir "$tmp/text.txt" --hidden-size 0
ok "it names the field" err_has hidden_size
gives "a value that is no number" 2 train --data-dir "$tmp/text.txt" --lr fast
gives "unknown preset" 2 train --data-dir "$tmp/text.txt" --preset enormous
gives "unknown mode" 2 train --data-dir "$tmp/text.txt" --layer-bit-map quaternary
gives "unknown kernels" 2 train --data-dir "$tmp/text.txt" --isa fast
gives "missing text" 1 train --data-dir "$tmp/absent.txt"
ok "it names the flag" err_has 'data-dir'
gives "missing config" 1 train --data-dir "$tmp/text.txt" --config "$tmp/absent.json"

"$bin/onebit-train" --data-dir "$tmp/text.txt" $small --output-dir "$tmp/stopped" --max-steps 1000000 \
    >"$tmp/out" 2>"$tmp/err" &
pid=$!
tries=0
until grep -q parameters "$tmp/err" || [ $tries -ge 30 ]; do
    sleep 1
    tries=$((tries + 1))
done
sleep 1
kill -INT $pid
wait $pid
code=$?
ok "Ctrl-C gives 130, not $code" [ $code -eq 130 ]
ok "Ctrl-C keeps a checkpoint" [ -s "$tmp/stopped/checkpoint.safetensors" ]
ok "Ctrl-C tells how to resume" err_has 'go on: .* --resume$'

[ -n "$model" ] || model="$tmp/a b/model.1bit"

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

# ---- data ----

few="$small --max-steps 4"
mkdir -p "$tmp/texts"
cp "$tmp/text.txt" "$tmp/texts/a.txt"
cp "$tmp/text.txt" "$tmp/texts/b.valid.txt"
cp "$tmp/text.txt" "$tmp/texts/b.test.txt"
gives "a directory with held-out files" 0 train --data-dir "$tmp/texts" $few --output-dir "$tmp/d1"
ok "validation files are used and told" err_has 'files named for validation'
ok "test files are left out and told" err_has 'b.test.txt is left out'
gives "--include-held-out" 0 train --data-dir "$tmp/texts" --include-held-out $few --output-dir "$tmp/d1"
ok "--include-held-out leaves nothing out" [ "$(grep -c 'left out' "$tmp/err")" -eq 0 ]
gives "tokenize leaves them out too" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/texts" --output "$tmp/few.tokens"
ok "it says so" err_has 'b.test.txt is left out'
gives "tokenize --include-held-out" 0 tokenize --tokenizer "$tmp/tok.json" --data-dir "$tmp/texts" --include-held-out --output "$tmp/all.tokens"
ok "all is three times as much" [ "$(wc -c <"$tmp/all.tokens")" -gt $((2 * $(wc -c <"$tmp/few.tokens"))) ]
gives "weights" 0 train --data-dir "$tmp/text.txt,$tmp/texts/a.txt" --data-weights 3,1 $few --output-dir "$tmp/d1"
gives "weights that do not fit" 1 train --data-dir "$tmp/text.txt,$tmp/texts/a.txt" --data-weights 3 $few --output-dir "$tmp/d1"
ok "the flag is named" err_has '--data-weights'
i=0
while [ $i -lt 60 ]; do
    printf '{"input": "hello %d", "output": "welcome to the light"}\n' $i
    i=$((i + 1))
done >"$tmp/talk.jsonl"
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
gives "a template without a reply" 1 train --data-dir "$tmp/talk.jsonl" --chat-template hello $few --output-dir "$tmp/d2"
ok "the flag is named" err_has '--chat-template'
printf '{"text": "a"}\n{"txt": "b"}\n' >"$tmp/bad.jsonl"
gives "a row that fits no form" 1 train --data-dir "$tmp/bad.jsonl" $few --output-dir "$tmp/d2"
ok "file, line and flag are named" err_has 'bad.jsonl:2:1: a row needs .*--data-dir'
ln -s /dev/null "$tmp/null.txt"
gives "a file that is none" 1 train --data-dir "$tmp/null.txt" $few --output-dir "$tmp/d2"
ok "file and flag are named" err_has 'null.txt.*--data-dir'
gives "an empty directory" 1 train --data-dir "$tmp/d2" $few --output-dir "$tmp/d3"
ok "it holds no text" err_has 'holds no text'
train_input() { "$bin/onebit-train" --data-dir - $few --output-dir "$tmp/d4" "$@" >"$tmp/out" 2>"$tmp/err"; }
ok "text from the standard input" train_input <"$tmp/text.txt"
"$bin/onebit-train" --data-dir "$tmp/text.txt" $few --output-dir "$tmp/d5" --preset tiny -q
"$bin/onebit-train" --data-dir - $few --output-dir "$tmp/d4" --preset tiny -q <"$tmp/text.txt"
ok "it gives the same model as the file" cmp -s "$tmp/d4/model.1bit" "$tmp/d5/model.1bit"
ok "a stream of the standard input needs a tokenizer" [ "$(train_input --streaming <"$tmp/text.txt"; echo $?)" -eq 1 ]
"$bin/onebit-tokenize" --train --tokenizer-kind byte --data-dir "$tmp/text.txt" --output "$tmp/byte.json" -q
ok "a stream of the standard input" train_input --streaming --tokenizer "$tmp/byte.json" --max-steps 9999 <"$tmp/text.txt"
ok "it ends with the input" err_has 'trained [0-9][0-9] steps'
ok "the model is there" [ -s "$tmp/d4/model.1bit" ]
ok "it cannot be resumed" [ "$(train_input --streaming --resume <"$tmp/text.txt"; echo $?)" -eq 1 ]
ok "it says why" err_has 'cannot be read again'
ok "streamed files" train_input --data-dir "$tmp/texts" --streaming --stream-buffer 1024 --max-epochs 2 --max-steps 0

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
