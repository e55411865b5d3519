/* The table of items as Python holds it: packed once, never changed, searched by any number of threads. */
#include "kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static PyTypeObject *TableType;

static const Scan *scan_of(const Table *t)
{
    if (t->scanned == CODEBOOK)
        return scan_words(t->level);
#ifdef HAVE_X86
    if (t->level == AVX512)
        return &scan_avx512[t->scanned];
    if (t->level == AVX2)
        return &scan_avx2[t->scanned];
#endif
    return &scan_portable[t->scanned];
}

/* --- packing --- */

static float rounded_up(double x) { return (float)(x * (1 + 0x1p-20)); }

static uint16_t to_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float from_half(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float out;
    memcpy(&out, &bits, 4);
    return out;
}

/* Numbers of a row as they came, before any scale. */
static void read_row(const Table *t, const Py_buffer *rows, size_t item, float *row)
{
    if (t->stored == CODEBOOK) {
        words_item(t, rows, item, row);
        return;
    }
    size_t width = t->stored == NIBBLES ? (t->d + 1) / 2 : t->d, at = item * width;
    for (size_t i = 0; i < t->d; i++)
        switch (t->stored) {
        case FLOATS: row[i] = ((const float *)rows->buf)[at + i]; break;
        case HALVES: row[i] = from_half(((const uint16_t *)rows->buf)[at + i]); break;
        case BYTES: row[i] = (float)((const int8_t *)rows->buf)[at + i]; break;
        default: {
            int byte = ((const uint8_t *)rows->buf)[at + i % width];
            row[i] = (float)((i < width ? byte & 15 : byte >> 4) - 8);
        }
        }
}

/* Writes a row into its place of the panel, and into `row` what stands there. Returns the scale of the place. */
static float write_row(Table *t, size_t place, float *row)
{
    size_t lane = place % LANES, d = t->d;
    uint8_t *block = t->panel + place / LANES * t->step;
    float scale = 1, largest = 0;
    if (t->scanned == BYTES && t->stored != BYTES) {
        for (size_t i = 0; i < d; i++)
            largest = fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
        scale = largest / 127;
    }
    for (size_t i = 0; i < d; i++)
        switch (t->scanned) {
        case FLOATS: memcpy(block + (i * LANES + lane) * 4, &row[i], 4); break;
        case HALVES: {
            uint16_t bits = to_half(row[i]);
            ((uint16_t *)block)[(i / 2 * LANES + lane) * 2 + i % 2] = bits;
            row[i] = from_half(bits);
            break;
        }
        case BYTES: {
            float code = t->stored == BYTES ? row[i] : scale > 0 ? rintf(row[i] / scale) : 0;
            code = code > 127 ? 127 : code < -128 ? -128 : code;
            block[(i / 4 * LANES + lane) * 4 + i % 4] = (uint8_t)((int)code + 128);
            row[i] = code;
            break;
        }
        default:
            block[(i / 8 * LANES + lane) * 4 + i % 4] |= (uint8_t)(((int)row[i] + 8) << (i % 8 < 4 ? 0 : 4));
        }
    return scale;
}

static void raise_to(float *to, double x) { *to = rounded_up(x) > *to ? rounded_up(x) : *to; }

/* Of a row of a block: its length, how far its copy is from it, and the largest length of either. */
static void reach_more(Table *t, size_t block, double length, double apart, double reach)
{
    raise_to(&t->reach_left[block], length), raise_to(&t->apart[block], apart), raise_to(&t->reach[block], reach);
}

/* Packs one item. What stands in the panel is compared with the row as it came, in float64. */
static int pack(Table *t, const Py_buffer *rows, size_t place, double weight, float *row, float *copy)
{
    size_t d = t->d, block = place / LANES;
    read_row(t, rows, (size_t)t->ids[place], row);
    memcpy(copy, row, d * sizeof *row);
    double scale = (double)(float)((double)write_row(t, place, copy) * weight), length = 0, other = 0, apart = 0;
    for (size_t i = 0; i < d; i++) {
        double x = (double)row[i] * weight, y = (double)copy[i] * scale;
        length += x * x, other += y * y, apart += (x - y) * (x - y);
    }
    if (!(length < 0x1p240))
        return -1;
    double reach = sqrt(length > other ? length : other);
    apart = sqrt(apart);
    if (t->scale)
        t->scale[place] = (float)scale;
    reach_more(t, block, reach, apart, reach);
    return 0;
}

