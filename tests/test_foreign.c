/* test_foreign.c - models that other programs made: llama2.c, GGUF, Hugging Face; and our models
   written for them. Real files come from the shared data, where they are; others are made here.
   Uses the rigs of test_model.c, the readers of fuzz.c and the helpers of test_hostile.c. */

#ifdef ONEBIT_NO_FILES
static void test_foreign(void) {
    test_case("foreign: there are no files here");
    CHECK(1);
}
#else

#include "foreign.h"
#include <ctype.h>

/* ---- our models, out and in again ---- */

static char foreign_dir[] = "test_foreign_tmp";

static const char *foreign_path(const char *name) {
    static char path[8][300];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[0], "%s/%s", foreign_dir, name);
    return path[turn];
}

static void foreign_clean(void) {
    static const char *const files[] = {"model.safetensors",
                                        "config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "model.safetensors.index.json",
                                        "a.safetensors",
                                        "b.safetensors",
                                        "tokenizer.bin"};
    static const char *const places[] = {"hf", "again", "bad", "none"};
    static const char *const loose[] = {"a.1bit",   "b.1bit", "a.gguf",        "b.gguf",      "bad",
                                        "own.1bit", "m.bin",  "tokenizer.bin", "m-tok29.bin", ""};
    char name[100];
    size_t i, k;
    for (i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (k = 0; k < sizeof files / sizeof files[0]; k++) {
            snprintf(name, sizeof name, "%s/%s", places[i], files[k]);
            remove(foreign_path(name));
        }
        remove(foreign_path(places[i]));
    }
    for (i = 0; i < sizeof loose / sizeof loose[0]; i++) remove(foreign_path(loose[i]));
}

/* Widths that every type's blocks divide; scales that every type's f16 holds. */
#define FOREIGN_BASE                                                                               \
    "vocab_size=29 hidden_size=256 num_layers=2 num_heads=4 num_key_value_heads=2 "                \
    "intermediate_size=256 max_seq_len=64 use_f16_scale=true "

/* A random model with these settings over FOREIGN_BASE, by way of a .1bit. */
static onebit_model *foreign_make(const char *settings, const onebit_tokenizer *words) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_trainer *t = NULL;
    onebit_model *m = NULL;
    o.batch_size = 1, o.seq_len = 8;
    if (CHECK_OK(ob_make_directory(foreign_dir)) &&
        CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &c, FOREIGN_BASE)) &&
        CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &c, settings)) &&
        CHECK_OK(onebit_trainer_create(&t, &c, &o, NULL))) {
        ref_fill(t, 5);
        CHECK_OK(onebit_trainer_export(t, words, foreign_path("a.1bit")));
        CHECK_OK(onebit_model_open(&m, foreign_path("a.1bit"), NULL));
    }
    onebit_trainer_free(t);
    return m;
}

#define FOREIGN_TOKENS 6

/* Logits of every one of some tokens, to be freed. */
static float *foreign_logits(const onebit_model *m) {
    static const int32_t ids[FOREIGN_TOKENS] = {3, 14, 0, 28, 7, 7};
    size_t V = (size_t)onebit_model_config(m)->vocab_size;
    float *logits = (float *)calloc(FOREIGN_TOKENS * V, sizeof(float));
    onebit_session_options o = onebit_session_options_default();
    onebit_session *s = NULL;
    o.context = FOREIGN_TOKENS + 2;
    if (CHECK_OK(onebit_session_create(&s, m, &o, NULL)))
        CHECK_OK(onebit_session_eval(s, ids, FOREIGN_TOKENS, logits));
    onebit_session_free(s);
    return logits;
}

/* Largest difference of the logits as a share of the largest logit; -1 = the same bits. */
static double foreign_apart(const float *one, const onebit_model *m) {
    size_t i, n = FOREIGN_TOKENS * (size_t)onebit_model_config(m)->vocab_size;
    float *two = foreign_logits(m);
    double worst = -1;
    if (memcmp(one, two, n * sizeof(float)) != 0)
        for (i = 0, worst = 0; i < n; i++) {
            double d = fabs((double)one[i] - (double)two[i]);
            worst = d > worst || d != d ? d : worst;
        }
    free(two);
    return worst < 0 ? worst : worst / model_largest(one, n);
}

/* Row r of a tensor of a packed model: values, and the codes where there are any. */
static void foreign_row(const onebit_model *m, const ob_tensor *t, int r, float *codes,
                        float *values) {
    const ob_weight *w = m->view.slots + t->slot;
    int i, n = t->cols, groups = t->group ? (n + t->group - 1) / t->group : 0;
    if (t->mode < 0) memcpy(codes, w->data, (size_t)n * sizeof(float));
    else ob_unpack_row(codes, (const uint8_t *)w->data, (ob_format)w->format, r, n);
    for (i = 0; i < n; i++) {
        float scale = t->mode < ONEBIT_8BIT    ? 1.0f
                      : t->mode == ONEBIT_8BIT ? w->scale[r]
                      : t->group               ? w->scale[r * groups + i / t->group]
                                               : w->scale[0];
        values[i] = codes[i] * scale;
    }
}

/* Largest difference of weights, as a share of the tensor's largest; same: with codes that differ
   it is at least 1. */
static double foreign_weights_apart(const onebit_model *a, const onebit_model *b, int same) {
    static float codes[2][300], values[2][300];
    ob_tensor t, u;
    double worst = 0;
    int i, r, k;
    CHECK(a->count == b->count);
    for (i = 0; ob_tensor_at(&a->config, i, &t); i++) {
        double largest = 0, apart = 0;
        ob_tensor_at(&b->config, i, &u);
        if (!CHECK(t.rows == u.rows && t.cols == u.cols && !strcmp(t.name, u.name))) return 9;
        for (r = 0; r < t.rows; r++) {
            foreign_row(a, &t, r, codes[0], values[0]);
            foreign_row(b, &u, r, codes[1], values[1]);
            for (k = 0; k < t.cols; k++) {
                double d = fabs((double)values[0][k] - (double)values[1][k]);
                apart = d > apart ? d : apart;
                largest = fmax(largest, fabs((double)values[0][k]));
                if (same && t.mode >= ONEBIT_TERNARY && codes[0][k] != codes[1][k]) worst = 1;
            }
        }
        worst = fmax(worst, apart / largest);
    }
    return worst;
}

/* What the graph depends on must come back; an epsilon is a float in a GGUF. */
static void foreign_same_graph(const onebit_config *a, const onebit_config *b) {
    CHECK(a->vocab_size == b->vocab_size && a->hidden_size == b->hidden_size);
    CHECK(a->num_layers == b->num_layers && a->num_heads == b->num_heads);
    CHECK(a->num_key_value_heads == b->num_key_value_heads && a->head_dim == b->head_dim);
    CHECK(a->intermediate_size == b->intermediate_size && a->max_seq_len == b->max_seq_len);
    CHECK((float)a->layer_norm_eps == (float)b->layer_norm_eps);
    CHECK((float)a->rope_theta == (float)b->rope_theta && a->rope_scaling == b->rope_scaling);
    CHECK(a->rope_factor == b->rope_factor);
    if (a->rope_scaling >= OB_ROPE_YARN) {
        CHECK(a->rope_slow == b->rope_slow && a->rope_fast == b->rope_fast);
        CHECK(fabs(a->rope_attention - b->rope_attention) < 1e-6);
    }
    CHECK((a->use_relu2 || a->activation == 1) == (b->activation == 1));
    CHECK(a->use_sub_norm == b->use_sub_norm && a->use_qk_norm == b->use_qk_norm);
    CHECK(a->use_qkv_bias == b->use_qkv_bias && b->use_swiglu == 1);
    CHECK(a->tie_word_embeddings == b->tie_word_embeddings);
}

static onebit_export_options foreign_options(int container, const char *type, const char *head) {
    onebit_export_options o = onebit_export_options_default();
    o.container = container, o.type = type, o.head_type = head;
    return o;
}

/* Same bytes? */
static int foreign_equal(const char *one, const char *two) {
    ob_map a, b;
    int same = 0;
    if (!CHECK_OK(ob_map_open(&a, foreign_path(one)))) return 0;
    if (CHECK_OK(ob_map_open(&b, foreign_path(two)))) {
        same = a.bytes == b.bytes && !memcmp(a.data, b.data, a.bytes);
        ob_map_close(&b);
    }
    ob_map_close(&a);
    return same;
}

/* How near a model comes back: the same bits of logits and weights; the same codes and scales in
   smaller groups, whose sums round otherwise; the same weights, but inputs are no longer int8; less
   exact weights. */
typedef enum foreign_near {
    FOREIGN_BITS,
    FOREIGN_CODES,
    FOREIGN_VALUES,
    FOREIGN_ROUGH
} foreign_near;

/* Out, in, through a .1bit and out again: the second file is the first, unless it is written from
   codes that were not in the first. */
static void foreign_trip(const onebit_model *m, const char *settings,
                         const onebit_export_options *o, foreign_near near) {
    static const double apart[] = {-1, 2e-6, 0.05, 0.12}, weights[] = {0, 0, 0, 0.009};
    const char *path = foreign_path(o->container == ONEBIT_GGUF ? "a.gguf" : "hf");
    const char *again = foreign_path(o->container == ONEBIT_GGUF ? "b.gguf" : "again");
    float *logits = foreign_logits(m);
    onebit_model *n = NULL, *p = NULL;
    double d, w;
    if (CHECK_OK(onebit_model_export(m, path, o, NULL)) &&
        CHECK_OK(onebit_model_open(&n, path, NULL))) {
        foreign_same_graph(&m->config, &n->config);
        d = foreign_apart(logits, n), w = foreign_weights_apart(m, n, near <= FOREIGN_CODES);
        if (!CHECK(d <= apart[near]) || !CHECK(w <= weights[near]))
            printf("  %s as %s: logits %.3g apart, weights %.3g\n", settings,
                   o->type ? o->type : "-", d, w);
        CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), path, NULL, NULL));
        CHECK_OK(onebit_model_open(&p, foreign_path("b.1bit"), NULL));
        if (p && near != FOREIGN_ROUGH) {
            CHECK(foreign_weights_apart(n, p, 1) == 0);
            CHECK_OK(onebit_model_export(p, again, o, NULL));
            if (o->container == ONEBIT_GGUF) CHECK(foreign_equal("a.gguf", "b.gguf"));
            else CHECK(foreign_equal("hf/model.safetensors", "again/model.safetensors"));
        }
    }
    onebit_model_free(n);
    onebit_model_free(p);
    free(logits);
}

/* Every graph that can be exported. */
static void foreign_test_graphs(void) {
    static const char *const graphs[] = {
        "",
        "use_qkv_bias=true tie_word_embeddings=false lm_head=f16",
        "use_qk_norm=true num_key_value_heads=4",
        "use_sub_norm=true num_key_value_heads=1 layer_norm_eps=0.001",
        "use_sub_norm=true use_relu2=true rope_theta=500000",
        "use_sub_norm=true activation=relu2 tie_word_embeddings=false lm_head=f32",
        "rope_scaling=linear rope_factor=2",
        "rope_scaling=yarn rope_factor=4 rope_original=16 rope_theta=1000",
        "rope_scaling=yarn rope_factor=4 rope_theta=100 use_qk_norm=true",
        "rope_scaling=yarn rope_factor=2 rope_slow=2 rope_fast=16 rope_attention=1.25",
    };
    onebit_export_options tq = foreign_options(ONEBIT_GGUF, "tq2_0", NULL);
    onebit_export_options i2 = foreign_options(ONEBIT_GGUF, "i2_s", NULL);
    onebit_export_options hf = foreign_options(ONEBIT_HUGGING_FACE, NULL, NULL);
    size_t i;
    for (i = 0; i < sizeof graphs / sizeof graphs[0]; i++) {
        onebit_model *m;
        foreign_near near;
        test_case(
            "foreign: every graph goes out as GGUF and Hugging Face and comes back bit for bit");
        m = foreign_make(graphs[i], NULL);
        if (!m) continue;
        near = strstr(graphs[i], "rope_attention") ? FOREIGN_CODES : FOREIGN_BITS; /* a float */
        foreign_trip(m, graphs[i], &tq, near);
        foreign_trip(m, graphs[i], &i2, near);
        foreign_trip(m, graphs[i], &hf, FOREIGN_BITS);
        onebit_model_free(m);
    }
}

/* Every mode in every type that holds it. */
static const struct {
    const char *settings, *type, *head;
    foreign_near near;
} foreign_types[] = {
    {"embedding=f32", "tq1_0", NULL, FOREIGN_BITS},
    {"embedding=f32", "q2_0", "f32", FOREIGN_BITS},
    {"embedding=ternary", NULL, NULL, FOREIGN_VALUES},
    {"embedding=f16", NULL, "f32", FOREIGN_CODES},
    {"embedding=f16", "f32", NULL, FOREIGN_VALUES},
    {"embedding=f16", "f16", NULL, FOREIGN_VALUES},
    {"embedding=f16", "bf16", "bf16", FOREIGN_ROUGH},
    {"embedding=f16", "q8_0", "q8_0", FOREIGN_ROUGH},
    {"embedding=8bit", "i2_s", NULL, FOREIGN_ROUGH},
    {"embedding=ternary", "i2_s", "i2_s", FOREIGN_BITS},
    {"embedding=ternary", "tq2_0", "tq1_0", FOREIGN_BITS},
    {"embedding=ternary embedding_group=64", "tq2_0", "q2_0", FOREIGN_BITS},
    {"embedding=binary tie_word_embeddings=false lm_head=binary", "tq2_0", "q1_0", FOREIGN_BITS},
    {"embedding=binary embedding_group=128 tie_word_embeddings=false lm_head=ternary", "tq2_0",
     "q2_0", FOREIGN_CODES},
    {"scale_group=256", "tq1_0", NULL, FOREIGN_BITS},
    {"scale_group=256", NULL, NULL, FOREIGN_BITS},
    {"scale_group=256", "q2_0", NULL, FOREIGN_CODES},
    {"scale_group=128", NULL, NULL, FOREIGN_CODES},
    {"scale_group=64", "q2_0", NULL, FOREIGN_BITS},
    {"scale_group=64", "f16", NULL, FOREIGN_VALUES},
    {"scale_group=32", "f32", NULL, FOREIGN_VALUES},
    {"scale_group=128 layer_bit_map=binary", "q1_0", NULL, FOREIGN_BITS},
    {"scale_group=256 layer_bit_map=binary", NULL, NULL, FOREIGN_CODES},
    {"scale_group=64 layer_bit_map=binary", "q2_0", NULL, FOREIGN_BITS},
    {"layer_bit_map=binary", "q1_0", NULL, FOREIGN_BITS},
    {"layer_bit_map=binary", "i2_s", NULL, FOREIGN_BITS},
    {"layer_bit_map=binary", "tq1_0", NULL, FOREIGN_BITS},
    {"layer_bit_map=ternary,binary", NULL, NULL, FOREIGN_BITS},
    {"layer_bit_map=8bit", NULL, NULL, FOREIGN_ROUGH},
    {"layer_bit_map=8bit", "f32", NULL, FOREIGN_VALUES},
    {"layer_bit_map=f16", NULL, NULL, FOREIGN_BITS},
    {"layer_bit_map=f16", "f32", NULL, FOREIGN_CODES},
    {"layer_bit_map=f32 embedding=f32", NULL, NULL, FOREIGN_BITS},
    {"layer_bit_map=f32 embedding=f32", "f16", "f16", FOREIGN_ROUGH},
    {"num_layers=3 layer_bit_map=f16,8bit,ternary", "f32", NULL, FOREIGN_VALUES},
};

static void foreign_test_types(void) {
    size_t i, n = sizeof foreign_types / sizeof foreign_types[0];
    for (i = 0; i < n; i++) {
        const char *settings = foreign_types[i].settings, *type = foreign_types[i].type;
        onebit_export_options o = foreign_options(ONEBIT_GGUF, type, foreign_types[i].head);
        onebit_model *m;
        test_case("foreign: every mode in every type of GGUF that holds it");
        m = foreign_make(settings, NULL);
        if (m) foreign_trip(m, settings, &o, foreign_types[i].near);
        onebit_model_free(m);
        if (!type || (strcmp(type, "f32") && strcmp(type, "f16") && strcmp(type, "bf16"))) continue;
        test_case("foreign: every mode as floats for Hugging Face");
        o.container = ONEBIT_HUGGING_FACE, o.head_type = NULL;
        m = foreign_make(settings, NULL);
        if (m) foreign_trip(m, settings, &o, foreign_types[i].near);
        onebit_model_free(m);
    }
}

/* ---- what is refused, and what is told ---- */

/* The export must fail with these words, and leave nothing: neither a file nor a directory. */
static void foreign_refused(const onebit_model *m, onebit_export_options o, onebit_status wanted,
                            const char *words) {
    onebit_status status;
    o.container = ONEBIT_GGUF;
    for (; o.container <= (int)ONEBIT_HUGGING_FACE; o.container++) {
        const char *path = foreign_path(o.container == ONEBIT_GGUF ? "bad" : "none");
        status = onebit_model_export(m, path, &o, NULL);
        if (!CHECK(status == wanted && strstr(onebit_error_text(), words)))
            printf("  wanted \"%s\": %s\n", words, status ? onebit_error_text() : "it was written");
        CHECK(!ob_file_exists(path) && !ob_is_directory(path));
    }
}

