"""Image references, as far as the API server looks into them.

Source: kube-apiserver 1.36 `pkg/util/parsers` and the reference grammar of the distribution project.
"""

from __future__ import annotations

import re
from typing import Final

_DOMAIN: Final = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]+)?"
_PART: Final = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"({_DOMAIN}/)?{_PART}(/{_PART})*(:(?P<tag>\w[\w.-]{{0,127}}))?(@(?P<digest>[A-Za-z][\w+.-]*:[0-9A-Fa-f]{{32,}}))?",
    re.ASCII,
)


def tag(reference: str) -> str:
    """The tag of an image: `latest` when there is neither tag nor digest, empty when it is no reference at all."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return ""
    return match["tag"] or ("" if match["digest"] else "latest")


def default_pull_policy(reference: str) -> str:
    """`Always` for the moving tag `latest`, else `IfNotPresent`."""
    return "Always" if tag(reference) == "latest" else "IfNotPresent"
