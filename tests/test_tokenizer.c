/* test_tokenizer.c - floor 5: training, encoding, decoding, tokenizer.json, the packed form. */

/* What the small tokenizers of these tests learn from. */
static const char tok_text[] =
    "The keeper of the lighthouse kept a lamp, and the lamp kept the keeper awake. \"Who keeps "
    "whom?\" "
    "the keeper's daughter asked; they'll never know, she thought, and I don't either.\n\n"
    "In 1927 there were 27 ships, 127 storms and 1 lighthouse.   The storms broke 12 ships.\n"
    "\tCaf\xC3\xA9, na\xC3\xAFve, \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E, \xF0\x9F\x98\x80!\n"
    "<|endoftext|>The lamp and the lighthouse are the keeper's: we're only the storms, we've said.";

/* What they are asked to encode; not all of it was seen. */
static const char tok_ask[] =
    "The storm's keeper kept 1927 lamps   and there's a lighthouse\xE2\x80\xA6 don't\n\n we'LL  "
    "see: "
    "na\xC3\xAFve \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80<|endoftext|>the end ";

static onebit_tokenizer *tok_train(onebit_tokenizer_kind kind, const char *text, size_t n,
                                   int vocab) {
    onebit_tokenizer *t = NULL;
    CHECK_OK(onebit_tokenizer_train(&t, kind, text, n, vocab, NULL));
    return t;
}

/* The kind's tokenizer of tok_text: 300 tokens for BPE. */
static onebit_tokenizer *tok_small(onebit_tokenizer_kind kind) {
    return tok_train(kind, tok_text, sizeof tok_text - 1, 300);
}

/* A whole file, terminated; NULL when it is not there. */
static char *tok_read(const char *name, size_t *n) {
    const char *path = test_data(name);
    FILE *f = path ? fopen(path, "rb") : NULL;
    char *p = NULL;
    long size;
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    if (size >= 0) p = (char *)malloc((size_t)size + 1);
    if (p) {
        *n = fread(p, 1, (size_t)size, f);
        p[*n] = 0;
    }
    fclose(f);
    return p;
}

/* Encodes and decodes text: 1 when it comes back whole. */
static int tok_round_trip(const onebit_tokenizer *t, const char *text, size_t n, int special) {
    int32_t *ids = (int32_t *)malloc((n + 2) * sizeof *ids);
    char *back = (char *)malloc(n + 1);
    size_t count = 0, i;
    int same = onebit_tokenizer_encode(t, ids, n + 1, &count, text, n, special) == ONEBIT_OK;
    for (i = 0; same && i < count; i++)
        same = ids[i] >= 0 && ids[i] < onebit_tokenizer_vocab_size(t);
    same = same && onebit_tokenizer_decode(t, back, n + 1, ids, count, 1) == n;
    same = same && memcmp(back, text, n) == 0 && back[n] == 0;
    free(ids);
    free(back);
    return same;
}

/* 1 when text encodes to just these ids. */
static int tok_gives(const onebit_tokenizer *t, const char *text, size_t n, const int32_t *want,
                     size_t wanted) {
    int32_t *ids = (int32_t *)malloc((n + 2) * sizeof *ids);
    size_t count = 0;
    int same = onebit_tokenizer_encode(t, ids, n + 1, &count, text, n, 1) == ONEBIT_OK;
    same = same && count == wanted && memcmp(ids, want, wanted * sizeof *ids) == 0;
    free(ids);
    return same;
}

/* A written tokenizer.json; the caller frees it. */
static char *tok_json(const onebit_tokenizer *t, size_t *n) {
    char *json;
    *n = onebit_tokenizer_write(t, NULL, 0);
    json = (char *)malloc(*n + 1);
    CHECK(onebit_tokenizer_write(t, json, *n + 1) == *n);
    CHECK(strlen(json) == *n);
    return json;
}

/* 1 when both have the same pieces, merges and end. */
static int tok_same(const onebit_tokenizer *a, const onebit_tokenizer *b) {
    return !memcmp(&a->rules, &b->rules, sizeof a->rules) && a->vocab == b->vocab &&
           a->merges == b->merges && a->end == b->end && a->start == b->start &&
           a->unknown == b->unknown && a->added == b->added && a->spaced == b->spaced &&
           !memcmp(a->at, b->at, ((size_t)a->vocab + 1) * sizeof *a->at) &&
           !memcmp(a->text, b->text, a->at[a->vocab]) &&
           !memcmp(a->role, b->role, (size_t)a->vocab) &&
           !memcmp(a->byte_id, b->byte_id, sizeof a->byte_id) &&
           !memcmp(a->merge, b->merge, (size_t)a->merges * 3 * sizeof *a->merge);
}

/* ---- golden ids: computed by Hugging Face's tokenizers 0.23.3 from the json that we write ---- */

static const int32_t tok_bpe_ids[] = {
    277, 285, 109, 295, 275, 262, 298, 270, 57,  276, 290, 115, 32,  32,  273, 259, 282,
    295, 260, 291, 226, 128, 166, 292, 111, 110, 39,  116, 10,  10,  271, 101, 39,  76,
    76,  32,  261, 101, 101, 58,  293, 97,  195, 175, 118, 101, 32,  230, 151, 165, 230,
    156, 172, 32,  240, 159, 152, 128, 299, 116, 256, 32,  101, 272, 32};
static const int32_t tok_byte_ids[] = {
    84,  104, 101, 32,  115, 116, 111, 114, 109, 39,  115, 32,  107, 101, 101, 112, 101, 114, 32,
    107, 101, 112, 116, 32,  49,  57,  50,  55,  32,  108, 97,  109, 112, 115, 32,  32,  32,  97,
    110, 100, 32,  116, 104, 101, 114, 101, 39,  115, 32,  97,  32,  108, 105, 103, 104, 116, 104,
    111, 117, 115, 101, 226, 128, 166, 32,  100, 111, 110, 39,  116, 10,  10,  32,  119, 101, 39,
    76,  76,  32,  32,  115, 101, 101, 58,  32,  110, 97,  195, 175, 118, 101, 32,  230, 151, 165,
    230, 156, 172, 32,  240, 159, 152, 128, 256, 116, 104, 101, 32,  101, 110, 100, 32};
static const int32_t tok_char_ids[] = {
    17, 25, 22, 2,  34, 35, 31, 33, 29, 5,  34, 2,  27, 22, 22, 32, 22, 33, 2,  27, 22,
    32, 35, 2,  8,  11, 9,  10, 2,  28, 19, 29, 32, 34, 2,  2,  2,  19, 30, 21, 2,  35,
    25, 22, 33, 22, 5,  34, 2,  19, 2,  28, 26, 24, 25, 35, 25, 31, 36, 34, 22, 14, 2,
    21, 31, 30, 5,  35, 1,  1,  2,  38, 22, 5,  14, 14, 2,  2,  34, 22, 22, 12, 2,  30,
    19, 41, 37, 22, 2,  42, 43, 2,  45, 46, 35, 25, 22, 2,  22, 30, 21, 2};

static void tok_golden(void) {
    onebit_tokenizer *t;
    test_case("tokenizer: BPE gives the ids that Hugging Face's library gives");
    t = tok_small(ONEBIT_TOKENIZER_BPE);
    CHECK(onebit_tokenizer_vocab_size(t) == 300 && onebit_tokenizer_end(t) == 299);
    CHECK(tok_gives(t, tok_ask, sizeof tok_ask - 1, tok_bpe_ids, sizeof tok_bpe_ids / 4));
    onebit_tokenizer_free(t);
    test_case("tokenizer: BYTE gives the ids that Hugging Face's library gives");
    t = tok_small(ONEBIT_TOKENIZER_BYTE);
    CHECK(onebit_tokenizer_vocab_size(t) == 257 && onebit_tokenizer_end(t) == 256);
    CHECK(tok_gives(t, tok_ask, sizeof tok_ask - 1, tok_byte_ids, sizeof tok_byte_ids / 4));
    onebit_tokenizer_free(t);
    test_case("tokenizer: CHAR gives the ids that Hugging Face's library gives");
    t = tok_small(ONEBIT_TOKENIZER_CHAR);
    CHECK(tok_gives(t, tok_ask, sizeof tok_ask - 1, tok_char_ids, sizeof tok_char_ids / 4));
    onebit_tokenizer_free(t);
}

/* ---- golden ids of other kinds: files and ids by tools/golden_tokenizer.py ---- */

#include "golden_tokenizer.h"

/* Joins the parts of a golden file; the caller frees it. */
static char *tok_join(const char *const *parts, size_t *n) {
    char *all = (char *)calloc(1, 100000);
    for (*n = 0; *parts; parts++) {
        memcpy(all + *n, *parts, strlen(*parts));
        *n += strlen(*parts);
    }
    return all;
}

static onebit_tokenizer *tok_golden_open(const char *const *parts) {
    onebit_tokenizer *t = NULL;
    size_t n;
    char *json = tok_join(parts, &n);
    CHECK_OK(onebit_tokenizer_parse(&t, json, n, NULL));
    free(json);
    return t;
}

static void tok_check_packed(const onebit_tokenizer *t, size_t most);
static void tok_check_written(const onebit_tokenizer *a);

static void tok_golden_file(const char *name, const char *const *parts, const tok_expected *want) {
    onebit_tokenizer *t;
    size_t i;
    test_case(name);
    t = tok_golden_open(parts);
    for (i = 0; t && i < sizeof tok_golden_texts / sizeof *tok_golden_texts; i++)
        CHECK(tok_gives(t, tok_golden_texts[i], strlen(tok_golden_texts[i]), want[i].ids,
                        want[i].n));
    CHECK(t && onebit_tokenizer_piece(t, onebit_tokenizer_start(t), &i) && i == 3);
    if (t) tok_check_packed(t, 5000), tok_check_written(t);
    onebit_tokenizer_free(t);
}

static void tok_golden_files(void) {
    tok_golden_file("tokenizer: Llama 3's form gives the library's ids", tok_llama3_parts,
                    tok_llama3_expected);
    tok_golden_file("tokenizer: Qwen 2's form with NFC gives the library's ids", tok_qwen2_parts,
                    tok_qwen2_expected);
    tok_golden_file("tokenizer: Llama 2's form gives the library's ids", tok_prepend_parts,
                    tok_prepend_expected);
    tok_golden_file("tokenizer: Metaspace gives the library's ids", tok_metaspace_parts,
                    tok_metaspace_expected);
}

/* NFC by itself; pairs of what goes in and what comes out. */
static void tok_nfc(void) {
    static const char *const rows[][2] = {
        {"plain", "plain"},
        {"e\xCC\x81", "\xC3\xA9"},
        {"s\xCC\xA3\xCC\x87 s\xCC\x87\xCC\xA3", "\xE1\xB9\xA9 \xE1\xB9\xA9"}, /* marks reordered */
        {"\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C"},            /* Hangul */
        {"\xE2\x84\xAB", "\xC3\x85"},                                         /* Angstrom: single */
        {"\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"},                         /* excluded */
        {"a\xCC\x94\xCC\x94\xCC\x81", "a\xCC\x94\xCC\x94\xCC\x81"},           /* blocked? no pair */
        {"\xCC\x81" "a\xFF\xCC\x81", "\xCC\x81" "a\xFF\xCC\x81"}, /* no beginning; not UTF-8 */
        {"\xF0\x9D\x85\x9E", "\xF0\x9D\x85\x97\xF0\x9D\x85\xA5"},
        {"\xE1\xBE\x82", "\xE1\xBE\x82"}, /* four parts and back */
        /* near Hangul, and no pairs: L + letter, L + V beyond, LV + T before, LVT + T, LV + beyond */
        {"\xE1\x84\x80" "A", "\xE1\x84\x80" "A"},
        {"\xE1\x84\x80\xE1\x85\xB6", "\xE1\x84\x80\xE1\x85\xB6"},
        {"\xEA\xB0\x80\xE1\x86\xA7", "\xEA\xB0\x80\xE1\x86\xA7"},
        {"\xEA\xB0\x81\xE1\x86\xA8", "\xEA\xB0\x81\xE1\x86\xA8"},
        {"\xEA\xB0\x80\xE1\x87\x83", "\xEA\xB0\x80\xE1\x87\x83"},
    };
    ob_forms *u = (ob_forms *)calloc(1, sizeof *u);
    onebit_env env = onebit_env_default();
    ob_room composing = {NULL, 0}, composed = {NULL, 0};
    size_t i, n;
    uint32_t code;
    test_case("tokenizer: NFC composes, orders marks, and leaves the rest alone");
    ob_forms_fill(u);
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        ob_slice s;
        s.p = rows[i][0];
        s.n = strlen(s.p);
        CHECK_OK(ob_nfc(u, &env, &composing, &composed, &s));
        CHECK(s.n == strlen(rows[i][1]) && !memcmp(s.p, rows[i][1], s.n));
    }
    /* a second time changes nothing, for every code point; the sum is that of Python's unicodedata */
    for (code = 0x300, n = 0; code < 0x30000; code++) {
        char text[4], once[16];
        ob_slice s;
        s.p = text;
        s.n = ob_utf8_encode(code, text);
        ob_nfc(u, &env, &composing, &composed, &s);
        memcpy(once, s.p, s.n);
        n += s.n;
        s.p = once;
        i = s.n;
        ob_nfc(u, &env, &composing, &composed, &s);
        if (!CHECK(s.n == i && !memcmp(s.p, once, i))) break;
    }
    CHECK(n == 717094);
    {
        ob_slice s; /* only its first character is looked at: three times the text is no size */
        s.p = "\xCC\x81";
        s.n = SIZE_MAX / 2;
        CHECK_FAILS(ob_nfc(u, &env, &composing, &composed, &s), ONEBIT_MEMORY, "memory");
    }
    ob_release(&env, composing.p);
    ob_release(&env, composed.p);
    free(u);
}

