/* test_template.c - chat templates: what jinja2 makes of them, and what hostile ones may not do. */
#include "golden_template.h"

/* Renders into a block of its own, which the caller frees; NULL after an error. */
static char *template_render(const char *text, int talk, int prompt, const onebit_env *env) {
    onebit_chat_options o = {TEMPLATE_BOS, TEMPLATE_EOS, 0};
    const template_talk *t = &template_talks[talk];
    size_t n = 0, again = 0;
    char *out;
    o.add_generation_prompt = prompt;
    if (onebit_chat_render(NULL, 0, &n, text, t->messages, t->count, &o, env) != ONEBIT_OK) return NULL;
    out = (char *)malloc(n + 1);
    if (!CHECK(out != NULL)) return NULL;
    CHECK_OK(onebit_chat_render(out, n + 1, &again, text, t->messages, t->count, &o, env));
    CHECK(again == n && strlen(out) == n);
    return out;
}

static void template_test_golden(void) {
    size_t i;
    test_case("template: what jinja2 writes as apply_chat_template runs it");
    for (i = 0; i < sizeof template_rows / sizeof template_rows[0]; i++) {
        const template_row *r = &template_rows[i];
        char *out = template_render(r->text, r->talk, r->prompt, NULL);
        int same = out && r->expected ? strcmp(out, r->expected) == 0 : !out && !r->expected;
        if (!r->expected) same = same && strstr(onebit_error_text(), "the chat template refuses: ");
        if (!CHECK(same))
            printf("template %s\nexpected %s\nfound    %s\n", r->text, r->expected ? r->expected : "an error",
                   out ? out : onebit_error_text());
        free(out);
    }
}

static void template_test_failures(void) {
    char out[8] = "xxx";
    size_t i, n = 7;
    test_case("template: what is wrong or unknown is named with its line");
    for (i = 0; i < sizeof template_failures / sizeof template_failures[0]; i++) {
        const template_failure *f = &template_failures[i];
        onebit_status status = onebit_chat_render(out, sizeof out, &n, f->text, template_talk_0, 1, NULL, NULL);
        if (!CHECK(status == f->status && strstr(onebit_error_text(), f->words) && n == 0 && !out[0]))
            printf("template %s\nexpected %s\nfound    %s\n", f->text, f->words,
                   status == ONEBIT_OK ? out : onebit_error_text());
    }
}


/* Llama 3's own file: its template is the same as what is written here by hand. */
static void template_test_real(void) {
    size_t bytes = 0, n = 0;
    char *json, *text, out[600];
    onebit_chat_options o = {NULL, NULL, 1};
    ob_slice key;
    ob_json j;
    test_case("template: Llama 3's own");
    json = tok_read("tokenizers/llama3-tokenizer_config.json", &bytes);
    if (!json) {
        test_skip("no shared data here");
        return;
    }
    text = (char *)calloc(bytes + 1, 1), o.bos = "<|begin_of_text|>";
    j = ob_json_on(json, bytes, "tokenizer_config.json");
    for (ob_json_object(&j); text && ob_json_key(&j, &key);) {
        if (ob_slice_is(key, "chat_template")) n = ob_json_string(&j, text, bytes);
        else ob_json_skip(&j);
    }
    CHECK(n > 100 && n < bytes);
    CHECK_OK(onebit_chat_render(out, sizeof out, &n, text, template_talk_2, 2, &o, NULL));
    CHECK(strcmp(out, "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is 6 * 7?"
                      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<think>\n"
                      "six sevens\n</think>\n\n42<|eot_id|><|start_header_id|>assistant"
                      "<|end_header_id|>\n\n") == 0);
    free(json);
    free(text);
}

/* Memory of a small machine: counted, bounded, and refused at a chosen call. */
typedef struct template_heap {
    size_t used, most, calls, refused;
} template_heap;

static void *template_alloc(void *user, size_t bytes) {
    template_heap *h = (template_heap *)user;
    size_t *block = ++h->calls == h->refused ? NULL : (size_t *)malloc(bytes + 2 * sizeof *block);
    if (!block) return NULL;
    *block = bytes;
    h->used += bytes;
    if (h->used > h->most) h->most = h->used;
    return block + 2;
}

