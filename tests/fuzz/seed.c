/* seed.c - writes the first inputs of the fuzz targets, small and valid, one directory per target.

   cc -O1 tests/fuzz/seed.c -o build/seed -lm && build/seed tests/fuzz/corpus

   That is "make seeds": to be run again when a file format changes. Inputs that a fuzzer found stay as they are: they
   have names of their own. */
#define ONEBIT_IMPLEMENTATION
#include "../../onebit.h"

#include "../reference.h"

#include "../foreign.h"

static const char *seed_root;

static void seed_write(const char *target, const char *name, const void *data, size_t n) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", seed_root, target);
    if (ob_make_directory(path) != ONEBIT_OK) exit(1);
    snprintf(path, sizeof path, "%s/%s/%s", seed_root, target, name);
    if (ob_file_write(path, data, n) != ONEBIT_OK) {
        fprintf(stderr, "%s\n", onebit_error_text());
        exit(1);
    }
}

static void seed_text(const char *target, const char *name, const char *text) {
    seed_write(target, name, text, strlen(text));
}

/* Ends the program when a call fails: a seed that is not valid is a mistake here. */
static void seed_try(onebit_status status) {
    if (status == ONEBIT_OK) return;
    fprintf(stderr, "%s\n", onebit_error_text());
    exit(1);
}

/* ---- texts ---- */

static void seed_json(void) {
    char deep[130];
    seed_text("json", "object", "{\"a\": [1, -2.5e3, true, null], \"b\\n\": {\"c\": \"\\u00e9\"}}");
    seed_text("json", "numbers", "[0, -0, 1E400, 4.9e-324, 9223372036854775808, 0.1, 3.0, 1e3]");
    seed_text("json", "strings",
              "\xEF\xBB\xBF[\"\\ud83d\\ude00\", \"\\ud800\", \"\xFF\\\"\\\\\\/\"]");
    seed_text("json", "long_number",
              "1234567890123456789012345678901234567890.12345678901234567890e-300");
    memset(deep, '[', 64), memset(deep + 64, ']', 64), deep[128] = 0;
    seed_text("json", "deep", deep);
}

static void seed_config(void) {
    onebit_config c = onebit_config_default();
    char text[8000];
    c.vocab_size = 300, c.num_layers = 2;
    seed_write("config", "full", text, onebit_config_write(&c, text, sizeof text));
    seed_text("config", "small",
              "{\"hidden_size\": 16, \"num_layers\": 2, \"num_heads\": 2, \"vocab_size\": 9,\n"
              "\"layer_bit_map\": {\"embedding\": \"8bit\", \"layer_modes\": [\"binary\", \"f16\"]}}");
    seed_text("config", "lines",
              "0hidden-size 64\n0layer_bit_map ternary,8bit,binary,f16,f32,ternary\n1lr .01\n"
              "1optimizer adamw\n2temperature 0.5\n0use_rope off\n0embedding 8bit\n1lr_decay wsd\n"
              "0chat_template You: {prompt}\\n{reply}\\n\n0lm_head f32\n0hiden_size 3\n");
}

/* A file as Hugging Face's library writes it, in short. */
static const char seed_hf[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":5,"
    "\"content\":\"<e>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    "\"normalized\":false,\"special\":true}],\"normalizer\":null,\"pre_tokenizer\":{\"type\":"
    "\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
    "\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
    "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"a\":0,"
    "\"b\":1,\"c\":2,\"ab\":3,\"abc\":4},\"merges\":[\"a b\",[\"ab\",\"c\"]]}}";

/* Ours holds all 256 bytes, 4 kB of them: only the small kinds and one BPE. */
static void seed_tokenizer(void) {
    static const char text[] = "aab abb <|endoftext|> \xC3\xA9 aab";
    onebit_tokenizer *t = NULL;
    char json[20000];
    size_t n;
    seed_text("tokenizer", "hf", seed_hf);
    seed_try(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_CHAR, text, sizeof text - 1, 0, NULL));
    n = onebit_tokenizer_write(t, json, sizeof json);
    seed_write("tokenizer", "char", json, n);
    onebit_tokenizer_free(t);
    seed_try(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, text, sizeof text - 1, 260, NULL));
    n = onebit_tokenizer_write(t, json, sizeof json);
    seed_write("tokenizer", "bpe", json, n);
    onebit_tokenizer_free(t);
}

