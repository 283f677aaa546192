/* fuzz.c - every reader of foreign bytes, one function each, for libFuzzer and for plain replay.

   make fuzz                       builds with clang's libFuzzer and runs every target
   fuzz --target=json corpus/json  one target, libFuzzer's own flags behind it
   tests/run.c includes this file too: it replays tests/fuzz/corpus without clang (floor "fuzz").

   A target gives 1 when the library accepted the bytes, 0 when it refused them; a broken promise
   ends the program. The corpus is made by seed.c; what a run has found is added to it by hand. */
#ifndef ONEBIT_IMPLEMENTED
#define ONEBIT_IMPLEMENTATION
#include "../../onebit.h"
#endif

/* A promise of the library; the fuzzer keeps the input that breaks it. */
#define FUZZ_PROMISE(fact)                                                                         \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "fuzz.c:%d: broken promise: %s\n", __LINE__, #fact);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- memory: counted, and bounded as on a small machine ---- */

#define FUZZ_MEMORY ((size_t)64 << 20)

typedef struct fuzz_memory {
    size_t used; /* bytes out */
} fuzz_memory;

static void *fuzz_alloc(void *user, size_t bytes) {
    fuzz_memory *m = (fuzz_memory *)user;
    size_t *block;
    if (bytes > FUZZ_MEMORY - m->used) return NULL;
    block = (size_t *)malloc(bytes + 2 * sizeof *block);
    if (!block) return NULL;
    *block = bytes;
    m->used += bytes;
    return block + 2;
}

static void fuzz_release(void *user, void *p) {
    size_t *block = (size_t *)p - 2;
    ((fuzz_memory *)user)->used -= *block;
    free(block);
}

static onebit_env fuzz_env(fuzz_memory *m) {
    onebit_env env = onebit_env_default();
    m->used = 0;
    env.user = m;
    env.alloc = fuzz_alloc;
    env.release = fuzz_release;
    env.threads = 1;
    return env;
}

/* The input in a file of its own, for what is only read by path; the path. */
static const char *fuzz_file(const uint8_t *data, size_t n, const char *extension) {
    static char path[64];
    FILE *f;
    snprintf(path, sizeof path, "/dev/shm/onebit-fuzz-%ld%s", ob_process(), extension);
    f = fopen(path, "wb");
    if (!f) { /* no such place here: the current directory then */
        snprintf(path, sizeof path, "onebit-fuzz-%ld%s", ob_process(), extension);
        f = fopen(path, "wb");
    }
    FUZZ_PROMISE(f && fwrite(data, 1, n, f) == n);
    fclose(f);
    return path;
}

/* ---- JSON ---- */

/* Reads every value by its kind; strings are decoded, written again and decoded again. */
static void fuzz_json_walk(ob_json *j, int depth) {
    char text[64], again[512];
    ob_json again_reader;
    ob_slice key, raw;
    ob_out o;
    size_t n;
    switch (depth < 80 ? ob_json_peek(j) : 0) {
    case '{':
        for (ob_json_object(j); ob_json_key(j, &key);) fuzz_json_walk(j, depth + 1);
        break;
    case '[':
        for (ob_json_array(j); ob_json_item(j);) fuzz_json_walk(j, depth + 1);
        break;
    case '"':
        raw = ob_json_raw_string(j);
        n = ob_json_unescape(raw, text, sizeof text);
        FUZZ_PROMISE(n <= raw.n);
        if (n >= sizeof text) break;
        o = ob_out_on(again, sizeof again);
        ob_out_json(&o, text, n);
        FUZZ_PROMISE(o.n >= 2 && o.n < sizeof again);
        again_reader = ob_json_on(again, o.n, "again");
        FUZZ_PROMISE(ob_json_string(&again_reader, NULL, 0) >= n);
        FUZZ_PROMISE(ob_json_end(&again_reader) == ONEBIT_OK);
        break;
    case '0': (void)ob_json_number(j); break;
    case 't': (void)ob_json_bool(j); break;
    default: ob_json_skip(j);
    }
}

/* What the skipper takes the walker takes too, and the other way round (but for numbers beyond
   double, which both refuse). Whole numbers are tried at every place where a number stands. */
static int fuzz_json(const uint8_t *data, size_t n) {
    ob_json skipper = ob_json_on((const char *)data, n, "json"), walker = skipper, whole = skipper;
    onebit_status skipped, walked;
    ob_json_skip(&skipper);
    skipped = ob_json_end(&skipper);
    fuzz_json_walk(&walker, 0);
    walked = ob_json_end(&walker);
    FUZZ_PROMISE(skipped == walked);
    (void)ob_json_int(&whole);
    return skipped == ONEBIT_OK;
}

/* ---- settings ---- */

/* A config that passed its check is written and read back the same. */
static int fuzz_config_json(const uint8_t *data, size_t n) {
    onebit_config config = onebit_config_default(), back = onebit_config_default();
    char *text;
    size_t length;
    if (onebit_config_parse(&config, (const char *)data, n) != ONEBIT_OK) return 0;
    length = onebit_config_write(&config, NULL, 0);
    text = (char *)malloc(length + 1);
    FUZZ_PROMISE(text && onebit_config_write(&config, text, length + 1) == length);
    FUZZ_PROMISE(onebit_config_parse(&back, text, length) == ONEBIT_OK);
    free(text);
    if (onebit_config_check(&config) != ONEBIT_OK) return 0;
    FUZZ_PROMISE(onebit_config_check(&back) == ONEBIT_OK);
    FUZZ_PROMISE(onebit_config_parameters(&config) == onebit_config_parameters(&back));
    FUZZ_PROMISE(onebit_config_parameters(&config) > 0);
    return 1;
}

