/* What learns books of product codes (Jégou et al. 2011, section II), and trains with them, asks for: codes of rows by a book
 * that is there, what codes stand for, and sums of the rows of each code. */
#include "nearest.h"

#include <math.h>
#include <stdlib.h>

/* The book column by column, and half the squared lengths of its entries in each group. */
static void lay_out(const float *book, size_t entries, const Nearest *n, float *columns, float *half)
{
    for (size_t w = 0; w < n->wide; w++)
        for (size_t g = 0; g < n->groups; g++) {
            float sum = w < entries ? 0 : INFINITY;
            for (size_t i = n->edges[g]; i < n->edges[g + 1]; i++) {
                float x = w < entries ? book[w * n->d + i] : 0;
                columns[i * n->wide + w] = x;
                sum += x * x;
            }
            half[g * n->wide + w] = 0.5f * sum;
        }
}

/* nearest_words(level, rows (n, columns) float32, book (entries, columns) float32, edges (groups + 1,) int64, out (n, groups)
 * uint8) -> None. Entries 1 to 256, groups of columns 1 to 128 from 0 to the last. */
PyObject *nearest_words(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer rows = {.held = 0}, book = {.held = 0}, edges = {.held = 0}, out = {.held = 0};
    size_t found[MOST_GROUPS + 1];
    float *columns = NULL, *half = NULL;
    PyObject *answer = NULL;
    (void)module;
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "nearest_words takes level, rows, book, edges, out"), NULL;
    if (level_of(args[0], &level) || buffer_take(&rows, args[1], "rows", "f", 2, 0) ||
        buffer_take(&book, args[2], "book", "f", 2, 0) || buffer_take(&edges, args[3], "edges", "l", 1, 0) ||
        buffer_take(&out, args[4], "out", "B", 2, 1))
        goto done;
    const size_t n = (size_t)rows.view.shape[0], d = (size_t)rows.view.shape[1], entries = (size_t)book.view.shape[0];
    const size_t groups = d < 1 || d > LONGEST ? 0 : groups_of(&edges, d, found);
    if (!groups || (size_t)book.view.shape[1] != d || entries < 1 || entries > BOOK || (size_t)out.view.shape[0] != n ||
        (size_t)out.view.shape[1] != groups) {
        PyErr_Format(DataError, "rows (%zd, %zd), a book (%zd, %zd) of 1 to %d entries, codes (%zd, %zd) and edges of 1 to %d "
                                "groups from 0 to the last column do not go together",
                     rows.view.shape[0], rows.view.shape[1], book.view.shape[0], book.view.shape[1], BOOK, out.view.shape[0],
                     out.view.shape[1], MOST_GROUPS);
        goto done;
    }
    Nearest s = {.rows = rows.view.buf, .n = n, .d = d, .edges = found, .groups = groups, .out = out.view.buf,
                 .wide = (entries + ENTRIES_TOGETHER - 1) / ENTRIES_TOGETHER * ENTRIES_TOGETHER};
    columns = malloc(d * s.wide * sizeof *columns), half = malloc(groups * s.wide * sizeof *half);
    if (!columns || !half) {
        PyErr_NoMemory();
        goto done;
    }
    s.columns = columns, s.half = half;
    Py_BEGIN_ALLOW_THREADS
    lay_out(book.view.buf, entries, &s, columns, half);
#ifdef HAVE_X86
    (level == AVX512 ? nearest_avx512 : level == AVX2 ? nearest_avx2 : nearest_portable)(&s);
#else
    nearest_portable(&s);
#endif
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    free(columns), free(half);
    buffer_drop(&rows), buffer_drop(&book), buffer_drop(&edges), buffer_drop(&out);
    return answer;
}

/* A code that was checked, and that may have been written over since: never beyond the book. */
static size_t within(uint8_t code, size_t entries) { return code < entries ? code : 0; }

/* Checks that codes (n, groups), a book (entries, columns) and edges go together, and that no code is beyond the book. */
static size_t groups_fit(const Buffer *codes, const Buffer *book, const Buffer *edges, size_t *found)
{
    const size_t d = (size_t)book->view.shape[1], entries = (size_t)book->view.shape[0];
    const size_t groups = d < 1 || d > LONGEST ? 0 : groups_of(edges, d, found);
    if (!groups || (size_t)codes->view.shape[1] != groups || entries < 1 || entries > BOOK) {
        PyErr_Format(DataError, "codes (%zd, %zd), a book (%zd, %zd) of 1 to %d entries, and edges of 1 to %d groups from 0 to the "
                                "last column do not go together",
                     codes->view.shape[0], codes->view.shape[1], book->view.shape[0], book->view.shape[1], BOOK, MOST_GROUPS);
        return 0;
    }
    const uint8_t *at = codes->view.buf;
    uint8_t most = 0;
    for (size_t i = 0; i < (size_t)codes->view.shape[0] * groups; i++)
        most = at[i] > most ? at[i] : most;
    if (codes->view.shape[0] && most >= entries) {
        PyErr_Format(DataError, "a code is %d, and the book has %zu entries", (int)most, entries);
        return 0;
    }
    return groups;
}

