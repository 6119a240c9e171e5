"""A checkpoint that is broken or another network's is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from geonav.errors import WeightsError
from geonav.vision.checkpoints import fill_network, load_state_dict


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(100)}, path)
    assert set(load_state_dict(path)) == {"a"}
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(WeightsError, match=r"w\.pth.*geonav models pull"):
        load_state_dict(path)


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="Tensor"):
        load_state_dict(tmp_path / "w.pth")


def test_missing_and_misshapen_parameters_are_named() -> None:
    network = torch.nn.Linear(2, 3)
    with pytest.raises(WeightsError, match="first bias"):
        fill_network(network, {"weight": torch.ones(3, 2)}, Path("w.pth"))
    with pytest.raises(WeightsError, match="weight"):
        fill_network(network, {"weight": torch.ones(3, 9), "bias": torch.ones(3)}, Path("w.pth"))
    fill_network(network, {"weight": torch.ones(3, 2), "bias": torch.ones(3), "spare": torch.ones(1)}, Path("w.pth"))
    assert not network.training
