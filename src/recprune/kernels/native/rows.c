/* Rows of codes, decoded straight from the stored bytes: those that are asked for, or some that follow each other. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const int64_t *ids; /* (count,), or NULL: rows from `begin` on */
    size_t begin, n, count, columns;
    float *out; /* (count, columns) */
} Asked;

typedef struct {
    const void *codes;
    const uint16_t *scale; /* (n,) bfloat16 */
} Scaled;

typedef struct {
    const uint8_t *codes;     /* (n, width) */
    const void *books[2];     /* (entries, columns) each, int8 or bfloat16: centres, and words of all groups */
    const float *units[2];    /* (columns,) what 1 is in each column of a book of int8 */
    const size_t *edges;      /* (groups + 1,) */
    size_t width, groups;
    int whole; /* a byte a code; else half a byte, the first half of them in the low bits */
} Coded;

typedef struct {
    const uint8_t *codes;   /* (n, width), the first entry in the lowest bits */
    const uint16_t *values; /* (2^bits,) bfloat16 */
    size_t width;
} Shared;

enum { ROWS_FINE, ROWS_WRONG = -1 };

static float wide(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float out;
    memcpy(&out, &bits, 4);
    return out;
}

/* The i-th row that is asked for: 0, and its number in `row`, or -1 where there is none. */
INLINE int row_at(const Asked *a, size_t i, size_t *row)
{
    if (!a->ids) {
        *row = a->begin + i;
        return 0;
    }
    const int64_t id = a->ids[i];
    *row = (size_t)id;
    return id < 0 || *row >= a->n ? -1 : 0;
}

INLINE int bytes_body(const Asked *a, const Scaled *s)
{
    for (size_t i = 0, row; i < a->count; i++) {
        if (row_at(a, i, &row))
            return ROWS_WRONG;
        const int8_t *codes = (const int8_t *)s->codes + row * a->columns;
        float scale = wide(s->scale[row]), *out = a->out + i * a->columns;
        for (size_t c = 0; c < a->columns; c++)
            out[c] = (float)codes[c] * scale;
    }
    return ROWS_FINE;
}

/* Codes of 4 or of 2 bits: byte j of a row holds columns j, j + width, j + 2 * width, ..., the lowest bits first. */
INLINE int planes_body(const Asked *a, const Scaled *s, const size_t bits, const float middle)
{
    const size_t a_byte = 8 / bits, width = (a->columns + a_byte - 1) / a_byte;
    const unsigned mask = (1u << bits) - 1;
    for (size_t i = 0, row; i < a->count; i++) {
        if (row_at(a, i, &row))
            return ROWS_WRONG;
        const uint8_t *codes = (const uint8_t *)s->codes + row * width;
        float scale = wide(s->scale[row]), *out = a->out + i * a->columns;
        for (size_t plane = 0, at = 0; plane < a_byte && at < a->columns; plane++, at += width) {
            size_t some = a->columns - at < width ? a->columns - at : width;
            for (size_t c = 0; c < some; c++)
                out[at + c] = ((float)(int)(codes[c] >> plane * bits & mask) - middle) * scale;
        }
    }
    return ROWS_FINE;
}

INLINE size_t entry_at(const Coded *s, const uint8_t *codes, size_t k)
{
    if (s->whole)
        return codes[k];
    return k < s->width ? codes[k] & 15 : codes[k - s->width] >> 4;
}

INLINE int books_body(const Asked *a, const Coded *s, const int small)
{
    const int8_t *centres8 = s->books[0], *words8 = s->books[1];
    const uint16_t *centres16 = s->books[0], *words16 = s->books[1];
    for (size_t i = 0, row; i < a->count; i++) {
        if (row_at(a, i, &row))
            return ROWS_WRONG;
        const uint8_t *codes = s->codes + row * s->width;
        float *out = a->out + i * a->columns;
        size_t first = entry_at(s, codes, 0) * a->columns;
        for (size_t c = 0; c < a->columns; c++)
            out[c] = small ? (float)centres8[first + c] * s->units[0][c] : wide(centres16[first + c]);
        for (size_t g = 0; g < s->groups; g++) {
            size_t word = entry_at(s, codes, 1 + g) * a->columns;
            for (size_t c = s->edges[g]; c < s->edges[g + 1]; c++)
                out[c] += small ? (float)words8[word + c] * s->units[1][c] : wide(words16[word + c]);
        }
    }
    return ROWS_FINE;
}

