"""The paper's Tables 1 to 6, drawn from chosen runs of its recipes, each figure beside the paper's own."""

from collections.abc import Sequence
from statistics import mean

from bloodcell.experiments import experiment_config
from bloodcell.model_settings import ModelSettings
from bloodcell.report.arms import ArmRecords, best_row, closest_arm, settings_beside_model, spread_words
from bloodcell.report.paper_recipes import (
    ABLATION_EPOCHS,
    PAPER_RECIPES,
    comparable_arms,
    images_words,
    precision_words,
)
from bloodcell.report.paper_values import (
    MAIN,
    NO_BATCH_NORM,
    NO_DROPOUT,
    PAPER_ABLATIONS,
    PAPER_MODELS,
    PAPER_RUNS,
    PAPER_SETTINGS,
    PAPER_STAGE_SIZES,
    SHALLOW,
)
from bloodcell.report.table import Table

NOT_HERE = "still to be run"
NOTHING_COMPARABLE = (
    "At most one of the chosen models was trained by the paper's own recipe, so there is no order to compare. Only "
    "unchanged runs of the recipes whose names begin with paper_ stand beside the paper's figures: choose Shipped "
    "paper."
)
_OPTIMISTIC = (
    "Validation: the share of validation images that is right in the best epoch. That epoch was picked on the "
    "validation images, here as in the paper, so both are optimistic. Where there are several seeds: mean, and "
    "lowest to highest. Seeds, size, training images and precision are those here. Precision: numbers of 16 (bf16) "
    "or 32 bits (fp32)."
)
_RECIPE_COLUMNS = ("Seeds", "Size, px", "Training images", "Precision", "Epochs, here")
_NO_RECIPE = ("–",) * len(_RECIPE_COLUMNS)
_ABLATION_TITLES: dict[ModelSettings, tuple[str, str, str]] = {
    NO_BATCH_NORM: ("Table 4. Batch norm", "With batch norm", "Without batch norm"),
    SHALLOW: ("Table 5. Depth of the encoder", "Full encoder", "Shallow encoder"),
    NO_DROPOUT: ("Table 6. Dropout", "Dropout 0.5", "Dropout 0.0"),
}


def architecture_tables() -> tuple[Table, Table]:
    """Return Tables 1 and 2, ours measured on the built models."""
    # Building models needs torch, which nothing else here does.
    import torch

    from bloodcell.models.architecture_table import PAPER_IMAGE_SIZE_PX, architecture_settings, stage_sizes
    from bloodcell.models.registry import build_model

    sizes = [
        (size.name, f"{size.input_height}×{size.input_width}", str(size.channels))
        for size in stage_sizes(MAIN, PAPER_IMAGE_SIZE_PX)
    ]
    first = Table(
        name="table_1",
        title="Table 1. Sizes per stage of the main model at 256 px",
        columns=("Stage", "Input size, here", "Input size, paper", "Output channels, here", "Output channels, paper"),
        rows=tuple(
            (name, size, paper_size, channels, str(paper_channels))
            for (name, size, channels), (_, paper_size, paper_channels) in zip(sizes, PAPER_STAGE_SIZES, strict=True)
        ),
    )
    ours = []
    for model in PAPER_MODELS:
        with torch.device("meta"):
            settings = architecture_settings(build_model(model))
        repeats = f" (×{settings.convolutions_per_block})" if settings.convolutions_per_block > 1 else ""
        values = (settings.max_channels, settings.kernel_size, settings.pooling_stages)
        rest = (
            "yes" if settings.batch_norm else "no",
            settings.fully_connected_layers,
            experiment_config(PAPER_RECIPES[model]).epochs,
        )
        ours.append([f"{settings.convolution_blocks}{repeats}", *map(str, values), *map(str, rest)])
    second = Table(
        name="table_2",
        title="Table 2. Architecture settings",
        columns=("Setting", *(name for model in PAPER_MODELS for name in _here_and_paper(PAPER_RUNS[model].title))),
        rows=tuple(
            (setting, *(cell for pair in zip(here, paper, strict=True) for cell in pair))
            for (setting, *paper), here in zip(PAPER_SETTINGS, zip(*ours, strict=True), strict=True)
        ),
    )
    return first, second


def paper_tables(arms: Sequence[ArmRecords]) -> tuple[Table, ...]:
    """Return Tables 3 to 6 of the arms that follow the paper's recipes; a model without such an arm says so."""
    arms = comparable_arms(arms)
    return (_models_table(arms), *(_ablation_table(arms, model) for model in PAPER_ABLATIONS))


def main_arm(arms: Sequence[ArmRecords]) -> ArmRecords | None:
    """Return the arm of the main model whose settings are closest to those of the baselines, with most epochs."""
    baselines = [arm for arm in arms if arm.config.model in PAPER_MODELS[:-1]]
    mains = [arm for arm in arms if arm.config.model == MAIN]
    if not mains:
        return None
    return closest_arm(arms, MAIN, baselines[0].config) if baselines else max(mains, key=lambda arm: arm.config.epochs)


def model_arm(arms: Sequence[ArmRecords], model: ModelSettings) -> ArmRecords | None:
    """Return the arm that stands for a model in Table 3."""
    main = main_arm(arms)
    if model == MAIN or main is None:
        return main or next((arm for arm in arms if arm.config.model == model), None)
    return closest_arm(arms, model, main.config)


