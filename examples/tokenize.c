/* tokenize.c - onebit-tokenize: text to token ids and back; trains tokenizers.

   cc -O3 examples/tokenize.c -o onebit-tokenize -lm
   ./onebit-tokenize --train --vocab-size 2048 --data-dir my/texts --output tokenizer.json
   ./onebit-tokenize --tokenizer tokenizer.json --data-dir my/texts --output my.tokens
   ./onebit-tokenize --tokenizer tokenizer.json --text "Hello" */
#define ONEBIT_IMPLEMENTATION
#include "cli.h"
#include "jsonl.h"

static const cli_row rows[] = {
    {"Tokenizer", NULL, NULL},
    {"tokenizer", "PATH",
     "a tokenizer.json or its directory, vocab.json, tiktoken's ranks, a GGUF, .model, llama2.c's "
     ".bin"},
    {"model", "PATH", "take the tokenizer out of a model"},
    {"What to do", NULL, NULL},
    {"data-dir", "PATH",
     "write the text of a file or directory ('-' = stdin, several with commas) as .tokens to "
     "--output"},
    {"chat-template", "TEXT",
     "how rows with replies are written (default: the model's, else prompt, line break, reply)"},
    {"include-held-out", NULL, "with --data-dir: take files named valid or test too"},
    {"text", "TEXT", "print the ids of a text; '-' reads it from stdin"},
    {"decode", "IDS", "print the text of ids, such as \"1 2 3\"; '-' reads them from stdin"},
    {"jsonl", "FILE", "print the ids of each row's \"text\", one JSON array a row"},
    {"train", NULL, "train a tokenizer on --data-dir and write it to --output"},
    {"output", "FILE", "the file to write"},
    {"vocab-size", "N", "with --train: ids in all (default 2048; byte and char have their own)"},
    {"tokenizer-kind", "KIND", "with --train: bpe, byte or char (default bpe)"},
    {"special", NULL, "read <|endoftext|> in a text as the special token, and show it in --decode"},
    CLI_END};

/* Flags of this framework's predecessors that have become something else. */
static const cli_row former[] = {
    {"seq-len", NULL, "files hold no windows: onebit-train cuts them, see its --seq-len"},
    CLI_END};

static const cli_spec spec = {
    "onebit-tokenize",
    "text to token ids and back; trains tokenizers",
    "onebit-tokenize --tokenizer FILE (--text TEXT | --data-dir PATH) [flags]",
    "examples:\n"
    "  onebit-tokenize --train --data-dir my/texts --output tokenizer.json\n"
    "  onebit-tokenize --tokenizer tokenizer.json --data-dir texts --output my.tokens\n"
    "  onebit-tokenize --model demo.1bit --text \"Hello\"\n"
    "  onebit-tokenize --model demo.1bit --decode \"15 7 201\"\n",
    "tokenizer model data-dir output text decode jsonl train vocab-size tokenizer-kind ",
    NULL,
    rows,
    0,
    former};

static const char *need(const cli *c, const char *name, const char *what) {
    const char *value = cli_get(c, name);
    if (!value) cli_usage("--%s is missing: %s", name, what);
    return value;
}

/* ---- train ---- */

static onebit_tokenizer_kind read_kind(const cli *c) {
    const char *kind = cli_get(c, "tokenizer-kind");
    if (!kind || !strcmp(kind, "bpe")) return ONEBIT_TOKENIZER_BPE;
    if (!strcmp(kind, "byte")) return ONEBIT_TOKENIZER_BYTE;
    if (strcmp(kind, "char")) cli_usage("--tokenizer-kind: '%s' is none of bpe, byte, char", kind);
    return ONEBIT_TOKENIZER_CHAR;
}

