/* validate.h - the checks of onebit-inspect --validate, each of which gives a line. Include
   inspect.h first. */
#ifndef VALIDATE_H
#define VALIDATE_H

/* One result: of a check that passed, was passed over, or found a fault. */
CLI_PRINTF(4)
static void result(subject *s, const char *what, const char *check, const char *format, ...);
static void result(subject *s, const char *what, const char *check, const char *format, ...) {
    int *count = *what == 'o' ? &s->passed : *what == 's' ? &s->skipped : &s->failed;
    char why[700], out[600];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    ++*count;
    clean(out, sizeof out, why, strlen(why));
    if (s->c->json) {
        fputs(s->passed + s->skipped + s->failed > 1 ? ", {\"check\": " : "{\"check\": ", stdout);
        cli_json_string(stdout, check, strlen(check));
        cli_json_text(stdout, "result", *what == 'o' ? "ok" : *what == 's' ? "skip" : "fail");
        cli_json_text(stdout, "why", out);
        putchar('}');
    } else printf("%s: %s%s%s\n", what, check, *out ? ": " : "", out);
    fflush(stdout);
}

/* A stretch of a file that belongs to something. */
typedef struct section {
    uint64_t at, bytes;
    const char *name;
} section;

static int by_offset(const void *a, const void *b) {
    const section *x = (const section *)a, *y = (const section *)b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1)
                          : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Sections in order may not overlap, and only padding may be between them and behind them. */
static void check_sections(subject *s, section *list, size_t n, uint64_t begin, uint64_t align,
                           uint64_t end) {
    uint64_t at = begin;
    const char *before = "the head";
    int faults = 0;
    size_t i;
    qsort(list, n, sizeof *list, by_offset);
    for (i = 0; i < n && faults < 8; i++) {
        if (!list[i].bytes) continue;
        if (list[i].at < at)
            result(s, "FAIL", "sections", "%s at byte %.0f overlaps %s", list[i].name,
                   (double)list[i].at, before),
                faults++;
        else if (list[i].at - at >= align)
            result(s, "FAIL", "sections", "a hole of %.0f bytes at byte %.0f, before %s",
                   (double)(list[i].at - at), (double)at, list[i].name),
                faults++;
        if (list[i].at + list[i].bytes > at) at = list[i].at + list[i].bytes;
        before = list[i].name;
    }
    if (end > at && end - at >= (s->kind == K_GGUF ? align : 1))
        result(s, "FAIL", "sections", "%.0f trailing bytes at byte %.0f belong to nothing",
               (double)(end - at), (double)at),
            faults++;
    if (!faults) result(s, "ok", "sections", "%lu", (unsigned long)n);
}

/* The sections of a file of one of the three containers. */
static void check_places(subject *s) {
    const uint8_t *p = s->map.data;
    section *list = (section *)cli_alloc((2 * (size_t)s->count + 2) * sizeof *list);
    uint64_t begin = 0, align = 1;
    size_t n = 0;
    int i;
    for (i = 0; i < s->count; i++) {
        const part *t = s->parts + i;
        if (t->data) list[n].at = t->offset, list[n].bytes = t->bytes, list[n++].name = t->name;
        if (!t->data || s->kind != K_ONEBIT) continue;
        list[n].at = (uint64_t)(t->scale - p), list[n].bytes = 4 * t->scales,
        list[n++].name = t->name;
    }
    if (s->kind == K_ONEBIT) {
        list[n].at = ob_get64(p + 32), list[n].bytes = ob_get64(p + 40) + 1,
        list[n++].name = "the config";
        list[n].at = ob_get64(p + 48), list[n].bytes = ob_get64(p + 56),
        list[n++].name = "the tokenizer";
        begin = OB_HEAD_BYTES + (uint64_t)s->count * OB_RECORD_BYTES, align = 64;
    } else if (s->kind == K_GGUF) begin = s->gguf.data, align = s->gguf.alignment;
    else begin = 8 + ob_get64(p);
    check_sections(s, list, n, begin, align, s->map.bytes);
    free(list);
}

