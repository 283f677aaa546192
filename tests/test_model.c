/* test_model.c - the trainer, the model and the session are the function that the manual states.

   Bounds: logits and loss within 2e-5 of the double reference (relative to the largest logit, to
   the loss); gradients within 1e-4 of their tensor's largest entry; everything that is promised bit
   for bit is compared with memcmp. */
#include "reference.h"
#include <sys/mman.h>
#include <unistd.h>

#define MODEL_VOCAB 29
#define MODEL_BASE                                                                                 \
    "vocab_size=29 hidden_size=24 num_layers=2 num_heads=4 intermediate_size=40 max_seq_len=48 "
#define MODEL_TIE_GOAL     4e-4 /* codes between any value and a rounding tie, wanted */
#define MODEL_TIE_FLOOR    1e-4
#define MODEL_COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

/* Every case of the manual at least once. */
static const char *const model_cases[] = {
    "layer_bit_map=f32 embedding=f32",
    "layer_bit_map=f32 embedding=f16 num_key_value_heads=2 use_qk_norm=true",
    "layer_bit_map=f32 embedding=8bit use_swiglu=false activation=relu",
    "layer_bit_map=f32 embedding=f32 use_rope=false rope_theta=100 layer_norm_eps=0.01 "
    "final_norm_eps=0.1",
    "layer_bit_map=f16 embedding=f16 tie_word_embeddings=false lm_head=f16",
    "layer_bit_map=f16 embedding=8bit use_swiglu=false use_relu2=true use_sub_norm=true",
    "layer_bit_map=8bit embedding=8bit",
    "layer_bit_map=8bit embedding=f16 num_key_value_heads=1 use_sub_norm=true logit_softcap=2.5",
    "layer_bit_map=8bit embedding=f32 activation_bits=0 activation=relu",
    "layer_bit_map=ternary embedding=f16",
    "layer_bit_map=ternary embedding=f32 use_sub_norm=true use_relu2=true",
    "layer_bit_map=ternary embedding=8bit tie_word_embeddings=false lm_head=8bit use_qk_norm=true",
    "layer_bit_map=ternary embedding=f16 use_dynamic_threshold=true use_swiglu=false",
    "layer_bit_map=ternary embedding=f16 activation_bits=0 use_residual_scaling=true "
    "rope_theta=500",
    "layer_bit_map=ternary embedding=f16 num_key_value_heads=2 head_dim=10 use_sub_norm=true",
    "layer_bit_map=binary embedding=f16",
    "layer_bit_map=binary embedding=f32 use_sub_norm=true use_qk_norm=true num_key_value_heads=2",
    "layer_bit_map=binary embedding=f16 activation_bits=0 activation=relu2",
    "num_layers=5 layer_bit_map=f32,ternary,binary,8bit,f16 embedding=8bit "
    "use_residual_scaling=true",
    "layer_bit_map=ternary,f16 hidden_size=34 num_heads=1 intermediate_size=37 use_sub_norm=true",
    "layer_bit_map=ternary,8bit hidden_size=80 num_heads=2 intermediate_size=131 num_layers=2",
    "layer_bit_map=ternary hidden_size=160 num_heads=5 intermediate_size=200 use_sub_norm=true",
    "layer_bit_map=ternary,binary latent_clamp_max=0.18 embedding=f32",
    "layer_bit_map=8bit latent_clamp_max=0.2 embedding=8bit",
    "layer_bit_map=f32,f16 latent_clamp_max=0.2 embedding=f16",
    "layer_bit_map=ternary embedding=f16 activation_bits=1",
    "layer_bit_map=binary,8bit embedding=8bit activation_bits=1 use_sub_norm=true "
    "use_qk_norm=true activation=relu2",
    "layer_bit_map=ternary,f16 embedding=f32 activation_bits=1 use_swiglu=false "
    "intermediate_size=37",
    "layer_bit_map=ternary embedding=f16 weight_scale=absmedian",
    "layer_bit_map=binary,ternary embedding=ternary weight_scale=absmedian "
    "use_dynamic_threshold=true latent_clamp_max=0.2",
    "layer_bit_map=ternary,8bit embedding=8bit use_f16_scale=true",
    "layer_bit_map=binary,ternary embedding=binary use_f16_scale=true weight_scale=absmedian",
    "layer_bit_map=ternary,binary embedding=f16 scale_group=32 intermediate_size=83",
    "layer_bit_map=binary,8bit embedding=ternary scale_group=64 hidden_size=72 num_heads=2 "
    "activation_bits=0 use_sub_norm=true",
    "layer_bit_map=binary embedding=8bit scale_group=32 hidden_size=48 activation_bits=1 "
    "weight_scale=absmedian use_f16_scale=true use_swiglu=false",
    "layer_bit_map=[{\"attention\":\"ternary\",\"ffn\":\"f16\"},{\"attention\":\"f32\",\"ffn\":\"binary\"}] "
    "embedding=f16",
    "layer_bit_map=[{\"q_proj\":\"ternary\",\"k_proj\":\"f16\",\"v_proj\":\"8bit\",\"o_proj\":\"binary\","
    "\"gate_proj\":\"f32\",\"up_proj\":\"binary\",\"down_proj\":\"8bit\"},\"binary\"] embedding=f16 "
    "scale_group=32 hidden_size=72 num_heads=2 use_qkv_bias=true use_sub_norm=true",
    "layer_bit_map=[{\"q_proj\":\"f32\",\"k_proj\":\"ternary\",\"v_proj\":\"f16\",\"gate_proj\":\"binary\","
    "\"up_proj\":\"f16\"},\"f16\"] embedding=8bit activation_bits=1 use_subln=false",
    "layer_bit_map=f32 embedding=f32 use_subln=false",
    "layer_bit_map=ternary,binary embedding=f16 use_subln=false use_sub_norm=true use_qk_norm=true",
    "layer_bit_map=8bit,ternary hidden_size=34 num_heads=1 intermediate_size=37 use_subln=false "
    "layer_norm_eps=0.01 use_residual_scaling=true embedding=8bit",
    "layer_bit_map=f32 embedding=f32 use_qkv_bias=true num_key_value_heads=2",
    "layer_bit_map=ternary,8bit embedding=f16 use_qkv_bias=true use_qk_norm=true head_dim=10",
    "layer_bit_map=ternary embedding=binary embedding_group=32 hidden_size=72 num_heads=2",
    "layer_bit_map=binary,ternary scale_group=64 embedding=ternary embedding_group=32 "
    "tie_word_embeddings=false lm_head=binary hidden_size=80 use_sub_norm=true",
    "layer_bit_map=f32 embedding=f32 rope_scaling=linear rope_factor=3 rope_theta=50",
    "layer_bit_map=f32 embedding=f32 rope_scaling=yarn rope_factor=4 head_dim=32 rope_theta=40 "
    "rope_original=40 rope_fast=8",
    "layer_bit_map=f32 embedding=f32 rope_scaling=yarn rope_factor=4 rope_attention=1.5 head_dim=16",
    "layer_bit_map=f32 embedding=f32 rope_scaling=llama3 rope_factor=8 rope_fast=4 head_dim=32 "
    "rope_theta=100 rope_original=24",
};

/* A trainer, its batch, and a tokenizer of the right size. */
typedef struct model_rig {
    onebit_config config;
    onebit_train_options options;
    onebit_trainer *trainer;
    onebit_tokenizer *tokenizer;
    int32_t inputs[512], targets[512];
    int B, T;
} model_rig;

static void model_close(model_rig *r) {
    onebit_trainer_free(r->trainer);
    onebit_tokenizer_free(r->tokenizer);
    r->trainer = NULL;
    r->tokenizer = NULL;
}

/* One character per id and the end token: MODEL_VOCAB in all. */
static int model_tokenizer(onebit_tokenizer **out, const onebit_env *env) {
    const char *text = "abcdefghijklmnopqrstuvwxyzAB";
    return CHECK_OK(
               onebit_tokenizer_train(out, ONEBIT_TOKENIZER_CHAR, text, strlen(text), 0, env)) &&
           CHECK(onebit_tokenizer_vocab_size(*out) == MODEL_VOCAB);
}

/* settings go over MODEL_BASE, training over the defaults; weights are the trainer's own. */
static int model_open(model_rig *r, const char *settings, const char *training, int B, int T,
                      const onebit_env *env) {
    memset(r, 0, sizeof *r);
    r->config = onebit_config_default();
    r->options = onebit_train_options_default();
    r->options.backward_bits = 32;
    r->options.batch_size = r->B = B;
    r->options.seq_len = r->T = T;
    if (!CHECK(B * T <= MODEL_COUNT(r->inputs))) return 0;
    if (!CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &r->config, MODEL_BASE)) ||
        !CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &r->config, settings)) ||
        !CHECK_OK(ref_settings(ONEBIT_TABLE_TRAIN, &r->options, training)) ||
        !CHECK_OK(onebit_trainer_create(&r->trainer, &r->config, &r->options, env)))
        return 0;
    r->config = *onebit_trainer_config(r->trainer);
    ref_tokens(r->inputs, r->targets, B, T, r->config.vocab_size, 7);
    return model_tokenizer(&r->tokenizer, NULL);
}

static int model_step(model_rig *r, onebit_step_report *report) {
    return CHECK_OK(onebit_trainer_accumulate(r->trainer, r->inputs, r->targets, NULL)) &&
           CHECK_OK(onebit_trainer_update(r->trainer, report));
}

/* Other tokens for update number step. */
static void model_batch(model_rig *r, int step) {
    ref_tokens(r->inputs, r->targets, r->B, r->T, r->config.vocab_size, 100u + (uint32_t)step);
}

/* Same latents, bit for bit? */
static int model_same(onebit_trainer *one, onebit_trainer *two) {
    onebit_parameter a, b;
    int i;
    for (i = 0; onebit_trainer_parameter(one, i, &a) == ONEBIT_OK; i++) {
        size_t bytes = (size_t)a.rows * (size_t)a.cols * sizeof(float);
        if (onebit_trainer_parameter(two, i, &b) != ONEBIT_OK || strcmp(a.name, b.name)) return 0;
        if (memcmp(a.value, b.value, bytes)) {
            printf("%s differs\n", a.name);
            return 0;
        }
    }
    return onebit_trainer_parameter(two, i, &b) != ONEBIT_OK;
}

static double model_largest(const float *x, size_t n) {
    double top = 0;
    size_t i;
    for (i = 0; i < n; i++)
        if (fabs((double)x[i]) > top) top = fabs((double)x[i]);
    return top;
}

/* The packed image; *bytes is its size. 64-byte alignment is the reader's business. */
static void *model_pack(model_rig *r, size_t *bytes) {
    void *image;
    *bytes = onebit_trainer_pack(r->trainer, r->tokenizer, NULL, 0);
    if (!CHECK(*bytes > 0)) return NULL;
    image = malloc(*bytes);
    if (!CHECK(onebit_trainer_pack(r->trainer, r->tokenizer, image, *bytes) == *bytes)) {
        free(image);
        return NULL;
    }
    return image;
}

/* ---- against the double reference ---- */

/* Draws weights and tokens until nothing lies near a rounding tie; the reference ends at that
 * point. */
static void model_settle(model_rig *r, ref_model *ref) {
    uint32_t salt, best = 1;
    double margin = -1;
    int V = r->config.vocab_size;
    for (salt = 1; salt <= 200 && margin < MODEL_TIE_GOAL; salt++) {
        ref_fill(r->trainer, salt);
        ref_tokens(r->inputs, r->targets, r->B, r->T, V, salt);
        ref_base(ref, r->trainer);
        ref_loss(ref, r->inputs, r->targets, r->B, r->T);
        if (ref->margin > margin) {
            margin = ref->margin;
            best = salt;
        }
    }
    ref_fill(r->trainer, best);
    ref_tokens(r->inputs, r->targets, r->B, r->T, V, best);
    r->targets[1] = -1; /* one target that is not scored */
    ref_base(ref, r->trainer);
    if (!CHECK(margin >= MODEL_TIE_FLOOR)) printf("a value lies %.2g codes from a tie\n", margin);
}

static void model_check_forward(model_rig *r, ref_model *ref) {
    size_t i, n = (size_t)(r->B * r->T) * (size_t)r->config.vocab_size;
    double loss = 0, wanted, worst = 0, top;
    const float *logits;
    ref_loss(ref, r->inputs, r->targets, r->B, r->T);
    wanted = ref->nats;
    if (!CHECK_OK(onebit_trainer_accumulate(r->trainer, r->inputs, r->targets, &loss))) return;
    logits = onebit_trainer_logits(r->trainer);
    if (!CHECK(logits != NULL)) return;
    top = model_largest(logits, n);
    for (i = 0; i < n; i++) worst = fmax(worst, fabs(logits[i] - ref->logits[i]));
    if (!CHECK(worst <= 2e-5 * top)) printf("logits off by %.3g, largest %.3g\n", worst, top);
    if (!CHECK(fabs(loss - wanted) <= 2e-5 * wanted)) printf("loss %.9g, not %.9g\n", loss, wanted);
}

/* Eight entries of every tensor against central differences. */
static void model_check_gradient(model_rig *r, ref_model *ref) {
    int i, k;
    for (i = 0; i < ref->count; i++) {
        onebit_parameter p;
        ref_tensor *t = &ref->tensors[i];
        size_t n = (size_t)t->rows * (size_t)t->cols;
        double scale;
        if (!CHECK_OK(onebit_trainer_parameter(r->trainer, i, &p))) return;
        CHECK(p.mode == t->mode);
        scale = model_largest(p.grad, n);
        if (!CHECK(scale > 0)) printf("%s has no gradient\n", p.name);
        for (k = 0; k < 8; k++) {
            size_t index = ((size_t)k * n / 8 + (size_t)(k * k)) % n;
            double slope = ref_slope(ref, t, index, r->inputs, r->targets, r->B, r->T);
            if (!CHECK(fabs(p.grad[index] - slope) <= 1e-4 * scale + 1e-9)) {
                printf("%s[%d]: gradient %.8g, differences %.8g, largest %.3g\n", p.name,
                       (int)index, (double)p.grad[index], slope, scale);
                break;
            }
        }
    }
}

/* Shares of codes as reported against the reference's codes. */
static void model_check_codes(model_rig *r, ref_model *ref) {
    onebit_code_report codes;
    int i, quantized = 0;
    for (i = 0; i < ref->count; i++)
        quantized +=
            ref->tensors[i].mode == ONEBIT_TERNARY || ref->tensors[i].mode == ONEBIT_BINARY;
    for (i = 0; onebit_trainer_codes(r->trainer, i, &codes) == ONEBIT_OK; i++) {
        ref_tensor *t = ref_find(ref, codes.name);
        size_t k, n = (size_t)t->rows * (size_t)t->cols, plus = 0, minus = 0;
        if (t->mode != ONEBIT_TERNARY && t->mode != ONEBIT_BINARY) continue;
        quantized--;
        for (k = 0; k < n; k++) { /* used is +-beta or 0 up to rounding of the shift */
            plus += t->used[k] > 1e-9;
            minus += t->used[k] < -1e-9;
        }
        CHECK(fabs(codes.plus - (double)plus / (double)n) < 1e-6);
        CHECK(fabs(codes.minus - (double)minus / (double)n) < 1e-6);
        CHECK(fabs(codes.plus + codes.minus + codes.zero - 1) < 1e-6);
    }
    CHECK(quantized == 0);
}

static void model_check_reference(model_rig *r) {
    ref_model ref;
    ref_open(&ref, r->trainer);
    model_settle(r, &ref);
    model_check_forward(r, &ref);
    model_check_codes(r, &ref);
    model_check_gradient(r, &ref);
    ref_close(&ref);
}

/* ---- gradients of bfloat16 ---- */

/* Relative distance of the gradients of two trainers, the largest of all tensors. */
static double model_gradients_apart(onebit_trainer *one, onebit_trainer *two) {
    onebit_parameter a, b;
    double worst = 0;
    int i;
    size_t k;
    for (i = 0; onebit_trainer_parameter(one, i, &a) == ONEBIT_OK; i++) {
        double apart = 0, all = 0;
        CHECK_OK(onebit_trainer_parameter(two, i, &b));
        for (k = 0; k < (size_t)a.rows * (size_t)a.cols; k++) {
            double d = (double)a.grad[k] - (double)b.grad[k];
            apart += d * d, all += (double)b.grad[k] * (double)b.grad[k];
        }
        worst = fmax(worst, sqrt(apart / (all + 1e-30)));
    }
    return worst;
}

static onebit_trainer *model_gradient_of(model_rig *r, const char *settings, const char *training,
                                         onebit_isa isa) {
    onebit_env env = onebit_env_default();
    env.isa = isa;
    if (!model_open(r, settings, training, 3, 11, &env)) return NULL;
    CHECK_OK(onebit_trainer_accumulate(r->trainer, r->inputs, r->targets, NULL));
    return r->trainer;
}

/* Rounding of dy alone is 2^-9 per number; through a few layers the whole gradient stays within
   one percent. The instruction and its twin differ by the order of float sums. */
static void model_test_half(void) {
    static const char *const settings[] = {
        "", "layer_bit_map=binary,8bit embedding=8bit hidden_size=34 num_heads=1",
        "scale_group=32 embedding=f32", "layer_bit_map=f32 intermediate_size=37"};
    model_rig full, half, twin;
    size_t i;
    double apart;
    test_case("model: gradients of bfloat16 are within a percent, and the instruction is its twin");
    for (i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!model_gradient_of(&full, settings[i], "", ONEBIT_ISA_AUTO) ||
            !model_gradient_of(&half, settings[i], "backward_bits=16", ONEBIT_ISA_AUTO) ||
            !model_gradient_of(&twin, settings[i], "backward_bits=16", ONEBIT_ISA_SCALAR))
            return;
        apart = model_gradients_apart(twin.trainer, full.trainer);
        if (!CHECK(apart > 1e-5 && apart < 0.01)) printf("%s: %.3g apart\n", settings[i], apart);
        apart = model_gradients_apart(half.trainer, twin.trainer);
        if (!CHECK(ob_cpu_isa() != ONEBIT_ISA_AVX512BF16 || apart < 1e-4))
            printf("%s: %.3g from its twin\n", settings[i], apart);
        model_close(&full);
        model_close(&half);
        model_close(&twin);
    }
}