static void seed_encode(void) {
    seed_text("encode", "english", "The cat's 12 bones: don't, they're 3.14<|endoftext|> sat  \n");
    seed_text("encode", "letters", "\xC3\xA9\xC3\xA8 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80 \xD0\x96");
    seed_text("encode", "broken", "\xFF\xC3 \xE4\xBD <|endof \x80\xF4\x90\x80\x80 <|endoftext|>");
    seed_text("encode", "spaces", "  \t \r\n\n   a   \xC2\xA0 \xE3\x80\x80 'll 'S");
}

static void seed_data(void) {
    static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 256, 11, 12};
    uint8_t file[12 + sizeof ids];
    size_t i;
    memcpy(file, "TKN2", 4);
    ob_put64(file + 4, sizeof ids / sizeof ids[0]);
    for (i = 0; i < sizeof ids / sizeof ids[0]; i++) ob_put32(file + 12 + 4 * i, (uint32_t)ids[i]);
    seed_write("tokens", "twelve", file, sizeof file);
    ob_put64(file + 4, 5); /* fewer than there are: tolerated */
    seed_write("tokens", "five", file, sizeof file);
    seed_text("text", "lines",
              "j\x80{\"text\": \"one\", \"id\": 1}\n\n{\"id\": [2], \"text\": \"a<|endoftext|>b\"}\r\n");
    seed_text("text", "plain", "t\x80One story.\n<|endoftext|>\nAnother one, longer than that.\n");
    seed_text("text", "limit", "t\x12\xEF\xBB\xBF" "caf\xC3\xA9 caf\xC3\xA9 caf\xC3\xA9 caf\xC3\xA9");
    seed_text("text", "marks", "j\x80\xEF\xBB\xBF{\"text\":\"<|endoftext|><|endoftext|>x\"}");
    seed_text("text", "pairs",
              "J\x80{\"input\": \"Who?\", \"output\": \"The keeper.\", \"system\": \"Short.\"}\n"
              "{\"instruction\": \"Add\", \"input\": \"1 1\", \"response\": \"2\"}\n");
    seed_text("text", "talks",
              "j\x80{\"messages\": [{\"role\": \"system\", \"content\": \"Be kind.\"}, "
              "{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": "
              "\"Ho <|endoftext|>\"}]}\n");
    seed_text("text", "array",
              "A\x80[{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"},\n"
              "{\"from\": \"gpt\", \"value\": \"Ho\"}]}, {\"prompt\": \"a\", \"completion\": \"b\"},\n"
              "{\"text\": \"one\"}]\n");
    seed_text("text", "one_row", "a\x80{\"question\": \"6 7\", \"answer\": \"42\"}");
}

/* Header bytes, options and logits in the order that the target reads them. */
static void seed_sample(void) {
    static const float logits[5] = {0.5f, -1.0f, 2.0f, 2.0f, -30.0f};
    static const double reals[6] = {0.7, 0.9, 0.05, 1.2, 0.1, -0.1};
    uint8_t p[128];
    size_t n = 0, i;
    p[n++] = 4, p[n++] = 2, p[n++] = 1, p[n++] = 0; /* 5 logits, 2 ids of history, seed 1 */
    p[n++] = 64, p[n++] = 3, p[n++] = 230, p[n++] = 10, p[n++] = 80;
    for (i = 0; i < 5; i++, n += 4) ob_putf32(p + n, logits[i]);
    for (i = 0; i < 2; i++, n += 4) ob_put32(p + n, (uint32_t)i);
    seed_write("sample", "short", p, n);
    n = 3, p[n++] = 1;
    for (i = 0; i < 6; i++, n += 8) memcpy(p + n, reals + i, 8);
    for (i = 0; i < 2; i++, n += 4) ob_put32(p + n, 4);
    for (i = 0; i < 5; i++, n += 4) ob_putf32(p + n, logits[i]);
    for (i = 0; i < 2; i++, n += 4) ob_put32(p + n, (uint32_t)i);
    seed_write("sample", "raw", p, n);
}

