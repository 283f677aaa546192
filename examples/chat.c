/* chat.c - onebit-chat: talk to a 1-bit model.

   cc -O3 -fopenmp examples/chat.c -o onebit-chat -lm
   ./onebit-chat --model demo.1bit
   ./onebit-chat --model demo.1bit --prompt "Who are you?"
   printf 'Hello\nWho are you?\n' | ./onebit-chat --model demo.1bit

   The session keeps the whole conversation, so a turn costs only its own tokens. What the model was
   trained on decides how a turn is written: the chat_template in its config, for example
   "You: {prompt}\nKeeper: {reply}\n". Without one the model continues your text. */
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"
#include "cli.h"

static const cli_row rows[] = {
    {"Model and talk", NULL, NULL},
    {"model", "PATH", "the model: a .1bit or GGUF file, a Hugging Face directory, a llama2.c file"},
    {"model-dir", "DIR", "the same as --model DIR/model.1bit"},
    {"prompt", "TEXT", "answer this and leave"},
    {"system", "TEXT",
     "a line of scene put in front of the talk, and kept when the context is full"},
    {"context", "N",
     "tokens that the model sees (default: its max_seq_len); when they are used up, the oldest "
     "half is forgotten"},
    {"load", "FILE", "go on with a conversation saved by /save"},
    {"Running", NULL, NULL},
    CLI_CACHE_BITS,
    CLI_FAST,
    CLI_OPEN,
    CLI_THREADS,
    CLI_ISA,
    CLI_END};

/* Flags of this framework's predecessors that have become something else. */
static const cli_row former[] = {
    {"greedy", NULL, "say --temperature 0"},
    {"system-prompt", NULL, "say --system TEXT"},
    {"debug", NULL, "see onebit-generate --ids"},
    CLI_END};

static const cli_spec spec = {
    "onebit-chat",
    "talk to a 1-bit language model",
    "onebit-chat --model FILE.1bit [flags]",
    "examples:\n"
    "  onebit-chat --model demo.1bit\n"
    "  onebit-chat --model demo.1bit --temperature 0.5 --top-k 40\n"
    "  onebit-chat --model demo.1bit --prompt \"Who are you?\"\n"
    "  onebit-chat --model-dir out < questions.txt       one question a line\n",
    "model model-dir prompt system temperature top-k top-p repetition-penalty max-tokens seed ",
    "model",
    rows,
    CLI_SAMPLE,
    former};

static const char commands[] = "/reset      forget the conversation\n"
                               "/save FILE  keep it in a file\n"
                               "/load FILE  go on with a kept one\n"
                               "/help       this\n"
                               "/quit       leave; so does Ctrl-D. Ctrl-C stops an answer\n"
                               "A line that begins with // is sent with one / less.\n";

/* pending: text that belongs to the conversation but is not in the session yet. */
typedef struct chat {
    const cli *c;
    const onebit_tokenizer *tokenizer;
    onebit_session *session;
    onebit_generate_options options;
    cli_template turn;
    const char *stop[3];
    char next_turn[ONEBIT_TEXT_MAX + 1], sign[ONEBIT_TEXT_MAX + 16];
    cli_text talk, pending, answer;
    int has_template, terminal, shown, slid;
} chat;

/* ---- one answer ---- */

/* Side remarks are for people. */
static void dim(const chat *t, const char *text) {
    if (t->c->quiet || !t->terminal) return;
    fprintf(stderr, t->c->color ? "\033[2m%s\033[0m\n" : "%s\n", text);
}

static void note(const chat *t, const char *text) {
    char line[160];
    snprintf(line, sizeof line, "(%s)", text);
    dim(t, line);
}

/* Said once: from now on it is the rule. */
static void tell_slide(chat *t) {
    if (!t->slid++) note(t, "the context is full: the oldest part is forgotten; see --context");
}

/* Streams the answer. The first space is the template's, not the answer's. */
static int on_text(void *user, const char *text, size_t bytes) {
    chat *t = (chat *)user;
    cli_add(&t->answer, text, bytes);
    while (!t->shown && t->turn.space && bytes && *text == ' ') {
        text++;
        bytes--;
    }
    if (bytes) t->shown = 1;
    if (!t->c->json && (fwrite(text, 1, bytes, stdout) != bytes || fflush(stdout))) return 1;
    return cli_interrupts != 0;
}

/* Evaluates text as plain text (what a person types is never a special token); an empty session
   begins with the document start, as in training. */
