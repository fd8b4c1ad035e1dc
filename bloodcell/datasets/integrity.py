"""The paper's check before training, and duplicates: which files of a dataset can be trusted.

Exact duplicates are looked for as well, because a copy on both sides of a split makes the accuracy too good, and a copy
under two labels is wrong in one of them.

Source: the reproduced paper, check before training: corrupt files, invalid dimensions, extremely low variance.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from bloodcell.cell_classes import CELL_CLASSES, CLASS_KEYS
from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.datasets.locked_test import read_locked_test
from bloodcell.errors import DatasetError, LostFile, UnreadableImage
from bloodcell.images.fingerprint import fingerprint
from bloodcell.images.open_image import open_image, read_image_bytes
from bloodcell.paths import readable_path

# Measured on 3,200 PBC images (400 per class): the lowest is 17.8 (a platelet), the median 37.7. The plainest 80 × 80
# px piece of background has 6.0 in the median image. Below 6 nothing but background or a failed export is left.
LOWEST_STANDARD_DEVIATION = 6.0
"""Standard deviation, in grey levels, below which an image shows no cell."""

_EXAMPLES_PER_SENTENCE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class IntegrityReport:
    """What the check found; every file is named by its relative POSIX path, in input order."""

    images: int
    """Number of files checked."""
    class_counts: tuple[int, ...]
    """Number of files per class, shape (K,)."""
    unreadable: tuple[tuple[str, str], ...]
    """Files that no image came out of, each with the reason."""
    low_variance: tuple[tuple[str, float], ...]
    """Readable files under `LOWEST_STANDARD_DEVIATION`, each with its standard deviation in grey levels."""
    duplicate_groups: tuple[tuple[str, ...], ...]
    """Readable files that are the same byte for byte, two or more per group."""
    conflicting_groups: tuple[tuple[str, ...], ...]
    """Those of the duplicate groups that carry more than one label."""
    locked: tuple[str, ...]
    """Readable files that are images of the locked test set, or copies of them; never to be trained on."""
    sha256: Mapping[str, str]
    """Hex digest of the bytes of each file that could be read from the disk."""
    usable: tuple[LabelledFile, ...]
    """Files that may be trained on: readable, not locked, not of low variance, in no conflicting group; copies under
    one label are all kept."""

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain lists, dicts, strings and numbers, for JSON."""
        return {
            "images": self.images,
            "class_counts": dict(zip(CLASS_KEYS, self.class_counts, strict=True)),
            "lowest_standard_deviation": LOWEST_STANDARD_DEVIATION,
            "unreadable": [{"file": name, "reason": reason} for name, reason in self.unreadable],
            "low_variance": [{"file": name, "standard_deviation": deviation} for name, deviation in self.low_variance],
            "duplicate_groups": [list(group) for group in self.duplicate_groups],
            "conflicting_groups": [list(group) for group in self.conflicting_groups],
            "locked": list(self.locked),
            "sha256": dict(self.sha256),
            "usable": [file.relative_path for file in self.usable],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], files: Sequence[LabelledFile]) -> "IntegrityReport":
        """Return the report that `to_dict` wrote of these files.

        Raises:
            KeyError, TypeError: the values are none of `to_dict`, or of other files.
        """
        by_name = {file.relative_path: file for file in files}
        return cls(
            images=values["images"],
            class_counts=tuple(values["class_counts"][key] for key in CLASS_KEYS),
            unreadable=tuple((entry["file"], entry["reason"]) for entry in values["unreadable"]),
            low_variance=tuple((entry["file"], entry["standard_deviation"]) for entry in values["low_variance"]),
            duplicate_groups=tuple(tuple(group) for group in values["duplicate_groups"]),
            conflicting_groups=tuple(tuple(group) for group in values["conflicting_groups"]),
            locked=tuple(values["locked"]),
            sha256=dict(values["sha256"]),
            usable=tuple(by_name[name] for name in values["usable"]),
        )

    def sentences(self) -> tuple[str, ...]:
        """Return short sentences: the counts, each kind of fault that occurs with examples, what is usable."""
        counts = zip(CELL_CLASSES, self.class_counts, strict=True)
        per_class = ", ".join(f"{cell_class.display_name} {count:,}" for cell_class, count in counts)
        found = [f"{_number(self.images, 'image')}: {per_class}."]
        unreadable = [f"{readable_path(name)} ({reason.rstrip('.')})" for name, reason in self.unreadable]
        low_variance = [f"{readable_path(name)} ({deviation:.1f})" for name, deviation in self.low_variance]
        limit = f"standard deviation under {LOWEST_STANDARD_DEVIATION:g} grey levels"
        found += fault_sentence("Unreadable", "image", unreadable)
        found += fault_sentence(f"Almost one colour, {limit}", "image", low_variance)
        found += fault_sentence(
            "Same file more than once", "group", [readable_path(" = ".join(group)) for group in self.duplicate_groups]
        )
        found += fault_sentence(
            "Same file under two labels",
            "group",
            [readable_path(" = ".join(group)) for group in self.conflicting_groups],
        )
        found += fault_sentence(
            "Of the locked test set, kept out of training", "image", [readable_path(n) for n in self.locked]
        )
        if len(self.usable) == self.images:
            found.append("All images are usable.")
        else:
            found.append(f"{len(self.usable):,} of {self.images:,} images are usable.")
        return tuple(found)


