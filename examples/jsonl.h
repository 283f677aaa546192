/* jsonl.h - reads flat rows of JSON: one object a line. Include cli.h first.

   Only what data files need: find a member by key, decode a string, walk a list of strings, read
   ids. */
#ifndef JSONL_H
#define JSONL_H

CLI const char *jsonl_space(const char *p) { return p + strspn(p, " \t\r\n"); }

/* Past the string that starts at p; NULL when it does not end. */
CLI const char *jsonl_skip_string(const char *p) {
    if (*p != '"') return NULL;
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && !*++p) return NULL;
    return *p ? p + 1 : NULL;
}

/* Past any value; NULL when it is damaged. Brackets are counted, not matched by kind. */
CLI const char *jsonl_skip(const char *p) {
    int depth = 0;
    p = jsonl_space(p);
    do {
        if (*p == '"') {
            if (!(p = jsonl_skip_string(p))) return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            if (--depth < 0) return NULL;
            p++;
        } else {
            size_t n = strcspn(p, "{}[]\",: \t\r\n");
            p += n ? n : *p != 0;
        }
        if (depth) p = jsonl_space(p);
    } while (depth && *p);
    return depth ? NULL : p;
}

/* Where the value of a member of the object at p starts; NULL when there is none. */
CLI const char *jsonl_find(const char *p, const char *key) {
    size_t n = strlen(key);
    p = jsonl_space(p);
    if (*p++ != '{') return NULL;
    for (;;) {
        const char *name = jsonl_space(p), *end = jsonl_skip_string(name);
        if (!end) return NULL;
        p = jsonl_space(end);
        if (*p++ != ':') return NULL;
        p = jsonl_space(p);
        if ((size_t)(end - name) == n + 2 && !memcmp(name + 1, key, n)) return p;
        if (!(p = jsonl_skip(p))) return NULL;
        p = jsonl_space(p);
        if (*p++ != ',') return NULL;
    }
}

CLI void jsonl_add_code(cli_text *out, unsigned long c) {
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
    for (i = n; i-- > 1; c >>= 6) b[i] = (char)(0x80 | (c & 0x3F));
    b[0] = (char)(n == 1 ? c : (0xF00UL >> n & 0xFF) | c);
    cli_add(out, b, n);
}

/* Four hex digits; -1 when they are not. */
CLI long jsonl_hex(const char *p) {
    char digits[5];
    size_t n = strspn(p, "0123456789abcdefABCDEF");
    if (n < 4) return -1;
    memcpy(digits, p, 4);
    digits[4] = 0;
    return strtol(digits, NULL, 16);
}

/* One \u escape behind p (at the 'u'), a surrogate pair included; gives the last character used. */
CLI const char *jsonl_escape(const char *p, cli_text *out) {
    long c = jsonl_hex(p + 1), low;
    if (c < 0) return NULL;
    p += 4;
    if (c >= 0xD800 && c < 0xDC00 && p[1] == '\\' && p[2] == 'u' &&
        (low = jsonl_hex(p + 3)) >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    jsonl_add_code(out, c >= 0xD800 && c < 0xE000 ? 0xFFFDUL : (unsigned long)c);
    return p;
}

/* Decodes the string at p into out; gives where it ends, NULL when it is none. */
CLI const char *jsonl_string(const char *p, cli_text *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    cli_clear(out);
    if (!jsonl_skip_string(p)) return NULL;
    for (p++; *p != '"'; p++) {
        const char *found;
        if (*p != '\\') cli_add(out, p, 1);
        else if (*++p == 'u') {
            if (!(p = jsonl_escape(p, out))) return NULL;
        } else if ((found = strchr(from, *p)) != NULL) cli_add(out, to + (found - from), 1);
        else return NULL;
    }
    return p + 1;
}

/* The text member of an object; 0 when there is none. */
CLI int jsonl_text(const char *row, const char *key, cli_text *out) {
    const char *p = jsonl_find(row, key);
    return p && jsonl_string(p, out);
}

/* Ids from a JSON array or white space; each in [0, vocab). NULL when there is something else. */
CLI int32_t *jsonl_ids(const char *text, int vocab, size_t *count) {
    int32_t *ids = (int32_t *)cli_alloc((strlen(text) + 1) * sizeof *ids);
    size_t n = 0;
    const char *p = text + strspn(text, " \t\r\n[");
    while (*p) {
        char *end;
        long id = strtol(p, &end, 10);
        if (end == p || id < 0 || id >= vocab) {
            free(ids);
            return NULL;
        }
        ids[n++] = (int32_t)id;
        p = end + strspn(end, " \t\r\n,]");
    }
    *count = n;
    return ids;
}

#endif /* JSONL_H */
