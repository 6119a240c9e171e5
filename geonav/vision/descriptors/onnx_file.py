"""``onnx:PATH``: a network exported to ONNX, run by onnxruntime (``pip install geonav[onnx]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from geonav.config import GeonavConfig
from geonav.errors import UsageError, WeightsError
from geonav.vision.descriptors.exported import cannot_run, exported_file, exported_preprocess
from geonav.vision.descriptors.pixels import Model, PixelDescriptor
from geonav.vision.devices import pick_device


class OnnxDescriptor(PixelDescriptor):
    """Runs on the GPU where onnxruntime has been built for it and ``--device`` allows it."""

    def __init__(self, name: str, model: Model) -> None:
        """Store files under ``name``."""
        super().__init__(model)
        self.name = name

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the file behind the colon of ``descriptor``.

        Raises:
            UsageError: onnxruntime is not installed, or another size is asked for than the network's.
            WeightsError: the file does not exist, is no ONNX network, or not of this form.
        """
        name, file = exported_file(config)
        session = _session(file.path, pick_device(config.device))
        shape = _input_shape(session, file.path)
        fixed = (shape[2], shape[3]) if all(isinstance(side, int) for side in shape[2:]) else None
        preprocess = exported_preprocess(fixed, config, name)
        network = _OnnxNetwork(session, name, file.path)
        settings = {"backbone": None, "runtime": "onnx", **file.settings()}
        # onnxruntime moves the numbers itself.
        return cls(name, Model(network, preprocess, torch.device("cpu"), settings))


class _OnnxNetwork:
    """One picture at a time, since many networks are exported for one."""

    def __init__(self, session: Any, name: str, path: Path) -> None:  # noqa: ANN401 - onnxruntime's session
        self._session, self._name, self._path = session, name, path
        self._input = session.get_inputs()[0].name

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, D)."""
        pictures = batch.numpy()
        try:
            rows = [self._session.run(None, {self._input: picture[None]})[0] for picture in pictures]
        except Exception as error:  # onnxruntime's own, which share no base
            raise cannot_run(self._name, self._path, error) from error
        return torch.from_numpy(np.concatenate([np.asarray(row, np.float32).reshape(1, -1) for row in rows]))


def _session(path: Path, device: torch.device) -> Any:  # noqa: ANN401 - onnxruntime's session
    try:
        import onnxruntime
    except ImportError as error:
        msg = "onnx descriptors need onnxruntime: pip install 'geonav[onnx]'"
        raise UsageError(msg) from error
    wanted = ["CUDAExecutionProvider"] * (device.type == "cuda") + ["CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's own, which share no base
        msg = f"{path} cannot be read as an ONNX network ({type(error).__name__}): export it again"
        raise WeightsError(msg) from error


def _input_shape(session: Any, path: Path) -> list[Any]:  # noqa: ANN401 - onnxruntime's session
    """The shape of the only input: 4 axes, 3 colours; axes of any length are names or None."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    if len(shape) != 4 or (shape[1] not in {3, None} and isinstance(shape[1], int)) or "float" not in inputs[0].type:
        msg = f"the ONNX network {path} must take one float picture (1, 3, H, W), not {len(inputs)} inputs of {shape}"
        raise WeightsError(msg)
    return shape
