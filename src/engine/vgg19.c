#include "vgg19.h"

const nst_vgg19_layer nst_vgg19[NST_VGG19_CONVS] = {
    {"relu1_1", 0, 3, 64, false, 64, false},
    {"relu1_2", 2, 64, 64, false, 0, false},
    {"relu2_1", 5, 64, 128, true, 128, false},
    {"relu2_2", 7, 128, 128, false, 0, false},
    {"relu3_1", 10, 128, 256, true, 256, false},
    {"relu3_2", 12, 256, 256, false, 0, false},
    {"relu3_3", 14, 256, 256, false, 0, false},
    {"relu3_4", 16, 256, 256, false, 0, false},
    {"relu4_1", 19, 256, 512, true, 512, false},
    {"relu4_2", 21, 512, 512, false, 0, true},
    {"relu4_3", 23, 512, 512, false, 0, false},
    {"relu4_4", 25, 512, 512, false, 0, false},
    {"relu5_1", 28, 512, 512, true, 512, false},
};
