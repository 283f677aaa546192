/* test_config.c - floor 4: settings from the field tables. Included by run.c behind the
 * implementation. */

static onebit_status config_parse(onebit_config *c, const char *json) {
    *c = onebit_config_default();
    return onebit_config_parse(c, json, strlen(json));
}

static onebit_status config_set(onebit_config *c, const char *name, const char *value) {
    return onebit_field_set(ONEBIT_TABLE_MODEL, c, name, value);
}

static void config_test_tables(void) {
    onebit_config c = onebit_config_default();
    onebit_train_options t = onebit_train_options_default();
    onebit_sample_options s = onebit_sample_options_default();
    void *objects[3];
    onebit_field_info info;
    int table, i, rows = 0, choices = 0;
    objects[0] = &c, objects[1] = &t, objects[2] = &s;
    test_case("config: defaults are those of the tables");
    CHECK(c.hidden_size == 256 && c.layer_norm_eps == 1e-5 && c.use_ternary == 1);
    CHECK(c.chat_template[0] == 0 && c.activation_bits == 8 && c.tie_word_embeddings == 1);
    CHECK(c.layer_modes[0] == ONEBIT_TERNARY && c.layer_modes[255] == ONEBIT_TERNARY);
    CHECK(c.embedding_mode == ONEBIT_F16 && c.head_mode == ONEBIT_F16);
    CHECK(t.optimizer == 1 && t.lr == 4e-3 && t.debug_every == 100);
    CHECK(s.top_p == 0.95 && s.penalty_window == 64);
    test_case("config: every row's default is in range and can be set from its own text");
    for (table = 0; table < 3; table++) {
        for (i = 0; onebit_field((onebit_table)table, i, &info) == ONEBIT_OK; i++, rows++) {
            CHECK(info.name && *info.name && info.help && *info.help && info.low <= info.high);
            CHECK_OK(onebit_field_set((onebit_table)table, objects[table], info.name,
                                      info.default_text));
            choices += strcmp(info.kind, "CHOICE") == 0;
            CHECK(strcmp(info.default_text, "?") != 0);
        }
        CHECK(i > 5);
        CHECK_FAILS(onebit_field((onebit_table)table, -1, &info), ONEBIT_USAGE, "no row -1");
    }
    CHECK(rows > 60 && choices > 3);
    {
        onebit_config fresh = onebit_config_default();
        CHECK(memcmp(&c, &fresh, sizeof c) == 0);
    }
    CHECK_FAILS(onebit_field((onebit_table)3, 0, &info), ONEBIT_USAGE, "table 3");
    onebit_field(ONEBIT_TABLE_MODEL, 11, &info);
    CHECK(strcmp(info.name, "activation") == 0 && strcmp(info.default_text, "silu") == 0);
    onebit_field(ONEBIT_TABLE_TRAIN, 5, &info);
    CHECK(strcmp(info.default_text, "muon") == 0);
}

/* Every option of every CHOICE has a terminated text: its name sets it and is what info would
   show. */
static void config_test_choices(void) {
    int table, i, option, count;
    onebit_config c = onebit_config_default();
    onebit_train_options t = onebit_train_options_default();
    onebit_sample_options s = onebit_sample_options_default();
    void *objects[3];
    objects[0] = &c, objects[1] = &t, objects[2] = &s;
    test_case("config: the options of every choice are known by name");
    for (table = 0; table < 3; table++) {
        const ob_field *f = ob_fields_of((onebit_table)table, &count);
        for (i = 0; i < count; i++) {
            if (f[i].kind != OB_KIND_CHOICE) continue;
            for (option = 0; option <= (int)f[i].high; option++) {
                const char *text = ob_choice_text(ob_choice(f + i, option));
                CHECK(*text != '?');
                CHECK_OK(onebit_field_set((onebit_table)table, objects[table], f[i].name, text));
                CHECK(ob_field_get(f + i, objects[table]) == option);
            }
            CHECK(ob_choice(f + i, option).n == 0);
            CHECK(onebit_field_set((onebit_table)table, objects[table], f[i].name, "") ==
                  ONEBIT_CONFIG);
        }
    }
}

