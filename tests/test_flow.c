/* test_flow.c - .1bit files against hostile bytes, and the two flows: train and generate. */

/* A text with some structure, long enough for a few windows. */
static char *flow_text(size_t *bytes) {
    static const char *const who[] = {"The cat", "A dog", "My owl", "One fox"};
    static const char *const what[] = {" sat on the mat.", " ran to the mill.", " saw the sea."};
    onebit_rng rng;
    char *text = (char *)malloc(60000);
    size_t n = 0;
    onebit_rng_seed(&rng, 7);
    while (n < 40000) {
        uint64_t a = ob_rng_next(&rng);
        n += (size_t)sprintf(text + n, "%s%s%s", who[a % 4], what[(a >> 8) % 3],
                             (a >> 16) % 8 ? " " : "\n<|endoftext|>\n");
    }
    *bytes = n;
    return text;
}

/* A small trained-for-one-step model as a .1bit image; free it. */
static uint8_t *flow_image(size_t *bytes) {
    onebit_config c = onebit_config_default();
    onebit_train_options o = onebit_train_options_default();
    onebit_tokenizer *words = NULL;
    onebit_trainer *t = NULL;
    uint8_t *image;
    CHECK_OK(onebit_tokenizer_train(&words, ONEBIT_TOKENIZER_BYTE, NULL, 0, 0, NULL));
    c.vocab_size = onebit_tokenizer_vocab_size(words);
    c.hidden_size = 16, c.num_layers = 1, c.num_heads = 2, c.intermediate_size = 24;
    c.max_seq_len = 16, c.embedding_mode = ONEBIT_8BIT, o.batch_size = 1;
    CHECK_OK(onebit_trainer_create(&t, &c, &o, NULL));
    *bytes = onebit_trainer_pack(t, words, NULL, 0);
    image = (uint8_t *)malloc(*bytes);
    CHECK(onebit_trainer_pack(t, words, image, *bytes) == *bytes);
    CHECK(onebit_config_model_bytes(onebit_trainer_config(t), words) == *bytes);
    CHECK(onebit_config_model_bytes(NULL, words) == 0);
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
    return image;
}

/* Opens bytes that may be damaged; a model that opens anyway must run. */
static int flow_try(const uint8_t *image, size_t bytes) {
    onebit_model *m = NULL;
    onebit_session *s = NULL;
    int32_t ids[3] = {1, 2, 3};
    uint8_t *copy = (uint8_t *)malloc(bytes + 1); /* so that a sanitizer sees a read past the end */
    int opened;
    memcpy(copy, image, bytes);
    opened = onebit_model_open_memory(&m, copy, bytes, NULL) == ONEBIT_OK;
    if (opened && onebit_session_create(&s, m, NULL, NULL) == ONEBIT_OK)
        opened = onebit_session_eval(s, ids, 3, NULL) == ONEBIT_OK;
    onebit_session_free(s);
    onebit_model_free(m);
    free(copy);
    return opened;
}

/* Writes the checksum that the bytes should have, so that the checks behind it are reached. */
static void flow_reseal(uint8_t *image, size_t bytes) {
    ob_put64(image + 16, ob_hash64(image + 24, bytes - 24, 0));
}

static void flow_test_hostile(void) {
    size_t bytes, i, records;
    uint8_t *image, *bad;
    int bit;
    test_case("files: a .1bit file cut off anywhere is refused");
    image = flow_image(&bytes);
    bad = (uint8_t *)malloc(bytes + 64);
    CHECK(flow_try(image, bytes));
    for (i = 0; i < bytes; i += i < 4096 ? 1 : 61) CHECK(!flow_try(image, i));
    memcpy(bad, image, bytes);
    memset(bad + bytes, 0, 64);
    CHECK(!flow_try(bad, bytes + 64));

    test_case("files: any damaged byte of a .1bit file is noticed");
    for (i = 0; i < bytes; i += i < 2048 ? 1 : 37) {
        bad[i] = (uint8_t)(bad[i] ^ 0x40);
        CHECK(!flow_try(bad, bytes));
        bad[i] = image[i];
    }

    test_case("files: a head and table that lie, under a right checksum, never crash");
    records = OB_HEAD_BYTES + 16u * OB_RECORD_BYTES;
    for (i = 24; i < records && i < bytes; i++)
        for (bit = 0; bit < 8; bit += 1 + (i > 512) * 3) {
            bad[i] = (uint8_t)(image[i] ^ (1 << bit));
            flow_reseal(bad, bytes);
            flow_try(bad, bytes);
            bad[i] = image[i];
        }
    for (i = 24; i + 8 <= records; i += 4) {
        memset(bad + i, 0xff, 8);
        flow_reseal(bad, bytes);
        CHECK(!flow_try(bad, bytes) || i >= OB_HEAD_BYTES);
        memcpy(bad + i, image + i, 8);
    }
    free(bad);
    free(image);
}

