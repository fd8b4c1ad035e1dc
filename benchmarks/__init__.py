"""Figures of speed, quality and robustness; each module is a program of its own."""

from bloodcell.devices.threads import spin_briefly

spin_briefly()