static void config_test_set(void) {
    onebit_config c = onebit_config_default(), before;
    onebit_train_options t = onebit_train_options_default();
    test_case("config: fields are set from text");
    CHECK_OK(config_set(&c, "hidden-size", "512"));
    CHECK_OK(config_set(&c, "rope_theta", "5e5"));
    CHECK_OK(config_set(&c, "anneal_fraction", ".25"));
    CHECK_OK(config_set(&c, "use_rope", "no"));
    CHECK_OK(config_set(&c, "use_qk_norm", "1"));
    CHECK_OK(config_set(&c, "activation", "relu"));
    CHECK_OK(config_set(&c, "chat_template", "You: {prompt}\\n\xC3\xA9"));
    CHECK(c.hidden_size == 512 && c.rope_theta == 5e5 && c.anneal_fraction == 0.25);
    CHECK(c.use_rope == 0 && c.use_qk_norm == 1 && c.activation == 2);
    CHECK(strcmp(c.chat_template, "You: {prompt}\n\xC3\xA9") == 0);
    CHECK_OK(onebit_field_set(ONEBIT_TABLE_TRAIN, &t, "max-steps", "1e3"));
    CHECK(t.max_steps == 1000);
    CHECK_OK(onebit_field_set(ONEBIT_TABLE_TRAIN, &t, "lr-decay", "two-stage"));
    CHECK(t.lr_decay == 4);
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_TRAIN, &t, "label-smoothing", "1"), ONEBIT_CONFIG,
                "0..0.99");
    test_case("config: wrong values are refused with bounds, and change nothing");
    before = c;
    CHECK_FAILS(config_set(&c, "hidden_size", "4"), ONEBIT_CONFIG,
                "hidden_size is 4, expected 8..65536");
    CHECK_FAILS(config_set(&c, "hidden_size", "8.5"), ONEBIT_CONFIG, "whole number");
    CHECK_FAILS(config_set(&c, "hidden_size", ""), ONEBIT_CONFIG, "expected a number");
    CHECK_FAILS(config_set(&c, "hidden_size", "12x"), ONEBIT_CONFIG, "expected a number");
    CHECK_FAILS(config_set(&c, "hidden_size", "1e999"), ONEBIT_CONFIG, "expected a number");
    CHECK_FAILS(config_set(&c, "hidden_size", "99999999999"), ONEBIT_CONFIG, "8..65536");
    CHECK_FAILS(config_set(&c, "layer_norm_eps", "nan"), ONEBIT_CONFIG, "expected a number");
    CHECK_FAILS(config_set(&c, "layer_norm_eps", "0"), ONEBIT_CONFIG, "1e-30..1");
    CHECK_FAILS(config_set(&c, "use_rope", "maybe"), ONEBIT_CONFIG, "true or false");
    CHECK_FAILS(config_set(&c, "activation", "gelu"), ONEBIT_CONFIG, "silu|relu2|relu");
    CHECK_FAILS(config_set(&c, "embedding", "4bit"), ONEBIT_CONFIG, "ternary");
    CHECK_FAILS(config_set(&c, NULL, "1"), ONEBIT_USAGE, "NULL");
    {
        char text[300];
        memset(text, 'x', 256);
        text[256] = 0;
        CHECK_FAILS(config_set(&c, "chat_template", text), ONEBIT_CONFIG, "at most 255");
        text[255] = 0;
        before.chat_template[0] = c.chat_template[0];
        CHECK(memcmp(&c, &before, sizeof c) == 0);
        CHECK_OK(config_set(&c, "chat_template", text));
    }
    test_case("config: a typo gets the nearest name, nonsense none");
    CHECK_FAILS(config_set(&c, "hiden_size", "8"), ONEBIT_CONFIG, "did you mean 'hidden_size'");
    CHECK_FAILS(config_set(&c, "num-layer", "8"), ONEBIT_CONFIG, "did you mean 'num_layers'");
    CHECK_FAILS(config_set(&c, "layer_bitmap", "8"), ONEBIT_CONFIG, "did you mean 'layer_bit_map'");
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_TRAIN, &t, "max_step", "8"), ONEBIT_CONFIG,
                "'max_steps'");
    CHECK_FAILS(config_set(&c, "qwertyuiop", "8"), ONEBIT_CONFIG, "unknown setting 'qwertyuiop'");
    CHECK(!strstr(onebit_error_text(), "mean"));
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_TRAIN, &t, "layer_bit_map", "f16"), ONEBIT_CONFIG,
                "unknown");
    {
        char name[600];
        memset(name, 'n', 599);
        name[599] = 0;
        CHECK_FAILS(config_set(&c, name, "8"), ONEBIT_CONFIG, "unknown setting 'nnn");
    }
}