/* Lines of "table name value", as a command line gives them. */
static int fuzz_config_set(const uint8_t *data, size_t n) {
    onebit_config config = onebit_config_default();
    onebit_train_options train = onebit_train_options_default();
    onebit_sample_options sample = onebit_sample_options_default();
    void *objects[3];
    char *text = (char *)malloc(n + 1), *line, *end, *value;
    int accepted = 0;
    objects[0] = &config, objects[1] = &train, objects[2] = &sample;
    FUZZ_PROMISE(text);
    memcpy(text, data, n);
    text[n] = 0;
    for (line = text; *line; line = end) {
        int table = (unsigned char)*line++ % 3;
        end = line + strcspn(line, "\n");
        if (*end) *end++ = 0;
        value = line + strcspn(line, " ");
        if (*value) *value++ = 0;
        accepted |= onebit_field_set((onebit_table)table, objects[table], line, value) == ONEBIT_OK;
    }
    FUZZ_PROMISE(ob_fields_check(ONEBIT_TABLE_TRAIN, &train) == ONEBIT_OK);
    FUZZ_PROMISE(ob_fields_check(ONEBIT_TABLE_SAMPLE, &sample) == ONEBIT_OK);
    FUZZ_PROMISE(ob_fields_check(ONEBIT_TABLE_MODEL, &config) == ONEBIT_OK);
    free(text);
    return accepted;
}

static int fuzz_config(const uint8_t *data, size_t n) {
    if (n && data[0] != '{') return fuzz_config_set(data, n);
    return fuzz_config_json(data, n);
}

/* ---- tokenizers ---- */

/* Encodes text and uses every way back. whole: the tokenizer knows all bytes, so nothing is lost.
   Special tokens in the text are one more way to write it, so both readings come back. */
static void fuzz_words(const onebit_tokenizer *t, const char *text, size_t n, int special,
                       int whole) {
    size_t count = 0, again = 0, length, i;
    onebit_status status = onebit_tokenizer_encode(t, NULL, 0, &count, text, n, special);
    int32_t *ids = (int32_t *)malloc((count + 1) * sizeof *ids);
    onebit_utf8 state;
    char *back, piece[700];
    FUZZ_PROMISE(ids);
    memset(&state, 0, sizeof state);
    if (status == ONEBIT_OK || status == ONEBIT_LIMIT) {
        status = onebit_tokenizer_encode(t, ids, count, &again, text, n, special);
        FUZZ_PROMISE((status == ONEBIT_OK && again == count) || status == ONEBIT_MEMORY);
    }
    if (status != ONEBIT_OK) count = 0;
    for (i = 0; i < count; i++) {
        FUZZ_PROMISE(ids[i] >= 0 && ids[i] < onebit_tokenizer_vocab_size(t));
        length = onebit_tokenizer_stream(t, &state, ids[i], piece, sizeof piece);
        FUZZ_PROMISE(length < sizeof piece && piece[length] == 0);
    }
    (void)onebit_tokenizer_stream(t, &state, -1, piece, sizeof piece);
    length = onebit_tokenizer_decode(t, NULL, 0, ids, count, 1);
    back = (char *)malloc(length + 1);
    FUZZ_PROMISE(back && onebit_tokenizer_decode(t, back, length + 1, ids, count, 1) == length);
    if (whole && status == ONEBIT_OK)
        FUZZ_PROMISE(length == n && (n == 0 || memcmp(back, text, n) == 0));
    free(back);
    free(ids);
}

/* What was accepted encodes, decodes, and survives both of its written forms. */
static void fuzz_use_tokenizer(const onebit_tokenizer *t, const uint8_t *data, size_t n,
                               const onebit_env *env) {
    onebit_tokenizer *u = NULL;
    char *json;
    size_t length;
    fuzz_words(t, (const char *)data, n < 200 ? n : 200, 1, 0);
    length = onebit_tokenizer_write(t, NULL, 0);
    json = (char *)malloc(length + 1);
    FUZZ_PROMISE(json && onebit_tokenizer_write(t, json, length + 1) == length);
    if (onebit_tokenizer_parse(&u, json, length, env) == ONEBIT_OK)
        FUZZ_PROMISE(onebit_tokenizer_vocab_size(u) == onebit_tokenizer_vocab_size(t));
    onebit_tokenizer_free(u);
    free(json);
    u = NULL;
    length = ob_tokenizer_pack(t, NULL, 0);
    json = (char *)malloc(length + 1);
    FUZZ_PROMISE(json && ob_tokenizer_pack(t, (uint8_t *)json, length) == length);
    if (ob_tokenizer_unpack(&u, (const uint8_t *)json, length, env) == ONEBIT_OK)
        FUZZ_PROMISE(onebit_tokenizer_vocab_size(u) == onebit_tokenizer_vocab_size(t));
    onebit_tokenizer_free(u);
    free(json);
}

