"""Logs in Loki: how many, at which level, which errors, and what they have in common."""

from typing import Any

from bongsu.signals.model import Text
from bongsu.stack.dashboards.board import SERVICES, Board, Section, choice, draw, written
from bongsu.stack.dashboards.identity import topic_uid
from bongsu.stack.dashboards.scope import Scope
from bongsu.stack.dashboards.views import Column, Query, chart, log_lines, table
from bongsu.stack.panels import panel_id

Json = dict[str, Any]
ERRORS = '| detected_level=~"error|critical|fatal"'
"""Loki finds the level of a line by itself (``discover_log_levels``, on unless switched off)."""
_TITLE = Text(en="Logs", ko="로그")
_VOLUME = Text(en="Lines by level", ko="레벨별 로그 수")
_VOLUME_HELP = Text(en="How many lines are logged, by their level.", ko="레벨별로 기록된 로그 줄 수입니다.")
_RATE = Text(en="Error lines by service", ko="서비스별 오류 로그")
_RATE_HELP = Text(en="Error lines per second.", ko="초당 오류 로그 수입니다.")
_LINES = Text(en="Error lines", ko="오류 로그")
_LINES_HELP = Text(
    en="Newest first; open a line for its trace.", ko="최신순이며, 줄을 펼치면 트레이스로 이동할 수 있습니다."
)
_ALL = Text(en="All lines", ko="전체 로그")
_TEMPLATES = Text(en="Most frequent errors", ko="가장 잦은 오류")
_TEMPLATES_HELP = Text(
    en="Error lines that differ only in numbers and identifiers are counted as one.",
    ko="숫자와 식별자만 다른 오류 로그는 하나로 셉니다.",
)
_TEMPLATE = Text(en="Line", ko="로그")
_COUNT = Text(en="Lines", ko="건수")
_LEVEL = Text(en="Level", ko="레벨")
_SEARCH = Text(en="Text (regular expression)", ko="검색어 (정규식)")
_LEVELS = ("critical", "fatal", "error", "warn", "info", "debug", "trace", "unknown")
_COLORS = {
    "critical": "purple",
    "fatal": "purple",
    "error": "red",
    "warn": "orange",
    "info": "green",
    "debug": "blue",
    "trace": "light-blue",
    "unknown": "text",
}


def logs_board(scope: Scope) -> Json | None:
    """The dashboard of all services' logs; None without Loki."""
    if not scope.has_logs:
        return None
    stream = f'{{{scope.log_label}=~"$service"}}'
    chosen = f'{stream} | detected_level=~"$level" |~ "$search"'
    owner, label = "board/logs", scope.log_label
    errors = f"sum by ({label}) (rate({stream} {ERRORS} [$__auto]))"
    sections = [
        Section(
            "logs",
            "",
            [
                volume(scope, stream, owner),
                chart(
                    panel_id("errors", owner),
                    scope.say(_RATE),
                    scope.say(_RATE_HELP),
                    [Query(errors, f"{{{{{label}}}}}")],
                    "ops",
                    source="loki",
                ),
                _templates(scope, stream, owner),
                error_lines(scope, stream, owner),
                log_lines(panel_id("all", owner), scope.say(_ALL), scope.say(_LINES_HELP), chosen),
            ],
        )
    ]
    board = Board(
        uid=topic_uid(scope.catalog.name, "logs"),
        title=scope.say(_TITLE),
        tag="topic",
        sections=sections,
        variables=[
            choice("service", scope.say(SERVICES), [service.name for service in scope.services]),
            choice("level", scope.say(_LEVEL), _LEVELS),
            written("search", scope.say(_SEARCH), ".*"),
        ],
        logs=True,
    )
    return draw(board, scope)


def volume(scope: Scope, stream: str, owner: str) -> Json:
    """Bars of lines by level; ``stream`` is a LogQL selector."""
    overrides = [
        {
            "matcher": {"id": "byName", "options": level},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for level, color in _COLORS.items()
    ]
    return chart(
        panel_id("volume", owner),
        scope.say(_VOLUME),
        scope.say(_VOLUME_HELP),
        [Query(f"sum by (detected_level) (count_over_time({stream} [$__auto]))", "{{detected_level}}")],
        "short",
        bars=True,
        source="loki",
        overrides=overrides,
    )


def error_lines(scope: Scope, stream: str, owner: str) -> Json:
    """The error lines themselves."""
    title, text = scope.say(_LINES), scope.say(_LINES_HELP)
    return log_lines(panel_id("error_lines", owner), title, text, f"{stream} {ERRORS}")


def _templates(scope: Scope, stream: str, owner: str) -> Json:
    same = '{{ regexReplaceAll "[0-9a-fA-F]{8,}|[0-9]+" __line__ "#" | trunc 160 }}'
    counted = f"count_over_time({stream} {ERRORS} | label_format template=`{same}` [$__range])"
    columns = [
        Column("template", scope.say(_TEMPLATE), {"custom.width": 900}),
        Column("Value #A", scope.say(_COUNT), {"unit": "short"}),
    ]
    return table(
        panel_id("templates", owner),
        scope.say(_TEMPLATES),
        scope.say(_TEMPLATES_HELP),
        [Query(f"topk(25, sum by (template) ({counted}))", instant=True)],
        columns,
        sort=scope.say(_COUNT),
        source="loki",
        merged=False,
    )
