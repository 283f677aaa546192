/* reference.h - the whole model once more: plain, slow, in double, sharing no code with onebit.h.

   It takes the latent weights by name from a trainer and computes logits and loss as the manual
   says. Every quantizer Q is written as x + (Q(x0) - x0): the shift is recorded at the base point
   x0 and replayed afterwards. At x0 that is Q itself; around x0 it has slope 1, so central
   differences of ref_loss give the straight-through gradient (ste_scale_factor 1, scales held
   constant). Signs of inputs have the slope 1 within |x| <= 2 mean|x| and 0 beyond, so for inputs
   the tape holds slope and shift: slope x + (Q(x0) - slope x0).

   A double and a float may round to different codes when a value lies near the middle between two.
   The reference keeps the smallest distance to such a tie in margin, in code units; tests pick
   weights whose margin is far above float error. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ref_tensor {
    char name[96];
    int rows, cols, mode;          /* onebit_mode, -1 = gains of a norm */
    double *latent, *shift, *used; /* used = clamp(latent) + shift */
} ref_tensor;

typedef struct ref_model {
    onebit_config config;
    ref_tensor *tensors;
    int count;
    double *tape; /* slopes and shifts of activations, in the order in which they are met */
    size_t tape_room, tape_at;
    int recording;
    double margin;
    /* blocks in training: W_eff = keep Q(W) + soft W, x_eff = keep Q(x) + (1 - keep) x; ref_open
     * sets 1, 0 */
    double keep, soft;
    double smoothing; /* of labels, in training; ref_open sets 0 */
    double nats;      /* mean of -ln p(target) of the last ref_loss, never smoothed */
    double *logits;    /* [B, T, V] of the last ref_loss */
} ref_model;

static double *ref_array(size_t n) {
    double *p = (double *)calloc(n ? n : 1, sizeof *p);
    if (!p) abort();
    return p;
}

static ref_tensor *ref_find(ref_model *m, const char *name) {
    int i;
    for (i = 0; i < m->count; i++)
        if (!strcmp(m->tensors[i].name, name)) return &m->tensors[i];
    printf("reference: there is no tensor %s\n", name);
    abort();
    return NULL;
}

/* Tensor of one block: part is "self_attn.q_proj" and the like. */
static ref_tensor *ref_part(ref_model *m, int layer, const char *part) {
    char name[96];
    snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, part);
    return ref_find(m, name);
}

/* ---- weights ---- */

static void ref_near(ref_model *m, double distance) {
    if (distance < m->margin) m->margin = distance;
}

/* Distance of x to the nearest middle between two integers. */
static double ref_tie(double x) { return fabs(fabs(x - floor(x)) - 0.5); }

/* Nearest binary16, ties to even. */
static double ref_half(double x) {
    int e;
    double quantum;
    frexp(x, &e);
    quantum = ldexp(1.0, (e < -13 ? -13 : e) - 11);
    return rint(x / quantum) * quantum;
}

/* Matrices of blocks are clamped; embedding, head and gains are not. */
static double ref_clamped(const ref_model *m, const ref_tensor *t, double w) {
    double c = m->config.latent_clamp_max;
    if (!(c > 0) || t->mode < 0 || !strstr(t->name, "_proj")) return w;
    return w > c ? c : w < -c ? -c : w;
}

static double ref_largest(const double *x, int n) {
    double top = 0;
    int i;
    for (i = 0; i < n; i++)
        if (fabs(x[i]) > top) top = fabs(x[i]);
    return top;
}

static double ref_mean_abs(const double *w, size_t n) {
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += fabs(w[i]);
    return sum / (double)n;
}

static int ref_ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of an even number the smaller of the middle two. */
static double ref_median_abs(const double *w, size_t n) {
    double *sorted = ref_array(n), median;
    size_t i;
    for (i = 0; i < n; i++) sorted[i] = fabs(w[i]);
    qsort(sorted, n, sizeof *sorted, ref_ascending);
    median = sorted[(n - 1) / 2];
    free(sorted);
    return median;
}

/* A scale as the files of others could hold it. */
static double ref_scale(const ref_model *m, double s) {
    return m->config.use_f16_scale ? ref_half(s) : s;
}