def ablation_pair(arms: Sequence[ArmRecords], model: ModelSettings) -> tuple[ArmRecords, ArmRecords] | None:
    """Return the main arm and the arm without the ablated part that differ in least else; None without both."""
    ablated = [arm for arm in arms if arm.config.model == model]
    mains = [arm for arm in arms if arm.config.model == MAIN]
    return min(
        ((main, arm) for main in mains for arm in ablated),
        key=lambda pair: (
            len(settings_beside_model(pair[0].config, pair[1].config)),
            abs(pair[0].config.epochs - pair[1].config.epochs),
        ),
        default=None,
    )


def order_words(arms: Sequence[ArmRecords]) -> str:
    """Say whether the arms that follow the paper's recipes stand in the paper's order, and where they do not.

    Empty with under two models.
    """
    arms, measured = comparable_arms(arms), {}
    for model in PAPER_RUNS:
        arm = model_arm(arms, model)
        if arm is not None and (values := arm.accuracies()):
            measured[model] = mean(values)
    if len(measured) < 2:
        return ""
    ranked = sorted(measured, key=lambda model: -PAPER_RUNS[model].validation_accuracy)
    swapped = [
        f"{PAPER_RUNS[lower].title} ({measured[lower]:.2%}) above {PAPER_RUNS[higher].title} ({measured[higher]:.2%})"
        for place, higher in enumerate(ranked)
        for lower in ranked[place + 1 :]
        if measured[lower] > measured[higher]
    ]
    fewest = min(len(arm.runs) for model in measured if (arm := model_arm(arms, model)) is not None)
    seeds = "one seed each, which ranks nothing" if fewest == 1 else f"at least {fewest} seeds each"
    if not swapped:
        return f"The {len(measured)} models stand in the paper's order here ({seeds})."
    words = f"Not in the paper's order here ({seeds}): {'; '.join(swapped)}. Means alone prove no difference."
    return words.replace("%", " %")


def _models_table(arms: Sequence[ArmRecords]) -> Table:
    rows = []
    for model in PAPER_MODELS:
        arm, paper = model_arm(arms, model), PAPER_RUNS[model]
        assert paper.training_accuracy is not None
        rows.append(
            (
                paper.title,
                NOT_HERE if arm is None else spread_words(arm.accuracies()),
                _percent(paper.validation_accuracy),
                NOT_HERE if arm is None else spread_words(_training_accuracies(arm)),
                _percent(paper.training_accuracy),
                *(_NO_RECIPE if arm is None else _recipe_cells(arm)),
                str(paper.epochs),
            )
        )
    return Table(
        name="table_3",
        title="Table 3. The three models",
        columns=(
            *("Model", "Validation, here", "Validation, paper"),
            *("Training, here", "Training, paper", *_RECIPE_COLUMNS, "Epochs, paper"),
        ),
        rows=tuple(rows),
        note=f"{_OPTIMISTIC} Training: the same of training images, measured while training, with varied images and "
        "dropout on, which is why it lies below validation.",
    )


def _ablation_table(arms: Sequence[ArmRecords], model: ModelSettings) -> Table:
    title, with_it, without_it = _ABLATION_TITLES[model]
    pair, paper, paper_main = ablation_pair(arms, model), PAPER_RUNS[model], PAPER_RUNS[MAIN]
    paper_difference = paper.validation_accuracy - paper_main.validation_accuracy
    if pair is None:
        main, missing = main_arm(arms), (NOT_HERE, "–", *_NO_RECIPE)
        up_to = None if main is None else min(main.config.epochs, ABLATION_EPOCHS)
        here = (
            missing if main is None else (spread_words(main.accuracies(up_to=up_to)), "–", *_recipe_cells(main)),
            missing,
        )
        epochs = "" if main is None else f" The main model counts up to epoch {up_to}."
    else:
        up_to = min(arm.config.epochs for arm in pair)
        values = [arm.accuracies(up_to=up_to) for arm in pair]
        difference = _points(mean(values[1]) - mean(values[0])) if all(values) else "–"
        recipes = [_recipe_cells(arm) for arm in pair]
        here = ((spread_words(values[0]), "–", *recipes[0]), (spread_words(values[1]), difference, *recipes[1]))
        epochs = f" Both count up to epoch {up_to}."
    return Table(
        name=f"table_{4 + PAPER_ABLATIONS.index(model)}",
        title=title,
        columns=(
            *("Configuration", "Validation, here", "Validation, paper"),
            *("Δ, here", "Δ, paper", *_RECIPE_COLUMNS),
        ),
        rows=(
            (with_it, here[0][0], _percent(paper_main.validation_accuracy), "–", "–", *here[0][2:]),
            (
                *(without_it, here[1][0], _percent(paper.validation_accuracy)),
                *(here[1][1], _points(paper_difference), *here[1][2:]),
            ),
        ),
        note=f"Δ in percentage points. {_OPTIMISTIC}{epochs}",
    )


def _recipe_cells(arm: ArmRecords) -> tuple[str, ...]:
    size, epochs = arm.config.image_size_px, arm.config.epochs
    return str(len(arm.runs)), str(size), images_words(arm), precision_words(arm), str(epochs)


def _training_accuracies(arm: ArmRecords) -> list[float]:
    return [row.training_accuracy for run in arm.runs if (row := best_row(run)) is not None]


def _here_and_paper(title: str) -> tuple[str, str]:
    return f"{title}, here", f"{title}, paper"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "−")
