"""From calibrated probabilities to what a user is told of an image that was read."""

from dataclasses import asdict

from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.weights.answer_identity import AnsweredBy
from bloodcell.weights.card import WeightsCard


def judged_row(
    file: str, probabilities: tuple[float, ...], *, card: WeightsCard, answered_by: AnsweredBy
) -> PredictionRow:
    """Return what is said about an image that was read: sure, or worth a second look.

    Args:
        probabilities: (K,), calibrated.
    """
    confidence = max(probabilities)
    is_sure = confidence >= card.review_threshold < 1
    return PredictionRow(
        file=file,
        status="ok" if is_sure else "review",
        reason="" if is_sure else _reason(card),
        predicted=probabilities.index(confidence),
        confidence=confidence,
        probabilities=probabilities,
        model=card.name,
        model_sha256=card.tensors_sha256,
        **asdict(answered_by),
    )


def _reason(card: WeightsCard) -> str:
    if card.review_threshold >= 1:
        return "these weights call no answer sure"
    return f"confidence below {card.review_threshold:.1%}".replace("%", " %")
