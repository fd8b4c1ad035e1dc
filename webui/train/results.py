"""What a run has measured so far: its curves, and the validation images that it gets most wrong."""

import io
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.datasets.split import read_split
from bloodcell.errors import BloodcellError
from bloodcell.figures.run_curves import accuracy_figure, best_row, learning_rate_figure, loss_figure
from bloodcell.images.open_image import read_image_file
from bloodcell.runs.run_folder import EpochMetrics, RunFolder
from bloodcell.wording import duration_words, percent
from webui.parts.words import class_name, error_words, name_as_markdown

_SHOWN_MISTAKES = 8
_PICTURE_PX = 180
_CHART = {"displayModeBar": False}


def show_curves(folder: Path) -> None:
    """Show loss, accuracy and learning rate over the epochs; nothing before the first epoch is finished."""
    run = RunFolder(folder)
    if not run.metrics.exists():
        return
    try:
        rows, figures = _curves(str(folder), run.metrics.stat().st_mtime_ns)
    except BloodcellError as error:
        st.warning(error_words(error), icon=":material/broken_image:")
        return
    if not rows:
        return
    best, last = best_row(rows), rows[-1]
    st.markdown(
        f"Best validation accuracy **{percent(best.validation_accuracy)}** in epoch {best.epoch} · "
        f"last epoch took {duration_words(last.seconds)} at {last.images_per_second:,.0f} images per second"
    )
    columns = [*st.columns(2), *st.columns(2)]
    for column, (name, figure) in zip(columns[: len(figures)], figures.items(), strict=True):
        with column:
            words = f"{name} over {len(rows)} epochs; best validation accuracy {percent(best.validation_accuracy)}"
            st.plotly_chart(figure, config=_CHART, key=f"train_{name.lower().replace(' ', '_')}_chart", alt=words)


def show_mistakes(folder: Path) -> None:
    """Show the validation images that the best epoch so far gets most wrong, the surest mistake first."""
    run = RunFolder(folder)
    if not run.predictions.exists():
        return
    try:
        wrong, of, pictures = _mistakes(str(folder), run.predictions.stat().st_mtime_ns)
    except (BloodcellError, OSError) as error:
        st.warning(error_words(error), icon=":material/broken_image:")
        return
    st.markdown(f"**Validation images that it gets most wrong:** {wrong} of {of} wrong at the best epoch so far")
    columns = st.columns(4)
    for index, (picture, words, file) in enumerate(pictures):
        with columns[index % 4]:
            if picture is None:
                st.caption(f"{name_as_markdown(file)} is no longer there. {words}")
            else:
                st.image(picture, caption=words, alt=f"Validation image: {words}", width="stretch")


# The time of change is part of each key, so that a file is parsed once per change however often the page is drawn.
@st.cache_data(max_entries=8, show_spinner=False)
def _curves(folder: str, changed_ns: int) -> tuple[list[EpochMetrics], dict[str, go.Figure]]:
    run = RunFolder(Path(folder))
    rows, epochs = run.read_metrics(), run.read_config()[0].epochs
    return rows, {
        "Loss": loss_figure(rows, epochs),
        "Accuracy": accuracy_figure(rows, epochs),
        "Learning rate": learning_rate_figure(rows, epochs),
    }


@st.cache_data(max_entries=8, show_spinner=False)
def _mistakes(folder: str, changed_ns: int) -> tuple[int, int, list[tuple[bytes | None, str, str]]]:
    run = RunFolder(Path(folder))
    table = read_labelled_table(run.predictions)
    answers, confidences = table.probabilities.argmax(1), table.probabilities.max(1)
    wrong = [index for index in range(len(table.labels)) if answers[index] != table.labels[index]]
    wrong.sort(key=lambda index: -confidences[index])
    # The table's names are cleaned for spreadsheets; the split has them as they are.
    files = {entry.sha256: entry.file for entry in read_split(run.split).validation}
    data = run.read_config()[1].dataset
    shown = [
        (
            _picture(data, files.get(table.sha256[index], "")),
            f"**{class_name(int(table.labels[index]))}** read as {class_name(int(answers[index]))}, "
            f"confidence {percent(float(confidences[index]))}",
            table.files[index],
        )
        for index in wrong[:_SHOWN_MISTAKES]
    ]
    return len(wrong), len(table.labels), shown


def _picture(data: Path, file: str) -> bytes | None:
    """Return a small picture of an image of the dataset, or None where it cannot be read from there."""
    path = (data / file).resolve()
    if not file or not path.is_relative_to(data.resolve()):
        return None
    try:
        image = Image.fromarray(read_image_file(path))
    except (BloodcellError, OSError):
        return None
    image.thumbnail((_PICTURE_PX, _PICTURE_PX))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