static void check_container(subject *s) {
    const uint8_t *p = s->map.data;
    int i, faults = 0, whole;
    if (*s->why) result(s, "FAIL", "container", "%s", s->why), faults++;
    for (i = 0; i < s->count && faults < 8; i++)
        if (!s->parts[i].data)
            result(s, "FAIL", "container", "%s is outside the file", s->parts[i].name), faults++;
    if (!faults) result(s, "ok", "container", "%s, %d tensors", s->format, s->count);
    if (s->kind == K_ONEBIT && s->map.bytes >= OB_HEAD_BYTES) {
        uint64_t n = ob_get64(p + 8);
        if (n < OB_HEAD_BYTES || n > s->map.bytes)
            result(s, "FAIL", "checksum", "the bytes that it sums up are not all there");
        else if (ob_get64(p + 16) != ob_hash64(p + 24, (size_t)n - 24, 0))
            result(s, "FAIL", "checksum", "it does not match: the file is damaged");
        else result(s, "ok", "checksum", "%s", "");
    }
    for (i = 0, whole = s->count > 0; i < s->count; i++) whole &= s->parts[i].data != NULL;
    if (whole && (s->kind == K_ONEBIT || s->kind == K_GGUF || s->st == &s->one)) check_places(s);
}

static void check_numbers(subject *s) {
    int i, faults = 0, read = 0;
    tally t;
    for (i = 0; i < s->count && !cli_interrupts; i++) {
        const part *p = s->parts + i;
        if (!measure(p, &t)) continue;
        read++;
        if (t.bad > 0 && ++faults <= 8)
            result(s, "FAIL", "numbers", "%s: %.0f weights or scales are NaN or infinite", p->name,
                   t.bad);
        if (t.undefined > 0 && ++faults <= 8)
            result(s, "FAIL", "numbers", "%s: %.0f undefined codes", p->name, t.undefined);
    }
    if (faults > 8) result(s, "FAIL", "numbers", "and %d more faults", faults - 8);
    if (!faults && read) result(s, "ok", "numbers", "of %d of %d tensors", read, s->count);
    if (!read) result(s, "skip", "numbers", "no tensor is of a type that can be read");
}

/* 1 when a tensor of this name has a place in some model: all switches are on in a config of one
   block, and the number of the block is taken out of the name. */
static int has_place(const onebit_config *all, const char *name) {
    static const char *const known[] = {"rope_freqs.weight", ".scale", "_scale",
                                        "rotary_emb.inv_freq"};
    const char *dot = strstr(name, "blk.") == name         ? name + 4
                      : strncmp(name, "model.layers.", 13) ? NULL
                                                           : name + 13;
    char plain[160];
    ob_tensor t;
    int i;
    for (i = 0; i < 4; i++)
        if (cli_ends_with(name, known[i])) return 1;
    if (strstr(name, "inner_attn_ln") || strstr(name, "mlp.ffn_layernorm")) return 1;
    if (!strncmp(name, OB_SCALE_PREFIX, strlen(OB_SCALE_PREFIX))) return 1;
    snprintf(plain, sizeof plain, "%s", name);
    if (dot)
        snprintf(plain, sizeof plain, "%.*s0%s", (int)(dot - name), name,
                 dot + strspn(dot, "0123456789"));
    for (i = 0; ob_tensor_at(all, i, &t); i++)
        if (!strcmp(plain, t.name) || !strcmp(plain, t.gguf)) return 1;
    return 0;
}

static void check_places_of_names(subject *s) {
    onebit_config all = onebit_config_default();
    int i, faults = 0;
    all.num_layers = 1, all.vocab_size = 256,
    all.use_swiglu = all.use_qkv_bias = all.use_qk_norm = all.use_sub_norm = 1;
    all.tie_word_embeddings = 0;
    if (onebit_config_check(&all) != ONEBIT_OK || s->kind == K_OLD || s->kind == K_TENSORS ||
        s->kind == K_OURS)
        return;
    for (i = 0; i < s->count; i++)
        if (!has_place(&all, s->parts[i].name) && ++faults <= 8)
            result(s, "FAIL", "names", "%s: nobody uses this tensor", s->parts[i].name);
    if (faults > 8) result(s, "FAIL", "names", "and %d more tensors", faults - 8);
    if (!faults) result(s, "ok", "names", "every tensor has its use");
}

/* decode(encode(text)) of texts in several scripts. A vocabulary without some characters loses
   them, but what it has then must come back. */
