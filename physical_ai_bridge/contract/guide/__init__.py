"""What people are told about each reason code and each diagnostics key, in two languages."""

from physical_ai_bridge.contract.guide.advice import Advice, Effect, Group, Text
from physical_ai_bridge.contract.guide.execution import EXECUTION
from physical_ai_bridge.contract.guide.inputs import INPUTS, POLICY
from physical_ai_bridge.contract.guide.motions import MOTIONS
from physical_ai_bridge.contract.guide.proposals import PROPOSALS
from physical_ai_bridge.contract.guide.stops import STOPS

GROUPS = (INPUTS, POLICY, PROPOSALS, MOTIONS, STOPS, EXECUTION)

__all__ = ['GROUPS', 'Advice', 'Effect', 'Group', 'Text']