static void template_release(void *user, void *p) {
    size_t *block = (size_t *)p - 2;
    ((template_heap *)user)->used -= *block;
    free(block);
}

static onebit_env template_env(template_heap *h) {
    onebit_env env = onebit_env_default();
    memset(h, 0, sizeof *h);
    env.user = h, env.alloc = template_alloc, env.release = template_release;
    return env;
}

/* Ends in time and within its memory, with this status and words; nothing is left behind. */
static void template_bound(const char *text, const template_talk *t, onebit_status wanted,
                           const char *words) {
    template_heap heap;
    onebit_env env = template_env(&heap);
    clock_t start = clock();
    size_t n;
    onebit_status status = onebit_chat_render(NULL, 0, &n, text, t->messages, t->count, NULL, &env);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (!CHECK(status == wanted && (status == ONEBIT_OK || strstr(onebit_error_text(), words))) ||
        !CHECK(heap.used == 0 && heap.most <= OB_JINJA_MEMORY + ((size_t)1 << 20)) ||
        !CHECK(seconds < 5))
        printf("template %.80s: %d, %s, %g s, %g MB\n", text, (int)status, onebit_error_text(), seconds,
               (double)heap.most / 1e6);
}

/* Some text many times, between two others. */
static char *template_many(const char *before, const char *part, size_t times, const char *after) {
    size_t n = strlen(part), i;
    char *out = (char *)malloc(strlen(before) + n * times + strlen(after) + 1), *p = out;
    if (!CHECK(out != NULL)) return NULL;
    strcpy(p, before), p += strlen(p);
    for (i = 0; i < times; i++, p += n) memcpy(p, part, n);
    strcpy(p, after);
    return out;
}

/* Eleven letters, doubled so often that a text of 180 kB stands in n.x; and lists that hold one
   other twice, 2^60 ends in all. */
#define TEMPLATE_LONG                                                                              \
    "{% set n = namespace(x='aaaaaaaaaaa') %}{% for i in range(14) %}{% set n.x = n.x + n.x %}{% endfor %}"
#define TEMPLATE_TREE(n)                                                                           \
    "{% set " n " = namespace(x=[]) %}{% for i in range(60) %}{% set " n ".x = [" n ".x, " n ".x] %}{% endfor %}"
#define TEMPLATE_DEEP(n)                                                                           \
    "{% set " n " = namespace(x=[]) %}{% for i in range(500) %}{% set " n ".x = [" n ".x] %}{% endfor %}"

