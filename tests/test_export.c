/* test_export.c - storing a trained model: five trits in a byte, from file to file, .1bit version 1,
   and the texts of our own printf. Uses the rigs of test_model.c. */

/* ---- texts ---- */

/* Our text and length must be snprintf's. */
#define EXPORT_SAME(...)                                                                           \
    do {                                                                                           \
        char ours[512], theirs[512];                                                               \
        size_t n = ob_print(ours, sizeof ours, __VA_ARGS__);                                       \
        int m = snprintf(theirs, sizeof theirs, __VA_ARGS__);                                      \
        if (!CHECK(n == (size_t)m && !strcmp(ours, theirs)))                                       \
            printf("  '%s' should be '%s'\n", ours, theirs);                                       \
    } while (0)

static void export_check_real(double v, int precision) {
    EXPORT_SAME("%.*f|%.*g", precision, v, precision, v);
    EXPORT_SAME("%f|%g|%9.2f|%-9.1f|%09.3f|%.0f", v, v, v, v, v, v);
}

static void export_test_print(void) {
    static const double reals[] = {0,      -0.0,     1,       0.5,     1.5,    2.5,       0.125,
                                   1e22,   1e23,     9.995,   0.99999, 1e-5,   9.9999e-5, 123456,
                                   999999, 999999.5, 1e15,    1e16,    1e17,   5e-324,    1e308,
                                   1e-308, 0.1,      0.00001, 1e-4,    1000000};
    onebit_rng rng;
    char cut[4];
    size_t i;
    int k;
    test_case("export: texts are those of snprintf");
    EXPORT_SAME("%d|%5d|%-5d|%05d|%d|%u|%x|%04x", -7, 42, 42, -42, INT_MIN, 7u, 0xBEEFu, 10u);
    EXPORT_SAME("%ld|%lu|%lld|%llu|%zu|%0*ld|%%", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX,
                SIZE_MAX, 7, 12L);
    EXPORT_SAME("%s|%.3s|%.*s|%8s|%-8s|%c|", "abc", "abcdef", 2, "xyz", "r", "l", 'q');
    for (i = 0; i < sizeof reals / sizeof reals[0]; i++)
        for (k = 0; k <= 20; k++) export_check_real(reals[i], k), export_check_real(-reals[i], k);
    onebit_rng_seed(&rng, 3);
    for (k = 0; k < 4000; k++) {
        uint64_t bits = ob_rng_next(&rng);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (v == v && fabs(v) <= DBL_MAX) export_check_real(v, k % 18);
        v = floor(ob_rng_double(&rng) * 4096) / 64; /* many ties */
        export_check_real(v, k % 6);
    }
    EXPORT_SAME("%g|%f|%5.1f", HUGE_VAL, -HUGE_VAL, HUGE_VAL);
    CHECK(ob_print(cut, sizeof cut, "%s", "abcdef") == 6 && !strcmp(cut, "abc"));
    CHECK(ob_print(NULL, 0, "%d", 1234) == 4);
}

/* ---- five trits in a byte ---- */

static void export_test_trits(void) {
    enum { ROWS = 35, COLS = 47 };
    float codes[ROWS][COLS], row[COLS], out[COLS * 16];
    uint8_t data[3 * 3 * 64];
    int b, i, r, c, from;
    onebit_rng rng;
    test_case("export: t5x16 is the layout that it says");
    for (b = 0; b < 256; b++)
        for (i = 0; i < 5; i++)
            CHECK(ob_trit((uint32_t)b, i) == (b > 242 ? 0 : b / types_powers_of_3[i] % 3 - 1));
    CHECK(ob_format_bytes(OB_T5X16, ROWS, COLS) == sizeof data && OB_T5X16 == 6);
    onebit_rng_seed(&rng, 1);
    ob_pack_clear(data, OB_T5X16, ROWS, COLS);
    for (r = 0; r < ROWS; r++) {
        for (c = 0; c < COLS; c++) {
            codes[r][c] = (float)((int)test_below(&rng, 3) - 1);
            types_pack_code(data + (size_t)(r / 16) * (size_t)ob_block_bytes(OB_T5X16, COLS), OB_T5X16,
                         r % 16, c, codes[r][c]);
        }
    }
    for (r = 0; r < 48; r++) /* byte 4*row + j of the 64 of 20 columns */
        for (c = 0; c < 60; c += 20)
            for (b = 0; b < 4; b++) {
                int sum = 0, power = 1;
                for (i = 0; i < 5; i++, power *= 3) {
                    int col = c + 4 * i + b;
                    sum += power * (1 + (r < ROWS && col < COLS ? (int)codes[r][col] : 0));
                }
                CHECK(data[(r / 16 * 3 + c / 20) * 64 + 4 * (r % 16) + b] == sum);
            }
    for (r = 0; r < ROWS; r++) {
        ob_unpack_row(row, data, OB_T5X16, r, COLS);
        CHECK(!memcmp(row, codes[r], sizeof row));
    }
    for (from = 0; from < COLS; from++) {
        ob_unpack_body(out, 16, data + 192, OB_T5X16, from, COLS - from);
        for (c = from; c < COLS; c++)
            for (r = 0; r < 16; r++) CHECK(out[(c - from) * 16 + r] == codes[16 + r][c]);
    }
}

/* ---- files ---- */

#ifdef ONEBIT_NO_FILES
static void test_export(void) {
    export_test_print();
    export_test_trits();
}
#else

static char export_dir[256];

static const char *export_path(const char *name) {
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[0], "%s/%s", export_dir, name);
    return path[turn];
}

/* What a run leaves: model.safetensors, config.json, tokenizer.json, checkpoint, model.1bit. */
static int export_leave(model_rig *r) {
    static const char *const metadata[] = {"format", "pt", NULL};
    onebit_position position = onebit_dataset_tell(NULL);
    onebit_env env = ob_env_or_default(NULL);
    return CHECK_OK(ob_trainer_write(r->trainer, export_path("model.safetensors"), 0, metadata)) &&
           CHECK_OK(ob_leave_object(&env, export_dir, "config.json", ob_write_config,
                                    &r->trainer->config)) &&
           CHECK_OK(ob_leave_object(&env, export_dir, "tokenizer.json", ob_write_tokenizer,
                                    r->tokenizer)) &&
           CHECK_OK(onebit_trainer_save(r->trainer, r->tokenizer, position,
                                        export_path("checkpoint.safetensors"))) &&
           CHECK_OK(onebit_trainer_export(r->trainer, r->tokenizer, export_path("model.1bit")));
}

/* Opens a rig with odd weights and leaves its files; the directory is made anew. */
static int export_open(model_rig *r, const char *settings) {
    snprintf(export_dir, sizeof export_dir, "test_export_tmp");
    if (!CHECK_OK(ob_make_directory(export_path("out"))) ||
        !model_open(r, settings, "", 2, 12, NULL))
        return 0;
    ref_fill(r->trainer, 11);
    return export_leave(r);
}

