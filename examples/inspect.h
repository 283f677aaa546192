/* inspect.h - what onebit-inspect knows of a file: its kind, its tensors as they lie there, and
   what their numbers are. It looks inside onebit.h: include that with its implementation, and
   cli.h, first. */
#ifndef INSPECT_H
#define INSPECT_H

/* ---- what is looked at ---- */

typedef enum file_kind {
    K_UNKNOWN,
    K_ONEBIT,
    K_OLD,
    K_GGUF,
    K_TENSORS,
    K_OURS,
    K_HF,
    K_LLAMA2C,
    K_BIT_LLAMA,
    K_WORDS
} file_kind;

/* A tensor as its file has it. type: how its rows are read, OB_TYPE_COUNT = not at all; of a .1bit
   format instead, with its scales. */
typedef struct part {
    char name[128], type_name[24];
    int rank, type, format, rows, cols; /* rows, cols: as a matrix; rows 0 = cannot be read */
    uint64_t dims[4];                   /* rows first */
    const uint8_t *data, *scale;        /* data NULL = outside the file */
    uint64_t bytes, offset, scales;
    ob_v1_tensor old;
} part;

/* What a tensor's numbers are. */
typedef struct tally {
    double share[3], undefined, bad; /* codes -1, 0, +1; code 3; NaN and infinite numbers */
    double low, high, scale_low, scale_high;
    int coded, scaled;
} tally;

enum { LAYERS, WIDTH, HEADS, KV_HEADS, FFN, VOCABULARY, CONTEXT, SHAPE };

typedef struct subject {
    const cli *c;
    onebit_env env;
    const char *path;
    onebit_open_options how;
    file_kind kind;
    char format[80], architecture[80], why[512], refusal[512]; /* why: its container is damaged */
    double bytes, shape[SHAPE];
    ob_map map; /* of a file */
    ob_gguf gguf;
    ob_st_file one;   /* a safetensors file, or */
    ob_origin files;  /* all of a directory of Hugging Face */
    ob_origin origin; /* as the library reads it */
    const ob_st_file *st;
    int st_count, st_usable, opened, count;
    part *parts;
    onebit_tokenizer *words;          /* of what does not open */
    int failed, passed, skipped, bad; /* checks; faults of the one under way */
} subject;

/* Text of a hostile file for a terminal: one line, no control characters, cut to size. */
static const char *clean(char *out, size_t size, const char *text, size_t n) {
    size_t i = 0, at = 0;
    while (i < n && at + 5 < size) {
        size_t step = cli_utf8(text + i, n - i);
        int plain = step && (uint8_t)text[i] >= 32 && text[i] != 127 &&
                    !(step == 2 && (uint8_t)text[i] == 0xC2 && (uint8_t)text[i + 1] < 0xA0);
        if (plain) memcpy(out + at, text + i, step);
        else out[at] = text[i] == '\n' ? ' ' : '?';
        at += plain ? step : 1;
        i += step ? step : 1;
    }
    if (i < n && size > 8) memcpy(out + at, "...", 4);
    else out[at] = 0;
    return out;
}

static part *add_part(subject *s, const char *name, const char *type) {
    part *p;
    if (s->count % 256 == 0) {
        p = (part *)realloc(s->parts, (size_t)(s->count + 256) * sizeof *p);
        if (!p) exit(cli_fail("out of memory"));
        s->parts = p;
    }
    p = &s->parts[s->count++];
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->type_name, sizeof p->type_name, "%s", type);
    p->type = OB_TYPE_COUNT, p->format = -1;
    return p;
}

/* Rows and columns, when its bytes are those of its type. */
static void settle_part(part *p, uint64_t rows, uint64_t cols) {
    if (!rows || !cols || rows > INT_MAX || cols > 1 << 24 || p->type == OB_TYPE_COUNT) return;
    if (ob_type_tensor_bytes((ob_type)p->type, (int)rows, (int)cols) != p->bytes) return;
    p->rows = (int)rows, p->cols = (int)cols;
}

/* ---- reading containers ---- */

/* 1 when a section of a .1bit lies in it. */
static int inside(const subject *s, uint64_t at, uint64_t bytes) {
    return at >= OB_HEAD_BYTES && at <= s->map.bytes && bytes <= s->map.bytes - at;
}

