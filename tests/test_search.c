/* Tests of >>search: every result is held against maps that are opened and scored one by one, which
   shares nothing with the search but the kernels. */

enum { SEARCH_MAPS = 1024, SEARCH_LOG = 4096 };

/* One map as the public functions of models and sessions see it. */
typedef struct search_map {
    char letters[16];
    double loss, accuracy;
    size_t weights, file;
} search_map;

/* A model on disk, its text, and all its maps. */
typedef struct search_rig {
    onebit_search_job job;
    onebit_config config;
    search_map map[SEARCH_MAPS];
    int maps, groups;
} search_rig;

/* What a search told, in order. */
typedef struct search_log {
    char map[SEARCH_LOG][16];
    double loss[SEARCH_LOG], kl[SEARCH_LOG];
    int n, stop, known;
} search_log;

/* One thread: these models are so small that waking another takes longer. */
static onebit_env search_env;

static const char *search_path(const char *name) {
    static char paths[4][64];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "test_search_%s", name);
    return paths[turn];
}

static void search_clean(void) {
    static const char *const names[] = {"c.safetensors", "t.txt", "q.jsonl", "config.json"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++) remove(search_path(names[i]));
}

static int search_on_evaluation(void *user, const onebit_evaluation *e) {
    search_log *log = (search_log *)user;
    if (log->n < SEARCH_LOG) {
        snprintf(log->map[log->n], sizeof log->map[0], "%.15s", e->map);
        log->loss[log->n] = e->loss, log->kl[log->n] = e->kl;
    }
    CHECK(e->number == log->n + 1 && e->weight_bytes < e->file_bytes);
    log->known += e->known;
    return ++log->n == log->stop;
}

/* Mode of a letter of a map. */
static onebit_mode search_mode(char letter) {
    static const char letters[] = "fh8tb";
    return (onebit_mode)(strchr(letters, letter) - letters);
}

/* A map as layer_bit_map; half: two letters for each block. */
static void search_json(const search_rig *r, const char *letters, int half, char *out,
                        size_t size) {
    int i, n = snprintf(out, size, "{\"layer_modes\": [");
    for (i = 0; i < r->config.num_layers; i++) {
        if (half)
            n += snprintf(out + n, size - (size_t)n, "%s{\"attention\": \"%s\", \"ffn\": \"%s\"}",
                          i ? ", " : "", onebit_mode_name(search_mode(letters[2 * i])),
                          onebit_mode_name(search_mode(letters[2 * i + 1])));
        else
            n += snprintf(out + n, size - (size_t)n, "%s\"%s\"", i ? ", " : "",
                          onebit_mode_name(search_mode(letters[i])));
    }
    snprintf(out + n, size - (size_t)n, "]}");
}

/* Loss of a model on the text as one document, and on each choice of two questions. */
static void search_score(const onebit_model *m, const char *text, double *loss) {
    int32_t ids[2048];
    size_t n = 0, scored = 0;
    onebit_session *s = NULL;
    ids[0] = onebit_model_start(m);
    CHECK_OK(onebit_tokenizer_encode(onebit_model_tokenizer(m), ids + 1, 2047, &n, text,
                                     strlen(text), 0));
    if (!CHECK_OK(onebit_session_create(&s, m, NULL, &search_env))) return;
    CHECK_OK(onebit_score(s, ids, n + 1, 1, loss, &scored));
    *loss /= (double)scored;
    onebit_session_free(s);
}

static const char search_questions[] =
    "{\"prompt\": \"abcab\", \"answer\": \"dd\", \"choices\": [\"dd\", \"ee\", \"Ba\"]}\n\n"
    "{\"choices\": [\"ac\", \"bd\"], \"answer\": \"bd\", \"prompt\": \"xyz\"}\r\n"
    "{\"prompt\": \"no choices\", \"answer\": \"a\"}\n"
    "{\"prompt\": \"A\", \"answer\": \"q\", \"choices\": [\"r\", \"q\"]}";

