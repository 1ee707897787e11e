"""Events: two groups, one kept object."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.resources import EVENTS, EVENTS_V1
from refimpl.apiserver.kinds import events, strategy_for
from tests.apiserver_kinds.support import accepted, changed, refused, update

NEW: Object = {
    "eventTime": "2017-07-18T09:00:00.000000Z",
    "reportingController": "kubelet",
    "reportingInstance": "n1",
    "action": "Starting",
    "reason": "Started",
    "type": "Normal",
    "regarding": {"kind": "Pod", "name": "p1", "namespace": "default"},
    "note": "hello",
}


def test_a_core_event_shows_what_it_lacks() -> None:
    made = accepted(EVENTS, {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}})
    assert made["source"] == {}
    assert made["firstTimestamp"] is made["lastTimestamp"] is made["eventTime"] is None
    assert made["reportingComponent"] == made["reportingInstance"] == ""


@pytest.mark.parametrize(
    ("namespace", "about", "fine"),
    [
        ("default", "", True),
        ("default", "default", True),
        ("ns", "ns", True),
        ("ns", "", False),
        ("ns", "default", False),
    ],
)
def test_an_event_lives_with_its_object_or_in_default(namespace: str, about: str, fine: bool) -> None:
    body = {"metadata": {"name": "e", "namespace": namespace}, "involvedObject": {"namespace": about}}
    wrong = f'involvedObject.namespace: Invalid value: "{about}": does not match event.namespace'
    causes = list(events.event_causes(body))
    assert [f"{cause.field}: {cause.message}" for cause in causes] == ([] if fine else [wrong])


def test_the_new_group_demands_what_the_old_one_allows() -> None:
    assert not refused(EVENTS_V1, NEW)
    assert refused(EVENTS_V1, {**NEW, "eventTime": None}) == ["eventTime: Required value"]
    assert [text.split(":")[0] for text in refused(EVENTS_V1, {"eventTime": NEW["eventTime"], "note": "x"})] == [
        *3 * ["reportingController"],
        "reportingInstance",
        "action",
        "reason",
        "type",
    ]
    assert refused(EVENTS_V1, {**NEW, "deprecatedCount": 1}) == ['count: Invalid value: "": needs to be unset']


def test_the_same_event_has_two_faces() -> None:
    strategy = strategy_for(EVENTS_V1)
    made = accepted(EVENTS_V1, NEW)
    kept = strategy.to_stored(made)
    assert (kept["message"], kept["involvedObject"], kept["reportingComponent"]) == (
        "hello",
        NEW["regarding"],
        "kubelet",
    )
    assert strategy.from_stored(kept)["note"] == "hello"
    assert strategy.stored_as is EVENTS


@given(st.fixed_dictionaries({}, optional={key: st.just(value) for key, value in NEW.items()}))
def test_a_view_of_a_kept_event_is_kept_as_it_was(body: Object) -> None:
    made = {"metadata": {"name": "e"}, **body}
    strategy_for(EVENTS_V1).default(made)
    kept = events.to_core(made)
    assert events.to_core(events.from_core(kept)) == kept


def test_an_event_of_the_new_group_changes_only_its_series() -> None:
    old = accepted(EVENTS_V1, NEW)
    series = {"count": 2, "lastObservedTime": "2017-07-18T09:01:00.000000Z"}
    assert not update(EVENTS_V1, old, changed({**old, "series": {}}, series=series))[1]
    assert update(EVENTS_V1, old, {**old, "note": "changed"})[1] == [
        'message: Invalid value: "changed": field is immutable'
    ]
    assert update(EVENTS_V1, old, {**old, "series": {"count": 1}})[1] == [
        'series.count: Invalid value: "": should be at least 2',
        "series.lastObservedTime: Required value",
    ]


def test_a_core_event_may_change_its_message() -> None:
    old = accepted(EVENTS, {"involvedObject": {"namespace": "default"}, "message": "a"})
    assert not update(EVENTS, old, {**old, "message": "b", "count": 2})[1]


async def test_both_groups_print_the_same_row(clock) -> None:
    core = accepted(EVENTS, {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "count": 4})
    core |= {
        "message": " hi\n",
        "source": {"component": "kubelet", "host": "n1"},
        "lastTimestamp": "2018-07-02T02:11:00Z",
    }
    one, two = (
        [column.cell(obj, clock) for column in strategy_for(row).columns or ()]
        for row, obj in ((EVENTS, core), (EVENTS_V1, events.from_core(core)))
    )
    assert one == two == ["27s", "", "", "pod/p", "", "kubelet, n1", "hi", "<unknown>", 4, "x"]


async def test_a_series_counts_its_first_event_too(clock) -> None:
    series = {"count": 2, "lastObservedTime": "2018-07-02T02:11:25.000000Z"}
    event = accepted(EVENTS, {"involvedObject": {"namespace": "default"}, "series": series})
    assert (events.count(event, clock), events.last_seen(event, clock)) == (3, "2s")
