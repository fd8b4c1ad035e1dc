"""What a new run will cost in time and memory; apart from its form, because this needs torch."""

from pathlib import Path

import streamlit as st

from bloodcell.config import RunConfig
from bloodcell.errors import BloodcellError
from bloodcell.jobs import list_runs
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.estimate import TrainingSpeed, estimate_run
from bloodcell.wording import counted, duration_words, memory_words
from webui.parts.data_choice import image_count
from webui.parts.speed import expected_speed
from webui.parts.words import error_words


def show_estimate(config: RunConfig, data: Path) -> None:
    """Say how long the run will take, how much memory it needs, and what the figures rest on."""
    try:
        images = image_count(data)
        speed = _speed(config)
    except (BloodcellError, OSError) as error:
        st.warning(error_words(error), icon=":material/folder_off:")
        return
    if speed is None:
        st.caption("No estimate now: another run trains on this device, and none like this one was trained before.")
        return
    estimate = estimate_run(config, images, speed)
    st.markdown(f"About **{duration_words(estimate.seconds)}** and **{memory_words(estimate.memory_mib)}** of memory")
    st.caption(f"For {counted(images, 'image', 'images')}; rests on {estimate.rests_on}. Other work slows it down.")


def _speed(config: RunConfig) -> TrainingSpeed | None:
    return expected_speed(config, [RunFolder(job.folder) for job in list_runs() if job.state == "finished"])