/* tokenizer.json. */
static int fuzz_tokenizer(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_tokenizer *t = NULL;
    int accepted = onebit_tokenizer_parse(&t, (const char *)data, n, &env) == ONEBIT_OK;
    FUZZ_PROMISE(accepted == (t != NULL));
    if (t) fuzz_use_tokenizer(t, data, n, &env);
    onebit_tokenizer_free(t);
    FUZZ_PROMISE(memory.used == 0);
    return accepted;
}

/* A GGUF file: whatever it says, all that is found lies inside it; then its vocabulary, which comes
   back when it is written again. */
static int fuzz_gguf(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    ob_gguf g, h;
    onebit_tokenizer *t = NULL, *u = NULL;
    uint64_t keys, number;
    double real;
    size_t i;
    if (ob_gguf_read(&g, data, n, "fuzz", &env) != ONEBIT_OK) {
        FUZZ_PROMISE(memory.used == 0);
        return 0;
    }
    for (i = 0; i < g.tensor_count; i++) {
        const ob_gguf_tensor *x = &g.tensors[i];
        FUZZ_PROMISE(ob_gguf_tensor_find(&g, x->name) == x && x->bytes > 0);
        FUZZ_PROMISE(x->data >= data && x->bytes <= n && (size_t)(x->data - data) <= n - x->bytes);
    }
    for (i = 0; i < g.value_count; i++) {
        const ob_gguf_value *v = &g.values[i];
        FUZZ_PROMISE(v->bytes == 0 || (v->p >= data && v->p + v->bytes <= data + n));
        (void)ob_gguf_item_f64(v, v->count - 1, &real);
        FUZZ_PROMISE(!ob_gguf_item_u64(v, v->count, &number));
    }
    if (ob_tokenizer_gguf(&t, &g, &env) == ONEBIT_OK) {
        ob_out o = ob_out_on(NULL, 0);
        fuzz_use_tokenizer(t, data, n, &env);
        if (ob_gguf_put_tokenizer(&o, t, onebit_tokenizer_vocab_size(t),
                                 onebit_tokenizer_start(t), &keys) == ONEBIT_OK) {
            size_t bytes = o.n + 24;
            char *p = (char *)malloc(bytes + 1);
            o = ob_out_on(p, bytes + 1);
            ob_gguf_put_head(&o, 0, keys);
            FUZZ_PROMISE(p && ob_gguf_put_tokenizer(&o, t, onebit_tokenizer_vocab_size(t),
                                 onebit_tokenizer_start(t), &keys) == ONEBIT_OK && o.n == bytes);
            FUZZ_PROMISE(ob_gguf_read(&h, (const uint8_t *)p, bytes, "again", &env) == ONEBIT_OK);
            if (ob_tokenizer_gguf(&u, &h, &env) == ONEBIT_OK)
                FUZZ_PROMISE(onebit_tokenizer_vocab_size(u) == onebit_tokenizer_vocab_size(t));
            ob_gguf_close(&h);
            free(p);
        }
    }
    onebit_tokenizer_free(t);
    onebit_tokenizer_free(u);
    ob_gguf_close(&g);
    FUZZ_PROMISE(memory.used == 0);
    return 1;
}

/* A SentencePiece .model or llama2.c's tokenizer.bin, from memory. */
static int fuzz_spm(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_tokenizer *t = NULL;
    ob_slice all = ob_slice_on((const char *)data, n);
    onebit_status status = ONEBIT_FORMAT;
    if (ob_is_sentencepiece(all)) status = ob_tokenizer_spm(&t, all, "fuzz", &env);
    else if (ob_is_llama2c(all)) status = ob_tokenizer_llama2c(&t, all, "fuzz", &env);
    FUZZ_PROMISE((status == ONEBIT_OK) == (t != NULL));
    if (t) fuzz_use_tokenizer(t, data, n, &env);
    onebit_tokenizer_free(t);
    FUZZ_PROMISE(memory.used == 0);
    return t != NULL;
}

/* vocab.json, a zero byte, merges.txt. */
static onebit_status fuzz_pair(onebit_tokenizer **t, const uint8_t *data, size_t n,
                               const onebit_env *env) {
    const uint8_t *end = n ? (const uint8_t *)memchr(data, 0, n) : NULL;
    size_t head = end ? (size_t)(end - data) : n;
    char vocab[64], merges[64];
    onebit_status status;
    snprintf(vocab, sizeof vocab, "%s", fuzz_file(data, head, "-vocab.json"));
    if (end) head++;
    snprintf(merges, sizeof merges, "%s", fuzz_file(data + head, n - head, "-merges.txt"));
    status = onebit_tokenizer_open(t, vocab, env);
    remove(vocab), remove(merges);
    return status;
}

/* Lines of "base64 rank". Files of two sizes are read, too large to fuzz; here any number of lines
   will do, without the special tokens that go with those sizes. */
