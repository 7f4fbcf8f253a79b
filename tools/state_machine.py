"""Write docs/state-machine.md: the life of a reservation, drawn from the table that is run.

Usage: python tools/state_machine.py [--check]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from evhold.domain import guards
from evhold.domain.reservation import Phase
from evhold.domain.transitions import TRANSITIONS, Row
from generated import ROOT, settle

PAGE = ROOT / "docs" / "state-machine.md"
HEADER = """# The life of a reservation

Made by `make docs` from `src/evhold/domain/transitions.py`. Do not edit.

Used, Expired, Removed, Failed and Canceled come in two kinds: closed by the station's own word, or still open to it.

- `Used-p` proven, `Used-u` unproven: nobody showed the reserved token yet
- `Expired-c` reported by the station, `Expired-p` by our own sweep
- `Removed-c` reported, `Removed-u` the station knew nothing of it
- `Failed-n` never sent, `Failed-u` our retraction was rejected
- `Canceled-a` accepted by the station, `Canceled-r` the driver asked for it and the station knew nothing of it

"""
LEGEND = """
The numbers are those of the rows below. Facts that leave the phase as it is are not drawn.

## The table

The first row that fits wins; what fits none changes nothing and is noted (row 58). `asks` narrows an answer to the orders
that it may be the answer of. Rows marked with ! are anomalies, those marked with - leave no history row.

| row | from | fact | of the asks | when | to | what follows |
|---|---|---|---|---|---|---|
"""
CREATED = 1


def main() -> int:
    """Write the page, or say that it is stale."""
    return settle(PAGE, page())


def page() -> str:
    """The whole page."""
    return HEADER + "\n".join(diagram()) + "\n" + LEGEND + "\n".join(map(line, TRANSITIONS)) + "\n"


def diagram() -> Iterator[str]:
    """A mermaid state diagram of what changes the phase."""
    yield from ("```mermaid", "stateDiagram-v2")
    yield from (f'    state "{phase}" as {name(phase)}' for phase in Phase)
    yield f"    [*] --> {name(Phase.PENDING)} : {CREATED}"
    numbers: defaultdict[tuple[Phase, Phase], set[int]] = defaultdict(set)
    for row in TRANSITIONS:
        for edge in edges(row):
            numbers[edge].add(row.number)
    order = list(Phase)
    for start, end in sorted(numbers, key=lambda edge: (order.index(edge[0]), order.index(edge[1]))):
        yield f"    {name(start)} --> {name(end)} : {', '.join(map(str, sorted(numbers[start, end])))}"
    yield "```"


def edges(row: Row) -> Iterator[tuple[Phase, Phase]]:
    """From where to where a row may lead, where these differ.

    A row that leaves each of its phases as it is, or closes it, leads from each to its own; any other from each to all.
    """
    if len(row.phases) > 1 and set(row.phases) <= set(row.to):
        return
    if row.then.__name__ == "close":
        # The same state, now closed.
        yield from ((one, two) for one in row.phases for two in row.to if state_of(one) == state_of(two))
        return
    yield from ((one, two) for one in row.phases for two in row.to if one is not two)


def state_of(phase: Phase) -> str:
    """The state that users see."""
    return phase.value.split("-")[0]


def name(phase: Phase) -> str:
    """What mermaid takes for an identifier."""
    return phase.value.replace("-", "_")


def line(row: Row) -> str:
    """One line of the table."""
    mark = " !" if row.anomaly else " -" if row.quiet else ""
    cells = (
        f"{row.number}{mark}",
        listed(row.phases),
        ", ".join(fact.__name__ for fact in row.facts),
        ", ".join(sorted(row.asks)),
        "" if row.guard is guards.always else said(row.guard),
        "unchanged" if row.to == row.phases else listed(row.to),
        said(row.then),
    )
    return f"| {' | '.join(cells)} |"


def listed(phases: tuple[Phase, ...]) -> str:
    """Phases in the order in which they are declared."""
    return ", ".join(phase.value for phase in Phase if phase in phases)


def said(function: Callable[..., object]) -> str:
    """The first line of its docstring."""
    text = (function.__doc__ or "").strip()
    if not text:
        raise SystemExit(f"{function.__name__} has no docstring")
    return text.splitlines()[0].replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main())