static void template_test_bounds(void) {
    static const struct {
        const char *before, *part;
        size_t times;
        const char *after, *words;
    } bombs[] = {
        {"{{ ", "-", 100000, "1 }}", "deeper"},
        {"{{ ", "not ", 100000, "1 }}", "deeper"},
        {"{{ 1 ", "if 1 else 1 ", 50000, "}}", "deeper"},
        {"", "{% if 1 %}", 70000, "", "deeper"},
        {"", "{% for x in [1] %}", 50000, "", "deeper"},
        {"", "{% if 0 %}", 70000, "", "deeper"},
        {"{% macro f(n) %}{{ f(n) ~ f(n) }}{% endmacro %}{{ f(1) }}", "", 0, "", "deeper"},
        {"{% macro f(a=f()) %}{% endmacro %}{{ f() }}", "", 0, "", "deeper"},
        {TEMPLATE_DEEP("n"), "", 0, "{{ n.x | tojson }}", "deeper"},
        {TEMPLATE_DEEP("n") TEMPLATE_DEEP("m"), "", 0, "{{ n.x == m.x }}", "deeper"},
        {TEMPLATE_TREE("n"), "", 0, "{{ n.x | tojson }}", "it takes more than"},
        {TEMPLATE_TREE("n") TEMPLATE_TREE("m"), "", 0, "{{ n.x == m.x }}", "it takes more than"},
        {"{% set n = namespace(x=1) %}{% set n.x = n %}{{ n }}", "", 0, "", "'a namespace'"},
        {"", "x", ((size_t)1 << 20) + 1, "", "longer"},
        {"{{ [", "1,", 500000, "]|length }}", "16 MB"},
        {"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "", 0, "",
         "16 MB"},
        {"{% for i in range(100000) %}{% if i in range(1000) %}{% endif %}{% endfor %}", "", 0, "", "16 MB"},
        {"{% set r = range(1000) %}{% for i in range(100000) %}{% if i in r %}{% endif %}{% endfor %}", "",
         0, "", "it takes more than"},
        {"{% for i in range(90000) %}xxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}", "", 0, "",
         "it writes more than"},
        {"{% set n = namespace(x='x') %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}", "",
         0, "", "it writes more than"},
        {"{% for i in range(100000) %}{# ", "x", 1000000, " #}{% endfor %}", "it takes more than"},
        {"{% for i in range(100000) %}{% if 0 %} ", "x", 1000000, " {% endif %}{% endfor %}",
         "it takes more than"},
        {"{% for i in range(100000) %}{{ 1 or '", "x", 1000000, "' }}{% endfor %}", "it takes more than"},
        {"{% for i in range(100000) %}{{ ", " ", 1000000, "1 }}{% endfor %}", "it takes more than"},
        {"{% for i in range(100000) %}{{ 1 or [", "1,", 100000, "] }}{% endfor %}", "it takes more than"},
        {TEMPLATE_LONG "{% for i in range(1000) %}{{ (n.x + 'b') in n.x }}{% endfor %}", "", 0, "",
         "it takes more than"},
        {TEMPLATE_LONG "{{ (n.x + 'b') in (n.x + n.x + n.x) }}", "", 0, "", "it takes more than"},
        {TEMPLATE_LONG "{% for i in range(1000) %}{{ n.x.split('aaaaab')|length }}{% endfor %}", "", 0, "",
         "it takes more than"},
        {TEMPLATE_LONG "{% for i in range(1000) %}{{ n.x.replace('aaaaab', '')|length }}{% endfor %}", "", 0,
         "", "it takes more than"},
        {TEMPLATE_LONG "{{ n.x.replace('a', n.x) }}", "", 0, "", "it writes more than"},
        {TEMPLATE_LONG "{% for i in range(1000) %}{{ n.x.strip('xyza') }}{% endfor %}", "", 0, "",
         "it takes more than"},
        {TEMPLATE_LONG "{% for i in range(1000) %}{{ n.x|length }}{% endfor %}", "", 0, "",
         "it takes more than"},
    };
    size_t i;
    char *text, *end;
    test_case("template: depth, steps, memory and output are bounded");
    for (i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        text = template_many(bombs[i].before, bombs[i].part, bombs[i].times, bombs[i].after);
        if (text) template_bound(text, &template_talks[0], ONEBIT_UNSUPPORTED, bombs[i].words);
        free(text);
    }
    for (i = 0; i < 3; i++) { /* brackets that are closed: so many, too many, and far too many */
        size_t n = i == 0 ? 100 : i == 1 ? 200 : 100000;
        const char *words = i == 1 ? "deeper" : "it takes more than";
        end = template_many("1", ")", n, " }}");
        text = end ? template_many("{{ ", "(", n, end) : NULL;
        if (text) template_bound(text, &template_talks[0], i ? ONEBIT_UNSUPPORTED : ONEBIT_OK, words);
        free(text), free(end);
    }
    text = template_many("{% if 0 %}", "{% elif 0 %}", 20000, "{% else %}x{% endif %}");
    if (text) template_bound(text, &template_talks[0], ONEBIT_OK, "");
    free(text);
    text = template_many("{{ 1 ", "+ 1 ", 50000, "}}");
    if (text) template_bound(text, &template_talks[0], ONEBIT_OK, "");
    free(text);
    text = template_many("{{ x", "[x", 100000, "");
    if (text) template_bound(text, &template_talks[0], ONEBIT_FORMAT, "does not end");
    free(text);
    text = template_many("", "{ {{'a'}} {#-#} ", 20000, "");
    if (text) template_bound(text, &template_talks[0], ONEBIT_OK, "");
    free(text);
}

