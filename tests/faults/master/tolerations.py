"""Faults in how tolerations are weighed against NoExecute taints."""

from __future__ import annotations

import attrs

from refimpl.api.taints import NOT_READY, UNREACHABLE, UNSCHEDULABLE, taints_of, tolerates
from refimpl.controllers.taint_eviction import controller, decisions
from refimpl.controllers.taint_eviction.decisions import Stay, Verdict
from tests.faults.harness import Fault, replaced

_judge = decisions.judge
_no_execute_taints = decisions.no_execute_taints


# How long a pod may stay


def _no_patience(taints, tolerations):
    verdict = _judge(taints, tolerations)
    return Verdict(Stay.NOT_AT_ALL) if verdict.stay is Stay.FOR_A_TIME else verdict


def _endless_patience(taints, tolerations):
    verdict = _judge(taints, tolerations)
    return Verdict(Stay.FOREVER) if verdict.stay is Stay.FOR_A_TIME else verdict


def _late(taints, tolerations):
    verdict = _judge(taints, tolerations)
    return attrs.evolve(verdict, seconds=verdict.seconds + 10) if verdict.seconds else verdict


def _limits(used):
    return [limit for toleration in used if (limit := toleration.get("tolerationSeconds")) is not None]


def _zero_is_endless(used):
    limits = _limits(used)
    return max(min(limits), 0) or None if limits else None


def _negative_is_endless(used):
    limits = _limits(used)
    return min(limits) if limits and min(limits) >= 0 else None


def _longest(used):
    limits = _limits(used)
    return max(limits) if limits else None


def _last(used):
    limits = _limits(used)
    return max(limits[-1], 0) if limits else None


def _first(used):
    limits = _limits(used)
    return max(limits[0], 0) if limits else None


def _sum(used):
    limits = _limits(used)
    return max(sum(limits), 0) if limits else None


def _no_limit_is_a_short_one(used):
    limits = _limits(used)
    return max(min(limits), 0) if limits else 3


def _one_endless_is_enough(used):
    limits = _limits(used)
    return max(min(limits), 0) if limits and len(limits) == len(used) else None


def _one_tolerated_is_enough(taints, tolerations):
    used = [found for taint in taints if (found := decisions.first_tolerating(tolerations, taint)) is not None]
    return used or None


# Which toleration matches which taint


def _by(matches):
    return lambda tolerations, taint: next((one for one in tolerations if matches(one, taint)), None)


def _effect_ignored(toleration, taint):
    return tolerates({**toleration, "effect": ""}, taint)


def _value_ignored(toleration, taint):
    return tolerates({**toleration, "operator": "Exists"}, taint)


def _value_ignored_without_operator(toleration, taint):
    return tolerates({**toleration, "operator": toleration.get("operator") or "Exists"}, taint)


def _value_matters_to_exists(toleration, taint):
    return tolerates({**toleration, "operator": "Equal"}, taint)


def _key_ignored(toleration, taint):
    return tolerates({**toleration, "key": ""}, taint)


def _empty_key_matches_nothing(toleration, taint):
    return bool(toleration.get("key")) and tolerates(toleration, taint)


def _empty_effect_matches_nothing(toleration, taint):
    return bool(toleration.get("effect")) and tolerates(toleration, taint)


def _last_matching(tolerations, taint):
    return next((one for one in reversed(list(tolerations)) if tolerates(one, taint)), None)


def _both_keys_alike(toleration, taint):
    alike = (NOT_READY, UNREACHABLE)
    if taint["key"] in alike and toleration.get("key") in alike:
        return tolerates({**toleration, "key": taint["key"]}, taint)
    return tolerates(toleration, taint)


# Which taints evict


def _all_taints(node):
    return tuple(taints_of(node))


def _prefer_no_schedule_too(node):
    return tuple(taint for taint in taints_of(node) if taint["effect"] != "NoSchedule")


def _cordon_too(node):
    return (*_no_execute_taints(node), *(taint for taint in taints_of(node) if taint["key"] == UNSCHEDULABLE))


def _judging(by):
    return replaced(controller, "judge", by)


def _limited_by(by):
    return replaced(decisions, "shortest", by)


def _matching(by):
    return replaced(decisions, "first_tolerating", _by(by))


FAULTS = (
    Fault("evicts at once whatever is tolerated for a time", ("M-EV-03", "M-EV-15"), _judging(_no_patience), 32),
    Fault("never evicts what is tolerated for a time", ("M-EV-03", "M-EV-15"), _judging(_endless_patience), 33),
    Fault("evicts ten seconds late", ("M-EV-03", "M-EV-15"), _judging(_late)),
    Fault("zero seconds are endless", ("M-EV-03",), _limited_by(_zero_is_endless), 34),
    Fault("negative seconds are endless", ("M-EV-03",), _limited_by(_negative_is_endless), 34),
    Fault("the longest of several tolerations counts", ("M-EV-04",), _limited_by(_longest), 35),
    Fault("the last of several tolerations counts", ("M-EV-04",), _limited_by(_last), 35),
    Fault("the first of several tolerations counts", ("M-EV-04",), _limited_by(_first), 35),
    Fault("the sum of several tolerations counts", ("M-EV-04",), _limited_by(_sum), 35),
    Fault("one endless toleration of several is enough", ("M-EV-04",), _limited_by(_one_endless_is_enough), 35),
    Fault("no limit is a short one", ("M-EV-02",), _limited_by(_no_limit_is_a_short_one)),
    Fault(
        "one tolerated taint is enough",
        ("M-EV-01",),
        replaced(decisions, "used_tolerations", _one_tolerated_is_enough),
        36,
    ),
    Fault("the effect of a toleration is ignored", ("M-EV-05",), _matching(_effect_ignored), 37),
    Fault("the value of a toleration is ignored", ("M-EV-05",), _matching(_value_ignored), 37),
    Fault("no operator means exists", ("M-EV-05",), _matching(_value_ignored_without_operator), 37),
    Fault("exists compares values", ("M-EV-05",), _matching(_value_matters_to_exists)),
    Fault("the key of a toleration is ignored", ("M-EV-05", "M-EV-16"), _matching(_key_ignored)),
    Fault("an empty key matches nothing", ("M-EV-05",), _matching(_empty_key_matches_nothing)),
    Fault("an empty effect matches nothing", ("M-EV-05",), _matching(_empty_effect_matches_nothing)),
    Fault(
        "the last matching toleration is used",
        ("M-EV-05",),
        replaced(decisions, "first_tolerating", _last_matching),
        warns=("M-EV-05",),
    ),
    Fault("not-ready and unreachable are the same", ("M-EV-16",), _matching(_both_keys_alike)),
    Fault("all taints evict", ("M-EV-10",), replaced(controller, "no_execute_taints", _all_taints)),
    Fault(
        "prefer-no-schedule evicts", ("M-EV-10",), replaced(controller, "no_execute_taints", _prefer_no_schedule_too)
    ),
    Fault("cordoning evicts", ("M-EV-10",), replaced(controller, "no_execute_taints", _cordon_too), 24),
)