/* Scale of n ternary or binary weights. */
static double ref_coded_scale(const ref_model *m, const double *w, size_t n) {
    double s = m->config.weight_scale == 1 ? ref_median_abs(w, n) : ref_mean_abs(w, n);
    return ref_scale(m, s > 1e-5 ? s : 1e-5);
}

/* Distances to ties of weights are stretched: their float error is far smaller than that of
 * activations. */
static void ref_quantize_8bit(ref_model *m, const double *w, double *q, int n) {
    double top = ref_largest(w, n), s;
    int i;
    s = ref_scale(m, top / 127);
    for (i = 0; i < n; i++) {
        double code = top > 0 ? rint(w[i] / s) : 0;
        q[i] = fmax(-127, fmin(127, code)) * s;
        if (top > 0) ref_near(m, 10 * ref_tie(w[i] / s));
    }
}

static void ref_quantize_ternary(ref_model *m, const double *w, double *q, size_t n) {
    double beta = ref_coded_scale(m, w, n);
    double threshold = (m->config.use_dynamic_threshold ? 0.7 : 0.5) * beta;
    size_t i;
    for (i = 0; i < n; i++) {
        q[i] = fabs(w[i]) > threshold ? (w[i] > 0 ? beta : -beta) : 0;
        ref_near(m, 50 * fabs(fabs(w[i]) - threshold) / beta);
    }
}

static void ref_quantize_binary(ref_model *m, const double *w, double *q, size_t n) {
    double beta = ref_coded_scale(m, w, n);
    size_t i;
    for (i = 0; i < n; i++) q[i] = w[i] >= 0 ? beta : -beta;
}

/* Weights of row-major w that share the scale of w[at]: the tensor, or a group of its row. */
static size_t ref_shared(const ref_model *m, const ref_tensor *t, size_t at) {
    size_t left = (size_t)t->cols - at % (size_t)t->cols;
    size_t group = (size_t)(strstr(t->name, "_proj") ? m->config.scale_group
                                                     : m->config.embedding_group);
    if (!group) return (size_t)t->rows * (size_t)t->cols;
    return left < group ? left : group;
}

/* Q of a whole tensor; norm gains and f32 stay as they are. */
static void ref_quantize(ref_model *m, const ref_tensor *t, const double *w, double *q) {
    size_t i, n = (size_t)t->rows * (size_t)t->cols;
    for (i = 0; i < n; i++) q[i] = w[i];
    if (t->mode == ONEBIT_F16)
        for (i = 0; i < n; i++) q[i] = ref_half(w[i]);
    if (t->mode == ONEBIT_8BIT)
        for (i = 0; i < n; i += (size_t)t->cols) ref_quantize_8bit(m, w + i, q + i, t->cols);
    for (i = 0; t->mode >= ONEBIT_TERNARY && i < n; i += ref_shared(m, t, i)) {
        if (t->mode == ONEBIT_TERNARY) ref_quantize_ternary(m, w + i, q + i, ref_shared(m, t, i));
        else ref_quantize_binary(m, w + i, q + i, ref_shared(m, t, i));
    }
}

/* Blends concern matrices of blocks with integer codes. */
static int ref_blends(const ref_tensor *t) {
    return strstr(t->name, "_proj") && t->mode >= ONEBIT_8BIT;
}

/* Slope of the effective weight in its latent. */
static double ref_slant(const ref_model *m, const ref_tensor *t) {
    return ref_blends(t) ? m->keep + m->soft : 1;
}

/* Sets one latent; the quantizer's shift stays what it was at the base point. */
static void ref_poke(ref_model *m, ref_tensor *t, size_t index, double w) {
    t->latent[index] = w;
    t->used[index] = ref_slant(m, t) * ref_clamped(m, t, w) + t->shift[index];
}

/* Mode of a tensor from its name and the config alone. */
static int ref_mode(const onebit_config *c, const char *name) {
    static const char *const parts[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                        "gate_proj", "up_proj", "down_proj"};
    int layer, i;
    if (strstr(name, "norm") || strstr(name, ".bias")) return -1;
    if (!strcmp(name, "model.embed_tokens.weight")) return c->embedding_mode;
    if (!strcmp(name, "lm_head.weight")) return c->head_mode;
    if (sscanf(name, "model.layers.%d.", &layer) != 1) abort();
    for (i = 0; i < ONEBIT_PROJECTIONS; i++)
        if (strstr(name, parts[i]) && c->projection_modes[layer][i])
            return c->projection_modes[layer][i] - 1;
    return c->layer_modes[layer];
}

