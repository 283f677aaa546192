/* test_types.c - element types of other files, packing of whole rows, fitting of codes to weights.

   Quantised types are held against floats that the Python package gguf gave (golden_types.h), the
   ternary and binary ones against their definitions, one weight at a time. */
#include "golden_types.h"

#define TYPES_COLS 6912

/* Random bytes; with sane = 1 no two-bit code is 3 in any order of the bits. */
static void types_fill(uint8_t *bytes, size_t n, int sane, uint64_t seed) {
    onebit_rng rng;
    size_t i;
    int p;
    onebit_rng_seed(&rng, seed);
    for (i = 0; i < n; i++) {
        bytes[i] = (uint8_t)ob_rng_next(&rng);
        for (p = 0; p < 8 && sane; p += 2)
            if ((bytes[i] >> p & 3) == 3) bytes[i] = (uint8_t)(bytes[i] ^ (1 << p));
    }
}

/* Random codes of a format: binary -1 or 1, 8bit any byte, else -1, 0, 1. */
static void types_codes(int8_t *codes, int n, ob_format format, uint64_t seed) {
    onebit_rng rng;
    int i;
    onebit_rng_seed(&rng, seed);
    for (i = 0; i < n; i++) {
        if (format == OB_B1X16) codes[i] = (int8_t)(2 * (int)test_below(&rng, 2) - 1);
        else if (format == OB_Q8X16) codes[i] = (int8_t)((int)test_below(&rng, 255) - 127);
        else codes[i] = (int8_t)((int)test_below(&rng, 3) - 1);
    }
}

/* The definition of our layouts, code by code. */

/* What one trit counts in a byte of t5x16. */
static const int types_powers_of_3[5] = {1, 3, 9, 27, 81};

/* code is the float value of the code: any number in f32 and f16, else an integer within +-127,
   +-1 or one of -1, 1. Bits of b1 are only ever set and trits only ever moved from 0, which is why
   the block must start cleared. */
static void types_pack_code(uint8_t *block, ob_format format, int row, int col, float code) {
    size_t at = (size_t)col * 16 + (size_t)row;
    int shift = 0;
    if (format == OB_F32X16) {
        ob_putf32(block + 4 * at, code);
    } else if (format == OB_F16X16) {
        ob_put16(block + 2 * at, ob_f32_to_f16(code));
    } else {
        ob_code_place(format, row, col, &at, &shift);
        if (format == OB_Q8X16) block[at] = (uint8_t)(int)code;
        else if (format == OB_T2X16)
            block[at] = (uint8_t)((block[at] & ~(3 << shift)) | (((int)code + 1) << shift));
        else if (format == OB_T5X16)
            block[at] = (uint8_t)(block[at] + (int)code * types_powers_of_3[shift]);
        else if (code > 0) block[at] = (uint8_t)(block[at] | (1 << shift));
    }
}

/* Scales of one row of a ternary or binary type, as ob_type_codes gives them. */
static int types_scales(ob_type t, int cols) {
    return ob_types[t].group ? cols / ob_types[t].group : 1;
}

/* Where an f16 scale lies in a block of a type; -1: none. */
static int types_scale_at(ob_type t) {
    if (t == OB_TYPE_TQ1_0) return 52;
    if (t == OB_TYPE_TQ2_0) return 64;
    return ob_types[t].group ? 0 : -1;
}

