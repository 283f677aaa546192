/* inspect.c - onebit-inspect: what a file of a model is, whether it is sound, and how to mend it.

   cc -O3 -fopenmp examples/inspect.c -o onebit-inspect -lm
   ./onebit-inspect demo.1bit
   ./onebit-inspect ggml-model-i2_s.gguf --verbose
   ./onebit-inspect demo.1bit --validate
   ./onebit-inspect old.gguf --repair new.gguf
   ./onebit-inspect --list

   It looks inside the header, which has readers for files that cannot be run: so it has a copy of
   the implementation to itself. */
#define ONEBIT_IMPLEMENTATION
#define ONEBIT_STATIC
#undef ONEBIT_IMPLEMENTED
#include "cli.h"
#include "inspect.h"
#include "repair.h"
#include "validate.h"

static const cli_row flags[] = {
    {"What", NULL, NULL},
    {"model", "PATH",
     "a .1bit, GGUF, safetensors or llama2.c file, a tokenizer, a directory; or a registered name"},
    {"list", NULL,
     "the models of the registry: ONEBIT_MODELS (a JSON file or a directory), else "
     "~/.config/onebit/models.json"},
    {"How", NULL, NULL},
    {"verbose", NULL, "all settings and every tensor, with its scales and shares of -1, 0 and +1"},
    {"validate", NULL,
     "check it: container, numbers, tokenizer, forward pass; exit code 1 on a fault"},
    {"repair", "FILE",
     "write it anew without holes and trailing bytes: .1bit, GGUF (version 3) or safetensors; "
     "every "
     "tensor and key is kept"},
    CLI_OPEN,
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

static const cli_spec spec = {
    "onebit-inspect",
    "tells what a model's file is, checks and mends it",
    "onebit-inspect PATH [--verbose] [--validate] [--repair FILE] [flags]",
    "examples:\n"
    "  onebit-inspect demo.1bit\n"
    "  onebit-inspect ggml-model-i2_s.gguf --verbose\n"
    "  onebit-inspect demo.1bit --validate\n"
    "  onebit-inspect old.gguf --repair new.gguf\n"
    "  onebit-inspect --list\n",
    "model list verbose validate repair tokenizer i2s json ",
    "model",
    flags,
    0,
    NULL};

/* ---- telling ---- */

/* A line of the first screen. */
CLI_PRINTF(2) static void line(const char *label, const char *format, ...);
static void line(const char *label, const char *format, ...) {
    va_list args;
    printf("%-11s ", label);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* Weights in all; of packed codes of transformers four in a byte. */
static double parameters_of(const subject *s) {
    const onebit_config *c = config_of(s);
    double sum = 0;
    int i, k;
    if (c) return (double)onebit_config_parameters(c);
    for (i = 0; i < s->count; i++) {
        double n = s->parts[i].type == OB_TYPE_HF_PACKED ? 4 : 1;
        for (k = 0; k < s->parts[i].rank; k++) n *= (double)s->parts[i].dims[k];
        sum += n;
    }
    return sum;
}

/* Bytes that decoding a token reads: every matrix but the rows of an embedding that is no head. */
static double bytes_per_token(const subject *s) {
    const onebit_config *c = config_of(s);
    double sum = 0;
    ob_tensor t;
    int i;
    for (i = 0; c && ob_tensor_at(c, i, &t); i++) {
        onebit_tensor_info info;
        uint64_t bytes =
            ob_format_bytes(ob_stored_format(&t, ONEBIT_PACKING_2_BITS), t.rows, t.cols);
        if (t.id == OB_EMBED && !c->tie_word_embeddings) continue;
        if (s->origin.model && onebit_model_tensor(s->origin.model, i, &info) == ONEBIT_OK)
            sum += (double)info.bytes;
        else sum += (double)(bytes + 4 * ob_tensor_scales(&t));
    }
    return sum;
}

/* The mode of a block; ONEBIT_MODE_COUNT when its matrices differ. */
static int mode_of_block(const onebit_config *c, int layer) {
    int i;
    for (i = 0; i < ONEBIT_PROJECTIONS; i++)
        if (c->projection_modes[layer][i]) return ONEBIT_MODE_COUNT;
    return c->layer_modes[layer];
}

/* "ternary" or "2 ternary, 1 f16, 1 mixed": the modes of the blocks. */
static const char *modes_of(const onebit_config *c, char *out, size_t size) {
    int i, mode, n, at = 0;
    *out = 0;
    for (mode = 0; mode <= ONEBIT_MODE_COUNT; mode++) {
        const char *name =
            mode < ONEBIT_MODE_COUNT ? onebit_mode_name((onebit_mode)mode) : "mixed";
        for (i = n = 0; i < c->num_layers; i++) n += mode_of_block(c, i) == mode;
        if (n == c->num_layers) return name;
        if (n && (size_t)at < size)
            at += snprintf(out + at, size - (size_t)at, "%s%d %s", at ? ", " : "", n, name);
    }
    return out;
}

static const char *kind_of_words(const onebit_tokenizer *t) {
    static const char *const splits[OB_SPLITS] = {
        "whole text",      "words at spaces",        "GPT-2's words",
        "Llama 3's words", "Qwen 2's words",         "StarCoder's words",
        "single digits",   "DeepSeek Coder's words", "plain words"};
    if (!t->merges) return t->rules.chars ? "characters" : "bytes";
    if (t->rules.flags & OB_RULE_SPACES) return "BPE of characters, SentencePiece's manner";
    return t->rules.split < OB_SPLITS ? splits[t->rules.split] : "BPE";
}

static void tell_words(const subject *s) {
    const onebit_tokenizer *t = words_of(s);
    const char *chat = onebit_tokenizer_template(t),
               *own = s->opened ? config_of(s)->chat_template : "";
    char a[64], b[64], first[100];
    if (!t) line("tokenizer", "none");
    else {
        int start = onebit_tokenizer_start(t), end = onebit_tokenizer_end(t);
        line("tokenizer", "%s%s, %d ids",
             t->merges && !(t->rules.flags & OB_RULE_SPACES) ? "BPE of bytes in " : "",
             kind_of_words(t), onebit_tokenizer_vocab_size(t));
        line("", "start %d %s, end %d %s", start, piece_of(t, start, a, sizeof a), end,
             piece_of(t, end, b, sizeof b));
    }
    if (*own) chat = own;
    if (chat)
        line("template", "%s (%lu bytes)", clean(first, sizeof first, chat, strcspn(chat, "\n")),
             (unsigned long)strlen(chat));
}

static void json_words(const subject *s) {
    const onebit_tokenizer *t = words_of(s);
    const char *chat = onebit_tokenizer_template(t),
               *own = s->opened ? config_of(s)->chat_template : "";
    cli_json_key(stdout, 0, "tokenizer");
    if (!t) fputs("null", stdout);
    else {
        cli_json_key(stdout, 1, "kind");
        cli_json_string(stdout, kind_of_words(t), strlen(kind_of_words(t)));
        printf(", \"ids\": %d, \"merges\": %d, \"start\": %d, \"end\": %d}",
               onebit_tokenizer_vocab_size(t), t->merges, onebit_tokenizer_start(t),
               onebit_tokenizer_end(t));
    }
    if (*own) chat = own;
    if (chat) cli_json_text(stdout, "chat_template", chat);
}

static const char *note_of(const subject *s) {
    if (!s->opened) return "";
    return s->origin.model ? onebit_model_note(s->origin.model) : s->origin.parts.note;
}

static void tell_model(const subject *s) {
    const onebit_config *c = config_of(s);
    double n = parameters_of(s), read = bytes_per_token(s);
    char a[32], b[32], modes[160];
    const double *z = s->shape;
    if (*s->architecture)
        line("family", "%s", clean(modes, sizeof modes, s->architecture, strlen(s->architecture)));
    if (c)
        line("blocks", "%s, %s%s, %s%s%s", modes_of(c, modes, sizeof modes),
             c->use_subln ? "RMSNorm" : "LayerNorm", c->use_sub_norm ? " and inner norms" : "",
             c->use_swiglu ? "gated " : "",
             ob_is_relu2(c)  ? "ReLU^2"
             : c->activation ? "ReLU"
                             : "SiLU",
             c->use_qk_norm    ? ", QK norm"
             : c->use_qkv_bias ? ", QKV bias"
                               : "");
    if (c)
        line("", "embedding %s, head %s, inputs of %d bits, scales per %s%s",
             onebit_mode_name((onebit_mode)c->embedding_mode),
             c->tie_word_embeddings ? "tied" : onebit_mode_name((onebit_mode)c->head_mode),
             c->activation_bits ? c->activation_bits : 32, c->scale_group ? "group" : "tensor",
             c->weight_planes == 2 ? ", two planes" : "");
    if (z[LAYERS] > 0)
        line("shape", "%.0f layers, width %.0f, %.0f heads (%.0f of keys), FFN %.0f", z[LAYERS],
             z[WIDTH], z[HEADS], z[KV_HEADS] > 0 ? z[KV_HEADS] : z[HEADS], z[FFN]);
    if (z[VOCABULARY] > 0) line("", "vocabulary %.0f, context %.0f", z[VOCABULARY], z[CONTEXT]);
    if (n > 0) line("parameters", "%s (%.0f) in %d tensors", cli_count(a, n), n, s->count);
    if (n > 0)
        line("size", "%s (%.0f bytes), %.2f bits per weight", cli_size(b, s->bytes), s->bytes,
             8 * s->bytes / n);
    else line("size", "%s (%.0f bytes)", cli_size(b, s->bytes), s->bytes);
    if (read > 0)
        line("a token", "reads %s: %.3g tokens/s at 1 GB/s", cli_size(a, read), 1e9 / read);
}

static void json_model(const subject *s) {
    static const char *const key[SHAPE] = {"layers", "width",      "heads",  "kv_heads",
                                           "ffn",    "vocabulary", "context"};
    const onebit_config *c = config_of(s);
    double n = parameters_of(s), read = bytes_per_token(s);
    char modes[160];
    int i;
    cli_json_text(stdout, "architecture", s->architecture);
    for (i = 0; i < SHAPE; i++)
        if (s->shape[i] > 0) cli_json_int(stdout, key[i], s->shape[i]);
    if (c) {
        cli_json_text(stdout, "blocks", modes_of(c, modes, sizeof modes));
        cli_json_text(stdout, "embedding", onebit_mode_name((onebit_mode)c->embedding_mode));
        cli_json_text(stdout, "head",
                      c->tie_word_embeddings ? "tied"
                                             : onebit_mode_name((onebit_mode)c->head_mode));
    }
    cli_json_int(stdout, "parameters", n);
    cli_json_int(stdout, "bytes", s->bytes);
    if (n > 0) cli_json_real(stdout, "bits_per_weight", 8 * s->bytes / n);
    if (read > 0) cli_json_int(stdout, "bytes_per_token", read);
    if (read > 0) cli_json_real(stdout, "tokens_per_gigabyte", 1e9 / read);
}

/* Why it does not run, "" when it does. */
static const char *refusal_of(const subject *s) {
    if (s->kind == K_WORDS) return "a tokenizer, no model";
    return s->opened ? "" : s->refusal;
}

static void tell(const subject *s) {
    char text[600];
    const char *why = refusal_of(s), *note = note_of(s);
    line("path", "%s", s->path);
    line("format", "%s", s->format);
    tell_model(s);
    tell_words(s);
    if (*note) line("note", "%s", note);
    if (*s->why) line("damage", "%s", clean(text, sizeof text, s->why, strlen(s->why)));
    line("runs", "%s%s", *why ? "no: " : "yes", clean(text, sizeof text, why, strlen(why)));
}

static void json_tell(const subject *s) {
    cli_json_key(stdout, 1, "path");
    cli_json_string(stdout, s->path, strlen(s->path));
    cli_json_text(stdout, "format", s->format);
    json_model(s);
    json_words(s);
    cli_json_text(stdout, "note", note_of(s));
    printf(", \"runs\": %s", *refusal_of(s) ? "false" : "true");
    cli_json_text(stdout, "why", refusal_of(s));
    cli_json_text(stdout, "damage", s->why);
}

/* ---- --verbose ---- */

/* A value of a key: a number, a truth value or a text, as text or as JSON. */
static void put_item(const ob_gguf_value *v, uint32_t type, uint64_t i, ob_slice text, int json) {
    char out[160];
    double x = 0;
    uint64_t bits;
    int minus;
    if (type == OB_GGUF_STRING && json) cli_json_string(stdout, text.p, text.n);
    else if (type == OB_GGUF_STRING) printf("\"%s\"", clean(out, sizeof out, text.p, text.n));
    else if (type == OB_GGUF_BOOL) fputs(v->p[i] ? "true" : "false", stdout);
    else if (ob_gguf_integer(v, i, &bits, &minus))
        printf(minus ? "-%llu" : "%llu", (unsigned long long)(minus ? 0 - bits : bits));
    else if (ob_gguf_item_f64(v, i, &x) && isfinite(x)) printf("%.9g", x);
    else fputs(json ? "null" : "not finite", stdout);
}

/* The value of a key; of an array the first items. */
static void put_value(const ob_gguf_value *v, int json) {
    ob_reader r = ob_gguf_strings(v);
    ob_slice text = ob_slice_on((const char *)v->p, v->bytes);
    uint64_t i;
    if (v->type != OB_GGUF_ARRAY) {
        put_item(v, v->type, 0, text, json);
        return;
    }
    fputs("[", stdout);
    for (i = 0; i < v->count && i < 4; i++) {
        if (v->item == OB_GGUF_STRING) text = ob_gguf_read_string(&r);
        if (i) fputs(", ", stdout);
        put_item(v, v->item, i, text, json);
    }
    fputs(v->count > i && !json ? ", ...]" : "]", stdout);
}

static void tell_keys(const subject *s) {
    static const char *const names[OB_GGUF_VALUES] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                      "i32", "f32", "bool", "string", "array",
                                                      "u64", "i64", "f64"};
    size_t i;
    for (i = 0; i < s->gguf.value_count; i++) {
        const ob_gguf_value *v = s->gguf.values + i;
        int array = v->type == OB_GGUF_ARRAY;
        if (s->c->json) {
            fputs(i ? ", {\"key\": " : "{\"key\": ", stdout);
            cli_json_string(stdout, v->key.p, v->key.n);
            cli_json_text(stdout, "type", names[array ? v->item : v->type]);
            if (array) cli_json_int(stdout, "count", (double)v->count);
            cli_json_key(stdout, 0, array ? "first" : "value");
            put_value(v, 1);
            putchar('}');
        } else {
            printf("%-42.*s %-7s", (int)(v->key.n < 80 ? v->key.n : 80), v->key.p,
                   names[array ? v->item : v->type]);
            if (array) printf("x %.0f ", (double)v->count);
            put_value(v, 0);
            putchar('\n');
        }
    }
}

/* Members of an object of JSON, one a line; in JSON the whole object, when it is one. */
static void tell_object(const subject *s, const char *title, const char *text, size_t n,
                        int *some) {
    ob_json j = ob_json_on(text, n, title), whole = j;
    char out[160];
    ob_slice key, value;
    ob_json_skip(&whole);
    if (ob_json_end(&whole) != ONEBIT_OK) return;
    if (s->c->json) {
        printf("%s{\"key\": \"%s\", \"value\": ", (*some)++ ? ", " : "", title);
        while (n) {
            size_t step = cli_utf8(text, n);
            if (!step) fputs("\\ufffd", stdout);
            else if (step > 1 || (*text != '\n' && *text != '\r')) fwrite(text, 1, step, stdout);
            text += step ? step : 1, n -= step ? step : 1;
        }
        putchar('}');
        return;
    }
    printf("%s\n", title);
    ob_json_object(&j);
    while (ob_json_key(&j, &key)) {
        value = ob_json_raw(&j);
        printf("  %-40.*s ", (int)(key.n < 80 ? key.n : 80), clean(out, sizeof out, key.p, key.n));
        printf("%s\n", clean(out, sizeof out, value.p, value.n));
    }
}

static void tell_settings(const subject *s) {
    static const char *const beside[] = {"config.json", "generation_config.json",
                                         "tokenizer_config.json"};
    int i, some = 0;
    if (s->c->json) fputs(", \"metadata\": [", stdout);
    if (s->kind == K_GGUF) tell_keys(s);
    if (s->kind == K_ONEBIT && s->map.bytes >= OB_HEAD_BYTES &&
        inside(s, ob_get64(s->map.data + 32), ob_get64(s->map.data + 40)))
        tell_object(s, "config", (const char *)s->map.data + ob_get64(s->map.data + 32),
                    (size_t)ob_get64(s->map.data + 40), &some);
    for (i = 0; i < s->st_count; i++)
        if (s->st[i].metadata.n)
            tell_object(s, "__metadata__", s->st[i].metadata.p, s->st[i].metadata.n, &some);
    for (i = 0; i < 3 && (s->kind == K_HF || s->kind == K_OURS); i++) {
        cli_text text = {NULL, 0, 0};
        if (text_beside(s, beside[i], &text)) tell_object(s, beside[i], text.p, text.n, &some);
        free(text.p);
    }
    if (s->c->json) putchar(']');
}

static void tell_tensor(const part *p) {
    char name[160], shape[100] = "";
    int k, at = 0;
    double n;
    tally t;
    for (k = 0; k < p->rank; k++)
        at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%.0f", k ? " x " : "",
                       (double)p->dims[k]);
    printf("%-44s %-10s %-16s %11.0f @%-11.0f", clean(name, sizeof name, p->name, strlen(p->name)),
           p->type_name, shape, (double)p->bytes, (double)p->offset);
    if (!measure(p, &t)) {
        puts(p->data ? "" : " outside the file");
        return;
    }
    n = t.share[0] + t.share[1] + t.share[2];
    if (t.scaled) printf(" scale %.4g", t.scale_low);
    if (t.scaled && t.scale_high > t.scale_low) printf("..%.4g", t.scale_high);
    if (t.coded && n > 0)
        printf(" -1 %.1f%% 0 %.1f%% +1 %.1f%%", 100 * t.share[0] / n, 100 * t.share[1] / n,
               100 * t.share[2] / n);
    else if (!t.coded) printf(" %s %.4g..%.4g", t.scaled ? "codes" : "values", t.low, t.high);
    if (t.undefined > 0) printf(" UNDEFINED %.0f", t.undefined);
    if (t.bad > 0) printf(" NOT FINITE %.0f", t.bad);
    putchar('\n');
}

