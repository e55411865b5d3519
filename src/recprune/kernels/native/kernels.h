/* What all kernels share: the table of items, a search through it, and how buffers are checked. */
#ifndef RECPRUNE_KERNELS_H
#define RECPRUNE_KERNELS_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_X86 1
#endif

/* What Python asks for, see recprune/dispatch.py: another number when arguments change. */
#define KERNELS_VERSION 18

#define INLINE static inline __attribute__((always_inline))

/* Items are scanned in blocks of 16: one AVX-512 register, two of AVX2. */
enum { LANES = 16, LONGEST = 65536 };

/* Product codes: entries of a book, groups at most, rows that lie side by side. */
enum { BOOK = 256, MOST_GROUPS = 128, TOGETHER_ROWS = 64 };

typedef enum { PORTABLE, AVX2, AVX512, LEVELS } Level;

/* How numbers of rows are held: float32, bfloat16, a byte (code + 128), half a byte (code + 8); or no numbers, but a
 * centre and words that they are the sums of. */
typedef enum { FLOATS, HALVES, BYTES, NIBBLES, CODEBOOK, KINDS } Kind;

/* An array that is held, see buffers.c. */
typedef struct {
    Py_buffer view;
    int held;
} Buffer;

/* Room for one list, and what Python gets of it, see lean.c. */
typedef struct {
    PyObject *items, *scores; /* arrays */
    Buffer of_items, of_scores;
    size_t k;
} Lean;

typedef struct Spare {
    struct Spare *next;
    Lean lean;
} Spare;

/* Rows of items, laid out for scanning.
 *
 * The panel holds block after block; inside a block all 16 items stand side by side, so that a register of 16 scores is
 * summed up without ever adding across it. Of an item come together 1 float, 2 halves, 4 bytes or 8 nibbles:
 *   FLOATS  [dim][16]           HALVES  [dim / 2][16][2]
 *   BYTES   [dim / 4][16][4]    NIBBLES [dim / 8][16][4], low halves dims 0-3 of the eight, high halves dims 4-7
 * CODEBOOK: see words.c.
 * Places are rows of the panel, from the longest row to the shortest; ids says which item stands at a place.
 *
 * The panel may be coarser than the rows (`scanned != stored`): then rows are borrowed, and read for the few items that
 * could be among the best. What a block can be wrong by is kept as two numbers: `apart`, the largest distance between
 * a row and its copy in the panel, and `reach`, the largest length of either.
 */
typedef struct {
    PyObject_HEAD
    Level level;
    Kind stored, scanned;
    size_t n, d, blocks, step; /* step: bytes of a block */
    size_t items;              /* ids are below this */
    int exponent;              /* no row is as long as 2^exponent */
    uint8_t *panel;
    size_t panel_bytes;
    int32_t *ids;         /* (n,) place -> item */
    float *scale;         /* (blocks * 16) one unit of the panel, or NULL where that is 1 */
    float *weight;        /* (blocks * 16) what the dot product of a place is multiplied by, or NULL */
    float *bias;          /* (blocks * 16) what is added to it, or NULL */
    float *apart, *reach; /* (blocks) */
    float *loud;          /* (blocks) largest |bias|, or NULL */
    float *reach_left;    /* (blocks) largest reach from here on */
    float *bias_left;     /* (blocks) largest bias from here on, or NULL */
    float loudest;        /* largest |bias| */
    float reach_most;     /* largest reach */
    size_t groups;        /* of words, with their first columns and the end of the last */
    size_t edges[MOST_GROUPS + 1];
    float *columns;   /* (2, d, BOOK) centres and words, column by column; NULL where codes are not what is scanned */
    Py_buffer books;  /* (2, BOOK, d) float32, the same row by row; books.obj is NULL where there are none */
    Spare *spare;         /* room for lists that nobody uses */
    Py_buffer rows;       /* (items, d) float32 or bfloat16, or codes; rows.obj is NULL where the panel says it all */
} Table;

/* An item that may be among the best: its score, shifted as the query is, lies between low and high. */
typedef struct {
    double score; /* exact and not shifted, where known */
    float low, high;
    int32_t place;
    int32_t known;
} Held;

