/* eval.c - onebit-eval: how good is a model? Loss, bits per byte, minimal pairs, questions, raw
   logits.

   cc -O3 -fopenmp examples/eval.c -o onebit-eval -lm
   ./onebit-eval --model demo.1bit --data valid.txt
   ./onebit-eval --model demo.1bit --pairs blimp.jsonl --verbose
   ./onebit-eval --model demo.1bit --questions quiz.jsonl --template --json */
#define ONEBIT_IMPLEMENTATION
#include "cli.h"
#include "jsonl.h"

static const cli_row rows[] = {
    {"Model and data", NULL, NULL},
    {"model", "PATH",
     "the model: a .1bit or GGUF file, a Hugging Face directory, a llama2.c file, or a name that "
     "onebit-inspect --list knows"},
    {"model-dir", "DIR", "the same as --model DIR/model.1bit"},
    {"data", "PATH",
     "loss on a text: .txt, .jsonl, .json or .tokens file, a directory (all of it), or '-'; each "
     "document is scored by itself, from the document start, and of rows with replies the "
     "replies"},
    {"loss-on-input", NULL, "with --data: score what is asked in rows too"},
    {"pairs", "FILE",
     "rows {\"good\", \"bad\"}: how often good is likelier; a \"uid\" groups them"},
    {"questions", "FILE",
     "rows {\"prompt\", \"answer\", \"choices\"}: how often the greedy answer begins with the "
     "answer, and how often the answer is the likeliest choice"},
    {"ids", "FILE", "token ids, as JSON array or words, for --dump-logits"},
    {"dump-logits", "FILE",
     "write the logits after each id: float32, little-endian, one row of the vocabulary each"},
    {"How", NULL, NULL},
    {"window", "N", "tokens that the model sees at once (default: its max_seq_len)"},
    {"limit", "N", "documents, pairs or questions at most"},
    {"template", NULL,
     "with --questions: write each prompt as a turn of the model's chat_template"},
    {"verbose", NULL, "every document, group or question too"},
    {"Running", NULL, NULL},
    CLI_CACHE_BITS,
    CLI_FAST,
    CLI_TWO_STAGE,
    CLI_OPEN,
    CLI_DEVICE(""),
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

static const cli_spec spec = {
    "onebit-eval",
    "how good is a 1-bit language model?",
    "onebit-eval --model FILE (--data|--pairs|--questions|--ids) PATH [flags]",
    "examples:\n"
    "  onebit-eval --model demo.1bit --data valid.txt\n"
    "  onebit-eval --model demo.1bit --pairs pairs.jsonl --verbose\n"
    "  onebit-eval --model demo.1bit --questions quiz.jsonl --template --json\n"
    "  onebit-eval --model demo.1bit --ids ids.json --dump-logits logits.f32\n",
    "model data pairs questions ids dump-logits window limit verbose device json ",
    "model",
    rows,
    0,
    NULL};

/* ids: a document with its start in front, capacity ids. */
typedef struct eval {
    const cli *c;
    const onebit_tokenizer *tokenizer;
    onebit_session *session;
    int limit, verbose, start;
} eval;

static void show_progress(const eval *e, const char *what, int done) {
    if (e->c->live && !e->verbose) fprintf(stderr, "\r%s %d\033[K", what, done);
}

static void clear_progress(const eval *e) {
    if (e->c->live && !e->verbose) fputs("\r\033[K", stderr);
}

/* -ln p of a document's tokens, which stand behind the start token; marks say which of them count,
   NULL = all. Each run of marked tokens is scored behind all that stands before it. A failure ends
   the program. */
static double score_ids(const eval *e, const int32_t *ids, const uint8_t *marks, size_t n,
                        size_t *scored) {
    int32_t *all = (int32_t *)cli_alloc((n + 1) * sizeof *all);
    size_t start = e->start >= 0, from = 0, to, count;
    double nats = 0, sum = 0;
    *scored = 0;
    if (start) all[0] = (int32_t)e->start;
    memcpy(all + start, ids, n * sizeof *ids);
    for (; from < n; from = to) {
        for (; marks && from < n && !marks[from]; from++) {}
        for (to = from; to < n && (!marks || marks[to]); to++) {}
        if (to == from || to + start < 2) continue;
        if (onebit_score(e->session, all, to + start, from + start, &nats, &count) != ONEBIT_OK)
            exit(cli_fail("%s (see --window)", onebit_error_text()));
        sum += nats;
        *scored += count;
    }
    free(all);
    return sum;
}

static double score_text(const eval *e, const char *text, size_t bytes, size_t *scored) {
    size_t n = 0;
    int32_t *ids = cli_encode(e->tokenizer, text, bytes, 0, &n);
    double nats = score_ids(e, ids, NULL, n, scored);
    free(ids);
    return nats;
}

/* ---- loss ---- */

typedef struct totals {
    double nats, tokens, bytes;
    int documents;
} totals;

static void add_document(const eval *e, totals *sum, double nats, size_t tokens, size_t bytes) {
    if (!tokens) return;
    sum->nats += nats;
    sum->tokens += (double)tokens;
    sum->bytes += (double)bytes;
    sum->documents++;
    if (e->verbose)
        fprintf(stderr, "document %d: %.0f tokens, %.4f nats/token\n", sum->documents,
                (double)tokens, nats / (double)tokens);
    show_progress(e, "document", sum->documents);
}

/* Bytes of text that the marked ids stand for; 0 when they are white space alone. */
static size_t text_of(const eval *e, const int32_t *ids, const uint8_t *marks, size_t n) {
    size_t i, k, size = 0, bytes = 0;
    int words = 0;
    for (i = 0; i < n; i++) {
        const char *piece = onebit_tokenizer_piece(e->tokenizer, ids[i], &size);
        if (!piece || (marks && !marks[i])) continue;
        for (k = 0; k < size && !words; k++) words = !piece[k] || !strchr(" \t\r\n", piece[k]);
        bytes += size;
    }
    return words ? bytes : 0;
}

/* Documents of a data set, which the end token parts; white space alone is none. */
static void score_documents(const eval *e, const onebit_dataset *data, totals *sum) {
    const uint8_t *marks = onebit_dataset_scored(data, 0);
    size_t i, from, count = 0, scored;
    const int32_t *ids = onebit_dataset_tokens(data, &count);
    for (from = 0; from < count && sum->documents < e->limit && !cli_interrupts; from = i + 1) {
        const uint8_t *mark = marks ? marks + from : NULL;
        size_t bytes;
        double nats;
        for (i = from; i < count && ids[i] != e->start; i++) {}
        bytes = text_of(e, ids + from, mark, i - from);
        if (!bytes) continue;
        nats = score_ids(e, ids + from, mark, i - from, &scored);
        add_document(e, sum, nats, scored, bytes);
    }
}

static int print_loss(const eval *e, const totals *sum) {
    double loss = sum->nats / sum->tokens,
           bits = sum->bytes > 0 ? sum->nats / log(2.0) / sum->bytes : 0;
    if (e->c->json) {
        cli_json_key(stdout, 1, "documents");
        printf("%d", sum->documents);
        cli_json_int(stdout, "tokens", sum->tokens);
        cli_json_int(stdout, "bytes", sum->bytes);
        cli_json_real(stdout, "loss", loss);
        cli_json_real(stdout, "bits_per_byte", bits);
        cli_json_real(stdout, "perplexity", exp(loss));
        puts("}");
        return 0;
    }
    printf("documents      %d\ntokens         %.0f\nbytes          %.0f\n", sum->documents,
           sum->tokens, sum->bytes);
    printf("loss           %.4f nats/token\nbits per byte  %.4f\nperplexity     %.3f\n", loss, bits,
           exp(loss));
    return 0;
}

static int eval_data(const eval *e, const char *path) {
    const onebit_model *model = onebit_session_model(e->session);
    onebit_data_options options = onebit_data_options_default();
    onebit_dataset *data = NULL;
    totals sum = {0, 0, 0, 0};
    options.part = ONEBIT_PART_ALL;
    options.chat_template = onebit_model_config(model)->chat_template;
    options.loss_on_input = cli_has(e->c, "loss-on-input");
    if (onebit_dataset_open(&data, path, e->tokenizer, &options, NULL) != ONEBIT_OK)
        return cli_fail("%s (see --data)", onebit_error_text());
    score_documents(e, data, &sum);
    onebit_dataset_free(data);
    clear_progress(e);
    if (sum.tokens < 1) return cli_fail("%s: there is nothing to score (see --data)", path);
    return print_loss(e, &sum);
}

/* ---- rows ---- */

/* A file of rows, read one at a time. */
typedef struct row_file {
    const char *path, *flag;
    FILE *f;
    cli_text line;
    int row;
} row_file;

static row_file open_rows(const char *path, const char *flag) {
    row_file r;
    memset(&r, 0, sizeof r);
    r.path = path;
    r.flag = flag;
    r.f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!r.f) exit(cli_fail("cannot open %s: %s (see --%s)", path, strerror(errno), flag));
    return r;
}