/* products (groups + 1, entries): of one query with every centre, and with every word in the columns of its group. */
INLINE void products_body(const Coded *s, const float *query, size_t columns, float *products, size_t entries, int small)
{
    const int8_t *books8[2] = {s->books[0], s->books[1]};
    const uint16_t *books16[2] = {s->books[0], s->books[1]};
    for (size_t part = 0; part <= s->groups; part++) {
        const int book = part > 0;
        const size_t begin = book ? s->edges[part - 1] : 0, end = book ? s->edges[part] : columns;
        for (size_t e = 0; e < entries; e++) {
            float sum = 0;
            for (size_t c = begin; c < end; c++) {
                const size_t at = e * columns + c;
                sum += query[c] * (small ? (float)books8[book][at] * s->units[book][c] : wide(books16[book][at]));
            }
            products[part * entries + e] = sum;
        }
    }
}

/* out (n,): for each row the sum of the products of its centre and its words. Four sums side by side, so that an
 * addition does not wait for the one before. */
INLINE void sums_body(const Coded *s, const float *products, float *out, size_t n, const size_t entries)
{
    const size_t parts = s->groups + 1;
    for (size_t row = 0; row < n; row++) {
        const uint8_t *codes = s->codes + row * s->width;
        float sum[4] = {0};
        size_t k = 0;
        for (; k + 4 <= parts; k += 4)
            for (size_t j = 0; j < 4; j++)
                sum[j] += products[(k + j) * entries + entry_at(s, codes, k + j)];
        for (; k < parts; k++)
            sum[0] += products[k * entries + entry_at(s, codes, k)];
        out[row] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}

INLINE void scores_body(const Coded *s, const float *query, size_t columns, float *products, float *out, size_t n)
{
    if (s->units[0])
        products_body(s, query, columns, products, s->whole ? 256 : 16, 1);
    else
        products_body(s, query, columns, products, s->whole ? 256 : 16, 0);
    if (s->whole)
        sums_body(s, products, out, n, 256);
    else
        sums_body(s, products, out, n, 16);
}

/* Codes of `bits` bits, one behind the other: eight of them fill `bits` bytes. */
INLINE int values_body(const Asked *a, const Shared *s, const size_t bits)
{
    const size_t count = (size_t)1 << bits, mask = count - 1;
    float values[256];
    for (size_t i = 0; i < count; i++)
        values[i] = wide(s->values[i]);
    for (size_t i = 0, row; i < a->count; i++) {
        if (row_at(a, i, &row))
            return ROWS_WRONG;
        const uint8_t *codes = s->codes + row * s->width, *end = codes + s->width;
        float *out = a->out + i * a->columns;
        for (size_t c = 0; c < a->columns; c += 8, codes += bits) {
            uint64_t eight = 0;
            for (size_t j = 0; j < bits && codes + j < end; j++)
                eight |= (uint64_t)codes[j] << 8 * j;
            for (size_t j = 0; j < 8 && c + j < a->columns; j++)
                out[c + j] = values[eight >> bits * j & mask];
        }
    }
    return ROWS_FINE;
}

INLINE int shared_body(const Asked *a, const Shared *s, long bits)
{
    switch (bits) {
    case 1:
        return values_body(a, s, 1);
    case 2:
        return values_body(a, s, 2);
    case 3:
        return values_body(a, s, 3);
    case 4:
        return values_body(a, s, 4);
    case 5:
        return values_body(a, s, 5);
    case 6:
        return values_body(a, s, 6);
    case 7:
        return values_body(a, s, 7);
    default:
        return values_body(a, s, 8);
    }
}

INLINE int scaled_body(const Asked *a, const Scaled *s, long bits)
{
    return bits == 8 ? bytes_body(a, s) : bits == 4 ? planes_body(a, s, 4, 8.0f) : planes_body(a, s, 2, 1.5f);
}

INLINE int coded_body(const Asked *a, const Coded *s)
{
    return s->units[0] ? books_body(a, s, 1) : books_body(a, s, 0);
}

static int scaled_portable(const Asked *a, const Scaled *s, long bits) { return scaled_body(a, s, bits); }
static int shared_portable(const Asked *a, const Shared *s, long bits) { return shared_body(a, s, bits); }
static int coded_portable(const Asked *a, const Coded *s) { return coded_body(a, s); }
static void scores_portable(const Coded *s, const float *query, size_t columns, float *products, float *out, size_t n)
{
    scores_body(s, query, columns, products, out, n);
}

#ifdef HAVE_X86
__attribute__((target("avx2"))) static int scaled_avx2(const Asked *a, const Scaled *s, long bits)
{
    return scaled_body(a, s, bits);
}
__attribute__((target("avx2"))) static int shared_avx2(const Asked *a, const Shared *s, long bits)
{
    return shared_body(a, s, bits);
}
__attribute__((target("avx2"))) static int coded_avx2(const Asked *a, const Coded *s) { return coded_body(a, s); }
__attribute__((target("avx2"))) static void scores_avx2(const Coded *s, const float *query, size_t columns,
                                                        float *products, float *out, size_t n)
{
    scores_body(s, query, columns, products, out, n);
}
#else
#define scaled_avx2 scaled_portable
#define shared_avx2 shared_portable
#define coded_avx2 coded_portable
#define scores_avx2 scores_portable
#endif

/* Which rows: ids (any,) int64, or the number of the first; `out` is taken. -1 with an error set. */
static int asked_of(Asked *a, PyObject *which, Buffer *ids, const Buffer *out, size_t n)
{
    *a = (Asked){.n = n, .count = (size_t)out->view.shape[0], .columns = (size_t)out->view.shape[1], .out = out->view.buf};
    if (PyLong_Check(which)) {
        Py_ssize_t begin = PyLong_AsSsize_t(which);
        if (begin == -1 && PyErr_Occurred())
            return -1;
        if (begin < 0 || (size_t)begin > n || a->count > n - (size_t)begin)
            return PyErr_Format(DataError, "rows %zd and %zu on are none of %zu", begin, a->count, n), -1;
        a->begin = (size_t)begin;
        return 0;
    }
    if (buffer_take(ids, which, "ids", "l", 1, 0))
        return -1;
    a->ids = ids->view.buf;
    if ((size_t)ids->view.shape[0] == a->count)
        return 0;
    return PyErr_Format(DataError, "%zd ids do not go with %zu rows", ids->view.shape[0], a->count), -1;
}

static PyObject *answered(int wrong, size_t n)
{
    if (!wrong)
        return Py_NewRef(Py_None);
    return PyErr_Format(PyExc_IndexError, "an id is none of the table: they are 0 or more and below %zu", n);
}

/* rows_of_codes(level, bits, codes (n, columns) int8 or (n, columns * bits / 8) uint8, scale (n,) bfloat16 bits, ids
 * (any,) int64 or the number of the first row, out (any, columns) float32) -> None */
PyObject *rows_of_codes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer codes = {.held = 0}, scale = {.held = 0}, ids = {.held = 0}, out = {.held = 0};
    PyObject *answer = NULL;
    Asked a;
    (void)module;
    if (count != 6)
        return PyErr_SetString(PyExc_TypeError, "rows_of_codes takes level, bits, codes, scale, ids, out"), NULL;
    long bits = level_of(args[0], &level) ? -1 : PyLong_AsLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    if (bits != 8 && bits != 4 && bits != 2)
        return PyErr_Format(DataError, "codes are of 8, 4 or 2 bits, not %ld", bits);
    if (buffer_take(&codes, args[2], "codes", bits == 8 ? "b" : "B", 2, 0) ||
        buffer_take(&scale, args[3], "scale", "h", 1, 0) || buffer_take(&out, args[5], "out", "f", 2, 1) ||
        asked_of(&a, args[4], &ids, &out, (size_t)codes.view.shape[0]))
        goto done;
    size_t a_byte = 8 / (size_t)bits, width = (a.columns + a_byte - 1) / a_byte;
    if ((size_t)codes.view.shape[1] != width || (size_t)scale.view.shape[0] != a.n) {
        PyErr_Format(DataError, "codes (%zd, %zd) of %ld bits and %zd scales do not go with rows of %zu numbers",
                     codes.view.shape[0], codes.view.shape[1], bits, scale.view.shape[0], a.columns);
        goto done;
    }
    Scaled s = {codes.view.buf, scale.view.buf};
    int wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = level == PORTABLE ? scaled_portable(&a, &s, bits) : scaled_avx2(&a, &s, bits);
    Py_END_ALLOW_THREADS
    answer = answered(wrong, a.n);
done:
    buffer_drop(&codes), buffer_drop(&scale), buffer_drop(&ids), buffer_drop(&out);
    return answer;
}