static onebit_status fuzz_ranks(onebit_tokenizer **t, const uint8_t *data, size_t n,
                                const onebit_env *env) {
    ob_slice all, text, line;
    ob_draft d;
    int lines = 0;
    onebit_status status;
    all.p = (const char *)data, all.n = n;
    for (text = all; (line = ob_line(&text)).p;) lines += line.n > 0;
    status = ob_draft_take(&d, env, (size_t)lines, n, n);
    if (status == ONEBIT_OK) {
        d.rules = ob_rules_of(ONEBIT_TOKENIZER_BPE);
        status = ob_ranks_fill(&d, all, lines);
        FUZZ_PROMISE(status != ONEBIT_OK); /* <|endoftext|> is far behind the capacity */
        d.end = -1;
        status = d.vocab == lines ? ob_tokenizer_build(t, &d) : ONEBIT_FORMAT;
    }
    ob_release(env, d.block);
    return status;
}

/* The first byte chooses: v vocab.json and merges.txt, r ranks, else a file by what it begins
   with. */
static int fuzz_vocabulary(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_tokenizer *t = NULL;
    onebit_status status;
    const char *path;
    if (n < 1) return 0;
    if (*data == 'v') status = fuzz_pair(&t, data + 1, n - 1, &env);
    else if (*data == 'r') status = fuzz_ranks(&t, data + 1, n - 1, &env);
    else {
        path = fuzz_file(data + 1, n - 1, ".model");
        status = onebit_tokenizer_open(&t, path, &env);
        remove(path);
    }
    FUZZ_PROMISE((status == ONEBIT_OK) == (t != NULL));
    if (t) fuzz_use_tokenizer(t, data, n, &env);
    onebit_tokenizer_free(t);
    FUZZ_PROMISE(memory.used == 0);
    return status == ONEBIT_OK;
}

/* A small tokenizer of each kind, made once. */
static const onebit_tokenizer *fuzz_trained(int kind) {
    static const char text[] = "The cat sat on the mat, the dog's 12 bones: don't 3.14 \xC3\xA9t\xC3\xA9 "
                               "\xE4\xBD\xA0\xE5\xA5\xBD the the cat cat  \n\n  sat";
    static onebit_tokenizer *made[3];
    if (!made[kind])
        FUZZ_PROMISE(onebit_tokenizer_train(&made[kind], (onebit_tokenizer_kind)kind, text,
                                            sizeof text - 1, 300, NULL) == ONEBIT_OK);
    return made[kind];
}

static void fuzz_trained_free(void) {
    int kind;
    for (kind = 0; kind < 3; kind++)
        onebit_tokenizer_free((onebit_tokenizer *)(uintptr_t)fuzz_trained(kind));
}

/* Any bytes come back from the kinds that know all bytes. */
static int fuzz_encode(const uint8_t *data, size_t n) {
    const char *text = (const char *)data;
    int kind;
    for (kind = 0; kind < 3; kind++) {
        fuzz_words(fuzz_trained(kind), text, n, 0, kind != ONEBIT_TOKENIZER_CHAR);
        fuzz_words(fuzz_trained(kind), text, n, 1, kind != ONEBIT_TOKENIZER_CHAR);
    }
    return 1;
}

/* ---- chat templates ---- */

/* The first byte: bits of the talk and the options. The text is cut at its first zero. What is
   written twice is the same, and what was refused leaves nothing. */
static int fuzz_template(const uint8_t *data, size_t n) {
    static const onebit_message talk[] = {
        {"system", " Be kind.\n", 10}, {"user", "What is 6 * 7?", 14},
        {"assistant", "<think>\nsix\n</think>\n\n42", 24}, {"user", "caf\xC3\xA9 \xFF", 7}};
    onebit_chat_options o = {"<s>", NULL, 0};
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    size_t count, bytes = 1, again = 0;
    char *text = (char *)malloc(n + 1), *out;
    onebit_status status;
    FUZZ_PROMISE(text);
    if (n) memcpy(text, data + 1, n - 1);
    text[n ? n - 1 : 0] = 0;
    count = n ? data[0] % 5u : 0;
    o.add_generation_prompt = n && data[0] & 32;
    status = onebit_chat_render(NULL, 0, &bytes, text, talk, count, &o, &env);
    FUZZ_PROMISE(memory.used == 0 && (status == ONEBIT_OK || bytes == 0));
    out = (char *)malloc(bytes + 1);
    FUZZ_PROMISE(out);
    FUZZ_PROMISE(onebit_chat_render(out, bytes + 1, &again, text, talk, count, &o, &env) == status);
    FUZZ_PROMISE(again == bytes && out[bytes] == 0 && memory.used == 0);
    free(out);
    free(text);
    return status == ONEBIT_OK;
}

/* ---- .1bit ---- */

/* Runs a small model that opened: a few tokens, a text, its state saved and restored. */
static void fuzz_run_model(const onebit_model *m, const onebit_env *env) {
    onebit_session_options so = onebit_session_options_default();
    onebit_generate_options o = onebit_generate_options_default();
    onebit_session *s = NULL;
    int32_t ids[3] = {0, 0, 0};
    size_t bytes, scored;
    double nats;
    void *state;
    so.context = 8;
    o.sample.max_tokens = 3;
    if (onebit_config_parameters(onebit_model_config(m)) > 100000) return;
    if (onebit_session_create(&s, m, &so, env) != ONEBIT_OK) return;
    FUZZ_PROMISE(onebit_session_eval(s, ids, 3, NULL) == ONEBIT_OK);
    bytes = onebit_session_save(s, NULL, 0);
    state = malloc(bytes);
    FUZZ_PROMISE(state && onebit_session_save(s, state, bytes) == bytes);
    FUZZ_PROMISE(onebit_session_restore(s, state, bytes) == ONEBIT_OK);
    free(state);
    (void)onebit_generate(s, "ab", &o, NULL, NULL, NULL);
    FUZZ_PROMISE(onebit_score(s, ids, 3, 0, &nats, &scored) != ONEBIT_USAGE);
    onebit_session_free(s);
}