/* Packs the codes of one item. What codes are off by is found with a query, for rows that count once: `apart` is what a row
 * counts, and `reach` what the lengths of its parts are together. */
static int pack_words(Table *t, const Py_buffer *rows, size_t place, double weight)
{
    size_t d = t->d, width = t->groups + 1;
    const uint8_t *codes = (const uint8_t *)rows->buf + (size_t)t->ids[place] * width;
    uint8_t *at = t->panel + place / TOGETHER_ROWS * (TOGETHER_ROWS / LANES) * t->step;
    at += words_byte(place % TOGETHER_ROWS);
    for (size_t g = 0; g < width; g++)
        at[g * TOGETHER_ROWS] = codes[g];
    const float *books = t->books.buf, *centre = books + codes[0] * d;
    double length = 0, of_centre = 0, of_words = 0;
    for (size_t g = 0; g < t->groups; g++) {
        const float *word = books + (BOOK + codes[g + 1]) * d;
        for (size_t i = t->edges[g]; i < t->edges[g + 1]; i++) {
            double x = (double)centre[i], y = (double)word[i], both = (double)(centre[i] + word[i]);
            length += both * both, of_centre += x * x, of_words += y * y;
        }
    }
    double parts = (sqrt(of_centre) + sqrt(of_words)) * fabs(weight);
    if (!(parts < 0x1p120))
        return -1;
    if (t->scale)
        t->scale[place] = (float)weight;
    reach_more(t, place / LANES, sqrt(length) * fabs(weight), fabs(weight), parts);
    return 0;
}

/* Largest numbers from every block on. */
static void look_ahead(Table *t)
{
    for (size_t block = t->blocks; block-- > 0;) {
        int last = block + 1 == t->blocks;
        float bias = -INFINITY, loud = 0;
        t->reach_most = t->reach[block] > t->reach_most ? t->reach[block] : t->reach_most;
        if (!last && t->reach_left[block + 1] > t->reach_left[block])
            t->reach_left[block] = t->reach_left[block + 1];
        if (!t->bias)
            continue;
        for (size_t place = block * LANES; place < (block + 1) * LANES && place < t->n; place++) {
            bias = t->bias[place] > bias ? t->bias[place] : bias;
            loud = fabsf(t->bias[place]) > loud ? fabsf(t->bias[place]) : loud;
        }
        t->bias_left[block] = last || bias > t->bias_left[block + 1] ? bias : t->bias_left[block + 1];
        t->loud[block] = loud;
        t->loudest = loud > t->loudest ? loud : t->loudest;
    }
    double longest = (double)t->reach_most;
    for (size_t i = 0; t->columns && i < 2 * t->d * BOOK; i++) /* entries that no row has are looked up too */
        longest = (double)fabsf(t->columns[i]) > longest ? (double)fabsf(t->columns[i]) : longest;
    frexp(longest, &t->exponent);
}

/* --- made --- */

static size_t plain_bytes(const Table *t) { return t->blocks * LANES * sizeof(float); }
static size_t block_bytes(const Table *t) { return t->blocks * sizeof(float); }

static size_t books_bytes(const Table *t) { return 2 * t->d * BOOK * sizeof(float); }

static void table_free(Table *t)
{
    memory_drop(t->panel, t->panel_bytes);
    memory_drop(t->ids, t->n * sizeof *t->ids);
    memory_drop(t->scale, plain_bytes(t));
    memory_drop(t->weight, plain_bytes(t));
    memory_drop(t->bias, plain_bytes(t));
    memory_drop(t->columns, books_bytes(t));
    float **of_blocks[] = {&t->apart, &t->reach, &t->loud, &t->reach_left, &t->bias_left};
    for (size_t i = 0; i < 5; i++)
        memory_drop(*of_blocks[i], block_bytes(t));
    while (t->spare) {
        Spare *spare = t->spare;
        t->spare = spare->next, lean_drop(&spare->lean), free(spare);
    }
    if (t->rows.obj)
        PyBuffer_Release(&t->rows);
    if (t->books.obj)
        PyBuffer_Release(&t->books);
    PyTypeObject *type = Py_TYPE((PyObject *)t);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(t);
    Py_DECREF(type);
}

