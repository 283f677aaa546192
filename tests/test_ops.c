/* test_ops.c - every op of onebit_cuda.h against the scalar CPU backend, and whole models on both.

   c++ -x c++ -std=c++11 -O1 -g -fsanitize=address,undefined tests/test_ops.c -o test-ops
        runs the kernels on the CPU, through cuda_on_cpu.h
   nvcc -O2 -arch=native -x cu tests/test_ops.c -o test-ops -lcublas
        runs them on a GPU

   test-ops [--quick] [NAME]      --quick: one shape of each op (for compute-sanitizer); NAME: only
                                  cases that begin so. Ends with "N passed, N failed, N skipped".

   Each op gets random shapes, odd ones too, the same inputs for both backends, and a bound: the
   largest difference over the largest number there is. Bounds follow from what an op may round: 0
   where whole numbers are added or one thing is copied; 1e-6 for a few float32 operations; 1e-5 for
   sums of hundreds in another order; 1e-2 for products of bfloat16, of which each operand is off by
   2^-9 at most. */
#if !defined(__CUDACC__)
#include "cuda_on_cpu.h"
#endif
#define ONEBIT_IMPLEMENTATION
#include "../onebit_cuda.h"

#include "test.h"

static onebit_env ops_cpu, ops_gpu; /* scalar kernels on one thread, and the device */
static int ops_quick;
static const char *ops_only;
static onebit_rng ops_rng;

/* ---- Both backends on one set of arrays ---- */
/* All arrays lie in the device's memory, which the CPU may touch between ops. Each is freed at the
   end of a case. */

enum { OPS_ARRAYS = 256 };
static void *ops_array[OPS_ARRAYS];
static int ops_arrays;

/* Bytes of nothing in particular: what an op leaves unwritten must not look right. */
static void *ops_take(size_t bytes) {
    void *p = ob_alloc_arrays(&ops_gpu, bytes ? bytes : 1);
    if (!p || ops_arrays == OPS_ARRAYS) {
        printf("no memory for a test\n");
        exit(1);
    }
    memset(p, 0x55, bytes);
    return ops_array[ops_arrays++] = p;
}

static void ops_free(void) {
    while (ops_arrays > 0) ob_release_arrays(&ops_gpu, ops_array[--ops_arrays]);
}

/* n normal numbers times scale. */
static float *ops_floats(size_t n, float scale) {
    float *p = (float *)ops_take(n * sizeof(float));
    size_t i;
    for (i = 0; i < n; i++) p[i] = scale * ob_rng_normal(&ops_rng);
    return p;
}

static void *ops_copy(const void *from, size_t bytes) {
    void *p = ops_take(bytes);
    memcpy(p, from, bytes);
    return p;
}

static int ops_below(int n) { return (int)test_below(&ops_rng, (uint64_t)n); }

static int ops_from_to(int low, int high) { return low + ops_below(high - low + 1); }

/* Ids below vocab; some are -1 when the loss may leave rows out. */
static int32_t *ops_ids(int n, int vocab, int gaps) {
    int32_t *p = (int32_t *)ops_take((size_t)n * sizeof *p);
    int i;
    for (i = 0; i < n; i++) p[i] = gaps && ops_below(4) == 0 ? -1 : ops_below(vocab);
    return p;
}

/* An exec of each backend with work memory for n rows of a model that is as wide as `wide`. */
typedef struct ops_pair {
    ob_exec cpu, gpu;
} ops_pair;

/* Counts, takes, places. */
static void ops_exec(ob_exec *x, const onebit_env *env, const onebit_config *c, int n, int T) {
    ob_carve carve = {NULL, 0};
    ob_exec_init(x, env, &carve, c, (size_t)n, T, 1);
    carve.base = (uint8_t *)ops_take(carve.used), carve.used = 0;
    ob_exec_init(x, env, &carve, c, (size_t)n, T, 1);
    ob_exec_train(x);
}

static ops_pair ops_open(int n, int T, int wide, int heads, int d) {
    onebit_config c = onebit_config_default();
    ops_pair p;
    c.hidden_size = wide, c.intermediate_size = wide, c.num_heads = heads, c.head_dim = d;
    c.vocab_size = wide, c.scale_group = 32; /* operands as floats: the largest room */
    ops_exec(&p.cpu, &ops_cpu, &c, n, T), ops_exec(&p.gpu, &ops_gpu, &c, n, T);
    return p;
}

/* Waits for the device; a failure there fails the case. */
static int ops_wait(void) { return CHECK_OK(ob_wait(&ops_gpu)); }

/* Largest difference over the largest number, of floats. Both must be finite. */
static double ops_error(const float *a, const float *b, size_t n) {
    double most = 1e-30, off = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        if (!(fabs(x) < 1e30) || !(fabs(y) < 1e30)) return 1e30;
        if (fabs(x) > most) most = fabs(x);
        if (fabs(x - y) > off) off = fabs(x - y);
    }
    return off / most;
}

static int ops_near(const char *what, const float *cpu, const float *gpu, size_t n, double bound) {
    double error = ops_error(cpu, gpu, n);
    if (error <= bound) return CHECK(1);
    printf("%s: off by %.3g, bound %.3g (%zu numbers)\n", what, error, bound, n);
    return CHECK(error <= bound);
}

static int ops_same(const char *what, const void *cpu, const void *gpu, size_t bytes) {
    if (!memcmp(cpu, gpu, bytes)) return CHECK(1);
    printf("%s: other bytes\n", what);
    return CHECK(!"the same bytes");
}

/* Opens a case for one op; 0 when another one was asked for. */
static int ops_case(const char *name) {
    if (ops_only && strncmp(ops_only, name, strlen(ops_only))) return 0;
    ops_free();
    test_case(name);
    onebit_rng_seed(&ops_rng, ob_hash64(name, strlen(name), 0));
    return 1;
}

static int ops_rounds(int n) { return ops_quick ? 1 : n; }

/* ---- Weights ---- */

/* A packed matrix of random codes or floats, or dense floats that stand for codes. */
static ob_weight ops_weight(ob_format format, int rows, int cols, int group, int bits) {
    ob_weight w;
    size_t scales = group ? (size_t)rows * ob_row_groups(cols, group) : (size_t)rows, i;
    size_t bytes = format == OB_DENSE ? (size_t)rows * (size_t)cols * sizeof(float)
                                      : (size_t)ob_format_bytes(format, rows, cols);
    int8_t *codes = (int8_t *)ops_take((size_t)cols);
    float *values = (float *)ops_take((size_t)cols * sizeof(float)), *scale;
    uint8_t *data = (uint8_t *)ops_take(bytes);
    int r, c, floats = format == OB_F32X16 || format == OB_F16X16 || format == OB_DENSE;
    int most = format == OB_Q8X16 ? 127 : 1;
    memset(&w, 0, sizeof w);
    w.rows = rows, w.cols = cols, w.format = (int)format, w.bits = bits, w.share = 1.0f;
    w.exact = bits > 0 && !floats, w.group = group, w.half = 1;
    w.scale_step = format == OB_Q8X16 && !group;
    scale = ops_floats(scales, 0.05f);
    for (i = 0; i < scales; i++) scale[i] = ob_absf(scale[i]) + 0.01f;
    if (format != OB_DENSE)
        ob_pack_clear(data, floats ? OB_Q8X16 : format, 0, 0), memset(data, 0, bytes);
    if (format == OB_T2X16 || format == OB_T5X16) ob_pack_clear(data, format, rows, cols);
    for (r = 0; r < rows; r++) {
        uint8_t *block = data + (size_t)(r / 16) *
                                    (format == OB_DENSE ? 0 : (size_t)ob_block_bytes(format, cols));
        for (c = 0; c < cols; c++) {
            codes[c] =
                (int8_t)(format == OB_B1X16 ? 2 * ops_below(2) - 1 : ops_from_to(-most, most));
            values[c] = ob_rng_normal(&ops_rng);
        }
        if (format == OB_DENSE)
            memcpy((float *)(void *)data + (size_t)r * (size_t)cols, values, (size_t)cols * 4);
        else if (floats) ob_pack_floats(block, format, r % 16, values, cols);
        else ob_pack_codes(block, format, r % 16, codes, cols);
    }
    w.data = data, w.scale = scale;
    return w;
}