/* Packing twice gives the same bytes; the memory may stand anywhere. */
static void flow_test_image(void) {
    size_t a, b, i;
    uint8_t *one, *two, *moved;
    onebit_model *m = NULL;
    onebit_tensor_info info;
    test_case("files: packing is deterministic, and an unaligned image opens");
    one = flow_image(&a), two = flow_image(&b);
    CHECK(a == b && memcmp(one, two, a) == 0);
    moved = (uint8_t *)malloc(a + 64);
    memcpy(moved + 3, one, a);
    CHECK_OK(onebit_model_open_memory(&m, moved + 3, a, NULL));
    for (i = 0; onebit_model_tensor(m, (int)i, &info) == ONEBIT_OK; i++)
        CHECK(info.rows > 0 && info.cols > 0 && info.bytes > 0);
    CHECK(i == 11);
    onebit_model_free(m);
    free(one);
    free(two);
    free(moved);
}

/* ---- The flows ---- */

static char flow_dir[256];

static const char *flow_path(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", flow_dir, name);
    return path;
}

/* Counts progress by kind; stops the run at a step when asked to. */
typedef struct flow_watch {
    int count[256], stop_at;
    char notes[2048]; /* of the start and of warnings */
} flow_watch;

static int flow_progress(void *user, const onebit_progress *p) {
    flow_watch *w = (flow_watch *)user;
    size_t n = strlen(w->notes);
    w->count[p->kind & 255]++;
    if (p->kind == 'b' || p->kind == 'w')
        snprintf(w->notes + n, sizeof w->notes - n, "%s\n", p->note);
    return w->stop_at > 0 && p->kind == 's' && p->step.step >= w->stop_at;
}

static void flow_job(onebit_train_job *job, onebit_config *c, onebit_train_options *o,
                     flow_watch *w, const char *out) {
    *c = onebit_config_default();
    *o = onebit_train_options_default();
    c->vocab_size = 300, c->hidden_size = 32, c->num_layers = 2, c->num_heads = 2;
    c->intermediate_size = 48, c->max_seq_len = 32;
    o->max_steps = 24, o->batch_size = 4, o->eval_every = 8, o->save_every = 12, o->log_every = 4;
    o->lr_warmup_steps = 4, o->eval_batches = 2, o->debug_every = 12;
    memset(w, 0, sizeof *w);
    *job = onebit_train_job_default();
    job->data_dir = flow_path("text.txt");
    job->config = c, job->options = o, job->output_dir = out;
    job->on_progress = flow_progress, job->user = w;
}

static int flow_same_file(const char *a, const char *b) {
    ob_map one, two;
    int same = 0;
    if (ob_map_open(&one, a) != ONEBIT_OK) return 0;
    if (ob_map_open(&two, b) == ONEBIT_OK) {
        same = one.bytes == two.bytes && memcmp(one.data, two.data, one.bytes) == 0;
        ob_map_close(&two);
    }
    ob_map_close(&one);
    return same;
}

static void flow_test_train(void) {
    static const char *const files[] = {"model.1bit",  "model.safetensors",      "config.json",
                                        "tokenizer.json", "checkpoint.safetensors", "metrics.csv",
                                        "loss.svg"};
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result result;
    flow_watch w;
    char text_path[300], whole[300], halves[300], file[512], other[512];
    size_t bytes, i;
    char *text = flow_text(&bytes);
    snprintf(text_path, sizeof text_path, "%s", flow_path("text.txt"));
    snprintf(whole, sizeof whole, "%s", flow_path("whole"));
    snprintf(halves, sizeof halves, "%s", flow_path("halves"));
    test_case("flow: onebit_train writes a model that has learnt, and every file it promises");
    CHECK_OK(ob_make_directory(flow_dir));
    CHECK_OK(ob_file_write(text_path, text, bytes));
    flow_job(&job, &c, &o, &w, whole);
    job.data_dir = text_path;
    if (!CHECK_OK(onebit_train(&job, &result))) return;
    CHECK(result.steps == 24 && result.val_loss > 0 && result.val_loss < 5.0);
    CHECK(result.bits_per_byte > 0 && result.model_bytes > 1000);
    for (i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(file, sizeof file, "%s/%s", whole, files[i]);
        CHECK(ob_file_exists(file));
    }
    CHECK(w.count['s'] == 24 && w.count['v'] == 3 && w.count['c'] == 2 && w.count['q'] == 4);
    CHECK(w.count['b'] == 1 && w.count['e'] == 1 && w.count['w'] == 0);

    test_case("flow: a run that is stopped and resumed ends with the same bytes");
    flow_job(&job, &c, &o, &w, halves);
    job.data_dir = text_path, w.stop_at = 9;
    CHECK(onebit_train(&job, NULL) == ONEBIT_CANCELLED);
    snprintf(file, sizeof file, "%s/model.1bit", halves);
    CHECK(!ob_file_exists(file));
    w.stop_at = 0, job.resume = halves;
    CHECK_OK(onebit_train(&job, NULL));
    snprintf(other, sizeof other, "%s/model.1bit", whole);
    CHECK(flow_same_file(file, other));
    snprintf(file, sizeof file, "%s/checkpoint.safetensors", halves);
    snprintf(other, sizeof other, "%s/checkpoint.safetensors", whole);
    CHECK(flow_same_file(file, other));

    test_case("flow: a job without data or with a bad setting says so");
    job = onebit_train_job_default();
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_USAGE, "--data-dir");
    flow_job(&job, &c, &o, &w, whole);
    job.data_dir = "/no/such/place";
    CHECK(onebit_train(&job, NULL) != ONEBIT_OK);
    CHECK(strstr(onebit_error_text(), "/no/such/place") != NULL);
    free(text);
}