static void export_clean(model_rig *r) {
    static const char *const names[] = {"out/model.safetensors",
                                        "out/config.json",
                                        "out/tokenizer.json",
                                        "out",
                                        "model.safetensors",
                                        "config.json",
                                        "tokenizer.json",
                                        "model.1bit",
                                        "a.1bit",
                                        "b.1bit",
                                        "checkpoint.safetensors",
                                        "other.safetensors",
                                        "old.1bit",
                                        ""};
    size_t i;
    model_close(r);
    for (i = 0; i < sizeof names / sizeof names[0]; i++) remove(export_path(names[i]));
}

/* Same bytes in both? */
static int export_equal(const char *one, const char *two) {
    ob_map a, b;
    int same = 0;
    if (!CHECK_OK(ob_map_open(&a, export_path(one)))) return 0;
    if (CHECK_OK(ob_map_open(&b, export_path(two)))) {
        same = a.bytes == b.bytes && !memcmp(a.data, b.data, a.bytes);
        ob_map_close(&b);
    }
    ob_map_close(&a);
    return same;
}

static const char *const export_cases[] = {
    "layer_bit_map=ternary embedding=f16",
    "num_layers=5 layer_bit_map=f32,ternary,binary,8bit,f16 embedding=8bit use_sub_norm=true",
    "layer_bit_map=ternary,binary embedding=f32 tie_word_embeddings=false lm_head=8bit "
    "use_qk_norm=true",
    "layer_bit_map=ternary embedding=ternary use_dynamic_threshold=true latent_clamp_max=0.18",
    "layer_bit_map=binary embedding=binary use_swiglu=false",
    "layer_bit_map=ternary,binary embedding=ternary weight_scale=absmedian",
    "layer_bit_map=ternary embedding=8bit weight_scale=absmedian scale_group=32 use_f16_scale=true",
    "num_layers=3 layer_bit_map=ternary,binary,8bit hidden_size=64 scale_group=32 embedding=f16",
};

static onebit_pack_options export_options(int packing, int block, int embedding, int head) {
    onebit_pack_options o = onebit_pack_options_default();
    o.packing = packing, o.block_mode = block, o.embedding_mode = embedding, o.head_mode = head;
    return o;
}

static void export_test_round_trip(void) {
    onebit_pack_options five = export_options(ONEBIT_PACKING_5_IN_8, -1, -1, -1);
    size_t i;
    for (i = 0; i < sizeof export_cases / sizeof export_cases[0]; i++) {
        model_rig r;
        test_case("export: directory, checkpoint and .1bit pack to the trainer's own file");
        if (!export_open(&r, export_cases[i])) continue;
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL));
        CHECK(export_equal("a.1bit", "model.1bit"));
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("checkpoint.safetensors"),
                                  NULL, NULL));
        CHECK(export_equal("a.1bit", "model.1bit"));
        CHECK_OK(onebit_file_pack(export_path("b.1bit"), export_path("model.1bit"), &five, NULL));
        CHECK(export_equal("b.1bit", "model.1bit") == !strstr(export_cases[i], "ternary"));
        CHECK_OK(onebit_file_pack(export_path("b.1bit"), export_path("b.1bit"), NULL, NULL));
        CHECK(export_equal("b.1bit", "model.1bit"));
        test_case("export: a safetensors directory of latents or deployed weights packs the same");
        CHECK_OK(onebit_file_unpack(export_path("out"), export_path("checkpoint.safetensors"), 1,
                                    NULL, NULL));
        CHECK(export_equal("out/model.safetensors", "model.safetensors"));
        CHECK(export_equal("out/config.json", "config.json"));
        CHECK(export_equal("out/tokenizer.json", "tokenizer.json"));
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("out"), NULL, NULL));
        CHECK(export_equal("a.1bit", "model.1bit"));
        CHECK_OK(onebit_file_unpack(export_path("out"), export_dir, 0, NULL, NULL));
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("out"), NULL, NULL));
        CHECK(export_equal("a.1bit", "model.1bit"));
        CHECK_OK(onebit_file_unpack(export_path("out"), export_path("model.1bit"), 0, NULL, NULL));
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("out"), NULL, NULL));
        CHECK(export_equal("a.1bit", "model.1bit"));
        CHECK_FAILS(onebit_file_unpack(export_path("out"), export_path("out"), 1, NULL, NULL),
                    ONEBIT_USAGE, "no latent");
        CHECK_FAILS(
            onebit_file_unpack(export_path("out"), export_path("model.1bit"), 1, NULL, NULL),
            ONEBIT_USAGE, "no latent");
        export_clean(&r);
    }
}

/* Other modes: the file that a trainer of these modes with the same latents would write. */
static void export_test_modes(void) {
    static const struct {
        const char *trained, *stored;
        int block, embedding, head;
    } cases[] = {
        {"layer_bit_map=ternary embedding=f16", "layer_bit_map=binary embedding=f16", ONEBIT_BINARY,
         -1, -1},
        {"layer_bit_map=binary embedding=f16", "layer_bit_map=ternary embedding=8bit",
         ONEBIT_TERNARY, ONEBIT_8BIT, -1},
        {"layer_bit_map=f32 embedding=f32 tie_word_embeddings=false lm_head=f32",
         "layer_bit_map=8bit embedding=f16 tie_word_embeddings=false lm_head=ternary", ONEBIT_8BIT,
         ONEBIT_F16, ONEBIT_TERNARY},
    };
    size_t i;
    test_case("export: other modes give what a trainer of these modes would write");
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        onebit_pack_options o =
            export_options(0, cases[i].block, cases[i].embedding, cases[i].head);
        model_rig r;
        if (!export_open(&r, cases[i].trained)) continue;
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("checkpoint.safetensors"), &o,
                                  NULL));
        model_close(&r);
        if (!export_open(&r, cases[i].stored)) continue;
        CHECK(export_equal("a.1bit", "model.1bit"));
        export_clean(&r);
    }
    {
        onebit_pack_options o = export_options(2, -1, -1, -1);
        CHECK_FAILS(onebit_file_pack("x", "test_export.none", NULL, NULL), ONEBIT_IO, "none");
        CHECK_FAILS(onebit_file_pack(NULL, "x", NULL, NULL), ONEBIT_USAGE, "NULL");
        CHECK_FAILS(ob_pack_config(NULL, &o), ONEBIT_USAGE, "unknown");
    }
}

