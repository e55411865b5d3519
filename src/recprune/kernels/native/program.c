/* The program of a click model as Python holds it: made once, never changed, run by any number of threads. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 }; /* slots, steps and columns of a program */

typedef struct {
    PyObject_HEAD
    int (*step)(const Step *, const Block *);
    size_t inputs, slots, count, floats, room; /* floats: of all slots of a row; room: of the widest row of a table */
    size_t *widths, *strides;
    char *types; /* (inputs) 'l' an id, 'f' a number, 'b' a bag of ids */
    Step *steps;
    float bias;
    size_t longest; /* of a sequence, where rows are one; else 0 */
    int recurs;     /* what is inside of a sequence counts, also where it is no item */
    int whole;      /* and so does what is in front */
    float *arena; /* for a block, where nobody else uses it */
    size_t arena_bytes;
    int busy;
} Program;

static PyTypeObject *ProgramType;

/* --- made --- */

static int refuse(size_t at, const char *why)
{
    PyErr_Format(DataError, "step %zu of the program %s", at, why);
    return -1;
}

static int is_slot(const Program *p, size_t slot, size_t width) { return slot < p->slots && p->widths[slot] >= width; }

static int copy_floats(float **into, size_t *bytes, size_t room, const float *from, size_t count)
{
    *bytes = room * sizeof **into;
    if (!(*into = memory_take(*bytes)))
        return PyErr_NoMemory(), -1;
    memcpy(*into, from, count * sizeof **into);
    return 0;
}

/* (LOOK_UP or MEAN, column, offset, into, at, kind, columns, rows, scale or None, edges or None, turn (columns, columns) or
 * None); of product codes the scale is the books */
static int take_table(Program *p, Step *s, size_t number, PyObject *told)
{
    static const char *types[KINDS] = {"f", "", "b", "B", "B"};
    Py_ssize_t op, column, offset, into, at, kind, wide;
    PyObject *rows, *scale, *edges, *turn;
    if (!PyArg_ParseTuple(told, "nnnnnnnOOOO", &op, &column, &offset, &into, &at, &kind, &wide, &rows, &scale, &edges, &turn))
        return -1;
    if (column < 0 || (size_t)column >= p->inputs || p->types[column] != (s->op == MEAN ? 'b' : 'l'))
        return refuse(number, "looks up a column that it does not take");
    if (kind < 0 || kind >= KINDS || kind == HALVES || wide < 1 || wide > LONGEST || offset < 0 || at < 0 || into < -1)
        return refuse(number, "has no possible table");
    Buffer r = {.held = 0}, c = {.held = 0}, e = {.held = 0}, t = {.held = 0};
    int coded = kind != FLOATS, spelled = kind == CODEBOOK, turned = turn != Py_None, fits;
    if (buffer_take(&r, rows, "rows", types[kind], 2, 0) ||
        (coded && buffer_take(&c, scale, "scale", "f", spelled ? 3 : 1, 0)) ||
        (spelled && buffer_take(&e, edges, "edges", "l", 1, 0)) || (turned && buffer_take(&t, turn, "turn", "f", 2, 0)))
        goto wrong;
    s->kind = (Kind)kind, s->column = (size_t)column, s->offset = (int64_t)offset, s->at = (size_t)at;
    s->n = (size_t)r.view.shape[0], s->d = (size_t)wide, s->into = into < 0 ? NOWHERE : (size_t)into;
    fits = s->into == NOWHERE ? s->d == 1 : is_slot(p, s->into, s->at + s->d);
    if (spelled) {
        if (!(s->columns = malloc((MOST_GROUPS + 1) * sizeof *s->columns))) {
            PyErr_NoMemory();
            goto wrong;
        }
        s->count = groups_of(&e, s->d, s->columns);
        fits = fits && s->count && c.view.shape[0] == 2 && c.view.shape[1] == BOOK && (size_t)c.view.shape[2] == s->d;
    } else
        fits = fits && (!coded || (size_t)c.view.shape[0] == s->n);
    size_t width = spelled ? s->count + 1 : kind == NIBBLES ? (s->d + 1) / 2 : s->d;
    if (turned)
        fits = fits && s->into != NOWHERE && (size_t)t.view.shape[0] == s->d && (size_t)t.view.shape[1] == s->d;
    if (!fits || (size_t)r.view.shape[1] != width) {
        refuse(number, "has a table that does not fit");
        goto wrong;
    }
    if (turned && copy_floats(&s->numbers, &s->numbers_bytes, s->d * s->d, t.view.buf, s->d * s->d))
        goto wrong;
    p->room = s->d > p->room ? s->d : p->room;
    s->rows = r.view;
    if (coded)
        s->scale = c.view;
    buffer_drop(&e), buffer_drop(&t);
    return 0;
wrong:
    buffer_drop(&r), buffer_drop(&c), buffer_drop(&e), buffer_drop(&t);
    return -1;
}

