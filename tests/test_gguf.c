/* test_gguf.c - the GGUF container, damaged in every field, and the vocabularies in it. */

typedef struct gguf_made {
    uint8_t p[4096];
    size_t n;
    size_t count_at, tensors_at, key_at, string_at, item_at, array_at; /* where 8-byte fields lie */
    size_t name_at, rank_at, dims_at, type_at, offset_at, data_at;
} gguf_made;

/* A small valid file: a string, a u32, a bool, an array of two strings; a [64, 2] F32 tensor and a
   [64, 2] I2_S one. The places of the fields come along. */
static void gguf_make(gguf_made *m) {
    static const uint64_t dims[2] = {64, 2};
    ob_out o = ob_out_on((char *)m->p, sizeof m->p);
    memset(m, 0, sizeof *m);
    ob_gguf_put_head(&o, 2, 5);
    m->tensors_at = 8, m->count_at = 16;
    m->key_at = o.n;
    m->string_at = o.n + 8 + 20 + 4;
    ob_gguf_put_string(&o, "general.architecture", ob_slice_of("llama"));
    ob_gguf_put_u32(&o, "general.alignment", 32);
    ob_gguf_put_bool(&o, "yes", 1);
    ob_gguf_put_f32(&o, "half", 0.5f);
    ob_gguf_put_array(&o, "names", OB_GGUF_STRING, 2);
    m->array_at = o.n - 8;
    m->item_at = o.n;
    ob_gguf_put_text(&o, ob_slice_of("one"));
    ob_gguf_put_text(&o, ob_slice_of("two"));
    m->name_at = o.n;
    m->rank_at = o.n + 8 + 8;
    m->dims_at = m->rank_at + 4;
    m->type_at = m->dims_at + 16;
    m->offset_at = m->type_at + 4;
    ob_gguf_put_tensor(&o, "a.weight", 2, dims, 0, 0);
    ob_gguf_put_tensor(&o, "b.weight", 2, dims, 36, 512);
    ob_gguf_put_padding(&o);
    m->data_at = o.n;
    m->n = o.n + 512 + 64;
}

/* Opens a copy of exactly that size, so that a sanitizer sees any step outside. */
static onebit_status gguf_try(const uint8_t *p, size_t n) {
    uint8_t *copy = (uint8_t *)malloc(n ? n : 1);
    ob_gguf g;
    onebit_status status;
    if (!copy) return ONEBIT_MEMORY;
    if (n) memcpy(copy, p, n);
    status = ob_gguf_read(&g, copy, n, "made", NULL);
    ob_gguf_close(&g);
    free(copy);
    return status;
}

static void gguf_test_valid(void) {
    gguf_made m;
    ob_gguf g;
    uint64_t n = 0;
    double f = 0;
    int yes = 0;
    ob_slice s = {"", 0};
    ob_reader r;
    const ob_gguf_tensor *t;
    test_case("gguf: a file that was written reads back");
    gguf_make(&m);
    if (!CHECK_OK(ob_gguf_read(&g, m.p, m.n, "made", NULL))) return;
    CHECK(g.version == 3 && g.value_count == 5 && g.tensor_count == 2 && g.holes == 0);
    CHECK(ob_gguf_u64(&g, "general.alignment", &n) && n == 32);
    CHECK(ob_gguf_f64(&g, "general.alignment", &f) && f == 32.0);
    CHECK(ob_gguf_f64(&g, "half", &f) && f == 0.5 && !ob_gguf_u64(&g, "half", &n));
    CHECK(ob_gguf_bool(&g, "yes", &yes) && yes == 1 && !ob_gguf_u64(&g, "yes", &n));
    CHECK(ob_gguf_string(&g, "general.architecture", &s) && ob_slice_is(s, "llama"));
    CHECK(!ob_gguf_string(&g, "yes", &s) && !ob_gguf_find(&g, "yes2") && !ob_gguf_find(&g, ""));
    r = ob_gguf_strings(ob_gguf_array(&g, "names", OB_GGUF_STRING));
    CHECK(ob_slice_is(ob_gguf_read_string(&r), "one"));
    CHECK(ob_slice_is(ob_gguf_read_string(&r), "two") && r.at == r.n && !r.bad);
    t = ob_gguf_tensor_find(&g, "b.weight");
    CHECK(t && t->bytes == 64 && t->data == m.p + m.data_at + 512 && t->dims[0] == 64 &&
          t->dims[2] == 1 && !strcmp(t->type->name, "I2_S"));
    CHECK(!ob_gguf_tensor_find(&g, "a.weigh") && !ob_gguf_tensor_find(&g, "c"));
    ob_gguf_close(&g);
    ob_gguf_close(&g);
    /* bytes behind the last tensor are a hole, not an error */
    CHECK_OK(ob_gguf_read(&g, m.p, m.n + 64, "made", NULL));
    CHECK(g.holes == 1);
    ob_gguf_close(&g);
}

/* Every 8-byte and 4-byte field with values that wrap, sign or reach beyond the file. */
static void gguf_test_fields(void) {
    static const uint64_t values[] = {0,           1,           0x7FFFFFFFu,      0x80000000u,
                                      0xFFFFFFFFu, (uint64_t)1 << 32, (uint64_t)1 << 63,
                                      UINT64_MAX,  UINT64_MAX / 8, UINT64_MAX / 8 + 1,
                                      ((uint64_t)1 << 42) + 1};
    gguf_made m, bad;
    size_t at[12], i, k;
    int refused = 0;
    test_case("gguf: no count, length, dimension or offset is believed");
    gguf_make(&m);
    at[0] = m.count_at, at[1] = m.tensors_at, at[2] = m.key_at, at[3] = m.string_at;
    at[4] = m.array_at, at[5] = m.item_at, at[6] = m.name_at, at[7] = m.dims_at;
    at[8] = m.dims_at + 8, at[9] = m.offset_at, at[10] = m.rank_at, at[11] = m.type_at;
    for (i = 0; i < 12; i++)
        for (k = 0; k < sizeof values / sizeof *values; k++) {
            bad = m;
            if (i < 10) ob_put64(bad.p + at[i], values[k]);
            else ob_put32(bad.p + at[i], (uint32_t)values[k]);
            refused += gguf_try(bad.p, bad.n) != ONEBIT_OK;
        }
    /* what may stand: the F32 tensor at offset 0, or narrower; other ids of its type */
    CHECK(refused >= 110);
    for (i = 0; i < m.n; i++)
        if (gguf_try(m.p, i) == ONEBIT_OK) break;
    CHECK(i == m.n);
}

/* One change to a valid file, and the words that the message must have. */
static void gguf_fails(size_t at, const void *bytes, size_t n, const char *words) {
    gguf_made m;
    gguf_make(&m);
    memcpy(m.p + at, bytes, n);
    if (!CHECK(gguf_try(m.p, m.n) != ONEBIT_OK && strstr(onebit_error_text(), words)))
        printf("  wanted \"%s\", got: %s\n", words, onebit_error_text());
}

