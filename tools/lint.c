/* lint.c - measures onebit.h against the limits of its design, and prints a table.

   cc tools/lint.c -o lint && ./lint onebit.h examples/hello.c examples/loop.c

   The first file is the header; the others are learning examples, which only have to be short.
   Exit status: 0 = all within the limits, 1 = something is over, 2 = a file cannot be read.
   A tokenizer that strips comments, strings and directives and follows braces is all it needs. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FUNCTIONS = 8192, MAX_MACROS = 256, MAX_NOTES = 400, NAME = 96 };

/* The three readings of a file: as it is; without comments and the inside of strings; and also
   without directives. All have the same length, so that one offset fits them all. */
typedef struct source {
    const char *path;
    char *raw, *code, *flat;
    size_t n;
    size_t *starts;            /* offset of each line */
    unsigned char *comment;    /* 1 = the line holds comment text */
    unsigned char *directive;  /* 1 = the line is a directive or continues one */
    int lines;
    int implementation;        /* first line of the implementation; lines when there is none */
} source;

typedef struct report {
    int max_width, wide, tabs, trailing, non_ascii;
    int ifs, room_ifs;
    int lengths[MAX_FUNCTIONS], functions;
    int public_functions, undocumented, forward, mutable_variables, unprefixed;
    char macros[MAX_MACROS][NAME];
    int macro_count;
    int comment_lines, filled_lines;
    char notes[MAX_NOTES][200];
    int note_count;
} report;

/* ---- reading ------------------------------------------------------------------------------------ */

static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    size_t size = 0, got, room = 1 << 16;
    char *text = (char *)malloc(room);
    if (!f || !text) {
        if (f) fclose(f);
        free(text);
        fprintf(stderr, "lint: cannot read %s\n", path);
        exit(2);
    }
    while ((got = fread(text + size, 1, room - size - 1, f)) > 0) {
        size += got;
        if (room - size < 2 && !(text = (char *)realloc(text, room *= 2))) exit(2);
    }
    fclose(f);
    text[size] = 0;
    *n = size;
    return text;
}

static char *copy_of(const char *text, size_t n) {
    char *copy = (char *)malloc(n + 1);
    if (!copy) exit(2);
    memcpy(copy, text, n + 1);
    return copy;
}

static int count_lines(const char *text, size_t n) {
    int lines = 0;
    size_t i;
    for (i = 0; i < n; i++) lines += text[i] == '\n';
    return lines + (n > 0 && text[n - 1] != '\n');
}

static void find_lines(source *s) {
    size_t i;
    int line = 0;
    s->lines = count_lines(s->raw, s->n);
    s->starts = (size_t *)calloc((size_t)s->lines + 2, sizeof *s->starts);
    s->comment = (unsigned char *)calloc((size_t)s->lines + 2, 1);
    s->directive = (unsigned char *)calloc((size_t)s->lines + 2, 1);
    if (!s->starts || !s->comment || !s->directive) exit(2);
    for (i = 0; i < s->n; i++)
        if (s->raw[i] == '\n' && line + 1 <= s->lines) s->starts[++line] = i + 1;
    s->starts[s->lines] = s->n;
}

static int line_of(const source *s, size_t at) {
    int low = 0, high = s->lines - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (s->starts[middle] <= at) low = middle;
        else high = middle - 1;
    }
    return low;
}

/* Blanks comments and the inside of strings in s->code, and marks the lines that hold comments. */
static void strip_comments(source *s) {
    enum { CODE, LINE, BLOCK, STRING, CHARACTER } state = CODE;
    size_t i;
    int line = 0;
    char *c = s->code;
    for (i = 0; i < s->n; i++) {
        char now = s->raw[i], next = i + 1 < s->n ? s->raw[i + 1] : 0;
        if (now == '\n') {
            line++;
            if (state == LINE) state = CODE;
            continue;
        }
        if (state == CODE) {
            if (now == '/' && (next == '/' || next == '*')) {
                state = next == '/' ? LINE : BLOCK;
                s->comment[line] = 1;
                c[i] = c[i + 1] = ' ';
                i++;
            } else if (now == '"') state = STRING;
            else if (now == '\'') state = CHARACTER;
        } else if (state == BLOCK) {
            if (now != ' ') s->comment[line] = 1;
            if (now == '*' && next == '/') {
                state = CODE;
                c[i + 1] = ' ';
                c[i++] = ' ';
            } else c[i] = ' ';
        } else if (state == LINE) {
            c[i] = ' ';
        } else if (now == '\\' && next) {
            c[i] = ' ';
            if (next != '\n') c[++i] = ' ';
        } else if ((state == STRING && now == '"') || (state == CHARACTER && now == '\'')) {
            state = CODE;
        } else c[i] = ' ';
    }
}

