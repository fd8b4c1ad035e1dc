"""Whether a tray comes from a laboratory that the weights know: asked of all its cells together, never of one.

A laboratory that is known has hardly a cell that is unlike its own training images; another one has many. Two of twenty
decide. In another laboratory no answer counts as sure, however confident the model is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.stats import binom

from bloodcell.answers.prediction_table import STATUSES, PredictionRow
from bloodcell.answers.unlikeness import TrainingLooks
from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.elsewhere import knows_one_laboratory

FEWEST_CELLS = 20
"""With fewer a laboratory is not called known."""
UNLIKE_SHARE = 0.003
"""Share of a known laboratory's cells that are unlike its training images, at most: 3 of 7,600 held-out images, 2 of
the 1,000 of the locked test set."""
FALSE_ALARM = 0.005
"""Probability, at most, that a tray of a known laboratory is called another's."""

Laboratory = Literal["known", "other", "undecided"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrayVerdict:
    """What a tray says of its laboratory."""

    laboratory: Laboratory
    cells: int
    """Images that show a cell."""
    unlike: int
    """Cells that are unlike the training images of the laboratories that are known."""
    no_cells: int
    """Images that show no cell."""
    reason: str
    """A sentence: what was counted, and what follows."""
    differences: str = ""
    """In what the unlike cells differ, in words with their medians; empty where nothing was measured."""

    @property
    def needs_review(self) -> bool:
        """Whether no answer of the tray counts as sure."""
        return self.laboratory == "other" or (self.laboratory == "undecided" and self.unlike > 0)


def fewest_unlike(cells: int) -> int:
    """Return how many unlike cells of so many speak for another laboratory."""
    return int(binom.ppf(1 - FALSE_ALARM, cells, UNLIKE_SHARE)) + 1


def tray_verdict(rows: Sequence[PredictionRow], card: WeightsCard | None = None) -> TrayVerdict:
    """Judge the cells of one tray together; files that gave no picture do not count.

    Args:
        card: of the weights that answered; None: not at hand, and no difference is put into words.
    """
    counts = Counter(_kind(row) for row in rows)
    cells, no_cells = counts["like"] + counts["unlike"], counts["no cell"]
    unlike = counts["unlike"]
    verdict = partial(TrayVerdict, cells=cells, unlike=unlike, no_cells=no_cells)
    if card is not None and not knows_one_laboratory(card):
        words = "These weights do not tell laboratories apart."
        return verdict(laboratory="undecided", reason=words)
    if no_cells > cells:
        words = f"{no_cells:,} of {cells + no_cells:,} images show no single cell."
        return verdict(laboratory="undecided", reason=words)
    few = f"{unlike:,} of {cells:,} cells" if cells != 1 else f"{unlike:,} of 1 cell"
    share = f"{few} {'is' if unlike == 1 else 'are'} unlike those of the laboratory that the model knows"
    if cells and unlike >= max(2, fewest_unlike(cells)):
        words = f"{share}: every class is for review, and none counts as sure."
        differences = _differences(rows, card)
        return verdict(laboratory="other", reason=words, differences=differences)
    if cells >= FEWEST_CELLS:
        return verdict(laboratory="known", reason=f"{share}, as many as at home.")
    words = f"{share}; fewer than {FEWEST_CELLS} cells are too few to tell."
    return verdict(laboratory="undecided", reason=words, differences=_differences(rows, card))


def under_verdict(row: PredictionRow, verdict: TrayVerdict) -> PredictionRow:
    """Return a row as it stands in its tray: with the laboratory, and for review where nothing counts as sure."""
    row = replace(row, laboratory=verdict.laboratory)
    if row.status != "ok" or not verdict.needs_review:
        return row
    where = "of another laboratory" if verdict.laboratory == "other" else "of a laboratory that may be another"
    return replace(row, status="review", reason=f"in a tray {where}, where no answer counts as sure")


def tray_summary(rows: Sequence[PredictionRow], verdict: TrayVerdict) -> dict[str, Any]:
    """Return what a tray's summary file holds, plain JSON values.

    Args:
        rows: as they stand in the tray, see `under_verdict`.
    """
    classes = Counter(row.predicted for row in rows if row.predicted is not None)
    statuses = Counter(row.status for row in rows)
    evidence = {key: value for key, value in asdict(verdict).items() if key not in ("laboratory", "cells")}
    return {
        "cells": verdict.cells,
        "classes": {key: classes[label] for label, key in enumerate(CLASS_KEYS)},
        "statuses": {status: statuses[status] for status in STATUSES},
        "laboratory": verdict.laboratory,
        "evidence": evidence,
        "model": sorted({row.model for row in rows}),
        "answer_sha256": sorted({row.answer_sha256 for row in rows}),
    }


def _kind(row: PredictionRow) -> str:
    if row.status in ("error", "refused"):
        return {"error": "unreadable", "refused": "no cell"}[row.status]
    return "unlike" if row.is_unlike else "like"


def _differences(rows: Sequence[PredictionRow], card: WeightsCard | None) -> str:
    measured = [row.unlike_traits for row in rows if row.unlike_traits and _kind(row) == "unlike"]
    looks = None if card is None else TrainingLooks.of_card(card)
    return looks.differences(np.median(np.array(measured), axis=0)) if measured and looks is not None else ""
