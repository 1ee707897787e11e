"""Clients of the API: what controllers, scheduler, kubelet and proxy are built on."""
