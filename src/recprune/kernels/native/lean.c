/* Lists as Python gets them, Top(items, scores), made here: a request of microseconds does not wait for Python to make
 * arrays, hand their buffers over and put them together. */
#include "kernels.h"

static PyObject *TopClass, *Empty, *CopyName;
static newfunc NewTuple;

/* Arrays of their own for k items, to be written and then copied. -1 with an error set. */
int lean_ready(Lean *l, size_t k)
{
    if (l->items && l->k == k)
        return 0;
    lean_drop(l);
    l->k = k;
    l->items = PyObject_CallFunction(Empty, "ns", (Py_ssize_t)k, "int64");
    l->scores = l->items ? PyObject_CallFunction(Empty, "ns", (Py_ssize_t)k, "float32") : NULL;
    if (l->scores && !buffer_take(&l->of_items, l->items, "items", "l", 1, 1) &&
        !buffer_take(&l->of_scores, l->scores, "scores", "f", 1, 1))
        return 0;
    lean_drop(l);
    return -1;
}

void lean_drop(Lean *l)
{
    buffer_drop(&l->of_items), buffer_drop(&l->of_scores);
    Py_CLEAR(l->items);
    Py_CLEAR(l->scores);
}

static PyObject *first_of(PyObject *array, size_t found, size_t k)
{
    if (found == k)
        return PyObject_CallMethodObjArgs(array, CopyName, NULL);
    PyObject *part = PySequence_GetSlice(array, 0, (Py_ssize_t)found);
    PyObject *copy = part ? PyObject_CallMethodObjArgs(part, CopyName, NULL) : NULL;
    Py_XDECREF(part);
    return copy;
}

/* The first that were found, as arrays that are the caller's. */
PyObject *lean_top(const Lean *l, size_t found)
{
    PyObject *items = first_of(l->items, found, l->k), *scores = items ? first_of(l->scores, found, l->k) : NULL;
    PyObject *pair = scores ? PyTuple_Pack(2, items, scores) : NULL, *packed = pair ? PyTuple_Pack(1, pair) : NULL;
    PyObject *top = packed ? NewTuple((PyTypeObject *)TopClass, packed, NULL) : NULL;
    Py_XDECREF(items);
    Py_XDECREF(scores);
    Py_XDECREF(pair);
    Py_XDECREF(packed);
    return top;
}

enum { MOST = 4096 };

/* How many are asked for, and there are: 0 where that is no plain whole number, and Python has to look at it first, or more
 * than room is kept for. */
size_t lean_k(PyObject *number, size_t there)
{
    if (!PyLong_CheckExact(number))
        return 0;
    Py_ssize_t asked = PyLong_AsSsize_t(number);
    if (asked == -1 && PyErr_Occurred())
        PyErr_Clear();
    size_t k = asked < 1 || asked > INT32_MAX ? 0 : (size_t)asked;
    k = k < there ? k : there;
    return k <= MOST ? k : 0;
}

int lean_add(PyObject *module)
{
    (void)module;
    PyObject *numpy = PyImport_ImportModule("numpy"), *top = PyImport_ImportModule("recprune.kernels.top");
    Empty = numpy ? PyObject_GetAttrString(numpy, "empty") : NULL;
    TopClass = top ? PyObject_GetAttrString(top, "Top") : NULL;
    CopyName = PyUnicode_InternFromString("copy");
    NewTuple = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    Py_XDECREF(numpy);
    Py_XDECREF(top);
    return Empty && TopClass && CopyName && NewTuple ? 0 : -1;
}
