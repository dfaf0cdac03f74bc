"""Knows the products and how many are left."""

import logging
from dataclasses import dataclass
from decimal import Decimal

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, PositiveInt

from shop.common import Service, serve

log = logging.getLogger("shop.inventory")

FULL_SHELF = 500
LOW_SHELF = 50


@dataclass(slots=True)
class Product:
    sku: str
    name: str
    price: Decimal
    available: int = FULL_SHELF


ASSORTMENT = (
    ("tea-001", "Green tea from Boseong", "12.50"),
    ("tea-002", "Roasted barley tea", "6.90"),
    ("cup-001", "Celadon cup", "28.00"),
    ("cup-002", "White porcelain cup", "24.00"),
    ("pot-001", "Clay teapot", "58.00"),
    ("box-001", "Lacquer tea box", "89.00"),
)


class Reservation(BaseModel):
    order: str
    sku: str
    quantity: PositiveInt


def build(service: Service) -> FastAPI:
    app = service.app()
    products = {sku: Product(sku, name, Decimal(price)) for sku, name, price in ASSORTMENT}

    @app.get("/stock/{sku}")
    async def stock(sku: str) -> Product:
        await service.switch.at("stock")
        return _find(products, sku)

    @app.post("/reserve")
    async def reserve(asked: Reservation) -> Product:
        await service.switch.at("reserve")
        product = _find(products, asked.sku)
        if product.available < asked.quantity:
            log.warning("only %d of %s left for order %s", product.available, asked.sku, asked.order)
            raise HTTPException(409, f"only {product.available} of {asked.sku} left")
        product.available -= asked.quantity
        log.info("reserved %d of %s for order %s", asked.quantity, asked.sku, asked.order)
        if product.available < LOW_SHELF:
            product.available = FULL_SHELF
            log.info("restocked %s to %d", asked.sku, FULL_SHELF)
        return product

    return app


def _find(products: dict[str, Product], sku: str) -> Product:
    if sku not in products:
        raise HTTPException(404, f"no product {sku}")
    return products[sku]


if __name__ == "__main__":
    serve("inventory", build)