/* Share of the questions above whose answer is the likeliest; sums, not means, decide. */
static double search_accuracy(const onebit_model *m) {
    static const char *const texts[] = {"abcab dd", "abcab ee", "abcab Ba", "xyz bd",
                                        "xyz ac",   "A q",      "A r"};
    static const int from[] = {0, 3, 5, 7};
    double loss[7];
    int i, k, right = 0;
    for (i = 0; i < 7; i++) {
        search_score(m, texts[i], loss + i);
        loss[i] *= (double)strlen(texts[i]);
    }
    for (i = 0; i < 3; i++) {
        int best = from[i];
        for (k = from[i] + 1; k < from[i + 1]; k++)
            if (loss[k] < loss[best]) best = k;
        right += best == from[i];
    }
    return right / 3.0;
}

static char search_text[260];

/* Opens one map and notes what it is. */
static void search_note(search_rig *r, const char *letters, int half, int questions) {
    onebit_open_options how = onebit_open_options_default();
    onebit_model *m = NULL;
    search_map *map = &r->map[r->maps++];
    char json[1024];
    search_json(r, letters, half, json, sizeof json);
    how.layer_bit_map = json;
    snprintf(map->letters, sizeof map->letters, "%s", letters);
    if (!CHECK_OK(onebit_model_open_with(&m, r->job.checkpoint, &how, &search_env))) return;
    search_score(m, search_text, &map->loss);
    map->accuracy = questions ? search_accuracy(m) : NAN;
    map->file = m->bytes, map->weights = ob_search_bytes(&m->config);
    onebit_model_free(m);
}

/* A model of random weights on disk, its text, and its maps of the modes in `letters`. */
static int search_open(search_rig *r, const char *settings, uint32_t salt, const char *letters,
                       int half, int questions) {
    model_rig rig;
    onebit_position place;
    onebit_rng rng;
    size_t i, n = strlen(letters);
    char map[16];
    int total = 1, k, j;
    memset(r, 0, sizeof *r);
    memset(&place, 0, sizeof place);
    if (!model_open(&rig, settings, "", 2, 16, NULL)) return 0;
    ref_fill(rig.trainer, salt);
    r->config = rig.config;
    onebit_rng_seed(&rng, salt);
    for (i = 0; i < sizeof search_text - 1; i++)
        search_text[i] = "abcdefghijklmnopqrstuvwxyzAB"[test_below(&rng, 28)];
    CHECK_OK(onebit_trainer_save(rig.trainer, rig.tokenizer, place, search_path("c.safetensors")));
    CHECK_OK(ob_file_write(search_path("t.txt"), search_text, sizeof search_text - 1));
    CHECK_OK(ob_file_write(search_path("q.jsonl"), search_questions, sizeof search_questions - 1));
    model_close(&rig);
    r->job = onebit_search_job_default();
    r->job.env = &search_env;
    r->job.checkpoint = "test_search_c.safetensors", r->job.val_data = "test_search_t.txt";
    r->job.questions = questions ? "test_search_q.jsonl" : NULL;
    r->job.granularity = half ? ONEBIT_BY_HALF : ONEBIT_BY_LAYER;
    r->job.mode_count = (int)n, r->job.val_tokens = 0;
    for (i = 0; i < n; i++) r->job.modes[i] = (uint8_t)search_mode(letters[i]);
    r->groups = r->config.num_layers * (1 + half);
    for (k = 0; k < r->groups; k++) total *= (int)n;
    if (!CHECK(total <= SEARCH_MAPS)) return 0;
    for (k = 0; k < total; k++) {
        for (j = 0, i = (size_t)k; j < r->groups; j++, i /= n) map[j] = letters[i % n];
        map[j] = 0;
        search_note(r, map, half, questions);
    }
    return 1;
}

static const search_map *search_find(const search_rig *r, const char *letters) {
    int i;
    for (i = 0; i < r->maps; i++)
        if (!strcmp(r->map[i].letters, letters)) return &r->map[i];
    return NULL;
}