static void config_test_map(void) {
    onebit_config c = onebit_config_default();
    int i, mode;
    test_case("config: modes by name, both spellings of 8bit");
    for (mode = 0; mode < ONEBIT_MODE_COUNT; mode++)
        CHECK(onebit_mode_parse(onebit_mode_name((onebit_mode)mode)) == mode);
    CHECK(onebit_mode_parse("eightbit") == ONEBIT_8BIT && onebit_mode_parse("8bit") == ONEBIT_8BIT);
    CHECK(onebit_mode_parse("Ternary") == -1 && onebit_mode_parse(NULL) == -1);
    CHECK(strcmp(onebit_mode_name((onebit_mode)7), "unknown") == 0);
    test_case("config: layer_bit_map from one mode, a list, JSON");
    c.num_layers = 3;
    CHECK_OK(config_set(&c, "layer-bit-map", "binary"));
    CHECK(c.layer_modes[0] == ONEBIT_BINARY && c.layer_modes[255] == ONEBIT_BINARY);
    CHECK_OK(config_set(&c, "layer_bit_map", "f16,ternary,eightbit"));
    CHECK(c.layer_modes[0] == ONEBIT_F16 && c.layer_modes[1] == ONEBIT_TERNARY);
    CHECK(c.layer_modes[2] == ONEBIT_8BIT && c.layer_modes[3] == ONEBIT_TERNARY);
    CHECK_OK(config_set(&c, "layer_bit_map", "[\"f32\", \"binary\", \"f16\"]"));
    CHECK(c.layer_modes[0] == ONEBIT_F32 && c.layer_modes[2] == ONEBIT_F16);
    CHECK_OK(config_set(&c, "layer_bit_map", "{\"embedding\": \"8bit\"}"));
    CHECK(c.embedding_mode == ONEBIT_8BIT && c.head_mode == ONEBIT_8BIT);
    CHECK(c.layer_modes[1] == ONEBIT_BINARY);
    CHECK_OK(config_set(&c, "lm-head", "f16"));
    CHECK_OK(config_set(&c, "embedding", "ternary"));
    CHECK(c.embedding_mode == ONEBIT_TERNARY && c.head_mode == ONEBIT_F16);
    test_case("config: a map that does not fit is refused with both numbers, nothing changes");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "f16,f16"), ONEBIT_CONFIG,
                "2 entries, but num_layers is 3");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "[]"), ONEBIT_CONFIG,
                "0 entries, but num_layers is 3");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "f16,,f16"), ONEBIT_CONFIG, "''");
    CHECK_FAILS(config_set(&c, "layer_bit_map", ""), ONEBIT_CONFIG, "expected f32");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "ternaryternaryternary"), ONEBIT_CONFIG,
                "expected");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "{\"embedding\": \"f32\", \"x\": 1}"),
                ONEBIT_CONFIG, "no 'x'");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "[\"f16\", \"f16\", 3]"), ONEBIT_FORMAT,
                "a string");
    CHECK_FAILS(config_set(&c, "layer_bit_map", "[\"f16\", \"f16\", \"u\"]"), ONEBIT_CONFIG,
                "layer_modes[2] is 'u'");
    CHECK(c.embedding_mode == ONEBIT_TERNARY && c.layer_modes[0] == ONEBIT_F32);
    test_case("config: use_ternary rewrites the blocks; new layers are of its kind");
    CHECK_OK(config_set(&c, "use_ternary", "false"));
    for (i = 0, mode = 0; i < ONEBIT_MAX_LAYERS; i++) mode += c.layer_modes[i] != ONEBIT_BINARY;
    CHECK(mode == 0);
    CHECK_OK(config_set(&c, "use_ternary", "true"));
    CHECK(c.layer_modes[0] == ONEBIT_TERNARY && c.layer_modes[200] == ONEBIT_TERNARY);
}