/* The next row that is not empty; 0 = the end. */
static int next_row(row_file *r) {
    do {
        if (cli_interrupts || !cli_read_line(r->f, &r->line)) return 0;
        r->row++;
    } while (!r->line.n);
    return 1;
}

static void close_rows(row_file *r) {
    if (r->f != stdin) fclose(r->f);
    free(r->line.p);
}

static void want_text(const row_file *r, const char *key, cli_text *out) {
    if (!jsonl_text(r->line.p, key, out))
        exit(cli_fail("%s, row %d: a text \"%s\" is expected (see --%s)", r->path, r->row, key,
                      r->flag));
}

/* ---- minimal pairs ---- */

typedef struct group {
    char name[80];
    int right, count;
} group;
typedef struct groups {
    group *list;
    int count;
} groups;

static void add_to_group(groups *g, const char *name, int right) {
    int i;
    for (i = 0; i < g->count && strncmp(g->list[i].name, name, sizeof g->list[i].name - 1); i++) {}
    if (i == g->count) {
        group *list = (group *)realloc(g->list, (size_t)(g->count + 1) * sizeof *list);
        if (!list) exit(cli_fail("out of memory"));
        g->list = list;
        memset(&list[i], 0, sizeof list[i]);
        snprintf(list[i].name, sizeof list[i].name, "%.79s", name);
        g->count++;
    }
    g->list[i].right += right;
    g->list[i].count++;
}

