"""TOML files that users write: read, or refused in one line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def read(path: Path, what: str, refusal: Callable[[str], Exception]) -> dict[str, Any]:
    """Reads a file.

    Args:
        path: of the file.
        what: it is, for the refusal, e.g. `baseline`.
        refusal: makes the error that its readers expect.

    Raises:
        Exception: the `refusal`: the file is unreadable or no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise refusal(f"{what} {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise refusal(f"{what} {path}: {error}") from error