static void table_dealloc(PyObject *self) { table_free((Table *)self); }

/* Places in order, all different and items of the table. */
static int take_order(Table *t, const Buffer *order)
{
    const int32_t *given = order->view.buf;
    uint8_t *seen = calloc(t->items / 8 + 1, 1);
    if (!seen)
        return PyErr_NoMemory(), -1;
    int fine = 1;
    for (size_t i = 0; fine && i < t->n; i++) {
        size_t item = (size_t)given[i];
        fine = given[i] >= 0 && item < t->items && !(seen[item / 8] >> item % 8 & 1);
        if (fine)
            seen[item / 8] |= (uint8_t)(1 << item % 8), t->ids[i] = given[i];
    }
    free(seen);
    if (!fine)
        PyErr_SetString(DataError, "the order of items must name items of the table, and none twice");
    return fine ? 0 : -1;
}

/* One number an item, finite, into places. */
static int take_column(Table *t, const Buffer *from, const char *name, float **into)
{
    if ((size_t)from->view.shape[0] != t->items) {
        PyErr_Format(DataError, "%s has %zd numbers for %zu items", name, from->view.shape[0], t->items);
        return -1;
    }
    *into = memory_take(plain_bytes(t));
    if (!*into)
        return PyErr_NoMemory(), -1;
    for (size_t place = 0; place < t->n; place++) {
        float x = ((const float *)from->view.buf)[t->ids[place]];
        if (!(fabsf(x) <= FLT_MAX)) {
            PyErr_Format(DataError, "%s of item %d is NaN or infinite", name, (int)t->ids[place]);
            return -1;
        }
        (*into)[place] = x;
    }
    return 0;
}

/* Books of centres and words, (2, BOOK, d), which are lent; first columns of the groups of words, and the end. */
static int take_books(Table *t, Buffer *books, const Buffer *edges)
{
    t->groups = groups_of(edges, t->d, t->edges);
    if (!t->groups || books->view.shape[0] != 2 || books->view.shape[1] != BOOK || (size_t)books->view.shape[2] != t->d) {
        PyErr_Format(DataError, "books of %zd words are (2, %d, columns), and edges of 1 to %d groups rise from 0 to columns",
                     books->view.shape[1], BOOK, MOST_GROUPS);
        return -1;
    }
    int looked_up = t->scanned == CODEBOOK;
    t->columns = looked_up ? memory_take(books_bytes(t)) : NULL;
    if (looked_up && !t->columns)
        return PyErr_NoMemory(), -1;
    const float *from = books->view.buf;
    for (size_t book = 0; book < 2; book++)
        for (size_t w = 0; w < BOOK; w++)
            for (size_t i = 0; i < t->d; i++) {
                float x = from[(book * BOOK + w) * t->d + i];
                if (!(fabsf(x) < 0x1p120f)) {
                    PyErr_Format(DataError, "word %zu of a book holds NaN, or is too long (2^120 at most)", w);
                    return -1;
                }
                if (looked_up)
                    t->columns[(book * t->d + i) * BOOK + w] = x;
            }
    t->books = books->view, books->held = 0;
    return 0;
}

static int pack_any(Table *t, const Py_buffer *rows, size_t place, float *room)
{
    double weight = t->weight ? (double)t->weight[place] : 1;
    return t->scanned == CODEBOOK ? pack_words(t, rows, place, weight) : pack(t, rows, place, weight, room, room + t->d);
}

