"""A person's files in /workspace, up and down through the portal: what the service `files` is made of.

It runs as the program's own user, which reaches nothing that the program does not reach. So nothing that comes from it
is a page: the page is root's, and asks for what it shows as data (docs/files.md has the whole interface).
"""
