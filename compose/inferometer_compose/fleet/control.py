"""What every demo service has beside its work: a health check and a switch for faults."""

import ipaddress
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel

import inferometer
from inferometer_compose.faults import Fault

FaultChanged = Callable[[Fault | None], Awaitable[None]]


WARM_UP = "x-warm-up"
"""Header of requests that only warm a service up: nobody waits for their answers, no objective counts them."""


def is_warm_up(request: Request) -> bool:
    """Whether a request says that it is one to warm up with."""
    return WARM_UP in request.headers


class FaultOrder(BaseModel):
    """The fault to have from now on; none when it is absent."""

    name: Fault | None = None


class FaultSwitch:
    """Which fault a service has now."""

    def __init__(self) -> None:
        self._active: Fault | None = None

    def on(self, fault: Fault) -> bool:
        """Whether the service has that fault now."""
        return self._active is fault

    def set(self, fault: Fault | None) -> None:
        """Have that fault from now on, or none."""
        self._active = fault


def control_routes(switch: FaultSwitch, changed: FaultChanged) -> APIRouter:
    """``GET /healthz``, which nobody records, and ``POST /control/fault``, which is marked as warm-up.

    Args:
        switch: Is set before ``changed`` runs.
        changed: Starts and stops what a fault needs beside the switch.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.post("/control/fault")
    async def control(order: FaultOrder, request: Request) -> FaultOrder:
        inferometer.annotate(warmup=True)
        if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
            raise HTTPException(403, "faults are switched from the same host only")
        switch.set(order.name)
        await changed(order.name)
        return order

    return router


async def nothing_else(_: Fault | None) -> None:
    """For services whose faults need the switch alone."""