/* One query on its way through a table. */
typedef struct {
    const Table *table;
    const float *query; /* (d,) as it came */
    float *floats;      /* (d rounded up to 8) query * 2^-shift */
    int8_t *bytes;      /* the same in units of `unit` */
    float *row;         /* (d) room to decode a row into */
    uint8_t *words;     /* what codes look up: words_bytes() of them */
    float *scores;      /* (groups + 1, BOOK) what they stand for */
    float base, step;   /* a sum of those is base + step * sum */
    float fine;         /* what is left of `far` where scores are added up */
    float unit, bias_unit;
    int32_t start; /* what sums begin with: takes the 128 (or 8) of the codes off again */
    /* |score - exact| <= far * apart + slip * reach + bias_slip * loud + least, for every item of a block */
    float far, slip, bias_slip, least;
    double by;   /* 2^-shift */
    float norm;  /* length of the shifted query, rounded up */
    float bar;   /* k items are known to score as high: whoever stays below is out */
    size_t k, heaped, count, room;
    float *heap; /* (k) the k highest lower bounds, the smallest first */
    Held *held;  /* (room) */
    const int32_t *out; /* items that must not be listed, ascending */
    size_t outs;
    uint64_t marks[16]; /* a bit for some hash of each of them */
} Search;

/* How a level scans blocks begin..end of a table, for one query or for `width` at a time. */
typedef struct {
    int width;
    void (*one)(const Table *, size_t begin, size_t end, Search *);
    void (*many)(const Table *, size_t begin, size_t end, Search *const *);
} Scan;

extern const Scan scan_portable[KINDS];
#ifdef HAVE_X86
extern const Scan scan_avx2[KINDS];
extern const Scan scan_avx512[KINDS];
#endif

/* search.c */
int search_prepare(Search *, const Table *, const float *query, size_t k, const int32_t *out, size_t outs);
void search_offer(Search *, size_t block, uint32_t lanes, const float *scores, float error);
size_t search_finish(Search *, int64_t *items, float *scores);
size_t search_bytes(const Table *, size_t k);
void search_place(Search *, const Table *, size_t k, void *memory);

/* words.c */
size_t groups_of(const Buffer *edges, size_t columns, size_t *into);
size_t words_bytes(const Table *);
void words_prepare(Search *);
size_t words_byte(size_t row);
void words_row(const Table *, size_t place, float *row);
void words_item(const Table *, const Py_buffer *rows, size_t item, float *row);
int words_fast(Level);
const Scan *scan_words(Level);

/* Whether nothing from this block on can be among the best. */
INLINE int search_is_over(const Search *s, const Table *t, size_t block)
{
    float most = s->norm * t->reach_left[block] + s->least;
    if (t->bias)
        most += s->bias_unit * t->bias_left[block] + s->bias_slip * t->loudest;
    return most < s->bar;
}

INLINE float search_error(const Search *s, const Table *t, size_t block)
{
    float error = s->far * t->apart[block] + s->slip * t->reach[block] + s->least;
    return t->loud ? error + s->bias_slip * t->loud[block] : error;
}

/* buffers.c */
int buffer_take(Buffer *, PyObject *, const char *name, const char *types, int dims, int writable);
int buffer_try(Buffer *, PyObject *, const char *types, int dims);
void buffer_drop(Buffer *);
int level_of(PyObject *, Level *);
void *memory_take(size_t bytes);
void memory_drop(void *, size_t bytes);
int items_sorted(const Buffer *, size_t begin, size_t end, size_t below, int32_t *into);
int k_of(PyObject *, size_t *k);
size_t *starts_copied(const Buffer *, size_t rows, size_t entries);
extern PyObject *DataError;

/* lean.c */
int lean_ready(Lean *, size_t k);
void lean_drop(Lean *);
PyObject *lean_top(const Lean *, size_t found);
size_t lean_k(PyObject *, size_t there);

/* the parts of the module */
int lean_add(PyObject *module);
int table_add(PyObject *module);
int neighbours_add(PyObject *module);
int program_add(PyObject *module);
int walks_add(PyObject *module);
PyObject *top_of_scores(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *rows_of_codes(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *rows_of_values(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *rows_of_books(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *scores_of_books(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *sparse_product(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *least_squares(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *columns_of_rows(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *gram_largest(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *gram_at(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *largest_of_rows(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *softmax_rows(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *nearest_words(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *rows_of_words(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *sums_of_words(PyObject *, PyObject *const *, Py_ssize_t);

#endif
