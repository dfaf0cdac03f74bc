"""Where the process keeps its data and listens; from ``BONGSU_*`` variables or the command line."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BONGSU_")

    data: Path = Path("bongsu-data")
    host: str = "127.0.0.1"
    port: int = 8765
    watch: bool = True
    """Off when Prometheus and Alertmanager judge instead."""