/* Takes the trainer's present latents as the base point. */
static void ref_base(ref_model *m, onebit_trainer *trainer) {
    int i;
    m->margin = 1;
    m->recording = 1;
    for (i = 0; i < m->count; i++) {
        ref_tensor *t = &m->tensors[i];
        size_t k, n = (size_t)t->rows * (size_t)t->cols;
        double *w = ref_array(n), *q = ref_array(n);
        onebit_parameter p;
        onebit_trainer_parameter(trainer, i, &p);
        for (k = 0; k < n; k++) w[k] = ref_clamped(m, t, p.value[k]);
        ref_quantize(m, t, w, q);
        for (k = 0; k < n; k++) {
            t->shift[k] = (ref_blends(t) ? m->keep : 1) * (q[k] - w[k]);
            ref_poke(m, t, k, p.value[k]);
        }
        free(w);
        free(q);
    }
}

static void ref_open(ref_model *m, onebit_trainer *trainer) {
    onebit_parameter p;
    memset(m, 0, sizeof *m);
    m->config = *onebit_trainer_config(trainer);
    m->keep = 1;
    while (onebit_trainer_parameter(trainer, m->count, &p) == ONEBIT_OK) m->count++;
    m->tensors = (ref_tensor *)calloc((size_t)m->count + 1, sizeof *m->tensors);
    m->count = 0;
    while (onebit_trainer_parameter(trainer, m->count, &p) == ONEBIT_OK) {
        ref_tensor *t = &m->tensors[m->count++];
        size_t n = (size_t)p.rows * (size_t)p.cols;
        memcpy(t->name, p.name, sizeof t->name);
        t->rows = p.rows;
        t->cols = p.cols;
        t->mode = ref_mode(&m->config, p.name);
        t->latent = ref_array(n);
        t->shift = ref_array(n);
        t->used = ref_array(n);
    }
    ref_base(m, trainer);
}

static void ref_close(ref_model *m) {
    int i;
    for (i = 0; i < m->count; i++) {
        free(m->tensors[i].latent);
        free(m->tensors[i].shift);
        free(m->tensors[i].used);
    }
    free(m->tensors);
    free(m->tape);
    free(m->logits);
    memset(m, 0, sizeof *m);
}

/* ---- the forward pass; x is [T, n] row-major ---- */

/* y = x / sqrt(mean x^2 + eps) * gain, in groups of n = gain's length. */
static void ref_norm(const ref_model *m, const ref_tensor *gain, const double *x, double *y,
                     size_t groups) {
    size_t n = (size_t)gain->rows * (size_t)gain->cols, g, i;
    for (g = 0; g < groups; g++) {
        double sum = 0, r;
        for (i = 0; i < n; i++) sum += x[g * n + i] * x[g * n + i];
        r = 1 / sqrt(sum / (double)n + (strcmp(gain->name, "model.norm.weight") || !m->config.final_norm_eps
                                            ? m->config.layer_norm_eps
                                            : m->config.final_norm_eps));
        for (i = 0; i < n; i++) y[g * n + i] = x[g * n + i] * r * gain->used[i];
    }
}

/* The norm of the residual stream: LayerNorm is the same after each row's mean is taken off. */
static void ref_block_norm(const ref_model *m, const ref_tensor *gain, const double *x, double *y,
                           size_t groups) {
    size_t n = (size_t)gain->cols, g, i;
    for (g = 0; g < groups; g++) {
        double mean = 0;
        for (i = 0; i < n; i++) mean += x[g * n + i] / (double)n;
        for (i = 0; i < n; i++) y[g * n + i] = x[g * n + i] - (m->config.use_subln ? 0 : mean);
    }
    ref_norm(m, gain, y, y, groups);
}