/* Settings that no other program has. */
static void foreign_test_refused_graphs(void) {
    static const char *const rows[][2] = {
        {"use_rope=false", "use_rope"},
        {"use_subln=false", "use_subln"},
        {"use_residual_scaling=true", "use_residual_scaling"},
        {"logit_softcap=3", "logit_softcap"},
        {"activation_bits=0", "activation_bits"},
        {"activation_bits=1", "activation_bits"},
        {"final_norm_eps=0.1", "final_norm_eps"},
        {"use_swiglu=false", "use_swiglu"},
        {"activation=relu", "relu"},
        {"use_qk_norm=true use_qkv_bias=true", "use_qk_norm"},
        {"use_qk_norm=true use_sub_norm=true", "use_sub_norm"},
        {"use_sub_norm=true use_qkv_bias=true", "use_sub_norm beside use_qkv_bias"},
    };
    size_t i;
    test_case("foreign: what no other program computes is refused by name, and nothing is written");
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        onebit_model *m = foreign_make(rows[i][0], NULL);
        if (m) foreign_refused(m, onebit_export_options_default(), ONEBIT_UNSUPPORTED, rows[i][1]);
        onebit_model_free(m);
    }
}

/* One container alone. */
static void foreign_refused_in(const char *settings, int container, const char *type,
                               const char *head, const char *words) {
    onebit_export_options o = foreign_options(container, type, head);
    onebit_model *m = foreign_make(settings, NULL);
    onebit_status status;
    if (!m) return;
    status = onebit_model_export(m, foreign_path("none"), &o, NULL);
    if (!CHECK(status == ONEBIT_UNSUPPORTED && strstr(onebit_error_text(), words)))
        printf("  %s as %s, wanted \"%s\": %s\n", settings, type ? type : "-", words,
               status ? onebit_error_text() : "it was written");
    CHECK(!ob_file_exists(foreign_path("none")) && !ob_is_directory(foreign_path("none")));
    onebit_model_free(m);
}

static void foreign_test_refused_types(void) {
    static const char *const coded[] = {"i2_s", "tq1_0", "tq2_0", "q1_0", "q2_0"};
    static const char *const floats[] = {"layer_bit_map=f32", "layer_bit_map=f16",
                                         "layer_bit_map=8bit", "layer_bit_map=ternary,f16"};
    onebit_export_options o;
    size_t i, k;
    onebit_model *m;
    test_case(
        "foreign: a type that cannot hold a tensor is refused by name, and nothing is written");
    for (i = 0; i < 4; i++)
        for (k = 0; k < 5; k++)
            foreign_refused_in(floats[i], ONEBIT_GGUF, coded[k], NULL, "cannot hold");
    foreign_refused_in("", ONEBIT_GGUF, "q1_0", NULL, "which q1_0 cannot hold");
    foreign_refused_in("embedding=f16", ONEBIT_GGUF, NULL, "tq2_0", "embed_tokens");
    foreign_refused_in("scale_group=32", ONEBIT_GGUF, "q2_0", NULL, "a scale per 32");
    foreign_refused_in("scale_group=64", ONEBIT_GGUF, "tq2_0", NULL, "tq2_0 per 256");
    foreign_refused_in("scale_group=128", ONEBIT_GGUF, "i2_s", NULL, "a scale per 128");
    foreign_refused_in("scale_group=64 layer_bit_map=binary", ONEBIT_GGUF, NULL, NULL,
                       "q1_0 per 128");
    foreign_refused_in("intermediate_size=192", ONEBIT_GGUF, "tq1_0", NULL, "whole blocks");
    foreign_refused_in("hidden_size=72", ONEBIT_GGUF, "q8_0", NULL, "whole blocks");
    foreign_refused_in("use_relu2=true", ONEBIT_GGUF, NULL, NULL, "ReLU^2 without SubLN");
    foreign_refused_in("rope_scaling=llama3 rope_factor=8 rope_fast=4", ONEBIT_GGUF, NULL, NULL,
                       "llama3");
    foreign_refused_in("scale_group=64", ONEBIT_HUGGING_FACE, NULL, NULL, "with groups");
    foreign_refused_in("layer_bit_map=binary", ONEBIT_HUGGING_FACE, NULL, NULL, "is binary");
    foreign_refused_in("layer_bit_map=ternary,8bit", ONEBIT_HUGGING_FACE, NULL, NULL, "8bit");
    foreign_refused_in("intermediate_size=30", ONEBIT_HUGGING_FACE, NULL, NULL, "whole blocks");
    foreign_refused_in("", ONEBIT_HUGGING_FACE, "tq2_0", NULL, "packed codes, not tq2_0");
    foreign_refused_in("", ONEBIT_HUGGING_FACE, "q8_0", NULL, "not q8_0");
    m = foreign_make("", NULL);
    if (!m) return;
    foreign_refused(m, foreign_options(0, "q4_k", NULL), ONEBIT_USAGE, "type 'q4_k'");
    foreign_refused(m, foreign_options(0, NULL, "Q8_0"), ONEBIT_USAGE, "type 'Q8_0'");
    foreign_refused(m, foreign_options(0, "hf_packed", NULL), ONEBIT_USAGE, "expected f32");
    o = foreign_options(ONEBIT_HUGGING_FACE, NULL, "f16");
    CHECK_FAILS(onebit_model_export(m, foreign_path("none"), &o, NULL), ONEBIT_USAGE, "head_type");
    CHECK(!ob_is_directory(foreign_path("none")));
    onebit_model_free(m);
}

/* The settings that only one container holds. */
static void foreign_test_only_hugging_face(void) {
    static const char *const rows[] = {
        "rope_scaling=llama3 rope_factor=8 rope_fast=4 rope_original=32 rope_theta=100",
        "use_relu2=true", "use_relu2=true use_qkv_bias=true", "intermediate_size=68"};
    onebit_export_options hf = foreign_options(ONEBIT_HUGGING_FACE, NULL, NULL);
    size_t i;
    test_case("foreign: what only Hugging Face's files hold comes back bit for bit");
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        onebit_model *m = foreign_make(rows[i], NULL);
        if (m) foreign_trip(m, rows[i], &hf, FOREIGN_BITS);
        onebit_model_free(m);
    }
}

/* Counts what is told, and looks every weight up again. */
typedef struct foreign_told {
    int count, stop;
    const onebit_model *had;
    double error[64];
    char to[64][16], name[64][64];
} foreign_told;

static int foreign_hear(void *user, const onebit_export_report *report) {
    foreign_told *h = (foreign_told *)user;
    if (!CHECK(h->count < 64)) return 1;
    h->error[h->count] = report->error;
    snprintf(h->to[h->count], sizeof h->to[0], "%s", report->to);
    snprintf(h->name[h->count], sizeof h->name[0], "%s", report->name);
    CHECK(report->rows > 0 && report->cols > 0 && report->from[0]);
    return ++h->count == h->stop;
}

/* Largest differences by tensor must be those that were told. */
static void foreign_check_told(const foreign_told *h, const onebit_model *a,
                               const onebit_model *b) {
    static float codes[300], values[2][300];
    ob_tensor t, u;
    int i, r, k;
    CHECK(h->count == a->count);
    for (i = 0; i < h->count && ob_tensor_at(&a->config, i, &t); i++) {
        double worst = 0;
        ob_tensor_at(&b->config, i, &u);
        for (r = 0; r < t.rows; r++) {
            foreign_row(a, &t, r, codes, values[0]);
            foreign_row(b, &u, r, codes, values[1]);
            for (k = 0; k < t.cols; k++)
                worst = fmax(worst, fabs((double)(values[0][k] - values[1][k])));
        }
        if (!CHECK(worst == h->error[i]))
            printf("  %s: %.9g was told, it is %.9g\n", h->name[i], h->error[i], worst);
    }
}

/* bf16 rounds blocks; the head is exact. The caller may stop, and then nothing is left. */
static void foreign_test_export_told(void) {
    foreign_told h;
    onebit_export_options o = foreign_options(ONEBIT_GGUF, "bf16", NULL);
    onebit_model *m, *n = NULL;
    test_case("foreign: export tells the error of every tensor, and can be stopped");
    memset(&h, 0, sizeof h);
    m = foreign_make("layer_bit_map=f32 embedding=f32", NULL);
    if (!m) return;
    o.on_tensor = foreign_hear, o.user = &h;
    CHECK_OK(onebit_model_export(m, foreign_path("a.gguf"), &o, NULL));
    CHECK(h.count == m->count && !strcmp(h.to[2], "bf16") && !strcmp(h.to[0], "f32"));
    CHECK(strncmp(h.name[0], "token_embd", 10) == 0 || h.error[0] > 0);
    memset(&h, 0, sizeof h);
    o.type = "f16"; /* f16 in the file stays f16 here, so the model shows the error */
    CHECK_OK(onebit_model_export(m, foreign_path("a.gguf"), &o, NULL));
    CHECK_OK(onebit_model_open(&n, foreign_path("a.gguf"), NULL));
    if (n) foreign_check_told(&h, m, n);
    onebit_model_free(n);
    n = NULL;
    memset(&h, 0, sizeof h);
    o.container = ONEBIT_HUGGING_FACE;
    CHECK_OK(onebit_model_export(m, foreign_path("hf"), &o, NULL));
    CHECK_OK(onebit_model_open(&n, foreign_path("hf"), NULL));
    if (n && CHECK(h.count == m->count)) CHECK(h.error[1] > 0 || h.error[2] > 0);
    for (h.stop = 1; h.stop < 4; h.stop++) {
        h.count = 0;
        o.container = ONEBIT_GGUF;
        CHECK_FAILS(onebit_model_export(m, foreign_path("bad"), &o, NULL), ONEBIT_CANCELLED,
                    "stopped");
        h.count = 0;
        o.container = ONEBIT_HUGGING_FACE;
        CHECK_FAILS(onebit_model_export(m, foreign_path("none"), &o, NULL), ONEBIT_CANCELLED,
                    "stopped");
        CHECK(!ob_file_exists(foreign_path("bad")));
        CHECK(!ob_file_exists(foreign_path("none/model.safetensors")));
    }
    onebit_model_free(n);
    onebit_model_free(m);
    remove(foreign_path("none"));
}

/* Sum of squares of what the packed blocks are away from the floats; with moments each counts as
   its input does. */
static double foreign_squares(const onebit_model *a, const onebit_model *b, const double *moments) {
    static float codes[300], values[2][300];
    ob_tensor t, u;
    double sum = 0;
    int i, r, k;
    for (i = 0; ob_tensor_at(&a->config, i, &t); i++) {
        const double *h = moments ? moments + ob_moments_at(&a->config, t.layer, t.id) : NULL;
        ob_tensor_at(&b->config, i, &u);
        for (r = 0; t.kind == OB_ROLE_LINEAR && r < t.rows; r++) {
            foreign_row(a, &t, r, codes, values[0]);
            foreign_row(b, &u, r, codes, values[1]);
            for (k = 0; k < t.cols; k++)
                sum += (h ? h[k] : 1) * pow((double)(values[0][k] - values[1][k]), 2);
        }
    }
    return sum;
}

/* A foreign model of floats becomes ternary and binary: by AbsMean, and by the nearest codes, which
   must be nearer; what is told is what is there. */
static void foreign_test_fit(void) {
    onebit_pack_options p = onebit_pack_options_default();
    onebit_export_options f32 = foreign_options(ONEBIT_GGUF, "f32", "f32");
    onebit_model *m, *plain, *fitted;
    foreign_told h;
    int mode;
    test_case("foreign: packing tells its errors, and fit finds nearer codes than AbsMean");
    m = foreign_make("layer_bit_map=f32 embedding=f32 use_f16_scale=false", NULL);
    if (!m) return;
    CHECK_OK(onebit_model_export(m, foreign_path("a.gguf"), &f32, NULL));
    p.on_tensor = foreign_hear, p.user = &h;
    for (mode = ONEBIT_TERNARY; mode <= (int)ONEBIT_BINARY; mode++) {
        plain = fitted = NULL;
        p.block_mode = mode, p.scale_group = 64, p.fit = 0;
        memset(&h, 0, sizeof h);
        CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
        CHECK_OK(onebit_model_open(&plain, foreign_path("b.1bit"), NULL));
        if (plain) foreign_check_told(&h, m, plain);
        p.fit = 1;
        memset(&h, 0, sizeof h);
        CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
        CHECK_OK(onebit_model_open(&fitted, foreign_path("b.1bit"), NULL));
        if (fitted) foreign_check_told(&h, m, fitted);
        if (fitted && plain) {
            CHECK(fitted->config.scale_group == 64 && fitted->config.layer_modes[1] == mode);
            if (mode == ONEBIT_TERNARY)
                CHECK(foreign_squares(m, fitted, NULL) < 0.999 * foreign_squares(m, plain, NULL));
            else
                CHECK(foreign_squares(m, fitted, NULL) <= 1.0001 * foreign_squares(m, plain, NULL));
        }
        onebit_model_free(plain);
        onebit_model_free(fitted);
    }
    h.count = 0, h.stop = 2;
    remove(foreign_path("b.1bit"));
    CHECK_FAILS(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL),
                ONEBIT_CANCELLED, "stopped");
    CHECK(!ob_file_exists(foreign_path("b.1bit")));
    p.scale_group = -1;
    CHECK_FAILS(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL),
                ONEBIT_USAGE, "scale_group is 0");
    p.scale_group = 48;
    CHECK_FAILS(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL),
                ONEBIT_CONFIG, "48");
    CHECK(!ob_file_exists(foreign_path("b.1bit")));
    onebit_model_free(m);
}

/* The moments of a few tokens, to be freed; logits, when not NULL, are those after the last. */
static double *foreign_moments(const onebit_model *m, int chunk, int threads, float *logits) {
    static const int32_t ids[9] = {3, 14, 0, 28, 7, 7, 1, 2, 9};
    size_t n = ob_moments_at(&m->config, m->config.num_layers, OB_Q);
    double *moments = (double *)calloc(n, sizeof *moments);
    onebit_session_options o = onebit_session_options_default();
    onebit_env env = onebit_env_default();
    onebit_session *s = NULL;
    env.threads = threads;
    o.context = 12, o.chunk = chunk, o.moments = moments;
    if (CHECK_OK(onebit_session_create(&s, m, &o, &env))) {
        CHECK_OK(onebit_session_eval(s, ids, 9, NULL));
        if (logits)
            memcpy(logits, onebit_session_logits(s), (size_t)m->config.vocab_size * sizeof *logits);
    }
    onebit_session_free(s);
    return moments;
}

/* A gain of 0 makes one input of its matrices 0: then that moment is, and no other. */
static void foreign_check_place(const onebit_model *m, int layer, int id, int matrix) {
    size_t n = ob_moments_at(&m->config, m->config.num_layers, OB_Q), i, at = 5;
    float *gain = (float *)(uintptr_t)ob_gain(&m->view, layer, id), was = gain[at];
    double *moments;
    gain[at] = 0.0f;
    moments = foreign_moments(m, 64, 1, NULL);
    at += ob_moments_at(&m->config, layer, matrix);
    for (i = 0; i < n; i++)
        if (!CHECK((moments[i] == 0) == (i == at)))
            printf("  tensor %d of layer %d: number %d\n", id, layer, (int)i);
    gain[at - ob_moments_at(&m->config, layer, matrix)] = was;
    free(moments);
}

/* Squares of the first block's inputs, worked out from the embedding. */
static void foreign_check_first(const onebit_model *m, const double *moments) {
    static const int32_t ids[9] = {3, 14, 0, 28, 7, 7, 1, 2, 9};
    static float x[300];
    double sum[300], mean;
    const float *gain = ob_gain(&m->view, 0, OB_NORM1);
    int i, k, D = m->config.hidden_size;
    memset(sum, 0, sizeof sum);
    for (i = 0; i < 9; i++) {
        ob_unpack_row(x, (const uint8_t *)ob_block(&m->view, 0, OB_EMBED)->data, OB_F32X16, ids[i],
                      D);
        for (mean = 0, k = 0; k < D; k++) mean += (double)x[k] * x[k] / D;
        for (k = 0; k < D; k++)
            sum[k] += pow((double)x[k] * gain[k], 2) / (mean + m->config.layer_norm_eps);
    }
    for (k = 0; k < D; k++) CHECK(fabs(moments[k] - sum[k]) <= 1e-5 * sum[k]);
}

/* The codes of a model that was packed with moments are nearer where they say, and only there. */
static void foreign_check_calibrated(const onebit_model *m, double *moments, int mode) {
    onebit_pack_options p = onebit_pack_options_default();
    onebit_model *plain = NULL, *fitted = NULL;
    size_t n = ob_moments_at(&m->config, m->config.num_layers, OB_Q), i;
    p.block_mode = mode, p.scale_group = 64, p.fit = 1;
    CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
    CHECK_OK(onebit_model_open(&plain, foreign_path("b.1bit"), NULL));
    p.moments = moments;
    CHECK_OK(onebit_file_pack(foreign_path("own.1bit"), foreign_path("a.gguf"), &p, NULL));
    CHECK_OK(onebit_model_open(&fitted, foreign_path("own.1bit"), NULL));
    if (plain && fitted) {
        CHECK(foreign_squares(m, fitted, moments) < 0.999 * foreign_squares(m, plain, moments));
        CHECK(foreign_squares(m, fitted, NULL) > foreign_squares(m, plain, NULL));
    }
    onebit_model_free(fitted);
    for (i = 0; i < n; i++) moments[i] *= 4; /* only their ratios matter */
    CHECK_OK(onebit_file_pack(foreign_path("bad"), foreign_path("a.gguf"), &p, NULL));
    CHECK(foreign_equal("own.1bit", "bad"));
    memset(moments, 0, n * sizeof *moments); /* and none, where all are 0 */
    CHECK_OK(onebit_file_pack(foreign_path("bad"), foreign_path("a.gguf"), &p, NULL));
    CHECK(foreign_equal("b.1bit", "bad"));
    remove(foreign_path("bad"));
    onebit_model_free(plain);
}

