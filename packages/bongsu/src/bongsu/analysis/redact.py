"""Log lines are quoted to people and to models; what looks like a credential is taken out first."""

import re

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*", re.DOTALL), "[redacted key]"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), "[redacted token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)"), "[redacted]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[redacted key]"),
    (re.compile(r"\b(?:gh[pousr]_|xox[abprs]-|sk-)[\w-]{10,}"), "[redacted token]"),
    (
        re.compile(
            r"(?i)([\w-]{0,30}(?:password|passwd|pwd|secret|token|api[_-]?key|authorization|cookie)"
            r"[\"']?\s{0,3}[=:]\s{0,3})(\"[^\"]{0,200}\"|'[^']{0,200}'|[^\s,;&}]{1,200})"
        ),
        r"\1[redacted]",
    ),
)


def redact(text: str) -> str:
    """``text`` without passwords, tokens, keys and credentials in URLs, as far as patterns can tell."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