static const char *first_of_line(const char *text, const source *s, int line) {
    const char *p = text + s->starts[line], *end = text + s->starts[line + 1];
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) p++;
    return p < end ? p : "";
}

/* Last character of a line that is not a blank, or 0. */
static char last_of_line(const char *text, const source *s, int line) {
    size_t end = s->starts[line + 1];
    while (end > s->starts[line] && isspace((unsigned char)text[end - 1])) end--;
    return end > s->starts[line] ? text[end - 1] : (char)0;
}

static void strip_directives(source *s) {
    int line, inside = 0;
    size_t i;
    for (line = 0; line < s->lines; line++) {
        if (!inside && *first_of_line(s->code, s, line) != '#') continue;
        s->directive[line] = 1;
        inside = last_of_line(s->code, s, line) == '\\';
        for (i = s->starts[line]; i < s->starts[line + 1]; i++)
            if (s->flat[i] != '\n') s->flat[i] = ' ';
    }
}

static source open_source(const char *path) {
    source s;
    int line;
    memset(&s, 0, sizeof s);
    s.path = path;
    s.raw = read_file(path, &s.n);
    s.code = copy_of(s.raw, s.n);
    find_lines(&s);
    strip_comments(&s);
    s.flat = copy_of(s.code, s.n);
    strip_directives(&s);
    s.implementation = s.lines;
    for (line = s.lines - 1; line >= 0; line--) {
        static const char gate[] = "#ifdef ONEBIT_IMPLEMENTATION";
        if (strncmp(first_of_line(s.code, &s, line), gate, sizeof gate - 1) == 0)
            s.implementation = line;
    }
    return s;
}

static void close_source(source *s) {
    free(s->raw);
    free(s->code);
    free(s->flat);
    free(s->starts);
    free(s->comment);
    free(s->directive);
}

/* ---- findings ----------------------------------------------------------------------------------- */

static void note(report *r, const source *s, int line, const char *format, ...) {
    va_list args;
    char *out;
    int used;
    if (r->note_count >= MAX_NOTES) return;
    out = r->notes[r->note_count++];
    used = snprintf(out, 200, "%s:%d: ", s->path, line + 1);
    if (used < 0 || used >= 200) return;
    va_start(args, format);
    vsnprintf(out + used, (size_t)(200 - used), format, args);
    va_end(args);
}

static int is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Copies the identifier at p (at most to end); gives the character after it. */
static const char *take_name(const char *p, const char *end, char out[NAME]) {
    size_t n = 0;
    while (p < end && is_name(*p)) {
        if (n + 1 < NAME) out[n++] = *p;
        p++;
    }
    out[n] = 0;
    return p;
}

