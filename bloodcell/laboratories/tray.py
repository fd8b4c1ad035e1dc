"""A tray answered as a whole: every image, then the verdict, then what it changes."""

from collections.abc import Callable, Sequence

from bloodcell.answers.classifier import Answer, Classifier
from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.laboratories.verdict import TrayVerdict, is_for_elsewhere, tray_verdict, under_verdict


def answer_tray(
    classifier: Classifier,
    sources: Sequence[ImageSource],
    *,
    heat_maps: bool = False,
    batch_size: int | None = None,
    on_answer: Callable[[int, Answer], None] = lambda place, answer: None,
) -> tuple[list[PredictionRow], TrayVerdict]:
    """Answer for all images of a tray.

    In a tray of another laboratory the cells that look like home ones are answered a second time, by the weights for
    other laboratories: what the home weights say there is worth little.

    Args:
        on_answer: called with the place of each source and its answer; a second time where the answer changed.

    Returns:
        A row per source, as it stands in the tray, and the verdict.
    """
    rows: list[PredictionRow] = []
    for answer in classifier.answers(sources, heat_maps=heat_maps, batch_size=batch_size):
        rows.append(answer.row)
        on_answer(len(rows) - 1, answer)
    verdict = tray_verdict(rows, classifier.card)
    places = [place for place, row in enumerate(rows) if is_for_elsewhere(row, verdict, classifier.card)]
    again = classifier.answers(
        [sources[place] for place in places], heat_maps=heat_maps, batch_size=batch_size, is_home=False
    )
    for place, answer in zip(places, again, strict=True):
        rows[place] = answer.row
        on_answer(place, answer)
    return [under_verdict(row, verdict) for row in rows], verdict