/* The records of a .1bit, whatever its checksum says. */
static void read_onebit(subject *s) {
    const uint8_t *p = s->map.data, *r;
    uint64_t n = s->map.bytes, count, i;
    if (n < OB_HEAD_BYTES) {
        snprintf(s->why, sizeof s->why, "cut off in its head: %.0f bytes", (double)n);
        return;
    }
    count = ob_get32(p + 24);
    if (count > (n - OB_HEAD_BYTES) / OB_RECORD_BYTES) {
        snprintf(s->why, sizeof s->why, "%.0f tensors cannot be in %.0f bytes", (double)count,
                 (double)n);
        return;
    }
    if (ob_get64(p + 8) > n)
        snprintf(s->why, sizeof s->why, "cut off: its head says %.0f bytes, the file has %.0f",
                 (double)ob_get64(p + 8), (double)n);
    for (i = 0; i < count; i++) {
        uint32_t format, rows, cols;
        char name[64] = {0};
        part *t;
        r = p + OB_HEAD_BYTES + i * OB_RECORD_BYTES;
        memcpy(name, r, 63);
        format = ob_get32(r + 64), rows = ob_get32(r + 68), cols = ob_get32(r + 72);
        t = add_part(s, name, format < OB_FORMAT_COUNT ? ob_format_names[format] : "unknown");
        t->rank = 2, t->dims[0] = rows, t->dims[1] = cols;
        t->offset = ob_get64(r + 88), t->bytes = ob_get64(r + 96), t->scales = ob_get32(r + 76);
        if (!inside(s, t->offset, t->bytes) || !inside(s, ob_get64(r + 80), t->scales * 4))
            continue;
        t->data = p + t->offset, t->scale = p + ob_get64(r + 80);
        if (format >= OB_FORMAT_COUNT || !rows || !cols || rows > 1 << 20 || cols > 1 << 20 ||
            ob_format_bytes((ob_format)format, (int)rows, (int)cols) != t->bytes)
            continue;
        t->format = (int)format, t->rows = (int)rows, t->cols = (int)cols;
    }
}

static void read_old(subject *s) {
    ob_v1_tensor t;
    ob_v1 v;
    uint32_t i;
    onebit_status status = ob_v1_open(&v, s->map.data, s->map.bytes);
    for (i = 0; status == ONEBIT_OK && i < v.count; i++) {
        int k;
        part *p;
        if ((status = ob_v1_next(&v, &t)) != ONEBIT_OK) break;
        p = add_part(s, t.name, t.binary ? "binary v1" : "ternary v1");
        p->old = t, p->rank = t.rank, p->data = t.data, p->bytes = t.bytes;
        p->offset = (uint64_t)(t.data - s->map.data), p->rows = p->cols = 1;
        for (k = 0; k < t.rank; k++) p->dims[k] = (uint64_t)t.shape[k];
    }
    if (status != ONEBIT_OK) snprintf(s->why, sizeof s->why, "%s", onebit_error_text());
}

/* Keys and entries of a GGUF whose tensors are not all in their places: it was cut, say. */
static onebit_status read_gguf_head(ob_gguf *g, const subject *s) {
    ob_reader r = ob_reader_on(s->map.data, s->map.bytes);
    onebit_status status;
    memset(g, 0, sizeof *g);
    g->env = s->env, g->what = s->path, g->p = s->map.data, g->bytes = s->map.bytes;
    g->alignment = OB_GGUF_ALIGNMENT;
    status = ob_gguf_read_head(g, &r);
    if (status == ONEBIT_OK) status = ob_gguf_walk(g, r);
    if (status == ONEBIT_OK) status = ob_gguf_take(g);
    if (status == ONEBIT_OK) status = ob_gguf_walk(g, r);
    if (status == ONEBIT_OK) status = ob_gguf_unique(g);
    if (status != ONEBIT_OK) ob_gguf_close(g);
    return status;
}

/* What its entry says, and where it lies if that is in the file. */
static void read_gguf_tensor(subject *s, ob_gguf_tensor *t) {
    uint64_t room = s->map.bytes - s->gguf.data;
    char type[24];
    part *p;
    int k;
    if (t->type) snprintf(type, sizeof type, "%.20s", t->type->name);
    else snprintf(type, sizeof type, "type %lu", (unsigned long)t->id);
    if (!t->data && t->type) t->bytes = ob_gguf_size(t, t->type);
    if (!t->data && t->offset <= room && t->bytes <= room - t->offset)
        t->data = s->map.data + s->gguf.data + (size_t)t->offset;
    p = add_part(s, t->name, type);
    p->rank = t->rank, p->data = t->data, p->bytes = t->bytes;
    p->offset = s->gguf.data + t->offset;
    for (k = 0; k < t->rank; k++) p->dims[k] = t->dims[t->rank - 1 - k];
    if (t->type && t->type->bytes) p->type = (int)ob_gguf_type_of(t, s->how.i2s);
    settle_part(p, t->dims[1] * t->dims[2] * t->dims[3], t->dims[0]);
}

