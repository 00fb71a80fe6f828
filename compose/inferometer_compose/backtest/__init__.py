"""What an objective's alerts would have done: history in, pages out, at the steps of the real rule engine."""
