"""Runs: which one is shown, where it stands, what can be done with it; polled while anything is active."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import streamlit as st

from bloodcell.datasets.data_use import ALLOW_FLAG, read_data_use
from bloodcell.errors import BloodcellError
from bloodcell.jobs import Job, JobState, delete_run, epochs_done, list_runs, resume_run, stop_job
from bloodcell.jobs.ending import KILL_AFTER_SECONDS
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.wording import counted, duration_words, memory_words
from webui.parts.polling import show_polled
from webui.parts.session_keys import TRAIN_CHOSEN, TRAIN_NOTICE
from webui.parts.words import device_words, error_words, name_as_markdown, sentence_words

POLL_SECONDS = 2.0
REDRAW_SECONDS = 20.0
"""Between two drawings of the curves. Drawing the whole page takes as long as a hundred polls, and epochs of small runs
end every few seconds."""
SILENT_SECONDS = 60.0
"""After which a run that gives no sign of life is pointed out; one that works gives one every two seconds."""
_LOG_LINES = 15
_LOG_BYTES = 8_000
_COLOURS: dict[JobState, Literal["blue", "green", "orange", "red", "gray"]] = {
    "queued": "gray",
    "running": "blue",
    "stopping": "orange",
    "finished": "green",
    "stopped": "orange",
    "failed": "red",
    "lost": "red",
}
_ICONS: dict[JobState, str] = {
    "queued": ":material/hourglass_empty:",
    "running": ":material/play_arrow:",
    "stopping": ":material/pending:",
    "finished": ":material/check:",
    "stopped": ":material/pause:",
    "failed": ":material/error:",
    "lost": ":material/help:",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """What was drawn outside the polled part, and when."""

    states: tuple[tuple[Path, JobState], ...]
    metrics_changed_ns: int
    """Of the shown run's metrics.csv; 0 where there was none."""
    at: float
    """Monotonic seconds."""

    def is_outdated(self, states: tuple[tuple[Path, JobState], ...], metrics_changed_ns: int) -> bool:
        """Say whether the page is to be drawn anew: at once after a change of state, now and then for new epochs."""
        if states != self.states:
            return True
        if metrics_changed_ns == self.metrics_changed_ns:
            return False
        return self.metrics_changed_ns == 0 or time.monotonic() - self.at >= REDRAW_SECONDS


def choose_run(jobs: Sequence[Job]) -> Job | None:
    """Show the choice of a run and return it; None where there is none."""
    by_name = {job.name: job for job in jobs}
    if not by_name:
        st.caption("No run yet. The first one will show its progress here.")
        return None
    if st.session_state.get(TRAIN_CHOSEN) not in by_name:
        active = [job.name for job in jobs if job.is_active]
        # Jobs come newest first; of those in the queue the oldest runs.
        st.session_state[TRAIN_CHOSEN] = (active[::-1] or list(by_name))[0]
    name = st.selectbox("Run", list(by_name), key=TRAIN_CHOSEN, help="The newest first.")
    return by_name[name]


def show_progress(job: Job, jobs: Sequence[Job]) -> None:
    """Show where a run stands and what waits; the page is drawn anew once that has changed more than a figure."""
    drawn = Drawn(states=_states(jobs), metrics_changed_ns=_metrics_changed_ns(job.folder), at=time.monotonic())
    is_polled = any(other.is_active for other in jobs)
    show_polled(lambda: _poll(job.folder, drawn), every_seconds=POLL_SECONDS if is_polled else None)


def _poll(folder: Path, drawn: Drawn) -> None:
    jobs = list_runs()
    if drawn.is_outdated(_states(jobs), _metrics_changed_ns(folder)):
        st.rerun()
    job = next(job for job in jobs if job.folder == folder)
    _show_state(job)
    _show_actions(job)
    _show_others([other for other in jobs if other.is_active and other.folder != folder])
    if log := _log_tail(RunFolder(folder).log):
        with st.expander("Log", icon=":material/description:"):
            st.code(log, language=None, wrap_lines=True)


def _states(jobs: Sequence[Job]) -> tuple[tuple[Path, JobState], ...]:
    return tuple((job.folder, job.state) for job in jobs)


def _metrics_changed_ns(folder: Path) -> int:
    metrics = RunFolder(folder).metrics
    return metrics.stat().st_mtime_ns if metrics.exists() else 0