static int table_fill(Table *t, const Py_buffer *rows)
{
    static const size_t dims[KINDS] = {1, 2, 4, 8, 1};
    t->step = (t->d + dims[t->scanned] - 1) / dims[t->scanned] * 64;
    t->panel_bytes = t->blocks * t->step;
    if (t->scanned == CODEBOOK) {
        t->step = (t->groups + 1) * LANES;
        t->panel_bytes = (t->n + TOGETHER_ROWS - 1) / TOGETHER_ROWS * TOGETHER_ROWS * (t->groups + 1);
    }
    t->panel = memory_take(t->panel_bytes);
    t->apart = memory_take(block_bytes(t)), t->reach = memory_take(block_bytes(t));
    t->reach_left = memory_take(block_bytes(t));
    float *room = malloc(2 * t->d * sizeof(float));
    int scaled = t->weight || (t->scanned == BYTES && t->stored != BYTES);
    t->scale = scaled ? memory_take(plain_bytes(t)) : NULL;
    if (t->bias)
        t->loud = memory_take(block_bytes(t)), t->bias_left = memory_take(block_bytes(t));
    if (!t->panel || !t->apart || !t->reach || !t->reach_left || !room || (scaled && !t->scale) ||
        (t->bias && (!t->loud || !t->bias_left))) {
        free(room);
        return PyErr_NoMemory(), -1;
    }
    size_t place = 0;
    Py_BEGIN_ALLOW_THREADS
    while (place < t->n && !pack_any(t, rows, place, room))
        place++;
    if (place == t->n)
        look_ahead(t);
    Py_END_ALLOW_THREADS
    free(room);
    if (place < t->n) {
        PyErr_Format(DataError, "the row of item %d holds NaN, or is too long (2^120 at most)", (int)t->ids[place]);
        return -1;
    }
    return 0;
}

/* Table(level, rows, stored, scanned, columns, order, weight or None, bias or None, books or None, edges or None); the last
 * two of product codes */
static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *level, *rows, *order, *weight, *bias, *books, *edges;
    int stored, scanned;
    Py_ssize_t columns;
    if (named && PyDict_Size(named))
        return PyErr_SetString(PyExc_TypeError, "Table takes no names"), NULL;
    if (!PyArg_ParseTuple(args, "OOiinOOOOO", &level, &rows, &stored, &scanned, &columns, &order, &weight, &bias, &books,
                          &edges))
        return NULL;
    Level at;
    if (level_of(level, &at))
        return NULL;
    if (stored < 0 || stored >= KINDS || scanned < 0 || scanned >= KINDS ||
        (scanned != stored && (stored == CODEBOOK ? scanned != BYTES
                                                  : stored > HALVES || scanned > BYTES ||
                                                        (stored == HALVES && scanned == FLOATS)))) {
        PyErr_Format(DataError, "rows of kind %d cannot be scanned as kind %d", stored, scanned);
        return NULL;
    }
    static const char *types[KINDS] = {"f", "h", "b", "B", "B"};
    Buffer r = {.held = 0}, o = {.held = 0}, w = {.held = 0}, b = {.held = 0}, lent = {.held = 0}, e = {.held = 0};
    Table *t = NULL;
    if (buffer_take(&r, rows, "rows", types[stored], 2, 0) || buffer_take(&o, order, "order", "i", 1, 0) ||
        (weight != Py_None && buffer_take(&w, weight, "scale", "f", 1, 0)) ||
        (bias != Py_None && buffer_take(&b, bias, "bias", "f", 1, 0)) ||
        (stored == CODEBOOK && (buffer_take(&lent, books, "books", "f", 3, 0) || buffer_take(&e, edges, "edges", "l", 1, 0))))
        goto done;
    Py_ssize_t width = stored == NIBBLES ? (columns + 1) / 2 : stored == CODEBOOK ? e.view.shape[0] : columns;
    if (columns < 1 || columns > LONGEST || r.view.shape[1] != width || r.view.shape[0] > INT32_MAX ||
        o.view.shape[0] > r.view.shape[0]) {
        PyErr_Format(DataError, "rows are (%zd, %zd) in order of %zd where (items, %zd) are needed, 1 to %d columns",
                     r.view.shape[0], r.view.shape[1], o.view.shape[0], width, LONGEST);
        goto done;
    }
    t = (Table *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!t)
        goto done;
    t->level = at, t->stored = (Kind)stored, t->scanned = (Kind)scanned;
    t->items = (size_t)r.view.shape[0], t->n = (size_t)o.view.shape[0], t->d = (size_t)columns;
    t->blocks = (t->n + LANES - 1) / LANES;
    t->ids = memory_take(t->n * sizeof *t->ids);
    int fine = t->ids != NULL;
    if (!fine)
        PyErr_NoMemory();
    fine = fine && (stored != CODEBOOK || !take_books(t, &lent, &e)) && !take_order(t, &o) &&
           (!w.held || !take_column(t, &w, "scale", &t->weight)) && (!b.held || !take_column(t, &b, "bias", &t->bias)) &&
           !table_fill(t, &r.view);
    if (!fine) {
        Py_DECREF(t);
        t = NULL;
    } else if (stored != scanned) /* the rows are lent for as long as the table lives */
        t->rows = r.view, r.held = 0;
