"""A labelled failure as the engine and its peers see it. The label is kept apart and never read by them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bongsu.analysis.model import Evidence, MetricEvidence, Window
from rca_data.rename import Renaming
from rca_data.tables import jsonl


@dataclass(frozen=True)
class Case:
    """``evidence`` turns what was read from disk into evidence; its CPU time counts as the engine's."""

    dataset: str
    case_id: str
    candidates: Sequence[str]
    """Every service that could be named, by its original name."""
    evidence: Callable[[], Evidence]
    metrics: Callable[[], Sequence[MetricEvidence]]
    """Every metric of the case, for the peers, which read nothing else."""
    window: Window
    baseline: Window
    rename: Renaming
    quiet: bool = False
    """A window before any fault: naming a cause is wrong."""
    changes: Sequence[str] = ()
    """What could be blamed, by commit."""


@dataclass(frozen=True)
class Label:
    service: str
    change: str = ""
    decoys: frozenset[str] = field(default_factory=frozenset)


def labels(folder: Path) -> dict[str, Label]:
    """Case id → label; empty where the set comes without."""
    path = folder / "labels.jsonl"
    return {row["case_id"]: _label(row) for row in jsonl(path)} if path.exists() else {}


def _label(row: dict[str, object]) -> Label:
    service = row.get("root_cause_service") or row.get("first_failing_service")
    decoys = row.get("decoy_deploy_commits")
    return Label(
        str(service),
        str(row.get("root_cause_commit") or ""),
        frozenset(decoys if isinstance(decoys, list) else ()),
    )
