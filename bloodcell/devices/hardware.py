"""What computes, in words."""

import platform

import torch


def hardware_name(device: str) -> str:
    """Return what computes, in words: the GPU's name, or the processor and its cores."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    cores = f"{threads} thread{'' if threads == 1 else 's'}"
    return f"{platform.machine()} CPU with {torch.backends.cpu.get_cpu_capability()}, {cores}"