/* Moments: where each of them stands, that they are sums over tokens however these are cut, and
   what packing makes of them. */
static void foreign_test_calibration(void) {
    onebit_export_options f32 = foreign_options(ONEBIT_GGUF, "f32", "f32");
    onebit_pack_options p = onebit_pack_options_default();
    onebit_model *m, *own = NULL; /* its gains may be written */
    double *moments, *others;
    void *image;
    ob_map map;
    size_t n;
    int mode, l;
    test_case("foreign: sessions gather the squares of their matrices' inputs");
    m = foreign_make("layer_bit_map=f32 embedding=f32 use_sub_norm=true use_f16_scale=false", NULL);
    if (!m) return;
    n = ob_moments_at(&m->config, m->config.num_layers, OB_Q);
    for (mode = 0; mode < 2; mode++) {
        float logits[2][64];
        moments = foreign_moments(m, 64, 1, logits[0]);
        others = foreign_moments(m, mode ? 4 : 64, mode ? 1 : 3, logits[1]);
        CHECK(memcmp(moments, others, n * sizeof *moments) == 0);
        CHECK(memcmp(logits[0], logits[1], 4 * (size_t)m->config.vocab_size) == 0);
        if (mode == 0) foreign_check_first(m, moments);
        free(moments), free(others);
    }
    image = ob_map_open(&map, foreign_path("a.1bit")) == ONEBIT_OK ? malloc(map.bytes) : NULL;
    if (CHECK(image != NULL) && CHECK_OK(onebit_model_open_memory(
                                    &own, memcpy(image, map.data, map.bytes), map.bytes, NULL)))
        for (l = 0; l < own->config.num_layers; l++) {
            foreign_check_place(own, l, OB_NORM1, OB_Q);
            foreign_check_place(own, l, OB_O_NORM, OB_O);
            foreign_check_place(own, l, OB_NORM2, OB_GATE);
            foreign_check_place(own, l, OB_DOWN_NORM, OB_DOWN);
        }
    onebit_model_free(own);
    ob_map_close(&map);
    free(image);
    test_case("foreign: moments make codes nearer where the inputs are large");
    CHECK_OK(onebit_model_export(m, foreign_path("a.gguf"), &f32, NULL));
    for (mode = ONEBIT_TERNARY; mode <= (int)ONEBIT_BINARY; mode++) {
        moments = foreign_moments(m, 64, 1, NULL);
        foreign_check_calibrated(m, moments, mode);
        free(moments);
    }
    test_case("foreign: moments without fit, or that are no sums, and fits of nothing are refused");
    moments = foreign_moments(m, 64, 1, NULL);
    p.moments = moments, p.block_mode = ONEBIT_TERNARY, p.scale_group = 64;
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("a.gguf"), &p, NULL),
                ONEBIT_USAGE, "moments are for fit");
    p.fit = 1, moments[n - 1] = -1;
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("a.gguf"), &p, NULL),
                ONEBIT_USAGE, "is -1, no sum of squares");
    moments[n - 1] = 1e39;
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("a.gguf"), &p, NULL),
                ONEBIT_USAGE, "no sum of squares");
    p.moments = NULL;
    CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("b.1bit"), &p, NULL),
                ONEBIT_USAGE, "nothing to fit");
    CHECK(!ob_file_exists(foreign_path("bad")));
    free(moments);
    onebit_model_free(m);
}

static const onebit_model *foreign_planes; /* of foreign_check_planes */
static const float *foreign_planes_logits;

/* Each instruction set, number of threads and cut of the prompt gives the bits of the scalar. */
static void foreign_check_planes(const onebit_env *env) {
    static const int32_t ids[FOREIGN_TOKENS] = {3, 14, 0, 28, 7, 7};
    size_t V = (size_t)foreign_planes->config.vocab_size, bytes = FOREIGN_TOKENS * V * 4;
    onebit_session_options o = onebit_session_options_default();
    float *logits = (float *)calloc(1, bytes);
    int i, chunk;
    for (chunk = 1; chunk <= 6; chunk += 5) {
        onebit_session *s = NULL;
        o.context = 16, o.chunk = chunk;
        if (!CHECK_OK(onebit_session_create(&s, foreign_planes, &o, env))) break;
        for (i = 0; chunk == 1 && i < FOREIGN_TOKENS; i++)
            CHECK_OK(onebit_session_eval(s, ids + i, 1, logits + (size_t)i * V));
        if (chunk > 1) CHECK_OK(onebit_session_eval(s, ids, FOREIGN_TOKENS, logits));
        CHECK(memcmp(logits, foreign_planes_logits, bytes) == 0);
        onebit_session_free(s);
    }
    free(logits);
}

/* A packed model of two planes, b.1bit, on its ways: other packing, floats, safetensors and back. */
static void foreign_planes_trips(const onebit_model *n, const float *logits) {
    onebit_pack_options p = onebit_pack_options_default();
    onebit_model *five = NULL, *floats = NULL;
    double apart = n->config.activation_bits ? 0.1 : 1e-5;
    p.packing = ONEBIT_PACKING_5_IN_8;
    CHECK_OK(onebit_file_pack(foreign_path("own.1bit"), foreign_path("b.1bit"), &p, NULL));
    CHECK_OK(onebit_model_open(&five, foreign_path("own.1bit"), NULL));
    if (five) CHECK(foreign_apart(logits, five) == -1 && five->bytes < n->bytes);
    onebit_model_free(five);
    p.packing = ONEBIT_PACKING_2_BITS;
    CHECK_OK(onebit_file_pack(foreign_path("bad"), foreign_path("own.1bit"), &p, NULL));
    CHECK(foreign_equal("b.1bit", "bad"));
    CHECK_OK(onebit_file_unpack(foreign_path("again"), foreign_path("b.1bit"), 0, NULL, NULL));
    CHECK_OK(onebit_file_pack(foreign_path("bad"), foreign_path("again"), NULL, NULL));
    CHECK(foreign_equal("b.1bit", "bad"));
    p.block_mode = ONEBIT_F32;
    CHECK_OK(onebit_file_pack(foreign_path("own.1bit"), foreign_path("b.1bit"), &p, NULL));
    CHECK_OK(onebit_model_open(&floats, foreign_path("own.1bit"), NULL));
    if (floats && n->config.activation_bits != 1) CHECK(foreign_apart(logits, floats) < apart);
    if (floats) CHECK(floats->config.weight_planes == 1);
    onebit_model_free(floats);
    p.block_mode = -1, p.scale_group = n->config.scale_group == 64 ? 32 : 64;
    CHECK_FAILS(onebit_file_pack(foreign_path("own.1bit"), foreign_path("b.1bit"), &p, NULL),
                ONEBIT_USAGE, "two planes are only made by a fit");
    remove(foreign_path("bad"));
}

/* What two planes are not for. */
static void foreign_planes_refused(const onebit_model *n) {
    onebit_export_options o = foreign_options(ONEBIT_GGUF, NULL, NULL);
    onebit_pack_options p = onebit_pack_options_default();
    onebit_config c = n->config;
    onebit_trainer *t = NULL;
    CHECK_FAILS(onebit_model_export(n, foreign_path("bad"), &o, NULL), ONEBIT_UNSUPPORTED,
                "weight_planes=2");
    o.container = ONEBIT_HUGGING_FACE;
    CHECK_FAILS(onebit_model_export(n, foreign_path("bad"), &o, NULL), ONEBIT_UNSUPPORTED,
                "weight_planes=2");
    CHECK_FAILS(onebit_trainer_create(&t, &c, NULL, NULL), ONEBIT_CONFIG, "weight_planes is 2");
    c.scale_group = 0;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "planes need groups");
    p.planes = 2, p.scale_group = 64, p.block_mode = ONEBIT_TERNARY;
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("a.1bit"), &p, NULL),
                ONEBIT_USAGE, "planes 2 is for ternary blocks that are fitted");
    p.fit = 1, p.block_mode = ONEBIT_BINARY;
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("a.1bit"), &p, NULL),
                ONEBIT_USAGE, "planes 2 is for ternary blocks that are fitted");
    p.planes = 3, p.block_mode = ONEBIT_TERNARY;
    CHECK_FAILS(onebit_file_pack(foreign_path("bad"), foreign_path("a.1bit"), &p, NULL),
                ONEBIT_CONFIG, "weight_planes is 3");
    CHECK(!ob_file_exists(foreign_path("bad")));
}

/* A model of floats as two planes: widths that groups do not divide, inputs of each kind, a block
   that is not ternary beside the others. */
static void foreign_test_planes(void) {
    static const char *const settings[] = {
        "layer_bit_map=f32", "layer_bit_map=f32 intermediate_size=200 use_sub_norm=true",
        "layer_bit_map=f32 intermediate_size=96 activation_bits=0 use_qkv_bias=true",
        "layer_bit_map=f32 intermediate_size=96 activation_bits=1 embedding=ternary "
        "embedding_group=32"};
    static const int groups[] = {128, 64, 256, 32};
    size_t i;
    for (i = 0; i < 4; i++) {
        onebit_pack_options p = onebit_pack_options_default();
        onebit_model *m, *plain = NULL, *n = NULL;
        foreign_told h, both;
        float *logits, *floats;
        int k;
        test_case("foreign: two planes are nearer than one, and every way out and in keeps them");
        m = foreign_make(settings[i], NULL);
        if (!m) return;
        memset(&h, 0, sizeof h), memset(&both, 0, sizeof both);
        p.on_tensor = foreign_hear, p.user = &h;
        p.block_mode = ONEBIT_TERNARY, p.scale_group = groups[i], p.fit = 1;
        CHECK_OK(onebit_file_pack(foreign_path("own.1bit"), foreign_path("a.1bit"), &p, NULL));
        p.planes = 2, p.user = &both;
        CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.1bit"), &p, NULL));
        CHECK_OK(onebit_model_open(&plain, foreign_path("own.1bit"), NULL));
        CHECK_OK(onebit_model_open(&n, foreign_path("b.1bit"), NULL));
        if (plain && n) {
            CHECK(h.count == both.count && n->config.weight_planes == 2);
            floats = foreign_logits(m), logits = foreign_logits(n);
            if (m->config.activation_bits != 1) /* signs lose more than codes do */
                CHECK(foreign_apart(floats, n) < 0.6 * foreign_apart(floats, plain));
            foreign_planes = n, foreign_planes_logits = logits;
            model_each_isa(foreign_check_planes);
            foreign_planes_trips(n, logits);
            foreign_planes_refused(n);
            for (k = 0; k < n->count; k++) {
                onebit_tensor_info a, b;
                CHECK_OK(onebit_model_tensor(m, k, &a));
                CHECK_OK(onebit_model_tensor(n, k, &b));
                CHECK(a.rows == b.rows && a.cols == b.cols);
            }
            free(logits), free(floats);
        }
        onebit_model_free(plain);
        onebit_model_free(n);
        onebit_model_free(m);
    }
}

/* Codes of groups that are to have other groups are quantised anew, larger or smaller. */
static void foreign_test_regroup(void) {
    static const int groups[] = {0, 32, 128, 256};
    onebit_pack_options p = onebit_pack_options_default();
    onebit_export_options q2 = foreign_options(ONEBIT_GGUF, "q2_0", NULL);
    onebit_model *m = NULL, *n = NULL;
    size_t i;
    test_case(
        "foreign: codes keep their scales in smaller groups and are quantised anew in larger");
    m = foreign_make("scale_group=64", NULL);
    if (!m) return;
    CHECK_OK(onebit_model_export(m, foreign_path("a.gguf"), &q2, NULL));
    for (i = 0; i < 4; i++) {
        p.scale_group = groups[i];
        CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
        CHECK_OK(onebit_model_open(&n, foreign_path("b.1bit"), NULL));
        if (n) {
            CHECK(n->config.scale_group == groups[i]);
            CHECK((foreign_weights_apart(m, n, 1) == 0) == (groups[i] == 32));
        }
        onebit_model_free(n);
        n = NULL;
    }
    onebit_model_free(m);
}

/* A .1bit takes another tokenizer too, `bad` of t, when it is opened, packed and unpacked; one that
   has more ids than the model, and one that is none, are refused and leave nothing. */
static void foreign_swap_words(const onebit_model *m, const onebit_tokenizer *t) {
    onebit_open_options with = onebit_open_options_default();
    onebit_pack_options p = onebit_pack_options_default();
    onebit_model *n = NULL;
    int ids = onebit_tokenizer_vocab_size(t), k;
    with.tokenizer = foreign_path("bad");
    p.open = with;
    CHECK(ids != onebit_tokenizer_vocab_size(onebit_model_tokenizer(m)));
    CHECK_OK(onebit_file_pack(foreign_path("own.1bit"), foreign_path("hf"), NULL, NULL));
    CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("own.1bit"), &p, NULL));
    CHECK_OK(onebit_file_unpack(foreign_path("again"), foreign_path("own.1bit"), 0, &with, NULL));
    for (k = 0; k < 3; k++) {
        const char *path = foreign_path(k == 0 ? "own.1bit" : k == 1 ? "b.1bit" : "again");
        CHECK_OK(onebit_model_open_with(&n, path, k ? NULL : &with, NULL));
        CHECK(n && onebit_tokenizer_vocab_size(onebit_model_tokenizer(n)) == ids);
        onebit_model_free(n);
        n = NULL;
    }
    with.tokenizer = foreign_path("tokenizer.bin");
    CHECK(onebit_model_open_with(&n, foreign_path("own.1bit"), &with, NULL) != ONEBIT_OK && !n);
    CHECK(onebit_file_unpack(foreign_path("none"), foreign_path("own.1bit"), 0, &with, NULL) !=
          ONEBIT_OK);
    CHECK(!ob_is_directory(foreign_path("none")));
}

/* A tokenizer smaller than the embedding goes along; another may be given when a file is opened. */
static void foreign_test_words(void) {
    static const char text[] = "the cat sat on the mat and the dog sat on the cat";
    onebit_export_options o = foreign_options(ONEBIT_GGUF, NULL, NULL);
    onebit_open_options with = onebit_open_options_default();
    onebit_pack_options p = onebit_pack_options_default();
    onebit_tokenizer *t = NULL;
    onebit_model *m, *n = NULL;
    int32_t one[100], two[100];
    size_t k, a, b;
    test_case("foreign: a tokenizer goes along, or another is given");
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, text, sizeof text - 1, 270, NULL));
    m = foreign_make("vocab_size=300", t);
    for (k = 0; m && k < 2; k++, o.container = ONEBIT_HUGGING_FACE) {
        const char *path = foreign_path(k ? "hf" : "a.gguf");
        CHECK_OK(onebit_model_export(m, path, &o, NULL));
        CHECK_OK(onebit_model_open(&n, path, NULL));
        if (n && CHECK(onebit_model_tokenizer(n) != NULL)) {
            CHECK_OK(onebit_tokenizer_encode(t, one, 100, &a, text, sizeof text - 1, 0));
            CHECK_OK(onebit_tokenizer_encode(onebit_model_tokenizer(n), two, 100, &b, text,
                                             sizeof text - 1, 0));
            CHECK(a == b && !memcmp(one, two, a * sizeof *one));
            CHECK(onebit_model_start(n) == onebit_model_start(m) || k == 1);
            CHECK(onebit_tokenizer_end(onebit_model_tokenizer(n)) == onebit_tokenizer_end(t));
            CHECK(n->config.vocab_size == 300);
        }
        onebit_model_free(n);
        n = NULL;
    }
    onebit_tokenizer_free(t);
    t = NULL;
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    CHECK_OK(ob_file_write(foreign_path("tokenizer.bin"), "", 0));
    with.tokenizer = foreign_path("tokenizer.bin");
    CHECK(onebit_model_open_with(&n, foreign_path("a.gguf"), &with, NULL) != ONEBIT_OK && !n);
    if (t) {
        onebit_env env = onebit_env_default();
        CHECK_OK(ob_leave_object(&env, foreign_dir, "bad", ob_write_tokenizer, t));
        p.open.tokenizer = foreign_path("bad");
        CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
        CHECK_OK(onebit_model_open(&n, foreign_path("b.1bit"), NULL));
        CHECK(n && onebit_tokenizer_vocab_size(onebit_model_tokenizer(n)) ==
                       onebit_tokenizer_vocab_size(t));
        onebit_model_free(n);
        n = NULL;
        foreign_swap_words(m, t);
    }
    remove(foreign_path("bad"));
    remove(foreign_path("tokenizer.bin"));
    remove(foreign_path("hf/tokenizer.json"));
    remove(foreign_path("hf/tokenizer_config.json"));
    onebit_tokenizer_free(t);
    onebit_model_free(m);
}

/* ---- files made byte by byte ---- */

static foreign_spec foreign_spec_of(const char *architecture, int D, int F, int code) {
    foreign_spec s;
    memset(&s, 0, sizeof s);
    s.architecture = architecture, s.code = code;
    s.D = D, s.F = F, s.L = 2, s.H = 4, s.K = 2, s.d = D / 4, s.V = 29, s.T = 48;
    s.eps = 1e-5, s.theta = 10000;
    s.neighbours = !strcmp(architecture, "llama");
    s.sub = !strncmp(architecture, "bitnet", 6), s.relu2 = s.sub && architecture[6] == '-';
    s.qk = !strcmp(architecture, "qwen3"), s.bias = !strcmp(architecture, "qwen2");
    return s;
}

