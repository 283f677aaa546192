/* cli.h - what the programs of this directory share: flags, help, errors, JSON and small output
   helpers.

   A program lists its own flags in rows {name, placeholder, help} and names the settings tables of
   onebit.h that it takes; every setting is then a flag, with its range, default and help. onebit.h
   comes with this file, because a program for GPUs (-DONEBIT_CUDA, by nvcc) takes onebit_cuda.h in
   its place. Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 wrong
   use, 130 Ctrl-C, 143 SIGTERM. */
#ifndef CLI_H
#define CLI_H

#if defined(ONEBIT_CUDA)
#include "../onebit_cuda.h"
#else
#include "../onebit.h"
#endif

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/stat.h>
#ifdef _WIN32
#include <io.h>
#include <time.h>
#define isatty _isatty
#define S_ISDIR(mode) (((mode) & _S_IFDIR) != 0)
#else
#include <dirent.h>
#include <sys/time.h>
#include <unistd.h>
#endif

#define CLI static inline
#if defined(__GNUC__)
#define CLI_PRINTF(n) __attribute__((format(printf, n, n + 1)))
#else
#define CLI_PRINTF(n)
#endif

/* A flag of the program: value NULL = a switch, "[X]" = the value may be left out. A row without
   value and help is a heading. A list ends with CLI_END. */
typedef struct cli_row {
    const char *name, *value, *help;
} cli_row;
#define CLI_END                                                                                    \
    { NULL, NULL, NULL }
#define CLI_THREADS                                                                                \
    { "threads", "N", "processor threads (default: all, when built with -fopenmp)" }
#define CLI_ISA                                                                                    \
    {                                                                                              \
        "isa", "NAME",                                                                             \
            "kernels: auto, scalar, avx2, avx512, avx512vnni, avx512bf16 or neon (default auto)"   \
    }
/* more: "" or what follows from it in this program. */
#define CLI_DEVICE(more)                                                                           \
    {                                                                                              \
        "device", "NAME",                                                                          \
            "where to compute: cpu, cuda or cuda:N (an NVIDIA GPU; README.md says how to build "   \
            "for one), or auto: a GPU if there is one (default cpu)" more                          \
    }
#define CLI_CONTEXT 4096 /* tokens of a context, at most, where no flag says */
#define CLI_CACHE_BITS                                                                             \
    {                                                                                              \
        "cache-bits", "N",                                                                         \
            "keys and values of the context: 32 (floats) or 8, a quarter of the memory "           \
            "(default 32)"                                                                         \
    }
#define CLI_FAST                                                                                   \
    { "fast", NULL, "fuse multiply and add: faster with a long context, other last digits" }
#define CLI_TWO_STAGE                                                                              \
    {                                                                                              \
        "two-stage", "N",                                                                          \
            "read 4 of the head's 8 bits, and all 8 where a logit may be among the N largest, up " \
            "to 256: faster, half of the head's memory more (default 0, off)"                      \
    }
#define CLI_OPEN                                                                                   \
    {"in-place", NULL, "use a large .1bit where it lies instead of reading it into memory"},       \
        {"tokenizer", "PATH",                                                                      \
         "tokenizer in place of the model's own: tokenizer.json, a GGUF, .model, .bin"},           \
        {"layer-bit-map", "MAP",                                                                   \
         "store the blocks so while reading: a mode, a list, or a file of onebit-search"},         \
    {                                                                                              \
        "i2s", "NAME",                                                                             \
            "order of GGUF's I2_S codes, which no file says: x86, arm or rows (default x86, that " \
            "of the official files)"                                                               \
    }

/* What a program is: all that --help, --version and the parser need. */
typedef struct cli_spec {
    const char *program, *summary, *usage;
    const char *examples;   /* lines of the first help screen */
    const char *common;     /* flags of the first help screen, each followed by a space */
    const char *positional; /* the flag that a bare argument stands for, or NULL */
    const cli_row *rows;
    int tables; /* settings taken: a sum of CLI_MODEL, CLI_TRAIN, CLI_SAMPLE */
    const cli_row *former; /* flags of predecessors, each with what to use instead; or NULL */
} cli_spec;
enum {
    CLI_MODEL = 1 << ONEBIT_TABLE_MODEL,
    CLI_TRAIN = 1 << ONEBIT_TABLE_TRAIN,
    CLI_SAMPLE = 1 << ONEBIT_TABLE_SAMPLE
};

/* One flag as given. table is -1 for the program's own. */
typedef struct cli_given {
    const char *name, *value;
    int table;
} cli_given;

/* The parsed command line. live: stderr is a terminal that can redraw a line. */
typedef struct cli {
    const cli_spec *spec;
    cli_given *given;
    int count, json, quiet, live, color, utf8;
} cli;

/* ---- messages ---- */

static const char *cli_program = "onebit";

CLI void cli_message(const char *format, va_list args) {
    fflush(stdout);
    fprintf(stderr, "%s: ", cli_program);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

/* Reports a failure; gives the exit code. */
CLI_PRINTF(1) CLI int cli_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    cli_message(format, args);
    va_end(args);
    return 1;
}

/* Reports wrong use and ends the program. */
CLI_PRINTF(1) CLI void cli_usage(const char *format, ...) {
    va_list args;
    va_start(args, format);
    cli_message(format, args);
    va_end(args);
    fprintf(stderr, "Try '%s --help'.\n", cli_program);
    exit(2);
}

/* Results that could not be written are a failure too (a full disk, say). */
CLI int cli_finish(int code) {
    if ((fflush(stdout) || ferror(stdout)) && !code)
        return cli_fail("cannot write the output: %s", strerror(errno));
    return code;
}

/* ---- text ---- */

