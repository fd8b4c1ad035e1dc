"""Every name under which pages keep state: one place, so that no two pages share a name by accident."""

import hashlib
from collections.abc import Sequence

FRAME_DRAWN = "frame_drawn"
"""bool, the router has run in this session."""
FRAME_LOG_IN = "frame_log_in"
FRAME_LOG_OUT = "frame_log_out"

ANSWERING_WEIGHTS = "answering_weights"
"""str, name of the weights that answer in this session."""

CLASSIFY_CELLS = "classify_cells"
"""list[Cell], what was read, in the order in which it was added."""
CLASSIFY_WAITING = "classify_waiting"
"""deque[WaitingImage], what was handed in and is not read yet."""
CLASSIFY_UPLOADS_TAKEN = "classify_uploads_taken"
"""int, how often files were taken over; part of the uploader's key."""
CLASSIFY_NOTICE = "classify_notice"
"""str, a sentence about the last addition; empty where there is nothing to say."""
CLASSIFY_CHOSEN = "classify_chosen"
"""str, id of the cell whose details are shown."""
CLASSIFY_STEPPED = "classify_stepped"
"""tuple[int, float], the row that Previous or Next left, and when (monotonic seconds)."""
CLASSIFY_ORDER = "classify_order"
CLASSIFY_SHOWN = "classify_shown"
CLASSIFY_STRENGTH = "classify_strength"

ABLATION_SUITE = "ablation_suite"
ABLATION_DATA = "ablation_data"
ABLATION_TEST = "ablation_test"
ABLATION_ARMS = "ablation_arms"
ABLATION_SEEDS = "ablation_seeds"
ABLATION_ALLOW_UNUSABLE = "ablation_allow_unusable"
ABLATION_SHORT_OF_MEMORY = "ablation_short_of_memory"
"""tuple[Suite, str], what was not started for want of memory, and why."""
ABLATION_CHOSEN = "ablation_chosen"
"""str, name of the suite that is shown."""
ABLATION_NOTICE = "ablation_notice"
"""str, why the last thing that was asked for could not be done; empty where it could."""
ABLATION_HANDED_IN = "ablation_handed_in"
"""tuple[Suite, float], the suite that was handed in last, and when (monotonic seconds)."""

MODELS_CHOSEN = "models_chosen"
"""str, name of the weights whose card is shown."""
MODELS_CHOOSE_NEXT = "models_choose_next"
"""str, name of weights that were just added; they become the chosen ones."""
MODELS_NOTICE = "models_notice"
"""str, what the last action did, shown once."""
MODELS_UPLOADS_TAKEN = "models_uploads_taken"
"""int, how often files were added; part of the uploader's key."""
MODELS_ONNX = "models_onnx"
"""tuple[str, bytes, str], hash of the weights, their ONNX file, and how it compares; the last one made."""


def models_uploader_key(uploads_taken: int) -> str:
    """Return the key of the Models page's uploader: a new key empties it."""
    return f"models_files_{uploads_taken}"


DATASET_FOLDER = "dataset_folder"
DATASET_AUDIT = "dataset_audit"
DATASET_NOTICE = "dataset_notice"
"""str, what came of the last thing that was asked for; shown once."""
DATASET_UPLOADS_TAKEN = "dataset_uploads_taken"
"""int, how often a ZIP was added; part of the uploader's key."""
DATASET_PUBLIC = "dataset_public"
DATASET_EXPERIMENT = "dataset_experiment"
DATASET_AUGMENTATION_DRAWS = "dataset_augmentation_draws"
"""int, how often other variants were asked for; seeds them."""


def models_mix_key(class_key: str) -> str:
    """Return the key of a class's share in the mix for which precision is shown."""
    return f"models_mix_{class_key}"


def dataset_uploader_key(uploads_taken: int) -> str:
    """Return the key of the Dataset page's uploader: a new key empties it."""
    return f"dataset_file_{uploads_taken}"


TRAIN_DATA = "train_data"
TRAIN_EXPERIMENT = "train_experiment"
TRAIN_NAME = "train_name"
TRAIN_ALLOW_UNUSABLE = "train_allow_unusable"
TRAIN_SHORT_OF_MEMORY = "train_short_of_memory"
"""tuple[RunConfig, Path, str], what was not started for want of memory, and why."""
TRAIN_CHOSEN = "train_chosen"
"""str, name of the run that is shown."""
TRAIN_NOTICE = "train_notice"
"""str, why the last thing that was asked for could not be done; empty where it could."""
TRAIN_HANDED_IN = "train_handed_in"
"""tuple[tuple[RunConfig, Path, bool], float], the run that was handed in last, and when (monotonic seconds)."""


def uploader_key(uploads_taken: int) -> str:
    """Return the uploader's widget key: a new key empties it."""
    return f"classify_files_{uploads_taken}"


def explained_class_key(cell_id: str, answered_by: tuple[str, ...]) -> str:
    """Return the key of the choice of the explained class: one per cell and model, another answer has its own."""
    return "_".join(("classify_explained_class", cell_id, *answered_by))


def cell_table_key(cell_ids: Sequence[str]) -> str:
    """Return the key of the table of these cells in this order.

    A table reports the place of a chosen row. With a key of its own, a report that comes late, after cells were
    removed, added or put in another order, chooses no cell that now stands in that place.
    """
    return f"classify_table_{hashlib.sha256(' '.join(cell_ids).encode()).hexdigest()[:32]}"


def train_setting_key(experiment: str, setting: str) -> str:
    """Return the key of a setting of a new run; each experiment has its own, and so its own default."""
    return f"train_{experiment}_{setting}"


RESULTS_SOURCES = "results_sources"
"""list[str], names of the folders of runs that are shown."""
RESULTS_ARMS = "results_arms"
RESULTS_ARMS_OFFERED = "results_arms_offered"
"""Names of the arms that the choice had when the page was drawn last."""
"""list[str], names of the arms that are shown."""
RESULTS_VIEW = "results_view"
RESULTS_HIDDEN_VIEW = "results_hidden_view"
"""The view that was chosen and has nothing to show for the moment."""
RESULTS_PICTURES = "results_pictures"
"""str, the format in which figures are saved: PNG or SVG."""
RESULTS_ANSWERS = "results_answers"
"""str, key of the answers whose mistakes, classes and subtypes are shown."""
RESULTS_MATRIX_VALUES = "results_matrix_values"
RESULTS_HIDE_DIAGONAL = "results_hide_diagonal"
RESULTS_TRUTH = "results_truth"
RESULTS_ANSWERED_AS = "results_answered_as"
"""int, class index of the chosen cell of the confusion matrix; -1: all classes."""
RESULTS_GALLERY_PAGE = "results_gallery_page"
"""int, from 0."""
RESULTS_HEAT_MAPS = "results_heat_maps"
RESULTS_ZOOM = "results_zoom"
RESULTS_FIRST = "results_first"
RESULTS_SECOND = "results_second"
"""str, keys of the two sets of answers that are compared."""
RESULTS_CHANGED = "results_changed"
RESULTS_EVALUATED = "results_evaluated"
"""str, what the last request for an evaluation did, shown once."""
RESULTS_ORIGIN_SHOWN = "results_origin_shown"
RESULTS_ARCHITECTURE_SHOWN = "results_architecture_shown"
RESULTS_EVALUATION_MODEL = "results_evaluation_model"
RESULTS_EVALUATION_DATA = "results_evaluation_data"
RESULTS_LABORATORY_DATA = "results_laboratory_data"
RESULTS_LABORATORY_NAME = "results_laboratory_name"
