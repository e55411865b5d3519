/* Steps of a program by vectors of four floats, which every compiler makes of plain C. */
#include "program.h"
#include "portable.h"

#define TALL 2
#define BROAD 1
#define STEP step_portable
#include "steps.h"