static void check_texts(subject *s, const onebit_tokenizer *t) {
    static const char *const texts[] = {
        "Hello, world! It's 12345.67 o'clock.",
        "int main() {\n\treturn  0;\n}\n",
        "Gr\xC3\xBC\xC3\x9F"
        "e, fa\xC3\xA7"
        "ade",
        "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82, \xD0\xBC\xD0\xB8\xD1\x80",
        "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C",
        "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7",
        "\xE0\xA4\xA8\xE0\xA4\xAE\xE0\xA4\xB8\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA5\x87",
        "\xF0\x9F\x99\x82 \xF0\x9F\x9A\x80"};
    int i, k, whole = 0, faults = 0, count = (int)(sizeof texts / sizeof *texts);
    for (i = k = 0; i < 256; i++) k += t->byte_id[i] >= 0;
    for (i = 0; i < count; i++) {
        const char *text = texts[i];
        char back[2][512];
        int turn, same = 0;
        for (turn = 0; turn < 2 && !same; turn++) {
            size_t n, bytes;
            int32_t *ids = cli_encode(t, text, strlen(text), 0, &n);
            bytes = onebit_tokenizer_decode(t, back[turn], sizeof back[turn], ids, n, 0);
            free(ids);
            same = bytes == strlen(text) && !memcmp(back[turn], text, bytes);
            whole += same && !turn;
            text = back[turn];
            if (k == 256 || strlen(text) != bytes) break; /* every byte has its token */
        }
        if (!same && ++faults)
            result(s, "FAIL", "tokenizer", "text %d comes back as \"%s\"", i + 1, back[0]);
    }
    if (!faults)
        result(s, "ok", "tokenizer", "%d of %d texts come back%s", whole, count,
               whole < count ? ", the others without the characters that it lacks" : "");
}

static void check_words(subject *s) {
    const onebit_tokenizer *t = words_of(s);
    int i, bad = 0, ids = onebit_tokenizer_vocab_size(t),
           rows = s->opened ? config_of(s)->vocab_size : ids;
    size_t n;
    if (!t) {
        result(s, "skip", "tokenizer", "there is none");
        return;
    }
    check_texts(s, t);
    for (i = 0; i < ids; i++) bad += !onebit_tokenizer_piece(t, i, &n);
    if (bad) result(s, "FAIL", "ids", "%d of %d ids have no text", bad, ids);
    else result(s, "ok", "ids", "all %d have a text", ids);
    if (!s->opened) return;
    if (ids > rows)
        result(s, "FAIL", "vocabulary", "the tokenizer has %d ids, the embedding %d rows", ids,
               rows);
    else result(s, "ok", "vocabulary", "%d ids, %d rows of the embedding", ids, rows);
}

static void check_chat(subject *s) {
    static const char *const role[2][3] = {{"system", "user", "assistant"},
                                           {"user", "assistant", "user"}};
    static const char *const said[3] = {"Be brief.", "Hello!", "Good morning."};
    const onebit_tokenizer *t = words_of(s);
    const char *jinja = onebit_tokenizer_template(t),
               *own = s->opened ? config_of(s)->chat_template : "";
    onebit_status status = ONEBIT_USAGE;
    onebit_chat_options how;
    onebit_message talk[3];
    onebit_turn turn;
    char a[64], b[64];
    size_t n = 0;
    int i, k;
    if (*own) {
        if (onebit_turn_parse(&turn, own) != ONEBIT_OK)
            result(s, "FAIL", "template", "%s", onebit_error_text());
        else result(s, "ok", "template", "%s", "");
    }
    if (!jinja) return;
    how.bos = piece_of(t, onebit_tokenizer_start(t), a, sizeof a);
    how.eos = piece_of(t, onebit_tokenizer_end(t), b, sizeof b);
    for (k = 0; k < 2 && status == ONEBIT_USAGE; k++) { /* some refuse a system's message */
        for (i = 0; i < 3; i++)
            talk[i].role = role[k][i], talk[i].content = said[i], talk[i].bytes = strlen(said[i]);
        how.add_generation_prompt = k;
        status = onebit_chat_render(NULL, 0, &n, jinja, talk, 3, &how, &s->env);
    }
    if (status != ONEBIT_OK) result(s, "FAIL", "template", "%s", onebit_error_text());
    else if (!n) result(s, "FAIL", "template", "a talk of three messages becomes an empty text");
    else result(s, "ok", "template", "three messages become %lu bytes", (unsigned long)n);
}

enum { STEPS = 16 };

