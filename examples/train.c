/* train.c - onebit-train: trains a 1-bit language model on your own text.

   cc -O3 -fopenmp examples/train.c -o onebit-train -lm        (without -fopenmp: one thread)
   ./onebit-train --data-dir my/texts
   ./onebit-train --data-dir my/texts --output-dir out --max-steps 4000 --resume */
#define ONEBIT_IMPLEMENTATION
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
    {"output-dir", "DIR", "where model, checkpoint, metrics and report.html go (default out)"},
    {"resume", "[PATH]",
     "go on from a checkpoint, or from the newest whole one of a directory (default: the output "
     "directory, which may also hold none yet)"},
    {"overwrite", NULL, "begin anew in an output directory that holds another run"},
    {"Model", NULL, NULL},
    {"preset", "NAME",
     "a shape by name; 'list' shows all, 'auto' suits the amount of text (default auto)"},
    {"config", "FILE", "a config.json; settings given as flags come on top"},
    {"model-config", "FILE", "the same as --config"},
    {"write-config", "FILE", "write the shape as a config.json to start from, and stop"},
    {"init-from", "PATH",
     "begin with the weights of this model, not with random ones; its shape and tokenizer too, "
     "unless flags name others"},
    {"layer-bit-map", "MODES",
     "how blocks are stored: ternary, binary, 8bit, f16 or f32; one for all, a list with one for "
     "each, JSON, or a file of onebit-search"},
    {"embedding", "MODE", "how the embedding is stored: f16, 8bit, ternary, binary or f32"},
    {"lm-head", "MODE", "the same for an untied head"},
    {"Running", NULL, NULL},
    {"twin", NULL, "then train the float32 twin too, and compare the two in the report"},
    {"dry-run", NULL, "show shape, parameters, file size, memory, epochs and time, and stop"},
    CLI_DEVICE("; on a GPU --backward-bits is 16 unless it is given"),
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

/* Flags of this framework's predecessors that have become something else. */
static const cli_row former[] = {
    {"dataset-id", NULL, "download the files first, then name their directory with --data-dir"},
    {"local-root", NULL, "download the files first, then name their directory with --data-dir"},
    {"disk-budget-gb", NULL, "training reads files and deletes none: --data-dir takes any subset"},
    {"steps-per-shard", NULL,
     "windows are drawn from all of --data-dir: --max-steps or --max-epochs say how many"},
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
    "dry-run device ",
    "data-dir",
    rows,
    CLI_MODEL | CLI_TRAIN,
    former};

/* ---- what is shown while it runs ---- */

enum { SPARKS = 24, COLUMNS = 79 };

/* loss[0..sparks): logarithms of the means of stride steps each; when full, neighbours join. */
typedef struct view {
    const cli *c;
    double loss[SPARKS], part, val_loss, last_loss, printed, first_seconds;
    int sparks, stride, in_part, first_step, last_step, drawn, twin;
} view;

/* Before the first step, of the model or of its twin. */
static void view_begin(view *v, int twin) {
    v->sparks = v->in_part = 0;
    v->stride = 1;
    v->part = v->val_loss = v->printed = v->first_seconds = 0;
    v->first_step = -1;
    v->twin = twin;
}

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

/* "step 120/2000  loss 2.345  val 2.401  12.3k tok/s  1m20s left"; the objective only where label
   smoothing sets it apart from the loss. A line that is redrawn must not wrap. */
