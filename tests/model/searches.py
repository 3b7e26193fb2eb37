"""The searches. A complete search visits every state and finds no violation. A planted fault is
searched in the sizes of a complete search until its violation is found."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Search:
    """One search. Sizes that are not named have their defaults (bounds.pml, counts.pml)."""

    name: str
    sizes: dict
    large: dict = field(default_factory=dict)  # further sizes, for --large
    model: str = "journal"
    fault: str = ""  # the fault's switch, without FAULT_; empty: a complete search
    violates: str = ""  # the property that the fault has to violate


COMPLETE = (
    Search("failover", {"FAILOVERS": 1, "LOSSES": 1, "TIMEOUTS": 1}, {"TIMEOUTS": 2}),
    Search("crash", {"CRASHES": 1, "FOLDS": 1, "POSITIONS": 4}, {"POSITIONS": 5}),
    Search("failover-folds", {"FAILOVERS": 1, "FOLDS": 1, "LOSSES": 1, "TIMEOUTS": 1, "COUNTERS": 1,
                              "POSITIONS": 4}, {"COUNTERS": 2, "CANCELS": 1}),
    Search("new-lanes", {"FAILOVERS": 1, "LOSSES": 1, "NO_LANES_YET": 1, "HITS": 1, "CANCELS": 1},
           {"CANCELS": 2, "HITS": 2}),
    Search("connections", {"LOSSES": 1, "KILLS": 1}, {"LOSSES": 2, "POSITIONS": 6}),
    Search("two-renderers", {"RENDERERS": 2, "HITS": 1, "LOSSES": 1, "FOLDS": 1, "TIMEOUTS": 1},
           {"TIMEOUTS": 2, "LOSSES": 2}),
    Search("restore", {"RESTORES": 1, "LOSSES": 1}, {"FOLDS": 1}),
    Search("old-folds", {"RESTORES": 1, "FOLDS": 2, "COUNTERS": 1},
           {"COUNTERS": 2, "HITS": 1, "LOSSES": 1}),
    Search("forgotten-lanes", {"FORGETS": 1, "LOSSES": 1, "HITS": 1, "POSITIONS": 6},
           {"HITS": 2, "KILLS": 1}),
    Search("failover-crash", {"FAILOVERS": 1, "CRASHES": 1, "HITS": 1, "POSITIONS": 4},
           {"HITS": 2, "POSITIONS": 5, "TIMEOUTS": 1}),
    Search("counts-changes", {"CHANGES": 1, "POSITIONS": 4}, {"POSITIONS": 5}, "counts"),
    Search("counts-crash", {"CRASHES": 1, "POSITIONS": 4}, {"CHANGES": 1}, "counts"),
)

_TWICE, _MISSING = "hit_counted_twice", "acknowledged_hit_missing"
_FALSE, _EMPTY, _WRONG = "conflict_false", "journal_empty", "count_wrong"

# Without the check of 409s, the search continues to the damage of a false one.
_UNCHECKED = {"ALLOW_FALSE_CONFLICTS": 1}


def _fault(switch, where, violates, sizes=None):
    """A fault in the sizes of the complete search `where`."""
    base = next(search for search in COMPLETE if search.name == where)
    name = f"{switch.lower().replace('_', '-')} ({where})"
    return Search(name, {**base.sizes, **(sizes or {})}, {}, base.model, switch, violates)


FAULTS = (
    # the chain
    _fault("CHAIN_BY_POSITION", "restore", _TWICE),
    _fault("CHAIN_TO_NOTHING", "two-renderers", _MISSING),
    _fault("CATCH_UP_BY_POSITION", "failover", _TWICE, _UNCHECKED),
    # folds and clearing
    _fault("FOLD_NOT_JOINED", "old-folds", _TWICE),
    _fault("FOLD_IGNORES_GENERATION", "old-folds", _MISSING),
    _fault("CLEAR_LAST", "crash", _EMPTY),
    _fault("CLEAR_FROM_MEMORY", "crash", _MISSING),
    # rule 1
    _fault("ANSWER_BEFORE_SYNC", "failover", _MISSING),
    _fault("WARNING_CONFIRMS", "failover", _MISSING),
    _fault("RELOAD_CONFIRMS", "failover", _MISSING),
    _fault("ABSENCE_IS_PROOF", "connections", _TWICE, _UNCHECKED),
    _fault("DOUBT_FORGOTTEN", "forgotten-lanes", _TWICE),
    # rule 2
    _fault("READ_CONFIRMS", "failover", _MISSING),
    _fault("REPEAT_FROM_MEMORY", "restore", _MISSING),
    _fault("UNKNOWN_LANE_IS_NEW", "forgotten-lanes", _TWICE),
    # rule 4
    _fault("SLOT_POSITION_IGNORED", "counts-crash", _WRONG),
    _fault("CHECKPOINT_GOES_BACK", "counts-crash", _WRONG),
    _fault("LOOK_UP_ELSEWHERE", "counts-changes", _WRONG),
    _fault("EVICT_PINNED", "counts-crash", _WRONG),
    # rule 5
    _fault("CONFLICT_FROM_MEMORY", "connections", _FALSE),
    _fault("CONFLICT_BY_READ", "failover", _FALSE),
    # rule 6
    _fault("WARNING_CONFIRMS", "new-lanes", _FALSE),
    # rule 11
    _fault("GENERATION_IGNORED", "counts-changes", _WRONG),
    # render-svc
    _fault("MOVES_ALWAYS", "forgotten-lanes", _TWICE),
)
