"""The clock: virtual time jumps, stamps and uids repeat for a seed."""

from refimpl.clock import VIRTUAL_EPOCH, Clock


async def test_virtual_sleep_moves_the_wall_clock_by_as_much(clock: Clock):
    before = clock.now()
    await clock.sleep(300)
    assert (clock.now() - before).total_seconds() == 300


async def test_virtual_time_starts_at_the_epoch(clock: Clock):
    assert clock.now() == VIRTUAL_EPOCH


def test_uids_repeat_for_a_seed():
    assert Clock.virtual(7).uid() == Clock.virtual(7).uid() != Clock.virtual(8).uid()