done:
    buffer_drop(&r), buffer_drop(&o), buffer_drop(&w), buffer_drop(&b), buffer_drop(&lent), buffer_drop(&e);
    return (PyObject *)t;
}

/* --- searched --- */

#define NOT_FINITE "a query holds NaN or infinite numbers"
#define NO_ITEM "an item to leave out is none of the table: they are 0 or more and below %zu"

enum { FINE, WRONG_ITEM, WRONG_QUERY, NO_MEMORY };

static int said(int wrong, const Table *t)
{
    if (wrong == WRONG_ITEM)
        PyErr_Format(DataError, NO_ITEM, t->items);
    else if (wrong == WRONG_QUERY)
        PyErr_SetString(DataError, NOT_FINITE);
    else if (wrong == NO_MEMORY)
        PyErr_NoMemory();
    return wrong;
}

/* The k best for one query; needs no GIL. */
static int search_one(const Table *t, const float *query, size_t k, const Buffer *o, int64_t *items, float *scores,
                      size_t *found)
{
    size_t outs = o->held ? (size_t)o->view.shape[0] : 0;
    void *memory = malloc(search_bytes(t, k) + 64);
    int32_t *out = malloc(outs * sizeof *out + 1);
    int wrong = memory && out ? FINE : NO_MEMORY;
    if (!wrong && o->held && items_sorted(o, 0, outs, t->items, out))
        wrong = WRONG_ITEM;
    if (!wrong && t->n) {
        Search s;
        search_place(&s, t, k, (void *)(((uintptr_t)memory + 63) / 64 * 64));
        if (search_prepare(&s, t, query, k, out, outs))
            wrong = WRONG_QUERY;
        else {
            scan_of(t)->one(t, 0, t->blocks, &s);
            *found = search_finish(&s, items, scores);
        }
    }
    free(memory), free(out);
    return wrong;
}

/* top(query (d,), k, out (any,) or None, items (k,) int64, scores (k,) float32) -> how many were found */
static PyObject *table_top(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Table *t = (Table *)self;
    size_t k, found = 0;
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "top takes query, k, out, items, scores"), NULL;
    if (k_of(args[1], &k))
        return NULL;
    Buffer q = {.held = 0}, o = {.held = 0}, items = {.held = 0}, scores = {.held = 0};
    PyObject *answer = NULL;
    if (buffer_take(&q, args[0], "the query", "f", 1, 0) ||
        (args[2] != Py_None && buffer_take(&o, args[2], "items to leave out", "il", 1, 0)) ||
        buffer_take(&items, args[3], "items", "l", 1, 1) || buffer_take(&scores, args[4], "scores", "f", 1, 1))
        goto done;
    k = k < t->n ? k : t->n;
    if ((size_t)q.view.shape[0] != t->d || (size_t)items.view.shape[0] < k || (size_t)scores.view.shape[0] < k) {
        PyErr_Format(DataError, "a query of %zd numbers and room for %zd items, where %zu and %zu are needed",
                     q.view.shape[0], items.view.shape[0], t->d, k);
        goto done;
    }
    int wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = search_one(t, q.view.buf, k, &o, items.view.buf, scores.view.buf, &found);
    Py_END_ALLOW_THREADS
    if (!said(wrong, t))
        answer = PyLong_FromSize_t(found);
done:
    buffer_drop(&q), buffer_drop(&o), buffer_drop(&items), buffer_drop(&scores);
    return answer;
}

/* With the GIL held, as giving it back. */
static Spare *spare_take(Table *t, size_t k)
{
    Spare *spare = t->spare;
    if (spare)
        t->spare = spare->next;
    else if (!(spare = calloc(1, sizeof *spare)))
        return PyErr_NoMemory(), NULL;
    if (!lean_ready(&spare->lean, k))
        return spare;
    free(spare);
    return NULL;
}

