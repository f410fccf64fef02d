#!/usr/bin/env python3
"""make.py: writes values.npz, what torchvision and scikit-image make of the image that augment.py
in tests/stdlib begins with. Needs python3-torchvision and
python3-skimage of Debian 12 (torchvision 0.14.1, scikit-image 0.19.3); run it anew only to add a
case."""
import math
import os

import numpy as np
import skimage.color
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

HERE = os.path.dirname(os.path.abspath(__file__))


def image(channels, rows, columns):
    """Smooth colours with some saturated ones; whole numbers of 1/255."""
    c, i, j = np.meshgrid(np.arange(channels), np.arange(rows), np.arange(columns), indexing="ij")
    v = 0.5 + 0.62 * np.sin(1.1 * c + 0.55 * i + 0.31 * (c + 1) *
                            j) * np.cos(0.2 * i * (c - 1) + 0.4 * j)
    return np.floor(np.clip(v, 0, 1) * 255 + 0.5)


bytes_of = torch.tensor(image(3, 13, 11)).to(torch.uint8)
x = bytes_of.double() / 255
bilinear = InterpolationMode.BILINEAR
# torchvision weighs pixels at the edge twice when it is given a fill, so it is given none.
cases = {
    "brightness": F.adjust_brightness(x, 1.4), "contrast": F.adjust_contrast(x, 1.7),
         "saturation": F.adjust_saturation(x, 0.3),
    "hue": F.adjust_hue(x, 0.3), "hue_back": F.adjust_hue(x, -0.45),
         "solarise": F.solarize(x, 0.4), "grey": F.rgb_to_grayscale(x, 3),
    "posterise": F.posterize(bytes_of, 3).double() / 255,
         "equalise": F.equalize(bytes_of).double() / 255, "autocontrast": F.autocontrast(x),
    "blur": F.gaussian_blur(x, [7, 7], [1.3, 1.3]),
         "blur_wide": F.gaussian_blur(x, [9, 9], [2.0, 2.0]),
         "sharpness": F.adjust_sharpness(x, 2.5), "smooth": F.adjust_sharpness(x, 0.2),
    "rotate": F.rotate(x, 33, interpolation=bilinear),
         "rotate_half": F.rotate(x, 180, interpolation=bilinear),
    "affine": F.affine(x, angle=-20, translate=[2, -1], scale=1.3, shear=[12, -7],
                       interpolation=bilinear),
    "resize": F.resize(x, [7, 17], interpolation=bilinear, antialias=False),
    "shear_x": F.affine(x, angle=0, translate=[0, 0], scale=1,
                        shear=[math.degrees(math.atan(0.3 * 0.7)), 0], interpolation=bilinear,
                        center=[0, 0]),
    "shear_y": F.affine(x, angle=0, translate=[0, 0], scale=1,
                        shear=[0, math.degrees(math.atan(0.3 * 0.7))], interpolation=bilinear,
                        center=[0, 0]),
}
steps = [lambda t: F.adjust_brightness(t, 1.3), lambda t: F.adjust_contrast(t, 0.6),
         lambda t: F.adjust_saturation(t, 1.8), lambda t: F.adjust_hue(t, 0.15)]
for order in ("0123", "3210", "2031", "1302", "13"):
    y = x
    for k in order:
        y = steps[int(k)](y)
    cases["jitter_" + order] = y
channels_last = x.permute(1, 2, 0).numpy()
cases["lab"] = torch.tensor(skimage.color.rgb2lab(channels_last)).permute(2, 0, 1)
cases["hsv"] = torch.tensor(skimage.color.rgb2hsv(channels_last)).permute(2, 0, 1)
np.savez_compressed(os.path.join(HERE, "values.npz"), image=image(3, 13, 11).astype(np.int32),
                    **{name: value.numpy().astype(np.float32) for name, value in cases.items()})
print(len(cases), "cases")
