"""Tables of what the chosen runs are: their figures, their settings, where they come from."""

from collections.abc import Iterable, Sequence

from bloodcell.report.arms import ArmRecords, best_row
from bloodcell.report.table import Table
from bloodcell.suites.run_record import RunRecord

_STATE_WORDS = {"finished": "finished", "stopped": "stopped", "failed": "failed"}
_MACHINE_SETTINGS = ("device", "precision", "memory_format")


def runs_table(arms: Sequence[ArmRecords]) -> Table:
    """Return a row per run: how far it came, its best epoch, its pace."""
    return Table(
        name="runs",
        title="Runs",
        columns=(
            *("Arm", "Run", "Seed", "State", "Epochs", "Best validation accuracy", "at epoch"),
            *("Last validation accuracy", "Training accuracy at best", "Images per second", "Minutes"),
        ),
        rows=tuple(_run_row(arm, run) for arm in arms for run in arm.runs),
        note="The best epoch was picked on the validation images, so the best validation accuracy is optimistic.",
    )


def settings_table(arms: Sequence[ArmRecords]) -> Table:
    """Return a row per setting and a column per arm; settings that differ between arms come first."""
    values = [arm.config.to_dict() for arm in arms]
    names = [name for name in (values[0] if values else {}) if name != "seed"]
    differs = {name: len({str(of_arm[name]) for of_arm in values}) > 1 for name in names}
    rows = [("seeds", *(_joined(run.config.seed for run in arm.runs) for arm in arms))]
    rows += [
        (name, *(_setting(of_arm[name]) for of_arm in values))
        for name in sorted(names, key=lambda name: not differs[name])
    ]
    return Table(
        name="settings",
        title="Settings",
        columns=("Setting", *(arm.name for arm in arms)),
        rows=tuple(rows),
        note="Settings in which arms differ stand first.",
    )


def origin_table(arms: Sequence[ArmRecords]) -> Table:
    """Return what the figures come from: data, schedule, hardware, code. Several values mean that runs differ."""
    runs = [run for arm in arms for run in arm.runs]
    cards = [run.best_card for run in runs if run.best_card is not None]
    seconds = sum(row.seconds for run in runs for row in run.metrics)
    rows = (
        ("Runs", f"{len(runs)} in {len(arms)} arms, {sum(run.is_finished for run in runs)} finished"),
        ("Seeds", _joined(run.config.seed for run in runs)),
        ("Split seeds", _joined(run.config.split_seed for run in runs)),
        ("Image size, px", _joined(run.config.image_size_px for run in runs)),
        ("Epochs", _joined(run.config.epochs for run in runs)),
        ("Training images", _joined(card.training_data.get("training_images", "?") for card in cards)),
        ("Validation images", _joined(card.training_data.get("validation_images", "?") for card in cards)),
        ("Images used", _joined(card.training_data.get("images_used", "not recorded") for card in cards)),
        ("Data fingerprint", _joined(str(card.training_data.get("fingerprint", "?")) for card in cards)),
        ("Hardware", _joined(card.hardware for card in cards)),
        *((name.replace("_", " ").capitalize(), _joined(getattr(run.config, name) for run in runs))
          for name in _MACHINE_SETTINGS),
        ("Code version", _joined(card.code_version for card in cards)),
        ("Time of all epochs", f"{seconds / 60:,.0f} min"),
    )  # fmt: skip
    return Table(name="origin", title="Where the figures come from", columns=("What", "Value"), rows=rows)


def _run_row(arm: ArmRecords, run: RunRecord) -> tuple[str, ...]:
    best, last = best_row(run), run.metrics[-1] if run.metrics else None
    state = "under way" if run.outcome is None else _STATE_WORDS.get(str(run.outcome["state"]), "unknown")
    seconds = sum(row.seconds for row in run.metrics)
    pace = sum(row.images_per_second for row in run.metrics) / max(1, len(run.metrics))
    return (
        arm.name,
        run.name,
        str(run.config.seed),
        state,
        f"{len(run.metrics)} of {run.config.epochs}",
        "–" if best is None else _percent(best.validation_accuracy),
        "–" if best is None else str(best.epoch),
        "–" if last is None else _percent(last.validation_accuracy),
        "–" if best is None else _percent(best.training_accuracy),
        "–" if last is None else f"{pace:,.0f}",
        "–" if last is None else f"{seconds / 60:,.1f}",
    )


def _joined(values: Iterable[object]) -> str:
    found = list(dict.fromkeys(values))
    if found and all(isinstance(value, int) for value in found):
        found.sort(key=lambda value: int(str(value)))
    return ", ".join(map(str, found)) or "–"


def _setting(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
