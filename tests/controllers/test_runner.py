"""What all controllers share: caches first, loud failures, one leader."""

import asyncio

import pytest

from refimpl.api.resources import CONFIGMAPS, EVENTS, NODES
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.leaderelection import Election, LeaderElector, LeadershipLost
from refimpl.client.transport import DirectTransport, Unreachable
from refimpl.controllers.runner import ControllerContext, ControllerManager, InformerFactory
from refimpl.storage.memory import MemoryStore


class Counting:
    """Knows how many nodes were cached when it began."""

    name = "counting"

    def __init__(self, context: ControllerContext) -> None:
        self.context = context
        self.nodes = context.informers.informer(NODES)
        self.recorder = context.recorder("counter")
        self.seen_at_start = -1

    async def run(self) -> None:
        self.seen_at_start = len(list(self.nodes.list()))
        self.recorder.event({"kind": "Node", "apiVersion": "v1", "name": "n"}, "Normal", "Counted", "so many")
        await asyncio.get_running_loop().create_future()


@pytest.fixture
async def server(clock):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def client(server):
    return Client(DirectTransport(server.handle))


async def test_controllers_begin_when_the_caches_are_full(client, clock):
    for name in "ab":
        await client.create(NODES, {"metadata": {"name": name}})
    built: list[Counting] = []

    def build(context):
        built.append(Counting(context))
        return built[-1]

    manager = ControllerManager(client, clock, [build, build])
    task = asyncio.create_task(manager.run())
    await manager.leading.wait()
    await clock.sleep(1)
    task.cancel()
    assert [controller.seen_at_start for controller in built] == [2, 2]
    assert built[0].nodes is built[1].nodes
    (event,) = (await client.list(EVENTS))["items"]
    assert (event["source"]["component"], event["reason"], event["count"]) == ("counter", "Counted", 2)


async def test_a_failing_controller_ends_the_manager_and_says_so(client, clock, caplog):
    class Failing(Counting):
        name = "failing"

        async def run(self) -> None:
            await clock.sleep(5)
            raise ZeroDivisionError("bug")

    manager = ControllerManager(client, clock, [Counting, Failing])
    with pytest.raises(ExceptionGroup) as failure:
        await manager.run()
    assert failure.group_contains(ZeroDivisionError)
    assert "failing failed; the process must end" in caplog.text


async def test_a_controller_that_ends_is_a_failure_too(client, clock, caplog):
    class Ending(Counting):
        name = "ending"

        async def run(self) -> None:
            await clock.sleep(5)

    with pytest.raises(ExceptionGroup) as failure:
        await ControllerManager(client, clock, [Ending]).run()
    assert failure.group_contains(RuntimeError, match="ending ended by itself")
    assert "ending ended by itself" in caplog.text


async def test_a_failing_handler_ends_the_manager(client, clock, caplog):
    def build(context):
        controller = Counting(context)
        controller.nodes.add_handler(lambda old, new: {}["bug"])
        return controller

    manager = ControllerManager(client, clock, [build])
    task = asyncio.create_task(manager.run())
    await manager.leading.wait()
    await client.create(NODES, {"metadata": {"name": "n"}})
    with pytest.raises(ExceptionGroup) as failure:
        await task
    assert failure.group_contains(KeyError)
    assert "informers failed" in caplog.text


async def test_every_term_starts_with_fresh_memory(server, client, clock):
    built: list[Counting] = []

    class Cut:
        cut_off = False

        async def handle(self, request):
            if self.cut_off:
                raise Unreachable("cut off")
            return await server.handle(request)

    def build(context):
        built.append(Counting(context))
        return built[-1]

    def manager(link: Cut, identity: str) -> ControllerManager:
        through = Client(DirectTransport(link.handle))
        return ControllerManager(
            through, clock, [build], elector=LeaderElector(through, clock, Election("kcm", identity))
        )

    links = [Cut(), Cut()]
    first, second = (manager(link, identity) for link, identity in zip(links, "ab", strict=True))
    tasks = [asyncio.create_task(first.run()), asyncio.create_task(second.run())]
    await first.leading.wait()
    await clock.sleep(20)
    assert len(built) == 1
    await client.create(NODES, {"metadata": {"name": "n"}})
    links[0].cut_off = True
    with pytest.raises(LeadershipLost):
        await tasks[0]
    await second.leading.wait()
    await clock.sleep(1)
    assert [controller.seen_at_start for controller in built] == [0, 1]
    tasks[1].cancel()


async def test_an_informer_asked_for_too_late_is_refused(client, clock):
    factory = InformerFactory(client, clock)
    factory.informer(NODES)
    task = asyncio.create_task(factory.run())
    await factory.wait_synced()
    assert factory.informer(NODES).synced.is_set()
    with pytest.raises(RuntimeError, match="informer for configmaps requested after the start"):
        factory.informer(CONFIGMAPS)
    task.cancel()