/* Length and checksum are repaired first, so that the fuzzer reaches what stands behind them. */
static int fuzz_model(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    uint8_t *image = (uint8_t *)malloc(n ? n : 1);
    onebit_model *m = NULL;
    onebit_tensor_info info;
    onebit_status status;
    int i;
    FUZZ_PROMISE(image);
    if (n) memcpy(image, data, n);
    if (n >= OB_HEAD_BYTES) {
        ob_put64(image + 8, n);
        ob_put64(image + 16, ob_hash64(image + 24, n - 24, 0));
    }
    status = onebit_model_open_memory(&m, image, n, &env);
    FUZZ_PROMISE((status == ONEBIT_OK) == (m != NULL));
    if (m) {
        for (i = 0; onebit_model_tensor(m, i, &info) == ONEBIT_OK; i++)
            FUZZ_PROMISE(info.rows > 0 && info.cols > 0 && strlen(info.name) < 64);
        fuzz_run_model(m, &env);
    }
    onebit_model_free(m);
    FUZZ_PROMISE(memory.used == 0);
    free(image);
    return status == ONEBIT_OK;
}

/* ---- checkpoints ---- */

/* Every byte that the tensors claim is read. */
static int fuzz_safetensors(const uint8_t *data, size_t n) {
    ob_st_file f;
    unsigned sum = 0;
    size_t k;
    int i;
    int bad;
    memset(&f, 0, sizeof f);
    f.env = ob_env_or_default(NULL);
    bad = ob_st_read(&f, data, n, "safetensors") != ONEBIT_OK;
    if (bad) ob_st_close(&f);
    if (bad) return 0;
    for (i = 0; i < f.count; i++) {
        for (k = 0; k < f.tensors[i].bytes; k++) sum += f.tensors[i].data[k];
        FUZZ_PROMISE(ob_st_find(&f, f.tensors[i].name) == &f.tensors[i]);
    }
    (void)ob_st_metadata(&f, "config", NULL, 0);
    ob_st_close(&f);
    return 1 + (int)(sum & 1);
}

/* A checkpoint that loads trains one step and is saved again. */
static int fuzz_checkpoint(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_trainer *t = NULL;
    onebit_tokenizer *words = NULL;
    onebit_position p = onebit_dataset_tell(NULL);
    const char *path;
    int accepted = 0;
    if (!fuzz_safetensors(data, n)) return 0;
    path = fuzz_file(data, n, ".safetensors");
    (void)onebit_checkpoint_settings(NULL, NULL, path, &env);
    if (onebit_trainer_load(&t, &words, &p, path, NULL, &env) == ONEBIT_OK) {
        int32_t ids[64] = {0};
        accepted = 1;
        if (t->B * t->T < 64 && onebit_config_parameters(&t->config) < 100000) {
            FUZZ_PROMISE(onebit_trainer_accumulate(t, ids, ids + 1, NULL) == ONEBIT_OK);
            (void)onebit_trainer_update(t, NULL);
            if (onebit_trainer_save(t, words, p, path) == ONEBIT_OK) {
                onebit_trainer_free(t);
                onebit_tokenizer_free(words);
                FUZZ_PROMISE(onebit_trainer_load(&t, &words, &p, path, NULL, &env) == ONEBIT_OK ||
                             memory.used == 0);
            }
        }
    } else FUZZ_PROMISE(!t && !words);
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
    remove(path);
    FUZZ_PROMISE(memory.used == 0);
    return accepted;
}

/* ---- from file to file ---- */

static int fuzz_count_tensor(void *user, const onebit_tensor_info *info) {
    FUZZ_PROMISE(info->rows >= 0 && info->cols >= 0 && strlen(info->name) < 128);
    ++*(int *)user;
    return 0;
}

/* A .1bit of version 2 that opens packs five trits in a byte, and that opens again. */
static void fuzz_repack(const char *path, const onebit_env *env) {
    onebit_pack_options five = onebit_pack_options_default();
    onebit_model *m = NULL;
    onebit_status status;
    five.packing = ONEBIT_PACKING_5_IN_8;
    if (onebit_model_open(&m, path, env) != ONEBIT_OK) return;
    onebit_model_free(m);
    status = onebit_file_pack(path, path, &five, env);
    FUZZ_PROMISE(status == ONEBIT_OK || status == ONEBIT_MEMORY);
    if (status != ONEBIT_OK) return;
    FUZZ_PROMISE(onebit_model_open(&m, path, env) == ONEBIT_OK);
    fuzz_run_model(m, env);
    onebit_model_free(m);
}

/* .1bit of both versions and safetensors: what is taken out was listed before, and of a .1bit there
   are as many tensors at least (deployed weights have their scales beside them). */