static void config_test_parse(void) {
    onebit_config c;
    test_case("config.json: fields, nulls, choices and escapes");
    CHECK_OK(
        config_parse(&c, "{\"hidden_size\": 64, \"num_layers\": 2, \"arenas_initial\": null,"
                         "\"use_swiglu\": false, \"layer_norm_eps\": 1E-6, \"layer_bit_map\": null,"
                         "\"activation\": \"relu2\", \"chat_template\": \"a\\n\\u00e9\"}"));
    CHECK(c.hidden_size == 64 && c.num_layers == 2 && c.arenas_initial == 0 && !c.use_swiglu);
    CHECK(c.layer_norm_eps == 1e-6 && c.activation == 1);
    CHECK(strcmp(c.chat_template, "a\n\xC3\xA9") == 0);
    CHECK(c.layer_modes[0] == ONEBIT_TERNARY);
    test_case("config.json: use_ternary false is a binary body; a map wins in any order");
    CHECK_OK(config_parse(&c, "{\"use_ternary\": false}"));
    CHECK(c.layer_modes[0] == ONEBIT_BINARY && c.layer_modes[255] == ONEBIT_BINARY);
    CHECK_OK(config_parse(&c, "{\"use_ternary\": false, \"layer_bit_map\": null}"));
    CHECK(c.layer_modes[0] == ONEBIT_BINARY);
    CHECK_OK(config_parse(&c, "{\"num_layers\": 3, \"layer_bit_map\": [\"8bit\", {\"ffn\": \"f16\", "
                              "\"attention\": \"binary\"}, {\"down_proj\": \"f32\", \"ffn\": "
                              "\"binary\"}]}"));
    CHECK(c.layer_modes[0] == ONEBIT_8BIT && !c.projection_modes[0][ONEBIT_Q]);
    CHECK(c.layer_modes[1] == ONEBIT_F16 && c.projection_modes[1][ONEBIT_V] == ONEBIT_BINARY + 1);
    CHECK(c.layer_modes[2] == ONEBIT_F32 && c.projection_modes[2][ONEBIT_UP] == ONEBIT_BINARY + 1);
    CHECK(c.projection_modes[2][ONEBIT_O] == ONEBIT_TERNARY + 1); /* as use_ternary has it */
    {
        char text[8192];
        onebit_config back = onebit_config_default();
        CHECK(onebit_config_write(&c, text, sizeof text) < sizeof text);
        CHECK(strstr(text, "{\"attention\": \"binary\", \"ffn\": \"f16\"}") != NULL);
        CHECK_OK(onebit_config_parse(&back, text, strlen(text)));
        CHECK(!memcmp(back.layer_modes, c.layer_modes, 3) &&
              !memcmp(back.projection_modes, c.projection_modes, 3 * ONEBIT_PROJECTIONS));
    }
    CHECK_OK(onebit_field_set(ONEBIT_TABLE_MODEL, &c, "layer_bit_map",
                              "{\"found\": true, \"layer_bit_map\": {\"layer_modes\": [\"f32\", "
                              "\"f32\", {\"q_proj\": \"binary\"}]}, \"size\": [1, {}]}"));
    CHECK(c.layer_modes[1] == ONEBIT_F32 && c.projection_modes[2][ONEBIT_Q] == ONEBIT_BINARY + 1);
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_MODEL, &c, "layer_bit_map",
                                 "[\"f32\", \"f32\", {\"x_proj\": \"binary\"}]"),
                ONEBIT_CONFIG, "layer_modes[2] has no 'x_proj'");
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_MODEL, &c, "layer_bit_map",
                                 "[\"f32\", \"f32\", {\"ffn\": {}}]"),
                ONEBIT_FORMAT, "layer_bit_map");
    c = onebit_config_default();
    CHECK_OK(config_parse(&c, "{\"layer_bit_map\": {\"layer_modes\": [\"f16\", \"eightbit\"],"
                              "\"embedding\": \"ternary\", \"lm_head\": null},"
                              "\"use_ternary\": false, \"num_layers\": 2}"));
    CHECK(c.layer_modes[0] == ONEBIT_F16 && c.layer_modes[1] == ONEBIT_8BIT);
    CHECK(c.layer_modes[2] == ONEBIT_BINARY);
    CHECK(c.embedding_mode == ONEBIT_TERNARY && c.head_mode == ONEBIT_TERNARY);
    test_case("config.json: damage and nonsense are refused by name, nothing changes");
    CHECK_FAILS(config_parse(&c, "{\"hiddensize\": 64}"), ONEBIT_CONFIG, "mean 'hidden_size'");
    CHECK_FAILS(config_parse(&c, "{\"dropout\": 0.1}"), ONEBIT_CONFIG, "unknown setting 'dropout'");
    CHECK_FAILS(config_parse(&c, "{\"hidden_size\": \"64\"}"), ONEBIT_FORMAT, "config.json:1:17");
    CHECK_FAILS(config_parse(&c, "{\"hidden_size\": 64.5}"), ONEBIT_FORMAT, "whole number");
    CHECK_FAILS(config_parse(&c, "{\"hidden_size\": null}"), ONEBIT_FORMAT, "a number");
    CHECK_FAILS(config_parse(&c, "{\"hidden_size\": 1e18}"), ONEBIT_FORMAT, "whole number");
    CHECK_FAILS(config_parse(&c, "{\"hidden_size\": 99999999999}"), ONEBIT_CONFIG, "8..65536");
    CHECK_FAILS(config_parse(&c, "{\"use_rope\": 1}"), ONEBIT_FORMAT, "true or false");
    CHECK_FAILS(config_parse(&c, "{\"activation\": \"gelu\"}"), ONEBIT_CONFIG, "silu|relu2|relu");
    CHECK_FAILS(config_parse(&c, "[1]"), ONEBIT_FORMAT, "expected an object");
    CHECK_FAILS(config_parse(&c, "{} x"), ONEBIT_FORMAT, "the end");
    CHECK_FAILS(config_parse(&c, ""), ONEBIT_FORMAT, "the text ends");
    CHECK_FAILS(
        config_parse(&c, "{\"num_layers\": 16, \"layer_bit_map\": {\"layer_modes\": [\"f16\"]}}"),
        ONEBIT_CONFIG, "1 entries, but num_layers is 16");
    CHECK_FAILS(config_parse(&c, "{\"layer_bit_map\": 7}"), ONEBIT_FORMAT, "expected an object");
    CHECK(c.num_layers == 6 && c.hidden_size == 256);
    CHECK_FAILS(onebit_config_parse(NULL, "{}", 2), ONEBIT_USAGE, "NULL");
}