/* Weights for which no input lies near the middle between two codes, as float and double may differ
   there; and the double logits. */
static const int32_t foreign_ids[FOREIGN_TOKENS] = {3, 14, 0, 28, 7, 7};
static void foreign_settle(foreign_model *m, const foreign_spec *s, double *logits) {
    uint32_t salt, best = 1;
    double margin = 0;
    for (salt = 1; salt <= 8 && margin < 5e-5; salt++) {
        foreign_open(m, s, salt);
        foreign_forward(m, foreign_ids, FOREIGN_TOKENS, logits);
        if (m->margin > margin) margin = m->margin, best = salt;
        foreign_close(m);
    }
    foreign_open(m, s, best);
    foreign_forward(m, foreign_ids, FOREIGN_TOKENS, logits);
    CHECK(margin > 1e-5);
}

/* Opens a file of these bytes, which are freed. */
static onebit_status foreign_read(onebit_model **out, const char *name, foreign_bytes b, int i2s,
                                  const onebit_env *env) {
    onebit_open_options o = onebit_open_options_default();
    onebit_status status = ob_file_write(foreign_path(name), b.p, b.n);
    free(b.p);
    *out = NULL;
    o.i2s = i2s;
    return status ? status : onebit_model_open_with(out, foreign_path(name), &o, env);
}

/* The model's logits are the double ones. */
static void foreign_check_double(const onebit_model *m, const double *logits, const char *what) {
    float *mine = foreign_logits(m);
    size_t i, n = FOREIGN_TOKENS * (size_t)m->config.vocab_size;
    double worst = 0;
    for (i = 0; i < n; i++) worst = fmax(worst, fabs((double)mine[i] - logits[i]));
    if (!CHECK(worst <= 2e-5 * model_largest(mine, n)))
        printf("  %s: logits are %.3g apart, largest %.3g\n", what, worst, model_largest(mine, n));
    free(mine);
}

/* Every architecture, in floats and in codes of each type and order. */
static void foreign_test_double(void) {
    static const struct {
        const char *architecture;
        int code;
        uint32_t type;
        int order;
    } rows[] = {{"llama", 0, 0, 0},        {"llama", 3, 35, 0},        {"llama", 3, 36, 0},
                {"qwen2", 0, 0, 0},        {"qwen2", 3, 42, 0},        {"qwen3", 0, 0, 0},
                {"qwen3", 2, 41, 0},       {"bitnet", 3, 34, 0},       {"bitnet", 3, 36, 1},
                {"bitnet-25", 3, 36, 2},   {"bitnet-b1.58", 3, 36, 0}, {"bitnet-b1.58", 3, 35, 0},
                {"bitnet-b1.58", 0, 0, 0}, {"llama", 2, 41, 0},        {"llama", 3, 42, 1},
                {"qwen3", 3, 142, 0}};
    size_t i;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        foreign_spec s = foreign_spec_of(rows[i].architecture, 256, 256, rows[i].code);
        foreign_change c = foreign_change_of(rows[i].type);
        double *logits = ref_array(FOREIGN_TOKENS * 29);
        onebit_model *m = NULL;
        foreign_model f;
        test_case("foreign: a GGUF of each architecture has the logits of plain double arithmetic");
        c.order = rows[i].order, c.wide = rows[i].type == 42 && rows[i].order;
        s.untied = i % 2, s.eps = i % 3 ? 1e-5 : 1e-3, s.theta = i % 4 ? 10000 : 500;
        foreign_settle(&f, &s, logits);
        if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), c.wide ? 0 : c.order, NULL)))
            foreign_check_double(m, logits, rows[i].architecture);
        if (m && rows[i].type == 36) CHECK(strstr(onebit_model_note(m), "I2_S") != NULL);
        onebit_model_free(m);
        foreign_close(&f);
        free(logits);
    }
}

/* config.json of a directory. more: members in front; quantization: what its object holds beside the
   method, NULL = none. */
static onebit_status foreign_config(const foreign_spec *s, const char *more,
                                    const char *quantization) {
    static char text[4000];
    const char *type = s->sub ? "bitnet" : s->qk ? "qwen3" : s->bias ? "qwen2"
                       : !strcmp(s->architecture, "mistral") ? "mistral"
                                                             : "llama";
    size_t n = (size_t)snprintf(
        text, sizeof text,
        "{%s%s\"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": %d, "
        "\"intermediate_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": %d, "
        "\"num_key_value_heads\": %d, \"max_position_embeddings\": %d, \"rms_norm_eps\": %.9g, "
        "\"rope_theta\": %.9g, \"hidden_act\": \"%s\", \"tie_word_embeddings\": %s%s%s%s}",
        more, *more ? ", " : "", type, s->V, s->D, s->F, s->L, s->H, s->K, s->T, s->eps, s->theta,
        s->relu2 ? "relu2" : "silu", s->untied ? "false" : "true",
        quantization ? ", \"quantization_config\": {\"quant_method\": \"bitnet\", " : "",
        quantization ? quantization : "", quantization ? "}" : "");
    OB_TRY(ob_make_directory(foreign_path("hf")));
    return ob_file_write(foreign_path("hf/config.json"), text, n);
}

static onebit_status foreign_weights(const char *name, const foreign_model *f,
                                     const foreign_hf *hf) {
    foreign_bytes b = foreign_safetensors(f, hf);
    onebit_status status = ob_file_write(foreign_path(name), b.p, b.n);
    free(b.p);
    return status;
}

/* A directory or a file of llama2.c with the same weights gives the same bits. */
static void foreign_test_same(void) {
    foreign_spec s = foreign_spec_of("llama", 128, 192, 0);
    foreign_change c = foreign_change_of(0);
    onebit_model *a = NULL, *b = NULL;
    foreign_model f;
    float *logits;
    foreign_hf hf;
    int k;
    for (k = 0; k < 4; k++) {
        test_case("foreign: the same weights in three containers give the same bits");
        memset(&hf, 0, sizeof hf);
        s.untied = k & 1;
        if (k == 2) s = foreign_spec_of("bitnet-b1.58", 128, 128, 3), c.type = 36;
        hf.packed = k >= 2;
        hf.old_names = k == 3;
        foreign_open(&f, &s, 3);
        CHECK_OK(foreign_read(&a, "a.gguf", foreign_gguf(&f, &c), 0, NULL));
        logits = a ? foreign_logits(a) : NULL;
        CHECK_OK(foreign_config(&f.s, "\"unknown\": [1, {}]",
                                k >= 2 ? "\"linear_class\": \"autobitlinear\"" : NULL));
        CHECK_OK(foreign_weights("hf/model.safetensors", &f, &hf));
        if (CHECK_OK(onebit_model_open(&b, foreign_path("hf"), NULL)) && logits)
            CHECK(foreign_apart(logits, b) == -1);
        onebit_model_free(b);
        b = NULL;
        if (k < 2 && CHECK_OK(foreign_read(&b, "m.bin", foreign_llama2c(&f), 0, NULL)) && logits) {
            CHECK(foreign_apart(logits, b) == -1);
            CHECK(strstr(onebit_model_note(b), "no tokenizer") != NULL);
        }
        onebit_model_free(a);
        onebit_model_free(b);
        a = b = NULL;
        free(logits);
        foreign_close(&f);
    }
}

/* bitllama2.c, whose norms have no gains and divide by their width. */
static void foreign_test_bits(void) {
    foreign_spec s = foreign_spec_of("llama", 64, 96, 3);
    double *logits = ref_array(FOREIGN_TOKENS * 29);
    onebit_model *m = NULL;
    foreign_model f;
    foreign_bytes b;
    test_case("foreign: bitllama2.c's file has the logits of plain double arithmetic");
    s.sub = 1, s.ones = 1, s.eps = 1e-30, s.final_eps = 1e-5;
    foreign_settle(&f, &s, logits);
    if (CHECK_OK(foreign_read(&m, "m.bin", foreign_bits(&f), 0, NULL)))
        foreign_check_double(m, logits, "bits");
    onebit_model_free(m);
    b = foreign_bits(&f);
    b.p[4] = 2;
    CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_UNSUPPORTED, "version 2");
    b = foreign_bits(&f);
    b.p[36] = 0;
    CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_UNSUPPORTED, "head of its own");
    b = foreign_bits(&f);
    foreign_put(&b, "", 1);
    CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_FORMAT, "behind its end");
    b = foreign_bits(&f);
    b.n--;
    CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_FORMAT, "cut off");
    b = foreign_bits(&f);
    b.p[b.n - 1] = 0x80; /* 10 is no code */
    CHECK(foreign_read(&m, "m.bin", b, 0, NULL) == ONEBIT_FORMAT);
    foreign_close(&f);
    free(logits);
}

/* ---- GGUF: types and refusals ---- */

/* Types of numbers are kept as 8 bits with a scale per row, floats as what they are. */
static void foreign_test_read_types(void) {
    static const uint32_t ids[] = {2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 1, 30};
    static float codes[512], values[512], exact[512];
    foreign_spec s = foreign_spec_of("qwen2", 256, 256, 0);
    foreign_model f;
    size_t i;
    int r, k;
    test_case("foreign: each type of numbers is read from a GGUF");
    foreign_open(&f, &s, 2);
    for (i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        foreign_change c = foreign_change_of(ids[i]);
        foreign_bytes raw = {NULL, 0, 0};
        const foreign_tensor *t = foreign_find(&f, 1, "ffn_down.weight");
        onebit_model *m = NULL;
        ob_tensor info;
        double worst = 0;
        foreign_put_tensor(&raw, t, &c);
        if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL))) {
            CHECK(m->config.layer_modes[0] == (i < 10 ? ONEBIT_8BIT : ONEBIT_F16));
            ob_tensor_in(&m->config, ob_slot(&m->config, 1, OB_DOWN), &info);
            for (r = 0; r < t->rows; r++) {
                double largest;
                foreign_row(m, &info, r, codes, values);
                ob_type_floats(ob_type_of_gguf(ids[i]), raw.p, t->rows, t->cols, r, exact);
                largest = model_largest(exact, (size_t)t->cols);
                for (k = 0; k < t->cols; k++)
                    worst = fmax(worst, fabs((double)(exact[k] - values[k])) / largest);
            }
            if (!CHECK(worst <= (i < 10 ? 0.502 / 127 : i == 10 ? 0 : 1e-3)))
                printf("  type %d: %.3g\n", (int)ids[i], worst);
            if (ids[i] == 12) CHECK(strstr(onebit_model_note(m), "of q4_k kept as 8 bits"));
        }
        onebit_model_free(m);
        free(raw.p);
    }
    foreign_close(&f);
}

/* A change of a good file must be refused with these words. */
static void foreign_bad_gguf(const foreign_model *f, foreign_change c, onebit_status wanted,
                             const char *words) {
    onebit_model *m = NULL;
    onebit_status status = foreign_read(&m, "a.gguf", foreign_gguf(f, &c), 0, NULL);
    if (!CHECK(status == wanted && strstr(onebit_error_text(), words)))
        printf("  wanted \"%s\": %s\n", words, status ? onebit_error_text() : "it was opened");
    CHECK((status == ONEBIT_OK) == (m != NULL));
    CHECK(status == ONEBIT_OK || !strncmp(onebit_error_text(), foreign_path("a.gguf"), 10));
    onebit_model_free(m);
}

static foreign_change foreign_with(const char *key, char kind, double number, const char *text) {
    foreign_change c = foreign_change_of(0);
    c.keys[0].name = key, c.keys[0].kind = kind, c.keys[0].number = number, c.keys[0].text = text;
    return c;
}

static void foreign_test_bad_types(void) {
    static const struct {
        uint32_t id;
        const char *words;
    } rows[] = {{38, "TL1, TL2"},  {39, "take the I2_S file"},
                {143, "PTQ1_0"},
                {16, "IQ2_XXS"},   {19, "IQ1_S"},
                {20, "IQ4_NL"},    {23, "IQ4_XS"},
                {29, "IQ1_M"},     {24, "I8"},
                {26, "I32"},       {28, "F64"},
                {15, "Q8_K"},      {9, "Q8_1"},
                {134, "IQ1_BN"},   {200, "unknown"},
                {37, "I8_S"},      {40, "NVFP4"},
                {335, "IQ2_BN_R4"}};
    foreign_spec s = foreign_spec_of("llama", 256, 256, 0);
    foreign_change c;
    foreign_model f;
    size_t i;
    test_case("foreign: types that are not read are refused by name");
    foreign_open(&f, &s, 2);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        c = foreign_change_of(0);
        c.other = "blk.1.attn_q.weight", c.other_type = rows[i].id;
        foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, rows[i].words);
        c.other = NULL, c.type = rows[i].id;
        foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, rows[i].words);
    }
    c = foreign_change_of(0);
    c.other = "blk.0.attn_norm.weight", c.other_type = 8;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "expected f32, f16 or bf16");
    foreign_close(&f);
}

/* What a list of a GGUF must show of the tensor `name`. */
typedef struct foreign_listed {
    const char *name, *format;
    int count, seen, rows, cols;
} foreign_listed;

static int foreign_list(void *user, const onebit_tensor_info *info) {
    foreign_listed *h = (foreign_listed *)user;
    h->count++;
    if (strcmp(info->name, h->name)) return 0;
    h->seen += !strcmp(info->format, h->format) && info->bytes > 0;
    h->rows = info->rows, h->cols = info->cols;
    return 1;
}

static void foreign_test_list(void) {
    foreign_spec s = foreign_spec_of("llama", 64, 128, 0);
    foreign_change c = foreign_change_of(0);
    foreign_listed h;
    foreign_bytes b;
    foreign_model f;
    int k;
    test_case("foreign: the tensors of a GGUF are listed, of unknown types too");
    foreign_open(&f, &s, 2);
    for (k = 0; k < 3; k++) {
        memset(&h, 0, sizeof h);
        h.name = k == 2 ? "none" : "blk.0.ffn_down.weight";
        h.format = k ? "type 200" : "F32";
        if (k) c.other = "blk.0.ffn_down.weight", c.other_type = 200;
        b = foreign_gguf(&f, &c);
        CHECK_OK(ob_file_write(foreign_path("a.gguf"), b.p, b.n));
        free(b.p);
        CHECK_OK(onebit_file_list(foreign_path("a.gguf"), foreign_list, &h, NULL));
        if (k == 2) CHECK(h.count == 20 && !h.seen); /* 2 layers of 9, embedding, norm */
        else CHECK(h.seen == 1 && h.rows == 64 && h.cols == 128 && h.count < 20);
    }
    CHECK_OK(ob_file_write(foreign_path("a.gguf"), "GGUF", 4));
    CHECK_FAILS(onebit_file_list(foreign_path("a.gguf"), foreign_list, &h, NULL), ONEBIT_FORMAT,
                "a.gguf");
    foreign_close(&f);
}

static void foreign_test_bad_gguf(void) {
    static const char *const needed[] = {"general.architecture",       "llama.embedding_length",
                                         "llama.block_count",          "llama.feed_forward_length",
                                         "llama.attention.head_count", "token_embd.weight",
                                         "blk.1.attn_norm.weight",     "blk.0.attn_v.weight",
                                         "blk.1.ffn_down.weight",      "output_norm.weight"};
    static const char *const longer[] = {"blk.0.attn_q.weight", "blk.1.attn_norm.weight",
                                         "output_norm.weight", "blk.1.ffn_up.weight"};
    static const float ones[2] = {1, 1};
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    foreign_change c;
    foreign_model f;
    size_t i;
    test_case("foreign: a GGUF that lacks something, or has more, is refused with the reason");
    foreign_open(&f, &s, 2);
    for (i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        c = foreign_change_of(0);
        c.drop = needed[i];
        foreign_bad_gguf(&f, c, ONEBIT_FORMAT, needed[i]);
        CHECK(strstr(onebit_error_text(), "missing") != NULL);
    }
    for (i = 0; i < sizeof longer / sizeof longer[0]; i++) {
        c = foreign_change_of(0);
        c.longer = longer[i];
        foreign_bad_gguf(&f, c, ONEBIT_FORMAT, longer[i]);
    }
    c = foreign_change_of(0);
    c.extra = "blk.0.attn_gate.weight", c.extra_values = ones, c.extra_count = 2;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "blk.0.attn_gate.weight has no place");
    c.extra = "blk.0.ffn_up.bias";
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "has no place");
    c.extra = "blk.0.attn_q.bias";
    foreign_bad_gguf(&f, c, ONEBIT_FORMAT, "blk.0.attn_q.bias");
    foreign_close(&f);
}

