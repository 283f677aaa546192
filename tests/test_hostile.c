/* test_hostile.c - bytes, memory and callers that mean harm: files whose every length, offset and
   count lies, every refused allocation, wrong arguments to every public function, and the replay of
   the fuzz corpus. What single floors promise about damaged files stands in their own tests; here is
   what crosses floors. */

#ifdef ONEBIT_NO_FILES

static void test_hostile(void) {
    test_case("hostile: needs files");
    CHECK(1);
}

#else

#include <utime.h>

/* ---- memory that is bounded, counted and may refuse ---- */

typedef struct hostile_heap {
    size_t used, most, limit; /* bytes out, the most ever, and what may be */
    int live, calls, fail_at; /* blocks out, requests so far, the request that is refused */
    int over;                 /* requests that were refused because of the limit */
} hostile_heap;

static void *hostile_alloc(void *user, size_t bytes) {
    hostile_heap *h = (hostile_heap *)user;
    size_t *block;
    if (++h->calls == h->fail_at) return NULL;
    if (bytes > h->limit - h->used) {
        h->over++;
        return NULL;
    }
    block = (size_t *)malloc(bytes + 2 * sizeof *block);
    if (!block) return NULL;
    *block = bytes;
    h->used += bytes;
    if (h->used > h->most) h->most = h->used;
    h->live++;
    return block + 2;
}

static void hostile_release(void *user, void *p) {
    hostile_heap *h = (hostile_heap *)user;
    size_t *block = (size_t *)p - 2;
    h->used -= *block;
    h->live--;
    free(block);
}

/* An environment on this heap; limit 0 = none. */
static onebit_env hostile_env(hostile_heap *h, size_t limit) {
    onebit_env env = onebit_env_default();
    memset(h, 0, sizeof *h);
    h->limit = limit ? limit : SIZE_MAX / 2;
    env.user = h;
    env.alloc = hostile_alloc;
    env.release = hostile_release;
    env.threads = 1;
    return env;
}

/* ---- small things to damage ---- */

static char hostile_dir[200];

/* A path in the directory of this run: in memory where there is such a place, since some thousand
   files are written. */
static const char *hostile_path(const char *name) {
    static char path[2][300];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", hostile_dir, name);
    return path[turn];
}

static int hostile_put(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    int ok = f && fwrite(data, 1, n, f) == n;
    if (f && fclose(f)) ok = 0;
    return CHECK(ok);
}

static uint8_t *hostile_get(const char *path, size_t *n) {
    ob_map map;
    uint8_t *p = NULL;
    *n = 0;
    if (!CHECK_OK(ob_map_open(&map, path))) return NULL;
    *n = map.bytes;
    p = (uint8_t *)malloc(map.bytes + 1);
    if (p) memcpy(p, map.data, map.bytes), p[map.bytes] = 0;
    ob_map_close(&map);
    return p;
}

/* The smallest model that has everything: 1 block, width 8, a tokenizer of 5 ids. */
static onebit_status hostile_model(onebit_trainer **t, onebit_tokenizer **words,
                                   const onebit_env *env) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_status status =
        onebit_tokenizer_train(words, ONEBIT_TOKENIZER_CHAR, "abc?", 4, 0, env);
    if (status != ONEBIT_OK) return status;
    c.vocab_size = onebit_tokenizer_vocab_size(*words);
    c.hidden_size = 8, c.num_layers = 1, c.num_heads = 2, c.intermediate_size = 8;
    c.max_seq_len = 8, o.seq_len = 8, o.batch_size = 1, o.max_steps = 4;
    return onebit_trainer_create(t, &c, &o, env);
}

/* It, as a .1bit image and as a checkpoint; free both. */
typedef struct hostile_files {
    uint8_t *image, *checkpoint;
    size_t image_bytes, checkpoint_bytes;
} hostile_files;

static int hostile_make(hostile_files *f) {
    onebit_tokenizer *words = NULL;
    onebit_trainer *t = NULL;
    onebit_position p = onebit_dataset_tell(NULL);
    const char *path = hostile_path("make.safetensors");
    int ok;
    memset(f, 0, sizeof *f);
    p.seed = 1, p.epoch = 2, p.index = 3;
    ok = CHECK_OK(hostile_model(&t, &words, NULL)) &&
         CHECK_OK(onebit_trainer_save(t, words, p, path));
    if (ok) {
        f->image_bytes = onebit_trainer_pack(t, words, NULL, 0);
        f->image = (uint8_t *)malloc(f->image_bytes);
        onebit_trainer_pack(t, words, f->image, f->image_bytes);
        f->checkpoint = hostile_get(path, &f->checkpoint_bytes);
    }
    remove(path);
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
    return ok && f->image && f->checkpoint;
}

/* ---- readers: bytes in; a checked object that is used, or an error ---- */

/* Gives the status; memory is bounded by the bytes given, and all of it comes back. */
typedef onebit_status (*hostile_reader)(const uint8_t *data, size_t n, const onebit_env *env);

static onebit_status hostile_read_model(const uint8_t *data, size_t n, const onebit_env *env) {
    onebit_model *m = NULL;
    onebit_status status = onebit_model_open_memory(&m, data, n, env);
    onebit_session_options so = onebit_session_options_default();
    onebit_session *s = NULL;
    int32_t ids[3] = {0, 0, 0};
    so.context = 4;
    CHECK((status == ONEBIT_OK) == (m != NULL));
    if (m && onebit_session_create(&s, m, &so, env) == ONEBIT_OK)
        CHECK_OK(onebit_session_eval(s, ids, 3, NULL));
    onebit_session_free(s);
    onebit_model_free(m);
    return status;
}

/* The same behind a right length and checksum. */
static onebit_status hostile_read_sealed(const uint8_t *data, size_t n, const onebit_env *env) {
    uint8_t *image = (uint8_t *)malloc(n ? n : 1);
    onebit_status status;
    if (!image) return ONEBIT_MEMORY;
    memcpy(image, data, n);
    if (n >= OB_HEAD_BYTES) ob_put64(image + 16, ob_hash64(image + 24, n - 24, 0));
    status = hostile_read_model(image, n, env);
    free(image);
    return status;
}

static onebit_status hostile_read_config(const uint8_t *data, size_t n, const onebit_env *env) {
    onebit_config c = onebit_config_default();
    onebit_status status = onebit_config_parse(&c, (const char *)data, n);
    (void)env;
    if (status == ONEBIT_OK) status = onebit_config_check(&c);
    if (status == ONEBIT_OK && !CHECK(onebit_config_parameters(&c) > 0))
        printf("  %.*s: %s\n", (int)n, (const char *)data, onebit_error_text());
    return status;
}

static onebit_status hostile_read_tokenizer(const uint8_t *data, size_t n, const onebit_env *env) {
    onebit_tokenizer *t = NULL;
    onebit_status status = onebit_tokenizer_parse(&t, (const char *)data, n, env);
    int32_t ids[40];
    size_t count = 0;
    CHECK((status == ONEBIT_OK) == (t != NULL));
    if (t && onebit_tokenizer_encode(t, ids, 40, &count, "abc a?c <|endoftext|>", 21, 1) == ONEBIT_OK)
        while (count--) CHECK(ids[count] >= 0 && ids[count] < onebit_tokenizer_vocab_size(t));
    onebit_tokenizer_free(t);
    return status;
}

static onebit_status hostile_read_tokens(const uint8_t *data, size_t n, const onebit_env *env) {
    const char *path = hostile_path("bad.tokens");
    onebit_dataset *d = NULL;
    onebit_status status;
    int32_t a[4], b[4];
    size_t count;
    hostile_put(path, data, n);
    status = onebit_dataset_open(&d, path, NULL, NULL, env);
    CHECK((status == ONEBIT_OK) == (d != NULL));
    if (d) {
        CHECK(onebit_dataset_tokens(d, &count) && count > 0 && count <= n / 4);
        (void)onebit_dataset_batch(d, a, b, 2, 2);
    }
    onebit_dataset_free(d);
    return status;
}

static onebit_status hostile_read_checkpoint(const uint8_t *data, size_t n, const onebit_env *env) {
    const char *path = hostile_path("bad.safetensors");
    onebit_trainer *t = NULL;
    onebit_tokenizer *words = NULL;
    onebit_position p;
    int32_t ids[9] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    onebit_status status;
    hostile_put(path, data, n);
    status = onebit_trainer_load(&t, &words, &p, path, NULL, env);
    CHECK((status == ONEBIT_OK) == (t != NULL) && (t != NULL || words == NULL));
    if (t && t->B * t->T <= 8) {
        CHECK_OK(onebit_trainer_accumulate(t, ids, ids + 1, NULL));
        (void)onebit_trainer_update(t, NULL);
    }
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
    return status;
}

/* Reads once on a heap of 64 times the bytes and a MB; only where `large` says so may the reader
   ask for more (a training batch is a setting, not a part of the file). Gives the status. */