/* ---- train forward == exported forward, prefill == decode ---- */

/* Feeds ids in pieces of the given size; logits [T, V]. chunk is the session's own cut. */
static int model_run(const onebit_model *model, const int32_t *ids, int T, int piece, int chunk,
                     float *logits) {
    onebit_session_options options = onebit_session_options_default();
    onebit_session *session = NULL;
    int V = onebit_model_config(model)->vocab_size, t, ok;
    options.chunk = chunk;
    ok = CHECK_OK(onebit_session_create(&session, model, &options, NULL));
    for (t = 0; ok && t < T; t += piece) {
        int n = T - t < piece ? T - t : piece;
        ok = CHECK_OK(onebit_session_eval(session, ids + t, (size_t)n, logits + t * V)) &&
             CHECK(!memcmp(onebit_session_logits(session), logits + (t + n - 1) * V,
                           (size_t)V * sizeof *logits)) &&
             CHECK(onebit_session_length(session) == t + n);
    }
    ok = ok && CHECK(!memcmp(onebit_session_tokens(session), ids, (size_t)T * sizeof *ids));
    onebit_session_free(session);
    return ok;
}

/* Runs rows of inputs through the packed model in every manner; each must give the trainer's
 * logits. */
static void model_check_export(model_rig *r) {
    static const int manner[][2] = {{64, 64}, {64, 1}, {64, 3}, {1, 64}, {5, 2}}; /* piece, chunk */
    size_t bytes, row = (size_t)r->T * (size_t)r->config.vocab_size;
    void *image = model_pack(r, &bytes);
    float *logits = (float *)malloc(row * sizeof *logits);
    onebit_model *model = NULL;
    double loss;
    int b, i;
    if (image && logits && CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL)) &&
        CHECK_OK(onebit_trainer_evaluate(r->trainer, r->inputs, r->targets, r->B, r->T, &loss)))
        for (b = 0; b < r->B; b++)
            for (i = 0; i < MODEL_COUNT(manner); i++) {
                const float *wanted = onebit_trainer_logits(r->trainer) + (size_t)b * row;
                if (!model_run(model, r->inputs + b * r->T, r->T, manner[i][0], manner[i][1],
                               logits))
                    break;
                if (!CHECK(!memcmp(logits, wanted, row * sizeof *logits)))
                    printf("sequence %d in pieces of %d, chunks of %d\n", b, manner[i][0],
                           manner[i][1]);
            }
    onebit_model_free(model);
    free(logits);
    free(image);
}

/* ---- several sessions at once ---- */

/* Five talks with queues of different lengths end with the bits that each has by itself, also when
   one of them is half-way through its layers. */
static void model_test_together(void) {
    enum { TALKS = 5 };
    onebit_session *alone[TALKS] = {NULL}, *both[TALKS] = {NULL}, *pair[2];
    onebit_session_options options = onebit_session_options_default();
    onebit_env env = onebit_env_default();
    onebit_model *model = NULL;
    model_rig r;
    size_t bytes;
    void *image;
    int i, round;
    test_case("model: sessions that run together have the bits of sessions alone");
    if (!model_open(&r, "use_qk_norm=true max_seq_len=64", "", 2, 32, NULL)) return;
    image = model_pack(&r, &bytes);
    env.threads = 3;
    options.chunk = 16, options.together = TALKS;
    if (!image || !CHECK_OK(onebit_model_open_memory(&model, image, bytes, &env))) return;
    for (i = 0; i < TALKS; i++) {
        CHECK_OK(onebit_session_create(&alone[i], model, NULL, NULL));
        CHECK_OK(onebit_session_create(&both[i], model, &options, NULL));
    }
    for (round = 0; round < 4; round++) {
        for (i = 0; i < TALKS; i++) {
            size_t n = (size_t)(round == 0 ? 1 + 6 * i : (i + round) % 3);
            CHECK_OK(onebit_session_eval(alone[i], r.inputs + i, n, NULL));
            CHECK_OK(onebit_session_feed(both[i], r.inputs + i, n));
        }
        if (round == 0) CHECK(onebit_session_step(both[4], 1) == ONEBIT_AGAIN);
        CHECK_OK(onebit_sessions_step(both, TALKS));
        for (i = 0; i < TALKS; i++) {
            const float *a = onebit_session_logits(alone[i]), *b = onebit_session_logits(both[i]);
            CHECK(onebit_session_length(alone[i]) == onebit_session_length(both[i]));
            CHECK(a && b && !memcmp(a, b, MODEL_VOCAB * sizeof(float)));
        }
    }
    pair[0] = both[0], pair[1] = both[0];
    CHECK_FAILS(onebit_sessions_step(pair, 2), ONEBIT_USAGE, "twice");
    CHECK_FAILS(onebit_sessions_step(alone, 2), ONEBIT_USAGE, "together");
    pair[1] = NULL;
    CHECK_FAILS(onebit_sessions_step(pair, 2), ONEBIT_USAGE, "NULL");
    for (i = 0; i < TALKS; i++) {
        onebit_session_free(alone[i]);
        onebit_session_free(both[i]);
    }
    onebit_model_free(model);
    free(image);
    model_close(&r);
}

/* accumulate and evaluate compute the same logits and loss. */
static void model_check_evaluate(model_rig *r) {
    size_t bytes = (size_t)(r->B * r->T * r->config.vocab_size) * sizeof(float);
    float *kept = (float *)malloc(bytes);
    double one = 0, two = 1;
    CHECK_OK(onebit_trainer_accumulate(r->trainer, r->inputs, r->targets, &one));
    memcpy(kept, onebit_trainer_logits(r->trainer), bytes);
    CHECK_OK(onebit_trainer_evaluate(r->trainer, r->inputs, r->targets, r->B, r->T, &two));
    CHECK(!memcmp(kept, onebit_trainer_logits(r->trainer), bytes));
    CHECK(one == two);
    free(kept);
}

static void model_test_cases(void) {
    static char names[2 * MODEL_COUNT(model_cases)][240];
    int i;
    for (i = 0; i < MODEL_COUNT(model_cases); i++) {
        model_rig r;
        snprintf(names[2 * i], sizeof names[0], "model: is the double reference: %s",
                 model_cases[i]);
        test_case(names[2 * i]);
        if (model_open(&r, model_cases[i], "", 2, 6, NULL)) model_check_reference(&r);
        model_close(&r);
        snprintf(names[2 * i + 1], sizeof names[0], "model: exported = trained: %s",
                 model_cases[i]);
        test_case(names[2 * i + 1]);
        if (model_open(&r, model_cases[i], "", 2, 23, NULL)) {
            ref_fill(r.trainer, 3);
            model_check_evaluate(&r);
            model_check_export(&r);
        }
        model_close(&r);
    }
}

/* Gradients of the smoothed loss; the loss that is told stays pure, the objective is beside it. */
static void model_check_smoothing(const char *settings, double smoothing) {
    model_rig r;
    ref_model ref;
    onebit_step_report report;
    char training[40];
    double loss = 0, wanted;
    snprintf(training, sizeof training, "label_smoothing=%g", smoothing);
    if (model_open(&r, settings, training, 2, 6, NULL)) {
        ref_open(&ref, r.trainer);
        ref.smoothing = smoothing;
        model_settle(&r, &ref);
        model_check_forward(&r, &ref);
        model_check_gradient(&r, &ref);
        wanted = ref_loss(&ref, r.inputs, r.targets, r.B, r.T);
        CHECK_OK(onebit_trainer_evaluate(r.trainer, r.inputs, r.targets, r.B, r.T, &loss));
        CHECK_OK(onebit_trainer_update(r.trainer, &report));
        CHECK(report.loss == loss && fabs(loss - ref.nats) <= 2e-5 * loss);
        CHECK((report.objective != loss) == (smoothing > 0));
        if (!CHECK(fabs(report.objective - wanted) <= 2e-5 * wanted))
            printf("objective %.9g, not %.9g\n", report.objective, wanted);
        ref_close(&ref);
    }
    model_close(&r);
}

static void model_test_smoothing(void) {
    test_case("model: smoothed labels have their gradient, the loss stays pure");
    model_check_smoothing("layer_bit_map=f32 embedding=f32", 0);
    model_check_smoothing("layer_bit_map=f32 embedding=f32", 0.1);
    model_check_smoothing("layer_bit_map=ternary embedding=f16 logit_softcap=0.5", 0.4);
    model_check_smoothing("layer_bit_map=8bit tie_word_embeddings=false use_subln=false", 0.99);
}

/* ---- a fresh trainer ---- */

static void model_check_fresh(const char *settings) {
    model_rig r;
    onebit_parameter p;
    double loss = 0;
    size_t numbers = 0;
    int i;
    if (model_open(&r, settings, "", 8, 24, NULL)) {
        CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, &loss));
        if (!CHECK(fabs(loss - log((double)MODEL_VOCAB)) < 0.05 * log((double)MODEL_VOCAB)))
            printf("first loss %.4f with %s\n", loss, settings);
        for (i = 0; onebit_trainer_parameter(r.trainer, i, &p) == ONEBIT_OK; i++) {
            size_t n = (size_t)p.rows * (size_t)p.cols;
            numbers += n;
            if (!CHECK(model_largest(p.grad, n) > 0))
                printf("%s has no gradient, %s\n", p.name, settings);
        }
        CHECK(i > 0 && numbers == onebit_config_parameters(&r.config));
    }
    model_close(&r);
}

static void model_test_fresh(void) {
    static char names[MODEL_COUNT(model_cases)][240];
    int i;
    for (i = 0; i < MODEL_COUNT(model_cases); i++) {
        snprintf(names[i], sizeof names[0], "model: first loss is ln V, no dead tensor: %s",
                 model_cases[i]);
        test_case(names[i]);
        model_check_fresh(model_cases[i]);
    }
}

/* ---- learning ---- */

/* The last loss of overfitting one batch. */
static double model_overfit(const char *settings, const char *training, int steps) {
    model_rig r;
    onebit_step_report report;
    int i;
    memset(&report, 0, sizeof report);
    report.loss = 99;
    if (model_open(&r, settings, training, 4, 16, NULL))
        for (i = 0; i < steps && model_step(&r, &report); i++)
            if (report.loss < 0.05) break;
    CHECK(report.step == onebit_trainer_steps(r.trainer));
    model_close(&r);
    return report.loss;
}

static void model_test_overfit(void) {
    static const char *const muon =
        "optimizer=muon lr_warmup_steps=10 max_steps=300 weight_decay=0";
    static const char *const adamw =
        "optimizer=adamw lr=0.01 lr_warmup_steps=10 max_steps=300 weight_decay=0";
    static const char *const shapes[] = {
        "hidden_size=32 intermediate_size=64 layer_bit_map=ternary use_sub_norm=true",
        "hidden_size=32 intermediate_size=64 layer_bit_map=ternary",
        "hidden_size=32 intermediate_size=64 layer_bit_map=f32 embedding=f32",
        "hidden_size=32 intermediate_size=64 layer_bit_map=binary use_sub_norm=true",
    };
    int i;
    test_case("model: one batch is learnt by heart");
    for (i = 0; i < MODEL_COUNT(shapes); i++) {
        double one = model_overfit(shapes[i], muon, 300),
               two = model_overfit(shapes[i], adamw, 300);
        if (!CHECK(one < 0.1)) printf("muon ends at %.3f: %s\n", one, shapes[i]);
        if (!CHECK(two < 0.1)) printf("adamw ends at %.3f: %s\n", two, shapes[i]);
    }
}

/* ---- accumulation ---- */

/* Largest difference of entries of two trainers' gradients after scaling two's by factor, relative
   to the largest of each tensor; the worst tensor counts. latents: compare those instead. */
static double model_distance(onebit_trainer *one, onebit_trainer *two, double factor, int latents) {
    onebit_parameter a, b;
    double worst = 0;
    int i;
    for (i = 0; onebit_trainer_parameter(one, i, &a) == ONEBIT_OK; i++) {
        size_t k, n = (size_t)a.rows * (size_t)a.cols;
        const float *x, *y;
        double top, far = 0;
        if (!CHECK_OK(onebit_trainer_parameter(two, i, &b))) return 1e9;
        x = latents ? a.value : a.grad;
        y = latents ? b.value : b.grad;
        top = model_largest(x, n);
        for (k = 0; k < n; k++) far = fmax(far, fabs(x[k] - factor * y[k]));
        if (far > worst * top) worst = far / top;
    }
    return worst;
}

/* Whether accumulate or update takes the mean over micro-batches is free, so gradients are compared
   up to a factor of 2. adam_eps is large: the step is then smooth in the gradient. */
static void model_test_accumulation(void) {
    static const char *const settings = "layer_bit_map=ternary,8bit";
    static const char *const large = "optimizer=adamw adam_eps=0.01 lr_warmup_steps=0 lr=0.01";
    static const char *const small = "optimizer=adamw adam_eps=0.01 lr_warmup_steps=0 lr=0.01 "
                                     "accumulation_steps=2";
    model_rig one, two;
    onebit_step_report a, b;
    double first = 0, second = 0, whole = 0;
    test_case("model: two micro-batches are one batch twice as large");
    if (model_open(&one, settings, large, 4, 12, NULL) &
        model_open(&two, settings, small, 2, 12, NULL)) {
        CHECK_OK(onebit_trainer_accumulate(one.trainer, one.inputs, one.targets, &whole));
        CHECK_OK(onebit_trainer_accumulate(two.trainer, one.inputs, one.targets, &first));
        CHECK_OK(
            onebit_trainer_accumulate(two.trainer, one.inputs + 24, one.targets + 24, &second));
        CHECK(fabs(whole - (first + second) / 2) < 1e-6 * whole);
        CHECK(model_distance(one.trainer, two.trainer, 1, 0) < 1e-5 ||
              model_distance(one.trainer, two.trainer, 0.5, 0) < 1e-5);
        CHECK_OK(onebit_trainer_update(one.trainer, &a));
        CHECK_OK(onebit_trainer_update(two.trainer, &b));
        CHECK(a.step == 1 && b.step == 1 && a.lr == b.lr && a.lr > 0);
        CHECK(fabs(a.loss - whole) < 1e-6 * whole && fabs(b.loss - whole) < 1e-6 * whole);
        CHECK(a.grad_norm > 0 && fabs(a.grad_norm - b.grad_norm) < 1e-5 * a.grad_norm);
        CHECK(a.tokens_seen == 48 && b.tokens_seen == 48);
        CHECK(model_distance(one.trainer, two.trainer, 1, 1) < 1e-5);
    }
    model_close(&one);
    model_close(&two);
}

/* The reported norm is that of all gradients together. */
static void model_test_norm(void) {
    model_rig r;
    onebit_parameter p;
    onebit_step_report report;
    double sum = 0, after = 0;
    int i, k;
    test_case("model: grad_norm is the norm of the gradients, and update clears them");
    if (model_open(&r, "", "", 3, 12, NULL)) {
        CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, NULL));
        for (i = 0; onebit_trainer_parameter(r.trainer, i, &p) == ONEBIT_OK; i++)
            for (k = 0; k < p.rows * p.cols; k++) sum += (double)p.grad[k] * p.grad[k];
        CHECK_OK(onebit_trainer_update(r.trainer, &report));
        CHECK(fabs(report.grad_norm - sqrt(sum)) < 1e-5 * sqrt(sum));
        for (i = 0; onebit_trainer_parameter(r.trainer, i, &p) == ONEBIT_OK; i++)
            after += model_largest(p.grad, (size_t)p.rows * (size_t)p.cols);
        CHECK(after == 0);
    }
    model_close(&r);
}

/* STE scale S: matrices that are quantized get S times the gradient, nothing else changes. */
static void model_test_ste(void) {
    static const char *const settings =
        "num_layers=3 layer_bit_map=ternary,binary,8bit embedding=f32";
    model_rig one, two;
    onebit_parameter a, b;
    int i;
    char doubled[256];
    test_case("model: ste_scale_factor multiplies the gradient of quantized matrices only");
    snprintf(doubled, sizeof doubled, "%s ste_scale_factor=2", settings);
    if (model_open(&one, settings, "", 2, 12, NULL) & model_open(&two, doubled, "", 2, 12, NULL)) {
        CHECK_OK(onebit_trainer_accumulate(one.trainer, one.inputs, one.targets, NULL));
        CHECK_OK(onebit_trainer_accumulate(two.trainer, two.inputs, two.targets, NULL));
        for (i = 0; onebit_trainer_parameter(one.trainer, i, &a) == ONEBIT_OK; i++) {
            size_t k, n = (size_t)a.rows * (size_t)a.cols;
            double factor = a.mode >= ONEBIT_8BIT ? 2 : 1, top = model_largest(a.grad, n), far = 0;
            CHECK_OK(onebit_trainer_parameter(two.trainer, i, &b));
            for (k = 0; k < n; k++) far = fmax(far, fabs(factor * a.grad[k] - b.grad[k]));
            if (!CHECK(far < 1e-5 * top)) printf("%s\n", a.name);
        }
    }
    model_close(&one);
    model_close(&two);
}

/* ---- optimizers, in double ---- */

/* Latents and gradient of one tensor, and the optimizer's memory of it. */
typedef struct model_twin {
    int rows, cols;
    double *w, *g, *first, *second;
} model_twin;

static void model_twin_open(model_twin *t, const onebit_parameter *p) {
    size_t k, n = (size_t)p->rows * (size_t)p->cols;
    t->rows = p->rows;
    t->cols = p->cols;
    t->w = ref_array(n);
    t->g = ref_array(n);
    t->first = ref_array(n);
    t->second = ref_array(n);
    for (k = 0; k < n; k++) t->w[k] = p->value[k];
}

