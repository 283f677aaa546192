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
}
