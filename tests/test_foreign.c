/* test_foreign.c - models that other programs made: llama2.c, GGUF, Hugging Face; and our models
   written for them. Real files come from the shared data, where they are; others are made here.
   Uses the rigs of test_model.c. */

#ifdef ONEBIT_NO_FILES
static void test_foreign(void) {
    test_case("foreign: there are no files here");
    CHECK(1);
}
#else

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
    static const char *const files[] = {"model.safetensors", "config.json", "tokenizer.json",
                                        "tokenizer_config.json", "model.safetensors.index.json",
                                        "a.safetensors", "b.safetensors", "tokenizer.bin"};
    static const char *const places[] = {"hf", "again", "bad", "none"};
    static const char *const loose[] = {"a.1bit", "b.1bit", "a.gguf", "b.gguf", "bad", "m.bin",
                                        "tokenizer.bin", "m-tok29.bin", ""};
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
typedef enum foreign_near { FOREIGN_BITS, FOREIGN_CODES, FOREIGN_VALUES, FOREIGN_ROUGH } foreign_near;

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
        test_case("foreign: every graph goes out as GGUF and Hugging Face and comes back bit for bit");
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
        o.container = ONEBIT_HUGGING_FACE;
        m = foreign_make(settings, NULL);
        if (m) foreign_trip(m, settings, &o, foreign_types[i].near);
        onebit_model_free(m);
    }
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
    CHECK_OK(onebit_tokenizer_encode(words, ids + 1, 1499, &count, text->p + from, count - from, 0));
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
    int i, k;
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
        for (k = 0; s && k < 60; k++, all += n)
            nats += foreign_story(s, onebit_model_tokenizer(m), &text, &n);
        CHECK(all == 22501);
        if (!CHECK(fabs(nats / 22501 - rows[i].nats) <= 0.002))
            printf("%s: %.4f nats, not %.4f\n", rows[i].name, nats / 22501, rows[i].nats);
        onebit_session_free(s);
        onebit_model_free(m);
    }
    ob_map_close(&map);
}

static void test_foreign(void) {
    foreign_test_graphs();
    foreign_test_types();
    foreign_clean();
    foreign_test_golden();
    foreign_test_anchors();
}
#endif /* ONEBIT_NO_FILES */
