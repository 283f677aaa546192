/* test_safetensors.c - the safetensors container: round trip, a file by another writer, hostile
 * files. */

#ifdef ONEBIT_NO_FILES

static void test_safetensors(void) {
    test_case("safetensors: absent without files");
    CHECK(1);
}

#else

#define ST_PATH "test_safetensors_tmp.safetensors"

/* Written by the Python package safetensors 0.8.0 from numpy arrays: s = int64 3, w = float32
   [[1.5, -2]], b = int8 [7, -7, 9], and one metadata string with an accent, quotes and a line
   break. */
static const char st_header[] =
    "{\"__metadata__\":{\"note\":\"caf\xC3\xA9 \\\"q\\\"\\n\"},"
    "\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
    "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
    "\"b\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[16,19]}}     ";
static const uint8_t st_data[] = {3,    0,  0, 0, 0, 0,    0, 0,    0, 0,
                                  0xC0, 63, 0, 0, 0, 0xC0, 7, 0xF9, 9};

/* Length, header and data in a block of exactly that size, so that a sanitizer sees any step
 * outside. */
static uint8_t *st_image(const char *header, size_t length, const uint8_t *data, size_t bytes,
                         size_t *n) {
    uint8_t *p;
    *n = 8 + length + bytes;
    p = (uint8_t *)malloc(*n);
    if (!p) return NULL;
    ob_put64(p, length);
    memcpy(p + 8, header, length);
    if (bytes) memcpy(p + 8 + length, data, bytes);
    return p;
}

/* Opens a file that lies in memory, which must stay until ob_st_close. */
static onebit_status st_parse(ob_st_file *out, const void *data, size_t bytes,
                              const onebit_env *env) {
    onebit_status status;
    memset(out, 0, sizeof *out);
    out->env = ob_env_or_default(env);
    status = ob_st_read(out, (const uint8_t *)data, bytes, "safetensors");
    if (status != ONEBIT_OK) ob_st_close(out);
    return status;
}

static void st_test_other_writer(void) {
    size_t n;
    uint8_t *image = st_image(st_header, sizeof st_header - 1, st_data, sizeof st_data, &n);
    const ob_st_tensor *t;
    ob_st_file f;
    char text[32];
    test_case("safetensors: a file by another writer");
    CHECK(n == 235);
    if (!CHECK_OK(st_parse(&f, image, n, NULL))) return;
    CHECK(f.count == 3 && strcmp(f.tensors[0].name, "s") == 0);
    t = ob_st_find(&f, "w");
    CHECK(t && t->rank == 2 && t->shape[0] == 1 && t->shape[1] == 2 &&
          strcmp(t->dtype, "F32") == 0);
    CHECK(t && t->bytes == 8 && ob_getf32(t->data) == 1.5f && ob_getf32(t->data + 4) == -2.0f);
    t = ob_st_find(&f, "s");
    CHECK(t && t->rank == 0 && t->bytes == 8 && ob_get64(t->data) == 3);
    t = ob_st_find(&f, "b");
    CHECK(t && t->rank == 1 && t->bytes == 3 && (int8_t)t->data[1] == -7);
    CHECK(!ob_st_find(&f, "") && !ob_st_find(&f, "a") && !ob_st_find(&f, "x"));
    CHECK(ob_st_metadata(&f, "note", text, sizeof text) == 10);
    CHECK(strcmp(text, "caf\xC3\xA9 \"q\"\n") == 0);
    CHECK(ob_st_metadata(&f, "note", text, 4) == 10 && strcmp(text, "caf") == 0);
    CHECK(ob_st_metadata(&f, "note", NULL, 0) == 10);
    CHECK(ob_st_metadata(&f, "not", text, sizeof text) == 0 && text[0] == 0);
    ob_st_close(&f);
    ob_st_close(&f); /* twice is fine */
    free(image);
}

static ob_st_item st_item(const char *name, const char *dtype, int rank, int64_t a, int64_t b,
                          const void *data, size_t bytes) {
    ob_st_item t;
    memset(&t, 0, sizeof t);
    t.name = name;
    t.dtype = dtype;
    t.rank = rank;
    t.shape[0] = a;
    t.shape[1] = b;
    t.data = data;
    t.bytes = bytes;
    return t;
}