/* Every template of the table cut at every byte, on a machine that refuses an allocation now and
   then, and with bytes changed. Run under the sanitizers by make check. */
static void template_test_damaged(void) {
    size_t i, k, n;
    onebit_rng rng;
    test_case("template: cut, changed and starved templates never do harm");
    onebit_rng_seed(&rng, 1);
    for (i = 0; i < sizeof template_rows / sizeof template_rows[0]; i++) {
        const template_row *r = &template_rows[i];
        const template_talk *t = &template_talks[r->talk];
        size_t length = strlen(r->text);
        char *text = (char *)malloc(length + 1);
        template_heap heap;
        onebit_env env = template_env(&heap);
        if (!CHECK(text != NULL)) return;
        if (i && r->text == r[-1].text) length = 0; /* the same for another talk */
        for (k = 0; k < length; k++) {
            memcpy(text, r->text, k), text[k] = 0;
            heap.calls = 0, heap.refused = k % 4;
            (void)onebit_chat_render(NULL, 0, &n, text, t->messages, t->count, NULL, &env);
            memcpy(text, r->text, length + 1);
            text[k] = "{}%#'\"()[]|.,:=-+~\x80\xFF" "0\n"[test_below(&rng, 23)];
            if (k & 1) memmove(text + k, text + k + 1, length - k);
            heap.calls = 0, heap.refused = 1 + test_below(&rng, 20);
            (void)onebit_chat_render(NULL, 0, &n, text, t->messages, t->count, NULL, &env);
        }
        CHECK(heap.used == 0);
        free(text);
    }
}

/* The rest is not written, but counted; contents may hold any bytes. */
static void template_test_edges(void) {
    static const char odd[] = "a\0b\xFF\xE6\x97 \xC3";
    onebit_message one = {"user", odd, sizeof odd - 1};
    template_heap heap;
    onebit_env env = template_env(&heap);
    char out[40];
    size_t n = 0;
    test_case("template: short places, NUL bytes, bytes that are no UTF-8, refused memory");
    CHECK_OK(onebit_chat_render(out, 4, &n, "abcdefg", NULL, 0, NULL, NULL));
    CHECK(n == 7 && strcmp(out, "abc") == 0);
    CHECK_OK(onebit_chat_render(out, 1, &n, "abcdefg", NULL, 0, NULL, NULL));
    CHECK(n == 7 && out[0] == 0);
    CHECK_OK(onebit_chat_render(out, sizeof out, &n, "{{ messages[0].content }}", &one, 1, NULL, NULL));
    CHECK(n == sizeof odd - 1 && memcmp(out, odd, n) == 0 && out[n] == 0);
    CHECK_OK(onebit_chat_render(out, sizeof out, &n,
                                "{% set c = messages[0].content %}{{ c|length }},{{ c[3] == c[-6:-5] }},"
                                "{{ c[:4] ~ c[4:] == c }},{{ c[:3]|tojson }}",
                                &one, 1, NULL, NULL));
    CHECK(strcmp(out, "8,False,True,\"a\\u0000b\"") == 0 || !printf("%s\n", out));
    one.content = NULL, one.bytes = 0;
    CHECK_OK(onebit_chat_render(out, sizeof out, &n, "[{{ messages[0].content|trim }}]", &one, 1, NULL, NULL));
    CHECK(strcmp(out, "[]") == 0);
    heap.refused = 1;
    CHECK_FAILS(onebit_chat_render(out, sizeof out, &n, "a", NULL, 0, NULL, &env), ONEBIT_MEMORY, "no memory");
    CHECK(n == 0 && out[0] == 0 && heap.used == 0);
}

static void test_template(void) {
    template_test_golden();
    template_test_failures();
    template_test_real();
    template_test_edges();
    template_test_bounds();
    template_test_damaged();
}
