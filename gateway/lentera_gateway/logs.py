"""The gateway's log: a JSON object a line on stderr."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging() -> None:
    """Log JSON lines to stderr: time (UTC), level, event and its fields."""
    # It writes a line for each frame that it cannot read: on a noisy line that is the card's death. We count them.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
