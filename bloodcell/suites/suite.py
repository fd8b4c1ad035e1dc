"""A suite: arms × seeds over one split, and the folder that holds it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bloodcell import __version__
from bloodcell.config import RunConfig
from bloodcell.errors import RunFolderError, UnknownName
from bloodcell.experiments import experiment_config
from bloodcell.json_objects import read_json_object
from bloodcell.paths import write_atomically
from bloodcell.setting_checks import check
from bloodcell.suites.arms import PAPER_ARMS, ArmKind, with_bases

FORMAT_VERSION = 1
_ARM_NAME = re.compile(r"\w[\w.=+-]{0,99}")
DEFAULT_SEEDS = (0, 1, 2)
ALL_SEEN = "are among the training and validation images, so they test nothing."
"""Said of test images that no suite can be tested on, however often it is resumed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One arm of a suite, ready to train."""

    name: str
    title: str
    """What it is, in words."""
    base: str | None
    """The arm that it is compared with; None for the base of all."""
    config: RunConfig
    """Its settings; every run has its own seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """Everything that decides what a suite computes."""

    name: str
    arms: tuple[Arm, ...]
    """In the order in which they are trained."""
    seeds: tuple[int, ...]
    """Each arm is trained once with each."""
    data_folder: str
    """Where training and validation images lay when the suite began."""
    test_folders: tuple[str, ...]
    """Where images lay that choose nothing and only report."""
    seen_test_images: int = 0
    """How many of those are among the training and validation images, and therefore left out."""
    allow_unusable: bool = False
    """Whether its runs may begin although a class or more than a few images are unusable."""
    code_version: str = __version__
    """Of the program that began it."""

    def arm(self, name: str) -> Arm:
        """Return an arm by its name.

        Raises:
            KeyError: the suite has no such arm.
        """
        return {arm.name: arm for arm in self.arms}[name]

    def planned_runs(self) -> list[tuple[Arm, int]]:
        """Return all runs in their order: seed by seed, so that early results cover all arms."""
        return [(arm, seed) for seed in self.seeds for arm in self.arms]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        arms = [
            {"name": arm.name, "title": arm.title, "base": arm.base, "config": arm.config.to_dict()}
            for arm in self.arms
        ]
        return {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "arms": arms,
            "seeds": list(self.seeds),
            "data_folder": self.data_folder,
            "test_folders": list(self.test_folders),
            "seen_test_images": self.seen_test_images,
            "allow_unusable": self.allow_unusable,
            "code_version": self.code_version,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Suite":
        """Build a suite from `to_dict`'s values.

        Raises:
            ValueError, KeyError, TypeError: they describe none.
        """
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"its format version is {values['format_version']}, this program reads {FORMAT_VERSION}")
        arms = tuple(
            Arm(
                name=str(entry["name"]),
                title=str(entry["title"]),
                base=entry["base"],
                config=RunConfig.from_dict(entry["config"]),
            )
            for entry in values["arms"]
        )
        _check_arms(arms)
        check("seeds", values["seeds"], len(values["seeds"]) > 0, "at least one number")
        return cls(
            name=str(values["name"]),
            arms=arms,
            seeds=tuple(int(seed) for seed in values["seeds"]),
            data_folder=str(values["data_folder"]),
            test_folders=_test_folders(values),
            seen_test_images=int(values.get("seen_test_images", 0)),
            allow_unusable=values.get("allow_unusable") is True,
            code_version=str(values["code_version"]),
        )


def _check_arms(arms: Sequence[Arm]) -> None:
    """Refuse arms that a hand may have written: their names become folders."""
    names = [arm.name for arm in arms]
    check("arms", names, len(names) > 0 and len(set(names)) == len(names), "at least one, each once")
    for arm in arms:
        check("name", arm.name, _ARM_NAME.fullmatch(arm.name) is not None, "letters, digits and any of _ . = + -")
        check("base", arm.base, arm.base is None or arm.base in names, "empty or the name of an arm")


