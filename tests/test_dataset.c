/* test_dataset.c - text to tokens, and the seeded order of windows. */

static void dataset_test_permutation(void) {
    static const int sizes[] = {1000, 1023, 1024, 1025, 4096, 4097, 20011};
    uint8_t *seen = (uint8_t *)malloc(20011);
    int k, n, i, ok = 1, moved = 0, differs = 0;
    test_case("dataset: the window order is a permutation for any count");
    for (k = 0; k < 307 && seen; k++) {
        n = k < 300 ? k + 1 : sizes[k - 300];
        memset(seen, 0, (size_t)n);
        for (i = 0; i < n; i++) {
            uint64_t to = ob_permute((uint64_t)i, (uint64_t)n, ob_order_key(7, (uint64_t)k, 1));
            ok &= to < (uint64_t)n && !seen[to];
            seen[to] = 1;
            moved += to != (uint64_t)i;
            differs += to != ob_permute((uint64_t)i, (uint64_t)n, ob_order_key(8, (uint64_t)k, 1));
        }
    }
    free(seen);
    CHECK(ok);
    CHECK(moved > 60000 && differs > 60000);
    CHECK(ob_permute(((uint64_t)1 << 40) - 1, (uint64_t)1 << 40, 3) < (uint64_t)1 << 40);
}

/* Ids 0, 1, 2, ...: a window shows where it was taken. */
static onebit_dataset *dataset_ramp(size_t count) {
    int32_t *ids = (int32_t *)malloc(count * sizeof *ids);
    onebit_dataset *d = NULL;
    size_t i;
    for (i = 0; i < count && ids; i++) ids[i] = (int32_t)i;
    CHECK_OK(onebit_dataset_create(&d, ids, count, NULL));
    free(ids);
    return d;
}

/* Reads one epoch window by window; checks that it is a cut of [0, used) without gaps. Gives the
   first window's start, so that epochs can be compared; -1 when something is wrong. */
static long dataset_epoch(onebit_dataset *d, int used, int T) {
    uint8_t seen[2000] = {0};
    int32_t in[64], out[64];
    onebit_position at = onebit_dataset_tell(d);
    long first = -1, least = 1L << 30, windows = 0;
    int i, t;
    for (;;) {
        onebit_position now;
        if (onebit_dataset_batch(d, in, out, 1, T) != ONEBIT_OK) return -1;
        now = onebit_dataset_tell(d);
        if (now.epoch != at.epoch) { /* one too far: put it back */
            now.index = 0;
            onebit_dataset_seek(d, now);
            break;
        }
        for (t = 0; t < T; t++)
            if (in[t] != in[0] + t || out[t] != in[t] + 1) return -1;
        if (in[0] < 0 || out[T - 1] >= used || seen[in[0]]) return -1;
        seen[in[0]] = 1;
        if (first < 0) first = in[0];
        if (in[0] < least) least = in[0];
        windows++;
    }
    if (least >= T || windows != (used - 1 - least) / T) return -1;
    for (i = 0; i < windows; i++)
        if (!seen[least + (long)i * T]) return -1;
    return first;
}

static void dataset_test_windows(void) {
    onebit_dataset *d = dataset_ramp(1000), *e = dataset_ramp(1000);
    int32_t in[4 * 7], out[4 * 7], in2[4 * 7], out2[4 * 7];
    onebit_position p, start = onebit_dataset_tell(NULL);
    long last = -1, other;
    int epoch, changes = 0, offsets = 0, least, i;
    test_case("dataset: each epoch gives every window once, in another order, cut elsewhere");
    p = onebit_dataset_tell(d);
    CHECK(p.seed == 1 && p.epoch == 0 && p.index == 0);
    for (epoch = 0; epoch < 20; epoch++) {
        long first = dataset_epoch(d, 1000, 7);
        CHECK(first >= 0);
        changes += first != last;
        last = first;
    }
    CHECK(changes > 15);
    for (epoch = 0; epoch < 50; epoch++) {
        size_t offset, windows;
        d->source->at.epoch = (uint64_t)epoch;
        ob_epoch_cut(d, d->source, 7, &offset, &windows);
        offsets |= 1 << offset;
    }
    CHECK(offsets == 127); /* all cuts occur */
    test_case("dataset: a position resumes exactly, across epochs too");
    start.seed = 0;
    onebit_dataset_seek(d, start);
    for (i = 0; i < 200; i++) {
        p = onebit_dataset_tell(d);
        CHECK_OK(onebit_dataset_batch(d, in, out, 4, 7));
        onebit_dataset_seek(e, p);
        CHECK_OK(onebit_dataset_batch(e, in2, out2, 4, 7));
        CHECK(memcmp(in, in2, sizeof in) == 0 && memcmp(out, out2, sizeof out) == 0);
    }
    p = onebit_dataset_tell(d);
    CHECK(p.epoch >= 5 && p.seed == 0);
    test_case("dataset: seeds give different orders, wild positions do no harm");
    for (other = 0, i = 0; i < 10; i++) {
        start.seed = (uint64_t)i;
        onebit_dataset_seek(d, start);
        CHECK_OK(onebit_dataset_batch(d, in, out, 4, 7));
        if (i) other += memcmp(in, in2, sizeof in) != 0;
        memcpy(in2, in, sizeof in);
    }
    CHECK(other == 9);
    p.seed = p.epoch = p.index = UINT64_MAX;
    onebit_dataset_seek(d, p);
    CHECK_OK(onebit_dataset_batch(d, in, out, 4, 7));
    for (least = 0, i = 0; i < 28; i++) least |= in[i];
    CHECK(least >= 0 && onebit_dataset_tell(d).epoch == 0);
    onebit_dataset_free(d);
    onebit_dataset_free(e);
    onebit_dataset_free(NULL);
}

static void dataset_test_sizes(void) {
    onebit_dataset *d = dataset_ramp(8);
    static const int32_t bad[] = {1, -1};
    int32_t in[16], out[16];
    size_t count = 5;
    int T;
    test_case("dataset: one window needs T + 1 tokens and the error says so");
    for (T = 1; T <= 7; T++) {
        CHECK_OK(onebit_dataset_batch(d, in, out, 2, T));
        CHECK(in[0] >= 0 && in[0] + T <= 7 && out[0] == in[0] + 1);
    }
    CHECK_OK(onebit_dataset_batch(d, in, out, 2, 7));
    CHECK(in[0] == 0 && in[7] == 0 && out[6] == 7);
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 2, 8), ONEBIT_USAGE, "8 tokens");
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 2, 8), ONEBIT_USAGE, "need 9");
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 1, INT_MAX), ONEBIT_USAGE, "need 2147483648");
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 0, 1), ONEBIT_USAGE, "B >= 1");
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 1, -3), ONEBIT_USAGE, "T >= 1");
    CHECK_FAILS(onebit_dataset_batch(NULL, in, out, 1, 1), ONEBIT_USAGE, "dataset");
    CHECK_FAILS(onebit_dataset_batch(d, NULL, out, 1, 1), ONEBIT_USAGE, "dataset");
    onebit_dataset_free(d);
    CHECK_FAILS(onebit_dataset_create(&d, bad, 2, NULL), ONEBIT_USAGE, "token 1 is -1");
    CHECK(d == NULL);
    CHECK_FAILS(onebit_dataset_create(&d, bad, 0, NULL), ONEBIT_USAGE, "no tokens");
    CHECK_FAILS(onebit_dataset_create(NULL, bad, 2, NULL), ONEBIT_USAGE, "no tokens");
    CHECK(onebit_dataset_tokens(NULL, &count) == NULL && count == 0);
}

