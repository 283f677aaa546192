/* export.c - onebit-export: stores a model anew: packed, for other programs, or as C source.

   cc -O3 -fopenmp examples/export.c -o onebit-export -lm
   ./onebit-export --model-dir out --packing 1.6bit --output small.1bit
   ./onebit-export --model ggml-model-i2_s.gguf --output bitnet.1bit
   ./onebit-export --model demo.1bit --format gguf --output demo.gguf
   ./onebit-export --model demo.1bit --list
   ./onebit-export --model demo.1bit --emit-c-header demo.h */
#define ONEBIT_IMPLEMENTATION
#include "cli.h"
#ifndef _WIN32
#include <sys/stat.h>
#endif

static const cli_row rows[] = {
    {"From", NULL, NULL},
    {"model-dir", "DIR",
     "what onebit-train left: model.safetensors, config.json, tokenizer.json (or the checkpoint)"},
    {"checkpoint", "FILE", "a checkpoint.safetensors"},
    {"model", "PATH",
     "any model that onebit-chat opens: a .1bit or GGUF file, a Hugging Face directory, llama2.c"},
    {"To", NULL, NULL},
    {"output", "PATH",
     "the file (default model.1bit; none when only a C header is asked for), or with --format "
     "safetensors or hf a directory"},
    {"format", "NAME",
     "1bit, safetensors (plain, to come back here), gguf (llama.cpp), hf (transformers); default "
     "1bit"},
    {"type", "NAME",
     "with gguf and hf: type of the matrices of blocks: tq2_0, tq1_0, i2_s, q1_0, q2_0, q8_0, f16, "
     "bf16 or f32 (default: what holds them as they are; hf: packed codes)"},
    {"head-type", "NAME", "with gguf: type of embedding and head: f16, bf16, q8_0 or f32"},
    {"weights", "NAME",
     "with --format safetensors: deployed (what the model computes with, the default) or latent "
     "(what training moves)"},
    {"emit-c-header", "[FILE.h]",
     "the model as a C header of 64-bit words (default: --output with .h)"},
    {"emit-incbin", "[FILE.S]",
     "the same as assembly that includes the .1bit, with its .h: for models of more than some "
     "megabytes"},
    {"How", NULL, NULL},
    {"packing", "NAME",
     "ternary weights in 2bit (faster) or 1.6bit (smaller, the same numbers); default 2bit"},
    {"pack-mode", "NAME",
     "store all blocks as ternary, binary, 8bit, f16 or f32 (default: as they were trained)"},
    {"quantize", "NAME",
     "make a model of floats ternary or binary after its training, by the nearest codes of each "
     "group; needs --val-data, which says what is lost"},
    {"calibration", "TEXT",
     "with --quantize: a text that the float model reads first; an error of a weight then counts "
     "as much as the input that the weight meets. Not the text of --val-data"},
    {"calibration-tokens", "N", "how much of it (default 4096)"},
    {"planes", "N",
     "with --quantize ternary: 2 = each matrix is the sum of two ternary ones, in twice the bytes "
     "and time, and far nearer; default 1"},
    {"scale-group", "N",
     "weights that share a scale: 32, 64, 128 or 256 (default as it is; with --quantize 128)"},
    {"embedding", "NAME", "store the embedding in this mode (default: as it was trained)"},
    {"lm-head", "NAME", "store an untied head in this mode (default: as it was trained)"},
    {"val-data", "PATH", "text on which to measure the loss before and after"},
    {"Looking", NULL, NULL},
    {"list", NULL, "only show the tensors of a file, and the sizes of a .1bit; writes nothing"},
    {"Running", NULL, NULL},
    CLI_OPEN,
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

/* Flags of this framework's predecessors that have become something else. */
static const cli_row former[] = {
    {"checkpoint-dir", NULL, "name the directory with --model-dir"},
    {"output-dir", NULL, "name a directory with --format safetensors --output DIR"},
    CLI_END};

static const cli_spec spec = {
    "onebit-export",
    "stores a model: packed, for other programs, as C source",
    "onebit-export (--model-dir DIR|--checkpoint FILE|--model PATH) [flags]",
    "examples:\n"
    "  onebit-export --model-dir out --packing 1.6bit --output small.1bit\n"
    "  onebit-export --model demo.1bit --embedding 8bit --val-data valid.txt\n"
    "  onebit-export --model demo.1bit --list\n"
    "  onebit-export --model demo.1bit --format gguf --output demo.gguf\n"
    "  onebit-export --model ggml-model-i2_s.gguf --format hf --output bitnet\n"
    "  onebit-export --model SmolLM --quantize ternary --val-data text.txt\n"
    "  onebit-export --model SmolLM --quantize ternary --planes 2 --val-data text.txt\n"
    "  onebit-export --model demo.1bit --emit-c-header demo.h\n"
    "  onebit-export --model-dir out --format safetensors --output hf\n",
    "model-dir checkpoint model output format type packing quantize val-data emit-c-header list "
    "json ",
    "model",
    rows,
    0,
    former};

/* The mode that a flag names, -1 without it. */
static int mode_of(const cli *c, const char *flag) {
    const char *given = cli_get(c, flag);
    int mode = given ? onebit_mode_parse(given) : -1;
    if (given && mode < 0)
        cli_usage("--%s: '%s' is none of f32, f16, 8bit, ternary, binary", flag, given);
    return mode;
}

/* ---- sizes ---- */

enum { EMBEDDING, BLOCKS, NORMS, HEAD, CLASSES };
static const char *const class_name[CLASSES] = {"embedding", "blocks", "norms", "head"};

typedef struct sizes {
    double numbers[CLASSES], bytes[CLASSES]; /* weights, and what they take with their scales */
    int tensors[CLASSES];
    double tokenizer, file, parameters; /* bytes, bytes, weights of the whole model */
} sizes;

static int class_of(const char *name) {
    if (strstr(name, "norm")) return NORMS;
    if (strstr(name, "embed")) return EMBEDDING;
    return strstr(name, "lm_head") ? HEAD : BLOCKS;
}

/* A number of a .1bit's head: bytes of the file at 8, of the tokenizer at 56 (onebit.h, >>files). */
static double head_number(const unsigned char *p) {
    double v = 0;
    int i;
    for (i = 7; i >= 0; i--) v = v * 256 + p[i];
    return v;
}

static sizes measure(const char *path, const onebit_model *model) {
    unsigned char head[64] = {0};
    onebit_tensor_info t;
    sizes s;
    int i;
    FILE *f = fopen(path, "rb");
    if (!f || fread(head, 1, sizeof head, f) != sizeof head)
        exit(cli_fail("cannot read %s: %s", path, strerror(errno)));
    fclose(f);
    memset(&s, 0, sizeof s);
    s.file = head_number(head + 8), s.tokenizer = head_number(head + 56);
    s.parameters = (double)onebit_config_parameters(onebit_model_config(model));
    for (i = 0; onebit_model_tensor(model, i, &t) == ONEBIT_OK; i++) {
        int k = class_of(t.name);
        s.tensors[k]++;
        s.numbers[k] += (double)t.rows * t.cols;
        s.bytes[k] += (double)t.bytes;
    }
    return s;
}

/* Config, records and padding. */
static double rest_of(const sizes *s) {
    return s->file - s->bytes[0] - s->bytes[1] - s->bytes[2] - s->bytes[3] - s->tokenizer;
}

static void print_sizes(const sizes *s) {
    int i;
    printf("%-10s %8s %13s %13s %12s\n", "part", "tensors", "weights", "bytes", "bits/weight");
    for (i = 0; i < CLASSES; i++)
        if (s->tensors[i])
            printf("%-10s %8d %13.0f %13.0f %12.3f\n", class_name[i], s->tensors[i], s->numbers[i],
                   s->bytes[i], 8 * s->bytes[i] / s->numbers[i]);
    printf("%-10s %8s %13s %13.0f\n", "tokenizer", "", "", s->tokenizer);
    printf("%-10s %8s %13s %13.0f\n", "rest", "", "", rest_of(s));
    printf("%-10s %8s %13.0f %13.0f %12.3f\n", "total", "", s->parameters, s->file,
           8 * s->file / s->parameters);
    printf("FP16 would take %.0f bytes, embedding included: %.2f times as many\n",
           2 * s->parameters, 2 * s->parameters / s->file);
}

static void json_sizes(const sizes *s) {
    int i;
    cli_json_int(stdout, "bytes", s->file);
    cli_json_int(stdout, "parameters", s->parameters);
    cli_json_real(stdout, "bits_per_weight", 8 * s->file / s->parameters);
    cli_json_int(stdout, "fp16_bytes", 2 * s->parameters);
    cli_json_real(stdout, "fp16_ratio", 2 * s->parameters / s->file);
    cli_json_key(stdout, 0, "parts");
    for (i = 0; i < CLASSES; i++) {
        cli_json_key(stdout, i == 0, class_name[i]);
        printf("{\"tensors\": %d", s->tensors[i]);
        cli_json_int(stdout, "weights", s->numbers[i]);
        cli_json_int(stdout, "bytes", s->bytes[i]);
        putchar('}');
    }
    cli_json_int(stdout, "tokenizer", s->tokenizer);
    cli_json_int(stdout, "rest", rest_of(s));
    putchar('}');
}

/* ---- --list ---- */

typedef struct listing {
    const cli *c;
    int count;
} listing;

static int on_tensor(void *user, const onebit_tensor_info *t) {
    listing *l = (listing *)user;
    if (l->c->json) {
        fputs(l->count ? ", {\"name\": " : "{\"tensors\": [{\"name\": ", stdout);
        cli_json_string(stdout, t->name, strlen(t->name));
        cli_json_text(stdout, "format", t->format);
        printf(", \"rows\": %d, \"cols\": %d", t->rows, t->cols);
        cli_json_int(stdout, "bytes", (double)t->bytes);
        cli_json_real(stdout, "scale", t->scale);
        putchar('}');
    } else {
        printf("%-48s %-10s %7d x %-7d %12.0f\n", t->name, t->format, t->rows, t->cols,
               (double)t->bytes);
    }
    l->count++;
    return 0;
}

/* The version of a .1bit; 0 when a file is none. */
static int version_of(const char *path) {
    unsigned char head[8] = {0};
    FILE *f = fopen(path, "rb");
    int is = f && fread(head, 1, 8, f) == 8 && !memcmp(head, "1BIT", 4);
    if (f) fclose(f);
    return is ? head[4] : 0;
}

static void warn_old(const char *path) {
    fprintf(stderr,
            "%s: WARNING: %s is a .1bit of version 1: bare codes without scales, norms and "
            "embedding cut to -1, 0, +1 too; it cannot speak, only be listed or taken out with "
            "--format safetensors\n",
            cli_program, path);
}

/* Every tensor, and of a .1bit that can be run the sizes: the other files have no such head. */
static int list(const cli *c, const char *path, const onebit_env *env) {
    listing l = {NULL, 0};
    onebit_model *model = NULL;
    int version = version_of(path);
    l.c = c;
    if (version == 1) warn_old(path);
    if (onebit_file_list(path, on_tensor, &l, env) != ONEBIT_OK)
        return cli_fail("%s (see --list)", onebit_error_text());
    if (c->json) fputs(l.count ? "]" : "{\"tensors\": []", stdout);
    if (version == 2 && onebit_model_open(&model, path, env) == ONEBIT_OK) {
        sizes s = measure(path, model);
        if (c->json) json_sizes(&s);
        else putchar('\n'), print_sizes(&s);
        onebit_model_free(model);
    }
    if (c->json) puts("}");
    return 0;
}

/* ---- texts: what they cost a model, and what they show of its inputs ---- */

/* A text, document by document. */
typedef struct documents {
    const onebit_model *model;
    char *text, *p, *end;
    size_t bytes; /* of the last document */
} documents;

static documents open_text(const onebit_model *model, const char *path, const char *flag,
                           const onebit_env *env) {
    documents d;
    size_t n;
    if (onebit_text_load(&d.text, &n, path, 0, NULL, env) != ONEBIT_OK)
        exit(cli_fail("%s (see --%s)", onebit_error_text(), flag));
    d.model = model, d.p = d.text, d.end = d.text + n, d.bytes = 0;
    return d;
}

/* The ids of the next document that says something, behind what stands before a text; NULL = there
   is none. The caller frees them. */
static int32_t *next_document(documents *d, size_t *count) {
    static const char separator[] = "<|endoftext|>";
    const size_t mark = sizeof separator - 1;
    int start = onebit_model_start(d->model);
    while (d->p < d->end && !cli_interrupts) {
        char *p = d->p, *stop = p;
        size_t first = start >= 0;
        int32_t *ids, *all;
        for (; stop < d->end; stop++)
            if ((size_t)(d->end - stop) >= mark && !memcmp(stop, separator, mark)) break;
        d->p = stop < d->end ? stop + mark : stop;
        d->bytes = (size_t)(stop - p);
        ids = cli_encode(onebit_model_tokenizer(d->model), p, d->bytes, 0, count);
        all = (int32_t *)cli_alloc((*count + 1) * sizeof *all);
        all[0] = (int32_t)start;
        memcpy(all + first, ids, *count * sizeof *ids);
        free(ids);
        *count += first;
        if (*count > 1 && strspn(p, " \t\r\n") < d->bytes) return all;
        free(all);
    }
    return NULL;
}

static onebit_session *open_session(const onebit_model *model, const onebit_session_options *how,
                                    const onebit_env *env) {
    onebit_session *session;
    if (onebit_session_create(&session, model, how, env) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    return session;
}

/* What a text costs a model. */
typedef struct cost {
    double bits_per_byte, perplexity; /* of a byte, of a token */
} cost;

/* The cost of a text, each document by itself from the document start; as onebit-eval does. */
static cost cost_of(const onebit_model *model, const char *path, const onebit_env *env) {
    documents d = open_text(model, path, "val-data", env);
    onebit_session *session = open_session(model, NULL, env);
    double nats = 0, sum = 0, bytes = 0, tokens = 0;
    size_t count, scored;
    int32_t *ids;
    cost found;
    while ((ids = next_document(&d, &count)) != NULL) {
        if (onebit_score(session, ids, count, 1, &nats, &scored) != ONEBIT_OK)
            exit(cli_fail("%s (see --val-data)", onebit_error_text()));
        sum += nats, bytes += (double)d.bytes, tokens += (double)scored;
        free(ids);
    }
    onebit_session_free(session);
    onebit_text_free(d.text, env);
    if (bytes < 1) exit(cli_fail("%s: there is nothing to score (see --val-data)", path));
    found.bits_per_byte = sum / log(2.0) / bytes;
    found.perplexity = exp(sum / tokens);
    return found;
}

/* The moments of a model's inputs on the first `most` tokens of a text, in *used the tokens that
   were there. Windows of 1024 tokens at most, as a model of a long context would need much memory
   for its cache. */
static double *moments_of(const onebit_model *model, const char *path, size_t most, size_t *used,
                          const onebit_env *env) {
    const onebit_config *c = onebit_model_config(model);
    onebit_session_options how = onebit_session_options_default();
    size_t width = (size_t)(2 * c->hidden_size + c->num_heads * c->head_dim + c->intermediate_size);
    size_t bytes = (size_t)c->num_layers * width * sizeof(double), count, at, part, window;
    documents d = open_text(model, path, "calibration", env);
    onebit_session *session;
    int32_t *ids;
    how.context = c->max_seq_len < 1024 ? c->max_seq_len : 1024;
    how.moments = (double *)memset(cli_alloc(bytes), 0, bytes);
    session = open_session(model, &how, env);
    window = (size_t)how.context;
    for (*used = 0; *used < most && (ids = next_document(&d, &count)) != NULL; free(ids))
        for (at = 0; at < count && *used < most; at += part, *used += part) {
            part = count - at < window ? count - at : window;
            part = most - *used < part ? most - *used : part;
            if (onebit_session_rewind(session, 0) != ONEBIT_OK ||
                onebit_session_eval(session, ids + at, part, NULL) != ONEBIT_OK)
                exit(cli_fail("%s (see --calibration)", onebit_error_text()));
        }
    onebit_session_free(session);
    onebit_text_free(d.text, env);
    if (*used == 0) exit(cli_fail("%s: there is nothing to read (see --calibration)", path));
    return how.moments;
}

/* ---- the model as C source ---- */

/* Name of a file made from another: its ending replaced. */
static char *with_ending(const char *path, const char *ending) {
    size_t n = strlen(path) + strlen(ending) + 1;
    char *out = (char *)cli_alloc(n), *slash, *dot;
    strcpy(out, path);
    slash = strrchr(out, '/'), dot = strrchr(out, '.');
    if (dot && (!slash || dot > slash)) *dot = 0;
    strcat(out, ending);
    return out;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

CLI_PRINTF(2) static void add_format(cli_text *t, const char *format, ...);
static void add_format(cli_text *t, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cli_add_text(t, line);
}

/* What both headers begin with. */
static void add_head(cli_text *t, const char *path, const char *model, size_t bytes,
                     const char *how) {
    add_format(t,
               "/* %s - the model %s %s. Made by onebit-export.\n\n"
               "     #include \"%s\"\n"
               "     onebit_model_open_memory(&model, onebit_model_words, ONEBIT_MODEL_BYTES, "
               "NULL);\n\n"
               "   Words of 64 bits, little-endian, aligned to 64 bytes: in memory they are the "
               "bytes of the file. */\n",
               base_name(path), base_name(model), how, base_name(path));
    add_format(t,
               "#ifndef ONEBIT_MODEL_BYTES\n#define ONEBIT_MODEL_BYTES %lu\n"
               "#include <stdint.h>\n"
               "#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
               "#error \"the words of this model are little-endian\"\n#endif\n",
               (unsigned long)bytes);
}

static void write_text(const char *path, cli_text *t, const char *flag) {
    if (!cli_write_file(path, t->p, t->n))
        exit(cli_fail("cannot write %s: %s (see --%s)", path, strerror(errno), flag));
    free(t->p);
}

/* model is the .1bit file, name the model that it was made from. */
static void write_header(const char *path, const char *model, const char *name) {
    cli_text t = {NULL, 0, 0}, image = {NULL, 0, 0};
    size_t i, k;
    if (!cli_read_file(model, &image)) exit(cli_fail("cannot read %s", model));
    if (image.n > (size_t)1 << 28)
        exit(cli_fail("%s is too large for a C header; take --emit-incbin", model));
    add_head(&t, path, name, image.n, "as words");
    cli_add_text(&t, "#if defined(__GNUC__)\n__attribute__((aligned(64)))\n"
                     "#elif defined(_MSC_VER)\n__declspec(align(64))\n#endif\n");
    add_format(&t, "static const uint64_t onebit_model_words[%lu] = {",
               (unsigned long)((image.n + 7) / 8));
    for (i = 0; i < image.n; i += 8) {
        unsigned long long word = 0;
        for (k = 8; k-- > 0;)
            word = word << 8 | (i + k < image.n ? (unsigned char)image.p[i + k] : 0u);
        add_format(&t, i % 32 ? "0x%llx," : "\n0x%llx,", word);
    }
    cli_add_text(&t, "\n};\n#endif\n");
    free(image.p);
    write_text(path, &t, "emit-c-header");
}

/* A path inside a string of assembly. */
static void add_quoted(cli_text *t, const char *path) {
    for (; *path; path++) {
        if (*path == '"' || *path == '\\') cli_add_text(t, "\\");
        cli_add(t, path, 1);
    }
}

static void write_incbin(const char *path, const char *model, double bytes) {
    cli_text t = {NULL, 0, 0}, h = {NULL, 0, 0};
    char *header = with_ending(path, ".h");
    add_format(&t, "/* %s - the bytes of a model, for the twin %s. Made by onebit-export.\n",
               base_name(path), base_name(header));
    cli_add_text(&t, "   cc -c this file; -DONEBIT_MODEL_FILE='\"elsewhere.1bit\"' when the model "
                     "has moved. */\n"
                     "#ifndef ONEBIT_MODEL_FILE\n#define ONEBIT_MODEL_FILE \"");
    add_quoted(&t, model);
    cli_add_text(&t, "\"\n#endif\n"
                     "#if defined(__APPLE__)\n#define MODEL_WORDS _onebit_model_words\n    .const\n"
                     "#elif defined(_WIN32)\n#define MODEL_WORDS onebit_model_words\n"
                     "    .section .rdata,\"dr\"\n"
                     "#else\n#define MODEL_WORDS onebit_model_words\n    .section .rodata\n#endif\n"
                     "    .balign 64\n    .globl MODEL_WORDS\nMODEL_WORDS:\n"
                     "    .incbin ONEBIT_MODEL_FILE\n    .balign 8\n"
                     "#ifdef __ELF__\n    .section .note.GNU-stack,\"\",%progbits\n#endif\n");
    add_head(&h, header, model, (size_t)bytes, "by .incbin");
    cli_add_text(&h, "#ifdef __cplusplus\nextern \"C\"\n#else\nextern\n#endif\n"
                     "    const uint64_t onebit_model_words[];\n#endif\n");
    write_text(path, &t, "emit-incbin");
    write_text(header, &h, "emit-incbin");
    free(header);
}

/* A file that a flag with an optional name asks for; NULL when it was not given. */
static char *emitted(const cli *c, const char *flag, const char *output, const char *ending) {
    const char *given = cli_get(c, flag);
    char *name;
    if (!given) return NULL;
    if (!*given) return with_ending(output, ending);
    name = (char *)cli_alloc(strlen(given) + 1);
    return strcpy(name, given);
}

/* ---- packing ---- */

typedef struct job {
    const cli *c;
    onebit_env env;
    const char *input, *flag, *output, *val, *calibration;
    size_t tokens; /* of the calibration: at most; then those that were read */
    onebit_pack_options options;
    int changes;   /* blocks, embedding and head whose mode is not the trained one */
    int temporary; /* output is only written for a header, and removed again */
    cost before, after;
} job;

/* Opens a model as it is. */
static onebit_model *open_trained(const job *j) {
    onebit_model *model = NULL;
    if (onebit_model_open_with(&model, j->input, &j->options.open, &j->env) != ONEBIT_OK)
        exit(cli_fail("%s (see --%s)", onebit_error_text(), j->flag));
    return model;
}

/* One line of the table of tensors. */
static int on_written(void *user, const onebit_export_report *r) {
    const job *j = (const job *)user;
    char error[32];
    if (cli_interrupts) return 1;
    if (j->c->quiet || j->c->json) return 0;
    if (r->error == 0) snprintf(error, sizeof error, "exact");
    else snprintf(error, sizeof error, "max error %.3g", r->error);
    printf("%-48s %7d x %-7d %-9s -> %-9s %s\n", r->name, r->rows, r->cols, r->from, r->to, error);
    return 0;
}

/* Tells of parts that are stored otherwise than they were trained. */
static void warn_modes(job *j, const onebit_config *c) {
    const onebit_pack_options *o = &j->options;
    int i, blocks = 0, head = o->head_mode >= 0 && !c->tie_word_embeddings,
           embedding = o->embedding_mode >= 0 && o->embedding_mode != c->embedding_mode;
    for (i = 0; o->block_mode >= 0 && i < c->num_layers; i++)
        blocks += c->layer_modes[i] != o->block_mode;
    head = head && o->head_mode != c->head_mode;
    j->changes = blocks + embedding + head;
    if (blocks && !o->fit) /* a fit is measured, and has a warning of its own */
        fprintf(stderr,
                "%s: WARNING: %d of %d blocks were not trained as %s but will be stored so: the "
                "model gets worse, often useless; measure it with --val-data\n",
                cli_program, blocks, c->num_layers, cli_get(j->c, "pack-mode"));
    if ((embedding || head) && !j->val && !j->c->quiet)
        fprintf(stderr,
                "note: %s stored in another mode; the loss was not measured, give "
                "--val-data TEXT\n",
                embedding ? "the embedding is" : "the head is");
    if (o->head_mode >= 0 && c->tie_word_embeddings && !j->c->quiet)
        fputs("note: --lm-head does nothing here: the head is the embedding\n", stderr);
}

static void print_result(const job *j, const sizes *s) {
    if (j->c->json) {
        cli_json_key(stdout, 1, "output");
        cli_json_string(stdout, j->output, strlen(j->output));
        json_sizes(s);
        cli_json_int(stdout, "parts_in_other_modes", j->changes);
        cli_json_int(stdout, "calibration_tokens", j->calibration ? (double)j->tokens : 0);
        cli_json_real(stdout, "bits_per_byte_before", j->val ? j->before.bits_per_byte : NAN);
        cli_json_real(stdout, "bits_per_byte_after", j->val ? j->after.bits_per_byte : NAN);
        cli_json_real(stdout, "perplexity_before", j->val ? j->before.perplexity : NAN);
        cli_json_real(stdout, "perplexity_after", j->val ? j->after.perplexity : NAN);
        puts("}");
        return;
    }
    if (j->c->quiet) return;
    print_sizes(s);
    if (j->calibration) printf("calibrated on %lu tokens\n", (unsigned long)j->tokens);
    if (j->val)
        printf("bits per byte  %.4f before, %.4f after\nperplexity     %.3f before, %.3f after "
               "(%.2f times)\n",
               j->before.bits_per_byte, j->after.bits_per_byte, j->before.perplexity,
               j->after.perplexity, j->after.perplexity / j->before.perplexity);
    fprintf(stderr, "wrote %s\n", j->output);
}

/* Whether two paths name one file, by whatever way. */
static int same_file(const char *a, const char *b) {
#ifndef _WIN32
    struct stat x, y;
    if (stat(a, &x) == 0 && stat(b, &y) == 0) return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
#endif
    return strcmp(a, b) == 0;
}

/* Nothing that is written may fall on the model or on something else that is written. */
static void check_paths(const job *j, const char *header, const char *incbin, const char *twin) {
    const char *flag[3], *path[3];
    int i;
    flag[0] = "emit-c-header", path[0] = header;
    flag[1] = "emit-incbin", path[1] = incbin;
    flag[2] = "emit-incbin", path[2] = twin;
    for (i = 0; i < 3; i++) {
        if (!path[i]) continue;
        if (same_file(path[i], j->input))
            cli_usage("--%s would replace the model itself, %s", flag[i], j->input);
        if (same_file(path[i], j->output))
            cli_usage("--%s and --output would both write %s", flag[i], j->output);
    }
    if (header && ((twin && same_file(header, twin)) || (incbin && same_file(header, incbin))))
        cli_usage("--emit-c-header and --emit-incbin would both write %s; name one of them",
                  header);
}

static int pack(job *j) {
    char *header = emitted(j->c, "emit-c-header", j->output, ".h");
    char *incbin = emitted(j->c, "emit-incbin", j->output, ".S");
    char *twin = incbin ? with_ending(incbin, ".h") : NULL, *only = NULL;
    onebit_model *model = NULL;
    onebit_pack_options *o = &j->options;
    onebit_status status;
    double *moments = NULL;
    sizes s;
    if (header && !incbin && !cli_has(j->c, "output")) {
        j->temporary = 1;
        j->output = only = with_ending(header, ".1bit.tmp");
    }
    check_paths(j, header, incbin, twin);
    if (j->calibration && same_file(j->calibration, j->val) && !j->c->quiet)
        fputs("note: --calibration is also the text of --val-data: another text would lose more\n",
              stderr);
    if (j->val || o->block_mode >= 0 || o->embedding_mode >= 0 || o->head_mode >= 0) {
        model = open_trained(j);
        warn_modes(j, onebit_model_config(model));
        if (j->val) j->before = cost_of(model, j->val, &j->env);
        if (j->calibration)
            o->moments = moments =
                moments_of(model, j->calibration, j->tokens, &j->tokens, &j->env);
        onebit_model_free(model);
    }
    if (cli_interrupts) return 130;
    status = onebit_file_pack(j->output, j->input, o, &j->env);
    free(moments);
    if (status == ONEBIT_USAGE && o->fit) cli_usage("--quantize: %s", onebit_error_text());
    if (status != ONEBIT_OK)
        return cli_fail("%s (see --%s, --output)", onebit_error_text(), j->flag);
    if (onebit_model_open(&model, j->output, &j->env) != ONEBIT_OK)
        return cli_fail("%s", onebit_error_text());
    if (j->val) j->after = cost_of(model, j->val, &j->env);
    s = measure(j->output, model);
    onebit_model_free(model);
    if (header) write_header(header, j->output, j->temporary ? j->input : j->output);
    if (j->temporary) {
        remove(j->output);
        j->output = header;
    }
    if (incbin) write_incbin(incbin, j->output, s.file);
    print_result(j, &s);
    if (j->val && j->after.perplexity > 2 * j->before.perplexity)
        fprintf(stderr,
                "%s: WARNING: the perplexity is %.3g times what it was: this model has lost what it "
                "knew; train it in this mode instead (onebit-train)\n",
                cli_program, j->after.perplexity / j->before.perplexity);
    free(header);
    free(incbin);
    free(twin);
    free(only);
    return 0;
}

/* --format gguf and hf. */
static int leave(job *j, int container) {
    onebit_export_options how = onebit_export_options_default();
    onebit_model *model;
    if (!cli_has(j->c, "output")) cli_usage("where to? Give --output");
    model = open_trained(j);
    how.container = container, how.on_tensor = on_written, how.user = j;
    how.type = cli_get(j->c, "type"), how.head_type = cli_get(j->c, "head-type");
    if (*onebit_model_note(model) && !j->c->quiet)
        fprintf(stderr, "%s: %s: %s\n", cli_program, j->input, onebit_model_note(model));
    if (same_file(j->output, j->input)) cli_usage("--output would replace the model itself");
    if (onebit_model_export(model, j->output, &how, &j->env) != ONEBIT_OK)
        return cli_interrupts ? 130 : cli_fail("%s (see --type, --output)", onebit_error_text());
    onebit_model_free(model);
    if (j->c->json) {
        cli_json_key(stdout, 1, "output");
        cli_json_string(stdout, j->output, strlen(j->output));
        puts("}");
    } else if (!j->c->quiet) {
        fprintf(stderr, "wrote %s\n", j->output);
    }
    return 0;
}

/* Flags that belong to some formats only. */
static void check_flags(const cli *c, int format) {
    static const char *const packs[] = {
        "packing",     "pack-mode",   "embedding",          "lm-head",
        "quantize",    "val-data",    "emit-c-header",      "emit-incbin",
        "scale-group", "calibration", "calibration-tokens", "planes",
        NULL};
    int i;
    for (i = 0; packs[i]; i++)
        if (cli_has(c, "list") && cli_has(c, packs[i]))
            cli_usage("--%s does nothing with --list, which writes nothing", packs[i]);
    for (i = 0; packs[i]; i++)
        if (format && cli_has(c, packs[i]))
            cli_usage("--%s needs --format 1bit; export that .1bit in a second step", packs[i]);
    if (format < 2 && cli_has(c, "type")) cli_usage("--type needs --format gguf or hf");
    if (format != 2 && cli_has(c, "head-type")) cli_usage("--head-type needs --format gguf");
    if (cli_has(c, "weights") && format != 1) cli_usage("--weights needs --format safetensors");
    if (cli_has(c, "quantize") && !cli_has(c, "val-data"))
        cli_usage("--quantize needs --val-data TEXT: it often ruins a model, and only a text shows");
    if (cli_has(c, "calibration") && !cli_has(c, "quantize"))
        cli_usage("--calibration needs --quantize ternary or binary");
    if (cli_has(c, "calibration-tokens") && !cli_has(c, "calibration"))
        cli_usage("--calibration-tokens needs --calibration TEXT");
    if (cli_has(c, "planes") &&
        (!cli_has(c, "quantize") || cli_choice(c, "quantize", "ternary|binary")))
        cli_usage("--planes needs --quantize ternary");
    if (cli_has(c, "quantize") && cli_has(c, "pack-mode"))
        cli_usage("give one of --quantize and --pack-mode");
}

/* --format safetensors. */
static int unpack(const job *j, int latent) {
    if (!cli_has(j->c, "output")) cli_usage("which directory? Give --output DIR");
    if (version_of(j->input) == 1) warn_old(j->input);
    if (onebit_file_unpack(j->output, j->input, latent, &j->options.open, &j->env) != ONEBIT_OK)
        return cli_fail("%s (see --%s)", onebit_error_text(), j->flag);
    if (j->c->json) {
        cli_json_key(stdout, 1, "output");
        cli_json_string(stdout, j->output, strlen(j->output));
        cli_json_text(stdout, "weights", latent ? "latent" : "deployed");
        puts("}");
    } else if (!j->c->quiet) {
        fprintf(stderr, "wrote %s: model.safetensors and what belongs to it\n", j->output);
    }
    return 0;
}

int main(int argc, char **argv) {
    static const char *const from[3] = {"model-dir", "checkpoint", "model"};
    cli c = cli_start(&spec, argc, argv);
    int i, given = 0, format, latent, code;
    cli_text inside = {NULL, 0, 0};
    job j;
    memset(&j, 0, sizeof j);
    j.c = &c, j.env = cli_env(&c), j.val = cli_get(&c, "val-data");
    for (i = 0; i < 3; i++)
        if (cli_has(&c, from[i])) j.input = cli_get(&c, from[i]), j.flag = from[i], given++;
    if (given == 0) cli_usage("which model? Give --model-dir DIR, --checkpoint or --model PATH");
    if (given > 1) cli_usage("give one of --model-dir, --checkpoint and --model");
    if (!strcmp(j.flag, "model")) j.input = cli_model_path(j.input);
    j.output = cli_has(&c, "output") ? cli_get(&c, "output") : "model.1bit";
    j.options.packing = cli_choice(&c, "packing", "2bit|1.6bit");
    j.options.planes = -1;
    j.options.block_mode = mode_of(&c, "pack-mode");
    j.options.embedding_mode = mode_of(&c, "embedding");
    j.options.head_mode = mode_of(&c, "lm-head");
    j.calibration = cli_get(&c, "calibration");
    /* a mean of so many squares is within 2 % or so of that of the whole text */
    j.tokens = (size_t)cli_int(&c, "calibration-tokens", 4096, 1, 1 << 24);
    j.options.scale_group = cli_int(&c, "scale-group", -1, 0, 256);
    j.options.open = cli_open_options(&c);
    j.options.on_tensor = on_written, j.options.user = &j;
    format = cli_choice(&c, "format", "1bit|safetensors|gguf|hf");
    latent = cli_choice(&c, "weights", "deployed|latent");
    check_flags(&c, format);
    if (cli_has(&c, "quantize")) {
        j.options.block_mode = cli_choice(&c, "quantize", "ternary|binary") ? ONEBIT_BINARY
                                                                           : ONEBIT_TERNARY;
        j.options.fit = 1, j.options.planes = cli_int(&c, "planes", 1, 1, 2);
        if (j.options.scale_group < 0) j.options.scale_group = 128;
    }
    cli_catch_interrupt();
    cli_add_text(&inside, j.input);
    if (!strcmp(j.flag, "model-dir")) cli_add_text(&inside, "/model.safetensors");
    if (cli_has(&c, "list")) code = list(&c, inside.p, &j.env);
    else if (format > 1) code = leave(&j, format == 2 ? ONEBIT_GGUF : ONEBIT_HUGGING_FACE);
    else code = format ? unpack(&j, latent) : pack(&j);
    free(inside.p);
    free(c.given);
    return cli_finish(cli_interrupts ? 130 : code);
}
