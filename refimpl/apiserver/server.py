"""The API server: from a request value to a response value or a stream of chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from refimpl.api.errors import ApiError, request_entity_too_large
from refimpl.api.http import Request, Response
from refimpl.api.resources import OLDER, TABLE, Resource
from refimpl.apiserver import authorization, bootstrap, health, kinds, metrics, paths, routes
from refimpl.apiserver.authorization import modes
from refimpl.apiserver.content import negotiation
from refimpl.apiserver.documents import openapi
from refimpl.apiserver.documents.discovery import Discovery
from refimpl.apiserver.documents.openapi import OpenApi
from refimpl.apiserver.identity import accounttokens, authentication, impersonation
from refimpl.apiserver.identity.authentication import Credentials, Subject
from refimpl.apiserver.nodeproxy import kubelets
from refimpl.apiserver.nodeproxy.kubelets import Kubelets
from refimpl.apiserver.objects.registry import Registry
from refimpl.apiserver.paths import Target
from refimpl.apiserver.security import ALLOW_ALL, Security
from refimpl.apiserver.settings import DEFAULTS, Settings
from refimpl.apiserver.strategy import Strategy
from refimpl.apiserver.upkeep import Upkeep
from refimpl.apiserver.verbs import rendering
from refimpl.apiserver.verbs.call import Call
from refimpl.clock import Clock
from refimpl.storage.base import Store

MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request body."""

Page = Callable[[Request], Response | None]
"""Answers requests outside of resources (health, version, discovery); None when the path is not its own."""


class ApiServer:
    """A sans-IO Kubernetes API server.

    Args:
        store: where objects are kept.
        clock: time, randomness, uids.
        security: who is who, and who may do what.
        kubelets: the way to the nodes, for logs and exec.
        pages: what is served besides resources, health, discovery and OpenAPI.
        settings: what the operator chose.
        client_ca: certificates of whoever signs client certificates, in PEM; extensions of the API learn them from a
            ConfigMap.
        strategies: behaviour by row of the resource table.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        security: Security = ALLOW_ALL,
        kubelets: Kubelets = kubelets.unreachable,
        pages: Sequence[Page] = (),
        settings: Settings = DEFAULTS,
        client_ca: str = "",
        strategies: Callable[[Resource], Strategy] = kinds.strategy_for,
    ) -> None:
        self.clock = clock
        self.registry = Registry(store, strategies)
        self.security = _secured(security, self.registry, clock)
        self._kubelets = kubelets
        self._settings = settings
        self._client_ca = client_ca
        self.health = health.Health()
        self.metrics = metrics.Metrics(self.registry)
        older = settings.older_rows()
        self._hidden = frozenset(OLDER) - frozenset(older)
        discovery = Discovery((*TABLE, *older), other_paths=(*health.PATHS, *metrics.PATHS, *openapi.PATHS))
        self._pages = (self.health.page, self.metrics.page, discovery.page, OpenApi().page, *pages)
        self._strategies = strategies

    async def start(self) -> None:
        """Loads the store and makes what every cluster has."""
        known = await self.registry.start()
        await bootstrap.fill(self.registry, self.handle, rights="RBAC" in self.security.modes)
        if self._client_ca:
            await bootstrap.publish_trust(self.handle, self._client_ca)
        if not known:
            self.registry.begin_history()

    async def run(self) -> None:
        """Keeps the store small until cancelled; a server that lives for minutes only can do without."""
        interval = self._settings.etcd_compaction_interval
        await Upkeep(self.registry, self.clock, compaction_interval=interval).run()

    def end_watches(self) -> None:
        """Ends all watches; clients come back to whoever answers then."""
        self.registry.end_watches()

    async def close(self) -> None:
        """Ends all watches and closes the store."""
        await self.registry.close()

    async def receive(self, request: Request, subject: Subject | None = None) -> Response:
        """Answers a request from outside: finds out first who sent it.

        Args:
            request: as received; its `user` is ignored.
            subject: of the client's verified certificate.
        """
        warnings: list[str] = []
        try:
            user = authentication.authenticate(
                self.security.authenticators, Credentials(request.headers, subject, warnings)
            )
            request = Request(request.method, request.path, request.query, request.headers, request.body, user)
        except ApiError as error:
            return rendering.render_error(request, error, warnings)
        return await self.handle(request)

    async def handle(self, request: Request) -> Response:
        """Answers a request whose user is known; never raises for anything a client can send."""
        response = await self._answer(request)
        self.metrics.answers[request.method, response.status] += 1
        return response

    async def _answer(self, request: Request) -> Response:
        warnings: list[str] = []
        try:
            target = self._target(request)
            watch = target is not None and (target.watch or routes.is_watch(target, request))
            if "impersonate-user" in request.headers or "impersonate-group" in request.headers:
                request = impersonation.impersonated(self.security.authorizers, request, target, watch=watch)
            authorization.check(self.security.authorizers, request, target, watch=watch)
            if target is None:
                return self._page(request)
            handler = routes.find(target, request)
            negotiation.check_media_type(request)
            if len(request.body) > MAX_BODY:
                raise request_entity_too_large(f"Request entity too large: limit is {MAX_BODY}")
            return await handler(self._call(request, target, warnings))
        except ApiError as error:
            return rendering.render_error(request, error, warnings)

    def _target(self, request: Request) -> Target | None:
        """What the URL names; that nothing of that name is served is only for those to know who might ask for it."""
        try:
            target = paths.parse(request.path)
            if target is not None and target.resource in self._hidden:
                raise paths.unknown_resource()
        except ApiError:
            authorization.check(self.security.authorizers, request, None, watch=False)
            raise
        return target

    def _call(self, request: Request, target: Target, warnings: list[str]) -> Call:
        strategy = self._strategies(target.resource)
        if strategy.deprecation:
            warnings.append(strategy.deprecation)
        return Call(
            request,
            target,
            strategy,
            self.registry,
            self.clock,
            negotiation.form_of(request),
            self.security,
            self._kubelets,
            self._settings,
            warnings,
        )

    def _page(self, request: Request) -> Response:
        for page in self._pages:
            response = page(request)
            if response is not None:
                return response
        return NOT_FOUND


def _secured(security: Security, registry: Registry, clock: Clock) -> Security:
    """With the authorizers of its modes, unless it has others; its signer's tokens are taken before all others."""
    authorizers = security.authorizers or modes.authorizers(security.modes, registry)
    authenticators = security.authenticators
    if security.signer is not None:
        authenticators = (accounttokens.authenticator(security.signer, registry, clock), *authenticators)
    return attrs.evolve(security, authorizers=authorizers, authenticators=authenticators)


NOT_FOUND = Response(
    404, b"404 page not found\n", (("content-type", "text/plain; charset=utf-8"), rendering.CACHE_CONTROL)
)
