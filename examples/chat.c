/* chat.c - onebit-chat: talk to a 1-bit model.

   cc -O3 -fopenmp examples/chat.c -o onebit-chat -lm
   ./onebit-chat --model demo.1bit
   ./onebit-chat --model demo.1bit --prompt "Who are you?"
   printf 'Hello\nWho are you?\n' | ./onebit-chat --model demo.1bit

   The session keeps the whole conversation, so a turn costs only its own tokens. What the model was
   trained on decides how a turn is written: the chat_template in its config, for example
   "You: {prompt}\nKeeper: {reply}\n", or the Jinja template that came with its tokenizer. Without
   either the model continues your text. */
#define ONEBIT_IMPLEMENTATION
#include "cli.h"

static const cli_row rows[] = {
    {"Model and talk", NULL, NULL},
    {"model", "PATH",
     "the model: a .1bit or GGUF file, a Hugging Face directory, a llama2.c file, or a name that "
     "onebit-inspect --list knows"},
    {"model-dir", "DIR", "the same as --model DIR/model.1bit"},
    {"prompt", "TEXT", "answer this and leave"},
    {"system", "TEXT",
     "a line of scene put in front of the talk, and kept when the context is full"},
    {"context", "N",
     "tokens that the model sees (default: its max_seq_len, at most 4096); when they are used up, "
     "the oldest half is forgotten"},
    {"load", "FILE", "go on with a conversation saved by /save"},
    {"chat-template", "TEXT",
     "in place of the model's: one turn with {prompt} and {reply}, a file of Jinja as @FILE, or "
     "none to continue the text"},
    {"show-prompt", NULL, "print what is evaluated for each turn, as text and as ids"},
    {"Running", NULL, NULL},
    CLI_CACHE_BITS,
    CLI_FAST,
    CLI_TWO_STAGE,
    CLI_OPEN,
    CLI_DEVICE(""),
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
    "onebit-chat --model PATH [flags]",
    "examples:\n"
    "  onebit-chat --model demo.1bit\n"
    "  onebit-chat --model demo.1bit --temperature 0.5 --top-k 40\n"
    "  onebit-chat --model demo.1bit --prompt \"Who are you?\"\n"
    "  onebit-chat --model ggml-model-i2_s.gguf --system \"You are brief.\"\n"
    "  onebit-chat --model-dir out < questions.txt       one question a line\n",
    "model model-dir prompt system temperature top-k top-p repetition-penalty max-tokens seed device ",
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

/* pending: text that belongs to the conversation but is not in the session yet. With a template of
   Jinja talk holds the messages instead, each as role, zero byte, content, zero byte. */
typedef struct chat {
    const cli *c;
    const onebit_tokenizer *tokenizer;
    onebit_session *session;
    onebit_generate_options options;
    cli_template turn;
    const char *stop[3];
    char next_turn[ONEBIT_TEXT_MAX + 1], sign[ONEBIT_TEXT_MAX + 16];
    cli_text talk, pending, answer;
    const char *jinja, *scene, *start_text, *end_text; /* NULL = none */
    cli_text jinja_file;
    int has_template, terminal, shown, slid, show_prompt, context;
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

/* Prints what is about to be evaluated, with --show-prompt. */
static void show(const chat *t, const char *text, size_t bytes, const int32_t *ids, size_t n) {
    size_t i;
    if (!t->show_prompt) return;
    fprintf(stderr, "--- prompt, %lu bytes\n", (unsigned long)bytes);
    fwrite(text, 1, bytes, stderr);
    fprintf(stderr, "\n--- %lu ids:", (unsigned long)n);
    for (i = 0; i < n; i++) fprintf(stderr, " %d", (int)ids[i]);
    fputs("\n---\n", stderr);
}

/* Evaluates ids, layer by layer so that Ctrl-C is noticed. */
static onebit_status evaluate(chat *t, const int32_t *ids, size_t n) {
    onebit_status status = onebit_session_feed(t->session, ids, n);
    while (status == ONEBIT_OK || status == ONEBIT_AGAIN) {
        status = onebit_session_step(t->session, 8);
        if (status != ONEBIT_AGAIN) return status;
        if (cli_interrupts) return ONEBIT_CANCELLED;
    }
    return status;
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
    show(t, text, bytes, ids, n + start);
    status = evaluate(t, ids, n + start);
    free(ids);
    if (status != ONEBIT_OK) return status;
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
    for (; keep < length && !onebit_tokenizer_ends(t->tokenizer, ids[keep]); keep++) {
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

/* ---- templates of Jinja ---- */
/* The whole talk is written anew for each turn, since a template may say of an old turn something
   else than of the last; what the session has evaluated already stays as far as the ids agree. */

/* Adds a message to the talk. */
static void add_message(chat *t, const char *role, const char *content, size_t bytes) {
    cli_add(&t->talk, role, strlen(role) + 1);
    cli_add(&t->talk, content, bytes);
    cli_add(&t->talk, "", 1);
}

/* The messages of the talk, the scene first; returns how many. Free the list. */
static onebit_message *list_messages(const chat *t, size_t *count) {
    const char *p = t->talk.p, *end = p + t->talk.n;
    onebit_message *list;
    size_t n = 0, zeros = 0;
    while (p < end) zeros += *p++ == 0;
    list = (onebit_message *)cli_alloc((zeros / 2 + 2) * sizeof *list);
    if (t->scene) {
        list[n].role = "system", list[n].content = t->scene;
        list[n].bytes = strlen(t->scene), n++;
    }
    for (p = t->talk.p; p && p < end; n++) {
        list[n].role = p, p += strlen(p) + 1;
        list[n].content = p, list[n].bytes = strlen(p), p += strlen(p) + 1;
    }
    *count = n;
    return list;
}

/* Written special tokens of what a person typed must not become special: their text is evaluated
   apart from the template's. 1 when content has some. */
static int has_special(const chat *t, const char *content, size_t bytes) {
    size_t plain = 0, special = 0;
    (void)onebit_tokenizer_encode(t->tokenizer, NULL, 0, &plain, content, bytes, 0);
    (void)onebit_tokenizer_encode(t->tokenizer, NULL, 0, &special, content, bytes, 1);
    return plain != special;
}

/* Adds the ids of a stretch of text. */
static void add_ids(const chat *t, cli_text *ids, const char *text, size_t bytes, int special) {
    size_t n;
    int32_t *more = cli_encode(t->tokenizer, text, bytes, special, &n);
    cli_add(ids, (const char *)more, n * sizeof *more);
    free(more);
}

/* Ids of a rendered talk; a start token stands in front once, whether the template wrote it or
   not. */
static void encode_talk(const chat *t, cli_text *ids, const char *text, size_t bytes,
                        const onebit_message *list, size_t count) {
    const char *p = text, *end = text + bytes, *hit;
    int32_t first = onebit_model_start(onebit_session_model(t->session));
    size_t i;
    cli_clear(ids);
    if (first >= 0) cli_add(ids, (const char *)&first, sizeof first);
    for (i = 0; i < count; i++) {
        size_t n = list[i].bytes;
        if (!n || !has_special(t, list[i].content, n)) continue;
        for (hit = p; (size_t)(end - hit) >= n && memcmp(hit, list[i].content, n); hit++) {}
        if ((size_t)(end - hit) < n) continue; /* the template changed it */
        add_ids(t, ids, p, (size_t)(hit - p), 1);
        add_ids(t, ids, hit, n, 0);
        p = hit + n;
    }
    add_ids(t, ids, p, (size_t)(end - p), 1);
    if (first >= 0 && ids->n >= 2 * sizeof first &&
        !memcmp(ids->p + sizeof first, &first, sizeof first)) {
        memmove(ids->p, ids->p + sizeof first, ids->n - sizeof first);
        ids->n -= sizeof first;
    }
}

/* The talk as the template writes it, behind which the answer comes; NULL after an error, which is
   told. */
static char *render(const chat *t, const onebit_message *list, size_t count, size_t *bytes) {
    onebit_chat_options how;
    char *text = NULL;
    onebit_status status;
    how.bos = t->start_text, how.eos = t->end_text, how.add_generation_prompt = 1;
    status = onebit_chat_render(NULL, 0, bytes, t->jinja, list, count, &how, NULL);
    if (status == ONEBIT_OK) {
        text = (char *)cli_alloc(*bytes + 1);
        status = onebit_chat_render(text, *bytes + 1, bytes, t->jinja, list, count, &how, NULL);
    }
    if (status == ONEBIT_OK) return text;
    free(text);
    return NULL;
}

/* Forgets the oldest question with its answer; 0 when only the last question is left. */
static int drop_oldest(chat *t) {
    size_t n = 0, zeros = 0;
    while (n < t->talk.n && zeros < 4) zeros += t->talk.p[n++] == 0;
    if (n >= t->talk.n) return 0;
    memmove(t->talk.p, t->talk.p + n, t->talk.n - n);
    t->talk.n -= n;
    t->talk.p[t->talk.n] = 0;
    return 1;
}

/* Ids that the session has evaluated already are kept. */
static onebit_status feed_talk(chat *t, const int32_t *ids, size_t n) {
    const int32_t *old = onebit_session_tokens(t->session);
    size_t same = 0, length = (size_t)onebit_session_length(t->session);
    while (same < length && same + 1 < n && old[same] == ids[same]) same++;
    onebit_session_rewind(t->session, (int)same);
    return evaluate(t, ids + same, n - same);
}

/* Writes the talk with a new question and evaluates what is new of it. */
static onebit_status put_message(chat *t, const char *line) {
    size_t talk = t->talk.n, bytes = 0, count;
    cli_text ids = {NULL, 0, 0};
    onebit_status status = ONEBIT_OK;
    char *text;
    add_message(t, "user", line, strlen(line));
    do {
        onebit_message *list = list_messages(t, &count);
        text = render(t, list, count, &bytes);
        if (text) encode_talk(t, &ids, text, bytes, list, count);
        free(list);
        if (!text || ids.n / sizeof(int32_t) + 16 <= (size_t)t->context) break;
        tell_slide(t);
        free(text);
        text = NULL;
    } while (drop_oldest(t));
    if (text) {
        show(t, text, bytes, (int32_t *)(void *)ids.p, ids.n / sizeof(int32_t));
        status = feed_talk(t, (int32_t *)(void *)ids.p, ids.n / sizeof(int32_t));
    } else {
        status = ids.n ? ONEBIT_LIMIT : ONEBIT_UNSUPPORTED;
    }
    if (status != ONEBIT_OK && t->talk.n >= talk) t->talk.p[t->talk.n = talk] = 0;
    free(text);
    free(ids.p);
    return status;
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
    t->options.sample.seed =
        (t->options.sample.seed + 1) & 0x7FFFFFFF; /* asked again, it may answer otherwise */
    if (t->jinja) {
        add_message(t, "assistant", t->answer.p ? t->answer.p : "", t->answer.n);
        return;
    }
    settle(t, begin, report);
    cli_add(&t->talk, t->answer.p, t->answer.n);
    cli_add_text(&t->talk, t->turn.after);
    cli_add_text(&t->talk, t->turn.gap);
}

/* Asks and streams the answer; 0 = ok. */
static int ask(chat *t, const char *line) {
    onebit_generation report;
    onebit_status status;
    int begin;
    memset(&report, 0, sizeof report);
    cli_clear(&t->answer);
    t->shown = 0;
    status = t->jinja ? put_message(t, line) : put_turn(t, line);
    if (status == ONEBIT_OK) print_label(t);
    begin = onebit_session_length(t->session);
    if (status == ONEBIT_OK)
        status = onebit_generate(t->session, "", &t->options, on_text, t, &report);
    if (!t->c->json) putchar('\n');
    if (status == ONEBIT_CANCELLED) return 0;
    if (status == ONEBIT_LIMIT) return cli_fail("%s (see --context)", onebit_error_text());
    if (status != ONEBIT_OK) return cli_fail("%s (see --chat-template)", onebit_error_text());
    if (t->c->json) print_turn_json(line, t, &report);
    end_turn(t, begin, &report);
    return fflush(stdout) != 0;
}

/* ---- the conversation as a whole ---- */

/* The scene in front; pending is evaluated with the first turn. */
static void reset(chat *t) {
    onebit_session_rewind(t->session, 0);
    cli_clear(&t->pending);
    cli_clear(&t->talk);
    t->slid = 0;
    if (!t->scene || t->jinja) return;
    cli_add_text(&t->pending, t->scene);
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

/* The talk so far, for the one who goes on with it. */
static void show_talk(const chat *t) {
    size_t i, zeros = 0;
    for (i = 0; i < t->talk.n; i++) {
        int c = t->talk.p[i];
        if (c || !t->jinja) fputc(c, stderr);
        else fputs(zeros++ % 2 ? "\n" : ": ", stderr); /* behind a role, behind a content */
    }
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
        if (t->terminal) show_talk(t);
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
    size_t n = 0;
    if (t->scene) free(cli_encode(t->tokenizer, t->scene, strlen(t->scene), 0, &n));
    return (int)n + (onebit_model_start(model) >= 0);
}

/* The written form of a token, for templates; NULL when there is none. */
static const char *token_text(const onebit_tokenizer *tokenizer, int id) {
    size_t n = 0;
    const char *piece = id < 0 ? NULL : onebit_tokenizer_piece(tokenizer, id, &n);
    char *text;
    if (!piece) return NULL;
    text = (char *)cli_alloc(n + 1);
    memcpy(text, piece, n);
    text[n] = 0;
    return text;
}

/* How turns are written: as the flag says, else as the model's config, else as its tokenizer. */
static void take_template(chat *t, const onebit_model *model) {
    const char *given = cli_get(t->c, "chat-template");
    t->has_template = cli_read_template(model, &t->turn);
    if (!t->has_template) onebit_turn_parse(&t->turn, NULL);
    if (!t->has_template) t->jinja = onebit_tokenizer_template(t->tokenizer);
    if (given) t->jinja = NULL;
    if (given && *given == '@') {
        if (!cli_read_file(given + 1, &t->jinja_file))
            exit(cli_fail("cannot read %s: %s (see --chat-template)", given + 1, strerror(errno)));
        t->jinja = t->jinja_file.p ? t->jinja_file.p : "";
    } else if (given && !strcmp(given, "none")) {
        memset(&t->turn, 0, sizeof t->turn);
        t->has_template = 0;
    } else if (given) {
        if (onebit_turn_parse(&t->turn, given) != ONEBIT_OK)
            exit(cli_fail("%s (see --chat-template)", onebit_error_text()));
        t->has_template = 1;
    }
    if (!t->jinja) return;
    memset(&t->turn, 0, sizeof t->turn);
    t->start_text = token_text(t->tokenizer, onebit_tokenizer_start(t->tokenizer));
    t->end_text = token_text(t->tokenizer, onebit_tokenizer_end(t->tokenizer));
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
    t.show_prompt = cli_has(&c, "show-prompt");
    t.scene = cli_get(&c, "system");
    how.slide = 1;
    cli_session(&c, &how);
    model = cli_open_model(&c, &env);
    t.tokenizer = onebit_model_tokenizer(model);
    t.terminal = isatty(0) && !prompt;
    if (!t.tokenizer) return cli_fail("the model brings no tokenizer (see --tokenizer)");
    if (!how.context) how.context = cli_context(model);
    t.context = how.context;
    take_template(&t, model);
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
    free(t.jinja_file.p);
    free((void *)(uintptr_t)t.start_text);
    free((void *)(uintptr_t)t.end_text);
    free(t.pending.p);
    free(t.answer.p);
    free(c.given);
    return cli_finish(code);
}
