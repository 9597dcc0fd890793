"""The lease of a rented machine: until when it is wanted, and how it ends itself then (docs/lease.md)."""