static void json_tensor(const part *p) {
    int k;
    double n;
    tally t;
    fputs("{\"name\": ", stdout);
    cli_json_string(stdout, p->name, strlen(p->name));
    cli_json_text(stdout, "type", p->type_name);
    fputs(", \"shape\": [", stdout);
    for (k = 0; k < p->rank; k++) printf("%s%.0f", k ? ", " : "", (double)p->dims[k]);
    putchar(']');
    cli_json_int(stdout, "bytes", (double)p->bytes);
    cli_json_int(stdout, "offset", (double)p->offset);
    if (measure(p, &t)) {
        n = t.share[0] + t.share[1] + t.share[2];
        if (t.scaled) cli_json_real(stdout, "scale_min", t.scale_low);
        if (t.scaled) cli_json_real(stdout, "scale_max", t.scale_high);
        if (t.coded && n > 0)
            printf(", \"shares\": [%.6g, %.6g, %.6g]", t.share[0] / n, t.share[1] / n,
                   t.share[2] / n);
        if (!t.coded) cli_json_real(stdout, "min", t.low);
        if (!t.coded) cli_json_real(stdout, "max", t.high);
        cli_json_int(stdout, "undefined", t.undefined);
        cli_json_int(stdout, "not_finite", t.bad);
    }
    putchar('}');
}

