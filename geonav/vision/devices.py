"""Which processor the networks run on."""

from __future__ import annotations

import torch

from geonav.errors import UsageError


def available_devices() -> list[str]:
    """The processors of this machine, best first."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if devices:
        devices.insert(0, "cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def pick_device(name: str) -> torch.device:
    """The torch device called ``name``; ``auto`` is the best there is: cuda, else mps, else cpu.

    Raises:
        UsageError: this machine has no such device; the message names those it has.
    """
    devices = available_devices()
    if name == "auto":
        return torch.device(devices[0])
    if name not in devices:
        msg = f"unknown or missing device '{name}': choose of auto, {', '.join(devices)}"
        raise UsageError(msg)
    return torch.device(name)


def matching_dtype(device: torch.device) -> torch.dtype:
    """The number format that matching is fastest in and still exact enough: bfloat16 where the hardware has it.

    Matching decides which keypoints belong together, not where they are: half precision changes about one
    match in a thousand. Only processors that compute in bfloat16 gain from it; others emulate it slowly.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return torch.float32