static void st_test_round_trip(void) {
    static const char *const metadata[] = {"format", "pt", "quote \"\\", "a\tb",
                                           "long",   NULL, NULL};
    const char *pairs[7];
    float values[6] = {0, 1, 2, 3, 4, 5};
    int8_t codes[3] = {-1, 0, 1};
    ob_st_item items[4];
    const ob_st_tensor *t;
    ob_st_file f;
    char *many = (char *)malloc(100001), *back = (char *)malloc(100001);
    test_case("safetensors: what is written comes back, aligned to 64 bytes");
    if (!CHECK(many && back)) return;
    memset(many, 'x', 100000);
    many[100000] = 0;
    memcpy((void *)pairs, (const void *)metadata, sizeof pairs);
    pairs[5] = many;
    items[0] = st_item("model.z", "F32", 2, 2, 3, values, sizeof values);
    items[1] = st_item("model.a \"q\"", "I8", 1, 3, 0, codes, 3);
    items[2] = st_item("empty", "F32", 2, 0, 5, NULL, 0);
    items[3] = st_item("one", "F32", 0, 0, 0, values + 2, 4);
    CHECK_OK(ob_st_write(ST_PATH, items, 4, pairs, NULL));
    if (!CHECK_OK(ob_st_open(&f, ST_PATH, NULL))) return;
    CHECK(f.count == 4 && strcmp(f.tensors[0].name, "model.z") == 0 && f.tensors[0].rank == 2);
    CHECK((size_t)(f.tensors[0].data - f.map.data) % 64 == 0);
    CHECK(memcmp(f.tensors[0].data, values, sizeof values) == 0);
    t = ob_st_find(&f, "model.a \"q\"");
    CHECK(t && memcmp(t->data, codes, 3) == 0);
    t = ob_st_find(&f, "empty");
    CHECK(t && t->bytes == 0 && t->shape[0] == 0 && t->shape[1] == 5);
    t = ob_st_find(&f, "one");
    CHECK(t && t->rank == 0 && ob_getf32(t->data) == 2.0f);
    CHECK(ob_st_metadata(&f, "format", back, 100001) == 2 && strcmp(back, "pt") == 0);
    CHECK(ob_st_metadata(&f, "long", back, 100001) == 100000 && strcmp(back, many) == 0);
    ob_st_close(&f);
    CHECK_OK(ob_st_write(ST_PATH, items, 0, NULL, NULL));
    CHECK_OK(ob_st_open(&f, ST_PATH, NULL));
    CHECK(f.count == 0 && !ob_st_find(&f, "one") && ob_st_metadata(&f, "format", back, 9) == 0);
    ob_st_close(&f);
    test_case("safetensors: what could not be read back is not written");
    items[1].bytes = 4;
    CHECK_FAILS(ob_st_write(ST_PATH, items, 4, pairs, NULL), ONEBIT_USAGE, "fit its shape");
    items[1].dtype = "I9";
    CHECK_FAILS(ob_st_write(ST_PATH, items, 4, pairs, NULL), ONEBIT_USAGE, "bad name");
    items[0].shape[0] = INT64_MAX;
    CHECK_FAILS(ob_st_write(ST_PATH, items, 1, pairs, NULL), ONEBIT_USAGE, "fit its shape");
    items[0].name = "__metadata__";
    CHECK_FAILS(ob_st_write(ST_PATH, items, 1, pairs, NULL), ONEBIT_USAGE, "bad name");
    items[0] = st_item("n", "F32", 1, -1, 0, values, 4);
    CHECK_FAILS(ob_st_write(ST_PATH, items, 1, NULL, NULL), ONEBIT_USAGE, "fit its shape");
    items[0].rank = -1;
    CHECK_FAILS(ob_st_write(ST_PATH, items, 1, NULL, NULL), ONEBIT_USAGE, "bad name");
    items[0].rank = OB_ST_RANK_MAX + 1;
    CHECK_FAILS(ob_st_write(ST_PATH, items, 1, NULL, NULL), ONEBIT_USAGE, "bad name");
    many[128] = 0;
    items[0] = st_item(many, "F32", 0, 0, 0, values, 4);
    CHECK_FAILS(ob_st_write(ST_PATH, items, 1, NULL, NULL), ONEBIT_USAGE, "bad name");
    many[127] = 0; /* the longest name, and metadata of no pairs */
    CHECK_OK(ob_st_write(ST_PATH, items, 1, metadata + 5, NULL));
    CHECK_OK(ob_st_open(&f, ST_PATH, NULL));
    CHECK(f.count == 1 && !strcmp(f.tensors[0].name, many) && f.metadata.n == 0);
    ob_st_close(&f);
    CHECK_FAILS(ob_st_open(&f, "none.safetensors", NULL), ONEBIT_IO, "none.safetensors");
    remove(ST_PATH);
    free(many);
    free(back);
}