/* Room on the tape for n more numbers. */
static double *ref_tape(ref_model *m, size_t n) {
    if (m->tape_at + n > m->tape_room) {
        m->tape_room = 2 * (m->tape_at + n);
        m->tape = (double *)realloc(m->tape, m->tape_room * sizeof *m->tape);
        if (!m->tape) abort();
    }
    m->tape_at += n;
    return m->tape + m->tape_at - n;
}

/* Slope and shift of int8 at the values of one token. */
static void ref_round_int8(ref_model *m, const double *x, double *slope, double *shift, int n,
                           double share) {
    double top = fmax(1e-5, ref_largest(x, n)), s = top / 127;
    int i;
    for (i = 0; i < n; i++) {
        slope[i] = 1;
        shift[i] = share * (rint(x[i] / s) * s - x[i]);
        ref_near(m, ref_tie(x[i] / s));
    }
}

/* The same of signs times K = mean|x|. Distances to 0 and to the window's edge count as int8's do.
   Sums of signs often cancel to 0, exactly so in integers; what rounding in double leaves there is
   taken as that 0, which is no tie. */
static void ref_round_sign(ref_model *m, const double *x, double *slope, double *shift, int n,
                           double share) {
    double K = ref_mean_abs(x, (size_t)n), unit = ref_largest(x, n) / 127;
    int i;
    for (i = 0; i < n; i++) {
        int none = fabs(x[i]) < 1e-10 * unit;
        slope[i] = 1 - share + (fabs(x[i]) <= 2 * K ? share : 0);
        shift[i] = share * (x[i] < 0 && !none ? -K : K) + (1 - share - slope[i]) * x[i];
        if (!none) ref_near(m, fabs(x[i]) / unit);
        ref_near(m, fabs(fabs(x[i]) - 2 * K) / unit);
    }
}

/* Codes per token where the mode asks for them, in place: share of them, the rest stays as it is.
 */
static void ref_round(ref_model *m, int mode, int bits, double share, double *x, int n, int T) {
    int t, i;
    if (mode < ONEBIT_8BIT || bits == 0) return;
    for (t = 0; t < T; t++, x += n) {
        double *slope = ref_tape(m, 2 * (size_t)n), *shift = slope + n;
        if (m->recording && bits == 8) ref_round_int8(m, x, slope, shift, n, share);
        if (m->recording && bits == 1) ref_round_sign(m, x, slope, shift, n, share);
        for (i = 0; i < n; i++) x[i] = slope[i] * x[i] + shift[i];
    }
}

static void ref_multiply(const ref_tensor *w, const double *x, double *y, int T) {
    int t, o, i;
    for (t = 0; t < T; t++)
        for (o = 0; o < w->rows; o++) {
            const double *row = w->used + (size_t)o * (size_t)w->cols;
            double sum = 0;
            for (i = 0; i < w->cols; i++) sum += row[i] * x[t * w->cols + i];
            y[t * w->rows + o] = sum;
        }
}

/* y = W x of matrices of a block, NULL-ended, that share an input: those with codes read x rounded,
   which happens once, the others x itself. */
static void ref_linears(ref_model *m, int layer, const char *const *parts, const double *x,
                        double *const *y, int T) {
    int i, n = ref_part(m, layer, parts[0])->cols, mode = ONEBIT_F32;
    double *coded = ref_array((size_t)(T * n));
    memcpy(coded, x, (size_t)(T * n) * sizeof *x);
    for (i = 0; parts[i]; i++)
        if (ref_part(m, layer, parts[i])->mode > mode) mode = ref_part(m, layer, parts[i])->mode;
    ref_round(m, mode, m->config.activation_bits, m->keep, coded, n, T);
    for (i = 0; parts[i]; i++) {
        const ref_tensor *w = ref_part(m, layer, parts[i]);
        ref_multiply(w, w->mode >= ONEBIT_8BIT ? coded : x, y[i], T);
    }
    free(coded);
}

/* Radians per position of pair i of a head of d, as transformers' modeling_rope_utils defines the
   four kinds. */