/* ---- a slow learner and a slow encoder that say what is right ---- */

/* Words of a text as lists of ids, one cell per byte; -1 ends a word. */
typedef struct tok_slow {
    int32_t *id;
    size_t n;
} tok_slow;

static void tok_slow_lay(tok_slow *s, const char *text, size_t n) {
    ob_classes k;
    size_t at = 0;
    ob_classes_fill(&k);
    s->id = (int32_t *)malloc((2 * n + 1) * sizeof *s->id);
    s->n = 0;
    while (at < n) {
        size_t stop = at + ob_word_length(&k, &ob_splits[OB_SPLIT_GPT2], text + at, n - at);
        while (at < stop) s->id[s->n++] = (unsigned char)text[at++];
        s->id[s->n++] = -1;
    }
}

/* Replaces left, right by made, from the left. */
static void tok_slow_merge(tok_slow *s, int32_t left, int32_t right, int32_t made) {
    size_t i, to = 0;
    for (i = 0; i < s->n; i++) {
        int hit = s->id[i] == left && i + 1 < s->n && s->id[i + 1] == right;
        s->id[to++] = hit ? made : s->id[i];
        i += (size_t)hit;
    }
    s->n = to;
}

/* The pair with the highest count (at least 2), the smaller ids on a tie. */
static int tok_slow_best(const tok_slow *s, int vocab, int32_t *left, int32_t *right) {
    int *count = (int *)calloc((size_t)vocab * (size_t)vocab, sizeof *count);
    int best = 1;
    size_t i;
    int a, b;
    for (i = 0; i + 1 < s->n; i++)
        if (s->id[i] >= 0 && s->id[i + 1] >= 0) count[s->id[i] * vocab + s->id[i + 1]]++;
    for (a = 0; a < vocab; a++)
        for (b = 0; b < vocab; b++)
            if (count[a * vocab + b] > best) best = count[a * vocab + b], *left = a, *right = b;
    free(count);
    return best > 1;
}

static void tok_check_learner(const char *text, size_t n, int vocab) {
    onebit_tokenizer *t = tok_train(ONEBIT_TOKENIZER_BPE, text, n, vocab);
    tok_slow s;
    int i, same = 1;
    tok_slow_lay(&s, text, n);
    for (i = 0; t && i < t->merges && same; i++) {
        const int32_t *m = t->merge + (size_t)i * 3;
        int32_t left = -1, right = -1;
        same = tok_slow_best(&s, 256 + i, &left, &right) && m[0] == left && m[1] == right &&
               m[2] == 256 + i;
        tok_slow_merge(&s, m[0], m[1], m[2]);
    }
    CHECK(same);
    free(s.id);
    onebit_tokenizer_free(t);
}

/* Small texts over few letters, where ties, "aaa" and long repeats are the rule. */
static void tok_learner(void) {
    onebit_rng r;
    char text[400];
    int round;
    size_t i;
    test_case("tokenizer: learning merges as a plain count of pairs would");
    onebit_rng_seed(&r, 7);
    for (round = 0; round < 40; round++) {
        size_t n = 1 + (size_t)test_below(&r, sizeof text - 1);
        for (i = 0; i < n; i++) text[i] = "ab c"[test_below(&r, round & 1 ? 2 : 4)];
        tok_check_learner(text, n, 257 + round);
    }
    for (i = 0; i < 300; i++) text[i] = 'a';
    tok_check_learner(text, 300, 280);
    tok_check_learner(tok_text, 300, 330);
}

static void tok_learn_rules(void) {
    onebit_tokenizer *a, *b, *c;
    size_t n, i;
    int id;
    test_case("tokenizer: learning is deterministic and stops when no pair occurs twice");
    a = tok_small(ONEBIT_TOKENIZER_BPE);
    b = tok_small(ONEBIT_TOKENIZER_BPE);
    CHECK(tok_same(a, b));
    onebit_tokenizer_free(b);
    c = tok_train(ONEBIT_TOKENIZER_BPE, "abc abc", 7, 1000);
    CHECK(onebit_tokenizer_vocab_size(c) < 262);
    onebit_tokenizer_free(c);
    c = tok_train(ONEBIT_TOKENIZER_BPE, "", 0, 1000);
    CHECK(onebit_tokenizer_vocab_size(c) == 257 && onebit_tokenizer_end(c) == 256);
    onebit_tokenizer_free(c);
    test_case("tokenizer: ids are the bytes, then merges inside words, then <|endoftext|>");
    for (id = 0; id < 256; id++) {
        const char *p = onebit_tokenizer_piece(a, id, &n);
        CHECK(n == 1 && (unsigned char)*p == id);
    }
    for (id = 256; id < 299; id++) {
        const char *p = onebit_tokenizer_piece(a, id, &n);
        CHECK(n > 1);
        for (i = 1; i < n; i++) CHECK(p[i] != ' ' || p[i - 1] == ' ');
        CHECK(memchr(p, '|', n) == NULL); /* the marker in the text was not learned */
    }
    CHECK(onebit_tokenizer_piece(a, 299, &n) && n == 13);
    CHECK(onebit_tokenizer_piece(a, 300, &n) == NULL && n == 0);
    CHECK(onebit_tokenizer_piece(a, -1, &n) == NULL);
    onebit_tokenizer_free(a);
}

/* ---- encoding and decoding ---- */

/* Ids of one word by the rule itself: again and again the lowest rank, from the left. */
static size_t tok_slow_encode(const onebit_tokenizer *t, int32_t *s, const char *p, size_t n) {
    size_t i, best;
    for (i = 0; i < n; i++) s[i] = t->byte_id[(unsigned char)p[i]];
    for (;;) {
        uint32_t rank = OB_NO_RANK;
        int32_t made, id = -1;
        for (i = best = 0; i + 1 < n; i++) {
            uint32_t r = ob_rank(t, s[i], s[i + 1], &made);
            if (r < rank) rank = r, best = i, id = made;
        }
        if (rank == OB_NO_RANK) return n;
        s[best] = id;
        for (i = best + 1; i + 1 < n; i++) s[i] = s[i + 1];
        n--;
    }
}

static void tok_long_words(void) {
    enum { most = 500 };
    onebit_tokenizer *t;
    onebit_rng r;
    char text[4000], word[most];
    int32_t want[most];
    int round;
    size_t i;
    test_case("tokenizer: long words merge as short ones do");
    onebit_rng_seed(&r, 3);
    for (i = 0; i < sizeof text; i++) text[i] = "aabc"[test_below(&r, 4)];
    t = tok_train(ONEBIT_TOKENIZER_BPE, text, sizeof text, 400);
    for (round = 0; t && round < 200; round++) {
        size_t n = 1 + (size_t)test_below(&r, most), count;
        for (i = 0; i < n; i++) word[i] = round % 5 ? "aabc"[test_below(&r, 4)] : 'a';
        count = tok_slow_encode(t, want, word, n);
        CHECK(tok_gives(t, word, n, want, count));
    }
    onebit_tokenizer_free(t);
}

static void tok_random_bytes(void) {
    onebit_tokenizer *bpe = tok_small(ONEBIT_TOKENIZER_BPE),
                     *byte = tok_small(ONEBIT_TOKENIZER_BYTE);
    onebit_rng r;
    char text[600];
    int round;
    size_t i;
    test_case("tokenizer: any bytes come back, special tokens included");
    onebit_rng_seed(&r, 1);
    for (round = 0; round < 300; round++) {
        size_t n = (size_t)test_below(&r, sizeof text);
        for (i = 0; i < n; i++) {
            uint64_t v = ob_rng_next(&r);
            text[i] =
                round % 3 ? (char)(unsigned char)(v >> 56) : " \n\tkeep's19<|\xC3\xA9"[v % 16];
        }
        CHECK(tok_round_trip(bpe, text, n, round & 1));
        CHECK(tok_round_trip(byte, text, n, round & 1));
    }
    CHECK(tok_round_trip(bpe, tok_ask, sizeof tok_ask - 1, 1));
    CHECK(tok_round_trip(bpe, tok_ask, sizeof tok_ask - 1, 0));
    CHECK(tok_round_trip(bpe, "", 0, 0));
    onebit_tokenizer_free(bpe);
    onebit_tokenizer_free(byte);
}

/* Long runs that make one word, or none, of everything. */
static void tok_hostile_text(void) {
    static const char *const units[] = {
        "a", " ", "\xF0\x9F\x98\x80", "\xFF", "<", "<|endoftext|", "\n", "<|endoftext|>", "'s"};
    onebit_tokenizer *t = tok_small(ONEBIT_TOKENIZER_BPE);
    char *text = (char *)malloc(200000);
    size_t i, k;
    test_case("tokenizer: 200 kB of one thing come back");
    for (k = 0; k < sizeof units / sizeof *units; k++) {
        size_t n = strlen(units[k]);
        for (i = 0; i < 200000; i++) text[i] = units[k][i % n];
        CHECK(tok_round_trip(t, text, 200000, 1));
    }
    free(text);
    onebit_tokenizer_free(t);
}

static void tok_special(void) {
    static const char text[] = "a<|endoftext|>b";
    onebit_tokenizer *t = tok_small(ONEBIT_TOKENIZER_BPE);
    int32_t ids[20];
    char out[40];
    size_t n, all;
    test_case("tokenizer: written special tokens count only when asked for");
    CHECK_OK(onebit_tokenizer_encode(t, ids, 20, &n, text, sizeof text - 1, 1));
    CHECK(n == 3 && ids[0] == 'a' && ids[1] == 299 && ids[2] == 'b');
    CHECK(onebit_tokenizer_decode(t, out, sizeof out, ids, n, 0) == 2 && !strcmp(out, "ab"));
    CHECK(onebit_tokenizer_decode(t, out, sizeof out, ids, n, 1) == 15 && !strcmp(out, text));
    CHECK_OK(onebit_tokenizer_encode(t, ids, 20, &all, text, sizeof text - 1, 0));
    CHECK(all > 3 && onebit_tokenizer_decode(t, out, sizeof out, ids, all, 0) == 15);
    test_case("tokenizer: what does not fit is counted and not written");
    ids[1] = -7;
    CHECK_FAILS(onebit_tokenizer_encode(t, ids, 1, &n, text, sizeof text - 1, 1), ONEBIT_LIMIT,
                "3 ids");
    CHECK(n == 3 && ids[0] == 'a' && ids[1] == -7);
    CHECK(onebit_tokenizer_encode(t, NULL, 0, &n, text, sizeof text - 1, 1) == ONEBIT_LIMIT &&
          n == 3);
    CHECK_OK(onebit_tokenizer_encode(t, NULL, 0, &n, NULL, 0, 1));
    ids[0] = 'k', ids[1] = 300, ids[2] = -1, ids[3] = 'x';
    CHECK(onebit_tokenizer_decode(t, out, 2, ids, 4, 1) == 2 && !strcmp(out, "k"));
    CHECK(onebit_tokenizer_decode(t, NULL, 0, ids, 4, 1) == 2);
    onebit_tokenizer_free(t);
}

