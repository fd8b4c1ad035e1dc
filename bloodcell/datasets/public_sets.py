"""Public datasets: where they are, how they are verified, and how they become folders of class folders."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.datasets.bloodmnist import unpack_bloodmnist
from bloodcell.datasets.download import Fetch, fetch_file
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.zip_dataset import unpack_dataset
from bloodcell.errors import DatasetError, DownloadError
from bloodcell.images.zip_images import open_zip
from bloodcell.json_objects import read_json_object
from bloodcell.paths import write_atomically

BLOODMNIST_SIZES_PX = (28, 64, 128, 224)
DOWNLOADS = ".downloads"
"""Folder, beside the datasets, of files that are on their way."""

Progress = Callable[[str, int, int | None], object]
"""Called with what is being done, done so far, and in all; bytes while downloading, images afterwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicSet:
    """A public dataset."""

    name: str
    """Of its folders."""
    title: str
    url: str
    suffix: str
    """Of the file that is downloaded: .zip or .npz."""
    licence: str
    source: str
    """Whom to cite."""
    download_mb: int
    """About; more than three times as much is refused."""
    parts: tuple[str, ...]
    """Names of the dataset folders that it becomes."""
    class_counts: tuple[int, ...]
    """Images per class in all parts together, (K,)."""
    md5: str | None
    """Of the file; None where none is published and the structure alone is verified."""


_PBC_SOURCE = (
    "A. Acevedo, A. Merino, S. Alférez, Á. Molina, L. Boldú, J. Rodellar, Data in Brief 30 (2020) 105474; "
    "Mendeley Data snkd93bnjr"
)
_CLASS_COUNTS = (1218, 3117, 1551, 2895, 1214, 1420, 3329, 2348)
PBC = PublicSet(
    name="pbc",
    title="PBC, all 17,092 images, 360 × 363 px",
    url=(
        "https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/2fc38728-2ae7-4a62-a857-032af82334c3/"
        "file_downloaded"
    ),
    suffix=".zip",
    licence="CC BY 4.0",
    source=_PBC_SOURCE,
    download_mb=300,
    parts=("pbc",),
    class_counts=_CLASS_COUNTS,
    md5=None,
)
_BLOODMNIST_FILES = {
    28: ("bloodmnist.npz", "7053d0359d879ad8a5505303e11de1dc", 36),
    64: ("bloodmnist_64.npz", "2b94928a2ae4916078ca51e05b6b800b", 180),
    128: ("bloodmnist_128.npz", "adace1e0ed228fccda1f39692059dd4c", 650),
    224: ("bloodmnist_224.npz", "b718ff6835fcbdb22ba9eacccd7b2601", 1600),
}


def bloodmnist(size_px: int) -> PublicSet:
    """Return BloodMNIST at a size: the centres of the PBC images, with a split of their own.

    Raises:
        KeyError: there is no such size.
    """
    file, md5, download_mb = _BLOODMNIST_FILES[size_px]
    return PublicSet(
        name=f"bloodmnist_{size_px}",
        title=f"BloodMNIST, 17,092 images, {size_px} × {size_px} px",
        url=f"https://zenodo.org/records/10519652/files/{file}?download=1",
        suffix=".npz",
        licence="CC BY 4.0",
        source=f"J. Yang et al., MedMNIST v2, Scientific Data 10 (2023) 41; Zenodo 10519652; from {_PBC_SOURCE}",
        download_mb=download_mb,
        parts=tuple(f"bloodmnist_{size_px}_{part}" for part in ("train", "val", "test")),
        class_counts=_CLASS_COUNTS,
        md5=md5,
    )


def public_sets() -> dict[str, PublicSet]:
    """Return all public datasets by name."""
    return {public_set.name: public_set for public_set in (PBC, *map(bloodmnist, BLOODMNIST_SIZES_PX))}


def download_public_set(
    public_set: PublicSet,
    folder: Path,
    *,
    fetch: Fetch | None = None,
    progress: Progress = lambda what, done, total: None,
) -> tuple[Path, ...]:
    """Download a public dataset, verify it, and unpack it into dataset folders below `folder`; return them.

    A second call goes on where the first broke off; one that finds all images does nothing. The downloaded file is
    deleted once it is unpacked. Folders that are there already are never changed.

    Args:
        fetch: another way to get the file.

    Raises:
        DownloadError: it does not arrive, or is not what it should be; a wrong file is deleted. Or folders of its name
            hold something else.
        DatasetError: it cannot be unpacked.
    """
    targets = tuple(folder / part for part in public_set.parts)
    if is_here(public_set, folder):
        return targets
    if all(target.exists() for target in targets):
        raise _something_else(public_set, targets)
    file = folder / DOWNLOADS / f"{public_set.name}{public_set.suffix}"
    told = _Told(file, progress)
    if not file.exists():
        fetch = fetch or Fetch(url=public_set.url, most_bytes=3_000_000 * public_set.download_mb)
        fetch_file(fetch, file, progress=lambda done, total: told("downloading", done, total))
    try:
        _verify_md5(public_set, file, told)
        _unpack(public_set, file, targets, told)
    except (DownloadError, DatasetError):
        told.forget()
        raise
    file.unlink()
    told.forget()
    if not is_here(public_set, folder):
        raise _something_else(public_set, targets)
    return targets


