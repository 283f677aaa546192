/* test_sample.c - the samplers against their definitions in double, and against hostile logits. */

#define SAMPLE_VOCAB 40
#define SAMPLE_DRAWS 20000

/* All rules off, temperature 1. */
static onebit_sample_options sample_plain(void) {
    onebit_sample_options o = onebit_sample_options_default();
    o.temperature = 1.0;
    o.top_k = 0;
    o.top_p = 1.0;
    o.min_p = 0.0;
    o.repetition_penalty = 1.0;
    o.frequency_penalty = o.presence_penalty = 0.0;
    o.penalty_window = 0;
    return o;
}

/* Logits with ties and a spread of several nats; the same on every machine. */
static void sample_logits(float *logits, int vocab, uint64_t seed) {
    onebit_rng rng;
    int i;
    onebit_rng_seed(&rng, seed);
    for (i = 0; i < vocab; i++) logits[i] = (float)((double)(ob_rng_next(&rng) % 24) * 0.25 - 2.0);
}

/* The penalties, by their definitions: count each id in the window, then change each seen id once.
 */
static void sample_reference_penalties(double *l, int vocab, const int32_t *history, size_t count,
                                       const onebit_sample_options *o) {
    size_t from = 0, i;
    int v;
    if (o->penalty_window > 0 && count > (size_t)o->penalty_window)
        from = count - (size_t)o->penalty_window;
    for (v = 0; v < vocab; v++) {
        int seen = 0;
        for (i = from; i < count; i++) seen += history[i] == v;
        if (!seen) continue;
        l[v] = l[v] > 0 ? l[v] / o->repetition_penalty : l[v] * o->repetition_penalty;
        l[v] -= o->frequency_penalty * seen;
        l[v] -= o->presence_penalty;
    }
}

/* Exact distribution of the next token: a full sort, then each rule on the renormalised rest. */
static void sample_reference(double *p, const float *logits, int vocab,
                             const onebit_sample_options *o) {
    int order[SAMPLE_VOCAB], i, j, n = vocab;
    double sum = 0, running = 0;
    for (i = 0; i < vocab; i++) {
        for (j = i; j > 0 && logits[order[j - 1]] < logits[i]; j--) order[j] = order[j - 1];
        order[j] = i;
    }
    for (i = 0; i < vocab; i++) p[i] = exp(((double)logits[i] - logits[order[0]]) / o->temperature);
    if (o->top_k > 0 && o->top_k < n) n = o->top_k;
    for (i = 0; i < n; i++) sum += p[order[i]];
    for (i = 0; i < n && o->top_p < 1.0; i++) {
        running += p[order[i]] / sum;
        if (running >= o->top_p) n = i + 1;
    }
    for (i = 1; i < n; i++)
        if (p[order[i]] < o->min_p * p[order[0]]) n = i;
    for (sum = 0, i = 0; i < n; i++) sum += p[order[i]];
    for (i = 0; i < vocab; i++) p[order[i]] = i < n ? p[order[i]] / sum : 0.0;
}

/* Draws many times and compares the shares with the exact ones, to five standard deviations. */
static int sample_agrees(const onebit_sample_options *o, uint64_t seed) {
    float logits[SAMPLE_VOCAB], copy[SAMPLE_VOCAB];
    double p[SAMPLE_VOCAB], work[SAMPLE_VOCAB];
    int hits[SAMPLE_VOCAB] = {0}, i, ok = 1;
    onebit_rng rng;
    sample_logits(logits, SAMPLE_VOCAB, seed);
    sample_reference(p, logits, SAMPLE_VOCAB, o);
    onebit_rng_seed(&rng, seed);
    for (i = 0; i < SAMPLE_DRAWS; i++) {
        int id;
        memcpy(copy, logits, sizeof copy);
        id = onebit_sample(copy, SAMPLE_VOCAB, NULL, 0, o, &rng, work);
        if (id < 0 || id >= SAMPLE_VOCAB) return 0;
        hits[id]++;
    }
    for (i = 0; i < SAMPLE_VOCAB; i++) {
        double share = (double)hits[i] / SAMPLE_DRAWS;
        double bound = 5.0 * sqrt(p[i] * (1 - p[i]) / SAMPLE_DRAWS) + 1e-4;
        if (p[i] <= 0.0 ? hits[i] != 0 : fabs(share - p[i]) > bound) ok = 0;
    }
    return ok;
}

