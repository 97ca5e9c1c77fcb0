"""The demo: four simulated printers, the real gateway, and prints that are started without it.

Everything happens in a temporary folder and in child processes, through the APIs that everybody uses. What
the machines did is read from the simulators' ledgers, not from what the gateway says about itself.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from gateway.cli import demo_acts, demo_broker, demo_people, demo_place, demo_proof, show
from gateway.cli.demo_broker import Heard
from gateway.cli.demo_children import Children, DemoFailed
from gateway.cli.demo_forge import ForgeApp
from gateway.cli.demo_people import Credentials
from gateway.cli.demo_place import ARCHIVE, CLOUD_NAME, OWNER, PANEL_NAME, USUAL_PORT, Place
from gateway.cli.demo_proof import Ended
from gateway.cli.demo_receiver import Receiver, receiving
from gateway.cli.demo_waiting import unless_stopped, until, while_all_live
from gateway.cli.demo_words import Said
from gateway.cli.demo_work import Work
from gateway.cli.progress import make_progress
from gateway.client.calls import Address
from gateway.client.errors import ClientError
from gateway.client.models import Job, Stack
from gateway.client.native import GatewayClient

#: What the broker and the printer on the network are made of: of the extra `demo`.
NEEDS = ("amqtt", "cryptography")
#: Seconds from the end of a print until the receiver of its callback must have heard of it.
TOLD_WITHIN = 10.0


def run_demo(
    *, keep: bool, ready_file: Path | None, within: Path | None = None, needs: Sequence[str] = NEEDS
) -> int:
    """The exit code: 0 only if all prints completed, with the right owner, exactly as their files say.

    Everything is in a folder of its own `within` the one for temporary files. `needs`: packages.
    """
    if missing := [name for name in needs if find_spec(name) is None]:
        print(
            f"print-gateway: the demo needs {' and '.join(missing)}: pip install '.[demo]'", file=sys.stderr
        )
        return 1
    try:
        folder = Path(tempfile.mkdtemp(prefix="print-gateway-demo-", dir=within))
    except OSError as error:
        print(f"print-gateway: the demo cannot start: {error}", file=sys.stderr)
        return 1
    try:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)  # who waits for it must not find that of an earlier run
        with demo_place.free_port(USUAL_PORT) as port, demo_place.free_port() as broker_port:
            place = Place(folder, port, broker_port)
            return asyncio.run(Demo(place, keep=keep or ready_file is not None, ready_file=ready_file).run())
    except OSError as error:
        print(f"print-gateway: the demo cannot start: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """One run of it."""

    def __init__(self, place: Place, *, keep: bool, ready_file: Path | None) -> None:
        self.place = place
        self.children = Children(place.folder)
        self._keep = keep
        self._ready_file = ready_file
        self._console: Console = show.console()

    async def run(self) -> int:
        """Start, show, prove; and clean up whatever happens. Raises OSError."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        try:
            async with receiving() as receiver:
                proven = await unless_stopped(self._show(receiver), stopped)
                if stopped.is_set():
                    self._say("Stopped; nothing is left running")
                if proven and self._keep and not stopped.is_set():
                    await unless_stopped(self._stay(), stopped, within=None)
            return 0 if proven else 1
        except DemoFailed as failure:
            self._explain(failure)
            return 1
        finally:
            await self.children.stop()

    async def _show(self, receiver: Receiver) -> bool:
        try:
            await self._start()
            shown = await while_all_live(self.children, self._prepare())
            # Only now: Ember tries again after a minute when nobody answers its first call.
            caller = self.place.caller
            await self.children.start(f"printer {caller.name}", "firmware_sim", *caller.arguments())
            return await while_all_live(self.children, self._prints(shown, receiver))
        except ClientError as error:
            raise DemoFailed(str(error), "gateway") from error

    async def _stay(self) -> bool:
        raise await self.children.first_death()

    # the steps

    async def _start(self) -> None:
        place = self.place
        place.furnish()
        self._say(f"Starting simulated printers, the streamer and the gateway in {place.folder}")
        for machine in (place.network, *place.machines):
            await self.children.start(f"printer {machine.name}", "firmware_sim", *machine.arguments())
        await self._configure()
        for name, command in (("streamer", ("streamer",)), ("gateway", ("serve", "--embedded-broker"))):
            await self.children.start(name, "gateway", *command, "--config", str(place.config))

    async def _configure(self) -> None:
        machine = self.place.network
        late, child = f'the printer "{machine.name}" did not start', f"printer {machine.name}"
        at = until(late, child, machine.address)
        self.place.configure(await while_all_live(self.children, at))

    async def _prepare(self) -> Credentials:
        async with GatewayClient(Address(socket=str(self.place.socket))) as host:
            await until("the gateway did not start", "gateway", partial(demo_acts.answers, host))
            shown = await demo_people.introduce(host, self.place.url)
            for machine in self.place.machines:
                await self._confirm(host, machine.name, "streamer")
            await self._confirm(host, self.place.network.name, "gateway")
        self._say(
            f"Gateway at {self.place.url}, its MQTT broker at {self.place.broker_url}; "
            "printers reached, their plates confirmed clear"
        )
        return shown

    async def _confirm(self, client: GatewayClient, printer: str, child: str) -> None:
        """Look at a printer's plate, which is empty, and say so."""
        late = f'the printer "{printer}" was not reached'
        await until(late, child, partial(demo_acts.is_idle, client, printer))
        await client.set_plate((await client.printer(printer)).id, "clear")

    async def _prints(self, shown: Credentials, receiver: Receiver) -> bool:
        async with (
            GatewayClient(Address(self.place.url, token=shown.forge)) as owner,
            demo_broker.listening(self.place.broker_port) as subscriber,
        ):
            app = ForgeApp(self.place.url, shown.forge)
            ends = await self._all_prints(owner, app, receiver)
            queue = await app.jobs()
            heard = await subscriber.heard(ends)
            self._say("An app exports the history; a schedule greets on both printers that are fed by line")
            stack, said = await Work(self.place, shown).do(owner, queue)
            for line in (*(end.verdict(OWNER) for end in ends), *said.verdicts(), heard.verdict(ends)):
                self._say(line)
            await self._tables(owner, queue, ends, said, heard)
            faults = [*said.faults(), *heard.faults(ends), *(f for end in ends for f in end.faults(OWNER))]
            if not faults and self._keep:
                await self._leave(owner, shown, stack)
        return not faults

    async def _all_prints(self, owner: GatewayClient, app: ForgeApp, receiver: Receiver) -> list[Ended]:
        first, second = self.place.machines
        caller, network = self.place.caller, self.place.network
        ordered = await self._order(owner, app, first.name, self.place.print_file)
        await demo_acts.at_panel(second, f"panel start {PANEL_NAME}")
        self._say(f'Somebody starts {PANEL_NAME} at the panel of "{second.name}", from its SD card')
        sliced = await self._order(owner, app, network.name, self.place.sliced, network.what)
        called_in = await self._call_in(owner, app, receiver)
        local = await demo_acts.local_job(owner, second.name, "streamer")
        with make_progress() as bars:
            one, two, three, (four, five) = await asyncio.gather(
                demo_acts.followed(owner, ordered, first.name, bars),
                demo_acts.followed(owner, local.id, second.name, bars),
                demo_acts.followed(owner, called_in, caller.name, bars),
                self._two_prints(owner, sliced, bars),
            )
        small = self.place.small_file
        by_gateway, by_cloud = demo_proof.prove_starts(small, network.ledger, ("mqtt", "cloud"))
        return [
            Ended(one, first.name, demo_proof.prove_files(self.place.print_file, first.ledger, "host")),
            Ended(two, second.name, demo_proof.prove_files(small, second.ledger, "sd"), origin="panel"),
            await self._called_in(three, receiver),
            Ended(four, network.name, by_gateway),
            Ended(five, network.name, by_cloud, origin="cloud"),
        ]

    async def _two_prints(self, owner: GatewayClient, ordered: str, bars: Progress) -> tuple[Job, Job]:
        """The printer on the network prints what was ordered, and then what its maker's cloud gives it."""
        network = self.place.network
        first = await demo_acts.followed(owner, ordered, network.name, bars)
        await demo_acts.at_panel(network, f"cloud {CLOUD_NAME}")
        bars.console.print(
            f'Somebody starts another print on "{network.name}" from its maker\'s cloud',
            markup=False, soft_wrap=True,
        )  # fmt: skip
        local = await demo_acts.local_job(owner, network.name, "gateway")
        return first, await demo_acts.followed(owner, local.id, network.name, bars)

    async def _order(
        self, owner: GatewayClient, app: ForgeApp, printer: str, file: Path, what: str = ""
    ) -> str:
        printable = await app.upload(file)
        ordered = await app.order((await owner.printer(printer)).id, printable, file.name)
        self._say(f'Uploaded {file.name}; ordered on "{printer}"{what} through the Forge print API')
        return ordered

    async def _call_in(self, owner: GatewayClient, app: ForgeApp, receiver: Receiver) -> str:
        """A printer that is in no configuration: from the code on its display to a print; the job's id."""
        caller = self.place.caller
        child = f"printer {caller.name}"
        seen = partial(demo_acts.shown_code, self.children, caller)
        code = await until(f'"{caller.name}" showed no registration code', child, seen)
        printer_id = await app.register(code, caller.name)
        await self._confirm(owner, caller.name, child)
        self._say(f'A resin printer calls in and shows {code}; registered with that as "{caller.name}"')
        printable = await app.upload(self.place.archive)
        ordered = await app.order(printer_id, printable, ARCHIVE, callback=receiver.url)
        self._say(f'Uploaded {ARCHIVE}; ordered on "{caller.name}", with a callback to this demo')
        return ordered

    async def _called_in(self, job: Job, receiver: Receiver) -> Ended:
        async def told() -> bool | None:
            return True if receiver.last_status(job.id) == job.status else None

        await until("the callback did not tell how the print ended", "gateway", told, within=TOLD_WITHIN)
        caller, archive = self.place.caller, self.place.archive.read_bytes()
        with caller.ledger.open(encoding="utf-8") as ledger:
            proof = demo_proof.prove_layers(archive, ledger, job.id)
        return Ended(job, caller.name, proof, wants_updates=True, told=receiver.last_status(job.id))

    # what is shown and left

    async def _tables(
        self,
        owner: GatewayClient,
        queue: list[dict[str, Any]],
        ends: list[Ended],
        said: Said,
        heard: Heard,
    ) -> None:
        printers = {printer.id: printer.shown_name for printer in await owner.printers()}
        members = {job.member_id: job.member or "" for job in (await owner.jobs()).jobs}
        show.table(
            ("JOB", "PRINTER", "STATUS", "ORIGIN", "MEMBER", "TOOK", "LEDGER", "HEARD"),
            demo_proof.queue_rows(queue, members, printers, {end.job.id: end for end in ends}),
            title="The queue, as GET /ps/v1/print/jobs lists it, and what proves it",
            spare=("TOOK", "MEMBER"),
        )
        show.table(
            ("API", "REQUEST", "SAYS"),
            (*said.rows(), heard.row()),
            title="The same moment in four APIs, and on the broker",
            spare=("REQUEST",),
        )

    async def _leave(self, owner: GatewayClient, shown: Credentials, stack: Stack) -> None:
        member_id = (await owner.jobs(limit=1)).jobs[0].member_id
        self._say("Left running until Ctrl-C.")
        self._say(f"URL    {self.place.url}\nTOKEN  {shown.forge}  (member {OWNER})")
        self._say(f"BROKER {self.place.broker_url}  (topics below {demo_broker.OWN}/)")
        if self._ready_file is None:
            return
        printers = [
            {
                "id": printer.id,
                "name": printer.display_name or printer.name,
                "driver": printer.driver,
                "link": self.place.caller.url if printer.driver == "forge" else printer.port,
            }
            for printer in await owner.printers()
        ]
        ready = {
            "url": self.place.url,
            "member_id": member_id,
            "stack_id": stack.id,
            "printers": printers,
            "credentials": asdict(shown),
        }
        demo_place.write_ready(self._ready_file, ready)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _explain(self, failure: DemoFailed) -> None:
        print(f"print-gateway: the demo failed: {failure}", file=sys.stderr)
        tail = self.children.tail(failure.child) if failure.child else ()
        if tail:
            print(f"the end of the {failure.child}'s log:", *tail, sep="\n  ", file=sys.stderr)
