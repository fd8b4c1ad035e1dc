"""The seeds of a recipe on a model card: each one's figures, what they say together, and how one was chosen to ship."""

from collections.abc import Mapping, Sequence
from typing import Any

from bloodcell.measures.statistics import SEEDS_AND_IMAGES
from bloodcell.report.table import Table
from bloodcell.weights.card import WeightsCard

_PARTS = ("validation", "test")


def seeds_table(card: WeightsCard) -> Table:
    """Return a row per seed, then mean, spread and interval over all.

    Raises:
        KeyError, TypeError, ValueError: the card does not state its seeds, or in another way.
    """
    stated = card.metrics["seeds"]
    rows: list[tuple[str, ...]] = []
    for run in stated["runs"]:
        figures = [_percent(run[part]["correct"] / run[part]["n"]) if run.get(part) else "–" for part in _PARTS]
        rows.append((str(int(run["seed"])), *figures, "✓" if run["ships"] else ""))
    for name, key in (("mean", "mean"), ("standard deviation over seeds", "standard_deviation")):
        rows.append((name, *(_percent(stated[part][key]) if stated.get(part) else "–" for part in _PARTS), ""))
    measured = [stated[part] for part in _PARTS if stated.get(part)]
    counts = "other seeds and other images" if _counts_images(measured) else "other seeds, the same images"
    intervals = (_range(*stated[part]["interval"]) if stated.get(part) else "–" for part in _PARTS)
    rows.append((f"95 % interval of the mean: {counts}", *intervals, ""))
    note = (
        "A seed is the number that a training draws its chance from: first weights, order and variation of the images. "
        "The seed with the median validation accuracy ships; temperature and threshold are fitted on all together."
    )
    return Table(
        name="seeds",
        title="The same recipe, trained from several seeds",
        columns=("Seed", "Validation images", "Test images", "These weights"),
        rows=tuple(rows),
        note=f"{note} {tie_words(stated['runs'])}".strip(),
    )


def _counts_images(measured: list[Mapping[str, Any]]) -> bool:
    return all(part.get("interval_counts") == SEEDS_AND_IMAGES for part in measured)


def tie_words(runs: Sequence[Mapping[str, Any]]) -> str:
    """Say that the shipped seed is as good as others on validation images; empty where it is not.

    Args:
        runs: what a card states of each seed.
    """
    shipped = next((run for run in runs if run["ships"]), None)
    if shipped is None:
        return ""
    equal = [int(run["seed"]) for run in runs if run["validation"] == shipped["validation"] and run is not shipped]
    if not equal:
        return ""
    others = " and ".join(map(str, sorted(equal)))
    return (
        f"Seed {int(shipped['seed'])} has as many validation images right as seed{'s' if len(equal) > 1 else ''} "
        f"{others}: which of them ships was decided by the seed's number, not by a measurement."
    )


def _percent(share: float) -> str:
    return f"{100 * float(share):.1f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * float(low):.1f} to {100 * float(high):.1f} %"