/* The first cell of the last record of a CSV, whose steps must rise. */
static int flow_last_step(const char *path) {
    const char *p, *end;
    double step, last = -1;
    ob_map map;
    if (!CHECK_OK(ob_map_open(&map, path))) return -1;
    p = (const char *)map.data, end = p + map.bytes;
    ob_csv_record(&p, end, &step, 1);
    for (; p < end && ob_csv_record(&p, end, &step, 1) && CHECK(step > last);) last = step;
    ob_map_close(&map);
    return (int)last;
}

/* Windows of epochs [0, epochs) of the dataset that a run trains on. */
static size_t flow_windows(const onebit_train_options *o, const onebit_tokenizer *words, int T,
                           uint64_t epochs) {
    onebit_dataset *data = NULL;
    size_t offset, windows, sum = 0;
    if (!CHECK_OK(onebit_dataset_open(&data, flow_path("short.txt"), words, NULL, NULL))) return 0;
    CHECK_OK(onebit_dataset_split(data, o->val_fraction));
    data->seed = (uint64_t)o->seed;
    for (data->source->at.epoch = 0; data->source->at.epoch < epochs; data->source->at.epoch++) {
        ob_epoch_cut(data, data->source, (size_t)T, &offset, &windows);
        sum += windows;
    }
    onebit_dataset_free(data);
    return sum;
}

/* A run of so many epochs ends with the first update that has seen all their windows; steps, when
   not 0, is a max_steps that comes earlier or later. stop_at: the run is cut there and resumed. */
static void flow_check_epochs(int epochs, int steps, int stop_at) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result result;
    onebit_tokenizer *words = NULL;
    onebit_trainer *t = NULL;
    onebit_position p;
    flow_watch w;
    char text_path[300], out[300];
    size_t per_step, wanted, seen;
    snprintf(text_path, sizeof text_path, "%s", flow_path("short.txt"));
    snprintf(out, sizeof out, "%s", flow_path("epochs"));
    flow_job(&job, &c, &o, &w, out);
    o.max_steps = steps, o.max_epochs = epochs, o.seed = 5;
    o.batch_size = 1, o.accumulation_steps = 2; /* small, so that a window more or less shows */
    job.data_dir = text_path, w.stop_at = stop_at, job.tokenizer_kind = "byte";
    if (stop_at) {
        CHECK(onebit_train(&job, NULL) == ONEBIT_CANCELLED);
        w.stop_at = 0, job.resume = out;
    }
    if (!CHECK_OK(onebit_train(&job, &result))) return;
    CHECK_OK(onebit_trainer_load(&t, &words, &p, flow_path("epochs/checkpoint.safetensors"), NULL,
                                 NULL));
    per_step = (size_t)(o.batch_size * o.accumulation_steps);
    wanted = (flow_windows(&o, words, 32, (uint64_t)epochs) + per_step - 1) / per_step;
    if (steps && (size_t)steps < wanted) wanted = (size_t)steps;
    seen = flow_windows(&o, words, 32, p.epoch) + (size_t)p.index;
    if (!CHECK((size_t)result.steps == wanted && seen == wanted * per_step))
        printf("%d steps, %zu windows; expected %zu steps\n", result.steps, seen, wanted);
    CHECK(w.count['s'] == (int)wanted);
    onebit_trainer_free(t);
    onebit_tokenizer_free(words);
}

static void flow_test_epochs(void) {
    size_t bytes;
    char *text = flow_text(&bytes);
    test_case("flow: max_epochs ends a run with the update that completes them");
    CHECK_OK(ob_file_write(flow_path("short.txt"), text, 4000));
    free(text);
    flow_check_epochs(1, 0, 0);
    flow_check_epochs(5, 0, 0);
    flow_check_epochs(1, 7, 0);
    flow_check_epochs(1, 5000, 0);
    flow_check_epochs(1, 0, 4);
}