/* best(query (d,), k, out (any,) int or None) -> Top, or None where these are others, which Python turns into such
 * first. */
static PyObject *table_best(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Table *t = (Table *)self;
    if (count != 3)
        return PyErr_SetString(PyExc_TypeError, "best takes query, k, out"), NULL;
    Buffer q = {.held = 0}, o = {.held = 0};
    size_t k = lean_k(args[1], t->n), found = 0;
    PyObject *top = NULL;
    int fine = k && buffer_try(&q, args[0], "f", 1) && (size_t)q.view.shape[0] == t->d &&
               (args[2] == Py_None || buffer_try(&o, args[2], "il", 1));
    Spare *spare = fine ? spare_take(t, k) : NULL;
    if (spare) {
        int wrong;
        Py_BEGIN_ALLOW_THREADS
        wrong = search_one(t, q.view.buf, k, &o, spare->lean.of_items.view.buf, spare->lean.of_scores.view.buf, &found);
        Py_END_ALLOW_THREADS
        top = said(wrong, t) ? NULL : lean_top(&spare->lean, found);
        spare->next = t->spare, t->spare = spare;
    }
    buffer_drop(&q), buffer_drop(&o);
    return fine ? top : Py_NewRef(Py_None);
}

enum { TOGETHER = 48, CHUNK = 256 << 10 };

typedef struct {
    const Table *table;
    const float *queries;
    const size_t *starts; /* or NULL */
    const Buffer *out;    /* or NULL */
    int64_t *items;
    float *scores;
    size_t k, width; /* width: of a row of items and scores */
} Batch;

/* Some users at a time pass over a piece of the panel that stays in the cache, so that it comes from memory once for
 * all of them, and their scores are never written down. */
static int batch_some(const Batch *b, size_t first, size_t users, Search *s, char *memory)
{
    const Table *t = b->table;
    const Scan *scan = scan_of(t);
    Search *all[TOGETHER];
    int32_t *out = NULL;
    const size_t *starts = b->starts ? b->starts + first : NULL;
    size_t from = starts ? starts[0] : 0, outs = starts ? starts[users] - from : 0;
    int wrong = FINE;
    if (!(out = malloc(outs * sizeof *out + 1)))
        return NO_MEMORY;
    for (size_t u = 0; u < users && !wrong; u++) {
        size_t begin = starts ? starts[u] : 0, end = starts ? starts[u + 1] : 0;
        all[u] = &s[u];
        search_place(&s[u], t, b->k, memory + u * search_bytes(t, b->k));
        if (b->out && items_sorted(b->out, begin, end, t->items, out + (begin - from)))
            wrong = WRONG_ITEM;
        else if (search_prepare(&s[u], t, b->queries + (first + u) * t->d, b->k, out + (begin - from), end - begin))
            wrong = WRONG_QUERY;
    }
    size_t piece = (CHUNK / t->step + 1 + 15) / 16 * 16;
    for (size_t block = 0; block < t->blocks && !wrong; block += piece) {
        size_t end = block + piece < t->blocks ? block + piece : t->blocks, u = 0;
        for (; u + (size_t)scan->width <= users; u += (size_t)scan->width)
            scan->many(t, block, end, all + u);
        for (; u < users; u++)
            scan->one(t, block, end, all[u]);
    }
    for (size_t u = 0; u < users && !wrong; u++) {
        int64_t *items = b->items + (first + u) * b->width;
        float *scores = b->scores + (first + u) * b->width;
        size_t found = search_finish(&s[u], items, scores);
        for (; found < b->width; found++)
            items[found] = -1, scores[found] = -INFINITY;
    }
    free(out);
    return wrong;
}

static int batch_all(const Batch *b, size_t users)
{
    const Table *t = b->table;
    size_t most = users < TOGETHER ? users : TOGETHER;
    Search *s = malloc(most * sizeof *s + 1);
    char *memory = malloc(most * search_bytes(t, b->k) + 64);
    int wrong = s && memory ? FINE : NO_MEMORY;
    for (size_t first = 0; first < users && !wrong; first += most) {
        size_t some = users - first < most ? users - first : most;
        wrong = batch_some(b, first, some, s, (char *)(((uintptr_t)memory + 63) / 64 * 64));
    }
    free(s), free(memory);
    return wrong;
}

