/* foreign.h - one small model in the files of other programs, made byte by byte, and once more as
   plain double arithmetic. Shares no code with onebit.h but little-endian stores and halves. Rows of
   queries and keys stand as their file has them: neighbours are turned together in llama's GGUF and
   in llama2.c, halves of a head elsewhere. */
#ifndef FOREIGN_H
#define FOREIGN_H

#define FOREIGN_MOST 48

/* code 0: blocks are floats; 3: ternary codes with one scale; 2: binary ones. ones: norms have no
   gains, but for the last, and scales are divided by the width of a row. */
typedef struct foreign_spec {
    const char *architecture;
    int D, F, L, H, K, d, V, T;
    int code, sub, relu2, qk, bias, untied, neighbours, ones;
    double eps, final_eps, theta;
} foreign_spec;

/* kind: g gain, b bias, l linear, e embedding and head. */
typedef struct foreign_tensor {
    char gguf[64], hf[80], kind;
    int rows, cols;
    int8_t *codes; /* NULL = floats */
    float scale, *values;
} foreign_tensor;

typedef struct foreign_model {
    foreign_spec s;
    foreign_tensor t[FOREIGN_MOST];
    int count;
    double margin; /* distance of an input to the middle between two codes, of the last forward */
} foreign_model;

/* ---- weights ---- */

static void foreign_fill(foreign_model *m, foreign_tensor *t, uint32_t salt) {
    size_t i, n = (size_t)t->rows * (size_t)t->cols;
    uint32_t x = ref_generator(t->gguf, salt);
    int coded = t->kind == 'l' && m->s.code;
    t->values = (float *)calloc(n, sizeof(float));
    t->codes = coded ? (int8_t *)calloc(n, 1) : NULL;
    t->scale = (float)(16 + ref_draw(&x) % 16) / 256.0f;
    for (i = 0; i < n; i++) {
        float u = (float)ref_draw(&x) / 32768.0f - 1.0f;
        if (coded && m->s.code == 3) t->codes[i] = (int8_t)((int)(ref_draw(&x) % 3) - 1);
        else if (coded) t->codes[i] = u < 0 ? -1 : 1;
        t->values[i] = coded ? (float)t->codes[i] * t->scale
                       : t->kind == 'g'
                           ? m->s.ones && !strstr(t->gguf, "output_norm") ? 1 : 1 + u / 4
                           : u / 4;
    }
}

static void foreign_add(foreign_model *m, int layer, const char *gguf, const char *hf, char kind,
                        int rows, int cols, uint32_t salt) {
    foreign_tensor *t = &m->t[m->count++];
    const char *end = kind == 'b' ? "bias" : "weight";
    if (layer < 0) snprintf(t->gguf, sizeof t->gguf, "%s.%s", gguf, end);
    else snprintf(t->gguf, sizeof t->gguf, "blk.%d.%s.%s", layer, gguf, end);
    if (layer < 0) snprintf(t->hf, sizeof t->hf, "%s.%s", hf, end);
    else snprintf(t->hf, sizeof t->hf, "model.layers.%d.%s.%s", layer, hf, end);
    t->kind = kind, t->rows = rows, t->cols = cols;
    foreign_fill(m, t, salt);
}

