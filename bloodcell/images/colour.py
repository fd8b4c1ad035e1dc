"""From any 8-bit colour space to sRGB: profiles, CMYK, transparency."""

import io

import numpy as np
from PIL import Image, ImageCms

_SPACE_OF_MODE = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_SAME_COLOUR_LEVELS = 2
"""A profile that moves no colour by more is taken as sRGB: the stored values are kept exactly."""
_LARGEST_PROFILE_BYTES = 8_000_000


def as_srgb(image: Image.Image, profile: bytes | None = None) -> Image.Image:
    """Return an 8-bit image as RGB over white, in sRGB where it carries an ICC profile.

    An alpha channel with one value everywhere says nothing and is dropped: some programs write 0 throughout. A damaged
    profile, or one of another colour space than the image's, is passed over, as viewers do.

    Args:
        profile: the ICC profile; None: that of `image.info`.
    """
    profile = profile if profile is not None else image.info.get("icc_profile")
    if image.mode not in ("RGBA", "RGBa", "LA", "La", "PA") and "transparency" not in image.info:
        return _to_srgb(image, profile)
    # La converts to LA only, RGBa to RGBA only.
    straight = image.convert("LA") if image.mode == "La" else image
    rgba = straight.convert("RGBA")
    alpha = rgba.getchannel("A")
    lowest, highest = alpha.getextrema()
    colours = _to_srgb(rgba.convert("RGB"), profile) if profile else rgba.convert("RGB")
    if lowest == highest:
        return colours
    colours.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), colours).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile or len(profile) > _LARGEST_PROFILE_BYTES:
        return image.convert("RGB")
    if image.mode in ("P", "YCbCr"):
        image = image.convert("RGB")
    elif image.mode == "1":
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACE_OF_MODE.get(image.mode):
            return image.convert("RGB")
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
        transform = ImageCms.buildTransform(source, _SRGB, image.mode, "RGB", renderingIntent=intent)
        if _keeps_colours(transform, image.mode):
            return image.convert("RGB")
        converted = transform.apply(image)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB")
    return converted


def _keeps_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Say whether a transform moves no colour of a grid visibly."""
    if mode not in ("RGB", "L"):
        return False
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(17, -1, 3)
    probe = Image.fromarray(colours if mode == "RGB" else np.arange(256, dtype=np.uint8).reshape(16, 16))
    moved = np.asarray(transform.apply(probe), np.int16) - np.asarray(probe.convert("RGB"), np.int16)
    return bool(np.abs(moved).max() <= _SAME_COLOUR_LEVELS)
