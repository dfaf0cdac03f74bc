"""Runs the shop by hand: `python -m shop --fault error`."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from shop.faults import FAULTS
from shop.settings import PORTS, port_variable
from shop.supervisor import Shop, ShopError, free_ports

HELP = "Type a fault's name to start it, 'clear' to stop all, 'quit' to leave."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--fault", action="append", default=[], choices=tuple(FAULTS), help="start with it")
    parser.add_argument("--rate", type=float, default=12.0, help="requests a second; 0 for no load")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--otlp", default=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"), metavar="URL")
    parser.add_argument("--logs", type=Path, metavar="DIRECTORY")
    parser.add_argument("--free-ports", action="store_true", help="instead of the usual ones")
    try:
        asyncio.run(_run(parser.parse_args()))
    except ShopError as error:
        sys.exit(str(error))


async def _run(given: argparse.Namespace) -> None:
    usual = {name: int(os.environ.get(port_variable(name), port)) for name, port in PORTS.items()}
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ports = free_ports() if given.free_ports else usual
    async with Shop(given.otlp, ports=ports, logs_dir=given.logs) as shop:
        if given.rate > 0:
            await shop.start_load(rate=given.rate, seed=given.seed)
        for name in given.fault:
            await shop.inject(name)
        _introduce(shop)
        commands = asyncio.create_task(_obey(shop, stop))
        await stop.wait()
        commands.cancel()
        summary = await shop.stop_load()
    if summary:
        print(json.dumps(summary))


def _introduce(shop: Shop) -> None:
    for name, url in shop.urls.items():
        print(f"{name:10} {url}  metrics {url}/metrics")
    print(f"logs       {shop.logs_dir}\n\nFaults ({HELP})")
    for fault in FAULTS.values():
        started = "*" if fault.name in shop.active else " "
        print(f" {started} {fault.name:12} {fault.service:10} {fault.summary['en']}")
    sys.stdout.flush()


async def _obey(shop: Shop, stop: asyncio.Event) -> None:
    """Follow the lines typed by the user; without a user, run on."""
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    try:
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    except (ValueError, OSError):  # no terminal and no pipe
        return
    while line := await lines.readline():
        match line.decode(errors="replace").split():
            case []:
                continue
            case ["quit" | "exit"]:
                stop.set()
            case ["clear", *names]:
                await _do(shop, names or [None], clear=True)
            case names:
                await _do(shop, names, clear=False)


async def _do(shop: Shop, names: list[str] | list[None], *, clear: bool) -> None:
    try:
        for name in names:
            await (shop.clear(name) if clear or name is None else shop.inject(name))
        print(f"active: {', '.join(shop.active) or 'none'}", flush=True)
    except (ShopError, OSError) as error:
        print(f"{error}\n{HELP}", flush=True)


if __name__ == "__main__":
    main()