static void tok_chars(void) {
    static const char text[] = "caf\xC3\xA9 \xF0\x9F\x98\x80<|endoftext|>?";
    onebit_tokenizer *t = tok_train(ONEBIT_TOKENIZER_CHAR, text, sizeof text - 1, 0);
    int32_t ids[8];
    size_t n;
    test_case("tokenizer: CHAR has a token per code point, in their order");
    CHECK(onebit_tokenizer_vocab_size(t) == 8 && onebit_tokenizer_end(t) == 7);
    CHECK_OK(onebit_tokenizer_encode(t, ids, 8, &n, "\xC3\xA9zf\xFF", 5, 0));
    CHECK(n == 4 && ids[0] == 5 && ids[1] == 1 && ids[2] == 4 && ids[3] == 1);
    CHECK(tok_round_trip(t, text, sizeof text - 1, 1));
    onebit_tokenizer_free(t);
    t = tok_train(ONEBIT_TOKENIZER_CHAR, "ab", 2, 0);
    CHECK_OK(onebit_tokenizer_encode(t, ids, 8, &n, "axb<", 4, 0));
    CHECK(n == 2 && ids[0] == 0 && ids[1] == 1);
    onebit_tokenizer_free(t);
    t = tok_train(ONEBIT_TOKENIZER_CHAR, "", 0, 0);
    CHECK(onebit_tokenizer_vocab_size(t) == 1 && onebit_tokenizer_end(t) == 0);
    onebit_tokenizer_free(t);
}

/* ---- streaming ---- */

/* All of the bytes with U+FFFD for each that is not UTF-8. */
static size_t tok_lossy(char *out, const char *p, size_t n) {
    size_t at = 0, made = 0;
    while (at < n) {
        uint32_t code;
        at += ob_utf8_decode(p + at, n - at, &code);
        made += ob_utf8_encode(code, out + made);
    }
    return made;
}

static void tok_stream(void) {
    onebit_tokenizer *t = tok_small(ONEBIT_TOKENIZER_BYTE);
    onebit_rng r;
    char text[200], want[600], got[900], piece[512];
    int round;
    size_t i, made, n;
    test_case("tokenizer: streamed pieces are whole characters and join to the lossy text");
    onebit_rng_seed(&r, 5);
    for (round = 0; round < 2000; round++) {
        onebit_utf8 state;
        memset(&state, 0, sizeof state);
        for (i = 0; i < sizeof text; i++) {
            static const char some[] =
                "a\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80\xED\xA0\xF4\x90\xE0\xC0";
            text[i] = some[test_below(&r, sizeof some - 1)];
        }
        for (made = 0, i = 0; i <= sizeof text; i++) {
            int id = i < sizeof text ? (unsigned char)text[i] : -1;
            n = onebit_tokenizer_stream(t, &state, id, piece, sizeof piece);
            CHECK(ob_is_utf8(piece, n) && piece[n] == 0);
            memcpy(got + made, piece, n);
            made += n;
        }
        n = tok_lossy(want, text, sizeof text);
        if (!CHECK(n == made && memcmp(want, got, n) == 0)) break;
    }
    onebit_tokenizer_free(t);
}

static void tok_stream_edges(void) {
    onebit_tokenizer *t = tok_small(ONEBIT_TOKENIZER_BYTE), *c;
    onebit_utf8 state;
    char out[8];
    test_case("tokenizer: a character comes with its last byte; special tokens give nothing");
    memset(&state, 0, sizeof state);
    CHECK(onebit_tokenizer_stream(t, &state, 0xE6, out, sizeof out) == 0 && out[0] == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 0x97, out, sizeof out) == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 256, out, sizeof out) == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 0xA5, out, sizeof out) == 3);
    CHECK(!strcmp(out, "\xE6\x97\xA5") && state.count == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 0xE6, out, sizeof out) == 0);
    CHECK(onebit_tokenizer_stream(t, &state, -1, out, sizeof out) == 3);
    CHECK(!strcmp(out, "\xEF\xBF\xBD"));
    test_case("tokenizer: a place too small cuts between characters");
    CHECK(onebit_tokenizer_stream(t, &state, 0xFF, out, 3) == 0 && out[0] == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 0xFF, out, 4) == 3);
    CHECK(onebit_tokenizer_stream(t, &state, 'a', out, 1) == 0 && out[0] == 0);
    CHECK(onebit_tokenizer_stream(t, &state, 'a', out, 0) == 0);
    state.count = 99;
    CHECK(onebit_tokenizer_stream(t, &state, 'a', out, sizeof out) == 1);
    c = tok_train(ONEBIT_TOKENIZER_BPE, "a\xC3\xA9z a\xC3\xA9z", 9, 300);
    memset(&state, 0, sizeof state);
    CHECK(onebit_tokenizer_stream(c, &state, onebit_tokenizer_vocab_size(c) - 2, out, 4) <= 3);
    onebit_tokenizer_free(c);
    onebit_tokenizer_free(t);
}

/* ---- tokenizer.json ---- */

static void tok_json_round_trip(void) {
    int kind;
    test_case("tokenizer: tokenizer.json reads back as what was written");
    for (kind = 0; kind <= ONEBIT_TOKENIZER_CHAR; kind++) {
        onebit_tokenizer *a = tok_small((onebit_tokenizer_kind)kind), *b = NULL;
        size_t n;
        char *json = tok_json(a, &n), part[20];
        CHECK_OK(onebit_tokenizer_parse(&b, json, n, NULL));
        CHECK(b && tok_same(a, b));
        CHECK(onebit_tokenizer_write(a, part, sizeof part) == n && !memcmp(part, json, 19));
        free(json);
        onebit_tokenizer_free(a);
        onebit_tokenizer_free(b);
    }
}

/* Writes it, reads that, and compares. */
static void tok_check_written(const onebit_tokenizer *a) {
    onebit_tokenizer *b = NULL;
    size_t n;
    char *json = tok_json(a, &n);
    CHECK_OK(onebit_tokenizer_parse(&b, json, n, NULL));
    CHECK(b && tok_same(a, b));
    free(json);
    onebit_tokenizer_free(b);
}

/* A tokenizer.json with parts of one's choice. Ids 0 a, 1 b, 2 c, 3 ab, 4 abc. */
static char *tok_hf(char *out, const char *head, const char *model, const char *vocab,
                    const char *merges) {
    sprintf(out,
            "{%s\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
            "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{%s\"vocab\":{%s},\"merges\":[%s]}}",
            head, model, vocab, merges);
    return out;
}

#define TOK_VOCAB  "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"abc\":4"
#define TOK_MERGES "\"a b\",\"ab c\""
#define TOK_ADDED(id, text, more)                                                                  \
    "\"added_tokens\":[{\"id\":" id ",\"content\":\"" text "\"" more "}],"

static void tok_json_forms(void) {
    static const int32_t want[] = {4, 4, 2}; /* what a dropped byte parted merges */
    onebit_tokenizer *t = NULL;
    char json[2000];
    int32_t ids[8];
    size_t n;
    test_case("tokenizer: merges as strings and as arrays; unlisted bytes are dropped");
    tok_hf(json, "", "", TOK_VOCAB, TOK_MERGES);
    CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL));
    CHECK(t && tok_gives(t, "abcXabYcc", 9, want, 3) && onebit_tokenizer_end(t) == -1);
    onebit_tokenizer_free(t);
    tok_hf(json, "", "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"fuse_unk\":false,",
           "\"abc\":4,\"c\":2,\"ab\":3,\"\\u0061\":0,\"b\":1", "[\"a\",\"b\"],[\"ab\",\"c\"]");
    CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL));
    CHECK(t && tok_gives(t, "abcXabYcc", 9, want, 3));
    onebit_tokenizer_free(t);
    test_case("tokenizer: added tokens, the longest first; plain ones always count");
    tok_hf(json,
           "\"added_tokens\":[{\"id\":5,\"content\":\"ab\\u00e9\",\"special\":false},"
           "{\"id\":6,\"content\":\"<a>\",\"special\":true},"
           "{\"id\":7,\"content\":\"<a>b\",\"special\":true,\"lstrip\":false}],",
           "", TOK_VOCAB, TOK_MERGES);
    CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL));
    CHECK_OK(onebit_tokenizer_encode(t, ids, 8, &n, "<a>bab\xC3\xA9<a>a", 12, 1));
    CHECK(n == 4 && ids[0] == 7 && ids[1] == 5 && ids[2] == 6 && ids[3] == 0);
    CHECK_OK(onebit_tokenizer_encode(t, ids, 8, &n, "<a>bab\xC3\xA9<a>a", 12, 0));
    CHECK(n == 5 && ids[0] == 0 && ids[1] == 1 && ids[2] == 5 && ids[3] == 0 && ids[4] == 0);
    onebit_tokenizer_free(t);
}