/* (STANDARD, columns (count,) int64, mean (count,), scale (count,), into, missing slot or -1) */
static int take_standard(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, into, gone;
    PyObject *columns, *mean, *scale;
    int wrong = -1;
    if (!PyArg_ParseTuple(told, "nOOOnn", &op, &columns, &mean, &scale, &into, &gone))
        return -1;
    Buffer c = {.held = 0}, m = {.held = 0}, k = {.held = 0};
    if (buffer_take(&c, columns, "columns", "l", 1, 0) || buffer_take(&m, mean, "mean", "f", 1, 0) ||
        buffer_take(&k, scale, "scale", "f", 1, 0))
        goto done;
    s->count = (size_t)c.view.shape[0], s->into = (size_t)into, s->first = gone < 0 ? NOWHERE : (size_t)gone;
    if (s->count < 1 || s->count > MOST || (size_t)m.view.shape[0] != s->count ||
        (size_t)k.view.shape[0] != s->count || !is_slot(p, s->into, s->count) ||
        (s->first != NOWHERE && !is_slot(p, s->first, s->count))) {
        refuse(number, "has numbers that do not fit");
        goto done;
    }
    if (!(s->columns = malloc(s->count * sizeof *s->columns))) {
        PyErr_NoMemory();
        goto done;
    }
    for (size_t i = 0; i < s->count; i++) {
        int64_t column = ((const int64_t *)c.view.buf)[i];
        if (column < 0 || (uint64_t)column >= p->inputs || p->types[column] != 'f') {
            refuse(number, "takes a number from a column that holds none");
            goto done;
        }
        s->columns[i] = (size_t)column;
    }
    if (copy_floats(&s->numbers, &s->numbers_bytes, 2 * s->count, m.view.buf, s->count))
        goto done;
    memcpy(s->numbers + s->count, k.view.buf, s->count * sizeof *s->numbers);
    wrong = 0;
done:
    buffer_drop(&c), buffer_drop(&m), buffer_drop(&k);
    return wrong;
}

/* (SPREAD, slot, missing slot or -1, into, at, weight (count, d), bias (count, d), missing (count, d) or None) */
static int take_spread(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, gone, into, at;
    PyObject *given[3];
    int wrong = -1;
    if (!PyArg_ParseTuple(told, "nnnnnOOO", &op, &slot, &gone, &into, &at, &given[0], &given[1], &given[2]))
        return -1;
    Buffer b[3] = {{.held = 0}, {.held = 0}, {.held = 0}};
    int parts = gone < 0 ? 2 : 3;
    for (int i = 0; i < parts; i++)
        if (buffer_take(&b[i], given[i], "weights of numbers", "f", 2, 0))
            goto done;
    s->slot = (size_t)slot, s->first = gone < 0 ? NOWHERE : (size_t)gone, s->into = (size_t)into, s->at = (size_t)at;
    s->count = (size_t)b[0].view.shape[0], s->d = (size_t)b[0].view.shape[1];
    int fits = at >= 0 && s->count <= MOST && s->d <= LONGEST && is_slot(p, s->slot, s->count) &&
               (s->first == NOWHERE || is_slot(p, s->first, s->count)) && is_slot(p, s->into, s->at + s->count * s->d);
    for (int i = 1; i < parts; i++)
        fits = fits && (size_t)b[i].view.shape[0] == s->count && (size_t)b[i].view.shape[1] == s->d;
    if (!fits) {
        refuse(number, "has weights of numbers that do not fit");
        goto done;
    }
    size_t some = s->count * s->d;
    if (copy_floats(&s->numbers, &s->numbers_bytes, 3 * some, b[0].view.buf, some))
        goto done;
    for (int i = 1; i < parts; i++)
        memcpy(s->numbers + (size_t)i * some, b[i].view.buf, some * sizeof *s->numbers);
    wrong = 0;
done:
    for (int i = 0; i < 3; i++)
        buffer_drop(&b[i]);
    return wrong;
}