static double ref_turn(const onebit_config *c, int i, int d) {
    const double pi = acos(-1.0);
    double turn = pow(c->rope_theta, -2.0 * i / d), factor = c->rope_factor;
    double original = c->rope_original ? c->rope_original : c->max_seq_len / factor;
    double wavelength = 2 * pi / turn, low, high, smooth, ramp;
    switch (c->rope_scaling) {
    case 1: return turn / factor;
    case 2:
        low = floor(d * log(original / (c->rope_fast * 2 * pi)) / (2 * log(c->rope_theta)));
        high = ceil(d * log(original / (c->rope_slow * 2 * pi)) / (2 * log(c->rope_theta)));
        low = fmax(low, 0), high = fmin(high, d - 1);
        if (low == high) high += 0.001;
        ramp = fmin(1, fmax(0, (i - low) / (high - low)));
        return turn / factor * ramp + turn * (1 - ramp);
    case 3:
        if (wavelength < original / c->rope_fast) return turn;
        if (wavelength > original / c->rope_slow) return turn / factor;
        smooth = (original / wavelength - c->rope_slow) / (c->rope_fast - c->rope_slow);
        return (1 - smooth) * turn / factor + smooth * turn;
    default: return turn;
    }
}

/* Half-split rotary positions of heads * T vectors [d]. */
static void ref_rope(const ref_model *m, double *x, int heads, int d, int T) {
    const onebit_config *c = &m->config;
    double length = 1;
    int t, h, i;
    if (c->rope_scaling == 2)
        length = c->rope_attention > 0 ? c->rope_attention : 0.1 * log(c->rope_factor) + 1;
    for (t = 0; t < T; t++)
        for (h = 0; h < heads; h++, x += d)
            for (i = 0; i < d / 2; i++) {
                double angle = c->use_rope ? t * ref_turn(c, i, d) : 0;
                double a = length * x[i], b = length * x[i + d / 2];
                x[i] = a * cos(angle) - b * sin(angle);
                x[i + d / 2] = b * cos(angle) + a * sin(angle);
            }
}

/* y [T][n] += bias */
static void ref_bias(ref_model *m, int layer, const char *part, double *y, int T) {
    char name[96];
    const ref_tensor *bias;
    int i;
    if (!m->config.use_qkv_bias) return;
    snprintf(name, sizeof name, "model.layers.%d.self_attn.%s.bias", layer, part);
    bias = ref_find(m, name);
    for (i = 0; i < T * bias->cols; i++) y[i] += bias->used[i % bias->cols];
}

/* One query [d] over keys and values 0..t of one kv head; stride is the width of a row of k and v.
 */
static void ref_attend(const double *q, const double *k, const double *v, double *out, int d,
                       int stride, int t) {
    double *p = ref_array((size_t)t + 1), top = -1e300, sum = 0;
    int i, j;
    for (j = 0; j <= t; j++) {
        for (i = 0; i < d; i++) p[j] += q[i] * k[j * stride + i];
        p[j] /= sqrt((double)d);
        if (p[j] > top) top = p[j];
    }
    for (j = 0; j <= t; j++) sum += p[j] = exp(p[j] - top);
    for (i = 0; i < d; i++) out[i] = 0;
    for (j = 0; j <= t; j++)
        for (i = 0; i < d; i++) out[i] += p[j] / sum * v[j * stride + i];
    free(p);
}

/* x += r * o_proj(attention(norm(x))) */
static void ref_attention(ref_model *m, int layer, double *x, int T, double r) {
    const onebit_config *c = &m->config;
    int D = c->hidden_size, H = c->num_heads, K = c->num_key_value_heads, d = c->head_dim, t, h, i;
    size_t n = (size_t)T;
    double *a = ref_array(n * (size_t)D), *q = ref_array(n * (size_t)(H * d)),
           *k = ref_array(n * (size_t)(K * d));
    double *v = ref_array(n * (size_t)(K * d)), *z = ref_array(n * (size_t)(H * d)), *y[3];
    static const char *const in[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                     NULL};
    static const char *const out[] = {"self_attn.o_proj", NULL};
    ref_block_norm(m, ref_part(m, layer, "input_layernorm"), x, a, n);
    y[0] = q, y[1] = k, y[2] = v;
    ref_linears(m, layer, in, a, y, T);
    ref_bias(m, layer, "q_proj", q, T);
    ref_bias(m, layer, "k_proj", k, T);
    ref_bias(m, layer, "v_proj", v, T);
    if (c->use_qk_norm) {
        ref_norm(m, ref_part(m, layer, "self_attn.q_norm"), q, q, n * (size_t)H);
        ref_norm(m, ref_part(m, layer, "self_attn.k_norm"), k, k, n * (size_t)K);
    }
    ref_rope(m, q, H, d, T);
    ref_rope(m, k, K, d, T);
    for (t = 0; t < T; t++)
        for (h = 0; h < H; h++) {
            int g = h / (H / K);
            ref_attend(q + (t * H + h) * d, k + g * d, v + g * d, z + (t * H + h) * d, d, K * d, t);
        }
    if (c->use_sub_norm) ref_norm(m, ref_part(m, layer, "self_attn.attn_sub_norm"), z, z, n);
    ref_linears(m, layer, out, z, &a, T);
    for (i = 0; i < T * D; i++) x[i] += r * a[i];
    free(a);
    free(q);
    free(k);
    free(v);
    free(z);
}

