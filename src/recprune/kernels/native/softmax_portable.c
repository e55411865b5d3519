/* Shares by vectors of four floats, which every compiler makes of plain C. */
#include "shares.h"

typedef float V __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
typedef uint16_t VH __attribute__((vector_size(8)));
#define TARGET 
#define WIDE 4
#define FMA(A, B, C) ((A) * (B) + (C))
#define SHARES shares_portable
#include "softmax.h"
