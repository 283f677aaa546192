/* test_report.c - report.html, codes.csv, samples.csv and the float32 twin of a run. */

static char report_dir[256], report_text[300];

static const char *report_path(const char *run, const char *name) {
    static char path[4][640];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s%s%s", report_dir, run, *name ? "/" : "", name);
    return path[turn];
}

/* A file as terminated text, or an empty one; free it. */
static char *report_read(const char *run, const char *name) {
    ob_map map;
    char *text;
    if (ob_map_open(&map, report_path(run, name)) != ONEBIT_OK) return (char *)calloc(1, 1);
    text = (char *)calloc(1, map.bytes + 1);
    memcpy(text, map.data, map.bytes);
    ob_map_close(&map);
    return text;
}

/* 1 when every tag that is opened is closed in order; meta and <!DOCTYPE> stand alone. No script,
   and nothing that is loaded from elsewhere. */
static int report_well_formed(const char *page) {
    char open[64][16], name[16];
    int depth = 0;
    const char *p = page;
    if (strstr(page, "<script") || strstr(page, "src=") || strstr(page, "http")) return 0;
    while ((p = strchr(p, '<')) != NULL) {
        const char *end = strchr(p, '>');
        int closing = p[1] == '/';
        size_t n = strcspn(p + 1 + closing, " >/\n");
        if (!end || n >= sizeof name) return 0;
        memcpy(name, p + 1 + closing, n);
        name[n] = 0;
        p = end;
        if (name[0] == '!' || strcmp(name, "meta") == 0 || end[-1] == '/') continue;
        if (!closing && depth == 64) return 0;
        if (!closing) strcpy(open[depth++], name);
        else if (depth == 0 || strcmp(open[--depth], name) != 0) return 0;
    }
    return depth == 0;
}

static int report_count(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) n++;
    return n;
}

/* The last cell of a column of a CSV that is not empty. */
static double report_last(const char *csv, int column) {
    const char *line = strchr(csv, '\n'), *p;
    double v = 0;
    for (; line && line[1]; line = strchr(line + 1, '\n')) {
        int i;
        for (p = line + 1, i = 0; i < column && p; i++) p = strchr(p, ',') ? strchr(p, ',') + 1 : p;
        if (*p != ',' && *p != '\n') v = atof(p);
    }
    return v;
}

static void report_job(onebit_train_job *job, onebit_config *c, onebit_train_options *o,
                       flow_watch *w, const char *run) {
    static char out[8][300];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(out[turn], sizeof out[turn], "%s", report_path(run, ""));
    flow_job(job, c, o, w, out[turn]);
    job->data_dir = report_text;
    o->debug_every = 4, o->sample_every = 5, o->log_every = 2;
}

/* ---- The tables ---- */

static void report_test_csv(void) {
    static const char rows[] = "step,a\n1,\"x\"\n2,\"a \"\"b\"\",\n5,c\"\n3,\n9,late\nxx,no\n4,cut";
    static const char codes[] = "1,0,0.25,0.5,0.25,0.125\n1,1,x,0,0,0\n1,999,0,0,0,0\n\n2,1\n"
                                "2,1,0.1,0.2,0.7,0,5\n3,2,0.1,0.2,0.7,1\n3,3,0.1,0.2,0.7,1";
    ob_buffer kept = ob_buffer_new(NULL), cell = ob_buffer_new(NULL), text = ob_buffer_new(NULL);
    const char *p;
    ob_code_row *row;
    size_t n;
    test_case("report: a CSV that is resumed from keeps the whole rows up to the step");
    ob_csv_keep(&kept, rows, rows + sizeof rows - 1, 4);
    CHECK(kept.p && strcmp(kept.p, "1,\"x\"\n2,\"a \"\"b\"\",\n5,c\"\n3,\n") == 0);

    test_case("report: what is quoted into a CSV comes back");
    ob_csv_quote(&text, "a \"b\",\n\x01\xff\xc3\xa9", 11);
    p = text.p;
    CHECK(ob_csv_cell(&p, text.p + text.n, &cell) == 0);
    CHECK(strcmp(cell.p, "a \"b\",\n?\xef\xbf\xbd\xc3\xa9") == 0);

    test_case("report: rows of codes.csv that are damaged are passed over");
    text.n = 0;
    ob_buffer_text(&text, codes);
    CHECK_OK(ob_csv_codes(&text, &row, &n));
    CHECK(n == 2 && row[0].zero == 0.5 && row[0].flipped == 0.125 && row[1].layer == 2);
    ob_release(&text.env, row);
    ob_buffer_free(&kept);
    ob_buffer_free(&cell);
    ob_buffer_free(&text);
}

