"""Files for engines that rent or run many machines (Kubernetes, dstack, SkyPilot), rendered from the variants."""