static void gguf_test_damage(void) {
    gguf_made m;
    test_case("gguf: each kind of damage has its message");
    gguf_make(&m);
    gguf_fails(0, "FUGU", 4, "does not begin with GGUF");
    gguf_fails(4, "\4\0\0\0", 4, "version 4");
    gguf_fails(4, "\1\0\0\0", 4, "version 1");
    gguf_fails(4, "\0\0\0\3", 4, "big-endian");
    gguf_fails(m.string_at - 4, "\xD\0\0\0", 4, "unknown type 13");
    gguf_fails(m.array_at - 4, "\x9\0\0\0", 4, "array of type 9");
    gguf_fails(m.array_at - 4, "\xD\0\0\0", 4, "array of type 13");
    gguf_fails(m.key_at + 8, "\x01", 1, "no text");
    gguf_fails(m.key_at + 8, "\xFF", 1, "no text");
    gguf_fails(m.name_at + 8, "\x7F", 1, "tensor name");
    gguf_fails(m.name_at + 8, "b", 1, "two tensors are named 'b.weight'");
    gguf_fails(m.rank_at, "\5\0\0\0", 4, "5 dimensions");
    gguf_fails(m.dims_at, "\0\0\0\0\0\0\0\0", 8, "dimension 0");
    gguf_fails(m.dims_at, "\0\0\0\0\0\1\0\0", 8, "beyond 2^40");
    gguf_fails(m.offset_at, "\1", 1, "no multiple");
    gguf_fails(m.offset_at, "\0\2\0\0\0\0\0\0", 8, "overlaps");
    gguf_fails(m.offset_at + 8 + 16 + 4 + 16 + 4, "\xE0\1", 2, "overlaps");
}

static void gguf_test_keys(void) {
    static const char *const again[] = {"a", "b", "a"};
    static const uint32_t alignments[] = {0, 1, 4, 7, 33, 131072, 0xFFFFFFFFu};
    uint8_t p[600];
    ob_out o;
    int i;
    test_case("gguf: keys once, bools 0 or 1, a sane alignment");
    o = ob_out_on((char *)p, sizeof p);
    ob_gguf_put_head(&o, 0, 3);
    for (i = 0; i < 3; i++) ob_gguf_put_u32(&o, again[i], 1);
    CHECK_FAILS(gguf_try(p, o.n), ONEBIT_FORMAT, "the key 'a' stands there twice");
    o = ob_out_on((char *)p, sizeof p);
    ob_gguf_put_head(&o, 0, 1);
    ob_gguf_put_bool(&o, "b", 1);
    CHECK_OK(gguf_try(p, o.n));
    p[o.n - 1] = 2;
    CHECK_FAILS(gguf_try(p, o.n), ONEBIT_FORMAT, "a bool is 2");
    for (i = 0; i < 7; i++) {
        o = ob_out_on((char *)p, sizeof p);
        ob_gguf_put_head(&o, 0, 1);
        ob_gguf_put_u32(&o, "general.alignment", alignments[i]);
        CHECK_FAILS(gguf_try(p, o.n), ONEBIT_FORMAT, "power of two");
    }
}

/* Q2_0 in so many bytes: which blocks are taken for it. */
static int gguf_q2(uint64_t width, size_t bytes, int more) {
    static const uint64_t small[1] = {4};
    static uint8_t p[8192];
    uint64_t dims[2];
    ob_out o = ob_out_on((char *)p, sizeof p);
    ob_gguf g;
    int weights = -1;
    dims[0] = width, dims[1] = 8;
    ob_gguf_put_head(&o, more ? 2u : 1u, 0);
    ob_gguf_put_tensor(&o, "q", 2, dims, 42, 0);
    if (more) ob_gguf_put_tensor(&o, "r", 1, small, 0, ob_round_up(bytes, 32));
    ob_gguf_put_padding(&o);
    o.n += more ? ob_round_up(bytes, 32) + 16 : bytes;
    if (ob_gguf_read(&g, p, o.n, "made", NULL) == ONEBIT_OK) weights = g.tensors[0].type->weights;
    ob_gguf_close(&g);
    return weights;
}

static void gguf_test_q2(void) {
    int more;
    test_case("gguf: the two layouts of Q2_0 are told apart by their space");
    for (more = 0; more < 2; more++) {
        CHECK(gguf_q2(256, 256 / 64 * 18 * 8, more) == 64);
        CHECK(gguf_q2(256, 256 / 128 * 34 * 8, more) == 128);
        CHECK(gguf_q2(192, 192 / 64 * 18 * 8, more) == 64);
        CHECK(gguf_q2(256, 600, more) == -1);
        CHECK(gguf_q2(128, 128 / 64 * 18 * 8, more) == -1);
        CHECK(strstr(onebit_error_text(), "of 64 or of 128") != NULL);
    }
}

/* ---- vocabularies ---- */

/* A vocabulary of n tokens with these types (NULL: none), as the model says. */
static onebit_status gguf_vocab(onebit_tokenizer **t, const char *model, const char *pre,
                                const char *const *tokens, const int *types, int n) {
    static char p[8192];
    ob_out o = ob_out_on(p, sizeof p);
    ob_gguf g;
    onebit_status status;
    int i;
    *t = NULL;
    ob_gguf_put_head(&o, 0, 3u + (types != NULL) + (pre != NULL));
    ob_gguf_put_string(&o, "tokenizer.ggml.model", ob_slice_of(model));
    if (pre) ob_gguf_put_string(&o, "tokenizer.ggml.pre", ob_slice_of(pre));
    ob_gguf_put_array(&o, "tokenizer.ggml.tokens", OB_GGUF_STRING, (uint64_t)n);
    for (i = 0; i < n; i++) ob_gguf_put_text(&o, ob_slice_of(tokens[i]));
    ob_gguf_put_array(&o, "tokenizer.ggml.scores", OB_GGUF_F32, (uint64_t)n);
    for (i = 0; i < n; i++) ob_gguf_put32(&o, ob_float_bits((float)-i));
    if (types) ob_gguf_put_array(&o, "tokenizer.ggml.token_type", OB_GGUF_I32, (uint64_t)n);
    for (i = 0; types && i < n; i++) ob_gguf_put32(&o, (uint32_t)types[i]);
    status = ob_gguf_read(&g, (const uint8_t *)p, o.n, "made", NULL);
    if (status == ONEBIT_OK) status = ob_tokenizer_gguf(t, &g, NULL);
    ob_gguf_close(&g);
    return status;
}