static void config_test_write(void) {
    onebit_config c = onebit_config_default(), back;
    char text[8000], small[100];
    size_t n, i, failures = 0;
    test_case("config.json: written and read back it is the same");
    config_set(&c, "num_layers", "3");
    config_set(&c, "use_ternary", "false");
    config_set(&c, "layer_bit_map", "f16,8bit,binary");
    config_set(&c, "embedding", "8bit");
    config_set(&c, "lm_head", "f32");
    config_set(&c, "layer_norm_eps", "3.3e-7");
    config_set(&c, "activation", "relu");
    config_set(&c, "chat_template", "\"q\"\\t{prompt}\\u0001\xE2\x82\xAC");
    n = onebit_config_write(&c, text, sizeof text);
    CHECK(n == strlen(text) && n < sizeof text);
    CHECK_OK(config_parse(&back, text));
    CHECK(memcmp(&c, &back, sizeof c) == 0);
    CHECK(onebit_config_write(&c, NULL, 0) == n);
    CHECK(onebit_config_write(&c, small, sizeof small) == n && strlen(small) == 99);
    CHECK(strncmp(small, text, 99) == 0);
    test_case("config.json: cut at every byte it is refused");
    for (i = 0; i < n - 1; i++) {
        char *exact = (char *)malloc(i + 1);
        if (!CHECK(exact)) return;
        memcpy(exact, text, i + 1);
        failures += onebit_config_parse(&back, exact, i) != ONEBIT_OK;
        free(exact);
    }
    CHECK(failures >= n - 2); /* the last brace may lack its newline */
    CHECK(memcmp(&c, &back, sizeof c) == 0);
    test_case("config.json: one changed byte never breaks the reader");
    for (i = 0; i < n; i++) {
        char old = text[i];
        text[i] = (char)(old ^ (i % 7 == 0 ? 0x80 : 1 << i % 7));
        back = c;
        if (onebit_config_parse(&back, text, n) == ONEBIT_OK) (void)onebit_config_check(&back);
        text[i] = old;
    }
    CHECK(1);
}

/* The check of a default config with one field changed. */
static onebit_status config_check_with(const char *name, const char *value) {
    onebit_config c = onebit_config_default();
    OB_TRY(config_set(&c, name, value));
    return onebit_config_check(&c);
}

