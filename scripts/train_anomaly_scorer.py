"""Train the anomaly detector's pooled scorer on labelled sets and write it as package data.

    python scripts/train_anomaly_scorer.py --data DIR [--out FILE] [--cache DIR] [--check family,series,set]

DIR has sets in the format of ``benchmarks/detect.py``, with labels. The shipped scorer was trained on 29
series of
the Numenta Anomaly Benchmark (MIT), 30 of microsoft/cloud-monitoring-dataset (MIT) and 14 KPIs of the AIOps
challenge of 2018 (MIT upstream). Page thresholds come from series whose family was left out of training; the
figures of each way of leaving out are printed. ``--check ''`` only trains, with the thresholds of the scorer
in use.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "packages/bongsu/src/bongsu/watch/anomaly/scorer.npz"


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from benchmarks.detection import data, training
    from bongsu.watch.anomaly import scorer

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=PACKAGE)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--check", default="family")
    args = parser.parse_args()

    try:
        sets = [training.load(args.data / name, args.cache) for name in data.sets(args.data)]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not sets:
        print(f"{args.data} has no set: expected folders with series.parquet", file=sys.stderr)
        return 2
    chosen: list[float] = []
    for by in filter(None, args.check.split(",")):
        held = training.cross_validate(sets, by)
        found = training.thresholds(sets, held)
        chosen = chosen or found
        print(f"left out by {by}; page threshold {chosen[training.RATES.index(1.0)]:.3f}")
        print("\n".join(training.describe(sets, held, chosen[training.RATES.index(1.0)])), flush=True)
    chosen = chosen or scorer.shipped().thresholds.tolist()
    model = training.as_scorer(training.train(sets, lambda *_: True), chosen)
    about = ", ".join(f"{one.name} ({len(one.series)} series)" for one in sets)
    with args.out.open("wb") as file:
        np.savez_compressed(file, **scorer.arrays(model, about))  # type: ignore[arg-type]
    print(f"wrote {args.out}, {args.out.stat().st_size} bytes, trained on {about}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
