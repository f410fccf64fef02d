/* Draws curves. Places are in units of the figure, which the browser scales to the width that it
 * has. The numbers that a pointer shows at a step come from `data-lines`, which the script of the
 * page reads (style.c). */
#include "compiler/page/chart.h"

#include "compiler/page/html.h"

#include <math.h>

enum {
    WIDTH = 400,
    HEIGHT = 240,
    LEFT = 58,
    RIGHT = 12,
    TOP = 10,
    BOTTOM = 42,
    TICKS = 5,
};
enum { FEW_POINTS = 12 /* the most points that are marked one by one */, PALETTE = 8 };

typedef struct Axis {
    double low, high, step; /* for a logarithmic axis, these are logarithms */
    bool logarithmic;
} Axis;

typedef struct Frame {
    Axis x;
    Axis y;
} Frame;

/* ---- axes ------------------------------------------------------------------------------------ */

/* Numbers that are all above 0 stand on a logarithmic axis if the largest is this many times the
 * smallest. */
static const double far_apart = 1e3;

/* Returns 1, 2, 5 or 10 times a power of ten, so that about TICKS steps fit into the range. */
static double round_step(double range) {
    const double power = pow(10, floor(log10(range / TICKS)));
    const double of = range / TICKS / power;
    return power * (of < 1.5 ? 1 : of < 3.5 ? 2 : of < 7.5 ? 5 : 10);
}

/* Returns an axis that holds both values. If they are one number, the axis has some room around
 * it. */
static Axis axis_around(double low, double high) {
    const double room = high > low ? 0 : fabs(low) > 0 ? fabs(low) * 0.1 : 1;
    Axis a = {.low = low - room, .high = high + room};
    a.step = round_step(a.high - a.low);
    return a;
}

/* Finds axes that hold all points and bands. Returns false if no point is finite. */
static bool frame_of(const Chart *chart, Frame *f) {
    double x_low = INFINITY;
    double x_high = -INFINITY;
    double y_low = INFINITY;
    double y_high = -INFINITY;
    for (int i = 0; i < chart->lines.count; i++)
        for (int k = 0; k < chart->lines.items[i].points.count; k++) {
            const ChartPoint *p = &chart->lines.items[i].points.items[k];
            if (!isfinite(p->y)) continue;
            x_low = fmin(x_low, p->x);
            x_high = fmax(x_high, p->x);
            y_low = fmin(y_low, fmin(p->y, p->low));
            y_high = fmax(y_high, fmax(p->y, p->high));
        }
    if (!(x_high >= x_low) || !isfinite(y_high - y_low)) return false;
    f->x = axis_around(x_low, x_high);
    f->x.step = fmax(1, f->x.step); /* steps are whole numbers */
    const bool logarithmic = y_low > 0 && y_high / y_low >= far_apart;
    f->y = logarithmic ? axis_around(log10(y_low), log10(y_high)) : axis_around(y_low, y_high);
    f->y.logarithmic = logarithmic;
    if (logarithmic) f->y.step = fmax(1, round(f->y.step));
    const double room = 0.05 * (f->y.high - f->y.low);
    f->y.low -= room;
    f->y.high += room;
    return true;
}

static double x_at(const Frame *f, double x) {
    return LEFT + (x - f->x.low) / (f->x.high - f->x.low) * (WIDTH - LEFT - RIGHT);
}
static double y_at(const Frame *f, double value) {
    const double y = f->y.logarithmic ? log10(value) : value;
    return HEIGHT - BOTTOM - (y - f->y.low) / (f->y.high - f->y.low) * (HEIGHT - TOP - BOTTOM);
}

/* Returns the text of a tick, with as many decimals as the step of the axis needs. Numbers from 1e6
 * on, and steps below 1e-4, have three significant digits instead. */
static const char *tick_text(Arena *arena, double value, double step) {
    if (fabs(value) < step * 1e-6) return "0";
    if (fabs(value) >= 1e6 || step < 1e-4) return arena_printf(arena, "%.3g", value);
    const int digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    return arena_printf(arena, "%.*f", digits, value);
}

static void append_y_ticks(Arena *arena, const Frame *f, Text *out) {
    for (double t = ceil(f->y.low / f->y.step) * f->y.step; t <= f->y.high; t += f->y.step) {
        const double value = f->y.logarithmic ? pow(10, t) : t;
        const char *text =
            f->y.logarithmic ? arena_printf(arena, "%.3g", value) : tick_text(arena, t, f->y.step);
        text_printf(out,
                    "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                    "text-anchor=\"end\">%s</text>\n",
                    LEFT, y_at(f, value), WIDTH - RIGHT, LEFT - 6, y_at(f, value) + 4, text);
    }
}

static void append_ticks(Arena *arena, const Frame *f, Text *out) {
    append_y_ticks(arena, f, out);
    for (double t = ceil(f->x.low / f->x.step) * f->x.step; t <= f->x.high; t += f->x.step)
        text_printf(out,
                    "<path class=\"axis\" d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\" "
                    "text-anchor=\"middle\">%s</text>\n",
                    x_at(f, t), HEIGHT - BOTTOM, x_at(f, t), HEIGHT - BOTTOM + 17,
                    tick_text(arena, t, f->x.step));
    text_printf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", LEFT, HEIGHT - BOTTOM,
                WIDTH - RIGHT);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool has_band(const ChartLine *line) {
    for (int i = 0; i < line->points.count; i++)
        if (line->points.items[i].high > line->points.items[i].low) return true;
    return false;
}

