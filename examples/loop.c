/* loop.c - the training loop by hand: what onebit_train() does, step by step.
   cc -O3 -fopenmp examples/loop.c -o loop -lm
   ./loop my-text.txt */
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char rhyme[] = "The rain is on the roof and the cat is on the mat.\n"
                            "The cat is on the roof and the rain is on the cat.\n"
                            "The mat is on the cat and the roof is on the mat.\n";

/* Ends the program with the reason when a call fails. */
static void check(onebit_status status) {
    if (status == ONEBIT_OK) return;
    fprintf(stderr, "loop: %s\n", onebit_error_text());
    exit(1);
}

static int print(void *file, const char *text, size_t bytes) {
    return fwrite(text, 1, bytes, (FILE *)file) != bytes;
}

/* Packs the trained weights as a model in memory and lets it write. */
static void write_sample(onebit_trainer *trainer, const onebit_tokenizer *tokenizer) {
    onebit_model *model;
    onebit_session *session;
    size_t bytes = onebit_trainer_pack(trainer, tokenizer, NULL, 0);
    void *packed = malloc(bytes);
    if (!packed || !onebit_trainer_pack(trainer, tokenizer, packed, bytes)) check(ONEBIT_MEMORY);
    check(onebit_model_open_memory(&model, packed, bytes, NULL));
    check(onebit_session_create(&session, model, NULL, NULL));
    printf("\nThe model, %lu bytes, writes:\nThe ", (unsigned long)bytes);
    check(onebit_generate(session, "The ", NULL, print, stdout, NULL));
    onebit_session_free(session);
    onebit_model_free(model);
    free(packed);
}

int main(int argc, char **argv) {
    enum { B = 8, T = 32, STEPS = 200 };
    static int32_t ids[1 << 20], inputs[B * T], targets[B * T];
    onebit_config config = onebit_config_default();
    onebit_train_options options = onebit_train_options_default();
    onebit_tokenizer *tokenizer;
    onebit_dataset *dataset;
    onebit_trainer *trainer;
    onebit_step_report report;
    const char *text = rhyme;
    char *loaded = NULL;
    size_t bytes = strlen(rhyme), count;
    int step;
    if (argc > 1) check(onebit_text_load(&loaded, &bytes, argv[1], 1 << 20, NULL, NULL));
    if (loaded) text = loaded;
    /* 1. text to tokens: one token per character of this text */
    check(onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_CHAR, text, bytes, 0, NULL));
    check(onebit_tokenizer_encode(tokenizer, ids, 1 << 20, &count, text, bytes, 1));
    check(onebit_dataset_create(&dataset, ids, count, NULL));
    /* 2. a small ternary model */
    config.vocab_size = onebit_tokenizer_vocab_size(tokenizer);
    config.hidden_size = 64, config.num_layers = 2, config.num_heads = 4;
    config.intermediate_size = 128, config.max_seq_len = 128;
    options.batch_size = B, options.seq_len = T;
    options.max_steps = STEPS, options.lr_warmup_steps = 20;
    check(onebit_trainer_create(&trainer, &config, &options, NULL));
    /* 3. the loop: batch, forward and backward, update */
    for (step = 1; step <= STEPS; step++) {
        check(onebit_dataset_batch(dataset, inputs, targets, B, T));
        check(onebit_trainer_accumulate(trainer, inputs, targets, NULL));
        check(onebit_trainer_update(trainer, &report));
        if (step == 1 || step % 20 == 0) printf("step %3d  loss %.3f\n", step, report.loss);
    }
    write_sample(trainer, tokenizer);
    onebit_trainer_free(trainer);
    onebit_dataset_free(dataset);
    onebit_tokenizer_free(tokenizer);
    onebit_text_free(loaded, NULL);
    return puts("") < 0;
}
