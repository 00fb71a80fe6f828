"""What a provider billed: FOCUS exports, read and compared with the ledger."""
