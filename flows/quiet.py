"""No tool calls home and none chats, unless the user's environment says otherwise.

Called by the command line before Prefect is imported. A flow that a user runs from Python follows the user's own
settings.
"""

import os
from collections.abc import MutableMapping

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # a busy machine needs more than the 20 of the default
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # errors reach the user as one line of our own
    "SCARF_NO_ANALYTICS": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def be_quiet(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what is not set already."""
    for name, value in QUIET.items():
        environment.setdefault(name, value)