/* AdamW (Loshchilov & Hutter 2019), update number step from 1. */
static void model_twin_adamw(model_twin *t, const onebit_train_options *o, double lr, double decay,
                             int step) {
    int k;
    for (k = 0; k < t->rows * t->cols; k++) {
        double m, v;
        t->first[k] = o->adam_beta1 * t->first[k] + (1 - o->adam_beta1) * t->g[k];
        t->second[k] = o->adam_beta2 * t->second[k] + (1 - o->adam_beta2) * t->g[k] * t->g[k];
        m = t->first[k] / (1 - pow(o->adam_beta1, step));
        v = t->second[k] / (1 - pow(o->adam_beta2, step));
        t->w[k] = t->w[k] * (1 - lr * decay) - lr * m / (sqrt(v) + o->adam_eps);
    }
}

/* x = a x + (b s + c s s) x with s = x x^T, for any shape: slow and plain. */
static void model_newton_schulz(double *x, int r, int c) {
    double *s = ref_array((size_t)(r * r)), *q = ref_array((size_t)(r * r)),
           *y = ref_array((size_t)(r * c));
    int i, j, k;
    for (i = 0; i < r; i++)
        for (j = 0; j < r; j++)
            for (k = 0; k < c; k++) s[i * r + j] += x[i * c + k] * x[j * c + k];
    for (i = 0; i < r; i++)
        for (j = 0; j < r; j++) {
            for (k = 0; k < r; k++) q[i * r + j] += 2.0315 * s[i * r + k] * s[k * r + j];
            q[i * r + j] -= 4.7750 * s[i * r + j];
        }
    for (i = 0; i < r; i++)
        for (j = 0; j < c; j++) {
            for (k = 0; k < r; k++) y[i * c + j] += q[i * r + k] * x[k * c + j];
            y[i * c + j] += 3.4445 * x[i * c + j];
        }
    memcpy(x, y, (size_t)(r * c) * sizeof *x);
    free(s);
    free(q);
    free(y);
}

/* Muon (Jordan 2024): Nesterov momentum, orthogonalized, times sqrt(max(1, rows / cols)). */
static void model_twin_muon(model_twin *t, const onebit_train_options *o, double lr, double decay) {
    double *u = ref_array((size_t)(t->rows * t->cols)), mu = o->muon_momentum, sum = 0;
    double size = t->rows > t->cols ? sqrt((double)t->rows / t->cols) : 1;
    int k;
    for (k = 0; k < t->rows * t->cols; k++) {
        t->first[k] = mu * t->first[k] + (1 - mu) * t->g[k];
        u[k] = mu * t->first[k] + (1 - mu) * t->g[k];
        sum += u[k] * u[k];
    }
    for (k = 0; k < t->rows * t->cols; k++) u[k] /= sqrt(sum) + 1e-7;
    for (k = 0; k < o->muon_iterations; k++) model_newton_schulz(u, t->rows, t->cols);
    for (k = 0; k < t->rows * t->cols; k++)
        t->w[k] = t->w[k] * (1 - lr * decay) - lr * size * u[k];
    free(u);
}

/* Four updates; after each, latents are off by at most 1e-3 of the way that AdamW can have gone. */
static void model_check_optimizer(const char *training, int muon) {
    model_rig r;
    onebit_parameter p;
    onebit_step_report report;
    model_twin twins[32];
    int step, i, k, count = 0;
    if (!model_open(&r, "layer_bit_map=ternary use_qk_norm=true", training, 2, 12, NULL)) {
        model_close(&r);
        return;
    }
    for (; count < 32 && onebit_trainer_parameter(r.trainer, count, &p) == ONEBIT_OK; count++)
        model_twin_open(&twins[count], &p);
    for (step = 1; step <= 4; step++) {
        double clip, top = r.options.grad_clip_max_norm, decay = r.options.weight_decay;
        if (r.options.lr_decay == 4 && step > r.options.lr_stage_start * r.options.max_steps)
            decay = r.options.weight_decay_stage2;
        model_batch(&r, step);
        CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, NULL));
        for (i = 0; i < count; i++) {
            onebit_trainer_parameter(r.trainer, i, &p);
            for (k = 0; k < p.rows * p.cols; k++) twins[i].g[k] = p.grad[k];
        }
        CHECK_OK(onebit_trainer_update(r.trainer, &report));
        clip = top > 0 && report.grad_norm > top ? top / report.grad_norm : 1;
        CHECK(top == 0 || clip < 1);
        for (i = 0; i < count; i++) {
            double far = 0, way = report.lr * step;
            int block;
            onebit_trainer_parameter(r.trainer, i, &p);
            block = strstr(p.name, "_proj") != NULL;
            for (k = 0; k < p.rows * p.cols; k++) twins[i].g[k] *= clip;
            if (muon && block)
                model_twin_muon(&twins[i], &r.options, r.options.muon_lr * report.lr / r.options.lr,
                                decay);
            else model_twin_adamw(&twins[i], &r.options, report.lr, block ? decay : 0, step);
            for (k = 0; k < p.rows * p.cols; k++) far = fmax(far, fabs(p.value[k] - twins[i].w[k]));
            if (!CHECK(far <= 1e-3 * way)) printf("%s is off by %.3g of %.3g\n", p.name, far, way);
        }
    }
    for (i = 0; i < count; i++) {
        free(twins[i].w);
        free(twins[i].g);
        free(twins[i].first);
        free(twins[i].second);
    }
    model_close(&r);
}

static void model_test_optimizers(void) {
    test_case("model: AdamW and Muon are the published rules");
    model_check_optimizer("optimizer=adamw lr=0.01 adam_eps=1e-4 lr_warmup_steps=2 weight_decay=2 "
                          "grad_clip_max_norm=0.05",
                          0);
    model_check_optimizer("optimizer=muon lr=0.01 adam_eps=1e-4 lr_warmup_steps=0 weight_decay=2 "
                          "grad_clip_max_norm=0",
                          1);
    model_check_optimizer(
        "optimizer=muon muon_momentum=0.5 muon_iterations=2 lr_warmup_steps=0 adam_eps=1e-4 "
        "grad_clip_max_norm=0.05",
        1);
    test_case("model: the second stage has its own weight decay, for AdamW and Muon");
    model_check_optimizer("optimizer=adamw lr=0.01 adam_eps=1e-4 lr_warmup_steps=1 weight_decay=2 "
                          "lr_decay=two-stage max_steps=4 weight_decay_stage2=9 "
                          "grad_clip_max_norm=0",
                          0);
    model_check_optimizer("optimizer=muon lr=0.01 adam_eps=1e-4 lr_warmup_steps=0 weight_decay=2 "
                          "lr_decay=two-stage max_steps=4 weight_decay_stage2=9 "
                          "grad_clip_max_norm=0 lr_min=0.001",
                          1);
}

/* Learning rate at update s from 0, as a share of the peak. */
static double model_share(const char *decay, int s) {
    double low = 0.1, p = (s - 3) / 9.0; /* 3 steps of warm-up, 12 in all */
    if (s < 3) return (s + 1) / 3.0;
    if (p > 1) p = 1;
    if (!strcmp(decay, "none")) return 1;
    if (!strcmp(decay, "linear")) return 1 - 0.9 * p;
    if (!strcmp(decay, "wsd")) return p < 0.5 ? 1 : 1 - 0.9 * (p - 0.5) / 0.5;
    return low + 0.5 * (1 - low) * (1 + cos(acos(-1.0) * p));
}

static void model_test_schedules(void) {
    static const char *const decays[] = {"cosine", "linear", "none", "wsd"};
    int i, s;
    test_case("model: learning rate schedules");
    for (i = 0; i < 4; i++) {
        model_rig r;
        char training[160];
        onebit_step_report report;
        snprintf(training, sizeof training,
                 "optimizer=adamw lr=0.002 max_steps=12 lr_warmup_steps=3 wsd_decay_fraction=0.5 "
                 "lr_decay=%s",
                 decays[i]);
        if (model_open(&r, "num_layers=1", training, 1, 4, NULL))
            for (s = 0; s < 15 && model_step(&r, &report); s++)
                if (!CHECK(fabs(report.lr - 0.002 * model_share(decays[i], s)) < 1e-9))
                    printf("%s, step %d: %.9g\n", decays[i], s, report.lr);
        model_close(&r);
    }
}

/* Rates of a peak of 1 written down by hand: update number step from 0. */
typedef struct model_rate {
    const char *training;
    int step;
    double rate;
} model_rate;

/* All: 4 steps of warm-up, 20 in all, so that 16 are left. cos(pi / 4) = 0.70710678. */
static const model_rate model_rates[] = {
    {"lr_decay=cosine", 0, 0.25},        {"lr_decay=cosine", 3, 1},
    {"lr_decay=cosine", 4, 1},           {"lr_decay=cosine", 8, 0.1 + 0.45 * 1.70710678},
    {"lr_decay=cosine", 12, 0.55},       {"lr_decay=cosine", 20, 0.1},
    {"lr_decay=cosine", 25, 0.1},        {"lr_decay=linear", 2, 0.75},
    {"lr_decay=linear", 4, 1},           {"lr_decay=linear", 12, 0.55},
    {"lr_decay=linear", 19, 0.15625},    {"lr_decay=linear", 20, 0.1},
    {"lr_decay=none", 1, 0.5},           {"lr_decay=none", 19, 1},
    {"lr_decay=wsd", 3, 1},              {"lr_decay=wsd", 12, 1},
    {"lr_decay=wsd", 16, 0.55},          {"lr_decay=wsd", 20, 0.1},
    {"lr_decay=two-stage", 0, 0.25},     {"lr_decay=two-stage", 4, 1},
    {"lr_decay=two-stage", 7, 0.7665},   {"lr_decay=two-stage", 9, 0.610833333},
    {"lr_decay=two-stage", 10, 0.333},   {"lr_decay=two-stage", 15, 0.2165},
    {"lr_decay=two-stage", 20, 0.1},     {"lr_decay=two-stage", 30, 0.1},
    {"lr_decay=cosine lr_min=0.3", 20, 0.3},
    {"lr_decay=cosine lr_min=0.3", 12, 0.65},
    {"lr_decay=linear lr_min=0.3 lr_min_ratio=0.9", 12, 0.65},
    {"lr_decay=wsd lr_min=0.3", 20, 0.3},
    {"lr_decay=two-stage lr_min=0.001", 20, 0.001},
    {"lr_decay=two-stage lr_min=0.001", 15, 0.167},
    {"lr_decay=two-stage lr_stage_start=0.1", 3, 1}, /* warm-up first, then stage 2 at once */
    {"lr_decay=two-stage lr_stage_start=0.1", 4, 0.333},
    {"lr_decay=two-stage lr_stage_start=0.1", 12, 0.2165},
    {"lr_decay=two-stage lr_stage_start=1", 12, 0.7665}, /* no stage 2 */
    {"lr_decay=two-stage lr_stage1_end_ratio=0.2 lr_stage2_ratio=0.8", 9, 0.333333333},
    {"lr_decay=two-stage lr_stage1_end_ratio=0.2 lr_stage2_ratio=0.8", 10, 0.8},
};

static void model_test_rates(void) {
    int i;
    test_case("model: known learning rates of every shape at known steps");
    for (i = 0; i < MODEL_COUNT(model_rates); i++) {
        const model_rate *m = &model_rates[i];
        onebit_train_options o = onebit_train_options_default();
        CHECK_OK(ref_settings(ONEBIT_TABLE_TRAIN, &o, "lr=1 max_steps=20 lr_warmup_steps=4 "
                                                      "wsd_decay_fraction=0.5"));
        CHECK_OK(ref_settings(ONEBIT_TABLE_TRAIN, &o, m->training));
        if (!CHECK(fabs(ob_schedule(&o, m->step) - m->rate) < 1e-8))
            printf("%s, step %d: %.9g\n", m->training, m->step, ob_schedule(&o, m->step));
    }
    test_case("model: without max_steps the rate stays at its peak");
    for (i = 0; i < 5; i++) {
        onebit_train_options o = onebit_train_options_default();
        o.max_steps = 0, o.lr_warmup_steps = 2, o.lr_decay = i;
        CHECK(ob_schedule(&o, 0) == 0.5 && ob_schedule(&o, 1000) == 1);
        CHECK(!ob_in_stage2(&o, 1000));
    }
}

/* Both shares are ramps: known ends, and no step larger than the steepest that they may take. */
static void model_test_ramps(void) {
    onebit_trainer t;
    double a, c, last_a = 0, last_c = 0, steepest = 0.4 * 3.14159265358979 / 2 / 30;
    memset(&t, 0, sizeof t);
    t.config = onebit_config_default();
    t.options = onebit_train_options_default();
    t.options.quant_warmup_steps = 20, t.options.quant_anneal_steps = 80;
    t.config.arenas_initial = 0.4, t.config.arenas_warmup_steps = 10;
    t.config.arenas_anneal_steps = 40;
    test_case("model: the shares of quantisation and of Arenas run without a jump");
    for (; t.steps < 120; t.steps++) {
        a = ob_anneal_share(&t);
        c = ob_arenas_share(&t);
        CHECK(a >= last_a && a - last_a < 1.0 / 80 + 1e-12);
        CHECK(fabs(c - last_c) <= (t.steps <= 10 ? 0.04 : steepest) + 1e-12);
        if (t.steps <= 20) CHECK(a == 0);
        if (t.steps == 60) CHECK(a == 0.5);
        if (t.steps >= 100) CHECK(a == 1);
        if (t.steps == 0) CHECK(c == 0);
        if (t.steps == 5) CHECK(fabs(c - 0.2) < 1e-12);
        if (t.steps == 10) CHECK(c == 0.4);
        if (t.steps == 25) CHECK(fabs(c - 0.2) < 1e-12);
        CHECK((c == 0) == (t.steps == 0 || t.steps >= 40));
        last_a = a, last_c = c;
    }
}

/* ---- threads and instruction sets ---- */

static int model_pieces; /* bodies that the hook below has run */

/* Runs the pieces backwards: an order that they must not depend on. */
static void model_backwards(void *user, onebit_body body, void *arg, int n) {
    (void)user;
    model_pieces += n;
    while (n-- > 0) body(arg, n);
}

static const char *const model_mixed =
    "num_layers=5 layer_bit_map=ternary,binary,8bit,f16,f32 embedding=8bit use_sub_norm=true "
    "use_qk_norm=true num_key_value_heads=2";
static const char *const model_wide =
    "hidden_size=96 intermediate_size=200 num_layers=5 layer_bit_map=ternary,8bit,f16,binary,f32 "
    "use_swiglu=false tie_word_embeddings=false lm_head=f32 embedding=f32";

static const char *const model_coded =
    "hidden_size=96 intermediate_size=200 num_layers=3 layer_bit_map=ternary,binary,8bit "
    "embedding=ternary scale_group=64 activation_bits=1 weight_scale=absmedian use_f16_scale=true "
    "use_sub_norm=true anneal_fraction=0.5";
static const char *const model_median =
    "hidden_size=64 layer_bit_map=ternary,binary embedding=8bit weight_scale=absmedian "
    "use_f16_scale=true activation_bits=1";

/* Every matrix in a mode of its own. */
static const char model_projections[] =
    "num_layers=3 use_sub_norm=true use_qk_norm=true scale_group=32 layer_bit_map=["
    "{\"q_proj\":\"ternary\",\"k_proj\":\"f16\",\"v_proj\":\"8bit\",\"o_proj\":\"binary\","
    "\"gate_proj\":\"f32\",\"up_proj\":\"binary\",\"down_proj\":\"8bit\"},\"ternary\","
    "{\"attention\":\"f16\",\"ffn\":\"ternary\",\"down_proj\":\"f32\"}]";

/* Three updates on one thread and on `threads` pieces, then the same image. */
static void model_check_threads(const char *settings, const char *training, int threads) {
    onebit_env serial = onebit_env_default(), split = onebit_env_default();
    model_rig one, two;
    int step;
    serial.threads = 1;
    split.threads = threads;
    split.parallel = model_backwards;
    model_pieces = 0;
    if (model_open(&one, settings, training, 4, 21, &serial) &
        model_open(&two, settings, training, 4, 21, &split)) {
        size_t bytes = (size_t)(4 * 21 * MODEL_VOCAB) * sizeof(float), a_size, b_size;
        void *a, *b;
        for (step = 0; step < 3; step++) {
            model_batch(&one, step);
            model_batch(&two, step);
            model_step(&one, NULL);
            model_step(&two, NULL);
        }
        CHECK(model_pieces > 0);
        CHECK(
            !memcmp(onebit_trainer_logits(one.trainer), onebit_trainer_logits(two.trainer), bytes));
        CHECK(model_same(one.trainer, two.trainer));
        a = model_pack(&one, &a_size);
        b = model_pack(&two, &b_size);
        CHECK(a && b && a_size == b_size && !memcmp(a, b, a_size));
        free(a);
        free(b);
    }
    model_close(&one);
    model_close(&two);
}

static void model_test_threads(void) {
    test_case("model: 1 thread = 3 threads = 64 threads, bit for bit");
    model_check_threads(model_mixed, "optimizer=muon", 3);
    model_check_threads(model_mixed, "optimizer=adamw", 3);
    model_check_threads(model_wide, "optimizer=muon", 3);
    model_check_threads(model_wide, "optimizer=muon", 64);
    model_check_threads(model_coded, "optimizer=muon", 3);
    model_check_threads(model_coded, "optimizer=muon max_steps=6", 64);
    model_check_threads(model_projections, "gradient_checkpointing_segments=2", 3);
    model_check_threads(model_median, "optimizer=adamw", 5);
    model_check_threads("use_subln=false num_layers=3 use_sub_norm=true",
                        "label_smoothing=0.1 gradient_checkpointing_segments=2", 3);
}