static int write_tokenizer(const cli *c, const onebit_tokenizer *tokenizer, const char *path) {
    size_t n = onebit_tokenizer_write(tokenizer, NULL, 0);
    char *json = (char *)cli_alloc(n + 1);
    int ok;
    onebit_tokenizer_write(tokenizer, json, n + 1);
    ok = cli_write_file(path, json, n);
    free(json);
    if (!ok) return cli_fail("cannot write %s: %s (see --output)", path, strerror(errno));
    if (!c->quiet)
        fprintf(stderr, "wrote %s: %d ids\n", path, onebit_tokenizer_vocab_size(tokenizer));
    if (c->json) printf("{\"vocab_size\": %d}\n", onebit_tokenizer_vocab_size(tokenizer));
    return 0;
}

/* The chat template in force, and which files of directories to take. */
static onebit_data_options read_options(const cli *c, onebit_config *config) {
    onebit_data_options options = onebit_data_options_default();
    const char *text = cli_get(c, "chat-template");
    if (text && onebit_field_set(ONEBIT_TABLE_MODEL, config, "chat_template", text) != ONEBIT_OK)
        cli_usage("%s", onebit_error_text());
    options.chat_template = config->chat_template;
    if (cli_has(c, "include-held-out")) options.part = ONEBIT_PART_ALL;
    return options;
}

static int train(const cli *c) {
    const char *data = need(c, "data-dir", "the text to learn from"),
               *path = need(c, "output", "the tokenizer.json to write");
    onebit_tokenizer_kind kind = read_kind(c);
    int vocab_size = cli_int(c, "vocab-size", 2048, 257, 1 << 20), code = 0;
    onebit_tokenizer *tokenizer = NULL;
    char *text = NULL;
    size_t bytes = 0;
    onebit_config config = onebit_config_default();
    onebit_data_options options = read_options(c, &config);
    if (onebit_text_load(&text, &bytes, data, 0, &options, NULL) != ONEBIT_OK)
        code = cli_fail("%s (see --data-dir)", onebit_error_text());
    else if (onebit_tokenizer_train(&tokenizer, kind, text, bytes, vocab_size, NULL) != ONEBIT_OK)
        code = cli_fail("%s", onebit_error_text());
    else code = write_tokenizer(c, tokenizer, path);
    onebit_text_free(text, NULL);
    onebit_tokenizer_free(tokenizer);
    return code;
}

/* ---- with a tokenizer ---- */

static int tokenize_data(const cli *c, const onebit_tokenizer *tokenizer, const char *data,
                         const onebit_model *model) {
    const char *path = need(c, "output", "the .tokens file to write");
    onebit_config config = model ? *onebit_model_config(model) : onebit_config_default();
    onebit_data_options options = read_options(c, &config);
    onebit_dataset *dataset = NULL;
    const int32_t *ids;
    size_t count = 0;
    char a[32];
    if (onebit_dataset_open(&dataset, data, tokenizer, &options, NULL) != ONEBIT_OK)
        return cli_fail("%s (see --data-dir)", onebit_error_text());
    if (!c->quiet) fputs(onebit_dataset_note(dataset), stderr);
    if (!c->quiet && onebit_dataset_scored(dataset, 0))
        fprintf(stderr, "note: .tokens do not tell replies from what was asked: training on %s "
                        "learns both\n",
                path);
    ids = onebit_dataset_tokens(dataset, &count);
    if (onebit_tokens_write(path, ids, count) != ONEBIT_OK) {
        onebit_dataset_free(dataset);
        return cli_fail("%s (see --output)", onebit_error_text());
    }
    onebit_dataset_free(dataset);
    if (!c->quiet) fprintf(stderr, "wrote %s: %s tokens\n", path, cli_count(a, (double)count));
    if (c->json) printf("{\"tokens\": %.0f}\n", (double)count);
    return 0;
}

static void print_ids(const cli *c, const int32_t *ids, size_t n) {
    size_t i;
    if (c->json) cli_json_ids(stdout, ids, n);
    else
        for (i = 0; i < n; i++) printf("%s%ld", i ? " " : "", (long)ids[i]);
    putchar('\n');
}