def _test_folders(values: Mapping[str, Any]) -> tuple[str, ...]:
    if "test_folders" in values:
        return tuple(map(str, values["test_folders"]))
    only = values["test_folder"]  # as version 0.1 wrote it
    return () if only is None else (str(only),)


class SuiteFolder:
    """The files of one suite: suite.json, runs/ARM-seedN/, table.csv."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.suite = self.path / "suite.json"
        self.runs = self.path / "runs"
        self.table = self.path / "table.csv"

    def run_path(self, arm: str, seed: int) -> Path:
        """Return the folder of one run."""
        return self.runs / f"{arm}-seed{seed}"

    def create(self, suite: Suite) -> None:
        """Make the folder and write suite.json.

        Raises:
            RunFolderError: a suite is there already, or the folder cannot be written.
        """
        if self.suite.exists():
            raise RunFolderError(
                f"{self.path} already holds a suite. Go on with it (--resume), or name another folder."
            )
        self.write(suite)

    def write(self, suite: Suite) -> None:
        """Write suite.json.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.suite, (json.dumps(suite.to_dict(), indent=1) + "\n").encode())
        except OSError as error:
            raise RunFolderError(f"The suite folder {self.path} cannot be written: {error.strerror}.") from error

    def read(self) -> Suite:
        """Return the suite.

        Raises:
            RunFolderError: there is none, or suite.json is damaged.
        """
        try:
            return Suite.from_dict(read_json_object(self.suite))
        except FileNotFoundError as error:
            raise RunFolderError(f"There is no suite in {self.path}. Start one with --suite and --data.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{self.suite} is damaged ({error}). Start the suite in a new folder.") from error


def _paper(config: RunConfig) -> RunConfig:
    return config


def _quick(config: RunConfig) -> RunConfig:
    return replace(config, image_size_px=80, epochs=8, precision="auto", memory_format="auto")


def _smoke(config: RunConfig) -> RunConfig:
    return replace(config, image_size_px=64, epochs=2, images_per_class=50)


SUITES: dict[str, Callable[[RunConfig], RunConfig]] = {"paper": _paper, "quick": _quick, "smoke": _smoke}
"""Name → what it makes of an experiment's settings.

paper: the paper's own, a day on a GPU for three seeds. quick: 80 px and 8 epochs in the fastest precision, otherwise
the paper's recipe. smoke: 64 px, 2 epochs, 400 images, to see that everything works.
"""


def build_suite(
    name: str,
    *,
    data_folder: Path,
    test_folders: Sequence[Path] = (),
    arms: Sequence[str] = (),
    seeds: Sequence[int] = DEFAULT_SEEDS,
    split_seed: int | None = None,
    epochs: int | None = None,
    device: str | None = None,
    allow_unusable: bool = False,
) -> Suite:
    """Put a suite together.

    Args:
        name: key of SUITES.
        arms: names of arms; none: the paper's six. Arms that these are compared with are added.
        split_seed: of the one split that all runs share.
        epochs: of every run; None: the suite's own.
        allow_unusable: train although a class or more than a few images are unusable.

    Raises:
        UnknownName: there is no such suite or arm.
        ValueError: no seed, a seed twice, or a setting out of range.
    """
    if name not in SUITES:
        raise UnknownName(f"There is no suite named '{name}'. Suites: {', '.join(SUITES)}.")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds are {', '.join(map(str, seeds)) or 'missing'}; each must be given once")

    def arm(kind: ArmKind) -> Arm:
        config = _arm_config(kind, name).changed(split_seed=split_seed, epochs=epochs, device=device)
        return Arm(name=kind.name, title=kind.title, base=kind.base, config=config)

    return Suite(
        name=name,
        arms=tuple(map(arm, with_bases(list(arms)) if arms else PAPER_ARMS)),
        seeds=tuple(seeds),
        data_folder=str(data_folder.resolve()),
        test_folders=tuple(str(folder.resolve()) for folder in test_folders),
        allow_unusable=allow_unusable,
    )


def _arm_config(kind: ArmKind, suite: str) -> RunConfig:
    base = SUITES[suite](experiment_config(kind.experiment))
    return base.changed(**kind.changes(base))