/* ---- The page ---- */

static void report_test_hostile(void) {
    static const double x[3] = {1, 2, 3}, wild[3] = {NAN, 1e300, -1e300};
    static const char evil[] = "</script><script>alert(\"1\")</script>&'\xff\xc0 <img on=x>\x01\n";
    onebit_config shape = onebit_config_default();
    ob_buffer page = ob_buffer_new(NULL), codes = page, samples = page;
    ob_report r;
    test_case("report: hostile text cannot become markup");
    memset(&r, 0, sizeof r);
    ob_buffer_text(&codes, "7,1,2,-1,1e300,1e9\n7,0,0.1,0.1,0.8,0\n");
    ob_buffer_text(&samples, "1,\"");
    ob_buffer_text(&samples, evil);
    ob_buffer_text(&samples, "\n<b>\n5\n6,\"a\",\"b\",c,d\n8,<p>,\"<i>");
    r.codes = &codes, r.samples = &samples;
    r.command = r.config = r.options = r.warnings = evil;
    shape.num_layers = 2, shape.layer_modes[1] = ONEBIT_BINARY;
    r.shape = &shape, r.max_steps = 9;
    ob_report_write(&page, &r);
    CHECK(report_well_formed(page.p));
    CHECK(strstr(page.p, "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)") != NULL);
    CHECK(strstr(page.p, "&amp;&#39;?? &lt;img on=x&gt;?") != NULL);

    test_case("report: curves of wild numbers give a page that ends");
    page.n = 0;
    r.curves.step = x, r.curves.loss = r.curves.val = r.curves.lr = r.curves.norm = wild;
    r.curves.n = 3;
    r.twin_curves = r.curves;
    r.command = r.config = r.options = r.warnings = NULL;
    ob_report_write(&page, &r);
    CHECK(report_well_formed(page.p) && page.n < 60000 && !strstr(page.p, "nan"));
    ob_buffer_free(&page);
    ob_buffer_free(&codes);
    ob_buffer_free(&samples);
}

/* ---- Runs ---- */

static void report_check_page(const char *run, const onebit_train_result *result) {
    char *page = report_read(run, "report.html"), *metrics = report_read(run, "metrics.csv");
    char *codes = report_read(run, "codes.csv"), *samples = report_read(run, "samples.csv");
    char want[64];
    CHECK(report_well_formed(page));
    snprintf(want, sizeof want, "<b>%.4f</b><span>validation", report_last(metrics, 3));
    CHECK(strstr(page, want) && report_last(metrics, 3) == result->val_loss);
    snprintf(want, sizeof want, "<b>%.4f</b><span>bits", report_last(metrics, 4));
    CHECK(strstr(page, want) != NULL);
    snprintf(want, sizeof want, "+1&#160;%.0f&#160;%%", 100 * report_last(codes, 4));
    CHECK(strstr(page, want) != NULL);
    CHECK(report_count(codes, "\n") == 1 + 2 * 6); /* layers x counts */
    CHECK(strncmp(samples, OB_SAMPLES_HEAD "5,\"", strlen(OB_SAMPLES_HEAD) + 3) == 0);
    CHECK(report_count(page, "class=\"prompt\"") == 5); /* 5 10 15 20, and the last step 24 */
    CHECK(strstr(page, "a &lt;b&gt; --flag") && strstr(page, "&quot;sample_every&quot;: 5"));
    free(page);
    free(metrics);
    free(codes);
    free(samples);
}