/* Chat templates; the first byte is the target's. */
static void seed_templates(void) {
    seed_text("template", "chatml",
              "4{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content | trim }}"
              "{% endfor %}\n{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
              "{% endif %}");
    seed_text("template", "think",
              "#{%- set ns = namespace(last=messages|length - 1) %}{% for m in messages[::-1] -%}\n"
              "{%- if '</think>' in m.content and loop.index0 <= ns.last %}{% set ns.last = 1 %}"
              "{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% elif loop.last %}{% break %}"
              "{% else %}{{ m|tojson(indent=2) }}{% endif %}{%- endfor %}");
    seed_text("template", "macro",
              "1{# c #}{% macro f(n, d='x') %}{{ n if n else d }}{{ f(n - 1) if n > 0 }}{% endmacro %}"
              "{% set t %}{{ f(3) }}{% endset %}{% for k, v in {'a': 1, 'b': none}.items() if v %}"
              "{{ k ~ v }}{% else %}{{ raise_exception('no') }}{% endfor %}{{ t|upper }}");
    seed_text("template", "filters",
              "2{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ') }}"
              "{{ [3, 1, 2]|reverse|list|tojson(indent=2) }}{{ messages|rejectattr('role', 'in', ['a'])|list|last }}"
              "{{ 'a\\nb'|replace('a', 'c') ~ 'aXb'.split('X', 1)[-1].rstrip('b') }}{{ -7 // 2 + 2 % 3 }}"
              "{{ 'abc'[1:] is string and not 1 in (1, 2) }}{{ range(9)[2:8]|first if x is not defined }}");
}

/* ---- models ---- */

/* Trainer to file: a checkpoint, or a .1bit with five trits in a byte. */
static void seed_model_file(onebit_trainer *t, const onebit_tokenizer *words, const char *target,
                            const char *name, int checkpoint) {
    onebit_pack_options five = onebit_pack_options_default();
    char path[600];
    five.packing = ONEBIT_PACKING_5_IN_8;
    snprintf(path, sizeof path, "%s/%s", seed_root, target);
    seed_try(ob_make_directory(path));
    snprintf(path, sizeof path, "%s/%s/%s", seed_root, target, name);
    if (checkpoint) {
        seed_try(onebit_trainer_save(t, words, onebit_dataset_tell(NULL), path));
        return;
    }
    seed_try(onebit_trainer_export(t, words, path));
    seed_try(onebit_file_pack(path, path, &five, NULL));
}

/* One tiny model: its .1bit and, with state, its checkpoint. settings: "name value" pairs. */
static void seed_model(const char *name, const char *const *settings, int checkpoint) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_tokenizer *words = NULL;
    onebit_trainer *t = NULL;
    int32_t ids[9] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    uint8_t image[40000];
    const char *const *first;
    seed_try(onebit_tokenizer_train(&words, ONEBIT_TOKENIZER_CHAR, "abc?", 4, 0, NULL));
    c.vocab_size = onebit_tokenizer_vocab_size(words);
    c.hidden_size = 8, c.num_layers = 1, c.num_heads = 2, c.intermediate_size = 8;
    c.max_seq_len = 8, o.batch_size = 1;
    for (first = settings; *settings; settings += 2) {
        int train = strcmp(settings[0], "optimizer") == 0;
        seed_try(onebit_field_set(train ? ONEBIT_TABLE_TRAIN : ONEBIT_TABLE_MODEL,
                                  train ? (void *)&o : (void *)&c, settings[0], settings[1]));
    }
    seed_try(onebit_trainer_create(&t, &c, &o, NULL));
    seed_try(onebit_trainer_accumulate(t, ids, ids + 1, NULL));
    seed_try(onebit_trainer_update(t, NULL));
    if (checkpoint) {
        seed_model_file(t, words, "checkpoint", name, 1);
    } else {
        seed_write("model", name, image, onebit_trainer_pack(t, words, image, sizeof image));
    }
    if (!*first) { /* as the settings are by default */
        seed_model_file(t, words, "model", "five", 0);
        seed_model_file(t, words, "files", "five", 0);
        seed_model_file(t, words, "files", "checkpoint", 1);
    }
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
}

