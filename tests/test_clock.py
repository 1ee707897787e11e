"""The clock: virtual time jumps, stamps and uids repeat for a seed."""

from datetime import UTC, datetime, timedelta, timezone

from refimpl.clock import VIRTUAL_EPOCH, Clock, format_micro_time, format_time, parse_time


async def test_virtual_sleep_moves_the_wall_clock_by_as_much(clock: Clock):
    before = clock.now()
    await clock.sleep(300)
    assert (clock.now() - before).total_seconds() == 300


async def test_virtual_time_starts_at_the_epoch(clock: Clock):
    assert clock.now() == VIRTUAL_EPOCH


def test_uids_repeat_for_a_seed():
    assert Clock.virtual(7).uid() == Clock.virtual(7).uid() != Clock.virtual(8).uid()


def test_times_are_written_in_utc_with_whole_seconds_or_six_digits():
    moment = datetime(2018, 7, 2, 10, 11, 27, 5, tzinfo=timezone(timedelta(hours=8)))
    assert format_time(moment) == "2018-07-02T02:11:27Z"
    assert format_micro_time(moment) == "2018-07-02T02:11:27.000005Z"
    assert parse_time(format_micro_time(moment)) == moment.astimezone(UTC)