/* top_of_all(queries (users, d), k, starts (users + 1,) int64 or None, out (any,) or None, items (users, k) int64,
 * scores (users, k) float32) -> None. Where fewer than k are found, -1 and -inf follow. */
static PyObject *table_top_of_all(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Table *t = (Table *)self;
    size_t k;
    if (count != 6)
        return PyErr_SetString(PyExc_TypeError, "top_of_all takes queries, k, starts, out, items, scores"), NULL;
    if (k_of(args[1], &k))
        return NULL;
    Buffer q = {.held = 0}, starts = {.held = 0}, o = {.held = 0}, items = {.held = 0}, scores = {.held = 0};
    size_t *from = NULL;
    PyObject *answer = NULL;
    if (buffer_take(&q, args[0], "queries", "f", 2, 0) ||
        (args[2] != Py_None && buffer_take(&starts, args[2], "starts", "l", 1, 0)) ||
        (args[3] != Py_None && buffer_take(&o, args[3], "items to leave out", "il", 1, 0)) ||
        buffer_take(&items, args[4], "items", "l", 2, 1) || buffer_take(&scores, args[5], "scores", "f", 2, 1))
        goto done;
    size_t users = (size_t)q.view.shape[0];
    if ((size_t)q.view.shape[1] != t->d || (size_t)items.view.shape[0] != users ||
        (size_t)items.view.shape[1] != k || (size_t)scores.view.shape[0] != users ||
        (size_t)scores.view.shape[1] != k) {
        PyErr_Format(DataError, "queries are (%zd, %zd), and there is room for (%zd, %zd) items: (users, %zu) and "
                     "(users, %zu) are needed", q.view.shape[0], q.view.shape[1], items.view.shape[0],
                     items.view.shape[1], t->d, k);
        goto done;
    }
    if (starts.held != o.held) {
        PyErr_SetString(DataError, "items to leave out come with starts, and starts with items");
        goto done;
    }
    if (starts.held && !(from = starts_copied(&starts, users, (size_t)o.view.shape[0])))
        goto done;
    Batch b = {t, q.view.buf, from, o.held ? &o : NULL, items.view.buf, scores.view.buf, k < t->n ? k : t->n, k};
    int wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = batch_all(&b, users);
    Py_END_ALLOW_THREADS
    if (!said(wrong, t))
        answer = Py_NewRef(Py_None);
done:
    free(from);
    buffer_drop(&q), buffer_drop(&starts), buffer_drop(&o), buffer_drop(&items), buffer_drop(&scores);
    return answer;
}

/* Bytes that are read for a request that skips nothing. */
static PyObject *table_bytes(PyObject *self, void *unused)
{
    Table *t = (Table *)self;
    (void)unused;
    size_t columns = (t->scale != NULL) + (t->bias != NULL), blocks = 3 + 2 * (t->bias != NULL);
    size_t books = t->columns ? books_bytes(t) : 0;
    return PyLong_FromSize_t(t->panel_bytes + columns * plain_bytes(t) + blocks * block_bytes(t) + books);
}

static PyMethodDef methods[] = {
    {"best", (PyCFunction)(void (*)(void))table_best, METH_FASTCALL, "The same as one value, or None."},
    {"top", (PyCFunction)(void (*)(void))table_top, METH_FASTCALL, "The k best items for one query."},
    {"top_of_all", (PyCFunction)(void (*)(void))table_top_of_all, METH_FASTCALL, "The k best items for every query."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef members[] = {
    {"bytes", table_bytes, NULL, "Bytes that are read for a request that skips nothing.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)table_new},
    {Py_tp_dealloc, (void *)table_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, members},
    {0, NULL},
};

static PyType_Spec spec = {"recprune.kernels._native.Table", sizeof(Table), 0, Py_TPFLAGS_DEFAULT, slots};

int table_add(PyObject *module)
{
    TableType = (PyTypeObject *)PyType_FromSpec(&spec);
    return TableType ? PyModule_AddObjectRef(module, "Table", (PyObject *)TableType) : -1;
}
