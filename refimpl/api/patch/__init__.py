"""The patch formats of the API, as functions from (patch, object) to a new object; nothing is changed in place.

    operations   application/json-patch+json              RFC 6902
    merge        application/merge-patch+json             RFC 7386
    strategic    application/strategic-merge-patch+json   driven by the merge keys of the schema

Each module has `read(body)`, which refuses a malformed document, and `apply`. Failures are `ApiError`s with the texts
of kube-apiserver 1.36.
"""
