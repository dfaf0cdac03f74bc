"""Root-cause analysis on labelled failures: the engine of `bongsu serve`, beside published rankings.

    python benchmarks/rca.py --data DIR --out FILE [--rename SEED] [--score] [--quiet] [--only SET]

DIR holds one folder a set: nezha_tt, nezha_ob (metrics, spans, logs), petshop (metrics, call graph),
rootcausebench (with commits, deploys and flags). Each case becomes evidence and is analysed with the one
built-in set of parameters; labels are read to score and for nothing else. `--rename` gives every service
another name, in texts too. `--quiet` adds windows before any fault, where naming a cause is wrong.

Writes one JSON line a case: case_id, dataset, ranking (best first), scores, abstained, change (what is
blamed, or "none"), cpu_seconds (from parsed observations to the analysis) and claims (each with the ids of
its evidence and its figures). `--score` prints AC@k and Avg@5 with ties in expectation, for the engine, for a
random ranking, n-sigma and BARO; and how often the first suspect was right, by how sure the analysis is.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rca_data import changes, nezha, petshop
from rca_data.case import Case, Label, labels
from rca_data.peers import PEERS
from rca_data.scoring import percentile, summary

from bongsu.analysis.confidence import level_of
from bongsu.analysis.rank import conclude, rank

SETS = {
    "nezha_tt": nezha.cases,
    "nezha_ob": nezha.cases,
    "petshop": petshop.cases,
    "rootcausebench": changes.cases,
}
QUIET = {"petshop": petshop.quiet}

Row = dict[str, Any]


def run(case: Case) -> Row:
    start = time.process_time()
    evidence = case.evidence()
    ranked = rank(evidence)
    analysis = conclude(evidence, ranked)
    took = time.process_time() - start
    blamed = next(
        (c.ref or c.id for c in evidence.changes if analysis.blame and c.id == analysis.blame.change), "none"
    )
    return {
        "case_id": case.case_id,
        "dataset": case.dataset,
        "ranking": case.rename.original(suspect.service for suspect in ranked),
        "scores": [suspect.score for suspect in ranked],
        "abstained": analysis.abstained,
        "change": blamed,
        "cpu_seconds": round(took, 4),
        "claims": [
            {"kind": c.kind, "service": c.service, "text": c.text.en, "evidence": c.evidence}
            | {"figures": {name: [f.formula, f.value] for name, f in c.says.figures.items()}}
            for c in analysis.claims
        ],
    }


def all_cases(data: Path, only: str | None, seed: int | None, *, quiet: bool) -> Iterator[Case]:
    for name, cases in SETS.items():
        if (data / name).is_dir() and only in (None, name):
            yield from cases(data / name, name, seed)
            if quiet and name in QUIET:
                yield from QUIET[name](data / name, name, seed)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rename", type=int, metavar="SEED")
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--only", choices=SETS)
    options = parser.parse_args()
    if not any((options.data / name).is_dir() for name in SETS):
        print(f"{options.data}: none of the folders {', '.join(SETS)} is there", file=sys.stderr)
        return 2
    done: list[tuple[Case, Row]] = []
    with options.out.open("w") as out:
        for case in all_cases(options.data, options.only, options.rename, quiet=options.quiet):
            row = run(case)
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            done.append((case, row))
    if options.score:
        score(options.data, done)
    return 0


def score(data: Path, done: Sequence[tuple[Case, Row]]) -> None:
    for name in dict.fromkeys(case.dataset for case, _ in done):
        found = [(case, row) for case, row in done if case.dataset == name]
        faults = [(case, row) for case, row in found if not case.quiet]
        truth = labels(data / name)
        _print_ranking(name, [(c, r, truth[c.case_id]) for c, r in faults if c.case_id in truth])
        quiet = [row for case, row in found if case.quiet]
        if quiet:
            none = sum(row["abstained"] for row in quiet)
            print(f"  quiet windows: no cause named in {none} of {len(quiet)} ({none / len(quiet):.0%})")
    _print_confidence(data, done)


def _print_confidence(data: Path, done: Sequence[tuple[Case, Row]]) -> None:
    """Of the analyses that name a cause; in a quiet window nobody is right."""
    counts = {level: [0, 0] for level in ("high", "moderate", "low")}
    truth = {name: labels(data / name) for name in {case.dataset for case, _ in done}}
    for case, row in done:
        label = truth[case.dataset].get(case.case_id)
        if row["abstained"] or (label is None and not case.quiet):
            continue
        count = counts[level_of(row["scores"][0])]
        count[0] += label is not None and row["ranking"][0] == label.service
        count[1] += 1
    said = ", ".join(f"{level} {right} of {of}" for level, (right, of) in counts.items())
    print(f"first suspect right by confidence: {said}")


def _print_ranking(name: str, rows: Sequence[tuple[Case, Row, Label]]) -> None:
    if not rows:
        print(f"{name}: no labels")
        return
    rankings = {
        "bongsu": [(c, dict(zip(r["ranking"], r["scores"], strict=True)), t.service) for c, r, t in rows]
    }
    for peer, guess in PEERS.items():
        rankings[peer] = [(c, _original(c, guess(c)), t.service) for c, _, t in rows]
    print(f"{name}: {len(rows)} cases")
    for who, ranked in rankings.items():
        figures = summary(ranked)
        print(f"  {who:<8}" + "".join(f"  {key} {value:.3f}" for key, value in figures.items()))
    cpu = [row["cpu_seconds"] for _, row, _ in rows]
    abstained = sum(row["abstained"] for _, row, _ in rows)
    half, most = percentile(cpu, 0.5), percentile(cpu, 0.95)
    print(f"  abstained {abstained}; CPU a case p50 {half:.2f} s, p95 {most:.2f} s")
    if any(case.changes for case, _, _ in rows):
        right = sum(row["change"] == label.change for _, row, label in rows)
        decoys = sum(row["change"] in label.decoys for _, row, label in rows)
        print(f"  changes: {right} of {len(rows)} right, a decoy named {decoys} times")


def _original(case: Case, scores: Any) -> dict[str, float]:
    return dict(zip(case.rename.original(scores), scores.values(), strict=True))


if __name__ == "__main__":
    sys.exit(main())
