/* bench.c - onebit-bench: how fast this machine is, and how near onebit.h comes to it.

   cc -O3 -fopenmp examples/bench.c -o onebit-bench -lm
   ./onebit-bench                          memory, arithmetic and kernels of this machine
   ./onebit-bench --shape 2b4t             decoding, prefill and batches of a model of that shape
   ./onebit-bench --train S1               training steps of a preset

   With --device cuda (README.md says how it is built) model and training run on the GPU; kernels
   are the processor's.

   It looks inside the header: kernels are private, so it has a copy of the implementation to itself. */
#define ONEBIT_IMPLEMENTATION
#define ONEBIT_STATIC
#undef ONEBIT_IMPLEMENTED
#include "cli.h"

static const cli_row flags[] = {
    {"What", NULL, NULL},
    {"machine", NULL, "read bandwidth and peak arithmetic"},
    {"kernels", NULL, "every kernel of matrix products on every instruction set"},
    {"model", "PATH",
     "decoding, prefill and batches of a model, in any format that onebit-chat takes"},
    {"shape", "NAME", "the same of random weights: 2b4t, 125m or demo"},
    {"write", "FILE", "leave the random model of --shape in a file, and stop"},
    {"train", "NAME", "training steps of S1, S2, S3, S4, 17m or gpt2 (124M, 32 x 1024 tokens)"},
    {"batch-size", "N", "sequences of a training step (default: the shape's own)"},
    {"float32", NULL, "train the float32 twin of that shape"},
    {"backward-bits", "N", "as onebit-train has it: 16 or 32 (default 32, on a GPU 16)"},
    {"trace", "FILE", "one prefill and --tokens decoded tokens, or one training step, op by op: for "
                      "chrome://tracing or ui.perfetto.dev, and a table of layers"},
    {"How", NULL, NULL},
    {"repeats", "N", "runs of each measurement; the table has their least, median and most "
                     "(default 5)"},
    {"tokens", "N", "tokens of a decoding run (default 48)"},
    {"prompt", "N", "tokens of a prefill run (default 128)"},
    {"sequences", "N", "sequences that are decoded together (default 8)"},
    {"context", "N", "tokens that are in the context before decoding (default 16)"},
    CLI_CACHE_BITS,
    CLI_FAST,
    CLI_TWO_STAGE,
    CLI_OPEN,
    CLI_DEVICE(""),
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

static const cli_spec spec = {
    "onebit-bench",
    "measures the machine and how near onebit.h comes to it",
    "onebit-bench [--machine] [--kernels] [--model FILE | --shape NAME] [--train NAME]",
    "examples:\n"
    "  onebit-bench                                  the machine and the kernels\n"
    "  onebit-bench --shape 2b4t --threads 1         a model of 2.4 billion random weights\n"
    "  onebit-bench --model demo.1bit --json\n"
    "  onebit-bench --train S1 --repeats 9\n",
    "machine kernels model shape train repeats threads isa device json ",
    NULL,
    flags,
    0,
    NULL};

/* ---- measurements ---- */

enum { MOST_REPEATS = 101 };

/* Figures of equal runs. */
typedef struct runs {
    double value[MOST_REPEATS];
    int n;
} runs;

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void runs_add(runs *r, double value) {
    if (r->n < MOST_REPEATS) r->value[r->n++] = value;
    qsort(r->value, (size_t)r->n, sizeof r->value[0], by_size);
}

static double least(const runs *r) { return r->value[0]; }
static double middle(const runs *r) { return r->value[r->n / 2]; }
static double most(const runs *r) { return r->value[r->n - 1]; }

/* What a program prints: JSON has a line for each figure. */
typedef struct bench {
    const cli *c;
    onebit_env env;
    int repeats;
    double bandwidth, int8_peak; /* bytes and products per second, of the device; 0 = unknown */
} bench;

static void heading(const bench *b, const char *text) {
    if (!b->c->json) printf("\n%-44s %10s %10s %10s  %s\n", text, "least", "median", "most", "");
}

/* share: of what, as a part of 1; 0 = none. */
static void show(const bench *b, const char *what, const char *unit, const runs *r, double share,
                 const char *of) {
    if (b->c->json) {
        cli_json_key(stdout, 1, "what");
        cli_json_string(stdout, what, strlen(what));
        cli_json_text(stdout, "unit", unit);
        cli_json_real(stdout, "least", least(r));
        cli_json_real(stdout, "median", middle(r));
        cli_json_real(stdout, "most", most(r));
        cli_json_int(stdout, "runs", r->n);
        if (share > 0) cli_json_real(stdout, "share", share);
        if (share > 0) cli_json_text(stdout, "of", of);
        cli_json_int(stdout, "threads", b->env.threads);
        cli_json_text(stdout, "isa", onebit_isa_name(b->env.isa));
        if (b->env.device) cli_json_text(stdout, "device", cli_device_name(&b->env));
        puts("}");
    } else {
        printf("%-32s %11s %10.4g %10.4g %10.4g", what, unit, least(r), middle(r), most(r));
        if (share > 0) printf("  %3.0f%% of %s", 100 * share, of);
        putchar('\n');
    }
    fflush(stdout);
}

/* A figure that is known and not measured. */
static void tell(const bench *b, const char *what, const char *unit, double value) {
    runs r;
    r.n = 0;
    runs_add(&r, value);
    if (b->c->json) show(b, what, unit, &r, 0, "");
    else printf("%32s %11s %10.0f\n", what, unit, value);
}

/* Devices work on while the program does; before a clock is read they must be done. */
static void wait_for(const bench *b) {
    if (ob_wait(&b->env) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
}

/* ---- the machine ---- */

/* Sums of words, one part for each thread: reading and nothing else. */
typedef struct reading {
    const uint64_t *words;
    size_t count; /* of a part */
    uint64_t sums[OB_MAX_THREADS * 8];
} reading;

#if defined(OB_X86)
OB_TARGET_AVX512 static void read_wide(uint64_t *sums, const uint64_t *p, size_t count) {
    __m512i s[4];
    size_t i;
    int j;
    OB_UNROLL for (j = 0; j < 4; j++) s[j] = _mm512_setzero_si512();
    for (i = 0; i + 32 <= count; i += 32)
        OB_UNROLL for (j = 0; j < 4; j++)
            s[j] = _mm512_add_epi64(s[j], _mm512_loadu_si512(p + i + 8 * (size_t)j));
    _mm512_storeu_si512(sums, _mm512_add_epi64(_mm512_add_epi64(s[0], s[1]),
                                               _mm512_add_epi64(s[2], s[3])));
}
#endif

static void read_part(void *arg, int part) {
    reading *r = (reading *)arg;
    const uint64_t *p = r->words + (size_t)part * r->count;
    uint64_t s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t i;
    int j;
#if defined(OB_X86)
    if (ob_isa_here(ONEBIT_ISA_AVX512)) {
        read_wide(r->sums + part * 8, p, r->count);
        return;
    }
#endif
    for (i = 0; i + 8 <= r->count; i += 8)
        for (j = 0; j < 8; j++) s[j] += p[i + (size_t)j];
    for (j = 0; j < 8; j++) r->sums[part * 8 + j] = s[j];
}

/* Bytes per second of reading 768 MB of memory on huge pages. */
static runs read_bandwidth(const bench *b) {
    const size_t bytes = (size_t)768 << 20;
    runs all;
    reading *r = (reading *)cli_alloc(sizeof *r);
    void *block = ob_alloc(&b->env, bytes);
    int i;
    all.n = 0;
    if (!block) exit(cli_fail("no memory for %.0f MB", (double)bytes / 1e6));
    r->words = (const uint64_t *)block;
    r->count = bytes / 8 / (size_t)b->env.threads;
    for (i = 0; i <= b->repeats; i++) {
        double start = ob_seconds();
        ob_parallel(&b->env, read_part, r, b->env.threads);
        if (i) runs_add(&all, (double)(r->count * 8 * (size_t)b->env.threads) /
                                  (ob_seconds() - start));
    }
    ob_release(&b->env, block);
    free(r);
    return all;
}

/* Products per second of the best instruction, in registers: what no kernel can pass. */
#if defined(OB_X86)
#define CHAINS 12
OB_TARGET_VNNI static int64_t peak_vnni(int64_t rounds) {
    __m512i s[CHAINS], a = _mm512_set1_epi32((int)rounds), c = _mm512_set1_epi32(0x01010101);
    int64_t i, n = 0;
    int j;
    OB_UNROLL for (j = 0; j < CHAINS; j++) s[j] = _mm512_set1_epi32(j);
    for (i = 0; i < rounds; i++)
        OB_UNROLL for (j = 0; j < CHAINS; j++) s[j] = _mm512_dpbusd_epi32(s[j], a, c);
    OB_UNROLL for (j = 0; j < CHAINS; j++) n += _mm_cvtsi128_si32(_mm512_castsi512_si128(s[j]));
    return n;
}
OB_TARGET_AVX512 static int64_t peak_float(int64_t rounds) {
    __m512 s[CHAINS], a = _mm512_set1_ps(1.0f / (float)rounds), c = _mm512_set1_ps(0.5f);
    int64_t i;
    float n = 0;
    int j;
    OB_UNROLL for (j = 0; j < CHAINS; j++) s[j] = _mm512_set1_ps((float)j);
    for (i = 0; i < rounds; i++)
        OB_UNROLL for (j = 0; j < CHAINS; j++) s[j] = _mm512_fmadd_ps(s[j], c, a);
    OB_UNROLL for (j = 0; j < CHAINS; j++) n += _mm512_reduce_add_ps(s[j]);
    return (int64_t)n;
}
#endif

typedef struct peak_job {
    int64_t (*body)(int64_t rounds);
    int64_t rounds, out[OB_MAX_THREADS * 8];
} peak_job;

static void peak_part(void *arg, int part) {
    peak_job *p = (peak_job *)arg;
    p->out[part * 8] = p->body(p->rounds);
}

/* each: products of one round. */
static runs peak(const bench *b, int64_t (*body)(int64_t rounds), double each) {
    runs all;
    peak_job p;
    int i;
    all.n = 0;
    p.body = body, p.rounds = 4000000;
    for (i = 0; body && i <= b->repeats; i++) {
        double start = ob_seconds();
        ob_parallel(&b->env, peak_part, &p, b->env.threads);
        if (i)
            runs_add(&all, each * (double)p.rounds * b->env.threads / (ob_seconds() - start));
    }
    return all;
}

static runs scaled(runs r, double factor) {
    int i;
    for (i = 0; i < r.n; i++) r.value[i] *= factor;
    return r;
}

/* Bytes per second, read and written, of copies within a device's memory. */
static runs copy_bandwidth(const bench *b) {
    const size_t bytes = (size_t)256 << 20;
    const int times = 8;
    onebit_device *device = b->env.device;
    uint8_t *block = (uint8_t *)ob_alloc_arrays(&b->env, 2 * bytes);
    ob_exec x;
    runs all;
    int i, k;
    memset(&x, 0, sizeof x);
    x.env = b->env;
    all.n = 0;
    if (!block) exit(cli_fail("%s has no memory for %.0f MB", device->name, 2e-6 * (double)bytes));
    for (i = 0; i <= b->repeats; i++) {
        double start = ob_seconds();
        for (k = 0; k < times; k++) device->ops->copy(&x, block + bytes, block, bytes);
        wait_for(b);
        if (i) runs_add(&all, 2.0 * times * (double)bytes / (ob_seconds() - start));
    }
    ob_release_arrays(&b->env, block);
    return all;
}

/* The same of a device, where what its tensor cores could do is not measured. */
static void measure_device(bench *b, int print) {
    runs bandwidth = copy_bandwidth(b);
    b->bandwidth = middle(&bandwidth), b->int8_peak = 0;
    if (!print) return;
    heading(b, cli_device_name(&b->env));
    bandwidth = scaled(bandwidth, 1e-9);
    show(b, "copy memory", "GB/s", &bandwidth, 0, "");
}

/* Measured first: the other figures are told as shares of these. */
static void measure_machine(bench *b, int print) {
    runs bandwidth = read_bandwidth(b), int8, real;
    int8.n = real.n = 0;
    b->bandwidth = middle(&bandwidth);
#if defined(OB_X86)
    if (ob_isa_here(ONEBIT_ISA_AVX512VNNI)) int8 = peak(b, peak_vnni, CHAINS * 64.0);
    if (ob_isa_here(ONEBIT_ISA_AVX512)) real = peak(b, peak_float, CHAINS * 16.0);
#endif
    if (int8.n) b->int8_peak = middle(&int8);
    if (!print) return;
    heading(b, "machine");
    bandwidth = scaled(bandwidth, 1e-9);
    show(b, "read memory", "GB/s", &bandwidth, 0, "");
    int8 = scaled(int8, 1e-9), real = scaled(real, 1e-9);
    if (int8.n) show(b, "8-bit products (vpdpbusd)", "G/s", &int8, 0, "");
    if (real.n) show(b, "float products (fma)", "G/s", &real, 0, "");
}

/* ---- kernels ---- */

/* One kernel of integer products over a matrix of so many rows, m tokens. */
typedef struct dots_job {
    const ob_kernels *kernels;
    ob_dots d;
    int pairs, parts;
    const uint8_t *data;
} dots_job;

static void dots_part(void *arg, int part) {
    const dots_job *j = (const dots_job *)arg;
    int32_t sums[OB_DOT_TOKENS * OB_DOT_ROWS];
    int from, to, i;
    ob_dots d = j->d;
    ob_share(j->pairs, j->parts, part, &from, &to);
    for (i = from; i < to; i++) {
        d.block = j->data + (size_t)(2 * i) * d.block_bytes;
        j->kernels->dots(sums, &d);
    }
}

static void bench_dots(const bench *b, const ob_kernels *kernels, ob_format format, int cols,
                       size_t bytes, int m) {
    dots_job j;
    runs speed;
    char name[64];
    size_t block = (size_t)ob_block_bytes(format, cols), stride = ob_code_stride(cols);
    double products, share;
    void *data, *x;
    int32_t sum[OB_DOT_TOKENS];
    int i;
    memset(&j, 0, sizeof j);
    memset(sum, 0, sizeof sum);
    j.kernels = kernels, j.parts = b->env.threads;
    j.pairs = (int)(bytes / (2 * block));
    data = ob_alloc(&b->env, (size_t)j.pairs * 2 * block);
    x = ob_alloc(&b->env, (size_t)m * stride);
    if (!data || !x) exit(cli_fail("no memory for a kernel's weights"));
    memset(data, format == OB_T2X16 ? 0x55 : 1, (size_t)j.pairs * 2 * block);
    j.data = (const uint8_t *)data;
    j.d.block_bytes = block, j.d.blocks = 2, j.d.format = (int)format;
    j.d.groups = (int)(block / (size_t)ob_format_group_bytes[format]);
    j.d.x = (const int8_t *)x, j.d.ldx = (ptrdiff_t)stride;
    j.d.sum = sum, j.d.ld_sum = 1, j.d.m = m;
    products = (double)j.pairs * OB_DOT_ROWS * cols * m;
    speed.n = 0;
    for (i = 0; i <= b->repeats; i++) {
        double start = ob_seconds();
        int again, times = m == 1 ? 1 : 4;
        for (again = 0; again < times; again++) ob_parallel(&b->env, dots_part, &j, j.parts);
        if (i) runs_add(&speed, products * times / (ob_seconds() - start));
    }
    snprintf(name, sizeof name, "%s %s, %d token%s", onebit_isa_name(b->env.isa),
             ob_format_names[format], m, m == 1 ? "" : "s");
    if (m == 1) {
        double rate = (double)j.pairs * 2 * (double)block / products;
        share = b->bandwidth > 0 ? middle(&speed) * rate / b->bandwidth : 0;
        speed = scaled(speed, rate * 1e-9);
        show(b, name, "GB/s", &speed, share, "the memory");
    } else {
        share = b->int8_peak > 0 ? middle(&speed) / b->int8_peak : 0;
        speed = scaled(speed, 1e-9);
        show(b, name, "G/s", &speed, share, "the 8-bit peak");
    }
    ob_release(&b->env, data);
    ob_release(&b->env, x);
}

/* The tiles of floats and of bfloat16, from panels in the second cache. */
static void bench_tile(const bench *b, const ob_kernels *kernels, int half) {
    enum { M = 48, K = 512, ROUNDS = 400 };
    float *a = (float *)ob_alloc(&b->env, M * K * sizeof(float));
    float *panel = (float *)ob_alloc(&b->env, K * 32 * sizeof(float));
    float *c = (float *)ob_alloc(&b->env, M * 32 * sizeof(float));
    double products = 1.0 * kernels->nr * (M * K) * (half ? 2 * ROUNDS : ROUNDS);
    runs speed;
    char name[64];
    int i, r;
    if (!a || !panel || !c) exit(cli_fail("no memory for a kernel"));
    speed.n = 0;
    for (i = 0; i <= b->repeats; i++) {
        double start = ob_seconds();
        for (r = 0; r < ROUNDS; r++) {
            if (half)
                kernels->tile16(M, K, (const uint32_t *)(const void *)a, K, 1,
                                (const uint32_t *)(const void *)panel, c, kernels->nr, 0);
            else kernels->tile(M, K, a, K, 1, panel, kernels->nr, c, kernels->nr, 0, 1);
        }
        if (i) runs_add(&speed, products / (ob_seconds() - start));
    }
    snprintf(name, sizeof name, "%s %s tile, 1 thread", onebit_isa_name(b->env.isa),
             half ? "bfloat16" : "float");
    speed = scaled(speed, 1e-9);
    show(b, name, "G/s", &speed, 0, "");
    ob_release(&b->env, a);
    ob_release(&b->env, panel);
    ob_release(&b->env, c);
}

static void bench_kernels(const bench *all) {
    static const ob_format formats[] = {OB_T2X16, OB_T5X16, OB_B1X16, OB_Q8X16, OB_H4X16};
    bench b = *all;
    int isa, f;
    heading(&b, "kernels (width 2560)");
    for (isa = ONEBIT_ISA_SCALAR; isa < ONEBIT_ISA_COUNT; isa++) {
        const ob_kernels *kernels;
        if (!ob_isa_here((onebit_isa)isa)) continue;
        if (all->env.isa != ONEBIT_ISA_AUTO && isa != (int)all->env.isa) continue;
        b.env.isa = (onebit_isa)isa;
        kernels = ob_kernels_for(b.env.isa);
        for (f = 0; f < 5; f++) {
            size_t bytes = isa == ONEBIT_ISA_SCALAR ? (size_t)4 << 20 : (size_t)256 << 20;
            bench_dots(&b, kernels, formats[f], 2560, bytes, 1);
            if (formats[f] == OB_H4X16) continue; /* is read for one token at a time */
            bench_dots(&b, kernels, formats[f], 2560, (size_t)1 << 20, 32);
        }
        bench_tile(&b, kernels, 0);
        if (kernels->tile16) bench_tile(&b, kernels, 1);
    }
}

/* ---- models of random weights ---- */

/* Codes and scales of one tensor at a time. */
typedef struct random_model {
    onebit_config config;
    onebit_rng rng;
    float *values, *scale; /* room for the largest */
    size_t room;
} random_model;

static onebit_status random_fetch(void *source, int index, ob_param *p) {
    random_model *m = (random_model *)source;
    size_t i, n, scales;
    uint64_t bits = 0;
    memset(p, 0, sizeof *p);
    ob_tensor_at(&m->config, index, &p->info);
    n = (size_t)p->info.rows * (size_t)p->info.cols;
    scales = (size_t)ob_tensor_scales(&p->info);
    p->size = n, p->value = m->values, p->codes = m->values, p->format = OB_DENSE;
    p->scale = m->scale;
    for (i = 0; i < n; i++) {
        if (i % 16 == 0) bits = ob_rng_next(&m->rng);
        if (p->info.kind == OB_ROLE_GAIN) m->values[i] = 1.0f;
        else if (p->info.mode == ONEBIT_8BIT) m->values[i] = (float)(int)(bits & 15) * 17 - 127;
        else m->values[i] = (float)((int)(bits % 3) - 1); /* the bits of this place decide */
        bits >>= 4;
    }
    for (i = 0; i < scales; i++)
        m->scale[i] = 0.5f / sqrtf((float)p->info.cols) /
                      (p->info.mode == ONEBIT_8BIT ? 100.0f : 1.0f);
    return ONEBIT_OK;
}

/* "name=value name=value": settings of a model, and batch_size of its training. */
static void set_all(onebit_config *c, onebit_train_options *o, const char *settings) {
    char word[64], *equals;
    while (*settings) {
        size_t n = strcspn(settings, " ");
        onebit_status status;
        snprintf(word, sizeof word, "%.*s", (int)n, settings);
        equals = strchr(word, '=');
        *equals = 0;
        status = strcmp(word, "batch_size")
                     ? onebit_field_set(ONEBIT_TABLE_MODEL, c, word, equals + 1)
                     : onebit_field_set(ONEBIT_TABLE_TRAIN, o, word, equals + 1);
        if (status != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
        settings += n + strspn(settings + n, " ");
    }
}

static onebit_config shape_named(const char *name) {
    onebit_config c = onebit_config_default();
    const char *settings = NULL;
    static const char *const shapes[][2] = {
        {"2b4t", "vocab_size=128256 hidden_size=2560 num_layers=30 num_heads=20 "
                 "num_key_value_heads=5 intermediate_size=6912 max_seq_len=4096 activation=relu2 "
                 "use_sub_norm=true rope_theta=500000 embedding=8bit"},
        {"125m", "vocab_size=32000 hidden_size=768 num_layers=12 num_heads=12 "
                 "intermediate_size=2048 max_seq_len=2048 embedding=8bit"},
        {"demo", "vocab_size=512 hidden_size=96 num_layers=3 num_heads=4 intermediate_size=256 "
                 "max_seq_len=256 embedding=f16"}};
    size_t i;
    for (i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(shapes[i][0], name)) settings = shapes[i][1];
    if (!settings) cli_usage("--shape: '%s' is none of 2b4t, 125m, demo", name);
    set_all(&c, NULL, settings);
    if (onebit_config_check(&c) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    return c;
}

/* The image of a random model, in memory. */
static uint8_t *random_image(const bench *b, const char *name, size_t *bytes) {
    random_model m;
    ob_tensors t;
    ob_image image;
    ob_tensor info;
    int i;
    memset(&m, 0, sizeof m);
    memset(&t, 0, sizeof t);
    m.config = shape_named(name);
    onebit_rng_seed(&m.rng, 1);
    for (i = 0; ob_tensor_at(&m.config, i, &info); i++) {
        size_t n = (size_t)info.rows * (size_t)info.cols;
        if (n > m.room) m.room = n;
    }
    m.values = (float *)cli_alloc(m.room * sizeof(float));
    m.scale = (float *)cli_alloc(((size_t)1 << 20) * sizeof(float));
    t.config = &m.config, t.count = i, t.source = &m, t.fetch = random_fetch;
    t.env = &b->env, t.packing = ONEBIT_PACKING_2_BITS;
    *bytes = (size_t)ob_image_bytes(&t);
    image.p = (uint8_t *)ob_alloc(&b->env, *bytes);
    if (!image.p) exit(cli_fail("no memory for a model of %.0f MB", (double)*bytes / 1e6));
    if (!b->c->quiet)
        fprintf(stderr, "making %.0f MB of random weights ...\n", (double)*bytes / 1e6);
    if (ob_image_write(&image, &t) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    free(m.values);
    free(m.scale);
    return image.p;
}

/* ---- a trace: which op of which layer takes the time ---- */

/* One op as it ran. */
typedef struct trace_event {
    const char *name;
    int layer; /* -1 = before the first */
    double start, end, products;
} trace_event;

static struct {
    trace_event *events;
    int n, room, layer, from;
    const bench *b;
    const onebit_backend *ops; /* that are traced */
} trace = {NULL, 0, 0, -1, 0, NULL, NULL};

static void trace_add(const char *name, double start, double products) {
    trace_event *e;
    if (trace.n == trace.room) {
        trace.room = trace.room ? 2 * trace.room : 4096;
        trace.events = (trace_event *)realloc(trace.events,
                                              (size_t)trace.room * sizeof *trace.events);
        if (!trace.events) exit(cli_fail("no memory for a trace of %d ops", trace.room));
    }
    e = trace.events + trace.n++;
    e->name = name, e->layer = trace.layer, e->start = start, e->end = ob_seconds();
    e->products = products;
}

static double linear_products(const ob_weight *const *w, int count, int n) {
    double products = 0;
    int i;
    for (i = 0; i < count; i++) products += (double)w[i]->rows * w[i]->cols * n;
    return products;
}

/* Products of queries and keys, and of probabilities and values. */
static double attention_products(const ob_attention *a) {
    return 2.0 * a->B * a->H * a->d * a->T * (a->start + 0.5 * (a->T + 1));
}

/* Multiply-adds of the ops that are made of them; of the others only the time is told. -1: has no
   time; -2: is not called, because a pass that a device takes as a whole could not be traced. */
#define PRODUCTS_layer(x, number)              (trace.layer = number, -1.0)
#define PRODUCTS_embed_forward(...)            0.0
#define PRODUCTS_embed_backward(...)           0.0
#define PRODUCTS_bias_forward(...)             0.0
#define PRODUCTS_norm_forward(...)             0.0
#define PRODUCTS_norm_backward(...)            0.0
#define PRODUCTS_norm_quantize(...)            0.0
#define PRODUCTS_quantize(...)                 0.0
#define PRODUCTS_quantize_backward(...)        0.0
#define PRODUCTS_quantize_weight(...)          0.0
#define PRODUCTS_linear_forward(x, y, in, w, count, n) linear_products(w, count, n)
#define PRODUCTS_linear_stages(x, y, in, head, s)      linear_products(&(head), 1, 1)
#define PRODUCTS_linear_backward(x, dx, dw, dy, in, w, tmp, ste, n, add)                           \
    (linear_products(&(w), 1, n) * (((dx) != NULL) + ((dw) != NULL)))
#define PRODUCTS_bias_forward(...)             0.0
#define PRODUCTS_bias_backward(...)            0.0
#define PRODUCTS_rope(...)                     0.0
#define PRODUCTS_cache_store(...)              0.0
#define PRODUCTS_attention_forward(x, a)       attention_products(a)
#define PRODUCTS_attention_backward(x, a)      (2.5 * attention_products(a)) /* 5 for 2 */
#define PRODUCTS_act_forward(...)              0.0
#define PRODUCTS_act_backward(...)             0.0
#define PRODUCTS_residual(...)                 0.0
#define PRODUCTS_softcap(...)                  0.0
#define PRODUCTS_loss(...)                     0.0
#define PRODUCTS_score(...)                    0.0
#define PRODUCTS_squares(...)                  0.0
#define PRODUCTS_mask(...)                     0.0
#define PRODUCTS_adamw(...)                    0.0
#define PRODUCTS_muon(...)                     0.0
#define PRODUCTS_begin(...)                    -2.0
#define PRODUCTS_end(...)                      -2.0
#define PRODUCTS_place(...)                    0.0
#define PRODUCTS_fetch(...)                    0.0
#define PRODUCTS_copy(...)                     0.0
#define PRODUCTS_clear(...)                    0.0

/* The ops of the CPU or a device, each with a note in the trace. */
#define TRACED_OP(name, parameters, arguments)                                                     \
    static void traced_##name parameters {                                                         \
        double begun = ob_seconds(), products = PRODUCTS_##name arguments;                         \
        if (products > -2) trace.ops->name arguments;                                              \
        if (products < 0) return;                                                                  \
        wait_for(trace.b);                                                                         \
        trace_add(#name, begun, products);                                                         \
    }
ONEBIT_OPS(TRACED_OP, TRACED_OP)
#define TRACED_ROW(name, parameters, arguments) traced_##name,
static const onebit_backend traced_backend = {ONEBIT_OPS(TRACED_ROW, TRACED_ROW)};

/* From here on the ops of x are traced. */
static void trace_begin(const bench *b, ob_exec *x) {
    wait_for(b);
    trace.b = b, trace.ops = b->env.device ? b->env.device->ops : &ob_cpu_backend;
    x->ops = &traced_backend;
}

/* A name, its time, and its products. */
typedef struct trace_sum {
    char name[64];
    double seconds, products;
} trace_sum;

static void trace_count(trace_sum *sums, int *count, int room, const char *name,
                        const trace_event *e) {
    int i;
    for (i = 0; i < *count && strcmp(sums[i].name, name); i++) {}
    if (i == room) return;
    if (i == *count) snprintf(sums[(*count)++].name, sizeof sums->name, "%.60s", name);
    sums[i].seconds += e->end - e->start;
    sums[i].products += e->products;
}

static void trace_show(const bench *b, const char *what, const trace_sum *sums, int count,
                       double total) {
    int i;
    for (i = 0; i < count && b->c->json; i++) {
        cli_json_key(stdout, 1, "what");
        cli_json_string(stdout, what, strlen(what));
        cli_json_text(stdout, "name", sums[i].name);
        cli_json_real(stdout, "milliseconds", sums[i].seconds * 1e3);
        cli_json_real(stdout, "gflop", sums[i].products * 2e-9);
        puts("}");
    }
    if (b->c->json) return;
    printf("\n%-32s %10s %7s %10s %10s\n", what, "ms", "share", "GFLOP", "GFLOP/s");
    for (i = 0; i < count; i++) {
        const trace_sum *s = sums + i;
        printf("  %-30s %10.3f %6.1f%%", s->name, s->seconds * 1e3, 100 * s->seconds / total);
        if (s->products > 0)
            printf(" %10.4g %10.4g", s->products * 2e-9, s->products * 2e-9 / s->seconds);
        putchar('\n');
    }
}

/* Tables of layers and of ops for events [from, to). */
static void trace_table(const bench *b, const char *what, int from, int to) {
    enum { ROOM = ONEBIT_MAX_LAYERS + 2 };
    static trace_sum layers[ROOM], ops[64];
    int i, last = 0, layer_count = 0, op_count = 0;
    double total = 0;
    char name[64];
    memset(layers, 0, sizeof layers);
    memset(ops, 0, sizeof ops);
    for (i = from; i < to; i++)
        if (trace.events[i].layer > last) last = trace.events[i].layer;
    for (i = from; i < to; i++) {
        const trace_event *e = trace.events + i;
        if (e->layer < 0) snprintf(name, sizeof name, "outside of layers");
        else if (e->layer == last) snprintf(name, sizeof name, "head");
        else snprintf(name, sizeof name, "layer %d", e->layer);
        trace_count(layers, &layer_count, ROOM, name, e);
        trace_count(ops, &op_count, 64, e->name, e);
        total += e->end - e->start;
    }
    snprintf(name, sizeof name, "%.20s, by layer", what);
    trace_show(b, name, layers, layer_count, total);
    snprintf(name, sizeof name, "%.20s, by op", what);
    trace_show(b, name, ops, op_count, total);
}

/* The trace event format: complete events in microseconds; a layer is a bar above its ops. */
static void trace_write(const bench *b) {
    const char *path = cli_get(b->c, "trace");
    size_t room = (size_t)trace.n * 320 + 64, at = 0;
    char *text = (char *)cli_alloc(room);
    double zero = trace.n ? trace.events[0].start : 0;
    int i, j;
    at += (size_t)snprintf(text, room, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    for (i = 0; i < trace.n; i++) {
        const trace_event *e = trace.events + i;
        if (!i || e->layer != e[-1].layer) {
            for (j = i; j + 1 < trace.n && trace.events[j + 1].layer == e->layer; j++) {}
            at += (size_t)snprintf(text + at, room - at,
                                   "%s\n{\"name\":\"layer %d\",\"cat\":\"layer\",\"ph\":\"X\","
                                   "\"ts\":%.3f,\"dur\":%.3f,\"pid\":1,\"tid\":1}",
                                   i ? "," : "", e->layer, (e->start - zero) * 1e6,
                                   (trace.events[j].end - e->start) * 1e6);
        }
        at += (size_t)snprintf(text + at, room - at,
                               ",\n{\"name\":\"%s\",\"cat\":\"op\",\"ph\":\"X\",\"ts\":%.3f,"
                               "\"dur\":%.3f,\"pid\":1,\"tid\":1,\"args\":{\"flop\":%.0f}}",
                               e->name, (e->start - zero) * 1e6, (e->end - e->start) * 1e6,
                               2 * e->products);
    }
    at += (size_t)snprintf(text + at, room - at, "\n]}\n");
    if (ob_file_write(path, text, at) != ONEBIT_OK)
        exit(cli_fail("%s (see --trace)", onebit_error_text()));
    if (!b->c->json) printf("\n%d ops are in %s\n", trace.n, path);
    free(text);
    free(trace.events);
    trace.events = NULL, trace.n = trace.room = trace.from = 0;
}

/* ---- models ---- */

/* Bytes of weights that one token reads, and products that it takes. */
static void model_work(const onebit_model *model, double *bytes, double *products) {
    onebit_tensor_info info;
    const onebit_config *c = onebit_model_config(model);
    int i;
    *bytes = *products = 0;
    for (i = 0; onebit_model_tensor(model, i, &info) == ONEBIT_OK; i++) {
        if (!strcmp(info.name, "model.embed_tokens.weight") && !c->tie_word_embeddings) continue;
        *bytes += (double)info.bytes;
        if (info.rows > 1) *products += (double)info.rows * info.cols;
    }
}

static onebit_session *session_of(const bench *b, const onebit_model *model, int context,
                                  int chunk) {
    onebit_session_options o = onebit_session_options_default();
    onebit_session *s = NULL;
    o.context = context;
    if (chunk) o.chunk = chunk;
    cli_session(b->c, &o);
    if (onebit_session_create(&s, model, &o, &b->env) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    return s;
}

static void feed(onebit_session *s, int n, int seed) {
    int V = onebit_model_config(onebit_session_model(s))->vocab_size, i;
    for (i = 0; i < n; i++) {
        int32_t id = (int32_t)(((unsigned)seed * 2654435761u + (unsigned)i * 40503u) % (unsigned)V);
        if (onebit_session_feed(s, &id, 1) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    }
}

static void step(onebit_session *s) {
    if (onebit_session_step(s, 0) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
}

static void bench_decode(const bench *b, const onebit_model *model) {
    int tokens = cli_int(b->c, "tokens", 48, 1, 100000);
    int before = cli_int(b->c, "context", 16, 1, 1 << 20), i, k;
    onebit_session *s = session_of(b, model, before + tokens + 1, 0);
    const ob_weight *head = ob_head(&model->view);
    double bytes, products;
    char name[64];
    runs speed, second;
    speed.n = second.n = 0;
    model_work(model, &bytes, &products);
    if (s->options.two_stage) /* one half of the codes is read */
        bytes -= (double)ob_format_bytes(OB_H4X16, head->rows, head->cols);
    for (i = 0; i <= b->repeats; i++) {
        double start, blocks = 0;
        if (i == 0) {
            feed(s, before, 0);
            step(s);
        }
        onebit_session_rewind(s, before);
        start = ob_seconds();
        for (k = 0; k < tokens; k++) {
            feed(s, 1, k);
            step(s);
            if (s->options.two_stage) blocks += s->stages.chosen[0];
        }
        if (i) runs_add(&speed, tokens / (ob_seconds() - start));
        if (i) runs_add(&second, 100 * blocks / tokens / ob_row_blocks(head));
    }
    if (s->options.two_stage) show(b, "head's second stage", "% of rows", &second, 0, "");
    snprintf(name, sizeof name, "decode behind %d tokens", before);
    show(b, name, "tokens/s", &speed, b->bandwidth > 0 ? middle(&speed) * bytes / b->bandwidth : 0,
         "the memory");
    onebit_session_free(s);
}

/* Several conversations at once: tokens of all of them per second. */
static void bench_together(const bench *b, const onebit_model *model) {
    int count = cli_int(b->c, "sequences", 8, 1, ONEBIT_MAX_TOGETHER), i, k, j;
    int tokens = cli_int(b->c, "tokens", 48, 1, 100000) / 2 + 1;
    onebit_session *s[ONEBIT_MAX_TOGETHER];
    onebit_session_options o = onebit_session_options_default();
    char name[64];
    runs speed;
    speed.n = 0;
    o.context = 16 + tokens + 1, o.together = count;
    cli_session(b->c, &o);
    o.two_stage = 0; /* for one sequence at a time */
    for (i = 0; i < count; i++)
        if (onebit_session_create(&s[i], model, &o, &b->env) != ONEBIT_OK)
            exit(cli_fail("%s", onebit_error_text()));
    for (i = 0; i <= b->repeats; i++) {
        double start;
        for (j = 0; j < count; j++) {
            onebit_session_rewind(s[j], 0);
            feed(s[j], 16, j);
        }
        if (onebit_sessions_step(s, count) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
        start = ob_seconds();
        for (k = 0; k < tokens; k++) {
            for (j = 0; j < count; j++) feed(s[j], 1, k + j);
            if (onebit_sessions_step(s, count) != ONEBIT_OK)
                exit(cli_fail("%s", onebit_error_text()));
        }
        if (i) runs_add(&speed, (double)count * tokens / (ob_seconds() - start));
    }
    snprintf(name, sizeof name, "decode %d sequences together", count);
    show(b, name, "tokens/s", &speed, 0, "");
    for (i = 0; i < count; i++) onebit_session_free(s[i]);
}

/* Products of the head for one token. Of a prompt only the last one needs them. */
static double head_products(const onebit_model *model) {
    const ob_weight *head = ob_head(&model->view);
    return (double)head->rows * head->cols;
}

static void bench_prefill(const bench *b, const onebit_model *model) {
    int tokens = cli_int(b->c, "prompt", 128, 1, 1 << 20), i;
    onebit_session *s = session_of(b, model, tokens + 1, 0);
    double bytes, products;
    char name[64];
    runs speed;
    speed.n = 0;
    model_work(model, &bytes, &products);
    products -= head_products(model) * (1 - 1.0 / tokens);
    for (i = 0; i <= b->repeats; i++) {
        double start = ob_seconds();
        onebit_session_rewind(s, 0);
        feed(s, tokens, i);
        step(s);
        if (i) runs_add(&speed, tokens / (ob_seconds() - start));
    }
    snprintf(name, sizeof name, "prefill of %d tokens", tokens);
    show(b, name, "tokens/s", &speed,
         b->int8_peak > 0 ? middle(&speed) * products / b->int8_peak : 0, "the 8-bit peak");
    onebit_session_free(s);
}

/* A prompt and a few tokens more, in a trace. */
static void trace_model(const bench *b, const onebit_model *model) {
    int prompt = cli_int(b->c, "prompt", 128, 1, 1 << 20);
    int tokens = cli_int(b->c, "tokens", 4, 1, 100000), k;
    onebit_session *s = session_of(b, model, prompt + tokens, 0);
    feed(s, prompt, 1);
    step(s); /* once to warm up */
    onebit_session_rewind(s, 0);
    trace_begin(b, &s->exec);
    feed(s, prompt, 1);
    step(s);
    trace_table(b, "prefill", trace.from, trace.n);
    trace.from = trace.n;
    for (k = 0; k < tokens; k++) {
        feed(s, 1, k);
        step(s);
    }
    trace_table(b, "decoding", trace.from, trace.n);
    onebit_session_free(s);
    trace_write(b);
}

/* What the shares of a model are counted from. */
static void tell_work(const bench *b, const onebit_model *model, double weights, double products) {
    tell(b, "weights that a token reads", "MB", weights / 1e6);
    tell(b, "products of a prompt's token", "M", (products - head_products(model)) / 1e6);
}

static void bench_model(bench *b) {
    const char *file = cli_get(b->c, "model"), *shape = cli_get(b->c, "shape");
    onebit_model *model = NULL;
    uint8_t *image = NULL;
    size_t bytes = 0;
    double start, weights, products;
    if (shape) {
        image = random_image(b, shape, &bytes);
        if (cli_has(b->c, "write")) {
            if (ob_file_write(cli_get(b->c, "write"), image, bytes) != ONEBIT_OK)
                exit(cli_fail("%s (see --write)", onebit_error_text()));
            ob_release(&b->env, image);
            return;
        }
    }
    start = ob_seconds();
    if (file) model = cli_open_model(b->c, &b->env);
    else if (onebit_model_open_memory(&model, image, bytes, &b->env) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    start = ob_seconds() - start;
    model_work(model, &weights, &products);
    heading(b, shape ? shape : file);
    if (!b->c->json)
        printf("opened in %.2f s; a token reads %.1f MB of weights for %.1f M products\n", start,
               weights / 1e6, products / 1e6);
    else tell_work(b, model, weights, products);
    if (cli_has(b->c, "trace")) {
        trace_model(b, model);
    } else {
        bench_decode(b, model);
        bench_prefill(b, model);
        bench_together(b, model);
    }
    onebit_model_free(model);
    ob_release(&b->env, image);
}

/* ---- training ---- */

static const char *const train_shapes[][2] = {
    {"S1", "vocab_size=65 hidden_size=128 num_layers=4 num_heads=4 intermediate_size=352 "
           "max_seq_len=64 tie_word_embeddings=false batch_size=12"},
    {"S2", "vocab_size=65 hidden_size=384 num_layers=6 num_heads=6 intermediate_size=1024 "
           "max_seq_len=256 tie_word_embeddings=false batch_size=16"},
    {"S3", "vocab_size=50257 hidden_size=512 num_layers=8 num_heads=8 intermediate_size=1536 "
           "max_seq_len=256 tie_word_embeddings=true batch_size=8"},
    {"S4", "vocab_size=50257 hidden_size=768 num_layers=12 num_heads=12 intermediate_size=3072 "
           "max_seq_len=64 tie_word_embeddings=true batch_size=4 use_swiglu=false "
           "activation=relu2"},
    {"17m", "vocab_size=8192 hidden_size=384 num_layers=8 num_heads=6 intermediate_size=1024 "
            "max_seq_len=512 tie_word_embeddings=true batch_size=64"},
    {"gpt2", "vocab_size=50257 hidden_size=768 num_layers=12 num_heads=12 intermediate_size=3072 "
             "max_seq_len=1024 tie_word_embeddings=true batch_size=32 use_swiglu=false "
             "activation=relu2"}};

/* Products of one token, forth and back, by which the use of a machine is commonly told: three
   times those of every matrix, and of attention to half of the context. */
static double train_products(const onebit_config *c) {
    ob_tensor info;
    double n = 1.0 * c->num_layers * c->max_seq_len * c->num_heads * c->head_dim;
    int i;
    for (i = 0; ob_tensor_at(c, i, &info); i++)
        if (info.rows > 1 && (info.kind != OB_ROLE_EMBEDDING || c->tie_word_embeddings))
            n += 1.0 * info.rows * info.cols;
    return 3 * n;
}

/* One micro-batch and its update. */
static void train_step(const bench *b, onebit_trainer *t, const int32_t *ids) {
    if (onebit_trainer_accumulate(t, ids, ids + 1, NULL) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    trace.layer = -1; /* the update belongs to none */
    if (onebit_trainer_update(t, NULL) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    wait_for(b);
}

static void bench_train(const bench *b, const char *name) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = cli_train_options(&b->env);
    onebit_trainer *t = NULL;
    const char *settings = NULL;
    int32_t *ids, N;
    char text[96];
    double spent, rounds;
    runs speed;
    size_t i;
    int k;
    for (i = 0; i < sizeof train_shapes / sizeof *train_shapes; i++)
        if (!strcmp(train_shapes[i][0], name)) settings = train_shapes[i][1];
    if (!settings) cli_usage("--train: '%s' is none of S1, S2, S3, S4, 17m, gpt2", name);
    set_all(&c, &o, settings);
    o.batch_size = cli_int(b->c, "batch-size", o.batch_size, 1, 1 << 20);
    if (onebit_config_check(&c) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    if (cli_has(b->c, "float32"))
        for (k = 0; k < ONEBIT_MAX_LAYERS; k++) c.layer_modes[k] = ONEBIT_F32;
    o.optimizer = 0, o.max_steps = 1000, o.fast = cli_has(b->c, "fast");
    o.backward_bits = cli_int(b->c, "backward-bits", o.backward_bits, 16, 32);
    if (onebit_trainer_create(&t, &c, &o, &b->env) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    N = o.batch_size * c.max_seq_len;
    ids = (int32_t *)cli_alloc((size_t)(N + 1) * sizeof *ids);
    for (k = 0; k <= N; k++) ids[k] = (int32_t)((unsigned)k * 40503u % (unsigned)c.vocab_size);
    speed.n = 0;
    for (k = 0; k <= (cli_has(b->c, "trace") ? 0 : b->repeats); k++) {
        rounds = spent = 0;
        do {
            double start = ob_seconds();
            train_step(b, t, ids);
            spent += ob_seconds() - start, rounds++;
        } while (spent < 0.5);
        if (k) runs_add(&speed, rounds * N / spent);
    }
    if (cli_has(b->c, "trace")) {
        trace_begin(b, &t->exec);
        train_step(b, t, ids);
        trace_table(b, name, 0, trace.n);
        trace_write(b);
        onebit_trainer_free(t);
        free(ids);
        return;
    }
    snprintf(text, sizeof text, "train %s, %s", name,
             cli_has(b->c, "float32") ? "float32" : "ternary");
    show(b, text, "tokens/s", &speed, 0, "");
    tell(b, "memory of the trainer", "MB", (double)onebit_trainer_bytes(&c, &o, &b->env) / 1e6);
    tell(b, "products of a trained token", "M", train_products(&c) / 1e6);
    onebit_trainer_free(t);
    free(ids);
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    bench b;
    int i, some = cli_has(&c, "model") || cli_has(&c, "shape") || cli_has(&c, "train") ||
                  cli_has(&c, "kernels") || cli_has(&c, "machine");
    int models = cli_has(&c, "model") || cli_has(&c, "shape");
    char text[256];
    memset(&b, 0, sizeof b);
    b.c = &c, b.env = cli_env(&c), b.repeats = cli_int(&c, "repeats", 5, 1, MOST_REPEATS - 1);
    if (cli_has(&c, "model") && cli_has(&c, "shape"))
        cli_usage("give --model or --shape, not both");
    if (cli_has(&c, "write") && !cli_has(&c, "shape")) cli_usage("--write needs --shape");
    if (cli_has(&c, "trace") && models + cli_has(&c, "train") != 1)
        cli_usage("--trace needs one of --model, --shape and --train");
    onebit_version_text(text, sizeof text);
    if (!c.json)
        printf("%s\n%d thread%s here\n", text, b.env.threads, b.env.threads == 1 ? "" : "s");
    if (!c.json && b.env.device) printf("%s\n", cli_device_name(&b.env));
    if (!cli_has(&c, "write") && (!some || cli_has(&c, "machine") || cli_has(&c, "kernels") ||
                                  (models && !b.env.device)))
        measure_machine(&b, !some || cli_has(&c, "machine"));
    if (!some || cli_has(&c, "kernels")) bench_kernels(&b);
    if (!cli_has(&c, "write") && b.env.device && (!some || cli_has(&c, "machine") || models))
        measure_device(&b, !some || cli_has(&c, "machine"));
    if (models) bench_model(&b);
    if (cli_has(&c, "train")) heading(&b, "training");
    for (i = 0; i < c.count; i++)
        if (c.given[i].table < 0 && !strcmp(c.given[i].name, "train"))
            bench_train(&b, c.given[i].value);
    free(c.given);
    return cli_finish(0);
}