static void dataset_test_split(void) {
    onebit_dataset *d = dataset_ramp(1000);
    const int32_t *tail;
    size_t count = 0, i;
    test_case("dataset: the split keeps the tail out of training, near a document's end");
    CHECK_OK(onebit_dataset_split(d, 0.2));
    tail = onebit_dataset_held_out(d, &count);
    CHECK(count == 200 && tail[0] == 800);
    for (i = 0; i < 10; i++) CHECK(dataset_epoch(d, 800, 13) >= 0);
    d->end = 789; /* as if token 789 closed a document */
    CHECK_OK(onebit_dataset_split(d, 0.2));
    CHECK(onebit_dataset_held_out(d, &count)[0] == 790 && count == 210);
    d->end = 819;
    CHECK_OK(onebit_dataset_split(d, 0.2));
    CHECK(onebit_dataset_held_out(d, &count)[0] == 820 && count == 180);
    d->end = 778; /* further than a tenth of the tail */
    CHECK_OK(onebit_dataset_split(d, 0.2));
    CHECK(onebit_dataset_held_out(d, &count)[0] == 800 && count == 200);
    d->end = 999; /* the last token: behind it nothing would be left */
    CHECK_OK(onebit_dataset_split(d, 0.01));
    CHECK(count == 200 && onebit_dataset_held_out(d, &count)[0] == 990 && count == 10);
    CHECK_OK(onebit_dataset_split(d, 1e-9));
    CHECK(onebit_dataset_held_out(d, &count)[0] == 999 && count == 1);
    d->end = -1;
    CHECK_OK(onebit_dataset_split(d, 0.99999));
    CHECK(onebit_dataset_held_out(d, &count)[0] == 1 && count == 999);
    CHECK_OK(onebit_dataset_split(d, 0.0));
    onebit_dataset_held_out(d, &count);
    CHECK(count == 0);
    CHECK_FAILS(onebit_dataset_split(d, 1.0), ONEBIT_USAGE, "below 1");
    CHECK_FAILS(onebit_dataset_split(d, NAN), ONEBIT_USAGE, "below 1");
    CHECK_FAILS(onebit_dataset_split(d, -0.1), ONEBIT_USAGE, "below 1");
    onebit_dataset_free(d);
    d = dataset_ramp(1);
    CHECK_FAILS(onebit_dataset_split(d, 0.5), ONEBIT_USAGE, "2 are needed");
    onebit_dataset_free(d);
}

#ifndef ONEBIT_NO_FILES

#define DATASET_DIR "test_dataset_tmp"

/* Plain stdio: hundreds of small files need not reach the disk one by one. */
static void dataset_bytes(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!CHECK(f)) return;
    CHECK(fwrite(data, 1, n, f) == n);
    CHECK(fclose(f) == 0);
}

static void dataset_file(const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", DATASET_DIR, name);
    dataset_bytes(path, text, strlen(text));
}

static void dataset_remove(const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", DATASET_DIR, name);
    remove(path);
}

/* Does the path load as just this text? */
static int dataset_loads(const char *path, size_t limit, const char *wanted) {
    char *text = NULL;
    size_t n = 0;
    int same;
    if (onebit_text_load(&text, &n, path, limit, NULL, NULL) != ONEBIT_OK) {
        printf("%s\n", onebit_error_text());
        return 0;
    }
    same = n == strlen(wanted) && memcmp(text, wanted, n) == 0 && text[n] == 0;
    if (!same) printf("%s gives: %s\n", path, text);
    onebit_text_free(text, NULL);
    return same;
}

#define E "<|endoftext|>"

static void dataset_test_text(void) {
    char *text;
    size_t n;
    test_case("dataset: plain text is split at the separator, which owns one line break each side");
    dataset_file("a.txt", "One.\n" E "\nTwo.\n\nStill two.\n" E "\n");
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 0, "One." E "Two.\n\nStill two."));
    dataset_file("a.txt", "x\r\n" E "\r\ny\n\n" E "\n\nz\n");
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 0, "x" E "y\n" E "\nz\n"));
    dataset_file("a.txt", "\xEF\xBB\xBF" E E "\n" E "a" E "b<|endoftext|c<" E "\n\r\n" E "\r");
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 0, "a" E "b<|endoftext|c<" E "\r"));
    test_case("dataset: a limit cuts between characters");
    dataset_file("a.txt", "a\xC3\xA9\xE2\x82\xAC\n" E "\nzz");
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 1, "a"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 2, "a"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 3, "a\xC3\xA9"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 5, "a\xC3\xA9"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 6, "a\xC3\xA9\xE2\x82\xAC"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 19, "a\xC3\xA9\xE2\x82\xAC"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 20, "a\xC3\xA9\xE2\x82\xAC" E "z"));
    CHECK(dataset_loads(DATASET_DIR "/a.txt", 99, "a\xC3\xA9\xE2\x82\xAC" E "zz"));
    test_case("dataset: .jsonl gives its text members, and errors name the line");
    dataset_file("b.jsonl", "{\"id\":[1,{}],\"text\":\"A\\n\\u00e9\"}\n \r\n{\"text\":\"\"}\n"
                            "{\"text\":\"B" E "C\"}");
    CHECK(dataset_loads(DATASET_DIR "/b.jsonl", 0, "A\n\xC3\xA9" E "B" E "C"));
    dataset_file("b.jsonl", "{\"text\":\"A\"}\n\n{\"texts\":\"B\"}\n{\"text\":\"A\"}\n");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/b.jsonl", 0, NULL, NULL), ONEBIT_FORMAT,
                "b.jsonl:3:");
    CHECK(text == NULL && n == 0);
    dataset_file("b.jsonl", "{\"text\":\"A\"}\n{\"text\":7}\n");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/b.jsonl", 0, NULL, NULL), ONEBIT_FORMAT, ":2:");
    dataset_file("b.jsonl", "{\"text\":\"A\"}\n\n\nhello\n");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/b.jsonl", 0, NULL, NULL), ONEBIT_FORMAT, ":4:");
    dataset_file("b.jsonl", "{\"text\":\"A\"} x\n{\"text\":\"A\"}\n");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/b.jsonl", 0, NULL, NULL), ONEBIT_FORMAT, ":1:");
    dataset_file("b.jsonl", "{\"text\":\"A\n\"}\n");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/b.jsonl", 0, NULL, NULL), ONEBIT_FORMAT, ":1:");
}

static void dataset_test_directory(void) {
    char *text;
    size_t n;
    test_case("dataset: a directory gives its text files in sorted order");
    dataset_file("a.txt", "1");
    dataset_file("b.jsonl", "{\"text\":\"2\"}\n{\"text\":\"3\"}");
    dataset_file("c.MD", "4\n");
    dataset_file("d.raw", "5" E);
    dataset_file("e.bin", "no");
    dataset_file("f.text", "6");
    dataset_file("g.txt", "");
    CHECK(dataset_loads(DATASET_DIR, 0, "1" E "2" E "3" E "4\n" E "5" E "6"));
    CHECK(dataset_loads(DATASET_DIR, 16, "1" E "2"));
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/e.bin", 0, NULL, NULL), ONEBIT_UNSUPPORTED,
                "e.bin");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/g.txt", 0, NULL, NULL), ONEBIT_FORMAT, "g.txt");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/none.txt", 0, NULL, NULL), ONEBIT_IO,
                "none.txt");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/none", 0, NULL, NULL), ONEBIT_IO, "none");
    dataset_file("utf16.txt", "\xFF\xFE" "ab");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR "/utf16.txt", 0, NULL, NULL), ONEBIT_FORMAT,
                "iconv");
    dataset_remove("utf16.txt");
    CHECK_FAILS(onebit_text_load(&text, NULL, DATASET_DIR, 0, NULL, NULL), ONEBIT_USAGE, "NULL");
    dataset_remove("e.bin");
    dataset_remove("a.txt");
    dataset_remove("b.jsonl");
    dataset_remove("c.MD");
    dataset_remove("d.raw");
    dataset_remove("f.text");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR, 0, NULL, NULL), ONEBIT_FORMAT, "holds no text");
    dataset_remove("g.txt");
    CHECK_FAILS(onebit_text_load(&text, &n, DATASET_DIR, 0, NULL, NULL), ONEBIT_FORMAT, "holds no text");
}

