"""What the program keeps, in /workspace/state: linked there at each start of the program, by its user."""
