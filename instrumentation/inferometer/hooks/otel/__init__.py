"""Living with OpenTelemetry: whose spans a request has, and how ours find their place among them.

`tracing` decides per request, `outbox` and `spans` make ours through the user's provider, `context` makes our request
current for the user's spans; `api` and `sdk` are the hooks, those named ``bypass`` leave other instrumentation of
servers out under policy ``own``.
"""