Measure = Callable[[LabelledFile, NDArray[np.uint8]], object]
"""Called with each readable file and its image, (H, W, 3), from several threads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finding:
    file: LabelledFile
    sha256: str | None
    reason: str | None
    standard_deviation: float
    fingerprint: NDArray[np.float32] | None


def check_images(
    files: Sequence[LabelledFile],
    *,
    progress: Callable[[int, int], object] | None = None,
    measure: Measure | None = None,
) -> IntegrityReport:
    """Read every file and report which can be trusted. Nothing is written; the same files give the same report.

    Args:
        files: files of a dataset, each once.
        progress: called in this thread with (files done, files in all) after each file.
        measure: what else to do with each image while it is decoded.

    Raises:
        DatasetError: the disk does not give a file that is in the list; what it holds is then unknown, not bad.
    """
    findings: list[_Finding] = []
    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(_check_file, file, measure) for file in files]
        try:
            for future in waiting:
                findings.append(future.result())
                if progress is not None:
                    progress(len(findings), len(files))
        except BaseException:
            # Who stops the check from `progress` shall not wait for the rest.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return _report(findings)


def standard_deviation(image: NDArray[np.uint8]) -> float:
    """Return the standard deviation of an image (H, W, 3) over all pixels and channels, in grey levels, 0 to 127.5.

    Each channel is measured from its own mean: an evenly pink image has 0, not the distance of its red from its green.
    """
    variances = ImageStat.Stat(Image.fromarray(image)).var
    return float(np.sqrt(np.mean(variances)))


def _check_file(file: LabelledFile, measure: Measure | None) -> _Finding:
    digest = None
    try:
        data = _read(file)
        digest = hashlib.sha256(data).hexdigest()
        image = open_image(data)
    except UnreadableImage as error:
        return _Finding(file=file, sha256=digest, reason=str(error), standard_deviation=float("nan"), fingerprint=None)
    if measure is not None:
        measure(file, image)
    deviation = standard_deviation(image)
    return _Finding(file=file, sha256=digest, reason=None, standard_deviation=deviation, fingerprint=fingerprint(image))


def _read(file: LabelledFile) -> bytes:
    try:
        return read_image_bytes(file.path)
    except LostFile as error:
        folder = file.path.parents[file.relative_path.count("/")]
        place = f"{folder} is no longer there" if not folder.is_dir() else str(error)
        raise DatasetError(
            f"Reading the images of {folder} stopped at {readable_path(file.relative_path)}: {place.rstrip('.')}. "
            "See that the disk or share is there and whole, then start again."
        ) from error


def _report(findings: Sequence[_Finding]) -> IntegrityReport:
    readable = [finding for finding in findings if finding.reason is None]
    low_variance = [finding for finding in readable if finding.standard_deviation < LOWEST_STANDARD_DEVIATION]
    groups: defaultdict[str | None, list[LabelledFile]] = defaultdict(list)
    for finding in readable:
        groups[finding.sha256].append(finding.file)
    duplicates = [group for group in groups.values() if len(group) > 1]
    conflicting = [group for group in duplicates if len({file.label for file in group}) > 1]
    locked = _locked(readable)
    names_left_out = (
        {finding.file.relative_path for finding in low_variance}
        | {*locked}
        | {file.relative_path for group in conflicting for file in group}
    )
    counts = Counter(finding.file.label for finding in findings)
    return IntegrityReport(
        images=len(findings),
        class_counts=tuple(counts[label] for label in range(len(CLASS_KEYS))),
        unreadable=tuple((f.file.relative_path, f.reason) for f in findings if f.reason is not None),
        low_variance=tuple((finding.file.relative_path, finding.standard_deviation) for finding in low_variance),
        duplicate_groups=tuple(_names(group) for group in duplicates),
        conflicting_groups=tuple(_names(group) for group in conflicting),
        locked=locked,
        sha256={finding.file.relative_path: finding.sha256 for finding in findings if finding.sha256 is not None},
        usable=tuple(finding.file for finding in readable if finding.file.relative_path not in names_left_out),
    )


def _locked(readable: Sequence[_Finding]) -> tuple[str, ...]:
    prints = [finding.fingerprint for finding in readable if finding.fingerprint is not None]
    if not prints:
        return ()
    locked = read_locked_test().find([finding.sha256 or "" for finding in readable], np.stack(prints))
    return tuple(finding.file.relative_path for finding, is_locked in zip(readable, locked, strict=True) if is_locked)


def _names(group: Sequence[LabelledFile]) -> tuple[str, ...]:
    return tuple(file.relative_path for file in group)


def fault_sentence(title: str, noun: str, examples: Sequence[str]) -> list[str]:
    """Return a sentence with the number of examples and the first few of them; none where there is no example."""
    if not examples:
        return []
    shown = "; ".join(examples[:_EXAMPLES_PER_SENTENCE])
    more = len(examples) - _EXAMPLES_PER_SENTENCE
    return [f"{title}: {_number(len(examples), noun)}: {shown}{f'; and {more:,} more' if more > 0 else ''}."]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
