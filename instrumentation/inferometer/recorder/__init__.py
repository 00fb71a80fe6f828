"""What a serving process records: slots while a request runs, bytes when it has ended, frames from one thread.

``asgi`` wraps an application and ``request`` is the open request whose bound methods stand for receive and send;
``executes``, ``calls``, ``marks`` and ``batching`` add what happens inside it; ``buffers``, ``shapes`` and ``frames``
turn all of it into frames; ``flusher``, ``connection`` and ``destination`` deliver them; ``worker`` ties one process
together.
"""
