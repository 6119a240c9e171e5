"""Checkpoints in exactly the published layouts, but narrow, with numbers drawn here.

The keys are written out from what the projects publish, not taken from geonav's own modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

WIDTH = 4
STAGES = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
# torchvision's numbering of VGG-16's convolutions, and their channels in units of the first's.
VGG_CONVOLUTIONS = dict(
    zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (1, 1, 2, 2, 4, 4, 4, *[8] * 6), strict=True)
)


def numbers(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def tensor(rng: np.random.Generator, *shape: int, scale: float | None = None) -> torch.Tensor:
    """Drawn so that a layer keeps about the size of what goes in."""
    spread = scale if scale is not None else (2 / max(1, int(np.prod(shape[1:])))) ** 0.5
    return torch.from_numpy(rng.normal(0, spread, shape).astype(np.float32))


def _norm(rng: np.random.Generator, key: str, width: int) -> Iterable[tuple[str, torch.Tensor]]:
    yield f"{key}.weight", torch.from_numpy(rng.uniform(0.8, 1.2, width).astype(np.float32))
    yield f"{key}.bias", tensor(rng, width, scale=0.1)
    yield f"{key}.running_mean", tensor(rng, width, scale=0.1)
    yield f"{key}.running_var", torch.from_numpy(rng.uniform(0.5, 1.5, width).astype(np.float32))
    yield f"{key}.num_batches_tracked", torch.tensor(7)


def resnet_state(name: str, prefix: str, *, stages: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """A residual network's convolutions, numbered as ``nn.Sequential(*children)`` numbers them: layer1 is 4."""
    rng, deep = numbers(seed), name != "resnet18"
    state = {f"{prefix}0.weight": tensor(rng, WIDTH, 3, 7, 7), **dict(_norm(rng, f"{prefix}1", WIDTH))}
    wide_in = WIDTH
    for stage, count in enumerate(STAGES[name][:stages]):
        inside = WIDTH * 2**stage
        wide = inside * (4 if deep else 1)
        for block in range(count):
            at = f"{prefix}{4 + stage}.{block}"
            shapes = [(inside, wide_in, 1), (inside, inside, 3), (wide, inside, 1)]
            if not deep:
                shapes = [(inside, wide_in, 3), (inside, inside, 3)]
            for number, (out, into, side) in enumerate(shapes, start=1):
                state[f"{at}.conv{number}.weight"] = tensor(rng, out, into, side, side)
                state.update(_norm(rng, f"{at}.bn{number}", out))
            if block == 0 and (stage > 0 or wide != wide_in):
                state[f"{at}.downsample.0.weight"] = tensor(rng, wide, wide_in, 1, 1)
                state.update(_norm(rng, f"{at}.downsample.1", wide))
            wide_in = wide
    return state


def vgg_state(prefix: str, seed: int = 0) -> dict[str, torch.Tensor]:
    rng, state, wide_in = numbers(seed), {}, 3
    for number, times in VGG_CONVOLUTIONS.items():
        state[f"{prefix}{number}.weight"] = tensor(rng, WIDTH * times, wide_in, 3, 3)
        state[f"{prefix}{number}.bias"] = tensor(rng, WIDTH * times, scale=0.1)
        wide_in = WIDTH * times
    return state


def dvgl(path: Path, *, aggregation: str = "gem", backbone: str = "resnet18", stages: int = 3, **extra: Any) -> Path:
    """``best_model.pth`` of the benchmark; ``fc`` gives a layer's length, ``module`` several GPUs."""
    body = resnet_state(backbone, "backbone.", stages=stages)
    channels = body[f"backbone.{3 + stages}.0.conv{3 if backbone != 'resnet18' else 2}.weight"].shape[0]
    rng, fc = numbers(1), extra.get("fc")
    inner = "aggregation.0." if fc else "aggregation."
    head: dict[str, torch.Tensor] = {}
    dim = channels
    if aggregation == "gem":
        head[f"{inner}1.p"] = torch.tensor([2.5])
    if aggregation == "netvlad":
        head[f"{inner}centroids"] = tensor(rng, 5, channels, scale=0.3)
        head[f"{inner}conv.weight"] = tensor(rng, 5, channels, 1, 1, scale=1.0)
        dim = 5 * channels
    if fc:
        head.update({"aggregation.1.weight": tensor(rng, fc, dim), "aggregation.1.bias": tensor(rng, fc, scale=0.1)})
    state = {f"{extra.get('module', '')}{key}": value for key, value in {**body, **head}.items()}
    file = {
        "epoch_num": 3,
        "model_state_dict": state,
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 1e-5, "params": [0]}]},
        "recalls": np.array([80.0, 90.0]),
        "best_r5": np.float64(90.0),
        "not_improved_num": 0,
    }
    torch.save(file, path)
    return path


