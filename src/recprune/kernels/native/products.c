/* Rows of mostly zeros, times a matrix: only the columns of what is there are read. */
#include "kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 128, SIDE = 64 }; /* columns that are read of a row at a time; a side of what is turned at a time */

typedef float Sixteen __attribute__((vector_size(LANES * sizeof(float))));

/* Entries row by row, and the columns that they are of: `at` counts among those, which ascend. */
typedef struct {
    size_t users, rows, columns;
    size_t *starts;   /* (users + 1) */
    uint32_t *at;     /* (entries) */
    float *values;    /* (entries) */
    uint32_t *used;   /* (columns) */
    size_t useds;
    float *panel;     /* (useds, 16) */
    const float *weight;
    float *out;
} Product;

/* 16 rows of the matrix side by side, the columns that are used alone; what is behind the last row is zero. */
INLINE void panel_fill(const Product *p, size_t first)
{
    size_t high = p->rows - first < LANES ? p->rows - first : LANES;
    for (size_t begin = 0; begin < p->useds; begin += RUN) {
        size_t end = begin + RUN < p->useds ? begin + RUN : p->useds;
        for (size_t row = 0; row < LANES; row++) {
            const float *from = p->weight + (first + row) * p->columns;
            for (size_t i = begin; i < end; i++)
                p->panel[i * LANES + row] = row < high ? from[p->used[i]] : 0;
        }
    }
}

/* Sums from the lowest column to the highest. */
INLINE void panel_sums(const Product *p, size_t first)
{
    size_t high = p->rows - first < LANES ? p->rows - first : LANES;
    for (size_t user = 0; user < p->users; user++) {
        Sixteen sums = {0}, one;
        for (size_t i = p->starts[user]; i < p->starts[user + 1]; i++) {
            memcpy(&one, p->panel + (size_t)p->at[i] * LANES, sizeof one);
            sums += one * p->values[i];
        }
        memcpy(p->out + user * p->rows + first, &sums, high * sizeof(float));
    }
}

INLINE void product_body(const Product *p)
{
    for (size_t first = 0; first < p->rows; first += LANES) {
        panel_fill(p, first);
        panel_sums(p, first);
    }
}

static void product_portable(const Product *p) { product_body(p); }
#ifdef HAVE_X86
__attribute__((target("avx2"))) static void product_avx2(const Product *p) { product_body(p); }
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void product_avx512(const Product *p)
{
    product_body(p);
}
#endif

static void product_of(Level level, const Product *p)
{
#ifdef HAVE_X86
    if (level == AVX512)
        product_avx512(p);
    else if (level == AVX2)
        product_avx2(p);
    else
#endif
        product_portable(p);
    (void)level;
}

/* How many entries there are, at most one more than `most`. */
static size_t counted(const float *x, size_t n, size_t most)
{
    size_t found = 0;
    for (size_t i = 0; i < n && found <= most; i += 4096)
        for (size_t j = i, end = i + 4096 < n ? i + 4096 : n; j < end; j++)
            found += x[j] != 0;
    return found;
}

/* Entries of what is multiplied, and where among the columns that are used each is; `place` is room for all columns. */
static void gathered(Product *p, const float *x, size_t entries, uint32_t *place)
{
    size_t found = 0;
    memset(place, 0, p->columns * sizeof *place);
    for (size_t user = 0; user < p->users; user++) {
        const float *row = x + user * p->columns;
        p->starts[user] = found;
        for (size_t c = 0; c < p->columns && found < entries; c++) /* it may change while it is read */
            if (row[c] != 0)
                p->at[found] = (uint32_t)c, p->values[found++] = row[c], place[c] = 1;
    }
    p->starts[p->users] = found, p->useds = 0;
    for (size_t c = 0; c < p->columns; c++)
        if (place[c])
            place[c] = (uint32_t)p->useds, p->used[p->useds++] = (uint32_t)c;
    for (size_t i = 0; i < found; i++)
        p->at[i] = place[p->at[i]];
}

static int multiplied(Product *p, Level level, const float *x, size_t entries)
{
    uint32_t *place = malloc(p->columns * sizeof *place + 1);
    p->starts = malloc((p->users + 1) * sizeof *p->starts), p->at = malloc(entries * sizeof *p->at + 1);
    p->values = malloc(entries * sizeof *p->values + 1), p->used = malloc(p->columns * sizeof *p->used + 1);
    p->panel = NULL;
    int ready = place && p->starts && p->at && p->values && p->used;
    if (ready) {
        gathered(p, x, entries, place);
        p->panel = memory_take(p->useds * LANES * sizeof *p->panel + 1);
        ready = p->panel != NULL;
    }
    if (ready)
        product_of(level, p);
    memory_drop(p->panel, p->useds * LANES * sizeof *p->panel + 1);
    free(place), free(p->starts), free(p->at), free(p->values), free(p->used);
    return ready;
}

