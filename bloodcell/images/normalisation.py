"""Mean and deviation that images are normalised by, without torch."""

IMAGENET_MEAN: tuple[float, ...] = (0.485, 0.456, 0.406)
"""Red, green, blue, of values from 0 to 1."""
IMAGENET_STD: tuple[float, ...] = (0.229, 0.224, 0.225)

PixelScale = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation per channel of pixel values from 0 to 1; what a model reads is normalised by them."""
