"""`make lock`: the locked requirement sets and Conda locks of applications, and those of the project itself."""