static void gguf_test_tricks(void) {
    static const char *const pads[] = {"<unk>", "<s>", "</s>", "a", "", "", "[PAD1]", "a"};
    static const int types[] = {2, 3, 3, 1, 5, 1, 5, 5};
    static const char *const bad[][4] = {{"<unk>", "<s>", "</s>", "<0x-1>"},
                                         {"<unk>", "<s>", "</s>", "<0xZZ>"},
                                         {"<unk>", "<s>", "</s>", "<0x411>"},
                                         {"<unk>", "<s>", "</s>", "<0x4"}};
    static const int as_byte[] = {2, 3, 3, 6}, no_type[] = {2, 3, 3, 77}, user[] = {2, 3, 3, 4};
    static const char *const broken[] = {"<unk>", "<s>", "</s>", "\xC3("};
    static const char *const twice[] = {"<unk>", "<s>", "</s>", "x", "x"};
    static const char *const names[] = {"bert", "t5", "rwkv", "none", "no_vocab", ""};
    onebit_tokenizer *t = NULL;
    size_t i, n;
    test_case("gguf: tokens that are empty, double, no UTF-8 or bytes of a kind");
    CHECK_OK(gguf_vocab(&t, "llama", NULL, pads, types, 8));
    CHECK(t && onebit_tokenizer_vocab_size(t) == 8 && onebit_tokenizer_piece(t, 4, &n) && n > 0);
    CHECK(t && onebit_tokenizer_ends(t, 2) && !onebit_tokenizer_ends(t, 1));
    onebit_tokenizer_free(t);
    for (i = 0; i < 4; i++)
        CHECK_FAILS(gguf_vocab(&t, "llama", NULL, bad[i], as_byte, 4), ONEBIT_FORMAT, "byte token");
    CHECK_FAILS(gguf_vocab(&t, "llama", NULL, bad[0], no_type, 4), ONEBIT_FORMAT, "type 77");
    CHECK_FAILS(gguf_vocab(&t, "llama", NULL, broken, NULL, 4), ONEBIT_FORMAT, "not UTF-8");
    CHECK_FAILS(gguf_vocab(&t, "llama", NULL, broken, user, 4), ONEBIT_FORMAT, "not UTF-8");
    CHECK_FAILS(gguf_vocab(&t, "llama", NULL, twice, NULL, 5), ONEBIT_UNSUPPORTED, "same text");
    for (i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_FAILS(gguf_vocab(&t, names[i], NULL, pads, NULL, 4), ONEBIT_UNSUPPORTED, names[i]);
    CHECK_FAILS(gguf_vocab(&t, "gpt2", "deepseek-v3", pads, NULL, 4), ONEBIT_UNSUPPORTED,
                "deepseek-v3");
    CHECK(t == NULL);
}

/* Reads a file of vectors with one key and counts the wrong ones; -1 when there is none. */
static int gguf_vectors(const onebit_tokenizer *t, const char *name, const char *key,
                        size_t *lines) {
    size_t n = 0, at = 0;
    char *all = tok_read(name, &n);
    int wrong = 0;
    *lines = 0;
    if (!all) return -1;
    while (t && at < n) {
        const char *end = (const char *)memchr(all + at, '\n', n - at);
        size_t length = end ? (size_t)(end - all) - at : n - at;
        int same = tok_vector(t, all + at, length, key);
        *lines += same >= 0;
        wrong += same == 0;
        at += length + 1;
    }
    free(all);
    return wrong;
}

static void gguf_test_families(void) {
    static const char *const names[] = {"gpt-2", "llama-spm", "phi-3", "deepseek-coder",
                                        "starcoder"};
    onebit_tokenizer *t = NULL;
    char file[80];
    size_t i, lines;
    test_case("gguf: vocabularies of five families give llama.cpp's ids");
    for (i = 0; i < 5; i++) {
        const char *path;
        snprintf(file, sizeof file, "gguf/ggml-vocab-%s.gguf", names[i]);
        path = test_data(file);
        if (!path) {
            test_skip("no shared data");
            return;
        }
        CHECK_OK(onebit_tokenizer_open(&t, path, NULL));
        snprintf(file, sizeof file, "gguf/ggml-vocab-%s.first20.jsonl", names[i]);
        CHECK(gguf_vectors(t, file, "ids", &lines) == 0 && lines == 20);
        CHECK(t && (onebit_tokenizer_template(t) != NULL) == (i == 2));
        if (t) tok_check_packed(t, 1000000);
        onebit_tokenizer_free(t);
        t = NULL;
    }
}

static void gguf_test_forms(void) {
    static const char *const files[][2] = {{"gguf/ggml-vocab-gpt-2.gguf", "gpt2"},
                                           {"gguf/ggml-vocab-llama-spm.gguf", "llama2"},
                                           {"tokenizers/llama2-tokenizer.model", "llama2"},
                                           {"tokenizers/llama2c-tokenizer.bin", "llama2"}};
    onebit_tokenizer *t = NULL;
    size_t i, lines;
    test_case("gguf: one vocabulary in four forms gives the same ids");
    for (i = 0; i < 4; i++) {
        const char *path = test_data(files[i][0]);
        if (!path) {
            test_skip("no shared data");
            return;
        }
        CHECK_OK(onebit_tokenizer_open(&t, path, NULL));
        CHECK(gguf_vectors(t, "tokenizers/vectors-dev.jsonl", files[i][1], &lines) == 0);
        CHECK(lines > 400);
        onebit_tokenizer_free(t);
        t = NULL;
    }
}

static void gguf_test_stories(void) {
    static const char *const files[] = {"models/stories260K-tok512.bin",
                                        "models/bitllama2c-tok.model"};
    static const int32_t want[] = {403, 407, 261, 378}; /* golden-greedy.jsonl, without <s> */
    onebit_tokenizer *t = NULL;
    size_t i;
    test_case("gguf: llama2.c's and SentencePiece's small tokenizers begin a story alike");
    for (i = 0; i < 2; i++) {
        const char *path = test_data(files[i]);
        if (!path) {
            test_skip("no shared data");
            return;
        }
        CHECK_OK(onebit_tokenizer_open(&t, path, NULL));
        CHECK(t && tok_gives(t, "Once upon a time", 16, want, 4));
        CHECK(onebit_tokenizer_start(t) == 1 && onebit_tokenizer_end(t) == 2);
        onebit_tokenizer_free(t);
        t = NULL;
    }
}

/* Writes a tokenizer's keys as a file in memory, and reads them back. */
static onebit_status gguf_again(onebit_tokenizer **u, const onebit_tokenizer *t) {
    ob_out o = ob_out_on(NULL, 0);
    uint64_t keys = 0;
    ob_gguf g;
    char *p;
    onebit_status status = ob_gguf_put_tokenizer(&o, t, onebit_tokenizer_vocab_size(t),
                                 onebit_tokenizer_start(t), &keys);
    size_t n = o.n + 24;
    *u = NULL;
    if (status != ONEBIT_OK) return status;
    p = (char *)malloc(n + 1);
    o = ob_out_on(p, n + 1);
    ob_gguf_put_head(&o, 0, keys);
    CHECK_OK(ob_gguf_put_tokenizer(&o, t, onebit_tokenizer_vocab_size(t),
                                 onebit_tokenizer_start(t), &keys));
    CHECK(o.n == n);
    status = ob_gguf_read(&g, (const uint8_t *)p, n, "again", NULL);
    if (status == ONEBIT_OK) status = ob_tokenizer_gguf(u, &g, NULL);
    ob_gguf_close(&g);
    free(p);
    return status;
}

/* tokenizer.json with extra members for the files beside it. */
static const char gguf_hf[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":3,\"content\":\"<|im_end|>\",\"special\":true},"
    "{\"id\":4,\"content\":\"<bos>\",\"special\":true},{\"id\":5,\"content\":\"<stop>\","
    "\"special\":true},{\"id\":6,\"content\":\"<eos>\",\"special\":true}],"
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

static void gguf_test_out(void) {
    static const onebit_tokenizer_kind kinds[] = {ONEBIT_TOKENIZER_BPE, ONEBIT_TOKENIZER_BYTE};
    onebit_tokenizer *t = NULL, *u = NULL;
    size_t i;
    test_case("gguf: a tokenizer written as keys comes back the same");
    for (i = 0; i < 2; i++) {
        CHECK_OK(onebit_tokenizer_train(&t, kinds[i], "the cat, the hat", 16, 270, NULL));
        CHECK_OK(gguf_again(&u, t));
        CHECK(u && u->vocab == t->vocab && u->merges == t->merges && u->end == t->end &&
              !memcmp(u->merge, t->merge, (size_t)t->merges * 3 * sizeof *t->merge));
        onebit_tokenizer_free(u);
        onebit_tokenizer_free(t);
    }
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_CHAR, "abc", 3, 0, NULL));
    CHECK_FAILS(gguf_again(&u, t), ONEBIT_UNSUPPORTED, "CHAR");
    onebit_tokenizer_free(t);
}