static void read_gguf(subject *s) {
    ob_gguf *g = &s->gguf;
    size_t i;
    if (ob_gguf_read(g, s->map.data, s->map.bytes, s->path, &s->env) != ONEBIT_OK) {
        snprintf(s->why, sizeof s->why, "%s", onebit_error_text());
        if (read_gguf_head(g, s) != ONEBIT_OK) memset(g, 0, sizeof *g);
    }
    if (!g->block) return;
    snprintf(s->format, sizeof s->format, "GGUF version %u%s", (unsigned)g->version,
             g->tensor_count ? "" : ", without tensors: a tokenizer");
    for (i = 0; i < g->tensor_count; i++) read_gguf_tensor(s, g->tensors + i);
}

/* The tensors of one safetensors file. U8 with the name of a layer are transformers' packed
   codes. */
static void read_tensors(subject *s, const ob_st_file *f) {
    static const char *const floats[] = {"F32", "F16", "BF16"};
    int i, k;
    for (i = 0; i < f->count; i++) {
        const ob_st_tensor *t = f->tensors + i;
        part *p = add_part(s, t->name, t->dtype);
        uint64_t rows = 1, cols = t->rank ? (uint64_t)t->shape[t->rank - 1] : 1;
        p->rank = t->rank, p->data = t->data, p->bytes = t->bytes;
        p->offset = (uint64_t)(t->data - f->map.data);
        for (k = 0; k < t->rank; k++) {
            p->dims[k] = (uint64_t)t->shape[k];
            if (k + 1 < t->rank && rows <= INT_MAX) rows *= p->dims[k];
        }
        for (k = 0; k < 3; k++)
            if (!strcmp(t->dtype, floats[k])) p->type = OB_TYPE_F32 + k;
        if (!strcmp(t->dtype, "U8") && t->rank == 2 && cli_ends_with(t->name, "_proj.weight"))
            p->type = OB_TYPE_HF_PACKED, rows *= 4;
        settle_part(p, rows, cols);
    }
}

/* One file, with holes and overlaps too: those are told, not refused. */
static void read_safetensors(subject *s) {
    ob_st_file *f = &s->one;
    const uint8_t *p = s->map.data;
    uint64_t n;
    f->env = s->env;
    s->st_usable = ob_st_read(f, p, s->map.bytes, s->path) == ONEBIT_OK;
    if (!s->st_usable) {
        snprintf(s->why, sizeof s->why, "%s", onebit_error_text());
        if (!f->tensors || f->count < 1) return;
        n = ob_get64(p);
        memset(&f->metadata, 0, sizeof f->metadata);
        memset(f->tensors, 0, (size_t)f->count * sizeof *f->tensors);
        if (ob_st_fill(f, ob_json_on((const char *)p + 8, (size_t)n, s->path), p + 8 + n,
                       s->map.bytes - 8 - (size_t)n) != ONEBIT_OK)
            return;
        s->st_usable = 1;
    }
    f->map.data = p; /* for offsets; taken back before it is closed */
    s->st = f, s->st_count = 1;
    read_tensors(s, f);
}

static void read_directory(subject *s) {
    int i;
    if (ob_hf_shards(&s->files, s->path) != ONEBIT_OK)
        snprintf(s->why, sizeof s->why, "%s", onebit_error_text());
    s->st = s->files.parts.shards, s->st_count = s->files.parts.shard_count;
    for (i = 0; i < s->st_count; i++) {
        s->bytes += (double)s->st[i].map.bytes;
        read_tensors(s, s->st + i);
    }
}

/* The tensors of a llama2.c file have no names there, so they are those of the library. */
static void read_llama2c(subject *s) {
    ob_tensor t;
    int i;
    for (i = 0; s->opened && ob_tensor_at(&s->origin.have, i, &t); i++) {
        const ob_theirs *of = s->origin.parts.of + i;
        const uint8_t *begin = s->origin.parts.map.data;
        part *p;
        if (of->data < begin || of->data >= begin + s->map.bytes) continue; /* norms of ones */
        p = add_part(s, t.name, ob_types[of->type].name);
        p->rank = t.rows > 1 ? 2 : 1, p->type = (int)of->type;
        p->dims[0] = (uint64_t)(t.rows > 1 ? t.rows : t.cols), p->dims[1] = (uint64_t)t.cols;
        p->offset = (uint64_t)(of->data - begin), p->data = s->map.data + p->offset;
        p->bytes = ob_type_tensor_bytes(of->type, t.rows, t.cols);
        settle_part(p, (uint64_t)t.rows, (uint64_t)t.cols);
    }
}

