/* pareto.h - size against perplexity, for onebit-search: a picture (SVG) and a table of the front. */
#ifndef PARETO_H
#define PARETO_H

/* One measured map. kl and accuracy may be NaN. */
typedef struct pareto_point {
    const char *map;
    double weights, file, loss, kl, accuracy;
    int feasible;
} pareto_point;

CLI int pareto_order(const void *a, const void *b) {
    const pareto_point *p = (const pareto_point *)a, *q = (const pareto_point *)b;
    if (p->file != q->file) return p->file < q->file ? -1 : 1;
    if (p->loss != q->loss) return p->loss < q->loss ? -1 : 1;
    return strcmp(p->map, q->map);
}

/* Sorts by size and moves those that no smaller map beats to the front; how many they are. */
CLI int pareto_front(pareto_point *p, int n) {
    int i, k = 0;
    if (n) qsort(p, (size_t)n, sizeof *p, pareto_order);
    for (i = 0; i < n; i++) {
        pareto_point t = p[i];
        if (k && t.loss >= p[k - 1].loss) continue;
        memmove(p + k + 1, p + k, (size_t)(i - k) * sizeof *p);
        p[k++] = t;
    }
    return k;
}

/* The front, thinned to what a terminal shows. */
CLI void pareto_table(pareto_point *p, int n, const char *chosen) {
    enum { SHOWN = 16, LETTERS = 56 };
    int front = pareto_front(p, n), i, step = (front + SHOWN - 1) / SHOWN;
    printf("%9s  %11s  map\n", "size MB", "perplexity");
    for (i = 0; i < front; i++) {
        int own = chosen && !strcmp(p[i].map, chosen);
        if (i % step && !own && i + 1 < front) continue;
        printf("%9.3f  %11.4f  %.*s%s%s\n", p[i].file / 1e6, exp(p[i].loss), LETTERS, p[i].map,
               strlen(p[i].map) > LETTERS ? "..." : "", own ? "  <- chosen" : "");
    }
    putchar('\n');
}

/* Axes of the picture: size in MB, perplexity in logarithms. */
typedef struct pareto_axes {
    double x0, x1, y0, y1;
} pareto_axes;
CLI double pareto_x(const pareto_axes *a, double mb) {
    return 70 + 700 * (mb - a->x0) / (a->x1 - a->x0);
}
CLI double pareto_y(const pareto_axes *a, double loss) {
    return 400 - 340 * (loss - a->y0) / (a->y1 - a->y0);
}

CLI_PRINTF(2) CLI void pareto_add(cli_text *out, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_add_text(out, text);
}

/* A round step that gives some five ticks. */
CLI double pareto_tick(double range) {
    double step = pow(10, floor(log10(range / 5)));
    if (range / step > 25) return step * 5;
    return range / step > 10 ? step * 2 : step;
}

/* The axes show the front and somewhat more: what is larger or worse by far would press it
   together. p begins with the front. */
CLI pareto_axes pareto_span(const pareto_point *p, int front, double ceiling) {
    pareto_axes a = {1e300, 0, 1e300, 0};
    int i;
    a.y1 = ceiling;
    for (i = 0; i < front; i++) {
        if (p[i].file / 1e6 < a.x0) a.x0 = p[i].file / 1e6;
        if (p[i].file / 1e6 > a.x1) a.x1 = p[i].file / 1e6;
        if (p[i].loss < a.y0) a.y0 = p[i].loss;
        if (p[i].loss > a.y1) a.y1 = p[i].loss;
    }
    if (!front) a.x0 = 0, a.x1 = 1, a.y0 = 0;
    if (a.y0 > ceiling) a.y0 = ceiling;
    if (a.y1 < a.y0 + 0.01) a.y1 = a.y0 + 0.01;
    if (a.x1 - a.x0 < 1e-6) a.x0 -= 0.5, a.x1 += 0.5;
    a.x0 -= 0.03 * (a.x1 - a.x0), a.x1 += 0.15 * (a.x1 - a.x0);
    a.y0 -= 0.05 * (a.y1 - a.y0), a.y1 += 0.15 * (a.y1 - a.y0);
    return a;
}