/* rows_of_words(codes (n, groups) uint8, book (entries, columns) float32, edges (groups + 1,) int64, out (n, columns) float32)
 * -> None. */
PyObject *rows_of_words(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Buffer codes = {.held = 0}, book = {.held = 0}, edges = {.held = 0}, out = {.held = 0};
    size_t found[MOST_GROUPS + 1], groups;
    PyObject *answer = NULL;
    (void)module;
    if (count != 4)
        return PyErr_SetString(PyExc_TypeError, "rows_of_words takes codes, book, edges, out"), NULL;
    if (buffer_take(&codes, args[0], "codes", "B", 2, 0) || buffer_take(&book, args[1], "book", "f", 2, 0) ||
        buffer_take(&edges, args[2], "edges", "l", 1, 0) || buffer_take(&out, args[3], "out", "f", 2, 1) ||
        !(groups = groups_fit(&codes, &book, &edges, found)))
        goto done;
    const size_t n = (size_t)codes.view.shape[0], d = (size_t)book.view.shape[1], entries = (size_t)book.view.shape[0];
    const uint8_t *code = codes.view.buf;
    if ((size_t)out.view.shape[0] != n || (size_t)out.view.shape[1] != d) {
        PyErr_Format(DataError, "rows are (%zd, %zd), not (%zu, %zu)", out.view.shape[0], out.view.shape[1], n, d);
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    for (size_t r = 0; r < n; r++, code += groups)
        for (size_t g = 0; g < groups; g++) {
            const float *word = (const float *)book.view.buf + within(code[g], entries) * d;
            float *row = (float *)out.view.buf + r * d;
            for (size_t i = found[g]; i < found[g + 1]; i++)
                row[i] = word[i];
        }
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    buffer_drop(&codes), buffer_drop(&book), buffer_drop(&edges), buffer_drop(&out);
    return answer;
}

/* sums_of_words(codes (n, groups) uint8, rows (n, columns) float32, weights (n,) float32, edges (groups + 1,) int64, sums
 * (entries, columns) float32, counts (entries, groups) float32) -> None. What rows times their weights, and the weights, of each
 * code are together is added, row after row. */
PyObject *sums_of_words(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Buffer codes = {.held = 0}, rows = {.held = 0}, weights = {.held = 0}, edges = {.held = 0}, sums = {.held = 0};
    Buffer counts = {.held = 0};
    size_t found[MOST_GROUPS + 1], groups;
    PyObject *answer = NULL;
    (void)module;
    if (count != 6)
        return PyErr_SetString(PyExc_TypeError, "sums_of_words takes codes, rows, weights, edges, sums, counts"), NULL;
    if (buffer_take(&codes, args[0], "codes", "B", 2, 0) || buffer_take(&rows, args[1], "rows", "f", 2, 0) ||
        buffer_take(&weights, args[2], "weights", "f", 1, 0) || buffer_take(&edges, args[3], "edges", "l", 1, 0) ||
        buffer_take(&sums, args[4], "sums", "f", 2, 1) || buffer_take(&counts, args[5], "counts", "f", 2, 1) ||
        !(groups = groups_fit(&codes, &sums, &edges, found)))
        goto done;
    const size_t n = (size_t)codes.view.shape[0], d = (size_t)sums.view.shape[1], entries = (size_t)sums.view.shape[0];
    if ((size_t)rows.view.shape[0] != n || (size_t)rows.view.shape[1] != d || (size_t)weights.view.shape[0] != n ||
        counts.view.shape[0] != sums.view.shape[0] || (size_t)counts.view.shape[1] != groups) {
        PyErr_Format(DataError, "rows (%zd, %zd), %zd weights and counts (%zd, %zd) do not go with codes (%zu, %zu) and sums "
                                "(%zd, %zu)",
                     rows.view.shape[0], rows.view.shape[1], weights.view.shape[0], counts.view.shape[0], counts.view.shape[1], n,
                     groups, sums.view.shape[0], d);
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    for (size_t r = 0; r < n; r++) {
        const float *row = (const float *)rows.view.buf + r * d, much = ((const float *)weights.view.buf)[r];
        const uint8_t *code = (const uint8_t *)codes.view.buf + r * groups;
        for (size_t g = 0; g < groups; g++) {
            const size_t w = within(code[g], entries);
            float *sum = (float *)sums.view.buf + w * d;
            for (size_t i = found[g]; i < found[g + 1]; i++)
                sum[i] += row[i] * much;
            ((float *)counts.view.buf)[w * groups + g] += much;
        }
    }
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    buffer_drop(&codes), buffer_drop(&rows), buffer_drop(&weights), buffer_drop(&edges), buffer_drop(&sums);
    buffer_drop(&counts);
    return answer;
}
