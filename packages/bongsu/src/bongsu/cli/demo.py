"""``bongsu demo``: the demo shop, a fault, and the whole chain telling about it."""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import say

Tell = Callable[[str, str], None]

if TYPE_CHECKING:
    from bongsu.demo.run import Narrate, Outcome
    from bongsu.demo.stack import Stack

WARM_UP_SECONDS = 15.0


@click.command(
    help=say(
        "Run the demo shop, break it, and watch Bongsu notice, explain and tell.",
        "데모 상점을 띄우고 고장 낸 뒤, 감지부터 원인 분석과 알림까지 지켜봅니다.",
    )
)
@click.option(
    "--once", is_flag=True, help=say("One fault to its end, then stop.", "고장 한 번을 끝까지 보고 종료.")
)
@click.option(
    "--json", "as_json", is_flag=True, help=say("Print one JSON object.", "결과를 JSON 하나로 출력.")
)
@click.option("--fault", default="error", help=say("Which fault (see --list).", "고장 종류 (--list 참고)."))
@click.option("--list", "list_faults", is_flag=True, help=say("List the faults.", "고장 목록."))
@click.option(
    "--prometheus",
    "with_prometheus",
    is_flag=True,
    help=say("Judge by real Prometheus and Alertmanager.", "실제 Prometheus와 Alertmanager로 판정."),
)
@click.option(
    "--port", type=int, default=0, help=say("Console port; free unless given.", "콘솔 포트. 기본은 빈 포트.")
)
def demo(**options: Any) -> None:
    from bongsu.demo.stack import DemoError, shop_faults
    from bongsu.processes import ProcessError

    try:
        if options["list_faults"]:
            for fault in shop_faults().values():
                click.echo(
                    f"{fault.name:<12} {fault.service:<10} {say(fault.summary['en'], fault.summary['ko'])}"
                )
            return
        if options["fault"] not in shop_faults():
            raise click.BadParameter(
                f"{options['fault']!r}; known: {', '.join(shop_faults())}", param_hint="--fault"
            )
        # Whoever ends the demo, what it started ends with it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        outcome = asyncio.run(_run(**options))
    except (DemoError, ProcessError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo(
            say(
                "\nstopped; everything that the demo started has ended",
                "\n중단했습니다. 데모가 띄운 것은 모두 종료되었습니다",
            ),
            err=True,
        )
        return
    if options["as_json"] and outcome is not None:
        import msgspec

        click.echo(msgspec.json.encode(outcome).decode())
    if outcome is not None and not outcome.ok:
        click.echo(
            say(f"the chain did not hold: {outcome.why}", f"사슬이 끊겼습니다: {outcome.why}"), err=True
        )
        sys.exit(1)


async def _run(
    once: bool, as_json: bool, fault: str, with_prometheus: bool, port: int, **_: Any
) -> "Outcome | None":
    from bongsu.demo.run import one_fault
    from bongsu.demo.stack import running
    from bongsu.processes import free_port

    def tell(en: str, ko: str) -> None:
        click.echo(say(en, ko), err=as_json)

    language = say("en", "ko")
    with tempfile.TemporaryDirectory(prefix="bongsu-demo-") as folder:
        tell("starting the shop, the server and the inbox …", "상점, 서버, 수신함을 시작합니다 …")
        started = time.monotonic()
        async with running(
            Path(folder), port=port or free_port(), language=language, with_prometheus=with_prometheus
        ) as stack:
            took = time.monotonic() - started
            tell(f"started in {took:.1f} s", f"{took:.1f}초 만에 시작했습니다")
            _introduce(stack, tell)
            tell(
                f"gathering {WARM_UP_SECONDS:.0f} s of normal traffic …",
                f"정상 트래픽을 {WARM_UP_SECONDS:.0f}초 동안 모읍니다 …",
            )
            await asyncio.sleep(WARM_UP_SECONDS)
            outcome = await one_fault(stack, fault, _narrator(tell, fault), hold=0 if once else 20)
            if once:
                return outcome
            await _linger(stack, tell)
    return None


def _introduce(stack: "Stack", tell: Tell) -> None:
    tell(f"  console   {stack.console}", f"  콘솔      {stack.console}")
    tell(f"  sign in with this token: {stack.admin_token}", f"  로그인 토큰: {stack.admin_token}")
    if stack.inbox:
        tell(
            f"  messages  {stack.inbox}  (a stand-in for Discord)",
            f"  메시지    {stack.inbox}  (Discord 대역)",
        )
    else:
        tell("  messages go to your Discord webhook", "  메시지는 지정한 Discord 웹훅으로 갑니다")


def _narrator(tell: Tell, fault: str) -> "Narrate":
    tell(f"breaking the shop: {fault}", f"상점을 고장 냅니다: {fault}")

    def narrate(hop: str, seconds: float, document: dict[str, Any]) -> None:
        incident, analysis = document["incident"], document["analysis"]
        suspects = analysis["suspects"] if analysis else []
        first = suspects[0]["service"] if suspects else "-"
        reason = suspects[0]["reasons"][0]["text"] if suspects else {"en": "", "ko": ""}
        texts = {
            "first_bad_sample": ("first bad sample", "첫 이상 값"),
            "alert": (f"alert: {incident['title']}", f"알림 발생: {incident['title']}"),
            "incident": (
                f"incident #{incident['number']} opened, {incident['severity']}",
                f"장애 #{incident['number']} 등록, {incident['severity']}",
            ),
            "analysed": (
                f"analysed: first suspect {first}: {reason['en']}",
                f"분석: 첫 번째 용의자 {first}: {reason['ko']}",
            ),
            "delivered": ("message delivered", "메시지 전송됨"),
            "resolved": ("every alert has resolved", "모든 알림이 해소됨"),
            "closed": ("message shows the end; closed", "메시지에 종료 표시, 장애 종료"),
        }
        en, ko = texts[hop]
        tell(f"  +{seconds:6.2f} s  {en}", f"  +{seconds:6.2f}초  {ko}")

    return narrate


async def _linger(stack: "Stack", tell: Tell) -> None:
    """Let the person break the shop again and again, until end of input or Ctrl-C."""
    from bongsu.demo.run import one_fault
    from bongsu.demo.stack import shop_faults

    names = list(shop_faults())
    tell("", "")
    tell(
        f"still running. Break it again with one of: {', '.join(names)}; q ends",
        f"계속 실행 중입니다. 다시 고장 내려면 입력: {', '.join(names)}; 종료는 q",
    )
    while True:
        line = await asyncio.to_thread(sys.stdin.readline)
        word = line.strip()
        if word in {"q", "quit", "exit"}:
            return
        if not line:
            await asyncio.Event().wait()
        if word in names:
            await one_fault(stack, word, _narrator(tell, word), hold=20)
        elif word:
            tell(f"there is no fault {word!r}", f"{word!r}라는 고장은 없습니다")
