"""What a host is: typed tables, checks and pinned values. Nothing in here knows pyinfra."""
