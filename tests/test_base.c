/* test_base.c - floors 1 to 3: base, system, json. Included by run.c behind the implementation. */

/* Value of a half by the definition of the format, without the library. */
static double base_half_value(unsigned h) {
    int exponent = (int)(h >> 10 & 31);
    double fraction = h & 1023;
    double v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -v : v;
}

static void base_test_half(void) {
    unsigned h, wrong = 0, back = 0, rounding = 0;
    onebit_rng rng;
    int i;
    test_case("f16: all 65536 halves convert exactly and back");
    for (h = 0; h < 65536; h++) {
        float f = ob_f16_to_f32((uint16_t)h);
        int special = (h >> 10 & 31) == 31, nan = special && (h & 1023);
        if (nan) {
            wrong += f == f;
            back += ob_f32_to_f16(f) != (h | 0x200);
            continue;
        }
        if (special) wrong += f != (h & 0x8000 ? -HUGE_VALF : HUGE_VALF);
        else wrong += (double)f != base_half_value(h) || (ob_float_bits(f) >> 31) != h >> 15;
        back += ob_f32_to_f16(f) != h;
    }
    CHECK(wrong == 0);
    CHECK(back == 0);
    test_case("f16: halfway cases go to even, their neighbours to the nearest");
    for (h = 0; h < 0x7BFF; h++) {
        double middle = (base_half_value(h) + base_half_value(h + 1)) / 2;
        float m = (float)middle; /* exact: one more bit */
        uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        rounding += ob_f32_to_f16(m) != even || ob_f32_to_f16(-m) != (even | 0x8000);
        rounding += ob_f32_to_f16(ob_bits_float(ob_float_bits(m) + 1)) != h + 1;
        rounding += ob_f32_to_f16(ob_bits_float(ob_float_bits(m) - 1)) != h;
    }
    CHECK(rounding == 0);
    CHECK(ob_f32_to_f16(65519.996f) == 0x7BFF);
    CHECK(ob_f32_to_f16(65520.0f) == 0x7C00);
    CHECK(ob_f32_to_f16(3e38f) == 0x7C00);
    CHECK(ob_f32_to_f16(-HUGE_VALF) == 0xFC00);
    CHECK(ob_f32_to_f16(1e-30f) == 0 && ob_f32_to_f16(-1e-30f) == 0x8000);
    test_case("f16: random floats go to the nearer neighbour");
    onebit_rng_seed(&rng, 5);
    for (i = 0, rounding = 0; i < 100000; i++) {
        float f = ob_bits_float((uint32_t)ob_rng_next(&rng));
        double d = fabs((double)f), at, up, down;
        unsigned r = ob_f32_to_f16((float)d);
        if (!(d < 65504)) continue;
        at = fabs(base_half_value(r) - d);
        up = fabs(base_half_value(r + 1) - d);
        down = r ? fabs(base_half_value(r - 1) - d) : 1;
        rounding += (r < 0x7BFF && up < at) || down < at;
    }
    CHECK(rounding == 0);
}

