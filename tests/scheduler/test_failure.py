"""What is written about a pod that could not be scheduled."""

from __future__ import annotations

from refimpl.scheduler.failure import UNSCHEDULABLE, status_patch, unscheduled_condition
from tests.scheduler.objects import pod

NOW = "2018-07-02T02:11:27Z"
CONDITION = unscheduled_condition(UNSCHEDULABLE, "0/1 nodes are available: 1 Insufficient cpu.")


def with_condition(**condition):
    made = pod(uid="u")
    made["status"]["conditions"] = [{"type": "PodScheduled", **condition}]
    return made


def test_the_condition_says_false_and_why():
    assert status_patch(pod(uid="u"), NOW, condition=CONDITION) == {
        "metadata": {"uid": "u"},
        "status": {
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes are available: 1 Insufficient cpu.",
                    "lastTransitionTime": NOW,
                }
            ]
        },
    }


def test_the_same_again_is_not_written():
    same = with_condition(**CONDITION, lastTransitionTime="2018-07-02T00:00:00Z")
    assert status_patch(same, NOW, condition=CONDITION) == {}


def test_another_message_keeps_the_time_of_the_transition():
    before = with_condition(
        status="False", reason="Unschedulable", message="other", lastTransitionTime="2018-07-02T00:00:00Z"
    )
    patch = status_patch(before, NOW, condition=CONDITION)
    assert patch["status"]["conditions"][0]["lastTransitionTime"] == "2018-07-02T00:00:00Z"


def test_the_generation_judged_is_named():
    made = pod()
    made["metadata"]["generation"] = 3
    assert status_patch(made, NOW, condition=CONDITION)["status"]["conditions"][0]["observedGeneration"] == 3


def test_a_nomination_is_set_kept_and_ended():
    made = pod()
    assert status_patch(made, NOW, nomination="n1")["status"] == {"nominatedNodeName": "n1"}
    made["status"]["nominatedNodeName"] = "n1"
    assert status_patch(made, NOW, nomination="n1") == {}
    assert status_patch(made, NOW, nomination=None) == {}
    assert status_patch(made, NOW, nomination="")["status"] == {"nominatedNodeName": None}