static onebit_status feed(chat *t, const char *text, size_t bytes) {
    size_t n = 0, start = 0;
    int32_t *ids = cli_encode(t->tokenizer, text, bytes, 0, &n);
    int first = onebit_model_start(onebit_session_model(t->session));
    int length = onebit_session_length(t->session);
    onebit_status status;
    if (length == 0 && first >= 0) {
        memmove(ids + 1, ids, n * sizeof *ids); /* cli_encode leaves room for one more */
        ids[0] = (int32_t)first;
        start = 1;
    }
    status = onebit_session_feed(t->session, ids, n + start);
    free(ids);
    if (status != ONEBIT_OK) return status;
    while ((status = onebit_session_step(t->session, 8)) ==
           ONEBIT_AGAIN) /* so that Ctrl-C is noticed */
        if (cli_interrupts) return ONEBIT_CANCELLED;
    if (onebit_session_length(t->session) < length + (int)(n + start)) tell_slide(t);
    return status;
}

/* Makes the session end exactly where the answer ends: the tokens of the stop text go, and what is
   missing waits in pending with the text that closes the turn. begin: session length before the
   answer. */
static void settle(chat *t, int begin, const onebit_generation *report) {
    const int32_t *ids = onebit_session_tokens(t->session);
    int length = onebit_session_length(t->session), keep = begin;
    size_t used = 0, bytes = 0;
    cli_clear(&t->pending);
    if (length < begin + report->tokens - 1) { /* it slid: the positions are unknown */
        if (strcmp(report->stopped, "stop")) cli_add_text(&t->pending, t->turn.after);
        cli_add_text(&t->pending, t->turn.gap);
        return;
    }
    for (; keep < length && ids[keep] != onebit_tokenizer_end(t->tokenizer); keep++) {
        if (!onebit_tokenizer_piece(t->tokenizer, ids[keep], &bytes) || used + bytes > t->answer.n)
            break;
        used += bytes;
    }
    if (keep < length) onebit_session_rewind(t->session, keep);
    cli_add(&t->pending, t->answer.p + used, t->answer.n - used);
    cli_add_text(&t->pending, t->turn.after);
    cli_add_text(&t->pending, t->turn.gap);
}

static void print_turn_json(const char *line, const chat *t, const onebit_generation *report) {
    size_t skip = t->turn.space ? strspn(t->answer.p, " ") : 0;
    cli_json_key(stdout, 1, "prompt");
    cli_json_string(stdout, line, strlen(line));
    cli_json_key(stdout, 0, "reply");
    cli_json_string(stdout, t->answer.p + skip, t->answer.n - skip);
    cli_json_int(stdout, "tokens", report->tokens);
    cli_json_real(stdout, "tokens_per_second",
                  report->seconds > 0 ? report->tokens / report->seconds : 0);
    cli_json_text(stdout, "stopped", report->stopped);
    puts("}");
    fflush(stdout);
}

/* The name in front of the answer: the last line between prompt and reply. */
static void print_label(const chat *t) {
    const char *name = strrchr(t->turn.between, '\n');
    name = name ? name + 1 : t->turn.between;
    if (!t->terminal || t->c->json || !*name) return;
    fprintf(stderr, "%s%s%s ", t->c->color ? "\033[1m" : "", name, t->c->color ? "\033[0m" : "");
    fflush(stderr);
}

/* Takes back a turn that was stopped or refused before its answer. */
static void take_back(chat *t, int length, size_t talk, size_t pending) {
    int now = onebit_session_length(t->session);
    onebit_session_rewind(t->session, now < length ? now : length);
    t->talk.p[t->talk.n = talk] = 0;
    t->pending.p[t->pending.n = pending] = 0;
}

/* Writes the turn and evaluates it. */
static onebit_status put_turn(chat *t, const char *line) {
    int length = onebit_session_length(t->session);
    size_t talk = t->talk.n, pending = t->pending.n;
    onebit_status status;
    cli_add_text(&t->pending, t->turn.before);
    cli_add_text(&t->pending, line);
    cli_add_text(&t->pending, t->turn.between);
    if (!talk) cli_add(&t->talk, t->pending.p, pending); /* the scene */
    cli_add(&t->talk, t->pending.p + pending, t->pending.n - pending);
    status = feed(t, t->pending.p, t->pending.n);
    if (status != ONEBIT_OK) take_back(t, length, talk, pending);
    return status;
}

/* What the answer leaves behind: notes, the exact end, the text of the talk. */
static void end_turn(chat *t, int begin, const onebit_generation *report) {
    if (onebit_session_length(t->session) < begin + report->tokens - 1) tell_slide(t);
    if (!strcmp(report->stopped, "length")) note(t, "cut at --max-tokens");
    settle(t, begin, report);
    cli_add(&t->talk, t->answer.p, t->answer.n);
    cli_add_text(&t->talk, t->turn.after);
    cli_add_text(&t->talk, t->turn.gap);
    t->options.sample.seed =
        (t->options.sample.seed + 1) & 0x7FFFFFFF; /* asked again, it may answer otherwise */
}