static void foreign_open(foreign_model *m, const foreign_spec *s, uint32_t salt) {
    int l, q = s->H * s->d, k = s->K * s->d;
    memset(m, 0, sizeof *m);
    m->s = *s;
    foreign_add(m, -1, "token_embd", "model.embed_tokens", 'e', s->V, s->D, salt);
    for (l = 0; l < s->L; l++) {
        foreign_add(m, l, "attn_norm", "input_layernorm", 'g', 1, s->D, salt);
        foreign_add(m, l, "attn_q", "self_attn.q_proj", 'l', q, s->D, salt);
        foreign_add(m, l, "attn_k", "self_attn.k_proj", 'l', k, s->D, salt);
        foreign_add(m, l, "attn_v", "self_attn.v_proj", 'l', k, s->D, salt);
        if (s->bias) foreign_add(m, l, "attn_q", "self_attn.q_proj", 'b', 1, q, salt);
        if (s->bias) foreign_add(m, l, "attn_k", "self_attn.k_proj", 'b', 1, k, salt);
        if (s->bias) foreign_add(m, l, "attn_v", "self_attn.v_proj", 'b', 1, k, salt);
        if (s->qk) foreign_add(m, l, "attn_q_norm", "self_attn.q_norm", 'g', 1, s->d, salt);
        if (s->qk) foreign_add(m, l, "attn_k_norm", "self_attn.k_norm", 'g', 1, s->d, salt);
        if (s->sub) foreign_add(m, l, "attn_sub_norm", "self_attn.attn_sub_norm", 'g', 1, q, salt);
        foreign_add(m, l, "attn_output", "self_attn.o_proj", 'l', s->D, q, salt);
        foreign_add(m, l, "ffn_norm", "post_attention_layernorm", 'g', 1, s->D, salt);
        foreign_add(m, l, "ffn_gate", "mlp.gate_proj", 'l', s->F, s->D, salt);
        foreign_add(m, l, "ffn_up", "mlp.up_proj", 'l', s->F, s->D, salt);
        if (s->sub) foreign_add(m, l, "ffn_sub_norm", "mlp.ffn_sub_norm", 'g', 1, s->F, salt);
        foreign_add(m, l, "ffn_down", "mlp.down_proj", 'l', s->D, s->F, salt);
    }
    foreign_add(m, -1, "output_norm", "model.norm", 'g', 1, s->D, salt);
    if (s->untied) foreign_add(m, -1, "output", "lm_head", 'e', s->V, s->D, salt);
}

static void foreign_close(foreign_model *m) {
    int i;
    for (i = 0; i < m->count; i++) free(m->t[i].values), free(m->t[i].codes);
    m->count = 0;
}

static const foreign_tensor *foreign_find(const foreign_model *m, int layer, const char *name) {
    char full[64];
    int i;
    if (layer < 0) snprintf(full, sizeof full, "%s", name);
    else snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    for (i = 0; i < m->count; i++)
        if (!strcmp(m->t[i].gguf, full)) return &m->t[i];
    return NULL;
}

/* ---- the same in double ---- */

static void foreign_norm(const foreign_tensor *gain, double *x, int n, double eps) {
    double sum = 0;
    int i;
    for (i = 0; i < n; i++) sum += x[i] * x[i];
    for (i = 0; i < n; i++) x[i] *= gain->values[i] / sqrt(sum / n + eps);
}

/* y = W x: codes times inputs that were rounded to 127 steps of their largest; floats plainly. */
static void foreign_linear(foreign_model *m, int layer, const char *name, const double *x,
                           double *y) {
    const foreign_tensor *w = foreign_find(m, layer, name);
    double largest = 1e-5, scale = w->codes ? w->scale : 1, sum;
    int r, i;
    for (i = 0; i < w->cols; i++) largest = fmax(largest, fabs(x[i]));
    if (m->s.ones) scale /= w->cols;
    for (r = 0; r < w->rows; r++) {
        for (sum = 0, i = 0; i < w->cols; i++) {
            double q = x[i] / largest * 127;
            size_t at = (size_t)r * (size_t)w->cols + (size_t)i;
            if (w->codes) m->margin = fmin(m->margin, fabs(q - floor(q) - 0.5));
            sum += w->codes ? rint(q) * w->codes[at] : x[i] * (double)w->values[at];
        }
        y[r] = w->codes ? sum * scale * largest / 127 : sum;
    }
}

static void foreign_plus(const foreign_tensor *bias, double *y) {
    int i;
    for (i = 0; bias && i < bias->cols; i++) y[i] += bias->values[i];
}

/* Pairs i of each head turn by position / theta^(2 i / d). */
static void foreign_turn(const foreign_spec *s, double *x, int heads, int position) {
    int h, i, half = s->d / 2;
    for (h = 0; h < heads; h++)
        for (i = 0; i < half; i++) {
            double a = position * pow(s->theta, -2.0 * i / s->d), one, two;
            double *p = x + h * s->d + (s->neighbours ? 2 * i : i);
            double *q = p + (s->neighbours ? 1 : half);
            one = *p, two = *q;
            *p = one * cos(a) - two * sin(a), *q = one * sin(a) + two * cos(a);
        }
}