/* Three million bytes of words and digits and odd spacing, without a separator. */
static char *dataset_long_text(size_t *n) {
    static const char *const words[] = {"the", " cat", " sat", "  on",         "\n\n", " 12", "34",
                                        "'s",  "a b",  "\t",   " caf\xC3\xA9", ".",    "?!",  " x"};
    char *text = (char *)malloc(3000100);
    onebit_rng rng;
    onebit_rng_seed(&rng, 4);
    for (*n = 0; text && *n < 3000000;) {
        const char *w = words[test_below(&rng, sizeof words / sizeof words[0])];
        memcpy(text + *n, w, strlen(w));
        *n += strlen(w);
    }
    return text;
}

static void dataset_test_tokenised(void) {
    onebit_tokenizer *tokenizer = NULL;
    onebit_dataset *d = NULL;
    const int32_t *ids;
    int32_t *whole;
    char *text;
    size_t n = 0, count = 0, need = 0;
    int end;
    test_case(
        "dataset: a long document encoded in pieces equals the whole, and ends with the end token");
    text = dataset_long_text(&n);
    if (!CHECK(text)) return;
    dataset_bytes(DATASET_DIR "/long.txt", text, n);
    CHECK_OK(onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_BPE, text, 20000, 300, NULL));
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/long.txt", tokenizer, NULL, NULL));
    ids = onebit_dataset_tokens(d, &count);
    whole = (int32_t *)malloc(n * sizeof *whole);
    CHECK_OK(onebit_tokenizer_encode(tokenizer, whole, n, &need, text, n, 0));
    CHECK(count == need + 1 && memcmp(ids, whole, need * sizeof *whole) == 0);
    end = onebit_tokenizer_end(tokenizer);
    CHECK(end >= 0 && ids && ids[count - 1] == end && d->end == end);
    onebit_dataset_free(d);
    test_case("dataset: the end token closes each document");
    dataset_file("a.txt", "ab\n" E "\nc");
    onebit_tokenizer_free(tokenizer);
    CHECK_OK(onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    end = onebit_tokenizer_end(tokenizer);
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/a.txt", tokenizer, NULL, NULL));
    ids = onebit_dataset_tokens(d, &count);
    CHECK(count == 5 && ids[2] == end && ids[4] == end && ids[0] != end && ids[3] != end);
    CHECK_OK(onebit_dataset_split(d, 0.5));
    onebit_dataset_free(d);
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/a.txt", NULL, NULL, NULL), ONEBIT_USAGE,
                "needs a tokenizer");
    CHECK(d == NULL);
    onebit_tokenizer_free(tokenizer);
    free(text);
    free(whole);
    dataset_remove("long.txt");
    dataset_remove("a.txt");
}

#define DATASET_TOKENS DATASET_DIR "/x.tokens"

static void dataset_test_tokens(void) {
    static const int32_t ids[] = {0, 1, 255, 256, 70000, INT32_MAX};
    static const int32_t negative[] = {3, -3};
    uint8_t image[64];
    onebit_tokenizer *tokenizer = NULL;
    onebit_dataset *d = NULL;
    ob_map map;
    size_t count = 0, n = 12 + sizeof ids, i;
    int bit;
    test_case("dataset: .tokens files come back as written");
    CHECK_OK(onebit_tokens_write(DATASET_TOKENS, ids, 6));
    CHECK_OK(ob_map_open(&map, DATASET_TOKENS));
    if (!CHECK(map.bytes == n)) return;
    memcpy(image, map.data, n);
    ob_map_close(&map);
    CHECK(memcmp(image, "TKN2\6\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\xFF\0\0\0\0\1", 26) == 0);
    CHECK_OK(onebit_dataset_open(&d, DATASET_TOKENS, NULL, NULL, NULL));
    CHECK(memcmp(onebit_dataset_tokens(d, &count), ids, sizeof ids) == 0 && count == 6);
    onebit_dataset_free(d);
    CHECK_OK(onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_TOKENS, tokenizer, NULL, NULL), ONEBIT_FORMAT,
                "tokenizer has ids 0 to");
    CHECK_OK(onebit_tokens_write(DATASET_TOKENS, ids, 3));
    CHECK_OK(onebit_dataset_open(&d, DATASET_TOKENS, tokenizer, NULL, NULL));
    CHECK(d && d->end == onebit_tokenizer_end(tokenizer));
    onebit_dataset_free(d);
    onebit_tokenizer_free(tokenizer);
    CHECK_FAILS(onebit_tokens_write(DATASET_TOKENS, negative, 2), ONEBIT_USAGE, "token 1 is -3");
    CHECK_FAILS(onebit_tokens_write(DATASET_TOKENS, NULL, 2), ONEBIT_USAGE, "NULL");
    test_case("dataset: every truncation and bit flip of a .tokens file is met without a fault");
    for (i = 0; i <= n; i++) {
        onebit_status status;
        dataset_bytes(DATASET_TOKENS, image, i);
        status = onebit_dataset_open(&d, DATASET_TOKENS, NULL, NULL, NULL);
        CHECK(status == (i == n ? ONEBIT_OK : ONEBIT_FORMAT));
        onebit_dataset_free(d);
    }
    for (i = 0; i < n * 8; i++) {
        bit = 1 << (i % 8);
        image[i / 8] ^= (uint8_t)bit;
        dataset_bytes(DATASET_TOKENS, image, n);
        if (onebit_dataset_open(&d, DATASET_TOKENS, NULL, NULL, NULL) == ONEBIT_OK) {
            const int32_t *p = onebit_dataset_tokens(d, &count);
            size_t k;
            CHECK(count >= 1 && count <= 6 && i / 8 >= 4);
            for (k = 0; k < count; k++) CHECK(p[k] >= 0);
        }
        onebit_dataset_free(d);
        image[i / 8] ^= (uint8_t)bit;
    }
    image[4] = 5; /* one token more in the file than the header claims: tolerated */
    dataset_bytes(DATASET_TOKENS, image, n);
    CHECK_OK(onebit_dataset_open(&d, DATASET_TOKENS, NULL, NULL, NULL));
    onebit_dataset_tokens(d, &count);
    CHECK(count == 5);
    onebit_dataset_free(d);
    dataset_remove("x.tokens");
}

