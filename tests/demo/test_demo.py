"""The demo as a person runs it: each fault is noticed, its victim named, told and closed."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

FAULTS = ("error", "latency", "crash", "leak", "bad-deploy")
HOPS = {"first_bad_sample", "alert", "incident", "analysed", "delivered", "resolved", "closed"}


def run_demo(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bongsu", "demo", "--once", "--json", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    outcome: dict[str, Any] = json.loads(ended.stdout)
    return outcome


@pytest.mark.live
@pytest.mark.parametrize("fault", FAULTS)
def test_the_chain_holds_for_every_fault(fault: str) -> None:
    outcome = run_demo("--fault", fault)
    assert set(outcome["hops"]) == HOPS
    assert outcome["suspects"][0] == outcome["expected"]
    assert outcome["incident"]["status"] == "resolved"
    assert [d["state"] for d in outcome["deliveries"]] == ["delivered"]


@pytest.mark.live
def test_the_chain_holds_through_real_prometheus_and_alertmanager() -> None:
    for binary in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(binary) is None:
            pytest.skip(
                f"NOT RUN: {binary} is not installed (apt-get install prometheus prometheus-alertmanager)"
            )
    outcome = run_demo("--prometheus")
    assert outcome["suspects"][0] == outcome["expected"]


def test_an_unknown_fault_is_refused_with_those_that_exist() -> None:
    command = [sys.executable, "-m", "bongsu", "demo", "--once", "--fault", "flood"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "bad-deploy" in ended.stderr
    assert "Traceback" not in ended.stderr