static int fuzz_files(const uint8_t *data, size_t n) {
    static const char *const left[] = {"model.safetensors", "config.json", "tokenizer.json"};
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    uint8_t *image = (uint8_t *)malloc(n ? n : 1);
    char path[64], out[80], name[120];
    int listed, taken, counts[2] = {0, 0}, i;
    FUZZ_PROMISE(image);
    if (n) memcpy(image, data, n);
    if (n >= OB_HEAD_BYTES && ob_get32(image + 4) == OB_FILE_VERSION) {
        ob_put64(image + 8, n);
        ob_put64(image + 16, ob_hash64(image + 24, n - 24, 0));
    }
    snprintf(path, sizeof path, "%s", fuzz_file(image, n, ".1bit"));
    snprintf(out, sizeof out, "%s-out", path);
    listed = onebit_file_list(path, fuzz_count_tensor, &counts[0], &env) == ONEBIT_OK;
    taken = onebit_file_unpack(out, path, 0, NULL, &env) == ONEBIT_OK;
    FUZZ_PROMISE(listed || !taken);
    snprintf(name, sizeof name, "%s/%s", out, left[0]);
    if (taken)
        FUZZ_PROMISE(onebit_file_list(name, fuzz_count_tensor, &counts[1], &env) == ONEBIT_OK &&
                     (memcmp(image, "1BIT", 4) != 0 || counts[1] >= counts[0]));
    for (i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s", out, left[i]);
        remove(name);
    }
    remove(out);
    fuzz_repack(path, &env);
    remove(path);
    FUZZ_PROMISE(memory.used == 0);
    free(image);
    return taken;
}

/* ---- data ---- */

/* Splits, takes batches from any position, and gives it back. */
static void fuzz_dataset(onebit_dataset *d, uint64_t wish) {
    int32_t inputs[8], targets[8];
    onebit_position p;
    size_t count, held;
    memset(&p, (int)(wish & 255), sizeof p); /* any place of any source */
    p.seed = wish, p.epoch = ~wish, p.index = wish;
    FUZZ_PROMISE(onebit_dataset_tokens(d, &count) && count > 0);
    (void)onebit_dataset_split(d, (double)(wish % 100) / 100);
    (void)onebit_dataset_held_out(d, &held);
    FUZZ_PROMISE(held < count);
    onebit_dataset_seek(d, p);
    if (onebit_dataset_batch(d, inputs, targets, 2, 4) == ONEBIT_OK)
        FUZZ_PROMISE((targets[0] < 0 || inputs[1] == targets[0]) &&
                     (targets[4] < 0 || inputs[5] == targets[4]));
}

static int fuzz_tokens(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_dataset *d = NULL;
    const char *path = fuzz_file(data, n, ".tokens");
    int accepted = onebit_dataset_open(&d, path, NULL, NULL, &env) == ONEBIT_OK;
    if (d) fuzz_dataset(d, n > 12 ? data[12] : 0);
    onebit_dataset_free(d);
    if (onebit_dataset_open(&d, path, fuzz_trained(0), NULL, &env) == ONEBIT_OK)
        fuzz_dataset(d, n > 16 ? ob_get64(data + n - 8) : 0);
    onebit_dataset_free(d);
    remove(path);
    FUZZ_PROMISE(memory.used == 0);
    return accepted;
}

/* A stream's first windows come again after going back. */
static void fuzz_stream(onebit_dataset *d) {
    onebit_position start = onebit_dataset_tell(d);
    int32_t inputs[2][8], targets[2][8];
    int round, times, ok[2] = {1, 1};
    memset(inputs, 0, sizeof inputs);
    memset(targets, 0, sizeof targets);
    for (round = 0; round < 2; round++) {
        for (times = 0; ok[round] && times < 3; times++)
            ok[round] = onebit_dataset_batch(d, inputs[round], targets[round], 2, 4) == ONEBIT_OK;
        onebit_dataset_seek(d, start);
    }
    FUZZ_PROMISE(ok[0] == ok[1]);
    if (!ok[0]) return;
    FUZZ_PROMISE(!memcmp(inputs[0], inputs[1], sizeof inputs[0]));
    FUZZ_PROMISE(!memcmp(targets[0], targets[1], sizeof targets[0]));
}

/* The first byte chooses lines of JSON, a list of rows or plain text, the second a limit. Capital
   letters write talks by a template, train on what was asked, and read as a stream too. */
static int fuzz_text(const uint8_t *data, size_t n) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_data_options o = onebit_data_options_default();
    const onebit_tokenizer *words = fuzz_trained(n % 3);
    onebit_dataset *d = NULL;
    char *text = NULL;
    const char *path;
    size_t bytes, limit;
    int accepted, kind = n ? data[0] | 32 : 0, rich = n && kind != data[0];
    if (n < 2) return 0;
    limit = data[1] < 128 ? data[1] : 0;
    path = fuzz_file(data + 2, n - 2, kind == 'j' ? ".jsonl" : kind == 'a' ? ".json" : ".txt");
    if (rich) o.chat_template = "You: {prompt}\n It: {reply} .\n", o.loss_on_input = 1;
    accepted = onebit_text_load(&text, &bytes, path, limit, &o, &env) == ONEBIT_OK;
    if (accepted) FUZZ_PROMISE(bytes > 0 && text[bytes] == 0 && (!limit || bytes <= limit));
    onebit_text_free(text, &env);
    if (onebit_dataset_open(&d, path, words, &o, &env) == ONEBIT_OK) fuzz_dataset(d, data[1]);
    onebit_dataset_free(d);
    o.stream_buffer = 64;
    if (rich && onebit_dataset_open(&d, path, words, &o, &env) == ONEBIT_OK) fuzz_stream(d);
    if (rich) onebit_dataset_free(d);
    remove(path);
    FUZZ_PROMISE(memory.used == 0);
    return accepted;
}

