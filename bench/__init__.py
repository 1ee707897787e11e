"""Commands that measure: docs/bench.md."""
