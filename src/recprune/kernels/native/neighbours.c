/* Item-item rows: what a history adds up to, and the best of it. Only the columns of its items are read, and only the
 * scores that these touched are looked at. */
#include "neighbours.h"

#include <stdlib.h>

static PyTypeObject *NeighboursType;

enum { BLOCK_BYTES = (BLOCK + LANES) * sizeof(float), OFTEN = 16, SOON = 256 };

void neighbours_drop(const Neighbours *t, Room *room)
{
    if (room) {
        memory_drop(room->sums, sums_bytes(t)), memory_drop(room->touched, touched_bytes(t));
        memory_drop(room->block, BLOCK_BYTES), free(room->left);
        lean_drop(&room->spare.lean), free(room->parts), free(room->slots), free(room);
    }
}

static Spare *room_more(const void *kernel)
{
    const Neighbours *t = kernel;
    Room *room = calloc(1, sizeof *room);
    if (room) {
        room->sums = memory_take(sums_bytes(t)), room->touched = memory_take(touched_bytes(t));
        room->block = memory_take(BLOCK_BYTES);
        room->parts = malloc(FEW * sizeof *room->parts), room->slots = malloc(2 * FEW * sizeof *room->slots);
        if (room->sums && room->touched && room->block && room->parts && room->slots)
            return &room->spare;
    }
    neighbours_drop(t, room);
    return NULL;
}

/* An item of a history that is not checked yet; where there is no such column, no item. */
INLINE int32_t item_at(const Neighbours *t, const Buffer *history, size_t i)
{
    const void *at = history->view.buf;
    int64_t item = history->view.itemsize == 4 ? ((const int32_t *)at)[i] : ((const int64_t *)at)[i];
    return item >= 0 && (size_t)item < t->columns ? (int32_t)item : -1;
}

/* Where entries of a history begin, and the room to add up as many as are usual. */
static void ahead(const void *kernel, const Buffer *history)
{
    const Neighbours *t = kernel;
    size_t length = (size_t)history->view.shape[0];
    for (size_t i = 0; i < length && length <= SOON; i++) {
        int32_t item = item_at(t, history, i);
        if (item >= 0)
            __builtin_prefetch(t->starts + item);
    }
    if (t->free && length <= SOON && t->columns)
        neighbours_few_ahead((const Room *)t->free, t->entries / t->columns * length);
}

/* The entries themselves. */
static int brief(const void *kernel, const Buffer *history)
{
    const Neighbours *t = kernel;
    size_t length = (size_t)history->view.shape[0], entries = 0;
    if (length > SOON)
        return 0;
    for (size_t i = 0; i < length; i++) {
        int32_t item = item_at(t, history, i);
        entries += item < 0 ? 0 : neighbours_entries(t, &item, 1);
    }
    return entries <= FEW;
}

static int left_grown(Room *room, size_t length)
{
    if (length <= room->lefts)
        return 0;
    free(room->left);
    room->left = malloc(length * sizeof *room->left);
    room->lefts = room->left ? length : 0;
    return room->left ? 0 : -1;
}

/* Scores are float32 sums in the order of the items of the history. */
static int answer(const void *kernel, Spare *spare, int32_t *history, const float *weights, size_t length, int32_t *out,
                  size_t outs, Best *best)
{
    const Neighbours *t = kernel;
    Room *room = (Room *)spare;
    int wrong = FINE;
    size_t entries = neighbours_entries(t, history, length);
    if (entries >= t->rows / OFTEN) {
        if (left_grown(room, length))
            return NO_MEMORY;
        return neighbours_blocks(t, room, history, weights, length, out, outs, best);
    }
    if (entries <= FEW && neighbours_few(t, room, history, weights, length, entries, out, outs, best, &wrong))
        return wrong;
    return neighbours_sums(t, room, history, weights, length, out, outs, best);
}

static void said(int wrong, const void *kernel)
{
    const Neighbours *t = kernel;
    if (wrong == WRONG_ITEM)
        PyErr_Format(DataError, "an item is none of the matrix: those of a history are 0 or more and below %zu, those "
                     "to leave out below %zu", t->columns, t->rows);
    else if (wrong == DAMAGED)
        PyErr_SetString(DataError, "an item-item matrix is damaged: its codes changed while it was used");
    else
        PyErr_SetString(DataError, "an item-item matrix gives NaN as a score: its numbers are too large to add up");
}

static Asked asked_of(PyObject *self)
{
    Neighbours *t = (Neighbours *)self;
    return (Asked){t, t->rows, t->columns, &t->free, room_more, ahead, brief, answer, said};
}

static PyObject *neighbours_top(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    if (count != 6)
        return PyErr_SetString(PyExc_TypeError, "top takes history, weights, k, out, items, scores"), NULL;
    return asked_top(&a, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static PyObject *neighbours_best(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_best(&a, args, count);
}

static PyObject *neighbours_top_of_all(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_top_of_all(&a, args, count);
}

static PyMethodDef methods[] = {
    {"best", (PyCFunction)(void (*)(void))neighbours_best, METH_FASTCALL, "The same as one value, or None."},
    {"top", (PyCFunction)(void (*)(void))neighbours_top, METH_FASTCALL, "The k best items for one history."},
    {"top_of_all", (PyCFunction)(void (*)(void))neighbours_top_of_all, METH_FASTCALL, "The k best for every history."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)neighbours_new},
    {Py_tp_dealloc, (void *)neighbours_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"recprune.kernels._native.Neighbours", sizeof(Neighbours), 0, Py_TPFLAGS_DEFAULT, slots};

int neighbours_add(PyObject *module)
{
    NeighboursType = (PyTypeObject *)PyType_FromSpec(&spec);
    return NeighboursType ? PyModule_AddObjectRef(module, "Neighbours", (PyObject *)NeighboursType) : -1;
}
