/* Shares by AVX-512: sixteen floats in a register. */
#include "shares.h"

#ifdef HAVE_X86
#include "avx512.h"

#define SHARES shares_avx512
#include "softmax.h"
#endif