static onebit_status hostile_read(hostile_reader reader, const uint8_t *data, size_t n, int large) {
    hostile_heap heap;
    onebit_env env = hostile_env(&heap, 64 * n + ((size_t)1 << 20));
    uint8_t *copy = (uint8_t *)malloc(n ? n : 1); /* a sanitizer sees a read past the end */
    onebit_status status;
    if (!copy) return ONEBIT_MEMORY;
    if (n) memcpy(copy, data, n);
    status = reader(copy, n, &env);
    if (!large) CHECK(heap.over == 0);
    CHECK(heap.live == 0 && heap.used == 0);
    free(copy);
    return status;
}

/* Every truncation is refused; `tail` bytes at the end may go. */
static void hostile_cut(hostile_reader reader, const uint8_t *data, size_t n, size_t tail) {
    size_t i;
    for (i = 0; i < n; i++)
        if (!CHECK(hostile_read(reader, data, i, 0) != ONEBIT_OK || i >= n - tail))
            printf("  cut to %lu of %lu bytes\n", (unsigned long)i, (unsigned long)n);
}

/* Several wrong values in every byte of the head. */
static void hostile_flip(hostile_reader reader, const uint8_t *data, size_t n, size_t head) {
    static const uint8_t change[] = {0x01, 0x20, 0x80, 0xFF};
    uint8_t *bad = (uint8_t *)malloc(n);
    size_t i, k;
    if (!bad) return;
    memcpy(bad, data, n);
    for (i = 0; i < head && i < n; i++) {
        for (k = 0; k < sizeof change; k++) {
            bad[i] = (uint8_t)(data[i] ^ change[k]);
            (void)hostile_read(reader, bad, n, 1);
        }
        bad[i] = data[i];
    }
    free(bad);
}

/* Boundary values in one number of `width` bytes. */
static void hostile_field(hostile_reader reader, uint8_t *data, size_t n, size_t at, int width) {
    uint64_t was = width == 8 ? ob_get64(data + at) : ob_get32(data + at), values[14];
    int k, count = 0;
    values[count++] = 0, values[count++] = 1, values[count++] = 63, values[count++] = 64;
    values[count++] = was + 1, values[count++] = was - 1, values[count++] = was + 64;
    values[count++] = n, values[count++] = n - 1, values[count++] = 0x7FFFFFFF;
    values[count++] = 0x80000000u, values[count++] = UINT64_MAX / 2;
    values[count++] = UINT64_MAX / 2 + 1, values[count++] = UINT64_MAX;
    for (k = 0; k < count; k++) {
        if (width == 8) ob_put64(data + at, values[k]);
        else ob_put32(data + at, (uint32_t)(values[k] & 0xFFFFFFFFu));
        (void)hostile_read(reader, data, n, 0);
    }
    if (width == 8) ob_put64(data + at, was);
    else ob_put32(data + at, (uint32_t)was);
}

/* Each number that is written in data[from..to) becomes each of these; the text grows or shrinks.
   grown, when not NULL, is told by how much. */
static void hostile_numbers(hostile_reader reader, const uint8_t *data, size_t n, size_t from,
                            size_t to, void (*grown)(uint8_t *data, ptrdiff_t by), int large) {
    static const char *const values[] = {"-1",  "0",    "1",     "2147483648", "9223372036854775807",
                                         "0.5", "1e300", "1e999", "65536",      "\"x\""};
    uint8_t *bad = (uint8_t *)malloc(n + 64);
    size_t i, end, k;
    if (!bad) return;
    for (i = from; i < to; i = end) {
        end = i + 1;
        if (data[i] < '0' || data[i] > '9') continue;
        while (end < to && ((data[end] >= '0' && data[end] <= '9') || data[end] == '.')) end++;
        for (k = 0; k < sizeof values / sizeof values[0]; k++) {
            size_t length = strlen(values[k]);
            memcpy(bad, data, i);
            memcpy(bad + i, values[k], length);
            memcpy(bad + i + length, data + end, n - end);
            if (grown) grown(bad, (ptrdiff_t)length - (ptrdiff_t)(end - i));
            (void)hostile_read(reader, bad, n - (end - i) + length, large);
        }
    }
    free(bad);
}

/* The header of a safetensors file says its own length. */
static void hostile_grow_header(uint8_t *data, ptrdiff_t by) {
    ob_put64(data, ob_get64(data) + (uint64_t)(int64_t)by);
}

static void hostile_test_model(const hostile_files *f) {
    static const int narrow[] = {64, 68, 72, 76}, wide[] = {80, 88, 96};
    uint8_t *bad = (uint8_t *)malloc(f->image_bytes);
    size_t i, k, at;
    test_case("hostile: boundary values in every field of a .1bit head and table");
    if (!bad) return;
    memcpy(bad, f->image, f->image_bytes);
    CHECK_OK(hostile_read(hostile_read_sealed, bad, f->image_bytes, 0));
    hostile_field(hostile_read_sealed, bad, f->image_bytes, 4, 4);
    hostile_field(hostile_read_sealed, bad, f->image_bytes, 8, 8);
    hostile_field(hostile_read_sealed, bad, f->image_bytes, 24, 4);
    hostile_field(hostile_read_sealed, bad, f->image_bytes, 28, 4);
    for (at = 32; at < 64; at += 8) hostile_field(hostile_read_sealed, bad, f->image_bytes, at, 8);
    for (i = 0; i < ob_get32(f->image + 24); i++) {
        at = OB_HEAD_BYTES + i * OB_RECORD_BYTES;
        for (k = 0; k < 4; k++)
            hostile_field(hostile_read_sealed, bad, f->image_bytes, at + (size_t)narrow[k], 4);
        for (k = 0; k < 3; k++)
            hostile_field(hostile_read_sealed, bad, f->image_bytes, at + (size_t)wide[k], 8);
    }
    CHECK(memcmp(bad, f->image, f->image_bytes) == 0);
    test_case("hostile: every number in the config of a .1bit file, and every byte of its tokenizer");
    at = (size_t)ob_get64(f->image + 32);
    hostile_numbers(hostile_read_sealed, f->image, f->image_bytes, at,
                    at + (size_t)ob_get64(f->image + 40), NULL, 1);
    at = (size_t)ob_get64(f->image + 48);
    for (i = 0; i < (size_t)ob_get64(f->image + 56); i++)
        for (k = 0; k < 256; k += 5) {
            bad[at + i] = (uint8_t)(f->image[at + i] ^ k);
            (void)hostile_read(hostile_read_sealed, bad, f->image_bytes, 0);
            bad[at + i] = f->image[at + i];
        }
    free(bad);
}

static void hostile_test_checkpoint(const hostile_files *f) {
    const uint8_t *p = f->checkpoint;
    size_t n = f->checkpoint_bytes, head = 8 + (size_t)ob_get64(p), i;
    uint8_t *bad = (uint8_t *)malloc(n);
    char *options;
    test_case("hostile: a checkpoint that is cut anywhere is refused");
    if (!bad) return;
    memcpy(bad, p, n);
    CHECK_OK(hostile_read(hostile_read_checkpoint, p, n, 0));
    for (i = 0; i < n; i += i < 200 || i > n - 70 ? 1 : 7)
        CHECK(hostile_read(hostile_read_checkpoint, p, i, 0) != ONEBIT_OK);
    test_case("hostile: a checkpoint with any damaged byte in its head loads whole or not at all");
    hostile_flip(hostile_read_checkpoint, p, n, head);
    hostile_field(hostile_read_checkpoint, bad, n, 0, 8);
    test_case("hostile: every number in a checkpoint's header and settings");
    options = strstr((char *)bad + 8, "\"options\":");
    if (CHECK(options != NULL)) {
        /* a config that lies about the tensors cannot ask for more memory than they take; batch and
           length of training, in the options, may */
        size_t config = (size_t)(options - (char *)bad);
        hostile_numbers(hostile_read_checkpoint, p, n, 8, config, hostile_grow_header, 0);
        hostile_numbers(hostile_read_checkpoint, p, n, config, head, hostile_grow_header, 1);
    }
    free(bad);
}

/* A text of n copies of `part`. */
static char *hostile_bomb(const char *part, size_t n) {
    size_t m = strlen(part), i;
    char *text = (char *)malloc(n * m + 1);
    for (i = 0; text && i < n; i++) memcpy(text + i * m, part, m);
    if (text) text[n * m] = 0;
    return text;
}

/* Nesting of a hundred thousand levels, in every place where JSON is read. */
static void hostile_test_bombs(void) {
    static const char *const parts[] = {"[", "{\"a\":", "{\"layer_bit_map\":", "{\"model\":",
                                        "{\"text\":", "[{\"__metadata__\":"};
    uint8_t *file;
    size_t i, n;
    test_case("hostile: JSON nested a hundred thousand deep is refused everywhere");
    for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *text = hostile_bomb(parts[i], 100000);
        onebit_dataset *d = NULL;
        if (!CHECK(text)) return;
        n = strlen(text);
        file = (uint8_t *)malloc(n + 8);
        CHECK(hostile_read(hostile_read_config, (uint8_t *)text, n, 0) != ONEBIT_OK);
        CHECK(hostile_read(hostile_read_tokenizer, (uint8_t *)text, n, 0) != ONEBIT_OK);
        ob_put64(file, n);
        memcpy(file + 8, text, n);
        CHECK(hostile_read(hostile_read_checkpoint, file, n + 8, 0) == ONEBIT_FORMAT);
        hostile_put(hostile_path("bomb.jsonl"), text, n);
        CHECK(onebit_dataset_open(&d, hostile_path("bomb.jsonl"), fuzz_trained(0), NULL, NULL) ==
              ONEBIT_FORMAT);
        remove(hostile_path("bomb.jsonl"));
        free(file);
        free(text);
    }
}

