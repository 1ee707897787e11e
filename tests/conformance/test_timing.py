"""Windows follow from the target's settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import timing
from conformance.timing import Timing, TimingError, Window

seconds = st.floats(min_value=0.1, max_value=1000)
timings = st.builds(
    Timing,
    node_monitor_period=seconds,
    node_monitor_grace_period=seconds,
    node_startup_grace_period=seconds,
    node_eviction_rate=st.floats(min_value=0.01, max_value=100),
)


def test_a_silent_node_is_unknown_between_its_grace_and_three_passes_later():
    settings = Timing(node_monitor_period=5, node_monitor_grace_period=40, slack=2)
    assert settings.unknown_after_silence() == Window(40, 57)


def test_a_node_that_never_posted_is_unknown_after_the_startup_grace():
    settings = Timing(node_monitor_period=5, node_startup_grace_period=60, slack=2, clock_skew=1)
    assert settings.unknown_never_posted() == Window(59, 67)


def test_the_second_victim_of_a_zone_waits_for_the_rate_limiter():
    settings = Timing(node_monitor_period=5, node_eviction_rate=0.1, slack=2)
    assert settings.no_execute_taint(2).latest == settings.no_execute_taint(1).latest + 10


def test_a_negative_toleration_means_at_once():
    assert Timing().eviction(-1).earliest == 0


@given(timings)
def test_every_window_ends_after_it_begins(settings: Timing):
    windows = [
        settings.unknown_after_silence(),
        settings.unknown_never_posted(),
        settings.no_schedule_taint(),
        settings.no_execute_taint(),
        settings.pods_marked_not_ready(),
        settings.eviction(20),
        settings.orphan_collected(),
        settings.scheduled(),
    ]
    assert all(window.earliest < window.latest for window in windows)


@given(timings)
def test_beats_come_often_enough_never_to_look_like_a_stall(settings: Timing):
    assert settings.beat_interval < settings.stall


@pytest.mark.parametrize(("minor", "grace"), [(5, 40), (20, 40), (31, 40), (32, 50), (36, 50)])
def test_the_grace_period_became_longer_with_1_32(minor: int, grace: float):
    assert timing.defaults(minor).node_monitor_grace_period == grace


@pytest.mark.parametrize("text", ["G=8", "G=8s", "node-monitor-grace-period=8s", "--node-monitor-grace-period=8"])
def test_settings_have_a_letter_and_a_flag_name(text: str):
    assert timing.parse_option(text) == ("node_monitor_grace_period", 8)


@pytest.mark.parametrize(
    ("text", "expected"), [("1m30s", 90), ("100ms", 0.1), ("5m", 300), ("1h", 3600), ("0.25", 0.25)]
)
def test_settings_are_durations_as_kubernetes_writes_them(text: str, expected: float):
    assert timing.parse_option(f"S={text}") == ("node_startup_grace_period", expected)


@pytest.mark.parametrize("text", ["G", "X=3", "G=soon", "G=", "G=5x"])
def test_a_wrong_setting_is_named(text: str):
    with pytest.raises(TimingError, match=text.partition("=")[0]):
        timing.parse_option(text)


def test_a_profile_is_toml_with_flag_names_or_letters(tmp_path: Path):
    path = tmp_path / "fast.toml"
    path.write_text('[timing]\nnode-monitor-period = "1s"\nG = 8\n')
    assert timing.read_profile(path) == {"node_monitor_period": 1, "node_monitor_grace_period": 8}


def test_a_profile_that_is_no_toml_is_refused_in_one_line(tmp_path: Path):
    path = tmp_path / "bad.toml"
    path.write_text("=")
    with pytest.raises(TimingError) as caught:
        timing.read_profile(path)
    assert "\n" not in str(caught.value)