static int search_within(const onebit_search_job *j, const search_map *m) {
    return exp(m->loss) <= j->max_perplexity &&
           (j->max_size_mb <= 0 || (double)m->file <= j->max_size_mb * 1e6) &&
           (j->min_accuracy <= 0 || m->accuracy >= j->min_accuracy);
}

/* The smallest map of those whose letters are all in `letters`, of equal ones the best; or NULL. */
static const search_map *search_brute(const search_rig *r, const char *letters) {
    const search_map *best = NULL;
    int i;
    for (i = 0; i < r->maps; i++) {
        const search_map *m = &r->map[i];
        if (strspn(m->letters, letters) != strlen(m->letters) || !search_within(&r->job, m))
            continue;
        if (!best || m->weights < best->weights ||
            (m->weights == best->weights && m->loss < best->loss))
            best = m;
    }
    return best;
}

/* One search against brute force. */
static void search_check_exact(search_rig *r, const char *letters) {
    onebit_search_result out;
    const search_map *want = search_brute(r, letters), *own;
    onebit_status status;
    size_t i;
    r->job.mode_count = (int)strlen(letters);
    for (i = 0; letters[i]; i++) r->job.modes[i] = (uint8_t)search_mode(letters[i]);
    status = onebit_search(&r->job, &out);
    if (!want) {
        CHECK(status == ONEBIT_LIMIT && !out.found);
        return;
    }
    if (!CHECK_OK(status) || !CHECK(out.found && out.proven)) return;
    own = search_find(r, out.map);
    if (!CHECK(own != NULL)) return;
    CHECK(out.best.weight_bytes == want->weights && out.best.file_bytes == own->file);
    CHECK(fabs(out.best.loss - own->loss) < 2e-6 && fabs(own->loss - want->loss) < 2e-6);
    CHECK(onebit_config_model_bytes(&out.config, NULL) <= own->file);
}

/* 200 cases (60 under sanitizers): models, subsets of modes, ceilings and size limits at random. */
static void search_test_exact(void) {
    static const char *const settings[] = {
        "num_layers=3 layer_bit_map=ternary embedding=f16",
        "num_layers=2 layer_bit_map=f16 embedding=8bit use_swiglu=false scale_group=32 "
        "hidden_size=48",
        "num_layers=3 layer_bit_map=binary,ternary,8bit use_sub_norm=true use_qk_norm=true",
        "num_layers=2 layer_bit_map=ternary embedding=f32 tie_word_embeddings=false"};
    static const char *const subsets[] = {"bt", "bt8", "t8", "b8", "t", "bth8", "h8tb", "th"};
    static const int half[] = {0, 1, 0, 1};
    onebit_rng rng;
    int k, i;
    test_case("search: the exact result is brute force's on 200 random cases");
    onebit_rng_seed(&rng, 7);
    for (k = 0; k < 4; k++) {
        search_rig *r = (search_rig *)malloc(sizeof *r);
        if (r &&
            search_open(r, settings[k], 11u + (uint32_t)k, half[k] ? "bt8" : "bt8h", half[k], 0))
            for (i = 0; i < TEST_ROUNDS(50, 15); i++) {
                const search_map *a = &r->map[test_below(&rng, (uint64_t)r->maps)];
                const search_map *b = &r->map[test_below(&rng, (uint64_t)r->maps)];
                r->job.max_perplexity = exp(a->loss) * (i % 7 == 6 ? 0.97 : 1.0000001);
                r->job.max_size_mb = i % 5 == 4 ? (double)b->file / 1e6 : 0;
                search_check_exact(r, subsets[test_below(&rng, half[k] ? 5 : 8)]);
            }
        free(r);
        search_clean();
    }
}