/* Room for the input of w, n rows. */
static ob_input ops_input(const ob_weight *w, int n, int window) {
    size_t row = w->exact ? ob_code_stride(w->cols) : (size_t)w->cols * sizeof(float);
    ob_input in;
    in.codes = ops_take((size_t)n * row);
    in.scale = (float *)ops_take((size_t)n * sizeof(float));
    in.sum = (int32_t *)ops_take((size_t)n * ob_segments(w) * sizeof(int32_t));
    in.window = window ? (uint8_t *)ops_take((size_t)n * (size_t)w->cols) : NULL;
    return in;
}

static const ob_format ops_formats[] = {OB_T2X16, OB_B1X16, OB_T5X16, OB_Q8X16};

/* ---- Ops, in the order of the table ---- */

static void ops_memory(void) {
    ops_pair p;
    size_t n = ops_quick ? 5000 : 2 * OB_CUDA_PINNED + 12345;
    uint8_t *from, *there, *back;
    size_t i;
    if (!ops_case("ops: memory goes there and back")) return;
    p = ops_open(1, 1, 16, 1, 16);
    from = (uint8_t *)malloc(n), back = (uint8_t *)malloc(n);
    there = (uint8_t *)ops_take(2 * n);
    for (i = 0; i < n; i++) from[i] = (uint8_t)(i * 7 + i / 256);
    p.gpu.ops->place(&p.gpu, there, from, n);
    p.gpu.ops->copy(&p.gpu, there + n, there, n);
    p.gpu.ops->clear(&p.gpu, there, n / 2);
    p.gpu.ops->fetch(&p.gpu, back, there + n, n);
    ops_wait();
    ops_same("there and back", from, back, n);
    for (i = 0; i < n; i++) from[i] = i < n / 2 ? 0 : from[i];
    ops_same("cleared half", from, there, n);
    free(from), free(back);
}

static void ops_embed(void) {
    static const ob_format formats[] = {OB_DENSE, OB_F32X16, OB_F16X16, OB_Q8X16,
                                        OB_T2X16, OB_B1X16,  OB_T5X16};
    int round;
    if (ops_case("ops: embed_forward"))
        for (round = 0; round < ops_rounds(14); round++) {
            ob_format format = formats[round % 7];
            int rows = ops_from_to(1, 90), cols = ops_from_to(1, 150), n = ops_from_to(1, 20);
            int group = round > 6 && format >= OB_Q8X16 && format != OB_DENSE ? 32 : 0;
            size_t size = (size_t)n * (size_t)cols;
            ops_pair p = ops_open(n, 1, 160, 1, 16);
            ob_weight w = ops_weight(format, rows, cols, group, 0);
            int32_t *ids = ops_ids(n, rows, 0);
            float *a = ops_floats(size, 1), *b = ops_floats(size, 1);
            p.cpu.ops->embed_forward(&p.cpu, a, ids, &w, n);
            p.gpu.ops->embed_forward(&p.gpu, b, ids, &w, n);
            ops_wait(), ops_near("embedding", a, b, size, 0);
            ops_free();
        }
    if (ops_case("ops: embed_backward"))
        for (round = 0; round < ops_rounds(4); round++) {
            int V = round ? ops_from_to(1, 40) : 3, d = ops_from_to(1, 300),
                n = round ? ops_from_to(1, 300) : 900;
            size_t size = (size_t)V * (size_t)d;
            ops_pair p = ops_open(n, 1, 300, 1, 16);
            int32_t *ids = ops_ids(n, V, 0);
            float *a = ops_floats(size, 1), *b = (float *)ops_copy(a, size * 4),
                  *dx = ops_floats((size_t)n * (size_t)d, 1);
            p.cpu.ops->embed_backward(&p.cpu, a, ids, dx, 0.7f, n, d);
            p.gpu.ops->embed_backward(&p.gpu, b, ids, dx, 0.7f, n, d);
            ops_wait(), ops_near("dw", a, b, size, 1e-6);
            ops_free();
        }
}

/* RMSNorm and LayerNorm, forward and gradients. */
static void ops_norms(void) {
    int round;
    if (ops_case("ops: norm_forward, norm_backward"))
        for (round = 0; round < ops_rounds(8); round++) {
            int rows = ops_from_to(1, 60), d = round == 1 ? 1 : ops_from_to(1, 700),
                layer = round % 2;
            int add = round / 2 % 2;
            size_t n = (size_t)rows * (size_t)d, r = (size_t)rows;
            ops_pair p = ops_open(rows, 1, 700, 1, 16);
            float *in = ops_floats(n, 3), *gain = ops_floats((size_t)d, 1), *dy = ops_floats(n, 1);
            float *y[2], *rstd[2], *mean[2], *dx[2], *dgain[2];
            int i;
            for (i = 0; i < 2; i++) {
                y[i] = ops_floats(n, 1), rstd[i] = ops_floats(r, 1);
                mean[i] = layer ? ops_floats(r, 1) : NULL;
                dx[i] = i ? (float *)ops_copy(dx[0], n * 4) : ops_floats(n, 1);
                dgain[i] =
                    i ? (float *)ops_copy(dgain[0], (size_t)d * 4) : ops_floats((size_t)d, 1);
            }
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                x->ops->norm_forward(x, y[i], rstd[i], mean[i], in, gain, rows, d, 1e-5f);
                x->ops->norm_backward(x, dx[i], dgain[i], dy, in, gain, rstd[i], mean[i], rows, d,
                                      add);
            }
            ops_wait();
            ops_near("y", y[0], y[1], n, 1e-5), ops_near("rstd", rstd[0], rstd[1], r, 1e-5);
            if (layer) ops_near("mean", mean[0], mean[1], r, 1e-5);
            ops_near("dx", dx[0], dx[1], n, 2e-5),
                ops_near("dgain", dgain[0], dgain[1], (size_t)d, 2e-5);
            ops_free();
        }
}