/* Asks and streams the answer; 0 = ok. */
static int ask(chat *t, const char *line) {
    onebit_generation report;
    onebit_status status;
    int begin;
    memset(&report, 0, sizeof report);
    cli_clear(&t->answer);
    t->shown = 0;
    status = put_turn(t, line);
    if (status == ONEBIT_OK) print_label(t);
    begin = onebit_session_length(t->session);
    if (status == ONEBIT_OK)
        status = onebit_generate(t->session, "", &t->options, on_text, t, &report);
    if (!t->c->json) putchar('\n');
    if (status == ONEBIT_CANCELLED) return 0;
    if (status != ONEBIT_OK) return cli_fail("%s (see --context)", onebit_error_text());
    if (t->c->json) print_turn_json(line, t, &report);
    end_turn(t, begin, &report);
    return fflush(stdout) != 0;
}

/* ---- the conversation as a whole ---- */

/* The scene in front; pending is evaluated with the first turn. */
static void reset(chat *t) {
    const char *scene = cli_get(t->c, "system");
    onebit_session_rewind(t->session, 0);
    cli_clear(&t->pending);
    cli_clear(&t->talk);
    t->slid = 0;
    if (!scene) return;
    cli_add_text(&t->pending, scene);
    cli_add_text(&t->pending, "\n");
}

/* A saved conversation: a line with the sizes, the text, the pending text, the session's state. */
static int save(chat *t, const char *path) {
    size_t bytes = onebit_session_save(t->session, NULL, 0);
    char *state = (char *)cli_alloc(bytes), head[96];
    cli_text file = {NULL, 0, 0};
    int ok;
    onebit_session_save(t->session, state, bytes);
    snprintf(head, sizeof head, "onebit-chat 1 %lu %lu %lu\n", (unsigned long)t->talk.n,
             (unsigned long)t->pending.n, (unsigned long)bytes);
    cli_add_text(&file, head);
    cli_add(&file, t->talk.p, t->talk.n);
    cli_add(&file, t->pending.p, t->pending.n);
    cli_add(&file, state, bytes);
    ok = cli_write_file(path, file.p, file.n);
    free(state);
    free(file.p);
    if (!ok) return cli_fail("cannot write %s: %s", path, strerror(errno));
    note(t, "saved");
    return 0;
}

static int load(chat *t, const char *path) {
    cli_text file = {NULL, 0, 0};
    unsigned long talk = 0, pending = 0, bytes = 0;
    int head = 0, code = 0;
    char *body, *state;
    if (!cli_read_file(path, &file)) return cli_fail("cannot read %s: %s", path, strerror(errno));
    if (sscanf(file.p, "onebit-chat 1 %lu %lu %lu%n", &talk, &pending, &bytes, &head) != 3 ||
        file.p[head] != '\n' || talk > file.n || pending > file.n || bytes > file.n ||
        (size_t)head + 1 + talk + pending + bytes != file.n) {
        free(file.p);
        return cli_fail("%s is no conversation saved by /save", path);
    }
    body = file.p + head + 1;
    state = (char *)cli_alloc(bytes); /* of its own, for its alignment */
    memcpy(state, body + talk + pending, bytes);
    if (onebit_session_restore(t->session, state, bytes) != ONEBIT_OK)
        code = cli_fail("%s: %s", path, onebit_error_text());
    else {
        cli_clear(&t->talk);
        cli_add(&t->talk, body, talk);
        cli_clear(&t->pending);
        cli_add(&t->pending, body + talk, pending);
        if (t->terminal) fwrite(t->talk.p, 1, t->talk.n, stderr);
        note(t, "the talk so far; go on");
    }
    free(state);
    free(file.p);
    return code;
}

static const char *argument(const char *line, const char *command) {
    size_t n = strlen(command);
    if (strncmp(line, command, n) || line[n] != ' ') return NULL;
    line += n + strspn(line + n, " ");
    return *line ? line : NULL;
}

/* A line that begins with '/'; 1 = leave. Mistakes are told, and the talk goes on. */
static int command(chat *t, const char *line) {
    const char *path;
    if (!strcmp(line, "/quit") || !strcmp(line, "/exit")) return 1;
    if (!strcmp(line, "/help")) fputs(commands, stderr);
    else if (!strcmp(line, "/reset")) {
        reset(t);
        note(t, "forgotten");
    } else if ((path = argument(line, "/save")) != NULL) save(t, path);
    else if ((path = argument(line, "/load")) != NULL) load(t, path);
    else cli_fail("unknown or incomplete command '%s'; /help lists them", line);
    return 0;
}

