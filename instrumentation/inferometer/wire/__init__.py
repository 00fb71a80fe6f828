"""How records travel from a worker to an Intake: tables, frames, messages (docs/architecture.md, "The wire")."""