/* Codes, sums and scales are the same bits for 8 bits; the mean of signs is a sum. */
static void ops_quantizers(void) {
    int round, i;
    if (ops_case("ops: quantize, quantize_backward"))
        for (round = 0; round < ops_rounds(16); round++) {
            int exact = round % 2, bits = round / 2 % 3 == 2 ? 0 : round / 2 % 3 == 1 ? 1 : 8;
            int n = ops_from_to(1, 20), group = round > 7 ? 32 : 0,
                planes = round == 13 || round == 15;
            int d = ops_from_to(1, 400), cols = planes ? 2 * (int)ob_round_up((size_t)d, 32) : d;
            size_t size = (size_t)n * (size_t)d;
            ops_pair p = ops_open(n, 1, 900, 1, 16);
            ob_weight w;
            ob_input a, b;
            float *in = ops_floats(size, 2), *da = ops_floats(size, 1),
                  *db = (float *)ops_copy(da, size * 4);
            if (exact && !bits) continue;
            w = ops_weight(exact ? OB_T2X16 : OB_DENSE, 3, cols, group, bits);
            if (planes) w.inputs = d;
            if (!exact && bits) w.share = round > 7 ? 0.3f : 1.0f;
            for (i = 0; i < d; i++) in[i] = 0.0f; /* a row of zeros */
            a = ops_input(&w, n, 1), b = ops_input(&w, n, 1);
            p.cpu.ops->quantize(&p.cpu, &a, in, &w, n), p.gpu.ops->quantize(&p.gpu, &b, in, &w, n);
            p.cpu.ops->quantize_backward(&p.cpu, da, a.window, &w, n, d);
            p.gpu.ops->quantize_backward(&p.gpu, db, a.window, &w, n, d);
            ops_wait();
            if (exact) {
                ops_same("codes", a.codes, b.codes, (size_t)n * ob_code_stride(cols));
                ops_same("sums", a.sum, b.sum, (size_t)n * ob_segments(&w) * 4);
            } else
                ops_near("floats", (float *)a.codes, (float *)b.codes, (size_t)n * (size_t)cols,
                         1e-6);
            ops_near("scale", a.scale, b.scale, (size_t)n, bits == 8 ? 0 : 1e-6);
            if (bits == 1) ops_same("window", a.window, b.window, size);
            ops_near("dx", da, db, size, 0);
            ops_free();
        }
    if (ops_case("ops: what is no number shows in the scale")) {
        ops_pair p = ops_open(2, 1, 64, 1, 16);
        ob_weight w = ops_weight(OB_T2X16, 3, 40, 0, 8);
        ob_input b = ops_input(&w, 2, 0);
        float *in = ops_floats(80, 1);
        in[7] = (float)NAN, in[50] = HUGE_VALF;
        p.gpu.ops->quantize(&p.gpu, &b, in, &w, 2);
        ops_wait(), CHECK(b.scale[0] != b.scale[0]), CHECK(!(b.scale[1] < 1e30f));
    }
}

/* Against the two ops one after the other, on the device and on the CPU. */
static void ops_fused(void) {
    int round;
    if (ops_case("ops: norm_quantize"))
        for (round = 0; round < ops_rounds(6); round++) {
            int n = ops_from_to(1, 12), d = round == 5 ? 13000 : ops_from_to(1, 500),
                mean = round % 2;
            size_t size = (size_t)n * (size_t)d;
            ops_pair p = ops_open(n, 1, d, 1, 16);
            ob_weight w =
                ops_weight(round == 3 ? OB_DENSE : OB_T2X16, 2, d, round == 4 ? 32 : 0, 8);
            ob_input a = ops_input(&w, n, 0), b = ops_input(&w, n, 0);
            float *in = ops_floats(size, 2), *gain = ops_floats((size_t)d, 1),
                  *work = ops_floats(size, 1);
            float *ra = ops_floats((size_t)n, 1), *rb = ops_floats((size_t)n, 1),
                  *m = mean ? ops_floats((size_t)n, 1) : NULL;
            size_t i, off = 0, codes = (size_t)n * ob_code_stride(d);
            p.cpu.ops->norm_quantize(&p.cpu, &a, work, ra, m, in, gain, &w, n, d, 1e-6f);
            p.gpu.ops->norm_quantize(&p.gpu, &b, work, rb, m, in, gain, &w, n, d, 1e-6f);
            ops_wait(), ops_near("rstd", ra, rb, (size_t)n, 1e-5),
                ops_near("scale", a.scale, b.scale, (size_t)n, 1e-5);
            for (i = 0; w.exact && i < codes; i++) {
                int by = ((int8_t *)a.codes)[i] - ((int8_t *)b.codes)[i];
                off += by != 0;
                if (by < -1 || by > 1) off = codes;
            }
            CHECK(off * 200 <=
                  codes); /* another last place of a norm moves a code that lies between */
            ops_free();
        }
}

static void ops_quantize_weight(void) {
    int round;
    if (ops_case("ops: quantize_weight"))
        for (round = 0; round < ops_rounds(24); round++) {
            int rows = ops_from_to(1, 70), cols = ops_from_to(1, 200), i;
            size_t n = (size_t)rows * (size_t)cols, scales,
                   bytes = (size_t)ob_format_bytes(OB_Q8X16, rows, cols);
            int format;
            ops_pair p = ops_open(1, 1, 256, 1, 16);
            float *w = ops_floats(n, 0.05f), *scale[2], *largest = ops_floats((size_t)rows, 1);
            void *codes[2];
            ob_quantizer z;
            memset(&z, 0, sizeof z);
            z.mode = round % 5, z.keep = 1.0f, z.dynamic = round / 5 % 2, z.median = round / 10 % 2;
            z.half = round % 2, z.clamp = round % 3 == 2 ? 0.04f : 0.0f;
            if (z.mode >= ONEBIT_TERNARY && round % 4 == 3) z.group = 32;
            if (z.mode == ONEBIT_TERNARY && round > 18) z.keep = 0.6f, z.soft = 0.4f;
            format = ob_mode_is_integer(z.mode) && z.soft == 0.0f ? OB_Q8X16 : OB_DENSE;
            if (format == OB_DENSE) bytes = n * 4;
            scales = z.group                 ? (size_t)rows * ob_row_groups(cols, z.group)
                     : z.mode == ONEBIT_8BIT ? (size_t)rows
                                             : 1;
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                codes[i] = ops_take(bytes), memset(codes[i], 0, bytes);
                scale[i] = ops_floats(scales > (size_t)rows ? scales : (size_t)rows, 1);
                x->ops->quantize_weight(x, codes[i], format, scale[i], largest, w, &z, rows, cols);
            }
            ops_wait(), ops_near("scale", scale[0], scale[1], scales, 1e-6);
            if (format == OB_DENSE)
                ops_near("codes", (float *)codes[0], (float *)codes[1], n, 1e-5);
            else ops_same("codes", codes[0], codes[1], bytes);
            ops_free();
        }
}

