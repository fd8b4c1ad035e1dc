"""The figures of weights in one laboratory, as they stand on cards and in lists."""

from typing import Any

from bloodcell.laboratories.evaluate import Evaluation
from bloodcell.measures.statistics import wilson_interval


def laboratory_entry(evaluation: Evaluation, *, name: str, source: str = "", is_home: bool = False) -> dict[str, Any]:
    """Return what a card holds of a laboratory, plain JSON values.

    Args:
        name: of the laboratory, in words.
        source: where its images come from, with their licence.
        is_home: whether the weights come from it.
    """
    figures = evaluation.figures
    answered = [row for row in evaluation.rows if row.prediction.predicted is not None]
    sure = [row for row in answered if row.prediction.status == "ok"]
    return {
        "name": name,
        "n": figures.n,
        "correct": figures.correct,
        "accuracy_interval": list(wilson_interval(figures.correct, figures.n)),
        **evaluation.over_groups,
        "answered": len(answered),
        "right_of_answered": sum(row.prediction.predicted == row.label for row in answered),
        "sure": len(sure),
        "right_of_sure": sum(row.prediction.predicted == row.label for row in sure),
        "refused": evaluation.refused,
        "other_cells": evaluation.other_cells,
        "laboratory": evaluation.verdict.laboratory,
        "unlike": evaluation.verdict.unlike,
        "trained_on": evaluation.seen_before,
        "recall": {str(one.label): [round(one.recall, 4), one.support] for one in figures.per_class if one.occurs},
        **({"home": True} if is_home else {}),
        **({"source": source} if source else {}),
    }
