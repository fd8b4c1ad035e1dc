"""Two runs on the same images: which images changed sides."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from bloodcell.measures.paired import PairedAnswers, paired_answers
from bloodcell.report.table import Table
from bloodcell.wording import counted
from webui.parts.figures_and_tables import show_table
from webui.parts.session_keys import RESULTS_CHANGED, RESULTS_FIRST, RESULTS_GALLERY_PAGE, RESULTS_SECOND
from webui.parts.words import class_name
from webui.results.answers import Answers, AnswerSource, accuracy_words, read_answers
from webui.results.images import show_gallery

ONLY_FIRST, ONLY_SECOND, BOTH_WRONG = "Only the first is right", "Only the second is right", "Both wrong"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CommonImages:
    """Images that two sets of answers share, M of them."""

    first_places: NDArray[np.int64]
    second_places: NDArray[np.int64]
    """(M,), where each image stands in the first and in the second set."""
    first_is_right: NDArray[np.bool_]
    second_is_right: NDArray[np.bool_]
    """(M,)."""


@st.fragment
def show_comparison(sources: dict[str, AnswerSource]) -> None:
    """Show the choice of two sets of answers, how they differ, and the images that changed sides."""
    if len(sources) < 2:
        st.info("There are not two sets of answers yet. Choose more runs above.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        first = _chosen("First", sources, RESULTS_FIRST, index=0)
    with right:
        second = _chosen("Second", sources, RESULTS_SECOND, index=_like_the_first(sources))
    if first is None or second is None:
        return
    common = common_images(first, second)
    if not len(common.first_places):
        st.info("These two share no image. Choose two that answered the same images, both validation or both test.")
        return
    _show_counts(paired_answers(common.first_is_right, common.second_is_right), len(common.first_places))
    _show_changed(first, second, common)


def common_images(first: Answers, second: Answers) -> CommonImages:
    """Match images by the hash of their file; of copies the last one counts."""
    place_of = {sha256: place for place, sha256 in enumerate(second.table.sha256)}
    pairs = [(place, place_of[sha256]) for place, sha256 in enumerate(first.table.sha256) if sha256 in place_of]
    ours, theirs = (np.array(places, dtype=np.int64) for places in (zip(*pairs, strict=True) if pairs else ((), ())))
    return CommonImages(
        first_places=ours,
        second_places=theirs,
        first_is_right=first.is_right[ours],
        second_is_right=second.is_right[theirs],
    )


def test_words(counts: PairedAnswers) -> str:
    """Say what McNemar's test says of these two runs, and what it does not say."""
    one_sided = counts.only_first + counts.only_second
    verdict = "can be chance" if counts.p_value >= 0.05 else "is more than chance would do in 19 of 20 cases"
    return (
        f"McNemar's exact test on the {counted(one_sided, 'image', 'images')} that only one of them gets right: "
        f"p = {counts.p_value:.3g}, which is how often chance alone would show such a difference. "
        f"It {verdict}. This compares two runs, not two arms: another seed of the same arm changes sides as well."
    )


def changed_table(first: Answers, second: Answers, common: CommonImages, chosen: NDArray[np.bool_]) -> Table:
    """Return a row per chosen image (M,): truth, both answers, how sure each was."""
    rows = []
    for ours, theirs in zip(common.first_places[chosen].tolist(), common.second_places[chosen].tolist(), strict=True):
        answers = [(first, ours), (second, theirs)]
        rows.append(
            (
                first.table.files[ours],
                class_name(int(first.table.labels[ours])),
                *(class_name(int(of.predicted[place])) for of, place in answers),
                *(f"{of.table.probabilities[place].max():.6f}" for of, place in answers),
            )
        )
    return Table(
        name="changed_sides",
        title="Images",
        columns=("file", "truth", "first answer", "second answer", "first confidence", "second confidence"),
        rows=tuple(rows),
    )


def _like_the_first(sources: dict[str, AnswerSource]) -> int:
    """Return the place of the next set of answers for the same kind of images as the first, else 1."""
    kinds = [source.images for source in sources.values()]
    return next((place for place, kind in enumerate(kinds[1:], start=1) if kind == kinds[0]), 1)


def _chosen(label: str, sources: dict[str, AnswerSource], key: str, *, index: int) -> Answers | None:
    title = st.selectbox(label, list(sources), index=index, key=key, on_change=_first_page)
    answers = read_answers(sources[title])
    if answers is not None:
        st.caption(accuracy_words(answers))
    return answers


def _show_counts(counts: PairedAnswers, n: int) -> None:
    with st.container(horizontal=True, gap="medium"):
        for label, number in (
            ("Images in common", n),
            ("Both right", counts.both_right),
            (ONLY_FIRST, counts.only_first),
            (ONLY_SECOND, counts.only_second),
            (BOTH_WRONG, counts.both_wrong),
        ):
            st.metric(label, f"{number:,}", width="content")
    st.markdown(test_words(counts))


def _show_changed(first: Answers, second: Answers, common: CommonImages) -> None:
    choice = st.segmented_control(
        "Images",
        (ONLY_FIRST, ONLY_SECOND, BOTH_WRONG),
        default=ONLY_SECOND,
        required=True,
        key=RESULTS_CHANGED,
        on_change=_first_page,
    )
    chosen = {
        ONLY_FIRST: common.first_is_right & ~common.second_is_right,
        ONLY_SECOND: ~common.first_is_right & common.second_is_right,
        BOTH_WRONG: ~common.first_is_right & ~common.second_is_right,
    }[choice]
    if not chosen.any():
        st.info("No image is of this kind.")
        return
    show_table(changed_table(first, second, common, chosen))
    # The pictures show the answers of the run that is wrong, or of the first where both are.
    shown, places = (second, common.second_places) if choice == ONLY_FIRST else (first, common.first_places)
    show_gallery(shown, places[chosen].tolist())


def _first_page() -> None:
    st.session_state[RESULTS_GALLERY_PAGE] = 0