/* ---- what it is ---- */

static file_kind kind_of_file(const ob_map *m) {
    if (m->bytes >= 8 && !memcmp(m->data, "1BIT", 4))
        return ob_v1_is(m->data, m->bytes) ? K_OLD : K_ONEBIT;
    if (m->bytes >= 4 && !memcmp(m->data, "GGUF", 4)) return K_GGUF;
    if (m->bytes > 8 && m->data[8] == '{') return K_TENSORS;
    if (!ob_llama2c_is(m)) return K_UNKNOWN;
    return ob_get32(m->data) == OB_BIT_MAGIC ? K_BIT_LLAMA : K_LLAMA2C;
}

/* Finds out what a path holds, and maps it; a path where nothing is ends the program. */
static void find(subject *s) {
    static const char *const names[] = {"unknown",
                                        ".1bit version 2",
                                        ".1bit version 1",
                                        "GGUF",
                                        "safetensors",
                                        "directory of onebit-train",
                                        "Hugging Face directory",
                                        "llama2.c",
                                        "bitllama2.c",
                                        "tokenizer"};
    char inner[OB_PATH_MAX];
    ob_map config;
    if (ob_is_directory(s->path)) {
        if (ob_hf_found(&config, s->path)) {
            ob_map_close(&config);
            s->kind = K_HF;
        } else if (ob_origin_path(inner, sizeof inner, s->path) == ONEBIT_OK &&
                   ob_file_exists(inner) && ob_map_open(&s->map, inner) == ONEBIT_OK)
            s->kind = K_OURS;
    } else if (ob_map_open(&s->map, s->path) != ONEBIT_OK)
        exit(cli_fail("%s (see --model)", onebit_error_text()));
    else s->kind = kind_of_file(&s->map);
    if (s->kind == K_UNKNOWN && onebit_tokenizer_open(&s->words, s->path, &s->env) == ONEBIT_OK)
        s->kind = K_WORDS;
    else if (s->kind == K_UNKNOWN)
        snprintf(s->refusal, sizeof s->refusal, "%s", onebit_error_text());
    s->bytes = (double)s->map.bytes;
    snprintf(s->format, sizeof s->format, "%s", names[s->kind]);
    if (s->kind == K_ONEBIT && ob_get32(s->map.data + 4) != OB_FILE_VERSION)
        snprintf(s->format, sizeof s->format, ".1bit version %lu",
                 (unsigned long)ob_get32(s->map.data + 4));
}

static void open_all(subject *s) {
    find(s);
    if (s->kind == K_WORDS || s->kind == K_UNKNOWN) return;
    s->opened = ob_origin_open(&s->origin, s->path, &s->how, &s->env) == ONEBIT_OK;
    if (!s->opened) snprintf(s->refusal, sizeof s->refusal, "%s", onebit_error_text());
    if (s->kind == K_ONEBIT) read_onebit(s);
    else if (s->kind == K_OLD) read_old(s);
    else if (s->kind == K_GGUF) read_gguf(s);
    else if (s->kind == K_TENSORS || s->kind == K_OURS) read_safetensors(s);
    else if (s->kind == K_HF) read_directory(s);
    else read_llama2c(s);
    if (s->opened) return;
    if (s->how.tokenizer) (void)onebit_tokenizer_open(&s->words, s->how.tokenizer, &s->env);
    else if (s->kind == K_GGUF && s->gguf.block)
        (void)ob_tokenizer_gguf(&s->words, &s->gguf, &s->env);
    else if (s->kind == K_HF) (void)onebit_tokenizer_open(&s->words, s->path, &s->env);
}

static void close_all(subject *s) {
    if (s->opened) ob_origin_close(&s->origin);
    s->one.map.data = NULL;
    ob_st_close(&s->one);
    ob_parts_close(&s->files);
    ob_gguf_close(&s->gguf);
    onebit_tokenizer_free(s->words);
    ob_map_close(&s->map);
    free(s->parts);
}

static const onebit_config *config_of(const subject *s) {
    return s->opened ? &s->origin.want : NULL;
}

