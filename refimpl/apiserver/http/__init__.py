"""Requests and answers as bytes: one HTTP/1.1 connection, and the server around it."""
