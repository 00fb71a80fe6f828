"""What is hooked in a process, what is not and why, where its records would go: for ``python -m inferometer``.

`examination` looks, `hooks`, `destination` and `application` are what it looks at, `text` says it to a person.
"""
