/* How kernels of histories are asked, one list or many. */
#include "asking.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 256 };

typedef struct {
    const size_t *starts, *out_starts; /* out_starts: NULL where the history itself is left out */
    const Buffer *history, *weights, *out; /* weights: not held where all are 1 */
    int64_t *items;
    float *scores;
    size_t users, k;
    int fill;
} Requests;

/* Items of the history that is asked for, and those to leave out: 0 and how many these are, or what is wrong. */
static int taken(const Asked *a, const Requests *r, size_t u, int32_t *history, int32_t *out, size_t *outs)
{
    size_t begin = r->starts[u], length = r->starts[u + 1] - begin;
    if (items_sorted(r->history, begin, begin + length, a->known, history))
        return WRONG_ITEM;
    if (r->out_starts) {
        *outs = r->out_starts[u + 1] - r->out_starts[u];
        return items_sorted(r->out, r->out_starts[u], r->out_starts[u + 1], a->listed, out) ? WRONG_ITEM : FINE;
    }
    *outs = length;
    memcpy(out, history, length * sizeof *out);
    return length && (size_t)out[length - 1] >= a->listed ? WRONG_ITEM : FINE;
}

/* Room for what is asked: short lists need none of their own. */
typedef struct {
    int32_t *history, *out;
    Entry *best;
    int32_t few_history[SHORT], few_out[SHORT];
    Entry few_best[FLAT];
} Desk;

static int desk_ready(Desk *d, size_t history, size_t out, size_t best)
{
    d->history = history <= SHORT ? d->few_history : malloc(history * sizeof *d->history);
    d->out = out <= SHORT ? d->few_out : malloc(out * sizeof *d->out);
    d->best = best <= FLAT ? d->few_best : malloc(best_room(best) * sizeof *d->best);
    return d->history && d->out && d->best ? FINE : NO_MEMORY;
}

static void desk_drop(Desk *d)
{
    if (d->history != d->few_history)
        free(d->history);
    if (d->out != d->few_out)
        free(d->out);
    if (d->best != d->few_best)
        free(d->best);
}

static int answer_all(const Asked *a, Spare *room, const Requests *r, size_t *found)
{
    size_t longest = 0, most_out = 0, most = r->k < a->listed ? r->k : a->listed;
    for (size_t u = 0; u < r->users; u++) {
        size_t length = r->starts[u + 1] - r->starts[u];
        size_t out = r->out_starts ? r->out_starts[u + 1] - r->out_starts[u] : length;
        longest = length > longest ? length : longest, most_out = out > most_out ? out : most_out;
    }
    Desk desk;
    int wrong = desk_ready(&desk, longest, most_out, most);
    for (size_t u = 0; u < r->users && !wrong; u++) {
        size_t begin = r->starts[u], length = r->starts[u + 1] - begin, outs = 0;
        const float *weights = r->weights->held ? (const float *)r->weights->view.buf + begin : NULL;
        Best best = {.entries = desk.best, .k = most};
        wrong = taken(a, r, u, desk.history, desk.out, &outs);
        if (!wrong && most)
            wrong = a->answer(a->kernel, room, desk.history, weights, length, desk.out, outs, &best);
        if (wrong)
            break;
        *found = best_finish(&best, r->items + u * r->k, r->scores + u * r->k);
        for (size_t i = *found; r->fill && i < r->k; i++)
            r->items[u * r->k + i] = -1, r->scores[u * r->k + i] = -INFINITY;
    }
    desk_drop(&desk);
    return wrong;
}

static Spare *room_take(const Asked *a)
{
    Spare *room = *a->free;
    if (room)
        *a->free = room->next;
    else if (!(room = a->more(a->kernel)))
        PyErr_NoMemory();
    return room;
}

/* -1 with an error set. brief: other threads can wait. */
static int answered(const Asked *a, Spare *room, const Requests *r, int brief, size_t *found)
{
    PyThreadState *thread = brief ? NULL : PyEval_SaveThread();
    int wrong = answer_all(a, room, r, found);
    if (thread)
        PyEval_RestoreThread(thread);
    if (wrong == NO_MEMORY)
        PyErr_NoMemory();
    else if (wrong)
        a->said(wrong, a->kernel);
    return wrong ? -1 : 0;
}

static int asked(const Asked *a, const Requests *r, size_t *found)
{
    Spare *room = room_take(a);
    if (!room)
        return -1;
    int wrong = answered(a, room, r, 0, found);
    room->next = *a->free, *a->free = room;
    return wrong;
}

static int weights_fine(const Buffer *weights, const Buffer *history)
{
    size_t length = (size_t)history->view.shape[0];
    const char *at = history->view.buf;
    int fine = weights->view.shape[0] == history->view.shape[0];
    for (size_t i = 0; fine && i < length; i++) {
        fine = fabsf(((const float *)weights->view.buf)[i]) <= FLT_MAX;
        if (i && history->view.itemsize == 4)
            fine &= ((const int32_t *)at)[i - 1] <= ((const int32_t *)at)[i];
        else if (i)
            fine &= ((const int64_t *)at)[i - 1] <= ((const int64_t *)at)[i];
    }
    if (!fine)
        PyErr_SetString(DataError, "weights must be finite, one for every item of a history that rises");
    return fine;
}

/* history (any,) int, weights (any,) float32, None or NULL, k, out (any,) int or None, items (k,) int64, scores (k,)
 * float32 -> how many were found. With weights the history must rise. Without `out` the history is left out. */
