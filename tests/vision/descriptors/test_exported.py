"""Networks of one's own: ONNX, TorchScript and exported programs, made here."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from geonav.config import GeonavConfig
from geonav.errors import UsageError, WeightsError
from geonav.vision.registries import DESCRIPTORS
from tests.vision.descriptors.checkpoints import picture

DIM = 12


class Small(nn.Module):
    """A convolution, ReLU and the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, DIM, 5, 4, 2)
        with torch.no_grad():
            rng = np.random.default_rng(0)
            self.conv.weight.copy_(torch.from_numpy(rng.normal(0, 0.2, (DIM, 3, 5, 5))))
            self.conv.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x)).mean((2, 3))


def onnx_file(path: Path, *, size: tuple[int, int] | None = None, channels: int = 3) -> Path:
    """The same network, written with the format's own helper; ``size`` (height, width) fixes it."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    weight = Small().conv.weight.detach().numpy()[:, :channels]
    sides = list(size) if size else ["height", "width"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["picture", "weight"], ["map"], kernel_shape=[5, 5], strides=[4, 4], pads=[2] * 4),
            helper.make_node("Relu", ["map"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["vector"]),
        ],
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, channels, *sides])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, DIM])],
        [numpy_helper.from_array(np.ascontiguousarray(weight), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    checker.check_model(model)
    save(model, str(path))
    return path


def script_file(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(Small().eval(), torch.rand(1, 3, 64, 64)).save(str(path))
    return path


def program_file(path: Path, *, size: tuple[int, int] | None = None) -> Path:
    sides = None if size else ({2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(Small().eval(), (torch.rand(1, 3, *(size or (64, 80))),), dynamic_shapes=sides)
    torch.export.save(exported, path)
    return path


WRITERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "net.onnx": ("onnx", onnx_file),
    "net.pt": ("torchscript", script_file),
    "net.pt2": ("torchscript", program_file),
}


def load(kind: str, path: Path, **settings: Any) -> Any:
    section = {"descriptor": f"{kind}:{path}", **settings}
    return DESCRIPTORS.load(section["descriptor"]).from_config(GeonavConfig(device="cpu", retrieval=section))


@pytest.mark.parametrize("file", WRITERS)
def test_an_exported_network_gives_its_own_vectors(file: str, tmp_path: Path) -> None:
    kind, write = WRITERS[file]
    descriptor = load(kind, write(tmp_path / file))
    assert (descriptor.name, descriptor.dim) == (f"{kind}-net", DIM)
    pixels = picture(4, 96, 128)  # smaller than the largest side: seen as it is
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    colours = ((pixels / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]
    with torch.inference_mode():
        expected = Small()(torch.from_numpy(colours))[0].numpy()
    vector = descriptor.describe(pixels)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
    assert descriptor.settings()["weights_verified"] is False


@pytest.mark.parametrize("file", ["net.onnx", "net.pt2"])
def test_a_network_for_one_size_gets_that_size(file: str, tmp_path: Path) -> None:
    kind, _ = WRITERS[file]
    path = (onnx_file if kind == "onnx" else program_file)(tmp_path / file, size=(48, 64))
    descriptor = load(kind, path)
    assert descriptor.settings()["input_px"] == [48, 64]
    assert descriptor.describe(picture(1, 200, 120)).shape == (DIM,)
    assert load(kind, path, image_size=64).settings() == descriptor.settings()
    with pytest.raises(UsageError, match="exported for 64 x 48 pixels: leave --image-size out"):
        load(kind, path, image_size=320)
    with pytest.raises(WeightsError, match="fails on a picture"):
        descriptor.encode(torch.zeros(1, 3, 40, 40))


def test_files_that_are_no_network_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(b"not a network")
    for kind, message in (("onnx", "cannot be read as an ONNX network"), ("torchscript", "as a TorchScript network")):
        with pytest.raises(WeightsError, match=message) as caught:
            load(kind, broken)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="does not exist"):
        load("onnx", tmp_path / "none.onnx")
    with pytest.raises(WeightsError, match=r"must take one float picture \(1, 3, H, W\)"):
        load("onnx", onnx_file(tmp_path / "grey.onnx", channels=1))


def test_the_name_carries_a_path_and_makes_a_stem() -> None:
    assert DESCRIPTORS.check("onnx:/models/mine.onnx") == "onnx:/models/mine.onnx"
    assert DESCRIPTORS.split("onnx:C:/models/mine.onnx") == ("onnx", "C:/models/mine.onnx")
    assert DESCRIPTORS.stem("torchscript:/models/my net (2).pt") == "torchscript-my-net-2-"
    assert DESCRIPTORS.stem("vlad") == "vlad"
    with pytest.raises(UsageError, match="did you mean 'onnx'"):
        DESCRIPTORS.check("onx:/models/mine.onnx")
    with pytest.raises(UsageError, match="lacks its file: write onnx:PATH"):
        DESCRIPTORS.check("onnx:")
    with pytest.raises(UsageError, match="'vlad' takes nothing behind a colon"):
        DESCRIPTORS.check("vlad:/models/mine.onnx")


def test_no_family_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys\n"
        "import geonav.cli.index, geonav.vision.registries as r\n"
        "r.DESCRIPTORS.check('megaloc'), r.DESCRIPTORS.stem('onnx:/a.onnx')\n"
        "bad = {'torch', 'onnxruntime', 'transformers', 'faiss'} & set(sys.modules)\n"
        "bad |= {m for m in sys.modules if m.startswith(('geonav.vision.descriptors', 'geonav.vision.backbones'))}\n"
        "sys.exit(', '.join(sorted(bad)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