/* ---- Data ---- */

/* Stops a run at its ninth update, resumes it, and compares with the run that went through. */
static void flow_check_data(onebit_train_job job, flow_watch *w, const char *name) {
    char whole[300], halves[300], a[512], b[512];
    snprintf(whole, sizeof whole, "%s/%s-whole", flow_dir, name);
    snprintf(halves, sizeof halves, "%s/%s-halves", flow_dir, name);
    memset(w, 0, sizeof *w);
    job.output_dir = whole;
    CHECK_OK(onebit_train(&job, NULL));
    w->stop_at = 9;
    job.output_dir = halves;
    CHECK(onebit_train(&job, NULL) == ONEBIT_CANCELLED);
    w->stop_at = 0, job.resume = halves;
    CHECK_OK(onebit_train(&job, NULL));
    snprintf(a, sizeof a, "%s/checkpoint.safetensors", whole);
    snprintf(b, sizeof b, "%s/checkpoint.safetensors", halves);
    CHECK(flow_same_file(a, b));
}

static void flow_write(const char *name, const char *text, size_t n) {
    CHECK_OK(ob_file_write(flow_path(name), text, n));
}

/* The best loss that a checkpoint knows is the lowest of the metrics. */
static void flow_check_best(const char *run, const char *metrics) {
    onebit_trainer *t = NULL;
    double column[OB_METRIC_COLUMNS], best = 1e9;
    char path[600];
    const char *p, *end;
    ob_map map;
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", run);
    CHECK_OK(onebit_trainer_load(&t, NULL, NULL, path, NULL, NULL));
    if (!t || !CHECK_OK(ob_map_open(&map, metrics))) return;
    for (p = (const char *)map.data, end = p + map.bytes; p < end;)
        if (ob_csv_record(&p, end, column, OB_METRIC_COLUMNS) && column[3] < best) best = column[3];
    CHECK(best < 100 && t->notes.best_loss == best);
    ob_map_close(&map);
    onebit_trainer_free(t);
}