/* Every allocation fails once: an error and nothing left behind, until all succeed. */
static void dataset_test_memory(void) {
    onebit_tokenizer *tokenizer = NULL;
    onebit_dataset *d;
    onebit_data_options o = onebit_data_options_default();
    base_heap heap;
    char *text;
    size_t n, left;
    int done;
    test_case("dataset: out of memory anywhere is an error without a leak");
    CHECK_OK(onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    dataset_file("a.txt", "ab\n" E "\nc");
    dataset_file("b.jsonl", "{\"input\":\"x\",\"output\":\"y\"}");
    o.stream_buffer = 2048;
    for (done = 0, left = 0; !done && left < 40; left++) {
        onebit_env env = base_heap_env(&heap, (int)left);
        onebit_status status = onebit_dataset_open(&d, DATASET_DIR, tokenizer, NULL, &env);
        CHECK(status == ONEBIT_OK || (status == ONEBIT_MEMORY && d == NULL));
        onebit_dataset_free(d);
        CHECK(heap.open == 0);
        env = base_heap_env(&heap, (int)left);
        done = status == ONEBIT_OK;
        status = onebit_text_load(&text, &n, DATASET_DIR, 0, NULL, &env);
        CHECK(status == ONEBIT_OK || (status == ONEBIT_MEMORY && text == NULL));
        onebit_text_free(text, &env);
        CHECK(heap.open == 0);
    }
    CHECK(done && left > 3);
    o.weights = "1,2";
    for (done = 0, left = 0; !done && left < 60; left++) { /* mixed streams of talks */
        int32_t in[8], out[8];
        onebit_env env = base_heap_env(&heap, (int)left);
        onebit_status status = onebit_dataset_open(&d, DATASET_DIR "/a.txt," DATASET_DIR "/b.jsonl",
                                                   tokenizer, &o, &env);
        if (status == ONEBIT_OK) status = onebit_dataset_batch(d, in, out, 8, 1);
        CHECK(status == ONEBIT_OK || status == ONEBIT_MEMORY);
        done = status == ONEBIT_OK;
        onebit_dataset_free(d);
        CHECK(heap.open == 0);
    }
    CHECK(done && left > 10);
    onebit_tokenizer_free(tokenizer);
    dataset_remove("a.txt");
    dataset_remove("b.jsonl");
}

/* ---- what was learnt from must not change ---- */

/* Text of words, separators and odd spacing, the same on every machine. */
static size_t dataset_words(char *text, size_t size) {
    static const char *const words[] = {"the", " cat", " sat", " on",    "\n\n",         " 12",
                                        "34",  "'s",   " mat.", "\n" E "\n", " caf\xC3\xA9", "\t"};
    onebit_rng rng;
    size_t n = 0;
    onebit_rng_seed(&rng, 4);
    while (n < size) {
        const char *w = words[test_below(&rng, 12)];
        memcpy(text + n, w, strlen(w));
        n += strlen(w);
    }
    return n;
}

static void dataset_test_golden(void) {
    static const uint64_t wanted[2] = {0x6BACF717765121A2u, 0xFDD83D28A2C9EE86u};
    char *text = (char *)malloc(60000);
    int32_t in[4 * 48], out[4 * 48];
    size_t n = dataset_words(text, 50000), count;
    int kind, i;
    test_case("dataset: windows of plain text are those of version 0.1.0");
    CHECK_OK(ob_make_directory(DATASET_DIR "/sub"));
    dataset_bytes(DATASET_DIR "/a.txt", text, 20000);
    dataset_bytes(DATASET_DIR "/b.md", text + 20000, 10000);
    dataset_bytes(DATASET_DIR "/sub/c.raw", text + 30000, n - 30000);
    dataset_file("d.jsonl",
                 "{\"text\":\"one two " E " three\"}\n{\"id\":1,\"text\":\"four\\n\"}\n");
    dataset_file("tokenizer.json", "{\"settings\": \"not rows\"}");
    for (kind = 0; kind < 2; kind++) {
        onebit_tokenizer *words = NULL;
        onebit_dataset *d = NULL;
        onebit_position p = onebit_dataset_tell(NULL);
        const int32_t *tail;
        uint64_t h = 0;
        CHECK_OK(onebit_tokenizer_train(
            &words, kind ? ONEBIT_TOKENIZER_BYTE : ONEBIT_TOKENIZER_BPE, text, n, 300, NULL));
        CHECK_OK(onebit_dataset_open(&d, DATASET_DIR, words, NULL, NULL));
        CHECK_OK(onebit_dataset_split(d, 0.05));
        p.seed = 7;
        onebit_dataset_seek(d, p);
        for (i = 0; i < 400; i++) {
            CHECK_OK(onebit_dataset_batch(d, in, out, 4, 48));
            h = ob_hash64(out, sizeof out, ob_hash64(in, sizeof in, h));
        }
        tail = onebit_dataset_held_out(d, &count);
        CHECK(!onebit_dataset_scored(d, 0) && !onebit_dataset_scored(d, 1));
        CHECK(ob_hash64(tail, count * sizeof *tail, h) == wanted[kind] || !ob_is_little_endian());
        onebit_dataset_free(d);
        onebit_tokenizer_free(words);
    }
    dataset_remove("a.txt");
    dataset_remove("b.md");
    dataset_remove("sub/c.raw");
    dataset_remove("d.jsonl");
    dataset_remove("tokenizer.json");
    dataset_remove("sub");
    free(text);
}

/* ---- rows, turns, marks ---- */

static onebit_tokenizer *dataset_byte(void) {
    onebit_tokenizer *t = NULL;
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    return t;
}

/* Does the file open as this text, with '$' for end tokens, and are those bytes scored that have
   an 'x' below them? marks NULL = all are. */
static int dataset_reads(const char *name, const char *text, const char *turn, int loss_on_input,
                         const char *wanted, const char *marks) {
    onebit_data_options o = onebit_data_options_default();
    onebit_tokenizer *t = dataset_byte();
    onebit_dataset *d = NULL;
    const uint8_t *scored;
    const int32_t *ids;
    char path[200];
    size_t n = 0, i, bytes;
    int same;
    dataset_file(name, text);
    snprintf(path, sizeof path, "%s/%s", DATASET_DIR, name);
    o.chat_template = turn;
    o.loss_on_input = loss_on_input;
    if (!CHECK_OK(onebit_dataset_open(&d, path, t, &o, NULL))) return 0;
    ids = onebit_dataset_tokens(d, &n);
    scored = onebit_dataset_scored(d, 0);
    same = n == strlen(wanted) && (scored != NULL) == (marks != NULL);
    for (i = 0; i < n && same; i++) {
        const char *piece = onebit_tokenizer_piece(t, ids[i], &bytes);
        same = ids[i] == onebit_tokenizer_end(t) ? wanted[i] == '$' : *piece == wanted[i];
        if (marks) same &= scored[i] == (marks[i] == 'x');
    }
    if (!same) printf("%s: differs at %d of %d\n", text, (int)i, (int)n);
    onebit_dataset_free(d);
    onebit_tokenizer_free(t);
    dataset_remove(name);
    return same;
}

static void dataset_test_turns(void) {
    onebit_turn turn;
    test_case("dataset: a chat template comes apart at its prompt and reply");
    CHECK_OK(onebit_turn_parse(&turn, "You: {prompt}\nKeeper:  {reply}\n"));
    CHECK(!strcmp(turn.before, "You: ") && !strcmp(turn.between, "\nKeeper:") && turn.space == 2);
    CHECK(!strcmp(turn.after, "\n") && !turn.gap[0]);
    CHECK_OK(onebit_turn_parse(&turn, ""));
    CHECK(!turn.before[0] && !strcmp(turn.between, "\n") && !turn.after[0]);
    CHECK(!strcmp(turn.gap, "\n"));
    CHECK_FAILS(onebit_turn_parse(&turn, "{reply} {prompt}"), ONEBIT_CONFIG, "--chat-template");
    CHECK_FAILS(onebit_turn_parse(&turn, "hello"), ONEBIT_CONFIG, "{prompt}");
}

static void dataset_test_rows(void) {
    static const char talk[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":"
        "\"ab\"},{\"role\":\"assistant\",\"content\":\"cd\"},{\"content\":\"e\",\"role\":\"user\"},"
        "{\"role\":\"assistant\",\"content\":\"f\",\"x\":[1]}],\"id\":7}";
    static const char *const pairs[] = {
        "{\"input\":\"ab\",\"output\":\"cd\",\"score\":1}", "{\"output\":\"cd\",\"input\":\"ab\"}",
        "{\"prompt\":\"ab\",\"completion\":\"cd\"}", "{\"prompt\":\"ab\",\"response\":\"cd\"}",
        "{\"question\":\"ab\",\"answer\":\"cd\"}",
        "{\"question\":\"ab\",\"context\":[\"x\"],\"answer\":\"cd\"}",
        "{\"context\":\"ab\",\"answer\":\"cd\"}",
        "{\"instruction\":\"ab\",\"input\":\"\",\"output\":\"cd\",\"text\":\"no\"}",
        "{\"instruction\":\"ab\",\"input\":null,\"output\":\"cd\"}",
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"ab\"},{\"from\":\"gpt\","
        "\"value\":\"cd\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"ab\"},{\"role\":\"assistant\","
        "\"content\":\"cd\"},{\"role\":\"user\",\"content\":\"and?\"}]}"};
    char list[400];
    size_t i;
    test_case("dataset: a row's question and reply in any form are input, line break, output");
    for (i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        CHECK(dataset_reads("r.jsonl", pairs[i], NULL, 0, "ab\ncd$", "...xxx"));
        CHECK(dataset_reads("r.json", pairs[i], "{prompt}\n{reply}", 0, "ab\ncd$", "...xxx"));
    }
    CHECK(dataset_reads("r.jsonl",
                        "{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"\",\"system\":\"s\"}",
                        "", 0, "s\na\nb\n$", "......x"));
    CHECK(dataset_reads("r.jsonl", "{\"instruction\":\"a\",\"context\":\"b\",\"response\":\"c\"}",
                        NULL, 0, "a\nb\nc$", "....xx"));
    CHECK(dataset_reads("r.jsonl", "{\"question\":\"a\",\"context\":\"b\",\"answer\":\"c\"}", NULL,
                        0, "b\na\nc$", "....xx"));
    test_case("dataset: a list of rows in a .json is read as lines are");
    snprintf(list, sizeof list, "\xEF\xBB\xBF\n[ %s ,\n%s]\n", pairs[0], pairs[2]);
    CHECK(dataset_reads("r.json", list, NULL, 0, "ab\ncd$ab\ncd$", "...xxx...xxx"));
    CHECK(dataset_reads("r.json", "[{\"text\":\"a\"},{\"code\":\"b" E "c\"}]", NULL, 0, "a$b$c$",
                        NULL));
    test_case("dataset: talks follow the template; replies and what ends them are scored");
    CHECK(dataset_reads("r.jsonl", talk, "You: {prompt}\nK: {reply}\n", 0,
                        "S\nYou: ab\nK: cd\nYou: e\nK: f\n$",
                        "............xxxx.........xxxx"));
    CHECK(dataset_reads("r.jsonl", talk, "You: {prompt}\nK: {reply}\n", 1,
                        "S\nYou: ab\nK: cd\nYou: e\nK: f\n$", NULL));
    CHECK(dataset_reads("r.jsonl", talk, NULL, 0, "S\nab\ncd\ne\nf$", ".....xx...xx"));
    CHECK(dataset_reads("r.jsonl", talk, "{prompt}\n{reply}", 0, "S\nab\ncd\ne\nf$",
                        ".....xx...xx"));
    CHECK(dataset_reads("r.jsonl",
                        "{\"conversations\":[{\"from\":\"gpt\",\"value\":\"hi\"},{\"from\":"
                        "\"human\",\"value\":\"a\"},{\"from\":\"human\",\"value\":\"b\"},{\"from\":"
                        "\"gpt\",\"value\":\"c\"},{\"from\":\"gpt\",\"value\":\"d\"}]}",
                        "<{prompt}>{reply};", 0, "<>hi;<a\nb>c\nd;$", "..xxx.....xxxxx"));
    test_case("dataset: in a talk written special tokens are text; beside plain text all is scored");
    CHECK(dataset_reads("r.jsonl", "{\"input\":\"a\",\"output\":\"" E "\"}\n{\"text\":\"T\"}", NULL,
                        0, "a\n<|endoftext|>$T$", "..xxxxxxxxxxxxxxxx"));
}

static void dataset_test_row_errors(void) {
    static const char *const bad[] = {
        "{\"prompt\":\"a\",\"canonical_solution\":\"b\"}", "a row needs",
        "{\"input\":\"a\"}", "a row needs",
        "{\"input\":\"a\",\"output\":7}", "expected a string",
        "{\"input\":[\"a\"],\"output\":\"b\"}", "expected a string",
        "{\"messages\":\"hello\"}", "expected an array",
        "{\"messages\":[]}", "assistant",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "assistant",
        "{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}", "\"tool\"",
        "{\"messages\":[{\"role\":\"user\"}]}", "content",
        "{\"messages\":[{\"role\":\"user\",\"content\":null}]}", "expected a string",
        "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"system\","
        "\"content\":\"b\"}]}", "system",
        "[1]", "expected an object",
        "\"a\"", "expected an object",
        "{\"text\":\"a\"} {\"text\":\"b\"}", "the end of the text",
        "{\"text\":\"a\0b\"}", "does not end"};
    static const char whole[] = "[{\"input\":\"a\\u00e9\",\"output\":\"b\"},\n{\"messages\":[{"
                                "\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\","
                                "\"content\":\"y\"}]}]";
    char text[300], *loaded = NULL;
    size_t i, n;
    test_case("dataset: a row that fits no form is an error with file, line and what was expected");
    for (i = 0; i < sizeof bad / sizeof *bad; i += 2) {
        snprintf(text, sizeof text, "{\"text\":\"fine\"}\r\n\r\n%s\n", bad[i]);
        dataset_file("r.jsonl", text);
        CHECK_FAILS(onebit_text_load(&loaded, &n, DATASET_DIR "/r.jsonl", 0, NULL, NULL),
                    ONEBIT_FORMAT, "r.jsonl:3:");
        if (!CHECK(strstr(onebit_error_text(), bad[i + 1]))) puts(onebit_error_text());
    }
    dataset_file("r.json", "[\n{\"text\":\"a\"},\n{\"txt\":\"a\"}]");
    CHECK_FAILS(onebit_text_load(&loaded, &n, DATASET_DIR "/r.json", 0, NULL, NULL), ONEBIT_FORMAT,
                "r.json:3:1:");
    memset(text, '[', 200);
    text[200] = 0;
    dataset_file("r.json", text);
    CHECK_FAILS(onebit_text_load(&loaded, &n, DATASET_DIR "/r.json", 0, NULL, NULL), ONEBIT_FORMAT,
                "r.json:1:");
    snprintf(text, sizeof text, "{\"x\":%0200d}", 0);
    memset(text + 5, '[', 200);
    dataset_file("r.jsonl", text);
    CHECK_FAILS(onebit_text_load(&loaded, &n, DATASET_DIR "/r.jsonl", 0, NULL, NULL), ONEBIT_FORMAT,
                "nested deeper");
    test_case("dataset: every beginning of a .json is an error or a text, without a fault");
    for (i = 0; i < sizeof whole; i++) {
        onebit_status status;
        dataset_bytes(DATASET_DIR "/r.json", whole, i);
        status = onebit_text_load(&loaded, &n, DATASET_DIR "/r.json", 0, NULL, NULL);
        CHECK(status == (i + 1 == sizeof whole ? ONEBIT_OK : ONEBIT_FORMAT));
        onebit_text_free(loaded, NULL);
        dataset_bytes(DATASET_DIR "/r.jsonl", whole + 1, i); /* cut after either row */
        status = onebit_text_load(&loaded, &n, DATASET_DIR "/r.jsonl", 0, NULL, NULL);
        CHECK(status == ONEBIT_OK || status == ONEBIT_FORMAT);
        onebit_text_free(loaded, NULL);
    }
    dataset_remove("r.json");
    dataset_remove("r.jsonl");
}

static void dataset_test_real_rows(void) {
    const char *path;
    onebit_tokenizer *t = dataset_byte();
    onebit_dataset *d = NULL;
    const uint8_t *scored;
    const int32_t *ids;
    size_t n = 0, i, ends = 0, marked = 0;
    test_case("dataset: real rows of questions and replies");
    path = test_data("sft/instruct-input-output.jsonl");
    if (!path) {
        test_skip("the files are not here");
    } else if (CHECK_OK(onebit_dataset_open(&d, path, t, NULL, NULL))) {
        ids = onebit_dataset_tokens(d, &n);
        scored = onebit_dataset_scored(d, 0);
        for (i = 0; i < n && scored; i++) {
            ends += ids[i] == onebit_tokenizer_end(t);
            marked += scored[i];
        }
        CHECK(ends == 140 && marked == 37495 + 140 && n == 71281 + 140);
        onebit_dataset_free(d);
        path = test_data("sft/humaneval.jsonl"); /* a question, and no reply that we know */
        CHECK_FAILS(onebit_dataset_open(&d, path, t, NULL, NULL), ONEBIT_FORMAT, "jsonl:1:1: a row");
    }
    onebit_tokenizer_free(t);
}

/* Bytes that are no UTF-8, zeros, CRLF and an unfinished character come through as they are. */
static void dataset_test_bytes(void) {
    static const char odd[] = "\xEF\xBB\xBF" "a\0b\xFF\xC3\r\n" E "\r\n\xE2\x82";
    onebit_tokenizer *t = dataset_byte();
    onebit_dataset *d = NULL;
    const int32_t *ids;
    char *text;
    size_t n = 0;
    test_case("dataset: zeros and bytes that are no UTF-8 are text");
    dataset_bytes(DATASET_DIR "/a.txt", odd, sizeof odd - 1);
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/a.txt", t, NULL, NULL));
    ids = onebit_dataset_tokens(d, &n);
    CHECK(n == 9 && ids[5] == onebit_tokenizer_end(t) && ids[8] == ids[5]);
    onebit_dataset_free(d);
    test_case("dataset: a line may be millions of bytes");
    text = (char *)malloc(3000100);
    memset(text, 'x', 3000000);
    memcpy(text, "{\"text\":\"", 9);
    strcpy(text + 2999998, "\"}\n{\"text\":\"y\"}");
    dataset_file("b.jsonl", text);
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/b.jsonl", t, NULL, NULL));
    onebit_dataset_tokens(d, &n);
    CHECK(n == 2999998 - 9 + 1 + 2);
    onebit_dataset_free(d);
    onebit_tokenizer_free(t);
    dataset_remove("a.txt");
    dataset_remove("b.jsonl");
    free(text);
}

/* Two data sets that differ only in what is asked have the same targets, and other inputs. */
static void dataset_test_masked_batches(void) {
    static const char *const ask[2] = {"aaaa", "zzzz"};
    int32_t in[2][8 * 16], out[2][8 * 16];
    onebit_tokenizer *t = dataset_byte();
    char text[4000];
    int k, i, masked = 0;
    test_case("dataset: what is asked changes no target, and its targets are -1");
    for (k = 0; k < 2; k++) {
        onebit_dataset *d = NULL;
        size_t n = 0;
        for (i = 0; i < 40; i++)
            n += (size_t)snprintf(text + n, sizeof text - n,
                                  "{\"input\":\"%s\",\"output\":\"reply %d\"}\n", ask[k], i);
        dataset_file("r.jsonl", text);
        CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/r.jsonl", t, NULL, NULL));
        CHECK_OK(onebit_dataset_split(d, 0.2));
        CHECK(onebit_dataset_scored(d, 1) > onebit_dataset_scored(d, 0));
        CHECK_OK(onebit_dataset_batch(d, in[k], out[k], 8, 16));
        onebit_dataset_free(d);
    }
    for (i = 0; i < 8 * 16; i++) masked += out[0][i] < 0;
    CHECK(memcmp(in[0], in[1], sizeof in[0]) != 0);
    CHECK(memcmp(out[0], out[1], sizeof out[0]) == 0);
    CHECK(masked > 20 && masked < 80);
    for (i = 0; i + 1 < 8 * 16; i++)
        if (i % 16 < 15) CHECK(out[0][i] == -1 || out[0][i] == in[0][i + 1]);
    onebit_tokenizer_free(t);
    dataset_remove("r.jsonl");
}

/* ---- held-out names ---- */

static void dataset_test_held_out(void) {
    static const char *const files[] = {"wiki.train.txt", "wiki.valid.txt", "wiki.TEST.raw",
                                        "my_dev.md",      "latest.txt",     "eval.jsonl",
                                        "sub/val/x.txt"};
    static const char *const held[] = {"v validation-00000-of-00001.jsonl", /* Hugging Face shards */
                                       "t test-00000-of-00002-a1b2c3d4e5f60718.jsonl",
                                       "v stories-valid-a.txt",
                                       "v dev.part2.txt",
                                       "- train-00000-of-00002.jsonl",
                                       "- test-drive.txt",
                                       "- protest.txt",
                                       "- a.txt",
                                       "- -1.txt",
                                       "- 7"};
    onebit_data_options o = onebit_data_options_default();
    onebit_tokenizer *t = dataset_byte();
    onebit_dataset *d = NULL;
    char *text = NULL;
    size_t n, i;
    test_case("dataset: files of a directory that are named as held out are not trained on");
    CHECK_OK(ob_make_directory(DATASET_DIR "/sub/val"));
    for (i = 0; i < sizeof held / sizeof *held; i++)
        CHECK(ob_path_held_out(held[i] + 2) == (held[i][0] == '-' ? 0 : held[i][0]));
    for (i = 0; i < 7; i++)
        dataset_file(files[i], i == 5 ? "{\"text\":\"6\"}" : i == 6 ? "7" : &"12345"[i]);
    CHECK(dataset_loads(DATASET_DIR, 0, "5" E "12345"));
    o.part = ONEBIT_PART_VALID; /* what is named directly is for training */
    CHECK_OK(onebit_text_load(&text, &n, DATASET_DIR "," DATASET_DIR "/latest.txt", 0, &o, NULL));
    CHECK(text && !strcmp(text, "6" E "45" E "7" E "2345"));
    onebit_text_free(text, NULL);
    o.part = ONEBIT_PART_ALL;
    CHECK_OK(onebit_text_load(&text, &n, DATASET_DIR, 0, &o, NULL));
    CHECK(text && !strcmp(text, "6" E "5" E "45" E "7" E "345" E "12345" E "2345"));
    onebit_text_free(text, NULL);
    test_case("dataset: a note says what was left out, and that a named file was taken all the same");
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR, t, NULL, NULL));
    CHECK(strstr(onebit_dataset_note(d), "wiki.TEST.raw is left out") && d->valid_files == 4);
    onebit_dataset_free(d);
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/wiki.valid.txt", t, NULL, NULL));
    CHECK(strstr(onebit_dataset_note(d), "is trained on because it was named"));
    onebit_dataset_free(d);
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/latest.txt", t, NULL, NULL));
    CHECK(!*onebit_dataset_note(d));
    onebit_dataset_free(d);
    for (i = 0; i < 7; i++)
        if (i != 2) dataset_remove(files[i]);
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR, t, NULL, NULL), ONEBIT_FORMAT,
                "--include-held-out");
    dataset_remove(files[2]);
    dataset_remove("sub/val");
    dataset_remove("sub");
    onebit_tokenizer_free(t);
}