/* A growing text, always terminated once something was added. */
typedef struct cli_text {
    char *p;
    size_t n, capacity;
} cli_text;

CLI void *cli_alloc(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    if (!p) exit(cli_fail("out of memory"));
    return p;
}

CLI void cli_add(cli_text *t, const char *text, size_t n) {
    if (t->capacity - t->n < n + 1) {
        size_t capacity = (t->n + n + 1) * 2;
        char *p = (char *)realloc(t->p, capacity);
        if (!p) exit(cli_fail("out of memory"));
        t->p = p;
        t->capacity = capacity;
    }
    if (n) memcpy(t->p + t->n, text, n);
    t->n += n;
    t->p[t->n] = 0;
}

CLI void cli_add_text(cli_text *t, const char *text) { cli_add(t, text, strlen(text)); }

CLI void cli_clear(cli_text *t) {
    t->n = 0;
    cli_add(t, "", 0);
}

/* Reads one line without its end; 0 at the end of the input. */
CLI int cli_read_line(FILE *f, cli_text *line) {
    int c;
    cli_clear(line);
    while ((c = getc(f)) != EOF && c != '\n') {
        char byte = (char)c;
        cli_add(line, &byte, 1);
    }
    if (line->n && line->p[line->n - 1] == '\r') line->p[--line->n] = 0;
    return c != EOF || line->n > 0;
}

/* Reads a whole file, "-" = stdin; 0 when it cannot. */
CLI int cli_read_file(const char *path, cli_text *out) {
    char block[1 << 14];
    size_t n;
    int ok;
    FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    cli_clear(out);
    if (!f) return 0;
    while ((n = fread(block, 1, sizeof block, f)) > 0) cli_add(out, block, n);
    ok = !ferror(f);
    if (f != stdin) fclose(f);
    return ok;
}

/* Replaces a file whole or not at all. */
CLI int cli_write_file(const char *path, const void *data, size_t bytes) {
    cli_text temporary = {NULL, 0, 0};
    FILE *f;
    int ok;
    cli_add_text(&temporary, path);
    cli_add_text(&temporary, ".tmp");
    f = fopen(temporary.p, "wb");
    ok = f && fwrite(data, 1, bytes, f) == bytes;
    if (f && fclose(f)) ok = 0;
#ifdef _WIN32
    if (ok) remove(path);
#endif
    if (ok && rename(temporary.p, path)) ok = 0;
    if (f && !ok) remove(temporary.p);
    free(temporary.p);
    return ok;
}