static void sample_test_rules(void) {
    static const int ks[] = {0, 1, 2, 5, 17, 39, 40, 1000};
    static const double ps[] = {1.0, 0.95, 0.5, 0.05, 0.0}, ms[] = {0.0, 0.02, 0.3, 1.0};
    int i;
    test_case("sample: temperature alone is softmax");
    for (i = 0; i < 3; i++) {
        onebit_sample_options o = sample_plain();
        o.temperature = i == 0 ? 1.0 : i == 1 ? 0.5 : 3.0;
        CHECK(sample_agrees(&o, 10));
    }
    test_case("sample: top-k keeps exactly k, ties by the lower id");
    for (i = 0; i < (int)(sizeof ks / sizeof ks[0]); i++) {
        onebit_sample_options o = sample_plain();
        o.top_k = ks[i];
        CHECK(sample_agrees(&o, 11));
    }
    test_case("sample: top-p keeps the crossing token");
    for (i = 0; i < (int)(sizeof ps / sizeof ps[0]); i++) {
        onebit_sample_options o = sample_plain();
        o.top_p = ps[i];
        CHECK(sample_agrees(&o, 12));
    }
    test_case("sample: min-p keeps p >= min_p * pmax");
    for (i = 0; i < (int)(sizeof ms / sizeof ms[0]); i++) {
        onebit_sample_options o = sample_plain();
        o.min_p = ms[i];
        CHECK(sample_agrees(&o, 13));
    }
    test_case("sample: the rules work in the stated order together");
    for (i = 0; i < 24; i++) {
        onebit_sample_options o = sample_plain();
        o.temperature = 0.7 + 0.1 * (i % 5);
        o.top_k = ks[1 + i % 6];
        o.top_p = ps[i % 3];
        o.min_p = ms[i % 3];
        CHECK(sample_agrees(&o, (uint64_t)(20 + i)));
    }
}

/* The logits are left penalised, which shows the penalties alone. */
static int sample_penalties_agree(const onebit_sample_options *o, const int32_t *history,
                                  size_t count) {
    float logits[SAMPLE_VOCAB];
    double wanted[SAMPLE_VOCAB], work[SAMPLE_VOCAB];
    int i, ok = 1, best = 0, id;
    onebit_rng rng;
    onebit_rng_seed(&rng, 1);
    sample_logits(logits, SAMPLE_VOCAB, 7);
    for (i = 0; i < SAMPLE_VOCAB; i++) wanted[i] = (double)logits[i];
    sample_reference_penalties(wanted, SAMPLE_VOCAB, history, count, o);
    id = onebit_sample(logits, SAMPLE_VOCAB, history, count, o, &rng, work);
    for (i = 0; i < SAMPLE_VOCAB; i++) {
        if (fabs((double)logits[i] - wanted[i]) > 1e-5) ok = 0;
        if (logits[i] > logits[best]) best = i;
    }
    return ok && id == best;
}

static void sample_test_penalties(void) {
    int32_t history[100];
    onebit_sample_options o = sample_plain();
    int i;
    for (i = 0; i < 100; i++) history[i] = (i * i) % 23;
    o.temperature = 0.0;
    test_case("sample: repetition once per distinct token, in both signs");
    o.repetition_penalty = 1.3;
    CHECK(sample_penalties_agree(&o, history, 100));
    test_case("sample: frequency per occurrence, presence once, window");
    o.frequency_penalty = 0.25;
    CHECK(sample_penalties_agree(&o, history, 100));
    o.presence_penalty = -0.75;
    CHECK(sample_penalties_agree(&o, history, 100));
    for (i = 1; i < 130; i += 9) {
        o.penalty_window = i;
        CHECK(sample_penalties_agree(&o, history, 100));
    }
    CHECK(sample_penalties_agree(&o, history, 0));
    CHECK(sample_penalties_agree(&o, NULL, 0));
    test_case("sample: ids outside the vocabulary are ignored in the history");
    o.penalty_window = 0;
    history[3] = -5;
    history[50] = SAMPLE_VOCAB;
    history[99] = INT32_MAX;
    CHECK(sample_penalties_agree(&o, history, 100));
}

