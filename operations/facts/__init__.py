"""What is asked of a host. Each fact is one command, since pyinfra keeps no fact for a second look.

`connectors.ahead` has several of them go to the host together. A question changes nothing there; one that may wait for
something says so by an attribute `waits`, and is asked when its turn comes.
"""
