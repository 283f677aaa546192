/* test_golden.c - loss, logits and gradients equal those of a PyTorch implementation
 * (tools/golden.py). */
#include "reference.h"
#include "golden_model.h"

#define GOLDEN_BOUND 1e-4 /* of the loss, of a logit of size 1, of a tensor's gradient norm */

static int golden_near(double value, double wanted, double scale, const char *what) {
    if (fabs(value - wanted) <= GOLDEN_BOUND * scale) return 1;
    printf("golden: %s is %.8g, should be %.8g\n", what, value, wanted);
    return 0;
}

static void golden_check(const golden_model *g, onebit_trainer *trainer) {
    int32_t inputs[GOLDEN_B * GOLDEN_T], targets[GOLDEN_B * GOLDEN_T];
    int V = onebit_trainer_config(trainer)->vocab_size, i, k, n = GOLDEN_B * GOLDEN_T * V;
    const float *logits;
    onebit_parameter p;
    double loss = 0;
    ref_tokens(inputs, targets, GOLDEN_B, GOLDEN_T, V, g->salt);
    ref_fill(trainer, g->salt);
    if (!CHECK_OK(onebit_trainer_accumulate(trainer, inputs, targets, &loss))) return;
    CHECK(golden_near(loss, g->loss, g->loss, "the loss"));
    logits = onebit_trainer_logits(trainer);
    for (k = 0; k < GOLDEN_LOGITS; k++)
        CHECK(golden_near(logits[k * n / 6 + k], g->logits[k], 1, "a logit"));
    for (i = 0; i < g->count; i++) {
        const golden_gradient *wanted = &g->gradients[i];
        double norm = 0;
        int index, entries, j;
        for (index = 0; onebit_trainer_parameter(trainer, index, &p) == ONEBIT_OK; index++)
            if (!strcmp(p.name, wanted->name)) break;
        if (!CHECK(!strcmp(p.name, wanted->name))) continue;
        entries = p.rows * p.cols;
        for (j = 0; j < entries; j++) norm += (double)p.grad[j] * p.grad[j];
        CHECK(golden_near(sqrt(norm), wanted->norm, wanted->norm, p.name));
        CHECK(golden_near(p.grad[entries / 3], wanted->third, wanted->norm, p.name));
        CHECK(golden_near(p.grad[2 * entries / 3], wanted->two_thirds, wanted->norm, p.name));
    }
    CHECK(onebit_trainer_parameter(trainer, g->count, &p) == ONEBIT_USAGE);
}

static void test_golden(void) {
    static char names[sizeof golden_models / sizeof golden_models[0]][320];
    size_t i;
    for (i = 0; i < sizeof golden_models / sizeof golden_models[0]; i++) {
        const golden_model *g = &golden_models[i];
        onebit_config config = onebit_config_default();
        onebit_train_options options = onebit_train_options_default();
        onebit_trainer *trainer = NULL;
        snprintf(names[i], sizeof names[i], "golden: equals PyTorch with %s", g->settings);
        test_case(names[i]);
        options.backward_bits = 32;
        options.batch_size = GOLDEN_B;
        options.seq_len = GOLDEN_T;
        if (CHECK_OK(ref_settings(ONEBIT_TABLE_MODEL, &config, g->settings)) &&
            CHECK_OK(onebit_trainer_create(&trainer, &config, &options, NULL)))
            golden_check(g, trainer);
        onebit_trainer_free(trainer);
    }
}
