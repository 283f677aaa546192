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
        const char *w = words[ob_rng_below(&rng, sizeof words / sizeof words[0])];
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
    base_heap heap;
    char *text;
    size_t n, left;
    int done;
    test_case("dataset: out of memory anywhere is an error without a leak");
    CHECK_OK(onebit_tokenizer_train(&tokenizer, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    dataset_file("a.txt", "ab\n" E "\nc");
    dataset_file("b.jsonl", "{\"text\":\"x\"}");
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
    onebit_tokenizer_free(tokenizer);
    dataset_remove("a.txt");
    dataset_remove("b.jsonl");
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