/* Whole numbers all the way: the same bits but for groups, whose sums are floats. */
static void ops_linear(void) {
    int round, i;
    if (ops_case("ops: linear_forward of codes"))
        for (round = 0; round < ops_rounds(32); round++) {
            int n = round % 4 == 3 ? ops_from_to(9, 40) : ops_from_to(1, 8), count = 1 + round % 3;
            int cols = ops_from_to(1, 300), group = round >= 24 ? 32 : 0, planes = round >= 28;
            int d = cols;
            const ob_weight *list[3];
            ob_weight w[3];
            ob_input in;
            float *x, *ya[3], *yb[3];
            ops_pair p = ops_open(n, 1, 640, 1, 16);
            if (planes) cols = 2 * (int)ob_round_up((size_t)d, 32);
            x = ops_floats((size_t)n * (size_t)d, 1);
            for (i = 0; i < count; i++) {
                int rows = ops_from_to(1, 70);
                w[i] = ops_weight(ops_formats[(round + i) % 4], rows, cols, group,
                                  round % 5 == 4 ? 1 : 8);
                if (planes) w[i].inputs = d;
                list[i] = w + i;
                ya[i] = ops_floats((size_t)n * (size_t)rows, 1),
                yb[i] = ops_floats((size_t)n * (size_t)rows, 1);
            }
            in = ops_input(w, n, 0);
            p.cpu.ops->quantize(&p.cpu, &in, x, w, n);
            p.cpu.ops->linear_forward(&p.cpu, ya, &in, list, count, n);
            p.gpu.ops->linear_forward(&p.gpu, yb, &in, list, count, n);
            ops_wait();
            for (i = 0; i < count; i++)
                ops_near("y", ya[i], yb[i], (size_t)n * (size_t)w[i].rows, group ? 1e-5 : 0);
            ops_free();
        }
    if (ops_case("ops: linear_forward of floats"))
        for (round = 0; round < ops_rounds(12); round++) {
            static const ob_format formats[] = {OB_F32X16, OB_F16X16, OB_DENSE, OB_T2X16};
            int n = ops_from_to(1, 20), rows = ops_from_to(1, 70), cols = ops_from_to(1, 200);
            ops_pair p = ops_open(n, 1, 256, 1, 16);
            ob_weight w = ops_weight(formats[round % 4], rows, cols, 0, 0);
            const ob_weight *one = &w;
            ob_input in = ops_input(&w, n, 0);
            size_t size = (size_t)n * (size_t)rows;
            float *x = ops_floats((size_t)n * (size_t)cols, 1), *a = ops_floats(size, 1),
                  *b = ops_floats(size, 1);
            p.cpu.ops->quantize(&p.cpu, &in, x, &w, n);
            p.cpu.ops->linear_forward(&p.cpu, &a, &in, &one, 1, n);
            p.gpu.ops->linear_forward(&p.gpu, &b, &in, &one, 1, n);
            ops_wait(), ops_near("y", a, b, size, 1e-5);
            ops_free();
        }
}

/* Work memory that holds few rows of weights at a time gives the same products. */
static void ops_slabs(void) {
    ops_pair p;
    ob_weight w;
    ob_input in;
    const ob_weight *one = &w;
    float *x, *a, *b, *da, *db, *dy, *tmp;
    if (!ops_case("ops: weights in parts, where work memory is small")) return;
    p = ops_open(20, 1, 160, 1, 16);
    w = ops_weight(OB_Q8X16, 90, 150, 0, 8), in = ops_input(&w, 20, 0);
    x = ops_floats(20 * 150, 1), a = ops_floats(20 * 90, 1), b = ops_floats(20 * 90, 1);
    dy = ops_floats(20 * 90, 1), tmp = ops_floats(20 * 90, 1);
    da = ops_floats(20 * 150, 1), db = (float *)ops_copy(da, 20 * 150 * 4);
    p.cpu.ops->quantize(&p.cpu, &in, x, &w, 20);
    p.gpu.work_bytes = ob_round_up(20 * 150 * 2, 256) + 32 * 150 * 2;
    p.gpu.half = 1;
    p.cpu.ops->linear_forward(&p.cpu, &a, &in, &one, 1, 20);
    p.gpu.ops->linear_forward(&p.gpu, &b, &in, &one, 1, 20);
    p.cpu.ops->linear_backward(&p.cpu, da, NULL, dy, &in, &w, tmp, 1.0f, 20, 1);
    p.gpu.ops->linear_backward(&p.gpu, db, NULL, dy, &in, &w, tmp, 1.0f, 20, 1);
    ops_wait(), ops_near("y", a, b, 20 * 90, 0), ops_near("dx", da, db, 20 * 150, 1e-2);
}

static void ops_linear_backward(void) {
    int round;
    if (ops_case("ops: linear_backward"))
        for (round = 0; round < ops_rounds(16); round++) {
            int n = ops_from_to(1, 40), rows = ops_from_to(1, 70), cols = ops_from_to(1, 150), i;
            int dense = round % 4 == 3, group = round % 4 == 2 ? 32 : 0, half = round / 4 % 2,
                add = round % 2;
            ops_pair p = ops_open(n, 1, 160, 1, 16);
            ob_weight w = ops_weight(dense ? OB_DENSE : OB_Q8X16, rows, cols, group, dense ? 0 : 8);
            ob_input in = ops_input(&w, n, 0);
            size_t nx = (size_t)n * (size_t)cols, ny = (size_t)n * (size_t)rows,
                   nw = (size_t)rows * (size_t)cols;
            float *x = ops_floats(nx, 1), *dy = ops_floats(ny, 1), *dx[2], *dw[2],
                  *tmp = ops_floats(ny, 1);
            w.half = !dense;
            p.cpu.ops->quantize(&p.cpu, &in, x, &w, n);
            dx[0] = ops_floats(nx, 1), dx[1] = (float *)ops_copy(dx[0], nx * 4);
            dw[0] = ops_floats(nw, 1), dw[1] = (float *)ops_copy(dw[0], nw * 4);
            p.gpu.half = half;
            for (i = 0; i < 2; i++) {
                const ob_exec *e = i ? &p.gpu : &p.cpu;
                e->ops->linear_backward(e, round == 5 ? NULL : dx[i], round == 6 ? NULL : dw[i], dy,
                                        &in, &w, tmp, 0.8f, n, add);
            }
            ops_wait();
            ops_near("dx", dx[0], dx[1], nx, half && !dense && !group ? 1e-2 : 1e-5);
            ops_near("dw", dw[0], dw[1], nw, half && !dense ? 1e-2 : 1e-5);
            ops_free();
        }
}

static void ops_small(void) {
    int round;
    if (ops_case("ops: bias, residual, softcap"))
        for (round = 0; round < ops_rounds(4); round++) {
            int rows = ops_from_to(1, 300), d = ops_from_to(1, 200);
            size_t n = (size_t)rows * (size_t)d;
            ops_pair p = ops_open(rows, 1, 256, 1, 16);
            float *a = ops_floats(n, 20), *b = (float *)ops_copy(a, n * 4), *y = ops_floats(n, 1);
            float *bias = ops_floats((size_t)d, 1), *da = ops_floats((size_t)d, 1),
                  *db = (float *)ops_copy(da, (size_t)d * 4);
            const float *in_a = round == 1 ? NULL : a, *in_b = round == 1 ? NULL : b;
            p.cpu.ops->bias_forward(&p.cpu, a, bias, rows, d),
                p.gpu.ops->bias_forward(&p.gpu, b, bias, rows, d);
            p.cpu.ops->bias_backward(&p.cpu, da, y, rows, d),
                p.gpu.ops->bias_backward(&p.gpu, db, y, rows, d);
            ops_wait(), ops_near("bias", a, b, n, 0), ops_near("dbias", da, db, (size_t)d, 1e-5);
            p.cpu.ops->residual(&p.cpu, a, in_a, y, 0.7f, rows, d),
                p.gpu.ops->residual(&p.gpu, b, in_b, y, 0.7f, rows, d);
            ops_wait(), ops_near("residual", a, b, n, 0);
            p.cpu.ops->softcap(&p.cpu, a, 15.0f, n), p.gpu.ops->softcap(&p.gpu, b, 15.0f, n);
            ops_wait(), ops_near("softcap", a, b, n, 1e-6);
            ops_free();
        }
    if (ops_case("ops: act_forward, act_backward"))
        for (round = 0; round < ops_rounds(6); round++) {
            int act = round % 3, rows = ops_from_to(1, 30), d = ops_from_to(1, 200),
                gated = round < 3;
            size_t n = (size_t)rows * (size_t)d;
            ops_pair p = ops_open(rows, 1, 256, 1, 16);
            float *g = ops_floats(n, 4), *up = gated ? ops_floats(n, 1) : NULL,
                  *dh = ops_floats(n, 1);
            float *h[2], *dg[2], *du[2];
            int i;
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                h[i] = ops_floats(n, 1), dg[i] = ops_floats(n, 1),
                du[i] = gated ? ops_floats(n, 1) : NULL;
                x->ops->act_forward(x, h[i], g, up, act, rows, d);
                x->ops->act_backward(x, dg[i], du[i], dh, g, up, act, rows, d);
            }
            ops_wait(), ops_near("h", h[0], h[1], n, 1e-6),
                ops_near("dgate", dg[0], dg[1], n, 1e-6);
            if (gated) ops_near("dup", du[0], du[1], n, 1e-6);
            ops_free();
        }
}

