/* How an item-item matrix is made of its parts, which are checked. */
#include "neighbours.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

void neighbours_dealloc(PyObject *self)
{
    Neighbours *t = (Neighbours *)self;
    while (t->free) {
        Spare *room = t->free;
        t->free = room->next;
        neighbours_drop(t, (Room *)room);
    }
    memory_drop(t->own, t->entries * sizeof *t->own);
    memory_drop(t->scale, sums_bytes(t));
    free(t->starts), free(t->never);
    Py_buffer *lent[] = {&t->codes, &t->near, &t->counts, &t->dense};
    for (size_t i = 0; i < 4; i++)
        if (lent[i]->obj)
            PyBuffer_Release(lent[i]);
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* Numbers row by row -> column by column; inside a column rows rise. NULL, or what is wrong. */
static const char *turn(Neighbours *t, const float *values, const int32_t *columns, const size_t *rows)
{
    for (size_t i = 0; i < t->entries; i++) {
        if (columns[i] < 0 || (size_t)columns[i] >= t->columns)
            return "a column is none of the matrix";
        if (!(fabsf(values[i]) <= FLT_MAX))
            return "a value is NaN or infinite";
        t->starts[columns[i] + 1]++;
    }
    for (size_t c = 0; c < t->columns; c++)
        t->starts[c + 1] += t->starts[c];
    for (size_t row = 0; row < t->rows; row++)
        for (size_t i = rows[row]; i < rows[row + 1]; i++) {
            size_t at = t->starts[columns[i]]++;
            if (at >= t->entries)
                return "columns changed while they were read";
            t->own[at] = (Part){(uint32_t)row, values[i]};
        }
    for (size_t c = t->columns; c > 0; c--) /* every start has moved on to the next */
        t->starts[c] = t->starts[c - 1];
    t->starts[0] = 0;
    return NULL;
}

static int fill_values(Neighbours *t, const Buffer *values, const Buffer *columns, const Buffer *rows)
{
    t->entries = (size_t)values->view.shape[0];
    if (columns->view.shape[0] != values->view.shape[0]) {
        PyErr_Format(DataError, "%zu values and %zd columns", t->entries, columns->view.shape[0]);
        return -1;
    }
    size_t *from = starts_copied(rows, t->rows, t->entries);
    if (!from)
        return -1;
    t->own = memory_take(t->entries * sizeof *t->own);
    const char *wrong = NULL;
    if (!t->own)
        PyErr_NoMemory();
    else if (from[0] != 0 || from[t->rows] != t->entries)
        wrong = "starts must go from 0 to the number of entries";
    else {
        Py_BEGIN_ALLOW_THREADS
        wrong = turn(t, values->view.buf, columns->view.buf, from);
        Py_END_ALLOW_THREADS
    }
    free(from);
    if (wrong)
        PyErr_Format(DataError, "an item-item matrix is damaged: %s", wrong);
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether all scales are finite and above 0; -1 without memory. */
static int fill_scale(Neighbours *t, const Buffer *scale)
{
    int fine = 1;
    t->scale = memory_take(sums_bytes(t));
    if (!t->scale)
        return PyErr_NoMemory(), -1;
    for (size_t row = 0; fine && row < t->rows; row++) {
        t->scale[row] = ((const float *)scale->view.buf)[row];
        fine = t->scale[row] > 0 && t->scale[row] <= FLT_MAX;
    }
    return fine;
}

static int fill_dense(Neighbours *t, Buffer *dense, const Buffer *scale)
{
    int fine = (size_t)dense->view.shape[0] == t->columns && (size_t)dense->view.shape[1] == t->rows &&
               (!scale->held || (size_t)scale->view.shape[0] == t->rows);
    if (fine && scale->held)
        fine = fill_scale(t, scale);
    if (fine < 0)
        return -1;
    if (!fine) {
        PyErr_SetString(DataError, "an item-item matrix is damaged: its numbers and scales do not go together");
        return -1;
    }
    t->entries = t->rows * t->columns;
    for (size_t c = 0; c < t->columns; c++)
        t->starts[c + 1] = (c + 1) * t->rows;
    t->dense = dense->view, dense->held = 0;
    return 0;
}

static int fill_codes(Neighbours *t, Buffer *codes, Buffer *near, Buffer *counts, const Buffer *scale)
{
    t->entries = (size_t)codes->view.shape[0];
    t->groups = (t->rows + GROUP - 1) / GROUP;
    int fine = near->view.shape[0] == codes->view.shape[0] && (size_t)counts->view.shape[0] == t->columns &&
               (size_t)counts->view.shape[1] == t->groups && (size_t)scale->view.shape[0] == t->rows;
    size_t all = 0;
    for (size_t c = 0; fine && c < t->columns; c++) {
        for (size_t group = 0; group < t->groups; group++)
            all += ((const uint8_t *)counts->view.buf)[c * t->groups + group];
        t->starts[c + 1] = all;
    }
    if (fine)
        fine = fill_scale(t, scale);
    if (fine < 0)
        return -1;
    if (!fine || all != t->entries) {
        PyErr_SetString(DataError, "an item-item matrix is damaged: codes, places, counts and scales do not go together");
        return -1;
    }
    t->codes = codes->view, t->near = near->view, t->counts = counts->view;
    codes->held = near->held = counts->held = 0;
    return 0;
}

/* Neighbours(level, rows, columns, never (any,) int, values (n,) float32, columns (n,) int32, starts (rows + 1,), None)
 * or Neighbours(level, rows, columns, never, codes (n,) int8, places (n,) uint8, counts (columns, groups) uint8,
 * scale (rows,) float32)
 * or Neighbours(level, rows, columns, never, numbers (columns, rows) float32 that are finite, None, None, scale or None) */
PyObject *neighbours_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *level, *never, *values, *columns, *starts, *scale;
    Py_ssize_t high, wide;
    Level at;
    if (named && PyDict_Size(named))
        return PyErr_SetString(PyExc_TypeError, "Neighbours takes no names"), NULL;
    if (!PyArg_ParseTuple(args, "OnnOOOOO", &level, &high, &wide, &never, &values, &columns, &starts, &scale) ||
        level_of(level, &at))
        return NULL;
    if (high < 0 || wide < 0 || high > INT32_MAX - 512 || wide > INT32_MAX) {
        PyErr_Format(DataError, "an item-item matrix of %zd rows and %zd columns", high, wide);
        return NULL;
    }
    int dense = columns == Py_None, coded = !dense && scale != Py_None;
    Buffer n = {.held = 0}, a = {.held = 0}, b = {.held = 0}, c = {.held = 0}, s = {.held = 0};
    Neighbours *t = NULL;
    if (buffer_take(&n, never, "items that are never listed", "il", 1, 0) ||
        buffer_take(&a, values, "values", coded ? "b" : "f", dense ? 2 : 1, 0) ||
        (!dense && buffer_take(&b, columns, coded ? "places" : "columns", coded ? "B" : "i", 1, 0)) ||
        (!dense && buffer_take(&c, starts, coded ? "counts" : "starts", coded ? "B" : "il", coded ? 2 : 1, 0)) ||
        (scale != Py_None && buffer_take(&s, scale, "scale", "f", 1, 0)))
        goto done;
    t = (Neighbours *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!t)
        goto done;
    t->level = at, t->rows = (size_t)high, t->columns = (size_t)wide, t->nevers = (size_t)n.view.shape[0];
    t->starts = calloc(t->columns + 2, sizeof *t->starts);
    t->never = malloc(t->nevers * sizeof *t->never + 1);
    int wrong = 1;
    if (!t->starts || !t->never)
        PyErr_NoMemory();
    else if (items_sorted(&n, 0, t->nevers, t->rows, t->never))
        PyErr_Format(DataError, "an item that is never listed is no row: they are 0 or more and below %zu", t->rows);
    else
        wrong = dense   ? fill_dense(t, &a, &s)
                : coded ? fill_codes(t, &a, &b, &c, &s)
                        : fill_values(t, &a, &b, &c);
    if (wrong) {
        Py_DECREF(t);
        t = NULL;
    }
done:
    buffer_drop(&n), buffer_drop(&a), buffer_drop(&b), buffer_drop(&c), buffer_drop(&s);
    return (PyObject *)t;
}
