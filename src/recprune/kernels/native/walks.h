/* Factors beside a memory, in parts: what they are made from (walks_made.c), what factors say (walks_factors.c), where walks
 * end (walks_memory.c), and the best of both, as it is asked for (walks.c). */
#ifndef RECPRUNE_WALKS_H
#define RECPRUNE_WALKS_H

#include "asking.h"

#ifdef HAVE_X86
#define T256 __attribute__((target("avx2")))
#define T512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#endif

enum { WORDS = 256 };

/* Room for one request; near and reached are all zero whenever nobody uses them. */
typedef struct {
    Spare spare;      /* first */
    float *likely;    /* (items + padding) */
    float *near;      /* (items + padding) */
    uint8_t *touched; /* one for 16 items */
    float *reached;   /* (users) how likely a walk is at each */
    int32_t *who;     /* (users) those that are reached */
    float *query;     /* (width rounded up to 16) */
    float *products;  /* (groups + 1, 256) */
} Room;

/* Lists of a memory: `starts` (rows + 1), and what stands in each. */
typedef struct {
    size_t rows, entries;
    size_t *starts;
    int32_t *at;
    float *values; /* (entries), or NULL for 1 */
} Lists;

typedef struct {
    PyObject_HEAD
    Level level;
    size_t items, users, width, groups; /* groups: 0 where rows are floats */
    Py_buffer rows;                     /* lent: (items, groups + 1) codes or (items, width) floats */
    float *books;                       /* (width, 256) centres, then as many words, turned so that words lie together */
    size_t *edges;                      /* (groups + 1) where groups begin and end */
    float *inverse;                     /* (items + padding) 1 / the length of a row */
    float temperature, share;
    Lists had, by; /* by item: users, or items; by user: items; by.starts is NULL where entries lead to items */
    float *comes;  /* (items) which part of what comes back to an item has begun there */
    int32_t *never;
    size_t nevers;
    Spare *free;
} Walks;

INLINE size_t padded(const Walks *t) { return (t->items + LANES - 1) / LANES * LANES; }
INLINE size_t wide(const Walks *t) { return (t->width + LANES - 1) / LANES * LANES; }
INLINE size_t touched_bytes(const Walks *t) { return (padded(t) / LANES + 8) / 8 * 8; }

/* walks.c */
void walks_drop(const Walks *, Room *);

/* walks_made.c */
PyObject *walks_new(PyTypeObject *, PyObject *args, PyObject *named);
void walks_dealloc(PyObject *);

/* walks_factors.c: room->likely becomes shares of the softmax, not yet divided by their sum, which is returned. */
double walks_likely(const Walks *, Room *, const int32_t *history, size_t length);

/* walks_memory.c: room->near becomes where walks of a history end; and the sum of it. */
void walks_end(const Walks *, Room *, const int32_t *history, size_t length);
double walks_near(const Walks *, const Room *);

#endif
