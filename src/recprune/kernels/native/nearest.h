/* The nearest entries of books on their way to rows, see nearest_scan.h. */
#ifndef RECPRUNE_NEAREST_H
#define RECPRUNE_NEAREST_H

#include "kernels.h"

/* Entries of a book are scanned so many at a time at most, at every level. */
enum { ENTRIES_TOGETHER = 64 };

typedef struct {
    const float *rows; /* (n, d) */
    size_t n, d, wide; /* wide: entries of a book, rounded up to ENTRIES_TOGETHER */
    const float *columns; /* (d, wide) the book, column by column */
    const float *half;    /* (groups, wide) half the squared length of each entry in a group; infinite where there is none */
    const size_t *edges;  /* (groups + 1) */
    size_t groups;
    uint8_t *out; /* (n, groups) */
} Nearest;

void nearest_portable(const Nearest *);
#ifdef HAVE_X86
void nearest_avx2(const Nearest *);
void nearest_avx512(const Nearest *);
#endif

#endif
