"""How the project reaches hosts: what pyinfra's own connectors leave open."""
