"""Which difference between arms a suite can find, said before it starts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.paths import SHIPPED_RECORDS
from bloodcell.suites.suite import Suite, SuiteFolder
from bloodcell.suites.table import smallest_difference_found

_SPREADS_FROM = {"quick": "quick", "smoke": "quick", "paper": "paper"}
"""Suite → the shipped one whose seeds and images moved most alike."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """The smallest difference that a suite finds in four of five cases, and what that rests on."""

    points: float
    rests_on: str

    @property
    def sentence(self) -> str:
        """Both in words."""
        return f"Finds differences of about {self.points:.1f} points and more. {self.rests_on}"


def reach_of(
    suite: Suite,
    count_images: Callable[[Path], int],
    smallest: Callable[[Path, int, int, int], float | None] | None = None,
) -> Reach | None:
    """Return the reach of a suite that is planned; None with one seed, or with nothing to compare.

    Args:
        count_images: of a dataset's folder.
        smallest: as `smallest_in_record`, which takes its place where a caller keeps results.

    Raises:
        DatasetError, OSError: the images cannot be counted.
        RunFolderError, WeightsError: the record that it rests on is damaged.
    """
    shipped, config = _SPREADS_FROM[suite.name], suite.arms[0].config
    images = sum(count_images(Path(folder)) for folder in suite.test_folders or (suite.data_folder,))
    if not suite.test_folders:
        most = images if config.images_per_class is None else CLASS_COUNT * config.images_per_class
        images = round(config.validation_share * min(images, most))
    compared = sum(arm.base is not None for arm in suite.arms)
    found = (smallest or smallest_in_record)(SHIPPED_RECORDS / shipped, len(suite.seeds), images, compared)
    if found is None:
        return None
    kind = "test" if suite.test_folders else "validation"
    return Reach(
        points=100 * found,
        rests_on=f"In four of five cases, with {len(suite.seeds)} seeds and {images:,} {kind} images. Rests on how far "
        f"seeds and images moved the suite {shipped} that comes with the program.",
    )


def smallest_in_record(record: Path, seeds: int, images: int, arms: int) -> float | None:
    """Return `smallest_difference_found` with the spreads of a record."""
    return smallest_difference_found(SuiteFolder(record), seeds=seeds, images=images, arms=arms)
