"""The tables of the incident store, for SQLite and PostgreSQL alike. Times are Unix seconds."""

import sqlalchemy as sa

metadata = sa.MetaData()

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("severity", sa.String(2), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("service", sa.String(100), nullable=False, index=True),
    sa.Column("owner", sa.String(100), nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("opened_at", sa.Float, nullable=False),
    sa.Column("resolved_at", sa.Float),
    sa.Column("acknowledged_at", sa.Float),
    sa.Column("acknowledged_by", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("episode", sa.Integer, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("incident", sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("source", sa.String(40), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("starts_at", sa.Float, nullable=False),
    sa.Column("ends_at", sa.Float),
    sa.Column("status", sa.String(10), nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("source", "fingerprint", "starts_at"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("incident", sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("detail", sa.LargeBinary, nullable=False),
    sa.Column("key", sa.String(200), unique=True),
)
"""``key`` is set where a repeated step must not write its line twice."""

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("incident", sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""Evidence and analysis: zlib-compressed JSON."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("incident", sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("channel", sa.String(100), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("receipt", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
)

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(100), nullable=False),
    sa.Column("signal", sa.String(100), nullable=False),
    sa.Column("starts_at", sa.Float, nullable=False),
    sa.Column("ends_at", sa.Float, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
)

state = sa.Table(
    "state",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
"""Small things that must survive a restart, such as what the watch holds pending."""
