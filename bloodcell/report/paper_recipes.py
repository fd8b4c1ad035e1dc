"""Which runs may stand beside the paper's figures: those of its own recipes, as long, as large, on as many images."""

from collections.abc import Sequence
from typing import Any

from bloodcell.config import RunConfig
from bloodcell.experiments import EXPERIMENTS, experiment_config
from bloodcell.model_settings import ModelSettings
from bloodcell.report.arms import ArmRecords, other_settings, spread_words
from bloodcell.report.paper_values import DEEP, MAIN, NO_BATCH_NORM, NO_DROPOUT, SHALLOW, SIMPLE
from bloodcell.report.table import Table

PAPER_RECIPES: dict[ModelSettings, str] = {
    SIMPLE: "paper_simple_cnn",
    DEEP: "paper_deep_cnn",
    MAIN: "paper_unet_encoder",
    NO_BATCH_NORM: "paper_no_batch_norm",
    SHALLOW: "paper_shallow_encoder",
    NO_DROPOUT: "paper_no_dropout",
}
"""Network → the experiment that is the paper's."""
PAPER_TRAINING_IMAGES = 2560
ABLATION_EPOCHS = 40
"""Of the paper's ablations; its main model is compared with them up to there, and so may be trained for as few."""
_SETTING_WORDS = {
    "image_size_px": "{here} px instead of {paper}",
    "epochs": "{here} epochs instead of {paper}",
    "optimizer": "optimizer {here} instead of {paper}",
    "schedule": "learning rate {here} instead of {paper}",
    "field_of_view": "reads the central {here} of each side instead of all",
    "images_per_class": "at most {here} images of a class instead of all",
}
_FIRST = tuple(_SETTING_WORDS)


def comparable_arms(arms: Sequence[ArmRecords]) -> list[ArmRecords]:
    """Return the arms that may stand beside the paper's figures."""
    return [arm for arm in arms if not paper_differences(arm)]


def paper_differences(arm: ArmRecords) -> tuple[str, ...]:
    """Return in what an arm differs from the paper's recipe for its model, in words; empty where it is that recipe.

    Seeds and what was chosen for the machine (device, precision, memory format) make no other recipe; they are shown.
    """
    config = arm.config
    if config.model not in PAPER_RECIPES:
        return (f"the paper has no model like {config.model}",)
    recipe = experiment_config(PAPER_RECIPES[config.model])
    found = [] if _is_of_the_paper(config) else [f"recipe {config.experiment}"]
    found += _setting_differences(config, recipe)
    images = sorted(_training_images(arm) - {PAPER_TRAINING_IMAGES})
    if images:
        listed = ", ".join(f"{number:,}" for number in images)
        found.append(f"{listed} training images instead of {PAPER_TRAINING_IMAGES:,}")
    if arm.epochs_done() < config.epochs:
        found.append(f"not finished: {arm.epochs_done()} of {config.epochs} epochs so far")
    return tuple(found)


def not_comparable_table(arms: Sequence[ArmRecords]) -> Table:
    """Return a row per arm that may not stand beside the paper's figures: what it reached, and in what it differs."""
    rows = []
    for arm in arms:
        if differences := paper_differences(arm):
            config = arm.config
            rows.append(
                (
                    *(arm.name, spread_words(arm.accuracies()), "; ".join(differences)),
                    *(str(config.image_size_px), images_words(arm), str(config.epochs)),
                    *(precision_words(arm), str(len(arm.runs))),
                )
            )
    return Table(
        name="not_comparable",
        title="Not comparable with the paper",
        columns=(
            *("Arm", "Best validation accuracy", "Differs from the paper's recipe in"),
            *("Image size, px", "Training images", "Epochs", "Precision", "Seeds"),
        ),
        rows=tuple(rows),
        note="A difference in accuracy from the paper may come from any of these settings. An arm is a set of runs "
        "that differ in their seed alone.",
    )


def images_words(arm: ArmRecords) -> str:
    """Return how many images trained an arm's runs; a dash where it is not recorded."""
    return ", ".join(f"{number:,}" for number in sorted(_training_images(arm))) or "–"


def precision_words(arm: ArmRecords) -> str:
    """Return the precision in which an arm's runs were computed."""
    return ", ".join(dict.fromkeys(run.config.precision for run in arm.runs))


def _is_of_the_paper(config: RunConfig) -> bool:
    return config.experiment in EXPERIMENTS and config.experiment.startswith("paper_")


def _setting_differences(config: RunConfig, recipe: RunConfig) -> list[str]:
    names = other_settings(config, recipe)
    if config.model == MAIN and config.epochs == ABLATION_EPOCHS:
        names.discard("epochs")
    ordered = sorted(names, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    return [_words(name, config.settings()[name], recipe.settings()[name]) for name in ordered]


def _words(name: str, here: Any, paper: Any) -> str:
    pattern = _SETTING_WORDS.get(name, f"{name.replace('_', ' ')} {{here}} instead of {{paper}}")
    return pattern.format(here=_plain(here), paper=_plain(paper))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _training_images(arm: ArmRecords) -> set[int]:
    """Return the numbers of training images of the arm's runs, as far as their cards say."""
    cards = [run.best_card for run in arm.runs if run.best_card is not None]
    return {int(card.training_data["training_images"]) for card in cards if "training_images" in card.training_data}
