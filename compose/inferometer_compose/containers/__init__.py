"""The stack in containers: what Docker Compose is asked, and what its answers mean."""