/* sparse_product(level, x (users, columns) float32, weight (rows, columns) float32, most, out (users, rows) float32) ->
 * whether it was done: not where x has more than `most` entries that are not 0. out = x @ weight.T. */
PyObject *sparse_product(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer x = {.held = 0}, weight = {.held = 0}, out = {.held = 0};
    PyObject *answer = NULL;
    (void)module;
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "sparse_product takes level, x, weight, most, out"), NULL;
    Py_ssize_t most = PyLong_AsSsize_t(args[3]);
    if ((most == -1 && PyErr_Occurred()) || level_of(args[0], &level) || buffer_take(&x, args[1], "x", "f", 2, 0) ||
        buffer_take(&weight, args[2], "the matrix", "f", 2, 0) || buffer_take(&out, args[4], "the product", "f", 2, 1))
        goto done;
    Product p = {.users = (size_t)x.view.shape[0], .rows = (size_t)weight.view.shape[0],
                 .columns = (size_t)x.view.shape[1], .weight = weight.view.buf, .out = out.view.buf};
    if (weight.view.shape[1] != x.view.shape[1] || out.view.shape[0] != x.view.shape[0] ||
        out.view.shape[1] != weight.view.shape[0] || most < 0 || p.columns > INT32_MAX) {
        PyErr_Format(DataError, "(%zd, %zd) numbers do not go with a matrix of (%zd, %zd) into (%zd, %zd)",
                     x.view.shape[0], x.view.shape[1], weight.view.shape[0], weight.view.shape[1], out.view.shape[0],
                     out.view.shape[1]);
        goto done;
    }
    int fine = 1;
    size_t entries;
    Py_BEGIN_ALLOW_THREADS
    entries = counted(x.view.buf, p.users * p.columns, (size_t)most);
    if (entries <= (size_t)most)
        fine = multiplied(&p, level, x.view.buf, entries);
    Py_END_ALLOW_THREADS
    answer = fine ? PyBool_FromLong(entries <= (size_t)most) : PyErr_NoMemory();
done:
    buffer_drop(&x), buffer_drop(&weight), buffer_drop(&out);
    return answer;
}

/* A block of a matrix: 64 numbers of a row are read, and of a column written, together. */
static int block_turned(const float *from, float *into, size_t rows, size_t columns, size_t row, size_t column)
{
    float block[SIDE][SIDE];
    size_t high = rows - row < SIDE ? rows - row : SIDE, wide = columns - column < SIDE ? columns - column : SIDE;
    int fine = 1;
    for (size_t r = 0; r < high; r++)
        for (size_t c = 0; c < wide; c++) {
            float x = from[(row + r) * columns + column + c];
            fine &= fabsf(x) <= FLT_MAX;
            block[c][r] = x;
        }
    for (size_t c = 0; c < wide; c++)
        memcpy(into + (column + c) * rows + row, block[c], high * sizeof(float));
    return fine;
}

/* columns_of_rows(matrix (rows, columns) float32, out (columns, rows) float32) -> whether all numbers are finite. */
PyObject *columns_of_rows(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Buffer matrix = {.held = 0}, out = {.held = 0};
    PyObject *answer = NULL;
    (void)module;
    if (count != 2)
        return PyErr_SetString(PyExc_TypeError, "columns_of_rows takes matrix, out"), NULL;
    if (buffer_take(&matrix, args[0], "the matrix", "f", 2, 0) || buffer_take(&out, args[1], "its columns", "f", 2, 1))
        goto done;
    size_t rows = (size_t)matrix.view.shape[0], columns = (size_t)matrix.view.shape[1];
    if ((size_t)out.view.shape[0] != columns || (size_t)out.view.shape[1] != rows) {
        PyErr_Format(DataError, "a matrix of (%zu, %zu) does not turn into (%zd, %zd)", rows, columns,
                     out.view.shape[0], out.view.shape[1]);
        goto done;
    }
    const float *from = matrix.view.buf;
    float *into = out.view.buf;
    int fine = 1;
    Py_BEGIN_ALLOW_THREADS
    for (size_t row = 0; row < rows; row += SIDE)
        for (size_t column = 0; column < columns; column += SIDE)
            fine &= block_turned(from, into, rows, columns, row, column);
    Py_END_ALLOW_THREADS
    answer = PyBool_FromLong(fine);
done:
    buffer_drop(&matrix), buffer_drop(&out);
    return answer;
}