/* rows_of_values(level, codes (n, columns * bits / 8) uint8, values (2^bits,) bfloat16 bits, ids (any,) int64 or the
 * number of the first row, out (any, columns) float32) -> None */
PyObject *rows_of_values(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer codes = {.held = 0}, values = {.held = 0}, ids = {.held = 0}, out = {.held = 0};
    PyObject *answer = NULL;
    Asked a;
    (void)module;
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "rows_of_values takes level, codes, values, ids, out"), NULL;
    if (level_of(args[0], &level) || buffer_take(&codes, args[1], "codes", "B", 2, 0) ||
        buffer_take(&values, args[2], "values", "h", 1, 0) || buffer_take(&out, args[4], "out", "f", 2, 1) ||
        asked_of(&a, args[3], &ids, &out, (size_t)codes.view.shape[0]))
        goto done;
    long bits = 1;
    while (bits < 9 && values.view.shape[0] != (Py_ssize_t)1 << bits)
        bits++;
    if (bits > 8 || (size_t)codes.view.shape[1] != (a.columns * (size_t)bits + 7) / 8) {
        PyErr_Format(DataError, "codes (%zd, %zd) and %zd values do not go with rows of %zu numbers",
                     codes.view.shape[0], codes.view.shape[1], values.view.shape[0], a.columns);
        goto done;
    }
    Shared s = {codes.view.buf, values.view.buf, (size_t)codes.view.shape[1]};
    int wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = level == PORTABLE ? shared_portable(&a, &s, bits) : shared_avx2(&a, &s, bits);
    Py_END_ALLOW_THREADS
    answer = answered(wrong, a.n);
