/* Cutting a picture into tiles, each of which the network sees with as much of its surroundings as its own
 * pixels depend on. Internal to the engine; pure functions, thread-safe.
 *
 * An activation of relu5_1 depends on 70 pixels beyond the 16 x 16 that it stands for: 1 of its own layer, 4
 * of relu4_x, 4 of relu3_x, 2 of relu2_x and 2 of relu1_x (Araujo, Norris & Sim 2019, "Computing Receptive
 * Fields of Convolutional Neural Networks"). All borders are multiples of 16 pixels, so that poolings fall
 * where they fall in the whole picture.
 */
#ifndef NST_ENGINE_TILES_H
#define NST_ENGINE_TILES_H

#include "nst/engine.h"

#include <stddef.h>

enum {
  NST_LEVELS = 5,      /* of poolings: relu1_x .. relu5_x; of level l, a pixel stands for 2^l x 2^l */
  NST_TILE_STEP = 192, /* pixels */
  NST_TILE_HALO = 80   /* 70, rounded up to whole pixels of relu5_1 */
};

/* A rectangle of pixels. */
typedef struct nst_area {
  int row, column, height, width;
} nst_area;

typedef struct nst_tile {
  nst_area inner; /* the tiles' make up the picture */
  nst_area outer; /* with what they depend on, as far as the picture goes */
} nst_tile;

/* The tiles of a picture: about `side` pixels to a side, all nearly alike, and none narrower than half a
 * step; 0: one, the whole. */
typedef struct nst_tiling {
  int height, width; /* of the picture */
  int rows, columns; /* of tiles */
} nst_tiling;

nst_tiling nst_tiling_make(int height, int width, int side);
int nst_tiling_count(const nst_tiling *tiling);

/* Tile 0 .. count - 1, row by row. */
nst_tile nst_tiling_at(const nst_tiling *tiling, int index);

/* What an area whose borders are multiples of 16, or the picture's, is at a level: odd last rows and
 * columns are dropped by each pooling. */
nst_area nst_area_at_level(nst_area area, int level);

/* The level of a layer's activation. */
int nst_level_of(int layer);

#endif