static int begins(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int is_ours(const char *name) {
    /* Feature tests of the C library must have these names. */
    static const char *const given[] = {"_GNU_SOURCE",      "_POSIX_C_SOURCE",     "_DEFAULT_SOURCE",
                                        "_FILE_OFFSET_BITS", "WIN32_LEAN_AND_MEAN", "NOMINMAX",
                                        "_CRT_SECURE_NO_WARNINGS", NULL};
    int i;
    for (i = 0; given[i]; i++)
        if (strcmp(name, given[i]) == 0) return 1;
    return begins(name, "onebit_") || begins(name, "ONEBIT_") || begins(name, "ob_") ||
           begins(name, "OB_");
}

static void check_name(report *r, const source *s, int line, const char *name) {
    if (!name[0] || is_ours(name)) return;
    r->unprefixed++;
    note(r, s, line, "the name \"%s\" has no prefix of ours", name);
}

/* ---- lines and directives ----------------------------------------------------------------------- */

static void measure_lines(report *r, const source *s) {
    int line;
    for (line = 0; line < s->lines; line++) {
        size_t start = s->starts[line], end = s->starts[line + 1], i;
        int odd = 0;
        if (end > start && s->raw[end - 1] == '\n') end--;
        if ((int)(end - start) > r->max_width) r->max_width = (int)(end - start);
        if (end - start > 100 && r->wide++ < 10) note(r, s, line, "%d columns", (int)(end - start));
        for (i = start; i < end; i++) {
            if (s->raw[i] == '\t') r->tabs++;
            odd += (unsigned char)s->raw[i] >= 128;
        }
        if (odd) note(r, s, line, "%d bytes that are not ASCII", odd);
        r->non_ascii += odd;
        if (end > start && isspace((unsigned char)s->raw[end - 1])) {
            r->trailing++;
            note(r, s, line, "blanks at the end of the line");
        }
        if (line >= s->implementation && *first_of_line(s->raw, s, line)) {
            r->filled_lines++;
            r->comment_lines += s->comment[line];
        }
    }
}

/* Number of the floor whose banner stands on this line ("  8 >>kernels ..."), or 0. */
static int banner(const source *s, int line) {
    const char *p = first_of_line(s->raw, s, line);
    int number = 0;
    if (!s->comment[line]) return 0;
    if (*p == '/' && p[1] == '*') p += 2;
    while (*p == ' ') p++;
    while (isdigit((unsigned char)*p)) number = number * 10 + (*p++ - '0');
    while (*p == ' ') p++;
    return number > 0 && p[0] == '>' && p[1] == '>' ? number : 0;
}

/* Remembers the user's macros that a condition asks for. Guards are not settings. */
static int ask_macros(report *r, const char *p, const char *end) {
    int asked = 0, only_no = 1, i;
    char name[NAME];
    while (p < end) {
        if (!isalpha((unsigned char)*p) && *p != '_') {
            p++;
            continue;
        }
        p = take_name(p, end, name);
        if (strcmp(name, "defined") == 0) continue;
        asked++;
        if (!begins(name, "ONEBIT_NO_")) only_no = 0;
        if (!begins(name, "ONEBIT_") || strcmp(name, "ONEBIT_H") == 0 ||
            strcmp(name, "ONEBIT_IMPLEMENTED") == 0)
            continue;
        for (i = 0; i < r->macro_count && strcmp(r->macros[i], name) != 0; i++) {}
        if (i == r->macro_count && i < MAX_MACROS) strcpy(r->macros[r->macro_count++], name);
    }
    return asked > 0 && only_no;
}

/* Counts conditionals. A floor may have one guard that asks only for ONEBIT_NO_... */
static void measure_directives(report *r, const source *s) {
    int line, floor = 0, guards = 0;
    for (line = 0; line < s->lines; line++) {
        const char *p, *end = s->code + s->starts[line + 1];
        char word[NAME], name[NAME];
        int only_no, here = line >= s->implementation ? banner(s, line) : 0;
        if (here) floor = here, guards = 0;
        p = first_of_line(s->code, s, line);
        if (!s->directive[line] || *p != '#') continue;
        for (p++; *p == ' '; p++) {}
        p = take_name(p, end, word);
        while (p < end && *p == ' ') p++;
        if (strcmp(word, "define") == 0) {
            take_name(p, end, name);
            check_name(r, s, line, name);
        }
        if (!begins(word, "if") && strcmp(word, "elif") != 0) continue;
        only_no = ask_macros(r, p, end);
        if (!begins(word, "if")) continue;
        r->ifs++;
        if (!((floor >= 3 && floor <= 9) || floor >= 11)) continue;
        if (only_no && guards++ == 0) continue;
        r->room_ifs++;
        note(r, s, line, "a conditional in floor %d", floor);
    }
}

/* ---- declarations ------------------------------------------------------------------------------- */

/* One statement at file scope: flat[from, to), to is its ';' or '{' of the function body. */
typedef struct statement {
    size_t from, to;
    int line;
    const char *text, *end;
} statement;

static int has_word(const char *p, const char *end, const char *word) {
    char name[NAME];
    while (p < end) {
        if (is_name(*p)) {
            p = take_name(p, end, name);
            if (strcmp(name, word) == 0) return 1;
        } else p++;
    }
    return 0;
}

static int is_capital(const char *name) {
    for (; *name; name++)
        if (islower((unsigned char)*name)) return 0;
    return 1;
}

/* Finds NAME( outside braces and before any '=': what a function heading or prototype looks like.
   Attributes and macros in capitals are stepped over. */
static int function_name(const char *p, const char *end, char out[NAME]) {
    char name[NAME] = "";
    int depth = 0;
    while (p < end && *p != '=' && *p != '{') {
        if (is_name(*p)) {
            p = take_name(p, end, name);
            continue;
        }
        if (*p == '(') {
            int attribute = is_capital(name) || begins(name, "__");
            const char *q = p + 1;
            while (q < end && isspace((unsigned char)*q)) q++;
            if (name[0] && !attribute && *q != '*') {
                strcpy(out, name);
                return 1;
            }
            if (*q == '*' && !attribute) return 0;
            for (depth = 0; p < end; p++) {
                depth += (*p == '(') - (*p == ')');
                if (!depth) break;
            }
            name[0] = 0;
        } else if (!isspace((unsigned char)*p)) name[0] = 0;
        p++;
    }
    return 0;
}

/* The name that a variable or typedef statement gives: in (*name) or the last word before = [ ; */
static void declared_name(const char *p, const char *end, char out[NAME]) {
    int depth = 0;
    out[0] = 0;
    for (; p < end && *p != '='; p++) {
        if (*p == '(' && depth == 0) {
            const char *q = p + 1;
            while (q < end && isspace((unsigned char)*q)) q++;
            if (*q == '*') {
                while (q < end && !is_name(*q)) q++;
                take_name(q, end, out);
                return;
            }
        }
        depth += (*p == '{' || *p == '[' || *p == '(') - (*p == '}' || *p == ']' || *p == ')');
        if (depth == 0 && is_name(*p)) p = take_name(p, end, out) - 1;
    }
}

/* 1 when the statement has an initialiser, which an enum's own values are not. */
static int has_initialiser(const char *p, const char *end) {
    int depth = 0;
    for (; p < end; p++) {
        depth += (*p == '{') - (*p == '}');
        if (*p == '=' && depth == 0) return 1;
    }
    return 0;
}

/* 1 when the object declared by this text cannot be written: const after the last star. */
static int is_constant(const char *p, const char *end) {
    const char *q, *star = p, *stop = end;
    int depth = 0;
    for (q = p; q < end; q++) {
        depth += (*q == '[') - (*q == ']');
        if (*q == '=' && !depth) {
            stop = q;
            break;
        }
        if (*q == '*' && !depth) star = q;
    }
    return has_word(star, stop, "const");
}

/* Names of an enum's constants and the tags of bodies given in this statement. */
static void check_bodies(report *r, const source *s, const statement *t) {
    const char *p = t->text;
    char name[NAME], before[NAME] = "";
    while (p < t->end) {
        if (!is_name(*p)) {
            p++;
            continue;
        }
        p = take_name(p, t->end, name);
        if (strcmp(before, "enum") == 0 || strcmp(before, "struct") == 0 ||
            strcmp(before, "union") == 0) {
            const char *q = p;
            while (q < t->end && isspace((unsigned char)*q)) q++;
            if (*q == '{') check_name(r, s, t->line, name);
        }
        if (strcmp(name, "enum") == 0) {
            int fresh = 1, depth = 0;
            const char *q = p;
            while (q < t->end && *q != '{' && *q != ';' && *q != '(') q++;
            for (; q < t->end && *q == '{' ? (q++, 1) : 0;) {
                while (q < t->end && *q != '}') {
                    if (fresh && depth == 0 && is_name(*q)) {
                        q = take_name(q, t->end, name);
                        while (q < t->end && *q == ' ') q++;
                        if (*q != '(') check_name(r, s, t->line, name);
                        fresh = *q == '('; /* after an X macro the next word is a constant again */
                        continue;
                    }
                    depth += (*q == '(') - (*q == ')');
                    if (*q == ',' && depth == 0) fresh = 1;
                    q++;
                }
            }
            strcpy(name, "enum");
        }
        strcpy(before, name);
    }
}

/* A rule of dashes under a heading is no documentation of what follows. */
static int is_rule(const source *s, int line) {
    size_t i;
    for (i = s->starts[line]; i + 3 < s->starts[line + 1]; i++)
        if (memcmp(s->raw + i, "---", 3) == 0 || memcmp(s->raw + i, "===", 3) == 0) return 1;
    return 0;
}

/* A public declaration is documented by a comment that ends on the line above it, or beside it, or by
   the comment of the group it stands in (no blank line between). Directives in between are stepped over. */
static int is_documented(const source *s, int line, int end_line, int last_end, int last_documented) {
    int at, stepped = 0;
    if (s->comment[end_line]) return 1;
    for (at = line - 1; at >= 0; at--) {
        int blank = !*first_of_line(s->raw, s, at);
        if (s->directive[at]) stepped = 1;
        else if (blank && stepped) continue;
        else if (at == last_end) return last_documented;
        else return !blank && s->comment[at] && !is_rule(s, at);
    }
    return 0;
}

/* "struct x;", "struct x { ... }" and "enum { ... }" give no object. */
static int is_only_tag(const statement *t) {
    const char *p = t->text;
    char name[NAME];
    if (has_initialiser(p, t->end)) return 0;
    if (t->end[-1] == '}') return 1;
    p = take_name(p, t->end, name);
    if (strcmp(name, "struct") != 0) return 0;
    while (p < t->end && isspace((unsigned char)*p)) p++;
    return take_name(p, t->end, name) == t->end;
}

typedef struct walk {
    int last_end, documented; /* of the public declaration before */
} walk;

static void public_statement(report *r, const source *s, const statement *t, walk *w) {
    int end_line = line_of(s, t->to), function = has_word(t->text, t->end, "ONEBIT_API");
    char name[NAME] = "";
    int documented = is_documented(s, t->line, end_line, w->last_end, w->documented);
    if (function) {
        r->public_functions++;
        function_name(t->text, t->end, name);
    } else declared_name(t->text, t->end, name);
    if (!documented) {
        r->undocumented++;
        note(r, s, t->line, "no comment above \"%s\"", name);
    }
    w->last_end = end_line;
    w->documented = documented;
}

static void file_statement(report *r, const source *s, const statement *t, walk *w) {
    char name[NAME] = "";
    int inside = t->line >= s->implementation;
    if (t->text == t->end) return;
    check_bodies(r, s, t);
    if (!inside) public_statement(r, s, t, w);
    if (has_word(t->text, t->text + 7, "typedef")) {
        declared_name(t->text, t->end, name);
        check_name(r, s, t->line, name);
        return;
    }
    if (function_name(t->text, t->end, name)) {
        check_name(r, s, t->line, name);
        if (inside) {
            r->forward++;
            note(r, s, t->line, "\"%s\" is declared before it is defined", name);
        }
        return;
    }
    if (is_only_tag(t)) return;
    declared_name(t->text, t->end, name);
    check_name(r, s, t->line, name);
    if (!is_constant(t->text, t->end)) {
        r->mutable_variables++;
        note(r, s, t->line, "\"%s\" can be written: state outside objects", name);
    }
}

/* A static inside a function is state outside objects too. */
static void check_locals(report *r, const source *s, size_t from, size_t to) {
    const char *p = s->flat + from, *end = s->flat + to;
    char name[NAME];
    while (p < end) {
        const char *start = p, *stop;
        if (!is_name(*p)) {
            p++;
            continue;
        }
        p = take_name(p, end, name);
        if (strcmp(name, "static") != 0) continue;
        for (stop = p; stop < end && *stop != ';' && *stop != '='; stop++) {}
        if (is_constant(p, stop)) continue;
        declared_name(p, stop, name);
        r->mutable_variables++;
        note(r, s, line_of(s, (size_t)(start - s->flat)), "static \"%s\" in a function can be written",
             name);
    }
}

static void end_function(report *r, const source *s, const statement *t, size_t body, size_t end) {
    char name[NAME] = "?";
    int length = line_of(s, end) - t->line + 1;
    function_name(t->text, t->end, name);
    check_name(r, s, t->line, name);
    if (t->line < s->implementation) return;
    if (r->functions < MAX_FUNCTIONS) r->lengths[r->functions++] = length;
    if (length > 120) note(r, s, t->line, "%s has %d lines", name, length);
    check_locals(r, s, body, end);
}

/* 1 when flat[from, to) is only MACRO(...): it ends without a semicolon. */
static int is_bare_macro(const source *s, size_t from, size_t to) {
    char name[NAME];
    const char *p = take_name(s->flat + from, s->flat + to, name);
    while (p < s->flat + to && isspace((unsigned char)*p)) p++;
    return name[0] && is_capital(name) && *p == '(';
}

static char next_filled(const source *s, size_t at) {
    while (at < s->n && isspace((unsigned char)s->flat[at])) at++;
    return at < s->n ? s->flat[at] : (char)0;
}

static statement make_statement(const source *s, size_t from, size_t to) {
    statement t;
    while (to > from && isspace((unsigned char)s->flat[to - 1])) to--;
    t.from = from;
    t.to = to;
    t.line = line_of(s, from);
    t.text = s->flat + from;
    t.end = s->flat + to;
    return t;
}

static void measure_declarations(report *r, const source *s) {
    const size_t none = (size_t)-1;
    size_t i, from = none, body = 0;
    int braces = 0, parens = 0, function = 0;
    char last = 0;
    walk w = {-1, 0};
    statement heading;
    memset(&heading, 0, sizeof heading);
    for (i = 0; i < s->n; i++) {
        char c = s->flat[i];
        if (isspace((unsigned char)c)) continue;
        if (from == none && c != '}' && c != ';') from = i;
        if (braces == 0) {
            parens += (c == '(') - (c == ')');
            if (c == ')' && parens == 0 && is_bare_macro(s, from, i) && !strchr(";{=,", next_filled(s, i + 1)))
                from = none;
            if (c == ';' && parens == 0 && from != none) {
                statement t = make_statement(s, from, i);
                file_statement(r, s, &t, &w);
                from = none;
            }
        }
        if (c == '{') {
            if (braces == 0 && from != none && last == '"') {
                from = none; /* extern "C" { is no scope */
                last = c;
                continue;
            }
            if (braces == 0 && from != none && last == ')') {
                function = 1;
                body = i;
                heading = make_statement(s, from, i);
            }
            braces++;
        }
        if (c == '}' && braces > 0 && --braces == 0 && function) {
            end_function(r, s, &heading, body, i);
            function = 0;
            from = none;
        }
        last = c;
    }
}

/* ---- table -------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

typedef struct tally {
    int passed, failed;
} tally;

static void row(tally *count, const char *what, double value, double low, double high) {
    int ok = value >= low && value <= high;
    char limit[48];
    if (low > 0) snprintf(limit, sizeof limit, "%g..%g", low, high);
    else snprintf(limit, sizeof limit, "%g", high);
    printf("%-52s %8.6g %9s  %s\n", what, value, limit, ok ? "ok" : "over");
    if (ok) count->passed++;
    else count->failed++;
}

static void print_rows(tally *count, report *r, const source *s) {
    int median = 0, longest = 0;
    double share = r->filled_lines ? 100.0 * r->comment_lines / r->filled_lines : 0.0;
    if (r->functions) {
        qsort(r->lengths, (size_t)r->functions, sizeof r->lengths[0], by_size);
        median = r->lengths[r->functions / 2];
        longest = r->lengths[r->functions - 1];
    }
    row(count, "lines", s->lines, 0, 29500);
    row(count, "width, columns", r->max_width, 0, 100);
    row(count, "median function, lines", median, 0, 14);
    row(count, "longest function, lines", longest, 0, 120);
    row(count, "#if per 1000 lines", s->lines ? 1000.0 * r->ifs / s->lines : 0.0, 0, 8);
    row(count, "#if in floors 3-9 and 11-21, but one guard each", r->room_ifs, 0, 0);
    row(count, "public functions", r->public_functions, 0, 110);
    row(count, "macros that configure", r->macro_count, 0, 18);
    row(count, "lines with a comment, % of the implementation", (int)(share * 10.0 + 0.5) / 10.0, 18, 30);
    row(count, "private functions declared ahead", r->forward, 0, 0);
    row(count, "variables outside objects (the error text)", r->mutable_variables, 0, 1);
    row(count, "names without prefix", r->unprefixed, 0, 0);
    row(count, "public declarations without a comment", r->undocumented, 0, 0);
    row(count, "bytes that are not ASCII", r->non_ascii, 0, 0);
    row(count, "lines that end in blanks", r->trailing, 0, 0);
    row(count, "tabs", r->tabs, 0, 0);
}

int main(int argc, char **argv) {
    static report r; /* large; zero at the start */
    tally count = {0, 0};
    source s;
    int i;
    if (argc < 2) {
        fprintf(stderr, "usage: lint onebit.h [learning-example.c ...]\n");
        return 2;
    }
    s = open_source(argv[1]);
    measure_lines(&r, &s);
    measure_directives(&r, &s);
    measure_declarations(&r, &s);
    printf("%-52s %8s %9s\n", argv[1], "value", "limit");
    print_rows(&count, &r, &s);
    for (i = 2; i < argc; i++) {
        size_t n;
        char what[80], *text = read_file(argv[i], &n);
        snprintf(what, sizeof what, "lines of %.60s", argv[i]);
        row(&count, what, count_lines(text, n), 0, 100);
        free(text);
    }
    printf("(%d functions, %d conditionals, %d lines of which %d are too wide)\n", r.functions, r.ifs,
           s.lines, r.wide);
    for (i = 0; i < r.note_count && i < 60; i++) printf("%s\n", r.notes[i]);
    if (r.note_count > 60) printf("... and more like these\n");
    printf("%d passed, %d failed, 0 skipped\n", count.passed, count.failed);
    close_source(&s);
    return count.failed != 0;
}
