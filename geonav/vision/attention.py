"""LightGlue's layers laid out for the processor they run on: the published network, other only in its rounding.

The network is kornia's and so are its weights (Lindenberger et al., ICCV 2023). What differs is how they are used:
projections that follow one another are one matrix, the two pictures attend to each other without a matrix of all pairs
in memory, and only what is cheap or what decides (positions, sums, confidences, the assignment) is in full precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

# Rows of queries that attend at once: a block of them against 2,048 keys stays in the cache of one core.
_BLOCK = 256


@dataclass(frozen=True)
class _Update:
    """What a block does with what its attention gathered: ``x + out(gelu(norm(into(x, gathered))))``."""

    into_weight: torch.Tensor
    into_bias: torch.Tensor
    norm: nn.LayerNorm
    out: nn.Linear

    @classmethod
    def of(cls, gathered: nn.Linear, ffn: Any, dtype: torch.dtype) -> _Update:  # noqa: ANN401 - kornia's is untyped
        """``gathered``, the projection of what attention gives, goes into the first matrix of ``ffn``."""
        first, norm, last = ffn[0], ffn[1], ffn[3]
        own, message = first.weight.chunk(2, dim=1)
        weight = torch.cat([own, message @ gathered.weight], dim=1)
        bias = first.bias + message @ gathered.bias
        return cls(weight.to(dtype), bias.to(dtype), norm, _like(last, dtype))

    def __call__(self, x: torch.Tensor, narrow: torch.Tensor, gathered: torch.Tensor) -> torch.Tensor:
        inner = functional.linear(torch.cat([narrow, gathered], dim=-1), self.into_weight, self.into_bias)
        inner = functional.gelu(_normalised(inner, self.norm))
        return torch.add(x, self.out(inner))


class Layer:
    """One layer: each picture's keypoints attend to each other, then to those of the other picture."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:  # noqa: ANN401 - kornia's is untyped
        """Take the weights of one of kornia's layers, in full precision; compute in ``dtype``."""
        own, cross = layer.self_attn, layer.cross_attn
        self._dtype = dtype
        self._heads = own.num_heads
        self._qkv = _like(own.Wqkv, dtype, _by_head(own.num_heads, own.head_dim))
        self._own = _Update.of(own.out_proj, own.ffn, dtype)
        self._qk_and_v = _joined(cross.to_qk, cross.to_v, dtype)
        self._cross = _Update.of(cross.to_out, cross.ffn, dtype)

    def within(self, known: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        """One picture's keypoints after they have attended to each other.

        Args:
            known: (N, D) what the network knows of them, float32.
            turn: see :func:`turning`.
        """
        narrow = known.to(self._dtype)
        query, key, value = self._split(self._qkv(narrow), 3)
        return self._own(known, narrow, attention(_turned(query, turn), _turned(key, turn), value))

    def across(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both pictures' keypoints, (M, D) and (N, D), after they have attended to those of the other."""
        narrow_a, narrow_b = a.to(self._dtype), b.to(self._dtype)
        qk_a, value_a = self._split(self._qk_and_v(narrow_a), 2)
        qk_b, value_b = self._split(self._qk_and_v(narrow_b), 2)
        from_b = attention(qk_a, qk_b, value_b)
        from_a = attention(qk_b, qk_a, value_a)
        return self._cross(a, narrow_a, from_b), self._cross(b, narrow_b, from_a)

    def _split(self, projected: torch.Tensor, parts: int) -> tuple[torch.Tensor, ...]:
        """(N, parts * D) as ``parts`` tensors (N, heads, D / heads)."""
        return projected.view(len(projected), parts, self._heads, -1).unbind(1)


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Softmax attention.

    Args:
        query: (M, heads, d).
        key: (N, heads, d).
        value: (N, heads, d).

    Returns:
        (M, heads * d), the heads side by side.
    """
    if query.device.type != "cpu" or query.dtype == torch.float32 or torch.cpu._is_amx_tile_supported():
        query, key, value = (each.transpose(0, 1)[None] for each in (query, key, value))
        gathered = functional.scaled_dot_product_attention(query, key, value)
        return gathered[0].transpose(0, 1).flatten(1)
    return _blockwise(query, key, value)


def _blockwise(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention by blocks that stay in the cache.

    Where half precision comes without tile instructions, plain products of matrices are faster than torch's kernel
    for attention by half (2,048 keypoints: 33 against 53 ms on one core).
    """
    keys = (key * query.shape[-1] ** -0.5).permute(1, 2, 0).contiguous()
    queries, values = query.transpose(0, 1).contiguous(), value.transpose(0, 1).contiguous()
    gathered = torch.empty_like(query, memory_format=torch.contiguous_format)
    for start in range(0, len(query), _BLOCK):
        rows = slice(start, start + _BLOCK)
        gathered[rows] = torch.bmm(torch.bmm(queries[:, rows], keys).softmax(dim=-1), values).transpose(0, 1)
    return gathered.flatten(1)


def turning(encoder: nn.Linear, keypoints: torch.Tensor) -> torch.Tensor:
    """(2, N, 1, F) cosine and sine of the angles by which the positions (N, 2) of keypoints turn their vectors."""
    angles = functional.linear(keypoints, encoder.weight)
    return torch.stack([angles.cos(), angles.sin()])[:, :, None]


def _turned(vectors: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Rotate (N, heads, d) in the planes of its first and second half."""
    cosine, sine = turn.to(vectors.dtype)
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def _by_head(heads: int, dim: int) -> torch.Tensor:
    """The order of kornia's rows, (head, number, query | key | value), that makes them (query | key | value, head, ..).

    Kornia turns neighbouring numbers in one plane; here they lie half a head apart, so that halves are turned at once.
    Queries and keys change places alike, which leaves their products as they were.
    """
    rows = torch.arange(heads * dim * 3).view(heads, dim, 3)
    halves = torch.cat([torch.arange(0, dim, 2), torch.arange(1, dim, 2)])
    query, key, value = rows[:, halves, 0], rows[:, halves, 1], rows[:, :, 2]
    return torch.cat([query.flatten(), key.flatten(), value.flatten()])


def _like(linear: nn.Linear, dtype: torch.dtype, order: torch.Tensor | None = None) -> nn.Linear:
    """A copy of ``linear`` in ``dtype``, its outputs in another order."""
    rows = torch.arange(linear.out_features) if order is None else order
    return _linear(linear.weight[rows], linear.bias[rows], dtype)


def _joined(first: nn.Linear, second: nn.Linear, dtype: torch.dtype) -> nn.Linear:
    """Both at once, their outputs side by side."""
    weight = torch.cat([first.weight, second.weight])
    return _linear(weight, torch.cat([first.bias, second.bias]), dtype)


def _linear(weight: torch.Tensor, bias: torch.Tensor, dtype: torch.dtype) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device, dtype=dtype)
    made.weight.data.copy_(weight)
    made.bias.data.copy_(bias)
    return made


def _normalised(x: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    weight, bias = norm.weight.to(x.dtype), norm.bias.to(x.dtype)
    return functional.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps)
