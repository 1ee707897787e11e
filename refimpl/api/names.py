"""Rules for names, label keys and label values, with kube-apiserver's texts.

Each function returns what is wrong as a tuple of texts, empty for a good value.

Source: `apimachinery/pkg/util/validation` and `pkg/api/validate/content` (Kubernetes 1.36). Lengths of label keys and
values are spoken of in bytes, those of object names in characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE: Final = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DNS1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"

_QUALIFIED_RE: Final = re.compile(_QUALIFIED)
_LABEL_VALUE_RE: Final = re.compile(_LABEL_VALUE)
_LABEL_RE: Final = re.compile(_LABEL)
_SUBDOMAIN_RE: Final = re.compile(_SUBDOMAIN)
_DNS1035_RE: Final = re.compile(_DNS1035)

_MAX_LABEL: Final = 63
_MAX_SUBDOMAIN: Final = 253

_MUST_CONSIST: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)


def _rule(text: str, pattern: str, *examples: str) -> str:
    listed = ",  or ".join(f"'{example}'" for example in examples)
    return f"{text} (e.g. {listed}, regex used for validation is '{pattern}')"


_QUALIFIED_RULE: Final = _rule(_MUST_CONSIST, _QUALIFIED, "MyName", "my.name", "123-abc")
_TOO_MANY_PARTS: Final = (
    f"a qualified name {_QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_LABEL_VALUE_RULE: Final = _rule(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_LABEL_RULE: Final = _rule(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_RULE: Final = _rule(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_DNS1035_RULE: Final = _rule(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _DNS1035,
    "my-name",
    "abc-123",
)


def _checked(text: str, limit: int, unit: str, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
    wrong = []
    if len(text.encode()) > limit:
        wrong.append(f"must be no more than {limit} {unit}")
    if pattern.fullmatch(text) is None:
        wrong.append(rule)
    return tuple(wrong)


def dns1123_subdomain(text: str) -> tuple[str, ...]:
    """What is wrong with an object name such as a node's: lower case, digits, `-` and `.`, at most 253."""
    return _checked(text, _MAX_SUBDOMAIN, "characters", _SUBDOMAIN_RE, _SUBDOMAIN_RULE)


@lru_cache(maxsize=4096)
def dns1123_label(text: str) -> tuple[str, ...]:
    """What is wrong with a name such as a namespace's or container's: no dots, at most 63."""
    return _checked(text, _MAX_LABEL, "characters", _LABEL_RE, _LABEL_RULE)


def dns1035_label(text: str) -> tuple[str, ...]:
    """What is wrong with a name that may not start with a digit."""
    return _checked(text, _MAX_LABEL, "characters", _DNS1035_RE, _DNS1035_RULE)


@lru_cache(maxsize=4096)
def qualified_name(text: str) -> tuple[str, ...]:
    """What is wrong with a key of a label, an annotation, a taint or a resource: `[prefix/]name`."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (_TOO_MANY_PARTS,)
    wrong = []
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong += [f"prefix part {text}" for text in dns1123_subdomain(prefix)]
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name.encode()) > _MAX_LABEL:
        wrong.append(f"name part must be no more than {_MAX_LABEL} bytes")
    if _QUALIFIED_RE.fullmatch(name) is None:
        wrong.append(f"name part {_QUALIFIED_RULE}")
    return tuple(wrong)


@lru_cache(maxsize=4096)
def label_value(text: str) -> tuple[str, ...]:
    """What is wrong with a label's or taint's value: empty, or at most 63 of letters, digits, `-`, `_`, `.`."""
    return _checked(text, _MAX_LABEL, "bytes", _LABEL_VALUE_RE, _LABEL_VALUE_RULE)


def of_prefix(text: str) -> str:
    """A generateName as it is to be judged: a trailing dash is allowed, for random characters follow.

    As in the original, the character before the dash is not judged either.
    """
    return f"{text[:-2]}a" if text.endswith("-") and len(text) > 1 else text
