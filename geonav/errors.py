"""Every error geonav raises on purpose, with the exit code its command ends with.

    GeonavError            1  something went wrong that nobody foresaw
    |- UsageError          2  the call itself is off: option, value, configuration
    |  `- ConfigError      2
    |- InputError          3  a file or a database is missing or not what it should be
    |  |- ImageError       3  (and ImageKindError, ImageTooLargeError)
    |  |- DatabaseError    3
    |  |- WeightsError     3
    |  `- MissingError     3
    |- AuthError           4  a key is missing or was refused
    |- NetworkError        5  network or quota; run again to resume
    |  `- QuotaError       5
    |- PartialError        6  part of the work was done
    |- NotLocatedError     7  no photo got a pose
    `- StorageError        8  disk full, read-only or not permitted

Each message is one line that says what, where and what to do next.
"""

from __future__ import annotations

EXIT_INTERRUPTED = 130


class GeonavError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class UsageError(GeonavError):
    """The call is off: an option, a value or a name."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration has an unknown key or a value that does not fit."""


class InputError(GeonavError):
    """A file or folder is missing or not what it should be."""

    exit_code = 3


class ImageError(InputError):
    """A picture cannot be read, or is too large or too small to use."""


class ImageKindError(ImageError):
    """A file is no picture of a kind that can be read."""


class ImageTooLargeError(ImageError):
    """A picture has more pixels than are decoded."""


class DatabaseError(InputError):
    """A database is missing, broken, not indexed, or indexed with other settings."""


class WeightsError(InputError):
    """A weights file is missing, corrupted or of another network."""


class MissingError(InputError):
    """A service has not, or no longer, what was asked for."""


class AuthError(GeonavError):
    """A key is missing or was refused."""

    exit_code = 4


class NetworkError(GeonavError):
    """The network, a service or its quota failed; running again resumes."""

    exit_code = 5


class QuotaError(NetworkError):
    """The quota of a service is used up; a later run goes on."""


class PartialError(GeonavError):
    """Part of the work was done; the message names what was not."""

    exit_code = 6


class NotLocatedError(GeonavError):
    """No photo got a pose."""

    exit_code = 7


class StorageError(GeonavError):
    """The disk is full, read-only, or may not be written."""

    exit_code = 8