def _show_state(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name_as_markdown(job.name)}**", width="content")
        st.badge(job.state, icon=_ICONS[job.state], color=_COLOURS[job.state])
    if job.reason:
        shown = st.error if job.state in ("failed", "lost") else st.info
        shown(sentence_words(job.reason), icon=_ICONS[job.state])
    if job.state == "queued":
        before = counted(job.jobs_before, "job comes", "jobs come") if job.jobs_before else "no job comes"
        st.caption(f"It starts when the {device_words(job.device)} is free; {before} before it.")
    if job.silent_seconds is not None and job.silent_seconds > SILENT_SECONDS:
        st.warning(
            f"No sign of life for {duration_words(job.silent_seconds)}: it is halted, hangs, or its disk is slow. "
            "Stop ends it for sure; what it finished is kept.",
            icon=":material/heart_broken:",
        )
    elif job.silent_seconds is not None:
        st.caption(f"Last sign of life {duration_words(job.silent_seconds)} ago")
    _show_data_use(job.folder)
    status = job.status
    if status is None or job.state == "queued":
        return
    if job.is_active and status.epoch == 0:
        share = status.step / status.steps if status.steps else 0.0
        amount = f" {status.step:,} of {status.steps:,}" if status.steps else " …"
        st.progress(share, text=f"{status.activity.capitalize()}{amount}")
    elif job.is_active:
        _show_training(status)
    else:
        # status.json is some seconds older than the end.
        done = epochs_done(job.folder)
        st.progress(done / status.epochs, text=f"{done} of {status.epochs} epochs done")


def _show_data_use(folder: Path) -> None:
    try:
        use = read_data_use(RunFolder(folder).data_use)
    except BloodcellError as error:
        st.warning(error_words(error), icon=":material/broken_image:")
        return
    if use is not None and use.unused:
        st.warning(sentence_words(use.sentence()), icon=":material/hide_image:")
    elif use is not None:
        st.caption(sentence_words(use.sentence()))


def _show_training(status: RunStatus) -> None:
    st.progress((status.epoch - 1 + status.step / max(status.steps, 1)) / status.epochs)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Epoch", f"{status.epoch} of {status.epochs}", width="content")
        if status.eta_seconds is not None:
            st.metric("Time left", duration_words(status.eta_seconds), width="content")
        st.metric("Images per second", f"{status.images_per_second:,.0f}", width="content")
        if status.device_memory_mib is not None:
            st.metric("GPU memory", memory_words(status.device_memory_mib), width="content")


def _show_actions(job: Job) -> None:
    with st.container(horizontal=True):
        if job.state == "queued":
            st.button("Take out of the queue", key="train_stop", on_click=_act, args=("stop", job.folder))
        elif job.is_active:
            st.button(
                "Stop",
                key="train_stop",
                icon=":material/stop:",
                on_click=_act,
                args=("stop", job.folder),
                disabled=job.state == "stopping" and (job.stop_asked_seconds or 0.0) < KILL_AFTER_SECONDS,
                help="It stops within seconds and can be resumed; the epoch under way is trained anew. One that does "
                "not answer for a minute is killed; that is safe too.",
            )
        elif job.state != "finished":
            st.button(
                "Resume",
                key="train_resume",
                icon=":material/resume:",
                on_click=_act,
                args=("resume", job.folder),
                help="Goes on after the last finished epoch.",
            )
            if ALLOW_FLAG in job.reason:
                st.button(
                    "Resume with what is left",
                    key="train_resume_with_less",
                    icon=":material/warning:",
                    on_click=_act,
                    args=("resume with less", job.folder),
                    help="Trains on the images that are usable now, on purpose.",
                )
        if not job.is_active:
            _show_deletion(job)


_ACTIONS: dict[str, Callable[[Path], None]] = {
    "stop": stop_job,
    "resume": resume_run,
    "resume with less": partial(resume_run, allow_unusable=True),
    "delete": delete_run,
}


def _act(action: str, folder: Path) -> None:
    st.session_state[TRAIN_NOTICE] = ""
    try:
        _ACTIONS[action](folder)
    except BloodcellError as error:
        st.session_state[TRAIN_NOTICE] = error_words(error)


def _show_deletion(job: Job) -> None:
    # A dialog would be closed by the next poll.
    with st.popover("Delete", icon=":material/delete:", key="train_delete"):
        st.markdown(f"{name_as_markdown(job.name)} goes with its weights, curves and log. This cannot be undone.")
        st.button(
            "Delete for good", key="train_delete_for_good", type="primary", on_click=_act, args=("delete", job.folder)
        )


def _show_others(others: Sequence[Job]) -> None:
    if not others:
        return
    st.markdown("**Also in the queue**")
    for job in reversed(others):
        status = job.status
        words = [f":{_COLOURS[job.state]}-badge[{job.state}] {name_as_markdown(job.name)}"]
        if job.state == "queued":
            words.append(f"{job.jobs_before} before it on {job.device}")
        elif status is not None and status.epoch:
            words.append(f"epoch {status.epoch} of {status.epochs}")
        st.markdown(" · ".join(words))


def _log_tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LOG_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_LOG_LINES:])
