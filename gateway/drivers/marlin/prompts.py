"""Questions that the firmware asks on its host's screen (Marlin's HOST_PROMPT_SUPPORT). No I/O.

    //action:prompt_begin <text>      a new question, not shown yet
    //action:prompt_button <words>    one more button (`prompt_choice` in older builds)
    //action:prompt_show              it is asked now
    //action:prompt_end               nobody needs to answer any more

The answer is `M876 S<number of the button>`. The firmware reads it while it waits only by its emergency
parser (serial facts 16).
"""

from __future__ import annotations

from gateway.domain.observations import Prompt
from gateway.protocol.marlin.replies import Action, Reply, Start

#: Buttons of one question: M876 takes one digit.
CHOICES_MAX = 10
#: Characters of a question or a button: displays show 20 to 60; more is noise.
TEXT_CHARS_MAX = 120


class PromptWatch:
    """What the printer asks now."""

    def __init__(self) -> None:
        self.shown: Prompt | None = None
        self._asked = 0
        self._text: str | None = None  # of a question that is not shown yet
        self._choices: list[str] = []

    def hear(self, reply: Reply) -> None:
        """Learn from one reply."""
        if isinstance(reply, Start):
            self.clear()
        elif isinstance(reply, Action) and reply.name.startswith("prompt_"):
            self._hear_prompt(reply.name, reply.argument.strip()[:TEXT_CHARS_MAX])

    def _hear_prompt(self, name: str, words: str) -> None:
        if name == "prompt_begin":
            self.clear()
            self._text = words
        elif name in ("prompt_button", "prompt_choice"):
            if self._text is not None and len(self._choices) < CHOICES_MAX:
                self._choices.append(words)
        elif name == "prompt_show":
            if self._text is not None:
                self._asked += 1
                self.shown = Prompt(self._asked, self._text, tuple(self._choices))
        elif name == "prompt_end":
            self.clear()

    def clear(self) -> None:
        """The question is over: answered, or the board or the print is another one."""
        self.shown = self._text = None
        self._choices = []