/* Logits of the two packings on one instruction set. */
static void export_check_logits(model_rig *r, onebit_isa isa) {
    const char *const names[2] = {"a.1bit", "b.1bit"};
    float *logits[2];
    size_t bytes = 12u * (size_t)r->config.vocab_size * sizeof(float);
    onebit_env env = onebit_env_default();
    int i;
    env.isa = isa;
    for (i = 0; i < 2; i++) {
        onebit_model *model = NULL;
        onebit_session *session = NULL;
        logits[i] = (float *)calloc(1, bytes);
        if (CHECK_OK(onebit_model_open(&model, export_path(names[i]), &env)) &&
            CHECK_OK(onebit_session_create(&session, model, NULL, &env)))
            CHECK_OK(onebit_session_eval(session, r->inputs, 12, logits[i]));
        onebit_session_free(session);
        onebit_model_free(model);
    }
    CHECK(!memcmp(logits[0], logits[1], bytes) && logits[0][0] != 0.0f);
    free(logits[0]);
    free(logits[1]);
}

static void export_test_logits(void) {
    static const char *const settings[] = {
        "layer_bit_map=ternary embedding=ternary",
        "layer_bit_map=ternary embedding=f16 intermediate_size=2100 hidden_size=40",
        "layer_bit_map=ternary,binary activation_bits=0 use_sub_norm=true",
    };
    onebit_pack_options two = export_options(0, -1, -1, -1), five = export_options(1, -1, -1, -1);
    size_t i;
    test_case("export: both packings of ternary give the same logits, bit for bit");
    for (i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        model_rig r;
        onebit_model *model = NULL;
        onebit_tensor_info info;
        int isa, k, fives = 0;
        if (!export_open(&r, settings[i])) continue;
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_dir, &two, NULL));
        CHECK_OK(onebit_file_pack(export_path("b.1bit"), export_dir, &five, NULL));
        if (CHECK_OK(onebit_model_open(&model, export_path("b.1bit"), NULL)))
            for (k = 0; onebit_model_tensor(model, k, &info) == ONEBIT_OK; k++)
                fives += !strcmp(info.format, "t5x16");
        CHECK(fives >= 7);
        onebit_model_free(model);
        for (isa = ONEBIT_ISA_SCALAR; isa <= (int)ob_cpu_isa(); isa++)
            export_check_logits(&r, (onebit_isa)isa);
        export_clean(&r);
    }
}

/* ---- what is damaged or does not fit ---- */

/* Opens an image, runs it when it opens. */
static int export_try(const uint8_t *image, size_t bytes) {
    onebit_model *model = NULL;
    onebit_session *session = NULL;
    int32_t id = 1;
    int ok = onebit_model_open_memory(&model, image, bytes, NULL) == ONEBIT_OK;
    if (ok && onebit_session_create(&session, model, NULL, NULL) == ONEBIT_OK)
        onebit_session_eval(session, &id, 1, NULL);
    onebit_session_free(session);
    onebit_model_free(model);
    return ok;
}

static void export_seal(uint8_t *image, size_t bytes) {
    ob_put64(image + 16, ob_hash64(image + 24, bytes - 24, 0));
}

static void export_test_hostile(void) {
    static const uint64_t lies[] = {0,
                                    1,
                                    2,
                                    5,
                                    6,
                                    7,
                                    63,
                                    64,
                                    65,
                                    255,
                                    1u << 20,
                                    0x7FFFFFFF,
                                    0x80000000,
                                    0xFFFFFFFFu,
                                    1ull << 32,
                                    1ull << 62,
                                    1ull << 63,
                                    UINT64_MAX,
                                    UINT64_MAX - 63};
    onebit_pack_options five = export_options(1, -1, -1, -1);
    model_rig r;
    ob_map map;
    uint8_t *bad, *bytes = NULL;
    size_t i, k, n = 0, data;
    test_case("export: no truncation and no flip of a t5x16 file is taken for whole");
    if (!export_open(&r, "num_layers=1 hidden_size=16 intermediate_size=24 num_heads=2")) return;
    CHECK_OK(onebit_file_pack(export_path("b.1bit"), export_dir, &five, NULL));
    if (CHECK_OK(ob_map_open(&map, export_path("b.1bit")))) {
        n = map.bytes;
        bytes = (uint8_t *)malloc(n);
        memcpy(bytes, map.data, n);
        ob_map_close(&map);
    }
    export_clean(&r);
    if (!bytes) return;
    CHECK(export_try(bytes, n));
    for (i = 0; i < n; i++) {
        bad = (uint8_t *)malloc(i ? i : 1); /* exactly so long: a sanitizer sees any step outside */
        memcpy(bad, bytes, i);
        CHECK(!export_try(bad, i));
        free(bad);
    }
    bad = (uint8_t *)malloc(n);
    test_case("export: lies in the head of a t5x16 file, checksum repaired, do no harm");
    data = (size_t)ob_get64(bytes + 32);
    for (i = 24; i < data; i++)
        for (k = 0; k < 8; k++) {
            memcpy(bad, bytes, n);
            bad[i] = (uint8_t)(bad[i] ^ (1 << k));
            export_seal(bad, n);
            /* a place may be another, and both ternary formats take as much for 16 columns */
            CHECK(!export_try(bad, n) || i < 64 || i % 128 == 0 || (i - 64) % 128 >= 80);
        }
    for (i = 8; i < data; i += i < 64 ? 4 : i % 128 == 40 ? 88 : 4) /* past the names */
        for (k = 0; k < sizeof lies / sizeof lies[0]; k++) {
            memcpy(bad, bytes, n);
            ob_put64(bad + i, lies[k]);
            if (i < 12) ob_put32(bad + i, (uint32_t)lies[k]);
            export_seal(bad, n);
            export_try(bad, n);
        }
    test_case("export: bytes that are no five trits count as zeros");
    memcpy(bad, bytes, n);
    data = (size_t)ob_get64(bytes + 64 + 2 * 128 + 88); /* of q_proj */
    CHECK(ob_get32(bytes + 64 + 2 * 128 + 64) == OB_T5X16);
    memset(bad + data, 255, 64);
    export_seal(bad, n);
    CHECK(export_try(bad, n));
    free(bad);
    free(bytes);
}

static int export_count(void *user, const onebit_tensor_info *info) {
    ++*(int *)user;
    return !strcmp(info->name, "stop");
}