/* Length of the valid UTF-8 character at p[0..n), or 0. */
CLI size_t cli_utf8(const char *p, size_t n) {
    const unsigned char *s = (const unsigned char *)p;
    size_t i, size = s[0] < 0x80   ? 1
                     : s[0] < 0xC2 ? 0
                     : s[0] < 0xE0 ? 2
                     : s[0] < 0xF0 ? 3
                     : s[0] < 0xF5 ? 4
                                   : 0;
    if (size == 0 || size > n) return 0;
    for (i = 1; i < size; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if (s[0] == 0xE0 && s[1] < 0xA0) return 0; /* written too long */
    if (s[0] == 0xED && s[1] > 0x9F) return 0; /* a surrogate */
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;
    if (s[0] == 0xF4 && s[1] > 0x8F) return 0; /* above U+10FFFF */
    return size;
}

/* "1.2 MB". out has room for 32 bytes. */
CLI const char *cli_size(char *out, double bytes) {
    static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB"};
    int i = 0;
    while (bytes >= 1000 && i < 4) {
        bytes /= 1000;
        i++;
    }
    snprintf(out, 32, i && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return out;
}

/* "12.3k", for counts. */
CLI const char *cli_count(char *out, double n) {
    if (n < 10000) snprintf(out, 32, "%.0f", n);
    else if (n < 999950) snprintf(out, 32, "%.1fk", n / 1e3);
    else if (n < 999.95e6) snprintf(out, 32, "%.1fM", n / 1e6);
    else snprintf(out, 32, "%.1fG", n / 1e9);
    return out;
}

/* "1h02m", "3m20s", "45s". */
CLI const char *cli_time(char *out, double seconds) {
    int s = seconds > 0 && seconds < 1e9 ? (int)(seconds + 0.5) : 0;
    if (s >= 3600) snprintf(out, 32, "%dh%02dm", s / 3600, s / 60 % 60);
    else if (s >= 60) snprintf(out, 32, "%dm%02ds", s / 60, s % 60);
    else if (seconds < 9.95) snprintf(out, 32, "%.1fs", seconds < 0 ? 0.0 : seconds);
    else snprintf(out, 32, "%ds", s);
    return out;
}

/* ---- JSON out: one object, one line ---- */

CLI void cli_json_string(FILE *f, const char *text, size_t n) {
    size_t i = 0;
    fputc('"', f);
    while (i < n) {
        size_t size = cli_utf8(text + i, n - i);
        unsigned char c = (unsigned char)text[i];
        if (size == 0) fputs("\\ufffd", f);
        else if (c == '"' || c == '\\') fprintf(f, "\\%c", c);
        else if (c == '\n') fputs("\\n", f);
        else if (c < 0x20 || c == 0x7F) fprintf(f, "\\u%04x", c);
        else fwrite(text + i, 1, size, f);
        i += size ? size : 1;
    }
    fputc('"', f);
}

/* Writes the key of the next member; first opens the object. */
CLI void cli_json_key(FILE *f, int first, const char *key) {
    fprintf(f, "%s\"%s\": ", first ? "{" : ", ", key);
}
CLI void cli_json_text(FILE *f, const char *key, const char *text) {
    cli_json_key(f, 0, key);
    cli_json_string(f, text, strlen(text));
}
CLI void cli_json_real(FILE *f, const char *key, double x) {
    cli_json_key(f, 0, key);
    if (isfinite(x)) fprintf(f, "%.9g", x);
    else fputs("null", f);
}
CLI void cli_json_int(FILE *f, const char *key, double x) {
    cli_json_key(f, 0, key);
    fprintf(f, "%.0f", x);
}
CLI void cli_json_ids(FILE *f, const int32_t *ids, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) fprintf(f, "%s%ld", i ? ", " : "[", (long)ids[i]);
    fputs(n ? "]" : "[]", f);
}

/* ---- time and memory of this machine ---- */

/* Seconds since some moment. */
CLI double cli_seconds(void) {
#ifdef _WIN32
    return (double)clock() / CLOCKS_PER_SEC; /* there it is no processor time */
#else
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
#endif
}

/* Bytes that programs may still take, or 0 when this system does not say (only Linux does). */
CLI double cli_free_memory(void) {
    char line[128];
    double kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf", &kib) == 1) break;
    fclose(f);
    return kib * 1024;
}

/* ---- Ctrl-C ---- */

/* Ctrl-C so far. The program looks at it between two pieces of work; number cli_limit ends it at
   once, and so does the second while the program waits at a prompt. */
static volatile sig_atomic_t cli_interrupts, cli_waiting, cli_limit = 3, cli_signal = SIGINT;
static const char *cli_sign = "";     /* what stands at the prompt, to be written again */
static const char *cli_stopping = ""; /* what the first one writes when the program works */

CLI void cli_on_interrupt(int sig) {
    signal(sig, cli_on_interrupt);
    cli_signal = sig;
    cli_interrupts = cli_interrupts + 1;
    if (cli_interrupts >= (cli_waiting ? 2 : cli_limit)) _exit(128 + sig);
#ifndef _WIN32
    if (cli_waiting) {
        static const char note[] = "\n(Ctrl-C again or Ctrl-D leaves)\n";
        if (write(2, note, sizeof note - 1) > 0 && write(2, cli_sign, strlen(cli_sign)) < 0) return;
    } else if (write(2, cli_stopping, strlen(cli_stopping)) < 0) return;
#endif
}

CLI void cli_catch_interrupt(void) { signal(SIGINT, cli_on_interrupt); }

/* The exit code of a program that was interrupted: 130 for Ctrl-C, 143 for SIGTERM. */
CLI int cli_interrupted(void) { return 128 + cli_signal; }

/* ---- flags ---- */

static const cli_row cli_general[] = {
    {"General", NULL, NULL},
    {"json", NULL, "results as JSON on stdout"},
    {"quiet", NULL, "no progress and no notes on stderr (-q)"},
    {"no-color", NULL, "no colours; so do NO_COLOR and TERM=dumb"},
    {"help", NULL, "the most used flags (-h)"},
    {"help-all", NULL, "every flag and setting"},
    {"version", NULL, "version, compiler, kernels and threads (-V)"},
    CLI_END};

/* A flag that exists: of the program (table -1) or a setting. A heading has no help. */
typedef struct cli_flag {
    const char *name, *value, *help;
    int table;
    onebit_field_info info;
} cli_flag;

CLI cli_flag cli_own_flag(const cli_row *row) {
    cli_flag flag;
    memset(&flag, 0, sizeof flag);
    flag.name = row->name;
    flag.value = row->value;
    flag.help = row->help;
    flag.table = -1;
    return flag;
}

CLI const char *cli_placeholder(const onebit_field_info *info) {
    if (!strcmp(info->kind, "INT")) return "N";
    if (!strcmp(info->kind, "REAL")) return "X";
    if (!strcmp(info->kind, "BOOL")) return "[BOOL]";
    return strcmp(info->kind, "CHOICE") ? "TEXT" : "NAME";
}

CLI int cli_is_bool(const cli_flag *flag) {
    return flag->table >= 0 && !strcmp(flag->info.kind, "BOOL");
}

/* Flag number i of a program: its own rows, the settings, the general ones; headings among them.
   0 = there are no more. */
CLI int cli_flag_at(const cli_spec *spec, int i, cli_flag *out) {
    static const cli_row title[] = {{"Model settings", NULL, NULL},
                                    {"Training settings", NULL, NULL},
                                    {"Sampling settings", NULL, NULL}};
    const cli_row *row;
    int t, field;
    for (row = spec->rows; row->name; row++)
        if (i-- == 0) return *out = cli_own_flag(row), 1;
    for (t = 0; t < 3; t++) {
        if (!(spec->tables >> t & 1)) continue;
        *out = cli_own_flag(&title[t]);
        if (i-- == 0) return 1;
        for (field = 0; onebit_field((onebit_table)t, field, &out->info) == ONEBIT_OK; field++) {
            if (i-- != 0) continue;
            out->name = out->info.name;
            out->value = cli_placeholder(&out->info);
            out->help = out->info.help;
            out->table = t;
            return 1;
        }
    }
    for (row = cli_general; row->name; row++)
        if (i-- == 0) return *out = cli_own_flag(row), 1;
    return 0;
}

/* 1 when text[0..n) names it; '-' and '_' are the same. */
CLI int cli_same(const char *name, const char *text, size_t n) {
    size_t i;
    if (strlen(name) != n) return 0;
    for (i = 0; i < n; i++) {
        char c = text[i] == '-' ? '_' : text[i];
        if ((name[i] == '-' ? '_' : name[i]) != c) return 0;
    }
    return 1;
}

CLI int cli_find(const cli_spec *spec, const char *text, size_t n, cli_flag *out) {
    int i;
    for (i = 0; cli_flag_at(spec, i, out); i++)
        if (out->help && cli_same(out->name, text, n)) return 1;
    return 0;
}

/* Edits from one name to another (insert, drop, change, swap neighbours). */
CLI int cli_distance(const char *a, const char *b) {
    enum { MOST = 40 };
    int d[MOST + 1][MOST + 1], i, j, n = (int)strlen(a), m = (int)strlen(b);
    if (n > MOST || m > MOST) return MOST;
    for (i = 0; i <= n; i++) d[i][0] = i;
    for (j = 0; j <= m; j++) d[0][j] = j;
    for (i = 1; i <= n; i++)
        for (j = 1; j <= m; j++) {
            int x = (a[i - 1] == '_' ? '-' : a[i - 1]), y = (b[j - 1] == '_' ? '-' : b[j - 1]);
            int best = d[i - 1][j - 1] + (x != y);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

/* A name as it is typed: dashes. */
CLI void cli_print_name(FILE *f, const char *name) {
    for (; *name; name++) fputc(*name == '_' ? '-' : *name, f);
}

/* Unknown flag: says what a predecessor's flag has become, or proposes the nearest name when one is
   near, and ends the program. */
CLI void cli_unknown(const cli_spec *spec, const char *text, size_t n) {
    const cli_row *row;
    cli_flag flag, nearest;
    char typed[48];
    int i, best = 99;
    snprintf(typed, sizeof typed, "%.*s", (int)(n < 40 ? n : 40), text);
    memset(&nearest, 0, sizeof nearest);
    for (row = spec->former; row && row->name; row++)
        if (cli_same(row->name, text, n))
            cli_usage("--%s is no longer a flag: %s", row->name, row->help);
    for (i = 0; cli_flag_at(spec, i, &flag); i++) {
        int d = flag.help ? cli_distance(flag.name, typed) : 99;
        if (flag.help && n >= 3 && !strncmp(flag.name, typed, n)) d = 1; /* an abbreviation */
        if (d >= best) continue;
        best = d;
        nearest = flag;
    }
    fprintf(stderr, "%s: unknown flag --%s", spec->program, typed);
    if (best <= 2 || best * 3 <= (int)n) {
        fputs("; did you mean --", stderr);
        cli_print_name(stderr, nearest.name);
        fputc('?', stderr);
    }
    fprintf(stderr, "\nTry '%s --help'.\n", spec->program);
    exit(2);
}

CLI void cli_note(cli *c, const cli_flag *flag, const char *value) {
    cli_given *g = &c->given[c->count++];
    g->name = flag->name;
    g->value = value;
    g->table = flag->table;
}

CLI int cli_looks_bool(const char *text) {
    static const char *const word[] = {"true", "false", "1", "0", "yes", "no", "on", "off"};
    size_t i;
    for (i = 0; text && i < sizeof word / sizeof *word; i++)
        if (!strcmp(text, word[i])) return 1;
    return 0;
}

/* The value of a flag: behind '=', or the next argument. Optional values are recognised by their
   look. */
CLI const char *cli_value(const cli_flag *flag, const char *equals, const char *next, int *used) {
    int optional = flag->value && flag->value[0] == '[';
    if (!flag->value) {
        if (equals) cli_usage("--%s takes no value", flag->name);
        return "";
    }
    if (equals) return equals + 1;
    if (cli_is_bool(flag) && !cli_looks_bool(next)) return "true";
    if (optional && (!next || (next[0] == '-' && next[1]))) return "";
    if (!next) {
        fprintf(stderr, "%s: --", cli_program);
        cli_print_name(stderr, flag->name);
        fprintf(stderr, " needs a value (%s)\nTry '%s --help'.\n", flag->value, cli_program);
        exit(2);
    }
    *used = 1;
    return next;
}

/* Takes --name, --name=value, --name value or --no-name; gives 1 when the next argument was used
   too. */
CLI int cli_take(cli *c, const char *text, const char *next) {
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    cli_flag flag;
    int used = 0;
    if (cli_find(c->spec, text, n, &flag)) {
        cli_note(c, &flag, cli_value(&flag, equals, next, &used));
        return used;
    }
    if (n > 3 && !strncmp(text, "no-", 3) && !equals && cli_find(c->spec, text + 3, n - 3, &flag) &&
        cli_is_bool(&flag))
        cli_note(c, &flag, "false");
    else cli_unknown(c->spec, text, n);
    return 0;
}

/* The last value given to a flag of the program, "" for a switch; NULL when it was not given. */
CLI const char *cli_get(const cli *c, const char *name) {
    int i;
    for (i = c->count - 1; i >= 0; i--)
        if (c->given[i].table < 0 && !strcmp(c->given[i].name, name)) return c->given[i].value;
    return NULL;
}

CLI int cli_has(const cli *c, const char *name) { return cli_get(c, name) != NULL; }

/* A whole number in [low, high]. */
CLI int cli_int(const cli *c, const char *name, int value, int low, int high) {
    const char *text = cli_get(c, name);
    char *end;
    long n;
    if (!text) return value;
    errno = 0;
    n = strtol(text, &end, 10);
    if (end == text || *end || errno || n < low || n > high)
        cli_usage("--%s: '%s' is not a whole number from %d to %d", name, text, low, high);
    return (int)n;
}

/* Sets the settings of one table that were given, in order; a wrong value ends the program. */
CLI void cli_apply(const cli *c, onebit_table table, void *object) {
    int i;
    for (i = 0; i < c->count; i++) {
        const cli_given *g = &c->given[i];
        if (g->table == (int)table &&
            onebit_field_set(table, object, g->name, g->value) != ONEBIT_OK)
            cli_usage("%s", onebit_error_text());
    }
}

/* How many settings of a table were given; name NULL = any. */
CLI int cli_count_given(const cli *c, onebit_table table, const char *name) {
    int i, n = 0;
    for (i = 0; i < c->count; i++)
        if (c->given[i].table == (int)table && (!name || !strcmp(c->given[i].name, name))) n++;
    return n;
}

/* ---- the device ---- */

#if defined(ONEBIT_CUDA)
static onebit_device *cli_gpu;

/* When the program ends, however it does: everything that was made on the GPU is gone by then. */
static void cli_gpu_close(void) { onebit_cuda_free(cli_gpu); }

/* Opens GPU number index; gives NULL, or why it cannot. */
CLI const char *cli_gpu_open(onebit_device **out, int index) {
    if (onebit_cuda_open(out, index) != ONEBIT_OK) return onebit_error_text();
    cli_gpu = *out;
    atexit(cli_gpu_close);
    return NULL;
}

CLI const char *cli_device_name(const onebit_env *env) {
    return env->device ? onebit_cuda_name(env->device) : "CPU";
}
#else
CLI const char *cli_gpu_open(onebit_device **out, int index) {
    static char why[256];
    (void)index;
    *out = NULL;
    snprintf(why, sizeof why,
             "no NVIDIA GPU can be used: this program was built without one's code; build it by "
             "nvcc -O3 -arch=native -x cu -DONEBIT_CUDA examples/%s.c -o %s-cuda -lcublas",
             strncmp(cli_program, "onebit-", 7) ? cli_program : cli_program + 7, cli_program);
    return why;
}

CLI const char *cli_device_name(const onebit_env *env) {
    (void)env;
    return "CPU";
}
#endif

/* N of "cuda" and "cuda:N"; -1 = neither. */
CLI int cli_gpu_number(const char *name) {
    char *end;
    long n;
    if (!strcmp(name, "cuda")) return 0;
    if (strncmp(name, "cuda:", 5) || name[5] < '0' || name[5] > '9') return -1;
    n = strtol(name + 5, &end, 10);
    return *end || n > 999 ? -1 : (int)n;
}

/* What --device names; NULL = the CPU. Says which it is, but for the CPU where nothing else was
   asked for. */
CLI onebit_device *cli_device(const cli *c) {
    const char *name = cli_get(c, "device"), *why;
    onebit_env env = onebit_env_default();
    int is_auto = name && !strcmp(name, "auto");
    int number = name && !is_auto ? cli_gpu_number(name) : 0;
    if (!name || !strcmp(name, "cpu")) return NULL;
    if (number < 0) cli_usage("--device: '%s' is none of cpu, cuda, cuda:N (N from 0), auto", name);
    why = cli_gpu_open(&env.device, number);
    if (why && !is_auto) exit(cli_fail("%s (see --device)", why));
    if (c->quiet) return env.device;
    fprintf(stderr, "device: %s%s%s%s\n", cli_device_name(&env), why ? " (" : "", why ? why : "",
            why ? ")" : "");
    return env.device;
}

/* Memory, threads, kernels and device, from --threads, --isa and --device. A device stays open to
   the end of the program. */
CLI onebit_env cli_env(const cli *c) {
    onebit_env env = onebit_env_default();
    const char *isa = cli_get(c, "isa");
    int i;
    env.threads = cli_int(c, "threads", env.threads, 1, 64);
    for (i = ONEBIT_ISA_SCALAR; isa && i < ONEBIT_ISA_COUNT; i++)
        if (!strcmp(isa, onebit_isa_name((onebit_isa)i))) env.isa = (onebit_isa)i;
    if (isa && env.isa == ONEBIT_ISA_AUTO && strcmp(isa, "auto"))
        cli_usage("--isa: '%s' is none of auto, scalar, avx2, avx512, avx512vnni, avx512bf16, neon",
                  isa);
    env.device = cli_device(c);
    return env;
}

/* Settings of training as they are when no flag says. A GPU is fast at products of bfloat16. */
CLI onebit_train_options cli_train_options(const onebit_env *env) {
    onebit_train_options options = onebit_train_options_default();
    if (env->device) options.backward_bits = 16;
    return options;
}

/* What --cache-bits, --fast and --two-stage say of a session. */
CLI void cli_session(const cli *c, onebit_session_options *o) {
    o->cache_bits = cli_int(c, "cache-bits", 32, 8, 32);
    if (o->cache_bits != 8 && o->cache_bits != 32)
        cli_usage("--cache-bits: expected 8 or 32, got %d", o->cache_bits);
    o->fast = cli_has(c, "fast");
    o->two_stage = cli_int(c, "two-stage", 0, 0, ONEBIT_MAX_BEST);
}

/* ---- help ---- */

enum { CLI_COLUMN = 27, CLI_WIDTH = 80 };

/* Prints words from column at on, wrapped at 80 and indented to CLI_COLUMN. */
CLI void cli_wrap(int at, const char *text) {
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at > CLI_COLUMN && at + 1 + n > CLI_WIDTH) {
            printf("\n%*s", CLI_COLUMN, "");
            at = CLI_COLUMN;
        } else if (at > CLI_COLUMN) at += printf(" ");
        at += printf("%.*s", n, text);
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

CLI void cli_describe(const cli_flag *flag, char *out, size_t size) {
    const char *value = flag->info.default_text;
    if (cli_is_bool(flag) && value)
        value = !strcmp(value, "0") ? "false" : !strcmp(value, "1") ? "true" : value;
    if (flag->table < 0 || !value || !*value) snprintf(out, size, "%s", flag->help);
    else snprintf(out, size, "%s (default %s)", flag->help, value);
}

CLI void cli_print_flag(const cli *c, const cli_flag *flag) {
    char help[640];
    int at;
    if (!flag->help) {
        printf("\n%s%s%s\n", c->color ? "\033[1m" : "", flag->name, c->color ? "\033[0m" : "");
        return;
    }
    at = printf("  --");
    cli_print_name(stdout, flag->name);
    at += (int)strlen(flag->name);
    if (flag->value) at += printf(" %s", flag->value);
    if (at + 2 > CLI_COLUMN) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", CLI_COLUMN - at, "");
    cli_describe(flag, help, sizeof help);
    cli_wrap(CLI_COLUMN, help);
}

CLI void cli_print_help(const cli *c, int all) {
    const cli_spec *spec = c->spec;
    const char *name = spec->common;
    cli_flag flag;
    int i;
    printf("%s - %s\n\nusage: %s\n\n%s", spec->program, spec->summary, spec->usage, spec->examples);
    if (all) {
        for (i = 0; cli_flag_at(spec, i, &flag); i++) cli_print_flag(c, &flag);
        return;
    }
    printf("\n%sMost used%s\n", c->color ? "\033[1m" : "", c->color ? "\033[0m" : "");
    while (*name) {
        size_t n = strcspn(name, " ");
        if (cli_find(spec, name, n, &flag)) cli_print_flag(c, &flag);
        name += n + strspn(name + n, " ");
    }
    printf("\nEvery flag, with defaults: %s --help-all\n", spec->program);
}

/* ---- start ---- */

/* 1 when the terminal takes UTF-8, as its locale says. */
CLI int cli_locale_utf8(void) {
    static const char *const name[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    int i;
    for (i = 0; i < 3; i++) {
        const char *value = getenv(name[i]);
        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "utf-8");
    }
    return 0;
}

CLI void cli_answer_and_leave(cli *c) {
    char text[256];
    c->color = c->color && isatty(1);
    if (cli_has(c, "version")) {
        onebit_version_text(text, sizeof text);
        puts(text);
    } else if (cli_has(c, "help") || cli_has(c, "help-all"))
        cli_print_help(c, cli_has(c, "help-all"));
    else return;
    exit(cli_finish(0));
}

/* Reads the command line; --help, --version and mistakes end the program here. */
CLI cli cli_start(const cli_spec *spec, int argc, char **argv) {
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    int i, dumb = !term || !*term || !strcmp(term, "dumb");
    cli c;
    memset(&c, 0, sizeof c);
    cli_program = spec->program;
    c.spec = spec;
    c.given = (cli_given *)cli_alloc((size_t)(argc + 1) * sizeof *c.given);
    for (i = 1; i < argc; i++) {
        const char *a = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(a, "-h")) a = "--help";
        if (!strcmp(a, "-q")) a = "--quiet";
        if (!strcmp(a, "-V")) a = "--version";
        if (a[0] == '-' && a[1] == '-' && a[2]) i += cli_take(&c, a + 2, next);
        else if (a[0] != '-' && spec->positional && cli_has(&c, spec->positional))
            cli_usage("unexpected argument '%s': --%s is given already", a, spec->positional);
        else if (a[0] != '-' && spec->positional) cli_take(&c, spec->positional, a);
        else cli_usage("unexpected argument '%s'; flags begin with --", a);
    }
    c.json = cli_has(&c, "json");
    c.quiet = cli_has(&c, "quiet");
    c.live = !dumb && isatty(2) && !c.quiet;
    c.color = !dumb && !(no_color && *no_color) && !cli_has(&c, "no-color");
    c.utf8 = cli_locale_utf8();
    cli_answer_and_leave(&c);
    c.color = c.color && isatty(2);
    return c;
}

/* ---- the registry: names for models ----
   ONEBIT_MODELS names a JSON file or a directory; without it the file is onebit/models.json in
   XDG_CONFIG_HOME, or in ~/.config. The file is {"models": [{"name": "...", "path": "...",
   "description": "..."}]}, that list alone, or {"NAME": "PATH"}; paths are relative to it. In a
   directory every *.1bit, *.gguf and every directory with a config.json is a model. What is read
   stays until the program ends. */

#include "jsonl.h"

typedef struct cli_entry {
    char *name, *path, *note;
} cli_entry;

typedef struct cli_registry {
    cli_text where; /* the file or directory */
    int kind;       /* of it: see cli_found */
    cli_entry *entry;
    int count, capacity;
} cli_registry;

/* What stands at a path: 0 nothing, 1 a file, 2 a directory. */
CLI int cli_found(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return 0;
    return S_ISDIR(st.st_mode) ? 2 : 1;
}

CLI char *cli_copy(const char *text) {
    char *copy = (char *)cli_alloc(strlen(text) + 1);
    return strcpy(copy, text);
}

CLI int cli_ends_with(const char *text, const char *ending) {
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && !strcmp(text + n - m, ending);
}

/* A path of a registry: "~" is the user's directory, and relative ones begin at base's. */
CLI char *cli_registry_path(const char *base, const char *path) {
    const char *home = getenv("HOME"), *slash = strrchr(base, '/');
    cli_text t = {NULL, 0, 0};
    if (home && path[0] == '~' && (path[1] == '/' || !path[1])) cli_add_text(&t, home), path++;
    else if (path[0] != '/' && slash && !(path[0] && path[1] == ':'))
        cli_add(&t, base, (size_t)(slash + 1 - base));
    cli_add_text(&t, path);
    return t.p;
}

CLI void cli_registry_add(cli_registry *r, const char *name, const char *path, const char *note) {
    cli_entry *e;
    if (r->count == r->capacity) {
        r->capacity = r->capacity * 2 + 16;
        e = (cli_entry *)realloc(r->entry, (size_t)r->capacity * sizeof *e);
        if (!e) exit(cli_fail("out of memory"));
        r->entry = e;
    }
    e = &r->entry[r->count++];
    e->name = cli_copy(name), e->note = cli_copy(note);
    e->path = cli_registry_path(r->where.p, path);
}

/* One item of the list; gives where it ends, NULL when it is none. */
CLI const char *cli_registry_item(cli_registry *r, const char *p) {
    cli_text name = {NULL, 0, 0}, path = {NULL, 0, 0}, note = {NULL, 0, 0};
    int ok = jsonl_text(p, "name", &name) && jsonl_text(p, "path", &path) && name.n && path.n;
    if (ok && !jsonl_text(p, "description", &note)) cli_clear(&note);
    if (ok) cli_registry_add(r, name.p, path.p, note.p);
    free(name.p);
    free(path.p);
    free(note.p);
    return ok ? jsonl_skip(p) : NULL;
}

/* One member of {"NAME": "PATH"}; as above. */
CLI const char *cli_registry_member(cli_registry *r, const char *p) {
    cli_text name = {NULL, 0, 0}, path = {NULL, 0, 0};
    p = jsonl_string(p, &name);
    p = p ? jsonl_space(p) : NULL;
    p = p && *p == ':' ? jsonl_string(jsonl_space(p + 1), &path) : NULL;
    if (p && name.n && path.n) cli_registry_add(r, name.p, path.p, "");
    free(name.p);
    free(path.p);
    return p;
}

/* The text of a registry; 0 when it is none. */
CLI int cli_registry_parse(cli_registry *r, const char *p) {
    const char *list;
    char close;
    p = jsonl_space(!strncmp(p, "\xEF\xBB\xBF", 3) ? p + 3 : p);
    list = jsonl_find(p, "models");
    if (list && *list == '[') p = list;
    if (*p != '[' && *p != '{') return 0;
    close = *p == '[' ? ']' : '}';
    p = jsonl_space(p + 1);
    while (*p != close) {
        p = close == ']' ? cli_registry_item(r, p) : cli_registry_member(r, p);
        if (!p) return 0;
        p = jsonl_space(p);
        if (*p == ',') p = jsonl_space(p + 1);
        else if (*p != close) return 0;
    }
    return 1;
}

/* One name of a directory: a model when its ending or its config.json says so. */
CLI void cli_registry_name(cli_registry *r, const char *file) {
    char *path = cli_registry_path(r->where.p, file), *name = cli_copy(file);
    cli_text config = {NULL, 0, 0};
    size_t n = strlen(file);
    int is;
    cli_add_text(&config, path);
    cli_add_text(&config, "/config.json");
    is = *file != '.' && (cli_found(path) == 2 ? cli_found(config.p) == 1
                                               : cli_ends_with(file, ".1bit") ||
                                                     cli_ends_with(file, ".gguf"));
    if (is && cli_found(path) != 2) name[n - 5] = 0;
    if (is) cli_registry_add(r, name, file, "");
    free(config.p);
    free(path);
    free(name);
}

/* In the order of their paths, so that a .1bit stands before a .gguf of the same name. */
CLI int cli_registry_order(const void *a, const void *b) {
    return strcmp(((const cli_entry *)a)->path, ((const cli_entry *)b)->path);
}

CLI void cli_registry_directory(cli_registry *r) {
#ifdef _WIN32
    struct _finddata_t found;
    char *all = cli_registry_path(r->where.p, "*");
    intptr_t search = _findfirst(all, &found);
    if (search != -1) {
        do cli_registry_name(r, found.name);
        while (_findnext(search, &found) == 0);
        _findclose(search);
    }
    free(all);
#else
    DIR *directory = opendir(r->where.p);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) cli_registry_name(r, entry->d_name);
    if (directory) closedir(directory);
#endif
    if (r->count) qsort(r->entry, (size_t)r->count, sizeof *r->entry, cli_registry_order);
}

/* The registry of this user; empty when there is none. A damaged one ends the program. */
CLI cli_registry cli_registry_read(void) {
    const char *given = getenv("ONEBIT_MODELS"), *base = getenv("XDG_CONFIG_HOME");
    cli_text text = {NULL, 0, 0};
    cli_registry r;
    memset(&r, 0, sizeof r);
    if (given && *given) cli_add_text(&r.where, given);
    else {
        int own = base && *base;
        if (!own) base = getenv("HOME");
        cli_add_text(&r.where, base ? base : ".");
        cli_add_text(&r.where, own ? "/onebit/models.json" : "/.config/onebit/models.json");
    }
    r.kind = cli_found(r.where.p);
    if (r.kind == 2) {
        if (!cli_ends_with(r.where.p, "/")) cli_add_text(&r.where, "/");
        cli_registry_directory(&r);
    } else if (r.kind) {
        if (!cli_read_file(r.where.p, &text))
            exit(cli_fail("cannot read %s: %s", r.where.p, strerror(errno)));
        if (!cli_registry_parse(&r, text.p))
            exit(cli_fail("%s: expected {\"models\": [{\"name\": \"...\", \"path\": \"...\"}]} or "
                          "{\"NAME\": \"PATH\"}",
                          r.where.p));
        free(text.p);
    }
    return r;
}

/* 1 when a word can only be a path. */
CLI int cli_is_path(const char *word) {
    static const char *const ending[] = {".1bit", ".gguf", ".safetensors", ".bin",
                                         ".json", ".model", NULL};
    int i;
    for (i = 0; ending[i]; i++)
        if (cli_ends_with(word, ending[i])) return 1;
    return !*word || strchr(word, '/') || strchr(word, '\\') || cli_found(word);
}

/* What --model names: a path as it is, or the registry's path of a name. An unknown name ends the
   program; the message says where was looked, and for what. */
CLI const char *cli_model_path(const char *given) {
    cli_registry r;
    cli_text known = {NULL, 0, 0};
    int i, near = -1, best = 99;
    if (!given || cli_is_path(given)) return given;
    r = cli_registry_read();
    for (i = 0; i < r.count; i++) {
        int d = cli_distance(r.entry[i].name, given);
        if (!strcmp(r.entry[i].name, given)) return r.entry[i].path;
        if (d < best) best = d, near = i;
        if (i < 12) {
            cli_add_text(&known, i ? ", " : "");
            cli_add_text(&known, r.entry[i].name);
        }
    }
    if (!r.kind)
        exit(cli_fail("no such file: %s; nor is it a model's name, for there is no %s (see "
                      "--model, ONEBIT_MODELS)",
                      given, r.where.p));
    if (near >= 0 && (best <= 2 || best * 3 <= (int)strlen(given)))
        exit(cli_fail("no such file: %s; nor does %s know that name; did you mean %s? (see "
                      "--model)",
                      given, r.where.p, r.entry[near].name));
    exit(cli_fail("no such file: %s; nor does %s know that name; it knows %s%s (see --model)",
                  given, r.where.p, r.count ? known.p : "none", r.count > 12 ? ", ..." : ""));
}

/* ---- models ---- */

/* Where a number stands among the words of a choice; a wrong word ends the program. */
CLI int cli_choice(const cli *c, const char *flag, const char *words) {
    const char *given = cli_get(c, flag), *p = words;
    size_t n;
    int i;
    for (i = 0; given && *p; i++, p += n + (p[n] != 0)) {
        n = strcspn(p, "|");
        if (strlen(given) == n && !strncmp(p, given, n)) return i;
    }
    if (given) cli_usage("--%s: '%s' is none of %s", flag, given, words);
    return 0;
}

/* What --layer-bit-map says: the text of a file, or the value itself. */
CLI const char *cli_layer_map(const char *value) {
    cli_text text = {NULL, 0, 0};
    if (!value || !cli_ends_with(value, ".json")) return value;
    if (!cli_read_file(value, &text))
        exit(cli_fail("cannot read %s: %s (see --layer-bit-map)", value, strerror(errno)));
    if (text.p[strspn(text.p, " \t\r\n")] != '{')
        exit(cli_fail("%s: expected an object with layer_bit_map (see --layer-bit-map)", value));
    if (strstr(text.p, "\"found\": false"))
        exit(cli_fail("%s: that search found no map within its limits (see --layer-bit-map)", value));
    return text.p + strspn(text.p, " \t\r\n"); /* kept to the end of the program */
}

/* CLI_OPEN's flags. */
CLI onebit_open_options cli_open_options(const cli *c) {
    onebit_open_options how = onebit_open_options_default();
    how.in_place = cli_has(c, "in-place");
    how.tokenizer = cli_get(c, "tokenizer");
    how.layer_bit_map = cli_layer_map(cli_get(c, "layer-bit-map"));
    how.i2s = cli_choice(c, "i2s", "x86|arm|rows");
    return how;
}

/* Opens the model of --model FILE or NAME, or --model-dir DIR; a failure names the flag and ends
   the program. */
CLI onebit_model *cli_open_model(const cli *c, const onebit_env *env) {
    const char *file = cli_model_path(cli_get(c, "model")), *dir = cli_get(c, "model-dir");
    cli_text path = {NULL, 0, 0};
    onebit_open_options how = cli_open_options(c);
    onebit_model *model = NULL;
    onebit_status status;
    if (!file && !dir) cli_usage("which model? Give --model FILE");
    cli_add_text(&path, file ? file : dir);
    if (!file) cli_add_text(&path, "/model.1bit");
    status = onebit_model_open_with(&model, path.p, &how, env);
    if (status == ONEBIT_OK && !c->quiet && *onebit_model_note(model))
        fprintf(stderr, "%s: %s: %s\n", cli_program, path.p, onebit_model_note(model));
    if (status != ONEBIT_OK)
        exit(cli_fail("%s (see %s)", onebit_error_text(), file ? "--model" : "--model-dir"));
    free(path.p);
    return model;
}

/* The context of a session when no flag says: the model's own, but of a model that was made for
   very long ones no more than fits into memory. */
CLI int cli_context(const onebit_model *model) {
    int most = onebit_model_config(model)->max_seq_len;
    return most > CLI_CONTEXT ? CLI_CONTEXT : most;
}

/* Encodes text into new memory; a failure ends the program. */
CLI int32_t *cli_encode(const onebit_tokenizer *tokenizer, const char *text, size_t bytes,
                        int special, size_t *count) {
    int32_t *ids;
    onebit_status status = onebit_tokenizer_encode(tokenizer, NULL, 0, count, text, bytes, special);
    if (status != ONEBIT_OK && status != ONEBIT_LIMIT) exit(cli_fail("%s", onebit_error_text()));
    ids = (int32_t *)cli_alloc((*count + 1) * sizeof *ids);
    if (onebit_tokenizer_encode(tokenizer, ids, *count, count, text, bytes, special) != ONEBIT_OK)
        exit(cli_fail("%s", onebit_error_text()));
    return ids;
}

/* ---- chat templates ---- */

/* The parts of a turn such as "You: {prompt}\nKeeper: {reply}\n". */
typedef onebit_turn cli_template;

/* 1 when the model has a template that can be used. */
CLI int cli_read_template(const onebit_model *model, cli_template *out) {
    const char *text = onebit_model_config(model)->chat_template;
    memset(out, 0, sizeof *out);
    return *text && onebit_turn_parse(out, text) == ONEBIT_OK;
}

#endif /* CLI_H */