PyObject *asked_top(const Asked *a, PyObject *history, PyObject *weights, PyObject *number, PyObject *out,
                    PyObject *items, PyObject *scores)
{
    size_t k, found = 0;
    if (k_of(number, &k))
        return NULL;
    Buffer h = {.held = 0}, w = {.held = 0}, o = {.held = 0}, i = {.held = 0}, s = {.held = 0};
    PyObject *done = NULL;
    if (buffer_take(&h, history, "the history", "il", 1, 0) ||
        (weights && weights != Py_None && buffer_take(&w, weights, "weights", "f", 1, 0)) ||
        (out != Py_None && buffer_take(&o, out, "items to leave out", "il", 1, 0)) ||
        buffer_take(&i, items, "items", "l", 1, 1) || buffer_take(&s, scores, "scores", "f", 1, 1))
        goto done;
    k = k < a->listed ? k : a->listed;
    size_t starts[2] = {0, (size_t)h.view.shape[0]}, outs[2] = {0, o.held ? (size_t)o.view.shape[0] : 0};
    if ((size_t)i.view.shape[0] < k || (size_t)s.view.shape[0] < k) {
        PyErr_Format(DataError, "room for %zd items where %zu are asked for", i.view.shape[0], k);
        goto done;
    }
    if (w.held && !weights_fine(&w, &h))
        goto done;
    Requests r = {starts, o.held ? outs : NULL, &h, &w, &o, i.view.buf, s.view.buf, 1, k, 0};
    if (!asked(a, &r, &found))
        done = PyLong_FromSize_t(found);
done:
    buffer_drop(&h), buffer_drop(&w), buffer_drop(&o), buffer_drop(&i), buffer_drop(&s);
    return done;
}

/* best(history (any,) int, k, out (any,) int or None) -> Top, or None where these are others, which Python turns into such
 * first. */
PyObject *asked_best(const Asked *a, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3)
        return PyErr_SetString(PyExc_TypeError, "best takes history, k, out"), NULL;
    Buffer h = {.held = 0}, w = {.held = 0}, o = {.held = 0};
    size_t k = lean_k(args[1], a->listed), found = 0;
    PyObject *top = NULL;
    if (!k || !buffer_try(&h, args[0], "il", 1) || (args[2] != Py_None && !buffer_try(&o, args[2], "il", 1))) {
        buffer_drop(&h);
        return Py_NewRef(Py_None);
    }
    if (a->ahead)
        a->ahead(a->kernel, &h);
    Spare *room = room_take(a);
    if (room && !lean_ready(&room->lean, k)) {
        int brief = a->brief && a->brief(a->kernel, &h);
        size_t starts[2] = {0, (size_t)h.view.shape[0]}, outs[2] = {0, o.held ? (size_t)o.view.shape[0] : 0};
        Requests r = {starts, o.held ? outs : NULL, &h, &w, &o, room->lean.of_items.view.buf,
                      room->lean.of_scores.view.buf, 1, k, 0};
        top = answered(a, room, &r, brief, &found) ? NULL : lean_top(&room->lean, found);
    }
    if (room)
        room->next = *a->free, *a->free = room;
    buffer_drop(&h), buffer_drop(&o);
    return top;
}

/* top_of_all(starts (users + 1,), history (any,), k, out_starts or None, out or None, items (users, k) int64, scores
 * (users, k) float32) -> None. Where fewer than k are found, -1 and -inf follow. */
PyObject *asked_top_of_all(const Asked *a, PyObject *const *args, Py_ssize_t count)
{
    size_t k, found = 0;
    if (count != 7)
        return PyErr_SetString(PyExc_TypeError, "top_of_all takes starts, history, k, starts, out, items, scores"), NULL;
    if (k_of(args[2], &k))
        return NULL;
    Buffer st = {.held = 0}, h = {.held = 0}, w = {.held = 0}, os = {.held = 0}, o = {.held = 0}, items = {.held = 0},
           scores = {.held = 0};
    size_t *starts = NULL, *outs = NULL;
    PyObject *done = NULL;
    if (buffer_take(&st, args[0], "starts", "l", 1, 0) || buffer_take(&h, args[1], "histories", "il", 1, 0) ||
        (args[3] != Py_None && buffer_take(&os, args[3], "starts of items to leave out", "l", 1, 0)) ||
        (args[4] != Py_None && buffer_take(&o, args[4], "items to leave out", "il", 1, 0)) ||
        buffer_take(&items, args[5], "items", "l", 2, 1) || buffer_take(&scores, args[6], "scores", "f", 2, 1))
        goto done;
    size_t users = (size_t)items.view.shape[0];
    if ((size_t)items.view.shape[1] != k || (size_t)scores.view.shape[0] != users ||
        (size_t)scores.view.shape[1] != k || os.held != o.held) {
        PyErr_Format(DataError, "room for (%zu, %zd) items where (users, %zu) are asked for, or starts without items",
                     users, items.view.shape[1], k);
        goto done;
    }
    if (!(starts = starts_copied(&st, users, (size_t)h.view.shape[0])) ||
        (o.held && !(outs = starts_copied(&os, users, (size_t)o.view.shape[0]))))
        goto done;
    Requests r = {starts, outs, &h, &w, &o, items.view.buf, scores.view.buf, users, k, 1};
    if (!asked(a, &r, &found))
        done = Py_NewRef(Py_None);
done:
    free(starts), free(outs);
    buffer_drop(&st), buffer_drop(&h), buffer_drop(&os), buffer_drop(&o), buffer_drop(&items), buffer_drop(&scores);
    return done;
}
