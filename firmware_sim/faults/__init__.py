"""Bad luck by name: `catalogue` (what), `plan` and `random_plan` (when), `injector` (where).

    board = Board("marlin-stock", faults=FaultPlan([Planned(catalogue.ok_lost(), Trigger(line=200))]))
    board = Board("marlin-stock", faults=RandomPlan(seed=7, rates={"ok-lost": 0.01}))
    board.faults.arm(catalogue.byte_lost(TO_BOARD))        # at its next occasion
    ...
    assert executed_as_sent(board.ledger) == lines          # see `undetectable`

A board carries its faults with it, so the same plan works in a `World`, beside the daemon on virtual time,
and behind a pty. Every fault that strikes is an entry of the ledger: event `fault`, the line begins with the
name.
"""
