/* How factors and a memory are made of their parts, which are checked. */
#include "walks.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static void lists_drop(Lists *l) { free(l->starts), free(l->at), free(l->values); }

void walks_dealloc(PyObject *self)
{
    Walks *t = (Walks *)self;
    while (t->free) {
        Spare *room = t->free;
        t->free = room->next;
        walks_drop(t, (Room *)room);
    }
    memory_drop(t->inverse, padded(t) * 4), memory_drop(t->books, 2 * t->width * WORDS * 4);
    free(t->edges), free(t->comes), free(t->never);
    lists_drop(&t->had), lists_drop(&t->by);
    if (t->rows.obj)
        PyBuffer_Release(&t->rows);
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

#define WRONG_MEMORY "a memory is damaged: its starts, places and values do not go together, or are not finite"

/* Lists from starts (rows + 1), places below a bound, and values or None. */
static int lists_fill(Lists *l, size_t rows, size_t below, const Buffer *starts, const Buffer *at, const Buffer *values)
{
    l->rows = rows, l->entries = (size_t)at->view.shape[0];
    if (!(l->starts = starts_copied(starts, rows, l->entries)))
        return -1;
    int fine = l->starts[0] == 0 && l->starts[rows] == l->entries &&
               (!values->held || values->view.shape[0] == at->view.shape[0]);
    l->at = malloc(l->entries * sizeof *l->at + 1);
    l->values = values->held ? malloc(l->entries * sizeof *l->values + 1) : NULL;
    if (!l->at || (values->held && !l->values))
        return PyErr_NoMemory(), -1;
    for (size_t i = 0; fine && i < l->entries; i++) {
        l->at[i] = ((const int32_t *)at->view.buf)[i];
        fine = l->at[i] >= 0 && (size_t)l->at[i] < below;
        if (fine && l->values) {
            l->values[i] = ((const float *)values->view.buf)[i];
            fine = l->values[i] >= 0 && l->values[i] <= FLT_MAX;
        }
    }
    if (!fine)
        PyErr_SetString(DataError, WRONG_MEMORY);
    return fine ? 0 : -1;
}

/* What comes back to an item over its users, 1 / (items of the user) each, in parts of what has begun there. */
static int fill_comes(Walks *t)
{
    t->comes = malloc(t->items * sizeof *t->comes + 1);
    if (!t->comes)
        return PyErr_NoMemory(), -1;
    for (size_t item = 0; item < t->items; item++) {
        size_t begin = t->had.starts[item], end = t->had.starts[item + 1];
        double back = 0;
        for (size_t at = begin; at < end; at++) {
            size_t user = (size_t)t->had.at[at], many = t->by.starts[user + 1] - t->by.starts[user];
            if (!many)
                return PyErr_SetString(DataError, WRONG_MEMORY), -1;
            back += 1 / (double)many;
        }
        t->comes[item] = begin < end ? (float)(back / (double)(end - begin)) : 0;
    }
    return 0;
}

/* Books (256, width) each, turned; edges of groups rise from 0 to the width. */
static int fill_books(Walks *t, const Buffer *centres, const Buffer *words, const Buffer *edges)
{
    size_t groups = t->groups, d = (size_t)centres->view.shape[1];
    int fine = (size_t)edges->view.shape[0] == groups + 1 && d >= 1 && d <= LONGEST && groups <= d &&
               centres->view.shape[0] == WORDS && words->view.shape[0] == WORDS && (size_t)words->view.shape[1] == d;
    t->width = d;
    t->edges = calloc(groups + 1, sizeof *t->edges);
    t->books = memory_take(2 * d * WORDS * sizeof *t->books);
    if (!t->edges || !t->books)
        return PyErr_NoMemory(), -1;
    for (size_t g = 0; fine && g <= groups; g++) {
        int64_t edge = ((const int64_t *)edges->view.buf)[g];
        fine = edge >= 0 && (size_t)edge <= d && (g ? (size_t)edge >= t->edges[g - 1] : edge == 0);
        t->edges[g] = (size_t)edge;
    }
    fine = fine && t->edges[groups] == d;
    for (size_t i = 0; fine && i < d * WORDS; i++) {
        float centre = ((const float *)centres->view.buf)[i], word = ((const float *)words->view.buf)[i];
        fine = fabsf(centre) <= 0x1p60f && fabsf(word) <= 0x1p60f;
        t->books[i % d * WORDS + i / d] = centre, t->books[(d + i % d) * WORDS + i / d] = word;
    }
    if (!fine)
        PyErr_SetString(DataError, "books, edges and codes do not go together, or numbers are NaN or too large");
    return fine ? 0 : -1;
}

static int fill_rows(Walks *t, Buffer *rows, const Buffer *inverse)
{
    int fine = (size_t)inverse->view.shape[0] == t->items;
    if (!(t->inverse = memory_take(padded(t) * sizeof *t->inverse)))
        return PyErr_NoMemory(), -1;
    for (size_t i = 0; fine && i < padded(t); i++) {
        t->inverse[i] = i < t->items ? ((const float *)inverse->view.buf)[i] : 1;
        fine = t->inverse[i] >= 0 && t->inverse[i] <= FLT_MAX;
    }
    for (size_t i = 0; fine && !t->groups && i < t->items * t->width; i++)
        fine = fabsf(((const float *)rows->view.buf)[i]) <= 0x1p60f;
    if (!fine)
        return PyErr_SetString(DataError, "rows or their lengths are NaN or too large, or not as many as items"), -1;
    t->rows = rows->view, rows->held = 0;
    return 0;
}

/* Walks(level, temperature, share, never (any,) int, rows (items, width) float32 or codes (items, groups + 1) uint8,
 * None or (centres (256, width), words (256, width), edges (groups + 1,) int64), inverse (items,),
 * (starts (items + 1,), places (any,) int32, values (any,) or None),
 * None or (starts (users + 1,), places (any,) int32)) */
PyObject *walks_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *level, *never, *rows, *books, *inverse, *had, *by;
    PyObject *centres = NULL, *words, *edges, *starts, *places, *values, *user_starts = NULL, *user_places = NULL;
    double temperature, share;
    Level at;
    if (named && PyDict_Size(named))
        return PyErr_SetString(PyExc_TypeError, "Walks takes no names"), NULL;
    if (!PyArg_ParseTuple(args, "OddOOOOOO", &level, &temperature, &share, &never, &rows, &books, &inverse, &had, &by) ||
        level_of(level, &at) || (books != Py_None && !PyArg_ParseTuple(books, "OOO", &centres, &words, &edges)) ||
        !PyArg_ParseTuple(had, "OOO", &starts, &places, &values) ||
        (by != Py_None && !PyArg_ParseTuple(by, "OO", &user_starts, &user_places)))
        return NULL;
    if (!(temperature > 1e-6 && temperature < 1e6 && share >= 0 && share < 1e6))
        return PyErr_SetString(DataError, "a temperature is above 0, and a share 0 or more"), NULL;
    int coded = centres != NULL, two = user_starts != NULL;
    Buffer n = {.held = 0}, r = {.held = 0}, c = {.held = 0}, w = {.held = 0}, e = {.held = 0}, i = {.held = 0},
           s = {.held = 0}, p = {.held = 0}, v = {.held = 0}, us = {.held = 0}, up = {.held = 0};
    Walks *t = NULL;
    if (buffer_take(&n, never, "items that are never listed", "il", 1, 0) ||
        buffer_take(&r, rows, coded ? "codes" : "rows", coded ? "B" : "f", 2, 0) ||
        (coded && (buffer_take(&c, centres, "centres", "f", 2, 0) || buffer_take(&w, words, "words", "f", 2, 0) ||
                   buffer_take(&e, edges, "edges", "l", 1, 0))) ||
        buffer_take(&i, inverse, "lengths", "f", 1, 0) || buffer_take(&s, starts, "starts", "il", 1, 0) ||
        buffer_take(&p, places, "places", "i", 1, 0) ||
        (values != Py_None && buffer_take(&v, values, "values", "f", 1, 0)) ||
        (two && (buffer_take(&us, user_starts, "starts of users", "il", 1, 0) ||
                 buffer_take(&up, user_places, "places of users", "i", 1, 0))))
        goto done;
    if (r.view.shape[0] < 1 || r.view.shape[0] > INT32_MAX - 512 || r.view.shape[1] < (coded ? 2 : 1) ||
        r.view.shape[1] > LONGEST || (two && (us.view.shape[0] < 1 || v.held))) {
        PyErr_Format(DataError, "rows are (%zd, %zd), and a memory has lists of users or values, not both",
                     r.view.shape[0], r.view.shape[1]);
        goto done;
    }
    t = (Walks *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!t)
        goto done;
    t->level = at, t->items = (size_t)r.view.shape[0], t->users = two ? (size_t)us.view.shape[0] - 1 : 0;
    t->groups = coded ? (size_t)r.view.shape[1] - 1 : 0, t->width = coded ? 0 : (size_t)r.view.shape[1];
    t->temperature = (float)temperature, t->share = (float)share, t->nevers = (size_t)n.view.shape[0];
    t->never = malloc(t->nevers * sizeof *t->never + 1);
    int wrong = 1;
    if (!t->never)
        PyErr_NoMemory();
    else if (items_sorted(&n, 0, t->nevers, t->items, t->never))
        PyErr_Format(DataError, "an item that is never listed is no row: they are 0 or more and below %zu", t->items);
    else
        wrong = (coded && fill_books(t, &c, &w, &e)) || fill_rows(t, &r, &i) ||
                lists_fill(&t->had, t->items, two ? t->users : t->items, &s, &p, &v) ||
                (two && (lists_fill(&t->by, t->users, t->items, &us, &up, &v) || fill_comes(t)));
    if (wrong) {
        Py_DECREF(t);
        t = NULL;
    }
done:
    buffer_drop(&n), buffer_drop(&r), buffer_drop(&c), buffer_drop(&w), buffer_drop(&e), buffer_drop(&i);
    buffer_drop(&s), buffer_drop(&p), buffer_drop(&v), buffer_drop(&us), buffer_drop(&up);
    return (PyObject *)t;
}
