/* Factors of items beside a memory of who had what: what both say of a history, and the best of it, in one call.
 *
 * score(j) = log(p(j) + share * q(j) + 1e-20). p is the softmax over all items of cos(sum of rows of the history, row j)
 * / temperature; q is where walks end that lead from the history over users to items, or over entries to items, in
 * shares of their sum. Rows are floats, or codes of product quantisation: then the products of a query with all words
 * are written down once, and a row is added up from them (Jegou et al. 2011, section III.A). All is float32, in one fixed
 * order, so that every level lists the same with the same scores.
 */
#include "walks.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static PyTypeObject *WalksType;

void walks_drop(const Walks *t, Room *room)
{
    if (!room)
        return;
    lean_drop(&room->spare.lean), memory_drop(room->likely, padded(t) * 4), memory_drop(room->near, padded(t) * 4);
    memory_drop(room->touched, touched_bytes(t)), memory_drop(room->reached, t->users * 4);
    free(room->who), memory_drop(room->query, wide(t) * 4), memory_drop(room->products, (t->groups + 1) * WORDS * 4);
    free(room);
}

static Spare *room_more(const void *kernel)
{
    const Walks *t = kernel;
    Room *room = calloc(1, sizeof *room);
    if (room) {
        room->likely = memory_take(padded(t) * 4), room->near = memory_take(padded(t) * 4);
        room->touched = memory_take(touched_bytes(t)), room->reached = memory_take(t->users * 4);
        room->who = malloc(t->users * sizeof *room->who + 1), room->query = memory_take(wide(t) * 4);
        room->products = memory_take((t->groups + 1) * WORDS * 4);
        if (room->likely && room->near && room->touched && room->reached && room->who && room->query && room->products)
            return &room->spare;
    }
    walks_drop(t, room);
    return NULL;
}

/* Puts both together, and what is near back to zero. */
INLINE void join_body(const Walks *t, Room *room, float of_likely, float of_near)
{
    for (size_t block = 0; block < padded(t) / LANES; block++) {
        float *likely = room->likely + block * LANES, *near = room->near + block * LANES;
        for (size_t i = 0; i < LANES; i++)
            likely[i] *= of_likely;
        if (!room->touched[block])
            continue;
        room->touched[block] = 0;
        for (size_t i = 0; i < LANES; i++)
            likely[i] += of_near * near[i], near[i] = 0;
    }
}

static float score_of(float x) { return (float)log((double)x + 1e-20); }

/* What scores at most as high as the bar, surely, in units of what is compared. */
static float least_of(float bar) { return (float)(exp((double)bar) * (1 - 1e-5) - 1e-20); }

INLINE void look_body(const Walks *t, const float *likely, Best *best)
{
    float least = -0.5f; /* what is left out stands at -1 */
    for (size_t at = 0; at < padded(t); at += LANES) {
        int any = 0;
        for (size_t i = 0; i < LANES; i++)
            any |= likely[at + i] > least;
        if (__builtin_expect(!any, 1))
            continue;
        for (size_t i = 0; i < LANES && at + i < t->items; i++)
            if (likely[at + i] > least) {
                best_offer(best, score_of(likely[at + i]), (int32_t)(at + i));
                if (best->count == best->k)
                    least = least_of(best->bar);
            }
    }
}

typedef struct {
    void (*join)(const Walks *, Room *, float, float);
    void (*look)(const Walks *, const float *, Best *);
} Steps;

#define STEPS(NAME, TARGET)                                                                                            \
    TARGET static void join_##NAME(const Walks *t, Room *r, float a, float b) { join_body(t, r, a, b); }               \
    TARGET static void look_##NAME(const Walks *t, const float *x, Best *b) { look_body(t, x, b); }                    \
    static const Steps steps_##NAME = {join_##NAME, look_##NAME};

STEPS(portable, )
#ifdef HAVE_X86
STEPS(avx2, T256)
STEPS(avx512, T512)
#endif

static const Steps *steps_of(const Walks *t)
{
#ifdef HAVE_X86
    if (t->level == AVX512)
        return &steps_avx512;
    if (t->level == AVX2)
        return &steps_avx2;
#endif
    return &steps_portable;
}

/* An item that comes twice counts once; nothing is weighted. */
static int answer(const void *kernel, Spare *spare, int32_t *history, const float *weights, size_t length, int32_t *out,
                  size_t outs, Best *best)
{
    const Walks *t = kernel;
    Room *room = (Room *)spare;
    (void)weights;
    const Steps *steps = steps_of(t);
    size_t once = 0;
    for (size_t i = 0; i < length; i++)
        if (!once || history[once - 1] != history[i])
            history[once++] = history[i];
    double likely = walks_likely(t, room, history, once);
    walks_end(t, room, history, once);
    double near = walks_near(t, room);
    int fine = likely > 0 && likely <= DBL_MAX && near >= 0 && near <= DBL_MAX;
    steps->join(t, room, (float)(1 / likely), (float)((double)t->share / (near > 1e-20 ? near : 1e-20)));
    if (!fine)
        return NOT_A_NUMBER;
    for (size_t i = 0; i < outs; i++)
        room->likely[out[i]] = -1;
    for (size_t i = 0; i < t->nevers; i++)
        room->likely[t->never[i]] = -1;
    best_begin(best, -INFINITY);
    steps->look(t, room->likely, best);
    return FINE;
}

static void said(int wrong, const void *kernel)
{
    const Walks *t = kernel;
    if (wrong == WRONG_ITEM)
        PyErr_Format(DataError, "an item is none of the factors: they are 0 or more and below %zu", t->items);
    else
        PyErr_SetString(DataError, "factors or a memory give NaN as a score: their numbers are too large");
}

static Asked asked_of(PyObject *self)
{
    Walks *t = (Walks *)self;
    return (Asked){t, t->items, t->items, &t->free, room_more, NULL, NULL, answer, said};
}

static PyObject *walks_top(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "top takes history, k, out, items, scores"), NULL;
    return asked_top(&a, args[0], NULL, args[1], args[2], args[3], args[4]);
}

static PyObject *walks_best(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_best(&a, args, count);
}

static PyObject *walks_top_of_all(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_top_of_all(&a, args, count);
}

static PyMethodDef methods[] = {
    {"best", (PyCFunction)(void (*)(void))walks_best, METH_FASTCALL, "The same as one value, or None."},
    {"top", (PyCFunction)(void (*)(void))walks_top, METH_FASTCALL, "The k best items for one history."},
    {"top_of_all", (PyCFunction)(void (*)(void))walks_top_of_all, METH_FASTCALL, "The k best for every history."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)walks_new},
    {Py_tp_dealloc, (void *)walks_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"recprune.kernels._native.Walks", sizeof(Walks), 0, Py_TPFLAGS_DEFAULT, slots};

int walks_add(PyObject *module)
{
    WalksType = (PyTypeObject *)PyType_FromSpec(&spec);
    return WalksType ? PyModule_AddObjectRef(module, "Walks", (PyObject *)WalksType) : -1;
}
