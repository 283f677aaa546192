/* test_foreign.c - models that other programs made: llama2.c, GGUF, Hugging Face; and our models
   written for them. Real files come from the shared data, where they are; others are made here.
   Uses the rigs of test_model.c. */

#ifdef ONEBIT_NO_FILES
static void test_foreign(void) {
    test_case("foreign: there are no files here");
    CHECK(1);
}
#else

#include <ctype.h>

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

/* Runs one line: the first 16 logits behind the prompt, whose largest difference is returned, then
   greedily. */
static double foreign_check_golden(const foreign_golden *g) {
    char name[128];
    onebit_model *m = NULL;
    onebit_session *s = NULL;
    int i, same = 0;
    double worst = 0;
    snprintf(name, sizeof name, "models/%s.bin", g->model);
    if (!CHECK(test_data(name) != NULL)) return 1;
    if (!CHECK_OK(onebit_model_open(&m, test_data(name), NULL))) return 1;
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
    if (!CHECK(same == g->greedies && same > 50))
        printf("%s: %d of %d greedy ids are the same\n", g->model, same, g->greedies);
    onebit_session_free(s);
    onebit_model_free(m);
    return worst;
}

/* One of the lines of the ternary models has an input at the middle between two codes, which the two
   programs round to different sides. */
static void foreign_test_golden(void) {
    foreign_golden g;
    ob_map map;
    ob_slice text, line;
    int lines = 0, close[2] = {0, 0};
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
        close[strncmp(g.model, "bit", 3) == 0] += foreign_check_golden(&g) < 1e-4;
        lines++;
    }
    CHECK(lines == 6 && close[0] == 2 && close[1] >= 3);
    ob_map_close(&map);
}

/* Nats of the story at *text, up to the next mark, with the start token, at most 512 tokens. */
static double foreign_story(onebit_session *s, const onebit_tokenizer *words, ob_slice *text,
                            size_t *scored) {
    static const char mark[] = "<|endoftext|>";
    int32_t ids[1500];
    size_t n = 0, count = 0, from = 0;
    double nats = 0;
    while (n < text->n && strncmp(text->p + n, mark, sizeof mark - 1)) n++;
    CHECK(n < text->n);
    *scored = 0;
    for (count = n; count > from && isspace((unsigned char)text->p[from]);) from++;
    while (count > from && isspace((unsigned char)text->p[count - 1])) count--;
    ids[0] = onebit_tokenizer_start(words);
    CHECK_OK(onebit_tokenizer_encode(words, ids + 1, 1499, &count, text->p + from, count - from, 0));
    count = count + 1 < 512 ? count + 1 : 512;
    CHECK_OK(onebit_score(s, ids, count, 1, &nats, scored));
    text->p += n + sizeof mark - 1, text->n -= n + sizeof mark - 1;
    return nats;
}

/* The numbers are those of the shared data's README, measured with the models' own programs. */
static void foreign_test_anchors(void) {
    static const struct {
        const char *name;
        double nats;
    } rows[] = {{"stories260K", 1.3008}, {"bitllama2c-1MB", 1.3794}, {"bitllama2c-3MB", 1.2292}};
    onebit_open_options o = onebit_open_options_default();
    char path[1100], words[1100];
    ob_map map;
    int i, k;
    test_case("foreign: nats of sixty stories under three real models");
    if (!test_data("text/tinystories-v2-train-1MB.txt")) {
        test_skip("no shared data");
        return;
    }
    snprintf(words, sizeof words, "%s", test_data("models/stories260K-tok512.bin"));
    o.tokenizer = words;
    if (!CHECK_OK(ob_map_open(&map, test_data("text/tinystories-v2-train-1MB.txt")))) return;
    for (i = 0; i < 3; i++) {
        ob_slice text = ob_slice_on((const char *)map.data, map.bytes);
        onebit_model *m = NULL;
        onebit_session *s = NULL;
        size_t all = 0, n;
        double nats = 0;
        snprintf(path, sizeof path, "models/%s.bin", rows[i].name);
        CHECK_OK(onebit_model_open_with(&m, test_data(path), &o, NULL));
        CHECK_OK(onebit_session_create(&s, m, NULL, NULL));
        for (k = 0; s && k < 60; k++, all += n)
            nats += foreign_story(s, onebit_model_tokenizer(m), &text, &n);
        CHECK(all == 22501);
        if (!CHECK(fabs(nats / 22501 - rows[i].nats) <= 0.002))
            printf("%s: %.4f nats, not %.4f\n", rows[i].name, nats / 22501, rows[i].nats);
        onebit_session_free(s);
        onebit_model_free(m);
    }
    ob_map_close(&map);
}

static void test_foreign(void) {
    foreign_test_golden();
    foreign_test_anchors();
}
#endif /* ONEBIT_NO_FILES */