static int encode(const cli *c, const onebit_tokenizer *tokenizer, const char *text) {
    cli_text t = {NULL, 0, 0};
    int32_t *ids;
    size_t n = 0;
    if (!strcmp(text, "-")) {
        if (!cli_read_file("-", &t)) return cli_fail("cannot read stdin: %s", strerror(errno));
    } else cli_add_text(&t, text);
    ids = cli_encode(tokenizer, t.p, t.n, cli_has(c, "special"), &n);
    print_ids(c, ids, n);
    free(ids);
    free(t.p);
    return 0;
}

static int decode(const cli *c, const onebit_tokenizer *tokenizer, const char *text) {
    cli_text t = {NULL, 0, 0};
    int32_t *ids;
    size_t n = 0, bytes;
    char *out;
    int special = cli_has(c, "special");
    if (!strcmp(text, "-")) {
        if (!cli_read_file("-", &t)) return cli_fail("cannot read stdin: %s", strerror(errno));
    } else cli_add_text(&t, text);
    ids = jsonl_ids(t.p, onebit_tokenizer_vocab_size(tokenizer), &n);
    if (!ids)
        cli_usage("--decode: ids below %d are expected, such as \"1 2 3\"",
                  onebit_tokenizer_vocab_size(tokenizer));
    bytes = onebit_tokenizer_decode(tokenizer, NULL, 0, ids, n, special);
    out = (char *)cli_alloc(bytes + 1);
    onebit_tokenizer_decode(tokenizer, out, bytes + 1, ids, n, special);
    if (c->json) cli_json_string(stdout, out, bytes);
    else fwrite(out, 1, bytes, stdout);
    putchar('\n');
    free(out);
    free(ids);
    free(t.p);
    return 0;
}

static int encode_rows(const cli *c, const onebit_tokenizer *tokenizer, const char *path) {
    FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    cli_text line = {NULL, 0, 0}, text = {NULL, 0, 0};
    int row = 0, code = 0;
    if (!f) return cli_fail("cannot open %s: %s (see --jsonl)", path, strerror(errno));
    while (!code && cli_read_line(f, &line)) {
        int32_t *ids;
        size_t n = 0;
        row++;
        if (!line.n) continue;
        if (!jsonl_text(line.p, "text", &text)) {
            code = cli_fail("%s, row %d: an object with a \"text\" is expected (see --jsonl)", path,
                            row);
            continue;
        }
        ids = cli_encode(tokenizer, text.p, text.n, cli_has(c, "special"), &n);
        cli_json_ids(stdout, ids, n);
        putchar('\n');
        free(ids);
    }
    if (f != stdin) fclose(f);
    free(line.p);
    free(text.p);
    return code;
}

static int run(const cli *c, const onebit_tokenizer *tokenizer, const onebit_model *model) {
    if (cli_has(c, "text")) return encode(c, tokenizer, cli_get(c, "text"));
    if (cli_has(c, "decode")) return decode(c, tokenizer, cli_get(c, "decode"));
    if (cli_has(c, "jsonl")) return encode_rows(c, tokenizer, cli_get(c, "jsonl"));
    if (cli_has(c, "data-dir"))
        return tokenize_data(c, tokenizer, cli_get(c, "data-dir"), model);
    cli_usage("what to do? Give --text, --decode, --jsonl, --data-dir or --train");
    return 2;
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    onebit_model *model = NULL;
    onebit_tokenizer *tokenizer = NULL;
    int code;
    if (cli_has(&c, "train")) return cli_finish(train(&c));
    if (cli_has(&c, "tokenizer")) {
        if (onebit_tokenizer_open(&tokenizer, cli_get(&c, "tokenizer"), NULL) != ONEBIT_OK)
            return cli_fail("%s (see --tokenizer)", onebit_error_text());
    } else if (cli_has(&c, "model")) model = cli_open_model(&c, NULL);
    else cli_usage("which tokenizer? Give --tokenizer FILE or --model FILE.1bit, or --train one");
    code = run(&c, model ? onebit_model_tokenizer(model) : tokenizer, model);
    onebit_tokenizer_free(tokenizer);
    onebit_model_free(model);
    free(c.given);
    return cli_finish(code);
}