/* ---- several sources ---- */

/* Opens with weights and gives the share of windows whose first letter is 'A' + k, in tenths of a
   percent. */
static void dataset_shares(const onebit_tokenizer *t, const char *paths, const char *weights,
                           int *share) {
    onebit_data_options o = onebit_data_options_default();
    onebit_dataset *d = NULL;
    int32_t in[64 * 8], out[64 * 8];
    int i, b, count[3] = {0, 0, 0};
    size_t n;
    o.weights = weights;
    if (!CHECK_OK(onebit_dataset_open(&d, paths, t, &o, NULL))) return;
    CHECK_OK(onebit_dataset_split(d, 0.1));
    onebit_dataset_held_out(d, &n);
    CHECK(n > 200 && n < 1300);
    for (i = 0; i < 100; i++) {
        CHECK_OK(onebit_dataset_batch(d, in, out, 64, 8));
        for (b = 0; b < 64; b++) {
            const char *piece = onebit_tokenizer_piece(t, in[8 * b + 4], &n);
            if (*piece >= 'A' && *piece <= 'C') count[*piece - 'A']++;
        }
    }
    for (i = 0; i < 3; i++) share[i] = count[i] * 1000 / 6400;
    onebit_dataset_free(d);
}

#define DATASET_THREE DATASET_DIR "/A.txt," DATASET_DIR "/B.tokens," DATASET_DIR "/C,c.txt"