/* Every refusal names what it refuses. */
static void tok_json_refusals(void) {
    static const struct {
        const char *head, *model, *vocab, *merges;
        onebit_status status;
        const char *words;
    } rows[] = {
        {"\"normalizer\":{\"type\":\"NFKC\"},", "", "\"a\":0", "", ONEBIT_UNSUPPORTED, "NFKC"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\"},", "", "\"a\":0", "",
         ONEBIT_UNSUPPORTED, "TemplateProcessing"},
        {"\"post_processor\":{\"type\":\"RobertaProcessing\"},", "", "\"a\":0", "",
         ONEBIT_UNSUPPORTED, "RobertaProcessing"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
         "\"id\":\"<z>\"}}]},", "", "\"a\":0", "", ONEBIT_FORMAT, "<z>"},
        {"\"normalizer\":{\"type\":\"Sequence\"},", "", "\"a\":0", "", ONEBIT_FORMAT, "list"},
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"},", "",
         "\"a\":0", "", ONEBIT_UNSUPPORTED, "Replace"},
        {"\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},", "", "\"a\":0", "",
         ONEBIT_UNSUPPORTED, "together"},
        {"\"sauce\":1,", "", "\"a\":0", "", ONEBIT_UNSUPPORTED, "sauce"},
        {"", "\"type\":\"Unigram\",", "\"a\":0", "", ONEBIT_UNSUPPORTED, "Unigram"},
        {"", "\"type\":\"WordPiece\",", "\"a\":0", "", ONEBIT_UNSUPPORTED, "WordPiece"},
        {"", "\"byte_fallback\":true,", "\"a\":0", "", ONEBIT_UNSUPPORTED, "byte_fallback"},
        {"", "\"ignore_merges\":7,", "\"a\":0", "", ONEBIT_FORMAT, "true or false"},
        {"", "\"type\":\"WordLevel\",", "\"a\":0", "", ONEBIT_UNSUPPORTED, "WordLevel"},
        {"", "\"dropout\":0.1,", "\"a\":0", "", ONEBIT_UNSUPPORTED, "dropout"},
        {"", "\"end_of_word_suffix\":\"</w>\",", "\"a\":0", "", ONEBIT_UNSUPPORTED,
         "end_of_word_suffix"},
        {"", "\"unk_token\":\"<unk>\",", "\"a\":0", "", ONEBIT_FORMAT, "<unk>"},
        {TOK_ADDED("1", "x", ",\"single_word\":true"), "", "\"a\":0", "", ONEBIT_UNSUPPORTED,
         "single_word"},
        {TOK_ADDED("1", "x\xCC\x81", ",\"normalized\":true") "\"normalizer\":{\"type\":\"NFC\"},", "",
         "\"a\":0", "", ONEBIT_UNSUPPORTED, "normalized"},
        {TOK_ADDED("0", "x", ""), "", "\"a\":0", "", ONEBIT_FORMAT, "another text"},
        {TOK_ADDED("0", "\xC3\xA9", ""), "", "\"\xC3\xA9\":0", "", ONEBIT_UNSUPPORTED,
         "also a byte"}, /* the letter for byte 233 */
        {TOK_ADDED("1", "a", ""), "", "\"a\":0", "", ONEBIT_UNSUPPORTED, "the same text"},
        {TOK_ADDED("1", "", ""), "", "\"a\":0", "", ONEBIT_FORMAT, "empty"},
        {TOK_ADDED("\"1\"", "x", ""), "", "\"a\":0", "", ONEBIT_FORMAT, "number"},
        {"\"added_tokens\":[{\"id\":1}],", "", "\"a\":0", "", ONEBIT_FORMAT, "content"},
        {"\"added_tokens\":7,", "", "\"a\":0", "", ONEBIT_FORMAT, "array"},
        {"", "", "\"a\":0,\"b\":0", "", ONEBIT_FORMAT, "id 0 twice"},
        {"", "", "\"a\":0,\"a\":1", "", ONEBIT_UNSUPPORTED, "the same text"},
        {"", "", "\"a\":0,\"b\":2", "", ONEBIT_UNSUPPORTED, "id 2"},
        {TOK_ADDED("0", "a", ""), "", "\"a\":0,\"b\":2", "", ONEBIT_UNSUPPORTED, "no token has id 1"},
        {"", "\"dropout\":tru,", "\"a\":0", "", ONEBIT_FORMAT, "true or false"},
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"_\"},", "",
         "\"a\":0", "", ONEBIT_UNSUPPORTED, "Replace"},
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" \"},\"content\":\"_\"},", "",
         "\"a\":0", "", ONEBIT_UNSUPPORTED, "Replace"},
        {"\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"_\"},", "", "\"a\":0", "",
         ONEBIT_UNSUPPORTED, "Prepend"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},"
         "{\"SpecialToken\":{\"id\":\"<z>\"}}]},", "", "\"a\":0", "", ONEBIT_FORMAT, "the end"},
        {"", "", "\"a\":0,\"b\":-1", "", ONEBIT_UNSUPPORTED, "id -1"},
        {"", "", "\"a\":0,\"b\":99999999999", "", ONEBIT_UNSUPPORTED, "99999999999"},
        {"", "", "\"a\":0,\"b\":1.5", "", ONEBIT_FORMAT, "whole number"},
        {"", "", "\"a\":0,\"b\":\"1\"", "", ONEBIT_FORMAT, "number"},
        {"", "", "\"a\":0,\"\":1", "", ONEBIT_FORMAT, "empty"},
        {"", "", "\"a\":0,\"b c\":1", "", ONEBIT_UNSUPPORTED, "alphabet"},
        {"", "", "\"a\":0,\"\xE6\x97\xA5\":1", "", ONEBIT_UNSUPPORTED, "alphabet"},
        {"", "", "", "", ONEBIT_UNSUPPORTED, "0 tokens"},
        {"", "", TOK_VOCAB, "\"a c\"", ONEBIT_FORMAT, "lacks"},
        {"", "", TOK_VOCAB, "\"a x\"", ONEBIT_FORMAT, "lacks"},
        {"", "", TOK_VOCAB, "\"ab\"", ONEBIT_FORMAT, "left right"},
        {"", "", TOK_VOCAB, "\"a \"", ONEBIT_FORMAT, "lacks"},
        {"", "", TOK_VOCAB, "\"a b\",\"a b\"", ONEBIT_FORMAT, "twice"},
        {"", "", TOK_VOCAB, "\"a b c\"", ONEBIT_FORMAT, "alphabet"},
        {"", "", TOK_VOCAB, "[\"a\"]", ONEBIT_FORMAT, "1 parts"},
        {"", "", TOK_VOCAB, "[\"a\",\"b\",\"c\"]", ONEBIT_FORMAT, "3 parts"},
        {"", "", TOK_VOCAB, "[\"a\",1]", ONEBIT_FORMAT, "string"},
        {"", "", TOK_VOCAB, "{}", ONEBIT_FORMAT, "string"},
    };
    char json[2000];
    size_t i;
    test_case("tokenizer: what is not understood is refused by its name");
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        onebit_tokenizer *t = NULL;
        tok_hf(json, rows[i].head, rows[i].model, rows[i].vocab, rows[i].merges);
        CHECK_FAILS(onebit_tokenizer_parse(&t, json, strlen(json), NULL), rows[i].status,
                    rows[i].words);
        CHECK(t == NULL);
        onebit_tokenizer_free(t);
    }
}

#define TOK_META(scheme)                                                                           \
    "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"" scheme "\"}"

#define TOK_AFTER(first, second)                                                                   \
    "{\"type\":\"Sequence\",\"pretokenizers\":[" first "," second "]}"
#define TOK_SPLIT(behavior, invert)                                                                \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+|"              \
    " ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"" behavior          \
    "\",\"invert\":" invert "}"
#define TOK_FUSE_THEN(decoders)                                                                    \
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"}," decoders "]}"
#define TOK_REPLACE                                                                                \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}"
#define TOK_REPLACE_IN                                                                             \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}"

/* Stages that stand where tok_hf writes its own. */
static void tok_json_stages(void) {
    static const struct {
        const char *pre, *decoder, *model, *words;
    } rows[] = {
        {"{\"type\":\"Metaspace\"}", "null", "", "replacement"},
        {TOK_META("x"), TOK_META("always"), "", "prepend_scheme"},
        {TOK_META("first"), "{\"type\":\"Fuse\"}", "", "Fuse"},
        {TOK_META("first"), TOK_META("first"), "\"byte_fallback\":true,", "decoder"},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[" TOK_META("first") "," TOK_META("first") "]}",
         "null", "", "later pre_tokenizer"},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}]}", "{\"type\":\"Fuse\"}", "",
         "Digits"},
        {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a-z]+\"},\"behavior\":\"Isolated\"}", "null",
         "", "[a-z]+"},
        {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+|"
         " ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Removed\"}",
         "null", "", "Removed"},
        {"{\"type\":\"ByteLevel\"}", "{\"type\":\"ByteLevel\"}", "\"byte_fallback\":true,",
         "byte_fallback"},
        {"{\"type\":\"ByteLevel\"}", "null", "", "decoder"},
        {"{\"type\":\"ByteLevel\"}", "{\"type\":\"WordPiece\"}", "", "WordPiece"},
        {"null", TOK_META("always"), "", "Metaspace"},
        {"null", "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}", "", "Strip"},
        {"null", TOK_FUSE_THEN("{\"type\":\"Strip\",\"content\":\" \",\"start\":2,\"stop\":0}"), "",
         "Strip"},
        {"null", TOK_FUSE_THEN("{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":1}"), "",
         "Strip"},
        {"null", TOK_FUSE_THEN("{\"type\":\"Fuse\"}"), "", "Fuse"},
        {"null", TOK_FUSE_THEN("{\"type\":\"ByteFallback\"}"), "", "Sequence"},
        {"null", TOK_FUSE_THEN("{\"type\":\"ByteLevel\"}"), "", "Sequence"},
        {"null", "null", "", "null"},
        {"null", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "", "Metaspace"},
        {TOK_META("first"), TOK_FUSE_THEN(TOK_META("first") "," TOK_REPLACE), "", "Sequence"},
        {TOK_AFTER("{\"type\":\"Digits\"}", TOK_SPLIT("Isolated", "false")), "null", "",
         "a second split"},
        {TOK_AFTER(TOK_SPLIT("Isolated", "false"), TOK_SPLIT("Isolated", "false")), "null", "",
         "a second split"},
        {TOK_AFTER(TOK_SPLIT("Isolated", "false"), "{\"type\":\"ByteLevel\"}"), "null", "",
         "a second split"},
        {TOK_AFTER(TOK_SPLIT("Isolated", "false"), "{\"type\":\"Digits\"}"), "null", "", "Digits"},
        {TOK_SPLIT("Isolated", "true"), "null", "", "Isolated"},
        {TOK_AFTER(TOK_SPLIT("Isolated", "false"),
                   "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"), "null", "",
         "add_prefix_space"},
        {TOK_AFTER("{\"type\":\"Digits\"}", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"),
         "null", "", "add_prefix_space"},
        {TOK_AFTER("{\"type\":\"Digits\"}", "{\"type\":\"ByteLevel\",\"use_regex\":false}"), "null",
         "", "Digits"},
        {"null,\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},\"pre_tokenizer\":"
         TOK_META("first"), "null", "", "a second prefix"},
        /* the library would look for these tokens in another text than we do */
        {"null,\"normalizer\":" TOK_REPLACE_IN ",\"added_tokens\":[{\"id\":0,\"content\":\"<a>\","
         "\"normalized\":true,\"lstrip\":true}]", TOK_FUSE_THEN(TOK_REPLACE), "", "normalized"},
        {"null,\"normalizer\":" TOK_REPLACE_IN ",\"added_tokens\":[{\"id\":0,\"content\":\"a b\","
         "\"normalized\":true}]", TOK_FUSE_THEN(TOK_REPLACE), "", "normalized"},
        {"null,\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
         "\"prepend\":\"\xE2\x96\x81\"}," TOK_REPLACE_IN "]},\"added_tokens\":[{\"id\":0,"
         "\"content\":\"<a>\",\"normalized\":true}]", TOK_FUSE_THEN(TOK_REPLACE), "", "normalized"},
    };
    onebit_tokenizer *t = NULL;
    char json[2000];
    size_t i;
    test_case("tokenizer: other pre-tokenizers and decoders are refused by their name");
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        sprintf(
            json,
            "{\"pre_tokenizer\":%s,\"decoder\":%s,\"model\":{%s\"vocab\":{\"a\":0},\"merges\":[]}}",
            rows[i].pre, rows[i].decoder, rows[i].model);
        CHECK_FAILS(onebit_tokenizer_parse(&t, json, strlen(json), NULL), ONEBIT_UNSUPPORTED,
                    rows[i].words);
    }
    CHECK(onebit_tokenizer_parse(&t, "[]", 2, NULL) == ONEBIT_FORMAT);
    CHECK(onebit_tokenizer_parse(&t, "{}", 2, NULL) == ONEBIT_FORMAT);
    CHECK(onebit_tokenizer_parse(&t, "{\"model\":{\"vocab\":{}}}", 22, NULL) == ONEBIT_FORMAT);
    CHECK(onebit_tokenizer_parse(&t, "{\"model\":{\"vocab\":[[\"a\",1]]}}", 30, NULL) ==
          ONEBIT_UNSUPPORTED);
}

#define TOK_BYTES(prefix)                                                                          \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix ",\"use_regex\":true}"
#define TOK_DIGITS(alone)                                                                          \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":" alone  \
    "}," TOK_BYTES("false") "]}"
#define TOK_MARK "\xE2\x96\x81"
#define TOK_STRIP                                                                                  \
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"" TOK_MARK   \
    "\"},\"content\":\" \"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1," \
    "\"stop\":0}]}"

