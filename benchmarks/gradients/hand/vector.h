/* The vector functions of the C library.
 *
 * `#pragma omp simd` around a loop of these has it call libmvec, four numbers at a time or as many
 * as the machine has lanes, and leaves NaN and infinity their meaning (-ffast-math would not). */
#ifndef VECTOR_H
#define VECTOR_H

#include <math.h>

#pragma omp declare simd notinbranch
extern double exp(double);
#pragma omp declare simd notinbranch
extern double log(double);
#pragma omp declare simd notinbranch
extern double sin(double);
#pragma omp declare simd notinbranch
extern double cos(double);
#pragma omp declare simd notinbranch
extern double tanh(double);

#endif
