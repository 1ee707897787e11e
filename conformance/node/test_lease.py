"""An agent keeps its Lease fresh."""

from __future__ import annotations

from itertools import pairwise

from conformance.drive.scenarios.agent_start import agent_start
from conformance.judge.agent import AgentSeen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("N-LSE-04", reads=agent_start)
def test_the_lease_is_renewed_at_a_quarter_of_its_duration(seen: AgentSeen) -> None:
    renewals = [x.sent for x in seen.requests("PUT|PATCH", seen.lease_path()) if x.status == 200]
    window = seen.timing.renewal()
    if len(renewals) < 3:
        if not seen.lease.events:
            raise NotExercised("the agent never made a Lease", about=seen.node_name)
        raise Violation(want=f"a renewal every {window}", got=f"{len(renewals)} renewals", about=seen.node_name)
    for before, after in pairwise(renewals):
        if after - before not in window:
            raise Violation(
                want=f"a renewal {window} after the one before",
                got=f"{after - before:.2f} s",
                at=after,
                about=seen.node_name,
            )
