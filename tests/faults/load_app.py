"""An application with the one line, under the load of a trial."""

import inferometer.auto  # isort: skip  # noqa: F401 - the one line
from fastapi import FastAPI

app = FastAPI()


@app.get("/predict/{number}")
async def predict(number: int) -> dict[str, int]:
    return {"square": number * number}
