"""The whole of LightGlue on one pair: layer after layer until all is decided, with ever fewer keypoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

from geonav.vision.attention import Layer, turning


@dataclass(frozen=True)
class Side:
    """One picture's keypoints on their way through the layers.

    Attributes:
        index: (N,) int64, which keypoints are left.
        known: (N, D) float32, what the network knows of each.
        turn: (2, N, 1, F) float32, see :func:`geonav.vision.attention.turning`.
    """

    index: torch.Tensor
    known: torch.Tensor
    turn: torch.Tensor

    def kept(self, keep: torch.Tensor) -> Side:
        """Those keypoints alone for which ``keep``, bool (N,), is true."""
        left = keep.nonzero()[:, 0]
        return Side(self.index[left], self.known[left], self.turn[:, left])


class PairNetwork:
    """kornia's LightGlue with its weights, run by :class:`geonav.vision.attention.Layer`."""

    def __init__(self, network: Any, dtype: torch.dtype) -> None:  # noqa: ANN401 - kornia's is untyped
        """``network`` in full precision on its device; the layers compute in ``dtype``."""
        self._network = network
        self._layers = [Layer(layer, dtype) for layer in network.transformers]

    def side(self, keypoints: torch.Tensor, descriptors: torch.Tensor, size: tuple[int, int]) -> Side:
        """One picture, as far as it goes without another: its keypoints have attended to each other once.

        Args:
            keypoints: (N, 2) float32 pixels.
            descriptors: (N, D) float32.
            size: width and height of the picture in pixels.
        """
        extent = keypoints.new_tensor(size)
        centred = (keypoints - extent / 2) / (extent.max() / 2)
        index = torch.arange(len(keypoints), device=keypoints.device)
        turn = turning(self._network.posenc.Wr, centred)
        return Side(index, self._layers[0].within(self._network.input_proj(descriptors), turn), turn)

    def match(self, a: Side, b: Side) -> tuple[torch.Tensor, torch.Tensor]:
        """Pairs (M, 2) int64 of the keypoints of two pictures, and their scores (M,) in [0, 1]."""
        num_points = len(a.index) + len(b.index)
        last = len(self._layers) - 1
        for number, layer in enumerate(self._layers):
            if number > 0:
                a, b = (replace(side, known=layer.within(side.known, side.turn)) for side in (a, b))
            known_a, known_b = layer.across(a.known, b.known)
            a, b = replace(a, known=known_a), replace(b, known=known_b)
            if number == last or self._is_settled(a, b, number, num_points):
                break
            a, b = self._pruned(a, number), self._pruned(b, number)
            if not (len(a.index) and len(b.index)):
                break
        return self._assigned(a, b, number)

    def _sureness(self, side: Side, number: int) -> torch.Tensor | None:
        """How sure each keypoint is of its fate, (N,) in [0, 1]; None where the network was not taught to say."""
        if self._network.conf.depth_confidence <= 0:
            return None
        token = self._network.token_confidence[number].token
        return token(side.known)[:, 0]  # type: ignore[no-any-return]

    def _is_settled(self, a: Side, b: Side, number: int, num_points: int) -> bool:
        sure_a, sure_b = self._sureness(a, number), self._sureness(b, number)
        if sure_a is None or sure_b is None:
            return False
        threshold = self._network.confidence_threshold(number)
        unsure = (sure_a < threshold).sum() + (sure_b < threshold).sum()
        return bool(1.0 - unsure / num_points > self._network.conf.depth_confidence)

    def _pruned(self, side: Side, number: int) -> Side:
        """Without the keypoints that are sure to have no partner."""
        if self._network.conf.width_confidence <= 0:
            return side
        keep = self._network.log_assignment[number].get_matchability(side.known)
        keep = keep > 1 - self._network.conf.width_confidence
        sure = self._sureness(side, number)
        if sure is not None:
            keep |= sure <= self._network.confidence_threshold(number)
        return side.kept(keep)

    def _assigned(self, a: Side, b: Side, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pairs that choose each other: those whose product of both softmaxes and both matchabilities is best."""
        if not (len(a.index) and len(b.index)):
            return a.index.new_zeros((0, 2)), a.known.new_zeros(0)
        head = self._network.log_assignment[number]
        scale = head.dim**-0.25
        likeness = (head.final_proj(a.known) * scale) @ (head.final_proj(b.known) * scale).t()
        rows = functional.logsigmoid(head.matchability(a.known)) - likeness.logsumexp(1, keepdim=True)
        columns = functional.logsigmoid(head.matchability(b.known)).t() - likeness.logsumexp(0, keepdim=True)
        scores = likeness.mul_(2).add_(rows).add_(columns)
        best, partner = scores.max(dim=1)
        chosen = (scores.argmax(dim=0)[partner] == torch.arange(len(partner), device=partner.device)) & (
            best.exp() > self._network.conf.filter_threshold
        )
        return torch.stack([a.index[chosen], b.index[partner[chosen]]], dim=1), best[chosen].exp()