/* What every method promises: a map within the limits, measured as brute force measures it. */
static void search_check_found(const search_rig *r, const onebit_search_result *out,
                               const search_log *log) {
    const search_map *own = search_find(r, out->map);
    int i;
    if (!CHECK(out->found && own != NULL)) return;
    CHECK(search_within(&r->job, own) && fabs(out->best.loss - own->loss) < 2e-6);
    CHECK(out->best.weight_bytes == own->weights && out->best.file_bytes == own->file);
    CHECK(out->evaluations == log->n);
    for (i = 0; i < log->n; i++) {
        const search_map *m = search_find(r, log->map[i]);
        if (!CHECK(m && fabs(log->loss[i] - m->loss) < 2e-6)) return;
        if (search_within(&r->job, m)) CHECK(m->weights >= own->weights);
    }
}

static search_log search_logs[2];

/* Runs a method with one thread and with three, then stops it half-way and goes on. */
static void search_check_method(search_rig *r, int method) {
    onebit_env split = onebit_env_default();
    onebit_search_result one, two;
    int half;
    r->job.method = method, r->job.on_evaluation = search_on_evaluation;
    memset(search_logs, 0, sizeof search_logs);
    r->job.user = &search_logs[0];
    CHECK_OK(onebit_search(&r->job, &one));
    search_check_found(r, &one, &search_logs[0]);
    split.threads = 3, split.parallel = model_backwards;
    r->job.env = &split, r->job.user = &search_logs[1];
    CHECK_OK(onebit_search(&r->job, &two));
    r->job.env = &search_env;
    CHECK(!memcmp(search_logs[0].loss, search_logs[1].loss, sizeof search_logs[0].loss));
    CHECK(!memcmp(search_logs[0].map, search_logs[1].map, sizeof search_logs[0].map));
    CHECK(!strcmp(one.map, two.map) && one.evaluations == two.evaluations);
    half = one.evaluations / 2;
    memset(&search_logs[1], 0, sizeof search_logs[1]);
    search_logs[1].stop = half;
    CHECK_FAILS(onebit_search(&r->job, &two), ONEBIT_CANCELLED, "stopped");
    CHECK(two.evaluations == half && search_logs[1].n == half);
}

static void search_test_methods(void) {
    search_rig *r = (search_rig *)malloc(sizeof *r);
    onebit_search_result exact, out;
    int i, k;
    test_case("search: every method finds a map within the limits, whatever the threads");
    if (r &&
        search_open(r, "num_layers=2 layer_bit_map=ternary use_sub_norm=true", 5, "bt8", 1, 0)) {
        const search_map *start = search_find(r, "tttt"), *low = search_find(r, "bbbb");
        r->job.max_perplexity = exp(0.5 * (start->loss + low->loss));
        if (r->job.max_perplexity < exp(start->loss)) r->job.max_perplexity = exp(start->loss);
        for (i = ONEBIT_SEARCH_EXACT; i <= ONEBIT_SEARCH_RANDOM; i++) {
            r->job.max_evaluations = i == ONEBIT_SEARCH_EXACT ? 0 : 70;
            search_check_method(r, i);
        }
        test_case("search: the knapsack ends 1-optimal, at or above the proven smallest");
        r->job.on_evaluation = NULL, r->job.max_evaluations = 0;
        r->job.method = ONEBIT_SEARCH_EXACT;
        CHECK_OK(onebit_search(&r->job, &exact));
        r->job.method = ONEBIT_SEARCH_KNAPSACK;
        memset(search_logs, 0, sizeof search_logs);
        r->job.on_evaluation = search_on_evaluation, r->job.user = &search_logs[0];
        CHECK_OK(onebit_search(&r->job, &out));
        CHECK(exact.proven && out.one_optimal && !out.proven);
        CHECK(out.best.weight_bytes >= exact.best.weight_bytes);
        CHECK(out.bound_bytes > 0 && out.bound_bytes <= out.best.weight_bytes);
        CHECK(search_logs[0].kl[0] == 0.0);
        for (i = 1; i < search_logs[0].n; i++) CHECK(search_logs[0].kl[i] > 0);
        for (i = 0; i < r->groups; i++)
            for (k = 0; k < 3; k++) { /* no single group can go lower */
                char other[16];
                const search_map *m;
                snprintf(other, sizeof other, "%.15s", out.map);
                other[i] = "bt8"[k];
                m = search_find(r, other);
                if (m->weights < out.best.weight_bytes) CHECK(!search_within(&r->job, m));
            }
    }
    search_clean();
    free(r);
}

