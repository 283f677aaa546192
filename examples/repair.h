/* repair.h - writes a .1bit, GGUF or safetensors file anew, without holes. Include inspect.h
   first. */
#ifndef REPAIR_H
#define REPAIR_H

/* Where OUT goes, and a text of what was changed. */
typedef struct repair {
    const subject *s;
    const char *path;
    ob_sink sink;
    char change[512];
    double bytes; /* of the new file */
} repair;

static onebit_status repair_no(const repair *r, const char *why) {
    return ob_fail(ONEBIT_UNSUPPORTED, "%.200s cannot be repaired: %.280s", r->s->path, why);
}

/* The whole image of a .1bit with each section at the next 64 bytes; m->p NULL only counts. */
static void repair_image(const subject *s, ob_image *m) {
    const uint8_t *p = s->map.data;
    uint64_t config = ob_get64(p + 40), words = ob_get64(p + 56), at;
    int i;
    m->at = OB_HEAD_BYTES + (uint64_t)s->count * OB_RECORD_BYTES;
    if (m->p) memcpy(m->p, p, (size_t)m->at);
    at = ob_image_place(m, config + 1);
    if (m->p) memcpy(m->p + at, p + ob_get64(p + 32), (size_t)config), ob_put64(m->p + 32, at);
    at = ob_image_place(m, words);
    if (m->p && words) memcpy(m->p + at, p + ob_get64(p + 48), (size_t)words);
    if (m->p) ob_put64(m->p + 48, at);
    for (i = 0; i < s->count; i++) {
        const part *t = s->parts + i;
        uint64_t scale = ob_image_place(m, t->scales * 4), data = ob_image_place(m, t->bytes);
        uint8_t *record = m->p ? m->p + OB_HEAD_BYTES + (size_t)i * OB_RECORD_BYTES : NULL;
        if (!record) continue;
        memcpy(m->p + scale, t->scale, (size_t)t->scales * 4);
        memcpy(m->p + data, t->data, (size_t)t->bytes);
        ob_put64(record + 80, scale);
        ob_put64(record + 88, data);
    }
    if (!m->p) return;
    ob_put64(m->p + 8, m->at);
    ob_put64(m->p + 16, ob_hash64(m->p + 24, (size_t)m->at - 24, 0));
}

/* A .1bit whose checksum holds: a new one over damaged weights would only hide the damage. */
static onebit_status repair_onebit(repair *r) {
    const subject *s = r->s;
    const uint8_t *p = s->map.data;
    uint64_t old;
    ob_image m = {NULL, 0};
    onebit_status status;
    int i;
    if (*s->why) return repair_no(r, s->why);
    old = ob_get64(p + 8);
    if (old < OB_HEAD_BYTES || ob_get64(p + 16) != ob_hash64(p + 24, (size_t)old - 24, 0))
        return repair_no(r, "the checksum does not match, so its weights are not what was written");
    if (!inside(s, ob_get64(p + 32), ob_get64(p + 40)) ||
        (ob_get64(p + 56) && !inside(s, ob_get64(p + 48), ob_get64(p + 56))))
        return repair_no(r, "its config or tokenizer is outside the file");
    for (i = 0; i < s->count; i++)
        if (!s->parts[i].data) return repair_no(r, "a tensor is outside the file");
    repair_image(s, &m);
    if (m.at > SIZE_MAX / 2 || !(m.p = (uint8_t *)ob_alloc(&s->env, (size_t)m.at)))
        return ob_fail(ONEBIT_MEMORY, "no memory for %.0f bytes", (double)m.at);
    repair_image(s, &m);
    status = ob_file_write(r->path, m.p, (size_t)m.at);
    ob_release(&s->env, m.p);
    r->bytes = (double)m.at;
    snprintf(r->change, sizeof r->change,
             "%.0f bytes behind its end dropped, sections aligned to 64",
             (double)s->map.bytes - (double)old);
    return status;
}

/* Head, keys and entries of a GGUF; every key byte for byte, but for the alignment. */
static void repair_gguf_head(const ob_gguf *g, ob_out *o) {
    uint64_t at = 0;
    size_t i;
    ob_gguf_put_head(o, g->tensor_count, g->value_count);
    for (i = 0; i < g->value_count; i++) {
        const ob_gguf_value *v = g->values + i;
        if (ob_slice_is(v->key, "general.alignment")) {
            ob_gguf_put_u32(o, "general.alignment", OB_GGUF_ALIGNMENT);
            continue;
        }
        ob_gguf_put_text(o, v->key);
        ob_gguf_put32(o, v->type);
        if (v->type == OB_GGUF_ARRAY) ob_gguf_put32(o, v->item), ob_gguf_put64(o, v->count);
        if (v->type == OB_GGUF_STRING) ob_gguf_put64(o, v->bytes);
        ob_out_add(o, v->p, v->bytes);
    }
    for (i = 0; i < g->tensor_count; i++) {
        const ob_gguf_tensor *t = g->tensors + i;
        ob_gguf_put_tensor(o, t->name, t->rank, t->dims, t->id, at);
        at = (at + t->bytes + OB_GGUF_ALIGNMENT - 1) / OB_GGUF_ALIGNMENT * OB_GGUF_ALIGNMENT;
    }
    ob_gguf_put_padding(o);
}