static void ops_loss(void) {
    int round;
    if (ops_case("ops: loss, score"))
        for (round = 0; round < ops_rounds(6); round++) {
            int rows = ops_from_to(1, 20), V = round ? ops_from_to(1, 900) : 2, i, r;
            size_t n = (size_t)rows * (size_t)V;
            float cap = round % 2 ? 30.0f : 0.0f, smoothing = round > 2 ? 0.1f : 0.0f;
            ops_pair p = ops_open(rows, 1, 256, 1, 16);
            float *logits = ops_floats(n, 5), *other = ops_floats(n, 5), *work = ops_floats(n, 1),
                  *d[2];
            int32_t *targets = ops_ids(rows, V, 1);
            double *loss[2], *uniform[2], *nats[2], *kl[2];
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                size_t bytes = (size_t)rows * sizeof(double);
                d[i] = ops_floats(n, 1), loss[i] = (double *)ops_take(bytes),
                uniform[i] = (double *)ops_take(bytes);
                nats[i] = (double *)ops_take(bytes), kl[i] = (double *)ops_take(bytes);
                x->ops->loss(x, d[i], loss[i], uniform[i], logits, targets, 0.01f, cap, smoothing,
                             rows, V);
                x->ops->score(x, nats[i], kl[i], logits, round % 3 ? other : NULL, targets, work,
                              rows, V);
            }
            ops_wait(), ops_near("dlogits", d[0], d[1], n, 1e-5);
            for (r = 0; r < rows; r++) {
                CHECK(fabs(loss[0][r] - loss[1][r]) < 1e-5 * (1 + fabs(loss[0][r])));
                CHECK(fabs(nats[0][r] - nats[1][r]) < 1e-5 * (1 + fabs(nats[0][r])));
                CHECK(fabs(kl[0][r] - kl[1][r]) < 1e-5 * (1 + fabs(kl[0][r])));
                if (smoothing > 0 && targets[r] >= 0)
                    CHECK(fabs(uniform[0][r] - uniform[1][r]) < 1e-4);
            }
            ops_free();
        }
}

static void ops_optimizers(void) {
    int round, i;
    if (ops_case("ops: squares, mask, adamw"))
        for (round = 0; round < ops_rounds(3); round++) {
            enum { COUNT = 150 };
            int count = round ? ops_from_to(1, 5) : COUNT;
            ops_pair p = ops_open(1, 1, 64, 1, 16);
            float *grad[COUNT], *v[2][4];
            size_t size[COUNT], n;
            double *sum[2];
            ob_step s;
            for (i = 0; i < count; i++) {
                size[i] = (size_t)ops_from_to(1, round ? 9000 : 40);
                grad[i] = (float *)(i % 64 ? (void *)(grad[i - 1]) : (void *)ops_floats(9000, 1));
            }
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                sum[i] = (double *)ops_take((size_t)count * sizeof(double));
                x->ops->squares(x, sum[i], grad, size, count);
            }
            ops_wait();
            for (i = 0; i < count; i++) CHECK(fabs(sum[0][i] - sum[1][i]) <= 1e-5 * sum[0][i]);
            memset(&s, 0, sizeof s);
            s.rows = ops_from_to(1, 50), s.cols = ops_from_to(1, 50),
            n = (size_t)s.rows * (size_t)s.cols;
            s.clip = 0.5f, s.rate = 0.01f, s.root = 3.0f, s.decay = 0.99f,
            s.bound = round ? 0.5f : 0.0f;
            s.beta1 = 0.9f, s.beta2 = 0.95f, s.eps = 1e-8f;
            for (i = 0; i < 4; i++)
                v[0][i] = ops_floats(n, 1), v[1][i] = (float *)ops_copy(v[0][i], n * 4);
            for (i = 0; i < (int)n; i++) v[0][3][i] = v[1][3][i] = ob_absf(v[0][3][i]);
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                s.value = v[i][0], s.grad = v[i][1], s.first = v[i][2], s.second = v[i][3];
                x->ops->mask(x, s.grad, s.value, 0.9f, n), x->ops->adamw(x, &s);
            }
            ops_wait();
            for (i = 0; i < 4; i++) ops_near("adamw", v[0][i], v[1][i], n, 1e-6);
            ops_free();
        }
    if (ops_case("ops: muon"))
        for (round = 0; round < ops_rounds(3); round++) {
            int rows = round == 1 ? 40 : ops_from_to(1, 30),
                cols = round == 1 ? 7 : ops_from_to(1, 30);
            size_t n = (size_t)rows * (size_t)cols;
            ops_pair p = ops_open(1, 1, 64, 1, 16);
            float *v[2][3], *work[4];
            ob_step s;
            memset(&s, 0, sizeof s);
            s.rows = rows, s.cols = cols, s.clip = 0.5f, s.rate = 0.02f, s.decay = 0.99f,
            s.mu = 0.95f;
            s.iterations = 5, s.work = work;
            for (i = 0; i < 4; i++) work[i] = ops_floats(n > 900 ? n : 900, 1);
            for (i = 0; i < 3; i++)
                v[0][i] = ops_floats(n, 1), v[1][i] = (float *)ops_copy(v[0][i], n * 4);
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &p.gpu : &p.cpu;
                s.value = v[i][0], s.grad = v[i][1], s.first = v[i][2];
                x->ops->muon(x, &s), ops_wait(); /* they share work */
            }
            ops_near("first", v[0][2], v[1][2], n, 1e-6),
                ops_near("value", v[0][0], v[1][0], n, 1e-3);
            ops_free();
        }
}

/* ---- Attention ---- */

/* One batch on both backends; arrays that only one of them writes come twice. */
typedef struct ops_heads {
    ops_pair p;
    ob_attention a[2];
    float *k, *v;
    size_t q_size, k_size, rows;
} ops_heads;

