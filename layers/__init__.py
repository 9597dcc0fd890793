"""The Dockerfile: rendered from tables; each layer is made from a folder with what its code reads."""
