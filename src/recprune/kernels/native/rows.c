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

INLINE int scaled_body(const Asked *a, const Scaled *s, long bits)
{
    return bits == 8 ? bytes_body(a, s) : bits == 4 ? planes_body(a, s, 4, 8.0f) : planes_body(a, s, 2, 1.5f);
}

INLINE int coded_body(const Asked *a, const Coded *s)
{
    return s->units[0] ? books_body(a, s, 1) : books_body(a, s, 0);
}

static int scaled_portable(const Asked *a, const Scaled *s, long bits) { return scaled_body(a, s, bits); }
static int coded_portable(const Asked *a, const Coded *s) { return coded_body(a, s); }

#ifdef HAVE_X86
__attribute__((target("avx2"))) static int scaled_avx2(const Asked *a, const Scaled *s, long bits)
{
    return scaled_body(a, s, bits);
}
__attribute__((target("avx2"))) static int coded_avx2(const Asked *a, const Coded *s) { return coded_body(a, s); }
#else
#define scaled_avx2 scaled_portable
#define coded_avx2 coded_portable
#endif

/* Which rows: ids (any,) int64, or the number of the first. out: (any, columns) float32. -1 with an error set. */
static int asked_of(Asked *a, PyObject *which, PyObject *into, Buffer *ids, Buffer *out, size_t n)
{
    if (buffer_take(out, into, "out", "f", 2, 1))
        return -1;
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
        buffer_take(&scale, args[3], "scale", "h", 1, 0) ||
        asked_of(&a, args[4], args[5], &ids, &out, (size_t)codes.view.shape[0]))
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

/* Whether books, units and edges go with the codes and with rows of so many numbers. */
static int books_fit(const Coded *s, const Buffer *books, const Buffer *units, size_t columns)
{
    size_t entries = (size_t)books[0].view.shape[0];
    if (entries != 256 && entries != 16)
        return 0;
    for (int i = 0; i < 2; i++)
        if ((size_t)books[i].view.shape[0] != entries || (size_t)books[i].view.shape[1] != columns ||
            (books[i].view.itemsize == 1) != units->held)
            return 0;
    if (units->held && (units->view.shape[0] != 2 || (size_t)units->view.shape[1] != columns))
        return 0;
    if (s->edges[0] != 0 || s->edges[s->groups] != columns)
        return 0;
    return s->width == (entries == 256 ? s->groups + 1 : (s->groups + 2) / 2);
}

/* rows_of_books(level, codes (n, width) uint8, centres and words (256 or 16, columns) int8 or bfloat16 bits, units
 * (2, columns) float32 of books of int8 or None, edges (groups + 1,) int64, ids (any,) int64 or the number of the first
 * row, out (any, columns) float32) -> None */
PyObject *rows_of_books(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer codes = {.held = 0}, books[2] = {{.held = 0}, {.held = 0}}, units = {.held = 0}, edges = {.held = 0};
    Buffer ids = {.held = 0}, out = {.held = 0};
    size_t *own = NULL;
    PyObject *answer = NULL;
    Asked a;
    (void)module;
    if (count != 8)
        return PyErr_SetString(PyExc_TypeError,
                               "rows_of_books takes level, codes, centres, words, units, edges, ids, out"),
               NULL;
    if (level_of(args[0], &level) || buffer_take(&codes, args[1], "codes", "B", 2, 0) ||
        buffer_take(&books[0], args[2], "centres", "bh", 2, 0) || buffer_take(&books[1], args[3], "words", "bh", 2, 0) ||
        (args[4] != Py_None && buffer_take(&units, args[4], "units", "f", 2, 0)) ||
        buffer_take(&edges, args[5], "edges", "l", 1, 0) ||
        asked_of(&a, args[6], args[7], &ids, &out, (size_t)codes.view.shape[0]))
        goto done;
    size_t groups = edges.view.shape[0] > 0 ? (size_t)edges.view.shape[0] - 1 : 0;
    if (!(own = starts_copied(&edges, groups, a.columns))) /* a copy, which nobody can change meanwhile */
        goto done;
    const float *unit = units.held ? units.view.buf : NULL;
    Coded s = {.codes = codes.view.buf,
               .books = {books[0].view.buf, books[1].view.buf},
               .units = {unit, unit ? unit + a.columns : NULL},
               .edges = own,
               .width = (size_t)codes.view.shape[1],
               .groups = groups,
               .whole = books[0].view.shape[0] == 256};
    if (!books_fit(&s, books, &units, a.columns)) {
        PyErr_Format(DataError,
                     "codes (%zd, %zd), books (%zd, %zd), units and %zu groups do not go with rows of %zu numbers",
                     codes.view.shape[0], codes.view.shape[1], books[0].view.shape[0], books[0].view.shape[1], groups,
                     a.columns);
        goto done;
    }
    int wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = level == PORTABLE ? coded_portable(&a, &s) : coded_avx2(&a, &s);
    Py_END_ALLOW_THREADS
    answer = answered(wrong, a.n);
done:
    buffer_drop(&codes), buffer_drop(&books[0]), buffer_drop(&books[1]), buffer_drop(&units), buffer_drop(&edges);
    buffer_drop(&ids), buffer_drop(&out);
    free(own);
    return answer;
}