/* Latents that do not fit the config, and files that are not there. */
static void export_test_unfit(void) {
    model_rig r;
    onebit_env env = ob_env_or_default(NULL);
    const float odd[4] = {NAN, -NAN, HUGE_VALF, -HUGE_VALF};
    onebit_config c;
    onebit_parameter p;
    int count = 0, i;
    test_case("export: weights that do not fit the config are named");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    CHECK_OK(onebit_file_list(export_path("model.1bit"), export_count, &count, NULL));
    CHECK(count == ob_tensor_count(&r.config));
    count = 0;
    CHECK_OK(onebit_file_list(export_path("model.safetensors"), export_count, &count, NULL));
    CHECK(count == ob_tensor_count(&r.config));
    c = r.trainer->config;
    c.num_layers = 3, c.layer_modes[2] = ONEBIT_TERNARY;
    CHECK_OK(ob_leave_object(&env, export_dir, "config.json", ob_write_config, &c));
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                "model.layers.2.input_layernorm.weight");
    c = r.trainer->config;
    c.intermediate_size = 1 << 20;
    CHECK_OK(ob_leave_object(&env, export_dir, "config.json", ob_write_config, &c));
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                "gate_proj");
    CHECK(!ob_file_exists(export_path("a.1bit")));
    CHECK_OK(ob_leave_object(&env, export_dir, "config.json", ob_write_config, &r.config));
    CHECK_OK(onebit_trainer_parameter(r.trainer, 3, &p));
    for (i = 0; i < 4; i++) {
        p.value[1] = odd[i];
        CHECK_OK(ob_trainer_write(r.trainer, export_path("model.safetensors"), 0, NULL));
        CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                    "not finite");
    }
    remove(export_path("config.json"));
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_IO,
                "config.json");
    remove(export_path("model.safetensors"));
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL)); /* checkpoint */
    CHECK(export_equal("a.1bit", "model.1bit"));
    export_clean(&r);
}

/* Writes a text beside the weights. */
static void export_put(const char *name, const char *text) {
    CHECK_OK(ob_file_write(export_path(name), text, strlen(text)));
}

/* The float of a tensor in a safetensors file; set replaces it. */
static float export_float(const char *file, const char *tensor, size_t index, const float *set) {
    ob_st_file f;
    const ob_st_tensor *t;
    float value = NAN;
    uint8_t *all = NULL;
    size_t bytes = 0;
    if (!CHECK_OK(ob_st_open(&f, export_path(file), NULL))) return value;
    t = ob_st_find(&f, tensor);
    if (CHECK(t && t->bytes > 4 * index)) {
        value = ob_getf32(t->data + 4 * index);
        bytes = f.map.bytes;
        all = (uint8_t *)malloc(bytes);
        memcpy(all, f.map.data, bytes);
        if (set) ob_putf32(all + (t->data - f.map.data) + 4 * index, *set);
    }
    ob_st_close(&f);
    if (set && all) CHECK_OK(ob_file_write(export_path(file), all, bytes));
    free(all);
    return value;
}

/* Deployed weights that others changed: what is no code is 0, what is too large is cut. */
static void export_test_deployed(void) {
    static const char name[] = "model.layers.0.self_attn.q_proj.weight";
    static const char *const metadata[] = {"onebit weights", "deployed", NULL};
    const float nan = NAN, large = 1e9f, minus = -1.0f;
    model_rig r;
    float scale;
    test_case("export: deployed weights without scales, or with numbers that are no codes");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    CHECK_OK(ob_trainer_write(r.trainer, export_path("model.safetensors"), 0, metadata));
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                "onebit.scale.");
    CHECK_OK(onebit_file_unpack(export_path("out"), export_path("model.1bit"), 0, NULL, NULL));
    export_float("out/model.safetensors", name, 0, &nan);
    export_float("out/model.safetensors", name, 1, &large);
    scale = export_float("out/model.safetensors",
                         "onebit.scale.model.layers.0.self_attn.q_proj.weight", 0, NULL);
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("out"), NULL, NULL));
    CHECK_OK(onebit_file_unpack(export_path("out"), export_path("a.1bit"), 0, NULL, NULL));
    CHECK(export_float("out/model.safetensors", name, 0, NULL) == 0.0f);
    CHECK(export_float("out/model.safetensors", name, 1, NULL) == scale && scale > 0.0f);
    export_float("out/model.safetensors", "onebit.scale.model.layers.0.self_attn.q_proj.weight", 0,
                 &minus);
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("out"), NULL, NULL));
    CHECK_OK(onebit_file_unpack(export_path("out"), export_path("a.1bit"), 0, NULL, NULL));
    CHECK(export_float("out/model.safetensors", name, 1, NULL) == 0.0f);
    export_clean(&r);
}

/* What stands beside the weights may be damaged, too large or not there at all. */
static void export_test_beside(void) {
    model_rig r;
    onebit_model *m = NULL;
    onebit_tokenizer *words = NULL;
    onebit_env env = ob_env_or_default(NULL);
    onebit_position p = onebit_dataset_tell(NULL);
    test_case("export: config.json and tokenizer.json beside the weights");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    remove(export_path("tokenizer.json"));
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL));
    if (CHECK_OK(onebit_model_open(&m, export_path("a.1bit"), NULL)))
        CHECK(onebit_model_tokenizer(m) == NULL);
    onebit_model_free(m);
    CHECK_OK(onebit_trainer_save(r.trainer, NULL, p, export_path("checkpoint.safetensors")));
    CHECK_OK(onebit_file_pack(export_path("b.1bit"), export_path("checkpoint.safetensors"), NULL,
                              NULL));
    CHECK(export_equal("a.1bit", "b.1bit"));
    export_put("tokenizer.json", "{}");
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                "vocab");
    CHECK_OK(onebit_tokenizer_train(&words, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    CHECK_OK(ob_leave_object(&env, export_dir, "tokenizer.json", ob_write_tokenizer, words));
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                "257 ids");
    onebit_tokenizer_free(words);
    export_put("config.json", "{\"hidden_size\": 10, \"num_heads\": 3}");
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_CONFIG,
                "num_heads");
    export_put("config.json", "{");
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                "config.json");
    export_clean(&r);
}

/* Options, paths and lists at their edges. */
static void export_test_edges(void) {
    static const char wide[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[3000000000,0],"
                               "\"data_offsets\":[0,0]},\"stop\":{\"dtype\":\"U8\","
                               "\"shape\":[],\"data_offsets\":[0,1]}}x";
    int64_t shape[3] = {3000000000, 3000000000, 5};
    onebit_tensor_info info;
    model_rig r;
    onebit_env env = onebit_env_default();
    char file[400], path[OB_PATH_MAX + 50];
    int count = 0, i;
    test_case("export: options, paths and lists at their edges");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    for (i = 0; i < 8; i++) {
        int value = i % 2 ? ONEBIT_MODE_COUNT : -2;
        onebit_pack_options o =
            export_options(i / 2 == 3 ? value : 0, i / 2 == 0 ? value : -1,
                           i / 2 == 1 ? value : -1, i / 2 == 2 ? value : -1);
        CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, &o, NULL), ONEBIT_USAGE,
                    "unknown");
    }
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    CHECK(onebit_file_pack(export_path("a.1bit"), path, NULL, NULL) != ONEBIT_OK);
    CHECK(onebit_file_unpack(path, export_path("model.1bit"), 0, NULL, NULL) != ONEBIT_OK);
    CHECK_FAILS(onebit_file_unpack(export_path("model.1bit"), export_dir, 0, NULL, NULL), ONEBIT_IO,
                "model.1bit");
    CHECK_FAILS(onebit_file_unpack(NULL, export_dir, 0, NULL, NULL), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_file_list(NULL, export_count, &count, NULL), ONEBIT_USAGE, "NULL");
    CHECK_FAILS(onebit_file_list("test_export.none", export_count, &count, NULL), ONEBIT_IO, "none");
    env.isa = (onebit_isa)99;
    CHECK(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, &env) != ONEBIT_OK);
    export_put("other.safetensors", "1B");
    CHECK_FAILS(onebit_file_list(export_path("other.safetensors"), export_count, &count, NULL),
                ONEBIT_FORMAT, "too short");
    export_put("old.1bit", "1BIT\2 and nothing more");
    CHECK(onebit_file_list(export_path("old.1bit"), export_count, &count, NULL) == ONEBIT_FORMAT);
    memset(file, 0, 8);
    ob_put64((uint8_t *)file, sizeof wide - 2); /* the x is data */
    memcpy(file + 8, wide, sizeof wide - 1);
    CHECK_OK(ob_file_write(export_path("other.safetensors"), file, sizeof wide + 7));
    CHECK_OK(onebit_file_list(export_path("other.safetensors"), export_count, &count, NULL));
    CHECK(count == 2);
    ob_list_shape(&info, shape, 3);
    CHECK(info.rows == INT_MAX && info.cols == INT_MAX);
    ob_list_shape(&info, shape + 2, 1);
    CHECK(info.rows == 1 && info.cols == 5);
    export_clean(&r);
}

