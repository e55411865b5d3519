/* By AVX2: eight floats in a register: V of floats, VI of int32, VH of uint16, WIDE lanes of each. */
#ifndef RECPRUNE_VECTORS_AVX2_H
#define RECPRUNE_VECTORS_AVX2_H

#include <stdint.h>
#include <immintrin.h>

typedef float V __attribute__((vector_size(32)));
typedef int32_t VI __attribute__((vector_size(32)));
typedef uint16_t VH __attribute__((vector_size(16)));
#define TARGET __attribute__((target("avx2,fma")))
#define WIDE 8
#define FMA(A, B, C) ((V)_mm256_fmadd_ps((__m256)(A), (__m256)(B), (__m256)(C)))

#endif
