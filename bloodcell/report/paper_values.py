"""What the paper reports: the figures of its Tables 1 to 6, to stand beside ours.

Source: *Medical Blood Cell Image Classification using U-Net Encoder Based Deep Learning Model*, Tables 1 to 6 and
Figure 3.
"""

from dataclasses import dataclass

from bloodcell.model_settings import DeepCNNSettings, ModelSettings, SimpleCNNSettings, UNetEncoderSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRun:
    """What the paper reports of one trained model. Its validation images chose the epoch too."""

    title: str
    """Name of the model on pages and in figures."""
    validation_accuracy: float
    """Best of all epochs, 0 to 1, of 640 images."""
    training_accuracy: float | None
    """Running, with augmentation and dropout, 0 to 1; None where the paper does not say."""
    epochs: int


MAIN, SIMPLE, DEEP = UNetEncoderSettings(), SimpleCNNSettings(), DeepCNNSettings()
NO_BATCH_NORM, SHALLOW = UNetEncoderSettings(normalisation="none"), UNetEncoderSettings(depth=3)
NO_DROPOUT = UNetEncoderSettings(dropout=0.0)

PAPER_RUNS: dict[ModelSettings, PaperRun] = {
    SIMPLE: PaperRun(title="Simple CNN", validation_accuracy=0.7125, training_accuracy=0.5640, epochs=40),
    DEEP: PaperRun(title="Deep CNN", validation_accuracy=0.9000, training_accuracy=0.8290, epochs=40),
    MAIN: PaperRun(title="U-Net encoder", validation_accuracy=0.9875, training_accuracy=0.9740, epochs=60),
    NO_BATCH_NORM: PaperRun(title="Without batch norm", validation_accuracy=0.1250, training_accuracy=None, epochs=40),
    SHALLOW: PaperRun(title="Shallow encoder", validation_accuracy=0.9406, training_accuracy=None, epochs=40),
    NO_DROPOUT: PaperRun(title="Without dropout", validation_accuracy=0.9828, training_accuracy=None, epochs=40),
}
"""Network → what Tables 3 to 6 say."""

PAPER_MODELS: tuple[ModelSettings, ...] = (SIMPLE, DEEP, MAIN)
PAPER_ABLATIONS: tuple[ModelSettings, ...] = (NO_BATCH_NORM, SHALLOW, NO_DROPOUT)

PAPER_STAGE_SIZES: tuple[tuple[str, str, int], ...] = (
    ("Enc1", "256×256", 32),
    ("Enc2", "128×128", 64),
    ("Enc3", "64×64", 128),
    ("Enc4", "32×32", 256),
    ("Bottleneck", "16×16", 512),
)
"""Table 1: stage, input size, output channels."""

PAPER_SETTINGS: tuple[tuple[str, str, str, str], ...] = (
    ("Convolution blocks", "2", "4", "5 (×2)"),
    ("Max channel depth", "64", "256", "512"),
    ("Kernel size", "3×3", "3×3", "3×3"),
    ("Pooling stages", "2", "4", "4"),
    ("Batch norm", "yes", "yes", "yes"),
    ("Fully connected layers", "1", "2", "1"),
    ("Epochs", "40", "40", "60"),
)
"""Table 2: setting, then the models in the order of PAPER_MODELS."""