/* The model's image: its size is known before, a flipped byte is seen, memory to align it may lack. */
static void export_test_image(void) {
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 1, 0}; /* refuses the first request */
    onebit_model *m = NULL;
    model_rig r;
    uint8_t *image;
    size_t bytes;
    test_case("export: an image's size is known before, a flipped byte is seen");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    bytes = onebit_trainer_pack(r.trainer, r.tokenizer, NULL, 0);
    CHECK(onebit_config_model_bytes(&r.config, r.tokenizer) == bytes);
    image = (uint8_t *)malloc(bytes + 64);
    onebit_trainer_pack(r.trainer, r.tokenizer, image + 1, bytes);
    env.user = &memory, env.alloc = model_alloc, env.release = model_release;
    if ((uintptr_t)(image + 1) % 64)
        CHECK_FAILS(onebit_model_open_memory(&m, image + 1, bytes, &env), ONEBIT_MEMORY, "aligning");
    image[bytes] ^= 1;
    CHECK_FAILS(onebit_model_open_memory(&m, image + 1, bytes, NULL), ONEBIT_FORMAT, "checksum");
    CHECK(m == NULL && memory.live == 0);
    free(image);
    export_clean(&r);
}

/* Flips the last byte of a file. */
static void export_damage(const char *name) {
    ob_map map;
    uint8_t *all;
    if (!CHECK_OK(ob_map_open(&map, export_path(name)))) return;
    all = (uint8_t *)malloc(map.bytes);
    memcpy(all, map.data, map.bytes);
    all[map.bytes - 1] ^= 1;
    CHECK_OK(ob_file_write(export_path("other.safetensors"), all, map.bytes));
    ob_map_close(&map);
    free(all);
    remove(export_path(name));
    CHECK(rename(export_path("other.safetensors"), export_path(name)) == 0);
}

/* The newest whole checkpoint is taken; what is damaged is told. */
static void export_test_pick(void) {
    static const char *const kept[] = {"checkpoint-12.safetensors", "checkpoint-7.safetensors",
                                       "checkpoint-007.safetensors", "checkpoint-x.safetensors",
                                       "checkpoint-99999999999.safetensors"};
    onebit_env env = ob_env_or_default(NULL);
    onebit_position p = onebit_dataset_tell(NULL);
    char path[OB_PATH_MAX], note[700];
    model_rig r;
    size_t i;
    test_case("export: the newest whole checkpoint of a directory is taken");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    for (i = 0; i < 5; i++)
        CHECK_OK(onebit_trainer_save(r.trainer, r.tokenizer, p, export_path(kept[i])));
    CHECK_OK(ob_checkpoint_path(path, sizeof path, export_dir, &env, note, sizeof note));
    CHECK(strstr(path, "/checkpoint.safetensors") && !note[0]);
    export_damage("checkpoint.safetensors");
    CHECK_OK(ob_checkpoint_path(path, sizeof path, export_dir, &env, note, sizeof note));
    CHECK(strstr(path, kept[0]) && strstr(note, "checksum") && strstr(note, kept[0]));
    export_damage(kept[0]);
    CHECK_OK(ob_checkpoint_path(path, sizeof path, export_dir, &env, NULL, 0));
    CHECK(strstr(path, kept[1]) != NULL);
    CHECK_OK(onebit_checkpoint_settings(NULL, NULL, export_dir, NULL));
    export_damage(kept[1]);
    CHECK_FAILS(ob_checkpoint_path(path, sizeof path, export_dir, &env, note, sizeof note),
                ONEBIT_FORMAT, "none of the older");
    for (i = 0; i < 5; i++) remove(export_path(kept[i]));
    export_clean(&r);
}

static onebit_status export_life(const onebit_env *env) {
    onebit_pack_options five = export_options(1, ONEBIT_BINARY, -1, -1);
    onebit_status s = onebit_file_pack(export_path("a.1bit"), export_dir, &five, env);
    if (s == ONEBIT_OK)
        s = onebit_file_pack(export_path("a.1bit"), export_path("checkpoint.safetensors"), NULL,
                             env);
    if (s == ONEBIT_OK)
        s = onebit_file_unpack(export_path("out"), export_path("a.1bit"), 0, NULL, env);
    return s;
}

static void export_test_memory(void) {
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 0, 0};
    model_rig r;
    int k, all;
    test_case("export: a refused allocation is ONEBIT_MEMORY and leaks nothing");
    if (!export_open(&r, "num_layers=1 hidden_size=16 intermediate_size=24 num_heads=2")) return;
    env.user = &memory, env.alloc = model_alloc, env.release = model_release, env.threads = 1;
    CHECK_OK(export_life(&env));
    all = memory.calls;
    CHECK(all > 40 && memory.live == 0);
    for (k = 1; k <= all; k++) {
        memory.calls = memory.live = 0, memory.fail_at = k;
        CHECK(export_life(&env) == ONEBIT_MEMORY);
        CHECK(memory.live == 0 && strstr(onebit_error_text(), "memory"));
    }
    export_clean(&r);
}

/* ---- version 1 ---- */

typedef struct export_v1 {
    uint8_t bytes[512];
    size_t n;
} export_v1;

static void export_add(export_v1 *v, const void *data, size_t n) {
    memcpy(v->bytes + v->n, data, n);
    v->n += n;
}

static void export_add32(export_v1 *v, uint32_t x) {
    uint8_t b[4];
    ob_put32(b, x);
    export_add(v, b, 4);
}

static void export_add64(export_v1 *v, uint64_t x) {
    export_add32(v, (uint32_t)(x & 0xFFFFFFFFu));
    export_add32(v, (uint32_t)(x >> 32));
}