static void flow_test_data(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result replies, all;
    flow_watch w;
    char dir[300], paths[900], file[512], rows[8000];
    size_t bytes, n = 0, i;
    char *text = flow_text(&bytes);
    for (i = 0; i < 120; i++)
        n += (size_t)sprintf(rows + n, "{\"input\":\"how many %d\",\"output\":\"so many\"}\n",
                             (int)i * 7919 % 1000);
    test_case("flow: files that are named for validation become it, and test files are left out");
    CHECK_OK(ob_make_directory(flow_path("texts")));
    flow_write("texts/a.train.txt", text, 20000);
    flow_write("texts/a.valid.txt", text + 20000, 3000);
    flow_write("texts/a.test.txt", text + 23000, 3000);
    snprintf(dir, sizeof dir, "%s", flow_path("texts"));
    snprintf(file, sizeof file, "%s", flow_path("out"));
    flow_job(&job, &c, &o, &w, file);
    job.data_dir = dir, job.tokenizer_kind = "byte", o.max_steps = 12;
    CHECK_OK(onebit_train(&job, &all));
    CHECK(strstr(w.notes, "a.test.txt is left out") && strstr(w.notes, " k training"));
    CHECK(strstr(w.notes, "files named for validation") && w.count['w'] == 2);
    CHECK(strstr(w.notes, "a.valid.txt is held out"));
    memset(&w, 0, sizeof w);
    job.include_held_out = 1;
    CHECK_OK(onebit_train(&job, NULL));
    CHECK(strstr(w.notes, " k training") && w.count['w'] == 0 && !strstr(w.notes, "named"));

    test_case("flow: only replies are learnt, unless loss_on_input asks for more");
    flow_write("rows.jsonl", rows, n);
    snprintf(dir, sizeof dir, "%s", flow_path("rows.jsonl"));
    flow_job(&job, &c, &o, &w, file);
    job.data_dir = dir, job.tokenizer_kind = "byte", c.vocab_size = 0, o.max_steps = 60;
    CHECK_OK(onebit_train(&job, &replies));
    CHECK(strstr(w.notes, "{prompt}\\n{reply}"));
    o.loss_on_input = 1;
    CHECK_OK(onebit_train(&job, &all));
    CHECK(replies.val_loss > 0 && replies.val_loss < 0.7 * all.val_loss);
    CHECK(replies.bits_per_byte > 0 && replies.bits_per_byte < all.bits_per_byte);
    o.loss_on_input = 0;
    flow_check_data(job, &w, "rows");
    c.chat_template[0] = 0;
    CHECK_OK(onebit_checkpoint_settings(&c, NULL, flow_path("rows-halves"), NULL));
    CHECK(!strcmp(c.chat_template, "{prompt}\n{reply}"));

    test_case("flow: the best model of a run on replies is judged by replies; its twin trains too");
    job.output_dir = file, job.resume = NULL, job.twin = 1, o.keep_best = 1, o.eval_batches = 1000;
    memset(&w, 0, sizeof w);
    CHECK_OK(onebit_train(&job, &replies));
    CHECK(w.count['s'] == 120 && replies.twin_val_loss > 0);
    flow_check_best(file, flow_path("out/metrics.csv"));

    test_case("flow: updates without a reply in their batches are no measurement");
    n = 0;
    for (i = 0; i < 8; i++)
        n += (size_t)sprintf(rows + n, "{\"input\":\"%0400d\",\"output\":\"so many\"}\n", (int)i);
    flow_write("long.jsonl", rows, n);
    flow_job(&job, &c, &o, &w, file);
    snprintf(paths, sizeof paths, "%s", flow_path("long.jsonl"));
    job.data_dir = paths, job.tokenizer_kind = "byte", c.vocab_size = 0;
    o.max_steps = 40, o.batch_size = 1, o.val_fraction = 0, o.lr = 1e-5;
    CHECK_OK(onebit_train(&job, &replies));
    CHECK(replies.train_loss > 5 && replies.train_loss < 7);

    test_case("flow: mixtures and streams resume bit for bit, and passes are counted");
    snprintf(paths, sizeof paths, "%s,%s/a.train.txt", dir, flow_path("texts"));
    flow_job(&job, &c, &o, &w, file);
    job.data_dir = paths, job.data_weights = "1,3", job.tokenizer_kind = "byte", c.vocab_size = 0;
    flow_check_data(job, &w, "mixed");
    job.streaming = 1, o.stream_buffer = 4096;
    flow_check_data(job, &w, "streams");
    CHECK(strstr(w.notes, "--val-data-dir") && strstr(w.notes, "streamed data"));
    job.data_dir = dir, job.data_weights = NULL, o.max_epochs = 2, o.max_steps = 0;
    o.eval_every = 0;
    CHECK_OK(onebit_train(&job, &all));
    job.streaming = 0, o.val_fraction = 0;
    CHECK_OK(onebit_train(&job, &replies));
    CHECK(all.steps == 40 && all.val_loss == 0); /* a stream counts tokens, memory windows */
    CHECK(replies.steps <= 40 && replies.steps >= 38);

    test_case("flow: ids without their tokenizer, and data that is not there, are errors");
    {
        const int32_t ids[3] = {1, 2, 3};
        CHECK_OK(onebit_tokens_write(flow_path("texts/x.tokens"), ids, 3));
    }
    snprintf(dir, sizeof dir, "%s", flow_path("texts"));
    flow_job(&job, &c, &o, &w, file);
    job.data_dir = dir;
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_USAGE, "x.tokens holds ids: name their --token");
    snprintf(dir, sizeof dir, "%s", flow_path("absent"));
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_IO, "absent does not exist (see --data-dir)");
    free(text);
}

/* Windows of which nothing is scored. */
static void flow_test_unscored(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    flow_watch w;
    onebit_trainer *t = NULL;
    onebit_step_report step;
    int32_t in[4 * 32], none[4 * 32], some[4 * 32];
    double loss = 7, other = 7;
    size_t scored = 0, i;
    test_case("flow: a batch without anything to learn gives no loss and no harm");
    flow_job(&job, &c, &o, &w, NULL);
    for (i = 0; i < 128; i++) in[i] = (int32_t)(i % 50), none[i] = -1, some[i] = i < 3 ? 9 : -1;
    CHECK_OK(onebit_trainer_create(&t, &c, &o, NULL));
    if (!t) return;
    CHECK_OK(onebit_trainer_accumulate(t, in, none, &loss));
    CHECK(loss == 0);
    CHECK_OK(onebit_trainer_update(t, &step));
    CHECK(step.loss == 0 && step.grad_norm == 0);
    CHECK_OK(onebit_trainer_accumulate(t, in, some, &loss));
    CHECK_OK(onebit_trainer_update(t, &step));
    CHECK(loss > 1 && loss < 20 && step.grad_norm > 0);
    test_case("flow: validation means over what is scored alone");
    CHECK_OK(ob_trainer_score(t, in, some, 128, 0, &loss, &scored));
    CHECK_OK(onebit_trainer_evaluate(t, in, some, 1, 32, &other));
    CHECK(scored == 3 && fabs(loss - other) < 1e-12);
    some[127] = 4; /* the windows that are asked for score nothing: it goes on until one does */
    CHECK_OK(ob_trainer_score(t, in, some + 3, 125, 1, &loss, &scored));
    CHECK(scored == 1);
    CHECK_FAILS(ob_trainer_score(t, in, none, 128, 0, &loss, &scored), ONEBIT_USAGE, "none of");
    onebit_trainer_free(t);
}

