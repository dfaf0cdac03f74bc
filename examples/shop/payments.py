"""Charges cards through an outside processor."""

import asyncio
import logging
import random
import secrets
from decimal import Decimal

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from shop.common import Service, serve
from shop.errors import CardProcessorError

log = logging.getLogger("shop.payments")

DECLINED_CARD = "card-expired"


class Charge(BaseModel):
    order: str
    amount: Decimal
    card: str


def build(service: Service) -> FastAPI:
    app = service.app()

    @app.post("/charge")
    async def charge(asked: Charge) -> dict[str, str]:
        ids = {"order.id": asked.order}
        try:
            payment = await _process(service, asked)
        except CardProcessorError as error:
            message = "charge of %s EUR for order %s failed: %s"
            log.exception(message, asked.amount, asked.order, error, extra=ids)
            raise HTTPException(503, "card processor unavailable") from error
        log.info("charged %s EUR for order %s as payment %s", asked.amount, asked.order, payment, extra=ids)
        return {"payment": payment}

    return app


async def _process(service: Service, asked: Charge) -> str:
    await asyncio.sleep(random.uniform(0.005, 0.02))
    await service.switch.at("charge")
    if asked.card == DECLINED_CARD:
        log.warning("card of order %s was declined: expired", asked.order)
        raise HTTPException(402, "card declined")
    return f"pay-{secrets.token_hex(4)}"


if __name__ == "__main__":
    serve("payments", build)
