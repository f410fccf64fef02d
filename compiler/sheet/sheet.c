/* Draws a whole sheet. It is measured first, then drawn on a surface of that size. */
#include "compiler/sheet/cell.h"
#include "runtime/files.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN = 16,
    GAP = 12,
    HEAD = 40 /* the height of a block's head: its title, and the names of columns */,
    LARGEST = 32000 /* the most pixels that cairo allows */,
    WANTED_WIDTH = 1100,
    TITLE_WIDTH = 90
};

/* A block with its measures. Samples stand below each other, and several side by side if they are
 * narrow. */
typedef struct Block {
    const SheetBlock *of;
    Column *columns;
    int row_height;
    int y;
    int sample_width; /* the width of all columns of one sample */
    int across;       /* the number of samples side by side */
    int name_height;
} Block;

typedef struct Drawing {
    const Sheet *sheet;
    Block *blocks;
    int width;
    int height;
} Drawing;

/* ---- measuring ------------------------------------------------------------------------------- */

static bool measure_block(Block *b, Drawing *d) {
    const int rows = b->of->row_count;
    for (int i = 0; i < b->of->column_count; i++) {
        Column *c = &b->columns[i];
        c->of = &b->of->columns[i];
        if (!column_measure(c, rows)) return false;
        c->x = b->sample_width;
        /* a title needs some width, even over a narrow cell */
        b->sample_width += (c->width < TITLE_WIDTH ? TITLE_WIDTH : c->width) + GAP;
        if (c->height > b->row_height) b->row_height = c->height;
    }
    b->across = b->sample_width ? WANTED_WIDTH / (b->sample_width + GAP) : 1;
    if (b->across > rows) b->across = rows;
    if (b->across < 1) b->across = 1;
    const int width = 2 * MARGIN + b->across * (b->sample_width + GAP);
    const int lines = (rows + b->across - 1) / b->across;
    if (width > d->width) d->width = width;
    b->y = d->height;
    b->name_height = b->of->row_notes ? 2 * LINE : LINE;
    d->height += HEAD + LINE + lines * (b->row_height + b->name_height + GAP) + GAP;
    return true;
}

