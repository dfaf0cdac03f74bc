"""``bongsu serve``: the server."""

from pathlib import Path
from typing import Any

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit


@click.command(
    help=say(
        "Run the server: watch, incidents, deliveries and the console.",
        "서버를 실행합니다: 감시, 장애 관리, 알림 전송, 콘솔.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option("--host", help=say("Address to bind; loopback unless given.", "바인드할 주소. 기본은 루프백."))
@click.option("--port", type=int, help=say("Port; 8765 unless given.", "포트. 기본은 8765."))
@click.option("--data", type=click.Path(path_type=Path), help=say("Where data are kept.", "데이터를 둘 곳."))
@click.option(
    "--watch/--no-watch", default=None, help=say("Judge the signals ourselves.", "직접 판정합니다.")
)
def serve(catalog: Path, **options: Any) -> None:
    loaded = load_or_exit(catalog, options["environment"])
    import uvicorn

    from bongsu.app import create_app
    from bongsu.folder import FolderInUseError
    from bongsu.logs import configure
    from bongsu.server import Server
    from bongsu.settings import Settings

    given = {key: value for key, value in options.items() if value is not None and key != "environment"}
    settings = Settings(**given)
    configure()
    try:
        rooms = Server(loaded, settings)
    except FolderInUseError as error:
        raise click.ClickException(str(error)) from None
    config = uvicorn.Config(
        create_app(rooms),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    rooms.stopping = lambda: server.should_exit
    click.echo(say("Console", "콘솔") + f": http://{settings.host}:{settings.port}", err=True)
    if not rooms.credentials.given:
        where = settings.data / "admin.token"
        click.echo(
            say(f"Sign in with the token in {where}", f"{where} 파일의 토큰으로 로그인하세요"), err=True
        )
    server.run()