/* Best id by a plain loop. */
static int sample_best(const float *logits, int vocab) {
    int i, best = 0;
    for (i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static void sample_test_greedy(void) {
    float logits[SAMPLE_VOCAB], copy[SAMPLE_VOCAB];
    double work[SAMPLE_VOCAB];
    onebit_sample_options one = sample_plain(), zero = sample_plain();
    onebit_rng rng;
    int seed;
    onebit_rng_seed(&rng, 3);
    one.top_k = 1;
    zero.temperature = 0.0;
    test_case("sample: top-k 1 and temperature 0 are greedy, the lowest id on a tie");
    for (seed = 0; seed < 200; seed++) {
        int best;
        sample_logits(logits, SAMPLE_VOCAB, (uint64_t)seed);
        if (seed % 3 == 0) logits[seed % SAMPLE_VOCAB] = 9.0f + (float)seed * 1e-6f;
        best = sample_best(logits, SAMPLE_VOCAB);
        memcpy(copy, logits, sizeof copy);
        CHECK(onebit_sample(copy, SAMPLE_VOCAB, NULL, 0, &one, &rng, work) == best);
        memcpy(copy, logits, sizeof copy);
        CHECK(onebit_sample(copy, SAMPLE_VOCAB, NULL, 0, &zero, &rng, work) == best);
    }
    logits[0] = -1e-9f; /* equal as probabilities in float, not as logits */
    logits[1] = 0.0f;
    CHECK(onebit_sample(logits, 2, NULL, 0, &one, &rng, work) == 1);
}

static void sample_test_seed(void) {
    float logits[SAMPLE_VOCAB];
    double work[SAMPLE_VOCAB];
    onebit_sample_options o = onebit_sample_options_default();
    onebit_rng a, b, c;
    int i, same = 1, other = 0;
    test_case("sample: a seed reproduces its tokens, another seed gives others");
    onebit_rng_seed(&a, 5);
    onebit_rng_seed(&b, 5);
    onebit_rng_seed(&c, 6);
    o.temperature = 2.0;
    for (i = 0; i < 100; i++) {
        int x, y, z;
        sample_logits(logits, SAMPLE_VOCAB, (uint64_t)i);
        x = onebit_sample(logits, SAMPLE_VOCAB, NULL, 0, &o, &a, work);
        sample_logits(logits, SAMPLE_VOCAB, (uint64_t)i);
        y = onebit_sample(logits, SAMPLE_VOCAB, NULL, 0, &o, &b, work);
        sample_logits(logits, SAMPLE_VOCAB, (uint64_t)i);
        z = onebit_sample(logits, SAMPLE_VOCAB, NULL, 0, &o, &c, work);
        same &= x == y;
        other |= x != z;
    }
    CHECK(same);
    CHECK(other);
}

/* Any mixture of NaN and infinities: an id comes back, never one of probability zero. */
static void sample_test_hostile(void) {
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0.0f, FLT_MAX, -FLT_MAX, 1.0f};
    float logits[SAMPLE_VOCAB];
    double work[SAMPLE_VOCAB];
    int32_t history[2] = {1, 2};
    onebit_sample_options o = sample_plain();
    onebit_rng rng;
    int i, k, ok = 1, id;
    onebit_rng_seed(&rng, 9);
    test_case("sample: NaN counts as -inf, +inf as very likely, and nothing crashes");
    for (i = 0; i < 4000; i++) {
        int n = 1 + i % SAMPLE_VOCAB, finite = 0;
        o.temperature = i % 5 == 0 ? 0.0 : i % 5 == 1 ? 1e-30 : 1.0;
        o.top_k = i % 3;
        o.top_p = i % 4 ? 0.9 : 1.0;
        o.min_p = i % 2 ? 0.1 : 0.0;
        o.repetition_penalty = i % 7 ? 1.0 : 1.5;
        for (k = 0; k < n; k++) logits[k] = odd[test_below(&rng, 7)];
        id = onebit_sample(logits, n, history, 2, &o, &rng, work);
        for (k = 0; k < n; k++) finite |= logits[k] >= -FLT_MAX; /* a penalty can make -inf */
        ok &= id >= 0 && id < n;
        if (ok && finite) ok &= logits[id] >= -FLT_MAX;
        if (!finite) ok &= id == 0;
    }
    CHECK(ok);
    test_case("sample: tokens of logit -inf are never drawn");
    for (o = sample_plain(), ok = 1, i = 0; i < 3000; i++) {
        o.top_k = i % 3 ? 0 : 5;
        o.top_p = i % 2 ? 1.0 : 0.999;
        for (k = 0; k < 8; k++) logits[k] = k % 3 == 1 ? 0.5f : -INFINITY;
        id = onebit_sample(logits, 8, NULL, 0, &o, &rng, work);
        ok &= id % 3 == 1;
    }
    CHECK(ok);
    CHECK(onebit_sample(NULL, 5, NULL, 0, &o, &rng, work) == 0);
    logits[0] = 1.0f;
    CHECK(onebit_sample(logits, 1, NULL, 0, NULL, &rng, work) == 0);
}

static void test_sample(void) {
    sample_test_rules();
    sample_test_penalties();
    sample_test_greedy();
    sample_test_seed();
    sample_test_hostile();
}