static void hostile_test_texts(void) {
    onebit_config c = onebit_config_default();
    onebit_tokenizer *words = NULL;
    uint8_t tokens[12 + 16];
    char text[6000];
    size_t n, i;
    test_case("hostile: config.json cut anywhere, damaged anywhere, with any number");
    c.vocab_size = 9;
    n = onebit_config_write(&c, text, sizeof text);
    CHECK(n < sizeof text);
    CHECK_OK(hostile_read(hostile_read_config, (uint8_t *)text, n, 0));
    hostile_cut(hostile_read_config, (uint8_t *)text, n, 1);
    hostile_flip(hostile_read_config, (uint8_t *)text, n, n);
    hostile_numbers(hostile_read_config, (uint8_t *)text, n, 0, n, NULL, 0);

    test_case("hostile: tokenizer.json cut anywhere, damaged anywhere, with any number");
    CHECK_OK(onebit_tokenizer_train(&words, ONEBIT_TOKENIZER_CHAR, "abc?", 4, 0, NULL));
    n = onebit_tokenizer_write(words, text, sizeof text);
    onebit_tokenizer_free(words);
    while (n && text[n - 1] == '\n') n--;
    CHECK_OK(hostile_read(hostile_read_tokenizer, (uint8_t *)text, n, 0));
    hostile_cut(hostile_read_tokenizer, (uint8_t *)text, n, 0);
    hostile_flip(hostile_read_tokenizer, (uint8_t *)text, n, n);
    hostile_numbers(hostile_read_tokenizer, (uint8_t *)text, n, 0, n, NULL, 0);

    test_case("hostile: .tokens cut anywhere, with any count and any id");
    memcpy(tokens, "TKN2", 4);
    ob_put64(tokens + 4, 4);
    for (i = 0; i < 4; i++) ob_put32(tokens + 12 + 4 * i, (uint32_t)i);
    CHECK_OK(hostile_read(hostile_read_tokens, tokens, sizeof tokens, 0));
    hostile_cut(hostile_read_tokens, tokens, sizeof tokens, 0);
    hostile_flip(hostile_read_tokens, tokens, sizeof tokens, sizeof tokens);
    hostile_field(hostile_read_tokens, tokens, sizeof tokens, 4, 8);
    for (i = 0; i < 4; i++)
        hostile_field(hostile_read_tokens, tokens, sizeof tokens, 12 + 4 * i, 4);
}

/* What a checkpoint says beside its tensors. */
static void hostile_test_state(const hostile_files *f) {
    static const struct {
        const char *from, *to; /* of equal length */
        const char *words;
    } lies[] = {
        {"\"0 0 1 2 3\"", "\"x 0 1 2 3\"", "state is damaged"},
        {"\"0 0 1 2 3\"", "\"-1 0 1 2 \"", "state is damaged"},
        {"\"0 0 1 2 3\"", "\"0 0 1 2  \"", "state is damaged"},
        {"\"0 0 1 2 3\"", "\"0 0 1 2 3 ", "safetensors:1:"},
        {"\\\"seed\\\": 1", "\\\"seed\\\": x", "checkpoint options"},
        {"\\\"seed\\\": 1", "\\\"sead\\\": 1", "sead"},
        {"\\\"hidden_size\\\": 8", "\\\"hidden_size\\\": 9", "another shape"},
        {"onebit checkpoint 1", "onebit checkpoint 1", NULL}, /* the same again: loads */
    };
    size_t i, n = f->checkpoint_bytes;
    uint8_t *bad = (uint8_t *)malloc(n + 1);
    test_case("hostile: lies in a checkpoint's settings and state are named");
    if (!bad) return;
    for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char *at;
        memcpy(bad, f->checkpoint, n);
        bad[n] = 0;
        at = strstr((char *)bad + 8, lies[i].from);
        if (!CHECK(at != NULL)) continue;
        memcpy(at, lies[i].to, strlen(lies[i].from));
        if (lies[i].words) {
            if (!CHECK(hostile_read(hostile_read_checkpoint, bad, n, 0) != ONEBIT_OK &&
                       strstr(onebit_error_text(), lies[i].words)))
                printf("  lie %d: %s\n", (int)i, onebit_error_text());
        } else CHECK_OK(hostile_read(hostile_read_checkpoint, bad, n, 0));
    }
    free(bad);
}

/* A trainer that was loaded is exported at once, without a step: its own weights, not fresh ones. */
static void hostile_test_export(void) {
    const char *path = hostile_path("export.safetensors");
    onebit_trainer *t = NULL, *u = NULL;
    onebit_tokenizer *words = NULL, *read = NULL;
    onebit_train_options o = onebit_train_options_default();
    onebit_config c;
    onebit_position p = onebit_dataset_tell(NULL);
    int32_t ids[9] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    double one = 0, two = 0;
    uint8_t *a, *b;
    size_t n;
    test_case("hostile: a loaded checkpoint exports and evaluates the weights that were saved");
    if (!CHECK_OK(hostile_model(&t, &words, NULL))) return;
    CHECK_OK(onebit_trainer_accumulate(t, ids, ids + 1, NULL));
    CHECK_OK(onebit_trainer_update(t, NULL));
    CHECK_OK(onebit_trainer_save(t, words, p, path));
    CHECK_OK(onebit_trainer_evaluate(t, ids, ids + 1, 1, 8, &one));
    n = onebit_trainer_pack(t, words, NULL, 0);
    a = (uint8_t *)malloc(n), b = (uint8_t *)malloc(n);
    if (CHECK(a && b) && CHECK_OK(onebit_trainer_load(&u, NULL, NULL, path, NULL, NULL))) {
        CHECK(onebit_trainer_pack(t, words, a, n) == n && onebit_trainer_pack(u, words, b, n) == n);
        CHECK(memcmp(a, b, n) == 0);
        onebit_trainer_free(u);
        CHECK_OK(onebit_trainer_load(&u, NULL, NULL, path, NULL, NULL));
        CHECK_OK(onebit_trainer_evaluate(u, ids, ids + 1, 1, 8, &two));
        CHECK(memcmp(&one, &two, sizeof one) == 0);
    }
    test_case("hostile: a checkpoint with another optimizer or a tokenizer too large is refused");
    o.optimizer = !o.optimizer;
    onebit_trainer_free(u);
    CHECK_FAILS(onebit_trainer_load(&u, NULL, NULL, path, &o, NULL), ONEBIT_CONFIG, "--optimizer");
    CHECK_OK(onebit_trainer_save(t, fuzz_trained(ONEBIT_TOKENIZER_BYTE), p, path));
    CHECK_FAILS(onebit_trainer_load(&u, &read, &p, path, NULL, NULL), ONEBIT_FORMAT, "257 ids");
    CHECK(!u && !read);
    CHECK_OK(onebit_trainer_save(t, NULL, p, path));
    CHECK_OK(onebit_trainer_load(&u, &read, NULL, path, NULL, NULL));
    CHECK(u && !read);
    CHECK_OK(onebit_checkpoint_settings(&c, &o, path, NULL));
    CHECK(c.vocab_size == 5 && o.batch_size == 1);
    onebit_trainer_free(t);
    onebit_trainer_free(u);
    onebit_tokenizer_free(words);
    free(a);
    free(b);
}

/* More header than the format's readers take. */
static void hostile_test_header(void) {
    const char *metadata[3] = {"long", NULL, NULL};
    char *text = (char *)malloc((size_t)OB_ST_HEADER_MAX + 2);
    test_case("hostile: a safetensors header that nobody could read is not written");
    if (!CHECK(text)) return;
    memset(text, 'x', OB_ST_HEADER_MAX + 1);
    text[OB_ST_HEADER_MAX + 1] = 0;
    metadata[1] = text;
    CHECK_FAILS(ob_st_write(hostile_path("long"), NULL, 0, metadata, NULL), ONEBIT_UNSUPPORTED,
                "100 MB");
    free(text);
}

/* ---- every refused allocation ---- */

/* One piece of work on an environment; whatever it opened is closed again. */
typedef onebit_status (*hostile_work)(const onebit_env *env);

/* A part of a run that may fail without ending it, a sample of text, was told as a warning. */
static int hostile_warned;
static int hostile_hear(void *user, const onebit_progress *p) {
    (void)user;
    if (p->kind == 'w' && strstr(p->note, "memory")) hostile_warned = 1;
    return 0;
}

