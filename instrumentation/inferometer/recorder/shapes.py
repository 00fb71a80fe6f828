"""Label sets and strings by number: each travels once, however many requests carry it."""

import threading
from typing import Final

from inferometer.catalog.jobs import JOB
from inferometer.catalog.labels import CLASS, MODEL, TENANT, VERSION
from inferometer.catalog.rpc import GRPC
from inferometer.wire.frame import Names, Shape

OTHER: Final = "other"
MAX_SHAPES: Final = 8192
MAX_STRINGS: Final = 4096
MAX_ROUTES: Final = 2000
_MAX_TEXT: Final = 200
"""Characters of a name that are kept: what is longer is a payload, not a name."""

Key = tuple[str, str, str, str, str, str]
"""model, version, tenant, request class, method, route."""

_METHODS: Final = frozenset(
    {"", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "TRACE", "CONNECT", GRPC, JOB}
)


class _Bounded:
    """At most *limit* values of a name; later ones are `OTHER`."""

    __slots__ = ("_limit", "_seen")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        value = value[:_MAX_TEXT]
        if not value or value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value


class Shapes:
    """Numbers of the label sets and strings of one process; bounded, whatever headers say."""

    def __init__(self, service: str, region: str) -> None:
        self.service = service
        """Value of the label ``service``; fixed once a shape has it."""
        self._region = region
        self._lock = threading.Lock()
        self.numbers: dict[Key, int] = {}
        """Label set -> number; requests read it without a lock and call `add` for what it lacks."""
        self._by_shape: dict[Shape, int] = {}
        self._strings: dict[str, int] = {}
        self._models = _Bounded(MODEL.max_values)
        self._versions = _Bounded(VERSION.max_values)
        self._tenants = _Bounded(TENANT.max_values)
        self._classes = _Bounded(CLASS.max_values)
        self._routes = _Bounded(MAX_ROUTES)
        self._fresh = Names()
        self.models: dict[str, str | None] = {}
        """Route -> the model that its requests were named after, None where they were several."""

    def add(self, key: Key) -> int:
        """Number of a label set that `numbers` may not have; every value is bounded, then `OTHER`."""
        with self._lock:
            number = self.numbers.get(key)
            if number is not None:
                return number
            number = self._number_of(self._bounded(key))
            if len(self.numbers) < MAX_SHAPES:
                self.numbers[key] = number
            return number

    def _bounded(self, key: Key) -> Shape:
        model, version, tenant, request_class, method, route = key
        if len(self._by_shape) >= MAX_SHAPES:
            tenant = OTHER if tenant else tenant
        if len(self._by_shape) >= 2 * MAX_SHAPES:
            model = version = request_class = route = OTHER
        return (
            self.service,
            self._models(model),
            self._versions(version),
            self._region,
            self._tenants(tenant),
            self._classes(request_class),
            method if method in _METHODS else OTHER,
            self._routes(route),
        )

    def _number_of(self, shape: Shape) -> int:
        number = self._by_shape.get(shape)
        if number is None:
            number = self._by_shape[shape] = len(self._by_shape) + 1
            self._fresh.shapes[number] = shape
        return number

    def number(self, key: Key) -> int:
        """Number of a label set."""
        return self.numbers.get(key) or self.add(key)

    def string(self, text: str) -> int:
        """Number of a string such as a device or a called host."""
        number = self._strings.get(text)
        if number is not None:
            return number
        with self._lock:
            if len(self._strings) >= MAX_STRINGS:
                text = OTHER
            number = self._strings.get(text)
            if number is None:
                number = self._strings[text] = len(self._strings) + 1
                self._fresh.strings[number] = text[:_MAX_TEXT]
            return number

    def alias(self, text: str, stands_for: str) -> None:
        """From now on *text* has the number of the string that it *stands_for*."""
        number = self.string(stands_for)
        with self._lock:
            self._strings[text] = number

    def take_fresh(self) -> Names:
        """Names given out since the last call. Call it after the rows that use them were taken."""
        with self._lock:
            fresh, self._fresh = self._fresh, Names()
            return fresh

    def after_fork(self) -> None:
        """Make the lock new: another thread of the parent may have held it."""
        self._lock = threading.Lock()

    def all(self) -> Names:
        """Every name given out."""
        with self._lock:
            shapes = {number: shape for shape, number in self._by_shape.items()}
            return Names(shapes, {number: text[:_MAX_TEXT] for text, number in self._strings.items()})

    def learn(self, route: str, model: str) -> None:
        """Remember which model a route's requests were named after; a route of several models has none."""
        known = self.models.get(route, "")
        if known == model or not route:
            return
        if known == "":
            if len(self.models) < MAX_ROUTES:
                self.models[route] = model
        else:
            self.models[route] = None

    def learned(self, route: str) -> str:
        """Model of a route whose request ended before anything named it; the route where none is known.

        Without it the failures of a model would be counted under another name than its successes.
        """
        return self.models.get(route) or route