/* One query head on the keys so far. */
static void foreign_attend(const foreign_spec *s, const double *q, const double *keys,
                           const double *values, int width, int n, double *out) {
    double score[64], top = -1e300, sum = 0;
    int t, i;
    for (t = 0; t < n; t++) {
        for (score[t] = 0, i = 0; i < s->d; i++) score[t] += q[i] * keys[t * width + i];
        score[t] /= sqrt(s->d);
        top = fmax(top, score[t]);
    }
    for (t = 0; t < n; t++) sum += score[t] = exp(score[t] - top);
    for (i = 0; i < s->d; i++)
        for (out[i] = 0, t = 0; t < n; t++) out[i] += score[t] / sum * values[t * width + i];
}

/* One token through one block; keys and values [T][K d] of the block are added to. */
static void foreign_block(foreign_model *m, int l, int position, double *x, double *keys,
                          double *values) {
    const foreign_spec *s = &m->s;
    double *a = ref_array((size_t)(s->D + 3 * s->F + 2 * s->H * s->d)), *q = a + s->D;
    double *o = q + s->H * s->d, *gate = o + s->H * s->d, *up = gate + s->F;
    int width = s->K * s->d, h, i;
    double *k = keys + position * width, *v = values + position * width;
    memcpy(a, x, (size_t)s->D * sizeof *a);
    foreign_norm(foreign_find(m, l, "attn_norm.weight"), a, s->D, s->eps);
    foreign_linear(m, l, "attn_q.weight", a, q);
    foreign_linear(m, l, "attn_k.weight", a, k);
    foreign_linear(m, l, "attn_v.weight", a, v);
    foreign_plus(foreign_find(m, l, "attn_q.bias"), q);
    foreign_plus(foreign_find(m, l, "attn_k.bias"), k);
    foreign_plus(foreign_find(m, l, "attn_v.bias"), v);
    for (h = 0; s->qk && h < s->H; h++)
        foreign_norm(foreign_find(m, l, "attn_q_norm.weight"), q + h * s->d, s->d, s->eps);
    for (h = 0; s->qk && h < s->K; h++)
        foreign_norm(foreign_find(m, l, "attn_k_norm.weight"), k + h * s->d, s->d, s->eps);
    foreign_turn(s, q, s->H, position);
    foreign_turn(s, k, s->K, position);
    for (h = 0; h < s->H; h++) {
        int at = h / (s->H / s->K) * s->d;
        foreign_attend(s, q + h * s->d, keys + at, values + at, width, position + 1, o + h * s->d);
    }
    if (s->sub) foreign_norm(foreign_find(m, l, "attn_sub_norm.weight"), o, s->H * s->d, s->eps);
    foreign_linear(m, l, "attn_output.weight", o, a);
    for (i = 0; i < s->D; i++) a[i] = x[i] += a[i];
    foreign_norm(foreign_find(m, l, "ffn_norm.weight"), a, s->D, s->eps);
    foreign_linear(m, l, "ffn_gate.weight", a, gate);
    foreign_linear(m, l, "ffn_up.weight", a, up);
    for (i = 0; i < s->F; i++) {
        double g = gate[i];
        up[i] *= s->relu2 ? (g > 0 ? g * g : 0) : g / (1 + exp(-g));
    }
    if (s->sub) foreign_norm(foreign_find(m, l, "ffn_sub_norm.weight"), up, s->F, s->eps);
    foreign_linear(m, l, "ffn_down.weight", up, a);
    for (i = 0; i < s->D; i++) x[i] += a[i];
    free(a);
}

/* Logits [n][V] of n tokens, at most 64. */
static void foreign_forward(foreign_model *m, const int32_t *ids, int n, double *logits) {
    const foreign_spec *s = &m->s;
    const foreign_tensor *words = foreign_find(m, -1, "token_embd.weight");
    const foreign_tensor *head = s->untied ? foreign_find(m, -1, "output.weight") : words;
    size_t cache = (size_t)(n * s->K * s->d), V = (size_t)s->V, D = (size_t)s->D;
    double *keys = ref_array((size_t)s->L * cache), *values = ref_array((size_t)s->L * cache);
    double *x = ref_array(D);
    int t, l;
    size_t v, i;
    m->margin = 1;
    for (t = 0; t < n; t++) {
        for (i = 0; i < D; i++) x[i] = words->values[(size_t)ids[t] * D + i];
        for (l = 0; l < s->L; l++)
            foreign_block(m, l, t, x, keys + (size_t)l * cache, values + (size_t)l * cache);
        foreign_norm(foreign_find(m, -1, "output_norm.weight"), x, s->D,
                     s->final_eps > 0 ? s->final_eps : s->eps);
        for (v = 0; v < V; v++)
            for (logits[(size_t)t * V + v] = 0, i = 0; i < D; i++)
                logits[(size_t)t * V + v] += x[i] * (double)head->values[v * D + i];
    }
    free(keys), free(values), free(x);
}