typedef struct flow_catch {
    char text[4096];
    size_t n;
    int calls, stop_after;
} flow_catch;

static int flow_take(void *user, const char *text, size_t n) {
    flow_catch *c = (flow_catch *)user;
    if (c->n + n < sizeof c->text) memcpy(c->text + c->n, text, n), c->n += n;
    c->text[c->n] = 0;
    return ++c->calls == c->stop_after;
}

static void flow_test_generate(void) {
    static const char *const stops[] = {"mat", " ran to", NULL};
    onebit_model *m = NULL;
    onebit_session *s = NULL;
    onebit_session_options so = onebit_session_options_default();
    onebit_generate_options o = onebit_generate_options_default();
    onebit_generation g;
    flow_catch a, b;
    int i;
    test_case("flow: generation is reproducible by its seed");
    if (!CHECK_OK(onebit_model_open(&m, flow_path("whole/model.1bit"), NULL))) return;
    o.sample.max_tokens = 20, o.sample.seed = 3;
    for (i = 0; i < 2; i++) {
        flow_catch *c = i ? &b : &a;
        memset(c, 0, sizeof *c);
        CHECK_OK(onebit_session_create(&s, m, NULL, NULL));
        CHECK_OK(onebit_generate(s, "The cat", &o, flow_take, c, &g));
        onebit_session_free(s);
    }
    CHECK(a.n > 0 && strcmp(a.text, b.text) == 0);

    test_case("flow: stop strings end the text and are not shown");
    so.slide = 1;
    o.stop = stops, o.sample.max_tokens = 400;
    for (i = 0; i < 8; i++) {
        memset(&a, 0, sizeof a);
        o.sample.seed = i;
        CHECK_OK(onebit_session_create(&s, m, &so, NULL));
        CHECK_OK(onebit_generate(s, "The cat", &o, flow_take, &a, &g));
        CHECK(!strstr(a.text, "mat") && !strstr(a.text, " ran to"));
        CHECK(strcmp(g.stopped, "context") != 0);
        onebit_session_free(s);
    }

    test_case("flow: a full context ends the text, or slides when asked to; a callback stops it");
    o.stop = NULL;
    so.slide = 0;
    o.sample.max_tokens = 200, o.sample.temperature = 1.5;
    for (i = 0; i < 2; i++) {
        so.slide = i;
        CHECK_OK(onebit_session_create(&s, m, &so, NULL));
        CHECK_OK(onebit_generate(s, "My owl saw the sea. A dog", &o, NULL, NULL, &g));
        CHECK(strcmp(g.stopped, "end") == 0 || strcmp(g.stopped, i ? "length" : "context") == 0);
        onebit_session_free(s);
    }
    memset(&a, 0, sizeof a);
    a.stop_after = 2;
    CHECK_OK(onebit_session_create(&s, m, &so, NULL));
    CHECK_OK(onebit_generate(s, "One fox", &o, flow_take, &a, &g));
    CHECK(strcmp(g.stopped, "caller") == 0 && a.calls == 2);
    CHECK_FAILS(onebit_generate(s, NULL, &o, NULL, NULL, NULL), ONEBIT_USAGE, "NULL");
    onebit_session_free(s);
    onebit_model_free(m);
}

/* Two metrics.csv are the same but for the columns of time, the last two. */
static int flow_same_metrics(const char *a, const char *b) {
    ob_map one, two;
    size_t i = 0, j = 0;
    int same = 1, commas = 0;
    if (ob_map_open(&one, a) != ONEBIT_OK) return 0;
    if (ob_map_open(&two, b) != ONEBIT_OK) same = 0;
    while (same && i < one.bytes && j < two.bytes) {
        if (one.data[i] != two.data[j]) same = 0;
        commas = one.data[i] == '\n' ? 0 : commas + (one.data[i] == ',');
        i++, j++;
        if (commas < 7) continue; /* behind step .. grad_norm: both go to the end of the line */
        while (i < one.bytes && one.data[i] != '\n') i++;
        while (j < two.bytes && two.data[j] != '\n') j++;
    }
    same = same && i == one.bytes && j == two.bytes;
    ob_map_close(&one);
    if (two.data) ob_map_close(&two);
    return same;
}

/* Path of a file in a directory of the run; the last four stay valid. */
static const char *flow_in(const char *dir, const char *name) {
    static char paths[4][600];
    static int next;
    char *path = paths[next++ & 3];
    snprintf(path, sizeof paths[0], "%s/%s/%s", flow_dir, dir, name);
    return path;
}

