/* By vectors of four floats, which every compiler makes of plain C: V of floats, VI of int32, VH of uint16, WIDE lanes of each. */
#ifndef RECPRUNE_VECTORS_PORTABLE_H
#define RECPRUNE_VECTORS_PORTABLE_H

#include <stdint.h>

typedef float V __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
typedef uint16_t VH __attribute__((vector_size(8)));
#define TARGET
#define WIDE 4
#define FMA(A, B, C) ((A) * (B) + (C))

#endif