static void dataset_test_mixture(void) {
    static const char *const names[] = {"/A.txt", "/B.txt", "/C,c.txt"};
    static const int sizes[] = {8000, 3000, 500};
    onebit_data_options o = onebit_data_options_default();
    onebit_tokenizer *t = dataset_byte();
    onebit_dataset *d = NULL, *e = NULL;
    int32_t in[8 * 16], out[8 * 16], in2[8 * 16];
    int share[3], i, k;
    char text[8000], path[200];
    size_t n;
    test_case("dataset: weights say how often windows come from each path");
    for (k = 0; k < 3; k++) {
        memset(text, 'A' + k, sizeof text);
        snprintf(path, sizeof path, "%s%s", DATASET_DIR, names[k]);
        dataset_bytes(path, text, (size_t)sizes[k]);
    }
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/B.txt", t, NULL, NULL));
    CHECK_OK(onebit_tokens_write(DATASET_DIR "/B.tokens", onebit_dataset_tokens(d, &n), 3001));
    onebit_dataset_free(d);
    dataset_shares(t, DATASET_THREE, "6,3,1", share);
    CHECK(share[0] > 560 && share[0] < 640 && share[1] > 260 && share[1] < 340);
    CHECK(share[2] > 70 && share[2] < 130);
    dataset_shares(t, DATASET_THREE, "1,0.5,18.5", share); /* any scale; the small one repeats */
    CHECK(share[2] > 890 && share[0] > 25 && share[1] > 10);
    dataset_shares(t, DATASET_THREE, NULL, share); /* one corpus: by size */
    CHECK(share[0] > 740 && share[0] < 800 && share[2] == 0); /* the tail is held out */
    test_case("dataset: a mixture is drawn by the seed and resumes exactly");
    o.weights = "3,1,1";
    CHECK_OK(onebit_dataset_open(&d, DATASET_THREE, t, &o, NULL));
    CHECK_OK(onebit_dataset_open(&e, DATASET_THREE, t, &o, NULL));
    CHECK(!onebit_dataset_tokens(d, &n) && n == 0);
    for (i = 0; i < 100; i++) {
        onebit_position p = onebit_dataset_tell(d);
        CHECK_OK(onebit_dataset_batch(d, in, out, 8, 16));
        onebit_dataset_seek(e, p);
        CHECK_OK(onebit_dataset_batch(e, in2, out, 8, 16));
        CHECK(memcmp(in, in2, sizeof in) == 0);
    }
    CHECK(onebit_dataset_tell(d).place[2].epoch > 3 && onebit_dataset_tell(d).draws == 800);
    onebit_dataset_free(d);
    onebit_dataset_free(e);
    test_case("dataset: a path without text and weights that do not fit are errors that name them");
    dataset_file("empty.txt", "\n" E);
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/A.txt," DATASET_DIR "/empty.txt", t, NULL,
                                    NULL),
                ONEBIT_FORMAT, "empty.txt holds no text");
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/empty.txt," DATASET_DIR "/A.txt," DATASET_DIR
                                                    "/B.txt",
                                    t, &o, NULL),
                ONEBIT_FORMAT, "empty.txt holds no text");
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/A.txt," DATASET_DIR "/B.txt", t, &o, NULL),
                ONEBIT_CONFIG, "more weights");
    o.weights = "1,0";
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/A.txt," DATASET_DIR "/B.txt", t, &o, NULL),
                ONEBIT_CONFIG, "'0'");
    o.weights = "1";
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/A.txt," DATASET_DIR "/B.txt", t, &o, NULL),
                ONEBIT_CONFIG, "--data-weights");
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/A.txt,," DATASET_DIR "/B.txt", t, NULL, NULL),
                ONEBIT_IO, "no usable path");
    dataset_remove("empty.txt");
    dataset_remove("B.tokens");
    for (k = 0; k < 3; k++) dataset_remove(names[k]);
    onebit_tokenizer_free(t);
}