/* The session's thread hook: same logits on any number of threads. */
static void model_test_session_threads(void) {
    model_rig r;
    size_t bytes;
    void *image;
    float *logits[2];
    int i;
    test_case("model: a session on 1 thread = on 3 threads, bit for bit");
    if (model_open(&r, model_mixed, "", 1, 40, NULL)) {
        image = model_pack(&r, &bytes);
        for (i = 0; i < 2; i++) {
            onebit_env env = onebit_env_default();
            onebit_model *model = NULL;
            env.threads = i ? 3 : 1;
            env.parallel = model_backwards;
            logits[i] = (float *)calloc(40 * MODEL_VOCAB, sizeof(float));
            model_pieces = 0;
            if (image && CHECK_OK(onebit_model_open_memory(&model, image, bytes, &env))) {
                onebit_session *session = NULL;
                CHECK_OK(onebit_session_create(&session, model, NULL, &env));
                if (session) CHECK_OK(onebit_session_eval(session, r.inputs, 40, logits[i]));
                onebit_session_free(session);
            }
            onebit_model_free(model);
        }
        CHECK(model_pieces > 0);
        CHECK(!memcmp(logits[0], logits[1], 40 * MODEL_VOCAB * sizeof(float)));
        free(logits[0]);
        free(logits[1]);
        free(image);
    }
    model_close(&r);
}

/* Forward bit for bit, gradients within 1e-5 of each tensor's largest, exported logits bit for bit.
 */
static void model_check_isa(const char *settings, const onebit_env *scalar, const onebit_env *env) {
    model_rig one, two;
    if (model_open(&one, settings, "", 3, 21, scalar) &
        model_open(&two, settings, "", 3, 21, env)) {
        size_t bytes = (size_t)(3 * 21 * one.config.vocab_size) * sizeof(float);
        double a = 0, b = 1, far;
        ref_fill(one.trainer, 5);
        ref_fill(two.trainer, 5);
        CHECK_OK(onebit_trainer_accumulate(one.trainer, one.inputs, one.targets, &a));
        CHECK_OK(onebit_trainer_accumulate(two.trainer, two.inputs, two.targets, &b));
        if (!CHECK(!memcmp(onebit_trainer_logits(one.trainer), onebit_trainer_logits(two.trainer),
                           bytes)))
            printf("logits differ: %s\n", settings);
        CHECK(fabs(a - b) <= 1e-6 * a);
        far = model_distance(one.trainer, two.trainer, 1, 0);
        if (!CHECK(far < 1e-5)) printf("gradients differ by %.3g: %s\n", far, settings);
        model_check_export(&two);
    }
    model_close(&one);
    model_close(&two);
}

static void model_test_isa(onebit_isa isa, const char *name) {
    onebit_env scalar = onebit_env_default(), env = onebit_env_default();
    onebit_trainer *trainer = NULL;
    onebit_config config = onebit_config_default();
    onebit_status status;
    int i;
    scalar.isa = ONEBIT_ISA_SCALAR;
    env.isa = isa;
    test_case(name);
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, MODEL_BASE));
    status = onebit_trainer_create(&trainer, &config, NULL, &env);
    onebit_trainer_free(trainer);
    if (status == ONEBIT_UNSUPPORTED) {
        test_skip("this processor lacks it");
        return;
    }
    CHECK(status == ONEBIT_OK);
    for (i = 0; i < MODEL_COUNT(model_cases); i++) model_check_isa(model_cases[i], &scalar, &env);
    model_check_isa(model_wide, &scalar, &env);
    model_check_isa(model_coded, &scalar, &env);
}

/* ---- sessions ---- */

static void model_check_budget(onebit_session *session, const int32_t *ids, int T,
                               const float *wanted) {
    int max_layers, n;
    for (max_layers = 1; max_layers <= 3; max_layers++) {
        onebit_status status = ONEBIT_AGAIN;
        CHECK_OK(onebit_session_rewind(session, 0));
        CHECK_OK(onebit_session_feed(session, ids, (size_t)T));
        for (n = 0; status == ONEBIT_AGAIN && n < 10000; n++)
            status = onebit_session_step(session, max_layers);
        CHECK(status == ONEBIT_OK && n > 1);
        CHECK(!memcmp(onebit_session_logits(session), wanted, MODEL_VOCAB * sizeof *wanted));
    }
}

static void model_check_rewind(onebit_session *session, const int32_t *ids, int T,
                               const float *wanted) {
    float *logits = (float *)malloc((size_t)(T * MODEL_VOCAB) * sizeof *logits);
    int cut;
    for (cut = 0; cut < T; cut += 5) {
        CHECK_OK(onebit_session_rewind(session, cut));
        CHECK(onebit_session_length(session) == cut);
        CHECK_OK(onebit_session_eval(session, ids + cut, (size_t)(T - cut), logits));
        CHECK(!memcmp(logits, wanted + cut * MODEL_VOCAB,
                      (size_t)((T - cut) * MODEL_VOCAB) * sizeof *logits));
    }
    free(logits);
}

static void model_check_restore(const onebit_model *model, const int32_t *ids, int T,
                                const float *wanted) {
    onebit_session *from = NULL, *to = NULL;
    float *logits = (float *)malloc((size_t)(T * MODEL_VOCAB) * sizeof *logits);
    int cut = T / 2;
    if (CHECK_OK(onebit_session_create(&from, model, NULL, NULL)) &&
        CHECK_OK(onebit_session_create(&to, model, NULL, NULL)) &&
        CHECK_OK(onebit_session_eval(from, ids, (size_t)cut, NULL)) &&
        CHECK_OK(onebit_session_eval(to, ids + 3, (size_t)cut, NULL))) {
        size_t bytes = onebit_session_save(from, NULL, 0);
        char *state = (char *)malloc(bytes + 1);
        CHECK(onebit_session_save(from, state, bytes) == bytes);
        if (CHECK_OK(onebit_session_restore(to, state, bytes))) {
            CHECK(onebit_session_length(to) == cut);
            CHECK(!memcmp(onebit_session_logits(to), onebit_session_logits(from),
                          MODEL_VOCAB * sizeof(float)));
            CHECK_OK(onebit_session_eval(to, ids + cut, (size_t)(T - cut), logits));
            CHECK(!memcmp(logits, wanted + cut * MODEL_VOCAB,
                          (size_t)((T - cut) * MODEL_VOCAB) * sizeof *logits));
        }
        CHECK(onebit_session_restore(to, state, bytes - 1) != ONEBIT_OK);
        CHECK_OK(onebit_session_feed(from, ids + cut, (size_t)(T - cut))); /* now in mid-chunk */
        CHECK(onebit_session_step(from, 1) == ONEBIT_AGAIN);
        bytes = onebit_session_save(from, NULL, 0);
        state = (char *)realloc(state, bytes);
        CHECK(onebit_session_save(from, state, bytes) == bytes);
        CHECK_OK(onebit_session_rewind(to, 0));
        CHECK_OK(onebit_session_feed(to, ids, 9));
        CHECK(onebit_session_step(to, 2) == ONEBIT_AGAIN);
        CHECK_OK(onebit_session_restore(to, state, bytes));
        CHECK_OK(onebit_session_step(from, 0));
        CHECK_OK(onebit_session_step(to, 0));
        CHECK(!memcmp(onebit_session_logits(to), wanted + (T - 1) * MODEL_VOCAB,
                      MODEL_VOCAB * sizeof(float)));
        CHECK(!memcmp(onebit_session_logits(from), wanted + (T - 1) * MODEL_VOCAB,
                      MODEL_VOCAB * sizeof(float)));
        free(state);
    }
    onebit_session_free(from);
    onebit_session_free(to);
    free(logits);
}

static void model_test_session(void) {
    model_rig r;
    test_case("model: stepping, rewinding and restoring a session continue bit for bit");
    if (model_open(&r, model_mixed, "", 1, 40, NULL)) {
        size_t bytes, row = 40 * MODEL_VOCAB * sizeof(float);
        void *image;
        float *wanted = (float *)malloc(row);
        onebit_model *model = NULL;
        onebit_session *session = NULL;
        double loss;
        ref_fill(r.trainer, 9);
        CHECK_OK(onebit_trainer_evaluate(r.trainer, r.inputs, r.targets, 1, 40, &loss));
        memcpy(wanted, onebit_trainer_logits(r.trainer), row);
        image = model_pack(&r, &bytes);
        if (image && CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL)) &&
            CHECK_OK(onebit_session_create(&session, model, NULL, NULL))) {
            model_check_budget(session, r.inputs, 40, wanted + 39 * MODEL_VOCAB);
            model_check_rewind(session, r.inputs, 40, wanted);
            model_check_restore(model, r.inputs, 40, wanted);
        }
        onebit_session_free(session);
        onebit_model_free(model);
        free(wanted);
        free(image);
    }
    model_close(&r);
}

/* ---- score, checkpoints, divergence ---- */

static void model_test_score(void) {
    model_rig r;
    int32_t ids[3 * 16 + 1];
    double loss = 0, sum = 0;
    size_t scored = 0;
    int i;
    test_case("model: the score of a stream is the mean over its windows");
    if (model_open(&r, "layer_bit_map=ternary use_sub_norm=true", "", 2, 16, NULL)) {
        for (i = 0; i <= 48; i++) ids[i] = (i * i + 3 * i) % MODEL_VOCAB;
        for (i = 0; i < 3; i++) {
            double part = 0;
            CHECK_OK(
                onebit_trainer_evaluate(r.trainer, ids + 16 * i, ids + 16 * i + 1, 1, 16, &part));
            sum += part / 3;
        }
        CHECK_OK(onebit_trainer_score(r.trainer, ids, 49, 0, &loss, &scored));
        CHECK(scored == 48);
        if (!CHECK(fabs(loss - sum) < 1e-6 * sum)) printf("score %.8f, windows %.8f\n", loss, sum);
    }
    model_close(&r);
}

static int model_same_config(const onebit_config *one, const onebit_config *two) {
    static char a[16384], b[16384];
    size_t n = onebit_config_write(one, a, sizeof a), m = onebit_config_write(two, b, sizeof b);
    return n == m && n < sizeof a && !strcmp(a, b);
}

/* Six updates in one go; three, a checkpoint, and three after it: the same image. */
static void model_check_resume(const char *settings, const char *training) {
    static const char *const path = "test_model_checkpoint.tmp";
    model_rig one, two;
    onebit_position there = onebit_dataset_tell(NULL), back = there;
    onebit_step_report a, b;
    size_t a_size = 0, b_size = 1;
    void *image, *other;
    int step;
    there.seed = 5, there.epoch = 6, there.index = 7;
    there.place[ONEBIT_MAX_SOURCES - 1].fill = UINT64_MAX;
    if (model_open(&one, settings, training, 2, 16, NULL) &
        model_open(&two, settings, training, 2, 16, NULL)) {
        for (step = 0; step < 6; step++) {
            model_batch(&one, step);
            model_batch(&two, step);
            model_step(&one, &a);
            if (step < 3) model_step(&two, NULL);
            if (step == 2) {
                CHECK_OK(onebit_trainer_save(two.trainer, two.tokenizer, there, path));
                onebit_trainer_free(two.trainer);
                onebit_tokenizer_free(two.tokenizer);
                two.trainer = NULL;
                two.tokenizer = NULL;
                if (!CHECK_OK(
                        onebit_trainer_load(&two.trainer, &two.tokenizer, &back, path, NULL, NULL)))
                    break;
                CHECK(memcmp(&back, &there, sizeof back) == 0);
                CHECK(onebit_trainer_steps(two.trainer) == 3);
                CHECK(model_same_config(onebit_trainer_config(two.trainer), &one.config));
            }
            if (step >= 3) model_step(&two, &b);
        }
        if (two.trainer && CHECK(step == 6)) {
            CHECK(a.step == 6 && b.step == 6 && a.loss == b.loss && a.grad_norm == b.grad_norm);
            CHECK(a.lr == b.lr && a.tokens_seen == b.tokens_seen && a.objective == b.objective);
            CHECK(model_same(one.trainer, two.trainer));
            image = model_pack(&one, &a_size);
            other = model_pack(&two, &b_size);
            CHECK(image && other && a_size == b_size && !memcmp(image, other, a_size));
            free(image);
            free(other);
        }
    }
    remove(path);
    model_close(&one);
    model_close(&two);
}

static void model_test_resume(void) {
    test_case("model: saved, loaded and trained on = trained in one go, bit for bit");
    model_check_resume(model_mixed, "optimizer=muon max_steps=6 lr_warmup_steps=2 seed=4");
    model_check_resume(model_wide,
                       "optimizer=adamw max_steps=6 lr_warmup_steps=2 lr=0.0012345678901234567");
    model_check_resume(model_coded, "optimizer=muon max_steps=6 lr_warmup_steps=2");
    model_check_resume("anneal_fraction=0.8 arenas_initial=0.2 arenas_anneal_steps=5 "
                       "latent_clip_max_training=0.05",
                       "float_fraction=0.3 max_steps=6 lr_decay=wsd");
    model_check_resume("use_subln=false arenas_initial=0.2 arenas_warmup_steps=3 "
                       "arenas_anneal_steps=5 num_layers=3",
                       "lr_decay=two-stage max_steps=6 lr_warmup_steps=1 weight_decay_stage2=0.5 "
                       "lr_min=0.0001 quant_warmup_steps=3 quant_anneal_steps=2 "
                       "label_smoothing=0.1 gradient_checkpointing_segments=2");
    model_check_resume("arenas_initial=0.2 arenas_anneal_steps=3",
                       "quant_warmup_steps=1 quant_anneal_steps=2 max_steps=6 lr_warmup_steps=3 "
                       "lr_decay=two-stage lr_stage_start=0.7 optimizer=adamw");
}

/* Segments of n blocks: the same bits as without, in less memory when n < L. */
static void model_check_segments(const char *settings, const char *training, int n) {
    model_rig one, two;
    onebit_step_report a, b;
    onebit_memory whole, cut;
    char text[160];
    double x = 0, y = 1;
    int step;
    snprintf(text, sizeof text, "%s gradient_checkpointing_segments=%d", training, n);
    if (model_open(&one, settings, training, 2, 16, NULL) &
        model_open(&two, settings, text, 2, 16, NULL)) {
        for (step = 0; step < 6; step++) {
            model_batch(&one, step / 2);
            model_batch(&two, step / 2);
            CHECK_OK(onebit_trainer_accumulate(one.trainer, one.inputs, one.targets, NULL));
            CHECK_OK(onebit_trainer_accumulate(two.trainer, two.inputs, two.targets, NULL));
            CHECK(model_distance(one.trainer, two.trainer, 1, 0) == 0);
            CHECK_OK(onebit_trainer_evaluate(one.trainer, one.inputs, one.targets, 2, 11, &x));
            CHECK_OK(onebit_trainer_evaluate(two.trainer, one.inputs, one.targets, 2, 11, &y));
            CHECK(x == y);
            if (step % 2 == 0) continue; /* two micro-batches per update */
            CHECK_OK(onebit_trainer_update(one.trainer, &a));
            CHECK_OK(onebit_trainer_update(two.trainer, &b));
            CHECK(a.loss == b.loss && a.grad_norm == b.grad_norm);
            if (!CHECK(model_same(one.trainer, two.trainer))) printf("segments of %d\n", n);
        }
        CHECK_OK(onebit_trainer_memory(&one.config, &one.options, NULL, &whole));
        CHECK_OK(onebit_trainer_memory(&two.config, &two.options, NULL, &cut));
        CHECK((cut.activations < whole.activations) == (n < one.config.num_layers));
        CHECK(whole.total - cut.total == whole.activations - cut.activations);
        CHECK(onebit_trainer_bytes(&two.config, &two.options, NULL) == cut.total);
    }
    model_close(&one);
    model_close(&two);
}

static void model_test_segments(void) {
    int n;
    test_case("model: checkpointed segments change no bit and take less memory");
    for (n = 1; n <= 6; n++) {
        model_check_segments(model_mixed, "optimizer=adamw lr_warmup_steps=0", n);
        model_check_segments("num_layers=5 use_subln=false anneal_fraction=0.5 arenas_initial=0.1",
                             "label_smoothing=0.1 max_steps=8 lr_warmup_steps=0", n);
    }
    model_check_segments("num_layers=4", "", 256);
    model_check_segments("num_layers=1", "", 1);
}

/* Annealing and Arenas train a blend, but evaluate always sees what would be exported. */
static void model_test_blend(void) {
    static const char *const blend = "anneal_fraction=1 arenas_initial=0.5 arenas_anneal_steps=8 "
                                     "layer_bit_map=ternary,binary";
    model_rig r;
    test_case("model: evaluate is the exported model while training blends");
    if (model_open(&r, blend, "float_fraction=0.2 max_steps=8 lr_warmup_steps=0", 2, 23, NULL)) {
        int step;
        for (step = 0; step < 4; step++) {
            double train = 0, hard = 0;
            CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, &train));
            CHECK_OK(onebit_trainer_update(r.trainer, NULL));
            CHECK_OK(onebit_trainer_evaluate(r.trainer, r.inputs, r.targets, 2, 23, &hard));
            CHECK(train != hard);
            model_check_export(&r);
        }
    }
    model_close(&r);
}

/* Arenas' coefficient as its paper has it (Sherry, arXiv 2601.07892). */
static double model_arenas(const onebit_config *c, int s) {
    double w = c->arenas_warmup_steps, T = c->arenas_anneal_steps;
    if (s < w) return c->arenas_initial * s / w;
    return s < T ? c->arenas_initial * 0.5 * (1 + cos(acos(-1.0) * (s - w) / (T - w))) : 0;
}

/* The weights that training sees at update s: W_eff = a Q(W) + (1 - a + c) W with a from 0 to 1
   over anneal_fraction of the run, or over quant_anneal_steps, and the Arenas coefficient c; in the
   float start W. Inputs are a Q(x) + (1 - a) x. */
static void model_check_blend(const char *settings, const char *training, int steps) {
    model_rig r;
    ref_model ref;
    int s;
    if (model_open(&r, settings, training, 2, 6, NULL)) {
        const onebit_config *c = &r.config;
        double span = c->anneal_fraction * r.options.max_steps;
        double start = r.options.float_fraction * r.options.max_steps;
        ref_open(&ref, r.trainer);
        for (s = 0; s < steps; s++) {
            int first = r.options.quant_warmup_steps, ramp = r.options.quant_anneal_steps;
            ref.keep = span > 0 && s < span ? s / span : 1;
            if (ramp) ref.keep = s < first ? 0 : s < first + ramp ? (s - first) / (double)ramp : 1;
            ref.soft = 1 - ref.keep + model_arenas(c, s);
            if (s < start) ref.keep = 0, ref.soft = 1;
            if (c->activation_bits) model_settle(&r, &ref); /* else a code may differ */
            else ref_base(&ref, r.trainer);
            model_check_forward(&r, &ref);
            if (s % 3 == 0) model_check_gradient(&r, &ref);
            CHECK_OK(onebit_trainer_update(r.trainer, NULL));
        }
        ref_close(&ref);
    }
    model_close(&r);
}

