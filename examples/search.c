/* search.c - onebit-search: the smallest model under a perplexity ceiling.

   cc -O3 -fopenmp examples/search.c -o onebit-search -lm
   ./onebit-search --checkpoint run --val-data valid.txt --min-perplexity-max 5.2
   ./onebit-search --checkpoint run --val-data valid.txt --min-perplexity-max 5.2 \
       --options binary,ternary,8bit,f16 --granularity projection --max-evaluations 600
   ./onebit-export --model run --layer-bit-map search_result.json --output small.1bit */
#define ONEBIT_IMPLEMENTATION
#include "cli.h"
#include "jsonl.h"
#include "pareto.h"
#include <limits.h>

#define DEFAULT_OPTIONS "binary,ternary"
static const cli_row rows[] = {
    {"Model and text", NULL, NULL},
    {"checkpoint", "PATH",
     "the model: a directory of onebit-train, its checkpoint.safetensors or model.safetensors, a "
     "Hugging Face directory or a GGUF of floats"},
    {"model-config", "FILE", "a config.json in place of the one beside a safetensors file"},
    {"val-data", "PATH", "the text that perplexity is measured on: .txt, .jsonl or .tokens"},
    {"questions", "FILE",
     "rows {\"prompt\", \"answer\", \"choices\"} for --min-accuracy: how often the answer is the "
     "likeliest choice"},
    {"val-tokens", "N", "tokens of the text that are measured, 0 = all (default 16384)"},
    {"Limits", NULL, NULL},
    {"min-perplexity-max", "P", "the ceiling: perplexity on the text is at most P"},
    {"max-size-mb", "S", "the file has at most so many MB (10^6 bytes)"},
    {"min-accuracy", "A", "the answers are right with at least this share, 0 to 1"},
    {"Space", NULL, NULL},
    {"options", "LIST",
     "modes to choose from: of binary, ternary, 8bit, f16 and f32 (default " DEFAULT_OPTIONS ")"},
    {"granularity", "NAME",
     "what has a mode of its own: layer, half (attention and FFN) or projection (default layer)"},
    {"search-ends", NULL, "embedding and head take part too; else they stay as they are"},
    {"Search", NULL, NULL},
    {"method", "NAME",
     "auto, exact, knapsack, expander or random (default auto: exact up to 4096 maps, else "
     "knapsack)"},
    {"max-evaluations", "N", "maps that are measured at most (default 4096 with exact, else 1000)"},
    {"compare", NULL, "run every method with as many evaluations as the first, and compare them"},
    {"partition-size", "N", "with expander: maps in a partition (default 100)"},
    {"overlap-ratio", "R",
     "with expander: share of a partition that others may enter again (default 0.15)"},
    {"seed", "N", "of expander and random (default 42)"},
    {"Result", NULL, NULL},
    {"output", "FILE",
     "the result as JSON; beside it every evaluation as .csv, from which a search that was stopped "
     "goes on, and the picture as .svg (default search_result.json)"},
    {"restart", NULL, "measure everything anew, whatever the .csv holds"},
    {"Fine-tuning", NULL, NULL},
    {"finetune", "N", "then train the chosen map for N steps, into FILE.finetuned/"},
    {"train-data", "PATH", "the text for that"},
    {"finetune-lr", "R", "its peak learning rate (default 0.0003)"},
    {"Running", NULL, NULL},
    {"num-threads", "N", "the same as --threads"},
    CLI_OPEN,
    CLI_DEVICE(""),
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

static const cli_spec spec = {
    "onebit-search",
    "the smallest layer_bit_map under a perplexity ceiling",
    "onebit-search --checkpoint PATH --val-data PATH --min-perplexity-max P",
    "examples:\n"
    "  onebit-search --checkpoint run --val-data valid.txt --min-perplexity-max 5.2\n"
    "  onebit-search --checkpoint run --val-data valid.txt --min-perplexity-max 5 \\\n"
    "      --options binary,ternary,8bit --granularity projection\n"
    "  onebit-export --model run --layer-bit-map search_result.json\n",
    "checkpoint val-data min-perplexity-max max-size-mb options granularity method "
    "max-evaluations finetune train-data output device json ",
    "checkpoint",
    rows,
    0,
    NULL};

/* Rows of the CSV: the journal of all evaluations, of earlier runs too. */
typedef struct journal_row {
    pareto_point point; /* map owned by the journal */
    int number;
    char method[12], step[12];
} journal_row;

typedef struct search {
    const cli *c;
    onebit_search_job job;
    onebit_search_result result;
    const char *output, *method;
    char *csv, *svg, *tuned;
    FILE *journal;
    cli_text others; /* rows of other searches in the same file */
    char print[17];  /* of what decides on the figures: rows of another search do not count */
    journal_row *row;
    int rows, recalled, counted, foreign;
    int found, unwritten; /* 1 = the CSV could not be written */
    double best_file, began, shown;
} search;

/* ---- numbers and names ---- */

static double real(const cli *c, const char *name, double value, double low, double high) {
    const char *text = cli_get(c, name);
    char *end;
    double x;
    if (!text) return value;
    x = strtod(text, &end);
    if (end == text || *end || !(x >= low && x <= high))
        cli_usage("--%s: '%s' is not a number from %g to %g", name, text, low, high);
    return x;
}

/* FILE with another ending: "a/b.json" gives "a/b.csv". */
static char *beside(const char *path, const char *ending) {
    cli_text t = {NULL, 0, 0};
    size_t n = strlen(path);
    cli_add(&t, path, cli_ends_with(path, ".json") ? n - 5 : n);
    cli_add_text(&t, ending);
    return t.p;
}

static void read_options(search *s) {
    const char *p = cli_has(s->c, "options") ? cli_get(s->c, "options") : DEFAULT_OPTIONS;
    int i;
    s->job.mode_count = 0;
    for (;;) {
        char name[24];
        size_t n = strcspn(p, ",");
        int mode;
        snprintf(name, sizeof name, "%.*s", n < 20 ? (int)n : 20, p);
        if ((mode = onebit_mode_parse(name)) < 0)
            cli_usage("--options: '%s' is none of binary, ternary, 8bit, f16, f32", name);
        for (i = 0; i < s->job.mode_count; i++)
            if (s->job.modes[i] == mode) cli_usage("--options: '%s' stands there twice", name);
        s->job.modes[s->job.mode_count++] = (uint8_t)mode;
        if (!p[n]) break;
        p += n + 1;
    }
}

static void print_text(uint64_t *h, const char *p) {
    for (; *p; p++) *h = (*h ^ (unsigned char)*p) * 0x100000001B3u;
}

/* Adds a file, as far as its size and time tell; the times of directories say nothing of what is in
   their files, and change when a result is written there. */
static void print_file(uint64_t *h, const char *path) {
    struct stat st;
    char text[64];
    if (stat(path, &st) || S_ISDIR(st.st_mode)) return;
    snprintf(text, sizeof text, "|%.0f|%.0f", (double)st.st_size, (double)st.st_mtime);
    print_text(h, text);
}

/* 1 for files that are read as text or as weights, and are no result of a search. */
static int is_source(const char *name) {
    static const char *const ending[] = {
        ".safetensors", ".txt",   ".jsonl", ".tokens",     ".text",       ".md",
        ".raw",         ".model", ".gguf",  ".index.json", "config.json", "tokenizer.json"};
    size_t i;
    for (i = 0; i < sizeof ending / sizeof *ending; i++)
        if (cli_ends_with(name, ending[i])) return 1;
    return 0;
}

/* Adds what a path holds; the files of a directory in any order. */
static void print_path(uint64_t *h, const char *path) {
    print_text(h, path ? path : "");
    if (!path || !*path) return;
    print_file(h, path);
#ifndef _WIN32
    {
        DIR *directory = opendir(path);
        struct dirent *entry;
        uint64_t sum = 0;
        while (directory && (entry = readdir(directory)) != NULL) {
            uint64_t each = 0xCBF29CE484222325u;
            cli_text name = {NULL, 0, 0};
            if (!is_source(entry->d_name)) continue;
            cli_add_text(&name, path);
            cli_add_text(&name, "/");
            cli_add_text(&name, entry->d_name);
            print_text(&each, entry->d_name);
            print_file(&each, name.p);
            free(name.p);
            sum += each;
        }
        if (directory) closedir(directory);
        *h = (*h ^ sum) * 0x100000001B3u;
    }
#endif
}

static void print_number(uint64_t *h, double x) {
    char text[40];
    snprintf(text, sizeof text, "|%.17g", x);
    print_text(h, text);
}

/* What decides on what a map measures and on what its letters mean. Limits and method do not. */
static void take_print(search *s) {
    const onebit_search_job *j = &s->job;
    uint64_t h = 0xCBF29CE484222325u;
    int i;
    print_path(&h, j->checkpoint);
    print_path(&h, j->val_data), print_path(&h, j->questions);
    print_path(&h, j->open.tokenizer), print_path(&h, j->open.config);
    print_path(&h, j->open.layer_bit_map);
    for (i = 0; i < j->mode_count; i++) print_number(&h, j->modes[i]);
    print_number(&h, j->granularity), print_number(&h, j->search_ends);
    print_number(&h, j->val_tokens), print_number(&h, j->open.i2s);
    snprintf(s->print, sizeof s->print, "%08lx%08lx", (unsigned long)(h >> 32),
             (unsigned long)(h & 0xFFFFFFFFu));
}

/* ---- the journal ---- */

#define CSV_HEAD                                                                                   \
    "search,method,number,step,map,weight_bytes,file_bytes,loss,perplexity,kl,accuracy,feasible"

static void add_row(search *s, const journal_row *row) {
    journal_row *all = (journal_row *)realloc(s->row, (size_t)(s->rows + 1) * sizeof *all);
    if (!all) exit(cli_fail("out of memory"));
    s->row = all, s->row[s->rows++] = *row;
}

static void put_row(const search *s, FILE *f, const journal_row *r) {
    fprintf(f, "%s,%s,%d,%s,%s,%.0f,%.0f,%.17g,%.9g,", s->print, r->method, r->number, r->step,
            r->point.map, r->point.weights, r->point.file, r->point.loss, exp(r->point.loss));
    if (isfinite(r->point.kl)) fprintf(f, "%.17g", r->point.kl);
    fputc(',', f);
    if (isfinite(r->point.accuracy)) fprintf(f, "%.17g", r->point.accuracy);
    fprintf(f, ",%d\n", r->point.feasible);
}

/* The next cell of a line, cut off from it; NULL behind the last. */
static char *cell(char **line) {
    char *from = *line, *end;
    if (!from) return NULL;
    end = strchr(from, ',');
    *line = end ? end + 1 : NULL;
    if (end) *end = 0;
    return from;
}

/* A number in a cell; an empty one is none. 0 = it is something else. */
static int cell_real(char **line, double *x) {
    char *text = cell(line), *end;
    if (!text) return 0;
    *x = NAN;
    if (!*text) return 1;
    *x = strtod(text, &end);
    return !*end;
}

/* Whether a row of an earlier run is within the limits of this one. */
static int within(const search *s, const pareto_point *p) {
    const onebit_search_job *j = &s->job;
    return exp(p->loss) <= j->max_perplexity &&
           (j->max_size_mb <= 0 || p->file <= j->max_size_mb * 1e6) &&
           (j->min_accuracy <= 0 || p->accuracy >= j->min_accuracy);
}

/* Takes one line of the CSV; 0 = it is damaged or of another search. */
static int take_row(const search *s, char *line, journal_row *r) {
    const char *print = cell(&line), *method, *step, *map;
    double number, feasible;
    memset(r, 0, sizeof *r);
    if (strcmp(print, s->print)) return 0;
    method = cell(&line);
    if (!method || !cell_real(&line, &number) || !(step = cell(&line)) || !(map = cell(&line)) ||
        !cell_real(&line, &r->point.weights) || !cell_real(&line, &r->point.file) ||
        !cell_real(&line, &r->point.loss) || !cell_real(&line, &feasible) ||
        !cell_real(&line, &r->point.kl) || !cell_real(&line, &r->point.accuracy) ||
        !cell_real(&line, &feasible) || line || !isfinite(r->point.loss) ||
        strspn(map, "fh8tb") != strlen(map) || !(number >= 1 && number <= 1e9))
        return 0;
    snprintf(r->method, sizeof r->method, "%.11s", method);
    snprintf(r->step, sizeof r->step, "%.11s", step);
    r->number = (int)number, r->point.feasible = within(s, &r->point);
    r->point.map = cli_copy(map);
    return 1;
}

/* Reads the rows of this search that the CSV holds, and keeps those of others as they are. */
static void read_journal(search *s) {
    cli_text text = {NULL, 0, 0};
    char *line, *next;
    journal_row row;
    if (!cli_found(s->csv) || !cli_read_file(s->csv, &text)) return;
    for (line = text.p; (next = strchr(line, '\n')) != NULL; line = next) {
        *next++ = 0;
        if (line == text.p) s->foreign = strcmp(line, CSV_HEAD);
        else if (!strncmp(line, s->print, strlen(s->print))) {
            if (!cli_has(s->c, "restart") && take_row(s, line, &row)) add_row(s, &row);
        } else if (!s->foreign) {
            cli_add_text(&s->others, line);
            cli_add_text(&s->others, "\n");
        }
    }
    free(text.p);
    if (s->rows && !s->c->quiet)
        fprintf(stderr, "%s: %d evaluations are there already (--restart measures anew)\n", s->csv,
                s->rows);
}

/* Before the first evaluation, when model and text are known to be good: writes the rows anew,
   whole, so that a line that was cut off is gone; later rows are added behind them. Rows of other
   searches stay where they are; a file that is something else is kept as .old. */
static void start_journal(search *s) {
    cli_text path = {NULL, 0, 0};
    int i;
    cli_add_text(&path, s->csv);
    cli_add_text(&path, ".old");
    if (s->foreign && !rename(s->csv, path.p) && !s->c->quiet)
        fprintf(stderr, "%s is no list of a search: it is %s now\n", s->csv, path.p);
    cli_clear(&path);
    cli_add_text(&path, s->csv);
    cli_add_text(&path, ".tmp");
    s->journal = fopen(path.p, "wb");
    if (!s->journal) exit(cli_fail("cannot write %s: %s (see --output)", path.p, strerror(errno)));
    fprintf(s->journal, "%s\n", CSV_HEAD);
    if (s->others.n) fwrite(s->others.p, 1, s->others.n, s->journal);
    for (i = 0; i < s->rows; i++) put_row(s, s->journal, s->row + i);
    if (fclose(s->journal) || rename(path.p, s->csv) || !(s->journal = fopen(s->csv, "ab")))
        exit(cli_fail("cannot write %s: %s (see --output)", s->csv, strerror(errno)));
    free(path.p);
}

/* What the rows of a map tell; not every method measures the divergence. */
static int on_known(void *user, onebit_evaluation *e) {
    const search *s = (const search *)user;
    int i, found = 0;
    for (i = 0; i < s->rows; i++) {
        const pareto_point *p = &s->row[i].point;
        if (strcmp(p->map, e->map)) continue;
        e->loss = p->loss, found = 1;
        if (isfinite(p->kl)) e->kl = p->kl;
        if (isfinite(p->accuracy)) e->accuracy = p->accuracy;
    }
    return found;
}

static void show(search *s, const onebit_evaluation *e) {
    double now = cli_seconds();
    char best[48] = "none yet";
    if (s->c->quiet || !s->c->live || (now - s->shown < 0.1 && !e->feasible)) return;
    s->shown = now;
    if (s->found) snprintf(best, sizeof best, "%.3f MB", s->best_file / 1e6);
    fprintf(stderr, "\r%s  %d  %.3f MB  perplexity %.4f %s %g  best %s  %.0f s\033[K", e->step,
            e->number, (double)e->file_bytes / 1e6, exp(e->loss), e->feasible ? "within" : "over",
            s->job.max_perplexity, best, now - s->began);
}

static int on_evaluation(void *user, const onebit_evaluation *e) {
    search *s = (search *)user;
    journal_row r;
    int i;
    if (!s->journal) start_journal(s);
    memset(&r, 0, sizeof r);
    r.number = e->number;
    snprintf(r.method, sizeof r.method, "%s", s->method);
    snprintf(r.step, sizeof r.step, "%s", e->step);
    r.point.weights = (double)e->weight_bytes, r.point.file = (double)e->file_bytes;
    r.point.loss = e->loss, r.point.kl = e->kl, r.point.accuracy = e->accuracy;
    r.point.feasible = e->feasible;
    if (e->feasible && (!s->found || r.point.file < s->best_file))
        s->found = 1, s->best_file = r.point.file;
    show(s, e);
    s->recalled += e->known, s->counted++;
    for (i = 0; i < s->rows; i++)
        if (!strcmp(s->row[i].method, r.method) && !strcmp(s->row[i].point.map, e->map) &&
            (isfinite(s->row[i].point.kl) || !isfinite(e->kl))) {
            s->row[i].point.feasible = e->feasible; /* the limits may be others now */
            return cli_interrupts != 0;
        }
    r.point.map = cli_copy(e->map);
    add_row(s, &r);
    put_row(s, s->journal, &r);
    s->unwritten = fflush(s->journal) != 0;
    return s->unwritten || cli_interrupts != 0;
}

/* ---- results ---- */

static const char *const methods[] = {"auto", "exact", "knapsack", "expander", "random", "as_is"};

/* layer_bit_map of a config as JSON. */
static void add_map(cli_text *out, const onebit_config *config) {
    size_t n = onebit_config_write(config, NULL, 0);
    char *text = (char *)cli_alloc(n + 1);
    const char *from, *to;
    onebit_config_write(config, text, n + 1);
    from = jsonl_find(text, "layer_bit_map");
    to = from ? jsonl_skip(from) : NULL;
    if (to) cli_add(out, from, (size_t)(to - from));
    free(text);
}

static void add_real(cli_text *out, const char *key, double x) {
    char text[96];
    snprintf(text, sizeof text, "  \"%s\": ", key);
    cli_add_text(out, text);
    snprintf(text, sizeof text, "%.9g,\n", x);
    cli_add_text(out, isfinite(x) ? text : "null,\n");
}

static void add_bool(cli_text *out, const char *key, int x) {
    cli_add_text(out, "  \"");
    cli_add_text(out, key);
    cli_add_text(out, x ? "\": true,\n" : "\": false,\n");
}

static void add_text(cli_text *out, const char *key, const char *value) {
    cli_add_text(out, "  \"");
    cli_add_text(out, key);
    cli_add_text(out, "\": \"");
    for (; *value; value++) {
        char hex[8];
        snprintf(hex, sizeof hex, "\\u%04x", (unsigned)(unsigned char)*value);
        if ((unsigned char)*value < 32) cli_add_text(out, hex);
        else {
            if (*value == '"' || *value == '\\') cli_add_text(out, "\\");
            cli_add(out, value, 1);
        }
    }
    cli_add_text(out, "\",\n");
}

/* The mode that a letter stands for. */
static const char *mode_of(char letter) {
    static const char letters[] = "fh8tb";
    return onebit_mode_name((onebit_mode)(strchr(letters, letter) - letters));
}

/* "layer 3 ffn": what a letter of the map stands for. */
static const char *group_name(const search *s, int group, char *out, size_t size) {
    static const char *const names[3][7] = {
        {""},
        {" attention", " ffn"},
        {" q_proj", " k_proj", " v_proj", " o_proj", " gate_proj", " up_proj", " down_proj"}};
    static const int counts[3] = {1, 2, 7};
    const onebit_config *config = &s->result.config;
    int g = s->job.granularity, gateless = g == 2 && !config->use_swiglu;
    int each = counts[g] - gateless, at = group - s->job.search_ends, k;
    if (at < 0) return "embedding";
    if (at / each >= config->num_layers) return "lm_head";
    k = at % each;
    if (gateless && k > 3) k++;
    snprintf(out, size, "layer %d%s", at / each, names[g][k]);
    return out;
}

/* Demotions that were measured at the map found, and refused: a line each in words or JSON. */
static int refusals(const search *s, cli_text *out, int json) {
    const onebit_search_result *r = &s->result;
    int i, n = 0;
    for (i = 0; i < s->rows; i++) {
        const pareto_point *p = &s->row[i].point;
        char text[240], name[40];
        size_t k, at = 0, differ = 0, parts = strlen(r->map);
        if (strlen(p->map) != parts || p->feasible || p->weights >= (double)r->best.weight_bytes)
            continue;
        if (strcmp(s->row[i].method, s->method)) continue;
        for (k = 0; k < parts; k++)
            if (p->map[k] != r->map[k]) at = k, differ++;
        if (differ != 1) continue;
        snprintf(text, sizeof text,
                 json ? "%s\n      {\"group\": \"%s\", \"from\": \"%s\", \"to\": \"%s\", "
                        "\"perplexity\": %.9g}"
                      : "%s  %s, %s to %s: perplexity %.4f",
                 n ? (json ? "," : "\n") : "", group_name(s, (int)at, name, sizeof name),
                 mode_of(r->map[at]), mode_of(p->map[at]), exp(p->loss));
        if (out) cli_add_text(out, text);
        n++;
    }
    return n;
}

typedef struct tuning {
    int done, steps;
    double before, after;
    size_t file;
} tuning;

/* The result as JSON. */
static void write_result(const search *s, const tuning *t, const char *failure, cli_text *out) {
    const onebit_search_result *r = &s->result;
    const onebit_evaluation *b = &r->best;
    double mb = (double)b->file_bytes / 1e6;
    cli_clear(out);
    cli_add_text(out, "{\n");
    add_bool(out, "found", r->found);
    if (failure) add_text(out, "reason", failure);
    cli_add_text(out, "  \"layer_bit_map\": ");
    add_map(out, &r->config);
    cli_add_text(out, ",\n");
    add_text(out, "map", r->map);
    add_real(out, "perplexity", exp(b->loss));
    add_real(out, "loss", b->loss);
    add_real(out, "kl", b->kl);
    add_real(out, "accuracy", b->accuracy);
    add_real(out, "size_mb", mb);
    add_real(out, "size_bytes", (double)b->file_bytes);
    add_real(out, "weight_bytes", (double)b->weight_bytes);
    add_real(out, "weight_bytes_as_trained", (double)r->bytes_as_trained);
    add_real(out, "parameters", (double)onebit_config_parameters(&r->config));
    add_real(out, "compression_ratio",
             4.0 * (double)onebit_config_parameters(&r->config) / (double)b->weight_bytes);
    add_text(out, "method", methods[r->method]);
    add_real(out, "groups", r->groups);
    add_real(out, "maps", r->maps);
    add_real(out, "evaluations", r->evaluations);
    add_real(out, "evaluations_from_csv", s->recalled);
    add_real(out, "search_time_secs", r->seconds);
    add_real(out, "tokens", (double)r->tokens);
    add_real(out, "questions", r->questions);
    add_real(out, "min_perplexity_max", s->job.max_perplexity);
    add_real(out, "max_size_mb", s->job.max_size_mb > 0 ? s->job.max_size_mb : NAN);
    add_real(out, "min_accuracy", s->job.min_accuracy > 0 ? s->job.min_accuracy : NAN);
    if (t && t->done) {
        cli_add_text(out, "  \"finetune\": {\n");
        cli_add_text(out, "  "), add_text(out, "directory", s->tuned);
        cli_add_text(out, "  "), add_real(out, "steps", t->steps);
        cli_add_text(out, "  "), add_real(out, "perplexity_before", t->before);
        cli_add_text(out, "  "), add_real(out, "perplexity_after", t->after);
        out->n -= 2;
        cli_add_text(out, "\n  },\n");
    }
    cli_add_text(out, "  \"certificate\": {\n");
    cli_add_text(out, "  "), add_bool(out, "proven_smallest", r->proven);
    cli_add_text(out, "  "), add_bool(out, "one_optimal", r->one_optimal);
    cli_add_text(out, "  "),
        add_real(out, "bound_weight_bytes", r->bound_bytes ? (double)r->bound_bytes : NAN);
    cli_add_text(out, "  ");
    add_real(out, "gap",
             r->bound_bytes ? (double)b->weight_bytes / (double)r->bound_bytes - 1
             : r->proven    ? 0.0
                            : NAN);
    cli_add_text(out, "    \"refused\": [");
    cli_add_text(out, refusals(s, out, 1) ? "\n    ]\n  }\n}\n" : "]\n  }\n}\n");
}

/* Writes it into its file; json has it then. */
static void leave_result(const search *s, const tuning *t, const char *failure, cli_text *json) {
    write_result(s, t, failure, json);
    if (!cli_write_file(s->output, json->p, json->n))
        exit(cli_fail("cannot write %s: %s (see --output)", s->output, strerror(errno)));
}

/* What is certain about the result. */
static void print_certificate(const search *s) {
    const onebit_search_result *r = &s->result;
    cli_text text = {NULL, 0, 0};
    int n;
    if (r->proven) {
        printf("certificate    proven: none of the %.0f maps is smaller within the limits\n",
               r->maps);
        return;
    }
    if (r->method == ONEBIT_SEARCH_EXACT) {
        puts("certificate    not proven: the evaluations were used up (see --max-evaluations)");
        return;
    }
    if (r->method != ONEBIT_SEARCH_KNAPSACK) {
        puts("certificate    none: this method proves nothing");
        return;
    }
    cli_clear(&text);
    n = refusals(s, &text, 0);
    if (r->one_optimal)
        printf("certificate    1-optimal: lowering any single group breaks a limit (%d measured)\n",
               n);
    else puts("certificate    not 1-optimal: the evaluations were used up (see --max-evaluations)");
    if (r->bound_bytes)
        printf("lower bound    %.3f MB of weights if effects add up; this map is at most %.1f %% "
               "above it\n",
               (double)r->bound_bytes / 1e6,
               100.0 * ((double)r->best.weight_bytes / (double)r->bound_bytes - 1));
    if (n && !s->c->quiet && r->one_optimal) fprintf(stderr, "refused:\n%s\n", text.p);
    free(text.p);
}

static void print_result(const search *s, const tuning *t) {
    const onebit_search_result *r = &s->result;
    printf(r->maps < 1e9 ? "space          %.0f maps of %d groups\n"
                         : "space          %.3g maps of %d groups\n",
           r->maps, r->groups);
    printf("evaluations    %d on %.0f tokens, %.1f s\n", r->evaluations, (double)r->tokens,
           r->seconds);
    printf("map            %s\n", r->map);
    printf("size           %.3f MB (weights %.3f MB, %.3f as trained)\n",
           (double)r->best.file_bytes / 1e6, (double)r->best.weight_bytes / 1e6,
           (double)r->bytes_as_trained / 1e6);
    printf("perplexity     %.4f, at most %g\n", exp(r->best.loss), s->job.max_perplexity);
    if (r->questions) printf("accuracy       %.4f of %d\n", r->best.accuracy, r->questions);
    print_certificate(s);
    if (t->done)
        printf("fine-tuned     %d steps: perplexity %.4f before, %.4f after; %s\n", t->steps,
               t->before, t->after, s->tuned);
}

/* All points of the journal, the picture, and in a terminal the front as a table. */
static void leave_picture(const search *s) {
    pareto_point *all = (pareto_point *)cli_alloc((size_t)(s->rows + 1) * sizeof *all);
    cli_text svg = {NULL, 0, 0};
    int i, n = 0;
    for (i = 0; i < s->rows; i++)
        if (isfinite(s->row[i].point.loss)) all[n++] = s->row[i].point;
    pareto_svg(&svg, all, n, s->result.found ? s->result.map : NULL, s->job.max_perplexity,
               s->job.max_size_mb);
    if (!cli_write_file(s->svg, svg.p, svg.n))
        exit(cli_fail("cannot write %s: %s (see --output)", s->svg, strerror(errno)));
    if (!s->c->json && !s->c->quiet) pareto_table(all, n, s->result.found ? s->result.map : NULL);
    free(all);
    free(svg.p);
}

/* ---- more ---- */

/* One search by one method; its place in the journal is the method's name. */
static onebit_status run(search *s, int method, onebit_search_result *out) {
    onebit_status status;
    s->job.method = method;
    s->found = s->recalled = s->counted = 0, s->method = methods[method];
    s->began = cli_seconds();
    status = onebit_search(&s->job, out);
    if (s->c->live && !s->c->quiet) fputs("\r\033[K", stderr);
    return status;
}

/* Every method with as many evaluations as the result took. */
static void compare(search *s) {
    onebit_search_job kept = s->job;
    onebit_search_result r;
    int i, first = s->result.maps <= ONEBIT_EXACT_MAPS ? 1 : 2;
    s->job.max_evaluations = s->result.evaluations;
    printf("\n%-10s %11s %9s %11s  %s\n", "method", "evaluations", "size MB", "perplexity", "");
    for (i = first; i < 5 && !cli_interrupts; i++) {
        onebit_status status = run(s, i, &r);
        if (status != ONEBIT_OK && status != ONEBIT_LIMIT)
            exit(cli_interrupts ? 130 : cli_fail("%s", onebit_error_text()));
        if (r.found)
            printf("%-10s %11d %9.3f %11.4f  %s\n", methods[i], r.evaluations,
                   (double)r.best.file_bytes / 1e6, exp(r.best.loss),
                   r.proven        ? "proven smallest"
                   : r.one_optimal ? "1-optimal"
                                   : "");
        else
            printf("%-10s %11d %9s %11s  none within the limits\n", methods[i], r.evaluations, "-",
                   "-");
        fflush(stdout);
    }
    s->job = kept, s->method = methods[s->result.method];
}

static int on_training(void *user, const onebit_progress *p) {
    const search *s = (const search *)user;
    if (s->c->live && !s->c->quiet && p->kind == 's')
        fprintf(stderr, "\rfine-tuning  step %d of %d  loss %.4f\033[K", p->step.step, p->max_steps,
                p->step.loss);
    return cli_interrupts != 0;
}

/* Trains the chosen map from the checkpoint's weights, and measures it like the others. */
static tuning finetune(search *s, int steps) {
    onebit_train_job job = onebit_train_job_default();
    onebit_train_options options = cli_train_options(s->job.env);
    onebit_config config = s->result.config;
    onebit_search_result r;
    onebit_search_job kept = s->job;
    onebit_open_options open = s->job.open;
    onebit_train_result trained;
    tuning t;
    memset(&t, 0, sizeof t);
    open.layer_bit_map = NULL;
    t.steps = steps, t.before = exp(s->result.best.loss);
    options.max_steps = steps, options.lr = real(s->c, "finetune-lr", 3e-4, 1e-8, 1);
    if (options.lr_min > options.lr) options.lr_min = options.lr;
    job.data_dir = cli_get(s->c, "train-data"), job.output_dir = s->tuned;
    job.init_from = s->job.checkpoint, job.init_open = &open, job.tokenizer = s->job.open.tokenizer;
    job.config = &config, job.options = &options, job.env = s->job.env;
    job.on_progress = on_training, job.user = s;
    if (onebit_train(&job, &trained) != ONEBIT_OK)
        exit(cli_interrupts ? cli_interrupted()
                            : cli_fail("%s (see --finetune, --train-data)", onebit_error_text()));
    if (s->c->live && !s->c->quiet) fputs("\r\033[K", stderr);
    s->job.checkpoint = s->tuned, s->job.method = ONEBIT_SEARCH_AS_IS;
    s->job.open.config = s->job.open.layer_bit_map = NULL;
    s->job.on_evaluation = NULL, s->job.known = NULL;
    if (onebit_search(&s->job, &r) != ONEBIT_OK) exit(cli_fail("%s", onebit_error_text()));
    s->job = kept;
    t.after = exp(r.best.loss), t.file = r.best.file_bytes, t.done = 1;
    return t;
}

static void read_job(search *s, const onebit_env *env) {
    const cli *c = s->c;
    onebit_search_job *j = &s->job;
    *j = onebit_search_job_default();
    j->checkpoint = cli_model_path(cli_get(c, "checkpoint"));
    j->val_data = cli_get(c, "val-data"), j->questions = cli_get(c, "questions");
    if (!j->checkpoint) cli_usage("which model? Give --checkpoint PATH");
    if (!j->val_data) cli_usage("which text? Give --val-data PATH");
    if (!cli_has(c, "min-perplexity-max"))
        cli_usage("how good must it be? Give --min-perplexity-max P; onebit-eval tells what the "
                  "model has");
    j->open = cli_open_options(c), j->open.config = cli_get(c, "model-config");
    j->max_perplexity = real(c, "min-perplexity-max", 0, 1, 1e12);
    j->max_size_mb = real(c, "max-size-mb", 0, 1e-6, 1e9);
    j->min_accuracy = real(c, "min-accuracy", 0, 0, 1);
    if (cli_has(c, "min-accuracy") && !j->questions) cli_usage("--min-accuracy needs --questions");
    read_options(s);
    j->granularity = cli_choice(c, "granularity", "layer|half|projection");
    j->search_ends = cli_has(c, "search-ends");
    j->max_evaluations = cli_int(c, "max-evaluations", 0, 1, 1 << 20);
    j->val_tokens = cli_int(c, "val-tokens", 16384, 0, INT_MAX);
    j->seed = cli_int(c, "seed", 42, 0, INT_MAX);
    j->partition_size = cli_int(c, "partition-size", 100, 10, 1 << 20);
    j->overlap_ratio = real(c, "overlap-ratio", 0.15, 0, 1);
    j->env = env;
    j->on_evaluation = on_evaluation, j->known = on_known, j->user = s;
}

/* Flags that would do nothing. */
static void check_flags(const cli *c, int method) {
    int expander = method == ONEBIT_SEARCH_EXPANDER || cli_has(c, "compare");
    if (!expander && (cli_has(c, "partition-size") || cli_has(c, "overlap-ratio")))
        cli_usage("--partition-size and --overlap-ratio need --method expander or --compare");
    if (!expander && method != ONEBIT_SEARCH_RANDOM && cli_has(c, "seed"))
        cli_usage(
            "--seed needs --method expander or random, or --compare: the others draw nothing");
    if (!cli_has(c, "finetune") && (cli_has(c, "train-data") || cli_has(c, "finetune-lr")))
        cli_usage("--train-data and --finetune-lr need --finetune N");
    if (cli_has(c, "finetune") && !cli_has(c, "train-data"))
        cli_usage("--finetune needs --train-data PATH");
    if (cli_has(c, "finetune") && !cli_found(cli_get(c, "train-data")))
        cli_usage("--train-data: there is no %s", cli_get(c, "train-data"));
    if (cli_has(c, "compare") && c->json)
        cli_usage("--compare prints a table; leave --json out, FILE has the result");
    if (cli_has(c, "threads") && cli_has(c, "num-threads"))
        cli_usage("give --threads or --num-threads, not both");
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    int method = cli_choice(&c, "method", "auto|exact|knapsack|expander|random"), i, code = 0;
    int steps = cli_int(&c, "finetune", 0, 1, INT_MAX);
    onebit_env env = cli_env(&c);
    onebit_status status;
    cli_text json = {NULL, 0, 0};
    char failure[600] = "";
    tuning t;
    static search s; /* its result is large */
    s.c = &c;
    check_flags(&c, method);
    env.threads = cli_int(&c, "num-threads", env.threads, 1, 64);
    read_job(&s, &env);
    s.output = cli_has(&c, "output") ? cli_get(&c, "output") : "search_result.json";
    if (cli_found(s.output) == 2 || cli_ends_with(s.output, "/"))
        cli_usage("--output: %s is a directory, expected a file", s.output);
    s.csv = beside(s.output, ".csv"), s.svg = beside(s.output, ".svg");
    s.tuned = beside(s.output, ".finetuned");
    take_print(&s);
    cli_catch_interrupt();
    read_journal(&s);
    memset(&t, 0, sizeof t);
    status = run(&s, method, &s.result);
    s.method = methods[method];
    if (status == ONEBIT_CANCELLED && cli_interrupts) {
        fprintf(stderr, "stopped after %d evaluations; the same command goes on\n", s.counted);
        return cli_interrupted();
    }
    if (status != ONEBIT_OK) snprintf(failure, sizeof failure, "%s", onebit_error_text());
    if (status != ONEBIT_OK && !s.result.evaluations)
        return cli_finish(
            cli_fail("%s (see --checkpoint, --val-data, --questions, --tokenizer)", failure));
    leave_picture(&s);
    leave_result(&s, &t, *failure ? failure : NULL, &json);
    if (status == ONEBIT_OK && steps) {
        t = finetune(&s, steps);
        leave_result(&s, &t, NULL, &json);
    }
    if (c.json) fputs(json.p, stdout);
    else if (status == ONEBIT_OK) print_result(&s, &t);
    if (s.unwritten) code = cli_fail("cannot write %s (see --output)", s.csv);
    else if (status == ONEBIT_LIMIT)
        code = cli_fail("%s (see --min-perplexity-max, --max-size-mb, --min-accuracy)", failure);
    else if (status != ONEBIT_OK) code = cli_fail("%s", failure);
    if (status == ONEBIT_OK && cli_has(&c, "compare")) compare(&s);
    if (!c.quiet) fprintf(stderr, "wrote %s, %s, %s\n", s.output, s.csv, s.svg);
    if (s.journal && fclose(s.journal) && !code)
        code = cli_fail("cannot write %s (see --output)", s.csv);
    free(s.others.p);
    for (i = 0; i < s.rows; i++) free((char *)s.row[i].point.map);
    free(s.row);
    free(s.csv);
    free(s.svg);
    free(s.tuned);
    free(json.p);
    free(c.given);
    return cli_finish(code);
}