static onebit_status repair_gguf(repair *r) {
    static const char zeros[OB_GGUF_ALIGNMENT] = {0};
    const ob_gguf *g = &r->s->gguf;
    ob_out o = ob_out_on(NULL, 0);
    char *head;
    size_t i, n;
    uint64_t data = 0;
    if (*r->s->why) return repair_no(r, r->s->why);
    repair_gguf_head(g, &o);
    n = o.n, head = (char *)cli_alloc(n + 1), o = ob_out_on(head, n + 1);
    repair_gguf_head(g, &o);
    if (ob_sink_open(&r->sink, r->path) != ONEBIT_OK) return free(head), ONEBIT_IO;
    ob_sink_write(&r->sink, head, n);
    free(head);
    for (i = 0; i < g->tensor_count; i++) {
        const ob_gguf_tensor *t = g->tensors + i;
        size_t rest =
            (size_t)((OB_GGUF_ALIGNMENT - t->bytes % OB_GGUF_ALIGNMENT) % OB_GGUF_ALIGNMENT);
        ob_sink_write(&r->sink, t->data, (size_t)t->bytes);
        ob_sink_write(&r->sink, zeros, rest);
        data += t->bytes + rest;
    }
    r->bytes = (double)n + (double)data;
    snprintf(r->change, sizeof r->change, "version %u to 3, alignment %lu to 32, holes closed: %lu",
             (unsigned)g->version, (unsigned long)g->alignment, (unsigned long)g->holes);
    return ob_sink_commit(&r->sink);
}

/* The header of a safetensors file, tensors in the order of `order`; as the format asks padded with
   spaces. */
static void repair_header(const ob_st_file *f, const ob_st_tensor *const *order, ob_out *o) {
    uint64_t at = 0;
    int i, k;
    ob_out_text(o, "{");
    if (f->metadata.n) ob_out_text(o, "\"__metadata__\":");
    ob_out_add(o, f->metadata.p ? f->metadata.p : "", f->metadata.n);
    for (i = 0; i < f->count; i++) {
        const ob_st_tensor *t = order[i];
        if (i || f->metadata.n) ob_out_text(o, ",");
        ob_out_json(o, t->name, strlen(t->name));
        ob_out_format(o, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype);
        for (k = 0; k < t->rank; k++)
            ob_out_format(o, k ? ",%lld" : "%lld", (long long)t->shape[k]);
        ob_out_format(o, "],\"data_offsets\":[%llu,", (unsigned long long)at);
        at += t->bytes;
        ob_out_format(o, "%llu]}", (unsigned long long)at);
    }
    ob_out_text(o, "}");
    while ((o->n + 8) % OB_ST_ALIGN) ob_out_text(o, " ");
}

static onebit_status repair_tensors(repair *r) {
    const ob_st_file *f = &r->s->one;
    const ob_st_tensor **order;
    ob_out o = ob_out_on(NULL, 0);
    uint8_t length[8];
    char *head;
    size_t n, count = (size_t)f->count, k;
    if (!r->s->st_usable) return repair_no(r, r->s->why);
    order = (const ob_st_tensor **)cli_alloc((count + 1) * sizeof *order);
    for (k = 0; k < count; k++) order[k] = f->tensors + k;
    qsort((void *)order, count, sizeof *order, ob_st_by_name);
    for (k = 1; k < count; k++)
        if (!strcmp(order[k]->name, order[k - 1]->name))
            return free((void *)order), repair_no(r, "two of its tensors have one name");
    qsort((void *)order, count, sizeof *order, ob_st_by_place);
    repair_header(f, order, &o);
    n = o.n, head = (char *)cli_alloc(n + 1), o = ob_out_on(head, n + 1);
    repair_header(f, order, &o);
    ob_put64(length, n);
    if (ob_sink_open(&r->sink, r->path) != ONEBIT_OK)
        return free(head), free((void *)order), ONEBIT_IO;
    ob_sink_write(&r->sink, length, sizeof length);
    ob_sink_write(&r->sink, head, n);
    r->bytes = 8 + (double)n;
    for (k = 0; k < count; k++) {
        ob_sink_write(&r->sink, order[k]->data, order[k]->bytes);
        r->bytes += (double)order[k]->bytes;
    }
    free(head);
    free((void *)order);
    snprintf(r->change, sizeof r->change, "header in the order of the data, nothing between");
    return ob_sink_commit(&r->sink);
}

/* Writes a file anew; r->change says what is different. */
static onebit_status repair_file(repair *r) {
    if (r->s->kind == K_ONEBIT) return repair_onebit(r);
    if (r->s->kind == K_GGUF) return repair_gguf(r);
    if (r->s->kind == K_TENSORS) return repair_tensors(r);
    if (r->s->kind == K_HF || r->s->kind == K_OURS)
        return repair_no(r, "it is a directory; name one of its files");
    return repair_no(r, "only .1bit version 2, GGUF and safetensors files are");
}

#endif /* REPAIR_H */