/* Settings that change ids or text: with each, what one text becomes and what comes back. */
static void tok_json_settings(void) {
    static const char bytes[] = "{\"type\":\"ByteLevel\"}", fuse[] = "{\"type\":\"Fuse\"}",
                      plain[] = "\"a\":0,\"\xC4\xA0\":1,\"1\":2,\"2\":3,\"\xC4\xA0" "1\":4,\"12\":5,"
                                "\"\xC4\xA0" "a\":6",
                      merges[] = "\"\xC4\xA0 1\",\"1 2\",\"\xC4\xA0 a\"",
                      marks[] = "\"" TOK_MARK "\":0,\"a\":1,\"" TOK_MARK TOK_MARK "\":2,\"a" TOK_MARK
                                "\":3",
                      few[] = "\"?\":0,\"a\":1,\"aa\":2";
    static const struct {
        const char *pre, *decoder, *model, *vocab, *merges, *text, *back;
        int n, ids[4];
    } rows[] = {
        {TOK_BYTES("false"), bytes, "", plain, merges, "a 12", "a 12", 3, {0, 4, 3}},
        {TOK_BYTES("true"), bytes, "", plain, merges, "a", " a", 1, {6}},
        {TOK_BYTES("true"), bytes, "", plain, merges, " a", " a", 1, {6}},
        {TOK_AFTER(TOK_SPLIT("Removed", "true"), "{\"type\":\"ByteLevel\",\"use_regex\":false}"), bytes,
         "\"dropout\":0.0,\"fuse_unk\":null,", plain, merges, "a 12", "a 12", 3, {0, 4, 3}},
        {TOK_DIGITS("true"), bytes, "\"dropout\":0,", plain, merges, "a 12", "a 12", 4, {0, 1, 2, 3}},
        {TOK_DIGITS("true"), bytes, "", plain, merges, "a  a", "a  a", 3, {0, 1, 6}},
        {TOK_DIGITS("true"), bytes, "", plain, merges, "a  1", "a  1", 4, {0, 1, 1, 2}},
        {TOK_DIGITS("false"), bytes, "", plain, merges, "a 12", "a 12", 3, {0, 1, 5}},
        {"null", fuse, "\"unk_token\":\"?\",", few, "\"a a\"", "aaxya", "aa??a", 4, {2, 0, 0, 1}},
        {"null", fuse, "\"unk_token\":\"?\",\"fuse_unk\":true,", few, "", "axya", "a?a", 3, {1, 0, 1}},
        {"null", fuse, "", few, "\"a a\"", "axa", "aa", 1, {2}},
        {TOK_META("never"), TOK_STRIP, "", marks, "", "a a", "a a", 3, {1, 0, 1}},
        {TOK_META("always"), TOK_STRIP, "", marks, "", "a", "a", 2, {0, 1}},
        {TOK_META("first"), TOK_STRIP, "", marks, "", "  a", " a", 3, {0, 0, 1}},
        {TOK_META("always"), TOK_META("never"), "", marks, "", "a", " a", 2, {0, 1}},
        {"{\"type\":\"Metaspace\",\"replacement\":\"" TOK_MARK "\",\"add_prefix_space\":false}",
         "{\"type\":\"Metaspace\",\"replacement\":\"" TOK_MARK "\",\"add_prefix_space\":false}", "",
         marks, "", "a a", "a a", 3, {1, 0, 1}},
        {"null,\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
         TOK_REPLACE_IN "]}", TOK_STRIP, "", marks, "", " a a", "a a", 4, {0, 1, 0, 1}},
        /* each space begins a word, so nothing merges across */
        {TOK_META("always"), TOK_STRIP, "", marks, "\"" TOK_MARK " " TOK_MARK "\"", "  a", " a", 3, {0, 0, 1}},
        {"{\"type\":\"Metaspace\",\"replacement\":\"" TOK_MARK "\",\"split\":false}", TOK_META("always"),
         "", marks, "\"" TOK_MARK " " TOK_MARK "\"", "  a", "a", 2, {2, 1}},
        /* a merge that ends in a space: words may not be cut before spaces */
        {"{\"type\":\"Metaspace\",\"replacement\":\"" TOK_MARK "\",\"split\":false}", TOK_STRIP, "",
         marks, "\"a " TOK_MARK "\"", "a a", "a a", 3, {0, 3, 1}},
    };
    char json[2000], back[40];
    size_t i, k;
    test_case("tokenizer: every setting of a file has its effect");
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        onebit_tokenizer *t = NULL;
        int32_t ids[8];
        sprintf(json,
                "{\"pre_tokenizer\":%s,\"decoder\":%s,\"model\":{%s\"vocab\":{%s},\"merges\":[%s]}}",
                rows[i].pre, rows[i].decoder, rows[i].model, rows[i].vocab, rows[i].merges);
        if (!CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL))) continue;
        for (k = 0; k < (size_t)rows[i].n; k++) ids[k] = rows[i].ids[k];
        CHECK(tok_gives(t, rows[i].text, strlen(rows[i].text), ids, k));
        onebit_tokenizer_decode(t, back, sizeof back, ids, k, 0);
        CHECK(!strcmp(back, rows[i].back));
        tok_check_packed(t, 1000);
        tok_check_written(t);
        onebit_tokenizer_free(t);
    }
}

/* Encodes and decodes with a tokenizer that hostile bytes made. */
static void tok_use(onebit_tokenizer *t) {
    int32_t ids[300];
    char out[40];
    size_t n;
    onebit_utf8 state;
    if (!t) return;
    memset(&state, 0, sizeof state);
    onebit_tokenizer_encode(t, ids, 300, &n, tok_ask, sizeof tok_ask - 1, 1);
    onebit_tokenizer_decode(t, out, sizeof out, ids, n < 300 ? n : 300, 1);
    onebit_tokenizer_stream(t, &state, onebit_tokenizer_end(t), out, sizeof out);
    onebit_tokenizer_write(t, out, sizeof out);
    ob_tokenizer_pack(t, NULL, 0);
    onebit_tokenizer_free(t);
}

/* Reads a copy in a block of just that size, so that a sanitizer sees every byte too many. */
static void tok_try(const char *data, size_t n, int packed) {
    onebit_tokenizer *t = NULL;
    char *copy = (char *)malloc(n ? n : 1);
    onebit_status status;
    memcpy(copy, data, n);
    if (packed) status = ob_tokenizer_unpack(&t, (const uint8_t *)copy, n, NULL);
    else status = onebit_tokenizer_parse(&t, copy, n, NULL);
    CHECK((status == ONEBIT_OK) == (t != NULL));
    tok_use(t);
    free(copy);
}

static void tok_json_hostile(void) {
    char json[2000];
    size_t n, i;
    int bit;
    test_case("tokenizer: a cut or damaged tokenizer.json never does harm");
    tok_hf(json, TOK_ADDED("5", "<e>", ",\"special\":true"), "\"type\":\"BPE\",", TOK_VOCAB,
           "\"a b\",[\"ab\",\"c\"]");
    n = strlen(json);
    for (i = 0; i < n; i++) {
        onebit_tokenizer *t = NULL;
        CHECK(onebit_tokenizer_parse(&t, json, i, NULL) != ONEBIT_OK && t == NULL);
        tok_try(json, i, 0);
        for (bit = 0; bit < 8; bit++) {
            json[i] = (char)(json[i] ^ (1 << bit));
            tok_try(json, n, 0);
            json[i] = (char)(json[i] ^ (1 << bit));
        }
    }
}

/* ---- the packed form ---- */

static char *tok_packed(const onebit_tokenizer *t, size_t *n) {
    char *p;
    *n = ob_tokenizer_pack(t, NULL, 0);
    p = (char *)malloc(*n);
    CHECK(ob_tokenizer_pack(t, (uint8_t *)p, *n - 1) == *n);
    CHECK(ob_tokenizer_pack(t, (uint8_t *)p, *n) == *n);
    return p;
}

/* Packs, unpacks, compares, and packs again. */
static void tok_check_packed(const onebit_tokenizer *t, size_t most) {
    onebit_tokenizer *u = NULL;
    size_t n, m;
    char *p = tok_packed(t, &n), *q;
    CHECK(n <= most);
    CHECK_OK(ob_tokenizer_unpack(&u, (const uint8_t *)p, n, NULL));
    if (u) {
        CHECK(tok_same(t, u));
        q = tok_packed(u, &m);
        CHECK(m == n && !memcmp(p, q, n));
        free(q);
    }
    onebit_tokenizer_free(u);
    free(p);
}

static void tok_pack(void) {
    onebit_tokenizer *t = NULL;
    char *text, json[2000];
    onebit_rng r;
    size_t i;
    int kind;
    test_case("tokenizer: the packed form reads back, small");
    for (kind = 0; kind <= ONEBIT_TOKENIZER_CHAR; kind++) {
        t = tok_small((onebit_tokenizer_kind)kind);
        tok_check_packed(t, kind == ONEBIT_TOKENIZER_BYTE ? 60 : 700);
        onebit_tokenizer_free(t);
    }
    text = (char *)malloc(100000);
    onebit_rng_seed(&r, 9);
    for (i = 0; i < 100000; i++) text[i] = " etaoinshr"[test_below(&r, 10)];
    t = tok_train(ONEBIT_TOKENIZER_BPE, text, 100000, 1024);
    CHECK(onebit_tokenizer_vocab_size(t) == 1024);
    tok_check_packed(t, 4500);
    onebit_tokenizer_free(t);
    memset(text, 'a', 100000); /* pieces of up to 50 kB: too long to be derived */
    t = tok_train(ONEBIT_TOKENIZER_BPE, text, 100000, 1024);
    tok_check_packed(t, 250000);
    onebit_tokenizer_free(t);
    free(text);
    test_case("tokenizer: the packed form of any order of ids and merges");
    tok_hf(json, TOK_ADDED("1", "<x>", ""), "",
           "\"abc\":0,\"c\":2,\"bc\":3,\"a\":4,\"b\":5,\"zz\":6,\"ab\":7",
           "\"ab c\",\"b c\",\"a bc\",\"a b\"");
    t = NULL;
    CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL));
    if (t) tok_check_packed(t, 1000);
    onebit_tokenizer_free(t);
}

static void tok_pack_hostile(void) {
    int kind, v;
    size_t n, i;
    test_case("tokenizer: cut or damaged packed forms never do harm");
    for (kind = 0; kind <= ONEBIT_TOKENIZER_CHAR; kind++) {
        onebit_tokenizer *t = tok_train((onebit_tokenizer_kind)kind, tok_text, 90, 270), *u;
        char *p = tok_packed(t, &n);
        for (i = 0; i < n; i++) {
            char was = p[i];
            u = NULL;
            CHECK(ob_tokenizer_unpack(&u, (const uint8_t *)p, i, NULL) != ONEBIT_OK && u == NULL);
            tok_try(p, i, 1);
            for (v = 0; v < 256; v += i < 32 ? 1 : 15) {
                p[i] = (char)(was ^ v);
                tok_try(p, n, 1);
            }
            p[i] = was;
        }
        free(p);
        onebit_tokenizer_free(t);
    }
}

/* The golden files cut everywhere and damaged, and their packed forms. */
static void tok_golden_hostile(void) {
    static const char *const *const files[] = {tok_llama3_parts, tok_qwen2_parts, tok_prepend_parts,
                                               tok_metaspace_parts};
    size_t f, n, i;
    test_case("tokenizer: cut or damaged files of other kinds never do harm");
    for (f = 0; f < 4; f++) {
        onebit_tokenizer *t = tok_golden_open(files[f]);
        char *json = tok_packed(t, &n);
        for (i = 0; i < n; i++) {
            char was = json[i];
            tok_try(json, i, 1);
            json[i] = (char)(was ^ (1 << i % 8));
            tok_try(json, n, 1);
            json[i] = (char)(was ^ 0x55);
            tok_try(json, n, 1);
            json[i] = was;
        }
        onebit_tokenizer_free(t);
        free(json);
        json = tok_join(files[f], &n);
        for (i = 0; i < n; i += 7) tok_try(json, i, 0);
        for (i = f; i < n; i += 5) {
            char was = json[i];
            json[i] = (char)(was ^ (1 << i % 8));
            tok_try(json, n, 0);
            json[i] = "0\"{}[]"[i % 6];
            tok_try(json, n, 0);
            json[i] = was;
        }
        free(json);
    }
}

/* ---- memory ---- */

/* An allocator that fails after so many blocks, and counts what is out. */
typedef struct tok_memory {
    int left, out;
} tok_memory;

static void *tok_alloc(void *user, size_t bytes) {
    tok_memory *m = (tok_memory *)user;
    void *p = m->left-- > 0 ? malloc(bytes) : NULL;
    m->out += p != NULL;
    return p;
}

static void tok_release(void *user, void *block) {
    ((tok_memory *)user)->out -= block != NULL;
    free(block);
}

/* An environment that gives so many blocks and then none; m counts those that are out. */
static onebit_env tok_limited(tok_memory *m, int blocks) {
    onebit_env env = onebit_env_default();
    m->left = blocks;
    m->out = 0;
    env.user = m;
    env.alloc = tok_alloc;
    env.release = tok_release;
    return env;
}

/* Trains, packs, parses and encodes with so many blocks: the status of the first that fails. */
static onebit_status tok_with_memory(tok_memory *m, int blocks, int kind, const char *json,
                                     size_t n) {
    onebit_env env = tok_limited(m, blocks);
    onebit_tokenizer *t = NULL, *u = NULL, *v = NULL;
    onebit_status status;
    uint8_t packed[4000];
    size_t count;
    status = onebit_tokenizer_train(&t, (onebit_tokenizer_kind)kind, tok_text, sizeof tok_text - 1,
                                    300, &env);
    if (status == ONEBIT_OK) status = onebit_tokenizer_parse(&u, json, n, &env);
    if (status == ONEBIT_OK) {
        count = ob_tokenizer_pack(t, packed, sizeof packed);
        status = ob_tokenizer_unpack(&v, packed, count, &env);
    }
    if (status == ONEBIT_OK && kind == ONEBIT_TOKENIZER_BPE) {
        char word[100];
        int32_t ids[100];
        memset(word, 'k', sizeof word);
        status = onebit_tokenizer_encode(t, ids, 100, &count, word, sizeof word, 0);
    }
    onebit_tokenizer_free(t);
    onebit_tokenizer_free(u);
    onebit_tokenizer_free(v);
    return status;
}