static ops_heads ops_heads_open(int B, int T, int start, int H, int K, int d, int bits,
                                float size) {
    ops_heads h;
    int i;
    memset(&h, 0, sizeof h);
    h.p = ops_open(B * T, T, H * d, H, d);
    h.rows = (size_t)(B * T) * (size_t)H;
    h.q_size = h.rows * (size_t)d, h.k_size = (size_t)(B * T) * (size_t)K * (size_t)d;
    h.k = ops_floats(h.k_size, size), h.v = ops_floats(h.k_size, 1);
    for (i = 0; i < 2; i++) {
        ob_attention *a = h.a + i;
        size_t heads = (size_t)B * (size_t)K, cap;
        a->B = B, a->T = T, a->start = start, a->H = H, a->K = K, a->d = d, a->cap = start + T + 3;
        cap = (size_t)a->cap;
        a->q = i ? h.a[0].q : ops_floats(h.q_size, size), a->k = h.k;
        a->o = ops_floats(h.q_size, 1), a->lse = ops_floats(h.rows, 1);
        a->cache.k =
            i ? ops_copy(h.a[0].cache.k, heads * ob_wide((int)cap) * (size_t)d * (size_t)bits / 8)
              : (void *)ops_floats(heads * ob_wide((int)cap) * (size_t)d, size);
        a->cache.v = i ? ops_copy(h.a[0].cache.v, heads * cap * ob_wide(d) * (size_t)bits / 8)
                       : (void *)ops_floats(heads * cap * ob_wide(d), 1);
        if (bits == 8) {
            a->cache.k_scale = i ? (float *)ops_copy(h.a[0].cache.k_scale, heads * cap * 4)
                                 : ops_floats(heads * cap, 0.01f);
            a->cache.v_scale = i ? (float *)ops_copy(h.a[0].cache.v_scale, heads * cap * 4)
                                 : ops_floats(heads * cap, 0.01f);
        }
        a->d_o = i ? h.a[0].d_o : ops_floats(h.q_size, 1);
        a->dq = ops_floats(h.q_size, 1), a->dk = ops_floats(h.k_size, 1),
        a->dv = ops_floats(h.k_size, 1);
    }
    return h;
}

static void ops_attention(void) {
    static const int dims[] = {2, 6, 24, 32, 64, 80, 96, 128, 160};
    int round, i;
    if (ops_case("ops: rope, cache_store"))
        for (round = 0; round < ops_rounds(10); round++) {
            int B = ops_from_to(1, 3), T = ops_from_to(1, 70),
                start = round % 2 ? ops_from_to(0, 90) : 0;
            int K = ops_from_to(1, 3), d = dims[round % 9], bits = round % 3 ? 32 : 8;
            ops_heads h = ops_heads_open(B, T, start, K, K, d, bits, 1);
            size_t n = h.k_size, heads = (size_t)(B * K), cap = (size_t)h.a[0].cap;
            float *table = ops_floats((size_t)(start + T) * (size_t)d, 1),
                  *u = (float *)ops_copy(h.k, n * 4);
            float *w = (float *)ops_copy(h.k, n * 4);
            h.p.cpu.ops->rope(&h.p.cpu, u, table, B * T, T, start, K, d, -1.0f);
            h.p.gpu.ops->rope(&h.p.gpu, w, table, B * T, T, start, K, d, -1.0f);
            h.p.cpu.ops->cache_store(&h.p.cpu, &h.a[0].cache, h.k, h.v, B, T, start, K, d,
                                     (int)cap);
            h.p.gpu.ops->cache_store(&h.p.gpu, &h.a[1].cache, h.k, h.v, B, T, start, K, d,
                                     (int)cap);
            ops_wait(), ops_near("rope", u, w, n, 1e-6);
            ops_same("keys", h.a[0].cache.k, h.a[1].cache.k,
                     heads * ob_wide((int)cap) * (size_t)d * (size_t)bits / 8);
            ops_same("values", h.a[0].cache.v, h.a[1].cache.v,
                     heads * cap * ob_wide(d) * (size_t)bits / 8);
            for (i = 0; bits == 8 && i < (int)(heads * cap); i++)
                if (i % (int)cap >= start && i % (int)cap < start + T)
                    CHECK(h.a[0].cache.k_scale[i] == h.a[1].cache.k_scale[i] &&
                          h.a[0].cache.v_scale[i] == h.a[1].cache.v_scale[i]);
            ops_free();
        }
    if (ops_case("ops: attention_forward of a session"))
        for (round = 0; round < ops_rounds(14); round++) {
            int B = ops_from_to(1, 2), T = round % 2 ? ops_from_to(1, 40) : 1,
                start = ops_from_to(0, 150);
            int K = ops_from_to(1, 2), H = K * ops_from_to(1, 4), d = dims[round % 9],
                bits = round % 3 ? 32 : 8;
            ops_heads h = ops_heads_open(B, T, start, H, K, d, bits, round % 5 ? 1.0f : 20.0f);
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &h.p.gpu : &h.p.cpu;
                h.a[i].lse = NULL;
                if (bits == 8) /* codes and scales that are some */
                    x->ops->cache_store(x, &h.a[i].cache, h.k, h.v, B, T, start, K, d, h.a[i].cap);
                x->ops->attention_forward(x, h.a + i);
            }
            ops_wait(), ops_near("o", h.a[0].o, h.a[1].o, h.q_size, 2e-5);
            ops_free();
        }
    if (ops_case("ops: attention_forward, attention_backward of training"))
        for (round = 0; round < ops_rounds(12); round++) {
            int B = ops_from_to(1, 2), T = ops_from_to(1, round < 9 ? 70 : 140),
                K = ops_from_to(1, 2);
            int H = K * ops_from_to(1, 2), d = dims[round % 9], half = round % 2;
            ops_heads h = ops_heads_open(B, T, 0, H, K, d, 32, 1);
            double forward = half ? 1e-2 : 1e-5, back = half ? 2e-2 : 1e-4;
            h.p.gpu.half = half;
            for (i = 0; i < 2; i++) {
                const ob_exec *x = i ? &h.p.gpu : &h.p.cpu;
                x->ops->cache_store(x, &h.a[i].cache, h.k, h.v, B, T, 0, K, d, h.a[i].cap = T);
                x->ops->attention_forward(x, h.a + i);
                ops_wait();
                x->ops->attention_backward(x, h.a + i);
            }
            ops_wait();
            ops_near("o", h.a[0].o, h.a[1].o, h.q_size, forward),
                ops_near("lse", h.a[0].lse, h.a[1].lse, h.rows, forward);
            ops_near("dq", h.a[0].dq, h.a[1].dq, h.q_size, back),
                ops_near("dk", h.a[0].dk, h.a[1].dk, h.k_size, back);
            ops_near("dv", h.a[0].dv, h.a[1].dv, h.k_size, back);
            ops_free();
        }
}

/* ---- Whole models ---- */

/* A small model with what a config may ask for. */
static onebit_config ops_config(int variant) {
    onebit_config c = onebit_config_default();
    c.vocab_size = 61, c.hidden_size = 48, c.num_layers = 2, c.num_heads = 3,
    c.num_key_value_heads = 1;
    c.head_dim = 16, c.intermediate_size = 80, c.max_seq_len = 24;
    if (variant == 1)
        c.use_qk_norm = 1, c.use_qkv_bias = 1, c.use_swiglu = 0, c.activation_bits = 1;
    if (variant == 2)
        c.scale_group = 32, c.use_sub_norm = 0, c.logit_softcap = 20, c.tie_word_embeddings = 0;
    if (variant == 3) c.anneal_fraction = 0.5, c.use_subln = 0, c.latent_clamp_max = 0.5;
    return c;
}