/* ---- streams ---- */

/* A heap that knows how much of it is in use. */
typedef struct dataset_heap {
    size_t now, peak;
} dataset_heap;

static void *dataset_take(void *user, size_t bytes) {
    dataset_heap *h = (dataset_heap *)user;
    size_t *p = (size_t *)malloc(bytes + 64);
    if (!p) return NULL;
    p[0] = bytes;
    h->now += bytes;
    if (h->now > h->peak) h->peak = h->now;
    return p + 8;
}

static void dataset_give(void *user, void *block) {
    size_t *p = (size_t *)block - 8;
    ((dataset_heap *)user)->now -= p[0];
    free(p);
}

static onebit_env dataset_env(dataset_heap *heap) {
    onebit_env env = onebit_env_default();
    memset(heap, 0, sizeof *heap);
    env.user = heap;
    env.alloc = dataset_take;
    env.release = dataset_give;
    return env;
}

/* Windows of a stream are windows of its text, each batch can be come back to, in any pass; seen
   counts the bytes 'a'..'z' of targets in the first pass. */
static void dataset_stream_check(const char *paths, const onebit_tokenizer *t, long *seen) {
    onebit_data_options o = onebit_data_options_default();
    onebit_dataset *d = NULL, *e = NULL;
    int32_t in[4 * 24], out[4 * 24], in2[4 * 24], out2[4 * 24];
    int i, k;
    o.stream_buffer = 1024;
    CHECK_OK(onebit_dataset_open(&d, paths, t, &o, NULL));
    CHECK_OK(onebit_dataset_open(&e, paths, t, &o, NULL));
    if (!d || !e) return;
    for (i = 0; i < 600 && onebit_dataset_tell(d).epoch < 3; i++) {
        onebit_position p = onebit_dataset_tell(d);
        if (!CHECK_OK(onebit_dataset_batch(d, in, out, 4, 24))) break;
        onebit_dataset_seek(e, p);
        CHECK_OK(onebit_dataset_batch(e, in2, out2, 4, 24));
        CHECK(memcmp(in, in2, sizeof in) == 0 && memcmp(out, out2, sizeof out) == 0);
        for (k = 0; k < 4 * 24 && p.epoch == 0; k++) {
            size_t n = 0;
            const char *piece = onebit_tokenizer_piece(t, in[k], &n);
            if (n == 1 && *piece >= 'a' && *piece <= 'z') seen[*piece - 'a']++;
        }
    }
    CHECK(onebit_dataset_tell(d).epoch == 3 && onebit_dataset_tell(d).place[0].fill > 6);
    onebit_dataset_free(d);
    onebit_dataset_free(e);
}