/* As the old exporter writes: a ternary matrix [2, 3], a binary vector [9], a ternary scalar. */
static export_v1 export_old(const char *second) {
    static const uint8_t matrix[2] = {0xCD, 0x0D}; /* 01 11 00 11 | 01 11 */
    static const uint8_t vector[2] = {0xA5, 0x01}, scalar[1] = {0x03};
    export_v1 v;
    memset(&v, 0, sizeof v);
    export_add(&v, "1BIT", 4), export_add32(&v, 1), export_add32(&v, 3), export_add32(&v, 9);
    export_add(&v, "{\"a\": 1}\n", 9);
    export_add32(&v, 10), export_add(&v, "wte.weight", 10), export_add(&v, "\2", 1);
    export_add32(&v, 2), export_add64(&v, 2), export_add64(&v, 3), export_add64(&v, 2);
    export_add(&v, matrix, 2);
    export_add32(&v, (uint32_t)strlen(second)), export_add(&v, second, strlen(second));
    export_add(&v, "\1", 1), export_add32(&v, 1), export_add64(&v, 9), export_add64(&v, 2);
    export_add(&v, vector, 2);
    export_add32(&v, 4), export_add(&v, "stop", 4), export_add(&v, "\2", 1), export_add32(&v, 0);
    export_add64(&v, 1), export_add(&v, scalar, 1);
    return v;
}

/* Through the file: lists and takes out; 1 when both succeed. They must agree, but for names that
   only a list may repeat. */
static int export_try_v1(const uint8_t *bytes, size_t n) {
    int count = 0, listed, taken;
    if (!CHECK_OK(ob_file_write(export_path("old.1bit"), bytes, n))) return 0;
    listed = onebit_file_list(export_path("old.1bit"), export_count, &count, NULL) == ONEBIT_OK;
    taken =
        onebit_file_unpack(export_path("out"), export_path("old.1bit"), 0, NULL, NULL) == ONEBIT_OK;
    CHECK(listed || !taken);
    return taken;
}

static void export_test_v1(void) {
    static const int8_t matrix[6] = {1, -1, 0, -1, 1, -1},
                        vector[9] = {1, -1, 1, -1, -1, 1, -1, 1, 1};
    export_v1 v = export_old("ln_f.weight");
    const ob_st_tensor *t;
    onebit_model *model = NULL;
    ob_st_file f;
    ob_map map;
    int count = 0;
    snprintf(export_dir, sizeof export_dir, "test_export_tmp");
    test_case("export: a version 1 file is told, listed and taken out as bare codes");
    if (!CHECK_OK(ob_make_directory(export_path("out")))) return;
    CHECK(export_try_v1(v.bytes, v.n));
    CHECK_OK(onebit_file_list(export_path("old.1bit"), export_count, &count, NULL));
    CHECK(count == 3);
    CHECK_FAILS(onebit_model_open(&model, export_path("old.1bit"), NULL), ONEBIT_UNSUPPORTED,
                "cannot speak");
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_path("old.1bit"), NULL, NULL),
                ONEBIT_UNSUPPORTED, "cannot speak");
    if (CHECK_OK(ob_st_open(&f, export_path("out/model.safetensors"), NULL))) {
        t = ob_st_find(&f, "wte.weight");
        CHECK(t && t->rank == 2 && t->shape[0] == 2 && t->bytes == 6 && !strcmp(t->dtype, "I8"));
        CHECK(t && !memcmp(t->data, matrix, 6));
        t = ob_st_find(&f, "ln_f.weight");
        CHECK(t && t->rank == 1 && t->bytes == 9 && !memcmp(t->data, vector, 9));
        t = ob_st_find(&f, "stop");
        CHECK(t && t->rank == 0 && t->bytes == 1 && (int8_t)t->data[0] == -1);
        ob_st_close(&f);
    }
    if (CHECK_OK(ob_map_open(&map, export_path("out/config.json")))) {
        CHECK(map.bytes == 9 && !memcmp(map.data, "{\"a\": 1}\n", 9));
        ob_map_close(&map);
    }
    v = export_old("wte.weight");
    CHECK(!export_try_v1(v.bytes, v.n) && strstr(onebit_error_text(), "two tensors"));
}

/* A tensor of more codes than are written at a time, no tensor at all, and no place to write. */
static void export_test_v1_sizes(void) {
    enum { CODES = 9000 };
    uint8_t *bytes = (uint8_t *)calloc(1, 200 + CODES / 4);
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 0, 0};
    export_v1 v;
    ob_st_file f;
    int k;
    test_case("export: version 1 files of many codes and of none");
    memset(&v, 0, sizeof v);
    export_add(&v, "1BIT", 4), export_add32(&v, 1), export_add32(&v, 0), export_add32(&v, 2);
    export_add(&v, "{}", 2);
    CHECK(export_try_v1(v.bytes, v.n));
    ob_put32(v.bytes + 8, 1);
    export_add32(&v, 1), export_add(&v, "w\2", 2), export_add32(&v, 1);
    export_add64(&v, CODES), export_add64(&v, CODES / 4);
    memcpy(bytes, v.bytes, v.n);
    bytes[v.n + CODES / 4 - 1] = 0xC0; /* the last code is -1 */
    CHECK(export_try_v1(bytes, v.n + CODES / 4));
    if (CHECK_OK(ob_st_open(&f, export_path("out/model.safetensors"), NULL))) {
        CHECK(f.count == 1 && f.tensors[0].bytes == CODES);
        CHECK((int8_t)f.tensors[0].data[CODES - 1] == -1 && f.tensors[0].data[CODES - 2] == 0);
        ob_st_close(&f);
    }
    CHECK(onebit_file_unpack(export_path("old.1bit"), export_path("old.1bit"), 0, NULL, NULL) !=
          ONEBIT_OK);
    env.user = &memory, env.alloc = model_alloc, env.release = model_release;
    for (k = 1; k < 3; k++) { /* the list, then the header */
        memory.calls = 0, memory.fail_at = k;
        CHECK_FAILS(onebit_file_unpack(export_path("out"), export_path("old.1bit"), 0, NULL, &env),
                    ONEBIT_MEMORY, "no memory");
        CHECK(memory.live == 0);
    }
    free(bytes);
}

