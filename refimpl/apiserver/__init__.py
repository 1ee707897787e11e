"""The API server: request in, response or stream out; the only component that touches storage."""