static void view_step(view *v, const onebit_progress *p) {
    char line[160], total[16] = "", loss[32] = "none", goal[32] = "", val[32] = "";
    char speed[32], time[32];
    int done = p->step.step - v->first_step, width;
    if (p->max_steps) snprintf(total, sizeof total, "/%d", p->max_steps);
    if (v->val_loss > 0) snprintf(val, sizeof val, "  val %.3f", v->val_loss);
    if (p->step.loss > 0) snprintf(loss, sizeof loss, "%.3f", p->step.loss);
    if (p->step.objective != p->step.loss)
        snprintf(goal, sizeof goal, "  objective %.3f", p->step.objective);
    cli_count(speed, p->tokens_per_second);
    width = snprintf(line, sizeof line, "step %d%s  loss %s%s%s  %s tok/s", p->step.step, total,
                     loss, goal, val, speed);
    if (p->max_steps && done > 0 && (!v->drawn || width + 14 <= COLUMNS)) {
        cli_time(time, (p->seconds - v->first_seconds) / done * (p->max_steps - p->step.step));
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
    if (v->first_step < 0) v->first_step = p->step.step, v->first_seconds = p->seconds;
    if (p->step.loss > 0) view_push(v, p->step.loss); /* else there was no reply in the batches */
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
    if (p->kind == 's' && !p->twin) v->last_loss = p->step.loss;
    if (p->kind == 'b') view_begin(v, p->twin);
    if (p->kind == 'b') cli_limit = 2; /* from here on there is something to save */
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
        view_note(v, p->twin ? "\nthe float32 twin: " : "", p->note);
        break;
    default: /* checkpoints are routine; the end has its own summary */
        break;
    }
    return cli_interrupts != 0;
}

/* ---- settings ---- */

enum { SAMPLE = 32 << 20 }; /* bytes of a stream that are looked at beforehand */

/* The data as text, or the beginning of what is to be streamed; NULL for the standard input, which
   is read only once. */