/* Memory that runs out at the k-th request, and counts what is held. */
typedef struct gguf_memory {
    long left, held;
} gguf_memory;

static void *gguf_alloc(void *user, size_t bytes) {
    gguf_memory *m = (gguf_memory *)user;
    void *p = m->left-- > 0 ? malloc(bytes) : NULL;
    m->held += p != NULL;
    return p;
}

static void gguf_release(void *user, void *p) {
    ((gguf_memory *)user)->held -= p != NULL;
    free(p);
}

static void gguf_test_memory(void) {
    static const char *const files[] = {"tests/fuzz/corpus/gguf/spm",
                                        "tests/fuzz/corpus/gguf/bytes",
                                        "tests/fuzz/corpus/spm/model",
                                        "tests/fuzz/corpus/spm/llama2c"};
    onebit_env env = onebit_env_default();
    gguf_memory m;
    size_t i;
    long k;
    test_case("gguf: memory that runs out anywhere is an error without a leak");
    env.user = &m;
    env.alloc = gguf_alloc;
    env.release = gguf_release;
    for (i = 0; i < 4; i++)
        for (k = 0; k < 40; k++) {
            onebit_tokenizer *t = NULL;
            onebit_status status;
            m.left = k;
            m.held = 0;
            status = onebit_tokenizer_open(&t, files[i], &env);
            CHECK(status == ONEBIT_OK || (status == ONEBIT_MEMORY && !t));
            onebit_tokenizer_free(t);
            CHECK(m.held == 0);
            if (status == ONEBIT_OK) break;
            CHECK(k < 39);
        }
}

static void gguf_save(const char *d, const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", d, name);
    if (text) CHECK_OK(ob_file_write(path, text, strlen(text)));
    else remove(path);
}

static void gguf_test_beside(void) {
    onebit_tokenizer *t = NULL, *u = NULL;
    char d[80], config[600];
    size_t n;
    test_case("gguf: a directory's files name ends, start and chat template");
    snprintf(d, sizeof d, "build/test-gguf-%ld", ob_process());
    if (!CHECK_OK(ob_make_directory(d))) return;
    gguf_save(d, "tokenizer.json", gguf_hf);
    CHECK_OK(onebit_tokenizer_open(&t, d, NULL));
    CHECK(onebit_tokenizer_end(t) == 3 && onebit_tokenizer_start(t) == -1);
    CHECK(onebit_tokenizer_template(t) == NULL && onebit_tokenizer_ends(t, 3) &&
          !onebit_tokenizer_ends(t, 5));
    onebit_tokenizer_free(t);
    gguf_save(d, "generation_config.json", "{\"eos_token_id\":[5,6]}");
    gguf_save(d, "config.json", "{\"eos_token_id\":6}");
    gguf_save(d, "tokenizer_config.json",
              "{\"eos_token\":{\"content\":\"<eos>\"},\"bos_token\":\"<bos>\","
              "\"add_bos_token\":true,"
              "\"chat_template\":[{\"name\":\"tool\",\"template\":\"x\"},{\"name\":\"default\","
              "\"template\":\"{{\\\"a\\\"}}\\n\"}]}");
    CHECK_OK(onebit_tokenizer_open(&t, d, NULL));
    CHECK(onebit_tokenizer_end(t) == 6 && onebit_tokenizer_start(t) == 4);
    CHECK(onebit_tokenizer_ends(t, 3) && onebit_tokenizer_ends(t, 5));
    CHECK(onebit_tokenizer_ends(t, 6));
    CHECK(!onebit_tokenizer_ends(t, 4) && !onebit_tokenizer_ends(t, 0));
    CHECK(t && t->chat && !strcmp(onebit_tokenizer_template(t), "{{\"a\"}}\n"));
    if (t) tok_check_packed(t, 2000);
    n = ob_tokenizer_config_write(t, config, sizeof config);
    CHECK(n < sizeof config && strstr(config, "\"bos_token\":\"<bos>\"") &&
          strstr(config, "\"chat_template\":\"{{\\\"a\\\"}}\\n\""));
    CHECK_OK(gguf_again(&u, t));
    CHECK(u && u->start == 4 && u->end == 6 && onebit_tokenizer_ends(u, 5) && u->chat &&
          !strcmp(u->chat, t->chat));
    onebit_tokenizer_free(u);
    onebit_tokenizer_free(t);
    gguf_save(d, "chat_template.jinja", "{{ from_file }}");
    CHECK_OK(onebit_tokenizer_open(&t, d, NULL));
    CHECK(t && t->chat && !strcmp(t->chat, "{{ from_file }}"));
    onebit_tokenizer_free(t);
    gguf_save(d, "generation_config.json", "{\"eos_token_id\":[5,99]}");
    CHECK_FAILS(onebit_tokenizer_open(&t, d, NULL), ONEBIT_FORMAT, "99");
    gguf_save(d, "generation_config.json", "{\"eos_token_id\":[5,");
    CHECK_FAILS(onebit_tokenizer_open(&t, d, NULL), ONEBIT_FORMAT, "generation_config");
    gguf_save(d, "tokenizer.json", NULL), gguf_save(d, "config.json", NULL);
    gguf_save(d, "generation_config.json", NULL), gguf_save(d, "chat_template.jinja", NULL);
    gguf_save(d, "tokenizer_config.json", NULL);
    remove(d);
}

/* Words by the two rules that only GGUF files name: the length of each as a digit. */
static void gguf_words(int split, const char *text, const char *lengths) {
    onebit_tokenizer *t = NULL;
    size_t n = strlen(text), at = 0, used;
    char got[40];
    int k = 0;
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, "aab aab", 7, 258, NULL));
    if (!t) return;
    t->rules.split = (uint8_t)split;
    for (; at < n && k < 39; at += used)
        used = ob_cut(t, text + at, n - at), got[k++] = (char)('0' + (char)used);
    got[k] = 0;
    if (!CHECK(!strcmp(got, lengths))) printf("  %s: %s\n", text, got);
    onebit_tokenizer_free(t);
}

static void gguf_test_words(void) {
    test_case("gguf: words of deepseek-coder and of llama.cpp's default");
    gguf_words(OB_SPLIT_CODER, "a  b\r\n12 (x) $$ y", "112111121132");
    gguf_words(OB_SPLIT_CODER, " \xE4\xB8\xAD" "a", "131");
    gguf_words(OB_SPLIT_PLAIN, "a's 1234,  b", "111131112");
}

