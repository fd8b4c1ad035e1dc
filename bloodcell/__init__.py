"""Bloodcell reads blood cells under the microscope: data, models, training, evaluation and answers, without a page."""

from bloodcell.threads import spin_briefly

__version__ = "0.1.0"

# Here, because OpenMP reads it once, when torch is imported.
spin_briefly()
