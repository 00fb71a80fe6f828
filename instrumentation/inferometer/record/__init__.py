"""The record: one request with its executes, calls and marked intervals, and its division into exclusive stages."""
