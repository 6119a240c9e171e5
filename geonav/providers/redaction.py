"""Keeps keys, tokens and signatures out of messages and logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
# Logs whole request lines, query and all, at DEBUG, and whole addresses at WARNING.
_TALKATIVE = "urllib3.connectionpool"
_SECRET_PARAMETER = re.compile(
    r"(?i)((?:^|[?&;\s\"'])(?:[\w-]*key|[\w-]*token|signature|sig|[\w-]*secret|password|session)=)[^&\s\"'<>]+"
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide every one of ``secrets``, as it is or as addresses spell it, and whatever stands where keys usually do."""
    for secret in secrets:
        for spelling in {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}:
            if spelling:
                text = text.replace(spelling, HIDDEN)
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", text)


class _RedactingFilter(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._secrets: frozenset[str] = frozenset()

    def learn(self, secrets: Iterable[str]) -> None:
        self._secrets |= frozenset(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage(), self._secrets)
        record.args = None
        return True


_FILTER = _RedactingFilter()


def redact_http_logs(secrets: Iterable[str]) -> None:
    """Hide ``secrets`` in what the HTTP library logs, should anybody listen; calling again adds to them."""
    _FILTER.learn(secrets)
    logging.getLogger(_TALKATIVE).addFilter(_FILTER)
