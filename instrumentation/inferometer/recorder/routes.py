"""Route template of a request, from what the router left in its scope."""

from inferometer.recorder.protocol import Scope


def route_of(scope: Scope) -> str:
    """Template such as ``/models/{name}``, with the prefix of included routers and mounts; empty without a route."""
    route = scope.get("route")
    if route is None:
        return ""
    path: object = getattr(route, "path_format", None) or getattr(route, "path", "")
    # FastAPI from 0.137 on keeps routers nested; the route of an included one does not know its prefix.
    included = scope.get("fastapi")
    if included is not None:
        context = included.get("effective_route_context")
        if context is not None and getattr(context, "original_route", route) is route:
            path = getattr(context, "path_format", None) or getattr(context, "path", None) or path
    if not isinstance(path, str):
        return ""
    outside = scope.get("app_root_path")
    if outside is None:
        return path
    mount: str = scope.get("root_path", "")
    return mount.removeprefix(outside) + path