/* Numbers under one key of each type, as arrays and alone, whose bytes are those of the value. */
static void gguf_test_numbers(void) {
    static const struct {
        uint32_t type;
        size_t width;
        uint64_t bits;
        double real;
        int whole; /* not negative, and no float */
    } rows[] = {{OB_GGUF_U8, 1, 200, 200, 1},
                {OB_GGUF_I8, 1, 0xFD, -3, 0},
                {OB_GGUF_I8, 1, 7, 7, 1},
                {OB_GGUF_U16, 2, 65000, 65000, 1},
                {OB_GGUF_I16, 2, 0xFED4, -300, 0},
                {OB_GGUF_U32, 4, 0xFFFFFFFFu, 4294967295.0, 1},
                {OB_GGUF_I32, 4, 0x80000000u, -2147483648.0, 0},
                {OB_GGUF_U64, 8, (uint64_t)1 << 53, 9007199254740992.0, 1},
                {OB_GGUF_I64, 8, 0 - ((uint64_t)1 << 40), -1099511627776.0, 0},
                {OB_GGUF_I64, 8, 5, 5, 1},
                {OB_GGUF_F32, 4, 0xBF000000u, -0.5, 0},
                {OB_GGUF_F64, 8, 0x4004000000000000u, 2.5, 0}};
    uint8_t p[200], bytes[8];
    uint64_t n;
    double f;
    ob_gguf g;
    ob_out o;
    size_t i;
    int array;
    test_case("gguf: numbers of every type, alone and in arrays");
    for (i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        const ob_gguf_value *v;
        size_t k = i / 2;
        array = (int)(i % 2);
        o = ob_out_on((char *)p, sizeof p);
        ob_gguf_put_head(&o, 0, 1);
        if (array) ob_gguf_put_array(&o, "n", rows[k].type, 1);
        else ob_gguf_put_key(&o, "n", rows[k].type);
        ob_put64(bytes, rows[k].bits);
        ob_out_add(&o, bytes, rows[k].width);
        if (!CHECK_OK(ob_gguf_read(&g, p, o.n, "made", NULL))) continue;
        v = ob_gguf_find(&g, "n");
        n = 1, f = -7;
        CHECK(ob_gguf_item_u64(v, 0, &n) == rows[k].whole);
        CHECK(n == (rows[k].whole ? rows[k].bits : 1));
        CHECK(ob_gguf_item_f64(v, 0, &f) && f == rows[k].real);
        CHECK(!ob_gguf_item_u64(v, 1, &n) && !ob_gguf_item_f64(v, 1, &f));
        CHECK(ob_gguf_u64(&g, "n", &n) == (!array && rows[k].whole));
        CHECK(ob_gguf_f64(&g, "n", &f) == !array);
        CHECK((ob_gguf_array(&g, "n", rows[k].type) != NULL) == array);
        CHECK(!ob_gguf_array(&g, "n", OB_GGUF_STRING) && !ob_gguf_array(&g, "m", rows[k].type));
        CHECK(!ob_gguf_bool(&g, "n", &array) && !ob_gguf_bool(&g, "m", &array));
        CHECK(!ob_gguf_f64(&g, "m", &f) && !ob_gguf_u64(&g, "m", &n));
        ob_gguf_close(&g);
    }
    test_case("gguf: arrays of bools, and keys that are no number where one must be");
    o = ob_out_on((char *)p, sizeof p);
    ob_gguf_put_head(&o, 0, 1);
    ob_gguf_put_array(&o, "b", OB_GGUF_BOOL, 2);
    ob_out_add(&o, "\1\0", 2);
    if (CHECK_OK(ob_gguf_read(&g, p, o.n, "made", NULL))) {
        CHECK(!ob_gguf_item_f64(ob_gguf_find(&g, "b"), 0, &f));
        ob_gguf_close(&g);
    }
    p[o.n - 1] = 2;
    CHECK_FAILS(gguf_try(p, o.n), ONEBIT_FORMAT, "a bool is 2");
    for (i = 0; i < 2; i++) {
        o = ob_out_on((char *)p, sizeof p);
        ob_gguf_put_head(&o, 0, 1);
        if (i) ob_gguf_put_array(&o, "general.alignment", OB_GGUF_U32, 1);
        else ob_gguf_put_key(&o, "general.alignment", OB_GGUF_F32);
        ob_gguf_put32(&o, 32);
        CHECK_FAILS(gguf_try(p, o.n), ONEBIT_FORMAT, "power of two");
    }
}

/* ---- vocabularies that lie ---- */

/* One more key of a vocabulary. kind: u number, a array of such (one for each token), b bool,
   s string, m array of one string; f array of floats, one for each token. */
typedef struct gguf_key {
    const char *name;
    char kind;
    uint32_t number;
    const char *text;
} gguf_key;

/* A vocabulary of n tokens and these keys, until one has no name. */
static onebit_status gguf_keyed(onebit_tokenizer **t, const char *model, const char *const *tokens,
                                int n, const gguf_key *keys) {
    static char p[8192];
    ob_out o = ob_out_on(p, sizeof p);
    ob_gguf g;
    onebit_status status;
    uint64_t count = 0;
    int i;
    *t = NULL;
    while (keys[count].name) count++;
    ob_gguf_put_head(&o, 0, count + (model != NULL) + (tokens != NULL));
    if (model) ob_gguf_put_string(&o, "tokenizer.ggml.model", ob_slice_of(model));
    if (tokens) ob_gguf_put_array(&o, "tokenizer.ggml.tokens", OB_GGUF_STRING, (uint64_t)n);
    for (i = 0; tokens && i < n; i++) ob_gguf_put_text(&o, ob_slice_of(tokens[i]));
    for (; keys->name; keys++) {
        if (keys->kind == 'u') ob_gguf_put_u32(&o, keys->name, keys->number);
        if (keys->kind == 'b') ob_gguf_put_bool(&o, keys->name, (int)keys->number);
        if (keys->kind == 's') ob_gguf_put_string(&o, keys->name, ob_slice_of(keys->text));
        if (keys->kind == 'm') {
            ob_gguf_put_array(&o, keys->name, OB_GGUF_STRING, 1);
            ob_gguf_put_text(&o, ob_slice_of(keys->text));
        }
        if (keys->kind == 'a' || keys->kind == 'f') {
            ob_gguf_put_array(&o, keys->name, keys->kind == 'a' ? OB_GGUF_U32 : OB_GGUF_F32,
                              (uint64_t)n);
            for (i = 0; i < n; i++) ob_gguf_put32(&o, keys->number);
        }
    }
    status = ob_gguf_read(&g, (const uint8_t *)p, o.n, "made", NULL);
    if (status == ONEBIT_OK) status = ob_tokenizer_gguf(t, &g, NULL);
    ob_gguf_close(&g);
    return status;
}

#define GGUF_TYPES  "tokenizer.ggml.token_type"
#define GGUF_SCORES "tokenizer.ggml.scores"
#define GGUF_MERGES "tokenizer.ggml.merges"

/* The same with one key or two; words are of the message, NULL = it opens. */
static void gguf_lies(const char *model, const char *const *tokens, int n, gguf_key one,
                      gguf_key two, const char *words) {
    gguf_key keys[3];
    onebit_tokenizer *t;
    onebit_status status;
    memset(keys, 0, sizeof keys);
    keys[0] = one, keys[1] = two;
    status = gguf_keyed(&t, model, tokens, n, keys);
    CHECK((status == ONEBIT_OK) == (t != NULL) && (status == ONEBIT_OK) == (words == NULL));
    if (words && !CHECK(strstr(onebit_error_text(), words) != NULL))
        printf("  wanted \"%s\": %s\n", words, onebit_error_text());
    if (!words && status) printf("  %s: %s\n", one.name, onebit_error_text());
    onebit_tokenizer_free(t);
}

static gguf_key gguf_key_of(const char *name, char kind, uint32_t number, const char *text) {
    gguf_key k;
    k.name = name, k.kind = kind, k.number = number, k.text = text;
    return k;
}

