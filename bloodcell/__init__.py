"""Bloodcell reads blood cells under the microscope: data, models, training, evaluation and answers, without a page."""

__version__ = "0.1.0"
