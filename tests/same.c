/* same.c - prints one number that stands for 1000 greedy tokens and all of their logits: it must be
   the same for every compiler, optimisation, instruction set, number of threads and machine.

   cc -O2 tests/same.c -o same -lm && ./same        prints a line for each instruction set here
   ./same best                                     only for the best one: for slow machines

   The model has a block of every kind, its weights come from whole numbers, and its context is short,
   so that it slides. The expected number stands in tests/same.sh. */
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"

enum { TOKENS = 1000, LARGEST = 97 * 64 };

typedef struct source {
    onebit_config config;
    onebit_rng rng;
    float codes[LARGEST], scale[128];
} source;

/* Random codes, scales and gains of one tensor. */
static onebit_status fetch(void *user, int index, ob_param *p) {
    source *s = (source *)user;
    size_t i, n;
    memset(p, 0, sizeof *p);
    ob_tensor_at(&s->config, index, &p->info);
    n = (size_t)p->info.rows * (size_t)p->info.cols;
    p->size = n, p->value = s->codes, p->codes = s->codes, p->format = OB_DENSE, p->scale = s->scale;
    for (i = 0; i < n; i++) {
        int bits = (int)(ob_rng_next(&s->rng) >> 40);
        switch (p->info.mode) {
        case ONEBIT_TERNARY: s->codes[i] = (float)(bits % 3 - 1); break;
        case ONEBIT_BINARY: s->codes[i] = (float)(bits % 2 * 2 - 1); break;
        case ONEBIT_8BIT: s->codes[i] = (float)(bits % 255 - 127); break;
        case -1: s->codes[i] = 0.75f + (float)(bits % 512) / 1024.0f; break;
        default: s->codes[i] = (float)(bits % 2001 - 1000) / 8192.0f; break;
        }
    }
    for (i = 0; i < ob_tensor_scales(&p->info); i++)
        s->scale[i] = (1.0f + (float)(i % 7)) / (p->info.mode == ONEBIT_8BIT ? 4096.0f : 64.0f);
    return ONEBIT_OK;
}

static uint64_t run(const onebit_model *model, const onebit_env *env) {
    onebit_session_options o = onebit_session_options_default();
    onebit_session *s = NULL;
    uint64_t hash = 0;
    int32_t id = 1;
    int i, k, V = onebit_model_config(model)->vocab_size;
    o.slide = 1;
    if (onebit_session_create(&s, model, &o, env) != ONEBIT_OK) return 0;
    for (i = 0; i < TOKENS; i++) {
        const float *logits;
        uint32_t bits[97];
        uint8_t bytes[4 * 97 + 4];
        if (onebit_session_eval(s, &id, 1, NULL) != ONEBIT_OK) return 0;
        logits = onebit_session_logits(s);
        memcpy(bits, logits, sizeof bits);
        for (id = 0, k = 1; k < V; k++)
            if (logits[k] > logits[id]) id = k;
        for (k = 0; k < V; k++) ob_put32(bytes + 4 * k, bits[k]);
        ob_put32(bytes + 4 * V, (uint32_t)id);
        hash = ob_hash64(bytes, sizeof bytes, hash);
        id = (id + i) % V; /* greedy text of random weights repeats itself; this does not */
    }
    onebit_session_free(s);
    return hash;
}

int main(int argc, char **argv) {
    static source s;
    int best = argc > 1 && !strcmp(argv[1], "best");
    ob_tensors t;
    ob_image image;
    onebit_model *model = NULL;
    onebit_env env = onebit_env_default();
    size_t bytes;
    void *block;
    int isa, packing;
    s.config = onebit_config_default();
    s.config.vocab_size = 97, s.config.hidden_size = 64, s.config.num_layers = 5;
    s.config.num_heads = 4, s.config.num_key_value_heads = 2, s.config.intermediate_size = 96;
    s.config.max_seq_len = 80, s.config.use_qk_norm = 1, s.config.use_sub_norm = 1;
    s.config.logit_softcap = 30.0;
    if (onebit_field_set(ONEBIT_TABLE_MODEL, &s.config, "layer_bit_map",
                         "ternary,binary,8bit,f16,f32") != ONEBIT_OK ||
        onebit_config_check(&s.config) != ONEBIT_OK)
        return fprintf(stderr, "%s\n", onebit_error_text()), 1;
    for (packing = 0; packing < (best ? 1 : 2); packing++) {
        onebit_rng_seed(&s.rng, 7);
        memset(&t, 0, sizeof t);
        t.config = &s.config, t.count = ob_tensor_count(&s.config), t.source = &s, t.fetch = fetch;
        t.env = &env;
        t.packing = packing ? ONEBIT_PACKING_5_IN_8 : ONEBIT_PACKING_2_BITS;
        bytes = (size_t)ob_image_bytes(&t);
        block = ob_alloc(&env, bytes);
        image.p = (uint8_t *)block;
        if (!block || ob_image_write(&image, &t) != ONEBIT_OK ||
            onebit_model_open_memory(&model, block, bytes, &env) != ONEBIT_OK)
            return fprintf(stderr, "%s\n", onebit_error_text()), 1;
        for (isa = ONEBIT_ISA_SCALAR; isa < ONEBIT_ISA_COUNT; isa++)
            for (env.isa = (onebit_isa)isa, env.threads = 1; env.threads < (best ? 2 : 4);
                 env.threads += 2)
                if (best ? env.isa == ob_cpu_isa() : ob_isa_here(env.isa))
                    printf("%016llx %s, %d threads, %s\n", (unsigned long long)run(model, &env),
                           onebit_isa_name(env.isa), env.threads, packing ? "1.6 bits" : "2 bits");
        env = onebit_env_default();
        onebit_model_free(model);
        ob_release(&env, block);
    }
    return 0;
}
