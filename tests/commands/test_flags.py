"""Every field of a configuration class is a flag of the same name."""

import argparse
from collections.abc import Mapping

import attrs
import pytest

from refimpl.commands.flags import add_flags, field_texts, from_flags


@attrs.frozen
class Config:
    """A thing to configure.

    Attributes:
        node_monitor_grace_period: seconds a node may be silent;
            afterwards it is Unknown.
        node_labels: labels of the node.
        register_node: whether to register.
        name: what it is called.
    """

    node_monitor_grace_period: float = 50.0
    node_labels: Mapping[str, str] = attrs.field(factory=dict)
    register_node: bool = True
    name: str | None = None


def parse(*words: str) -> Config:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_flags(parser, Config)
    return from_flags(Config, parser.parse_args(words))


def test_flags_not_given_keep_the_defaults():
    assert parse() == Config()


@pytest.mark.parametrize(("text", "seconds"), [("8s", 8.0), ("1m30s", 90.0), ("8", 8.0), ("300ms", 0.3)])
def test_seconds_may_be_go_durations(text, seconds):
    assert parse("--node-monitor-grace-period", text).node_monitor_grace_period == seconds


def test_maps_are_comma_separated_pairs():
    assert parse("--node-labels=a=1,b=2").node_labels == {"a": "1", "b": "2"}


def test_booleans_may_stand_alone_or_have_a_value():
    assert parse("--register-node").register_node is True
    assert parse("--register-node=false").register_node is False


@pytest.mark.parametrize(
    "words", [["--node-monitor-grace-period=soon"], ["--register-node=maybe"], ["--node-labels=x"]]
)
def test_unreadable_values_are_named(words):
    with pytest.raises(argparse.ArgumentError, match=words[0].partition("=")[2]):
        parse(*words)


def test_help_texts_come_from_the_docstring():
    texts = field_texts(Config)
    assert texts["node_monitor_grace_period"] == "seconds a node may be silent; afterwards it is Unknown."
    assert texts["name"] == "what it is called."
