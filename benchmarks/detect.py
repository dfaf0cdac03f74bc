"""The anomaly detector over sets of metrics, with its default settings; and how good it is, beside its peers.

    python benchmarks/detect.py --data DIR --out DIR [--only SET]
    python benchmarks/detect.py --data DIR --score [--only SET] [--peers none|fast|all]

DIR has a folder a set: ``series.parquet`` (series, ts Unix seconds, value), ``meta.json`` (a list of series,
step_seconds, scored_from) and, only to be scored, ``labels.csv`` (series, start, end). ``--out`` gets
``<set>.parquet`` of series, ts, score, page; labels are not read for it.

R@1 and R@.1: the share of incidents caught at no more than 1 and 0.1 false pages a series-week, at one
threshold
read off the set. *pages*: what the shipped threshold does. NAB: the score of the Numenta Anomaly Benchmark's
standard profile, causal: no detector here reads what is still to come. Where the scorer was trained on the
same
series (``scripts/train_anomaly_scorer.py`` says on which), its row flatters it: that script prints the
figures for
series whose family was left out.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.detection import data, peers, scoring
from benchmarks.detection.data import Series, Verdict
from benchmarks.detection.running import blocks
from bongsu.watch.anomaly import Detector

HEAD = (
    f"{'set':6} {'detector':26} {'R@1':>6} {'R@.1':>6} {'recall':>7} {'false/wk':>9} {'delay':>8}"
    f" {'NAB':>6} {'µs':>7}"
)


def bongsu(name: str, series: Sequence[Series]) -> list[Verdict]:
    """The shipped detector over a set, series of one step side by side, sample by sample."""
    said: dict[int, Verdict] = {}
    for block in blocks(series):
        detector = Detector(block.step, block.names)
        score, page = np.empty(block.ts.shape), np.zeros(block.ts.shape, bool)
        told = time.monotonic()
        for row in range(len(block.ts)):
            one = detector.tick(block.ts[row], block.value[row])
            score[row], page[row] = one.score, one.page
            if time.monotonic() - told > 5:
                told = time.monotonic()
                say(f"{name}: {len(block.names)} series at {block.step} s, {row / len(block.ts):.0%}")
        for column, i in enumerate(block.index):
            count = len(series[i].ts)
            said[i] = Verdict(score[:count, column].copy(), page[:count, column].copy())
    return [said[i] for i in range(len(series))]


def row(
    name: str,
    detector: str,
    series: Sequence[Series],
    cases: Sequence[scoring.Case],
    run: Callable[[], list[Verdict]],
) -> str:
    """One line of the table."""
    begin = time.process_time()
    verdicts = run()
    spent = time.process_time() - begin
    scores, pages = scoring.judged(series, verdicts)
    at_1, at_tenth = scoring.recall_at(cases, scores, 1.0), scoring.recall_at(cases, scores, 0.1)
    paged = scoring.total([scoring.judge(case, page) for case, page in zip(cases, pages, strict=True)])
    points = sum(len(one.ts) for one in series)
    return (
        f"{name:6} {detector:26} {at_1.recall:6.2f} {at_tenth.recall:6.2f} {paged.recall:7.2f}"
        f" {paged.false_rate:9.2f} {paged.delay / 60:6.0f} m {scoring.nab_score(cases, scores):6.1f}"
        f" {spent / points * 1e6:7.1f}"
    )


def table(folder: Path, chosen: Sequence[str], which: str) -> Iterator[str]:
    """The lines of the table of scores."""
    for name in chosen:
        series, labels = data.read(folder / name), data.read_labels(folder / name)
        if labels is None:
            yield f"{name:6} has no labels.csv: it cannot be scored"
            continue
        cases = [scoring.Case.of(one, labels.get(one.name, [])) for one in series]
        yield row(name, "Bongsu", series, cases, partial(bongsu, name, series))
        for peer in peers.PEERS if which != "none" else ():
            if peer.slow and which != "all":
                continue
            if not peer.installed:
                yield f"{name:6} {peer.name:26} NOT INSTALLED: needs the package {peer.needs}"
                continue
            say(f"{name}: {peer.name}")
            yield row(name, peer.name, series, cases, partial(each, peer, series))


def each(peer: peers.Peer, series: Sequence[Series]) -> list[Verdict]:
    return [peer.judge(one) for one in series]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--only", metavar="SET")
    parser.add_argument("--peers", choices=("none", "fast", "all"), default="all")
    args = parser.parse_args()
    if not args.score and args.out is None:
        parser.error("say where to write with --out, or --score")
    chosen = [name for name in data.sets(args.data) if args.only in (None, name)]
    if not chosen:
        say(
            f"{args.data} has no set{f' named {args.only}' if args.only else ''}: expected SET/series.parquet"
        )
        return 2
    try:
        for name in chosen if args.out else ():
            series = data.read(args.data / name)
            data.write(args.out / f"{name}.parquet", series, bongsu(name, series))
            say(f"wrote {args.out / f'{name}.parquet'}")
        if args.score:
            print(HEAD)
            for line in table(args.data, chosen, args.peers):
                print(line, flush=True)
    except ValueError as error:
        say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