static void config_test_check(void) {
    onebit_config c = onebit_config_default();
    test_case("config check: derived fields are filled, twice is the same");
    CHECK_OK(onebit_config_check(&c));
    CHECK(c.num_key_value_heads == 8 && c.head_dim == 32);
    CHECK_OK(onebit_config_check(&c));
    CHECK(c.num_key_value_heads == 8 && c.head_dim == 32);
    c = onebit_config_default();
    c.head_mode = ONEBIT_BINARY;
    CHECK_OK(onebit_config_check(&c));
    CHECK(c.head_mode == ONEBIT_F16);
    c.tie_word_embeddings = 0;
    c.head_mode = ONEBIT_BINARY;
    CHECK_OK(onebit_config_check(&c));
    CHECK(c.head_mode == ONEBIT_BINARY);
    test_case("config check: what does not fit is named");
    CHECK_FAILS(config_check_with("num_heads", "7"), ONEBIT_CONFIG, "a multiple of num_heads 7");
    CHECK_FAILS(config_check_with("num_key_value_heads", "3"), ONEBIT_CONFIG,
                "a divisor of num_heads 8");
    CHECK_FAILS(config_check_with("head_dim", "33"), ONEBIT_CONFIG, "even");
    CHECK_FAILS(config_check_with("hidden_size", "264"), ONEBIT_CONFIG, "head_dim is 33");
    CHECK_FAILS(config_check_with("activation_bits", "4"), ONEBIT_CONFIG,
                "activation_bits is 4, expected 8, 1 or 0");
    CHECK_FAILS(config_check_with("scale_group", "96"), ONEBIT_CONFIG,
                "scale_group is 96 and embedding_group 0, expected 0, 32, 64, 128 or 256");
    CHECK_FAILS(config_check_with("scale_group", "1"), ONEBIT_CONFIG, "scale_group is 1");
    CHECK_FAILS(config_check_with("scale_group", "512"), ONEBIT_CONFIG, "scale_group is 512");
    CHECK_OK(config_check_with("use_subln", "false"));
    CHECK_OK(config_check_with("arenas_warmup_steps", "20000")); /* of no use, Arenas is off */
    c = onebit_config_default();
    c.arenas_initial = 0.1, c.arenas_warmup_steps = 9, c.arenas_anneal_steps = 9;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG,
                "arenas_warmup_steps is 9, expected less than arenas_anneal_steps 9");
    c.arenas_anneal_steps = 10;
    CHECK_OK(onebit_config_check(&c));
    CHECK_OK(config_check_with("head_dim", "34"));
    CHECK_OK(config_check_with("activation_bits", "0"));
    CHECK_OK(config_check_with("activation_bits", "1"));
    CHECK_OK(config_check_with("scale_group", "256"));
    CHECK_OK(config_check_with("num_key_value_heads", "2"));
    CHECK_FAILS(onebit_config_check(NULL), ONEBIT_USAGE, "NULL");
    test_case("config check: hostile structs are refused");
    c = onebit_config_default();
    c.use_rope = 7;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "use_rope is 7");
    c = onebit_config_default();
    c.num_layers = 100000;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "num_layers is 100000");
    CHECK(onebit_config_write(&c, NULL, 0) > 0 && onebit_config_parameters(&c) == 0);
    c = onebit_config_default();
    c.rope_theta = HUGE_VAL - HUGE_VAL;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "rope_theta");
    c = onebit_config_default();
    memset(c.chat_template, 'x', sizeof c.chat_template);
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "does not end");
    c = onebit_config_default();
    c.layer_modes[5] = 9;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "layer_modes[5] is 9");
    c.layer_modes[5] = ONEBIT_TERNARY, c.projection_modes[5][ONEBIT_DOWN] = 9;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "layer_modes[5] is 8");
    c.projection_modes[5][ONEBIT_DOWN] = 0;
    CHECK_FAILS(onebit_field_set(ONEBIT_TABLE_MODEL, &c, "chat_template", "caf\xE9 {prompt}"),
                ONEBIT_CONFIG, "chat_template is not UTF-8: byte 4");
    c = onebit_config_default();
    c.embedding_mode = 200;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "embedding (200)");
    c = onebit_config_default();
    c.hidden_size = 65536, c.num_layers = 256, c.intermediate_size = 1 << 20, c.num_heads = 1024;
    c.head_dim = 1024;
    CHECK_FAILS(onebit_config_check(&c), ONEBIT_CONFIG, "too many");
}