static void seed_models(void) {
    static const char *const plain[] = {NULL};
    static const char *const rich[] = {
        "use_qk_norm", "true",  "use_sub_norm", "true",        "tie_word_embeddings", "false",
        "num_layers",  "2",     "use_relu2",    "true",        "layer_bit_map",       "8bit,binary",
        "embedding",   "8bit",  "lm_head",      "f32",         "num_key_value_heads", "1",
        "head_dim",    "6",     NULL};
    static const char *const floats[] = {"layer_bit_map", "f32", "use_swiglu", "false", "embedding",
                                         "f32", "use_rope", "false", NULL};
    static const char *const adamw[] = {"optimizer", "adamw", NULL};
    seed_model("ternary", plain, 0);
    seed_model("rich", rich, 0);
    seed_model("floats", floats, 0);
    seed_model("muon", plain, 1);
    seed_model("adamw", adamw, 1);
}

/* A .1bit of version 1: config, a ternary matrix [2, 3], a binary vector [9]. */
static void seed_old(void) {
    static const uint8_t file[] =
        "1BIT\1\0\0\0\2\0\0\0\2\0\0\0{}"
        "\3\0\0\0wte\2\2\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\xCD\x0D"
        "\3\0\0\0ln_\1\1\0\0\0\t\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\xA5\1";
    seed_write("files", "version_1", file, sizeof file - 1);
}

/* Files of tokenizers that are no tokenizer.json; the first byte is the target's. */
static void seed_vocabulary(void) {
    static const char pair[] = "v{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}\0#version: 0.2\na b\n";
    static const char model[] = ".\n\x0E\n\x05<unk>\x15\0\0\0\0\x18\x02";
    char json[600];
    seed_write("vocabulary", "pair", pair, sizeof pair - 1);
    seed_text("vocabulary", "ranks", "rYQ== 0\nYg== 1\nYWI= 2\r\nYWJh 3\nIA== 4\n");
    seed_text("vocabulary", "small_ranks", ".YQ== 0\nYg== 1\n");
    seed_write("vocabulary", "sentencepiece", model, sizeof model - 1);
    snprintf(json, sizeof json, ".%s", seed_hf);
    seed_text("vocabulary", "hf", json);
}

/* One piece of a .model; type 0: plain. */
static size_t seed_piece(char *out, const char *text, int score, int type) {
    size_t n = strlen(text);
    out[0] = 10, out[2] = 10, out[3] = (char)n;
    memcpy(out + 4, text, n);
    out[4 + n] = 0x15;
    ob_putf32(out + 5 + n, (float)-score);
    n += 9;
    if (type) out[n++] = 0x18, out[n++] = (char)type;
    out[1] = (char)(n - 2);
    return n;
}

/* The two forms of SentencePiece's BPE. */
static void seed_spm(void) {
    static const char *const plain[] = {"\xE2\x96\x81", "a", "b", "ab", "\xE2\x96\x81" "a", "aba"};
    char p[6000], name[8];
    size_t n = 0;
    int i;
    n += seed_piece(p + n, "<unk>", 0, 2);
    n += seed_piece(p + n, "<s>", 0, 3);
    n += seed_piece(p + n, "</s>", 0, 3);
    n += seed_piece(p + n, "<0x41>", 0, 6);
    for (i = 0; i < 6; i++) n += seed_piece(p + n, plain[i], i, 0);
    memcpy(p + n, "\x12\x02\x18\x02\x1A\x0E\n\x08identity\x12\0\x20\0", 20);
    seed_write("spm", "model", p, n + 20);
    ob_put32(p, 5), n = 4;
    for (i = 0; i < 265; i++) {
        const char *text = i == 0   ? "<unk>"
                           : i == 1 ? "\n<s>\n"
                           : i == 2 ? "\n</s>\n"
                           : i < 259 ? name
                           : i == 259 ? " " : plain[i - 259];
        if (i > 2 && i < 259) snprintf(name, sizeof name, "<0x%02X>", (unsigned)i - 3);
        if (i == 263) text = " a";
        ob_putf32(p + n, i < 259 ? 0.0f : (float)(259 - i));
        ob_put32(p + n + 4, (uint32_t)strlen(text));
        memcpy(p + n + 8, text, strlen(text));
        n += 8 + strlen(text);
    }
    seed_write("spm", "llama2c", p, n);
}

