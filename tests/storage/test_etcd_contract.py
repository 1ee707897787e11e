"""etcd keeps the promises of `refimpl.storage.base.Store`, too: the common tests once more, in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from shutil import which

import pytest

from refimpl.storage.base import Store
from refimpl.storage.etcd import EtcdStore
from tests.storage.etcdprocess import etcd
from tests.storage.test_store_contract import (  # noqa: F401 - collected here with the store below
    test_a_listener_hears_of_a_write_before_it_returns,
    test_a_missing_key_cannot_be_deleted,
    test_a_snapshot_and_the_events_after_it_are_everything,
    test_a_write_must_name_the_revision_it_replaces,
    test_an_empty_store_is_at_the_first_revision,
    test_compaction_forgets_the_past_and_keeps_the_present,
    test_every_write_has_the_next_revision,
    test_of_two_writes_with_one_expectation_one_wins,
    test_the_future_cannot_be_compacted,
    test_what_is_unsubscribed_hears_nothing,
    test_writes_in_one_turn_see_each_other,
)

pytestmark = [pytest.mark.live, pytest.mark.skipif(which("etcd") is None, reason="there is no etcd here")]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with etcd(tmp_path) as url:
        opened = EtcdStore([url], prefix="/")
        await opened.start()
        yield opened
        await opened.close()
