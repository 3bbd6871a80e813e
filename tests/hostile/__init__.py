"""What strangers may send to hurt, and what it costs: the bounds are on memory and on work, never on time."""
