"""What is said where the cells of a tray were answered by more than one model, and how they are answered anew."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from bloodcell.answers.classifier import Classifier
from bloodcell.wording import counted
from webui.classify.cells import Cell, answer_anew
from webui.parts.words import name_as_markdown


def show_answered_by(cells: Sequence[Cell], classifier: Classifier | None) -> None:
    """Say it where cells were answered by several models or settings, or by others than those that answer now.

    Unreadable files count for none: no model answered them.
    """
    answered = [cell for cell in cells if cell.row.status != "error"]
    now = None if classifier is None else _answers_now(classifier)
    others = [cell for cell in answered if cell.answered_by != now]
    kinds = Counter(cell.answered_by for cell in answered)
    if len(kinds) < 2 and (now is None or not others):
        return
    st.warning(_words(kinds, now), icon=":material/swap_horiz:")
    if now is None:
        return
    kept = [cell for cell in others if cell.content is not None]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Answer {counted(len(kept), 'cell', 'cells')} anew with {name_as_markdown(now[0])}",
            key="classify_answer_anew",
            icon=":material/refresh:",
            disabled=not kept,
            on_click=answer_anew,
            args=(kept,),
        )
        if left := len(others) - len(kept):
            st.caption(
                f"The files of {counted(left, 'cell', 'cells')} are too large to be kept. Drop them again to have them "
                "answered anew.",
                width="content",
            )


def _answers_now(classifier: Classifier) -> tuple[str, ...]:
    by = classifier.answered_by
    return (classifier.card.name, by.answer_sha256, by.precision, by.engine)


def _words(kinds: Counter[tuple[str, ...]], now: tuple[str, ...] | None) -> str:
    models = {kind[0] for kind in kinds}
    counts = "; ".join(f"{_kind_words(kind, kinds)} {counted(n, 'cell', 'cells')}" for kind, n in kinds.items())
    if len(models) > 1:
        return f"**The cells here were answered by {len(models)} models:** {counts}. Their figures do not compare."
    if len(kinds) > 1:
        return f"**The cells here were answered with {len(kinds)} settings of one model:** {counts}."
    assert now is not None
    changed = "other settings of it now" if now[0] in models else f"{name_as_markdown(now[0])}"
    return f"**The cells here keep their answers:** {counts}. New ones are answered by {changed}."


def _kind_words(kind: tuple[str, ...], kinds: Counter[tuple[str, ...]]) -> str:
    name, answer_sha256, precision, engine = kind
    words = name_as_markdown(name)
    if sum(other[0] == name for other in kinds) > 1:
        words += f" ({precision}, {engine}, answers {answer_sha256[:8]})"
    return words