/* ---- the loop ---- */

/* The sign of the prompt is the template's, so that the talk looks as the model knows it. */
static void set_sign(chat *t) {
    const char *text = t->has_template && *t->turn.before ? t->turn.before : "> ";
    snprintf(t->sign, sizeof t->sign, t->c->color ? "\033[1m%s\033[0m" : "%s", text);
    cli_sign = t->sign;
}

/* Reads a line at the prompt; 0 = the end. A read that Ctrl-C broke off is tried again. */
static int read_line(chat *t, cli_text *line) {
    int got;
    cli_waiting = t->terminal;
    if (t->terminal) {
        fputs(t->sign, stderr);
        fflush(stderr);
    }
    do {
        errno = 0;
        got = cli_read_line(stdin, line);
        if (!got) clearerr(stdin);
    } while (!got && errno == EINTR && t->terminal);
    cli_waiting = 0;
    cli_interrupts = 0;
    return got;
}

static int converse(chat *t) {
    cli_text line = {NULL, 0, 0};
    int code = 0, stop = 0, failed;
    while (!stop && read_line(t, &line)) {
        const char *text = line.p;
        while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
            line.p[--line.n] = 0;
        if (!line.n) continue;
        if (text[0] == '/' && text[1] != '/') {
            if (command(t, text)) break;
            continue;
        }
        failed = ask(t, text[0] == '/' ? text + 1 : text) != 0; /* told; the talk goes on */
        if (failed && !t->terminal) code = 1;
        if (ferror(stdout)) break;
        if (cli_interrupts && !t->terminal) stop = 130;
    }
    if (t->terminal) fputc('\n', stderr);
    free(line.p);
    return stop ? stop : code;
}

/* What ends an answer: the text behind {reply}, or the next turn of the person. */
static void set_stops(chat *t) {
    int n = 0;
    size_t length = strlen(t->turn.before);
    if (*t->turn.after) t->stop[n++] = t->turn.after;
    while (length && t->turn.before[length - 1] == ' ') length--;
    if (length) {
        snprintf(t->next_turn, sizeof t->next_turn, "%s%.*s", *t->turn.before == '\n' ? "" : "\n",
                 (int)length, t->turn.before);
        t->stop[n++] = t->next_turn;
    }
    t->stop[n] = NULL;
    t->options.stop = t->stop;
}

/* Tokens that stay when the session slides: the start and the scene. */
static int count_scene(const chat *t, const onebit_model *model) {
    const char *scene = cli_get(t->c, "system");
    size_t n = 0;
    if (scene) free(cli_encode(t->tokenizer, scene, strlen(scene), 0, &n));
    return (int)n + (onebit_model_start(model) >= 0);
}

static void print_banner(const chat *t, const onebit_model *model, int context) {
    const onebit_config *config = onebit_model_config(model);
    char a[32], text[160];
    snprintf(text, sizeof text,
             "%s parameters, context %d tokens. /help lists commands, Ctrl-D leaves.",
             cli_count(a, (double)onebit_config_parameters(config)),
             context ? context : config->max_seq_len);
    dim(t, text);
}

int main(int argc, char **argv) {
    cli c = cli_start(&spec, argc, argv);
    onebit_env env = cli_env(&c);
    onebit_session_options how = onebit_session_options_default();
    onebit_model *model;
    const char *prompt = cli_get(&c, "prompt");
    int code = 0;
    chat t;
    memset(&t, 0, sizeof t);
    t.c = &c;
    t.options = onebit_generate_options_default();
    cli_apply(&c, ONEBIT_TABLE_SAMPLE, &t.options.sample);
    how.context = cli_int(&c, "context", 0, 1, 1 << 20);
    how.slide = 1;
    cli_session(&c, &how);
    model = cli_open_model(&c, &env);
    t.tokenizer = onebit_model_tokenizer(model);
    t.terminal = isatty(0) && !prompt;
    t.has_template = cli_read_template(model, &t.turn);
    how.keep_first = count_scene(&t, model);
    set_stops(&t);
    set_sign(&t);
    if (onebit_session_create(&t.session, model, &how, &env) != ONEBIT_OK)
        return cli_fail("%s (see --context, --system)", onebit_error_text());
    reset(&t);
    cli_catch_interrupt();
    print_banner(&t, model, how.context);
    if (cli_get(&c, "load")) code = load(&t, cli_get(&c, "load"));
    if (!code) code = prompt ? ask(&t, prompt) : converse(&t);
    if (prompt && cli_interrupts) code = 130;
    onebit_session_free(t.session);
    onebit_model_free(model);
    free(t.talk.p);
    free(t.pending.p);
    free(t.answer.p);
    free(c.given);
    return cli_finish(code);
}