/* Copies an output directory as a kill would leave it: what was there at that moment. */
static void flow_copy(const char *from, const char *to) {
    static const char *const names[] = {"checkpoint.safetensors", "metrics.csv",
                                        "checkpoint-6.safetensors", "checkpoint-12.safetensors",
                                        "model-best.1bit"};
    ob_map map;
    size_t i;
    CHECK_OK(ob_make_directory(flow_in(to, "")));
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        if (ob_map_open(&map, flow_in(from, names[i])) != ONEBIT_OK) continue;
        CHECK_OK(ob_file_write(flow_in(to, names[i]), map.data, map.bytes));
        ob_map_close(&map);
    }
}

/* Copies the output directory in the middle of an update, as a kill there would leave it. */
typedef struct flow_killer {
    int at, notes;
    char last[512];
} flow_killer;

static int flow_kill(void *user, const onebit_progress *p) {
    flow_killer *k = (flow_killer *)user;
    if (p->kind == 's' && p->step.step == k->at) flow_copy("long", "killed");
    if (p->kind == 'w') k->notes++, snprintf(k->last, sizeof k->last, "%s", p->note);
    return 0;
}

static const char *const flow_kept[] = {"checkpoint.safetensors", "checkpoint-6.safetensors",
                                        "checkpoint-12.safetensors", "checkpoint-18.safetensors",
                                        "checkpoint-24.safetensors"};

/* Which of these stand in a directory, as bits. */
static int flow_checkpoints(const char *dir) {
    int i, bits = 0;
    for (i = 0; i < 5; i++) bits |= ob_file_exists(flow_in(dir, flow_kept[i])) << i;
    return bits;
}

/* A job with checkpoints every 6 updates and validation every 4, so that neither is a multiple of
   the other; output in dir. */
static void flow_long_job(onebit_train_job *job, onebit_config *c, onebit_train_options *o,
                          flow_watch *w, const char *dir, char *text, char *out) {
    snprintf(text, 300, "%s", flow_path("text.txt"));
    snprintf(out, 300, "%s", flow_path(dir));
    flow_job(job, c, o, w, out);
    job->data_dir = text;
    o->save_every = 6, o->eval_every = 4, o->log_every = 5, o->keep_best = 1, o->debug_every = 7;
}

static void flow_test_kill(void) {
    static const char *const flow_best = "model-best.1bit";
    static const int moments[] = {7, 11, 12, 20};
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    flow_watch w;
    flow_killer k;
    onebit_train_result whole, rest;
    char text[300], out[300];
    size_t i;
    test_case("flow: a run that was killed at any moment and resumed ends with the same files");
    for (i = 0; i < sizeof moments / sizeof *moments; i++) {
        flow_long_job(&job, &c, &o, &w, "long", text, out);
        memset(&k, 0, sizeof k);
        k.at = moments[i];
        job.on_progress = flow_kill, job.user = &k;
        CHECK_OK(onebit_train(&job, &whole));
        snprintf(out, sizeof out, "%s", flow_path("killed"));
        job.resume = out, k.at = 0;
        CHECK_OK(onebit_train(&job, &rest));
        CHECK(flow_same_file(flow_in("long", "model.1bit"), flow_in("killed", "model.1bit")));
        CHECK(flow_same_file(flow_in("long", flow_kept[0]), flow_in("killed", flow_kept[0])));
        CHECK(flow_same_file(flow_in("long", flow_best), flow_in("killed", flow_best)));
        CHECK(flow_same_metrics(flow_in("long", "metrics.csv"), flow_in("killed", "metrics.csv")));
        CHECK(rest.train_loss == whole.train_loss && rest.val_loss == whole.val_loss);
        CHECK(rest.bits_per_byte == whole.bits_per_byte && k.notes == 0);
    }
}

