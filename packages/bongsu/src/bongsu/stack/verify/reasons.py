"""What Prometheus' errors of a scrape mean, and what to do."""

from collections.abc import Sequence

from bongsu.signals.model import Text
from bongsu.stack.verify.model import said

_REASONS: Sequence[tuple[tuple[str, ...], Text, Text]] = (
    (
        ("connection refused",),
        said("connection refused", "연결 거부"),
        said(
            "nothing listens there: start the service, or correct its port",
            "듣고 있는 프로세스가 없습니다. 서비스를 시작하거나 포트를 고치세요",
        ),
    ),
    (
        ("no such host", "server misbehaving"),
        said("the host name is not known", "호스트 이름을 찾을 수 없음"),
        said("correct targets", "targets를 고치세요"),
    ),
    (
        ("context deadline exceeded", "i/o timeout"),
        said("no answer in time", "제때 응답하지 않음"),
        said(
            "a firewall drops it, or the page is slow: see scrape.timeout",
            "방화벽이 막거나 페이지가 느립니다. scrape.timeout을 확인하세요",
        ),
    ),
    (
        ("HTTP status 404",),
        said("HTTP 404: there is no such path", "HTTP 404: 그런 경로가 없음"),
        said("say where the metrics are: scrape.path", "메트릭 경로를 scrape.path로 알려 주세요"),
    ),
    (
        ("HTTP status 401", "HTTP status 403"),
        said("it asks for a credential", "인증이 필요함"),
        said(
            "let Prometheus in, or give its job a credential",
            "Prometheus의 접근을 허용하거나 잡에 인증 정보를 주세요",
        ),
    ),
    (
        (
            "unsupported Content-Type",
            "unexpected end of input",
            "invalid metric type",
            "expected",
            "parse error",
            "INVALID",
        ),
        said("what it answers is not the metrics format", "메트릭 형식이 아닌 응답"),
        said(
            "this is another page: correct scrape.path or the port",
            "다른 페이지입니다. scrape.path나 포트를 고치세요",
        ),
    ),
    (
        ("certificate", "tls:", "HTTP response to HTTPS"),
        said("TLS fails", "TLS 실패"),
        said("correct the scheme in targets, or its certificate", "targets의 http/https나 인증서를 고치세요"),
    ),
)


def reason(error: str) -> tuple[Text, Text]:
    """What Prometheus' error means, and what to do."""
    for signs, why, fix in _REASONS:
        if any(sign in error for sign in signs):
            plain = signs[0] in ("connection refused", "HTTP status 404")
            return (why if plain else said(f"{why.en} ({error[:200]})", f"{why.ko} ({error[:200]})")), fix
    return said(error[:300] or "down", error[:300] or "내려감"), said(
        "see the service's log", "서비스 로그를 확인하세요"
    )
