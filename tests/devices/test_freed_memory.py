"""A server gives the memory of large pictures back."""

import ctypes
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

HAS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
DECODED = """
import io, re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
from bloodcell.devices.freed_memory import give_back_freed_memory, keep_little_freed_memory
from bloodcell.images.model_input import prepare_image
from bloodcell.images.open_image import open_image
if sys.argv[1] == "given back":
    assert keep_little_freed_memory()
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
def small(data):
    return prepare_image(open_image(data), image_size_px=192)
stream = io.BytesIO()
side = int(sys.argv[2])
Image.effect_noise((side, side), 40).convert("RGB").save(stream, "JPEG", quality=30)
small(stream.getvalue())
before = resident()
with ThreadPoolExecutor(6) as pool:
    kept = list(pool.map(small, [stream.getvalue()] * 24))
if sys.argv[1] == "given back":
    give_back_freed_memory()
print(resident() - before)
"""


@pytest.mark.skipif(not HAS_GLIBC, reason="this system has no glibc")
@pytest.mark.parametrize("side_px", [2200, 3000])
def test_the_memory_of_large_pictures_goes_back_to_the_system(side_px: int) -> None:
    def left_megabytes(which: str) -> float:
        command = [sys.executable, "-c", DECODED, which, str(side_px)]
        return float(subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout)

    assert left_megabytes("given back") < left_megabytes("kept") / 2
