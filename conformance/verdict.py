"""Verdicts are a type, and what a case can say is a small set of exceptions."""

from __future__ import annotations

import enum

import attrs


class Verdict(enum.Enum):
    """What became of a case.

    `NOT_EXERCISED` is never green: the precondition never arose, so nothing was learnt. `KNOWN` is what a baseline
    accepts.
    """

    PASS = "pass"
    FAIL = "fail"
    WARNING = "warning"
    KNOWN = "known"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"
    NOT_EXERCISED = "not exercised"
    SUITE_ERROR = "suite error"

    @property
    def fails(self) -> bool:
        """Whether pytest counts it among its failures."""
        return self in (Verdict.FAIL, Verdict.SUITE_ERROR)


class Violation(Exception):
    """The target broke the requirement.

    Args:
        want: what the requirement demands, as a phrase.
        got: what was seen instead.
        at: when it was seen (seconds on the history's clock), if at one moment.
        about: names of the objects concerned; the failure's timeline shows these.
        level: overrides the requirement's level, for a part of a sentence that is weaker than the rest.
    """

    def __init__(
        self,
        *,
        want: str,
        got: str,
        at: float | None = None,
        about: tuple[str, ...] | str = (),
        level: str | None = None,
    ) -> None:
        super().__init__(f"want {want}; got {got}")
        self.want = want
        self.got = got
        self.at = at
        self.about = (about,) if isinstance(about, str) else tuple(about)
        self.level = level


class NotExercised(Exception):
    """What the case judges never arose; the text says what was missing.

    Args:
        reason: what was missing.
        about: names of the objects concerned; the report's timeline shows these.
    """

    def __init__(self, reason: str, *, about: tuple[str, ...] | str = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.about = (about,) if isinstance(about, str) else tuple(about)


class Unsupported(Exception):
    """The target does not claim what the case needs; the text says what."""


class Skipped(Exception):
    """The user left it out; the text says by which option."""


class SuiteError(Exception):
    """The suite itself could not do its part; never the target's fault. The text says why."""


@attrs.frozen
class Finding:
    """One broken sentence, or one reason why there is no verdict.

    Attributes:
        want: what the requirement demands; empty for a reason.
        got: what was seen, or the reason.
        at: when, in seconds on the history's clock; None if not at one moment.
        about: names of the objects concerned.
    """

    want: str
    got: str
    at: float | None = None
    about: tuple[str, ...] = ()


@attrs.frozen
class Judgement:
    """What a case came to: a verdict and why."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()


def place(error: BaseException) -> str:
    """One line on an unexpected exception, the first of a group: where it was raised, and what it says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}: " if trace else ""
    return f"{where}{type(error).__name__}: {error}"