/* Runs the work with each of its allocations refused in turn: ONEBIT_MEMORY, a text, no leak. */
static void hostile_starve(const char *name, hostile_work work, void (*check)(void)) {
    hostile_heap heap;
    onebit_env env = hostile_env(&heap, 0);
    int k, all;
    test_case(name);
    if (!CHECK_OK(work(&env)) || !CHECK(heap.live == 0)) return;
    all = heap.calls;
    CHECK(all > 0);
    for (k = 1; k <= all; k++) {
        onebit_status status;
        env = hostile_env(&heap, 0);
        heap.fail_at = k;
        ob_fail(ONEBIT_OK, "%s", "nothing was said");
        hostile_warned = 0;
        status = work(&env);
        if (status == ONEBIT_OK && hostile_warned && heap.live == 0) continue;
        if (!CHECK(status == ONEBIT_MEMORY && heap.live == 0 &&
                   (strstr(onebit_error_text(), "memory") || strstr(onebit_error_text(), " MB;"))))
            printf("  request %d of %d: status %d, %d blocks leaked: %s\n", k, all, (int)status,
                   heap.live, onebit_error_text());
        if (check) check();
    }
}

static onebit_status hostile_work_checkpoint(const onebit_env *env) {
    onebit_trainer *t = NULL, *u = NULL;
    onebit_tokenizer *words = NULL, *read = NULL;
    onebit_position p = onebit_dataset_tell(NULL);
    int32_t ids[9] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    const char *path = hostile_path("starve.safetensors");
    onebit_status s = hostile_model(&t, &words, env);
    if (s == ONEBIT_OK) s = onebit_trainer_accumulate(t, ids, ids + 1, NULL);
    if (s == ONEBIT_OK) s = onebit_trainer_update(t, NULL);
    if (s == ONEBIT_OK) s = onebit_trainer_save(t, words, p, path);
    if (s == ONEBIT_OK) s = onebit_checkpoint_settings(NULL, NULL, path, env);
    if (s == ONEBIT_OK) s = onebit_trainer_load(&u, &read, &p, path, NULL, env);
    if (s == ONEBIT_OK) s = onebit_trainer_export(u, read, hostile_path("starve.1bit"));
    onebit_trainer_free(t);
    onebit_trainer_free(u);
    onebit_tokenizer_free(words);
    onebit_tokenizer_free(read);
    return s;
}

/* The file of an earlier, whole run is still there and loads. */
static void hostile_check_checkpoint(void) {
    onebit_trainer *t = NULL;
    onebit_model *m = NULL;
    CHECK_OK(onebit_trainer_load(&t, NULL, NULL, hostile_path("starve.safetensors"), NULL, NULL));
    CHECK_OK(onebit_model_open(&m, hostile_path("starve.1bit"), NULL));
    onebit_trainer_free(t);
    onebit_model_free(m);
}

static onebit_status hostile_work_generate(const onebit_env *env) {
    onebit_model *m = NULL;
    onebit_session *s = NULL;
    onebit_generate_options o = onebit_generate_options_default();
    onebit_generation g;
    int32_t ids[6] = {0, 1, 2, 3, 4, 0};
    double nats;
    onebit_status status = onebit_model_open(&m, hostile_path("starve.1bit"), env);
    o.sample.max_tokens = 4;
    if (status == ONEBIT_OK) status = onebit_session_create(&s, m, NULL, env);
    if (status == ONEBIT_OK) status = onebit_generate(s, "ab", &o, NULL, NULL, &g);
    if (status == ONEBIT_OK) status = onebit_generate(s, "c", &o, NULL, NULL, &g); /* a second turn */
    if (status == ONEBIT_OK) status = onebit_score(s, ids, 6, 1, &nats, NULL);
    onebit_session_free(s);
    onebit_model_free(m);
    return status;
}

static onebit_status hostile_work_text(const onebit_env *env) {
    char *text = NULL;
    size_t n;
    onebit_dataset *d = NULL;
    onebit_tokenizer *words = NULL;
    onebit_status s = onebit_text_load(&text, &n, hostile_path("text"), 0, NULL, env);
    if (s == ONEBIT_OK)
        s = onebit_tokenizer_train(&words, ONEBIT_TOKENIZER_BPE, text, n, 270, env);
    if (s == ONEBIT_OK) s = onebit_dataset_open(&d, hostile_path("text"), words, NULL, env);
    onebit_text_free(text, env);
    onebit_dataset_free(d);
    onebit_tokenizer_free(words);
    return s;
}

/* The directory that is trained on: a plain text and lines of JSON, 1 kB. */
static int hostile_text(void) {
    char text[700], line[900];
    size_t i, n = 0;
    for (i = 0; i < 40; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", i % 3 ? "ab cab " : "a b\n");
    snprintf(line, sizeof line, "{\"text\": \"%.100s\"}\n{\"text\": \"bb ca\"}\n", "abc ab cab ca b");
    return CHECK_OK(ob_make_directory(hostile_path("text"))) &&
           hostile_put(hostile_path("text/a.txt"), text, n) &&
           hostile_put(hostile_path("text/b.jsonl"), line, strlen(line));
}

static onebit_status hostile_train(const char *out, const char *resume, int steps,
                                   const onebit_env *env) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_train_job job = onebit_train_job_default();
    c.hidden_size = 8, c.num_layers = 1, c.num_heads = 2, c.intermediate_size = 8;
    c.max_seq_len = 8, c.vocab_size = 260;
    o.max_steps = steps, o.batch_size = 2, o.save_every = 1, o.eval_every = 1, o.eval_batches = 1;
    job.data_dir = hostile_path("text"), job.output_dir = out, job.resume = resume;
    job.config = &c, job.options = &o, job.env = env, job.on_progress = hostile_hear;
    return onebit_train(&job, NULL);
}

static onebit_status hostile_work_train(const onebit_env *env) {
    char out[300];
    onebit_status status;
    snprintf(out, sizeof out, "%s", hostile_path("run"));
    status = hostile_train(out, NULL, 2, env);
    return status == ONEBIT_OK ? hostile_train(out, out, 3, env) : status;
}

/* Whatever was refused: the files of the directory are whole, and none is a temporary. */
static void hostile_check_train(void) {
    onebit_env env = onebit_env_default();
    char **names = NULL, path[300];
    onebit_trainer *t = NULL;
    onebit_model *m = NULL;
    size_t count = 0, i;
    snprintf(path, sizeof path, "%s", hostile_path("run"));
    CHECK_OK(ob_list_directory(&env, path, &names, &count));
    for (i = 0; i < count; i++) CHECK(strstr(names[i], ".tmp") == NULL);
    ob_release(&env, names);
    CHECK_OK(onebit_trainer_load(&t, NULL, NULL, hostile_path("run/checkpoint.safetensors"), NULL,
                                 NULL));
    CHECK_OK(onebit_model_open(&m, hostile_path("run/model.1bit"), NULL));
    onebit_trainer_free(t);
    onebit_model_free(m);
}

/* A search by each way of choosing, and a training that begins with the same weights. */
static onebit_status hostile_work_search(const onebit_env *env) {
    static const int methods[] = {ONEBIT_SEARCH_EXACT, ONEBIT_SEARCH_KNAPSACK,
                                  ONEBIT_SEARCH_EXPANDER};
    onebit_search_job job = onebit_search_job_default();
    onebit_search_result out;
    onebit_status status = ONEBIT_OK;
    char run[300], text[300];
    int i;
    snprintf(run, sizeof run, "%s", hostile_path("run"));
    snprintf(text, sizeof text, "%s", hostile_path("text"));
    job.checkpoint = run, job.val_data = text, job.env = env;
    job.max_perplexity = 1e9, job.val_tokens = 12, job.granularity = ONEBIT_BY_HALF;
    job.search_ends = 1, job.max_evaluations = 5;
    for (i = 0; i < 3 && status == ONEBIT_OK; i++) {
        job.method = methods[i];
        status = onebit_search(&job, &out);
    }
    return status;
}

static void hostile_test_starve(void) {
    if (!hostile_text()) return;
    hostile_starve("hostile: no memory at any place of training, saving, loading and exporting",
                   hostile_work_checkpoint, hostile_check_checkpoint);
    hostile_starve("hostile: no memory at any place of opening, generating and scoring",
                   hostile_work_generate, NULL);
    hostile_starve("hostile: no memory at any place of loading text and making a tokenizer",
                   hostile_work_text, NULL);
    hostile_starve("hostile: no memory at any place of onebit_train leaves whole files",
                   hostile_work_train, hostile_check_train);
    hostile_starve("hostile: no memory at any place of a search", hostile_work_search, NULL);
}

/* ---- what killed programs leave ---- */

