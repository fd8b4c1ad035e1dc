"""The experiments: functions that each return one complete RunConfig. An ablation changes one setting."""

from collections.abc import Callable
from dataclasses import replace

from bloodcell.config import RunConfig
from bloodcell.errors import UnknownName
from bloodcell.model_settings import DeepCNNSettings, SimpleCNNSettings, UNetEncoderSettings


def paper_unet_encoder() -> RunConfig:
    """The paper's main model and recipe."""
    return RunConfig(experiment="paper_unet_encoder", model=UNetEncoderSettings(), epochs=60)


def paper_simple_cnn() -> RunConfig:
    """The paper's baseline 1."""
    return RunConfig(experiment="paper_simple_cnn", model=SimpleCNNSettings(), epochs=40)


def paper_deep_cnn() -> RunConfig:
    """The paper's baseline 2."""
    return RunConfig(experiment="paper_deep_cnn", model=DeepCNNSettings(), epochs=40)


def paper_ablation_base() -> RunConfig:
    """The main model with the 40 epochs that the paper gives its ablations; what they are compared with."""
    return replace(paper_unet_encoder(), experiment="paper_ablation_base", epochs=40)


def paper_no_batch_norm() -> RunConfig:
    """The paper's first ablation: no batch norm anywhere."""
    return _ablation("paper_no_batch_norm", "model.normalisation", "none")


def paper_shallow_encoder() -> RunConfig:
    """The paper's second ablation: stages 1 to 3 alone."""
    return _ablation("paper_shallow_encoder", "model.depth", 3)


def paper_no_dropout() -> RunConfig:
    """The paper's third ablation: dropout 0."""
    return _ablation("paper_no_dropout", "model.dropout", 0.0)


def fast_unet_encoder() -> RunConfig:
    """The main model to a good accuracy in few epochs: ours, not the paper's. docs/decisions.md has the reasons."""
    return RunConfig(
        experiment="fast_unet_encoder",
        model=UNetEncoderSettings(),
        image_size_px=128,
        first_image_size_px=80,
        field_of_view=0.75,
        epochs=12,
        optimizer="muon",
        convolution_learning_rate=0.05,
        learning_rate=4e-3,
        weight_decay=0.0,
        schedule="one_cycle",
        augmentation="mild",
        exact_batch_norm=True,
        precision="auto",
        memory_format="auto",
    )


def accurate_unet_encoder() -> RunConfig:
    """The main model as its shipped weights were trained: the fast recipe on larger images, for `--more-data` too."""
    return replace(fast_unet_encoder(), experiment="accurate_unet_encoder", image_size_px=192, first_image_size_px=96)


def fast_simple_cnn() -> RunConfig:
    """Baseline 1 under the fast recipe."""
    return replace(fast_unet_encoder(), experiment="fast_simple_cnn", model=SimpleCNNSettings())


def fast_deep_cnn() -> RunConfig:
    """Baseline 2 under the fast recipe."""
    return replace(fast_unet_encoder(), experiment="fast_deep_cnn", model=DeepCNNSettings())


def _ablation(experiment: str, setting: str, value: object) -> RunConfig:
    return replace(paper_ablation_base(), experiment=experiment).changed(**{setting: value})


FIRST_EXPERIMENT = "fast_unet_encoder"
"""What forms offer first."""
EXPERIMENTS: dict[str, Callable[[], RunConfig]] = {
    function.__name__: function
    for function in (
        paper_simple_cnn,
        paper_deep_cnn,
        paper_unet_encoder,
        paper_ablation_base,
        paper_no_batch_norm,
        paper_shallow_encoder,
        paper_no_dropout,
        fast_unet_encoder,
        accurate_unet_encoder,
        fast_simple_cnn,
        fast_deep_cnn,
    )
}
"""Name → function."""


def experiment_config(name: str) -> RunConfig:
    """Return the config of a named experiment.

    Raises:
        UnknownName: no experiment has this name.
    """
    if name not in EXPERIMENTS:
        raise UnknownName(f"There is no experiment named '{name}'. Experiments: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]()