static const onebit_tokenizer *words_of(const subject *s) {
    if (!s->opened) return s->words;
    return s->origin.model ? s->origin.model->tokenizer : s->origin.tokenizer;
}

/* The written form of an id, "" when there is none. */
static const char *piece_of(const onebit_tokenizer *t, int id, char *out, size_t size) {
    size_t n = 0;
    const char *p = id < 0 ? NULL : onebit_tokenizer_piece(t, id, &n);
    return clean(out, size, p ? p : "", p ? n : 0);
}

/* Shape and architecture of a GGUF that is not opened. */
static void shape_of_gguf(subject *s) {
    static const char *const key[SHAPE] = {"block_count",          "embedding_length",
                                           "attention.head_count", "attention.head_count_kv",
                                           "feed_forward_length",  "vocab_size",
                                           "context_length"};
    const ob_gguf_value *tokens = ob_gguf_array(&s->gguf, "tokenizer.ggml.tokens", OB_GGUF_STRING);
    char full[200];
    uint64_t v;
    int i;
    for (i = 0; i < SHAPE; i++) {
        ob_print(full, sizeof full, "%s.%s", s->architecture, key[i]);
        if (ob_gguf_u64(&s->gguf, full, &v)) s->shape[i] = (double)v;
    }
    if (s->shape[VOCABULARY] <= 0 && tokens) s->shape[VOCABULARY] = (double)tokens->count;
}

/* The text of a file beside the weights; 0 = it is not there. */
static int text_beside(const subject *s, const char *name, cli_text *out) {
    char path[OB_PATH_MAX];
    return ob_path_join(path, sizeof path, s->path, name) == ONEBIT_OK && ob_file_exists(path) &&
           cli_read_file(path, out);
}

/* Shape and architecture of a config.json that is not understood. */
static void shape_of_json(subject *s) {
    static const char *const key[SHAPE] = {
        "num_hidden_layers", "hidden_size", "num_attention_heads",    "num_key_value_heads",
        "intermediate_size", "vocab_size",  "max_position_embeddings"};
    cli_text text = {NULL, 0, 0};
    ob_slice name;
    ob_json j;
    int i;
    if (!text_beside(s, "config.json", &text)) return;
    j = ob_json_on(text.p, text.n, "config.json");
    ob_json_object(&j);
    while (ob_json_key(&j, &name)) {
        for (i = 0; i < SHAPE && !ob_slice_is(name, key[i]); i++) {}
        if (i < SHAPE && ob_json_peek(&j) == '0') s->shape[i] = ob_json_number(&j);
        else if (ob_slice_is(name, "model_type") && ob_json_peek(&j) == '"')
            (void)ob_json_string(&j, s->architecture, sizeof s->architecture);
        else ob_json_skip(&j);
    }
    free(text.p);
}

static void shape_of_config(subject *s, const onebit_config *c) {
    s->shape[LAYERS] = c->num_layers, s->shape[WIDTH] = c->hidden_size;
    s->shape[HEADS] = c->num_heads, s->shape[KV_HEADS] = c->num_key_value_heads;
    s->shape[FFN] = c->intermediate_size, s->shape[VOCABULARY] = c->vocab_size;
    s->shape[CONTEXT] = c->max_seq_len;
}

/* Config and tokenizer of a .1bit that does not open, each when it is sound by itself. */
static void shape_of_onebit(subject *s) {
    const uint8_t *p = s->map.data;
    onebit_config c = onebit_config_default();
    if (s->map.bytes < OB_HEAD_BYTES) return;
    if (inside(s, ob_get64(p + 32), ob_get64(p + 40)) &&
        onebit_config_parse(&c, (const char *)p + ob_get64(p + 32), (size_t)ob_get64(p + 40)) ==
            ONEBIT_OK)
        shape_of_config(s, &c);
    if (ob_get64(p + 56) && inside(s, ob_get64(p + 48), ob_get64(p + 56)))
        (void)ob_tokenizer_unpack(&s->words, p + ob_get64(p + 48), (size_t)ob_get64(p + 56),
                                  &s->env);
}

static void find_shape(subject *s) {
    ob_slice name;
    if (s->kind == K_GGUF && ob_gguf_string(&s->gguf, "general.architecture", &name))
        clean(s->architecture, sizeof s->architecture, name.p, name.n);
    if (s->kind == K_HF) shape_of_json(s);
    if (s->opened) shape_of_config(s, config_of(s));
    else if (s->kind == K_GGUF) shape_of_gguf(s);
    else if (s->kind == K_ONEBIT) shape_of_onebit(s);
}