static void hostile_test_leftovers(void) {
    static const struct {
        const char *name;
        int age, stays; /* seconds */
    } left[] = {{"out.bin.1.tmp", 3600, 0},   {"out.bin.99999.tmp", 3600, 0},
                {"out.bin.2.tmp", 0, 1},      {"out.bin.1x.tmp", 3600, 1},
                {"out.bin..tmp", 3600, 1},    {"out.bin2.1.tmp", 3600, 1},
                {"out.bin.3.tmpx", 3600, 1}};
    enum { LEFT = (int)(sizeof left / sizeof left[0]) };
    time_t now = time(NULL);
    int i;
    test_case("hostile: temporaries that a killed program left are swept once they are old");
    for (i = 0; i < LEFT; i++) {
        struct utimbuf then;
        then.actime = then.modtime = now - left[i].age;
        hostile_put(hostile_path(left[i].name), "x", 1);
        CHECK(utime(hostile_path(left[i].name), &then) == 0);
    }
    CHECK_OK(ob_file_write(hostile_path("out.bin"), "new", 3));
    CHECK(ob_file_exists(hostile_path("out.bin")));
    for (i = 0; i < LEFT; i++) {
        if (!CHECK(ob_file_exists(hostile_path(left[i].name)) == left[i].stays))
            printf("  %s\n", left[i].name);
        remove(hostile_path(left[i].name));
    }
}

/* ---- wrong arguments to every public function ---- */

static void hostile_misuse_base(void) {
    onebit_rng rng;
    char text[4];
    test_case("hostile: base and system with wrong arguments");
    CHECK(strlen(onebit_status_text((onebit_status)-1)) > 0);
    CHECK(strlen(onebit_status_text((onebit_status)9999)) > 0);
    CHECK(onebit_error_text() != NULL);
    onebit_version_text(NULL, 0);
    onebit_version_text(NULL, 100);
    onebit_version_text(text, 0);
    onebit_version_text(text, sizeof text);
    CHECK(strcmp(text, "one") == 0);
    CHECK(onebit_env_default().alloc != NULL);
    CHECK(strcmp(onebit_isa_name((onebit_isa)-5), "unknown") == 0);
    CHECK(strcmp(onebit_isa_name((onebit_isa)99), "unknown") == 0);
    onebit_rng_seed(NULL, 1);
    onebit_rng_seed(&rng, UINT64_MAX);
}

static void hostile_misuse_config(void) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_sample_options s = onebit_sample_options_default();
    onebit_field_info info;
    const onebit_table none = (onebit_table)77;
    test_case("hostile: config with wrong arguments");
    CHECK_FAILS(onebit_field(ONEBIT_TABLE_MODEL, 0, NULL), ONEBIT_USAGE, "row");
    CHECK_FAILS(onebit_field(ONEBIT_TABLE_MODEL, -1, &info), ONEBIT_USAGE, "row");
    CHECK_FAILS(onebit_field(ONEBIT_TABLE_TRAIN, INT_MAX, &info), ONEBIT_USAGE, "row");
    CHECK_FAILS(onebit_field(none, 0, &info), ONEBIT_USAGE, "77");
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_TRAIN, NULL, "lr", "1"), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_TRAIN, &o, NULL, "1"), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_TRAIN, &o, "lr", NULL), ONEBIT_USAGE, "NULL");
    CHECK(onebit_field_set(none, &s, "lr", "1") == ONEBIT_CONFIG);
    CHECK(onebit_field_set(ONEBIT_TABLE_SAMPLE, &s, "", "") == ONEBIT_CONFIG);
    CHECK(strcmp(onebit_mode_name((onebit_mode)-1), "unknown") == 0);
    CHECK(onebit_mode_parse(NULL) == -1 && onebit_mode_parse("") == -1);
    CHECK_FAILS(onebit_config_parse(NULL, "{}", 2), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_config_parse(&c, NULL, 2), ONEBIT_USAGE, "NULL");
    CHECK(onebit_config_parse(&c, "", 0) == ONEBIT_FORMAT);
    CHECK(onebit_config_write(NULL, NULL, 0) == 0);
    CHECK(onebit_config_write(&c, NULL, 100) == onebit_config_write(&c, NULL, 0));
    CHECK_FAILS(onebit_config_check(NULL), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_config_preset(NULL, "tiny", 0), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_config_preset(&c, NULL, 0), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_config_preset(&c, "", SIZE_MAX), ONEBIT_CONFIG, "auto");
    CHECK_OK(onebit_config_preset(&c, "auto", SIZE_MAX));
    CHECK(onebit_config_parameters(NULL) == 0);
    c.num_layers = -5, c.layer_modes[0] = 200;
    CHECK(onebit_config_write(&c, NULL, 0) > 0 && onebit_config_parameters(&c) == 0);
    CHECK(onebit_config_check(&c) == ONEBIT_CONFIG);
    c.num_layers = INT_MAX;
    CHECK(onebit_config_write(&c, NULL, 0) > 0 && onebit_config_parameters(&c) == 0);
    c = onebit_config_default();
    c.hidden_size = 4096, c.num_heads = 2; /* the check fills head_dim, and passes what it filled */
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "head_dim is 2048");
    c.num_heads = 4;
    CHECK_OK(onebit_config_check(&c));
    CHECK(c.head_dim == 1024 && onebit_config_check(&c) == ONEBIT_OK);
}

static void hostile_misuse_tokenizer(void) {
    const onebit_tokenizer *t = fuzz_trained(ONEBIT_TOKENIZER_BPE);
    onebit_tokenizer *made = NULL;
    static const int32_t ids[3] = {-1, INT32_MAX, INT32_MIN};
    int32_t out[2];
    onebit_utf8 state;
    size_t n = 1;
    char text[8];
    test_case("hostile: tokenizer with wrong arguments");
    CHECK_FAILS(onebit_tokenizer_train(NULL, ONEBIT_TOKENIZER_BPE, "a", 1, 300, NULL), ONEBIT_USAGE,
                "out");
    CHECK(onebit_tokenizer_train(&made, (onebit_tokenizer_kind)-1, "a", 1, 300, NULL) ==
          ONEBIT_USAGE);
    CHECK(onebit_tokenizer_train(&made, ONEBIT_TOKENIZER_BPE, "a", 1, -300, NULL) != ONEBIT_OK);
    CHECK(onebit_tokenizer_train(&made, ONEBIT_TOKENIZER_BPE, NULL, 7, 300, NULL) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_open(NULL, "x", NULL) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_open(&made, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_open(&made, "", NULL) == ONEBIT_IO);
    CHECK(onebit_tokenizer_parse(NULL, "{}", 2, NULL) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_parse(&made, NULL, 2, NULL) == ONEBIT_USAGE);
    CHECK(made == NULL);
    onebit_tokenizer_free(NULL);
    CHECK(onebit_tokenizer_write(NULL, text, sizeof text) == 0);
    CHECK(onebit_tokenizer_write(t, NULL, 100) == onebit_tokenizer_write(t, NULL, 0));
    CHECK(onebit_tokenizer_vocab_size(NULL) == 0);
    CHECK(onebit_tokenizer_end(NULL) == -1 && onebit_tokenizer_start(NULL) == -1);
    CHECK(onebit_tokenizer_ends(NULL, 0) == 0 && onebit_tokenizer_ends(t, -1) == 0);
    CHECK(onebit_tokenizer_ends(t, INT_MAX) == 0 && onebit_tokenizer_ends(t, INT_MIN) == 0);
    CHECK(onebit_tokenizer_template(NULL) == NULL && onebit_tokenizer_template(t) == NULL);
    CHECK(onebit_tokenizer_piece(NULL, 0, &n) == NULL);
    CHECK(onebit_tokenizer_piece(t, -1, &n) == NULL);
    CHECK(onebit_tokenizer_piece(t, INT_MAX, NULL) == NULL);
    CHECK(onebit_tokenizer_encode(NULL, out, 2, &n, "a", 1, 0) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_encode(t, out, 2, NULL, "a", 1, 0) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_encode(t, NULL, 2, &n, "a", 1, 0) == ONEBIT_USAGE);
    CHECK(onebit_tokenizer_encode(t, out, 2, &n, NULL, 1, 0) == ONEBIT_USAGE);
    CHECK_OK(onebit_tokenizer_encode(t, NULL, 0, &n, NULL, 0, 0));
    CHECK(n == 0);
    CHECK(onebit_tokenizer_decode(NULL, text, sizeof text, ids, 3, 1) == 0);
    CHECK(onebit_tokenizer_decode(t, text, sizeof text, NULL, 3, 1) == 0);
    CHECK(onebit_tokenizer_decode(t, text, sizeof text, ids, 3, 1) == 0);
    CHECK(onebit_tokenizer_decode(t, NULL, 5, ids, 0, 1) == 0);
    memset(&state, 0x7F, sizeof state);
    CHECK(onebit_tokenizer_stream(t, &state, 1, text, sizeof text) < sizeof text);
    state.count = -9;
    CHECK(onebit_tokenizer_stream(t, &state, -1, text, sizeof text) < sizeof text);
    CHECK(onebit_tokenizer_stream(t, &state, INT_MAX, text, 1) == 0);
    CHECK(onebit_tokenizer_stream(t, NULL, 1, text, sizeof text) == 0);
    CHECK(onebit_tokenizer_stream(NULL, &state, 1, text, sizeof text) == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 1, NULL, sizeof text) == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 1, text, 0) == 0);
}

