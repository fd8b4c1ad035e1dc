"""What a new run will cost in time and memory; apart from its form, because this needs torch."""

from pathlib import Path

import streamlit as st

from bloodcell.config import RunConfig
from bloodcell.errors import BloodcellError
from bloodcell.jobs import list_runs
from bloodcell.processes.device_lock import device_name, is_device_held
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.estimate import TrainingSpeed, estimate_run, speed_of_past_runs, timed_speed
from bloodcell.wording import counted, duration_words, memory_words
from webui.parts.data_choice import image_count
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
    past = [RunFolder(job.folder) for job in list_runs() if job.state == "finished"]
    if (found := speed_of_past_runs(config, past)) is not None:
        return found
    device = device_name(config.device)
    alike = config.changed(epochs=1, batch_size=1, learning_rate=1e-3, seed=0, device=device.partition("-")[0])
    return None if is_device_held(device) else _timed_speed(alike)


# What does not change the time of a step is the same in all keys.
@st.cache_resource(max_entries=16, show_spinner="Timing a few training steps …")
def _timed_speed(config: RunConfig) -> TrainingSpeed:
    return timed_speed(config)