def is_here(public_set: PublicSet, folder: Path) -> bool:
    """Say whether the dataset folders below `folder` hold as many images of each class as were published."""
    return _counts([folder / part for part in public_set.parts]) == public_set.class_counts


def _counts(folders: Sequence[Path]) -> tuple[int, ...] | None:
    """Return the images of each class in all folders together; None where one is missing or holds none."""
    try:
        return tuple(map(sum, zip(*(scan_dataset(folder).class_counts() for folder in folders), strict=True)))
    except DatasetError:
        return None


def _something_else(public_set: PublicSet, targets: Sequence[Path]) -> DownloadError:
    names = ", ".join(str(target) for target in targets)
    return DownloadError(
        f"{names}: there already, and not the published images of {public_set.title}. Nothing there was changed. "
        "Rename or delete it, then start the download again."
    )


def download_progress(public_set: PublicSet, folder: Path) -> tuple[str, int, int | None] | None:
    """Return what another process that downloads into `folder` said last: what it does, done so far, and in all."""
    try:
        values = read_json_object(_told_file(folder / DOWNLOADS / f"{public_set.name}{public_set.suffix}"))
        return str(values["what"]), int(values["done"]), values["total"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing is under way, or just being written for the first time


class _Told:
    """Passes progress on, and writes it to a file for other processes about once a second."""

    def __init__(self, file: Path, progress: Progress) -> None:
        self.path, self.progress = _told_file(file), progress
        self.written = float("-inf")

    def __call__(self, what: str, done: int, total: int | None) -> None:
        self.progress(what, done, total)
        if time.monotonic() - self.written >= 1 and self.path.parent.is_dir():
            write_atomically(self.path, json.dumps({"what": what, "done": done, "total": total}).encode())
            self.written = time.monotonic()

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def _told_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.progress.json")


def _verify_md5(public_set: PublicSet, file: Path, told: _Told) -> None:
    if public_set.md5 is None:
        return
    total, done = file.stat().st_size, 0
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
            done += len(block)
            told("verifying", done, total)
    if digest.hexdigest() != public_set.md5:
        file.unlink()
        raise DownloadError(
            f"{public_set.title}: what arrived is not the published file (MD5 {digest.hexdigest()}, published "
            f"{public_set.md5}). It was deleted; start the download again."
        )


def _unpack(public_set: PublicSet, file: Path, targets: tuple[Path, ...], told: _Told) -> None:
    """Unpack to a hidden place, count there, then show the dataset folders."""
    hidden = file.parent / f"{public_set.name}.unpacked"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        if public_set.suffix == ".zip":
            _unpack_zip(file, hidden / targets[0].name, told)
        else:
            unpack_bloodmnist(
                file,
                [hidden / target.name for target in targets],
                progress=lambda done, total: told("unpacking", done, total),
            )
        _verify_counts(public_set, [hidden / target.name for target in targets], file)
        for target in targets:
            if not target.exists():
                (hidden / target.name).rename(target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _unpack_zip(file: Path, target: Path, told: _Told) -> None:
    try:
        with open_zip(file, file.name) as archive:
            unpack_dataset(archive, target, progress=lambda done, total: told("unpacking", done, total))
    except DatasetError as error:
        if "disk" not in str(error):
            file.unlink(missing_ok=True)
        raise DownloadError(f"What arrived cannot be unpacked: {error}") from error


def _verify_counts(public_set: PublicSet, folders: Sequence[Path], file: Path) -> None:
    counts = _counts(folders) or (0,) * len(CELL_CLASSES)
    if counts == public_set.class_counts:
        return
    file.unlink()
    differing = ", ".join(
        f"{cell_class.display_name} {count:,} in place of {wanted:,}"
        for cell_class, count, wanted in zip(CELL_CLASSES, counts, public_set.class_counts, strict=True)
        if count != wanted
    )
    raise DownloadError(f"What arrived is not {public_set.title}: {differing}. It was deleted; start again.")