static void hostile_misuse_chat(void) {
    onebit_message m = {"user", "a", 1};
    char text[8] = "x";
    size_t n = 1;
    test_case("hostile: chat templates with wrong arguments");
    CHECK(onebit_chat_render(text, 8, NULL, "a", &m, 1, NULL, NULL) == ONEBIT_USAGE && !text[0]);
    CHECK_FAILS(onebit_chat_render(NULL, 8, &n, "a", &m, 1, NULL, NULL), ONEBIT_USAGE, "out is NULL");
    CHECK_FAILS(onebit_chat_render(text, 8, &n, NULL, &m, 1, NULL, NULL), ONEBIT_USAGE, "template_text");
    CHECK_FAILS(onebit_chat_render(text, 8, &n, "a", NULL, 1, NULL, NULL), ONEBIT_USAGE, "messages");
    CHECK_OK(onebit_chat_render(NULL, 0, &n, "a", NULL, 0, NULL, NULL));
    CHECK(n == 1);
    m.content = NULL;
    CHECK_FAILS(onebit_chat_render(text, 8, &n, "a", &m, 1, NULL, NULL), ONEBIT_USAGE, "no content");
    m.role = NULL;
    CHECK_FAILS(onebit_chat_render(text, 8, &n, "a", &m, 1, NULL, NULL), ONEBIT_USAGE, "no role");
    CHECK(n == 0 && !text[0]);
}