static void gguf_test_lists(void) {
    static const char *const three[] = {"a", "b", "ab"}, *const pieces[] = {"<unk>", "<s>", "</s>"};
    const gguf_key none = gguf_key_of(NULL, 0, 0, NULL);
    const gguf_key scores = gguf_key_of(GGUF_SCORES, 'f', 0, NULL);
    gguf_key odd = gguf_key_of(GGUF_TYPES, 'u', 1, NULL);
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
                                      "tokenizer.ggml.unknown_token_id"};
    size_t i;
    test_case("gguf: lists of a vocabulary that are missing, too short or of another type");
    gguf_lies(NULL, three, 3, none, none, "holds no vocabulary");
    gguf_lies("gpt2", NULL, 0, none, none, "must be 1 to");
    gguf_lies("gpt2", three, 0, none, none, "must be 1 to");
    gguf_lies("gpt2", three, 3, none, none, NULL);
    gguf_lies("gpt2", three, 3, odd, none, "as many token_type");
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_TYPES, 'm', 0, "x"), none, "as many token_type");
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_TYPES, 'f', 0, NULL), none, "unknown type 0");
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_TYPES, 'a', 300, NULL), none, "unknown type 0");
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_TYPES, 'a', 6, NULL), none, "byte token 0");
    gguf_lies("llama", pieces, 3, none, none, "as many token_type and scores");
    gguf_lies("llama", pieces, 3, gguf_key_of(GGUF_SCORES, 'a', 0, NULL), none, "and scores");
    gguf_lies("llama", pieces, 3, gguf_key_of(GGUF_SCORES, 'f', 0x7FC00000, NULL), none,
              "is no number");
    gguf_lies("llama", pieces, 3, scores, gguf_key_of(GGUF_MERGES, 'm', 0, "passed over"), NULL);
    gguf_lies("llama", pieces, 1, scores, none, NULL);
    gguf_lies("llama", pieces, 2, scores, none, NULL);
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_MERGES, 'm', 0, "a b"), none, NULL);
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_MERGES, 'm', 0, ""), none, "merge 0 is no");
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_MERGES, 'm', 0, "ab"), none, "merge 0 is no");
    gguf_lies("gpt2", three, 3, gguf_key_of(GGUF_MERGES, 'm', 0, "a c"), none, "made");
    test_case("gguf: ids of a vocabulary that are none");
    for (i = 0; i < 5; i++) {
        gguf_lies("llama", pieces, 3, scores, gguf_key_of(ids[i], 'u', 3, NULL),
                  "there are 3 tokens");
        gguf_lies("llama", pieces, 3, scores, gguf_key_of(ids[i], 'u', 0xFFFFFFFFu, NULL), NULL);
        gguf_lies("llama", pieces, 3, scores, gguf_key_of(ids[i], 'u', 2, NULL), NULL);
    }
    gguf_lies("gpt2", three, 3, gguf_key_of(ids[1], 'u', 2, NULL), none, NULL);
    gguf_lies("gpt2", three, 3, gguf_key_of("tokenizer.ggml.pre", 's', 0, "llama-bpe"),
              gguf_key_of(ids[0], 'u', 1, NULL), NULL);
    gguf_lies("gpt2", three, 3, gguf_key_of(ids[0], 'u', OB_LLAMA_RANKS, NULL), none,
              "there are 3 tokens");
    gguf_lies("gpt2", three, 3, gguf_key_of(ids[0], 'u', OB_GPT2_RANKS, NULL), none,
              "there are 3 tokens");
    gguf_lies("gpt2", three, 3, gguf_key_of("tokenizer.ggml.pre", 's', 0, "gpt-2"),
              gguf_key_of(ids[0], 'u', OB_LLAMA_RANKS, NULL), "there are 3 tokens");
}

/* Tokens that GPT-2's alphabet does not spell, texts that two have, and Phi-3 by its name. */
static void gguf_test_names(void) {
    static const char *const plain[] = {"a", "[pad 1]", "", "b\x7F\xE4\xB8\xAD", "\xC4\xA0z"};
    static const char *const twice[] = {"a", "x y", "b", "x y"};
    static const char *const names[] = {"Phi-3 mini", "my phi3", "Phi-2", "PHI", "phi", "pho-3",
                                        "qhi3", "ph-3x", "x"};
    static const char *const pieces[] = {"<unk>", "<s>", "</s>", "<|x|>"};
    const gguf_key end = gguf_key_of(NULL, 0, 0, NULL);
    gguf_key keys[4];
    onebit_tokenizer *t = NULL;
    size_t i, n;
    test_case("gguf: byte-level tokens that are not spelled so keep their text");
    keys[0] = end;
    if (CHECK_OK(gguf_keyed(&t, "gpt2", plain, 5, keys))) {
        CHECK(!memcmp(onebit_tokenizer_piece(t, 1, &n), "[pad 1]", 7) && n == 7);
        CHECK(!memcmp(onebit_tokenizer_piece(t, 3, &n), "b\x7F\xE4\xB8\xAD", 5) && n == 5);
        CHECK(!memcmp(onebit_tokenizer_piece(t, 4, &n), " z", 2) && n == 2);
        onebit_tokenizer_free(t);
    }
    if (CHECK_OK(gguf_keyed(&t, "gpt2", twice, 4, keys))) {
        CHECK(!memcmp(onebit_tokenizer_piece(t, 3, &n), "[EMPTY_3]", 9) && n == 9);
        onebit_tokenizer_free(t);
    }
    test_case("gguf: Phi-3 is told by its name");
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        keys[0] = gguf_key_of("general.name", 's', 0, names[i]);
        keys[1] = gguf_key_of(GGUF_SCORES, 'f', 0, NULL);
        keys[2] = gguf_key_of(GGUF_TYPES, 'a', 3, NULL);
        keys[3] = end;
        if (!CHECK_OK(gguf_keyed(&t, "llama", pieces, 4, keys))) continue;
        CHECK((t->role[3] & OB_TOKEN_RIGHT ? 1 : 0) == (i < 2) && !(t->role[1] & OB_TOKEN_RIGHT));
        onebit_tokenizer_free(t);
    }
}

/* A file without a rule whose ids are GPT-2's. */
static void gguf_test_gpt2_ids(void) {
    enum { COUNT = OB_GPT2_RANKS + 1, BYTES = COUNT * 16 + 400 };
    char *p = (char *)malloc(BYTES), text[12];
    ob_out o = ob_out_on(p, BYTES);
    onebit_tokenizer *t = NULL;
    ob_gguf g;
    int i;
    test_case("gguf: a vocabulary of GPT-2's size that names no rule has GPT-2's");
    ob_gguf_put_head(&o, 0, 3);
    ob_gguf_put_string(&o, "tokenizer.ggml.model", ob_slice_of("gpt2"));
    ob_gguf_put_u32(&o, "tokenizer.ggml.bos_token_id", OB_GPT2_RANKS);
    ob_gguf_put_array(&o, "tokenizer.ggml.tokens", OB_GGUF_STRING, COUNT);
    for (i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%d", i);
        ob_gguf_put_text(&o, ob_slice_of(text));
    }
    if (CHECK_OK(ob_gguf_read(&g, (const uint8_t *)p, o.n, "made", NULL)))
        CHECK_OK(ob_tokenizer_gguf(&t, &g, NULL));
    ob_gguf_close(&g);
    CHECK(t && t->rules.split == OB_SPLIT_GPT2);
    onebit_tokenizer_free(t);
    free(p);
}

/* ---- SentencePiece's and llama2.c's files ---- */

typedef struct gguf_bytes {
    uint8_t p[8192];
    size_t n;
} gguf_bytes;

