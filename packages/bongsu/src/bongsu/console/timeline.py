"""What an event of the timeline says beside its kind, in the reader's language."""

from bongsu.console.deps import ConsoleDeps
from bongsu.console.headline import SignalText
from bongsu.console.phrases import PHRASES, phrase
from bongsu.incidents.model import Event

_ALWAYS = {"resolved": "all_recovered", "closed": "all_told"}
_JOINED = {
    "same_service": "joined_same_service",
    "depends_on": "joined_depends_on",
    "dependent": "joined_dependent",
}


def said(event: Event, deps: ConsoleDeps, language: str) -> str:
    """Empty where the kind says it all; people's own words, and events without detail, as they are stored."""
    if event.kind in _ALWAYS:
        return phrase(_ALWAYS[event.kind], language)
    return _of_detail(event, deps, language) or event.text


def _of_detail(event: Event, deps: ConsoleDeps, language: str) -> str:
    if not event.detail:
        return ""
    match event.kind:
        case "first_bad_sample" | "alert" | "opened":
            return _alert(event, deps.trouble_text, language)
        case "alert_resolved":
            return _alert(event, deps.signal_text, language)
        case "reopened":
            return phrase("came_back", language, what=_alert(event, deps.trouble_text, language))
        case "joined":
            return _joined(event, _alert(event, deps.trouble_text, language), language)
        case "escalated":
            return _escalated(event, _alert(event, deps.signal_text, language), language)
        case "condition":
            reason = phrase(f"condition_{_word(event, 'condition')}", language)
            return f"{_alert(event, deps.signal_text, language)} · {reason}"
        case "analysed":
            suspect = _word(event, "suspect")
            key = "cause_found" if suspect else "cause_not_found"
            return phrase(key, language, suspect=suspect)
        case "analysis_failed":
            return phrase("analysis_error", language, error=_word(event, "error"))
        case "delivered":
            return phrase("told_channel", language, channel=_word(event, "channel"))
        case "refused":
            return phrase(
                "channel_refused", language, channel=_word(event, "channel"), error=_word(event, "error")
            )
        case _:
            return ""


def _alert(event: Event, signal_text: SignalText, language: str) -> str:
    """The signal by its meaning where the catalog knows it, else what the alert calls itself."""
    service, signal = _word(event, "service"), _word(event, "signal")
    what = signal_text(service, signal).in_(language) if signal else ""
    return f"{service}: {what}" if what else _word(event, "alert")


def _joined(event: Event, what: str, language: str) -> str:
    key = _JOINED.get(_word(event, "why"))
    if key is None:
        return what
    service, other = _word(event, "service"), _word(event, "other")
    return phrase(key, language, what=what, service=service, other=other)


def _escalated(event: Event, what: str, language: str) -> str:
    before, after = _severity(event, "before", language), _severity(event, "after", language)
    return f"{what} · {before} → {after}"


def _severity(event: Event, key: str, language: str) -> str:
    word = _word(event, key)
    return phrase(word, language) if word in PHRASES else word


def _word(event: Event, key: str) -> str:
    value = event.detail.get(key)
    return "" if value is None else str(value)