/* (LAYER, slot, into, first or -1, plus or -1, relu, times, tail, weight (out, in), bias (out,)) */
static int take_layer(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, into, first, plus, times;
    PyObject *weight, *bias;
    int wrong = -1;
    if (!PyArg_ParseTuple(told, "nnnnnpnpOO", &op, &slot, &into, &first, &plus, &s->relu, &times, &s->tail, &weight,
                          &bias))
        return -1;
    if (times < 1 || times > MOST || (times > 1 && (first >= 0 || plus >= 0)))
        return refuse(number, "is a layer that is repeated so often, or crosses");
    Buffer w = {.held = 0}, b = {.held = 0};
    if (buffer_take(&w, weight, "weight", "f", 2, 0) || buffer_take(&b, bias, "bias", "f", 1, 0))
        goto done;
    s->slot = (size_t)slot, s->into = (size_t)into;
    s->first = first < 0 ? NOWHERE : (size_t)first, s->plus = plus < 0 ? NOWHERE : (size_t)plus;
    s->d = (size_t)w.view.shape[0], s->n = (size_t)w.view.shape[1], s->count = (size_t)times;
    size_t last = s->count > 1 ? (s->count - 1) * s->d + padded(s->d) : s->d;
    if (!s->d || !s->n || s->d > 16 * LONGEST || s->n > 16 * LONGEST || s->slot == s->into ||
        !is_slot(p, s->slot, s->count * s->n) || !is_slot(p, s->into, last) ||
        (s->count == 1 && p->widths[s->into] != s->d) || (size_t)b.view.shape[0] != s->d ||
        (s->first != NOWHERE && !is_slot(p, s->first, s->d)) || (s->plus != NOWHERE && !is_slot(p, s->plus, s->d))) {
        refuse(number, "is a layer that does not fit");
        goto done;
    }
    s->numbers_bytes = padded(s->d) * s->n * sizeof *s->numbers;
    if (!(s->numbers = memory_take(s->numbers_bytes))) {
        PyErr_NoMemory();
        goto done;
    }
    if (copy_floats(&s->bias, &s->bias_bytes, padded(s->d), b.view.buf, s->d))
        goto done;
    for (size_t out = 0; out < s->d; out++)
        for (size_t in = 0; in < s->n; in++)
            s->numbers[(out / LANES * s->n + in) * LANES + out % LANES] = ((const float *)w.view.buf)[out * s->n + in];
    wrong = 0;
done:
    buffer_drop(&w), buffer_drop(&b);
    return wrong;
}

/* (PAIRS, slot, count, width) */
static int take_pairs(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, count, wide;
    if (!PyArg_ParseTuple(told, "nnnn", &op, &slot, &count, &wide))
        return -1;
    if (count < 1 || count > LONGEST || wide < 1 || wide > LONGEST || !is_slot(p, (size_t)slot, (size_t)(count * wide)))
        return refuse(number, "has pairs that do not fit");
    s->slot = (size_t)slot, s->count = (size_t)count, s->d = (size_t)wide;
    return 0;
}

/* (DOT, slot, weight (width,)) */
static int take_dot(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot;
    PyObject *weight;
    if (!PyArg_ParseTuple(told, "nnO", &op, &slot, &weight))
        return -1;
    Buffer w = {.held = 0};
    int wrong = buffer_take(&w, weight, "weight", "f", 1, 0);
    s->slot = (size_t)slot;
    if (!wrong && (!is_slot(p, s->slot, 0) || p->widths[s->slot] != (size_t)w.view.shape[0]))
        wrong = refuse(number, "is a dot product that does not fit");
    if (!wrong)
        wrong = copy_floats(&s->numbers, &s->numbers_bytes, p->strides[s->slot], w.view.buf, p->widths[s->slot]);
    buffer_drop(&w);
    return wrong;
}

/* (PRODUCT or SUM, slot, other, into) */
static int take_product(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, other, into;
    if (!PyArg_ParseTuple(told, "nnnn", &op, &slot, &other, &into))
        return -1;
    s->slot = (size_t)slot, s->first = (size_t)other, s->into = (size_t)into;
    if (!is_slot(p, s->slot, 0) || !is_slot(p, s->first, 0) || !is_slot(p, s->into, 0) ||
        p->widths[s->slot] != p->widths[s->into] || p->widths[s->first] != p->widths[s->into])
        return refuse(number, "is a product that does not fit");
    return 0;
}