static void dataset_test_stream(void) {
    static const char *const names[] = {"a.txt", "b.jsonl", "c.json", "d.tokens", "e.txt"};
    onebit_tokenizer *t = dataset_byte();
    onebit_data_options o = onebit_data_options_default();
    onebit_dataset *d = NULL;
    int32_t in[4 * 24], out[4 * 24];
    long seen[26] = {0};
    char text[6000];
    double count = 0;
    size_t n = 0, i;
    int k, masked = 0;
    test_case("dataset: a stream reads every kind of file, pass after pass, and resumes exactly");
    for (i = 0; i < 5000; i++) text[i] = i % 9 ? 'a' : ' ';
    dataset_bytes(DATASET_DIR "/a.txt", text, 5000); /* one document, longer than the buffer */
    for (k = 0; k < 60; k++)
        n += (size_t)sprintf(text + n, "{\"input\":\"bbbbbbbb\",\"output\":\"bbbbb\"}\n");
    dataset_file("b.jsonl", text);
    for (n = 0, k = 0; k < 60; k++)
        n += (size_t)sprintf(text + n, "%c{\"text\":\"cccccccccccccccc\"}\n", k ? ',' : '[');
    sprintf(text + n, "]");
    dataset_file("c.json", text);
    for (k = 0; k < 2000; k++) in[0] = onebit_tokenizer_end(t);
    {
        int32_t ids[2000];
        size_t used = 0;
        CHECK_OK(onebit_tokenizer_encode(t, ids, 2000, &used, "d", 1, 0));
        for (k = 1; k < 2000; k++) ids[k] = ids[0];
        CHECK_OK(onebit_tokens_write(DATASET_DIR "/d.tokens", ids, 2000));
    }
    for (n = 0, k = 0; k < 200; k++) n += (size_t)sprintf(text + n, "eeeeeeee\n" E "\n");
    dataset_file("e.txt", text);
    dataset_stream_check(DATASET_DIR, t, seen);
    CHECK(seen[0] > 3500 && seen[1] > 600 && seen[2] > 700 && seen[3] > 1500 && seen[4] > 1200);
    o.stream_buffer = 1024;
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR, t, &o, NULL));
    CHECK_OK(ob_dataset_count(d, &count));
    CHECK(count == 5001 + 60 * 15 + 60 * 17 + 2001 + 200 * 9);
    CHECK_FAILS(onebit_dataset_split(d, 0.1), ONEBIT_USAGE, "--val-data-dir");
    CHECK(!onebit_dataset_tokens(d, &n));
    for (i = 0; i < 100; i++) {
        CHECK_OK(onebit_dataset_batch(d, in, out, 4, 24));
        for (k = 0; k < 96; k++) masked += out[k] < 0;
    }
    CHECK(masked > 300);
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 1, 5000), ONEBIT_USAGE, "need 5001");
    onebit_dataset_free(d);
    test_case("dataset: streams can be mixed by weights");
    o.weights = "1,1";
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/a.txt," DATASET_DIR "/gone.txt", t, &o, NULL),
                ONEBIT_IO, "gone.txt");
    o.stream_buffer = 4096;
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/a.txt," DATASET_DIR "/e.txt", t, &o, NULL));
    for (i = 0, k = 0; i < 200; i++) {
        CHECK_OK(onebit_dataset_batch(d, in, out, 1, 24));
        k += *onebit_tokenizer_piece(t, in[5] == onebit_tokenizer_end(t) ? in[6] : in[5], &n) ==
             'e';
    }
    CHECK(k > 70 && k < 130);
    onebit_dataset_free(d);
    test_case("dataset: what a stream cannot hold or read is an error");
    for (i = 0; i < 5; i++) dataset_remove(names[i]);
    n = (size_t)sprintf(text, "{\"text\":\"fine\"}\n{\"text\":\"");
    memset(text + n, 'x', 3000);
    strcpy(text + n + 3000, "\"}\n");
    dataset_file("b.jsonl", text);
    o.weights = NULL;
    o.stream_buffer = 1024;
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/b.jsonl", t, &o, NULL));
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 1, 24), ONEBIT_CONFIG, "--stream-buffer");
    onebit_dataset_free(d);
    dataset_file("b.jsonl", "{\"text\":\"fine\"}\n{\"txt\":\"\"}");
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/b.jsonl", t, &o, NULL));
    CHECK_FAILS(onebit_dataset_batch(d, in, out, 1, 2), ONEBIT_FORMAT, "b.jsonl:2:");
    onebit_dataset_free(d);
    dataset_remove("b.jsonl");
    o.stream_buffer = 7;
    CHECK_FAILS(onebit_dataset_open(&d, DATASET_DIR "/b.jsonl", t, &o, NULL), ONEBIT_CONFIG,
                "--stream-buffer");
    onebit_tokenizer_free(t);
}

static void dataset_test_stream_memory(void) {
    onebit_tokenizer *t = NULL;
    onebit_data_options o = onebit_data_options_default();
    onebit_dataset *d = NULL;
    dataset_heap heap;
    onebit_env env = dataset_env(&heap);
    int32_t in[64 * 128], out[64 * 128];
    char *text = (char *)malloc(1 << 20);
    size_t n = dataset_words(text, 1000000);
    FILE *f = fopen(DATASET_DIR "/big.txt", "wb");
    int i;
    test_case("dataset: a stream of 30 MB is trained on in a few megabytes");
    for (i = 0; i < 30 && f; i++) fwrite(text, 1, n, f);
    if (!CHECK(f && fclose(f) == 0)) return;
    CHECK_OK(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, text, 50000, 400, NULL));
    o.stream_buffer = 1 << 18;
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR "/big.txt", t, &o, &env));
    for (i = 0; onebit_dataset_tell(d).epoch < 2; i++)
        if (!CHECK_OK(onebit_dataset_batch(d, in, out, 64, 128))) break;
    CHECK(i > 2 * 800 && heap.peak < (size_t)4 << 20);
    onebit_dataset_free(d);
    CHECK(heap.now == 0);
    onebit_tokenizer_free(t);
    dataset_remove("big.txt");
    free(text);
}

/* What is streamed in a large buffer is what is in memory. */
static void dataset_test_stream_equal(void) {
    onebit_tokenizer *t = dataset_byte();
    onebit_data_options o = onebit_data_options_default();
    onebit_dataset *d = NULL, *e = NULL;
    int32_t in[64], out[64], in2[64], out2[64];
    char *text = (char *)malloc(60000);
    size_t n = dataset_words(text, 50000);
    int i;
    test_case("dataset: a buffer that holds all makes a stream equal to data in memory");
    dataset_bytes(DATASET_DIR "/a.txt", text, n);
    o.stream_buffer = 1 << 17;
    CHECK_OK(onebit_dataset_open(&d, DATASET_DIR, t, NULL, NULL));
    CHECK_OK(onebit_dataset_open(&e, DATASET_DIR, t, &o, NULL));
    for (i = 0; i < 3000; i++) {
        CHECK_OK(onebit_dataset_batch(d, in, out, 1, 64));
        CHECK_OK(onebit_dataset_batch(e, in2, out2, 1, 64));
        if (!CHECK(!memcmp(in, in2, sizeof in) && !memcmp(out, out2, sizeof out))) break;
    }
    CHECK(onebit_dataset_tell(d).epoch == onebit_dataset_tell(e).epoch);
    onebit_dataset_free(d);
    onebit_dataset_free(e);
    onebit_tokenizer_free(t);
    dataset_remove("a.txt");
    free(text);
}

#undef E

static void dataset_test_files(void) {
    test_case("dataset: a place for files");
    if (!CHECK_OK(ob_make_directory(DATASET_DIR))) return;
    dataset_test_text();
    dataset_test_directory();
    dataset_test_tokenised();
    dataset_test_tokens();
    dataset_test_memory();
    dataset_test_golden();
    dataset_test_turns();
    dataset_test_rows();
    dataset_test_row_errors();
    dataset_test_real_rows();
    dataset_test_bytes();
    dataset_test_masked_batches();
    dataset_test_held_out();
    dataset_test_mixture();
    dataset_test_stream();
    dataset_test_stream_equal();
    dataset_test_stream_memory();
    CHECK(remove(DATASET_DIR) == 0); /* nothing is left behind */
}

#endif /* ONEBIT_NO_FILES */

static void test_dataset(void) {
    dataset_test_permutation();
    dataset_test_windows();
    dataset_test_sizes();
    dataset_test_split();
#ifndef ONEBIT_NO_FILES
    dataset_test_files();
#endif
}