static void hostile_misuse_dataset(void) {
    static const int32_t ids[4] = {1, 2, 3, 4}, bad[2] = {1, -2};
    onebit_position far;
    onebit_dataset *d = NULL;
    int32_t a[4], b[4];
    char *text = NULL;
    size_t n = 9;
    test_case("hostile: dataset with wrong arguments");
    memset(&far, 0xFF, sizeof far);
    CHECK(onebit_data_options_default().stream_buffer == 0);
    CHECK(onebit_turn_parse(NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_dataset_scored(NULL, 0) == NULL);
    CHECK(onebit_dataset_note(NULL) != NULL && !*onebit_dataset_note(NULL));
    CHECK(onebit_text_load(NULL, &n, "x.txt", 0, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_text_load(&text, NULL, "x.txt", 0, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_text_load(&text, &n, NULL, 0, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_text_load(&text, &n, "", 0, NULL, NULL) == ONEBIT_IO && !text && !n);
    onebit_text_free(NULL, NULL);
    CHECK(onebit_dataset_open(NULL, "x.txt", NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_dataset_open(&d, NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_dataset_open(&d, "no/such.tokens", NULL, NULL, NULL) == ONEBIT_IO);
    CHECK(onebit_dataset_create(NULL, ids, 4, NULL) == ONEBIT_USAGE);
    CHECK(onebit_dataset_create(&d, NULL, 4, NULL) == ONEBIT_USAGE);
    CHECK(onebit_dataset_create(&d, ids, 0, NULL) == ONEBIT_USAGE);
    CHECK(onebit_dataset_create(&d, bad, 2, NULL) == ONEBIT_USAGE && d == NULL);
    onebit_dataset_free(NULL);
    CHECK(onebit_dataset_tokens(NULL, &n) == NULL && n == 0);
    CHECK(onebit_dataset_held_out(NULL, &n) == NULL && n == 0);
    CHECK(onebit_dataset_split(NULL, 0.5) == ONEBIT_USAGE);
    CHECK(onebit_dataset_batch(NULL, a, b, 1, 1) == ONEBIT_USAGE);
    CHECK(onebit_dataset_tell(NULL).seed == 1);
    onebit_dataset_seek(NULL, far);
    CHECK(onebit_tokens_write(NULL, ids, 4) == ONEBIT_USAGE);
    CHECK(onebit_tokens_write("no/such/dir/x", ids, 4) == ONEBIT_IO);
    CHECK(onebit_tokens_write("x", NULL, 4) == ONEBIT_USAGE);
    CHECK(onebit_tokens_write("x", bad, 2) == ONEBIT_USAGE);
    if (!CHECK_OK(onebit_dataset_create(&d, ids, 4, NULL))) return;
    CHECK(onebit_dataset_tokens(d, NULL) && onebit_dataset_held_out(d, NULL));
    CHECK(onebit_dataset_split(d, -0.1) == ONEBIT_USAGE);
    CHECK(onebit_dataset_split(d, 1.0) == ONEBIT_USAGE);
    CHECK(onebit_dataset_split(d, NAN) == ONEBIT_USAGE);
    CHECK_OK(onebit_dataset_split(d, 0.999999));
    CHECK(onebit_dataset_batch(d, a, b, 1, 2) == ONEBIT_USAGE);
    CHECK_OK(onebit_dataset_split(d, 0.0));
    CHECK(onebit_dataset_batch(d, NULL, b, 1, 1) == ONEBIT_USAGE);
    CHECK(onebit_dataset_batch(d, a, NULL, 1, 1) == ONEBIT_USAGE);
    CHECK(onebit_dataset_batch(d, a, b, -1, 1) == ONEBIT_USAGE);
    CHECK(onebit_dataset_batch(d, a, b, 1, INT_MIN) == ONEBIT_USAGE);
    CHECK(onebit_dataset_batch(d, a, b, 1, INT_MAX) == ONEBIT_USAGE);
    onebit_dataset_seek(d, far);
    CHECK_OK(onebit_dataset_batch(d, a, b, 2, 2));
    onebit_dataset_free(d);
}

static void hostile_misuse_model(const hostile_files *f) {
    onebit_model *m = NULL;
    onebit_tensor_info info;
    onebit_env env = onebit_env_default();
    onebit_open_options open;
    test_case("hostile: model with wrong arguments");
    CHECK(onebit_model_open(NULL, "x", NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_open(&m, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_open(&m, "", NULL) == ONEBIT_IO);
    CHECK(onebit_model_open_with(NULL, "x", NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_open_with(&m, "no such file", NULL, NULL) == ONEBIT_IO);
    open = onebit_open_options_default();
    open.in_place = 1;
    CHECK(onebit_model_open_with(&m, "no such file", &open, NULL) == ONEBIT_IO);
    open.i2s = 3;
    CHECK(onebit_model_open_with(&m, "onebit.h", &open, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_note(NULL)[0] == 0);
    CHECK(onebit_model_open_memory(NULL, f->image, f->image_bytes, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_open_memory(&m, NULL, 10, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_open_memory(&m, f->image, 0, NULL) == ONEBIT_FORMAT);
    env.threads = 1000;
    CHECK_FAILS(onebit_model_open_memory(&m, f->image, f->image_bytes, &env), ONEBIT_USAGE,
                "threads");
    env.threads = 1, env.isa = (onebit_isa)40;
    CHECK_FAILS(onebit_model_open_memory(&m, f->image, f->image_bytes, &env), ONEBIT_USAGE, "isa");
    CHECK(m == NULL);
    onebit_model_free(NULL);
    CHECK(onebit_model_config(NULL) == NULL && onebit_model_tokenizer(NULL) == NULL);
    CHECK(onebit_model_start(NULL) == -1);
    CHECK(onebit_model_export(NULL, "x", NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_export_options_default().type == NULL);
    CHECK(onebit_model_tensor(NULL, 0, &info) == ONEBIT_USAGE);
    if (!CHECK_OK(onebit_model_open_memory(&m, f->image, f->image_bytes, NULL))) return;
    CHECK(onebit_model_tensor(m, 0, NULL) == ONEBIT_USAGE);
    CHECK(onebit_model_tensor(m, -1, &info) == ONEBIT_USAGE);
    CHECK(onebit_model_tensor(m, INT_MAX, &info) == ONEBIT_USAGE);
    onebit_model_free(m);
}

/* Files that are not there, places that cannot be written, options that are none. */
static void hostile_misuse_packing(void) {
    onebit_pack_options o = onebit_pack_options_default();
    onebit_export_options e;
    test_case("hostile: packing refuses paths and options that are none");
    CHECK(o.packing == ONEBIT_PACKING_2_BITS && o.block_mode == -1);
    CHECK(onebit_file_pack(NULL, "x", NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_file_pack("x", NULL, NULL, NULL) == ONEBIT_USAGE);
    o.block_mode = 99;
    CHECK(onebit_file_pack("x", "y", &o, NULL) != ONEBIT_OK);
    o.block_mode = -1, o.packing = 7;
    CHECK(onebit_file_pack("x", "y", &o, NULL) != ONEBIT_OK);
    CHECK(onebit_file_pack("x", "no/such/file", NULL, NULL) != ONEBIT_OK);
    CHECK(onebit_file_unpack(NULL, "x", 0, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_file_unpack("x", NULL, 0, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_file_unpack("x", "no/such/file", 1, NULL, NULL) != ONEBIT_OK);
    e = onebit_export_options_default();
    CHECK(e.container == ONEBIT_GGUF && !e.type && !e.head_type && !e.on_tensor);
    CHECK_FAILS(onebit_model_export(NULL, "x", &e, NULL), ONEBIT_USAGE, "NULL");
    e.type = "q3_k";
    CHECK_FAILS(onebit_model_export(fuzz_small_model(), "x", &e, NULL), ONEBIT_USAGE, "q3_k");
    CHECK(onebit_model_export(fuzz_small_model(), NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_file_list(NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_file_list("no/such/file", NULL, NULL, NULL) != ONEBIT_OK);
}

/* Settings that no flag would let through, as a program may fill them into the struct. */
static void hostile_misuse_options(void) {
    onebit_config c = onebit_config_default(), bad;
    onebit_train_options o = onebit_train_options_default();
    onebit_trainer *t = NULL;
    test_case("hostile: a trainer refuses settings beyond their bounds");
    c.vocab_size = 5, c.hidden_size = 8, c.num_layers = 1, c.num_heads = 2;
    c.intermediate_size = 8, c.max_seq_len = 8;
    o.batch_size = 0;
    CHECK_FAILS(onebit_trainer_create(&t, &c, &o, NULL), ONEBIT_CONFIG, "batch_size");
    o = onebit_train_options_default(), o.log_every = 0;
    CHECK_FAILS(onebit_trainer_create(&t, &c, &o, NULL), ONEBIT_CONFIG, "log_every");
    o = onebit_train_options_default(), o.lr = NAN;
    CHECK_FAILS(onebit_trainer_create(&t, &c, &o, NULL), ONEBIT_CONFIG, "lr");
    o = onebit_train_options_default(), o.seq_len = 1 << 20, o.batch_size = 65536;
    CHECK_FAILS(onebit_trainer_create(&t, &c, &o, NULL), ONEBIT_CONFIG, "batch_size");
    bad = c, bad.vocab_size = 0;
    CHECK_FAILS(onebit_trainer_create(&t, &bad, NULL, NULL), ONEBIT_CONFIG, "vocab_size");
    bad = c, bad.num_heads = 3;
    CHECK_FAILS(onebit_trainer_create(&t, &bad, NULL, NULL), ONEBIT_CONFIG, "num_heads");
    bad = c, bad.layer_modes[0] = 99;
    CHECK_FAILS(onebit_trainer_create(&t, &bad, NULL, NULL), ONEBIT_CONFIG, "layer_modes");
    CHECK(onebit_trainer_bytes(NULL, NULL, NULL) == 0 && onebit_trainer_bytes(&bad, NULL, NULL) == 0);
    CHECK(onebit_trainer_memory(NULL, NULL, NULL, NULL) != ONEBIT_OK);
    CHECK(onebit_config_model_bytes(NULL, NULL) == 0 && onebit_config_model_bytes(&bad, NULL) == 0);
    CHECK(onebit_preset_name(-1) == NULL && onebit_preset_name(INT_MAX) == NULL);
    CHECK(t == NULL);
}

static void hostile_misuse_trainer(const hostile_files *f) {
    static const int32_t ids[9] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    int32_t high[9];
    onebit_tokenizer *words = NULL;
    onebit_trainer *t = NULL, *u = NULL;
    onebit_parameter p;
    onebit_code_report codes;
    onebit_position at = onebit_dataset_tell(NULL);
    double loss;
    test_case("hostile: trainer with wrong arguments");
    CHECK(onebit_trainer_create(NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_create(&t, NULL, NULL, NULL) == ONEBIT_USAGE);
    onebit_trainer_free(NULL);
    CHECK(onebit_trainer_accumulate(NULL, ids, ids, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_update(NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_evaluate(NULL, ids, ids, 1, 1, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_score(NULL, ids, 9, 0, &loss, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_logits(NULL) == NULL && onebit_trainer_config(NULL) == NULL);
    CHECK(onebit_trainer_parameter(NULL, 0, &p) == ONEBIT_USAGE);
    CHECK(onebit_trainer_codes(NULL, 0, &codes) == ONEBIT_USAGE);
    CHECK(onebit_trainer_steps(NULL) == 0);
    CHECK(onebit_trainer_pack(NULL, NULL, NULL, 0) == 0);
    CHECK(onebit_trainer_export(NULL, NULL, "x") == ONEBIT_USAGE);
    CHECK(onebit_trainer_save(NULL, NULL, at, "x") == ONEBIT_USAGE);
    CHECK(onebit_trainer_load(NULL, NULL, NULL, "x", NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_load(&u, NULL, NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_load(&u, NULL, NULL, "", NULL, NULL) == ONEBIT_IO && !u);
    CHECK(onebit_checkpoint_settings(NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_checkpoint_settings(NULL, NULL, "no/such", NULL) == ONEBIT_IO);
    if (!CHECK_OK(hostile_model(&t, &words, NULL))) return;
    memset(high, 0x7F, sizeof high);
    CHECK(onebit_trainer_accumulate(t, NULL, ids, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_accumulate(t, ids, NULL, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_accumulate(t, high, ids, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_accumulate(t, ids, high, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_update(t, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_evaluate(t, ids, ids, 0, 1, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_evaluate(t, ids, ids, 2, 8, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_evaluate(t, ids, ids, 1, INT_MAX, &loss) == ONEBIT_USAGE);
    CHECK(onebit_trainer_evaluate(t, ids, ids, 1, 8, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_score(t, NULL, 9, 0, &loss, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_score(t, ids, 1, 0, &loss, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_score(t, high, 9, 0, &loss, NULL) == ONEBIT_USAGE);
    CHECK_OK(onebit_trainer_score(t, ids, 9, -7, &loss, NULL));
    CHECK(onebit_trainer_parameter(t, 0, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_parameter(t, -1, &p) == ONEBIT_USAGE);
    CHECK(onebit_trainer_parameter(t, INT_MAX, &p) == ONEBIT_USAGE);
    CHECK(onebit_trainer_codes(t, 0, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_codes(t, -1, &codes) == ONEBIT_USAGE);
    CHECK(onebit_trainer_codes(t, INT_MAX, &codes) == ONEBIT_USAGE);
    CHECK(onebit_trainer_pack(t, words, NULL, SIZE_MAX) == f->image_bytes);
    CHECK(onebit_trainer_pack(t, words, high, sizeof high) == f->image_bytes);
    CHECK(onebit_trainer_export(t, words, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_export(t, words, "no/such/dir/x") == ONEBIT_IO);
    CHECK(onebit_trainer_save(t, words, at, NULL) == ONEBIT_USAGE);
    CHECK(onebit_trainer_save(t, words, at, "no/such/dir/x") == ONEBIT_IO);
    CHECK_OK(onebit_trainer_accumulate(t, ids, ids + 1, NULL));
    CHECK_FAILS(onebit_trainer_save(t, words, at, "x"), ONEBIT_USAGE, "update before");
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
}

static void hostile_misuse_session(const hostile_files *f) {
    static const int32_t ids[3] = {0, 1, 2}, bad[2] = {0, 5};
    onebit_session_options so = onebit_session_options_default();
    onebit_session *s = NULL;
    onebit_model *m = NULL;
    float rows[15];
    uint8_t state[64];
    memset(state, 0xFF, sizeof state);
    test_case("hostile: session with wrong arguments");
    CHECK(onebit_session_bytes(NULL, NULL, NULL) == 0);
    CHECK(onebit_session_create(NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_session_create(&s, NULL, NULL, NULL) == ONEBIT_USAGE);
    onebit_session_free(NULL);
    CHECK(onebit_session_model(NULL) == NULL && onebit_session_logits(NULL) == NULL);
    CHECK(onebit_session_feed(NULL, ids, 1) == ONEBIT_USAGE);
    CHECK(onebit_session_step(NULL, 1) == ONEBIT_USAGE);
    CHECK(onebit_sessions_step(NULL, 1) == ONEBIT_USAGE);
    CHECK(onebit_sessions_step(&s, 0) == ONEBIT_USAGE && onebit_sessions_step(&s, 2) == ONEBIT_USAGE);
    CHECK(onebit_session_eval(NULL, ids, 1, NULL) == ONEBIT_USAGE);
    CHECK(onebit_session_length(NULL) == 0 && onebit_session_tokens(NULL) == NULL);
    CHECK(onebit_session_rewind(NULL, 0) == ONEBIT_USAGE);
    CHECK(onebit_session_save(NULL, state, sizeof state) == 0);
    CHECK(onebit_session_restore(NULL, state, sizeof state) == ONEBIT_USAGE);
    if (!CHECK_OK(onebit_model_open_memory(&m, f->image, f->image_bytes, NULL))) return;
    so.context = -1;
    CHECK(onebit_session_create(&s, m, &so, NULL) == ONEBIT_CONFIG);
    so.context = INT_MAX;
    CHECK(onebit_session_create(&s, m, &so, NULL) == ONEBIT_CONFIG);
    so.context = 4, so.keep_first = 4;
    CHECK(onebit_session_create(&s, m, &so, NULL) == ONEBIT_CONFIG);
    so.keep_first = -1;
    CHECK(onebit_session_bytes(m, &so, NULL) == 0);
    so.keep_first = 0, so.chunk = -3;
    if (!CHECK_OK(onebit_session_create(&s, m, &so, NULL))) return;
    CHECK(onebit_session_feed(s, NULL, 1) == ONEBIT_USAGE);
    CHECK(onebit_session_feed(s, bad, 2) == ONEBIT_USAGE);
    CHECK(onebit_session_eval(s, NULL, 1, rows) == ONEBIT_USAGE);
    CHECK_OK(onebit_session_eval(s, NULL, 0, rows));
    CHECK_OK(onebit_session_step(s, -1));
    CHECK(onebit_session_logits(s) == NULL);
    CHECK_OK(onebit_session_eval(s, ids, 3, rows));
    CHECK(onebit_session_feed(s, ids, 3) == ONEBIT_LIMIT);
    CHECK(onebit_session_rewind(s, -1) == ONEBIT_USAGE);
    CHECK(onebit_session_rewind(s, 4) == ONEBIT_USAGE);
    CHECK(onebit_session_save(s, state, 1) > sizeof state);
    CHECK(onebit_session_restore(s, NULL, 10) == ONEBIT_USAGE);
    CHECK(onebit_session_restore(s, state, 0) == ONEBIT_FORMAT);
    CHECK(onebit_session_restore(s, state, sizeof state) == ONEBIT_FORMAT);
    CHECK(onebit_session_length(s) == 3);
    onebit_session_free(s);
    onebit_model_free(m);
}

static void hostile_misuse_flow(const hostile_files *f) {
    onebit_generate_options o = onebit_generate_options_default();
    onebit_train_job job = onebit_train_job_default();
    onebit_sample_options raw;
    onebit_session *s = NULL;
    onebit_model *m = NULL;
    onebit_generation g;
    onebit_rng rng;
    static const int32_t ids[3] = {0, 1, 2}, bad[2] = {0, -7};
    float logits[3] = {0, 0, 0};
    double nats, work[3];
    size_t scored;
    char *stop = hostile_bomb("s", 300);
    const char *stops[2];
    test_case("hostile: sampling, generation and training with wrong arguments");
    onebit_rng_seed(&rng, 0);
    memset(&raw, 0xFF, sizeof raw);
    CHECK(onebit_sample(NULL, 3, NULL, 0, NULL, &rng, work) == 0);
    CHECK(onebit_sample(logits, 0, NULL, 0, NULL, &rng, work) == 0);
    CHECK(onebit_sample(logits, -3, NULL, 0, NULL, &rng, work) == 0);
    CHECK(onebit_sample(logits, 3, NULL, 9, NULL, &rng, work) < 3);
    CHECK(onebit_sample(logits, 3, bad, 2, &raw, &rng, work) < 3);
    CHECK(onebit_sample(logits, 3, NULL, 0, NULL, NULL, work) < 3);
    CHECK(onebit_sample(logits, 3, NULL, 0, NULL, &rng, NULL) < 3);
    CHECK(onebit_generate(NULL, "a", NULL, NULL, NULL, &g) == ONEBIT_USAGE && g.tokens == 0);
    CHECK(onebit_score(NULL, ids, 3, 0, &nats, &scored) == ONEBIT_USAGE);
    CHECK(onebit_train(NULL, NULL) == ONEBIT_USAGE);
    CHECK(onebit_train(&job, NULL) == ONEBIT_USAGE);
    job.data_dir = "x", job.output_dir = NULL;
    CHECK(onebit_train(&job, NULL) == ONEBIT_USAGE);
    if (!CHECK_OK(onebit_model_open_memory(&m, f->image, f->image_bytes, NULL)) ||
        !CHECK_OK(onebit_session_create(&s, m, NULL, NULL)))
        return;
    CHECK(onebit_generate(s, NULL, NULL, NULL, NULL, NULL) == ONEBIT_USAGE);
    stops[0] = stop, stops[1] = NULL, o.stop = stops;
    CHECK_FAILS(onebit_generate(s, "a", &o, NULL, NULL, &g), ONEBIT_USAGE, "stop string");
    o.stop = NULL, o.sample = raw, o.sample.max_tokens = -3;
    CHECK_OK(onebit_generate(s, "a", &o, NULL, NULL, &g));
    CHECK(g.tokens == 0);
    CHECK(onebit_score(s, NULL, 3, 0, &nats, &scored) == ONEBIT_USAGE);
    CHECK(onebit_score(s, bad, 2, 0, &nats, &scored) == ONEBIT_USAGE);
    CHECK(onebit_score(s, ids, 3, 0, NULL, &scored) == ONEBIT_USAGE);
    CHECK_OK(onebit_score(s, ids, 3, SIZE_MAX, &nats, &scored));
    CHECK(scored == 0);
    onebit_session_free(s);
    onebit_model_free(m);
    free(stop);
}

/* Names that onebit.h declares and this file does not call are printed: a new function needs a row
   above. */
static void hostile_test_all_named(void) {
    size_t n, m;
    uint8_t *header = hostile_get("onebit.h", &n), *own = hostile_get("tests/test_hostile.c", &m);
    char *p = (char *)header, *end;
    int count = 0;
    test_case("hostile: every public function is misused in this file");
    end = p ? strstr(p, "\n#ifdef ONEBIT_IMPLEMENTATION") : NULL;
    if (!CHECK(p && own && end)) return;
    *end = 0;
    while ((p = strstr(p, "\nONEBIT_API ")) != NULL) {
        char name[80];
        size_t length;
        p = strchr(p + 1, '(');
        if (!CHECK(p != NULL)) break;
        for (length = 0; (p[-1 - (ptrdiff_t)length] >= 'a' && p[-1 - (ptrdiff_t)length] <= 'z') ||
                         (p[-1 - (ptrdiff_t)length] >= '0' && p[-1 - (ptrdiff_t)length] <= '9') ||
                         p[-1 - (ptrdiff_t)length] == '_';)
            length++;
        snprintf(name, sizeof name, "%.*s(", (int)length, p - length);
        if (!CHECK(strstr((char *)own, name) != NULL)) printf("  %s\n", name);
        count++;
    }
    CHECK(count >= 84);
    free(header);
    free(own);
}

/* ---- the fuzz corpus ---- */

/* Each input of a target runs; a broken promise ends the program with its name. */
static void hostile_replay(const fuzz_target *target) {
    onebit_env env = onebit_env_default();
    char path[300], **names = NULL;
    size_t count = 0, i, n;
    int accepted = 0;
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", target->name);
    if (!CHECK_OK(ob_list_directory(&env, path, &names, &count))) return;
    for (i = 0; i < count; i++) {
        uint8_t *data = hostile_get(names[i], &n);
        if (data) accepted += target->run(data, n) != 0;
        free(data);
    }
    /* seeds are valid: when none is taken any more, a format has changed (see seed.c) */
    if (!CHECK(count >= 2 && accepted > 0)) printf("  %s: see make seeds\n", path);
    ob_release(&env, names);
}

static void hostile_test_corpus(void) {
    char name[100];
    int i;
    for (i = 0; i < FUZZ_TARGETS; i++) {
        snprintf(name, sizeof name, "hostile: the fuzz corpus of %s", fuzz_targets[i].name);
        test_case(name);
        hostile_replay(&fuzz_targets[i]);
        test_close();
    }
}

static void hostile_clean(void) {
    onebit_env env = onebit_env_default();
    char **names = NULL;
    size_t count = 0, i;
    if (ob_list_directory(&env, hostile_dir, &names, &count) == ONEBIT_OK)
        for (i = 0; i < count; i++) remove(names[i]);
    ob_release(&env, names);
    remove(hostile_path("run"));
    remove(hostile_path("text"));
    remove(hostile_dir);
}

static void test_hostile(void) {
    hostile_files f;
    snprintf(hostile_dir, sizeof hostile_dir, "/dev/shm/onebit-hostile-%ld", ob_process());
    test_case("hostile: what is damaged below");
    if (ob_make_directory(hostile_dir) != ONEBIT_OK) {
        snprintf(hostile_dir, sizeof hostile_dir, "build/test-hostile-%ld", ob_process());
        if (!CHECK_OK(ob_make_directory(hostile_dir))) return;
    }
    if (hostile_make(&f)) {
        hostile_test_model(&f);
        hostile_test_checkpoint(&f);
        hostile_test_state(&f);
        hostile_test_bombs();
        hostile_test_texts();
        hostile_test_export();
        hostile_test_header();
        hostile_test_starve();
        hostile_test_leftovers();
        hostile_misuse_base();
        hostile_misuse_config();
        hostile_misuse_tokenizer();
        hostile_misuse_chat();
        hostile_misuse_dataset();
        hostile_misuse_model(&f);
        hostile_misuse_options();
        hostile_misuse_trainer(&f);
        hostile_misuse_packing();
        hostile_misuse_session(&f);
        hostile_misuse_flow(&f);
        hostile_test_all_named();
        hostile_test_corpus();
        free(f.image);
        free(f.checkpoint);
    }
    hostile_clean();
    fuzz_trained_free();
    fuzz_small_free();
}

#endif /* ONEBIT_NO_FILES */
