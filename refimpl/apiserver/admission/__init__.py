"""Admission: what the API server itself adds to, or refuses in, a write before validation.

`admit` runs the chain in the order of kube-apiserver 1.36.
"""

from __future__ import annotations

from refimpl.apiserver.admission.chain import admit

__all__ = ["admit"]
