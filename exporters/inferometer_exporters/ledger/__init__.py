"""The ledger: where every nanosecond of a billed device went, and what each request owes; it always adds up."""
