"""What works beside the engine, for `main_gateway`: tasks, schedules, fetching, sweeping."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from gateway.config import Config
from gateway.domain.task import TaskKind
from gateway.engine.engine import Engine
from gateway.engine.ports import Clock, Expiry, Files, IdSource, Queries
from gateway.main_files import BREATH_SECONDS, look_at_printable
from gateway.publish.hub import Hub
from gateway.store.copying import DatabaseCopies
from gateway.tasks.cron import CronTimes
from gateway.tasks.downloading import Fetching
from gateway.tasks.fetching import Fetcher
from gateway.tasks.kinds.backup import Backup
from gateway.tasks.kinds.diagnostics import Diagnostics
from gateway.tasks.kinds.file_import import FileImport
from gateway.tasks.kinds.history_export import HistoryExport
from gateway.tasks.log_tail import LogTail
from gateway.tasks.pool import Pool
from gateway.tasks.results import Results
from gateway.tasks.scheduler import Scheduler
from gateway.tasks.sweeping import Sweeper
from gateway.tasks.work import Kind
from gateway.transport.web import WebClient


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the workers are built of."""

    config: Config
    engine: Engine
    queries: Queries
    files: Files
    results: Results
    expiry: Expiry
    hub: Hub
    web: WebClient  # for addresses that others named
    clock: Clock
    ids: IdSource

    def workers(self, stack: AsyncExitStack) -> Mapping[str, Coroutine[Any, Any, None]]:
        """By name, each to be run for as long as the gateway lives."""
        log_tail = LogTail()
        logging.getLogger().addHandler(log_tail)
        stack.callback(logging.getLogger().removeHandler, log_tail)
        return {
            "fetcher": self._fetcher().run(),
            "tasks": self._pool(log_tail).run(),
            "schedules": self._scheduler().run(),
            "sweeper": Sweeper(expiry=self.expiry, clock=self.clock).run(),
        }

    def _fetcher(self) -> Fetcher:
        return Fetcher(
            engine=self.engine,
            subscribe=self.hub.subscribe,
            web=self.web,
            files=self.files,
            inspect=look_at_printable,
            most_bytes=self.config.server.max_upload_bytes,
            clock=self.clock,
            ids=self.ids,
            chance=random.Random(),
        )

    def _pool(self, log_tail: LogTail) -> Pool:
        return Pool(
            engine=self.engine, subscribe=self.hub.subscribe, kinds=self._kinds(log_tail), clock=self.clock
        )

    def _scheduler(self) -> Scheduler:
        return Scheduler(engine=self.engine, subscribe=self.hub.subscribe, cron=CronTimes(), clock=self.clock)

    def _kinds(self, log_tail: LogTail) -> Mapping[TaskKind, Kind]:
        config, release = self.config, version("print-gateway")
        return {
            TaskKind.FILE_IMPORT: FileImport(
                engine=self.engine,
                uploads=self.queries,
                files=self.files,
                fetching=Fetching(self.web, self.files, config.server.max_upload_bytes),
                inspect=look_at_printable,
                breathe=lambda: time.sleep(BREATH_SECONDS),
                clock=self.clock,
            ),
            TaskKind.HISTORY_EXPORT: HistoryExport(
                engine=self.engine, jobs=self.queries, results=self.results, clock=self.clock
            ),
            TaskKind.BACKUP: Backup(
                copies=DatabaseCopies(config.store.url) if config.store.url.startswith("sqlite:") else None,
                files=self.files,
                results=self.results,
                clock=self.clock,
                version=release,
            ),
            TaskKind.DIAGNOSTICS: Diagnostics(
                engine=self.engine,
                events=self.queries,
                results=self.results,
                clock=self.clock,
                version=release,
                configuration=config.model_dump(mode="json"),
                log_lines=lambda: log_tail.lines,
                wire_kept=config.streamer.kept_folder(_streamers_state(os.environ.get("STATE_DIRECTORY"))),
            ),
        }


def _streamers_state(own: str | None) -> str | None:
    """The streamer's state directory, which its unit puts beside the first of the gateway's own."""
    return None if own is None else own.partition(":")[0] + "-streamer"