static void base_test_numbers(void) {
    static const uint64_t first[6] = {
        41943041u,           58720359u, 3588806011781223u, 3591011842654386u, 9228616714210784205u,
        9973669472204895162u};
    onebit_rng rng;
    double sum = 0, squares = 0, fourth = 0;
    size_t n;
    int i, counts[7] = {0, 0, 0, 0, 0, 0, 0}, outside = 0;
    test_case("checked sizes: overflow is seen and saturates");
    CHECK(ob_mul(0, SIZE_MAX, &n) && n == 0);
    CHECK(ob_mul(SIZE_MAX / 2, 2, &n) && n == SIZE_MAX - 1);
    CHECK(!ob_mul(SIZE_MAX / 2 + 1, 2, &n) && n == SIZE_MAX);
    CHECK(ob_add(SIZE_MAX - 1, 1, &n) && n == SIZE_MAX);
    CHECK(!ob_add(SIZE_MAX, 1, &n) && n == SIZE_MAX);
    CHECK(ob_round_up(0, 64) == 0 && ob_round_up(1, 64) == 64 && ob_round_up(64, 64) == 64);
    CHECK(ob_round_up(SIZE_MAX - 3, 64) == SIZE_MAX);
    test_case("random numbers: published vectors of splitmix64 and xoshiro256++");
    onebit_rng_seed(&rng, 1234567);
    CHECK(rng.s[0] == 6457827717110365317u && rng.s[1] == 3203168211198807973u);
    CHECK(rng.s[2] == 9817491932198370423u && rng.s[3] == 4593380528125082431u);
    for (i = 0; i < 4; i++) rng.s[i] = (uint64_t)i + 1;
    for (i = 0; i < 6; i++) CHECK(ob_rng_next(&rng) == first[i]);
    test_case("random numbers: uniform, bounded and normal draws have their moments");
    onebit_rng_seed(&rng, 7);
    for (i = 0; i < 70000; i++) counts[test_below(&rng, 7)]++;
    for (i = 0; i < 7; i++) CHECK(counts[i] > 9600 && counts[i] < 10400);
    CHECK(test_below(&rng, 0) == 0 && test_below(&rng, 1) == 0);
    for (i = 0; i < 100000; i++) {
        double u = ob_rng_double(&rng), x = (double)ob_rng_normal(&rng);
        outside += u < 0 || u >= 1;
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    CHECK(outside == 0);
    CHECK(fabs(sum / 1e5) < 0.015 && fabs(squares / 1e5 - 1) < 0.02);
    CHECK(fabs(fourth / 1e5 - 3) < 0.15);
}

static void base_test_bytes(void) {
    uint8_t bytes[400];
    uint64_t chain = 0;
    ob_reader r;
    int i;
    test_case("little-endian: stores and unaligned loads");
    ob_put64(bytes + 1, 0x0102030405060708u);
    CHECK(bytes[1] == 8 && bytes[8] == 1 && ob_get64(bytes + 1) == 0x0102030405060708u);
    CHECK(ob_get32(bytes + 3) == 0x03040506u && ob_get16(bytes + 1) == 0x0708);
    ob_putf32(bytes + 3, -1.5f);
    CHECK(ob_getf32(bytes + 3) == -1.5f && ob_get32(bytes + 3) == 0xBFC00000u);
    test_case("checksum: XXH64 of the reference library for every length 0..300");
    for (i = 0; i < 400; i++) bytes[i] = (uint8_t)(i * 7 + 3);
    for (i = 0; i <= 300; i++) chain = ob_hash64(bytes, (size_t)i, chain);
    CHECK(chain == 0xE5BDDB50E77F54B7u);
    CHECK(ob_hash64("", 0, 0) == 0xEF46DB3751D8E999u &&
          ob_hash64(NULL, 0, 0) == 0xEF46DB3751D8E999u);
    CHECK(ob_hash64("abc", 3, 0) == 0x44BC2CF5AD770999u);
    CHECK(ob_hash64("Nobody inspects the spammish repetition", 39, 0) == 0xFBCEA83C8A378BF1u);
    test_case("reader: bounded, and bad stays bad");
    r = ob_reader_on("\1\2\3\4\5\6\7", 7);
    CHECK(ob_read8(&r) == 1 && ob_read16(&r) == 0x0302 && ob_read32(&r) == 0x07060504u && !r.bad);
    CHECK(ob_read8(&r) == 0 && r.bad);
    r = ob_reader_on("abc", 3);
    CHECK(ob_read_bytes(&r, SIZE_MAX) == NULL && r.bad && ob_read8(&r) == 0);
    r = ob_reader_on("abcdefghij", 10);
    CHECK(ob_read64(&r) == 0x6867666564636261u && ob_read_bytes(&r, 2) && !r.bad);
    CHECK(ob_read_bytes(&r, 0) && !ob_read_bytes(&r, 1) && r.bad);
}

static void base_test_utf8(void) {
    static const char *const bad[] = {
        "\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xC3",         "\xE2\x82",         "\xF0\x9F\x98",     "\xC3(",
        "\xFF"};
    uint32_t code, back;
    unsigned wrong = 0;
    size_t i;
    char text[4];
    test_case("UTF-8: every code point there and back");
    for (code = 0; code <= 0x10FFFF; code++) {
        size_t n = ob_utf8_encode(code, text), used = ob_utf8_decode(text, n, &back);
        uint32_t expected = code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
        wrong += used != n || back != expected;
        if (n > 1) wrong += ob_utf8_decode(text, n - 1, &back) != 1 || back != OB_UTF8_BAD;
    }
    CHECK(wrong == 0);
    CHECK(ob_utf8_encode(0x110000, text) == 3 && memcmp(text, "\xEF\xBF\xBD", 3) == 0);
    test_case("UTF-8: what is invalid uses one byte");
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(ob_utf8_decode(bad[i], strlen(bad[i]), &code) == 1 && code == OB_UTF8_BAD);
    CHECK(ob_utf8_decode("", 0, &code) == 0 && code == OB_UTF8_BAD);
}

static void base_test_text(void) {
    char small[8], long_text[2000];
    ob_out out = ob_out_on(small, sizeof small);
    int i;
    test_case("errors: sentences, and the text is cut, never overrun");
    for (i = 0; i < ONEBIT_STATUS_COUNT; i++) CHECK(*onebit_status_text((onebit_status)i));
    CHECK(strcmp(onebit_status_text(ONEBIT_MEMORY), "out of memory") == 0);
    CHECK(*onebit_status_text((onebit_status)15)); /* the last value that C++ lets the enum hold */
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    CHECK(ob_fail(ONEBIT_IO, "a %s", long_text) == ONEBIT_IO && strlen(onebit_error_text()) == 511);
    ob_fail(ONEBIT_IO, "base");
    ob_fail(ONEBIT_IO, "again: %s", onebit_error_text());
    CHECK(strcmp(onebit_error_text(), "again: base") == 0);
    test_case("fixed writer: counts what is needed, terminates what fits");
    ob_out_text(&out, "abc");
    ob_out_format(&out, "%d", 1234567);
    CHECK(out.n == 10 && strcmp(small, "abc1234") == 0);
    ob_out_text(&out, "more");
    CHECK(out.n == 14 && strcmp(small, "abc1234") == 0);
    out = ob_out_on(NULL, 100);
    ob_out_text(&out, "counted");
    CHECK(out.n == 7);
    onebit_version_text(long_text, sizeof long_text);
    CHECK(strncmp(long_text, "onebit " ONEBIT_VERSION " (", 14) == 0 &&
          strstr(long_text, "thread"));
    onebit_version_text(small, sizeof small);
    CHECK(strcmp(small, "onebit ") == 0);
}

/* An allocator that fails after some calls and counts what is not given back. */
typedef struct base_heap {
    int left, open;
} base_heap;

static void *base_heap_alloc(void *user, size_t bytes) {
    base_heap *heap = (base_heap *)user;
    char *p;
    if (heap->left-- <= 0) return NULL;
    p = (char *)malloc(bytes + 8);
    if (!p) return NULL;
    memset(p, 0xA5, bytes + 8); /* dirt, and an odd address: ob_alloc must cope with both */
    heap->open++;
    return p + 8;
}

static void base_heap_release(void *user, void *block) {
    ((base_heap *)user)->open--;
    free((char *)block - 8);
}

static onebit_env base_heap_env(base_heap *heap, int left) {
    onebit_env env = onebit_env_default();
    heap->left = left;
    heap->open = 0;
    env.user = heap;
    env.alloc = base_heap_alloc;
    env.release = base_heap_release;
    return env;
}

static void base_test_memory(void) {
    base_heap heap;
    onebit_env env = base_heap_env(&heap, 1000);
    ob_carve count = {NULL, 0}, carve = {NULL, 0};
    ob_buffer buffer;
    size_t n, i, dirt = 0;
    test_case("memory: aligned, zeroed, given back");
    for (n = 1; n < 300; n += 7) {
        uint8_t *p = (uint8_t *)ob_alloc(&env, n);
        if (!CHECK(p && (uintptr_t)p % 64 == 0)) return;
        for (i = 0; i < n; i++) dirt += p[i];
        memset(p, 1, n);
        ob_release(&env, p);
    }
    CHECK(dirt == 0 && heap.open == 0);
    CHECK(!ob_alloc(&env, 0) && !ob_alloc(&env, SIZE_MAX) && !ob_alloc(&env, SIZE_MAX / 2));
    ob_release(&env, NULL);
    test_case("memory: carving counts what it takes and saturates");
    ob_take(&count, 1);
    ob_take(&count, 65);
    CHECK(!ob_take(&count, 3) && count.used == 64 + 128 + 3);
    carve.base = (uint8_t *)ob_alloc(&env, count.used);
    CHECK(ob_take(&carve, 1) == carve.base && ob_take(&carve, 65) == carve.base + 64);
    CHECK(ob_take(&carve, 3) == carve.base + 192 && carve.used == count.used);
    ob_release(&env, carve.base);
    CHECK(!ob_take(&count, SIZE_MAX - 5) && count.used == SIZE_MAX);
    CHECK(!ob_take(&count, 1) && count.used == SIZE_MAX);
    test_case("memory: a growing text survives failing allocators");
    for (n = 0; n < 6; n++) {
        env = base_heap_env(&heap, (int)n);
        buffer = ob_buffer_new(&env);
        for (i = 0; i < 100; i++) ob_buffer_format(&buffer, "%03d %s", (int)i, "0123456789");
        if (n >= 4) CHECK(!buffer.failed && buffer.n == 1400 && strlen(buffer.p) == 1400);
        else CHECK(buffer.failed && buffer.n < 1400);
        ob_buffer_free(&buffer);
        CHECK(heap.open == 0 && buffer.p == NULL);
    }
}

static void base_count_body(void *arg, int index) { ((int *)arg)[index] += index + 1; }

static void base_serial_backwards(void *user, onebit_body body, void *arg, int n) {
    ++*(int *)user;
    while (n-- > 0) body(arg, n);
}

static void base_test_parallel(void) {
    onebit_env env = onebit_env_default();
    int pieces, i, wrong = 0, calls = 0, hits[100];
    test_case("parallel: every piece once, whatever the hook and the number of threads");
    for (env.threads = 1; env.threads <= 5; env.threads++) {
        for (pieces = 0; pieces <= 100; pieces += 4) {
            memset(hits, 0, sizeof hits);
            ob_parallel(&env, base_count_body, hits, pieces);
            for (i = 0; i < 100; i++) wrong += hits[i] != (i < pieces ? i + 1 : 0);
        }
    }
    env.parallel = base_serial_backwards;
    env.user = &calls;
    memset(hits, 0, sizeof hits);
    ob_parallel(&env, base_count_body, hits, 100);
    for (i = 0; i < 100; i++) wrong += hits[i] != i + 1;
    CHECK(wrong == 0 && calls == 1);
    test_case("environment: gaps are filled, nonsense is refused");
    memset(&env, 0, sizeof env);
    env = ob_env_or_default(&env);
    CHECK(env.alloc && env.release && env.parallel && env.threads >= 1);
    CHECK_OK(ob_env_check(&env));
    env.threads = 65;
    CHECK_FAILS(ob_env_check(&env), ONEBIT_USAGE, "1..64");
    env.threads = 2;
#ifndef __cplusplus
    env.isa = (onebit_isa)77;
    CHECK_FAILS(ob_env_check(&env), ONEBIT_USAGE, "isa 77");
#endif
    env.isa = ob_cpu_isa();
    CHECK_OK(ob_env_check(&env));
    if (ob_cpu_isa() < ONEBIT_ISA_AVX512) {
        env.isa = ONEBIT_ISA_AVX512;
        CHECK_FAILS(ob_env_check(&env), ONEBIT_UNSUPPORTED, "avx512");
    }
    CHECK(ob_cpu_isa() != ONEBIT_ISA_AUTO && ob_seconds() <= ob_seconds());
}

#ifndef ONEBIT_NO_FILES

#define BASE_DIR "test_base_tmp"

static int base_same(const char *path, const char *text) {
    ob_map map;
    int same;
    if (ob_map_open(&map, path) != ONEBIT_OK) return 0;
    same = map.bytes == strlen(text) && memcmp(map.data, text, map.bytes) == 0;
    ob_map_close(&map);
    ob_map_close(&map); /* twice is fine */
    return same;
}

static void base_test_files(void) {
    char path[3000], **names = NULL;
    onebit_env env = onebit_env_default();
    base_heap heap;
    ob_sink sink;
    ob_map map;
    size_t count = 0;
    int i;
    test_case("files: written atomically, mapped, replaced");
    CHECK_OK(ob_make_directory(BASE_DIR "/b/c"));
    CHECK_OK(ob_make_directory(BASE_DIR "/b/c"));
    CHECK_OK(ob_file_write(BASE_DIR "/b/two", "second", 6));
    CHECK_OK(ob_file_write(BASE_DIR "/b/c/x", "x", 1));
    CHECK_OK(ob_file_write(BASE_DIR "/a", "one", 3));
    CHECK(base_same(BASE_DIR "/a", "one"));
    CHECK_OK(ob_file_write(BASE_DIR "/a", "other one", 9));
    CHECK(base_same(BASE_DIR "/a", "other one"));
    CHECK_OK(ob_file_write(BASE_DIR "/.hidden", "", 0));
    CHECK_OK(ob_map_open(&map, BASE_DIR "/.hidden"));
    CHECK(map.data && map.bytes == 0);
    ob_map_close(&map);
    CHECK_OK(ob_sink_open(&sink, BASE_DIR "/a"));
    ob_sink_write(&sink, "lost", 4);
    ob_sink_abort(&sink);
    ob_sink_abort(&sink);
    CHECK(base_same(BASE_DIR "/a", "other one"));
    test_case("files: errors name the path");
    CHECK_FAILS(ob_map_open(&map, BASE_DIR "/none"), ONEBIT_IO, "/none: no such file");
    CHECK_FAILS(ob_map_open(&map, BASE_DIR), ONEBIT_IO, "is a directory");
    CHECK_FAILS(ob_file_write(BASE_DIR "/no/where", "", 0), ONEBIT_IO, "/no/where");
    CHECK_FAILS(ob_file_write(BASE_DIR "/b", "x", 1), ONEBIT_IO, "cannot be written");
#if !defined(_WIN32)
    CHECK_FAILS(ob_file_write("/dev/null", "x", 1), ONEBIT_IO, "no regular file");
#endif
    CHECK_FAILS(ob_make_directory(BASE_DIR "/a/b"), ONEBIT_IO, "cannot be made");
    CHECK_FAILS(ob_make_directory(""), ONEBIT_IO, "no usable path");
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = 0;
    CHECK_FAILS(ob_file_write(path, "", 0), ONEBIT_IO, "too long");
    CHECK_FAILS(ob_make_directory(path), ONEBIT_IO, "no usable path");
    CHECK_FAILS(ob_list_directory(&env, path, &names, &count), ONEBIT_IO, "no such directory");
    CHECK_FAILS(ob_path_join(path, 10, "direct", "name"), ONEBIT_IO, "too long");
    CHECK_OK(ob_path_join(path, 12, "direct", "name"));
    CHECK(strcmp(path, "direct/name") == 0);
    CHECK_OK(ob_path_join(path, 20, "direct/", "name"));
    CHECK(strcmp(path, "direct/name") == 0);
    test_case("files: directories are listed in byte order, without hidden and temporary files");
    CHECK_OK(ob_list_directory(&env, BASE_DIR "/", &names, &count));
    if (CHECK(count == 3)) {
        CHECK(strcmp(names[0], BASE_DIR "/a") == 0);
        CHECK(strcmp(names[1], BASE_DIR "/b/c/x") == 0);
        CHECK(strcmp(names[2], BASE_DIR "/b/two") == 0);
    }
    ob_release(&env, names);
    for (i = 0; i < 3; i++) {
        env = base_heap_env(&heap, i);
        CHECK_FAILS(ob_list_directory(&env, BASE_DIR, &names, &count), ONEBIT_MEMORY, "memory");
        CHECK(heap.open == 0 && names == NULL && count == 0);
    }
    env = onebit_env_default();
    CHECK_OK(ob_list_directory(&env, BASE_DIR "/b/c", &names, &count));
    CHECK(count == 1);
    ob_release(&env, names);
    remove(BASE_DIR "/b/c/x");
    CHECK_OK(ob_list_directory(&env, BASE_DIR "/b/c", &names, &count));
    CHECK(count == 0);
    ob_release(&env, names);
    remove(BASE_DIR "/a");
    remove(BASE_DIR "/.hidden");
    remove(BASE_DIR "/b/two");
    remove(BASE_DIR "/b/c");
    remove(BASE_DIR "/b");
    CHECK(remove(BASE_DIR) == 0); /* nothing is left behind */
}

#endif

/* Status of stepping over a whole text. */
static onebit_status base_json_status(const char *text, size_t n) {
    ob_json j = ob_json_on(text, n, "t.json");
    ob_json_skip(&j);
    return ob_json_end(&j);
}

static int base_json_ok(const char *text) {
    return base_json_status(text, strlen(text)) == ONEBIT_OK;
}

static const char base_sample[] =
    " {\"name\": \"a\\u00e9\\ud83d\\ude00\\n\", \"list\": [1, -2.5e3, [], {}, [[null]]],\r\n"
    "\t\"yes\": true, \"no\": false, \"nested\": {\"k\": {\"k\": \"\"}}, \"zero\": -0 }\n";

static void base_test_json(void) {
    static const char *const good[] = {"0",
                                       "-0",
                                       "1e5",
                                       "1E+5",
                                       "0.5",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       " true ",
                                       "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
                                       "\xEF\xBB\xBF[1]",
                                       "{\"a\":1,\"a\":2}",
                                       "[[],[]]",
                                       "\"\\ud800\"",
                                       "1e-999"};
    static const char *const bad[] = {
        "",          " ",           "01",         "-",        "+1",     "1.",     ".5",
        "1e",        "1e+",         "1e999",      "-1e999",   "0x10",   "NaN",    "Infinity",
        "-Infinity", "truE",        "tru",        "nul",      "\"",     "\"\\\"", "\"\\x\"",
        "\"\\u12\"", "\"\\u12g4\"", "\"\\",       "\"a\nb\"", "[",      "[1",     "[1,",
        "[1,]",      "[,1]",        "[1 2]",      "[1}",      "{",      "{\"a\"", "{\"a\":",
        "{\"a\":1",  "{\"a\":1,",   "{\"a\":1,}", "{,}",      "{a:1}",  "{1:1}",  "{\"a\" 1}",
        "{\"a\":1]", "[]]",         "1 2",        "[] []",    "/*c*/1", "'a'",    "\xEF\xBB",
        "{\"a\":}",  "[1,,2]",      "{\"a\"::1}", "]"};
    size_t i, n, rejected = 0;
    char *bomb;
    const char *both = "[{\"a\":";
    test_case("json: valid texts are taken, invalid ones refused");
    for (i = 0; i < sizeof good / sizeof *good; i++)
        test_check(base_json_ok(good[i]), good[i], __FILE__, __LINE__);
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        test_check(!base_json_ok(bad[i]), bad[i], __FILE__, __LINE__);
    CHECK(base_json_status(NULL, 0) == ONEBIT_FORMAT && base_json_status("\0", 1) == ONEBIT_FORMAT);
    test_case("json: cut at every byte it is an error, whole it is none");
    n = sizeof base_sample - 1;
    CHECK(base_json_status(base_sample, n) == ONEBIT_OK);
    for (i = 0; i < n - 2; i++) {
        char *exact = (char *)malloc(i + 1); /* exact size: sanitizers see a read too far */
        if (!CHECK(exact)) return;
        memcpy(exact, base_sample, i + 1);
        rejected += base_json_status(exact, i) == ONEBIT_FORMAT;
        free(exact);
    }
    CHECK(rejected == n - 2);
    test_case("json: a bomb of a million brackets is refused, 64 levels are not");
    n = (size_t)1 << 20;
    bomb = (char *)malloc(n);
    if (!CHECK(bomb)) return;
    memset(bomb, '[', n);
    CHECK_FAILS(base_json_status(bomb, n), ONEBIT_FORMAT, "deeper than 64");
    memset(bomb + 64, ']', 64);
    CHECK(base_json_status(bomb, 128) == ONEBIT_OK);
    for (i = 0; i < n; i++) bomb[i] = both[i % 6];
    CHECK_FAILS(base_json_status(bomb, n), ONEBIT_FORMAT, "deeper than 64");
    memset(bomb, '9', n);
    CHECK_FAILS(base_json_status(bomb, n), ONEBIT_FORMAT, "range of double");
    memset(bomb, '0', n);
    bomb[1] = '.';
    CHECK(base_json_status(bomb, n) == ONEBIT_OK);
    free(bomb);
}

static void base_test_json_walk(void) {
    ob_json j = ob_json_on(base_sample, sizeof base_sample - 1, NULL);
    ob_slice key;
    char text[32];
    int items = 0, members = 0;
    double sum = 0;
    test_case("json: keys, items, strings, numbers and raw values of a sample");
    for (ob_json_object(&j); ob_json_key(&j, &key); members++) {
        if (ob_slice_is(key, "name")) {
            CHECK(ob_json_string(&j, text, sizeof text) == 8);
            CHECK(strcmp(text, "a\xC3\xA9\xF0\x9F\x98\x80\n") == 0);
        } else if (ob_slice_is(key, "list")) {
            for (ob_json_array(&j); ob_json_item(&j); items++) {
                if (ob_json_peek(&j) == '0') sum += ob_json_number(&j);
                else ob_json_skip(&j);
            }
        } else if (ob_slice_is(key, "yes")) CHECK(ob_json_bool(&j) == 1);
        else if (ob_slice_is(key, "no")) CHECK(ob_json_bool(&j) == 0);
        else if (ob_slice_is(key, "nested"))
            CHECK(ob_slice_is(ob_json_raw(&j), "{\"k\": {\"k\": \"\"}}"));
        else CHECK(ob_slice_is(key, "zero") && 1 / ob_json_number(&j) < 0);
    }
    CHECK_OK(ob_json_end(&j));
    CHECK(items == 5 && members == 6 && sum == -2499);
    test_case("json: strings decode, lone surrogates become U+FFFD, too long is an error");
    j = ob_json_on("\"\\ud800x\\udc00\\ud83d\\u0041\\u0000.\"", 34, NULL);
    CHECK(ob_json_string(&j, text, sizeof text) == 13);
    CHECK(memcmp(text,
                 "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD"
                 "A\0.",
                 14) == 0);
    j = ob_json_on("\"12345\"", 7, "f");
    CHECK(ob_json_string(&j, NULL, 0) == 5 && j.status == ONEBIT_OK);
    j = ob_json_on("\"12345\"", 7, "f");
    CHECK(ob_json_string(&j, text, 5) == 0 && j.status == ONEBIT_FORMAT && text[0] == 0);
    j = ob_json_on("\"12345\"", 7, "f");
    CHECK(ob_json_string(&j, text, 6) == 5 && strcmp(text, "12345") == 0);
    key.p = "a\\q\\u12\\", key.n = 8;
    CHECK(ob_json_unescape(key, text, sizeof text) == 8 && memcmp(text, key.p, 8) == 0);
    test_case("json: errors say file, line and column, and stay");
    j = ob_json_on("{\n  \"a\": 1,\n  \"b\": tru}", 23, "c.json");
    for (ob_json_object(&j); ob_json_key(&j, &key);) ob_json_skip(&j);
    CHECK_FAILS(ob_json_end(&j), ONEBIT_FORMAT, "c.json:3:8: expected true or false");
    CHECK(ob_json_peek(&j) == 0 && !ob_json_item(&j) && ob_json_number(&j) == 0);
    j = ob_json_on("[1, 2", 5, "c.json");
    for (ob_json_array(&j); ob_json_item(&j);) ob_json_skip(&j);
    CHECK_FAILS(ob_json_end(&j), ONEBIT_FORMAT, "',' or ']', the text ends");
}

static int64_t base_json_int(const char *text, int *ok) {
    ob_json j = ob_json_on(text, strlen(text), NULL);
    int64_t v = ob_json_int(&j);
    *ok = ob_json_end(&j) == ONEBIT_OK;
    return v;
}

static void base_test_json_numbers(void) {
    static const char *const hard[] = {
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "9007199254740993",
        "9007199254740992.999999999999999999999999",
        "0.1",
        "123456789012345678901234567890e-20",
        "1e22",
        "1e23",
        "8.98846567431158e307",
        "5e-324",
        "0.000000000000000000000000000000000000000000000000000000000000001e63",
        "3.14159265358979323846",
        "1e-400",
        "0e999999999999999999999",
        "100000000000000000000000000000000000000000e-40"};
    char text[64];
    onebit_rng rng;
    ob_slice s;
    double v;
    int i, ok, wrong = 0, longer = 0;
    test_case("json: numbers are rounded correctly");
    for (i = 0; i < (int)(sizeof hard / sizeof *hard); i++) {
        s.p = hard[i], s.n = strlen(hard[i]);
        test_check(ob_number_parse(s, &v) && v == strtod(hard[i], NULL), hard[i], __FILE__,
                   __LINE__);
    }
    s.p = "1.7976931348623159e308", s.n = 22;
    CHECK(!ob_number_parse(s, &v));
    test_case("json: random doubles are written short and read back exactly");
    onebit_rng_seed(&rng, 11);
    for (i = 0; i < 20000; i++) {
        uint64_t bits = ob_rng_next(&rng);
        ob_out out = ob_out_on(text, sizeof text);
        memcpy(&v, &bits, sizeof v);
        if (!(fabs(v) <= DBL_MAX)) continue;
        ob_out_number(&out, v);
        wrong += strtod(text, NULL) != v;
        snprintf(text, sizeof text, "%.17g", v);
        longer += out.n > strlen(text);
    }
    CHECK(wrong == 0 && longer == 0);
    {
        ob_out out = ob_out_on(text, sizeof text);
        ob_out_number(&out, 0.1);
        ob_out_text(&out, " ");
        ob_out_number(&out, -30000);
        ob_out_text(&out, " ");
        ob_out_number(&out, HUGE_VAL);
        ob_out_text(&out, " ");
        ob_out_number(&out, 1e300);
        CHECK(strcmp(text, "0.1 -30000 null 1e+300") == 0);
    }
    test_case("json: whole numbers are exact, others refused");
    CHECK(base_json_int("9223372036854775807", &ok) == INT64_MAX && ok);
    CHECK(base_json_int("-9223372036854775808", &ok) == INT64_MIN && ok);
    CHECK(base_json_int("9223372036854775808", &ok) == 0 && !ok);
    CHECK(base_json_int("-9223372036854775809", &ok) == 0 && !ok);
    CHECK(base_json_int("9007199254740993", &ok) == 9007199254740993 && ok);
    CHECK(base_json_int("-0", &ok) == 0 && ok);
    CHECK(base_json_int("3.0", &ok) == 3 && ok);
    CHECK(base_json_int("-1e3", &ok) == -1000 && ok);
    CHECK(base_json_int("3.5", &ok) == 0 && !ok);
    CHECK(base_json_int("1e300", &ok) == 0 && !ok);
    CHECK(base_json_int("true", &ok) == 0 && !ok);
    CHECK(base_json_int("", &ok) == 0 && !ok);
}

static void base_test_json_write(void) {
    char text[64], all[256], back[300], written[2000];
    ob_out out = ob_out_on(text, sizeof text);
    ob_json j;
    int i;
    test_case("json: strings are written escaped, bad bytes as U+FFFD");
    ob_out_json(&out, "a\"\\\n\x01\xC3\xA9\xFF\0", 9);
    CHECK(strcmp(text, "\"a\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBD\\u0000\"") == 0);
    for (i = 0; i < 128; i++) all[i] = (char)i;
    out = ob_out_on(written, sizeof written);
    ob_out_json(&out, all, 128);
    j = ob_json_on(written, out.n, NULL);
    CHECK(ob_json_string(&j, back, sizeof back) == 128 && memcmp(back, all, 128) == 0);
    CHECK_OK(ob_json_end(&j));
}

/* Every 997th float, and the neighbours of every half and of every middle between two. */
static void base_test_round_half(void) {
    uint64_t bits;
    uint32_t h, k;
    int bad = 0;
    float x;
    test_case("base: rounding to half precision without the half");
    for (bits = 0; bits < (uint64_t)1 << 32; bits += 997) {
        x = ob_bits_float((uint32_t)bits);
        bad += ob_float_bits(ob_round_half(x)) != ob_float_bits(ob_half(ob_f32_to_f16(x)));
    }
    for (h = 0; h < 65536; h++)
        for (k = 0; k < 6; k++) {
            x = ob_bits_float(ob_float_bits(ob_half((uint16_t)h)) + k % 3 - 1 + k / 3 * 0x1000u);
            bad += ob_float_bits(ob_round_half(x)) != ob_float_bits(ob_half(ob_f32_to_f16(x)));
        }
    CHECK(bad == 0);
}

static void test_base(void) {
    base_test_round_half();
    base_test_half();
    base_test_numbers();
    base_test_bytes();
    base_test_utf8();
    base_test_text();
    base_test_memory();
    base_test_parallel();
#ifndef ONEBIT_NO_FILES
    base_test_files();
#endif
    base_test_json();
    base_test_json_walk();
    base_test_json_numbers();
    base_test_json_write();
}