/* Answers from a log, as a file of an earlier run would. */
static int search_known(void *user, onebit_evaluation *e) {
    const search_log *log = (const search_log *)user - 1; /* the log before the one written */
    int i;
    for (i = 0; i < log->n; i++)
        if (!strcmp(log->map[i], e->map)) {
            e->loss = log->loss[i], e->kl = log->kl[i];
            return 1;
        }
    return 0;
}

static void search_test_resume(void) {
    search_rig *r = (search_rig *)malloc(sizeof *r);
    onebit_search_result whole, rest;
    test_case("search: what was stopped goes on and ends as if it had not been");
    if (r && search_open(r, "num_layers=2 layer_bit_map=ternary", 3, "bt8", 1, 0)) {
        r->job.max_perplexity = exp(search_find(r, "tbtb")->loss) * 1.0001;
        r->job.method = ONEBIT_SEARCH_KNAPSACK, r->job.on_evaluation = search_on_evaluation;
        memset(search_logs, 0, sizeof search_logs);
        r->job.user = &search_logs[0], search_logs[0].stop = 17;
        CHECK_FAILS(onebit_search(&r->job, &rest), ONEBIT_CANCELLED, "stopped");
        r->job.user = &search_logs[1];
        CHECK_OK(onebit_search(&r->job, &whole));
        memset(&search_logs[1], 0, sizeof search_logs[1]);
        r->job.known = search_known;
        CHECK_OK(onebit_search(&r->job, &rest));
        CHECK(search_logs[1].known == 17 && search_logs[1].n == whole.evaluations);
        CHECK(!strcmp(whole.map, rest.map) && whole.best.loss == rest.best.loss);
        CHECK(whole.best.kl == rest.best.kl && whole.bound_bytes == rest.bound_bytes);
    }
    search_clean();
    free(r);
}

static void search_test_accuracy(void) {
    search_rig *r = (search_rig *)malloc(sizeof *r);
    onebit_search_result out;
    int i;
    test_case("search: accuracy is that of the likeliest choice, and limits the map");
    if (r && search_open(r, "num_layers=3 layer_bit_map=ternary", 21, "bt8", 0, 1)) {
        double most = 0, least = 1;
        for (i = 0; i < r->maps; i++) {
            if (r->map[i].accuracy > most) most = r->map[i].accuracy;
            if (r->map[i].accuracy < least) least = r->map[i].accuracy;
        }
        CHECK(most > least); /* else this tests nothing */
        r->job.max_perplexity = 1e6;
        for (i = 0; i < 3; i++) {
            r->job.min_accuracy = i * most / 2;
            search_check_exact(r, "bt8");
        }
        CHECK_OK(onebit_search(&r->job, &out));
        CHECK(fabs(out.best.accuracy - search_find(r, out.map)->accuracy) < 1e-12);
        r->job.min_accuracy = most < 0.9 ? most + 0.1 : 1;
        if (most < 0.9) CHECK_FAILS(onebit_search(&r->job, &out), ONEBIT_LIMIT, "accuracy");
    }
    search_clean();
    free(r);
}