static void model_test_blend_values(void) {
    static const char *const train = "max_steps=12 lr_warmup_steps=0";
    static const char *const floating = "max_steps=12 lr_warmup_steps=0 float_fraction=0.3";
    static const char *const all =
        "num_layers=4 layer_bit_map=ternary,binary,8bit,f16 activation_bits=0";
    char text[240];
    test_case("model: annealing, Arenas and the float start blend as stated");
    snprintf(text, sizeof text, "%s anneal_fraction=0.5", all);
    model_check_blend(text, train, 8);
    snprintf(text, sizeof text, "%s arenas_initial=0.4 arenas_anneal_steps=5", all);
    model_check_blend(text, train, 7);
    snprintf(text, sizeof text, "%s arenas_initial=0.4 arenas_anneal_steps=5 anneal_fraction=0.25",
             all);
    model_check_blend(text, floating, 7);
    model_check_blend("layer_bit_map=ternary embedding=f32", floating, 4);
    snprintf(text, sizeof text, "%s arenas_initial=0.4 arenas_warmup_steps=2 arenas_anneal_steps=6",
             all);
    model_check_blend(text, train, 7);
    model_check_blend(all, "max_steps=12 lr_warmup_steps=0 quant_anneal_steps=4", 6);
    model_check_blend(text,
                      "max_steps=12 lr_warmup_steps=0 quant_warmup_steps=2 quant_anneal_steps=3",
                      7);
    test_case("model: annealing blends inputs too, of 8 bits and of 1, and scales of groups");
    model_check_blend("layer_bit_map=ternary,8bit embedding=8bit anneal_fraction=0.5", train, 7);
    model_check_blend("layer_bit_map=ternary,binary embedding=8bit activation_bits=1 "
                      "anneal_fraction=0.5 arenas_initial=0.4 arenas_anneal_steps=5",
                      train, 7);
    model_check_blend("layer_bit_map=ternary,binary scale_group=32 hidden_size=40 "
                      "anneal_fraction=0.5 weight_scale=absmedian activation_bits=0",
                      train, 7);
    model_check_blend("layer_bit_map=ternary scale_group=32 hidden_size=40 activation_bits=1",
                      floating, 5);
}

/* Losses of fixed weights at the shares 0, 1/n ... 1 of annealing: training steps whose rate is 0.
 */
static int model_anneal_losses(const char *settings, double *losses, int n) {
    model_rig r;
    char text[320], training[120];
    int s, ok;
    snprintf(text, sizeof text, "%s anneal_fraction=1", settings);
    snprintf(training, sizeof training, "optimizer=adamw lr=0 max_steps=%d", n);
    ok = model_open(&r, text, training, 4, 48, NULL);
    if (ok) ref_fill(r.trainer, 11);
    for (s = 0; ok && s <= n; s++)
        ok = CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, &losses[s])) &&
             CHECK_OK(onebit_trainer_update(r.trainer, NULL));
    model_close(&r);
    return ok;
}

/* The loss of the same weights without annealing. */
static double model_plain_loss(const char *settings) {
    model_rig r;
    double loss = -1;
    if (model_open(&r, settings, "", 4, 48, NULL)) {
        ref_fill(r.trainer, 11);
        CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, &loss));
    }
    model_close(&r);
    return loss;
}

/* From the float model to the hard one: both ends are met, and no step between is a jump of more
   than bound, as a share of the loss. */
static void model_check_anneal(const char *settings, double bound) {
    enum { STEPS = 40 };
    double losses[STEPS + 1], from, to, largest = 0;
    char text[320];
    int s;
    if (!model_anneal_losses(settings, losses, STEPS)) return;
    to = model_plain_loss(settings);
    snprintf(text, sizeof text, "%s layer_bit_map=f32", settings);
    from = model_plain_loss(text);
    if (!CHECK(fabs(losses[0] - from) <= 1e-6 * from) || !CHECK(losses[STEPS] == to))
        printf("%s: from %.9g to %.9g, not from %.9g to %.9g\n", settings, losses[0],
               losses[STEPS], from, to);
    for (s = 0; s < STEPS; s++) largest = fmax(largest, fabs(losses[s + 1] - losses[s]));
    if (!CHECK(largest < bound * from))
        printf("%s: a step of %.3g, the loss is %.3g\n", settings, largest, from);
}

/* A number that crosses 0 turns its sign's code over, hence the wider bound of signs. */
static void model_test_anneal(void) {
    test_case("model: annealing goes from float to hard codes without a jump");
    model_check_anneal("layer_bit_map=ternary", 0.003);
    model_check_anneal("layer_bit_map=binary use_sub_norm=true", 0.003);
    model_check_anneal("layer_bit_map=8bit", 0.003);
    model_check_anneal("layer_bit_map=ternary activation_bits=1 use_sub_norm=true", 0.04);
    model_check_anneal("layer_bit_map=binary,ternary activation_bits=1 scale_group=32", 0.04);
}

/* ---- exact layers ---- */

/* One layer of n tokens: codes in a format and as bytes, with one scale, one per row, or one per row
   and group. */
typedef struct model_layer {
    ob_exec exec;
    ob_carve carve;
    ob_weight bytes, packed;
    ob_input in;
    int *codes;
    float *scale, *y, *wanted;
    uint8_t *data, *data8;
    int n, segments;
} model_layer;

/* n zeros of that size, whose end is the end of what may be read: the page behind is closed. So the
   beginnings have all alignments that n gives, and a kernel that reads on is stopped at once. */
static void *model_zeros(size_t n, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = ob_round_up(n * size, page);
    char *p = (char *)mmap(NULL, bytes + 2 * page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == (char *)MAP_FAILED || mprotect(p + page + bytes, page, PROT_NONE)) abort();
    memcpy(p, &bytes, sizeof bytes);
    return p + page + bytes - n * size;
}

/* Gives them back. */
static void model_unmap(void *zeros) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
    char *p = (char *)zeros - (uintptr_t)zeros % page - page;
    memcpy(&bytes, p, sizeof bytes);
    munmap(p, bytes + 2 * page);
}

static float *model_floats(int n) { return (float *)model_zeros((size_t)n, sizeof(float)); }

static int model_code(uint32_t *draw, ob_format format) {
    if (format == OB_B1X16) return (int)(ref_draw(draw) % 2) * 2 - 1;
    if (format == OB_Q8X16) return (int)(ref_draw(draw) % 255) - 127;
    return (int)(ref_draw(draw) % 3) - 1;
}

static uint8_t *model_pack_codes(const model_layer *l, ob_format format, int rows, int cols) {
    uint8_t *data = (uint8_t *)model_zeros((size_t)ob_format_bytes(format, rows, cols), 1);
    int r, c;
    ob_pack_clear(data, format, rows, cols);
    for (r = 0; r < rows; r++)
        for (c = 0; c < cols; c++)
            types_pack_code(data + (size_t)(r / 16) * (size_t)ob_block_bytes(format, cols), format,
                         r % 16, c, (float)l->codes[r * cols + c]);
    return data;
}

/* extreme: all codes are the largest there are. */
static void model_layer_open(model_layer *l, const onebit_env *env, ob_format format, int rows,
                             int cols, int group, int n, int extreme) {
    uint32_t draw = ref_generator("layer", (uint32_t)(rows + group));
    size_t stride = ob_code_stride(cols);
    int i, t, c, scales;
    onebit_config config = onebit_config_default();
    memset(l, 0, sizeof *l);
    config.head_dim = 8;
    ob_exec_init(&l->exec, env, &l->carve, &config, 8, 8, 0); /* counts */
    l->carve.base = (uint8_t *)ob_alloc(env, l->carve.used);
    l->carve.used = 0;
    ob_exec_init(&l->exec, env, &l->carve, &config, 8, 8, 0);
    ob_exec_train(&l->exec);
    l->n = n;
    l->packed.rows = rows, l->packed.cols = cols, l->packed.bits = 8, l->packed.share = 1;
    l->packed.exact = l->packed.half = 1, l->packed.group = group, l->packed.scale_step = format == OB_Q8X16;
    l->segments = (int)ob_segments(&l->packed);
    scales = group ? rows * l->segments : rows;
    l->codes = (int *)model_zeros((size_t)(rows * cols), sizeof(int));
    l->scale = model_floats(scales);
    l->y = model_floats(n * rows), l->wanted = model_floats(n * rows);
    for (i = 0; i < rows * cols; i++) {
        l->codes[i] = model_code(&draw, format);
        if (extreme) l->codes[i] = format == OB_Q8X16 ? 127 : 1;
    }
    for (i = 0; i < scales; i++) l->scale[i] = 0.01f + (float)ref_draw(&draw) / 3e6f;
    l->in.codes = model_zeros((size_t)n, stride);
    l->in.scale = model_floats(n);
    l->in.sum = (int32_t *)model_zeros((size_t)(n * l->segments), sizeof(int32_t));
    for (t = 0; t < n; t++) {
        int8_t *x = (int8_t *)l->in.codes + (size_t)t * stride;
        for (c = 0; c < cols; c++) {
            x[c] = (int8_t)(extreme ? (t % 2 ? 127 : -127) : (int)(ref_draw(&draw) % 255) - 127);
            l->in.sum[t * l->segments + c / ob_segment_of(&l->packed)] += x[c];
        }
        l->in.scale[t] = 0.001f + (float)ref_draw(&draw) / 7e6f;
    }
    l->packed.scale = l->scale;
    l->bytes = l->packed;
    l->packed.format = format, l->packed.data = l->data = model_pack_codes(l, format, rows, cols);
    l->bytes.format = OB_Q8X16;
    l->bytes.data = l->data8 = model_pack_codes(l, OB_Q8X16, rows, cols);
}

static void model_layer_close(model_layer *l) {
    ob_release(&l->exec.env, l->carve.base);
    model_unmap(l->codes);
    model_unmap(l->scale);
    model_unmap(l->in.codes);
    model_unmap(l->in.scale);
    model_unmap(l->in.sum);
    model_unmap(l->y);
    model_unmap(l->wanted);
    model_unmap(l->data);
    model_unmap(l->data8);
}

static int model_input(const model_layer *l, int t, int c) {
    return ((const int8_t *)l->in.codes)[(size_t)t * ob_code_stride(l->packed.cols) + (size_t)c];
}

/* The definition: exact sums of segments; each product and each sum rounded to float, in order. */
static void model_layer_define(model_layer *l) {
    int rows = l->packed.rows, cols = l->packed.cols, segment = ob_segment_of(&l->packed);
    int t, r, g, k;
    for (t = 0; t < l->n; t++)
        for (r = 0; r < rows; r++) {
            volatile float y = 0, part, scale;
            for (g = 0; g < l->segments; g++) {
                long long sum = 0;
                for (k = g * segment; k < cols && k - g * segment < segment; k++)
                    sum += (long long)l->codes[r * cols + k] * model_input(l, t, k);
                part = (l->packed.group ? l->scale[r * l->segments + g] : 1.0f) * (float)sum;
                y = y + part;
            }
            scale = l->in.scale[t];
            if (!l->packed.group) scale = scale * l->scale[r * l->packed.scale_step];
            l->wanted[t * rows + r] = y * scale;
        }
}

/* dx and dw of dy = y in double; floats may differ by their rounding. */
static void model_layer_gradient(model_layer *l) {
    int rows = l->packed.rows, cols = l->packed.cols, t, r, k;
    float *dx = model_floats(l->n * cols), *dw = model_floats(rows * cols);
    float *tmp = model_floats(l->n * rows);
    double top = 0, far = 0, top_w = 0, far_w = 0;
    l->exec.ops->linear_backward(&l->exec, dx, dw, l->y, &l->in, &l->bytes, tmp, 1, l->n, 0);
    for (t = 0; t < l->n; t++)
        for (k = 0; k < cols; k++) {
            double sum = 0;
            for (r = 0; r < rows; r++)
                sum += (double)l->y[t * rows + r] * l->codes[r * cols + k] *
                       (l->packed.group ? l->scale[r * l->segments + k / l->packed.group]
                                        : l->scale[r * l->packed.scale_step]);
            top = fmax(top, fabs(sum));
            far = fmax(far, fabs(sum - dx[t * cols + k]));
        }
    for (r = 0; r < rows; r++)
        for (k = 0; k < cols; k++) {
            double sum = 0;
            for (t = 0; t < l->n; t++)
                sum += (double)l->y[t * rows + r] * l->in.scale[t] * model_input(l, t, k);
            top_w = fmax(top_w, fabs(sum));
            far_w = fmax(far_w, fabs(sum - dw[r * cols + k]));
        }
    if (!CHECK(top > 0 && far < 1e-5 * top)) printf("dx is off by %.3g of %.3g\n", far, top);
    if (!CHECK(top_w > 0 && far_w < 1e-5 * top_w))
        printf("dw is off by %.3g of %.3g\n", far_w, top_w);
    model_unmap(dx);
    model_unmap(dw);
    model_unmap(tmp);
}

static void model_check_layer(const onebit_env *env, ob_format format, int rows, int cols,
                              int group, int n, int extreme) {
    model_layer l;
    const ob_weight *w[2];
    float *y[2];
    size_t bytes = (size_t)(n * rows) * sizeof(float);
    model_layer_open(&l, env, format, rows, cols, group, n, extreme);
    model_layer_define(&l);
    w[0] = &l.packed, w[1] = &l.bytes, y[0] = l.y, y[1] = model_floats(n * rows);
    l.exec.ops->linear_forward(&l.exec, y, &l.in, w, 2, n);
    if (!CHECK(!memcmp(y[0], l.wanted, bytes)))
        printf("%s %d x %d by %d, %d tokens\n", ob_format_names[format], rows, cols, group, n);
    if (!CHECK(!memcmp(y[1], l.wanted, bytes)))
        printf("bytes %d x %d by %d, %d tokens\n", rows, cols, group, n);
    model_unmap(y[1]);
    if (!extreme && cols < 2000) model_layer_gradient(&l);
    model_layer_close(&l);
}

/* Every instruction set here, 1 and 3 threads. */
static void model_each_isa(void (*check)(const onebit_env *env)) {
    onebit_env env = onebit_env_default();
    int isa;
    for (isa = ONEBIT_ISA_SCALAR; isa < ONEBIT_ISA_COUNT; isa++)
        for (env.isa = (onebit_isa)isa, env.threads = 1; env.threads < 4; env.threads += 2)
            if (ob_env_check(&env) == ONEBIT_OK) check(&env);
}

static void model_check_groups(const onebit_env *env) {
    static const int groups[] = {32, 64, 128, 256};
    int i;
    for (i = 0; i < 4; i++) {
        model_check_layer(env, OB_T2X16, 37, 1100, groups[i], 13, 0);
        model_check_layer(env, OB_B1X16, 64, 300, groups[i], 1, 0);
        model_check_layer(env, OB_T2X16, 5, 31, groups[i], 30, 0);
        model_check_layer(env, OB_T5X16, 37, 700, groups[i], 34, 0);
    }
}

/* Every number of columns and tokens up to a few whole groups and tiles, powers of two and their
   neighbours. */
static void model_check_shapes(const onebit_env *env) {
    static const ob_format formats[] = {OB_Q8X16, OB_T2X16, OB_B1X16, OB_T5X16};
    int f, n;
    for (f = 0; f < 4; f++) {
        for (n = 1; n <= 130; n++) model_check_layer(env, formats[f], 17, n, 0, 1 + n % 3, 0);
        for (n = 1; n <= 70; n += n < 36 ? 1 : 11)
            model_check_layer(env, formats[f], 48, 40, 0, n, 0);
        for (n = 256; n <= 4096; n *= 4) {
            model_check_layer(env, formats[f], 16, n - 1, 0, 2, 0);
            model_check_layer(env, formats[f], 33, n, 0, 9, 0);
            model_check_layer(env, formats[f], 1, n + 1, 0, 1, 0);
        }
        model_check_layer(env, formats[f], 3, 3000, 0, 3, 1);
    }
}

/* Sums of the largest codes over the longest segment, and over more than one. */
static void model_check_long(const onebit_env *env) {
    model_check_layer(env, OB_Q8X16, 2, OB_SEGMENT, 0, 2, 1);
    model_check_layer(env, OB_Q8X16, 1, OB_SEGMENT + 5, 0, 1, 0);
    model_check_layer(env, OB_T5X16, 1, OB_SEGMENT * 2 + 7, 0, 1, 0);
}

static void model_test_layers(void) {
    test_case("model: a layer with scales of groups is its definition, bit for bit");
    model_each_isa(model_check_groups);
    test_case("model: an exact layer is its definition for all shapes and instruction sets");
    model_each_isa(model_check_shapes);
    test_case("model: sums of 8-bit codes do not overflow");
    model_each_isa(model_check_long);
}

/* ---- attention: tiles equal positions one by one, and the definition ---- */

/* Attention of B sequences of T positions behind `start` old ones, random, with its gradient. */
typedef struct model_heads {
    ob_exec exec;
    ob_carve carve;
    ob_attention a;
    int seen; /* keys of the last position */
} model_heads;

static float *model_heads_floats(model_heads *m, size_t n, uint32_t *draw) {
    float *x = ob_floats(&m->carve, n, 1);
    size_t i;
    for (i = 0; m->carve.base && draw && i < n; i++) x[i] = (float)ref_draw(draw) / 16384.0f - 1.0f;
    return x;
}

