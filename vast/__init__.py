"""What this project has to do with Vast.ai: an inventory of the boxes rented there, and templates to rent them by."""