#define ST_T(dtype, shape, offsets)                                                                \
    "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void st_test_bad_headers(void) {
    static const struct {
        const char *header;
        size_t data;
        const char *words;
    } bad[] = {
        {"[]", 0, "not JSON"},
        {"{", 0, "too short"},
        {"{ ", 0, "safetensors:1:"},
        {" {}", 0, "not JSON"},
        {"{}x", 0, "safetensors:1:"},
        {"{}", 1, "belong to no tensor"},
        {"{\"a\":7}", 0, "an object"},
        {"{\"a\":{}}", 0, "needs dtype"},
        {"{\"a\":" ST_T("F32", "1", "0,4") "}", 5, "1 bytes belong"},
        {"{\"a\":" ST_T("F32", "1", "0,4") "}", 3, "within the file"},
        {"{\"a\":" ST_T("F32", "1", "1,5") "}", 5, "a hole or overlaps"},
        {"{\"a\":" ST_T("F32", "2", "0,4") "}", 4, "do not give 4 bytes"},
        {"{\"a\":" ST_T("F32", "1", "4,0") "}", 4, "within the file"},
        {"{\"a\":" ST_T("F32", "1", "0") "}", 4, "within the file"},
        {"{\"a\":" ST_T("F32", "1", "0,4,4") "}", 4, "within the file"},
        {"{\"a\":" ST_T("F32", "1", "-4,0") "}", 4, "within the file"},
        {"{\"a\":" ST_T("F32", "1", "0,9223372036854775807") "}", 4, "within the file"},
        {"{\"a\":" ST_T("F32", "1", "0,18446744073709551620") "}", 4, "safetensors:1:"},
        {"{\"a\":" ST_T("F32", "1", "0,4.5") "}", 4, "safetensors:1:"},
        {"{\"a\":" ST_T("F32", "-1,-1", "0,4") "}", 4, "negative"},
        {"{\"a\":" ST_T("F32", "4294967296,4294967296,1", "0,4") "}", 4, "do not give"},
        {"{\"a\":" ST_T("F32", "4611686018427387905", "0,4") "}", 4, "do not give"},
        {"{\"a\":" ST_T("F32", "1,1,1,1,1", "0,4") "}", 4, "more than 4"},
        {"{\"a\":" ST_T("F33", "1", "0,4") "}", 4, "unknown dtype 'F33'"},
        {"{\"a\":" ST_T("", "1", "0,4") "}", 4, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "twice"},
        {"{\"a\":" ST_T("F32", "1", "0,4") ",\"b\":" ST_T("F32", "1", "0,4") "}", 4, "overlaps"},
        {"{\"a\":" ST_T("F32", "1", "0,4") ",\"b\":" ST_T("F32", "1", "2,6") "}", 6, "overlaps"},
        {"{\"a\":" ST_T("F32", "1", "0,4") ",\"b\":" ST_T("F32", "1", "5,9") "}", 9, "a hole"},
        {"{\"a\":" ST_T("F32", "0", "2,2") ",\"b\":" ST_T("F32", "1", "0,4") "}", 4, "overlaps"},
        {"{\"a\":" ST_T("F32", "1", "0,4") ",\"a\":" ST_T("F32", "1", "4,8") "}", 8, "two tensors"},
        {"{\"a\":" ST_T("F32", "1", "0,4") ",\"\\u0061\":" ST_T("F32", "1", "4,8") "}", 8,
         "two tensors"},
        {"{\"a\\u0000b\":" ST_T("F32", "1", "0,4") "}", 4, "NUL"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "strings only"},
        {"{\"__metadata__\":[]}", 0, "strings only"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
    };
    static const uint8_t zeros[16] = {0};
    size_t i, n;
    ob_st_file f;
    test_case("safetensors: each kind of bad header is refused for its own reason");
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t *image = st_image(bad[i].header, strlen(bad[i].header), zeros, bad[i].data, &n);
        if (!CHECK_FAILS(st_parse(&f, image, n, NULL), ONEBIT_FORMAT, bad[i].words))
            printf("  header %s\n", bad[i].header);
        CHECK(!f.tensors && f.count == 0);
        free(image);
    }
}

