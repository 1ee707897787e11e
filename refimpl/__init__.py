"""The reference implementation: a Kubernetes master and node in miniature, written to be read.

The packages mirror Kubernetes' own components. Dependencies point one way: `cluster` and `commands` put components
together; `controllers`, `scheduler`, `kubelet` and `proxy` are clients of the API and of nothing else; only `apiserver`
touches `storage`; everything rests on `api` (the wire) and `clock` (time).
"""
