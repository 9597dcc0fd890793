"""What runs on the operator's machine beside pyinfra: what its terminal may show, and which host data is ours."""
