"""What is wrong with the names a pod has and knows: host name, host aliases, DNS configuration.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import addresses, causes

MAX_NAMESERVERS: Final = 3
MAX_SEARCHES: Final = 32
MAX_SEARCH_CHARACTERS: Final = 2048


def own_name_causes(spec: Object, path: str) -> Iterable[Cause]:
    """Rules for the host name and the subdomain."""
    for key in ("hostname", "subdomain"):
        for why in names.dns1123_label(spec[key]) if spec.get(key) else ():
            yield causes.invalid(f"{path}.{key}", spec[key], why)


def alias_causes(aliases: list[Object], path: str) -> Iterable[Cause]:
    """Rules for additional entries of /etc/hosts."""
    for index, alias in enumerate(aliases):
        yield from addresses.ip_causes(alias.get("ip", ""), f"{path}[{index}].ip", canonical=False)
        for number, name in enumerate(alias.get("hostnames") or []):
            for why in names.dns1123_subdomain(name):
                yield causes.invalid(f"{path}[{index}].hostnames[{number}]", name, why)


def dns_config_causes(config: Object | None, policy: str, path: str) -> Iterable[Cause]:
    """Rules for the resolver's configuration, which the policy `None` needs."""
    if config is None:
        if policy == "None":
            yield causes.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if not servers and policy == "None":
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield causes.required(f"{path}.nameservers", why)
    if len(servers) > MAX_NAMESERVERS:
        yield causes.invalid(f"{path}.nameservers", servers, f"must not have more than {MAX_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from addresses.ip_causes(server, f"{path}.nameservers[{index}]", canonical=False)
    yield from _search_causes(searches, f"{path}.searches")
    for index, option in enumerate(config.get("options") or []):
        if not option.get("name"):
            yield causes.required(f"{path}.options[{index}]", "must not be empty")


def _search_causes(searches: list[str], path: str) -> Iterable[Cause]:
    if len(searches) > MAX_SEARCHES:
        yield causes.invalid(path, searches, f"must not have more than {MAX_SEARCHES} search paths")
    if len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        why = f"must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        yield causes.invalid(path, searches, why)
    for index, search in enumerate(searches):
        # A single dot and names with a leading underscore in a label are allowed since 1.34.
        name = search.removesuffix(".").replace("_", "x")
        for why in names.dns1123_subdomain(name) if search != "." else ():
            yield causes.invalid(f"{path}[{index}]", search.removesuffix("."), why)
