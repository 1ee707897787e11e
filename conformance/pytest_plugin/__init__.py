"""The suite as pytest sees it: options, cases, runs of a session, verdicts on the terminal."""
