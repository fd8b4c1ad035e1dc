"""Which images of an evaluation trained the weights that answered for them, as they are or as copies."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.labelled_table import LabelledRow
from bloodcell.images.fingerprint import show_the_same
from bloodcell.weights.file import short_hash


def count_seen_before(
    rows: Sequence[LabelledRow],
    classifier: Classifier,
    known_sha256: frozenset[str] | None,
    prints: Mapping[str, NDArray[np.float32]],
) -> int | None:
    """Count the images that trained the weights, or those for other laboratories where these answered; None: not
    recorded."""
    own = classifier.known.beginnings if known_sha256 is None else frozenset(map(short_hash, known_sha256))
    if own is None:
        return None
    seen = _known_files(rows, own, classifier.known.pictures, prints)
    for model_sha256 in {row.prediction.model_sha256 for row in rows} - {classifier.card.tensors_sha256}:
        answered = [row for row in rows if row.prediction.model_sha256 == model_sha256]
        known = classifier.known_to(model_sha256)
        seen |= _known_files(answered, known.beginnings or frozenset(), known.pictures, prints)
    return len(seen)


def _known_files(
    rows: Sequence[LabelledRow],
    beginnings: frozenset[str],
    pictures: NDArray[np.float32] | None,
    prints: Mapping[str, NDArray[np.float32]],
) -> set[str]:
    """Return the names of files whose bytes or whose picture weights know."""
    names = {row.prediction.file for row in rows}
    same_bytes = {row.prediction.file for row in rows if short_hash(row.sha256) in beginnings}
    return same_bytes | _copies(names, prints, pictures)


def _copies(names: Set[str], prints: Mapping[str, NDArray[np.float32]], known: NDArray[np.float32] | None) -> set[str]:
    """Return those names of files that show the same as an image that the weights know."""
    of_these = {name: one for name, one in prints.items() if name in names}
    if not of_these or known is None:
        return set()
    shown = show_the_same(np.stack(list(of_these.values())), known)
    return {name for name, is_copy in zip(of_these, shown, strict=True) if is_copy}
