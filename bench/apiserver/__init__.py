"""The API server measured, alone or in turn with another one: `python -m bench.apiserver`."""