/* ---- bytes ---- */

/* A file that grows. */
typedef struct foreign_bytes {
    uint8_t *p;
    size_t n, room;
} foreign_bytes;

static void foreign_put(foreign_bytes *b, const void *data, size_t n) {
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n) + 1000;
        b->p = (uint8_t *)realloc(b->p, b->room);
        if (!b->p) abort();
    }
    if (n && data) memcpy(b->p + b->n, data, n);
    else if (n) memset(b->p + b->n, 0, n);
    b->n += n;
}

static void foreign_put32(foreign_bytes *b, uint32_t v) {
    uint8_t p[4];
    ob_put32(p, v);
    foreign_put(b, p, 4);
}

static void foreign_put64(foreign_bytes *b, uint64_t v) {
    uint8_t p[8];
    ob_put64(p, v);
    foreign_put(b, p, 8);
}

static void foreign_put_text(foreign_bytes *b, const char *text) {
    foreign_put64(b, strlen(text));
    foreign_put(b, text, strlen(text));
}

static void foreign_put_floats(foreign_bytes *b, const float *x, size_t n) {
    uint8_t p[4];
    size_t i;
    for (i = 0; i < n; i++) ob_putf32(p, x[i]), foreign_put(b, p, 4);
}

/* ---- tensors as GGUF's types ---- */

/* Where halves stand in a block that must be numbers, of the types that are filled at random; bytes
   of a block, weights in it. */
typedef struct foreign_type {
    uint32_t id;
    int weights, bytes, half[2];
} foreign_type;
static const foreign_type foreign_randoms[] = {
    {8, 32, 34, {0, -1}},      {2, 32, 18, {0, -1}},   {3, 32, 20, {0, 2}},
    {6, 32, 22, {0, -1}},      {7, 32, 24, {0, 2}},    {10, 256, 84, {80, 82}},
    {11, 256, 110, {108, -1}}, {12, 256, 144, {0, 2}}, {13, 256, 176, {0, 2}},
    {14, 256, 210, {208, -1}},
};

/* Random blocks with small scales. 0 = no such type. */
static int foreign_put_random(foreign_bytes *b, uint32_t id, const foreign_tensor *t) {
    uint32_t x = ref_generator(t->gguf, id);
    size_t i, k;
    for (i = 0; i < sizeof foreign_randoms / sizeof foreign_randoms[0]; i++) {
        const foreign_type *f = &foreign_randoms[i];
        size_t blocks = (size_t)t->rows * (size_t)(t->cols / f->weights);
        if (f->id != id) continue;
        while (blocks--) {
            uint8_t block[256];
            for (k = 0; k < (size_t)f->bytes; k++) block[k] = (uint8_t)(ref_draw(&x) & 255);
            for (k = 0; k < 2; k++) /* 2^-7 and a bit: 0x20.. to 0x23.. */
                if (f->half[k] >= 0)
                    ob_put16(block + f->half[k], (uint16_t)(0x1C00 + ref_draw(&x) % 0x0400));
            foreign_put(b, block, (size_t)f->bytes);
        }
        return 1;
    }
    return 0;
}