def radenovic(path: Path, *, architecture: str = "resnet50", layer: bool = True, seed: int = 0, **meta: Any) -> Path:
    """A network of cnnimageretrieval-pytorch; without the trained whitening ``layer`` the meta holds learned ones."""
    features = vgg_state("features.") if architecture == "vgg16" else resnet_state(architecture, "features.", seed=seed)
    features = {key: value for key, value in features.items() if not key.endswith("num_batches_tracked")}
    dim = 8 * WIDTH * (1 if architecture in {"vgg16", "resnet18"} else 4)
    rng = numbers(2)
    state = {**features, "pool.p": torch.tensor([2.9])}
    about: dict[str, Any] = {
        "architecture": architecture,
        "local_whitening": False,
        "pooling": "gem",
        "regional": False,
        "whitening": layer,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "outputdim": dim,
    }
    if layer:
        state.update({"whiten.weight": tensor(rng, dim, dim), "whiten.bias": tensor(rng, dim, scale=0.1)})
    else:
        about["Lw"] = {
            "retrieval-SfM-120k": {
                scales: {"m": rng.normal(0, 0.1, (dim, 1)), "P": rng.normal(0, 1, (dim, dim))}
                for scales in ("ss", "ms")
            }
        }
    torch.save({"meta": {**about, **meta}, "state_dict": state}, path)
    return path


def classified(path: Path, *, backbone: str = "resnet18", dim: int = 6) -> Path:
    """CosPlace's and EigenPlaces' bare state dicts."""
    body = vgg_state("backbone.") if backbone == "vgg16" else resnet_state(backbone, "backbone.")
    channels = 8 * WIDTH * (1 if backbone in {"vgg16", "resnet18"} else 4)
    rng = numbers(3)
    head = {
        "aggregation.1.p": torch.tensor([3.1]),
        "aggregation.3.weight": tensor(rng, dim, channels),
        "aggregation.3.bias": tensor(rng, dim, scale=0.1),
    }
    torch.save({**body, **head}, path)
    return path


def netvlad(path: Path, *, layout: str, clusters: int = 3, whitened: int | None = None) -> Path:
    """The same numbers in the layout of pytorch-NetVlad, trained on several GPUs, or of hloc."""
    rng, channels = numbers(4), 8 * WIDTH
    weight, centres = tensor(rng, clusters, channels, scale=1.0), tensor(rng, clusters, channels, scale=0.3)
    if layout == "hloc":
        state = {
            **vgg_state("backbone."),
            "netvlad.score_proj.weight": weight[:, :, None],
            "netvlad.centers": centres.T.contiguous(),
        }
        if whitened is not None:
            state["whiten.weight"] = tensor(rng, whitened, clusters * channels)
            state["whiten.bias"] = tensor(rng, whitened, scale=0.1)
        torch.save(state, path)
        return path
    state = {
        **vgg_state("encoder.module."),
        "pool.module.conv.weight": weight[:, :, None, None],
        "pool.module.centroids": centres,
    }
    torch.save({"epoch": 30, "state_dict": state, "recalls": {1: 0.8}, "best_score": 0.8, "parallel": True}, path)
    return path


def picture(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Blocks of colour, different for each seed."""
    rng = numbers(seed)
    pixels = np.full((height, width, 3), 110, np.uint8)
    for _ in range(30):
        x, y, w, h = rng.integers(0, width), rng.integers(0, height), *rng.integers(8, 50, 2)
        pixels[y : y + h, x : x + w] = rng.integers(0, 255, 3)
    return pixels