/* (ATTEND, queries, keys, values, rest, into, vectors, heads, width of a head) */
static int take_attend(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slots[5], count, heads, wide;
    if (!PyArg_ParseTuple(told, "nnnnnnnnn", &op, &slots[0], &slots[1], &slots[2], &slots[3], &slots[4], &count, &heads,
                          &wide))
        return -1;
    int fits = count > 0 && count <= MOST && heads > 0 && heads <= MOST && wide > 0 && wide <= MOST;
    for (int i = 0; fits && i < 5; i++)
        fits = is_slot(p, (size_t)slots[i], (size_t)(count * heads * wide)) && (i == 4 || slots[i] != slots[4]);
    if (!fits)
        return refuse(number, "is attention that does not fit");
    s->slot = (size_t)slots[0], s->first = (size_t)slots[1], s->plus = (size_t)slots[2], s->rest = (size_t)slots[3];
    s->into = (size_t)slots[4], s->count = (size_t)count, s->n = (size_t)heads, s->d = (size_t)wide;
    size_t room = (s->d + 1) * padded(s->count);
    p->room = room > p->room ? room : p->room;
    return 0;
}

/* (NORM, slot, into, tail, relu, least, weight (width,), bias (width,)) */
static int take_norm(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, into;
    PyObject *weight, *bias;
    if (!PyArg_ParseTuple(told, "nnnppfOO", &op, &slot, &into, &s->tail, &s->relu, &s->least, &weight, &bias))
        return -1;
    Buffer w = {.held = 0}, b = {.held = 0};
    int wrong = buffer_take(&w, weight, "weight", "f", 1, 0) || buffer_take(&b, bias, "bias", "f", 1, 0);
    s->slot = (size_t)slot, s->into = (size_t)into;
    if (!wrong) {
        s->d = (size_t)w.view.shape[0];
        if (!is_slot(p, s->slot, 0) || !is_slot(p, s->into, 0) || p->widths[s->slot] != s->d ||
            p->widths[s->into] != s->d || (size_t)b.view.shape[0] != s->d || !(s->least >= 0))
            wrong = refuse(number, "is a norm that does not fit");
    }
    if (!wrong)
        wrong = copy_floats(&s->numbers, &s->numbers_bytes, padded(s->d), w.view.buf, s->d) ||
                copy_floats(&s->bias, &s->bias_bytes, padded(s->d), b.view.buf, s->d);
    buffer_drop(&w), buffer_drop(&b);
    return wrong ? -1 : 0;
}

/* Whether a step may be of sequences that long, as all of a program are. */
static int is_longest(Program *p, Py_ssize_t longest)
{
    int fits = longest > 0 && longest <= MOST && (!p->longest || p->longest == (size_t)longest) && p->inputs == 2;
    if (fits)
        p->longest = (size_t)longest;
    return fits;
}

/* (LOOK_BACK, queries, keys, values, into, heads, width of a head, longest sequence, tail) */
static int take_look_back(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slots[4], heads, wide, longest;
    if (!PyArg_ParseTuple(told, "nnnnnnnnp", &op, &slots[0], &slots[1], &slots[2], &slots[3], &heads, &wide, &longest,
                          &s->tail))
        return -1;
    int fits = heads > 0 && heads <= MOST && wide > 0 && wide <= MOST && is_longest(p, longest);
    for (int i = 0; fits && i < 4; i++)
        fits = is_slot(p, (size_t)slots[i], (size_t)(heads * wide)) && (i == 3 || slots[i] != slots[3]);
    if (!fits)
        return refuse(number, "looks back in a way that does not fit");
    s->slot = (size_t)slots[0], s->first = (size_t)slots[1], s->plus = (size_t)slots[2], s->into = (size_t)slots[3];
    s->n = (size_t)heads, s->d = (size_t)wide;
    size_t room = (s->d + 1) * padded(p->longest);
    p->room = room > p->room ? room : p->room;
    return 0;
}