static double ref_act(const onebit_config *c, double x) {
    if (c->use_relu2 || c->activation == 1) return x > 0 ? x * x : 0;
    if (c->activation == 2) return x > 0 ? x : 0;
    return x / (1 + exp(-x));
}

/* x += r * down(act(gate b) * up b) or x += r * down(act(up b)), b = norm(x) */
static void ref_ffn(ref_model *m, int layer, double *x, int T, double r) {
    const onebit_config *c = &m->config;
    int D = c->hidden_size, F = c->intermediate_size, i;
    double *b = ref_array((size_t)(T * D)), *u = ref_array((size_t)(T * F)),
           *g = ref_array((size_t)(T * F)), *y[2];
    static const char *const gated[] = {"mlp.up_proj", "mlp.gate_proj", NULL};
    static const char *const plain[] = {"mlp.up_proj", NULL};
    static const char *const down[] = {"mlp.down_proj", NULL};
    ref_block_norm(m, ref_part(m, layer, "post_attention_layernorm"), x, b, (size_t)T);
    y[0] = u, y[1] = g;
    ref_linears(m, layer, c->use_swiglu ? gated : plain, b, y, T);
    for (i = 0; i < T * F; i++) u[i] = c->use_swiglu ? ref_act(c, g[i]) * u[i] : ref_act(c, u[i]);
    if (c->use_sub_norm) ref_norm(m, ref_part(m, layer, "mlp.ffn_sub_norm"), u, u, (size_t)T);
    ref_linears(m, layer, down, u, &b, T);
    for (i = 0; i < T * D; i++) x[i] += r * b[i];
    free(b);
    free(u);
    free(g);
}

/* Logits [T, V] of one sequence. */
static void ref_sequence(ref_model *m, const int32_t *ids, int T, double *logits) {
    const onebit_config *c = &m->config;
    int D = c->hidden_size, V = c->vocab_size, t, i, layer;
    double *x = ref_array((size_t)(T * D)), r = c->use_residual_scaling ? sqrt(0.5) : 1;
    ref_tensor *embedding = ref_find(m, "model.embed_tokens.weight");
    ref_tensor *head = c->tie_word_embeddings ? embedding : ref_find(m, "lm_head.weight");
    for (t = 0; t < T; t++)
        for (i = 0; i < D; i++) x[t * D + i] = embedding->used[ids[t] * D + i];
    for (layer = 0; layer < c->num_layers; layer++) {
        ref_attention(m, layer, x, T, r);
        ref_ffn(m, layer, x, T, r);
    }
    ref_block_norm(m, ref_find(m, "model.norm.weight"), x, x, (size_t)T);
    ref_round(m, head->mode, c->activation_bits ? 8 : 0, 1, x, D, T); /* never 1 bit */
    ref_multiply(head, x, logits, T);
    for (i = 0; c->logit_softcap > 0 && i < T * V; i++)
        logits[i] = c->logit_softcap * tanh(logits[i] / c->logit_softcap);
    free(x);
}

/* -ln p(target) from one row of logits. */
static double ref_nats(const double *logits, int V, int target) {
    double top = logits[0], sum = 0;
    int i;
    for (i = 1; i < V; i++)
        if (logits[i] > top) top = logits[i];
    for (i = 0; i < V; i++) sum += exp(logits[i] - top);
    return log(sum) + top - logits[target];
}

