"""What a policy raises when an inference gives nothing that may be acted on."""

from __future__ import annotations

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Reason, Refusal


class InferenceError(BridgeError):
    """
    One inference gave no usable chunk; ``refusal`` says why.

    The reason is INFERENCE_FAILED, ACTION_MALFORMED or DEADLINE_MISSED. The policy itself stays
    usable: the runtime counts the refusal and goes on with the next observation.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.refusal = Refusal(reason, detail)
        super().__init__(detail)