/* A GGUF file with two tensors, and the vocabulary of t. */
static void seed_gguf_of(const char *name, const onebit_tokenizer *t, const char *pre) {
    static const uint64_t dims[2] = {64, 2};
    char p[16000];
    ob_out o = ob_out_on(NULL, 0);
    uint64_t keys = 0;
    int i;
    seed_try(ob_gguf_put_tokenizer(&o, t, onebit_tokenizer_vocab_size(t),
                                 onebit_tokenizer_start(t), &keys));
    o = ob_out_on(p, sizeof p);
    ob_gguf_put_head(&o, 2, keys + 5);
    ob_gguf_put_string(&o, "general.architecture", ob_slice_of(pre));
    ob_gguf_put_f32(&o, "a.f", 1.5f);
    ob_gguf_put_u32(&o, "general.alignment", 32);
    ob_gguf_put_bool(&o, "a.b", 1);
    ob_gguf_put_array(&o, "a.n", OB_GGUF_U32, 3);
    for (i = 0; i < 3; i++) ob_gguf_put32(&o, (uint32_t)i);
    seed_try(ob_gguf_put_tokenizer(&o, t, onebit_tokenizer_vocab_size(t),
                                 onebit_tokenizer_start(t), &keys));
    ob_gguf_put_tensor(&o, "a.weight", 2, dims, 0, 0);
    ob_gguf_put_tensor(&o, "b.weight", 2, dims, 36, 512);
    ob_gguf_put_padding(&o);
    if (o.n + 512 + 64 > sizeof p) exit(1);
    memset(p + o.n, 0, 512 + 64);
    seed_write("gguf", name, p, o.n + 512 + 64);
}

static void seed_gguf(void) {
    onebit_tokenizer *t = NULL;
    char path[600];
    seed_try(onebit_tokenizer_train(&t, ONEBIT_TOKENIZER_BPE, "aab aab ab", 10, 262, NULL));
    seed_gguf_of("bytes", t, "llama");
    onebit_tokenizer_free(t);
    snprintf(path, sizeof path, "%s/spm/llama2c", seed_root);
    seed_try(onebit_tokenizer_open(&t, path, NULL));
    seed_gguf_of("spm", t, "llama");
    onebit_tokenizer_free(t);
}

/* Models of other programs, as small as their types allow. */
static foreign_spec seed_spec(const char *architecture, int D, int code) {
    foreign_spec s;
    memset(&s, 0, sizeof s);
    s.architecture = architecture, s.code = code;
    s.D = s.F = D, s.L = 1, s.H = 2, s.K = 1, s.d = D / 2, s.V = 5, s.T = 8;
    s.eps = 1e-5, s.theta = 10000;
    s.sub = !strncmp(architecture, "bitnet", 6), s.neighbours = !strcmp(architecture, "llama");
    s.relu2 = s.sub && architecture[6] == '-';
    s.bias = !strcmp(architecture, "qwen2"), s.qk = !strcmp(architecture, "qwen3");
    return s;
}

static void seed_foreign_gguf(const char *name, const char *architecture, int D, int code,
                              uint32_t type) {
    foreign_spec s = seed_spec(architecture, D, code);
    foreign_change c;
    foreign_model m;
    foreign_bytes b;
    memset(&c, 0, sizeof c);
    c.type = type;
    c.keys[0].name = "general.alignment", c.keys[0].kind = 'u', c.keys[0].number = 32;
    c.order = type == 36;
    if (type == 41) s.V = 3; /* it stays below the fuzzer's 20000 bytes */
    foreign_open(&m, &s, 1);
    b = foreign_gguf(&m, &c);
    if (type == 36) foreign_put(&b, "\1", 1); /* the target reads the order from the last byte */
    seed_write("gguf-model", name, b.p, b.n);
    foreign_close(&m);
    free(b.p);
}