/* Logits [n][V] of fixed ids, all at once or one by one, in new memory; NULL after an error. */
static float *logits_of(const onebit_model *model, const onebit_env *env, int n, int one_by_one) {
    onebit_session_options how = onebit_session_options_default();
    onebit_session *session = NULL;
    size_t V = (size_t)onebit_model_config(model)->vocab_size;
    float *out = (float *)cli_alloc((size_t)n * V * sizeof *out);
    int32_t ids[STEPS];
    onebit_status status;
    int i;
    for (i = 0; i < n; i++) ids[i] = (int32_t)((1u + 7919u * (unsigned)i) % (unsigned)V);
    how.context = n;
    status = onebit_session_create(&session, model, &how, env);
    if (status == ONEBIT_OK && !one_by_one)
        status = onebit_session_eval(session, ids, (size_t)n, out);
    for (i = 0; status == ONEBIT_OK && one_by_one && i < n; i++)
        status = onebit_session_eval(session, ids + i, 1, out + (size_t)i * V);
    onebit_session_free(session);
    if (status == ONEBIT_OK) return out;
    free(out);
    return NULL;
}

static void check_twin(subject *s, const char *check, const float *a, float *b, size_t n) {
    size_t i;
    for (i = 0; b && i < n && !memcmp(a + i, b + i, sizeof *a); i++) {}
    if (!b) result(s, "FAIL", check, "%s", onebit_error_text());
    else if (i < n)
        result(s, "FAIL", check, "logit %lu is %.9g and %.9g", (unsigned long)i, (double)a[i],
               (double)b[i]);
    else result(s, "ok", check, "the same bits");
    free(b);
}

static void check_forward(subject *s) {
    const onebit_model *model = s->origin.model;
    const onebit_config *c = &model->config;
    onebit_env scalar = s->env;
    int n = c->max_seq_len < STEPS ? c->max_seq_len : STEPS;
    size_t i, bad = 0, differ = 0, all = (size_t)n * (size_t)c->vocab_size;
    float *logits = logits_of(model, &s->env, n, 0);
    if (!logits) {
        result(s, "FAIL", "forward", "%s", onebit_error_text());
        return;
    }
    for (i = 0; i < all; i++)
        bad += !ob_is_finite(logits[i]), differ += logits[i] > logits[0] || logits[i] < logits[0];
    if (bad)
        result(s, "FAIL", "forward", "%lu of %lu logits are not finite", (unsigned long)bad,
               (unsigned long)all);
    else if (!differ) result(s, "FAIL", "forward", "all logits are %g", (double)logits[0]);
    else result(s, "ok", "forward", "%d tokens, all logits finite", n);
    check_twin(s, "prefill and decode", logits, logits_of(model, &s->env, n, 1), all);
    scalar.isa = ONEBIT_ISA_SCALAR;
    if (model->bytes <= 200000000)
        check_twin(s, "scalar kernels", logits, logits_of(model, &scalar, n, 0), all);
    else result(s, "skip", "scalar kernels", "they are slow for a model of more than 200 MB");
    free(logits);
}

/* All checks; the exit code. */
static int validate(subject *s) {
    int model = s->kind != K_WORDS && (s->kind != K_GGUF || s->count || *s->why) &&
                (s->kind != K_TENSORS || s->opened);
    if (s->c->json) fputs(", \"checks\": [", stdout);
    if (s->kind != K_WORDS) check_container(s);
    if (s->count) check_numbers(s);
    if (s->count) check_places_of_names(s);
    if (s->opened && ob_origin_settle(&s->origin, s->path) != ONEBIT_OK) {
        s->opened = 0; /* and nothing more is known of it */
        snprintf(s->refusal, sizeof s->refusal, "%s", onebit_error_text());
        ob_origin_close(&s->origin);
    }
    if (!model) result(s, "skip", "opens", "it holds no model");
    else if (!s->opened) result(s, "FAIL", "opens", "%s", s->refusal);
    else result(s, "ok", "opens", "%s", onebit_model_note(s->origin.model));
    if (s->kind != K_TENSORS || s->opened) check_words(s);
    check_chat(s);
    if (s->opened && !cli_interrupts) check_forward(s);
    if (s->c->json)
        printf("], \"passed\": %d, \"failed\": %d, \"skipped\": %d", s->passed, s->failed,
               s->skipped);
    else printf("%d ok, %d failed, %d skipped\n", s->passed, s->failed, s->skipped);
    return s->failed > 0;
}

#endif /* VALIDATE_H */