/* bits of the cache as in onebit_session_options; twice: count, then take. */
static void model_heads_open(model_heads *m, const onebit_env *env, int B, int T, int start, int H,
                             int K, int d, int bits) {
    int pass;
    memset(m, 0, sizeof *m);
    for (pass = 0; pass < 2; pass++) {
        uint32_t draw = ref_generator("heads", (uint32_t)(T * 131 + d));
        size_t q = (size_t)(B * T * H * d), k = (size_t)(B * T * K * d);
        ob_attention *a = &m->a;
        float *old_k, *old_v, *new_v;
        onebit_config config = onebit_config_default();
        config.head_dim = d;
        ob_exec_init(&m->exec, env, &m->carve, &config, (size_t)(B * T), start + T, 1);
        ob_exec_train(&m->exec);
        a->B = B, a->T = T, a->start = start, a->H = H, a->K = K, a->d = d, a->cap = start + T + 3;
        a->cache = ob_cache_take(&m->carve, (size_t)B, a->cap, K, d, bits);
        a->q = model_heads_floats(m, q, &draw), a->o = model_heads_floats(m, q, NULL);
        a->d_o = model_heads_floats(m, q, &draw), a->dq = model_heads_floats(m, q, NULL);
        a->k = model_heads_floats(m, k, &draw), new_v = model_heads_floats(m, k, &draw);
        a->dk = model_heads_floats(m, k, NULL), a->dv = model_heads_floats(m, k, NULL);
        a->lse = model_heads_floats(m, (size_t)(B * T * H), NULL);
        old_k = model_heads_floats(m, (size_t)(B * start * K * d) + 1, &draw);
        old_v = model_heads_floats(m, (size_t)(B * start * K * d) + 1, &draw);
        if (pass == 0) {
            m->carve.base = (uint8_t *)ob_alloc(env, m->carve.used);
            memset(m->carve.base, 0xFF, m->carve.used); /* NaN where nothing is written */
            m->carve.used = 0;
            continue;
        }
        m->exec.ops->cache_store(&m->exec, &a->cache, old_k, old_v, B, start, 0, K, d, a->cap);
        m->exec.ops->cache_store(&m->exec, &a->cache, a->k, new_v, B, T, start, K, d, a->cap);
    }
    m->seen = start + T;
}

/* Key (value = 0) or value of a cached position, as a double. */
static double model_heads_at(const model_heads *m, int b, int kh, int j, int i, int value) {
    const ob_attention *a = &m->a;
    ob_cache c = ob_cache_of(&a->cache, (size_t)(b * a->K + kh), a->cap, a->d);
    size_t at = value ? (size_t)((i / 32 * a->cap + j) * 32 + i % 32)
                      : (size_t)((j / 32 * a->d + i) * 32 + j % 32);
    const void *from = value ? c.v : c.k;
    if (!c.k_scale) return ((const float *)from)[at];
    return ((const int8_t *)from)[at] * (double)(value ? c.v_scale : c.k_scale)[j];
}

/* Probabilities of position t of head h by the definition, in doubles. */
static void model_heads_softmax(const model_heads *m, int b, int t, int h, double *p) {
    const ob_attention *a = &m->a;
    const float *q = a->q + ((size_t)(b * a->T + t) * (size_t)a->H + (size_t)h) * (size_t)a->d;
    int kh = h / (a->H / a->K), n = a->start + t + 1, i, j;
    double most = -1e30, sum = 0;
    for (j = 0; j < n; j++) {
        for (p[j] = 0, i = 0; i < a->d; i++) p[j] += q[i] * model_heads_at(m, b, kh, j, i, 0);
        p[j] /= sqrt((double)a->d);
        most = p[j] > most ? p[j] : most;
    }
    for (j = 0; j < n; j++) sum += p[j] = exp(p[j] - most);
    for (j = 0; j < n; j++) p[j] /= sum;
}

/* Largest difference of the output from the definition, and of the gradients (start 0) as a share of
   the largest one. */
static void model_heads_define(const model_heads *m, double *out, double *grad) {
    const ob_attention *a = &m->a;
    size_t k = (size_t)(a->B * a->T * a->K * a->d);
    double *dk = (double *)calloc(2 * k, sizeof *dk), *dv = dk + k;
    double *p = (double *)malloc((size_t)m->seen * 2 * sizeof *p), *dp = p + m->seen;
    double most = 0;
    int b, t, h, i, j;
    *out = *grad = 0;
    for (b = 0; b < a->B; b++) for (t = 0; t < a->T; t++) for (h = 0; h < a->H; h++) {
        size_t at = ((size_t)(b * a->T + t) * (size_t)a->H + (size_t)h) * (size_t)a->d;
        int kh = h / (a->H / a->K), n = a->start + t + 1;
        double total = 0, y;
        model_heads_softmax(m, b, t, h, p);
        for (i = 0; i < a->d; i++) {
            for (y = 0, j = 0; j < n; j++) y += p[j] * model_heads_at(m, b, kh, j, i, 1);
            *out = fmax(*out, fabs(y - a->o[at + (size_t)i]));
        }
        if (a->start || a->cache.k_scale) continue;
        for (j = 0; j < n; j++) {
            for (dp[j] = 0, i = 0; i < a->d; i++)
                dp[j] += a->d_o[at + (size_t)i] * model_heads_at(m, b, kh, j, i, 1);
            total += p[j] * dp[j];
        }
        for (i = 0; i < a->d; i++) {
            for (y = 0, j = 0; j < n; j++) {
                size_t to = ((size_t)(b * a->T + j) * (size_t)a->K + (size_t)kh) * (size_t)a->d;
                double ds = p[j] * (dp[j] - total) / sqrt((double)a->d);
                y += ds * model_heads_at(m, b, kh, j, i, 0);
                dk[to + (size_t)i] += ds * a->q[at + (size_t)i];
                dv[to + (size_t)i] += p[j] * a->d_o[at + (size_t)i];
            }
            *grad = fmax(*grad, fabs(y - a->dq[at + (size_t)i]));
        }
    }
    for (i = 0; i < (int)k && !a->start && !a->cache.k_scale; i++) {
        most = fmax(most, fmax(fabs(dk[i]), fabs(dv[i])));
        *grad = fmax(*grad, fabs(dk[i] - a->dk[i]));
        *grad = fmax(*grad, fabs(dv[i] - a->dv[i]));
    }
    if (most > 0) *grad /= most;
    free(p);
    free(dk);
}

/* Tiles (T positions at once) against rows (one at a time) bit by bit, and both against the
   definition. */
static void model_check_heads(const onebit_env *env, int B, int T, int start, int H, int K, int d,
                              int bits, int fused) {
    model_heads m;
    size_t n = (size_t)(B * T * H * d), row = (size_t)(H * d);
    float *tiles = (float *)malloc(n * sizeof *tiles);
    double out, grad;
    ob_attention one;
    int b, t;
    model_heads_open(&m, env, B, T, start, H, K, d, bits);
    m.exec.fused = fused;
    m.exec.ops->attention_forward(&m.exec, &m.a);
    if (!start && bits == 32) m.exec.ops->attention_backward(&m.exec, &m.a);
    model_heads_define(&m, &out, &grad);
    if (!CHECK(out < 1e-5 && grad < 3e-6))
        printf("T %d start %d H %d K %d d %d bits %d: out %.2g grad %.2g\n", T, start, H, K, d, bits,
               out, grad);
    memcpy(tiles, m.a.o, n * sizeof *tiles);
    for (b = 0; b < B; b++)
        for (t = 0; t < T; t++) { /* sequence b by itself, position t by itself */
            ob_cache c = ob_cache_of(&m.a.cache, (size_t)(b * K), m.a.cap, d);
            one = m.a;
            one.cache = c, one.B = 1, one.T = 1, one.start = start + t, one.lse = NULL;
            one.q += (size_t)(b * T + t) * row, one.o += (size_t)(b * T + t) * row;
            m.exec.ops->attention_forward(&m.exec, &one);
        }
    if (!CHECK(!memcmp(tiles, m.a.o, n * sizeof *tiles)))
        printf("tiles are not rows: T %d start %d H %d K %d d %d bits %d fused %d isa %d\n", T,
               start, H, K, d, bits, fused, env->isa);
    ob_release(env, m.carve.base);
    free(tiles);
}

static void model_check_heads_isa(const onebit_env *env) {
    static const int T[] = {1, 7, 8, 33, 47, 49, 97, 131}, d[] = {2, 6, 16, 24, 34, 64};
    static const int heads[][2] = {{4, 1}, {4, 2}, {3, 3}, {9, 1}};
    int i, j;
    for (i = 0; i < MODEL_COUNT(T); i++)
        for (j = 0; j < MODEL_COUNT(d); j++) {
            const int *h = heads[(i + j) % MODEL_COUNT(heads)];
            if ((i + j) % TEST_ROUNDS(1, 3)) continue;
            model_check_heads(env, 2, T[i], 0, h[0], h[1], d[j], 32, 0);
            model_check_heads(env, 1, T[i], 5 * j, h[0], h[1], d[j], 8, (i + j) % 2);
            model_check_heads(env, 1, T[i], 40, h[0], h[1], d[j], 32, 1);
        }
}

/* Sessions with 8-bit caches and fused attention: chunks change no bit, a saved state goes on, and
   the logits stay close to those of floats. */
static void model_test_cache(void) {
    static const int manner[][3] = {{8, 0, 40}, {8, 1, 3}, {32, 1, 40}, {8, 0, 1}};
    onebit_session_options options = onebit_session_options_default();
    enum { T = 100 };
    static float plain[T * MODEL_VOCAB], logits[T * MODEL_VOCAB], again[T * MODEL_VOCAB];
    onebit_session *session = NULL, *other = NULL;
    onebit_model *model = NULL;
    model_rig r;
    size_t bytes, small, i;
    double most = 0, far = 0;
    void *image, *state, *twin;
    int m;
    test_case("model: caches of 8 bits and fused attention");
    if (!model_open(&r, "num_heads=4 num_key_value_heads=2 max_seq_len=128", "", 1, T, NULL)) return;
    image = model_pack(&r, &bytes);
    if (!image || !CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL))) return;
    if (!model_run(model, r.inputs, T, T, 64, plain)) return;
    bytes = onebit_session_bytes(model, &options, NULL);
    for (m = 0; m < MODEL_COUNT(manner); m++) {
        options.cache_bits = manner[m][0], options.fast = manner[m][1];
        options.chunk = manner[m][2];
        CHECK_OK(onebit_session_create(&session, model, &options, NULL));
        CHECK_OK(onebit_session_eval(session, r.inputs, T / 2, logits));
        small = onebit_session_save(session, NULL, 0);
        state = malloc(small);
        CHECK(state && onebit_session_save(session, state, small) == small);
        CHECK_OK(onebit_session_eval(session, r.inputs + T / 2, T / 2, logits + T / 2 * MODEL_VOCAB));
        options.chunk = 17;
        CHECK_OK(onebit_session_create(&other, model, &options, NULL));
        /* the same tokens by another way, behind others that are forgotten: the same bytes */
        twin = malloc(small);
        CHECK_OK(onebit_session_eval(other, r.inputs + 9, T / 2 + 7, NULL));
        CHECK_OK(onebit_session_rewind(other, 0));
        CHECK_OK(onebit_session_eval(other, r.inputs, T / 2, NULL));
        CHECK(twin && onebit_session_save(other, twin, small) == small);
        CHECK(!memcmp(twin, state, small));
        free(twin);
        CHECK_OK(onebit_session_restore(other, state, small));
        CHECK_OK(onebit_session_eval(other, r.inputs + T / 2, T / 2, again));
        CHECK(!memcmp(again, logits + T / 2 * MODEL_VOCAB, T / 2 * MODEL_VOCAB * sizeof(float)));
        for (i = 0; i < T * MODEL_VOCAB; i++) {
            most = fmax(most, fabs((double)plain[i]));
            far = fmax(far, fabs((double)(plain[i] - logits[i])));
        }
        if (!CHECK(far < 0.03 * most && (manner[m][0] == 32 || far > 0)))
            printf("%d bits: %.3g from floats, logits up to %.3g\n", manner[m][0], far, most);
        CHECK(manner[m][0] == 32 || onebit_session_bytes(model, &options, NULL) < bytes);
        onebit_session_free(session);
        onebit_session_free(other);
        free(state);
    }
    options.cache_bits = 16;
    CHECK_FAILS(onebit_session_create(&session, model, &options, NULL), ONEBIT_CONFIG, "cache_bits");
    onebit_model_free(model);
    free(image);
    model_close(&r);
}

/* ---- a head in two stages ---- */

/* The bits of a float; NaN is like NaN. */
static int model_same_float(float a, float b) { return !memcmp(&a, &b, sizeof a) || (a != a && b != b); }

/* Logits of l's token, whole and in stages; what is wrong is printed. Gives the blocks of the second
   stage. */
static int model_check_stages(model_layer *l, int best) {
    const ob_weight *head = &l->packed;
    int rows = head->rows, cols = head->cols, blocks = ob_row_blocks(head), r, c, b, k, bad = 0, i;
    float *whole = model_floats(rows), *seen = model_floats(rows), *guess = model_floats(rows);
    const ob_weight *w[1];
    ob_stages s;
    ob_carve carve;
    double size = 0;
    memset(&carve, 0, sizeof carve);
    ob_stages_take(&s, &carve, head, best);
    carve.base = (uint8_t *)model_zeros(carve.used, 1), carve.used = 0;
    carve.base = (uint8_t *)((uintptr_t)carve.base / 64 * 64);
    ob_stages_take(&s, &carve, head, best);
    ob_stages_fill(&l->exec, &s, head);
    for (c = 0; c < cols; c++) size += (double)model_input(l, 0, c) * model_input(l, 0, c);
    for (r = 0; r < rows; r++) { /* the definition of an estimate, and how far it may be off */
        double cc = 0, ch = 0, rest = 0, f, bound;
        long long sum = 0;
        for (c = 0; c < cols; c++) {
            int code = l->codes[r * cols + c], upper = (code + 128) / 16 * 16 - 120;
            cc += code * code, ch += code * upper, sum += (long long)upper * model_input(l, 0, c);
        }
        f = cc > 0 ? cc / ch : 0;
        for (c = 0; c < cols; c++) {
            int code = l->codes[r * cols + c], upper = (code + 128) / 16 * 16 - 120;
            rest += (code - f * upper) * (code - f * upper);
        }
        bad += !(fabs(s.scale[r] - f * l->scale[r]) <= 1e-6 * fabs(f * l->scale[r]));
        bad += !(s.error[r / 16] >= 0.999999 * sqrt(rest / cols) * fabs((double)l->scale[r]));
        guess[r] = (float)sum * (l->in.scale[0] * s.scale[r]);
        bound = sqrt(rest * size) * fabs((double)(l->scale[r] * l->in.scale[0]));
        w[0] = head;
        if (r == 0) l->exec.ops->linear_forward(&l->exec, &whole, &l->in, w, 1, 1);
        bad += fabs((double)guess[r] - (double)whole[r]) > 1.000001 * bound + 1e-6 * fabs(whole[r]);
    }
    l->exec.ops->linear_stages(&l->exec, seen, &l->in, head, &s);
    for (b = i = 0; b < blocks; b++) {
        int chosen = 0;
        for (k = 1; k <= s.chosen[0]; k++) chosen += s.chosen[k] == b;
        bad += chosen > 1;
        i += chosen;
        for (r = 16 * b; r < rows && r < 16 * b + 16; r++)
            bad += !model_same_float(seen[r], chosen ? whole[r] : guess[r]);
    }
    for (k = 0; k < best && k < rows; k++) { /* the k-th largest is the k-th largest, the lowest id first */
        int one = ob_likeliest(whole, rows), two = ob_likeliest(seen, rows);
        bad += one != two || !model_same_float(whole[one], seen[two]);
        whole[one] = seen[two] = -HUGE_VALF;
    }
    if (!CHECK(bad == 0 && i == s.chosen[0]))
        printf("%d x %d, the %d best, %s, %d threads: %d wrong\n", rows, cols, best,
               onebit_isa_name(l->exec.env.isa), l->exec.env.threads, bad);
    k = s.chosen[0];
    model_unmap(whole), model_unmap(seen), model_unmap(guess);
    model_unmap((void *)(uintptr_t)carve.base);
    return k;
}

/* A head whose rows are what `kind` says: 0 any, 1 equal in threes, 2 zeros, 3 an outlier each,
   4 the input is zeros, 5 its scale is no number. Gives the share of blocks of the second stage. */
static double model_stages_of(const onebit_env *env, int rows, int cols, int best, int kind) {
    model_layer l;
    int i, blocks;
    int8_t *x;
    model_layer_open(&l, env, OB_Q8X16, rows, cols, 0, 1, 0);
    for (i = 0; i < rows * cols; i++) {
        if (kind == 1) l.codes[i] = l.codes[i / cols / 3 * 3 * cols + i % cols];
        if (kind == 2) l.codes[i] = 0;
        if (kind == 3) l.codes[i] = i % cols == i / cols % 3 ? 127 : l.codes[i] / 16;
    }
    x = (int8_t *)l.in.codes;
    for (i = 0; i < cols && kind == 4; i++) l.in.sum[0] -= x[i], x[i] = 0;
    if (kind == 1)
        for (i = 0; i < rows; i++) l.scale[i] = l.scale[i / 3 * 3];
    if (kind == 5) l.in.scale[0] = NAN;
    model_unmap(l.data);
    l.packed.data = l.data = model_pack_codes(&l, OB_Q8X16, rows, cols);
    i = model_check_stages(&l, best);
    blocks = ob_row_blocks(&l.packed);
    model_layer_close(&l);
    return (double)i / blocks;
}

static void model_check_two_stage(const onebit_env *env) {
    static const int rows[] = {1, 15, 16, 17, 33, 100, 403};
    static const int cols[] = {1, 3, 4, 5, 8, 9, 31, 36, 37, 133, 301};
    static const int best[] = {1, 2, 7, ONEBIT_MAX_BEST};
    int i, j, n = 0;
    for (i = 0; i < MODEL_COUNT(rows); i++)
        for (j = 0; j < MODEL_COUNT(cols); j++, n++)
            model_stages_of(env, rows[i], cols[j], best[n % 4], n / 4 % 6);
    CHECK(model_stages_of(env, 2000, 256, 1, 0) < 0.2);
    CHECK(model_stages_of(env, 2000, 256, 7, 1) < 0.8);
    CHECK(model_stages_of(env, 900, 256, 1, 2) == 1); /* all are the best */
    CHECK(model_stages_of(env, 900, 256, 1, 4) == 1);
    CHECK(model_stages_of(env, 900, 256, 1, 5) == 1);
}

