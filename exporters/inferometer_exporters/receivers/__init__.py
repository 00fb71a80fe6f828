"""OTLP in: spans that others send, over gRPC and HTTP.

``messages`` decodes, ``incoming`` makes columns and says what is wrong, ``inbox`` waits for the next pass; ``body``,
``http_app``, ``grpc_service`` and ``server`` are the ports. In the pipeline ``foreign`` holds spans until the requests
that they belong to are settled; ``owners`` finds those, ``facts`` and ``records`` make a record of a span that says
what a record needs, ``rows`` are the recorder's, and ``forward`` sends all of them on.
"""
