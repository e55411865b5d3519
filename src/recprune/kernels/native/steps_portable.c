/* Steps of a program by vectors of four floats, which every compiler makes of plain C. */
#include "program.h"

typedef float V __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
#define TARGET
#define WIDE 4
#define FMA(A, B, C) ((A) * (B) + (C))
#define TALL 2
#define BROAD 1
#define STEP step_portable
#include "steps.h"