/* Codes of one row, in blocks. id 42: wide 1 = blocks of 128, as those of 142. */
static void foreign_put_codes(foreign_bytes *b, uint32_t id, int wide, const int8_t *c, int cols,
                              float scale) {
    int at, i, k;
    uint8_t d[2];
    ob_put16(d, ob_f32_to_f16(scale));
    for (at = 0; at < cols;) {
        uint8_t block[64];
        memset(block, 0, sizeof block);
        if (id == 35) { /* four planes of 32 in each half */
            for (i = 0; i < 256; i++)
                block[i / 128 * 32 + i % 32] |= (uint8_t)((c[at + i] + 1) << (i % 128 / 32 * 2));
            foreign_put(b, block, 64), foreign_put(b, d, 2), at += 256;
        } else if (id == 34) { /* five trits a byte, as a fraction of 256, rounded up */
            for (i = 0; i < 52; i++) {
                int sum = 0, levels = i < 48 ? 5 : 4, n = i < 32 ? 32 : i < 48 ? 16 : 4;
                int first = i < 32 ? i : i < 48 ? 160 + i - 32 : 240 + i - 48;
                for (k = 0; k < 5; k++)
                    sum = 3 * sum + (k < levels ? c[at + first + k * n] + 1 : 0);
                block[i] = (uint8_t)((sum * 256 + 242) / 243);
            }
            foreign_put(b, block, 52), foreign_put(b, d, 2), at += 256;
        } else if (id == 41) {
            for (i = 0; i < 128; i++) block[i / 8] |= (uint8_t)((c[at + i] > 0) << (i % 8));
            foreign_put(b, d, 2), foreign_put(b, block, 16), at += 128;
        } else {
            int n = wide || id == 142 ? 128 : 64;
            for (i = 0; i < n; i++) block[i / 4] |= (uint8_t)((c[at + i] + 1) << (2 * (i % 4)));
            foreign_put(b, d, 2), foreign_put(b, block, (size_t)n / 4), at += n;
        }
    }
}

/* I2_S: order 0 planes of 32 bytes, 1 of 16, 2 four rows in a byte; first in the top bits. */
static void foreign_put_i2s(foreign_bytes *b, int order, const foreign_tensor *t) {
    size_t n = (size_t)t->rows * (size_t)t->cols, i, at, bytes = b->n;
    size_t plane = order == 0 ? 32 : 16, cols = (size_t)t->cols;
    uint8_t scale[32] = {0};
    foreign_put(b, NULL, n / 4);
    for (i = 0; i < n; i++) {
        size_t r = i / cols, c = i % cols;
        int k = order == 2 ? (int)(r % 4) : (int)(i / plane % 4);
        at = order == 2 ? r / 4 * cols + c : i / (4 * plane) * plane + i % plane;
        b->p[bytes + at] |= (uint8_t)((t->codes[i] + 1) << (6 - 2 * k));
    }
    ob_putf32(scale, t->scale);
    foreign_put(b, scale, 32);
}

/* ---- GGUF ---- */

/* kind: u whole number, f float, s string. */
typedef struct foreign_key {
    const char *name;
    char kind;
    double number;
    const char *text;
} foreign_key;

/* What a file is to have that the model has not. */
typedef struct foreign_change {
    uint32_t type; /* of linear tensors */
    int order, wide;
    const char *drop;   /* a key or tensor left out */
    const char *longer; /* this tensor has one row more, or one number */
    uint32_t longer_by;
    const char *extra; /* one more tensor of floats */
    const float *extra_values;
    int extra_count;
    const char *other; /* this tensor has the type other_type, with bytes of nothing */
    uint32_t other_type;
    foreign_key keys[4]; /* replaced, or added */
} foreign_change;

static foreign_change foreign_change_of(uint32_t type) {
    foreign_change c;
    memset(&c, 0, sizeof c);
    c.type = type;
    return c;
}

static int foreign_keys(const foreign_model *m, const foreign_change *c, foreign_key *k) {
    const foreign_spec *s = &m->s;
    struct {
        const char *name;
        char kind;
        double number;
    } rows[] = {
        {"embedding_length", 'u', s->D},     {"block_count", 'u', s->L},
        {"feed_forward_length", 'u', s->F},  {"context_length", 'u', s->T},
        {"attention.head_count", 'u', s->H}, {"attention.head_count_kv", 'u', s->K},
        {"attention.key_length", 'u', s->d}, {"attention.layer_norm_rms_epsilon", 'f', s->eps},
        {"rope.freq_base", 'f', s->theta}};
    static char names[16][64];
    int n = 0, i, j;
    k[n].name = "general.architecture", k[n].kind = 's', k[n].text = s->architecture, n++;
    for (i = 0; i < (int)(sizeof rows / sizeof rows[0]); i++, n++) {
        snprintf(names[i], sizeof names[0], "%s.%s", s->architecture, rows[i].name);
        k[n].name = names[i], k[n].kind = rows[i].kind, k[n].number = rows[i].number;
    }
    for (i = 0; i < 4 && c->keys[i].name; i++) {
        for (j = 0; j < n && strcmp(k[j].name, c->keys[i].name); j++) {}
        k[j] = c->keys[i];
        n += j == n;
    }
    for (i = j = 0; i < n; i++)
        if (!c->drop || strcmp(k[i].name, c->drop)) k[j++] = k[i];
    return j;
}

