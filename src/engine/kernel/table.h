/* The table of one instruction set, included last; KERNELS and KERNELS_NAME are its names,
 * SLAB and CHAINED as in the table, LOOSE_PRODUCT its product where rounding may differ from place to place.
 */
#include "kernels.h"

const nst_kernels KERNELS = {.name = KERNELS_NAME,
    .slab = SLAB,
    .chained = CHAINED,
    .product = product,
    .loose_product = LOOSE_PRODUCT,
    .relu = relu,
    .pool = pool,
    .gradient = gradient,
    .unpool = unpool,
    .add_product = add_product,
    .winograd = {{2, input_tile_2, filter_row_2, output_tile_2},
        {4, input_tile_4, filter_row_4, output_tile_4}, {6, input_tile_6, filter_row_6, output_tile_6}}};
