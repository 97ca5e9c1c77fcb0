"""firmware_sim: an independent 3D printer to test a host against.

It shares no code with the gateway. A `Board` is one printer without I/O and clock; `World` runs boards on
virtual time without asyncio; `VirtualLoop` is an asyncio loop on virtual time; the command `firmware-sim`
serves a board on a real pseudo-terminal. The `Ledger` holds what the machine really did.
"""

from firmware_sim.faults.plan import FaultPlan, Planned, Trigger
from firmware_sim.faults.random_plan import RandomPlan
from firmware_sim.ledger import Entry, Ledger, read_ledger
from firmware_sim.machine.board import Board
from firmware_sim.personality import Personality, UnknownPersonality, load_personality, personality_names
from firmware_sim.virtual_loop import Deadlock, OutOfBudget, VirtualLoop
from firmware_sim.world import World

__all__ = [
    "Board",
    "Deadlock",
    "Entry",
    "FaultPlan",
    "Ledger",
    "OutOfBudget",
    "Personality",
    "Planned",
    "RandomPlan",
    "Trigger",
    "UnknownPersonality",
    "VirtualLoop",
    "World",
    "load_personality",
    "personality_names",
    "read_ledger",
]
