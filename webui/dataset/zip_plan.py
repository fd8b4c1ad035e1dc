"""What a ZIP that was handed in would give as a dataset: what is left out first, then the images per class."""

import io

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from bloodcell.answers.image_sources import passed_over_words
from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.datasets.zip_dataset import ZipPlan, likely_class, plan_dataset
from bloodcell.errors import BloodcellError
from bloodcell.images.zip_images import open_zip
from bloodcell.wording import counted
from webui.parts.words import class_name, error_words, name_as_markdown, plain_words

_FOLDERS_NAMED = 5


def show_plan(file: UploadedFile) -> None:
    """Say what adding a ZIP would keep, merge and leave out; a ZIP that cannot be added says why."""
    try:
        with open_zip(io.BytesIO(file.getbuffer()), "The ZIP") as archive:
            plan = plan_dataset(archive)
    except (BloodcellError, OSError) as error:
        st.error(error_words(error))
        return
    for words in plan_warnings(plan):
        st.warning(words, icon=":material/warning:")
    present = [label for label, number in enumerate(plan.per_class) if number]
    st.markdown(f"**{counted(len(plan.targets), 'image', 'images')} in {len(present)} of {len(CELL_CLASSES)} classes**")
    st.table(
        {class_name(label): f"{number:,}" if number else "none" for label, number in enumerate(plan.per_class)},
        border="horizontal",
        alt="Images of each class in the ZIP",
    )
    if plan.passed_over:
        st.caption(plain_words(passed_over_words(list(plan.passed_over))))


def plan_warnings(plan: ZipPlan) -> list[str]:
    """Return a sentence per thing that whoever made the ZIP may not have meant."""
    warnings = []
    if plan.outside:
        folders = sorted(plan.outside, key=lambda folder: -plan.outside[folder])
        named = "; ".join(_folder_words(folder, plan.outside[folder]) for folder in folders[:_FOLDERS_NAMED])
        rest = f"; and {len(folders) - _FOLDERS_NAMED:,} more folders" if len(folders) > _FOLDERS_NAMED else ""
        left_out = counted(sum(plan.outside.values()), "image lies", "images lie")
        warnings.append(f"{left_out} in no class folder and would be left out: {named}{rest}.")
    if empty := [class_name(label) for label, number in enumerate(plan.per_class) if not number]:
        warnings.append(f"No image of: {', '.join(empty)}. What is trained on this would never answer so.")
    if len(plan.parents) > 1:
        named = ", ".join(name_as_markdown(parent or "the top of the ZIP") for parent in plan.parents[:_FOLDERS_NAMED])
        warnings.append(
            f"Class folders lie in {len(plan.parents):,} places and would be merged: {named}"
            f"{', …' if len(plan.parents) > _FOLDERS_NAMED else ''}. Training and test images would then be one set; "
            "add them one by one to keep them apart."
        )
    return warnings


def _folder_words(folder: str, images: int) -> str:
    where = name_as_markdown(folder) if folder else "the top of the ZIP"
    guess = likely_class(folder) if folder else None
    return f"{where} ({images:,}{f', did you mean {guess}?' if guess else ''})"
