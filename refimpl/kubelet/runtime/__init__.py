"""Where containers live: one protocol (`base`), several runtimes behind it."""