static char *text_sample(const onebit_train_job *job, size_t *bytes) {
    onebit_data_options how = onebit_data_options_default();
    char *text = NULL;
    *bytes = 0;
    if (!strcmp(job->data_dir, "-")) return NULL;
    if (job->include_held_out) how.part = ONEBIT_PART_ALL;
    if (onebit_text_load(&text, bytes, job->data_dir, job->streaming ? SAMPLE : 0, &how,
                         job->env) != ONEBIT_OK &&
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
        exit(cli_fail("cannot read %s: %s (see --config; --write-config %s writes one)", path,
                      strerror(errno), path));
    if (onebit_config_parse(config, text.p, text.n) != ONEBIT_OK)
        exit(cli_fail("%s: %s", path, onebit_error_text()));
    free(text.p);
}

static void set_modes(const cli *c, onebit_config *config) {
    static const char *const name[] = {"layer-bit-map", "embedding", "lm-head"};
    int i;
    for (i = 0; i < 3; i++) {
        const char *value = cli_get(c, name[i]);
        if (i == 0) value = cli_layer_map(value);
        if (value && onebit_field_set(ONEBIT_TABLE_MODEL, config, name[i], value) != ONEBIT_OK)
            cli_usage("%s", onebit_error_text());
    }
    if (cli_has(c, "lm-head") && config->tie_word_embeddings && !c->quiet)
        fputs("note: --lm-head does nothing here: the head is the embedding (see "
              "--tie-word-embeddings)\n",
              stderr);
}

/* --config, which has two names. */
static const char *config_file(const cli *c) {
    const char *file = cli_get(c, "config");
    if (file && cli_has(c, "model-config")) cli_usage("give --config or --model-config, not both");
    return file ? file : cli_get(c, "model-config");
}

/* The shape of the model that --init-from names. */
static void read_model_shape(const char *path, onebit_config *config) {
    onebit_model *model = NULL;
    if (onebit_model_open(&model, path, NULL) != ONEBIT_OK)
        exit(cli_fail("%s (see --init-from)", onebit_error_text()));
    *config = *onebit_model_config(model);
    onebit_model_free(model);
}

/* Shape: the preset, or that of --init-from, then --config, then the flags. */
static onebit_config read_shape(const cli *c, const onebit_train_job *job) {
    onebit_config config = onebit_config_default();
    const char *preset = cli_get(c, "preset"), *file = config_file(c);
    int given = job->init_from && !file && !preset;
    size_t bytes = job->data_dir && !given && (!preset || !strcmp(preset, "auto"))
                       ? text_bytes(job)
                       : 0;
    int own = job->tokenizer || (job->tokenizer_kind && strcmp(job->tokenizer_kind, "bpe"));
    if (given) read_model_shape(job->init_from, &config);
    else if (!file || preset) {
        if (onebit_config_preset(&config, preset ? preset : "auto", bytes) != ONEBIT_OK)
            cli_usage("--preset: %s", onebit_error_text());
        if (own && !preset) config.vocab_size = 0; /* the tokenizer says */
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
    job.init_from = cli_get(c, "init-from");
    if (job.init_from && cli_has(c, "resume"))
        cli_usage("--resume goes on with a checkpoint's own weights; leave --init-from out");
    job.resume = cli_get(c, "resume");
    if (job.resume && !*job.resume) job.resume = job.output_dir;
    if (!job.data_dir && !cli_has(c, "write-config"))
        cli_usage("which text? Give --data-dir PATH");
    if (kind && strcmp(kind, "bpe") && strcmp(kind, "byte") && strcmp(kind, "char"))
        cli_usage("--tokenizer-kind: '%s' is none of bpe, byte, char", kind);
    return job;
}

/* 1 when the directory has the file, 0 when it has none of that name, -1 when it cannot be read. */
static int holds(const char *dir, const char *name) {
    cli_text path = {NULL, 0, 0};
    FILE *f;
    cli_add_text(&path, dir);
    cli_add_text(&path, "/");
    cli_add_text(&path, name);
    errno = 0;
    f = fopen(path.p, "rb");
    if (f) fclose(f);
    free(path.p);
    return f ? 1 : errno == ENOENT ? 0 : -1;
}

/* Says so when flags ask for another shape than the checkpoint's. */
static void note_shape(const cli *c, const onebit_config *have) {
    onebit_config asked;
    memcpy(&asked, have, sizeof asked);
    cli_apply(c, ONEBIT_TABLE_MODEL, &asked);
    set_modes(c, &asked);
    asked.vocab_size = have->vocab_size;
    if (!c->quiet &&
        (onebit_config_check(&asked) != ONEBIT_OK || memcmp(&asked, have, sizeof asked)))
        fputs("note: a resumed run keeps the checkpoint's model settings; flags that ask for "
              "others have no effect\n",
              stderr);
    if (!c->quiet && (cli_has(c, "tokenizer") || cli_has(c, "tokenizer-kind") ||
                      cli_count_given(c, ONEBIT_TABLE_TRAIN, "seed")))
        fputs("note: a resumed run keeps the checkpoint's tokenizer and seed\n", stderr);
}

/* A resumed run has shape, tokenizer and settings from the checkpoint; flags change single
   settings. --resume alone may stand in a command that is started again and again: where there is
   nothing to go on from yet, the run begins, and 0 is returned. */
static int read_resume(const cli *c, onebit_train_job *job, onebit_train_options *options) {
    onebit_status status;
    onebit_config have;
    if (cli_has(c, "dry-run")) cli_usage("--dry-run is for a new run: leave out --resume");
    status = onebit_checkpoint_settings(&have, options, job->resume, job->env);
    if (status == ONEBIT_IO && !*cli_get(c, "resume") &&
        holds(job->output_dir, "checkpoint.safetensors") == 0) {
        if (!c->quiet) fprintf(stderr, "no checkpoint in %s yet: starting anew\n", job->resume);
        job->resume = NULL;
        return 0;
    }
    if (status != ONEBIT_OK) exit(cli_fail("%s (see --resume)", onebit_error_text()));
    note_shape(c, &have);
    cli_apply(c, ONEBIT_TABLE_TRAIN, options);
    return 1;
}

/* ---- shapes: --preset list, --write-config ---- */

/* Every preset with the parameters that it truly has, whatever its name says. */
static int list_presets(const cli *c) {
    onebit_config p;
    char file[32];
    int i;
    if (!c->json)
        printf("%-21s %6s %5s %6s %7s %7s %11s %8s\n", "preset", "blocks", "width", "FFN",
               "context", "vocab", "parameters", "file");
    for (i = 0; onebit_preset_name(i); i++) {
        const char *name = onebit_preset_name(i);
        double parameters, bytes;
        if (onebit_config_preset(&p, name, 0) != ONEBIT_OK)
            return cli_fail("%s", onebit_error_text());
        parameters = (double)onebit_config_parameters(&p);
        bytes = (double)onebit_config_model_bytes(&p, NULL);
        if (c->json) {
            cli_json_key(stdout, 1, "preset");
            cli_json_string(stdout, name, strlen(name));
            cli_json_int(stdout, "parameters", parameters);
            cli_json_int(stdout, "model_bytes", bytes);
            puts("}");
        } else
            printf("%-21s %6d %5d %6d %7d %7d %10.1fM %8s\n", name, p.num_layers, p.hidden_size,
                   p.intermediate_size, p.max_seq_len, p.vocab_size, parameters / 1e6,
                   cli_size(file, bytes));
    }
    if (!c->json)
        puts("\nThe vocabulary is a proposal: a model has its tokenizer's. The file is\n"
             "model.1bit without its tokenizer. 'auto' takes one of the first five, by the\n"
             "amount of text.");
    return 0;
}

/* --write-config: every field, so that the file documents itself. */
static int write_config(const onebit_config *config, const char *path) {
    size_t n = onebit_config_write(config, NULL, 0);
    char *text = (char *)cli_alloc(n + 1);
    int ok;
    onebit_config_write(config, text, n + 1);
    ok = cli_write_file(path, text, n);
    free(text);
    return ok ? 0 : cli_fail("cannot write %s: %s", path, strerror(errno));
}

/* ---- dry run ---- */

/* What a run would be. tokens are those to train on, measured on a sample of the text. */
typedef struct plan {
    onebit_config config;
    onebit_tokenizer *tokenizer;
    double tokens, parameters, embedding, model_bytes, memory, per_step, steps, seconds;
    double free_memory; /* 0 = unknown */
    char lacking[512];  /* what a device says that cannot, as with too little memory */
} plan;

enum { PLAN_SAMPLE = 1 << 20 }; /* bytes of text that are encoded to guess the tokens */

/* The tokenizer that training would use; text may be NULL when it is named. */
static void plan_tokenizer(plan *p, const onebit_train_job *job, const char *text, size_t bytes) {
    const char *kind = job->tokenizer_kind ? job->tokenizer_kind : "bpe";
    onebit_status status;
    if (job->tokenizer) status = onebit_tokenizer_open(&p->tokenizer, job->tokenizer, job->env);
    else
        status = onebit_tokenizer_train(&p->tokenizer,
                                        !strcmp(kind, "bpe")    ? ONEBIT_TOKENIZER_BPE
                                        : !strcmp(kind, "char") ? ONEBIT_TOKENIZER_CHAR
                                                                : ONEBIT_TOKENIZER_BYTE,
                                        text, bytes,
                                        p->config.vocab_size ? p->config.vocab_size : 1024,
                                        job->env);
    if (status != ONEBIT_OK) exit(cli_fail("%s (see --tokenizer)", onebit_error_text()));
    p->config.vocab_size = onebit_tokenizer_vocab_size(p->tokenizer);
}

/* Tokenizer and tokens of --data-dir. */
static void plan_data(plan *p, const onebit_train_job *job) {
    size_t n = strlen(job->data_dir), bytes = 0, sample, ids = 0;
    char *text = NULL;
    if (n > 7 && !strcmp(job->data_dir + n - 7, ".tokens")) {
        if (!job->tokenizer) cli_usage("%s holds ids: name their --tokenizer", job->data_dir);
        plan_tokenizer(p, job, NULL, 0);
        p->tokens = (double)text_bytes(job) / 4;
    } else {
        text = text_sample(job, &bytes); /* NULL: the standard input, or ids among the files */
        plan_tokenizer(p, job, text, bytes);
        sample = bytes < (size_t)PLAN_SAMPLE ? bytes : (size_t)PLAN_SAMPLE;
        if (text) free(cli_encode(p->tokenizer, text, sample, 1, &ids));
        onebit_text_free(text, job->env);
        p->tokens = sample ? (double)bytes * ((double)ids / (double)sample) : 0;
    }
    if (!job->val_data_dir) p->tokens *= 1 - job->options->val_fraction;
}

/* Seconds of one update of the job, from the faster of two real ones on random ids with so many
   sequences per micro-batch; 0 on a device whose memory they do not fit into. */
static double plan_measure(plan *p, const onebit_train_job *job, int batch) {
    onebit_train_options o = *job->options;
    size_t i, n;
    int32_t *ids;
    onebit_trainer *trainer = NULL;
    onebit_parameter any;
    onebit_status status;
    double best = 0;
    int turn;
    o.batch_size = batch;
    n = (size_t)batch * (size_t)(o.seq_len ? o.seq_len : p->config.max_seq_len);
    ids = (int32_t *)cli_alloc((n + 1) * sizeof *ids);
    for (i = 0; i <= n; i++)
        ids[i] = (int32_t)((i * 2654435761u >> 7) % (size_t)p->config.vocab_size);
    status = onebit_trainer_create(&trainer, &p->config, &o, job->env);
    if (status != ONEBIT_OK && (status != ONEBIT_MEMORY || !job->env->device))
        exit(cli_fail("%s", onebit_error_text()));
    for (turn = 0; turn < 2 && trainer; turn++) {
        double start = cli_seconds(), middle, all;
        if (onebit_trainer_accumulate(trainer, ids, ids + 1, NULL) != ONEBIT_OK) break;
        middle = cli_seconds();
        if (onebit_trainer_update(trainer, NULL) != ONEBIT_OK) break;
        /* a device has only been told to: who looks at an array waits for it */
        if (onebit_trainer_parameter(trainer, 0, &any) != ONEBIT_OK) break;
        all = (middle - start) * o.accumulation_steps * job->options->batch_size / batch +
              (cli_seconds() - middle);
        if (turn == 0 || all < best) best = all;
    }
    if (best <= 0 && job->env->device)
        snprintf(p->lacking, sizeof p->lacking, "%s", onebit_error_text());
    onebit_trainer_free(trainer);
    free(ids);
    return best;
}

/* One sequence at a time first: where that shows that real updates would take long, it is enough.
   Without knowing what memory is free, only small models are tried; a device knows. */
static void plan_time(plan *p, const onebit_train_job *job) {
    double seconds, known;
    p->free_memory = cli_free_memory();
    known = p->free_memory > 0 ? p->free_memory : 1e9;
    if (!job->env->device && p->memory > known) return;
    seconds = plan_measure(p, job, 1);
    if (seconds > 0 && seconds < 10 && job->options->batch_size > 1)
        seconds = plan_measure(p, job, job->options->batch_size);
    p->seconds = seconds * p->steps;
}

/* Updates: as many as onebit_train would make of --max-steps and --max-epochs. */
static double plan_steps(const plan *p, const onebit_train_options *o) {
    double whole = ceil(p->tokens * o->max_epochs / p->per_step);
    if (!o->max_steps && !o->max_epochs)
        cli_usage("set --max-steps or --max-epochs: both are 0");
    return o->max_epochs && (!o->max_steps || whole < o->max_steps) ? whole : o->max_steps;
}

static plan plan_of(const onebit_train_job *job) {
    const onebit_train_options *o = job->options;
    plan p;
    memset(&p, 0, sizeof p);
    p.config = *job->config;
    plan_data(&p, job);
    if (onebit_config_check(&p.config) != ONEBIT_OK) cli_usage("%s", onebit_error_text());
    p.parameters = (double)onebit_config_parameters(&p.config);
    p.embedding = (double)p.config.vocab_size * p.config.hidden_size *
                  (p.config.tie_word_embeddings ? 1 : 2);
    p.model_bytes = (double)onebit_config_model_bytes(&p.config, p.tokenizer);
    p.memory = (double)onebit_trainer_bytes(&p.config, o, job->env);
    if (p.memory <= 0) cli_usage("%s", onebit_error_text());
    p.per_step = (double)o->batch_size * o->accumulation_steps *
                 (o->seq_len ? o->seq_len : p.config.max_seq_len);
    p.steps = plan_steps(&p, o);
    onebit_tokenizer_free(p.tokenizer);
    plan_time(&p, job);
    return p;
}

/* Total, parts, and what makes the largest part smaller. */
static void plan_print_memory(const plan *p, const onebit_train_job *job) {
    static const char *const name[] = {"weights", "gradients", "optimizer", "activations", "work"};
    static const char *const less[] = {
        "--hidden-size", "--hidden-size", "--optimizer muon",
        "--batch-size, --seq-len, --gradient-checkpointing-segments", "--batch-size, --seq-len"};
    size_t part[5];
    onebit_memory m;
    char a[32];
    int i, most = 0;
    if (onebit_trainer_memory(&p->config, job->options, job->env, &m) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    part[0] = m.weights, part[1] = m.gradients, part[2] = m.optimizer, part[3] = m.activations;
    part[4] = m.work;
    printf("memory      %s to train\n           ", cli_size(a, (double)m.total));
    for (i = 0; i < 5; i++) {
        printf("%s %s %s", i ? "," : "", name[i], cli_size(a, (double)part[i]));
        if (part[i] > part[most]) most = i;
    }
    printf("\n            less with %s\n", less[most]);
}

static void plan_print(const plan *p, const onebit_train_job *job) {
    const onebit_config *c = &p->config;
    char a[32], b[32], d[32];
    printf("shape       %d blocks, width %d, FFN %d, %d heads (%d key/value), context %d, "
           "vocabulary %d\n",
           c->num_layers, c->hidden_size, c->intermediate_size, c->num_heads,
           c->num_key_value_heads, c->max_seq_len, c->vocab_size);
    printf("parameters  %s: embedding %s, body %s\n", cli_count(a, p->parameters),
           cli_count(b, p->embedding), cli_count(d, p->parameters - p->embedding));
    printf("model.1bit  %s (%.0f bytes)\n", cli_size(a, p->model_bytes), p->model_bytes);
    plan_print_memory(p, job);
    printf("steps       %.0f of %s tokens", p->steps, cli_count(a, p->per_step));
    if (p->tokens > 0)
        printf(": %.2f epochs of about %s tokens", p->steps * p->per_step / p->tokens,
               cli_count(b, p->tokens));
    printf("\n");
    if (p->seconds > 0)
        printf("time        about %s on this machine, as busy as it is now\n",
               cli_time(a, p->seconds));
    else if (*p->lacking) printf("time        not measured: %s\n", p->lacking);
    else if (p->free_memory > 0)
        printf("time        not measured: only %s of memory are free\n",
               cli_size(a, p->free_memory));
    else puts("time        not measured: it is unknown whether the memory is there");
}

static void plan_print_json(const plan *p) {
    cli_json_key(stdout, 1, "parameters");
    printf("%.0f", p->parameters);
    cli_json_int(stdout, "embedding_parameters", p->embedding);
    cli_json_int(stdout, "model_bytes", p->model_bytes);
    cli_json_int(stdout, "memory_bytes", p->memory);
    cli_json_int(stdout, "vocab_size", p->config.vocab_size);
    cli_json_int(stdout, "num_layers", p->config.num_layers);
    cli_json_int(stdout, "hidden_size", p->config.hidden_size);
    cli_json_int(stdout, "tokens_per_step", p->per_step);
    cli_json_int(stdout, "tokens", p->tokens);
    cli_json_int(stdout, "steps", p->steps);
    cli_json_real(stdout, "epochs", p->tokens > 0 ? p->steps * p->per_step / p->tokens : 0);
    cli_json_real(stdout, "seconds", p->seconds > 0 ? p->seconds : NAN);
    puts("}");
}

static int dry_run(const cli *c, const onebit_train_job *job) {
    plan p = plan_of(job);
    if (c->json) plan_print_json(&p);
    else plan_print(&p, job);
    return 0;
}

/* ---- the end ---- */

/* Adds a word as the shell would take it. */
static void add_word(cli_text *t, const char *word) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=,:+@%";
    if (*word && word[strspn(word, plain)] == 0) {
        cli_add_text(t, word);
        return;
    }
    cli_add_text(t, "'");
    for (; *word; word++)
        if (*word == '\'') cli_add_text(t, "'\\''");
        else cli_add(t, word, 1);
    cli_add_text(t, "'");
}

static void print_word(const char *word) {
    cli_text t = {NULL, 0, 0};
    add_word(&t, word);
    fputs(t.p, stderr);
    free(t.p);
}

/* The command line for the report; it lives as long as the program. */
static const char *command_text(int argc, char **argv) {
    cli_text t = {NULL, 0, 0};
    int i;
    for (i = 0; i < argc; i++) {
        if (i) cli_add_text(&t, " ");
        add_word(&t, argv[i]);
    }
    return t.p;
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

/* How much more the model loses than its twin, in percent; not a number without a twin. */
static double gap(const onebit_train_result *r) {
    if (!(r->val_loss > 0 && r->twin_val_loss > 0)) return NAN;
    return 100 * (r->val_loss - r->twin_val_loss) / r->twin_val_loss;
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
    if (r->twin_val_loss > 0) {
        cli_json_real(stdout, "twin_val_loss", r->twin_val_loss);
        cli_json_real(stdout, "twin_bits_per_byte",
                      r->twin_bits_per_byte > 0 ? r->twin_bits_per_byte : NAN);
        cli_json_int(stdout, "twin_model_bytes", (double)r->twin_model_bytes);
        cli_json_real(stdout, "gap_percent", gap(r));
    }
    cli_json_text(stdout, "output_dir", dir);
    puts("}");
}

static void print_twin(const onebit_train_result *r) {
    char size[32];
    if (!(r->twin_val_loss > 0)) return;
    fprintf(stderr, "twin:   float32 %.4f nats/token", r->twin_val_loss);
    if (r->twin_bits_per_byte > 0) fprintf(stderr, ", %.4f bits per byte", r->twin_bits_per_byte);
    fprintf(stderr, ", %s: the model is %+.1f %% from it, at 1/%.1f of its size\n",
            cli_size(size, (double)r->twin_model_bytes), gap(r),
            (double)r->twin_model_bytes / (double)r->model_bytes);
}

static void print_summary(const onebit_train_result *r, const char *dir, const char *program,
                          int report, int done) {
    char a[32], b[32], c[32];
    if (done)
        fprintf(stderr, "\nnothing left to do: %d steps are done, see --max-steps\n", r->steps);
    else fprintf(stderr, "\ntrained %d steps in %s\n", r->steps, cli_time(a, r->seconds));
    fprintf(stderr, "model:  %s/model.1bit, %s, %s parameters\n", dir,
            cli_size(b, (double)r->model_bytes), cli_count(c, (double)r->parameters));
    if (r->train_loss > 0) fprintf(stderr, "loss:   %.4f nats/token in training\n", r->train_loss);
    if (r->val_loss > 0) {
        fprintf(stderr, "        %.4f nats/token in validation: perplexity %.2f", r->val_loss,
                exp(r->val_loss));
        if (r->bits_per_byte > 0) fprintf(stderr, ", %.4f bits per byte", r->bits_per_byte);
        fputc('\n', stderr);
    }
    print_twin(r);
    if (report) fprintf(stderr, "report: %s/report.html\n", dir);
    print_chat(program, dir);
}

/* What to do about a failure; one of a device's memory has said it. */
static const char *advice(onebit_status status, const onebit_env *env) {
    switch (status) {
    case ONEBIT_MEMORY:
        if (env->device) return "";
        return "; try a smaller --batch-size, --seq-len or --hidden-size";
    case ONEBIT_DIVERGED:
        return "; try a smaller --lr or a longer --lr-warmup-steps";
    default:
        return "";
    }
}

/* The health check's answer: every model that can be trained can learn one batch by heart. The
   library stops such a run as soon as the loss is below 0.1; one that is resumed after that has
   nothing to answer. */
static int overfit_code(const view *v, int steps) {
    if (v->last_step == 0) return 0;
    if (v->last_loss >= 0.1)
        return cli_fail("health check failed: after %d steps on one batch the loss is %.3f, not "
                        "below 0.1: change --lr or --max-steps, or the model cannot learn",
                        steps, v->last_loss);
    if (!v->c->quiet)
        fprintf(stderr, "health check passed: the loss on one batch is %.3f, below 0.1, after %d "
                        "steps\n",
                v->last_loss, steps);
    return 0;
}

/* Ctrl-C and SIGTERM: the first saves, the second ends at once; so does the first while nothing is
   there to save. */
static void catch_signals(const cli *c) {
    cli_limit = 1;
    if (!c->quiet) cli_stopping = "\nstopping after this step; once more stops at once\n";
    cli_catch_interrupt();
    signal(SIGTERM, cli_on_interrupt);
}

/* Refuses to begin where another run has left its checkpoint: a forgotten --resume must not cost
   days. */
static void check_output(const cli *c, const onebit_train_job *job) {
    if (!cli_has(c, "overwrite") && holds(job->output_dir, "checkpoint.safetensors") == 1)
        exit(cli_fail("%s holds another run: --resume goes on with it, --overwrite replaces it, "
                      "--output-dir takes another place",
                      job->output_dir));
}

/* What stops without training, and its exit code; -1 = nothing of that. */
static int only_asked(const cli *c, const onebit_train_job *job) {
    if (cli_has(c, "write-config")) return write_config(job->config, cli_get(c, "write-config"));
    if (cli_has(c, "dry-run")) return dry_run(c, job);
    return -1;
}

int main(int argc, char **argv) {
    cli c;
    onebit_env env;
    onebit_train_job job;
    onebit_train_options options;
    onebit_train_result result;
    onebit_config config;
    onebit_status status;
    int code;
    view v;
    c = cli_start(&spec, argc, argv);
    env = cli_env(&c);
    options = cli_train_options(&env);
    if (cli_has(&c, "preset") && !strcmp(cli_get(&c, "preset"), "list"))
        return cli_finish(list_presets(&c));
    job = read_job(&c, &env);
    memset(&v, 0, sizeof v);
    memset(&result, 0, sizeof result);
    v.c = &c;
    view_begin(&v, 0);
    job.twin = cli_has(&c, "twin");
    job.command = command_text(argc, argv);
    catch_signals(&c);
    cli_apply(&c, ONEBIT_TABLE_TRAIN, &options);
    job.options = &options;
    job.on_progress = on_progress;
    job.user = &v;
    if (!job.resume || !read_resume(&c, &job, &options)) {
        config = read_shape(&c, &job);
        job.config = &config;
        code = only_asked(&c, &job);
        if (code >= 0) return cli_finish(code);
        if (!job.resume) check_output(&c, &job);
    }
    status = onebit_train(&job, &result);
    view_clear(&v);
    if (options.overfit_one_batch && v.last_step > 0) result.train_loss = v.last_loss;
    if (status == ONEBIT_CANCELLED) {
        fprintf(stderr, "\nstopped at step %d%s; the checkpoint is in %s\n", v.last_step,
                v.twin ? " of the twin" : "", job.output_dir);
        print_resume(argc, argv, cli_has(&c, "resume"));
        if (c.json) print_json(&result, job.output_dir, "interrupted");
        cli_finish(0);
        return cli_interrupted();
    }
    if (status != ONEBIT_OK) return cli_fail("%s%s", onebit_error_text(), advice(status, &env));
    if (!c.quiet)
        print_summary(&result, job.output_dir, argv[0], options.report, job.resume && !v.last_step);
    code = options.overfit_one_batch ? overfit_code(&v, result.steps) : 0;
    if (c.json) print_json(&result, job.output_dir, code ? "failed" : "done");
    return cli_finish(code);
}
