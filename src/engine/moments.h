/* Means and standard deviations of activations: a style loss that is cheaper than Gram matrices. Internal to
 * the engine.
 *
 * Li, Wang, Liu & Hou 2017, "Demystifying Neural Style Transfer" (BN statistics matching); these are what
 * AdaIN sets (Huang & Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
 * Normalization"). Activations are f[pixels][c] float32, c a multiple of 64. A channel's deviation is
 * sqrt(variance + NST_MOMENTS_EPSILON) over the pixels. Results are bit-identical for any team, and with any
 * set of kernels.
 */
#ifndef NST_ENGINE_MOMENTS_H
#define NST_ENGINE_MOMENTS_H

#include "nst/engine.h"

#include <stddef.h>

#define NST_MOMENTS_EPSILON 1e-5

/* Bytes of workspace that nst_moments_add needs. */
size_t nst_moments_workspace(size_t pixels, int c);

/* sums[2][c] += the sums over the pixels of row * f and of row * f^2; rows[pixels] are their weights, NULL
 * for 1 everywhere. `workspace` is aligned to 64 bytes. */
void nst_moments_add(
    nst_team *team, const float *f, size_t pixels, int c, const float *rows, double *sums, void *workspace);

/* moments[2][c] = the channels' means, then their deviations; `weight` is that of all pixels. */
void nst_moments_finish(const double *sums, double weight, int c, float *moments);

/* The mean over the channels of mean^2 + deviation^2. */
double nst_moments_power(const float *moments, int c);

/* Returns the mean over the channels of the squared difference of their means from target[2][c], plus that of
 * their deviations. `gradient`, if not NULL, receives [2][c] the slope and offset of each channel, with which
 * row * (slope * f + offset) is the gradient of scale * that sum by f. */
double nst_moments_loss(
    const double *sums, double weight, int c, const float *target, double scale, float *gradient);

#endif