/* (RECUR, slot, into, longest sequence, weight (3 width, width)) */
static int take_recur(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, into, longest;
    PyObject *weight;
    if (!PyArg_ParseTuple(told, "nnnnO", &op, &slot, &into, &longest, &weight))
        return -1;
    Buffer w = {.held = 0};
    int wrong = buffer_take(&w, weight, "weight", "f", 2, 0);
    s->slot = (size_t)slot, s->into = (size_t)into;
    if (!wrong) {
        size_t h = s->d = (size_t)w.view.shape[1];
        if (h < 1 || h > LONGEST || (size_t)w.view.shape[0] != 3 * h || slot == into || !is_slot(p, s->slot, 3 * h) ||
            !is_slot(p, s->into, h) || p->widths[s->into] != h || !is_longest(p, longest)) {
            wrong = refuse(number, "recurs in a way that does not fit");
        } else {
            p->recurs = 1;
            p->room = padded(3 * h) > p->room ? padded(3 * h) : p->room;
            s->numbers_bytes = padded(3 * h) * h * sizeof *s->numbers, s->bias_bytes = padded(3 * h) * sizeof *s->bias;
            s->numbers = memory_take(s->numbers_bytes), s->bias = memory_take(s->bias_bytes);
            if (!s->numbers || !s->bias)
                wrong = (PyErr_NoMemory(), -1);
            for (size_t out = 0; !wrong && out < 3 * h; out++)
                for (size_t in = 0; in < h; in++)
                    s->numbers[(out / LANES * h + in) * LANES + out % LANES] =
                        ((const float *)w.view.buf)[out * h + in];
        }
    }
    buffer_drop(&w);
    return wrong ? -1 : 0;
}

/* (WINDOW, slot, into, vectors, rows apart, longest sequence, masked, tail) */
static int take_window(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, into, count, apart, longest;
    if (!PyArg_ParseTuple(told, "nnnnnnpp", &op, &slot, &into, &count, &apart, &longest, &s->masked, &s->tail))
        return -1;
    s->slot = (size_t)slot, s->into = (size_t)into, s->count = (size_t)count, s->offset = apart;
    if (count < 1 || count > MOST || apart < 1 || apart > MOST || slot == into || !is_slot(p, s->slot, 1) ||
        !is_slot(p, s->into, 1) || p->widths[s->into] != s->count * p->widths[s->slot] || !is_longest(p, longest))
        return refuse(number, "is a window that does not fit");
    s->d = p->widths[s->slot];
    *(s->masked ? &p->recurs : &p->whole) = 1;
    return 0;
}

/* (LARGEST, slot, into, at, first row, longest sequence) */
static int take_largest(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, into, at, first, longest;
    if (!PyArg_ParseTuple(told, "nnnnnn", &op, &slot, &into, &at, &first, &longest))
        return -1;
    s->slot = (size_t)slot, s->into = (size_t)into, s->at = (size_t)at, s->count = (size_t)first;
    if (slot == into || at < 0 || at > 16 * LONGEST || first < 0 || first >= longest || !is_slot(p, s->slot, 1) ||
        !is_slot(p, s->into, s->at + p->widths[s->slot]) || !is_longest(p, longest))
        return refuse(number, "takes the largest of what does not fit");
    s->d = p->widths[s->slot], p->whole = 1;
    return 0;
}

/* (WEIGH, slot, into, at, weight (sets, longest sequence), bias (sets,)) */
static int take_weigh(Program *p, Step *s, size_t number, PyObject *told)
{
    Py_ssize_t op, slot, into, at;
    PyObject *weight, *bias;
    if (!PyArg_ParseTuple(told, "nnnnOO", &op, &slot, &into, &at, &weight, &bias))
        return -1;
    Buffer w = {.held = 0}, b = {.held = 0};
    int wrong = buffer_take(&w, weight, "weight", "f", 2, 0) || buffer_take(&b, bias, "bias", "f", 1, 0);
    s->slot = (size_t)slot, s->into = (size_t)into, s->at = (size_t)at;
    if (!wrong) {
        s->count = (size_t)w.view.shape[0], s->n = (size_t)w.view.shape[1];
        if (slot == into || at < 0 || at > 16 * LONGEST || s->count < 1 || s->count > MOST || !is_slot(p, s->slot, 1) ||
            (size_t)b.view.shape[0] != s->count || !is_slot(p, s->into, s->at + s->count * p->widths[s->slot]) ||
            !is_longest(p, w.view.shape[1]))
            wrong = refuse(number, "weighs what does not fit");
        else
            s->d = p->widths[s->slot], p->whole = 1;
    }
    if (!wrong)
        wrong = copy_floats(&s->numbers, &s->numbers_bytes, s->count * s->n, w.view.buf, s->count * s->n) ||
                copy_floats(&s->bias, &s->bias_bytes, s->count, b.view.buf, s->count);
    buffer_drop(&w), buffer_drop(&b);
    return wrong ? -1 : 0;
}

