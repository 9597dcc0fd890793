"""The portal: Caddy on the only public port, and the loopback service behind it with the pages."""
