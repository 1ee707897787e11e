"""Writes refimpl/api/data/k8s-1.36.json.gz: what the API server knows about the fields of every kind it serves.

    python tools/gen_schema.py --wheel kubernetes_validate-1.36.0-py3-none-any.whl --go kubernetes/staging/src/k8s.io

Two sources, both Apache-2.0, by the Kubernetes authors:

* the published OpenAPI definitions, as packed in the wheel `kubernetes-validate`: fields, types, merge keys, kinds,
  descriptions;
* a Kubernetes source tree, for what OpenAPI does not say but every JSON answer shows: whether a Go field is a pointer,
  and whether it is left out when it is empty. A field that tree does not have (it may be older than the definitions)
  is taken to follow the API conventions: required fields are plain, optional ones are pointers left out when absent.

Without `--wheel` the wheel is downloaded with pip into a temporary directory.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from refimpl.api.resources import TABLE  # noqa: E402 - the repository need not be installed

RELEASE = "1.36.0"
WHEEL = f"kubernetes-validate=={RELEASE}"
MEMBER = f"kubernetes_validate/kubernetes-json-schema/v{RELEASE}-local/_definitions.json"
OUTPUT = ROOT / "refimpl/api/data/k8s-1.36.json.gz"

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "x",
    f"{META}Time": "t",
    f"{META}MicroTime": "T",
    f"{META}FieldsV1": "*",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "*",
}
EXTRA_KINDS = {
    ("", "v1", "Status"),
    ("", "v1", "DeleteOptions"),
    ("", "v1", "APIResourceList"),
    ("autoscaling", "v1", "Scale"),
    ("policy", "v1", "Eviction"),
    ("authentication.k8s.io", "v1", "TokenRequest"),
}
# Left out when zero since 1.33, by a tag (`omitzero`) that older source trees do not have.
OMITZERO = {("ObjectMeta", "creationTimestamp")}

# Optional fields newer than that tree that are plain values nevertheless, left out when empty ...
PLAIN = {
    ("Container", "restartPolicyRules"),
    ("IngressLoadBalancerIngress", "hostname"),
    ("IngressLoadBalancerIngress", "ip"),
    ("JobStatus", "completedIndexes"),
    ("ManagedFieldsEntry", "subresource"),
    ("NodeRuntimeHandler", "name"),
    ("PodCertificateProjection", "certificateChainPath"),
    ("PodCertificateProjection", "credentialBundlePath"),
    ("PodCertificateProjection", "keyPath"),
    ("PodCondition", "observedGeneration"),
    ("PodStatus", "observedGeneration"),
    ("PodStatus", "resize"),
    ("ResourceHealth", "health"),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted"),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled"),
    ("StatefulSetSpec", "minReadySeconds"),
    ("VolumeMountStatus", "readOnly"),
}
# ... and those that are never left out.
ALWAYS = {("StatefulSetStatus", "availableReplicas"), ("StatefulSetOrdinals", "start")}
# Left out when empty, though older versions of the type showed them.
OMITTED = {
    ("HorizontalPodAutoscalerStatus", "conditions"),
    ("HorizontalPodAutoscalerStatus", "currentReplicas"),
}
TOP_LEVEL = {"metadata", "spec", "status"}

Definitions = dict[str, dict[str, Any]]
GoField = tuple[str, bool]
"""Go type as written, and whether an empty value is left out."""


def main() -> None:
    """Reads the arguments and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the wheel, if it is there already")
    parser.add_argument("--go", type=Path, required=True, help="staging/src/k8s.io of a Kubernetes source tree")
    arguments = parser.parse_args()
    definitions = read_definitions(arguments.wheel)
    go = GoTypes(arguments.go)
    wanted = reachable(definitions, roots(definitions))
    types = {name: compact(name, definitions[name], go) for name in sorted(wanted)}
    document = {"release": RELEASE, "types": types}
    OUTPUT.parent.mkdir(exist_ok=True)
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    with OUTPUT.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as out:
        out.write(text)
    print(f"{OUTPUT.name}: {len(types)} types, {len(text)} bytes, {OUTPUT.stat().st_size} compressed")
    print(f"fields without a counterpart in the source tree: {go.missing} of {go.missing + go.found}")


def read_definitions(wheel: Path | None) -> Definitions:
    """The definitions by full name."""
    with tempfile.TemporaryDirectory() as scratch:
        if wheel is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, WHEEL]
            subprocess.run(command, check=True)
            wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            definitions: Definitions = json.loads(archive.read(MEMBER))["$defs"]
            return definitions


def roots(definitions: Definitions) -> list[str]:
    """Names of the definitions of all kinds in the table, their lists, and what is posted or answered beside them."""
    rows = {(row.group, row.version, kind) for row in TABLE for kind in (row.kind, row.list_kind)}
    kinds = rows | EXTRA_KINDS
    return [name for name, definition in definitions.items() if kinds & set(kinds_of(definition))]