static void tok_out_of_memory(void) {
    int kind, blocks;
    test_case("tokenizer: out of memory at any place is an error without a leak");
    for (kind = 0; kind <= ONEBIT_TOKENIZER_CHAR; kind++) {
        onebit_tokenizer *t = tok_small((onebit_tokenizer_kind)kind);
        onebit_status status = ONEBIT_MEMORY;
        size_t n;
        char *json = tok_json(t, &n);
        for (blocks = 0; blocks < 100 && status != ONEBIT_OK; blocks++) {
            tok_memory m;
            status = tok_with_memory(&m, blocks, kind, json, n);
            CHECK(m.out == 0);
            CHECK(status == ONEBIT_OK || status == ONEBIT_MEMORY);
        }
        CHECK(status == ONEBIT_OK && blocks > 3);
        free(json);
        onebit_tokenizer_free(t);
    }
}

/* The same for files that normalise: reading, and a text long enough for every work area. */
static void tok_little_memory(void) {
    static const char *const *const files[] = {tok_qwen2_parts, tok_prepend_parts};
    char *text = (char *)malloc(120000);
    size_t f, n, i, count;
    test_case("tokenizer: normalising without memory is an error without a leak");
    for (i = 0; i < 120000; i++) text[i] = "e\xCC\x81"[i % 3];
    for (f = 0; f < 2; f++) {
        char *json = tok_join(files[f], &n);
        onebit_status status = ONEBIT_MEMORY;
        int blocks;
        for (blocks = 0; blocks < 100 && status != ONEBIT_OK; blocks++) {
            tok_memory m;
            onebit_env env = tok_limited(&m, blocks);
            onebit_tokenizer *t = NULL;
            status = onebit_tokenizer_parse(&t, json, n, &env);
            if (t) status = onebit_tokenizer_encode(t, NULL, 0, &count, text, 120000, 0);
            CHECK(status == ONEBIT_MEMORY || (status == ONEBIT_LIMIT && count > 30000));
            if (status == ONEBIT_LIMIT) status = ONEBIT_OK;
            onebit_tokenizer_free(t);
            CHECK(m.out == 0);
        }
        CHECK(status == ONEBIT_OK && blocks > 4);
        free(json);
    }
    free(text);
}

static void tok_usage(void) {
    onebit_tokenizer *t = NULL;
    size_t n = 5;
    int32_t id;
    test_case("tokenizer: wrong use is an error, NULL is harmless");
    CHECK_FAILS(onebit_tokenizer_train(NULL, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL), ONEBIT_USAGE,
                "out");
    CHECK_FAILS(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, NULL, 3, 300, NULL), ONEBIT_USAGE,
                "text");
    CHECK_FAILS(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, "a", 1, 256, NULL), ONEBIT_CONFIG,
                "256");
    CHECK_FAILS(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, "a", 1, (1 << 20) + 1, NULL),
                ONEBIT_CONFIG, "vocab_size");
    CHECK_FAILS(onebit_tokenizer_train(&t, (onebit_tokenizer_kind)3, "a", 1, 300, NULL),
                ONEBIT_USAGE, "3");
    CHECK_FAILS(onebit_tokenizer_parse(&t, NULL, 0, NULL), ONEBIT_USAGE, "json");
    CHECK_FAILS(onebit_tokenizer_open(&t, "no/such/file.json", NULL), ONEBIT_IO,
                "no/such/file.json");
    CHECK_FAILS(onebit_tokenizer_encode(NULL, &id, 1, &n, "a", 1, 0), ONEBIT_USAGE, "tokenizer");
    CHECK(n == 0 && t == NULL);
    CHECK(onebit_tokenizer_vocab_size(NULL) == 0 && onebit_tokenizer_end(NULL) == -1);
    CHECK(onebit_tokenizer_piece(NULL, 0, NULL) == NULL);
    CHECK(onebit_tokenizer_write(NULL, NULL, 0) == 0);
    CHECK(onebit_tokenizer_decode(NULL, NULL, 0, NULL, 3, 0) == 0);
    CHECK(onebit_tokenizer_stream(NULL, NULL, 0, NULL, 0) == 0);
    onebit_tokenizer_free(NULL);
}

/* ---- files that others made ---- */

/* One line of the vectors: {"text": t, ..., key: [ids]}. 1 = equal, 0 = not, -1 = no such key. */
static int tok_vector(const onebit_tokenizer *t, const char *line, size_t n, const char *key) {
    ob_json j = ob_json_on(line, n, "vectors");
    char *text = (char *)malloc(n + 1);
    int32_t *want = (int32_t *)malloc((n + 1) * sizeof *want);
    size_t length = 0, wanted = 0;
    int found = -1;
    ob_slice name;
    for (ob_json_object(&j); ob_json_key(&j, &name);) {
        if (ob_slice_is(name, "text")) length = ob_json_string(&j, text, n + 1);
        else if (ob_slice_is(name, key))
            for (found = 1, ob_json_array(&j); ob_json_item(&j);)
                want[wanted++] = (int32_t)ob_json_int(&j);
        else ob_json_skip(&j);
    }
    /* JavaScript, whose libraries made the vectors, counts U+FEFF as white space; Unicode does not.
     */
    text[length] = 0;
    if (strstr(text, "\xEF\xBB\xBF")) found = -1;
    if (found == 1)
        found = j.status == ONEBIT_OK && tok_gives(t, text, length, want, wanted) &&
                tok_round_trip(t, text, length, 1) && tok_round_trip(t, text, length, 0);
    free(text);
    free(want);
    return found;
}

static void tok_vectors(const char *file, const char *key, const char *name) {
    onebit_tokenizer *t = NULL;
    size_t n = 0, at = 0, lines = 0, wrong = 0;
    char *all;
    const char *path;
    test_case(name);
    all = tok_read("tokenizers/vectors-dev.jsonl", &n);
    path = test_data(file);
    if (!all || !path) {
        free(all);
        test_skip("no shared data");
        return;
    }
    CHECK_OK(onebit_tokenizer_open(&t, path, NULL));
    while (t && at < n) {
        const char *end = (const char *)memchr(all + at, '\n', n - at);
        size_t length = end ? (size_t)(end - all) - at : n - at;
        int same = tok_vector(t, all + at, length, key);
        lines += same >= 0;
        wrong += same == 0;
        at += length + 1;
    }
    CHECK(lines > 400 && wrong == 0);
    if (t) tok_check_packed(t, 6000000);
    onebit_tokenizer_free(t);
    free(all);
}

/* What goes with the vectors: other files of the same models, and files of other kinds. */
static void tok_foreign(void) {
    static const char *const pairs[][2] = {
        {"tokenizers/gpt2-vocab.json", "tokenizers/gpt2-tokenizer.json"},
        {"tokenizers/gpt2-merges.txt", "tokenizers/gpt2-tokenizer.json"},
        {"tokenizers/llama3-tokenizer.model", "tokenizers/llama3-tokenizer.json"}};
    static const char *const no[][2] = {
        {"tokenizers/llama3-tokenizer_config.json", "added_tokens_decoder"},
        {"tokenizers/sentencepiece-unigram-test_model.model", "Unigram"},
        {"tokenizers/llama2-tokenizer_config.json", "add_bos_token"}};
    size_t i;
    test_case("tokenizer: other files of one model make the same tokenizer");
    for (i = 0; i < 3; i++) {
        onebit_tokenizer *a = NULL, *b = NULL;
        const char *path = test_data(pairs[i][0]);
        if (!path) {
            test_skip("no shared data");
            return;
        }
        CHECK_OK(onebit_tokenizer_open(&a, path, NULL));
        CHECK_OK(onebit_tokenizer_open(&b, test_data(pairs[i][1]), NULL));
        if (a && b) a->role[a->end] = b->role[b->end]; /* GPT-2's json calls it normalized */
        CHECK(a && b && tok_same(a, b));
        onebit_tokenizer_free(a);
        onebit_tokenizer_free(b);
        a = NULL;
        CHECK_FAILS(onebit_tokenizer_open(&a, test_data(no[i][0]), NULL), ONEBIT_UNSUPPORTED,
                    no[i][1]);
    }
}

/* ---- files of our own making ---- */

static void tok_save(const char *path, const char *text, size_t n) {
    CHECK_OK(ob_file_write(path, text, n));
}

static void tok_open_forms(void) {
    static const char vocab[] = "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}";
    static const int32_t want[] = {2, 3, 0};
    onebit_tokenizer *t = NULL;
    char d[60], v[80], m[80], j[100];
    int form;
    test_case("tokenizer: a directory, vocab.json and merges.txt open");
    sprintf(d, "build/test-tokenizer-%ld", ob_process());
    sprintf(v, "%s-vocab.json", d);
    sprintf(m, "%s-merges.txt", d);
    sprintf(j, "%s.ranks", d);
    tok_save(v, vocab, sizeof vocab - 1);
    tok_save(m, "#version: 0.2\r\na b\r\n\n", 20);
    for (form = 0; form < 2; form++) {
        CHECK_OK(onebit_tokenizer_open(&t, form ? m : v, NULL));
        CHECK(t && onebit_tokenizer_end(t) == 3 && tok_gives(t, "ab<|endoftext|>a", 16, want, 3));
        onebit_tokenizer_free(t);
        t = NULL;
    }
    sprintf(j, "%s-tokenizer_config.json", d);
    tok_save(j, "{\"a\":[1],\"tokenizer_class\":\"Qwen2Tokenizer\"}", 43);
    CHECK_FAILS(onebit_tokenizer_open(&t, m, NULL), ONEBIT_UNSUPPORTED, "Qwen2Tokenizer");
    tok_save(j, "{\"tokenizer_class\":\"GPT2Tokenizer\"}", 35);
    CHECK_OK(onebit_tokenizer_open(&t, m, NULL));
    onebit_tokenizer_free(t);
    remove(j);
    sprintf(j, "%s-added_tokens.json", d);
    tok_save(j, "{}", 2);
    CHECK_FAILS(onebit_tokenizer_open(&t, v, NULL), ONEBIT_UNSUPPORTED, "added_tokens.json");
    remove(j);
    sprintf(j, "%s.ranks", d);
    tok_save(v, "{\"a\":0,\"b</w>\":1}", 17);
    CHECK_FAILS(onebit_tokenizer_open(&t, v, NULL), ONEBIT_UNSUPPORTED, "b</w>");
    tok_save(v, vocab, sizeof vocab - 1);
    tok_save(m, "a b\nab", 6);
    CHECK_FAILS(onebit_tokenizer_open(&t, m, NULL), ONEBIT_FORMAT, "line 2");
    tok_save(m, "abababab a\n", 11);
    CHECK_FAILS(onebit_tokenizer_open(&t, m, NULL), ONEBIT_FORMAT, "lacks");
    CHECK_OK(ob_make_directory(d)); /* vocab.json, then tokenizer.json in a directory */
    sprintf(j, "%s/vocab.json", d);
    tok_save(j, vocab, sizeof vocab - 1);
    CHECK_FAILS(onebit_tokenizer_open(&t, d, NULL), ONEBIT_IO, "merges.txt");
    remove(j);
    sprintf(j, "%s/tokenizer.json", d);
    tok_save(j, "{}", 2);
    CHECK_FAILS(onebit_tokenizer_open(&t, d, NULL), ONEBIT_FORMAT, "tokenizer.json");
    remove(j);
    remove(d);
    sprintf(j, "%s.ranks", d);
    tok_save(m, "a c\n", 4);
    CHECK_FAILS(onebit_tokenizer_open(&t, m, NULL), ONEBIT_FORMAT, "lacks");
    CHECK_FAILS(onebit_tokenizer_open(&t, "tests", NULL), ONEBIT_IO, "neither");
    tok_save(j, "YQ== 0\nYg== 1\n", 14);
    CHECK_FAILS(onebit_tokenizer_open(&t, j, NULL), ONEBIT_UNSUPPORTED, "tokenizer.json");
    tok_save(v, vocab, sizeof vocab - 4);
    CHECK_FAILS(onebit_tokenizer_open(&t, m, NULL), ONEBIT_FORMAT, "vocab.json");
    remove(v);
    CHECK_FAILS(onebit_tokenizer_open(&t, m, NULL), ONEBIT_IO, "vocab.json");
    remove(m);
    remove(j);
}

/* A ranks file of GPT-2's size: the bytes, then pairs of bytes in their order. */
static char *tok_ranks_text(size_t *n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = (char *)malloc(OB_GPT2_RANKS * 16);
    int i;
    for (*n = 0, i = 0; i < OB_GPT2_RANKS; i++) {
        int a = i < 256 ? i : (i >> 8) - 1, b = i < 256 ? 0 : i & 255;
        *n += (size_t)sprintf(text + *n, "%c%c%c= %d\n", digits[a >> 2],
                              digits[(a & 3) << 4 | b >> 4], i < 256 ? '=' : digits[(b & 15) << 2],
                              i);
    }
    return text;
}

