"""How fast training will be here: by past runs, else timed; apart from the forms, because this needs torch."""

from collections.abc import Sequence

import streamlit as st

from bloodcell.config import RunConfig
from bloodcell.processes.device_lock import device_name, is_device_held
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.estimate import TrainingSpeed, speed_of_past_runs, timed_speed


def expected_speed(config: RunConfig, past: Sequence[RunFolder]) -> TrainingSpeed | None:
    """Return the speed of runs like this one; None where none was trained and something else uses the device now."""
    if (found := speed_of_past_runs(config, past)) is not None:
        return found
    device = device_name(config.device)
    # What does not change the time of a step is the same in all keys.
    alike = config.changed(epochs=1, batch_size=1, learning_rate=1e-3, seed=0, device=device.partition("-")[0])
    return None if is_device_held(device) else _timed_speed(alike)


@st.cache_resource(max_entries=16, show_spinner="Timing a few training steps …")
def _timed_speed(config: RunConfig) -> TrainingSpeed:
    return timed_speed(config)
