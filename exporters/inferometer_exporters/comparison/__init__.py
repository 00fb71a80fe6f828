"""Two windows or two versions of a service against each other: what differs, by how much, and what nobody can say."""