/* What stands in such a file, line by line, and files of it that are damaged. */
static void tok_ranks(void) {
    static const struct {
        const char *line;
        int good, n, rank;
    } lines[] = {{"YQ== 7", 1, 1, 7}, {"YWI= 12", 1, 2, 12}, {"YWJj 0", 1, 3, 0},
                 {"YQ==", 0, 0, 0},   {"YQ== ", 0, 0, 0},    {"YQ==\t7", 0, 0, 0},
                 {"== 7", 0, 0, 0},   {"YQ== 7x", 0, 0, 0},  {"YQ== -7", 0, 0, 0},
                 {"YQ== 99999999", 0, 0, 0}, {"", 0, 0, 0},  {"+/8= 1", 1, 2, 1}};
    static const struct {
        const char *put, *words;
        onebit_status status;
    } bad[] = {{"!!!!", "no line", ONEBIT_FORMAT},
               {"YQ== 50256\n#", "rank 50256", ONEBIT_FORMAT},
               {"YQ== 99999\n", "rank 99999", ONEBIT_FORMAT},
               {"YQ== 00000\n", "twice", ONEBIT_FORMAT}};
    static const int32_t want[] = {256 * 98 + 'a', 'b', OB_GPT2_RANKS}; /* "aa" before "ab" */
    onebit_tokenizer *t = NULL;
    char out[8], path[80], *text;
    int64_t rank;
    size_t i, n, bytes, at;
    test_case("tokenizer: lines and files of ranks");
    for (i = 0; i < sizeof lines / sizeof *lines; i++) {
        ob_slice s;
        s.p = lines[i].line;
        s.n = strlen(s.p);
        CHECK(ob_rank_line(s, out, &n, &rank) == lines[i].good);
        CHECK(!lines[i].good || (n == (size_t)lines[i].n && rank == lines[i].rank));
    }
    sprintf(path, "build/test-tokenizer-%ld.ranks", ob_process());
    text = tok_ranks_text(&bytes);
    memcpy(text + bytes, "\n", 1); /* an empty line is passed over */
    tok_save(path, text, bytes + 1);
    CHECK_OK(onebit_tokenizer_open(&t, path, NULL));
    CHECK(onebit_tokenizer_end(t) == OB_GPT2_RANKS && t->rules.split == OB_SPLIT_GPT2);
    CHECK(tok_gives(t, "aab<|endoftext|>", 16, want, 3));
    onebit_tokenizer_free(t);
    at = (size_t)(strstr(text, "Yg== 98") - text);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        char was[16];
        memcpy(was, text + at, 16);
        memcpy(text + at, bad[i].put, strlen(bad[i].put));
        tok_save(path, text, bytes);
        t = NULL;
        CHECK_FAILS(onebit_tokenizer_open(&t, path, NULL), bad[i].status, bad[i].words);
        CHECK(t == NULL);
        memcpy(text + at, was, 16);
    }
    tok_save(path, "", 0);
    CHECK_FAILS(onebit_tokenizer_open(&t, path, NULL), ONEBIT_FORMAT, "an object");
    remove(path);
    free(text);
}

/* The beginnings of SentencePiece's files, and of others. */
static void tok_sentencepiece(void) {
    static const struct {
        const char *p;
        size_t n;
        int is;
    } rows[] = {{"\n\x0A\n\x01" "a\x15----", 10, 1}, {"\n\x0A\n\x01" "a\x18\x02", 7, 1},
                {"\n\x0A\n\x01" "a\x1D\x02", 7, 0}, {"\n\x0A\n\x01" "a", 5, 0},
                {"\n\x0A\n\xFF" "a\x15", 6, 0},      {"\n\x0A{\x01" "a\x15", 6, 0},
                {"{\x0A\n\x01" "a\x15", 6, 0},       {"\n\x0A\n\x01", 4, 0}};
    char path[20] = "vocab.json", long_path[30];
    size_t i;
    test_case("tokenizer: a SentencePiece file is told by its beginning; twins of names");
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        ob_slice s;
        s.p = rows[i].p;
        s.n = rows[i].n;
        CHECK(ob_is_sentencepiece(s) == rows[i].is);
    }
    CHECK(ob_path_twin(long_path, 30, path, "vocab.json", "merges.txt") == 1);
    CHECK(!strcmp(long_path, "merges.txt"));
    CHECK(ob_path_twin(long_path, 10, path, "vocab.json", "merges.txt") == 0);
    CHECK(ob_path_twin(long_path, 30, "x", "vocab.json", "merges.txt") == 0);
}

/* Rules that a packed form may claim. */
static void tok_rules(void) {
    static const struct {
        ob_rules rules;
        int fit;
    } rows[] = {
        {{0, OB_SPLIT_GPT2, 0, 0, 0}, 1},
        {{0, OB_SPLIT_GPT2, OB_PREFIX_WORD, 0, OB_RULE_NFC}, 1},
        {{0, OB_SPLIT_GPT2, OB_PREFIX_TEXT, 0, 0}, 0},
        {{0, OB_SPLIT_GPT2, OB_PREFIX_PART, 0, 0}, 0},
        {{0, OB_SPLIT_GPT2, 0, OB_STRIP_ONE, 0}, 0},
        {{0, OB_SPLIT_SPACE, 0, 0, 0}, 0},
        {{0, OB_SPLIT_GPT2, 0, 0, OB_RULE_SPACES}, 0},
        {{0, OB_SPLIT_GPT2, 0, 0, OB_RULE_FALLBACK}, 0},
        {{1, OB_SPLIT_NONE, 0, 0, 0}, 1},
        {{1, OB_SPLIT_GPT2, 0, 0, 0}, 0},
        {{1, OB_SPLIT_SPACE, 0, 0, 0}, 0},
        {{1, OB_SPLIT_NONE, OB_PREFIX_WORD, 0, 0}, 0},
        {{1, OB_SPLIT_NONE, 0, OB_STRIP_ONE, 0}, 0},
        {{1, OB_SPLIT_SPACE, OB_PREFIX_TEXT, OB_STRIP_ALL, OB_RULE_SPACES}, 1},
        {{1, OB_SPLIT_NONE, OB_PREFIX_PART, OB_STRIP_ONE, OB_RULE_SPACES}, 1},
        {{1, OB_SPLIT_SPACE, OB_PREFIX_PART, 0, OB_RULE_SPACES}, 0},
        {{2, 0, 0, 0, 0}, 0},
        {{1, OB_SPLITS, 0, 0, 0}, 0},
        {{1, 0, OB_PREFIXES, 0, 0}, 0},
        {{1, 0, 0, OB_STRIPS, 0}, 0},
        {{1, 0, 0, 0, OB_RULES_END}, 0},
    };
    size_t i;
    test_case("tokenizer: rules that cannot stand together are told");
    for (i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!CHECK(ob_rules_fit(&rows[i].rules) == rows[i].fit)) printf("  row %d\n", (int)i);
}

/* A packed form of so many ids and merges (each of id 97 or of the merge before with itself). */
static size_t tok_forge(uint8_t *p, int kind, int flags, uint32_t vocab, uint32_t merges) {
    static const uint32_t none = 0xFFFFFFFFu;
    uint32_t i;
    memset(p, 0, 32);
    memcpy(p, "OBTK", 4);
    ob_put32(p + 4, (uint32_t)(kind | flags << 8));
    ob_put32(p + 8, vocab), ob_put32(p + 12, none), ob_put32(p + 16, merges);
    for (i = 0; i < merges; i++) {
        ob_put16(p + 32 + 4 * i, (uint16_t)(i ? 255 + i : 97));
        ob_put16(p + 34 + 4 * i, (uint16_t)(i ? 255 + i : 97));
    }
    return 32 + 4 * (size_t)merges;
}

/* Packed forms that lie where a damaged byte alone does not. */
static void tok_pack_lies(void) {
    static const struct {
        int at, value;
        const char *words;
    } lies[] = {{560, 6, "does not make"},  {560, 8, "does not make"}, {560, 9, "does not make"},
                {32 + 2 * 'a', 5, "byte id"}};
    onebit_tokenizer *t = NULL;
    uint8_t p[400], *q;
    char json[2000];
    size_t i, n;
    test_case("tokenizer: packed forms that lie are refused");
    CHECK_FAILS(ob_tokenizer_unpack(&t, p, tok_forge(p, OB_PACK_RULES, 1, 1, 0), NULL),
                ONEBIT_FORMAT, "rules are missing");
    CHECK_FAILS(ob_tokenizer_unpack(&t, p, tok_forge(p, ONEBIT_TOKENIZER_BYTE, 3, 256, 1), NULL),
                ONEBIT_FORMAT, "more merges than ids");
    CHECK_OK(ob_tokenizer_unpack(&t, p, tok_forge(p, ONEBIT_TOKENIZER_BYTE, 3, 264, 8), NULL));
    CHECK(onebit_tokenizer_piece(t, 263, &n) && n == 256);
    onebit_tokenizer_free(t);
    t = NULL;
    CHECK_FAILS(ob_tokenizer_unpack(&t, p, tok_forge(p, ONEBIT_TOKENIZER_BYTE, 3, 265, 9), NULL),
                ONEBIT_FORMAT, "too long");
    tok_hf(json, TOK_ADDED("1", "<x>", ""), "",
           "\"abc\":0,\"c\":2,\"bc\":3,\"a\":4,\"b\":5,\"zz\":6,\"ab\":7,\"zzz\":8,\"abz\":9",
           "\"ab c\",\"b c\",\"a bc\",\"a b\"");
    if (!CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL))) return;
    q = (uint8_t *)tok_packed(t, &n);
    onebit_tokenizer_free(t);
    for (i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t was = q[lies[i].at];
        q[lies[i].at] = (uint8_t)lies[i].value;
        CHECK_FAILS(ob_tokenizer_unpack(&t, q, n, NULL), ONEBIT_FORMAT, lies[i].words);
        q[lies[i].at] = was;
    }
    free(q);
}

/* A long text is encoded with a memory of words; its pieces, cut at spaces, without one. */
static void tok_memory_of_words(void) {
    enum { most = 130000 };
    static const char plain[] = "\"a\":0,\"b\":1,\"ab\":2";
    char *text = (char *)malloc(most), json[1000];
    int32_t *whole = (int32_t *)malloc(most * sizeof *whole), *part;
    onebit_tokenizer *t;
    onebit_rng r;
    size_t i, k, n = 0, count, made = 0, at;
    test_case("tokenizer: a long text gives the ids of its pieces");
    part = (int32_t *)malloc(most * sizeof *part);
    onebit_rng_seed(&r, 6);
    while (n < most - 60) { /* more words of three letters than places for them; some are long */
        size_t letters = test_below(&r, 20) ? 3 : 40;
        text[n++] = ' ';
        for (i = 0; i < letters; i++) text[n++] = (char)('a' + (int)test_below(&r, 26));
    }
    t = tok_train(ONEBIT_TOKENIZER_BPE, text, 20000, 600);
    CHECK_OK(onebit_tokenizer_encode(t, whole, most, &count, text, n, 0));
    for (i = 0; i < n; i = at) {
        for (at = i + 9000 < n ? i + 9000 : n; at < n && text[at] != ' '; at++) {}
        CHECK_OK(onebit_tokenizer_encode(t, part + made, most - made, &k, text + i, at - i, 0));
        made += k;
    }
    CHECK(made == count && !memcmp(whole, part, made * sizeof *part));
    onebit_tokenizer_free(t);
    t = NULL; /* words that vanish are not remembered */
    tok_hf(json, "", "", plain, "\"a b\"");
    CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL));
    for (i = 0; i < most; i++) text[i] = "X ab"[i % 4];
    CHECK_OK(onebit_tokenizer_encode(t, whole, most, &count, text, most, 0));
    CHECK(count == most / 4 && whole[0] == 2 && whole[count - 1] == 2);
    onebit_tokenizer_free(t);
    free(text);
    free(whole);
    free(part);
}

