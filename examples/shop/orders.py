"""Takes orders: prices them, reserves stock, charges the card and remembers the outcome."""

import logging
import secrets
from decimal import Decimal

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, PositiveInt

from shop import pricing
from shop.common import Service, serve
from shop.database import Orders
from shop.errors import PeerError

log = logging.getLogger("shop.orders")


class NewOrder(BaseModel):
    customer: str
    tier: str = "guest"
    sku: str
    quantity: PositiveInt = 1
    card: str


def build(service: Service) -> FastAPI:
    app = service.app()
    database = Orders(service.settings.database, service.switch)
    service.on_stop(database.close)
    inventory = service.peer("inventory")
    payments = service.peer("payments")

    async def process(order: str, asked: NewOrder) -> dict[str, str]:
        await service.switch.at("place")
        reserved = await inventory.post(
            "/reserve", {"order": order, "sku": asked.sku, "quantity": asked.quantity}
        )
        lines = [(asked.quantity, Decimal(reserved["price"]))]
        total = str(pricing.for_version(service.settings.version)(lines, asked.tier))
        await database.add(order, asked.customer, total)
        try:
            paid = await payments.post("/charge", {"order": order, "amount": total, "card": asked.card})
        except Exception:
            await database.settle(order, "failed")
            raise
        await database.settle(order, "paid")
        message = "order %s of customer %s paid: %s EUR"
        log.info(message, order, asked.customer, total, extra=_ids(order, asked))
        return {"id": order, "status": "paid", "total": total, "payment": paid["payment"]}

    @app.post("/orders", status_code=201)
    async def place(asked: NewOrder) -> dict[str, str]:
        order = f"o-{secrets.token_hex(4)}"
        try:
            return await process(order, asked)
        except PeerError as error:
            error.add_note(f"order {order} of customer {asked.customer}")
            raise
        except HTTPException:
            raise
        except Exception as error:
            message = "order %s of customer %s failed: %r"
            log.exception(message, order, asked.customer, error, extra=_ids(order, asked))
            raise HTTPException(500, f"order {order} failed") from error

    @app.get("/orders/{order}")
    async def find(order: str) -> dict[str, str]:
        found = await database.find(order)
        if not found:
            raise HTTPException(404, f"no order {order}")
        return found

    return app


def _ids(order: str, asked: NewOrder) -> dict[str, str]:
    return {"order.id": order, "customer.id": asked.customer}


if __name__ == "__main__":
    serve("orders", build)