static void foreign_test_bad_keys(void) {
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    foreign_model f;
    test_case("foreign: keys of a GGUF that this version cannot do, or that are nonsense");
    foreign_open(&f, &s, 2);
#define BAD(key, kind, number, text, status, words)                                                \
    foreign_bad_gguf(&f, foreign_with(key, kind, number, text), status, words)
    BAD("general.architecture", 's', 0, "gemma3", ONEBIT_UNSUPPORTED, "'gemma3'; supported are");
    BAD("general.architecture", 's', 0, "", ONEBIT_UNSUPPORTED, "''");
    BAD("general.architecture", 'u', 3, "", ONEBIT_FORMAT, "missing");
    BAD("general.architecture", 's', 0, "qwen2", ONEBIT_FORMAT, "qwen2.embedding_length");
    BAD("prism.hadamard.version", 'u', 1, "", ONEBIT_UNSUPPORTED, "Hadamard");
    BAD("llama.expert_count", 'u', 8, "", ONEBIT_UNSUPPORTED, "8 experts");
    BAD("llama.expert_count", 'u', 0, "", ONEBIT_OK, "");
    BAD("llama.embedding_length", 'f', 64, "", ONEBIT_FORMAT, "no whole number");
    BAD("llama.embedding_length", 'u', 4294967295.0, "", ONEBIT_FORMAT, "too large");
    BAD("llama.embedding_length", 'u', 0, "", ONEBIT_CONFIG, "hidden_size");
    BAD("llama.block_count", 'u', 3, "", ONEBIT_FORMAT, "model.layers.2.");
    BAD("llama.block_count", 'u', 1, "", ONEBIT_UNSUPPORTED, "blk.1.");
    BAD("llama.block_count", 'u', 0, "", ONEBIT_CONFIG, "num_layers");
    BAD("llama.block_count", 'u', 100000, "", ONEBIT_CONFIG, "num_layers");
    BAD("llama.attention.head_count", 'u', 0, "", ONEBIT_FORMAT, "is 0");
    BAD("llama.attention.head_count_kv", 'u', 3, "", ONEBIT_CONFIG, "num_key_value_heads");
    BAD("llama.attention.key_length", 'u', 15, "", ONEBIT_CONFIG, "even width");
    BAD("llama.attention.key_length", 'u', 8, "", ONEBIT_FORMAT, "blk.0.attn_q.weight");
    BAD("llama.attention.value_length", 'u', 8, "", ONEBIT_UNSUPPORTED, "must be equal");
    BAD("llama.rope.dimension_count", 'u', 8, "", ONEBIT_UNSUPPORTED, "must be equal");
    BAD("llama.attention.layer_norm_rms_epsilon", 'f', -1, "", ONEBIT_CONFIG, "layer_norm_eps");
    BAD("llama.attention.layer_norm_rms_epsilon", 'f', NAN, "", ONEBIT_CONFIG, "layer_norm_eps");
    BAD("llama.rope.freq_base", 'f', 0, "", ONEBIT_CONFIG, "rope_theta");
    BAD("llama.rope.scaling.type", 's', 0, "longrope", ONEBIT_UNSUPPORTED, "'longrope'");
    BAD("llama.rope.scaling.factor", 'f', NAN, "", ONEBIT_CONFIG, "rope_factor");
    BAD("llama.rope.scaling.factor", 'f', 4, "", ONEBIT_OK, "");
    BAD("llama.context_length", 'u', 0, "", ONEBIT_CONFIG, "max_seq_len");
    BAD("llama.context_length", 'u', 2000000000.0, "", ONEBIT_OK, "");
    BAD("tokenizer.ggml.model", 's', 0, "no_vocab", ONEBIT_OK, "");
    BAD("tokenizer.ggml.model", 's', 0, "none", ONEBIT_OK, "");
    BAD("tokenizer.ggml.model", 's', 0, "t5", ONEBIT_UNSUPPORTED, "t5");
    BAD("tokenizer.ggml.model", 's', 0, "llama", ONEBIT_FORMAT, "tokenizer.ggml.tokens");
#undef BAD
    foreign_close(&f);
}

/* Llama 3's rule as llama.cpp writes it, for heads of 32 and theta 500000. */
static void foreign_llama3(float *factor, int d, double theta, double most) {
    int i;
    for (i = 0; i < d / 2; i++) {
        double wave = 6.283185307179586 * pow(theta, 2.0 * i / d);
        double smooth = (8192 / wave - 1) / 3;
        factor[i] = wave < 8192.0 / 4   ? 1.0f
                    : wave > 8192.0 / 1 ? (float)most
                                        : (float)(1 / ((1 - smooth) / most + smooth));
    }
}

static void foreign_test_positions(void) {
    foreign_spec s = foreign_spec_of("llama", 128, 128, 0);
    foreign_change c = foreign_change_of(0);
    float factor[17];
    foreign_model f;
    onebit_model *m = NULL;
    test_case("foreign: stretched positions and windows of GGUF files");
    s.theta = 500000;
    foreign_open(&f, &s, 2);
    foreign_llama3(factor, 32, 500000, 8);
    c.extra = "rope_freqs.weight", c.extra_values = factor, c.extra_count = 16;
    if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL))) {
        CHECK(m->config.rope_scaling == OB_ROPE_LLAMA3 && m->config.rope_factor == 8);
        CHECK(m->config.rope_original == 8192 && m->config.rope_fast == 4);
    }
    onebit_model_free(m);
    factor[5] *= 1.01f;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "Llama 3's rule");
    factor[5] = NAN;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "Llama 3's rule");
    factor[5] = INFINITY;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "Llama 3's rule");
    foreign_llama3(factor, 32, 500000, 1);
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "Llama 3's rule");
    foreign_llama3(factor, 32, 500000, 8);
    c.extra_count = 17, factor[16] = 8;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "Llama 3's rule");
    c = foreign_with("llama.attention.sliding_window", 'u', 20, NULL);
    if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL))) {
        CHECK(m->config.max_seq_len == 20 && m->tokenizer == NULL);
        CHECK(strstr(onebit_model_note(m), "sliding window, 20") != NULL);
    }
    onebit_model_free(m);
    c.keys[0].number = 100; /* wider than the context: nothing changes */
    if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL)))
        CHECK(m->config.max_seq_len == 48 && !strstr(onebit_model_note(m), "window"));
    onebit_model_free(m);
    c = foreign_with("llama.rope.scaling.type", 's', 0, "yarn");
    c.keys[1].name = "llama.rope.scaling.factor", c.keys[1].kind = 'f', c.keys[1].number = 4;
    c.keys[2].name = "llama.rope.scaling.yarn_beta_fast", c.keys[2].kind = 'f';
    c.keys[2].number = 16;
    c.keys[3].name = "llama.rope.scaling.original_context_length", c.keys[3].kind = 'u';
    c.keys[3].number = 24;
    if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL)))
        CHECK(m->config.rope_scaling == OB_ROPE_YARN && m->config.rope_factor == 4 &&
              m->config.rope_fast == 16 && m->config.rope_original == 24);
    onebit_model_free(m);
    foreign_close(&f);
}

/* A scale that stands in a tensor of its own, as llama.cpp's bitnet has it. */
static void foreign_test_factor(void) {
    foreign_spec s = foreign_spec_of("bitnet", 256, 256, 3);
    foreign_change c = foreign_change_of(35);
    static float codes[256], values[2][256];
    float scale = 0.375f;
    foreign_model f;
    onebit_model *m = NULL, *n = NULL;
    ob_tensor t;
    int i;
    test_case("foreign: a factor beside its matrix multiplies it");
    foreign_open(&f, &s, 2);
    c.extra = "blk.1.ffn_down.scale", c.extra_values = &scale, c.extra_count = 1;
    if (CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL))) {
        c.extra = NULL;
        CHECK_OK(foreign_read(&n, "a.gguf", foreign_gguf(&f, &c), 0, NULL));
        for (i = 0; n && ob_tensor_at(&m->config, i, &t); i++) {
            int k, other = strcmp(t.gguf, "blk.1.ffn_down.weight") != 0;
            foreign_row(m, &t, 0, codes, values[0]);
            foreign_row(n, &t, 0, codes, values[1]);
            for (k = 0; k < t.cols; k++) CHECK(values[0][k] == (other ? 1 : 0.375f) * values[1][k]);
        }
    }
    onebit_model_free(m);
    onebit_model_free(n);
    c.extra = "blk.1.ffn_down.scale";
    scale = NAN;
    foreign_bad_gguf(&f, c, ONEBIT_FORMAT, "mlp.down_proj.weight");
    scale = INFINITY;
    foreign_bad_gguf(&f, c, ONEBIT_FORMAT, "mlp.down_proj.weight");
    foreign_close(&f);
}

/* The one scale of I2_S: not a number is refused; of 0 and below nothing may go wrong. */
static void foreign_test_scales(void) {
    static const float scales[] = {NAN, INFINITY, -INFINITY, 0, -1, 1e-40f};
    foreign_spec s = foreign_spec_of("bitnet-b1.58", 128, 128, 3);
    foreign_change c = foreign_change_of(36);
    foreign_model f;
    size_t i;
    int l;
    test_case("foreign: scales of I2_S that are no numbers are refused, odd ones harm nothing");
    foreign_open(&f, &s, 2);
    for (i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        onebit_model *m = NULL;
        onebit_status status;
        for (l = 0; l < f.count; l++)
            if (strstr(f.t[l].gguf, "ffn_up")) f.t[l].scale = scales[i];
        status = foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL);
        CHECK((status == ONEBIT_OK) == (m != NULL));
        if (i < 3) CHECK(status == ONEBIT_FORMAT && strstr(onebit_error_text(), "up_proj"));
        if (m) {
            float *logits = foreign_logits(m);
            int k;
            for (k = 0; k < FOREIGN_TOKENS * 29; k++) CHECK(fabs((double)logits[k]) < 1e6);
            free(logits);
        }
        onebit_model_free(m);
    }
    foreign_close(&f);
}

/* A vocabulary alone, an empty file, and what is no GGUF at all. */
static void foreign_test_not_models(void) {
    foreign_bytes b = {NULL, 0, 0};
    onebit_model *m = NULL;
    test_case("foreign: files that hold no model say so");
    foreign_put(&b, "GGUF\3\0\0", 8);
    foreign_put64(&b, 0), foreign_put64(&b, 1);
    foreign_put_text(&b, "general.architecture"), foreign_put32(&b, 8),
        foreign_put_text(&b, "llama");
    CHECK_FAILS(foreign_read(&m, "a.gguf", b, 0, NULL), ONEBIT_FORMAT, "vocabulary only");
    b.p = NULL, b.n = b.room = 0;
    foreign_put(&b, "GGUF", 4);
    CHECK(foreign_read(&m, "a.gguf", b, 0, NULL) == ONEBIT_FORMAT && !m);
    b.p = NULL, b.n = b.room = 0;
    CHECK(foreign_read(&m, "a.gguf", b, 0, NULL) != ONEBIT_OK && !m);
    CHECK(onebit_model_open(&m, foreign_path("nowhere"), NULL) == ONEBIT_IO && !m);
    b.p = NULL, b.n = b.room = 0;
    foreign_put(&b, NULL, 400);
    CHECK(foreign_read(&m, "m.bin", b, 0, NULL) != ONEBIT_OK && !m);
    CHECK(onebit_model_open(&m, "/dev/null", NULL) != ONEBIT_OK && !m);
}

/* ---- Hugging Face: config.json and files of weights ---- */

/* Opens the directory; the file of weights is there. */
static void foreign_hf_case(const foreign_spec *s, const char *more, const char *quantization,
                            onebit_status wanted, const char *words) {
    onebit_model *m = NULL;
    onebit_status status = foreign_config(s, more, quantization);
    if (status == ONEBIT_OK) status = onebit_model_open(&m, foreign_path("hf"), NULL);
    if (!CHECK(status == wanted && (status == ONEBIT_OK || strstr(onebit_error_text(), words))))
        printf("  %s %s: %s\n", more, quantization ? quantization : "",
               status ? onebit_error_text() : "it was opened");
    CHECK((status == ONEBIT_OK) == (m != NULL));
    onebit_model_free(m);
}

static void foreign_test_hf_config(void) {
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0), q;
    foreign_model f;
    foreign_hf hf;
    test_case("foreign: a config.json of Hugging Face that this version cannot do says why");
    memset(&hf, 0, sizeof hf);
    foreign_open(&f, &s, 2);
    CHECK_OK(ob_make_directory(foreign_path("hf")));
    CHECK_OK(foreign_weights("hf/model.safetensors", &f, &hf));
#define BAD(more, status, words) foreign_hf_case(&s, more, NULL, status, words)
    BAD("", ONEBIT_OK, "");
    BAD("\"model_type\": \"gpt2\"", ONEBIT_FORMAT, "'gpt2'; supported are");
    BAD("\"hidden_act\": \"gelu\"", ONEBIT_FORMAT, "'gelu'; supported are");
    BAD("\"attention_bias\": true", ONEBIT_UNSUPPORTED, "attention_bias");
    BAD("\"attention_bias\": false", ONEBIT_OK, "");
    BAD("\"mlp_bias\": true", ONEBIT_FORMAT, "mlp_bias");
    BAD("\"use_sliding_window\": true", ONEBIT_FORMAT, "use_sliding_window");
    BAD("\"sliding_window\": null", ONEBIT_OK, "");
    BAD("\"sliding_window\": 1e300", ONEBIT_OK, "");
    BAD("\"head_dim\": null", ONEBIT_OK, "");
    BAD("\"head_dim\": 8.5", ONEBIT_FORMAT, "head_dim");
    BAD("\"head_dim\": -1", ONEBIT_FORMAT, "head_dim");
    BAD("\"head_dim\": 18", ONEBIT_FORMAT, "another shape");
    BAD("\"vocab_size\": 1e12", ONEBIT_FORMAT, "vocab_size");
    BAD("\"rope_scaling\": null", ONEBIT_OK, "");
    BAD("\"rope_scaling\": {\"rope_type\": \"default\"}", ONEBIT_OK, "");
    BAD("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}", ONEBIT_OK, "");
    BAD("\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"attention_factor\": null}",
        ONEBIT_OK, "");
    BAD("\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, "
        "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 8192}",
        ONEBIT_OK, "");
    BAD("\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 500}", ONEBIT_OK, "");
    BAD("\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}", ONEBIT_FORMAT, "'dynamic'");
    BAD("\"rope_scaling\": {\"type\": \"longrope\"}", ONEBIT_FORMAT, "'longrope'");
    BAD("\"rope_scaling\": [1]", ONEBIT_FORMAT, "config.json");
    BAD("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 1e9}", ONEBIT_CONFIG, "rope_factor");
    BAD("\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 4, "
        "\"high_freq_factor\": 4}",
        ONEBIT_CONFIG, "rope_slow");
#undef BAD
    foreign_hf_case(&s, "", "\"quant_method\": \"gptq\"", ONEBIT_FORMAT, "'gptq'");
    foreign_hf_case(&s, "\"quantization_config\": null", NULL, ONEBIT_OK, "");
    q = s, q.bias = 1;
    foreign_hf_case(&q, "", NULL, ONEBIT_FORMAT, "self_attn.q_proj.bias");
    q = s, q.qk = 1;
    foreign_hf_case(&q, "", NULL, ONEBIT_FORMAT, "self_attn.q_norm.weight");
    q = s, q.untied = 1;
    foreign_hf_case(&q, "", NULL, ONEBIT_OK, ""); /* the embedding takes its place */
    q = s, q.L = 1;
    foreign_hf_case(&q, "", NULL, ONEBIT_UNSUPPORTED, "model.layers.1.");
    q = s, q.D = 128;
    foreign_hf_case(&q, "", NULL, ONEBIT_FORMAT, "another shape");
    CHECK_OK(ob_file_write(foreign_path("hf/config.json"), "{\"architectures\": []}", 21));
    {
        onebit_model *m = NULL;
        CHECK_FAILS(onebit_model_open(&m, foreign_path("hf"), NULL), ONEBIT_FORMAT,
                    "no model_type");
        CHECK_OK(ob_file_write(foreign_path("hf/config.json"), "{\"model_type\": \"llama\"", 22));
        CHECK(onebit_model_open(&m, foreign_path("hf"), NULL) == ONEBIT_FORMAT && !m);
    }
    foreign_close(&f);
}

/* Windows, heads and positions as the config has them. */
static void foreign_test_hf_settings(void) {
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    foreign_model f;
    foreign_hf hf;
    onebit_model *m = NULL;
    test_case("foreign: settings of a config.json of Hugging Face arrive");
    memset(&hf, 0, sizeof hf);
    foreign_open(&f, &s, 2);
    CHECK_OK(ob_make_directory(foreign_path("hf")));
    CHECK_OK(foreign_weights("hf/model.safetensors", &f, &hf));
    CHECK_OK(foreign_config(&s,
                            "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4, "
                            "\"beta_fast\": 24, \"beta_slow\": 2, \"attention_factor\": 1.5, "
                            "\"original_max_position_embeddings\": 12}",
                            NULL));
    if (CHECK_OK(onebit_model_open(&m, foreign_path("hf"), NULL))) {
        const onebit_config *c = onebit_model_config(m);
        CHECK(c->rope_scaling == OB_ROPE_YARN && c->rope_factor == 4 && c->rope_original == 12);
        CHECK(c->rope_fast == 24 && c->rope_slow == 2 && c->rope_attention == 1.5);
        CHECK(c->num_key_value_heads == 2 && c->head_dim == 16 && c->max_seq_len == 48);
        CHECK(c->layer_norm_eps == 1e-5 && c->text_start == OB_START_NONE);
    }
    onebit_model_free(m);
    foreign_close(&f);
}

/* Files of weights that lack something. */
static void foreign_hf_bad(const foreign_model *f, foreign_hf hf, onebit_status wanted,
                           const char *words) {
    onebit_model *m = NULL;
    onebit_status status = foreign_weights("hf/model.safetensors", f, &hf);
    if (status == ONEBIT_OK) status = onebit_model_open(&m, foreign_path("hf"), NULL);
    if (!CHECK(status == wanted && (status == ONEBIT_OK || strstr(onebit_error_text(), words))))
        printf("  wanted \"%s\": %s\n", words, status ? onebit_error_text() : "it was opened");
    onebit_model_free(m);
}

