"""``POST /v1/localize``: from a request to a result."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from geonav.data.files import atomic_write_bytes
from geonav.data.images import PictureBytes, check_header
from geonav.errors import ImageError, StorageError
from geonav.serving.asked import Asked, asked_of
from geonav.serving.jobs import Answer, Job, too_slow
from geonav.serving.multipart import Form, Lease, discard, read_form
from geonav.serving.refusals import RefusedError, refusal_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from geonav.serving.service import Service

logger = logging.getLogger(__name__)


async def localize(request: Request, service: Service) -> dict[str, Any]:
    """Read the form, wait for the engine, and say what it found.

    Raises:
        RefusedError: there is no answer; says why.
        ClientDisconnect: nobody is there to be told.
    """
    deadline = time.monotonic() + service.settings.time_limit_s
    try:
        service.check_open()
        service.engine.check_room()
    except RefusedError:
        await discard(request.stream())
        raise
    service.num_open += 1
    try:
        with service.memory.lease() as lease:
            job, asked = await _job(request, service, lease, deadline)
            photo = job.photo
            service.engine.submit(job)
            try:
                if service.settings.keep_uploads is not None and photo is not None:
                    await service.aside(_keep, service.settings.keep_uploads, photo.content)
            except BaseException:
                service.engine.drop(job)
                raise
            del photo
            answer = await _waited(request, service, job)
        return await service.aside(_said, service, answer, asked)
    finally:
        service.num_open -= 1


async def _job(request: Request, service: Service, lease: Lease, deadline: float) -> tuple[Job, Asked]:
    settings = service.settings
    form = await read_form(request, lease, int(settings.max_upload_mb * 1e6), settings.upload_limit_s)
    asked = asked_of(form.fields)
    photo = _picture(form, int(settings.max_megapixels * 1e6))
    try:
        size = await service.aside(check_header, photo)
    except ImageError as error:
        raise refusal_of(error) from error
    camera = asked.camera_for(size)
    return Job(photo, deadline, camera, asked.search, asked.k), asked


def _picture(form: Form, max_pixels: int) -> PictureBytes:
    if form.photo is None:
        raise RefusedError(422, "the form has no photo: send it as the file 'photo'")
    if not form.photo:
        raise RefusedError(400, "the photo is empty: choose it again")
    return PictureBytes(form.photo, form.name, max_pixels)


def _keep(folder: Path, content: bytes) -> None:
    """Under the time and the picture's digest: never under a name that a client made up.

    The answer does not depend on it: what cannot be kept is logged.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(folder / f"{moment}-{hashlib.sha256(content).hexdigest()[:16]}.photo", content)
    except (OSError, StorageError) as error:
        logger.warning("a photo is not kept: %s", error)


async def _waited(request: Request, service: Service, job: Job) -> Answer:
    """The engine's answer, unless the client leaves or the time is up before."""
    from starlette.requests import ClientDisconnect

    answer = asyncio.ensure_future(asyncio.wrap_future(job.answer))
    gone = asyncio.ensure_future(_gone(request))
    try:
        limit = max(0.0, job.deadline - time.monotonic())
        waiting: set[asyncio.Future[Any]] = {answer, gone}
        await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if gone.done():
            raise ClientDisconnect
        raise too_slow()
    finally:
        gone.cancel()
        if not answer.done():
            service.engine.drop(job)
            answer.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _said(service: Service, answer: Answer, asked: Asked) -> dict[str, Any]:
    service.metrics.located(answer.result)
    said = service.catalogue.public(answer.result.model_dump(mode="json"))
    said["query_size"] = list(answer.size)
    if asked.matches:
        said["matches"] = [
            {
                "uid": each.uid,
                "size": service.catalogue.size(each.uid),
                "query": each.query_pixels.astype(float).round(1).tolist(),
                "reference": each.reference_pixels.astype(float).round(1).tolist(),
                "inlier": each.inlier.tolist(),
            }
            for each in answer.matches
        ]
    return said