/* The data of one tensor, 32-byte aligned. */
static void foreign_put_tensor(foreign_bytes *b, const foreign_tensor *t, const foreign_change *c) {
    uint32_t type = t->kind == 'l' ? c->type : 0;
    size_t n = (size_t)t->rows * (size_t)t->cols, i;
    int r;
    uint8_t half[2];
    if (c->other && !strcmp(t->gguf, c->other)) type = c->other_type;
    if (type == 0) foreign_put_floats(b, t->values, n);
    else if (type == 1 || type == 30)
        for (i = 0; i < n; i++) {
            uint8_t four[4];
            ob_putf32(four, t->values[i]);
            ob_put16(half, type == 1 ? ob_f32_to_f16(t->values[i]) : ob_get16(four + 2));
            foreign_put(b, half, 2);
        }
    else if (type == 36 && t->codes) foreign_put_i2s(b, c->order, t);
    else if (foreign_put_random(b, type, t)) {
    } else if (t->codes && (type == 34 || type == 35 || type == 41 || type == 42 || type == 142))
        for (r = 0; r < t->rows; r++)
            foreign_put_codes(b, type, c->wide, t->codes + (size_t)r * (size_t)t->cols, t->cols,
                              t->scale);
    else foreign_put(b, NULL, 8 * n); /* of no type that is read: enough for any */
    foreign_put(b, NULL, (32 - b->n % 32) % 32);
}

/* One entry; dims[0] is the row. */
static void foreign_put_entry(foreign_bytes *b, const char *name, int rank, uint64_t cols,
                              uint64_t rows, uint32_t type, uint64_t offset) {
    foreign_put_text(b, name);
    foreign_put32(b, (uint32_t)rank);
    foreign_put64(b, cols);
    if (rank > 1) foreign_put64(b, rows);
    foreign_put32(b, type);
    foreign_put64(b, offset);
}

/* The whole file, to be freed. */
static foreign_bytes foreign_gguf(const foreign_model *m, const foreign_change *c) {
    foreign_bytes b = {NULL, 0, 0}, data = {NULL, 0, 0}, entries = {NULL, 0, 0};
    foreign_key keys[20];
    int i, n = foreign_keys(m, c, keys), count = 0;
    for (i = 0; i < m->count; i++) {
        const foreign_tensor *t = &m->t[i];
        uint32_t type = t->kind == 'l' ? c->type : 0;
        uint64_t more = c->longer && !strcmp(c->longer, t->gguf);
        int flat = t->kind == 'g' || t->kind == 'b';
        if (c->drop && !strcmp(c->drop, t->gguf)) continue;
        if (c->other && !strcmp(t->gguf, c->other)) type = c->other_type;
        foreign_put_entry(&entries, t->gguf, flat ? 1 : 2, (uint64_t)t->cols + (flat ? more : 0),
                          (uint64_t)t->rows + more, type, data.n);
        foreign_put_tensor(&data, t, c);
        if (more) foreign_put(&data, NULL, 4096);
        count++;
    }
    if (c->extra) {
        foreign_put_entry(&entries, c->extra, 1, (uint64_t)c->extra_count, 1, 0, data.n), count++;
        foreign_put_floats(&data, c->extra_values, (size_t)c->extra_count);
    }
    foreign_put(&b, "GGUF\3\0\0", 8);
    foreign_put64(&b, (uint64_t)count), foreign_put64(&b, (uint64_t)n);
    for (i = 0; i < n; i++) {
        foreign_put_text(&b, keys[i].name);
        foreign_put32(&b, keys[i].kind == 'u' ? 4 : keys[i].kind == 'f' ? 6 : 8);
        if (keys[i].kind == 'u') foreign_put32(&b, (uint32_t)keys[i].number);
        if (keys[i].kind == 'f') foreign_put32(&b, ob_float_bits((float)keys[i].number));
        if (keys[i].kind == 's') foreign_put_text(&b, keys[i].text);
    }
    foreign_put(&b, entries.p, entries.n);
    foreign_put(&b, NULL, (32 - b.n % 32) % 32);
    foreign_put(&b, data.p, data.n);
    free(data.p), free(entries.p);
    return b;
}