static void print_pairs(const eval *e, const groups *g, int right, int count) {
    int i;
    if (!e->c->json) {
        printf("pairs     %d\naccuracy  %.4f (chance 0.5)\n", count, (double)right / count);
        for (i = 0; e->verbose && i < g->count; i++)
            printf("%6.3f  %5d  %s\n", (double)g->list[i].right / g->list[i].count,
                   g->list[i].count, g->list[i].name);
        return;
    }
    cli_json_key(stdout, 1, "pairs");
    printf("%d", count);
    cli_json_real(stdout, "accuracy", (double)right / count);
    cli_json_real(stdout, "chance", 0.5);
    if (e->verbose && g->count) {
        cli_json_key(stdout, 0, "groups");
        for (i = 0; i < g->count; i++) {
            fputs(i ? ", " : "{", stdout);
            cli_json_string(stdout, g->list[i].name, strlen(g->list[i].name));
            printf(": %.6f", (double)g->list[i].right / g->list[i].count);
        }
        putchar('}');
    }
    puts("}");
}

/* Total log-probability decides; a tie is wrong. */
static int eval_pairs(const eval *e, const char *path) {
    row_file r = open_rows(path, "pairs");
    cli_text good = {NULL, 0, 0}, bad = {NULL, 0, 0}, uid = {NULL, 0, 0};
    groups g = {NULL, 0};
    int right = 0, count = 0;
    while (count < e->limit && next_row(&r)) {
        size_t n;
        int won;
        want_text(&r, "good", &good);
        want_text(&r, "bad", &bad);
        won = score_text(e, good.p, good.n, &n) < score_text(e, bad.p, bad.n, &n);
        right += won;
        count++;
        if (jsonl_text(r.line.p, "uid", &uid)) add_to_group(&g, uid.p, won);
        show_progress(e, "pair", count);
    }
    close_rows(&r);
    clear_progress(e);
    if (count) print_pairs(e, &g, right, count);
    free(good.p);
    free(bad.p);
    free(uid.p);
    free(g.list);
    return count ? 0 : cli_fail("%s has no rows (see --pairs)", path);
}

/* ---- questions ---- */

typedef struct quiz {
    const eval *e;
    cli_template turn;
    int templated, count, greedy, chosen, with_choices;
    double chance;
} quiz;

static int on_answer(void *user, const char *text, size_t bytes) {
    cli_add((cli_text *)user, text, bytes);
    return cli_interrupts != 0;
}

/* The prompt as the model reads it. */
static void build_prompt(const quiz *q, const cli_text *prompt, cli_text *out) {
    cli_clear(out);
    if (q->templated) cli_add_text(out, q->turn.before);
    cli_add_text(out, prompt->p);
    if (q->templated) cli_add_text(out, q->turn.between);
    while (out->n && out->p[out->n - 1] == ' ')
        out->p[--out->n] = 0; /* the answer brings its space */
}

