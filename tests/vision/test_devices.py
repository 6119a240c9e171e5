"""The numbers that networks compute with: as asked for, else the fastest that the processor has instructions for."""

from __future__ import annotations

import pytest
import torch

from geonav.vision import devices
from geonav.vision.devices import pick_dtype

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One that computes in bfloat16, and libraries that may use it."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(devices, "_libraries_compute_bfloat16", lambda: True)
    return monkeypatch


def test_half_precision_where_the_processor_computes_in_it(processor: pytest.MonkeyPatch) -> None:
    assert pick_dtype(CPU, "auto") == torch.bfloat16
    processor.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert pick_dtype(CPU, "auto") == torch.float32
    processor.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert pick_dtype(CPU, "auto") == torch.bfloat16


@pytest.mark.parametrize("capability", ["AVX2", "DEFAULT", "SVE256"])
def test_full_precision_where_wide_instructions_are_turned_off(processor: pytest.MonkeyPatch, capability: str) -> None:
    processor.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert pick_dtype(CPU, "auto") == torch.float32


def test_full_precision_where_the_library_must_not(processor: pytest.MonkeyPatch) -> None:
    processor.setattr(devices, "_libraries_compute_bfloat16", lambda: False)
    assert pick_dtype(CPU, "auto") == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_asked_for_is_done(processor: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    assert pick_dtype(CPU, str(dtype).removeprefix("torch.")) == dtype


@pytest.mark.parametrize(("has_bfloat16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_graphics_processors_compute_in_half_precision(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bfloat16)
    assert pick_dtype(torch.device("cuda"), "auto") == dtype
    assert pick_dtype(torch.device("mps"), "auto") == torch.float16
