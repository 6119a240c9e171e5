"""Hostile uploads: each is refused with a reason, none crashes the server or takes more memory than it may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving.hostile import Attacks, write
from tests.serving.program import FAR, Program

MOST_BYTES = 4_000_000
# 4 million pixels decoded, thrice, and the uploads of one client at a time: 100 MB; the allocator's own ways on top.
MAY_GROW_MB = 300


def _attack(program: Program, query: bytes, count: int, seed: int, folder: Path) -> None:
    assert program.localize(query, **FAR).status == 200
    before = program.memory_mb()
    for attack in Attacks(query, MOST_BYTES, seed).make(count):
        reply = program.send(attack.raw)
        assert reply is not None, (attack.kind, write(attack, folder))
        assert 400 <= reply.status < 500, (attack.kind, reply, write(attack, folder))
        error = json.loads(reply.content)["error"]
        assert error["code"]
        assert error["message"]
        assert "\n" not in error["message"]
    grown = program.memory_mb() - before
    print(f"{count} attacks: the most memory grew by {grown:.0f} MB to {program.memory_mb():.0f} MB")  # noqa: T201
    assert grown < MAY_GROW_MB
    assert program.localize(query, **FAR).status == 200
    assert program.metric("geonav_queue_length") == 0
    assert "Traceback" not in program.log.read_text("utf-8")


@pytest.mark.slow  # minutes on a busy machine
def test_hostile_uploads_are_refused(program: Program, query: bytes, tmp_path: Path) -> None:
    _attack(program, query, 150, 1, tmp_path)


@pytest.mark.slow
def test_two_thousand_hostile_uploads_are_refused(program: Program, query: bytes, tmp_path: Path) -> None:
    _attack(program, query, 2000, 2, tmp_path)