/* Embedding and head take part; the map is the config's, opened and scored by itself. */
static void search_test_ends(void) {
    static const char *const settings[] = {
        "num_layers=2 layer_bit_map=ternary embedding=f16 use_swiglu=false",
        "num_layers=2 layer_bit_map=ternary embedding=f16 tie_word_embeddings=false lm_head=f16"};
    int i, g;
    for (i = 0; i < 2; i++) {
        search_rig *r = (search_rig *)malloc(sizeof *r);
        test_case(i ? "search: an untied head is a group of its own"
                    : "search: ends and single matrices are groups");
        if (r && search_open(r, settings[i], 9, "t", 0, 0))
            for (g = 0; g < 3; g++) {
                onebit_search_result out, alone;
                onebit_search_job again = r->job;
                char text[8192];
                r->job.granularity = g, r->job.search_ends = 1,
                r->job.method = ONEBIT_SEARCH_KNAPSACK;
                r->job.modes[0] = ONEBIT_8BIT, r->job.modes[1] = ONEBIT_TERNARY;
                r->job.mode_count = 2, r->job.max_evaluations = 40;
                r->job.max_perplexity = exp(r->map[0].loss) * 1.05;
                r->job.on_evaluation = NULL;
                CHECK_OK(onebit_search(&r->job, &out));
                CHECK(out.groups == (i ? 2 : 1) + r->config.num_layers * (g == 2 ? 6 + i : g + 1));
                onebit_config_write(&out.config, text, sizeof text);
                again.method = ONEBIT_SEARCH_AS_IS,
                again.open.layer_bit_map = strstr(text, "{\n    \"emb");
                if (CHECK(again.open.layer_bit_map != NULL)) {
                    text[strlen(text) - 2] = 0; /* the brace of the config itself */
                    CHECK_OK(onebit_search(&again, &alone));
                    CHECK(alone.best.loss == out.best.loss && alone.groups == 0);
                    CHECK(alone.best.file_bytes == out.best.file_bytes);
                }
            }
        search_clean();
        free(r);
    }
}

/* Size limits and ceilings below the model as it is must not lead the knapsack astray: where the
   exact search finds a map, it finds one. */
static void search_test_limits(void) {
    search_rig *r = (search_rig *)malloc(sizeof *r);
    onebit_search_result exact, out;
    onebit_rng rng;
    int i, found = 0, solved = 0, below = 0;
    test_case(
        "search: the knapsack finds maps under size limits and better than the model as it is");
    onebit_rng_seed(&rng, 3);
    if (r && search_open(r, "num_layers=2 layer_bit_map=ternary", 17, "bt8", 1, 0))
        for (i = 0; i < 40; i++) {
            const search_map *a = &r->map[test_below(&rng, (uint64_t)r->maps)];
            const search_map *b = &r->map[test_below(&rng, (uint64_t)r->maps)];
            r->job.max_perplexity = exp(a->loss) * 1.003;
            r->job.max_size_mb = i % 2 ? (double)b->file / 1e6 : 0;
            r->job.method = ONEBIT_SEARCH_EXACT;
            if (onebit_search(&r->job, &exact) != ONEBIT_OK) continue;
            r->job.method = ONEBIT_SEARCH_KNAPSACK;
            solved++;
            below += r->job.max_perplexity < exp(search_find(r, "tttt")->loss);
            found += onebit_search(&r->job, &out) == ONEBIT_OK &&
                     out.best.weight_bytes >= exact.best.weight_bytes &&
                     out.bound_bytes <= out.best.weight_bytes;
        }
    if (!CHECK(solved > 20 && below > 10 && found * 10 >= solved * 9))
        printf("  %d found of %d, %d ceilings below the start\n", found, solved, below);
    search_clean();
    free(r);
}