/* The definition of each ternary and binary type: the code of one weight. */
static int types_code(ob_type t, const uint8_t *tensor, int rows, int cols, int row, int col) {
    static const int powers[5] = {1, 3, 9, 27, 81};
    size_t bytes = (size_t)ob_type_row_bytes(t, cols), weights = (size_t)ob_types[t].weights;
    size_t block = (size_t)col / weights * (size_t)ob_types[t].bytes;
    const uint8_t *b = tensor + (size_t)row * bytes + block;
    int i = col % (int)weights, q;
    switch (t) {
    case OB_TYPE_TQ2_0: return (b[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - 1;
    case OB_TYPE_I2_S: return (b[i % 32] >> (6 - i / 32 * 2) & 3) - 1;
    case OB_TYPE_I2_S_ARM: return (b[i % 16] >> (6 - i / 16 * 2) & 3) - 1;
    case OB_TYPE_I2_S_ROWS:
        q = tensor[(size_t)(row / 4) * (size_t)cols + (size_t)col];
        return (q >> (6 - row % 4 * 2) & 3) - 1;
    case OB_TYPE_HF_PACKED:
        q = rows / 4;
        return (tensor[(size_t)(row % q) * (size_t)cols + (size_t)col] >> (row / q * 2) & 3) - 1;
    case OB_TYPE_Q1_0: return (b[2 + i / 8] >> (i % 8) & 1) ? 1 : -1;
    case OB_TYPE_BIT_LLAMA: q = b[0] >> (6 - i * 2) & 3; return q == 3 ? -1 : q;
    case OB_TYPE_TQ1_0:
        if (i < 160) q = (uint8_t)(b[i % 32] * powers[i / 32]);
        else if (i < 240) q = (uint8_t)(b[32 + (i - 160) % 16] * powers[(i - 160) / 16]);
        else q = (uint8_t)(b[48 + (i - 240) % 4] * powers[(i - 240) / 4]);
        return q * 3 / 256 - 1;
    default: return (b[2 + i / 4] >> (i % 4 * 2) & 3) - 1;
    }
}

/* A tensor of a type: random codes, finite scales. */
static uint8_t *types_tensor(ob_type t, int rows, int cols, uint64_t seed) {
    size_t n = (size_t)ob_type_tensor_bytes(t, rows, cols), i, size = (size_t)ob_types[t].bytes;
    uint8_t *tensor = (uint8_t *)malloc(n);
    int at = types_scale_at(t);
    types_fill(tensor, n, ob_types[t].holds == OB_HOLDS_TRITS && t != OB_TYPE_TQ1_0, seed);
    for (i = 0; t == OB_TYPE_BIT_LLAMA && i < n; i++) /* its codes are 0, 1 and 3 */
        tensor[i] = (uint8_t)(tensor[i] | (tensor[i] & 0xAA) >> 1);
    for (i = 0; at >= 0 && i + size <= n; i += size)
        ob_put16(tensor + i + at, ob_f32_to_f16(0.25f + 0.125f * (float)(i / size % 7)));
    if (ob_type_has_tail(t)) ob_putf32(tensor + n - 32, 0.75f);
    return tensor;
}

/* Codes, scales and floats of every row against the definition. */
static void types_check_codes(ob_type t, int rows, int cols) {
    uint8_t *tensor = types_tensor(t, rows, cols, 7 + (uint64_t)t);
    int8_t *codes = (int8_t *)malloc((size_t)cols);
    float *scales = (float *)malloc((size_t)cols * 4), *floats = (float *)malloc((size_t)cols * 4);
    int row, i, group = ob_types[t].group ? ob_types[t].group : cols, same = 1;
    for (row = 0; row < rows; row++) {
        CHECK(ob_type_codes(t, tensor, rows, cols, row, codes, scales));
        ob_type_floats(t, tensor, rows, cols, row, floats);
        for (i = 0; i < cols; i++) {
            float scale = t == OB_TYPE_HF_PACKED || t == OB_TYPE_BIT_LLAMA ? 1.0f : 0.75f;
            if (ob_types[t].group)
                scale = 0.25f + 0.125f * (float)((row * (cols / group) + i / group) % 7);
            same &= scales[i / group] == scale;
            same &= codes[i] == types_code(t, tensor, rows, cols, row, i);
            same &= floats[i] == scale * (float)codes[i];
        }
        CHECK(same);
    }
    free(tensor), free(codes), free(scales), free(floats);
}

/* One bad thing in a row: the row is refused, and its neighbours are not. */
static void types_check_refusal(ob_type t, int rows, int cols) {
    uint8_t *tensor = types_tensor(t, rows, cols, 99);
    size_t n = (size_t)ob_type_tensor_bytes(t, rows, cols), i;
    size_t size = (size_t)ob_types[t].bytes, codes_end = ob_type_has_tail(t) ? n - 32 : n;
    int8_t *codes = (int8_t *)malloc((size_t)cols);
    float *scales = (float *)malloc((size_t)cols * 4);
    int row, refused, p, at = types_scale_at(t);
    for (i = 0; i < codes_end; i++) {
        uint8_t before = tensor[i];
        int scale = at >= 0 && (int)(i % size) - at >= 0 && (int)(i % size) - at < 2;
        if (ob_types[t].holds != OB_HOLDS_TRITS || t == OB_TYPE_TQ1_0 || scale) continue;
        for (p = 0; p < 8; p += 2) {
            tensor[i] = (uint8_t)(before | 3 << p);
            if (t == OB_TYPE_BIT_LLAMA) tensor[i] ^= (uint8_t)(1 << p); /* the code 2 */
            for (row = refused = 0; row < rows; row++)
                refused += !ob_type_codes(t, tensor, rows, cols, row, codes, scales);
            CHECK(refused == 1);
        }
        tensor[i] = before;
    }
    for (row = refused = 0; row < rows; row++) { /* a scale that is infinite, or no number */
        if (at >= 0) ob_put16(tensor + at + (size_t)ob_type_row_bytes(t, cols) - size, 0xFC00);
        if (ob_type_has_tail(t)) ob_put32(tensor + codes_end, 0x7FC00000u);
        refused += !ob_type_codes(t, tensor, rows, cols, row, codes, scales);
    }
    CHECK(refused == (at >= 0 ? 1 : ob_type_has_tail(t) ? rows : 0));
    free(tensor), free(codes), free(scales);
}

/* One number of a hex text. */
static uint8_t types_hex(const char *p) {
    static const char digits[] = "0123456789abcdef";
    return (uint8_t)((strchr(digits, p[0]) - digits) * 16 + (strchr(digits, p[1]) - digits));
}

/* One type against the package gguf: every float by a hash, some as numbers. */
static void types_check_golden(const golden_type *g) {
    ob_type t = ob_type_of_gguf((uint32_t)g->gguf);
    size_t n = strlen(g->hex) / 2, i;
    int count = GOLDEN_TYPE_ROWS * g->cols, k, at;
    uint8_t *tensor = (uint8_t *)malloc(n), b[4];
    float *floats = (float *)malloc((size_t)count * 4);
    uint64_t hash = 0xCBF29CE484222325u;
    for (i = 0; i < n; i++) tensor[i] = types_hex(g->hex + 2 * i);
    CHECK(t != OB_TYPE_COUNT && strcmp(ob_types[t].name, g->name) == 0);
    if (CHECK(ob_type_tensor_bytes(t, GOLDEN_TYPE_ROWS, g->cols) == n))
        for (k = 0; k < GOLDEN_TYPE_ROWS; k++)
            ob_type_floats(t, tensor, GOLDEN_TYPE_ROWS, g->cols, k, floats + k * g->cols);
    for (k = 0; k < GOLDEN_TYPE_SAMPLES; k++) {
        at = k * count / GOLDEN_TYPE_SAMPLES + k;
        CHECK(floats[at < count ? at : count - 1] == g->samples[k]);
    }
    for (k = 0; k < count; k++) {
        ob_putf32(b, floats[k]);
        for (i = 0; i < 4; i++) hash = (hash ^ b[i]) * 0x100000001B3u;
    }
    if (!CHECK(hash == g->hash)) printf("   in type %s\n", g->name);
    free(tensor), free(floats);
}

/* Sizes at the bounds of shapes. */
static void types_check_sizes(void) {
    int t;
    for (t = 0; t < OB_TYPE_COUNT; t++) {
        int w = ob_types[t].weights;
        CHECK(ob_type_row_bytes((ob_type)t, w) == (uint64_t)ob_types[t].bytes);
        CHECK(ob_type_row_bytes((ob_type)t, 0) == 0 && ob_type_row_bytes((ob_type)t, -w) == 0);
        CHECK(w == 1 || ob_type_row_bytes((ob_type)t, 3 * w + 1) == 0);
        CHECK(w == 1 || ob_type_tensor_bytes((ob_type)t, 8, w - 1) == 0);
        CHECK(ob_type_tensor_bytes((ob_type)t, 0, w) == 0);
        CHECK(ob_type_tensor_bytes((ob_type)t, -4, w) == 0);
        CHECK(ob_type_tensor_bytes((ob_type)t, 6, w) == 0 || !ob_type_mixes_rows((ob_type)t));
    }
    CHECK(ob_type_tensor_bytes(OB_TYPE_I2_S, 2560, 6912) == 2560u * 6912u / 4 + 32);
    CHECK(ob_type_tensor_bytes(OB_TYPE_HF_PACKED, 640, 2560) == 640u * 2560u / 4);
    CHECK(ob_type_tensor_bytes(OB_TYPE_F32, INT_MAX, INT_MAX) ==
          (uint64_t)INT_MAX * (uint64_t)INT_MAX * 4);
    CHECK(ob_type_of_gguf(36) == OB_TYPE_I2_S && ob_type_of_gguf(42) == OB_TYPE_Q2_0);
    CHECK(ob_type_of_gguf(37) == OB_TYPE_COUNT && ob_type_of_gguf(0xFFFFFFFFu) == OB_TYPE_COUNT);
}

/* All rows of a block, packed at once and one code at a time; then back. */
static void types_check_pack(ob_format format, int cols, int8_t *codes, int8_t *back) {
    size_t n = (size_t)ob_block_bytes(format, cols);
    uint8_t *fast = (uint8_t *)malloc(n), *slow = (uint8_t *)malloc(n);
    int row, i;
    ob_pack_clear(fast, format, 16, cols), ob_pack_clear(slow, format, 16, cols);
    for (row = 0; row < 16; row++) {
        if (row == 13) continue; /* a row that stays as it was cleared */
        types_codes(codes, cols, format, (uint64_t)(cols * 16 + row));
        for (i = 0; i < cols; i++) types_pack_code(slow, format, row, i, (float)codes[i]);
        ob_pack_codes(fast, format, row, codes, cols);
        memset(back, 99, (size_t)cols + 1);
        ob_unpack_codes(back, fast, format, row, cols);
        CHECK(memcmp(back, codes, (size_t)cols) == 0 && back[cols] == 99);
    }
    CHECK(memcmp(fast, slow, n) == 0);
    free(fast), free(slow);
}

/* The same for floats: any bits, NaN and infinities among them. */
static void types_check_pack_floats(ob_format format, int cols) {
    size_t n = (size_t)ob_block_bytes(format, cols);
    uint8_t *fast = (uint8_t *)malloc(n), *slow = (uint8_t *)malloc(n);
    float *values = (float *)malloc((size_t)cols * 4);
    onebit_rng rng;
    int row, i;
    onebit_rng_seed(&rng, (uint64_t)cols);
    ob_pack_clear(fast, format, 16, cols), ob_pack_clear(slow, format, 16, cols);
    for (row = 0; row < 16; row++) {
        for (i = 0; i < cols; i++) values[i] = ob_bits_float((uint32_t)ob_rng_next(&rng));
        for (i = 0; i < cols; i++) types_pack_code(slow, format, row, i, values[i]);
        ob_pack_floats(fast, format, row, values, cols);
    }
    CHECK(memcmp(fast, slow, n) == 0);
    free(fast), free(slow), free(values);
}

/* Every width to 200 and the widths of BitNet's 2B model. */
static void types_check_packing(void) {
    int8_t *codes = (int8_t *)malloc(TYPES_COLS), *back = (int8_t *)malloc(TYPES_COLS + 1);
    int cols, format;
    for (format = OB_F32X16; format <= OB_T5X16; format++)
        for (cols = 1; cols <= 202; cols++) {
            int n = cols == 201 ? 2560 : cols == 202 ? TYPES_COLS : cols;
            if (format <= OB_F16X16) types_check_pack_floats((ob_format)format, n);
            else types_check_pack((ob_format)format, n, codes, back);
        }
    free(codes), free(back);
}

/* Written rows read back; scales as an f16 keeps them; the bytes are those that were read. */
static void types_check_put(ob_type t, int rows, int cols) {
    size_t n = (size_t)ob_type_tensor_bytes(t, rows, cols);
    uint8_t *tensor = (uint8_t *)calloc(n, 1);
    int8_t *codes = (int8_t *)malloc((size_t)cols), *back = (int8_t *)malloc((size_t)cols);
    float *scales = (float *)malloc((size_t)cols * 4), *read = (float *)malloc((size_t)cols * 4);
    ob_format like = ob_types[t].holds == OB_HOLDS_BITS ? OB_B1X16 : OB_T2X16;
    int row, i, groups = types_scales(t, cols);
    for (row = rows - 1; row >= 0; row--) {
        types_codes(codes, cols, like, (uint64_t)row);
        for (i = 0; i < groups; i++) scales[i] = 0.1f + 0.37f * (float)(row + i);
        ob_type_put(t, tensor, rows, cols, row, codes, scales);
    }
    for (row = 0; row < rows; row++) {
        types_codes(codes, cols, like, (uint64_t)row);
        CHECK(ob_type_codes(t, tensor, rows, cols, row, back, read));
        CHECK(memcmp(codes, back, (size_t)cols) == 0);
        for (i = 0; i < groups; i++) {
            float wanted = ob_f16_to_f32(ob_f32_to_f16(0.1f + 0.37f * (float)(row + i)));
            if (ob_type_has_tail(t)) wanted = 0.1f;
            if (t == OB_TYPE_HF_PACKED || t == OB_TYPE_BIT_LLAMA) wanted = 1.0f;
            CHECK(read[i] == wanted);
        }
    }
    free(tensor), free(codes), free(back), free(scales), free(read);
}

/* What gguf's quantizers make of the numbers of a generator that the tool shares. */
static void types_check_golden_put(const golden_put *g) {
    ob_type t = ob_type_of_gguf((uint32_t)g->gguf);
    int cols = 2 * (ob_types[t].weights > 16 ? ob_types[t].weights : 16), i;
    size_t n = (size_t)ob_type_tensor_bytes(t, 1, cols), k;
    uint8_t *tensor = (uint8_t *)calloc(n, 1);
    uint32_t x = 158;
    float values[512], scales[2] = {0.5f, 0.5f};
    int8_t codes[512];
    int same = strlen(g->hex) == 2 * n;
    for (i = 0; i < cols; i++) {
        x = x * 1664525u + 1013904223u;
        values[i] = (float)(x >> 16) / 32768.0f - 1.0f;
        codes[i] = (int8_t)((int)((x >> 16) % 3) - 1);
    }
    if (ob_types[t].holds == OB_HOLDS_TRITS) ob_type_put(t, tensor, 1, cols, 0, codes, scales);
    else ob_type_put_floats(t, tensor, 1, cols, 0, values);
    for (k = 0; k < n && same; k++) same = tensor[k] == types_hex(g->hex + 2 * k);
    if (!CHECK(same)) printf("   in type %s\n", g->name);
    free(tensor);
}

/* The bounds of the float types: ties, what is not finite, values beyond the range, zeros. */
static void types_check_put_floats(void) {
    static const uint32_t bits[8][2] = {/* float32, bfloat16 */
        {0x3F808000u, 0x3F80u}, {0x3F818000u, 0x3F82u}, {0x3F808001u, 0x3F81u},
        {0x7F800000u, 0x7F80u}, {0xFF800001u, 0xFFC0u}, {0x7F7FFFFFu, 0x7F80u},
        {0x80000000u, 0x8000u}, {0x00008000u, 0x0000u}};
    float values[32];
    uint8_t out[34];
    int i;
    for (i = 0; i < 32; i++) values[i] = ob_bits_float(bits[i % 8][0]);
    ob_type_put_floats(OB_TYPE_BF16, out, 1, 8, 0, values);
    for (i = 0; i < 8; i++) CHECK(ob_get16(out + 2 * i) == bits[i][1]);
    ob_type_put_floats(OB_TYPE_F32, out, 1, 8, 0, values);
    for (i = 0; i < 8; i++) CHECK(ob_get32(out + 4 * i) == bits[i][0]);
    ob_type_put_floats(OB_TYPE_Q8_0, out, 1, 32, 0, values); /* infinite: f16 infinite, codes 0 */
    CHECK(ob_get16(out) == 0x7C00 && out[2] == 0 && out[5] == 0);
    for (i = 0; i < 32; i++) values[i] = i == 7 ? -127.0f : (float)i - 15.5f;
    ob_type_put_floats(OB_TYPE_Q8_0, out, 1, 32, 0, values); /* halves go away from zero */
    for (i = 0; i < 32; i++)
        CHECK((int8_t)out[2 + i] == (i == 7 ? -127 : i < 16 ? i - 16 : i - 15));
    memset(values, 0, sizeof values);
    ob_type_put_floats(OB_TYPE_Q8_0, out, 1, 32, 0, values);
    for (i = 0; i < 34; i++) CHECK(out[i] == 0);
}

/* Squared distance of codes times a scale; the square of weight i counts h[i] times. */
static double types_distance(const float *w, const float *h, int n, const int8_t *codes,
                             double scale) {
    double sum = 0;
    int i;
    for (i = 0; i < n; i++) {
        double off = (double)w[i] - scale * codes[i];
        sum += (h ? (double)h[i] : 1.0) * off * off;
    }
    return sum;
}

/* The least distance over all choices of coded weights, each with its own best scale. */
static double types_least(const float *w, const float *h, int n) {
    double least = HUGE_VAL;
    int chosen, i;
    for (chosen = 0; chosen < 1 << n; chosen++) {
        double all = 0, sum = 0, count = 0;
        for (i = 0; i < n; i++) {
            double each = h ? (double)h[i] : 1.0;
            all += each * w[i] * w[i];
            if (chosen >> i & 1) sum += each * fabs((double)w[i]), count += each;
        }
        if (count > 0) all -= sum * sum / count;
        if (all < least) least = all;
    }
    return least;
}

/* Fits of short rows, many of them with ties and zeros, against all choices; with counts some of
   which are 0, or apart by powers of ten. */
static void types_check_fit(int counted) {
    onebit_rng rng;
    float w[12], counts[12], scale, *h = counted ? counts : NULL;
    uint64_t scratch[24];
    int8_t codes[12];
    double least;
    int i, round, n;
    onebit_rng_seed(&rng, 3);
    for (round = 0; round < 400; round++) {
        n = 1 + round % 12;
        for (i = 0; i < n; i++) {
            w[i] = (float)test_below(&rng, 1u << 20) / 524288.0f - 1.0f;
            if (round & 1) w[i] = (float)((int)test_below(&rng, 9) - 4) * 0.25f;
            if (test_below(&rng, 6) == 0) w[i] = -0.0f;
            counts[i] = (float)test_below(&rng, 1000) * (round & 4 ? powf(10, -(float)i) : 1e-3f);
            if (i > 0 && test_below(&rng, 6) == 0) counts[i] = 0.0f;
        }
        counts[0] += 0.01f;
        scale = ob_ternary_fit(w, h, n, codes, scratch);
        least = types_least(w, h, n);
        CHECK(scale >= 0 && types_distance(w, h, n, codes, scale) <= least * 1.000001 + 1e-6);
        for (i = 0; i < n; i++) CHECK(codes[i] == 0 || (codes[i] > 0) == (w[i] > 0));
        for (i = 0; h && i < n; i++)
            CHECK(h[i] > 0 || w[i] == 0 || (codes[i] != 0) == (fabsf(w[i]) >= 0.5f * scale));
        scale = ob_binary_fit(w, h, n, codes);
        for (i = 0; i < n; i++) CHECK(codes[i] == (w[i] < 0 ? -1 : 1));
        least = types_distance(w, h, n, codes, scale) - 1e-6;
        CHECK(least <= types_distance(w, h, n, codes, scale * 1.01));
        CHECK(least <= types_distance(w, h, n, codes, scale * 0.99));
    }
}

/* A large count far below makes the code of a small weight worth more than that of a large one:
   worked out by hand. */
static void types_check_counts(void) {
    static const float w[3] = {1.0f, -0.375f, 0.125f}, h[3] = {1.0f, 8.0f, 0.0f};
    uint64_t scratch[6];
    int8_t codes[3];
    CHECK(ob_ternary_fit(w, NULL, 3, codes, scratch) == 1.0f && codes[0] == 1 && codes[1] == 0);
    /* (1 + 3)^2 / 9 > 1: both are coded, by (1 + 3) / 9; the last is less than half of that */
    CHECK(ob_ternary_fit(w, h, 3, codes, scratch) == (float)(4.0 / 9.0));
    CHECK(codes[0] == 1 && codes[1] == -1 && codes[2] == 0);
    CHECK(ob_binary_fit(w, h, 3, codes) == (float)(4.0 / 9.0));
}

/* Two planes: never further away than the second plane fitted to the rest of the first, nearer for
   most; sums of two planes are found; no code alone can be changed for the better. */
static void types_check_planes(int counted) {
    onebit_rng rng;
    float w[64], counts[64], rest[64], scale[2], first, *h = counted ? counts : NULL;
    uint64_t scratch[128];
    int8_t one[64], two[64], plain[2][64];
    int i, k, round, n, nearer = 0;
    onebit_rng_seed(&rng, 11);
    for (round = 0; round < 300; round++) {
        double greedy = 0, found = 0, exact = 0;
        n = 1 + (int)test_below(&rng, 64);
        for (i = 0; i < n; i++) {
            w[i] = (float)test_below(&rng, 1u << 20) / 524288.0f - 1.0f;
            if (round % 3 == 0) w[i] *= w[i] * w[i];
            if (test_below(&rng, 9) == 0) w[i] = 0.0f;
            counts[i] = (float)test_below(&rng, 100) + 0.25f;
        }
        first = ob_ternary_fit(w, h, n, plain[0], scratch);
        for (i = 0; i < n; i++) rest[i] = w[i] - first * plain[0][i];
        scale[0] = ob_ternary_fit(rest, h, n, plain[1], scratch);
        greedy = types_distance(rest, h, n, plain[1], scale[0]);
        ob_planes_fit(w, h, n, one, two, scale, rest, scratch);
        CHECK(scale[0] >= 0 && scale[1] >= 0);
        for (i = 0; i < n; i++) {
            double off = fabs((double)w[i] - scale[0] * one[i] - scale[1] * two[i]);
            found += (h ? (double)h[i] : 1.0) * off * off;
            for (k = 0; k < 9; k++)
                exact = fmax(exact, off - fabs((double)w[i] - scale[0] * (k % 3 - 1) -
                                               scale[1] * (k / 3 - 1)));
        }
        CHECK(found <= greedy * 1.00001 + 1e-7);
        nearer += found < 0.99 * greedy;
        /* the last turn moved scales by so little that hardly a code would change */
        CHECK(exact < 0.02);
        for (i = 0; i < n; i++) w[i] = 0.75f * one[i] + 0.25f * two[i];
        ob_planes_fit(w, h, n, one, two, scale, rest, scratch);
        for (i = 0; n > 40 && i < n; i++)
            CHECK(fabs((double)w[i] - scale[0] * one[i] - scale[1] * two[i]) < 1e-5);
    }
    if (!CHECK(nearer > 150)) printf("  %d of 300\n", nearer);
    memset(w, 0, sizeof w);
    ob_planes_fit(w, h, 3, one, two, scale, rest, scratch);
    CHECK(scale[0] == 0 && scale[1] == 0 && !one[0] && !two[2]);
    w[1] = HUGE_VALF;
    ob_planes_fit(w, h, 3, one, two, scale, rest, scratch);
    CHECK(!ob_is_finite(scale[0]) && !one[0] && !two[0]);
}

static int types_compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* A long row of many magnitudes: the sum over the k largest, sorted by qsort. */
static void types_check_long_fit(int n) {
    float *w = (float *)calloc((size_t)n, 4), *sorted = (float *)malloc((size_t)n * 4), scale;
    uint64_t *scratch = (uint64_t *)malloc((size_t)n * 16);
    int8_t *codes = (int8_t *)malloc((size_t)n);
    double sum = 0, most = 0, squares = 0;
    onebit_rng rng;
    int i;
    onebit_rng_seed(&rng, (uint64_t)n);
    for (i = 0; i < n; i++)
        w[i] = (float)ldexp((double)test_below(&rng, 2001) - 1000, -(int)test_below(&rng, 40));
    scale = ob_ternary_fit(w, NULL, n, codes, scratch);
    for (i = 0; i < n; i++) sorted[i] = fabsf(w[i]), squares += (double)w[i] * w[i];
    qsort(sorted, (size_t)n, 4, types_compare);
    for (i = 0; i < n; i++) {
        sum += sorted[i];
        if (sum * sum / (i + 1) > most) most = sum * sum / (i + 1);
    }
    CHECK(types_distance(w, NULL, n, codes, scale) <= (squares - most) * (1 + 1e-6));
    free(w), free(sorted), free(scratch), free(codes);
}

/* Rows without an answer: zeros, and weights that are no finite numbers. */
static void types_check_fit_bounds(void) {
    float w[3] = {0.0f, -0.0f, 0.0f};
    uint64_t scratch[6];
    int8_t codes[3] = {5, 5, 5};
    CHECK(ob_ternary_fit(w, NULL, 3, codes, scratch) == 0 && !codes[0] && !codes[1] && !codes[2]);
    CHECK(ob_binary_fit(w, NULL, 3, codes) == 0 && codes[0] == 1 && codes[1] == 1 && codes[2] == 1);
    w[1] = -HUGE_VALF;
    CHECK(!ob_is_finite(ob_ternary_fit(w, NULL, 3, codes, scratch)) && !codes[0] && !codes[1]);
    CHECK(!ob_is_finite(ob_binary_fit(w, NULL, 3, codes)));
    w[1] = ob_bits_float(0xFFC00000u), w[0] = 1.0f;
    CHECK(!ob_is_finite(ob_ternary_fit(w, NULL, 3, codes, scratch)) && !codes[0] && !codes[1]);
    CHECK(!ob_is_finite(ob_binary_fit(w, NULL, 3, codes)));
    w[0] = w[1] = w[2] = -3e38f; /* sums beyond float32, not beyond double */
    CHECK(ob_ternary_fit(w, NULL, 3, codes, scratch) == 3e38f && codes[0] == -1 && codes[2] == -1);
    CHECK(ob_binary_fit(w, NULL, 3, codes) == 3e38f);
}

/* A container knows the sizes of more types than can be read: of these both tables say the same. */
static void types_check_gguf(ob_type t) {
    int weights = t == OB_TYPE_Q2_0 ? 64 : 0, cols;
    const ob_gguf_type *type = ob_gguf_type_find((uint32_t)ob_types[t].gguf, weights);
    ob_gguf_tensor g;
    memset(&g, 0, sizeof g);
    if (!CHECK(type != NULL)) return;
    for (cols = 256; cols <= 768; cols += 256) {
        g.dims[0] = (uint64_t)cols, g.dims[1] = 12, g.dims[2] = g.dims[3] = 1;
        if (!CHECK(ob_gguf_size(&g, type) == ob_type_tensor_bytes(t, 12, cols)))
            printf("  %s, %d columns\n", ob_types[t].name, cols);
    }
}

static void test_types(void) {
    size_t i;
    int t;
    test_case("types: sizes of rows and tensors, shapes that do not fit");
    types_check_sizes();
    test_case("types: a tensor takes the bytes that its GGUF type says");
    for (t = 0; t < OB_TYPE_COUNT; t++)
        if (ob_types[t].gguf >= 0) types_check_gguf((ob_type)t);
    test_case("types: floats equal those of the package gguf");
    for (i = 0; i < sizeof golden_types / sizeof golden_types[0]; i++)
        types_check_golden(&golden_types[i]);
    test_case("types: ternary and binary codes follow their definitions");
    for (t = 0; t < OB_TYPE_COUNT; t++) {
        if (ob_types[t].holds != OB_HOLDS_TRITS && ob_types[t].holds != OB_HOLDS_BITS) continue;
        types_check_codes((ob_type)t, 4, ob_types[t].weights);
        types_check_codes((ob_type)t, 12, 3 * ob_types[t].weights);
        types_check_codes((ob_type)t, 8, TYPES_COLS);
    }
    test_case("types: undefined codes and scales that are not finite are refused");
    for (t = OB_TYPE_TQ1_0; t < OB_TYPE_COUNT; t++)
        types_check_refusal((ob_type)t, 8, 2 * ob_types[t].weights);
    test_case("types: rows are packed as one code at a time, and unpacked again");
    types_check_packing();
    test_case("types: rows of codes are written as they are read");
    for (t = OB_TYPE_TQ1_0; t < OB_TYPE_COUNT; t++) {
        types_check_put((ob_type)t, 8, ob_types[t].weights);
        types_check_put((ob_type)t, 12, 3 * ob_types[t].weights);
    }
    test_case("types: bytes equal those of the package gguf");
    for (i = 0; i < sizeof golden_puts / sizeof golden_puts[0]; i++)
        types_check_golden_put(&golden_puts[i]);
    test_case("types: floats are rounded as the types ask, at their bounds too");
    types_check_put_floats();
    test_case("types: fitted codes are the nearest of all");
    types_check_fit(0);
    test_case("types: fitted codes are the nearest of all when each weight counts differently");
    types_check_fit(1);
    types_check_counts();
    test_case("types: two planes are nearer than one and the rest of it");
    types_check_planes(0);
    types_check_planes(1);
    test_case("types: long rows, and rows without an answer");
    types_check_long_fit(1000);
    types_check_long_fit(100000);
    types_check_fit_bounds();
}
