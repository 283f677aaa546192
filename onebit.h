/* onebit.h - 1-bit language models in one C header: train, export, run.
   SPDX-License-Identifier: MIT

   Do this in ONE C or C++ file:       #define ONEBIT_IMPLEMENTATION
                                       #include "onebit.h"
   and plain #include "onebit.h" wherever else you use it. Link with -lm; add -fopenmp for threads.

   Talk to a model:                    onebit_model *model;
                                       onebit_session *session;
                                       onebit_model_open(&model, "demo.1bit", NULL);
                                       onebit_session_create(&session, model, NULL, NULL);
                                       onebit_generate(session, "Mira", NULL, print, NULL, NULL);
   Train one on your own text:         onebit_train_job job = onebit_train_job_default();
                                       job.data_dir = "my/texts";
                                       job.output_dir = "out";
                                       onebit_train(&job, NULL);

   CONTENTS (search for the tag)
     >>manual     flow, letters, memory, errors, threads, numerics, flags
     >>api        everything public, in the order of the floors
     >>base  >>system  >>json  >>gguf  >>config  >>tokenizer  >>dataset  >>format  >>kernels
     >>ops  >>model  >>optim  >>files  >>session  >>sample  >>report  >>flow
                                                                 the implementation, floor by floor

   It does NOT: start threads of its own, read environment variables, print, exit, or keep globals
   (but the thread-local error text); it reads the standard input only where a path is "-". */

/* ===============================================================================================
   >>manual

   FLOW      text -> onebit_tokenizer -> onebit_dataset -> onebit_trainer -> file.1bit
             file.1bit -> onebit_model (immutable, shared) -> onebit_session (one per conversation).
   LETTERS   B batch, T positions, N = B*T tokens, D width (hidden_size), H heads, K kv-heads,
             d head_dim, F FFN width (intermediate_size), V vocabulary, L layers. Gradient of x: dx.
   MEMORY    every object takes its memory once, at create/open, as one block; onebit_*_bytes tells
             how much beforehand. Evaluation, training steps and sampling allocate nothing; calls
             that take text, files or report work say so. *_free accepts NULL and half-built things.
   ERRORS    functions return onebit_status; onebit_error_text() says what, where and what was
             expected, per thread. Nothing is printed, nothing exits.
   THREADS   onebit_model and onebit_tokenizer are immutable and may be shared by threads; every
             other object belongs to one thread at a time. Work inside a call is split by
             onebit_env.parallel (OpenMP when compiled with it, else serial). Threads split outputs,
             never sums: the result is the same bit for bit for any number of threads.
   NUMERICS  the trained forward, the exported forward, prefill and decode are the same function of
             the weights: same integers, same order of float sums, no fused multiply-add between.
   FLAGS     ONEBIT_STATIC    all functions static (a private copy per translation unit)
             ONEBIT_API       your own linkage attribute
             ONEBIT_NO_FILES  no file is ever opened: models and tokenizers come from memory
             ONEBIT_NO_STDIO  <stdio.h> is not used: files can be read (not on Windows), not written
             ONEBIT_NO_SIMD   only the portable kernels are compiled
             ONEBIT_NO_AVX512 on x86 only those and AVX2 are compiled
   ============================================================================================== */
#ifndef ONEBIT_H
#define ONEBIT_H

#include <stddef.h>
#include <stdint.h>

#define ONEBIT_VERSION    "0.1.0"
#define ONEBIT_MAX_LAYERS 256 /* entries of layer_bit_map */
#define ONEBIT_TEXT_MAX   256 /* bytes of a TEXT setting, terminator included */

#ifndef ONEBIT_API
#if defined(ONEBIT_STATIC) && defined(__GNUC__)
#define ONEBIT_API static __attribute__((unused))
#elif defined(ONEBIT_STATIC)
#define ONEBIT_API static
#else
#define ONEBIT_API extern
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------------
   >>api: base
   ---------------------------------------------------------------------------------------------- */

/* One row per error: name, sentence. ONEBIT_AGAIN is not a failure: work remains, call again. */
#define ONEBIT_ERRORS(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(AGAIN, "work remains: call again")                                                           \
    X(USAGE, "an argument is missing or makes no sense")                                           \
    X(MEMORY, "out of memory")                                                                     \
    X(IO, "a file could not be read or written")                                                   \
    X(FORMAT, "a file or text is damaged or not what it claims")                                   \
    X(CONFIG, "a setting is unknown or out of range")                                              \
    X(UNSUPPORTED, "valid, but not supported by this version")                                     \
    X(LIMIT, "the context is full")                                                                \
    X(DIVERGED, "training diverged (a value is not finite)")                                       \
    X(CANCELLED, "stopped by the caller")

#define ONEBIT_ERROR_ENUM(name, sentence) ONEBIT_##name,
typedef enum onebit_status { ONEBIT_ERRORS(ONEBIT_ERROR_ENUM) ONEBIT_STATUS_COUNT } onebit_status;
#undef ONEBIT_ERROR_ENUM

/* The sentence of a status, from the table above; never NULL. Any thread. */
ONEBIT_API const char *onebit_status_text(onebit_status status);

/* What went wrong in this thread's last failed call: what, where, what was expected. Never NULL;
   valid until the next failing call of the same thread. */
ONEBIT_API const char *onebit_error_text(void);

/* Version, compiler, instruction set chosen and threads, as one line for --version and bug reports:
   "onebit 0.1.0 (gcc 12.2, avx512, 2 threads, OpenMP)". Writes at most size bytes with a
   terminator. */
ONEBIT_API void onebit_version_text(char *out, size_t size);

/* -------------------------------------------------------------------------------------------------
   >>api: system
   ---------------------------------------------------------------------------------------------- */

/* Instruction sets of the kernels; AUTO takes the best that this processor has. */
typedef enum onebit_isa {
    ONEBIT_ISA_AUTO,
    ONEBIT_ISA_SCALAR,
    ONEBIT_ISA_AVX2,       /* with FMA and F16C */
    ONEBIT_ISA_AVX512,     /* F, BW, DQ, VL */
    ONEBIT_ISA_AVX512VNNI, /* and VNNI, VBMI */
    ONEBIT_ISA_AVX512BF16, /* and BF16 */
    ONEBIT_ISA_NEON,       /* with dot products where the compiler targets them */
    ONEBIT_ISA_COUNT
} onebit_isa;

/* One piece of parallel work: body(arg, i) for one i. */
typedef void (*onebit_body)(void *arg, int index);

/* Where an object gets its memory and its threads. Copied into every object that is created with
   it. alloc returns NULL when it cannot; release accepts what alloc gave. parallel calls body(arg,
   i) for every i in [0, n), in any order, on any threads, and returns when all are done. threads is
   how many pieces work is cut into (1..64). isa forces a kernel set; asking for one the processor
   lacks is ONEBIT_UNSUPPORTED. */
typedef struct onebit_env {
    void *user;
    void *(*alloc)(void *user, size_t bytes);
    void (*release)(void *user, void *block);
    void (*parallel)(void *user, onebit_body body, void *arg, int n);
    int threads;
    onebit_isa isa;
} onebit_env;

/* malloc/free, OpenMP with all its threads when compiled with it (else serial), automatic kernels.
 */
ONEBIT_API onebit_env onebit_env_default(void);

/* Name of an instruction set ("scalar", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon"); AUTO
   gives the one this processor would use. */
ONEBIT_API const char *onebit_isa_name(onebit_isa isa);

/* -------------------------------------------------------------------------------------------------
   >>api: config. One row per setting: kind, name, default, low, high, help. The row gives the
   struct field, the default, the JSON key, the range check, the CLI flag (--name-with-dashes) and
   its help. Kinds: INT int, REAL double, BOOL int 0/1, CHOICE int index into "a|b|c" (in the help
   column, before the colon), TEXT char[ONEBIT_TEXT_MAX].
   ---------------------------------------------------------------------------------------------- */

#define ONEBIT_MODEL_FIELDS(X)                                                                     \
    X(INT, vocab_size, 0, 0, 1 << 20,                                                              \
      "rows of the embedding: the tokenizer's; a BPE is trained to this size (0 = 1024)")          \
    X(INT, hidden_size, 256, 8, 65536, "width of the model; a multiple of num_heads")              \
    X(INT, num_layers, 6, 1, ONEBIT_MAX_LAYERS, "decoder blocks")                                  \
    X(INT, num_heads, 8, 1, 1024, "attention heads")                                               \
    X(INT, num_key_value_heads, 0, 0, 1024, "key/value heads (GQA); 0 = num_heads")                \
    X(INT, head_dim, 0, 0, 1024, "width of a head, even; 0 = hidden_size / num_heads")             \
    X(INT, intermediate_size, 1024, 8, 1 << 20, "FFN width (of gate and up each when gated)")      \
    X(INT, max_seq_len, 256, 1, 1 << 20, "context length in tokens")                               \
    X(REAL, layer_norm_eps, 1e-5, 1e-12, 1.0, "epsilon inside the square root of every norm")      \
    X(REAL, rope_theta, 10000.0, 1.0, 1e9, "base of the rotary frequencies")                       \
    X(CHOICE, activation, 0, 0, 2,                                                                 \
      "silu|relu2|relu: FFN activation; use_relu2 also selects relu2")                             \
    X(BOOL, use_swiglu, 1, 0, 1, "gated FFN: act(gate) * up; false = act(up)")                     \
    X(BOOL, use_relu2, 0, 0, 1, "squared ReLU as the activation (gated or not)")                   \
    X(BOOL, use_ternary, 1, 0, 1,                                                                  \
      "body ternary (true) or binary (false) where layer_bit_map is silent")                       \
    X(BOOL, use_subln, 1, 0, 1, "block norms are RMSNorm; false = LayerNorm without bias")         \
    X(BOOL, use_sub_norm, 0, 0, 1, "BitNet's SubLN: one more RMSNorm before o_proj and down_proj") \
    X(BOOL, use_rope, 1, 0, 1, "rotary positions; false = no position information")                \
    X(BOOL, use_qk_norm, 0, 0, 1, "RMSNorm of queries and keys per head, before RoPE")             \
    X(BOOL, use_residual_scaling, 0, 0, 1, "multiply each block output by 1/sqrt(2)")              \
    X(BOOL, use_dynamic_threshold, 0, 0, 1,                                                        \
      "ternary threshold 0.7 * scale (mean|W|) instead of rounding W / scale")                     \
    X(CHOICE, weight_scale, 0, 0, 1,                                                               \
      "absmean|absmedian: what of |W| is the scale of ternary and binary weights")                 \
    X(BOOL, use_f16_scale, 0, 0, 1,                                                                \
      "scales of 8bit, ternary and binary weights are rounded to float16")                         \
    X(INT, scale_group, 0, 0, 256,                                                                 \
      "weights of a row that share a scale in ternary and binary blocks: 32|64|128|256; 0 = all")  \
    X(BOOL, tie_word_embeddings, 1, 0, 1, "the head is the embedding; false = its own matrix")     \
    X(INT, activation_bits, 8, 0, 8,                                                               \
      "bits of linear inputs: 8 = int8 per token, 1 = sign * mean|x| (8 at the head), 0 = float")  \
    X(REAL, logit_softcap, 0.0, 0.0, 1000.0, "logits = c * tanh(logits / c); 0 = off")             \
    X(REAL, ste_scale_factor, 1.0, 0.0, 16.0,                                                      \
      "multiplies the straight-through gradient of weights")                                       \
    X(REAL, latent_clamp_max, 0.0, 0.0, 100.0, "clamp latents in the forward pass; 0 = off")       \
    X(REAL, latent_clip_max_training, 0.0, 0.0, 100.0, "clip latents after each step; 0 = off")    \
    X(REAL, anneal_fraction, 0.0, 0.0, 1.0,                                                        \
      "share of the run that blends float into quantized weights")                                 \
    X(REAL, arenas_initial, 0.0, 0.0, 1.0,                                                         \
      "Arenas: W_eff = Q(W) + c W in training; the largest c; 0 = off")                            \
    X(INT, arenas_warmup_steps, 0, 0, 1 << 30, "steps over which the Arenas c rises from 0")       \
    X(INT, arenas_anneal_steps, 10000, 1, 1 << 30,                                                 \
      "step from which the Arenas c is 0; a half cosine leads there")                              \
    X(TEXT, chat_template, "", 0, 0,                                                               \
      "one turn, e.g. 'You: {prompt}\\nKeeper: {reply}\\n'; empty = continue the text")

#define ONEBIT_TRAIN_FIELDS(X)                                                                     \
    X(INT, batch_size, 16, 1, 65536, "sequences per micro-batch")                                  \
    X(INT, accumulation_steps, 1, 1, 65536, "micro-batches per update")                            \
    X(INT, seq_len, 0, 0, 1 << 20, "training sequence length; 0 = max_seq_len")                    \
    X(INT, max_steps, 2000, 0, 1 << 30, "updates; 0 = as many as max_epochs needs")                \
    X(INT, max_epochs, 0, 0, 1 << 20, "stop after this many passes over the data; 0 = no limit")   \
    X(CHOICE, optimizer, 1, 0, 1,                                                                  \
      "adamw|muon: muon is for the matrices of blocks, adamw for the rest")                        \
    X(REAL, lr, 4e-3, 0.0, 10.0, "peak learning rate of AdamW")                                    \
    X(REAL, muon_lr, 0.01, 0.0, 10.0, "peak learning rate of Muon")                                \
    X(REAL, muon_momentum, 0.95, 0.0, 0.9999, "momentum of Muon (Nesterov)")                       \
    X(INT, muon_iterations, 5, 1, 20, "Newton-Schulz iterations of Muon")                          \
    X(REAL, adam_beta1, 0.9, 0.0, 0.9999, "first moment decay")                                    \
    X(REAL, adam_beta2, 0.99, 0.0, 0.99999, "second moment decay")                                 \
    X(REAL, adam_eps, 1e-8, 0.0, 1.0, "AdamW epsilon")                                             \
    X(REAL, weight_decay, 0.1, 0.0, 10.0,                                                          \
      "decoupled decay of latent matrices (not norms, embeddings)")                                \
    X(REAL, grad_clip_max_norm, 1.0, 0.0, 1e6, "global gradient norm limit; 0 = off")              \
    X(REAL, label_smoothing, 0.0, 0.0, 0.99,                                                       \
      "share of each training target spread over the vocabulary; 0 = off")                         \
    X(INT, lr_warmup_steps, 100, 0, 1 << 30, "linear warm-up")                                     \
    X(CHOICE, lr_decay, 0, 0, 4, "cosine|linear|none|wsd|two-stage: shape after the warm-up")      \
    X(REAL, lr_min_ratio, 0.1, 0.0, 1.0, "final learning rate as a share of the peak")             \
    X(REAL, lr_min, 0.0, 0.0, 10.0,                                                                \
      "final learning rate of AdamW, in place of lr_min_ratio; 0 = off")                           \
    X(REAL, wsd_decay_fraction, 0.3, 0.0, 1.0,                                                     \
      "wsd: last share of the run that decays to the minimum")                                     \
    X(REAL, lr_stage_start, 0.5, 0.0, 1.0, "two-stage: share of the run where stage 2 starts")     \
    X(REAL, lr_stage1_end_ratio, 0.533, 0.0, 1.0,                                                  \
      "two-stage: rate at the end of stage 1 as a share of the peak")                              \
    X(REAL, lr_stage2_ratio, 0.333, 0.0, 1.0,                                                      \
      "two-stage: rate at the start of stage 2 as a share of the peak")                            \
    X(REAL, weight_decay_stage2, 0.0, 0.0, 10.0, "two-stage: weight_decay of stage 2")             \
    X(REAL, float_fraction, 0.0, 0.0, 1.0, "first share of the run in float, then quantized")      \
    X(INT, quant_warmup_steps, 0, 0, 1 << 30, "first steps in float; needs quant_anneal_steps")    \
    X(INT, quant_anneal_steps, 0, 0, 1 << 30,                                                      \
      "steps after them that blend float into quantized; 0 = anneal_fraction rules")               \
    X(INT, backward_bits, 32, 16, 32,                                                              \
      "products of gradients: 16 = bfloat16, summed in float32, if the processor can: faster")     \
    X(BOOL, fast, 0, 0, 1,                                                                         \
      "layers of floats and attention may fuse multiply and add: faster, other last digits")       \
    X(INT, gradient_checkpointing_segments, 0, 0, ONEBIT_MAX_LAYERS,                               \
      "blocks per segment; keeps the activations of one segment, computes others again; 0 = off")  \
    X(INT, seed, 1, 0, 2147483647, "seed of weights and data order")                               \
    X(REAL, val_fraction, 0.05, 0.0, 0.5, "tail of the data held out for validation")              \
    X(BOOL, loss_on_input, 0, 0, 1, "learn what is asked in rows too, not only the replies")       \
    X(INT, stream_buffer, 4194304, 1024, 1 << 30, "tokens that --streaming holds and shuffles")    \
    X(INT, eval_every, 250, 0, 1 << 30, "validate every so many updates; 0 = only at the end")     \
    X(INT, eval_batches, 20, 1, 1 << 30, "batches per validation")                                 \
    X(INT, save_every, 500, 0, 1 << 30, "checkpoint every so many updates; 0 = only at the end")   \
    X(INT, keep_checkpoints, 1, 1, 1000,                                                           \
      "1 = the newest only; more = so many of the last also stay as checkpoint-STEP")              \
    X(INT, major_every, 0, 0, 1 << 30,                                                             \
      "keep a checkpoint-STEP for ever every so many updates; 0 = off")                            \
    X(BOOL, keep_best, 0, 0, 1, "model-best.1bit: the model whenever validation is the best yet")  \
    X(BOOL, overfit_one_batch, 0, 0, 1,                                                            \
      "health check: only the first batch, until its loss is below 0.1")                           \
    X(INT, log_every, 10, 1, 1 << 30, "metrics line every so many updates")                        \
    X(INT, debug_every, 100, 0, 1 << 30, "code shares and flips every so many updates; 0 = off")   \
    X(INT, sample_every, 0, -1, 1 << 30,                                                           \
      "text written every so many updates; 0 = at each quarter of the run, -1 = never")            \
    X(BOOL, report, 1, 0, 1, "report.html, with codes.csv and samples.csv")

#define ONEBIT_SAMPLE_FIELDS(X)                                                                    \
    X(INT, max_tokens, 256, 1, 1 << 20, "tokens to generate at most")                              \
    X(REAL, temperature, 0.8, 0.0, 100.0, "0 = greedy")                                            \
    X(INT, top_k, 0, 0, 1 << 20, "keep the k likeliest tokens; 0 = off")                           \
    X(REAL, top_p, 0.95, 0.0, 1.0, "keep the likeliest tokens up to this probability; 1 = off")    \
    X(REAL, min_p, 0.0, 0.0, 1.0, "drop tokens below this share of the likeliest; 0 = off")        \
    X(REAL, repetition_penalty, 1.0, 0.01, 100.0,                                                  \
      "divides positive logits of seen tokens; 1 = off")                                           \
    X(REAL, frequency_penalty, 0.0, -100.0, 100.0, "subtracted per occurrence of a token")         \
    X(REAL, presence_penalty, 0.0, -100.0, 100.0, "subtracted once for each token seen")           \
    X(INT, penalty_window, 64, 0, 1 << 20,                                                         \
      "last tokens that count as seen; 0 = the whole context")                                     \
    X(INT, seed, 0, 0, 2147483647, "seed of sampling; the same seed gives the same text")

#define ONEBIT_FIELD_INT(name)                           int name;
#define ONEBIT_FIELD_BOOL(name)                          int name;
#define ONEBIT_FIELD_CHOICE(name)                        int name;
#define ONEBIT_FIELD_REAL(name)                          double name;
#define ONEBIT_FIELD_TEXT(name)                          char name[ONEBIT_TEXT_MAX];
#define ONEBIT_FIELD(kind, name, value, low, high, help) ONEBIT_FIELD_##kind(name)

/* How a matrix is stored and computed. In JSON: "f32", "f16", "8bit" (or "eightbit"), "ternary",
   "binary". */
typedef enum onebit_mode {
    ONEBIT_F32,     /* float32 weights, float activations: the twin to compare with */
    ONEBIT_F16,     /* float16 weights, float activations */
    ONEBIT_8BIT,    /* int8 weights with a scale per row, int8 activations */
    ONEBIT_TERNARY, /* -1, 0, +1 with one AbsMean scale (see scale_group), int8 activations */
    ONEBIT_BINARY,  /* -1, +1 with one mean|W| scale (see scale_group), int8 activations */
    ONEBIT_MODE_COUNT
} onebit_mode;

/* Shape and numerics of a model: the rows of ONEBIT_MODEL_FIELDS, then layer_bit_map. */
typedef struct onebit_config {
    ONEBIT_MODEL_FIELDS(ONEBIT_FIELD)
    uint8_t layer_modes[ONEBIT_MAX_LAYERS]; /* onebit_mode of each block's linears */
    uint8_t embedding_mode;                 /* onebit_mode of the embedding (and of a tied head) */
    uint8_t head_mode;                      /* onebit_mode of an untied head */
} onebit_config;

/* How to train: the rows of ONEBIT_TRAIN_FIELDS. */
typedef struct onebit_train_options {
    ONEBIT_TRAIN_FIELDS(ONEBIT_FIELD)
} onebit_train_options;

/* How to sample: the rows of ONEBIT_SAMPLE_FIELDS. */
typedef struct onebit_sample_options {
    ONEBIT_SAMPLE_FIELDS(ONEBIT_FIELD)
} onebit_sample_options;

/* The three tables, for programs that list or set settings by name. */
typedef enum onebit_table {
    ONEBIT_TABLE_MODEL,
    ONEBIT_TABLE_TRAIN,
    ONEBIT_TABLE_SAMPLE
} onebit_table;

/* One setting as text: for --help, and for tools. Strings live for ever. */
typedef struct onebit_field_info {
    const char *name;         /* "hidden_size" */
    const char *kind;         /* "INT", "REAL", "BOOL", "CHOICE", "TEXT" */
    const char *default_text; /* "256", "silu", "" */
    const char *help;         /* one sentence */
    double low, high;         /* bounds, inclusive (INT, REAL, BOOL, CHOICE) */
} onebit_field_info;

/* Defaults of the tables; layer_bit_map: ternary blocks, f16 embedding and head. */
ONEBIT_API onebit_config onebit_config_default(void);
ONEBIT_API onebit_train_options onebit_train_options_default(void);
ONEBIT_API onebit_sample_options onebit_sample_options_default(void);

/* Row index of a table; ONEBIT_USAGE when there is none (so loop from 0 until it fails). */
ONEBIT_API onebit_status onebit_field(onebit_table table, int index, onebit_field_info *out);

/* Sets one field of a table's struct (onebit_config, onebit_train_options or onebit_sample_options)
   from text. The name may use '-' for '_'. The model table also takes "layer_bit_map": a mode for
   all blocks ("ternary"), a comma-separated list, or JSON; "embedding" and "lm_head": a mode. An
   unknown name or a value out of range is ONEBIT_CONFIG with a text that names the field, the
   bounds and, for a typo, the nearest name. */
ONEBIT_API onebit_status onebit_field_set(onebit_table table, void *object, const char *name,
                                          const char *value);

/* Name of a mode ("ternary"), and back ("8bit" and "eightbit" both work; -1 when unknown). */
ONEBIT_API const char *onebit_mode_name(onebit_mode mode);
ONEBIT_API int onebit_mode_parse(const char *name);

/* Reads config.json text into out, which keeps its values where the text is silent (but
   use_swiglu is false when only use_relu2 is named): start from onebit_config_default().
   Unknown fields are errors that name the field; layer_bit_map {"embedding": m, "layer_modes":
   [m, ...], "lm_head": m} must have one entry per layer. */
ONEBIT_API onebit_status onebit_config_parse(onebit_config *out, const char *json, size_t bytes);

/* Writes every field as JSON with layer_bit_map. Returns the length without terminator, as snprintf
   does; out may be NULL when size is 0. */
ONEBIT_API size_t onebit_config_write(const onebit_config *config, char *out, size_t size);

/* Fills the "0 = derived" fields (kv heads, head_dim) and checks that all fields fit each other. */
ONEBIT_API onebit_status onebit_config_check(onebit_config *config);

/* A shape by name: "tiny" ..., or "auto": what suits so many bytes of text (0 = unknown).
   ONEBIT_CONFIG lists the presets when the name is unknown. vocab_size is a proposal for the
   tokenizer. */
ONEBIT_API onebit_status onebit_config_preset(onebit_config *out, const char *name,
                                              size_t text_bytes);

/* Name of preset number index, small ones first; NULL past the last. */
ONEBIT_API const char *onebit_preset_name(int index);

/* Trainable numbers in the model, embedding included (a tied head is counted once). */
ONEBIT_API size_t onebit_config_parameters(const onebit_config *config);

/* -------------------------------------------------------------------------------------------------
   >>api: tokenizer
   ---------------------------------------------------------------------------------------------- */

/* Text <-> token ids. Immutable after creation; may be shared by threads. */
typedef struct onebit_tokenizer onebit_tokenizer;

/* What can be trained. BPE: byte-level BPE with GPT-2's pre-tokenizer; BYTE: 256 bytes; CHAR: one
   token per code point of the training text. All have the special token <|endoftext|>, which
   separates documents. Files may hold other kinds: see onebit_tokenizer_open. */
typedef enum onebit_tokenizer_kind {
    ONEBIT_TOKENIZER_BPE,
    ONEBIT_TOKENIZER_BYTE,
    ONEBIT_TOKENIZER_CHAR
} onebit_tokenizer_kind;

/* Learns a tokenizer from text. vocab_size counts special tokens too (BPE: at least 257; ignored
   for BYTE and CHAR). Deterministic: ties go to the pair with the smaller ids. <|endoftext|> in the
   text is skipped. text may be NULL for BYTE. Code points that a CHAR tokenizer has not seen encode
   as the byte '?' or, if that is unknown too, are dropped. */
ONEBIT_API onebit_status onebit_tokenizer_train(onebit_tokenizer **out, onebit_tokenizer_kind kind,
                                                const char *text, size_t bytes, int vocab_size,
                                                const onebit_env *env);

/* Reads a tokenizer that others made, or one written by onebit_tokenizer_write. path is one of:
     tokenizer.json (Hugging Face) with a BPE model: byte-level (GPT-2, Llama 3, Qwen 2, StarCoder)
       or SentencePiece's (Llama 2, Mistral); onebit_tokenizer_parse takes the same from memory
     a directory that holds tokenizer.json, or vocab.json and merges.txt
     vocab.json or merges.txt, with the other beside it: GPT-2's kind
     tiktoken's ranks (lines "base64 rank") of GPT-2 or Llama 3
     a GGUF file (llama.cpp) whose vocabulary is byte-level BPE or SentencePiece BPE
     a SentencePiece .model of the kind BPE; llama2.c's tokenizer.bin
   A directory's generation_config.json, config.json, tokenizer_config.json and chat_template.jinja
   are asked for end tokens, the start token and the chat template.
   Anything it does not understand is an error that names it. env may be NULL. */
ONEBIT_API onebit_status onebit_tokenizer_open(onebit_tokenizer **out, const char *path,
                                               const onebit_env *env);
ONEBIT_API onebit_status onebit_tokenizer_parse(onebit_tokenizer **out, const char *json,
                                                size_t bytes, const onebit_env *env);

/* Releases it; NULL is fine. */
ONEBIT_API void onebit_tokenizer_free(onebit_tokenizer *tokenizer);

/* Writes a Hugging Face tokenizer.json. Returns the length without terminator, as snprintf does. */
ONEBIT_API size_t onebit_tokenizer_write(const onebit_tokenizer *tokenizer, char *out, size_t size);

/* Number of ids; every id is below it. */
ONEBIT_API int onebit_tokenizer_vocab_size(const onebit_tokenizer *tokenizer);

/* Id of <|endoftext|> (or of the file's end token), or -1. */
ONEBIT_API int onebit_tokenizer_end(const onebit_tokenizer *tokenizer);

/* 1 when this id ends an answer, so that generating stops at it: the end token, the ends that a
   file names (GGUF's eos, eot and eom ids; "eos_token_id" of generation_config.json or config.json
   and "eos_token" of tokenizer_config.json beside tokenizer.json), and special tokens that are
   named <|eot_id|>, <|im_end|>, <|end|>, <end_of_turn>, <|endoftext|> or </s>. Else 0, also for
   NULL. Allocates nothing; any thread. */
ONEBIT_API int onebit_tokenizer_ends(const onebit_tokenizer *tokenizer, int id);

/* The chat template (Jinja text) that came with the tokenizer's file, terminated, or NULL when
   there was none. Belongs to the tokenizer and lives as long. */
ONEBIT_API const char *onebit_tokenizer_template(const onebit_tokenizer *tokenizer);

/* Id that stands before a text (BOS) when the file says so, or -1. Encoding never adds it. */
ONEBIT_API int onebit_tokenizer_start(const onebit_tokenizer *tokenizer);

/* Bytes of one token: *bytes is set to its length; NULL for an id out of range. Special tokens give
   their written form, SentencePiece's "\xE2\x96\x81" is a space. Not terminated. */
ONEBIT_API const char *onebit_tokenizer_piece(const onebit_tokenizer *tokenizer, int id,
                                              size_t *bytes);

/* Encodes text into ids[capacity] and sets *count to the number of ids that the text needs; when
   that is more than capacity the rest is not written and ONEBIT_LIMIT is returned. ids may be NULL
   with capacity 0. special: 1 = written special tokens (<|endoftext|>) become their id, 0 = they
   are plain text. No start or end token is added. Any bytes are accepted, invalid UTF-8 too. Time
   is near linear; allocates a work area from the tokenizer's env. */
ONEBIT_API onebit_status onebit_tokenizer_encode(const onebit_tokenizer *tokenizer, int32_t *ids,
                                                 size_t capacity, size_t *count, const char *text,
                                                 size_t bytes, int special);

/* Decodes n ids into out[size] with a terminator; returns the length without it, as snprintf does.
   Ids out of range give nothing. special: 0 = special tokens are left out. Llama 2's kind puts a
   space before every text when encoding; the first space is left out here. */
ONEBIT_API size_t onebit_tokenizer_decode(const onebit_tokenizer *tokenizer, char *out, size_t size,
                                          const int32_t *ids, size_t n, int special);

/* Streaming decode: holds back the bytes of an unfinished character between calls. Start with {0}.
   begun: 0 = the next token begins a text, so that Llama 2's first space is left out; set it to 1
   when the tokens go on behind a text, such as a prompt. */
typedef struct onebit_utf8 {
    unsigned char held[8];
    int count, begun;
} onebit_utf8;

/* Appends one token and gives the whole characters that are ready now: writes at most size bytes
   with a terminator and returns their number. Bytes that can never become valid UTF-8 come out as
   U+FFFD. id < 0 flushes what is held. 512 bytes suffice for any token of up to 160 bytes; a longer
   one is cut. */
ONEBIT_API size_t onebit_tokenizer_stream(const onebit_tokenizer *tokenizer, onebit_utf8 *state,
                                          int id, char *out, size_t size);

/* -------------------------------------------------------------------------------------------------
   >>api: dataset
   ---------------------------------------------------------------------------------------------- */

/* Tokens with a seeded order of training windows. One thread at a time.
   DATA      a path names a file, a directory (with all below it, in sorted order) or "-", the
             standard input; several paths stand with commas between them. Files: .txt .raw .md
             .text (documents parted by <|endoftext|> and at each file's end), .jsonl (a row on
             each line), .json (a list of rows, or one row), .tokens (ids, see
             onebit_tokens_write). Other files are left out of a directory and an error when named.
   ROWS      {"messages": [{"role", "content"}, ...]} (or "conversations" with "from", "value");
             "input" and "output", or another such pair (instruction, input or context, prompt,
             question; completion, response, answer), "system" before it; "text", "content" or
             "code". The first form that a row fits counts, other members are ignored, and a row
             that fits none is an error. A talk is one document, written by the chat_template (see
             onebit_turn_parse); special tokens in it are plain text.
   HELD OUT  in a directory, names whose last word is valid, val, validation, dev or eval (parted
             from others by '.', '-' or '_'; numbers of parts may follow, as in
             validation-00000-of-00001) are validation data, and test is test data: neither is
             trained on unless asked for. */
typedef struct onebit_dataset onebit_dataset;

#define ONEBIT_MAX_SOURCES 16 /* paths of one list */

/* Which files of directories: all but held-out ones, only those for validation, or all. */
typedef enum onebit_part { ONEBIT_PART_TRAIN, ONEBIT_PART_VALID, ONEBIT_PART_ALL } onebit_part;

/* How data is read. Texts must live until the call returns. */
typedef struct onebit_data_options {
    const char *chat_template; /* how talks are written; NULL or "" = prompt, line break, reply */
    const char *weights; /* "3,1,1": how often windows come from each path; NULL = one corpus */
    int loss_on_input;   /* 1 = what was asked is trained on too, not only replies */
    onebit_part part;
    int stream_buffer; /* 0 = all in memory; else text is read piece by piece into so many tokens */
} onebit_data_options;
ONEBIT_API onebit_data_options onebit_data_options_default(void);

/* Where one source of windows stands; file, offset and fill are a stream's. */
typedef struct onebit_place {
    uint64_t epoch, index, file, offset, fill;
} onebit_place;

/* Where a dataset stands; copy it out and in to resume exactly. epoch and index are those of the
   first source (place[0] has the rest of it). */
typedef struct onebit_position {
    uint64_t seed, epoch, index;
    uint64_t draws; /* windows drawn from several sources */
    onebit_place place[ONEBIT_MAX_SOURCES];
} onebit_position;

/* The parts of a turn of a talk, terminated: before prompt between reply after. Spaces in front of
   {reply} are taken from between and counted, since tokens usually begin with theirs: the reply
   begins with them. gap stands between turns; it is empty when the template has words of its own
   there. */
typedef struct onebit_turn {
    char before[ONEBIT_TEXT_MAX], between[ONEBIT_TEXT_MAX], after[ONEBIT_TEXT_MAX];
    char gap[2];
    int space;
} onebit_turn;

/* Takes a chat_template such as "You: {prompt}\nKeeper: {reply}\n" apart; NULL or "" is
   "{prompt}\n{reply}". Training data is written so, and chat programs must write so:
   [system "\n"] before prompt between | reply | after | gap before prompt ... with each piece
   between bars encoded by itself. ONEBIT_CONFIG when {prompt} or {reply} is missing. */
ONEBIT_API onebit_status onebit_turn_parse(onebit_turn *out, const char *chat_template);

/* Collects text: all documents of a path, joined with "<|endoftext|>" between them, at most
   max_bytes (0 = no limit). Ids are passed over. options may be NULL. The text is allocated from
   env; release it with onebit_text_free. A path that yields no text is an error that names it. */
ONEBIT_API onebit_status onebit_text_load(char **text, size_t *bytes, const char *path,
                                          size_t max_bytes, const onebit_data_options *options,
                                          const onebit_env *env);
ONEBIT_API void onebit_text_free(char *text, const onebit_env *env);

/* Opens data for training: text is tokenised, each document closed by the end token; a single
   .tokens file is mapped. Ids are checked against the tokenizer's vocabulary. Without weights all
   paths are one corpus; with weights each path is a source, and each window comes from one of them
   by chance, as the seed and the weights say; a source that is used up begins its next epoch. A
   stream keeps only its buffer, whose windows are shuffled, and needs the tokenizer as long as it
   lives. options may be NULL; tokenizer may be NULL for a .tokens file when the caller checks the
   ids. Allocates ids (5 bytes for each token at
   most, three times that while reading), or the stream's buffer. */
ONEBIT_API onebit_status onebit_dataset_open(onebit_dataset **out, const char *path,
                                             const onebit_tokenizer *tokenizer,
                                             const onebit_data_options *options,
                                             const onebit_env *env);

/* The same from ids in memory, which are copied. */
ONEBIT_API onebit_status onebit_dataset_create(onebit_dataset **out, const int32_t *ids,
                                               size_t count, const onebit_env *env);

/* Releases it; NULL is fine. */
ONEBIT_API void onebit_dataset_free(onebit_dataset *dataset);

/* All tokens: sets *count. The pointer lives as long as the dataset. NULL and 0 for a stream and
   for several sources. */
ONEBIT_API const int32_t *onebit_dataset_tokens(const onebit_dataset *dataset, size_t *count);

/* Keeps the last share of the tokens (rounded to a document's end where one is near; of each
   source) out of training: afterwards batches come from the head, and onebit_dataset_held_out gives
   the tail. Streams cannot be split: ONEBIT_USAGE. */
ONEBIT_API onebit_status onebit_dataset_split(onebit_dataset *dataset, double held_out_share);
ONEBIT_API const int32_t *onebit_dataset_held_out(const onebit_dataset *dataset, size_t *count);

/* Which of the ids of onebit_dataset_tokens (held_out 0) or onebit_dataset_held_out (1) are trained
   on: a byte of 1 or 0 for each. NULL = all of them. */
ONEBIT_API const uint8_t *onebit_dataset_scored(const onebit_dataset *dataset, int held_out);

/* What a person should know about the files that were taken and left out, a line each; "" when
   there is nothing to say. */
ONEBIT_API const char *onebit_dataset_note(const onebit_dataset *dataset);

/* Fills inputs[B*T] and targets[B*T] (inputs moved by one) with the next windows in seeded order;
   the target of a token that is not trained on is -1. An epoch (of a stream: a buffer) cuts the
   tokens into windows of T at its own offset and takes each cut once; where a document starts
   within half a window behind the cut, the window begins there instead (so some tokens may be seen
   twice in an epoch and some not, others in the next). A stream reads and tokenises here: it takes
   work memory, and gives ONEBIT_IO, ONEBIT_FORMAT, ONEBIT_CONFIG when a document does not fit its
   buffer, and ONEBIT_LIMIT at the end of the standard input. */
ONEBIT_API onebit_status onebit_dataset_batch(onebit_dataset *dataset, int32_t *inputs,
                                              int32_t *targets, int B, int T);

/* The position of the next batch, and back to one. A new dataset, and NULL, stand at seed 1 and
   zeros. A stream of the standard input cannot go back. */
ONEBIT_API onebit_position onebit_dataset_tell(const onebit_dataset *dataset);
ONEBIT_API void onebit_dataset_seek(onebit_dataset *dataset, onebit_position position);

/* Writes ids as a .tokens file: "TKN2", u64 count, u32 ids, little-endian. Atomic. Which of them
   are trained on is not in it. */
ONEBIT_API onebit_status onebit_tokens_write(const char *path, const int32_t *ids, size_t count);

/* -------------------------------------------------------------------------------------------------
   >>api: model
   ---------------------------------------------------------------------------------------------- */

/* A trained model, packed, with its config and tokenizer. Immutable; may be shared by threads. */
typedef struct onebit_model onebit_model;

/* One stored tensor. */
typedef struct onebit_tensor_info {
    const char *name;   /* Hugging Face name, "model.layers.0.self_attn.q_proj.weight" */
    const char *format; /* "f32", "f32x16", "f16x16", "q8x16", "t2x16", "b1x16", "t5x16" */
    int rows, cols;
    size_t bytes; /* packed data and scales */
    float scale;  /* of the whole tensor, or of its first row or group */
} onebit_tensor_info;

/* Opens a .1bit file. Every offset, length and checksum is checked before use. A file below 32 MB
   is mapped and used in place; a larger one is read into memory of env, where huge pages make it
   faster (ONEBIT_MEMORY when there is none). _in_place maps it too: other processes share its
   pages, and it opens at once. _memory takes it from memory, which must stay valid and 64-byte
   aligned (onebit copies it when it is not). */
ONEBIT_API onebit_status onebit_model_open(onebit_model **out, const char *path,
                                           const onebit_env *env);
ONEBIT_API onebit_status onebit_model_open_in_place(onebit_model **out, const char *path,
                                                    const onebit_env *env);
ONEBIT_API onebit_status onebit_model_open_memory(onebit_model **out, const void *data,
                                                  size_t bytes, const onebit_env *env);

/* Releases it (sessions on it must be gone); NULL is fine. */
ONEBIT_API void onebit_model_free(onebit_model *model);

/* Parts of a model; they live as long as it does. */
ONEBIT_API const onebit_config *onebit_model_config(const onebit_model *model);
ONEBIT_API const onebit_tokenizer *onebit_model_tokenizer(const onebit_model *model);

/* Stored tensor number index, in file order; ONEBIT_USAGE past the last. */
ONEBIT_API onebit_status onebit_model_tensor(const onebit_model *model, int index,
                                             onebit_tensor_info *out);

/* -------------------------------------------------------------------------------------------------
   >>api: trainer
   ---------------------------------------------------------------------------------------------- */

/* Latent float weights, gradients, optimizer state and work memory. One thread at a time. */
typedef struct onebit_trainer onebit_trainer;

/* What one update did. */
typedef struct onebit_step_report {
    int step;         /* updates done */
    double loss;      /* mean nats per token of the update's batches */
    double objective; /* the same with label_smoothing: what the gradients lower */
    double grad_norm; /* before clipping */
    double lr;        /* AdamW's rate of this update */
    double tokens_seen;
} onebit_step_report;

/* One parameter tensor of a trainer, in model order. value and grad are [rows, cols] row-major. */
typedef struct onebit_parameter {
    char name[96];
    int rows, cols;
    int mode; /* onebit_mode, or -1 for norm gains */
    float *value, *grad;
} onebit_parameter;

/* Codes of one quantized tensor: shares of -1, 0, +1 and the share that changed since the last
   call. */
typedef struct onebit_code_report {
    char name[96];
    double minus, zero, plus, flipped;
} onebit_code_report;
/* What a trainer's bytes are for; the five parts make up total. */
typedef struct onebit_memory {
    size_t weights;     /* latents, and the codes and scales made from them */
    size_t gradients;   /* as many numbers as latents */
    size_t optimizer;   /* moments: two per number for AdamW, one for Muon */
    size_t activations; /* of a forward pass, logits included; grow with batch_size and seq_len */
    size_t work;        /* of the backward pass, of Muon, of threads; tables */
    size_t total;       /* SIZE_MAX: more than can be addressed, and the parts mean nothing */
} onebit_memory;

/* Bytes that onebit_trainer_create would take, by purpose. options and env may be NULL (defaults).
   Allocates nothing. Invalid settings are ONEBIT_CONFIG, as in create. */
ONEBIT_API onebit_status onebit_trainer_memory(const onebit_config *config,
                                               const onebit_train_options *options,
                                               const onebit_env *env, onebit_memory *out);

/* The total of onebit_trainer_memory; 0 when config or options are invalid. */
ONEBIT_API size_t onebit_trainer_bytes(const onebit_config *config,
                                       const onebit_train_options *options, const onebit_env *env);

/* Takes the memory and draws the weights from options->seed. config must have vocab_size. */
ONEBIT_API onebit_status onebit_trainer_create(onebit_trainer **out, const onebit_config *config,
                                               const onebit_train_options *options,
                                               const onebit_env *env);

/* Releases it; NULL is fine. */
ONEBIT_API void onebit_trainer_free(onebit_trainer *trainer);

/* Forward and backward of one micro-batch [batch_size, seq_len]; gradients are added up. Targets
   below 0 are not scored. loss may be NULL. Ids out of range are ONEBIT_USAGE. */
ONEBIT_API onebit_status onebit_trainer_accumulate(onebit_trainer *trainer, const int32_t *inputs,
                                                   const int32_t *targets, double *loss);

/* Clips, takes one optimizer step with the gradients added up since the last, and clears them. A
   loss or gradient that is not finite is ONEBIT_DIVERGED: the weights stay, the gradients are
   dropped. report may be NULL. */
ONEBIT_API onebit_status onebit_trainer_update(onebit_trainer *trainer, onebit_step_report *report);

/* Mean loss of inputs/targets [B, T], B <= batch_size, T <= seq_len, without gradients, always with
   the quantized weights that would be exported. */
ONEBIT_API onebit_status onebit_trainer_evaluate(onebit_trainer *trainer, const int32_t *inputs,
                                                 const int32_t *targets, int B, int T,
                                                 double *loss);

/* Mean loss and scored tokens of a whole token stream in windows of seq_len (no window is scored
   twice). */
ONEBIT_API onebit_status onebit_trainer_score(onebit_trainer *trainer, const int32_t *ids,
                                              size_t count, int max_windows, double *loss,
                                              size_t *scored);

/* Logits [B, T, V] of the last accumulate or evaluate; valid until the next. NULL when batch_size *
   seq_len * V is over four million: they are then made in blocks and not kept. */
ONEBIT_API const float *onebit_trainer_logits(const onebit_trainer *trainer);

/* Parameter number index, in model order; ONEBIT_USAGE past the last. */
ONEBIT_API onebit_status onebit_trainer_parameter(onebit_trainer *trainer, int index,
                                                  onebit_parameter *out);

/* Codes of quantized tensor number index; ONEBIT_USAGE past the last. */
ONEBIT_API onebit_status onebit_trainer_codes(onebit_trainer *trainer, int index,
                                              onebit_code_report *out);

/* Copies of its settings; steps done so far. */
ONEBIT_API const onebit_config *onebit_trainer_config(const onebit_trainer *trainer);
ONEBIT_API int onebit_trainer_steps(const onebit_trainer *trainer);

/* Packs the model as a .1bit image. Returns the bytes needed; writes nothing when size is smaller.
 */
ONEBIT_API size_t onebit_trainer_pack(onebit_trainer *trainer, const onebit_tokenizer *tokenizer,
                                      void *out, size_t size);

/* Bytes of the .1bit file that training this config would give; tokenizer may be NULL, its bytes
   are then not counted. No trainer is made; a small list of tensors is allocated for the call. 0
   when the config is invalid or has no vocab_size. */
ONEBIT_API size_t onebit_config_model_bytes(const onebit_config *config,
                                            const onebit_tokenizer *tokenizer);

/* onebit_trainer_pack into a file, atomically. */
ONEBIT_API onebit_status onebit_trainer_export(onebit_trainer *trainer,
                                               const onebit_tokenizer *tokenizer, const char *path);

/* Saves everything that training needs to go on bit for bit (latents, optimizer, step, data
   position, config, options, tokenizer) as one safetensors file, atomically. */
ONEBIT_API onebit_status onebit_trainer_save(const onebit_trainer *trainer,
                                             const onebit_tokenizer *tokenizer,
                                             onebit_position position, const char *path);

/* Creates trainer (and tokenizer, position when not NULL) from such a file. options override the
   stored ones when not NULL; they must not change the optimizer. */
ONEBIT_API onebit_status onebit_trainer_load(onebit_trainer **out, onebit_tokenizer **tokenizer,
                                             onebit_position *position, const char *path,
                                             const onebit_train_options *options,
                                             const onebit_env *env);

/* Reads config and options (each may be NULL) of such a file, or of the newest whole one in a
   directory, without creating a trainer: to change some options and resume with the others as they
   were. */
ONEBIT_API onebit_status onebit_checkpoint_settings(onebit_config *config,
                                                    onebit_train_options *options,
                                                    const char *path, const onebit_env *env);

/* -------------------------------------------------------------------------------------------------
   >>api: files
   ---------------------------------------------------------------------------------------------- */

/* How ternary matrices lie in a .1bit file. Both give the same logits, bit for bit. */
typedef enum onebit_packing {
    ONEBIT_PACKING_2_BITS, /* t2x16: four codes in a byte; the faster one */
    ONEBIT_PACKING_5_IN_8  /* t5x16: five codes in a byte, 1.6 bits per weight; the smaller one */
} onebit_packing;

/* How onebit_file_pack stores a model: an onebit_packing; an onebit_mode for all blocks, for the
   embedding and for an untied head, -1 = as the model was trained. A model that was trained in
   another mode gets worse: measure it. */
typedef struct onebit_pack_options {
    int packing, block_mode, embedding_mode, head_mode;
} onebit_pack_options;
ONEBIT_API onebit_pack_options onebit_pack_options_default(void);

/* Writes a model as a .1bit file, atomically. input: a directory with model.safetensors,
   config.json and tokenizer.json (or with checkpoint.safetensors), such a file, or a .1bit. Weights
   are latents, which are quantized, or what onebit_file_unpack wrote. options NULL = 2 bits, as
   trained. Takes memory for the new file and, as floats, for its largest tensor. */
ONEBIT_API onebit_status onebit_file_pack(const char *output, const char *input,
                                          const onebit_pack_options *options,
                                          const onebit_env *env);

/* Writes a model as directory/model.safetensors, config.json and tokenizer.json, each atomically.
   latent 1: the float weights that the trainer moves, for which input must be such a directory or a
   checkpoint. latent 0: the weights that the model computes with, as float32 (code * scale), and
   the scales as onebit.scale.NAME, so that packing them again gives the same model. A .1bit of
   version 1 gives its bare codes as int8 and its config as it stands. */
ONEBIT_API onebit_status onebit_file_unpack(const char *directory, const char *input, int latent,
                                            const onebit_env *env);

/* Receives one tensor of a file. Return non-zero to stop. */
typedef int (*onebit_tensor_fn)(void *user, const onebit_tensor_info *tensor);

/* Calls each for every tensor of a file in its order: a .1bit (version 2, or 1 with the formats
   "ternary v1" and "binary v1") or a safetensors file (whose format is its type, "F32"). The names
   are valid during the call. A vector has 1 row; of more than two dimensions, cols is the product
   of all but the first. */
ONEBIT_API onebit_status onebit_file_list(const char *path, onebit_tensor_fn each, void *user,
                                          const onebit_env *env);

/* -------------------------------------------------------------------------------------------------
   >>api: session
   ---------------------------------------------------------------------------------------------- */

/* One conversation on a model: the KV cache and where it stands. One thread at a time. */
typedef struct onebit_session onebit_session;

/* context: tokens the cache holds, 0 = the model's max_seq_len. slide: when full, 1 = drop the
   oldest half (kept: keep_first tokens) and evaluate the rest again, 0 = ONEBIT_LIMIT. chunk:
   prompt tokens per pass. together: sessions that this one may lead in onebit_sessions_step.
   cache_bits: 32 = keys and values as floats, 8 = as codes with a scale each (a quarter of the
   memory; logits differ a little). fast: 1 = attention and layers of floats fuse multiply and add
   where the processor can: quicker, and logits are then not those of every other machine. */
typedef struct onebit_session_options {
    int context, slide, keep_first, chunk, together, cache_bits, fast;
} onebit_session_options;
#define ONEBIT_MAX_TOGETHER 64
ONEBIT_API onebit_session_options onebit_session_options_default(void);

/* Bytes that onebit_session_create would take; 0 when the options are invalid. */
ONEBIT_API size_t onebit_session_bytes(const onebit_model *model,
                                       const onebit_session_options *options,
                                       const onebit_env *env);
ONEBIT_API onebit_status onebit_session_create(onebit_session **out, const onebit_model *model,
                                               const onebit_session_options *options,
                                               const onebit_env *env);
ONEBIT_API void onebit_session_free(onebit_session *session);

/* The model it runs. */
ONEBIT_API const onebit_model *onebit_session_model(const onebit_session *session);

/* Queues tokens for evaluation. ONEBIT_LIMIT when they do not fit (see slide). */
ONEBIT_API onebit_status onebit_session_feed(onebit_session *session, const int32_t *ids,
                                             size_t count);

/* Evaluates at most max_layers decoder layers (0 = all) of what is queued: ONEBIT_AGAIN while work
   remains, ONEBIT_OK when the logits of the last token are ready. */
ONEBIT_API onebit_status onebit_session_step(onebit_session *session, int max_layers);

/* Evaluates what waits in several sessions of one model together, to the end: each weight is read
   once for all of them, so eight conversations take little longer than one. The first session
   leads: its threads and work memory serve all, its options.together is at least count, and no
   context is longer than its own. Each session ends with the same bits as by itself. Allocates
   nothing. ONEBIT_USAGE when they do not fit. */
ONEBIT_API onebit_status onebit_sessions_step(onebit_session *const *sessions, int count);

/* feed + step to the end. logits, when not NULL, receives [count, V]: one row per token. */
ONEBIT_API onebit_status onebit_session_eval(onebit_session *session, const int32_t *ids,
                                             size_t count, float *logits);

/* Logits [V] after the last evaluated token; NULL when nothing is evaluated. */
ONEBIT_API const float *onebit_session_logits(const onebit_session *session);

/* Tokens evaluated so far, and the tokens themselves (capacity = context). */
ONEBIT_API int onebit_session_length(const onebit_session *session);
ONEBIT_API const int32_t *onebit_session_tokens(const onebit_session *session);

/* Forgets all but the first length tokens; nothing is computed again. The logits are those of the
   next eval. */
ONEBIT_API onebit_status onebit_session_rewind(onebit_session *session, int length);

/* State as bytes (host byte order, bound to the model's checksum): size needed now, write, read
   back. Continuing a restored session equals continuing the saved one, bit for bit. */
ONEBIT_API size_t onebit_session_save(const onebit_session *session, void *out, size_t size);
ONEBIT_API onebit_status onebit_session_restore(onebit_session *session, const void *data,
                                                size_t bytes);

/* -------------------------------------------------------------------------------------------------
   >>api: sample
   ---------------------------------------------------------------------------------------------- */

/* Random state of sampling. */
typedef struct onebit_rng {
    uint64_t s[4];
} onebit_rng;

/* Seeds it; equal seeds give equal streams on every machine. NULL is left alone. */
ONEBIT_API void onebit_rng_seed(onebit_rng *rng, uint64_t seed);

/* Draws the next token from logits[vocab] (changed in place: penalties, temperature, softmax).
   history [count] are the tokens so far, the prompt included, for the penalties. Order: repetition
   (once per distinct token), frequency, presence, temperature, top-k, top-p, min-p, draw.
   temperature 0 = the likeliest, the lowest id on a tie. work: vocab * 8 bytes. Never fails. */
ONEBIT_API int onebit_sample(float *logits, int vocab, const int32_t *history, size_t count,
                             const onebit_sample_options *options, onebit_rng *rng, void *work);

/* -------------------------------------------------------------------------------------------------
   >>api: flow
   ---------------------------------------------------------------------------------------------- */

/* Receives whole UTF-8 characters, terminated. Return non-zero to stop. */
typedef int (*onebit_text_fn)(void *user, const char *text, size_t bytes);

/* What a generation did. stopped: "end" (end token), "stop" (stop string), "length", "context",
   "caller". */
typedef struct onebit_generation {
    int prompt_tokens, tokens;
    double prompt_seconds, seconds;
    const char *stopped;
} onebit_generation;

/* A prompt and how to go on: prompt text (special tokens recognised), sampling, stop strings
   (NULL-ended list, not shown), add_start: begin an empty session with <|endoftext|> as in training
   (1). */
typedef struct onebit_generate_options {
    onebit_sample_options sample;
    const char *const *stop;
    int add_start;
} onebit_generate_options;
ONEBIT_API onebit_generate_options onebit_generate_options_default(void);

/* Continues the session with a prompt and streams the answer to on_text (NULL = none). The session
   keeps prompt and answer. report may be NULL; options may be NULL. */
ONEBIT_API onebit_status onebit_generate(onebit_session *session, const char *prompt,
                                         const onebit_generate_options *options,
                                         onebit_text_fn on_text, void *user,
                                         onebit_generation *report);

/* Sum of -ln p (nats) of ids[from..count) given what stands before each, from an emptied session in
   windows of its context; *scored is how many. */
ONEBIT_API onebit_status onebit_score(onebit_session *session, const int32_t *ids, size_t count,
                                      size_t from, double *nats, size_t *scored);

/* Progress of onebit_train: after each update (kind 's'), validation ('v'), checkpoint ('c'),
   warning ('w', in note), code report ('q', in note), start ('b', a summary in note) and end ('e',
   a summary). */
typedef struct onebit_progress {
    int kind;
    onebit_step_report step;
    int max_steps;
    double val_loss;      /* nats per token, kind 'v' */
    double bits_per_byte; /* of the validation text, kind 'v'; 0 when unknown */
    double seconds;       /* of the run, with those before a resume */
    double tokens_per_second;
    double epoch;
    const char *note;
    int twin; /* 1 = this is the float32 twin */
} onebit_progress;

/* Everything onebit_train needs; NULL fields take defaults. */
typedef struct onebit_train_job {
    const char *data_dir;        /* file, directory, "-" or a list with commas; required */
    const char *data_weights;    /* "3,1,1": one for each path of data_dir; NULL = one corpus */
    const char *val_data_dir;    /* NULL = validation files in data_dir, or its held-out tail */
    int include_held_out;        /* 1 = files named valid or test are trained on like others */
    int streaming;               /* 1 = read piece by piece: see stream_buffer and max_steps */
    const char *tokenizer;       /* tokenizer.json; NULL = train one */
    const char *tokenizer_kind;  /* "bpe" (default), "byte", "char": what to train */
    const char *output_dir;      /* created; default "out" */
    const char *resume;          /* checkpoint, or a directory: its newest whole one; NULL = none */
    const onebit_config *config; /* NULL = onebit_config_preset("auto") */
    const onebit_train_options *options;
    const onebit_env *env;
    int (*on_progress)(void *user,
                       const onebit_progress *progress); /* non-zero = stop, checkpoint kept */
    void *user;
    int twin;            /* 1 = then train the float32 twin too, into output_dir/twin */
    const char *command; /* how the run was called, for the report; NULL = not told */
} onebit_train_job;
ONEBIT_API onebit_train_job onebit_train_job_default(void);

/* Final figures of a run. */
typedef struct onebit_train_result {
    double train_loss, val_loss, bits_per_byte, seconds;
    size_t parameters, model_bytes;
    int steps;
    double twin_val_loss, twin_bits_per_byte, twin_seconds; /* 0 = no twin */
    size_t twin_model_bytes;
} onebit_train_result;

/* Text in, model out: loads data, trains or loads the tokenizer, trains, and writes into
   output_dir: model.1bit, model.safetensors, config.json, tokenizer.json, checkpoint.safetensors,
   metrics.csv, loss.svg, report.html, codes.csv, samples.csv; when asked for,
   checkpoint-STEP.safetensors and model-best.1bit. Each file is replaced atomically. A run that was
   killed and resumed ends with the same files as one that was not, but for the times in
   metrics.csv. A twin differs in one thing: the matrices of its blocks are float32. It is trained
   after the model, with the same seed, data order and options. */
ONEBIT_API onebit_status onebit_train(const onebit_train_job *job, onebit_train_result *result);

#ifdef __cplusplus
}
#endif
#endif /* ONEBIT_H */

#ifdef ONEBIT_IMPLEMENTATION
#ifndef ONEBIT_IMPLEMENTED
#define ONEBIT_IMPLEMENTED

/* =================================================================================================
   1 >>base   errors, checked sizes, little-endian, f16, random numbers, checksum, readers, UTF-8.
   uses: libc                                                              used by: every floor
   ============================================================================================== */

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#if defined(ONEBIT_NO_STDIO) && defined(_WIN32) && !defined(ONEBIT_NO_FILES)
#define ONEBIT_NO_FILES /* files are read through stdio there */
#endif
#ifndef ONEBIT_NO_STDIO
#include <stdio.h>
#endif

/* Lets the compiler check the arguments of our printf-like functions against their formats; text
   and first count parameters from 1. */
#if defined(__GNUC__) && !defined(_WIN32) /* MinGW's printf checks follow another libc */
#define OB_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define OB_PRINTF(text, first)
#endif

/* C11 and C++11 spell thread-local storage in their own ways, C99 has none: the compilers' own
   word. */
#if defined(__cplusplus)
#define OB_THREAD_LOCAL thread_local
#elif defined(_MSC_VER)
#define OB_THREAD_LOCAL __declspec(thread)
#else
#define OB_THREAD_LOCAL __thread
#endif

/* Small hot functions, and those that some build may leave unused: inline ones give no warning
   then. */
#define OB_INLINE static inline

/* ---- a writer into a fixed place, counting what is needed as snprintf does ----
   The same code measures a text (size 0) and writes it, so a caller may ask first and then take
   just the memory that it needs. It never fails: a place that is too small shows as n >= size. */

typedef struct ob_out {
    char *p;     /* may be NULL when size is 0 */
    size_t size; /* of p, terminator included */
    size_t n;    /* bytes that the whole text needs, without terminator */
} ob_out;

/* Starts a text in p[size]; p NULL or size 0 only counts. */
static ob_out ob_out_on(char *p, size_t size) {
    ob_out out;
    out.p = p;
    out.size = p ? size : 0;
    out.n = 0;
    if (out.size) p[0] = 0;
    return out;
}

/* What fits is written and always terminated. A multi-byte character may be cut at the end; n tells
   the caller that there was more. */
static void ob_out_add(ob_out *out, const void *data, size_t bytes) {
    size_t room = out->n < out->size ? out->size - out->n - 1 : 0;
    size_t take = bytes < room ? bytes : room;
    if (take) memcpy(out->p + out->n, data, take);
    if (out->n < out->size) out->p[out->n + take] = 0;
    out->n += bytes;
}

/* Adds a terminated text. */
static void ob_out_text(ob_out *out, const char *text) { ob_out_add(out, text, strlen(text)); }

/* ---- formatted text, as printf writes it ----
   Our own, so that the library needs no stdio and texts do not follow the locale. It knows %d %u %x
   %c %s %f %g %%, the flags - and 0, width, precision, * for both, and the lengths l, ll and z.
   Reals are exact: the digits are those of the double itself, rounded half to even. */

#define OB_REAL_DIGITS 800 /* 767 of the longest double, a guard in front, words of nine digits */
#define OB_REAL_PLACES 60  /* precision of %f and %g at most */

/* The digits of a finite v >= 0 into text behind a guard '0': v = digits * 10^-*shift; how many. A
   double is m * 2^e, and with e < 0 that is m * 5^-e / 10^-e: whole numbers suffice, kept as words
   of nine decimal digits. */
static int ob_real_digits(double v, char text[OB_REAL_DIGITS], int *shift) {
    uint32_t word[90], power;
    uint64_t bits, m, carry;
    int e, i, k, step, count = 2, n = 0;
    memcpy(&bits, &v, sizeof bits);
    e = (int)(bits >> 52 & 2047), m = bits & 0xFFFFFFFFFFFFFu;
    if (e) m |= (uint64_t)1 << 52, e--;
    for (e -= 1074; m && !(m & 1); m >>= 1) e++;
    word[0] = (uint32_t)(m % 1000000000u), word[1] = (uint32_t)(m / 1000000000u);
    *shift = e < 0 && m ? -e : 0;
    for (k = m ? (e < 0 ? -e : e) : 0; k > 0; k -= step) {
        uint64_t factor = 1;
        step = k < 12 ? k : 12;
        for (i = 0; i < step; i++) factor *= e < 0 ? 5 : 2;
        for (i = 0, carry = 0; i < count; i++, carry /= 1000000000u) {
            carry += word[i] * factor;
            word[i] = (uint32_t)(carry % 1000000000u);
        }
        if (carry) word[count++] = (uint32_t)carry;
    }
    text[n++] = '0';
    for (i = count - 1; i >= 0; i--)
        for (k = 0, power = 100000000u; k < 9; k++, power /= 10) {
            int digit = (int)(word[i] / power % 10);
            if (n > 1 || digit) text[n++] = (char)('0' + digit);
        }
    return n;
}

/* Rounds digits[n] to the first keep of them, half to even; the others become 0. keep < 0: all. */
static void ob_real_round(char *digits, int n, int keep) {
    int i, up = 0;
    if (keep >= n) return;
    if (keep >= 0) {
        for (i = n - 1; i > keep; i--) up |= digits[i] != '0';
        up = digits[keep] > '5' || (digits[keep] == '5' && (up || (keep && digits[keep - 1] & 1)));
    }
    for (i = keep < 0 ? 0 : keep; i < n; i++) digits[i] = '0';
    for (i = keep - 1; up && i >= 0; i--) {
        up = digits[i] == '9';
        digits[i] = (char)(up ? '0' : digits[i] + 1);
    }
}

/* Digits from the one of weight 10^first on, places of them behind the point; terminated. */
static void ob_real_fixed(char *out, const char *digits, int n, int point, int first, int places) {
    int i;
    for (i = first; i >= -places; i--) {
        int at = point - 1 - i;
        if (i == -1) *out++ = '.';
        *out++ = (char)(at >= 0 && at < n ? digits[at] : '0');
    }
    *out = 0;
}

/* Drops zeros behind a point, and the point. */
static void ob_real_trim(char *text) {
    char *end = text + strlen(text);
    if (!strchr(text, '.')) return;
    while (end[-1] == '0') end--;
    *(end[-1] == '.' ? end - 1 : end) = 0;
}

/* %f (general 0) or %g of a v >= 0 with this precision. text has room for 400 bytes. */
static void ob_real_text(char text[400], double v, int precision, int general) {
    char digits[OB_REAL_DIGITS];
    int shift, n, point, x = 0, first = 0;
    if (!(v <= DBL_MAX)) {
        memcpy(text, v == v ? "inf" : "nan", 4);
        return;
    }
    if (precision > OB_REAL_PLACES) precision = OB_REAL_PLACES;
    n = ob_real_digits(v, digits, &shift);
    point = n - shift; /* the guard has the weight 10^(point - 1) */
    if (!general) {
        ob_real_round(digits, n, point + precision);
        for (first = point - 1; first > 0 && digits[point - 1 - first] == '0';) first--;
        ob_real_fixed(text, digits, n, point, first > 0 ? first : 0, precision);
        return;
    }
    if (precision == 0) precision = 1;
    ob_real_round(digits, n, 1 + precision);
    while (first < n - 1 && digits[first] == '0') first++;
    if (digits[first] != '0') x = point - 1 - first;
    if (x >= -4 && x < precision) {
        ob_real_fixed(text, digits, n, point, x > 0 ? x : 0, precision - 1 - x);
        ob_real_trim(text);
        return;
    }
    ob_real_fixed(text, digits + first, n - first, 1, 0, precision - 1);
    ob_real_trim(text);
    text += strlen(text);
    *text++ = 'e', *text++ = x < 0 ? '-' : '+', x = x < 0 ? -x : x;
    if (x > 99) *text++ = (char)('0' + x / 100);
    *text++ = (char)('0' + x / 10 % 10), *text++ = (char)('0' + x % 10), *text = 0;
}

/* What stands between % and its letter. */
typedef struct ob_format_spec {
    int left, zero, width, precision; /* precision -1 = none */
    int length;                       /* 0 int, 1 l, 2 ll, 3 z */
} ob_format_spec;

/* Arguments in a struct, because a va_list cannot be handed on by address everywhere. */
typedef struct ob_format_args {
    va_list list;
} ob_format_args;

/* A number in the format, or *. */
static const char *ob_format_number(const char *p, ob_format_args *args, int *out) {
    *out = 0;
    if (*p == '*') {
        *out = va_arg(args->list, int);
        return p + 1;
    }
    while (*p >= '0' && *p <= '9') *out = *out * 10 + (*p++ - '0');
    return p;
}

/* Reads what stands behind %; gives its letter. */
static const char *ob_format_read(const char *p, ob_format_args *args, ob_format_spec *s) {
    memset(s, 0, sizeof *s);
    s->precision = -1;
    for (; *p == '-' || *p == '0'; p++) {
        if (*p == '-') s->left = 1;
        else s->zero = 1;
    }
    p = ob_format_number(p, args, &s->width);
    if (*p == '.') p = ob_format_number(p + 1, args, &s->precision);
    for (; *p == 'l'; p++) s->length++;
    if (*p == 'z') s->length = 3, p++;
    return p;
}

/* The magnitude of an integer argument; *sign is '-' or 0. */
static uint64_t ob_format_integer(ob_format_args *args, int length, int is_signed, char *sign) {
    int64_t v;
    *sign = 0;
    if (length == 3) return va_arg(args->list, size_t);
    if (!is_signed)
        return length == 0   ? va_arg(args->list, unsigned)
               : length == 1 ? va_arg(args->list, unsigned long)
                             : va_arg(args->list, unsigned long long);
    v = length == 0   ? va_arg(args->list, int)
        : length == 1 ? va_arg(args->list, long)
                      : va_arg(args->list, long long);
    if (v < 0) *sign = '-';
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* Text with its sign and padding. */
static void ob_format_pad(ob_out *out, const ob_format_spec *s, char sign, const char *text,
                          size_t n) {
    int fill = s->width - (int)n - (sign != 0), zero = s->zero && !s->left;
    if (sign && zero) ob_out_add(out, &sign, 1);
    for (; !s->left && fill > 0; fill--) ob_out_add(out, zero ? "0" : " ", 1);
    if (sign && !zero) ob_out_add(out, &sign, 1);
    ob_out_add(out, text, n);
    for (; fill > 0; fill--) ob_out_add(out, " ", 1);
}

/* One conversion. */
static void ob_format_one(ob_out *out, ob_format_args *args, ob_format_spec *s, char letter) {
    char text[400], sign = 0;
    const char *p = text;
    size_t n = sizeof text;
    if (letter == 's') {
        p = va_arg(args->list, const char *);
        for (n = 0; (s->precision < 0 || n < (size_t)s->precision) && p[n];) n++;
    } else if (letter == 'c') {
        text[0] = (char)va_arg(args->list, int), n = 1;
    } else if (letter == 'f' || letter == 'g') {
        double v = va_arg(args->list, double);
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        if (bits >> 63) sign = '-', v = -v;
        if (!(v <= DBL_MAX)) s->zero = 0;
        ob_real_text(text, v, s->precision < 0 ? 6 : s->precision, letter == 'g');
        n = strlen(text);
    } else if (letter == 'd' || letter == 'u' || letter == 'x' || letter == 'X') {
        const char *digits = letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
        unsigned base = letter == 'x' || letter == 'X' ? 16 : 10;
        uint64_t v = ob_format_integer(args, s->length, letter == 'd', &sign);
        do text[--n] = digits[v % base];
        while ((v /= base) != 0);
        p = text + n, n = sizeof text - n;
    } else {
        text[0] = letter, n = 1; /* %% */
    }
    ob_format_pad(out, s, sign, p, n);
}

/* Adds formatted text. */
static void ob_out_list(ob_out *out, const char *format, va_list list) {
    ob_format_args args;
    va_copy(args.list, list);
    while (*format) {
        size_t n = strcspn(format, "%");
        ob_format_spec spec;
        ob_out_add(out, format, n);
        format += n;
        if (!*format) break;
        format = ob_format_read(format + 1, &args, &spec);
        if (*format) ob_format_one(out, &args, &spec, *format++);
    }
    va_end(args.list);
}

/* As vsnprintf: writes at most size bytes with a terminator and gives the length that it needs. */
static size_t ob_print_list(char *text, size_t size, const char *format, va_list list) {
    ob_out out = ob_out_on(text, size);
    ob_out_list(&out, format, list);
    return out.n;
}

/* As snprintf. */
OB_PRINTF(3, 4) static size_t ob_print(char *text, size_t size, const char *format, ...) {
    va_list list;
    size_t n;
    va_start(list, format);
    n = ob_print_list(text, size, format, list);
    va_end(list);
    return n;
}

/* Adds as printf writes. */
OB_PRINTF(2, 3) static void ob_out_format(ob_out *out, const char *format, ...) {
    va_list list;
    va_start(list, format);
    ob_out_list(out, format, list);
    va_end(list);
}

/* ---- errors ----
   A function that fails sets the text once, where the cause is known, and returns the status; its
   callers pass the status up unchanged. Nothing else is global, so threads never share an error. */

/* The one mutable variable of the library: what went wrong last in this thread. */
static OB_THREAD_LOCAL char ob_error[512];

/* The table's second column; an unknown number gets a sentence too, because a status may come from
   another version of the library or from a cast. */
const char *onebit_status_text(onebit_status status) {
#define OB_SENTENCE(name, sentence) sentence,
    static const char *const sentences[] = {ONEBIT_ERRORS(OB_SENTENCE) "unknown status"};
#undef OB_SENTENCE
    int at = (int)status;
    return sentences[at >= 0 && at < ONEBIT_STATUS_COUNT ? at : ONEBIT_STATUS_COUNT];
}

/* Never NULL: empty before the first failure. A later success does not clear it. */
const char *onebit_error_text(void) { return ob_error; }

/* Sets this thread's error text and returns the code, so that callers write "return
   ob_fail(...)". The text is built aside first: an argument may be the old text itself. What
   comes from a file or a user is cut by its format (%.80s); the rest is cut at the buffer's end.
   */
OB_PRINTF(2, 3) static onebit_status ob_fail(onebit_status code, const char *format, ...) {
    char text[sizeof ob_error];
    va_list list;
    va_start(list, format);
    ob_print_list(text, sizeof text, format, list);
    va_end(list);
    memcpy(ob_error, text, sizeof text);
    return code;
}

/* Leaves the function with the status of a failed call. Only for functions that own nothing yet:
   whoever holds memory tests the status and gives it back first. */
#define OB_TRY(expression)                                                                         \
    do {                                                                                           \
        onebit_status ob_try_status = (expression);                                                \
        if (ob_try_status != ONEBIT_OK) return ob_try_status;                                      \
    } while (0)

/* ---- checked sizes: 1 = ok, 0 = overflow (then *out is SIZE_MAX, which nothing allocates) ----
   Sizes from files are multiplied and added through these, so that a hostile shape cannot wrap
   round to a small block. Each step of a chain is tested: a later factor of 0 or 1 would fit
   again. */

/* *out = a * b. */
static int ob_mul(size_t a, size_t b, size_t *out) {
    int fits = a == 0 || b <= SIZE_MAX / a;
    *out = fits ? a * b : SIZE_MAX;
    return fits;
}

/* *out = a + b. */
static int ob_add(size_t a, size_t b, size_t *out) {
    int fits = b <= SIZE_MAX - a;
    *out = fits ? a + b : SIZE_MAX;
    return fits;
}

/* Next multiple at or above n; saturates at SIZE_MAX. multiple > 0 need not be a power of two. */
static size_t ob_round_up(size_t n, size_t multiple) {
    size_t rest = n % multiple;
    if (rest == 0) return n;
    return n > SIZE_MAX - (multiple - rest) ? SIZE_MAX : n + (multiple - rest);
}

/* ---- little-endian, unaligned; compilers turn these into single loads and stores ---- */

/* Whether numbers of files can be used where they lie. */
static int ob_is_little_endian(void) {
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* Loads: p needs no alignment. Written with shifts, so they mean the same on every machine. The
   wider ones cast before they shift: a promoted byte is an int, whose sign bit must not be
   reached. */
OB_INLINE uint16_t ob_get16(const void *p) {
    const uint8_t *b = (const uint8_t *)p;
    return (uint16_t)(b[0] | b[1] << 8);
}

/* Four bytes; compilers see one load. */
OB_INLINE uint32_t ob_get32(const void *p) {
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Eight bytes. */
OB_INLINE uint64_t ob_get64(const void *p) {
    return ob_get32(p) | (uint64_t)ob_get32((const uint8_t *)p + 4) << 32;
}

/* Stores, the mirror of the loads. */
OB_INLINE void ob_put16(void *p, uint16_t v) {
    uint8_t *b = (uint8_t *)p;
    b[0] = (uint8_t)(v & 255);
    b[1] = (uint8_t)(v >> 8);
}

/* Four bytes; compilers see one store. */
OB_INLINE void ob_put32(void *p, uint32_t v) {
    ob_put16(p, (uint16_t)(v & 0xFFFF));
    ob_put16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

/* Eight bytes. */
OB_INLINE void ob_put64(void *p, uint64_t v) {
    ob_put32(p, (uint32_t)(v & 0xFFFFFFFFu));
    ob_put32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

/* Bits of a float and back: memcpy is the one way that both C and C++ define. */
OB_INLINE uint32_t ob_float_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* The way back; every pattern is allowed, signalling NaN included. */
OB_INLINE float ob_bits_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* A float32 as files hold it. */
OB_INLINE float ob_getf32(const void *p) { return ob_bits_float(ob_get32(p)); }
/* The way back, for files that we write. */
OB_INLINE void ob_putf32(void *p, float v) { ob_put32(p, ob_float_bits(v)); }

/* ---- IEEE 754 half precision: 1 sign, 5 exponent (bias 15), 10 fraction bits ----
   Written with integers, so that the scalar twin agrees bit for bit with the F16C instructions that
   the wide kernels use. */

/* Exact; a NaN keeps its payload and becomes quiet, as the F16C instruction does. */
OB_INLINE float ob_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, rest = h & 0x3FFu;
    float tiny;
    if (exponent == 31) {
        uint32_t quiet = rest ? 0x400000u : 0u;
        return ob_bits_float(sign | 0x7F800000u | quiet | rest << 13);
    }
    if (exponent) return ob_bits_float(sign | (exponent + 112) << 23 | rest << 13);
    tiny = (float)rest * (1.0f / 16777216.0f); /* subnormal: multiples of 2^-24 */
    return sign ? -tiny : tiny;
}

/* Nearest, ties to even; beyond 65519.99 becomes infinity. That is the default rounding of IEEE
   754, and what F16C does with rounding mode 0. NaN keeps the upper ten bits of its payload and
   becomes quiet. */
OB_INLINE uint16_t ob_f32_to_f16(float f) {
    uint32_t bits = ob_float_bits(f), sign = bits >> 16 & 0x8000u, rest = bits & 0x7FFFFFu, half,
             cut;
    int exponent = (int)(bits >> 23 & 255u) - 112, shift; /* biased as a half's: 127 - 15 = 112 */
    if (exponent >= 31) {                                 /* too large, infinite or no number */
        if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | rest >> 13);
        return (uint16_t)(sign | 0x7C00u);
    }
    if (exponent > 0) { /* a carry out of the fraction rightly steps the exponent */
        half = (uint32_t)exponent << 10 | rest >> 13;
        cut = rest & 0x1FFFu;
        return (uint16_t)(sign | (half + (cut > 0x1000u || (cut == 0x1000u && (half & 1u)))));
    }
    if (exponent < -10) return (uint16_t)sign; /* under half of the least subnormal */
    shift = 14 - exponent;                     /* 14..24: fraction with its hidden one to 2^-24 */
    rest |= 0x800000u;
    half = rest >> shift;
    cut = rest & ((1u << shift) - 1);
    half += cut > 1u << (shift - 1) || (cut == 1u << (shift - 1) && (half & 1u));
    return (uint16_t)(sign | half);
}

/* ---- random numbers: xoshiro256++ 1.0 (Blackman and Vigna), seeded by splitmix64 ----
   Chosen because its 32 bytes of state fit a checkpoint, it needs no table, and it gives the same
   numbers on every machine: one seed is one training run. Not for secrets. */

/* k in 1..63: a shift by 64 is undefined. Compilers make it one rotate instruction. */
OB_INLINE uint64_t ob_rotl64(uint64_t x, int k) { return x << k | x >> (64 - k); }

#define OB_GOLDEN 0x9E3779B97F4A7C15u /* 2^64 / golden ratio: its multiples lie far apart */

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits. */
static uint64_t ob_mix64(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* Four steps of splitmix64: no seed gives the forbidden all-zero state. */
void onebit_rng_seed(onebit_rng *rng, uint64_t seed) {
    int i;
    for (i = 0; rng && i < 4; i++) rng->s[i] = ob_mix64(seed += OB_GOLDEN);
}

/* 64 random bits; period 2^256 - 1. */
static uint64_t ob_rng_next(onebit_rng *r) {
    uint64_t *s = r->s, result = ob_rotl64(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = ob_rotl64(s[3], 45);
    return result;
}

/* A number of [0, 1) from 64 random bits: the upper 53, as many as a double's fraction holds, so
   every step of 2^-53 is equally likely and no rounding can give 1. */
static double ob_unit_double(uint64_t bits) {
    return (double)(bits >> 11) * (1.0 / 9007199254740992.0);
}

/* The next number of [0, 1). */
static double ob_rng_double(onebit_rng *r) { return ob_unit_double(ob_rng_next(r)); }

/* ---- elementary functions ----
   Our own, of double, from additions, multiplications and divisions in a fixed order: libraries
   differ in the last bit, and the same model must say the same on every machine. Errors are below
   2^-50 of the result where a function is used; each constant is rounded from its exact value. */

/* e^x for x < 700, 0 below -700: x = k ln 2 + r with |r| <= ln 2 / 2, and the series of e^r to
   r^13 / 13!. */
static double ob_exp_double(double x) {
    static const double inverse[14] = {0,        1.0,      1.0 / 2,  1.0 / 3, 1.0 / 4,
                                       1.0 / 5,  1.0 / 6,  1.0 / 7,  1.0 / 8, 1.0 / 9,
                                       1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13};
    double k, r, sum = 1.0, scale;
    uint64_t bits;
    int i;
    if (x < -700.0) return 0.0;
    k = x < 0 ? -(double)(int64_t)(0.5 - x * 1.4426950408889634)
              : (double)(int64_t)(x * 1.4426950408889634 + 0.5);
    r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10;
    for (i = 13; i > 0; i--) sum = 1.0 + sum * (r * inverse[i]);
    bits = (uint64_t)((int64_t)k + 1023) << 52;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

/* ln x for normal x > 0: x = m 2^e with m within sqrt(1/2) and sqrt 2, s = (m - 1) / (m + 1) and
   2 (s + s^3 / 3 + ... + s^21 / 21). */
static double ob_log_double(double x) {
    double m, s, square, sum = 0.0;
    uint64_t bits;
    int i, e;
    memcpy(&bits, &x, sizeof bits);
    e = (int)(bits >> 52 & 2047) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFu) | (uint64_t)1023 << 52;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) m = m * 0.5, e++;
    s = (m - 1.0) / (m + 1.0), square = s * s;
    for (i = 21; i > 0; i -= 2) sum = sum * square + 1.0 / i;
    return (double)e * 0.6931471803691238 + (2.0 * s * sum + (double)e * 1.9082149292705877e-10);
}

/* Sine and cosine of 0 <= x < 2^20: pi / 2 in three parts of 33 bits, whose products with the
   number of quarter turns are exact, and the series to r^17, r^18 of what is left, |r| <= pi/4. */
static void ob_sine_cosine(double x, double *sine, double *cosine) {
    double n = (double)(int64_t)(x * 0.6366197723675814 + 0.5), s = 1.0, c = 1.0, r, square;
    int i, turn = (int)((int64_t)n & 3);
    r = ((x - n * 1.5707963267341256) - n * 6.077100506303966e-11) - n * 2.0222662487959506e-21;
    square = r * r;
    for (i = 17; i > 1; i -= 2) s = 1.0 - s * square / (i * (i - 1));
    for (i = 18; i > 0; i -= 2) c = 1.0 - c * square / (i * (i - 1));
    s = s * r;
    *sine = turn == 0 ? s : turn == 1 ? c : turn == 2 ? -s : -c;
    *cosine = turn == 0 ? c : turn == 1 ? -s : turn == 2 ? -c : s;
}

/* Standard normal by Marsaglia's polar method (1964); the twin value is dropped to keep the state
   plain. The loop runs 1.27 times on average (4 / pi); q = 0 is refused because of the
   logarithm. */
static float ob_rng_normal(onebit_rng *r) {
    double u, v, q;
    do {
        u = 2 * ob_rng_double(r) - 1;
        v = 2 * ob_rng_double(r) - 1;
        q = u * u + v * v;
    } while (q >= 1 || q == 0);
    return (float)(u * sqrt(-2 * ob_log_double(q) / q));
}

/* ---- checksum: XXH64 (Y. Collet, xxHash specification 0.1.1) ----
   One function for files (is the data whole?) and for hash tables (which slot?). */

/* The specification's five primes. The algorithm needs them odd and with evenly mixed bits. */
#define OB_XXH1 0x9E3779B185EBCA87u
#define OB_XXH2 0xC2B2AE3D27D4EB4Fu
#define OB_XXH3 0x165667B19E3779F9u
#define OB_XXH4 0x85EBCA77C2B2AE63u
#define OB_XXH5 0x27D4EB2F165667C5u

/* One lane takes one 64-bit word: the specification's "round". */
OB_INLINE uint64_t ob_hash_round(uint64_t lane, uint64_t input) {
    return ob_rotl64(lane + input * OB_XXH2, 31) * OB_XXH1;
}

/* Folds the last 0..31 bytes in and mixes, so that every input bit reaches every output bit: the
   specification's steps 5 and 6. The caller has added the total length to h. */
static uint64_t ob_hash_tail(uint64_t h, const uint8_t *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8)
        h = ob_rotl64(h ^ ob_hash_round(0, ob_get64(p)), 27) * OB_XXH1 + OB_XXH4;
    if (n >= 4) {
        h = ob_rotl64(h ^ ob_get32(p) * OB_XXH1, 23) * OB_XXH2 + OB_XXH3;
        n -= 4, p += 4;
    }
    for (; n; n--, p++) h = ob_rotl64(h ^ *p * OB_XXH5, 11) * OB_XXH1;
    h = (h ^ h >> 33) * OB_XXH2;
    h = (h ^ h >> 29) * OB_XXH3;
    return h ^ h >> 32;
}

/* 64-bit checksum of data[bytes], which may be NULL when bytes is 0; the same on every machine.
   Four lanes take 32 bytes per turn, then one sum takes the rest. Not against forgers. */
static uint64_t ob_hash64(const void *data, size_t bytes, uint64_t seed) {
    const uint8_t *p = (const uint8_t *)data;
    size_t n = bytes;
    uint64_t lane[4], h = seed + OB_XXH5;
    int i;
    if (bytes == 0) return ob_hash_tail(h, NULL, 0);
    if (n >= 32) {
        lane[0] = seed + OB_XXH1 + OB_XXH2;
        lane[1] = seed + OB_XXH2;
        lane[2] = seed;
        lane[3] = seed - OB_XXH1;
        for (; n >= 32; n -= 32, p += 32)
            for (i = 0; i < 4; i++) lane[i] = ob_hash_round(lane[i], ob_get64(p + 8 * i));
        h = ob_rotl64(lane[0], 1) + ob_rotl64(lane[1], 7) + ob_rotl64(lane[2], 12) +
            ob_rotl64(lane[3], 18);
        for (i = 0; i < 4; i++) h = (h ^ ob_hash_round(0, lane[i])) * OB_XXH1 + OB_XXH4;
    }
    return ob_hash_tail(h + (uint64_t)bytes, p, n);
}

/* ---- slices and the bounded reader ---- */

/* Text that lives elsewhere, not terminated: it is valid as long as what it points into. Files and
   JSON are read this way without a copy. */
typedef struct ob_slice {
    const char *p; /* not owned */
    size_t n;      /* bytes */
} ob_slice;

/* A slice of n bytes at p. */
static ob_slice ob_slice_on(const char *p, size_t n) {
    ob_slice s;
    s.p = p;
    s.n = n;
    return s;
}

/* A terminated text without its end. */
static ob_slice ob_slice_of(const char *text) { return ob_slice_on(text, strlen(text)); }

/* 1 when two slices hold the same bytes. */
static int ob_slice_same(ob_slice a, ob_slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* 1 when the slice is exactly this terminated text. */
static int ob_slice_is(ob_slice s, const char *text) { return ob_slice_same(s, ob_slice_of(text)); }

/* Reads little-endian values from bytes that may be hostile: past the end everything is 0 and bad
   stays set, so that one check after many reads suffices. No count that was read is trusted before
   bad was looked at. */
typedef struct ob_reader {
    const uint8_t *p;
    size_t n, at; /* bytes in all, bytes read; at <= n always */
    int bad;      /* sticky: a read went past the end */
} ob_reader;

/* Starts reading at p[0]; p is not copied. */
static ob_reader ob_reader_on(const void *p, size_t n) {
    ob_reader r;
    r.p = (const uint8_t *)p;
    r.n = n;
    r.at = 0;
    r.bad = 0;
    return r;
}

/* The next n bytes in place; NULL and bad when there are fewer. They belong to whoever owns what is
   read. The comparison subtracts, so a huge n cannot wrap round. */
static const uint8_t *ob_read_bytes(ob_reader *r, size_t n) {
    const uint8_t *p;
    if (r->bad || n > r->n - r->at) {
        r->bad = 1;
        return NULL;
    }
    p = r->p + r->at;
    r->at += n;
    return p;
}

/* Values in file order; 0 past the end. */
OB_INLINE uint8_t ob_read8(ob_reader *r) {
    const uint8_t *p = ob_read_bytes(r, 1);
    return p ? *p : (uint8_t)0;
}

OB_INLINE uint16_t ob_read16(ob_reader *r) {
    const uint8_t *p = ob_read_bytes(r, 2);
    return p ? ob_get16(p) : (uint16_t)0;
}

/* The next four bytes. */
OB_INLINE uint32_t ob_read32(ob_reader *r) {
    const uint8_t *p = ob_read_bytes(r, 4);
    return p ? ob_get32(p) : 0;
}

/* The next eight bytes. */
OB_INLINE uint64_t ob_read64(ob_reader *r) {
    const uint8_t *p = ob_read_bytes(r, 8);
    return p ? ob_get64(p) : 0;
}

/* ---- UTF-8 (RFC 3629) ---- */

#define OB_UTF8_BAD 0xFFFFFFFFu /* no code point: they end at 0x10FFFF */

/* One code point from p[n]: bytes used. Overlong forms, surrogates, values above U+10FFFF and cut
   sequences give code OB_UTF8_BAD and use one byte. n = 0 uses none. Using one byte of a bad
   sequence finds the next good character soonest. */
static size_t ob_utf8_decode(const char *p, size_t n, uint32_t *code) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *b = (const uint8_t *)p;
    size_t i, length;
    uint32_t c;
    *code = OB_UTF8_BAD;
    if (n == 0) return 0;
    if (b[0] < 0x80) {
        *code = b[0];
        return 1;
    }
    length = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    if (b[0] < 0xC2 || b[0] > 0xF4 || n < length) return 1;
    c = b[0] & (0x7Fu >> length);
    for (i = 1; i < length; i++) {
        if ((b[i] & 0xC0) != 0x80) return 1;
        c = c << 6 | (b[i] & 0x3Fu);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 1;
    *code = c;
    return length;
}

/* Bytes of one code point into out: 1..4. What is no code point is written as U+FFFD. Surrogates
   are no code points of UTF-8 (RFC 3629, section 3). */
static size_t ob_utf8_encode(uint32_t code, char out[4]) {
    size_t length, i;
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (i = length - 1; i > 0; i--, code >>= 6) out[i] = (char)(uint8_t)(0x80u | (code & 0x3Fu));
    out[0] = (char)(uint8_t)((0xF00u >> length & 0xF0u) | code);
    return length;
}

/* =================================================================================================
   2 >>system   memory, threads, clock, processor and files: the only floor that knows the machine.
   uses: base                                                            used by: every floor above
   ============================================================================================== */

/* The headers of the system. What they may define in the user's file is kept small: no min and max,
   no sockets; and without files nothing of POSIX but the clock is needed. */
#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#include <direct.h>
#include <fcntl.h>
#include <io.h>
#else
#include <sys/time.h>
#include <time.h>
#ifndef ONEBIT_NO_FILES
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

/* Wide kernels on x86 are compiled through function attributes, not compiler flags: one binary runs
   on every x86-64 and picks its kernels at run time. Compilers may keep to 256-bit vectors for
   AVX-512 targets unless told otherwise, hence the preferred width. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(ONEBIT_NO_SIMD)
#define OB_X86 1
#include <cpuid.h>
#if !defined(__clang__) /* gcc 12's own header warns under -O2 in C++ */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#ifdef ONEBIT_NO_AVX512
#define OB_AVX512 0
#else
#define OB_AVX512 1
#endif
#define OB_TARGET(features) __attribute__((target(features)))
#define OB_TARGET_AVX2      OB_TARGET("avx2,fma,f16c")
#define OB_512              "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"
#ifdef __clang__ /* has no prefer-vector-width in the attribute: says it in its own way */
#define OB_TARGET_512(more) __attribute__((target(OB_512 more), min_vector_width(512)))
#else
#define OB_TARGET_512(more) OB_TARGET(OB_512 more ",prefer-vector-width=512")
#endif
#define OB_TARGET_AVX512 OB_TARGET_512("")
#define OB_TARGET_VNNI   OB_TARGET_512(",avx512vnni,avx512vbmi")
#define OB_TARGET_BF16   OB_TARGET_512(",avx512vnni,avx512vbmi,avx512bf16")
#endif
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(ONEBIT_NO_SIMD)
#define OB_NEON 1
#include <arm_neon.h>
#endif

/* A loop body that is compiled into each instruction set's variant, and a loop whose count is a
   constant there. always_inline carries the caller's instruction set into the body. */
#if defined(__clang__)
#define OB_BODY   static inline __attribute__((always_inline))
#define OB_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define OB_BODY   static inline __attribute__((always_inline))
#define OB_UNROLL _Pragma("GCC unroll 16")
#else
#define OB_BODY static inline
#define OB_UNROLL
#endif

/* C99's restrict is no word of C++; the compilers take this spelling in both. */
#if defined(__GNUC__) || defined(_MSC_VER)
#define OB_RESTRICT __restrict
#else
#define OB_RESTRICT
#endif

/* Every float expression below keeps the order and the roundings that it is written with: a
   multiply and an add are never fused behind our back. The options end with the implementation.
   */
#if defined(__clang__)
#pragma clang fp contract(off)
#define OB_RESTORE_OPTIONS
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#define OB_RESTORE_OPTIONS _Pragma("GCC pop_options")
#else
#define OB_RESTORE_OPTIONS
#endif

/* ---- environment ----
   All that the library asks of its host: memory and a parallel loop, through hooks that a game or
   an engine may replace, and the choice of kernels. Every object keeps a filled copy of its
   environment, so the caller's struct may go away. */

/* Operations below which one thread is faster: waking another takes some microseconds when it is
   idle, and a whole time slice when the machine is busy. */
#ifndef OB_WORTH_SHARING /* the tests lower it, so that small models are split too */
#define OB_WORTH_SHARING 200000.0
#endif

#define OB_DOT_SPEED   8.0 /* integer products per operation counted there */
#define OB_MAX_THREADS 64  /* more would be a slip of the keyboard */

/* The default hooks: malloc and free. They need no alignment beyond malloc's; see ob_alloc. */
static void *ob_default_alloc(void *user, size_t bytes) {
    (void)user;
    return malloc(bytes);
}

/* Takes just what ob_default_alloc gave. */
static void ob_default_release(void *user, void *block) {
    (void)user;
    free(block);
}

/* The number of threads comes in through user (see ob_parallel); 0 = one per piece. With OpenMP
   piece i always goes to thread i mod threads; results do not depend on that, since pieces never
   share an output. */
static void ob_default_parallel(void *user, onebit_body body, void *arg, int n) {
    int i;
#ifdef _OPENMP
    int threads = (int)(intptr_t)user;
    if (threads <= 0 || threads > n) threads = n < OB_MAX_THREADS ? n : OB_MAX_THREADS;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
#else
    (void)user;
#endif
    for (i = 0; i < n; i++) body(arg, i);
}

/* All that OpenMP would use (it heeds OMP_NUM_THREADS), at most 64; 1 without it. Asked once per
   environment, never in a loop. */
static int ob_default_threads(void) {
#ifdef _OPENMP
    int n = omp_get_max_threads();
    return n < 1 ? 1 : n > OB_MAX_THREADS ? OB_MAX_THREADS : n;
#else
    return 1;
#endif
}

/* Never fails; the fields are for the caller to change. Costs nothing but the question for
   threads. */
onebit_env onebit_env_default(void) {
    onebit_env env;
    env.user = NULL;
    env.alloc = ob_default_alloc;
    env.release = ob_default_release;
    env.parallel = ob_default_parallel;
    env.threads = ob_default_threads();
    env.isa = ONEBIT_ISA_AUTO;
    return env;
}

/* A copy with the gaps filled. alloc and release go together: one without the other is no
   allocator. env NULL gives the default, so every public function may take NULL. */
static onebit_env ob_env_or_default(const onebit_env *env) {
    onebit_env filled = onebit_env_default();
    if (!env) return filled;
    filled.user = env->user;
    filled.isa = env->isa;
    if (env->alloc && env->release) {
        filled.alloc = env->alloc;
        filled.release = env->release;
    }
    if (env->parallel) filled.parallel = env->parallel;
    if (env->threads > 0) filled.threads = env->threads;
    return filled;
}

#ifdef OB_X86
/* Register sets that the system saves on a task switch (XCR0): 6 = AVX, 0xE6 = AVX-512. Bits by
   Intel's manual, volume 1, chapter 13: 1 = XMM, 2 = YMM, 5..7 = mask and ZMM registers. A
   processor may have a set that its system does not save. Call only where OSXSAVE is set. */
static unsigned ob_cpu_saved(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return low;
}
#endif

/* The best kernel set of this processor, from CPUID: leaf 1 ECX has FMA 12, OSXSAVE 27, F16C 29;
   leaf 7 EBX has AVX2 5, AVX512F 16, DQ 17, BW 30, VL 31, ECX VBMI 1, VNNI 11, its subleaf 1 EAX
   BF16 5. The compilers' builtins are not used: clang 14 does not know F16C, and not every runtime
   library has their tables. Sets step up as a whole, each with all of those before it. */
static onebit_isa ob_cpu_isa(void) {
#if defined(OB_X86)
    const unsigned first = 1u << 12 | 1u << 27 | 1u << 29, wide = 3u << 16 | 3u << 30;
    const unsigned products = 1u << 1 | 1u << 11;
    unsigned a, b, c, d, saved;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & first) != first) return ONEBIT_ISA_SCALAR;
    saved = ob_cpu_saved();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 5 & 1) || (saved & 6) != 6)
        return ONEBIT_ISA_SCALAR;
    if (!OB_AVX512 || (b & wide) != wide || (saved & 0xE6) != 0xE6) return ONEBIT_ISA_AVX2;
    if ((c & products) != products) return ONEBIT_ISA_AVX512;
    return a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1 ? ONEBIT_ISA_AVX512BF16
                                                                           : ONEBIT_ISA_AVX512VNNI;
#elif defined(OB_NEON)
    return ONEBIT_ISA_NEON;
#else
    return ONEBIT_ISA_SCALAR;
#endif
}

/* Names for messages, options and --version. AUTO is answered with what it stands for on this
   processor. */
const char *onebit_isa_name(onebit_isa isa) {
    static const char *const names[ONEBIT_ISA_COUNT] = {
        "auto", "scalar", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon"};
    if (isa == ONEBIT_ISA_AUTO) isa = ob_cpu_isa();
    return (int)isa > 0 && isa < ONEBIT_ISA_COUNT ? names[isa] : "unknown";
}

/* Whether this processor and build have a set: sets of x86 step up, NEON is another family. */
static int ob_isa_here(onebit_isa isa) {
    onebit_isa best = ob_cpu_isa();
    if (isa <= ONEBIT_ISA_SCALAR || isa == best) return 1;
    return isa != ONEBIT_ISA_NEON && best != ONEBIT_ISA_NEON && isa < best;
}

/* For every create and open: the number of threads in range, the instruction set here. Asking for a
   set that is missing is an error and no silent fallback, because tests and timings name a set to
   be sure of it. */
static onebit_status ob_env_check(const onebit_env *env) {
    if (env->threads < 1 || env->threads > OB_MAX_THREADS)
        return ob_fail(ONEBIT_USAGE, "threads is %d, expected 1..%d", env->threads, OB_MAX_THREADS);
    if ((int)env->isa < (int)ONEBIT_ISA_AUTO || (int)env->isa >= (int)ONEBIT_ISA_COUNT)
        return ob_fail(ONEBIT_USAGE, "isa %d does not exist", (int)env->isa);
    if (!ob_isa_here(env->isa))
        return ob_fail(ONEBIT_UNSUPPORTED, "this processor or build has no %s kernels, only %s",
                       onebit_isa_name(env->isa), onebit_isa_name(ONEBIT_ISA_AUTO));
    return ONEBIT_OK;
}

/* Name and version of the compiler, as bug reports need them. clang comes first: it also defines
   __GNUC__. */
static void ob_out_compiler(ob_out *out) {
#if defined(__clang__)
    ob_out_format(out, "clang %d.%d", __clang_major__, __clang_minor__);
#elif defined(__GNUC__)
    ob_out_format(out, "gcc %d.%d", __GNUC__, __GNUC_MINOR__);
#elif defined(_MSC_VER)
    ob_out_format(out, "msvc %d.%d", _MSC_VER / 100, _MSC_VER % 100);
#else
    ob_out_text(out, "unknown compiler");
#endif
}

/* "onebit 0.1.0 (gcc 12.2, avx512, 2 threads, OpenMP)" Cut when size is smaller, always terminated
   when size is not 0. */
void onebit_version_text(char *text, size_t size) {
    ob_out out = ob_out_on(text, size);
    int threads = ob_default_threads();
    ob_out_text(&out, "onebit " ONEBIT_VERSION " (");
    ob_out_compiler(&out);
    ob_out_format(&out, ", %s, %d thread%s", onebit_isa_name(ONEBIT_ISA_AUTO), threads,
                  threads == 1 ? "" : "s");
#ifdef _OPENMP
    ob_out_text(&out, ", OpenMP");
#endif
    ob_out_text(&out, ")");
}

/* body(arg, i) for i in [0, n), each once, all done on return. Our own hook is told the number of
   threads in place of a user. One piece or one thread runs right here, at no cost. */
static void ob_parallel(const onebit_env *env, onebit_body body, void *arg, int n) {
    int i;
    if (n <= 1 || env->threads == 1) {
        for (i = 0; i < n; i++) body(arg, i);
    } else if (env->parallel == ob_default_parallel) {
        ob_default_parallel((void *)(intptr_t)env->threads, body, arg, n);
    } else {
        env->parallel(env->user, body, arg, n);
    }
}

/* ---- memory ----
   Objects take one block each: ob_carve lays it out, ob_alloc gets it, ob_release gives it back.
   Everything is aligned for the widest vector load and starts as zeros, so that padding in files
   and unused tails of rows have one value on every run. */

#define OB_ALIGN     64              /* a cache line, and the widest vector */
#define OB_HUGE_PAGE ((size_t)2 << 20) /* of x86-64 and of most ARM systems */
#define OB_LARGE     ((size_t)32 << 20) /* bytes from which a block lies on pages of that size */

/* Asks for huge pages under a block that nobody has touched yet. They are what lets two threads
   read at the full speed of the memory: measured 59 GB/s against 39 with pages of 4 KiB, whose
   addresses take as long to look up as their bytes to read. A refusal does no harm. */
static void ob_advise_huge(void *block, size_t bytes) {
#if defined(__linux__) && !defined(ONEBIT_NO_FILES)
#ifndef __cplusplus
    extern int madvise(void *, size_t, int); /* glibc hides it in -std=c99 */
#endif
    (void)madvise(block, bytes / OB_HUGE_PAGE * OB_HUGE_PAGE, 14); /* MADV_HUGEPAGE */
#else
    (void)block, (void)bytes;
#endif
}

/* Zeroed, 64-byte aligned; NULL for 0 bytes, too many, or when there is no memory. What alloc gave
   is remembered in front of the block. So the release hook gets just that pointer, and needs no
   size. The bound of half the address space keeps later sums of sizes from wrapping round. */
static void *ob_alloc(const onebit_env *env, size_t bytes) {
    const size_t align = bytes >= OB_LARGE ? OB_HUGE_PAGE : OB_ALIGN;
    const size_t extra = align + sizeof(void *);
    uint8_t *raw, *block;
    if (bytes == 0 || bytes > SIZE_MAX / 2 - extra) return NULL;
    raw = (uint8_t *)env->alloc(env->user, bytes + extra);
    if (!raw) return NULL;
    block = raw + sizeof(void *);
    block += (align - (uintptr_t)block % align) % align;
    memcpy(block - sizeof(void *), &raw, sizeof raw);
    if (align == OB_HUGE_PAGE) ob_advise_huge(block, bytes);
    memset(block, 0, bytes);
    return block;
}

/* Gives back what ob_alloc gave, with the same env; NULL is fine, as with free. */
static void ob_release(const onebit_env *env, void *block) {
    void *raw;
    if (!block) return;
    memcpy(&raw, (uint8_t *)block - sizeof(void *), sizeof raw);
    env->release(env->user, raw);
}

/* A block of so many bytes in place of an old one (NULL = none), whose first keep bytes it begins
   with. NULL leaves the old one as it was: the hooks have no realloc. */
static void *ob_grow(const onebit_env *env, void *old, size_t keep, size_t bytes) {
    void *p = ob_alloc(env, bytes);
    if (!p) return NULL;
    if (keep) memcpy(p, old, keep);
    ob_release(env, old);
    return p;
}

/* Cuts one block into aligned pieces. With base NULL it only counts: the same code that lays an
   object out tells its size first. */
typedef struct ob_carve {
    uint8_t *base; /* 64-byte aligned, or NULL = only count */
    size_t used;   /* SIZE_MAX = overflow */
} ob_carve;

/* The next piece, 64-byte aligned like the base; NULL when counting or after an overflow. bytes 0
   is fine. Overflow is sticky, and ob_alloc refuses SIZE_MAX: callers check once. */
static void *ob_take(ob_carve *c, size_t bytes) {
    size_t at = ob_round_up(c->used, OB_ALIGN);
    if (!ob_add(at, bytes, &c->used) || at == SIZE_MAX) {
        c->used = SIZE_MAX;
        return NULL;
    }
    return c->base ? c->base + at : NULL;
}

/* Takes a * b bytes. A product that overflows becomes SIZE_MAX, which the carve turns into a total
   no allocator gives: callers check once, at the end, and not at every array. */
static void *ob_take_product(ob_carve *c, size_t a, size_t b) {
    size_t bytes;
    return ob_take(c, ob_mul(a, b, &bytes) ? bytes : SIZE_MAX);
}

/* Growing text, terminated at p[n] once something was added. For text whose length is not known
   beforehand; callers that know it use ob_out. */
typedef struct ob_buffer {
    onebit_env env; /* whose hooks hold p */
    char *p;
    size_t n, capacity; /* bytes; n < capacity once there is memory */
    int failed;         /* sticky: memory ran out, and what came after is lost */
} ob_buffer;

/* Empty, without memory yet; env may be NULL. */
OB_INLINE ob_buffer ob_buffer_new(const onebit_env *env) {
    ob_buffer b;
    memset(&b, 0, sizeof b);
    b.env = ob_env_or_default(env);
    return b;
}

/* Gives the text back; the buffer may be used again. */
OB_INLINE void ob_buffer_free(ob_buffer *b) {
    ob_release(&b->env, b->p);
    b->p = NULL;
    b->n = b->capacity = 0;
}

/* Makes room for so many bytes behind p[n], and a terminator; 0 = no memory. The capacity doubles,
   so n bytes cost O(n) copies in all. */
static int ob_buffer_room(ob_buffer *b, size_t bytes) {
    size_t need;
    char *p;
    if (!ob_add(b->n, bytes, &need) || need >= SIZE_MAX / 4) b->failed = 1;
    if (b->failed) return 0;
    if (need < b->capacity) return 1;
    need = need < 128 ? 256 : 2 * need;
    p = (char *)ob_grow(&b->env, b->p, b->n, need);
    b->failed = !p;
    if (p) b->p = p, b->capacity = need;
    return p != NULL;
}

/* Adds bytes. data must not lie in the buffer: growing moves it. */
static void ob_buffer_add(ob_buffer *b, const void *data, size_t bytes) {
    if (!ob_buffer_room(b, bytes)) return;
    if (bytes) memcpy(b->p + b->n, data, bytes);
    b->n += bytes;
    b->p[b->n] = 0;
}

/* Adds a terminated text. */
static void ob_buffer_text(ob_buffer *b, const char *terminated) {
    ob_buffer_add(b, terminated, strlen(terminated));
}

/* Adds as printf writes, at most 511 bytes per call; the rest is cut. */
OB_PRINTF(2, 3) static void ob_buffer_format(ob_buffer *b, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    ob_print_list(text, sizeof text, format, list);
    va_end(list);
    ob_buffer_text(b, text);
}

/* ---- clock ---- */

/* Seconds since some moment. Where -std=c99 hides the monotonic clock, the time of day serves. Only
   differences mean something: progress lines and time budgets use it, results never do. */
static double ob_seconds(void) {
#if defined(_WIN32)
    LARGE_INTEGER now, rate;
    QueryPerformanceFrequency(&rate);
    QueryPerformanceCounter(&now);
    return (double)now.QuadPart / (double)rate.QuadPart;
#elif defined(CLOCK_MONOTONIC) && !defined(__wasi__)
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#else
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
#endif
}

#ifdef ONEBIT_NO_FILES
#define OB_NO_SUCH_FILE "built with ONEBIT_NO_FILES: open it from memory"
#else
#define OB_NO_SUCH_FILE "no such file"
#endif

/* Files are written through stdio. Without it, or without files, none can be created. */
#if defined(ONEBIT_NO_FILES) || defined(ONEBIT_NO_STDIO)
#define OB_NOT_WRITABLE "built with ONEBIT_NO_FILES or ONEBIT_NO_STDIO, which write no file"

/* The same four as below. */
static void *ob_file_create(const char *path) { return (void)path, (void *)NULL; }
static int ob_file_put(void *file, const void *data, size_t bytes) {
    return (void)file, (void)data, (void)bytes, 0;
}
static int ob_file_end(void *file) { return (void)file, 0; }
static void ob_file_drop(const char *path) { (void)path; }
static int ob_replace(const char *from, const char *to) { return (void)from, (void)to, 0; }
static size_t ob_read_input(void *out, size_t bytes) { return (void)out, (void)bytes, (size_t)0; }
#else
#define OB_NOT_WRITABLE "cannot be written"

/* Writing a file: create, put, end; drop removes one. put and end give 1 when they succeed. */
static void *ob_file_create(const char *path) { return fopen(path, "wb"); }
static int ob_file_put(void *file, const void *data, size_t bytes) {
    return fwrite(data, 1, bytes, (FILE *)file) == bytes;
}
static int ob_file_end(void *file) { return fclose((FILE *)file) == 0; }
static void ob_file_drop(const char *path) { (void)remove(path); }

/* Gives a file the name of another in one step: POSIX demands that of rename. The C library's fails
   on Windows when the target exists. */
static int ob_replace(const char *from, const char *to) {
#ifdef _WIN32
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) != 0;
#else
    return rename(from, to) == 0;
#endif
}
/* The next bytes of the standard input; fewer than asked for only at its end. */
static size_t ob_read_input(void *out, size_t bytes) { return fread(out, 1, bytes, stdin); }
#endif
#define OB_PATH_MAX 1024 /* bytes of a path, terminator included */

/* ---- what systems do differently: map, sync, kind, make, list ----
   Small functions, written three times (none, Windows, POSIX); everything below is written
   once on top of them. They return 1 = done, 0 = failed and set no error text: the callers know
   what the path was for. */

/* A file's bytes, read-only. how: 0 = nothing to give back, 1 = mapped, 2 = read into memory. Bytes
   of a mapped file are valid until the close, from any thread. */
typedef struct ob_map {
    const uint8_t *data; /* never NULL while open */
    size_t bytes;
    void *handle; /* what closing gives back */
    int how;
} ob_map;

/* Anything that exists and is no directory counts as a file, devices and pipes included. */
typedef enum ob_found { OB_FOUND_NOTHING, OB_FOUND_FILE, OB_FOUND_DIRECTORY } ob_found;

/* Receives the names in one directory, in any order. A name is only valid during the call. */
typedef void (*ob_name_fn)(void *user, const char *name);

#if defined(ONEBIT_NO_FILES) /* a system without files: every one is absent, none can be made */

/* Each keeps the meaning of its twin below; what needs a file then ends in OB_NO_SUCH_FILE. */
static ob_found ob_path_find(const char *path) { return (void)path, OB_FOUND_NOTHING; }
static int ob_path_is_special(const char *path) { return (void)path, 0; }
static int ob_make_one(const char *path) { return (void)path, 0; }
static long ob_process(void) { return 0; }
static double ob_path_time(const char *path) { return (void)path, -1.0; }
static int ob_sync_path(const char *path) { return (void)path, 0; }
static int ob_each_name(const char *path, ob_name_fn fn, void *user) {
    return (void)path, (void)fn, (void)user, 0;
}
static int ob_map_bytes(ob_map *out, const char *path) { return (void)out, (void)path, 0; }
static void ob_map_close(ob_map *map) { memset(map, 0, sizeof *map); }

#elif defined(_WIN32)

static ob_found ob_path_find(const char *path) {
    /* the A functions take the process's code page; since Windows 10 1903 that may be UTF-8 */
    DWORD a = GetFileAttributesA(path);
    if (a == INVALID_FILE_ATTRIBUTES) return OB_FOUND_NOTHING;
    return a & FILE_ATTRIBUTE_DIRECTORY ? OB_FOUND_DIRECTORY : OB_FOUND_FILE;
}

static int ob_path_is_special(const char *path) { return (void)path, 0; }

static int ob_make_one(const char *path) { return _mkdir(path) == 0; }
static long ob_process(void) { return (long)GetCurrentProcessId(); }

/* FILETIME counts steps of 100 nanoseconds. */
static double ob_path_time(const char *path) {
    WIN32_FILE_ATTRIBUTE_DATA a;
    if (!GetFileAttributesExA(path, GetFileExInfoStandard, &a)) return -1.0;
    return ((double)a.ftLastWriteTime.dwHighDateTime * 4294967296.0 +
            (double)a.ftLastWriteTime.dwLowDateTime) *
           1e-7;
}

/* Opened anew by name, like the POSIX version; a directory cannot be opened so and counts as
   failed, which its caller passes over. */
static int ob_sync_path(const char *path) {
    int ok, file = _open(path, _O_RDWR | _O_BINARY);
    if (file < 0) return 0;
    /* needs a descriptor that may write, hence _O_RDWR above */
    ok = _commit(file) == 0;
    _close(file);
    return ok;
}

static int ob_each_name(const char *path, ob_name_fn fn, void *user) {
    char pattern[OB_PATH_MAX + 3];
    WIN32_FIND_DATAA found;
    HANDLE search;
    ob_print(pattern, sizeof pattern, "%s/*", path);
    search = FindFirstFileA(pattern, &found);
    if (search == INVALID_HANDLE_VALUE) return 0;
    do {
        /* links and junctions are left out: they can loop */
        if (!(found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)) fn(user, found.cFileName);
    } while (FindNextFileA(search, &found));
    FindClose(search);
    return 1;
}

/* Offsets are 64 bits: long is 32 on Windows, and models pass 2 GiB. */
static int ob_map_bytes(ob_map *out, const char *path) {
    FILE *file = fopen(path, "rb");
    long long size = -1;
    size_t done = 0;
    if (!file) return 0;
    if (_fseeki64(file, 0, SEEK_END) == 0) size = _ftelli64(file);
    if (size > 0 && (unsigned long long)size <= SIZE_MAX / 2) out->handle = malloc((size_t)size);
    if (out->handle && _fseeki64(file, 0, SEEK_SET) == 0)
        done = fread(out->handle, 1, (size_t)size, file);
    fclose(file);
    if (size < 0 || done != (size_t)size) {
        free(out->handle);
        return 0;
    }
    /* read whole, since a mapped file could not be replaced on Windows while a model is open */
    out->how = size ? 2 : 0;
    out->data = size ? (const uint8_t *)out->handle : (const uint8_t *)"";
    out->bytes = (size_t)size;
    return 1;
}

static void ob_map_close(ob_map *map) {
    if (map->how == 2) free(map->handle);
    memset(map, 0, sizeof *map);
}

#else /* POSIX; only names that -std=c99 leaves visible, whatever was included before */

static ob_found ob_path_find(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return OB_FOUND_NOTHING;
    return S_ISDIR(st.st_mode) ? OB_FOUND_DIRECTORY : OB_FOUND_FILE;
}

/* 1 when a new file must not take the place of what stands under a path: a device, a pipe. */
static int ob_path_is_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* 0777 less the user's umask, as mkdir and every tool do it. */
static int ob_make_one(const char *path) { return mkdir(path, 0777) == 0; }
static long ob_process(void) { return (long)getpid(); }

/* Seconds since some moment when a file was last written to; -1 = there is none. */
static double ob_path_time(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_mtime : -1.0;
}

/* Brings a file or directory to the disk by its path: FILE's own descriptor is hidden in -std=c99.
   Some file systems cannot sync a directory; that is no failure of the write. */
static int ob_sync_path(const char *path) {
#ifndef __cplusplus
    /* a block-level declaration, so the user's file does not see it */
    extern int fsync(int); /* glibc hides it in -std=c99 */
#endif
    int ok, file = open(path, O_RDONLY);
    if (file < 0) return 0;
    ok = fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP;
    close(file);
    return ok;
}

static int ob_each_name(const char *path, ob_name_fn fn, void *user) {
    DIR *directory = opendir(path);
    struct dirent *entry;
    if (!directory) return 0;
    while ((entry = readdir(directory)) != NULL) fn(user, entry->d_name);
    closedir(directory);
    return 1;
}

/* The descriptor is closed at once: the mapping keeps the file by itself. */
static int ob_map_bytes(ob_map *out, const char *path) {
    struct stat st;
    int ok = 0, file = open(path, O_RDONLY);
    if (file < 0) return 0;
    if (fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 &&
        /* a directory or a pipe cannot be mapped; 32-bit systems have files beyond size_t */
        (uintmax_t)st.st_size <= SIZE_MAX / 2) {
        out->bytes = (size_t)st.st_size;
        out->data = (const uint8_t *)"";
        ok = 1;
    }
    if (ok && out->bytes) {
        /* private and read-only: pages are shared by every process that runs the same model, and
           our own writers replace files by rename, so nobody cuts this one under our feet */
        void *p = mmap(NULL, out->bytes, PROT_READ, MAP_PRIVATE, file, 0);
        ok = p != MAP_FAILED;
        out->handle = p;
        out->data = (const uint8_t *)p;
        out->how = 1;
    }
    close(file);
    return ok;
}

static void ob_map_close(ob_map *map) {
    if (map->how == 1) munmap(map->handle, map->bytes);
    memset(map, 0, sizeof *map);
}

#endif

/* ---- files ----
   Reading maps whole files. Writing goes through a sink: bytes go to a temporary file beside the
   target, and only the commit makes them visible. Paths are bytes as the caller gave them; errors
   repeat them, cut so that the cause still fits. */

/* directory/name into out; either may hold separators. ONEBIT_IO when it does not fit: a cut path
   would name another file. An empty directory gives the name alone. */
static onebit_status ob_path_join(char *out, size_t size, const char *directory, const char *name) {
    size_t n = strlen(directory);
    const char *slash = n && directory[n - 1] != '/' ? "/" : "";
    if (ob_print(out, size, "%s%s%s", directory, slash, name) >= size)
        return ob_fail(ONEBIT_IO, "path too long: %.80s/%.80s", directory, name);
    return ONEBIT_OK;
}

/* What stands at a path; links are followed. */
static int ob_is_directory(const char *path) { return ob_path_find(path) == OB_FOUND_DIRECTORY; }
static int ob_file_exists(const char *path) { return ob_path_find(path) == OB_FOUND_FILE; }

/* An empty file gives data that is not NULL, and 0 bytes. ONEBIT_IO says which of the usual causes
   it was. Close with ob_map_close on success only; a failed open leaves a zeroed map, which is safe
   to close too. */
static onebit_status ob_map_open(ob_map *out, const char *path) {
    memset(out, 0, sizeof *out);
    if (ob_map_bytes(out, path)) return ONEBIT_OK;
    memset(out, 0, sizeof *out);
    return ob_fail(ONEBIT_IO, "%.200s: %s", path,
                   ob_is_directory(path)  ? "is a directory, expected a file"
                   : ob_file_exists(path) ? "cannot be read"
                                          : OB_NO_SUCH_FILE);
}

/* Writes beside the path under a temporary name; commit puts it in place in one step, so that
   readers and a crash see the old file or the new one, never a part. The data is synced before the
   rename: file systems may bring the new name to the disk before the content, and a power cut would
   then leave an empty file where a good one was. */
typedef struct ob_sink {
    void *file; /* FILE; NULL = not open */
    char path[OB_PATH_MAX], temporary[OB_PATH_MAX + 32];
    int failed; /* sticky: some write did not succeed */
} ob_sink;

/* The directory of a path, cut off in place; "." when the path is a name alone. *name points at
   the name, which stays whole. */
static const char *ob_path_cut(char *path, const char **name) {
    char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash) return ".";
    if (slash == path) return "/"; /* "/name" lives in "/" */
    *slash = 0;
    return path;
}

#define OB_STALE_SECONDS 600.0 /* a writer that lives adds to its file more often */

/* What a sweep looks for: the temporaries of one target. */
typedef struct ob_sweep {
    const char *directory, *name; /* of the target */
    double now;                   /* by the clock of the file system */
} ob_sweep;

/* Removes "NAME.PID.tmp" when nobody has written to it for long. */
static void ob_sweep_name(void *user, const char *found) {
    const ob_sweep *s = (const ob_sweep *)user;
    char path[OB_PATH_MAX + 32];
    size_t n = strlen(s->name), digits;
    double time;
    if (strncmp(found, s->name, n) != 0 || found[n] != '.') return;
    digits = strspn(found + n + 1, "0123456789");
    if (digits == 0 || strcmp(found + n + 1 + digits, ".tmp") != 0) return;
    ob_print(path, sizeof path, "%s/%s", s->directory, found);
    time = ob_path_time(path);
    if (time >= 0 && s->now - time > OB_STALE_SECONDS) ob_file_drop(path);
}

/* Removes the temporaries that killed programs left beside a target: checkpoints are large, and a
   run that is killed and resumed often would fill the disk with them. */
static void ob_sink_sweep(const ob_sink *s) {
    char path[OB_PATH_MAX];
    ob_sweep sweep;
    memcpy(path, s->path, sizeof path);
    sweep.now = ob_path_time(s->temporary);
    sweep.directory = ob_path_cut(path, &sweep.name);
    (void)ob_each_name(sweep.directory, ob_sweep_name, &sweep);
}

/* The process id in the temporary name keeps two programs that write one path apart. It lies in the
   target's directory, because rename does not cross file systems. */
static onebit_status ob_sink_open(ob_sink *s, const char *path) {
    memset(s, 0, sizeof *s);
    if (strlen(path) >= sizeof s->path) return ob_fail(ONEBIT_IO, "path too long: %.80s", path);
    if (ob_path_is_special(path))
        return ob_fail(ONEBIT_IO, "%.200s: is no regular file, and would be replaced", path);
    ob_print(s->path, sizeof s->path, "%s", path);
    ob_print(s->temporary, sizeof s->temporary, "%s.%ld.tmp", path, ob_process());
    s->file = ob_file_create(s->temporary);
    if (!s->file) return ob_fail(ONEBIT_IO, "%.200s: %s", path, OB_NOT_WRITABLE);
    ob_sink_sweep(s);
    return ONEBIT_OK;
}

/* Adds bytes; a failure (disk full) is remembered and shows at the commit, so that writers of many
   pieces stay free of checks. */
static void ob_sink_write(ob_sink *s, const void *data, size_t bytes) {
    if (!s->file || s->failed || bytes == 0) return;
    if (!ob_file_put(s->file, data, bytes)) s->failed = 1;
}

/* Drops what was written; harmless after a commit and on a zeroed sink. For writers whose data
   fails half way: the target stays as it was. */
OB_INLINE void ob_sink_abort(ob_sink *s) {
    if (!s->file) return;
    (void)ob_file_end(s->file);
    s->file = NULL;
    ob_file_drop(s->temporary);
}

/* Brings the directory entry to the disk too, without which a rename may be lost in a power cut;
   s->path is cut to the directory. Best effort: the file is whole either way. */
static void ob_sink_sync_directory(ob_sink *s) {
    const char *name;
    (void)ob_sync_path(ob_path_cut(s->path, &name));
}

/* Closes, syncs and puts the file in place; on failure the old file stays and nothing else is left.
   The order is the point: close (flushes stdio), sync the data, rename, sync the directory. Costs
   the disk's latency, so it is for checkpoints and models, not for logs. */
static onebit_status ob_sink_commit(ob_sink *s) {
    if (!s->file) return ob_fail(ONEBIT_IO, "%.200s: was not opened for writing", s->path);
    if (!ob_file_end(s->file) || !ob_sync_path(s->temporary)) s->failed = 1;
    s->file = NULL;
    if (s->failed || !ob_replace(s->temporary, s->path)) {
        ob_file_drop(s->temporary);
        return ob_fail(ONEBIT_IO, "%.200s: cannot be written (disk full or no permission)",
                       s->path);
    }
    ob_sink_sync_directory(s);
    return ONEBIT_OK;
}

/* All of a file in one call, atomically. ONEBIT_IO leaves the old file. */
static onebit_status ob_file_write(const char *path, const void *data, size_t bytes) {
    ob_sink sink;
    OB_TRY(ob_sink_open(&sink, path));
    ob_sink_write(&sink, data, bytes);
    return ob_sink_commit(&sink);
}

/* ---- directories ---- */

/* With parents, as mkdir -p; an existing directory is fine. A part that cannot be made is passed
   over: it may be a drive or a root that only looks absent, and the last check decides. */
static onebit_status ob_make_directory(const char *path) {
    char part[OB_PATH_MAX];
    size_t i, n = strlen(path);
    if (n == 0 || n >= sizeof part) return ob_fail(ONEBIT_IO, "no usable path: '%.80s'", path);
    memcpy(part, path, n + 1);
    for (i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\\' && part[i] != 0) continue;
        part[i] = 0;
        if (!ob_is_directory(part)) (void)ob_make_one(part);
        part[i] = path[i];
    }
    if (ob_is_directory(path)) return ONEBIT_OK;
    return ob_fail(ONEBIT_IO, "%.200s: directory cannot be made%s", path,
                   ob_file_exists(path) ? ": it is a file" : "");
}

#define OB_MAX_NESTING 16 /* directories below the named one; also ends a loop of links */

/* A walk through a directory: names of one level come back as text, terminated one after another.
   All levels share one path and one stack of names, so a step down costs a few words of the stack
   and no copy of the path. */
typedef struct ob_walk {
    ob_buffer found;        /* paths of files */
    ob_buffer level;        /* names of the directories being walked, deepest last */
    size_t count;           /* files found */
    char path[OB_PATH_MAX]; /* where the walk stands */
    int too_long;           /* a path did not fit: the list would have a gap */
} ob_walk;

/* Keeps names that are not hidden ("." and ".." are). Hidden ones are tools' own data (.git,
   .cache), never a user's texts. */
static void ob_walk_name(void *user, const char *name) {
    if (name[0] != '.') ob_buffer_add((ob_buffer *)user, name, strlen(name) + 1);
}

/* Collects the files under walk->path, which is as before on return. Recursion ends at
   OB_MAX_NESTING. A directory that cannot be read counts as empty. */
static void ob_walk_level(ob_walk *walk, int depth) {
    size_t length = strlen(walk->path), start = walk->level.n, at = start;
    if (!ob_each_name(walk->path, ob_walk_name, &walk->level)) return;
    while (!walk->level.failed && at < walk->level.n) {
        /* not used after the recursion below: the buffer moves when it grows */
        const char *name = walk->level.p + at;
        size_t n = strlen(name);
        at += n + 1;
        if (length + n + 2 > sizeof walk->path) {
            walk->too_long = 1;
            continue;
        }
        walk->path[length] = '/';
        memcpy(walk->path + length + 1, name, n + 1);
        if (ob_file_exists(walk->path)) {
            ob_buffer_add(&walk->found, walk->path, length + n + 2);
            walk->count++;
        } else if (depth < OB_MAX_NESTING && ob_is_directory(walk->path)) {
            ob_walk_level(walk, depth + 1);
        }
        walk->path[length] = 0;
    }
    if (walk->level.p) walk->level.n = start;
}

/* Byte order, the same under every locale. The order of a directory on disk is chance; data sets
   must not depend on it. */
static int ob_compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One block: the sorted pointers, then the text that they point to. One release gives all back. The
   extra byte makes a block for 0 files too. */
static onebit_status ob_walk_gather(const ob_walk *walk, const onebit_env *env, char ***names) {
    size_t i, table, bytes;
    char *text;
    if (walk->found.failed || walk->level.failed || !ob_mul(walk->count, sizeof(char *), &table) ||
        !ob_add(table, walk->found.n + 1, &bytes) ||
        (*names = (char **)ob_alloc(env, bytes)) == NULL)
        return ob_fail(ONEBIT_MEMORY, "out of memory for a list of files");
    text = (char *)(*names + walk->count);
    if (walk->found.n) memcpy(text, walk->found.p, walk->found.n);
    for (i = 0; i < walk->count; i++) {
        (*names)[i] = text;
        text += strlen(text) + 1;
    }
    qsort(*names, walk->count, sizeof(char *), ob_compare_names);
    return ONEBIT_OK;
}

/* All files below a directory, by full path, in byte order; hidden names are left out, links are
   followed. *names is one block for ob_release; it is given for 0 files too. ONEBIT_IO when the
   directory is missing or a path below it does not fit, ONEBIT_MEMORY when the list does not. Costs
   one question to the system per name. */
static onebit_status ob_list_directory(const onebit_env *env, const char *path, char ***names,
                                       size_t *count) {
    ob_walk walk;
    onebit_status status;
    size_t n = strlen(path);
    *names = NULL;
    *count = 0;
    if (!ob_is_directory(path)) return ob_fail(ONEBIT_IO, "%.200s: no such directory", path);
    if (n >= sizeof walk.path) return ob_fail(ONEBIT_IO, "path too long: %.80s", path);
    memset(&walk, 0, sizeof walk);
    walk.found = ob_buffer_new(env);
    walk.level = ob_buffer_new(env);
    memcpy(walk.path, path, n + 1);
    while (n > 1 && walk.path[n - 1] == '/') walk.path[--n] = 0;
    ob_walk_level(&walk, 0);
    if (walk.too_long) status = ob_fail(ONEBIT_IO, "%.200s: a path in it is too long", path);
    else status = ob_walk_gather(&walk, env, names);
    if (status == ONEBIT_OK) *count = walk.count;
    ob_buffer_free(&walk.found);
    ob_buffer_free(&walk.level);
    return status;
}

/* =================================================================================================
   3 >>json   pull reader (strict RFC 8259, hostile text, no recursion) and the pieces of a writer.
   uses: base                                                used by: config tokenizer dataset files
   ============================================================================================== */

#define OB_JSON_DEPTH 64 /* levels; ob_json_skip has one bit for each */

/* Where a reader stands. The text is walked once, in place, and never copied: the caller asks for
   what it expects next (pull), so no tree and no memory is needed. Errors are sticky: after one,
   everything reads as 0, empty or ended, and loops end by themselves; check status once at the end.
   A copy of the struct is a bookmark to read from again. */
typedef struct ob_json {
    const char *start, *p, *end; /* the text, the next byte, behind the text */
    const char *what;            /* file name for messages */
    onebit_status status;        /* ONEBIT_OK or ONEBIT_FORMAT */
    int depth;                   /* containers entered and not yet ended */
    int fresh; /* a container was just entered: its first member has no comma before it */
} ob_json;

/* Starts at text[n], which is not copied. NULL reads as empty; a byte order mark is stepped over.
   RFC 8259 lets a parser ignore the mark, and editors on Windows write it. what must outlive the
   reader. */
static ob_json ob_json_on(const char *text, size_t n, const char *what) {
    ob_json j;
    if (!text) text = "", n = 0;
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, n -= 3; /* byte order mark */
    j.start = j.p = text;
    j.end = text + n;
    j.what = what ? what : "JSON";
    j.status = ONEBIT_OK;
    j.depth = j.fresh = 0;
    return j;
}

/* Fails with "what:line:column: message"; the first error wins. Counts lines only now. Columns are
   bytes from 1. A reading without errors pays nothing for them. */
OB_PRINTF(2, 3) static void ob_json_error(ob_json *j, const char *format, ...) {
    char text[300];
    size_t line = 1, column = 1;
    const char *p;
    va_list list;
    if (j->status != ONEBIT_OK) return;
    va_start(list, format);
    ob_print_list(text, sizeof text, format, list);
    va_end(list);
    for (p = j->start; p < j->p; p++) {
        if (*p == '\n') line++, column = 1;
        else column++;
    }
    j->status = ob_fail(ONEBIT_FORMAT, "%.120s:%lu:%lu: %s", j->what, (unsigned long)line,
                        (unsigned long)column, text);
}

/* The four characters that JSON calls white space. RFC 8259, section 2: no comments, no other
   Unicode spaces. */
static void ob_json_space(ob_json *j) {
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
        j->p++;
}

/* Kind of the value that comes: '{' '[' '"' '0' 't' 'n'; 0 at the end or after an error; any other
   character that stands there is given as it is. true and false are one kind, every number is
   another. Nothing is consumed but white space. */
static int ob_json_peek(ob_json *j) {
    char c;
    if (j->status != ONEBIT_OK) return 0;
    ob_json_space(j);
    if (j->p == j->end) return 0;
    c = *j->p;
    if (c == '-' || (c >= '0' && c <= '9')) return '0';
    return c == 'f' ? 't' : (uint8_t)c;
}

/* Fails because something else was expected here, and shows what stands there: a character when it
   prints, else its byte value. */
static void ob_json_expected(ob_json *j, const char *expected) {
    int c = ob_json_peek(j);
    if (c == 0) ob_json_error(j, "expected %s, the text ends", expected);
    else if (c > 32 && c < 127) ob_json_error(j, "expected %s, found '%c'", expected, *j->p);
    else ob_json_error(j, "expected %s, found byte %d", expected, c);
}

/* Steps over one character after white space: 1 = it was there. Otherwise nothing moves and no
   error is set: it is also a question. */
static int ob_json_take(ob_json *j, char c) {
    if (j->status != ONEBIT_OK) return 0;
    ob_json_space(j);
    if (j->p == j->end || *j->p != c) return 0;
    j->p++;
    return 1;
}

/* Goes one level down. Depth is counted only to be limited: whoever walks knows where it is. The
   limit keeps a file of a million brackets from being anything but an error. */
static void ob_json_enter(ob_json *j, char open, const char *expected) {
    if (!ob_json_take(j, open)) {
        ob_json_expected(j, expected);
        return;
    }
    if (j->depth == OB_JSON_DEPTH) ob_json_error(j, "nested deeper than %d", OB_JSON_DEPTH);
    j->depth++;
    j->fresh = 1;
}

/* Enter a container; then ask ob_json_key or ob_json_item until 0, and read or skip each value in
   between: for (ob_json_array(&j); ob_json_item(&j);) sum += ob_json_number(&j); */
static void ob_json_object(ob_json *j) { ob_json_enter(j, '{', "an object"); }
/* Steps into an array; anything else is an error. */
static void ob_json_array(ob_json *j) { ob_json_enter(j, '[', "an array"); }

/* The comma or the end of a container: 1 = a member follows. RFC 8259 has no trailing comma and
   none in front; fresh tells the first member from the others. */
static int ob_json_more(ob_json *j, char close) {
    if (j->status != ONEBIT_OK) return 0;
    if (ob_json_take(j, close)) {
        j->depth--;
        j->fresh = 0;
        return 0;
    }
    if (!j->fresh && !ob_json_take(j, ',')) {
        ob_json_expected(j, close == ']' ? "',' or ']'" : "',' or '}'");
        return 0;
    }
    j->fresh = 0;
    return 1;
}

/* 1 = positioned at the next item, 0 = the array ended or an error came. The check here refuses
   "[1,]", where a comma promised one more item. */
static int ob_json_item(ob_json *j) {
    if (!ob_json_more(j, ']')) return 0;
    if (ob_json_peek(j) == 0 || *j->p == ']') ob_json_expected(j, "a value");
    return j->status == ONEBIT_OK;
}

/* Value of a hexadecimal digit, or -1. */
static int ob_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Value of four hexadecimal digits at p, or -1. Both cases of letters, as RFC 8259 allows. */
static long ob_hex4(const char *p, const char *end) {
    long v = 0;
    int i;
    if (end - p < 4) return -1;
    for (i = 0; i < 4; i++) {
        int digit = ob_hex_digit(p[i]);
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* Length of the escape at p (at its backslash), 0 when it is none. RFC 8259, section 7, has nine:
   eight characters and \u with four digits. p[1] is tested because strchr also finds the
   terminator. */
static size_t ob_json_escape_length(const char *p, const char *end) {
    if (end - p < 2 || *p != '\\') return 0;
    if (p[1] == 'u') return ob_hex4(p + 2, end) < 0 ? 0 : 6;
    return p[1] && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
}

/* The inside of the quotes, as written; control characters and escapes are checked. Section 7
   again: bytes below 32 must be escaped; DEL and bytes that are not UTF-8 pass, the decoder is the
   one to judge those. Empty after an error. No copy: the slice points into the text. */
static ob_slice ob_json_raw_string(ob_json *j) {
    ob_slice s = {"", 0};
    const char *from;
    if (!ob_json_take(j, '"')) {
        ob_json_expected(j, "a string");
        return s;
    }
    for (from = j->p; j->p < j->end && *j->p != '"';) {
        size_t step = *j->p == '\\' ? ob_json_escape_length(j->p, j->end) : 1;
        if ((uint8_t)*j->p < 32) ob_json_error(j, "control character %d in a string", *j->p);
        if (step == 0) ob_json_error(j, "bad escape in a string");
        if (j->status != ONEBIT_OK) return s;
        j->p += step;
    }
    if (j->p == j->end) {
        ob_json_error(j, "a string does not end");
        return s;
    }
    return ob_slice_on(from, (size_t)(j->p++ - from));
}

/* Code point of the escape at p, with its low surrogate when one follows; *used is its length. A
   lone surrogate gives U+FFFD. That is what Unicode advises for text that cannot be represented; an
   error would refuse vocabularies that exist. The escape is known to be valid. */
static uint32_t ob_json_escape(const char *p, const char *end, size_t *used) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at;
    long high, low;
    *used = ob_json_escape_length(p, end);
    if (*used == 2) {
        at = strchr(from, p[1]);
        return (uint8_t)(at ? to[at - from] : p[1]);
    }
    high = ob_hex4(p + 2, end);
    if (high < 0xD800 || high >= 0xE000) return (uint32_t)high;
    low = high < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? ob_hex4(p + 8, end) : -1;
    if (low < 0xDC00 || low >= 0xE000) return 0xFFFD;
    *used = 12;
    return (uint32_t)(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
}

/* Decodes the inside of a string; length needed, as snprintf. A backslash that is no escape stays.
   The result is never longer than what was written: six bytes of \u make at most three, twelve make
   four. So raw.n + 1 bytes always suffice, and a pool can be sized from the raw text. */
static size_t ob_json_unescape(ob_slice raw, char *out, size_t size) {
    const char *p = raw.p, *end = raw.p + raw.n;
    ob_out text = ob_out_on(out, size);
    while (p < end) {
        const char *stop = p;
        char bytes[4];
        size_t used;
        while (stop < end && *stop != '\\') stop++;
        if (stop == p && ob_json_escape_length(p, end) == 0) stop++;
        ob_out_add(&text, p, (size_t)(stop - p));
        p = stop;
        if (p == end || ob_json_escape_length(p, end) == 0) continue;
        ob_out_add(&text, bytes, ob_utf8_encode(ob_json_escape(p, end, &used), bytes));
        p += used;
    }
    return text.n;
}

/* A string, decoded and terminated; its length. One that does not fit is an error unless size is 0.
   Cutting silently would turn one name into another. out may be NULL with size 0: only the
   length. */
static size_t ob_json_string(ob_json *j, char *out, size_t size) {
    ob_slice raw = ob_json_raw_string(j);
    size_t n = ob_json_unescape(raw, out, size);
    if (size > 0 && n >= size) {
        ob_json_error(j, "a string of %lu bytes, at most %lu fit here", (unsigned long)n,
                      (unsigned long)size - 1);
        out[0] = 0;
        return 0;
    }
    return n;
}

/* 1 = the next member's key (as written), positioned at its value; 0 = the object ended. An empty
   object has no key; "{,}" and "{"a":}" are refused. Keys stay escaped: our names need no escapes,
   so a key that uses one is simply unknown. */
static int ob_json_key(ob_json *j, ob_slice *key) {
    key->p = "";
    key->n = 0;
    if (!ob_json_more(j, '}')) return 0;
    if (ob_json_peek(j) != '"') {
        ob_json_expected(j, "a key in quotes");
        return 0;
    }
    *key = ob_json_raw_string(j);
    if (!ob_json_take(j, ':')) ob_json_expected(j, "':'");
    if (j->status == ONEBIT_OK && ob_json_peek(j) == 0) ob_json_expected(j, "a value");
    return j->status == ONEBIT_OK;
}

/* ---- numbers, independent of the locale ----
   strtod obeys the locale's decimal point, which another part of the program may have changed, so
   the scan collects plain digits and a power of ten. Most numbers in real files are short: they are
   finished with one exact multiplication or division. Only the rest needs strtod's long arithmetic,
   which then sees no decimal point at all. */

#define OB_DIGITS 800 /* more than the 767 that can decide a rounding of a double */

/* digits * 10^exponent, correctly rounded. Small cases are exact in double arithmetic (Clinger);
   the rest goes through strtod as "123e-45", which no locale can misread. digits has room for 16
   more. Exact means: up to 15 digits are below 2^53, powers of ten up to 10^22 are doubles, so the
   single operation is the only rounding. Digits have no leading zero, so with 10^401 any of them is
   infinite, and 800 of them times 10^-2001 is nothing. */
static double ob_decimal(char *digits, size_t n, int64_t exponent) {
    double v = 0;
    size_t i;
    if (n <= 15 && exponent >= -22 && exponent <= 22) {
        double power = 1;
        int64_t k;
        for (i = 0; i < n; i++) v = v * 10 + (digits[i] - '0');
        for (k = 0; k < exponent || k < -exponent; k++) power *= 10;
        return exponent < 0 ? v / power : v * power;
    }
    if (exponent > 400) return n ? HUGE_VAL : 0;
    if (exponent < -2000) return 0;
    ob_print(digits + n, 16, "e%d", (int)exponent);
    return strtod(digits, NULL);
}

/* Reads a JSON number at *p (RFC 8259, section 6), moves *p behind it: 1 = ok; 0 leaves *p. Values
   beyond double come out as infinity. Leading zeros are dropped and the point only moves the
   exponent. Digits beyond the buffer count through the exponent alone: they could matter only after
   800 digits that are exactly half way between two doubles. */
static int ob_number_scan(const char **p, const char *end, double *out) {
    char digits[OB_DIGITS + 16];
    const char *s = *p;
    size_t n = 0;
    int64_t exponent = 0, written = 0;
    int minus = s < end && *s == '-', dot = 0, down;
    s += minus;
    if (s == end || *s < '0' || *s > '9') return 0;
    /* "01" is no JSON number: it would be octal elsewhere */
    if (*s == '0' && end - s > 1 && s[1] >= '0' && s[1] <= '9') return 0;
    for (; s < end && ((*s >= '0' && *s <= '9') || (*s == '.' && !dot)); s++) {
        if (*s == '.') {
            dot = 1;
            if (end - s < 2 || s[1] < '0' || s[1] > '9') return 0;
            continue;
        }
        exponent -= dot;
        if (n == 0 && *s == '0') continue;
        if (n < OB_DIGITS) digits[n++] = *s;
        else exponent++;
    }
    if (s < end && (*s == 'e' || *s == 'E')) {
        s++;
        down = s < end && *s == '-';
        if (s < end && (*s == '-' || *s == '+')) s++;
        if (s == end || *s < '0' || *s > '9') return 0;
        for (; s < end && *s >= '0' && *s <= '9'; s++)
            /* enough to be infinite or 0, and safe from overflow */
            if (written < (int64_t)1 << 40) written = written * 10 + (*s - '0');
        exponent += down ? -written : written;
    }
    *p = s;
    *out = n ? ob_decimal(digits, n, exponent) : 0;
    if (minus) *out = -*out;
    return 1;
}

/* All of the text is one number that a double can hold: 1 = ok. For settings from a command line,
   where "12abc" or "1e999" must not pass. */
static int ob_number_parse(ob_slice text, double *out) {
    const char *p = text.p;
    return ob_number_scan(&p, text.p + text.n, out) && p == text.p + text.n &&
           fabs(*out) <= DBL_MAX;
}

/* A number that double can hold; one that is too large is an error, one too small is 0. Infinity in
   a settings file is a typing error, never a wish. The reader stays at the number then, so the
   message points at it. */
static double ob_json_number(ob_json *j) {
    double v = 0;
    const char *p;
    if (ob_json_peek(j) != '0') {
        ob_json_expected(j, "a number");
        return 0;
    }
    p = j->p;
    if (!ob_number_scan(&p, j->end, &v)) ob_json_error(j, "not a JSON number");
    else if (fabs(v) > DBL_MAX) ob_json_error(j, "a number beyond the range of double");
    if (j->status != ONEBIT_OK) return 0;
    j->p = p;
    return v;
}

/* A whole number of 64 bits, exactly; 3.0 and 1e3 are whole too while double holds them exactly.
   The digits are read a second time as an integer, because a double has only 53 bits and seeds and
   offsets have 64. JavaScript programs write 3.0 for 3. Anything else is an error. */
static int64_t ob_json_int(ob_json *j) {
    const char *from, *p;
    uint64_t v = 0, limit;
    double number;
    ob_json_space(j);
    from = j->p;
    number = ob_json_number(j);
    if (j->status != ONEBIT_OK) return 0;
    limit = (uint64_t)INT64_MAX + (*from == '-');
    for (p = from + (*from == '-'); p < j->p && *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (limit - digit) / 10) break;
        v = v * 10 + digit;
    }
    if (p == j->p) return *from == '-' ? (int64_t)(0 - v) : (int64_t)v;
    if (fabs(number) <= 9007199254740992.0 && floor(number) == number) return (int64_t)number;
    j->p = from;
    ob_json_error(j, "expected a whole number of 64 bits");
    return 0;
}

/* Steps over one of the three literal names; 1 = it was there. What follows needs no check here:
   "trueX" fails at the X, where a comma or an end is expected. */
static int ob_json_word(ob_json *j, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0) return 0;
    j->p += n;
    return 1;
}

/* true = 1, false = 0; anything else is an error and 0. Numbers are not taken for truth values. */
static int ob_json_bool(ob_json *j) {
    if (ob_json_peek(j) == 't') {
        if (ob_json_word(j, "true")) return 1;
        if (ob_json_word(j, "false")) return 0;
    }
    ob_json_expected(j, "true or false");
    return 0;
}

/* Steps over a value that holds no others. It is checked as strictly as if it were wanted, so a
   damaged file is found out even where we do not look. */
static void ob_json_skip_plain(ob_json *j, int kind) {
    if (kind == '"') ob_json_raw_string(j);
    else if (kind == '0') ob_json_number(j);
    else if (kind == 't') ob_json_bool(j);
    else if (kind != 'n' || !ob_json_word(j, "null")) ob_json_expected(j, "a value");
}

/* Steps over any value. One bit per level remembers objects, so nothing recurses and hostile
   nesting cannot exhaust the stack. Each turn reads one value; the inner loop then moves to the
   next member, or closes containers until one has a member left. */
static void ob_json_skip(ob_json *j) {
    uint64_t objects = 0;
    int level = 0; /* containers open in this value */
    do {
        int kind = ob_json_peek(j), inside = 0;
        if (kind == '{' || kind == '[') {
            objects = objects << 1 | (kind == '{');
            level++;
            if (kind == '{') ob_json_object(j);
            else ob_json_array(j);
        } else {
            ob_json_skip_plain(j, kind);
        }
        while (level && !inside && j->status == ONEBIT_OK) {
            ob_slice key;
            inside = objects & 1 ? ob_json_key(j, &key) : ob_json_item(j);
            if (inside) break;
            objects >>= 1;
            level--;
        }
    } while (level && j->status == ONEBIT_OK);
}

/* The text of any value, which is stepped over and known to be valid JSON. To be read later with a
   reader of its own; empty after an error. */
static ob_slice ob_json_raw(ob_json *j) {
    ob_slice s = {"", 0};
    const char *from;
    ob_json_space(j);
    from = j->p;
    ob_json_skip(j);
    if (j->status != ONEBIT_OK) return s;
    return ob_slice_on(from, (size_t)(j->p - from));
}

/* Only white space may follow (a second value may not); the status of the whole reading. Every
   complete text ends here. */
static onebit_status ob_json_end(ob_json *j) {
    ob_json_space(j);
    if (j->status == ONEBIT_OK && j->p != j->end) ob_json_expected(j, "the end of the text");
    return j->status;
}

/* ---- writing ----
   There is no writer object: braces and commas are plain text, only strings and numbers need
   care. */

/* A quoted, escaped string; bytes that are not UTF-8 become U+FFFD. So the output is always valid
   JSON, whatever was in a token or a path. "/" and letters beyond ASCII stay as they are, for
   people to read. */
static void ob_out_json(ob_out *out, const char *text, size_t n) {
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    ob_out_text(out, "\"");
    while (n) {
        uint32_t code;
        char bytes[4];
        size_t used = ob_utf8_decode(text, n, &code);
        const char *at = code && code < 128 ? strchr(plain, (int)code) : NULL;
        if (at) ob_out_format(out, "\\%c", letter[at - plain]);
        else if (code < 32) ob_out_format(out, "\\u%04x", (unsigned)code);
        else ob_out_add(out, bytes, ob_utf8_encode(code, bytes)); /* writes bad ones as U+FFFD */
        text += used;
        n -= used;
    }
    ob_out_text(out, "\"");
}

/* A number in the fewest digits that read back as the same double; JSON has no infinity: null. 17
   digits always suffice for a double, so the loop ends with a match; trying upwards gives 0.1 and
   not 0.10000000000000001. Up to 17 conversions each: for settings and logs, not for weights. */
static void ob_out_number(ob_out *out, double v) {
    char text[40];
    int digits;
    double back;
    if (!(fabs(v) <= DBL_MAX)) {
        ob_out_text(out, "null");
        return;
    }
    if (fabs(v) < 1e17 && floor(v) == v) { /* whole numbers without an exponent */
        ob_out_format(out, "%.0f", v);
        return;
    }
    for (digits = 1; digits <= 17; digits++) {
        ob_print(text, sizeof text, "%.*g", digits, v);
        if (ob_number_parse(ob_slice_of(text), &back) && back == v) break;
    }
    ob_out_text(out, text);
}

/* =================================================================================================
   4 >>gguf   GGUF files: the container that llama.cpp reads; keys, tensors, and a writer of keys.
   uses: base system json                                            used by: tokenizer format files
   ============================================================================================== */

/* Layout (ggml's docs/gguf.md, versions 2 and 3; all numbers little-endian):
     "GGUF", u32 version, u64 number of tensors, u64 number of keys
     keys      string key, u32 type, value
     tensors   string name, u32 rank, u64 dims[rank], u32 type, u64 offset in the data
     padding to general.alignment (32 when absent), then the data of the tensors
   A string is u64 length and bytes; an array is u32 type of its items, u64 count, the items. Bytes
   behind the last tensor are tolerated and counted as a hole. Nothing is copied but the tables:
   values and tensors point into the bytes, which must outlive the reader. */

#define OB_GGUF_KEYS_MAX    65536 /* real files have some dozens */
#define OB_GGUF_TENSORS_MAX 65536 /* and some hundreds of tensors */
#define OB_GGUF_KEY_BYTES   65535 /* the specification's bound */
#define OB_GGUF_ALIGNMENT   32    /* when a file does not say */

/* Types of values. */
enum {
    OB_GGUF_U8,
    OB_GGUF_I8,
    OB_GGUF_U16,
    OB_GGUF_I16,
    OB_GGUF_U32,
    OB_GGUF_I32,
    OB_GGUF_F32,
    OB_GGUF_BOOL,
    OB_GGUF_STRING,
    OB_GGUF_ARRAY,
    OB_GGUF_U64,
    OB_GGUF_I64,
    OB_GGUF_F64,
    OB_GGUF_VALUES
};

/* How the data of a tensor is laid out, as far as its size: rows * (row + dims[0] / weights *
   bytes) + tail. bytes 0: the size is not known, such a tensor takes all up to the next one. */
typedef struct ob_gguf_type {
    uint32_t id;
    const char *name;
    int weights, bytes; /* of one block along dims[0] */
    int row, tail;      /* bytes in front of each row, and behind the whole */
} ob_gguf_type;

#define OB_GGUF_Q2_0 42u /* two layouts share this id: see ob_gguf_settle */

/* ggml's ids and sizes (ggml.h, ggml-common.h); 36 to 38 of microsoft/BitNet; 134, 135, 335 of
   ik_llama.cpp, whose rows begin with their scale; 41, 42, 142, 143 of PrismML. 39 is TL2 in one
   of these houses and MXFP4 in another, so its size is left open; so is Q8_1's, which no file
   holds. */
static const ob_gguf_type ob_gguf_types[] = {
    {0, "F32", 1, 4, 0, 0},        {1, "F16", 1, 2, 0, 0},
    {2, "Q4_0", 32, 18, 0, 0},     {3, "Q4_1", 32, 20, 0, 0},
    {6, "Q5_0", 32, 22, 0, 0},     {7, "Q5_1", 32, 24, 0, 0},
    {8, "Q8_0", 32, 34, 0, 0},     {9, "Q8_1", 32, 0, 0, 0},
    {10, "Q2_K", 256, 84, 0, 0},   {11, "Q3_K", 256, 110, 0, 0},
    {12, "Q4_K", 256, 144, 0, 0},  {13, "Q5_K", 256, 176, 0, 0},
    {14, "Q6_K", 256, 210, 0, 0},  {15, "Q8_K", 256, 292, 0, 0},
    {16, "IQ2_XXS", 256, 66, 0, 0}, {17, "IQ2_XS", 256, 74, 0, 0},
    {18, "IQ3_XXS", 256, 98, 0, 0}, {19, "IQ1_S", 256, 50, 0, 0},
    {20, "IQ4_NL", 32, 18, 0, 0},  {21, "IQ3_S", 256, 110, 0, 0},
    {22, "IQ2_S", 256, 82, 0, 0},  {23, "IQ4_XS", 256, 136, 0, 0},
    {24, "I8", 1, 1, 0, 0},        {25, "I16", 1, 2, 0, 0},
    {26, "I32", 1, 4, 0, 0},       {27, "I64", 1, 8, 0, 0},
    {28, "F64", 1, 8, 0, 0},       {29, "IQ1_M", 256, 56, 0, 0},
    {30, "BF16", 1, 2, 0, 0},      {34, "TQ1_0", 256, 54, 0, 0},
    {35, "TQ2_0", 256, 66, 0, 0},  {36, "I2_S", 4, 1, 0, 32},
    {37, "I8_S", 1, 1, 0, 0},      {38, "TL1", 1, 0, 0, 0},
    {39, "TL2 or MXFP4", 1, 0, 0, 0}, {40, "NVFP4", 64, 36, 0, 0},
    {41, "Q1_0", 128, 18, 0, 0},   {OB_GGUF_Q2_0, "Q2_0", 64, 18, 0, 0},
    {OB_GGUF_Q2_0, "Q2_0 of 128", 128, 34, 0, 0},
    {134, "IQ1_BN", 64, 13, 2, 0}, {135, "IQ2_BN", 64, 16, 4, 0},
    {142, "PQ2_0", 128, 34, 0, 0}, {143, "PTQ1_0", 128, 28, 0, 0},
    {335, "IQ2_BN_R4", 64, 16, 4, 0},
};

/* One key and its value. p points at the value; for a string at its bytes, for an array at its
   first item. Numbers there need not be aligned. */
typedef struct ob_gguf_value {
    ob_slice key;
    uint32_t type, item; /* OB_GGUF_; item: of an array, else 0 */
    uint64_t count;      /* items of an array, bytes of a string, else 1 */
    const uint8_t *p;    /* bytes of them */
    size_t bytes;
} ob_gguf_value;

/* One tensor. dims[0] is the one whose weights stand side by side; dims beyond rank are 1. */
typedef struct ob_gguf_tensor {
    char name[128];
    const ob_gguf_type *type; /* NULL: an id that we do not know */
    uint32_t id;              /* of the type, as the file has it */
    int rank;                 /* 1..4 */
    uint64_t dims[4];
    uint64_t offset; /* in the data section */
    const uint8_t *data;
    uint64_t bytes;
} ob_gguf_tensor;

/* An open file. The lists are in file order; the sorted ones point into them. */
typedef struct ob_gguf {
    onebit_env env;
    const char *what; /* for messages; not owned */
    const uint8_t *p; /* the whole file; not owned */
    size_t bytes;
    uint32_t version;
    size_t alignment, data; /* where the data section begins */
    size_t value_count, tensor_count;
    ob_gguf_value *values;
    ob_gguf_tensor *tensors;
    const ob_gguf_value **by_key;
    const ob_gguf_tensor **by_name;
    size_t holes; /* places where more than padding belongs to no tensor */
    void *block;
} ob_gguf;

/* Bytes of one value of a type; 0 for strings, arrays and what is no type. */
static size_t ob_gguf_width(uint32_t type) {
    static const uint8_t width[OB_GGUF_VALUES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < OB_GGUF_VALUES ? width[type] : 0;
}

/* Rows of a type: the one with so many weights a block, or the first when weights is 0. */
static const ob_gguf_type *ob_gguf_type_find(uint32_t id, int weights) {
    size_t i;
    for (i = 0; i < sizeof ob_gguf_types / sizeof *ob_gguf_types; i++)
        if (ob_gguf_types[i].id == id && (!weights || ob_gguf_types[i].weights == weights))
            return &ob_gguf_types[i];
    return NULL;
}

/* 1 for UTF-8 without control characters: names that may stand in a message and be compared. */
static int ob_gguf_is_text(ob_slice s) {
    size_t at = 0;
    while (at < s.n) {
        uint32_t code;
        at += ob_utf8_decode(s.p + at, s.n - at, &code);
        if (code == OB_UTF8_BAD || code < 32 || (code >= 127 && code < 160)) return 0;
    }
    return 1;
}

/* A string in place. The length is compared with what remains as 64 bits, before it becomes a
   size_t; a longer one makes the reader bad. */
static ob_slice ob_gguf_read_string(ob_reader *r) {
    uint64_t n = ob_read64(r);
    const uint8_t *p;
    if (n > r->n - r->at) r->bad = 1;
    p = ob_read_bytes(r, r->bad ? 0 : (size_t)n);
    return ob_slice_on(p ? (const char *)p : "", p ? (size_t)n : 0);
}

/* The one message for whatever does not fit the bytes that are there. */
static onebit_status ob_gguf_cut(const ob_gguf *g, const char *where) {
    return ob_fail(ONEBIT_FORMAT, "%.120s: %s is longer than the %lu bytes of the file", g->what,
                   where, (unsigned long)g->bytes);
}

/* A bool is 0 or 1: another byte would be true for one reader and 255 for another. */
static onebit_status ob_gguf_check_bools(const ob_gguf *g, const ob_gguf_value *v) {
    size_t i;
    for (i = 0; i < v->bytes; i++)
        if (v->p[i] > 1)
            return ob_fail(ONEBIT_FORMAT, "%.120s: key '%.*s': a bool is %d, not 0 or 1", g->what,
                           (int)(v->key.n < 80 ? v->key.n : 80), v->key.p, (int)v->p[i]);
    return ONEBIT_OK;
}

/* The items of an array. The count is checked against the bytes that remain (a string takes at
   least its length's 8), so walking the strings costs no more than the file is long. */
static onebit_status ob_gguf_read_array(const ob_gguf *g, ob_reader *r, ob_gguf_value *v) {
    size_t width, at;
    uint64_t i;
    v->item = ob_read32(r);
    v->count = ob_read64(r);
    if (r->bad) return ob_gguf_cut(g, "the head of an array");
    width = v->item == OB_GGUF_STRING ? 8 : ob_gguf_width(v->item);
    if (!width)
        return ob_fail(v->item == OB_GGUF_ARRAY ? ONEBIT_UNSUPPORTED : ONEBIT_FORMAT,
                       "%.120s: key '%.*s' is an array of type %u: expected plain values or "
                       "strings",
                       g->what, (int)(v->key.n < 80 ? v->key.n : 80), v->key.p, v->item);
    if (v->count > (r->n - r->at) / width) return ob_gguf_cut(g, "an array");
    at = r->at;
    v->p = r->p + at;
    if (v->item != OB_GGUF_STRING) (void)ob_read_bytes(r, (size_t)v->count * width);
    else
        for (i = 0; i < v->count && !r->bad; i++) (void)ob_gguf_read_string(r);
    if (r->bad) return ob_gguf_cut(g, "a string of an array");
    v->bytes = r->at - at;
    return v->item == OB_GGUF_BOOL ? ob_gguf_check_bools(g, v) : ONEBIT_OK;
}

/* One key with its value, checked; v points into the file. */
static onebit_status ob_gguf_read_value(const ob_gguf *g, ob_reader *r, ob_gguf_value *v) {
    memset(v, 0, sizeof *v);
    v->key = ob_gguf_read_string(r);
    v->type = ob_read32(r);
    if (r->bad) return ob_gguf_cut(g, "a key");
    if (v->key.n == 0 || v->key.n > OB_GGUF_KEY_BYTES || !ob_gguf_is_text(v->key))
        return ob_fail(ONEBIT_FORMAT, "%.120s: a key of %lu bytes is empty, too long or no text",
                       g->what, (unsigned long)v->key.n);
    if (v->type == OB_GGUF_ARRAY) return ob_gguf_read_array(g, r, v);
    if (v->type == OB_GGUF_STRING) {
        ob_slice s = ob_gguf_read_string(r);
        v->p = (const uint8_t *)s.p;
        v->count = v->bytes = s.n;
    } else if (ob_gguf_width(v->type)) {
        v->count = 1;
        v->bytes = ob_gguf_width(v->type);
        v->p = ob_read_bytes(r, v->bytes);
    } else
        return ob_fail(ONEBIT_FORMAT, "%.120s: key '%.*s' has the unknown type %u", g->what,
                       (int)(v->key.n < 80 ? v->key.n : 80), v->key.p, v->type);
    if (r->bad) return ob_gguf_cut(g, "a value");
    return v->type == OB_GGUF_BOOL ? ob_gguf_check_bools(g, v) : ONEBIT_OK;
}

/* ---- numbers ----
   Files write one setting with different types; what fits is taken, the rest is "not there". */

/* Number i of an array, or the value of a plain key (i = 0), as its 64 bits; *minus: below 0. 0 =
   no integer there. */
static int ob_gguf_integer(const ob_gguf_value *v, uint64_t i, uint64_t *bits, int *minus) {
    uint32_t type = v->type == OB_GGUF_ARRAY ? v->item : v->type;
    size_t width = ob_gguf_width(type);
    const uint8_t *p;
    int wide;
    if (i >= v->count || !width || type == OB_GGUF_F32 || type == OB_GGUF_F64 ||
        type == OB_GGUF_BOOL)
        return 0;
    p = v->p + (size_t)i * width;
    *bits = width == 1 ? *p : width == 2 ? ob_get16(p) : width == 4 ? ob_get32(p) : ob_get64(p);
    wide = (int)width * 8;
    *minus = (type == OB_GGUF_I8 || type == OB_GGUF_I16 || type == OB_GGUF_I32 ||
              type == OB_GGUF_I64) &&
             *bits >> (wide - 1);
    if (*minus && wide < 64) *bits |= UINT64_MAX << wide; /* the sign goes on to the left */
    return 1;
}

/* A number that is not negative: 1 = it is there. */
static int ob_gguf_item_u64(const ob_gguf_value *v, uint64_t i, uint64_t *out) {
    uint64_t bits;
    int minus;
    if (!ob_gguf_integer(v, i, &bits, &minus) || minus) return 0;
    *out = bits;
    return 1;
}

/* Any number, as a double; integers beyond 2^53 are rounded. */
static int ob_gguf_item_f64(const ob_gguf_value *v, uint64_t i, double *out) {
    uint32_t type = v->type == OB_GGUF_ARRAY ? v->item : v->type;
    uint64_t bits;
    int minus;
    if (i >= v->count) return 0;
    if (type == OB_GGUF_F32) *out = ob_getf32(v->p + (size_t)i * 4);
    else if (type == OB_GGUF_F64) {
        bits = ob_get64(v->p + (size_t)i * 8);
        memcpy(out, &bits, sizeof *out);
    } else if (!ob_gguf_integer(v, i, &bits, &minus)) return 0;
    else *out = minus ? -(double)(0 - bits) : (double)bits;
    return 1;
}

/* ---- tensors: what their entry says, and where they lie ---- */

/* Bytes of a tensor whose type is known: 0 = its rows are no whole blocks. dims are at most 2^40
   in all and a block has at most 292 bytes, so nothing overflows 64 bits. */
static uint64_t ob_gguf_size(const ob_gguf_tensor *t, const ob_gguf_type *type) {
    uint64_t rows = t->dims[1] * t->dims[2] * t->dims[3];
    if (t->dims[0] % (uint64_t)type->weights) return 0;
    return rows * ((uint64_t)type->row +
                   t->dims[0] / (uint64_t)type->weights * (uint64_t)type->bytes) +
           (uint64_t)type->tail;
}

/* The shape: 1..4 dimensions, none 0, at most 2^40 weights, tested before each product. */
static onebit_status ob_gguf_read_shape(const ob_gguf *g, ob_reader *r, ob_gguf_tensor *t) {
    uint32_t rank = ob_read32(r), i;
    uint64_t left = (uint64_t)1 << 40;
    if (r->bad) return ob_gguf_cut(g, "a tensor's entry");
    if (rank < 1 || rank > 4)
        return ob_fail(ONEBIT_FORMAT, "%.120s: tensor '%.80s' has %u dimensions, not 1 to 4",
                       g->what, t->name, rank);
    t->rank = (int)rank;
    for (i = 0; i < 4; i++) t->dims[i] = i < rank ? ob_read64(r) : 1;
    if (r->bad) return ob_gguf_cut(g, "a tensor's shape");
    for (i = 0; i < 4; i++) {
        if (t->dims[i] == 0 || t->dims[i] > left)
            return ob_fail(ONEBIT_FORMAT,
                           "%.120s: tensor '%.80s': dimension %u is %llu: 0, or the shape is "
                           "beyond 2^40 weights",
                           g->what, t->name, i, (unsigned long long)t->dims[i]);
        left /= t->dims[i];
    }
    return ONEBIT_OK;
}

/* One tensor's entry. The size of a type is asked for here, so that a shape which its blocks do
   not divide is refused whether the tensor is used or not; where it lies comes later. */
static onebit_status ob_gguf_read_tensor(const ob_gguf *g, ob_reader *r, ob_gguf_tensor *t) {
    ob_slice name = ob_gguf_read_string(r);
    memset(t, 0, sizeof *t);
    if (r->bad) return ob_gguf_cut(g, "a tensor's name");
    if (name.n == 0 || name.n >= sizeof t->name || !ob_gguf_is_text(name))
        return ob_fail(ONEBIT_FORMAT,
                       "%.120s: a tensor name of %lu bytes: expected 1 to %d bytes of text",
                       g->what, (unsigned long)name.n, (int)sizeof t->name - 1);
    memcpy(t->name, name.p, name.n);
    OB_TRY(ob_gguf_read_shape(g, r, t));
    t->id = ob_read32(r);
    t->offset = ob_read64(r);
    if (r->bad) return ob_gguf_cut(g, "a tensor's entry");
    t->type = ob_gguf_type_find(t->id, 0);
    if (t->offset % g->alignment)
        return ob_fail(ONEBIT_FORMAT, "%.120s: tensor '%.80s': offset %llu is no multiple of %lu",
                       g->what, t->name, (unsigned long long)t->offset,
                       (unsigned long)g->alignment);
    if (t->type && t->dims[0] % (uint64_t)t->type->weights)
        return ob_fail(ONEBIT_FORMAT,
                       "%.120s: tensor '%.80s': rows of %llu are no whole blocks of %d (%s)",
                       g->what, t->name, (unsigned long long)t->dims[0], t->type->weights,
                       t->type->name);
    return ONEBIT_OK;
}

/* general.alignment, when v is that key. */
static onebit_status ob_gguf_align(ob_gguf *g, const ob_gguf_value *v) {
    uint64_t n;
    if (!ob_slice_is(v->key, "general.alignment")) return ONEBIT_OK;
    if (v->type == OB_GGUF_ARRAY || !ob_gguf_item_u64(v, 0, &n) || n < 8 || n > 65536 ||
        n & (n - 1))
        return ob_fail(ONEBIT_FORMAT,
                       "%.120s: general.alignment must be a power of two from 8 to 65536",
                       g->what);
    g->alignment = (size_t)n;
    return ONEBIT_OK;
}

/* Magic, version and counts. A big-endian file shows as a version whose bytes are turned round. */
static onebit_status ob_gguf_read_head(ob_gguf *g, ob_reader *r) {
    const uint8_t *magic = ob_read_bytes(r, 4);
    uint64_t tensors, keys;
    if (!magic || memcmp(magic, "GGUF", 4) != 0)
        return ob_fail(ONEBIT_FORMAT, "%.120s does not begin with GGUF", g->what);
    g->version = ob_read32(r);
    tensors = ob_read64(r);
    keys = ob_read64(r);
    if (r->bad) return ob_gguf_cut(g, "the head");
    if (g->version == 0x02000000u || g->version == 0x03000000u)
        return ob_fail(ONEBIT_UNSUPPORTED, "%.120s is a big-endian GGUF file: convert it", g->what);
    if (g->version != 2 && g->version != 3)
        return ob_fail(ONEBIT_UNSUPPORTED, "%.120s: GGUF version %u: expected 2 or 3", g->what,
                       g->version);
    /* the least that a key (string of one byte, type, one byte) and a tensor's entry take */
    if (keys > OB_GGUF_KEYS_MAX || keys > (r->n - r->at) / 14)
        return ob_fail(ONEBIT_FORMAT, "%.120s: %llu keys: more than %d or than the file holds",
                       g->what, (unsigned long long)keys, OB_GGUF_KEYS_MAX);
    if (tensors > OB_GGUF_TENSORS_MAX || tensors > (r->n - r->at) / 33)
        return ob_fail(ONEBIT_FORMAT, "%.120s: %llu tensors: more than %d or than the file holds",
                       g->what, (unsigned long long)tensors, OB_GGUF_TENSORS_MAX);
    g->value_count = (size_t)keys;
    g->tensor_count = (size_t)tensors;
    return ONEBIT_OK;
}

/* Walks keys and entries: the first time to check them, when there are no lists yet; then to fill
   the lists. Leaves the place of the data section. */
static onebit_status ob_gguf_walk(ob_gguf *g, ob_reader r) {
    ob_gguf_value value;
    ob_gguf_tensor tensor;
    size_t i;
    for (i = 0; i < g->value_count; i++) {
        ob_gguf_value *v = g->values ? &g->values[i] : &value;
        OB_TRY(ob_gguf_read_value(g, &r, v));
        OB_TRY(ob_gguf_align(g, v));
    }
    for (i = 0; i < g->tensor_count; i++)
        OB_TRY(ob_gguf_read_tensor(g, &r, g->tensors ? &g->tensors[i] : &tensor));
    g->data = ob_round_up(r.at, g->alignment);
    if (g->data > g->bytes && g->tensor_count)
        return ob_fail(ONEBIT_FORMAT, "%.120s ends before the data of its tensors", g->what);
    return ONEBIT_OK;
}

/* Order of two keys: bytes, then length. */
static int ob_gguf_key_order(ob_slice a, ob_slice b) {
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* For qsort over pointers to values. */
static int ob_gguf_by_key(const void *a, const void *b) {
    return ob_gguf_key_order((*(const ob_gguf_value *const *)a)->key,
                             (*(const ob_gguf_value *const *)b)->key);
}

/* For qsort over pointers to tensors. */
static int ob_gguf_by_name(const void *a, const void *b) {
    return strcmp((*(const ob_gguf_tensor *const *)a)->name,
                  (*(const ob_gguf_tensor *const *)b)->name);
}

/* For qsort over pointers to tensors. */
static int ob_gguf_by_offset(const void *a, const void *b) {
    uint64_t x = (*(const ob_gguf_tensor *const *)a)->offset;
    uint64_t y = (*(const ob_gguf_tensor *const *)b)->offset;
    return (x > y) - (x < y);
}

/* One block for all lists; the two of pointers begin in file order. */
static onebit_status ob_gguf_take(ob_gguf *g) {
    ob_carve carve = {NULL, 0};
    size_t i;
    int round;
    for (round = 0; round < 2; round++) {
        g->values = (ob_gguf_value *)ob_take_product(&carve, g->value_count, sizeof *g->values);
        g->tensors = (ob_gguf_tensor *)ob_take_product(&carve, g->tensor_count,
                                                       sizeof *g->tensors);
        g->by_key = (const ob_gguf_value **)ob_take_product(&carve, g->value_count,
                                                            sizeof *g->by_key);
        g->by_name = (const ob_gguf_tensor **)ob_take_product(&carve, g->tensor_count,
                                                              sizeof *g->by_name);
        if (round) break;
        g->block = ob_alloc(&g->env, ob_round_up(carve.used, 64) + 64);
        if (!g->block) return ob_fail(ONEBIT_MEMORY, "%.120s: no memory for its lists", g->what);
        carve.base = (uint8_t *)g->block;
        carve.used = 0;
    }
    for (i = 0; i < g->value_count; i++) g->by_key[i] = &g->values[i];
    for (i = 0; i < g->tensor_count; i++) g->by_name[i] = &g->tensors[i];
    return ONEBIT_OK;
}

/* Bytes from tensor i of by_name, sorted by offset, to the next one or the end. */
static uint64_t ob_gguf_gap(const ob_gguf *g, size_t i) {
    uint64_t end = g->bytes - g->data;
    if (i + 1 < g->tensor_count) end = g->by_name[i + 1]->offset;
    return end > g->by_name[i]->offset ? end - g->by_name[i]->offset : 0;
}

/* 1 when n bytes and their padding are just the gap; the file may end without the last padding. */
static int ob_gguf_fills(const ob_gguf *g, size_t i, uint64_t n) {
    uint64_t gap = ob_gguf_gap(g, i), rest = n % g->alignment;
    uint64_t padded = rest ? n + (g->alignment - rest) : n;
    return n > 0 && (gap == padded || (i + 1 == g->tensor_count && gap == n));
}

/* Q2_0 means blocks of 64 in ggml and blocks of 128 in PrismML's first files; only the space that
   the tensors have tells. A file has one of the two, so one tensor that fits just one decides for
   small ones that would fit both. by_name is sorted by offset here. */
static onebit_status ob_gguf_settle(ob_gguf *g) {
    static const int weights[2] = {64, 128};
    const ob_gguf_type *fit[2];
    size_t i;
    int k, all[2] = {1, 1}, some = 0;
    for (k = 0; k < 2; k++) fit[k] = ob_gguf_type_find(OB_GGUF_Q2_0, weights[k]);
    for (i = 0; i < g->tensor_count; i++) {
        const ob_gguf_tensor *t = g->by_name[i];
        if (t->id != OB_GGUF_Q2_0) continue;
        some = 1;
        for (k = 0; k < 2; k++) all[k] &= ob_gguf_fills(g, i, ob_gguf_size(t, fit[k]));
        if (!all[0] && !all[1])
            return ob_fail(ONEBIT_FORMAT,
                           "%.120s: tensor '%.80s' is Q2_0 and has %llu bytes: neither blocks of "
                           "64 nor of 128 weights fill them",
                           g->what, t->name, (unsigned long long)ob_gguf_gap(g, i));
    }
    if (some && all[0] && all[1])
        return ob_fail(ONEBIT_FORMAT, "%.120s: its Q2_0 tensors could have blocks of 64 or of 128",
                       g->what);
    for (i = 0; i < g->tensor_count; i++)
        if (g->tensors[i].id == OB_GGUF_Q2_0) g->tensors[i].type = fit[all[0] ? 0 : 1];
    return ONEBIT_OK;
}

/* Gives every tensor its bytes: inside the file and apart from the others. Sorted by offset, each
   must end before the next begins; what is left beyond padding is a hole, counted only. */
static onebit_status ob_gguf_place(ob_gguf *g) {
    const ob_gguf_tensor *last;
    size_t i;
    if (!g->tensor_count) return ONEBIT_OK;
    qsort((void *)g->by_name, g->tensor_count, sizeof *g->by_name, ob_gguf_by_offset);
    last = g->by_name[g->tensor_count - 1];
    if (last->offset >= g->bytes - g->data)
        return ob_fail(ONEBIT_FORMAT, "%.120s: tensor '%.80s' at offset %llu is behind the file",
                       g->what, last->name, (unsigned long long)last->offset);
    OB_TRY(ob_gguf_settle(g));
    g->holes = g->by_name[0]->offset > 0;
    for (i = 0; i < g->tensor_count; i++) {
        ob_gguf_tensor *t = &g->tensors[g->by_name[i] - g->tensors];
        uint64_t gap = ob_gguf_gap(g, i);
        t->bytes = t->type && t->type->bytes ? ob_gguf_size(t, t->type) : gap;
        if (gap == 0 || t->bytes > gap)
            return ob_fail(ONEBIT_FORMAT, "%.120s: tensor '%.80s' at offset %llu %s", g->what,
                           t->name, (unsigned long long)t->offset,
                           i + 1 < g->tensor_count ? "overlaps the next one"
                                                   : "ends behind the file");
        g->holes += gap - t->bytes >= g->alignment;
        t->data = g->p + g->data + (size_t)t->offset;
    }
    return ONEBIT_OK;
}

/* Sorts keys and names, no two of which may be equal. */
static onebit_status ob_gguf_unique(ob_gguf *g) {
    size_t i;
    if (g->value_count)
        qsort((void *)g->by_key, g->value_count, sizeof *g->by_key, ob_gguf_by_key);
    for (i = 1; i < g->value_count; i++)
        if (ob_slice_same(g->by_key[i - 1]->key, g->by_key[i]->key))
            return ob_fail(ONEBIT_FORMAT, "%.120s: the key '%.*s' stands there twice", g->what,
                           (int)(g->by_key[i]->key.n < 80 ? g->by_key[i]->key.n : 80),
                           g->by_key[i]->key.p);
    if (g->tensor_count)
        qsort((void *)g->by_name, g->tensor_count, sizeof *g->by_name, ob_gguf_by_name);
    for (i = 1; i < g->tensor_count; i++)
        if (strcmp(g->by_name[i - 1]->name, g->by_name[i]->name) == 0)
            return ob_fail(ONEBIT_FORMAT, "%.120s: two tensors are named '%.80s'", g->what,
                           g->by_name[i]->name);
    return ONEBIT_OK;
}

/* Gives the lists back; the file's bytes are the caller's. Fine on what failed to open. */
static void ob_gguf_close(ob_gguf *g) {
    if (g->block) ob_release(&g->env, g->block);
    memset(g, 0, sizeof *g);
}

/* Opens p[bytes], which may be hostile: everything but doubles and places is checked before the one
   allocation. what names the file in messages; it and the bytes must outlive g. On an error
   nothing is held. */
static onebit_status ob_gguf_read(ob_gguf *g, const uint8_t *p, size_t bytes, const char *what,
                                  const onebit_env *env) {
    ob_reader r = ob_reader_on(p, bytes);
    onebit_status status;
    memset(g, 0, sizeof *g);
    g->env = ob_env_or_default(env);
    g->what = what;
    g->p = p;
    g->bytes = bytes;
    g->alignment = OB_GGUF_ALIGNMENT;
    OB_TRY(ob_gguf_read_head(g, &r));
    OB_TRY(ob_gguf_walk(g, r));
    OB_TRY(ob_gguf_take(g));
    status = ob_gguf_walk(g, r);
    if (status == ONEBIT_OK) status = ob_gguf_place(g);
    if (status == ONEBIT_OK) status = ob_gguf_unique(g);
    if (status != ONEBIT_OK) ob_gguf_close(g);
    return status;
}

/* ---- look-ups: log n comparisons each ---- */

/* The value of a key, or NULL. */
static const ob_gguf_value *ob_gguf_find(const ob_gguf *g, const char *key) {
    ob_slice wanted = ob_slice_of(key);
    size_t low = 0, high = g->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ob_gguf_key_order(wanted, g->by_key[middle]->key);
        if (order == 0) return g->by_key[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

/* The tensor of a name, or NULL. */
OB_INLINE const ob_gguf_tensor *ob_gguf_tensor_find(const ob_gguf *g, const char *name) {
    size_t low = 0, high = g->tensor_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, g->by_name[middle]->name);
        if (order == 0) return g->by_name[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

/* Values of keys by their kind: 1 = there and of that kind, and *out is set; 0 leaves it. */
static int ob_gguf_u64(const ob_gguf *g, const char *key, uint64_t *out) {
    const ob_gguf_value *v = ob_gguf_find(g, key);
    return v && v->type != OB_GGUF_ARRAY && ob_gguf_item_u64(v, 0, out);
}

/* Any number. */
OB_INLINE int ob_gguf_f64(const ob_gguf *g, const char *key, double *out) {
    const ob_gguf_value *v = ob_gguf_find(g, key);
    return v && v->type != OB_GGUF_ARRAY && ob_gguf_item_f64(v, 0, out);
}

/* A truth value; numbers are none. */
static int ob_gguf_bool(const ob_gguf *g, const char *key, int *out) {
    const ob_gguf_value *v = ob_gguf_find(g, key);
    if (!v || v->type != OB_GGUF_BOOL) return 0;
    *out = v->p[0];
    return 1;
}

/* A text in place, not terminated; any bytes. */
static int ob_gguf_string(const ob_gguf *g, const char *key, ob_slice *out) {
    const ob_gguf_value *v = ob_gguf_find(g, key);
    if (!v || v->type != OB_GGUF_STRING) return 0;
    *out = ob_slice_on((const char *)v->p, v->bytes);
    return 1;
}

/* An array of this type of item under a key, or NULL. */
static const ob_gguf_value *ob_gguf_array(const ob_gguf *g, const char *key, uint32_t item) {
    const ob_gguf_value *v = ob_gguf_find(g, key);
    return v && v->type == OB_GGUF_ARRAY && v->item == item ? v : NULL;
}

/* Starts a walk over an array of strings: then ob_gguf_read_string gives v->count of them. */
static ob_reader ob_gguf_strings(const ob_gguf_value *v) { return ob_reader_on(v->p, v->bytes); }

/* ---- writing ----
   Into an ob_out, which counts first and writes when there is a place. The caller counts the keys
   and the tensors for the head. */

/* Numbers, little-endian. */
static void ob_gguf_put32(ob_out *o, uint32_t v) {
    uint8_t b[4];
    ob_put32(b, v);
    ob_out_add(o, b, sizeof b);
}

/* Eight bytes. */
static void ob_gguf_put64(ob_out *o, uint64_t v) {
    uint8_t b[8];
    ob_put64(b, v);
    ob_out_add(o, b, sizeof b);
}

/* A string: its length and its bytes. Also the items of an array of strings. */
static void ob_gguf_put_text(ob_out *o, ob_slice s) {
    ob_gguf_put64(o, s.n);
    ob_out_add(o, s.p, s.n);
}

/* The 24 bytes in front. */
OB_INLINE void ob_gguf_put_head(ob_out *o, uint64_t tensors, uint64_t keys) {
    ob_out_add(o, "GGUF", 4);
    ob_gguf_put32(o, 3);
    ob_gguf_put64(o, tensors);
    ob_gguf_put64(o, keys);
}

/* A key and the type of its value, which the caller adds. */
static void ob_gguf_put_key(ob_out *o, const char *key, uint32_t type) {
    ob_gguf_put_text(o, ob_slice_of(key));
    ob_gguf_put32(o, type);
}

/* A key whose value is a string. */
static void ob_gguf_put_string(ob_out *o, const char *key, ob_slice s) {
    ob_gguf_put_key(o, key, OB_GGUF_STRING);
    ob_gguf_put_text(o, s);
}

/* A key whose value is a u32, as nearly all counts and ids are. */
static void ob_gguf_put_u32(ob_out *o, const char *key, uint32_t v) {
    ob_gguf_put_key(o, key, OB_GGUF_U32);
    ob_gguf_put32(o, v);
}

/* A key whose value is a float. */
OB_INLINE void ob_gguf_put_f32(ob_out *o, const char *key, float v) {
    ob_gguf_put_key(o, key, OB_GGUF_F32);
    ob_gguf_put32(o, ob_float_bits(v));
}

/* A key whose value is a truth value. */
static void ob_gguf_put_bool(ob_out *o, const char *key, int v) {
    uint8_t byte = v != 0;
    ob_gguf_put_key(o, key, OB_GGUF_BOOL);
    ob_out_add(o, &byte, 1);
}

/* The head of an array; the caller adds its items with put32 or put_text. */
static void ob_gguf_put_array(ob_out *o, const char *key, uint32_t item, uint64_t count) {
    ob_gguf_put_key(o, key, OB_GGUF_ARRAY);
    ob_gguf_put32(o, item);
    ob_gguf_put64(o, count);
}

/* A tensor's entry; dims[0] is the contiguous one. offset counts from the data section. */
OB_INLINE void ob_gguf_put_tensor(ob_out *o, const char *name, int rank, const uint64_t *dims,
                                  uint32_t type, uint64_t offset) {
    int i;
    ob_gguf_put_text(o, ob_slice_of(name));
    ob_gguf_put32(o, (uint32_t)rank);
    for (i = 0; i < rank; i++) ob_gguf_put64(o, dims[i]);
    ob_gguf_put32(o, type);
    ob_gguf_put64(o, offset);
}

/* Zeros up to a multiple of the alignment, between head and data and behind each tensor. */
OB_INLINE void ob_gguf_put_padding(ob_out *o) {
    static const char zeros[OB_GGUF_ALIGNMENT] = {0};
    ob_out_add(o, zeros, (OB_GGUF_ALIGNMENT - o->n % OB_GGUF_ALIGNMENT) % OB_GGUF_ALIGNMENT);
}

/* =================================================================================================
   5 >>config   settings: defaults, names, JSON, checks, presets, all from the three field tables.
   uses: base json                     used by: tokenizer dataset ops model optim files session flow
   ============================================================================================== */

/* How a field is stored and read. The names end the words of the X-macro tables in >>api. */
typedef enum ob_field_kind {
    OB_KIND_INT,    /* int, whole numbers */
    OB_KIND_REAL,   /* double */
    OB_KIND_BOOL,   /* int, 0 or 1 */
    OB_KIND_CHOICE, /* int, index into the names in the help */
    OB_KIND_TEXT    /* char [ONEBIT_TEXT_MAX], terminated */
} ob_field_kind;

/* One row of a table as data. The X-macros in >>api give each setting once: struct field, default,
   bounds and help. Here the same rows become constants that code can walk, so that defaults, JSON,
   checks, command lines and --help cannot disagree, and a new setting is one new line. value_text
   is the default as the table spells it, text a TEXT's default, help one sentence. */
typedef struct ob_field {
    ob_field_kind kind;
    const char *kind_name, *name, *value_text, *text, *help;
    size_t at;               /* the field's place in its struct, bytes */
    double value, low, high; /* default and inclusive bounds; a double holds every int */
} ob_field;

/* A row's default is a number but for TEXT: each kind picks its own column. The other column is a
   constant that nothing reads; both must exist, because an initialiser cannot choose. OB_ROW then
   pastes the kind into these names. */
#define OB_NUMBER_INT(value)    (double)(value)
#define OB_NUMBER_REAL(value)   (double)(value)
#define OB_NUMBER_BOOL(value)   (double)(value)
#define OB_NUMBER_CHOICE(value) (double)(value)
#define OB_NUMBER_TEXT(value)   0.0
#define OB_WORDS_INT(value)     ""
#define OB_WORDS_REAL(value)    ""
#define OB_WORDS_BOOL(value)    ""
#define OB_WORDS_CHOICE(value)  ""
#define OB_WORDS_TEXT(value)    value
#define OB_ROW(type, kind, name, value, low, high, help)                                           \
    {OB_KIND_##kind,                                                                               \
     #kind,                                                                                        \
     #name,                                                                                        \
     #value,                                                                                       \
     OB_WORDS_##kind(value),                                                                       \
     help,                                                                                         \
     offsetof(type, name),                                                                         \
     OB_NUMBER_##kind(value),                                                                      \
     (double)(low),                                                                                \
     (double)(high)},
#define OB_MODEL_ROW(kind, name, value, low, high, help)                                           \
    OB_ROW(onebit_config, kind, name, value, low, high, help)
#define OB_TRAIN_ROW(kind, name, value, low, high, help)                                           \
    OB_ROW(onebit_train_options, kind, name, value, low, high, help)
#define OB_SAMPLE_ROW(kind, name, value, low, high, help)                                          \
    OB_ROW(onebit_sample_options, kind, name, value, low, high, help)

/* The three tables, in the order of their rows in >>api; that order is also the order of output. */
static const ob_field ob_model_fields[] = {ONEBIT_MODEL_FIELDS(OB_MODEL_ROW)};
static const ob_field ob_train_fields[] = {ONEBIT_TRAIN_FIELDS(OB_TRAIN_ROW)};
static const ob_field ob_sample_fields[] = {ONEBIT_SAMPLE_FIELDS(OB_SAMPLE_ROW)};

/* The rows of a table and how many; NULL and 0 when there is no such table. count is set in both
   cases, so a loop over an unknown table ends at once. */
static const ob_field *ob_fields_of(onebit_table table, int *count) {
    *count = 0;
    switch (table) {
    case ONEBIT_TABLE_MODEL:
        *count = (int)(sizeof ob_model_fields / sizeof *ob_model_fields);
        return ob_model_fields;
    case ONEBIT_TABLE_TRAIN:
        *count = (int)(sizeof ob_train_fields / sizeof *ob_train_fields);
        return ob_train_fields;
    case ONEBIT_TABLE_SAMPLE:
        *count = (int)(sizeof ob_sample_fields / sizeof *ob_sample_fields);
        return ob_sample_fields;
    default: return NULL;
    }
}

/* ---- a field's value as a number, and its place ----
   Every kind but TEXT passes through one double: bounds, defaults and JSON need one code path only.
   Each int is exact in a double, so nothing is lost on the way. */

/* Where a struct holds this field. */
static char *ob_field_place(const ob_field *f, void *object) { return (char *)object + f->at; }

/* INT, BOOL and CHOICE are int, REAL is double; memcpy because the place is only known by offset.
   TEXT has no number: do not ask. */
static double ob_field_get(const ob_field *f, const void *object) {
    const char *p = (const char *)object + f->at;
    double real;
    int whole;
    if (f->kind == OB_KIND_REAL) {
        memcpy(&real, p, sizeof real);
        return real;
    }
    memcpy(&whole, p, sizeof whole);
    return whole;
}

/* value is in range, and whole for the int kinds, so the conversion is exact; beyond int it would
   be undefined. ob_field_range comes first. */
static void ob_field_put(const ob_field *f, void *object, double value) {
    if (f->kind == OB_KIND_REAL) memcpy(ob_field_place(f, object), &value, sizeof value);
    else {
        int whole = (int)value;
        memcpy(ob_field_place(f, object), &whole, sizeof whole);
    }
}

/* Fails for a number outside its row's bounds, and names both. NaN fits nowhere. The comparison is
   written so that NaN fails it. Numbers are printed locale-free and short: 0.1, not 0.100000. */
static onebit_status ob_field_range(const ob_field *f, double value) {
    char text[3][40];
    double numbers[3];
    int i;
    if (value >= f->low && value <= f->high) return ONEBIT_OK;
    /* the value and both bounds go through one writer */
    numbers[0] = value, numbers[1] = f->low, numbers[2] = f->high;
    for (i = 0; i < 3; i++) {
        ob_out out = ob_out_on(text[i], sizeof text[i]);
        ob_out_number(&out, numbers[i]);
    }
    return ob_fail(ONEBIT_CONFIG, "%s is %s, expected %s..%s", f->name, text[0], text[1], text[2]);
}

/* Checks, then stores: ONEBIT_CONFIG leaves the object as it was. */
static onebit_status ob_field_assign(const ob_field *f, void *object, double value) {
    OB_TRY(ob_field_range(f, value));
    ob_field_put(f, object, value);
    return ONEBIT_OK;
}

/* Writes every default into a zeroed object. Texts need the zeros: only the characters and one
   terminator are copied. */
static void ob_fields_default(onebit_table table, void *object) {
    int i, n;
    const ob_field *rows = ob_fields_of(table, &n);
    for (i = 0; i < n; i++) {
        if (rows[i].kind != OB_KIND_TEXT) ob_field_put(rows + i, object, rows[i].value);
        else memcpy(ob_field_place(rows + i, object), rows[i].text, strlen(rows[i].text) + 1);
    }
}

/* ---- choices: the help column starts with "a|b|c:" ----
   So the order of the names in the help is their numbering: what a user reads is what code
   parses. */

/* Option number index of a CHOICE; empty past the last. Not terminated: it points into the help. */
static ob_slice ob_choice(const ob_field *f, int index) {
    ob_slice s = {f->help, 0};
    while (index > 0 && *s.p != ':') index -= *s.p++ == '|';
    if (*s.p != ':') s.n = strcspn(s.p, "|:");
    return s;
}

/* Index of a CHOICE by name; ONEBIT_CONFIG lists the names. The row's upper bound is the last
   index. */
static onebit_status ob_choice_assign(const ob_field *f, void *object, const char *name) {
    int i;
    for (i = 0; i <= (int)f->high; i++) {
        if (!ob_slice_is(ob_choice(f, i), name)) continue;
        ob_field_put(f, object, i);
        return ONEBIT_OK;
    }
    return ob_fail(ONEBIT_CONFIG, "%s is '%.40s', expected %.*s", f->name, name,
                   (int)strcspn(f->help, ":"), f->help);
}

/* ---- modes ----
   A mode says how one part of the model stores its weights: embedding, each block, head. */

/* By number, because a byte of a damaged map need not be a value of the enum. */
static const char *ob_mode_text(int mode) {
    static const char *const names[] = {"f32", "f16", "8bit", "ternary", "binary"};
    return mode >= 0 && mode < ONEBIT_MODE_COUNT ? names[mode] : "unknown";
}

/* Never NULL. */
const char *onebit_mode_name(onebit_mode mode) { return ob_mode_text((int)mode); }

/* "eightbit" is how older config files write 8bit. -1 for NULL or an unknown name. */
int onebit_mode_parse(const char *name) {
    int i;
    if (!name) return -1;
    if (strcmp(name, "eightbit") == 0) return ONEBIT_8BIT;
    for (i = 0; i < ONEBIT_MODE_COUNT; i++)
        if (strcmp(name, ob_mode_text(i)) == 0) return i;
    return -1;
}

/* The mode that a name means, into one byte of a map. where is the entry's name for the message;
   ONEBIT_CONFIG leaves *mode. */
static onebit_status ob_mode_assign(uint8_t *mode, const char *where, const char *name) {
    int parsed = onebit_mode_parse(name);
    if (parsed < 0)
        return ob_fail(ONEBIT_CONFIG, "%s is '%.40s', expected f32, f16, 8bit, ternary or binary",
                       where, name);
    *mode = (uint8_t)parsed;
    return ONEBIT_OK;
}

/* Every block in the mode that use_ternary names; all entries, so that blocks added later have
   it. */
static void ob_config_fill_modes(onebit_config *c) {
    memset(c->layer_modes, c->use_ternary ? ONEBIT_TERNARY : ONEBIT_BINARY, sizeof c->layer_modes);
}

/* ---- defaults ----
   Filled from the rows; only what has no row (the map of modes) is set by hand. */

/* Zeroed first: unused bytes are defined, so that settings may be compared with memcmp. Embedding
   and head keep f16: BitNet b1.58 (Ma et al. 2024) makes only the blocks ternary. */
onebit_config onebit_config_default(void) {
    onebit_config c;
    memset(&c, 0, sizeof c);
    ob_fields_default(ONEBIT_TABLE_MODEL, &c);
    ob_config_fill_modes(&c);
    c.embedding_mode = c.head_mode = ONEBIT_F16;
    return c;
}

/* Zeroed for the same reason; options are part of a checkpoint. */
onebit_train_options onebit_train_options_default(void) {
    onebit_train_options o;
    memset(&o, 0, sizeof o);
    ob_fields_default(ONEBIT_TABLE_TRAIN, &o);
    return o;
}

onebit_sample_options onebit_sample_options_default(void) {
    onebit_sample_options o;
    memset(&o, 0, sizeof o);
    ob_fields_default(ONEBIT_TABLE_SAMPLE, &o);
    return o;
}

/* Effective FFN activation: 0 SiLU, 1 squared ReLU, 2 ReLU. use_relu2 is the older switch, kept for
   files that have it; it wins over the choice. */
static int ob_activation(const onebit_config *c) { return c->use_relu2 ? 1 : c->activation; }

/* ---- names ----
   What programs need to build a command line or a form from the tables, and help for a mistyped
   name. */

/* A CHOICE's option as a terminated constant: the help holds it unterminated. All options of all
   tables stand here, so the answer needs no memory and no buffer; "?" would mean that a new one was
   forgotten. */
static const char *ob_choice_text(ob_slice option) {
    static const char *const known[] = {"silu",   "relu2",     "relu",    "adamw",     "muon",
                                        "cosine", "linear",    "none",    "wsd",       "two-stage",
                                        "absmean", "absmedian", "?"};
    size_t i = 0;
    while (i + 1 < sizeof known / sizeof *known && !ob_slice_is(option, known[i])) i++;
    return known[i];
}

/* A row as the caller sees it; every string is a constant. index counts from 0; ONEBIT_USAGE past
   the last row, so a caller may loop until it fails. */
onebit_status onebit_field(onebit_table table, int index, onebit_field_info *out) {
    int count;
    const ob_field *f = ob_fields_of(table, &count);
    if (!out || index < 0 || index >= count)
        return ob_fail(ONEBIT_USAGE, "table %d has no row %d", (int)table, index);
    f += index;
    out->name = f->name;
    out->kind = f->kind_name;
    out->help = f->help;
    out->low = f->low;
    out->high = f->high;
    out->default_text = f->kind == OB_KIND_TEXT     ? f->text
                        : f->kind == OB_KIND_CHOICE ? ob_choice_text(ob_choice(f, (int)f->value))
                        : f->kind != OB_KIND_BOOL   ? f->value_text
                        : f->value != 0             ? "true"
                                                    : "false";
    return ONEBIT_OK;
}

#define OB_NAME_MAX 64 /* longer than any setting's name */

/* Edits that turn one word into another: insert, delete, replace (Levenshtein); words below 64
   bytes. One row of the usual table is kept: row[j] is the distance between the first i letters of
   a and the first j of b, diagonal the entry up and to the left. */
static int ob_edit_distance(const char *a, const char *b) {
    int row[OB_NAME_MAX], i, j, n = (int)strlen(b);
    for (j = 0; j <= n; j++) row[j] = j;
    for (i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (j = 1; j <= n; j++) {
            /* replace (free when equal), delete, insert: the cheapest */
            int least = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < least) least = row[j] + 1;
            if (row[j - 1] + 1 < least) least = row[j - 1] + 1;
            row[j] = least;
        }
    }
    return row[n];
}

/* Names that the model table takes besides its rows. They belong to the map of modes, which is no
   scalar field. */
static const char *const ob_map_names[] = {"layer_bit_map", "embedding", "lm_head"};

/* Settings of Hugging Face's config.json under other names, and what they are here. */
#define OB_OTHER_NAMES 12
static const char *const ob_other_names[OB_OTHER_NAMES][2] = {
    {"num_hidden_layers", "num_layers"},
    {"num_attention_heads", "num_heads"},
    {"max_position_embeddings", "max_seq_len"},
    {"rms_norm_eps", "layer_norm_eps"},
    {"hidden_act", "activation (silu, relu2 or relu)"},
    {"input_bits", "activation_bits"},
    {"weight_bits", "layer_bit_map (ternary, binary, 8bit, f16 or f32)"},
    {"quantization_config", "layer_bit_map, activation_bits and what goes with them"},
    {"rope_scaling", "rope_theta; scaled positions do not exist"},
    {"attention_bias", "absent: linear layers have no biases"},
    {"initializer_range", "0.02, always"},
    {"architectures", "absent: a config.json of Hugging Face has other names; leave out what says "
                      "nothing of the shape"}};

/* Fails for a name that no row has, with the nearest one when it looks like a typo. Two edits are
   allowed, one more for each six letters: further away a suggestion only confuses. A name too long
   for the table of edits gets none. */
static onebit_status ob_field_unknown(onebit_table table, const char *name) {
    int i, count, extra = table == ONEBIT_TABLE_MODEL ? 3 : 0, best = OB_NAME_MAX;
    const ob_field *rows = ob_fields_of(table, &count);
    const char *nearest = NULL;
    for (i = 0; table == ONEBIT_TABLE_MODEL && i < OB_OTHER_NAMES; i++)
        if (strcmp(ob_other_names[i][0], name) == 0)
            return ob_fail(ONEBIT_CONFIG, "unknown setting '%.80s': here it is %s", name,
                           ob_other_names[i][1]);
    for (i = 0; strlen(name) < OB_NAME_MAX && i < count + extra; i++) {
        const char *candidate = i < count ? rows[i].name : ob_map_names[i - count];
        int distance = ob_edit_distance(name, candidate);
        if (distance < best) best = distance, nearest = candidate;
    }
    /* a far name is no typo but another setting */
    if (nearest && best <= 2 + (int)strlen(name) / 6)
        return ob_fail(ONEBIT_CONFIG, "unknown setting '%.80s'; did you mean '%s'?", name, nearest);
    return ob_fail(ONEBIT_CONFIG, "unknown setting '%.80s'", name);
}

/* The row of a name; NULL when there is none. Linear: tables are short and read once. Names are
   exact: case matters. */
static const ob_field *ob_field_find(onebit_table table, const char *name) {
    int i, count;
    const ob_field *rows = ob_fields_of(table, &count);
    for (i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0) return rows + i;
    return NULL;
}

/* ---- layer_bit_map ----
   Which part is stored in which mode. On a command line it is a mode or a list with commas, in JSON
   an object or the bare list. A list must have one entry per block: a shorter one is more often a
   mistake than a wish. Lists end in ob_map_take. */

/* Takes the modes that a list gives, once their number is right; blocks beyond follow use_ternary.
   modes holds min(count, ONEBIT_MAX_LAYERS) entries; the callers count on so that the message can
   tell the true number. */
static onebit_status ob_map_take(onebit_config *c, const uint8_t *modes, size_t count) {
    if (count != (size_t)c->num_layers || count > ONEBIT_MAX_LAYERS)
        return ob_fail(ONEBIT_CONFIG,
                       "layer_bit_map: layer_modes has %lu entries, but num_layers is %d",
                       (unsigned long)count, c->num_layers);
    ob_config_fill_modes(c);
    memcpy(c->layer_modes, modes, count);
    return ONEBIT_OK;
}

/* A mode, or a list of modes with commas, for all blocks. "ternary" or "8bit,ternary,ternary,8bit".
   A name is cut at 15 bytes, more than any mode has. */
static onebit_status ob_map_list(onebit_config *c, const char *text) {
    uint8_t modes[ONEBIT_MAX_LAYERS], mode = ONEBIT_TERNARY;
    size_t count = 0;
    int single = onebit_mode_parse(text);
    if (single >= 0) {
        memset(c->layer_modes, single, sizeof c->layer_modes);
        return ONEBIT_OK;
    }
    for (;; text++, count++) {
        char name[16];
        size_t n = strcspn(text, ",");
        ob_print(name, sizeof name, "%.*s", n < 15 ? (int)n : 15, text);
        OB_TRY(ob_mode_assign(&mode, "layer_bit_map", name));
        if (count < ONEBIT_MAX_LAYERS) modes[count] = mode;
        text += n;
        if (!*text) return ob_map_take(c, modes, count + 1);
    }
}

/* A mode in quotes. The reader's own error (not a string, too long) comes first. */
static onebit_status ob_map_mode(ob_json *j, uint8_t *mode, const char *where) {
    char name[40];
    ob_json_string(j, name, sizeof name);
    OB_TRY(j->status);
    return ob_mode_assign(mode, where, name);
}

/* [mode, ...], one per block. num_layers must be final by then; see ob_fields_read. */
static onebit_status ob_map_array(ob_json *j, onebit_config *c) {
    uint8_t modes[ONEBIT_MAX_LAYERS], mode = ONEBIT_TERNARY;
    char where[40];
    size_t count = 0;
    for (ob_json_array(j); ob_json_item(j); count++) {
        ob_print(where, sizeof where, "layer_modes[%lu]", (unsigned long)count);
        OB_TRY(ob_map_mode(j, &mode, where));
        if (count < ONEBIT_MAX_LAYERS) modes[count] = mode;
    }
    OB_TRY(j->status);
    return ob_map_take(c, modes, count);
}

/* {"embedding": m, "layer_modes": [m, ...], "lm_head": m}; a head not named is like the embedding.
   What is absent or null keeps its mode. Unknown keys are errors, here as everywhere: a misspelt
   one would silently train another model. */
static onebit_status ob_map_object(ob_json *j, onebit_config *c) {
    ob_slice key;
    int head = 0, embedding = 0;
    for (ob_json_object(j); ob_json_key(j, &key);) {
        if (ob_slice_is(key, "layer_modes")) OB_TRY(ob_map_array(j, c));
        else if (ob_json_peek(j) == 'n') ob_json_skip(j); /* null = absent */
        else if (ob_slice_is(key, "embedding")) {
            OB_TRY(ob_map_mode(j, &c->embedding_mode, "embedding"));
            embedding = 1;
        } else if (ob_slice_is(key, "lm_head")) {
            OB_TRY(ob_map_mode(j, &c->head_mode, "lm_head"));
            head = 1;
        } else {
            return ob_fail(ONEBIT_CONFIG, "layer_bit_map has no '%.*s', only %s",
                           key.n < 80 ? (int)key.n : 80, key.p, "embedding, layer_modes, lm_head");
        }
    }
    if (embedding && !head) c->head_mode = c->embedding_mode;
    return j->status;
}

/* layer_bit_map in JSON: an object, or the list alone. Nothing may follow it. what names the text
   in messages. */
static onebit_status ob_map_json(onebit_config *c, ob_slice text, const char *what) {
    ob_json j = ob_json_on(text.p, text.n, what);
    if (ob_json_peek(&j) == '[') OB_TRY(ob_map_array(&j, c));
    else OB_TRY(ob_map_object(&j, c));
    return ob_json_end(&j);
}

/* The three names beside the rows, from a command line. The map is changed as a whole or not at
   all: half of a list would be a model that nobody asked for. */
static onebit_status ob_map_set(onebit_config *c, const char *name, const char *value) {
    onebit_config copy = *c;
    if (strcmp(name, "embedding") == 0) return ob_mode_assign(&c->embedding_mode, name, value);
    if (strcmp(name, "lm_head") == 0) return ob_mode_assign(&c->head_mode, name, value);
    if (*value == '{' || *value == '[') OB_TRY(ob_map_json(&copy, ob_slice_of(value), name));
    else OB_TRY(ob_map_list(&copy, value));
    *c = copy;
    return ONEBIT_OK;
}

/* ---- setting one field from text ----
   The way of command lines: every flag is a row's name. The same bounds and names apply as in
   JSON. */

/* "true", "yes", "on", "1" and their opposites; -1 for anything else. Each no stands before its
   yes, so the lowest bit of the index is the answer. */
static int ob_bool_parse(const char *text) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    int i;
    for (i = 0; i < 8; i++)
        if (strcmp(text, words[i]) == 0) return i & 1;
    return -1;
}

/* INT and REAL; ".5" is taken too, as people write it on a command line. The JSON scan is used, not
   strtod: no hexadecimal, no "nan", no trailing letters, no locale. */
static onebit_status ob_field_number(const ob_field *f, void *object, const char *value) {
    char text[64];
    double number;
    size_t n = ob_print(text, sizeof text, "%s%s", *value == '.' ? "0" : "", value);
    if (n >= sizeof text || !ob_number_parse(ob_slice_on(text, n), &number))
        return ob_fail(ONEBIT_CONFIG, "%s is '%.40s', expected a number", f->name, value);
    if (f->kind == OB_KIND_INT && floor(number) != number)
        return ob_fail(ONEBIT_CONFIG, "%s is %.40s, expected a whole number", f->name, value);
    return ob_field_assign(f, object, number);
}

/* TEXT; escapes such as \n are decoded, as in JSON. A shell makes it hard to pass a line feed, and
   stop texts need one. The rest of the field is zeroed, so equal settings are equal bytes.
   ONEBIT_CONFIG when it does not fit. */
static onebit_status ob_field_text(const ob_field *f, void *object, const char *value) {
    char text[ONEBIT_TEXT_MAX];
    size_t n;
    memset(text, 0, sizeof text);
    n = ob_json_unescape(ob_slice_of(value), text, sizeof text);
    if (n >= sizeof text)
        return ob_fail(ONEBIT_CONFIG, "%s has %lu bytes, at most %d fit", f->name, (unsigned long)n,
                       ONEBIT_TEXT_MAX - 1);
    memcpy(ob_field_place(f, object), text, sizeof text);
    return ONEBIT_OK;
}

/* One setting from text, by its kind; ONEBIT_CONFIG names the setting and what was expected. */
static onebit_status ob_field_from_text(const ob_field *f, void *object, const char *value) {
    int truth;
    switch (f->kind) {
    case OB_KIND_TEXT: return ob_field_text(f, object, value);
    case OB_KIND_CHOICE: return ob_choice_assign(f, object, value);
    case OB_KIND_BOOL:
        truth = ob_bool_parse(value);
        if (truth >= 0) return ob_field_assign(f, object, truth);
        return ob_fail(ONEBIT_CONFIG, "%s is '%.40s', expected true or false", f->name, value);
    default: return ob_field_number(f, object, value);
    }
}

/* Dashes become underscores, the three map names go their own way, the rest by its row.
   "--batch-size" and "batch_size" are one name. Only the map and use_ternary touch more than one
   field: use_ternary resets the blocks, so a map must be given after it. */
onebit_status onebit_field_set(onebit_table table, void *object, const char *name,
                               const char *value) {
    char plain[OB_NAME_MAX];
    const ob_field *f;
    size_t i;
    if (!object || !name || !value)
        return ob_fail(ONEBIT_USAGE, "an object, name or value is NULL");
    for (i = 0; name[i] && i < sizeof plain - 1; i++) plain[i] = name[i] == '-' ? '_' : name[i];
    plain[i] = 0;
    for (i = 0; table == ONEBIT_TABLE_MODEL && i < 3; i++)
        if (strcmp(plain, ob_map_names[i]) == 0)
            return ob_map_set((onebit_config *)object, plain, value);
    f = ob_field_find(table, plain);
    if (!f) return ob_field_unknown(table, name);
    OB_TRY(ob_field_from_text(f, object, value));
    if (table == ONEBIT_TABLE_MODEL && strcmp(plain, "use_ternary") == 0)
        ob_config_fill_modes((onebit_config *)object);
    return ONEBIT_OK;
}

/* ---- JSON ----
   config.json and the settings inside other files. Reading is strict about names, kinds and bounds,
   and writing gives every row, so that a file documents itself. */

/* The value that a reader stands at, into one field. arenas_initial may be null: off. Older files
   have that. Kinds are strict: "8" in quotes is no number, 1 is no truth value. */
static onebit_status ob_field_from_json(const ob_field *f, void *object, ob_json *j) {
    char text[ONEBIT_TEXT_MAX];
    double number;
    if (ob_json_peek(j) == 'n' && strcmp(f->name, "arenas_initial") == 0) {
        ob_json_skip(j);
        OB_TRY(j->status);
        return ob_field_assign(f, object, 0);
    }
    switch (f->kind) {
    case OB_KIND_INT: number = (double)ob_json_int(j); break;
    case OB_KIND_REAL: number = ob_json_number(j); break;
    case OB_KIND_BOOL: number = ob_json_bool(j); break;
    default:
        memset(text, 0, sizeof text);
        ob_json_string(j, text, sizeof text);
        OB_TRY(j->status);
        if (f->kind == OB_KIND_CHOICE) return ob_choice_assign(f, object, text);
        memcpy(ob_field_place(f, object), text, sizeof text);
        return ONEBIT_OK;
    }
    OB_TRY(j->status);
    return ob_field_assign(f, object, number);
}

/* Reads an object of settings; object keeps what the text is silent about. The map is applied last:
   it needs the final num_layers and wins over use_ternary. After an error the object is half read.
   Callers therefore read into a copy. A key given twice: the last one counts. A file that speaks of
   use_relu2 but not of use_swiglu is from before there were gates: its FFN has two matrices. */
static onebit_status ob_fields_read(onebit_table table, void *object, ob_json *j) {
    ob_slice key, map = {NULL, 0};
    int body = 0, relu2 = 0, gate = 0;
    for (ob_json_object(j); ob_json_key(j, &key);) {
        char name[OB_NAME_MAX];
        const ob_field *f;
        ob_print(name, sizeof name, "%.*s", key.n < 63 ? (int)key.n : 63, key.p);
        if (table == ONEBIT_TABLE_MODEL && strcmp(name, "layer_bit_map") == 0) {
            /* only noted: num_layers may stand further down */
            int kind = ob_json_peek(j);
            map = ob_json_raw(j);
            if (kind == 'n') map.p = NULL;
            continue;
        }
        f = ob_field_find(table, name);
        if (!f) return ob_field_unknown(table, name);
        OB_TRY(ob_field_from_json(f, object, j));
        body |= table == ONEBIT_TABLE_MODEL && strcmp(name, "use_ternary") == 0;
        relu2 |= strcmp(name, "use_relu2") == 0;
        gate |= strcmp(name, "use_swiglu") == 0;
    }
    OB_TRY(j->status);
    if (relu2 && !gate) ((onebit_config *)object)->use_swiglu = 0;
    if (body) ob_config_fill_modes((onebit_config *)object);
    return map.p ? ob_map_json((onebit_config *)object, map, "layer_bit_map") : ONEBIT_OK;
}

/* Reads into a copy: after an error the caller's config is as it was. Fields that the text does not
   name keep the caller's values. Not checked against one another yet: that is
   onebit_config_check. */
onebit_status onebit_config_parse(onebit_config *out, const char *json, size_t bytes) {
    onebit_config copy;
    ob_json j = ob_json_on(json, bytes, "config.json");
    if (!out || !json) return ob_fail(ONEBIT_USAGE, "out or json is NULL");
    copy = *out;
    OB_TRY(ob_fields_read(ONEBIT_TABLE_MODEL, &copy, &j));
    OB_TRY(ob_json_end(&j));
    *out = copy;
    return ONEBIT_OK;
}

/* Writes the members of a table's object, one per line, without the braces around them. Values are
   written as they are, even out of range, so that a bad config can be looked at. Texts must be
   terminated. */
static void ob_fields_write(ob_out *out, onebit_table table, const void *object) {
    int i, count;
    const ob_field *f = ob_fields_of(table, &count);
    for (i = 0; i < count; i++, f++) {
        const char *text = (const char *)object + f->at;
        double value = f->kind == OB_KIND_TEXT ? 0 : ob_field_get(f, object);
        ob_slice s = {"", 0};
        if (f->kind == OB_KIND_CHOICE) s = ob_choice(f, (int)value);
        ob_out_format(out, "%s  \"%s\": ", i ? ",\n" : "", f->name);
        if (f->kind == OB_KIND_TEXT) ob_out_json(out, text, strlen(text));
        else if (f->kind == OB_KIND_CHOICE) ob_out_json(out, s.p, s.n);
        else if (f->kind == OB_KIND_BOOL) ob_out_text(out, value != 0 ? "true" : "false");
        else ob_out_number(out, value);
    }
}

/* The rows in table order, then the map; reading it back gives the same config. Length needed
   without terminator, as snprintf. The number of layers is bounded here because the config need not
   have been checked. */
size_t onebit_config_write(const onebit_config *config, char *out, size_t size) {
    ob_out text = ob_out_on(out, size);
    int i, layers;
    if (!config) return 0;
    layers = config->num_layers < ONEBIT_MAX_LAYERS ? config->num_layers : ONEBIT_MAX_LAYERS;
    ob_out_text(&text, "{\n");
    ob_fields_write(&text, ONEBIT_TABLE_MODEL, config);
    ob_out_format(&text, ",\n  \"layer_bit_map\": {\n    \"embedding\": \"%s\",\n",
                  ob_mode_text(config->embedding_mode));
    ob_out_text(&text, "    \"layer_modes\": [");
    for (i = 0; i < layers; i++)
        ob_out_format(&text, "%s\"%s\"", i ? ", " : "", ob_mode_text(config->layer_modes[i]));
    ob_out_format(&text, "],\n    \"lm_head\": \"%s\"\n  }\n}\n", ob_mode_text(config->head_mode));
    return text.n;
}

/* ---- checks ----
   A config that passed is safe to compute with: all sizes derived from it fit 64 bits, divisions
   are exact, modes exist. So the floors above check nothing again. */

/* Every field of an object within its bounds, texts terminated. Structs may come from user code or
   from damaged files. */
static onebit_status ob_fields_check(onebit_table table, const void *object) {
    int i, count;
    const ob_field *f = ob_fields_of(table, &count);
    for (i = 0; i < count; i++, f++) {
        if (f->kind != OB_KIND_TEXT) OB_TRY(ob_field_range(f, ob_field_get(f, object)));
        else if (!memchr((const char *)object + f->at, 0, ONEBIT_TEXT_MAX))
            return ob_fail(ONEBIT_CONFIG, "%s does not end within %d bytes", f->name,
                           ONEBIT_TEXT_MAX);
    }
    return ONEBIT_OK;
}

/* Heads, key/value heads and head width, derived where 0. Groups of num_heads / kv query heads
   share one key/value head (grouped-query attention, Ainslie et al. 2023); head_dim is even because
   rotary embeddings turn pairs of numbers. */
static onebit_status ob_config_check_heads(onebit_config *c) {
    int kv = c->num_key_value_heads ? c->num_key_value_heads : c->num_heads, d = c->head_dim;
    if (c->num_heads % kv)
        return ob_fail(ONEBIT_CONFIG,
                       "num_key_value_heads is %d, expected a divisor of num_heads %d", kv,
                       c->num_heads);
    if (!d) {
        if (c->hidden_size % c->num_heads)
            return ob_fail(ONEBIT_CONFIG, "hidden_size is %d, expected a multiple of num_heads %d",
                           c->hidden_size, c->num_heads);
        d = c->hidden_size / c->num_heads;
    }
    if (d % 2)
        return ob_fail(ONEBIT_CONFIG,
                       "head_dim is %d, expected an even width (hidden_size %d, "
                       "num_heads %d)",
                       d, c->hidden_size, c->num_heads);
    c->num_key_value_heads = kv;
    c->head_dim = d;
    /* a derived width obeys the row too, else a written config would not be read again */
    return ob_field_range(ob_field_find(ONEBIT_TABLE_MODEL, "head_dim"), d);
}

/* Every mode exists; a tied head is stored as the embedding, so it has its mode. The modes beyond
   num_layers are not looked at. */
static onebit_status ob_config_check_modes(onebit_config *c) {
    int i;
    for (i = 0; i < c->num_layers; i++)
        if (c->layer_modes[i] >= ONEBIT_MODE_COUNT)
            return ob_fail(ONEBIT_CONFIG, "layer_modes[%d] is %d, which is no mode", i,
                           c->layer_modes[i]);
    /* one matrix cannot have two modes */
    if (c->tie_word_embeddings) c->head_mode = c->embedding_mode;
    if (c->embedding_mode >= ONEBIT_MODE_COUNT || c->head_mode >= ONEBIT_MODE_COUNT)
        return ob_fail(ONEBIT_CONFIG, "the mode of embedding (%d) or lm_head (%d) is no mode",
                       c->embedding_mode, c->head_mode);
    return ONEBIT_OK;
}

/* Rows whose bounds allow more than the kernels know: inputs of 8 bits, 1 bit or float; groups that
   are whole packed words and divide a block of sums. */
static onebit_status ob_config_check_codes(const onebit_config *c) {
    int group = c->scale_group;
    if (c->activation_bits != 8 && c->activation_bits != 1 && c->activation_bits != 0)
        return ob_fail(ONEBIT_CONFIG, "activation_bits is %d, expected 8, 1 or 0",
                       c->activation_bits);
    if (group != 0 && group != 32 && group != 64 && group != 128 && group != 256)
        return ob_fail(ONEBIT_CONFIG, "scale_group is %d, expected 0, 32, 64, 128 or 256", group);
    return ONEBIT_OK;
}

/* Numbers in a model whose fields are in range and whose heads are derived. At most 2^48 within the
   bounds of the table, so 64 bits hold every product. Per block: q, k, v and output projections 2 D
   (q + k), the FFN's two or three matrices, two norms of width D; then the embedding, the head
   unless tied, and the last norm. */
static uint64_t ob_config_count(const onebit_config *c) {
    uint64_t D = (uint64_t)c->hidden_size, F = (uint64_t)c->intermediate_size;
    uint64_t d = (uint64_t)c->head_dim, q = (uint64_t)c->num_heads * d;
    uint64_t k = (uint64_t)c->num_key_value_heads * d, embedding = (uint64_t)c->vocab_size * D;
    /* letters as in the manual; k is the width of all keys, q of all queries */
    uint64_t block = 2 * D * (q + k) + (c->use_swiglu ? 3u : 2u) * D * F + 2 * D;
    if (c->use_qk_norm) block += 2 * d;
    if (c->use_sub_norm) block += q + F;
    return (c->tie_word_embeddings ? 1u : 2u) * embedding + (uint64_t)c->num_layers * block + D;
}

/* Works on a copy: a config that fails is as it was. 2^40 parameters bound every size that is
   computed from a config that passed. SIZE_MAX / 4: all of it as float must be addressable, which
   matters on 32-bit systems. */
onebit_status onebit_config_check(onebit_config *config) {
    onebit_config c;
    uint64_t numbers;
    if (!config) return ob_fail(ONEBIT_USAGE, "config is NULL");
    c = *config;
    OB_TRY(ob_fields_check(ONEBIT_TABLE_MODEL, &c));
    OB_TRY(ob_config_check_codes(&c));
    if (c.arenas_initial > 0 && c.arenas_warmup_steps >= c.arenas_anneal_steps)
        return ob_fail(ONEBIT_CONFIG,
                       "arenas_warmup_steps is %d, expected less than arenas_anneal_steps %d",
                       c.arenas_warmup_steps, c.arenas_anneal_steps);
    OB_TRY(ob_config_check_heads(&c));
    OB_TRY(ob_config_check_modes(&c));
    numbers = ob_config_count(&c);
    if (numbers >= (uint64_t)1 << 40 || numbers > SIZE_MAX / 4)
        return ob_fail(ONEBIT_CONFIG, "the model has %.3g parameters, too many for this version",
                       (double)numbers);
    *config = c;
    return ONEBIT_OK;
}

/* Numbers that are learnt; 0 when the config does not pass the check. The caller's config is not
   changed. */
size_t onebit_config_parameters(const onebit_config *config) {
    onebit_config c;
    if (!config) return 0;
    c = *config;
    return onebit_config_check(&c) == ONEBIT_OK ? (size_t)ob_config_count(&c) : 0;
}

/* ---- presets ----
   Sizes that work for a given amount of text, to start from. Small models keep the embedding in 8
   bits, where it would otherwise be a large part of the file. */

/* The fields of a config that change with size; more holds others, that are not the defaults. */
typedef struct ob_preset {
    const char *name;
    int hidden, layers, heads, ffn, context, vocab;
    onebit_mode embedding;
    size_t below;     /* "auto" takes the first whose bound is above the bytes of text */
    int float_ends;   /* 1 = the first and the last block are f16 */
    const char *more; /* settings "name=value name=value", or NULL */
} ob_preset;

/* What the settings files of this framework's predecessors have in common (OB_SEED), and those of
   their larger models (OB_STACK). Settings that a file leaves out have the value that its own
   program took then. Heads are tied; there was no gated FFN. */
#define OB_SEED                                                                                    \
    "use_swiglu=0 use_qk_norm=1 use_residual_scaling=1 use_dynamic_threshold=1 "                   \
    "latent_clamp_max=1.5 latent_clip_max_training=1.2 "
#define OB_STACK OB_SEED "use_relu2=1 ste_scale_factor=2 anneal_fraction=0.3"
#define OB_STACK_LATE OB_STACK " arenas_anneal_steps=20000"

/* First ours, from small to large; FFN width is about 8/3 of the width, in multiples of 32. Then
   the predecessors' published files by their names, whose sizes were rounded up a good deal: see
   onebit_config_parameters. */
static const ob_preset ob_presets[] = {
    {"nano", 128, 4, 4, 352, 128, 512, ONEBIT_8BIT, 200000, 0, NULL},
    {"tiny", 192, 4, 6, 512, 256, 1024, ONEBIT_8BIT, 4000000, 0, NULL},
    {"mini", 256, 6, 8, 704, 256, 2048, ONEBIT_8BIT, 40000000, 0, NULL},
    {"small", 384, 8, 6, 1024, 512, 4096, ONEBIT_8BIT, 400000000, 0, NULL},
    {"base", 512, 8, 8, 1536, 512, 8192, ONEBIT_F16, SIZE_MAX, 0, NULL},
    {"medium", 768, 12, 12, 2048, 1024, 16384, ONEBIT_F16, SIZE_MAX, 0, NULL},
    {"bitnet-256", 256, 6, 8, 1024, 512, 50257, ONEBIT_F16, SIZE_MAX, 0,
     "use_swiglu=0 use_relu2=1 arenas_initial=0.1"},
    {"bitnet-512", 512, 6, 8, 2048, 512, 50257, ONEBIT_F16, SIZE_MAX, 0,
     OB_STACK " arenas_initial=0.1"},
    {"wikitext", 512, 8, 8, 1536, 256, 50257, ONEBIT_F16, SIZE_MAX, 0,
     OB_SEED "use_ternary=0 anneal_fraction=0.2 arenas_initial=0.1 arenas_anneal_steps=5000"},
    {"wikitext2-production", 512, 6, 8, 2048, 256, 50257, ONEBIT_F16, SIZE_MAX, 0, OB_STACK},
    {"stack-0.3b", 1024, 16, 16, 2816, 1024, 50257, ONEBIT_F16, SIZE_MAX, 1, OB_STACK_LATE},
    {"stack-0.7b", 1536, 24, 24, 4096, 2048, 50257, ONEBIT_F16, SIZE_MAX, 1, OB_STACK_LATE},
    {"stack-1.3b", 2048, 24, 32, 5504, 2048, 50257, ONEBIT_F16, SIZE_MAX, 1, OB_STACK_LATE},
    {"gcp-8b", 4096, 32, 32, 14336, 4096, 128256, ONEBIT_F16, SIZE_MAX, 1, OB_STACK_LATE},
};

#define OB_PRESETS (sizeof ob_presets / sizeof *ob_presets)

/* For programs that list them; NULL past the last. */
ONEBIT_API const char *onebit_preset_name(int index) {
    return index >= 0 && (size_t)index < OB_PRESETS ? ob_presets[index].name : NULL;
}

/* The row of a name; NULL when there is none. For "auto" 0 bytes mean unknown: the usual small
   text, "tiny". Larger texts take a larger model, because a small one stops learning from them. */
static const ob_preset *ob_preset_find(const char *name, size_t text_bytes) {
    const ob_preset *p = ob_presets;
    size_t i;
    if (strcmp(name, "auto") == 0) {
        if (text_bytes == 0) return ob_presets + 1;
        while (p->below != SIZE_MAX && text_bytes >= p->below) p++;
        return p;
    }
    for (i = 0; i < OB_PRESETS; i++, p++)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

/* Sets "name=value name=value". */
static onebit_status ob_preset_more(onebit_config *out, const char *words) {
    char word[OB_NAME_MAX], *value;
    while (*words) {
        size_t n = strcspn(words, " ");
        ob_print(word, sizeof word, "%.*s", (int)n, words);
        value = strchr(word, '=');
        *value++ = 0;
        OB_TRY(onebit_field_set(ONEBIT_TABLE_MODEL, out, word, value));
        words += n + strspn(words + n, " ");
    }
    return ONEBIT_OK;
}

/* Derived fields stay 0, so that a caller may still change the width or the heads. text_bytes is
   only read for "auto". ONEBIT_CONFIG lists the names. */
onebit_status onebit_config_preset(onebit_config *out, const char *name, size_t text_bytes) {
    const ob_preset *p;
    char text[320];
    ob_out list = ob_out_on(text, sizeof text);
    size_t i;
    if (!out || !name) return ob_fail(ONEBIT_USAGE, "out or name is NULL");
    p = ob_preset_find(name, text_bytes);
    if (!p) {
        for (i = 0; i < OB_PRESETS; i++) ob_out_format(&list, "%s, ", ob_presets[i].name);
        return ob_fail(ONEBIT_CONFIG, "unknown preset '%.40s', expected %sauto", name, text);
    }
    *out = onebit_config_default();
    out->hidden_size = p->hidden, out->num_layers = p->layers, out->num_heads = p->heads;
    out->intermediate_size = p->ffn, out->max_seq_len = p->context, out->vocab_size = p->vocab;
    out->embedding_mode = out->head_mode = (uint8_t)p->embedding;
    if (p->more) OB_TRY(ob_preset_more(out, p->more));
    if (p->float_ends) out->layer_modes[0] = out->layer_modes[p->layers - 1] = ONEBIT_F16;
    return ONEBIT_OK;
}

/* =================================================================================================
   6 >>tokenizer   text <-> token ids: BPE over bytes (GPT-2) or characters (Llama 2), or none.
   uses: base system json                                        used by: dataset files session flow
   ============================================================================================== */

#define OB_END_TEXT    "<|endoftext|>" /* GPT-2's name for the end of a document */
#define OB_END_BYTES   (sizeof OB_END_TEXT - 1)
#define OB_VOCAB_MAX   (1 << 20)       /* ids; the same bound as vocab_size */
#define OB_MERGES_MAX  (1 << 24)       /* several merges may give one token, so more than ids */
#define OB_SHORT_WORD  64              /* symbols up to which a plain scan beats a heap */
#define OB_DERIVED_MAX 256             /* bytes of a piece that the packed form leaves out */
#define OB_NO_RANK     0xFFFFFFFFu     /* no merge: behind every rank */
#define OB_ENDS_MAX    24              /* tokens that end an answer: files name one to five */
#define OB_CHAT_MAX    (1 << 20)       /* bytes of a chat template: real ones have up to 20 kB */

/* Which characters are letters (L*), numbers (N*) and punctuation (P*), Unicode 16.0.0, by tools/unicode_ranges.py:
   lengths of the runs outside, inside, outside and so on, in base 26; upper-case letters go on, a
   lower-case one ends the number. Text keeps 1642 edges in 3 kB of source and needs no file. A
   newer Unicode would cut some words in another way, so it would change what tokenizers mean. */
#define OB_LETTER_EDGES 1354
static const char OB_LETTER_RUNS[] =
    "CnBagBaBvbkbebfxbBfbRqemofhbbbEzfbccebbgbbdbbbubDfbFjiGkbBmcbgBpCtBbeeBtBrBjcbDvbbpchckdcbqb"
    "bBeBdDllbyBhjcebfwebjbdbxzhlfybgrBqCgCcdbsbhkpqeicccwbhbbdedbqbncbdockbigeccwbhbcbcbcBfebbtd"
    "qjbdbwbhbcbfdbsbpcxblicccwbhbcbfdbBecbdpbrbbgddbedcbbbcdcdddmwbCaibdbxbqdbBadcbccBebeibdbxbk"
    "bfdbBfcbcpcrjbdbBpcbqbfdidygfsdybjbbchCgBwbcmhCgcbbbfbybbbkbcjbcfbbveBgbClibBkBbfElBrubqgeed"
    "bdchdenmbrBmbbfbcBrbMvbechbbbecBpbecBhbechbbbecpbCfbecCpBlqqDicgdXwcrbBafCxgihsntosonbdpCaBj"
    "bebCpDlhfcBibbfCskBfBxBecflBseBaCcxjCbDebDpBvriCcBenckBsBaBkBpdkBkclfBrcdBpebgbcdbfHkCmKscgc"
    "BmcgcibbbbbbbBfcCbbhbbddbhdecgenfdbhEmbnbqnDxbebckbbdfgbbbbbbeblceffebCacDZfIvgedcmBmbbfbcCe"
    "hbqxjhbhbhbhbhbhbhbhDcbSbcBqffceDigdbDmbefBrbDqrBgBwqTsJToCmBGUfCpBucKjdqkcuBvqBfcCsBxjcDzcC"
    "pccbbbivqbdbebxBdCaoByCkgdbbclBckxzBdhBvBcbqfbkkfbBpxdbiuxdbdBybbdccfcbbbydclhdmgcgcgjhbhbBr"
    "bogElBdQNsmxeBxMNcOccEcBmhmffbbkbnbfbbbcbcbEeBhNzsCmcCcBomEmfbFfBkBagBalDldgcgcgcdBjmbBabtbc"
    "bpcoBiEtOzBddBxBvBgnubigBmkBecBkeiBwGcsBkeBkeBoiCamlbpbhbcblbpbhbcdCamLzjwkiygbBqbjCrgcbbBsb"
    "cdbcxkxjBfCntbckwkBaCsCegcCmbpebdbBdBqBddBdBjibBcBbCckwktnsEgCvCdBznBznBkBmBcjxJqBqgcqdChBdk"
    "biwBqsBuvBbxmCbCfccbnBtBgzBaBkBdbcbiBjdbmBwoevbbbBjsbztcClhbbbebpbkhBvBmicccwbhbcbfdbsbmfBek"
    "bbcbbBmbbzbbbBsCbseudBeBwucbbHcBvBpeBkBwubChBrnbCtBbBlhHdBsEmCmBficbcibcbypbbbDqicBnqbbbBcbk"
    "BohbvblButbsCvHrBhBfjbBlrbBxBeEihbcbBmvbzgbcbBgobMptpbbnbBiEubDbBJmIwHoDXkDtpBPgrgzFXrfWlKDd"
    "BeCPuVxhBfrDbrBesBwqeBfvftQqBtIdCmEyCxfbConCmcbbBcJCaiBVqBpkNFrebhbcbLfpbBddcboeiPgDKuEdfndj"
    "hkIWkDhbCtbccbcccebmbbbhbCnbecibhbBcbebfbbdhbNcczbzbBfbzbBfbzbBfbzbBfbzbiCSyBfggKbCkFqBtkhqb"
    "MjBesBsSqBcIuBecbTbhbebcbpbHpChCqhbBUiebBbbcbbcbbkbebbbbgbebbbbbbdbcbbcbbbbbbbbbbcbbcebhbebe"
    "bbbkbrfdbfbrGOaCLFcBgGDugIocINqoLBlpXyDQwUwCFyHHzfGFg";
#define OB_NUMBER_EDGES 288
static const char OB_NUMBER_RUNS[] =
    "BwkEqcfbcdCDlkFekHqkPwkEokegEekEokEokcgEgnElkihDzkEahhtEfkDskEokCsuKikCskBBruBHxdJfkgkwkLokE"
    "ylGjkgkHakDikFekgkBOgbdggkHqBzcfBByCiDawYgBeCBhbBDxbzjodNfeFikBeibpBgkBnpBRSakHgkMigFykBmkHq"
    "kwkDikPqkBFMckSzBtmCfrcNdBbBkeBdbibFefHukBKgizhBnjCxfwgGeccqcBuCmjCacBedCxfEaiyiBphMsgBwkgkK"
    "sBfGckBqeEihFeBeEykCikFokhuJrkNekEokOkkDykguCymQetDpkZmkDiBdItkCskQgkDyvBPbEhXAfkDMckDikFekb"
    "hUgkKcxBJSzkCEwumuEezBQrByDNckQgkTikJnkBBojEykBElChbdbeCyBtbpBLanEDfk";
#define OB_PUNCT_EDGES 396
static const char OB_PUNCT_RUNS[] =
    "BhdbgbekcdcBadbbBbbbbBjbfbdbkcdbdbBBabibRygBpcBzbbbcbcbBscucbcnbbdCweDybBroIzdCcpBfbKbckbFkb"
    "EqbErbPabmbOdbDmbkcGmpbbBleCtbCwfecEhgGpbXojFvbXxbBscDadCtcGbdbdBllMbcIicEyhbgGeckhBcdEueChf"
    "CkcCmilbBFwyiubnbmBecocYjeBdcBPtoDbcBfkPnwCleBgcBDjebcEibFnBvbBgcmQddekcmqbmbDubDmbBRYgcKjdD"
    "vbkbElgOqeDicBodbbBxcBvbDtnqcEueEwcqcJpbBEUscIakwBjbobbebbcFtdbgbekcdcBadbbBbbbbbhPudZsbBwbP"
    "ybBCpbHrbBfbKmjBmbEihCohDleRxbMgbGlfBseHhhEfcbeEweBwcDbeebnbbdDkgEdbLmcbcEkfkcbbEabJqxEbdBcn"
    "CybFadJsbKedFzbDoiDfdbfDpkIhbDrfBqcYvcCwnGtbBRsfEJccWDvcFdbCnfibVgdLjeMpbBDBobLIlfEItbBHec";

/* What the pre-tokenizer tells apart. Bytes that are not UTF-8 are OTHER, like punctuation: broken
   text still encodes, and decodes to the same bytes. */
enum { OB_CHAR_OTHER, OB_CHAR_LETTER, OB_CHAR_NUMBER, OB_CHAR_SPACE };

/* The tables, unfolded: sorted code points where membership changes. 8 kB in each tokenizer, filled
   when it is made, because the library has no mutable globals. */
typedef struct ob_classes {
    uint32_t letters[OB_LETTER_EDGES], numbers[OB_NUMBER_EDGES], puncts[OB_PUNCT_EDGES];
    uint8_t ascii[128]; /* class of each, without a search */
} ob_classes;

/* The next number of a folded table. */
static uint32_t ob_runs_number(const char **runs) {
    uint32_t n = 0;
    for (; **runs && **runs < 'a'; ++*runs) n = n * 26 + (uint32_t)(**runs - 'A');
    return n * 26 + (uint32_t)(*(*runs)++ - 'a');
}

/* Unfolds run lengths into code points; edges has room for as many as the text has lower-case
   letters. */
static void ob_runs_unfold(uint32_t *edges, const char *runs) {
    uint32_t code = 0;
    while (*runs) *edges++ = code += ob_runs_number(&runs);
}

/* Number of edges at or below code. At most 11 steps. */
static int ob_runs_below(const uint32_t *edges, int count, uint32_t code) {
    int low = 0, high = count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (edges[middle] <= code) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Unicode's White_Space, which is what \s of the expression below means (PropList.txt; 25 of
   them). */
static int ob_is_space(uint32_t c) {
    if (c < 128) return c == 32 || (c >= 9 && c <= 13);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Class of a code point, by the tables alone. Private use, unassigned code points and combining
   marks (M*) are OTHER, as in GPT-2's expression. */
static int ob_class_of(const ob_classes *k, uint32_t code) {
    if (code == OB_UTF8_BAD) return OB_CHAR_OTHER;
    if (ob_is_space(code)) return OB_CHAR_SPACE;
    /* inside a run when the number of edges passed is odd */
    if (ob_runs_below(k->letters, OB_LETTER_EDGES, code) & 1) return OB_CHAR_LETTER;
    return ob_runs_below(k->numbers, OB_NUMBER_EDGES, code) & 1 ? OB_CHAR_NUMBER : OB_CHAR_OTHER;
}

/* Unfolds the tables, and notes the classes of ASCII, which is most of any text. Costs
   microseconds. */
static void ob_classes_fill(ob_classes *k) {
    uint32_t c;
    ob_runs_unfold(k->letters, OB_LETTER_RUNS);
    ob_runs_unfold(k->numbers, OB_NUMBER_RUNS);
    ob_runs_unfold(k->puncts, OB_PUNCT_RUNS);
    for (c = 0; c < 128; c++) k->ascii[c] = (uint8_t)ob_class_of(k, c);
}

/* Class of the character at p[0..n), n > 0; *used is its length in bytes. Branches on ASCII first:
   this is called for every character of a corpus. */
static int ob_class_at(const ob_classes *k, const char *p, size_t n, size_t *used) {
    uint32_t code;
    *used = 1;
    if ((unsigned char)*p < 128) return k->ascii[(unsigned char)*p];
    *used = ob_utf8_decode(p, n, &code);
    return ob_class_of(k, code);
}

/* Bytes from the start of p that are all of one class: the "+" of the expression. */
static size_t ob_class_run(const ob_classes *k, int wanted, const char *p, size_t n) {
    size_t at = 0, used;
    while (at < n && ob_class_at(k, p + at, n - at, &used) == wanted) at += used;
    return at;
}

/* ---- pre-tokenizers: how text is cut into words ----
   Words never cross one another, so each is merged on its own and a text costs little more than the
   sum of its words. Files give an expression; there is no engine for those here, the known ones are
   recognised by their exact text and done by hand: one pass, no backtracking, since alternatives
   are told apart by one or two characters. */

/* What the expressions differ in. */
typedef struct ob_split {
    const char *pattern; /* as tokenizer.json writes it; NULL: none */
    size_t digits;       /* 0: " ?\p{N}+"; else so many numbers at most, without the space */
    int parted;          /* numbers were cut out before, so a text ends in front of one */
    int lines;           /* Llama 3's form: see ob_word_length */
    const char *const *steps; /* or several patterns, each applied to what the last one left */
} ob_split;

/* Rows of the table. NONE: the text is one word. SPACE: each space begins one (Metaspace). DIGIT
   and DIGITS are GPT-2's behind Hugging Face's stage Digits: each alone (StarCoder), or together.
   CODER is deepseek-coder's; PLAIN what llama.cpp does for a file that names no rule. */
enum {
    OB_SPLIT_NONE,
    OB_SPLIT_SPACE,
    OB_SPLIT_GPT2,
    OB_SPLIT_LLAMA3,
    OB_SPLIT_QWEN2,
    OB_SPLIT_DIGIT,
    OB_SPLIT_DIGITS,
    OB_SPLIT_CODER,
    OB_SPLIT_PLAIN,
    OB_SPLITS
};
#define OB_GPT2_PATTERN                                                                            \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define OB_LINES_PATTERN(numbers)                                                                  \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers                          \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* deepseek-coder's tokenizer.json; the fourth is U+4E00-9FA5, U+0800-4E00, U+AC00-D7FF. */
static const char *const ob_coder_steps[] = {
    "[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+", "\\p{N}",
    NULL};
static const char *const ob_plain_steps[] = {"[\\p{P}\\$\\+<=>\\^~\\|]+", OB_GPT2_PATTERN,
                                             "\\p{N}+", "[0-9][0-9][0-9]", NULL};
/* In the order of the enum. Rows without a pattern are made by other stages of a file. */
static const ob_split ob_splits[OB_SPLITS] = {
    {NULL, 0, 0, 0, NULL},
    {NULL, 0, 0, 0, NULL},
    {OB_GPT2_PATTERN, 0, 0, 0, NULL}, /* Radford et al. 2019 */
    {OB_LINES_PATTERN("\\p{N}{1,3}"), 3, 0, 1, NULL},
    {OB_LINES_PATTERN("\\p{N}"), 1, 0, 1, NULL},
    {NULL, 1, 1, 0, NULL},
    {NULL, SIZE_MAX, 1, 0, NULL},
    {NULL, 1, 0, 0, ob_coder_steps},
    {NULL, 0, 0, 0, ob_plain_steps},
};

/* Length of the English contraction at p ('s 't 're 've 'm 'll 'd), 0 when there is none. GPT-2's
   are lower case only: "DON'T" splits otherwise. any: any case, as Llama 3's; by Unicode's folding
   U+017F is an s then. */
static size_t ob_contraction(const char *p, size_t n, int any) {
    char a, b;
    if (n < 2 || p[0] != '\'') return 0;
    a = any ? (char)(p[1] | 32) : p[1];
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (n < 3) return 0;
    if (any && !memcmp(p + 1, "\xC5\xBF", 2)) return 3;
    b = any ? (char)(p[2] | 32) : p[2];
    if (b == 'e' && (a == 'r' || a == 'v')) return 3;
    return a == 'l' && b == 'l' ? 3 : 0;
}

/* White space at p: \s*[\r\n]+ in the form with lines; else all of it at the end of the text, else
   all but its last character, which goes with what follows, unless it is the only one. This is
   \s+(?!\S)|\s+ : an indented word keeps one space, the rest of the indent is its own word. */
static size_t ob_space_word(const ob_classes *k, const ob_split *s, const char *p, size_t n) {
    /* last: where the last character of the run so far begins; line: behind its last line end */
    size_t at = 0, last = 0, line = 0, used;
    int kind = OB_CHAR_SPACE;
    while (at < n && (kind = ob_class_at(k, p + at, n - at, &used)) == OB_CHAR_SPACE) {
        last = at;
        at += used;
        if (p[last] == '\n' || p[last] == '\r') line = at;
    }
    if (s->lines && line) return line;
    if (at == n || last == 0 || (s->parted && kind == OB_CHAR_NUMBER)) return at;
    return last;
}

/* Numbers at p, at most so many: \p{N}{1,3}. */
static size_t ob_number_word(const ob_classes *k, size_t most, const char *p, size_t n) {
    size_t at = 0, used;
    while (most-- && at < n && ob_class_at(k, p + at, n - at, &used) == OB_CHAR_NUMBER) at += used;
    return at;
}

/* Length of the first word of p[0..n), n > 0, by an expression of the table. Llama 3's form: any
   one character but a number or a line end may lead letters ("(word", "\tword"), and line ends
   stay with the signs or spaces in front of them. */
static size_t ob_word_length(const ob_classes *k, const ob_split *s, const char *p, size_t n) {
    size_t at = ob_contraction(p, n, s->lines), used, next;
    int kind;
    if (at) return at;
    kind = ob_class_at(k, p, n, &used);
    if (kind == OB_CHAR_NUMBER && s->digits) return ob_number_word(k, s->digits, p, n);
    if (s->lines && kind != OB_CHAR_NUMBER && *p != '\r' && *p != '\n' && used < n &&
        ob_class_at(k, p + used, n - used, &next) == OB_CHAR_LETTER)
        return used + ob_class_run(k, OB_CHAR_LETTER, p + used, n - used);
    /* " ?" of the expression: one space joins the run behind it, but no numbers that stand alone */
    at = p[0] == ' ' && n > 1;
    if (at) kind = ob_class_at(k, p + 1, n - 1, &used);
    if (kind == OB_CHAR_SPACE || (kind == OB_CHAR_NUMBER && s->digits))
        return ob_space_word(k, s, p, n);
    at += used;
    at += ob_class_run(k, kind, p + at, n - at);
    if (s->lines && kind == OB_CHAR_OTHER)
        while (at < n && (p[at] == '\r' || p[at] == '\n')) at++;
    return at;
}

/* Classes that only the two rules below tell apart. */
enum { OB_CHAR_PUNCT = OB_CHAR_SPACE + 1, OB_CHAR_LINE };

/* As ob_class_at, with punctuation (P*) and line ends for themselves; *wide: the character is in
   the ranges of deepseek-coder's fourth pattern. */
static int ob_fine_class(const ob_classes *k, const char *p, size_t n, size_t *used, int *wide) {
    uint32_t c;
    int kind = ob_class_at(k, p, n, used);
    (void)ob_utf8_decode(p, n, &c);
    *wide = c != OB_UTF8_BAD && ((c >= 0x800 && c <= 0x9FA5) || (c >= 0xAC00 && c <= 0xD7FF));
    if (c == '\r' || c == '\n') return OB_CHAR_LINE;
    if (kind == OB_CHAR_OTHER && c != OB_UTF8_BAD &&
        ob_runs_below(k->puncts, OB_PUNCT_EDGES, c) & 1)
        return OB_CHAR_PUNCT;
    return kind;
}

/* Length of the first word by deepseek-coder's patterns, each of which cuts what the ones before
   left: line ends and numbers alone; letters, or punctuation, with one space of any kind in front;
   all else together, up to a space that goes with what follows. The fourth pattern cuts every such
   piece where its ranges begin or end. Looks at no more than two characters beyond the word. */
static size_t ob_coder_word(const ob_classes *k, const char *p, size_t n) {
    size_t at, used, next;
    int wide, other, kind = ob_fine_class(k, p, n, &at, &wide), now;
    if (kind == OB_CHAR_LINE || kind == OB_CHAR_NUMBER) return at;
    if (kind == OB_CHAR_SPACE && at < n) {
        now = ob_fine_class(k, p + at, n - at, &used, &other);
        if (now == OB_CHAR_LETTER || now == OB_CHAR_PUNCT) kind = now;
    }
    for (; at < n; at += used) {
        now = ob_fine_class(k, p + at, n - at, &used, &other);
        if (other != wide) break;
        if (kind == OB_CHAR_LETTER || kind == OB_CHAR_PUNCT) {
            if (now != kind) break;
            continue;
        }
        if (now != OB_CHAR_SPACE && now != OB_CHAR_OTHER) break;
        if (now == OB_CHAR_SPACE && at + used < n) {
            now = ob_fine_class(k, p + at + used, n - at - used, &next, &other);
            if (now == OB_CHAR_LETTER || now == OB_CHAR_PUNCT) break;
        }
    }
    return at;
}

/* Numbers at p: three ASCII digits, or what stands in front of the first three of the run. */
static size_t ob_threes(const ob_classes *k, const char *p, size_t n) {
    size_t at = 0, used;
    int digits = 0;
    while (at < n && ob_class_at(k, p + at, n - at, &used) == OB_CHAR_NUMBER) {
        digits = used == 1 ? digits + 1 : 0; /* the numbers of ASCII are its digits */
        at += used;
        if (digits == 3) return at > 3 ? at - 3 : 3;
    }
    return at;
}

/* What llama.cpp's first pattern for unnamed rules takes: P* and some signs of ASCII. */
static int ob_is_sign(const ob_classes *k, const char *p, size_t n) {
    size_t used;
    int wide;
    return (*p && strchr("$+<=>^~|", *p)) ||
           ob_fine_class(k, p, n, &used, &wide) == OB_CHAR_PUNCT;
}

/* Length of the first word by llama.cpp's rule for a file that names none: signs together, then
   GPT-2's expression between them, then its numbers without a space and in threes. */
static size_t ob_plain_word(const ob_classes *k, const char *p, size_t n) {
    size_t at = 0, used, last = 0;
    int kind = ob_class_at(k, p, n, &used), signs = ob_is_sign(k, p, n);
    if (kind == OB_CHAR_NUMBER) return ob_threes(k, p, n);
    if (kind == OB_CHAR_SPACE) {
        while (at < n && (kind = ob_class_at(k, p + at, n - at, &used)) == OB_CHAR_SPACE)
            last = at, at += used;
        if (at == n || ob_is_sign(k, p + at, n - at)) return at;
        if (last || *p != ' ' || kind == OB_CHAR_NUMBER) return last ? last : at;
    }
    for (; at < n; at += used) {
        if (ob_is_sign(k, p + at, n - at) != signs) break;
        if (ob_class_at(k, p + at, n - at, &used) != kind && !signs) break;
    }
    return at;
}

/* Bytes of a space at p as SentencePiece sees one: ' ' or U+2581, which stands for it; else 0. */
static size_t ob_blank(const char *p, size_t n) {
    if (n && *p == ' ') return 1;
    return n >= 3 && !memcmp(p, "\xE2\x96\x81", 3) ? 3 : 0;
}

/* Spaces and what follows up to the next one; one: at most one space. Where no merge joins anything
   in front of a space with it, cutting there changes nothing and keeps words short. */
static size_t ob_spaced_word(const char *p, size_t n, int one) {
    size_t at = 0, used;
    while ((used = ob_blank(p + at, n - at)) > 0) {
        at += used;
        if (one) break;
    }
    while (at < n && !ob_blank(p + at, n - at)) at++;
    return at;
}

/* Length of text up to the next <|endoftext|>, or all of it. Training text holds the mark between
   documents; it must not be learnt as letters. memchr makes the search as fast as memory for usual
   text. */
static size_t ob_document_length(const char *text, size_t n) {
    size_t at = 0;
    while (n - at >= OB_END_BYTES) {
        const char *hit = (const char *)memchr(text + at, '<', n - at - OB_END_BYTES + 1);
        if (!hit) break;
        at = (size_t)(hit - text);
        if (!memcmp(hit, OB_END_TEXT, OB_END_BYTES)) return at;
        at++;
    }
    return n;
}

/* ---- NFC: Unicode's composed form (UAX #15), which Qwen's files want of a text ----
   Canonical decompositions, Unicode 16.0.0, by tools/unicode_ranges.py, which says how they are
   folded: pairs that compose again, pairs that do not, single ones; then runs with the combining
   class of marks. Unfolded only for tokenizers that ask for NFC. */
static const char OB_COMPOSED_ROWS[] =
    "BDoDgOuFaqiiimmomoyqiiimmomRkHycCmCeNjcCmBNyCTyBagFeCgBagTMkCJzccEoEkccDqSxcCmCwFucCmsCmccBe"
    "EjcCmBiBrcCmsNgccBaBcccoBAjcCmBeXDeccooccooccooccooccooccooccooccooccooccooccqqooccoocckUZve"
    "ieeeeememeiEuEhBcieegVImkVEnqDtgVNekVJhqCxgCGvwCGkeubEnXQvCPbqiiimmomgiiqqiiimmomgisEdcCmDwB"
    "tcCmsChcCmBgCdcCmkCjcCmCiBxcCmHeHocCmCeNxcCmkHgcCmcCjcCmcBbcCmBEaGdcCFieiceceememcicCoCeBxci"
    "cececBkCexcmciksDsFasoFmBysoTLoCPxcCmBaDiccBuFfcCmcMpcCmBaChcCmBaIacCmkGscccTlcCmCsTcccsVbcC"
    "mCoFucCmsCmccBeEjcCmBiBrcCmsNgccBaBcccCcWFgccooccooccooccooccooccooccooccooccooccooccqqoocco"
    "occHmGqBgEwbBgXOpYAzqiiimmomoyqiiimmomBaDvcCmBmCdcCmoCjcCmBeChcCmDaBtcCmBuCdcCmcChcCmWBaCjcC"
    "mCcWVsccByBuccBiBmccbBcWUlXDnBcBaicBcBkBcBaicDyCxcCmEwBncCmWAoCjcCmDmFwcCmsCmccoOpcCmoHucCmB"
    "iBrcCmsNgccBaBcccsBAjcCmbBsWSfEhcCmBiCdcCmBuCdcCmCoBzcCmCgBzcCmIeHycCmqEhcCmcYucccBBdcCmsUac"
    "cEsVhcCmcCncCmgYccccBKdcCmCAwCTicCmwBpcCmTCcDAlcCmBuWPaccCsCsccBAeUFbqClBwDcqClqDkqClcBgXKnC"
    "OtcCmBiCdcCmsChcCmBaChcCmCoBzcCmCgBzcCmBZuCUmwvCmCmCwwHqDlcCmBcCxcCmkCbcCmTDqBOjccLuVOoccTeU"
    "KlqClBwDcqClqDkqClbBwXJvCOpcCmwChcCmsChcCmBeChFuBicCmNcEjcCmoBjcCmVByDlcCmoChcCmBmChcCmgChcC"
    "mCgCbcCmgCjcCmBiChcCmcChcCmoCjcCmgRuccckcccVZecccWTxcCmCcCfcCmgCjcCmgCjcCmyUeGTCmHPEkCcqbCcH"
    "PUdHQDloiiiommmqyoiiiommmgiJiClBRgCMacyCkBocysBaDmFemBdFsDqmCoJmFjcCmoMycccOzcCmcCjcCmkCjcCm"
    "cBzcCmgNccccOlcCmgDfcCmgCdcCmgCdcCmTBuDAzcCmDaIkcCmDiJaccsVfcCmoCjcCmuhbywDxcCmkHmcCmsCmccoO"
    "pcCmoHucCmkMjcCmkBzcCmkHucCmsNgccoZncCmkYeccsBAjcCmbgWWpEhCmCmKoxcCmWCgecebgWErDfcCmCkBzcCmC"
    "RaCUmcCmbBlCYvDAtcCmcCjcCmwCjcCmCqBxcCmsChcCmBgCdcCmoCjcCmgCjcCmBwBzcCmGcEjcCmcBvcCmcBzcCmcB"
    "zcCmkHycCmyNxcCmcCdcCmkZocQwcBQlDoCpcCmdoCjCzcCmgCdcCmgCdcCmgBzcCmgCfcCmgCfcCmBUwDAscccmBWjD"
    "EtcCmgCdcCmgCdcCmgBzcCmgCfcCmgCfcCmcoVXiCLsqClqCuqClqCqqClqCqqClqCyqClqCyBgiqClJoBwbqRlBfqCl"
    "qCuqClqCqqClqCqqClqCyqClqCyqClqCuqClJoBwoClheWYpCNjcCmBcBzcCmiBqVLwDxcCmoChcCmBuCdcCmBaCfcCm"
    "gCjcCmwCjcCmgCjcCmBmCdcCmoCjcCmsCjcCmBiChcCmsCjcCmsCfcCmBaEjcCmBuCdcCmBiCdcCmcBzcCmBqXmcccZn"
    "cCmwYeccgBAjcCmbcKbCtcCmbcIvDzcCmbeVDpBbcCmcCjcCmbwBAdDtCmCmEoCdcCmBmCdcCmiCjcCmsChcCmBgCdcC"
    "moCjcCmgCjcCmPeDpcCmVDmCncCmBuCdcCmbkWBxCzcCmBmCdcCmBqCdcCmFeBncCmJeCxcCmfmVIkDhcCmkCjcCmCsB"
    "xcCmBaChcCmCwBzcCmkCjcCmbcFxDlcCmcgBhCrcCmBiCdcCmFmBncCmbrInDxcCmoChcCmCwBxcCmkCjcCmBaChcCmB"
    "qCdcCmBeChcCmCwBzcCmcBjhBsCHkZCyceBmeCkEqcicdEcDukkggBwBweeCcBugogeegBuZUjeZWiwBncZUvcecZWmc"
    "cgBaccggccogccgoccggccCsCccmccceDuDpcccBoccoCmcccccckBdCYvCUzccooccBuBuccooccooccooccBuBuccq"
    "qooccooccFmUZvwCHtkCIgsVGaoVFvcBiqVJkoVJtcmBeddClJbUPycccccccccccccccccccccccccccccccBiccccc"
    "ccccccccccccccccccccccccccDuccccccccccccccccccccccccccccccgccVAjcjgVGekVIfmVDecVAfcrgVHgkVIz"
    "CyVDicUZlckgVImkVLhBEcbTPbBXcbgcacCoeeLwKseBnBiBibbNjNdBCpdCHkCHeqqggFabLqLkzbcaNvbBDmBDoybf"
    "abbiaDzcJsJucczcEfEbEiEaExbJoJwEebKaJwtdtnooiibbfhEacKaJwcczbcbElcKyLiggfbbfqbeaWtbBSyBTgEEp"
    "lIGeIGeeeeeeeeeiiDeDeeegeccegICqBwPYgPYgeeeeeeeeeeeeeeeeeeeeeeggeeeeooggggggggBwEbuGsBcBceee"
    "eeeeeeeeeeeeeeeeeeeggeeeeooggggggggBwEbgFqcccccciwbkKvKxggggggggGmGmggggggggDGWudGNLyGNMaeeB"
    "euEfcKcKuccUpbBPoBPazbcaDtbJmJmdbFbEthcsoEgEghdFbExBcBcEgDwIxbSuTakbbadbgaJicTkTqccBInbCQsCQ"
    "qBBGgbCCMcCCMcbeeacwepccbcdhggjblfEQodJHsJHychcm";
static const char OB_EXCLUDED_ROWS[] =
    "BDpbCMiCHsCdbBDZsBEEkYmbGBTaBCAxdceByBeCpbbcabbCekdwCbjcccccccccccceecccccccceeeecceecceeccc"
    "cccccddeBxcucsccCtkeHDWabcbHDVzeHDWaBIgiHBEfHBLnccccckckcccsciEydJqIucceBaEygGmKcgmCsCpccckg"
    "BeJwcToSyccBPmbDCmDGwcbeamdcFaecsFbCbcBvDtGeGeckJbFzuukkkkkkEgEguukkkkkkGOHqeNCPoNCPcccHcHmc"
    "cjdHbGzHeHcccbdHdHdHgHcccbbHfHdbbcabbca";
static const char OB_SINGLE_ROWS[] =
    "aBNvCMaCHccceBkDuGxuBXbsJoVDsCGgecececeCgececEuFngDywDtecqoqlqCyqCpgrcCJxuCKmegeCEfgXSmccWoV"
    "MhiCOhcJkBNgBJUsccGFYyCRWocBCHbcBEEmcBNncWSbcYSjcEIgcCFJacacCBGfcBQUqcBTRfcCVycGOycPMscGXkcF"
    "CmcBDecYmcFTmcBDFdcCJacCVscCHmcMKkcJZmcGLycCFDlcDTmcRVycFJqcPFgcSDmcBXCdcOCkcQOycCSscBDGfcXN"
    "qcETqcBFHxcGHmcEUocEFscWPgcBXLncBRecWscNOmcEPicFMocDRicGXgcEOocGqcFTecHAkcDFmcBYccBCJbcSscDD"
    "icERicLNycISccOXdcBLVxcERacWGecDDccKRvcEWecPDgcHTacBVBhcCRscKJqcCWkcXucKSecUicSGecBZCrcBIQkc"
    "BJJhcBfcBENwcCTocESccOAqcIHtcBEVhcFLucYZocBUArcKJkcDEccOTecBLqcBAAjcBCSecBFFzcMBkcNItcXHmcFO"
    "hcRYacBFIrcDMscXFicKBocEVqcXLfcBBGecBAQhcHFvcYEgcXRtcNLycBDIjcCBucHkcRFkcPLscEEycGJecFHqcBVP"
    "rcZqcDYgcEDucFEwcHTicGYqcVPmcDPicDEgcEgcCFSncPHecDOkcBBFicBLBncCJgcIqcBZgcHZmcBQicCMacDZmcDE"
    "acBWwcLDucHTfcIMscCKccBXJxcKucBPkcVGgcSEecBLocBHGbcXccCRkcGFmcMOecGQzcBBSbcGDecDTccBJycBUycO"
    "VscOccIMkcNgcNPccDPscGicQacCCYrcBFXucSFccDUucBOUfcNXlcBTwcIKecGgcHCecDIwcFXocDJscLEacISmcLKs"
    "cBREvcBKCicBZGbcPWmcJgcEAmcBAscECwcZwcCImcDNmcURscCBSzcMRycBNPscCBGjcJUqcMTecZEucBKBtcBHycFE"
    "kcIRgcBANecBZUfcBLkcGIecHIqcYgcBAqcDFmcFKkcBKqcHGwcHBwcBkcGTqcDWecBZFxcUVecUEbcWMwcCCucNEicM"
    "QccEIicBSycBPRrcESecPGccFKbcGocBCmcHLjcBQjcUGscBTXfcBNTccBLCpcDxcJOocDEgcTSgcZGbcNIocEWhcBES"
    "ccFGncKPucJRfcBGJfcKHhcDKqgBZgeKRsgPPjcZFscCTkcBWecCqcocDgcWOkcUDrcCHaeEUseDSmgDZkcPeiGAmcBa"
    "cDkcDLocJStcELecCBUvcYccHwcBDgcCccIkcBTgcIccHocBKicIacCVocucDDscQicCycHscCOgcLicNmcBMmcDTkcM"
    "ocUicBTgcOocBMscDJicNicwcbcqcmcocDscccNscFacYocBRkcBqcEicXmcLicBLocKucacBKucDPacKicBBycEicBF"
    "ocEccCAucKacFBicVwcEqcBQGhcOBLacNBYpgBNIxcCSccFxcBLncBIwcEocZecDycBZycFncFgcFqcBWqcGwcLecBgc"
    "UucPgcCUecocLccFgcXacJccFjcKicDncLgcFccBEucGucEecUacWacMocicEocDDmcFacBEccBFocBfcGscTkcZwcES"
    "ocEDfcJkcJmcZecLmcEccRkcecNecBicBycGqctcBEmcBLicUwcOkcRgcLucZkcPicCNacMccCRscBJccFicBgcWwcEk"
    "cDlcEecfcBhcFwcGgcBDkcBRccYecWscRacDBgcHycIwcKgcCucycDscCDycDLkcLLKuclcITucORXfcDKgcCocPLMec"
    "HZicZTucNZFrcFuOVQkCJPhcjcscMRJucMQNrcGacBacFmcJgcCkcGacBvcVJdcNOQycMSYbcocBgcBmcMRYwcNNSvcV"
    "SucCycMSAucMRZzcBacCDzcCEqcscQUKacQUFbcBccWBvcWGecwcDkckcWGpcWMucecCccBscwcccBicDwcqcscBycuc"
    "ecacacMUGocLYIpcVSdcBqcMUXccMUWdcmcBqcLscHvcBgcCmcEmcGmcCacFecBgcCocacBqcBkcqcBecBAecUxcVacP"
    "fcCscDJdcFFycWdcCycBycJzcMwcbcJmcMYLscMYGhckcBecBocqcEycMZGmcFccMZAxcDqcycGbcKycBAWlcBccBBHw"
    "cEecacNAFkcMZVdcBqcBecycNARicNAQjcocCNacCKvcBBThcBBYccBccGicDxcNCIocNBUncNBUscNBRjcfcBicHucc"
    "cBCOjcBCQmcDicBqcDkcBCUvcOGMccOGKbcBCYicgcgcBocQXWycQXSxcNEMwcacMDZjcBAKrcacBDBhcOTFecBJSecO"
    "ZRbcscBDEtcBDIkcDycucCqcKmcBDTlcChcBDXgcNGBgcNFXhcJycicecdcDocBocCucBbcwcDqcBocicCacwcFccGmc"
    "CscJocNHEmcNHFxcEzcIicCccHmcNHKscNHFxcHdcCdcBFKvcBFZqcBqcCkcCxcBFVxcBGMocCgcNJJgcNJAbcVicNlc"
    "BGSlcBGYacBGZhcCtcREqcgcQFucHrcTTicBUBvcBASacicmcEscvcNKTccOSChcBHWccIzcPucDycNKIqcNKHxcIncS"
    "wcBILhcBIOwcHmcFmcOqcNKKccNKGdcBJKvcBJQgcNLOmcNLKncBJPzcBJSicDmcCccccNMOacWJbcWRmcNMLbcNNTsc"
    "NNKzcBccHvcNmcDccEkcEdcDccBecBacNNDicNNJncTicEwcBLHlcBLOqchcNNMacNOBvcBCscNNKacDscNNGxcIwcCb"
    "cfcBMGvcBMKmcDyclcEecLUIycLTXfcNOHgcNOAncNOZucNOOzcBacCccNQGmcNQCtcBqcNQYicRecNQXvcBicBOBdcB"
    "ODecBOCfcacBOOscBqcBqcBocFicBORdcBOYccNSUmcNSSlcNSZocNSVrcMMHycMLVpcNURqcBucKucPKDbcycBPPocN"
    "VAccbcDacCacNVBtcccacDicBPSjcBPXkcBPWjcGecPMPacNWJtcEucEycBQIzcPNXecNXDncNXMmcDicNXLjcHccBQZ"
    "fcBRFucuckcNYYccXacacNZIvcBRCxcPRFucNZMfcgcBRQxcPRTicNZHzcBSBzcBSDscjcCgcOBMacOBEjcBSFrcBSNk"
    "cEocFecBSTdcPVGacCkcPVFncPVQucOCCrcOCKmcOCIjcHucwcODFmcFqcODEbcODOicODNbcMRKwcOLIhcBUCocGgcB"
    "UEpcBUJecBDEvcPHPkcBccBNMpcscMQKrcgcKHwcCEYvcBVBwclcBkcBKHncBKJccecucDecOFWmcOFWncEicFkcFscK"
    "pcLwcDgcIqcTzcJececBgcOFWucXucLncQBVncBWHwcecCscOKRwcOKLvcOGYycQDLtcicQDVscWgcQERdcBXDycycwc"
    "ecEycCncKicDjcLqcGfcFecCccBXTlcBYAmcCmcBYAhcBYHqcgcOKEicOJVjcocBYMrcBYOwcCLUzcQXGocOecQKDzcs"
    "cBZKccFycMccPqcOLXucOLRdcBscGycHccOMZgcDMGrcLAMbcBdcEacLBAacLAIlcHscOQRkcCccOPSrcHecCmcOQHuc"
    "OQGzcVycMgcccHbcBDicCecORQwcOQObcCFNvcCFRgcOROacQWYzcCGFqcBRFtcBRNecOTIycQkcRABvcqcCGQmcOUWy"
    "cRBItcRBTocOVEjcacCicOVYgcOVJzcCGVtcCHBgcJscCccEqcCHFrcRFXscOXWtcXgcOocCISzcCkcCIYucPAJmcRJH"
    "jcRJLqcUkcKccPARzcCJQvcCJVqckcocucocCwcPCXu";
#define OB_DECOMPOSITIONS 2081
#define OB_MARK_EDGES 589
static const char OB_MARK_RUNS[] =
    "BDoavIwbIyeImbIybIifImcHueImcHulImfbeImiIwbJgbIwdImdIwcImbadIweImbIwbIycImbIwbIzcJabIzcJabIz"
    "nIwKpafIwKfabImeIwbImdIwbIobImgIwgImcIwbImcIwbIobIubIwbkblbmbnbobpbqbrbsctbubvbwbabxbabybzba"
    "bIwbImbabsCuaiIwbBebBfbBgBwabBbbBcbBdbBebBfbBgbBhbBicIwcImfIwbImcIwbImqabBjDxahIwcaeIwbImbIw"
    "cacIwbabImcIwbImBjabBkBeabIwbImcIwbImcIwdImbIwcImbIwbImdIwbImbIwbImbIwbImbIwbImcIwGeahIwbImb"
    "IwjabImyaeIwbajIwbadIwbafIwBradImChacIwdImeIwBqafIwfImoIwbabImcIwbImcIwbImdIwdImbBbbBcbBddIw"
    "bImcIwcImfIwCiabhqabjdabIwbImcIwDzabhqabjBwabIwCjabhqabjEgabhqabjEgabhqabjExabjEgabhqabjhabD"
    "gbDnDxabhqabjEfacjqabjEuabjEfacDzbjnaeEdEeacEobjnaeEsCyacImBbabImbabImbabIiCdabEzbFababFcfae"
    "FacabFabacIwbjbacIwCkabImEiabhbacjDeabImBBradIwBKmacjBeabjGbabjkabIwHvabIuFnabIobIwbImIlabIw"
    "bImCtabjuaiIwcabImBwafIwgImcIwbImbacImcIwcImfIwbImeIwDxabhpabjBmabIwbImhIwCcacjCgabhlacjCpab"
    "hFwadIwbabbfImcIweImbIwbahbeabImgabIwdacIwHqacIwbImhIwbImcIwbJabIgbImbHuBlIwbIycIubImbIkbIwb"
    "IzbImbIwbImBBsacIwcbeIwdbcIweabIwdacbbIwbImbIwcbeImbIwEOcadIwFlabjDsaBgIwViabIkbIubIybIocIqE"
    "baciBSQeabIweakIwBgacIwDcacIwKqabjBlabjFvabjBbasIwCfadImBlabjDrabhmabjJfabIwbacIwbImcacIwfac"
    "IwbabIwCaabjJmabjBDZsabBaBDpahIwhImcIwBLlabImIsabImFtafIwCMsabImbabIwBoabIwbbbImeabjGjabIwbI"
    "mWbaeIwCnafIwMfacIwDcadImCsacImdIwbImbIweImBxabIwbImbIwbImHkabjBpabjoabjCfabjbhCradIwBwacjCk"
    "abhCyabjjabhEcabjbhGwabhbjDcachqabjyahIwdafIwDladjEjabjdabhxabIwDvabjbhJrabjbhEwabjEoabjbhEl"
    "abjKjabjbhJyacjeabhGaabjDfabjsabjDdabjQfabjJyabhbacjDdabjQjacjYZcabjDSaafbChahIwBUnacgBDAyab"
    "bHWoacIidbdabIsfIiiaiImcafIwcImBeaeIwFsadIwFFfahIwbarIwcahIwbacIwbafIwDwabIwGeahIwOlabIwCjae"
    "IwToacIybImbIwJuabIwbImBCiahImEfagIwbh";
#define OB_FORM_SLOTS 4096 /* of the hash tables: twice the rows */

/* The tables, unfolded. */
typedef struct ob_forms {
    uint32_t code[OB_DECOMPOSITIONS], first[OB_DECOMPOSITIONS], second[OB_DECOMPOSITIONS];
    uint16_t by_code[OB_FORM_SLOTS], by_pair[OB_FORM_SLOTS]; /* row + 1; 0 = free */
    uint32_t mark[OB_MARK_EDGES]; /* where a run of marks ends */
    uint8_t rank[OB_MARK_EDGES];  /* its combining class */
} ob_forms;

/* Where the hash tables are searched first: the upper 12 bits of a product. */
static size_t ob_form_hash(uint32_t a, uint32_t b) {
    return (a * 0x9E3779B1u ^ b * 0x85EBCA6Bu) * 0xC2B2AE35u >> 20;
}

/* Slot of a code point: the one that holds its row, or a free one. */
static uint16_t *ob_form_slot(ob_forms *u, uint32_t code) {
    size_t i = ob_form_hash(code, 0);
    while (u->by_code[i] && u->code[u->by_code[i] - 1] != code) i = (i + 1) % OB_FORM_SLOTS;
    return &u->by_code[i];
}

/* The same for a pair that composes. */
static uint16_t *ob_form_pair(ob_forms *u, uint32_t first, uint32_t second) {
    size_t i = ob_form_hash(first, second), row;
    for (; (row = u->by_pair[i]) != 0; i = (i + 1) % OB_FORM_SLOTS)
        if (u->first[row - 1] == first && u->second[row - 1] == second) break;
    return &u->by_pair[i];
}

/* A signed number of a folded table, to be added modulo 2^32. */
static uint32_t ob_runs_signed(const char **runs) {
    uint32_t n = ob_runs_number(runs);
    return n & 1 ? ~(n >> 1) : n >> 1;
}

/* Unfolds one of the three tables behind the rows so far; returns how many there are now. */
static int ob_forms_read(ob_forms *u, int row, const char *runs, int composes) {
    uint32_t second = 0, code = 0, first = 0, n;
    while (*runs) {
        second += ob_runs_number(&runs);
        for (n = ob_runs_number(&runs); n; n--, row++) {
            u->code[row] = code += ob_runs_signed(&runs);
            u->first[row] = first += ob_runs_signed(&runs);
            u->second[row] = second;
            *ob_form_slot(u, code) = (uint16_t)(row + 1);
            if (composes) *ob_form_pair(u, first, second) = (uint16_t)(row + 1);
        }
    }
    return row;
}

/* Unfolds everything into zeroed memory. Costs about 0.1 ms. */
static void ob_forms_fill(ob_forms *u) {
    const char *runs = OB_MARK_RUNS;
    uint32_t code = 0;
    int i, row = ob_forms_read(u, 0, OB_COMPOSED_ROWS, 1);
    row = ob_forms_read(u, row, OB_EXCLUDED_ROWS, 0);
    ob_forms_read(u, row, OB_SINGLE_ROWS, 0);
    for (i = 0; i < OB_MARK_EDGES; i++) {
        u->mark[i] = code += ob_runs_number(&runs);
        u->rank[i] = (uint8_t)ob_runs_number(&runs);
    }
}

/* Combining class: 0 for what begins a character, else the order of marks behind it. */
static uint32_t ob_mark_class(const ob_forms *u, uint32_t code) {
    int i = code < 0x300 ? OB_MARK_EDGES : ob_runs_below(u->mark, OB_MARK_EDGES, code);
    return i < OB_MARK_EDGES ? u->rank[i] : 0;
}

/* Full canonical decomposition of a code point: 1..4 of them. Only first parts decompose further.
   Hangul syllables by the arithmetic of the Unicode Standard, section 3.12. */
static int ob_decompose(ob_forms *u, uint32_t code, uint32_t out[4]) {
    uint32_t s = code - 0xAC00, row;
    int n = 1;
    out[0] = code;
    if (s < 11172) {
        out[0] = 0x1100 + s / 588, out[1] = 0x1161 + s % 588 / 28, out[2] = 0x11A7 + s % 28;
        return s % 28 ? 3 : 2;
    }
    while (n < 4 && (row = *ob_form_slot(u, out[0])) != 0) {
        out[0] = u->first[row - 1];
        if (!u->second[row - 1]) continue;
        memmove(out + 2, out + 1, (size_t)(n - 1) * sizeof *out);
        out[1] = u->second[row - 1];
        n++;
    }
    return n;
}

/* What two code points compose to; 0 = they do not. */
static uint32_t ob_compose(ob_forms *u, uint32_t a, uint32_t b) {
    uint32_t row;
    if (a - 0x1100 < 19 && b - 0x1161 < 21) return 0xAC00 + (a - 0x1100) * 588 + (b - 0x1161) * 28;
    if (a - 0xAC00 < 11172 && (a - 0xAC00) % 28 == 0 && b - 0x11A8 < 27) return a + (b - 0x11A7);
    row = *ob_form_pair(u, a, b);
    return row ? u->code[row - 1] : 0;
}

/* Memory that grows; from the hooks of whoever uses it. */
typedef struct ob_room {
    void *p;
    size_t bytes;
} ob_room;

/* At least so many bytes; the first keep of them stay. Doubles, so that growing is linear in all.
   ONEBIT_MEMORY leaves the room as it was. */
static onebit_status ob_room_grow(ob_room *r, const onebit_env *env, size_t keep, size_t bytes) {
    size_t want = bytes / 2 > r->bytes ? bytes : r->bytes * 2 > bytes ? r->bytes * 2 : bytes;
    void *p;
    if (bytes <= r->bytes) return ONEBIT_OK;
    p = bytes <= SIZE_MAX / 4 ? ob_grow(env, r->p, keep, want) : NULL;
    if (!p) return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for %.0f bytes", (double)bytes);
    r->p = p;
    r->bytes = want;
    return ONEBIT_OK;
}

/* A text on its way to NFC: what may still compose waits in code[]: at most one code point that
   begins a character, then marks. Each is class << 24 | code point. */
typedef struct ob_composer {
    ob_forms *u;
    const onebit_env *env;
    ob_room *room; /* holds code[], and as much again to sort in */
    uint32_t *code;
    size_t n;
    char *out;
    size_t made;
} ob_composer;

/* Brings the marks that wait into the order of their classes, equal ones as they stood: a counting
   sort, since a hostile text may be all marks. */
static void ob_composer_order(ob_composer *c) {
    size_t at[256], i, sum = 0;
    uint32_t *sorted = c->code + c->n;
    for (i = 1; i < c->n && c->code[i - 1] >> 24 <= c->code[i] >> 24; i++) {}
    if (i >= c->n) return;
    memset(at, 0, sizeof at);
    for (i = 0; i < c->n; i++) at[c->code[i] >> 24]++;
    for (i = 0; i < 256; i++) {
        size_t count = at[i];
        at[i] = sum;
        sum += count;
    }
    for (i = 0; i < c->n; i++) sorted[at[c->code[i] >> 24]++] = c->code[i];
    memmove(c->code, sorted, c->n * sizeof *sorted);
}

/* Orders the marks and composes what can be: a mark joins the beginning unless one of its own class
   stands between (UAX #15, D117). */
static void ob_composer_settle(ob_composer *c) {
    size_t i, n = 1;
    uint32_t before = 0; /* class of the last mark that stayed */
    ob_composer_order(c);
    if (c->n < 2 || c->code[0] >> 24) return;
    for (i = 1; i < c->n; i++) {
        uint32_t mark = c->code[i], made = 0;
        if (mark >> 24 != before) made = ob_compose(c->u, c->code[0], mark & 0xFFFFFF);
        if (made) c->code[0] = made;
        else c->code[n++] = mark, before = mark >> 24;
    }
    c->n = n;
}

/* Writes what waits. */
static void ob_composer_flush(ob_composer *c) {
    size_t i;
    ob_composer_settle(c);
    for (i = 0; i < c->n; i++)
        c->made += ob_utf8_encode(c->code[i] & 0xFFFFFF, c->out + c->made);
    c->n = 0;
}

/* Takes one code point that does not decompose. */
static onebit_status ob_composer_add(ob_composer *c, uint32_t code) {
    uint32_t rank = ob_mark_class(c->u, code), made = 0;
    if (rank == 0 && c->n) {
        /* it begins a character, unless it joins the one directly before it */
        ob_composer_settle(c);
        if (c->n == 1 && !(c->code[0] >> 24)) made = ob_compose(c->u, c->code[0], code);
        if (made) c->code[0] = made;
        else ob_composer_flush(c);
    }
    if (made) return ONEBIT_OK;
    OB_TRY(ob_room_grow(c->room, c->env, c->n * sizeof *c->code, (c->n + 1) * 2 * sizeof made));
    c->code = (uint32_t *)c->room->p;
    c->code[c->n++] = rank << 24 | code;
    return ONEBIT_OK;
}

/* Puts text in NFC when it is not plainly so (nothing from U+0300 on): then *text becomes what was
   made in out. Bytes that are not UTF-8 stay. Linear. A character's three-fold length is the most
   that NFC makes of it (Unicode's normalisation FAQ). */
static onebit_status ob_nfc(ob_forms *u, const onebit_env *env, ob_room *room, ob_room *out,
                            ob_slice *text) {
    ob_composer c;
    uint32_t part[4];
    size_t at;
    for (at = 0; at < text->n && (uint8_t)text->p[at] < 0xCC; at++) {}
    if (at == text->n) return ONEBIT_OK;
    OB_TRY(ob_room_grow(out, env, 0, text->n < SIZE_MAX / 16 ? text->n * 3 : SIZE_MAX));
    memset(&c, 0, sizeof c);
    c.u = u;
    c.env = env;
    c.room = room;
    c.out = (char *)out->p;
    for (at = 0; at < text->n;) {
        uint32_t code;
        size_t used = ob_utf8_decode(text->p + at, text->n - at, &code);
        int i, parts = code == OB_UTF8_BAD ? 0 : ob_decompose(u, code, part);
        for (i = 0; i < parts; i++) OB_TRY(ob_composer_add(&c, part[i]));
        if (!parts) ob_composer_flush(&c), c.out[c.made++] = text->p[at];
        at += used;
    }
    ob_composer_flush(&c);
    text->p = c.out;
    text->n = c.made;
    return ONEBIT_OK;
}

/* ---- GPT-2's printable alphabet: how tokenizer.json spells the 256 bytes ----
   JSON cannot hold every byte, so GPT-2 (bytes_to_unicode in its encoder.py) writes each byte as
   one printable character. 188 bytes are printable in Latin-1 and stand for themselves; the other
   68 take the code points from 256 on, in the order of their values: 0..32, 127..160 and 173. */

/* Code point that stands for a byte: itself when printable in Latin-1, else 256, 257, ... A space
   is so written as U+0120. */
static uint32_t ob_byte_code(unsigned byte) {
    if (byte < 33) return 256 + byte;
    if (byte >= 127 && byte < 161) return 256 + 33 + byte - 127;
    return byte == 173 ? 256 + 67 : byte;
}

/* The way back; -1 when no byte is spelled so. */
static int ob_code_byte(uint32_t code) {
    if (code < 256) return ob_byte_code(code) == code ? (int)code : -1;
    if (code < 256 + 33) return (int)(code - 256);
    if (code < 256 + 67) return (int)(code - 256 - 33 + 127);
    return code == 256 + 67 ? 173 : -1;
}

/* Turns spelled text into the bytes that it stands for, in place. 0 when a character is not of the
   alphabet. Every character shrinks to one byte. On 0 the text is half converted and of no more
   use. */
static int ob_spelled_bytes(char *p, size_t *n) {
    size_t at = 0, made = 0;
    while (at < *n) {
        uint32_t code;
        int byte;
        at += ob_utf8_decode(p + at, *n - at, &code);
        byte = ob_code_byte(code);
        if (byte < 0) return 0;
        p[made++] = (char)(unsigned char)byte;
    }
    *n = made;
    return 1;
}

/* ---- the object ----
   Reading, learning and unpacking all end in a draft, and one function makes the object from it.
   The object is one block that never changes: pieces joined into one text, merges by rank, and a
   hash table that answers "what do these two ids make, and how early?". So threads may share it
   without locks. */

/* Where a token comes from and how it is treated. */
enum {
    OB_TOKEN_BYTE = 1,    /* stands for one byte */
    OB_TOKEN_MERGED = 2,  /* some merge makes it */
    OB_TOKEN_DERIVED = 4, /* merges in order give its text, so the packed form leaves it out */
    OB_TOKEN_ADDED = 8,    /* found in text before anything else */
    OB_TOKEN_SPECIAL = 16, /* an added one that only counts when asked for */
    OB_TOKEN_LEFT = 32,    /* an added one that takes the white space before it along */
    OB_TOKEN_RIGHT = 64,   /* and behind it */
    OB_TOKEN_LATE = 128    /* an added one that is looked for in normalised text */
};

/* How a text becomes symbols and ids become text again: everything but the vocabulary. */
typedef struct ob_rules {
    uint8_t chars;  /* words begin as characters; 0: as bytes */
    uint8_t split;  /* row of ob_splits */
    uint8_t prefix; /* OB_PREFIX_: when a text gets a space before it */
    uint8_t strip;  /* OB_STRIP_: spaces that decoding leaves out at the beginning */
    uint8_t flags;  /* OB_RULE_ bits */
} ob_rules;

/* PART: every stretch between added tokens that are looked for in raw text (the normalizer
   Prepend). WORD: every stretch between added tokens, TEXT: only one at the beginning of the text;
   both only where no space stands yet (the pre-tokenizers Metaspace and ByteLevel). */
enum { OB_PREFIX_NEVER, OB_PREFIX_PART, OB_PREFIX_WORD, OB_PREFIX_TEXT, OB_PREFIXES };

/* ONE: the first space of the text. ALL: every space that the first token begins with. */
enum { OB_STRIP_NONE, OB_STRIP_ONE, OB_STRIP_ALL, OB_STRIPS };

enum {
    OB_RULE_NFC = 1,      /* texts are put in NFC first */
    OB_RULE_WHOLE = 2,    /* a word that is a token becomes that token ("ignore_merges") */
    OB_RULE_SPACES = 4,   /* U+2581 in text and in files is a space; pieces hold spaces */
    OB_RULE_FALLBACK = 8, /* unknown characters become bytes, spelled "<0x41>" in files */
    OB_RULE_FUSE = 16,    /* unknown characters in a row become one token */
    OB_RULES_END = 32
};

/* The rules of the kinds that can be trained. */
static ob_rules ob_rules_of(int kind) {
    ob_rules r = {0, 0, 0, 0, 0};
    r.chars = kind == ONEBIT_TOKENIZER_CHAR;
    r.split = kind == ONEBIT_TOKENIZER_BPE ? OB_SPLIT_GPT2 : OB_SPLIT_NONE;
    return r;
}

/* 1 when the rules can stand together: bytes have no U+2581, characters no expression. */
static int ob_rules_fit(const ob_rules *r) {
    int spaces = r->flags & OB_RULE_SPACES;
    if (r->chars > 1 || r->split >= OB_SPLITS || r->prefix >= OB_PREFIXES ||
        r->strip >= OB_STRIPS || r->flags >= OB_RULES_END)
        return 0;
    if (!r->chars)
        return !spaces && !(r->flags & OB_RULE_FALLBACK) && !r->strip &&
               r->split != OB_SPLIT_SPACE &&
               (r->prefix == OB_PREFIX_NEVER || r->prefix == OB_PREFIX_WORD);
    return r->split <= OB_SPLIT_SPACE &&
           (spaces || (!r->split && !r->prefix && !r->strip)) &&
           !(r->prefix == OB_PREFIX_PART && r->split);
}

/* One slot of the merge table (id < 0: free). A character lies in it as the pair -1, code point,
   rank unused. 16 bytes, so a look-up mostly touches one cache line. */
typedef struct ob_pair {
    uint64_t key;  /* left << 32 | right */
    uint32_t rank; /* row in the list of merges; the lowest is done first */
    int32_t id;    /* what the pair makes */
} ob_pair;

/* All arrays lie in one block behind the struct; free gives that block back. */
struct onebit_tokenizer {
    onebit_env env;
    ob_rules rules;
    int vocab, merges, added;            /* counts */
    int start, end;                      /* ids, or -1 */
    int ends[OB_ENDS_MAX];               /* more ids that end an answer */
    int end_count, end_given;            /* of ends; the first so many a file named */
    char *chat;                          /* the chat template, terminated, or NULL */
    size_t chat_bytes;
    int unknown;                         /* id for characters without one, or -1: dropped */
    int spaced;                          /* words may be cut before spaces: see ob_spaced_word */
    int any;                             /* OR of first[] */
    int shift;                           /* 64 - log2 of the table's slots */
    size_t mask;                         /* slots - 1 */
    char *text;                          /* all pieces, joined */
    uint32_t *at;                        /* [vocab + 1] where each begins */
    uint8_t *role;                       /* [vocab] OB_TOKEN_ bits */
    int32_t *merge;                      /* [merges][3] left, right, result; the row is the rank */
    ob_pair *table;                      /* [mask + 1] */
    int32_t *sorted;                     /* [added] added tokens by their text */
    uint32_t *known;                     /* [known_mask + 1] id + 1 by text, for OB_RULE_WHOLE */
    size_t known_mask;
    ob_forms *forms;                     /* for OB_RULE_NFC, else NULL */
    int32_t byte_id[256];                /* -1: none */
    uint8_t first[256]; /* OR of ob_added_class of the added tokens that begin with this byte */
    ob_classes classes;
};

/* A tokenizer in the making: pieces may lie anywhere (in the JSON's pool, the learner's text, the
   packed bytes) as long as the draft lives; ids are given in any order. The table known finds a
   text's id, for duplicates and for the parts of merges. Free block when done. */
typedef struct ob_draft {
    onebit_env env;
    ob_rules rules;
    int start, end, unknown; /* as in the object; unknown OB_UNKNOWN_MARK: '?' when there is one */
    int ends[OB_ENDS_MAX], end_count; /* that a file names, beside end */
    ob_slice chat;                    /* the chat template; it lies elsewhere */
    int vocab, merges;       /* vocab counts the ids given so far */
    size_t capacity;              /* ids */
    ob_slice *piece;              /* [capacity]; p NULL = not given yet */
    uint8_t *role;                /* [capacity] */
    int32_t *merge;               /* [merges][3] */
    uint32_t *known;              /* [mask + 1] id + 1 by hash of the text; 0 = free */
    size_t mask;
    char *pool;  /* room for text */
    size_t used; /* bytes of the pool */
    void *block;
} ob_draft;

#define OB_UNKNOWN_MARK (-2)

/* Smallest power of two >= n. n is bounded by the callers, so p cannot overflow. */
static size_t ob_power_of_two(size_t n) {
    size_t p = 1;
    while (p < n) p *= 2;
    return p;
}

/* The pieces of a draft's block; with c->base NULL only their sum is counted. The same lines
   measure and lay out. merges + 1: no array is empty. */
static void ob_draft_carve(ob_draft *d, ob_carve *c, size_t merges, size_t pool) {
    d->piece = (ob_slice *)ob_take(c, d->capacity * sizeof *d->piece);
    d->role = (uint8_t *)ob_take(c, d->capacity);
    d->merge = (int32_t *)ob_take(c, (merges + 1) * 3 * sizeof *d->merge);
    d->known = (uint32_t *)ob_take(c, (d->mask + 1) * sizeof *d->known);
    d->pool = (char *)ob_take(c, pool);
}

/* Takes the memory of a draft: at most vocab ids (> 0), merges, pool bytes of text. All sizes come
   from the input, so they are bounded first; ONEBIT_UNSUPPORTED beyond. The block starts as zeros:
   no piece given, every slot free. On an error block is NULL, and releasing it is safe. */
static onebit_status ob_draft_take(ob_draft *d, const onebit_env *env, size_t vocab, size_t merges,
                                   size_t pool) {
    ob_carve count = {NULL, 0}, carve = {NULL, 0};
    memset(d, 0, sizeof *d);
    d->env = *env;
    d->start = d->end = d->unknown = -1;
    if (vocab == 0 || vocab > OB_VOCAB_MAX || merges > OB_MERGES_MAX || pool > SIZE_MAX / 2)
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "tokenizer: %.0f tokens and %.0f merges; at most %d and %d", (double)vocab,
                       (double)merges, OB_VOCAB_MAX, OB_MERGES_MAX);
    d->capacity = vocab;
    d->mask = ob_power_of_two(vocab * 2) - 1;
    ob_draft_carve(d, &count, merges, pool + 1);
    d->block = ob_alloc(env, count.used);
    if (!d->block) return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for a draft");
    carve.base = (uint8_t *)d->block;
    ob_draft_carve(d, &carve, merges, pool + 1);
    return ONEBIT_OK;
}

/* Slot of a text in the draft's table: the one that holds it, or the free one where it belongs. The
   table is at most half full, so a search always ends at a free slot. */
static uint32_t *ob_draft_slot(const ob_draft *d, const char *p, size_t n) {
    size_t i = (size_t)ob_hash64(p, n, 0) & d->mask;
    while (d->known[i]) {
        /* slots hold id + 1, so that zeroed memory means free */
        if (ob_slice_same(d->piece[d->known[i] - 1], ob_slice_on(p, n))) break;
        i = (i + 1) & d->mask;
    }
    return &d->known[i];
}

/* 1 when files of byte-level kinds spell a text in another way than it reads: then an added token
   and a plain one may both have it (deepseek-coder's letters do), and the added one is found
   first. */
static int ob_is_spelled_apart(const ob_draft *d, const char *p, size_t n) {
    size_t i;
    if (d->rules.chars) return 0;
    for (i = 0; i < n; i++)
        if ((unsigned char)p[i] <= ' ' || (unsigned char)p[i] > 126) return 1;
    return 0;
}

/* Gives id its text, which stays where it lies. Every id and every text once. Anything else is
   ONEBIT_FORMAT: two ids with one text could not be told apart when encoding. Where that can be,
   the table keeps the plain one, which merges name. role is OB_TOKEN_ bits. */
static onebit_status ob_draft_put(ob_draft *d, int64_t id, const char *p, size_t n, int role) {
    uint32_t *slot;
    if (n == 0) return ob_fail(ONEBIT_FORMAT, "tokenizer: token %.0f is empty", (double)id);
    /* ids are rows of the embedding: beyond the count there must be a gap somewhere below */
    if (id < 0 || (uint64_t)id >= d->capacity)
        return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: id %.0f; the ids of %d tokens must be 0..%d",
                       (double)id, (int)d->capacity, (int)d->capacity - 1);
    if (d->piece[id].p) return ob_fail(ONEBIT_FORMAT, "tokenizer: id %d twice", (int)id);
    /* bytes that stand in for unknown characters are no texts: the character A has its own token */
    slot = role & OB_TOKEN_BYTE && d->rules.chars ? NULL : ob_draft_slot(d, p, n);
    if (slot && *slot && ((d->role[*slot - 1] ^ role) & OB_TOKEN_ADDED) &&
        ob_is_spelled_apart(d, p, n)) {
        if (role & OB_TOKEN_ADDED) slot = NULL;
    } else if (slot && *slot)
        return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: tokens %d and %d have the same text, %.*s",
                       (int)*slot - 1, (int)id, (int)(n < 60 ? n : 60), p);
    d->piece[id].p = p;
    d->piece[id].n = n;
    d->role[id] = (uint8_t)role;
    if (slot) *slot = (uint32_t)id + 1;
    d->vocab++;
    return ONEBIT_OK;
}

/* Notes one more id that ends an answer; once each, and none when id is below 0. What does not fit
   is left out: no real file names so many. */
static void ob_draft_ends(ob_draft *d, int id) {
    int i;
    for (i = 0; i < d->end_count && d->ends[i] != id; i++) {}
    if (id >= 0 && i == d->end_count && i < OB_ENDS_MAX) d->ends[d->end_count++] = id;
}

/* Takes a chat template, which stays where it lies. It will be a terminated text, so it may hold no
   NUL. */
static onebit_status ob_draft_chat(ob_draft *d, ob_slice chat) {
    if (chat.n > OB_CHAT_MAX)
        return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: a chat template of %lu bytes, at most %d",
                       (unsigned long)chat.n, OB_CHAT_MAX);
    if (chat.n && memchr(chat.p, 0, chat.n))
        return ob_fail(ONEBIT_FORMAT, "tokenizer: the chat template holds a NUL");
    d->chat = chat;
    return ONEBIT_OK;
}

/* Notes that left, right (ids that exist) make result, as the next rank. The room was counted when
   the draft was taken. */
static void ob_draft_merge(ob_draft *d, int32_t left, int32_t right, int32_t result) {
    int32_t *m = d->merge + (size_t)d->merges * 3;
    m[0] = left;
    m[1] = right;
    m[2] = result;
    d->role[result] |= OB_TOKEN_MERGED;
    d->merges++;
}

/* Piece of an id that exists; it lives as long as the tokenizer and is not terminated. */
static ob_slice ob_piece(const onebit_tokenizer *t, int32_t id) {
    return ob_slice_on(t->text + t->at[id], t->at[id + 1] - t->at[id]);
}

/* The slot of a key: the one that holds it, or the free one where it belongs. Fibonacci hashing
   (Knuth, volume 3, 6.4): a product's upper bits depend on all bits of the key, and ids that follow
   one another spread evenly. */
static ob_pair *ob_pair_slot(const onebit_tokenizer *t, uint64_t key) {
    size_t i = (size_t)((key * OB_GOLDEN) >> t->shift);
    while (t->table[i].id >= 0 && t->table[i].key != key) i = (i + 1) & t->mask;
    return &t->table[i];
}

/* Both ids of a pair in one number; ids are not negative here. */
static uint64_t ob_pair_key(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* Id of a character, or -1. */
static int32_t ob_char_id(const onebit_tokenizer *t, uint32_t code) {
    return ob_pair_slot(t, ob_pair_key(-1, (int32_t)code))->id;
}

/* Slot of a text in the table of OB_RULE_WHOLE: the one that holds it, or a free one. */
static uint32_t *ob_known_slot(const onebit_tokenizer *t, const char *p, size_t n) {
    size_t i = (size_t)ob_hash64(p, n, 0) & t->known_mask;
    for (; t->known[i]; i = (i + 1) & t->known_mask)
        if (ob_slice_same(ob_piece(t, (int32_t)t->known[i] - 1), ob_slice_on(p, n))) break;
    return &t->known[i];
}

/* Which search finds an added token, as a bit: raw or normalised text, special or not. */
static int ob_added_class(int role) {
    return 1 << ((role & OB_TOKEN_SPECIAL ? 1 : 0) + (role & OB_TOKEN_LATE ? 2 : 0));
}

/* Order of two added tokens by their text; a prefix comes first. Bytes are compared unsigned, as
   memcmp does, so the order is that of the search below. */
static int ob_piece_order(const onebit_tokenizer *t, int32_t a, int32_t b) {
    ob_slice x = ob_piece(t, a), y = ob_piece(t, b);
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

/* Restores the heap below i (largest on top). Entries i+1 .. n-1 are heaps already. */
static void ob_added_sift(onebit_tokenizer *t, int i, int n) {
    int32_t moved = t->sorted[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && ob_piece_order(t, t->sorted[child], t->sorted[child + 1]) < 0) child++;
        if (ob_piece_order(t, t->sorted[child], moved) <= 0) break;
        t->sorted[i] = t->sorted[child];
        i = child;
    }
    t->sorted[i] = moved;
}

/* Heap sort, in place: a file may claim very many added tokens, and qsort has no argument through
   which the comparison could see the tokenizer. */
static void ob_added_sort(onebit_tokenizer *t) {
    int i, n = t->added;
    for (i = n / 2 - 1; i >= 0; i--) ob_added_sift(t, i, n);
    for (i = n - 1; i > 0; i--) {
        int32_t top = t->sorted[0];
        t->sorted[0] = t->sorted[i];
        t->sorted[i] = top;
        ob_added_sift(t, 0, i);
    }
}

/* 1 when all of p is UTF-8, so that a JSON writer can give the text back. */
static int ob_is_utf8(const char *p, size_t n) {
    size_t at = 0;
    while (at < n) {
        uint32_t code;
        at += ob_utf8_decode(p + at, n - at, &code);
        if (code == OB_UTF8_BAD) return 0;
    }
    return 1;
}

/* Enters one token where encoding looks for it: added ones in the sorted list and under their first
   byte, bytes in byte_id, characters in the table, all but added ones under their text. *added
   counts the sorted list. */
static onebit_status ob_tokenizer_enter(onebit_tokenizer *t, int32_t id, int *added) {
    ob_slice s = ob_piece(t, id);
    unsigned char c = (unsigned char)s.p[0];
    uint32_t code;
    if (t->role[id] & OB_TOKEN_ADDED) {
        if (!ob_is_utf8(s.p, s.n))
            return ob_fail(ONEBIT_FORMAT, "tokenizer: added token %d is not UTF-8", (int)id);
        t->sorted[(*added)++] = id;
        t->first[c] = (uint8_t)(t->first[c] | ob_added_class(t->role[id]));
        t->any |= t->first[c];
    } else if (t->known) *ob_known_slot(t, s.p, s.n) = (uint32_t)id + 1;
    if (t->role[id] & OB_TOKEN_BYTE) {
        if (t->byte_id[c] >= 0)
            return ob_fail(ONEBIT_FORMAT, "tokenizer: byte %d twice: %d, %d", (int)c,
                           (int)t->byte_id[c], (int)id);
        t->byte_id[c] = id;
    } else if (t->rules.chars && !(t->role[id] & OB_TOKEN_ADDED) &&
               ob_utf8_decode(s.p, s.n, &code) == s.n && code != OB_UTF8_BAD) {
        ob_pair *slot = ob_pair_slot(t, ob_pair_key(-1, (int32_t)code));
        if (slot->id >= 0)
            return ob_fail(ONEBIT_FORMAT, "tokenizer: token %d is also %d", (int)id, (int)slot->id);
        slot->key = ob_pair_key(-1, (int32_t)code);
        slot->id = id;
    }
    return ONEBIT_OK;
}

/* Enters the merges, and marks the tokens whose text follows from them in order. A part's text is
   known when the part is no merge's result or was marked by an earlier row. The packed form leaves
   marked texts out; its reader walks the same rows in the same order. */
static onebit_status ob_tokenizer_enter_merges(onebit_tokenizer *t) {
    int i;
    for (i = 0; i < t->merges; i++) {
        const int32_t *m = t->merge + (size_t)i * 3;
        ob_pair *slot = ob_pair_slot(t, ob_pair_key(m[0], m[1]));
        int part, known = 1;
        if (slot->id >= 0)
            return ob_fail(ONEBIT_FORMAT, "tokenizer: merge %d stands there twice", i);
        slot->key = ob_pair_key(m[0], m[1]);
        slot->rank = (uint32_t)i;
        slot->id = m[2];
        if (*ob_piece(t, m[1]).p == ' ' && t->text[t->at[m[0] + 1] - 1] != ' ') t->spaced = 0;
        for (part = 0; part < 2; part++) {
            int role = t->role[m[part]];
            /* bytes, stored texts, or derived by a row above */
            known &= !(role & OB_TOKEN_MERGED) || role & OB_TOKEN_DERIVED ? 1 : 0;
        }
        if (known && t->at[m[2] + 1] - t->at[m[2]] <= OB_DERIVED_MAX)
            t->role[m[2]] |= OB_TOKEN_DERIVED;
    }
    return ONEBIT_OK;
}

/* The pieces of the object's block, after the struct itself; text is the bytes of all pieces.
   vocab, merges, added and mask must be set. */
static void ob_tokenizer_carve(onebit_tokenizer *t, ob_carve *c, size_t text) {
    t->text = (char *)ob_take(c, text + 1);
    t->at = (uint32_t *)ob_take(c, ((size_t)t->vocab + 1) * sizeof *t->at);
    t->role = (uint8_t *)ob_take(c, (size_t)t->vocab);
    t->merge = (int32_t *)ob_take(c, ((size_t)t->merges + 1) * 3 * sizeof *t->merge);
    t->table = (ob_pair *)ob_take(c, (t->mask + 1) * sizeof *t->table);
    t->sorted = (int32_t *)ob_take(c, ((size_t)t->added + 1) * sizeof *t->sorted);
    t->known = NULL;
    t->forms = NULL;
    if (t->rules.flags & OB_RULE_WHOLE)
        t->known = (uint32_t *)ob_take(c, (t->known_mask + 1) * sizeof *t->known);
    if (t->rules.flags & OB_RULE_NFC) t->forms = (ob_forms *)ob_take(c, sizeof *t->forms);
    t->chat = t->chat_bytes ? (char *)ob_take(c, t->chat_bytes + 1) : NULL;
}

/* Counts what the draft needs; every id below vocab must have its text. ONEBIT_UNSUPPORTED for a
   gap in the ids: a row of the embedding would have no text. Offsets of pieces are 32 bits, hence
   the 4 GiB. */
static onebit_status ob_draft_measure(const ob_draft *d, onebit_tokenizer *shape, size_t *text) {
    int i;
    size_t keys = (size_t)d->merges + (size_t)(d->rules.chars ? d->vocab : 0);
    memset(shape, 0, sizeof *shape);
    shape->env = d->env;
    shape->rules = d->rules;
    shape->vocab = d->vocab;
    shape->merges = d->merges;
    shape->start = d->start;
    shape->end = d->end;
    memcpy(shape->ends, d->ends, sizeof shape->ends);
    shape->end_count = shape->end_given = d->end_count;
    shape->chat_bytes = d->chat.n;
    shape->unknown = d->unknown;
    shape->known_mask = ob_power_of_two((size_t)d->vocab * 2) - 1;
    *text = 0;
    for (i = 0; i < d->vocab; i++) {
        if (!d->piece[i].p) return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: no token has id %d", i);
        if (!ob_add(*text, d->piece[i].n, text) || *text > 0xFFFFFFFFu)
            return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: more than 4 GiB of pieces");
        shape->added += (d->role[i] & OB_TOKEN_ADDED) != 0;
    }
    shape->mask = ob_power_of_two(keys + keys / 2 + 2) - 1; /* at most 2/3 full */
    /* at least two slots, so shift stays below 64, where it would be undefined */
    for (shape->shift = 64; shape->mask >> (64 - shape->shift); shape->shift--) {}
    return ONEBIT_OK;
}

/* Adds the tokens that end an answer by their name, as llama.cpp does: files of chat models often
   name only the end of the text, and then an answer would never stop. Only special tokens count:
   the same letters in a text end nothing. */
static void ob_tokenizer_name_ends(onebit_tokenizer *t) {
    static const char *const names[] = {"<|eot_id|>",    "<|im_end|>", "<|end|>",
                                        "<end_of_turn>", OB_END_TEXT,  "</s>"};
    const int both = OB_TOKEN_ADDED | OB_TOKEN_SPECIAL;
    size_t k;
    int i, id;
    for (i = 0; i < t->added; i++) {
        id = t->sorted[i];
        if ((t->role[id] & both) != both || t->end_count == OB_ENDS_MAX) continue;
        for (k = 0; k < sizeof names / sizeof *names; k++)
            if (ob_slice_is(ob_piece(t, id), names[k])) t->ends[t->end_count++] = id;
    }
}

/* Copies the pieces in id order, then fills the tables. 0xFF makes every id -1: a free slot, a byte
   without a token. Added tokens are sorted before anything is encoded, merges come last because
   they read the roles. */
static onebit_status ob_tokenizer_fill(onebit_tokenizer *t, const ob_draft *d) {
    uint32_t at = 0;
    int i, added = 0;
    for (i = 0; i < t->vocab; i++) {
        memcpy(t->text + at, d->piece[i].p, d->piece[i].n);
        t->at[i] = at;
        at += (uint32_t)d->piece[i].n;
        t->role[i] = d->role[i];
    }
    t->at[t->vocab] = at;
    memcpy(t->merge, d->merge, (size_t)t->merges * 3 * sizeof *t->merge);
    memset(t->table, 0xFF, (t->mask + 1) * sizeof *t->table);
    memset(t->byte_id, 0xFF, sizeof t->byte_id);
    ob_classes_fill(&t->classes);
    if (t->forms) ob_forms_fill(t->forms);
    for (i = 0; i < t->vocab; i++) OB_TRY(ob_tokenizer_enter(t, i, &added));
    ob_added_sort(t);
    ob_tokenizer_name_ends(t);
    if (t->chat) memcpy(t->chat, d->chat.p, d->chat.n);
    if (t->unknown == OB_UNKNOWN_MARK) t->unknown = ob_char_id(t, '?');
    /* unknown spaces could fuse with what stands before them */
    t->spaced = t->rules.flags & OB_RULE_SPACES && ob_char_id(t, ' ') >= 0;
    return ob_tokenizer_enter_merges(t);
}

/* Makes the object, one block, from a draft, which stays the caller's. Pieces are copied, so what
   the draft points into may go away too. On an error nothing is kept. */
static onebit_status ob_tokenizer_build(onebit_tokenizer **out, const ob_draft *d) {
    onebit_tokenizer shape, *t;
    ob_carve count = {NULL, 0}, carve = {NULL, 0};
    size_t text;
    onebit_status status;
    OB_TRY(ob_draft_measure(d, &shape, &text));
    ob_take(&count, sizeof shape);
    ob_tokenizer_carve(&shape, &count, text);
    carve.base = (uint8_t *)ob_alloc(&d->env, count.used);
    if (!carve.base) return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for %d tokens", d->vocab);
    t = (onebit_tokenizer *)ob_take(&carve, sizeof shape);
    *t = shape;
    ob_tokenizer_carve(t, &carve, text);
    status = ob_tokenizer_fill(t, d);
    if (status == ONEBIT_OK) *out = t;
    else onebit_tokenizer_free(t);
    return status;
}

/* One block holds everything. Nobody may be using it in another thread. */
void onebit_tokenizer_free(onebit_tokenizer *tokenizer) {
    onebit_env env;
    if (!tokenizer) return;
    env = tokenizer->env; /* it lies in the block that goes away */
    ob_release(&env, tokenizer);
}

/* Those below answer for NULL too, so that a program without a tokenizer needs no cases. */
int onebit_tokenizer_vocab_size(const onebit_tokenizer *tokenizer) {
    return tokenizer ? tokenizer->vocab : 0;
}

/* -1 also when a file names no token that ends texts: generation then stops by length. */
int onebit_tokenizer_end(const onebit_tokenizer *tokenizer) {
    return tokenizer ? tokenizer->end : -1;
}

/* What a file names and what is named so; a handful of comparisons. */
int onebit_tokenizer_ends(const onebit_tokenizer *tokenizer, int id) {
    int i;
    if (!tokenizer || id < 0) return 0;
    for (i = 0; i < tokenizer->end_count; i++)
        if (tokenizer->ends[i] == id) return 1;
    return id == tokenizer->end;
}

/* The block is zeroed, so the text is terminated. */
const char *onebit_tokenizer_template(const onebit_tokenizer *tokenizer) {
    return tokenizer ? tokenizer->chat : NULL;
}

/* Llama's files name it, GPT-2's and Qwen's do not. */
int onebit_tokenizer_start(const onebit_tokenizer *tokenizer) {
    return tokenizer ? tokenizer->start : -1;
}

/* Bytes, possibly part of a character and not terminated; NULL and 0 for an id that does not
   exist. */
const char *onebit_tokenizer_piece(const onebit_tokenizer *tokenizer, int id, size_t *bytes) {
    ob_slice s = {NULL, 0};
    if (tokenizer && id >= 0 && id < tokenizer->vocab) s = ob_piece(tokenizer, id);
    if (bytes) *bytes = s.n;
    return s.p;
}

/* ---- encoding ----
   Four steps. Added tokens are cut out of the text first, as they stand. What lies between is
   normalised, if at all, and cut into words. Each word begins as its bytes or characters, and the
   pair with the lowest rank is merged until no pair has a rank (Sennrich et al. 2016). Usual words
   are a few bytes long: a plain scan of at most 64 ranks on the stack is fastest. Only longer ones
   (base64, a line of dashes) would make that quadratic, so they go through a heap, and the whole
   stays near linear in the text. Most words of a long text come again: they are remembered. */

/* Where ids go: counted always, written while there is room. So a call with capacity 0 measures. */
typedef struct ob_ids {
    int32_t *p;
    size_t capacity, n;
} ob_ids;

/* Gives one id out. */
static void ob_ids_add(ob_ids *o, int32_t id) {
    if (o->n < o->capacity) o->p[o->n] = id;
    o->n++;
}

/* The ids of a character's bytes, when all of them have one; returns their number, or 0. */
static size_t ob_byte_symbols(const onebit_tokenizer *t, int32_t *s, const char *p, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        s[i] = t->byte_id[(unsigned char)p[i]];
        if (s[i] < 0) return 0;
    }
    return n;
}

/* What a word begins as: takes characters from text as long as s[room] surely has room for their
   ids; returns the number of ids. What has no id becomes bytes where the rules say so, else the
   unknown token, else it is dropped, and its neighbours may merge. Bytes that are not UTF-8 are
   characters of one byte that no token has. *unknown: the last one was, 0 at first. */
static size_t ob_symbols(const onebit_tokenizer *t, int32_t *s, size_t room, ob_slice *text,
                         int *unknown) {
    size_t count = 0, used = 1, bytes;
    for (; text->n && count + 4 <= room; text->p += used, text->n -= used) {
        int32_t id;
        if (t->rules.chars) {
            uint32_t code;
            used = ob_utf8_decode(text->p, text->n, &code);
            if (code == 0x2581 && t->rules.flags & OB_RULE_SPACES) code = ' ';
            id = ob_char_id(t, code);
        } else id = t->byte_id[(unsigned char)*text->p];
        bytes = id < 0 && t->rules.flags & OB_RULE_FALLBACK
                    ? ob_byte_symbols(t, s + count, text->p, used)
                    : 0;
        count += bytes;
        if (id < 0 && !bytes) {
            if (t->unknown >= 0 && !(*unknown && t->rules.flags & OB_RULE_FUSE))
                s[count++] = t->unknown;
            *unknown = 1;
            continue;
        }
        if (id >= 0) s[count++] = id;
        *unknown = 0;
    }
    return count;
}

/* Rank of the merge of two ids and the id that it makes; OB_NO_RANK when there is none. *made is
   below 0 then. The hot spot of encoding: one probe of the hash table. */
static uint32_t ob_rank(const onebit_tokenizer *t, int32_t left, int32_t right, int32_t *made) {
    const ob_pair *slot = ob_pair_slot(t, ob_pair_key(left, right));
    *made = slot->id;
    return slot->id >= 0 ? slot->rank : OB_NO_RANK;
}

/* Merges the n <= OB_SHORT_WORD ids of a word in place, the lowest rank first, the leftmost of
   equals; returns how many remain. Ranks are kept beside the ids, so a merge asks only for the two
   pairs that it changes; the scan for the lowest is O(n), the whole O(n^2) with n <= 64. */
static int ob_merge_short(const onebit_tokenizer *t, int32_t *s, int n) {
    uint32_t rank[OB_SHORT_WORD];
    int32_t made[OB_SHORT_WORD];
    int i;
    for (i = 0; i + 1 < n; i++) rank[i] = ob_rank(t, s[i], s[i + 1], &made[i]);
    while (n > 1) {
        int best = 0;
        for (i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == OB_NO_RANK) break;
        /* the pair becomes one symbol; the rest moves up, then the pairs on both sides are new */
        s[best] = made[best];
        n--;
        for (i = best + 1; i < n; i++) s[i] = s[i + 1];
        for (i = best + 1; i + 1 < n; i++) rank[i] = rank[i + 1], made[i] = made[i + 1];
        if (best + 1 < n) rank[best] = ob_rank(t, s[best], s[best + 1], &made[best]);
        if (best > 0) rank[best - 1] = ob_rank(t, s[best - 1], s[best], &made[best - 1]);
    }
    return n;
}

/* One symbol of a long word: a doubly linked list by index, -1 at the ends. */
typedef struct ob_node {
    int32_t id;
    uint32_t rank;         /* of the pair with the next; OB_NO_RANK also when merged away */
    int32_t before, after; /* nodes still in the list */
} ob_node;

/* A word and its ids, remembered. 64 bytes: a cache line. */
typedef struct ob_memo {
    int32_t id[8];
    uint8_t n, count; /* bytes; ids; 0 = free */
    char word[30];
} ob_memo;

#define OB_MEMOS     8192   /* half a megabyte, which fits most processors' second cache */
#define OB_MEMO_TEXT 100000 /* bytes of text from which remembering is worth its memory */

/* Work area of an encode call: for its longest window nodes and a heap of rank << 32 | index, so
   that the smallest entry is the lowest rank and, among equals, the leftmost place. Taken from the
   tokenizer's hooks when first needed and given back at the end of the call. */
typedef struct ob_work {
    void *block;
    size_t capacity, heaped; /* symbols that fit; entries in the heap */
    ob_node *node;           /* [capacity] */
    uint64_t *heap;          /* [2 * capacity]: a merge takes one entry away and adds at most two */
    ob_memo *memo;           /* [OB_MEMOS] by hash, or NULL */
    ob_room symbols;                       /* of a long word */
    ob_room composing, composed, prefixed; /* normalised texts */
} ob_work;

/* Makes room for a word of n bytes; doubles, so that the total stays linear. The old contents are
   not kept: words do not share anything. 1 GiB keeps indices in 31 bits. */
static onebit_status ob_work_reserve(const onebit_tokenizer *t, ob_work *w, size_t n) {
    ob_carve carve = {NULL, 0};
    size_t each = sizeof *w->node + 2 * sizeof *w->heap;
    if (n <= w->capacity) return ONEBIT_OK;
    /* node indices are int32_t, and twice as many heap entries must be countable */
    if (n > 0x3FFFFFFF) return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: a word of more than 1 GiB");
    ob_release(&t->env, w->block);
    w->capacity = n > 2 * w->capacity ? n : 2 * w->capacity;
    w->block = w->capacity < SIZE_MAX / each ? ob_alloc(&t->env, w->capacity * each + 128) : NULL;
    if (!w->block) {
        w->capacity = 0;
        return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory to encode a word of %.0f bytes",
                       (double)n);
    }
    carve.base = (uint8_t *)w->block;
    w->heap = (uint64_t *)ob_take(&carve, 2 * w->capacity * sizeof *w->heap);
    w->node = (ob_node *)ob_take(&carve, w->capacity * sizeof *w->node);
    return ONEBIT_OK;
}

/* Moves the entry at i down to its place (smallest on top). Four children share a cache line or
   two, which halves the misses of a heap that outgrows the cache. The parent of i is (i - 1) /
   4. */
static void ob_work_sift(ob_work *w, size_t i) {
    uint64_t moved = w->heap[i];
    for (;;) {
        size_t child = 4 * i + 1, end = child + 4 < w->heaped ? child + 4 : w->heaped, best = child;
        if (child >= w->heaped) break;
        while (++child < end)
            if (w->heap[child] < w->heap[best]) best = child;
        if (w->heap[best] >= moved) break;
        w->heap[i] = w->heap[best];
        i = best;
    }
    w->heap[i] = moved;
}

/* Adds an entry, moved up to its place. The room is reserved: see heap. */
static void ob_work_push(ob_work *w, uint64_t entry) {
    size_t i = w->heaped++;
    while (i > 0 && w->heap[(i - 1) / 4] > entry) {
        w->heap[i] = w->heap[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    w->heap[i] = entry;
}

/* Looks up the pair that begins at node i and queues it when it merges. heaped 0 only appends: the
   first fill is made a heap afterwards, in linear time. */
static void ob_work_pair(const onebit_tokenizer *t, ob_work *w, int32_t i, int heaped) {
    ob_node *a = &w->node[i];
    int32_t made;
    a->rank = a->after < 0 ? OB_NO_RANK : ob_rank(t, a->id, w->node[a->after].id, &made);
    if (a->rank == OB_NO_RANK) return;
    if (heaped) ob_work_push(w, (uint64_t)a->rank << 32 | (uint32_t)i);
    else w->heap[w->heaped++] = (uint64_t)a->rank << 32 | (uint32_t)i;
}

/* Merges node i with the one after it. The two pairs that touch it get new ranks; their old entries
   stay in the heap and are found stale when they come up. */
static void ob_work_merge(const onebit_tokenizer *t, ob_work *w, int32_t i) {
    ob_node *a = &w->node[i], *b = &w->node[a->after];
    a->id = ob_pair_slot(t, ob_pair_key(a->id, b->id))->id;
    a->after = b->after;
    /* its entries in the heap are stale from now on */
    b->rank = OB_NO_RANK;
    if (a->after >= 0) w->node[a->after].before = i;
    ob_work_pair(t, w, i, 1);
    if (a->before >= 0) ob_work_pair(t, w, a->before, 1);
}

/* Merges any number n of symbols: a heap of the pairs, O(n log n). A rank names one pair of ids, so
   an entry is valid exactly when its node still has its rank; taking stale entries out where they
   lie would need a heap that knows places. Gives the same ids as ob_merge_short: a list that begins
   at node 0. A node's index is that of its first symbol. */
static onebit_status ob_merge_long(const onebit_tokenizer *t, ob_work *w, const int32_t *symbol,
                                   size_t n) {
    int32_t count = (int32_t)n, i;
    size_t at;
    if (!n) return ONEBIT_OK;
    OB_TRY(ob_work_reserve(t, w, n));
    for (i = 0; i < count; i++) {
        w->node[i].id = symbol[i];
        w->node[i].before = i - 1;
        w->node[i].after = i + 1 < count ? i + 1 : -1;
    }
    for (w->heaped = 0, i = 0; i < count; i++) ob_work_pair(t, w, i, 0);
    /* Floyd's way to make a heap: from the last entry up, O(n) in all */
    for (at = w->heaped; at-- > 0;) ob_work_sift(w, at);
    while (w->heaped) {
        uint64_t top = w->heap[0];
        w->heap[0] = w->heap[--w->heaped];
        if (w->heaped) ob_work_sift(w, 0);
        /* else stale: a neighbour was merged since this entry was queued */
        if (w->node[top & 0xFFFFFFFFu].rank == (uint32_t)(top >> 32))
            ob_work_merge(t, w, (int32_t)(top & 0xFFFFFFFFu));
    }
    return ONEBIT_OK;
}

#define OB_WINDOW 4096 /* symbols that are merged at a time: their nodes and heap fit the cache */

/* A long word, in windows of so many symbols: time is linear and memory small. Ids are what merging
   all at once gives exactly when every two neighbours, merged alone, stay apart: the first merge
   across some border in the whole would be the first across it in the two. Neighbours out of one
   window do so. So a window's ids are taken up to a token in its last quarter, the next window
   begins at that token, and when it begins with the same id, all borders are right. Else (this
   needs tokens as long as a quarter, or odd merges) *ok is 0, and o holds what is of no use. */
static onebit_status ob_encode_windows(const onebit_tokenizer *t, ob_ids *o, ob_work *w,
                                       ob_slice text, size_t window, int *ok) {
    int32_t wanted = -1, i = 0, *symbol;
    size_t have = 0;
    int unknown = 0;
    OB_TRY(ob_room_grow(&w->symbols, &t->env, 0, window * sizeof *symbol));
    symbol = (int32_t *)w->symbols.p;
    while (i >= 0) {
        have += ob_symbols(t, symbol + have, window - have, &text, &unknown);
        OB_TRY(ob_merge_long(t, w, symbol, have));
        *ok = have == 0 || wanted < 0 || w->node[0].id == wanted;
        for (i = have ? 0 : -1; *ok && i >= 0; i = w->node[i].after) {
            if (text.n && (size_t)i >= have / 4 * 3) break;
            ob_ids_add(o, w->node[i].id);
        }
        /* no token begins in the last quarter, or the first one is not what it was */
        *ok &= i < 0 ? text.n == 0 : i > 0;
        if (!*ok || i < 0) return ONEBIT_OK;
        wanted = w->node[i].id;
        have -= (size_t)i;
        memmove(symbol, symbol + i, have * sizeof *symbol);
    }
    return ONEBIT_OK;
}

/* A word of any length: in windows, or else all of it in one. A symbol takes a byte at least. */
static onebit_status ob_encode_long(const onebit_tokenizer *t, ob_ids *o, ob_work *w, const char *p,
                                    size_t n) {
    ob_slice text = ob_slice_on(p, n);
    size_t before = o->n;
    int ok;
    if (n > SIZE_MAX / 16) return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: a word of %.0f bytes",
                                          (double)n);
    OB_TRY(ob_encode_windows(t, o, w, text, n < OB_WINDOW ? n + 4 : OB_WINDOW, &ok));
    if (ok) return ONEBIT_OK;
    o->n = before;
    return ob_encode_windows(t, o, w, text, n + 4, &ok);
}

/* A word of at most OB_SHORT_WORD bytes. memo is where it is remembered, NULL when it is too long
   for that. */
static void ob_encode_short(const onebit_tokenizer *t, ob_ids *o, ob_memo *memo, const char *p,
                            size_t n) {
    int32_t s[OB_SHORT_WORD + 4];
    ob_slice text = ob_slice_on(p, n);
    int i, count, unknown = 0;
    count = ob_merge_short(t, s, (int)ob_symbols(t, s, n + 4, &text, &unknown));
    for (i = 0; i < count; i++) ob_ids_add(o, s[i]);
    if (!memo || !count || count > 8) return;
    memo->n = (uint8_t)n;
    memo->count = (uint8_t)count;
    memcpy(memo->word, p, n);
    memcpy(memo->id, s, (size_t)count * sizeof *s);
}

/* One word: a token as it is, one remembered, or by its length. */
static onebit_status ob_encode_word(const onebit_tokenizer *t, ob_ids *o, ob_work *w, const char *p,
                                    size_t n) {
    ob_memo *memo = NULL;
    int i;
    if (t->known) {
        uint32_t known = *ob_known_slot(t, p, n);
        if (known) ob_ids_add(o, (int32_t)known - 1);
        if (known) return ONEBIT_OK;
    }
    if (n > OB_SHORT_WORD) return ob_encode_long(t, o, w, p, n);
    if (w->memo && n <= sizeof memo->word) {
        memo = &w->memo[ob_hash64(p, n, 0) % OB_MEMOS];
        if (memo->n == n && !memcmp(memo->word, p, n)) {
            for (i = 0; i < memo->count; i++) ob_ids_add(o, memo->id[i]);
            return ONEBIT_OK;
        }
    }
    ob_encode_short(t, o, memo, p, n);
    return ONEBIT_OK;
}

/* Length of the first word of p[0..n), n > 0. Without merges every symbol stands alone, so that
   BYTE and CHAR need no words; unknown ones that fuse must stay together. */
static size_t ob_cut(const onebit_tokenizer *t, const char *p, size_t n) {
    uint32_t code;
    if (!t->merges && !(t->rules.flags & (OB_RULE_FUSE | OB_RULE_WHOLE)))
        return t->rules.chars ? ob_utf8_decode(p, n, &code) : 1;
    if (t->rules.split == OB_SPLIT_SPACE) return ob_spaced_word(p, n, 1);
    if (t->rules.split == OB_SPLIT_CODER) return ob_coder_word(&t->classes, p, n);
    if (t->rules.split == OB_SPLIT_PLAIN) return ob_plain_word(&t->classes, p, n);
    if (t->rules.split != OB_SPLIT_NONE)
        return ob_word_length(&t->classes, &ob_splits[t->rules.split], p, n);
    return t->spaced ? ob_spaced_word(p, n, 0) : n;
}

/* Puts a space before text, as a copy. */
static onebit_status ob_prefix(const onebit_tokenizer *t, ob_work *w, ob_slice *text) {
    char *copy;
    OB_TRY(ob_room_grow(&w->prefixed, &t->env, 0, text->n + 1));
    copy = (char *)w->prefixed.p;
    *copy = ' ';
    memcpy(copy + 1, text->p, text->n);
    text->p = copy;
    text->n++;
    return ONEBIT_OK;
}

/* Text without added tokens; first: it is where the whole text begins. */
static onebit_status ob_encode_plain(const onebit_tokenizer *t, ob_ids *o, ob_work *w,
                                     ob_slice text, int first) {
    size_t at, used;
    int wants = t->rules.prefix == OB_PREFIX_WORD || (t->rules.prefix == OB_PREFIX_TEXT && first);
    size_t blank = t->rules.chars ? ob_blank(text.p, text.n) : *text.p == ' ';
    if (wants && !blank) OB_TRY(ob_prefix(t, w, &text));
    for (at = 0; at < text.n; at += used) {
        used = ob_cut(t, text.p + at, text.n - at);
        OB_TRY(ob_encode_word(t, o, w, text.p + at, used));
    }
    return ONEBIT_OK;
}

/* Byte number depth of an added token, -1 past its end. So the end of a token sorts before every
   byte, as in ob_piece_order. */
static int ob_added_byte(const onebit_tokenizer *t, int i, size_t depth) {
    ob_slice s = ob_piece(t, t->sorted[i]);
    return depth < s.n ? (unsigned char)s.p[depth] : -1;
}

/* First of sorted[low..high), which agree in depth bytes, whose next byte is at least c. c goes up
   to 256, which is past every byte. */
static int ob_added_bound(const onebit_tokenizer *t, int low, int high, size_t depth, int c) {
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (ob_added_byte(t, middle, depth) < c) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The longest added token of the wanted classes that stands at p, or -1. Walks down the sorted list
   as if it were a tree: each byte narrows low..high to the tokens that go on with it, and a token
   that ends at this depth comes first in its range. O(length * log added), no memory. */
static int32_t ob_added_at(const onebit_tokenizer *t, const char *p, size_t n, int wanted) {
    int low = 0, high = t->added;
    int32_t found = -1;
    size_t depth;
    for (depth = 0; low < high; depth++) {
        int c;
        /* a token ends here: remember it, go on for a longer one */
        if (depth && ob_added_byte(t, low, depth) < 0) {
            int32_t id = t->sorted[low++];
            if (wanted & ob_added_class(t->role[id])) found = id;
        }
        if (depth == n) break;
        c = (unsigned char)p[depth];
        low = ob_added_bound(t, low, high, depth, c);
        high = ob_added_bound(t, low, high, depth, c + 1);
    }
    return found;
}

/* An added token in a text: it takes text[from..to), id -1 and from = to = the end when there is
   none. */
typedef struct ob_match {
    size_t from, to;
    int32_t id;
} ob_match;

/* Bytes of white space that text[0..n) ends with. */
static size_t ob_space_before(const onebit_tokenizer *t, const char *text, size_t n) {
    size_t at = n, used;
    for (;;) {
        size_t begin = at;
        while (begin && at - begin < 4 && ((uint8_t)text[begin - 1] & 0xC0) == 0x80) begin--;
        if (begin) begin--;
        if (begin == at || ob_class_at(&t->classes, text + begin, at - begin, &used) !=
                               OB_CHAR_SPACE || begin + used != at)
            return n - at;
        at = begin;
    }
}

/* Takes the white space around a match along, as its token asks for; not before at. */
static void ob_match_widen(const onebit_tokenizer *t, ob_match *m, const char *p, size_t at,
                           size_t n) {
    int role = t->role[m->id];
    if (role & OB_TOKEN_LEFT) m->from -= ob_space_before(t, p + at, m->from - at);
    if (role & OB_TOKEN_RIGHT)
        m->to += ob_class_run(&t->classes, OB_CHAR_SPACE, p + m->to, n - m->to);
}

/* The first added token of the wanted classes in text, from at on. The array first[] skips almost
   every byte: most tokens begin with "<". The normalizer Prepend puts its space before tokens too
   that are looked for in normalised text, so they stand behind a space, which is theirs. */
static ob_match ob_added_next(const onebit_tokenizer *t, ob_slice text, size_t at, int wanted) {
    const char *p = text.p;
    ob_match m;
    size_t i;
    int spaced = t->rules.prefix == OB_PREFIX_PART && wanted & 12;
    for (i = at; t->any & wanted && i < text.n; i++) {
        size_t blank = 0;
        if (!(t->first[(unsigned char)p[i]] & wanted)) continue;
        if (spaced && i > at && p[i - 1] == ' ') blank = 1;
        if (spaced && i >= at + 3 && ob_blank(p + i - 3, 3) == 3) blank = 3;
        if (spaced && !blank) continue;
        m.id = ob_added_at(t, p + i, text.n - i, wanted);
        if (m.id < 0) continue;
        m.from = i - blank;
        m.to = i + ob_piece(t, m.id).n;
        ob_match_widen(t, &m, p, at, text.n);
        return m;
    }
    m.id = -1;
    m.from = m.to = text.n;
    return m;
}

/* Encodes text in three steps, which call one another. 0: raw text is parted at added tokens. 1: a
   part is normalised, then parted at the added tokens that are looked for in normalised text. 2:
   plain text. The leftmost token counts, and there the longest; nothing merges across one. first:
   it is where the whole text begins. */
static onebit_status ob_encode_part(const onebit_tokenizer *t, ob_ids *o, ob_work *w, ob_slice text,
                                    int special, int step, int first) {
    int wanted = (special ? 3 : 1) << 2 * step;
    size_t at = 0;
    if (text.n == 0) return ONEBIT_OK;
    if (step == 2) return ob_encode_plain(t, o, w, text, first);
    if (step == 1 && t->forms)
        OB_TRY(ob_nfc(t->forms, &t->env, &w->composing, &w->composed, &text));
    if (step == 1 && t->rules.prefix == OB_PREFIX_PART) OB_TRY(ob_prefix(t, w, &text));
    while (at < text.n) {
        ob_match m = ob_added_next(t, text, at, wanted);
        ob_slice part = ob_slice_on(text.p + at, m.from - at);
        OB_TRY(ob_encode_part(t, o, w, part, special, step + 1, first && at == 0));
        if (m.id >= 0) ob_ids_add(o, m.id);
        at = m.to;
    }
    return ONEBIT_OK;
}

/* Gives a work area back. */
static void ob_work_free(const onebit_tokenizer *t, ob_work *w) {
    ob_release(&t->env, w->block);
    ob_release(&t->env, w->memo);
    ob_release(&t->env, w->symbols.p);
    ob_release(&t->env, w->composing.p);
    ob_release(&t->env, w->composed.p);
    ob_release(&t->env, w->prefixed.p);
}

/* ONEBIT_LIMIT fills ids as far as they go and gives the count needed. The tokenizer is only read,
   the work area belongs to the call: any number of threads may encode at once. */
onebit_status onebit_tokenizer_encode(const onebit_tokenizer *tokenizer, int32_t *ids,
                                      size_t capacity, size_t *count, const char *text,
                                      size_t bytes, int special) {
    ob_ids o;
    ob_work w;
    onebit_status status;
    if (count) *count = 0;
    if (!tokenizer || !count || (!ids && capacity) || (!text && bytes))
        return ob_fail(ONEBIT_USAGE, "onebit_tokenizer_encode: tokenizer, count, text are needed, "
                                     "and ids when capacity is not 0");
    /* too small a place is no early end: counting goes on, so the caller learns the room it
       needs */
    o.p = ids;
    o.capacity = capacity;
    o.n = 0;
    memset(&w, 0, sizeof w);
    /* without memory for it nothing is remembered, which only takes longer */
    if (bytes >= OB_MEMO_TEXT)
        w.memo = (ob_memo *)ob_alloc(&tokenizer->env, OB_MEMOS * sizeof *w.memo);
    status = ob_encode_part(tokenizer, &o, &w, ob_slice_on(text, bytes), special, 0, 1);
    ob_work_free(tokenizer, &w);
    if (status != ONEBIT_OK) return status;
    *count = o.n;
    if (o.n > capacity)
        return ob_fail(ONEBIT_LIMIT, "onebit_tokenizer_encode: the text needs %.0f ids, not %.0f",
                       (double)o.n, (double)capacity);
    return ONEBIT_OK;
}

/* ---- decoding ----
   Pieces are joined, as they bring their own spaces; only Llama 2's kind has one too many at the
   beginning of a text. A token may end inside a character, so a program that prints token by token
   needs the stream below, which holds bytes back. */

/* What a token gives, empty for an id that does not exist and, unless special, for special tokens.
   *begun is 0 for the first token of a text, which may lose spaces, and set here. */
static ob_slice ob_spoken(const onebit_tokenizer *t, int32_t id, int special, int *begun) {
    ob_slice s = {NULL, 0};
    if (id < 0 || id >= t->vocab) return s;
    /* as users read it: no end marks in the text */
    if (!special && t->role[id] & OB_TOKEN_SPECIAL) return s;
    s = ob_piece(t, id);
    if (*begun) return s;
    *begun = 1;
    while (t->rules.strip && s.n && *s.p == ' ') {
        s.p++, s.n--;
        if (t->rules.strip == OB_STRIP_ONE) break;
    }
    return s;
}


/* Ids that do not exist give nothing: a model's padded head may draw one. */
size_t onebit_tokenizer_decode(const onebit_tokenizer *tokenizer, char *out, size_t size,
                               const int32_t *ids, size_t n, int special) {
    ob_out text = ob_out_on(out, size);
    size_t i;
    int begun = 0;
    for (i = 0; tokenizer && ids && i < n; i++) {
        ob_slice s = ob_spoken(tokenizer, ids[i], special, &begun);
        ob_out_add(&text, s.p, s.n);
    }
    return text.n;
}

/* Length of the UTF-8 character that p[0..n), n > 0, begins; 0 when it cannot become one. Table 3-7
   of the Unicode Standard. Second bytes are checked too, so nothing that is doomed is held back. */
static int ob_utf8_promise(const unsigned char *p, int n) {
    int i, length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4) return 0;
    for (i = 1; i < n && i < length; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    if (n > 1 && ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
                  (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)))
        return 0;
    return length;
}

/* Appends whole characters; after the first that does not fit nothing more is written. Otherwise a
   short character behind a long one would slip in, and the text would have a hole. */
static void ob_stream_add(ob_out *o, const void *p, size_t n) {
    if (o->n + n >= o->size) o->size = o->n + 1 < o->size ? o->n + 1 : o->size;
    else memcpy(o->p + o->n, p, n), o->n += n;
}

/* Takes what is decided out of the held bytes: whole characters, and U+FFFD for each byte that can
   no longer become one (with flush: for all that is left). One U+FFFD per byte is also what
   ob_utf8_decode makes of such text. */
static void ob_stream_drain(onebit_utf8 *s, ob_out *o, int flush) {
    while (s->count > 0) {
        int i, used = ob_utf8_promise(s->held, s->count);
        /* a good beginning: wait for the bytes that are missing */
        if (used > s->count && !flush) return;
        if (used > 0 && used <= s->count) ob_stream_add(o, s->held, (size_t)used);
        else ob_stream_add(o, "\xEF\xBF\xBD", 3), used = 1;
        s->count -= used;
        for (i = 0; i < s->count; i++) s->held[i] = s->held[i + used];
    }
}

/* Special tokens give nothing, as in onebit_tokenizer_decode with special 0. id < 0 ends the text.
   A piece is taken byte by byte, so four held bytes suffice for tokens of any length. */
size_t onebit_tokenizer_stream(const onebit_tokenizer *tokenizer, onebit_utf8 *state, int id,
                               char *out, size_t size) {
    ob_out o = ob_out_on(out, size);
    ob_slice s;
    size_t i;
    if (!tokenizer || !state || !out || !size) return 0;
    if (state->count < 0 || state->count > 4) state->count = 0; /* not ours: start afresh */
    s = ob_spoken(tokenizer, id, 0, &state->begun);
    for (i = 0; i < s.n; i++) {
        state->held[state->count++] = (unsigned char)s.p[i];
        ob_stream_drain(state, &o, 0);
    }
    if (id < 0) ob_stream_drain(state, &o, 1);
    out[o.n] = 0;
    return o.n;
}

/* ---- learning BPE: distinct words are counted, then pairs are merged by count ----
   The plain algorithm counts all pairs anew for every merge, which is merges times corpus. Here
   every pair ("couple") keeps its count, and a list of the positions where it begins. To merge the
   best one, only its own positions are visited: at each, the couples to the left and right are
   taken out of their lists and entered under the new symbol. A couple that loses a position gets a
   lower count and never a higher one, since all that is new involves the new symbol; so a heap with
   old counts is right as long as its top is checked against today's count. The work is the sum of
   the occurrences that are merged, times a logarithm. */

/* A distinct pre-token and how often it came; p NULL = a free slot. p points into the caller's
   text. */
typedef struct ob_word {
    const char *p;
    size_t n;
    uint64_t hash, count;
} ob_word;

/* Distinct words by hash, open addressing; grows at 1/2. A corpus has far fewer distinct words than
   words, which is what makes learning cheap. */
typedef struct ob_words {
    onebit_env env;
    ob_word *slot;
    size_t mask, used, bytes; /* bytes of all distinct words */
} ob_words;

/* Slot of a word: the one that holds it, or the free one where it belongs. The stored hash makes a
   comparison of bytes rare. */
static ob_word *ob_word_slot(const ob_words *w, const char *p, size_t n, uint64_t hash) {
    size_t i = (size_t)hash & w->mask;
    for (; w->slot[i].p; i = (i + 1) & w->mask)
        if (w->slot[i].hash == hash && w->slot[i].n == n && !memcmp(w->slot[i].p, p, n)) break;
    return &w->slot[i];
}

/* Twice the slots (the first time: 4096). 0 when there is no memory. w is as before then. Words are
   moved by their stored hash; texts are not read again. */
static int ob_words_grow(ob_words *w) {
    ob_words old = *w;
    size_t i, slots = old.slot ? (old.mask + 1) * 2 : 4096;
    w->slot = slots < SIZE_MAX / sizeof *w->slot
                  ? (ob_word *)ob_alloc(&w->env, slots * sizeof *w->slot)
                  : NULL;
    if (!w->slot) {
        w->slot = old.slot;
        return 0;
    }
    w->mask = slots - 1;
    for (i = 0; old.slot && i <= old.mask; i++) {
        const ob_word *o = &old.slot[i];
        if (o->p) *ob_word_slot(w, o->p, o->n, o->hash) = *o;
    }
    ob_release(&w->env, old.slot);
    return 1;
}

/* Counts one more of a word, whose bytes must stay where they are. 0 when there is no memory.
   Amortised O(n) for n bytes. */
static int ob_words_count(ob_words *w, const char *p, size_t n) {
    uint64_t hash = ob_hash64(p, n, 0);
    ob_word *slot;
    if ((!w->slot || w->used * 2 > w->mask) && !ob_words_grow(w)) return 0;
    slot = ob_word_slot(w, p, n, hash);
    if (!slot->p) {
        slot->p = p;
        slot->n = n;
        slot->hash = hash;
        w->used++;
        w->bytes += n;
    }
    slot->count++;
    return 1;
}

/* Counts the pre-tokens of text, whose documents end at <|endoftext|>. Words do not cross a
   document's end. One pass, and the memory of the distinct words only. */
static onebit_status ob_words_read(ob_words *w, const char *text, size_t bytes) {
    ob_classes classes;
    size_t at = 0;
    ob_classes_fill(&classes);
    while (at < bytes) {
        size_t stop = at + ob_document_length(text + at, bytes - at);
        while (at < stop) {
            size_t n = ob_word_length(&classes, &ob_splits[OB_SPLIT_GPT2], text + at, stop - at);
            if (!ob_words_count(w, text + at, n))
                return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for %.0f distinct words",
                               (double)w->used);
            at += n;
        }
        if (at < bytes) at += OB_END_BYTES;
    }
    return ONEBIT_OK;
}

/* Two symbols that stood side by side: how often, and where (a list of positions, ascending). first
   and last are the ends of that list, -1 when it is empty; a couple stays in its table for good. */
typedef struct ob_couple {
    int32_t left, right, first, last;
    uint64_t count;
} ob_couple;

/* A heap entry; stale when the couple's count has gone down since. */
typedef struct ob_bid {
    uint64_t count;
    int32_t couple;
} ob_bid;

/* The learner. The distinct words lie one after another with a wall before and after each; a
   position is a byte of them. A symbol lives at its first byte; the last byte knows where it
   begins. So the neighbours of a symbol are found in one step on either side, and merging moves no
   bytes. 25 bytes per position, walls included. */
typedef struct ob_learner {
    onebit_env env;
    int32_t places;                /* positions */
    char *byte;                    /* [places] */
    int32_t *symbol;               /* [places] id, or OB_WALL */
    int32_t *begin;                /* [places] of the symbol that ends here */
    int32_t *word;                 /* [places] index into weight */
    int32_t *next, *before, *home; /* [places] the couple that begins here, and its list */
    uint64_t *weight;              /* [words] */
    void *block;
    ob_couple *couple;                /* [couple_capacity] */
    int32_t couples, couple_capacity; /* used, and room for */
    int32_t *slot;                    /* couple + 1 by pair */
    size_t mask;
    ob_bid *bid; /* [bid_capacity] heap, the best on top */
    size_t bids, bid_capacity;
    int failed; /* sticky: no memory */
} ob_learner;

#define OB_WALL (-1) /* between words: nothing merges across it */

/* The arrays of the learner's block. What grows (couples, their table, the heap) is taken apart
   from it. */
static void ob_learner_carve(ob_learner *l, ob_carve *c, size_t words) {
    size_t n = (size_t)l->places;
    l->byte = (char *)ob_take(c, n);
    l->symbol = (int32_t *)ob_take(c, n * sizeof *l->symbol);
    l->begin = (int32_t *)ob_take(c, n * sizeof *l->begin);
    l->word = (int32_t *)ob_take(c, n * sizeof *l->word);
    l->next = (int32_t *)ob_take(c, n * sizeof *l->next);
    l->before = (int32_t *)ob_take(c, n * sizeof *l->before);
    l->home = (int32_t *)ob_take(c, n * sizeof *l->home);
    l->weight = (uint64_t *)ob_take(c, (words + 1) * sizeof *l->weight);
}

/* ob_grow, which marks the learner as failed where there is no memory. */
static void *ob_learner_grow(ob_learner *l, void *old, size_t keep, size_t bytes) {
    void *p = bytes <= SIZE_MAX / 4 ? ob_grow(&l->env, old, keep, bytes) : NULL;
    if (!p) l->failed = 1;
    return p;
}

/* Slot of a pair: the one that holds it, or the free one where it belongs. The product's middle
   bits are used, as the table's size changes. */
static int32_t *ob_couple_slot(const ob_learner *l, int32_t left, int32_t right) {
    size_t i = (size_t)((ob_pair_key(left, right) * OB_GOLDEN) >> 20) & l->mask;
    while (l->slot[i]) {
        const ob_couple *c = &l->couple[l->slot[i] - 1];
        if (c->left == left && c->right == right) break;
        i = (i + 1) & l->mask;
    }
    return &l->slot[i];
}

/* Room for one more couple; the table stays at most half full. 0 = failed is set. The table is made
   anew from the couples, which keep their numbers. */
static int ob_couple_room(ob_learner *l) {
    size_t had = (size_t)l->couple_capacity, want = had ? had * 2 : 4096;
    ob_couple *couple;
    int32_t *slot, i;
    if (l->couples < l->couple_capacity) return 1;
    if (want > 0x3FFFFFFF) l->failed = 1;
    if (l->failed) return 0;
    couple =
        (ob_couple *)ob_learner_grow(l, l->couple, had * sizeof *couple, want * sizeof *couple);
    if (!couple) return 0;
    l->couple = couple;
    slot = (int32_t *)ob_learner_grow(l, l->slot, 0, want * 2 * sizeof *slot);
    if (!slot) return 0;
    l->slot = slot;
    l->mask = want * 2 - 1;
    l->couple_capacity = (int32_t)want;
    for (i = 0; i < l->couples; i++)
        *ob_couple_slot(l, l->couple[i].left, l->couple[i].right) = i + 1;
    return 1;
}

/* Notes that left, right stand at position p, which goes to the end of the couple's list. The count
   grows by the word's own: one position stands for every copy of the word. */
static void ob_couple_add(ob_learner *l, int32_t p, int32_t left, int32_t right) {
    int32_t *slot;
    ob_couple *c;
    if (!ob_couple_room(l)) return;
    slot = ob_couple_slot(l, left, right);
    if (!*slot) {
        c = &l->couple[l->couples++];
        c->left = left;
        c->right = right;
        c->first = c->last = -1;
        *slot = l->couples;
    }
    c = &l->couple[*slot - 1];
    l->home[p] = *slot - 1;
    /* at the end: merging goes from the left, so positions come in ascending order */
    l->next[p] = -1;
    l->before[p] = c->last;
    if (c->last >= 0) l->next[c->last] = p;
    else c->first = p;
    c->last = p;
    c->count += l->weight[l->word[p]];
}

/* Forgets the couple that begins at p, if there is one. O(1), as the list is linked both ways. */
static void ob_couple_drop(ob_learner *l, int32_t p) {
    ob_couple *c;
    if (l->home[p] < 0) return;
    c = &l->couple[l->home[p]];
    if (l->before[p] >= 0) l->next[l->before[p]] = l->next[p];
    else c->first = l->next[p];
    if (l->next[p] >= 0) l->before[l->next[p]] = l->before[p];
    else c->last = l->before[p];
    /* the heap is not told: ob_bid_best sees it later */
    c->count -= l->weight[l->word[p]];
    l->home[p] = -1;
}

/* 1 when a is merged before b: the higher count, then the smaller left, then the smaller right. A
   total order, so the merges do not depend on hash tables or on the order of the words. */
static int ob_bid_wins(const ob_learner *l, ob_bid a, ob_bid b) {
    const ob_couple *x = &l->couple[a.couple], *y = &l->couple[b.couple];
    if (a.count != b.count) return a.count > b.count;
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

/* Restores the heap below i (the winner on top). A plain binary heap. */
static void ob_bid_sift(ob_learner *l, size_t i) {
    ob_bid moved = l->bid[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->bids) break;
        if (child + 1 < l->bids && ob_bid_wins(l, l->bid[child + 1], l->bid[child])) child++;
        if (!ob_bid_wins(l, l->bid[child], moved)) break;
        l->bid[i] = l->bid[child];
        i = child;
    }
    l->bid[i] = moved;
}

/* Queues couple number k when it stands there at least twice. A pair seen once would be a token
   that saves nothing. */
static void ob_bid_push(ob_learner *l, int32_t k) {
    size_t i = l->bids;
    ob_bid bid;
    /* what it is worth now; the entry keeps this number */
    bid.count = l->couple[k].count;
    bid.couple = k;
    if (bid.count < 2) return;
    if (i == l->bid_capacity) {
        size_t want = i ? 2 * i : 4096;
        ob_bid *grown = (ob_bid *)ob_learner_grow(l, l->bid, i * sizeof bid, want * sizeof bid);
        if (!grown) return;
        l->bid = grown;
        l->bid_capacity = want;
    }
    for (l->bids++; i > 0 && ob_bid_wins(l, bid, l->bid[(i - 1) / 2]); i = (i - 1) / 2)
        l->bid[i] = l->bid[(i - 1) / 2];
    l->bid[i] = bid;
}

/* The couple with the highest count, out of the heap; -1 when none is left. Counts of queued
   couples only go down, so a stale entry is queued again with what it is worth now. Each requeue
   lowers a count, so the loop ends. */
static int32_t ob_bid_best(ob_learner *l) {
    while (l->bids && !l->failed) {
        ob_bid top = l->bid[0];
        l->bid[0] = l->bid[--l->bids];
        if (l->bids) ob_bid_sift(l, 0);
        if (l->couple[top.couple].count == top.count) return top.couple;
        ob_bid_push(l, top.couple);
    }
    return -1;
}

/* Lays the words out and notes every couple of bytes. Symbols begin as byte values, which are the
   ids of the bytes too. Position 0 is a wall, so p - 1 always exists. */
static void ob_learner_lay(ob_learner *l, const ob_words *w) {
    int32_t p = 1, word = 0;
    size_t i, k;
    memset(l->home, 0xFF, (size_t)l->places * sizeof *l->home);
    l->symbol[0] = OB_WALL;
    for (i = 0; w->slot && i <= w->mask; i++) {
        const ob_word *o = &w->slot[i];
        if (!o->p) continue;
        l->weight[word] = o->count;
        for (k = 0; k < o->n; k++, p++) {
            l->byte[p] = o->p[k];
            l->symbol[p] = (unsigned char)o->p[k];
            l->begin[p] = p;
            l->word[p] = word;
            if (k) ob_couple_add(l, p - 1, l->symbol[p - 1], l->symbol[p]);
        }
        l->symbol[p++] = OB_WALL;
        word++;
    }
}

/* Takes the memory for the counted words, lays them out and queues every couple. ONEBIT_UNSUPPORTED
   beyond 2^30 bytes: words and walls together must fit 31 bits. What was taken is for
   ob_learner_free, on errors too. */
static onebit_status ob_learner_take(ob_learner *l, const ob_words *w) {
    ob_carve count = {NULL, 0}, carve = {NULL, 0};
    int32_t k;
    memset(l, 0, sizeof *l);
    l->env = w->env;
    if (w->bytes > 0x3FFFFFFF || w->used > 0x3FFFFFFF)
        return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: more than 1 GiB of distinct words");
    l->places = (int32_t)(w->bytes + w->used + 1);
    ob_learner_carve(l, &count, w->used);
    l->block = ob_alloc(&l->env, count.used);
    if (!l->block)
        return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for %.0f distinct words",
                       (double)w->used);
    carve.base = (uint8_t *)l->block;
    ob_learner_carve(l, &carve, w->used);
    ob_learner_lay(l, w);
    for (k = 0; k < l->couples; k++) ob_bid_push(l, k);
    return ONEBIT_OK;
}

/* Pieces of the draft point into the block: build the object first. Fine on a half-built
   learner. */
static void ob_learner_free(ob_learner *l) {
    ob_release(&l->env, l->bid);
    ob_release(&l->env, l->slot);
    ob_release(&l->env, l->couple);
    ob_release(&l->env, l->block);
}

/* Puts id in place of couple k everywhere. Lists are ascending, so "aaa" becomes "aa" "a", as
   encoding does it. a and b are the lengths of its two pieces. The list is read from its head,
   because each turn takes that head away, and in "aaa" the next position too. */
static void ob_learner_replace(ob_learner *l, int32_t k, int32_t id, int32_t a, int32_t b) {
    int32_t p;
    while ((p = l->couple[k].first) >= 0 && !l->failed) {
        /* p: first part; middle: second part; after: the symbol (or wall) behind both */
        int32_t middle = p + a, after = middle + b;
        /* where the symbol on the left begins; -1 at the beginning of a word */
        int32_t left = l->symbol[p - 1] == OB_WALL ? -1 : l->begin[p - 1];
        if (left >= 0) ob_couple_drop(l, left);
        ob_couple_drop(l, p);
        ob_couple_drop(l, middle);
        l->symbol[p] = id;
        l->begin[after - 1] = p;
        if (left >= 0) ob_couple_add(l, left, l->symbol[left], id);
        if (l->symbol[after] != OB_WALL) ob_couple_add(l, p, id, l->symbol[after]);
    }
}

/* Learns merges into the draft until it has limit ids or no pair occurs twice. Two couples can
   spell one text ("a" "bc" and "ab" "c"); tokens are unique, so the second is passed over. New
   couples are queued once all their positions are counted. */
static onebit_status ob_learner_run(ob_learner *l, ob_draft *d, int limit) {
    while (d->vocab < limit) {
        int32_t k = ob_bid_best(l), id = d->vocab, fresh = l->couples, a, b;
        const char *p;
        ob_couple c;
        if (k < 0) break;
        c = l->couple[k];
        p = l->byte + c.first;
        a = (int32_t)d->piece[c.left].n;
        b = (int32_t)d->piece[c.right].n;
        /* the couple is out of the heap and stays unmerged */
        if (*ob_draft_slot(d, p, (size_t)(a + b))) continue; /* made before from other parts */
        OB_TRY(ob_draft_put(d, id, p, (size_t)(a + b), 0));
        ob_draft_merge(d, c.left, c.right, id);
        ob_learner_replace(l, k, id, a, b);
        /* only couples made by this merge have counts that no entry knows */
        for (; fresh < l->couples; fresh++) ob_bid_push(l, fresh);
    }
    return l->failed ? ob_fail(ONEBIT_MEMORY, "tokenizer: no memory to learn merges") : ONEBIT_OK;
}

/* Ids 0..255: the bytes in order. The draft's pool holds them. With them every text can be encoded,
   whatever was learnt. */
static onebit_status ob_draft_bytes(ob_draft *d) {
    int i;
    for (i = 0; i < 256; i++) {
        d->pool[i] = (char)(unsigned char)i;
        OB_TRY(ob_draft_put(d, i, d->pool + i, 1, OB_TOKEN_BYTE));
    }
    d->used = 256;
    return ONEBIT_OK;
}

/* <|endoftext|> as the last id, then the object. Its id is the draft's end. */
static onebit_status ob_draft_finish(ob_draft *d, onebit_tokenizer **out) {
    d->end = d->vocab;
    OB_TRY(ob_draft_put(d, d->end, OB_END_TEXT, OB_END_BYTES,
                        OB_TOKEN_ADDED | OB_TOKEN_SPECIAL));
    return ob_tokenizer_build(out, d);
}

/* Learns from counted words. vocab - 1: one id is kept for <|endoftext|>. */
static onebit_status ob_learn_words(onebit_tokenizer **out, const ob_words *w, ob_draft *d,
                                    int vocab) {
    ob_learner l;
    onebit_status status = ob_learner_take(&l, w);
    if (status == ONEBIT_OK) status = ob_draft_bytes(d);
    if (status == ONEBIT_OK) status = ob_learner_run(&l, d, vocab - 1);
    if (status == ONEBIT_OK) status = ob_draft_finish(d, out);
    ob_learner_free(&l);
    return status;
}

/* BPE: words are counted, then merged; nothing of the text is kept. 257 is the bytes and the end.
   The vocabulary may come out smaller than asked for when the text has too few pairs; the caller
   takes its size from the result. */
static onebit_status ob_learn_bpe(onebit_tokenizer **out, const char *text, size_t bytes, int vocab,
                                  const onebit_env *env) {
    ob_words w;
    ob_draft d;
    onebit_status status;
    if (vocab < 257 || vocab > OB_VOCAB_MAX)
        return ob_fail(ONEBIT_CONFIG, "vocab_size %d: a BPE tokenizer takes 257..%d", vocab,
                       OB_VOCAB_MAX);
    OB_TRY(ob_draft_take(&d, env, (size_t)vocab, (size_t)vocab - 257, 256));
    d.rules = ob_rules_of(ONEBIT_TOKENIZER_BPE);
    memset(&w, 0, sizeof w);
    w.env = *env;
    status = ob_words_read(&w, text, bytes);
    if (status == ONEBIT_OK) status = ob_learn_words(out, &w, &d, vocab);
    ob_release(env, w.slot);
    ob_release(env, d.block);
    return status;
}

/* BYTE: nothing to learn. 257 ids; vocab_size does not matter. */
static onebit_status ob_learn_byte(onebit_tokenizer **out, const onebit_env *env) {
    ob_draft d;
    onebit_status status;
    OB_TRY(ob_draft_take(&d, env, 257, 0, 256));
    d.rules = ob_rules_of(ONEBIT_TOKENIZER_BYTE);
    status = ob_draft_bytes(&d);
    if (status == ONEBIT_OK) status = ob_draft_finish(&d, out);
    ob_release(env, d.block);
    return status;
}

/* Marks the code points of text in seen (a bit each); returns how many different ones there are.
   136 kB hold a bit for every code point, which needs neither hash nor sorting. */
static size_t ob_chars_mark(uint8_t *seen, const char *text, size_t bytes) {
    size_t at = 0, count = 0;
    while (at < bytes) {
        size_t stop = at + ob_document_length(text + at, bytes - at);
        while (at < stop) {
            uint32_t code;
            at += ob_utf8_decode(text + at, stop - at, &code);
            if (code == OB_UTF8_BAD || seen[code / 8] >> (code & 7) & 1) continue;
            seen[code / 8] |= (uint8_t)(1u << (code & 7));
            count++;
        }
        if (at < bytes) at += OB_END_BYTES;
    }
    return count;
}

#define OB_CODES 0x110000u /* code points: 0..10FFFF */

/* Ids in the order of the code points; bytes that are not UTF-8 are passed over. The size of the
   vocabulary is what the text has, plus the end. Four bytes per character bound the pool. */
static onebit_status ob_learn_char(onebit_tokenizer **out, const char *text, size_t bytes,
                                   const onebit_env *env) {
    ob_draft d;
    uint32_t code;
    uint8_t *seen = (uint8_t *)ob_alloc(env, OB_CODES / 8);
    size_t count = seen ? ob_chars_mark(seen, text, bytes) : 0;
    onebit_status status;
    if (!seen) return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory to mark characters");
    status = ob_draft_take(&d, env, count + 1, 0, count * 4);
    d.rules = ob_rules_of(ONEBIT_TOKENIZER_CHAR);
    d.unknown = OB_UNKNOWN_MARK;
    for (code = 0; code < OB_CODES && status == ONEBIT_OK; code++) {
        char *p = d.pool + d.used;
        if (!(seen[code / 8] >> (code & 7) & 1)) continue;
        d.used += ob_utf8_encode(code, p);
        status = ob_draft_put(&d, d.vocab, p, (size_t)(d.pool + d.used - p), 0);
    }
    if (status == ONEBIT_OK) status = ob_draft_finish(&d, out);
    ob_release(env, d.block);
    ob_release(env, seen);
    return status;
}

/* vocab_size only matters for BPE; see >>api. text is read and not kept. */
onebit_status onebit_tokenizer_train(onebit_tokenizer **out, onebit_tokenizer_kind kind,
                                     const char *text, size_t bytes, int vocab_size,
                                     const onebit_env *env) {
    onebit_env e = ob_env_or_default(env);
    if (!out) return ob_fail(ONEBIT_USAGE, "onebit_tokenizer_train: out is NULL");
    *out = NULL;
    if (!text && bytes && kind != ONEBIT_TOKENIZER_BYTE)
        return ob_fail(ONEBIT_USAGE, "onebit_tokenizer_train: text is NULL");
    if (!text) text = "";
    switch (kind) {
    case ONEBIT_TOKENIZER_BPE:
        return ob_learn_bpe(out, text, bytes, vocab_size, &e);
    case ONEBIT_TOKENIZER_BYTE:
        return ob_learn_byte(out, &e);
    case ONEBIT_TOKENIZER_CHAR:
        return ob_learn_char(out, text, bytes, &e);
    }
    return ob_fail(ONEBIT_USAGE, "onebit_tokenizer_train: there is no tokenizer kind %d",
                   (int)kind);
}

/* ---- tokenizer.json in: the part of Hugging Face's format that BPE models use ----
   Two passes over the JSON, since a draft must know its sizes first: one counts and judges the
   settings, one fills. A file is a program of normalizers, pre-tokenizers and decoders; whatever we
   do not do exactly as its library is refused by name (ONEBIT_UNSUPPORTED), because a tokenizer
   that is nearly right ruins a model without a message. */

#define OB_SPACE_MARK "\xE2\x96\x81" /* U+2581, SentencePiece's space */

/* A normalizer, pre_tokenizer, decoder, ...: what we ask of any. type empty = null or absent. */
typedef struct ob_stage {
    char type[32];
    ob_json list, single;      /* the stages of a Sequence; parts of a template; p NULL = none */
    char text[16];             /* prepend, content or replacement */
    char pattern[256], how[8]; /* and its kind: "String" or "Regex" */
    char behavior[24], scheme[8];
    int prefix_space; /* -1: absent */
    int regex, split, individual, invert, start, stop;
} ob_stage;

/* Decoders that were seen. */
enum {
    OB_SAYS_BYTES = 1,
    OB_SAYS_REPLACE = 2,
    OB_SAYS_FALLBACK = 4,
    OB_SAYS_FUSE = 8,
    OB_SAYS_STRIP = 16,
    OB_SAYS_META = 32
};

/* What the files beside tokenizer.json say. One block holds the chat template, decoded. */
typedef struct ob_beside {
    int64_t ends[OB_ENDS_MAX]; /* "eos_token_id" */
    int end_count;
    char start[64], end[64]; /* "bos_token" and "eos_token" */
    int wants_start;         /* "add_bos_token" */
    ob_slice chat;
    void *block;
} ob_beside;

/* What a first pass found. The readers are bookmarks: copies that stand at the values which the
   second pass needs. */
typedef struct ob_hf {
    ob_json added, vocab, merges; /* p NULL = absent */
    ob_slice lines; /* merges.txt, when the merges do not stand in JSON */
    ob_rules rules;
    int bytes, digits, marked; /* ByteLevel seen; row for Digits; a normalizer writes U+2581 */
    int steps;                 /* Split patterns so far */
    uint32_t fits;             /* rows of ob_splits that begin with these, a bit each */
    int says;                  /* OB_SAYS_ bits */
    char decoder[32];
    char type[32], unknown[64], start[64], end[64];    /* names */
    size_t tokens, tokens_bytes, merge_count, longest; /* upper bounds, and longest merge */
    const ob_beside *beside;                           /* or NULL */
} ob_hf;

/* A short string; a longer one is cut. null is empty. A cut name matches none of ours, and its head
   is enough for the message. */
static void ob_hf_text(ob_json *j, char *out, size_t size) {
    ob_slice raw;
    out[0] = 0;
    if (ob_json_peek(j) == 'n') {
        ob_json_skip(j);
        return;
    }
    raw = ob_json_raw_string(j);
    ob_json_unescape(raw, out, size);
}

/* Refuses a construct by its name. A setting that we lack is ONEBIT_UNSUPPORTED and not FORMAT: the
   file is right, we are small. */
static onebit_status ob_hf_refuse(const ob_json *j, const char *where, ob_slice name) {
    return ob_fail(ONEBIT_UNSUPPORTED,
                   "%.120s: %s \"%.*s\" is not supported (BPE as GPT-2, Llama and Qwen have it is)",
                   j->what, where, name.n < 200 ? (int)name.n : 200, name.p);
}

/* The same for a terminated name. */
static onebit_status ob_hf_refuse_text(const ob_json *j, const char *where, const char *name) {
    return ob_hf_refuse(j, where, ob_slice_of(name));
}

/* A switch that must be off: null, false, 0 or "". Any other value would change the ids, so it is
   refused by its key. */
static onebit_status ob_hf_off(ob_json *j, const char *where, ob_slice key) {
    ob_slice value = ob_json_raw(j);
    if (j->status != ONEBIT_OK) return j->status;
    if (ob_slice_is(value, "null") || ob_slice_is(value, "false") || ob_slice_is(value, "\"\"") ||
        ob_slice_is(value, "0") || ob_slice_is(value, "0.0"))
        return ONEBIT_OK;
    return ob_hf_refuse(j, where, key);
}

/* A pattern: {"String": text} or {"Regex": text}. */
static void ob_hf_pattern(ob_json *j, ob_stage *s) {
    ob_slice key;
    for (ob_json_object(j); ob_json_key(j, &key);) {
        ob_json_unescape(key, s->how, sizeof s->how);
        ob_hf_text(j, s->pattern, sizeof s->pattern);
    }
}

/* The value of one key of a stage; 0 = not asked for. trim_offsets and the like concern positions
   in the text, which we do not give. */
static int ob_hf_stage_key(ob_json *j, ob_stage *s, ob_slice key) {
    static const char *const lists[] = {"normalizers", "pretokenizers", "processors", "decoders"};
    size_t i;
    for (i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (!ob_slice_is(key, lists[i])) continue;
        s->list = *j;
        return 0;
    }
    if (ob_slice_is(key, "single")) s->single = *j;
    else if (ob_slice_is(key, "type")) return ob_hf_text(j, s->type, sizeof s->type), 1;
    else if (ob_slice_is(key, "prepend") || ob_slice_is(key, "content") ||
             ob_slice_is(key, "replacement"))
        return ob_hf_text(j, s->text, sizeof s->text), 1;
    else if (ob_slice_is(key, "behavior")) return ob_hf_text(j, s->behavior, 24), 1;
    else if (ob_slice_is(key, "prepend_scheme")) return ob_hf_text(j, s->scheme, 8), 1;
    else if (ob_slice_is(key, "pattern")) return ob_hf_pattern(j, s), 1;
    else if (ob_slice_is(key, "add_prefix_space")) return s->prefix_space = ob_json_bool(j), 1;
    else if (ob_slice_is(key, "use_regex")) return s->regex = ob_json_bool(j), 1;
    else if (ob_slice_is(key, "split")) return s->split = ob_json_bool(j), 1;
    else if (ob_slice_is(key, "individual_digits")) return s->individual = ob_json_bool(j), 1;
    else if (ob_slice_is(key, "invert")) return s->invert = ob_json_bool(j), 1;
    else if (ob_slice_is(key, "start")) return s->start = ob_json_int(j) == 1 ? 1 : -1, 1;
    else if (ob_slice_is(key, "stop")) return s->stop = ob_json_int(j) != 0, 1;
    return 0;
}

/* Reads a stage; what we do not ask of it is passed over. null leaves the type empty. use_regex and
   split are absent in older files, which means on. */
static onebit_status ob_hf_stage(ob_json *j, ob_stage *s) {
    ob_slice key;
    memset(s, 0, sizeof *s);
    s->prefix_space = -1;
    s->regex = s->split = 1;
    if (ob_json_peek(j) == 'n') {
        ob_json_skip(j);
        return j->status;
    }
    for (ob_json_object(j); ob_json_key(j, &key);)
        if (!ob_hf_stage_key(j, s, key)) ob_json_skip(j);
    if (!s->type[0]) ob_json_error(j, "expected a \"type\"");
    return j->status;
}

/* Normalizers: NFC, and SentencePiece's way with spaces. */
static onebit_status ob_hf_normalizer(const ob_json *j, ob_hf *h, const ob_stage *s) {
    if (!strcmp(s->type, "NFC")) h->rules.flags |= OB_RULE_NFC;
    else if (!strcmp(s->type, "Prepend") && !strcmp(s->text, OB_SPACE_MARK))
        h->rules.prefix = OB_PREFIX_PART;
    else if (!strcmp(s->type, "Replace") && !strcmp(s->how, "String") &&
             !strcmp(s->pattern, " ") && !strcmp(s->text, OB_SPACE_MARK))
        h->rules.flags |= OB_RULE_SPACES, h->marked = 1;
    else return ob_hf_refuse_text(j, "normalizer", s->type);
    return ONEBIT_OK;
}

/* Pattern number step of a row, or NULL behind its last. */
static const char *ob_split_step(int row, int step) {
    const ob_split *s = &ob_splits[row];
    int i;
    if (!s->steps) return step ? NULL : s->pattern;
    for (i = 0; i < step && s->steps[i]; i++) {}
    return s->steps[i];
}

/* The pre-tokenizer Split: its pattern must be one of the table, or the next one of a row that
   has several; the row that the patterns so far complete is the rule. Isolated keeps the matches,
   Removed with invert too, where the patterns match everything. */
static onebit_status ob_hf_split(const ob_json *j, ob_hf *h, const ob_stage *s) {
    int row, kept = !strcmp(s->behavior, s->invert ? "Removed" : "Isolated");
    uint32_t fits = 0;
    int complete = 0;
    for (row = 0; row < OB_SPLITS; row++) {
        const char *step = ob_split_step(row, h->steps);
        if (!step || (h->steps && !(h->fits >> row & 1)) || strcmp(step, s->pattern)) continue;
        fits |= (uint32_t)1 << row;
        if (!ob_split_step(row, h->steps + 1)) complete = row;
    }
    if (h->digits || (h->steps && !fits)) return ob_hf_refuse_text(j, "a second split:", s->type);
    if (!fits || strcmp(s->how, "Regex"))
        return ob_hf_refuse_text(j, "the Split pattern", s->pattern);
    if (!kept || (s->invert && !complete))
        return ob_hf_refuse_text(j, "the Split behavior", s->behavior);
    h->fits = fits;
    h->steps++;
    h->rules.split = (uint8_t)complete;
    return ONEBIT_OK;
}

/* The pre-tokenizer ByteLevel; its own expression is GPT-2's. */
static onebit_status ob_hf_bytes(const ob_json *j, ob_hf *h, const ob_stage *s) {
    if (s->prefix_space == 1) {
        /* it would put a space before every word of an earlier stage */
        if (h->steps || h->digits) return ob_hf_refuse_text(j, "here", "add_prefix_space");
        h->rules.prefix = OB_PREFIX_WORD;
    }
    h->bytes = 1;
    if (h->steps && (s->regex || !h->rules.split))
        return ob_hf_refuse_text(j, s->regex ? "a second split:" : "only a part of a split:",
                                 s->type);
    if (h->digits && !s->regex) return ob_hf_refuse_text(j, "pre_tokenizer", "Digits");
    if (s->regex) h->rules.split = (uint8_t)(h->digits ? h->digits : OB_SPLIT_GPT2);
    return ONEBIT_OK;
}

/* The pre-tokenizer Metaspace: SentencePiece's way with spaces, in newer files. */
static onebit_status ob_hf_metaspace(const ob_json *j, ob_hf *h, const ob_stage *s) {
    int never = !strcmp(s->scheme, "never") || (!s->scheme[0] && s->prefix_space == 0);
    if (strcmp(s->text, OB_SPACE_MARK)) return ob_hf_refuse_text(j, "the replacement", s->text);
    if (h->rules.prefix) return ob_hf_refuse_text(j, "a second prefix:", s->type);
    if (s->scheme[0] && !never && strcmp(s->scheme, "first") && strcmp(s->scheme, "always"))
        return ob_hf_refuse_text(j, "prepend_scheme", s->scheme);
    h->rules.flags |= OB_RULE_SPACES;
    h->rules.prefix = (uint8_t)(never                        ? OB_PREFIX_NEVER
                                : !strcmp(s->scheme, "first") ? OB_PREFIX_TEXT
                                                              : OB_PREFIX_WORD);
    if (s->split) h->rules.split = OB_SPLIT_SPACE;
    return ONEBIT_OK;
}

/* Pre-tokenizers; behind ByteLevel and Metaspace nothing may come. */
static onebit_status ob_hf_pre_tokenizer(const ob_json *j, ob_hf *h, const ob_stage *s) {
    if (h->bytes || (h->rules.flags & OB_RULE_SPACES && !h->marked))
        return ob_hf_refuse_text(j, "a later pre_tokenizer", s->type);
    if (!strcmp(s->type, "Split")) return ob_hf_split(j, h, s);
    if (!strcmp(s->type, "ByteLevel")) return ob_hf_bytes(j, h, s);
    if (!strcmp(s->type, "Metaspace")) return ob_hf_metaspace(j, h, s);
    if (!strcmp(s->type, "Digits") && h->steps > 1 && s->individual) {
        ob_stage as_split = *s; /* the same as this pattern */
        memcpy(as_split.pattern, "\\p{N}", 6);
        memcpy(as_split.how, "Regex", 6);
        memcpy(as_split.behavior, "Isolated", 9);
        return ob_hf_split(j, h, &as_split);
    }
    if (strcmp(s->type, "Digits") || h->steps)
        return ob_hf_refuse_text(j, "pre_tokenizer", s->type);
    h->digits = s->individual ? OB_SPLIT_DIGIT : OB_SPLIT_DIGITS;
    return ONEBIT_OK;
}

/* Post-processors add tokens around a text. We never do; but they name the start and end. */
static onebit_status ob_hf_post_processor(const ob_json *j, ob_hf *h, const ob_stage *s) {
    ob_json single = s->single;
    int before = 1; /* the text itself did not come yet */
    if (!strcmp(s->type, "ByteLevel")) return ONEBIT_OK;
    if (strcmp(s->type, "TemplateProcessing") || !s->single.p)
        return ob_hf_refuse_text(j, "post_processor", s->type);
    for (ob_json_array(&single); ob_json_item(&single);) {
        ob_slice kind, key;
        for (ob_json_object(&single); ob_json_key(&single, &kind);) {
            int special = ob_slice_is(kind, "SpecialToken");
            char *name = before ? h->start : h->end;
            before &= special;
            for (ob_json_object(&single); ob_json_key(&single, &key);)
                if (special && ob_slice_is(key, "id") && !name[0])
                    ob_hf_text(&single, name, sizeof h->start);
                else ob_json_skip(&single);
        }
    }
    return single.status;
}

/* Decoders; what they must be together is judged by ob_hf_judge. */
static onebit_status ob_hf_decoder(const ob_json *j, ob_hf *h, const ob_stage *s) {
    int space = !strcmp(s->text, " "), mark = !strcmp(s->text, OB_SPACE_MARK), said = 0;
    if (!strcmp(s->type, "ByteLevel")) said = OB_SAYS_BYTES;
    else if (!strcmp(s->type, "ByteFallback")) said = OB_SAYS_FALLBACK;
    else if (!strcmp(s->type, "Fuse")) said = OB_SAYS_FUSE;
    else if (!strcmp(s->type, "Replace") && !strcmp(s->pattern, OB_SPACE_MARK) && space &&
             !strcmp(s->how, "String"))
        said = OB_SAYS_REPLACE;
    else if (!strcmp(s->type, "Strip") && space && s->start == 1 && !s->stop &&
             h->says & OB_SAYS_FUSE)
        said = OB_SAYS_STRIP;
    else if (!strcmp(s->type, "Metaspace") && mark) {
        said = OB_SAYS_META;
        h->rules.strip = OB_STRIP_ALL;
        if (!strcmp(s->scheme, "never") || (!s->scheme[0] && s->prefix_space == 0))
            h->rules.strip = OB_STRIP_NONE;
    }
    if (!said || h->says & said) return ob_hf_refuse_text(j, "decoder", s->type);
    h->says |= said;
    return ONEBIT_OK;
}

/* One of the four fields of stages: null, a stage, or a Sequence of them. */
static onebit_status ob_hf_stages(ob_json *j, ob_hf *h,
                                  onebit_status (*take)(const ob_json *, ob_hf *,
                                                        const ob_stage *)) {
    ob_stage all, one;
    OB_TRY(ob_hf_stage(j, &all));
    if (take == ob_hf_decoder) memcpy(h->decoder, all.type, sizeof h->decoder);
    if (!all.type[0]) return ONEBIT_OK;
    if (strcmp(all.type, "Sequence")) return take(j, h, &all);
    if (!all.list.p) {
        ob_json_error(j, "a Sequence without its list");
        return j->status;
    }
    for (ob_json_array(&all.list); ob_json_item(&all.list);) {
        OB_TRY(ob_hf_stage(&all.list, &one));
        OB_TRY(take(j, h, &one));
    }
    return all.list.status;
}

/* Notes the size of a value's text when it is the longest so far. */
static void ob_hf_longest(ob_hf *h, size_t n) {
    if (n > h->longest) h->longest = n;
}

/* "vocab": counts; and "merges": counts. The readers stay for the second pass. A key's length as
   written bounds its text's length. */
static void ob_hf_count_vocab(ob_json *j, ob_hf *h) {
    ob_slice key;
    /* a bookmark; from here the caller's reader only counts */
    h->vocab = *j;
    for (ob_json_object(j); ob_json_key(j, &key); h->tokens++) {
        h->tokens_bytes += key.n;
        ob_json_skip(j);
    }
}

/* Counts the merges, and finds the longest as written: the room that decoding one needs. */
static void ob_hf_count_merges(ob_json *j, ob_hf *h) {
    h->merges = *j;
    for (ob_json_array(j); ob_json_item(j); h->merge_count++) ob_hf_longest(h, ob_json_raw(j).n);
}

/* Counts added tokens; the length of their JSON is more than that of their texts. */
static void ob_hf_count_added(ob_json *j, ob_hf *h) {
    h->added = *j;
    for (ob_json_array(j); ob_json_item(j); h->tokens++) h->tokens_bytes += ob_json_raw(j).n;
}

/* A model type that is no BPE, with what to do instead. */
static onebit_status ob_hf_no_bpe(const ob_json *j, const char *type) {
    return ob_fail(ONEBIT_UNSUPPORTED,
                   "%.120s: model type \"%.40s\" is not supported: it cuts words by another rule "
                   "than merges; use a model with a BPE tokenizer, or train one",
                   j->what, type);
}

/* A switch of the model; null is off. */
static void ob_hf_switch(ob_json *j, ob_hf *h, int flag) {
    if (ob_json_peek(j) == 'n') ob_json_skip(j);
    else if (ob_json_bool(j)) h->rules.flags = (uint8_t)(h->rules.flags | flag);
}

/* "model": counts the big lists and judges the small settings. Unigram models (SentencePiece) have
   a list as vocab; their message says so. dropout and prefixes must be off. */
static onebit_status ob_hf_model(ob_json *j, ob_hf *h) {
    ob_slice key;
    for (ob_json_object(j); ob_json_key(j, &key);) {
        if (ob_slice_is(key, "type")) {
            ob_hf_text(j, h->type, sizeof h->type);
            if (j->status == ONEBIT_OK && strcmp(h->type, "BPE")) return ob_hf_no_bpe(j, h->type);
        } else if (ob_slice_is(key, "unk_token")) ob_hf_text(j, h->unknown, sizeof h->unknown);
        else if (ob_slice_is(key, "byte_fallback")) ob_hf_switch(j, h, OB_RULE_FALLBACK);
        else if (ob_slice_is(key, "ignore_merges")) ob_hf_switch(j, h, OB_RULE_WHOLE);
        else if (ob_slice_is(key, "fuse_unk")) ob_hf_switch(j, h, OB_RULE_FUSE);
        else if (ob_slice_is(key, "vocab") && ob_json_peek(j) == '{') ob_hf_count_vocab(j, h);
        else if (ob_slice_is(key, "merges")) ob_hf_count_merges(j, h);
        else if (ob_slice_is(key, "vocab")) return ob_hf_no_bpe(j, "Unigram");
        else OB_TRY(ob_hf_off(j, "model setting", key));
    }
    return j->status;
}

/* First pass over the file. Truncation and padding are about batches, not about text and ids. An
   unknown field might change the result, so it is refused. */
static onebit_status ob_hf_read(ob_json *j, ob_hf *h) {
    ob_slice key;
    for (ob_json_object(j); ob_json_key(j, &key);) {
        if (ob_slice_is(key, "version") || ob_slice_is(key, "truncation") ||
            ob_slice_is(key, "padding"))
            ob_json_skip(j);
        else if (ob_slice_is(key, "added_tokens")) ob_hf_count_added(j, h);
        else if (ob_slice_is(key, "normalizer")) OB_TRY(ob_hf_stages(j, h, ob_hf_normalizer));
        else if (ob_slice_is(key, "pre_tokenizer")) OB_TRY(ob_hf_stages(j, h, ob_hf_pre_tokenizer));
        else if (ob_slice_is(key, "post_processor"))
            OB_TRY(ob_hf_stages(j, h, ob_hf_post_processor));
        else if (ob_slice_is(key, "decoder")) OB_TRY(ob_hf_stages(j, h, ob_hf_decoder));
        else if (ob_slice_is(key, "model")) OB_TRY(ob_hf_model(j, h));
        else return ob_hf_refuse(j, "the field", key);
    }
    OB_TRY(ob_json_end(j));
    if (!h->vocab.p) ob_json_error(j, "no \"model\" with a \"vocab\"");
    else if (!h->merges.p) ob_json_error(j, "no \"merges\": not a BPE model");
    return j->status;
}

/* Judges what the stages make together. Bytes need ByteLevel on both sides; characters a decoder
   that turns back what was done to spaces and unknown characters. */
static onebit_status ob_hf_judge(const ob_json *j, ob_hf *h) {
    int spaces = h->rules.flags & OB_RULE_SPACES, says = h->says;
    int fits = says == OB_SAYS_BYTES;
    if (h->digits && !h->bytes) return ob_hf_refuse_text(j, "pre_tokenizer", "Digits");
    h->rules.chars = (uint8_t)!h->bytes;
    if (!h->bytes) {
        if (says & OB_SAYS_STRIP) h->rules.strip = OB_STRIP_ONE;
        fits = says && !(says & OB_SAYS_BYTES) &&
               !(says & OB_SAYS_META && says & (OB_SAYS_REPLACE | OB_SAYS_STRIP)) &&
               !spaces == !(says & (OB_SAYS_META | OB_SAYS_REPLACE)) &&
               !(says & OB_SAYS_FALLBACK) == !(h->rules.flags & OB_RULE_FALLBACK);
    }
    if (!fits) return ob_hf_refuse_text(j, "decoder", h->decoder[0] ? h->decoder : "null");
    if (h->bytes && h->rules.flags & OB_RULE_FALLBACK)
        return ob_hf_refuse_text(j, "with ByteLevel", "byte_fallback");
    if (!ob_rules_fit(&h->rules))
        return ob_hf_refuse_text(j, "these together:", "normalizer, pre_tokenizer and decoder");
    return ONEBIT_OK;
}

/* Decodes a string into the draft's pool. The pool was sized from the raw texts, which are never
   shorter; the terminator that is written is overwritten by the next text. */
static ob_slice ob_hf_keep(ob_draft *d, ob_slice raw) {
    char *p = d->pool + d->used;
    size_t n = ob_json_unescape(raw, p, raw.n + 1);
    d->used += n;
    return ob_slice_on(p, n);
}

/* 1 when the library, which looks for the normalised content of a "normalized" token in normalised
   text, would not do as we do, who look for the content: NFC may change it, and where spaces became
   U+2581 they are no white space to strip and come back from a token in front of it. */
static int ob_hf_changes(const ob_hf *h, ob_slice content, int role) {
    size_t i;
    if (!(role & OB_TOKEN_LATE)) return 0;
    if (h->marked && role & (OB_TOKEN_LEFT | OB_TOKEN_RIGHT)) return 1;
    if (h->rules.prefix == OB_PREFIX_PART && !(role & OB_TOKEN_SPECIAL)) return 1;
    for (i = 0; i < content.n; i++)
        if ((h->marked && ob_blank(content.p + i, content.n - i)) ||
            (h->rules.flags & OB_RULE_NFC && (uint8_t)content.p[i] >= 0xCC))
            return 1;
    return 0;
}

/* One entry of "added_tokens"; single_word must be off. */
static onebit_status ob_hf_added(ob_json *j, const ob_hf *h, ob_draft *d) {
    ob_slice key, content = {NULL, 0};
    int64_t id = -1;
    int role = OB_TOKEN_ADDED, bit;
    for (ob_json_object(j); ob_json_key(j, &key);) {
        bit = ob_slice_is(key, "special")      ? OB_TOKEN_SPECIAL
              : ob_slice_is(key, "lstrip")     ? OB_TOKEN_LEFT
              : ob_slice_is(key, "rstrip")     ? OB_TOKEN_RIGHT
              : ob_slice_is(key, "normalized") ? OB_TOKEN_LATE
                                               : 0;
        if (bit) role |= ob_json_bool(j) ? bit : 0;
        else if (ob_slice_is(key, "id")) id = ob_json_int(j);
        else if (ob_slice_is(key, "content")) content = ob_hf_keep(d, ob_json_raw_string(j));
        else OB_TRY(ob_hf_off(j, "added token setting", key));
    }
    if (!content.p) ob_json_error(j, "an added token without \"content\"");
    if (j->status != ONEBIT_OK) return j->status;
    if (ob_hf_changes(h, content, role))
        return ob_hf_refuse(j, "such a normalized added token:", content);
    return ob_draft_put(d, id, content.p, content.n, role);
}

/* Turns a token's text as files spell it into its bytes, in place; 0 when it is not spelled so. */
static int ob_draft_text(const ob_draft *d, char *p, size_t *n) {
    size_t at, made = 0, blank;
    if (!d->rules.chars) return ob_spelled_bytes(p, n);
    if (!(d->rules.flags & OB_RULE_SPACES)) return 1;
    for (at = 0; at < *n; at += blank ? blank : 1) {
        blank = ob_blank(p + at, *n - at);
        /* no text has a space where the rules turn them into U+2581 */
        if (blank == 1) return 0;
        p[made++] = blank ? ' ' : p[at];
    }
    *n = made;
    return 1;
}

/* The byte that "<0x41>" stands for, or -1. Files have capital digits. */
static int ob_spelled_byte(ob_slice s) {
    if (s.n != 6 || memcmp(s.p, "<0x", 3) || s.p[5] != '>' || s.p[3] >= 'a' || s.p[4] >= 'a')
        return -1;
    if (ob_hex_digit(s.p[3]) < 0 || ob_hex_digit(s.p[4]) < 0) return -1;
    return ob_hex_digit(s.p[3]) * 16 + ob_hex_digit(s.p[4]);
}

/* A token of "vocab", spelled s, that is an added one too. Both must mean one text: the library
   knows the id under two, where we have one. So a letter that stands for a byte is refused, and a
   "<0x41>", which would no longer be found as a byte. */
static onebit_status ob_hf_twice(const ob_json *j, const ob_hf *h, ob_draft *d, ob_slice s,
                                 int id) {
    ob_slice added = d->piece[id];
    char *p = d->pool + (s.p - d->pool);
    size_t n = s.n;
    if (!ob_slice_same(s, added))
        return ob_fail(ONEBIT_FORMAT, "%.120s: added token %d has another text in \"vocab\"",
                       j->what, id);
    if ((h->rules.flags & OB_RULE_FALLBACK && ob_spelled_byte(s) >= 0) ||
        (!d->rules.chars && ob_draft_text(d, p, &n) && !ob_slice_same(ob_slice_on(p, n), added)))
        return ob_hf_refuse(j, "an added token that is also a byte:", added);
    return ONEBIT_OK;
}

/* One entry of "vocab": a token that is also an added one must say the same. Added tokens come
   first for that reason, and their text stands as it is. */
static onebit_status ob_hf_token(ob_json *j, const ob_hf *h, ob_draft *d, ob_slice key) {
    ob_slice s = ob_hf_keep(d, key);
    int64_t id = ob_json_int(j);
    char *p = d->pool + (s.p - d->pool);
    int byte;
    if (j->status != ONEBIT_OK) return j->status;
    /* files may list added tokens in both places, as plain text in both */
    if (id >= 0 && (uint64_t)id < d->capacity && d->role[id] & OB_TOKEN_ADDED)
        return ob_hf_twice(j, h, d, s, (int)id);
    if (h->lines.p && s.n > 4 && memcmp(s.p + s.n - 4, "</w>", 4) == 0)
        return ob_hf_refuse(j, "the end of words in tokens:", key);
    /* vocab.json has no list of added tokens; this is the one that its kind has */
    if (h->lines.p && ob_slice_is(s, OB_END_TEXT))
        return ob_draft_put(d, id, s.p, s.n, OB_TOKEN_ADDED | OB_TOKEN_SPECIAL);
    byte = h->rules.flags & OB_RULE_FALLBACK ? ob_spelled_byte(s) : -1;
    if (byte >= 0) {
        *p = (char)(unsigned char)byte;
        return ob_draft_put(d, id, p, 1, OB_TOKEN_BYTE);
    }
    if (!ob_draft_text(d, p, &s.n))
        return ob_hf_refuse(j, "the token (not spelled in the alphabet of its kind)", key);
    return ob_draft_put(d, id, p, s.n, !d->rules.chars && s.n == 1 ? OB_TOKEN_BYTE : 0);
}

/* Parts "left right" in room at their space, which goes away; returns where the right one begins, 0
   when there is no space. A spelled text holds none, so the first one separates. */
static size_t ob_hf_part(char *room, size_t *n) {
    char *space = (char *)memchr(room, ' ', *n);
    if (!space) return 0;
    --*n;
    memmove(space, space + 1, *n - (size_t)(space - room));
    return (size_t)(space - room);
}

/* Decodes the two parts of a merge, written "a b" or ["a", "b"], one after the other into room; the
   second begins at *split. The first form is what GPT-2 has, the second what newer versions of the
   library write. Returns the bytes of both. */
static size_t ob_hf_parts(ob_json *j, char *room, size_t size, size_t *split) {
    size_t n;
    if (ob_json_peek(j) == '[') {
        int items = 0;
        n = *split = 0;
        for (ob_json_array(j); ob_json_item(j); items++) {
            *split = n;
            n += ob_json_unescape(ob_json_raw_string(j), room + n, size - n);
        }
        if (items != 2) ob_json_error(j, "a merge of %d parts", items);
    } else {
        n = ob_json_unescape(ob_json_raw_string(j), room, size);
        *split = ob_hf_part(room, &n);
        if (!*split) ob_json_error(j, "a merge is \"left right\"");
    }
    return n;
}

/* One merge, whose parts lie in room: both and what they make must be tokens. Parts are turned into
   bytes and looked up: merges name texts, our table wants ids. */
static onebit_status ob_hf_merge(ob_json *j, ob_draft *d, char *room, size_t n, size_t split) {
    size_t left = split, right = n - split;
    uint32_t a, b, made;
    if (j->status != ONEBIT_OK) return j->status;
    if (!ob_draft_text(d, room, &left) || !ob_draft_text(d, room + split, &right))
        ob_json_error(j, "a merge that is not spelled in the alphabet of its kind");
    if (j->status != ONEBIT_OK) return j->status;
    a = *ob_draft_slot(d, room, left);
    b = *ob_draft_slot(d, room + split, right);
    memmove(room + left, room + split, right);
    /* the two parts were brought together, so room holds what the merge makes */
    made = *ob_draft_slot(d, room, left + right);
    if (a && b && made) ob_draft_merge(d, (int32_t)a - 1, (int32_t)b - 1, (int32_t)made - 1);
    else ob_json_error(j, "a merge of tokens that the vocabulary lacks");
    return j->status;
}

/* The next line of a text, without its end; p NULL when there is none. */
static ob_slice ob_line(ob_slice *text) {
    ob_slice line = *text;
    const char *end = text->n ? (const char *)memchr(text->p, '\n', text->n) : NULL;
    if (!text->n) line.p = NULL;
    if (end) line.n = (size_t)(end - text->p);
    text->p += line.n + (end != NULL);
    text->n -= line.n + (end != NULL);
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    return line;
}

/* The merges of merges.txt: a line each, in the order of their ranks; the first line may be a
   comment, and empty ones are passed over. */
static onebit_status ob_hf_lines(ob_hf *h, ob_draft *d, char *room) {
    ob_slice text = h->lines, line;
    int number = 0;
    while ((line = ob_line(&text)).p) {
        size_t n = line.n, split;
        number++;
        if (n == 0 || (number == 1 && n > 8 && !memcmp(line.p, "#version", 8))) continue;
        memcpy(room, line.p, n);
        split = ob_hf_part(room, &n);
        if (!split)
            return ob_fail(ONEBIT_FORMAT, "%.120s: line %d is no merge \"left right\"",
                           h->merges.what, number);
        OB_TRY(ob_hf_merge(&h->merges, d, room, n, split));
    }
    return ONEBIT_OK;
}

/* The added token that ends texts, since the format does not say which: GPT-2, Llama 2, Llama 3,
   ChatML and Gemma name it so. -1 when there is none of these. */
static int ob_draft_end(const ob_draft *d) {
    static const char *const names[] = {OB_END_TEXT, "</s>", "<|end_of_text|>", "<|im_end|>",
                                        "<eos>"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t id = *ob_draft_slot(d, names[i], strlen(names[i]));
        if (id && d->role[id - 1] & OB_TOKEN_ADDED) return (int)id - 1;
    }
    return -1;
}

/* Id of a token that a setting names; no name is -1. */
static onebit_status ob_draft_named(const ob_draft *d, const char *what, const char *name,
                                    int *id) {
    uint32_t known = name[0] ? *ob_draft_slot(d, name, strlen(name)) : 0;
    *id = (int)known - 1;
    if (!name[0] || known) return ONEBIT_OK;
    return ob_fail(ONEBIT_FORMAT, "tokenizer: %s \"%.60s\" is no token", what, name);
}

/* Id of a special token that a file beside names; -1 when the tokenizer has none of that name,
   which such files may do: they are shared by several tokenizers. */
static int ob_draft_special(const ob_draft *d, const char *name) {
    uint32_t id = name[0] ? *ob_draft_slot(d, name, strlen(name)) : 0;
    return id && d->role[id - 1] & OB_TOKEN_ADDED ? (int)id - 1 : -1;
}

/* Takes what the files beside tokenizer.json say. What tokenizer.json itself says of start and end
   goes first; the rest become ends that are as good as end. */
static onebit_status ob_hf_beside(const ob_hf *h, ob_draft *d) {
    const ob_beside *b = h->beside;
    int end, i;
    if (!b) return ONEBIT_OK;
    end = ob_draft_special(d, b->end);
    for (i = 0; i < b->end_count; i++) {
        if (b->ends[i] < 0 || (uint64_t)b->ends[i] >= d->capacity || !d->piece[b->ends[i]].p)
            return ob_fail(ONEBIT_FORMAT, "%.120s: no token has the eos_token_id %lld",
                           h->merges.what, (long long)b->ends[i]);
        if (end < 0) end = (int)b->ends[i];
    }
    if (d->end < 0) d->end = end;
    for (i = 0; i < b->end_count; i++)
        if (b->ends[i] != d->end) ob_draft_ends(d, (int)b->ends[i]);
    if (end != d->end) ob_draft_ends(d, end);
    if (d->start < 0 && b->wants_start) d->start = ob_draft_special(d, b->start);
    return ob_draft_chat(d, b->chat);
}

/* Second pass: tokens and merges into the draft. The first has walked the same lists, so only their
   values can be wrong. room has longest + 1 bytes. */
static onebit_status ob_hf_fill(ob_hf *h, ob_draft *d, char *room) {
    ob_slice key;
    size_t split = 0, n;
    if (h->added.p) {
        for (ob_json_array(&h->added); ob_json_item(&h->added);)
            OB_TRY(ob_hf_added(&h->added, h, d));
    }
    for (ob_json_object(&h->vocab); ob_json_key(&h->vocab, &key);)
        OB_TRY(ob_hf_token(&h->vocab, h, d, key));
    if (h->lines.p) OB_TRY(ob_hf_lines(h, d, room));
    else
        for (ob_json_array(&h->merges); ob_json_item(&h->merges);) {
            n = ob_hf_parts(&h->merges, room, h->longest + 1, &split);
            OB_TRY(ob_hf_merge(&h->merges, d, room, n, split));
        }
    OB_TRY(ob_draft_named(d, "unk_token", h->unknown, &d->unknown));
    OB_TRY(ob_draft_named(d, "the start", h->start, &d->start));
    OB_TRY(ob_draft_named(d, "the end", h->end, &d->end));
    OB_TRY(ob_hf_beside(h, d));
    if (d->end < 0) d->end = ob_draft_end(d);
    return h->merges.status;
}

/* Builds what the first pass found. *out is NULL after an error. */
static onebit_status ob_hf_make(onebit_tokenizer **out, ob_hf *h, const onebit_env *env) {
    ob_draft d;
    onebit_status status =
        ob_draft_take(&d, env, h->tokens, h->merge_count, h->tokens_bytes + h->longest + 2);
    if (status == ONEBIT_OK) {
        d.rules = h->rules;
        d.used = h->longest + 1; /* the pool begins with the room for a merge */
        status = ob_hf_fill(h, &d, d.pool);
    }
    if (status == ONEBIT_OK) status = ob_tokenizer_build(out, &d);
    ob_release(env, d.block);
    return status;
}

/* The whole reading, for text and files alike; what names the text in messages, beside may be
   NULL. ONEBIT_FORMAT comes
   with line and column, ONEBIT_UNSUPPORTED with the construct. The JSON need not outlive the
   call. */
static onebit_status ob_tokenizer_parse(onebit_tokenizer **out, const char *json, size_t bytes,
                                        const char *what, const ob_beside *beside,
                                        const onebit_env *env) {
    onebit_env e = ob_env_or_default(env);
    ob_json j = ob_json_on(json, bytes, what);
    ob_hf h;
    *out = NULL;
    memset(&h, 0, sizeof h);
    h.beside = beside;
    OB_TRY(ob_hf_read(&j, &h));
    OB_TRY(ob_hf_judge(&j, &h));
    return ob_hf_make(out, &h, &e);
}

/* NULL stands for an absent text, and an absent text is no empty tokenizer. */
onebit_status onebit_tokenizer_parse(onebit_tokenizer **out, const char *json, size_t bytes,
                                     const onebit_env *env) {
    if (!out || !json)
        return ob_fail(ONEBIT_USAGE, "onebit_tokenizer_parse: out and json are needed");
    return ob_tokenizer_parse(out, json, bytes, "tokenizer.json", NULL, env);
}

/* ---- the files beside tokenizer.json in a directory ----
   generation_config.json and config.json name the ids that end an answer, tokenizer_config.json
   the tokens of start and end and the chat template; chat_template.jinja has that alone in newer
   directories. All are optional; what they say beyond this is passed over. */

/* "eos_token_id": an id or a list of them; null is none. */
static void ob_beside_ids(ob_json *j, ob_beside *b) {
    int kind = ob_json_peek(j);
    if (kind == '[') {
        for (ob_json_array(j); ob_json_item(j);) {
            int64_t id = ob_json_int(j);
            if (b->end_count < OB_ENDS_MAX) b->ends[b->end_count++] = id;
        }
    } else if (kind == '0') {
        int64_t id = ob_json_int(j);
        if (b->end_count < OB_ENDS_MAX) b->ends[b->end_count++] = id;
    } else ob_json_skip(j);
}

/* A token as a string, or as an object with "content". */
static void ob_beside_name(ob_json *j, char *out, size_t size) {
    ob_slice key;
    int kind = ob_json_peek(j);
    if (kind == '"') ob_hf_text(j, out, size);
    else if (kind != '{') ob_json_skip(j);
    else
        for (ob_json_object(j); ob_json_key(j, &key);) {
            if (ob_slice_is(key, "content") && ob_json_peek(j) == '"') ob_hf_text(j, out, size);
            else ob_json_skip(j);
        }
}

/* "chat_template", as written: a string, or a list of {"name", "template"} of which "default" is
   taken. */
static ob_slice ob_beside_chat(ob_json *j) {
    ob_slice found = {"", 0}, text = found, name = found, key;
    int kind = ob_json_peek(j);
    if (kind == '"') return ob_json_raw_string(j);
    if (kind != '[') {
        ob_json_skip(j);
        return found;
    }
    for (ob_json_array(j); ob_json_item(j);) {
        for (ob_json_object(j); ob_json_key(j, &key);) {
            if (ob_slice_is(key, "name") && ob_json_peek(j) == '"') name = ob_json_raw_string(j);
            else if (ob_slice_is(key, "template") && ob_json_peek(j) == '"')
                text = ob_json_raw_string(j);
            else ob_json_skip(j);
        }
        if (ob_slice_is(name, "default")) found = text;
    }
    return found;
}

/* One of the JSON files: what it says goes to b; the template is decoded into b's block. */
static onebit_status ob_beside_json(ob_beside *b, const uint8_t *data, size_t bytes,
                                    const char *path, const onebit_env *env) {
    ob_json j = ob_json_on((const char *)data, bytes, path);
    ob_slice key, chat = {"", 0};
    for (ob_json_object(&j); ob_json_key(&j, &key);) {
        int kind = ob_json_peek(&j);
        if (ob_slice_is(key, "eos_token_id")) ob_beside_ids(&j, b);
        else if (ob_slice_is(key, "eos_token")) ob_beside_name(&j, b->end, sizeof b->end);
        else if (ob_slice_is(key, "bos_token")) ob_beside_name(&j, b->start, sizeof b->start);
        else if (ob_slice_is(key, "chat_template")) chat = ob_beside_chat(&j);
        else if (ob_slice_is(key, "add_bos_token") && kind == 't')
            b->wants_start = ob_json_bool(&j);
        else ob_json_skip(&j);
    }
    OB_TRY(ob_json_end(&j));
    if (!chat.n || b->block) return ONEBIT_OK;
    if (chat.n > 6 * (size_t)OB_CHAT_MAX)
        return ob_fail(ONEBIT_UNSUPPORTED, "%.200s: a chat template of %lu bytes", path,
                       (unsigned long)chat.n);
    b->block = ob_alloc(env, chat.n + 1);
    if (!b->block) return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for its template", path);
    b->chat = ob_slice_on((const char *)b->block,
                          ob_json_unescape(chat, (char *)b->block, chat.n + 1));
    return ONEBIT_OK;
}

/* Reads one file of a directory, when it is there. */
static onebit_status ob_beside_file(ob_beside *b, const char *directory, const char *name,
                                    const onebit_env *env) {
    char path[OB_PATH_MAX];
    ob_map map;
    onebit_status status = ONEBIT_OK;
    OB_TRY(ob_path_join(path, sizeof path, directory, name));
    if (!ob_file_exists(path)) return ONEBIT_OK;
    OB_TRY(ob_map_open(&map, path));
    if (strcmp(name, "chat_template.jinja") != 0)
        status = ob_beside_json(b, map.data, map.bytes, path, env);
    else if (map.bytes > 0 && map.bytes <= OB_CHAT_MAX) {
        b->block = ob_alloc(env, map.bytes + 1);
        if (!b->block) status = ob_fail(ONEBIT_MEMORY, "%.200s: no memory for it", path);
        else {
            memcpy(b->block, map.data, map.bytes);
            b->chat = ob_slice_on((const char *)b->block, map.bytes);
        }
    } else if (map.bytes)
        status = ob_fail(ONEBIT_UNSUPPORTED, "%.200s: more than %d bytes", path, OB_CHAT_MAX);
    ob_map_close(&map);
    return status;
}

/* All files of a directory. What holds the template first, then the ids, most telling first. */
static onebit_status ob_beside_read(ob_beside *b, const char *directory, const onebit_env *env) {
    static const char *const names[] = {"chat_template.jinja", "tokenizer_config.json",
                                        "generation_config.json", "config.json"};
    size_t i;
    memset(b, 0, sizeof *b);
    for (i = 0; i < sizeof names / sizeof *names; i++)
        OB_TRY(ob_beside_file(b, directory, names[i], env));
    return ONEBIT_OK;
}

/* ---- other files: vocab.json with merges.txt, tiktoken's ranks, GGUF, SentencePiece ---- */

/* Where the other of two files stands that differ in the end of their names; 0 when path does not
   end so. */
static int ob_path_twin(char *out, size_t size, const char *path, const char *end,
                        const char *other) {
    size_t n = strlen(path), tail = strlen(end);
    if (n < tail || strcmp(path + n - tail, end) || n - tail + strlen(other) >= size) return 0;
    memcpy(out, path, n - tail);
    memcpy(out + n - tail, other, strlen(other) + 1);
    return 1;
}

/* "tokenizer_class" of a tokenizer_config.json, as written; empty when it says none. */
static ob_slice ob_tokenizer_class(const ob_map *map) {
    ob_json j = ob_json_on((const char *)map->data, map->bytes, "tokenizer_config.json");
    ob_slice key, found = {"", 0};
    for (ob_json_object(&j); ob_json_key(&j, &key);) {
        if (ob_slice_is(key, "tokenizer_class") && ob_json_peek(&j) == '"')
            found = ob_json_raw_string(&j);
        else ob_json_skip(&j);
    }
    return found;
}

/* vocab.json and merges.txt do not say how text is cut into words. They are read as GPT-2's unless
   the files beside them say that they belong to another family, or that there are more tokens. */
static onebit_status ob_tokenizer_is_gpt2(const char *vocab_path) {
    char path[OB_PATH_MAX];
    ob_map map;
    ob_slice name;
    onebit_status status = ONEBIT_OK;
    if (ob_path_twin(path, sizeof path, vocab_path, "vocab.json", "added_tokens.json") &&
        ob_file_exists(path))
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "%.200s is not supported: give the tokenizer.json of the same model", path);
    if (!ob_path_twin(path, sizeof path, vocab_path, "vocab.json", "tokenizer_config.json") ||
        !ob_file_exists(path))
        return ONEBIT_OK;
    OB_TRY(ob_map_open(&map, path));
    name = ob_tokenizer_class(&map);
    if (name.n && !ob_slice_is(name, "GPT2Tokenizer") && !ob_slice_is(name, "GPT2TokenizerFast"))
        status = ob_fail(ONEBIT_UNSUPPORTED,
                         "%.200s: the tokenizer_class %.*s is not GPT-2's: give the tokenizer.json "
                         "of the same model",
                         path, (int)(name.n < 60 ? name.n : 60), name.p);
    ob_map_close(&map);
    return status;
}

/* vocab.json and merges.txt as GPT-2 has them: the same reading with the settings given. */
static onebit_status ob_tokenizer_pair(onebit_tokenizer **out, const char *vocab_path,
                                       const char *merges_path, const ob_beside *beside,
                                       const onebit_env *env) {
    ob_map vocab, merges;
    ob_hf h;
    ob_json j;
    ob_slice text, line;
    onebit_status status;
    OB_TRY(ob_tokenizer_is_gpt2(vocab_path));
    OB_TRY(ob_map_open(&vocab, vocab_path));
    status = ob_map_open(&merges, merges_path);
    memset(&h, 0, sizeof h);
    h.beside = beside;
    h.rules = ob_rules_of(ONEBIT_TOKENIZER_BPE);
    if (status == ONEBIT_OK) {
        j = ob_json_on((const char *)vocab.data, vocab.bytes, vocab_path);
        h.merges = ob_json_on("", 0, merges_path);
        h.lines = ob_slice_on((const char *)merges.data, merges.bytes);
        for (text = h.lines; (line = ob_line(&text)).p; h.merge_count++) ob_hf_longest(&h, line.n);
        ob_hf_count_vocab(&j, &h);
        status = ob_json_end(&j);
    }
    if (status == ONEBIT_OK) status = ob_hf_make(out, &h, env);
    ob_map_close(&merges);
    ob_map_close(&vocab);
    return status;
}

#define OB_RANK_BYTES  1024 /* of a token in a ranks file: all its splits are tried */
#define OB_GPT2_RANKS  50256
#define OB_LLAMA_RANKS 128000

/* Six bits of base64 (RFC 4648), or -1. */
static int ob_base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Reads "base64 rank" into out, which has room for line.n bytes; *n is their number. 0 = the line
   is none. */
static int ob_rank_line(ob_slice line, char *out, size_t *n, int64_t *rank) {
    size_t at = 0;
    uint32_t bits = 0;
    int digit, held = 0;
    *n = 0;
    for (; at < line.n && (digit = ob_base64_digit(line.p[at])) >= 0; at++) {
        bits = bits << 6 | (uint32_t)digit;
        if ((held += 6) < 8) continue;
        held -= 8;
        out[(*n)++] = (char)(unsigned char)(bits >> held & 255);
    }
    while (at < line.n && line.p[at] == '=') at++;
    if (!*n || at + 1 >= line.n || line.p[at++] != ' ') return 0;
    for (*rank = 0; at < line.n && *rank < OB_VOCAB_MAX; at++) {
        if (line.p[at] < '0' || line.p[at] > '9') return 0;
        *rank = *rank * 10 + (line.p[at] - '0');
    }
    return at == line.n;
}

/* Notes every merge that makes token id. tiktoken merges what has the lowest rank together, so each
   split into two tokens is a merge; in the order of the parts, as Hugging Face's converter has it.
   */
static void ob_ranks_merges(ob_draft *d, int32_t id) {
    ob_slice s = d->piece[id];
    int first = d->merges, i;
    size_t at;
    for (at = 1; at < s.n; at++) {
        uint32_t left = *ob_draft_slot(d, s.p, at);
        uint32_t right = *ob_draft_slot(d, s.p + at, s.n - at);
        int32_t *m;
        if (!left || !right) continue;
        ob_draft_merge(d, (int32_t)left - 1, (int32_t)right - 1, id);
        /* two splits never have the same left part */
        for (i = d->merges - 1, m = d->merge + (size_t)i * 3; i > first && m[-3] > m[0]; i--) {
            int32_t a = m[0], b = m[1];
            m[0] = m[-3], m[1] = m[-2], m[-3] = a, m[-2] = b;
            m -= 3;
        }
    }
}

/* The special tokens that go with so many ranks; the file does not hold them. Meta's convention for
   Llama 3 (its tokenizer.py): 256 of them, five with a name of their own. */
static onebit_status ob_ranks_special(ob_draft *d) {
    static const char *const names[10] = {
        "begin_of_text", "end_of_text", NULL, NULL, NULL, NULL, "start_header_id",
        "end_header_id", NULL,          "eot_id"};
    int i, reserved = 0;
    d->end = OB_GPT2_RANKS;
    if (d->rules.split == OB_SPLIT_GPT2)
        return ob_draft_put(d, OB_GPT2_RANKS, OB_END_TEXT, OB_END_BYTES,
                            OB_TOKEN_ADDED | OB_TOKEN_SPECIAL);
    d->start = OB_LLAMA_RANKS;
    d->end = OB_LLAMA_RANKS + 1;
    for (i = 0; i < 256; i++) {
        char *p = d->pool + d->used;
        const char *name = i < 10 ? names[i] : NULL;
        int n = name ? (int)ob_print(p, 48, "<|%s|>", name)
                     : (int)ob_print(p, 48, "<|reserved_special_token_%d|>", reserved++);
        d->used += (size_t)n;
        OB_TRY(ob_draft_put(d, OB_LLAMA_RANKS + i, p, (size_t)n,
                            OB_TOKEN_ADDED | OB_TOKEN_SPECIAL));
    }
    return ONEBIT_OK;
}

/* Fills a draft from a ranks file of so many lines. */
static onebit_status ob_ranks_fill(ob_draft *d, ob_slice text, int lines) {
    ob_slice line;
    int64_t rank;
    int i;
    while ((line = ob_line(&text)).p) {
        char *p = d->pool + d->used;
        size_t n;
        if (!line.n) continue;
        if (!ob_rank_line(line, p, &n, &rank))
            return ob_fail(ONEBIT_FORMAT, "tokenizer: \"%.*s\" is no line \"base64 rank\"",
                           line.n < 40 ? (int)line.n : 40, line.p);
        if (n > OB_RANK_BYTES || rank >= lines)
            return ob_fail(ONEBIT_FORMAT, "tokenizer: rank %.0f of %d, %.0f bytes", (double)rank,
                           lines, (double)n);
        d->used += n;
        OB_TRY(ob_draft_put(d, rank, p, n, n == 1 ? OB_TOKEN_BYTE : 0));
    }
    for (i = 0; i < lines; i++) ob_ranks_merges(d, i);
    return ob_ranks_special(d);
}

/* tiktoken's ranks. The file says neither how text is cut nor which special tokens there are, so
   only sizes that are known are read. */
static onebit_status ob_tokenizer_ranks(onebit_tokenizer **out, ob_slice all, const char *path,
                                        const onebit_env *env) {
    ob_slice text = all, line;
    ob_draft d;
    onebit_status status;
    int lines = 0;
    while ((line = ob_line(&text)).p && lines <= OB_VOCAB_MAX) lines += line.n > 0;
    if (lines != OB_GPT2_RANKS && lines != OB_LLAMA_RANKS)
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "%.200s: ranks of %d tokens; only GPT-2's (%d) and Llama 3's (%d) are "
                       "known: give the model's tokenizer.json",
                       path, lines, OB_GPT2_RANKS, OB_LLAMA_RANKS);
    OB_TRY(ob_draft_take(&d, env, (size_t)lines + 256, all.n, all.n + 256 * 48));
    d.rules = ob_rules_of(ONEBIT_TOKENIZER_BPE);
    if (lines == OB_LLAMA_RANKS) {
        d.rules.split = OB_SPLIT_LLAMA3;
        d.rules.flags = OB_RULE_WHOLE;
    }
    status = ob_ranks_fill(&d, all, lines);
    if (status == ONEBIT_OK) status = ob_tokenizer_build(out, &d);
    ob_release(env, d.block);
    return status;
}

/* ---- SentencePiece's BPE: pieces with scores instead of merges ----
   SentencePiece joins the two neighbours whose union has the best score, the leftmost of equals
   (Kudo and Richardson 2018, bpe_model.cc). Every split of a piece into two pieces is so a merge,
   and the rank of a merge is the place of its result by score. */

#define OB_PIECE_BYTES 1024 /* of a piece that is merged: all its splits are tried */

/* Types of pieces in SentencePiece's files and in GGUF. */
enum {
    OB_PIECE_NORMAL = 1,
    OB_PIECE_UNKNOWN,
    OB_PIECE_CONTROL,
    OB_PIECE_USER,
    OB_PIECE_UNUSED,
    OB_PIECE_BYTE
};

/* A piece and its place among the merges. */
typedef struct ob_scored {
    float score;
    int32_t id;
} ob_scored;

/* For qsort: the best score first, then the lower id. */
static int ob_by_score(const void *a, const void *b) {
    const ob_scored *x = (const ob_scored *)a, *y = (const ob_scored *)b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* A text for a token that has none of its own, or one that another has: vocabularies are padded
   with such. It is in no text that people write. The pool has 32 bytes for each. */
static onebit_status ob_draft_filler(ob_draft *d, int id) {
    char *p = d->pool + d->used;
    size_t n = ob_print(p, 32, "[EMPTY_%d]", id);
    d->used += n;
    return ob_draft_put(d, id, p, n, 0);
}

/* Enters a piece that is no plain one, whose text lies in the pool: special tokens, those that
   users defined (found in every text), unused ones. *done: it was one of these. */
static onebit_status ob_draft_piece(ob_draft *d, int id, ob_slice s, int type, int *done) {
    int role = type == OB_PIECE_USER ? OB_TOKEN_ADDED : OB_TOKEN_ADDED | OB_TOKEN_SPECIAL;
    *done = 1;
    if (s.n == 0) return ob_draft_filler(d, id);
    if (type == OB_PIECE_UNUSED)
        return *ob_draft_slot(d, s.p, s.n) ? ob_draft_filler(d, id)
                                           : ob_draft_put(d, id, s.p, s.n, 0);
    if (type == OB_PIECE_UNKNOWN || type == OB_PIECE_CONTROL || type == OB_PIECE_USER)
        return ob_draft_put(d, id, s.p, s.n, role);
    if (type != OB_PIECE_NORMAL && type != OB_PIECE_BYTE)
        return ob_fail(ONEBIT_FORMAT, "tokenizer: token %d has the unknown type %d", id, type);
    *done = 0;
    return ONEBIT_OK;
}

/* Enters a piece of SentencePiece: its text is copied to the pool. marks: spaces are spelled
   U+2581, as they are everywhere but in llama2.c's files. */
static onebit_status ob_spm_put(ob_draft *d, int id, ob_slice text, int type, int marks) {
    char *p = d->pool + d->used;
    size_t n = text.n;
    int byte = ob_spelled_byte(text), done;
    if (n) memcpy(p, text.p, n);
    d->used += n;
    OB_TRY(ob_draft_piece(d, id, ob_slice_on(p, n), type, &done));
    if (done) return ONEBIT_OK;
    if (type == OB_PIECE_BYTE) {
        if (byte < 0)
            return ob_fail(ONEBIT_FORMAT, "tokenizer: byte token %d is \"%.*s\", not \"<0x41>\"",
                           id, n < 40 ? (int)n : 40, text.p);
        *p = (char)(unsigned char)byte;
        d->rules.flags |= OB_RULE_FALLBACK;
        return ob_draft_put(d, id, p, 1, OB_TOKEN_BYTE);
    }
    if (!ob_is_utf8(p, n) || n > OB_PIECE_BYTES || (marks && !ob_draft_text(d, p, &n)))
        return ob_fail(ONEBIT_FORMAT,
                       "tokenizer: token %d is not UTF-8, holds a plain space, or has more than "
                       "%d bytes",
                       id, OB_PIECE_BYTES);
    return ob_draft_put(d, id, p, n, 0);
}

/* The rules that Llama 2's tokenizer.json says in other words. prefix: texts get a space in
   front. */
static ob_rules ob_spm_rules(int prefix) {
    ob_rules r = {0, 0, 0, 0, 0};
    r.chars = 1;
    r.split = OB_SPLIT_NONE;
    r.prefix = (uint8_t)(prefix ? OB_PREFIX_PART : OB_PREFIX_NEVER);
    r.strip = (uint8_t)(prefix ? OB_STRIP_ONE : OB_STRIP_NONE);
    r.flags = OB_RULE_SPACES | OB_RULE_FUSE;
    return r;
}

/* Every split of one piece into two plain ones, shorter left parts first. */
static void ob_spm_splits(ob_draft *d, int32_t id) {
    ob_slice s = d->piece[id];
    size_t at;
    for (at = 1; at < s.n; at++) {
        uint32_t left, right;
        if (((unsigned char)s.p[at] & 0xC0) == 0x80) continue; /* inside a character */
        left = *ob_draft_slot(d, s.p, at);
        right = left ? *ob_draft_slot(d, s.p + at, s.n - at) : 0;
        if (!right || (d->role[left - 1] | d->role[right - 1]) & OB_TOKEN_ADDED) continue;
        ob_draft_merge(d, (int32_t)left - 1, (int32_t)right - 1, id);
    }
}

/* The merges of all plain pieces, best score first. list has the score of each id, which must be a
   number; it is sorted here. */
static onebit_status ob_spm_merges(ob_draft *d, ob_scored *list, int n) {
    int i;
    for (i = 0; i < n; i++)
        if (!(fabs((double)list[i].score) <= FLT_MAX))
            return ob_fail(ONEBIT_FORMAT, "tokenizer: the score of token %d is no number", i);
    qsort(list, (size_t)n, sizeof *list, ob_by_score);
    for (i = 0; i < n; i++)
        if (!(d->role[list[i].id] & (OB_TOKEN_ADDED | OB_TOKEN_BYTE)) &&
            d->piece[list[i].id].n <= OB_PIECE_BYTES)
            ob_spm_splits(d, list[i].id);
    return ONEBIT_OK;
}

/* ---- a vocabulary in a GGUF file ---- */

/* What tokenizer.ggml.pre names, as a row of ob_splits. llama.cpp (llama-vocab.cpp) knows more
   names; those whose expression we lack are refused. */
typedef struct ob_gguf_pre {
    const char *name;
    int split, flags;
} ob_gguf_pre;

/* Qwen's tokenizer.json puts texts in NFC, which GGUF has no word for: so do we. */
static const ob_gguf_pre ob_gguf_pres[] = {
    {"gpt-2", OB_SPLIT_GPT2, 0},
    {"phi-2", OB_SPLIT_GPT2, 0},
    {"mpt", OB_SPLIT_GPT2, 0},
    {"olmo", OB_SPLIT_GPT2, 0},
    {"jais", OB_SPLIT_GPT2, 0},
    {"gigachat", OB_SPLIT_GPT2, 0},
    {"llama-bpe", OB_SPLIT_LLAMA3, OB_RULE_WHOLE},
    {"llama3", OB_SPLIT_LLAMA3, OB_RULE_WHOLE},
    {"llama-v3", OB_SPLIT_LLAMA3, OB_RULE_WHOLE},
    {"falcon3", OB_SPLIT_LLAMA3, OB_RULE_WHOLE},
    {"pixtral", OB_SPLIT_LLAMA3, OB_RULE_WHOLE},
    {"dbrx", OB_SPLIT_LLAMA3, 0},
    {"smaug-bpe", OB_SPLIT_LLAMA3, 0},
    {"qwen2", OB_SPLIT_QWEN2, OB_RULE_NFC},
    {"deepseek-r1-qwen", OB_SPLIT_QWEN2, OB_RULE_NFC},
    {"stablelm2", OB_SPLIT_QWEN2, 0},
    {"starcoder", OB_SPLIT_DIGIT, 0},
    {"refact", OB_SPLIT_DIGIT, 0},
    {"command-r", OB_SPLIT_DIGIT, 0},
    {"smollm", OB_SPLIT_DIGIT, 0},
    {"codeshell", OB_SPLIT_DIGIT, 0},
    {"deepseek-coder", OB_SPLIT_CODER, 0},
    {"default", OB_SPLIT_PLAIN, 0},
};

/* The lists of a vocabulary, with equal counts; types and scores may be NULL. */
typedef struct ob_gguf_vocab {
    const ob_gguf *g;
    const ob_gguf_value *tokens, *types, *scores, *merges;
    int count;
    int spm; /* model "llama", else "gpt2" */
    int right; /* Phi-3: special tokens take the white space behind them along */
} ob_gguf_vocab;

/* An id under a key: *id stays when there is none or it is written as all ones, which some
   converters do for "none". */
static onebit_status ob_gguf_token_id(const ob_gguf_vocab *v, const char *key, int *id) {
    uint64_t n;
    if (!ob_gguf_u64(v->g, key, &n) || n == 0xFFFFFFFFu) return ONEBIT_OK;
    if (n >= (uint64_t)v->count)
        return ob_fail(ONEBIT_FORMAT, "%.120s: %s is %llu, there are %d tokens", v->g->what, key,
                       (unsigned long long)n, v->count);
    *id = (int)n;
    return ONEBIT_OK;
}

/* 1 when general.name says Phi-3, whose special tokens llama.cpp treats in another way; the file
   has no key for it. */
static int ob_gguf_is_phi3(const ob_gguf *g) {
    ob_slice name;
    size_t i;
    if (!ob_gguf_string(g, "general.name", &name)) return 0;
    for (i = 0; i + 4 <= name.n; i++) {
        const char *p = name.p + i;
        int dash = p[3] == '-';
        if ((p[0] | 32) == 'p' && (p[1] | 32) == 'h' && (p[2] | 32) == 'i' &&
            i + 3 + (size_t)dash < name.n && p[3 + dash] == '3')
            return 1;
    }
    return 0;
}

/* Finds the lists and judges the model's name. */
static onebit_status ob_gguf_vocab_find(ob_gguf_vocab *v, const ob_gguf *g) {
    ob_slice model;
    memset(v, 0, sizeof *v);
    v->g = g;
    if (!ob_gguf_string(g, "tokenizer.ggml.model", &model))
        return ob_fail(ONEBIT_FORMAT, "%.120s holds no vocabulary (tokenizer.ggml.model)", g->what);
    v->spm = ob_slice_is(model, "llama");
    if (!v->spm && !ob_slice_is(model, "gpt2"))
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "%.120s: the vocabulary \"%.*s\" is not supported: expected \"gpt2\" or "
                       "\"llama\" (BPE)",
                       g->what, model.n < 40 ? (int)model.n : 40, model.p);
    v->tokens = ob_gguf_array(g, "tokenizer.ggml.tokens", OB_GGUF_STRING);
    v->types = ob_gguf_array(g, "tokenizer.ggml.token_type", OB_GGUF_I32);
    v->scores = ob_gguf_array(g, "tokenizer.ggml.scores", OB_GGUF_F32);
    v->merges = ob_gguf_array(g, "tokenizer.ggml.merges", OB_GGUF_STRING);
    if (!v->tokens || v->tokens->count == 0 || v->tokens->count > OB_VOCAB_MAX)
        return ob_fail(ONEBIT_FORMAT, "%.120s: tokenizer.ggml.tokens must be 1 to %d strings",
                       g->what, OB_VOCAB_MAX);
    v->count = (int)v->tokens->count;
    if ((v->types && v->types->count != v->tokens->count) ||
        (v->spm && (!v->scores || v->scores->count != v->tokens->count)))
        return ob_fail(ONEBIT_FORMAT, "%.120s: %d tokens need as many token_type and scores",
                       g->what, v->count);
    v->right = v->spm && ob_gguf_is_phi3(g);
    return ONEBIT_OK;
}

/* The splitting rule. Files from before tokenizer.ggml.pre existed, and some that say "default",
   are told by their ids when they are Llama 3's or GPT-2's: llama.cpp's own default would cut
   their texts in a way that the models have never seen. */
static onebit_status ob_gguf_vocab_rules(const ob_gguf_vocab *v, ob_draft *d) {
    ob_slice pre = {"default", 7};
    uint64_t start = 0;
    size_t i;
    int flag = 1;
    if (v->spm) {
        (void)ob_gguf_bool(v->g, "tokenizer.ggml.add_space_prefix", &flag);
        d->rules = ob_spm_rules(flag);
        return ONEBIT_OK;
    }
    (void)ob_gguf_string(v->g, "tokenizer.ggml.pre", &pre);
    (void)ob_gguf_u64(v->g, "tokenizer.ggml.bos_token_id", &start);
    if (ob_slice_is(pre, "default") && start == OB_LLAMA_RANKS) pre = ob_slice_of("llama-bpe");
    else if (ob_slice_is(pre, "default") && start == OB_GPT2_RANKS && v->count == OB_GPT2_RANKS + 1)
        pre = ob_slice_of("gpt-2");
    d->rules = ob_rules_of(ONEBIT_TOKENIZER_BPE);
    for (i = 0; i < sizeof ob_gguf_pres / sizeof *ob_gguf_pres; i++) {
        if (!ob_slice_is(pre, ob_gguf_pres[i].name)) continue;
        d->rules.split = (uint8_t)ob_gguf_pres[i].split;
        d->rules.flags = (uint8_t)ob_gguf_pres[i].flags;
        return ONEBIT_OK;
    }
    return ob_fail(ONEBIT_UNSUPPORTED,
                   "%.120s: the splitting rule \"%.*s\" (tokenizer.ggml.pre) is not supported",
                   v->g->what, pre.n < 60 ? (int)pre.n : 60, pre.p);
}

/* Enters one token of the byte-level kind. A plain token that is not spelled in GPT-2's alphabet
   is padding or was added without a type: no merge makes it, so its text stays as it is. */
static onebit_status ob_gguf_put_bytes(ob_draft *d, int id, ob_slice text, int type) {
    char *p = d->pool + d->used;
    size_t n = text.n;
    int done;
    if (n) memcpy(p, text.p, n);
    d->used += n;
    OB_TRY(ob_draft_piece(d, id, ob_slice_on(p, n), type, &done));
    if (done) return ONEBIT_OK;
    if (type == OB_PIECE_BYTE)
        return ob_fail(ONEBIT_UNSUPPORTED, "tokenizer: byte token %d in a byte-level vocabulary",
                       id);
    if (ob_spelled_bytes(p, &n))
        return ob_draft_put(d, id, p, n, n == 1 ? OB_TOKEN_BYTE : 0);
    n = text.n;
    memcpy(p, text.p, n); /* half converted */
    return *ob_draft_slot(d, p, n) ? ob_draft_filler(d, id) : ob_draft_put(d, id, p, n, 0);
}

/* All tokens, in the order of their ids. */
static onebit_status ob_gguf_put_tokens(const ob_gguf_vocab *v, ob_draft *d) {
    static const char *const alone[] = {"<unk>", "<s>", OB_END_TEXT};
    ob_reader r = ob_gguf_strings(v->tokens);
    uint64_t type;
    size_t k;
    int id;
    for (id = 0; id < v->count; id++) {
        ob_slice text = ob_gguf_read_string(&r);
        type = OB_PIECE_NORMAL;
        if (v->types && (!ob_gguf_item_u64(v->types, (uint64_t)id, &type) || type > 255)) type = 0;
        OB_TRY(v->spm ? ob_spm_put(d, id, text, (int)type, 1)
                      : ob_gguf_put_bytes(d, id, text, (int)type));
        if (!v->right || !(d->role[id] & OB_TOKEN_ADDED)) continue;
        for (k = 0; k < 3 && !ob_slice_is(text, alone[k]); k++) {}
        if (k == 3) d->role[id] |= OB_TOKEN_RIGHT;
    }
    return ONEBIT_OK;
}

/* The merges of the byte-level kind; room has space for the longest. */
static onebit_status ob_gguf_put_merges(const ob_gguf_vocab *v, ob_draft *d, char *room) {
    ob_json j = ob_json_on("", 0, v->g->what); /* carries the name for messages */
    ob_reader r;
    uint64_t i;
    if (!v->merges) return ONEBIT_OK;
    r = ob_gguf_strings(v->merges);
    for (i = 0; i < v->merges->count; i++) {
        ob_slice text = ob_gguf_read_string(&r);
        size_t n = text.n, split;
        if (n) memcpy(room, text.p, n);
        split = n ? ob_hf_part(room, &n) : 0;
        if (!split)
            return ob_fail(ONEBIT_FORMAT, "%.120s: merge %llu is no \"left right\"", v->g->what,
                           (unsigned long long)i);
        OB_TRY(ob_hf_merge(&j, d, room, n, split));
    }
    return ONEBIT_OK;
}

/* The merges of the other kind, from the scores. */
static onebit_status ob_gguf_put_scores(const ob_gguf_vocab *v, ob_draft *d) {
    size_t bytes;
    ob_scored *list;
    onebit_status status;
    int id;
    (void)ob_mul((size_t)v->count, sizeof *list, &bytes);
    list = (ob_scored *)ob_alloc(&d->env, bytes);
    if (!list) return ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for its scores");
    for (id = 0; id < v->count; id++) {
        list[id].id = id;
        list[id].score = ob_getf32(v->scores->p + (size_t)id * 4);
    }
    status = ob_spm_merges(d, list, v->count);
    ob_release(&d->env, list);
    return status;
}

/* The ids that have a meaning, and the chat template. Defaults are llama.cpp's: SentencePiece's
   texts begin with a start token unless the file says no, Llama 3's too, others do not. */
static onebit_status ob_gguf_put_meaning(const ob_gguf_vocab *v, ob_draft *d) {
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    int start = -1, wanted = v->spm || d->rules.flags & OB_RULE_WHOLE ? 1 : 0, id;
    size_t i;
    ob_slice chat;
    if (v->spm) start = v->count > 1 ? 1 : -1, d->end = v->count > 2 ? 2 : -1, d->unknown = 0;
    OB_TRY(ob_gguf_token_id(v, "tokenizer.ggml.bos_token_id", &start));
    OB_TRY(ob_gguf_token_id(v, ends[0], &d->end));
    for (i = 1; i < sizeof ends / sizeof *ends; i++) {
        id = -1;
        OB_TRY(ob_gguf_token_id(v, ends[i], &id));
        ob_draft_ends(d, id);
    }
    if (v->spm) OB_TRY(ob_gguf_token_id(v, "tokenizer.ggml.unknown_token_id", &d->unknown));
    (void)ob_gguf_bool(v->g, "tokenizer.ggml.add_bos_token", &wanted);
    if (wanted) d->start = start;
    if (d->end < 0) d->end = ob_draft_end(d);
    if (ob_gguf_string(v->g, "tokenizer.chat_template", &chat)) OB_TRY(ob_draft_chat(d, chat));
    return ONEBIT_OK;
}

/* Longest string of an array, for the room that a merge needs. */
static size_t ob_gguf_longest(const ob_gguf_value *v) {
    ob_reader r = ob_gguf_strings(v);
    size_t longest = 0;
    uint64_t i;
    for (i = 0; i < v->count; i++) {
        ob_slice s = ob_gguf_read_string(&r);
        if (s.n > longest) longest = s.n;
    }
    return longest;
}

/* Takes the draft and fills it. Every length was checked when the file was opened; the pool holds
   each text once, what fillers need, and a merge. */
static onebit_status ob_gguf_fill(const ob_gguf_vocab *v, ob_draft *d, const onebit_env *env) {
    size_t room = v->merges && !v->spm ? ob_gguf_longest(v->merges) + 1 : 1, pool;
    size_t merges = v->spm ? v->tokens->bytes : v->merges ? (size_t)v->merges->count : 0;
    if (!ob_add(v->tokens->bytes, (size_t)v->count * 32 + room, &pool)) pool = SIZE_MAX;
    OB_TRY(ob_draft_take(d, env, (size_t)v->count, merges, pool));
    d->used = room;
    OB_TRY(ob_gguf_vocab_rules(v, d));
    OB_TRY(ob_gguf_put_tokens(v, d));
    OB_TRY(v->spm ? ob_gguf_put_scores(v, d) : ob_gguf_put_merges(v, d, d->pool));
    return ob_gguf_put_meaning(v, d);
}

/* The vocabulary of an open GGUF file, which need not outlive the tokenizer. Byte-level BPE
   (model "gpt2") and SentencePiece BPE ("llama"); others are ONEBIT_UNSUPPORTED by their name.
   *out is NULL after an error. */
static onebit_status ob_tokenizer_gguf(onebit_tokenizer **out, const ob_gguf *g,
                                       const onebit_env *env) {
    onebit_env e = ob_env_or_default(env);
    ob_gguf_vocab v;
    ob_draft d;
    onebit_status status;
    *out = NULL;
    memset(&d, 0, sizeof d);
    OB_TRY(ob_gguf_vocab_find(&v, g));
    status = ob_gguf_fill(&v, &d, &e);
    if (status == ONEBIT_OK) status = ob_tokenizer_build(out, &d);
    ob_release(&e, d.block);
    return status;
}

/* ---- llama2.c's tokenizer.bin ----
   i32 length of the longest token, then for each id f32 score, i32 length, bytes, up to the end of
   the file (karpathy/llama2.c, tokenizer.py). Spaces are spaces; ids 0, 1 and 2 are <unk>, <s> and
   </s>, the next 256 are the bytes. */

/* Next entry; 0 at the end, *bad when the rest is none. */
static int ob_llama2c_next(ob_reader *r, float *score, ob_slice *text, int *bad) {
    uint32_t n;
    const uint8_t *p;
    if (r->at == r->n) return 0;
    *score = ob_bits_float(ob_read32(r));
    n = ob_read32(r);
    p = ob_read_bytes(r, n);
    *bad |= r->bad;
    if (r->bad) return 0;
    *text = ob_slice_on((const char *)p, n);
    return 1;
}

/* 1 when a file begins as llama2.c's do: token 0 is <unk>. */
static int ob_is_llama2c(ob_slice all) {
    return all.n > 17 && ob_get32(all.p + 8) == 5 && !memcmp(all.p + 12, "<unk>", 5);
}

/* Enters the tokens and the merges of their scores. The three in front are spelled with line ends
   around them there; they get their usual names. */
static onebit_status ob_llama2c_fill(ob_draft *d, ob_slice all, ob_scored *list) {
    static const char *const names[3] = {"<unk>", "<s>", "</s>"};
    ob_reader r = ob_reader_on(all.p, all.n);
    ob_slice text;
    int id, bad = 0;
    (void)ob_read32(&r);
    for (id = 0; ob_llama2c_next(&r, &list[id].score, &text, &bad); id++) {
        int byte = id >= 3 && id < 259;
        list[id].id = id;
        if (id < 3) text = ob_slice_of(names[id]);
        OB_TRY(ob_spm_put(d, id, text,
                          id == 0  ? OB_PIECE_UNKNOWN
                          : id < 3 ? OB_PIECE_CONTROL
                          : byte   ? OB_PIECE_BYTE
                                   : OB_PIECE_NORMAL,
                          0));
    }
    d->unknown = 0;
    d->start = 1;
    d->end = 2;
    return ob_spm_merges(d, list, id);
}

/* Counts, takes memory, fills, builds. */
static onebit_status ob_tokenizer_llama2c(onebit_tokenizer **out, ob_slice all, const char *path,
                                          const onebit_env *env) {
    ob_reader r = ob_reader_on(all.p, all.n);
    ob_draft d;
    ob_scored *list;
    ob_slice text;
    float score;
    size_t count = 0;
    int bad = 0;
    onebit_status status;
    (void)ob_read32(&r);
    while (ob_llama2c_next(&r, &score, &text, &bad)) count++;
    if (bad || count < 259)
        return ob_fail(ONEBIT_FORMAT,
                       "%.120s: a tokenizer.bin of llama2.c that ends within token %lu", path,
                       (unsigned long)count);
    OB_TRY(ob_draft_take(&d, env, count, all.n, all.n + count * 32));
    d.rules = ob_spm_rules(1);
    list = (ob_scored *)ob_alloc(env, (count + 1) * sizeof *list);
    status = list ? ob_llama2c_fill(&d, all, list)
                  : ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for its scores");
    if (status == ONEBIT_OK) status = ob_tokenizer_build(out, &d);
    ob_release(env, list);
    ob_release(env, d.block);
    return status;
}

/* ---- SentencePiece's .model: a protobuf message (sentencepiece_model.proto) ----
   Field 1, repeated: a piece (1 text, 2 score, 3 type); 2: how it was trained (3 kind of model,
   41 and 42 ids of start and end); 3: how texts are normalised. */

/* One field of a message: its number, and its value by wire type. */
typedef struct ob_field_pb {
    uint64_t number, value; /* of a varint or the bits of a fixed one */
    ob_slice bytes;         /* of a message or text */
} ob_field_pb;

/* A varint: seven bits a byte, the low ones first; more than ten bytes are bad. */
static uint64_t ob_pb_varint(ob_reader *r) {
    uint64_t v = 0;
    int shift;
    for (shift = 0; shift < 70; shift += 7) {
        uint8_t b = ob_read8(r);
        if (shift < 64) v |= (uint64_t)(b & 127) << shift;
        if (b < 128) return v;
    }
    r->bad = 1;
    return 0;
}

/* The next field: 0 at the end or when the rest is no protobuf (r->bad). Groups are refused: they
   are long out of use and would nest. */
static int ob_pb_next(ob_reader *r, ob_field_pb *f) {
    uint64_t key, n;
    memset(f, 0, sizeof *f);
    if (r->at == r->n || r->bad) return 0;
    key = ob_pb_varint(r);
    f->number = key >> 3;
    switch ((int)(key & 7)) {
    case 0: f->value = ob_pb_varint(r); break;
    case 1: f->value = ob_read64(r); break;
    case 5: f->value = ob_read32(r); break;
    case 2:
        n = ob_pb_varint(r);
        if (n > r->n - r->at) r->bad = 1;
        else f->bytes = ob_slice_on((const char *)ob_read_bytes(r, (size_t)n), (size_t)n);
        break;
    default: r->bad = 1;
    }
    if (f->number == 0) r->bad = 1;
    return !r->bad;
}

/* What the settings of a .model say. */
typedef struct ob_spm_file {
    uint64_t kind, start, end; /* kind 1 unigram, 2 BPE, 3 word, 4 char */
    int prefix, escapes, suffix, maps;
    size_t count;
} ob_spm_file;

/* 1 when a file begins as SentencePiece's do: a protobuf field 1 (a piece) that holds a field 1
   (its text) and a field 2 (its score, a float) or 3 (its type). */
static int ob_is_sentencepiece(ob_slice all) {
    const uint8_t *p = (const uint8_t *)all.p;
    return all.n > 4 && p[0] == 10 && p[2] == 10 && p[3] < 128 && all.n > 4u + p[3] &&
           (p[4 + p[3]] == 0x15 || p[4 + p[3]] == 0x18);
}

/* First walk: counts pieces, reads the settings, whose defaults are those of the .proto. */
static int ob_spm_read(ob_slice all, ob_spm_file *m) {
    ob_reader r = ob_reader_on(all.p, all.n);
    ob_field_pb f, in;
    memset(m, 0, sizeof *m);
    m->kind = m->start = 1;
    m->end = 2;
    m->prefix = m->escapes = 1;
    while (ob_pb_next(&r, &f)) {
        ob_reader inside = ob_reader_on(f.bytes.p, f.bytes.n);
        if (f.number == 1) m->count++;
        if ((f.number != 2 && f.number != 3) || !f.bytes.p) continue;
        while (ob_pb_next(&inside, &in)) {
            if (f.number == 2 && in.number == 3) m->kind = in.value;
            if (f.number == 2 && in.number == 24) m->suffix = in.value != 0;
            if (f.number == 2 && in.number == 41) m->start = in.value;
            if (f.number == 2 && in.number == 42) m->end = in.value;
            if (f.number == 3 && in.number == 2) m->maps = in.bytes.n > 0;
            if (f.number == 3 && in.number == 3) m->prefix = in.value != 0;
            if (f.number == 3 && in.number == 5) m->escapes = in.value != 0;
        }
        r.bad |= inside.bad;
    }
    return !r.bad;
}

/* Second walk: the pieces. */
static onebit_status ob_spm_fill(ob_draft *d, ob_slice all, const ob_spm_file *m,
                                 ob_scored *list) {
    ob_reader r = ob_reader_on(all.p, all.n);
    ob_field_pb f, in;
    int id = 0;
    while (ob_pb_next(&r, &f)) {
        ob_reader inside = ob_reader_on(f.bytes.p, f.bytes.n);
        ob_slice text = {"", 0};
        uint64_t type = OB_PIECE_NORMAL;
        if (f.number != 1) continue;
        list[id].id = id;
        while (f.bytes.p && ob_pb_next(&inside, &in)) {
            if (in.number == 1 && in.bytes.p) text = in.bytes;
            if (in.number == 2) list[id].score = ob_bits_float((uint32_t)in.value);
            if (in.number == 3) type = in.value;
        }
        if (inside.bad) return ob_fail(ONEBIT_FORMAT, "tokenizer: piece %d is damaged", id);
        if (type == OB_PIECE_UNKNOWN && d->unknown < 0) d->unknown = id;
        OB_TRY(ob_spm_put(d, id, text, type > 255 ? 0 : (int)type, 1));
        id++;
    }
    if (m->start < (uint64_t)id && d->role[m->start] & OB_TOKEN_SPECIAL) d->start = (int)m->start;
    if (m->end < (uint64_t)id && d->role[m->end] & OB_TOKEN_SPECIAL) d->end = (int)m->end;
    return ob_spm_merges(d, list, id);
}

/* A .model of the kind BPE. That extra white space is removed is passed over, as every program
   does that runs such models without SentencePiece; a table of replacements (nfkc) is not. */
static onebit_status ob_tokenizer_spm(onebit_tokenizer **out, ob_slice all, const char *path,
                                      const onebit_env *env) {
    static const char *const kinds[] = {"no known kind", "Unigram", "BPE", "Word", "Char"};
    ob_spm_file m;
    ob_draft d;
    ob_scored *list;
    onebit_status status;
    if (!ob_spm_read(all, &m)) return ob_fail(ONEBIT_FORMAT, "%.120s: a damaged .model", path);
    if (m.kind != 2 || m.maps || m.suffix || !m.escapes)
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "%.120s: a SentencePiece .model of the kind %s%s is not supported: expected "
                       "BPE that changes no characters",
                       path, kinds[m.kind < 5 ? m.kind : 0], m.maps ? " with a table" : "");
    OB_TRY(ob_draft_take(&d, env, m.count, all.n, all.n + m.count * 32));
    d.rules = ob_spm_rules(m.prefix);
    list = (ob_scored *)ob_alloc(env, m.count * sizeof *list);
    status = list ? ob_spm_fill(&d, all, &m, list)
                  : ob_fail(ONEBIT_MEMORY, "tokenizer: no memory for its scores");
    if (status == ONEBIT_OK) status = ob_tokenizer_build(out, &d);
    ob_release(env, list);
    ob_release(env, d.block);
    return status;
}

/* A file, by what it begins with. */
static onebit_status ob_tokenizer_file(onebit_tokenizer **out, const char *path,
                                       const ob_beside *beside, const onebit_env *env) {
    ob_map map;
    ob_slice all, text, line;
    char room[OB_RANK_BYTES * 2];
    size_t n;
    int64_t rank;
    onebit_status status;
    OB_TRY(ob_map_open(&map, path));
    text = all = ob_slice_on((const char *)map.data, map.bytes);
    line = ob_line(&text);
    if (line.p && line.n < sizeof room && ob_rank_line(line, room, &n, &rank))
        status = ob_tokenizer_ranks(out, all, path, env);
    else if (all.n >= 4 && !memcmp(all.p, "GGUF", 4)) {
        ob_gguf g;
        status = ob_gguf_read(&g, map.data, map.bytes, path, env);
        if (status == ONEBIT_OK) status = ob_tokenizer_gguf(out, &g, env);
        ob_gguf_close(&g);
    } else if (ob_is_sentencepiece(all)) status = ob_tokenizer_spm(out, all, path, env);
    else if (ob_is_llama2c(all)) status = ob_tokenizer_llama2c(out, all, path, env);
    else status = ob_tokenizer_parse(out, all.p, all.n, path, beside, env);
    ob_map_close(&map);
    if (status != ONEBIT_OK && !strstr(onebit_error_text(), path))
        ob_fail(status, "%.200s: %s", path, onebit_error_text());
    return status;
}

/* A path that is no directory, or the file of one that was found. */
static onebit_status ob_tokenizer_path(onebit_tokenizer **out, const char *path,
                                       const ob_beside *beside, const onebit_env *env) {
    char other[1024];
    if (ob_path_twin(other, sizeof other, path, "vocab.json", "merges.txt"))
        return ob_tokenizer_pair(out, path, other, beside, env);
    if (ob_path_twin(other, sizeof other, path, "merges.txt", "vocab.json"))
        return ob_tokenizer_pair(out, other, path, beside, env);
    return ob_tokenizer_file(out, path, beside, env);
}

/* Messages name the path. Files are closed on return: pieces are copies. */
onebit_status onebit_tokenizer_open(onebit_tokenizer **out, const char *path,
                                    const onebit_env *env) {
    onebit_env e = ob_env_or_default(env);
    char name[1024];
    ob_beside beside;
    onebit_status status;
    if (!out || !path)
        return ob_fail(ONEBIT_USAGE, "onebit_tokenizer_open: out and path are needed");
    *out = NULL;
    if (!ob_is_directory(path)) return ob_tokenizer_path(out, path, NULL, &e);
    OB_TRY(ob_path_join(name, sizeof name, path, "tokenizer.json"));
    if (!ob_file_exists(name)) {
        OB_TRY(ob_path_join(name, sizeof name, path, "vocab.json"));
        if (!ob_file_exists(name))
            return ob_fail(ONEBIT_IO, "%.200s holds neither tokenizer.json nor vocab.json", path);
    }
    status = ob_beside_read(&beside, path, &e);
    if (status == ONEBIT_OK) status = ob_tokenizer_path(out, name, &beside, &e);
    ob_release(&e, beside.block);
    return status;
}

/* ---- tokenizer.json out ----
   Everything that the library which reads it wants to see is spelled out, so that the file loads
   there without defaults that differ between versions, and gives the same ids. Reading it back here
   gives an equal tokenizer. */

/* Bytes in GPT-2's alphabet, inside quotes. Every character of it is printable. Only the quote and
   the backslash need an escape. */
static void ob_out_spelled(ob_out *o, ob_slice s) {
    size_t i;
    for (i = 0; i < s.n; i++) {
        char text[4];
        uint32_t code = ob_byte_code((unsigned char)s.p[i]);
        if (code == '"' || code == '\\') ob_out_add(o, "\\", 1);
        ob_out_add(o, text, ob_utf8_encode(code, text));
    }
}

/* Characters, with U+2581 for spaces when marks is set. */
static void ob_out_chars(ob_out *o, ob_slice s, int marks) {
    while (s.n) {
        uint32_t code;
        char bytes[4];
        size_t used = ob_utf8_decode(s.p, s.n, &code);
        if (code == ' ' && marks) ob_out_text(o, OB_SPACE_MARK);
        else if (code == '"' || code == '\\') ob_out_format(o, "\\%c", (int)code);
        else if (code < 32) ob_out_format(o, "\\u%04x", (unsigned)code);
        else ob_out_add(o, bytes, ob_utf8_encode(code, bytes));
        s.p += used;
        s.n -= used;
    }
}

/* A token as "vocab" and "merges" spell it, without quotes: added tokens as they are. */
static void ob_out_token(ob_out *o, const onebit_tokenizer *t, int32_t id) {
    ob_slice s = ob_piece(t, id);
    if (t->role[id] & OB_TOKEN_ADDED) ob_out_chars(o, s, 0);
    else if (!t->rules.chars) ob_out_spelled(o, s);
    else if (t->role[id] & OB_TOKEN_BYTE)
        ob_out_format(o, "<0x%02X>", (unsigned)(unsigned char)*s.p);
    else ob_out_chars(o, s, t->rules.flags & OB_RULE_SPACES);
}

/* A key and a truth value. */
static void ob_out_switch(ob_out *o, const char *key, int on) {
    ob_out_format(o, ",\"%s\":%s", key, on ? "true" : "false");
}

/* "added_tokens", in the order of their ids. */
static void ob_out_added(ob_out *o, const onebit_tokenizer *t) {
    int id, some = 0;
    ob_out_text(o, "\"added_tokens\":[");
    for (id = 0; id < t->vocab; id++) {
        ob_slice s = ob_piece(t, id);
        int role = t->role[id];
        if (!(role & OB_TOKEN_ADDED)) continue;
        ob_out_format(o, "%s\n{\"id\":%d,\"content\":", some++ ? "," : "", id);
        ob_out_json(o, s.p, s.n);
        ob_out_switch(o, "single_word", 0);
        ob_out_switch(o, "lstrip", role & OB_TOKEN_LEFT);
        ob_out_switch(o, "rstrip", role & OB_TOKEN_RIGHT);
        ob_out_switch(o, "normalized", role & OB_TOKEN_LATE);
        ob_out_switch(o, "special", role & OB_TOKEN_SPECIAL);
        ob_out_text(o, "}");
    }
    ob_out_text(o, "],\n");
}

/* "normalizer": what of it the rules name, in a Sequence. */
static void ob_out_normalizer(ob_out *o, const ob_rules *r) {
    int nfc = r->flags & OB_RULE_NFC, part = r->prefix == OB_PREFIX_PART;
    int marks = r->flags & OB_RULE_SPACES && !r->split && (part || !r->prefix);
    ob_out_text(o, "\"normalizer\":");
    if (!nfc && !marks) {
        ob_out_text(o, "null");
        return;
    }
    ob_out_text(o, "{\"type\":\"Sequence\",\"normalizers\":[");
    if (nfc) ob_out_format(o, "{\"type\":\"NFC\"}%s", marks ? "," : "");
    if (part) ob_out_text(o, "{\"type\":\"Prepend\",\"prepend\":\"" OB_SPACE_MARK "\"},");
    if (marks)
        ob_out_text(o, "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\""
                       OB_SPACE_MARK "\"}");
    ob_out_text(o, "]}");
}

/* The stage Metaspace, which is a pre-tokenizer and a decoder. */
static void ob_out_metaspace(ob_out *o, const char *scheme, int split) {
    ob_out_format(o, "{\"type\":\"Metaspace\",\"replacement\":\"" OB_SPACE_MARK "\","
                     "\"prepend_scheme\":\"%s\"", scheme);
    ob_out_switch(o, "split", split);
    ob_out_text(o, "}");
}

/* A stage Split. */
static void ob_out_split(ob_out *o, const char *pattern) {
    ob_out_text(o, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
    ob_out_json(o, pattern, strlen(pattern));
    ob_out_text(o, "},\"behavior\":\"Isolated\",\"invert\":false},\n");
}

/* "pre_tokenizer". ByteLevel has GPT-2's expression inside; others stand before it. */
static void ob_out_pre_tokenizer(ob_out *o, const ob_rules *r) {
    static const char *const schemes[] = {"never", "", "always", "first"};
    const ob_split *split = &ob_splits[r->split];
    int inside = r->split == OB_SPLIT_GPT2 || split->parted;
    int outside = split->lines || split->steps, i;
    ob_out_text(o, ",\n\"pre_tokenizer\":");
    if (r->chars) {
        if (!(r->flags & OB_RULE_SPACES) || r->prefix == OB_PREFIX_PART ||
            (!r->prefix && !r->split))
            ob_out_text(o, "null");
        else ob_out_metaspace(o, schemes[r->prefix], r->split == OB_SPLIT_SPACE);
        return;
    }
    if (outside || split->parted) ob_out_text(o, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    for (i = 0; outside && ob_split_step(r->split, i); i++)
        ob_out_split(o, ob_split_step(r->split, i));
    if (split->parted)
        ob_out_format(o, "{\"type\":\"Digits\",\"individual_digits\":%s},",
                      split->digits == 1 ? "true" : "false");
    ob_out_text(o, "{\"type\":\"ByteLevel\"");
    ob_out_switch(o, "add_prefix_space", r->prefix == OB_PREFIX_WORD);
    ob_out_switch(o, "trim_offsets", 1);
    ob_out_switch(o, "use_regex", inside);
    ob_out_text(o, outside || split->parted ? "}]}" : "}");
}

/* "post_processor": the library adds the start token where encoding asks it to; we never do. */
static void ob_out_post_processor(ob_out *o, const onebit_tokenizer *t) {
    ob_slice name;
    int i;
    ob_out_text(o, ",\n\"post_processor\":");
    if (t->start < 0) {
        ob_out_text(o, "null");
        return;
    }
    name = ob_piece(t, t->start);
    ob_out_text(o, "{\"type\":\"TemplateProcessing\"");
    for (i = 0; i < 2; i++) {
        ob_out_format(o, ",\"%s\":[{\"SpecialToken\":{\"id\":", i ? "pair" : "single");
        ob_out_json(o, name.p, name.n);
        ob_out_text(o, ",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}");
        ob_out_text(o, i ? ",{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}]" : "]");
    }
    ob_out_text(o, ",\"special_tokens\":{");
    ob_out_json(o, name.p, name.n);
    ob_out_text(o, ":{\"id\":");
    ob_out_json(o, name.p, name.n);
    ob_out_format(o, ",\"ids\":[%d],\"tokens\":[", t->start);
    ob_out_json(o, name.p, name.n);
    ob_out_text(o, "]}}}");
}

/* "decoder". ByteLevel's flags do nothing when decoding; its reader wants them. */
static void ob_out_decoder(ob_out *o, const ob_rules *r) {
    int spaces = r->flags & OB_RULE_SPACES, fallback = r->flags & OB_RULE_FALLBACK;
    ob_out_text(o, ",\n\"decoder\":");
    if (!r->chars) {
        ob_out_text(o, "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                       "\"trim_offsets\":true,\"use_regex\":true},\n");
        return;
    }
    ob_out_text(o, "{\"type\":\"Sequence\",\"decoders\":[");
    if (spaces && r->strip != OB_STRIP_ALL)
        ob_out_text(o, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" OB_SPACE_MARK
                       "\"},\"content\":\" \"},");
    if (fallback) ob_out_text(o, "{\"type\":\"ByteFallback\"},");
    if (r->strip == OB_STRIP_ALL) {
        ob_out_metaspace(o, "always", 1);
        ob_out_text(o, ",");
    }
    ob_out_text(o, "{\"type\":\"Fuse\"}");
    if (r->strip == OB_STRIP_ONE)
        ob_out_text(o, ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}");
    ob_out_text(o, "]},\n");
}

/* "model" up to its merges. Entries stand in the order of the ids, one per line, so two versions of
   a file can be compared. */
static void ob_out_vocab(ob_out *o, const onebit_tokenizer *t) {
    int id;
    ob_out_text(o, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    ob_out_text(o, t->unknown < 0 ? "null" : "\"");
    if (t->unknown >= 0) ob_out_token(o, t, t->unknown);
    ob_out_text(o, t->unknown < 0 ? "" : "\"");
    ob_out_text(o, ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null");
    ob_out_switch(o, "fuse_unk", t->rules.flags & OB_RULE_FUSE);
    ob_out_switch(o, "byte_fallback", t->rules.flags & OB_RULE_FALLBACK);
    ob_out_switch(o, "ignore_merges", t->rules.flags & OB_RULE_WHOLE);
    ob_out_text(o, ",\n\"vocab\":{");
    for (id = 0; id < t->vocab; id++) {
        ob_out_text(o, id ? ",\n\"" : "\n\"");
        ob_out_token(o, t, id);
        ob_out_format(o, "\":%d", id);
    }
    ob_out_text(o, "},\n");
}

/* "merges". Texts with spaces in them need the form of two strings, which older versions of the
   library do not read. */
static void ob_out_merges(ob_out *o, const onebit_tokenizer *t) {
    int i, two = t->rules.chars && !(t->rules.flags & OB_RULE_SPACES);
    ob_out_text(o, "\"merges\":[");
    for (i = 0; i < t->merges; i++) {
        const int32_t *m = t->merge + (size_t)i * 3;
        ob_out_text(o, i ? ",\n" : "\n");
        ob_out_text(o, two ? "[\"" : "\"");
        ob_out_token(o, t, m[0]);
        ob_out_text(o, two ? "\",\"" : " ");
        ob_out_token(o, t, m[1]);
        ob_out_text(o, two ? "\"]" : "\"");
    }
    ob_out_text(o, "]}}\n");
}

/* Two calls (measure, write) cost the work twice and need no memory. */
size_t onebit_tokenizer_write(const onebit_tokenizer *tokenizer, char *out, size_t size) {
    const onebit_tokenizer *t = tokenizer;
    ob_out o = ob_out_on(out, size);
    if (!t) return 0;
    ob_out_text(&o, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n");
    ob_out_added(&o, t);
    ob_out_normalizer(&o, &t->rules);
    ob_out_pre_tokenizer(&o, &t->rules);
    ob_out_post_processor(&o, t);
    ob_out_decoder(&o, &t->rules);
    ob_out_vocab(&o, t);
    ob_out_merges(&o, t);
    return o.n;
}

/* ---- packed form, for .1bit files ----

   Little-endian, no padding. w = 2 bytes when vocab < 65536, else 4; an id takes w bytes.
     u32 'O' 'B' 'T' 'K'
     u32 kind | flags << 8    flags: 1 byte b has id b; 2 results of merges are implied;
                              4 ends and chat template stand behind the texts
                              kind: onebit_tokenizer_kind, or 3: the rules stand below
     u32 vocab
     u32 end                  0xFFFFFFFF: none
     u32 M                    merges
     u32 S                    special tokens
     u32 A                    added tokens that are not special
     u32 K                    texts that cannot be derived
     kind 3: the five bytes of ob_rules, u32 unknown, u32 start (0xFFFFFFFF: none)
     id  [256]                of the bytes, all ones: none; absent with flag 1 and for CHAR
     id  [M][2]               left, right in rank order
     id  [M]                  result; absent with flag 2
     id  [S], id [A]
     kind 3: a byte for each of these: its OB_TOKEN_LEFT, RIGHT and LATE
     K times: id, u32 length, bytes      in the order of the ids
     flag 4: u32 E, id [E] tokens that end an answer; u32 length, bytes of the chat template
   Flag 2: merge number k makes the k-th id that is neither a byte nor among the K texts. Any other
   text is that of the first merge whose parts are known by then; such texts have at most
   OB_DERIVED_MAX bytes, which bounds what a small file can unfold to. */

#define OB_PACK_RULES   3 /* the kind that brings its rules along */
#define OB_PACK_AROUND  (OB_TOKEN_LEFT | OB_TOKEN_RIGHT | OB_TOKEN_LATE)
#define OB_PACK_PLAIN   1 /* byte b has id b */
#define OB_PACK_IMPLIED 2 /* results of merges are not written */
#define OB_PACK_MORE    4 /* ends and chat template follow; absent where there are none, so that
                             such tokenizers pack into the same bytes as before there was a flag */

/* 1 when the packed form must hold the text of id. */
static int ob_pack_stored(const onebit_tokenizer *t, int32_t id) {
    return !(t->role[id] & (OB_TOKEN_BYTE | OB_TOKEN_DERIVED));
}

/* Flags that a tokenizer allows; those that we learn nearly always allow both, and then a merge
   costs two ids and no text: about 4 bytes per token. */
static int ob_pack_flags(const onebit_tokenizer *t) {
    int flags = OB_PACK_PLAIN | OB_PACK_IMPLIED, i;
    int32_t id = 0;
    if (t->end_given || t->chat) flags |= OB_PACK_MORE;
    for (i = 0; i < 256; i++)
        if (t->byte_id[i] != i) flags &= ~OB_PACK_PLAIN;
    for (i = 0; i < t->merges; i++, id++) {
        while (id < t->vocab && (t->role[id] & OB_TOKEN_BYTE || ob_pack_stored(t, id))) id++;
        if (t->merge[(size_t)i * 3 + 2] != id) return flags & ~OB_PACK_IMPLIED;
    }
    return flags;
}

/* The kind that says all about t: one that can be trained, or OB_PACK_RULES. */
static int ob_pack_kind(const onebit_tokenizer *t) {
    int kind, id, usual = t->start < 0;
    if (t->unknown != (t->rules.chars ? ob_char_id(t, '?') : -1)) usual = 0;
    for (id = 0; id < t->vocab && usual; id++) usual = !(t->role[id] & OB_PACK_AROUND);
    for (kind = 0; usual && kind < OB_PACK_RULES; kind++) {
        ob_rules r = ob_rules_of(kind);
        if (!memcmp(&r, &t->rules, sizeof r)) return kind;
    }
    return OB_PACK_RULES;
}

/* Counts, and writes when there is a place. */
typedef struct ob_packer {
    uint8_t *p;
    size_t n;
} ob_packer;

/* Native bytes as they are; numbers go through the little-endian stores below. */
static void ob_pack_add(ob_packer *o, const void *data, size_t bytes) {
    if (o->p) memcpy(o->p + o->n, data, bytes);
    o->n += bytes;
}

/* Little-endian on every machine. */
static void ob_pack_32(ob_packer *o, uint32_t v) {
    uint8_t b[4];
    ob_put32(b, v);
    ob_pack_add(o, b, 4);
}

/* One id in the width that the vocabulary needs. */
static void ob_pack_id(ob_packer *o, const onebit_tokenizer *t, int32_t id) {
    uint8_t b[4];
    ob_put32(b, (uint32_t)id);
    ob_pack_add(o, b, t->vocab < 65536 ? 2 : 4); /* the low half stands first */
}

/* The ids whose role has just these bits among mask. Written twice: special ones, then the other
   added ones. */
static void ob_pack_roles(ob_packer *o, const onebit_tokenizer *t, int mask, int bits) {
    int32_t id;
    for (id = 0; id < t->vocab; id++)
        if ((t->role[id] & mask) == bits) ob_pack_id(o, t, id);
}

/* The eight numbers in front. The end id -1 becomes 0xFFFFFFFF by the cast, as the layout wants. */
static void ob_pack_header(ob_packer *o, const onebit_tokenizer *t, int kind, int flags) {
    uint32_t special = 0, stored = 0;
    int32_t id;
    for (id = 0; id < t->vocab; id++) {
        special += (t->role[id] & OB_TOKEN_SPECIAL) != 0;
        stored += (uint32_t)ob_pack_stored(t, id);
    }
    ob_pack_add(o, "OBTK", 4);
    ob_pack_32(o, (uint32_t)(kind | flags << 8));
    ob_pack_32(o, (uint32_t)t->vocab);
    ob_pack_32(o, (uint32_t)t->end);
    ob_pack_32(o, (uint32_t)t->merges);
    ob_pack_32(o, special);
    ob_pack_32(o, (uint32_t)t->added - special);
    ob_pack_32(o, stored);
    if (kind != OB_PACK_RULES) return;
    ob_pack_add(o, &t->rules, sizeof t->rules);
    ob_pack_32(o, (uint32_t)t->unknown);
    ob_pack_32(o, (uint32_t)t->start);
}

/* The whole form, as laid out above. */
static void ob_pack_all(ob_packer *o, const onebit_tokenizer *t) {
    const int added = OB_TOKEN_ADDED | OB_TOKEN_SPECIAL;
    int flags = ob_pack_flags(t), kind = ob_pack_kind(t), i, special;
    ob_pack_header(o, t, kind, flags);
    if (!(flags & OB_PACK_PLAIN) && kind != ONEBIT_TOKENIZER_CHAR)
        for (i = 0; i < 256; i++) ob_pack_id(o, t, t->byte_id[i]);
    for (i = 0; i < t->merges; i++) {
        ob_pack_id(o, t, t->merge[(size_t)i * 3]);
        ob_pack_id(o, t, t->merge[(size_t)i * 3 + 1]);
    }
    for (i = 0; i < t->merges && !(flags & OB_PACK_IMPLIED); i++)
        ob_pack_id(o, t, t->merge[(size_t)i * 3 + 2]);
    ob_pack_roles(o, t, added, added);
    ob_pack_roles(o, t, added, OB_TOKEN_ADDED);
    for (special = 1; kind == OB_PACK_RULES && special >= 0; special--)
        for (i = 0; i < t->vocab; i++) {
            uint8_t around = (uint8_t)(t->role[i] & OB_PACK_AROUND);
            if ((t->role[i] & added) == (special ? added : OB_TOKEN_ADDED))
                ob_pack_add(o, &around, 1);
        }
    for (i = 0; i < t->vocab; i++) {
        ob_slice s = ob_piece(t, i);
        if (!ob_pack_stored(t, i)) continue;
        ob_pack_id(o, t, i);
        ob_pack_32(o, (uint32_t)s.n);
        ob_pack_add(o, s.p, s.n);
    }
    if (!(flags & OB_PACK_MORE)) return;
    ob_pack_32(o, (uint32_t)t->end_given);
    for (i = 0; i < t->end_given; i++) ob_pack_id(o, t, t->ends[i]);
    ob_pack_32(o, (uint32_t)t->chat_bytes);
    if (t->chat) ob_pack_add(o, t->chat, t->chat_bytes);
}

/* Packs into out[size]; returns the bytes needed and writes nothing when size is smaller. NULL only
   measures. Deterministic: equal tokenizers give equal bytes. */
static size_t ob_tokenizer_pack(const onebit_tokenizer *t, uint8_t *out, size_t size) {
    ob_packer o = {NULL, 0};
    ob_pack_all(&o, t);
    if (!out || size < o.n) return o.n;
    o.p = out;
    o.n = 0;
    ob_pack_all(&o, t);
    return o.n;
}

/* A packed form being read. Lengths come first, the texts when their sum is known, so that one pool
   of the right size holds them. During that time a piece with n but no p is "known, not yet
   written". */
typedef struct ob_unpack {
    onebit_env env;
    ob_reader r;
    ob_draft d;
    uint32_t vocab, merges, special, plain, stored; /* the header's counts */
    int kind, flags;
    char *pool; /* the texts that are derived */
} ob_unpack;

/* Every failure is one of format: the bytes are damaged, forged or from a later version. */
static onebit_status ob_unpack_bad(const char *why) {
    return ob_fail(ONEBIT_FORMAT, "packed tokenizer: %s", why);
}

/* One id; -1 when it is not below the vocabulary (also for "none"). Past the end the reader gives
   0; its bad flag tells, at the latest in ob_unpack_texts. */
static int32_t ob_unpack_id(ob_unpack *u) {
    uint32_t id = u->vocab < 65536 ? ob_read16(&u->r) : ob_read32(&u->r);
    return id < u->vocab ? (int32_t)id : -1;
}

/* Counts must fit the bytes that follow, so that memory is bounded by the input. Counted in units
   of two bytes, the least that an id takes; a stored text takes three. Each token is a byte, made
   by a merge or stored, which bounds vocab. */
static onebit_status ob_unpack_header(ob_unpack *u, uint32_t *end) {
    const uint8_t *magic = ob_read_bytes(&u->r, 4);
    uint32_t kind = ob_read32(&u->r);
    uint64_t ids;
    u->vocab = ob_read32(&u->r);
    *end = ob_read32(&u->r);
    u->merges = ob_read32(&u->r);
    u->special = ob_read32(&u->r);
    u->plain = ob_read32(&u->r);
    u->stored = ob_read32(&u->r);
    if (u->r.bad || memcmp(magic, "OBTK", 4)) return ob_unpack_bad("no OBTK header");
    u->kind = (int)(kind & 0xFF);
    u->flags = (int)(kind >> 8 & 0xFF);
    if (kind >> 16 || u->kind > OB_PACK_RULES ||
        u->flags & ~(OB_PACK_PLAIN | OB_PACK_IMPLIED | OB_PACK_MORE))
        return ob_unpack_bad("an unknown kind or flag");
    /* results may be implied and byte ids absent: a lower bound is enough to bound memory */
    ids = 2 * (uint64_t)u->merges + u->special + u->plain + 3 * (uint64_t)u->stored;
    if (ids > (u->r.n - u->r.at) / 2) return ob_unpack_bad("its counts are beyond its end");
    if (u->vocab == 0 || u->vocab > (uint64_t)256 + u->merges + u->stored)
        return ob_unpack_bad("more ids than tokens");
    return ob_draft_take(&u->d, &u->env, u->vocab, u->merges, 256);
}

/* An id of the header; all ones are -1. */
static onebit_status ob_unpack_named(const ob_unpack *u, uint32_t written, int *id) {
    *id = written == 0xFFFFFFFFu ? -1 : (int)written;
    if (*id >= 0 && written >= u->vocab) return ob_unpack_bad("an id of the header is none");
    return *id < -1 ? ob_unpack_bad("an id of the header is none") : ONEBIT_OK;
}

/* The rules, written or those of the kind, and the ids that have a meaning. */
static onebit_status ob_unpack_rules(ob_unpack *u, uint32_t end) {
    ob_draft *d = &u->d;
    const uint8_t *rules;
    OB_TRY(ob_unpack_named(u, end, &d->end));
    d->rules = ob_rules_of(u->kind);
    if (u->kind == ONEBIT_TOKENIZER_CHAR) d->unknown = OB_UNKNOWN_MARK;
    if (u->kind != OB_PACK_RULES) return ONEBIT_OK;
    rules = ob_read_bytes(&u->r, sizeof d->rules);
    if (!rules) return ob_unpack_bad("its rules are missing");
    memcpy(&d->rules, rules, sizeof d->rules);
    if (!ob_rules_fit(&d->rules)) return ob_unpack_bad("unknown rules");
    OB_TRY(ob_unpack_named(u, ob_read32(&u->r), &d->unknown));
    return ob_unpack_named(u, ob_read32(&u->r), &d->start);
}

/* The bytes' ids. Pool byte b is b. Flag 1 with a vocabulary below 256 is caught by the comparison
   with vocab. */
static onebit_status ob_unpack_bytes(ob_unpack *u) {
    ob_draft *d = &u->d;
    int b;
    if (u->kind == ONEBIT_TOKENIZER_CHAR) return ONEBIT_OK;
    for (b = 0; b < 256; b++) {
        int32_t id = u->flags & OB_PACK_PLAIN ? b : ob_unpack_id(u);
        d->pool[b] = (char)(unsigned char)b;
        if (id < 0) continue;
        if ((uint32_t)id >= u->vocab || d->piece[id].n) return ob_unpack_bad("a bad byte id");
        d->piece[id].p = d->pool + b;
        d->piece[id].n = 1;
        d->role[id] |= OB_TOKEN_BYTE;
    }
    return ONEBIT_OK;
}

/* Parts and results of merges; results are -1 while they are implied. Their texts are not known
   yet; ob_unpack_check looks at those. */
static onebit_status ob_unpack_merges(ob_unpack *u) {
    int32_t *m = u->d.merge;
    uint32_t i;
    for (i = 0; i < u->merges; i++, m += 3) {
        m[0] = ob_unpack_id(u);
        m[1] = ob_unpack_id(u);
        m[2] = -1;
        if (m[0] < 0 || m[1] < 0) return ob_unpack_bad("a merge of no ids");
    }
    for (i = 0, m = u->d.merge; i < u->merges && !(u->flags & OB_PACK_IMPLIED); i++, m += 3) {
        m[2] = ob_unpack_id(u);
        if (m[2] < 0) return ob_unpack_bad("a merge makes no id");
    }
    return ONEBIT_OK;
}

/* The part behind flag 4. The template stays where it lies. */
static onebit_status ob_unpack_more(ob_unpack *u) {
    uint32_t count = ob_read32(&u->r), i, bytes;
    const uint8_t *p;
    if (count > OB_ENDS_MAX) return ob_unpack_bad("too many end tokens");
    for (i = 0; i < count; i++) {
        int32_t id = ob_unpack_id(u);
        if (id < 0) return ob_unpack_bad("a bad end token");
        ob_draft_ends(&u->d, id);
    }
    bytes = ob_read32(&u->r);
    p = ob_read_bytes(&u->r, bytes);
    if (!p) return ob_unpack_bad("its chat template is cut");
    return ob_draft_chat(&u->d, ob_slice_on((const char *)p, bytes));
}

/* Which tokens are added ones, then the texts that are stored. Stored texts stay where they lie in
   the packed bytes. Here the form must end. */
static onebit_status ob_unpack_texts(ob_unpack *u) {
    ob_draft *d = &u->d;
    ob_reader added = u->r;
    uint32_t i, width = u->vocab < 65536 ? 2 : 4;
    int32_t id;
    for (i = 0; i < u->special + u->plain; i++) {
        id = ob_unpack_id(u);
        if (id < 0 || d->role[id] & OB_TOKEN_ADDED) return ob_unpack_bad("a bad added token");
        d->role[id] |= OB_TOKEN_ADDED;
        if (i < u->special) d->role[id] |= OB_TOKEN_SPECIAL;
    }
    /* a second walk over the same ids, with the bytes that follow them */
    for (i = 0; u->kind == OB_PACK_RULES && i < u->special + u->plain; i++) {
        uint8_t around = ob_read8(&u->r);
        id = (int32_t)(width == 2 ? ob_read16(&added) : ob_read32(&added));
        if (around & ~OB_PACK_AROUND) return ob_unpack_bad("an unknown role");
        d->role[id] |= around;
    }
    for (i = 0; i < u->stored; i++) {
        const uint8_t *p;
        uint32_t n;
        id = ob_unpack_id(u);
        n = ob_read32(&u->r);
        p = ob_read_bytes(&u->r, n);
        if (id < 0 || !p || n == 0 || d->piece[id].n) return ob_unpack_bad("a bad stored text");
        d->piece[id].p = (const char *)p;
        d->piece[id].n = n;
    }
    if (u->flags & OB_PACK_MORE) OB_TRY(ob_unpack_more(u));
    return u->r.bad || u->r.at != u->r.n ? ob_unpack_bad("it does not end where it should")
                                         : ONEBIT_OK;
}

/* Gives implied results their ids, and derived texts their length, whose sum is *total. Each
   derived text is at most OB_DERIVED_MAX bytes, so *total stays below 2^20 * 256 whatever the file
   says: repeated doubling of a text cannot blow it up. */
static onebit_status ob_unpack_lengths(ob_unpack *u, size_t *total) {
    ob_slice *piece = u->d.piece;
    uint32_t i, id = 0;
    *total = 0;
    for (i = 0; i < u->merges; i++) {
        int32_t *m = u->d.merge + (size_t)i * 3;
        if (u->flags & OB_PACK_IMPLIED) {
            /* bytes and stored texts have their length already */
            while (id < u->vocab && piece[id].n) id++;
            if (id == u->vocab) return ob_unpack_bad("more merges than ids");
            m[2] = (int32_t)id++;
        }
        u->d.role[m[2]] |= OB_TOKEN_MERGED;
        /* known by an earlier row, or not yet derivable: a later row may do it */
        if (piece[m[2]].n || !piece[m[0]].n || !piece[m[1]].n) continue;
        piece[m[2]].n = piece[m[0]].n + piece[m[1]].n;
        if (piece[m[2]].n > OB_DERIVED_MAX) return ob_unpack_bad("a derived text is too long");
        *total += piece[m[2]].n;
    }
    for (id = 0; id < u->vocab; id++)
        if (!piece[id].n) return ob_unpack_bad("an id without a text");
    return ONEBIT_OK;
}

/* Fills derived texts, in the same order, so both parts are there whenever the lengths said so. */
static void ob_unpack_derive(ob_unpack *u) {
    ob_slice *piece = u->d.piece;
    char *p = u->pool;
    uint32_t i;
    for (i = 0; i < u->merges; i++) {
        const int32_t *m = u->d.merge + (size_t)i * 3;
        ob_slice a = piece[m[0]], b = piece[m[1]];
        /* the same test as for the lengths, so both walks agree */
        if (piece[m[2]].p || !a.p || !b.p) continue;
        memcpy(p, a.p, a.n);
        memcpy(p + a.n, b.p, b.n);
        piece[m[2]].p = p;
        p += a.n + b.n;
    }
    u->d.vocab = (int)u->vocab;
    u->d.merges = (int)u->merges;
}

/* Every merge must make what it says: a forged one would let text change in a round trip. */
static onebit_status ob_unpack_check(const ob_unpack *u) {
    uint32_t i;
    for (i = 0; i < u->merges; i++) {
        const int32_t *m = u->d.merge + (size_t)i * 3;
        ob_slice a = u->d.piece[m[0]], b = u->d.piece[m[1]], whole = u->d.piece[m[2]];
        if (whole.n != a.n + b.n || memcmp(whole.p, a.p, a.n) || memcmp(whole.p + a.n, b.p, b.n))
            return ob_unpack_bad("a merge does not make its text");
    }
    return ONEBIT_OK;
}

/* All steps in the order of the layout. Memory stays with u, for the caller to release. */
static onebit_status ob_unpack_read(ob_unpack *u) {
    size_t total;
    uint32_t end = 0;
    OB_TRY(ob_unpack_header(u, &end));
    OB_TRY(ob_unpack_rules(u, end));
    OB_TRY(ob_unpack_bytes(u));
    OB_TRY(ob_unpack_merges(u));
    OB_TRY(ob_unpack_texts(u));
    OB_TRY(ob_unpack_lengths(u, &total));
    u->pool = (char *)ob_alloc(&u->env, total + 1);
    if (!u->pool) return ob_fail(ONEBIT_MEMORY, "packed tokenizer: no memory for its texts");
    ob_unpack_derive(u);
    return ob_unpack_check(u);
}

/* The way back from ob_tokenizer_pack; data may be hostile and need not outlive the call. env NULL
   is the default. *out is NULL after an error. */
static onebit_status ob_tokenizer_unpack(onebit_tokenizer **out, const uint8_t *data, size_t bytes,
                                         const onebit_env *env) {
    ob_unpack u;
    onebit_status status;
    *out = NULL;
    memset(&u, 0, sizeof u);
    u.env = ob_env_or_default(env);
    u.r = ob_reader_on(data, bytes);
    status = ob_unpack_read(&u);
    if (status == ONEBIT_OK) status = ob_tokenizer_build(out, &u.d);
    ob_release(&u.env, u.pool);
    ob_release(&u.env, u.d.block);
    return status;
}

/* =================================================================================================
   7 >>dataset   text and token files become one row of ids; windows of it come in a seeded order.
   uses: base system json tokenizer                                     used by: optim files flow
   ============================================================================================== */

/* ---- turns ----
   One rule says how a talk is written, for training and for chat: what a model has learnt to
   continue is then just what it is shown. */

#define OB_PLAIN_TURN "{prompt}\n{reply}" /* without a template: prompt, line break, reply */

/* A template without words around its turns would glue a reply to the next prompt: such turns are
   parted by a line break. */
ONEBIT_API onebit_status onebit_turn_parse(onebit_turn *out, const char *chat_template) {
    const char *text = chat_template && *chat_template ? chat_template : OB_PLAIN_TURN;
    const char *prompt = strstr(text, "{prompt}");
    const char *reply = prompt ? strstr(prompt, "{reply}") : NULL;
    size_t n;
    if (!out) return ob_fail(ONEBIT_USAGE, "turn: an argument is NULL");
    memset(out, 0, sizeof *out);
    if (!reply || strlen(text) >= ONEBIT_TEXT_MAX)
        return ob_fail(ONEBIT_CONFIG,
                       "--chat-template '%.100s': one turn is expected, with {prompt} and {reply} "
                       "behind it, in less than %d bytes",
                       text, ONEBIT_TEXT_MAX);
    memcpy(out->before, text, (size_t)(prompt - text));
    n = (size_t)(reply - prompt) - 8;
    memcpy(out->between, prompt + 8, n);
    while (n && out->between[n - 1] == ' ') {
        out->between[--n] = 0;
        out->space++;
    }
    memcpy(out->after, reply + 7, strlen(reply + 7));
    if (!out->before[0] && !out->after[0]) out->gap[0] = '\n';
    return ONEBIT_OK;
}

/* ---- lists of files ---- */

/* How a file is read; each kind has its own step in ob_feed_next. */
typedef enum ob_text_kind {
    OB_NO_TEXT,
    OB_PLAIN_TEXT,
    OB_JSON_LINES, /* a row on each line */
    OB_JSON_ROWS,  /* a list of rows, or one row */
    OB_TOKEN_FILE,
    OB_INPUT /* plain text from the standard input */
} ob_text_kind;

/* Does the path end in this extension (lower case, with its dot), in any case of letters? */
static int ob_has_extension(const char *path, const char *extension) {
    size_t n = strlen(path), m = strlen(extension), i;
    if (n <= m) return 0;
    for (i = 0; i < m; i++) {
        char c = path[n - m + i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c != extension[i]) return 0;
    }
    return 1;
}

/* By the name alone: content is not guessed, so that a stray binary file in a directory is left
   out. */
static ob_text_kind ob_path_kind(const char *path) {
    if (strcmp(path, "-") == 0) return OB_INPUT;
    if (ob_has_extension(path, ".txt") || ob_has_extension(path, ".raw")) return OB_PLAIN_TEXT;
    if (ob_has_extension(path, ".md") || ob_has_extension(path, ".text")) return OB_PLAIN_TEXT;
    if (ob_has_extension(path, ".jsonl")) return OB_JSON_LINES;
    if (ob_has_extension(path, ".json")) return OB_JSON_ROWS;
    if (ob_has_extension(path, ".tokens")) return OB_TOKEN_FILE;
    return OB_NO_TEXT;
}

/* Does a word behind a name only number its parts, as in "validation-00000-of-00001" or "valid-a"?
   It has a digit, or is one letter, or "of". */
static int ob_word_counts(const char *word, size_t n) {
    size_t i;
    for (i = 0; i < n; i++)
        if (word[i] >= '0' && word[i] <= '9') return 1;
    return n <= 1 || (n == 2 && memcmp(word, "of", 2) == 0);
}

/* What the last word of a name says that is not a number of a part: 'v' = validation data, 't' =
   test data, 0 = neither. Words are parted by '.', '-' or '_' and come in any case of letters. */
static int ob_name_held_out(const char *name, size_t n) {
    static const char *const words[] = {"test", "valid", "val", "validation", "dev", "eval"};
    size_t k, i, m, from;
    for (;; n = from - 1) {
        for (from = n; from > 0 && !strchr(".-_", name[from - 1]);) from--;
        if (from == 0 || !ob_word_counts(name + from, n - from)) break;
    }
    for (k = 0; k < sizeof words / sizeof *words; k++) {
        m = strlen(words[k]);
        for (i = 0; m == n - from && i < m && (name[from + i] | 32) == words[k][i]; i++) {}
        if (m == n - from && i == m) return k ? 'v' : 't';
    }
    return 0;
}

/* The same for a path below a directory that was named: any part of it may say it, the file's
   without its extension. */
static int ob_path_held_out(const char *path) {
    int held = 0;
    while (*path && !held) {
        size_t n = strcspn(path, "/"), stem = n;
        if (!path[n])
            while (stem > 0 && path[--stem] != '.') {}
        held = ob_name_held_out(path, stem > 0 ? stem : n);
        path += n + (path[n] == '/');
    }
    return held;
}

/* JSON that lies beside texts and holds settings, not rows. */
static int ob_is_settings(const char *path) {
    static const char *const names[] = {"tokenizer.json",         "config.json",
                                        "tokenizer_config.json",  "vocab.json",
                                        "dataset_info.json",      "dataset_infos.json",
                                        "generation_config.json", "special_tokens_map.json"};
    const char *slash = strrchr(path, '/');
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(slash ? slash + 1 : path, names[i]) == 0) return 1;
    return 0;
}

/* One file of a list; source: which of the named paths it came from. */
typedef struct ob_file {
    size_t path; /* offset in paths */
    ob_text_kind kind;
    int source;
} ob_file;

/* The files that a path, or several with commas between, stand for, in the order of reading. */
typedef struct ob_files {
    ob_buffer paths, list, note; /* terminated paths; ob_file each; lines for people */
    size_t count;
    size_t name[ONEBIT_MAX_SOURCES]; /* offsets in paths: the paths as they were named */
    int sources, texts, tokens;      /* paths named; files of text, of ids */
    int valid, test;                 /* files in directories whose names say so */
} ob_files;

/* Empty; release with ob_files_free. */
static void ob_files_begin(ob_files *f, const onebit_env *env) {
    memset(f, 0, sizeof *f);
    f->paths = ob_buffer_new(env);
    f->list = ob_buffer_new(env);
    f->note = ob_buffer_new(env);
}

/* Harmless on a zeroed list. */
static void ob_files_free(ob_files *f) {
    if (f->paths.p) ob_buffer_free(&f->paths);
    if (f->list.p) ob_buffer_free(&f->list);
    if (f->note.p) ob_buffer_free(&f->note);
    f->count = 0;
}

/* File number i < count. The buffer holds an array: its memory is aligned for any struct. */
static const ob_file *ob_files_at(const ob_files *f, size_t i) {
    return (const ob_file *)(const void *)f->list.p + i;
}

/* Adds a file of the source named last. */
static void ob_files_add(ob_files *f, const char *path, ob_text_kind kind) {
    ob_file file;
    memset(&file, 0, sizeof file);
    file.path = f->paths.n;
    file.kind = kind;
    file.source = f->sources - 1;
    ob_buffer_add(&f->paths, path, strlen(path) + 1);
    ob_buffer_add(&f->list, &file, sizeof file);
    f->count++;
    if (kind == OB_TOKEN_FILE) f->tokens++;
    else f->texts++;
}

/* Does this part of the data take a file whose name says `held`? Validation data is never trained
   on unasked, and test data is for neither. */
static int ob_part_takes(onebit_part part, int held) {
    if (part == ONEBIT_PART_ALL) return 1;
    return part == ONEBIT_PART_VALID ? held == 'v' : held == 0;
}

/* The files of a directory, those below it too, in sorted order. */
static onebit_status ob_files_directory(ob_files *f, const char *path, onebit_part part,
                                        const onebit_env *env) {
    char **names = NULL;
    size_t count = 0, i, skip = strlen(path);
    while (skip > 0 && path[skip - 1] == '/') skip--;
    OB_TRY(ob_list_directory(env, path, &names, &count));
    for (i = 0; i < count; i++) {
        ob_text_kind kind = ob_path_kind(names[i]);
        int held = ob_path_held_out(names[i] + skip);
        if (kind == OB_NO_TEXT || ob_is_settings(names[i])) continue;
        f->valid += held == 'v';
        f->test += held == 't';
        if (ob_part_takes(part, held)) ob_files_add(f, names[i], kind);
        else if (part == ONEBIT_PART_TRAIN)
            ob_buffer_format(&f->note,
                             "%.300s is %s; --include-held-out trains on it\n", names[i],
                             held == 'v' ? "held out: its name says validation"
                                         : "left out: its name says test");
    }
    ob_release(env, names);
    return ONEBIT_OK;
}

/* One path as it was named. A file is taken whatever its name says, but not silently. */
static onebit_status ob_files_path(ob_files *f, const char *path, onebit_part part,
                                   const onebit_env *env) {
    ob_text_kind kind = ob_path_kind(path);
    const char *slash = strrchr(path, '/');
    if (f->sources == ONEBIT_MAX_SOURCES)
        return ob_fail(ONEBIT_USAGE, "more than %d paths in one list; a directory holds any number",
                       ONEBIT_MAX_SOURCES);
    f->name[f->sources++] = f->paths.n;
    ob_buffer_add(&f->paths, path, strlen(path) + 1);
    if (ob_is_directory(path)) return ob_files_directory(f, path, part, env);
    if (part == ONEBIT_PART_VALID) return ONEBIT_OK; /* what is named is for training */
    if (kind != OB_INPUT && !ob_file_exists(path))
        return ob_fail(ONEBIT_IO, "%.200s does not exist", path);
    if (kind == OB_NO_TEXT)
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "%.200s is not text: .txt, .raw, .md, .text, .jsonl, .json or .tokens is "
                       "expected here",
                       path);
    ob_files_add(f, path, kind);
    if (part == ONEBIT_PART_TRAIN && ob_path_held_out(slash ? slash + 1 : path))
        ob_buffer_format(&f->note,
                         "%.300s is trained on because it was named, though its name says held-out "
                         "data\n",
                         path);
    return ONEBIT_OK;
}

/* Length of the first path of a list: all of it when something stands under the whole name. */
static size_t ob_first_path(const char *paths) {
    if (ob_is_directory(paths) || ob_file_exists(paths)) return strlen(paths);
    return strcspn(paths, ",");
}

/* Copies the first path of the list at *paths to out and steps behind it; 0 = the list is at its
   end. */
static int ob_next_path(const char **paths, char out[OB_PATH_MAX], onebit_status *status) {
    size_t n = ob_first_path(*paths);
    if (**paths == 0 || *status != ONEBIT_OK) return 0;
    if (n == 0 || n >= OB_PATH_MAX)
        *status = ob_fail(ONEBIT_IO, "no usable path in the list '%.100s'", *paths);
    else {
        memcpy(out, *paths, n);
        out[n] = 0;
        *paths += n + ((*paths)[n] == ',');
    }
    return *status == ONEBIT_OK;
}

/* All files of a path or a list of paths. */
static onebit_status ob_files_collect(ob_files *f, const char *paths, onebit_part part,
                                      const onebit_env *env) {
    char path[OB_PATH_MAX];
    onebit_status status = ONEBIT_OK;
    if (*paths == 0) return ob_fail(ONEBIT_IO, "the name of the data is empty");
    while (ob_next_path(&paths, path, &status)) {
        size_t before = f->count;
        status = ob_files_path(f, path, part, env);
        if (part == ONEBIT_PART_VALID && f->count == before) f->sources--; /* nothing is wanted */
    }
    OB_TRY(status);
    if (f->texts && f->tokens && part == ONEBIT_PART_TRAIN)
        ob_buffer_text(&f->note, "there are texts and .tokens: both are trained on, even when one "
                                 "was made from the other\n");
    if (f->paths.failed || f->list.failed)
        return ob_fail(ONEBIT_MEMORY, "out of memory for a list of files");
    return ONEBIT_OK;
}

/* A source without a single document. */
static onebit_status ob_no_text(const ob_files *f, int source) {
    const char *path = f->paths.p + f->name[source];
    size_t i;
    for (i = 0; i < f->count && ob_files_at(f, i)->source != source; i++) {}
    if (i < f->count)
        return ob_fail(ONEBIT_FORMAT, "%.200s holds no text: %.200s is empty", path,
                       f->paths.p + ob_files_at(f, i)->path);
    return ob_fail(ONEBIT_FORMAT,
                   "%.200s holds no text (.txt, .raw, .md, .text, .jsonl, .json)%s", path,
                   f->valid + f->test ? " but held-out files, which --include-held-out would take"
                                      : "");
}

/* ---- from files to documents ----
   A feed hands out the documents of a list of files, piece by piece, and never holds the corpus:
   files are mapped one at a time. Where it stands is a file and an offset, so that reading can stop
   behind any piece and go on there in another run. The tokenizer's training, the token list, the
   joined text and the streamed windows all read through it: they agree on what a document is. */

/* Part of a piece: text that is encoded by itself. scored: its tokens are trained on. special:
   written special tokens count (in plain text; what a row says is only said). end: a document ends
   behind it, and the end token is scored as the part is. */
typedef struct ob_part {
    size_t at, bytes;
    int scored, special, end;
} ob_part;

/* A piece: parts of text, or ids as a .tokens file has them. */
typedef struct ob_chunk {
    const char *text;
    const ob_part *parts;
    size_t count;
    const uint8_t *ids; /* u32 little-endian, NULL = text */
    size_t id_count;
    int file_ends; /* with ids: no more of them in this file */
} ob_chunk;

/* Reads the documents of a list. */
typedef struct ob_feed {
    onebit_env env;
    const ob_files *files;
    onebit_turn turn;
    int loss_on_input;
    size_t soft, hard; /* bytes after which a document is cut: at a good place, at any */
    size_t file, offset, last; /* where the next piece begins, and where the last one did */
    ob_map map;
    const char *data; /* of the open file, NULL = none is open */
    size_t size, stop; /* its bytes; where the next separator stands, SIZE_MAX = not known */
    ob_buffer *input;  /* the standard input, read whole; NULL = it is streamed through window */
    char *window;
    int input_ends;
    ob_buffer text, parts; /* of a row */
    int from_start, talks; /* the pass began at its beginning; rows with replies so far */
    int got[ONEBIT_MAX_SOURCES];
} ob_feed;

#define OB_PIECE ((size_t)1 << 20)

/* At the beginning of the list. */
static void ob_feed_begin(ob_feed *f, const ob_files *files, const onebit_env *env) {
    memset(f, 0, sizeof *f);
    f->env = *env;
    f->files = files;
    f->soft = OB_PIECE;
    f->hard = 2 * OB_PIECE;
    f->text = ob_buffer_new(env);
    f->parts = ob_buffer_new(env);
    f->from_start = 1;
}

/* Lets go of the open file. The window of a streamed input stays: what it holds cannot be read
   again. */
static void ob_feed_close(ob_feed *f) {
    ob_map_close(&f->map);
    f->data = NULL;
}

/* Harmless on a zeroed feed. */
static void ob_feed_free(ob_feed *f) {
    if (!f->files) return;
    ob_feed_close(f);
    ob_release(&f->env, f->window);
    ob_buffer_free(&f->text);
    ob_buffer_free(&f->parts);
    f->files = NULL;
}

/* Goes on at a place that a feed of the same list stood at. */
static void ob_feed_seek(ob_feed *f, size_t file, size_t offset) {
    ob_feed_close(f);
    f->file = file;
    f->offset = offset;
    f->from_start = file == 0 && offset == 0;
    memset(f->got, 0, sizeof f->got);
}

/* Bytes of one line break (\n or \r\n) that p[0..n) begins with, and ends with. */
static size_t ob_break_at_start(const char *p, size_t n) {
    if (n >= 1 && p[0] == '\n') return 1;
    return n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}
/* The mirror: a \r counts only together with its \n. */
static size_t ob_break_at_end(const char *p, size_t n) {
    if (n == 0 || p[n - 1] != '\n') return 0;
    return n >= 2 && p[n - 2] == '\r' ? 2 : 1;
}

/* The nearest start of a UTF-8 character at or up to 3 bytes before text[at]; at when there is
 * none. */
static size_t ob_character_start(const char *text, size_t at) {
    size_t back = 0;
    while (back < 3 && back < at && ((unsigned char)text[at - back] & 0xC0u) == 0x80u) back++;
    return ((unsigned char)text[at - back] & 0xC0u) == 0x80u ? at : at - back;
}

/* How much of a long document is encoded at once, so that the tokenizer's work area stays small:
   about `soft` bytes, cut before a space that follows an ASCII letter or digit. No pre-token of a
   byte-level tokenizer spans such a place, so the ids are those of the whole document. Where there
   is none, the cut comes at `hard` between two characters. */
static size_t ob_piece_size(const char *p, size_t n, size_t soft, size_t hard) {
    size_t i;
    for (i = soft; i < n && i < hard; i++) {
        char c = p[i - 1];
        int word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (word && p[i] == ' ') return i;
    }
    return i < n ? ob_character_start(p, i) : n;
}

/* Adds a part to the piece that is being built. */
static void ob_feed_part(ob_feed *f, size_t at, size_t bytes, int scored, int special, int end) {
    ob_part part;
    part.at = at;
    part.bytes = bytes;
    part.scored = scored || f->loss_on_input;
    part.special = special;
    part.end = end;
    ob_buffer_add(&f->parts, &part, sizeof part);
}

/* The parts of the piece as an array. */
static ob_part *ob_feed_parts(const ob_feed *f, size_t *count) {
    *count = f->parts.n / sizeof(ob_part);
    return (ob_part *)(void *)f->parts.p;
}

/* The next document in p[at..n): its bytes without the one line break before its separator, and
   where the one behind begins. Everything else is kept byte for byte; files with the separator on
   a line of its own (TinyStories) so give the bare stories. */
static size_t ob_document_size(const char *p, size_t at, size_t n, size_t stop, size_t *next) {
    size_t size = stop - at;
    *next = n;
    if (stop == n) return size;
    *next = stop + OB_END_BYTES;
    *next += ob_break_at_start(p + *next, n - *next);
    return size - ob_break_at_end(p + at, size);
}

/* Room in the window of a streamed input for any cut and the separator behind it. */
#define OB_FEED_WINDOW(f) (4 * (f)->hard)

/* Moves what is left of a streamed input to the front and reads on. */
static onebit_status ob_feed_refill(ob_feed *f) {
    size_t left = f->size - f->offset, got;
    if (!f->window) f->window = (char *)ob_alloc(&f->env, OB_FEED_WINDOW(f));
    if (!f->window) return ob_fail(ONEBIT_MEMORY, "no memory to read the standard input");
    if (f->input_ends || left >= 2 * f->hard) return ONEBIT_OK;
    memmove(f->window, f->window + f->offset, left);
    got = ob_read_input(f->window + left, OB_FEED_WINDOW(f) - left);
    f->input_ends = got < OB_FEED_WINDOW(f) - left;
    f->data = f->window;
    f->offset = 0;
    f->size = left + got;
    f->stop = SIZE_MAX;
    return ONEBIT_OK;
}

/* The next piece of plain text; count 0 = the file is at its end. Empty documents are left out.
   With a hard limit a document is not searched for its end further than any cut can come. */
static onebit_status ob_feed_text(ob_feed *f, ob_chunk *out) {
    size_t next, size, n, end;
    for (;;) {
        if (f->window && f->data == f->window) OB_TRY(ob_feed_refill(f));
        if (f->offset >= f->size) return ONEBIT_OK;
        end = f->size;
        if (f->hard < SIZE_MAX && end - f->offset > 2 * f->hard) end = f->offset + 2 * f->hard;
        if (f->stop < f->offset || f->stop > end)
            f->stop = f->offset + ob_document_length(f->data + f->offset, end - f->offset);
        size = ob_document_size(f->data, f->offset, end, f->stop, &next);
        if (size > 0) break;
        f->offset = next;
    }
    n = ob_piece_size(f->data + f->offset, size, f->soft, f->hard);
    if (f->stop == end && end < f->size) f->stop = SIZE_MAX; /* only as far as was looked */
    f->last = f->offset;
    ob_feed_part(f, 0, n, 1, 1, n == size);
    out->text = f->data + f->offset;
    f->offset = n == size ? next : f->offset + n;
    return ONEBIT_OK;
}

/* ---- rows ----
   A row is a JSON object. Three forms, the first that fits:
     "messages" or "conversations"   a list of {"role", "content"} or {"from", "value"}
     a question and its reply        the first there of instruction, input, prompt, question,
                                     with the first of output, completion, response, answer;
                                     input and context follow an instruction, context goes before
                                     another question; "system" stands before it all
     "text", "content" or "code"     plain text
   Other members are ignored, and null is as if absent. */

enum {
    OB_ROW_TALK, /* two names */
    OB_ROW_ASK = 2, /* four names; an input beside an instruction belongs to it */
    OB_ROW_CONTEXT = 6,
    OB_ROW_REPLY = 7, /* four names */
    OB_ROW_SYSTEM = 11,
    OB_ROW_TEXT = 12, /* three names */
    OB_ROW_KEYS = 15
};
/* The names in the order of the enum; within a group the first that a row has is taken. */
static const char *const ob_row_keys[OB_ROW_KEYS] = {
    "messages", "conversations", "instruction", "input",  "prompt", "question", "context", "output",
    "completion", "response", "answer", "system", "text", "content", "code"};

/* Where the value of the first of these names stands in the row; NULL = none of them is there. */
static ob_json *ob_row_first(ob_json *at, int from, int to) {
    for (; from < to; from++)
        if (at[from].p) return at + from;
    return NULL;
}

/* The string at j, decoded, behind the text of the piece; between stands before it unless it is
   empty. */
static onebit_status ob_row_string(ob_feed *f, ob_json *j, const char *between) {
    ob_slice raw = ob_json_raw_string(j);
    OB_TRY(j->status);
    if (raw.n == 0) return ONEBIT_OK;
    ob_buffer_text(&f->text, between);
    if (!ob_buffer_room(&f->text, raw.n)) return ob_fail(ONEBIT_MEMORY, "no memory for a row");
    f->text.n += ob_json_unescape(raw, f->text.p + f->text.n, raw.n + 1); /* never grows */
    return ONEBIT_OK;
}

/* A talk that is being written. open: 0 = nothing, 'p' = a prompt, 'r' = a reply; begin: where it
   begins in the text. */
typedef struct ob_talk {
    ob_feed *f;
    size_t begin;
    int open, replies;
} ob_talk;

/* Ends the open reply; what the template has behind it is scored too: it is how a model stops. */
static void ob_talk_close(ob_talk *t) {
    ob_feed *f = t->f;
    size_t at = f->text.n, after = strlen(f->turn.after);
    if (t->open != 'r') return;
    ob_feed_part(f, t->begin, at - t->begin, 1, 0, 0);
    ob_buffer_text(&f->text, f->turn.after);
    if (after) ob_feed_part(f, at, after, 1, 0, 0);
    t->begin = f->text.n;
    t->open = 0;
}

/* What the person says: the template's words in front, several messages parted by line breaks. */
static onebit_status ob_talk_prompt(ob_talk *t, ob_json *value) {
    ob_feed *f = t->f;
    const char *between = t->open == 'p' ? "\n" : "";
    ob_talk_close(t);
    if (t->open != 'p') {
        if (t->replies) ob_buffer_text(&f->text, f->turn.gap);
        ob_buffer_text(&f->text, f->turn.before);
        t->open = 'p';
    }
    return value ? ob_row_string(f, value, between) : ONEBIT_OK;
}

/* What the model answers. A talk may begin with it; then its prompt is empty. */
static onebit_status ob_talk_reply(ob_talk *t, ob_json *value) {
    ob_feed *f = t->f;
    int i;
    if (t->open == 'r') return ob_row_string(f, value, "\n");
    if (t->open == 0) OB_TRY(ob_talk_prompt(t, NULL));
    ob_buffer_text(&f->text, f->turn.between);
    ob_feed_part(f, t->begin, f->text.n - t->begin, 0, 0, 0);
    t->begin = f->text.n;
    for (i = 0; i < f->turn.space; i++) ob_buffer_text(&f->text, " ");
    t->open = 'r';
    t->replies++;
    return ob_row_string(f, value, "");
}

/* The scene: a line before the first prompt, as onebit-chat --system writes it. */
static onebit_status ob_talk_system(ob_talk *t, ob_json *value) {
    if (t->open || t->replies) {
        ob_json_error(value, "a system message is expected only before the first prompt");
        return value->status;
    }
    OB_TRY(ob_row_string(t->f, value, ""));
    if (t->f->text.n) ob_buffer_text(&t->f->text, "\n");
    return ONEBIT_OK;
}

/* The document ends. A last prompt without a reply has nothing to learn and is left out. */
static void ob_talk_end(ob_talk *t) {
    size_t count;
    ob_part *parts;
    ob_talk_close(t);
    t->f->talks++;
    parts = ob_feed_parts(t->f, &count);
    if (count) parts[count - 1].end = 1;
}

/* 'p', 'r' or 's' for who speaks; 0 = unknown. */
static int ob_talk_role(ob_slice role) {
    static const char *const names[] = {"user",  "human", "prompter", "assistant", "gpt",
                                        "model", "bot",   "system",   "developer"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (ob_slice_is(role, names[i])) return "ppprrrrss"[i];
    return 0;
}

/* One message of a list. */
static onebit_status ob_row_message(ob_talk *t, ob_json *j) {
    ob_json value, row;
    ob_slice key, role = {"", 0};
    int who;
    memset(&value, 0, sizeof value);
    ob_json_space(j);
    row = *j;
    ob_json_object(j);
    while (ob_json_key(j, &key)) {
        if (ob_slice_is(key, "role") || ob_slice_is(key, "from")) {
            role = ob_json_raw_string(j);
            continue;
        }
        if (ob_slice_is(key, "content") || ob_slice_is(key, "value")) value = *j;
        ob_json_skip(j);
    }
    OB_TRY(j->status);
    who = ob_talk_role(role);
    if (!who || !value.p) {
        ob_json_error(&row,
                      "a message needs a \"role\" (user, assistant, system), not \"%.*s\", and a "
                      "\"content\"",
                      (int)(role.n < 40 ? role.n : 40), role.p);
        return row.status;
    }
    if (who == 's') return ob_talk_system(t, &value);
    return who == 'p' ? ob_talk_prompt(t, &value) : ob_talk_reply(t, &value);
}

/* A list of messages. */
static onebit_status ob_row_talk(ob_feed *f, ob_json list) {
    ob_json row = list;
    ob_talk t;
    memset(&t, 0, sizeof t);
    t.f = f;
    for (ob_json_array(&list); ob_json_item(&list);) OB_TRY(ob_row_message(&t, &list));
    OB_TRY(list.status);
    if (!t.replies) ob_json_error(&row, "a talk without a message of the assistant");
    else ob_talk_end(&t);
    return row.status;
}

/* A question and its reply; at: the members of the row. */
static onebit_status ob_row_pair(ob_feed *f, ob_json *at) {
    ob_json *ask = ob_row_first(at, OB_ROW_ASK, OB_ROW_CONTEXT);
    ob_json *more = at + OB_ROW_ASK + 1, *context = at + OB_ROW_CONTEXT;
    int instruction = ask == at + OB_ROW_ASK;
    ob_talk t;
    memset(&t, 0, sizeof t);
    t.f = f;
    if (at[OB_ROW_SYSTEM].p) OB_TRY(ob_talk_system(&t, at + OB_ROW_SYSTEM));
    if (context->p && !instruction) OB_TRY(ob_talk_prompt(&t, context));
    OB_TRY(ob_talk_prompt(&t, ask));
    if (more->p && instruction) OB_TRY(ob_talk_prompt(&t, more));
    if (context->p && instruction) OB_TRY(ob_talk_prompt(&t, context));
    OB_TRY(ob_talk_reply(&t, ob_row_first(at, OB_ROW_REPLY, OB_ROW_SYSTEM)));
    ob_talk_end(&t);
    return ONEBIT_OK;
}

/* Plain text of a row: separators part documents, as in a text file. */
static onebit_status ob_row_text(ob_feed *f, ob_json *value) {
    const char *p;
    size_t at = 0, n, next;
    OB_TRY(ob_row_string(f, value, ""));
    if (f->text.failed) return ONEBIT_OK; /* the caller looks */
    for (p = f->text.p, n = f->text.n; at < n; at = next) {
        size_t stop = at + ob_document_length(p + at, n - at);
        size_t size = ob_document_size(p, at, n, stop, &next);
        if (size > 0) ob_feed_part(f, at, size, 1, 1, 1);
    }
    return ONEBIT_OK;
}

/* The row at j becomes the parts of a piece; the first member of a name counts. */
static onebit_status ob_feed_row(ob_feed *f, ob_json *j) {
    ob_json at[OB_ROW_KEYS], row, *list, *text;
    ob_slice key;
    int i;
    memset(at, 0, sizeof at);
    f->text.n = 0;
    ob_json_space(j);
    row = *j;
    ob_json_object(j);
    while (ob_json_key(j, &key)) {
        for (i = 0; i < OB_ROW_KEYS && !ob_slice_is(key, ob_row_keys[i]); i++) {}
        if (i == OB_ROW_CONTEXT && ob_json_peek(j) != '"') i = OB_ROW_KEYS; /* not of our kind */
        if (i < OB_ROW_KEYS && !at[i].p && ob_json_peek(j) != 'n') at[i] = *j;
        ob_json_skip(j);
    }
    OB_TRY(j->status);
    list = ob_row_first(at, OB_ROW_TALK, OB_ROW_ASK);
    text = ob_row_first(at, OB_ROW_TEXT, OB_ROW_KEYS);
    if (list) return ob_row_talk(f, *list);
    if (ob_row_first(at, OB_ROW_ASK, OB_ROW_REPLY) &&
        ob_row_first(at, OB_ROW_REPLY, OB_ROW_SYSTEM))
        return ob_row_pair(f, at);
    if (text) return ob_row_text(f, text);
    ob_json_error(&row, "a row needs \"text\", or \"input\" and \"output\" (or such a pair: prompt "
                        "and completion, question and answer), or \"messages\"");
    return row.status;
}

/* The next row of a .jsonl. Lines end with \n or \r\n; blank ones are skipped, the last one needs
   no line break. Errors name the file's own line. */
static onebit_status ob_feed_line(ob_feed *f, const char *path) {
    while (f->offset < f->size && f->parts.n == 0) {
        const char *line = f->data + f->offset, *end = f->data + f->size, *q = line;
        const char *stop = (const char *)memchr(line, '\n', (size_t)(end - line));
        ob_json j;
        if (!stop) stop = end;
        while (q < stop && (*q == ' ' || *q == '\t' || *q == '\r')) q++;
        j = ob_json_on(line, (size_t)(stop - line), path);
        j.start = f->data;
        if (q < stop) {
            OB_TRY(ob_feed_row(f, &j));
            OB_TRY(ob_json_end(&j));
        }
        f->offset = (size_t)(stop - f->data) + (stop < end);
    }
    return ONEBIT_OK;
}

/* The next row of a .json: inside the list when the offset is behind its beginning. */
static onebit_status ob_feed_item(ob_feed *f, const char *path) {
    while (f->offset < f->size && f->parts.n == 0) {
        ob_json j = ob_json_on(f->data, f->size, path);
        int inside = f->offset > (size_t)(j.p - f->data), one = 0;
        if (inside) {
            j.p = f->data + f->offset;
            j.depth = 1;
        } else {
            one = ob_json_peek(&j) == '{';
            if (!one) ob_json_array(&j);
        }
        if (one || ob_json_item(&j)) OB_TRY(ob_feed_row(f, &j));
        if (one || j.depth == 0) OB_TRY(ob_json_end(&j));
        else if (ob_json_peek(&j) == 0) ob_json_expected(&j, "',' or ']'");
        OB_TRY(j.status);
        f->offset = (size_t)(j.p - f->data);
    }
    return ONEBIT_OK;
}

#define OB_TOKENS_HEAD 12

/* The tokens that the header claims must be there; bytes behind them are tolerated, as by other
   readers of this format. */
static onebit_status ob_tokens_count(const char *path, const ob_map *map, size_t *count) {
    uint64_t claimed;
    if (map->bytes < OB_TOKENS_HEAD || memcmp(map->data, "TKN2", 4) != 0)
        return ob_fail(ONEBIT_FORMAT, "%.200s: a .tokens file begins with TKN2 and a count", path);
    claimed = ob_get64(map->data + 4);
    if (claimed > (map->bytes - OB_TOKENS_HEAD) / 4)
        return ob_fail(ONEBIT_FORMAT, "%.200s: the header says %.0f tokens, the file has %.0f",
                       path, (double)claimed, (double)((map->bytes - OB_TOKENS_HEAD) / 4));
    if (claimed == 0) return ob_fail(ONEBIT_FORMAT, "%.200s holds no tokens", path);
    *count = (size_t)claimed;
    return ONEBIT_OK;
}

/* The next ids of a .tokens file among others. */
static onebit_status ob_feed_ids(ob_feed *f, ob_chunk *out, const char *path) {
    size_t count, at, n;
    OB_TRY(ob_tokens_count(path, &f->map, &count));
    at = f->offset / 4;
    n = at < count ? count - at : 0;
    if (n > f->soft / 8) n = f->soft / 8;
    out->ids = f->map.data + OB_TOKENS_HEAD + 4 * at;
    out->id_count = n;
    out->file_ends = at + n >= count;
    f->offset = out->file_ends && n == 0 ? f->size : 4 * (at + n);
    return ONEBIT_OK;
}

/* Opens the file where the feed stands, if none is open. */
static onebit_status ob_feed_open(ob_feed *f, const char *path, ob_text_kind kind) {
    if (f->data) return ONEBIT_OK;
    f->stop = SIZE_MAX;
    if (kind == OB_INPUT && !f->input) {
        f->size = f->offset = 0;
        f->data = "";
        return ob_feed_refill(f);
    }
    if (kind == OB_INPUT) {
        f->data = f->input->p ? f->input->p : "";
        f->size = f->input->n;
    } else {
        OB_TRY(ob_map_open(&f->map, path));
        f->data = (const char *)f->map.data;
        f->size = f->map.bytes;
    }
    if (kind != OB_TOKEN_FILE && f->size >= 2 &&
        (memcmp(f->data, "\xFF\xFE", 2) == 0 || memcmp(f->data, "\xFE\xFF", 2) == 0))
        return ob_fail(ONEBIT_FORMAT, "%.200s is UTF-16, UTF-8 is expected here: convert it, for "
                                      "instance with iconv -f UTF-16 -t UTF-8",
                       path);
    if (kind != OB_TOKEN_FILE && f->offset == 0 && f->size >= 3 &&
        memcmp(f->data, "\xEF\xBB\xBF", 3) == 0)
        f->offset = kind == OB_JSON_ROWS ? 0 : 3; /* byte order mark: not text; JSON skips it */
    return ONEBIT_OK;
}

/* The next piece; ONEBIT_CANCELLED behind the last. At the end of a whole pass every path that was
   named must have given something. */
static onebit_status ob_feed_next(ob_feed *f, ob_chunk *out) {
    int s;
    for (; f->file < f->files->count; ob_feed_close(f), f->file++, f->offset = 0) {
        const ob_file *file = ob_files_at(f->files, f->file);
        const char *path = f->files->paths.p + file->path;
        OB_TRY(ob_feed_open(f, path, file->kind));
        memset(out, 0, sizeof *out);
        f->parts.n = 0;
        f->last = f->offset;
        if (file->kind == OB_JSON_LINES) OB_TRY(ob_feed_line(f, path));
        else if (file->kind == OB_JSON_ROWS) OB_TRY(ob_feed_item(f, path));
        else if (file->kind == OB_TOKEN_FILE) OB_TRY(ob_feed_ids(f, out, path));
        else OB_TRY(ob_feed_text(f, out));
        if (f->text.failed || f->parts.failed)
            return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for a row", path);
        out->parts = ob_feed_parts(f, &out->count);
        if (!out->text) out->text = f->text.p ? f->text.p : "";
        if (!out->count && !out->id_count) continue;
        f->got[file->source] = 1;
        return ONEBIT_OK;
    }
    for (s = 0; f->from_start && s < f->files->sources; s++)
        if (!f->got[s]) return ob_no_text(f->files, s);
    return ONEBIT_CANCELLED;
}

/* ---- joined text ---- */

/* What all ways to open data need: the env settled, and the standard input, which can be read only
   once although data is read twice (for the tokenizer, and to be tokenised). */
typedef struct ob_data {
    onebit_env env;
    onebit_data_options options;
    ob_buffer input;
    int input_read;
} ob_data;

/* Zero is right for all but the part: no template, no weights, no stream, replies alone scored. */
ONEBIT_API onebit_data_options onebit_data_options_default(void) {
    onebit_data_options o;
    memset(&o, 0, sizeof o);
    o.part = ONEBIT_PART_TRAIN;
    return o;
}

/* Owns the input's buffer from here on; ob_data_end gives it back, however the opening went. */
static void ob_data_begin(ob_data *d, const onebit_data_options *options, const onebit_env *env) {
    d->env = ob_env_or_default(env);
    d->options = options ? *options : onebit_data_options_default();
    d->input = ob_buffer_new(&d->env);
    d->input_read = 0;
}

/* A dataset keeps nothing of it: ids were made, or a stream reads the input by itself. */
static void ob_data_end(ob_data *d) { ob_buffer_free(&d->input); }

/* Reads the standard input to its end, the first time. */
static onebit_status ob_data_input(ob_data *d) {
    char block[4096];
    size_t n;
    block[0] = 0; /* without files nothing is read, and gcc warns */
    while (!d->input_read && !d->input.failed) {
        n = ob_read_input(block, sizeof block);
        ob_buffer_add(&d->input, block, n);
        d->input_read = n < sizeof block;
    }
    return d->input.failed ? ob_fail(ONEBIT_MEMORY, "no memory for the standard input") : ONEBIT_OK;
}

/* A feed of these files with the rendering that the options ask for. */
static onebit_status ob_data_feed(ob_data *d, ob_feed *f, const ob_files *files) {
    size_t i;
    ob_feed_begin(f, files, &d->env);
    f->loss_on_input = d->options.loss_on_input;
    f->input = &d->input;
    for (i = 0; i < files->count; i++)
        if (ob_files_at(files, i)->kind == OB_INPUT && !d->options.stream_buffer)
            OB_TRY(ob_data_input(d));
    return onebit_turn_parse(&f->turn, d->options.chat_template);
}

/* Documents one behind the other, separators between; p NULL = only count. */
typedef struct ob_joined {
    char *p;
    size_t n, capacity;
    int gap; /* a document ended: what comes next is another */
} ob_joined;

/* The same code counts and copies, so the two walks of onebit_text_load cannot disagree. */
static void ob_joined_add(ob_joined *j, const char *text, size_t n) {
    if (j->p) memcpy(j->p + j->n, text, n);
    j->n += n;
}

/* A text that does not fit is cut between two characters, and nothing comes after it. */
static onebit_status ob_joined_take(ob_joined *j, const char *text, const ob_part *part) {
    size_t gap = j->gap ? OB_END_BYTES : 0, room = j->capacity - j->n, size = part->bytes;
    int cut;
    if (room <= gap) return ONEBIT_CANCELLED;
    cut = size > room - gap;
    if (cut) size = ob_character_start(text + part->at, room - gap);
    if (size > 0) {
        ob_joined_add(j, OB_END_TEXT, gap);
        ob_joined_add(j, text + part->at, size);
        j->gap = 0;
    }
    if (part->end) j->gap = j->n > 0;
    return cut ? ONEBIT_CANCELLED : ONEBIT_OK;
}

/* All text of the files, up to the capacity; ids are passed over. */
static onebit_status ob_joined_walk(ob_joined *j, ob_data *d, const ob_files *files) {
    ob_feed f;
    ob_chunk piece;
    size_t i;
    onebit_status status = ob_data_feed(d, &f, files);
    j->n = 0;
    j->gap = 0;
    while (status == ONEBIT_OK) {
        status = ob_feed_next(&f, &piece);
        for (i = 0; status == ONEBIT_OK && i < piece.count; i++)
            status = ob_joined_take(j, piece.text, piece.parts + i);
    }
    ob_feed_free(&f);
    return status == ONEBIT_CANCELLED ? ONEBIT_OK : status;
}

/* Two walks: one counts, one copies into a block of just that size. */
static onebit_status ob_text_join(char **text, size_t *bytes, const ob_files *files,
                                  size_t max_bytes, ob_data *d) {
    onebit_status status;
    ob_joined j;
    memset(&j, 0, sizeof j);
    j.capacity = max_bytes && max_bytes < SIZE_MAX - 1 ? max_bytes : SIZE_MAX - 1;
    OB_TRY(ob_joined_walk(&j, d, files));
    if (j.n == 0) return ob_no_text(files, 0);
    j.capacity = j.n;
    j.p = (char *)ob_alloc(&d->env, j.capacity + 1);
    if (!j.p) return ob_fail(ONEBIT_MEMORY, "no memory for %.0f bytes of text", (double)j.n);
    status = ob_joined_walk(&j, d, files);
    if (status != ONEBIT_OK) {
        ob_release(&d->env, j.p);
        return status;
    }
    j.p[j.n] = 0;
    *text = j.p;
    *bytes = j.n;
    return ONEBIT_OK;
}

/* Reads everything even when the caller wants a stream: a tokenizer is trained on a text as a
   whole. */
ONEBIT_API onebit_status onebit_text_load(char **text, size_t *bytes, const char *path,
                                          size_t max_bytes, const onebit_data_options *options,
                                          const onebit_env *env) {
    ob_data d;
    ob_files files;
    onebit_status status;
    if (text) *text = NULL;
    if (bytes) *bytes = 0;
    if (!text || !bytes || !path) return ob_fail(ONEBIT_USAGE, "text: an argument is NULL");
    ob_data_begin(&d, options, env);
    d.options.stream_buffer = 0;
    ob_files_begin(&files, &d.env);
    status = ob_files_collect(&files, path, d.options.part, &d.env);
    if (status == ONEBIT_OK) status = ob_text_join(text, bytes, &files, max_bytes, &d);
    ob_files_free(&files);
    ob_data_end(&d);
    return status;
}

/* env must be the one the text was loaded with: its release hook gets the block. */
ONEBIT_API void onebit_text_free(char *text, const onebit_env *env) {
    onebit_env e = ob_env_or_default(env);
    ob_release(&e, text);
}

/* ---- lists of ids ---- */

/* Ids that grow while text is read; the list doubles. */
typedef struct ob_id_list {
    onebit_env env;
    const onebit_tokenizer *tokenizer;
    int32_t *p;
    uint8_t *scored; /* one byte per id; NULL while every id is scored */
    size_t n, capacity;
    int fixed; /* the capacity stays: what does not fit is ONEBIT_LIMIT */
} ob_id_list;

/* Harmless on a zeroed list, which has no hooks to release with: the capacity tells. */
static void ob_list_free(ob_id_list *v) {
    if (!v->capacity) return;
    ob_release(&v->env, v->p);
    ob_release(&v->env, v->scored);
    v->p = NULL;
    v->scored = NULL;
    v->n = v->capacity = 0;
}

/* Sets the capacity, which must hold what there is. */
static onebit_status ob_list_resize(ob_id_list *v, size_t capacity) {
    size_t bytes;
    int ok = ob_mul(capacity, sizeof *v->p, &bytes);
    void *p = ok ? ob_grow(&v->env, v->p, v->n * sizeof *v->p, bytes) : NULL;
    if (p) v->p = (int32_t *)p;
    if (p && v->scored && (p = ob_grow(&v->env, v->scored, v->n, capacity)) != NULL)
        v->scored = (uint8_t *)p;
    if (!p)
        return ob_fail(ONEBIT_MEMORY,
                       "no memory for %.0f tokens; --streaming reads text piece by piece",
                       (double)capacity);
    v->capacity = capacity;
    return ONEBIT_OK;
}

/* Makes room for `extra` more ids; at least doubles. */
static onebit_status ob_list_room(ob_id_list *v, size_t extra) {
    size_t need, capacity;
    if (v->capacity - v->n >= extra) return ONEBIT_OK;
    if (v->fixed) return ONEBIT_LIMIT;
    if (!ob_add(v->n, extra, &need)) return ob_fail(ONEBIT_MEMORY, "too many tokens");
    capacity = v->capacity > SIZE_MAX / 2 ? need : v->capacity * 2;
    if (capacity < need) capacity = need;
    return ob_list_resize(v, capacity < 65536 ? 65536 : capacity);
}

/* Marks the ids from `from` on as scored or not; the marks begin with the first that is not. */
static onebit_status ob_list_mark(ob_id_list *v, size_t from, int scored) {
    if (!scored && !v->scored && v->n > from) {
        v->scored = (uint8_t *)ob_alloc(&v->env, v->capacity);
        if (!v->scored) return ob_fail(ONEBIT_MEMORY, "no memory to mark tokens");
        memset(v->scored, 1, from);
    }
    if (v->scored && v->n > from) memset(v->scored + from, scored != 0, v->n - from);
    return ONEBIT_OK;
}

/* Appends the ids of one text; the tokenizer says how much room it needs. */
static onebit_status ob_list_text(ob_id_list *v, const char *text, size_t n, int special) {
    size_t count = 0;
    onebit_status status;
    if (!v->fixed) OB_TRY(ob_list_room(v, n / 2 + 2));
    status = onebit_tokenizer_encode(v->tokenizer, v->p + v->n, v->capacity - v->n, &count, text, n,
                                     special);
    if (status == ONEBIT_LIMIT) {
        OB_TRY(ob_list_room(v, count));
        status = onebit_tokenizer_encode(v->tokenizer, v->p + v->n, v->capacity - v->n, &count,
                                         text, n, special);
    }
    if (status == ONEBIT_OK) v->n += count;
    return status;
}

/* Appends an end token. */
static onebit_status ob_list_end(ob_id_list *v) {
    int end = onebit_tokenizer_end(v->tokenizer);
    if (end < 0) return ONEBIT_OK;
    OB_TRY(ob_list_room(v, 1));
    v->p[v->n++] = end;
    return ONEBIT_OK;
}

/* A part, in pieces that the tokenizer takes at once, and the end token behind it. */
static onebit_status ob_list_part(ob_id_list *v, const char *text, const ob_part *part) {
    size_t from = v->n, bytes = part->bytes, n;
    for (text += part->at; bytes > 0; text += n, bytes -= n) {
        /* a tokenizer that puts a space before a text would put one before every piece */
        n = v->tokenizer->rules.prefix ? bytes : ob_piece_size(text, bytes, OB_PIECE, SIZE_MAX);
        OB_TRY(ob_list_text(v, text, n, part->special));
    }
    if (part->end) OB_TRY(ob_list_end(v));
    return ob_list_mark(v, from, part->scored);
}

/* Ids must lie in [0, limit); limit 0 = any that is not negative. */
static onebit_status ob_ids_check(const char *where, const int32_t *ids, size_t count, int limit) {
    size_t i;
    for (i = 0; i < count; i++) {
        if (ids[i] >= 0 && (limit <= 0 || ids[i] < limit)) continue;
        if (limit <= 0)
            return ob_fail(ONEBIT_USAGE, "%.200s: token %.0f is %ld: ids are 0 to 2147483647",
                           where, (double)i, (long)ids[i]);
        return ob_fail(ONEBIT_USAGE, "%.200s: token %.0f is %ld, but the tokenizer has ids 0 to %d",
                       where, (double)i, (long)ids[i], limit - 1);
    }
    return ONEBIT_OK;
}

/* Ids of a .tokens file, checked; the file's last document is closed. */
static onebit_status ob_list_ids(ob_id_list *v, const ob_chunk *piece, const char *path) {
    size_t from = v->n, i;
    int end = onebit_tokenizer_end(v->tokenizer);
    onebit_status status;
    OB_TRY(ob_list_room(v, piece->id_count + 1));
    for (i = 0; i < piece->id_count; i++) v->p[v->n++] = (int32_t)ob_get32(piece->ids + 4 * i);
    status = ob_ids_check(path, v->p + from, piece->id_count,
                          onebit_tokenizer_vocab_size(v->tokenizer));
    if (status != ONEBIT_OK) return ONEBIT_FORMAT; /* the file is at fault */
    if (piece->file_ends && v->p[v->n - 1] != end) OB_TRY(ob_list_end(v));
    return ob_list_mark(v, from, 1);
}

/* A whole piece or nothing of it. */
static onebit_status ob_list_piece(ob_id_list *v, const ob_chunk *piece, const char *path) {
    size_t from = v->n, i;
    onebit_status status = piece->ids ? ob_list_ids(v, piece, path) : ONEBIT_OK;
    for (i = 0; status == ONEBIT_OK && i < piece->count; i++)
        status = ob_list_part(v, piece->text, piece->parts + i);
    if (status != ONEBIT_OK) v->n = from;
    return status;
}

/* The file that a feed reads, for messages. */
static const char *ob_feed_path(const ob_feed *f) {
    if (f->file >= f->files->count) return "data";
    return f->files->paths.p + ob_files_at(f->files, f->file)->path;
}

/* ---- datasets ---- */

/* One stock of windows: ids in memory, mapped ids, or a stream, whose buffer is refilled. */
typedef struct ob_source {
    const int32_t *ids;
    const uint8_t *scored; /* NULL = all */
    size_t count, used;    /* all tokens; those of the training head: the rest is held out */
    double share;          /* of the windows, this source's and those before it */
    onebit_place at, next; /* of the next batch; where a stream reads on */
    ob_id_list list;       /* owns ids, unless they are mapped */
    ob_map map;
    ob_files files;
    ob_feed feed;
    int streamed, once; /* once: the standard input, which cannot be read again */
    int ready; /* the buffer is the one that `at` stands in */
} ob_source;

/* The struct is one block; ids are another for each source. */
struct onebit_dataset {
    onebit_env env;
    int end; /* id that closes a document, -1 = unknown */
    uint64_t seed, draws; /* windows drawn so far, when there are several sources */
    ob_id_list tail; /* held-out ids of several sources */
    ob_buffer note;
    int valid_files, talks; /* validation files left out; rows with replies */
    int count;
    ob_source *source;
};

/* An empty dataset with room for this many sources. */
static onebit_dataset *ob_dataset_new(const onebit_env *env, int sources) {
    onebit_env e = ob_env_or_default(env);
    onebit_dataset *d;
    size_t head = ob_round_up(sizeof *d, OB_ALIGN);
    size_t bytes = head + (size_t)sources * sizeof *d->source; /* at most ONEBIT_MAX_SOURCES */
    d = (onebit_dataset *)ob_alloc(&e, bytes);
    if (!d) {
        ob_fail(ONEBIT_MEMORY, "dataset: no memory for %.0f bytes", (double)bytes);
        return NULL;
    }
    d->source = (ob_source *)(void *)((uint8_t *)d + head);
    d->env = e;
    d->end = -1;
    d->seed = 1;
    d->count = sources;
    d->note = ob_buffer_new(&e);
    return d;
}

/* Ids first, the block of the struct last: it holds the hooks that release the others. */
ONEBIT_API void onebit_dataset_free(onebit_dataset *dataset) {
    onebit_env env;
    int i;
    if (!dataset) return;
    for (i = 0; i < dataset->count; i++) {
        ob_source *s = dataset->source + i;
        ob_list_free(&s->list);
        ob_map_close(&s->map);
        ob_feed_free(&s->feed);
        ob_files_free(&s->files);
    }
    ob_list_free(&dataset->tail);
    ob_buffer_free(&dataset->note);
    env = dataset->env;
    ob_release(&env, dataset);
}

/* The ids of a source are those of its list. */
static void ob_source_take(ob_source *s) {
    s->ids = s->list.p;
    s->scored = s->list.scored;
    s->count = s->used = s->list.n;
}

/* There is no tokenizer here, hence no end token: split and windows then cut anywhere. */
ONEBIT_API onebit_status onebit_dataset_create(onebit_dataset **out, const int32_t *ids,
                                               size_t count, const onebit_env *env) {
    onebit_dataset *d;
    onebit_status status;
    if (out) *out = NULL;
    if (!out || !ids || count == 0) return ob_fail(ONEBIT_USAGE, "dataset: no tokens given");
    OB_TRY(ob_ids_check("dataset", ids, count, 0));
    d = ob_dataset_new(env, 1);
    if (!d) return ONEBIT_MEMORY;
    d->source->list.env = d->env;
    status = ob_list_resize(&d->source->list, count);
    if (status != ONEBIT_OK) {
        onebit_dataset_free(d);
        return status;
    }
    memcpy(d->source->list.p, ids, count * sizeof *ids);
    d->source->list.n = count;
    ob_source_take(d->source);
    *out = d;
    return ONEBIT_OK;
}

/* All tokens, the held-out ones included: the training head is their beginning. */
ONEBIT_API const int32_t *onebit_dataset_tokens(const onebit_dataset *dataset, size_t *count) {
    int one = dataset && dataset->count == 1 && !dataset->source->streamed;
    if (count) *count = one ? dataset->source->count : 0;
    return one ? dataset->source->ids : NULL;
}

/* One source has its tail in place, behind the ids that are trained on; those of several were
   copied into one row by the split. */
ONEBIT_API const int32_t *onebit_dataset_held_out(const onebit_dataset *dataset, size_t *count) {
    const ob_source *s = dataset ? dataset->source : NULL;
    if (dataset && dataset->count > 1) {
        if (count) *count = dataset->tail.n;
        return dataset->tail.p;
    }
    if (s && s->streamed) s = NULL;
    if (count) *count = s ? s->count - s->used : 0;
    return s ? s->ids + s->used : NULL;
}

/* The marks of the same ids that tokens or held_out gives; those of a mixture's training heads lie
   apart, so it has none to give. */
ONEBIT_API const uint8_t *onebit_dataset_scored(const onebit_dataset *dataset, int held_out) {
    const ob_source *s = dataset ? dataset->source : NULL;
    if (!s) return NULL;
    if (dataset->count > 1) return held_out ? dataset->tail.scored : NULL;
    return s->scored && held_out ? s->scored + s->used : s->scored;
}

/* Lines that the caller may show: what was left out, or taken although its name speaks against
   it. */
ONEBIT_API const char *onebit_dataset_note(const onebit_dataset *dataset) {
    return dataset && dataset->note.p ? dataset->note.p : "";
}

/* The place nearest to `wish`, at most `reach` away, that directly follows an end token; `wish`
   itself when there is none. Places 0 and count would leave one side empty and are not offered. */
static size_t ob_near_document(const ob_source *s, int end, size_t wish, size_t reach) {
    size_t step;
    if (end < 0) return wish;
    for (step = 0; step <= reach; step++) {
        if (wish > step && s->ids[wish - step - 1] == end) return wish - step;
        if (step < s->count - wish && s->ids[wish + step - 1] == end) return wish + step;
    }
    return wish;
}

/* Cuts the tail of one source off; both sides keep at least one token. */
static void ob_source_split(ob_source *s, int end, double share) {
    size_t tail = (size_t)((double)s->count * share + 0.5);
    if (tail < 1) tail = 1;
    if (tail > s->count - 1) tail = s->count - 1;
    s->used = ob_near_document(s, end, s->count - tail, tail / 10);
}

/* Adds the tail of a source to those of the others. */
static onebit_status ob_source_tail(ob_id_list *tail, const ob_source *s) {
    size_t n = s->count - s->used, from = tail->n, i;
    OB_TRY(ob_list_room(tail, n));
    memcpy(tail->p + tail->n, s->ids + s->used, n * sizeof *s->ids);
    tail->n += n;
    if (!s->scored) return ob_list_mark(tail, from, 1);
    OB_TRY(ob_list_mark(tail, from, 0));
    for (i = 0; i < n; i++) tail->scored[from + i] = s->scored[s->used + i];
    return ONEBIT_OK;
}

/* The tail is held out, not a random sample: windows of one text overlap in content, and a
   sample would leak what it is meant to test. The cut moves by up to a tenth of the tail to a
   document's end. */
ONEBIT_API onebit_status onebit_dataset_split(onebit_dataset *dataset, double held_out_share) {
    int i;
    if (!dataset) return ob_fail(ONEBIT_USAGE, "dataset: NULL");
    if (!(held_out_share >= 0.0 && held_out_share < 1.0))
        return ob_fail(ONEBIT_USAGE, "dataset: the held-out share must be at least 0 and below 1");
    dataset->tail.n = 0;
    dataset->tail.env = dataset->env;
    for (i = 0; i < dataset->count; i++) {
        ob_source *s = dataset->source + i;
        s->used = s->count;
        if (held_out_share <= 0.0) continue;
        if (s->streamed)
            return ob_fail(ONEBIT_USAGE, "dataset: a stream has no tail to hold out; name other "
                                         "data with --val-data-dir");
        if (s->count < 2)
            return ob_fail(ONEBIT_USAGE, "dataset: 1 token cannot be split, 2 are needed");
        ob_source_split(s, dataset->end, held_out_share);
        if (dataset->count > 1) OB_TRY(ob_source_tail(&dataset->tail, s));
    }
    return ONEBIT_OK;
}

/* ---- streams ---- */
/* A stream reads pieces into a buffer of ids of fixed size, trains on its windows in shuffled
   order, and reads the next. The buffer is cut like a small data set of its own, so the tokens at
   its end that make no whole window are passed over. Its place is where its first piece begins:
   a resumed run reads that buffer again and goes on in it. */

/* Fills the buffer from at.file, at.offset. A piece that does not fit begins the next buffer, and
   the end of a pass ends a buffer. */
static onebit_status ob_stream_fill(ob_source *s) {
    ob_id_list *v = &s->list;
    ob_feed *f = &s->feed;
    ob_chunk piece;
    onebit_status status = ONEBIT_OK;
    s->next = s->at;
    v->n = 0;
    if (s->once && s->at.epoch > 0)
        return ob_fail(ONEBIT_LIMIT,
                       "the standard input is at its end: a stream of it is read once");
    if (!s->once && (s->at.file != f->file || s->at.offset != f->offset || !f->data))
        ob_feed_seek(f, (size_t)s->at.file, (size_t)s->at.offset);
    while (status == ONEBIT_OK) {
        status = ob_feed_next(f, &piece);
        if (status == ONEBIT_OK) status = ob_list_piece(v, &piece, ob_feed_path(f));
        s->next.file = f->file, s->next.offset = f->last;
    }
    if (status == ONEBIT_LIMIT && v->n == 0) /* a row, since plain text is cut to fit */
        return ob_fail(ONEBIT_CONFIG, "%.200s: a document at byte %.0f does not fit: raise "
                                     "--stream-buffer (now %.0f)",
                       ob_feed_path(f), (double)s->next.offset, (double)v->capacity);
    if (status == ONEBIT_CANCELLED) {
        s->next.file = s->next.offset = 0;
        s->next.epoch++;
    } else if (status != ONEBIT_LIMIT) return status;
    else f->offset = f->last;
    s->next.fill++;
    s->next.index = 0;
    s->ready = 1;
    ob_source_take(s);
    return ONEBIT_OK;
}

/* Tokens of one pass over a stream: read and tokenised once, without keeping any. */
static onebit_status ob_stream_count(ob_source *s, double *count) {
    onebit_place start = s->at;
    onebit_status status = ONEBIT_OK;
    *count = 0;
    memset(&s->at, 0, sizeof s->at);
    while (status == ONEBIT_OK && s->at.epoch == 0) {
        status = ob_stream_fill(s);
        *count += (double)s->count;
        s->at = s->next;
    }
    s->at = start;
    s->ready = 0;
    return status;
}

/* A number below 2^53, not 0, that changes when the data does: ids, their number, shares, buffers.
   Of a long text at most 4096 parts are looked at; of a stream, the names. */
static double ob_dataset_print(const onebit_dataset *d) {
    const size_t part = 1024;
    uint64_t hash = (uint64_t)d->count;
    size_t i, at, n;
    int s;
    for (s = 0; s < d->count; s++) {
        const ob_source *from = d->source + s;
        size_t step = from->count / 4096 > part ? from->count / 4096 : part;
        uint64_t all[2];
        all[0] = from->streamed ? from->list.capacity : from->count;
        memcpy(&all[1], &from->share, sizeof all[1]);
        hash = ob_hash64((const uint8_t *)all, sizeof all, hash);
        for (i = 0; from->streamed && i < from->files.count; i++) {
            const char *path = from->files.paths.p + ob_files_at(&from->files, i)->path;
            const char *slash = strrchr(path, '/');
            path = slash ? slash : path;
            hash = ob_hash64((const uint8_t *)path, strlen(path), hash);
        }
        for (at = 0; !from->streamed && at < from->count; at += step) {
            n = from->count - at < part ? from->count - at : part;
            hash = ob_hash64((const uint8_t *)(from->ids + at), n * sizeof(int32_t), hash);
        }
    }
    return (double)((hash >> 11) | 1);
}

/* ---- windows ---- */

/* One key per (seed, epoch, use). */
static uint64_t ob_order_key(uint64_t seed, uint64_t epoch, uint64_t use) {
    uint64_t key = ob_mix64(seed + OB_GOLDEN);
    key = ob_mix64(key ^ (epoch + OB_GOLDEN));
    return ob_mix64(key ^ (use + OB_GOLDEN));
}

/* Permutation of [0, n): where does index i go? A balanced Feistel network permutes [0, 4^h) >= n
   whatever its round function is; walking on until the value falls below n keeps it a permutation
   of [0, n) (cycle walking; Black and Rogaway 2002). Fewer than four steps on average; no table. */
static uint64_t ob_permute(uint64_t i, uint64_t n, uint64_t key) {
    int half = 1, round;
    uint64_t mask, left, right, next;
    while (half < 32 && ((uint64_t)1 << (2 * half)) < n) half++;
    mask = ((uint64_t)1 << half) - 1;
    do {
        left = i >> half;
        right = i & mask;
        for (round = 0; round < 6; round++) {
            next = left ^ (ob_mix64(right + key + (uint64_t)round * OB_GOLDEN) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* The seed of a source's windows, and the number of the cut that they come from: a buffer of a
   stream is cut like an epoch. Sources of one mixture are shuffled apart. */
static uint64_t ob_source_key(const onebit_dataset *d, const ob_source *s, uint64_t use) {
    uint64_t seed = d->seed + ((uint64_t)(s - d->source) << 32);
    return ob_order_key(seed, s->streamed ? s->at.fill : s->at.epoch, use);
}

/* Where an epoch is cut and how many windows of T it has; 0 when used <= T. A window is T inputs
   and one more token, the last target, which the next window starts with. The offset changes with
   the epoch, so that a token does not always stand at the same place of a window; it is at most
   T - 1, so that little text is skipped. */
static void ob_epoch_cut(const onebit_dataset *d, const ob_source *s, size_t T, size_t *offset,
                         size_t *windows) {
    size_t room = s->used > T ? s->used - T : 0; /* offsets that leave one whole window */
    *offset = *windows = 0;
    if (room == 0) return;
    *offset = (size_t)(ob_source_key(d, s, 0) % (room < T ? room : T));
    *windows = (s->used - 1 - *offset) / T;
}

/* Where the window that is cut at `at` begins: at the end token before the first document that
   starts within half a window, so that what a document says stands before what is asked about it
   and a model meets document starts as it will in use; else at the cut. */
static size_t ob_window_start(const ob_source *s, int end, size_t at, size_t t) {
    size_t i, reach = at + t / 2;
    for (i = at; end >= 0 && i <= reach && i + t < s->used; i++)
        if (s->ids[i] == end) return i;
    return at;
}

/* Too little data for one window. */
static onebit_status ob_too_short(const ob_source *s, size_t t) {
    const char *name = s->files.sources ? s->files.paths.p + s->files.name[0] : "the training data";
    return ob_fail(ONEBIT_USAGE, "%.200s has %.0f tokens, but windows of %.0f need %.0f", name,
                   (double)s->used, (double)t, (double)t + 1.0);
}

/* Finds the cut that the next window comes from; the next epoch or buffer begins where one is used
   up. Buffers may hold no window (the last of a pass), whole passes may not. */
static onebit_status ob_source_cut(const onebit_dataset *d, ob_source *s, size_t t, size_t *offset,
                                   size_t *windows) {
    uint64_t barren = s->at.epoch + 2;
    if (!s->streamed && s->used <= t) return ob_too_short(s, t);
    for (;;) {
        if (s->streamed && !s->ready) OB_TRY(ob_stream_fill(s));
        ob_epoch_cut(d, s, t, offset, windows);
        if (s->at.index < *windows) return ONEBIT_OK;
        if (s->streamed) s->at = s->next, s->ready = 0;
        else s->at.epoch++, s->at.index = 0;
        if (*windows) barren = s->at.epoch + 2;
        else if (s->at.epoch >= barren) return ob_too_short(s, t);
    }
}

/* Which source the next window comes from, drawn by the shares. */
static ob_source *ob_draw_source(onebit_dataset *d) {
    int i = 0;
    double u;
    if (d->count == 1) return d->source;
    u = ob_unit_double(ob_order_key(d->seed, d->draws++, 2));
    while (i + 1 < d->count && u >= d->source[i].share) i++;
    return d->source + i;
}

/* inputs and targets [B][T]. All state is the position: the order is computed, not stored, so a
   resumed run sees just the windows that the stopped one would have seen. One epoch may end and
   the next begin inside a batch. */
ONEBIT_API onebit_status onebit_dataset_batch(onebit_dataset *dataset, int32_t *inputs,
                                              int32_t *targets, int B, int T) {
    size_t offset = 0, windows = 0, at, i, t = T > 0 ? (size_t)T : 0;
    ob_source *s;
    int b;
    if (!dataset || !inputs || !targets || B < 1 || T < 1)
        return ob_fail(ONEBIT_USAGE, "dataset: a batch needs B >= 1, T >= 1 and two arrays of B*T");
    for (b = 0; b < B; b++, inputs += t, targets += t) {
        s = ob_draw_source(dataset);
        OB_TRY(ob_source_cut(dataset, s, t, &offset, &windows));
        at = offset +
             t * (size_t)ob_permute(s->at.index, windows, ob_source_key(dataset, s, 1));
        at = ob_window_start(s, dataset->end, at, t);
        memcpy(inputs, s->ids + at, t * sizeof *inputs);
        memcpy(targets, s->ids + at + 1, t * sizeof *targets);
        for (i = 0; s->scored && i < t; i++)
            if (!s->scored[at + 1 + i]) targets[i] = -1;
        s->at.index++;
    }
    return ONEBIT_OK;
}

/* A checkpoint keeps this position; without a dataset it is the start of seed 1. */
ONEBIT_API onebit_position onebit_dataset_tell(const onebit_dataset *dataset) {
    onebit_position p;
    int i;
    memset(&p, 0, sizeof p);
    p.seed = 1;
    if (!dataset) return p;
    p.seed = dataset->seed, p.draws = dataset->draws;
    p.epoch = dataset->source->at.epoch, p.index = dataset->source->at.index;
    for (i = 0; i < dataset->count; i++) p.place[i] = dataset->source[i].at;
    p.place[0].epoch = p.place[0].index = 0;
    return p;
}

/* Any position is allowed: an index past the last window starts the next epoch, and a stream whose
   files have changed goes on where they still are. */
ONEBIT_API void onebit_dataset_seek(onebit_dataset *dataset, onebit_position position) {
    int i;
    if (!dataset) return;
    dataset->seed = position.seed, dataset->draws = position.draws;
    position.place[0].epoch = position.epoch, position.place[0].index = position.index;
    for (i = 0; i < dataset->count; i++) {
        ob_source *s = dataset->source + i;
        s->at = position.place[i];
        if (!s->once) s->ready = 0; /* what was read of the input stays */
    }
}

/* ---- opening ---- */

/* Ids of a single .tokens file are used in place (byte 12 of a mapping is aligned for them) where
   the host is little-endian: a corpus larger than memory can be trained on, and opening it costs
   one pass that checks the ids. They are checked now, because an id beyond the vocabulary would be
   found only steps later, in the middle of training. */
static onebit_status ob_source_map(ob_source *s, const char *path,
                                   const onebit_tokenizer *tokenizer, const onebit_env *env) {
    int limit = tokenizer ? onebit_tokenizer_vocab_size(tokenizer) : 0;
    size_t count = 0, i;
    OB_TRY(ob_map_open(&s->map, path));
    OB_TRY(ob_tokens_count(path, &s->map, &count));
    if (ob_is_little_endian()) {
        s->ids = (const int32_t *)(const void *)(s->map.data + OB_TOKENS_HEAD);
        s->count = s->used = count;
    } else {
        s->list.env = *env;
        OB_TRY(ob_list_resize(&s->list, count));
        for (i = 0; i < count; i++)
            s->list.p[i] = (int32_t)ob_get32(s->map.data + OB_TOKENS_HEAD + 4 * i);
        s->list.n = count;
        ob_source_take(s);
    }
    if (ob_ids_check(path, s->ids, s->count, limit) != ONEBIT_OK)
        return ONEBIT_FORMAT; /* the file is at fault */
    return ONEBIT_OK;
}

/* Text becomes ids while it is read; documents are cut only where their ids stay the same. The list
   doubles and is then cut to its ids: the peak is two to three times the ids, 8 to 12 bytes per
   token. */
static onebit_status ob_source_read(ob_source *s) {
    ob_chunk piece;
    onebit_status status = ONEBIT_OK;
    s->feed.hard = SIZE_MAX;
    while (status == ONEBIT_OK) {
        status = ob_feed_next(&s->feed, &piece);
        if (status == ONEBIT_OK) status = ob_list_piece(&s->list, &piece, ob_feed_path(&s->feed));
    }
    if (status != ONEBIT_CANCELLED) return status;
    OB_TRY(ob_list_resize(&s->list, s->list.n ? s->list.n : 1));
    ob_source_take(s);
    return ONEBIT_OK;
}

/* A buffer for a stream, and the sizes of pieces that always fit it. */
static onebit_status ob_source_stream(ob_source *s, size_t buffer) {
    size_t i;
    s->streamed = 1;
    s->feed.input = NULL;
    s->feed.soft = buffer / 4 < OB_PIECE ? buffer / 4 : OB_PIECE;
    s->feed.hard = 2 * s->feed.soft;
    for (i = 0; i < s->files.count; i++)
        if (ob_files_at(&s->files, i)->kind == OB_INPUT) s->once = 1;
    OB_TRY(ob_list_resize(&s->list, buffer));
    s->list.fixed = 1;
    return ONEBIT_OK;
}

/* Opens one source: its files by its path or paths. */
static onebit_status ob_source_open(onebit_dataset *out, ob_source *s, const char *paths,
                                    const onebit_tokenizer *tokenizer, ob_data *d) {
    onebit_status status = ONEBIT_OK;
    ob_files_begin(&s->files, &d->env);
    OB_TRY(ob_files_collect(&s->files, paths, d->options.part, &d->env));
    out->valid_files += s->files.valid;
    if (s->files.note.p) ob_buffer_text(&out->note, s->files.note.p);
    if (s->files.count == 1 && s->files.tokens == 1 && s->files.sources == 1)
        return ob_source_map(s, s->files.paths.p + ob_files_at(&s->files, 0)->path, tokenizer,
                             &d->env);
    if (!tokenizer) return ob_fail(ONEBIT_USAGE, "%.200s: text needs a tokenizer", paths);
    s->list.env = d->env;
    s->list.tokenizer = tokenizer;
    OB_TRY(ob_data_feed(d, &s->feed, &s->files));
    if (d->options.stream_buffer)
        return ob_source_stream(s, (size_t)d->options.stream_buffer / (size_t)out->count);
    status = ob_source_read(s);
    out->talks += s->feed.talks;
    ob_feed_free(&s->feed);
    return status;
}

/* One weight of a list such as "3,1,1"; *text moves behind it. */
static onebit_status ob_next_weight(const char **text, double *weight) {
    size_t n = strcspn(*text, ",");
    if (!ob_number_parse(ob_slice_on(*text, n), weight) || !(*weight > 0.0 && *weight <= 1e9))
        return ob_fail(ONEBIT_CONFIG,
                       "--data-weights: '%.*s' is no number above 0; one for each path of the "
                       "data is expected, such as 3,1,1",
                       (int)(n < 40 ? n : 40), *text);
    *text += n + ((*text)[n] == ',');
    return ONEBIT_OK;
}

/* Opens a source for each path, with its share of the windows. */
static onebit_status ob_dataset_mixture(onebit_dataset *out, const char *paths,
                                        const onebit_tokenizer *tokenizer, ob_data *d) {
    const char *weights = d->options.weights;
    char path[OB_PATH_MAX];
    double weight, sum = 0;
    onebit_status status = ONEBIT_OK;
    int i;
    for (i = 0; ob_next_path(&paths, path, &status); i++) {
        OB_TRY(ob_next_weight(&weights, &weight));
        OB_TRY(ob_source_open(out, out->source + i, path, tokenizer, d));
        out->source[i].share = sum += weight;
    }
    OB_TRY(status);
    if (*weights)
        return ob_fail(ONEBIT_CONFIG, "--data-weights: more weights than paths of data: '%.80s'",
                       d->options.weights);
    for (i = 0; i < out->count; i++) out->source[i].share /= sum;
    return ONEBIT_OK;
}

/* How many paths a list has; above the limit, the limit + 1. */
static int ob_path_count(const char *paths) {
    char path[OB_PATH_MAX];
    onebit_status status = ONEBIT_OK;
    int n = 0;
    while (n <= ONEBIT_MAX_SOURCES && ob_next_path(&paths, path, &status)) n++;
    return n;
}

/* Without weights all paths are one source, read one behind the other. */
static onebit_status ob_dataset_read(onebit_dataset **out, const char *paths,
                                     const onebit_tokenizer *tokenizer, ob_data *data) {
    int weighted = data->options.weights && *data->options.weights;
    int count = weighted ? ob_path_count(paths) : 1;
    onebit_dataset *d;
    onebit_status status;
    if (count < 1 || count > ONEBIT_MAX_SOURCES)
        return ob_fail(ONEBIT_USAGE, "--data-weights: 1 to %d paths are expected",
                       ONEBIT_MAX_SOURCES);
    d = ob_dataset_new(&data->env, count);
    if (!d) return ONEBIT_MEMORY;
    d->end = tokenizer ? onebit_tokenizer_end(tokenizer) : -1;
    if (weighted) status = ob_dataset_mixture(d, paths, tokenizer, data);
    else status = ob_source_open(d, d->source, paths, tokenizer, data);
    if (status != ONEBIT_OK) {
        onebit_dataset_free(d);
        return status;
    }
    *out = d;
    return ONEBIT_OK;
}

#define OB_STREAM_LEAST 1024 /* tokens of a stream's buffer, as for the setting */

/* The size of the buffer is looked at before any file is opened. */
ONEBIT_API onebit_status onebit_dataset_open(onebit_dataset **out, const char *path,
                                             const onebit_tokenizer *tokenizer,
                                             const onebit_data_options *options,
                                             const onebit_env *env) {
    ob_data d;
    onebit_status status;
    if (out) *out = NULL;
    if (!out || !path) return ob_fail(ONEBIT_USAGE, "dataset: an argument is NULL");
    if (options && options->stream_buffer && options->stream_buffer < OB_STREAM_LEAST)
        return ob_fail(ONEBIT_CONFIG, "--stream-buffer: at least %d tokens are needed",
                       OB_STREAM_LEAST);
    ob_data_begin(&d, options, env);
    status = ob_dataset_read(out, path, tokenizer, &d);
    ob_data_end(&d);
    return status;
}

/* Is any source a stream; with once = 1: a stream of the standard input? */
static int ob_dataset_streams(const onebit_dataset *d, int once) {
    int i;
    for (i = 0; i < d->count; i++)
        if (once ? d->source[i].once : d->source[i].streamed) return 1;
    return 0;
}

/* Tokens of one pass over all sources; reads streams to their end. */
static onebit_status ob_dataset_count(onebit_dataset *d, double *count) {
    double one;
    int i;
    *count = 0;
    for (i = 0; i < d->count; i++) {
        ob_source *s = d->source + i;
        one = (double)s->used;
        if (s->streamed) OB_TRY(ob_stream_count(s, &one));
        *count += one;
    }
    return ONEBIT_OK;
}

/* Written by way of a temporary file, so a reader never sees half of it. */
ONEBIT_API onebit_status onebit_tokens_write(const char *path, const int32_t *ids, size_t count) {
    uint8_t piece[4096];
    ob_sink sink;
    size_t i, n = 0;
    if (!path || (!ids && count)) return ob_fail(ONEBIT_USAGE, "tokens: an argument is NULL");
    OB_TRY(ob_ids_check(path, ids, count, 0));
    OB_TRY(ob_sink_open(&sink, path));
    memcpy(piece, "TKN2", 4);
    ob_put64(piece + 4, count);
    ob_sink_write(&sink, piece, OB_TOKENS_HEAD);
    for (i = 0; i < count; i++) {
        ob_put32(piece + n, (uint32_t)ids[i]);
        n += 4;
        if (n < sizeof piece && i + 1 < count) continue;
        ob_sink_write(&sink, piece, n);
        n = 0;
    }
    return ob_sink_commit(&sink);
}

/* =================================================================================================
   8 >>format   how matrices are stored: quantise, pack, unpack, bytes of each layout.
   uses: base                                               used by: kernels ops model files session
   ============================================================================================== */

/* Every matrix format holds 16 rows interleaved, so that one sequential stream feeds 16 outputs:
   rows are padded to 16, columns to the group below, blocks of 16 rows follow each other.

     f32x16   per column: 16 floats, one per row
     f16x16   per column: 16 halves
     q8x16    per 4 columns k..:   64 bytes; byte 4*row + j          = int8 code of column k + j
     t2x16    per 16 columns k..:  64 bytes; byte 4*row + j, bits 2p: code + 1 of column k + 4p + j
     b1x16    per 32 columns k..:  64 bytes; byte 4*row + j, bit p: code > 0 of column k + 4p + j
     t5x16    per 20 columns k..:  64 bytes; byte 4*row + j = sum over i = 0..4 of
              (code + 1 of column k + 4i + j) * 3^i: five trits, 1.6 bits per weight

   Padding holds the code 0 (t2: bits 01, t5: byte 121, b1: bit 0 against inputs padded with zeros).
   Seen as little-endian words, word `row` of a 64-byte group holds that row's columns, which is
   what the unpacker uses. plain: row-major float32, for norm gains. The bytes 243 to 255 stand for
   no five trits; every reader takes them as five codes 0, so a damaged file can do no harm. */
typedef enum ob_format {
    OB_PLAIN,
    OB_F32X16,
    OB_F16X16,
    OB_Q8X16,
    OB_T2X16,
    OB_B1X16,
    OB_T5X16,
    OB_FORMAT_COUNT,
    OB_DENSE /* row-major float codes, only in memory, while training */
} ob_format;

static const char *const ob_format_names[OB_FORMAT_COUNT] = {"f32",   "f32x16", "f16x16", "q8x16",
                                                             "t2x16", "b1x16",  "t5x16"};

/* Columns of one group, and bytes that a group of 16 rows takes. */
static const int ob_format_columns[OB_FORMAT_COUNT] = {1, 1, 1, 4, 16, 32, 20};
static const int ob_format_group_bytes[OB_FORMAT_COUNT] = {4, 64, 32, 64, 64, 64, 64};

/* The format that stores a mode. */
static ob_format ob_mode_format(int mode) {
    static const ob_format formats[ONEBIT_MODE_COUNT] = {OB_F32X16, OB_F16X16, OB_Q8X16, OB_T2X16,
                                                         OB_B1X16};
    return formats[mode];
}

/* True for the modes whose codes are small integers, with int8 inputs. */
static int ob_mode_is_integer(int mode) { return mode >= ONEBIT_8BIT; }

/* Scales of one row when `group` weights share one; the last group may be shorter. */
static size_t ob_row_groups(int cols, int group) {
    return ((size_t)cols + (size_t)group - 1) / (size_t)group;
}

/* Scales that a stored matrix has: one per row in 8bit; in ternary and binary one for all, or
   [rows][groups] when group is not 0. At most 2^31 within the bounds of a config. */
static uint64_t ob_scale_count(int mode, int rows, int cols, int group) {
    if (mode == ONEBIT_8BIT) return (uint64_t)rows;
    if (mode != ONEBIT_TERNARY && mode != ONEBIT_BINARY) return 0;
    return group ? (uint64_t)rows * ob_row_groups(cols, group) : 1;
}

/* Packed bytes of one block of 16 rows; the whole matrix is this times ceil(rows / 16). rows and
   cols are at most 2^20, so nothing overflows 64 bits. */
static uint64_t ob_block_bytes(ob_format format, int cols) {
    int group = ob_format_columns[format];
    return (uint64_t)((cols + group - 1) / group) * (uint64_t)ob_format_group_bytes[format];
}

/* Bytes of a whole matrix, padding rows included; scales are counted apart. */
static uint64_t ob_format_bytes(ob_format format, int rows, int cols) {
    if (format == OB_PLAIN) return (uint64_t)rows * (uint64_t)cols * 4;
    return (uint64_t)((rows + 15) / 16) * ob_block_bytes(format, cols);
}

/* ---- Quantisers: latent weights to codes, code * scale approximates the weight --------------- */
/* Latents are the float weights that the optimizer moves; codes are what a product uses. Each
   formula stands here once and serves training, evaluation and export, so the exported model
   computes what the trainer evaluated. */

/* Round half to even for |x| < 2^22, without a library call, so that it vectorises. */
OB_BODY float ob_round(float x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: the sum has no bits left for a fraction */
    return (x + magic) - magic;
}

/* Two selects, not fminf and fmaxf, whose rules for NaN keep loops from vectorising. NaN stays
   NaN. */
OB_BODY float ob_clampf(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* fabsf without a library call in an inner loop; -0 stays -0, which no caller minds. */
OB_BODY float ob_absf(float x) { return x < 0.0f ? -x : x; }

/* Half to float for a whole vector at a time: no branch but two selects. */
OB_BODY float ob_half(uint32_t h) {
    uint32_t magnitude = (h & 0x7fffu) << 13, bits;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 5.192296858534828e33f; /* 2^112: moves the exponent bias, subnormals included */
    memcpy(&bits, &value, 4);
    bits = magnitude >= (31u << 23) ? magnitude | 0x7f800000u : bits;
    bits |= (h & 0x8000u) << 16;
    memcpy(&value, &bits, 4);
    return value;
}

/* How one matrix is quantised: its mode and the options of DESIGN's linear layer. */
typedef struct ob_quantizer {
    int mode;
    int dynamic; /* ternary threshold 0.7 * scale instead of rounding W / scale */
    int median;  /* ternary and binary scale is the median of |W|, not the mean */
    int half;    /* scales are rounded to f16 */
    int group;   /* weights of a row that share a scale; 0 = the whole tensor, or a row in 8bit */
    float clamp; /* latents are clamped to +-clamp first; 0 = off */
    float soft,
        keep; /* codes become keep * code + soft * W / scale (annealing, Arenas); 0, 1 = hard */
} ob_quantizer;

/* Sum and maximum of |w| over a row, latents clamped. 16 lanes in a fixed order, whatever the
   machine. */
OB_BODY void ob_magnitude_body(const float *w, int n, float clamp, float *sum, float *largest) {
    float lane[16], peak[16], total = 0.0f, most = 0.0f;
    int i, j;
    for (j = 0; j < 16; j++) lane[j] = peak[j] = 0.0f;
    for (i = 0; i < n; i += 16)
        for (j = 0; j < (n - i < 16 ? n - i : 16); j++) {
            float a = ob_absf(w[i + j]);
            a = a > clamp ? clamp : a;
            lane[j] += a;
            peak[j] = a > peak[j] ? a : peak[j];
        }
    for (j = 0; j < 16; j++) total += lane[j];
    for (j = 0; j < 16; j++) most = peak[j] > most ? peak[j] : most;
    *sum = total;
    *largest = most;
}

/* The scale as it will be stored. It is rounded before codes are made with it, so a file with f16
   scales (GGUF) holds exactly what was trained. 65504 is the largest half. */
static float ob_stored_scale(const ob_quantizer *z, float scale) {
    if (!z->half) return scale;
    scale = ob_f16_to_f32(ob_f32_to_f16(scale));
    return scale > 65504.0f ? 65504.0f : scale;
}

/* Scale of ternary and binary from the mean or median of |W|; BitNet's floor of 1e-5 keeps zeros
   from dividing. */
static float ob_tensor_scale(const ob_quantizer *z, float middle) {
    return ob_stored_scale(z, middle > 1e-5f ? middle : 1e-5f);
}

/* Scale of a row in 8bit mode: absmax / 127; 0 for a row of zeros. */
static float ob_row_scale(const ob_quantizer *z, float largest) {
    return ob_stored_scale(z, largest / 127.0f);
}

/* The bound that clamps latents, or one that no float32 reaches. */
static float ob_clamp_bound(const ob_quantizer *z) { return z->clamp > 0 ? z->clamp : 3e38f; }

/* ---- The median of |w|: a radix select, byte by byte from the top ---- */
/* The bits of floats that are not negative sort like the floats, so four rounds of counting find
   the number of a rank exactly, in any order of counting, without memory for a copy. */

/* Adds the row's numbers to count[256] by their byte at `shift`: those whose higher bytes are
   prefix. */
static void ob_median_count(uint64_t *count, const float *w, int n, float clamp, uint32_t prefix,
                            int shift) {
    int i;
    for (i = 0; i < n; i++) {
        uint32_t bits = ob_float_bits(ob_clampf(w[i], -clamp, clamp)) & 0x7FFFFFFFu;
        if (bits >> shift >> 8 == prefix) count[bits >> shift & 255u]++;
    }
}

/* The prefix with the byte in which the rank falls; *rank becomes the rank among its numbers. */
static uint32_t ob_median_narrow(const uint64_t *count, uint32_t prefix, uint64_t *rank) {
    uint32_t byte = 0;
    while (byte < 255 && *rank >= count[byte]) *rank -= count[byte++];
    return prefix << 8 | byte;
}

/* The lower median of |w|, n >= 1: of an even number the smaller of the middle two, as
   torch.median. */
static float ob_median(const float *w, int n, float clamp) {
    uint64_t count[256], rank = (uint64_t)(n - 1) / 2;
    uint32_t prefix = 0;
    int shift;
    for (shift = 24; shift >= 0; shift -= 8) {
        memset(count, 0, sizeof count);
        ob_median_count(count, w, n, clamp, prefix, shift);
        prefix = ob_median_narrow(count, prefix, &rank);
    }
    return ob_bits_float(prefix);
}

/* Rounds v / s to the nearest code within +-most. */
OB_BODY float ob_round_code(float v, float inverse, float most) {
    return ob_clampf(ob_round(v * inverse), -most, most);
}

/* The float that a half keeps of x: ob_half(ob_f32_to_f16(x)), in steps that vectorise. Below 2^-14
   halves are multiples of 2^-24, the last place of floats from 0.5 to 1. */
OB_BODY float ob_round_half(float x) {
    uint32_t bits = ob_float_bits(x), size = bits & 0x7FFFFFFFu;
    uint32_t rounded = (size + 0xFFFu + (size >> 13 & 1u)) & ~0x1FFFu;
    uint32_t tiny = ob_float_bits((ob_bits_float(size) + 0.5f) - 0.5f);
    rounded = size < 0x38800000u ? tiny : rounded;
    rounded = rounded > 0x477FFFFFu ? 0x7F800000u : rounded;        /* over 65504 */
    rounded = size > 0x7F800000u ? (size | 0x400000u) & ~0x1FFFu : rounded; /* NaN */
    return ob_bits_float(rounded | (bits & 0x80000000u));
}

/* Codes of one row: out[i] * scale stands for w[i]. f32 and f16 have scale 1. The blended codes
   of annealing are no integers; then the matrix is not exact and runs as float. A row of zeros
   has scale 0 in 8bit mode: its inverse is taken as 0, and its codes are 0. */
OB_BODY void ob_quantize_body(float *out, const float *w, int n, const ob_quantizer *z,
                              float scale) {
    float inverse = scale > 0.0f ? 1.0f / scale : 0.0f, clamp = z->clamp > 0 ? z->clamp : 3e38f;
    float keep = z->keep, soft = z->soft * inverse, threshold = 0.7f * scale;
    int i, hard = keep == 1.0f && soft == 0.0f;
    for (i = 0; i < n; i++) out[i] = ob_clampf(w[i], -clamp, clamp);
    if (z->mode == ONEBIT_F32) return;
    if (z->mode == ONEBIT_F16) {
        for (i = 0; i < n; i++) out[i] = ob_round_half(out[i]);
        return;
    }
    if (!hard) {
        for (i = 0; i < n; i++) {
            float v = out[i], q = ob_round_code(v, inverse, z->mode == ONEBIT_8BIT ? 127.0f : 1.0f);
            if (z->mode == ONEBIT_BINARY) q = v >= 0.0f ? 1.0f : -1.0f;
            else if (z->dynamic && z->mode == ONEBIT_TERNARY)
                q = v > threshold ? 1.0f : v < -threshold ? -1.0f : 0.0f;
            out[i] = keep * q + soft * v;
        }
    } else if (z->mode == ONEBIT_8BIT) {
        for (i = 0; i < n; i++) out[i] = ob_round_code(out[i], inverse, 127.0f);
    } else if (z->mode == ONEBIT_BINARY) {
        for (i = 0; i < n; i++) out[i] = out[i] >= 0.0f ? 1.0f : -1.0f;
    } else if (z->dynamic) {
        for (i = 0; i < n; i++)
            out[i] = out[i] > threshold ? 1.0f : out[i] < -threshold ? -1.0f : 0.0f;
    } else {
        for (i = 0; i < n; i++) out[i] = ob_round_code(out[i], inverse, 1.0f);
    }
}

/* ---- Packing --------------------------------------------------------------------------------- */
/* Runs once per tensor at export, one code at a time; speed is not asked for here. Only
   unpacking is in the path of every token. */

/* Position and shift of a code inside a block of 16 rows; the shift in t5x16 is the trit's number
   in its byte. */
static void ob_code_place(ob_format format, int row, int col, size_t *at, int *shift) {
    int group = ob_format_columns[format], k = col / group, inside = col % group;
    int width = format == OB_Q8X16 ? 8 : format == OB_T2X16 ? 2 : 1;
    *at = (size_t)k * 64 + (size_t)row * 4 + (size_t)(inside & 3);
    *shift = (inside >> 2) * width;
}

/* What one trit counts in a byte of t5x16. */
static const int ob_powers_of_3[5] = {1, 3, 9, 27, 81};

/* code is the float value of the code: any number in f32 and f16, else an integer within +-127,
   +-1 or one of -1, 1. Bits of b1 are only ever set and trits only ever moved from 0, which is why
   the block must start cleared. */
static void ob_pack_code(uint8_t *block, ob_format format, int row, int col, float code) {
    size_t at = (size_t)col * 16 + (size_t)row;
    int shift = 0;
    if (format == OB_F32X16) {
        ob_putf32(block + 4 * at, code);
    } else if (format == OB_F16X16) {
        ob_put16(block + 2 * at, ob_f32_to_f16(code));
    } else {
        ob_code_place(format, row, col, &at, &shift);
        if (format == OB_Q8X16) block[at] = (uint8_t)(int)code;
        else if (format == OB_T2X16)
            block[at] = (uint8_t)((block[at] & ~(3 << shift)) | (((int)code + 1) << shift));
        else if (format == OB_T5X16)
            block[at] = (uint8_t)(block[at] + (int)code * ob_powers_of_3[shift]);
        else if (code > 0) block[at] = (uint8_t)(block[at] | (1 << shift));
    }
}

/* Fills a matrix with the code 0. */
static void ob_pack_clear(uint8_t *data, ob_format format, int rows, int cols) {
    int zero = format == OB_T2X16 ? 0x55 : format == OB_T5X16 ? 121 : 0; /* 121 = 11111 in base 3 */
    memset(data, zero, (size_t)ob_format_bytes(format, rows, cols));
}

/* ---- Unpacking ------------------------------------------------------------------------------- */
/* A product unpacks the columns it needs into a float panel that stays in the cache and is used
   for all rows of the input. With one token the unpacking is most of the work, with many it
   vanishes. */

/* The 16 little-endian words of a 64-byte group. */
OB_BODY void ob_group_words(uint32_t words[16], const uint8_t *group) {
    int r;
    for (r = 0; r < 16; r++) words[r] = ob_get32(group + 4 * r);
}

/* The code of trit i of a t5x16 byte. Division by 3^i is a multiplication by ceil(65536 / 3^i) and
   a shift, which is exact below 256; bytes beyond 242 count as 121, five zeros. */
OB_BODY int ob_trit(uint32_t byte, int i) {
    static const uint32_t inverse[6] = {65536, 21846, 7282, 2428, 810, 270};
    byte = byte > 242u ? 121u : byte;
    return (int)(byte * inverse[i] >> 16) - 3 * (int)(byte * inverse[i + 1] >> 16) - 1;
}

/* Codes of one column of a group: one shift and mask per row, two multiplications for a trit. */
OB_BODY void ob_group_codes(int32_t *out, const uint32_t words[16], int format, int inside) {
    int r, j = inside & 3, p = inside >> 2;
    if (format == OB_T2X16)
        for (r = 0; r < 16; r++) out[r] = (int32_t)((words[r] >> (8 * j + 2 * p)) & 3u) - 1;
    else if (format == OB_B1X16)
        for (r = 0; r < 16; r++) out[r] = (int32_t)((words[r] >> (8 * j + p)) & 1u) * 2 - 1;
    else if (format == OB_T5X16)
        for (r = 0; r < 16; r++) out[r] = ob_trit((words[r] >> (8 * j)) & 255u, p);
    else
        for (r = 0; r < 16; r++) out[r] = (int32_t)(words[r] << (24 - 8 * j)) >> 24;
}

/* n coded columns of one block: group by group. first is the column of the first group to begin
   with: blocks of a product begin at multiples of 1024, which is inside a group of 20. */
OB_BODY void ob_unpack_groups(float *out, int stride, const uint8_t *block, int format, int first,
                              int n) {
    int group = ob_format_columns[format], i, inside, r;
    uint32_t words[16];
    int32_t codes[16];
    for (i = -first; i < n; i += group, block += 64) {
        ob_group_words(words, block);
        for (inside = i < 0 ? first : 0; inside < group && i + inside < n; inside++) {
            float *column = out + (size_t)(i + inside) * (size_t)stride;
            ob_group_codes(codes, words, format, inside);
            for (r = 0; r < 16; r++) column[r] = (float)codes[r];
        }
    }
}

/* n columns of halves. In parts of 16 columns, through arrays of numbers: a loop over them is long
   enough to be vectorised, one over the 16 rows of a column is not. */
OB_BODY void ob_unpack_halves(float *out, int stride, const uint8_t *block, int n) {
    uint16_t half[256];
    float value[256];
    int i, r, part;
    for (; n > 0; n -= part, block += 32 * (size_t)part) {
        part = n < 16 ? n : 16;
        if (ob_is_little_endian()) memcpy(half, block, 32 * (size_t)part);
        else
            for (r = 0; r < 16 * part; r++) half[r] = ob_get16(block + 2 * r);
        for (r = 0; r < 16 * part; r++) value[r] = ob_half(half[r]);
        for (i = 0; i < part; i++, out += stride) memcpy(out, value + 16 * i, 64);
    }
}

/* Columns [from, from + n) of one block of 16 rows as floats out[i * stride + row]; any from. */
OB_BODY void ob_unpack_body(float *out, int stride, const uint8_t *block, int format, int from,
                            int n) {
    int i, r, first = from % ob_format_columns[format];
    block += (uint64_t)(from / ob_format_columns[format]) * (uint64_t)ob_format_group_bytes[format];
    for (i = 0; i < n && format == OB_F32X16; i++, out += stride)
        for (r = 0; r < 16; r++) out[r] = ob_getf32(block + 64 * (size_t)i + 4 * r);
    if (format == OB_F16X16) ob_unpack_halves(out, stride, block, n);
    if (format == OB_Q8X16) ob_unpack_groups(out, stride, block, OB_Q8X16, first, n);
    if (format == OB_T2X16) ob_unpack_groups(out, stride, block, OB_T2X16, first, n);
    if (format == OB_B1X16) ob_unpack_groups(out, stride, block, OB_B1X16, first, n);
    if (format == OB_T5X16) ob_unpack_groups(out, stride, block, OB_T5X16, first, n);
}

/* One row of codes as floats: for embedding look-up. */
static void ob_unpack_row(float *out, const uint8_t *data, ob_format format, int row, int cols) {
    const uint8_t *block = data + (uint64_t)(row / 16) * ob_block_bytes(format, cols);
    int i, shift;
    size_t at;
    for (i = 0; i < cols; i++) {
        at = (size_t)i * 16 + (size_t)(row % 16);
        if (format == OB_F32X16) {
            out[i] = ob_getf32(block + 4 * at);
        } else if (format == OB_F16X16) {
            out[i] = ob_half(ob_get16(block + 2 * at));
        } else {
            ob_code_place(format, row % 16, i, &at, &shift);
            if (format == OB_Q8X16) out[i] = (float)(int8_t)block[at];
            else if (format == OB_T2X16) out[i] = (float)(((block[at] >> shift) & 3) - 1);
            else if (format == OB_T5X16) out[i] = (float)ob_trit(block[at], shift);
            else out[i] = (float)(((block[at] >> shift) & 1) * 2 - 1);
        }
    }
}

/* =================================================================================================
   9 >>kernels   the inner loops, once per instruction set, and the chooser.
   uses: base system format                                               used by: ops optim
   ============================================================================================== */

/* A loop is written once as an inline body; OB_VARIANTS compiles it for each instruction set. Sums
   run in 16 lanes that are folded in one fixed order and nothing is contracted to fused
   multiply-add, so every variant gives the same bits as the scalar one. The one exception is the
   fused matrix tile, which is only used in the backward pass and by Muon. */
#if OB_X86 && OB_AVX512
#define OB_VARIANT_512(name, parameters, arguments)                                                \
    OB_TARGET_AVX512 static void name##_avx512 parameters { name##_body arguments; }
#else
#define OB_VARIANT_512(name, parameters, arguments)
#endif
#if OB_X86
#define OB_VARIANTS(name, parameters, arguments)                                                   \
    static void name##_scalar parameters { name##_body arguments; }                                \
    OB_TARGET_AVX2 static void name##_avx2 parameters { name##_body arguments; }                   \
    OB_VARIANT_512(name, parameters, arguments)
#else
#define OB_VARIANTS(name, parameters, arguments)                                                   \
    static void name##_scalar parameters { name##_body arguments; }
#endif

/* Folds 16 lanes in pairs: the order every variant follows. */
OB_BODY float ob_fold16(const float lane[16]) {
    float half[8];
    int j;
    for (j = 0; j < 8; j++) half[j] = lane[j] + lane[j + 8];
    for (j = 0; j < 4; j++) half[j] = half[j] + half[j + 4];
    return (half[0] + half[2]) + (half[1] + half[3]);
}

/* Sum of x[i] * y[i]. */
OB_BODY float ob_dot16(const float *x, const float *y, int n) {
    float lane[16];
    int i, j;
    for (j = 0; j < 16; j++) lane[j] = 0.0f;
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++) lane[j] += x[i + j] * y[i + j];
    for (j = 0; i + j < n; j++) lane[j] += x[i + j] * y[i + j];
    return ob_fold16(lane);
}

/* Sum of x[i]. */
OB_BODY float ob_sum16(const float *x, int n) {
    float lane[16];
    int i, j;
    for (j = 0; j < 16; j++) lane[j] = 0.0f;
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++) lane[j] += x[i + j];
    for (j = 0; i + j < n; j++) lane[j] += x[i + j];
    return ob_fold16(lane);
}

/* e^x within 2 ulp for x in [-87, 88], clamped outside. Cody-Waite reduction by ln 2 in two parts
   and the degree-6 Taylor polynomial on [-ln2/2, ln2/2] (remainder below 2^-24). */
OB_BODY float ob_exp(float x) {
    float n, r, p;
    int32_t bits;
    x = x > -87.0f ? x : -87.0f; /* NaN too: the conversion below needs a number */
    x = x < 88.0f ? x : 88.0f;
    n = ob_round(x * 1.44269504f);
    r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    bits = (int32_t)((uint32_t)((int32_t)n + 127) << 23);
    memcpy(&r, &bits, 4);
    return p * r;
}

/* ---- Matrix tile ----------------------------------------------------------------------------- */
/* A product c = a b is cut three times. Columns of b go in panels of nr (16, or 32 with
   AVX-512), inputs in blocks of OB_BLOCK, so that a panel (nr * 1024 floats, 64 or 128 KiB)
   stays in the second cache; rows of a go in tiles whose sums live in registers. The tile reads
   the panel in one stream and each number of a once. Vector lanes are different outputs, never
   parts of one sum: that is why all instruction sets add in the same order. */

/* What a tile does with what c holds: nothing, adds its sum to it, or begins its sum with it. The
   last two differ in their roundings: OB_ADD makes a sum of the sums of blocks, as linear layers
   are defined, OB_CONTINUE one chain in several calls, as attention is. */
enum { OB_SET, OB_ADD, OB_CONTINUE };

/* c[m][nr] = a[m][k] * panel[k][nr]; a has strides rs (row) and cs (column), ldp and ldc are those
   of panel and c. Each output is one chain of sums over k, whatever m is, from 0 or (OB_CONTINUE)
   from c. fused allows multiply-add. */
static void ob_tile_scalar(int m, int k, const float *a, ptrdiff_t rs, ptrdiff_t cs,
                           const float *panel, ptrdiff_t ldp, float *c, ptrdiff_t ldc, int add,
                           int fused) {
    int i, j, l;
    (void)fused;
    for (i = 0; i < m; i++) {
        float s[16];
        for (j = 0; j < 16; j++) s[j] = add == OB_CONTINUE ? c[i * ldc + j] : 0.0f;
        for (l = 0; l < k; l++) {
            float x = a[i * rs + l * cs];
            for (j = 0; j < 16; j++) s[j] += x * panel[l * ldp + j];
        }
        for (j = 0; j < 16; j++) c[i * ldc + j] = add == OB_ADD ? c[i * ldc + j] + s[j] : s[j];
    }
}

#if OB_X86
/* The same with m rows of two registers each kept in registers; m and fused are constants where it
   is called, so the loops unroll. VECTOR is a register of half a panel. */
#define OB_TILE_BODY(NAME, TARGET, VECTOR, HALF, LOAD, STORE, ZERO, SET, ADD, MUL, FMA)            \
    TARGET OB_BODY void NAME(const int m, const int fused, int k, const float *a, ptrdiff_t rs,    \
                             ptrdiff_t cs, const float *panel, ptrdiff_t ldp, float *c,            \
                             ptrdiff_t ldc, int add) {                                             \
        VECTOR s[12][2];                                                                           \
        int i, l;                                                                                  \
        OB_UNROLL for (i = 0; i < m; i++) s[i][0] = s[i][1] = ZERO();                              \
        if (add == OB_CONTINUE)                                                                    \
            OB_UNROLL for (i = 0; i < m; i++) {                                                    \
                s[i][0] = LOAD(c + i * ldc);                                                       \
                s[i][1] = LOAD(c + i * ldc + HALF);                                                \
            }                                                                                      \
        for (l = 0; l < k; l++) {                                                                  \
            VECTOR b0 = LOAD(panel), b1 = LOAD(panel + HALF);                                      \
            panel += ldp;                                                                          \
            OB_UNROLL for (i = 0; i < m; i++) {                                                    \
                VECTOR x = SET(a[i * rs]);                                                         \
                s[i][0] = fused ? FMA(x, b0, s[i][0]) : ADD(s[i][0], MUL(x, b0));                  \
                s[i][1] = fused ? FMA(x, b1, s[i][1]) : ADD(s[i][1], MUL(x, b1));                  \
            }                                                                                      \
            a += cs;                                                                               \
        }                                                                                          \
        OB_UNROLL for (i = 0; i < m; i++) {                                                        \
            float *out = c + i * ldc;                                                              \
            STORE(out, add == OB_ADD ? ADD(LOAD(out), s[i][0]) : s[i][0]);                         \
            STORE(out + HALF, add == OB_ADD ? ADD(LOAD(out + HALF), s[i][1]) : s[i][1]);           \
        }                                                                                          \
    }

/* AVX2 has 16 registers: 6 rows x 2 sums, 2 of the panel and 1 of a fill 15. AVX-512 has 32: 12
   x 2 + 3. Larger tiles would spill sums to memory. */
OB_TILE_BODY(ob_tile16_avx2, OB_TARGET_AVX2, __m256, 8, _mm256_loadu_ps, _mm256_storeu_ps,
             _mm256_setzero_ps, _mm256_set1_ps, _mm256_add_ps, _mm256_mul_ps, _mm256_fmadd_ps)
/* Cuts m rows into tiles of BIG, SMALL and 1 rows. */
#define OB_TILE(NAME, TARGET, BODY, BIG, SMALL)                                                    \
    TARGET static void NAME(int m, int k, const float *a, ptrdiff_t rs, ptrdiff_t cs,              \
                            const float *panel, ptrdiff_t ldp, float *c, ptrdiff_t ldc, int add,   \
                            int fused) {                                                           \
        for (; m >= BIG; m -= BIG, a += BIG * rs, c += BIG * ldc)                                  \
            if (fused) BODY(BIG, 1, k, a, rs, cs, panel, ldp, c, ldc, add);                        \
            else BODY(BIG, 0, k, a, rs, cs, panel, ldp, c, ldc, add);                              \
        for (; m >= SMALL; m -= SMALL, a += SMALL * rs, c += SMALL * ldc)                          \
            if (fused) BODY(SMALL, 1, k, a, rs, cs, panel, ldp, c, ldc, add);                      \
            else BODY(SMALL, 0, k, a, rs, cs, panel, ldp, c, ldc, add);                            \
        for (; m >= 1; m--, a += rs, c += ldc)                                                     \
            if (fused) BODY(1, 1, k, a, rs, cs, panel, ldp, c, ldc, add);                          \
            else BODY(1, 0, k, a, rs, cs, panel, ldp, c, ldc, add);                                \
    }

OB_TILE(ob_tile_avx2, OB_TARGET_AVX2, ob_tile16_avx2, 6, 2)
#if OB_AVX512
OB_TILE_BODY(ob_tile32_avx512, OB_TARGET_AVX512, __m512, 16, _mm512_loadu_ps, _mm512_storeu_ps,
             _mm512_setzero_ps, _mm512_set1_ps, _mm512_add_ps, _mm512_mul_ps, _mm512_fmadd_ps)
OB_TILE(ob_tile_avx512, OB_TARGET_AVX512, ob_tile32_avx512, 12, 4)
#endif
#endif

/* ---- Panels: the right operand of a tile ----------------------------------------------------- */
/* A panel is [k][nr]: for each input the nr outputs side by side, whatever order or packing b
   has. Copying costs k * nr, the tiles after it m * k * nr. */

/* panel[i * nr + j] = b[(from + i) * rs + j * cs] for j < n, zero up to nr. */
OB_BODY void ob_panel_body(float *panel, int nr, const float *b, ptrdiff_t rs, ptrdiff_t cs, int k,
                           int n) {
    int i, j;
    if (cs == 1) {
        for (i = 0; i < k; i++) {
            for (j = 0; j < n; j++) panel[j] = b[j];
            for (; j < nr; j++) panel[j] = 0.0f;
            panel += nr;
            b += rs;
        }
    } else {
        for (j = 0; j < n; j++)
            for (i = 0; i < k; i++) panel[(size_t)i * (size_t)nr + (size_t)j] = b[i * rs + j * cs];
        for (j = n; j < nr; j++)
            for (i = 0; i < k; i++) panel[(size_t)i * (size_t)nr + (size_t)j] = 0.0f;
    }
}
OB_VARIANTS(ob_panel,
            (float *panel, int nr, const float *b, ptrdiff_t rs, ptrdiff_t cs, int k, int n),
            (panel, nr, b, rs, cs, k, n))

/* The same from bytes, in rows. */
OB_BODY void ob_panel8_body(float *panel, int nr, const int8_t *b, ptrdiff_t rs, int k, int n) {
    int i, j;
    for (i = 0; i < k; i++, panel += nr, b += rs) {
        for (j = 0; j < n; j++) panel[j] = (float)b[j];
        for (; j < nr; j++) panel[j] = 0.0f;
    }
}
OB_VARIANTS(ob_panel8, (float *panel, int nr, const int8_t *b, ptrdiff_t rs, int k, int n),
            (panel, nr, b, rs, k, n))

/* Codes as floats. Compilers widen bytes in more steps than the instructions need: gcc 12 goes by
   16 bits and takes twice as long. */
static void ob_widen8_scalar(float *to, const int8_t *codes, int n) {
    int i;
    for (i = 0; i < n; i++) to[i] = (float)codes[i];
}
#if OB_X86
OB_TARGET_AVX2 static void ob_widen8_avx2(float *to, const int8_t *codes, int n) {
    int i;
    for (i = 0; i + 8 <= n; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
                                     _mm_loadl_epi64((const __m128i *)(const void *)(codes + i)))));
    ob_widen8_scalar(to + i, codes + i, n - i);
}
#if OB_AVX512
OB_TARGET_AVX512 static void ob_widen8_avx512(float *to, const int8_t *codes, int n) {
    int i;
    for (i = 0; i + 16 <= n; i += 16)
        _mm512_storeu_ps(to + i, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(
                                     _mm_loadu_si128((const __m128i *)(const void *)(codes + i)))));
    ob_widen8_scalar(to + i, codes + i, n - i);
}
#endif
#endif

/* The same from a q8x16 matrix whose rows are k: rows [from, from + k), columns [col, col + n) with
   col a multiple of 4. */
OB_BODY void ob_panel_q8_body(float *panel, int nr, const uint8_t *data, size_t block_bytes,
                              int from, int k, int col, int n) {
    int i, j, g;
    for (i = 0; i < k; i++, panel += nr) {
        const int8_t *row = (const int8_t *)data + (size_t)((from + i) / 16) * block_bytes +
                            (size_t)(col / 4) * 64 + (size_t)((from + i) % 16) * 4;
        for (g = 0; g < n / 4; g++)
            for (j = 0; j < 4; j++) panel[4 * g + j] = (float)row[64 * g + j];
        for (j = n & ~3; j < n; j++) panel[j] = (float)row[64 * (j / 4) + j % 4];
        for (; j < nr; j++) panel[j] = 0.0f;
    }
}
OB_VARIANTS(ob_panel_q8,
            (float *panel, int nr, const uint8_t *data, size_t block_bytes, int from, int k,
             int col, int n),
            (panel, nr, data, block_bytes, from, k, col, n))

/* Codes of columns [col, col + n) of one row into its place in a q8x16 matrix; col and n are
   multiples of 4, but for the row's end, which is filled up with 0. */
OB_BODY void ob_pack8_body(uint8_t *data, size_t block_bytes, int row, int col, const float *codes,
                           int n) {
    int8_t *to = (int8_t *)data + (size_t)(row / 16) * block_bytes + (size_t)(col / 4) * 64 +
                 (size_t)(row % 16) * 4;
    int i, j;
    for (i = 0; i < n / 4; i++, to += 64)
        for (j = 0; j < 4; j++) to[j] = (int8_t)(int32_t)codes[4 * i + j];
    for (j = 0; n % 4 && j < 4; j++)
        to[j] = (int8_t)(j < n % 4 ? (int32_t)codes[(n & ~3) + j] : 0);
}
OB_VARIANTS(ob_pack8,
            (uint8_t *data, size_t block_bytes, int row, int col, const float *codes, int n),
            (data, block_bytes, row, col, codes, n))

/* The same from a packed block of 16 rows. */
OB_VARIANTS(ob_unpack, (float *out, int stride, const uint8_t *block, int format, int from, int n),
            (out, stride, block, format, from, n))

/* ---- Products of bfloat16 -------------------------------------------------------------------- */
/* For gradients: operands are rounded to 8 bits of fraction (2^-9 of each), products are exact and
   sums are float32. Codes of weights and inputs are exact in them, so of a ternary layer only dy is
   rounded. Operands lie in pairs along k, the even one in the low half of a word: one instruction
   multiplies and adds two. */

/* The upper half of a float, rounded half to even; NaN stays NaN. */
OB_BODY uint32_t ob_bf16(float x) {
    uint32_t bits, rounded;
    memcpy(&bits, &x, 4);
    rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return x == x ? rounded : bits >> 16 | 0x40u;
}

/* A row of n as n / 2 pairs: y = x[i] * (s * w[i * step]); an odd end is filled up with 0. */
OB_BODY void ob_pack16_body(uint32_t *y, const float *x, const float *w, int step, float s, int n) {
    int i;
    if (step == 0) {
        float f = s * w[0];
        for (i = 0; i < n / 2; i++) y[i] = ob_bf16(x[2 * i] * f) | ob_bf16(x[2 * i + 1] * f) << 16;
        if (n % 2) y[i] = ob_bf16(x[n - 1] * f);
    } else {
        for (i = 0; i < n / 2; i++)
            y[i] = ob_bf16(x[2 * i] * (s * w[2 * i])) |
                   ob_bf16(x[2 * i + 1] * (s * w[2 * i + 1])) << 16;
        if (n % 2) y[i] = ob_bf16(x[n - 1] * (s * w[n - 1]));
    }
}
OB_VARIANTS(ob_pack16, (uint32_t *y, const float *x, const float *w, int step, float s, int n),
            (y, x, w, step, s, n))

/* Two rows as n pairs: y[i] = (x0[i] * s0, x1[i] * s1). */
OB_BODY void ob_pair16_body(uint32_t *y, const float *x0, const float *x1, float s0, float s1,
                            int n) {
    int i;
    for (i = 0; i < n; i++) y[i] = ob_bf16(x0[i] * s0) | ob_bf16(x1[i] * s1) << 16;
}
OB_VARIANTS(ob_pair16,
            (uint32_t *y, const float *x0, const float *x1, float s0, float s1, int n),
            (y, x0, x1, s0, s1, n))

/* Panels of pairs, [(k + 1) / 2][nr], from the same sources as panels of floats. zero: nr of them,
   for the second row of the last pair when k is odd. */
OB_BODY void ob_panel16_body(uint32_t *panel, int nr, const float *b, ptrdiff_t rs, int k, int n) {
    int i, j;
    for (i = 0; i < k; i += 2, panel += nr, b += 2 * rs) {
        if (i + 1 < k)
            for (j = 0; j < n; j++) panel[j] = ob_bf16(b[j]) | ob_bf16(b[rs + j]) << 16;
        else
            for (j = 0; j < n; j++) panel[j] = ob_bf16(b[j]);
        for (j = n; j < nr; j++) panel[j] = 0;
    }
}
OB_VARIANTS(ob_panel16, (uint32_t *panel, int nr, const float *b, ptrdiff_t rs, int k, int n),
            (panel, nr, b, rs, k, n))

/* A byte as bfloat16: exact. */
OB_BODY uint32_t ob_byte16(int8_t code) {
    float x = (float)code;
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits >> 16;
}

/* From bytes, in rows. */
OB_BODY void ob_panel8_16_body(uint32_t *panel, int nr, const int8_t *b, ptrdiff_t rs, int k,
                               int n) {
    int i, j;
    for (i = 0; i < k; i += 2, panel += nr, b += 2 * rs) {
        if (i + 1 < k)
            for (j = 0; j < n; j++) panel[j] = ob_byte16(b[j]) | ob_byte16(b[rs + j]) << 16;
        else
            for (j = 0; j < n; j++) panel[j] = ob_byte16(b[j]);
        for (j = n; j < nr; j++) panel[j] = 0;
    }
}
OB_VARIANTS(ob_panel8_16, (uint32_t *panel, int nr, const int8_t *b, ptrdiff_t rs, int k, int n),
            (panel, nr, b, rs, k, n))

/* From a q8x16 matrix whose rows are k; from is even, and rows up to 16 exist in the last block. */
OB_BODY void ob_panel_q8_16_body(uint32_t *panel, int nr, const uint8_t *data, size_t block_bytes,
                                 int from, int k, int col, int n) {
    int i, j, g;
    for (i = 0; i < k; i += 2, panel += nr) {
        const int8_t *row = (const int8_t *)data + (size_t)((from + i) / 16) * block_bytes +
                            (size_t)(col / 4) * 64 + (size_t)((from + i) % 16) * 4;
        for (g = 0; g < n / 4; g++)
            for (j = 0; j < 4; j++)
                panel[4 * g + j] =
                    ob_byte16(row[64 * g + j]) | ob_byte16(row[64 * g + 4 + j]) << 16;
        for (j = n & ~3; j < n; j++)
            panel[j] = ob_byte16(row[64 * (j / 4) + j % 4]) |
                       ob_byte16(row[64 * (j / 4) + 4 + j % 4]) << 16;
        for (; j < nr; j++) panel[j] = 0;
    }
}
OB_VARIANTS(ob_panel_q8_16,
            (uint32_t *panel, int nr, const uint8_t *data, size_t block_bytes, int from, int k,
             int col, int n),
            (panel, nr, data, block_bytes, from, k, col, n))

/* c[m][nr] = (add ? c : 0) + a[m][k] * panel[k][nr], k in pairs; a has strides rs and cs, in pairs.
   Each output is one chain over the pairs. */
static void ob_tile16_scalar(int m, int k, const uint32_t *a, ptrdiff_t rs, ptrdiff_t cs,
                             const uint32_t *panel, float *c, ptrdiff_t ldc, int add) {
    int i, j, l;
    for (i = 0; i < m; i++) {
        float s[16];
        for (j = 0; j < 16; j++) s[j] = 0.0f;
        for (l = 0; l < k; l++) {
            uint32_t x = a[i * rs + l * cs];
            for (j = 0; j < 16; j++) {
                uint32_t b = panel[16 * (size_t)l + (size_t)j];
                s[j] += ob_bits_float(x << 16) * ob_bits_float(b << 16);
                s[j] += ob_bits_float(x & 0xffff0000u) * ob_bits_float(b & 0xffff0000u);
            }
        }
        for (j = 0; j < 16; j++) c[i * ldc + j] = add ? c[i * ldc + j] + s[j] : s[j];
    }
}

#if OB_X86 && OB_AVX512
/* The same with m rows of two registers each kept in registers, as in the tile of floats. */
OB_TARGET_BF16 OB_BODY void ob_tile16_rows(const int m, int k, const uint32_t *a, ptrdiff_t rs,
                                           ptrdiff_t cs, const uint32_t *panel, float *c,
                                           ptrdiff_t ldc, int add) {
    __m512 s[12][2];
    int i, l;
    OB_UNROLL for (i = 0; i < m; i++) s[i][0] = s[i][1] = _mm512_setzero_ps();
    for (l = 0; l < k; l++, panel += 32, a += cs) {
        __m512bh b0 = (__m512bh)_mm512_loadu_si512(panel);
        __m512bh b1 = (__m512bh)_mm512_loadu_si512(panel + 16);
        OB_UNROLL for (i = 0; i < m; i++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[i * rs]);
            s[i][0] = _mm512_dpbf16_ps(s[i][0], x, b0);
            s[i][1] = _mm512_dpbf16_ps(s[i][1], x, b1);
        }
    }
    OB_UNROLL for (i = 0; i < m; i++) {
        float *out = c + i * ldc;
        _mm512_storeu_ps(out, add ? _mm512_add_ps(_mm512_loadu_ps(out), s[i][0]) : s[i][0]);
        out += 16;
        _mm512_storeu_ps(out, add ? _mm512_add_ps(_mm512_loadu_ps(out), s[i][1]) : s[i][1]);
    }
}

/* Cuts m rows into tiles of 12, 4 and 1. */
OB_TARGET_BF16 static void ob_tile16_bf16(int m, int k, const uint32_t *a, ptrdiff_t rs,
                                          ptrdiff_t cs, const uint32_t *panel, float *c,
                                          ptrdiff_t ldc, int add) {
    for (; m >= 12; m -= 12, a += 12 * rs, c += 12 * ldc)
        ob_tile16_rows(12, k, a, rs, cs, panel, c, ldc, add);
    for (; m >= 4; m -= 4, a += 4 * rs, c += 4 * ldc)
        ob_tile16_rows(4, k, a, rs, cs, panel, c, ldc, add);
    for (; m >= 1; m--, a += rs, c += ldc) ob_tile16_rows(1, k, a, rs, cs, panel, c, ldc, add);
}
#endif

/* ---- Integer products ------------------------------------------------------------------------ */
/* Codes of weights times codes of inputs. Both are small integers and their sums stay below 2^31
   (see OB_SEGMENT), so they are exact: every instruction set, tile and number of threads gives the
   same number, in training, prefill and decode. A packed block is read as it lies, one sequential
   stream of 64-byte groups; its codes are unpacked in registers and used for a tile of tokens, so
   nothing is written but the sums. In a register the four bytes of a 32-bit lane are four columns
   of one row: one instruction multiplies them by the same four bytes of an input, which stand in
   all lanes, and adds the products to the row's sum. No prefetch and no second stream: measured,
   both cost more than they save.

   WHAT BOUNDS THEM. One token reads every weight once: bytes / bandwidth, which t2x16 with 2 bits
   a weight reaches as long as unpacking takes fewer instructions than the memory takes cycles (a
   group of 64 bytes: 4 products, 3 shifts, 4 masks). Many tokens use each group again from the
   first cache: products / peak, which is 64 a cycle and unit with VNNI (AVX2: 32 products take a
   multiply, a share of an addition, and a share of a widening, so about half). A tile of 8 tokens
   and two blocks loads 8 lanes and 2 registers of weights for 16 products, which leaves the load
   units half idle. onebit-bench --machine --kernels prints both bounds and what is reached. */

#define OB_DOT_ROWS   32 /* rows that a call gives: two blocks; sums are out[t * 32 + row] */
#define OB_DOT_TOKENS 32 /* tokens of a call at most */

/* What a kernel of dot products is asked for. Inputs are padded with zeros to whole groups. */
typedef struct ob_dots {
    const uint8_t *block; /* the first group of the first block of 16 rows */
    size_t block_bytes;   /* from one block to the next */
    int blocks;           /* 1 or 2 */
    int format;           /* ob_format of codes: q8, t2, b1 or t5 */
    int groups;           /* groups of columns to add up */
    const int8_t *x;      /* codes of the inputs, [m][ldx] */
    ptrdiff_t ldx;
    const int32_t *sum; /* of each input's codes over the groups; step ld_sum */
    ptrdiff_t ld_sum;
    int m; /* tokens */
} ob_dots;

/* out[t][row] = sum over columns of code * x. The specification of the others. */
static void ob_dots_scalar(int32_t *out, const ob_dots *d) {
    int columns = ob_format_columns[d->format], b, t, g, inside, r;
    for (b = 0; b < d->blocks; b++)
        for (t = 0; t < d->m; t++) {
            const uint8_t *group = d->block + (size_t)b * d->block_bytes;
            const int8_t *x = d->x + t * d->ldx;
            int32_t sum[16], code[16];
            uint32_t words[16];
            memset(sum, 0, sizeof sum);
            for (g = 0; g < d->groups; g++, group += 64, x += columns) {
                ob_group_words(words, group);
                for (inside = 0; inside < columns; inside++) {
                    ob_group_codes(code, words, d->format, inside);
                    for (r = 0; r < 16; r++) sum[r] += code[r] * x[inside];
                }
            }
            memcpy(out + t * OB_DOT_ROWS + 16 * b, sum, sizeof sum);
        }
}

#if OB_X86 || OB_NEON
/* Vector kernels take codes as they are stored, counted from 0: code = factor * stored - bias, and
   the bias comes off once per sum. Plane p of a group holds the codes of columns 4 p to 4 p + 3. */
#define OB_PLANES(format)                                                                          \
    ((format) == OB_T2X16 ? 4 : (format) == OB_B1X16 ? 8 : (format) == OB_T5X16 ? 5 : 1)

/* Four bytes of an input as one lane. */
OB_BODY int32_t ob_lane(const int8_t *x) {
    int32_t lane;
    memcpy(&lane, x, 4);
    return lane;
}

/* Cuts the tokens of a call into tiles of BIG, SMALL and 1. Each is compiled by itself, so that its
   loops unroll and its sums live in registers. TILE(format, m, first token). */
#define OB_DOTS_TOKENS(TILE, format, BIG, SMALL)                                                   \
    for (t = 0; t + BIG <= d->m; t += BIG) TILE(format, BIG, out, d, t);                           \
    for (; t + SMALL <= d->m; t += SMALL) TILE(format, SMALL, out, d, t);                          \
    for (; t < d->m; t++) TILE(format, 1, out, d, t)

/* The kernel of an instruction set: its tile for each format. */
#define OB_DOTS_KERNEL(NAME, TARGET, TILE, BIG, SMALL)                                             \
    TARGET static void NAME(int32_t *out, const ob_dots *d) {                                      \
        int t;                                                                                     \
        if (d->format == OB_T2X16) {                                                               \
            OB_DOTS_TOKENS(TILE, OB_T2X16, BIG, SMALL);                                            \
        } else if (d->format == OB_T5X16) {                                                        \
            OB_DOTS_TOKENS(TILE, OB_T5X16, BIG, SMALL);                                            \
        } else if (d->format == OB_B1X16) {                                                        \
            OB_DOTS_TOKENS(TILE, OB_B1X16, BIG, SMALL);                                            \
        } else {                                                                                   \
            OB_DOTS_TOKENS(TILE, OB_Q8X16, BIG, SMALL);                                            \
        }                                                                                          \
    }
#endif

#if OB_X86 && OB_AVX512
/* Two planes or three of a t5 byte by table: low has trits 0, 1, 2 and high trits 3, 4, two bits
   each. Bytes beyond 242 are five zeros, stored as 1. */
#define OB_T5_LOW(b)  ((b) > 242 ? 21 : (b) % 3 | (b) / 3 % 3 << 2 | (b) / 9 % 3 << 4)
#define OB_T5_HIGH(b) ((b) > 242 ? 5 : (b) / 27 % 3 | (b) / 81 << 2)
#define OB_ROW_8(f, b)                                                                             \
    f(b), f((b) + 1), f((b) + 2), f((b) + 3), f((b) + 4), f((b) + 5), f((b) + 6), f((b) + 7)
#define OB_ROW_64(f, b)                                                                            \
    OB_ROW_8(f, b), OB_ROW_8(f, (b) + 8), OB_ROW_8(f, (b) + 16), OB_ROW_8(f, (b) + 24),            \
        OB_ROW_8(f, (b) + 32), OB_ROW_8(f, (b) + 40), OB_ROW_8(f, (b) + 48), OB_ROW_8(f, (b) + 56)
static const uint8_t ob_t5_table[2][256] = {
    {OB_ROW_64(OB_T5_LOW, 0), OB_ROW_64(OB_T5_LOW, 64), OB_ROW_64(OB_T5_LOW, 128),
     OB_ROW_64(OB_T5_LOW, 192)},
    {OB_ROW_64(OB_T5_HIGH, 0), OB_ROW_64(OB_T5_HIGH, 64), OB_ROW_64(OB_T5_HIGH, 128),
     OB_ROW_64(OB_T5_HIGH, 192)}};

/* One of the two tables for 64 bytes: two look-ups of 128 entries, chosen by the top bit. */
OB_TARGET_VNNI OB_BODY __m512i ob_t5_look(__m512i w, const uint8_t *table) {
    __m512i below = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), w,
                                             _mm512_loadu_si512(table + 64));
    __m512i above = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), w,
                                             _mm512_loadu_si512(table + 192));
    return _mm512_mask_mov_epi8(below, _mm512_movepi8_mask(w), above);
}

/* m tokens from token t on by b blocks: 16 sums for each, or four times as many for few tokens, so
   that no sum waits for the last product (latency 4 to 5, two a cycle). */
OB_TARGET_VNNI OB_BODY void ob_dots_vnni_block(const int format, const int m, const int blocks,
                                               int32_t *out, const ob_dots *d, int t, int from) {
    const int planes = OB_PLANES(format), ways = m > 4 ? 1 : m > 1 ? 2 : 4;
    const __m512i ones = _mm512_set1_epi8(format == OB_B1X16 ? 1 : 3);
    const uint8_t *block = d->block + (size_t)from * d->block_bytes;
    const int8_t *x = d->x + t * d->ldx;
    __m512i s[8][2][4], w[2], high[2], c[2];
    int g, p, i, b, k;
    OB_UNROLL for (i = 0; i < m; i++) OB_UNROLL for (b = 0; b < blocks; b++)
        OB_UNROLL for (k = 0; k < ways; k++) s[i][b][k] = _mm512_setzero_si512();
    for (g = 0; g < d->groups; g++, block += 64, x += 4 * planes) {
        OB_UNROLL for (b = 0; b < blocks; b++) {
            w[b] = _mm512_loadu_si512(block + (size_t)b * d->block_bytes);
            if (format == OB_Q8X16) w[b] = _mm512_xor_si512(w[b], _mm512_set1_epi8(-128));
            if (format == OB_T5X16) high[b] = ob_t5_look(w[b], ob_t5_table[1]);
            if (format == OB_T5X16) w[b] = ob_t5_look(w[b], ob_t5_table[0]);
        }
        OB_UNROLL for (p = 0; p < planes; p++) {
            OB_UNROLL for (b = 0; b < blocks; b++) {
                const int bits = format == OB_B1X16 ? p : 2 * p;
                c[b] = format == OB_T5X16 && p > 2 ? _mm512_srli_epi32(high[b], 2 * (p - 3) & 31)
                                                   : _mm512_srli_epi32(w[b], bits & 31);
                if (format != OB_Q8X16) c[b] = _mm512_and_si512(c[b], ones);
            }
            OB_UNROLL for (i = 0; i < m; i++) {
                __m512i lane = _mm512_set1_epi32(ob_lane(x + i * d->ldx + 4 * p));
                OB_UNROLL for (b = 0; b < blocks; b++)
                    s[i][b][p % ways] = _mm512_dpbusd_epi32(s[i][b][p % ways], c[b], lane);
            }
        }
    }
    OB_UNROLL for (i = 0; i < m; i++) OB_UNROLL for (b = 0; b < blocks; b++) {
        int32_t sum = d->sum[(t + i) * d->ld_sum];
        __m512i all = s[i][b][0];
        OB_UNROLL for (k = 1; k < ways; k++) all = _mm512_add_epi32(all, s[i][b][k]);
        if (format == OB_B1X16) all = _mm512_add_epi32(all, all);
        sum = format == OB_Q8X16 ? (int32_t)((uint32_t)sum * 128u) : sum;
        _mm512_storeu_si512(out + (t + i) * OB_DOT_ROWS + 16 * (from + b),
                            _mm512_sub_epi32(all, _mm512_set1_epi32(sum)));
    }
}

/* Two blocks at a time for many tokens: each broadcast serves both. One token reads one stream. */
OB_TARGET_VNNI OB_BODY void ob_dots_vnni_tile(const int format, const int m, int32_t *out,
                                              const ob_dots *d, int t) {
    if (m > 1 && d->blocks == 2) {
        ob_dots_vnni_block(format, m, 2, out, d, t, 0);
    } else {
        ob_dots_vnni_block(format, m, 1, out, d, t, 0);
        if (d->blocks == 2) ob_dots_vnni_block(format, m, 1, out, d, t, 1);
    }
}
/* Eight tokens of two blocks: 16 sums, 8 lanes and 2 planes fill the 32 registers. */
OB_DOTS_KERNEL(ob_dots_vnni, OB_TARGET_VNNI, ob_dots_vnni_tile, 8, 4)
#endif

#if OB_X86

/* q[p] = floor(byte / 3^p) of five-trit bytes; those beyond 242 count as 121, five zeros. There is
   no division of bytes: even and odd ones are multiplied by ceil(2^16 / 3^p) as 16-bit words, whose
   upper half is exact for bytes. */
OB_TARGET_AVX2 OB_BODY void ob_quotients_avx2(__m256i q[5], __m256i w) {
    static const short inverse[5] = {0, 21846, 7282, 2428, 810};
    __m256i beyond = _mm256_cmpeq_epi8(_mm256_max_epu8(w, _mm256_set1_epi8((char)243)), w);
    __m256i even, odd;
    int p;
    q[0] = _mm256_blendv_epi8(w, _mm256_set1_epi8(121), beyond);
    even = _mm256_and_si256(q[0], _mm256_set1_epi16(255)), odd = _mm256_srli_epi16(q[0], 8);
    OB_UNROLL for (p = 1; p < 5; p++) {
        __m256i by = _mm256_set1_epi16(inverse[p]);
        q[p] = _mm256_or_si256(_mm256_mulhi_epu16(even, by),
                               _mm256_slli_epi16(_mm256_mulhi_epu16(odd, by), 8));
    }
}

/* Codes of plane p of 32 bytes, from 0 up; of q8 the bytes themselves. q is of t5. */
OB_TARGET_AVX2 OB_BODY __m256i ob_plane_avx2(const int format, const int p, __m256i w,
                                             const __m256i q[5]) {
    if (format == OB_Q8X16) return w;
    if (format == OB_B1X16)
        return _mm256_and_si256(_mm256_srli_epi32(w, p), _mm256_set1_epi8(1));
    if (format == OB_T2X16)
        return _mm256_and_si256(_mm256_srli_epi32(w, 2 * p), _mm256_set1_epi8(3));
    if (p == 4) return q[4];
    return _mm256_sub_epi8(q[p], _mm256_add_epi8(q[p + 1], _mm256_add_epi8(q[p + 1], q[p + 1])));
}

/* Eight rows at a time: bytes are multiplied to 16-bit sums of two (of all planes together: at most
   8 * 3 * 127 * 2 < 2^15), those are added to 32 bits. q8 has signs on both sides, which the
   instruction does not know: |w| times x with the sign of w; 2 * 128 * 127 fits. */
OB_TARGET_AVX2 OB_BODY void ob_dots_avx2_tile(const int format, const int m, int32_t *out,
                                              const ob_dots *d, int t) {
    const int planes = OB_PLANES(format);
    int part, g, p, i;
    for (part = 0; part < 2 * d->blocks; part++) {
        const uint8_t *block = d->block + (size_t)(part / 2) * d->block_bytes + 32 * (part % 2);
        const int8_t *x = d->x + t * d->ldx;
        __m256i s[4], pair[4];
        OB_UNROLL for (i = 0; i < m; i++) s[i] = _mm256_setzero_si256();
        for (g = 0; g < d->groups; g++, block += 64, x += 4 * planes) {
            __m256i w = _mm256_loadu_si256((const __m256i *)(const void *)block), q[5];
            if (format == OB_T5X16) ob_quotients_avx2(q, w);
            OB_UNROLL for (p = 0; p < planes; p++) {
                __m256i c = ob_plane_avx2(format, p, w, q), size = _mm256_abs_epi8(c);
                OB_UNROLL for (i = 0; i < m; i++) {
                    __m256i lane = _mm256_set1_epi32(ob_lane(x + i * d->ldx + 4 * p));
                    __m256i product = format == OB_Q8X16
                                          ? _mm256_maddubs_epi16(size, _mm256_sign_epi8(lane, c))
                                          : _mm256_maddubs_epi16(c, lane);
                    pair[i] = p ? _mm256_add_epi16(pair[i], product) : product;
                }
            }
            OB_UNROLL for (i = 0; i < m; i++)
                s[i] = _mm256_add_epi32(s[i], _mm256_madd_epi16(pair[i], _mm256_set1_epi16(1)));
        }
        OB_UNROLL for (i = 0; i < m; i++) {
            int32_t sum = format == OB_Q8X16 ? 0 : d->sum[(t + i) * d->ld_sum];
            if (format == OB_B1X16) s[i] = _mm256_add_epi32(s[i], s[i]);
            _mm256_storeu_si256((__m256i *)(void *)(out + (t + i) * OB_DOT_ROWS + 8 * part),
                                _mm256_sub_epi32(s[i], _mm256_set1_epi32(sum)));
        }
    }
}
/* Four tokens: 4 sums, 4 pairs, a plane and its magnitudes in 16 registers. */
OB_DOTS_KERNEL(ob_dots_avx2, OB_TARGET_AVX2, ob_dots_avx2_tile, 4, 2)
#endif

#if OB_NEON
/* s += products of 16 bytes, the four of a lane added up. Without dot products: to 16-bit sums of
   two (2 * 128 * 127 fits), then to 32 bits. */
OB_BODY int32x4_t ob_dot_neon(int32x4_t s, int8x16_t c, int8x16_t x) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(s, c, x);
#else
    int16x8_t low = vmull_s8(vget_low_s8(c), vget_low_s8(x));
    int16x8_t high = vmull_s8(vget_high_s8(c), vget_high_s8(x));
    return vpadalq_s16(s, vpaddq_s16(low, high));
#endif
}

/* A third of unsigned bytes, rounded down: 171 / 512 is exact below 256. */
OB_BODY uint8x16_t ob_third_neon(uint8x16_t b) {
    uint16x8_t low = vmull_u8(vget_low_u8(b), vdup_n_u8(171));
    uint16x8_t high = vmull_u8(vget_high_u8(b), vdup_n_u8(171));
    return vshrq_n_u8(vcombine_u8(vshrn_n_u16(low, 8), vshrn_n_u16(high, 8)), 1);
}

/* Plane p of four rows; rest as in the AVX2 kernel. */
OB_BODY int8x16_t ob_plane_neon(const int format, const int p, uint8x16_t w, uint8x16_t *rest) {
    uint8x16_t third;
    if (format == OB_B1X16)
        w = vandq_u8(vshlq_u8(w, vdupq_n_s8((int8_t)-p)), vdupq_n_u8(1));
    if (format == OB_T2X16)
        w = vandq_u8(vshlq_u8(w, vdupq_n_s8((int8_t)(-2 * p))), vdupq_n_u8(3));
    if (format == OB_T5X16) {
        if (p == 0) *rest = vbslq_u8(vcgtq_u8(w, vdupq_n_u8(242)), vdupq_n_u8(121), w);
        third = ob_third_neon(*rest);
        w = vmlsq_u8(*rest, third, vdupq_n_u8(3));
        *rest = third;
    }
    return vreinterpretq_s8_u8(w);
}

/* A register has four rows, so a block has four sums for each token. */
OB_BODY void ob_dots_neon_tile(const int format, const int m, int32_t *out, const ob_dots *d,
                               int t) {
    const int planes = OB_PLANES(format);
    int b, g, p, i, q;
    for (b = 0; b < d->blocks; b++) {
        const uint8_t *block = d->block + (size_t)b * d->block_bytes;
        const int8_t *x = d->x + t * d->ldx;
        int32x4_t s[4][4];
        uint8x16_t w[4], rest[4];
        OB_UNROLL for (i = 0; i < m; i++) OB_UNROLL for (q = 0; q < 4; q++)
            s[i][q] = vdupq_n_s32(0);
        for (g = 0; g < d->groups; g++, block += 64, x += 4 * planes) {
            OB_UNROLL for (q = 0; q < 4; q++) rest[q] = w[q] = vld1q_u8(block + 16 * q);
            OB_UNROLL for (p = 0; p < planes; p++) OB_UNROLL for (q = 0; q < 4; q++) {
                int8x16_t c = ob_plane_neon(format, p, w[q], rest + q);
                OB_UNROLL for (i = 0; i < m; i++) {
                    int32x4_t lane = vdupq_n_s32(ob_lane(x + i * d->ldx + 4 * p));
                    s[i][q] = ob_dot_neon(s[i][q], c, vreinterpretq_s8_s32(lane));
                }
            }
        }
        OB_UNROLL for (i = 0; i < m; i++) OB_UNROLL for (q = 0; q < 4; q++) {
            int32_t sum = format == OB_Q8X16 ? 0 : d->sum[(t + i) * d->ld_sum];
            if (format == OB_B1X16) s[i][q] = vaddq_s32(s[i][q], s[i][q]);
            vst1q_s32(out + (t + i) * OB_DOT_ROWS + 16 * b + 4 * q,
                      vsubq_s32(s[i][q], vdupq_n_s32(sum)));
        }
    }
}
OB_DOTS_KERNEL(ob_dots_neon, , ob_dots_neon_tile, 4, 2)
#endif

/* y[t][i] = sums[t][i] * (s[t] * w[i * step]): finished sums become outputs, n rows of m tokens. */
OB_BODY void ob_settle_body(float *y, ptrdiff_t ldy, const int32_t *sums, const float *w, int step,
                            const float *s, int m, int n) {
    int t, i;
    for (t = 0; t < m; t++, y += ldy, sums += OB_DOT_ROWS) {
        float f = s[t] * w[0];
        if (step == 0)
            for (i = 0; i < n; i++) y[i] = (float)sums[i] * f;
        else
            for (i = 0; i < n; i++) y[i] = (float)sums[i] * (s[t] * w[i]);
    }
}
OB_VARIANTS(ob_settle,
            (float *y, ptrdiff_t ldy, const int32_t *sums, const float *w, int step, const float *s,
             int m, int n),
            (y, ldy, sums, w, step, s, m, n))

/* y[t][i] = (add ? y[t][i] : 0) + sums[t][i] * w[i]: sums of a segment of the inputs. */
OB_BODY void ob_collect_body(float *y, ptrdiff_t ldy, const int32_t *sums, const float *w, int add,
                             int m, int n) {
    int t, i;
    for (t = 0; t < m; t++, y += ldy, sums += OB_DOT_ROWS)
        for (i = 0; i < n; i++) y[i] = (add ? y[i] : 0.0f) + (float)sums[i] * w[i];
}
OB_VARIANTS(ob_collect,
            (float *y, ptrdiff_t ldy, const int32_t *sums, const float *w, int add, int m, int n),
            (y, ldy, sums, w, add, m, n))

/* ---- Rows ------------------------------------------------------------------------------------ */
/* What works on one row of a tensor: reductions by 16 lanes, the rest element by element. The
   same three lines follow each body: its scalar, AVX2 and AVX-512 variants. */

/* max(max|x|, 1e-5): what int8 codes of a token reach to. */
OB_BODY float ob_peak16(const float *x, int n) {
    float peak[16], most = 1e-5f;
    int i, j;
    for (j = 0; j < 16; j++) peak[j] = 0.0f;
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++)
            peak[j] = ob_absf(x[i + j]) > peak[j] ? ob_absf(x[i + j]) : peak[j];
    for (j = 0; i + j < n; j++) peak[j] = ob_absf(x[i + j]) > peak[j] ? ob_absf(x[i + j]) : peak[j];
    for (j = 0; j < 16; j++) most = peak[j] > most ? peak[j] : most;
    return most;
}

/* Int8 codes of a token as floats: scale = max(max|x|, 1e-5) / 127, code = round(x / scale). BitNet
   b1.58. */
OB_BODY void ob_int8_body(float *codes, float *scale, const float *x, int n) {
    float most = ob_peak16(x, n), inverse = 127.0f / most;
    int i;
    *scale = most / 127.0f;
    for (i = 0; i < n; i++) codes[i] = ob_clampf(ob_round(x[i] * inverse), -127.0f, 127.0f);
}
OB_VARIANTS(ob_int8, (float *codes, float *scale, const float *x, int n), (codes, scale, x, n))

/* Sums of n codes by segments of so many. */
OB_BODY void ob_code_sums(int32_t *sum, const int8_t *codes, int n, int segment) {
    int from, i;
    for (from = 0; from < n; from += segment, sum++) {
        int to = n - from < segment ? n : from + segment;
        int32_t s = 0;
        for (i = from; i < to; i++) s += codes[i];
        *sum = s;
    }
}

/* The same codes as bytes, with their sums. What is no number cannot be a code, so it goes into the
   scale: x * 0 is 0 or not a number. */
OB_BODY void ob_code8_body(int8_t *codes, float *scale, int32_t *sum, const float *x, int n,
                           int segment) {
    float most = ob_peak16(x, n), inverse = 127.0f / most, bad[16];
    int i, j;
    for (j = 0; j < 16; j++) bad[j] = 0.0f;
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++) bad[j] += x[i + j] * 0.0f;
    for (; i < n; i++) bad[0] += x[i] * 0.0f;
    for (i = 0; i < n; i++) {
        float v = ob_round(x[i] * inverse);
        v = v > -127.0f ? v : -127.0f; /* NaN too */
        codes[i] = (int8_t)(int32_t)(v < 127.0f ? v : 127.0f);
    }
    *scale = most / 127.0f + ob_fold16(bad);
    ob_code_sums(sum, codes, n, segment);
}
OB_VARIANTS(ob_code8,
            (int8_t *codes, float *scale, int32_t *sum, const float *x, int n, int segment),
            (codes, scale, sum, x, n, segment))

/* Signs of a token: scale K = mean|x|, code +1 for x >= 0, else -1 (XNOR-Net, Rastegari et al.
   2016). window, when not NULL, receives 1 where |x| <= 2 K: there the gradient passes. */
OB_BODY void ob_sign_body(float *codes, float *scale, uint8_t *window, const float *x, int n) {
    float sum, largest, edge;
    int i;
    ob_magnitude_body(x, n, 3e38f, &sum, &largest);
    *scale = sum / (float)n;
    edge = 2.0f * *scale;
    for (i = 0; i < n; i++) codes[i] = x[i] < 0.0f ? -1.0f : 1.0f;
    for (i = 0; window && i < n; i++) window[i] = ob_absf(x[i]) <= edge;
}
OB_VARIANTS(ob_sign, (float *codes, float *scale, uint8_t *window, const float *x, int n),
            (codes, scale, window, x, n))

/* The same codes as bytes, with their sums. K is no number when an x is none. */
OB_BODY void ob_sign8_body(int8_t *codes, float *scale, int32_t *sum, uint8_t *window,
                           const float *x, int n, int segment) {
    float total, largest, edge;
    int i;
    ob_magnitude_body(x, n, 3e38f, &total, &largest);
    *scale = total / (float)n;
    edge = 2.0f * *scale;
    for (i = 0; i < n; i++) codes[i] = (int8_t)(x[i] < 0.0f ? -1 : 1);
    for (i = 0; window && i < n; i++) window[i] = ob_absf(x[i]) <= edge;
    ob_code_sums(sum, codes, n, segment);
}
OB_VARIANTS(ob_sign8,
            (int8_t *codes, float *scale, int32_t *sum, uint8_t *window, const float *x, int n,
             int segment),
            (codes, scale, sum, window, x, n, segment))

/* RMSNorm: y = x / sqrt(mean x^2 + eps) * g; rstd is kept for the backward pass. */
OB_BODY void ob_norm_body(float *y, float *rstd, const float *x, const float *g, int n, float eps) {
    float r = 1.0f / sqrtf(ob_dot16(x, x, n) / (float)n + eps);
    int i;
    for (i = 0; i < n; i++) y[i] = x[i] * r * g[i];
    *rstd = r;
}
OB_VARIANTS(ob_norm, (float *y, float *rstd, const float *x, const float *g, int n, float eps),
            (y, rstd, x, g, n, eps))

/* Its gradient: with u = dy * g, dx = rstd * (u - x * rstd^2 * mean(u * x)); added to or
   written. dx may be dy: the sum over the row is complete before the first element is written. */
OB_BODY void ob_norm_grad_body(float *dx, const float *dy, const float *x, const float *g,
                               float rstd, int n, int add) {
    float lane[16], mean;
    int i, j;
    for (j = 0; j < 16; j++) lane[j] = 0.0f;
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++) lane[j] += dy[i + j] * g[i + j] * x[i + j];
    for (j = 0; i + j < n; j++) lane[j] += dy[i + j] * g[i + j] * x[i + j];
    mean = ob_fold16(lane) / (float)n * rstd * rstd;
    for (i = 0; i < n; i++) {
        float d = rstd * (dy[i] * g[i] - x[i] * mean);
        dx[i] = add ? dx[i] + d : d;
    }
}
OB_VARIANTS(ob_norm_grad,
            (float *dx, const float *dy, const float *x, const float *g, float rstd, int n,
             int add),
            (dx, dy, x, g, rstd, n, add))

/* LayerNorm without bias: the RMSNorm of x - mean(x) (Ba, Kiros, Hinton 2016); mean is kept too. */
OB_BODY void ob_layer_norm_body(float *y, float *rstd, float *mean, const float *x, const float *g,
                                int n, float eps) {
    float m = ob_sum16(x, n) / (float)n;
    int i;
    for (i = 0; i < n; i++) y[i] = x[i] - m;
    ob_norm_body(y, rstd, y, g, n, eps);
    *mean = m;
}
OB_VARIANTS(ob_layer_norm,
            (float *y, float *rstd, float *mean, const float *x, const float *g, int n, float eps),
            (y, rstd, mean, x, g, n, eps))

/* Its gradient: RMSNorm's of c = x - mean, less rstd * mean(u), because a shift of the row has no
   effect: dx = rstd * (u - c * rstd^2 * mean(u * c) - mean(u)). */
OB_BODY void ob_layer_norm_grad_body(float *dx, const float *dy, const float *x, const float *g,
                                     float rstd, float m, int n, int add) {
    float lane[16], slope, shift = ob_dot16(dy, g, n) / (float)n;
    int i, j;
    for (j = 0; j < 16; j++) lane[j] = 0.0f;
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++) lane[j] += dy[i + j] * g[i + j] * (x[i + j] - m);
    for (j = 0; i + j < n; j++) lane[j] += dy[i + j] * g[i + j] * (x[i + j] - m);
    slope = ob_fold16(lane) / (float)n * rstd * rstd;
    for (i = 0; i < n; i++) {
        float d = rstd * (dy[i] * g[i] - (x[i] - m) * slope - shift);
        dx[i] = add ? dx[i] + d : d;
    }
}
OB_VARIANTS(ob_layer_norm_grad,
            (float *dx, const float *dy, const float *x, const float *g, float rstd, float m, int n,
             int add),
            (dx, dy, x, g, rstd, m, n, add))

/* Sum of products through a pointer, as the table needs it. */
OB_BODY void ob_dot_body(float *out, const float *x, const float *y, int n) {
    *out = ob_dot16(x, y, n);
}
OB_VARIANTS(ob_dot, (float *out, const float *x, const float *y, int n), (out, x, y, n))

/* y += s * x, and y = a * y + b * x. */
OB_BODY void ob_axpy_body(float *y, const float *x, float s, int n) {
    int i;
    for (i = 0; i < n; i++) y[i] += s * x[i];
}
OB_VARIANTS(ob_axpy, (float *y, const float *x, float s, int n), (y, x, s, n))

/* Serves the momentum and the polynomials of Muon; a 0 with b scales, for finite y. */
OB_BODY void ob_mix_body(float *y, const float *x, float a, float b, int n) {
    int i;
    for (i = 0; i < n; i++) y[i] = a * y[i] + b * x[i];
}
OB_VARIANTS(ob_mix, (float *y, const float *x, float a, float b, int n), (y, x, a, b, n))

/* y[i] = x[i] * (s * w[i * step]): scales a row of sums (step 0: one weight scale for all). */
OB_BODY void ob_scale_body(float *y, const float *x, const float *w, int step, float s, int n) {
    int i;
    if (step == 0) {
        float f = s * w[0];
        for (i = 0; i < n; i++) y[i] = x[i] * f;
    } else {
        for (i = 0; i < n; i++) y[i] = x[i] * (s * w[i]);
    }
}
OB_VARIANTS(ob_scale, (float *y, const float *x, const float *w, int step, float s, int n),
            (y, x, w, step, s, n))

/* y[i] = (add ? y[i] : 0) + x[i] * w[i]: sums of a group of inputs, each times its row's scale. */
OB_BODY void ob_blend_body(float *y, const float *x, const float *w, int add, int n) {
    int i;
    for (i = 0; i < n; i++) y[i] = (add ? y[i] : 0.0f) + x[i] * w[i];
}
OB_VARIANTS(ob_blend, (float *y, const float *x, const float *w, int add, int n),
            (y, x, w, add, n))

/* Gradient of a norm's gain over rows: dg[j] += sum_r dy[r][j] * (x[r][j] - mean[r]) * rstd[r],
   columns [0, n). mean NULL = 0. */
OB_BODY void ob_gain_grad_body(float *dg, const float *dy, const float *x, const float *rstd,
                               const float *mean, int rows, int ld, int n) {
    int r, j;
    for (r = 0; r < rows; r++) {
        float m = mean ? mean[r] : 0.0f;
        for (j = 0; j < n; j++)
            dg[j] += dy[(size_t)r * (size_t)ld + (size_t)j] *
                     (x[(size_t)r * (size_t)ld + (size_t)j] - m) * rstd[r];
    }
}
OB_VARIANTS(ob_gain_grad,
            (float *dg, const float *dy, const float *x, const float *rstd, const float *mean,
             int rows, int ld, int n),
            (dg, dy, x, rstd, mean, rows, ld, n))

/* FFN activation. act 0 silu, 1 relu^2, 2 relu; up NULL = not gated: h = act(g) * up or act(g). */
OB_BODY void ob_act_body(float *h, const float *g, const float *up, int act, int n) {
    int i;
    for (i = 0; i < n; i++) {
        float x = g[i], r = x > 0.0f ? x : 0.0f, a;
        if (act == 0) a = x / (1.0f + ob_exp(-x));
        else a = act == 1 ? r * r : r;
        h[i] = up ? a * up[i] : a;
    }
}
OB_VARIANTS(ob_act, (float *h, const float *g, const float *up, int act, int n), (h, g, up, act, n))

/* act(x), and its slope. */
OB_BODY float ob_act_slope(float x, int act, float *slope) {
    float r = x > 0.0f ? x : 0.0f, sigmoid;
    if (act == 0) {
        sigmoid = 1.0f / (1.0f + ob_exp(-x));
        *slope = sigmoid * (1.0f + x * (1.0f - sigmoid));
        return x * sigmoid;
    }
    *slope = act == 1 ? 2.0f * r : x > 0.0f ? 1.0f : 0.0f;
    return act == 1 ? r * r : r;
}

/* The gradient for one activation: act is a constant where it is called, so that the loops
   vectorise. */
OB_BODY void ob_act_grad_for(float *dg, float *dup, const float *dh, const float *g,
                             const float *up, const int act, int n) {
    float a, slope, d;
    int i;
    if (up)
        for (i = 0; i < n; i++) {
            a = ob_act_slope(g[i], act, &slope), d = dh[i];
            dup[i] = d * a;
            dg[i] = d * up[i] * slope;
        }
    else
        for (i = 0; i < n; i++) {
            ob_act_slope(g[i], act, &slope);
            dg[i] = dh[i] * slope;
        }
}

/* Its gradient: dg = dh * up * act'(g), dup = dh * act(g). */
OB_BODY void ob_act_grad_body(float *dg, float *dup, const float *dh, const float *g,
                              const float *up, int act, int n) {
    if (act == 0) ob_act_grad_for(dg, dup, dh, g, up, 0, n);
    else if (act == 1) ob_act_grad_for(dg, dup, dh, g, up, 1, n);
    else ob_act_grad_for(dg, dup, dh, g, up, 2, n);
}
OB_VARIANTS(ob_act_grad,
            (float *dg, float *dup, const float *dh, const float *g, const float *up, int act,
             int n),
            (dg, dup, dh, g, up, act, n))

/* The largest of x[n]; a NaN counts only in x[0]. In lanes, because a chain of n comparisons would
   take as long as the exponentials. */
OB_BODY float ob_most16(const float *x, int n) {
    float lane[16];
    int i, j, half;
    for (j = 0; j < 16; j++) lane[j] = x[0];
    for (i = 0; i + 16 <= n; i += 16)
        for (j = 0; j < 16; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (j = 0; i + j < n; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (half = 8; half > 0; half /= 2)
        for (j = 0; j < half; j++) lane[j] = lane[j + half] > lane[j] ? lane[j + half] : lane[j];
    return lane[0];
}

/* Softmax of p[n] in place; lse, when not NULL, receives log(sum exp p). The peak is subtracted
   first, so no exponential overflows; logf runs once per row. p[n] to p[wide - 1] become 0: with
   room up to a multiple of 16 no loop has a tail, and zeros change no sum. */
OB_BODY void ob_softmax_body(float *p, float *lse, int n, int wide) {
    float peak, sum, inverse;
    int i;
    for (i = n; i < wide; i++) p[i] = p[0];
    peak = ob_most16(p, wide);
    for (i = 0; i < wide; i++) p[i] = ob_exp(p[i] - peak);
    for (i = n; i < wide; i++) p[i] = 0.0f;
    sum = ob_sum16(p, wide);
    inverse = 1.0f / sum;
    for (i = 0; i < wide; i++) p[i] *= inverse;
    if (lse) *lse = peak + logf(sum);
}
OB_VARIANTS(ob_softmax, (float *p, float *lse, int n, int wide), (p, lse, n, wide))

/* What label smoothing adds to a row: d -= share, and the sum of the logits. */
OB_BODY void ob_smooth_body(float *d, float *sum, const float *logits, float share, int n) {
    int i;
    for (i = 0; i < n; i++) d[i] -= share;
    *sum = ob_sum16(logits, n);
}
OB_VARIANTS(ob_smooth, (float *d, float *sum, const float *logits, float share, int n),
            (d, sum, logits, share, n))

/* Gradient of one row of softmax(s) v: p comes in as s and leaves as the probabilities
   exp(s - lse); dp comes in as dout . v and leaves as ds = p (dp - total), where total = sum p dp =
   dout . out. Keys from seen to n are behind the position: both are 0 there. Both have room up to a
   multiple of 16 behind seen. */
OB_BODY void ob_attend_grad_body(float *p, float *dp, float lse, float total, int seen, int n) {
    int j;
    for (j = 0; j < ((seen + 15) & ~15); j++) {
        p[j] = ob_exp(p[j] - lse);
        dp[j] = p[j] * (dp[j] - total);
    }
    for (j = seen; j < n; j++) p[j] = dp[j] = 0.0f;
}
OB_VARIANTS(ob_attend_grad, (float *p, float *dp, float lse, float total, int seen, int n),
            (p, dp, lse, total, seen, n))

/* Square roots of n numbers, n a multiple of 4. Compilers do not vectorise sqrtf, because of errno,
   and with it the whole of AdamW stayed scalar; every x86-64 has the instruction, and its result is
   the rounded root, as sqrtf's. */
OB_BODY void ob_roots(float *x, int n) {
    int j;
#if OB_X86
    for (j = 0; j < n; j += 4) _mm_storeu_ps(x + j, _mm_sqrt_ps(_mm_loadu_ps(x + j)));
#else
    for (j = 0; j < n; j++) x[j] = sqrtf(x[j]);
#endif
}

/* AdamW on n numbers. rate = lr / (1 - beta1^t), root = 1 / (1 - beta2^t); decay = 1 - lr * wd.
   The bias corrections are the same for all numbers of a step and come in by rate and root. clip
   also holds 1 / micro-batches, so gradients are averaged here and not in a pass of their own. */
OB_BODY void ob_adamw_body(float *OB_RESTRICT w, const float *OB_RESTRICT g, float *OB_RESTRICT m,
                           float *OB_RESTRICT v, int n, float clip, float beta1, float beta2,
                           float rate, float root, float eps, float decay) {
    enum { PART = 256 };
    float length[PART], d;
    int i, j, part;
    for (; n > 0; n -= part, w += part, g += part, m += part, v += part) {
        part = n < PART ? n : PART;
        for (j = part; j < PART && j < part + 4; j++) length[j] = 0.0f; /* read in fours */
        for (i = 0; i < part; i++) {
            d = g[i] * clip;
            m[i] = beta1 * m[i] + (1.0f - beta1) * d;
            v[i] = beta2 * v[i] + (1.0f - beta2) * d * d;
            length[i] = v[i] * root;
        }
        ob_roots(length, (part + 3) & ~3);
        for (i = 0; i < part; i++) w[i] = w[i] * decay - rate * m[i] / (length[i] + eps);
    }
}
OB_VARIANTS(ob_adamw,
            (float *w, const float *g, float *m, float *v, int n, float clip, float beta1,
             float beta2, float rate, float root, float eps, float decay),
            (w, g, m, v, n, clip, beta1, beta2, rate, root, eps, decay))

/* Quantise a row, and its sum and maximum of magnitudes (floor format), per instruction set. */
OB_VARIANTS(ob_quantize, (float *out, const float *w, int n, const ob_quantizer *z, float scale),
            (out, w, n, z, scale))
OB_VARIANTS(ob_magnitude, (const float *w, int n, float clamp, float *sum, float *largest),
            (w, n, clamp, sum, largest))

/* ---- The table ------------------------------------------------------------------------------- */

/* One row per instruction set, chosen when an exec is made, never per call. All entries of a row
   belong to one set: tile and panel must agree about nr. */
typedef struct ob_kernels {
    int nr; /* columns of a tile's panel */
    /* products of floats, and the panels that they read */
    void (*tile)(int m, int k, const float *a, ptrdiff_t rs, ptrdiff_t cs, const float *panel,
                 ptrdiff_t ldp, float *c, ptrdiff_t ldc, int add, int fused);
    void (*panel)(float *panel, int nr, const float *b, ptrdiff_t rs, ptrdiff_t cs, int k, int n);
    void (*panel8)(float *panel, int nr, const int8_t *b, ptrdiff_t rs, int k, int n);
    void (*widen8)(float *to, const int8_t *codes, int n);
    void (*panel_q8)(float *panel, int nr, const uint8_t *data, size_t block_bytes, int from, int k,
                     int col, int n);
    void (*pack8)(uint8_t *data, size_t block_bytes, int row, int col, const float *codes, int n);
    void (*unpack)(float *out, int stride, const uint8_t *block, int format, int from, int n);
    /* products of integers */
    void (*dots)(int32_t *out, const ob_dots *d);
    /* products of bfloat16 and their panels; tile16 NULL = there is nothing to win here, and
       gradients are products of floats */
    void (*tile16)(int m, int k, const uint32_t *a, ptrdiff_t rs, ptrdiff_t cs,
                   const uint32_t *panel, float *c, ptrdiff_t ldc, int add);
    void (*panel16)(uint32_t *panel, int nr, const float *b, ptrdiff_t rs, int k, int n);
    void (*panel8_16)(uint32_t *panel, int nr, const int8_t *b, ptrdiff_t rs, int k, int n);
    void (*panel_q8_16)(uint32_t *panel, int nr, const uint8_t *data, size_t block_bytes, int from,
                        int k, int col, int n);
    void (*pack16)(uint32_t *y, const float *x, const float *w, int step, float s, int n);
    void (*pair16)(uint32_t *y, const float *x0, const float *x1, float s0, float s1, int n);
    /* sums of integers become outputs, floats become codes */
    void (*settle)(float *y, ptrdiff_t ldy, const int32_t *sums, const float *w, int step,
                   const float *s, int m, int n);
    void (*collect)(float *y, ptrdiff_t ldy, const int32_t *sums, const float *w, int add, int m,
                    int n);
    void (*code8)(int8_t *codes, float *scale, int32_t *sum, const float *x, int n, int segment);
    void (*sign8)(int8_t *codes, float *scale, int32_t *sum, uint8_t *window, const float *x, int n,
                  int segment);
    void (*int8)(float *codes, float *scale, const float *x, int n);
    void (*sign)(float *codes, float *scale, uint8_t *window, const float *x, int n);
    /* rows: norms and their gradients */
    void (*norm)(float *y, float *rstd, const float *x, const float *g, int n, float eps);
    void (*layer_norm)(float *y, float *rstd, float *mean, const float *x, const float *g, int n,
                       float eps);
    void (*norm_grad)(float *dx, const float *dy, const float *x, const float *g, float rstd, int n,
                      int add);
    void (*layer_norm_grad)(float *dx, const float *dy, const float *x, const float *g, float rstd,
                            float m, int n, int add);
    /* rows: sums and scalings */
    void (*dot)(float *out, const float *x, const float *y, int n);
    void (*axpy)(float *y, const float *x, float s, int n);
    void (*mix)(float *y, const float *x, float a, float b, int n);
    void (*scale)(float *y, const float *x, const float *w, int step, float s, int n);
    void (*blend)(float *y, const float *x, const float *w, int add, int n);
    void (*gain_grad)(float *dg, const float *dy, const float *x, const float *rstd,
                      const float *mean, int rows, int ld, int n);
    /* activation, loss, attention */
    void (*act)(float *h, const float *g, const float *up, int act, int n);
    void (*act_grad)(float *dg, float *dup, const float *dh, const float *g, const float *up,
                     int act, int n);
    void (*softmax)(float *p, float *lse, int n, int wide);
    void (*smooth)(float *d, float *sum, const float *logits, float share, int n);
    void (*attend_grad)(float *p, float *dp, float lse, float total, int seen, int n);
    /* the optimizer, and weights to codes */
    void (*adamw)(float *w, const float *g, float *m, float *v, int n, float clip, float beta1,
                  float beta2, float rate, float root, float eps, float decay);
    void (*quantize)(float *out, const float *w, int n, const ob_quantizer *z, float scale);
    void (*magnitude)(const float *w, int n, float clamp, float *sum, float *largest);
} ob_kernels;

/* In the order of the fields above; the types of the entries differ, so the compiler
   notices a wrong order. dots and tile16: the kernels of products, which have sets of their own. */
#define OB_KERNEL_ROW(isa, dots, tile16, nr)                                                       \
    {                                                                                              \
        nr, ob_tile_##isa, ob_panel_##isa, ob_panel8_##isa, ob_widen8_##isa, ob_panel_q8_##isa,    \
            ob_pack8_##isa, ob_unpack_##isa, dots, tile16, ob_panel16_##isa, ob_panel8_16_##isa,   \
            ob_panel_q8_16_##isa, ob_pack16_##isa, ob_pair16_##isa, ob_settle_##isa,               \
            ob_collect_##isa, ob_code8_##isa, ob_sign8_##isa, ob_int8_##isa, ob_sign_##isa,        \
            ob_norm_##isa, ob_layer_norm_##isa, ob_norm_grad_##isa, ob_layer_norm_grad_##isa,      \
            ob_dot_##isa, ob_axpy_##isa, ob_mix_##isa, ob_scale_##isa, ob_blend_##isa,             \
            ob_gain_grad_##isa, ob_act_##isa, ob_act_grad_##isa, ob_softmax_##isa,                 \
            ob_smooth_##isa, ob_attend_grad_##isa, ob_adamw_##isa,                                 \
            ob_quantize_##isa, ob_magnitude_##isa                                                  \
    }

/* Kernels of an instruction set that ob_env_check has accepted. */
static const ob_kernels *ob_kernels_for(onebit_isa isa) {
    static const ob_kernels scalar = OB_KERNEL_ROW(scalar, ob_dots_scalar, ob_tile16_scalar, 16);
#if OB_X86
    static const ob_kernels avx2 = OB_KERNEL_ROW(avx2, ob_dots_avx2, NULL, 16);
    if (isa == ONEBIT_ISA_AUTO) isa = ob_cpu_isa();
    if (isa == ONEBIT_ISA_AVX2) return &avx2;
#if OB_AVX512
    static const ob_kernels avx512 = OB_KERNEL_ROW(avx512, ob_dots_avx2, NULL, 32);
    static const ob_kernels vnni = OB_KERNEL_ROW(avx512, ob_dots_vnni, NULL, 32);
    static const ob_kernels bf16 = OB_KERNEL_ROW(avx512, ob_dots_vnni, ob_tile16_bf16, 32);
    if (isa == ONEBIT_ISA_AVX512BF16) return &bf16;
    if (isa == ONEBIT_ISA_AVX512VNNI) return &vnni;
    if (isa == ONEBIT_ISA_AVX512) return &avx512;
#endif
#endif
#if OB_NEON
    static const ob_kernels neon = OB_KERNEL_ROW(scalar, ob_dots_neon, NULL, 16);
    if (isa == ONEBIT_ISA_AUTO || isa == ONEBIT_ISA_NEON) return &neon;
#endif
    (void)isa;
    return &scalar;
}

/* =================================================================================================
   10 >>ops   the operations of a model, forward and backward side by side, and the CPU backend.
   uses: base system format kernels                           used by: model optim session
   ============================================================================================== */

/* Sums of floats over the inputs of a linear layer run in blocks of this many columns: sum of block
   sums, each block one chain. */
#define OB_BLOCK 1024

/* Sums of integers run in segments of this many columns: 131040 * 127 * 127 < 2^31, and whole
   groups of every format. Each becomes a float once, and the floats of a row are added in order. */
#define OB_SEGMENT 131040

/* What an op runs on: hooks, kernels, and work memory for each piece of parallel work. */
typedef struct ob_exec {
    onebit_env env;
    const struct onebit_backend *ops; /* the table at the end of this floor */
    const ob_kernels *kernels;
    int half;  /* gradients are products of bfloat16 */
    int fused; /* sums of floats may fuse a multiply and an add, see ob_kernels.tile */
    uint8_t *work;
    size_t work_bytes; /* of one piece */
} ob_exec;

/* Attention works on at most this many rows at once, four tiles of 12; on keys in blocks of 32, the
   widest panel; and when they are 8-bit codes, on values in parts of 64. */
#define OB_QUERIES 48
#define OB_KEYS    32
#define OB_VALUES  64

/* A width up to whole panels of every instruction set. Attention pays for it where d is no multiple
   of 32 (a head of 24 dims takes the room of 32), and gets by without edges in return. */
static size_t ob_wide(int n) { return ob_round_up((size_t)n, OB_KEYS); }

/* Work memory of one piece: a panel, or the rooms of attention over T keys of d dims (see
   ob_attention_room), with or without those of gradients. */
static size_t ob_exec_work_bytes(int T, int d, int grad) {
    size_t panel = 32 * OB_BLOCK, keys = ob_wide(T), wide = ob_wide(d);
    size_t rooms = OB_QUERIES * (keys + 2 * wide) + OB_KEYS * (OB_VALUES + wide);
    if (grad) rooms += OB_QUERIES * (keys + wide) + 4 * keys * wide;
    return ob_round_up((panel > rooms ? panel : rooms) * sizeof(float), 64);
}

/* Cuts n things into pieces; piece i has [*from, *to). */
static void ob_share(int n, int pieces, int i, int *from, int *to) {
    *from = (int)((int64_t)n * i / pieces);
    *to = (int)((int64_t)n * (i + 1) / pieces);
}

/* Common head of every parallel job: the exec, and how many pieces. */
typedef struct ob_job {
    const ob_exec *x;
    int n, pieces;
    void (*row)(void *job, int r); /* of ob_run_rows */
} ob_job;

/* Runs body on the pieces of n things that cost about `cost` operations together; small work stays
   on this thread, because waking another takes longer. The job starts with an ob_job. */
static void ob_run(const ob_exec *x, onebit_body body, void *job, int n, double cost) {
    ob_job *head = (ob_job *)job;
    int pieces = cost < OB_WORTH_SHARING ? 1 : x->env.threads;
    if (pieces > n) pieces = n > 0 ? n : 1;
    head->x = x;
    head->n = n;
    head->pieces = pieces;
    ob_parallel(&x->env, body, job, pieces);
}

/* One piece of a job that goes row by row. */
static void ob_rows_piece(void *arg, int piece) {
    const ob_job *head = (const ob_job *)arg;
    int from, to, r;
    ob_share(head->n, head->pieces, piece, &from, &to);
    for (r = from; r < to; r++) head->row(arg, r);
}

/* ob_run for jobs whose n things are rows, each done by row(job, r) on its own: most ops are. */
static void ob_run_rows(const ob_exec *x, void (*row)(void *job, int r), void *job, int n,
                        double cost) {
    ((ob_job *)job)->row = row;
    ob_run(x, ob_rows_piece, job, n, cost);
}

/* The quantised input of linear layers, n rows of d. For an exact weight: bytes, each row padded
   with zeros to ob_code_stride(d), and sums of the codes by segments; else floats [n][d]. scale has
   one entry per row. window is what the gradient of signs needs, or NULL. */
typedef struct ob_input {
    void *codes;
    float *scale;
    int32_t *sum; /* [n][ob_segments of the weight] */
    uint8_t *window;
} ob_input;

/* Bytes of a row of codes: up to the end of its last group, of 4, 16, 20 or 32 columns. */
static size_t ob_code_stride(int d) { return ((size_t)d + 19 + 31) / 32 * 32; }

/* A matrix as a linear layer or an embedding sees it. scale has one entry per row (scale_step 1),
   one for all (scale_step 0), or one per row and group of inputs (group > 0); value = code * scale.
   exact: codes and inputs are small integers. */
typedef struct ob_weight {
    int rows, cols;
    int format;  /* ob_format */
    int bits;    /* of its inputs: 8 = int8 per token, 1 = sign, 0 = float */
    float share; /* of the code in its inputs, the rest is the float (annealing); 1 = hard */
    int exact, scale_step, group;
    int half; /* its gradients may be products of bfloat16 */
    const void *data;
    const float *scale;
} ob_weight;

static const float ob_one = 1.0f;

/* Inputs of a row that are added up as integers at a time, and how many such segments there are. */
static int ob_segment_of(const ob_weight *w) { return w->group ? w->group : OB_SEGMENT; }
/* One for nearly every matrix without groups: rows longer than OB_SEGMENT are rare. */
static size_t ob_segments(const ob_weight *w) {
    return ob_row_groups(w->cols, ob_segment_of(w));
}

/* The input of w from row `from` on; without a window. */
static ob_input ob_input_rows(const ob_input *in, const ob_weight *w, int from) {
    /* rows of bytes are padded, rows of floats are not */
    size_t row = w->exact ? ob_code_stride(w->cols) : (size_t)w->cols * sizeof(float);
    ob_input out;
    out.codes = (uint8_t *)in->codes + (size_t)from * row;
    out.scale = in->scale + from;
    out.sum = in->sum + (size_t)from * ob_segments(w);
    out.window = NULL;
    return out;
}

/* Shared by the jobs that walk over rows of d floats; each op says which fields it uses and what
   option and value mean for it. */
typedef struct ob_rows_job {
    ob_job job;
    float *out, *out2;
    const float *in, *in2, *in3, *gain;
    float *mean; /* of a LayerNorm's rows */
    const int32_t *ids;
    const ob_weight *w;
    uint8_t *window;
    int d, option;
    float value;
} ob_rows_job;

/* ---- Matrix product -------------------------------------------------------------------------- */
/* Threads split outputs (panels of columns, and blocks of rows where panels are few), never the
   sum over K: each output is added up by one thread in one order, so the number of threads
   changes no bit, and no thread waits for another. Every thread has its own panel in x->work. */

/* c[M, N] = (add ? c : 0) + a[M, K] b[K, N]; then, when w_scale is given, row n of the product is
   multiplied by a_scale[m] * w_scale[n * step]. b is a strided array, or a packed weight
   (transposed). Scales of groups, group_scale [rows of the weight][groups], come in while the
   product is made: cut_k > 0 cuts K into groups of so many inputs, rows of the weight are n; cut_n
   > 0 cuts N, rows of the weight are k (the gradient by the input). */
typedef struct ob_gemm_job {
    ob_job job;
    float *c;
    ptrdiff_t ldc;
    const float *a;
    ptrdiff_t a_rs, a_cs;
    const float *b;
    ptrdiff_t b_rs, b_cs;
    const ob_weight *packed;
    const int8_t *b8;          /* bytes in rows of b_rs instead of b */
    const ob_weight *packed_q; /* a q8x16 weight whose rows are k, instead of b */
    const uint32_t *a16;       /* instead of a: pairs of bfloat16, strides a_rs, a_cs in pairs */
    const float *a_scale, *w_scale, *group_scale;
    int step, M, N, K, add, fused, row_block, cut_k, cut_n;
    int twelves; /* a (or a16) lies as ob_twelves_put leaves it, not by strides */
} ob_gemm_job;

/* Multiplies row k of a panel by the scale of row k0 + k of the weight in the group of column n0.
   Groups are multiples of 32, so a panel lies in one of them. */
static void ob_gemm_scale_panel(const ob_gemm_job *g, float *panel, int n0, int k0, int k) {
    const ob_kernels *kernels = g->job.x->kernels;
    size_t groups = ob_row_groups(g->N, g->cut_n);
    const float *scale = g->group_scale + (size_t)k0 * groups + (size_t)(n0 / g->cut_n);
    int i;
    for (i = 0; i < k; i++, panel += kernels->nr)
        kernels->scale(panel, panel, &ob_one, 0, scale[(size_t)i * groups], kernels->nr);
}

/* The same in pairs of bfloat16. */
static void ob_gemm_panel16(const ob_gemm_job *g, uint32_t *panel, int n0, int count, int k0,
                            int k) {
    const ob_kernels *kernels = g->job.x->kernels;
    int nr = kernels->nr;
    if (g->b8) {
        kernels->panel8_16(panel, nr, g->b8 + k0 * g->b_rs + n0, g->b_rs, k, count);
    } else if (g->packed_q) {
        kernels->panel_q8_16(panel, nr, (const uint8_t *)g->packed_q->data,
                             (size_t)ob_block_bytes(OB_Q8X16, g->packed_q->cols), k0, k, n0, count);
    } else {
        kernels->panel16(panel, nr, g->b + k0 * g->b_rs + n0, g->b_rs, k, count);
    }
}

/* Fills the panel of columns [n0, n0 + count) and inputs [k0, k0 + k). */
static void ob_gemm_panel(const ob_gemm_job *g, float *panel, int n0, int count, int k0, int k) {
    const ob_kernels *kernels = g->job.x->kernels;
    int nr = kernels->nr, half;
    if (g->a16) {
        ob_gemm_panel16(g, (uint32_t *)(void *)panel, n0, count, k0, k);
        return;
    }
    if (!g->packed) {
        if (g->b8) {
            kernels->panel8(panel, nr, g->b8 + k0 * g->b_rs + n0, g->b_rs, k, count);
        } else if (g->packed_q) {
            kernels->panel_q8(panel, nr, (const uint8_t *)g->packed_q->data,
                              (size_t)ob_block_bytes(OB_Q8X16, g->packed_q->cols), k0, k, n0,
                              count);
        } else {
            const float *b = g->b + k0 * g->b_rs + n0 * g->b_cs;
            kernels->panel(panel, nr, b, g->b_rs, g->b_cs, k, count);
        }
        if (g->cut_n) ob_gemm_scale_panel(g, panel, n0, k0, k);
        return;
    }
    for (half = 0; half < nr; half += 16) {
        const uint8_t *data = (const uint8_t *)g->packed->data;
        uint64_t bytes = ob_block_bytes((ob_format)g->packed->format, g->packed->cols);
        if (half < count)
            kernels->unpack(panel + half, nr, data + (uint64_t)((n0 + half) / 16) * bytes,
                            g->packed->format, k0, k);
    }
}

/* c[rows][nr] of rows from m on and one panel. */
static void ob_gemm_tile(const ob_gemm_job *g, const float *panel, int m, int rows, int k0, int k,
                         float *c, ptrdiff_t ldc, int add) {
    const ob_kernels *kernels = g->job.x->kernels;
    int pair = g->a16 ? 2 : 1, step = g->twelves ? 12 : rows, from, wide;
    for (from = 0; from < rows; from += step, m += step, c += step * ldc) {
        ptrdiff_t rs = g->a_rs, cs = g->a_cs, at = m * rs + k0 / pair * cs;
        int part = rows - from < step ? rows - from : step;
        if (g->twelves) {
            wide = g->M - m < 12 ? g->M - m : 12;
            rs = 1, cs = wide;
            at = (ptrdiff_t)m * ((g->K + pair - 1) / pair) + (ptrdiff_t)(k0 / pair) * wide;
        }
        if (g->a16)
            kernels->tile16(part, (k + 1) / 2, g->a16 + at, rs, cs,
                            (const uint32_t *)(const void *)panel, c, ldc, add);
        else kernels->tile(part, k, g->a + at, rs, cs, panel, kernels->nr, c, ldc, add, g->fused);
    }
}

/* One panel of one block of rows, tile by tile; a narrow last panel goes through a buffer. */
static void ob_gemm_tiles(const ob_gemm_job *g, const float *panel, int m0, int m1, int n0,
                          int count, int k0, int k) {
    int nr = g->job.x->kernels->nr, add = g->add || k0 > 0, m, i, rows;
    float edge[12 * 32];
    if (count == nr) {
        ob_gemm_tile(g, panel, m0, m1 - m0, k0, k, g->c + m0 * g->ldc + n0, g->ldc, add);
        return;
    }
    for (m = m0; m < m1; m += rows) {
        size_t bytes = (size_t)count * sizeof(float);
        rows = m1 - m < 12 ? m1 - m : 12;
        for (i = 0; add && i < rows; i++)
            memcpy(edge + i * nr, g->c + (m + i) * g->ldc + n0, bytes);
        ob_gemm_tile(g, panel, m, rows, k0, k, edge, nr, add);
        for (i = 0; i < rows; i++) memcpy(g->c + (m + i) * g->ldc + n0, edge + i * nr, bytes);
    }
}

/* The same for one group of inputs [k0, k0 + k): c[n] = (first ? 0 : c[n]) + scale[n] * sum of the
   group, product and sum rounded on their own, groups in their order. That is the definition of a
   layer with groups: an integer kernel must round the same. */
static void ob_gemm_group(const ob_gemm_job *g, const float *panel, int m0, int m1, int n0,
                          int count, int k0, int k) {
    const ob_kernels *kernels = g->job.x->kernels;
    size_t groups = ob_row_groups(g->K, g->cut_k);
    float sums[12 * 32], scale[32];
    int m, i, rows;
    for (i = 0; i < count; i++)
        scale[i] = g->group_scale[(size_t)(n0 + i) * groups + (size_t)(k0 / g->cut_k)];
    for (m = m0; m < m1; m += rows) {
        rows = m1 - m < 12 ? m1 - m : 12;
        kernels->tile(rows, k, g->a + m * g->a_rs + k0 * g->a_cs, g->a_rs, g->a_cs, panel,
                      kernels->nr, sums, kernels->nr, OB_SET, g->fused);
        for (i = 0; i < rows; i++)
            kernels->blend(g->c + (m + i) * g->ldc + n0, sums + i * kernels->nr, scale, k0 > 0,
                           count);
    }
}

/* One item: a panel of nr columns times a block of rows. */
static void ob_gemm_item(const ob_gemm_job *g, float *panel, int panel_index, int block_index) {
    const ob_kernels *kernels = g->job.x->kernels;
    int n0 = panel_index * kernels->nr, m0 = block_index * g->row_block, m1 = m0 + g->row_block;
    int count = g->N - n0 < kernels->nr ? g->N - n0 : kernels->nr, k0, m;
    int block = g->cut_k ? g->cut_k : OB_BLOCK;
    if (m1 > g->M) m1 = g->M;
    for (k0 = 0; k0 < g->K; k0 += block) {
        int k = g->K - k0 < block ? g->K - k0 : block;
        ob_gemm_panel(g, panel, n0, count, k0, k);
        if (g->cut_k) ob_gemm_group(g, panel, m0, m1, n0, count, k0, k);
        else ob_gemm_tiles(g, panel, m0, m1, n0, count, k0, k);
    }
    for (m = m0; g->w_scale && m < m1; m++) {
        float *row = g->c + m * g->ldc + n0;
        kernels->scale(row, row, g->w_scale + n0 * g->step, g->step, g->a_scale[m], count);
    }
}

/* Items are numbered panel by panel, so a piece meets the blocks of one panel in a row. */
static void ob_gemm_piece(void *arg, int piece) {
    ob_gemm_job *g = (ob_gemm_job *)arg;
    float *panel = (float *)(void *)(g->job.x->work + (size_t)piece * g->job.x->work_bytes);
    int blocks = (g->M + g->row_block - 1) / g->row_block, from, to, i;
    ob_share(g->job.n, g->job.pieces, piece, &from, &to);
    for (i = from; i < to; i++) ob_gemm_item(g, panel, i / blocks, i % blocks);
}

/* Runs a job whose operands and M, N, K are set. Rows are cut only when there are too few panels to
   keep all threads busy, because each block fills its panels anew. */
static void ob_gemm(const ob_exec *x, ob_gemm_job *g) {
    int nr = x->kernels->nr, panels = (g->N + nr - 1) / nr, blocks = 1;
    int threads = x->env.threads;
    if (panels % threads != 0 && panels < 8 * threads) blocks = threads;
    g->row_block = (g->M + blocks - 1) / blocks;
    if (g->twelves) g->row_block = (g->row_block + 11) / 12 * 12;
    if (g->row_block < 1) return;
    blocks = (g->M + g->row_block - 1) / g->row_block;
    ob_run(x, ob_gemm_piece, g, panels * blocks, (double)g->M * g->N * g->K);
}

/* The job of a plain product of strided arrays. */
static ob_gemm_job ob_product_job(float *c, const float *a, ptrdiff_t a_rs, ptrdiff_t a_cs,
                                  const float *b, ptrdiff_t b_rs, ptrdiff_t b_cs, int M, int N,
                                  int K, int add) {
    ob_gemm_job g;
    memset(&g, 0, sizeof g);
    g.c = c, g.ldc = N, g.a = a, g.a_rs = a_rs, g.a_cs = a_cs, g.b = b, g.b_rs = b_rs,
    g.b_cs = b_cs;
    g.M = M, g.N = N, g.K = K, g.add = add, g.fused = 1;
    return g;
}

/* Plain product of strided arrays. */
static void ob_product(const ob_exec *x, float *c, const float *a, ptrdiff_t a_rs, ptrdiff_t a_cs,
                       const float *b, ptrdiff_t b_rs, ptrdiff_t b_cs, int M, int N, int K,
                       int add) {
    ob_gemm_job g = ob_product_job(c, a, a_rs, a_cs, b, b_rs, b_cs, M, N, K, add);
    ob_gemm(x, &g);
}

/* ---- Linear:  y[n] = scale_w * scale_x[n] * (Wq . xq[n]),  n tokens -------------------------- */
/* With groups of inputs that have a scale each:
   y[n] = scale_x[n] * sum over g in order of (scale_w[row][g] * (Wq . xq[n] over group g)). */

/* Matrices that read one input: q, k, v of a block, or gate and up. */
#define OB_LINEAR_MOST 3

/* One job for all of them, so that threads meet once. An item is two blocks of 16 rows of one
   matrix, for a part of the tokens. */
typedef struct ob_linear_job {
    ob_job job;
    const ob_weight *w[OB_LINEAR_MOST];
    float *y[OB_LINEAR_MOST];
    int first[OB_LINEAR_MOST + 1]; /* number of each matrix's first pair of blocks; their number */
    int n, parts; /* tokens, and into how many parts they are cut */
    const ob_input *in;
} ob_linear_job;

/* Sums of one segment [k0, k0 + k) of tokens [t0, t0 + m) and the pair of blocks that starts at row
   `row`. A segment of t5 that does not begin with a group of 20 is copied between zeros. */
static void ob_linear_sums(const ob_linear_job *l, const ob_weight *w, int32_t *sums, int row,
                           int t0, int m, int k0, int k) {
    enum { ROOM = 320 }; /* of a segment's groups: 256 inputs and up to 19 on each side */
    const ob_kernels *kernels = l->job.x->kernels;
    ob_format format = (ob_format)w->format;
    int columns = ob_format_columns[format], skip = k0 % columns, t;
    size_t stride = ob_code_stride(w->cols), segments = ob_segments(w);
    int8_t room[OB_DOT_TOKENS * ROOM]; /* 10 kB of stack */
    ob_dots d;
    d.block_bytes = (size_t)ob_block_bytes(format, w->cols);
    d.block = (const uint8_t *)w->data + (size_t)(row / 16) * d.block_bytes +
              (size_t)(k0 / columns) * 64;
    d.blocks = w->rows - row > 16 ? 2 : 1;
    d.format = (int)format, d.m = m;
    d.groups = (skip + k + columns - 1) / columns;
    d.x = (const int8_t *)l->in->codes + (size_t)t0 * stride + (size_t)k0;
    d.ldx = (ptrdiff_t)stride;
    d.sum = l->in->sum + (size_t)t0 * segments + (size_t)(k0 / ob_segment_of(w));
    d.ld_sum = (ptrdiff_t)segments;
    if (skip || (w->group && k % columns)) {
        memset(room, 0, sizeof room);
        for (t = 0; t < m; t++) memcpy(room + t * ROOM + skip, d.x + t * d.ldx, (size_t)k);
        d.x = room, d.ldx = ROOM;
    }
    kernels->dots(sums, &d);
}

/* Outputs of one item's tokens, at most OB_DOT_TOKENS. */
static void ob_linear_tile(const ob_linear_job *l, int i, int row, int t0, int m) {
    const ob_kernels *kernels = l->job.x->kernels;
    const ob_weight *w = l->w[i];
    int32_t sums[OB_DOT_TOKENS * OB_DOT_ROWS];
    float scale[OB_DOT_ROWS], *y = l->y[i] + (size_t)t0 * (size_t)w->rows + row;
    int k0, r, t, n = w->rows - row < OB_DOT_ROWS ? w->rows - row : OB_DOT_ROWS;
    int segment = ob_segment_of(w);
    size_t segments = ob_segments(w);
    if (segments == 1 && !w->group) {
        ob_linear_sums(l, w, sums, row, t0, m, 0, w->cols);
        kernels->settle(y, w->rows, sums, w->scale + row * w->scale_step, w->scale_step,
                        l->in->scale + t0, m, n);
        return;
    }
    for (r = 0; r < OB_DOT_ROWS; r++) scale[r] = 1.0f;
    for (k0 = 0; k0 < w->cols; k0 += segment) {
        int k = w->cols - k0 < segment ? w->cols - k0 : segment;
        for (r = 0; w->group && r < n; r++)
            scale[r] = w->scale[(size_t)(row + r) * segments + (size_t)(k0 / segment)];
        ob_linear_sums(l, w, sums, row, t0, m, k0, k);
        kernels->collect(y, w->rows, sums, scale, k0 > 0, m, n);
    }
    for (t = 0; t < m; t++)
        kernels->scale(y + (size_t)t * (size_t)w->rows, y + (size_t)t * (size_t)w->rows,
                       w->group ? &ob_one : w->scale + row * w->scale_step,
                       w->group ? 0 : w->scale_step, l->in->scale[t0 + t], n);
}

/* Items go matrix by matrix, so that each piece reads its weights in one stream. */
static void ob_linear_piece(void *arg, int piece) {
    const ob_linear_job *l = (const ob_linear_job *)arg;
    int from, to, item, t, t1, i = 0;
    ob_share(l->job.n, l->job.pieces, piece, &from, &to);
    for (item = from; item < to; item++) {
        int pair = item / l->parts;
        ob_share(l->n, l->parts, item % l->parts, &t, &t1);
        while (pair >= l->first[i + 1]) i++;
        for (; t < t1; t += OB_DOT_TOKENS)
            ob_linear_tile(l, i, (pair - l->first[i]) * OB_DOT_ROWS, t,
                           t1 - t < OB_DOT_TOKENS ? t1 - t : OB_DOT_TOKENS);
    }
}

/* The exact layers: integers all the way, a float when a sum is finished. */
static void ob_linear_exact(const ob_exec *x, float *const *y, const ob_input *in,
                            const ob_weight *const *w, int count, int n) {
    ob_linear_job l;
    double cost = 0;
    int i;
    memset(&l, 0, sizeof l);
    l.in = in, l.n = n, l.parts = 1;
    for (i = 0; i < count; i++) {
        l.w[i] = w[i], l.y[i] = y[i];
        l.first[i + 1] = l.first[i] + (w[i]->rows + OB_DOT_ROWS - 1) / OB_DOT_ROWS;
        cost += (double)w[i]->rows * w[i]->cols * n / OB_DOT_SPEED;
    }
    /* a small matrix has too few items to go round; with many tokens those are cut too */
    if (l.first[count] < 4 * x->env.threads && n >= 2 * OB_DOT_TOKENS) l.parts = x->env.threads;
    ob_run(x, ob_linear_piece, &l, l.first[count] * l.parts, cost);
}

/* The others: floats, whose sums keep their order, or weights and inputs that are blended. The
   scales are applied to finished sums (of a group), never inside them. */
static void ob_linear_float(const ob_exec *x, float *y, const ob_input *in, const ob_weight *w,
                            int n) {
    ob_gemm_job g;
    memset(&g, 0, sizeof g);
    g.c = y, g.ldc = w->rows, g.a = (const float *)in->codes, g.a_rs = w->cols, g.a_cs = 1;
    g.M = n, g.N = w->rows, g.K = w->cols;
    g.a_scale = in->scale, g.w_scale = w->scale, g.step = w->scale_step, g.fused = x->fused;
    if (w->group) g.cut_k = w->group, g.group_scale = w->scale, g.w_scale = &ob_one;
    if (w->format == OB_DENSE) g.b = (const float *)w->data, g.b_rs = 1, g.b_cs = w->cols;
    else g.packed = w;
    ob_gemm(x, &g);
}

/* y[i] [n][rows] for each of count matrices that read one input; all of them are of one kind. */
static void ob_cpu_linear_forward(const ob_exec *x, float *const *y, const ob_input *in,
                                  const ob_weight *const *w, int count, int n) {
    int i;
    if (w[0]->exact) {
        ob_linear_exact(x, y, in, w, count, n);
        return;
    }
    for (i = 0; i < count; i++) ob_linear_float(x, y[i], in, w[i], n);
}

/* The left operand of dx: dy [n][d], each column times w[column * step]. half = in pairs of
   columns, of bfloat16. */
typedef struct ob_columns_job {
    ob_job job;
    float *out;
    const float *in, *w;
    int step, d, half;
} ob_columns_job;

/* One token. */
static void ob_columns_row(void *arg, int r) {
    const ob_columns_job *p = (const ob_columns_job *)arg;
    const ob_kernels *kernels = p->job.x->kernels;
    const float *in = p->in + (size_t)r * (size_t)p->d;
    size_t row = p->half ? ((size_t)p->d + 1) / 2 : (size_t)p->d;
    float *out = p->out + (size_t)r * row;
    if (p->half) kernels->pack16((uint32_t *)(void *)out, in, p->w, p->step, 1.0f, p->d);
    else kernels->scale(out, in, p->w, p->step, 1.0f, p->d);
}

/* Pairs are no more bytes than floats, so out has the same room for both. */
static void ob_columns(const ob_exec *x, float *out, const float *dy, const float *w, int step,
                       int n, int d, int half) {
    ob_columns_job p;
    memset(&p, 0, sizeof p);
    p.out = out, p.in = dy, p.w = w, p.step = step, p.d = d, p.half = half;
    ob_run_rows(x, ob_columns_row, &p, n, (double)n * d);
}

/* The left operand of dw: dy [n][d] times factors of rows, turned: [d / 12][n][12], the last group
   narrower when d is no multiple of 12. A tile takes 12 columns of dy for all tokens; where dy lies
   as it is, each step would be in another line of the cache, and soon in another page. Of bfloat16
   a number is a pair of tokens. */
typedef struct ob_twelves_job {
    ob_job job;
    void *out;
    const float *in, *s;
    int d, n, half, items; /* items: tokens, or pairs of them */
    float factor;
} ob_twelves_job;

/* count numbers of 4 bytes that begin at column col, a multiple of 12, of item r. Groups lie one
   behind the other, so the group that begins at a column is found by what all before it take. */
static void ob_twelves_put(const ob_twelves_job *p, int r, int col, const void *from, int count) {
    int i, wide;
    for (i = 0; i < count; i += 12) {
        char *group = (char *)p->out + 4 * (size_t)(col + i) * (size_t)p->items;
        const char *numbers = (const char *)from + 4 * i;
        wide = p->d - col - i < 12 ? p->d - col - i : 12;
        if (wide == 12) memcpy(group + 48 * (size_t)r, numbers, 48);
        else memcpy(group + 4 * (size_t)wide * (size_t)r, numbers, 4 * (size_t)wide);
    }
}

/* One item. A pair without a second token gets zeros there. */
static void ob_twelves_row(void *arg, int r) {
    enum { PART = 240 };
    const ob_twelves_job *p = (const ob_twelves_job *)arg;
    const ob_kernels *kernels = p->job.x->kernels;
    int first = p->half ? 2 * r : r, both = p->half && first + 1 < p->n, col, part;
    const float *in = p->in + (size_t)first * (size_t)p->d;
    const float *next = both ? in + p->d : in;
    float s = p->s[first] * p->factor, room[PART];
    for (col = 0; col < p->d; col += PART) {
        part = p->d - col < PART ? p->d - col : PART;
        if (p->half)
            kernels->pair16((uint32_t *)(void *)room, in + col, next + col, s,
                            both ? p->s[first + 1] * p->factor : 0.0f, part);
        else kernels->scale(room, in + col, &ob_one, 0, s, part);
        ob_twelves_put(p, r, col, room, part);
    }
}

/* dy [n][d] times s[token] * factor. */
static void ob_twelves(const ob_exec *x, float *out, const float *dy, const float *s, float factor,
                       int n, int d, int half) {
    ob_twelves_job p;
    memset(&p, 0, sizeof p);
    p.out = out, p.in = dy, p.s = s, p.factor = factor, p.d = d, p.n = n, p.half = half;
    p.items = half ? (n + 1) / 2 : n;
    ob_run_rows(x, ob_twelves_row, &p, p.items, (double)n * d);
}

/* Straight-through gradient: quantisers count as the identity, scales as constants. dx (+)= (dy *
   scale_w) Wq;  dw += ste * (dy * scale_x)^T xq.  tmp holds n * rows floats. dx may be NULL; dw may
   be NULL. (Bengio, Leonard, Courville 2013.) Only what is trained comes here: bytes (q8x16) of
   exact layers and dense floats of others. Scales of groups differ along dx, so they are multiplied
   into Wq, not into dy. Cost: two products of the forward pass's size. With x->half they are
   products of bfloat16, but for dx of groups, whose scaled codes would be rounded, and for blocks
   of floats. */
static void ob_cpu_linear_backward(const ob_exec *x, float *dx, float *dw, const float *dy,
                                   const ob_input *in, const ob_weight *w, float *tmp, float ste,
                                   int n, int add) {
    /* the two operands are rounded once each, here and where panels are filled */
    int half = x->half && w->half && x->kernels->tile16, half_dx = half && !w->group;
    const uint32_t *pairs = (const uint32_t *)(const void *)tmp;
    if (dx) {
        int stride = half_dx ? (w->rows + 1) / 2 : w->rows;
        ob_gemm_job g = ob_product_job(dx, w->group ? dy : tmp, stride, 1, (const float *)w->data,
                                       w->cols, 1, n, w->cols, w->rows, add);
        if (w->format == OB_Q8X16) g.packed_q = w;
        g.cut_n = w->group, g.group_scale = w->scale, g.a16 = half_dx ? pairs : NULL;
        if (!w->group) ob_columns(x, tmp, dy, w->scale, w->scale_step, n, w->rows, half_dx);
        ob_gemm(x, &g);
    }
    if (dw) {
        ob_gemm_job g = ob_product_job(dw, tmp, 0, 0, (const float *)in->codes, w->cols, 1, w->rows,
                                       w->cols, n, 1);
        if (w->exact) g.b8 = (const int8_t *)in->codes, g.b_rs = (ptrdiff_t)ob_code_stride(w->cols);
        g.a16 = half ? pairs : NULL, g.twelves = 1;
        ob_twelves(x, tmp, dy, in->scale, ste, n, w->rows, half);
        ob_gemm(x, &g);
    }
}

/* ---- Activation quantiser:  codes and scale per token; bits 0 copies with scale 1 ------------ */
/* Bits 8: int8, bits 1: signs. While a layer is annealed its input is share * code * scale +
   (1 - share) * x, with scale 1; share 0 is x itself, share 1 the code. Gradient: int8 counts as
   the identity. K * sign(x) counts as x clamped to +-2 K with K held constant: slope 1 where |x| <=
   2 K, else 0, so that numbers far from a change of sign are not driven further. It is the clip of
   Courbariaux, Hubara et al. 2016, whose window of 1 is here in units of the token; 2 K is our
   choice. Outside of the window the float's part still passes: dx * (1 - share). */

/* in = the floats, to = what is written, w = the weight that says how. */
typedef struct ob_code_job {
    ob_job job;
    const ob_input *to;
    const float *in;
    const ob_weight *w;
} ob_code_job;

/* Bytes of a row, the sums of its segments, and zeros behind them. */
static void ob_code8_row(void *arg, int r) {
    const ob_code_job *q = (const ob_code_job *)arg;
    const ob_kernels *kernels = q->job.x->kernels;
    int d = q->w->cols, segment = ob_segment_of(q->w);
    size_t stride = ob_code_stride(d), at = (size_t)r * (size_t)d;
    int8_t *codes = (int8_t *)q->to->codes + (size_t)r * stride;
    int32_t *sum = q->to->sum + (size_t)r * ob_segments(q->w);
    if (q->w->bits == 1)
        kernels->sign8(codes, q->to->scale + r, sum, q->to->window ? q->to->window + at : NULL,
                       q->in + at, d, segment);
    else kernels->code8(codes, q->to->scale + r, sum, q->in + at, d, segment);
    memset(codes + d, 0, stride - (size_t)d);
}

/* option = bits, out2 = scales, value = share. Without bits the copy makes both kinds of layer look
   alike. */
static void ob_quantize_row(void *arg, int r) {
    ob_rows_job *q = (ob_rows_job *)arg;
    const ob_kernels *kernels = q->job.x->kernels;
    size_t at = (size_t)r * (size_t)q->d;
    float *out = q->out + at, *scale = q->out2 + r;
    const float *in = q->in + at;
    if (q->option == 0) {
        memcpy(out, in, (size_t)q->d * sizeof(float));
        *scale = 1.0f;
        return;
    }
    if (q->option == 1)
        kernels->sign(out, scale, q->window ? q->window + at : NULL, in, q->d);
    else kernels->int8(out, scale, in, q->d);
    if (q->value == 1.0f) return;
    kernels->mix(out, in, q->value * *scale, 1.0f - q->value, q->d);
    *scale = 1.0f;
}

/* The input in [rows][cols of w] as w wants it: bits, share, exact and segments are those of w.
   window [rows][cols], or NULL: what quantize_backward needs for signs; other bits leave it
   alone. */
static void ob_cpu_quantize(const ob_exec *x, const ob_input *to, const float *in,
                            const ob_weight *w, int rows) {
    ob_rows_job q;
    ob_code_job c;
    if (w->exact) {
        memset(&c, 0, sizeof c);
        c.to = to, c.in = in, c.w = w;
        ob_run_rows(x, ob_code8_row, &c, rows, (double)rows * w->cols * 2);
        return;
    }
    memset(&q, 0, sizeof q);
    q.out = (float *)to->codes, q.out2 = to->scale, q.window = to->window, q.in = in;
    q.d = w->cols, q.option = w->bits, q.value = w->share;
    ob_run_rows(x, ob_quantize_row, &q, rows, (double)rows * w->cols * 2);
}

/* value = what passes outside of the window. */
static void ob_quantize_grad_row(void *arg, int r) {
    ob_rows_job *q = (ob_rows_job *)arg;
    size_t d = (size_t)q->d, i;
    for (i = (size_t)r * d; i < (size_t)(r + 1) * d; i++)
        q->out[i] *= q->window[i] ? 1.0f : q->value;
}

/* dx [rows][d], in place, from the gradient by the codes of signs to that by their floats. Nothing
   is to be done for other bits. */
static void ob_cpu_quantize_backward(const ob_exec *x, float *dx, uint8_t *window,
                                     const ob_weight *w, int rows, int d) {
    ob_rows_job q;
    if (w->bits != 1) return;
    memset(&q, 0, sizeof q);
    q.out = dx, q.window = window, q.d = d, q.value = 1.0f - w->share;
    ob_run_rows(x, ob_quantize_grad_row, &q, rows, (double)rows * d);
}

/* ---- Embedding:  x[n] = W[ids[n]] ------------------------------------------------------------ */

/* A packed row lies spread over its block of 16, so it is gathered code by code: d steps per
   token, nothing beside the layers. */
static void ob_embed_row(void *arg, int r) {
    ob_rows_job *e = (ob_rows_job *)arg;
    const ob_weight *w = e->w;
    float *out = e->out + (size_t)r * (size_t)e->d;
    int id = e->ids[r];
    if (w->format == OB_DENSE)
        memcpy(out, (const float *)w->data + (size_t)id * (size_t)e->d, (size_t)e->d * 4);
    else ob_unpack_row(out, (const uint8_t *)w->data, (ob_format)w->format, id, e->d);
    e->job.x->kernels->scale(out, out, &ob_one, 0, w->scale[id * w->scale_step], e->d);
}

/* out [rows][D]. ids were checked where they came in; here they index without a look. */
static void ob_cpu_embed_forward(const ob_exec *x, float *out, const int32_t *ids,
                                 const ob_weight *w, int rows) {
    ob_rows_job e;
    memset(&e, 0, sizeof e);
    e.out = out, e.ids = ids, e.w = w, e.d = w->cols;
    ob_run_rows(x, ob_embed_row, &e, rows, (double)rows * w->cols * 4);
}

/* dw[ids[n]] += ste * dx[n]. Pieces split columns, so equal ids never meet. */
static void ob_embed_grad_piece(void *arg, int piece) {
    ob_rows_job *e = (ob_rows_job *)arg;
    int from, to, r;
    ob_share(e->d, e->job.pieces, piece, &from, &to);
    for (r = 0; r < e->option; r++)
        e->job.x->kernels->axpy(e->out + (size_t)e->ids[r] * (size_t)e->d + from,
                                e->in + (size_t)r * (size_t)e->d + from, e->value, to - from);
}

/* dw [V][D]; d, not rows, is split. A tied matrix already holds the head's gradient, hence the
   sum. */
static void ob_cpu_embed_backward(const ob_exec *x, float *dw, const int32_t *ids, const float *dx,
                                  float ste, int rows, int d) {
    ob_rows_job e;
    memset(&e, 0, sizeof e);
    e.out = dw, e.ids = ids, e.in = dx, e.d = d, e.option = rows, e.value = ste;
    ob_run(x, ob_embed_grad_piece, &e, d, (double)rows * d);
}

/* ---- RMSNorm:  y = x * rstd * g,  rstd = 1 / sqrt(mean x^2 + eps)   (Zhang & Sennrich 2019) -- */
/* mean says which norm: NULL = RMSNorm, else LayerNorm without bias, which centres each row first
   and keeps the rows' means there. */

/* out2 = rstd, value = eps. */
static void ob_norm_row(void *arg, int r) {
    ob_rows_job *n = (ob_rows_job *)arg;
    const ob_kernels *kernels = n->job.x->kernels;
    size_t at = (size_t)r * (size_t)n->d;
    float *y = n->out + at, *rstd = n->out2 + r;
    if (n->mean)
        kernels->layer_norm(y, rstd, n->mean + r, n->in + at, n->gain, n->d, n->value);
    else kernels->norm(y, rstd, n->in + at, n->gain, n->d, n->value);
}

/* y may be in. rows is N for the residual stream, N * H or N * K when heads are normed, with d
   theirs. */
static void ob_cpu_norm_forward(const ob_exec *x, float *y, float *rstd, float *mean,
                                const float *in, const float *gain, int rows, int d, float eps) {
    ob_rows_job n;
    memset(&n, 0, sizeof n);
    n.out = y, n.out2 = rstd, n.mean = mean, n.in = in, n.gain = gain, n.d = d, n.value = eps;
    ob_run_rows(x, ob_norm_row, &n, rows, (double)rows * d * 3);
}

/* in = the norm's input, in2 = dy, out2 = rstd, option = add. */
static void ob_norm_grad_row(void *arg, int r) {
    ob_rows_job *n = (ob_rows_job *)arg;
    size_t at = (size_t)r * (size_t)n->d;
    const ob_kernels *kernels = n->job.x->kernels;
    const float *dy = n->in2 + at, *in = n->in + at;
    if (n->mean)
        kernels->layer_norm_grad(n->out + at, dy, in, n->gain, n->out2[r], n->mean[r], n->d,
                                 n->option);
    else kernels->norm_grad(n->out + at, dy, in, n->gain, n->out2[r], n->d, n->option);
}

/* out = dgain, in = the norm's input, in2 = dy, out2 = rstd, option = rows. dgain [d] sums over
   rows, so columns are what threads can share: each is added up by one, in the order of rows. */
static void ob_gain_piece(void *arg, int piece) {
    ob_rows_job *n = (ob_rows_job *)arg;
    int from, to;
    ob_share(n->d, n->job.pieces, piece, &from, &to);
    n->job.x->kernels->gain_grad(n->out + from, n->in2 + from, n->in + from, n->out2, n->mean,
                                 n->option, n->d, to - from);
}

/* dx (+)= gradient by x (dx may be dy when written); dgain += sum over rows of dy * x * rstd, x
   centred for LayerNorm. The gain comes first, because it still needs dy when dx takes its
   place. */
static void ob_cpu_norm_backward(const ob_exec *x, float *dx, float *dgain, const float *dy,
                                 const float *in, const float *gain, float *rstd, float *mean,
                                 int rows, int d, int add) {
    ob_rows_job n;
    memset(&n, 0, sizeof n);
    n.out2 = rstd, n.mean = mean, n.in = in, n.in2 = dy, n.gain = gain, n.d = d;
    n.out = dgain, n.option = rows;
    ob_run(x, ob_gain_piece, &n, d, (double)rows * d);
    n.out = dx, n.option = add;
    ob_run_rows(x, ob_norm_grad_row, &n, rows, (double)rows * d * 4);
}

/* ---- RoPE:  (x_i, x_{i+d/2}) turned by the angle pos * theta^(-2i/d)   (Su et al. 2021) ------ */

/* x is turned in place; token r has heads * d floats. */
typedef struct ob_rope_job {
    ob_job job;
    float *x;
    const float *table; /* [T][d]: cos for d/2, then sin for d/2 */
    int heads, d, T, start;
    float direction; /* +1 forward, -1 backward: the transpose of a rotation */
} ob_rope_job;

/* Halves of a head are paired (i with i + d/2), as in Hugging Face's LLaMA; the paper pairs
   neighbours. The two differ by a fixed order of dims, so weights must know which one they were
   trained with. */
static void ob_rope_row(void *arg, int r) {
    ob_rope_job *p = (ob_rope_job *)arg;
    int h, i, half = p->d / 2;
    const float *c = p->table + (size_t)(p->start + r % p->T) * (size_t)p->d, *s = c + half;
    for (h = 0; h < p->heads; h++) {
        float *v = p->x + ((size_t)r * (size_t)p->heads + (size_t)h) * (size_t)p->d;
        for (i = 0; i < half; i++) {
            float a = v[i], b = v[i + half], sine = s[i] * p->direction;
            v[i] = a * c[i] - b * sine;
            v[i + half] = b * c[i] + a * sine;
        }
    }
}

/* rows tokens of `heads` heads; token r stands at position start + r % T. */
static void ob_cpu_rope(const ob_exec *x, float *v, const float *table, int rows, int T, int start,
                        int heads, int d, float direction) {
    ob_rope_job p;
    memset(&p, 0, sizeof p);
    p.x = v, p.table = table, p.heads = heads, p.d = d, p.T = T, p.start = start;
    p.direction = direction;
    ob_run_rows(x, ob_rope_row, &p, rows, (double)rows * heads * d * 3);
}

/* Fills the table for positions [0, T). [T][d], computed in double once: at position 10^5 a
   float angle
   would be off by up to 0.004. use 0 fills in angle 0, so
   that models without RoPE take the same path. */
static void ob_rope_table(float *table, int T, int d, double theta, int use) {
    int t, i;
    for (t = 0; t < T; t++)
        for (i = 0; i < d / 2; i++) {
            double sine, cosine, turn = ob_exp_double(-2.0 * i / d * ob_log_double(theta));
            ob_sine_cosine(use ? (double)t * turn : 0.0, &sine, &cosine);
            table[(size_t)t * (size_t)d + (size_t)i] = (float)cosine;
            table[(size_t)t * (size_t)d + (size_t)(i + d / 2)] = (float)sine;
        }
}

/* ---- Attention:  o = softmax(q K^T / sqrt d) V, causal, H query heads on K key heads --------- */

/* The keys and values of one layer, room for cap positions in each sequence. Both lie as the tile
   reads them, in panels of 32: keys [B][K][cap / 32][d][32], values [B][K][d / 32][cap][32], with
   whole panels at the ends. What fills those up is read, but never used. Training and the session's
   cache have one layout; a session may keep codes of 8 bits, with a scale per key and value,
   [B][K][cap]. */
typedef struct ob_cache {
    void *k, *v;              /* floats, or bytes with scales */
    float *k_scale, *v_scale; /* NULL = floats */
} ob_cache;

/* Takes the cache of B sequences of cap positions. */
static ob_cache ob_cache_take(ob_carve *c, size_t B, int cap, int K, int d, int bits) {
    size_t heads = B * (size_t)K, number = bits == 8 ? 1 : sizeof(float);
    ob_cache cache;
    cache.k = ob_take_product(c, heads * ob_wide(cap), (size_t)d * number);
    cache.v = ob_take_product(c, heads * (size_t)cap, ob_wide(d) * number);
    cache.k_scale = cache.v_scale = NULL;
    if (bits != 8) return cache;
    cache.k_scale = (float *)ob_take_product(c, heads * (size_t)cap, sizeof(float));
    cache.v_scale = (float *)ob_take_product(c, heads * (size_t)cap, sizeof(float));
    return cache;
}

/* The part of key head `head` (b * K + kh). */
static ob_cache ob_cache_of(const ob_cache *all, size_t head, int cap, int d) {
    size_t number = all->k_scale ? 1 : sizeof(float);
    ob_cache c;
    c.k = (char *)all->k + head * ob_wide(cap) * (size_t)d * number;
    c.v = (char *)all->v + head * (size_t)cap * ob_wide(d) * number;
    c.k_scale = all->k_scale ? all->k_scale + head * (size_t)cap : NULL;
    c.v_scale = all->v_scale ? all->v_scale + head * (size_t)cap : NULL;
    return c;
}

/* Number i of the key, and of the value, of position t of a head. */
static size_t ob_key_at(int d, int t, int i) {
    return ((size_t)(t / OB_KEYS) * (size_t)d + (size_t)i) * OB_KEYS + (size_t)(t % OB_KEYS);
}
static size_t ob_value_at(int cap, int t, int i) {
    return ((size_t)(i / OB_KEYS) * (size_t)cap + (size_t)t) * OB_KEYS + (size_t)(i % OB_KEYS);
}

/* One batch of sequences. */
typedef struct ob_attention {
    ob_job job;
    const float *q; /* [B*T][H][d] */
    float *o;       /* [B*T][H][d] */
    float *lse;     /* [B*T][H] log sum exp of the scores, kept for backward; NULL in a session */
    ob_cache cache;
    int B, T, start; /* T new positions after `start` old ones */
    int H, K, d, cap;
    /* backward */
    const float *k;      /* [B*T][K][d] */
    const float *d_o;    /* [B*T][H][d] */
    float *dq, *dk, *dv; /* [B*T][H][d], [B*T][K][d] twice */
} ob_attention;

/* What a piece works in; wide = d up to whole panels, ld = keys up to whole panels. */
typedef struct ob_attention_room {
    const ob_kernels *kernels;
    int d, wide, ld, fused;
    float *query, *out; /* [OB_QUERIES][wide] */
    float *scores;      /* [OB_QUERIES][ld] */
    float *unpacked;    /* [d][32] or [OB_VALUES][32] of 8-bit codes */
    /* backward */
    float *d_o;            /* [OB_QUERIES][wide] */
    float *dscores;        /* [OB_QUERIES][ld] */
    float *columns_v;      /* v as keys lie: [ld / 32][d][32] */
    float *rows_k;         /* k as values lie: [wide / 32][T][32] */
    float *grad_k, *grad_v; /* [ld][wide] */
} ob_attention_room;

/* Takes rows of floats from the work memory. */
static float *ob_room_take(float **work, int rows, int n) {
    float *p = *work;
    *work += (size_t)rows * (size_t)n;
    return p;
}

/* Lays out the rooms of forward; work moves behind them. */
static ob_attention_room ob_attention_enter(const ob_attention *a, int fused, float **work) {
    ob_attention_room r;
    memset(&r, 0, sizeof r);
    r.kernels = a->job.x->kernels, r.fused = fused;
    r.d = a->d, r.wide = (int)ob_wide(a->d), r.ld = (int)ob_wide(a->start + a->T);
    r.query = ob_room_take(work, OB_QUERIES, r.wide);
    r.out = ob_room_take(work, OB_QUERIES, r.wide);
    r.scores = ob_room_take(work, OB_QUERIES, r.ld);
    r.unpacked = ob_room_take(work, OB_KEYS, a->d > OB_VALUES ? a->d : OB_VALUES);
    return r;
}

/* Rows that are worked on together: m of them, `row` floats apart in q and o. Row i sees keys up to
   at + i * step: with step 1 they are positions of one head, with step 0 heads of one position.
   Heads of one position share every key and value that is read, which is what makes groups of heads
   cheap when one token is decoded: the cache is read once for all of a group. */
typedef struct ob_rows {
    int m, at, step;
    ptrdiff_t row;
} ob_rows;

/* Keys that the last of rows [0, i] sees: the mask of attention is a length, nothing is masked. */
static int ob_rows_seen(const ob_rows *g, int i) { return g->at + i * g->step + 1; }

/* to[m][wide] = rows of d floats times factor, zeros behind. */
static void ob_rows_load(const ob_attention_room *r, float *to, const float *from, const ob_rows *g,
                         float factor) {
    int i;
    for (i = 0; i < g->m; i++, to += r->wide, from += g->row) {
        r->kernels->scale(to, from, &ob_one, 0, factor, r->d);
        memset(to + r->d, 0, (size_t)(r->wide - r->d) * sizeof(float));
    }
}

/* n codes as floats, without their scale: that of a key is multiplied into its score, that of a
   value into its probability, so each is applied once per key and not once per number. */
static const float *ob_attention_unpack(const ob_attention_room *r, const int8_t *codes, int n) {
    r->kernels->widen8(r->unpacked, codes, n);
    return r->unpacked;
}

/* scores[m][ld] = rows [m][wide] times keys. Panels that only later rows see are left out for the
   earlier ones, in steps of 4 rows. */
static void ob_attention_scores(const ob_attention_room *r, float *scores, const float *rows,
                                const void *keys, int bytes, const ob_rows *g) {
    const ob_kernels *kernels = r->kernels;
    int j, part, first, n = ob_rows_seen(g, g->m - 1);
    for (j = 0; j < n; j += OB_KEYS) {
        const float *panel = (const float *)keys + (size_t)j * (size_t)r->d;
        if (bytes) {
            panel = ob_attention_unpack(r, (const int8_t *)keys + (size_t)j * (size_t)r->d,
                                        r->d * OB_KEYS);
        }
        first = g->step && j > g->at ? (j - g->at) & ~3 : 0;
        for (part = 0; part < OB_KEYS; part += kernels->nr)
            kernels->tile(g->m - first, r->d, rows + first * r->wide, r->wide, 1, panel + part,
                          OB_KEYS, scores + (size_t)first * (size_t)r->ld + j + part, r->ld, OB_SET,
                          r->fused);
    }
}

/* out[m][wide] = scores times values, key by key in order; cap is the room of a panel. Rows go in
   twelves, each twelve as far as its last one sees: behind the others' ends the scores are 0 and
   change no sum. */
static void ob_attention_mix(const ob_attention_room *r, const float *scores, const void *values,
                             int bytes, int cap, const ob_rows *g) {
    const ob_kernels *kernels = r->kernels;
    int i, j, c, part, n = ob_rows_seen(g, g->m - 1), step = bytes ? OB_VALUES : n;
    for (c = 0; c < r->wide; c += OB_KEYS)
        for (j = 0; j < n; j += step) {
            size_t at = ((size_t)(c / OB_KEYS) * (size_t)cap + (size_t)j) * OB_KEYS;
            const float *panel = (const float *)values + at;
            int left = n - j < step ? n - j : step;
            if (bytes)
                panel = ob_attention_unpack(r, (const int8_t *)values + at, left * OB_KEYS);
            for (i = 0; i < g->m; i += 12) {
                int rows = g->m - i < 12 ? g->m - i : 12, k = ob_rows_seen(g, i + rows - 1) - j;
                if (k > left) k = left;
                for (part = 0; part < OB_KEYS && k > 0; part += kernels->nr)
                    kernels->tile(rows, k, scores + (size_t)i * (size_t)r->ld + j, r->ld, 1,
                                  panel + part, OB_KEYS, r->out + i * r->wide + c + part, r->wide,
                                  j ? OB_CONTINUE : OB_SET, r->fused);
            }
        }
}

/* Attention of a block of rows. q, o and lse point at its first one; lse's rows are as far apart as
   heads or positions. Scores against all keys that are seen, softmax of each row as far as it sees,
   product with the values (Dao et al. 2022 save memory so; here it is the register tile that wins).
   Each output is one chain of sums in the order of dims or keys, whatever the block. */
static void ob_attention_block(const ob_attention_room *r, const ob_cache *c, int cap,
                               const float *q, float *o, float *lse, ptrdiff_t ldl,
                               const ob_rows *g) {
    const ob_kernels *kernels = r->kernels;
    int i, bytes = c->k_scale != NULL;
    ob_rows_load(r, r->query, q, g, 1.0f / sqrtf((float)r->d)); /* once, not n scores */
    ob_attention_scores(r, r->scores, r->query, c->k, bytes, g);
    for (i = 0; i < g->m; i++) {
        float *row = r->scores + (size_t)i * (size_t)r->ld;
        int seen = ob_rows_seen(g, i), wide = (seen + 15) & ~15;
        if (bytes) kernels->scale(row, row, c->k_scale, 1, 1.0f, seen);
        kernels->softmax(row, lse ? lse + i * ldl : NULL, seen, wide);
        if (bytes) kernels->scale(row, row, c->v_scale, 1, 1.0f, seen);
        if (g->step) memset(row + wide, 0, (size_t)(r->ld - wide) * sizeof(float));
    }
    ob_attention_mix(r, r->scores, c->v, bytes, cap, g);
    for (i = 0; i < g->m; i++)
        memcpy(o + i * g->row, r->out + i * r->wide, (size_t)r->d * sizeof(float));
}

/* n heads from h on, which share a key head, of sequence b: blocks of positions head by head, or,
   when there is but one position, of heads. */
static void ob_attention_heads(const ob_attention *a, int b, int h, int n, float *work) {
    ob_cache c = ob_cache_of(&a->cache, (size_t)(b * a->K + h / (a->H / a->K)), a->cap, a->d);
    ob_attention_room r = ob_attention_enter(a, a->job.x->fused, &work);
    int i, t, one = a->T == 1;
    ob_rows g;
    g.m = 1;
    for (i = 0; i < n; i += one ? g.m : 1)
        for (t = 0; t < a->T; t += g.m) {
            size_t row = (size_t)(b * a->T + t) * (size_t)a->H + (size_t)(h + i);
            size_t at = row * (size_t)a->d;
            g.m = one ? n - i : a->T - t, g.at = a->start + t, g.step = !one;
            g.row = (one ? 1 : (ptrdiff_t)a->H) * a->d;
            if (g.m > OB_QUERIES) g.m = OB_QUERIES;
            ob_attention_block(&r, &c, a->cap, a->q + at, a->o + at, a->lse ? a->lse + row : NULL,
                               one ? 1 : a->H, &g);
        }
}

/* Items are query heads of sequences; those that share a key head go together (groups of H / K,
   Ainslie et al. 2023). */
static void ob_attention_piece(void *arg, int piece) {
    ob_attention *a = (ob_attention *)arg;
    float *work = (float *)(void *)(a->job.x->work + (size_t)piece * a->job.x->work_bytes);
    int from, to, i, n, group = a->H / a->K;
    ob_share(a->job.n, a->job.pieces, piece, &from, &to);
    for (i = from; i < to; i += n) {
        n = group - i % group;
        if (n > to - i) n = to - i;
        ob_attention_heads(a, i / a->H, i % a->H, n, work);
    }
}

/* keys counts the pairs of a position and a key it sees; T^2 / 2 in training. */
static void ob_cpu_attention_forward(const ob_exec *x, ob_attention *a) {
    double keys = (double)a->T * (a->start + 0.5 * a->T);
    ob_run(x, ob_attention_piece, a, a->B * a->H, 4.0 * a->B * a->H * keys * a->d);
}

/* m queries of head h from position t on: adds to the key head's grad_k and grad_v, writes dq.
   Scores are computed again from what forward kept of them, log sum exp: two products more, and no
   array of T x T. With P = exp(S - lse), dP = dO V^T and dS = P (dP - rowsum(dO o)):
   dQ = dS K / sqrt d, dK += dS^T Q / sqrt d, dV += P^T dO. */
static void ob_attention_grad_block(const ob_attention *a, const ob_attention_room *r,
                                    const ob_cache *cache, int b, int h, const ob_rows *g) {
    const ob_kernels *kernels = r->kernels;
    size_t row = (size_t)(b * a->T + g->at) * (size_t)a->H + (size_t)h, at = row * (size_t)a->d;
    int i, j, c, m = g->m, n = ob_rows_seen(g, m - 1);
    float scale = 1.0f / sqrtf((float)a->d), total;
    ob_rows_load(r, r->query, a->q + at, g, scale);
    ob_rows_load(r, r->d_o, a->d_o + at, g, 1.0f);
    ob_attention_scores(r, r->scores, r->query, cache->k, 0, g);
    ob_attention_scores(r, r->dscores, r->d_o, r->columns_v, 0, g);
    for (i = 0; i < m; i++) {
        kernels->dot(&total, r->d_o + i * r->wide, a->o + at + i * g->row, a->d);
        kernels->attend_grad(r->scores + (size_t)i * (size_t)r->ld,
                             r->dscores + (size_t)i * (size_t)r->ld,
                             a->lse[row + (size_t)(i * a->H)], total, ob_rows_seen(g, i), n);
    }
    ob_attention_mix(r, r->dscores, r->rows_k, 0, a->T, g);
    for (i = 0; i < m; i++)
        kernels->scale(a->dq + at + i * g->row, r->out + i * r->wide, &ob_one, 0, scale, a->d);
    for (j = 0; j < n; j += 12) { /* queries before the first of 12 keys do not see them */
        int skip = j > g->at ? j - g->at : 0, rows = n - j < 12 ? n - j : 12;
        size_t from = (size_t)skip * (size_t)r->ld + (size_t)j;
        for (c = 0; c < r->wide; c += kernels->nr) {
            kernels->tile(rows, m - skip, r->dscores + from, 1, r->ld,
                          r->query + skip * r->wide + c, r->wide,
                          r->grad_k + (size_t)j * (size_t)r->wide + c, r->wide, OB_ADD, 1);
            kernels->tile(rows, m - skip, r->scores + from, 1, r->ld,
                          r->d_o + skip * r->wide + c, r->wide,
                          r->grad_v + (size_t)j * (size_t)r->wide + c, r->wide, OB_ADD, 1);
        }
    }
}

/* One kv head of one sequence: all query heads that share it, so that dk and dv have one owner. */
static void ob_attention_grad_head(const ob_attention *a, int b, int kh, float *work) {
    ob_cache c = ob_cache_of(&a->cache, (size_t)(b * a->K + kh), a->cap, a->d);
    ob_attention_room r = ob_attention_enter(a, 1, &work);
    int h, t, i, d = a->d, T = a->T, group = a->H / a->K;
    ptrdiff_t row = (ptrdiff_t)a->K * d;
    size_t own = (size_t)(b * T) * (size_t)row + (size_t)(kh * d);
    ob_rows g;
    r.d_o = ob_room_take(&work, OB_QUERIES, r.wide);
    r.dscores = ob_room_take(&work, OB_QUERIES, r.ld);
    r.columns_v = ob_room_take(&work, r.ld, d);
    r.rows_k = ob_room_take(&work, r.ld, r.wide);
    r.grad_k = ob_room_take(&work, r.ld, r.wide);
    r.grad_v = ob_room_take(&work, r.ld, r.wide);
    memset(r.grad_k, 0, (size_t)T * (size_t)r.wide * sizeof(float));
    memset(r.grad_v, 0, (size_t)T * (size_t)r.wide * sizeof(float));
    for (t = 0; t < T; t++)
        for (i = 0; i < r.wide; i++) {
            r.rows_k[ob_value_at(T, t, i)] = i < d ? a->k[own + (size_t)(t * row + i)] : 0.0f;
            if (i < d)
                r.columns_v[ob_key_at(d, t, i)] =
                    ((const float *)c.v)[ob_value_at(a->cap, t, i)];
        }
    g.step = 1, g.row = (ptrdiff_t)a->H * d;
    for (h = kh * group; h < (kh + 1) * group; h++)
        for (t = 0; t < T; t += OB_QUERIES) {
            g.at = t, g.m = T - t < OB_QUERIES ? T - t : OB_QUERIES;
            ob_attention_grad_block(a, &r, &c, b, h, &g);
        }
    for (t = 0; t < T; t++) {
        size_t from = (size_t)t * (size_t)r.wide, to = own + (size_t)(t * row);
        memcpy(a->dk + to, r.grad_k + from, (size_t)d * sizeof(float));
        memcpy(a->dv + to, r.grad_v + from, (size_t)d * sizeof(float));
    }
}

/* Items are key heads of sequences: whoever has a key head has all that adds to its gradients, in
   one order, so threads change no bit. */
static void ob_attention_grad_piece(void *arg, int piece) {
    ob_attention *a = (ob_attention *)arg;
    float *work = (float *)(void *)(a->job.x->work + (size_t)piece * a->job.x->work_bytes);
    int from, to, i;
    ob_share(a->job.n, a->job.pieces, piece, &from, &to);
    for (i = from; i < to; i++) ob_attention_grad_head(a, i / a->K, i % a->K, work);
}

/* Writes dq, dk, dv from d_o, o and the log sums that forward kept (start 0, floats in the
   cache). */
static void ob_cpu_attention_backward(const ob_exec *x, ob_attention *a) {
    ob_run(x, ob_attention_grad_piece, a, a->B * a->K, 5.0 * a->B * a->H * a->T * a->T * a->d);
}

/* Keys and values k, v [B*T][K][d] of new positions, on their way into a cache. */
typedef struct ob_store_job {
    ob_job job;
    const ob_cache *cache;
    const float *k, *v;
    int T, start, K, d, cap;
} ob_store_job;

/* All positions of one head of one sequence. */
static void ob_store_head(void *arg, int head) {
    const ob_store_job *s = (const ob_store_job *)arg;
    const ob_kernels *kernels = s->job.x->kernels;
    ob_cache c = ob_cache_of(s->cache, (size_t)head, s->cap, s->d);
    int8_t code_k[1024], code_v[1024]; /* the widest head of the config table */
    int32_t sum;
    int t, i, at, d = s->d, wide = (int)ob_wide(d);
    for (t = 0; t < s->T; t++) {
        size_t row = ((size_t)(head / s->K * s->T + t) * (size_t)s->K + (size_t)(head % s->K)) *
                     (size_t)d;
        at = s->start + t;
        if (c.k_scale) {
            kernels->code8(code_k, c.k_scale + at, &sum, s->k + row, d, d);
            kernels->code8(code_v, c.v_scale + at, &sum, s->v + row, d, d);
            memset(code_v + d, 0, (size_t)(wide - d));
            for (i = 0; i < d; i++) ((int8_t *)c.k)[ob_key_at(d, at, i)] = code_k[i];
            for (i = 0; i < wide; i++) ((int8_t *)c.v)[ob_value_at(s->cap, at, i)] = code_v[i];
        } else {
            for (i = 0; i < d; i++) ((float *)c.k)[ob_key_at(d, at, i)] = s->k[row + (size_t)i];
            for (i = 0; i < wide; i++)
                ((float *)c.v)[ob_value_at(s->cap, at, i)] = i < d ? s->v[row + (size_t)i] : 0.0f;
        }
    }
}

/* T new positions after start old ones. Columns of a panel are 128 bytes apart, so a key touches d
   lines of one stretch of memory; as columns of the whole context it would touch d pages. */
static void ob_cpu_cache_store(const ob_exec *x, const ob_cache *cache, const float *k,
                               const float *v, int B, int T, int start, int K, int d, int cap) {
    ob_store_job s;
    memset(&s, 0, sizeof s);
    s.cache = cache, s.k = k, s.v = v, s.T = T, s.start = start, s.K = K, s.d = d, s.cap = cap;
    ob_run_rows(x, ob_store_head, &s, B * K, (double)B * T * K * d * 8);
}

/* ---- FFN activation:  h = act(gate) * up, or act(gate) when up is NULL ----------------------- */

/* in = gate, in2 = up, option = act. in3 NULL = forward, then out = h; else in3 = dh, out = dgate,
   out2 = dup. Both directions in one, because they walk over the same rows. */
static void ob_act_row(void *arg, int r) {
    ob_rows_job *a = (ob_rows_job *)arg;
    size_t at = (size_t)r * (size_t)a->d;
    const float *up = a->in2 ? a->in2 + at : NULL;
    if (a->in3)
        a->job.x->kernels->act_grad(a->out + at, a->out2 ? a->out2 + at : NULL, a->in3 + at,
                                    a->in + at, up, a->option, a->d);
    else a->job.x->kernels->act(a->out + at, a->in + at, up, a->option, a->d);
}

/* All arrays [rows][d] with d = F; act as in ob_activation. An exponential counts as about ten
   operations. */
static void ob_cpu_act_forward(const ob_exec *x, float *h, const float *gate, const float *up,
                               int act, int rows, int d) {
    ob_rows_job a;
    memset(&a, 0, sizeof a);
    a.out = h, a.in = gate, a.in2 = up, a.option = act, a.d = d;
    ob_run_rows(x, ob_act_row, &a, rows, (double)rows * d * 10);
}

/* dgate = dh * up * act'(gate), dup = dh * act(gate). */
static void ob_cpu_act_backward(const ob_exec *x, float *dgate, float *dup, const float *dh,
                                const float *gate, const float *up, int act, int rows, int d) {
    ob_rows_job a;
    memset(&a, 0, sizeof a);
    a.out = dgate, a.out2 = dup, a.in3 = dh, a.in = gate, a.in2 = up, a.option = act, a.d = d;
    ob_run_rows(x, ob_act_row, &a, rows, (double)rows * d * 14);
}

/* ---- Residual:  out = x + r * y  (out may be x) ---------------------------------------------- */

/* in2 = y, value = r. In a session out is in, and the copy falls away. */
static void ob_residual_row(void *arg, int r) {
    ob_rows_job *a = (ob_rows_job *)arg;
    size_t at = (size_t)r * (size_t)a->d;
    if (a->out != a->in) memcpy(a->out + at, a->in + at, (size_t)a->d * 4);
    a->job.x->kernels->axpy(a->out + at, a->in2 + at, a->value, a->d);
}

/* r is 1, or sqrt(1/2) with residual scaling: see ob_residual_factor. */
static void ob_cpu_residual(const ob_exec *x, float *out, const float *in, const float *y, float r,
                            int rows, int d) {
    ob_rows_job a;
    memset(&a, 0, sizeof a);
    a.out = out, a.in = in, a.in2 = y, a.value = r, a.d = d;
    ob_run_rows(x, ob_residual_row, &a, rows, (double)rows * d);
}

/* ---- Softcap, and softmax cross-entropy ------------------------------------------------------ */

/* logits = c * tanh(logits / c), with tanh from the same exponential as everything else. */
static void ob_cpu_softcap(const ob_exec *x, float *logits, float cap, size_t n) {
    size_t i;
    (void)x;
    for (i = 0; i < n; i++) {
        float e = ob_exp(-2.0f * ob_absf(logits[i]) / cap), t = (1.0f - e) / (1.0f + e);
        logits[i] = logits[i] < 0.0f ? -cap * t : cap * t;
    }
}

/* logits and dlogits [n][V], row_loss, row_uniform and targets [n]; factor is 1 / scored tokens of
   the batch. */
typedef struct ob_loss_job {
    ob_job job;
    float *dlogits;
    double *row_loss, *row_uniform;
    const float *logits;
    const int32_t *targets;
    int V;
    float factor, cap, smoothing;
} ob_loss_job;

/* Loss of each row in nats, ln(sum exp) - logit[target]; dlogits = (p - onehot) * factor, through
   the softcap's slope 1 - (l / c)^2. dlogits holds the softmax as work, so it is always needed.
   With label smoothing s the target is 1 - s at its id and s / V everywhere (Szegedy et al. 2016);
   row_uniform is the loss against the uniform part alone, the mean of -ln p over all ids. */
static void ob_loss_row(void *arg, int r) {
    ob_loss_job *l = (ob_loss_job *)arg;
    int j, V = l->V;
    const float *logits = l->logits + (size_t)r * (size_t)V;
    float *d = l->dlogits + (size_t)r * (size_t)V, lse;
    int target = l->targets[r];
    l->row_loss[r] = 0.0;
    memset(d, 0, (size_t)V * 4);
    if (target < 0) return;
    memcpy(d, logits, (size_t)V * 4);
    l->job.x->kernels->softmax(d, &lse, V, V);
    l->row_loss[r] = (double)lse - (double)logits[target];
    d[target] -= 1.0f - l->smoothing;
    if (l->smoothing > 0.0f) {
        float sum;
        l->job.x->kernels->smooth(d, &sum, logits, l->smoothing / (float)V, V);
        l->row_uniform[r] = (double)lse - (double)sum / V;
    }
    l->job.x->kernels->scale(d, d, &ob_one, 0, l->factor, V);
    for (j = 0; l->cap > 0.0f && j < V; j++)
        d[j] *= 1.0f - (logits[j] / l->cap) * (logits[j] / l->cap);
}

/* Targets below 0 are not scored: their loss and gradient are 0. Row losses are doubles and are
   summed by the caller in order, so threads do not change the mean. row_uniform is written only
   with smoothing, for scored rows; without it may be NULL. */
static void ob_cpu_loss(const ob_exec *x, float *dlogits, double *row_loss, double *row_uniform,
                        const float *logits, const int32_t *targets, float factor, float cap,
                        float smoothing, int rows, int V) {
    ob_loss_job l;
    memset(&l, 0, sizeof l);
    l.dlogits = dlogits, l.row_loss = row_loss, l.row_uniform = row_uniform;
    l.logits = logits, l.targets = targets, l.V = V;
    l.factor = factor, l.cap = cap, l.smoothing = smoothing;
    ob_run_rows(x, ob_loss_row, &l, rows, (double)rows * V * 8);
}

/* ---- Weight quantiser:  latents to dense codes and scales ------------------------------------ */
/* Two walks over the matrix for integer modes, because every code needs the scale and a
   per-tensor scale needs all rows; groups need one walk. Row sums are added in the order of rows,
   and a median is a number of the tensor, so the scale does not depend on threads. Costs one read
   and one write of the weights per update, little beside the products; a median four reads more. */

/* measure 1: magnitudes of each row; 0: codes. step as in ob_weight's scale_step. prefix and shift
   as in ob_median_count. */
typedef struct ob_weights_job {
    ob_job job;
    const ob_quantizer *z;
    const float *w;
    void *codes;
    float *scale, *largest;
    int cols, measure, step, shift, format;
    uint32_t prefix;
} ob_weights_job;

/* Codes of columns [col, col + n) of row r, in the job's format; col is a multiple of 4. */
static void ob_weights_put(const ob_weights_job *q, int r, int col, int n, float scale) {
    enum { PART = 512 };
    const ob_kernels *kernels = q->job.x->kernels;
    size_t at = (size_t)r * (size_t)q->cols;
    float room[PART];
    int k, part;
    if (q->format == OB_DENSE) {
        kernels->quantize((float *)q->codes + at + col, q->w + at + col, n, q->z, scale);
        return;
    }
    for (k = 0; k < n; k += part) {
        part = n - k < PART ? n - k : PART;
        kernels->quantize(room, q->w + at + col + k, part, q->z, scale);
        kernels->pack8((uint8_t *)q->codes, (size_t)ob_block_bytes(OB_Q8X16, q->cols), r, col + k,
                       room, part);
    }
}

/* The 256 counters of a piece. */
static uint64_t *ob_weights_counters(const ob_exec *x, int piece) {
    return (uint64_t *)(void *)(x->work + (size_t)piece * x->work_bytes);
}

/* One round of the median over a piece of the rows. */
static void ob_weights_count_piece(void *arg, int piece) {
    ob_weights_job *q = (ob_weights_job *)arg;
    uint64_t *count = ob_weights_counters(q->job.x, piece);
    int from, to, r;
    memset(count, 0, 256 * sizeof *count);
    ob_share(q->job.n, q->job.pieces, piece, &from, &to);
    for (r = from; r < to; r++)
        ob_median_count(count, q->w + (size_t)r * (size_t)q->cols, q->cols, ob_clamp_bound(q->z),
                        q->prefix, q->shift);
}

/* ob_median of all rows. Integer counts are the same whatever the pieces. */
static float ob_weights_median(const ob_exec *x, ob_weights_job *q, int rows) {
    uint64_t rank = ((uint64_t)rows * (uint64_t)q->cols - 1) / 2, *count;
    int piece, i;
    for (q->shift = 24; q->shift >= 0; q->shift -= 8) {
        ob_run(x, ob_weights_count_piece, q, rows, (double)rows * q->cols * 4);
        count = ob_weights_counters(x, 0);
        for (piece = 1; piece < q->job.pieces; piece++)
            for (i = 0; i < 256; i++) count[i] += ob_weights_counters(x, piece)[i];
        q->prefix = ob_median_narrow(count, q->prefix, &rank);
    }
    return ob_bits_float(q->prefix);
}

/* Scale of n weights of one row. */
static float ob_group_scale(const ob_kernels *kernels, const ob_quantizer *z, const float *w,
                            int n) {
    float sum, largest;
    if (z->median) return ob_tensor_scale(z, ob_median(w, n, ob_clamp_bound(z)));
    kernels->magnitude(w, n, ob_clamp_bound(z), &sum, &largest);
    return ob_tensor_scale(z, sum / (float)n);
}

/* Codes and scales [rows][groups]; groups are independent, so one walk does it all. */
static void ob_weights_group_row(void *arg, int r) {
    ob_weights_job *q = (ob_weights_job *)arg;
    const ob_kernels *kernels = q->job.x->kernels;
    size_t groups = ob_row_groups(q->cols, q->z->group);
    int k;
    for (k = 0; k < q->cols; k += q->z->group) {
        int n = q->cols - k < q->z->group ? q->cols - k : q->z->group;
        size_t at = (size_t)r * (size_t)q->cols + (size_t)k;
        float *scale = q->scale + (size_t)r * groups + (size_t)(k / q->z->group);
        *scale = ob_group_scale(kernels, q->z, q->w + at, n);
        ob_weights_put(q, r, k, n, *scale);
    }
}

/* In the first walk scale[r] holds the row's sum: room is saved, and the caller turns it into a
   scale. */
static void ob_weights_row(void *arg, int r) {
    ob_weights_job *q = (ob_weights_job *)arg;
    const ob_kernels *kernels = q->job.x->kernels;
    size_t at = (size_t)r * (size_t)q->cols;
    if (q->measure)
        kernels->magnitude(q->w + at, q->cols, ob_clamp_bound(q->z), q->scale + r, q->largest + r);
    else ob_weights_put(q, r, 0, q->cols, q->scale[r * q->step]);
}

/* The scales of an integer mode without groups: first walk, into scale [rows] (8bit) or [1]. */
static void ob_weights_scale(const ob_exec *x, ob_weights_job *q, int rows) {
    double sum = 0.0, count = (double)rows * q->cols;
    int r;
    if (q->z->median && !q->step) {
        q->scale[0] = ob_tensor_scale(q->z, ob_weights_median(x, q, rows));
        return;
    }
    q->measure = 1;
    ob_run_rows(x, ob_weights_row, q, rows, count);
    q->measure = 0;
    for (r = 0; r < rows; r++) sum += q->scale[r];
    for (r = 0; r < rows && q->step; r++) q->scale[r] = ob_row_scale(q->z, q->largest[r]);
    if (!q->step) q->scale[0] = ob_tensor_scale(q->z, (float)(sum / count));
}

/* codes [rows, cols], floats (OB_DENSE) or bytes (OB_Q8X16), and scale [rows] (8bit),
   [rows][groups] or [1]; scale holds at least `rows` floats, largest `rows`. f32 and f16 get the
   scale 1. */
static void ob_cpu_quantize_weight(const ob_exec *x, void *codes, int format, float *scale,
                                   float *largest, const float *w, const ob_quantizer *z, int rows,
                                   int cols) {
    ob_weights_job q;
    memset(&q, 0, sizeof q);
    q.z = z, q.w = w, q.codes = codes, q.scale = scale, q.largest = largest, q.cols = cols;
    q.format = format;
    q.step = z->mode == ONEBIT_8BIT;
    if (z->group) {
        ob_run_rows(x, ob_weights_group_row, &q, rows, (double)rows * cols * 3);
        return;
    }
    if (ob_mode_is_integer(z->mode)) ob_weights_scale(x, &q, rows);
    else scale[0] = 1.0f;
    ob_run_rows(x, ob_weights_row, &q, rows, (double)rows * cols * 2);
}

/* ---- The backend: one row per op ------------------------------------------------------------- */

/* What follows belongs to this block (from 0; L = the head): for whoever watches, as a trace does.
   There is nothing to do on the CPU. */
static void ob_cpu_layer(const ob_exec *x, int number) { (void)x, (void)number; }

/* Another device fills the same rows in the same order. All pointers are its own memory; ops return
   nothing and never allocate. A row: name, parameters, and their names once more as arguments. */
#define ONEBIT_OPS(X)                                                                              \
    X(layer, (const ob_exec *x, int number), (x, number))                                          \
    X(embed_forward, (const ob_exec *x, float *out, const int32_t *ids, const ob_weight *w,        \
                      int rows),                                                                   \
      (x, out, ids, w, rows))                                                                      \
    X(embed_backward, (const ob_exec *x, float *dw, const int32_t *ids, const float *dx,           \
                       float ste, int rows, int d),                                                \
      (x, dw, ids, dx, ste, rows, d))                                                              \
    X(norm_forward, (const ob_exec *x, float *y, float *rstd, float *mean, const float *in,        \
                     const float *gain, int rows, int d, float eps),                               \
      (x, y, rstd, mean, in, gain, rows, d, eps))                                                  \
    X(norm_backward, (const ob_exec *x, float *dx, float *dgain, const float *dy,                  \
                      const float *in, const float *gain, float *rstd, float *mean, int rows,      \
                      int d, int add),                                                             \
      (x, dx, dgain, dy, in, gain, rstd, mean, rows, d, add))                                      \
    X(quantize, (const ob_exec *x, const ob_input *to, const float *in, const ob_weight *w,        \
                 int rows),                                                                        \
      (x, to, in, w, rows))                                                                        \
    X(quantize_backward, (const ob_exec *x, float *dx, uint8_t *window, const ob_weight *w,        \
                          int rows, int d),                                                        \
      (x, dx, window, w, rows, d))                                                                 \
    X(quantize_weight, (const ob_exec *x, void *codes, int format, float *scale, float *largest,   \
                        const float *w, const ob_quantizer *z, int rows, int cols),                \
      (x, codes, format, scale, largest, w, z, rows, cols))                                        \
    X(linear_forward, (const ob_exec *x, float *const *y, const ob_input *in,                      \
                       const ob_weight *const *w, int count, int n),                               \
      (x, y, in, w, count, n))                                                                     \
    X(linear_backward, (const ob_exec *x, float *dx, float *dw, const float *dy,                   \
                        const ob_input *in, const ob_weight *w, float *tmp, float ste, int n,      \
                        int add),                                                                  \
      (x, dx, dw, dy, in, w, tmp, ste, n, add))                                                    \
    X(rope, (const ob_exec *x, float *v, const float *table, int rows, int T, int start,           \
             int heads, int d, float direction),                                                   \
      (x, v, table, rows, T, start, heads, d, direction))                                          \
    X(cache_store, (const ob_exec *x, const ob_cache *cache, const float *k, const float *v,       \
                    int B, int T, int start, int K, int d, int cap),                               \
      (x, cache, k, v, B, T, start, K, d, cap))                                                    \
    X(attention_forward, (const ob_exec *x, ob_attention *a), (x, a))                              \
    X(attention_backward, (const ob_exec *x, ob_attention *a), (x, a))                             \
    X(act_forward, (const ob_exec *x, float *h, const float *gate, const float *up, int act,       \
                    int rows, int d),                                                              \
      (x, h, gate, up, act, rows, d))                                                              \
    X(act_backward, (const ob_exec *x, float *dgate, float *dup, const float *dh,                  \
                     const float *gate, const float *up, int act, int rows, int d),                \
      (x, dgate, dup, dh, gate, up, act, rows, d))                                                 \
    X(residual, (const ob_exec *x, float *out, const float *in, const float *y, float r,           \
                 int rows, int d),                                                                 \
      (x, out, in, y, r, rows, d))                                                                 \
    X(softcap, (const ob_exec *x, float *logits, float cap, size_t n), (x, logits, cap, n))        \
    X(loss, (const ob_exec *x, float *dlogits, double *row_loss, double *row_uniform,              \
             const float *logits, const int32_t *targets, float factor, float cap,                 \
             float smoothing, int rows, int V),                                                    \
      (x, dlogits, row_loss, row_uniform, logits, targets, factor, cap, smoothing, rows, V))

#define OB_OP_FIELD(name, parameters, arguments) void(*name) parameters;
/* A table, not a switch in every op: model code names an op and never asks where it runs. */
typedef struct onebit_backend {
    ONEBIT_OPS(OB_OP_FIELD)
} onebit_backend;
#undef OB_OP_FIELD

#define OB_OP_CPU(name, parameters, arguments) ob_cpu_##name,
static const onebit_backend ob_cpu_backend = {ONEBIT_OPS(OB_OP_CPU)};
#undef OB_OP_CPU

/* Sets an exec up on the CPU; its work memory comes from carve. T positions, d head width, grad 1 =
   gradients too. */
static void ob_exec_init(ob_exec *x, const onebit_env *env, ob_carve *carve, int T, int d,
                         int grad) {
    x->env = *env;
    x->ops = &ob_cpu_backend;
    x->kernels = ob_kernels_for(env->isa);
    x->half = x->fused = 0;
    x->work_bytes = ob_exec_work_bytes(T, d, grad);
    x->work = (uint8_t *)ob_take(carve, x->work_bytes * (size_t)env->threads);
}

/* =================================================================================================
   11 >>model   the tensors of a model, and its forward and backward pass as lists of ops.
   uses: base system config format ops                         used by: optim files session
   ============================================================================================== */

/* Dimensions, by the letters of the manual. */
typedef struct ob_dims {
    int V, D, L, H, K, d, F, T, gated;
} ob_dims;

/* Short names keep the tensor table below legible, one tensor to a line. */
static ob_dims ob_dims_of(const onebit_config *c) {
    ob_dims m;
    m.V = c->vocab_size, m.D = c->hidden_size, m.L = c->num_layers, m.H = c->num_heads;
    m.K = c->num_key_value_heads, m.d = c->head_dim, m.F = c->intermediate_size;
    m.T = c->max_seq_len, m.gated = c->use_swiglu;
    return m;
}

/* ---- The tensor table ------------------------------------------------------------------------ */
/* Every list of tensors comes from these two: memory, first weights, gradients, files. A tensor
   that is added here is trained, saved and loaded; only the passes must be told what it does.
   Names are those of Hugging Face's LLaMA, so that other tools can read model.safetensors. */

/* What decides on mode, decay and optimizer: gains are never quantised nor decayed, embedding
   and head have modes of their own. */
typedef enum ob_role { OB_ROLE_GAIN, OB_ROLE_LINEAR, OB_ROLE_EMBEDDING, OB_ROLE_HEAD } ob_role;

/* One row per tensor: id, Hugging Face name, rows, cols, kind, whether a config has it. Tensors of
   a block have the prefix model.layers.N. before the name. */
#define ONEBIT_BLOCK_TENSORS(X)                                                                    \
    X(NORM1, "input_layernorm.weight", 1, m.D, OB_ROLE_GAIN, 1)                                    \
    X(Q, "self_attn.q_proj.weight", m.H *m.d, m.D, OB_ROLE_LINEAR, 1)                              \
    X(K, "self_attn.k_proj.weight", m.K *m.d, m.D, OB_ROLE_LINEAR, 1)                              \
    X(V, "self_attn.v_proj.weight", m.K *m.d, m.D, OB_ROLE_LINEAR, 1)                              \
    X(Q_NORM, "self_attn.q_norm.weight", 1, m.d, OB_ROLE_GAIN, c->use_qk_norm)                     \
    X(K_NORM, "self_attn.k_norm.weight", 1, m.d, OB_ROLE_GAIN, c->use_qk_norm)                     \
    X(O_NORM, "self_attn.attn_sub_norm.weight", 1, m.H *m.d, OB_ROLE_GAIN, c->use_sub_norm)        \
    X(O, "self_attn.o_proj.weight", m.D, m.H *m.d, OB_ROLE_LINEAR, 1)                              \
    X(NORM2, "post_attention_layernorm.weight", 1, m.D, OB_ROLE_GAIN, 1)                           \
    X(GATE, "mlp.gate_proj.weight", m.F, m.D, OB_ROLE_LINEAR, m.gated)                             \
    X(UP, "mlp.up_proj.weight", m.F, m.D, OB_ROLE_LINEAR, 1)                                       \
    X(DOWN_NORM, "mlp.ffn_sub_norm.weight", 1, m.F, OB_ROLE_GAIN, c->use_sub_norm)                 \
    X(DOWN, "mlp.down_proj.weight", m.D, m.F, OB_ROLE_LINEAR, 1)

#define ONEBIT_MODEL_TENSORS(X)                                                                    \
    X(EMBED, "model.embed_tokens.weight", m.V, m.D, OB_ROLE_EMBEDDING, 1)                          \
    X(FINAL_NORM, "model.norm.weight", 1, m.D, OB_ROLE_GAIN, 1)                                    \
    X(HEAD, "lm_head.weight", m.V, m.D, OB_ROLE_HEAD, !c->tie_word_embeddings)

#define OB_TENSOR_ID(id, name, rows, cols, kind, when) OB_##id,
typedef enum ob_tensor_id {
    ONEBIT_BLOCK_TENSORS(OB_TENSOR_ID) OB_BLOCK_TENSORS,
    ONEBIT_MODEL_TENSORS(OB_TENSOR_ID) OB_TENSOR_IDS
} ob_tensor_id;
#undef OB_TENSOR_ID

/* One tensor of a config. slot is where its weight stands in an ob_view. */
typedef struct ob_tensor {
    char name[64];
    int rows, cols, kind, layer, id, slot;
    int mode;  /* onebit_mode, or -1 for gains */
    int group; /* weights of a row that share a scale; 0 = as the mode has it */
} ob_tensor;

/* Slots: block tensors of every layer, then the model's own. */
static int ob_slots(const onebit_config *c) {
    return (c->num_layers + 1) * OB_BLOCK_TENSORS + (OB_TENSOR_IDS - OB_BLOCK_TENSORS);
}

/* layer is ignored for the model's own tensors. */
static int ob_slot(const onebit_config *c, int layer, int id) {
    return (id < OB_BLOCK_TENSORS ? layer : c->num_layers) * OB_BLOCK_TENSORS + id;
}

/* Shape of the tensor that belongs into a slot; 0 when this config has none there. Names are
   written each time: this runs at start and in files, never per token. */
static int ob_tensor_in(const onebit_config *c, int slot, ob_tensor *out) {
    ob_dims m = ob_dims_of(c);
    int id = slot % OB_BLOCK_TENSORS, layer = slot / OB_BLOCK_TENSORS, present = 0;
    const char *base = "";
    memset(out, 0, sizeof *out);
    if (layer >= c->num_layers) id = slot - c->num_layers * OB_BLOCK_TENSORS, layer = -1;
    switch (id) {
#define OB_TENSOR_CASE(ID, text, r, k, type, when)                                                 \
    case OB_##ID:                                                                                  \
        present = (when) && (OB_##ID < OB_BLOCK_TENSORS) == (layer >= 0);                          \
        base = text, out->rows = r, out->cols = k, out->kind = type;                               \
        break;
        ONEBIT_BLOCK_TENSORS(OB_TENSOR_CASE)
        ONEBIT_MODEL_TENSORS(OB_TENSOR_CASE)
#undef OB_TENSOR_CASE
    default:
        break;
    }
    out->id = id, out->layer = layer, out->slot = slot;
    if (layer >= 0) ob_print(out->name, sizeof out->name, "model.layers.%d.%s", layer, base);
    else ob_print(out->name, sizeof out->name, "%s", base);
    out->mode = out->kind == OB_ROLE_GAIN        ? -1
                : out->kind == OB_ROLE_EMBEDDING ? c->embedding_mode
                : out->kind == OB_ROLE_HEAD      ? c->head_mode
                                                 : c->layer_modes[layer < 0 ? 0 : layer];
    if (out->kind == OB_ROLE_LINEAR && out->mode >= ONEBIT_TERNARY) out->group = c->scale_group;
    return present;
}

/* Scales that a tensor has where it is stored. */
static uint64_t ob_tensor_scales(const ob_tensor *t) {
    return t->mode < 0 ? 0 : ob_scale_count(t->mode, t->rows, t->cols, t->group);
}

/* Bits of the inputs of a matrix that runs in this mode. A head of signs would leave nothing of
   the logits, so the head keeps 8 bits where blocks have 1. */
static int ob_input_bits(const onebit_config *c, const ob_tensor *t, int mode) {
    if (!ob_mode_is_integer(mode)) return 0;
    return c->activation_bits == 1 && t->kind != OB_ROLE_LINEAR ? 8 : c->activation_bits;
}

/* Storage order: embedding first, then blocks, then final norm and head. Gives tensor number index;
   0 past the last. */
static int ob_tensor_at(const onebit_config *c, int index, ob_tensor *out) {
    int slots = ob_slots(c), slot, seen = 0;
    if (index == 0) return ob_tensor_in(c, ob_slot(c, 0, OB_EMBED), out);
    for (slot = 0; slot < slots; slot++) {
        if (slot == ob_slot(c, 0, OB_EMBED)) continue;
        if (ob_tensor_in(c, slot, out) && ++seen == index) return 1;
    }
    return 0;
}

/* Counts by asking for each slot, so that it cannot differ from the walk. */
static int ob_tensor_count(const onebit_config *c) {
    ob_tensor t;
    int slot, n = 0;
    for (slot = 0; slot < ob_slots(c); slot++) n += ob_tensor_in(c, slot, &t);
    return n;
}

/* All weights of a model, by slot. A gain is a weight whose data is its floats. */
typedef struct ob_view {
    const onebit_config *config;
    ob_weight *slots;
} ob_view;

/* layer counts for block tensors only; pass 0 for the model's own. */
static const ob_weight *ob_block(const ob_view *v, int layer, int id) {
    return v->slots + ob_slot(v->config, layer, id);
}

/* [cols] floats; a gain has neither codes nor scale. */
static const float *ob_gain(const ob_view *v, int layer, int id) {
    return (const float *)ob_block(v, layer, id)->data;
}

/* A tied head is the embedding itself: one matrix [V][D], read by rows in both uses. */
static const ob_weight *ob_head(const ob_view *v) {
    return ob_block(v, 0, v->config->tie_word_embeddings ? OB_EMBED : OB_HEAD);
}

/* ---- Activations ----------------------------------------------------------------------------- */
/* The backward pass needs from each layer: the inputs of its norms with their rstd (x, x2,
   q_raw, k_raw, o), the quantised inputs of its matrices (a, b, oq, hq, with scales), what went
   into attention and activation (q, k, v, p, gate, up). The output of a norm is not kept, its
   codes are (of signs also the window in which their gradient passes); h is computed again, because
   one activation is cheaper than F floats per token and layer. A session keeps none of this, so
   pairs that training keeps apart share memory there. */

/* What one block computes; training keeps one set per layer for the backward pass, a session has
   one. */
typedef struct ob_acts {
    float *x, *x2;                /* [N][D] residual stream before attention, before FFN */
    float *rstd1, *rstd2;         /* [N] */
    float *mean1, *mean2;         /* [N], NULL unless block norms are LayerNorm */
    ob_input a, b;                /* inputs of q,k,v and of gate,up [N][D] */
    float *q_raw, *k_raw;         /* before QK-norm */
    float *rstd_q, *rstd_k;       /* [N][H], [N][K] */
    float *q, *k;                 /* [N][H][d], [N][K][d] */
    ob_cache cache;               /* of training: k and v as attention reads them */
    float *lse;                   /* log sums of attention [N][H] */
    float *o, *rstd_o;            /* attention output [N][H*d] */
    ob_input oq, hq;              /* inputs of o_proj [N][H*d] and down_proj [N][F] */
    float *gate, *up, *rstd_h;    /* [N][F], [N][F], [N] */
} ob_acts;

/* Takes a * b floats. */
static float *ob_floats(ob_carve *c, size_t a, size_t b) {
    size_t n;
    return (float *)ob_take_product(c, ob_mul(a, b, &n) ? n : SIZE_MAX, sizeof(float));
}

/* What inputs are kept for: OB_RUN computes and forgets; OB_BYTES and OB_FLOATS train, where codes
   are always bytes, or may be floats. */
typedef enum ob_keep { OB_RUN, OB_BYTES, OB_FLOATS } ob_keep;

/* Room for the input of n rows of d. Windows of signs are only kept where a backward pass will ask
   for them. */
static ob_input ob_input_take(ob_carve *c, const onebit_config *config, size_t n, int d,
                              ob_keep keep) {
    ob_input in;
    size_t stride = ob_code_stride(d), bytes = 0;
    size_t segments = ob_row_groups(d, config->scale_group ? config->scale_group : OB_SEGMENT);
    if (keep != OB_BYTES && stride < (size_t)d * sizeof(float)) stride = (size_t)d * sizeof(float);
    if (!ob_mul(n, stride, &bytes)) bytes = SIZE_MAX;
    in.codes = ob_take(c, bytes);
    in.scale = ob_floats(c, n, 1);
    in.sum = (int32_t *)(void *)ob_floats(c, n, segments);
    in.window = NULL;
    if (keep != OB_RUN && config->activation_bits == 1)
        in.window = (uint8_t *)ob_take(c, n * (size_t)d);
    return in;
}

/* Means of N rows for a norm of the residual stream; NULL, which the norm op takes for RMSNorm,
   unless the config asks for LayerNorm. */
static float *ob_means_take(ob_carve *c, const onebit_config *config, size_t N) {
    return config->use_subln ? NULL : ob_floats(c, N, 1);
}

/* Takes the memory of one block for N tokens; in training, sequences of T. */
static void ob_acts_take(ob_acts *s, ob_carve *c, const onebit_config *config, size_t N, int T,
                         ob_keep how) {
    int keep = how != OB_RUN;
    ob_dims m = ob_dims_of(config);
    size_t D = (size_t)m.D, F = (size_t)m.F, q = (size_t)m.H * (size_t)m.d;
    size_t k = (size_t)m.K * (size_t)m.d;
    s->x = ob_floats(c, N, D);
    s->x2 = keep ? ob_floats(c, N, D) : s->x;
    s->rstd1 = ob_floats(c, N, 1), s->rstd2 = ob_floats(c, N, 1);
    s->mean1 = ob_means_take(c, config, N), s->mean2 = ob_means_take(c, config, N);
    s->a = ob_input_take(c, config, N, m.D, how);
    s->b = keep ? ob_input_take(c, config, N, m.D, how) : s->a;
    s->q = ob_floats(c, N, q), s->k = ob_floats(c, N, k);
    s->q_raw = keep && config->use_qk_norm ? ob_floats(c, N, q) : s->q;
    s->k_raw = keep && config->use_qk_norm ? ob_floats(c, N, k) : s->k;
    s->rstd_q = ob_floats(c, N, (size_t)m.H), s->rstd_k = ob_floats(c, N, (size_t)m.K);
    if (keep) s->cache = ob_cache_take(c, N / (size_t)T, T, m.K, m.d, 32);
    s->lse = keep ? ob_floats(c, N, (size_t)m.H) : NULL;
    s->o = ob_floats(c, N, q), s->rstd_o = ob_floats(c, N, 1);
    s->oq = ob_input_take(c, config, N, m.H * m.d, how);
    s->gate = m.gated ? ob_floats(c, N, F) : NULL, s->up = ob_floats(c, N, F);
    s->rstd_h = ob_floats(c, N, 1), s->hq = ob_input_take(c, config, N, m.F, how);
}

/* Everything one pass needs: the model, the batch, and work memory shared by all layers. */
typedef struct ob_pass {
    const ob_exec *x;
    const ob_view *w;
    const float *rope;           /* [T][d] */
    int B, T;                    /* B * T rows */
    float *t, *y;                /* [N][widest] */
    float *final_x, *final_rstd; /* after the last block: [N][D], [N] */
    float *final_mean;           /* [N] or NULL, like mean1 */
    ob_input head;               /* input of the head [N][D] */
} ob_pass;

/* t and y carry rows of D, F or H * d in turn. */
static size_t ob_widest(const onebit_config *c) {
    int w = c->hidden_size > c->intermediate_size ? c->hidden_size : c->intermediate_size;
    int q = c->num_heads * c->head_dim;
    return (size_t)(q > w ? q : w);
}

/* N tokens: B * T of a micro-batch, or one chunk of a session. */
static void ob_pass_take(ob_pass *p, ob_carve *c, const onebit_config *config, size_t N) {
    size_t D = (size_t)config->hidden_size;
    p->t = ob_floats(c, N, ob_widest(config)), p->y = ob_floats(c, N, ob_widest(config));
    p->final_x = ob_floats(c, N, D), p->final_rstd = ob_floats(c, N, 1);
    p->final_mean = ob_means_take(c, config, N);
    p->head = ob_input_take(c, config, N, config->hidden_size, OB_RUN);
}

/* ---- Forward --------------------------------------------------------------------------------- */
/* Training and sessions share this walk. What differs is data: training has B sequences from
   position 0, bytes or dense codes and a set of activations per layer, a session one sequence,
   packed weights, one set, and a cache that goes on from start. So what was trained is what runs,
   and a test of one is a test of both. */

/* Rows of the pass that belong to one cache: B sequences of T positions behind `start` old ones.
   Training has one span; several sessions that run together have one each. */
typedef struct ob_span {
    int row, B, T, start, cap; /* cap = room per sequence */
    ob_cache cache;            /* of one layer */
} ob_span;

/* sqrt(1/2) after each branch keeps the variance of a sum of two equal parts. */
static float ob_residual_factor(const onebit_config *c) {
    return c->use_residual_scaling ? 0.70710678f : 1.0f;
}

/* One eps for all norms of a model. */
static float ob_eps(const onebit_config *c) { return (float)c->layer_norm_eps; }

/* Queries, keys, values of the new positions, normed and turned; keys and values into the cache.
   q, k and v read the same codes a: the input is quantised once, with the bits of Q, because a
   layer has one mode. */
static void ob_forward_qkv(const ob_pass *p, const ob_acts *s, const ob_span *spans, int count,
                           int layer) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    int N = p->B * p->T, H = c->num_heads, K = c->num_key_value_heads, d = c->head_dim;
    const ob_weight *w[3];
    float *y[3];
    int i;
    w[0] = ob_block(p->w, layer, OB_Q), y[0] = s->q_raw;
    w[1] = ob_block(p->w, layer, OB_K), y[1] = s->k_raw;
    w[2] = ob_block(p->w, layer, OB_V), y[2] = p->y;
    x->ops->norm_forward(x, p->t, s->rstd1, s->mean1, s->x, ob_gain(p->w, layer, OB_NORM1), N,
                         c->hidden_size, ob_eps(c));
    x->ops->quantize(x, &s->a, p->t, w[0], N);
    x->ops->linear_forward(x, y, &s->a, w, 3, N);
    if (c->use_qk_norm) {
        x->ops->norm_forward(x, s->q, s->rstd_q, NULL, s->q_raw, ob_gain(p->w, layer, OB_Q_NORM),
                             N * H, d, ob_eps(c));
        x->ops->norm_forward(x, s->k, s->rstd_k, NULL, s->k_raw, ob_gain(p->w, layer, OB_K_NORM),
                             N * K, d, ob_eps(c));
    }
    for (i = 0; i < count; i++) {
        const ob_span *a = spans + i;
        float *q = s->q + (size_t)a->row * (size_t)(H * d);
        float *k = s->k + (size_t)a->row * (size_t)(K * d);
        x->ops->rope(x, q, p->rope, a->B * a->T, a->T, a->start, H, d, 1.0f);
        x->ops->rope(x, k, p->rope, a->B * a->T, a->T, a->start, K, d, 1.0f);
        x->ops->cache_store(x, &a->cache, k, p->y + (size_t)a->row * (size_t)(K * d), a->B, a->T,
                            a->start, K, d, a->cap);
    }
}

/* The attention job of a span, forward part. */
static ob_attention ob_attention_of(const ob_pass *p, const ob_acts *s, const ob_span *span) {
    const onebit_config *c = p->w->config;
    size_t at = (size_t)span->row * (size_t)(c->num_heads * c->head_dim);
    ob_attention a;
    memset(&a, 0, sizeof a);
    a.q = s->q + at, a.o = s->o + at, a.lse = s->lse, a.k = s->k;
    a.cache = span->cache;
    a.B = span->B, a.T = span->T, a.start = span->start, a.cap = span->cap;
    a.H = c->num_heads, a.K = c->num_key_value_heads, a.d = c->head_dim;
    return a;
}

/* x2 = x + r * o_proj(subnorm(attention(...))). */
static void ob_forward_attention(const ob_pass *p, const ob_acts *s, const ob_span *spans,
                                 int count, int layer) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    int N = p->B * p->T, q = c->num_heads * c->head_dim;
    const ob_weight *wo = ob_block(p->w, layer, OB_O);
    const float *in = s->o;
    int i;
    x->ops->layer(x, layer);
    ob_forward_qkv(p, s, spans, count, layer);
    for (i = 0; i < count; i++) {
        ob_attention a = ob_attention_of(p, s, spans + i);
        x->ops->attention_forward(x, &a);
    }
    if (c->use_sub_norm) {
        x->ops->norm_forward(x, p->t, s->rstd_o, NULL, s->o, ob_gain(p->w, layer, OB_O_NORM), N, q,
                             ob_eps(c));
        in = p->t;
    }
    x->ops->quantize(x, &s->oq, in, wo, N);
    x->ops->linear_forward(x, &p->y, &s->oq, &wo, 1, N);
    x->ops->residual(x, s->x2, s->x, p->y, ob_residual_factor(c), N, c->hidden_size);
}

/* h = act(gate(b)) * up(b) into p->t. */
static void ob_forward_act(const ob_pass *p, const ob_acts *s) {
    const onebit_config *c = p->w->config;
    int gated = s->gate != NULL;
    p->x->ops->act_forward(p->x, p->t, gated ? s->gate : s->up, gated ? s->up : NULL,
                           ob_activation(c), p->B * p->T, c->intermediate_size);
}

/* out = x2 + r * down(subnorm(h)). out is the next layer's x, or x itself in a session. */
static void ob_forward_ffn(const ob_pass *p, const ob_acts *s, float *out, int layer) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    int N = p->B * p->T, D = c->hidden_size, F = c->intermediate_size;
    const ob_weight *down = ob_block(p->w, layer, OB_DOWN), *w[2];
    const float *in = p->t;
    float *y[2];
    w[0] = ob_block(p->w, layer, OB_UP), y[0] = s->up;
    w[1] = ob_block(p->w, layer, OB_GATE), y[1] = s->gate;
    x->ops->norm_forward(x, p->t, s->rstd2, s->mean2, s->x2, ob_gain(p->w, layer, OB_NORM2), N, D,
                         ob_eps(c));
    x->ops->quantize(x, &s->b, p->t, w[0], N);
    x->ops->linear_forward(x, y, &s->b, w, s->gate ? 2 : 1, N);
    ob_forward_act(p, s);
    if (c->use_sub_norm) {
        x->ops->norm_forward(x, p->y, s->rstd_h, NULL, p->t, ob_gain(p->w, layer, OB_DOWN_NORM), N,
                             F, ob_eps(c));
        in = p->y;
    }
    x->ops->quantize(x, &s->hq, in, down, N);
    x->ops->linear_forward(x, &p->y, &s->hq, &down, 1, N);
    x->ops->residual(x, out, s->x2, p->y, ob_residual_factor(c), N, D);
}

/* Logits [n][V] of rows [from, from + n) of final_x. A session asks for the last row only: with
   a large vocabulary the head costs as much as several layers, and a prompt needs its logits
   once. */
static void ob_forward_head(const ob_pass *p, float *logits, int from, int n) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    const ob_weight *head = ob_head(p->w);
    ob_input in = ob_input_rows(&p->head, head, from);
    size_t at = (size_t)from * (size_t)c->hidden_size;
    x->ops->layer(x, c->num_layers);
    x->ops->norm_forward(x, p->t, p->final_rstd + from, p->final_mean ? p->final_mean + from : NULL,
                         p->final_x + at, ob_gain(p->w, 0, OB_FINAL_NORM), n, c->hidden_size,
                         ob_eps(c));
    x->ops->quantize(x, &in, p->t, head, n);
    x->ops->linear_forward(x, &logits, &in, &head, 1, n);
    if (c->logit_softcap > 0)
        x->ops->softcap(x, logits, (float)c->logit_softcap, (size_t)n * (size_t)c->vocab_size);
}

/* ---- Backward -------------------------------------------------------------------------------- */
/* The forward list read from its end. g->dx holds the gradient of the residual stream and is
   added to in place: a branch takes r * dx in, and adds what flows back through its norm. d1, d2
   and d3 pass a gradient from op to op inside a branch. Matrices and gains only ever add up, so
   micro-batches accumulate without a further array. */

/* Where gradients go: one float array per slot (NULL = none there), and the straight-through factor
   of each matrix. */
typedef struct ob_grads {
    float **slots;
    const float *ste;          /* by slot */
    float *dx;                 /* [N][D] gradient of the residual stream, running backwards */
    float *d1, *d2, *d3, *tmp; /* [N][widest] */
    float *dq, *dk, *dv;       /* as in ob_attention */
    float smoothing;           /* of labels */
    double *row_uniform;       /* [N] as in ob_loss_job; NULL without it */
    float *dlogits, *head_tmp; /* [rows][V] each */
    int head_rows;             /* rows of the head that are worked on together */
} ob_grads;

/* Rows of the head that are worked on together, of N. Logits and their gradient take three arrays
   of [rows][V]; 256 rows are enough for full speed, and with a large vocabulary 128 nearly. */
static size_t ob_head_rows(const onebit_config *config, size_t N) {
    size_t rows = config->vocab_size > 16384 ? 128 : 256;
    return N < rows ? N : rows;
}

/* Whether the logits of N rows are small enough to be kept for whoever asks: 16 MB. A vocabulary of
   50,000 and 2048 tokens would be 412 MB, more than the weights of the model that made them. */
static int ob_logits_kept(const onebit_config *config, size_t N) {
    return N <= (size_t)(1 << 22) / (size_t)config->vocab_size;
}

/* Shared by all layers, so its size does not grow with L. */
static void ob_grads_take(ob_grads *g, ob_carve *c, const onebit_config *config, size_t N) {
    size_t w = ob_widest(config), q = (size_t)config->num_heads * (size_t)config->head_dim;
    size_t k = (size_t)config->num_key_value_heads * (size_t)config->head_dim;
    size_t rows = ob_head_rows(config, N);
    g->dx = ob_floats(c, N, (size_t)config->hidden_size);
    g->d1 = ob_floats(c, N, w), g->d2 = ob_floats(c, N, w), g->d3 = ob_floats(c, N, w);
    g->tmp = ob_floats(c, N, w);
    g->dq = ob_floats(c, N, q), g->dk = ob_floats(c, N, k), g->dv = ob_floats(c, N, k);
    g->dlogits = ob_floats(c, rows, (size_t)config->vocab_size);
    g->head_tmp = ob_floats(c, rows, (size_t)config->vocab_size);
    g->head_rows = (int)rows;
}

/* dx (+)= and dw += of one linear layer of a block. */
static void ob_backward_linear(const ob_pass *p, const ob_grads *g, float *dx, const float *dy,
                               const ob_input *in, int layer, int id, int add) {
    int slot = ob_slot(p->w->config, layer, id);
    p->x->ops->linear_backward(p->x, dx, g->slots[slot], dy, in, p->w->slots + slot, g->tmp,
                               g->ste[slot], p->B * p->T, add);
}

/* dx, in place, of what quantises the input of a matrix of a block; window as forward left it. */
static void ob_backward_quantize(const ob_pass *p, float *dx, uint8_t *window, int layer, int id) {
    const ob_weight *w = ob_block(p->w, layer, id);
    p->x->ops->quantize_backward(p->x, dx, window, w, p->B * p->T, w->cols);
}

/* dx (+)= and dgain += of one norm of a block. */
static void ob_backward_norm(const ob_pass *p, const ob_grads *g, float *dx, const float *dy,
                             const float *in, float *rstd, float *mean, int layer, int id, int rows,
                             int d, int add) {
    int slot = ob_slot(p->w->config, layer, id);
    p->x->ops->norm_backward(p->x, dx, g->slots[slot], dy, in,
                             (const float *)p->w->slots[slot].data, rstd, mean, rows, d, add);
}

/* dy = r * dx: the gradient that enters a branch. */
static void ob_backward_enter(const ob_pass *p, const ob_grads *g, float *dy) {
    size_t n = (size_t)(p->B * p->T) * (size_t)p->w->config->hidden_size;
    memset(dy, 0, n * sizeof(float));
    p->x->ops->residual(p->x, dy, dy, g->dx, ob_residual_factor(p->w->config), p->B * p->T,
                        p->w->config->hidden_size);
}

/* Adds the branch's share to g->dx. With a gate, dh splits in two (d1 by gate, d3 by up), which
   meet again in d2; without one, up takes the gate's place. */
static void ob_backward_ffn(const ob_pass *p, const ob_acts *s, const ob_grads *g, int layer) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    int N = p->B * p->T, D = c->hidden_size, F = c->intermediate_size, gated = s->gate != NULL;
    x->ops->layer(x, layer);
    ob_backward_enter(p, g, g->d1);
    ob_backward_linear(p, g, g->d2, g->d1, &s->hq, layer, OB_DOWN, 0); /* dh */
    ob_backward_quantize(p, g->d2, s->hq.window, layer, OB_DOWN);
    if (c->use_sub_norm) {
        ob_forward_act(p, s); /* h again, into p->t */
        ob_backward_norm(p, g, g->d2, g->d2, p->t, s->rstd_h, NULL, layer, OB_DOWN_NORM, N, F, 0);
    }
    x->ops->act_backward(x, g->d1, gated ? g->d3 : NULL, g->d2, gated ? s->gate : s->up,
                         gated ? s->up : NULL, ob_activation(c), N, F);
    ob_backward_linear(p, g, g->d2, g->d1, &s->b, layer, gated ? OB_GATE : OB_UP, 0);
    if (gated) ob_backward_linear(p, g, g->d2, g->d3, &s->b, layer, OB_UP, 1);
    ob_backward_quantize(p, g->d2, s->b.window, layer, OB_UP);
    ob_backward_norm(p, g, g->dx, g->d2, s->x2, s->rstd2, s->mean2, layer, OB_NORM2, N, D, 1);
}

/* All sequences of a training pass. */
static ob_span ob_span_of(const ob_pass *p, const ob_acts *s) {
    ob_span a;
    a.row = 0, a.B = p->B, a.T = p->T, a.start = 0, a.cap = p->T;
    a.cache = s->cache;
    return a;
}

/* Gradients of q, k, v from that of the attention output in g->d2. */
static void ob_backward_heads(const ob_pass *p, const ob_acts *s, const ob_grads *g, int layer) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    int N = p->B * p->T, H = c->num_heads, K = c->num_key_value_heads, d = c->head_dim;
    ob_span span = ob_span_of(p, s);
    ob_attention a = ob_attention_of(p, s, &span);
    a.d_o = g->d2, a.dq = g->dq, a.dk = g->dk, a.dv = g->dv;
    x->ops->attention_backward(x, &a);
    x->ops->rope(x, g->dq, p->rope, N, p->T, 0, H, d, -1.0f);
    x->ops->rope(x, g->dk, p->rope, N, p->T, 0, K, d, -1.0f);
    if (!c->use_qk_norm) return;
    ob_backward_norm(p, g, g->dq, g->dq, s->q_raw, s->rstd_q, NULL, layer, OB_Q_NORM, N * H, d, 0);
    ob_backward_norm(p, g, g->dk, g->dk, s->k_raw, s->rstd_k, NULL, layer, OB_K_NORM, N * K, d, 0);
}

/* Adds the branch's share to g->dx. Q, K and V read the same input, so their shares add up in d1
   before the norm is passed once. */
static void ob_backward_attention(const ob_pass *p, const ob_acts *s, const ob_grads *g,
                                  int layer) {
    const onebit_config *c = p->w->config;
    int N = p->B * p->T, D = c->hidden_size, q = c->num_heads * c->head_dim;
    ob_backward_enter(p, g, g->d1);
    ob_backward_linear(p, g, g->d2, g->d1, &s->oq, layer, OB_O, 0);
    ob_backward_quantize(p, g->d2, s->oq.window, layer, OB_O);
    if (c->use_sub_norm)
        ob_backward_norm(p, g, g->d2, g->d2, s->o, s->rstd_o, NULL, layer, OB_O_NORM, N, q, 0);
    ob_backward_heads(p, s, g, layer);
    ob_backward_linear(p, g, g->d1, g->dq, &s->a, layer, OB_Q, 0);
    ob_backward_linear(p, g, g->d1, g->dk, &s->a, layer, OB_K, 1);
    ob_backward_linear(p, g, g->d1, g->dv, &s->a, layer, OB_V, 1);
    ob_backward_quantize(p, g->d1, s->a.window, layer, OB_Q);
    ob_backward_norm(p, g, g->dx, g->d1, s->x, s->rstd1, s->mean1, layer, OB_NORM1, N, D, 1);
}

/* Logits and loss of each row, and when backward: the head's gradient and dx of the last block's
   output. factor is 1 / scored tokens. The head runs forth and back in blocks of rows, so that
   B * T * V numbers are never held: logits has room for one block, or with keep for all. */
static void ob_loss_head(const ob_pass *p, const ob_grads *g, float *logits, int keep,
                         const int32_t *targets, double *row_loss, float factor, int backward) {
    const ob_exec *x = p->x;
    const onebit_config *c = p->w->config;
    const ob_weight *head = ob_head(p->w);
    int N = p->B * p->T, slot = (int)(head - p->w->slots), at, D = c->hidden_size;
    for (at = 0; at < N; at += g->head_rows) {
        int n = N - at < g->head_rows ? N - at : g->head_rows;
        size_t row = (size_t)at * (size_t)D;
        ob_input in = ob_input_rows(&p->head, head, at);
        float *rows = logits + (keep ? (size_t)at * (size_t)c->vocab_size : 0);
        ob_forward_head(p, rows, at, n);
        x->ops->loss(x, g->dlogits, row_loss + at, g->row_uniform ? g->row_uniform + at : NULL,
                     rows, targets + at, factor, (float)c->logit_softcap, g->smoothing, n,
                     c->vocab_size);
        if (backward)
            x->ops->linear_backward(x, g->d1 + row, g->slots[slot], g->dlogits, &in, head,
                                    g->head_tmp, g->ste[slot], n, 0);
    }
    if (backward)
        ob_backward_norm(p, g, g->dx, g->d1, p->final_x, p->final_rstd, p->final_mean, 0,
                         OB_FINAL_NORM, N, D, 0);
}

/* =================================================================================================
   12 >>optim   the trainer: weights, schedules, AdamW and Muon, accumulation, evaluation.
   uses: base system config format kernels ops model           used by: files flow
   ============================================================================================== */

/* One trainable tensor and all that belongs to it. Arrays are [rows][cols]; NULL where not needed.
 */
typedef struct ob_param {
    ob_tensor info;
    size_t size; /* rows * cols */
    float *value, *grad;
    float *first, *second; /* AdamW moments; Muon keeps its momentum in first */
    void *codes;           /* what the forward pass uses; gains use value itself */
    int format;            /* of the codes now: OB_DENSE floats or OB_Q8X16 bytes */
    float *scale;
    int8_t *seen;          /* codes at the last code report */
} ob_param;

/* Which weights the codes hold now. */
typedef enum ob_codes_stage { OB_STALE, OB_TRAINING, OB_DEPLOYED } ob_codes_stage;

/* What a run knows besides its trainer. Kept here because a checkpoint is made from a trainer; all
   double, so that it is saved as a list of numbers. 0 = not known yet. */
typedef struct ob_run_notes {
    double train_loss, val_loss, bits_per_byte; /* as of the last update */
    double best_loss;                           /* lowest validation loss; model-best.1bit has it */
    double warned;                              /* 1 = the loss warning was given */
    double objective;                           /* as train_loss, with label_smoothing */
    double ended;                               /* 1 = this is its end, before max_steps */
    double data;                                /* what ob_dataset_print gave; 0 = not known */
} ob_run_notes;
#define OB_NOTES (sizeof(ob_run_notes) / sizeof(double))

/* The code of a row and column. */
static float ob_param_code(const ob_param *p, int r, int c) {
    const float *dense = (const float *)p->codes;
    size_t at;
    int shift;
    if (p->format == OB_DENSE) return dense[(size_t)r * (size_t)p->info.cols + (size_t)c];
    ob_code_place(OB_Q8X16, r % 16, c, &at, &shift);
    at += (size_t)(r / 16) * (size_t)ob_block_bytes(OB_Q8X16, p->info.cols);
    return (float)((const int8_t *)p->codes)[at];
}

struct onebit_trainer {
    onebit_env env;
    onebit_config config;
    onebit_train_options options;
    ob_exec exec;
    ob_param *params; /* [count] in storage order */
    int count;
    ob_view view;
    ob_acts *acts; /* [L]; see ob_trainer_acts */
    ob_pass pass;
    ob_grads grads;
    float *ste;       /* by slot */
    float *largest;   /* work: one per row */
    float *logits;    /* [N][V], or of one block of the head */
    double *row_loss; /* [N] */
    double *partial;  /* sums of squares, one per tensor */
    float *muon[4];   /* work of Newton-Schulz: two matrices, two square ones */
    ob_codes_stage stage;
    int B, T;         /* micro-batch */
    int steps, micro; /* updates done; micro-batches added up since */
    double loss_sum, objective_sum, tokens_seen;
    onebit_memory memory; /* filled by the layout */
    ob_run_notes notes;
};

/* ---- Memory ---------------------------------------------------------------------------------- */
/* One block holds the trainer and all its arrays. The layout runs twice, to count and to place,
   by the same code, so onebit_trainer_bytes is exact and nothing is allocated while training.
   Per weight of a block matrix: value, gradient, two moments (Muon: one), 4 bytes each, 1 byte of
   code (4 where codes may be floats) and 1 of seen codes; the rest are activations. */

/* Muon is for matrices between hidden layers; embedding, head and gains stay with AdamW (Jordan
   2024). */
static int ob_uses_muon(const onebit_train_options *o, const ob_tensor *t) {
    return o->optimizer == 1 && t->kind == OB_ROLE_LINEAR;
}

/* scale has room for one per row at least, whatever the mode: the quantiser uses it as work. bytes:
   the codes never are floats. */
static void ob_codes_take(ob_param *p, ob_carve *c, int group, int bytes) {
    size_t rows = (size_t)p->info.rows, cols = (size_t)p->info.cols;
    size_t groups = group ? ob_row_groups(p->info.cols, group) : 1;
    uint64_t packed = ob_format_bytes(OB_Q8X16, p->info.rows, p->info.cols);
    p->format = OB_DENSE;
    /* rows and columns are filled up: a small matrix may take more as bytes than as floats */
    if (bytes || packed > (uint64_t)rows * cols * sizeof(float))
        p->codes = ob_take(c, (size_t)packed);
    else p->codes = ob_floats(c, rows, cols);
    p->scale = ob_floats(c, rows, groups);
}

/* Whether a matrix is trained by integers alone: its blend, if it has one, never ends elsewhere. */
static int ob_stays_exact(const onebit_config *c, const onebit_train_options *o,
                          const ob_tensor *t) {
    if (!ob_input_bits(c, t, t->mode)) return 0;
    if (t->kind != OB_ROLE_LINEAR) return 1;
    return c->anneal_fraction == 0 && c->arenas_initial == 0 && o->float_fraction == 0 &&
           o->quant_warmup_steps == 0 && o->quant_anneal_steps == 0;
}

/* Adds what was taken since *at to a part of the memory, and moves *at on. */
static void ob_memory_add(size_t *part, const ob_carve *c, size_t *at) {
    *part += c->used - *at;
    *at = c->used;
}

/* All arrays of one tensor while it is trained. */
static void ob_param_take(ob_param *p, ob_carve *c, const onebit_config *config,
                          const onebit_train_options *o, onebit_memory *m) {
    size_t rows = (size_t)p->info.rows, cols = (size_t)p->info.cols, at = c->used;
    p->size = rows * cols;
    p->grad = ob_floats(c, rows, cols);
    ob_memory_add(&m->gradients, c, &at);
    p->first = ob_floats(c, rows, cols);
    p->second = ob_uses_muon(o, &p->info) ? NULL : ob_floats(c, rows, cols);
    ob_memory_add(&m->optimizer, c, &at);
    p->value = ob_floats(c, rows, cols);
    if (p->info.kind != OB_ROLE_GAIN) {
        ob_codes_take(p, c, p->info.group, ob_stays_exact(config, o, &p->info));
        p->seen = (int8_t *)ob_take(c, p->size);
    }
    ob_memory_add(&m->weights, c, &at);
}

/* Work of Newton-Schulz for the largest matrix. */
static void ob_muon_take(onebit_trainer *t, ob_carve *c) {
    size_t most = 0, square = 0;
    ob_tensor info;
    int slot;
    for (slot = 0; slot < ob_slots(&t->config); slot++) {
        size_t rows, cols, small;
        if (!ob_tensor_in(&t->config, slot, &info) || !ob_uses_muon(&t->options, &info)) continue;
        rows = (size_t)info.rows, cols = (size_t)info.cols, small = rows < cols ? rows : cols;
        most = rows * cols > most ? rows * cols : most;
        square = small * small > square ? small * small : square;
    }
    t->muon[0] = ob_floats(c, most, 1), t->muon[1] = ob_floats(c, most, 1);
    t->muon[2] = ob_floats(c, square, 1), t->muon[3] = ob_floats(c, square, 1);
}

/* Slots that a config leaves empty stay zero: their gradient is NULL and no op is called on
   them. */
static void ob_params_take(onebit_trainer *t, ob_carve *c) {
    int slots = ob_slots(&t->config), i;
    ob_param p;
    t->params = (ob_param *)ob_take(c, (size_t)t->count * sizeof(ob_param));
    t->view.slots = (ob_weight *)ob_take(c, (size_t)slots * sizeof(ob_weight));
    t->grads.slots = (float **)ob_take(c, (size_t)slots * sizeof(float *));
    t->ste = ob_floats(c, (size_t)slots, 1);
    for (i = 0; i < t->count; i++) {
        memset(&p, 0, sizeof p);
        ob_tensor_at(&t->config, i, &p.info);
        ob_param_take(&p, c, &t->config, &t->options, &t->memory);
        if (c->base) t->params[i] = p;
    }
}

/* Blocks per segment of gradient checkpointing (Chen et al. 2016); all of them without it. */
static int ob_segment(const onebit_trainer *t) {
    int n = t->options.gradient_checkpointing_segments, L = t->config.num_layers;
    return n > 0 && n < L ? n : L;
}

/* Activations of all blocks. One segment has memory of its own; the others share it, but for the
   residual input of each segment's first block, from which the segment is computed again. */
static void ob_trainer_acts(onebit_trainer *t, ob_carve *c, size_t N) {
    int i, n = ob_segment(t);
    size_t at = c->used;
    ob_keep keep = OB_BYTES; /* one inexact layer makes all of them wide: they share segments */
    ob_tensor info;
    for (i = 0; i < ob_slots(&t->config); i++)
        if (ob_tensor_in(&t->config, i, &info) && info.kind == OB_ROLE_LINEAR &&
            !ob_stays_exact(&t->config, &t->options, &info))
            keep = OB_FLOATS;
    t->acts = (ob_acts *)ob_take(c, (size_t)t->config.num_layers * sizeof(ob_acts));
    for (i = 0; i < t->config.num_layers; i++) {
        ob_acts acts;
        float *x;
        if (i < n) {
            ob_acts_take(&acts, c, &t->config, N, t->T, keep);
            if (c->base) t->acts[i] = acts;
            continue;
        }
        x = i % n ? NULL : ob_floats(c, N, (size_t)t->config.hidden_size);
        if (!c->base) continue;
        t->acts[i] = t->acts[i - n];
        if (x) t->acts[i].x = x;
    }
    ob_pass_take(&t->pass, c, &t->config, N);
    t->logits = ob_floats(c, ob_logits_kept(&t->config, N) ? N : ob_head_rows(&t->config, N),
                          (size_t)t->config.vocab_size);
    ob_memory_add(&t->memory.activations, c, &at);
}

/* Lays the trainer out; with carve->base NULL it only counts. t has config, options and env. */
static void ob_trainer_layout(onebit_trainer *t, ob_carve *c) {
    size_t N = (size_t)t->B * (size_t)t->T, rows = (size_t)t->config.vocab_size;
    onebit_memory *m = &t->memory;
    memset(m, 0, sizeof *m);
    ob_params_take(t, c);
    ob_trainer_acts(t, c, N);
    ob_grads_take(&t->grads, c, &t->config, N);
    t->grads.smoothing = (float)t->options.label_smoothing;
    if (t->grads.smoothing > 0)
        t->grads.row_uniform = (double *)ob_take(c, N * sizeof(double));
    t->pass.rope = ob_floats(c, (size_t)t->T, (size_t)t->config.head_dim);
    t->row_loss = (double *)ob_take(c, N * sizeof(double));
    t->partial = (double *)ob_take(c, (size_t)t->count * sizeof(double));
    if (rows < ob_widest(&t->config)) rows = ob_widest(&t->config);
    t->largest = ob_floats(c, rows, 1);
    ob_muon_take(t, c);
    ob_exec_init(&t->exec, &t->env, c, t->T, t->config.head_dim, 1);
    t->exec.half = t->options.backward_bits == 16; /* kernels without such products ignore it */
    t->exec.fused = t->options.fast;
    m->total = c->used;
    m->work = m->total - m->weights - m->gradients - m->optimizer - m->activations;
}

/* Options within their bounds, and those that exclude each other. Two schedules of one blend, or a
   float start that ends in a jump, are mistakes that nobody would see in the loss. */
static onebit_status ob_trainer_check(const onebit_config *c, const onebit_train_options *o) {
    OB_TRY(ob_fields_check(ONEBIT_TABLE_TRAIN, o));
    if (o->lr_min > o->lr)
        return ob_fail(ONEBIT_CONFIG, "lr_min is %g, expected at most lr %g", o->lr_min, o->lr);
    if (c->anneal_fraction > 0 && (o->quant_warmup_steps || o->quant_anneal_steps))
        return ob_fail(ONEBIT_CONFIG,
                       "anneal_fraction is %g and quant_warmup_steps, quant_anneal_steps are %d, "
                       "%d: set one of the two to 0, they are schedules of the same blend",
                       c->anneal_fraction, o->quant_warmup_steps, o->quant_anneal_steps);
    if (o->quant_warmup_steps && !o->quant_anneal_steps)
        return ob_fail(ONEBIT_CONFIG,
                       "quant_warmup_steps is %d and quant_anneal_steps 0: set the latter, or "
                       "float_fraction for a sudden change",
                       o->quant_warmup_steps);
    return ONEBIT_OK;
}

/* Checks and completes the settings of a trainer that is about to be laid out. */
static onebit_status ob_trainer_settle(onebit_trainer *t, const onebit_config *config,
                                       const onebit_train_options *options, const onebit_env *env) {
    memset(t, 0, sizeof *t);
    if (!config) return ob_fail(ONEBIT_USAGE, "trainer: config is NULL");
    t->env = ob_env_or_default(env);
    t->config = *config;
    t->options = options ? *options : onebit_train_options_default();
    OB_TRY(ob_env_check(&t->env));
    OB_TRY(onebit_config_check(&t->config));
    if (t->config.vocab_size < 1)
        return ob_fail(ONEBIT_CONFIG, "trainer: vocab_size is 0; set it from the tokenizer");
    OB_TRY(ob_trainer_check(&t->config, &t->options));
    t->B = t->options.batch_size;
    t->T = t->options.seq_len ? t->options.seq_len : t->config.max_seq_len;
    if ((uint64_t)t->B * (uint64_t)t->T > 1u << 24)
        return ob_fail(ONEBIT_CONFIG, "trainer: batch_size %d x seq_len %d is over 16777216 tokens",
                       t->B, t->T);
    t->count = ob_tensor_count(&t->config);
    return ONEBIT_OK;
}

/* Lays a trainer out without memory. */
ONEBIT_API onebit_status onebit_trainer_memory(const onebit_config *config,
                                               const onebit_train_options *options,
                                               const onebit_env *env, onebit_memory *out) {
    onebit_trainer t;
    ob_carve c;
    if (!out) return ob_fail(ONEBIT_USAGE, "onebit_trainer_memory: out is NULL");
    OB_TRY(ob_trainer_settle(&t, config, options, env));
    memset(&c, 0, sizeof c);
    ob_take(&c, sizeof t);
    ob_trainer_layout(&t, &c);
    *out = t.memory;
    return ONEBIT_OK;
}

/* The error text says why it is 0. */
ONEBIT_API size_t onebit_trainer_bytes(const onebit_config *config,
                                       const onebit_train_options *options, const onebit_env *env) {
    onebit_memory m;
    return onebit_trainer_memory(config, options, env, &m) == ONEBIT_OK ? m.total : 0;
}

/* ---- Start ----------------------------------------------------------------------------------- */

/* Weights ~ N(0, 0.02); matrices that write into the residual stream ~ N(0, 0.02 / sqrt(2 L)), as
   in GPT-2; gains 1. With the small embedding the first loss is ln V. Each tensor has its own
   stream of numbers, so a change of one shape leaves the others as they were. */
static void ob_trainer_draw(onebit_trainer *t) {
    onebit_rng rng;
    int i;
    size_t j;
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        int out = p->info.kind == OB_ROLE_LINEAR && (p->info.id == OB_O || p->info.id == OB_DOWN);
        float sigma = out ? 0.02f / sqrtf(2.0f * (float)t->config.num_layers) : 0.02f;
        onebit_rng_seed(&rng, (uint64_t)t->options.seed * 1000003u + (uint64_t)i);
        for (j = 0; j < p->size; j++)
            p->value[j] = p->info.kind == OB_ROLE_GAIN ? 1.0f : sigma * ob_rng_normal(&rng);
    }
}

/* Points the slots of view and gradients at the parameters. */
static void ob_trainer_connect(onebit_trainer *t) {
    int i;
    t->view.config = &t->config;
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        ob_weight *w = t->view.slots + p->info.slot;
        w->rows = p->info.rows, w->cols = p->info.cols;
        w->format = OB_DENSE;
        w->data = p->info.kind == OB_ROLE_GAIN ? (const void *)p->value : p->codes;
        w->scale = p->scale;
        t->grads.slots[p->info.slot] = p->grad;
    }
    t->grads.ste = t->ste;
    t->pass.w = &t->view;
    t->pass.x = &t->exec;
}

/* One block, one release. */
ONEBIT_API void onebit_trainer_free(onebit_trainer *trainer) {
    onebit_env env;
    if (!trainer) return;
    env = trainer->env;
    ob_release(&env, trainer);
}

/* ---- Schedules ------------------------------------------------------------------------------- */
/* All schedules are functions of the number of updates done, without state of their own: a
   resumed run continues them from steps alone. */

/* The least learning rate as a share of the peak. The share is AdamW's; Muon follows it. */
static double ob_least_share(const onebit_train_options *o) {
    return o->lr_min > 0 ? o->lr_min / o->lr : o->lr_min_ratio;
}

/* First update of two-stage's second stage, not necessarily whole; the warm-up comes before it. */
static double ob_stage_start(const onebit_train_options *o) {
    double start = o->lr_stage_start * o->max_steps;
    return start > o->lr_warmup_steps ? start : o->lr_warmup_steps;
}

/* Whether update s belongs to the second stage. */
static int ob_in_stage2(const onebit_train_options *o, int s) {
    return o->lr_decay == 4 && o->max_steps > 0 && s >= ob_stage_start(o);
}

/* The way from update `from` to update `to` that s has gone, 0 to 1. */
static double ob_progress(double s, double from, double to) {
    double p = (s - from) / (to - from > 1.0 ? to - from : 1.0);
    return p > 1.0 ? 1.0 : p;
}

/* Two lines, with a step down between them, as BitNet b1.58 was trained (Ma et al. 2024, "Training
   Tips, Code and FAQ"). */
static double ob_two_stage(const onebit_train_options *o, int s) {
    double start = ob_stage_start(o), from = o->lr_stage2_ratio;
    if (ob_in_stage2(o, s))
        return from - (from - ob_least_share(o)) * ob_progress(s, start, o->max_steps);
    return 1.0 - (1.0 - o->lr_stage1_end_ratio) * ob_progress(s, o->lr_warmup_steps, start);
}

/* Learning rate at update s (from 0) as a share of the peak: warm-up, then the chosen shape down to
   the least share at max_steps. */
static double ob_schedule(const onebit_train_options *o, int s) {
    double low = ob_least_share(o), p;
    if (s < o->lr_warmup_steps) return (s + 1.0) / o->lr_warmup_steps;
    if (o->max_steps == 0 || o->lr_decay == 2) return 1.0;
    if (o->lr_decay == 4) return ob_two_stage(o, s);
    p = ob_progress(s, o->lr_warmup_steps, o->max_steps);
    if (o->lr_decay == 0) return low + 0.5 * (1.0 - low) * (1.0 + cos(3.14159265358979323846 * p));
    if (o->lr_decay == 3) {
        double tail = o->wsd_decay_fraction > 0 ? o->wsd_decay_fraction : 1e-9;
        p = p < 1.0 - tail ? 0.0 : (p - (1.0 - tail)) / tail;
    }
    return 1.0 - (1.0 - low) * p;
}

/* Weight decay of this update. */
static double ob_weight_decay(const onebit_trainer *t) {
    return ob_in_stage2(&t->options, t->steps) ? t->options.weight_decay_stage2
                                               : t->options.weight_decay;
}

/* True while the run is in its float head start. Block matrices then train as f32; the switch to
   codes comes at one step. */
static int ob_in_float(const onebit_trainer *t) {
    return t->steps < t->options.float_fraction * t->options.max_steps;
}

/* Annealing: share a of the code in weights and inputs of block matrices, from 0 (float) to 1:
   first the steps of quant_warmup_steps at 0, then linear over quant_anneal_steps; or linear from
   the start over anneal_fraction of the run. Both 0 = always 1. */
static double ob_anneal_share(const onebit_trainer *t) {
    const onebit_train_options *o = &t->options;
    double from = o->quant_warmup_steps, span = o->quant_anneal_steps, a;
    if (span <= 0) from = 0, span = t->config.anneal_fraction * o->max_steps;
    if (span <= 0) return 1.0;
    a = (t->steps - from) / span;
    return a < 0.0 ? 0.0 : a > 1.0 ? 1.0 : a;
}

/* Arenas' coefficient c, the extra share of the latent in the weight; inputs are not touched
   (Sherry, arXiv 2601.07892): linear from 0 to arenas_initial over w = arenas_warmup_steps, then
   arenas_initial / 2 * (1 + cos(pi (t - w) / (T - w))) down to exactly 0 at T =
   arenas_anneal_steps. */
static double ob_arenas_share(const onebit_trainer *t) {
    const onebit_config *c = &t->config;
    double w = c->arenas_warmup_steps, T = c->arenas_anneal_steps;
    if (t->steps >= T) return 0.0;
    if (t->steps < w) return c->arenas_initial * t->steps / w;
    return c->arenas_initial * 0.5 * (1.0 + cos(3.14159265358979323846 * (t->steps - w) / (T - w)));
}

/* How one matrix is quantised once it is trained: hard codes, as the config says. */
static ob_quantizer ob_deployed_quantizer(const onebit_config *c, const ob_tensor *info) {
    ob_quantizer z;
    memset(&z, 0, sizeof z);
    z.mode = info->mode;
    z.dynamic = c->use_dynamic_threshold;
    z.median = c->weight_scale == 1;
    z.half = c->use_f16_scale;
    z.group = info->group;
    z.clamp = info->kind == OB_ROLE_LINEAR ? (float)c->latent_clamp_max : 0.0f;
    z.keep = 1.0f;
    return z;
}

/* Sets one matrix's quantiser for a stage, and the weight's flags: W_eff = keep * Q(W) + soft * W
   with keep = a, soft = 1 - a + c; inputs are blended by a alone. The straight-through factor
   follows the blend: keep * ste for the share of the code, whose slope is chosen, and soft for
   the share of the latent, whose slope is 1. */
static ob_quantizer ob_quantizer_for(const onebit_trainer *t, const ob_param *p,
                                     ob_codes_stage stage) {
    ob_weight *w = t->view.slots + p->info.slot;
    ob_quantizer z = ob_deployed_quantizer(&t->config, &p->info);
    int block = p->info.kind == OB_ROLE_LINEAR;
    if (block && stage == OB_TRAINING && ob_mode_is_integer(z.mode)) {
        double a = ob_anneal_share(t);
        if (ob_in_float(t)) z.mode = ONEBIT_F32, z.group = 0;
        else z.keep = (float)a, z.soft = (float)(1.0 - a + ob_arenas_share(t));
    }
    w->bits = ob_input_bits(&t->config, &p->info, z.mode);
    w->share = z.keep;
    w->exact = w->bits && z.soft == 0.0f && z.keep == 1.0f;
    w->format = w->exact ? OB_Q8X16 : OB_DENSE; /* what quantize_weight will write */
    w->half = w->exact || !block; /* blocks of floats are to compare with: they stay float32 */
    w->scale_step = z.mode == ONEBIT_8BIT;
    w->group = z.group;
    t->ste[p->info.slot] = 1.0f;
    if (block && ob_mode_is_integer(z.mode))
        t->ste[p->info.slot] = z.keep * (float)t->config.ste_scale_factor + z.soft;
    return z;
}

/* Brings the codes up to date: the weights of this training step, or those that would be
   exported. Micro-batches of one update share the codes; an evaluation between them costs two
   requantisations. */
static void ob_trainer_quantize(onebit_trainer *t, ob_codes_stage stage) {
    int i;
    if (t->stage == stage) return;
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        ob_quantizer z;
        if (p->info.kind == OB_ROLE_GAIN) continue;
        z = ob_quantizer_for(t, p, stage);
        p->format = t->view.slots[p->info.slot].format;
        t->exec.ops->quantize_weight(&t->exec, p->codes, p->format, p->scale, t->largest, p->value,
                                     &z, p->info.rows, p->info.cols);
    }
    t->stage = stage;
}

/* Takes the codes of the first weights as those of the last report, so that flips count from here.
 */
static void ob_trainer_remember(onebit_trainer *t) {
    int8_t *seen;
    int i, r, c;
    ob_trainer_quantize(t, OB_DEPLOYED);
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        if (p->info.mode < ONEBIT_TERNARY) continue;
        for (r = 0, seen = p->seen; r < p->info.rows; r++)
            for (c = 0; c < p->info.cols; c++) *seen++ = (int8_t)ob_param_code(p, r, c);
    }
}

/* The error names the batch size because activations are what a user can shrink most easily. */
ONEBIT_API onebit_status onebit_trainer_create(onebit_trainer **out, const onebit_config *config,
                                               const onebit_train_options *options,
                                               const onebit_env *env) {
    onebit_trainer settled, *t;
    ob_carve c;
    size_t bytes;
    if (!out) return ob_fail(ONEBIT_USAGE, "onebit_trainer_create: out is NULL");
    *out = NULL;
    OB_TRY(ob_trainer_settle(&settled, config, options, env));
    bytes = onebit_trainer_bytes(config, options, env);
    memset(&c, 0, sizeof c);
    c.base = (uint8_t *)ob_alloc(&settled.env, bytes);
    if (!c.base)
        return ob_fail(ONEBIT_MEMORY, "training needs %.1f MB; try a smaller --batch-size (now %d)",
                       (double)bytes / 1e6, settled.B);
    t = (onebit_trainer *)ob_take(&c, sizeof *t);
    *t = settled;
    ob_trainer_layout(t, &c);
    ob_trainer_connect(t);
    ob_trainer_draw(t);
    ob_trainer_remember(t);
    ob_rope_table((float *)(uintptr_t)t->pass.rope, t->T, t->config.head_dim, t->config.rope_theta,
                  t->config.use_rope);
    *out = t;
    return ONEBIT_OK;
}

/* ---- One micro-batch ------------------------------------------------------------------------- */

/* Ids come from outside and index tables: they are checked once, here, and trusted below. low is
   0 for inputs, anything for targets, where a negative id means "not scored". */
static onebit_status ob_check_ids(const int32_t *ids, size_t n, int low, int vocab,
                                  const char *what) {
    size_t i;
    for (i = 0; i < n; i++)
        if (ids[i] >= vocab || ids[i] < low)
            return ob_fail(ONEBIT_USAGE, "%s[%zu] is %ld; the vocabulary has ids 0 to %d", what, i,
                           (long)ids[i], vocab - 1);
    return ONEBIT_OK;
}

/* Blocks [from, to) from the residual stream in the first one's x. */
static void ob_trainer_blocks(onebit_trainer *t, int from, int to) {
    int l, L = t->config.num_layers;
    for (l = from; l < to; l++) {
        ob_acts *s = t->acts + l;
        ob_span span = ob_span_of(&t->pass, s);
        ob_forward_attention(&t->pass, s, &span, 1, l);
        ob_forward_ffn(&t->pass, s, l + 1 < L ? t->acts[l + 1].x : t->pass.final_x, l);
    }
}

/* Forward pass of [B, T] ids up to the head; leaves, for a backward pass, everything it needs. */
static void ob_trainer_forward(onebit_trainer *t, const int32_t *inputs, int B, int T) {
    const ob_exec *x = &t->exec;
    t->pass.B = B, t->pass.T = T;
    x->ops->embed_forward(x, t->acts[0].x, inputs, ob_block(&t->view, 0, OB_EMBED), B * T);
    ob_trainer_blocks(t, 0, t->config.num_layers);
}

/* Gradients of the mean loss over the scored targets, added to those there are. The last segment's
   activations are still there from the forward pass; an earlier one is computed again when its last
   block is reached, with the same bits, and ends by writing the next segment's input once more. */
static void ob_trainer_backward(onebit_trainer *t, const int32_t *inputs) {
    const ob_exec *x = &t->exec;
    int l, slot = ob_slot(&t->config, 0, OB_EMBED), L = t->config.num_layers, n = ob_segment(t);
    for (l = L - 1; l >= 0; l--) {
        if (l + 1 < L && (l + 1) % n == 0) ob_trainer_blocks(t, l + 1 - n, l + 1);
        ob_backward_ffn(&t->pass, t->acts + l, &t->grads, l);
        ob_backward_attention(&t->pass, t->acts + l, &t->grads, l);
    }
    x->ops->embed_backward(x, t->grads.slots[slot], inputs, t->grads.dx, t->ste[slot],
                           t->pass.B * t->pass.T, t->config.hidden_size);
}

/* Mean of a value per row over the scored rows. */
static double ob_mean_scored(const double *rows, const int32_t *targets, size_t n) {
    double sum = 0.0;
    size_t i, k = 0;
    for (i = 0; i < n; i++)
        if (targets[i] >= 0) sum += rows[i], k++;
    return k ? sum / (double)k : 0.0;
}

/* Forward, loss and (backward 1) gradients; mean loss out. */
static onebit_status ob_trainer_run(onebit_trainer *t, const int32_t *inputs,
                                    const int32_t *targets, int B, int T, int backward,
                                    double *loss) {
    size_t n = (size_t)B * (size_t)T, i, scored = 0;
    OB_TRY(ob_check_ids(inputs, n, 0, t->config.vocab_size, "inputs"));
    OB_TRY(ob_check_ids(targets, n, INT32_MIN, t->config.vocab_size, "targets"));
    for (i = 0; i < n; i++) scored += targets[i] >= 0;
    ob_trainer_forward(t, inputs, B, T);
    ob_loss_head(&t->pass, &t->grads, t->logits,
                 ob_logits_kept(&t->config, (size_t)t->B * (size_t)t->T), targets, t->row_loss,
                 1.0f / (float)(scored ? scored : 1), backward);
    if (backward) ob_trainer_backward(t, inputs);
    *loss = ob_mean_scored(t->row_loss, targets, n);
    return ONEBIT_OK;
}

/* What the gradients of the last micro-batch lower, given its mean loss: (1 - s) * loss + s * the
   mean of -ln p over all ids and scored rows, s = label_smoothing. */
static double ob_trainer_objective(const onebit_trainer *t, const int32_t *targets, double loss) {
    double s = t->options.label_smoothing;
    if (s <= 0) return loss;
    return (1.0 - s) * loss +
           s * ob_mean_scored(t->grads.row_uniform, targets, (size_t)t->B * (size_t)t->T);
}

/* Latents beyond the forward clamp have no gradient. */
static void ob_trainer_mask(onebit_trainer *t) {
    float c = (float)t->config.latent_clamp_max;
    size_t j;
    int i;
    for (i = 0; c > 0 && i < t->count; i++) {
        ob_param *p = t->params + i;
        if (p->info.kind != OB_ROLE_LINEAR) continue;
        for (j = 0; j < p->size; j++)
            if (ob_absf(p->value[j]) > c) p->grad[j] = 0.0f;
    }
}

/* Losses and gradients of micro-batches are summed; update divides by their number. That is the
   mean over all tokens when every micro-batch scores equally many. */
ONEBIT_API onebit_status onebit_trainer_accumulate(onebit_trainer *trainer, const int32_t *inputs,
                                                   const int32_t *targets, double *loss) {
    double mean;
    if (!trainer || !inputs || !targets)
        return ob_fail(ONEBIT_USAGE, "onebit_trainer_accumulate: an argument is NULL");
    ob_trainer_quantize(trainer, OB_TRAINING);
    OB_TRY(ob_trainer_run(trainer, inputs, targets, trainer->B, trainer->T, 1, &mean));
    ob_trainer_mask(trainer);
    trainer->loss_sum += mean;
    trainer->objective_sum += ob_trainer_objective(trainer, targets, mean);
    trainer->micro++;
    trainer->tokens_seen += (double)trainer->B * trainer->T;
    if (loss) *loss = mean;
    return ONEBIT_OK;
}

/* ---- One update ------------------------------------------------------------------------------ */

/* p for one tensor's step, t alone for the norm over all; the floats as in ob_adamw_body. */
typedef struct ob_update_job {
    ob_job job;
    onebit_trainer *t;
    ob_param *p;
    float clip, rate, root, decay;
} ob_update_job;

/* Sum of squares. Parts of 4096 are float sums, the total is a double: a long float sum would lose
   small squares. */
static double ob_sum_of_squares(const ob_exec *x, const float *v, size_t n) {
    double sum = 0.0;
    float part;
    size_t i;
    for (i = 0; i < n; i += 4096) {
        x->kernels->dot(&part, v + i, v + i, (int)(n - i < 4096 ? n - i : 4096));
        sum += part;
    }
    return sum;
}

/* That of one tensor's gradient. */
static void ob_square_row(void *arg, int i) {
    ob_update_job *u = (ob_update_job *)arg;
    const ob_param *p = u->t->params + i;
    u->t->partial[i] = ob_sum_of_squares(u->job.x, p->grad, p->size);
}

/* Global L2 norm of all gradients, as added up. */
static double ob_gradient_norm(onebit_trainer *t) {
    ob_update_job u;
    double sum = 0.0;
    int i;
    memset(&u, 0, sizeof u);
    u.t = t;
    ob_run_rows(&t->exec, ob_square_row, &u, t->count, 1e9);
    for (i = 0; i < t->count; i++) sum += t->partial[i];
    return sqrt(sum);
}

/* Element by element, so the cut between threads does not show in the result. */
static void ob_adamw_piece(void *arg, int piece) {
    ob_update_job *u = (ob_update_job *)arg;
    const onebit_train_options *o = &u->t->options;
    int from, to;
    ob_share(u->job.n, u->job.pieces, piece, &from, &to);
    u->job.x->kernels->adamw(u->p->value + from, u->p->grad + from, u->p->first + from,
                             u->p->second + from, to - from, u->clip, (float)o->adam_beta1,
                             (float)o->adam_beta2, u->rate, u->root, (float)o->adam_eps, u->decay);
}

/* AdamW (Loshchilov & Hutter 2019) on one tensor; decay only on block matrices. */
static void ob_adamw_step(onebit_trainer *t, ob_param *p, double lr, float clip) {
    const onebit_train_options *o = &t->options;
    ob_update_job u;
    double n = t->steps + 1.0;
    memset(&u, 0, sizeof u);
    u.t = t, u.p = p, u.clip = clip;
    u.rate = (float)(lr / (1.0 - pow(o->adam_beta1, n)));
    u.root = (float)(1.0 / (1.0 - pow(o->adam_beta2, n)));
    u.decay = p->info.kind == OB_ROLE_LINEAR ? (float)(1.0 - lr * ob_weight_decay(t)) : 1.0f;
    ob_run(&t->exec, ob_adamw_piece, &u, (int)p->size, (double)p->size * 8);
}

/* Orthogonalises m [r, c], r <= c, in place: X <- aX + (bA + cAA)X with A = X X^T, coefficients of
   Jordan 2024 (Muon). t->muon[1..3] are work; m is t->muon[0]. The norm is brought to 1 first,
   so all singular values lie in [0, 1], where the polynomial drives them towards 1 (about 0.7 to
   1.2 after five rounds, which is enough). Cost per round: 2 r^2 c + r^3 multiplications. */
static void ob_newton_schulz(onebit_trainer *t, int r, int c) {
    const ob_exec *x = &t->exec;
    float *m = t->muon[0], *next = t->muon[1], *A = t->muon[2], *B = t->muon[3];
    size_t n = (size_t)r * (size_t)c, square = (size_t)r * (size_t)r;
    double norm = sqrt(ob_sum_of_squares(x, m, n));
    int i;
    x->kernels->mix(m, m, (float)(1.0 / (norm + 1e-7)), 0.0f, (int)n);
    for (i = 0; i < t->options.muon_iterations; i++) {
        ob_product(x, A, m, c, 1, m, 1, c, r, r, c, 0);
        ob_product(x, B, A, r, 1, A, r, 1, r, r, r, 0);
        x->kernels->mix(B, A, 2.0315f, -4.7750f, (int)square);
        ob_product(x, next, B, r, 1, m, c, 1, r, c, r, 0);
        x->kernels->mix(m, next, 3.4445f, 1.0f, (int)n);
    }
}

/* Muon on one matrix: Nesterov momentum, orthogonalised, step lr * sqrt(max(1, rows / cols)). Tall
   matrices are worked on transposed. Transposing makes the square matrices as small as they can
   be. The factor keeps the change per output alike for all shapes. */
static void ob_muon_step(onebit_trainer *t, ob_param *p, double lr, float clip) {
    const onebit_train_options *o = &t->options;
    size_t rows = (size_t)p->info.rows, cols = (size_t)p->info.cols, i, j, at;
    int tall = rows > cols, small = tall ? p->info.cols : p->info.rows;
    int large = tall ? p->info.rows : p->info.cols;
    size_t down = tall ? 1 : cols, right = tall ? rows : 1; /* steps in u */
    float mu = (float)o->muon_momentum, *u = t->muon[0];
    float decay = (float)(1.0 - lr * ob_weight_decay(t));
    float rate = (float)(lr * sqrt(tall ? (double)rows / (double)cols : 1.0));
    t->exec.kernels->mix(p->first, p->grad, mu, (1.0f - mu) * clip, (int)p->size);
    for (i = at = 0; i < rows; i++)
        for (j = 0; j < cols; j++, at++)
            u[i * down + j * right] = (1.0f - mu) * clip * p->grad[at] + mu * p->first[at];
    ob_newton_schulz(t, small, large);
    for (i = at = 0; i < rows; i++)
        for (j = 0; j < cols; j++, at++)
            p->value[at] = p->value[at] * decay - rate * u[i * down + j * right];
}

/* Steps every tensor and clips latents. Clipped latents cannot run off so far that no later
   gradient could flip their code. */
static void ob_trainer_step_all(onebit_trainer *t, double share, float clip) {
    float bound = (float)t->config.latent_clip_max_training;
    int i;
    size_t j;
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        if (ob_uses_muon(&t->options, &p->info))
            ob_muon_step(t, p, t->options.muon_lr * share, clip);
        else ob_adamw_step(t, p, t->options.lr * share, clip);
        for (j = 0; bound > 0 && p->info.kind == OB_ROLE_LINEAR && j < p->size; j++)
            p->value[j] = ob_clampf(p->value[j], -bound, bound);
    }
}

/* Forgets the gradients that were added up. */
static void ob_trainer_clear(onebit_trainer *t) {
    int i;
    for (i = 0; i < t->count; i++) memset(t->params[i].grad, 0, t->params[i].size * sizeof(float));
    t->micro = 0;
    t->loss_sum = t->objective_sum = 0.0;
}

/* Averages, checks, clips by the global norm (Pascanu et al. 2013), steps. A loss or norm that
   is no number, or absurdly large, leaves the weights untouched, so the caller may still save
   them. The comparisons are negated because NaN fails every one. */
ONEBIT_API onebit_status onebit_trainer_update(onebit_trainer *trainer,
                                               onebit_step_report *report) {
    onebit_trainer *t = trainer;
    double norm, share, loss, objective, clip;
    if (!t) return ob_fail(ONEBIT_USAGE, "onebit_trainer_update: trainer is NULL");
    if (t->micro == 0)
        return ob_fail(ONEBIT_USAGE, "onebit_trainer_update: call onebit_trainer_accumulate first");
    clip = 1.0 / t->micro;
    loss = t->loss_sum * clip;
    objective = t->objective_sum * clip;
    norm = ob_gradient_norm(t) * clip;
    if (!(norm < 1e30) || !(loss < 1e30)) {
        ob_trainer_clear(t);
        return ob_fail(ONEBIT_DIVERGED,
                       "loss %g, gradient norm %g at step %d: lower --lr or --muon-lr", loss, norm,
                       t->steps + 1);
    }
    share = ob_schedule(&t->options, t->steps);
    if (t->options.grad_clip_max_norm > 0 && norm > t->options.grad_clip_max_norm)
        clip *= t->options.grad_clip_max_norm / norm;
    ob_trainer_step_all(t, share, (float)clip);
    t->steps++;
    t->stage = OB_STALE;
    ob_trainer_clear(t);
    if (!report) return ONEBIT_OK;
    report->step = t->steps;
    report->loss = loss;
    report->objective = objective;
    report->grad_norm = norm;
    report->lr = t->options.lr * share;
    report->tokens_seen = t->tokens_seen;
    return ONEBIT_OK;
}

/* ---- Evaluation and access ------------------------------------------------------------------- */
/* All of this looks at the deployed weights: hard codes without blend, which is what an export
   would hold. During annealing the loss here is
   therefore above that of training, as a rule. */

/* Smaller batches run in the memory of the full one: the arrays are only used in part. */
ONEBIT_API onebit_status onebit_trainer_evaluate(onebit_trainer *trainer, const int32_t *inputs,
                                                 const int32_t *targets, int B, int T,
                                                 double *loss) {
    if (!trainer || !inputs || !targets || !loss)
        return ob_fail(ONEBIT_USAGE, "onebit_trainer_evaluate: an argument is NULL");
    if (B < 1 || T < 1 || B > trainer->B || T > trainer->T)
        return ob_fail(ONEBIT_USAGE, "onebit_trainer_evaluate: %d x %d is not within %d x %d", B, T,
                       trainer->B, trainer->T);
    ob_trainer_quantize(trainer, OB_DEPLOYED);
    return ob_trainer_run(trainer, inputs, targets, B, T, 0, loss);
}

/* Each of the n inputs is scored once, in windows of T that start without context; the last may be
   shorter. Many windows run as one batch. Weighted by scored tokens, so short ends and talks count
   for what they are. max_windows is passed when the windows before scored nothing at all. */
static onebit_status ob_trainer_score(onebit_trainer *t, const int32_t *inputs,
                                      const int32_t *targets, size_t n, int max_windows,
                                      double *loss, size_t *scored) {
    size_t at = 0, total = 0, i, k;
    double sum = 0.0, mean = 0.0;
    int windows = 0;
    ob_trainer_quantize(t, OB_DEPLOYED);
    while (at < n && (max_windows <= 0 || windows < max_windows || total == 0)) {
        size_t left = n - at, T = (size_t)t->T, B = left / T;
        if (left < T) T = left, B = 1;
        if (B > (size_t)t->B) B = (size_t)t->B;
        if (windows < max_windows && B > (size_t)(max_windows - windows))
            B = (size_t)(max_windows - windows);
        OB_TRY(ob_trainer_run(t, inputs + at, targets + at, (int)B, (int)T, 0, &mean));
        for (i = k = 0; i < B * T; i++) k += targets[at + i] >= 0;
        sum += mean * (double)k;
        total += k;
        at += B * T;
        windows += (int)B;
    }
    if (total == 0) return ob_fail(ONEBIT_USAGE, "score: %zu tokens, none of them is scored", n);
    *loss = sum / (double)total;
    if (scored) *scored = total;
    return ONEBIT_OK;
}

/* Windows follow each other, so inputs and targets are the ids themselves, moved by one. */
ONEBIT_API onebit_status onebit_trainer_score(onebit_trainer *trainer, const int32_t *ids,
                                              size_t count, int max_windows, double *loss,
                                              size_t *scored) {
    if (!trainer || !ids || !loss)
        return ob_fail(ONEBIT_USAGE, "onebit_trainer_score: an argument is NULL");
    if (count < 2) return ob_fail(ONEBIT_USAGE, "score: needs at least 2 tokens, got %zu", count);
    return ob_trainer_score(trainer, ids, ids + 1, count - 1, max_windows, loss, scored);
}

/* Of the last forward pass, whoever asked for it: training, evaluation or a score. */
ONEBIT_API const float *onebit_trainer_logits(const onebit_trainer *trainer) {
    if (!trainer) return NULL;
    return ob_logits_kept(&trainer->config, (size_t)trainer->B * (size_t)trainer->T)
               ? trainer->logits
               : NULL;
}

/* The latents themselves, not a copy, so that tests and tools may look and write. */
ONEBIT_API onebit_status onebit_trainer_parameter(onebit_trainer *trainer, int index,
                                                  onebit_parameter *out) {
    const ob_param *p;
    if (!trainer || !out) return ob_fail(ONEBIT_USAGE, "onebit_trainer_parameter: NULL argument");
    if (index < 0 || index >= trainer->count)
        return ob_fail(ONEBIT_USAGE, "parameter %d of %d", index, trainer->count);
    p = trainer->params + index;
    ob_print(out->name, sizeof out->name, "%s", p->info.name);
    out->rows = p->info.rows, out->cols = p->info.cols, out->mode = p->info.mode;
    out->value = p->value, out->grad = p->grad;
    trainer->stage = OB_STALE; /* the caller may write through value */
    return ONEBIT_OK;
}

/* Quantized tensor number index (ternary or binary blocks), or NULL. */
static ob_param *ob_coded_param(onebit_trainer *t, int index) {
    int i;
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        if (p->info.mode >= ONEBIT_TERNARY && index-- == 0) return p;
    }
    return NULL;
}

/* Ternary and binary codes are -1, 0 and 1, hence the index code + 1. The report's codes become
   the new reference for flips: two readers of one trainer would disturb each other. */
ONEBIT_API onebit_status onebit_trainer_codes(onebit_trainer *trainer, int index,
                                              onebit_code_report *out) {
    ob_param *p;
    double count[3] = {0, 0, 0}, flips = 0;
    int8_t *seen;
    int r, c;
    if (!trainer || !out) return ob_fail(ONEBIT_USAGE, "onebit_trainer_codes: NULL argument");
    p = ob_coded_param(trainer, index);
    if (!p) return ob_fail(ONEBIT_USAGE, "there is no quantized tensor %d", index);
    ob_trainer_quantize(trainer, OB_DEPLOYED);
    for (r = 0, seen = p->seen; r < p->info.rows; r++)
        for (c = 0; c < p->info.cols; c++, seen++) {
            int8_t code = (int8_t)ob_param_code(p, r, c);
            count[code + 1]++;
            flips += code != *seen;
            *seen = code;
        }
    ob_print(out->name, sizeof out->name, "%s", p->info.name);
    out->minus = count[0] / (double)p->size;
    out->zero = count[1] / (double)p->size;
    out->plus = count[2] / (double)p->size;
    out->flipped = flips / (double)p->size;
    return ONEBIT_OK;
}

/* As completed by create; it lives as long as the trainer. */
ONEBIT_API const onebit_config *onebit_trainer_config(const onebit_trainer *trainer) {
    return trainer ? &trainer->config : NULL;
}

/* Updates done, those before a resume included. */
ONEBIT_API int onebit_trainer_steps(const onebit_trainer *trainer) {
    return trainer ? trainer->steps : 0;
}

/* =================================================================================================
   13 >>files   .1bit files: packed models with config and tokenizer; safetensors; checkpoints.
   uses: base system json config tokenizer format model optim   used by: session flow
   ============================================================================================== */

/* The .1bit file, version 2. Little-endian; every section starts at a multiple of 64.

     0    4  "1BIT"
     4    4  u32 version = 2
     8    8  u64 bytes of the whole file
     16   8  u64 XXH64 (seed 0) of everything from byte 24 to the end
     24   4  u32 number of tensors n
     28   4  u32 flags = 0
     32   8  u64 offset of the config:    JSON text          40  8  u64 its bytes
     48   8  u64 offset of the tokenizer: see >>tokenizer    56  8  u64 its bytes (0 = no tokenizer)
     64      n records of 128 bytes (formats: see >>format):
               0   64  name, zero-terminated and zero-filled
               64   4  u32 format: 0 plain f32, 1 f32x16, 2 f16x16, 3 q8x16, 4 t2x16, 5 b1x16,
                       6 t5x16 (a ternary matrix may have 4 or 6)
               68   4  u32 rows        72  4  u32 cols
               76   4  u32 scales: 0, 1, rows, or rows * ceil(cols / scale_group), row by row
               80   8  u64 offset of the f32 scales            88  8  u64 offset of the data
               96   8  u64 bytes of the data                  104 24  zero
     then config, tokenizer, and for each tensor its scales and its data.

   Tensors stand in model order (embedding, blocks, final norm, head) and are exactly those that the
   config asks for. A reader maps the file and computes in place. */
#define OB_FILE_VERSION 2
#define OB_V1_VERSION   1 /* of the program that this library follows; see below */
#define OB_HEAD_BYTES   64
#define OB_RECORD_BYTES 128

/* ---- Writing --------------------------------------------------------------------------------- */
/* The same walk counts with p NULL and writes with p set, so size and content cannot disagree.
   Numbers are put byte by byte, so files are equal on machines of any byte order. */

/* Where everything goes; counted first, written second. */
typedef struct ob_image {
    uint8_t *p; /* NULL = only count */
    uint64_t at;
} ob_image;

/* Where the tensors of an image come from. fetch gives info and value (gains) or codes and scale of
   one; they are valid until the next. */
typedef struct ob_tensors {
    const onebit_config *config;
    const onebit_tokenizer *tokenizer; /* NULL = none */
    int count;
    int packing; /* onebit_packing of ternary matrices */
    void *source;
    onebit_status (*fetch)(void *source, int index, ob_param *p);
} ob_tensors;

/* Gives the next multiple of 64 and moves on by bytes. */
static uint64_t ob_image_place(ob_image *m, uint64_t bytes) {
    uint64_t start = (m->at + 63) & ~(uint64_t)63;
    m->at = start + bytes;
    return start;
}

/* The format that a tensor is stored in. */
static ob_format ob_stored_format(const ob_tensor *info, int packing) {
    if (info->kind == OB_ROLE_GAIN) return OB_PLAIN;
    if (info->mode == ONEBIT_TERNARY && packing == ONEBIT_PACKING_5_IN_8) return OB_T5X16;
    return ob_mode_format(info->mode);
}

/* Packs one tensor's codes and scales; writes its record. */
static void ob_image_tensor(ob_image *m, const ob_param *p, int index, int packing) {
    const ob_tensor *info = &p->info;
    int gain = info->kind == OB_ROLE_GAIN, r, k;
    uint64_t scales = ob_tensor_scales(info), i;
    ob_format format = ob_stored_format(info, packing);
    uint64_t bytes = ob_format_bytes(format, info->rows, info->cols);
    uint64_t scale_at = ob_image_place(m, scales * 4), data_at = ob_image_place(m, bytes);
    uint8_t *record, *data;
    if (!m->p) return;
    record = m->p + OB_HEAD_BYTES + (size_t)index * OB_RECORD_BYTES;
    data = m->p + data_at;
    memcpy(record, info->name, strlen(info->name));
    ob_put32(record + 64, (uint32_t)format);
    ob_put32(record + 68, (uint32_t)info->rows);
    ob_put32(record + 72, (uint32_t)info->cols);
    ob_put32(record + 76, (uint32_t)scales);
    ob_put64(record + 80, scale_at);
    ob_put64(record + 88, data_at);
    ob_put64(record + 96, bytes);
    for (i = 0; i < scales; i++) ob_putf32(m->p + scale_at + 4 * i, p->scale[i]);
    if (gain) {
        for (r = 0; r < info->cols; r++) ob_putf32(data + 4 * (size_t)r, p->value[r]);
        return;
    }
    ob_pack_clear(data, format, info->rows, info->cols);
    for (r = 0; r < info->rows; r++) {
        uint8_t *block = data + (uint64_t)(r / 16) * ob_block_bytes(format, info->cols);
        for (k = 0; k < info->cols; k++)
            ob_pack_code(block, format, r % 16, k, ob_param_code(p, r, k));
    }
}

/* The whole image; with m->p NULL it only counts m->at, which needs no weights and cannot fail. */
static onebit_status ob_image_write(ob_image *m, const ob_tensors *t) {
    size_t config = onebit_config_write(t->config, NULL, 0);
    size_t words = t->tokenizer ? ob_tokenizer_pack(t->tokenizer, NULL, 0) : 0;
    uint64_t config_at, words_at;
    ob_param p;
    int i;
    m->at = OB_HEAD_BYTES + (uint64_t)t->count * OB_RECORD_BYTES;
    config_at = ob_image_place(m, config + 1);
    words_at = ob_image_place(m, words);
    for (i = 0; i < t->count; i++) {
        if (m->p) OB_TRY(t->fetch(t->source, i, &p));
        else ob_tensor_at(t->config, i, &p.info);
        ob_image_tensor(m, &p, i, t->packing);
    }
    if (!m->p) return ONEBIT_OK;
    onebit_config_write(t->config, (char *)m->p + config_at, config + 1);
    if (words) ob_tokenizer_pack(t->tokenizer, m->p + words_at, words);
    memcpy(m->p, "1BIT", 4);
    ob_put32(m->p + 4, OB_FILE_VERSION);
    ob_put64(m->p + 8, m->at);
    ob_put32(m->p + 24, (uint32_t)t->count);
    ob_put64(m->p + 32, config_at), ob_put64(m->p + 40, config);
    ob_put64(m->p + 48, words_at), ob_put64(m->p + 56, words);
    ob_put64(m->p + 16, ob_hash64(m->p + 24, (size_t)m->at - 24, 0));
    return ONEBIT_OK;
}

/* Bytes of the image. */
static uint64_t ob_image_bytes(const ob_tensors *t) {
    ob_image m = {NULL, 0};
    (void)ob_image_write(&m, t);
    return m.at;
}

/* Builds the image in memory and writes it to a file: the checksum stands before what it sums up,
   and the image is small beside what it is made from. */
static onebit_status ob_image_file(const ob_tensors *t, const char *path, const onebit_env *env) {
    uint64_t bytes = ob_image_bytes(t);
    onebit_status status;
    ob_image m = {NULL, 0};
    if (bytes <= SIZE_MAX) m.p = (uint8_t *)ob_alloc(env, (size_t)bytes);
    if (!m.p)
        return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for %.0f bytes", path, (double)bytes);
    status = ob_image_write(&m, t);
    if (status == ONEBIT_OK) status = ob_file_write(path, m.p, (size_t)bytes);
    ob_release(env, m.p);
    return status;
}

/* A trainer has all its codes at once. */
static onebit_status ob_trainer_fetch(void *source, int index, ob_param *p) {
    *p = ((const onebit_trainer *)source)->params[index];
    return ONEBIT_OK;
}

/* What a trainer exports. */
static ob_tensors ob_trainer_tensors(onebit_trainer *t, const onebit_tokenizer *tokenizer) {
    ob_tensors all;
    all.config = &t->config, all.tokenizer = tokenizer, all.count = t->count;
    all.packing = ONEBIT_PACKING_2_BITS, all.source = t, all.fetch = ob_trainer_fetch;
    return all;
}

/* The checksum is computed last, over the finished bytes; gaps are zero, so equal weights give
   equal files. */
ONEBIT_API size_t onebit_trainer_pack(onebit_trainer *trainer, const onebit_tokenizer *tokenizer,
                                      void *out, size_t size) {
    ob_image m;
    ob_tensors t;
    size_t bytes;
    if (!trainer) return 0;
    t = ob_trainer_tensors(trainer, tokenizer);
    bytes = (size_t)ob_image_bytes(&t);
    if (!out || bytes > size) return bytes;
    m.p = (uint8_t *)out;
    memset(out, 0, bytes);
    ob_trainer_quantize(trainer, OB_DEPLOYED);
    ob_image_write(&m, &t);
    return bytes;
}

/* The codes must be those of deployment before they are fetched: hard, without a blend. */
ONEBIT_API onebit_status onebit_trainer_export(onebit_trainer *trainer,
                                               const onebit_tokenizer *tokenizer,
                                               const char *path) {
    ob_tensors t;
    if (!trainer || !path) return ob_fail(ONEBIT_USAGE, "onebit_trainer_export: NULL argument");
    ob_trainer_quantize(trainer, OB_DEPLOYED);
    t = ob_trainer_tensors(trainer, tokenizer);
    return ob_image_file(&t, path, &trainer->env);
}

/* The counting walk needs no weights. */
ONEBIT_API size_t onebit_config_model_bytes(const onebit_config *config,
                                            const onebit_tokenizer *tokenizer) {
    onebit_config c = config ? *config : onebit_config_default();
    ob_tensors t;
    if (onebit_config_check(&c) != ONEBIT_OK) return 0;
    if (c.vocab_size < 1) return ob_fail(ONEBIT_CONFIG, "model bytes: vocab_size is 0"), (size_t)0;
    memset(&t, 0, sizeof t);
    t.config = &c, t.tokenizer = tokenizer, t.count = ob_tensor_count(&c);
    t.packing = ONEBIT_PACKING_2_BITS;
    return (size_t)ob_image_bytes(&t);
}

/* ---- Opening --------------------------------------------------------------------------------- */
/* A file may be hostile: every offset, size and count is checked before it is used, and each
   tensor must be the one the config asks for, in its place, with its shape. What has passed is
   used in place; weights are never copied or unpacked as a whole, so opening costs one pass for
   the checksum and memory is what the file takes. */

struct onebit_model {
    onebit_env env;
    onebit_config config;
    onebit_tokenizer *tokenizer;
    ob_view view;
    const uint8_t *image; /* the file */
    size_t bytes;
    uint64_t checksum;
    int count;
    ob_map map;
    uint8_t *copy; /* of an image that was not aligned */
};

/* A section must lie inside the file behind the head, aligned. */
static onebit_status ob_section(const onebit_model *m, uint64_t at, uint64_t bytes,
                                const char *what) {
    if (at % 64 || at < OB_HEAD_BYTES || at > m->bytes || bytes > m->bytes - at)
        return ob_fail(ONEBIT_FORMAT, ".1bit: %.80s at byte %llu (%llu bytes) is outside the file",
                       what, (unsigned long long)at, (unsigned long long)bytes);
    return ONEBIT_OK;
}

/* 1 when the bytes are a .1bit file of version 1. */
static int ob_v1_is(const uint8_t *p, size_t bytes) {
    return bytes >= 8 && memcmp(p, "1BIT", 4) == 0 && ob_get32(p + 4) == OB_V1_VERSION;
}

/* The head: magic, version, length, checksum, number of tensors. */
static onebit_status ob_open_head(onebit_model *m) {
    const uint8_t *p = m->image;
    uint64_t room;
    if (ob_v1_is(p, m->bytes))
        return ob_fail(ONEBIT_UNSUPPORTED,
                       "a .1bit file of version 1 has no scales and everything, norms too, cut to "
                       "-1, 0, +1: it cannot speak (onebit-export --list shows what it holds)");
    if (m->bytes < OB_HEAD_BYTES || memcmp(p, "1BIT", 4) != 0)
        return ob_fail(ONEBIT_FORMAT, "not a .1bit file: it does not start with \"1BIT\"");
    if (ob_get32(p + 4) != OB_FILE_VERSION)
        return ob_fail(ONEBIT_UNSUPPORTED, ".1bit version %lu; this library reads version %d",
                       (unsigned long)ob_get32(p + 4), OB_FILE_VERSION);
    if (ob_get64(p + 8) != m->bytes)
        return ob_fail(ONEBIT_FORMAT,
                       ".1bit: the head says %llu bytes, the file has %llu (cut off?)",
                       (unsigned long long)ob_get64(p + 8), (unsigned long long)m->bytes);
    m->checksum = ob_get64(p + 16);
    if (m->checksum != ob_hash64(p + 24, m->bytes - 24, 0))
        return ob_fail(ONEBIT_FORMAT, ".1bit: the checksum does not match; the file is damaged");
    room = (m->bytes - OB_HEAD_BYTES) / OB_RECORD_BYTES;
    if (ob_get32(p + 24) > room || ob_get32(p + 28) != 0)
        return ob_fail(ONEBIT_FORMAT, ".1bit: %lu tensors (flags %lu) cannot be in %llu bytes",
                       (unsigned long)ob_get32(p + 24), (unsigned long)ob_get32(p + 28),
                       (unsigned long long)m->bytes);
    m->count = (int)ob_get32(p + 24);
    return ONEBIT_OK;
}

/* Every id of a tokenizer (NULL = none) must have a row of the embedding. */
static onebit_status ob_vocab_check(const onebit_tokenizer *tokenizer, const onebit_config *c) {
    int ids = onebit_tokenizer_vocab_size(tokenizer);
    if (ids <= c->vocab_size) return ONEBIT_OK;
    return ob_fail(ONEBIT_FORMAT, "the tokenizer has %d ids, the model %d", ids, c->vocab_size);
}

/* Config and tokenizer. */
static onebit_status ob_open_texts(onebit_model *m) {
    const uint8_t *p = m->image;
    uint64_t at = ob_get64(p + 32), bytes = ob_get64(p + 40);
    OB_TRY(ob_section(m, at, bytes, "the config"));
    m->config = onebit_config_default();
    OB_TRY(onebit_config_parse(&m->config, (const char *)p + at, (size_t)bytes));
    OB_TRY(onebit_config_check(&m->config));
    if (m->config.vocab_size < 1) return ob_fail(ONEBIT_FORMAT, ".1bit: config without vocab_size");
    at = ob_get64(p + 48), bytes = ob_get64(p + 56);
    if (bytes == 0) return ONEBIT_OK;
    OB_TRY(ob_section(m, at, bytes, "the tokenizer"));
    OB_TRY(ob_tokenizer_unpack(&m->tokenizer, p + at, (size_t)bytes, &m->env));
    return ob_vocab_check(m->tokenizer, &m->config);
}

/* Floats of a file become floats of the machine, where they lie. A hostile file may let sections
   overlap; then its numbers are wrong, and nothing else. */
static void ob_turn_floats(uint8_t *p, uint64_t n) {
    uint64_t i;
    for (i = 0; i < n; i++) {
        float f = ob_getf32(p + 4 * i);
        memcpy(p + 4 * i, &f, 4);
    }
}

/* Record number index must be the tensor that the config asks for there. */
static onebit_status ob_open_tensor(onebit_model *m, int index) {
    const uint8_t *r = m->image + OB_HEAD_BYTES + (size_t)index * OB_RECORD_BYTES;
    uint64_t scale_at = ob_get64(r + 80), data_at = ob_get64(r + 88), bytes = ob_get64(r + 96);
    uint32_t format, scales = ob_get32(r + 76);
    ob_tensor want;
    ob_weight *w;
    if (!ob_tensor_at(&m->config, index, &want) || memcmp(r, want.name, sizeof want.name) != 0)
        return ob_fail(ONEBIT_FORMAT, ".1bit: tensor %d is \"%.63s\", expected \"%s\"", index,
                       r[63] ? "?" : (const char *)r, want.name);
    format = (uint32_t)ob_stored_format(
        &want, ob_get32(r + 64) == OB_T5X16 ? ONEBIT_PACKING_5_IN_8 : ONEBIT_PACKING_2_BITS);
    if (ob_get32(r + 64) != format || ob_get32(r + 68) != (uint32_t)want.rows ||
        ob_get32(r + 72) != (uint32_t)want.cols ||
        bytes != ob_format_bytes((ob_format)format, want.rows, want.cols) ||
        scales != ob_tensor_scales(&want))
        return ob_fail(ONEBIT_FORMAT, ".1bit: %s has not the format and shape of the config",
                       want.name);
    OB_TRY(ob_section(m, data_at, bytes, want.name));
    OB_TRY(ob_section(m, scale_at, (uint64_t)scales * 4, want.name));
    w = m->view.slots + want.slot;
    w->rows = want.rows, w->cols = want.cols, w->format = (int)format;
    w->bits = ob_input_bits(&m->config, &want, want.mode);
    w->share = 1.0f;
    w->exact = w->bits != 0;
    w->scale_step = want.mode == ONEBIT_8BIT;
    w->group = want.group;
    w->data = m->image + data_at;
    w->scale = scales ? (const float *)(const void *)(m->image + scale_at) : &ob_one;
    if (!ob_is_little_endian()) {
        ob_turn_floats(m->copy + scale_at, scales);
        if (format == OB_PLAIN) ob_turn_floats(m->copy + data_at, bytes / 4);
    }
    return ONEBIT_OK;
}

/* Everything after m->image and m->bytes are set. The slots follow the model in its block. head
   lies on the caller's stack until all is known; on an error the caller drops what head owns. */
static onebit_status ob_open_image(onebit_model **out, onebit_model *head) {
    onebit_model *m;
    size_t slots;
    int i;
    OB_TRY(ob_open_head(head));
    OB_TRY(ob_open_texts(head));
    if (head->count != ob_tensor_count(&head->config))
        return ob_fail(ONEBIT_FORMAT, ".1bit: %d tensors, the config asks for %d", head->count,
                       ob_tensor_count(&head->config));
    slots = (size_t)ob_slots(&head->config) * sizeof(ob_weight);
    m = (onebit_model *)ob_alloc(&head->env, ob_round_up(sizeof *m, 64) + slots);
    if (!m) return ob_fail(ONEBIT_MEMORY, "opening a model: no memory for %zu bytes", slots);
    head->view.slots = (ob_weight *)(void *)((uint8_t *)m + ob_round_up(sizeof *m, 64));
    *m = *head;
    m->view.config = &m->config;
    for (i = 0; i < m->count; i++) {
        onebit_status status = ob_open_tensor(m, i);
        if (status == ONEBIT_OK) continue;
        ob_release(&m->env, m);
        return status;
    }
    *out = m;
    return ONEBIT_OK;
}

/* Releases what a model holds besides its own block. */
static void ob_model_drop(onebit_model *m) {
    onebit_tokenizer_free(m->tokenizer);
    ob_release(&m->env, m->copy);
    ob_map_close(&m->map);
}

/* Bytes at a multiple of 64 are used in place and must outlive the model; others are copied. */
ONEBIT_API onebit_status onebit_model_open_memory(onebit_model **out, const void *data,
                                                  size_t bytes, const onebit_env *env) {
    onebit_model head;
    onebit_status status;
    if (!out || !data) return ob_fail(ONEBIT_USAGE, "onebit_model_open_memory: NULL argument");
    *out = NULL;
    memset(&head, 0, sizeof head);
    head.env = ob_env_or_default(env);
    OB_TRY(ob_env_check(&head.env));
    head.image = (const uint8_t *)data, head.bytes = bytes;
    if (((uintptr_t)data % 64 || !ob_is_little_endian()) && bytes > 0) {
        head.copy = (uint8_t *)ob_alloc(&head.env, bytes);
        if (!head.copy)
            return ob_fail(ONEBIT_MEMORY, "aligning a model: no memory for %zu bytes", bytes);
        memcpy(head.copy, data, bytes);
        head.image = head.copy;
    }
    status = ob_open_image(out, &head);
    if (status != ONEBIT_OK) ob_model_drop(&head);
    return status;
}

#define OB_COPY_PIECE ((size_t)4 << 20) /* bytes that a thread copies at a time */

/* A file's pages on their way into memory. */
typedef struct ob_copy_job {
    uint8_t *to;
    const uint8_t *from;
    size_t bytes;
} ob_copy_job;

/* Pieces are touched by the thread that copies them: pages come in on several threads at once. */
static void ob_copy_piece(void *arg, int i) {
    const ob_copy_job *c = (const ob_copy_job *)arg;
    size_t at = (size_t)i * OB_COPY_PIECE, left = c->bytes - at;
    memcpy(c->to + at, c->from + at, left < OB_COPY_PIECE ? left : OB_COPY_PIECE);
}

/* Moves a mapped image into memory. */
static onebit_status ob_open_copy(onebit_model *m) {
    ob_copy_job c;
    size_t pieces = (m->bytes + OB_COPY_PIECE - 1) / OB_COPY_PIECE;
    m->copy = (uint8_t *)ob_alloc(&m->env, m->bytes);
    if (!m->copy || pieces > INT_MAX)
        return ob_fail(ONEBIT_MEMORY, "no memory for %.0f MB: open it in place",
                       (double)m->bytes / 1e6);
    c.to = m->copy, c.from = m->image, c.bytes = m->bytes;
    ob_parallel(&m->env, ob_copy_piece, &c, (int)pieces);
    ob_map_close(&m->map);
    m->image = m->copy;
    return ONEBIT_OK;
}

/* A mapping stays open as long as the model; pages come in when they are first used, and processes
   that open the same file share them. */
static onebit_status ob_model_open(onebit_model **out, const char *path, const onebit_env *env,
                                   int in_place) {
    onebit_model head;
    onebit_status status = ONEBIT_OK;
    if (!out || !path) return ob_fail(ONEBIT_USAGE, "onebit_model_open: NULL argument");
    *out = NULL;
    memset(&head, 0, sizeof head);
    head.env = ob_env_or_default(env);
    OB_TRY(ob_env_check(&head.env));
    OB_TRY(ob_map_open(&head.map, path));
    head.image = head.map.data, head.bytes = head.map.bytes;
    if ((!in_place && head.bytes >= OB_LARGE) || !ob_is_little_endian())
        status = ob_open_copy(&head);
    if (status == ONEBIT_OK) status = ob_open_image(out, &head);
    if (status != ONEBIT_OK) {
        ob_fail(status, "%.200s: %s", path, onebit_error_text());
        ob_model_drop(&head);
    }
    return status;
}

/* Small files gain nothing from huge pages. */
ONEBIT_API onebit_status onebit_model_open(onebit_model **out, const char *path,
                                           const onebit_env *env) {
    return ob_model_open(out, path, env, 0);
}

/* For memory that is shared or scarce; machines of the other byte order copy all the same. */
ONEBIT_API onebit_status onebit_model_open_in_place(onebit_model **out, const char *path,
                                                    const onebit_env *env) {
    return ob_model_open(out, path, env, 1);
}

/* The env lies in the block that goes last, hence the copy. */
ONEBIT_API void onebit_model_free(onebit_model *model) {
    onebit_env env;
    if (!model) return;
    env = model->env;
    ob_model_drop(model);
    ob_release(&env, model);
}

/* As the file has it; it lives as long as the model. */
ONEBIT_API const onebit_config *onebit_model_config(const onebit_model *model) {
    return model ? &model->config : NULL;
}

/* NULL when the file holds none; it belongs to the model. */
ONEBIT_API const onebit_tokenizer *onebit_model_tokenizer(const onebit_model *model) {
    return model ? model->tokenizer : NULL;
}

/* out->name points into the file; scale is the first one when a matrix has many. */
ONEBIT_API onebit_status onebit_model_tensor(const onebit_model *model, int index,
                                             onebit_tensor_info *out) {
    const uint8_t *r;
    ob_tensor info;
    if (!model || !out) return ob_fail(ONEBIT_USAGE, "onebit_model_tensor: NULL argument");
    if (index < 0 || index >= model->count)
        return ob_fail(ONEBIT_USAGE, "tensor %d of %d", index, model->count);
    r = model->image + OB_HEAD_BYTES + (size_t)index * OB_RECORD_BYTES;
    out->name = (const char *)r;
    out->format = ob_format_names[ob_get32(r + 64)];
    out->rows = (int)ob_get32(r + 68), out->cols = (int)ob_get32(r + 72);
    out->bytes = (size_t)(ob_get64(r + 96) + 4u * (uint64_t)ob_get32(r + 76));
    ob_tensor_at(&model->config, index, &info);
    out->scale = ob_get32(r + 76) ? model->view.slots[info.slot].scale[0] : 1.0f;
    return ONEBIT_OK;
}

/* ---- safetensors: u64 header length, a JSON header, then the tensors' bytes (little-endian) -- */
/* Source: the format section of the safetensors README. Everything is checked before a byte is
   used: the tensors must cover the data exactly, without holes and without overlap. */

#define OB_ST_HEADER_MAX 100000000u /* the limit of the reference implementation */
#define OB_ST_RANK_MAX   4
#define OB_ST_ALIGN      64 /* where our writer starts the data */

/* One tensor in a file. data may be less aligned than its type: other writers pad less than we do.
 */
typedef struct ob_st_tensor {
    char name[128];
    const char *dtype; /* points into a static table */
    int64_t shape[4];
    int rank;
    const uint8_t *data;
    size_t bytes;
} ob_st_tensor;

/* An open file. tensors stand in the order of the header. */
typedef struct ob_st_file {
    ob_map map; /* all zero when it was parsed from memory */
    ob_st_tensor *tensors;
    int count;
    ob_slice metadata; /* text of the __metadata__ object, empty when there is none */
    onebit_env env;
    const ob_st_tensor *
        *by_name; /* the same tensors, sorted by name; lies in the block of tensors */
} ob_st_file;

/* One tensor to write. */
typedef struct ob_st_item {
    const char *name;
    const char *dtype;
    int64_t shape[4];
    int rank;
    const void *data;
    size_t bytes;
} ob_st_item;

/* Index of a type in a table of names and sizes, given as text; *name is the table's own copy.
   Gives the bytes of one element, 0 when the type is unknown. */
static size_t ob_st_dtype(const char *text, size_t n, const char **name) {
    static const char *const names[] = {"F32", "F16",  "BF16",    "F64",     "I8",  "U8",
                                        "I16", "U16",  "I32",     "U32",     "I64", "U64",
                                        "C64", "BOOL", "F8_E4M3", "F8_E5M2", NULL};
    static const size_t sizes[] = {4, 2, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 8, 1, 1, 1};
    int i;
    for (i = 0; names[i]; i++) {
        if (strlen(names[i]) != n || memcmp(names[i], text, n) != 0) continue;
        if (name) *name = names[i];
        return sizes[i];
    }
    return 0;
}

/* Bytes of a shape: product of dims and element size; 0 = negative dimension or overflow. */
static int ob_st_size(const int64_t *shape, int rank, size_t element, size_t *bytes) {
    size_t n = element;
    int i;
    for (i = 0; i < rank; i++) {
        if (shape[i] < 0 || (uint64_t)shape[i] > SIZE_MAX) return 0;
        if (!ob_mul(n, (size_t)shape[i], &n)) return 0;
    }
    *bytes = n;
    return 1;
}

/* Reads "dtype"; gives the element size, 0 after an error. */
static size_t ob_st_read_dtype(ob_json *j, ob_st_tensor *t) {
    ob_slice raw = ob_json_raw_string(j);
    size_t element;
    if (j->status != ONEBIT_OK) return 0;
    element = ob_st_dtype(raw.p, raw.n, &t->dtype);
    if (!element) ob_json_error(j, "unknown dtype '%.*s'", raw.n < 20 ? (int)raw.n : 20, raw.p);
    return element;
}

/* No dimension at all is a scalar, one element. */
static void ob_st_read_shape(ob_json *j, ob_st_tensor *t) {
    t->rank = 0;
    ob_json_array(j);
    while (ob_json_item(j)) {
        int64_t dim = ob_json_int(j);
        if (dim < 0) ob_json_error(j, "a dimension is negative");
        else if (t->rank == OB_ST_RANK_MAX)
            ob_json_error(j, "more than %d dimensions", OB_ST_RANK_MAX);
        else t->shape[t->rank++] = dim;
    }
}

/* Reads [begin, end) and points the tensor at its bytes. */
static void ob_st_read_offsets(ob_json *j, ob_st_tensor *t, const uint8_t *data, size_t size) {
    int64_t at[2] = {0, 0};
    int n = 0;
    ob_json_array(j);
    while (ob_json_item(j)) {
        int64_t v = ob_json_int(j);
        if (n < 2) at[n] = v;
        n++;
    }
    if (n != 2 || at[0] < 0 || at[1] < at[0] || (uint64_t)at[1] > size) {
        ob_json_error(j, "data_offsets must be [begin, end] within the file's data");
        return;
    }
    t->data = data + (size_t)at[0];
    t->bytes = (size_t)(at[1] - at[0]);
}

/* One tensor's entry; j stands at its value. All three members must be there, once. */
static void ob_st_read_tensor(ob_json *j, ob_slice name, ob_st_tensor *t, const uint8_t *data,
                              size_t size) {
    ob_slice key;
    size_t element = 0, need = 0;
    int seen = 0, bit;
    if (ob_json_unescape(name, t->name, sizeof t->name) >= sizeof t->name)
        ob_json_error(j, "a tensor name longer than %d bytes", (int)sizeof t->name - 1);
    else if (strlen(t->name) != ob_json_unescape(name, NULL, 0))
        ob_json_error(j, "a tensor name with a NUL in it");
    ob_json_object(j);
    while (ob_json_key(j, &key)) {
        bit = ob_slice_is(key, "dtype") ? 1 : ob_slice_is(key, "shape") ? 2 : 0;
        if (ob_slice_is(key, "data_offsets")) bit = 4;
        if (bit & seen) ob_json_error(j, "tensor '%.80s' says this twice", t->name);
        seen |= bit;
        if (bit == 1) element = ob_st_read_dtype(j, t);
        else if (bit == 2) ob_st_read_shape(j, t);
        else if (bit == 4) ob_st_read_offsets(j, t, data, size);
        else ob_json_skip(j);
    }
    if (seen != 7) ob_json_error(j, "tensor '%.80s' needs dtype, shape and data_offsets", t->name);
    else if (!ob_st_size(t->shape, t->rank, element, &need) || need != t->bytes)
        ob_json_error(j, "tensor '%.80s': shape and dtype do not give %.0f bytes", t->name,
                      (double)t->bytes);
}

/* __metadata__ must be an object of strings. */
static void ob_st_read_metadata(ob_json *j, ob_slice *out) {
    ob_slice key, text;
    ob_json inside;
    if (out->n) ob_json_error(j, "__metadata__ stands here twice");
    text = ob_json_raw(j);
    if (j->status != ONEBIT_OK) return;
    inside = ob_json_on(text.p, text.n, j->what);
    ob_json_object(&inside);
    while (ob_json_key(&inside, &key)) (void)ob_json_raw_string(&inside);
    if (inside.status != ONEBIT_OK) ob_json_error(j, "__metadata__ must hold strings only");
    *out = text;
}

/* First walk over the header: how many tensors? */
static int ob_st_count(ob_json j) {
    ob_slice key;
    int count = 0;
    ob_json_object(&j);
    while (ob_json_key(&j, &key)) {
        if (!ob_slice_is(key, "__metadata__")) count++;
        ob_json_skip(&j);
    }
    return ob_json_end(&j) == ONEBIT_OK ? count : -1;
}

/* Second walk: fills the tensors. */
static onebit_status ob_st_fill(ob_st_file *out, ob_json j, const uint8_t *data, size_t size) {
    ob_slice key;
    int i = 0;
    ob_json_object(&j);
    while (ob_json_key(&j, &key)) {
        if (ob_slice_is(key, "__metadata__")) ob_st_read_metadata(&j, &out->metadata);
        else if (i < out->count) ob_st_read_tensor(&j, key, &out->tensors[i++], data, size);
    }
    return ob_json_end(&j);
}

/* By address: all tensors point into one data section. */
static int ob_st_by_place(const void *a, const void *b) {
    const ob_st_tensor *x = *(const ob_st_tensor *const *)a, *y = *(const ob_st_tensor *const *)b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1
                               : x->bytes > y->bytes; /* an empty one stands before a full one */
}

/* Byte order, the same that ob_st_find searches by. */
static int ob_st_by_name(const void *a, const void *b) {
    const ob_st_tensor *x = *(const ob_st_tensor *const *)a, *y = *(const ob_st_tensor *const *)b;
    return strcmp(x->name, y->name);
}

/* Sorted by place the tensors must touch each other and end with the data; sorted by name no two
   may be equal. Leaves by_name sorted by name. */
static onebit_status ob_st_check(ob_st_file *f, const char *what, const uint8_t *data,
                                 size_t size) {
    const uint8_t *at = data;
    size_t count = (size_t)f->count, i;
    for (i = 0; i < count; i++) f->by_name[i] = &f->tensors[i];
    if (count) qsort((void *)f->by_name, count, sizeof f->by_name[0], ob_st_by_place);
    for (i = 0; i < count; i++) {
        if (f->by_name[i]->data != at)
            return ob_fail(ONEBIT_FORMAT,
                           "%.200s: tensor '%.80s' leaves a hole or overlaps another", what,
                           f->by_name[i]->name);
        at += f->by_name[i]->bytes;
    }
    if (at != data + size)
        return ob_fail(ONEBIT_FORMAT, "%.200s: %.0f bytes belong to no tensor", what,
                       (double)(data + size - at));
    if (count) qsort((void *)f->by_name, count, sizeof f->by_name[0], ob_st_by_name);
    for (i = 1; i < count; i++)
        if (strcmp(f->by_name[i - 1]->name, f->by_name[i]->name) == 0)
            return ob_fail(ONEBIT_FORMAT, "%.200s: two tensors are named '%.80s'", what,
                           f->by_name[i]->name);
    return ONEBIT_OK;
}

/* One block: the tensors, then the sorted pointers. */
static onebit_status ob_st_take(ob_st_file *f, const char *what) {
    size_t bytes;
    if (f->count == 0) return ONEBIT_OK;
    (void)ob_mul((size_t)f->count, sizeof *f->tensors + sizeof *f->by_name, &bytes);
    f->tensors = (ob_st_tensor *)ob_alloc(&f->env, bytes);
    if (!f->tensors) return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for its table", what);
    f->by_name = (const ob_st_tensor **)(void *)(f->tensors + f->count);
    return ONEBIT_OK;
}

/* Safe on a file that failed to open half-way: everything starts as zero. */
static void ob_st_close(ob_st_file *f) {
    if (f->tensors) ob_release(&f->env, f->tensors);
    if (f->map.data) ob_map_close(&f->map);
    memset(f, 0, sizeof *f);
}

/* Reads bytes that stay where they are; what names them in messages. */
static onebit_status ob_st_read(ob_st_file *out, const uint8_t *p, size_t bytes, const char *what) {
    uint64_t header = bytes < 8 ? 0 : ob_get64(p);
    size_t n = (size_t)header;
    ob_json j;
    if (header < 2) return ob_fail(ONEBIT_FORMAT, "%.200s: too short for a safetensors file", what);
    if (header > OB_ST_HEADER_MAX || header > bytes - 8)
        return ob_fail(ONEBIT_FORMAT,
                       "%.200s: cut off or no safetensors file: a header of %.0f bytes in %.0f",
                       what, (double)header, (double)bytes);
    if (p[8] != '{') return ob_fail(ONEBIT_FORMAT, "%.200s: the header is not JSON", what);
    j = ob_json_on((const char *)p + 8, n, what);
    out->count = ob_st_count(j);
    if (out->count < 0) {
        out->count = 0;
        return ONEBIT_FORMAT; /* the reader has set the text */
    }
    OB_TRY(ob_st_take(out, what));
    OB_TRY(ob_st_fill(out, j, p + 8 + n, bytes - 8 - n));
    return ob_st_check(out, what, p + 8 + n, bytes - 8 - n);
}

/* The tensors point into the mapping and are valid until ob_st_close. */
static onebit_status ob_st_open(ob_st_file *out, const char *path, const onebit_env *env) {
    onebit_status status;
    memset(out, 0, sizeof *out);
    out->env = ob_env_or_default(env);
    OB_TRY(ob_map_open(&out->map, path));
    status = ob_st_read(out, out->map.data, out->map.bytes, path);
    if (status != ONEBIT_OK) ob_st_close(out);
    return status;
}

/* The tensor of this name, NULL when there is none. */
static const ob_st_tensor *ob_st_find(const ob_st_file *f, const char *name) {
    int low = 0, high = f->count;
    while (low < high) {
        int middle = low + (high - low) / 2, order = strcmp(f->by_name[middle]->name, name);
        if (order == 0) return f->by_name[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

/* The array that belongs to a tensor: its name behind a prefix, so many values of 4 (F32) or 1
   bytes (I8). NULL when there is none like that. */
static const ob_st_tensor *ob_st_array(const ob_st_file *f, const char *prefix, const char *tensor,
                                       size_t count, size_t element) {
    char name[128];
    const ob_st_tensor *t;
    ob_print(name, sizeof name, "%s%s", prefix, tensor);
    t = ob_st_find(f, name);
    if (!t || t->bytes != count * element) return NULL;
    return strcmp(t->dtype, element == 1 ? "I8" : "F32") == 0 ? t : NULL;
}

/* One string of __metadata__, decoded; length as snprintf gives it, 0 when absent. */
static size_t ob_st_metadata(const ob_st_file *f, const char *key, char *out, size_t size) {
    ob_json j = ob_json_on(f->metadata.p, f->metadata.n, "__metadata__");
    ob_slice name;
    if (size) out[0] = 0;
    if (!f->metadata.n) return 0;
    ob_json_object(&j);
    while (ob_json_key(&j, &name)) {
        if (ob_slice_is(name, key)) return ob_json_unescape(ob_json_raw_string(&j), out, size);
        ob_json_skip(&j);
    }
    return 0;
}

/* ---- writing ---- */

/* Pairs of key and value until NULL; values are escaped, so JSON texts may be stored in them. */
static void ob_st_put_metadata(ob_out *o, const char *const *metadata) {
    int i;
    ob_out_text(o, "\"__metadata__\":{");
    for (i = 0; metadata[i]; i += 2) {
        if (i) ob_out_text(o, ",");
        ob_out_json(o, metadata[i], strlen(metadata[i]));
        ob_out_text(o, ":");
        ob_out_json(o, metadata[i + 1], strlen(metadata[i + 1]));
    }
    ob_out_text(o, "}");
}

/* The JSON header, padded with spaces so that 8 + its length is a multiple of 64. */
static void ob_st_put_header(ob_out *o, const ob_st_item *items, int count,
                             const char *const *metadata) {
    uint64_t at = 0;
    int i, k, some = metadata && metadata[0];
    ob_out_text(o, "{");
    if (some) ob_st_put_metadata(o, metadata);
    for (i = 0; i < count; i++) {
        if (i || some) ob_out_text(o, ",");
        ob_out_json(o, items[i].name, strlen(items[i].name));
        ob_out_format(o, ":{\"dtype\":\"%s\",\"shape\":[", items[i].dtype);
        for (k = 0; k < items[i].rank; k++)
            ob_out_format(o, "%s%lld", k ? "," : "", (long long)items[i].shape[k]);
        ob_out_format(o, "],\"data_offsets\":[%llu,", (unsigned long long)at);
        at += items[i].bytes;
        ob_out_format(o, "%llu]}", (unsigned long long)at);
    }
    ob_out_text(o, "}");
    while ((o->n + 8) % OB_ST_ALIGN) ob_out_text(o, " ");
}

/* What the reader would refuse is refused before a byte is written. Names must differ: the caller's
   tensor table sees to that. */
static onebit_status ob_st_check_items(const ob_st_item *items, int count) {
    size_t need = 0, element;
    int i;
    for (i = 0; i < count; i++) {
        const ob_st_item *t = &items[i];
        element = ob_st_dtype(t->dtype, strlen(t->dtype), NULL);
        if (!element || t->rank < 0 || t->rank > OB_ST_RANK_MAX || strlen(t->name) > 127 ||
            strcmp(t->name, "__metadata__") == 0)
            return ob_fail(ONEBIT_USAGE, "tensor '%.80s': bad name, type or rank", t->name);
        if (!ob_st_size(t->shape, t->rank, element, &need) || need != t->bytes)
            return ob_fail(ONEBIT_USAGE, "tensor '%.80s': %.0f bytes do not fit its shape", t->name,
                           (double)t->bytes);
    }
    return ONEBIT_OK;
}

/* Opens the file and writes its header; the caller writes the tensors' bytes in the order given,
   little-endian, and commits. metadata: key, value, key, value, ..., NULL; or NULL. */
static onebit_status ob_st_begin(ob_sink *sink, const char *path, const ob_st_item *items,
                                 int count, const char *const *metadata, const onebit_env *env) {
    onebit_env e = ob_env_or_default(env);
    ob_out o = ob_out_on(NULL, 0);
    uint8_t length[8];
    char *header;
    OB_TRY(ob_st_check_items(items, count));
    ob_st_put_header(&o, items, count, metadata); /* measures */
    if (o.n > OB_ST_HEADER_MAX)
        return ob_fail(ONEBIT_UNSUPPORTED, "%.200s: a header over 100 MB", path);
    header = (char *)ob_alloc(&e, o.n + 1);
    if (!header) return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for the header", path);
    o = ob_out_on(header, o.n + 1);
    ob_st_put_header(&o, items, count, metadata);
    if (ob_sink_open(sink, path) != ONEBIT_OK) {
        ob_release(&e, header);
        return ONEBIT_IO;
    }
    ob_put64(length, o.n);
    ob_sink_write(sink, length, sizeof length);
    ob_sink_write(sink, header, o.n);
    ob_release(&e, header);
    return ONEBIT_OK;
}

/* Writes tensors that are all in memory, atomically. */
static onebit_status ob_st_write(const char *path, const ob_st_item *items, int count,
                                 const char *const *metadata, const onebit_env *env) {
    ob_sink sink;
    int i;
    OB_TRY(ob_st_begin(&sink, path, items, count, metadata, env));
    for (i = 0; i < count; i++) ob_sink_write(&sink, items[i].data, items[i].bytes);
    return ob_sink_commit(&sink);
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

/* One safetensors file: the latents under their Hugging Face names, optimizer state as
   optimizer.first.NAME and optimizer.second.NAME, codes.NAME (for the flip rate), and everything
   else as text in the metadata. One file, so that replacing it is atomic. */

/* Text of any length that belongs to an object: measured, then written. */
typedef size_t (*ob_text_writer)(const void *object, char *out, size_t size);

/* Three writers of one type, so that ob_text_of need not know what it writes. */
static size_t ob_write_config(const void *object, char *out, size_t size) {
    return onebit_config_write((const onebit_config *)object, out, size);
}

/* Without a tokenizer an empty text, which load takes for "none". */
static size_t ob_write_tokenizer(const void *object, char *out, size_t size) {
    return object ? onebit_tokenizer_write((const onebit_tokenizer *)object, out, size) : 0;
}

/* From the field table, so a new option is saved without a change here. */
static size_t ob_write_options(const void *object, char *out, size_t size) {
    ob_out o = ob_out_on(out, size);
    ob_out_text(&o, "{\n");
    ob_fields_write(&o, ONEBIT_TABLE_TRAIN, object);
    ob_out_text(&o, "\n}\n");
    return o.n;
}

/* Returns the text in a new block, or NULL. */
static char *ob_text_of(const onebit_env *env, ob_text_writer writer, const void *object) {
    size_t n = writer(object, NULL, 0);
    char *text = (char *)ob_alloc(env, n + 1);
    if (text) writer(object, text, n + 1);
    return text;
}

/* A position is a row of numbers: seed, epoch, index, draws, then the five of each place. */
#define OB_POSITION_NUMBERS (4 + 5 * ONEBIT_MAX_SOURCES)
#define OB_STATE_BYTES      (21 * (OB_POSITION_NUMBERS + 2)) /* 20 digits and a space each */

/* The numbers of a position as an array. */
static void ob_position_numbers(const onebit_position *p, uint64_t out[OB_POSITION_NUMBERS]) {
    int i;
    out[0] = p->seed, out[1] = p->epoch, out[2] = p->index, out[3] = p->draws;
    for (i = 0, out += 4; i < ONEBIT_MAX_SOURCES; i++, out += 5) {
        const onebit_place *a = p->place + i;
        out[0] = a->epoch, out[1] = a->index, out[2] = a->file, out[3] = a->offset;
        out[4] = a->fill;
    }
}

/* And back. */
static void ob_position_read(onebit_position *p, const uint64_t *in) {
    int i;
    p->seed = in[0], p->epoch = in[1], p->index = in[2], p->draws = in[3];
    for (i = 0, in += 4; i < ONEBIT_MAX_SOURCES; i++, in += 5) {
        onebit_place *a = p->place + i;
        a->epoch = in[0], a->index = in[1], a->file = in[2], a->offset = in[3], a->fill = in[4];
    }
}

/* The numbers that are not in config or options: updates, tokens seen, data position. Zeros at the
   end are left out, so that plain data needs three, as in the first files of this kind. */
static void ob_checkpoint_state(const onebit_trainer *t, onebit_position p, char *out,
                                size_t size) {
    uint64_t number[OB_POSITION_NUMBERS];
    ob_out o = ob_out_on(out, size);
    int i, n = OB_POSITION_NUMBERS;
    ob_position_numbers(&p, number);
    while (n > 3 && number[n - 1] == 0) n--;
    ob_out_format(&o, "%d %llu", t->steps, (unsigned long long)t->tokens_seen);
    for (i = 0; i < n; i++) ob_out_format(&o, " %llu", (unsigned long long)number[i]);
}

/* What the run knows, "[0.5, ...]" in the order of the struct. The digits give back the same
   doubles. */
static void ob_checkpoint_notes(const onebit_trainer *t, char *out, size_t size) {
    ob_out text = ob_out_on(out, size);
    double note[OB_NOTES];
    size_t i;
    memcpy(note, &t->notes, sizeof note);
    for (i = 0; i < OB_NOTES; i++) {
        ob_out_text(&text, i ? ", " : "[");
        ob_out_number(&text, note[i]);
    }
    ob_out_text(&text, "]");
}

/* Describes an array of a tensor for writing, whose name is the tensor's behind a prefix. element:
   4 = F32, 1 = I8. row > 0: it is a row of so many values (scales), else shaped as the tensor. */
static void ob_item_of(ob_st_item *item, char name[128], const char *prefix, const ob_tensor *t,
                       const void *data, size_t element, size_t row) {
    ob_print(name, 128, "%s%s", prefix, t->name);
    memset(item, 0, sizeof *item);
    item->name = name;
    item->dtype = element == 1 ? "I8" : "F32";
    item->rank = row || t->kind == OB_ROLE_GAIN ? 1 : 2;
    item->shape[0] = row ? (int64_t)row : item->rank == 1 ? t->cols : t->rows;
    item->shape[1] = t->cols;
    item->data = data;
    item->bytes = (row ? row : (size_t)t->rows * (size_t)t->cols) * element;
}

/* Lists the latents of all parameters, and with everything=1 optimizer state and codes; returns how
   many. items and names have room for 4 per parameter. */
static int ob_checkpoint_items(const onebit_trainer *t, ob_st_item *items, char (*names)[128],
                               int everything) {
    int i, n = 0;
    for (i = 0; i < t->count; i++, n++)
        ob_item_of(items + n, names[n], "", &t->params[i].info, t->params[i].value, 4, 0);
    for (i = 0; everything && i < t->count; i++) {
        const ob_param *p = t->params + i;
        ob_item_of(items + n, names[n], "optimizer.first.", &p->info, p->first, 4, 0), n++;
        if (!p->second) continue;
        ob_item_of(items + n, names[n], "optimizer.second.", &p->info, p->second, 4, 0), n++;
    }
    for (i = 0; everything && i < t->count; i++) { /* bytes last: floats stay aligned in the file */
        const ob_param *p = t->params + i;
        if (p->seen) ob_item_of(items + n, names[n], "codes.", &p->info, p->seen, 1, 0), n++;
    }
    return n;
}

#define OB_CHECKPOINT_TEXTS 6 /* metadata that a checkpoint's checksum covers */

/* The checksum of a checkpoint: its texts in this order, then its arrays in file order. A rename is
   atomic, but a disk may still lose or turn bits, and a file may be cut by a copy. */
static const char *const ob_checkpoint_keys[OB_CHECKPOINT_TEXTS] = {
    "format", "config", "options", "state", "run", "tokenizer"};

/* Checksum of what is about to be written, as text; metadata begins with the keys above. */
static void ob_checkpoint_seal(char *out, size_t size, const char *const *metadata,
                               const ob_st_item *items, int count) {
    uint64_t sum = 0;
    int i;
    for (i = 0; i < OB_CHECKPOINT_TEXTS; i++)
        sum = ob_hash64(metadata[2 * i + 1], strlen(metadata[2 * i + 1]), sum);
    for (i = 0; i < count; i++) sum = ob_hash64(items[i].data, items[i].bytes, sum);
    ob_print(out, size, "%016llx", (unsigned long long)sum);
}

/* Writes a safetensors file of the trainer with these metadata; a checkpoint (everything = 1) gets
   its checksum as one more. */
static onebit_status ob_trainer_write(const onebit_trainer *t, const char *path, int everything,
                                      const char *const *metadata) {
    size_t count = (size_t)t->count * 4;
    size_t bytes = count * (sizeof(ob_st_item) + 128);
    ob_st_item *items = (ob_st_item *)ob_alloc(&t->env, bytes);
    const char *sealed[2 * OB_CHECKPOINT_TEXTS + 3];
    char sum[24];
    onebit_status status;
    int n;
    if (!items) return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for the list of tensors", path);
    n = ob_checkpoint_items(t, items, (char(*)[128])(void *)(items + count), everything);
    if (everything) {
        ob_checkpoint_seal(sum, sizeof sum, metadata, items, n);
        memcpy(sealed, metadata, 2 * OB_CHECKPOINT_TEXTS * sizeof *sealed);
        sealed[2 * OB_CHECKPOINT_TEXTS] = "checksum", sealed[2 * OB_CHECKPOINT_TEXTS + 1] = sum;
        sealed[2 * OB_CHECKPOINT_TEXTS + 2] = NULL;
        metadata = sealed;
    }
    status = ob_st_write(path, items, n, metadata, &t->env);
    ob_release(&t->env, items);
    return status;
}

/* Only between updates: gradients that were added up are not stored. The temporary file replaces
   the old checkpoint at the very end, so a crash or a full disk leaves the old one whole. */
ONEBIT_API onebit_status onebit_trainer_save(const onebit_trainer *trainer,
                                             const onebit_tokenizer *tokenizer,
                                             onebit_position position, const char *path) {
    const onebit_trainer *t = trainer;
    char *config, *options, *words, state[OB_STATE_BYTES], notes[32 * OB_NOTES];
    const char *metadata[2 * OB_CHECKPOINT_TEXTS + 1];
    int i;
    onebit_status status = ONEBIT_OK;
    if (!t || !path) return ob_fail(ONEBIT_USAGE, "onebit_trainer_save: NULL argument");
    if (t->micro) return ob_fail(ONEBIT_USAGE, "onebit_trainer_save: update before saving");
    config = ob_text_of(&t->env, ob_write_config, &t->config);
    options = ob_text_of(&t->env, ob_write_options, &t->options);
    words = ob_text_of(&t->env, ob_write_tokenizer, tokenizer);
    ob_checkpoint_state(t, position, state, sizeof state);
    ob_checkpoint_notes(t, notes, sizeof notes);
    for (i = 0; i < OB_CHECKPOINT_TEXTS; i++) metadata[2 * i] = ob_checkpoint_keys[i];
    metadata[1] = "onebit checkpoint 1", metadata[3] = config, metadata[5] = options;
    metadata[7] = state, metadata[9] = notes, metadata[11] = words;
    metadata[2 * OB_CHECKPOINT_TEXTS] = NULL;
    if (config && options && words) status = ob_trainer_write(t, path, 1, metadata);
    else status = ob_fail(ONEBIT_MEMORY, "%.200s: no memory for the texts", path);
    ob_release(&t->env, config);
    ob_release(&t->env, options);
    ob_release(&t->env, words);
    return status;
}

/* A metadata text in a new block; NULL with the error set when it is absent. */
static char *ob_checkpoint_text(const ob_st_file *f, const char *key, const char *path) {
    size_t n = ob_st_metadata(f, key, NULL, 0);
    char *text = (char *)ob_alloc(&f->env, n + 1);
    if (!text) ob_fail(ONEBIT_MEMORY, "%.200s: no memory for its %s", path, key);
    else ob_st_metadata(f, key, text, n + 1);
    return text;
}

/* Fails when the bytes are not those that were saved. A file without a checksum is from before
   there was one. */
static onebit_status ob_checkpoint_verify(const ob_st_file *f) {
    char stored[24], found[24], *text;
    uint64_t sum = 0;
    int i;
    if (ob_st_metadata(f, "checksum", stored, sizeof stored) == 0) return ONEBIT_OK;
    for (i = 0; i < OB_CHECKPOINT_TEXTS; i++) {
        text = ob_checkpoint_text(f, ob_checkpoint_keys[i], "checkpoint");
        if (!text) return ONEBIT_MEMORY;
        sum = ob_hash64(text, strlen(text), sum);
        ob_release(&f->env, text);
    }
    for (i = 0; i < f->count; i++) sum = ob_hash64(f->tensors[i].data, f->tensors[i].bytes, sum);
    ob_print(found, sizeof found, "%016llx", (unsigned long long)sum);
    if (strcmp(stored, found) == 0) return ONEBIT_OK;
    return ob_fail(ONEBIT_FORMAT, "damaged: the checksum does not fit the content");
}

/* One stored array of a tensor; it must have the tensor's size. */
static onebit_status ob_checkpoint_find(const ob_st_tensor **out, const ob_st_file *f,
                                        const ob_tensor *info, const char *prefix, size_t size) {
    *out = ob_st_array(f, prefix, info->name, (size_t)info->rows * (size_t)info->cols, size);
    if (*out) return ONEBIT_OK;
    return ob_fail(ONEBIT_FORMAT, "checkpoint: %s%s is missing or has another shape", prefix,
                   info->name);
}

/* The latents that the config asks for are all in the file: looked at before any memory is taken,
   so that a config that lies cannot ask for more than the file could hold. */
static onebit_status ob_checkpoint_check(const ob_st_file *f, const onebit_config *config) {
    const ob_st_tensor *s;
    ob_tensor info;
    int i;
    for (i = 0; ob_tensor_at(config, i, &info); i++)
        OB_TRY(ob_checkpoint_find(&s, f, &info, "", 4));
    return ONEBIT_OK;
}

/* Copies one stored array into place. */
static onebit_status ob_checkpoint_fetch(const ob_st_file *f, const ob_param *p, const char *prefix,
                                         void *to, size_t size) {
    const ob_st_tensor *s;
    OB_TRY(ob_checkpoint_find(&s, f, &p->info, prefix, size));
    memcpy(to, s->data, s->bytes);
    return ONEBIT_OK;
}

/* Sizes are checked against the config of the same file, so a checkpoint that was edited by hand
   fails with the tensor's name. */
static onebit_status ob_checkpoint_params(const ob_st_file *f, onebit_trainer *t) {
    int i;
    for (i = 0; i < t->count; i++) {
        ob_param *p = t->params + i;
        OB_TRY(ob_checkpoint_fetch(f, p, "", p->value, 4));
        OB_TRY(ob_checkpoint_fetch(f, p, "optimizer.first.", p->first, 4));
        if (p->second) OB_TRY(ob_checkpoint_fetch(f, p, "optimizer.second.", p->second, 4));
        if (p->seen) OB_TRY(ob_checkpoint_fetch(f, p, "codes.", p->seen, 1));
    }
    t->stage = OB_STALE; /* the codes are still those of the first weights */
    return ONEBIT_OK;
}

/* Reads a decimal number of at most `most` (9 or more) at *p and moves *p behind it and one space;
   0 when there is none. scanf would leave a number that does not fit undefined. */
static int ob_read_decimal(const char **p, uint64_t most, uint64_t *out) {
    const char *s = *p;
    *out = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        uint64_t digit = (uint64_t)(*s - '0');
        if (*out > (most - digit) / 10) return 0;
        *out = *out * 10 + digit;
    }
    if (s == *p) return 0;
    *p = s + (*s == ' ');
    return 1;
}

/* Reads them back; steps stay below what max_steps may be, tokens where a double is exact. Numbers
   of a position that are not there are 0. */
static onebit_status ob_checkpoint_read_state(const char *text, onebit_trainer *t,
                                              onebit_position *position) {
    uint64_t number[OB_POSITION_NUMBERS], steps, tokens = 0;
    const char *p = text;
    int ok = ob_read_decimal(&p, 1u << 30, &steps) &&
             ob_read_decimal(&p, (uint64_t)1 << 53, &tokens),
        i;
    memset(number, 0, sizeof number);
    for (i = 0; ok && *p && i < OB_POSITION_NUMBERS; i++)
        ok = ob_read_decimal(&p, UINT64_MAX, number + i);
    if (!ok || i < 3 || *p)
        return ob_fail(ONEBIT_FORMAT, "checkpoint: its state is damaged: \"%.80s\"", text);
    t->steps = (int)steps, t->tokens_seen = (double)tokens;
    if (position) ob_position_read(position, number);
    return ONEBIT_OK;
}

/* Reads what the run knew; files from before there were notes have none. */
static onebit_status ob_checkpoint_read_notes(const char *text, onebit_trainer *t) {
    ob_json j = ob_json_on(text, strlen(text), "checkpoint run");
    double note[OB_NOTES];
    size_t i = 0;
    memset(note, 0, sizeof note);
    if (!*text) return ONEBIT_OK;
    for (ob_json_array(&j); ob_json_item(&j);) {
        double value = ob_json_number(&j);
        if (i < OB_NOTES) note[i++] = value;
    }
    memcpy(&t->notes, note, sizeof note);
    return ob_json_end(&j);
}

/* Config and options from the metadata. */
static onebit_status ob_checkpoint_settings(const char *config_text, const char *options_text,
                                            onebit_config *config, onebit_train_options *options) {
    ob_json j = ob_json_on(options_text, strlen(options_text), "checkpoint options");
    *config = onebit_config_default();
    *options = onebit_train_options_default();
    OB_TRY(onebit_config_parse(config, config_text, strlen(config_text)));
    OB_TRY(onebit_config_check(config));
    OB_TRY(ob_fields_read(ONEBIT_TABLE_TRAIN, options, &j));
    return ob_json_end(&j);
}

/* Builds the trainer from the opened file and its texts. */
static onebit_status ob_checkpoint_build(onebit_trainer **out, const ob_st_file *f,
                                         const char *const texts[5], onebit_position *position,
                                         const onebit_train_options *override) {
    onebit_config config;
    onebit_train_options options;
    OB_TRY(ob_checkpoint_settings(texts[0], texts[1], &config, &options));
    if (override && override->optimizer != options.optimizer)
        return ob_fail(ONEBIT_CONFIG, "checkpoint: --optimizer cannot change when resuming");
    OB_TRY(ob_checkpoint_check(f, &config));
    OB_TRY(onebit_trainer_create(out, &config, override ? override : &options, &f->env));
    OB_TRY(ob_checkpoint_params(f, *out));
    OB_TRY(ob_checkpoint_read_notes(texts[4], *out));
    return ob_checkpoint_read_state(texts[2], *out, position);
}

/* After this the run goes on as if it had not stopped, bit for bit. options may change all but
   the optimizer, whose state would have no meaning for another. */
ONEBIT_API onebit_status onebit_trainer_load(onebit_trainer **out, onebit_tokenizer **tokenizer,
                                             onebit_position *position, const char *path,
                                             const onebit_train_options *options,
                                             const onebit_env *env) {
    static const char *const keys[5] = {"config", "options", "state", "tokenizer", "run"};
    ob_st_file f;
    char *texts[5];
    onebit_status status;
    onebit_env own = ob_env_or_default(env);
    int i;
    if (!out || !path) return ob_fail(ONEBIT_USAGE, "onebit_trainer_load: NULL argument");
    *out = NULL;
    if (tokenizer) *tokenizer = NULL;
    OB_TRY(ob_st_open(&f, path, &own));
    for (i = 0; i < 5; i++) texts[i] = ob_checkpoint_text(&f, keys[i], path);
    if (texts[0] && texts[1] && texts[2] && texts[3] && texts[4])
        status = ob_checkpoint_build(out, &f, (const char *const *)texts, position, options);
    else status = ONEBIT_MEMORY;
    if (status == ONEBIT_OK) status = ob_checkpoint_verify(&f); /* last: others say more */
    if (status == ONEBIT_OK && tokenizer && texts[3][0])
        status = onebit_tokenizer_parse(tokenizer, texts[3], strlen(texts[3]), env);
    if (status == ONEBIT_OK && tokenizer) status = ob_vocab_check(*tokenizer, &(*out)->config);
    if (status != ONEBIT_OK) {
        onebit_trainer_free(*out);
        *out = NULL;
        if (tokenizer) onebit_tokenizer_free(*tokenizer), *tokenizer = NULL;
        ob_fail(status, "%.200s: %s", path, onebit_error_text());
    }
    for (i = 0; i < 5; i++) ob_release(&own, texts[i]);
    ob_st_close(&f);
    return status;
}

/* ---- several checkpoints in one directory ----
   checkpoint.safetensors is the newest; checkpoint-STEP.safetensors are those that the run was
   asked to keep. */

/* File name of a kept one. */
static void ob_checkpoint_name(char *out, size_t size, int step) {
    ob_print(out, size, "checkpoint-%d.safetensors", step);
}

/* Adds the step of a kept one's name to a list; other names are passed over. Built anew and
   compared, so that "checkpoint-007" or a temporary file is none. */
static void ob_checkpoint_found(void *user, const char *name) {
    char again[64];
    static const char prefix[] = "checkpoint-";
    const char *digits = name + sizeof prefix - 1;
    uint64_t number;
    int step;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return;
    if (!ob_read_decimal(&digits, INT_MAX, &number)) return;
    step = (int)number;
    ob_checkpoint_name(again, sizeof again, step);
    if (strcmp(name, again) == 0) ob_buffer_add((ob_buffer *)user, &step, sizeof step);
}

/* For qsort: the higher step first. Not a difference, which could overflow. */
static int ob_checkpoint_newer(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x < y) - (x > y);
}

/* Steps of the kept ones, newest first, in list; returns how many. Free the list. */
static size_t ob_checkpoint_list(ob_buffer *list, const char *directory, const onebit_env *env) {
    *list = ob_buffer_new(env);
    (void)ob_each_name(directory, ob_checkpoint_found, list);
    if (list->n) qsort(list->p, list->n / sizeof(int), sizeof(int), ob_checkpoint_newer);
    return list->n / sizeof(int);
}

/* Whether a file can be resumed from: readable, and its checksum is right. */
static onebit_status ob_checkpoint_whole(const char *path, const onebit_env *env) {
    ob_st_file f;
    onebit_status status;
    OB_TRY(ob_st_open(&f, path, env));
    status = ob_checkpoint_verify(&f);
    if (status != ONEBIT_OK) ob_fail(status, "%.200s: %s", path, onebit_error_text());
    ob_st_close(&f);
    return status;
}

/* The newest whole checkpoint of a directory. When it is not the one that should be, *note (of size
   bytes; may be NULL) says what is wrong with that. */
static onebit_status ob_checkpoint_pick(char *out, size_t size, const char *directory,
                                        const onebit_env *env, char *note, size_t note_size) {
    char name[64], newest[OB_PATH_MAX], fault[512];
    ob_buffer steps;
    size_t i, count;
    onebit_status status;
    OB_TRY(ob_path_join(out, size, directory, "checkpoint.safetensors"));
    status = ob_checkpoint_whole(out, env);
    if (status == ONEBIT_OK) return status;
    ob_print(newest, sizeof newest, "%s", out);
    ob_print(fault, sizeof fault, "%s", onebit_error_text());
    count = ob_checkpoint_list(&steps, directory, env);
    for (i = 0; i < count && status != ONEBIT_OK; i++) {
        ob_checkpoint_name(name, sizeof name, ((const int *)(const void *)steps.p)[i]);
        status = ob_path_join(out, size, directory, name);
        if (status == ONEBIT_OK) status = ob_checkpoint_whole(out, env);
    }
    ob_buffer_free(&steps);
    if (status != ONEBIT_OK)
        return ob_fail(count ? ONEBIT_FORMAT : status, "%.400s%s", fault,
                       count ? "; none of the older ones is whole" : "");
    if (note && ob_file_exists(newest))
        ob_print(note, note_size, "%.400s; going on from %s", fault, name);
    return ONEBIT_OK;
}

/* The checkpoint that a path names: a file, or the newest whole one in a directory. */
static onebit_status ob_checkpoint_path(char *out, size_t size, const char *name,
                                        const onebit_env *env, char *note, size_t note_size) {
    if (note) *note = 0;
    if (ob_is_directory(name)) return ob_checkpoint_pick(out, size, name, env, note, note_size);
    return ob_path_join(out, size, "", name);
}

/* For callers that show or change settings before they resume; no tensor is touched. */
ONEBIT_API onebit_status onebit_checkpoint_settings(onebit_config *config,
                                                    onebit_train_options *options, const char *path,
                                                    const onebit_env *env) {
    char file[OB_PATH_MAX];
    ob_st_file f;
    onebit_config c;
    onebit_train_options o;
    char *texts[2];
    onebit_status status = ONEBIT_MEMORY;
    onebit_env own = ob_env_or_default(env);
    if (!path) return ob_fail(ONEBIT_USAGE, "onebit_checkpoint_settings: path is NULL");
    OB_TRY(ob_checkpoint_path(file, sizeof file, path, &own, NULL, 0));
    OB_TRY(ob_st_open(&f, file, &own));
    texts[0] = ob_checkpoint_text(&f, "config", path);
    texts[1] = ob_checkpoint_text(&f, "options", path);
    if (texts[0] && texts[1]) status = ob_checkpoint_settings(texts[0], texts[1], &c, &o);
    ob_release(&own, texts[0]);
    ob_release(&own, texts[1]);
    ob_st_close(&f);
    if (status != ONEBIT_OK) return ob_fail(status, "%.200s: %s", path, onebit_error_text());
    if (config) *config = c;
    if (options) *options = o;
    return ONEBIT_OK;
}

/* ---- .1bit of version 1 ---------------------------------------------------------------------- */
/* The export of the program that this library follows: every tensor, embedding and norm gains
   included, cut at +-0.5 to bare codes, without scales. There was never a reader. What it holds can
   be listed and taken out; it cannot be run. Little-endian, nothing aligned, no checksum:

     "1BIT", u32 version = 1, u32 tensors, u32 n, n bytes of config (JSON), then per tensor
     u32 m, m bytes of name, u8 type (1 binary, 2 ternary), u32 k, k u64 dimensions, u64 bytes,
     codes: ternary value i in bits 2 * (i % 4) of byte i / 4 (0, 01 = +1, 11 = -1), binary value i
     in bit i % 8 of byte i / 8 (1 = +1, 0 = -1); rows are not padded */

/* One tensor of it. */
typedef struct ob_v1_tensor {
    char name[128];
    int binary, rank;
    int64_t shape[OB_ST_RANK_MAX];
    size_t elements, bytes;
    const uint8_t *data;
} ob_v1_tensor;

/* The file while it is read from front to back. */
typedef struct ob_v1 {
    ob_reader r;
    ob_slice config;
    uint32_t count;
} ob_v1;

/* Reads up to the first tensor; p[bytes] must have passed ob_v1_is. The number of tensors is not
   trusted: the walk ends with the bytes. */
static onebit_status ob_v1_open(ob_v1 *v, const uint8_t *p, size_t bytes) {
    v->r = ob_reader_on(p, bytes);
    (void)ob_read64(&v->r);
    v->count = ob_read32(&v->r);
    v->config.n = ob_read32(&v->r);
    v->config.p = (const char *)ob_read_bytes(&v->r, v->config.n);
    if (v->r.bad) return ob_fail(ONEBIT_FORMAT, ".1bit version 1: cut off in its head");
    return ONEBIT_OK;
}

/* Its name must be one that a safetensors file may have. */
static onebit_status ob_v1_name(ob_v1 *v, ob_v1_tensor *t) {
    uint32_t n = ob_read32(&v->r), code;
    const char *name = (const char *)ob_read_bytes(&v->r, n);
    size_t i;
    if (!name || n == 0 || n >= sizeof t->name)
        return ob_fail(ONEBIT_FORMAT, ".1bit version 1: a name of %lu bytes, expected 1 to %d",
                       (unsigned long)n, (int)sizeof t->name - 1);
    for (i = 0; i < n;) {
        i += ob_utf8_decode(name + i, n - i, &code);
        if (code == OB_UTF8_BAD || code < 32)
            return ob_fail(ONEBIT_FORMAT, ".1bit version 1: a name that is no text");
    }
    memcpy(t->name, name, n);
    t->name[n] = 0;
    return ONEBIT_OK;
}

/* The next tensor. Its bytes must be those that the shape asks for. */
static onebit_status ob_v1_next(ob_v1 *v, ob_v1_tensor *t) {
    uint32_t rank, i;
    uint64_t bytes;
    int type, fits = 1;
    OB_TRY(ob_v1_name(v, t));
    type = ob_read8(&v->r), rank = ob_read32(&v->r);
    if (v->r.bad || type < 1 || type > 2 || rank > OB_ST_RANK_MAX)
        return ob_fail(ONEBIT_FORMAT, ".1bit version 1: %s has type %d and %lu dimensions", t->name,
                       type, (unsigned long)rank);
    t->binary = type == 1, t->rank = (int)rank, t->elements = 1;
    for (i = 0; i < rank; i++) {
        uint64_t dim = ob_read64(&v->r);
        fits = fits && dim <= INT_MAX && ob_mul(t->elements, (size_t)dim, &t->elements);
        t->shape[i] = (int64_t)(dim & INT_MAX);
    }
    bytes = ob_read64(&v->r);
    t->bytes = t->elements / (t->binary ? 8 : 4) + (t->elements % (t->binary ? 8 : 4) != 0);
    t->data = fits && bytes == t->bytes ? ob_read_bytes(&v->r, t->bytes) : NULL;
    if (!t->data)
        return ob_fail(ONEBIT_FORMAT, ".1bit version 1: %s has not the bytes of its shape",
                       t->name);
    return ONEBIT_OK;
}

/* Value i as -1, 0 or +1; the bits 10, which no writer made, are 0. */
static int8_t ob_v1_code(const ob_v1_tensor *t, size_t i) {
    static const int8_t ternary[4] = {0, 1, 0, -1};
    if (t->binary) return (int8_t)((t->data[i / 8] >> (i % 8) & 1) * 2 - 1);
    return ternary[t->data[i / 4] >> (2 * (i % 4)) & 3];
}

/* ---- From file to file ----------------------------------------------------------------------- */
/* A model is stored anew tensor by tensor. Latents are quantised as the trainer does it, so a
   .1bit that is packed from them is the one that the trainer would write; codes that are stored
   already are moved without rounding. */

#define OB_SCALE_PREFIX "onebit.scale."

/* A model to be read: a safetensors file of latents or deployed weights, or a .1bit (model). */
typedef struct ob_origin {
    onebit_env env;
    onebit_config have, want; /* as the file has it, as it is to be stored */
    onebit_tokenizer *tokenizer;
    ob_st_file file;
    onebit_model *model; /* NULL = file */
    int deployed;        /* the file says that its weights are no latents */
    void *block;         /* memory of the tensor fetched last */
} ob_origin;

/* Gives back all that it holds; safe on one that was opened half. */
static void ob_origin_close(ob_origin *s) {
    ob_release(&s->env, s->block);
    onebit_tokenizer_free(s->tokenizer);
    onebit_model_free(s->model);
    ob_st_close(&s->file);
}

/* Every tensor that the config asks for must be there before memory is taken for any. */
static onebit_status ob_origin_check(const ob_origin *s) {
    ob_tensor info;
    int i, count = ob_tensor_count(&s->have);
    for (i = 0; i < count; i++) {
        size_t size, scales;
        ob_tensor_at(&s->have, i, &info);
        size = (size_t)info.rows * (size_t)info.cols;
        scales = (size_t)ob_tensor_scales(&info);
        if (!ob_st_array(&s->file, "", info.name, size, 4))
            return ob_fail(ONEBIT_FORMAT, "%s is missing or not F32 [%d, %d]", info.name, info.rows,
                           info.cols);
        if (s->deployed && scales &&
            !ob_st_array(&s->file, OB_SCALE_PREFIX, info.name, scales, 4))
            return ob_fail(ONEBIT_FORMAT, OB_SCALE_PREFIX "%s is missing or not F32 [%d]",
                           info.name, (int)scales);
    }
    return ONEBIT_OK;
}

/* Takes the memory of one tensor in place of that of the one before. */
static onebit_status ob_origin_take(ob_origin *s, ob_param *p, float **largest) {
    size_t rows = (size_t)p->info.rows, cols = (size_t)p->info.cols;
    ob_carve c;
    int pass;
    ob_release(&s->env, s->block);
    s->block = NULL, c.base = NULL;
    for (pass = 0; pass < 2; pass++) {
        c.used = 0;
        p->size = rows * cols, p->value = ob_floats(&c, rows, cols);
        ob_codes_take(p, &c, s->have.scale_group, 0);
        *largest = ob_floats(&c, rows, 1);
        if (pass == 1) break;
        s->block = ob_alloc(&s->env, c.used);
        if (!s->block)
            return ob_fail(ONEBIT_MEMORY, "%s: no memory for %zu bytes", p->info.name, c.used);
        c.base = (uint8_t *)s->block;
    }
    return ONEBIT_OK;
}

/* The scale of element j of a tensor. */
static float ob_origin_scale(const ob_param *p, const ob_tensor *t, size_t j) {
    size_t cols = (size_t)t->cols, row = j / cols;
    if (!ob_tensor_scales(t)) return 1.0f;
    if (t->mode == ONEBIT_8BIT) return p->scale[row];
    if (!t->group) return p->scale[0];
    return p->scale[row * ob_row_groups(t->cols, t->group) + j % cols / (size_t)t->group];
}

/* Codes, scales and values of a tensor of a .1bit, which is t there. */
static void ob_origin_unpack(ob_origin *s, ob_param *p, const ob_tensor *t) {
    const ob_weight *w = s->model->view.slots + p->info.slot;
    size_t j, cols = (size_t)p->info.cols;
    float *codes = (float *)p->codes;
    int r;
    if (t->mode < 0) {
        memcpy(p->value, w->data, p->size * sizeof(float));
        return;
    }
    memcpy(p->scale, w->scale, (size_t)ob_tensor_scales(t) * sizeof(float));
    for (r = 0; r < p->info.rows; r++)
        ob_unpack_row(codes + (size_t)r * cols, (const uint8_t *)w->data, (ob_format)w->format,
                      r, p->info.cols);
    for (j = 0; j < p->size; j++) p->value[j] = codes[j] * ob_origin_scale(p, t, j);
}

/* Values of a tensor of a safetensors file, and of deployed weights the codes: value / scale is
   within an ulp of one. A row of zeros has the scale 0. */
static void ob_origin_read(ob_origin *s, ob_param *p, const ob_tensor *t) {
    size_t j, scales = (size_t)ob_tensor_scales(t);
    float *codes = (float *)p->codes;
    const uint8_t *data = ob_st_array(&s->file, "", p->info.name, p->size, 4)->data;
    for (j = 0; j < p->size; j++) p->value[j] = ob_getf32(data + 4 * j);
    if (t->mode < 0 || !s->deployed) return;
    if (scales) data = ob_st_array(&s->file, OB_SCALE_PREFIX, p->info.name, scales, 4)->data;
    for (j = 0; j < scales; j++) p->scale[j] = ob_getf32(data + 4 * j);
    for (j = 0; j < p->size; j++) {
        float scale = ob_origin_scale(p, t, j), most = t->mode == ONEBIT_8BIT ? 127.0f : 1.0f;
        codes[j] = p->value[j];
        if (!scales) continue;
        codes[j] = scale > 0.0f ? ob_clampf(ob_round(p->value[j] / scale), -most, most) : 0.0f;
        if (!(codes[j] >= -most)) codes[j] = 0.0f; /* no number: a file may hold NaN */
    }
}

/* What is not finite has no code. */
static int ob_all_finite(const float *x, size_t n) {
    size_t i;
    for (i = 0; i < n; i++)
        if (!(ob_absf(x[i]) <= FLT_MAX)) return 0;
    return 1;
}

/* Fetches tensor number index as it is to be stored. Codes stay as they are where the mode stays;
   else the values are quantised as latents are. */
static onebit_status ob_origin_fetch(void *source, int index, ob_param *p) {
    ob_origin *s = (ob_origin *)source;
    ob_quantizer z;
    ob_exec x;
    ob_tensor have;
    float *largest;
    uint64_t counters[256];
    memset(p, 0, sizeof *p);
    ob_tensor_at(&s->have, index, &have);
    ob_tensor_at(&s->want, index, &p->info);
    OB_TRY(ob_origin_take(s, p, &largest));
    if (s->model) ob_origin_unpack(s, p, &have);
    else ob_origin_read(s, p, &have);
    if (p->info.mode < 0 || (p->info.mode == have.mode && (s->model || s->deployed)))
        return ONEBIT_OK;
    if (!ob_all_finite(p->value, p->size))
        return ob_fail(ONEBIT_FORMAT, "%s holds a number that is not finite", p->info.name);
    z = ob_deployed_quantizer(&s->want, &p->info);
    memset(&x, 0, sizeof x);
    x.env = s->env, x.ops = &ob_cpu_backend, x.kernels = ob_kernels_for(s->env.isa);
    x.work = (uint8_t *)(void *)counters; /* a median counts here, in one piece */
    if (z.median) x.env.threads = 1;
    x.ops->quantize_weight(&x, p->codes, OB_DENSE, p->scale, largest, p->value, &z, p->info.rows,
                           p->info.cols);
    return ONEBIT_OK;
}

/* A text file beside the weights; the map must be closed. An absent one is empty when it may be. */
static onebit_status ob_origin_text(ob_map *map, const char *weights, const char *name,
                                    int optional) {
    char directory[OB_PATH_MAX], path[OB_PATH_MAX], *slash;
    memset(map, 0, sizeof *map);
    OB_TRY(ob_path_join(directory, sizeof directory, "", weights));
    slash = strrchr(directory, '/');
    if (slash) slash[slash == directory] = 0;
    OB_TRY(ob_path_join(path, sizeof path, slash ? directory : "", name));
    if (optional && !ob_file_exists(path)) return ONEBIT_OK;
    return ob_map_open(map, path);
}

/* Config and tokenizer that stand in the metadata of a checkpoint. */
static onebit_status ob_origin_inside(ob_origin *s, const char *path) {
    char *config = ob_checkpoint_text(&s->file, "config", path);
    char *words = ob_checkpoint_text(&s->file, "tokenizer", path);
    onebit_status status = config && words ? ONEBIT_OK : ONEBIT_MEMORY;
    if (status == ONEBIT_OK) status = onebit_config_parse(&s->have, config, strlen(config));
    if (status == ONEBIT_OK && words[0])
        status = onebit_tokenizer_parse(&s->tokenizer, words, strlen(words), &s->env);
    ob_release(&s->env, config);
    ob_release(&s->env, words);
    return status;
}

/* Config and tokenizer from the files beside. */
static onebit_status ob_origin_beside(ob_origin *s, const char *path) {
    ob_map map;
    onebit_status status;
    OB_TRY(ob_origin_text(&map, path, "config.json", 0));
    status = onebit_config_parse(&s->have, (const char *)map.data, map.bytes);
    ob_map_close(&map);
    if (status != ONEBIT_OK) return ob_fail(status, "config.json: %s", onebit_error_text());
    OB_TRY(ob_origin_text(&map, path, "tokenizer.json", 1));
    if (map.bytes)
        status = onebit_tokenizer_parse(&s->tokenizer, (const char *)map.data, map.bytes, &s->env);
    ob_map_close(&map);
    return status;
}

/* Opens a safetensors file with what belongs to it. */
static onebit_status ob_origin_open_latents(ob_origin *s, const char *path) {
    char kind[16];
    OB_TRY(ob_st_open(&s->file, path, &s->env));
    ob_st_metadata(&s->file, "onebit weights", kind, sizeof kind);
    s->deployed = strcmp(kind, "deployed") == 0;
    s->have = onebit_config_default();
    if (ob_st_metadata(&s->file, "config", NULL, 0)) OB_TRY(ob_origin_inside(s, path));
    else OB_TRY(ob_origin_beside(s, path));
    OB_TRY(onebit_config_check(&s->have));
    OB_TRY(ob_vocab_check(s->tokenizer, &s->have));
    return ob_origin_check(s);
}

/* The file that a path names: itself, or the weights in a directory. */
static onebit_status ob_origin_path(char *out, size_t size, const char *input) {
    if (!ob_is_directory(input)) return ob_path_join(out, size, "", input);
    OB_TRY(ob_path_join(out, size, input, "model.safetensors"));
    if (ob_file_exists(out)) return ONEBIT_OK;
    return ob_path_join(out, size, input, "checkpoint.safetensors");
}

/* 1 when a file begins as a .1bit does; *v1 when it is of version 1. A file that cannot be read is
   none: who opens it next says why. */
static int ob_is_1bit(const char *path, int *v1) {
    ob_map map;
    int is;
    *v1 = 0;
    if (ob_map_open(&map, path) != ONEBIT_OK) return 0;
    is = map.bytes >= 4 && memcmp(map.data, "1BIT", 4) == 0;
    *v1 = ob_v1_is(map.data, map.bytes);
    ob_map_close(&map);
    return is;
}

/* Opens whatever holds a model; messages name the path. */
static onebit_status ob_origin_open(ob_origin *s, const char *input, const onebit_env *env) {
    char path[OB_PATH_MAX];
    onebit_status status;
    int v1;
    memset(s, 0, sizeof *s);
    s->env = ob_env_or_default(env);
    OB_TRY(ob_env_check(&s->env));
    OB_TRY(ob_origin_path(path, sizeof path, input));
    if (ob_is_1bit(path, &v1)) {
        OB_TRY(onebit_model_open(&s->model, path, &s->env));
        s->have = s->model->config;
    } else {
        status = ob_origin_open_latents(s, path);
        if (status != ONEBIT_OK) {
            ob_origin_close(s);
            if (!strncmp(onebit_error_text(), path, strlen(path))) return status;
            return ob_fail(status, "%.200s: %s", path, onebit_error_text());
        }
    }
    s->want = s->have;
    return ONEBIT_OK;
}

/* -1 keeps the mode that the file has. */
ONEBIT_API onebit_pack_options onebit_pack_options_default(void) {
    onebit_pack_options o;
    o.packing = ONEBIT_PACKING_2_BITS;
    o.block_mode = o.embedding_mode = o.head_mode = -1;
    return o;
}

/* The config of the new file. */
static onebit_status ob_pack_config(onebit_config *c, const onebit_pack_options *o) {
    int i, most = ONEBIT_MODE_COUNT - 1;
    if (o->packing < ONEBIT_PACKING_2_BITS || o->packing > ONEBIT_PACKING_5_IN_8 ||
        o->block_mode < -1 || o->block_mode > most || o->embedding_mode < -1 ||
        o->embedding_mode > most || o->head_mode < -1 || o->head_mode > most)
        return ob_fail(ONEBIT_USAGE, "onebit_file_pack: options with an unknown packing or mode");
    for (i = 0; o->block_mode >= 0 && i < c->num_layers; i++)
        c->layer_modes[i] = (uint8_t)o->block_mode;
    if (o->embedding_mode >= 0) c->embedding_mode = (uint8_t)o->embedding_mode;
    if (o->head_mode >= 0) c->head_mode = (uint8_t)o->head_mode;
    return onebit_config_check(c);
}

/* Packs a source into a new file. */
static onebit_status ob_origin_pack(ob_origin *s, const char *output, int packing) {
    ob_tensors t;
    t.config = &s->want, t.count = ob_tensor_count(&s->want), t.packing = packing;
    t.tokenizer = s->model ? s->model->tokenizer : s->tokenizer;
    t.source = s, t.fetch = ob_origin_fetch;
    return ob_image_file(&t, output, &s->env);
}

/* Input and output may be the same file: it is replaced at the very end. */
ONEBIT_API onebit_status onebit_file_pack(const char *output, const char *input,
                                          const onebit_pack_options *options,
                                          const onebit_env *env) {
    onebit_pack_options o = options ? *options : onebit_pack_options_default();
    onebit_status status;
    ob_origin s;
    if (!output || !input) return ob_fail(ONEBIT_USAGE, "onebit_file_pack: a path is NULL");
    OB_TRY(ob_origin_open(&s, input, env));
    status = ob_pack_config(&s.want, &o);
    if (status == ONEBIT_OK) status = ob_origin_pack(&s, output, o.packing);
    ob_origin_close(&s);
    return status;
}

/* ---- and out again ---- */

/* Writes a text into a directory. */
static onebit_status ob_leave_text(const char *directory, const char *name, const char *text,
                                   size_t bytes) {
    char path[OB_PATH_MAX];
    OB_TRY(ob_path_join(path, sizeof path, directory, name));
    return ob_file_write(path, text, bytes);
}

/* The text of an object. */
static onebit_status ob_leave_object(const onebit_env *env, const char *directory, const char *name,
                                     ob_text_writer writer, const void *object) {
    char *text = ob_text_of(env, writer, object);
    onebit_status status;
    if (!text) return ob_fail(ONEBIT_MEMORY, "%.200s/%s: no memory", directory, name);
    status = ob_leave_text(directory, name, text, strlen(text));
    ob_release(env, text);
    return status;
}

/* Floats as a file holds them. */
static void ob_leave_put(ob_sink *sink, const float *values, size_t n) {
    uint8_t bytes[4096];
    size_t i = 0, k;
    while (i < n) {
        for (k = 0; k < sizeof bytes && i < n; k += 4) ob_putf32(bytes + k, values[i++]);
        ob_sink_write(sink, bytes, k);
    }
}

/* Writes the weights, or with scales = 1 the scales, of every tensor. */
static onebit_status ob_leave_data(ob_origin *s, ob_sink *sink, int latent, int scales) {
    int i, count = ob_tensor_count(&s->have);
    ob_param p;
    size_t j;
    for (i = 0; i < count; i++) {
        OB_TRY(ob_origin_fetch(s, i, &p));
        if (scales) {
            ob_leave_put(sink, p.scale, (size_t)ob_tensor_scales(&p.info));
            continue;
        }
        for (j = 0; !latent && p.info.mode >= 0 && j < p.size; j++)
            p.value[j] = ((float *)p.codes)[j] * ob_origin_scale(&p, &p.info, j);
        ob_leave_put(sink, p.value, p.size);
    }
    return ONEBIT_OK;
}

/* model.safetensors of a source. */
static onebit_status ob_leave_weights(ob_origin *s, const char *path, int latent) {
    static const char *const plain[] = {"format", "pt", NULL};
    static const char *const deployed[] = {"format", "pt", "onebit weights", "deployed", NULL};
    int i, pass, n = 0, count = ob_tensor_count(&s->have);
    ob_st_item *items =
        (ob_st_item *)ob_alloc(&s->env, 2 * (size_t)count * (sizeof(ob_st_item) + 128));
    char(*names)[128] = (char(*)[128])(void *)(items + 2 * (size_t)count);
    onebit_status status;
    ob_sink sink;
    if (!items) return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for the list of tensors", path);
    for (pass = 0; pass < (latent ? 1 : 2); pass++) /* the weights, then the scales */
        for (i = 0; i < count; i++) {
            ob_tensor t;
            size_t scales = 0;
            ob_tensor_at(&s->have, i, &t);
            if (pass) scales = (size_t)ob_tensor_scales(&t);
            if (pass && !scales) continue;
            ob_item_of(items + n, names[n], pass ? OB_SCALE_PREFIX : "", &t, NULL, 4, scales), n++;
        }
    status = ob_st_begin(&sink, path, items, n, latent ? plain : deployed, &s->env);
    ob_release(&s->env, items);
    if (status != ONEBIT_OK) return status;
    status = ob_leave_data(s, &sink, latent, 0);
    if (status == ONEBIT_OK && !latent) status = ob_leave_data(s, &sink, 0, 1);
    if (status == ONEBIT_OK) return ob_sink_commit(&sink);
    ob_sink_abort(&sink);
    return status;
}

/* Walks over all tensors of a version 1 file and lists them as items; names must differ. */
static onebit_status ob_v1_items(ob_v1 v, ob_st_item *items, char (*names)[128],
                                 const char **sorted) {
    ob_v1_tensor t;
    uint32_t i;
    for (i = 0; i < v.count; i++) {
        OB_TRY(ob_v1_next(&v, &t));
        memset(items + i, 0, sizeof *items);
        memcpy(names[i], t.name, sizeof t.name);
        memcpy(items[i].shape, t.shape, sizeof t.shape);
        items[i].name = sorted[i] = names[i], items[i].dtype = "I8";
        items[i].rank = t.rank, items[i].bytes = t.elements;
    }
    if (v.r.at != v.r.n) return ob_fail(ONEBIT_FORMAT, ".1bit version 1: bytes behind its tensors");
    if (v.count) qsort((void *)sorted, v.count, sizeof *sorted, ob_compare_names);
    for (i = 1; i < v.count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return ob_fail(ONEBIT_FORMAT, ".1bit version 1: two tensors are named %s", sorted[i]);
    return ONEBIT_OK;
}

/* The bare codes of a version 1 file, written as they are unpacked. */
static onebit_status ob_v1_write(ob_v1 v, const char *path, const ob_st_item *items,
                                 const onebit_env *env) {
    static const char *const metadata[] = {"onebit weights", "version 1 codes", NULL};
    ob_sink sink;
    ob_v1_tensor t;
    uint32_t i;
    OB_TRY(ob_st_begin(&sink, path, items, (int)v.count, metadata, env));
    for (i = 0; i < v.count; i++) {
        int8_t codes[4096];
        size_t at, k;
        if (ob_v1_next(&v, &t) != ONEBIT_OK) break; /* has been read before */
        for (at = 0; at < t.elements; at += k) {
            for (k = 0; k < sizeof codes && at + k < t.elements; k++)
                codes[k] = ob_v1_code(&t, at + k);
            ob_sink_write(&sink, codes, k);
        }
    }
    return ob_sink_commit(&sink);
}

/* A version 1 file, mapped, as model.safetensors and config.json. */
static onebit_status ob_v1_unpack(const ob_map *map, const char *directory, const onebit_env *env) {
    char path[OB_PATH_MAX];
    ob_st_item *items;
    char(*names)[128];
    size_t each = sizeof(ob_st_item) + 128 + sizeof(char *);
    onebit_status status;
    ob_v1 v;
    OB_TRY(ob_path_join(path, sizeof path, directory, "model.safetensors"));
    OB_TRY(ob_v1_open(&v, map->data, map->bytes));
    if (v.count > (v.r.n - v.r.at) / 18 || v.count > INT_MAX) /* the least that a record takes */
        return ob_fail(ONEBIT_FORMAT, ".1bit version 1: %lu tensors cannot be in it",
                       (unsigned long)v.count);
    items = (ob_st_item *)ob_alloc(env, (v.count + (size_t)1) * each); /* there may be none */
    if (!items) return ob_fail(ONEBIT_MEMORY, "%.200s: no memory for the list of tensors", path);
    names = (char(*)[128])(void *)(items + v.count);
    status = ob_v1_items(v, items, names, (const char **)(void *)(names + v.count));
    if (status == ONEBIT_OK) status = ob_v1_write(v, path, items, env);
    if (status == ONEBIT_OK)
        status = ob_leave_text(directory, "config.json", v.config.p, v.config.n);
    ob_release(env, items);
    return status;
}

/* Everything is read and checked before the first file is written. */
ONEBIT_API onebit_status onebit_file_unpack(const char *directory, const char *input, int latent,
                                            const onebit_env *env) {
    onebit_env own = ob_env_or_default(env);
    const onebit_tokenizer *words;
    char path[OB_PATH_MAX];
    onebit_status status;
    ob_origin s;
    ob_map map;
    int v1;
    if (!directory || !input) return ob_fail(ONEBIT_USAGE, "onebit_file_unpack: a path is NULL");
    OB_TRY(ob_make_directory(directory));
    if (ob_is_1bit(input, &v1) && v1) {
        OB_TRY(ob_map_open(&map, input));
        status = ob_v1_unpack(&map, directory, &own);
        ob_map_close(&map);
        if (status != ONEBIT_OK) ob_fail(status, "%.200s: %s", input, onebit_error_text());
        return status;
    }
    OB_TRY(ob_path_join(path, sizeof path, directory, "model.safetensors"));
    OB_TRY(ob_origin_open(&s, input, env));
    if (latent && (s.model || s.deployed))
        status =
            ob_fail(ONEBIT_USAGE, "%.200s holds no latent weights, only what they gave", input);
    else status = ob_leave_weights(&s, path, latent);
    words = s.model ? s.model->tokenizer : s.tokenizer;
    if (status == ONEBIT_OK)
        status = ob_leave_object(&s.env, directory, "config.json", ob_write_config, &s.have);
    if (status == ONEBIT_OK && words)
        status = ob_leave_object(&s.env, directory, "tokenizer.json", ob_write_tokenizer, words);
    ob_origin_close(&s);
    return status;
}

/* Rows and columns of a shape for a list; a dimension beyond int counts as INT_MAX there. */
static void ob_list_shape(onebit_tensor_info *info, const int64_t *shape, int rank) {
    uint64_t cols = 1;
    int i;
    info->rows = rank > 1 ? (int)(shape[0] > INT_MAX ? INT_MAX : shape[0]) : 1;
    for (i = rank > 1; i < rank; i++) {
        cols *= shape[i] > INT_MAX ? INT_MAX : (uint64_t)shape[i];
        cols = cols > INT_MAX ? INT_MAX : cols;
    }
    info->cols = (int)cols;
}

/* The tensors of a version 1 file. */
static onebit_status ob_list_v1(const ob_map *map, onebit_tensor_fn each, void *user) {
    onebit_tensor_info info;
    ob_v1_tensor t;
    ob_v1 v;
    uint32_t i;
    OB_TRY(ob_v1_open(&v, map->data, map->bytes));
    for (i = 0; i < v.count; i++) {
        OB_TRY(ob_v1_next(&v, &t));
        info.name = t.name, info.format = t.binary ? "binary v1" : "ternary v1";
        info.bytes = t.bytes, info.scale = 1.0f;
        ob_list_shape(&info, t.shape, t.rank);
        if (each(user, &info)) return ONEBIT_OK;
    }
    if (v.r.at != v.r.n) return ob_fail(ONEBIT_FORMAT, ".1bit version 1: bytes behind its tensors");
    return ONEBIT_OK;
}

/* The tensors of a safetensors file. */
static onebit_status ob_list_st(const char *path, onebit_tensor_fn each, void *user,
                                const onebit_env *env) {
    onebit_tensor_info info;
    ob_st_file f;
    int i;
    OB_TRY(ob_st_open(&f, path, env));
    for (i = 0; i < f.count; i++) {
        info.name = f.tensors[i].name, info.format = f.tensors[i].dtype;
        info.bytes = f.tensors[i].bytes, info.scale = 1.0f;
        ob_list_shape(&info, f.tensors[i].shape, f.tensors[i].rank);
        if (each(user, &info)) break;
    }
    ob_st_close(&f);
    return ONEBIT_OK;
}

/* A .1bit is opened as for use, so a damaged one is refused here too. */
ONEBIT_API onebit_status onebit_file_list(const char *path, onebit_tensor_fn each, void *user,
                                          const onebit_env *env) {
    onebit_tensor_info info;
    onebit_model *model;
    onebit_status status;
    ob_map map;
    int i, v1;
    if (!path || !each) return ob_fail(ONEBIT_USAGE, "onebit_file_list: an argument is NULL");
    if (!ob_is_1bit(path, &v1)) return ob_list_st(path, each, user, env);
    if (v1) {
        OB_TRY(ob_map_open(&map, path));
        status = ob_list_v1(&map, each, user);
        ob_map_close(&map);
        if (status != ONEBIT_OK) ob_fail(status, "%.200s: %s", path, onebit_error_text());
        return status;
    }
    OB_TRY(onebit_model_open(&model, path, env));
    for (i = 0; onebit_model_tensor(model, i, &info) == ONEBIT_OK; i++)
        if (each(user, &info)) break;
    onebit_model_free(model);
    return ONEBIT_OK;
}

/* =================================================================================================
   14 >>session   a conversation on a model: KV cache, prefill, decode, rewind, save and restore.
   uses: base system format kernels ops model files               used by: sample flow
   ============================================================================================== */

/* Three numbers keep the place: tokens [0, length) are in the caches, [length, fed) wait, and
   the first `chunk` of those are on their way through the layers, before `layer`. So work can
   stop after any layer and go on later, and feeding while it is under way is allowed. */
struct onebit_session {
    onebit_env env;
    const onebit_model *model;
    onebit_session_options options;
    ob_exec exec;
    ob_acts acts; /* of one block, for one chunk of tokens */
    ob_pass pass;
    ob_cache *caches; /* [L] */
    float *logits;   /* [V] after the last token */
    float *together; /* [options.together][V] of sessions that run together */
    float *drawn;    /* [V] logits that a sampler may change, and its work of V * 8 bytes */
    void *work;
    int32_t *tokens; /* [context] */
    int fed;         /* tokens given */
    int length;      /* tokens evaluated */
    int chunk;       /* tokens under way now; 0 = none */
    int layer;       /* next layer for them */
    int ready;       /* logits belong to tokens[length - 1] */
};

/* context 0 = that of the model. A chunk of 64 tokens makes unpacking cheap beside the products
   and keeps activations small. */
ONEBIT_API onebit_session_options onebit_session_options_default(void) {
    onebit_session_options o;
    o.context = 0, o.slide = 0, o.keep_first = 0, o.chunk = 64, o.together = 1;
    o.cache_bits = 32, o.fast = 0;
    return o;
}

/* Checks and completes the options. */
static onebit_status ob_session_settle(onebit_session *s, const onebit_model *model,
                                       const onebit_session_options *options,
                                       const onebit_env *env) {
    memset(s, 0, sizeof *s);
    if (!model) return ob_fail(ONEBIT_USAGE, "session: model is NULL");
    s->model = model;
    s->env = env ? ob_env_or_default(env) : model->env;
    OB_TRY(ob_env_check(&s->env));
    s->options = options ? *options : onebit_session_options_default();
    if (s->options.context == 0) s->options.context = model->config.max_seq_len;
    if (s->options.context < 1 || s->options.context > 1 << 24)
        return ob_fail(ONEBIT_CONFIG, "session: context %d is not within 1 and 16777216",
                       s->options.context);
    if (s->options.chunk < 1) s->options.chunk = 64;
    if (s->options.chunk > s->options.context) s->options.chunk = s->options.context;
    if (s->options.together == 0) s->options.together = 1;
    if (s->options.together < 1 || s->options.together > ONEBIT_MAX_TOGETHER)
        return ob_fail(ONEBIT_CONFIG, "session: together is %d, expected 1 to %d",
                       s->options.together, ONEBIT_MAX_TOGETHER);
    if (s->options.cache_bits == 0) s->options.cache_bits = 32;
    if (s->options.cache_bits != 8 && s->options.cache_bits != 32)
        return ob_fail(ONEBIT_CONFIG, "session: cache_bits is %d, expected 8 or 32",
                       s->options.cache_bits);
    if (s->options.keep_first < 0 || s->options.keep_first >= s->options.context)
        return ob_fail(ONEBIT_CONFIG, "session: keep_first %d is not within the context of %d",
                       s->options.keep_first, s->options.context);
    return ONEBIT_OK;
}

/* Lays the session out; with carve->base NULL it only counts. */
static void ob_session_layout(onebit_session *s, ob_carve *c) {
    const onebit_config *config = &s->model->config;
    size_t cap = (size_t)s->options.context, L = (size_t)config->num_layers, l;
    s->caches = (ob_cache *)ob_take(c, L * sizeof(ob_cache));
    for (l = 0; l < L; l++) {
        ob_cache cache = ob_cache_take(c, 1, s->options.context, config->num_key_value_heads,
                                       config->head_dim, s->options.cache_bits);
        if (c->base) s->caches[l] = cache;
    }
    ob_acts_take(&s->acts, c, config, (size_t)s->options.chunk, 1, OB_RUN);
    ob_pass_take(&s->pass, c, config, (size_t)s->options.chunk);
    s->pass.rope = ob_floats(c, cap, (size_t)config->head_dim);
    s->logits = ob_floats(c, (size_t)config->vocab_size, 1);
    s->drawn = ob_floats(c, (size_t)config->vocab_size, 1);
    s->together = NULL;
    if (s->options.together > 1)
        s->together = ob_floats(c, (size_t)config->vocab_size, (size_t)s->options.together);
    s->work = ob_take(c, (size_t)config->vocab_size * 8);
    s->tokens = (int32_t *)ob_take(c, cap * sizeof(int32_t));
    ob_exec_init(&s->exec, &s->env, c, s->options.context, config->head_dim, 0);
    s->exec.fused = s->options.fast;
}

/* The caches are most of it: 8 bytes * L * K * d per token of context, or 2 with 8 bits. */
ONEBIT_API size_t onebit_session_bytes(const onebit_model *model,
                                       const onebit_session_options *options,
                                       const onebit_env *env) {
    onebit_session s;
    ob_carve c;
    if (ob_session_settle(&s, model, options, env) != ONEBIT_OK) return 0;
    memset(&c, 0, sizeof c);
    ob_take(&c, sizeof s);
    ob_session_layout(&s, &c);
    return c.used;
}

/* The model is not copied and must outlive the session; sessions of one model may run on
   different threads, because a model is never written to. */
ONEBIT_API onebit_status onebit_session_create(onebit_session **out, const onebit_model *model,
                                               const onebit_session_options *options,
                                               const onebit_env *env) {
    onebit_session settled, *s;
    const onebit_config *config;
    ob_carve c;
    size_t bytes;
    if (!out) return ob_fail(ONEBIT_USAGE, "onebit_session_create: out is NULL");
    *out = NULL;
    OB_TRY(ob_session_settle(&settled, model, options, env));
    bytes = onebit_session_bytes(model, options, env);
    memset(&c, 0, sizeof c);
    c.base = (uint8_t *)ob_alloc(&settled.env, bytes);
    if (!c.base)
        return ob_fail(ONEBIT_MEMORY,
                       "a session of %d tokens needs %.1f MB; try a smaller --context",
                       settled.options.context, (double)bytes / 1e6);
    s = (onebit_session *)ob_take(&c, sizeof *s);
    *s = settled;
    ob_session_layout(s, &c);
    config = &model->config;
    s->pass.x = &s->exec;
    s->pass.w = &model->view;
    s->pass.B = 1;
    s->pass.final_x = s->acts.x; /* blocks write their output in place */
    ob_rope_table((float *)(uintptr_t)s->pass.rope, s->options.context, config->head_dim,
                  config->rope_theta, config->use_rope);
    *out = s;
    return ONEBIT_OK;
}

/* The model stays: it is not the session's. */
ONEBIT_API void onebit_session_free(onebit_session *session) {
    onebit_env env;
    if (!session) return;
    env = session->env;
    ob_release(&env, session);
}

/* The one it was created with. */
ONEBIT_API const onebit_model *onebit_session_model(const onebit_session *session) {
    return session ? session->model : NULL;
}

/* ---- Evaluation ------------------------------------------------------------------------------ */

/* Makes room for count tokens: keeps the first keep_first and the later half of the rest, which is
   evaluated again because positions move. Half, so that this happens once per context / 2 tokens
   and its cost spreads out over them. */
static onebit_status ob_session_slide(onebit_session *s, size_t count) {
    int first = s->options.keep_first < s->fed ? s->options.keep_first : s->fed;
    int room = s->options.context - first, keep = room / 2;
    if (!s->options.slide || count > (size_t)room)
        return ob_fail(ONEBIT_LIMIT, "the context of %d tokens is full (%d used, %zu more asked)",
                       s->options.context, s->fed, count);
    if (count > (size_t)(room - keep)) keep = room - (int)count;
    if (keep > s->fed - first) keep = s->fed - first;
    memmove(s->tokens + first, s->tokens + s->fed - keep, (size_t)keep * sizeof(int32_t));
    s->fed = first + keep;
    if (s->length > first) s->length = first;
    s->chunk = 0;
    return ONEBIT_OK;
}

/* Only queues; a bad id or a full context leaves the session as it was. */
ONEBIT_API onebit_status onebit_session_feed(onebit_session *session, const int32_t *ids,
                                             size_t count) {
    onebit_session *s = session;
    if (!s || (!ids && count)) return ob_fail(ONEBIT_USAGE, "onebit_session_feed: NULL argument");
    OB_TRY(ob_check_ids(ids, count, 0, s->model->config.vocab_size, "ids"));
    if (count > (size_t)(s->options.context - s->fed)) OB_TRY(ob_session_slide(s, count));
    if (count) memcpy(s->tokens + s->fed, ids, count * sizeof(int32_t));
    s->fed += (int)count;
    return ONEBIT_OK;
}

/* Starts the next chunk of tokens: their embeddings. */
static void ob_session_begin(onebit_session *s) {
    int left = s->fed - s->length;
    s->chunk = left < s->options.chunk ? left : s->options.chunk;
    s->layer = 0;
    s->ready = 0;
    s->pass.T = s->chunk;
    s->exec.ops->embed_forward(&s->exec, s->acts.x, s->tokens + s->length,
                               ob_block(&s->model->view, 0, OB_EMBED), s->chunk);
}

/* Ends it: logits of every row into rows when asked for, of the last row at the end of the queue.
 */
static void ob_session_finish(onebit_session *s, float *rows) {
    size_t V = (size_t)s->model->config.vocab_size;
    int last = s->length + s->chunk == s->fed;
    if (rows) {
        ob_forward_head(&s->pass, rows, 0, s->chunk);
        memcpy(s->logits, rows + (size_t)(s->chunk - 1) * V, V * sizeof(float));
    } else if (last) {
        ob_forward_head(&s->pass, s->logits, s->chunk - 1, 1);
    }
    s->length += s->chunk;
    s->chunk = 0;
    s->ready = last;
}

/* Rows of a pass that are this session's next n tokens. */
static ob_span ob_session_span(const onebit_session *s, int row, int n, int layer) {
    ob_span a;
    a.row = row, a.B = 1, a.T = n, a.start = s->length, a.cap = s->options.context;
    a.cache = s->caches[layer];
    return a;
}

/* One layer, and what comes before the first or after the last. Returns the tokens that were
   finished. */
static int ob_session_layer(onebit_session *s, float *rows) {
    int done = 0, l;
    ob_span span;
    if (s->chunk == 0) ob_session_begin(s);
    l = s->layer++;
    span = ob_session_span(s, 0, s->chunk, l);
    ob_forward_attention(&s->pass, &s->acts, &span, 1, l);
    ob_forward_ffn(&s->pass, &s->acts, s->acts.x, l);
    if (s->layer == s->model->config.num_layers) {
        done = s->chunk;
        ob_session_finish(s, rows);
    }
    return done;
}

/* The unit is one layer of one chunk, for hosts that must not block: a game's frame, an event
   loop. */
ONEBIT_API onebit_status onebit_session_step(onebit_session *session, int max_layers) {
    int n = 0;
    if (!session) return ob_fail(ONEBIT_USAGE, "onebit_session_step: session is NULL");
    while (session->length < session->fed) {
        if (max_layers > 0 && n++ == max_layers) return ONEBIT_AGAIN;
        ob_session_layer(session, NULL);
    }
    return ONEBIT_OK;
}

/* ---- Several sessions at once ---- */
/* Decoding one token reads all weights for one row; with n sessions a pass has n rows, and the
   weights are read once for all of them. Everything that is a session's own (positions, cache,
   logits) is found through its span; the rest sees a batch of rows. The bits are those of each
   session alone, because no sum of a row depends on the other rows. */

/* Tokens that session i runs in this round: an equal share of the lead's chunk. */
static int ob_together_share(onebit_session *const *sessions, int count, int i) {
    int waiting = 0, left, j, share;
    for (j = 0; j < count; j++) waiting += sessions[j]->length < sessions[j]->fed;
    share = sessions[0]->options.chunk / (waiting ? waiting : 1);
    left = sessions[i]->fed - sessions[i]->length;
    return left < share ? left : share;
}

/* Logits of the sessions whose queue ends in this round. Their last rows move together, each to a
   place at or before its own. */
static void ob_together_finish(onebit_session *const *sessions, int count, const ob_span *spans) {
    onebit_session *lead = sessions[0];
    size_t V = (size_t)lead->model->config.vocab_size;
    size_t D = (size_t)lead->model->config.hidden_size;
    int i, n = 0, last;
    for (i = 0; i < count; i++) {
        last = spans[i].T > 0 && sessions[i]->length + spans[i].T == sessions[i]->fed;
        if (!last) continue;
        memmove(lead->acts.x + (size_t)n++ * D,
                lead->acts.x + (size_t)(spans[i].row + spans[i].T - 1) * D, D * sizeof(float));
    }
    if (n) ob_forward_head(&lead->pass, count > 1 ? lead->together : lead->logits, 0, n);
    for (i = n = 0; i < count; i++) {
        onebit_session *s = sessions[i];
        if (spans[i].T == 0) continue;
        s->length += spans[i].T;
        s->ready = s->length == s->fed;
        if (s->ready && count > 1)
            memcpy(s->logits, lead->together + (size_t)n++ * V, V * sizeof(float));
    }
}

/* One round: every session that waits moves on. Returns the rows that were run; 0 = none waits. */
static int ob_together_round(onebit_session *const *sessions, int count) {
    onebit_session *lead = sessions[0];
    const onebit_config *c = &lead->model->config;
    ob_span spans[ONEBIT_MAX_TOGETHER], now[ONEBIT_MAX_TOGETHER];
    int i, l, n, rows = 0;
    for (i = 0; i < count; i++) {
        spans[i] = ob_session_span(sessions[i], rows, ob_together_share(sessions, count, i), 0);
        lead->exec.ops->embed_forward(
            &lead->exec, lead->acts.x + (size_t)rows * (size_t)c->hidden_size,
            sessions[i]->tokens + sessions[i]->length, ob_block(&lead->model->view, 0, OB_EMBED),
            spans[i].T);
        if (spans[i].T > 0) sessions[i]->ready = 0;
        rows += spans[i].T;
    }
    lead->pass.T = rows;
    /* norms and matrices see all rows as one batch; positions and caches are each session's own */
    for (l = 0; rows > 0 && l < c->num_layers; l++) {
        for (i = n = 0; i < count; i++)
            if (spans[i].T > 0)
                now[n++] = ob_session_span(sessions[i], spans[i].row, spans[i].T, l);
        ob_forward_attention(&lead->pass, &lead->acts, now, n, l);
        ob_forward_ffn(&lead->pass, &lead->acts, lead->acts.x, l);
    }
    if (rows > 0) ob_together_finish(sessions, count, spans);
    return rows;
}

/* Why these sessions cannot run together; ONEBIT_OK = they can. */
static onebit_status ob_together_check(onebit_session *const *sessions, int count) {
    int i, j;
    if (!sessions || count < 1 || !sessions[0])
        return ob_fail(ONEBIT_USAGE, "onebit_sessions_step: it needs at least one session");
    if ((count > 1 && count > sessions[0]->options.together) || count > sessions[0]->options.chunk)
        return ob_fail(ONEBIT_USAGE,
                       "%d sessions together: the first was made for %d (options.together) and "
                       "chunks of %d",
                       count, sessions[0]->options.together, sessions[0]->options.chunk);
    for (i = 1; i < count; i++) {
        if (!sessions[i] || sessions[i]->model != sessions[0]->model ||
            sessions[i]->options.context > sessions[0]->options.context ||
            sessions[i]->options.fast != sessions[0]->options.fast)
            return ob_fail(ONEBIT_USAGE,
                           "onebit_sessions_step: session %d is NULL, of another model, or its "
                           "context is longer or its options.fast another than the first one's", i);
        for (j = 0; j < i; j++)
            if (sessions[i] == sessions[j])
                return ob_fail(ONEBIT_USAGE, "onebit_sessions_step: session %d stands there twice",
                               i);
    }
    return ONEBIT_OK;
}

/* A chunk that is half-way through its layers is begun anew: its place is nothing but a number. */
ONEBIT_API onebit_status onebit_sessions_step(onebit_session *const *sessions, int count) {
    int i;
    OB_TRY(ob_together_check(sessions, count));
    for (i = 0; i < count; i++) sessions[i]->chunk = 0; /* its tokens wait again */
    while (ob_together_round(sessions, count)) {}
    return ONEBIT_OK;
}

/* logits gets a row for each of the new ids and only for them; a slide may put older tokens back
   into the queue, which then run in chunks that end just before the new ones. */
ONEBIT_API onebit_status onebit_session_eval(onebit_session *session, const int32_t *ids,
                                             size_t count, float *logits) {
    onebit_session *s = session;
    size_t V;
    if (!s) return ob_fail(ONEBIT_USAGE, "onebit_session_eval: session is NULL");
    if (logits) OB_TRY(onebit_session_step(s, 0)); /* what was queued before gets no row */
    OB_TRY(onebit_session_feed(s, ids, count));
    if (!logits) return onebit_session_step(s, 0);
    V = (size_t)s->model->config.vocab_size;
    while (s->fed - s->length > (int)count && s->length < s->fed) { /* after a slide */
        int ahead = s->fed - s->length - (int)count, chunk = s->options.chunk;
        s->options.chunk = ahead < chunk ? ahead : chunk;
        do ob_session_layer(s, NULL);
        while (s->chunk);
        s->options.chunk = chunk;
    }
    while (s->length < s->fed) logits += V * (size_t)ob_session_layer(s, logits);
    return ONEBIT_OK;
}

/* NULL while tokens wait: old logits would be those of another token. */
ONEBIT_API const float *onebit_session_logits(const onebit_session *session) {
    return session && session->ready ? session->logits : NULL;
}

/* Evaluated ones; those that wait are not counted. */
ONEBIT_API int onebit_session_length(const onebit_session *session) {
    return session ? session->length : 0;
}

/* Evaluated and waiting ones, in order. */
ONEBIT_API const int32_t *onebit_session_tokens(const onebit_session *session) {
    return session ? session->tokens : NULL;
}

/* Costs nothing: caches beyond length are overwritten later. The logits of the new last token
   are not known, so at least one token must be fed before the next draw. */
ONEBIT_API onebit_status onebit_session_rewind(onebit_session *session, int length) {
    if (!session) return ob_fail(ONEBIT_USAGE, "onebit_session_rewind: session is NULL");
    if (length < 0 || length > session->length)
        return ob_fail(ONEBIT_USAGE, "rewind to %d of %d tokens", length, session->length);
    if (length == session->length && session->fed == length) return ONEBIT_OK;
    session->length = session->fed = length;
    session->chunk = 0;
    session->ready = 0;
    return ONEBIT_OK;
}

/* ---- Save and restore ------------------------------------------------------------------------ */
/* A state saves the evaluation of a long prompt. It is bound to its model by the checksum and to
   machines of one byte order, because it is copied as it is; it may move between contexts of
   different size. */

/* State: u64 "OBSTATE2", u64 model checksum, u32 fed, length, ready, byte-order mark 0x01020304;
   tokens [fed]; logits [V] when ready; for each layer its cache as if it had room for length
   positions (see ob_cache): keys, values, and with 8 bits their scales. */
#define OB_STATE_MAGIC 0x32455441545342ffu
#define OB_STATE_HEAD  32

/* Bytes of one layer's cache of n positions. */
static size_t ob_state_layer(const onebit_session *s, int n) {
    const onebit_config *c = &s->model->config;
    size_t number = (size_t)s->options.cache_bits / 8, d = (size_t)c->head_dim;
    return (size_t)c->num_key_value_heads *
           (number * (ob_wide(n) * d + (size_t)n * ob_wide(c->head_dim)) +
            (number == 1 ? 2 * sizeof(float) * (size_t)n : 0));
}

/* The whole of a state. */
static size_t ob_state_bytes(const onebit_session *s, int fed, int length, int ready) {
    const onebit_config *c = &s->model->config;
    return OB_STATE_HEAD + (size_t)fed * 4 + (ready ? (size_t)c->vocab_size * 4 : 0) +
           (size_t)c->num_layers * ob_state_layer(s, length);
}

/* Moves rows of n bytes between session (stride apart) and state (side by side); p moves on. */
static void ob_state_rows(uint8_t **p, void *cache, size_t rows, size_t stride, size_t n,
                          int restore) {
    size_t i;
    for (i = 0; i < rows; i++, *p += n) {
        if (restore) memcpy((char *)cache + i * stride, *p, n);
        else memcpy(*p, (char *)cache + i * stride, n);
    }
}

/* Zeros where the last panel of a head has no key yet, or has one that was forgotten: nothing of
   that memory leaves with a state. */
static void ob_state_clear(uint8_t *keys, int d, int length, size_t number) {
    size_t left = (ob_wide(length) - (size_t)length) * number;
    int i;
    for (i = 0; i < d && left; i++)
        memset(keys + ob_key_at(d, length, i) * number, 0, left);
}

/* The caches of all layers; heads are cap positions apart in a session. */
static void ob_state_caches(const onebit_session *s, uint8_t *p, int length, int restore) {
    const onebit_config *config = &s->model->config;
    size_t K = (size_t)config->num_key_value_heads, n = (size_t)length;
    size_t cap = (size_t)s->options.context, number = (size_t)s->options.cache_bits / 8;
    size_t d = (size_t)config->head_dim * number, panel = OB_KEYS * number;
    int l;
    for (l = 0; l < config->num_layers; l++) {
        const ob_cache *c = s->caches + l;
        uint8_t *keys = p;
        ob_state_rows(&p, c->k, K, ob_wide(s->options.context) * d, ob_wide(length) * d, restore);
        for (; !restore && keys < p; keys += ob_wide(length) * d)
            ob_state_clear(keys, config->head_dim, length, number);
        ob_state_rows(&p, c->v, K * ob_wide(config->head_dim) / OB_KEYS, cap * panel, n * panel,
                      restore);
        if (!c->k_scale) continue;
        ob_state_rows(&p, c->k_scale, K, cap * sizeof(float), n * sizeof(float), restore);
        ob_state_rows(&p, c->v_scale, K, cap * sizeof(float), n * sizeof(float), restore);
    }
}

/* A chunk under way is not saved: its tokens count as waiting and run again from the first
   layer. */
ONEBIT_API size_t onebit_session_save(const onebit_session *session, void *out, size_t size) {
    const onebit_session *s = session;
    size_t bytes, V;
    uint8_t *p = (uint8_t *)out;
    uint64_t head[2];
    uint32_t counts[4];
    if (!s) return 0;
    bytes = ob_state_bytes(s, s->fed, s->length, s->ready);
    if (!out || size < bytes) return bytes;
    V = (size_t)s->model->config.vocab_size;
    head[0] = OB_STATE_MAGIC, head[1] = s->model->checksum;
    counts[0] = (uint32_t)s->fed, counts[1] = (uint32_t)s->length;
    counts[2] = (uint32_t)s->ready, counts[3] = 0x01020304u;
    memcpy(p, head, 16), memcpy(p + 16, counts, 16);
    memcpy(p + OB_STATE_HEAD, s->tokens, (size_t)s->fed * 4);
    p += OB_STATE_HEAD + (size_t)s->fed * 4;
    if (s->ready) memcpy(p, s->logits, V * 4), p += V * 4;
    ob_state_caches(s, p, s->length, 0);
    return bytes;
}

/* The counts are checked before anything changes. A bad token empties the session, so that it
   never holds half a state. */
ONEBIT_API onebit_status onebit_session_restore(onebit_session *session, const void *data,
                                                size_t bytes) {
    onebit_session *s = session;
    const uint8_t *p = (const uint8_t *)data;
    uint64_t head[2];
    uint32_t counts[4];
    size_t V;
    if (!s || !data) return ob_fail(ONEBIT_USAGE, "onebit_session_restore: NULL argument");
    if (bytes < OB_STATE_HEAD)
        return ob_fail(ONEBIT_FORMAT, "session state: %zu bytes are too few", bytes);
    memcpy(head, p, 16), memcpy(counts, p + 16, 16);
    if (head[0] != OB_STATE_MAGIC || counts[3] != 0x01020304u)
        return ob_fail(ONEBIT_FORMAT,
                       "session state: it was not saved by this library and machine type");
    if (head[1] != s->model->checksum)
        return ob_fail(ONEBIT_FORMAT, "session state: it belongs to another model");
    if (counts[0] > (uint32_t)s->options.context)
        return ob_fail(ONEBIT_LIMIT, "session state: %lu tokens do not fit the context of %d",
                       (unsigned long)counts[0], s->options.context);
    if (counts[1] > counts[0] || counts[2] > 1 || (counts[2] && counts[1] == 0) ||
        bytes != ob_state_bytes(s, (int)counts[0], (int)counts[1], (int)counts[2]))
        return ob_fail(ONEBIT_FORMAT,
                       "session state: %zu bytes do not match its counts, or its cache_bits differ",
                       bytes);
    V = (size_t)s->model->config.vocab_size;
    memcpy(s->tokens, p + OB_STATE_HEAD, (size_t)counts[0] * 4);
    s->fed = s->length = s->chunk = s->ready = 0;
    OB_TRY(ob_check_ids(s->tokens, counts[0], 0, (int)V, "session state tokens"));
    s->fed = (int)counts[0], s->length = (int)counts[1], s->ready = (int)counts[2];
    p += OB_STATE_HEAD + (size_t)s->fed * 4;
    if (s->ready) memcpy(s->logits, p, V * 4), p += V * 4;
    ob_state_caches(s, (uint8_t *)(uintptr_t)p, s->length, 1);
    return ONEBIT_OK;
}

/* =================================================================================================
   15 >>sample   logits to the next token: penalties, temperature, top-k, top-p, min-p, one draw.
   uses: base config                                                                  used by: flow
   ============================================================================================== */

/* Repetition (Keskar et al. 2019, "CTRL": positive logits divided, others multiplied, once per
   distinct token), then frequency (per occurrence) and presence (once). counts[vocab] is work; only
   the entries of tokens that occur are touched, so the cost is that of the window, not of the
   vocabulary. */
static void ob_penalise(float *logits, int vocab, const int32_t *seen, size_t n,
                        const onebit_sample_options *o, int32_t *counts) {
    size_t i;
    double r = o->repetition_penalty > 0.0 ? o->repetition_penalty : 1.0;
    for (i = 0; i < n; i++)
        if (seen[i] >= 0 && seen[i] < vocab) counts[seen[i]] = 0;
    for (i = 0; i < n; i++)
        if (seen[i] >= 0 && seen[i] < vocab) counts[seen[i]]++;
    for (i = 0; i < n; i++) {
        int32_t id = seen[i];
        double l;
        if (id < 0 || id >= vocab || counts[id] == 0) continue;
        l = logits[id];
        l = l > 0.0 ? l / r : l * r;
        l -= o->frequency_penalty * counts[id] + o->presence_penalty;
        logits[id] = (float)l;
        counts[id] = 0; /* done: its other occurrences pass by */
    }
}

/* NaN counts as -inf and +inf as the largest float, so that every comparison below has an answer.
   The likeliest token, the lowest id on a tie. */
static int ob_likeliest(float *logits, int vocab) {
    int i, best = 0;
    for (i = 0; i < vocab; i++) {
        if (!(logits[i] >= -FLT_MAX)) logits[i] = -HUGE_VALF;
        else if (logits[i] > FLT_MAX) logits[i] = FLT_MAX;
        if (logits[i] > logits[best]) best = i;
    }
    return best;
}

/* Does a stand before b in the order of likelihood? Raw logits are compared, not probabilities, in
   which neighbours may have become equal. */
static int ob_likelier(const float *logits, int32_t a, int32_t b) {
    if (logits[a] > logits[b]) return 1;
    return !(logits[a] < logits[b]) && a < b;
}

/* Restores the heap (likeliest on top) below place i of ids[n]. */
static void ob_sift(const float *logits, int32_t *ids, int n, int i) {
    int32_t moved = ids[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && ob_likelier(logits, ids[child + 1], ids[child])) child++;
        if (!ob_likelier(logits, ids[child], moved)) break;
        ids[i] = ids[child];
        i = child;
    }
    ids[i] = moved;
}

/* Takes the top of the heap ids[n] and puts it at ids[n - 1]: after k calls the k likeliest stand
   at the array's end, backwards. */
static void ob_heap_pop(const float *logits, int32_t *ids, int n) {
    int32_t top = ids[0];
    ids[0] = ids[n - 1];
    ids[n - 1] = top;
    if (n > 2) ob_sift(logits, ids, n - 1, 0);
}

/* First entry whose running sum passes u of the total. p[ids[i]], or p[i] when ids is NULL; step is
   the direction in ids. Entries of probability 0 are never drawn. */
static int ob_draw(const float *p, const int32_t *ids, int n, int step, double total,
                   onebit_rng *rng) {
    double target = ob_rng_double(rng) * total, sum = 0.0;
    int i, id, last = ids ? ids[0] : 0;
    for (i = 0; i < n; i++) {
        id = ids ? ids[i * step] : i;
        if (!(p[id] > 0.0f)) continue;
        sum += (double)p[id];
        last = id;
        if (sum > target) return id;
    }
    return last; /* rounding left target at the very end */
}

/* Draws from the likeliest tokens. Sorting is lazy: a heap gives tokens in order until enough are
   kept, a few hundred of a large vocabulary as a rule. top-k keeps k; top-p (of what top-k kept)
   keeps tokens until their sum reaches p, the crossing one included; min-p keeps p >= min_p * pmax.
   pmax is 1 here (p is relative to the likeliest). total is the sum of all p. */
static int ob_draw_sorted(const float *logits, const float *p, int32_t *ids, int vocab,
                          double total, const onebit_sample_options *o, onebit_rng *rng) {
    int n = vocab, kept = 0, k = o->top_k > 0 && o->top_k < vocab ? o->top_k : 0, i;
    double sum = 0.0;
    for (i = 0; i < vocab; i++) ids[i] = i;
    for (i = vocab / 2; i-- > 0;) ob_sift(logits, ids, vocab, i);
    if (k) {
        total = 0.0;
        for (; n > vocab - k; n--) {
            ob_heap_pop(logits, ids, n);
            total += (double)p[ids[n - 1]];
        }
    }
    while (kept < (k ? k : vocab)) {
        double q;
        if (!k) ob_heap_pop(logits, ids, n--);
        q = (double)p[ids[vocab - 1 - kept]];
        if (kept && (q < o->min_p || q <= 0.0)) break;
        kept++;
        sum += q;
        if (o->top_p < 1.0 && sum >= o->top_p * total) break;
    }
    return ob_draw(p, ids + vocab - 1, kept, -1, sum, rng);
}

/* The order: penalties, temperature, top-k, top-p, min-p, draw. Without an rng, work or
   temperature it is the likeliest token, so a caller without memory still gets an answer. work
   holds V * 8 bytes: p [V], then ids [V]; the penalties' counts use it before them. The plain
   draw costs V exponentials and no sort. One random number is used per draw, so a seed gives the
   same text again. */
ONEBIT_API int onebit_sample(float *logits, int vocab, const int32_t *history, size_t count,
                             const onebit_sample_options *options, onebit_rng *rng, void *work) {
    onebit_sample_options o = options ? *options : onebit_sample_options_default();
    float *p = (float *)work;
    int32_t *ids;
    double total = 0.0;
    int i, best;
    if (!logits || vocab < 1) return 0;
    if (!history) count = 0;
    if (o.penalty_window > 0 && count > (size_t)o.penalty_window) {
        history += count - (size_t)o.penalty_window;
        count = (size_t)o.penalty_window;
    }
    if (count && work) ob_penalise(logits, vocab, history, count, &o, (int32_t *)work);
    best = ob_likeliest(logits, vocab);
    if (!(o.temperature > 0.0) || !rng || !work || !(logits[best] >= -FLT_MAX)) return best;
    for (i = 0; i < vocab; i++) { /* softmax without its divisor: p of the likeliest is 1 */
        double x = ((double)logits[i] - (double)logits[best]) / o.temperature;
        p[i] = x == x ? (float)ob_exp_double(x) : 0.0f;
        if (o.top_k <= 0 && o.top_p >= 1.0 && (double)p[i] < o.min_p) p[i] = 0.0f;
        total += (double)p[i];
    }
    ids = (int32_t *)(void *)(p + vocab);
    if (o.top_k <= 0 && o.top_p >= 1.0) return ob_draw(p, NULL, vocab, 1, total, rng);
    return ob_draw_sorted(logits, p, ids, vocab, total, &o, rng);
}

/* =================================================================================================
   17 >>report   what a run leaves for people: loss.svg, tables as CSV, report.html.
   uses: base system config                                                           used by: flow
   ============================================================================================== */

/* Text in, text out: buffers of this floor know nothing of trainers or files, so a picture can be
   changed without touching a run. The numbers come in as arrays, NaN where nothing was measured. */

/* ---- loss.svg: the training curve as a self-contained picture ---- */

/* Plot area inside the 800 x 440 picture. */
#define OB_PLOT_LEFT   62.0
#define OB_PLOT_RIGHT  780.0
#define OB_PLOT_TOP    56.0
#define OB_PLOT_BOTTOM 392.0

/* x are steps, y mostly nats per token; SVG's y axis points down, which ob_plot_y turns round. */
typedef struct ob_plot {
    ob_buffer *out;
    double left, right, top, bottom; /* pixels of the plot area */
    double x0, x1, y0, y1;           /* data at its left, right, bottom and top edge */
} ob_plot;

/* Neither NaN nor infinite; gaps in a curve are NaN. */
static int ob_is_number(double v) { return v >= -DBL_MAX && v <= DBL_MAX; }

/* A number with some decimals (0..6) and a point, whatever the locale says; cut to +-1e9. */
static void ob_svg_fixed(ob_buffer *out, double v, int decimals) {
    long long scale = 1, n;
    int i;
    for (i = 0; i < decimals; i++) scale *= 10;
    if (!(v > -1e9)) v = -1e9;
    if (v > 1e9) v = 1e9;
    n = (long long)floor(fabs(v) * (double)scale + 0.5);
    if (v < 0 && n) ob_buffer_text(out, "-");
    ob_buffer_format(out, "%ld", (long)(n / scale));
    if (decimals) ob_buffer_format(out, ".%0*ld", decimals, (long)(n % scale));
}

/* Text of any origin, for XML and HTML: what they reserve is escaped, lines stay lines, and what
   is no printable character becomes '?'. */
static void ob_svg_chars(ob_buffer *out, const char *text, size_t n) {
    while (n) {
        uint32_t code;
        size_t used = ob_utf8_decode(text, n, &code);
        int bad = (code < 32 && code != '\n' && code != '\t') || (code >= 127 && code < 160) ||
                  code == 0xFFFEu || code == 0xFFFFu || code > 0x10FFFFu;
        if (code == '<') ob_buffer_text(out, "&lt;");
        else if (code == '>') ob_buffer_text(out, "&gt;");
        else if (code == '&') ob_buffer_text(out, "&amp;");
        else if (code == '"') ob_buffer_text(out, "&quot;");
        else if (code == '\'') ob_buffer_text(out, "&#39;");
        else if (bad) ob_buffer_text(out, "?");
        else ob_buffer_add(out, text, used);
        text += used;
        n -= used;
    }
}
/* A terminated text. */
static void ob_svg_text(ob_buffer *out, const char *text) { ob_svg_chars(out, text, strlen(text)); }

/* Pixel of a datum. */
static double ob_plot_x(const ob_plot *p, double x) {
    return p->left + (x - p->x0) / (p->x1 - p->x0) * (p->right - p->left);
}
/* Where a value stands; larger ones are higher. */
static double ob_plot_y(const ob_plot *p, double y) {
    return p->bottom - (y - p->y0) / (p->y1 - p->y0) * (p->bottom - p->top);
}

/* The nearest distance of ticks 1, 2 or 5 times a power of ten that gives about n of them in span.
 */
static double ob_plot_tick(double span, int n) {
    double raw = span / n, power = pow(10.0, floor(log10(raw))), f = raw / power;
    return power * (f < 1.5 ? 1.0 : f < 3.5 ? 2.0 : f < 7.5 ? 5.0 : 10.0);
}

/* Grows [lo, hi] to hold v. */
static void ob_plot_hold(double v, double *lo, double *hi) {
    if (!ob_is_number(v)) return;
    if (v < *lo) *lo = v;
    if (v > *hi) *hi = v;
}

/* The smoothed loss: a running mean whose window is a tenth of the points so far, 1 to n / 40 of
   them, so that the steep beginning is not smeared. Carries on over gaps. */
static double ob_plot_smooth(double *mean, double v, size_t i, size_t n) {
    double most = (double)(n / 20 + 1), window = (double)i / 10.0 + 1.0;
    if (!ob_is_number(v)) return v;
    if (window > most) window = most;
    if (!ob_is_number(*mean)) *mean = v;
    else *mean += (v - *mean) * 2.0 / (window + 1.0);
    return *mean;
}

/* A plot area without data. */
static ob_plot ob_plot_open(ob_buffer *out, double left, double right, double top, double bottom) {
    ob_plot p;
    p.out = out;
    p.left = left, p.right = right, p.top = top, p.bottom = bottom;
    p.x0 = p.y0 = DBL_MAX;
    p.x1 = p.y1 = -DBL_MAX;
    return p;
}

/* Makes the ranges hold a curve: all of x; y smoothed when it is shown so, that a single wild raw
   value does not flatten the picture. */
static void ob_plot_curve(ob_plot *p, const double *x, const double *y, size_t n, int smooth) {
    double mean = NAN;
    size_t i;
    for (i = 0; i < n; i++) {
        ob_plot_hold(x[i], &p->x0, &p->x1);
        ob_plot_hold(smooth ? ob_plot_smooth(&mean, y[i], i, n) : y[i], &p->y0, &p->y1);
    }
}

/* After the last curve: some air above and below. Empty data give 0..1. */
static void ob_plot_settle(ob_plot *p) {
    double air;
    if (p->x0 > p->x1) p->x0 = 0.0, p->x1 = 1.0;
    if (p->y0 > p->y1) p->y0 = 0.0, p->y1 = 1.0;
    if (p->x1 - p->x0 < 1e-9) p->x1 = p->x0 + 1.0;
    air = (p->y1 - p->y0) * 0.06;
    if (air < 1e-6) air = 0.05;
    p->y0 = p->y0 >= 0.0 && p->y0 < air ? 0.0 : p->y0 - air;
    p->y1 += air;
}

/* One vertex; command M starts a line, L goes on. */
static void ob_svg_vertex(const ob_plot *p, char command, double px, double y) {
    double py = ob_plot_y(p, y);
    ob_buffer_format(p->out, "%c", command);
    ob_svg_fixed(p->out, px, 1);
    ob_buffer_text(p->out, " ");
    ob_svg_fixed(p->out, py < -2000.0 ? -2000.0 : py > 2000.0 ? 2000.0 : py, 1);
}

/* A line through the points, smoothed or not. A gap (not a number) in `y` breaks the raw line.
   Points that fall on the same half pixel become one vertical stroke from the least to the
   greatest, which bounds the file by the width of the picture. join: step over gaps instead
   (validation is sparse). */
static void ob_svg_line(const ob_plot *p, const char *kind, const double *x, const double *y,
                        size_t n, int smooth, int join) {
    double mean = NAN, low = 0, high = 0, column = -1.0;
    size_t i;
    int open = 0, held = 0;
    ob_buffer_format(p->out, "<path class=\"%s\" d=\"", kind);
    for (i = 0; i <= n; i++) {
        double v = NAN, c = -1.0;
        if (i < n && ob_is_number(x[i]) && ob_is_number(y[i])) {
            v = smooth ? ob_plot_smooth(&mean, y[i], i, n) : y[i];
            c = floor(ob_plot_x(p, x[i]) * 2.0) / 2.0;
        }
        if (held && (c < column || c > column || !ob_is_number(v))) { /* the column is complete */
            ob_svg_vertex(p, open ? 'L' : 'M', column, low);
            if (high > low) ob_svg_vertex(p, 'L', column, high);
            open = 1;
            held = 0;
        }
        if (ob_is_number(v)) {
            if (!held || v < low) low = v;
            if (!held || v > high) high = v;
            column = c;
            held = 1;
        } else if (!join) open = 0;
    }
    ob_buffer_text(p->out, "\"/>\n");
}

/* Validation points as dots, at most about 200 so that they stay apart. */
static void ob_svg_dots(const ob_plot *p, const char *kind, const double *x, const double *y,
                        size_t n) {
    double last = -10.0;
    size_t i;
    for (i = 0; i < n; i++) {
        double px;
        if (!ob_is_number(x[i]) || !ob_is_number(y[i])) continue;
        px = ob_plot_x(p, x[i]);
        if (px - last < 3.5) continue;
        last = px;
        ob_buffer_format(p->out, "<circle class=\"%s\" r=\"2.6\" cx=\"", kind);
        ob_svg_fixed(p->out, px, 1);
        ob_buffer_text(p->out, "\" cy=\"");
        ob_svg_fixed(p->out, ob_plot_y(p, y[i]), 1);
        ob_buffer_text(p->out, "\"/>\n");
    }
}

/* Opens a text element; the caller adds the text and </text>. */
static void ob_svg_label(ob_buffer *out, const char *kind, double px, double py) {
    ob_buffer_format(out, "<text class=\"%s\" x=\"", kind);
    ob_svg_fixed(out, px, 1);
    ob_buffer_text(out, "\" y=\"");
    ob_svg_fixed(out, py, 1);
    ob_buffer_text(out, "\">");
}

/* A straight stroke between two pixels. */
static void ob_svg_stroke(ob_buffer *out, const char *kind, double ax, double ay, double bx,
                          double by) {
    ob_buffer_format(out, "<path class=\"%s\" d=\"M", kind);
    ob_svg_fixed(out, ax, 1);
    ob_buffer_text(out, " ");
    ob_svg_fixed(out, ay, 1);
    ob_buffer_text(out, "L");
    ob_svg_fixed(out, bx, 1);
    ob_buffer_text(out, " ");
    ob_svg_fixed(out, by, 1);
    ob_buffer_text(out, "\"/>\n");
}

/* Decimals that tell ticks of this distance apart. */
static int ob_plot_decimals(double tick) {
    int n = 0;
    while (n < 6 && tick < 0.99) {
        tick *= 10.0;
        n++;
    }
    return n;
}

/* A tick of the steps axis: thousands as "5k", millions as "2M" when all ticks are such. */
static void ob_svg_step(ob_buffer *out, double v, double tick) {
    if (tick >= 1e6) ob_svg_fixed(out, v / 1e6, 0), ob_buffer_text(out, "M");
    else if (tick >= 1e3) ob_svg_fixed(out, v / 1e3, 0), ob_buffer_text(out, v > 0 ? "k" : "");
    else ob_svg_fixed(out, v, ob_plot_decimals(tick));
}

/* About ny horizontal grid lines, and nx ticks below for steps; ticks are whole multiples of their
   distance, the small number forgives rounding at the edge. 40 bounds the loop, whatever the
   ranges. */
static void ob_svg_axes(const ob_plot *p, int nx, int ny) {
    double tick = ob_plot_tick(p->y1 - p->y0, ny), v;
    int i;
    for (i = 0; i < 40; i++) {
        v = (ceil(p->y0 / tick - 1e-9) + i) * tick;
        if (v > p->y1) break;
        ob_svg_stroke(p->out, "grid", p->left, ob_plot_y(p, v), p->right, ob_plot_y(p, v));
        ob_svg_label(p->out, "tick end", p->left - 8, ob_plot_y(p, v) + 4);
        ob_svg_fixed(p->out, v, ob_plot_decimals(tick));
        ob_buffer_text(p->out, "</text>\n");
    }
    tick = ob_plot_tick(p->x1 - p->x0, nx);
    for (i = 0; i < 40; i++) {
        v = (ceil(p->x0 / tick - 1e-9) + i) * tick;
        if (v > p->x1 + tick * 1e-9) break;
        ob_svg_stroke(p->out, "axis", ob_plot_x(p, v), p->bottom, ob_plot_x(p, v), p->bottom + 5);
        ob_svg_label(p->out, "tick mid", ob_plot_x(p, v), p->bottom + 19);
        ob_svg_step(p->out, v, tick);
        ob_buffer_text(p->out, "</text>\n");
    }
    ob_svg_stroke(p->out, "axis", p->left, p->bottom, p->right, p->bottom);
}

/* What the axes of loss.svg mean. */
static void ob_svg_axis_names(const ob_plot *p) {
    ob_svg_label(p->out, "tick mid", (p->left + p->right) / 2, 430);
    ob_buffer_text(p->out, "step</text>\n");
    ob_buffer_format(p->out,
                     "<text class=\"tick mid\" transform=\"translate(18 %d) rotate(-90)\">"
                     "loss (nats per token)</text>\n",
                     (int)((p->top + p->bottom) / 2));
}

/* The name of the reference line: above it, or below where the curve ends on it from above. */
static void ob_svg_reference(const ob_plot *p, double v, const double *train, size_t n) {
    double py = ob_plot_y(p, v), mean = NAN;
    size_t i;
    for (i = 0; i < n; i++) (void)ob_plot_smooth(&mean, train[i], i, n);
    py += v <= mean && py + 16.0 < p->bottom ? 14.0 : -5.0;
    ob_svg_label(p->out, "note end", p->right - 4, py);
    ob_buffer_text(p->out, "unigram entropy</text>\n");
}

/* One entry of the legend: a sample of the line and its name; gives the place of the next. */
static double ob_svg_legend(const ob_plot *p, double px, const char *kind, const char *name) {
    ob_svg_stroke(p->out, kind, px, 36, px + 22, 36);
    ob_svg_label(p->out, "tick", px + 28, 40);
    ob_buffer_text(p->out, name);
    ob_buffer_text(p->out, "</text>\n");
    return px + 50 + 6.4 * (double)strlen(name);
}

/* Colours by class; the second set is for viewers that prefer a dark page. */
static void ob_svg_open(ob_buffer *out, const char *title) {
    ob_buffer_text(
        out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 440\" width=\"800\" "
             "height=\"440\" role=\"img\" font-family=\"system-ui,sans-serif\" "
             "font-size=\"12\">\n<style>\n"
             ".page{fill:#fcfcfa}.title{fill:#1c1e21;font-size:16px;font-weight:600}\n"
             ".tick{fill:#555b64}.note{fill:#8a4b08;font-size:11px;"
             "stroke:#fcfcfa;stroke-width:3;paint-order:stroke;stroke-linejoin:round}\n"
             ".end{text-anchor:end}.mid{text-anchor:middle}\n"
             "path{fill:none;stroke-linejoin:round}.grid{stroke:#e3e4e0}.axis{stroke:#8c9199}\n"
             ".raw{stroke:#2f6fb5;stroke-opacity:.28}.train{stroke:#2f6fb5;stroke-width:2}\n"
             ".val{stroke:#d1495b;stroke-width:1.8}.dot{fill:#d1495b}\n"
             ".ref{stroke:#c07a1e;stroke-dasharray:6 4}\n");
    ob_buffer_text(
        out,
        "@media (prefers-color-scheme:dark){.page{fill:#17191c}.title{fill:#eceef0}\n"
        ".tick{fill:#a7adb5}.note{fill:#e3a857;stroke:#17191c}.grid{stroke:#2b2f34}.axis{stroke:#"
        "6b7178}\n"
        ".raw{stroke:#6ea8e6}.train{stroke:#6ea8e6}.val{stroke:#f0808d}.dot{fill:#f0808d}}\n"
        "</style>\n<clipPath id=\"area\"><rect x=\"62\" y=\"56\" width=\"718\" height=\"336\"/>"
        "</clipPath>\n<rect class=\"page\" width=\"800\" height=\"440\" rx=\"6\"/>\n");
    ob_svg_label(out, "title", OB_PLOT_LEFT, 24);
    ob_svg_text(out, title);
    ob_buffer_text(out, "</text>\n");
}

/* Writes the picture: x are steps, which must not fall; train and val [n] are losses in nats per
   token, NaN = nothing at that step; unigram is a horizontal reference, NaN = none. */
static void ob_svg_curve(ob_buffer *out, const double *x, const double *train, const double *val,
                         size_t n, const char *title, double unigram) {
    ob_plot p = ob_plot_open(out, OB_PLOT_LEFT, OB_PLOT_RIGHT, OB_PLOT_TOP, OB_PLOT_BOTTOM);
    int known = ob_is_number(unigram);
    double px;
    ob_plot_curve(&p, x, train, n, 1);
    ob_plot_curve(&p, x, val, n, 0);
    ob_plot_hold(unigram, &p.y0, &p.y1);
    ob_plot_settle(&p);
    ob_svg_open(out, title);
    ob_svg_axes(&p, 8, 6);
    ob_svg_axis_names(&p);
    px = ob_svg_legend(&p, OB_PLOT_LEFT, "train", "training (smoothed)");
    px = ob_svg_legend(&p, px, "val", "validation");
    if (known) {
        double py = ob_plot_y(&p, unigram);
        (void)ob_svg_legend(&p, px, "ref", "reference");
        ob_svg_stroke(out, "ref", OB_PLOT_LEFT, py, OB_PLOT_RIGHT, py);
    }
    ob_buffer_text(out, "<g clip-path=\"url(#area)\">\n");
    ob_svg_line(&p, "raw", x, train, n, 0, 0);
    ob_svg_line(&p, "train", x, train, n, 1, 0);
    ob_svg_line(&p, "val", x, val, n, 0, 1);
    ob_svg_dots(&p, "dot", x, val, n);
    ob_buffer_text(out, "</g>\n");
    if (known) ob_svg_reference(&p, unigram, train, n); /* over the curves, with a halo */
    ob_buffer_text(out, "</svg>\n");
}

/* ---- codes.csv and samples.csv: the tables behind the pictures ----
   A run keeps the rows of these files as text, without the head, and the report is drawn from that
   text: file and picture cannot differ, and a resumed run copies the rows that it goes on from. */

#define OB_CODES_HEAD   "step,layer,minus,zero,plus,flipped\n"
#define OB_SAMPLES_HEAD "step,prompt,text\n"

/* Takes one cell (RFC 4180) into an emptied buffer, whose text is then terminated; NULL = passes
   over it. Gives what ended the cell: ',', '\n', or 0 at the end. */
static int ob_csv_cell(const char **p, const char *end, ob_buffer *cell) {
    const char *from;
    if (cell) cell->n = 0;
    if (*p < end && **p == '"')
        for (++*p; *p < end; ++*p) {
            if (**p == '"' && (++*p == end || **p != '"')) break;
            if (cell) ob_buffer_add(cell, *p, 1);
        }
    for (from = *p; *p < end && **p != ',' && **p != '\n';) ++*p;
    if (cell) ob_buffer_add(cell, from, (size_t)(*p - from));
    return *p < end ? *(*p)++ : 0;
}

/* Takes one record; the first cells go into column[most] as numbers, NaN for a cell that is none.
   Gives the number of cells, most + 1 for any more, 0 for a record that the text's end cuts. */
static int ob_csv_record(const char **p, const char *end, double *column, int most) {
    int n = 0, ended;
    do {
        ob_slice cell;
        double v;
        cell.p = *p;
        ended = ob_csv_cell(p, end, NULL);
        cell.n = (size_t)(*p - cell.p) - (ended != 0);
        if (n < most) column[n] = cell.n && ob_number_parse(cell, &v) ? v : NAN;
        n += n <= most;
    } while (ended == ',');
    return ended ? n : 0;
}

/* Adds a record of numbers; one that was not measured is an empty cell. */
static void ob_csv_numbers(ob_buffer *out, const double *column, int n) {
    char cell[64];
    int i;
    for (i = 0; i < n; i++) {
        ob_out o = ob_out_on(cell, sizeof cell);
        if (ob_is_number(column[i])) ob_out_number(&o, column[i]);
        ob_buffer_add(out, cell, o.n);
        ob_buffer_text(out, i + 1 < n ? "," : "\n");
    }
}

/* Adds a text as a quoted cell; what is no character becomes U+FFFD, control bytes '?'. */
static void ob_csv_quote(ob_buffer *out, const char *text, size_t n) {
    ob_buffer_text(out, "\"");
    while (n) {
        char bytes[4];
        uint32_t code;
        size_t used = ob_utf8_decode(text, n, &code);
        if (code == '"') ob_buffer_text(out, "\"\"");
        else if (code < 32 && code != '\n' && code != '\t') ob_buffer_text(out, "?");
        else ob_buffer_add(out, bytes, ob_utf8_encode(code, bytes));
        text += used, n -= used;
    }
    ob_buffer_text(out, "\"");
}

/* Copies the records of an earlier file, its head excepted, whose first cell is a step up to last.
   A record that the file's end cuts is left out. */
static void ob_csv_keep(ob_buffer *kept, const char *p, const char *end, double last) {
    double step = NAN;
    (void)ob_csv_record(&p, end, &step, 1);
    while (p < end) {
        const char *record = p;
        if (ob_csv_record(&p, end, &step, 1) && step <= last)
            ob_buffer_add(kept, record, (size_t)(p - record));
    }
}

/* One row of codes.csv: shares 0..1 of the codes of a layer, and of those that changed since the
   row before. */
typedef struct ob_code_row {
    double step, layer, minus, zero, plus, flipped;
} ob_code_row;
#define OB_CODE_COLUMNS 6

/* All rows of a codes.csv without head, in a new block, NULL when there are none. Rows with a cell
   that is no number, or no layer, are passed over. */
static onebit_status ob_csv_codes(const ob_buffer *text, ob_code_row **out, size_t *count) {
    const char *p = text->n ? text->p : "", *end = p + text->n;
    ob_buffer rows = ob_buffer_new(&text->env);
    double column[OB_CODE_COLUMNS];
    while (p < end) {
        int i, good = ob_csv_record(&p, end, column, OB_CODE_COLUMNS) == OB_CODE_COLUMNS;
        for (i = 0; i < OB_CODE_COLUMNS; i++) good = good && ob_is_number(column[i]);
        if (good && column[1] >= 0 && column[1] < ONEBIT_MAX_LAYERS)
            ob_buffer_add(&rows, column, sizeof column);
    }
    if (rows.failed) ob_buffer_free(&rows);
    *out = (ob_code_row *)(void *)rows.p, *count = rows.n / sizeof column;
    return rows.failed ? ob_fail(ONEBIT_MEMORY, "codes.csv: no memory for its rows") : ONEBIT_OK;
}

/* ---- report.html: a run on one page ----
   One file without scripts and without other files, for people: it is read on a phone, printed,
   sent by mail. Text of any origin passes ob_svg_chars and stands between tags, never in an
   attribute. Pictures have the page's colours through classes, light or dark as the reader
   likes. */

/* The measured columns of metrics.csv, [n] each; NaN where nothing was measured; lr in 1/1000. */
typedef struct ob_curves {
    const double *step, *loss, *val, *lr, *norm;
    size_t n;
} ob_curves;

/* What a run has come to; 0 = not known. Losses in nats per token. */
typedef struct ob_figures {
    double steps, train_loss, val_loss, bits_per_byte, tokens, epochs, seconds, speed;
    double objective; /* the training loss with label_smoothing, 0 without */
    double parameters, model_bytes;
} ob_figures;

/* All that the report tells; texts may be NULL. twin_curves.n = 0: there is no twin. */
typedef struct ob_report {
    ob_curves curves, twin_curves;
    ob_figures figures, twin;
    const ob_buffer *codes, *samples; /* rows of the files, without head */
    const char *warnings;             /* one per line */
    const char *command, *config, *options;
    const uint8_t *layer_modes; /* [layers] */
    double unigram;             /* NaN = not known */
    int layers, max_steps, seed;
} ob_report;

/* Colours are variables, so that dark pages change them in one place. Series differ in lightness or
   dashes too, for readers who see few colours and for paper. */
static void ob_report_style(ob_buffer *out) {
    ob_buffer_text(
        out,
        "<style>\n"
        ":root{color-scheme:light dark;--page:#f7f7f4;--panel:#fff;--ink:#1c1e21;--soft:#555b64;"
        "--line:#e3e4e0;--axis:#8c9199;--train:#2f6fb5;--val:#d1495b;--twin:#12876a;"
        "--twinval:#7d4cb8;--ref:#b56f14;--minus:#3f7fc4;--zero:#d5d8d2;--plus:#e39033;"
        "--flip:#6b6f78;--warn:#8a4b08}\n"
        "@media screen and (prefers-color-scheme:dark){:root{--page:#121416;--panel:#1b1e21;"
        "--ink:#eceef0;"
        "--soft:#a7adb5;--line:#2e3338;--axis:#6b7178;--train:#6ea8e6;--val:#f0808d;"
        "--twin:#45cfa4;--twinval:#c79bf2;--ref:#e3a857;--minus:#5b9be0;--zero:#40464d;"
        "--plus:#eda24b;--flip:#9aa1aa;--warn:#e3a857}}\n"
        "*{box-sizing:border-box}body{margin:0 auto;max-width:1080px;padding:24px 16px 48px;"
        "background:var(--page);color:var(--ink);font:15px/1.45 system-ui,sans-serif}\n"
        "h1{font-size:24px;line-height:1.2;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}"
        "p{margin:4px 0 12px}.soft,figcaption span,.tile span,.keys{color:var(--soft)}\n"
        ".board{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),"
        "1fr))}.tiles{grid-template-columns:repeat(auto-fill,minmax(150px,1fr))}"
        ".layers{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}.layers figure{max-width:"
        "260px}@media(min-width:900px){.tiles{grid-template-columns:repeat(5,1fr)}}\n");
    ob_buffer_text(
        out,
        "figure,.tile,.card{margin:0;padding:10px 12px;background:var(--panel);border:1px solid "
        "var(--line);border-radius:8px;break-inside:avoid;min-width:0}"
        "figcaption{font-weight:600;font-size:14px}figcaption span{font-weight:400}"
        ".tile b{display:block;font-size:20px;font-weight:600}.tile span,.keys,.small{font-size:"
        "13px}\n"
        "svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}"
        "svg path{fill:none;stroke-linejoin:round}.tick{fill:var(--soft)}.end{text-anchor:end}"
        ".mid{text-anchor:middle}.grid{stroke:var(--line)}"
        ".axis{stroke:var(--axis)}\n"
        ".raw{stroke:var(--train);stroke-opacity:.25}.train{stroke:var(--train);stroke-width:2}"
        ".val{stroke:var(--val);stroke-width:1.8}.twin{stroke:var(--twin);stroke-width:1.6;"
        "stroke-dasharray:6 3}.twinval{stroke:var(--twinval);stroke-width:1.8;stroke-dasharray:"
        "2 3}.ref{stroke:var(--ref);stroke-dasharray:9 5}\n"
        ".dot{fill:var(--val)}.twindot{fill:var(--twinval)}svg path.minus{fill:var(--minus)}"
        "svg path.zero{fill:var(--zero)}svg path.plus{fill:var(--plus)}svg path.flip{fill:"
        "var(--flip)}.key{display:inline-block;vertical-align:middle;width:22px;height:8px;"
        "margin:0 6px 2px 0}.keys span{display:inline-block;margin-right:16px}"
        ".key.box{width:12px;height:12px}.box.minus{background:var(--minus)}.box.zero{background:"
        "var(--zero)}.box.plus{background:var(--plus)}.box.flip{background:var(--flip)}\n");
    ob_buffer_text(
        out,
        "pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.45 ui-monospace,"
        "Menlo,Consolas,monospace}.card+.card{margin-top:8px}.board .card{margin-top:0}"
        ".prompt{color:var(--soft)}.warn{margin-top:12px;border-left:4px solid var(--ref);"
        "color:var(--warn)}sup{line-height:0}"
        "table{border-collapse:collapse;width:100%;background:var(--panel);border:1px solid "
        "var(--line)}.wide{overflow-x:auto}"
        "th,td{padding:6px 12px;text-align:right;border-top:1px solid var(--line)}"
        "th:first-child{text-align:left;font-weight:400}thead th{border:0;color:var(--soft);"
        "font-weight:600}\n"
        "@media(max-width:500px){svg{font-size:16px}}@page{margin:14mm}\n"
        "@media print{body{padding:0 2px;max-width:none;font-size:11pt;background:"
        "#fff;-webkit-print-color-adjust:exact;print-color-adjust:exact}h2{break-after:avoid}"
        ".board{grid-template-columns:1fr 1fr}.tiles,.layers{grid-template-columns:repeat(4,1fr)}"
        "}\n"
        "</style>\n");
}

/* A large number in few digits: "12.3 M". step is 1000, units the names of its powers. */
static void ob_report_scaled(ob_buffer *out, double v, const char *const *units, int last) {
    int i = 0, whole;
    while (v >= 999.5 && i < last) v /= 1000.0, i++;
    whole = i == 0 || v >= 99.95;
    ob_svg_fixed(out, v, whole ? 0 : v >= 9.995 ? 1 : 2);
    ob_buffer_text(out, units[i]);
}

/* Seconds as "1 h 20 min", "3 min 5 s" or "4.2 s". */
static void ob_report_time(ob_buffer *out, double seconds) {
    long s = (long)(seconds < 1e9 ? seconds + 0.5 : 1e9);
    if (seconds < 59.95) ob_svg_fixed(out, seconds, 1), ob_buffer_text(out, " s");
    else if (s < 3600) ob_buffer_format(out, "%ld min %ld s", s / 60, s % 60);
    else ob_buffer_format(out, "%ld h %ld min", s / 3600, s / 60 % 60);
}

/* A figure by its kind: f loss, 2 two decimals, c count, b bytes, t seconds. 0 is unknown. */
static void ob_report_value(ob_buffer *out, int kind, double v) {
    static const char *const counts[] = {"", " k", " M", " G", " T"};
    static const char *const sizes[] = {" B", " kB", " MB", " GB", " TB"};
    if (!ob_is_number(v) || v <= 0) ob_buffer_text(out, "&#8211;");
    else if (kind == 'f') ob_svg_fixed(out, v, 4);
    else if (kind == '2') ob_svg_fixed(out, v, 2);
    else if (kind == 't') ob_report_time(out, v);
    else ob_report_scaled(out, v, kind == 'b' ? sizes : counts, 4);
}

/* One figure with its name below. */
static void ob_report_tile(ob_buffer *out, const char *name, int kind, double v) {
    ob_buffer_text(out, "<div class=\"tile\"><b>");
    ob_report_value(out, kind, v);
    ob_buffer_format(out, "</b><span>%s</span></div>\n", name);
}

/* e^loss, and 0 for a loss that is not known. */
static double ob_perplexity(double loss) { return loss > 0 ? exp(loss) : 0.0; }

/* Title, state, final figures, warnings. */
static void ob_report_top(ob_buffer *out, const ob_report *r) {
    const ob_figures *f = &r->figures;
    const char *line = r->warnings;
    ob_buffer_text(out, "<h1>");
    ob_report_value(out, 'c', f->parameters);
    ob_buffer_format(out, " parameters, %.0f steps</h1>\n<p class=\"soft\">", f->steps);
    if (f->steps < r->max_steps)
        ob_buffer_format(out, "Step %.0f of %d: the run has not ended.", f->steps, r->max_steps);
    else ob_buffer_text(out, "The run is complete.");
    ob_buffer_text(out, "</p>\n<div class=\"board tiles\">\n");
    ob_report_tile(out, "validation loss, nats per token", 'f', f->val_loss);
    ob_report_tile(out, "bits per byte", 'f', f->bits_per_byte);
    ob_report_tile(out, "perplexity", '2', ob_perplexity(f->val_loss));
    ob_report_tile(out, "training loss, nats per token", 'f', f->train_loss);
    if (f->objective > 0)
        ob_report_tile(out, "training objective, with label smoothing", 'f', f->objective);
    ob_report_tile(out, "model file", 'b', f->model_bytes);
    ob_report_tile(out, "tokens seen", 'c', f->tokens);
    ob_report_tile(out, "epochs", '2', f->epochs);
    ob_report_tile(out, "time", 't', f->seconds);
    ob_report_tile(out, "tokens per second", 'c', f->speed);
    ob_buffer_text(out, "</div>\n");
    while (line && *line) {
        size_t n = strcspn(line, "\n");
        ob_buffer_text(out, "<p class=\"card warn\">");
        ob_svg_chars(out, line, n);
        ob_buffer_text(out, "</p>\n");
        line += n + (line[n] == '\n');
    }
}

/* One curve of a picture. kind and dot are classes; dot NULL = no dots at the values. smooth: 0 =
   as measured, stepping over gaps; 1 = smoothed; 2 = smoothed, and the measured one behind it. */
typedef struct ob_curve {
    const char *kind, *dot;
    const double *x, *y;
    size_t n;
    int smooth;
} ob_curve;

/* A curve from its parts. */
static ob_curve ob_curve_of(const char *kind, const char *dot, const double *x, const double *y,
                            size_t n, int smooth) {
    ob_curve l;
    l.kind = kind, l.dot = dot;
    l.x = x, l.y = y, l.n = n;
    l.smooth = smooth;
    return l;
}

/* Draws it, the measured values behind the smoothed ones. */
static void ob_report_line(const ob_plot *p, const ob_curve *l) {
    if (l->smooth == 2) ob_svg_line(p, "raw", l->x, l->y, l->n, 0, 0);
    ob_svg_line(p, l->kind, l->x, l->y, l->n, l->smooth > 0, l->smooth == 0);
    if (l->dot) ob_svg_dots(p, l->dot, l->x, l->y, l->n);
}

/* A picture of curves over steps, with a dashed line at reference when that is a number. name is
   unique on the page, caption its title in HTML. */
static void ob_report_plot(ob_buffer *out, const char *name, const char *caption,
                           const ob_curve *lines, int count, double reference) {
    ob_plot p = ob_plot_open(out, 50.0, 464.0, 10.0, 232.0);
    int i;
    for (i = 0; i < count; i++)
        ob_plot_curve(&p, lines[i].x, lines[i].y, lines[i].n, lines[i].smooth > 0);
    ob_plot_hold(reference, &p.y0, &p.y1);
    ob_plot_settle(&p);
    ob_buffer_format(out,
                     "<figure><figcaption>%s</figcaption>\n<svg viewBox=\"0 0 480 258\" role="
                     "\"img\"><clipPath id=\"%s\"><rect x=\"50\" y=\"10\" width=\"415\" height="
                     "\"222\"/></clipPath>\n",
                     caption, name);
    ob_svg_axes(&p, 5, 5);
    if (ob_is_number(reference))
        ob_svg_stroke(out, "ref", p.left, ob_plot_y(&p, reference), p.right,
                      ob_plot_y(&p, reference));
    ob_buffer_format(out, "<g clip-path=\"url(#%s)\">\n", name);
    for (i = 0; i < count; i++) ob_report_line(&p, lines + i);
    ob_buffer_text(out, "</g></svg></figure>\n");
}

/* The curves of a run from a step on, as two lines. */
static void ob_report_losses(ob_curve line[2], const ob_curves *c, double from, int twin) {
    size_t i = 0;
    while (i < c->n && c->step[i] < from) i++;
    line[0] = ob_curve_of(twin ? "twin" : "train", NULL, c->step + i, c->loss + i, c->n - i,
                          twin ? 1 : 2);
    line[1] = ob_curve_of(twin ? "twinval" : "val", twin ? "twindot" : "dot", c->step + i,
                          c->val + i, c->n - i, 0);
}

/* One entry of a legend: a piece of the line, and what it is. */
static void ob_report_key(ob_buffer *out, const char *kind, const char *text) {
    ob_buffer_format(out,
                     "<span><svg class=\"key\" viewBox=\"0 0 22 8\"><path class=\"%s\" "
                     "d=\"M0 4L22 4\"/></svg>%s</span>\n",
                     kind, text);
}

/* Loss and validation, whole and in the second half, where a curve that began at ln V is flat in
   the first picture; then learning rate and gradient norm. */
static void ob_report_plots(ob_buffer *out, const ob_report *r) {
    const ob_curves *c = &r->curves;
    double half = c->n ? c->step[c->n - 1] / 2 : 0.0;
    int count = r->twin_curves.n ? 4 : 2;
    ob_curve line[4];
    ob_buffer_text(out, "<h2>Curves</h2>\n<p class=\"keys\">");
    ob_report_key(out, "train", "training (smoothed)");
    ob_report_key(out, "val", "validation");
    if (count > 2) ob_report_key(out, "twin", "float32 twin, training");
    if (count > 2) ob_report_key(out, "twinval", "float32 twin, validation");
    if (ob_is_number(r->unigram)) ob_report_key(out, "ref", "unigram entropy");
    ob_buffer_text(out, "</p>\n<div class=\"board\">\n");
    ob_report_losses(line, c, 0.0, 0);
    ob_report_losses(line + 2, &r->twin_curves, 0.0, 1);
    ob_report_plot(out, "loss", "Loss <span>nats per token, over steps</span>", line, count,
                   r->unigram);
    ob_report_losses(line, c, half, 0);
    ob_report_losses(line + 2, &r->twin_curves, half, 1);
    ob_report_plot(out, "half", "Loss <span>second half of the run</span>", line, count, NAN);
    line[0] = ob_curve_of("train", NULL, c->step, c->lr, c->n, 0);
    ob_report_plot(out, "rate", "Learning rate <span>&#215; 10<sup>&#8722;3</sup></span>", line, 1,
                   NAN);
    line[0] = ob_curve_of("train", NULL, c->step, c->norm, c->n, 2);
    ob_report_plot(out, "norm", "Gradient norm <span>before clipping</span>", line, 1, NAN);
    ob_buffer_text(out, "</div>\n");
}

/* What an area shows of a row, 0..1: the share of -1, that and 0, or the flips. */
static double ob_code_height(const ob_code_row *row, int kind, double most) {
    double v = kind == 'm' ? row->minus : kind == 'z' ? row->minus + row->zero : row->flipped;
    if (kind == 'f') v = most > 0 ? v / most : 0.0;
    return v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v;
}

/* The filled area under one layer's values, 200 wide; rows closer than half a pixel are left out,
   the first value holds from the left edge on. */
static void ob_report_area(ob_buffer *out, const char *name, int kind, const ob_code_row *rows,
                           size_t n, int layer, double top, double height, double most) {
    double last = n ? rows[n - 1].step : 1.0, at = -1.0, y = top + height;
    size_t i;
    ob_buffer_format(out, "<path class=\"%s\" d=\"M0 ", name);
    ob_svg_fixed(out, y, 1);
    for (i = 0; i < n; i++) {
        double x = last > 0 ? 200.0 * rows[i].step / last : 200.0;
        if ((int)rows[i].layer != layer || (x - at < 0.5 && rows[i].step < last)) continue;
        y = top + height * (1.0 - ob_code_height(rows + i, kind, most));
        ob_buffer_text(out, at < 0 ? "L0 " : "L");
        if (at < 0) ob_svg_fixed(out, y, 1), ob_buffer_text(out, "L");
        ob_svg_fixed(out, x, 1);
        ob_buffer_text(out, " ");
        ob_svg_fixed(out, y, 1);
        at = x;
    }
    ob_buffer_text(out, "L");
    ob_svg_fixed(out, at < 0 ? 0.0 : at, 1);
    ob_buffer_text(out, " ");
    ob_svg_fixed(out, top + height, 1);
    ob_buffer_text(out, "Z\"/>\n");
}

/* A share as a whole percentage. */
static void ob_report_share(ob_buffer *out, const char *name, double v) {
    ob_buffer_text(out, name);
    ob_svg_fixed(out, 100.0 * v, 0);
    ob_buffer_text(out, "&#160;%");
}

/* One layer: -1 at the bottom, 0, +1 on top; below them the flips; then the last row in words. */
static void ob_report_layer(ob_buffer *out, const ob_report *r, const ob_code_row *rows, size_t n,
                            int layer, double most) {
    const ob_code_row *last = NULL;
    size_t i;
    for (i = 0; i < n; i++)
        if ((int)rows[i].layer == layer) last = rows + i;
    if (!last) return;
    ob_buffer_format(out, "<figure><figcaption>Layer %d <span>%s</span></figcaption>\n", layer,
                     onebit_mode_name((onebit_mode)r->layer_modes[layer]));
    ob_buffer_text(out, "<svg viewBox=\"0 0 200 122\" role=\"img\">"
                        "<path class=\"plus\" d=\"M0 0H200V80H0Z\"/>\n");
    ob_report_area(out, "zero", 'z', rows, n, layer, 0.0, 80.0, 0.0);
    ob_report_area(out, "minus", 'm', rows, n, layer, 0.0, 80.0, 0.0);
    ob_report_area(out, "flip", 'f', rows, n, layer, 88.0, 32.0, most);
    ob_buffer_text(out, "<path class=\"axis\" d=\"M0 120.5H200\"/></svg>\n<div class=\"small "
                        "soft\">");
    ob_report_share(out, "&#8722;1&#160;", last->minus);
    ob_report_share(out, ", 0&#160;", last->zero);
    ob_report_share(out, ", +1&#160;", last->plus);
    ob_buffer_text(out, "</div></figure>\n");
}

/* A legend entry of an area; share is added when it is a number. */
static void ob_report_box(ob_buffer *out, const char *kind, const char *text, double share) {
    ob_buffer_format(out, "<span><i class=\"key box %s\"></i>%s", kind, text);
    if (ob_is_number(share)) ob_svg_fixed(out, 100.0 * share, 2), ob_buffer_text(out, " %");
    ob_buffer_text(out, "</span>\n");
}

/* The codes of all layers over the run; nothing when none were counted (float blocks, or
   --debug-every 0). */
static void ob_report_codes(ob_buffer *out, const ob_report *r) {
    ob_code_row *rows;
    size_t n, i;
    double most = 0.0;
    int layer;
    if (ob_csv_codes(r->codes, &rows, &n) != ONEBIT_OK) out->failed = 1;
    for (i = 0; i < n; i++) most = rows[i].flipped > most ? rows[i].flipped : most;
    if (n) {
        ob_buffer_text(out, "<h2>Codes of each layer</h2>\n<p class=\"keys\">");
        ob_report_box(out, "plus", "+1", NAN);
        ob_report_box(out, "zero", "0", NAN);
        ob_report_box(out, "minus", "&#8722;1", NAN);
        ob_report_box(out, "flip", "changed since the count before; full height = ", most);
        ob_buffer_format(out, "<span>steps 0 to %.0f</span></p>\n", rows[n - 1].step);
        ob_buffer_text(out, "<div class=\"board layers\">\n");
        for (layer = 0; layer < r->layers; layer++) ob_report_layer(out, r, rows, n, layer, most);
        ob_buffer_text(out, "</div>\n");
    }
    ob_release(&r->codes->env, rows);
}

#define OB_REPORT_SAMPLES 24 /* shown; samples.csv has all */

/* Texts by the deployed weights, the newest last; the prompt is set off. */
static void ob_report_samples(ob_buffer *out, const ob_report *r) {
    static const char *const before[] = {"<div class=\"card\"><div class=\"small soft\">step ",
                                         "</div><pre><span class=\"prompt\">", "</span>"};
    static const char *const after[] = {"", "</div></div>\n", "</span></pre></div>\n",
                                        "</pre></div>\n"};
    const char *p = r->samples->n ? r->samples->p : "", *end = p + r->samples->n, *count = p;
    ob_buffer cell = ob_buffer_new(&out->env);
    int ended, records = 0, record;
    while (count < end) records += ob_csv_cell(&count, end, NULL) != ',';
    if (records) ob_buffer_text(out, "<h2>What it writes</h2>\n");
    for (record = 0; record < records; record++) {
        int column = 0, shown = records - record <= OB_REPORT_SAMPLES;
        do {
            ended = ob_csv_cell(&p, end, shown && column < 3 ? &cell : NULL);
            if (!shown || column > 2) continue;
            ob_buffer_text(out, before[column++]);
            if (cell.failed) out->failed = 1;
            else ob_svg_chars(out, cell.p, cell.n);
        } while (ended == ',');
        if (shown) ob_buffer_text(out, after[column]); /* of a row that is cut short, too */
    }
    ob_buffer_free(&cell);
}

/* A row of the comparison: this model's figure, the twin's, and how they differ: a share of the
   twin's, or for kind b how many times smaller. */
static void ob_report_compare(ob_buffer *out, const char *name, int kind, double a, double b) {
    ob_buffer_format(out, "<tr><th>%s</th><td>", name);
    ob_report_value(out, kind, a);
    ob_buffer_text(out, "</td><td>");
    ob_report_value(out, kind, b);
    ob_buffer_text(out, "</td><td>");
    if (!(a > 0 && b > 0)) ob_buffer_text(out, "&#8211;");
    else if (kind == 'b') ob_svg_fixed(out, b / a, 1), ob_buffer_text(out, " times smaller");
    else {
        ob_buffer_text(out, a > b ? "+" : "");
        ob_svg_fixed(out, 100.0 * (a - b) / b, 1);
        ob_buffer_text(out, " %");
    }
    ob_buffer_text(out, "</td></tr>\n");
}

/* The mode that all blocks have, or "mixed". */
static const char *ob_report_mode(const ob_report *r) {
    int i;
    for (i = 1; i < r->layers; i++)
        if (r->layer_modes[i] != r->layer_modes[0]) return "mixed";
    return onebit_mode_name((onebit_mode)r->layer_modes[0]);
}

/* The table beside the twin, as far as it has come; nothing without one. */
static void ob_report_twin(ob_buffer *out, const ob_report *r) {
    const ob_figures *a = &r->figures, *b = &r->twin;
    if (!r->twin_curves.n) return;
    ob_buffer_text(out, "<h2>Beside its float32 twin</h2>\n<p class=\"soft\">The same shape, data, "
                        "seed and settings; only the matrices of the blocks are float32.");
    if (b->steps < a->steps) ob_buffer_format(out, " The twin has come to step %.0f.", b->steps);
    ob_buffer_format(out,
                     "</p>\n<div class=\"wide\"><table><thead><tr><th></th><th>%s</th>"
                     "<th>float32</th><th>difference</th></tr></thead>\n<tbody>\n",
                     ob_report_mode(r));
    ob_report_compare(out, "validation loss, nats per token", 'f', a->val_loss, b->val_loss);
    ob_report_compare(out, "bits per byte", 'f', a->bits_per_byte, b->bits_per_byte);
    ob_report_compare(out, "perplexity", '2', ob_perplexity(a->val_loss),
                      ob_perplexity(b->val_loss));
    ob_report_compare(out, "model file", 'b', a->model_bytes, b->model_bytes);
    ob_report_compare(out, "training time", 't', a->seconds, b->seconds);
    ob_buffer_text(out, "</tbody></table></div>\n");
}

/* A text under a heading, as it stands. */
static void ob_report_text(ob_buffer *out, const char *name, const char *text) {
    if (!text || !*text) return;
    ob_buffer_format(out, "<div class=\"card\"><div class=\"small soft\">%s</div><pre>", name);
    ob_svg_text(out, text);
    ob_buffer_text(out, "</pre></div>\n");
}

/* How the run can be done again. */
static void ob_report_origin(ob_buffer *out, const ob_report *r) {
    char version[256];
    onebit_version_text(version, sizeof version);
    ob_buffer_format(out, "<h2>The run</h2>\n<p>Seed %d, ", r->seed);
    ob_svg_text(out, version);
    ob_buffer_text(out, "</p>\n");
    ob_report_text(out, "command", r->command);
    ob_buffer_text(out, "<h2>Settings</h2>\n<div class=\"board\">\n");
    ob_report_text(out, "model", r->config);
    ob_report_text(out, "training", r->options);
    ob_buffer_text(out, "</div>\n");
}

/* The whole page. */
static void ob_report_write(ob_buffer *out, const ob_report *r) {
    ob_buffer_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                        "<title>onebit training report</title>\n");
    ob_report_style(out);
    ob_buffer_text(out, "</head>\n<body>\n");
    ob_report_top(out, r);
    ob_report_plots(out, r);
    ob_report_codes(out, r);
    ob_report_samples(out, r);
    ob_report_twin(out, r);
    ob_report_origin(out, r);
    ob_buffer_text(out, "</body>\n</html>\n");
}

/* =================================================================================================
   18 >>flow   the two things people come for: generate text, train a model.
   uses: the floors above                                                    used by: your program
   ============================================================================================== */

/* ---- Generate -------------------------------------------------------------------------------- */
/* Tokens are not text: a token may hold half a character, and a stop string may begin inside one
   token and end in another. So text passes two gates. The decoder keeps the bytes of an
   unfinished character; the stream then keeps the longest end of its text that a stop string
   begins with, and lets go of the rest at once. A caller therefore never sees part of a stop
   string, and text is late only while it may become one. */

/* add_start 1: training text has an end token before each document, so a prompt behind one looks
   like a document's beginning. */
ONEBIT_API onebit_generate_options onebit_generate_options_default(void) {
    onebit_generate_options o;
    o.sample = onebit_sample_options_default();
    o.stop = NULL;
    o.add_start = 1;
    return o;
}

#define OB_STOP_MAX 256 /* bytes of a stop string */
#define OB_HELD_MAX 1024 /* a kept beginning (< 256) and one piece (< 512) fit */

/* Text on its way out: held back while it may still become a stop string. */
typedef struct ob_stream {
    const char *const *stop;
    onebit_text_fn on_text;
    void *user;
    char held[OB_HELD_MAX];
    size_t n;
    int found, cancelled;
} ob_stream;

/* First place in the held text where a stop string stands whole, or -1; *keep is set to the length
   of the longest end of the text that begins one. */
static ptrdiff_t ob_stream_find(const ob_stream *s, size_t *keep) {
    ptrdiff_t first = -1;
    size_t at, i, left;
    *keep = 0;
    for (i = 0; s->stop && s->stop[i]; i++) {
        size_t n = strlen(s->stop[i]);
        for (at = 0; n > 0 && at < s->n; at++) {
            left = s->n - at;
            if (memcmp(s->held + at, s->stop[i], left < n ? left : n) != 0) continue;
            if (left >= n && (first < 0 || (ptrdiff_t)at < first)) first = (ptrdiff_t)at;
            if (left < n && left > *keep) *keep = left;
            break;
        }
    }
    return first;
}

/* Hands out the first n held bytes. The text ends in a zero for the caller's convenience, and
   one byte of what follows is put back after it. A caller that cancelled is not called again. */
static void ob_stream_emit(ob_stream *s, size_t n) {
    char rest = s->held[n];
    if (n == 0) return;
    s->held[n] = 0;
    if (s->on_text && !s->cancelled && s->on_text(s->user, s->held, n)) s->cancelled = 1;
    s->held[n] = rest;
    s->n -= n;
    memmove(s->held, s->held + n, s->n);
}

/* Adds text; flush = nothing more will come. */
static void ob_stream_push(ob_stream *s, const char *text, size_t n, int flush) {
    size_t keep;
    ptrdiff_t at;
    memcpy(s->held + s->n, text, n);
    s->n += n;
    at = ob_stream_find(s, &keep);
    if (at >= 0) {
        ob_stream_emit(s, (size_t)at);
        s->found = 1, s->n = 0;
        return;
    }
    ob_stream_emit(s, flush ? s->n : s->n - keep);
}

/* Encodes the prompt (behind a start token, or else an end token, at the start of a conversation)
   and evaluates it. */
static onebit_status ob_generate_prompt(onebit_session *s, const char *prompt, int add_start,
                                        int *count) {
    const onebit_tokenizer *words = s->model->tokenizer;
    size_t bytes = strlen(prompt), n = 0, room = 0, start = 0;
    int end = onebit_tokenizer_end(words);
    int32_t *ids;
    onebit_status status;
    onebit_tokenizer_encode(words, NULL, 0, &room, prompt, bytes, 1); /* only counts */
    ids = (int32_t *)ob_alloc(&s->env, (room + 1) * sizeof(int32_t));
    if (!ids) return ob_fail(ONEBIT_MEMORY, "generate: no memory for a prompt of %zu bytes", bytes);
    if (onebit_tokenizer_start(words) >= 0) end = onebit_tokenizer_start(words);
    if (add_start && s->fed == 0 && end >= 0) ids[start++] = end;
    status = onebit_tokenizer_encode(words, ids + start, room, &n, prompt, bytes, 1);
    if (status == ONEBIT_OK && start + n == 0 && !s->ready)
        status =
            ob_fail(ONEBIT_USAGE, "generate: the prompt is empty and nothing stands before it");
    if (status == ONEBIT_OK) status = onebit_session_eval(s, ids, start + n, NULL);
    ob_release(&s->env, ids);
    *count = (int)(start + n);
    return status;
}

/* Draws the next token. From a copy, because the sampler changes logits and the session's own
   stay for the caller to read. */
static int ob_generate_draw(onebit_session *s, const onebit_sample_options *o, onebit_rng *rng) {
    int V = s->model->config.vocab_size;
    memcpy(s->drawn, s->logits, (size_t)V * sizeof(float));
    return onebit_sample(s->drawn, V, s->tokens, (size_t)s->length, o, rng, s->work);
}

/* Token by token until something says stop; gives its name. Each drawn token is evaluated even
   if it is the last, so that a following call continues behind it. A full context ends the text
   without an error; other failures are passed on. The end token is neither shown nor evaluated. */
static onebit_status ob_generate_loop(onebit_session *s, const onebit_sample_options *o,
                                      ob_stream *stream, onebit_generation *g) {
    const onebit_tokenizer *words = s->model->tokenizer;
    onebit_utf8 state;
    onebit_rng rng;
    char text[512];
    size_t n;
    memset(&state, 0, sizeof state);
    state.begun = 1; /* what is drawn goes on behind the prompt */
    onebit_rng_seed(&rng, (uint64_t)o->seed);
    g->stopped = "length";
    while (g->tokens < o->max_tokens) {
        int32_t id = ob_generate_draw(s, o, &rng);
        onebit_status status;
        if (id == onebit_tokenizer_end(words)) {
            g->stopped = "end";
            break;
        }
        n = onebit_tokenizer_stream(words, &state, id, text, sizeof text);
        ob_stream_push(stream, text, n, 0);
        g->tokens++;
        status = onebit_session_eval(s, &id, 1, NULL);
        if (stream->found || stream->cancelled || status != ONEBIT_OK) {
            g->stopped = stream->found ? "stop" : stream->cancelled ? "caller" : "context";
            if (!stream->found && !stream->cancelled && status != ONEBIT_LIMIT) return status;
            break;
        }
    }
    if (stream->found || stream->cancelled) return ONEBIT_OK;
    n = onebit_tokenizer_stream(words, &state, -1, text, sizeof text);
    ob_stream_push(stream, text, n, 1);
    return ONEBIT_OK;
}

/* prompt_seconds is the prefill, seconds the decoding; the two speeds differ by an order of
   magnitude and are reported apart. */
ONEBIT_API onebit_status onebit_generate(onebit_session *session, const char *prompt,
                                         const onebit_generate_options *options,
                                         onebit_text_fn on_text, void *user,
                                         onebit_generation *report) {
    onebit_generate_options o = options ? *options : onebit_generate_options_default();
    onebit_generation g;
    ob_stream stream;
    onebit_status status;
    double start = ob_seconds();
    size_t i;
    memset(&g, 0, sizeof g);
    memset(&stream, 0, sizeof stream);
    g.stopped = "length";
    if (report) *report = g;
    if (!session || !prompt) return ob_fail(ONEBIT_USAGE, "onebit_generate: NULL argument");
    if (!session->model->tokenizer)
        return ob_fail(ONEBIT_USAGE, "onebit_generate: the model has no tokenizer");
    for (i = 0; o.stop && o.stop[i]; i++)
        if (strlen(o.stop[i]) >= OB_STOP_MAX)
            return ob_fail(ONEBIT_USAGE, "stop string %zu is longer than %d bytes", i,
                           OB_STOP_MAX - 1);
    stream.stop = o.stop, stream.on_text = on_text, stream.user = user;
    OB_TRY(ob_generate_prompt(session, prompt, o.add_start, &g.prompt_tokens));
    g.prompt_seconds = ob_seconds() - start;
    start = ob_seconds();
    status = ob_generate_loop(session, &o.sample, &stream, &g);
    g.seconds = ob_seconds() - start;
    if (report) *report = g;
    return status;
}

/* ---- Score ----------------------------------------------------------------------------------- */

/* -ln p of id under a row of logits. In double, since a sum over a large vocabulary in float
   would cost digits of the score. */
static double ob_nats(const float *logits, int V, int32_t id) {
    double peak = logits[0], sum = 0.0;
    int i;
    for (i = 1; i < V; i++) peak = logits[i] > peak ? logits[i] : peak;
    for (i = 0; i < V; i++) sum += exp((double)logits[i] - peak);
    return peak + log(sum) - (double)logits[id];
}

/* Windows of `context` tokens, each from an empty cache, chunk by chunk; from skips what is only
   given. Token i + 1 is scored by the logits of token i, so id 0 never is. Memory: chunk * V
   floats. */
ONEBIT_API onebit_status onebit_score(onebit_session *session, const int32_t *ids, size_t count,
                                      size_t from, double *nats, size_t *scored) {
    onebit_session *s = session;
    size_t at = 0, i, V, n, chunk, window;
    double sum = 0.0;
    size_t k = 0;
    float *rows;
    onebit_status status = ONEBIT_OK;
    if (!s || !ids || !nats) return ob_fail(ONEBIT_USAGE, "onebit_score: NULL argument");
    if (from < 1) from = 1;
    V = (size_t)s->model->config.vocab_size, chunk = (size_t)s->options.chunk;
    OB_TRY(ob_check_ids(ids, count, 0, (int)V, "ids"));
    rows = ob_mul(chunk, V * sizeof(float), &n) ? (float *)ob_alloc(&s->env, n) : NULL;
    if (!rows) return ob_fail(ONEBIT_MEMORY, "score: no memory for %zu rows of logits", chunk);
    while (status == ONEBIT_OK && at + 1 < count) {
        status = onebit_session_rewind(s, 0);
        window = (size_t)s->options.context;
        for (; status == ONEBIT_OK && window > 0 && at + 1 < count; at += n, window -= n) {
            n = count - 1 - at < chunk ? count - 1 - at : chunk;
            if (n > window) n = window;
            status = onebit_session_eval(s, ids + at, n, rows);
            for (i = 0; status == ONEBIT_OK && i < n; i++)
                if (at + i + 1 >= from) sum += ob_nats(rows + i * V, (int)V, ids[at + i + 1]), k++;
        }
    }
    ob_release(&s->env, rows);
    *nats = sum;
    if (scored) *scored = k;
    return status;
}

/* ---- Train ----------------------------------------------------------------------------------- */
/* onebit_train is the program most people want: text in, model out. It is written on public
   calls but for a few looks into the trainer; whoever needs another loop can copy this one. All
   settings come in the job, everything it makes goes to one directory, and progress goes to one
   callback, whose kinds are b = before, s = step, v = validated, c = checkpoint, q = codes, w =
   warning, e = end. */

/* Only data_dir has no default. */
ONEBIT_API onebit_train_job onebit_train_job_default(void) {
    onebit_train_job job;
    memset(&job, 0, sizeof job);
    job.output_dir = "out";
    job.tokenizer_kind = "bpe";
    return job;
}

/* One row of metrics.csv; NaN where nothing was measured. */
typedef struct ob_metric {
    double step, tokens, loss, val_loss, bits_per_byte, lr, grad_norm, speed, seconds;
} ob_metric;

#define OB_METRIC_HEAD                                                                             \
    "step,tokens,loss,val_loss,bits_per_byte,lr,grad_norm,tokens_per_second,seconds\n"
#define OB_METRIC_COLUMNS 9

/* A run of onebit_train: everything that it opened, and where it stands. */
typedef struct ob_run_state {
    const onebit_train_job *job;
    onebit_env env;
    onebit_config config;
    onebit_train_options options;
    onebit_tokenizer *tokenizer;
    onebit_dataset *data, *val_data;
    onebit_trainer *trainer;
    const int32_t *val; /* held-out ids; they belong to data or val_data */
    size_t val_count;
    int32_t *val_inputs, *val_targets; /* by ob_run_val_windows; targets are -1 where not scored */
    size_t val_window_tokens;          /* in all windows */
    double val_scored, val_bytes; /* tokens that are scored, bytes of text that they stand for */
    double tokens; /* of one pass over the training data; 0 = not known */
    ob_data input; /* how data is read */
    int32_t *inputs, *targets; /* one micro-batch */
    ob_metric *metrics; /* rows of metrics.csv, all of the run */
    size_t metric_count, metric_room;
    ob_buffer codes, samples;         /* rows of codes.csv and samples.csv, without head */
    ob_buffer warnings;               /* told so far, one per line */
    size_t model_bytes;               /* of model.1bit, as of the last report */
    struct ob_run_state *main, *twin; /* whose float32 twin this is; its twin; or NULL */
    double start, unigram, val_loss, bits_per_byte, train_loss, objective;
    double clock_tokens, clock_seconds, speed;
    int warned; /* the loss warning comes once */
    int ended;  /* the update that was the last although max_steps are more; 0 = none */
    int counted, sampled; /* the updates after which codes and a sample were taken last */
    char resumed[OB_PATH_MAX]; /* the checkpoint that this run goes on from */
} ob_run_state;

/* The update that the run ends with. */
static int ob_run_end(const ob_run_state *r) { return r->ended ? r->ended : r->options.max_steps; }

/* Tells the caller; non-zero when it wants to stop. */
static int ob_tell(ob_run_state *r, int kind, const onebit_step_report *step, const char *note) {
    onebit_progress p;
    if (kind == 'w') ob_buffer_text(&r->warnings, note), ob_buffer_text(&r->warnings, "\n");
    if (!r->job->on_progress) return 0;
    memset(&p, 0, sizeof p);
    p.kind = kind;
    p.twin = r->main != NULL;
    if (step) p.step = *step;
    p.max_steps = ob_run_end(r);
    p.val_loss = r->val_loss, p.bits_per_byte = r->bits_per_byte;
    p.seconds = ob_seconds() - r->start;
    p.tokens_per_second = r->speed;
    p.epoch = r->tokens > 0 && step ? step->tokens_seen / r->tokens : 0.0;
    if (!(r->tokens > 0) && r->data) p.epoch = (double)onebit_dataset_tell(r->data).epoch;
    p.note = note ? note : "";
    return r->job->on_progress(r->job->user, &p);
}

/* The tokenizer kind by name, or -1. */
static int ob_tokenizer_kind_parse(const char *name) {
    if (!name || strcmp(name, "bpe") == 0) return ONEBIT_TOKENIZER_BPE;
    if (strcmp(name, "byte") == 0) return ONEBIT_TOKENIZER_BYTE;
    return strcmp(name, "char") == 0 ? ONEBIT_TOKENIZER_CHAR : -1;
}

#define OB_TOKENIZER_SAMPLE ((size_t)32 << 20) /* text that a tokenizer is trained on, at most */

/* Adds the flag that names the data to the text of a failure. */
static onebit_status ob_run_named(onebit_status status, const char *flag) {
    if (status == ONEBIT_OK || strstr(onebit_error_text(), "--")) return status;
    return ob_fail(status, "%s (see %s)", onebit_error_text(), flag);
}

/* The beginning of the data as text, for the preset and a tokenizer; none is needed when the job
   has both, and there is none in ids. Ids need the tokenizer that made them, and so does a stream
   of the standard input, which cannot be read twice. */
static onebit_status ob_run_text(ob_run_state *r, char **text, size_t *bytes) {
    const onebit_train_job *job = r->job;
    int wanted = !r->tokenizer || !job->config;
    ob_files files;
    onebit_status status;
    size_t i;
    ob_files_begin(&files, &r->env);
    status = ob_files_collect(&files, job->data_dir, r->input.options.part, &r->env);
    for (i = 0; status == ONEBIT_OK && i < files.count; i++) {
        const ob_file *file = ob_files_at(&files, i);
        int once = file->kind == OB_INPUT && job->streaming;
        if (once) wanted = 0;
        if (!r->tokenizer && file->kind == OB_TOKEN_FILE)
            status = ob_fail(ONEBIT_USAGE, "%.200s holds ids: name their --tokenizer",
                             files.paths.p + file->path);
        if (!r->tokenizer && once)
            status = ob_fail(ONEBIT_USAGE,
                             "a stream of the standard input is read once: name a --tokenizer");
    }
    if (status == ONEBIT_OK && wanted && (files.texts || !files.tokens))
        status = ob_text_join(text, bytes, &files, OB_TOKENIZER_SAMPLE, &r->input);
    ob_files_free(&files);
    return ob_run_named(status, "--data-dir");
}

/* Config (a preset when the job has none) and tokenizer (trained when the job has none). The
   text's size picks the preset, and 32 MiB are enough for merges: more text changes few of them
   and costs time. */
static onebit_status ob_run_tokenizer(ob_run_state *r) {
    const onebit_train_job *job = r->job;
    int kind = ob_tokenizer_kind_parse(job->tokenizer_kind), vocab;
    char *text = NULL;
    size_t bytes = 0;
    onebit_status status;
    if (kind < 0)
        return ob_fail(ONEBIT_CONFIG, "--tokenizer-kind %.40s: expected bpe, byte or char",
                       job->tokenizer_kind);
    if (job->tokenizer)
        OB_TRY(ob_run_named(onebit_tokenizer_open(&r->tokenizer, job->tokenizer, &r->env),
                            "--tokenizer"));
    status = ob_run_text(r, &text, &bytes);
    if (status == ONEBIT_OK && !job->config)
        status = onebit_config_preset(&r->config, "auto", bytes);
    vocab = r->config.vocab_size ? r->config.vocab_size : 1024;
    if (status == ONEBIT_OK && !r->tokenizer)
        status = onebit_tokenizer_train(&r->tokenizer, (onebit_tokenizer_kind)kind, text, bytes,
                                        vocab, &r->env);
    onebit_text_free(text, &r->env);
    OB_TRY(status);
    r->config.vocab_size = onebit_tokenizer_vocab_size(r->tokenizer);
    return ONEBIT_OK;
}

/* Nats per token of the best guess that knows only how often each token occurs. A model that
   learned anything is below it: it is the reference line of the plot and the bar of the health
   check. NaN = not known. */
static onebit_status ob_unigram_entropy(ob_run_state *r) {
    size_t i, V = (size_t)r->config.vocab_size;
    double *count = (double *)ob_alloc(&r->env, V * sizeof(double)), h = 0.0, n = 0.0, before = 0.0;
    int k;
    if (!count) return ob_fail(ONEBIT_MEMORY, "training: no memory to count the tokens");
    for (k = 0; k < r->data->count; k++) {
        const ob_source *s = r->data->source + k;
        double one = r->data->count == 1 ? 1.0 : (s->share - before) / (double)s->count;
        before = s->share;
        for (i = 0; i < s->count; i++)
            if (!s->scored || s->scored[i]) count[s->ids[i]] += one, n += one;
    }
    for (i = 0; i < V; i++)
        if (count[i] > 0) h -= count[i] / n * log(count[i] / n);
    ob_release(&r->env, count);
    r->unigram = h > 0 ? h : NAN;
    return ONEBIT_OK;
}

/* Fills the first buffer of each stream: what cannot be read should fail now, and what rows there
   are is known then. */
static onebit_status ob_run_first_buffers(ob_run_state *r) {
    int k;
    for (k = 0; k < r->data->count; k++) {
        ob_source *s = r->data->source + k;
        if (!s->streamed) continue;
        OB_TRY(ob_stream_fill(s));
        r->data->talks += s->feed.talks;
    }
    return ONEBIT_OK;
}

/* Opens the validation data: what the job names, else the files of the data that are named so, else
   the tail of the data. A stream has no tail. */
static onebit_status ob_run_validation(ob_run_state *r) {
    const onebit_train_job *job = r->job;
    ob_data *d = &r->input;
    const onebit_data_options how = d->options;
    const char *path = job->val_data_dir;
    onebit_status status = ONEBIT_OK;
    d->options.weights = NULL, d->options.stream_buffer = 0;
    d->options.part = path ? ONEBIT_PART_ALL : ONEBIT_PART_VALID;
    if (!path && !job->include_held_out && r->data->valid_files) path = job->data_dir;
    if (path) status = ob_dataset_read(&r->val_data, path, r->tokenizer, d);
    d->options = how;
    OB_TRY(ob_run_named(status, job->val_data_dir ? "--val-data-dir" : "--data-dir"));
    if (r->val_data) r->val = onebit_dataset_tokens(r->val_data, &r->val_count);
    else if (ob_dataset_streams(r->data, 0))
        ob_tell(r, 'w', NULL, "a stream has no held-out tail: name --val-data-dir to validate");
    else if (r->options.val_fraction > 0) {
        OB_TRY(onebit_dataset_split(r->data, r->options.val_fraction));
        r->val = onebit_dataset_held_out(r->data, &r->val_count);
    }
    return ONEBIT_OK;
}

/* Where the validation window behind the one at `at` begins: at the last document in its second
   half, else where it ends. */
static size_t ob_val_next(const ob_run_state *r, size_t at, size_t T) {
    int end = onebit_tokenizer_end(r->tokenizer);
    size_t i;
    for (i = at + T; i + 1 < r->val_count && i > at + T / 2; i--)
        if (r->val[i] == end) return i;
    return at + T;
}

/* Lays the held-out text out as windows of T: each of its tokens is a target once, and as in
   training a window begins with a document where it can, so that what a document says stands before
   what it asks. What a window shares with the next one is not scored in it. */
static onebit_status ob_run_val_windows(ob_run_state *r, const uint8_t *scored) {
    size_t T = (size_t)(r->options.seq_len ? r->options.seq_len : r->config.max_seq_len), at, next;
    size_t last = r->val_count - 1, windows = 0, i, bytes;
    int32_t *in, *out;
    for (at = 0; at < last; at = ob_val_next(r, at, T)) windows++;
    if (!ob_mul(windows, T * 2 * sizeof(int32_t), &bytes) ||
        (r->val_inputs = (int32_t *)ob_alloc(&r->env, bytes)) == NULL)
        return ob_fail(ONEBIT_MEMORY, "training: no memory to validate");
    r->val_window_tokens = windows * T;
    in = r->val_inputs, out = r->val_targets = in + windows * T;
    for (at = 0; at < last; at = next, in += T, out += T) {
        next = ob_val_next(r, at, T);
        for (i = 0; i < T; i++) {
            size_t k = at + i;
            int counts = k < next && k < last && (!scored || scored[k + 1]);
            in[i] = k < last ? r->val[k] : 0;
            out[i] = counts ? r->val[k + 1] : -1;
        }
    }
    return ONEBIT_OK;
}

/* Counts what validation scores, and lays it out. The bytes make bits per byte comparable between
   tokenizers; an end token stands for no text, and the first token is never scored. */
static onebit_status ob_run_val_targets(ob_run_state *r) {
    const uint8_t *scored =
        onebit_dataset_scored(r->val_data ? r->val_data : r->data, r->val_data == NULL);
    size_t i, n;
    for (i = 1; i < r->val_count; i++) {
        if (scored && !scored[i]) continue;
        onebit_tokenizer_piece(r->tokenizer, r->val[i], &n);
        r->val_scored++;
        if (r->val[i] != onebit_tokenizer_end(r->tokenizer)) r->val_bytes += (double)n;
    }
    if (r->val_count > 1 && !(r->val_scored > 0)) {
        ob_tell(r, 'w', NULL, "the validation data has no reply in it: there is no validation");
        r->val_count = 0;
    }
    return r->val_count > 1 ? ob_run_val_windows(r, scored) : ONEBIT_OK;
}

/* Hands the notes of the data on, a line each. */
static void ob_run_tell_notes(ob_run_state *r) {
    const char *p = onebit_dataset_note(r->data);
    char line[512];
    while (*p) {
        size_t n = strcspn(p, "\n");
        ob_print(line, sizeof line, "%.*s", (int)(n < 500 ? n : 500), p);
        ob_tell(r, 'w', NULL, line);
        p += n + (p[n] == '\n');
    }
}

/* To the first batch. */
static void ob_run_rewind(ob_run_state *r) {
    onebit_position p = onebit_dataset_tell(NULL);
    p.seed = (uint64_t)r->options.seed;
    onebit_dataset_seek(r->data, p);
}

/* Training and validation tokens. A model that learns replies gets the template that they were
   written with, so that it can be talked to. */
static onebit_status ob_run_data(ob_run_state *r) {
    const onebit_train_job *job = r->job;
    int once;
    r->input.options.stream_buffer = job->streaming ? r->options.stream_buffer : 0;
    OB_TRY(ob_run_named(ob_dataset_read(&r->data, job->data_dir, r->tokenizer, &r->input),
                        "--data-dir"));
    ob_run_tell_notes(r);
    ob_run_rewind(r);
    OB_TRY(ob_run_named(ob_run_first_buffers(r), "--data-dir"));
    OB_TRY(ob_run_validation(r));
    OB_TRY(ob_run_val_targets(r));
    OB_TRY(ob_unigram_entropy(r));
    once = ob_dataset_streams(r->data, 1);
    if (!ob_dataset_streams(r->data, 0) || (r->options.max_epochs && !once))
        OB_TRY(ob_dataset_count(r->data, &r->tokens));
    if (r->data->talks && !r->config.chat_template[0])
        ob_print(r->config.chat_template, sizeof r->config.chat_template, "%s", OB_PLAIN_TURN);
    return ONEBIT_OK;
}

/* Windows of so many epochs of data that lies in memory as one source. They depend on where an
   epoch is cut, so they are counted one epoch at a time. */
static double ob_run_windows(const ob_run_state *r, size_t T, int epochs) {
    ob_source *s = r->data->source;
    onebit_place at = s->at;
    size_t offset, windows;
    double sum = 0;
    for (s->at.epoch = 0; s->at.epoch < (uint64_t)epochs && s->used > T; s->at.epoch++) {
        ob_epoch_cut(r->data, s, T, &offset, &windows);
        sum += (double)windows;
    }
    s->at = at;
    return sum;
}

/* Turns max_epochs into max_steps: the fewest updates that take every window of so many epochs; of
   several sources, or of a stream, as many as see that many tokens, scored or not, whatever the
   weights. */
static void ob_run_steps(ob_run_state *r) {
    onebit_train_options *o = &r->options;
    size_t T = (size_t)(o->seq_len ? o->seq_len : r->config.max_seq_len);
    double steps;
    if (o->max_epochs == 0 || !(r->tokens > 0)) return;
    steps = r->data->count == 1 && !ob_dataset_streams(r->data, 0)
                ? ob_run_windows(r, T, o->max_epochs)
                : ceil(r->tokens * o->max_epochs / (double)T);
    steps = ceil(steps / o->batch_size / o->accumulation_steps);
    if (steps > 1e9) steps = 1e9;
    if (o->max_steps == 0 || steps < o->max_steps) o->max_steps = steps < 1 ? 1 : (int)steps;
}

/* What the run knows goes into the trainer before it is saved, and comes back with it. */
static void ob_run_remember(ob_run_state *r) {
    ob_run_notes *n = &r->trainer->notes;
    n->train_loss = r->train_loss, n->val_loss = r->val_loss, n->bits_per_byte = r->bits_per_byte;
    n->objective = r->objective, n->warned = r->warned, n->ended = r->ended != 0;
    n->data = ob_dataset_print(r->data);
}

/* An end before max_steps holds as long as its reason, overfit_one_batch, is still asked for. */
static void ob_run_recall(ob_run_state *r) {
    const ob_run_notes *n = &r->trainer->notes;
    r->train_loss = n->train_loss, r->val_loss = n->val_loss, r->bits_per_byte = n->bits_per_byte;
    r->objective = n->objective, r->warned = n->warned != 0;
    if (n->ended != 0 && r->options.overfit_one_batch) r->ended = onebit_trainer_steps(r->trainer);
}

/* Trainer, tokenizer and position from a checkpoint. The data is opened anew and must be the
   same text; its position comes from the checkpoint. */
static onebit_status ob_run_resume(ob_run_state *r) {
    char *path = r->resumed, note[512];
    onebit_position p;
    OB_TRY(ob_checkpoint_path(path, sizeof r->resumed, r->job->resume, &r->env, note, sizeof note));
    if (*note) ob_tell(r, 'w', NULL, note);
    OB_TRY(onebit_trainer_load(&r->trainer, &r->tokenizer, &p, path, r->job->options, &r->env));
    if (!r->tokenizer) return ob_fail(ONEBIT_FORMAT, "%.200s holds no tokenizer", path);
    r->config = *onebit_trainer_config(r->trainer);
    r->options = r->trainer->options;
    ob_run_recall(r);
    r->input.options.chat_template = r->config.chat_template;
    r->input.options.loss_on_input = r->options.loss_on_input;
    OB_TRY(ob_run_data(r));
    if (ob_dataset_streams(r->data, 1))
        return ob_fail(ONEBIT_USAGE, "--resume: a stream of the standard input cannot be read "
                                     "again from where it was; stream files, or leave out "
                                     "--streaming");
    if (r->trainer->notes.data > 0 && r->trainer->notes.data != ob_dataset_print(r->data))
        ob_tell(r, 'w', NULL,
                "the data, or how it is read, is not what this run began with: it goes on with the "
                "new data, and may meet some text again");
    ob_run_steps(r);
    r->trainer->options.max_steps = r->options.max_steps;
    onebit_dataset_seek(r->data, p);
    return ONEBIT_OK;
}

/* Room for one micro-batch. */
static onebit_status ob_run_rooms(ob_run_state *r) {
    size_t n = (size_t)r->trainer->B * (size_t)r->trainer->T;
    r->inputs = (int32_t *)ob_alloc(&r->env, n * sizeof(int32_t));
    r->targets = (int32_t *)ob_alloc(&r->env, n * sizeof(int32_t));
    if (!r->inputs || !r->targets)
        return ob_fail(ONEBIT_MEMORY, "training: no memory for a batch of ids");
    return ONEBIT_OK;
}

/* The list doubles when it is full. A second row of the same update takes the place of the first:
   the update has turned out to be the last, and was validated again. */
static onebit_status ob_run_add_metric(ob_run_state *r, const ob_metric *m) {
    if (r->metric_count && r->metrics[r->metric_count - 1].step >= m->step) r->metric_count--;
    if (r->metric_count == r->metric_room) {
        size_t room = r->metric_room ? 2 * r->metric_room : 256;
        ob_metric *more = (ob_metric *)ob_alloc(&r->env, room * sizeof(ob_metric));
        if (!more) return ob_fail(ONEBIT_MEMORY, "metrics: no memory for %zu rows", room);
        if (r->metrics) memcpy(more, r->metrics, r->metric_count * sizeof(ob_metric));
        ob_release(&r->env, r->metrics);
        r->metrics = more, r->metric_room = room;
    }
    r->metrics[r->metric_count++] = *m;
    return ONEBIT_OK;
}

/* A file beside the checkpoint that the run goes on from; one that is not there is empty. */
static onebit_status ob_run_beside(const ob_run_state *r, ob_map *map, const char *name) {
    char from[OB_PATH_MAX], path[OB_PATH_MAX];
    const char *checkpoint;
    memcpy(from, r->resumed, sizeof from);
    OB_TRY(ob_path_join(path, sizeof path, ob_path_cut(from, &checkpoint), name));
    memset(map, 0, sizeof *map);
    return ob_file_exists(path) ? ob_map_open(map, path) : ONEBIT_OK;
}

/* Takes the rows of an earlier codes.csv or samples.csv up to the step that is resumed from; those
   beyond it belong to updates that are done again. */
static onebit_status ob_run_old_rows(ob_run_state *r, ob_buffer *rows, const char *name) {
    const char *text;
    ob_map map;
    OB_TRY(ob_run_beside(r, &map, name));
    text = (const char *)map.data;
    if (text) ob_csv_keep(rows, text, text + map.bytes, onebit_trainer_steps(r->trainer));
    ob_map_close(&map);
    return rows->failed ? ob_fail(ONEBIT_MEMORY, "%s: no memory for its rows", name) : ONEBIT_OK;
}

/* The same for metrics.csv. The clock goes on from its last row: the checkpoint itself has no
   times, so that equal runs have equal checkpoints. */
static onebit_status ob_run_old_metrics(ob_run_state *r) {
    double column[OB_METRIC_COLUMNS];
    const char *p, *end;
    onebit_status status = ONEBIT_OK;
    ob_metric m;
    ob_map map;
    OB_TRY(ob_run_beside(r, &map, "metrics.csv"));
    p = map.data ? (const char *)map.data : "", end = p + map.bytes;
    while (p < end && status == ONEBIT_OK) {
        if (ob_csv_record(&p, end, column, OB_METRIC_COLUMNS) != OB_METRIC_COLUMNS) continue;
        memcpy(&m, column, sizeof m);
        if (m.step <= onebit_trainer_steps(r->trainer)) status = ob_run_add_metric(r, &m);
    }
    if (r->metric_count && r->metrics[r->metric_count - 1].seconds > 0)
        r->start -= r->metrics[r->metric_count - 1].seconds;
    ob_map_close(&map);
    return status;
}

/* Figures as of the last rows of the metrics, so that the report and metrics.csv agree. */
static ob_figures ob_run_figures(const ob_run_state *r) {
    ob_figures f;
    size_t i;
    memset(&f, 0, sizeof f);
    for (i = 0; i < r->metric_count; i++) {
        const ob_metric *m = r->metrics + i;
        f.steps = m->step, f.tokens = m->tokens;
        f.speed = m->speed, f.seconds = m->seconds;
        if (ob_is_number(m->loss)) f.train_loss = m->loss;
        if (!ob_is_number(m->val_loss)) continue;
        f.val_loss = m->val_loss;
        f.bits_per_byte = ob_is_number(m->bits_per_byte) ? m->bits_per_byte : 0.0;
    }
    if (r->trainer) f.steps = onebit_trainer_steps(r->trainer); /* the last row may be older */
    if (r->train_loss > 0) f.train_loss = r->train_loss;
    if (r->options.label_smoothing > 0) f.objective = r->objective;
    f.epochs = r->tokens > 0 ? f.tokens / r->tokens : 0.0;
    f.parameters = (double)onebit_config_parameters(&r->config);
    f.model_bytes = (double)r->model_bytes;
    return f;
}

/* The curves of the metrics, in a new block that *block receives. */
static onebit_status ob_run_curves(const ob_run_state *r, ob_curves *c, double **block) {
    size_t n = r->metric_count, i;
    double *x = n ? (double *)ob_alloc(&r->env, 5 * n * sizeof(double)) : NULL;
    memset(c, 0, sizeof *c);
    *block = x;
    if (n && !x) return ob_fail(ONEBIT_MEMORY, "curves: no memory for %zu rows", n);
    for (i = 0; i < n; i++) {
        const ob_metric *m = r->metrics + i;
        x[i] = m->step, x[n + i] = m->loss, x[2 * n + i] = m->val_loss;
        x[3 * n + i] = 1000.0 * m->lr, x[4 * n + i] = m->grad_norm;
    }
    if (n) c->step = x, c->loss = x + n, c->val = x + 2 * n, c->lr = x + 3 * n, c->norm = x + 4 * n;
    c->n = n;
    return ONEBIT_OK;
}

/* Fills the report with what the run and its twin have; blocks[2] hold the curves. */
static onebit_status ob_run_report(const ob_run_state *r, ob_report *report, double *blocks[2]) {
    memset(report, 0, sizeof *report);
    report->figures = ob_run_figures(r);
    report->codes = &r->codes, report->samples = &r->samples;
    report->warnings = r->warnings.p;
    report->command = r->job->command;
    report->layer_modes = r->config.layer_modes, report->layers = r->config.num_layers;
    report->unigram = r->unigram;
    report->max_steps = ob_run_end(r), report->seed = r->options.seed;
    OB_TRY(ob_run_curves(r, &report->curves, blocks));
    if (!r->twin) return ONEBIT_OK;
    report->twin = ob_run_figures(r->twin);
    return ob_run_curves(r->twin, &report->twin_curves, blocks + 1);
}

/* Writes a head and what follows it as a file of the output directory. */
static onebit_status ob_run_write(ob_run_state *r, const char *name, const char *head,
                                  const ob_buffer *body) {
    ob_buffer all = ob_buffer_new(&r->env);
    char path[OB_PATH_MAX];
    onebit_status status = ob_path_join(path, sizeof path, r->job->output_dir, name);
    ob_buffer_text(&all, head);
    if (body->n) ob_buffer_add(&all, body->p, body->n);
    if (status == ONEBIT_OK && (all.failed || body->failed))
        status = ob_fail(ONEBIT_MEMORY, "%.200s: no memory for its text", path);
    if (status == ONEBIT_OK) status = ob_file_write(path, all.p, all.n);
    ob_buffer_free(&all);
    return status;
}

/* report.html alone. */
static onebit_status ob_run_write_page(ob_run_state *r) {
    ob_buffer page = ob_buffer_new(&r->env);
    double *blocks[2] = {NULL, NULL};
    ob_report report;
    char *config = ob_text_of(&r->env, ob_write_config, &r->config);
    char *options = ob_text_of(&r->env, ob_write_options, &r->options);
    onebit_status status;
    if (r->trainer) r->model_bytes = onebit_trainer_pack(r->trainer, r->tokenizer, NULL, 0);
    status = ob_run_report(r, &report, blocks);
    report.config = config, report.options = options;
    page.failed = !config || !options || r->warnings.failed;
    if (status == ONEBIT_OK) ob_report_write(&page, &report);
    if (status == ONEBIT_OK) status = ob_run_write(r, "report.html", "", &page);
    ob_release(&r->env, config);
    ob_release(&r->env, options);
    ob_release(&r->env, blocks[0]);
    ob_release(&r->env, blocks[1]);
    ob_buffer_free(&page);
    return status;
}

/* The report and its tables, and for a twin also the page that compares it. */
static onebit_status ob_run_write_report(ob_run_state *r) {
    if (!r->options.report) return ONEBIT_OK;
    OB_TRY(ob_run_write(r, "codes.csv", OB_CODES_HEAD, &r->codes));
    OB_TRY(ob_run_write(r, "samples.csv", OB_SAMPLES_HEAD, &r->samples));
    OB_TRY(ob_run_write_page(r));
    return r->main ? ob_run_write_page(r->main) : ONEBIT_OK;
}

/* metrics.csv and loss.svg from the metrics. Both are written whole each time, atomically, so
   that a viewer may reload them while the run goes on. */
static onebit_status ob_run_write_metrics(ob_run_state *r) {
    ob_buffer csv = ob_buffer_new(&r->env), svg = ob_buffer_new(&r->env);
    double *block, column[OB_METRIC_COLUMNS];
    char title[128];
    size_t i;
    ob_curves c;
    onebit_status status = ob_run_curves(r, &c, &block);
    for (i = 0; i < r->metric_count; i++) {
        memcpy(column, r->metrics + i, sizeof column);
        ob_csv_numbers(&csv, column, OB_METRIC_COLUMNS);
    }
    ob_print(title, sizeof title, "%.1f M parameters, %d steps",
             (double)onebit_config_parameters(&r->config) / 1e6, onebit_trainer_steps(r->trainer));
    if (c.step) ob_svg_curve(&svg, c.step, c.loss, c.val, c.n, title, r->unigram);
    if (status == ONEBIT_OK) status = ob_run_write(r, "metrics.csv", OB_METRIC_HEAD, &csv);
    if (status == ONEBIT_OK && c.step) status = ob_run_write(r, "loss.svg", "", &svg);
    ob_release(&r->env, block);
    ob_buffer_free(&csv);
    ob_buffer_free(&svg);
    return status;
}

/* every 0 = never. */
static int ob_is_due(int step, int every) { return every > 0 && step % every == 0; }

/* Deletes the kept checkpoints but the last keep_checkpoints and the major ones. Those of later
   steps are left alone: they are from before a resume, and will be replaced when the run gets there
   again. */
static void ob_run_prune(const ob_run_state *r, int now) {
    char name[64], path[OB_PATH_MAX];
    ob_buffer steps;
    size_t i, count = ob_checkpoint_list(&steps, r->job->output_dir, &r->env);
    int kept = 0;
    for (i = 0; i < count; i++) {
        int step = ((const int *)(const void *)steps.p)[i];
        if (step > now || ++kept <= r->options.keep_checkpoints ||
            ob_is_due(step, r->options.major_every))
            continue;
        ob_checkpoint_name(name, sizeof name, step);
        if (ob_path_join(path, sizeof path, r->job->output_dir, name) == ONEBIT_OK)
            ob_file_drop(path);
    }
    ob_buffer_free(&steps);
}

/* Saves the run as a file of the output directory; path receives its name. */
static onebit_status ob_run_save(ob_run_state *r, char *path, size_t size, const char *name) {
    OB_TRY(ob_path_join(path, size, r->job->output_dir, name));
    return onebit_trainer_save(r->trainer, r->tokenizer, onebit_dataset_tell(r->data), path);
}

/* Metrics and checkpoint. The metrics come first: if the run is killed in between, they have rows
   too many, which a resume drops, never too few. Older checkpoints go when the new one is safe. */
static onebit_status ob_run_checkpoint(ob_run_state *r, const onebit_step_report *step) {
    const onebit_train_options *o = &r->options;
    char path[OB_PATH_MAX], name[64];
    ob_run_remember(r);
    OB_TRY(ob_run_write_report(r));
    OB_TRY(ob_run_write_metrics(r));
    ob_checkpoint_name(name, sizeof name, step->step);
    if (o->keep_checkpoints > 1 || ob_is_due(step->step, o->major_every))
        OB_TRY(ob_run_save(r, path, sizeof path, name));
    OB_TRY(ob_run_save(r, path, sizeof path, "checkpoint.safetensors"));
    if (o->keep_checkpoints > 1) ob_run_prune(r, step->step);
    ob_tell(r, 'c', step, path);
    return ONEBIT_OK;
}

/* Validation loss of what is scored; all = of the whole held-out text, else of the first
   eval_batches. */
static onebit_status ob_run_val_loss(ob_run_state *r, int all, double *loss) {
    double most = (double)r->options.eval_batches * r->options.batch_size;
    int windows = all ? 0 : most < INT_MAX ? (int)most : INT_MAX;
    return ob_trainer_score(r->trainer, r->val_inputs, r->val_targets, r->val_window_tokens,
                            windows, loss, NULL);
}

/* Validation loss and bits per byte. Bits per byte = nats per token / ln 2 * tokens / bytes, with
   tokens and bytes of the whole held-out text. */
static onebit_status ob_run_validate(ob_run_state *r, const onebit_step_report *step, int all) {
    if (r->val_count < 2) return ONEBIT_OK;
    OB_TRY(ob_run_val_loss(r, all, &r->val_loss));
    if (r->val_bytes > 0)
        r->bits_per_byte =
            r->val_loss / 0.69314718055994531 * r->val_scored / r->val_bytes;
    ob_tell(r, 'v', step, "");
    return ONEBIT_OK;
}

/* Writes model-best.1bit when validation was never better. All comparisons are on the same windows:
   after the last update, whose validation is on the whole text, they are scored once more. */
static onebit_status ob_run_best(ob_run_state *r, int all) {
    double loss = r->val_loss, *best = &r->trainer->notes.best_loss;
    char path[OB_PATH_MAX];
    if (!r->options.keep_best || r->val_count < 2) return ONEBIT_OK;
    if (all) OB_TRY(ob_run_val_loss(r, 0, &loss));
    if (*best > 0 && loss >= *best) return ONEBIT_OK;
    *best = loss;
    OB_TRY(ob_path_join(path, sizeof path, r->job->output_dir, "model-best.1bit"));
    return onebit_trainer_export(r->trainer, r->tokenizer, path);
}

/* Says in words what looks wrong: a tensor without gradient, and a loss that is still above what
   counting tokens alone would reach after 2 % of the run. The first means a matrix that nothing
   reaches: a gain of zero before it, or data that never uses it. The second, that the model has
   not even learned which tokens are frequent: as a rule a rate too high, too low, or broken
   text. The first is looked for after update 1, the second is told once, after 2 % of the run
   (at least 50 updates) and the warm-up; neither ends the run. */
static void ob_run_health(ob_run_state *r, const onebit_step_report *step) {
    char note[256];
    int early = r->options.max_steps / 50 > 50 ? r->options.max_steps / 50 : 50;
    int i, late = step->step > early + r->options.lr_warmup_steps;
    if (step->step == 1)
        for (i = 0; i < r->trainer->count; i++)
            if (!(r->trainer->partial[i] > 0)) {
                ob_print(note, sizeof note, "%s has no gradient: it is not being trained",
                         r->trainer->params[i].info.name);
                ob_tell(r, 'w', step, note);
            }
    if (r->warned || !late || !(step->loss >= r->unigram)) return;
    r->warned = 1;
    ob_print(
        note, sizeof note,
        "loss %.3f is still above the unigram entropy %.3f (counting tokens alone does better): "
        "check the data, or change --lr",
        step->loss, r->unigram);
    ob_tell(r, 'w', step, note);
}

/* Tells the shares of the codes of one layer, from the sums over its n matrices, and adds them to
   codes.csv. */
static void ob_run_tell_codes(ob_run_state *r, const onebit_step_report *step, int layer,
                              const onebit_code_report *sum, double n) {
    const double column[OB_CODE_COLUMNS] = {(double)step->step, (double)layer, sum->minus / n,
                                            sum->zero / n,      sum->plus / n, sum->flipped / n};
    char note[128];
    ob_csv_numbers(&r->codes, column, OB_CODE_COLUMNS);
    ob_print(note, sizeof note, "layer %2d  -1 %4.1f%%  0 %4.1f%%  +1 %4.1f%%  flipped %5.2f%%",
             layer, 100 * sum->minus / n, 100 * sum->zero / n, 100 * sum->plus / n,
             100 * sum->flipped / n);
    ob_tell(r, 'q', step, note);
}

/* Shares of the codes of each layer, and how many flipped since the last report. Reading a tensor's
   report starts its next count of flips, so each is read once; tensors come layer by layer. */
static void ob_run_codes(ob_run_state *r, const onebit_step_report *step) {
    onebit_code_report sum, one;
    const ob_param *p;
    double n = 0;
    int i, layer = -1;
    if (r->counted == step->step) return;
    r->counted = step->step;
    memset(&sum, 0, sizeof sum);
    for (i = 0; (p = ob_coded_param(r->trainer, i)) != NULL; i++) {
        if (p->info.kind != OB_ROLE_LINEAR) continue;
        if (p->info.layer != layer) {
            if (n > 0) ob_run_tell_codes(r, step, layer, &sum, n);
            memset(&sum, 0, sizeof sum);
            layer = p->info.layer, n = 0;
        }
        if (onebit_trainer_codes(r->trainer, i, &one) != ONEBIT_OK) return;
        sum.minus += one.minus, sum.zero += one.zero, sum.plus += one.plus;
        sum.flipped += one.flipped, n++;
    }
    if (n > 0) ob_run_tell_codes(r, step, layer, &sum, n);
}

/* Adds "3, 4" to a note that has room; the first name comes after the opening words. */
static void ob_note_layer(ob_out *note, const char *opening, int layer) {
    if (note->n == 0) ob_out_text(note, opening);
    else ob_out_text(note, ",");
    ob_out_format(note, " %d", layer);
}

/* Ends a note about layers and tells it, if it was begun. */
static void ob_note_tell(ob_run_state *r, ob_out *note, const char *advice) {
    char text[768];
    if (note->n == 0) return;
    ob_print(text, sizeof text, "%.400s: %s", note->p, advice);
    ob_tell(r, 'w', NULL, text);
}

#define OB_ZERO_MANY 0.6  /* shares of zeros in a ternary layer; weights drawn from a normal */
#define OB_ZERO_FEW  0.05 /* distribution have 0.31 */
#define OB_FLIPS     0.01 /* per 100 updates */
#define OB_FLIP_SPAN 50.0 /* updates; over fewer a rate means little */

/* First row of the newest counts that together span OB_FLIP_SPAN updates, and that span; 0 = the
   run was shorter. */
static double ob_code_span(const ob_code_row *rows, size_t n, size_t *first) {
    double last = n ? rows[n - 1].step : 0.0;
    size_t i = n;
    for (*first = n; i > 0; i--) {
        double before = i > 1 ? rows[i - 2].step : 0.0;
        if (before >= rows[i - 1].step) continue; /* not the first row of its count */
        *first = i - 1;
        if (last - before >= OB_FLIP_SPAN) return last - before;
    }
    return 0.0;
}

/* Says after the last update what the codes look like when it is unusual, one line for each of: too
   many zeros, too few, codes that have not settled. */
static onebit_status ob_run_health_codes(ob_run_state *r) {
    char many[512], few[512], loose[512];
    ob_out too_many = ob_out_on(many, sizeof many), too_few = ob_out_on(few, sizeof few);
    ob_out unsettled = ob_out_on(loose, sizeof loose);
    size_t n, i, first;
    ob_code_row *rows;
    double span;
    int layer;
    OB_TRY(ob_csv_codes(&r->codes, &rows, &n));
    span = ob_code_span(rows, n, &first);
    for (layer = 0; layer < r->config.num_layers; layer++) {
        double flips = 0.0, zero = -1.0;
        for (i = 0; i < n; i++) {
            if ((int)rows[i].layer != layer) continue;
            zero = rows[i].zero;
            if (i >= first) flips += rows[i].flipped;
        }
        if (span > 0 && flips * 100.0 / span > OB_FLIPS)
            ob_note_layer(&unsettled, "codes still change, over 1 % per 100 steps in layers",
                          layer);
        if (zero < 0 || r->config.layer_modes[layer] != ONEBIT_TERNARY) continue;
        if (zero > OB_ZERO_MANY)
            ob_note_layer(&too_many, "over 60 % of the weights are 0 in layers", layer);
        if (zero < OB_ZERO_FEW)
            ob_note_layer(&too_few, "under 5 % of the weights are 0 in layers", layer);
    }
    ob_note_tell(r, &too_many, "they hardly work; fewer --num-layers may do as well");
    ob_note_tell(r, &too_few, "they are binary in effect; less --weight-decay may help");
    ob_note_tell(r, &unsettled, "train longer, or let the rate fall lower (--lr-min-ratio)");
    ob_release(&r->codes.env, rows);
    return ONEBIT_OK;
}

/* ---- Samples ---- */

#define OB_PROMPT       12  /* tokens of the held-out text (else of the data) that are continued */
#define OB_SAMPLE_WORDS 120 /* tokens of a sample */

/* The tokens to continue, at most half a context: the same in every sample of a run. A document
   that begins here gives its first words, behind the end token as in training. */
static int ob_run_prompt(const ob_run_state *r, int32_t *ids) {
    size_t n = r->val_count, i;
    const int32_t *from = n > OB_PROMPT ? r->val : onebit_dataset_tokens(r->data, &n);
    int most = r->config.max_seq_len / 2 < OB_PROMPT ? r->config.max_seq_len / 2 : OB_PROMPT;
    int end = onebit_tokenizer_end(r->tokenizer), count = 0;
    for (i = 0; i < n && (count < most || count == 0); i++) {
        if (count > 0 && from[i] == end && ids[count - 1] != end) break;
        ids[count++] = from[i];
    }
    if (count == 0 && end >= 0) ids[count++] = end; /* a stream: a document from its beginning */
    return count;
}

/* Collects text for onebit_generate. */
static int ob_run_collect(void *user, const char *text, size_t bytes) {
    ob_buffer_add((ob_buffer *)user, text, bytes);
    return 0;
}

/* Continues the prompt with a model, from the run's seed. */
static onebit_status ob_run_continue(ob_run_state *r, const onebit_model *model, const int32_t *ids,
                                     int count, ob_buffer *text) {
    onebit_session_options so = onebit_session_options_default();
    onebit_generate_options o = onebit_generate_options_default();
    onebit_session *session = NULL;
    onebit_status status;
    so.slide = 1;
    o.add_start = 0;
    o.sample.temperature = 0.8, o.sample.max_tokens = OB_SAMPLE_WORDS;
    o.sample.seed = r->options.seed;
    status = onebit_session_create(&session, model, &so, &r->env);
    if (status == ONEBIT_OK) status = onebit_session_eval(session, ids, (size_t)count, NULL);
    if (status == ONEBIT_OK) status = onebit_generate(session, "", &o, ob_run_collect, text, NULL);
    onebit_session_free(session);
    return status;
}

/* The deployed weights, packed in memory and opened as from a file, write the text: what is shown
   is what the exported model says. */
static onebit_status ob_run_write_sample(ob_run_state *r, const int32_t *ids, int count,
                                         ob_buffer *text) {
    size_t bytes = onebit_trainer_pack(r->trainer, r->tokenizer, NULL, 0);
    uint8_t *block = (uint8_t *)ob_alloc(&r->env, bytes + 64), *image;
    onebit_model *model = NULL;
    onebit_status status;
    if (!block) return ob_fail(ONEBIT_MEMORY, "no memory for a packed model");
    image = block + (64 - (uintptr_t)block % 64) % 64;
    onebit_trainer_pack(r->trainer, r->tokenizer, image, bytes);
    status = onebit_model_open_memory(&model, image, bytes, &r->env);
    if (status == ONEBIT_OK) status = ob_run_continue(r, model, ids, count, text);
    onebit_model_free(model);
    ob_release(&r->env, block);
    return status;
}

/* Adds a row to samples.csv. A sample that cannot be made is a warning: it is no reason to end a
   run. Memory for a packed model and a session is taken for the call. */
static void ob_run_sample(ob_run_state *r, const onebit_step_report *step) {
    ob_buffer prompt = ob_buffer_new(&r->env), text = ob_buffer_new(&r->env);
    int32_t ids[OB_PROMPT];
    int count = ob_run_prompt(r, ids), i, end = onebit_tokenizer_end(r->tokenizer);
    onebit_status status;
    if (r->sampled == step->step) return;
    r->sampled = step->step;
    for (i = 0; i < count; i++) {
        size_t n = 0;
        const char *piece = onebit_tokenizer_piece(r->tokenizer, ids[i], &n);
        if (ids[i] != end) ob_buffer_add(&prompt, piece, n);
    }
    status = ob_run_write_sample(r, ids, count, &text);
    if (status == ONEBIT_OK && (prompt.failed || text.failed))
        status = ob_fail(ONEBIT_MEMORY, "its buffer is too small");
    if (status != ONEBIT_OK) {
        char note[256];
        ob_print(note, sizeof note, "no %ssample of text: %.200s",
                 status == ONEBIT_MEMORY ? "memory for a " : "", onebit_error_text());
        ob_tell(r, 'w', step, note);
    } else {
        ob_buffer_format(&r->samples, "%d,", step->step);
        ob_csv_quote(&r->samples, prompt.p, prompt.n);
        ob_buffer_text(&r->samples, ",");
        ob_csv_quote(&r->samples, text.p, text.n);
        ob_buffer_text(&r->samples, "\n");
    }
    ob_buffer_free(&prompt);
    ob_buffer_free(&text);
}

/* 1 when this update ends a quarter of the run, or is due by sample_every. */
static int ob_run_milestone(const ob_run_state *r, int step) {
    double most = r->options.max_steps, every = r->options.sample_every;
    if (!r->options.report || every < 0) return 0;
    if (step == ob_run_end(r)) return 1;
    if (every > 0) return fmod(step, every) == 0;
    return floor(step * 4.0 / most) > floor((step - 1) * 4.0 / most);
}

/* Speed over the last stretch of at least half a second. One update may be shorter than the
   clock is exact; shorter stretches would make the figure jump. */
static void ob_run_clock(ob_run_state *r, const onebit_step_report *step) {
    double now = ob_seconds(), span = now - r->clock_seconds;
    if (span < 0.5 && r->speed > 0) return;
    r->speed = span > 0 ? (step->tokens_seen - r->clock_tokens) / span : 0;
    r->clock_seconds = now;
    r->clock_tokens = step->tokens_seen;
}

/* One update: batches, gradients, step. With overfit_one_batch every batch is the first. */
static onebit_status ob_run_update(ob_run_state *r, onebit_step_report *step) {
    int i;
    for (i = 0; i < r->options.accumulation_steps; i++) {
        if (r->options.overfit_one_batch) ob_run_rewind(r);
        OB_TRY(onebit_dataset_batch(r->data, r->inputs, r->targets, r->trainer->B, r->trainer->T));
        OB_TRY(onebit_trainer_accumulate(r->trainer, r->inputs, r->targets, NULL));
    }
    return onebit_trainer_update(r->trainer, step);
}

/* One row of the metrics. */
static onebit_status ob_run_log(ob_run_state *r, const onebit_step_report *step, int evaluated) {
    ob_metric m;
    m.step = step->step, m.tokens = step->tokens_seen, m.loss = step->loss > 0 ? step->loss : NAN;
    m.val_loss = evaluated ? r->val_loss : NAN;
    m.bits_per_byte = evaluated ? r->bits_per_byte : NAN;
    m.lr = step->lr, m.grad_norm = step->grad_norm, m.speed = r->speed;
    m.seconds = ob_seconds() - r->start;
    return ob_run_add_metric(r, &m);
}

/* What is due after an update: codes, validation, a row of the metrics, a sample, a checkpoint. The
   last update always validates, on the whole held-out text, and saves; it may turn out to be the
   last only when it has been here before. */
static onebit_status ob_run_due(ob_run_state *r, const onebit_step_report *step) {
    const onebit_train_options *o = &r->options;
    int last = step->step == ob_run_end(r), evaluated = 0;
    if (ob_is_due(step->step, o->debug_every) || (last && o->debug_every)) ob_run_codes(r, step);
    if (last || ob_is_due(step->step, o->eval_every)) {
        OB_TRY(ob_run_validate(r, step, last));
        OB_TRY(ob_run_best(r, last));
        evaluated = r->val_count > 1;
    }
    if (last || evaluated || ob_is_due(step->step, o->log_every) || step->step == 1)
        OB_TRY(ob_run_log(r, step, evaluated));
    if (ob_run_milestone(r, step->step)) ob_run_sample(r, step);
    if (last || ob_is_due(step->step, o->save_every) || ob_is_due(step->step, o->major_every))
        OB_TRY(ob_run_checkpoint(r, step));
    return ONEBIT_OK;
}

/* Follows an update. Training loss and objective are running means over about 20 updates, because a
   single batch is noise; a loss of 0 is that of batches without a reply, and says nothing. */
static onebit_status ob_run_after(ob_run_state *r, const onebit_step_report *step) {
    double old = !(step->loss > 0) ? 1.0 : r->train_loss > 0 ? 0.95 : 0.0;
    r->train_loss = old * r->train_loss + (1.0 - old) * step->loss;
    r->objective = old * r->objective + (1.0 - old) * step->objective;
    ob_run_clock(r, step);
    ob_run_health(r, step);
    return ob_run_due(r, step);
}

/* The standard input is at its end: the run ends here, and the update before was its last. */
static onebit_status ob_run_input_end(ob_run_state *r, const onebit_step_report *step) {
    ob_trainer_clear(r->trainer);
    if (step->step == 0)
        return ob_fail(ONEBIT_FORMAT, "the standard input holds too little text for one update; "
                                      "lower --batch-size or --seq-len");
    r->ended = step->step;
    return ob_run_due(r, step);
}

#define OB_LEARNT 0.1 /* nats per token: below, overfit_one_batch has shown what it should */

/* The loop over updates. A stop asked for by the caller leaves a checkpoint. */
static onebit_status ob_run_loop(ob_run_state *r) {
    onebit_step_report step;
    onebit_status status;
    memset(&step, 0, sizeof step);
    step.tokens_seen = r->trainer->tokens_seen;
    r->clock_seconds = ob_seconds(), r->clock_tokens = step.tokens_seen;
    while (onebit_trainer_steps(r->trainer) < ob_run_end(r)) {
        status = ob_run_update(r, &step);
        if (status == ONEBIT_LIMIT && ob_dataset_streams(r->data, 1))
            return ob_run_input_end(r, &step);
        OB_TRY(status);
        if (r->options.overfit_one_batch && step.loss > 0 && step.loss < OB_LEARNT)
            r->ended = step.step;
        OB_TRY(ob_run_after(r, &step));
        if (ob_tell(r, 's', &step, "")) {
            if (step.step < ob_run_end(r)) OB_TRY(ob_run_checkpoint(r, &step));
            return ob_fail(ONEBIT_CANCELLED, "stopped after step %d%s; resume with --resume %.200s",
                           step.step, r->main ? " of the twin" : "",
                           (r->main ? r->main : r)->job->output_dir);
        }
    }
    return ONEBIT_OK;
}

/* Writes one text file of an object. */
static onebit_status ob_run_write_text(ob_run_state *r, const char *name, ob_text_writer writer,
                                       const void *object) {
    return ob_leave_object(&r->env, r->job->output_dir, name, writer, object);
}

/* The files that a run leaves: model.1bit, model.safetensors, config.json, tokenizer.json. */
static onebit_status ob_run_export(ob_run_state *r) {
    static const char *const metadata[] = {"format", "pt", NULL};
    char path[OB_PATH_MAX];
    OB_TRY(ob_path_join(path, sizeof path, r->job->output_dir, "model.safetensors"));
    OB_TRY(ob_trainer_write(r->trainer, path, 0, metadata));
    OB_TRY(ob_run_write_text(r, "config.json", ob_write_config, &r->config));
    OB_TRY(ob_run_write_text(r, "tokenizer.json", ob_write_tokenizer, r->tokenizer));
    OB_TRY(ob_path_join(path, sizeof path, r->job->output_dir, "model.1bit"));
    return onebit_trainer_export(r->trainer, r->tokenizer, path);
}

/* How the blocks are stored: the mode of all, or the number of each. */
static void ob_run_tell_modes(ob_buffer *out, const onebit_config *c) {
    int number[ONEBIT_MODE_COUNT] = {0}, i, written = 0;
    for (i = 0; i < c->num_layers; i++) number[c->layer_modes[i]]++;
    for (i = 0; i < ONEBIT_MODE_COUNT; i++) {
        if (!number[i]) continue;
        ob_buffer_text(out, written++ ? ", " : "");
        if (number[i] < c->num_layers) ob_buffer_format(out, "%d ", number[i]);
        ob_buffer_format(out, "%s", onebit_mode_name((onebit_mode)i));
    }
    ob_buffer_text(out, " blocks\n");
}

/* "12.3 M parameters". */
static void ob_run_tell_amount(ob_buffer *out, double n, const char *of) {
    static const char *const unit[] = {"", " k", " M", " G", " T"};
    ob_report_scaled(out, n, unit, 4);
    ob_buffer_format(out, " %s", of);
}

/* What will be trained, before the memory is taken. */
static onebit_status ob_run_announce(ob_run_state *r) {
    static const char *const size[] = {" B", " kB", " MB", " GB", " TB"};
    const onebit_config *c = &r->config, *asked = r->job->config;
    ob_buffer out = ob_buffer_new(&r->env);
    onebit_status status = ONEBIT_OK;
    const char *p;
    onebit_config checked = *c;
    OB_TRY(onebit_config_check(&checked));
    ob_run_tell_amount(&out, (double)onebit_config_parameters(&checked), "parameters: ");
    ob_buffer_format(&out, "%d layers x %d, %d heads, FFN %d, vocabulary %d, context %d; ",
                     c->num_layers, c->hidden_size, c->num_heads, c->intermediate_size,
                     c->vocab_size, c->max_seq_len);
    ob_run_tell_modes(&out, c);
    if (r->tokens > 0) ob_run_tell_amount(&out, r->tokens, "training tokens, ");
    else ob_buffer_text(&out, "streamed data, ");
    ob_run_tell_amount(&out, (double)r->val_count, "held out");
    if (r->val_data && !r->job->val_data_dir)
        ob_buffer_text(&out, " in files named for validation");
    ob_buffer_format(&out, "; %d steps of %.0f x %d tokens; ", r->options.max_steps,
                     (double)r->options.batch_size * r->options.accumulation_steps,
                     r->options.seq_len ? r->options.seq_len : c->max_seq_len);
    ob_report_scaled(&out, (double)onebit_trainer_bytes(c, &r->options, &r->env), size, 4);
    ob_buffer_text(&out, " of memory");
    if (r->data->talks) ob_buffer_text(&out, "\nreplies are learnt as turns of ");
    for (p = c->chat_template; r->data->talks && *p; p++)
        if (*p == '\n') ob_buffer_text(&out, "\\n");
        else ob_buffer_add(&out, p, 1);
    if (asked && asked->vocab_size && asked->vocab_size != c->vocab_size)
        ob_buffer_format(&out, "\nthe vocabulary is the tokenizer's %d, not %d as set",
                         c->vocab_size, asked->vocab_size);
    ob_buffer_add(&out, "", 1);
    if (out.failed) status = ob_fail(ONEBIT_MEMORY, "training: no memory to describe the run");
    else ob_tell(r, 'b', NULL, out.p);
    ob_buffer_free(&out);
    return status;
}

/* Makes the output directory and sees whether it can be written: now, and not at the first
   checkpoint. */
static onebit_status ob_run_directory(ob_run_state *r) {
    char path[OB_PATH_MAX];
    ob_sink probe;
    OB_TRY(ob_make_directory(r->job->output_dir));
    OB_TRY(ob_path_join(path, sizeof path, r->job->output_dir, "checkpoint.safetensors"));
    OB_TRY(ob_sink_open(&probe, path));
    ob_sink_abort(&probe);
    return ONEBIT_OK;
}

/* Adds the name of a file that was not finished: NAME.PROCESS.tmp, see ob_sink_open. */
static void ob_run_leftover(void *user, const char *name) {
    size_t n = strlen(name), digits = 0;
    if (!ob_has_extension(name, ".tmp")) return;
    while (n > 5 + digits && name[n - 5 - digits] >= '0' && name[n - 5 - digits] <= '9') digits++;
    if (digits > 0 && name[n - 5 - digits] == '.') ob_buffer_add((ob_buffer *)user, name, n + 1);
}

/* Removes what a killed run was writing; each may be as large as a checkpoint. */
static void ob_run_sweep(const ob_run_state *r) {
    char path[OB_PATH_MAX];
    ob_buffer names = ob_buffer_new(&r->env);
    size_t at;
    (void)ob_each_name(r->job->output_dir, ob_run_leftover, &names);
    for (at = 0; at < names.n; at += strlen(names.p + at) + 1)
        if (ob_path_join(path, sizeof path, r->job->output_dir, names.p + at) == ONEBIT_OK)
            ob_file_drop(path);
    ob_buffer_free(&names);
}

/* Everything up to the first update. A resumed run takes tokenizer, config and position from the
   checkpoint and options from the job when it has them. */
static onebit_status ob_run_open(ob_run_state *r) {
    const onebit_train_job *job = r->job;
    OB_TRY(ob_run_directory(r));
    if (job->resume) {
        OB_TRY(ob_run_resume(r));
        ob_run_sweep(r);
        OB_TRY(ob_run_announce(r));
    } else {
        OB_TRY(ob_run_tokenizer(r));
        OB_TRY(ob_run_data(r));
        ob_run_steps(r);
        if (r->options.max_steps == 0)
            return ob_fail(ONEBIT_CONFIG, "set --max-steps or --max-epochs: both are 0");
        OB_TRY(ob_run_announce(r));
        OB_TRY(onebit_trainer_create(&r->trainer, &r->config, &r->options, &r->env));
        r->config = *onebit_trainer_config(r->trainer);
    }
    OB_TRY(ob_run_rooms(r));
    if (!job->resume) return ONEBIT_OK;
    OB_TRY(ob_run_old_rows(r, &r->codes, "codes.csv"));
    OB_TRY(ob_run_old_rows(r, &r->samples, "samples.csv"));
    return ob_run_old_metrics(r);
}

/* Gives back what training needed; figures, curves and what the standard input held stay. Also
   after an error half-way: what was not opened is NULL, and each release takes NULL. */
static void ob_run_rest(ob_run_state *r) {
    onebit_trainer_free(r->trainer);
    onebit_dataset_free(r->data);
    onebit_dataset_free(r->val_data);
    onebit_tokenizer_free(r->tokenizer);
    ob_release(&r->env, r->val_inputs);
    ob_release(&r->env, r->inputs);
    ob_release(&r->env, r->targets);
    r->trainer = NULL, r->data = r->val_data = NULL, r->tokenizer = NULL;
    r->inputs = r->targets = r->val_inputs = r->val_targets = NULL;
}

/* Gives everything back. */
static void ob_run_close(ob_run_state *r) {
    ob_run_rest(r);
    ob_data_end(&r->input);
    ob_release(&r->env, r->metrics);
    ob_buffer_free(&r->codes);
    ob_buffer_free(&r->samples);
    ob_buffer_free(&r->warnings);
}

/* Final figures: those of the metrics, which a run resumed after its last update has too. */
static void ob_run_result(const ob_run_state *r, onebit_train_result *out) {
    ob_figures f = ob_run_figures(r);
    memset(out, 0, sizeof *out);
    out->train_loss = f.train_loss, out->val_loss = f.val_loss;
    out->bits_per_byte = f.bits_per_byte;
    out->seconds = ob_seconds() - r->start;
    out->parameters = onebit_config_parameters(&r->config);
    out->model_bytes = onebit_trainer_pack(r->trainer, r->tokenizer, NULL, 0);
    out->steps = onebit_trainer_steps(r->trainer);
}

/* Path of the twin's checkpoint, or with name "" of its directory. */
static onebit_status ob_twin_path(char *out, size_t size, const onebit_train_job *job,
                                  const char *name) {
    char directory[OB_PATH_MAX];
    OB_TRY(ob_path_join(directory, sizeof directory, job->output_dir, "twin"));
    return ob_path_join(out, size, directory, name);
}
#define OB_TWIN_CHECKPOINT "checkpoint.safetensors"

/* Before the first update of a job with a twin: there must be something to compare, text that can
   be read again, and a new run must not go on with the twin of an earlier one. */
static onebit_status ob_run_expect_twin(const ob_run_state *r) {
    char path[OB_PATH_MAX];
    int i, quantized = 0;
    for (i = 0; i < r->config.num_layers; i++) quantized |= r->config.layer_modes[i] != ONEBIT_F32;
    if (!quantized)
        return ob_fail(ONEBIT_CONFIG,
                       "--twin: all blocks are f32 already, see --layer-bit-map; leave --twin out");
    if (ob_dataset_streams(r->data, 1))
        return ob_fail(ONEBIT_USAGE, "--twin: a stream of the standard input is read once, and the "
                                     "twin learns from the same text; leave out --streaming");
    OB_TRY(ob_twin_path(path, sizeof path, r->job, OB_TWIN_CHECKPOINT));
    if (!r->job->resume) ob_file_drop(path);
    return ONEBIT_OK;
}

/* One run from data to model. ONEBIT_CANCELLED has left a checkpoint and exports nothing. */
static onebit_status ob_run_whole(ob_run_state *r, const onebit_train_job *job,
                                  ob_run_state *main) {
    memset(r, 0, sizeof *r);
    r->job = job, r->main = main;
    r->env = ob_env_or_default(job->env);
    r->codes = r->samples = r->warnings = ob_buffer_new(&r->env);
    OB_TRY(ob_env_check(&r->env));
    r->config = job->config ? *job->config : onebit_config_default();
    r->options = job->options ? *job->options : onebit_train_options_default();
    r->start = ob_seconds();
    if (main) r->input = main->input; /* the standard input cannot be read again */
    ob_data_begin(main ? &main->input : &r->input, NULL, &r->env);
    r->input.options.chat_template = r->config.chat_template;
    r->input.options.loss_on_input = r->options.loss_on_input;
    r->input.options.weights = job->data_weights;
    r->input.options.part = job->include_held_out ? ONEBIT_PART_ALL : ONEBIT_PART_TRAIN;
    OB_TRY(ob_run_open(r));
    if (job->twin) OB_TRY(ob_run_expect_twin(r));
    OB_TRY(ob_run_loop(r));
    OB_TRY(ob_run_health_codes(r));
    OB_TRY(ob_run_export(r));
    return ob_run_write_report(r);
}

/* Trains the twin of a run that is complete: its shape, tokenizer, data and options, with float32
   blocks. The memory of the run itself is given back first. */
static onebit_status ob_run_twin(ob_run_state *r, onebit_train_result *result) {
    onebit_train_job job = *r->job;
    onebit_config config = r->config;
    onebit_status status;
    ob_run_state twin;
    char directory[OB_PATH_MAX], words[OB_PATH_MAX], checkpoint[OB_PATH_MAX];
    OB_TRY(ob_twin_path(directory, sizeof directory, r->job, ""));
    OB_TRY(ob_twin_path(checkpoint, sizeof checkpoint, r->job, OB_TWIN_CHECKPOINT));
    OB_TRY(ob_path_join(words, sizeof words, r->job->output_dir, "tokenizer.json"));
    memset(config.layer_modes, ONEBIT_F32, sizeof config.layer_modes);
    job.twin = 0, job.config = &config, job.options = &r->options;
    job.output_dir = directory, job.tokenizer = words;
    job.resume = r->job->resume && ob_file_exists(checkpoint) ? checkpoint : NULL;
    ob_run_rest(r);
    r->twin = &twin;
    status = ob_run_whole(&twin, &job, r);
    if (result && status == ONEBIT_OK) {
        ob_figures f = ob_run_figures(&twin);
        result->twin_val_loss = f.val_loss, result->twin_bits_per_byte = f.bits_per_byte;
        result->twin_seconds = f.seconds;
        result->twin_model_bytes = onebit_trainer_pack(twin.trainer, twin.tokenizer, NULL, 0);
    }
    ob_run_close(&twin);
    r->twin = NULL;
    return status;
}

/* A cancelled run has left a checkpoint but exports nothing; its result is filled in all the
   same. */
ONEBIT_API onebit_status onebit_train(const onebit_train_job *job, onebit_train_result *result) {
    ob_run_state r;
    onebit_status status;
    if (!job || !job->data_dir || !job->output_dir)
        return ob_fail(ONEBIT_USAGE, "onebit_train: name the text with --data-dir");
    status = ob_run_whole(&r, job, NULL);
    if (result && r.trainer && (status == ONEBIT_OK || status == ONEBIT_CANCELLED))
        ob_run_result(&r, result);
    if (status == ONEBIT_OK && job->twin) status = ob_run_twin(&r, result);
    if (status == ONEBIT_OK) ob_tell(&r, 'e', NULL, job->output_dir);
    ob_run_close(&r);
    return status;
}

OB_RESTORE_OPTIONS

#endif /* ONEBIT_IMPLEMENTED */
#endif /* ONEBIT_IMPLEMENTATION */