static onebit_train_options ops_options(int variant, int half) {
    onebit_train_options o = onebit_train_options_default();
    o.batch_size = 2, o.seq_len = 13, o.max_steps = 40, o.lr_warmup_steps = 2, o.lr = 3e-3;
    o.backward_bits = half ? 16 : 32;
    o.gradient_checkpointing_segments = variant == 2, o.optimizer = variant == 1;
    if (variant == 3) o.label_smoothing = 0.1;
    return o;
}

/* A text that can be learnt: ids that follow each other by a rule. */
static void ops_batch(int32_t *inputs, int32_t *targets, int n, int vocab, int step) {
    int i, id = (step * 17) % vocab;
    for (i = 0; i < n; i++) {
        inputs[i] = id;
        id = (id * 3 + 7) % vocab;
        targets[i] = i % 13 == 5 ? -1 : id;
    }
}

/* Trains some steps; losses [steps]. */
static int ops_train(onebit_trainer *t, int from, int to, double *losses) {
    int32_t inputs[64], targets[64];
    int step;
    for (step = from; step < to; step++) {
        ops_batch(inputs, targets, 2 * 13, onebit_trainer_config(t)->vocab_size, step);
        if (!CHECK_OK(onebit_trainer_accumulate(t, inputs, targets, losses + step))) return 0;
        if (!CHECK_OK(onebit_trainer_update(t, NULL))) return 0;
    }
    return 1;
}

static void ops_training(void) {
    enum { STEPS = 5 };
    int variant, i, steps = ops_quick ? 2 : STEPS;
    double cpu[STEPS], gpu[STEPS], again[STEPS];
    if (!ops_case("ops: losses of a training run on both")) return;
    for (variant = 0; variant < (ops_quick ? 1 : 4); variant++) {
        onebit_config c = ops_config(variant);
        onebit_train_options o = ops_options(variant, variant % 2);
        onebit_trainer *a = NULL, *b = NULL, *d = NULL;
        CHECK_OK(onebit_trainer_create(&a, &c, &o, &ops_cpu));
        CHECK_OK(onebit_trainer_create(&b, &c, &o, &ops_gpu));
        if (a && b && ops_train(a, 0, steps, cpu) && ops_train(b, 0, steps, gpu)) {
            /* one code that falls the other way moves a loss a little, and the steps go on */
            for (i = 0; i < steps; i++)
                if (!CHECK(fabs(cpu[i] - gpu[i]) < (i < 2 ? 2e-3 : 0.1)))
                    printf("variant %d, step %d: %g and %g\n", variant, i, cpu[i], gpu[i]);
            CHECK(cpu[steps - 1] < cpu[0] || ops_quick);
        }
        if (variant == 1 && b && CHECK_OK(onebit_trainer_create(&d, &c, &o, &ops_gpu)) &&
            ops_train(d, 0, steps, again))
            CHECK(!memcmp(gpu, again, (size_t)steps * sizeof *gpu)); /* the same bits */
        onebit_trainer_free(a), onebit_trainer_free(b), onebit_trainer_free(d);
    }
}

/* A run that moves from one to the other goes on as if it had stayed, but for roundings. */
static void ops_checkpoints(void) {
    onebit_config c = ops_config(0);
    onebit_train_options o = ops_options(0, 0);
    onebit_trainer *a = NULL, *b = NULL;
    onebit_position place;
    double stayed[16], moved[16];
    const char *path = "build/test-ops.safetensors";
    int way, i;
    if (!ops_case("ops: checkpoints move between CPU and device")) return;
    memset(&place, 0, sizeof place);
    for (way = 0; way < 2; way++) {
        const onebit_env *from = way ? &ops_gpu : &ops_cpu, *to = way ? &ops_cpu : &ops_gpu;
        CHECK_OK(onebit_trainer_create(&a, &c, &o, from));
        if (a && ops_train(a, 0, 3, stayed) &&
            CHECK_OK(onebit_trainer_save(a, NULL, place, path)) &&
            CHECK_OK(onebit_trainer_load(&b, NULL, NULL, path, NULL, to)) &&
            ops_train(a, 3, 6, stayed) && ops_train(b, 3, 6, moved))
            for (i = 3; i < 6; i++) CHECK(fabs(stayed[i] - moved[i]) < 2e-2);
        onebit_trainer_free(a), onebit_trainer_free(b), a = b = NULL;
    }
    remove(path);
}

/* A model from a trainer, opened on both. */
static int ops_models(onebit_model **cpu, onebit_model **gpu, int variant, void **image) {
    onebit_config c = ops_config(variant);
    onebit_train_options o = ops_options(variant, 0);
    onebit_trainer *t = NULL;
    double losses[4];
    size_t bytes;
    int ok;
    *cpu = *gpu = NULL, *image = NULL;
    if (!CHECK_OK(onebit_trainer_create(&t, &c, &o, &ops_cpu))) return 0;
    ops_train(t, 0, 3, losses);
    bytes = onebit_trainer_pack(t, NULL, NULL, 0), *image = malloc(bytes);
    ok = onebit_trainer_pack(t, NULL, *image, bytes) == bytes;
    onebit_trainer_free(t);
    return CHECK(ok) && CHECK_OK(onebit_model_open_memory(cpu, *image, bytes, &ops_cpu)) &&
           CHECK_OK(onebit_model_open_memory(gpu, *image, bytes, &ops_gpu));
}

/* Feeds both the same tokens and compares the logits: prompt, then one by one (which on a device is
   a recorded pass), after a rewind, and in a session that took over a saved state. */
static void ops_talk(onebit_session *a, onebit_session *b, int V, double bound) {
    int32_t prompt[9] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    int i;
    CHECK_OK(onebit_session_eval(a, prompt, 9, NULL)),
        CHECK_OK(onebit_session_eval(b, prompt, 9, NULL));
    ops_near("prompt", onebit_session_logits(a), onebit_session_logits(b), (size_t)V, bound);
    for (i = 0; i < 6; i++) {
        int32_t id = (7 * i + 2) % V;
        if (i == 4) CHECK_OK(onebit_session_rewind(a, 6)), CHECK_OK(onebit_session_rewind(b, 6));
        CHECK_OK(onebit_session_eval(a, &id, 1, NULL)),
            CHECK_OK(onebit_session_eval(b, &id, 1, NULL));
        ops_near("token", onebit_session_logits(a), onebit_session_logits(b), (size_t)V, bound);
    }
}