/* ---- llama2.c ---- */

static void foreign_put_layers(foreign_bytes *b, const foreign_model *m, const char *name) {
    int l;
    for (l = 0; l < m->s.L; l++) {
        const foreign_tensor *t = foreign_find(m, l, name);
        foreign_put_floats(b, t->values, (size_t)t->rows * (size_t)t->cols);
    }
}

static void foreign_put_numbers(foreign_bytes *b, const foreign_spec *s) {
    int n[7], i;
    n[0] = s->D, n[1] = s->F, n[2] = s->L, n[3] = s->H, n[4] = s->K, n[5] = s->V, n[6] = s->T;
    if (s->untied) n[5] = -n[5];
    for (i = 0; i < 7; i++) foreign_put32(b, (uint32_t)n[i]);
}

/* Version 0: floats. */
static foreign_bytes foreign_llama2c(const foreign_model *m) {
    foreign_bytes b = {NULL, 0, 0};
    const foreign_spec *s = &m->s;
    size_t table = (size_t)s->V * (size_t)s->D;
    foreign_put_numbers(&b, s);
    foreign_put_floats(&b, m->t[0].values, table);
    foreign_put_layers(&b, m, "attn_norm.weight");
    foreign_put_layers(&b, m, "attn_q.weight");
    foreign_put_layers(&b, m, "attn_k.weight");
    foreign_put_layers(&b, m, "attn_v.weight");
    foreign_put_layers(&b, m, "attn_output.weight");
    foreign_put_layers(&b, m, "ffn_norm.weight");
    foreign_put_layers(&b, m, "ffn_gate.weight");
    foreign_put_layers(&b, m, "ffn_down.weight");
    foreign_put_layers(&b, m, "ffn_up.weight");
    foreign_put_floats(&b, foreign_find(m, -1, "output_norm.weight")->values, (size_t)s->D);
    foreign_put(&b, NULL, (size_t)s->T * (size_t)s->d * 4);
    if (s->untied) foreign_put_floats(&b, foreign_find(m, -1, "output.weight")->values, table);
    return b;
}

/* bitllama2.c: four codes in a byte, the first on top, 3 for -1. */
static foreign_bytes foreign_bits(const foreign_model *m) {
    static const char *const names[] = {"attn_q.weight",      "attn_k.weight",   "attn_v.weight",
                                        "attn_output.weight", "ffn_gate.weight", "ffn_down.weight",
                                        "ffn_up.weight"};
    foreign_bytes b = {NULL, 0, 0};
    int k, l;
    foreign_put(&b, "24ka\1\0\0", 8);
    foreign_put_numbers(&b, &m->s);
    foreign_put(&b, "\1", 1);
    foreign_put(&b, NULL, 256 - b.n);
    foreign_put_floats(&b, foreign_find(m, -1, "output_norm.weight")->values, (size_t)m->s.D);
    foreign_put_floats(&b, m->t[0].values, (size_t)m->s.V * (size_t)m->s.D);
    for (k = 0; k < 7; k++)
        for (l = 0; l < m->s.L; l++) {
            const foreign_tensor *t = foreign_find(m, l, names[k]);
            size_t i, n = (size_t)t->rows * (size_t)t->cols;
            foreign_put_floats(&b, &t->scale, 1);
            for (i = 0; i < n; i += 4) {
                int c, byte = 0;
                for (c = 0; c < 4; c++) byte = byte << 2 | (t->codes[i + (size_t)c] & 3);
                foreign_put(&b, NULL, 1);
                b.p[b.n - 1] = (uint8_t)byte;
            }
        }
    return b;
}

/* ---- Hugging Face ---- */

/* Row of the file that is row r of a tensor there: halves of heads are paired. */
static int foreign_hf_row(const foreign_model *m, const foreign_tensor *t, int r) {
    int d = m->s.d, k = r % d;
    if (!m->s.neighbours || (!strstr(t->gguf, "attn_q.w") && !strstr(t->gguf, "attn_k.w")))
        return r;
    return r - k + k % (d / 2) * 2 + k / (d / 2);
}