done:
    buffer_drop(&codes), buffer_drop(&values), buffer_drop(&ids), buffer_drop(&out);
    return answer;
}

/* A table of product codes as Python gives it: what is held of it, and a copy of its edges, which nobody can change
 * meanwhile. */
typedef struct {
    Buffer codes, books[2], units, edges;
    size_t *own;
    Coded s;
} Books;

static void books_drop(Books *b)
{
    buffer_drop(&b->codes), buffer_drop(&b->books[0]), buffer_drop(&b->books[1]), buffer_drop(&b->units);
    buffer_drop(&b->edges);
    free(b->own);
}

/* Whether books, units and edges go with the codes and with rows of so many numbers. */
static int books_fit(const Books *b, size_t columns)
{
    size_t entries = (size_t)b->books[0].view.shape[0], groups = b->s.groups;
    if (entries != 256 && entries != 16)
        return 0;
    for (int i = 0; i < 2; i++)
        if ((size_t)b->books[i].view.shape[0] != entries || (size_t)b->books[i].view.shape[1] != columns ||
            (b->books[i].view.itemsize == 1) != b->units.held)
            return 0;
    if (b->units.held && (b->units.view.shape[0] != 2 || (size_t)b->units.view.shape[1] != columns))
        return 0;
    if (b->own[0] != 0 || b->own[groups] != columns)
        return 0;
    return b->s.width == (entries == 256 ? groups + 1 : (groups + 2) / 2);
}

/* codes (n, width) uint8, centres and words (256 or 16, columns) int8 or bfloat16 bits, units (2, columns) float32 of
 * books of int8 or None, edges (groups + 1,) int64. -1 with an error set; to be dropped either way. */