static void export_test_v1_hostile(void) {
    static const uint64_t lies[] = {0,          2,          3,          4,          5,
                                    0x7FFFFFFF, 0x80000000, 1u << 20,   0xFFFFFFFF, 1ull << 32,
                                    1ull << 61, 1ull << 62, 1ull << 63, UINT64_MAX};
    export_v1 v = export_old("ln_f.weight"), bad;
    model_rig none;
    size_t i, k;
    test_case("export: truncated, flipped and lying version 1 files do no harm");
    memset(&none, 0, sizeof none);
    CHECK(export_try_v1(v.bytes, v.n));
    for (i = 8; i < v.n; i++) {
        CHECK(!export_try_v1(v.bytes, i));
        for (k = 0; k < 8; k++) {
            bad = v;
            bad.bytes[i] = (uint8_t)(bad.bytes[i] ^ (1 << k));
            export_try_v1(bad.bytes, bad.n);
        }
        for (k = 0; k < sizeof lies / sizeof lies[0]; k++) {
            bad = v;
            ob_put32(bad.bytes + i, (uint32_t)(lies[k] & 0xFFFFFFFFu));
            if (i + 8 <= v.n) ob_put64(bad.bytes + i, lies[k]);
            export_try_v1(bad.bytes, bad.n);
        }
    }
    bad = v;
    CHECK(!export_try_v1(bad.bytes, bad.n + 1));
    export_clean(&none);
}

/* Hears of each tensor; stops at one. */
typedef struct export_heard {
    int count, stop, floats;
    double worst;
} export_heard;

static int export_hear(void *user, const onebit_export_report *report) {
    export_heard *h = (export_heard *)user;
    h->floats += !strcmp(report->from, "f32");
    h->worst = report->error > h->worst ? report->error : h->worst;
    return ++h->count == h->stop;
}

static int export_stop(void *user, const onebit_tensor_info *info) {
    ((export_heard *)user)->count++;
    return info->name != NULL;
}

/* Packing tells the same of every kind of source: codes have no error, latents have. */
static void export_test_told(void) {
    onebit_pack_options o = onebit_pack_options_default();
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 0, 0};
    static const char *const sources[] = {"test_export_tmp", "test_export_tmp/out",
                                          "test_export_tmp/model.1bit"};
    export_heard h;
    model_rig r;
    int i, k;
    test_case("export: packing tells of every tensor of latents, deployed weights and a .1bit");
    if (!export_open(&r, "layer_bit_map=ternary,8bit embedding=f16")) return;
    CHECK_OK(onebit_file_unpack(export_path("out"), export_path("model.1bit"), 0, NULL, NULL));
    o.on_tensor = export_hear, o.user = &h;
    for (i = 0; i < 3; i++) {
        const char *from = sources[i];
        memset(&h, 0, sizeof h);
        CHECK_OK(onebit_file_pack(export_path("a.1bit"), from, &o, NULL));
        CHECK(h.count == ob_tensor_count(&r.config) && export_equal("a.1bit", "model.1bit"));
        CHECK((h.worst > 0) == (i == 0) && (h.floats == h.count) == (i == 0) && h.floats > 0);
        h.count = 0, h.stop = 2;
        CHECK_FAILS(onebit_file_pack(export_path("b.1bit"), from, &o, NULL), ONEBIT_CANCELLED,
                    "stopped");
        CHECK(!ob_file_exists(export_path("b.1bit")));
    }
    memset(&h, 0, sizeof h);
    env.user = &memory, env.alloc = model_alloc, env.release = model_release, env.threads = 1;
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("model.1bit"), &o, &env));
    for (i = 1, k = memory.calls; i <= k; i++) {
        memory.calls = memory.live = 0, memory.fail_at = i;
        CHECK(onebit_file_pack(export_path("a.1bit"), export_path("model.1bit"), &o, &env) ==
              ONEBIT_MEMORY);
        CHECK(memory.live == 0);
    }
    h.count = 0, h.stop = 1;
    CHECK_OK(onebit_file_list(export_path("model.1bit"), export_stop, &h, NULL));
    CHECK_OK(onebit_file_list(export_path("model.safetensors"), export_stop, &h, NULL));
    CHECK(h.count == 2);
    export_clean(&r);
}

/* A file so large that it is read into memory: a small one with zeros behind its tensors. */
static void export_test_large(void) {
    size_t bytes = OB_LARGE + OB_COPY_PIECE / 2 + 5, n = 0;
    onebit_open_options in_place = onebit_open_options_default();
    onebit_env env = onebit_env_default();
    model_memory memory = {0, 0, 1, 0};
    onebit_model *small = NULL, *m = NULL;
    uint8_t *all, *file;
    ob_map map;
    model_rig r;
    int k;
    test_case("export: a large file is read into memory, or opened in place");
    if (!export_open(&r, "layer_bit_map=ternary embedding=f32")) return;
    all = (uint8_t *)calloc(1, bytes);
    if (!CHECK(all != NULL) || !CHECK_OK(ob_map_open(&map, export_path("model.1bit")))) return;
    memcpy(all, map.data, n = map.bytes);
    ob_map_close(&map);
    ob_put64(all + 8, bytes);
    export_seal(all, bytes);
    CHECK_OK(ob_file_write(export_path("a.1bit"), all, bytes));
    CHECK_OK(onebit_model_open(&small, export_path("model.1bit"), NULL));
    in_place.in_place = 1;
    for (k = 0; k < 2; k++) {
        CHECK_OK(onebit_model_open_with(&m, export_path("a.1bit"), k ? &in_place : NULL, NULL));
        if (m && small) {
            CHECK((m->copy == NULL) == k && m->bytes == bytes);
            CHECK(!memcmp(m->image + 64, small->image + 64, n - 64) && !m->image[bytes - 1]);
        }
        onebit_model_free(m);
        m = NULL;
    }
    env.user = &memory, env.alloc = model_alloc, env.release = model_release;
    CHECK_FAILS(onebit_model_open(&m, export_path("a.1bit"), &env), ONEBIT_MEMORY, "in place");
    CHECK(!m && memory.live == 0);
    onebit_model_free(small);
    free(all);
    file = (uint8_t *)malloc(12);
    ob_putf32(file, 1.5f), ob_putf32(file + 4, -0.25f), ob_putf32(file + 8, 3e30f);
    ob_turn_floats(file, 3); /* what a big-endian machine does with the floats of a file */
    {
        float back[3];
        memcpy(back, file, sizeof back);
        CHECK(back[0] == 1.5f && back[1] == -0.25f && back[2] == 3e30f);
    }
    free(file);
    export_clean(&r);
}

/* Other groups than the source has, from a .1bit and from deployed weights. */
static void export_test_regroup(void) {
    static const int groups[] = {0, 32, 64, 128};
    onebit_pack_options o = onebit_pack_options_default();
    onebit_model *m = NULL;
    model_rig r;
    size_t i;
    int k;
    test_case("export: groups of scales are made smaller, larger and none");
    if (!export_open(&r, "hidden_size=128 layer_bit_map=ternary scale_group=64")) return;
    CHECK_OK(onebit_file_unpack(export_path("out"), export_path("model.1bit"), 0, NULL, NULL));
    for (i = 0; i < 4; i++)
        for (k = 0; k < 3; k++) {
            const char *from = k == 0 ? export_dir : export_path(k == 1 ? "out" : "model.1bit");
            o.scale_group = groups[i];
            CHECK_OK(onebit_file_pack(export_path("a.1bit"), from, &o, NULL));
            if (CHECK_OK(onebit_model_open(&m, export_path("a.1bit"), NULL)))
                CHECK(m->config.scale_group == groups[i]);
            if (groups[i] == 64) CHECK(export_equal("a.1bit", "model.1bit"));
            onebit_model_free(m);
            m = NULL;
        }
    export_clean(&r);
}