/* ---- sampling ---- */

/* Options, logits and history as they come, NaN and all: an id of the vocabulary comes out. */
static int fuzz_sample(const uint8_t *data, size_t n) {
    onebit_sample_options o = onebit_sample_options_default();
    float logits[64];
    double work[64];
    int32_t history[16];
    onebit_rng rng;
    ob_reader r = ob_reader_on(data, n);
    int vocab = 1 + ob_read8(&r) % 64, i, id;
    size_t count = ob_read8(&r) % 17u;
    uint64_t bits;
    memset(history, 0, sizeof history);
    onebit_rng_seed(&rng, ob_read8(&r));
    if (ob_read8(&r) & 1) { /* raw: what a careless caller may pass */
        double reals[6];
        for (i = 0; i < 6; i++) bits = ob_read64(&r), memcpy(reals + i, &bits, 8);
        o.temperature = reals[0], o.top_p = reals[1], o.min_p = reals[2];
        o.repetition_penalty = reals[3], o.frequency_penalty = reals[4];
        o.presence_penalty = reals[5];
        o.top_k = (int)ob_read32(&r), o.penalty_window = (int)ob_read32(&r);
    } else {
        o.temperature = ob_read8(&r) / 64.0, o.top_k = ob_read8(&r), o.top_p = ob_read8(&r) / 255.0;
        o.min_p = ob_read8(&r) / 255.0, o.repetition_penalty = ob_read8(&r) / 64.0;
    }
    for (i = 0; i < vocab; i++) logits[i] = ob_bits_float(ob_read32(&r));
    for (i = 0; i < (int)count && i < 16; i++) history[i] = (int32_t)ob_read32(&r);
    if (count > 16) count = 16;
    id = onebit_sample(logits, vocab, history, count, &o, &rng, work);
    FUZZ_PROMISE(id >= 0 && id < vocab);
    return !r.bad;
}

/* ---- saved sessions ---- */

/* The model that states are restored on, made once: 1 block, 5 ids. */
static const onebit_model *fuzz_small_model(void) {
    static onebit_model *model;
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_trainer *t = NULL;
    size_t bytes;
    void *image;
    if (model) return model;
    c.vocab_size = 5, c.hidden_size = 8, c.num_layers = 1, c.num_heads = 2;
    c.intermediate_size = 8, c.max_seq_len = 8;
    o.batch_size = 1;
    FUZZ_PROMISE(onebit_trainer_create(&t, &c, &o, NULL) == ONEBIT_OK);
    bytes = onebit_trainer_pack(t, NULL, NULL, 0);
    image = malloc(bytes + 1); /* one byte off, so that the model keeps a copy of its own */
    FUZZ_PROMISE(image && onebit_trainer_pack(t, NULL, image, bytes) == bytes);
    memmove((uint8_t *)image + 1, image, bytes);
    FUZZ_PROMISE(onebit_model_open_memory(&model, (uint8_t *)image + 1, bytes, NULL) == ONEBIT_OK);
    free(image);
    onebit_trainer_free(t);
    return model;
}

static void fuzz_small_free(void) {
    onebit_model_free((onebit_model *)(uintptr_t)fuzz_small_model());
}

/* The model's checksum is put in, since a state belongs to one model. */
static int fuzz_state(const uint8_t *data, size_t n) {
    const onebit_model *m = fuzz_small_model();
    onebit_session *s = NULL;
    uint8_t *state = (uint8_t *)malloc(n ? n : 1);
    int32_t id = 1;
    int accepted;
    FUZZ_PROMISE(state && onebit_session_create(&s, m, NULL, NULL) == ONEBIT_OK);
    if (n) memcpy(state, data, n);
    if (n >= 16) memcpy(state + 8, &m->checksum, 8);
    accepted = onebit_session_restore(s, state, n) == ONEBIT_OK;
    if (accepted) FUZZ_PROMISE(onebit_session_save(s, NULL, 0) == n);
    (void)onebit_session_eval(s, &id, 1, NULL);
    (void)onebit_session_rewind(s, 0);
    FUZZ_PROMISE(onebit_session_eval(s, &id, 1, NULL) == ONEBIT_OK);
    onebit_session_free(s);
    free(state);
    return accepted;
}

/* ---- models of other programs ---- */