static void report_test_runs(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result result;
    flow_watch w;
    char *page;
    test_case("report: a run leaves a page whose figures are those of its tables");
    report_job(&job, &c, &o, &w, "whole");
    job.command = "a <b> --flag";
    if (!CHECK_OK(onebit_train(&job, &result))) return;
    report_check_page("whole", &result);
    page = report_read("whole", "report.html");
    CHECK(strstr(page, "The run is complete.") && !strstr(page, "float32 twin"));
    CHECK(result.twin_val_loss == 0 && result.twin_model_bytes == 0);
    CHECK(!ob_is_directory(report_path("whole", "twin")));
    free(page);

    test_case("report: with and without it the model is the same; off means no files");
    report_job(&job, &c, &o, &w, "bare");
    o.report = 0;
    CHECK_OK(onebit_train(&job, NULL));
    CHECK(flow_same_file(report_path("bare", "model.1bit"), report_path("whole", "model.1bit")));
    CHECK(!ob_file_exists(report_path("bare", "report.html")));
    CHECK(!ob_file_exists(report_path("bare", "codes.csv")));
    CHECK(!ob_file_exists(report_path("bare", "samples.csv")));

    test_case("report: stopped and resumed, codes.csv and samples.csv are those of one run");
    report_job(&job, &c, &o, &w, "halves");
    w.stop_at = 11;
    CHECK(onebit_train(&job, NULL) == ONEBIT_CANCELLED);
    page = report_read("halves", "report.html");
    CHECK(strstr(page, "Step 11 of 24") && report_well_formed(page));
    free(page);
    w.stop_at = 0, job.resume = report_path("halves", "checkpoint.safetensors");
    job.command = "a <b> --flag";
    CHECK_OK(onebit_train(&job, &result));
    CHECK(flow_same_file(report_path("halves", "codes.csv"), report_path("whole", "codes.csv")));
    CHECK(
        flow_same_file(report_path("halves", "samples.csv"), report_path("whole", "samples.csv")));
    report_check_page("halves", &result);

    test_case("report: sample_every 0 = at each quarter, -1 = never; debug_every 0 has no codes");
    report_job(&job, &c, &o, &w, "few");
    o.sample_every = 0, o.debug_every = 0, o.max_steps = 6;
    CHECK_OK(onebit_train(&job, NULL));
    page = report_read("few", "report.html");
    CHECK(report_count(page, "class=\"prompt\"") == 4 && strstr(page, ">step 3<"));
    CHECK(!strstr(page, "Codes of each layer"));
    free(page);
    o.sample_every = -1;
    CHECK_OK(onebit_train(&job, NULL));
    page = report_read("few", "samples.csv");
    CHECK(strcmp(page, OB_SAMPLES_HEAD) == 0);
    free(page);
}

static void report_test_smoothing(void) {
    onebit_config c;
    onebit_train_options o;
    onebit_train_job job;
    flow_watch w;
    char *page, *p;
    test_case("report: with label smoothing the objective stands apart from the loss");
    report_job(&job, &c, &o, &w, "smooth");
    o.label_smoothing = 0.2, w.stop_at = 20;
    CHECK(onebit_train(&job, NULL) == ONEBIT_CANCELLED);
    w.stop_at = 0, job.resume = report_path("smooth", "");
    CHECK_OK(onebit_train(&job, NULL));
    page = report_read("smooth", "report.html");
    p = strstr(page, "</b><span>training objective");
    CHECK(p && atof(p - 6) > 1.02 * atof(strstr(page, "</b><span>training loss") - 6));
    free(page);
    page = report_read("whole", "report.html");
    CHECK(strstr(page, "training loss") && !strstr(page, "training objective"));
    free(page);
}

/* Stops in the n-th step of the twin. */
static int report_stop_twin(void *user, const onebit_progress *p) {
    int *steps = (int *)user;
    return p->twin && p->kind == 's' && ++*steps == 10;
}