static void flow_test_kept(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    flow_watch w;
    flow_killer k;
    char text[300], out[300];
    ob_map map;
    uint8_t *bytes;
    test_case("flow: keep_checkpoints keeps the last ones, major_every some for ever");
    flow_long_job(&job, &c, &o, &w, "kept", text, out);
    o.keep_checkpoints = 2, o.major_every = 12;
    CHECK_OK(onebit_train(&job, NULL));
    CHECK(flow_checkpoints("kept") == 1 + 4 + 8 + 16); /* 6 is gone; 12 and 24 are major */
    CHECK(flow_same_file(flow_in("kept", flow_kept[0]), flow_in("kept", flow_kept[4])));
    flow_long_job(&job, &c, &o, &w, "major", text, out);
    o.save_every = 0, o.major_every = 6;
    CHECK_OK(onebit_train(&job, NULL));
    CHECK(flow_checkpoints("major") == 31);
    flow_long_job(&job, &c, &o, &w, "one", text, out);
    CHECK_OK(onebit_train(&job, NULL));
    CHECK(flow_checkpoints("one") == 1);

    test_case("flow: a directory is resumed from its newest whole checkpoint");
    flow_long_job(&job, &c, &o, &w, "kept", text, out);
    if (!CHECK_OK(ob_map_open(&map, flow_in("kept", flow_kept[0])))) return;
    bytes = (uint8_t *)malloc(map.bytes);
    memcpy(bytes, map.data, map.bytes);
    bytes[map.bytes / 2] ^= 1; /* one bit of one weight */
    CHECK_OK(ob_file_write(flow_in("kept", flow_kept[0]), bytes, map.bytes));
    CHECK_OK(ob_file_write(flow_in("kept", flow_kept[4]), bytes, map.bytes / 2));
    free(bytes);
    ob_map_close(&map);
    memset(&k, 0, sizeof k);
    job.on_progress = flow_kill, job.user = &k;
    job.resume = flow_in("kept", flow_kept[0]);
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_FORMAT, "damaged");
    CHECK_OK(onebit_checkpoint_settings(NULL, &o, out, NULL));
    CHECK(o.major_every == 12 && o.keep_checkpoints == 2);
    job.resume = out;
    CHECK_OK(onebit_train(&job, NULL));
    CHECK(k.notes == 1 && strstr(k.last, "damaged") && strstr(k.last, "from checkpoint-18."));
    CHECK(flow_same_file(flow_in("kept", "model.1bit"), flow_in("major", "model.1bit")));
    CHECK(flow_same_metrics(flow_in("kept", "metrics.csv"), flow_in("major", "metrics.csv")));
    CHECK_OK(ob_make_directory(flow_in("none", "")));
    job.resume = flow_in("none", "");
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_IO, "none/checkpoint.safetensors: no such file");
}

static void flow_test_overfit(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result r, again;
    flow_watch w;
    char text[300], out[300];
    test_case("flow: overfit_one_batch learns the first batch by heart, and stops when it has");
    flow_long_job(&job, &c, &o, &w, "overfit", text, out);
    job.tokenizer_kind = "byte", c.vocab_size = 0, c.hidden_size = 64, c.intermediate_size = 128;
    o.overfit_one_batch = 1, o.max_steps = 400, o.batch_size = 2, o.lr_warmup_steps = 10;
    CHECK_OK(onebit_train(&job, &r));
    CHECK(r.steps > 10 && r.steps < 400 && w.count['s'] == r.steps && w.count['e'] == 1);
    memset(&w, 0, sizeof w);
    job.resume = out;
    CHECK_OK(onebit_train(&job, &again)); /* it has come to its end */
    CHECK(w.count['s'] == 0 && again.steps == r.steps && again.val_loss == r.val_loss);

    test_case("flow: model-best.1bit is not the last model when that one is worse");
    CHECK(ob_file_exists(flow_in("overfit", "model-best.1bit")));
    CHECK(!flow_same_file(flow_in("overfit", "model-best.1bit"), flow_in("overfit", "model.1bit")));
}

/* The standard input becomes a file from its beginning. */
static void flow_feed(const char *name) { CHECK(freopen(flow_path(name), "rb", stdin) != NULL); }

static void flow_test_input(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result file, input;
    flow_watch w;
    char text[300], out[300], words[300];
    test_case("flow: the standard input trains a model and its twin as the file would");
    flow_long_job(&job, &c, &o, &w, "file", text, out);
    job.twin = 1;
    CHECK_OK(onebit_train(&job, &file));
    flow_feed("text.txt");
    snprintf(out, sizeof out, "%s", flow_path("input"));
    job.data_dir = "-";
    CHECK_OK(onebit_train(&job, &input));
    CHECK(input.val_loss == file.val_loss && input.twin_val_loss == file.twin_val_loss);

    test_case("flow: a stream of it has no twin, and ends the run with its last update");
    flow_feed("short.txt");
    job.streaming = 1, job.tokenizer = strcat(strcpy(words, out), "/tokenizer.json");
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_USAGE, "--twin: a stream");
    flow_feed("short.txt");
    memset(&w, 0, sizeof w);
    job.twin = 0, job.val_data_dir = text, o.max_steps = 1000, o.sample_every = 1;
    o.debug_every = 1, o.report = 1;
    CHECK_OK(onebit_train(&job, &input));
    CHECK(input.steps > 2 && input.steps < 24 && w.count['s'] == input.steps);
    CHECK(input.val_loss > 0 && w.count['q'] == input.steps * c.num_layers);
    CHECK(flow_last_step(flow_in("input", "metrics.csv")) == input.steps);
    CHECK(flow_last_step(flow_in("input", "samples.csv")) == input.steps);
    CHECK(freopen("/dev/null", "rb", stdin) != NULL);
}

static void test_flow(void) {
    snprintf(flow_dir, sizeof flow_dir, "build/test-flow-%ld", ob_process());
    flow_test_hostile();
    flow_test_image();
    flow_test_train();
    flow_test_epochs();
    flow_test_data();
    flow_test_unscored();
    flow_test_generate();
    flow_test_kill();
    flow_test_kept();
    flow_test_overfit();
    flow_test_input();
}