static void tell_all(const subject *s) {
    int i;
    tell_settings(s);
    if (s->c->json) fputs(", \"tensors\": [", stdout);
    for (i = 0; i < s->count && !cli_interrupts; i++) {
        if (s->c->json && i) fputs(", ", stdout);
        if (s->c->json) json_tensor(s->parts + i);
        else tell_tensor(s->parts + i);
    }
    if (s->c->json) putchar(']');
}

/* ---- --repair ---- */

static int mend(const subject *s, const char *path) {
    repair *r = (repair *)cli_alloc(sizeof *r);
    memset(r, 0, sizeof *r);
    r->s = s, r->path = path;
    if (repair_file(r) != ONEBIT_OK) {
        free(r);
        return cli_fail("%s (see --repair)", onebit_error_text());
    }
    if (s->c->json) {
        cli_json_text(stdout, "repaired", path);
        cli_json_text(stdout, "changes", r->change);
        cli_json_int(stdout, "bytes_before", (double)s->map.bytes);
        cli_json_int(stdout, "bytes_after", r->bytes);
    } else
        printf("wrote %s: %.0f bytes, before %.0f; %s\n", path, r->bytes, (double)s->map.bytes,
               r->change);
    free(r);
    return 0;
}

/* ---- --list ---- */

static int list(const cli *c) {
    cli_registry r = cli_registry_read();
    char a[32];
    int i;
    if (c->json) {
        cli_json_key(stdout, 1, "registry");
        cli_json_string(stdout, r.where.p, strlen(r.where.p));
        fputs(", \"models\": [", stdout);
    } else if (!r.count && !c->quiet)
        fprintf(stderr, "%s: %s\n", r.where.p, r.kind ? "names no model" : "is not there");
    for (i = 0; i < r.count; i++) {
        const cli_entry *e = r.entry + i;
        ob_map map;
        int there = cli_found(e->path);
        double bytes =
            there == 1 && ob_map_open(&map, e->path) == ONEBIT_OK ? (double)map.bytes : 0;
        if (there == 1 && bytes > 0) ob_map_close(&map);
        if (c->json) {
            fputs(i ? ", {\"name\": " : "{\"name\": ", stdout);
            cli_json_string(stdout, e->name, strlen(e->name));
            cli_json_text(stdout, "path", e->path);
            cli_json_text(stdout, "description", e->note);
            cli_json_int(stdout, "bytes", bytes);
            printf(", \"exists\": %s}", there ? "true" : "false");
        } else
            printf("%-24s %-10s %s%s%s\n", e->name,
                   there == 2 ? "directory"
                   : there    ? cli_size(a, bytes)
                              : "missing",
                   e->path, *e->note ? "  " : "", e->note);
    }
    if (c->json) puts("]}");
    return 0;
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    int code = 0, known;
    subject s;
    if (cli_has(&c, "list")) return cli_finish(list(&c));
    if (!cli_has(&c, "model")) cli_usage("which model? Give its path, or --list");
    memset(&s, 0, sizeof s);
    s.c = &c, s.env = cli_env(&c), s.how = cli_open_options(&c);
    s.env = ob_env_or_default(&s.env), s.files.env = s.env;
    s.path = cli_model_path(cli_get(&c, "model"));
    cli_catch_interrupt();
    open_all(&s);
    find_shape(&s);
    known = s.kind != K_UNKNOWN;
    if (!known)
        code = cli_fail("%s: neither a model nor a tokenizer that is known here: %s (see --model)",
                        s.path, s.refusal);
    else if (c.json) json_tell(&s);
    else if (cli_has(&c, "verbose") || !(cli_has(&c, "validate") || cli_has(&c, "repair")))
        tell(&s);
    if (!code && cli_has(&c, "verbose")) tell_all(&s);
    if (!code && cli_has(&c, "repair")) code = mend(&s, cli_get(&c, "repair"));
    if (!code && cli_has(&c, "validate")) code = validate(&s);
    if (c.json && known) puts("}");
    close_all(&s);
    free(c.given);
    return cli_finish(cli_interrupts ? 130 : code);
}