/* 1 when the greedy continuation begins with the answer; space in front does not count. */
static int answers(const quiz *q, const char *prompt, const char *answer, cli_text *said) {
    onebit_generate_options options = onebit_generate_options_default();
    size_t n = 0;
    free(cli_encode(q->e->tokenizer, answer, strlen(answer), 0, &n));
    options.sample.temperature = 0;
    options.sample.max_tokens = (int)n + 8;
    options.sample.repetition_penalty = 1;
    cli_clear(said);
    if (onebit_session_rewind(q->e->session, 0) != ONEBIT_OK ||
        (onebit_generate(q->e->session, prompt, &options, on_answer, said, NULL) != ONEBIT_OK &&
         !cli_interrupts))
        exit(cli_fail("%s (see --window)", onebit_error_text()));
    answer += strspn(answer, " \t\r\n");
    return strncmp(said->p + strspn(said->p, " \t\r\n"), answer, strlen(answer)) == 0;
}

/* -ln p of prompt and reply together; between words there is a space. */
static double score_reply(const quiz *q, const char *prompt, const char *reply) {
    cli_text text = {NULL, 0, 0};
    size_t n = strlen(prompt);
    double nats;
    cli_add_text(&text, prompt);
    if (n && *reply != ' ' && !strchr(" \t\n([{\"'=+-*/", prompt[n - 1])) cli_add_text(&text, " ");
    cli_add_text(&text, reply);
    nats = score_text(q->e, text.p, text.n, &n);
    free(text.p);
    return nats;
}

/* Choosing among the row's choices by probability: counts it when there are any. */
static void choose(quiz *q, const row_file *r, const char *prompt, const char *answer) {
    const char *p = jsonl_find(r->line.p, "choices");
    cli_text choice = {NULL, 0, 0};
    double best = 0;
    int n = 0, right = 0;
    if (!p || *p != '[') return;
    p = jsonl_space(p + 1);
    while (p && *p == '"') {
        double nats;
        if (!(p = jsonl_string(p, &choice))) break;
        nats = score_reply(q, prompt, choice.p);
        if (n++ == 0 || nats < best) {
            best = nats;
            right = !strcmp(choice.p, answer);
        }
        p = jsonl_space(p);
        if (*p == ',') p = jsonl_space(p + 1);
    }
    free(choice.p);
    if (!n) return;
    q->with_choices++;
    q->chosen += right;
    q->chance += 1.0 / n;
}

static void print_quiz(const quiz *q) {
    double greedy = (double)q->greedy / q->count;
    double chosen = q->with_choices ? (double)q->chosen / q->with_choices : 0;
    double chance = q->with_choices ? q->chance / q->with_choices : 0;
    if (q->e->c->json) {
        cli_json_key(stdout, 1, "questions");
        printf("%d", q->count);
        cli_json_real(stdout, "greedy_accuracy", greedy);
        cli_json_int(stdout, "with_choices", q->with_choices);
        cli_json_real(stdout, "choice_accuracy", q->with_choices ? chosen : NAN);
        cli_json_real(stdout, "chance", q->with_choices ? chance : NAN);
        puts("}");
        return;
    }
    printf("questions         %d\nanswered greedily %.4f\n", q->count, greedy);
    if (q->with_choices)
        printf("chosen rightly    %.4f of %d (chance %.4f)\n", chosen, q->with_choices, chance);
}

static int eval_questions(const eval *e, const char *path, const onebit_model *model) {
    row_file r = open_rows(path, "questions");
    cli_text prompt = {NULL, 0, 0}, answer = {NULL, 0, 0}, text = {NULL, 0, 0}, said = {NULL, 0, 0};
    quiz q;
    memset(&q, 0, sizeof q);
    q.e = e;
    q.templated = cli_has(e->c, "template");
    if (q.templated && !cli_read_template(model, &q.turn))
        cli_usage("--template: this model has no chat_template");
    while (q.count < e->limit && next_row(&r)) {
        int right;
        want_text(&r, "prompt", &prompt);
        want_text(&r, "answer", &answer);
        build_prompt(&q, &prompt, &text);
        right = answers(&q, text.p, answer.p, &said);
        q.greedy += right;
        q.count++;
        choose(&q, &r, text.p, answer.p);
        if (e->verbose)
            fprintf(stderr, "%s  %s ->%s\n", right ? "right" : "wrong", prompt.p, said.p);
        show_progress(e, "question", q.count);
    }
    close_rows(&r);
    clear_progress(e);
    if (q.count) print_quiz(&q);
    free(prompt.p);
    free(answer.p);
    free(text.p);
    free(said.p);
    return q.count ? 0 : cli_fail("%s has no rows (see --questions)", path);
}

/* ---- logits ---- */