/* How a model.safetensors is to be. part: 0 all, 1 and 2 the first and the second half of the
   tensors. */
typedef struct foreign_hf {
    int packed, divides, part, old_names;
    const char *drop, *extra;
    double scale;      /* in place of every weight_scale; 0 = the right one */
    const char *dtype; /* of weight_scale, NULL = BF16 */
} foreign_hf;

static void foreign_hf_entry(char *header, size_t room, const char *name, const char *dtype,
                             int rows, int cols, size_t from, size_t to) {
    char shape[40];
    size_t n = strlen(header);
    if (rows) snprintf(shape, sizeof shape, "%d,%d", rows, cols);
    else snprintf(shape, sizeof shape, "%d", cols);
    snprintf(header + n, room - n,
             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}",
             n > 1 ? "," : "", name, dtype, shape, (int)from, (int)to);
}

static void foreign_hf_pack(foreign_bytes *b, const foreign_model *m, const foreign_tensor *t) {
    int r, i, quarter = t->rows / 4;
    for (r = 0; r < quarter; r++)
        for (i = 0; i < t->cols; i++) {
            uint8_t byte = 0;
            int k;
            for (k = 0; k < 4; k++) {
                int row = foreign_hf_row(m, t, r + k * quarter);
                byte |= (uint8_t)((t->codes[row * t->cols + i] + 1) << (2 * k));
            }
            foreign_put(b, &byte, 1);
        }
}

/* The whole file, to be freed. */
static foreign_bytes foreign_safetensors(const foreign_model *m, const foreign_hf *f) {
    foreign_bytes data = {NULL, 0, 0}, b = {NULL, 0, 0};
    static char header[20000];
    char name[120];
    int i, r;
    strcpy(header, "{");
    for (i = 0; i < m->count; i++) {
        const foreign_tensor *t = &m->t[i];
        int packed = f->packed && t->codes, flat = t->kind == 'g' || t->kind == 'b';
        size_t from = data.n;
        if ((f->part == 1 && i >= m->count / 2) || (f->part == 2 && i < m->count / 2)) continue;
        snprintf(name, sizeof name, "%s", t->hf);
        if (f->old_names && strstr(name, "attn_sub_norm"))
            snprintf(name, sizeof name, "model.layers.%c.self_attn.inner_attn_ln.weight",
                     t->hf[13]);
        if (f->old_names && strstr(name, "ffn_sub_norm"))
            snprintf(name, sizeof name, "model.layers.%c.mlp.ffn_layernorm.weight", t->hf[13]);
        if (!f->drop || strcmp(f->drop, name)) {
            if (packed) foreign_hf_pack(&data, m, t);
            for (r = 0; !packed && r < t->rows; r++)
                foreign_put_floats(&data, t->values + foreign_hf_row(m, t, r) * t->cols,
                                   (size_t)t->cols);
            foreign_hf_entry(header, sizeof header, name, packed ? "U8" : "F32",
                             flat     ? 0
                             : packed ? t->rows / 4
                                      : t->rows,
                             t->cols, from, data.n);
        }
        snprintf(name, sizeof name, "%s_scale", t->hf);
        if (packed && (!f->drop || strcmp(f->drop, name))) {
            float scale = f->divides ? 1 / t->scale : t->scale;
            uint8_t four[4];
            if (f->scale != 0) scale = (float)f->scale;
            ob_putf32(four, scale);
            from = data.n;
            if (f->dtype) foreign_put(&data, four, 4);
            else foreign_put(&data, four + 2, 2); /* bfloat16 */
            foreign_hf_entry(header, sizeof header, name, f->dtype ? f->dtype : "BF16", 0, 1, from,
                             data.n);
        }
    }
    if (f->extra) {
        foreign_put(&data, NULL, 8);
        foreign_hf_entry(header, sizeof header, f->extra, "F32", 0, 2, data.n - 8, data.n);
    }
    strcat(header, "}");
    while (strlen(header) % 8) strcat(header, " ");
    foreign_put64(&b, strlen(header));
    foreign_put(&b, header, strlen(header));
    foreign_put(&b, data.p, data.n);
    free(data.p);
    return b;
}

#endif /* FOREIGN_H */