/* Opens a GGUF or a llama2.c file that lies in memory, packs it, and gives the model. */
static onebit_status fuzz_foreign(onebit_model **out, const uint8_t *data, size_t n, int gguf,
                                  const onebit_env *env) {
    onebit_open_options o = onebit_open_options_default();
    onebit_status status = ONEBIT_FORMAT;
    ob_origin s;
    if (ob_origin_start(&s, env) != ONEBIT_OK) return ONEBIT_FORMAT;
    s.parts.map.data = data, s.parts.map.bytes = n; /* how 0: not to be given back */
    o.i2s = n ? data[n - 1] % 3 : 0;
    *out = NULL;
    if (gguf) status = ob_gguf_open(&s, "fuzz", &o);
    else if (n && ob_llama2c_is(&s.parts.map)) status = ob_llama2c_open(&s, "no/such/file");
    s.want = s.have;
    if (status == ONEBIT_OK) status = ob_origin_settle(&s, "fuzz");
    if (status == ONEBIT_OK) *out = s.model, s.model = NULL;
    ob_origin_close(&s);
    return status;
}

/* What was opened runs. */
static int fuzz_foreign_run(const uint8_t *data, size_t n, int gguf) {
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_model *m = NULL;
    onebit_status status = fuzz_foreign(&m, data, n, gguf, &env);
    FUZZ_PROMISE((status == ONEBIT_OK) == (m != NULL));
    if (m) fuzz_run_model(m, &env);
    onebit_model_free(m);
    FUZZ_PROMISE(memory.used == 0);
    return status == ONEBIT_OK;
}

static int fuzz_gguf_model(const uint8_t *data, size_t n) { return fuzz_foreign_run(data, n, 1); }
static int fuzz_llama2c(const uint8_t *data, size_t n) { return fuzz_foreign_run(data, n, 0); }

/* A directory of Hugging Face of which one file is the input: c config.json, i the index, s the
   weights. The others are fuzz_small_model's. */
static int fuzz_hf(const uint8_t *data, size_t n) {
    static const char *const names[] = {"config.json", "model.safetensors.index.json",
                                        "model.safetensors"};
    fuzz_memory memory;
    onebit_env env = fuzz_env(&memory);
    onebit_export_options o = onebit_export_options_default();
    onebit_model *m = NULL;
    onebit_status status;
    char directory[64], path[128];
    int which = !n ? 3 : data[0] == 'c' ? 0 : data[0] == 'i' ? 1 : data[0] == 's' ? 2 : 3, i;
    FILE *f;
    if (which == 3) return 0;
    snprintf(directory, sizeof directory, "/dev/shm/onebit-fuzz-%ld-hf", ob_process());
    if (ob_make_directory(directory) != ONEBIT_OK)
        snprintf(directory, sizeof directory, "onebit-fuzz-%ld-hf", ob_process());
    o.container = ONEBIT_HUGGING_FACE;
    FUZZ_PROMISE(onebit_model_export(fuzz_small_model(), directory, &o, NULL) == ONEBIT_OK);
    snprintf(path, sizeof path, "%s/%s", directory, names[which]);
    f = fopen(path, "wb");
    FUZZ_PROMISE(f && fwrite(data + 1, 1, n - 1, f) == n - 1);
    fclose(f);
    status = onebit_model_open(&m, directory, &env);
    FUZZ_PROMISE((status == ONEBIT_OK) == (m != NULL));
    if (m) fuzz_run_model(m, &env);
    onebit_model_free(m);
    for (i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        remove(path);
    }
    remove(directory);
    FUZZ_PROMISE(memory.used == 0);
    return status == ONEBIT_OK;
}

/* ---- the table ---- */

typedef struct fuzz_target {
    const char *name;
    int (*run)(const uint8_t *data, size_t n);
} fuzz_target;

static const fuzz_target fuzz_targets[] = {
    {"json", fuzz_json},       {"config", fuzz_config},         {"tokenizer", fuzz_tokenizer},
    {"encode", fuzz_encode},   {"model", fuzz_model},           {"checkpoint", fuzz_checkpoint},
    {"tokens", fuzz_tokens},   {"text", fuzz_text},             {"sample", fuzz_sample},
    {"state", fuzz_state},     {"vocabulary", fuzz_vocabulary}, {"files", fuzz_files},
    {"template", fuzz_template},
    {"gguf", fuzz_gguf},       {"spm", fuzz_spm},               {"gguf-model", fuzz_gguf_model},
    {"hf", fuzz_hf},           {"llama2c", fuzz_llama2c},
};
enum { FUZZ_TARGETS = (int)(sizeof fuzz_targets / sizeof fuzz_targets[0]) };

#ifdef FUZZ_MAIN /* with -fsanitize=fuzzer, which brings main */

static const fuzz_target *fuzz_chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    int i, k;
    for (i = 1; i < *argc; i++)
        for (k = 0; k < FUZZ_TARGETS; k++)
            if (strncmp((*argv)[i], "--target=", 9) == 0 &&
                strcmp((*argv)[i] + 9, fuzz_targets[k].name) == 0)
                fuzz_chosen = &fuzz_targets[k];
    if (fuzz_chosen) return 0;
    fprintf(stderr, "give --target=NAME:");
    for (k = 0; k < FUZZ_TARGETS; k++) fprintf(stderr, " %s", fuzz_targets[k].name);
    fprintf(stderr, "\n");
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    (void)fuzz_chosen->run(data, n);
    (void)fuzz_trained_free; /* leaks at the end of a fuzzing process are the fuzzer's to find */
    (void)fuzz_small_free;
    return 0;
}

#endif
