"""Weights and cards that were cut, edited, exchanged or made to run code."""

import json
import os
import pickle
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.robustness.attack import Tally
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.weights.file import load_weights

_NAME = "simple_cnn"


class _RunsCode:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch ran_code",)


def hostile_weights() -> Tally:
    """Load each kind. Nothing but the unchanged pair may load, and nothing may run."""
    tally = Tally(name=f"weights, {len(_KINDS)} kinds")
    for name, damage in _KINDS.items():
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / f"{_NAME}.safetensors"
            for suffix in ("safetensors", "json"):
                shutil.copy(SHIPPED_WEIGHTS / f"{_NAME}.{suffix}", place)
            damage(file, file.with_suffix(".json"))
            tally.try_one(name, lambda file=file, name=name: _loads(file) and name in _SOUND)
            if Path("ran_code").exists():
                Path("ran_code").unlink()
                tally.wrong.append(f"{name}: ran code")
    return tally


def _loads(file: Path) -> bool:
    load_weights(file)
    return True


def _tensors(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path, Path], None]:
    def damage(file: Path, card: Path) -> None:
        file.write_bytes(change(bytearray(file.read_bytes())))

    return damage


def _card(**changes: Any) -> Callable[[Path, Path], None]:
    def damage(file: Path, card: Path) -> None:
        card.write_text(json.dumps({**json.loads(card.read_bytes()), **changes}))

    return damage


def _card_bytes(data: bytes) -> Callable[[Path, Path], None]:
    return lambda file, card: (card.write_bytes(data), None)[1]


def _flipped(data: bytearray) -> bytearray:
    data[len(data) // 2] ^= 1
    return data


def _zeroed(data: bytearray) -> bytes:
    head = 8 + struct.unpack("<Q", data[:8])[0]
    return bytes(data[:head]) + bytes(len(data) - head)


def _header(change: Callable[[bytes], bytes]) -> Callable[[bytearray], bytes]:
    def damage(data: bytearray) -> bytes:
        length = struct.unpack("<Q", data[:8])[0]
        header = change(bytes(data[8 : 8 + length]))
        return struct.pack("<Q", len(header)) + header + bytes(data[8 + length :])

    return damage


_SOUND = {"unchanged"}
_KINDS: dict[str, Callable[[Path, Path], None]] = {
    "unchanged": lambda file, card: None,
    "one bit flipped": _tensors(_flipped),
    "all zero": _tensors(_zeroed),
    "cut in half": _tensors(lambda data: data[: len(data) // 2]),
    "empty": _tensors(lambda data: b""),
    "more behind the end": _tensors(lambda data: data + bytes(1000)),
    "header of 2**60 bytes": _tensors(lambda data: struct.pack("<Q", 2**60) + data[8:]),
    "header is no JSON": _tensors(_header(lambda header: b"x" * len(header))),
    "header nested deeply": _tensors(_header(lambda header: b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}")),
    "other type of numbers": _tensors(_header(lambda header: header.replace(b"F16", b"BF16").replace(b"F32", b"I32"))),
    "a tensor of another name": _tensors(_header(lambda header: header.replace(b"classifier", b"classifies", 1))),
    "a pickle that runs code": lambda file, card: (file.write_bytes(pickle.dumps(_RunsCode())), None)[1],
    "no tensors": lambda file, card: file.unlink(),
    "no card": lambda file, card: card.unlink(),
    "card of other weights": lambda file, card: (shutil.copy(SHIPPED_WEIGHTS / "deep_cnn.json", card), None)[1],
    "tensors of other weights": lambda file, card: (shutil.copy(SHIPPED_WEIGHTS / "deep_cnn.safetensors", file), None)[
        1
    ],
    "card: empty": _card_bytes(b""),
    "card: binary": _card_bytes(b"\xff\xfe\0\0"),
    "card: 2 MB": _card_bytes(b'{"name": "' + b"x" * 2_000_000 + b'"}'),
    "card: deep": _card_bytes(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "card: another version": _card(format_version=99),
    "card: temperature 0": _card(temperature=0),
    "card: threshold 2": _card(review_threshold=2),
    "card: image of 0 px": _card(image_size_px=0),
    "card: image of a million px": _card(image_size_px=10**6),
    "card: classes in another order": _card(class_keys=["platelet", "basophil"]),
    "card: name that climbs": _card(name="../../escape"),
    "card: unknown model": _card(model="resnet"),
}
