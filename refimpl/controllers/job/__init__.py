"""Job: pods that are to succeed a number of times."""

from refimpl.controllers.job.controller import JobController

__all__ = ["JobController"]