static void seed_llama2c(void) {
    foreign_spec s = seed_spec("llama", 8, 3);
    foreign_model m;
    foreign_bytes b;
    s.sub = s.ones = 1;
    foreign_open(&m, &s, 1);
    b = foreign_bits(&m);
    seed_write("llama2c", "bits", b.p, b.n);
    foreign_close(&m), free(b.p);
    s = seed_spec("llama", 8, 0), s.untied = 1;
    foreign_open(&m, &s, 1);
    b = foreign_llama2c(&m);
    seed_write("llama2c", "floats", b.p, b.n);
    foreign_close(&m), free(b.p);
}

/* The first byte says which file: config, index, weights. The shapes are those of the target's small
   model. */
static void seed_directory(void) {
    foreign_spec s = seed_spec("llama", 8, 3);
    foreign_model m;
    foreign_bytes b;
    foreign_hf f;
    uint8_t *p;
    int packed;
    seed_text("hf", "config",
              "c{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", "
              "\"vocab_size\": 5, \"hidden_size\": 8, \"intermediate_size\": 8, "
              "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"num_key_value_heads\": 2, "
              "\"head_dim\": 4, \"max_position_embeddings\": 8, \"rms_norm_eps\": 1e-05, "
              "\"rope_theta\": 10000.0, \"hidden_act\": \"silu\", \"tie_word_embeddings\": true, "
              "\"attention_bias\": false, \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, "
              "\"beta_fast\": 32, \"beta_slow\": 1, \"original_max_position_embeddings\": 2}, "
              "\"quantization_config\": {\"quant_method\": \"bitnet\", "
              "\"linear_class\": \"autobitlinear\", \"quantization_mode\": \"offline\"}}");
    seed_text("hf", "index",
              "i{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"model.norm.weight\": "
              "\"model.safetensors\", \"x\": \"model.safetensors\"}}");
    s.K = 2;
    foreign_open(&m, &s, 1);
    for (packed = 0; packed < 2; packed++) {
        memset(&f, 0, sizeof f);
        f.packed = packed;
        b = foreign_safetensors(&m, &f);
        p = (uint8_t *)malloc(b.n + 1);
        *p = 's';
        memcpy(p + 1, b.p, b.n);
        seed_write("hf", packed ? "packed" : "floats", p, b.n + 1);
        free(p), free(b.p);
    }
    foreign_close(&m);
}

static void seed_foreign(void) {
    seed_foreign_gguf("f32", "qwen2", 8, 0, 0);
    seed_foreign_gguf("f16", "qwen3", 8, 0, 1);
    seed_foreign_gguf("i2_s", "bitnet-b1.58", 64, 3, 36);
    seed_foreign_gguf("q2_0", "llama", 64, 3, 42);
    seed_foreign_gguf("q1_0", "bitnet", 128, 2, 41);
    seed_foreign_gguf("q4_0", "llama", 32, 0, 2);
    seed_llama2c();
    seed_directory();
}

/* Header, three ids, logits when ready, caches: see >>session. The target's model has 5 ids, one
   block and 8 numbers per key. The checksum is put in by the target. */
static void seed_state(void) {
    uint8_t p[400];
    uint64_t magic = OB_STATE_MAGIC;
    uint32_t counts[4] = {3, 2, 1, 0x01020304u}, ids[3] = {1, 2, 3};
    memset(p, 0, sizeof p);
    memcpy(p, &magic, 8), memcpy(p + 16, counts, 16), memcpy(p + 32, ids, 12);
    seed_write("state", "ready", p, 32 + 12 + 20 + 2 * 8 * 8);
    counts[1] = counts[2] = 0;
    memcpy(p + 16, counts, 16);
    seed_write("state", "waiting", p, 32 + 12);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: seed DIRECTORY (tests/fuzz/corpus)\n");
        return 2;
    }
    seed_root = argv[1];
    seed_json();
    seed_config();
    seed_tokenizer();
    seed_encode();
    seed_data();
    seed_sample();
    seed_models();
    seed_state();
    seed_vocabulary();
    seed_templates();
    seed_spm();
    seed_gguf();
    seed_foreign();
    seed_old();
    return 0;
}