static void foreign_test_hf_weights(void) {
    foreign_spec s = foreign_spec_of("bitnet-b1.58", 64, 64, 3);
    foreign_model f;
    foreign_hf hf, good;
    test_case("foreign: packed weights of Hugging Face with odd or missing parts");
    memset(&good, 0, sizeof good);
    good.packed = 1, good.dtype = "F32";
    foreign_open(&f, &s, 2);
    CHECK_OK(foreign_config(&s, "", "\"linear_class\": \"autobitlinear\""));
    foreign_hf_bad(&f, good, ONEBIT_OK, "");
    hf = good, hf.drop = "model.layers.1.mlp.up_proj.weight_scale";
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "up_proj.weight_scale is missing");
    hf = good, hf.drop = "model.layers.1.mlp.up_proj.weight";
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "model.layers.1.mlp.up_proj.weight");
    hf = good, hf.drop = "model.layers.1.mlp.ffn_sub_norm.weight";
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "ffn_sub_norm");
    hf = good, hf.drop = "model.layers.0.self_attn.attn_sub_norm.weight";
    foreign_hf_bad(&f, hf, ONEBIT_UNSUPPORTED, "has no place");
    hf = good, hf.scale = NAN;
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "expected a number above 0");
    hf.scale = -1;
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "expected a number above 0");
    hf.scale = INFINITY;
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "expected a number above 0");
    hf.scale = 1e-45;
    foreign_hf_bad(&f, hf, ONEBIT_OK, "");
    hf.divides = 0, hf.dtype = "I32", hf.scale = 0;
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "weight_scale");
    hf = good, hf.extra = "model.layers.0.self_attn.q_proj.lora";
    foreign_hf_bad(&f, hf, ONEBIT_UNSUPPORTED, "lora has no place");
    hf.extra = "model.layers.0.self_attn.rotary_emb.inv_freq";
    foreign_hf_bad(&f, hf, ONEBIT_OK, "");
    hf.extra = "lm_head.weight";
    foreign_hf_bad(&f, hf, ONEBIT_OK, "");
    CHECK_OK(foreign_config(&s, "", "\"linear_class\": \"bitlinear\""));
    hf = good, hf.scale = 1e-45; /* its inverse is infinite */
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "expected a number above 0");
    foreign_close(&f);
}

/* BitLinear divides by its scale, AutoBitLinear multiplies; online weights are latents. */
static void foreign_test_hf_scales(void) {
    static float codes[64], values[3][64];
    foreign_spec s = foreign_spec_of("bitnet-b1.58", 64, 64, 3);
    foreign_model f;
    foreign_hf hf;
    onebit_model *m = NULL;
    ob_tensor t;
    int k, i;
    test_case("foreign: both classes of linear layers, and latents that are quantised when read");
    foreign_open(&f, &s, 2);
    for (k = 0; k < 3; k++) {
        static const char *const what[] = {"\"linear_class\": \"autobitlinear\"",
                                           "\"linear_class\": \"bitlinear\"",
                                           "\"quantization_mode\": \"online\""};
        memset(&hf, 0, sizeof hf);
        hf.packed = k < 2, hf.divides = k == 1, hf.dtype = "F32";
        CHECK_OK(foreign_config(&s, "", what[k]));
        CHECK_OK(foreign_weights("hf/model.safetensors", &f, &hf));
        if (!CHECK_OK(onebit_model_open(&m, foreign_path("hf"), NULL))) continue;
        CHECK(m->config.layer_modes[0] == ONEBIT_TERNARY &&
              m->config.layer_modes[1] == ONEBIT_TERNARY);
        ob_tensor_in(&m->config, ob_slot(&m->config, 1, OB_UP), &t);
        foreign_row(m, &t, 5, codes, values[k]);
        for (i = 0; i < 64; i++) {
            const foreign_tensor *w = foreign_find(&f, 1, "ffn_up.weight");
            CHECK(codes[i] == (float)w->codes[5 * 64 + i]);
            CHECK(k == 2 || fabs((double)(values[k][i] - w->values[5 * 64 + i])) < 1e-6);
        }
        onebit_model_free(m);
        m = NULL;
    }
    foreign_close(&f);
}

/* Indexes of several files. */
static void foreign_test_hf_shards(void) {
    static const struct {
        const char *text;
        onebit_status status;
        const char *words;
    } rows[] = {
        {"{\"metadata\": {}, \"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\", "
         "\"z\": \"a.safetensors\"}}",
         ONEBIT_OK, ""},
        {"{\"weight_map\": {\"x\": \"a.safetensors\"}}", ONEBIT_FORMAT, "is missing"},
        {"{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"c.safetensors\"}}", ONEBIT_IO,
         "c.safe"},
        {"{\"weight_map\": {\"x\": \"../x\"}}", ONEBIT_FORMAT, "elsewhere"},
        {"{\"weight_map\": {\"x\": \"..\\\\x\"}}", ONEBIT_FORMAT, "elsewhere"},
        {"{\"weight_map\": {\"x\": \"/etc/passwd\"}}", ONEBIT_FORMAT, "elsewhere"},
        {"{\"weight_map\": {\"x\": \"\"}}", ONEBIT_FORMAT, "elsewhere"},
        {"{\"weight_map\": {\"x\": \"..\"}}", ONEBIT_IO, ".."},
        {"{\"weight_map\": {\"x\": 7}}", ONEBIT_FORMAT, "index.json"},
        {"{\"weight_map\": [\"a.safetensors\"]}", ONEBIT_FORMAT, "index.json"},
        {"{\"weight_map\": {\"x\": \"a.safetensors\"", ONEBIT_FORMAT, "index.json"},
        {"{}", ONEBIT_FORMAT, "is missing"},
        {"", ONEBIT_FORMAT, "index.json"},
    };
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    foreign_model f;
    foreign_hf hf;
    char many[500];
    size_t i;
    test_case("foreign: weights in several files, named by an index that is not trusted");
    memset(&hf, 0, sizeof hf);
    foreign_open(&f, &s, 2);
    CHECK_OK(foreign_config(&s, "", NULL));
    remove(foreign_path("hf/model.safetensors"));
    hf.part = 1;
    CHECK_OK(foreign_weights("hf/a.safetensors", &f, &hf));
    hf.part = 2;
    CHECK_OK(foreign_weights("hf/b.safetensors", &f, &hf));
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        onebit_model *m = NULL;
        onebit_status status;
        CHECK_OK(ob_file_write(foreign_path("hf/model.safetensors.index.json"), rows[i].text,
                               strlen(rows[i].text)));
        status = onebit_model_open(&m, foreign_path("hf"), NULL);
        if (!CHECK(status == rows[i].status &&
                   (status == ONEBIT_OK || strstr(onebit_error_text(), rows[i].words))))
            printf("  %s: %s\n", rows[i].text, status ? onebit_error_text() : "it was opened");
        onebit_model_free(m);
    }
    memset(many, 'n', sizeof many);
    memcpy(many, "{\"weight_map\": {\"x\": \"", 22);
    strcpy(many + 400, "\"}}");
    CHECK_OK(ob_file_write(foreign_path("hf/model.safetensors.index.json"), many, strlen(many)));
    {
        onebit_model *m = NULL;
        CHECK_FAILS(onebit_model_open(&m, foreign_path("hf"), NULL), ONEBIT_FORMAT,
                    "at most 255 fit");
    }
    remove(foreign_path("hf/model.safetensors.index.json"));
    foreign_close(&f);
}

/* ---- llama2.c ---- */

static void foreign_test_llama2c(void) {
    static const int32_t lies[] = {0, -1, INT32_MIN, INT32_MAX, 1 << 20, (1 << 20) + 1, 3, 1 << 16};
    foreign_spec s = foreign_spec_of("llama", 64, 96, 0);
    foreign_model f;
    foreign_bytes b;
    onebit_model *m = NULL;
    size_t cut, n;
    int i, k;
    test_case("foreign: llama2.c files that are cut or lie in their head are refused");
    for (k = 0; k < 2; k++) {
        s.untied = k;
        foreign_open(&f, &s, 2);
        b = foreign_llama2c(&f);
        n = b.n;
        CHECK_OK(foreign_read(&m, "m.bin", b, 0, NULL));
        CHECK(m && m->config.tie_word_embeddings == !k && m->config.text_start == OB_START_START);
        onebit_model_free(m);
        for (cut = 0; cut < n; cut += cut < 40 ? 1 : 1000) {
            b = foreign_llama2c(&f);
            b.n = cut;
            CHECK(foreign_read(&m, "m.bin", b, 0, NULL) != ONEBIT_OK && !m);
        }
        b = foreign_llama2c(&f);
        foreign_put(&b, "", 1);
        CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_FORMAT, "its head asks for");
        for (i = 0; i < 7 * 8; i++) {
            int32_t was;
            b = foreign_llama2c(&f);
            was = (int32_t)ob_get32(b.p + 4 * (i / 8));
            ob_put32(b.p + 4 * (i / 8), (uint32_t)lies[i % 8]);
            if (was == lies[i % 8]) free(b.p);
            else CHECK(foreign_read(&m, "m.bin", b, 0, NULL) != ONEBIT_OK && !m);
            onebit_model_free(m);
        }
        b = foreign_llama2c(&f);
        ob_putf32(b.p + 28 + 40, NAN);
        CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_FORMAT, "embed_tokens");
        foreign_close(&f);
    }
}

/* ---- hostile bytes and memory ---- */

/* Readers for the helpers of test_hostile.c: what opens must run. */
static onebit_status foreign_use(onebit_status status, onebit_model *m, const onebit_env *env) {
    static const int32_t ids[2] = {0, 1};
    onebit_session_options o = onebit_session_options_default();
    onebit_session *s = NULL;
    o.context = 4;
    CHECK((status == ONEBIT_OK) == (m != NULL));
    if (m && onebit_config_parameters(onebit_model_config(m)) < 100000) {
        onebit_env roomy = onebit_env_default(); /* a session's size is a setting of its own */
        roomy.threads = 1;
        if (CHECK_OK(onebit_session_create(&s, m, &o, &roomy)))
            CHECK_OK(onebit_session_eval(s, ids, 2, NULL));
    }
    (void)env;
    onebit_session_free(s);
    onebit_model_free(m);
    return status;
}

static onebit_status foreign_use_gguf(const uint8_t *data, size_t n, const onebit_env *env) {
    onebit_model *m = NULL;
    onebit_status status = fuzz_foreign(&m, data, n, 1, env);
    return foreign_use(status, m, env);
}

static onebit_status foreign_use_llama2c(const uint8_t *data, size_t n, const onebit_env *env) {
    onebit_model *m = NULL;
    onebit_status status = fuzz_foreign(&m, data, n, 0, env);
    return foreign_use(status, m, env);
}

/* One file of the directory; the others stay. */
static const char *foreign_victim;
static onebit_status foreign_use_hf(const uint8_t *data, size_t n, const onebit_env *env) {
    onebit_model *m = NULL;
    onebit_status status;
    CHECK_OK(ob_file_write(foreign_path(foreign_victim), data, n));
    status = onebit_model_open(&m, foreign_path("hf"), env);
    return foreign_use(status, m, env);
}

/* Small files of every kind of block. */
static foreign_bytes foreign_small(const char *architecture, int D, int code, uint32_t type,
                                   int hf) {
    foreign_spec s = foreign_spec_of(architecture, D, D, code);
    foreign_change c = foreign_change_of(type);
    foreign_model f;
    foreign_bytes b;
    foreign_hf h;
    memset(&h, 0, sizeof h);
    s.H = 2, s.K = 1, s.d = D / 2, s.L = 1, s.V = 5, s.F = D, s.T = 8;
    h.packed = code != 0;
    c.order = D % 128 ? 1 : 0; /* the fuzz target takes the order from the last byte */
    if (hf == 2) s.sub = s.ones = 1;
    foreign_open(&f, &s, 1);
    if (hf == 1) {
        foreign_config(&s, "", code ? "\"linear_class\": \"autobitlinear\"" : NULL);
        b = foreign_safetensors(&f, &h);
    } else b = hf == 2 ? foreign_bits(&f) : hf == 3 ? foreign_llama2c(&f) : foreign_gguf(&f, &c);
    if (type == 36) foreign_put(&b, "\1", 1);
    foreign_close(&f);
    return b;
}

/* Where the data of a GGUF's tensors begins: behind the head that is attacked byte by byte. */
static size_t foreign_head(foreign_bytes b) {
    ob_gguf g;
    size_t at = 0;
    if (CHECK_OK(ob_gguf_read(&g, b.p, b.n, "head", NULL))) at = g.data;
    ob_gguf_close(&g);
    return at;
}

/* Every byte of the head; every number of it as far as numbers can be told; of the data, the halves
   and floats that are scales are reached by stepping through all of it. */
static void foreign_attack(hostile_reader reader, foreign_bytes b, size_t head, size_t step) {
    size_t i;
    hostile_flip(reader, b.p, b.n, head);
    for (i = 0; i + 8 <= head; i += 3) hostile_field(reader, b.p, b.n, i, i % 2 ? 4 : 8);
    for (i = head; i < b.n; i += step) {
        uint8_t was = b.p[i];
        b.p[i] = 0xFF;
        (void)hostile_read(reader, b.p, b.n, 1);
        b.p[i] = (uint8_t)(was ^ 0x80);
        (void)hostile_read(reader, b.p, b.n, 1);
        if (i + 1 < b.n) b.p[i] = 0, b.p[i + 1] ^= 0x7C; /* a half that is infinite, perhaps */
        (void)hostile_read(reader, b.p, b.n, 1);
        b.p[i] = was;
        if (i + 1 < b.n) b.p[i + 1] ^= 0x7C;
    }
}

static void foreign_test_hostile_gguf(void) {
    static const struct {
        const char *architecture;
        int D, code;
        uint32_t type;
        size_t step;
    } rows[] = {
        {"qwen2", 8, 0, 0, 61}, {"bitnet-b1.58", 64, 3, 36, 797}, {"llama", 64, 3, 42, 797}};
    size_t i, cut;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        foreign_bytes b =
            foreign_small(rows[i].architecture, rows[i].D, rows[i].code, rows[i].type, 0);
        size_t head = foreign_head(b);
        test_case("hostile: GGUF models that are cut, flipped or lie");
        CHECK_OK(hostile_read(foreign_use_gguf, b.p, b.n, 1));
        for (cut = 0; cut < b.n - 64; cut += cut < head ? 1 + 2 * (i > 0) : 499)
            CHECK(hostile_read(foreign_use_gguf, b.p, cut, 0) != ONEBIT_OK);
        foreign_attack(foreign_use_gguf, b, i ? head / 6 : head, rows[i].step);
        free(b.p);
    }
}

static void foreign_test_hostile_llama2c(void) {
    int kind;
    for (kind = 2; kind <= 3; kind++) {
        foreign_bytes b = foreign_small("llama", 8, kind == 2 ? 3 : 0, 0, kind);
        test_case("hostile: llama2.c models that are cut, flipped or lie");
        CHECK_OK(hostile_read(foreign_use_llama2c, b.p, b.n, 1));
        hostile_cut(foreign_use_llama2c, b.p, b.n, 0);
        foreign_attack(foreign_use_llama2c, b, kind == 2 ? 48 : 28, 7);
        free(b.p);
    }
}

static void foreign_test_hostile_hf(void) {
    static const char index[] = "{\"weight_map\": {\"x\": \"model.safetensors\", \"y\": "
                                "\"model.safetensors\"}}";
    foreign_bytes b = foreign_small("bitnet-b1.58", 8, 3, 0, 1);
    size_t head = 8 + (size_t)ob_get64(b.p), n, i;
    uint8_t *config;
    test_case("hostile: directories of Hugging Face whose files are cut, flipped or lie");
    foreign_victim = "hf/model.safetensors";
    CHECK_OK(hostile_read(foreign_use_hf, b.p, b.n, 1));
    for (i = 0; i < b.n; i += i < 16 ? 1 : 9)
        CHECK(hostile_read(foreign_use_hf, b.p, i, 0) != ONEBIT_OK);
    hostile_numbers(foreign_use_hf, b.p, b.n, 8, head, hostile_grow_header, 1);
    for (i = 8; i < head; i += 7) {
        uint8_t was = b.p[i];
        b.p[i] ^= 0x20;
        (void)hostile_read(foreign_use_hf, b.p, b.n, 1);
        b.p[i] = was;
    }
    for (i = head; i < b.n; i += 29) {
        uint8_t was = b.p[i];
        b.p[i] = 0xFF;
        (void)hostile_read(foreign_use_hf, b.p, b.n, 1);
        b.p[i] = was;
    }
    CHECK_OK(ob_file_write(foreign_path(foreign_victim), b.p, b.n));
    foreign_victim = "hf/config.json";
    config = hostile_get(foreign_path(foreign_victim), &n);
    CHECK_OK(hostile_read(foreign_use_hf, config, n, 1));
    for (i = 0; i < n; i++) CHECK(hostile_read(foreign_use_hf, config, i, 1) != ONEBIT_OK);
    hostile_flip(foreign_use_hf, config, n, n / 2);
    hostile_numbers(foreign_use_hf, config, n, 0, n, NULL, 1);
    CHECK_OK(ob_file_write(foreign_path(foreign_victim), config, n));
    free(config);
    foreign_victim = "hf/model.safetensors.index.json";
    CHECK_OK(hostile_read(foreign_use_hf, (const uint8_t *)index, strlen(index), 1));
    for (i = 0; i < strlen(index); i++)
        CHECK(hostile_read(foreign_use_hf, (const uint8_t *)index, i, 1) != ONEBIT_OK);
    hostile_flip(foreign_use_hf, (const uint8_t *)index, strlen(index), strlen(index));
    remove(foreign_path(foreign_victim));
    free(b.p);
}