/* float32, little-endian on any machine. */
static int write_floats(FILE *f, const float *x, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        uint32_t bits;
        unsigned char b[4];
        memcpy(&bits, &x[i], 4);
        b[0] = (unsigned char)(bits & 255);
        b[1] = (unsigned char)(bits >> 8 & 255);
        b[2] = (unsigned char)(bits >> 16 & 255);
        b[3] = (unsigned char)(bits >> 24);
        if (fwrite(b, 1, 4, f) != 4) return 0;
    }
    return 1;
}

static int write_logits(const eval *e, const int32_t *ids, size_t count, size_t vocab,
                        const char *path) {
    const size_t block = 16; /* rows at a time */
    float *logits = (float *)cli_alloc(block * vocab * sizeof *logits);
    FILE *f = fopen(path, "wb");
    size_t i;
    int code = f ? 0 : cli_fail("cannot write %s: %s (see --dump-logits)", path, strerror(errno));
    for (i = 0; i < count && !code; i += block) {
        size_t n = count - i < block ? count - i : block;
        if (onebit_session_eval(e->session, ids + i, n, logits) != ONEBIT_OK)
            code = cli_fail("%s (see --ids)", onebit_error_text());
        else if (!write_floats(f, logits, n * vocab))
            code = cli_fail("cannot write %s: %s", path, strerror(errno));
    }
    if (f && fclose(f) && !code) code = cli_fail("cannot write %s: %s", path, strerror(errno));
    free(logits);
    return code;
}

static int32_t *read_ids(const char *path, const onebit_model *model, size_t *count) {
    int vocab = onebit_model_config(model)->vocab_size;
    cli_text text = {NULL, 0, 0};
    int32_t *ids;
    if (!cli_read_file(path, &text))
        exit(cli_fail("cannot read %s: %s (see --ids)", path, strerror(errno)));
    ids = jsonl_ids(text.p, vocab, count);
    if (!ids || !*count)
        exit(cli_fail("%s: ids below %d are expected, such as [1, 2, 3] (see --ids)", path, vocab));
    free(text.p);
    return ids;
}

static int dump_logits(const eval *e, const onebit_model *model, const int32_t *ids, size_t count) {
    size_t vocab = (size_t)onebit_model_config(model)->vocab_size;
    const char *path = cli_get(e->c, "dump-logits");
    int code;
    if (!path) cli_usage("--ids needs --dump-logits FILE");
    code = write_logits(e, ids, count, vocab, path);
    if (!code && e->c->json)
        printf("{\"rows\": %.0f, \"columns\": %.0f}\n", (double)count, (double)vocab);
    else if (!code && !e->c->quiet)
        fprintf(stderr, "wrote %s: %.0f rows of %.0f float32\n", path, (double)count,
                (double)vocab);
    return code;
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    onebit_env env = cli_env(&c);
    onebit_session_options how = onebit_session_options_default();
    int code = 0, jobs = cli_has(&c, "data") + cli_has(&c, "pairs") + cli_has(&c, "questions") +
                         cli_has(&c, "ids");
    int32_t *ids = NULL;
    size_t count = 0;
    onebit_model *model;
    eval e;
    memset(&e, 0, sizeof e);
    e.c = &c;
    e.limit = cli_int(&c, "limit", 0x7FFFFFFF, 1, 0x7FFFFFFF);
    e.verbose = cli_has(&c, "verbose");
    how.context = cli_int(&c, "window", 0, 2, 1 << 20);
    cli_session(&c, &how);
    if (jobs != 1) cli_usage("what to measure? Give one of --data, --pairs, --questions, --ids");
    model = cli_open_model(&c, &env);
    e.tokenizer = onebit_model_tokenizer(model);
    e.start = onebit_model_start(model);
    if (!how.context) how.context = cli_context(model);
    if (cli_has(&c, "ids")) {
        ids = read_ids(cli_get(&c, "ids"), model, &count);
        if (!cli_has(&c, "window") && count > (size_t)how.context) how.context = (int)count;
    }
    if (onebit_session_create(&e.session, model, &how, &env) != ONEBIT_OK)
        return cli_fail("%s (see --window)", onebit_error_text());
    cli_catch_interrupt();
    if (ids) code = dump_logits(&e, model, ids, count);
    else if (cli_has(&c, "data")) code = eval_data(&e, cli_get(&c, "data"));
    else if (cli_has(&c, "pairs")) code = eval_pairs(&e, cli_get(&c, "pairs"));
    else code = eval_questions(&e, cli_get(&c, "questions"), model);
    onebit_session_free(e.session);
    onebit_model_free(model);
    free(ids);
    free(c.given);
    return cli_finish(cli_interrupts ? 130 : code);
}
