"""What a request is refused with: a status, a code for programs, and one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geonav.errors import GeonavError, ImageError, ImageKindError, ImageTooLargeError

if TYPE_CHECKING:
    from starlette.responses import Response

CODES = {
    400: "bad_request", 401: "key_needed", 404: "not_found", 405: "method_not_allowed", 408: "upload_too_slow",
    413: "too_large", 415: "not_a_picture", 422: "bad_parameter", 429: "busy", 500: "internal", 503: "not_ready",
    504: "too_slow",
}  # fmt: skip


class RefusedError(GeonavError):
    """A request that gets no answer but a reason.

    Attributes:
        status: of HTTP.
        retry_after_s: when to try again; None where that does not help.
    """

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s

    def answer(self) -> Response:
        """As it is sent."""
        from starlette.responses import JSONResponse

        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        message = " ".join(str(self).split())
        return JSONResponse({"error": {"code": CODES[self.status], "message": message}}, self.status, headers)


def refusal_of(error: ImageError) -> RefusedError:
    """Why a picture cannot be used."""
    status = 415 if isinstance(error, ImageKindError) else 413 if isinstance(error, ImageTooLargeError) else 400
    return RefusedError(status, str(error))