static void report_test_twin(void) {
    onebit_config c, read = onebit_config_default();
    onebit_train_options o;
    onebit_train_job job;
    onebit_train_result result, again;
    flow_watch w;
    char *text, want[64];
    int steps = 0, i;
    test_case("report: a twin is trained beside the same model, and compared");
    report_job(&job, &c, &o, &w, "pair");
    job.twin = 1;
    if (!CHECK_OK(onebit_train(&job, &result))) return;
    CHECK(w.count['s'] == 48 && w.count['e'] == 1);
    CHECK(flow_same_file(report_path("pair", "model.1bit"), report_path("whole", "model.1bit")));
    CHECK(result.twin_val_loss > 0 && result.twin_val_loss != result.val_loss);
    CHECK(result.twin_model_bytes > result.model_bytes && result.twin_bits_per_byte > 0);
    text = report_read("pair", "twin/config.json");
    CHECK_OK(onebit_config_parse(&read, text, strlen(text)));
    for (i = 0; i < c.num_layers; i++) CHECK(read.layer_modes[i] == ONEBIT_F32);
    free(text);
    text = report_read("pair", "twin/metrics.csv");
    CHECK(report_last(text, 3) == result.twin_val_loss);
    free(text);
    text = report_read("pair", "report.html");
    snprintf(want, sizeof want, "<td>%.4f</td><td>%.4f</td><td>%s%.1f %%", result.val_loss,
             result.twin_val_loss, result.val_loss > result.twin_val_loss ? "+" : "",
             100 * (result.val_loss - result.twin_val_loss) / result.twin_val_loss);
    CHECK(report_well_formed(text) && strstr(text, want));
    CHECK(report_count(text, "<path class=\"twinval\"") == 3); /* legend and two pictures */
    free(text);

    test_case("report: a job that is stopped in its twin goes on there");
    report_job(&job, &c, &o, &w, "torn");
    job.twin = 1, job.on_progress = report_stop_twin, job.user = &steps;
    CHECK_FAILS(onebit_train(&job, &again), ONEBIT_CANCELLED, "of the twin");
    CHECK(strstr(onebit_error_text(), "torn") && !strstr(onebit_error_text(), "/twin"));
    CHECK(again.val_loss == result.val_loss && again.twin_val_loss == 0);
    job.resume = job.output_dir;
    CHECK_OK(onebit_train(&job, &again));
    CHECK(steps == 24 && again.twin_val_loss == result.twin_val_loss);
    CHECK(again.val_loss == result.val_loss);
    CHECK(flow_same_file(report_path("torn", "twin/model.1bit"),
                         report_path("pair", "twin/model.1bit")));

    test_case("report: a new job does not go on with an old twin; float blocks have none");
    job.resume = NULL, steps = 0, o.max_steps = 12;
    CHECK(onebit_train(&job, &again) == ONEBIT_CANCELLED && steps == 10);
    memset(c.layer_modes, ONEBIT_F32, sizeof c.layer_modes);
    CHECK_FAILS(onebit_train(&job, NULL), ONEBIT_CONFIG, "--twin");
}

/* ---- Health words ---- */

static char report_notes[1024];

static int report_note(void *user, const onebit_progress *p) {
    (void)user;
    if (p->kind == 'w') strcat(strcat(report_notes, p->note), "\n");
    return 0;
}

/* What is told of these codes after step 200. */
static const char *report_health(const char *codes) {
    onebit_train_job job = onebit_train_job_default();
    ob_run_state r;
    memset(&r, 0, sizeof r);
    r.env = onebit_env_default();
    r.codes = r.warnings = ob_buffer_new(&r.env);
    r.config = onebit_config_default();
    r.config.layer_modes[3] = ONEBIT_BINARY;
    job.on_progress = report_note;
    r.job = &job;
    report_notes[0] = 0;
    ob_buffer_text(&r.codes, codes);
    CHECK_OK(ob_run_health_codes(&r));
    CHECK(strcmp(r.warnings.n ? r.warnings.p : "", report_notes) == 0);
    ob_buffer_free(&r.codes);
    ob_buffer_free(&r.warnings);
    return report_notes;
}

static void report_test_health(void) {
    const char *told;
    test_case("report: codes that are unusual at the end are told, one line for each kind");
    CHECK(!*report_health("100,0,0.1,0.9,0,0.9\n200,0,0.34,0.32,0.34,0.009\n200,3,0.5,0,0.5,0\n"));
    told = report_health("200,0,0.1,0.8,0.1,0\n200,1,0.49,0.02,0.49,0\n200,2,0.1,0.7,0.2,0\n");
    CHECK(strstr(told, "60 % of the weights are 0 in layers 0, 2:") != NULL);
    CHECK(report_count(told, "\n") == 2);
    CHECK(strstr(told, "under 5 % of the weights are 0 in layers 1:") != NULL);
    told = report_health("100,1,0.3,0.3,0.4,0.5\n200,1,0.3,0.3,0.4,0.011\n");
    CHECK(strstr(told, "in layers 1:") != NULL);
    told = report_health("120,1,0.3,0.3,0.4,0.9\n180,1,0.3,0.3,0.4,0.004\n"
                         "200,1,0.3,0.3,0.4,0.005\n");
    CHECK(strstr(told, "still change") != NULL); /* 0.9 % in 80 updates */
    CHECK(!*report_health("20,1,0.3,0.3,0.4,0.9\n"));
}

static void test_report(void) {
    size_t bytes;
    char *text = flow_text(&bytes);
    snprintf(report_dir, sizeof report_dir, "build/test-report-%ld", ob_process());
    snprintf(report_text, sizeof report_text, "%s/text.txt", report_dir);
    report_test_csv();
    report_test_hostile();
    test_case("report: the text can be written");
    CHECK_OK(ob_make_directory(report_dir));
    CHECK_OK(ob_file_write(report_text, text, bytes));
    free(text);
    report_test_runs();
    report_test_smoothing();
    report_test_twin();
    report_test_health();
}
