/* Nearest entries by AVX2: eight floats in a register. */
#include "nearest.h"

#ifdef HAVE_X86
#include "avx2.h"

#define NEAREST nearest_avx2
#include "nearest_scan.h"
#endif