def kinds_of(definition: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Group, version and kind of the objects a definition describes."""
    return [
        (gvk["group"], gvk["version"], gvk["kind"]) for gvk in definition.get("x-kubernetes-group-version-kind", ())
    ]


def reachable(definitions: Definitions, names: list[str]) -> set[str]:
    """The named definitions and all they refer to."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in found or name in SCALARS:
            continue
        found.add(name)
        pending += references(definitions[name].get("properties", {}))
    return found


def references(node: Any) -> Iterator[str]:
    """Names of the definitions a schema refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield reference(node)
        for value in node.values():
            yield from references(value)


def reference(node: Mapping[str, Any]) -> str:
    """The name a `$ref` points to."""
    return str(node["$ref"]).rpartition("/")[2]


def compact(name: str, definition: Mapping[str, Any], go: GoTypes) -> dict[str, Any]:
    """One type in the form of the data file (described in refimpl/api/data/README.md)."""
    result: dict[str, Any] = {"d": definition.get("description", "")}
    if kinds := kinds_of(definition):
        result["g"] = kinds
    if "x-kubernetes-map-type" in definition:
        result["m"] = definition["x-kubernetes-map-type"]
    required = set(definition.get("required", ()))
    result["f"] = {
        field: compact_field(name, field, schema, required=field in required, go=go)
        for field, schema in definition.get("properties", {}).items()
    }
    return result


def compact_field(owner: str, field: str, schema: Mapping[str, Any], *, required: bool, go: GoTypes) -> list[Any]:
    """Type code, flags, description and, where there are any, merge rules and the Go name of the type."""
    code = type_code(schema)
    extras = {
        letter: schema[key]
        for letter, key in (
            ("k", "x-kubernetes-patch-merge-key"),
            ("p", "x-kubernetes-patch-strategy"),
            ("l", "x-kubernetes-list-type"),
            ("L", "x-kubernetes-list-map-keys"),
            ("m", "x-kubernetes-map-type"),
        )
        if key in schema
    }
    flags = "r" if required else ""
    found = go.field(owner, field)
    place = owner.rpartition(".")[2], field
    if found is None:
        flags += "" if required or place in ALWAYS else unknown_flags(code, place)
    else:
        written, omitempty = found
        flags += ("o" if omitempty or place in OMITTED else "") + ("p" if written.startswith("*") else "")
        if named := go.scalar_name(owner, written):
            extras["n"] = named
    if place in OMITZERO:
        flags += "z"
    return [code, flags, schema.get("description", ""), *([extras] if extras else [])]


def unknown_flags(code: str, place: tuple[str, str]) -> str:
    """Flags of an optional field that the source tree does not have."""
    plain = code[0] in "[{" or place in PLAIN or (place[1] in TOP_LEVEL and code[0] == "#")
    return "o" if plain else "op"


def type_code(schema: Mapping[str, Any]) -> str:
    """The type of a field in short."""
    if "$ref" in schema:
        name = reference(schema)
        return SCALARS.get(name, f"#{name}")
    kinds = schema.get("type", "object")
    kind = next(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
    match kind, schema.get("format"):
        case "array", _:
            return "[" + type_code(schema["items"])
        case "object", _:
            return "{" + type_code(schema["additionalProperties"]) if "additionalProperties" in schema else "*"
        case "string", "byte":
            return "y"
        case "integer", "int64":
            return "l"
        case _:
            return {"string": "s", "integer": "i", "number": "f", "boolean": "b"}[kind]


class GoTypes:
    """Struct fields of a Kubernetes source tree.

    Args:
        root: its `staging/src/k8s.io` directory.
    """

    def __init__(self, root: Path) -> None:
        self.found = self.missing = 0
        self._structs: dict[tuple[str, str], dict[str, GoField]] = {}
        self._aliases: dict[str, set[str]] = {}
        for source in [*sorted(root.glob("api/*/v*/types.go")), root / "apimachinery/pkg/apis/meta/v1/types.go"]:
            group = source.parent.parent.name
            self._read(group, source.read_text())

    def _read(self, group: str, text: str) -> None:
        self._aliases.setdefault(group, set()).update(re.findall(r"^type (\w+) string$", text, re.MULTILINE))
        for name, body in re.findall(r"^type (\w+) struct {\n(.*?)^}", text, re.MULTILINE | re.DOTALL):
            fields = self._structs.setdefault((group, name), {})
            for line in body.splitlines():
                self._read_field(fields, line)

    def _read_field(self, fields: dict[str, GoField], line: str) -> None:
        tagged = re.match(r'\s*(?:(\w+)\s+)?(\S+)\s+`json:"([^"]*)"', line)
        if tagged is None:
            return
        field, written, tag = tagged.groups()
        name, _, options = tag.partition(",")
        if "inline" in options and not name:
            fields[f"<{written.rpartition('.')[2]}>"] = (written, False)
        elif name and (field or written[0].isalpha()):
            # Sorted by path, newer versions of a group come after older ones only by chance: the first one stays.
            fields.setdefault(name, (written, "omitempty" in options))

    def field(self, owner: str, field: str) -> GoField | None:
        """How a field is declared, or None when the tree does not have it."""
        found = self._find(*self._place(owner), field)
        if found is None:
            self.missing += 1
        else:
            self.found += 1
        return found

    def _find(self, group: str, struct: str, field: str) -> GoField | None:
        fields = self._structs.get((group, struct), {})
        if field in fields:
            return fields[field]
        for key in fields:
            if key.startswith("<"):
                found = self._find(group, key.strip("<>"), field) or self._find("meta", key.strip("<>"), field)
                if found is not None:
                    return found
        return None

    def scalar_name(self, owner: str, written: str) -> str | None:
        """`v1.PodPhase` for a field whose Go type is a named string; None for plain types."""
        bare = re.sub(r"^(\*|\[\]|map\[\w+\])+", "", written)
        group, _ = self._place(owner)
        version = owner.rpartition(".")[0].rpartition(".")[2]
        package, _, name = bare.rpartition(".")
        if name in self._aliases.get("meta" if package == "metav1" else "core" if package == "v1" else group, ()):
            return f"{'v1' if package else version}.{name}"
        return "types.UID" if bare == "types.UID" else None

    @staticmethod
    def _place(owner: str) -> tuple[str, str]:
        parts = owner.split(".")
        return parts[-3], parts[-1]


if __name__ == "__main__":
    main()