static bool measure_sheet(Drawing *d, char *error, size_t error_bytes) {
    d->width = 480;
    d->height = MARGIN;
    d->blocks = calloc((size_t)d->sheet->block_count + 1, sizeof *d->blocks);
    bool good = d->blocks != NULL;
    for (int i = 0; good && i < d->sheet->block_count; i++) {
        d->blocks[i].of = &d->sheet->blocks[i];
        d->blocks[i].columns =
            calloc((size_t)d->sheet->blocks[i].column_count + 1, sizeof *d->blocks[i].columns);
        good = d->blocks[i].columns != NULL;
        good = good && measure_block(&d->blocks[i], d);
    }
    if (!good)
        snprintf(error, error_bytes, "out of memory for the sheet");
    else if (d->width > LARGEST || d->height > LARGEST) {
        snprintf(error, error_bytes,
                 "the sheet would have %d x %d pixels, and at most %d on a side can be drawn; "
                 "--rows shows fewer samples",
                 d->width, d->height, LARGEST);
        good = false;
    }
    return good;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void draw_cell(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    switch (c->kind) {
    case CELL_PICTURE:
    case CELL_FILM:
        draw_pictures(cairo, c, cell, x, y);
        break;
    case CELL_CLOUD:
        draw_cloud(cairo, c, cell, x, y);
        break;
    case CELL_CURVE:
        draw_curve(cairo, c, cell, x, y);
        break;
    case CELL_BARS:
        draw_bars(cairo, c, cell, x, y);
        break;
    case CELL_WORDS:
        draw_words(cairo, c, cell, x, y);
        break;
    }
}

/* Draws the head of a column: name, type, and the scaling of the values. */
static void draw_column_head(cairo_t *cairo, const Column *c, double x, double y) {
    char text[256];
    char low[32];
    char high[32];
    const double width = c->width < TITLE_WIDTH ? TITLE_WIDTH : c->width;
    cairo_set_source_rgb(cairo, c->of->is_view ? 0.05 : 0, c->of->is_view ? 0.35 : 0,
                         c->of->is_view ? 0.6 : 0);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
    draw_text(cairo, x, y, width, c->of->title);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_source_rgb(cairo, 0.45, 0.45, 0.45);
    draw_number_text(c->low, low, sizeof low);
    draw_number_text(c->high, high, sizeof high);
    const bool tells_range = c->scaled || c->kind == CELL_CURVE;
    if (tells_range)
        snprintf(text, sizeof text, "%s: %s .. %s", c->of->subtitle, low, high);
    else if (c->frames > c->shown)
        snprintf(text, sizeof text, "%s: %d of %lld", c->of->subtitle, c->shown,
                 (long long)c->frames);
    else
        snprintf(text, sizeof text, "%s", c->of->subtitle);
    draw_text(cairo, x, y + LINE - 1, width, text);
}

static void draw_sample(cairo_t *cairo, const Block *b, int row) {
    const double x = MARGIN + row % b->across * (b->sample_width + GAP);
    const double y = b->y + HEAD + LINE + row / b->across * (b->row_height + b->name_height + GAP);
    cairo_set_source_rgb(cairo, 0.45, 0.45, 0.45);
    draw_text_end(cairo, x, y + TEXT_SIZE, b->sample_width, b->of->row_names[row]);
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    if (b->of->row_notes)
        draw_text(cairo, x, y + TEXT_SIZE + LINE, b->sample_width, b->of->row_notes[row]);
    for (int i = 0; i < b->of->column_count; i++)
        draw_cell(cairo, &b->columns[i], b->of->columns[i].cells[row], x + b->columns[i].x,
                  y + b->name_height);
}

static void draw_block(cairo_t *cairo, const Block *b, int width) {
    cairo_set_font_size(cairo, TEXT_SIZE + 2);
    cairo_set_source_rgb(cairo, 0, 0, 0);
    draw_text(cairo, MARGIN, b->y + TEXT_SIZE, width - 2 * MARGIN, b->of->title);
    cairo_set_font_size(cairo, TEXT_SIZE);
    for (int k = 0; k < b->across; k++)
        for (int i = 0; i < b->of->column_count; i++)
            draw_column_head(cairo, &b->columns[i],
                             MARGIN + k * (b->sample_width + GAP) + b->columns[i].x,
                             b->y + HEAD - LINE + 8);
    for (int row = 0; row < b->of->row_count; row++)
        draw_sample(cairo, b, row);
}

static void draw_all(cairo_t *cairo, const Drawing *d) {
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    for (int i = 0; i < d->sheet->block_count; i++)
        draw_block(cairo, &d->blocks[i], d->width);
}

/* ---- files ----------------------------------------------------------------------------------- */

static cairo_status_t write_bytes(void *file, const unsigned char *bytes, unsigned length) {
    return fwrite(bytes, 1, length, file) == length ? CAIRO_STATUS_SUCCESS
                                                    : CAIRO_STATUS_WRITE_ERROR;
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text);
    const size_t tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static cairo_surface_t *make_surface(const Drawing *d, const char *path, FILE *file) {
    if (ends_with(path, ".svg"))
        return cairo_svg_surface_create_for_stream(write_bytes, file, d->width, d->height);
    if (ends_with(path, ".pdf"))
        return cairo_pdf_surface_create_for_stream(write_bytes, file, d->width, d->height);
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24, d->width, d->height);
}

static cairo_status_t write_drawing(const Drawing *d, const char *path, FILE *file) {
    cairo_surface_t *surface = make_surface(d, path, file);
    cairo_t *cairo = cairo_create(surface);
    draw_all(cairo, d);
    cairo_status_t status = cairo_status(cairo);
    cairo_destroy(cairo);
    if (status == CAIRO_STATUS_SUCCESS && ends_with(path, ".png"))
        status = cairo_surface_write_to_png_stream(surface, write_bytes, file);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_status(surface);
    }
    cairo_surface_destroy(surface);
    return status;
}

static bool write_sheet(const Drawing *d, const char *path, char *error, size_t error_bytes) {
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) return false;
    const cairo_status_t status = write_drawing(d, path, file);
    if (status == CAIRO_STATUS_SUCCESS || status == CAIRO_STATUS_WRITE_ERROR)
        return couplet_file_commit(path, file, error, error_bytes);
    snprintf(error, error_bytes, "%s: the sheet cannot be drawn: %s", path,
             cairo_status_to_string(status));
    couplet_file_drop(path, file);
    return false;
}

__attribute__((visibility("default"))) SheetDraw couplet_sheet_draw;
__attribute__((visibility("default"))) extern const int couplet_sheet_version;
const int couplet_sheet_version = SHEET_VERSION;

bool couplet_sheet_draw(const Sheet *sheet, const char *path, char *error, size_t error_bytes) {
    Drawing d = {.sheet = sheet};
    const bool good =
        measure_sheet(&d, error, error_bytes) && write_sheet(&d, path, error, error_bytes);
    for (int i = 0; d.blocks && i < sheet->block_count; i++) {
        for (int k = 0; d.blocks[i].columns && k < sheet->blocks[i].column_count; k++)
            column_free(&d.blocks[i].columns[k]);
        free(d.blocks[i].columns);
    }
    free(d.blocks);
    return good;
}
