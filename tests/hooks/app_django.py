"""A Django project in one file."""

import time

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path

import inferometer
import inferometer.auto

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="tests", LOGGING_CONFIG=None)


def predict(request, name):
    """Reads its body, works, answers."""
    inferometer.annotate(model=name)
    with inferometer.stage("execute"):
        time.sleep(0.02)
    return JsonResponse({"length": len(request.body)})


def stream(request):
    """Three parts."""

    def parts():
        for _ in range(3):
            time.sleep(0.01)
            yield b"x" * 10

    return StreamingHttpResponse(parts())


def timeout(request):
    """Gives up."""
    raise TimeoutError


def file(request):
    """This file."""
    return FileResponse(open(__file__, "rb"))  # noqa: PTH123 - Django closes it


def item(request, item):
    """Of an included configuration."""
    return HttpResponse(str(item))


urlpatterns = [
    path("predict/<str:name>", predict),
    path("stream", stream),
    path("timeout", timeout),
    path("file", file),
    path("api/", include([path("items/<int:item>", item)])),
]
django.setup()
application = get_wsgi_application()
asynchronous = get_asgi_application()
