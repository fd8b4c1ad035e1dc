"""How long a suite will take: the time of its base arm, and for the others in proportion to their multiply-adds."""

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.model_settings import ModelSettings
from bloodcell.models.architecture_table import count_multiply_adds
from bloodcell.models.registry import build_model
from bloodcell.suites.suite import Suite
from bloodcell.training.estimate import TrainingSpeed, estimate_run, memory_shortage


def suite_seconds(suite: Suite, image_count: int, speed: TrainingSpeed) -> float:
    """Return the seconds of all runs, one after another, without reading images.

    Args:
        image_count: images of the dataset.
        speed: of the suite's first arm.
    """
    first = _multiply_adds(suite.arms[0].config.model)
    total = 0.0
    for arm in suite.arms:
        most = arm.config.images_per_class
        images = image_count if most is None else min(image_count, CLASS_COUNT * most)
        share = _multiply_adds(arm.config.model) / first
        total += share * estimate_run(arm.config, images, speed).seconds
    return total * len(suite.seeds)


def suite_memory_shortage(suite: Suite, image_count: int) -> str:
    """Return a sentence where any arm needs more memory than is free here; else nothing. Arms follow one another.

    Raises:
        BloodcellError: the device cannot be used.
    """
    found = ((arm, memory_shortage(arm.config, image_count)) for arm in suite.arms)
    return next((f"{arm.title}: {shortage}" for arm, shortage in found if shortage), "")


def _multiply_adds(model: ModelSettings) -> int:
    return count_multiply_adds(build_model(model), 64)