static void config_test_presets(void) {
    static const char *const names[] = {"nano", "tiny", "mini", "small", "base", "medium"};
    static const size_t sizes[] = {1,       199999,   200000,    3999999,
                                   4000000, 40000000, 400000000, SIZE_MAX};
    static const int widths[] = {128, 128, 192, 192, 256, 384, 512, 512};
    onebit_config c, again;
    size_t i, last = 0, n;
    test_case("presets: each is valid and larger than the one before");
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_OK(onebit_config_preset(&c, names[i], 0));
        n = onebit_config_parameters(&c);
        CHECK(n > last && c.embedding_mode == (i < 4 ? ONEBIT_8BIT : ONEBIT_F16));
        CHECK(c.num_key_value_heads == 0 && c.head_dim == 0); /* so that fields can still be set */
        CHECK_OK(onebit_config_check(&c));
        last = n;
    }
    test_case("presets: auto goes by bytes of text, unknown names list the presets");
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_OK(onebit_config_preset(&c, "auto", sizes[i]));
        CHECK(c.hidden_size == widths[i]);
    }
    CHECK_OK(onebit_config_preset(&c, "auto", 0));
    CHECK_OK(onebit_config_preset(&again, "tiny", 0));
    CHECK(memcmp(&c, &again, sizeof c) == 0);
    CHECK_FAILS(onebit_config_preset(&c, "huge", 0), ONEBIT_CONFIG,
                "'huge', expected nano, tiny, mini, small, base, medium, bitnet-256, bitnet-512, "
                "wikitext, wikitext2-production, stack-0.3b, stack-0.7b, stack-1.3b, gcp-8b, auto");
    for (i = 0; onebit_preset_name((int)i); i++)
        CHECK_OK(onebit_config_preset(&c, onebit_preset_name((int)i), 0));
    CHECK(i == 14 && !onebit_preset_name(-1));
    CHECK_FAILS(onebit_config_preset(&c, NULL, 0), ONEBIT_USAGE, "NULL");
    test_case("parameters: counted as the tensors are");
    c = onebit_config_default();
    c.vocab_size = 100, c.hidden_size = 16, c.num_layers = 2, c.num_heads = 4;
    c.num_key_value_heads = 2, c.intermediate_size = 24;
    CHECK(onebit_config_parameters(&c) == 1600 + 2 * (2 * 256 + 2 * 128 + 3 * 384 + 32) + 16);
    c.use_swiglu = 0, c.tie_word_embeddings = 0, c.use_qk_norm = 1, c.use_sub_norm = 1;
    CHECK(onebit_config_parameters(&c) ==
          3200 + 2 * (2 * 256 + 2 * 128 + 2 * 384 + 32 + 8 + 16 + 24) + 16);
    CHECK(ob_activation(&c) == 0);
    c.activation = 2;
    CHECK(ob_activation(&c) == 2);
    c.use_relu2 = 1;
    CHECK(ob_activation(&c) == 1);
}

/* A published settings file: its text, the preset that stands for it and the numbers that such a
   model truly has, in thousands. */
typedef struct config_published {
    const char *preset, *text;
    size_t thousands;
} config_published;

#define CONFIG_SEED(H, heads, L, I, T)                                                             \
    "{\"vocab_size\": 50257, \"hidden_size\": " H ", \"num_heads\": " heads                        \
    ", \"num_layers\": " L ", \"intermediate_size\": " I ", \"max_seq_len\": " T                   \
    ", \"layer_norm_eps\": 1e-5, \"use_subln\": true, \"use_rope\": true, "
#define CONFIG_LATER                                                                               \
    "\"use_qk_norm\": true, \"use_residual_scaling\": true, \"use_dynamic_threshold\": true, "
#define CONFIG_STACK                                                                               \
    CONFIG_LATER "\"use_ternary\": true, \"use_relu2\": true, \"use_swiglu\": false, "             \
                 "\"ste_scale_factor\": 2.0, \"latent_clamp_max\": 1.5, "                          \
                 "\"latent_clip_max_training\": 1.2, \"anneal_fraction\": 0.3, "                   \
                 "\"arenas_initial\": null, "
#define CONFIG_T2  "\"ternary\", \"ternary\", "
#define CONFIG_T6  CONFIG_T2 CONFIG_T2 CONFIG_T2
#define CONFIG_T14 CONFIG_T6 CONFIG_T6 CONFIG_T2
#define CONFIG_T22 CONFIG_T14 CONFIG_T6 CONFIG_T2
#define CONFIG_T30 CONFIG_T22 CONFIG_T6 CONFIG_T2
#define CONFIG_ENDS(middle)                                                                        \
    "\"arenas_anneal_steps\": 20000, \"layer_bit_map\": {\"embedding\": \"f16\", "                 \
    "\"layer_modes\": [\"f16\", " middle "\"f16\"], \"lm_head\": \"f16\"}}"

