/* generate.c - onebit-generate: a model continues a text.

   cc -O3 -fopenmp examples/generate.c -o onebit-generate -lm
   ./onebit-generate --model demo.1bit --prompt "Once upon a time"
   echo "Once upon a time" | ./onebit-generate --model demo.1bit --prompt-file - --json */
#define ONEBIT_IMPLEMENTATION
#include "cli.h"

static const cli_row rows[] = {
    {"Model and text", NULL, NULL},
    {"model", "PATH",
     "the model: a .1bit or GGUF file, a Hugging Face directory, a llama2.c file, or a name that "
     "onebit-inspect --list knows"},
    {"model-dir", "DIR", "the same as --model DIR/model.1bit"},
    {"prompt", "TEXT", "the beginning; '-' reads it from stdin"},
    {"prompt-file", "FILE", "the beginning from a file; '-' is stdin"},
    {"stop", "TEXT", "end before this text; may be given several times"},
    {"num-samples", "N", "how many texts, with seeds counted up (default 1)"},
    {"no-prompt", NULL, "print only what the model adds"},
    {"ids", NULL, "print the token ids too"},
    {"context", "N", "tokens that the model sees (default: its max_seq_len)"},
    {"Running", NULL, NULL},
    CLI_CACHE_BITS,
    CLI_FAST,
    CLI_TWO_STAGE,
    CLI_OPEN,
    CLI_DEVICE(""),
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

/* Flags of this framework's predecessors that have become something else. */
static const cli_row former[] = {
    {"chat", NULL, "talk with onebit-chat"},
    {"eval-perplexity", NULL, "measure with onebit-eval"},
    {"use-cached-quantized", NULL, "models are packed when they are exported"},
    CLI_END};

static const cli_spec spec = {
    "onebit-generate",
    "a 1-bit language model continues a text",
    "onebit-generate --model FILE.1bit --prompt TEXT [flags]",
    "examples:\n"
    "  onebit-generate --model demo.1bit --prompt \"Once upon a time\"\n"
    "  onebit-generate --model demo.1bit --prompt-file start.txt --temperature 0\n"
    "  echo \"Hello\" | onebit-generate --model demo.1bit --json --num-samples 3\n",
    "model prompt prompt-file max-tokens temperature top-p stop num-samples seed device json ",
    "model",
    rows,
    CLI_SAMPLE,
    former};

typedef struct output {
    const cli *c;
    cli_text text;
} output;

static int on_text(void *user, const char *text, size_t bytes) {
    output *o = (output *)user;
    cli_add(&o->text, text, bytes);
    if (!o->c->json && (fwrite(text, 1, bytes, stdout) != bytes || fflush(stdout))) return 1;
    return cli_interrupts != 0;
}

/* The prompt of --prompt, of --prompt-file, or of stdin when that is a pipe. */
static cli_text read_prompt(const cli *c) {
    cli_text text = {NULL, 0, 0};
    const char *prompt = cli_get(c, "prompt"), *file = cli_get(c, "prompt-file");
    if (prompt && !strcmp(prompt, "-")) {
        prompt = NULL;
        file = "-";
    }
    if (prompt && file) cli_usage("give --prompt or --prompt-file, not both");
    if (!prompt && !file && isatty(0)) cli_usage("which beginning? Give --prompt TEXT");
    cli_clear(&text);
    if (prompt) cli_add_text(&text, prompt);
    else {
        if (!file) file = "-";
        if (!cli_read_file(file, &text))
            exit(cli_fail("cannot read %s: %s (see --prompt-file)", file, strerror(errno)));
        if (text.n && text.p[text.n - 1] == '\n')
            text.p[--text.n] = 0; /* the line's end is not meant */
    }
    if (strlen(text.p) != text.n)
        exit(cli_fail("the prompt has a zero byte: text is expected (see --prompt-file)"));
    return text;
}

/* --stop in the order given, ended by NULL. */
static const char **read_stops(const cli *c) {
    const char **stop = (const char **)cli_alloc((size_t)(c->count + 1) * sizeof *stop);
    int i, n = 0;
    for (i = 0; i < c->count; i++)
        if (c->given[i].table < 0 && !strcmp(c->given[i].name, "stop") && *c->given[i].value)
            stop[n++] = c->given[i].value;
    stop[n] = NULL;
    return stop;
}

static void print_json(onebit_session *session, const char *prompt, const output *o,
                       const onebit_generation *g, int seed) {
    cli_json_key(stdout, 1, "prompt");
    cli_json_string(stdout, prompt, strlen(prompt));
    cli_json_key(stdout, 0, "text");
    cli_json_string(stdout, o->text.p, o->text.n);
    cli_json_int(stdout, "prompt_tokens", g->prompt_tokens);
    cli_json_int(stdout, "tokens", g->tokens);
    cli_json_real(stdout, "tokens_per_second", g->seconds > 0 ? g->tokens / g->seconds : 0);
    cli_json_text(stdout, "stopped", g->stopped ? g->stopped : "");
    cli_json_int(stdout, "seed", seed);
    if (cli_has(o->c, "ids")) {
        cli_json_key(stdout, 0, "ids");
        cli_json_ids(stdout, onebit_session_tokens(session),
                     (size_t)onebit_session_length(session));
    }
    puts("}");
}

static void print_ids(onebit_session *session) {
    const int32_t *ids = onebit_session_tokens(session);
    int i, n = onebit_session_length(session);
    printf("ids:");
    for (i = 0; i < n; i++) printf(" %ld", (long)ids[i]);
    putchar('\n');
}

static void print_speed(const onebit_generation *g) {
    char a[32];
    fprintf(stderr, "[%d tokens of prompt, %d generated, %s tok/s, ended by: %s]\n",
            g->prompt_tokens, g->tokens, cli_count(a, g->seconds > 0 ? g->tokens / g->seconds : 0),
            g->stopped ? g->stopped : "-");
}

/* One text; each sample starts from an empty session. */
static int sample(const cli *c, onebit_session *session, const char *prompt,
                  const onebit_generate_options *options) {
    onebit_generation report;
    output o;
    memset(&report, 0, sizeof report);
    memset(&o, 0, sizeof o);
    o.c = c;
    cli_clear(&o.text);
    if (onebit_session_rewind(session, 0) != ONEBIT_OK) return cli_fail("%s", onebit_error_text());
    if (!c->json && !cli_has(c, "no-prompt")) fputs(prompt, stdout);
    if (onebit_generate(session, prompt, options, on_text, &o, &report) != ONEBIT_OK &&
        !cli_interrupts)
        return cli_fail("%s (see --prompt, --context)", onebit_error_text());
    if (c->json) print_json(session, prompt, &o, &report, options->sample.seed);
    else putchar('\n');
    if (!c->json && cli_has(c, "ids")) print_ids(session);
    if (fflush(stdout) || ferror(stdout))
        return cli_fail("cannot write the output: %s", strerror(errno));
    if (!c->quiet && !c->json) print_speed(&report);
    free(o.text.p);
    return cli_interrupts ? 130 : 0;
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    onebit_env env = cli_env(&c);
    onebit_session_options how = onebit_session_options_default();
    onebit_generate_options options = onebit_generate_options_default();
    int i, code = 0, samples = cli_int(&c, "num-samples", 1, 1, 1000000);
    const char **stop = read_stops(&c);
    onebit_session *session = NULL;
    onebit_model *model;
    cli_text prompt;
    cli_apply(&c, ONEBIT_TABLE_SAMPLE, &options.sample);
    options.stop = stop;
    how.context = cli_int(&c, "context", 0, 1, 1 << 20);
    cli_session(&c, &how);
    model = cli_open_model(&c, &env);
    if (!onebit_model_tokenizer(model))
        return cli_fail("the model brings no tokenizer (see --tokenizer)");
    if (!how.context) how.context = cli_context(model);
    prompt = read_prompt(&c);
    if (onebit_session_create(&session, model, &how, &env) != ONEBIT_OK)
        code = cli_fail("%s (see --context)", onebit_error_text());
    cli_catch_interrupt();
    for (i = 0; i < samples && !code; i++) {
        code = sample(&c, session, prompt.p, &options);
        options.sample.seed++;
    }
    onebit_session_free(session);
    onebit_model_free(model);
    free(prompt.p);
    free(stop);
    free(c.given);
    return cli_finish(code);
}
