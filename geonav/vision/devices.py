"""Which processor the networks run on."""

from __future__ import annotations

import torch

from geonav.errors import UsageError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


def pick_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The number format for what may lose digits; ``auto`` is the fastest that the processor itself computes in.

    Positions, sums and decisions are in float32 whatever is picked, so half precision moves keypoints by a tenth of a
    pixel and changes about one match in a thousand. A processor that only emulates it would be slower, not faster.
    """
    if precision != "auto":
        return _DTYPES[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if _computes_bfloat16() else torch.float32


def _computes_bfloat16() -> bool:
    """Whether the CPU has instructions for it, and the libraries are not told to leave them alone."""
    has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    may_use_them = torch.backends.cpu.get_cpu_capability() == "AVX512" and _libraries_compute_bfloat16()
    return has_instructions and may_use_them


def _libraries_compute_bfloat16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
