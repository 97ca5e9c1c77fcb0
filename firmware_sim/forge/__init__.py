"""A printer that calls in: a simulated machine with a firmware that speaks the Forge firmware protocol.

It has its own Bayeux client and shares no code with any server. `Machine` is the printer without I/O, a
`Firmware` is how it talks, `ForgePrinter` puts both on an asyncio loop with a network (`Web`) of the
caller's; `firmware_sim.forge.aiohttp_web.AiohttpWeb` is the real one.
"""

from firmware_sim.forge.ledger import CallInLedger, Deed, read_call_in_ledger
from firmware_sim.forge.network_faults import NetworkFault, NetworkFaults
from firmware_sim.forge.personality import call_in_personality_names, load_call_in_personality
from firmware_sim.forge.printer import ForgePrinter
from firmware_sim.forge.web import NoAnswer, Web, WebAnswer

__all__ = [
    "CallInLedger",
    "Deed",
    "ForgePrinter",
    "NetworkFault",
    "NetworkFaults",
    "NoAnswer",
    "Web",
    "WebAnswer",
    "call_in_personality_names",
    "load_call_in_personality",
    "read_call_in_ledger",
]