static void st_test_lengths(void) {
    static const uint64_t lengths[] = {0, 1, 3, 100000001, UINT64_MAX, UINT64_MAX - 7, 1u << 31};
    uint8_t p[10] = {0};
    char *name = (char *)malloc(400);
    uint8_t *image;
    ob_st_file f;
    size_t i, n;
    test_case("safetensors: lengths that lie");
    p[8] = '{';
    p[9] = '}';
    for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        ob_put64(p, lengths[i]);
        CHECK(st_parse(&f, p, sizeof p, NULL) == ONEBIT_FORMAT);
    }
    CHECK(st_parse(&f, NULL, 0, NULL) == ONEBIT_FORMAT);
    ob_put64(p, 2);
    CHECK_OK(st_parse(&f, p, sizeof p, NULL));
    ob_st_close(&f);
    if (!name) return;
    for (i = 126; i < 130; i++) { /* a name of 127 bytes is the longest */
        snprintf(name, 400, "{\"%0*d\":" ST_T("U8", "1", "0,1") "}", (int)i, 0);
        image = st_image(name, strlen(name), p, 1, &n);
        if (i < 128) CHECK_OK(st_parse(&f, image, n, NULL));
        else CHECK_FAILS(st_parse(&f, image, n, NULL), ONEBIT_FORMAT, "longer than 127");
        ob_st_close(&f);
        free(image);
    }
    free(name);
}

#undef ST_T

/* Parses; when that succeeds every byte that the tensors claim is read. */
static int st_touch(const uint8_t *image, size_t n) {
    ob_st_file f;
    char text[64];
    int i, sum = 0;
    size_t k;
    if (st_parse(&f, image, n, NULL) != ONEBIT_OK) return 0;
    for (i = 0; i < f.count; i++) {
        for (k = 0; k < f.tensors[i].bytes; k++) sum += f.tensors[i].data[k];
        CHECK(ob_st_find(&f, f.tensors[i].name) == &f.tensors[i]);
    }
    ob_st_metadata(&f, "note", text, sizeof text);
    ob_st_close(&f);
    return 1 + (sum & 1);
}

static void st_test_hostile(void) {
    size_t n, i, k;
    uint8_t *image = st_image(st_header, sizeof st_header - 1, st_data, sizeof st_data, &n), *part;
    int fine = 0, refused = 0;
    test_case("safetensors: no truncation is taken for a whole file");
    for (i = 0; i < n; i++) {
        part = (uint8_t *)malloc(i ? i : 1);
        if (!CHECK(part)) return;
        memcpy(part, image, i);
        CHECK(!st_touch(part, i));
        free(part);
    }
    test_case("safetensors: every byte set to every value is met without a fault");
    for (i = 0; i < n; i++) {
        uint8_t kept = image[i];
        for (k = 0; k < 256; k++) {
            image[i] = (uint8_t)k;
            if (st_touch(image, n)) fine++;
            else refused++;
        }
        image[i] = kept;
    }
    CHECK(st_touch(image, n));
    CHECK(fine > 256 * 19 && refused > 256 * 100); /* data bytes are free, most others are not */
    free(image);
}

static void st_test_memory(void) {
    size_t n, left;
    uint8_t *image = st_image(st_header, sizeof st_header - 1, st_data, sizeof st_data, &n);
    float value = 1;
    ob_st_item item = st_item("a", "F32", 1, 1, 0, &value, 4);
    base_heap heap;
    ob_st_file f;
    int done = 0;
    test_case("safetensors: out of memory is an error without a leak");
    for (left = 0; !done && left < 9; left++) {
        onebit_env env = base_heap_env(&heap, (int)left);
        onebit_status status = st_parse(&f, image, n, &env);
        CHECK(status == ONEBIT_OK || (status == ONEBIT_MEMORY && !f.tensors));
        done = status == ONEBIT_OK;
        ob_st_close(&f);
        CHECK(heap.open == 0);
        env = base_heap_env(&heap, (int)left);
        status = ob_st_write(ST_PATH, &item, 1, NULL, &env);
        CHECK(status == (left ? ONEBIT_OK : ONEBIT_MEMORY) && heap.open == 0);
    }
    CHECK(done && left == 2);
    remove(ST_PATH);
    free(image);
}

static void test_safetensors(void) {
    st_test_other_writer();
    st_test_round_trip();
    st_test_bad_headers();
    st_test_lengths();
    st_test_hostile();
    st_test_memory();
}

#endif /* ONEBIT_NO_FILES */