static int books_take(Books *b, PyObject *const *args, Py_ssize_t columns)
{
    if (buffer_take(&b->codes, args[0], "codes", "B", 2, 0) ||
        buffer_take(&b->books[0], args[1], "centres", "bh", 2, 0) ||
        buffer_take(&b->books[1], args[2], "words", "bh", 2, 0) ||
        (args[3] != Py_None && buffer_take(&b->units, args[3], "units", "f", 2, 0)) ||
        buffer_take(&b->edges, args[4], "edges", "l", 1, 0))
        return -1;
    size_t groups = b->edges.view.shape[0] > 0 ? (size_t)b->edges.view.shape[0] - 1 : 0;
    if (!(b->own = starts_copied(&b->edges, groups, (size_t)columns)))
        return -1;
    const float *unit = b->units.held ? b->units.view.buf : NULL;
    b->s = (Coded){.codes = b->codes.view.buf,
                   .books = {b->books[0].view.buf, b->books[1].view.buf},
                   .units = {unit, unit ? unit + columns : NULL},
                   .edges = b->own,
                   .width = (size_t)b->codes.view.shape[1],
                   .groups = groups,
                   .whole = b->books[0].view.shape[0] == 256};
    if (books_fit(b, (size_t)columns))
        return 0;
    PyErr_Format(DataError,
                 "codes (%zd, %zd), books (%zd, %zd), units and %zu groups do not go with rows of %zd numbers",
                 b->codes.view.shape[0], b->codes.view.shape[1], b->books[0].view.shape[0],
                 b->books[0].view.shape[1], groups, columns);
    return -1;
}

/* rows_of_books(level, codes, centres, words, units, edges, ids (any,) int64 or the number of the first row, out (any,
 * columns) float32) -> None */
PyObject *rows_of_books(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Books b = {.own = NULL};
    Buffer ids = {.held = 0}, out = {.held = 0};
    PyObject *answer = NULL;
    Asked a;
    (void)module;
    if (count != 8)
        return PyErr_SetString(PyExc_TypeError,
                               "rows_of_books takes level, codes, centres, words, units, edges, ids, out"),
               NULL;
    if (level_of(args[0], &level) || buffer_take(&out, args[7], "out", "f", 2, 1) ||
        books_take(&b, args + 1, out.view.shape[1]) ||
        asked_of(&a, args[6], &ids, &out, (size_t)b.codes.view.shape[0]))
        goto done;
    int wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = level == PORTABLE ? coded_portable(&a, &b.s) : coded_avx2(&a, &b.s);
    Py_END_ALLOW_THREADS
    answer = answered(wrong, a.n);
done:
    books_drop(&b), buffer_drop(&ids), buffer_drop(&out);
    return answer;
}

/* scores_of_books(level, codes, centres, words, units, edges, queries (any, columns) float32, out (any, n) float32) ->
 * None. Queries with all rows: products with the books first, of which a row is a sum (Jegou et al. 2011, section
 * III.A). */
PyObject *scores_of_books(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Books b = {.own = NULL};
    Buffer queries = {.held = 0}, out = {.held = 0};
    float *products = NULL;
    PyObject *answer = NULL;
    (void)module;
    if (count != 8)
        return PyErr_SetString(PyExc_TypeError,
                               "scores_of_books takes level, codes, centres, words, units, edges, queries, out"),
               NULL;
    if (level_of(args[0], &level) || buffer_take(&queries, args[6], "queries", "f", 2, 0) ||
        books_take(&b, args + 1, queries.view.shape[1]) || buffer_take(&out, args[7], "out", "f", 2, 1))
        goto done;
    size_t n = (size_t)b.codes.view.shape[0], some = (size_t)queries.view.shape[0];
    size_t columns = (size_t)queries.view.shape[1];
    if ((size_t)out.view.shape[0] != some || (size_t)out.view.shape[1] != n) {
        PyErr_Format(DataError, "%zu queries of %zu rows are no (%zd, %zd) scores", some, n, out.view.shape[0],
                     out.view.shape[1]);
        goto done;
    }
    if (!(products = malloc((b.s.groups + 1) * 256 * sizeof *products))) {
        PyErr_NoMemory();
        goto done;
    }
    const float *query = queries.view.buf;
    float *into = out.view.buf;
    Py_BEGIN_ALLOW_THREADS
    for (size_t q = 0; q < some; q++, query += columns, into += n)
        if (level == PORTABLE)
            scores_portable(&b.s, query, columns, products, into, n);
        else
            scores_avx2(&b.s, query, columns, products, into, n);
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    books_drop(&b), buffer_drop(&queries), buffer_drop(&out);
    free(products);
    return answer;
}
