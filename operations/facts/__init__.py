"""What is asked of a host. Each fact is one remote command, since pyinfra keeps no fact for a second look."""