static void gguf_put(gguf_bytes *b, const void *p, size_t n) {
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* A varint, and a field of text. */
static void gguf_pb_number(gguf_bytes *b, uint64_t v) {
    for (; v >= 128; v >>= 7) b->p[b->n++] = (uint8_t)(v | 128);
    b->p[b->n++] = (uint8_t)v;
}

static void gguf_pb_field(gguf_bytes *b, int number, const void *p, size_t n) {
    gguf_pb_number(b, (uint64_t)number << 3 | 2);
    gguf_pb_number(b, n);
    gguf_put(b, p, n);
}

/* A piece: its text (NULL: none), its score, its type (0: none). */
static void gguf_pb_piece(gguf_bytes *b, const char *text, float score, uint32_t type) {
    gguf_bytes in;
    uint8_t four[4];
    in.n = 0;
    if (text) gguf_pb_field(&in, 1, text, strlen(text));
    ob_putf32(four, score);
    in.p[in.n++] = 2 << 3 | 5;
    gguf_put(&in, four, 4);
    if (type) in.p[in.n++] = 3 << 3, gguf_pb_number(&in, type);
    gguf_pb_field(b, 1, in.p, in.n);
}

/* <unk>, <s>, </s>, and the settings of BPE. */
static gguf_bytes gguf_model(void) {
    gguf_bytes b;
    b.n = 0;
    gguf_pb_piece(&b, "<unk>", 0, 2);
    gguf_pb_piece(&b, "<s>", 0, 3);
    gguf_pb_piece(&b, "</s>", 0, 3);
    gguf_pb_field(&b, 2, "\x18\2", 2);
    return b;
}

static onebit_status gguf_open_bytes(onebit_tokenizer **t, const void *p, size_t n) {
    onebit_status status;
    char path[80];
    snprintf(path, sizeof path, "build/test-gguf-%ld.model", ob_process());
    *t = NULL;
    if (!CHECK_OK(ob_file_write(path, p, n))) return ONEBIT_IO;
    status = onebit_tokenizer_open(t, path, NULL);
    CHECK((status == ONEBIT_OK) == (*t != NULL));
    remove(path);
    return status;
}

/* Bytes behind the good file; words are of the message, NULL = it opens. */
static void gguf_spm(const void *more, size_t n, const char *words) {
    gguf_bytes b = gguf_model();
    onebit_tokenizer *t;
    onebit_status status;
    gguf_put(&b, more, n);
    status = gguf_open_bytes(&t, b.p, b.n);
    if (!CHECK(words ? status != ONEBIT_OK && strstr(onebit_error_text(), words)
                     : status == ONEBIT_OK))
        printf("  wanted \"%s\": %s\n", words ? words : "", status ? onebit_error_text() : "ok");
    onebit_tokenizer_free(t);
}

static void gguf_test_spm(void) {
    static char longer[1200];
    gguf_bytes b;
    onebit_tokenizer *t;
    test_case("gguf: a .model of SentencePiece with unknown, odd and damaged fields");
    gguf_spm("", 0, NULL);
    gguf_spm("\x48\x96\x01\x51" "12345678\x55" "1234", 17, NULL); /* 9, 10 and 10 of three widths */
    gguf_spm("\x10\5\x18\5", 4, NULL);                            /* 2 and 3 as numbers */
    gguf_spm("\x48\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, NULL);
    gguf_spm("\x48\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12, "damaged .model");
    gguf_spm("\x4B", 1, "damaged .model");         /* a group */
    gguf_spm("\x02\x00", 2, "damaged .model");     /* field 0 */
    gguf_spm("\x4A\x05" "abc", 5, "damaged .model"); /* longer than what is left */
    gguf_spm("\x12\x02\x1A\x05", 4, "damaged .model");
    gguf_spm("\x0A\x02\x0A\x05", 4, "piece 3 is damaged");
    gguf_spm("\x0A\x00\x0A\x02\x0A\x00", 6, NULL); /* pieces without a text */
    gguf_spm("\x0A\x02\x08\x01\x08\x07", 6, NULL); /* a piece whose text is a number; a number */
    gguf_spm("\x12\x02\x18\1", 4, "of the kind Unigram");
    gguf_spm("\x12\x02\x18\4", 4, "of the kind Char");
    gguf_spm("\x12\x02\x18\x09", 4, "no known kind");
    gguf_spm("\x12\x03\xC0\x01\x01", 5, "changes no characters"); /* white space as a suffix */
    gguf_spm("\x1A\x03\x12\x01x", 5, "with a table");
    gguf_spm("\x1A\x02\x28\0", 4, "changes no characters"); /* spaces are not escaped */
    gguf_spm("\x1A\x02\x28\1", 4, NULL);
    test_case("gguf: pieces of SentencePiece that are no text, too long or no number");
    memset(longer, 'x', sizeof longer - 1);
    b = gguf_model(), gguf_pb_piece(&b, longer, 0, 0);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n), ONEBIT_FORMAT, "token 3 is not UTF-8");
    b = gguf_model(), gguf_pb_piece(&b, longer, 0, 5);
    CHECK_OK(gguf_open_bytes(&t, b.p, b.n)); /* unused */
    onebit_tokenizer_free(t);
    b = gguf_model(), gguf_pb_piece(&b, "a b", 0, 0);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n), ONEBIT_FORMAT, "plain space");
    b = gguf_model(), gguf_pb_piece(&b, "a", NAN, 0);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n), ONEBIT_FORMAT, "token 3 is no number");
    b = gguf_model(), gguf_pb_piece(&b, "a", 0, 300);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n), ONEBIT_FORMAT, "unknown type 0");
    b = gguf_model(), gguf_pb_piece(&b, "<unk2>", 0, 2);
    CHECK_OK(gguf_open_bytes(&t, b.p, b.n));
    onebit_tokenizer_free(t);
    b = gguf_model(); /* spelled as bytes without a type; an added part makes no merge */
    gguf_pb_piece(&b, "<0x41>", 0, 0), gguf_pb_piece(&b, "y", 0, 4), gguf_pb_piece(&b, "z", 0, 0);
    gguf_pb_piece(&b, "yz", -1, 0), gguf_pb_piece(&b, "zz", -2, 0);
    if (CHECK_OK(gguf_open_bytes(&t, b.p, b.n))) {
        CHECK(t->merges == 1 && t->rules.prefix == OB_PREFIX_PART && t->start == 1 && t->end == 2);
        onebit_tokenizer_free(t);
    }
    test_case("gguf: ids of start and end that are none, and no space in front");
    b = gguf_model();
    gguf_pb_piece(&b, "a", 0, 0);
    gguf_pb_field(&b, 2, "\xC8\x02\x03\xD0\x02\x03", 6), gguf_pb_field(&b, 3, "\x18\0", 2);
    if (CHECK_OK(gguf_open_bytes(&t, b.p, b.n))) {
        CHECK(t->start == -1 && t->end == -1 && t->rules.prefix == OB_PREFIX_NEVER);
        onebit_tokenizer_free(t);
    }
    gguf_spm("\x12\x06\xC8\x02\x63\xD0\x02\x63", 8, NULL);
}