/* Sizes that no test can hold are refused before anything of them is touched. */
static void tok_too_large(void) {
    onebit_env env = onebit_env_default();
    onebit_tokenizer *t = tok_small(ONEBIT_TOKENIZER_BYTE), shape;
    ob_learner l;
    ob_words words;
    ob_draft d;
    ob_work w;
    ob_ids ids = {NULL, 0, 0};
    ob_slice piece[2];
    uint8_t role[2] = {0, 0};
    size_t text;
    test_case("tokenizer: what is too large is refused");
    CHECK_FAILS(ob_draft_take(&d, &env, 1, OB_MERGES_MAX + 1, 0), ONEBIT_UNSUPPORTED, "merges");
    CHECK_FAILS(ob_draft_take(&d, &env, OB_VOCAB_MAX + 1, 0, 0), ONEBIT_UNSUPPORTED, "tokens");
    CHECK_FAILS(ob_draft_take(&d, &env, 1, 0, SIZE_MAX / 2 + 1), ONEBIT_UNSUPPORTED, "tokens");
    piece[0].p = piece[1].p = "a", piece[0].n = 0xFFFFFFFFu, piece[1].n = 1;
    memset(&d, 0, sizeof d);
    d.vocab = 1, d.piece = piece, d.role = role;
    CHECK_OK(ob_draft_measure(&d, &shape, &text));
    CHECK(text == 0xFFFFFFFFu);
    d.vocab = 2;
    CHECK_FAILS(ob_draft_measure(&d, &shape, &text), ONEBIT_UNSUPPORTED, "4 GiB");
    piece[1].n = SIZE_MAX;
    CHECK_FAILS(ob_draft_measure(&d, &shape, &text), ONEBIT_UNSUPPORTED, "4 GiB");
    memset(&w, 0, sizeof w);
    CHECK_FAILS(ob_work_reserve(t, &w, 0x40000000), ONEBIT_UNSUPPORTED, "1 GiB");
    CHECK_FAILS(ob_encode_long(t, &ids, &w, "a", SIZE_MAX / 2), ONEBIT_UNSUPPORTED, "a word");
    memset(&words, 0, sizeof words);
    words.env = env, words.bytes = 0x40000000;
    CHECK_FAILS(ob_learner_take(&l, &words), ONEBIT_UNSUPPORTED, "1 GiB");
    words.bytes = 0, words.used = 0x40000000;
    CHECK_FAILS(ob_learner_take(&l, &words), ONEBIT_UNSUPPORTED, "1 GiB");
    memset(&l, 0, sizeof l);
    l.env = env;
    CHECK(ob_learner_grow(&l, NULL, 0, SIZE_MAX / 2) == NULL && l.failed);
    onebit_tokenizer_free(t);
}

/* Learning from a text whose pairs outgrow the first tables, with every allocation refused. */
static void tok_learner_memory(void) {
    char text[30000];
    onebit_status status = ONEBIT_MEMORY;
    onebit_rng r;
    size_t i;
    int blocks;
    test_case("tokenizer: a learner that gets no memory to grow says so");
    onebit_rng_seed(&r, 12);
    for (i = 0; i < sizeof text; i++) text[i] = (char)('0' + (int)test_below(&r, 74));
    for (blocks = 0; blocks < 40 && status != ONEBIT_OK; blocks++) {
        tok_memory m;
        onebit_env env = tok_limited(&m, blocks);
        onebit_tokenizer *t = NULL;
        status = onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, text, sizeof text, 900, &env);
        CHECK((status == ONEBIT_OK) == (t != NULL));
        CHECK(status == ONEBIT_OK ||
              (status == ONEBIT_MEMORY && strstr(onebit_error_text(), "memory")));
        onebit_tokenizer_free(t);
        CHECK(m.out == 0);
    }
    CHECK(status == ONEBIT_OK && blocks > 9);
}

/* White space in front of an added token, characters that are broken, and small forms. */
static void tok_edges(void) {
    static const struct {
        const char *text;
        size_t n, space;
    } rows[] = {{"a  ", 3, 2},           {"  ", 2, 2},     {"a\xE3\x80\x80 ", 5, 4},
                {"a\xC2\xA0\x80", 4, 0}, {"\x80\x80", 2, 0}, {"\x80\x80\x80\x80\x80", 5, 0},
                {"", 0, 0}};
    onebit_tokenizer *t = tok_golden_open(tok_llama3_parts), *c;
    size_t i, n;
    test_case("tokenizer: edges of words and texts");
    for (i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(ob_space_before(t, rows[i].text, rows[i].n) == rows[i].space);
    CHECK(tok_round_trip(t, "!", 1, 0) && tok_round_trip(t, "a\r", 2, 0));
    CHECK(tok_round_trip(t, "\r!\n!", 4, 0) && tok_round_trip(t, "a  \xF0", 4, 0));
    onebit_tokenizer_free(t);
    c = tok_train(ONEBIT_TOKENIZER_CHAR, "\xE2\x96\x81\xFF" "a<b<|endoftext|>a", 21, 0);
    CHECK(onebit_tokenizer_vocab_size(c) == 5 && onebit_tokenizer_end(c) == 4);
    CHECK(onebit_tokenizer_piece(c, 3, &n) && n == 3); /* U+2581 is a letter like others here */
    CHECK(tok_round_trip(c, "\xE2\x96\x81" "a", 4, 0));
    onebit_tokenizer_free(c);
    CHECK_OK(onebit_tokenizer_train(&c, ONEBIT_TOKENIZER_BYTE, NULL, 3, 0, NULL));
    CHECK(onebit_tokenizer_vocab_size(c) == 257 && onebit_tokenizer_start(c) == -1);
    onebit_tokenizer_free(c);
}

/* A template that names two tokens before the text and one behind it. */
static void tok_template(void) {
    onebit_tokenizer *t = NULL;
    char json[2000];
    test_case("tokenizer: a template names the start and the end, the outermost first");
    tok_hf(json,
           "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
           "\"id\":\"b\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"a\"}},{\"Sequence\":{\"id\":\"A\"}},"
           "{\"SpecialToken\":{\"id\":\"c\"}}]},",
           "", TOK_VOCAB, TOK_MERGES);
    CHECK_OK(onebit_tokenizer_parse(&t, json, strlen(json), NULL));
    CHECK(onebit_tokenizer_start(t) == 1 && onebit_tokenizer_end(t) == 2);
    onebit_tokenizer_free(t);
}

/* Llama 2's first space, and bytes that make a character together. */
static void tok_stream_spaces(void) {
    onebit_tokenizer *t = tok_golden_open(tok_prepend_parts);
    const char *text = "the lamp \xE6\x97\xA5";
    int32_t ids[40];
    char out[40], got[60];
    size_t n, i, made = 0;
    onebit_utf8 state;
    test_case("tokenizer: Llama 2's first space goes, in a stream too; bytes join");
    CHECK_OK(onebit_tokenizer_encode(t, ids, 40, &n, text, strlen(text), 1));
    CHECK(onebit_tokenizer_decode(t, got, 60, ids, n, 1) == strlen(text) && !strcmp(got, text));
    memset(&state, 0, sizeof state);
    for (i = 0; i < n; i++) {
        made += onebit_tokenizer_stream(t, &state, ids[i], out, sizeof out);
        strcpy(got + made - strlen(out), out);
    }
    CHECK(!strcmp(got, text));
    memset(&state, 0, sizeof state);
    state.begun = 1;
    CHECK(onebit_tokenizer_stream(t, &state, ids[0], out, sizeof out) > 0 && out[0] == ' ');
    onebit_tokenizer_free(t);
}

/* Whole against windows, where windows meet in every way; and a token as long as a window. */
static void tok_windows(void) {
    enum { most = 20000 };
    onebit_tokenizer *t;
    onebit_rng r;
    char *text = (char *)malloc(most);
    int32_t *ids = (int32_t *)malloc(most * sizeof *ids), i;
    int round;
    size_t n, k;
    test_case("tokenizer: windows of a long word give what merging it whole gives");
    onebit_rng_seed(&r, 4);
    for (round = 0; round < 12; round++) {
        ob_work w;
        onebit_tokenizer *whole;
        size_t at = 0;
        for (k = 0; k < most; k++) text[k] = round % 3 ? "aabc"[test_below(&r, 4)] : 'a';
        /* the learner joins 'a' up to 2^12 of them: too long for windows */
        t = tok_train(ONEBIT_TOKENIZER_BPE, text, most, 257 + 40 * round + 12);
        n = most - (size_t)round * 700;
        CHECK_OK(onebit_tokenizer_encode(t, ids, most, &k, text, n, 0));
        whole = t;
        memset(&w, 0, sizeof w);
        {
            int32_t *symbol = (int32_t *)malloc(n * sizeof *symbol);
            size_t s;
            for (s = 0; s < n; s++) symbol[s] = whole->byte_id[(unsigned char)text[s]];
            CHECK_OK(ob_merge_long(whole, &w, symbol, n));
            free(symbol);
        }
        for (i = 0; i >= 0; i = w.node[i].after, at++)
            if (at >= k || ids[at] != w.node[i].id) break;
        CHECK(i < 0 && at == k);
        ob_work_free(whole, &w);
        onebit_tokenizer_free(t);
    }
    free(text);
    free(ids);
}

/* Ten times the text must not cost more than about ten times the time. The shorter text is measured
   as often as needed to take a while, the best of three counts, and the bound is wide. */
static double tok_seconds(const onebit_tokenizer *t, const char *text, size_t n, int times) {
    double best = 1e9;
    int k, i;
    for (k = 0; k < 3; k++) {
        clock_t start = clock();
        double s;
        size_t count;
        for (i = 0; i < times; i++) onebit_tokenizer_encode(t, NULL, 0, &count, text, n, 1);
        s = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (s < best) best = s;
    }
    return best;
}

static void tok_linear(void) {
    static const char *const units[] = {"a", " ",    "\n", "\xF0\x9F\x98\x80", "\xFF",
                                        "7", "\xE6\x97\xA5", "<",  "e\xCC\x81"};
    onebit_tokenizer *t[3];
    char *text = (char *)malloc(1000000);
    size_t i, k, u;
    test_case("tokenizer: ten times the text takes about ten times as long");
    for (i = 0; i < 1000000; i++) text[i] = 'a';
    t[0] = tok_train(ONEBIT_TOKENIZER_BPE, text, 3000, 300);
    t[1] = tok_golden_open(tok_qwen2_parts);
    t[2] = tok_golden_open(tok_prepend_parts);
    for (u = 0; u < sizeof units / sizeof *units; u++)
        for (k = 0; k < 3; k++) {
            double few, many;
            for (i = 0; i < 1000000; i++) text[i] = units[u][i % strlen(units[u])];
            few = tok_seconds(t[k], text, 50000, 4);
            many = tok_seconds(t[k], text, 1000000, 1);
            /* 20 times the text in one go, against 4 times the short one: 5 if linear, 100 if
               quadratic */
            CHECK(many < 25 * few + 0.05);
        }
    for (k = 0; k < 3; k++) onebit_tokenizer_free(t[k]);
    free(text);
}

static void test_tokenizer(void) {
    tok_golden();
    tok_golden_files();
    tok_nfc();
    tok_learner();
    tok_learn_rules();
    tok_long_words();
    tok_windows();
    tok_linear();
    tok_random_bytes();
    tok_hostile_text();
    tok_special();
    tok_chars();
    tok_stream();
    tok_stream_edges();
    tok_stream_spaces();
    tok_json_round_trip();
    tok_json_forms();
    tok_json_refusals();
    tok_json_stages();
    tok_json_settings();
    tok_json_hostile();
    tok_open_forms();
    tok_pack();
    tok_pack_hostile();
    tok_pack_lies();
    tok_rules();
    tok_ranks();
    tok_sentencepiece();
    tok_memory_of_words();
    tok_too_large();
    tok_learner_memory();
    tok_edges();
    tok_template();
    tok_golden_hostile();
    tok_out_of_memory();
    tok_little_memory();
    tok_usage();
    tok_vectors("tokenizers/gpt2-tokenizer.json", "gpt2", "tokenizer: GPT-2's ids on the vectors");
    tok_vectors("tokenizers/small-bytelevel-bpe-tokenizer.json", "small",
                "tokenizer: a small trained tokenizer's ids on the vectors");
    tok_vectors("tokenizers/llama3-tokenizer.json", "llama3",
                "tokenizer: Llama 3's ids on the vectors");
    tok_vectors("tokenizers/llama2-tokenizer.json", "llama2",
                "tokenizer: Llama 2's ids on the vectors");
    tok_foreign();
}
