"""Messages: everything the domain can say goes over the wire and comes back equal."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import observations, orders
from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import (
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintReport,
    Prompt,
)
from gateway.domain.orders import Adjust, AnswerPrompt, Order, SendGcode, StartPrint, Tell, UploadFile
from gateway.streamer import messages
from gateway.streamer.host import MAX_PRINTERS
from gateway.streamer.hosted import MAX_ENDED
from gateway.streamer.messages import (
    MAX_MESSAGE_BYTES,
    PROTOCOL_VERSION,
    Answered,
    BadMessage,
    Bye,
    Drain,
    Hello,
    Observed,
    Progressed,
    Snapshot,
    decode,
    encode,
    order_message,
    version_conflict,
)

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)  # also lone surrogates: paths that are no UTF-8
NUMBERS = st.floats(allow_nan=False)
ADJUSTMENTS = st.builds(
    Adjustment,
    **{name: st.none() | st.integers(0, 300) for name in ("speed", "flow", "fan", "hotend", "bed")},
    z_step=st.none() | NUMBERS,
    light=st.none() | st.booleans(),
)


def strategy_for(kind: type) -> st.SearchStrategy[Any]:
    return st.builds(
        kind,
        **{name: ANY_TEXT for name, annotation in kind.__annotations__.items() if annotation == "str"},
        **({"lines": st.lists(ANY_TEXT, max_size=5).map(tuple)} if kind is SendGcode else {}),
        **({"size": st.integers(0, 2**63)} if kind in (StartPrint, UploadFile) else {}),
        **({"change": ADJUSTMENTS} if kind is Adjust else {}),
        **({"prompt": st.integers(), "choice": st.integers()} if kind is AnswerPrompt else {}),
    )


ORDERS = st.one_of([strategy_for(kind) for kind in get_args(Order) if kind is not Tell])
ANSWERS = st.builds(
    OrderAnswered,
    ANY_TEXT,
    ANY_TEXT,
    st.sampled_from(OrderResult),
    st.none() | ANY_TEXT,
    is_final=st.booleans(),
)
REPORTS = st.builds(
    PrintReport,
    key=ANY_TEXT,
    phase=st.sampled_from(observations.PrintPhase),
    is_local=st.booleans(),
    name=st.none() | ANY_TEXT,
    size=st.none() | st.integers(0, 2**63),
    position=st.none() | st.integers(0, 2**63),
    line=st.none() | st.integers(0, 2**40),
    progress=st.none() | NUMBERS,
    reason=st.none() | ANY_TEXT,
    message=st.none() | ANY_TEXT,
)
PRINTERS = st.builds(
    PrinterObserved,
    printer=ANY_TEXT,
    link=st.sampled_from(LinkState),
    link_reason=st.none() | ANY_TEXT,
    activity=st.none() | st.sampled_from(observations.Activity),
    message=st.none() | ANY_TEXT,
    firmware=st.none() | ANY_TEXT,
    current=st.none() | REPORTS,
    ended=st.lists(REPORTS, max_size=3).map(tuple),
    temperatures=st.dictionaries(ANY_TEXT, NUMBERS, max_size=3),
    prompt=st.none() | st.builds(Prompt, st.integers(), ANY_TEXT, st.lists(ANY_TEXT, max_size=3).map(tuple)),
    silent_for=st.none() | NUMBERS,
)


@given(ORDERS)
def test_every_order_comes_back(order: Order) -> None:
    message = order_message(order)
    line = encode(message)
    again = decode(line)
    assert again == message
    assert type(again.order) is type(order)  # type: ignore[union-attr]
    assert again.order == order  # type: ignore[union-attr]
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


def test_a_printers_own_words_are_not_for_serial_ports() -> None:
    with pytest.raises(BadMessage, match="knows no command 'park'"):
        order_message(Tell("mk3", "1", "park", {}))


@given(ANSWERS)
def test_every_answer_comes_back(answer: OrderAnswered) -> None:
    again = decode(encode(Answered(answer=answer)))
    assert again == Answered(answer=answer)
    assert isinstance(again.answer.result, OrderResult)  # type: ignore[union-attr]


@given(ANY_TEXT, ANY_TEXT, st.none() | NUMBERS, st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers()))
def test_progress_comes_back(
    printer: str, order_id: str, progress: float | None, answer: dict[str, object]
) -> None:
    said = OrderProgressed(printer, order_id, progress, answer)
    assert decode(encode(Progressed(progress=said))) == Progressed(progress=said)


@given(st.lists(PRINTERS, max_size=3).map(tuple))
def test_every_snapshot_comes_back(printers: tuple[PrinterObserved, ...]) -> None:
    again = decode(encode(Snapshot(printers=printers)))
    assert isinstance(again, Snapshot)
    assert again.printers == printers
    for printer in printers:
        observed = decode(encode(Observed(printer=printer)))
        assert isinstance(observed, Observed)
        assert observed.printer == printer
        assert isinstance(observed.printer.link, LinkState)


def test_a_sensor_without_a_number_comes_back() -> None:
    printer = PrinterObserved("mk3", LinkState.UP, temperatures={"T": math.nan, "B": math.inf})
    again = decode(encode(Observed(printer=printer)))
    assert isinstance(again, Observed)
    assert math.isnan(again.printer.temperatures["T"])
    assert again.printer.temperatures["B"] == math.inf


@pytest.mark.parametrize(
    "message",
    [Hello(version=7, instance="i", host="h"), Drain(), Bye(reason="upgrade"), Bye(reason="x", final=True)],
)
def test_the_rest_comes_back(message: messages.Message) -> None:
    assert decode(encode(message)) == message


def test_every_order_for_a_serial_printer_has_a_message() -> None:
    kinds = {message.model_fields["order"].annotation for message in get_args(messages.OrderMessage)}
    assert kinds == set(get_args(Order)) - {Tell}


def test_every_word_of_the_protocol_is_its_own() -> None:
    words = [kind.model_fields["type"].default for kind in get_args(messages.Message)]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'{"type":"dance"}\n',
        b'{"type":"start"}\n',
        b'{"type":"start","order":{"printer":"x"}}\n',
        b'{"type":"observed","printer":{"printer":"x","link":"sideways"}}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"G28\n",
        b"1" * 5000 + b"\n",
        b'"' + b"x" * MAX_MESSAGE_BYTES + b'"\n',
    ],
)
def test_anything_else_is_a_bad_message(line: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(line)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(line: bytes) -> None:
    try:
        decode(line)
    except BadMessage:
        pass


def test_what_the_other_side_would_not_take_is_not_written() -> None:
    order = orders.SendGcode("mk3", "o1", ("G1 X1",) * 600_000)
    with pytest.raises(BadMessage, match="send_gcode of"):
        encode(order_message(order))


def test_a_full_streamer_fits_in_a_message() -> None:
    """With the longest names a file system has, in the costliest spelling JSON has (six bytes for one)."""
    report = PrintReport("k" * 40, observations.PrintPhase.COMPLETED, True, "\udc80" * 255, message="m" * 500)
    printer = PrinterObserved("p" * 63, LinkState.UP, current=report, ended=(report,) * MAX_ENDED)
    assert len(encode(Snapshot(printers=(printer,) * MAX_PRINTERS))) < MAX_MESSAGE_BYTES


def test_unknown_fields_are_for_the_future() -> None:
    body = json.loads(encode(Hello(version=99, instance="i", host="h"))) | {"colour": "red"}
    hello = decode(json.dumps(body).encode())
    assert isinstance(hello, Hello)
    text = version_conflict(hello, "streamer")
    assert text is not None
    assert "the streamer speaks version 99 of the driver protocol, this side 2" in text
    assert "install the same print-gateway for both" in text


def test_the_same_version_is_no_conflict() -> None:
    assert version_conflict(Hello(version=PROTOCOL_VERSION, instance="i"), "gateway") is None