static void model_test_two_stage(void) {
    test_case("model: the best logits of a head in two stages are those of the whole, bit for bit");
    model_each_isa(model_check_two_stage);
}

/* Sessions with and without the option, on the same ids: the largest logits, and what is drawn from
   them. */
static void model_test_two_stage_session(void) {
    enum { V = 1003, N = 240 };
    onebit_session_options options = onebit_session_options_default();
    onebit_sample_options pick[2] = {onebit_sample_options_default(), onebit_sample_options_default()};
    static float row[V], work[2 * V];
    onebit_session *whole = NULL, *two = NULL, *pair[2];
    onebit_model *model = NULL;
    onebit_rng rng[2];
    model_rig r;
    size_t bytes, plain;
    void *image;
    int i, way, bad = 0, estimates = 0;
    test_case("model: a session whose head has two stages writes what others write");
    if (!model_open(&r, "vocab_size=1003 hidden_size=64 embedding=8bit max_seq_len=256", "", 1, 8, NULL))
        return;
    ref_fill(r.trainer, 3);
    bytes = onebit_trainer_pack(r.trainer, NULL, NULL, 0);
    image = malloc(bytes);
    CHECK(onebit_trainer_pack(r.trainer, NULL, image, bytes) == bytes);
    if (!CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL))) return;
    plain = onebit_session_bytes(model, &options, NULL);
    CHECK_OK(onebit_session_create(&whole, model, &options, NULL));
    options.two_stage = 8;
    CHECK(onebit_session_bytes(model, &options, NULL) > plain + 1003 * 32);
    CHECK(onebit_session_bytes(model, &options, NULL) < plain + 1008 * 32 + 1003 * 6);
    CHECK_OK(onebit_session_create(&two, model, &options, NULL));
    pick[0].temperature = 0, pick[1].temperature = 1, pick[1].top_k = 8, pick[1].top_p = 1;
    pick[0].repetition_penalty = pick[1].repetition_penalty = 1;
    for (way = 0; way < 2; way++) {
        int32_t id = 5;
        CHECK_OK(onebit_session_rewind(whole, 0));
        CHECK_OK(onebit_session_rewind(two, 0));
        for (i = 0; i < 2; i++) onebit_rng_seed(&rng[i], 9);
        for (i = 0; i < N; i++) {
            int32_t other;
            CHECK_OK(onebit_session_eval(whole, &id, 1, NULL));
            CHECK_OK(onebit_session_eval(two, &id, 1, NULL));
            estimates += memcmp(onebit_session_logits(whole), onebit_session_logits(two), V * 4) != 0;
            memcpy(row, onebit_session_logits(whole), sizeof row);
            id = onebit_sample(row, V, NULL, 0, &pick[way], &rng[0], work);
            memcpy(row, onebit_session_logits(two), sizeof row);
            other = onebit_sample(row, V, NULL, 0, &pick[way], &rng[1], work);
            bad += id != other;
            id = (id + i) % V; /* a model of random weights would go in a circle */
        }
    }
    if (!CHECK(bad == 0 && estimates > N)) printf("%d others, %d with estimates\n", bad, estimates);
    /* rows that are asked for are of the whole head, and a state goes on */
    CHECK_OK(onebit_session_rewind(two, 3));
    CHECK_OK(onebit_session_rewind(whole, 3));
    CHECK_OK(onebit_session_eval(two, r.inputs, 1, row));
    CHECK_OK(onebit_session_eval(whole, r.inputs, 1, NULL));
    CHECK(!memcmp(row, onebit_session_logits(whole), sizeof row));
    pair[0] = two, pair[1] = whole;
    CHECK_OK(onebit_session_feed(two, r.inputs, 2));
    CHECK_OK(onebit_sessions_step(pair, 1));
    memcpy(row, onebit_session_logits(two), sizeof row);
    CHECK_OK(onebit_session_rewind(two, 4));
    CHECK_OK(onebit_session_eval(two, r.inputs, 2, NULL));
    CHECK(!memcmp(row, onebit_session_logits(two), sizeof row));
    CHECK_FAILS(onebit_sessions_step(pair, 2), ONEBIT_USAGE, "together");
    onebit_session_free(two);
    onebit_session_free(whole);
    options.together = 2;
    CHECK_FAILS(onebit_session_create(&two, model, &options, NULL), ONEBIT_CONFIG, "two_stage");
    options.together = 1, options.two_stage = ONEBIT_MAX_BEST + 1;
    CHECK_FAILS(onebit_session_create(&two, model, &options, NULL), ONEBIT_CONFIG, "two_stage");
    options.two_stage = -1;
    CHECK_FAILS(onebit_session_create(&two, model, &options, NULL), ONEBIT_CONFIG, "two_stage");
    onebit_model_free(model);
    free(image);
    model_close(&r);
}

/* Heads that have no upper halves. */
static void model_test_two_stage_refused(void) {
    static const char *const settings[] = {"embedding=f16", "embedding=ternary",
                                           "embedding=8bit activation_bits=0",
                                           "embedding=8bit tie_word_embeddings=false lm_head=f32"};
    onebit_session_options options = onebit_session_options_default();
    int i;
    test_case("model: a head that cannot have two stages is refused");
    options.two_stage = 1;
    for (i = 0; i < MODEL_COUNT(settings); i++) {
        onebit_session *session = NULL;
        onebit_model *model = NULL;
        model_rig r;
        size_t bytes;
        void *image;
        if (!model_open(&r, settings[i], "", 1, 8, NULL)) continue;
        image = model_pack(&r, &bytes);
        CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL));
        CHECK_FAILS(onebit_session_create(&session, model, &options, NULL), ONEBIT_UNSUPPORTED,
                    "two_stage");
        CHECK(onebit_session_bytes(model, &options, NULL) == 0);
        onebit_model_free(model);
        free(image);
        model_close(&r);
    }
}

static void model_test_heads(void) {
    test_case("model: attention is its definition, and its tiles are its rows, bit for bit");
    model_each_isa(model_check_heads_isa);
}

/* Trained with fused sums, run with fused sums: the same bits, and not those of sums that are not. */
static void model_test_fast(void) {
    onebit_session_options options = onebit_session_options_default();
    enum { T = 60 };
    static float logits[2][T * MODEL_VOCAB];
    onebit_session *session = NULL;
    onebit_model *model = NULL;
    model_rig r;
    size_t bytes;
    void *image;
    double loss;
    int fast;
    test_case("model: fused in training is fused in a session, bit for bit");
    if (!model_open(&r, "layer_bit_map=f32,ternary embedding=f32 hidden_size=64 max_seq_len=64",
                    "fast=true", 1, T, NULL))
        return;
    CHECK_OK(onebit_trainer_evaluate(r.trainer, r.inputs, r.targets, 1, T, &loss));
    image = model_pack(&r, &bytes);
    if (!image || !CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL))) return;
    for (fast = 0; fast < 2; fast++) {
        options.fast = fast;
        CHECK_OK(onebit_session_create(&session, model, &options, NULL));
        CHECK_OK(onebit_session_eval(session, r.inputs, T, logits[fast]));
        onebit_session_free(session);
    }
    CHECK(!memcmp(logits[1], onebit_trainer_logits(r.trainer), sizeof logits[1]));
    if (ob_cpu_isa() != ONEBIT_ISA_SCALAR && ob_cpu_isa() != ONEBIT_ISA_NEON)
        CHECK(memcmp(logits[0], logits[1], sizeof logits[1]));
    onebit_model_free(model);
    free(image);
    model_close(&r);
}

/* Logits that are not kept: loss and gradients are those of a trainer that keeps them. */
static void model_test_logits(void) {
    static const char *wide = "vocab_size=70000 hidden_size=8 num_heads=1 num_layers=1 "
                              "intermediate_size=8 max_seq_len=64 embedding=8bit";
    onebit_config config = onebit_config_default();
    onebit_train_options options = onebit_train_options_default();
    onebit_trainer *trainer = NULL;
    int32_t ids[192], targets[192];
    double all, part, mean = 0;
    int i;
    test_case("model: logits that do not fit are made in blocks");
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, wide));
    options.batch_size = 3, options.seq_len = 64;
    if (!CHECK_OK(onebit_trainer_create(&trainer, &config, &options, NULL))) return;
    CHECK(onebit_trainer_logits(trainer) == NULL);
    for (i = 0; i < 192; i++) ids[i] = i * 541 % 70000, targets[i] = i * 331 % 70000;
    CHECK_OK(onebit_trainer_evaluate(trainer, ids, targets, 3, 64, &all));
    for (i = 0; i < 3; i++) {
        CHECK_OK(onebit_trainer_evaluate(trainer, ids + 64 * i, targets + 64 * i, 1, 64, &part));
        mean += part / 3;
    }
    CHECK(fabs(all - mean) < 1e-12 * mean && fabs(all - log(70000.0)) < 0.05 * all);
    CHECK_OK(onebit_trainer_accumulate(trainer, ids, targets, &mean));
    CHECK(mean == all);
    onebit_trainer_free(trainer);
}

/* The image says how many scales there are; another number is refused, also a huge one. */
static void model_test_scale_counts(void) {
    static const uint32_t counts[] = {0, 1, 24, 25, 71, 73, 0x7FFFFFFFu, 0xFFFFFFFFu};
    model_rig r;
    onebit_model *model = NULL;
    onebit_tensor_info info;
    size_t bytes;
    int i, k;
    test_case("model: scales of groups are stored, counted, and a wrong count is refused");
    if (model_open(&r, "scale_group=32 layer_bit_map=ternary,8bit", "", 1, 8, NULL)) {
        uint8_t *image = (uint8_t *)model_pack(&r, &bytes), *record = NULL;
        if (image && CHECK_OK(onebit_model_open_memory(&model, image, bytes, NULL)))
            for (i = 0; onebit_model_tensor(model, i, &info) == ONEBIT_OK; i++)
                if (!strcmp(info.name, "model.layers.0.mlp.down_proj.weight")) {
                    record = image + OB_HEAD_BYTES + (size_t)i * OB_RECORD_BYTES;
                    CHECK(info.rows == 24 && info.cols == 40 && ob_get32(record + 76) == 48);
                    CHECK(info.bytes == ob_get64(record + 96) + 4 * 48);
                    CHECK(info.scale == ob_getf32(image + ob_get64(record + 80)));
                }
        onebit_model_free(model);
        for (k = 0; CHECK(record != NULL) && k < MODEL_COUNT(counts); k++) {
            ob_put32(record + 76, counts[k]);
            ob_put64(image + 16, ob_hash64(image + 24, bytes - 24, 0));
            CHECK(onebit_model_open_memory(&model, image, bytes, NULL) == ONEBIT_FORMAT);
        }
        free(image);
    }
    model_close(&r);
}

/* The lower median of |w|, of any length and in any order; the clamp comes first. */
static void model_test_median(void) {
    uint32_t draw = ref_generator("median", 1);
    float w[67];
    int n, i;
    test_case("model: the median is that of a sorted list");
    for (n = 1; n <= 67; n++) {
        double sorted[67];
        for (i = 0; i < n; i++) {
            w[i] = ((float)ref_draw(&draw) - 32768.0f) / (n % 3 ? 7e5f : 4096.0f * 512.0f);
            if (n % 5 == 0) w[i] = (float)((int)(ref_draw(&draw) % 4) - 1); /* equal ones, zeros */
            sorted[i] = w[i];
        }
        CHECK(ob_median(w, n, 3e38f) == (float)ref_median_abs(sorted, (size_t)n));
        CHECK(ob_median(w, n, 0.01f) == fminf(0.01f, ob_median(w, n, 3e38f)));
    }
    w[0] = -0.0f;
    CHECK(ob_float_bits(ob_median(w, 1, 1.0f)) == 0);
}

/* The message of a trainer that cannot be made; "" when it can. */
static const char *model_refusal(const char *settings, const char *training) {
    onebit_config config = onebit_config_default();
    onebit_train_options options = onebit_train_options_default();
    onebit_memory memory;
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, MODEL_BASE));
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, settings));
    CHECK_OK(ref_settings(ONEBIT_TABLE_TRAIN, &options, training));
    if (onebit_trainer_memory(&config, &options, NULL, &memory) == ONEBIT_OK) return "";
    CHECK(onebit_trainer_memory(&config, &options, NULL, &memory) == ONEBIT_CONFIG);
    CHECK(onebit_trainer_bytes(&config, &options, NULL) == 0);
    return onebit_error_text();
}

static void model_test_refusals(void) {
    onebit_config config = onebit_config_default();
    onebit_train_options options = onebit_train_options_default();
    const char *text;
    test_case("model: schedules that contradict each other are refused by name");
    text = model_refusal("anneal_fraction=0.3", "quant_anneal_steps=5");
    CHECK(strstr(text, "anneal_fraction is 0.3") && strstr(text, "quant_anneal_steps"));
    text = model_refusal("anneal_fraction=0.3", "quant_warmup_steps=5");
    CHECK(strstr(text, "anneal_fraction is 0.3") && strstr(text, "quant_warmup_steps"));
    text = model_refusal("", "quant_warmup_steps=5");
    CHECK(strstr(text, "quant_warmup_steps is 5") && strstr(text, "quant_anneal_steps"));
    text = model_refusal("", "lr=0.001 lr_min=0.01");
    CHECK(strstr(text, "lr_min is 0.01, expected at most lr 0.001"));
    text = model_refusal("arenas_initial=0.1 arenas_anneal_steps=5 arenas_warmup_steps=5", "");
    CHECK(strstr(text, "arenas_warmup_steps is 5") && strstr(text, "arenas_anneal_steps 5"));
    CHECK(!*model_refusal("anneal_fraction=0.3", ""));
    CHECK(!*model_refusal("", "lr=0.001 lr_min=0.001 quant_warmup_steps=1 quant_anneal_steps=1"));
    test_case("model: options out of range are refused by name, also from a struct");
    config.vocab_size = 20;
    options.batch_size = 0;
    CHECK_FAILS(onebit_trainer_memory(&config, &options, NULL, NULL), ONEBIT_USAGE, "NULL");
    CHECK(onebit_trainer_bytes(&config, &options, NULL) == 0);
    CHECK(strstr(onebit_error_text(), "batch_size is 0") != NULL);
    options = onebit_train_options_default();
    options.label_smoothing = 1;
    CHECK(onebit_trainer_bytes(&config, &options, NULL) == 0);
    CHECK(strstr(onebit_error_text(), "label_smoothing is 1") != NULL);
}

static void model_test_diverged(void) {
    model_rig r, twin;
    onebit_parameter p;
    test_case("model: a gradient that is not finite changes nothing; bad ids are refused");
    if (model_open(&r, "", "", 2, 8, NULL) & model_open(&twin, "", "", 2, 8, NULL)) {
        CHECK_OK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, NULL));
        CHECK_OK(onebit_trainer_parameter(r.trainer, 1, &p));
        p.grad[0] = (float)NAN;
        CHECK(onebit_trainer_update(r.trainer, NULL) == ONEBIT_DIVERGED);
        CHECK(model_same(r.trainer, twin.trainer));
        CHECK(onebit_trainer_steps(r.trainer) == 0);
        r.inputs[3] = MODEL_VOCAB;
        CHECK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, NULL) == ONEBIT_USAGE);
        r.inputs[3] = -1;
        CHECK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, NULL) == ONEBIT_USAGE);
        r.inputs[3] = 0;
        r.targets[3] = MODEL_VOCAB;
        CHECK(onebit_trainer_accumulate(r.trainer, r.inputs, r.targets, NULL) == ONEBIT_USAGE);
    }
    model_close(&r);
    model_close(&twin);
}

/* ---- every setting does something ---- */

static uint64_t model_hash(uint64_t h, const void *data, size_t bytes) {
    const unsigned char *p = (const unsigned char *)data;
    while (bytes--) h = (h ^ *p++) * 0x100000001b3u;
    return h;
}

/* Eight updates; everything they computed as one number, 0 when something failed. */
static uint64_t model_digest(const onebit_config *config, const onebit_train_options *options) {
    onebit_trainer *trainer = NULL;
    onebit_parameter p;
    int32_t inputs[512], targets[512];
    uint64_t h = 0xcbf29ce484222325u;
    int i, step, T = options->seq_len ? options->seq_len : config->max_seq_len,
                 B = options->batch_size;
    if (B * T > 512 || !CHECK_OK(onebit_trainer_create(&trainer, config, options, NULL))) return 0;
    for (step = 0; step < 8; step++) {
        ref_tokens(inputs, targets, B, T, config->vocab_size, 50u + (uint32_t)step);
        CHECK_OK(onebit_trainer_accumulate(trainer, inputs, targets, NULL));
        if (step == 7)
            h = model_hash(h, onebit_trainer_logits(trainer),
                           (size_t)(B * T * config->vocab_size) * sizeof(float));
        CHECK_OK(onebit_trainer_update(trainer, NULL));
    }
    for (i = 0; onebit_trainer_parameter(trainer, i, &p) == ONEBIT_OK; i++)
        h = model_hash(h, p.value, (size_t)p.rows * (size_t)p.cols * sizeof(float));
    onebit_trainer_free(trainer);
    return h;
}

/* effect '+': training must differ; '-': concerns onebit_train's loop or other floors, tested
   there. model and train are the ground to stand on. */
typedef struct model_setting {
    char effect;
    const char *name, *value, *model, *train;
} model_setting;