static int take_step(Program *p, size_t number, PyObject *told)
{
    static int (*const take[STEPS])(Program *, Step *, size_t, PyObject *) = {
        take_table, take_table, take_standard, take_spread, take_layer,
        take_pairs, take_dot,   take_product,  take_attend, take_product,  take_norm,
        take_look_back, take_recur, take_window, take_largest, take_weigh};
    PyObject *name = PyTuple_Check(told) && PyTuple_Size(told) ? PyTuple_GetItem(told, 0) : NULL;
    long op = name ? PyLong_AsLong(name) : -1;
    if (op == -1 && PyErr_Occurred())
        return -1;
    if (op < 0 || op >= STEPS)
        return refuse(number, "is none");
    Step *s = &p->steps[number];
    s->op = (Operation)op, s->first = s->plus = NOWHERE;
    p->count = number + 1;
    return take[op](p, s, number, told);
}

static void program_free(Program *p)
{
    for (size_t i = 0; i < p->count; i++) {
        Step *s = &p->steps[i];
        if (s->rows.obj)
            PyBuffer_Release(&s->rows);
        if (s->scale.obj)
            PyBuffer_Release(&s->scale);
        memory_drop(s->numbers, s->numbers_bytes);
        memory_drop(s->bias, s->bias_bytes);
        free(s->columns);
    }
    free(p->steps), free(p->widths), free(p->strides), free(p->types);
    memory_drop(p->arena, p->arena_bytes);
    PyTypeObject *type = Py_TYPE((PyObject *)p);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(p);
    Py_DECREF(type);
}

static void program_dealloc(PyObject *self) { program_free((Program *)self); }

/* Floats of an arena for so many rows: slots, logits, room for a row, and what a masked read goes beyond them. */
static size_t arena_floats(const Program *p, size_t rows) { return (p->floats + 1) * rows + padded(p->room) + 4 * LANES; }

static size_t rows_of(const Program *p) { return p->longest ? p->longest : ROWS_AT_ONCE; }

static int take_shape(Program *p, const char *types, Py_ssize_t inputs, const Buffer *widths, Py_ssize_t count)
{
    p->inputs = (size_t)inputs, p->slots = (size_t)widths->view.shape[0];
    if (inputs < 1 || inputs > MOST || p->slots > MOST || count > MOST) {
        PyErr_Format(DataError, "a program has 1 to %d columns, and as many slots and steps at most", MOST);
        return -1;
    }
    p->types = calloc(p->inputs, 1);
    p->widths = calloc(p->slots + 1, sizeof *p->widths), p->strides = calloc(p->slots + 1, sizeof *p->strides);
    p->steps = calloc((size_t)count + 1, sizeof *p->steps);
    if (!p->types || !p->widths || !p->strides || !p->steps)
        return PyErr_NoMemory(), -1;
    memcpy(p->types, types, p->inputs);
    for (size_t i = 0; i < p->slots; i++) {
        int64_t width = ((const int64_t *)widths->view.buf)[i];
        if (width < 1 || width > 16 * LONGEST)
            return PyErr_Format(DataError, "slot %zu cannot be %lld wide", i, (long long)width), -1;
        p->widths[i] = (size_t)width, p->strides[i] = padded((size_t)width), p->floats += p->strides[i];
    }
    return 0;
}

/* Program(level, types of columns, widths of slots (int64), bias, steps) */
static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *level, *widths, *steps;
    const char *types;
    Py_ssize_t inputs;
    Level at;
    float bias;
    if ((named && PyDict_Size(named)) ||
        !PyArg_ParseTuple(args, "Oy#OfO!", &level, &types, &inputs, &widths, &bias, &PyTuple_Type, &steps)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "Program takes no keywords");
        return NULL;
    }
    Buffer w = {.held = 0};
    if (level_of(level, &at) || buffer_take(&w, widths, "widths", "l", 1, 0))
        return buffer_drop(&w), NULL;
    Program *p = (Program *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    Py_ssize_t count = PyTuple_Size(steps);
    int fine = p && !take_shape(p, types, inputs, &w, count);
    if (fine) {
        p->step = step_portable, p->bias = bias;
#ifdef HAVE_X86
        p->step = at == AVX512 ? step_avx512 : at == AVX2 ? step_avx2 : step_portable;
#endif
    }
    for (Py_ssize_t i = 0; fine && i < count; i++)
        fine = !take_step(p, (size_t)i, PyTuple_GetItem(steps, i));
    if (fine) {
        p->arena_bytes = arena_floats(p, rows_of(p)) * sizeof *p->arena;
        fine = (p->arena = memory_take(p->arena_bytes)) != NULL;
        if (!fine)
            PyErr_NoMemory();
    }
    buffer_drop(&w);
    if (!fine && p) {
        program_free(p);
        p = NULL;
    }
    return (PyObject *)p;
}

