/* recprune.kernels._native: what serves a pruned model fast. Python faces: catalogue.py, neighbours.py, lookup.py, program.py,
 * walks.py, products.py, least_squares.py, gram.py, largest.py, softmax.py. */
#include "kernels.h"

/* level() -> the highest level that this machine runs */
static PyObject *level_here(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    for (long level = LEVELS; level-- > 0;) {
        PyObject *number = PyLong_FromLong(level);
        Level found;
        if (!number)
            return NULL;
        int wrong = level_of(number, &found);
        Py_DECREF(number);
        if (!wrong)
            return PyLong_FromLong(level);
        PyErr_Clear();
    }
    return PyLong_FromLong(PORTABLE);
}

static PyMethodDef methods[] = {
    {"level", level_here, METH_NOARGS, "The highest level that this machine runs."},
    {"top_of_scores", (PyCFunction)(void (*)(void))top_of_scores, METH_FASTCALL, "The k highest of rows of scores."},
    {"rows_of_codes", (PyCFunction)(void (*)(void))rows_of_codes, METH_FASTCALL, "Decoded rows of a table of codes."},
    {"rows_of_values", (PyCFunction)(void (*)(void))rows_of_values, METH_FASTCALL, "Decoded rows of shared values."},
    {"rows_of_books", (PyCFunction)(void (*)(void))rows_of_books, METH_FASTCALL, "Decoded rows of a table of product codes."},
    {"scores_of_books", (PyCFunction)(void (*)(void))scores_of_books, METH_FASTCALL, "Scores of rows of product codes."},
    {"sparse_product", (PyCFunction)(void (*)(void))sparse_product, METH_FASTCALL, "Mostly zeros, times a matrix."},
    {"columns_of_rows", (PyCFunction)(void (*)(void))columns_of_rows, METH_FASTCALL, "A matrix the other way round."},
    {"least_squares", (PyCFunction)(void (*)(void))least_squares, METH_FASTCALL, "Rows by conjugate gradients."},
    {"gram_largest", (PyCFunction)(void (*)(void))gram_largest, METH_FASTCALL, "The k largest of rows of M'M."},
    {"gram_at", (PyCFunction)(void (*)(void))gram_at, METH_FASTCALL, "Some entries of M'M."},
    {"largest_of_rows", (PyCFunction)(void (*)(void))largest_of_rows, METH_FASTCALL, "The k largest of sparse rows."},
    {"nearest_words", (PyCFunction)(void (*)(void))nearest_words, METH_FASTCALL, "Codes of rows by a book."},
    {"rows_of_words", (PyCFunction)(void (*)(void))rows_of_words, METH_FASTCALL, "Rows that codes stand for by a book."},
    {"sums_of_words", (PyCFunction)(void (*)(void))sums_of_words, METH_FASTCALL, "Sums of the rows of each code."},
    {"softmax_rows", (PyCFunction)(void (*)(void))softmax_rows, METH_FASTCALL, "Rows of scores made into shares."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *errors = PyImport_ImportModule("recprune.errors");
    if (!errors)
        return NULL;
    DataError = PyObject_GetAttrString(errors, "DataError");
    Py_DECREF(errors);
    PyObject *module = DataError ? PyModule_Create(&definition) : NULL;
    if (module && (PyModule_AddIntConstant(module, "version", KERNELS_VERSION) ||
                   PyModule_AddIntConstant(module, "words_fast", words_fast(AVX512)) || lean_add(module) || table_add(module) ||
                   neighbours_add(module) || program_add(module) || walks_add(module))) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
