"""A new suite: which recipe, which arms, how many seeds, what it will cost, and the start."""

import time
from pathlib import Path

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.jobs import list_runs
from bloodcell.paths import suites_folder
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.arms import ARM_KINDS, PAPER_ARMS
from bloodcell.suites.reach import reach_of, smallest_in_record
from bloodcell.suites.suite import SUITES, Suite, build_suite
from bloodcell.suites.suite_estimate import suite_memory_shortage, suite_seconds
from bloodcell.suites.suite_jobs import enqueue_suite, known_suites
from bloodcell.training.estimate import TrainingSpeed
from bloodcell.wording import counted, duration_words
from webui.parts.data_choice import (
    ask_for_memory,
    available_data_folders,
    choose_unusable,
    chosen_data_folder,
    image_count,
)
from webui.parts.numbers import number_field
from webui.parts.session_keys import (
    ABLATION_ALLOW_UNUSABLE,
    ABLATION_ARMS,
    ABLATION_CHOSEN,
    ABLATION_DATA,
    ABLATION_HANDED_IN,
    ABLATION_NOTICE,
    ABLATION_SEEDS,
    ABLATION_SHORT_OF_MEMORY,
    ABLATION_SUITE,
    ABLATION_TEST,
)
from webui.parts.speed import expected_speed
from webui.parts.words import error_words

SUITE_WORDS = {
    "quick": "80 px and 8 epochs in the fastest precision, otherwise the paper's recipe. Made for two CPU cores.",
    "paper": "The paper's own recipe: 256 px, 40 or 60 epochs, in numbers of 32 bits (fp32). Made for a GPU.",
    "smoke": "64 px, 2 epochs, 400 images: only to see that everything works.",
}
_DOUBLE_CLICK_SECONDS = 3.0


def choose_new_suite() -> Suite | None:
    """Show the choices of a new suite and its start; return it, or None where none can be made of them."""
    data = chosen_data_folder(ABLATION_DATA)
    if data is None:
        return None
    name = st.selectbox("Suite", sorted(SUITES, key=list(SUITE_WORDS).index), key=ABLATION_SUITE)
    st.caption(SUITE_WORDS[name])
    arms = st.multiselect(
        "Arms",
        list(ARM_KINDS),
        default=[kind.name for kind in PAPER_ARMS],
        format_func=lambda arm: ARM_KINDS[arm].title,
        key=ABLATION_ARMS,
        help="Each changes one setting of its base; the base joins by itself.",
    )
    seeds = number_field(st.container(), "Seeds per arm", lowest=1, highest=20, value=3, key=ABLATION_SEEDS)
    st.caption(
        "One seed ranks nothing: another seed may turn the order around."
        if seeds == 1
        else "Every arm is trained once per seed, all on the same training images."
    )
    tests = _chosen_test_folders(data)
    allow_unusable = choose_unusable(ABLATION_ALLOW_UNUSABLE)
    if seeds is None or not arms:
        st.caption("Choose at least one arm." if seeds else "Correct the number of seeds first.")
        return None
    suite = build_suite(
        name,
        data_folder=data,
        test_folders=tests,
        arms=arms,
        seeds=range(int(seeds)),
        allow_unusable=allow_unusable,
    )
    st.button(
        f"Train {counted(len(suite.planned_runs()), 'run', 'runs')}",
        key="ablation_start",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_hand_in,
        args=(suite,),
    )
    short = st.session_state.get(ABLATION_SHORT_OF_MEMORY)
    if short is not None and short[0] == suite:
        ask_for_memory(short[1], key="ablation_start_anyway", start=lambda: _hand_in(suite, memory_asked=True))
    return suite


def show_estimate(suite: Suite) -> None:
    """Say how long the suite will take, and what the figure rests on."""
    try:
        data = Path(suite.data_folder)
        images = image_count(data)
        speed = _speed(suite)
    except (BloodcellError, OSError) as error:
        st.warning(error_words(error), icon=":material/folder_off:")
        return
    if speed is None:
        st.caption("No estimate now: something else trains on this device.")
        return
    st.markdown(f"About **{duration_words(suite_seconds(suite, images, speed))}**")
    st.caption(f"For {counted(images, 'image', 'images')}; rests on {speed.rests_on}. Other work slows it down.")


def show_reach(suite: Suite) -> None:
    """Say before a suite starts which difference between arms it can find, and what that rests on."""
    try:
        reach = reach_of(suite, image_count, _smallest)
    except (BloodcellError, OSError) as error:
        st.warning(error_words(error), icon=":material/folder_off:")
        return
    if reach is not None:
        st.markdown(f"Finds differences of about **{reach.points:.1f} points** and more")
        st.caption(reach.rests_on)


@st.cache_data(max_entries=64, show_spinner=False)
def _smallest(record: Path, seeds: int, images: int, arms: int) -> float | None:
    return smallest_in_record(record, seeds, images, arms)


def _chosen_test_folders(data: Path) -> list[Path]:
    """Show the choice of test images; folders that say test in their names are chosen first."""
    others = {name: folder for name, folder in available_data_folders().items() if folder != data}
    chosen = st.multiselect(
        "Test images",
        list(others),
        default=[name for name in others if "test" in name.lower()],
        key=ABLATION_TEST,
        placeholder="None",
        help="Kept apart from training and from every choice, so their figures are honest. Images that are among the "
        "training images are left out.",
    )
    return [others[name] for name in chosen]


def _hand_in(suite: Suite, *, memory_asked: bool = False) -> None:
    last = st.session_state.get(ABLATION_HANDED_IN)
    now = time.monotonic()
    if last is not None and last[0] == suite and now - last[1] < _DOUBLE_CLICK_SECONDS:
        return  # the second click of a double click
    st.session_state[ABLATION_NOTICE] = ""
    st.session_state[ABLATION_SHORT_OF_MEMORY] = None
    try:
        if not memory_asked and (shortage := suite_memory_shortage(suite, image_count(Path(suite.data_folder)))):
            st.session_state[ABLATION_SHORT_OF_MEMORY] = (suite, shortage)
            return
        folder = enqueue_suite(suite)
    except (BloodcellError, OSError) as error:
        st.session_state[ABLATION_NOTICE] = error_words(error)
        return
    st.session_state[ABLATION_HANDED_IN] = (suite, now)
    st.session_state[ABLATION_CHOSEN] = folder.path.name


def _speed(suite: Suite) -> TrainingSpeed | None:
    # Suites that ship ran on other computers.
    trained = [path.parent for folder in known_suites(suites_folder()) for path in folder.runs.glob("*/metrics.csv")]
    past = [RunFolder(path) for path in (*trained, *(job.folder for job in list_runs() if job.state == "finished"))]
    return expected_speed(suite.arms[0].config, past)
