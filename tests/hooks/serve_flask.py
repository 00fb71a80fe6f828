"""The development server of Flask, which keeps a thread per connection."""

import sys

from app_flask import app
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
