"""The training loop: one run from a config and a data folder to a run folder that can be stopped and resumed."""

import logging
import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bloodcell.config import RunConfig
from bloodcell.devices.precision import memory_format_of
from bloodcell.errors import TrainingDiverged
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.registry import build_model
from bloodcell.processes.heartbeat import HEARTBEAT_SECONDS
from bloodcell.runs.checkpoint import LoopState, load_checkpoint, save_checkpoint
from bloodcell.runs.run_folder import EpochMetrics, RunFolder, RunStatus
from bloodcell.training.optimizer import Optimization
from bloodcell.training.run_data import RunData
from bloodcell.training.run_result import write_best
from bloodcell.training.validation import accuracy_and_loss, predict_logits, set_exact_batch_norm

CLEAN_IMAGES = 512
"""Training images that exact batch-norm statistics are averaged over."""

logger = logging.getLogger(__name__)


class Trainer:
    """One run's model, optimizers, data and loop state."""

    def __init__(
        self,
        config: RunConfig,
        data: RunData,
        folder: RunFolder,
        *,
        report: Callable[[RunStatus], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """Take a config without 'auto' in it.

        Args:
            report: called about every two seconds, after status.json was written.
            should_stop: asked after every step; the run then ends, and the unfinished epoch is trained anew on resume.
        """
        self.config, self.data, self.folder = config, data, folder
        self.report, self.should_stop = report, should_stop
        self.device = torch.device(config.device)
        self.memory_format = memory_format_of(config)
        torch.manual_seed(config.seed)
        self.model = build_model(config.model).to(self.device).to(memory_format=self.memory_format)
        self.batches = data.training_batches(config, self.device)
        self.optimization = Optimization(self.model, config, total_steps=config.epochs * len(self.batches))
        self.state = LoopState()
        self._last_heartbeat = -math.inf
        self._last_status: RunStatus | None = None
        self._epoch_started = self._began = time.perf_counter()
        self._work_before = 0.0

    def resume(self) -> None:
        """Go on from last.pt, if the run got that far."""
        if not self.folder.checkpoint.exists():
            return
        self.state, model_state, optimization_state = load_checkpoint(self.folder)
        self.model.load_state_dict(model_state)
        self.optimization.load_state_dict(optimization_state)
        self.folder.write_metrics(self.state.history)
        if self.state.best_epoch == self.state.epoch:
            self._keep_best()
        logger.info("resumed after epoch %d of %d", self.state.epoch, self.config.epochs)

    def run(self) -> bool:
        """Train to the last epoch; return whether it was reached.

        Raises:
            TrainingDiverged: the loss is no longer a finite number.
        """
        self._began, self._work_before = time.perf_counter(), self._work(self.state.epoch)
        while self.state.epoch < self.config.epochs:
            self._epoch_started = time.perf_counter()
            loss, accuracy = self._train_epoch()
            if self.should_stop():
                return False
            images_per_second = len(self.batches.labels) / (time.perf_counter() - self._epoch_started)
            self._validate(loss, accuracy, images_per_second)
        return True

    def _train_epoch(self) -> tuple[float, float]:
        """Return the mean loss and accuracy over the epoch's images, or of nothing useful where it was stopped."""
        self.model.train()
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        seen = 0
        for step, (images, labels) in enumerate(self.batches.epoch(self.state.epoch), start=1):
            loss, logits = take_step(self.model, self.optimization, images, labels, self.config)
            loss_sum += loss.detach() * len(labels)
            correct += (logits.argmax(1) == labels).sum()
            seen += len(labels)
            self._heartbeat(step)
            if self.device.type == "cpu":
                self._refuse_divergence(loss_sum.item())
            if self.should_stop():
                return math.nan, math.nan
        self._refuse_divergence(loss_sum.item())
        return loss_sum.item() / seen, correct.item() / seen

    def _refuse_divergence(self, loss: float) -> None:
        if not math.isfinite(loss):
            kept = (
                f"epoch {self.state.best_epoch} is kept as the best"
                if self.state.best_epoch
                else "no epoch was finished"
            )
            raise TrainingDiverged(
                f"The loss stopped being a number in epoch {self.state.epoch + 1}; {kept}. "
                f"Start again with a lower learning rate than {self.config.learning_rate:g}."
            )

    def _validate(self, loss: float, accuracy: float, images_per_second: float) -> None:
        """Measure the validation images, then write checkpoint, best weights and metrics of the epoch."""
        if self.config.exact_batch_norm:
            clean = self.batches.clean(CLEAN_IMAGES)
            set_exact_batch_norm(
                self.model,
                (self._living(images.contiguous(memory_format=self.memory_format)) for images in clean),
                in_bf16=self.config.precision == "bf16",
            )
        logits = self._validation_logits()
        validation_accuracy, validation_loss = accuracy_and_loss(logits, self.data.validation_labels)
        self._refuse_divergence(validation_loss)
        state = self.state
        state.epoch += 1
        if improved := state.is_better(validation_accuracy, validation_loss):
            state.best_epoch, state.best_accuracy, state.best_loss = state.epoch, validation_accuracy, validation_loss
        row = EpochMetrics(
            epoch=state.epoch,
            image_size_px=self.config.image_size_at(state.epoch - 1),
            training_loss=loss,
            training_accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            learning_rate=self.optimization.learning_rate,
            images_per_second=images_per_second,
            seconds=time.perf_counter() - self._epoch_started,
        )
        state.history.append(row)
        self.optimization.end_epoch(validation_loss)
        save_checkpoint(self.folder, state, model=self.model.state_dict(), optimization=self.optimization.state_dict())
        if improved:
            self._keep_best(logits)
        self.folder.write_metrics(state.history)
        logger.info(
            "epoch %d of %d: loss %.4f, training accuracy %.2f %%, validation accuracy %.2f %%, %.0f s",
            row.epoch, self.config.epochs, loss, 100 * accuracy, 100 * validation_accuracy, row.seconds,
        )  # fmt: skip

    def _keep_best(self, logits: Tensor | None = None) -> None:
        if logits is None:
            logits = self._validation_logits()
        write_best(self.folder, self.config, self.data, self.state, self.model, logits)

    def _validation_logits(self) -> Tensor:
        return predict_logits(
            self.model,
            self.data.validation_images,
            memory_format=self.memory_format,
            in_bf16=self.config.precision == "bf16",
            after_batch=self._sign_of_life,
        )

    def _living(self, images: Tensor) -> Tensor:
        self._sign_of_life()
        return images

    def _sign_of_life(self) -> None:
        """Write status.json anew, with the figures of the last step, at most every `HEARTBEAT_SECONDS`."""
        if self._last_status is None or time.monotonic() - self._last_heartbeat < HEARTBEAT_SECONDS:
            return
        self._last_heartbeat = time.monotonic()
        self.folder.write_status(self._last_status)

    def _heartbeat(self, step: int) -> None:
        """Write status.json and report, at most every `HEARTBEAT_SECONDS`."""
        now = time.monotonic()
        if now - self._last_heartbeat < HEARTBEAT_SECONDS:
            return
        self._last_heartbeat = now
        share = step / len(self.batches)
        done = self._work(self.state.epoch) + share * (self._work(self.state.epoch + 1) - self._work(self.state.epoch))
        seconds_per_work = (time.perf_counter() - self._began) / (done - self._work_before)
        status = RunStatus(
            epoch=self.state.epoch + 1,
            epochs=self.config.epochs,
            step=step,
            steps=len(self.batches),
            images_per_second=share * len(self.batches.labels) / (time.perf_counter() - self._epoch_started),
            eta_seconds=seconds_per_work * (self._work(self.config.epochs) - done),
            device_memory_mib=torch.cuda.max_memory_reserved() / 2**20 if self.device.type == "cuda" else None,
        )
        self._last_status = status
        self.folder.write_status(status)
        self.report(status)

    def _work(self, epochs: int) -> float:
        """Return the work of the first epochs, in images of one pixel: time goes with the area."""
        return float(sum(self.config.image_size_at(epoch) ** 2 for epoch in range(epochs)))


def take_step(
    model: CellClassifier, optimization: Optimization, images: Tensor, labels: Tensor, config: RunConfig
) -> tuple[Tensor, Tensor]:
    """Move a model once along the gradient of a batch, in the config's precision and memory format.

    Args:
        images: (B, 3, H, W) float32 normalised, on the model's device.
        labels: (B,) int64.

    Returns:
        The loss, a scalar, and the logits (B, K), both from before the step.
    """
    images = images.contiguous(memory_format=memory_format_of(config))
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
        logits = model(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    loss.backward()
    optimization.step()
    return loss, logits
