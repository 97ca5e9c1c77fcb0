"""The parts of the gateway process, built in the order in which they need each other, for `main`.

store -> links, web clients -> drivers -> engine -> what runs beside it -> services of the HTTP surfaces
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

from gateway.api.conversio.results import ResultLinks
from gateway.api.forge.answers import ROOTS
from gateway.api.forge.apps.printables import PrintableLinks
from gateway.api.forge.mapping import callback_body
from gateway.api.forge.printdb.catalogue import Catalogue
from gateway.api.http import limits
from gateway.api.http.rate import AttemptLimit, RequestLimit
from gateway.api.http.services import Services, no_broker, no_storages
from gateway.api.http.sign_in import SignIn
from gateway.auth.issuer import Issuer, Trust
from gateway.auth.signing import KEY_BYTES, UrlSigner
from gateway.config import Config, PrinterConfig
from gateway.config.auth import Auth
from gateway.config.secret_files import Secrets
from gateway.config.sections import Tasks
from gateway.domain.adjustment import HeatLimits
from gateway.domain.commands import ConfigurePrinters, PrinterSetting
from gateway.domain.job import Job
from gateway.domain.printer import PlateClear
from gateway.engine.engine import Engine
from gateway.main_call_in import CallIns
from gateway.main_files import look_at_gcode, look_at_printable, plan_recovery
from gateway.main_tasks import Workshop
from gateway.publish.callbacks import CallbackSender
from gateway.publish.hub import Hub
from gateway.publish.link_log import LinkLog
from gateway.running import Service
from gateway.store.database import Database
from gateway.store.expiry import Expiry
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.kept_results import KeptResults
from gateway.store.loose import LooseContents
from gateway.store.outbox import Outbox
from gateway.store.own_keys import URL_SIGNING, own_key
from gateway.store.queries import Queries
from gateway.store.reserve import Reserve
from gateway.store.revision import is_at_head
from gateway.streamer.channel import unix_channel
from gateway.streamer.client import StreamerClient
from gateway.system import SystemClock, SystemIds
from gateway.tasks.cron import CronTimes
from gateway.tasks.results import Bounds, Results
from gateway.tasks.run_plans import RunPlans
from gateway.transport.web import WebClient

if TYPE_CHECKING:
    from gateway.main_mqtt import MqttSide

#: Seconds that the issuer gets for an answer while a request waits, and bytes that its keys may have.
ISSUER_SECONDS, ISSUER_BYTES = 5.0, 256 * 1024


class Gateway:
    """Everything but the listening sockets. `stack` ends what was begun, last things first."""

    def __init__(
        self, config: Config, secrets: Secrets, stack: AsyncExitStack, *, embedded_broker: bool = False
    ) -> None:
        self._config = config.with_embedded_broker() if embedded_broker else config
        self._secrets = secrets
        self._is_broker_embedded = embedded_broker
        self._stack = stack
        self._clock, self._ids, self._hub = SystemClock(), SystemIds(), Hub()
        self._printdb = Catalogue.load(Path(config.forge.printdb) if config.forge.printdb else None)
        if not is_at_head(config.store.url):
            from gateway.store.migrate import upgrade  # seldom needed, and slow to load

            upgrade(config.store.url)
        self._database = Database(config.store.url)
        stack.callback(self._database.close)
        reserve = Reserve(config.store.reserve_bytes)
        self._files = Files(config.store.files, note=LooseContents(self._database).note, reserve=reserve)
        self._queries, self._outbox = Queries(self._database), Outbox(self._database)
        self._going_out = self._web_client(is_private_allowed=config.outbound.private_addresses)

    def _web_client(self, *, is_private_allowed: bool) -> WebClient:
        client = WebClient(is_private_allowed=is_private_allowed)
        self._stack.push_async_callback(client.close)
        return client

    async def begin(self, service: Service) -> Services:
        """Read the state, begin to work, and give what the HTTP surfaces need."""
        key = await own_key(self._database, URL_SIGNING, partial(token_bytes, KEY_BYTES))
        self._signer = UrlSigner(key)
        self._links = PrintableLinks(self._config.server.url + ROOTS[0], self._signer, self._clock)
        self._build_engine()
        await self._engine.start()
        self.call_ins.begin(self._config.server.unreachable)
        self._stack.push_async_callback(service.cancel)
        await self._begin_broker(service)
        self.writer = service.spawn(self._engine.run(), "engine")
        settings = tuple(_setting(printer) for printer in self._config.printers)
        await self._engine.execute(ConfigurePrinters(settings))
        service.spawn(self._client.run(), "streamer client")
        service.spawn(self.call_ins.driver.run(), "printers that call in")
        service.spawn(self._callback_sender().run(), "callbacks")
        for name, work in self._workshop().workers(self._stack).items():
            service.spawn(work, name)
        if self._mqtt is not None:
            for name, work in self._mqtt.workers(self._engine, self._queries, self._hub).items():
                service.spawn(work, name)
        return self._services()

    async def _begin_broker(self, service: Service) -> None:
        if self._mqtt is not None and self._is_broker_embedded:
            for name, work in (await self._mqtt.begin_broker()).items():
                service.spawn(work, name, is_last=True)  # its clients say goodbye first

    def stop(self) -> None:
        """Let the engine end after what it has been given."""
        self._engine.stop()

    def _build_engine(self) -> None:
        self._client = StreamerClient(
            unix_channel(self._config.streamer.socket),
            lambda observation: self._engine.observe(observation),
            instance=self._ids.uuid(),
            chance=random.Random(),
        )
        self.call_ins = CallIns(
            state=lambda: self._engine.state,
            observe=lambda observation: self._engine.observe(observation),
            clock=self._clock,
            ids=self._ids,
            lenient=self._config.forge.lenient_faye,
            printable_link=self._links,
        )
        self._mqtt = self._mqtt_side()
        self._engine = Engine(
            journal=Journal(self._database, self._ids.hex, self._clock),
            queries=self._queries,
            drivers=self.call_ins.drivers(self._client, self._mqtt.drivers() if self._mqtt else {}),
            files=self._files,
            publisher=LinkLog(self.call_ins.publisher(self._hub)),
            clock=self._clock,
            ids=self._ids,
        )

    def _mqtt_side(self) -> MqttSide | None:
        """None: nothing here speaks MQTT, and nothing of it is loaded."""
        if not self._config.speaks_mqtt:
            return None
        from gateway.main_mqtt import MqttSide

        return MqttSide(
            self._config,
            self._secrets,
            self._stack,
            state=lambda: self._engine.state,
            observe=lambda observation: self._engine.observe(observation),
            clock=self._clock,
            ids=self._ids,
        )

    def _callback_sender(self) -> CallbackSender:
        return CallbackSender(
            engine=self._engine,
            queries=self._queries,
            outbox=self._outbox,
            subscribe=self._hub.subscribe,
            web=self._going_out,
            render=self._update,
            clock=self._clock,
            chance=random.Random(),
        )

    def _update(self, job: Job) -> Mapping[str, Any]:
        """What an app's own server is told of a job, in Forge's words."""
        state, number = self._engine.state, job.printer_id or 0
        return callback_body(job, state.printers.get(number), state.presence.get(number))

    def _workshop(self) -> Workshop:
        return Workshop(
            config=self._config,
            engine=self._engine,
            queries=self._queries,
            files=self._files,
            results=Results(self._files, KeptResults(self._database), _bounds(self._config.tasks)),
            expiry=Expiry(self._database, self._files),
            hub=self._hub,
            web=self._going_out,
            clock=self._clock,
            ids=self._ids,
        )

    def _services(self) -> Services:
        config, clock = self._config, self._clock
        return Services(
            engine=self._engine,
            queries=self._queries,
            files=self._files,
            clock=clock,
            ids=self._ids,
            inspect=look_at_gcode,
            inspect_printable=look_at_printable,
            plan_recovery=plan_recovery,
            events=self._hub,
            outbox=self._outbox,
            signer=self._signer,
            printable_link=self._links,
            url_refusal=self._going_out.refusal,
            printdb=self._printdb,
            code_attempts=AttemptLimit(limits.CODE_ATTEMPTS, clock),
            contact_attempts=AttemptLimit(limits.CONTACT_ATTEMPTS, clock),
            call_ins=self.call_ins.driver,
            cron=CronTimes(config.tasks.shortest_cron_minutes),
            run_plans=RunPlans(),
            result_link=ResultLinks(config.server.url, self._signer),
            sign_in=SignIn(clock),
            public_url=config.server.url,
            max_upload_bytes=config.server.max_upload_bytes,
            version=version("print-gateway"),
            service_uid=os.getuid(),
            rate_limit=_rate_limit(config.server.rate_limit, clock),
            broker_status=self._mqtt.status if self._mqtt is not None else no_broker,
            look_at_storages=self._mqtt.look_at_storages if self._mqtt is not None else no_storages,
            # Its address is the operator's word: a private one is as good.
            issuer=issuer_of(config.auth, self._web_client(is_private_allowed=True)),
        )


def _bounds(tasks: Tasks) -> Bounds:
    return Bounds(of_all=tasks.results_bytes, of_member=tasks.results_bytes_of_member)


def _rate_limit(rate: str, clock: SystemClock) -> RequestLimit | None:
    return None if rate == "off" else RequestLimit(rate, clock)


def issuer_of(auth: Auth, web: WebClient) -> Issuer | None:
    """The configured issuer, asked over `web`."""

    async def fetch(url: str) -> bytes:
        answer = await web.get(url, seconds=ISSUER_SECONDS, most_bytes=ISSUER_BYTES)
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"it answers {answer.status}")
        return answer.body

    if auth.issuer is None or auth.audience is None:
        return None
    return Issuer(Trust(auth.issuer, auth.audience, auth.member_claim), fetch)


def _setting(printer: PrinterConfig) -> PrinterSetting:
    return PrinterSetting(
        name=printer.name,
        driver=printer.driver,
        owner=printer.owner,
        plate_clear=PlateClear(printer.plate_clear),
        link=printer.link,
        heat_limits=HeatLimits(printer.max_hotend, printer.max_bed),
    )
