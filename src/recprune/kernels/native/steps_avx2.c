/* Steps of a program by AVX2: eight floats in a register. */
#include "program.h"

#ifdef HAVE_X86
#include "avx2.h"

#define TALL 6
#define BROAD 1
#define STEP step_avx2
#include "steps.h"
#endif