static void ops_sessions(void) {
    int variant;
    if (ops_case("ops: sessions: prompt, tokens, rewind, state, several together"))
        for (variant = 0; variant < (ops_quick ? 1 : 4); variant++) {
            onebit_model *cpu, *gpu;
            onebit_session *a = NULL, *b = NULL, *second = NULL, *pair[2];
            onebit_session_options o = onebit_session_options_default();
            void *image, *state;
            size_t bytes;
            float *rows[2] = {NULL, NULL};
            int32_t ids[5] = {7, 8, 9, 10, 11};
            int V = ops_config(variant).vocab_size;
            o.context = 24, o.together = 2, o.chunk = 4, o.cache_bits = variant == 1 ? 8 : 32;
            if (ops_models(&cpu, &gpu, variant, &image) &&
                CHECK_OK(onebit_session_create(&a, cpu, &o, NULL)) &&
                CHECK_OK(onebit_session_create(&b, gpu, &o, NULL)) &&
                CHECK_OK(onebit_session_create(&second, gpu, &o, NULL))) {
                /* a code that falls the other way moves a logit by about a 127th */
                ops_talk(a, b, V, 2e-2);
                bytes = onebit_session_save(b, NULL, 0), state = malloc(bytes);
                CHECK(onebit_session_save(b, state, bytes) == bytes);
                CHECK_OK(onebit_session_restore(second, state, bytes));
                ops_same("restored", onebit_session_logits(b), onebit_session_logits(second),
                         (size_t)V * 4);
                free(state);
                pair[0] = b, pair[1] = second;
                CHECK_OK(onebit_session_feed(b, ids, 1)),
                    CHECK_OK(onebit_session_feed(second, ids, 3));
                CHECK_OK(onebit_sessions_step(pair, 2));
                CHECK_OK(onebit_session_eval(a, ids, 1, NULL));
                ops_near("together", onebit_session_logits(a), onebit_session_logits(b), (size_t)V,
                         2e-2);
                rows[0] = (float *)malloc((size_t)V * 20),
                rows[1] = (float *)malloc((size_t)V * 20);
                CHECK_OK(onebit_session_eval(a, ids, 5, rows[0])),
                    CHECK_OK(onebit_session_eval(b, ids, 5, rows[1]));
                ops_near("rows", rows[0], rows[1], (size_t)V * 5, 2e-2);
            }
            free(rows[0]), free(rows[1]);
            onebit_session_free(a), onebit_session_free(b), onebit_session_free(second);
            onebit_model_free(cpu), onebit_model_free(gpu), free(image);
        }
}

/* Decoding one by one gives the bits of a prompt: kernels for few tokens and products of many agree
   to the last bit where whole numbers are added. */
static void ops_prefill(void) {
    onebit_model *cpu, *gpu;
    onebit_session *a = NULL, *b = NULL;
    onebit_session_options o = onebit_session_options_default();
    int32_t ids[16];
    void *image;
    int i;
    if (!ops_case("ops: a prompt is the same as token by token")) return;
    o.context = 24;
    for (i = 0; i < 16; i++) ids[i] = (i * 5 + 1) % 61;
    if (ops_models(&cpu, &gpu, 0, &image) && CHECK_OK(onebit_session_create(&a, gpu, &o, NULL)) &&
        CHECK_OK(onebit_session_create(&b, gpu, &o, NULL))) {
        CHECK_OK(onebit_session_eval(a, ids, 16, NULL));
        for (i = 0; i < 16; i++) CHECK_OK(onebit_session_eval(b, ids + i, 1, NULL));
        ops_near("logits", onebit_session_logits(a), onebit_session_logits(b), 61, 2e-2);
    }
    onebit_session_free(a), onebit_session_free(b), onebit_model_free(cpu), onebit_model_free(gpu);
    free(image);
}

/* What does not fit is refused with a batch size that would. */
static void ops_short(void) {
    onebit_config c = ops_config(0);
    onebit_train_options o = ops_options(0, 0);
    onebit_trainer *t = NULL;
    if (!ops_case("ops: too little memory names a batch size that fits")) return;
    c.hidden_size = 512, c.vocab_size = 32000, c.intermediate_size = 2048, c.num_heads = 32;
    c.num_key_value_heads = 32, c.num_layers = 24, c.max_seq_len = 4096;
    o.batch_size = 4096, o.seq_len = 4096;
#if defined(ONEBIT_CUDA_ON_CPU)
    ob_shim_free_bytes = (size_t)12 << 30;
#endif
    CHECK_FAILS(onebit_trainer_create(&t, &c, &o, &ops_gpu), ONEBIT_MEMORY, "--batch-size");
    CHECK(strstr(onebit_error_text(), " fits (now 4096)") != NULL);
    onebit_trainer_free(t);
}

#if defined(ONEBIT_CUDA_ON_CPU)
/* Every call of the runtime that may fail, fails once, while a device is opened, a model is trained
   and a session runs: an error each time, never a wrong number, and nothing is lost. */
static void ops_failures(void) {
    int at, step = 17, failed = 0, through = 0;
    long live;
    if (!ops_case("ops: a call that fails is told, and everything is given back")) return;
    ops_free();
    for (at = 1; at < 4000 && !through; at += step) {
        onebit_config c = ops_config(0);
        onebit_train_options o = ops_options(0, 0);
        onebit_env env = ops_cpu;
        onebit_trainer *t = NULL;
        int32_t inputs[64], targets[64];
        onebit_status status;
        live = (long)ob_shim_live;
        ob_shim_fail_at = at;
        ops_batch(inputs, targets, 26, 61, 0);
        status = onebit_cuda_open(&env.device, 0);
        if (status == ONEBIT_OK) status = onebit_trainer_create(&t, &c, &o, &env);
        if (status == ONEBIT_OK) status = onebit_trainer_accumulate(t, inputs, targets, NULL);
        if (status == ONEBIT_OK) status = onebit_trainer_update(t, NULL);
        if (status == ONEBIT_OK) status = ob_wait(&env);
        through = ob_shim_fail_at != 0; /* it came through before the call was reached */
        ob_shim_fail_at = 0;
        if (!through && !CHECK(status != ONEBIT_OK))
            printf("call %d failed and nobody said so\n", at);
        failed += status != ONEBIT_OK;
        onebit_trainer_free(t), onebit_cuda_free(env.device);
        if (!CHECK(live == (long)ob_shim_live))
            printf("call %d: something was not given back\n", at);
    }
    CHECK(failed > 10), CHECK(through);
}
#endif

static void ops_all(void) {
    ops_memory(), ops_embed(), ops_norms(), ops_quantizers(), ops_fused(), ops_quantize_weight();
    ops_linear(), ops_slabs(), ops_linear_backward(), ops_small(), ops_loss(), ops_optimizers();
    ops_attention(), ops_training(), ops_checkpoints(), ops_sessions(), ops_prefill(), ops_short();
}

int main(int count, char **words) {
    int i;
    onebit_status status;
    for (i = 1; i < count; i++) {
        if (!strcmp(words[i], "--quick")) ops_quick = 1;
        else ops_only = words[i];
    }
    (void)test_skip, (void)test_data;
    setvbuf(stdout, NULL, _IOLBF, 0); /* the shim aborts */
    ops_cpu = onebit_env_default();
    ops_cpu.threads = 1, ops_cpu.isa = ONEBIT_ISA_SCALAR;
    ops_gpu = ops_cpu;
    status = onebit_cuda_open(&ops_gpu.device, 0);
    if (status != ONEBIT_OK) {
        printf("%s\n0 passed, 1 failed\n", onebit_error_text());
        return 1;
    }
    printf("%s\n", onebit_cuda_name(ops_gpu.device));
    ops_all();
#if defined(ONEBIT_CUDA_ON_CPU)
    ops_failures();
    /* once more, small: lanes, warps and blocks backwards, and streams that wait for the host */
    ops_quick = ob_shim_order = ob_shim_lazy = 1;
    ops_all();
#endif
    ops_free();
    test_close();
    onebit_cuda_free(ops_gpu.device);
    printf("%d passed, %d failed\n", test_now.passed, test_now.failed);
    return test_now.failed > 0;
}