static const model_setting model_settings[] = {
    {'+', "vocab_size", "31", "", ""},
    {'+', "hidden_size", "32", "", ""},
    {'+', "num_layers", "1", "", ""},
    {'+', "num_heads", "2", "", ""},
    {'+', "num_key_value_heads", "2", "", ""},
    {'+', "head_dim", "8", "", ""},
    {'+', "intermediate_size", "48", "", ""},
    {'+', "max_seq_len", "24", "", ""},
    {'+', "layer_norm_eps", "0.001", "", ""},
    {'+', "final_norm_eps", "0.01", "", ""},
    {'+', "rope_theta", "100", "", ""},
    {'+', "activation", "relu2", "", ""},
    {'+', "activation", "relu", "activation=relu2", ""},
    {'+', "use_swiglu", "false", "", ""},
    {'+', "use_relu2", "true", "", ""},
    {'-', "use_ternary", "false", "", ""}, /* see model_test_json */
    {'+', "use_subln", "false", "", ""},
    {'+', "use_sub_norm", "true", "", ""},
    {'+', "use_rope", "false", "", ""},
    {'+', "rope_scaling", "linear", "rope_factor=2", ""},
    {'+', "rope_scaling", "yarn", "rope_factor=2 rope_scaling=linear", ""},
    {'+', "rope_scaling", "llama3", "rope_factor=2", ""},
    {'+', "rope_factor", "3", "rope_scaling=linear", ""},
    {'+', "rope_original", "64", "rope_scaling=llama3 rope_factor=4", ""},
    {'+', "rope_slow", "0.5", "rope_scaling=llama3 rope_factor=4 rope_theta=30 rope_original=24", ""},
    {'+', "rope_fast", "2", "rope_scaling=llama3 rope_factor=4 rope_theta=30 rope_original=64", ""},
    {'+', "rope_attention", "2", "rope_scaling=yarn rope_factor=4", ""},
    {'+', "use_qkv_bias", "true", "", "optimizer=adamw"},
    {'+', "embedding_group", "32", "embedding=ternary hidden_size=40", ""},
    {'-', "text_start", "none", "", ""}, /* see test_flow.c */
    {'+', "use_qk_norm", "true", "", ""},
    {'+', "use_residual_scaling", "true", "", ""},
    {'+', "use_dynamic_threshold", "true", "", ""},
    {'+', "weight_scale", "absmedian", "", ""},
    {'+', "use_f16_scale", "true", "", ""},
    {'-', "weight_planes", "2", "", ""}, /* not trained: see test_foreign.c */
    {'+', "scale_group", "32", "", ""},
    {'+', "scale_group", "64", "hidden_size=80 scale_group=32", ""},
    {'+', "tie_word_embeddings", "false", "", ""},
    {'+', "activation_bits", "0", "", ""},
    {'+', "activation_bits", "1", "", ""},
    {'+', "activation_bits", "1", "activation_bits=0", ""},
    {'+', "activation_bits", "1", "anneal_fraction=1", ""},
    {'+', "logit_softcap", "5", "", ""},
    {'+', "ste_scale_factor", "2", "", "optimizer=adamw adam_eps=0.01"},
    {'+', "latent_clamp_max", "0.01", "", ""},
    {'+', "latent_clip_max_training", "0.02", "", ""},
    {'+', "anneal_fraction", "0.5", "", ""},
    {'+', "arenas_initial", "0.5", "", ""},
    {'+', "arenas_warmup_steps", "2", "arenas_initial=0.5", ""},
    {'+', "arenas_anneal_steps", "4", "arenas_initial=0.5", ""},
    {'-', "chat_template", "{prompt}", "", ""},
    {'+', "layer_bit_map", "binary", "", ""},
    {'+', "embedding", "8bit", "", ""},
    {'+', "lm_head", "8bit", "tie_word_embeddings=false lm_head=f16", ""},
};

static const model_setting model_trainings[] = {
    {'+', "batch_size", "3", "", ""},
    {'-', "accumulation_steps", "2", "", ""},
    {'+', "seq_len", "8", "", ""},
    {'+', "max_steps", "12", "", ""},
    {'-', "max_epochs", "1", "", ""},
    {'+', "optimizer", "adamw", "", "optimizer=muon"},
    {'+', "lr", "0.001", "", ""},
    {'+', "muon_lr", "0.001", "", "optimizer=muon"},
    {'+', "muon_momentum", "0.5", "", "optimizer=muon"},
    {'+', "muon_iterations", "2", "", "optimizer=muon"},
    {'+', "adam_beta1", "0.5", "", "optimizer=adamw"},
    {'+', "adam_beta2", "0.9", "", "optimizer=adamw"},
    {'+', "adam_eps", "0.01", "", "optimizer=adamw"},
    {'+', "weight_decay", "1", "", "optimizer=adamw"},
    {'+', "weight_decay", "1", "", "optimizer=muon"},
    {'+', "grad_clip_max_norm", "0.01", "", "optimizer=adamw adam_eps=0.01"},
    {'+', "grad_clip_max_norm", "0", "", "optimizer=adamw adam_eps=0.01 grad_clip_max_norm=0.01"},
    {'+', "label_smoothing", "0.1", "", ""},
    {'+', "lr_warmup_steps", "5", "", ""},
    {'+', "lr_decay", "linear", "", ""},
    {'+', "lr_decay", "none", "", ""},
    {'+', "lr_decay", "wsd", "", ""},
    {'+', "lr_decay", "two-stage", "", ""},
    {'+', "lr_min_ratio", "0.5", "", ""},
    {'+', "lr_min", "0.003", "", ""},
    {'+', "wsd_decay_fraction", "0.6", "", "lr_decay=wsd"},
    {'+', "lr_stage_start", "0.7", "", "lr_decay=two-stage"},
    {'+', "lr_stage1_end_ratio", "0.7", "", "lr_decay=two-stage"},
    {'+', "lr_stage2_ratio", "0.7", "", "lr_decay=two-stage"},
    {'+', "weight_decay_stage2", "1", "", "lr_decay=two-stage"},
    {'+', "float_fraction", "0.5", "", ""},
    {'+', "quant_warmup_steps", "3", "", "quant_anneal_steps=4"},
    {'+', "quant_anneal_steps", "4", "", ""},
    {'-', "backward_bits", "16", "", ""}, /* see model_test_half */
    {'-', "fast", "true", "", ""}, /* see model_test_fast */
    {'-', "gradient_checkpointing_segments", "1", "", ""}, /* see model_test_segments */
    {'+', "seed", "2", "", ""},
    {'-', "val_fraction", "0.1", "", ""},
    {'-', "loss_on_input", "1", "", ""},
    {'-', "stream_buffer", "1024", "", ""},
    {'-', "eval_every", "5", "", ""},
    {'-', "eval_batches", "5", "", ""},
    {'-', "save_every", "5", "", ""},
    {'-', "keep_checkpoints", "5", "", ""}, /* these four: see test_flow.c */
    {'-', "major_every", "5", "", ""},
    {'-', "keep_best", "1", "", ""},
    {'-', "overfit_one_batch", "1", "", ""},
    {'-', "log_every", "5", "", ""},
    {'-', "debug_every", "5", "", ""},
    {'-', "sample_every", "5", "", ""},
    {'-', "report", "0", "", ""},
};

static void model_check_setting(onebit_table table, const model_setting *s) {
    onebit_config config = onebit_config_default(), changed;
    onebit_train_options options = onebit_train_options_default(), trained;
    uint64_t one, two;
    options.batch_size = 2;
    options.max_steps = 8;
    options.lr_warmup_steps = 2;
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, MODEL_BASE "max_seq_len=16"));
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, s->model));
    CHECK_OK(ref_settings(ONEBIT_TABLE_TRAIN, &options, s->train));
    changed = config;
    trained = options;
    if (table == ONEBIT_TABLE_MODEL) CHECK_OK(onebit_field_set(table, &changed, s->name, s->value));
    else CHECK_OK(onebit_field_set(table, &trained, s->name, s->value));
    if (s->effect != '+') return;
    one = model_digest(&config, &options);
    two = model_digest(&changed, &trained);
    if (!CHECK(one && two && one != two)) printf("%s=%s changes nothing\n", s->name, s->value);
}

/* All rows of the list, and every row of the library's table is on the list. */
static void model_check_table(onebit_table table, const model_setting *list, int count) {
    onebit_field_info field;
    int i, k;
    for (i = 0; onebit_field(table, i, &field) == ONEBIT_OK; i++) {
        for (k = 0; k < count && strcmp(list[k].name, field.name); k++) {}
        if (!CHECK(k < count)) printf("%s has no test\n", field.name);
    }
    CHECK(i > 0);
    for (k = 0; k < count; k++) model_check_setting(table, &list[k]);
}

static void model_test_settings(void) {
    test_case("model: every model setting changes something");
    model_check_table(ONEBIT_TABLE_MODEL, model_settings, MODEL_COUNT(model_settings));
    test_case("model: every training setting changes something");
    model_check_table(ONEBIT_TABLE_TRAIN, model_trainings, MODEL_COUNT(model_trainings));
}

/* Settings whose effect is on the modes, and what latent_clip spares. */
static void model_test_json(void) {
    static const char *const json = "{\"num_layers\": 2, \"use_ternary\": false}";
    onebit_config config = onebit_config_default();
    model_rig r;
    onebit_parameter p;
    int i;
    test_case("model: use_ternary false means binary where layer_bit_map is silent");
    CHECK_OK(onebit_config_parse(&config, json, strlen(json)));
    CHECK(config.layer_modes[0] == ONEBIT_BINARY && config.layer_modes[1] == ONEBIT_BINARY);
    CHECK(config.embedding_mode == ONEBIT_F16);
    test_case("model: latents are clipped, norms and embeddings are not");
    if (model_open(&r, "latent_clip_max_training=0.02 embedding=f32", "lr_warmup_steps=0 lr=0.01",
                   2, 12, NULL)) {
        for (i = 0; i < 3; i++) model_step(&r, NULL);
        for (i = 0; onebit_trainer_parameter(r.trainer, i, &p) == ONEBIT_OK; i++) {
            double top = model_largest(p.value, (size_t)p.rows * (size_t)p.cols);
            if (p.mode >= ONEBIT_8BIT) CHECK(top <= 0.02f);
            else CHECK(top > 0.03);
        }
    }
    model_close(&r);
}

/* ---- out of memory ---- */

/* Counts blocks; request number fail_at is refused. */
typedef struct model_memory {
    int live, calls, fail_at;
    size_t bytes;
} model_memory;

static void *model_alloc(void *user, size_t bytes) {
    model_memory *m = (model_memory *)user;
    void *block;
    if (++m->calls == m->fail_at) return NULL;
    block = malloc(bytes);
    m->live += block != NULL;
    m->bytes += bytes;
    return block;
}

static void model_release(void *user, void *block) {
    model_memory *m = (model_memory *)user;
    m->live -= block != NULL;
    free(block);
}

/* The whole life of a model on one env. Gives the first status that is not ONEBIT_OK. */
static onebit_status model_life(const onebit_env *env, const void *image, size_t bytes,
                                const char *path) {
    onebit_config config = onebit_config_default();
    onebit_train_options options = onebit_train_options_default();
    onebit_trainer *trainer = NULL, *loaded = NULL;
    onebit_tokenizer *tokenizer = NULL, *read = NULL;
    onebit_model *model = NULL;
    onebit_session *session = NULL;
    onebit_position position = onebit_dataset_tell(NULL);
    int32_t ids[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7};
    const char *text = "abcdefghijklmnopqrstuvwxyzAB";
    char *copy = (char *)malloc(bytes + 1), *packed;
    onebit_status s;
    size_t size;
    double loss;
    options.batch_size = 1;
    options.seq_len = 8;
    memcpy(copy + 1, image, bytes); /* not aligned: the reader has to copy it */
    s = ref_settings(ONEBIT_TABLE_MODEL, &config, MODEL_BASE);
    if (s == ONEBIT_OK) s = onebit_trainer_create(&trainer, &config, &options, env);
    if (s == ONEBIT_OK) s = onebit_trainer_accumulate(trainer, ids, ids + 1, NULL);
    if (s == ONEBIT_OK) s = onebit_trainer_update(trainer, NULL);
    if (s == ONEBIT_OK) s = onebit_trainer_evaluate(trainer, ids, ids + 1, 1, 8, &loss);
    if (s == ONEBIT_OK)
        s = onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_CHAR, text, strlen(text), 0, env);
    if (s == ONEBIT_OK) {
        size = onebit_trainer_pack(trainer, tokenizer, NULL, 0);
        packed = (char *)malloc(size + 1);
        if (size == 0 || onebit_trainer_pack(trainer, tokenizer, packed, size) != size)
            s = ONEBIT_MEMORY;
        free(packed);
    }
    if (s == ONEBIT_OK) s = onebit_trainer_save(trainer, tokenizer, position, path);
    if (s == ONEBIT_OK) s = onebit_trainer_load(&loaded, &read, NULL, path, NULL, env);
    if (s == ONEBIT_OK) s = onebit_model_open_memory(&model, copy + 1, bytes, env);
    if (s == ONEBIT_OK) s = onebit_session_create(&session, model, NULL, env);
    if (s == ONEBIT_OK) s = onebit_session_eval(session, ids, 16, NULL);
    onebit_session_free(session);
    onebit_model_free(model);
    onebit_trainer_free(loaded);
    onebit_tokenizer_free(read);
    onebit_trainer_free(trainer);
    onebit_tokenizer_free(tokenizer);
    free(copy);
    return s;
}

static void model_test_memory(void) {
    static const char *const path = "test_model_memory.tmp";
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 0, 0};
    model_rig r;
    size_t bytes = 0;
    void *image = NULL;
    int k, all;
    test_case("model: a refused allocation is ONEBIT_MEMORY and leaks nothing");
    env.user = &memory;
    env.alloc = model_alloc;
    env.release = model_release;
    env.threads = 1;
    if (model_open(&r, "", "", 1, 8, NULL)) image = model_pack(&r, &bytes);
    model_close(&r);
    if (!image) return;
    CHECK_OK(model_life(&env, image, bytes, path));
    all = memory.calls;
    CHECK(all > 0 && memory.live == 0);
    for (k = 1; k <= all; k++) {
        onebit_status status;
        memory.calls = 0;
        memory.fail_at = k;
        status = model_life(&env, image, bytes, path);
        if (!CHECK(status == ONEBIT_MEMORY) || !CHECK(memory.live == 0))
            printf("request %d of %d: status %d, %d blocks leaked\n", k, all, (int)status,
                   memory.live);
        memory.live = 0;
    }
    remove(path);
    free(image);
}

/* The size that is announced is the size that is taken, in one block, and nothing is taken later.
 */
static void model_test_bytes(void) {
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 0, 0};
    model_rig r;
    size_t told;
    double loss;
    test_case("model: a trainer takes one block of the size that was announced");
    env.user = &memory;
    env.alloc = model_alloc;
    env.release = model_release;
    env.threads = 1;
    if (model_open(&r, "", "", 2, 16, &env)) {
        told = onebit_trainer_bytes(&r.config, &r.options, &env);
        CHECK(memory.calls == 1 && memory.live == 1);
        if (!CHECK(told <= memory.bytes && memory.bytes <= told + 4096))
            printf("announced %zu, taken %zu\n", told, memory.bytes);
        model_step(&r, NULL);
        CHECK_OK(onebit_trainer_evaluate(r.trainer, r.inputs, r.targets, 2, 16, &loss));
        CHECK(memory.calls == 1);
    }
    model_close(&r);
    CHECK(memory.live == 0);
}

/* The parts are what their names say, and nothing is left over. */
static void model_test_parts(void) {
    onebit_config config = onebit_config_default();
    onebit_train_options options = onebit_train_options_default();
    onebit_memory m, wide, muon;
    size_t n;
    test_case("model: the parts of a trainer's memory");
    CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, MODEL_BASE "hidden_size=128"));
    n = 4 * onebit_config_parameters(&config);
    options.optimizer = 0;
    CHECK_OK(onebit_trainer_memory(&config, &options, NULL, &m));
    CHECK(m.weights + m.gradients + m.optimizer + m.activations + m.work == m.total);
    CHECK(m.total == onebit_trainer_bytes(&config, &options, NULL));
    CHECK(m.gradients >= n && m.gradients < n + n / 50);
    CHECK(m.optimizer >= 2 * n && m.optimizer < 2 * n + n / 50);
    CHECK(m.weights > n && m.weights < 2 * n && m.work > 0);
    options.optimizer = 1;
    CHECK_OK(onebit_trainer_memory(&config, &options, NULL, &muon));
    CHECK(muon.weights == m.weights && muon.optimizer > n && muon.optimizer < m.optimizer);
    CHECK(muon.work > m.work);
    options.batch_size *= 2;
    CHECK_OK(onebit_trainer_memory(&config, &options, NULL, &wide));
    CHECK(wide.weights == m.weights && wide.gradients == m.gradients);
    CHECK(wide.activations > 1.98 * (double)m.activations);
}

static void test_model(void) {
    model_test_cases();
    model_test_smoothing();
    model_test_fresh();
    model_test_overfit();
    model_test_accumulation();
    model_test_norm();
    model_test_ste();
    model_test_optimizers();
    model_test_schedules();
    model_test_rates();
    model_test_ramps();
    model_test_threads();
    model_test_session_threads();
    model_test_isa(ONEBIT_ISA_AVX2, "model: avx2 equals scalar");
    model_test_isa(ONEBIT_ISA_AVX512, "model: avx512 equals scalar");
    model_test_isa(ONEBIT_ISA_AVX512VNNI, "model: avx512vnni equals scalar");
    model_test_isa(ONEBIT_ISA_AVX512BF16, "model: avx512bf16 equals scalar");
    model_test_isa(ONEBIT_ISA_NEON, "model: neon equals scalar");
    model_test_session();
    model_test_score();
    model_test_resume();
    model_test_segments();
    model_test_blend();
    model_test_blend_values();
    model_test_anneal();
    model_test_layers();
    model_test_heads();
    model_test_two_stage();
    model_test_two_stage_session();
    model_test_two_stage_refused();
    model_test_fast();
    model_test_logits();
    model_test_cache();
    model_test_half();
    model_test_together();
    model_test_scale_counts();
    model_test_median();
    model_test_refusals();
    model_test_diverged();
    model_test_settings();
    model_test_json();
    model_test_memory();
    model_test_bytes();
    model_test_parts();
}