/* Mean loss over targets >= 0, with smoothed labels when m asks for them: the target of a row is
   then (1 - s) onehot + s / V. logits stay in m->logits. The first call after ref_base records the
   shifts of the activations, later ones replay them (same inputs, please). */
static double ref_loss(ref_model *m, const int32_t *inputs, const int32_t *targets, int B, int T) {
    int V = m->config.vocab_size, i, c, scored = 0;
    double sum = 0, uniform = 0;
    if (m->recording) {
        free(m->logits);
        m->logits = ref_array((size_t)B * (size_t)T * (size_t)V);
    }
    m->tape_at = 0;
    for (i = 0; i < B; i++) ref_sequence(m, inputs + i * T, T, m->logits + i * T * V);
    m->recording = 0;
    for (i = 0; i < B * T; i++)
        if (targets[i] >= 0) {
            sum += ref_nats(m->logits + i * V, V, targets[i]);
            for (c = 0; m->smoothing > 0 && c < V; c++)
                uniform += ref_nats(m->logits + i * V, V, c) / V;
            scored++;
        }
    m->nats = scored ? sum / scored : 0;
    return scored ? (1 - m->smoothing) * m->nats + m->smoothing * uniform / scored : 0;
}

/* Straight-through gradient of one latent by central differences. */
static double ref_slope(ref_model *m, ref_tensor *t, size_t index, const int32_t *inputs,
                        const int32_t *targets, int B, int T) {
    double w = t->latent[index], h = 1e-5, up, down;
    ref_poke(m, t, index, w + h);
    up = ref_loss(m, inputs, targets, B, T);
    ref_poke(m, t, index, w - h);
    down = ref_loss(m, inputs, targets, B, T);
    ref_poke(m, t, index, w);
    return (up - down) / (2 * h);
}

/* ---- what the tests of the model share ---- */

/* Sets "name=value name=value" on a table's struct. */
static onebit_status ref_settings(onebit_table table, void *object, const char *settings) {
    char name[64], value[600];
    int used;
    while (sscanf(settings, " %63[^= ]=%599[^ ]%n", name, value, &used) == 2) {
        onebit_status status = onebit_field_set(table, object, name, value);
        if (status != ONEBIT_OK) return status;
        settings += used;
    }
    return ONEBIT_OK;
}

/* The generator of tools/golden.py: start it with a name and a salt, then draw 16 bits at a time.
 */
static uint32_t ref_generator(const char *name, uint32_t salt) {
    uint32_t x = 2166136261u;
    for (; *name; name++) x = (x ^ (unsigned char)*name) * 16777619u;
    return x ^ salt;
}

static uint32_t ref_draw(uint32_t *x) {
    *x = *x * 1664525u + 1013904223u;
    return *x >> 16;
}

/* Matrices uniform in [-1/4, 1/4), gains in [3/4, 5/4): large enough that every branch matters. */
static void ref_fill(onebit_trainer *trainer, uint32_t salt) {
    onebit_parameter p;
    int i;
    for (i = 0; onebit_trainer_parameter(trainer, i, &p) == ONEBIT_OK; i++) {
        uint32_t x = ref_generator(p.name, salt);
        int gain = strstr(p.name, "norm") != NULL;
        size_t k, n = (size_t)p.rows * (size_t)p.cols;
        for (k = 0; k < n; k++) {
            float u = (float)ref_draw(&x) / 32768.0f - 1.0f;
            p.value[k] = gain ? 1.0f + u / 4.0f : u / 4.0f;
        }
    }
}

/* B rows of T + 1 tokens: the first T are inputs, the last T targets. */
static void ref_tokens(int32_t *inputs, int32_t *targets, int B, int T, int V, uint32_t salt) {
    uint32_t x = ref_generator("tokens", salt);
    int b, t;
    for (b = 0; b < B; b++)
        for (t = 0; t <= T; t++) {
            int32_t id = (int32_t)(ref_draw(&x) % (uint32_t)V);
            if (t < T) inputs[b * T + t] = id;
            if (t > 0) targets[b * T + t - 1] = id;
        }
}

#endif /* REFERENCE_H */
