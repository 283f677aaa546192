/* test_foreign.c - models that other programs made: llama2.c, GGUF, Hugging Face. Real files come
   from the shared data, where they are; others are made here, byte by byte. */

/* ---- real models: greedy text and logits ---- */

/* Numbers of a JSON array into out; how many. */
static int foreign_numbers(ob_json *j, double *out, int most) {
    int n = 0;
    for (ob_json_array(j); ob_json_item(j);) {
        double v = ob_json_number(j);
        if (n < most) out[n++] = v;
    }
    return n;
}

/* One line of golden-greedy.jsonl, made by the models' own programs. */
typedef struct foreign_golden {
    char model[64];
    double prompt[64], greedy[256], logits[16];
    int prompts, greedies, logit_count;
} foreign_golden;

static void foreign_read_golden(foreign_golden *g, const char *line, size_t n) {
    ob_json j = ob_json_on(line, n, "golden");
    ob_slice key;
    memset(g, 0, sizeof *g);
    ob_json_object(&j);
    while (ob_json_key(&j, &key)) {
        if (ob_slice_is(key, "model")) ob_json_string(&j, g->model, sizeof g->model);
        else if (ob_slice_is(key, "prompt_ids")) g->prompts = foreign_numbers(&j, g->prompt, 64);
        else if (ob_slice_is(key, "greedy_ids")) g->greedies = foreign_numbers(&j, g->greedy, 256);
        else if (ob_slice_is(key, "logits_after_prompt_0_15"))
            g->logit_count = foreign_numbers(&j, g->logits, 16);
        else ob_json_skip(&j);
    }
    CHECK_OK(ob_json_end(&j));
}

/* The likeliest id, the lowest on a tie. */
static int foreign_best(const float *logits, int n) {
    int i, best = 0;
    for (i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Runs one line: the first 16 logits behind the prompt, then greedily. */
static void foreign_check_golden(const foreign_golden *g) {
    char name[128];
    onebit_model *m = NULL;
    onebit_session *s = NULL;
    int i, same = 0;
    double worst = 0;
    snprintf(name, sizeof name, "models/%s.bin", g->model);
    if (!CHECK(test_data(name) != NULL)) return;
    if (!CHECK_OK(onebit_model_open(&m, test_data(name), NULL))) return;
    CHECK_OK(onebit_session_create(&s, m, NULL, NULL));
    for (i = 0; i < g->prompts; i++) {
        int32_t id = (int32_t)g->prompt[i];
        CHECK_OK(onebit_session_eval(s, &id, 1, NULL));
    }
    for (i = 0; i < g->logit_count; i++) {
        double d = fabs((double)onebit_session_logits(s)[i] - g->logits[i]);
        worst = d > worst ? d : worst;
    }
    for (i = 0; i < g->greedies; i++) {
        int32_t id = foreign_best(onebit_session_logits(s), onebit_model_config(m)->vocab_size);
        if (id != (int32_t)g->greedy[i]) break;
        same++;
        CHECK_OK(onebit_session_eval(s, &id, 1, NULL));
    }
    if (!CHECK(worst < 1e-3) || !CHECK(same == g->greedies && same > 50))
        printf("%s: logits differ by %g, %d of %d greedy ids are the same\n", g->model, worst, same,
               g->greedies);
    onebit_session_free(s);
    onebit_model_free(m);
}

static void foreign_test_golden(void) {
    foreign_golden g;
    ob_map map;
    ob_slice text, line;
    int lines = 0;
    test_case("foreign: llama2.c's and bitllama2.c's models give their own greedy text");
    if (!test_data("models/golden-greedy.jsonl")) {
        test_skip("no shared data");
        return;
    }
    if (!CHECK_OK(ob_map_open(&map, test_data("models/golden-greedy.jsonl")))) return;
    text = ob_slice_on((const char *)map.data, map.bytes);
    while (text.n) {
        line = ob_line(&text);
        if (!line.n) continue;
        foreign_read_golden(&g, line.p, line.n);
        foreign_check_golden(&g);
        lines++;
    }
    CHECK(lines == 6);
    ob_map_close(&map);
}

static void test_foreign(void) { foreign_test_golden(); }