/* Everything that opens, exports and packs foreign models, for refused allocations. */
static onebit_status foreign_work(const onebit_env *env) {
    static const char *const inputs[] = {"a.gguf", "m.bin", "hf", "b.gguf"};
    onebit_status status = ONEBIT_OK;
    int i;
    for (i = 0; i < 4 && status == ONEBIT_OK; i++) {
        onebit_pack_options p = onebit_pack_options_default();
        onebit_export_options o = foreign_options(i & 1, i == 2 ? "q8_0" : "f32", NULL);
        onebit_model *m = NULL;
        foreign_told h;
        memset(&h, 0, sizeof h);
        p.on_tensor = foreign_hear, p.user = &h;
        p.scale_group = 32, p.fit = i == 0, p.block_mode = i ? -1 : (int)ONEBIT_TERNARY;
        status = onebit_model_open(&m, foreign_path(inputs[i]), env);
        if (status == ONEBIT_OK && i != 2)
            status = onebit_model_export(m, foreign_path(i & 1 ? "again" : "bad"), &o, env);
        onebit_model_free(m);
        if (status == ONEBIT_OK)
            status = onebit_file_pack(foreign_path("b.1bit"), foreign_path(inputs[i]), &p, env);
        if (status == ONEBIT_OK && i == 1)
            status =
                onebit_file_unpack(foreign_path("again"), foreign_path(inputs[i]), 0, NULL, env);
    }
    return status;
}

/* The files of an earlier, whole run are still there. */
static void foreign_check_work(void) {
    onebit_model *m = NULL;
    CHECK_OK(onebit_model_open(&m, foreign_path("b.1bit"), NULL));
    onebit_model_free(m);
}

static void foreign_test_starve(void) {
    static const char text[] = "the cat sat on the mat";
    onebit_export_options o = onebit_export_options_default();
    onebit_tokenizer *t = NULL;
    onebit_model *m;
    foreign_bytes b = foreign_small("llama", 32, 0, 0, 0);
    CHECK_OK(ob_make_directory(foreign_dir));
    CHECK_OK(ob_file_write(foreign_path("a.gguf"), b.p, b.n));
    free(b.p);
    b = foreign_small("llama", 8, 0, 0, 3);
    CHECK_OK(ob_file_write(foreign_path("m.bin"), b.p, b.n));
    free(b.p);
    b = foreign_small("bitnet-b1.58", 64, 3, 0, 1);
    CHECK_OK(ob_file_write(foreign_path("hf/model.safetensors"), b.p, b.n));
    free(b.p);
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, text, sizeof text - 1, 262, NULL));
    m = foreign_make("vocab_size=270 hidden_size=64 intermediate_size=64", t);
    if (m) CHECK_OK(onebit_model_export(m, foreign_path("b.gguf"), &o, NULL));
    onebit_model_free(m);
    onebit_tokenizer_free(t);
    hostile_starve(
        "hostile: no memory at any place of opening, packing and exporting foreign models",
        foreign_work, foreign_check_work);
}

/* ---- what else files may hold ---- */

/* Replaces the first place of a text in a file by one of the same length. */
static void foreign_swap(foreign_bytes *b, const char *from, const char *to) {
    size_t i, n = strlen(from);
    for (i = 0; i + n <= b->n && memcmp(b->p + i, from, n) != 0; i++) {}
    if (CHECK(strlen(to) == n && i + n <= b->n)) memcpy(b->p + i, to, n);
}

/* Where the data of a GGUF's tensor begins; 0 = nowhere. */
static size_t foreign_data_at(foreign_bytes b, const char *name) {
    const ob_gguf_tensor *t;
    size_t at = 0;
    ob_gguf g;
    if (!CHECK_OK(ob_gguf_read(&g, b.p, b.n, "made", NULL))) return 0;
    t = ob_gguf_tensor_find(&g, name);
    if (CHECK(t != NULL)) at = (size_t)(t->data - b.p);
    ob_gguf_close(&g);
    return at;
}

/* The scale of one block of TQ2_0, or of all when block is below 0. */
static void foreign_scale_at(foreign_bytes *b, const char *name, int block, float scale) {
    size_t at = foreign_data_at(*b, name);
    int i, from = block < 0 ? 0 : block, to = block < 0 ? 256 : block + 1;
    for (i = from; at && i < to; i++)
        ob_put16(b->p + at + 66 * (size_t)i + 64, ob_f32_to_f16(scale));
}

/* Scales of 0 and below, and matrices of several types in one file. */
static void foreign_test_groups(void) {
    static const char up[] = "blk.1.ffn_up.weight";
    static float codes[256], values[256];
    foreign_spec s = foreign_spec_of("bitnet", 256, 256, 3);
    foreign_change c = foreign_change_of(35);
    onebit_pack_options p = onebit_pack_options_default();
    onebit_model *m = NULL;
    foreign_bytes b;
    foreign_model f;
    ob_tensor t;
    int i, zeros;
    foreign_open(&f, &s, 2);
    test_case("foreign: a group whose scale is 0 has codes of 0 beside one common scale");
    b = foreign_gguf(&f, &c);
    foreign_scale_at(&b, up, 7, 0);
    if (CHECK_OK(foreign_read(&m, "a.gguf", b, 0, NULL))) {
        CHECK(m->config.scale_group == 0);
        ob_tensor_in(&m->config, ob_slot(&m->config, 1, OB_UP), &t);
        foreign_row(m, &t, 7, codes, values);
        for (zeros = i = 0; i < 256; i++) zeros += codes[i] == 0;
        CHECK(zeros == 256);
        foreign_row(m, &t, 8, codes, values);
        for (zeros = i = 0; i < 256; i++) zeros += codes[i] == 0;
        CHECK(zeros < 256);
    }
    onebit_model_free(m);
    for (i = 0; i < 2; i++) { /* no scale above 0: groups stay */
        b = foreign_gguf(&f, &c);
        foreign_scale_at(&b, up, -1, i ? -0.5f : 0);
        if (CHECK_OK(foreign_read(&m, "a.gguf", b, 0, NULL))) CHECK(m->config.scale_group == 256);
        onebit_model_free(m);
    }
    test_case("foreign: of several types the smallest group counts");
    c = foreign_change_of(42);
    for (i = 0; i < 2; i++) {
        c.other = i ? "blk.1.ffn_down.weight" : "blk.0.attn_q.weight", c.other_type = 35;
        b = foreign_gguf(&f, &c);
        foreign_scale_at(&b, c.other, 3, 0.25f);
        ob_put16(b.p + foreign_data_at(b, "blk.0.ffn_gate.weight"), ob_f32_to_f16(0.125f));
        if (CHECK_OK(foreign_read(&m, "a.gguf", b, 0, NULL))) CHECK(m->config.scale_group == 64);
        onebit_model_free(m);
    }
    test_case("foreign: ternary codes become binary as latents do");
    c = foreign_change_of(35);
    CHECK_OK(foreign_read(&m, "a.gguf", foreign_gguf(&f, &c), 0, NULL));
    onebit_model_free(m);
    p.block_mode = ONEBIT_BINARY;
    CHECK_OK(onebit_file_pack(foreign_path("b.1bit"), foreign_path("a.gguf"), &p, NULL));
    if (CHECK_OK(onebit_model_open(&m, foreign_path("b.1bit"), NULL)))
        CHECK(m->config.layer_modes[0] == ONEBIT_BINARY);
    onebit_model_free(m);
    foreign_close(&f);
}

/* Keys of the wrong kind, and tensors of the wrong rank, width or type. */
static void foreign_test_odd_gguf(void) {
    static const char *const whole[] = {"llama.context_length", "llama.expert_count",
                                        "llama.attention.sliding_window",
                                        "llama.attention.head_count_kv",
                                        "llama.attention.key_length",
                                        "llama.attention.value_length",
                                        "llama.rope.dimension_count",
                                        "llama.rope.scaling.original_context_length"};
    static const float ones[64] = {1, 1};
    float factor[16];
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    foreign_change c;
    foreign_model f;
    foreign_bytes b;
    onebit_model *m = NULL;
    size_t i;
    test_case("foreign: keys of a GGUF of the wrong kind, tensors of the wrong rank or type");
    foreign_open(&f, &s, 2);
    for (i = 0; i < sizeof whole / sizeof whole[0]; i++)
        foreign_bad_gguf(&f, foreign_with(whole[i], 'f', 1, NULL), ONEBIT_FORMAT,
                         "no whole number");
    foreign_bad_gguf(&f, foreign_with("llama.rope.scaling.type", 's', 0, "none"), ONEBIT_OK, "");
    foreign_bad_gguf(&f, foreign_with("llama.embedding_length", 'u', 128, NULL), ONEBIT_FORMAT,
                     "token_embd.weight is 29 x 64");
    c = foreign_change_of(0);
    c.extra_values = ones;
    c.extra = "token_embd.weight", c.drop = c.extra, c.extra_count = 64;
    foreign_bad_gguf(&f, c, ONEBIT_FORMAT, "missing or no matrix");
    c.extra = "blk.0.attn_q.weight", c.drop = c.extra;
    foreign_bad_gguf(&f, c, ONEBIT_FORMAT, "blk.0.attn_q.weight is 1 x 64");
    c.drop = NULL, c.extra = "odd";
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "odd has no place");
    c.extra = "blk.1.ffn_down.scale", c.extra_count = 2;
    foreign_bad_gguf(&f, c, ONEBIT_UNSUPPORTED, "ffn_down.scale has no place");
    c.extra_count = 1;
    b = foreign_gguf(&f, &c);
    for (i = 0; memcmp(b.p + i, c.extra, strlen(c.extra)) != 0; i++) {}
    b.p[i + strlen(c.extra) + 12] = 1; /* f16 */
    CHECK_FAILS(foreign_read(&m, "a.gguf", b, 0, NULL), ONEBIT_UNSUPPORTED, "has no place");
    memset(factor, 0, sizeof factor);
    c.extra = "rope_freqs.weight", c.extra_values = factor, c.extra_count = 8;
    b = foreign_gguf(&f, &c);
    for (i = 0; memcmp(b.p + i, c.extra, strlen(c.extra)) != 0; i++) {}
    b.p[i + strlen(c.extra) + 12] = 1;
    CHECK_FAILS(foreign_read(&m, "a.gguf", b, 0, NULL), ONEBIT_UNSUPPORTED, "Llama 3's rule");
    c = foreign_change_of(0);
    c.other = "token_embd.weight", c.other_type = 200; /* of no known size */
    b = foreign_gguf(&f, &c);
    for (i = 0; memcmp(b.p + i, c.other, strlen(c.other)) != 0; i++) {}
    ob_put64(b.p + i + strlen(c.other) + 4, 1);
    ob_put64(b.p + i + strlen(c.other) + 12, (uint64_t)1 << 32);
    CHECK_FAILS(foreign_read(&m, "a.gguf", b, 0, NULL), ONEBIT_FORMAT, "missing or no matrix");
    foreign_close(&f);
}

/* A tokenizer that is given has no start token, or the file asks for none. */
static void foreign_test_start(void) {
    static const char *const models[] = {"llama", "gpt2", NULL};
    onebit_open_options o = onebit_open_options_default();
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    onebit_env env = onebit_env_default();
    onebit_tokenizer *t = NULL;
    onebit_model *m = NULL;
    foreign_bytes b;
    foreign_model f;
    int i;
    test_case("foreign: a text starts with a token only when the given tokenizer has one");
    s.V = 300;
    foreign_open(&f, &s, 2);
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    if (t) CHECK_OK(ob_leave_object(&env, foreign_dir, "bad", ob_write_tokenizer, t));
    o.tokenizer = "test_foreign_tmp/bad";
    for (i = 0; i < 3; i++) {
        foreign_change c = foreign_change_of(0);
        if (models[i]) c = foreign_with("tokenizer.ggml.model", 's', 0, models[i]);
        b = foreign_gguf(&f, &c);
        CHECK_OK(ob_file_write(foreign_path("a.gguf"), b.p, b.n));
        free(b.p);
        if (CHECK_OK(onebit_model_open_with(&m, foreign_path("a.gguf"), &o, NULL)))
            CHECK(m->config.text_start == OB_START_NONE && m->tokenizer);
        onebit_model_free(m);
        m = NULL;
    }
    b = foreign_llama2c(&f);
    CHECK_OK(ob_file_write(foreign_path("m"), b.p, b.n)); /* a name without an ending */
    free(b.p);
    if (CHECK_OK(onebit_model_open_with(&m, foreign_path("m"), &o, NULL)))
        CHECK(m->tokenizer && !strstr(onebit_model_note(m), "no tokenizer"));
    onebit_model_free(m);
    m = NULL;
    CHECK_OK(onebit_model_open(&m, foreign_path("m"), NULL));
    CHECK(m && strstr(onebit_model_note(m), "no tokenizer"));
    onebit_model_free(m);
    remove(foreign_path("m"));
    b = foreign_llama2c(&f);
    CHECK_OK(foreign_read(&m, "m.data", b, 0, NULL)); /* another ending */
    onebit_model_free(m);
    remove(foreign_path("m.data"));
    CHECK_OK(ob_file_write(foreign_path("m-tok300.bin"), "?", 1));
    CHECK(foreign_read(&m, "m.bin", foreign_llama2c(&f), 0, NULL) == ONEBIT_FORMAT && !m);
    remove(foreign_path("m-tok300.bin"));
    foreign_close(&f);
    s = foreign_spec_of("llama", 64, 96, 3);
    s.sub = s.ones = 1;
    foreign_open(&f, &s, 2);
    b = foreign_bits(&f);
    ob_put32(b.p + 8, 0);
    CHECK_FAILS(foreign_read(&m, "m.bin", b, 0, NULL), ONEBIT_FORMAT, "names no model");
    foreign_close(&f);
    onebit_tokenizer_free(t);
    remove(foreign_path("bad"));
}

/* One change to the header of a directory's weights; it must be refused with these words. */
static void foreign_hf_swap(const foreign_model *f, const foreign_hf *hf, const char *from,
                            const char *to, onebit_status wanted, const char *words) {
    foreign_bytes b = foreign_safetensors(f, hf);
    onebit_model *m = NULL;
    foreign_swap(&b, from, to);
    CHECK_OK(ob_file_write(foreign_path("hf/model.safetensors"), b.p, b.n));
    free(b.p);
    CHECK_FAILS(onebit_model_open(&m, foreign_path("hf"), NULL), wanted, words);
    CHECK(!m);
}

/* Types and shapes of tensors that are none of ours. */
static void foreign_test_odd_hf(void) {
    foreign_spec s = foreign_spec_of("bitnet-b1.58", 64, 64, 3);
    foreign_model f;
    foreign_hf hf, good;
    test_case("foreign: tensors of a directory of the wrong type, rank or size");
    memset(&good, 0, sizeof good);
    foreign_open(&f, &s, 2);
    CHECK_OK(ob_make_directory(foreign_path("hf")));
    CHECK_OK(foreign_config(&s, "", "\"linear_class\": \"bitlinear\""));
    foreign_hf_swap(&f, &good, "\"F32\"", "\"I32\"", ONEBIT_UNSUPPORTED,
                    "type that is not supported");
    foreign_hf_swap(&f, &good, "\"F32\",\"shape\":[29,64]", "\"U8\",\"shape\":[29,256]",
                    ONEBIT_FORMAT, "another shape");
    hf = good, hf.drop = hf.extra = "model.layers.0.self_attn.q_proj.weight";
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "q_proj.weight has another shape");
    good.packed = 1;
    hf = good, hf.drop = hf.extra = "model.layers.1.mlp.up_proj.weight_scale";
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "up_proj.weight_scale is missing or not one");
    hf = good, hf.scale = INFINITY; /* its inverse is 0 */
    foreign_hf_bad(&f, hf, ONEBIT_FORMAT, "expected a number above 0");
    foreign_close(&f);
}

/* Members of config.json that are rare, and a tokenizer beside it. */
static void foreign_test_hf_rare(void) {
    foreign_spec s = foreign_spec_of("mistral", 64, 64, 0);
    onebit_open_options o = onebit_open_options_default();
    onebit_env env = onebit_env_default();
    onebit_tokenizer *t = NULL;
    onebit_model *m = NULL;
    foreign_model f;
    foreign_hf hf;
    int i;
    test_case("foreign: rare members of a config.json of Hugging Face");
    memset(&hf, 0, sizeof hf);
    foreign_open(&f, &s, 2);
    CHECK_OK(ob_make_directory(foreign_path("hf")));
    CHECK_OK(foreign_weights("hf/model.safetensors", &f, &hf));
    for (i = 0; i < 3; i++) {
        static const char *const more[] = {"\"sliding_window\": 20", "\"sliding_window\": 200",
                                           "\"sliding_window\": 0"};
        CHECK_OK(foreign_config(&s, more[i], NULL));
        if (CHECK_OK(onebit_model_open(&m, foreign_path("hf"), NULL)))
            CHECK(m->config.max_seq_len == (i ? 48 : 20));
        onebit_model_free(m);
        m = NULL;
    }
    foreign_hf_case(&s, "\"mlp_bias\": false, \"use_sliding_window\": false", NULL, ONEBIT_OK, "");
    foreign_hf_case(&s, "\"weight_bits\": 8", NULL, ONEBIT_OK, "");
    foreign_hf_case(&s, "\"hidden_act\": null", NULL, ONEBIT_FORMAT, "hidden_act ''");
    foreign_hf_case(&s, "\"hidden_act\": \"relu\"", NULL, ONEBIT_OK, "");
    foreign_hf_case(&s, "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2, \"x\": [1]}", NULL,
                    ONEBIT_OK, "");
    CHECK_OK(foreign_config(&s, "\"weight_bits\": 1", NULL));
    if (CHECK_OK(onebit_model_open(&m, foreign_path("hf"), NULL)))
        CHECK(m->config.layer_modes[0] == ONEBIT_TERNARY);
    onebit_model_free(m);
    m = NULL;
    CHECK_OK(ob_file_write(foreign_path("hf/tokenizer.json"), "{}", 2));
    CHECK_FAILS(onebit_model_open(&m, foreign_path("hf"), NULL), ONEBIT_FORMAT, "tokenizer.json");
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_CHAR, "abc", 3, 0, NULL));
    if (t) CHECK_OK(ob_leave_object(&env, foreign_dir, "bad", ob_write_tokenizer, t));
    o.tokenizer = foreign_path("bad");
    if (CHECK_OK(onebit_model_open_with(&m, foreign_path("hf"), &o, NULL)))
        CHECK(onebit_tokenizer_vocab_size(m->tokenizer) == onebit_tokenizer_vocab_size(t));
    onebit_model_free(m);
    remove(foreign_path("hf/tokenizer.json"));
    remove(foreign_path("bad"));
    onebit_tokenizer_free(t);
    foreign_close(&f);
}

