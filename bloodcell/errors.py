"""What a user can be told: every error here carries a sentence that says what happened and what to do."""


class BloodcellError(Exception):
    """A failure that a user can cause and mend. The command line prints it without a traceback, pages show it."""


class UnreadableImage(BloodcellError):
    """Bytes that are no cell image: empty, damaged, too large, or in a format that is not accepted."""


class LostFile(UnreadableImage):
    """A file that the disk does not give: it has vanished, may not be read, or reading failed; it may be sound."""


class DatasetError(BloodcellError):
    """A data folder that is missing, has no class folders, or holds no usable image."""


class UnknownName(BloodcellError):
    """An experiment, a model or weights under a name that nothing has."""


class WeightsError(BloodcellError):
    """Weights that are missing, damaged, or made for another model."""


class RunFolderError(BloodcellError):
    """A run folder that is in use, incomplete, or belongs to another configuration."""


class DeviceBusy(BloodcellError):
    """A device that another process trains on."""


class TrainingDiverged(BloodcellError):
    """The loss stopped being a finite number; the last good checkpoint is kept."""


class EngineUnavailable(BloodcellError):
    """An engine that is asked for and cannot answer here: it is not installed, or unknown."""


class DownloadError(BloodcellError):
    """A download that did not arrive whole, or is not what it should be."""
