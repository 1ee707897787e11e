"""The controllers of the controller manager: each keeps one promise of the master, and each is a client of the API."""