static const config_published config_files[] = {
    {"bitnet-256",
     CONFIG_SEED("256", "8", "6", "1024", "512") "\"use_ternary\": true, \"use_relu2\": true, "
                                                 "\"arenas_initial\": 0.1, "
                                                 "\"arenas_anneal_steps\": 10000}",
     17587},
    {"bitnet-512",
     CONFIG_SEED("512", "8", "6", "2048", "512")
         CONFIG_LATER "\"use_ternary\": true, \"use_relu2\": true, \"ste_scale_factor\": 2.0, "
                      "\"latent_clamp_max\": 1.5, \"arenas_initial\": 0.1, "
                      "\"arenas_anneal_steps\": 10000, \"layer_bit_map\": null}",
     44613},
    {"wikitext",
     CONFIG_SEED("512", "8", "8", "1536", "256")
         CONFIG_LATER "\"use_ternary\": false, \"use_relu2\": false, \"use_swiglu\": false, "
                      "\"ste_scale_factor\": 1.0, \"latent_clamp_max\": 1.5, "
                      "\"anneal_fraction\": 0.2, \"arenas_initial\": 0.1, "
                      "\"arenas_anneal_steps\": 5000}",
     46712},
    {"wikitext2-production",
     CONFIG_SEED("512", "8", "6", "2048", "256")
         CONFIG_STACK "\"arenas_anneal_steps\": 10000, \"layer_bit_map\": {\"embedding\": \"f16\", "
                      "\"layer_modes\": [" CONFIG_T2 CONFIG_T2
                      "\"ternary\", \"ternary\"], \"lm_head\": null}}",
     44613},
    {"stack-0.3b",
     CONFIG_SEED("1024", "16", "16", "2816", "1024") CONFIG_STACK CONFIG_ENDS(CONFIG_T14), 210882},
    {"stack-0.7b",
     CONFIG_SEED("1536", "24", "24", "4096", "2048") CONFIG_STACK CONFIG_ENDS(CONFIG_T22), 605755},
    {"stack-1.3b",
     CONFIG_SEED("2048", "32", "24", "5504", "2048") CONFIG_STACK CONFIG_ENDS(CONFIG_T22), 1046748},
};

/* The eighth has its own vocabulary, and the 0.3b was published with a map of 17 blocks. */
static const char config_gcp[] =
    "{\"vocab_size\": 128256, \"hidden_size\": 4096, \"num_heads\": 32, \"num_layers\": 32, "
    "\"intermediate_size\": 14336, \"max_seq_len\": 4096, \"layer_norm_eps\": 1e-5, "
    "\"use_subln\": true, \"use_rope\": true, " CONFIG_STACK CONFIG_ENDS(CONFIG_T30);
static const char config_seventeen[] = CONFIG_SEED("1024", "16", "16", "2816", "1024")
    CONFIG_STACK CONFIG_ENDS(CONFIG_T14 "\"ternary\", ");

/* The text changes nothing in the preset: every field that it gives is there already. */
static void config_check_published(const config_published *p) {
    onebit_config preset, read, alone = onebit_config_default();
    CHECK_OK(onebit_config_preset(&preset, p->preset, 0));
    read = preset;
    CHECK_OK(onebit_config_parse(&read, p->text, strlen(p->text)));
    CHECK(memcmp(&read, &preset, sizeof read) == 0);
    CHECK_OK(onebit_config_parse(&alone, p->text, strlen(p->text)));
    CHECK_OK(onebit_config_check(&alone));
    CHECK(onebit_config_parameters(&preset) / 1000 == p->thousands);
    CHECK(onebit_config_parameters(&alone) / 1000 == p->thousands);
}

static void config_test_published(void) {
    static const char odd[] =
        "{\"use_subln\": false, \"use_rope\": false, \"arenas_initial\": null, "
        "\"layer_bit_map\": {\"embedding\": null, \"layer_modes\": [\"eightbit\"], "
        "\"lm_head\": null}, \"num_layers\": 1}";
    config_published gcp;
    onebit_config c = onebit_config_default();
    size_t i;
    test_case("presets: the predecessors' settings files are read and are equal to their presets");
    for (i = 0; i < sizeof config_files / sizeof *config_files; i++)
        config_check_published(config_files + i);
    gcp.preset = "gcp-8b", gcp.text = config_gcp, gcp.thousands = 6431191;
    config_check_published(&gcp);
    CHECK_FAILS(onebit_config_parse(&c, config_seventeen, strlen(config_seventeen)), ONEBIT_CONFIG,
                "layer_modes has 17 entries, but num_layers is 16");
    CHECK_OK(onebit_config_parse(&c, odd, strlen(odd)));
    CHECK(!c.use_subln && !c.use_rope && c.layer_modes[0] == ONEBIT_8BIT);
    CHECK(c.embedding_mode == ONEBIT_F16 && c.arenas_initial == 0);
}

static void test_config(void) {
    config_test_tables();
    config_test_choices();
    config_test_set();
    config_test_map();
    config_test_parse();
    config_test_write();
    config_test_check();
    config_test_presets();
    config_test_published();
}
