"""The chain from a worker to a board, walked link by link: which one is broken, and what mends it.

`chain` walks; `records`, `prices`, `scraping`, `promises`, `alerting`, `traces` and `boards` are its stretches;
`link` is what they say.
"""
