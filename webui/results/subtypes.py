"""The second level: answers by the subtype that the pathologists wrote into the file name."""

from collections.abc import Sequence

import streamlit as st

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.datasets.subtype import subtype_name
from bloodcell.figures.subtypes import subtype_figure
from bloodcell.measures.by_subtype import SubtypeAnswers, answers_by_subtype
from bloodcell.report.table import Table
from bloodcell.wording import counted as number_of
from webui.parts.figures_and_tables import show_figure, show_table
from webui.results.answers import Answers


def show_subtypes(answers: Answers) -> None:
    """Show mistakes by subtype, near misses apart, and the table behind them."""
    counted = answers_by_subtype(answers.table.files, answers.table.labels, answers.predicted, CLASS_COUNT)
    if all(one.subtype is None for one in counted):
        st.info(
            "These file names carry no subtype. In the PBC dataset a name begins with one: BNE_417.jpg is a band "
            "neutrophil."
        )
        return
    near, other = sum(one.near_misses for one in counted), sum(one.other_mistakes for one in counted)
    st.markdown(
        f"**{number_of(near + other, 'mistake', 'mistakes')}: {number_of(near, 'near miss', 'near misses')}, "
        f"{other:,} others.** "
        "A near miss takes a cell for its next stage of maturation: band neutrophil and metamyelocyte differ by how "
        "far the nucleus is dented, and observers disagree there too. A basophil taken for a platelet is none."
    )
    show_figure(subtype_figure(counted))
    show_table(subtypes_table(counted))


def subtypes_table(counted: Sequence[SubtypeAnswers]) -> Table:
    """Return a row per subtype: images, right, near misses, others, and how many were answered as each class."""
    return Table(
        name="subtypes",
        title="Answers by subtype",
        columns=(
            *("Subtype", "Images", "Right", "Near misses", "Other mistakes"),
            *(f"as {cell_class.display_name.lower()}" for cell_class in CELL_CLASSES),
        ),
        rows=tuple(
            (
                subtype_name(one.subtype),
                *(f"{number:,}" for number in (one.n, one.right, one.near_misses, one.other_mistakes)),
                *(str(number) if number else "" for number in one.counts.tolist()),
            )
            for one in counted
        ),
    )
