"""Builds the drivers of printers that speak MQTT, each with its connection and its way to the files there."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import ClientSession, DummyCookieJar

from gateway.config import BambuPrinter, Config, MoonrakerPrinter
from gateway.config.fields import BrokerAddress, broker_address
from gateway.config.printing import BambuStart
from gateway.config.secret_files import Secrets
from gateway.domain.adjustment import HeatLimits
from gateway.drivers.bambu.driver import BambuDriver
from gateway.drivers.bambu.settings import BambuSettings
from gateway.drivers.contract import Driver
from gateway.drivers.heat_watch import HeatWatch
from gateway.drivers.hosting import DriverFactory
from gateway.drivers.left import LeftPrint
from gateway.drivers.moonraker.driver import MoonrakerDriver
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.drivers.start_record_file import StartRecords
from gateway.main_safety import heat_tolerance
from gateway.protocol.bambu.requests import ProjectOptions
from gateway.protocol.moonraker.topics import coalesces
from gateway.safety.monitor import PrinterMonitor
from gateway.safety.stance import TELLING, TELLING_IN_ERROR
from gateway.transport import tls
from gateway.transport.ftps import FtpsStorage, FtpsThreads
from gateway.transport.http_storage import HttpStorage
from gateway.transport.mqtt_client import AiomqttConnect
from gateway.transport.storage import Storage
from gateway.transport.storage_looks import AT_ONCE, Checkable, StorageLooks

_ACCESS_CODE = (
    "read the access code again on the printer's screen (it changes with LAN mode), write it into {file}, "
    "and restart the gateway"
)

#: Address, user, password, CA, client id, and the keys that say so.
_Broker = tuple[BrokerAddress, str | None, str | None, Path | None, str, str]


class PrinterParts:
    """What the drivers of one gateway share: threads for FTPS, a client for HTTP, the records of starts.

    They end with `stack`.
    """

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        stack: AsyncExitStack,
        *,
        left: Callable[[str], Sequence[LeftPrint]],
        over: Callable[[], Collection[str]],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        """Inside the loop. `left`: the prints that a printer has; `over`: keys of ended ones."""
        self._config = config
        self._secrets = secrets
        self._left = left
        self._over = over
        self._monotonic = monotonic
        self._new_id = new_id
        self._threads = FtpsThreads()
        stack.callback(self._threads.close)
        self._look_threads = FtpsThreads(AT_ONCE)  # a look waits for no transfer
        stack.callback(self._look_threads.close)
        self._looked_at: dict[str, Checkable] = {}
        self._records = StartRecords(config.store.folder / "starts")
        stack.callback(self._records.close)
        self._http = ClientSession(cookie_jar=DummyCookieJar())
        stack.push_async_callback(self._http.close)

    def factories(self) -> dict[str, DriverFactory]:
        """A maker of each printer's driver, by its name. Raises TlsFileTrouble."""
        made: dict[str, DriverFactory] = {}
        for printer in self._config.printers:
            if isinstance(printer, BambuPrinter):
                made[printer.name] = self._bambu(printer)
            elif isinstance(printer, MoonrakerPrinter):
                made[printer.name] = self._moonraker(printer)
        return made

    def storage_looks(self) -> StorageLooks:
        """Who tells whether files get onto the printers; behind `factories`."""
        return StorageLooks(self._looked_at, self._monotonic)

    def _bambu(self, printer: BambuPrinter) -> DriverFactory:
        code = self._secrets.text(printer.name, "access_code_file") or ""
        if_refused = _ACCESS_CODE.format(file=printer.access_code_file)
        connect = bridge_of(printer, self._secrets, self._config) or AiomqttConnect(
            printer.host,
            printer.port,
            self._context(printer, "mqtt"),
            username=printer.username,
            password=code,
            who=f"the printer {printer.name}",
            if_refused=if_refused,
        )
        storage = FtpsStorage(
            printer.host,
            self._context(printer, "ftps", tls.ONLY_1_2),
            self._threads,
            printer.username,
            code,
            port=printer.ftps_port,
            who=f"the printer {printer.name}",
            if_refused=if_refused,
        )
        self._looked_at[printer.name] = replace(storage, threads=self._look_threads)
        settings = BambuSettings(
            printer.serial,
            topic_prefix=printer.topic_prefix,
            model=printer.model,
            url_form=printer.start.url,
            options=start_options(printer.start),
            heat=HeatLimits(printer.max_hotend, printer.max_bed),
        )
        return partial(self._bambu_driver, printer.name, connect, storage, settings)

    def _bambu_driver(
        self, name: str, connect: AiomqttConnect, storage: Storage, settings: BambuSettings
    ) -> Driver:
        driver = BambuDriver(
            name,
            connect,
            storage,
            monotonic=self._monotonic,
            new_id=self._new_id,
            chance=random.Random(),
            settings=settings,
            record=self._records.of(name),
            over=self._over,
        )
        driver.begin(self._left(name))
        return driver

    def _context(
        self, printer: BambuPrinter, port: str, most: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """How the printer's certificate is judged. Each of its ports may have its own."""
        ca_file = self._secrets.path(printer.name, "ca_file")
        if printer.verified_by == "pinned" and ca_file is not None:
            return tls.pinned(ca_file, printer.serial, most=most)
        if printer.verified_by == "off":
            return tls.unchecked(most=most)
        known = self._config.store.folder / "fingerprints" / f"{printer.serial}.{port}"
        return tls.first_use(tls.FingerprintFile(known), most=most)

    def _moonraker(self, printer: MoonrakerPrinter) -> DriverFactory:
        connect = replace(_to_broker(self._broker_of(printer), printer.name), coalesces=coalesces)
        storage = HttpStorage(
            self._http,
            printer.url,
            api_key=self._secrets.text(printer.name, "api_key_file"),
            who=f"Moonraker of {printer.name}",
        )
        self._looked_at[printer.name] = storage
        return partial(self._moonraker_driver, printer.name, connect, storage, printer.instance)

    def _broker_of(self, printer: MoonrakerPrinter) -> _Broker:
        """Its own, or that of [mqtt]."""
        if printer.broker is not None:
            return _own_broker(printer, printer.broker, self._secrets, self._config)
        mqtt = self._config.mqtt
        assert mqtt.broker is not None, "config.printers.problems"
        password, ca_file = self._secrets.text("", "password_file"), self._secrets.path("", "ca_file")
        keys = "username and password_file under [mqtt]"
        return mqtt.broker, mqtt.username, password, ca_file, mqtt.client_id, keys

    def _moonraker_driver(
        self, name: str, connect: AiomqttConnect, storage: Storage, instance: str
    ) -> Driver:
        driver = MoonrakerDriver(
            name,
            connect,
            storage,
            monotonic=self._monotonic,
            new_id=self._new_id,
            chance=random.Random(),
            settings=MoonrakerSettings(instance),
            record=self._records.of(name),
        )
        driver.begin(self._left(name))
        return driver


def bridge_of(printer: BambuPrinter, secrets: Secrets, config: Config) -> AiomqttConnect | None:
    """The broker between the printer and whoever talks to it; None: there is none."""
    if printer.broker is None:
        return None
    return _to_broker(_own_broker(printer, printer.broker, secrets, config), printer.name)


def _to_broker(broker: _Broker, printer: str) -> AiomqttConnect:
    address, username, password, ca_file, client_id, keys = broker
    return AiomqttConnect(
        address.host,
        address.port,
        tls.verified(ca_file) if address.is_tls else None,
        username=username,
        password=password,
        client_id=client_id,
        who=f"the broker of {printer}",
        if_refused=f"check {keys}, and restart the gateway",
    )


def _own_broker(
    printer: BambuPrinter | MoonrakerPrinter, url: str, secrets: Secrets, config: Config
) -> _Broker:
    own = (
        printer.broker_username,
        secrets.text(printer.name, "broker_password_file"),
        secrets.path(printer.name, "broker_ca_file"),
        config.mqtt.client_id,
    )
    return broker_address(url), *own, "broker_username and broker_password_file"


def heat_watch(config: Config) -> HeatWatch:
    """Who judges the heat of these printers."""
    tolerance = heat_tolerance(config.safety)
    stances = {BambuPrinter: TELLING_IN_ERROR, MoonrakerPrinter: TELLING}
    monitors = {
        printer.name: PrinterMonitor(tolerance, stances[type(printer)])
        for printer in config.printers
        if type(printer) in stances
    }
    return HeatWatch(monitors)


def start_options(start: BambuStart) -> ProjectOptions:
    """What a Bambu printer is told with every start of a 3MF, in its own words."""
    return ProjectOptions(
        bed_leveling=start.bed_leveling,
        flow_cali=start.flow_calibration,
        vibration_cali=start.vibration_calibration,
        timelapse=start.timelapse,
        use_ams=start.use_ams,
        ams_mapping=start.ams_mapping,
    )
