"""Orders for a printer at work: adjustments between two lines of the print, answers to its questions."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderResult
from gateway.domain.orders import Adjust, AnswerPrompt
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import NOT_CONNECTED, refusal_by_expect, unclear
from gateway.drivers.marlin.scripts import TOO_MANY, Script
from gateway.drivers.marlin.stages import Stage

#: M106's full speed.
_FAN_FULL = 255
_NO_LIGHT = "The printer's firmware does not say that it has a light to switch (TOGGLE_LIGHTS)."
_NO_BABYSTEPS = "The printer's firmware does not say that it can shift the nozzle (BABYSTEPPING)."
_GOES_ON = "The print is going on and heats to what was set before; set a temperature when it prints again."
_NO_PARSER = (
    "The printer's firmware has no emergency parser, so it does not read an answer while it waits. Press the"
    " button at the printer."
)


def adjust(driver: DriverState, order: Adjust) -> None:
    """Send the change next, before any further line of the print; answered when the firmware took it."""
    refusal = _adjust_refusal(driver, order)
    if refusal is not None:
        driver.answer(order.order_id, OrderResult.REFUSED, refusal)
        return

    def taken() -> None:
        driver.answer(order.order_id, OrderResult.ACCEPTED)
        if driver.print is not None:
            driver.print.set_targets(hotend=order.change.hotend, bed=order.change.bed)

    script = Script(tuple(lines_for(order.change)), taken, unclear(driver, order.order_id))
    streamed = driver.print
    is_taken = driver.scripts.add(script) if streamed is None else streamed.interject(script)
    if not is_taken:
        is_ending = streamed is not None and streamed.is_ending
        text = "The print is ending already." if is_ending else TOO_MANY
        driver.answer(order.order_id, OrderResult.REFUSED, text)


def _adjust_refusal(driver: DriverState, order: Adjust) -> str | None:
    refusal = refusal_by_expect(driver, order.expect) if order.expect else None
    if refusal is not None:
        return refusal
    if not order.expect and driver.current() is not None:
        return "Another print is on the machine."
    if driver.held is not None:
        return "The print is held; nothing is sent until somebody has decided about it."
    if (busy := driver.why_receiving()) is not None:
        return busy
    if driver.link is None:
        return driver.why_unavailable()
    heats = order.change.hotend is not None or order.change.bed is not None
    if heats and driver.print is not None and driver.print.stage in (Stage.RESUMING, Stage.REBUILDING):
        return _GOES_ON
    if order.change.z_step is not None and not driver.view.capabilities.get("BABYSTEPPING", False):
        return _NO_BABYSTEPS
    if order.change.light is not None and not driver.view.capabilities.get("TOGGLE_LIGHTS", False):
        return _NO_LIGHT
    return None


def lines_for(change: Adjustment) -> Iterator[str]:
    """The change in G-code."""
    if change.speed is not None:
        yield f"M220 S{change.speed}"
    if change.flow is not None:
        yield f"M221 S{change.flow}"
    if change.fan is not None:
        yield f"M106 S{round(change.fan * _FAN_FULL / 100)}" if change.fan else "M107"
    if change.hotend is not None:
        yield f"M104 S{change.hotend}"
    if change.bed is not None:
        yield f"M140 S{change.bed}"
    if change.z_step is not None:
        yield f"M290 Z{change.z_step:.3f}"
    if change.light is not None:
        yield f"M355 S{int(change.light)}"


def answer_prompt(driver: DriverState, order: AnswerPrompt) -> None:
    """Press a button of the question that is asked; what follows is the firmware's to say."""
    refusal = _prompt_refusal(driver, order)
    link = driver.link
    if refusal is not None or link is None:
        driver.answer(order.order_id, OrderResult.REFUSED, refusal or NOT_CONNECTED)
        return
    link.send_emergency(f"M876 S{order.choice}")
    driver.answer(order.order_id, OrderResult.ACCEPTED)


def _prompt_refusal(driver: DriverState, order: AnswerPrompt) -> str | None:
    prompt, link = driver.view.prompts.shown, driver.link
    if link is None:
        return driver.why_unavailable()
    if prompt is None:
        return "The printer asks nothing any more."
    if (busy := driver.why_receiving()) is not None:
        return busy
    if prompt.number != order.prompt:
        return f"The printer asks something else by now: {prompt.text}"
    if not 0 <= order.choice < len(prompt.choices):
        return "The printer does not offer that choice."
    return None if link.profile.emergency_parser else _NO_PARSER
