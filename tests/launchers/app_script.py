"""A script that starts its own server: ``python app_script.py PORT``."""

import sys

import uvicorn
from app_first import app

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
