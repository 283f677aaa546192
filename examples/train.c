/* train.c - onebit-train: trains a 1-bit language model on your own text.

   cc -O3 -fopenmp examples/train.c -o onebit-train -lm        (without -fopenmp: one thread)
   ./onebit-train --data-dir my/texts
   ./onebit-train --data-dir my/texts --output-dir out --max-steps 4000 --resume */
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"
#include "cli.h"

static const cli_row rows[] = {
    {"Data and files", NULL, NULL},
    {"data-dir", "PATH",
     "what to learn: a file or directory (.txt, .md, .jsonl, .json, .tokens), '-' for the standard "
     "input, or several with commas between"},
    {"data-weights", "LIST",
     "how often to learn from each path, such as 3,1,1 (default: all are one corpus)"},
    {"val-data-dir", "PATH",
     "text to validate on (default: files of the data named valid, val, dev or eval; else its "
     "tail, see --val-fraction)"},
    {"include-held-out", NULL, "learn files named valid or test too"},
    {"streaming", NULL,
     "read text piece by piece instead of into memory: see --stream-buffer and --max-steps"},
    {"tokenizer", "FILE", "a tokenizer.json (default: one is trained on the data)"},
    {"tokenizer-kind", "KIND", "what to train: bpe, byte or char (default bpe)"},
    {"output-dir", "DIR", "where model, checkpoint, metrics.csv and loss.svg go (default out)"},
    {"resume", "[PATH]",
     "go on from a checkpoint or its directory (default: the output directory)"},
    {"Model", NULL, NULL},
    {"preset", "NAME", "a shape by name; 'auto' suits the amount of text (default auto)"},
    {"config", "FILE", "a config.json; settings given as flags come on top"},
    {"layer-bit-map", "MODES",
     "how blocks are stored: ternary, binary, 8bit, f16 or f32; one for all, or a list with one "
     "for each"},
    {"embedding", "MODE", "how the embedding is stored: f16, 8bit, ternary, binary or f32"},
    {"lm-head", "MODE", "the same for an untied head"},
    {"Running", NULL, NULL},
    {"dry-run", NULL, "show shape, parameters and memory, and stop"},
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

static const cli_spec spec = {
    "onebit-train",
    "trains a 1-bit language model on your own text",
    "onebit-train --data-dir PATH [--output-dir DIR] [flags]",
    "examples:\n"
    "  onebit-train --data-dir my/texts                     text in, model out\n"
    "  onebit-train --data-dir talk.txt --max-steps 500 --tokenizer-kind char\n"
    "  onebit-train --data-dir my/texts --resume            go on where it stopped\n"
    "  onebit-train --data-dir my/texts --preset tiny --dry-run\n",
    "data-dir output-dir preset max-steps batch-size lr layer-bit-map chat-template resume "
    "dry-run ",
    "data-dir",
    rows,
    CLI_MODEL | CLI_TRAIN};

/* ---- what is shown while it runs ---- */

enum { SPARKS = 24, COLUMNS = 79 };

/* loss[0..sparks): logarithms of the means of stride steps each; when full, neighbours are joined. */
typedef struct view {
    const cli *c;
    double loss[SPARKS], part, val_loss, printed;
    int sparks, stride, in_part, first_step, last_step, drawn;
} view;

static void view_push(view *v, double loss) {
    int i;
    v->part += loss;
    if (++v->in_part < v->stride) return;
    if (v->sparks == SPARKS) {
        for (i = 0; i < SPARKS / 2; i++) v->loss[i] = (v->loss[2 * i] + v->loss[2 * i + 1]) / 2;
        v->sparks /= 2;
        v->stride *= 2;
        return;
    }
    v->loss[v->sparks++] = log(v->part / v->in_part + 1e-9);
    v->part = 0;
    v->in_part = 0;
}

/* The last losses, at most room of them, as blocks; by their logarithm, so that the first steps do
   not flatten the rest. */
static void view_sparkline(const view *v, int room) {
    static const char *const block[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                        "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const ascii[] = {"_", ".", "-", "~", "=", "+", "*", "#"};
    double low = 1e30, high = -1e30;
    int i, from = v->sparks > room ? v->sparks - room : 0;
    for (i = from; i < v->sparks; i++) {
        if (v->loss[i] < low) low = v->loss[i];
        if (v->loss[i] > high) high = v->loss[i];
    }
    for (i = from; i < v->sparks && room > 0; i++) {
        int level = high > low ? (int)((v->loss[i] - low) / (high - low) * 7.99) : 0;
        fputs((v->c->utf8 ? block : ascii)[level], stderr);
    }
}

static void view_clear(view *v) {
    if (v->drawn) fputs("\r\033[K", stderr);
    v->drawn = 0;
}

/* "step 120/2000  loss 2.345  val 2.401  12.3k tok/s  1m20s left". */
static void view_step(view *v, const onebit_progress *p) {
    char line[160], total[16] = "", val[32] = "", speed[32], time[32];
    int done = p->step.step - v->first_step, width;
    if (p->max_steps) snprintf(total, sizeof total, "/%d", p->max_steps);
    if (v->val_loss > 0) snprintf(val, sizeof val, "  val %.3f", v->val_loss);
    cli_count(speed, p->tokens_per_second);
    width = snprintf(line, sizeof line, "step %d%s  loss %.3f%s  %s tok/s", p->step.step, total,
                     p->step.loss, val, speed);
    if (p->max_steps && done > 0) {
        cli_time(time, p->seconds / done * (p->max_steps - p->step.step));
        width += snprintf(line + width, 40, "  %s left", time);
    }
    fputs(line, stderr);
    if (!v->drawn) return;
    fputs("  ", stderr);
    view_sparkline(v, COLUMNS - 2 - width);
}

/* A terminal gets a line that is redrawn ten times a second, a file a plain line now and then. */
static void view_progress(view *v, const onebit_progress *p) {
    int last = p->max_steps && p->step.step >= p->max_steps;
    if (v->first_step < 0) v->first_step = p->step.step - 1;
    v->last_step = p->step.step;
    view_push(v, p->step.loss);
    if (v->c->live) {
        if (p->seconds - v->printed < 0.1 && !last && v->printed > 0) return;
        view_clear(v);
        v->drawn = 1;
        view_step(v, p);
        fflush(stderr);
    } else {
        int every = p->max_steps >= 20 ? p->max_steps / 20 : 1;
        if (p->step.step % every && !last && p->seconds - v->printed < 30) return;
        view_step(v, p);
        fputc('\n', stderr);
    }
    v->printed = p->seconds;
}

static void view_note(view *v, const char *label, const char *note) {
    view_clear(v);
    fprintf(stderr, "%s%s\n", label, note ? note : "");
}

static int on_progress(void *user, const onebit_progress *p) {
    view *v = (view *)user;
    char line[128];
    if (p->kind == 's') v->last_step = p->step.step;
    if (v->c->quiet) return cli_interrupts != 0;
    switch (p->kind) {
    case 's':
        view_progress(v, p);
        break;
    case 'v':
        v->val_loss = p->val_loss;
        snprintf(line, sizeof line, "step %d  validation %.4f nats/token", p->step.step,
                 p->val_loss);
        if (p->bits_per_byte > 0)
            snprintf(line + strlen(line), 64, ", %.4f bits/byte", p->bits_per_byte);
        view_note(v, line, "");
        break;
    case 'w':
        view_note(v, v->c->color ? "\033[33mwarning:\033[0m " : "warning: ", p->note);
        break;
    case 'q': /* a line for each layer: for those who ask */
        if (!cli_count_given(v->c, ONEBIT_TABLE_TRAIN, "debug_every")) break;
        snprintf(line, sizeof line, "step %d  codes of ", p->step.step);
        view_note(v, line, p->note);
        break;
    case 'b':
        view_note(v, "", p->note);
        break;
    default: /* checkpoints are routine; the end has its own summary */
        break;
    }
    return cli_interrupts != 0;
}

/* ---- settings ---- */

enum { SAMPLE = 32 << 20 }; /* bytes of text that are looked at beforehand, as onebit_train does */

/* The beginning of the data as text; NULL for the standard input, which is read only once. */
static char *text_sample(const onebit_train_job *job, size_t *bytes) {
    onebit_data_options how = onebit_data_options_default();
    char *text = NULL;
    *bytes = 0;
    if (!strcmp(job->data_dir, "-")) return NULL;
    if (job->include_held_out) how.part = ONEBIT_PART_ALL;
    if (onebit_text_load(&text, bytes, job->data_dir, SAMPLE, &how, job->env) != ONEBIT_OK &&
        !job->tokenizer) /* else there may be nothing but ids */
        exit(cli_fail("%s (see --data-dir)", onebit_error_text()));
    return text;
}

/* Bytes of text behind a path, for the automatic shape, 0 = unknown; a token of a .tokens file
   counts four. */
static size_t text_bytes(const onebit_train_job *job) {
    onebit_dataset *tokens = NULL;
    const char *path = job->data_dir;
    size_t n = strlen(path), bytes = 0;
    if (n > 7 && !strcmp(path + n - 7, ".tokens") &&
        onebit_dataset_open(&tokens, path, NULL, NULL, job->env) == ONEBIT_OK) {
        onebit_dataset_tokens(tokens, &bytes);
        onebit_dataset_free(tokens);
        return bytes * 4;
    }
    onebit_text_free(text_sample(job, &bytes), job->env);
    return bytes;
}

static void read_config(const char *path, onebit_config *config) {
    cli_text text = {NULL, 0, 0};
    if (!cli_read_file(path, &text))
        exit(cli_fail("cannot read %s: %s (see --config)", path, strerror(errno)));
    if (onebit_config_parse(config, text.p, text.n) != ONEBIT_OK)
        exit(cli_fail("%s: %s", path, onebit_error_text()));
    free(text.p);
}

static void set_modes(const cli *c, onebit_config *config) {
    static const char *const name[] = {"layer-bit-map", "embedding", "lm-head"};
    int i;
    for (i = 0; i < 3; i++) {
        const char *value = cli_get(c, name[i]);
        if (value && onebit_field_set(ONEBIT_TABLE_MODEL, config, name[i], value) != ONEBIT_OK)
            cli_usage("%s", onebit_error_text());
    }
}

/* Shape: the preset, then --config, then the flags. */
static onebit_config read_shape(const cli *c, const onebit_train_job *job) {
    onebit_config config = onebit_config_default();
    const char *preset = cli_get(c, "preset"), *file = cli_get(c, "config");
    int own = job->tokenizer || (job->tokenizer_kind && strcmp(job->tokenizer_kind, "bpe"));
    if (!file || preset) {
        if (onebit_config_preset(&config, preset ? preset : "auto", text_bytes(job)) != ONEBIT_OK)
            cli_usage("--preset: %s", onebit_error_text());
        if (own) config.vocab_size = 0; /* the tokenizer says */
    }
    if (file) read_config(file, &config);
    cli_apply(c, ONEBIT_TABLE_MODEL, &config);
    set_modes(c, &config);
    return config;
}

static onebit_train_job read_job(const cli *c, const onebit_env *env) {
    onebit_train_job job = onebit_train_job_default();
    const char *kind = cli_get(c, "tokenizer-kind");
    job.env = env;
    job.data_dir = cli_get(c, "data-dir");
    job.data_weights = cli_get(c, "data-weights");
    job.val_data_dir = cli_get(c, "val-data-dir");
    job.include_held_out = cli_has(c, "include-held-out");
    job.streaming = cli_has(c, "streaming");
    job.tokenizer = cli_get(c, "tokenizer");
    if (kind) job.tokenizer_kind = kind;
    if (cli_get(c, "output-dir")) job.output_dir = cli_get(c, "output-dir");
    if (!job.output_dir) job.output_dir = "out";
    job.resume = cli_get(c, "resume");
    if (job.resume && !*job.resume) job.resume = job.output_dir;
    if (!job.data_dir) cli_usage("which text? Give --data-dir PATH");
    if (kind && strcmp(kind, "bpe") && strcmp(kind, "byte") && strcmp(kind, "char"))
        cli_usage("--tokenizer-kind: '%s' is none of bpe, byte, char", kind);
    return job;
}

/* A resumed run has shape, tokenizer and settings from the checkpoint; flags change single settings. */
static void read_resume(const cli *c, onebit_train_job *job, onebit_train_options *options) {
    if (cli_has(c, "dry-run")) cli_usage("--dry-run is for a new run: leave out --resume");
    if (onebit_checkpoint_settings(NULL, options, job->resume, job->env) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    cli_apply(c, ONEBIT_TABLE_TRAIN, options);
}

/* ---- dry run ---- */

/* The vocabulary that training would use, without training a BPE. */
static int vocabulary(const onebit_train_job *job, const onebit_config *config) {
    onebit_tokenizer *tokenizer = NULL;
    const char *kind = job->tokenizer_kind ? job->tokenizer_kind : "bpe";
    char *text = NULL;
    size_t bytes = 0;
    int size;
    onebit_status status = ONEBIT_OK;
    if (job->tokenizer) status = onebit_tokenizer_open(&tokenizer, job->tokenizer, job->env);
    else if (!strcmp(kind, "bpe")) return config->vocab_size;
    else {
        text = text_sample(job, &bytes);
        status = onebit_tokenizer_train(
            &tokenizer, strcmp(kind, "char") ? ONEBIT_TOKENIZER_BYTE : ONEBIT_TOKENIZER_CHAR, text,
            bytes, 0, job->env);
        onebit_text_free(text, job->env);
    }
    if (status != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    size = onebit_tokenizer_vocab_size(tokenizer);
    onebit_tokenizer_free(tokenizer);
    return size;
}

static int dry_run(const cli *c, const onebit_train_job *job) {
    onebit_config config = *job->config;
    char a[32], b[32];
    double parameters, bytes;
    config.vocab_size = vocabulary(job, &config);
    if (onebit_config_check(&config) != ONEBIT_OK) cli_usage("%s", onebit_error_text());
    parameters = (double)onebit_config_parameters(&config);
    bytes = (double)onebit_trainer_bytes(&config, job->options, job->env);
    if (bytes <= 0) cli_usage("%s", onebit_error_text());
    if (c->json) {
        cli_json_key(stdout, 1, "parameters");
        printf("%.0f", parameters);
        cli_json_int(stdout, "memory_bytes", bytes);
        cli_json_int(stdout, "vocab_size", config.vocab_size);
        cli_json_int(stdout, "num_layers", config.num_layers);
        cli_json_int(stdout, "hidden_size", config.hidden_size);
        puts("}");
        return 0;
    }
    printf("shape       %d blocks, width %d, FFN %d, %d heads (%d key/value), context %d, "
           "vocabulary %d\n",
           config.num_layers, config.hidden_size, config.intermediate_size, config.num_heads,
           config.num_key_value_heads, config.max_seq_len, config.vocab_size);
    printf("parameters  %s\n", cli_count(a, parameters));
    printf("memory      %s to train (batch %d x %d tokens; less: --batch-size, --seq-len, "
           "--hidden-size)\n",
           cli_size(b, bytes), job->options->batch_size,
           job->options->seq_len ? job->options->seq_len : config.max_seq_len);
    return 0;
}

/* ---- the end ---- */

static void print_word(const char *word) {
    int plain =
        word[strspn(
            word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=,:+@%")] == 0;
    if (plain && *word) {
        fputs(word, stderr);
        return;
    }
    fputc('\'', stderr);
    for (; *word; word++)
        if (*word == '\'') fputs("'\\''", stderr);
        else fputc(*word, stderr);
    fputc('\'', stderr);
}

/* The command line again, with --resume, for the shell. */
static void print_resume(int argc, char **argv, int resumed) {
    int i;
    fputs("go on:  ", stderr);
    for (i = 0; i < argc; i++) {
        if (i) fputc(' ', stderr);
        print_word(argv[i]);
    }
    fprintf(stderr, "%s\n", resumed ? "" : " --resume");
}

/* onebit-chat as it is called from here: beside this program. */
static void print_chat(const char *program, const char *dir) {
    const char *slash = strrchr(program, '/');
    cli_text path = {NULL, 0, 0};
    if (slash) cli_add(&path, program, (size_t)(slash - program) + 1);
    cli_add_text(&path, "onebit-chat");
    fputs("chat:   ", stderr);
    print_word(path.p);
    fputs(" --model ", stderr);
    cli_clear(&path);
    cli_add_text(&path, dir);
    cli_add_text(&path, "/model.1bit");
    print_word(path.p);
    fputc('\n', stderr);
    free(path.p);
}

static void print_json(const onebit_train_result *r, const char *dir, const char *status) {
    cli_json_key(stdout, 1, "status");
    cli_json_string(stdout, status, strlen(status));
    cli_json_int(stdout, "steps", r->steps);
    cli_json_real(stdout, "train_loss", r->train_loss);
    cli_json_real(stdout, "val_loss", r->val_loss > 0 ? r->val_loss : NAN);
    cli_json_real(stdout, "bits_per_byte", r->bits_per_byte > 0 ? r->bits_per_byte : NAN);
    cli_json_real(stdout, "perplexity", r->val_loss > 0 ? exp(r->val_loss) : NAN);
    cli_json_real(stdout, "seconds", r->seconds);
    cli_json_int(stdout, "parameters", (double)r->parameters);
    cli_json_int(stdout, "model_bytes", (double)r->model_bytes);
    cli_json_text(stdout, "output_dir", dir);
    puts("}");
}

static void print_summary(const onebit_train_result *r, const char *dir, const char *program) {
    char a[32], b[32], c[32];
    fprintf(stderr, "\ntrained %d steps in %s\n", r->steps, cli_time(a, r->seconds));
    fprintf(stderr, "model:  %s/model.1bit, %s, %s parameters\n", dir,
            cli_size(b, (double)r->model_bytes), cli_count(c, (double)r->parameters));
    if (r->train_loss > 0) fprintf(stderr, "loss:   %.4f nats/token in training\n", r->train_loss);
    if (r->val_loss > 0) {
        fprintf(stderr, "        %.4f nats/token in validation: perplexity %.2f", r->val_loss,
                exp(r->val_loss));
        if (r->bits_per_byte > 0) fprintf(stderr, ", %.4f bits per byte", r->bits_per_byte);
        fputc('\n', stderr);
    }
    print_chat(program, dir);
}

static const char *advice(onebit_status status) {
    switch (status) {
    case ONEBIT_MEMORY:
        return "; try a smaller --batch-size, --seq-len or --hidden-size";
    case ONEBIT_DIVERGED:
        return "; try a smaller --lr or a longer --lr-warmup-steps";
    default:
        return "";
    }
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    onebit_env env = cli_env(&c);
    onebit_train_job job = read_job(&c, &env);
    onebit_train_options options = onebit_train_options_default();
    onebit_train_result result;
    onebit_config config;
    onebit_status status;
    view v;
    memset(&v, 0, sizeof v);
    memset(&result, 0, sizeof result);
    v.c = &c;
    v.stride = 1;
    v.first_step = -1;
    cli_catch_interrupt();
    cli_apply(&c, ONEBIT_TABLE_TRAIN, &options);
    job.options = &options;
    job.on_progress = on_progress;
    job.user = &v;
    if (job.resume) read_resume(&c, &job, &options);
    else {
        config = read_shape(&c, &job);
        job.config = &config;
        if (cli_has(&c, "dry-run")) return cli_finish(dry_run(&c, &job));
    }
    status = onebit_train(&job, &result);
    view_clear(&v);
    if (status == ONEBIT_CANCELLED) {
        fprintf(stderr, "\nstopped at step %d; the checkpoint is in %s\n", v.last_step,
                job.output_dir);
        print_resume(argc, argv, cli_has(&c, "resume"));
        if (c.json) print_json(&result, job.output_dir, "interrupted");
        cli_finish(0);
        return 130;
    }
    if (status != ONEBIT_OK) return cli_fail("%s%s", onebit_error_text(), advice(status));
    if (!c.quiet) print_summary(&result, job.output_dir, argv[0]);
    if (c.json) print_json(&result, job.output_dir, "done");
    return cli_finish(0);
}
