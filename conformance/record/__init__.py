"""What was seen: watches written down as frozen values."""