/* A tokenizer that is given takes the place of those in and beside the weights. */
static void export_test_given(void) {
    onebit_pack_options o = onebit_pack_options_default();
    onebit_model *m = NULL;
    ob_st_item item;
    float one = 1;
    model_rig r;
    uint8_t *all;
    ob_map map;
    size_t i;
    test_case("export: a tokenizer that is given, weights of another type, weights alone");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    o.open.tokenizer = "test_export_tmp/tokenizer.json";
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_dir, &o, NULL));
    CHECK(export_equal("a.1bit", "model.1bit"));
    CHECK_OK(onebit_file_pack(export_path("a.1bit"), export_path("checkpoint.safetensors"), &o,
                              NULL));
    CHECK(export_equal("a.1bit", "model.1bit"));
    if (CHECK_OK(ob_map_open(&map, export_path("model.safetensors")))) {
        all = (uint8_t *)malloc(map.bytes);
        memcpy(all, map.data, map.bytes);
        for (i = 0; memcmp(all + i, "\"F32\"", 5) != 0; i++) {}
        all[i + 1] = 'I';
        i = map.bytes;
        ob_map_close(&map);
        CHECK_OK(ob_file_write(export_path("model.safetensors"), all, i));
        free(all);
        CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), export_dir, NULL, NULL), ONEBIT_FORMAT,
                    "missing or not F32");
    }
    if (CHECK_OK(ob_map_open(&map, export_path("model.1bit")))) { /* under another name */
        CHECK_OK(ob_file_write(export_path("out/model.safetensors"), map.data, map.bytes));
        ob_map_close(&map);
        CHECK_OK(onebit_model_open(&m, export_path("out"), NULL));
        CHECK(m && m->count == ob_tensor_count(&r.config));
        onebit_model_free(m);
    }
    memset(&item, 0, sizeof item);
    item.name = "x", item.dtype = "F32", item.rank = 1, item.shape[0] = 1;
    item.data = &one, item.bytes = 4;
    CHECK_OK(ob_st_write("test_export_tmp.safetensors", &item, 1, NULL, NULL));
    CHECK_FAILS(onebit_file_pack(export_path("a.1bit"), "test_export_tmp.safetensors", NULL, NULL),
                ONEBIT_IO, "config.json");
    remove("test_export_tmp.safetensors");
    export_clean(&r);
}

/* What a checkpoint says of its run, when it is damaged; checkpoints without a newest one. */
static void export_test_state(void) {
    static const char *const bad[] = {"",      "5",        "5 6",  "5 6 7",    "5 6 7 8 x",
                                      "x 6 7", "5 x 7 8 9", "5 6 x", "-1 6 7 8"};
    onebit_env env = ob_env_or_default(NULL);
    onebit_position p = onebit_dataset_tell(NULL);
    char text[OB_STATE_BYTES + 40], path[OB_PATH_MAX], note[700];
    model_rig r;
    size_t i;
    int k;
    test_case("export: the state of a checkpoint with too few, too many or no numbers");
    if (!export_open(&r, "layer_bit_map=ternary")) return;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_FAILS(ob_checkpoint_read_state(bad[i], r.trainer, &p), ONEBIT_FORMAT, "damaged");
    for (k = -1; k < 2; k++) { /* one fewer is fine, one more is not */
        text[0] = 0;
        for (i = 0; i < (size_t)(2 + OB_POSITION_NUMBERS + k); i++) strcat(text, "1 ");
        text[strlen(text) - 1] = 0;
        CHECK((ob_checkpoint_read_state(text, r.trainer, &p) == ONEBIT_OK) == (k < 1));
    }
    CHECK_OK(ob_checkpoint_read_state("5 6 7 8 9 10", r.trainer, NULL));
    CHECK(r.trainer->steps == 5 && r.trainer->tokens_seen == 6);
    strcpy(text, "[");
    for (i = 0; i < OB_NOTES + 3; i++) strcat(text, "0,");
    strcat(text, "0]");
    CHECK_OK(ob_checkpoint_read_notes(text, r.trainer));
    CHECK_FAILS(ob_checkpoint_read_notes("[0", r.trainer), ONEBIT_FORMAT, "checkpoint run");
    test_case("export: an older checkpoint is taken when there is no newest");
    CHECK_OK(onebit_trainer_save(r.trainer, NULL, p, export_path("checkpoint-3.safetensors")));
    remove(export_path("checkpoint.safetensors"));
    CHECK_OK(ob_checkpoint_path(path, sizeof path, export_dir, &env, note, sizeof note));
    CHECK(strstr(path, "checkpoint-3.safetensors") && !note[0]);
    remove(export_path("checkpoint-3.safetensors"));
    export_clean(&r);
}

/* Version 1: a name that is too long, and a shape whose product does not fit. */
static void export_test_v1_bounds(void) {
    char name[140];
    model_rig none;
    export_v1 v;
    int k;
    test_case("export: version 1 files with long names and endless shapes are refused");
    memset(&none, 0, sizeof none);
    if (!CHECK_OK(ob_make_directory(export_path("out")))) return;
    memset(name, 'n', sizeof name);
    for (k = 126; k < 130; k++) {
        name[k] = 0;
        v = export_old(name);
        name[k] = 'n';
        CHECK(export_try_v1(v.bytes, v.n) == (k < 128));
        if (k >= 128) CHECK(strstr(onebit_error_text(), "a name of") != NULL);
    }
    memset(&v, 0, sizeof v);
    export_add(&v, "1BIT", 4), export_add32(&v, 1), export_add32(&v, 1), export_add32(&v, 2);
    export_add(&v, "{}", 2);
    export_add32(&v, 1), export_add(&v, "w\2", 2), export_add32(&v, 3);
    for (k = 0; k < 3; k++) export_add64(&v, INT_MAX);
    export_add64(&v, 0);
    CHECK(!export_try_v1(v.bytes, v.n));
    CHECK(strstr(onebit_error_text(), "has not the bytes of its shape") != NULL);
    export_clean(&none);
}

static void test_export(void) {
    export_test_print();
    export_test_trits();
    export_test_round_trip();
    export_test_modes();
    export_test_logits();
    export_test_hostile();
    export_test_unfit();
    export_test_deployed();
    export_test_beside();
    export_test_edges();
    export_test_image();
    export_test_pick();
    export_test_memory();
    export_test_v1();
    export_test_v1_sizes();
    export_test_v1_hostile();
    export_test_told();
    export_test_large();
    export_test_regroup();
    export_test_given();
    export_test_state();
    export_test_v1_bounds();
}
#endif