static void gguf_test_llama2c(void) {
    gguf_bytes b;
    onebit_tokenizer *t;
    int i;
    char text[8];
    test_case("gguf: a tokenizer.bin of llama2.c that is cut or damaged");
    b.n = 4, memset(b.p, 0, 4);
    for (i = 0; i < 260; i++) {
        const char *s = i == 0 ? "<unk>" : i == 1 ? "\n<s>\n" : i == 2 ? "\n</s>\n" : text;
        snprintf(text, sizeof text, i < 259 ? "<0x%02X>" : "a", i - 3);
        memset(b.p + b.n, 0, 4), ob_put32(b.p + b.n + 4, (uint32_t)strlen(s)), b.n += 8;
        gguf_put(&b, s, strlen(s));
    }
    CHECK_OK(gguf_open_bytes(&t, b.p, b.n));
    onebit_tokenizer_free(t);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n - 1), ONEBIT_FORMAT, "ends within token 259");
    CHECK_FAILS(gguf_open_bytes(&t, b.p, 100), ONEBIT_FORMAT, "ends within token");
    CHECK_FAILS(gguf_open_bytes(&t, b.p, 17 + 13), ONEBIT_FORMAT, "ends within token 2");
    CHECK(gguf_open_bytes(&t, b.p, 17) == ONEBIT_FORMAT);
    CHECK_OK(gguf_open_bytes(&t, b.p, b.n - 9)); /* 259 tokens */
    onebit_tokenizer_free(t);
    ob_putf32(b.p + b.n - 9, NAN);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n), ONEBIT_FORMAT, "token 259 is no number");
    b.p[b.n - 1] = 0xFF, ob_putf32(b.p + b.n - 9, 0);
    CHECK_FAILS(gguf_open_bytes(&t, b.p, b.n), ONEBIT_FORMAT, "token 259 is not UTF-8");
    b.p[12] = '[';
    CHECK(gguf_open_bytes(&t, b.p, b.n) == ONEBIT_FORMAT);
}

/* What stands beside tokenizer.json in other shapes than usual. */
static void gguf_test_beside_odd(void) {
    static const struct {
        const char *name, *text;
        const char *words; /* NULL = it opens */
    } rows[] = {
        {"config.json", "{\"eos_token_id\":null}", NULL},
        {"config.json", "{\"eos_token_id\":\"6\"}", NULL},
        {"config.json", "{\"eos_token_id\":[5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5]}",
         NULL},
        {"config.json", "{\"eos_token_id\":[\"x\"]}", "config.json"},
        {"tokenizer_config.json", "{\"eos_token\":null,\"bos_token\":7}", NULL},
        {"tokenizer_config.json",
         "{\"eos_token\":{\"content\":7,\"x\":[]},\"bos_token\":{\"content\":\"<bos>\"}}", NULL},
        {"tokenizer_config.json", "{\"chat_template\":null,\"add_bos_token\":false}", NULL},
        {"tokenizer_config.json", "{\"chat_template\":7}", NULL},
        {"tokenizer_config.json", "{\"chat_template\":\"{{ 1 }}\"}", "1"},
        {"tokenizer_config.json",
         "{\"chat_template\":[{\"name\":1,\"template\":2,\"x\":3},{\"name\":\"y\"}]}", NULL},
        {"tokenizer_config.json", "{\"chat_template\":[7]}", "tokenizer_config.json"},
        {"chat_template.jinja", "", NULL},
    };
    onebit_tokenizer *t = NULL;
    char d[80], *big = (char *)malloc(6 * (size_t)OB_CHAT_MAX + 100);
    static const char front[] = "{\"chat_template\":\"";
    size_t i, n;
    test_case("gguf: files beside tokenizer.json of odd shapes, and too large");
    snprintf(d, sizeof d, "build/test-gguf-%ld", ob_process());
    if (!CHECK_OK(ob_make_directory(d)) || !CHECK(big != NULL)) return;
    gguf_save(d, "tokenizer.json", gguf_hf);
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        onebit_status status;
        int chat = rows[i].words && !strcmp(rows[i].words, "1");
        gguf_save(d, rows[i].name, rows[i].text);
        status = onebit_tokenizer_open(&t, d, NULL);
        if (!CHECK(rows[i].words && !chat
                       ? status == ONEBIT_FORMAT && strstr(onebit_error_text(), rows[i].words)
                       : status == ONEBIT_OK))
            printf("  %s: %s\n", rows[i].text, status ? onebit_error_text() : "ok");
        CHECK(!t || (onebit_tokenizer_template(t) != NULL) == chat);
        onebit_tokenizer_free(t);
        t = NULL;
        gguf_save(d, rows[i].name, NULL);
    }
    n = OB_CHAT_MAX + 1;
    memset(big, 'x', n), big[n] = 0;
    gguf_save(d, "chat_template.jinja", big);
    CHECK_FAILS(onebit_tokenizer_open(&t, d, NULL), ONEBIT_UNSUPPORTED, "more than");
    gguf_save(d, "chat_template.jinja", NULL);
    n = 6 * (size_t)OB_CHAT_MAX + 50;
    memset(big, 'x', n), memcpy(big, front, strlen(front)), strcpy(big + n, "\"}");
    gguf_save(d, "tokenizer_config.json", big);
    CHECK_FAILS(onebit_tokenizer_open(&t, d, NULL), ONEBIT_UNSUPPORTED, "a chat template of");
    gguf_save(d, "tokenizer_config.json", NULL), gguf_save(d, "tokenizer.json", NULL);
    remove(d);
    free(big);
}

/* Memory that runs out while a directory's files are read: at each of the first requests. */
static void gguf_test_beside_memory(void) {
    static const char *const files[][2] = {{"chat_template.jinja", "{{ x }}"},
                                           {"tokenizer_config.json", "{\"chat_template\":\"x\"}"}};
    onebit_env env = onebit_env_default();
    onebit_tokenizer *t = NULL;
    gguf_memory m;
    char d[80];
    size_t i;
    long k;
    test_case("gguf: memory that runs out with a directory's files is an error without a leak");
    snprintf(d, sizeof d, "build/test-gguf-%ld", ob_process());
    if (!CHECK_OK(ob_make_directory(d))) return;
    gguf_save(d, "tokenizer.json", gguf_hf);
    env.user = &m, env.alloc = gguf_alloc, env.release = gguf_release;
    for (i = 0; i < 2; i++) {
        onebit_status status = ONEBIT_MEMORY;
        gguf_save(d, files[i][0], files[i][1]);
        for (k = 0; k < 40 && status != ONEBIT_OK; k++) {
            m.left = k, m.held = 0;
            status = onebit_tokenizer_open(&t, d, &env);
            CHECK(status == ONEBIT_OK || (status == ONEBIT_MEMORY && !t));
            onebit_tokenizer_free(t);
            t = NULL;
            CHECK(m.held == 0);
        }
        CHECK(k < 40);
        gguf_save(d, files[i][0], NULL);
    }
    gguf_save(d, "tokenizer.json", NULL);
    remove(d);
}

static void test_gguf(void) {
    gguf_test_valid();
    gguf_test_fields();
    gguf_test_damage();
    gguf_test_keys();
    gguf_test_q2();
    gguf_test_tricks();
    gguf_test_families();
    gguf_test_forms();
    gguf_test_stories();
    gguf_test_out();
    gguf_test_beside();
    gguf_test_words();
    gguf_test_memory();
    gguf_test_numbers();
    gguf_test_lists();
    gguf_test_names();
    gguf_test_gpt2_ids();
    gguf_test_spm();
    gguf_test_llama2c();
    gguf_test_beside_odd();
    gguf_test_beside_memory();
}
