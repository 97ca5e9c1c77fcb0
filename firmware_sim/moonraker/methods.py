"""What can be asked of Moonraker: the methods over MQTT, with its words for what is wrong.

Source: Moonraker's server.py, klippy_apis.py, history.py, file_manager.py; klippy's webhooks.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from firmware_sim.moonraker.files import EXTENSIONS, ROOT, BadPath, inside
from firmware_sim.moonraker.later import Refusal
from firmware_sim.moonraker.life import Life
from firmware_sim.moonraker.rpc import Asking, Method
from firmware_sim.moonraker.server import Moonraker
from firmware_sim.moonraker.status_objects import objects_of

VERSION = "v0.9.3-120-gd5ee171"
KLIPPER_VERSION = "v0.13.0-300"
API_VERSION = (1, 5, 0)
MOST_HISTORY_ROWS = 1000
DEFAULT_HISTORY_ROWS = 50


def methods_of(server: Moonraker) -> dict[str, Method]:
    """All methods by name."""
    functions = {
        "server.info": server_info,
        "server.history.list": history_list,
        "server.history.get_job": history_job,
        "server.history.totals": history_totals,
        "server.files.list": files_list,
        "server.files.metadata": files_metadata,
        "server.files.delete_file": delete_file,
        "printer.info": printer_info,
        "printer.objects.list": objects_list,
        "printer.objects.query": objects_query,
        "printer.objects.subscribe": objects_subscribe,
        "printer.gcode.script": run_gcode,
        "printer.print.start": print_start,
        "printer.print.pause": partial(run_word, "PAUSE"),
        "printer.print.resume": partial(run_word, "RESUME"),
        "printer.print.cancel": partial(run_word, "CANCEL_PRINT"),
        "printer.emergency_stop": emergency_stop,
        "printer.restart": partial(restart, "RESTART"),
        "printer.firmware_restart": partial(restart, "FIRMWARE_RESTART"),
    }
    return {name: _bound(function, server) for name, function in functions.items()}


def _bound(function: object, server: Moonraker) -> Method:
    assert callable(function)
    return lambda asking: function(server, asking)


# -- server ----------------------------------------------------------------------------------------------


def server_info(server: Moonraker, _asking: Asking | None = None) -> dict[str, object]:
    """How Moonraker and its klippy stand."""
    return {
        "klippy_connected": server.life is not Life.DOWN,
        "klippy_state": server.life.value,
        "components": ["database", "file_manager", "klippy_apis", "history", "mqtt"],
        "failed_components": ["mqtt"] if server.config.is_mqtt_refused else [],
        "registered_directories": ["config", ROOT, "logs"],
        "warnings": [],
        "websocket_count": 0,
        "moonraker_version": VERSION,
        "missing_klippy_requirements": [],
        "api_version": list(API_VERSION),
        "api_version_string": ".".join(map(str, API_VERSION)),
    }


def history_list(server: Moonraker, asking: Asking) -> dict[str, object]:
    """A page of jobs, the newest first."""
    order = str(asking.params.get("order", "desc")).lower()
    if order not in ("asc", "desc"):
        raise Refusal(f"Invalid `order` value: {order.upper()}")
    limit = int(asking.number("limit", DEFAULT_HISTORY_ROWS) or 0)
    rows = server.history.rows(
        before=asking.number("before"),
        since=asking.number("since"),
        start=int(asking.number("start", 0) or 0),
        limit=min(limit, MOST_HISTORY_ROWS),
        order=order,
    )
    return {"count": len(rows), "jobs": rows}


def history_job(server: Moonraker, asking: Asking) -> dict[str, object]:
    """One job by its id."""
    uid = asking.text("uid")
    try:
        number = int(uid, 16)
    except ValueError as error:
        raise Refusal(str(error), 500) from error
    if number not in server.history.jobs:
        raise Refusal(f"Invalid job uid: {uid}", 404)
    return {"job": server.history.row(number)}


def history_totals(server: Moonraker, _asking: Asking) -> dict[str, object]:
    """Sums over all jobs."""
    return {"job_totals": dict(server.history.totals), "auxiliary_totals": []}


# -- files -----------------------------------------------------------------------------------------------


def files_list(server: Moonraker, asking: Asking) -> list[dict[str, object]]:
    """The print files."""
    root = str(asking.params.get("root", ROOT))
    if root != ROOT:
        raise Refusal(f"Failed to build file list, invalid path: {root}: None")
    files = server.gcodes.by_name
    return [
        {"path": name, **path_facts(server, name)}
        for name in sorted(files, key=str.lower)
        if name.lower().endswith(EXTENSIONS)
    ]


def path_facts(server: Moonraker, name: str) -> dict[str, object]:
    """Size in bytes, time of change; zeros for a file that is not there."""
    file = server.gcodes.by_name.get(name)
    if file is None:
        return {"modified": 0, "size": 0, "permissions": ""}
    return {"modified": file.modified, "size": len(file.content), "permissions": "rw"}


def files_metadata(server: Moonraker, asking: Asking) -> dict[str, object]:
    """What the parser found in a file."""
    name = asking.text("filename")
    found = server.gcodes.metadata(name)
    if found is None:
        raise Refusal(f"Metadata not available for <{name}>", 404)
    return {**found, "filename": name}


def delete_file(server: Moonraker, asking: Asking) -> dict[str, object]:
    """Remove a file; one that is printed cannot be."""
    return delete_path(server, asking.text("path"))


def delete_path(server: Moonraker, path: str) -> dict[str, object]:
    """`gcodes/part.gcode`. Raises Refusal."""
    root, _slash, rest = path.strip().strip("/").partition("/")
    try:
        name = inside(rest)
    except BadPath as error:
        raise Refusal(f"Invalid file path: {path}") from error
    if root != ROOT or name not in server.gcodes.by_name:
        raise Refusal(f"Invalid file path: {path}")
    if is_in_use(server, name):
        raise Refusal("File currently in use", 403)
    del server.gcodes.by_name[name]
    return {"item": {"path": name, "root": ROOT, **path_facts(server, name)}, "action": "delete_file"}


def is_in_use(server: Moonraker, name: str) -> bool:
    """Whether klippy prints this file, as far as Moonraker knows."""
    return server.life is Life.READY and server.history.loaded_file == name


# -- printer ---------------------------------------------------------------------------------------------


def printer_info(server: Moonraker, _asking: Asking) -> dict[str, object]:
    """How klippy stands, in its own words."""
    server.check_attached()
    return {
        "state": server.klippy.life.value,
        "state_message": server.klippy.message,
        "hostname": server.config.instance,
        "klipper_path": "/home/pi/klipper",
        "python_path": "/home/pi/klippy-env/bin/python",
        "process_id": 1000,
        "user_id": 1000,
        "group_id": 1000,
        "log_file": "/home/pi/printer_data/logs/klippy.log",
        "config_file": "/home/pi/printer_data/config/printer.cfg",
        "software_version": KLIPPER_VERSION,
        "cpu_info": "4 core ARMv7 Processor rev 3 (v7l)",
    }


def objects_list(server: Moonraker, _asking: Asking) -> dict[str, object]:
    """The names of what can be queried."""
    server.check_attached()
    return {"objects": objects_of(server.klippy)}


def objects_query(server: Moonraker, asking: Asking) -> object:
    """Answered at Moonraker's next look, 0.25 s from now at most."""
    return server.query(_objects(asking))