/* --- run --- */

static int64_t run(const Program *p, const Column *columns, size_t rows, float *out, float *arena, float **slots)
{
    size_t most = rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE;
    float *at = arena;
    for (size_t i = 0; i < p->slots; i++)
        slots[i] = at, at += p->strides[i] * most;
    for (size_t begin = 0; begin < rows; begin += most) {
        Block b = {begin, rows - begin < most ? rows - begin : most, columns, slots, p->strides, out + begin, at};
        for (size_t r = 0; r < b.rows; r++)
            b.logits[r] = p->bias;
        for (size_t i = 0; i < p->count; i++)
            if (p->step(&p->steps[i], &b))
                return (int64_t)i;
    }
    return -1;
}

static int take_columns(const Program *p, PyObject *given, Buffer *held, Column *columns, size_t rows)
{
    if (!PyTuple_Check(given) || (size_t)PyTuple_Size(given) != p->inputs)
        return PyErr_Format(DataError, "a tuple of %zu columns is needed", p->inputs), -1;
    for (size_t i = 0; i < p->inputs; i++) {
        int bag = p->types[i] == 'b';
        Buffer *b = &held[i];
        if (buffer_take(b, PyTuple_GetItem(given, (Py_ssize_t)i), "a column", p->types[i] == 'f' ? "f" : "il",
                        bag ? 2 : 1, 0))
            return -1;
        if ((size_t)b->view.shape[0] != rows)
            return PyErr_Format(DataError, "column %zu has %zd rows, not %zu", i, b->view.shape[0], rows), -1;
        columns[i].data = b->view.buf, columns[i].width = bag ? (size_t)b->view.shape[1] : 1;
        columns[i].type = p->types[i] == 'f' ? 'f' : b->view.itemsize == 4 ? 'i' : 'l';
    }
    return 0;
}

/* run(columns, out (rows,) float32) -> None */
static PyObject *program_run(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Program *p = (Program *)self;
    if (count != 2)
        return PyErr_SetString(PyExc_TypeError, "run takes columns, out"), NULL;
    if (p->longest)
        return PyErr_SetString(DataError, "the program reads sequences, and is not run on rows"), NULL;
    Buffer out = {.held = 0};
    if (buffer_take(&out, args[1], "out", "f", 1, 1))
        return buffer_drop(&out), NULL;
    size_t rows = (size_t)out.view.shape[0];
    PyObject *answer = NULL;
    Buffer *held = calloc(p->inputs, sizeof *held);
    Column *columns = calloc(p->inputs, sizeof *columns);
    float **slots = calloc(p->slots + 1, sizeof *slots), *arena = p->arena;
    int mine = p->busy;
    size_t bytes = arena_floats(p, rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE) * sizeof *arena;
    if (mine)
        arena = memory_take(bytes);
    else
        p->busy = 1;
    if (!held || !columns || !slots || !arena) {
        PyErr_NoMemory();
        goto done;
    }
    if (take_columns(p, args[0], held, columns, rows))
        goto done;
    int64_t wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = run(p, columns, rows, out.view.buf, arena, slots);
    Py_END_ALLOW_THREADS
    if (wrong < 0)
        answer = Py_NewRef(Py_None);
    else
        PyErr_Format(DataError, "an id of column %zu is none of its table, which has %zu rows",
                     p->steps[wrong].column, p->steps[wrong].n);
done:
    if (mine)
        memory_drop(arena, bytes);
    else
        p->busy = 0;
    for (size_t i = 0; held && i < p->inputs; i++)
        buffer_drop(&held[i]);
    free(held), free(columns), free(slots), buffer_drop(&out);
    return answer;
}

/* --- read --- */

/* What stands in the last row of the last slot, after each sequence. Places of no item are left out, those in front alone
 * where units recur or see windows, none where all places are told apart, and never the last. */
