"""What a user says of a run: its terms, the target file, the baseline."""
