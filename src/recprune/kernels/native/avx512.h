/* By AVX-512: sixteen floats in a register: V of floats, VI of int32, VH of uint16, WIDE lanes of each. */
#ifndef RECPRUNE_VECTORS_AVX512_H
#define RECPRUNE_VECTORS_AVX512_H

#include <stdint.h>
#include <immintrin.h>

typedef float V __attribute__((vector_size(64)));
typedef int32_t VI __attribute__((vector_size(64)));
typedef uint16_t VH __attribute__((vector_size(32)));
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define WIDE 16
#define FMA(A, B, C) ((V)_mm512_fmadd_ps((__m512)(A), (__m512)(B), (__m512)(C)))

#endif
