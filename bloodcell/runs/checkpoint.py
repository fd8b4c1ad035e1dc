"""last.pt: the whole state of a training loop, so that going on equals never having stopped."""

import hashlib
import io
import logging
import pickle
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from bloodcell.errors import RunFolderError
from bloodcell.paths import write_atomically
from bloodcell.runs.run_folder import EpochMetrics, RunFolder

logger = logging.getLogger(__name__)

_BEGINNING = b"bloodcell checkpoint, SHA-256 of what follows: "
"""Most bit flips in a checkpoint load without an error: torch checks no sum."""
_ZIP = b"PK"
"""How the files begin that torch writes."""


@dataclass(kw_only=True, slots=True)
class LoopState:
    """What a training loop knows besides the model and the optimizers."""

    epoch: int = 0
    """Epochs done."""
    best_epoch: int = 0
    """Counted from 1; 0 before the first validation."""
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    """Validation loss at the best epoch; it decides between equal accuracies."""
    history: list[EpochMetrics] = field(default_factory=list)

    def is_better(self, accuracy: float, loss: float) -> bool:
        """Tell whether a validation beats the best so far; a tie in accuracy goes to the lower loss."""
        return (accuracy, -loss) > (self.best_accuracy, -self.best_loss)


def save_checkpoint(
    folder: RunFolder, state: LoopState, *, model: dict[str, Any], optimization: dict[str, Any]
) -> None:
    """Write last.pt with the loop's, the model's and the optimizers' state and torch's random state."""
    stream = io.BytesIO()
    random_state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        random_state["cuda"] = torch.cuda.get_rng_state()
    torch.save({"loop": asdict(state), "model": model, "optimization": optimization, "random": random_state}, stream)
    data = stream.getvalue()
    write_atomically(folder.checkpoint, _BEGINNING + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


def load_checkpoint(folder: RunFolder) -> tuple[LoopState, dict[str, Any], dict[str, Any]]:
    """Return the loop's, the model's and the optimizers' state, and set torch's random state.

    Raises:
        RunFolderError: last.pt is damaged.
    """
    try:
        data = _checked(folder.checkpoint.read_bytes())
        saved = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        loop = dict(saved["loop"])
        history = [EpochMetrics(**row) for row in loop.pop("history")]
        state = LoopState(**loop, history=history)
        torch.set_rng_state(saved["random"]["cpu"])
        if "cuda" in saved["random"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(saved["random"]["cuda"])
        return state, dict(saved["model"]), dict(saved["optimization"])
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"The checkpoint {folder.checkpoint} is damaged ({error}). Start a new run.") from error


def _checked(data: bytes) -> bytes:
    """Return what torch wrote, without the line before it.

    Raises:
        ValueError: it is not what was written.
    """
    if data.startswith(_ZIP):
        logger.warning("The checkpoint is of version 0.1, which wrote no checksum: damage would not be noticed.")
        return data
    digest, _, rest = data.removeprefix(_BEGINNING).partition(b"\n")
    if not data.startswith(_BEGINNING) or hashlib.sha256(rest).hexdigest().encode() != digest:
        raise ValueError("its content has changed since it was written")
    return rest