def objects_subscribe(server: Moonraker, asking: Asking) -> object:
    """As a query; and all of MQTT gets the changes of these, and of no others, from now on."""
    return server.subscribe(_objects(asking))


def _objects(asking: Asking) -> dict[str, tuple[str, ...] | None]:
    wanted = asking.params.get("objects")
    if wanted is None:
        raise Refusal("No data for argument: objects")
    if not isinstance(wanted, Mapping):
        raise Refusal("Invalid argument")
    found: dict[str, tuple[str, ...] | None] = {}
    for name, fields in wanted.items():
        if fields is not None and not (
            isinstance(fields, list) and all(isinstance(field, str) for field in fields)
        ):
            raise Refusal("Invalid argument")
        found[name] = None if fields is None else tuple(fields)
    return found


def run_gcode(server: Moonraker, asking: Asking) -> object:
    """`ok` when the script has run, also for commands that klippy does not know."""
    return server.run_script(asking.text("script"), asking.who, asking.request)


def print_start(server: Moonraker, asking: Asking) -> object:
    """`ok` as soon as the file is loaded; the print shows 0.3 to 0.6 s later."""
    return start_print(server, asking.text("filename"), asking.who, asking.request)


def start_print(server: Moonraker, filename: str, who: str, request: str = "") -> object:
    """The script that Moonraker makes of a start."""
    name = filename.removeprefix("/").replace('"', '\\"')
    return server.run_script(f'SDCARD_PRINT_FILE FILENAME="{name}"', who, request)


def run_word(word: str, server: Moonraker, asking: Asking) -> object:
    """PAUSE, RESUME, CANCEL_PRINT."""
    return server.run_script(word, asking.who, asking.request)


def restart(word: str, server: Moonraker, asking: Asking) -> object:
    """`ok` when klippy has gone."""
    return server.restart_klippy(word, asking.who)


def emergency_stop(server: Moonraker, asking: Asking) -> str:
    """At once, past every script."""
    server.check_attached()
    server.klippy.note("emergency-stop", source=asking.who)
    server.klippy.shut_down("Shutdown due to webhooks request")
    server.stir()
    return "ok"