/* An index of more files than are opened. */
static void foreign_test_many_shards(void) {
    foreign_spec s = foreign_spec_of("llama", 64, 64, 0);
    foreign_bytes b = {NULL, 0, 0};
    char name[40], line[60];
    onebit_model *m = NULL;
    int i;
    test_case("foreign: an index of more files than a model may have");
    CHECK_OK(ob_make_directory(foreign_path("hf")));
    CHECK_OK(foreign_config(&s, "", NULL));
    foreign_put(&b, "{\"weight_map\": {", 16);
    for (i = 0; i <= OB_SHARDS_MAX; i++) {
        snprintf(name, sizeof name, "hf/s%03d", i);
        hostile_put(foreign_path(name), "\2\0\0\0\0\0\0\0{}", 10);
        foreign_put(&b, line, (size_t)snprintf(line, sizeof line, "\"t%d\": \"s%03d\"%s", i, i,
                                               i < OB_SHARDS_MAX ? "," : "}}"));
    }
    CHECK_OK(ob_file_write(foreign_path("hf/model.safetensors.index.json"), b.p, b.n));
    CHECK_FAILS(onebit_model_open(&m, foreign_path("hf"), NULL), ONEBIT_UNSUPPORTED,
                "more than 512 files");
    for (i = 0; i <= OB_SHARDS_MAX; i++) {
        snprintf(name, sizeof name, "hf/s%03d", i);
        remove(foreign_path(name));
    }
    remove(foreign_path("hf/model.safetensors.index.json"));
    free(b.p);
}

/* A path of just n bytes: the directory, many slashes, a name. */
static const char *foreign_long(char *path, size_t n, const char *name) {
    size_t a = strlen(foreign_dir), b = strlen(name);
    memset(path, '/', n), path[n] = 0;
    memcpy(path, foreign_dir, a), memcpy(path + n - b, name, b);
    return path;
}

/* Paths near the longest that fits: each call succeeds, or says that its path is too long. */
static void foreign_test_long_paths(void) {
    static const char index[] = "{\"weight_map\": {\"x\": "
                                "\"a-name-that-is-longer-than-that-of-the-index.safetensors\"}}";
    static const char latents[] = "\2\0\0\0\0\0\0\0{}", v1[] = "1BIT\1\0\0\0\0\0\0\0\2\0\0\0{}";
    onebit_export_options hf = foreign_options(ONEBIT_HUGGING_FACE, NULL, NULL);
    onebit_tokenizer *t = NULL;
    onebit_env env = onebit_env_default();
    onebit_model *m = NULL, *source;
    foreign_bytes b = foreign_small("llama", 8, 0, 0, 3);
    char path[OB_PATH_MAX + 50];
    int done[8], k;
    size_t n;
    test_case("foreign: paths near the longest open, or are said to be too long");
    memset(done, 0, sizeof done);
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    source = foreign_make("vocab_size=270 hidden_size=64 intermediate_size=64", t);
    CHECK_OK(ob_file_write(foreign_path("m.bin"), b.p, b.n));
    CHECK_OK(ob_file_write(foreign_path("w"), latents, 10));
    CHECK_OK(ob_file_write(foreign_path("bad"), v1, 18));
    CHECK_OK(ob_file_write(foreign_path("config.json"), "{\"vocab_size\": 9}", 17));
    CHECK_OK(onebit_model_export(source, foreign_path("hf"), &hf, NULL));
    for (n = OB_PATH_MAX - 32; n < OB_PATH_MAX + 2; n++)
        for (k = 0; k < 8; k++) {
            onebit_tokenizer *words = NULL;
            const char *to = foreign_long(path, n, k == 2 ? "m.bin" : k == 3 ? "w" : "again");
            onebit_status status;
            if (k < 2 || k == 7) to = foreign_long(path, n, "hf");
            m = NULL;
            if (k == 0) status = onebit_model_open(&m, to, NULL);
            else if (k == 1) status = onebit_tokenizer_open(&words, to, NULL);
            else if (k == 2) status = onebit_model_open(&m, to, NULL);
            else if (k == 3) status = onebit_file_pack(foreign_path("none"), to, NULL, NULL);
            else if (k == 4) status = onebit_model_export(source, to, &hf, NULL);
            else if (k == 5) status = onebit_file_unpack(to, foreign_path("a.1bit"), 0, NULL, NULL);
            else if (k == 6) status = onebit_file_unpack(to, foreign_path("bad"), 0, NULL, NULL);
            else status = onebit_checkpoint_settings(NULL, NULL, to, NULL);
            done[k] += status == ONEBIT_OK;
            if (status != ONEBIT_OK && k != 3 && k != 7 &&
                !CHECK(status == ONEBIT_IO || status == ONEBIT_FORMAT))
                printf("  %d, %d bytes: %s\n", k, (int)n, onebit_error_text());
            onebit_tokenizer_free(words);
            onebit_model_free(m);
        }
    for (k = 0; k < 7; k++) CHECK((k == 3) == (done[k] == 0) && done[k] < 34);
    CHECK_OK(
        ob_file_write(foreign_path("hf/model.safetensors.index.json"), index, sizeof index - 1));
    for (n = OB_PATH_MAX - 70; n < OB_PATH_MAX; n++)
        CHECK(onebit_model_open(&m, foreign_long(path, n, "hf"), NULL) == ONEBIT_IO && !m);
    CHECK(onebit_model_export(source, foreign_path("m.bin"), &hf, NULL) == ONEBIT_IO);
    env.isa = (onebit_isa)99;
    CHECK(onebit_model_export(source, foreign_path("none"), &hf, &env) == ONEBIT_USAGE);
    CHECK(onebit_model_open(&m, foreign_path("a.1bit"), &env) == ONEBIT_USAGE && !m);
    remove(foreign_path("w")), remove(foreign_path("config.json")), remove(foreign_path("bad"));
    onebit_model_free(source);
    onebit_tokenizer_free(t);
    free(b.p);
}

/* A tokenizer that GGUF has no words for. */
static void foreign_test_no_words(void) {
    onebit_tokenizer *t = NULL;
    onebit_model *m;
    test_case("foreign: a tokenizer of characters has no place in a GGUF");
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_CHAR, "abc", 3, 0, NULL));
    m = foreign_make("", t);
    CHECK_FAILS(onebit_model_export(m, foreign_path("bad"), NULL, NULL), ONEBIT_UNSUPPORTED,
                "CHAR");
    CHECK(!ob_file_exists(foreign_path("bad")));
    CHECK_FAILS(onebit_file_unpack(foreign_path("again"), foreign_path("m.bin"), 1, NULL, NULL),
                ONEBIT_USAGE, "no latent");
    onebit_model_free(m);
    onebit_tokenizer_free(t);
}

/* NULL and nonsense in the calls of this floor. */
static void foreign_test_misuse(void) {
    onebit_open_options o = onebit_open_options_default();
    onebit_export_options e = onebit_export_options_default();
    onebit_model *m = NULL;
    test_case("foreign: wrong arguments");
    o.i2s = 3;
    CHECK_OK(ob_file_write(foreign_path("m.bin"), "x", 1));
    CHECK_FAILS(onebit_model_open_with(&m, foreign_path("m.bin"), &o, NULL), ONEBIT_USAGE,
                "i2s is 3");
    o.i2s = -1;
    CHECK_FAILS(onebit_model_open_with(&m, foreign_path("m.bin"), &o, NULL), ONEBIT_USAGE,
                "i2s is -1");
    CHECK(onebit_model_open_with(NULL, "x", NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_export(NULL, "x", &e, NULL) == ONEBIT_USAGE);
    m = foreign_make("", NULL);
    e.container = 2;
    CHECK_FAILS(onebit_model_export(m, foreign_path("bad"), &e, NULL), ONEBIT_USAGE, "container");
    CHECK(onebit_model_export(m, foreign_path("no/such/place"), NULL, NULL) == ONEBIT_IO);
    onebit_model_free(m);
}

/* ---- real models: greedy text and logits ---- */

/* Numbers of a JSON array into out; how many. */
static int foreign_numbers(ob_json *j, double *out, int most) {
    int n = 0;
    for (ob_json_array(j); ob_json_item(j);) {
        double v = ob_json_number(j);
        if (n < most) out[n++] = v;
    }
    return n;
}

/* One line of golden-greedy.jsonl, made by the models' own programs. */
typedef struct foreign_golden {
    char model[64];
    double prompt[64], greedy[256], logits[16];
    int prompts, greedies, logit_count;
} foreign_golden;

static void foreign_read_golden(foreign_golden *g, const char *line, size_t n) {
    ob_json j = ob_json_on(line, n, "golden");
    ob_slice key;
    memset(g, 0, sizeof *g);
    ob_json_object(&j);
    while (ob_json_key(&j, &key)) {
        if (ob_slice_is(key, "model")) ob_json_string(&j, g->model, sizeof g->model);
        else if (ob_slice_is(key, "prompt_ids")) g->prompts = foreign_numbers(&j, g->prompt, 64);
        else if (ob_slice_is(key, "greedy_ids")) g->greedies = foreign_numbers(&j, g->greedy, 256);
        else if (ob_slice_is(key, "logits_after_prompt_0_15"))
            g->logit_count = foreign_numbers(&j, g->logits, 16);
        else ob_json_skip(&j);
    }
    CHECK_OK(ob_json_end(&j));
}

/* The likeliest id, the lowest on a tie. */
static int foreign_best(const float *logits, int n) {
    int i, best = 0;
    for (i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Runs one line: the first 16 logits behind the prompt, whose largest difference is returned, then
   greedily. */
static double foreign_check_golden(const foreign_golden *g) {
    char name[128];
    onebit_model *m = NULL;
    onebit_session *s = NULL;
    int i, same = 0;
    double worst = 0;
    snprintf(name, sizeof name, "models/%s.bin", g->model);
    if (!CHECK(test_data(name) != NULL)) return 1;
    if (!CHECK_OK(onebit_model_open(&m, test_data(name), NULL))) return 1;
    CHECK_OK(onebit_session_create(&s, m, NULL, NULL));
    for (i = 0; i < g->prompts; i++) {
        int32_t id = (int32_t)g->prompt[i];
        CHECK_OK(onebit_session_eval(s, &id, 1, NULL));
    }
    for (i = 0; i < g->logit_count; i++) {
        double d = fabs((double)onebit_session_logits(s)[i] - g->logits[i]);
        worst = d > worst ? d : worst;
    }
    for (i = 0; i < g->greedies; i++) {
        int32_t id = foreign_best(onebit_session_logits(s), onebit_model_config(m)->vocab_size);
        if (id != (int32_t)g->greedy[i]) break;
        same++;
        CHECK_OK(onebit_session_eval(s, &id, 1, NULL));
    }
    if (!CHECK(same == g->greedies && same > 50))
        printf("%s: %d of %d greedy ids are the same\n", g->model, same, g->greedies);
    onebit_session_free(s);
    onebit_model_free(m);
    return worst;
}

/* One of the lines of the ternary models has an input at the middle between two codes, which the two
   programs round to different sides. */
static void foreign_test_golden(void) {
    foreign_golden g;
    ob_map map;
    ob_slice text, line;
    int lines = 0, close[2] = {0, 0};
    test_case("foreign: llama2.c's and bitllama2.c's models give their own greedy text");
    if (!test_data("models/golden-greedy.jsonl")) {
        test_skip("no shared data");
        return;
    }
    if (!CHECK_OK(ob_map_open(&map, test_data("models/golden-greedy.jsonl")))) return;
    text = ob_slice_on((const char *)map.data, map.bytes);
    while (text.n) {
        line = ob_line(&text);
        if (!line.n) continue;
        foreign_read_golden(&g, line.p, line.n);
        close[strncmp(g.model, "bit", 3) == 0] += foreign_check_golden(&g) < 1e-4;
        lines++;
    }
    CHECK(lines == 6 && close[0] == 2 && close[1] >= 3);
    ob_map_close(&map);
}

/* Nats of the story at *text, up to the next mark, with the start token, at most 512 tokens. */
static double foreign_story(onebit_session *s, const onebit_tokenizer *words, ob_slice *text,
                            size_t *scored) {
    static const char mark[] = "<|endoftext|>";
    int32_t ids[1500];
    size_t n = 0, count = 0, from = 0;
    double nats = 0;
    while (n < text->n && strncmp(text->p + n, mark, sizeof mark - 1)) n++;
    CHECK(n < text->n);
    *scored = 0;
    for (count = n; count > from && isspace((unsigned char)text->p[from]);) from++;
    while (count > from && isspace((unsigned char)text->p[count - 1])) count--;
    ids[0] = onebit_tokenizer_start(words);
    CHECK_OK(
        onebit_tokenizer_encode(words, ids + 1, 1499, &count, text->p + from, count - from, 0));
    count = count + 1 < 512 ? count + 1 : 512;
    CHECK_OK(onebit_score(s, ids, count, 1, &nats, scored));
    text->p += n + sizeof mark - 1, text->n -= n + sizeof mark - 1;
    return nats;
}

/* The numbers are those of the shared data's README, measured with the models' own programs. */
static void foreign_test_anchors(void) {
    static const struct {
        const char *name;
        double nats;
    } rows[] = {{"stories260K", 1.3008}, {"bitllama2c-1MB", 1.3794}, {"bitllama2c-3MB", 1.2292}};
    onebit_open_options o = onebit_open_options_default();
    char path[1100], words[1100];
    ob_map map;
    int i, k, stories = TEST_ROUNDS(60, 6);
    test_case("foreign: nats of sixty stories under three real models");
    if (!test_data("text/tinystories-v2-train-1MB.txt")) {
        test_skip("no shared data");
        return;
    }
    snprintf(words, sizeof words, "%s", test_data("models/stories260K-tok512.bin"));
    o.tokenizer = words;
    if (!CHECK_OK(ob_map_open(&map, test_data("text/tinystories-v2-train-1MB.txt")))) return;
    for (i = 0; i < 3; i++) {
        ob_slice text = ob_slice_on((const char *)map.data, map.bytes);
        onebit_model *m = NULL;
        onebit_session *s = NULL;
        size_t all = 0, n;
        double nats = 0;
        snprintf(path, sizeof path, "models/%s.bin", rows[i].name);
        CHECK_OK(onebit_model_open_with(&m, test_data(path), &o, NULL));
        CHECK_OK(onebit_session_create(&s, m, NULL, NULL));
        for (k = 0; s && k < stories; k++, all += n)
            nats += foreign_story(s, onebit_model_tokenizer(m), &text, &n);
        CHECK(stories < 60 ? all > 0 : all == 22501);
        if (!CHECK(fabs(nats / (double)all - rows[i].nats) <= (stories < 60 ? 0.2 : 0.002)))
            printf("%s: %.4f nats, not %.4f\n", rows[i].name, nats / (double)all, rows[i].nats);
        onebit_session_free(s);
        onebit_model_free(m);
    }
    ob_map_close(&map);
}

static void test_foreign(void) {
    foreign_test_graphs();
    foreign_test_types();
    foreign_test_only_hugging_face();
    foreign_test_refused_graphs();
    foreign_test_refused_types();
    foreign_test_export_told();
    foreign_test_fit();
    foreign_test_calibration();
    foreign_test_planes();
    foreign_test_regroup();
    foreign_test_words();
    foreign_test_double();
    foreign_test_same();
    foreign_test_bits();
    foreign_test_read_types();
    foreign_test_bad_types();
    foreign_test_list();
    foreign_test_bad_gguf();
    foreign_test_bad_keys();
    foreign_test_positions();
    foreign_test_factor();
    foreign_test_scales();
    foreign_test_not_models();
    foreign_test_hf_config();
    foreign_test_hf_settings();
    foreign_test_hf_weights();
    foreign_test_hf_scales();
    foreign_test_hf_shards();
    foreign_test_llama2c();
    foreign_test_hostile_gguf();
    foreign_test_hostile_llama2c();
    foreign_test_hostile_hf();
    foreign_test_starve();
    foreign_test_groups();
    foreign_test_odd_gguf();
    foreign_test_start();
    foreign_test_odd_hf();
    foreign_test_hf_rare();
    foreign_test_many_shards();
    foreign_test_long_paths();
    foreign_test_no_words();
    foreign_test_misuse();
    foreign_clean();
    foreign_test_golden();
    foreign_test_anchors();
}
#endif /* ONEBIT_NO_FILES */