CLI void pareto_grid(cli_text *out, const pareto_axes *a) {
    double x = pareto_tick(a->x1 - a->x0), v, low = exp(a->y0), high = exp(a->y1);
    int i, n = 6;
    for (v = ceil(a->x0 / x) * x; v <= a->x1; v += x)
        pareto_add(out,
                   "<path class=\"grid\" d=\"M%.1f 60V400\"/><text class=\"mid\" x=\"%.1f\" "
                   "y=\"418\">%.4g</text>\n",
                   pareto_x(a, v), pareto_x(a, v), v);
    for (i = 0; i <= n; i++) {
        double at = a->y0 + (a->y1 - a->y0) * i / n;
        pareto_add(out,
                   "<path class=\"grid\" d=\"M70 %.1fH770\"/><text class=\"end\" x=\"62\" "
                   "y=\"%.1f\">%.*f</text>\n",
                   pareto_y(a, at), pareto_y(a, at) + 4,
                   high - low < 2 ? 3
                   : high < 100   ? 2
                                  : 0,
                   exp(at));
    }
    cli_add_text(out, "<text class=\"mid\" x=\"420\" y=\"442\">size of the file, MB</text>\n"
                      "<text x=\"70\" y=\"48\">perplexity (logarithmic)</text>\n");
}

/* The picture of n points; chosen may be NULL, limit_mb 0. Sorts the points. */
CLI void pareto_svg(cli_text *out, pareto_point *p, int n, const char *chosen, double ceiling,
                    double limit_mb) {
    int front = pareto_front(p, n), i, shown = 0;
    pareto_axes a = pareto_span(p, front, log(ceiling));
    cli_clear(out);
    cli_add_text(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 460\" role=\"img\">\n"
        "<title>Size against perplexity of the maps that were measured</title>\n<style>\n"
        "svg{background:#fff;--ink:#222;--soft:#ddd;--dot:#888;--front:#0a58a8;--limit:#b3261e}\n"
        "@media(prefers-color-scheme:dark){svg{background:#161616;--ink:#ddd;--soft:#333;"
        "--dot:#888;--front:#6db3ff;--limit:#ff8a80}}\n"
        "text{font:12px system-ui,sans-serif;fill:#222;fill:var(--ink)}.mid{text-anchor:middle}"
        ".end{text-anchor:end}.head{font-size:15px;font-weight:600}\n"
        ".grid{stroke:#ddd;stroke:var(--soft);fill:none}"
        ".limit{stroke:#b3261e;stroke:var(--limit);stroke-dasharray:6 4;"
        "fill:none}.front{stroke:#0a58a8;stroke:var(--front);fill:none;stroke-width:1.5}\n"
        ".dot{fill:#888;fill:var(--dot);fill-opacity:.5}.in{fill:#0a58a8;fill:var(--front)}"
        ".best{fill:none;stroke:#b3261e;stroke:var(--limit);stroke-width:2.5}\n</style>\n"
        "<text class=\"head\" x=\"70\" y=\"24\">Size against perplexity</text>\n");
    for (i = 0; i < n; i++) shown += p[i].loss <= a.y1 && p[i].file / 1e6 <= a.x1;
    pareto_add(out, "<text class=\"end\" x=\"770\" y=\"24\">%d maps measured, %d shown</text>\n", n,
               shown);
    pareto_grid(out, &a);
    pareto_add(out,
               "<path class=\"limit\" d=\"M70 %.1fH770\"/><text class=\"end\" x=\"766\" "
               "y=\"%.1f\">ceiling %g</text>\n",
               pareto_y(&a, log(ceiling)), pareto_y(&a, log(ceiling)) - 5, ceiling);
    if (limit_mb > a.x0 && limit_mb < a.x1)
        pareto_add(out, "<path class=\"limit\" d=\"M%.1f 60V400\"/>\n", pareto_x(&a, limit_mb));
    for (i = 0; i < n; i++)
        if (p[i].loss <= a.y1 && p[i].file / 1e6 <= a.x1)
            pareto_add(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>\n",
                       i < front ? "in" : "dot", pareto_x(&a, p[i].file / 1e6),
                       pareto_y(&a, p[i].loss), i < front ? 4 : 3);
    cli_add_text(out, "<path class=\"front\" d=\"");
    for (i = 0; i < front; i++)
        pareto_add(out, "%c%.1f %.1f", i ? 'L' : 'M', pareto_x(&a, p[i].file / 1e6),
                   pareto_y(&a, p[i].loss < a.y1 ? p[i].loss : a.y1));
    cli_add_text(out, "\"/>\n");
    for (i = 0; chosen && i < n; i++)
        if (!strcmp(p[i].map, chosen)) {
            pareto_add(out, "<circle class=\"best\" cx=\"%.1f\" cy=\"%.1f\" r=\"9\"/>\n",
                       pareto_x(&a, p[i].file / 1e6), pareto_y(&a, p[i].loss));
            break;
        }
    cli_add_text(out, "</svg>\n");
}

#endif /* PARETO_H */