/* ---- what its numbers are ---- */

static void tally_value(tally *t, double x) {
    if (!isfinite(x)) t->bad++;
    else {
        if (x < t->low) t->low = x;
        if (x > t->high) t->high = x;
    }
}

static void tally_scale(tally *t, double x) {
    t->scaled = 1;
    if (!isfinite(x)) t->bad++;
    else {
        if (x < t->scale_low) t->scale_low = x;
        if (x > t->scale_high) t->scale_high = x;
    }
}

/* Codes of a row; 2 stands for one that is not defined. */
static void tally_codes(tally *t, const int8_t *codes, int n, int undefined) {
    int i, count[4] = {0, 0, 0, 0};
    for (i = 0; i < n; i++) count[(codes[i] + 1) & 3]++;
    for (i = 0; i < 3; i++) t->share[i] += count[i];
    if (undefined) t->undefined += count[3];
    t->coded = 1;
}

/* A matrix of a .1bit, padding included: there too every code must be one. */
static void measure_format(const part *p, tally *t, int8_t *codes, float *values) {
    ob_format format = (ob_format)p->format;
    int r, i, coded = format == OB_T2X16 || format == OB_T5X16 || format == OB_B1X16;
    uint64_t k;
    for (r = 0; r < p->rows; r++) {
        const uint8_t *block = p->data + (uint64_t)(r / 16) * ob_block_bytes(format, p->cols);
        if (format == OB_PLAIN)
            for (i = 0; i < p->cols; i++)
                tally_value(t, ob_getf32(p->data + 4 * ((size_t)r * (size_t)p->cols + (size_t)i)));
        else if (coded) {
            ob_unpack_codes(codes, block, format, r % 16, p->cols);
            tally_codes(t, codes, p->cols, 0);
        } else {
            ob_unpack_row(values, p->data, format, r, p->cols);
            for (i = 0; i < p->cols; i++) tally_value(t, values[i]);
        }
    }
    for (k = 0; k < p->bytes; k++) {
        unsigned b = p->data[k], both = b & b >> 1 & 0x55u;
        if (format == OB_T2X16 && both)
            t->undefined += (both & 1) + (both >> 2 & 1) + (both >> 4 & 1) + (both >> 6);
        if (format == OB_T5X16 && b > 242) t->undefined += 5;
    }
    for (k = 0; k < p->scales; k++) tally_scale(t, ob_getf32(p->scale + 4 * k));
}

/* A tensor of another program's. */
static void measure_type(const part *p, tally *t, int8_t *codes, float *values) {
    ob_type type = (ob_type)p->type;
    int r, i,
        coded = ob_types[type].holds == OB_HOLDS_TRITS || ob_types[type].holds == OB_HOLDS_BITS;
    int own = ob_types[type].group || ob_type_has_tail(type);
    for (r = 0; r < p->rows; r++) {
        if (coded) {
            double before = t->undefined + t->bad;
            int fine = ob_type_codes(type, p->data, p->rows, p->cols, r, codes, values);
            tally_codes(t, codes, p->cols, 1);
            for (i = 0; own && i < (ob_types[type].group ? (p->cols) / ob_types[type].group : 1); i++)
                if (r == 0 || ob_types[type].group) tally_scale(t, values[i]);
            if (!fine && r == 0 && before >= t->undefined + t->bad) t->undefined++;
        } else {
            ob_type_floats(type, p->data, p->rows, p->cols, r, values);
            for (i = 0; i < p->cols; i++) tally_value(t, values[i]);
        }
    }
}

/* Reads every number of a tensor; 0 = its type cannot be read. */
static int measure(const part *p, tally *t) {
    int8_t *codes;
    float *values;
    size_t i;
    memset(t, 0, sizeof *t);
    t->low = t->scale_low = HUGE_VAL, t->high = t->scale_high = -HUGE_VAL;
    if (!p->data || !p->rows) return 0;
    for (i = 0; p->old.data && i < p->old.elements; i++) {
        int8_t code = ob_v1_code(&p->old, i);
        tally_codes(t, &code, 1, 0);
    }
    if (p->old.data) return 1;
    codes = (int8_t *)cli_alloc((size_t)p->cols + 256);
    values = (float *)cli_alloc(((size_t)p->cols + 256) * sizeof *values);
    if (p->format >= 0) measure_format(p, t, codes, values);
    else measure_type(p, t, codes, values);
    free(codes);
    free(values);
    return 1;
}

#endif /* INSPECT_H */
