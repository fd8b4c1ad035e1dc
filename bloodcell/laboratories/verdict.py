"""Whether a tray comes from a laboratory that the weights know: asked of all its cells together, never of one.

A laboratory that is known has hardly a cell that is unlike its own training images; another one has many. Three of
twenty decide. In another laboratory no answer counts as sure, however confident the model is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.stats import binom

from bloodcell.answers.prediction_table import STATUSES, PredictionRow
from bloodcell.answers.unlikeness import TrainingLooks
from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.measures.statistics import wilson_interval
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.elsewhere import knows_one_laboratory

FEWEST_CELLS = 20
"""With fewer a laboratory is not called known."""
UNLIKE_SHARE = 0.009
"""Share of a known laboratory's cells that may be unlike its training images: of 640 validation images whose stain and
light were a little off, see `publishing/gate_fit.py`. Weights whose own held-out images show more count with their
own share."""
FALSE_ALARM, DOUBT = 0.005, 0.1
"""Probability, at most, that a tray of a known laboratory is called another's; and under which it is not called
known."""

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
    """What is typical of the unlike cells, in words with their medians; empty where nothing was measured."""
    is_in_doubt: bool = False
    """Whether an undecided tray may well be another laboratory's."""

    @property
    def needs_review(self) -> bool:
        """Whether no answer of the tray counts as sure."""
        return self.laboratory == "other" or (self.laboratory == "undecided" and self.is_in_doubt)


def tray_verdict(rows: Sequence[PredictionRow], card: WeightsCard | None) -> TrayVerdict:
    """Judge the cells of one tray together; files that gave no picture do not count.

    Args:
        card: of the weights that were asked; None: several were, or they are not at hand any more.
    """
    counts = Counter(_kind(row) for row in rows)
    unlike, no_cells = counts["unlike"], counts["no cell"]
    cells = counts["like"] + unlike
    verdict = partial(TrayVerdict, cells=cells, unlike=unlike, no_cells=no_cells)
    if card is None:
        words = "The cells were answered by several models, or by one that is not here any more: answer them anew."
        return verdict(laboratory="undecided", reason=words, is_in_doubt=True)
    if not knows_one_laboratory(card):
        return verdict(laboratory="undecided", reason="These weights do not tell laboratories apart.")
    if not cells + no_cells:
        return verdict(laboratory="undecided", reason="There is no cell to tell by.")
    # As many unlike cells or more, in a tray of a known laboratory.
    probability = float(binom.sf(unlike - 1, cells, unlike_share(card))) if cells else 1.0
    share = (
        f"{unlike:,} of {cells:,} {'cell' if cells == 1 else 'cells'} {'is' if unlike == 1 else 'are'} unlike those of "
        "the laboratory that the model knows"
    )
    differences = _differences(rows, card)
    if unlike > 1 and probability <= FALSE_ALARM:
        words = f"{share}: every class is for review, and none counts as sure."
        return verdict(laboratory="other", reason=words, differences=differences)
    if no_cells > cells:
        words = f"{no_cells:,} of {cells + no_cells:,} images show no single cell."
        return verdict(laboratory="undecided", reason=words, differences=differences, is_in_doubt=unlike > 0)
    if cells < FEWEST_CELLS:
        words = f"{share}; fewer than {FEWEST_CELLS} cells are too few to tell."
        return verdict(laboratory="undecided", reason=words, differences=differences, is_in_doubt=unlike > 0)
    if probability <= DOUBT:
        words = f"{share}, more than is usual there: look at every cell."
        return verdict(laboratory="undecided", reason=words, differences=differences, is_in_doubt=True)
    return verdict(laboratory="known", reason=f"{share}, no more than chance brings about there.")


def unlike_share(card: WeightsCard) -> float:
    """Return the share of their own laboratory's cells that weights may find unlike: see UNLIKE_SHARE."""
    try:
        refused, held_out = int(card.gate["held_out_refused"]), int(card.gate["held_out"])
        return max(UNLIKE_SHARE, wilson_interval(refused, held_out)[1])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return UNLIKE_SHARE


def is_for_elsewhere(row: PredictionRow, verdict: TrayVerdict, card: WeightsCard) -> bool:
    """Whether a cell was answered by the home weights with this card, though its tray is of another laboratory."""
    answered = row.status in ("ok", "review", "other_cell") and row.model_sha256 == card.tensors_sha256
    return verdict.laboratory == "other" and answered and knows_one_laboratory(card)


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
    evidence = {key: getattr(verdict, key) for key in ("reason", "unlike", "no_cells", "differences")}
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


def _differences(rows: Sequence[PredictionRow], card: WeightsCard) -> str:
    measured = [row.unlike_traits for row in rows if row.unlike_traits and _kind(row) == "unlike"]
    looks = TrainingLooks.of_card(card)
    return looks.differences(np.median(np.array(measured), axis=0)) if measured and looks is not None else ""