static void search_test_refusals(void) {
    search_rig *r = (search_rig *)malloc(sizeof *r);
    onebit_search_result out;
    onebit_search_job good;
#define REFUSED(change, status, words)                                                             \
    do {                                                                                           \
        onebit_search_job j = good;                                                                \
        change;                                                                                    \
        CHECK_FAILS(onebit_search(&j, &out), status, words);                                       \
    } while (0)
    test_case("search: limits that nothing keeps are named, with the best that was reached");
    if (!r || !search_open(r, "num_layers=2 layer_bit_map=ternary", 2, "bt", 0, 0)) return;
    good = r->job, good.max_perplexity = 1e6;
    REFUSED(j.max_perplexity = 1.5, ONEBIT_LIMIT, "the lowest of 4 measured is");
    CHECK(!out.found && out.evaluations == 4 && out.best.loss > 0 && strlen(out.map) == 2);
    REFUSED(j.max_size_mb = 0.001, ONEBIT_LIMIT, "at most 0.001 MB");
    test_case("search: settings and files that make no sense are refused");
    REFUSED(j.checkpoint = NULL, ONEBIT_USAGE, "a model and a text");
    REFUSED(j.checkpoint = "absent", ONEBIT_IO, "absent");
    REFUSED(j.val_data = "absent.txt", ONEBIT_IO, "absent.txt");
    REFUSED(j.max_perplexity = 0, ONEBIT_USAGE, "max_perplexity");
    REFUSED(j.max_perplexity = NAN, ONEBIT_USAGE, "max_perplexity");
    REFUSED(j.mode_count = 0, ONEBIT_USAGE, "modes");
    REFUSED(j.modes[1] = 9, ONEBIT_USAGE, "no mode");
    REFUSED(j.granularity = 3, ONEBIT_USAGE, "granularity");
    REFUSED(j.method = 9, ONEBIT_USAGE, "method");
    REFUSED(j.max_evaluations = -1, ONEBIT_USAGE, "out of range");
    REFUSED(j.overlap_ratio = NAN, ONEBIT_USAGE, "out of range");
    REFUSED(j.min_accuracy = 0.5, ONEBIT_USAGE, "questions");
    REFUSED(j.questions = "absent.jsonl", ONEBIT_IO, "absent.jsonl");
    REFUSED(j.questions = j.val_data, ONEBIT_FORMAT, "row 1");
    REFUSED(j.open.layer_bit_map = "ternary,binary,binary", ONEBIT_CONFIG, "num_layers is 2");
    CHECK_OK(ob_file_write(search_path("q.jsonl"),
                           "{\"choices\": [\"a\", \"a\"], \"answer\": \"a\"}", 38));
    REFUSED(j.questions = search_path("q.jsonl"), ONEBIT_FORMAT, "2 of the 2 choices");
    CHECK_OK(ob_file_write(search_path("q.jsonl"), "{\"prompt\": \"a\"}\n", 16));
    REFUSED(j.questions = search_path("q.jsonl"), ONEBIT_USAGE, "no row has choices");
    CHECK_FAILS(onebit_search(NULL, &out), ONEBIT_USAGE, "NULL");
#undef REFUSED
    search_clean();
    free(r);
}

/* Weights of a model become the first ones of a trainer. */
static void search_test_adopt(void) {
    model_rig one, two;
    ob_origin origin;
    onebit_position place;
    onebit_env env = onebit_env_default();
    memset(&place, 0, sizeof place);
    test_case("search: a trainer begins with the weights of a model, in other modes too");
    if (model_open(&one, "num_layers=2 layer_bit_map=ternary", "", 2, 16, NULL) &
        model_open(&two, "num_layers=2 layer_bit_map=binary,8bit", "", 2, 16, NULL)) {
        ref_fill(one.trainer, 4);
        CHECK_OK(
            onebit_trainer_save(one.trainer, one.tokenizer, place, search_path("c.safetensors")));
        if (CHECK_OK(ob_origin_open(&origin, search_path("c.safetensors"), NULL, &env))) {
            CHECK_OK(ob_trainer_adopt(two.trainer, &origin));
            CHECK(model_same(one.trainer, two.trainer));
            ob_origin_close(&origin);
        }
    }
    model_close(&two);
    if (model_open(&two, "num_layers=2 layer_bit_map=ternary hidden_size=64", "", 2, 16, NULL) &&
        CHECK_OK(ob_origin_open(&origin, search_path("c.safetensors"), NULL, &env))) {
        CHECK_FAILS(ob_trainer_adopt(two.trainer, &origin), ONEBIT_CONFIG, "but there it is");
        ob_origin_close(&origin);
    }
    model_close(&one);
    model_close(&two);
    search_clean();
}

static void test_search(void) {
    search_env = onebit_env_default();
    search_env.threads = 1;
    search_test_exact();
    search_test_methods();
    search_test_resume();
    search_test_accuracy();
    search_test_ends();
    search_test_limits();
    search_test_refusals();
    search_test_adopt();
}
