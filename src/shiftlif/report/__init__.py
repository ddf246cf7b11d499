"""A run as one page to look at: what it reaches, what its layers do, where operations go, whether it is what runs."""
