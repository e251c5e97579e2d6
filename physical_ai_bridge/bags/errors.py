"""What goes wrong with recordings, as one sentence for a person."""

from __future__ import annotations

from physical_ai_bridge.contract.errors import BridgeError


class RecordingError(BridgeError):
    """A recording cannot be written, or cannot be read."""