/* Draws the band of the points first .. end - 1, which are all finite. */
static void append_band(const Frame *f, const ChartLine *line, int first, int end, Text *out) {
    text_printf(out, "<path class=\"band c%d\" d=\"", line->colour % PALETTE);
    for (int i = first; i < end; i++)
        text_printf(out, "%c%.1f %.1f", i == first ? 'M' : 'L', x_at(f, line->points.items[i].x),
                    y_at(f, line->points.items[i].high));
    for (int i = end - 1; i >= first; i--)
        text_printf(out, "L%.1f %.1f", x_at(f, line->points.items[i].x),
                    y_at(f, line->points.items[i].low));
    text_printf(out, "Z\"/>\n");
}

static void append_stretch(const Frame *f, const ChartLine *line, int first, int end, Text *out) {
    text_printf(out, "<path class=\"line c%d%s\" d=\"", line->colour % PALETTE,
                line->dashed || line->colour >= PALETTE ? " dashed" : "");
    for (int i = first; i < end; i++)
        text_printf(out, "%c%.1f %.1f", i == first ? 'M' : 'L', x_at(f, line->points.items[i].x),
                    y_at(f, line->points.items[i].y));
    text_printf(out, "\"/>\n");
    const bool marks = !line->dashed && line->points.count <= FEW_POINTS;
    for (int i = first; (marks || end == first + 1) && i < end; i++)
        text_printf(out, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                    line->colour % PALETTE, x_at(f, line->points.items[i].x),
                    y_at(f, line->points.items[i].y));
}

static bool is_drawn(const ChartPoint *p) {
    return isfinite(p->y) && isfinite(p->low) && isfinite(p->high);
}

/* Draws a line stretch by stretch. A stretch ends where a value is not finite. */
static void append_line(const Frame *f, const ChartLine *line, bool band, Text *out) {
    for (int first = 0; first < line->points.count;) {
        int end = first;
        while (end < line->points.count && is_drawn(&line->points.items[end]))
            end++;
        if (end > first && band) append_band(f, line, first, end, out);
        if (end > first && !band) append_stretch(f, line, first, end, out);
        first = end > first ? end : first + 1;
    }
}

/* ---- the figure ------------------------------------------------------------------------------ */

/* Appends the data that a pointer shows, as in [{"colour":0,"points":[[58,1,5.2],..]},..]. A point
 * has its place along the figure, its step and its value. */
static void append_data(Arena *arena, const Chart *chart, const Frame *f, Text *out) {
    Text json = {0};
    for (int i = 0; i < chart->lines.count; i++) {
        const ChartLine *line = &chart->lines.items[i];
        const char *between = "";
        text_printf(&json, "%s{\"colour\":%d,\"points\":[", i ? "," : "", line->colour % PALETTE);
        for (int k = 0; k < line->points.count; k++) {
            const ChartPoint *p = &line->points.items[k];
            if (!is_drawn(p)) continue;
            text_printf(&json, "%s[%.0f,%.6g,%.6g]", between, x_at(f, p->x), p->x, p->y);
            between = ",";
        }
        text_printf(&json, "]}");
    }
    text_printf(out, " data-lines=\"[%s]\"", html_text(arena, json.data ? json.data : ""));
    text_free(&json);
}

static void append_legend(Arena *arena, const Chart *chart, Text *out) {
    if (chart->lines.count < 2) return;
    text_printf(out, "<div class=\"legend\">");
    for (int i = 0; i < chart->lines.count; i++) {
        const ChartLine *line = &chart->lines.items[i];
        text_printf(out, "<span><i class=\"c%d%s\"></i>%s</span>", line->colour % PALETTE,
                    line->dashed || line->colour >= PALETTE ? " dashed" : "",
                    html_text(arena, line->label));
    }
    text_printf(out, "</div>");
}

void chart_append(Arena *arena, const Chart *chart, Text *out) {
    Frame f;
    text_printf(out, "<figure class=\"chart\"><figcaption>%s</figcaption>",
                html_text(arena, chart->title));
    if (!frame_of(chart, &f)) {
        text_printf(out, "<p class=\"missing\">No value of it is finite.</p></figure>\n");
        return;
    }
    text_printf(out,
                "<div class=\"plot\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\"",
                WIDTH, HEIGHT, html_text(arena, chart->title));
    append_data(arena, chart, &f, out);
    text_printf(out, ">\n");
    append_ticks(arena, &f, out);
    for (int i = 0; i < chart->lines.count; i++)
        if (has_band(&chart->lines.items[i])) append_line(&f, &chart->lines.items[i], true, out);
    for (int i = 0; i < chart->lines.count; i++)
        append_line(&f, &chart->lines.items[i], false, out);
    text_printf(out,
                "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n"
                "</svg></div>",
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, html_text(arena, chart->x_label));
    append_legend(arena, chart, out);
    text_printf(out, "</figure>\n");
}