static int64_t read_all(const Program *p, const Buffer *sequences, float *out, float *arena, float **slots, int64_t *ids)
{
    size_t users = (size_t)sequences->view.shape[0], most = p->longest, last = p->slots - 1;
    float **ends = slots + p->slots, *at = arena;
    int64_t *places = ids + most;
    for (size_t i = 0; i < p->slots; i++)
        slots[i] = at, at += p->strides[i] * most;
    float *logits = at;
    for (size_t u = 0; u < users; u++) {
        const Column all = {sequences->view.buf, 1, sequences->view.itemsize == 4 ? 'i' : 'l'};
        const Column columns[2] = {{ids, 1, 'l'}, {places, 1, 'l'}};
        size_t rows = 0;
        for (size_t i = 0; i < most; i++) {
            int64_t id = id_at(&all, u * most + i);
            if (id || i == most - 1 || (p->recurs && rows) || p->whole)
                ids[rows] = id, places[rows++] = (int64_t)i;
        }
        for (size_t i = 0; i < p->slots; i++)
            ends[i] = slots[i] + (rows - 1) * p->strides[i];
        const Block whole = {0, rows, columns, slots, p->strides, logits, logits + most};
        const Block end = {0, 1, columns, ends, p->strides, logits, logits + most};
        for (size_t i = 0; i < p->count; i++) {
            const Step *s = &p->steps[i];
            if (p->step(s, s->tail && s->op != LOOK_BACK && s->op != WINDOW ? &end : &whole))
                return (int64_t)i;
        }
        memcpy(out + u * p->widths[last], ends[last], p->widths[last] * sizeof *out);
    }
    return -1;
}

/* read(sequences (users, longest) int, out (users, width of the last slot) float32) -> None */
static PyObject *program_read(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Program *p = (Program *)self;
    if (count != 2)
        return PyErr_SetString(PyExc_TypeError, "read takes sequences, out"), NULL;
    Buffer s = {.held = 0}, out = {.held = 0};
    float **slots = NULL, *arena = p->arena;
    int64_t *ids = NULL;
    int mine = p->busy;
    PyObject *answer = NULL;
    if (buffer_take(&s, args[0], "sequences", "il", 2, 0) || buffer_take(&out, args[1], "out", "f", 2, 1))
        goto done;
    if (!p->longest || memcmp(p->types, "ll", 2) || (size_t)s.view.shape[1] != p->longest ||
        out.view.shape[0] != s.view.shape[0] || (size_t)out.view.shape[1] != p->widths[p->slots - 1]) {
        PyErr_Format(DataError, "sequences are (%zd, %zd) and there is room for (%zd, %zd), where (users, %zu) and (users, "
                     "%zu) are needed", s.view.shape[0], s.view.shape[1], out.view.shape[0], out.view.shape[1],
                     p->longest, p->longest ? p->widths[p->slots - 1] : 0);
        goto done;
    }
    slots = calloc(2 * p->slots, sizeof *slots), ids = malloc(2 * p->longest * sizeof *ids);
    if (mine)
        arena = memory_take(p->arena_bytes);
    if (!slots || !ids || !arena) {
        PyErr_NoMemory();
        goto done;
    }
    p->busy = 1;
    int64_t wrong;
    Py_BEGIN_ALLOW_THREADS
    wrong = read_all(p, &s, out.view.buf, arena, slots, ids);
    Py_END_ALLOW_THREADS
    if (!mine)
        p->busy = 0;
    if (wrong < 0)
        answer = Py_NewRef(Py_None);
    else
        PyErr_Format(DataError, "an id of a sequence is none of its table, which has %zu rows", p->steps[wrong].n);
done:
    if (mine)
        memory_drop(arena == p->arena ? NULL : arena, p->arena_bytes);
    free(slots), free(ids);
    buffer_drop(&s), buffer_drop(&out);
    return answer;
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))program_read, METH_FASTCALL, "What is looked for after each sequence."},
    {"run", (PyCFunction)(void (*)(void))program_run, METH_FASTCALL, "A logit a row."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots_of_type[] = {
    {Py_tp_new, (void *)program_new},
    {Py_tp_dealloc, (void *)program_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"recprune.kernels._native.Program", sizeof(Program), 0, Py_TPFLAGS_DEFAULT, slots_of_type};

int program_add(PyObject *module)
{
    ProgramType = (PyTypeObject *)PyType_FromSpec(&spec);
    return ProgramType ? PyModule_AddObjectRef(module, "Program", (PyObject *)ProgramType) : -1;
}
