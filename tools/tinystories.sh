#!/bin/sh
# A story teller of at most 1.3 MB: trains a ternary model on TinyStories text and scores it on held-out
# stories in bits per byte. Needs the text; nothing is downloaded.
#
#   make && sh tools/tinystories.sh DIRECTORY_OF_TRAINING_TEXT VALIDATION.txt [STEPS]

text=${1:?name the directory of training text}
valid=${2:?name the validation text}
steps=${3:-2800}
build=${BUILD:-build}
out=$build/tinystories
"$build/onebit-train" --data-dir "$text" --val-data-dir "$valid" --output-dir "$out" --overwrite \
    --hidden-size 256 --num-layers 5 --num-heads 8 --intermediate-size 704 --vocab-size 1024 \
    --max-seq-len 256 --embedding 8bit --lr 4e-3 --muon-lr 0.012 --muon-iterations 3 \
    --batch-size 12 --max-steps "$steps" --lr-min-ratio 0.02 --eval-every 200 --eval-batches 4 \
    --save-every 200 $EXTRA || exit 1
"$build/onebit-eval" --model "$out/model.1bit" --data "$valid"
