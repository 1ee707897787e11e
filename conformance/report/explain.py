"""What stands under a case that is not green, gathered from what it read: see `Explanation`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from conformance.catalogue import Catalogue
from conformance.judge.agent import AgentSeen
from conformance.judge.seen import Seen
from conformance.record.history import Exchange
from conformance.report.explanation import Evidence, Explanation, Sentence
from conformance.report.timeline import rows
from conformance.scenario import Case
from conformance.timing import LETTERS
from conformance.verdict import Finding, Judgement, Verdict

AnySeen = Seen | AgentSeen

_REQUESTS = 5
_BODY = 300
_LOG = 20
_NAMES = 6


def explain(
    judgement: Judgement,
    case: Case,
    book: Catalogue,
    *,
    seen: AnySeen | None,
    curl: str,
    address: str,
    repeat: str,
    said: str = "",
) -> Explanation:
    """The whole explanation of a judgement.

    Args:
        judgement: what the case came to.
        case: the case.
        book: the catalogue.
        seen: what it read; None when the scenario gave nothing.
        curl: options that make curl reach the target.
        address: the target's address.
        repeat: the command line that repeats only this case.
        said: the end of a node agent's log.
    """
    evidence = Evidence()
    log: tuple[str, ...] = ()
    if judgement.verdict is not Verdict.UNSUPPORTED:
        evidence = Evidence() if seen is None else _evidence(seen, judgement.findings, curl, address)
        log = tuple(said.splitlines()[-_LOG:])
    return Explanation(
        sentences=tuple(
            Sentence(each.id, each.level, each.text, each.source) for each in (book[name] for name in case.ids)
        ),
        verdict=judgement.verdict,
        findings=judgement.findings,
        evidence=evidence,
        log=log,
        repeat=repeat,
    )


def headline(judgement: Judgement) -> str:
    """One line for summaries."""
    finding = judgement.findings[0] if judgement.findings else Finding("", "")
    detail = f"want {finding.want}; got {finding.got}" if finding.want else finding.got
    more = f" (and {len(judgement.findings) - 1} more)" if len(judgement.findings) > 1 else ""
    return f"{detail}{more}"


def repeat_line(nodeid: str, options: Iterable[str], seed: int, timing: Mapping[str, float]) -> str:
    """The pytest line that repeats one case."""
    letters = {field: letter for letter, field in LETTERS.items()}
    words = ["pytest", nodeid, *options, "--seed", str(seed)]
    for field, value in timing.items():
        words += ["--timing", f"{letters.get(field, field.replace('_', '-'))}={value:g}"]
    return shlex.join(words)


def zero_of(seen: AnySeen) -> float:
    """The moment a timeline counts from: the first silence, or else the scenario's first mark."""
    marks = seen.history.marks
    silent = [mark.at for mark in marks if mark.name.endswith(" silent")]
    return silent[0] if silent else marks[0].at if marks else 0.0


def as_curl(exchange: Exchange, options: str, address: str) -> str:
    """A request as a curl command; secrets are shell variables."""
    words = ["curl", "-X", exchange.method]
    for name, value in exchange.headers.items():
        if name != "Content-Type":
            words += ["-H", f"{name}: {value}"]
    if exchange.request:
        words += ["-H", f"Content-Type: {exchange.headers.get('Content-Type', 'application/json')}"]
        words += ["--data", shortened(exchange.request)]
    return f"{shlex.join(words)} {options} {shlex.quote(address.rstrip('/') + exchange.path)}".replace("  ", " ")


def shortened(text: str) -> str:
    """A body short enough to read; the history file has more of it."""
    return text if len(text) <= _BODY else f"{text[:_BODY]}… ({len(text)} characters)"


def _evidence(seen: AnySeen, findings: tuple[Finding, ...], curl: str, address: str) -> Evidence:
    about = tuple(dict.fromkeys(name for finding in findings for name in finding.about))
    moments = [finding.at for finding in findings if finding.at is not None]
    at = moments[0] if moments else None
    zero = zero_of(seen)
    requests = [x for x in seen.history.exchanges if _telling(x, about) and (at is None or x.sent <= at)]
    latest = {(x.method, x.path): x for x in requests}
    return Evidence(
        title=_title(seen, about, zero),
        timeline=rows(seen.history, about, at, zero, seen.naming.prefix),
        requests=tuple(
            f"{exchange.sent - zero:+9.2f} s  {exchange.status or 'no answer'}  {as_curl(exchange, curl, address)}"
            for exchange in sorted(latest.values(), key=lambda x: x.sent)[-_REQUESTS:]
        ),
    )


def _title(seen: AnySeen, about: tuple[str, ...], zero: float) -> str:
    """Whose timeline it is, in short names, and when it begins to count."""
    prefix = seen.naming.prefix
    names = [name.replace(prefix, "") for name in about]
    whose = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
    short = f"; names without {prefix}" if any(name.startswith(prefix) for name in about) or not about else ""
    return f"timeline of {whose or 'the scenario'} (+0 s is {seen.history.wall(zero):%H:%M:%S} UTC{short})"


def _telling(exchange: Exchange, about: tuple[str, ...]) -> bool:
    text = exchange.path + exchange.request
    return exchange.method != "GET" and (not about or any(name in text for name in about))
