"""A history on disk is the history."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.record import files
from conformance.record.files import HistoryFileError
from conformance.record.history import Beat, Exchange, Gap, History, Mark, ObjectEvent
from tests.conformance.tales import EPOCH

times = st.floats(min_value=0, max_value=1e6, allow_nan=False)
texts = st.text(max_size=8)
objects = st.none() | st.dictionaries(texts, texts | st.integers() | st.lists(texts, max_size=2), max_size=3)
histories = st.builds(
    History,
    epoch=st.just(EPOCH),
    until=times,
    events=st.lists(
        st.builds(ObjectEvent, times, texts, texts, texts, texts, texts, texts, objects, objects, st.booleans()),
        max_size=3,
    ).map(tuple),
    marks=st.lists(st.builds(Mark, times, texts, texts, st.dictionaries(texts, texts, max_size=2)), max_size=2).map(
        tuple
    ),
    beats=st.lists(st.builds(Beat, times, times, texts, texts, st.booleans()), max_size=2).map(tuple),
    exchanges=st.lists(
        st.builds(Exchange, times, times, texts, texts, texts, st.integers(0, 599), texts, texts), max_size=2
    ).map(tuple),
    gaps=st.lists(st.builds(Gap, times, times, texts, texts, st.booleans()), max_size=2).map(tuple),
)


@given(histories)
def test_what_is_saved_is_read_back(tmp_path_factory: pytest.TempPathFactory, history: History):
    path = tmp_path_factory.mktemp("history") / "run.jsonl"
    files.save(history, path, {"run": "abc"})
    assert files.load(path) == (history, {"run": "abc"})


@given(histories)
def test_the_same_history_gives_the_same_bytes(history: History):
    assert list(files.lines(history)) == list(files.lines(history))


def test_a_truncated_file_is_refused(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    lines = list(files.lines(History(epoch=EPOCH, until=1, marks=(Mark(0, "s", "m"),))))
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(HistoryFileError, match="truncated"):
        files.load(path)


def test_something_else_is_refused(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    path.write_text("hello\n")
    with pytest.raises(HistoryFileError, match="not a history"):
        files.load(path)
